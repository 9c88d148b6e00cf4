"""Epochs sealed and published while the period runs: order, once, append-only slots, and what a lab would try."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from lab_fixtures import LAB_KEY, METER_KEYS, make_lab

from claims.base.errors import ClaimsError
from claims.claim.commitments import SlotOpening, in_places, lab_epoch_root, name_digest, registry_epoch_head
from claims.claim.entries import check_entry, decode_entry
from claims.claim.entry_kinds import EpochEntry
from claims.claim.records import Draft, Genesis, Usage
from claims.lab.coverage import CoverageError
from claims.lab.epochs import EpochError, publish_epoch, slots_at
from claims.lab.lineage import note_checkpoint, snapshot
from claims.lab.meter import SoftwareMeter
from claims.lab.opening import StoreMaterial
from claims.lab.registry import close_period
from claims.lab.store_file import StoreError

METERS = {name: SoftwareMeter(name, key) for name, key in METER_KEYS.items()}


def seal_all(store, agreement, epoch: int) -> None:
    for meter in agreement.lab("alpha").meters:
        METERS[meter.name].seal_epoch(store, agreement, epoch)


def test_epochs_are_sealed_and_published_in_order_once(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    first, last = agreement.period_epochs(0)
    store.add_usage(0, "hall-a", [Usage(first, 2, 1234, None)])
    with pytest.raises(ClaimsError, match="epoch 0 is not sealed, epoch 1 comes later"):
        METERS["hall-a"].seal_epoch(store, agreement, first + 1)
    with pytest.raises(EpochError, match="has not sealed epoch 0"):
        publish_epoch(store, agreement, first, LAB_KEY)
    seal_all(store, agreement, first)
    with pytest.raises(EpochError, match="epoch 0 is not published, epoch 1 comes later"):
        publish_epoch(store, agreement, first + 1, LAB_KEY)
    data = publish_epoch(store, agreement, first, LAB_KEY)
    assert publish_epoch(store, agreement, first, LAB_KEY) == data
    entry = decode_entry(data)
    assert isinstance(entry, EpochEntry) and entry.epoch == first
    check_entry(entry, agreement)
    roots = [(m.name, store.epoch_seals(0, m.name)[0].root) for m in agreement.lab("alpha").meters]
    assert entry.root == lab_epoch_root(roots)
    seal = METERS["hall-a"].seal_epoch(store, agreement, first)
    assert seal == store.epoch_seals(0, "hall-a")[0]
    with pytest.raises(StoreError, match="has signed epoch 0"):
        store.add_usage(0, "hall-a", [Usage(first, 2, 1, None)])
    for epoch in range(first + 1, last + 1):
        seal_all(store, agreement, epoch)
        publish_epoch(store, agreement, epoch, LAB_KEY)
    before = store.epoch_seals(0, "hall-a")
    head = METERS["hall-a"].seal(store, agreement, 0)
    assert store.epoch_seals(0, "hall-a") == before and store.signed_head(0, "hall-a") == head


def test_sealing_the_period_fills_what_is_missing_or_nothing(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    first, last = agreement.period_epochs(0)
    coverage = agreement.coverage(agreement.lab("alpha").meter("hall-a"))
    METERS["hall-a"].seal_epoch(store, agreement, first)
    store.add_usage(0, "hall-a", [Usage(last, 2, coverage * 1000 + 1, None)])
    with pytest.raises(CoverageError):
        METERS["hall-a"].seal(store, agreement, 0)
    assert len(store.epoch_seals(0, "hall-a")) == 1 and len(store.readings(0, "hall-a")) == 1
    METERS["hall-b"].seal(store, agreement, 0)
    assert [seal.epoch for seal in store.epoch_seals(0, "hall-b")] == list(range(first, last + 1))


def test_heads_are_blinded_afresh_and_hold_every_checkpoint_noted_so_far(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    before = slots_at(store, agreement, 0)
    seal_all(store, agreement, 0)
    publish_epoch(store, agreement, 0, LAB_KEY)
    with pytest.raises(StoreError, match="registry of epoch 0 is published"):
        note_checkpoint(store, agreement, Draft("late", "CHECKPOINT", (), None, 0, 0, bytes(32)))
    genesis = Genesis(b"g" * 32, 1000)
    note_checkpoint(store, agreement, Draft("later", "CHECKPOINT", (), None, 2, 0, b"l" * 32))
    note_checkpoint(store, agreement, Draft("new", "CHECKPOINT", (), None, 1, 0, b"w" * 32, genesis))
    for epoch in (1, 2):
        seal_all(store, agreement, epoch)
        publish_epoch(store, agreement, epoch, LAB_KEY)
    slots = {epoch: slots_at(store, agreement, epoch) for epoch in (0, 1, 2)}
    assert slots[0] == before and slots[1][:-1] == slots[0] and slots[2][:-1] == slots[1]
    assert slots[1][-1].name_digest == name_digest("new") and slots[1][-1].genesis_commitment == genesis.commitment
    assert slots[1][-1].genesis_round == 1000 and slots[2][-1].weights == b"l" * 32
    heads = store.epoch_heads(0)
    assert len({head.registry_head for head in heads}) == 3 and len({head.seed for head in heads}) == 3


def test_published_heads_still_open_after_the_period_is_closed(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    _, last = agreement.period_epochs(0)
    note_checkpoint(store, agreement, Draft("root", "CHECKPOINT", (), None, 0, 0, b"r" * 32))
    note_checkpoint(store, agreement, Draft("a", "CHECKPOINT", ("root",), True, 1, 0, b"a" * 32))
    note_checkpoint(store, agreement, Draft("b", "CHECKPOINT", ("root",), True, 1, 0, b"b" * 32))
    for epoch in range(last + 1):
        seal_all(store, agreement, epoch)
        publish_epoch(store, agreement, epoch, LAB_KEY)
    for name in METER_KEYS:
        METERS[name].seal(store, agreement, 0)
    close_period(store, agreement, 0)
    size = agreement.checkpoints
    for head in store.epoch_heads(0):
        slots = in_places(slots_at(store, agreement, head.epoch), head.places, size)
        assert registry_epoch_head(slots, head.seed, size) == head.registry_head
        assert all(slot.base == 0 for slot in slots)
        assert SlotOpening.of(slots, size - 1, head.seed, size).root(size) == head.registry_head
    first = agreement.period_epochs(1)[0]
    seal_all(store, agreement, first)
    publish_epoch(store, agreement, first, LAB_KEY)
    assert sum(slot.base != 0 for slot in slots_at(store, agreement, first)) == 2


def test_unfinished_work_is_closed_before_its_period_ends_and_before_it_goes_on(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    _, last = agreement.period_epochs(0)
    tag = store.tag("run")
    store.add_usage(0, "hall-a", [Usage(last, tag, 5000, None)])
    store.add_usage(1, "hall-a", [Usage(last + 1, tag, 5000, None)])
    for epoch in range(last + 1):
        seal_all(store, agreement, epoch)
        if epoch < last:
            publish_epoch(store, agreement, epoch, LAB_KEY)
    with pytest.raises(EpochError, match="work toward run has no checkpoint"):
        publish_epoch(store, agreement, last, LAB_KEY)
    with pytest.raises(ClaimsError, match="work toward run goes on"):
        METERS["hall-a"].seal_epoch(store, agreement, last + 1)
    METERS["hall-a"].seal(store, agreement, 0)
    with pytest.raises(ClaimsError, match="work toward run goes on"):
        METERS["hall-a"].seal(store, agreement, 1)
    snapshot(store, agreement, 0, "run", None, genesis=Genesis(b"g" * 32, 7))
    publish_epoch(store, agreement, last, LAB_KEY)
    assert slots_at(store, agreement, last)[-1].genesis_round == 7
    METERS["hall-a"].seal_epoch(store, agreement, last + 1)
    assert store.epoch_readings("hall-a", last + 1)[0].tag == store.tag("run") != tag


def test_a_genesis_needs_a_lineage_without_parents(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    note_checkpoint(store, agreement, Draft("root", "CHECKPOINT", (), None, 0, 0, bytes(32)))
    for draft in (
        Draft("child", "CHECKPOINT", ("root",), None, 0, 0, bytes(32), Genesis(b"g" * 32, 7)),
        Draft("foreign", "EXTERNAL", (), None, 0, 5, bytes(32), Genesis(b"g" * 32, 7)),
    ):
        with pytest.raises(ClaimsError, match="a genesis belongs to a new lineage"):
            note_checkpoint(store, agreement, draft)
    with pytest.raises(StoreError, match="a genesis is a commitment of 32 bytes"):
        note_checkpoint(store, agreement, Draft("x", "CHECKPOINT", (), None, 0, 0, bytes(32), Genesis(b"g", 7)))


def test_a_genesis_moves_to_the_snapshot_with_which_its_lineage_begins(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    _, last = agreement.period_epochs(0)
    genesis = Genesis(b"g" * 32, 7)
    store.add_usage(0, "hall-a", [Usage(last, store.tag("run"), 5000, None)])
    note_checkpoint(store, agreement, Draft("run", "CHECKPOINT", (), None, last + 1, 0, bytes(32), genesis))
    snapshot(store, agreement, 0, "run", None)
    assert store.drafts(0)[0].genesis == genesis and store.drafts(1)[0].genesis is None
    assert store.drafts(1)[0].parents == ("run @period-0",)
    store.add_usage(0, "hall-a", [Usage(last, store.tag("other"), 5000, None)])
    snapshot(store, agreement, 0, "other", root=True)
    METERS["hall-a"].seal(store, agreement, 0)
    METERS["hall-b"].seal(store, agreement, 0)
    close_period(store, agreement, 0)
    with pytest.raises(ClaimsError, match="its genesis belongs to other @period-0"):
        note_checkpoint(store, agreement, Draft("other", "CHECKPOINT", (), None, last + 1, 0, bytes(32), genesis))


def test_other_keys_and_other_agreements_are_refused(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    seal_all(store, agreement, 0)
    with pytest.raises(EpochError, match="not that of lab alpha"):
        publish_epoch(store, agreement, 0, METER_KEYS["hall-a"])
    amended = dataclasses.replace(agreement, name="amended")
    with pytest.raises(ClaimsError, match="under another agreement"):
        METERS["hall-a"].seal_epoch(store, amended, 0)
    with pytest.raises(EpochError, match="under this agreement"):
        publish_epoch(store, amended, 0, LAB_KEY)
    publish_epoch(store, agreement, 0, LAB_KEY)
    with pytest.raises(ClaimsError, match="published under another agreement"):
        publish_epoch(store, amended, 0, LAB_KEY)


def test_places_are_drawn_for_each_period_and_kept_through_it(tmp_path: Path) -> None:
    """Where used places came first, each inspection told how many checkpoints there are."""
    store, agreement = make_lab(tmp_path)
    for number in range(8):
        note_checkpoint(store, agreement, Draft(f"c{number}", "CHECKPOINT", (), None, number % 4, 0, bytes(32)))
    for period in (0, 1):
        for epoch in range(period * 4, period * 4 + 4):
            seal_all(store, agreement, epoch)
            publish_epoch(store, agreement, epoch, LAB_KEY)
        for meter in METERS.values():
            meter.seal(store, agreement, period)
        close_period(store, agreement, period)
    size, used = agreement.checkpoints, {}
    for head in [*store.epoch_heads(0), *store.epoch_heads(1)]:
        placed = StoreMaterial(store, agreement).registry(head.epoch).slots
        assert registry_epoch_head(placed, head.seed, size) == head.registry_head
        used[head.epoch] = {slot.name_digest: place for place, slot in enumerate(placed) if slot.used}
    for epoch in range(1, 4):
        assert used[epoch].items() > used[epoch - 1].items(), "kept, and grows"
    assert max(used[3].values()) > 8, "a chance of one in 10^19 that this fails"
    assert used[4] == used[7] and used[3] != used[4]
    assert len({head.places for head in [*store.epoch_heads(0), *store.epoch_heads(1)]}) == 2
