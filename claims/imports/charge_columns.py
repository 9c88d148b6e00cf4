"""Spans charged as columns: whole chips, at peak. Twin: claims/imports/charge.py, span by span, which says what is wrong where
something is; what is not plain is left to it.

    spans --window, periods--> parts per epoch --summed by meter, epoch, checkpoint--> sums
    slack --in order, as far as each epoch has room--> sums
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from claims.imports.usage_columns import I64, PARTS, in_epochs

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.imports.spans import Span, Window

__all__ = ["SpanColumns", "Sums", "columns_of"]

_LONGEST = float(2**62)
_METER, _LABEL = 18, 21
"""Bits of a meter's and a checkpoint's number; an epoch has 24."""


@dataclass(frozen=True, eq=False)
class SpanColumns:
    """Spans by columns, those of firm time or of slack."""

    meters: I64
    labels: I64
    lines: I64
    chips: I64
    start: I64
    stop: I64


@dataclass(frozen=True, eq=False)
class _Parts:
    """Sums by key: the meter's number, the epoch, the checkpoint's number; ``lines``: of the first span of each."""

    keys: I64
    chip_ms: I64
    lines: I64


def columns_of(
    spans: Sequence[Span], agreement: Agreement, lab: str, number: Callable[[str | None], int]
) -> tuple[SpanColumns, SpanColumns] | None:
    """Spans of firm time, and of slack; None where one is not plain.

    Args:
        number: of a checkpoint, by its label; below 0: it is no checkpoint.
    """
    meters = {meter.name: place for place, meter in enumerate(agreement.lab(lab).meters)}
    if not spans or len(meters) >= 1 << _METER or not all(
        agreement.rules_at(period).charge_peak for period in range(agreement.first_period, agreement.periods)
    ):  # fmt: skip
        return None
    labels = {label: number(label) for label in {span.label for span in spans}}
    held = [span.chips for span in spans]
    if min(labels.values()) < 0 or max(labels.values()) >= 1 << _LABEL or any(chips.denominator != 1 or chips >= 1 << 40 for chips in held):
        return None
    if any(span.work is not None for span in spans) or any(span.meter not in meters for span in spans):
        return None
    columns = SpanColumns(*(np.fromiter(column, dtype=np.int64, count=len(spans)) for column in (
        (meters[span.meter] for span in spans), (labels[span.label] for span in spans), (span.source.line or 0 for span in spans),
        map(int, held), (span.start for span in spans), (span.stop for span in spans),
    )))  # fmt: skip
    room = np.array([meter.chips for meter in agreement.lab(lab).meters], dtype=np.float64)
    total = np.sum(columns.chips * (columns.stop - columns.start).astype(np.float64))
    if np.any(columns.chips > room[columns.meters]) or total >= _LONGEST:
        return None
    slack = np.fromiter((span.slack for span in spans), dtype=np.bool_, count=len(spans))
    kept = (columns.stop > columns.start) & (columns.chips > 0)
    firm, doubt = (SpanColumns(*(column[which] for column in vars(columns).values())) for which in (kept & ~slack, kept & slack))
    return firm, doubt


class Sums:
    """Usage under construction. Chip-milliseconds that are left out: ``window_ms``, ``outside_ms``; of slack, ``full_ms`` found no room."""

    def __init__(self, agreement: Agreement, lab: str, window: Window) -> None:
        self._agreement, self._meters, self._window = agreement, agreement.lab(lab).meters, window
        self._epoch_ms, self._origin = agreement.epoch_seconds * 1000, agreement.start * 1000
        self._parts = _Parts(*(np.zeros(0, dtype=np.int64) for _ in range(3)))
        self.window_ms = self.outside_ms = self.slack_ms = self.full_ms = 0

    def __len__(self) -> int:
        return len(self._parts.keys)

    def add(self, spans: SpanColumns) -> None:
        """Charge firm time; what lies outside window or periods is left out."""
        for parts in self._in_parts(spans):
            self._parts = _together(self._parts, parts)

    def fill(self, spans: SpanColumns, before: Callable[[int, str], Mapping[int, int]]) -> None:
        """Charge slack, span by span as far as each epoch has room. ``before``: busy chip-milliseconds by period and meter in the store."""
        room: dict[int, int] = {}
        for parts in self._in_parts(spans, summed=False):
            keys, place = np.unique(parts.keys >> _LABEL, return_inverse=True)
            self._find_room(keys, room, before)
            order = np.argsort(place, kind="stable")
            amounts = parts.chip_ms[order]
            running = np.cumsum(amounts) - amounts
            starts = np.searchsorted(place[order], np.arange(len(keys)))
            left = np.array([room[key] for key in keys.tolist()], dtype=np.int64)
            given = np.clip(left[place[order]] - (running - running[starts][place[order]]), 0, amounts)
            for key, used in zip(keys.tolist(), np.add.reduceat(given, starts).tolist() if len(keys) else (), strict=True):
                room[key] -= used
            self.slack_ms += int(given.sum())
            self.full_ms += int((amounts - given).sum())
            kept = given > 0
            self._parts = _together(self._parts, _Parts(parts.keys[order][kept], given[kept], parts.lines[order][kept]))

    def _in_parts(self, spans: SpanColumns, *, summed: bool = True) -> Iterator[_Parts]:
        """What lies in window and periods, cut at the epochs; so many spans at a time that memory stays bounded."""
        window, period = self._window, self._agreement.epochs_per_period * self._epoch_ms
        ends = (self._origin + period * number for number in (self._agreement.first_period, self._agreement.periods))
        start, stop, cut = _within(spans.start, spans.stop, window.start, window.stop)
        self.window_ms += int(np.sum(spans.chips * cut))
        start, stop, cut = _within(start, stop, *ends)
        self.outside_ms += int(np.sum(spans.chips * cut))
        kept = np.flatnonzero(start < stop)
        start, stop = start[kept] - self._origin, stop[kept] - self._origin
        blocks = np.cumsum((stop - 1) // self._epoch_ms - start // self._epoch_ms + 1) // PARTS
        for block in np.unique(blocks).tolist():
            own = np.flatnonzero(blocks == block)
            owner, epochs, length = in_epochs(start[own], stop[own], self._epoch_ms)
            owner = kept[own][owner]
            keys = (spans.meters[owner] << 24 | epochs) << _LABEL | spans.labels[owner]
            parts = _Parts(keys, length * spans.chips[owner], spans.lines[owner])
            yield _summed(parts) if summed else parts

    def _find_room(self, keys: I64, room: dict[int, int], before: Callable[[int, str], Mapping[int, int]]) -> None:
        """Put what is left in each (meter, epoch) into ``room``, where it is not there."""
        new = np.array([key for key in keys.tolist() if key not in room], dtype=np.int64)
        if not len(new):
            return
        owners = self._parts.keys >> _LABEL
        first, last = np.searchsorted(owners, new), np.searchsorted(owners, new, side="right")
        sums = np.concatenate(([0], np.cumsum(self._parts.chip_ms)))
        busy = (sums[last] - sums[first]).tolist()
        for key, used in zip(new.tolist(), busy, strict=True):
            meter, epoch = self._meters[key >> 24], key & 0xFFFFFF
            known = before(epoch // self._agreement.epochs_per_period, meter.name).get(epoch, 0)
            room[key] = max(0, self._agreement.coverage(meter) * 1000 - used - known)

    def rows(self, names: Sequence[str]) -> Iterator[tuple[str, int, str, int, int]]:
        """Meter, epoch, checkpoint, chip-milliseconds and line of each sum, in order. ``names``: of the checkpoints, by number."""
        keys = self._parts.keys
        meters, epochs, labels = keys >> (24 + _LABEL), keys >> _LABEL & 0xFFFFFF, keys & (1 << _LABEL) - 1
        rank = np.zeros(len(names), dtype=np.int64)
        rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
        order = np.lexsort((rank[labels], epochs, meters))
        columns = (column[order].tolist() for column in (meters, epochs, labels, self._parts.chip_ms, self._parts.lines))
        return ((self._meters[m].name, epoch, names[label], amount, line) for m, epoch, label, amount, line in zip(*columns, strict=True))


def _within(start: I64, stop: I64, begin: int | None, end: int | None) -> tuple[I64, I64, I64]:
    """Spans as far as they lie between two moments, empty at their ends where they do not, and how much of each is left out."""
    one = start if begin is None else np.maximum(start, begin)
    two = stop if end is None else np.minimum(stop, end)
    one, two = np.where(one < two, one, stop), np.where(one < two, two, stop)
    return one, two, (stop - start) - (two - one)


def _summed(parts: _Parts) -> _Parts:
    """One part of each key, in order, with the line of the first."""
    order = np.argsort(parts.keys, kind="stable")
    keys = parts.keys[order]
    begins = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else order
    sums = np.add.reduceat(parts.chip_ms[order], begins) if len(keys) else parts.chip_ms
    return _Parts(keys[begins], sums, parts.lines[order][begins])


def _together(one: _Parts, two: _Parts) -> _Parts:
    return _summed(_Parts(*(np.concatenate(pair) for pair in zip(vars(one).values(), vars(two).values(), strict=True))))
