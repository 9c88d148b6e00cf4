"""A lab that booked work where it did not go, and opens what was drawn with a program of its own.

The proof behind an opening is a stub that always holds: what refuses is the inspector's check, or nothing does. Readings and lists
are those that the lab published in time; it may have published whatever it liked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import tests.inspection.test_inspect_open as base
from claims.claim.commitments import EMPTY_SLOT, Slot
from claims.inspection.check import OpeningRejected, check_opening
from claims.inspection.file import OpenedSlot, Opening, saved_in

LAST = base.EPOCHS - 1
SAVED = LAST - 1
"""When the run was saved, and worked on the last time."""
CHECKPOINT, SNAPSHOT, MERGE, EXTERNAL, OPENING = 3, 4, 5, 2, 1
FIRST = Slot(True, 5, CHECKPOINT, 0, 0, 0, 0, 0, b"o" * 32, base.name_digest("first"))
RUN = Slot(True, base.TAG, CHECKPOINT, 5, 0, 0, SAVED, 0, b"w" * 32, base.name_digest("run"))


class World(base.World):
    """So many are drawn that every epoch is."""

    draws = 48


@pytest.fixture(scope="module", autouse=True)
def no_proofs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("circuits.open_records.prove_opening", lambda *_: b"proof")
        patch.setattr("circuits.opening.verify_opening", lambda *_: None)
        patch.setattr("claims.inspection.draw.verify_round", lambda *_, **__: base.VERIFIED)
        patch.setattr("claims.inspection.open.check_opening", lambda *_: None)  # its own program asks nothing
        yield


def opened(first: Slot = FIRST, run: Slot = RUN, worked: int = SAVED, lists: dict[int, int] | None = None) -> tuple[base.World, Opening]:
    """The lab's world and its opening. ``lists``: epoch to how many of the slots its list has; both of them in every epoch by default."""
    lab = World(saved=LAST, worked=worked)
    slots = (first, run)
    entries, published = [], {}
    for epoch in range(base.EPOCHS):
        own = slots[: (lists or {}).get(epoch, len(slots))]
        published[epoch] = replace(lab.slots, slots=own, names=("first", "run")[: len(own)], seed=bytes([epoch]) * 32)
        lab.slots = published[epoch]
        entries.append(lab._publish(epoch))
    entries.append(lab.claim_entry())
    lab.registry = published.__getitem__  # type: ignore[method-assign]
    lab.closing = base.behind(lab.terms, lab.sealed, slots)
    lab.log = base.FakeLog(entries, lab.log.time)
    lab.drawn = base.draw_committed(lab.terms, "alpha", 0, base.ROUND, lab.log)
    return lab, lab.make()


def code(lab: base.World, opening: Opening) -> str:
    with pytest.raises(OpeningRejected) as caught:
        check_opening(lab.terms, lab.drawn, opening, "beta")
    return caught.value.code


@pytest.fixture(scope="module")
def honest() -> tuple[base.World, Opening]:
    return opened()


def test_an_honest_opening_passes(honest: tuple[base.World, Opening]) -> None:
    check_opening(honest[0].terms, honest[0].drawn, honest[1], "beta")


ATTEMPTS: dict[str, tuple[dict[str, Any], str]] = {
    "saved in epoch 0, worked on after it": ({"run": replace(RUN, epoch=0, parent1=0)}, "slot-values"),
    "worked on an hour after it was saved": ({"worked": LAST}, "slot-values"),
    "a snapshot of an earlier hour": ({"run": replace(RUN, kind=SNAPSHOT, epoch=1)}, "slot-values"),
    "younger parent": ({"first": replace(FIRST, epoch=2), "run": replace(RUN, epoch=1), "worked": 1}, "slot-values"),
    "work for a merge": ({"run": replace(RUN, kind=MERGE, parent2=5)}, "slot-values"),
    "work for weights from outside": ({"run": replace(RUN, kind=EXTERNAL, parent1=0)}, "slot-values"),
    "work for what was there before": ({"run": replace(RUN, kind=OPENING, parent1=0)}, "slot-values"),
    "work for a RESIDUE": ({"run": replace(RUN, kind=6, parent1=0)}, "slot-values"),
    "saved after the period": ({"run": replace(RUN, epoch=LAST + 1)}, "slot-values"),
    "saved in an hour whose list lacks it": ({"lists": {SAVED: 1}}, "slot-path"),
    "a parent of a reserved tag": ({"first": replace(FIRST, tag=2), "run": replace(RUN, parent1=2)}, "slot-values"),
}  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_what_the_lab_published_contradicts_itself(attempt: str) -> None:
    changes, refused = ATTEMPTS[attempt]
    assert code(*opened(**changes)) == refused


def _again(lab: base.World, opening: Opening, slots: list[OpenedSlot]) -> Opening:
    return base.resign(replace(opening, slots=tuple(slots)))


def test_what_was_published_is_not_opened_otherwise(honest: tuple[base.World, Opening]) -> None:
    """The run with another date, kind, parent or tag than in the lists; without its parent; empty; under another hour's list."""
    lab, opening = honest
    at = next(i for i, item in enumerate(opening.slots) if item.opening.slot.tag == base.TAG)
    run = opening.slots[at]
    for changes in ({"epoch": 0}, {"epoch": LAST}, {"kind": SNAPSHOT}, {"parent1": 0}, {"parent1": base.TAG}, {"parent2": 5},
                    {"tag": 7}, {"declared": 1}, {"base": 5}, {"weights": bytes(32)}):  # fmt: skip
        other = replace(run, opening=replace(run.opening, slot=replace(run.opening.slot, **changes)))
        slots = [*opening.slots[:at], other, *opening.slots[at + 1 :]]
        assert code(lab, _again(lab, opening, slots)) == "slot-path"
    others = [item for item in opening.slots if item.opening.slot.tag != base.TAG]
    assert code(lab, _again(lab, opening, others)) == "slot-missing"
    parentless = [item for item in opening.slots if item.opening.slot.tag != 5]
    if len(parentless) < len(opening.slots):
        assert code(lab, _again(lab, opening, parentless)) in ("slot-missing", "selection")
    empty = replace(run, name="", saved=None, opening=replace(run.opening, slot=EMPTY_SLOT))
    assert code(lab, _again(lab, opening, [*opening.slots[:at], empty, *opening.slots[at + 1 :]])) == "slot-path"
    own = saved_in(run.opening.slot, 0, LAST)
    assert own == SAVED and run.saved is not None
    for saved in (None, (bytes(32), run.saved[1]), (run.saved[0], run.saved[1][::-1])):
        changed = [*opening.slots[:at], replace(run, saved=saved), *opening.slots[at + 1 :]]
        assert code(lab, _again(lab, opening, changed)) in ("selection", "slot-path")


def test_readings_are_not_opened_as_others(honest: tuple[base.World, Opening]) -> None:
    """A drawn reading as idle, unattributed, of the parent, of less work, of another hour, or one that was not drawn in its place."""
    lab, opening = honest
    at, item = next((i, item) for i, item in enumerate(opening.readings) if item.opening.reading.tag == base.TAG)
    own = item.opening.reading
    for changes in ({"tag": 1, "work": 0}, {"tag": 2}, {"tag": 5}, {"work": own.work - base.PEAK, "chip_seconds": own.chip_seconds - 1},
                    {"epoch": own.epoch ^ 1}):  # fmt: skip
        other = replace(item, opening=replace(item.opening, reading=replace(own, **changes)))
        readings = (*opening.readings[:at], other, *opening.readings[at + 1 :])
        assert code(lab, base.resign(replace(opening, readings=readings))) in ("reading-path", "selection")
    for index in range(3):
        if index != item.opening.index:
            other = lab.reading(item.meter, own.epoch, index)
            readings = (*opening.readings[:at], other, *opening.readings[at + 1 :])
            assert code(lab, base.resign(replace(opening, readings=readings))) == "selection"
    assert code(lab, base.resign(replace(opening, readings=opening.readings[1:]))) == "selection"
