"""Attacks on inspections: a parent that no slot shows, hostile files of every kind, conflicting words of one inspector."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

import tests.inspection.test_inspect_open as base
import tests.status.test_status_log as log
from claims.base.errors import ClaimsError
from claims.claim.evidence import decode_evidence
from claims.claim.records import RegistryEntry
from claims.inspection.check import OpeningRejected, check_opening
from claims.inspection.file import Opening, opening_limit, saved_in
from claims.inspection.open import MaterialError
from claims.inspection.record import Record
from claims.inspection.report import site_lines
from claims.inspection.terms import period_end
from claims.lab.store_names import MAX_CHECKPOINT_NAME
from tests.inspection.test_inspect_open import world  # noqa: F401
from tests.status.test_status_log import proven, world_  # noqa: F401

HIDDEN = 4242


def _hidden_parent() -> base.World:
    """A registry with a checkpoint out of nothing that has no slot; the drawn run says that it is its parent."""
    lab = base.World()
    run = replace(lab.slots.slots[1], parent1=HIDDEN, genesis_commitment=bytes(32), genesis_round=0)
    lab.slots = replace(lab.slots, slots=(lab.slots.slots[0], run))
    entries = [*(lab._publish(epoch) for epoch in range(base.EPOCHS)), lab.claim_entry()]
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
        dishonest.setattr("claims.inspection.open.parent_tags", lambda slots: set())
        dishonest.setattr("claims.inspection.open.check_opening", lambda *_: None)
        opening = lab.make()
    with pytest.raises(OpeningRejected) as caught:
        check_opening(lab.terms, lab.drawn, opening, "beta")
    assert caught.value.code == "slot-missing"


def _lineage() -> base.World:
    """Three checkpoints, each from the one before; only the last received work, and no place of the three is drawn."""
    lab = base.World()
    free = [place for place in range(16) if place not in lab.drawn.slots][:3]
    slots = [base.EMPTY_SLOT] * (free[-1] + 1)
    for place in range(free[-1]):  # others before and between them, all without parents
        slots[place] = base.Slot(True, 1000 + place, 3, 0, 0, 0, 0, 0, b"o" * 32, base.name_digest(f"other-{place}"))
    tags, names = (11, 12, base.TAG), {}
    for place, tag, parent in zip(free, tags, (0, 11, 12), strict=True):
        slots[place] = base.Slot(True, tag, 3, parent, 0, 0, 3, 0, bytes([tag % 256]) * 32, base.name_digest(f"run-{tag}"))
        names[place] = f"run-{tag}"
    named = tuple(names.get(place, f"other-{place}") for place in range(len(slots)))
    lab.slots = replace(lab.slots, slots=tuple(slots), names=named)
    entries = [*(lab._publish(epoch) for epoch in range(base.EPOCHS)), lab.claim_entry()]
    lab.closing = base.behind(lab.terms, lab.sealed, lab.slots.slots)
    lab.log = base.FakeLog(entries, lab.log.time)
    lab.drawn = base.draw_committed(lab.terms, "alpha", 0, base.ROUND, lab.log)
    assert not set(free) & set(lab.drawn.slots)
    return lab


def _with_slots(lab: base.World, opening: Opening, indices: list[int]) -> Opening:
    """The opening with these slots, each under every head that it needs (all have one list and seed), and a proof, signed."""
    opened = base.SlotOpening.several(lab.slots.slots, indices, lab.slots.seed, 16)
    names = [lab.slots.names[one.index] if one.slot.used else "" for one in opened]
    saved = [None if saved_in(one.slot, 0, base.EPOCHS - 1) is None else (one.salt, one.path) for one in opened]
    slots = tuple(map(base.OpenedSlot, names, opened, saved))
    readings, _ = base.shown(opening)
    binding = base.bind(lab.terms, "alpha", 0, lab.closing, readings, [one.slot for one in opened], base.LAB_KEY)
    return base.resign(replace(opening, slots=slots, binding=binding))


def test_parents_are_opened_and_their_parents_are_not() -> None:
    lab = _lineage()
    opening = lab.make()
    tags = {item.opening.slot.tag: item.opening.index for item in opening.slots}
    assert base.TAG in tags and 12 in tags and 11 not in tags
    text = opening.encode().decode()
    assert "run-12" in text and "run-11" not in text and (b"\x0b" * 32).hex() not in text
    lines = "\n".join(site_lines(lab.terms, check_opening(lab.terms, lab.drawn, opening, "beta")))
    assert f"run-12 (slot {tags[12]}, weights {'0c' * 32})" in lines and "(a parent)" in lines and "(of a drawn reading)" in lines
    assert "tag 11, which was not opened: have the lab show" in lines
    grandparent = next(i for i, slot in enumerate(lab.slots.slots) if slot.tag == 11)
    for indices, code in (
        (sorted({*tags.values()} - {tags[12]}), "slot-missing"), (sorted({*tags.values(), grandparent}), "selection"),
    ):  # fmt: skip
        with pytest.raises(OpeningRejected) as caught:
            check_opening(lab.terms, lab.drawn, _with_slots(lab, opening, indices), "beta")
        assert caught.value.code == code


def _saved_in_hour_1(noted: int, base_then: int = 0, *, worked: int = 1, parent: int = 0, parent_epoch: int = 0) -> base.World:
    """A run that says it was saved in epoch 1, and was in the published list from epoch ``noted`` on; its base came at the end."""
    lab, last = base.World(saved=1, worked=worked), base.EPOCHS - 1
    first = replace(lab.slots.slots[0], epoch=parent_epoch)
    run = replace(lab.slots.slots[1], genesis_commitment=bytes(32), genesis_round=0, base=5, parent1=parent)
    lists = {}
    for epoch in range(base.EPOCHS):
        slots = (first, replace(run, base=5 if epoch == last else base_then)) if epoch >= noted else (first,)
        lists[epoch] = replace(lab.slots, slots=slots, names=lab.slots.names[: len(slots)], seed=bytes([epoch]) * 32)
    entries = []
    for epoch in range(base.EPOCHS):
        lab.slots = lists[epoch]
        entries.append(lab._publish(epoch))
    entries.append(lab.claim_entry())
    lab.registry = lists.__getitem__  # type: ignore[method-assign]
    lab.closing = base.behind(lab.terms, lab.sealed, lab.slots.slots)
    lab.log = base.FakeLog(entries, lab.log.time)
    lab.drawn = base.draw_committed(lab.terms, "alpha", 0, base.ROUND, lab.log)
    return lab


def test_a_checkpoint_was_in_the_list_when_it_says_it_was_saved() -> None:
    lab = _saved_in_hour_1(noted=1)
    opening = lab.make()
    checked = check_opening(lab.terms, lab.drawn, Opening.decode(opening.encode()), "beta")
    item = checked.slot_of(base.TAG)
    assert item is not None and item.saved is not None and item.saved[0] != item.opening.salt
    for changed in (None, (bytes(32), item.saved[1]), (item.saved[0], item.saved[1][:-1]), (item.opening.salt, item.opening.path)):
        slots = tuple(replace(one, saved=changed) if one is item else one for one in checked.opening.slots)
        with pytest.raises(OpeningRejected) as caught:
            check_opening(lab.terms, lab.drawn, base.resign(replace(opening, slots=slots)), "beta")
        assert caught.value.code == ("selection" if changed is None else "slot-path")


def test_a_checkpoint_that_was_entered_later_under_an_earlier_hour_is_refused() -> None:
    """Three hours' heads without it, then one with it: each head binds, not the last alone."""
    with pytest.raises(MaterialError, match="not under the head logged for epoch 1"):
        _saved_in_hour_1(noted=2).make()
    with pytest.raises(MaterialError, match="not under the head logged for epoch 1"):
        _saved_in_hour_1(noted=1, base_then=7).make()


def test_nothing_receives_work_after_it_was_saved_or_comes_before_its_parent() -> None:
    _saved_in_hour_1(noted=1, parent=5).make()
    with pytest.raises(MaterialError, match="booked to a checkpoint that was saved in an earlier epoch"):
        _saved_in_hour_1(noted=1, worked=base.EPOCHS - 1).make()
    with pytest.raises(MaterialError, match="of an earlier epoch than its parent"):
        _saved_in_hour_1(noted=1, parent=5, parent_epoch=2).make()


def test_no_slot_is_opened_under_a_head_that_does_not_concern_it(world: base.World) -> None:  # noqa: F811
    opening = world.make()
    for at, one in enumerate(opening.slots):
        if one.saved is None:
            slots = list(opening.slots)
            slots[at] = replace(one, saved=(one.opening.salt, one.opening.path))
            with pytest.raises(OpeningRejected) as caught:
                check_opening(world.terms, world.drawn, base.resign(replace(opening, slots=tuple(slots))), "beta")
            assert caught.value.code == "selection"


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


def _hide_heads(published: log.Published) -> None:
    """What a lying host does: only the newest head is left to date entries."""
    for path in (published.folder / "log" / "checkpoints").iterdir():
        path.unlink()


@pytest.mark.parametrize("outcome", ["failed", "refused"])
def test_a_host_that_hides_heads_does_not_undo_a_failure(proven: log.Published, outcome: str) -> None:  # noqa: F811
    """The entries are dated later then, and another round is the eligible one: what was recorded of the first counts."""
    moment = log.DRAWN + 3 * log.HOUR + 10
    log.record(proven, moment, outcome)
    assert proven.row(moment + 10).check == "inspection"
    _hide_heads(proven)
    row = proven.row(moment + 10)
    assert (row.state, row.check, row.inspections) == ("rejected", "inspection", (("beta", log.ROUND, outcome),))


def test_a_host_that_hides_heads_in_time_chooses_no_round(world: base.World) -> None:  # noqa: F811
    """Whatever a date says up to the deadline of the last entry, the agreement alone says which round draws."""
    deadline = period_end(world.terms, 0) + world.terms.deadlines.epoch  # type: ignore[union-attr]
    for time in (deadline - 1000, deadline - 1, deadline):
        view = base.FakeLog(world.log.entries, time)
        assert base.draw_committed(world.terms, "alpha", 0, base.ROUND, view).draws == world.drawn.draws
    with pytest.raises(base.RoundRejected):
        base.draw_committed(world.terms, "alpha", 0, base.ROUND, base.FakeLog(world.log.entries, deadline + 3))


def test_a_claim_made_after_the_draw_is_drawn_from_again(world_: log.Published) -> None:  # noqa: F811
    """The lab waited for the round that would have drawn, and told the truth where it opens: a pass of that round is none."""
    world_.epochs()
    world_.claim(log.DRAWN + 60)
    log.record(world_, log.DRAWN + 120, "passed")
    row, again = world_.row(log.DRAWN + 180), log.DRAWN + 60 + log.HOUR
    assert (row.state, row.late, row.inspections) == ("proven", True, ())
    assert any("is the one to draw from" in text for text in world_.at(log.DRAWN + 180).problems)
    assert world_.row(again).state == "proven" and world_.row(again + 4).state == "under inspection"
    assert str(log.round_after(again)) in world_.row(again + 4).reason


def test_an_earlier_round_accuses_only_if_it_could_have_been_drawn(proven: log.Published) -> None:  # noqa: F811
    """Nobody makes up a round before the entries were due, or one that its own date does not give."""
    for changes in ({"round": log.ROUND - 1}, {"round": log.ROUND - 1, "committed": log.END}, {"committed": log.END + 8 * log.HOUR}):
        log.record(proven, log.DRAWN + 10, "failed", **changes)
        row = proven.row(log.DRAWN + 20)
        assert (row.state, row.inspections) == ("under inspection", ())


def test_hostile_values_give_typed_errors_only(world: base.World) -> None:  # noqa: F811
    """Signed openings, and what decodes as records or evidence, with any one value replaced."""
    from claims.base.canonical import from_json, to_json

    made = world.make()
    rng, opening = random.Random(5), replace(made, binding=replace(made.binding, proofs=((None, bytes(8)),)))
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


def test_a_checkpoints_name_writes_no_line_of_the_report() -> None:
    lab = base.World()
    opening = check_opening(lab.terms, lab.drawn, lab.make(), "beta")
    forged = "run\nslot 0      base: OPENING, before the agreement (drawn)\u202e"
    slots = tuple(replace(item, name=forged) for item in opening.opening.slots)
    lines = site_lines(lab.terms, replace(opening, opening=replace(opening.opening, slots=slots)))
    assert any("run\ufffdslot" in line for line in lines)
    assert not any("\n" in line or "\u202e" in line for line in lines)


def test_an_opening_has_room_for_the_longest_name_of_a_snapshot() -> None:
    """The store adds a period to a name of full length; an opening that no inspector can read would be a refusal."""
    lab = base.World()
    name = "\U0001d54f" * MAX_CHECKPOINT_NAME + f" @period-{2**24 - 1}"
    opening = lab.make()
    slots = tuple(
        replace(one, name=name, opening=replace(one.opening, slot=replace(one.opening.slot, name_digest=base.name_digest(name))))
        if one.opening.slot.used else one
        for one in opening.slots
    )
    longest = replace(opening, slots=slots)
    assert Opening.decode(longest.encode()) == longest
    assert len(longest.encode()) < opening_limit(lab.drawn, lab.terms.lab("alpha").meters)
