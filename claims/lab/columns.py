"""Readings of many meters and epochs as columns: covered, committed to and checked without an object for each.

    usage of each meter --cover--> readings, slot by slot --commit--> one root a slot

A slot is one epoch of one meter. Twins: claims/lab/coverage.py and claims/claim/commitments.py, which say what is wrong where
something is: what is not plain is left to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from claims.claim.commitments import READING_PREFIX, SEED_BYTES
from claims.claim.records import IDLE, MAX_AMOUNT
from zk.kernels.salted import salted_roots

__all__ = ["Columns", "Row", "Slots", "commit", "cover", "covers", "of_rows", "work_by_tag"]

I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
Row = tuple[int, int, int, int]
"""Epoch, tag, chip-seconds and work of a reading; or epoch, tag, chip-milliseconds and work of usage."""

_LONGEST = float(2**62)
_BYTE, _WORD = np.int64(0xFF), np.int64(0xFFFF)


@dataclass(frozen=True)
class Slots:
    """Epochs of one meter. ``coverage``: its chip-seconds in each; ``peak``: of its chips, or None where work is metered."""

    epochs: range
    coverage: int
    peak: int | None


@dataclass(frozen=True, eq=False)
class Columns:
    """Readings, slot by slot. ``counts``: how many each slot has; ``coverage``: its chip-seconds; ``slots``: its epoch."""

    slots: I64
    coverage: I64
    counts: I64
    tags: I64
    chip_seconds: I64
    work: I64

    def rows(self, first: int, last: int) -> list[Row]:
        """Readings of the slots first to last - 1."""
        ends = np.concatenate(([0], np.cumsum(self.counts)))
        part = slice(int(ends[first]), int(ends[last]))
        epochs = np.repeat(self.slots[first:last], self.counts[first:last])
        columns = (epochs, self.tags[part], self.chip_seconds[part], self.work[part])
        return list(zip(*(column.tolist() for column in columns), strict=True))


def _table(rows: Sequence[Sequence[Row]]) -> tuple[I64, I64]:
    """Rows of each meter as one array of four columns, and to which meter each belongs."""
    counts = [len(own) for own in rows]
    values = np.fromiter(chain.from_iterable(chain.from_iterable(rows)), dtype=np.int64, count=4 * sum(counts))
    return values.reshape(-1, 4), np.repeat(np.arange(len(rows)), counts)


def _frame(meters: Sequence[Slots]) -> tuple[I64, I64, I64]:
    """Epoch and coverage of every slot, and the first slot of each meter."""
    counts = np.array([len(item.epochs) for item in meters], dtype=np.int64)
    epochs = np.concatenate([np.arange(item.epochs.start, item.epochs.stop) for item in meters])
    coverage = np.repeat(np.array([item.coverage for item in meters], dtype=np.int64), counts)
    return epochs, coverage, np.cumsum(counts) - counts


def of_rows(rows: Sequence[Sequence[Row]], meters: Sequence[Slots]) -> Columns:
    """Readings that are covered already, of each meter in order of epochs."""
    epochs, coverage, first = _frame(meters)
    values, owner = _table(rows)
    starts = np.array([item.epochs.start for item in meters], dtype=np.int64)
    slot = values[:, 0] - starts[owner] + first[owner]
    return Columns(epochs, coverage, np.bincount(slot, minlength=len(epochs)), values[:, 1], values[:, 2], values[:, 3])


def cover(usage: Sequence[Sequence[Row]], meters: Sequence[Slots]) -> Columns | None:
    """Usage of each meter in its epochs, rounded to whole chip-seconds and filled up with idle time, as the reference does it.

    Returns:
        None where the reference has to look: work is metered, a reading may be too large for one, or an epoch is too busy.
    """
    peaks = [item.peak for item in meters]
    if any(peak is None or item.coverage * peak > MAX_AMOUNT for peak, item in zip(peaks, meters, strict=True)):
        return None
    epochs, coverage, first = _frame(meters)
    values, owner = _table(usage)
    starts = np.array([item.epochs.start for item in meters], dtype=np.int64)
    slot = values[:, 0] - starts[owner] + first[owner]
    if np.any(np.bincount(slot, weights=values[:, 2], minlength=len(epochs)) >= _LONGEST):
        return None
    slot, tag, milliseconds = _sums(slot << 24 | values[:, 1], values[:, 2])
    if np.any(_added(slot, milliseconds, len(epochs)) > coverage * 1000):
        return None
    seconds = _rounded(slot, tag, milliseconds, coverage)
    idle = coverage - _added(slot, seconds, len(epochs))
    counts = np.bincount(slot, minlength=len(epochs))
    rest = (idle > 0) | (counts == 0)
    counts = counts + rest
    busy = np.arange(len(slot)) + (np.cumsum(rest) - rest)[slot]
    last = np.cumsum(counts)[rest] - 1
    tags, amounts, work = (np.zeros(int(counts.sum()), dtype=np.int64) for _ in range(3))
    peak = np.repeat(np.array(peaks, dtype=np.int64), [len(item.epochs) for item in meters])
    tags[busy], amounts[busy], work[busy] = tag, seconds, seconds * peak[slot]
    tags[last], amounts[last] = IDLE, idle[rest]
    return Columns(epochs, coverage, counts, tags, amounts, work)


def _added(slot: I64, values: I64, slots: int) -> I64:
    """Sum of each slot's values."""
    sums = np.zeros(slots, dtype=np.int64)
    np.add.at(sums, slot, values)
    return sums


def _sums(keys: I64, values: I64) -> tuple[I64, I64, I64]:
    """Slot, tag and sum of the values for each key, in order."""
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    begins = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else np.empty(0, dtype=np.int64)
    sums = np.add.reduceat(values, begins) if len(keys) else values
    return keys[begins] >> 24, keys[begins] & 0xFFFFFF, sums


def _rounded(slot: I64, tag: I64, milliseconds: I64, coverage: I64) -> I64:
    """Whole seconds: each rounded up while its slot has room, the largest fractions first, then the smallest tags."""
    seconds, fraction = milliseconds // 1000, milliseconds % 1000
    spare = coverage - _added(slot, seconds, len(coverage))
    parts = np.flatnonzero(fraction)
    parts = parts[np.lexsort((tag[parts], -fraction[parts], slot[parts]))]
    rank = np.arange(len(parts)) - np.searchsorted(slot[parts], slot[parts])
    seconds[parts[rank < spare[slot[parts]]]] += 1
    return seconds


def commit(columns: Columns, seeds: bytes, size: int) -> list[bytes]:
    """Root of each slot over its readings and padding, ``size`` leaves.

    Args:
        seeds: 32 bytes a slot.
        size: at least as many as any slot has readings; every slot has one.
    """
    if len(seeds) != SEED_BYTES * len(columns.slots):
        raise ValueError("every slot has a seed of its own")
    running = np.cumsum(columns.chip_seconds) - columns.chip_seconds
    begins = running[np.cumsum(columns.counts) - columns.counts]
    start = running - np.repeat(begins, columns.counts)
    epochs = np.repeat(columns.slots, columns.counts)
    words = _words(start, epochs, columns.tags, columns.chip_seconds, columns.work)
    nothing = np.zeros(len(columns.slots), dtype=np.int64)
    return salted_roots(
        READING_PREFIX, seeds, size, columns.counts, words, _words(columns.coverage, columns.slots, nothing, nothing, nothing)
    )


def _words(start: I64, epoch: I64, tag: I64, chip_seconds: I64, work: I64) -> U32:
    """What a leaf has after its salt: u48 start || u24 epoch || u24 tag || u48 chip_seconds || u48 work, as six words."""
    words = (
        start >> 16, (start & _WORD) << 16 | epoch >> 8, (epoch & _BYTE) << 24 | tag,
        chip_seconds >> 16, (chip_seconds & _WORD) << 16 | work >> 32, work & 0xFFFFFFFF,
    )  # fmt: skip
    return np.array(words, dtype=np.int64).astype(np.uint32)


def covers(readings: Sequence[Row], slots: Slots) -> bool:
    """Whether a meter's readings are in order of epochs, cover each exactly, and charge what is due; the reference says what is not."""
    values, _ = _table([readings])
    if not len(values):
        return False
    epochs, tags, seconds, work = values.T
    offset = epochs - slots.epochs.start
    if offset[0] != 0 or offset[-1] != len(slots.epochs) - 1 or not np.isin(np.diff(offset), (0, 1)).all():
        return False
    due = work if slots.peak is None else np.where(seconds <= MAX_AMOUNT // max(1, slots.peak), seconds * slots.peak, -1)
    charged = np.where(tags == IDLE, 0, due)
    if not ((work == charged) & (work >= 0) & (work <= MAX_AMOUNT) & (seconds >= 0)).all():
        return False
    return bool((_added(offset, seconds, len(slots.epochs)) == slots.coverage).all())


def work_by_tag(columns: Columns) -> dict[int, int]:
    """Sum of the work of every tag; exact, also beyond 64 bits."""
    tags, place = np.unique(columns.tags, return_inverse=True)
    high, low = (_added(place, part, len(tags)).tolist() for part in (columns.work >> 24, columns.work & 0xFFFFFF))
    return {tag: (one << 24) + two for tag, one, two in zip(tags.tolist(), high, low, strict=True)}
