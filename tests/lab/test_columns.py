"""Columns against their twins: what many epochs are covered with, committed to and checked by is what one epoch would be."""

from __future__ import annotations

import dataclasses
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_fixtures import CHIPS, EPOCH, EPOCHS, PEAK, make_agreement

from claims.claim.commitments import epoch_root
from claims.claim.records import IDLE, Reading, Usage
from claims.lab import columns
from claims.lab.columns import Row, Slots
from claims.lab.coverage import CoverageError, check_coverage, cover

AGREEMENT = make_agreement()
METERS = [AGREEMENT.labs[0].meter(name) for name in sorted(CHIPS)]
SLOTS = [Slots(range(EPOCHS), CHIPS[meter.name] * EPOCH, PEAK) for meter in METERS]
SIZE = 8


def usage_of(room: int) -> st.SearchStrategy[list[Row]]:
    """Usage of a period that fits: each epoch cut at random milliseconds, over five tags that may come back."""
    cut = st.lists(st.integers(0, room * 1000), max_size=7).map(sorted)
    one = cut.flatmap(lambda c: st.lists(st.integers(2, 6), min_size=max(0, len(c) - 1), max_size=max(0, len(c) - 1)).map(
        lambda tags: [(tag, b - a) for tag, a, b in zip(tags, c, c[1:], strict=False)]))  # fmt: skip
    return st.lists(one, min_size=EPOCHS, max_size=EPOCHS).map(
        lambda epochs: [(epoch, tag, ms, 0) for epoch, own in enumerate(epochs) for tag, ms in own]
    )


def reference(own: list[Row], meter: int) -> list[Row]:
    usage = [Usage(epoch, tag, ms, None) for epoch, tag, ms, _ in own]
    return [dataclasses.astuple(reading) for reading in cover(usage, METERS[meter], AGREEMENT, 0)]


both = st.tuples(*(usage_of(slots.coverage) for slots in SLOTS))


@settings(deadline=None)
@given(both)
def test_covered_and_committed_as_by_the_reference(usage: tuple[list[Row], ...]) -> None:
    found = columns.cover(usage, SLOTS)
    assert found is not None
    wanted = [reference(own, k) for k, own in enumerate(usage)]
    assert [found.rows(k * EPOCHS, (k + 1) * EPOCHS) for k in range(len(SLOTS))] == wanted
    again = columns.of_rows(wanted, SLOTS)
    assert all((getattr(found, item.name) == getattr(again, item.name)).all() for item in dataclasses.fields(found))
    seeds = [bytes([k]) * 32 for k in range(len(SLOTS) * EPOCHS)]
    roots = iter(columns.commit(found, b"".join(seeds), SIZE))
    for k, own in enumerate(wanted):
        for epoch, group in groupby((Reading(*row) for row in own), lambda reading: reading.epoch):
            assert next(roots) == epoch_root(list(group), epoch, SLOTS[k].coverage, seeds[k * EPOCHS + epoch], SIZE)
        assert columns.covers(own, SLOTS[k])


def test_no_usage_at_all_is_idle_time() -> None:
    found = columns.cover([[], []], SLOTS)
    assert found is not None and found.tags.tolist() == [IDLE] * 2 * EPOCHS


@pytest.mark.parametrize("usage, slots", [
    ([(0, 3, 480_001, 0)], SLOTS[0]),
    ([(0, 3, 2**62, 0), (0, 3, 2**62, 0)], SLOTS[0]),
    ([(0, 3, 1, 0)], dataclasses.replace(SLOTS[0], peak=None)),
    ([(0, 3, 1, 0)], dataclasses.replace(SLOTS[0], peak=2**48)),
])  # fmt: skip
def test_what_is_not_plain_is_left_to_the_reference(usage: list[Row], slots: Slots) -> None:
    assert columns.cover([usage], [slots]) is None


GOOD = reference([(0, 3, 1500, 0), (2, 4, 480_000, 0)], 0)


@pytest.mark.parametrize("bad", [
    [], GOOD[1:], GOOD[:-1], [GOOD[1], GOOD[0], *GOOD[2:]][::-1], [*GOOD, (EPOCHS, IDLE, 480, 0)], [(0, 3, 2, 2 * PEAK + 1), *GOOD[1:]],
    [(0, 3, -2, -2 * PEAK), (0, IDLE, 482, 0), *GOOD[2:]], [(0, IDLE, 480, 1), *GOOD[2:]],
])  # fmt: skip
def test_readings_are_refused_by_both(bad: list[Row]) -> None:
    assert columns.covers(GOOD, SLOTS[0]) and not columns.covers(bad, SLOTS[0])
    with pytest.raises(CoverageError):
        check_coverage([Reading(*row) for row in bad], METERS[0], AGREEMENT, 0)
