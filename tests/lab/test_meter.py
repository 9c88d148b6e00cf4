"""Coverage: rounding, idle time, splits; and the software meter's head."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_fixtures import CHIPS, EPOCH, EPOCHS, METER_KEYS, PEAK, make_agreement, make_lab

from claims.base.errors import ClaimsError
from claims.claim.records import IDLE, Reading, Usage
from claims.lab.coverage import CoverageError, check_coverage, cover
from claims.lab.meter import SoftwareMeter

AGREEMENT = make_agreement()
METERED = make_agreement(charge_peak=False)
METER = AGREEMENT.labs[0].meter("hall-a")
ROOM = CHIPS["hall-a"] * EPOCH


def epoch_usage(epoch: int) -> st.SearchStrategy[list[Usage]]:
    """Usage of one epoch that fits: at most ROOM chip-seconds over up to five tags."""
    cuts = st.lists(st.integers(0, ROOM * 1000), min_size=1, max_size=6).map(sorted)
    return cuts.flatmap(
        lambda c: st.lists(st.integers(2, 6), min_size=len(c) - 1, max_size=len(c) - 1).map(
            lambda tags: [Usage(epoch, tag, b - a, None) for tag, a, b in zip(tags, c, c[1:], strict=False)]
        )
    )


@given(st.lists(epoch_usage(1) | epoch_usage(3), max_size=1).map(lambda lists: [u for one in lists for u in one]))
def test_coverage_is_exact_and_busy_time_rounds_up(usage: list[Usage]) -> None:
    readings = cover(usage, METER, AGREEMENT, 0)
    check_coverage(readings, METER, AGREEMENT, 0)
    for epoch in range(EPOCHS):
        mine = [r for r in readings if r.epoch == epoch]
        assert sum(r.chip_seconds for r in mine) == ROOM and mine
        busy_ms = sum(u.chip_ms for u in usage if u.epoch == epoch)
        busy = sum(r.chip_seconds for r in mine if r.tag != IDLE)
        assert busy * 1000 >= busy_ms
        for tag in {u.tag for u in usage if u.epoch == epoch}:
            exact = sum(u.chip_ms for u in usage if u.epoch == epoch and u.tag == tag)
            seconds = sum(r.chip_seconds for r in mine if r.tag == tag)
            assert seconds == -(-exact // 1000) or (busy == ROOM and seconds == exact // 1000)
        assert all(r.work == (0 if r.tag == IDLE else r.chip_seconds * PEAK) for r in mine)


def test_an_idle_period_is_idle_readings_only() -> None:
    assert cover([], METER, AGREEMENT, 1) == [Reading(e, IDLE, ROOM, 0) for e in range(EPOCHS, 2 * EPOCHS)]


def test_a_full_epoch_has_no_idle_reading_and_halves_round_exactly() -> None:
    readings = cover([Usage(0, 5, 1500, None), Usage(0, 6, ROOM * 1000 - 1500, None)], METER, AGREEMENT, 0)
    assert [(r.tag, r.chip_seconds) for r in readings if r.epoch == 0] == [(5, 2), (6, ROOM - 2)]


def test_too_much_chip_time_is_refused_with_the_epoch() -> None:
    with pytest.raises(CoverageError, match=r"meter hall-a: epoch 2 has 481 busy chip-seconds, its chips have 480"):
        cover([Usage(2, 5, ROOM * 1000 + 1, None)], METER, AGREEMENT, 0)


def test_usage_of_another_period_is_refused() -> None:
    with pytest.raises(CoverageError, match="epoch 4 is not one of period 0"):
        cover([Usage(4, 5, 1, None)], METER, AGREEMENT, 0)


def test_metered_work_is_summed_and_required() -> None:
    readings = cover([Usage(0, 5, 1, 10), Usage(0, 5, 1, 11), Usage(0, 2, 0, 3)], METER, METERED, 0)
    assert [(r.tag, r.chip_seconds, r.work) for r in readings[:3]] == [(2, 0, 3), (5, 1, 21), (IDLE, ROOM - 1, 0)]
    with pytest.raises(CoverageError, match="usage without work"):
        cover([Usage(0, 5, 1, None)], METER, METERED, 0)


def test_work_over_48_bits_is_split_and_not_lost() -> None:
    readings = cover([Usage(0, 5, 1000, 3 * 2**48 + 17)], METER, METERED, 0)
    assert sum(r.work for r in readings) == 3 * 2**48 + 17 and max(r.work for r in readings) < 2**48
    big = dataclasses.replace(
        make_agreement(), epoch_seconds=2**20, chips=(dataclasses.replace(AGREEMENT.chips[0], peak=2**24 - 1),)
    )
    meter = dataclasses.replace(METER, chips=2**10)
    readings = cover([Usage(0, 5, 2**30 * 1000, None)], meter, big, 0)
    check_coverage(readings, meter, big, 0)
    assert sum(r.work for r in readings) == 2**30 * (2**24 - 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: [dataclasses.replace(r[0], chip_seconds=ROOM - 1), *r[1:]],
            r"meter hall-a: epoch 0 sums to 479 of 480 chip-seconds",
        ),
        (lambda r: [*r[:-1], dataclasses.replace(r[-1], chip_seconds=ROOM + 1)], "epoch 3 sums to 481 of 480"),
        (lambda r: r[:2] + r[3:], "epoch 3 follows epoch 1"),
        (lambda r: r[:-1], "its readings end at epoch 2"),
        (lambda r: [r[1], r[0], *r[2:]], "epoch 1|epoch 0 sums to 0"),
        (lambda r: [dataclasses.replace(r[0], work=1), *r[1:]], "charges 1 where 0 is due"),
        (lambda r: [dataclasses.replace(r[0], tag=2), *r[1:]], f"charges 0 where {ROOM * PEAK} is due"),
        (lambda r: [*r, Reading(4, IDLE, ROOM, 0)], "epoch 4 follows"),
        (lambda r: [], "end at epoch 0|sums to 0"),
    ],
)
def test_every_gap_in_coverage_is_named(change, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CoverageError, match=message):
        check_coverage(change(cover([], METER, AGREEMENT, 0)), METER, AGREEMENT, 0)


def test_a_meter_signs_one_head_that_verifies(tmp_path: Path) -> None:
    from claims.agreement.signatures import ledger_head_message

    store, agreement = make_lab(tmp_path)
    store.add_usage(0, "hall-a", [Usage(0, 2, 1234, None)])
    meter = SoftwareMeter("hall-a", METER_KEYS["hall-a"])
    signed = meter.seal(store, agreement, 0)
    assert meter.seal(store, agreement, 0) == signed == store.signed_head(0, "hall-a")
    message = ledger_head_message(agreement.digest, "alpha", "hall-a", 0, signed.head, signed.roots_digest)
    METER_KEYS["hall-a"].public_key().verify(signed.signature, message)
    amended = dataclasses.replace(agreement, name="amended")
    with pytest.raises(ClaimsError, match="under another agreement"):
        meter.seal(store, amended, 0)


def test_heads_of_equal_ledgers_differ(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    heads = []
    for name in "ab":
        store, agreement = make_lab(tmp_path / name)
        heads.append(SoftwareMeter("hall-a", METER_KEYS["hall-a"]).seal(store, agreement, 0).head)
    assert heads[0] != heads[1]


def test_short_and_long_ways_to_a_head_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    from circuits.chain import Entry
    from claims.lab import heads

    rows = [(i, i % 5 + 1, 2**40 + i, 2**47 + 3 * i) for i in range(9)]
    entries = [Entry(i + 3, 3, i, 0, 0, 7, 2**60 + i, 0, 2**63 + i, bytes(range(i, i + 32))) for i in range(4)]
    iv, header, trailer = (tuple(range(start, start + 8)) for start in (10, 20, 30))
    plain = heads.ledger_heads([heads.Chain(iv, header, rows, trailer)]), heads.registry_head(iv, header, entries, trailer)
    monkeypatch.setattr(heads, "PLAIN_BLOCKS", 0)
    assert (heads.ledger_heads([heads.Chain(iv, header, rows, trailer)]), heads.registry_head(iv, header, entries, trailer)) == plain
    assert heads.registry_head(iv, header, entries[:3], trailer) != plain[1]


def test_a_meter_with_the_wrong_key_is_refused(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    with pytest.raises(ClaimsError, match="its key is not the one in the agreement"):
        SoftwareMeter("hall-a", METER_KEYS["hall-b"]).seal(store, agreement, 0)
