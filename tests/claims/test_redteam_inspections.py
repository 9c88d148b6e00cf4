"""Attacks on inspections: a parent that no slot shows, hostile files of every kind, conflicting words of one inspector."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import test_inspect_open as base
import test_status_log as log
from test_inspect_open import world  # noqa: F401
from test_status_log import proven, world_  # noqa: F401

from claims.errors import ClaimsError
from claims.evidence import decode_evidence
from claims.inspect_file import Opening
from claims.inspect_open import MaterialError, OpeningRejected, check_opening
from claims.inspect_record import Record
from claims.records import RegistryEntry

HIDDEN = 4242


def _hidden_parent() -> base.World:
    """A registry with a checkpoint out of nothing that has no slot; the drawn run says that it is its parent."""
    lab = base.World()
    run = replace(lab.slots.slots[1], parent1=HIDDEN, genesis_commitment=bytes(32), genesis_round=0)
    lab.slots = replace(lab.slots, slots=(lab.slots.slots[0], run))
    entries = [lab._publish(epoch) for epoch in range(base.EPOCHS)]
    closed = base.behind(lab.terms, lab.sealed, lab.slots.slots)
    nothing = RegistryEntry("hidden", HIDDEN, 3, 0, 0, 0, 0, 0, 0, 0, b"h" * 32, 0)
    lab.closing = base.of_entries(replace(closed, entries=(closed.entries[0], nothing, *closed.entries[1:])))
    lab.log = base.FakeLog(entries, lab.log.time)
    lab.drawn = base.draw_committed(lab.terms, "alpha", 0, base.ROUND, lab.log)
    return lab


def test_a_parent_without_a_slot_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parents of what is drawn are opened too: neither an honest program opens without them, nor does a check accept."""
    lab = _hidden_parent()
    with pytest.raises(MaterialError, match="parent of a checkpoint"):
        lab.make()
    with monkeypatch.context() as dishonest:
        dishonest.setattr("claims.inspect_open._parents", lambda slots: set())
        opening = lab.make()
    with pytest.raises(OpeningRejected) as caught:
        check_opening(lab.terms, lab.drawn, opening, "beta")
    assert caught.value.code == "slot-missing"


def test_a_pass_that_its_inspector_contradicts_does_not_count(proven: log.Published) -> None:  # noqa: F811
    """First a pass for a bribe, then the failure: the pass does not stand because it came first."""
    log.record(proven, log.DRAWN + 10, "passed")
    assert proven.row(log.DRAWN + 20).inspections
    log.record(proven, log.DRAWN + 30, "failed")
    row = proven.row(log.DRAWN + 40)
    assert (row.state, row.inspections) == ("under inspection", ())
    assert any("its pass does not count" in text for text in proven.at(log.DRAWN + 40).problems)


def test_a_failure_is_not_undone_by_a_later_pass_of_the_same_inspector(proven: log.Published) -> None:  # noqa: F811
    log.record(proven, log.DRAWN + 10, "failed")
    log.record(proven, log.DRAWN + 30, "passed")
    assert proven.row(log.DRAWN + 40).check == "inspection"


def test_hostile_values_give_typed_errors_only(world: base.World) -> None:  # noqa: F811
    """Signed openings, and what decodes as records or evidence, with any one value replaced."""
    from claims.canonical import from_json, to_json

    made = world.make()
    rng, opening = random.Random(5), replace(made, binding=replace(made.binding, proof=bytes(8)))
    fields = from_json(opening.encode())
    values = [None, True, -1, 0, 2**24, 2**64, 2**64 - 1, "", "\ud800", "00", "zz", "a" * 300, [], {}, [[]], [""] * 17]
    places: list[tuple[object, ...]] = [(key,) for key in fields]
    for group in ("readings", "slots", "meters"):
        places += [(group, 0, key) for key in fields[group][0]]
    for place in places:
        for value in rng.sample(values, 6):
            changed = from_json(opening.encode())
            inner = changed
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = value
            try:
                data = to_json(changed)
            except (ClaimsError, ValueError):
                continue
            for decode in (Opening.decode, Record.decode, decode_evidence):
                try:
                    found = decode(data)
                except ClaimsError:
                    continue
                if isinstance(found, Opening):
                    try:
                        check_opening(world.terms, world.drawn, base.resign(found), "beta")
                    except ClaimsError:
                        continue
