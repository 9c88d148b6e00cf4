"""Rows of a usage file as columns: a block of rows that are plain is worked out at once.

    meter, start, stop, checkpoint, chips        or        meter, epoch, checkpoint, chip_seconds

Twin: claims/imports/usage_rows.py, row by row, which says what is wrong where something is; what is not plain is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat

import numpy as np
import numpy.typing as npt

from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError
from claims.imports.rows import Row, ceil_of

__all__ = ["Booked", "I64", "PARTS", "Plain", "PlainRows", "TooManyParts", "exact_sums", "in_epochs"]

I64 = npt.NDArray[np.int64]
_MEMORY = 1 << 16
"""Texts of a column that are remembered."""
PARTS = 1 << 20
"""Parts of a block that are made at a time."""
_SPAN, _EPOCH = ("start", "stop", "chips"), ("epoch", "chip_seconds")
_LONGEST = float(2**62)


@dataclass(frozen=True, eq=False)
class Booked:
    """Usage of one meter in one period, by columns. ``lines``: of the import's file, 0: of several; ``work``: None where there is none."""

    epochs: npt.NDArray[np.integer]
    lines: npt.NDArray[np.integer]
    tags: npt.NDArray[np.integer]
    chip_ms: I64
    work: Sequence[int | None] | None = None

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, int, int, int | None]]) -> Booked:
        """Of rows: epoch, line, tag, chip-milliseconds, work."""
        *numbers, work = zip(*rows, strict=True)
        epochs, lines, tags, chip_ms = (np.array(column, dtype=np.int64) for column in numbers)
        return cls(epochs, lines, tags, chip_ms, work)

    def rows(self) -> Iterator[tuple[int, int, int, int, int | None]]:
        """Row by row, as :meth:`of` takes them."""
        columns = (column.tolist() for column in (self.epochs, self.lines, self.tags, self.chip_ms))
        return zip(*columns, repeat(None, len(self.epochs)) if self.work is None else self.work, strict=True)

    def last_epochs(self) -> dict[int, int]:
        """Each tag, with the last epoch in which work is booked to it."""
        order = np.lexsort((self.epochs, self.tags))
        tags, epochs = self.tags[order], self.epochs[order]
        last = np.append(tags[1:] != tags[:-1], True)
        return dict(zip(tags[last].tolist(), epochs[last].tolist(), strict=True))

    def busy(self, before: Iterable[tuple[int, int]]) -> dict[int, int]:
        """Chip-milliseconds of each epoch, together with (epoch, chip-milliseconds) of before."""
        epochs, place = np.unique(self.epochs, return_inverse=True)
        busy = dict(zip(epochs.tolist(), exact_sums(place, self.chip_ms, len(epochs)), strict=True))
        for epoch, amount in before:
            busy[epoch] = busy.get(epoch, 0) + amount
        return busy


@dataclass(frozen=True, eq=False)
class PlainRows:
    """What rows come to. ``meters``, ``labels``: numbers, row by row; ``skipped``: rows outside the periods.

    ``owner``: to which row each part belongs; ``epochs``, ``chip_ms``: of each part.
    """

    meters: I64
    labels: I64
    skipped: npt.NDArray[np.bool_]
    owner: I64
    epochs: I64
    chip_ms: I64


class TooManyParts(Exception):
    """Several rows together reach over too many epochs: fewer are to be worked out at a time."""


class _NotPlain(Exception):
    """A text that only the twin understands, or refuses."""


class _Memory(dict[str, int]):
    """Texts of a column and what they mean."""

    def __init__(self, meaning: Callable[[str], int]) -> None:
        super().__init__()
        self._meaning = meaning

    def __missing__(self, text: str) -> int:
        if len(self) >= _MEMORY:
            self.clear()
        value = self[text] = self._meaning(text)
        return value

    def of(self, column: Sequence[str]) -> I64:
        """The column as numbers. Raises _NotPlain."""
        return np.fromiter(map(self.__getitem__, column), dtype=np.int64, count=len(column))


def _moment(column: str, *, up: bool) -> Callable[[str], int]:
    def meaning(text: str) -> int:
        try:
            return Row("", 0, {column: text}).moment_ms(column, up=up)
        except ClaimsError:
            raise _NotPlain from None

    return meaning


def _known(numbers: Mapping[str, int], text: str) -> int:
    if text not in numbers:
        raise _NotPlain
    return numbers[text]


def _whole(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,12}", text) is None:
        raise _NotPlain
    return int(text)


def _milliseconds(text: str) -> int:
    try:
        value = ceil_of(Row("", 0, {"": text}).decimal("", "") * 1000)
    except ClaimsError:
        raise _NotPlain from None
    if value >= 2**62:
        raise _NotPlain
    return value


class Plain:
    """Works out blocks of rows of a lab's usage file.

    Args:
        header: names of the columns.
        meters: name to number, in the order of ``chips``.
        labels: text of a checkpoint to number, for each text once.
        skip: rows outside the agreement's periods are left out.
    """

    def __init__(
        self, agreement: Agreement, header: Sequence[str], meters: Mapping[str, int], terms: Sequence[Meter],
        labels: Callable[[str], int], *, skip: bool,
    ) -> None:  # fmt: skip
        self._at = {name: place for place, name in enumerate(header)}
        self._meters, self._skip = _Memory(partial(_known, meters)), skip
        self._chips = np.array([min(meter.chips, 2**62) for meter in terms], dtype=np.int64)
        self._labels = _Memory(lambda text: labels(text.strip()))
        self._texts = {
            "start": _Memory(_moment("start", up=False)), "stop": _Memory(_moment("stop", up=True)), "chips": _Memory(_whole),
            "epoch": _Memory(_whole), "chip_seconds": _Memory(_milliseconds),
        }  # fmt: skip
        each = agreement.epochs_per_period
        self._epochs = range(agreement.first_period * each, agreement.periods * each)
        self._origin, self._epoch_ms = agreement.start * 1000, agreement.epoch_seconds * 1000
        self._possible = all(agreement.rules_at(period).charge_peak for period in range(agreement.first_period, agreement.periods))

    def work_out(self, rows: Sequence[Sequence[str]]) -> PlainRows | None:
        """What a block of rows comes to; None where not all of them are plain. Raises TooManyParts."""
        columns = list(zip(*rows, strict=True))
        empty = ("",) * len(rows)
        names = ("meter", "checkpoint", *_SPAN, *_EPOCH, "work_flop")
        column = {name: columns[self._at[name]] if name in self._at else empty for name in names}
        form = next((form for form in (_SPAN, _EPOCH) if self._has_form(column, form)), None)
        if form is None or not self._possible:
            return None
        try:
            meters, labels = self._meters.of(column["meter"]), self._labels.of(column["checkpoint"])
            values = [self._texts[name].of(column[name]) for name in form]
        except _NotPlain:
            return None
        parts = self._of_spans(meters, *values) if form is _SPAN else self._of_epochs(*values)
        return None if parts is None else PlainRows(meters, labels, *parts)

    @staticmethod
    def _has_form(column: Mapping[str, Sequence[str]], form: Sequence[str]) -> bool:
        """Whether these columns are filled in all rows, and the others in none."""
        others = {*_SPAN, *_EPOCH, "work_flop"}.difference(form)
        return all(all(column[name]) for name in form) and not any(any(column[name]) for name in others)

    def _of_spans(self, meters: I64, start: I64, stop: I64, chips: I64) -> tuple[npt.NDArray[np.bool_], I64, I64, I64] | None:
        begin, end = (self._origin + self._epoch_ms * epoch for epoch in (self._epochs.start, self._epochs.stop))
        outside = ((stop <= begin) | (start >= end)) & self._skip
        inside = (start >= begin) & (stop <= end) & (start < stop) & (chips <= self._chips[meters])
        if not (inside | outside).all() or chips.max(initial=0) * float(end - begin) >= _LONGEST:
            return None
        keep = np.flatnonzero(~outside)
        start, stop = start[keep] - self._origin, stop[keep] - self._origin
        if len(keep) > 1 and int(np.sum((stop - 1) // self._epoch_ms - start // self._epoch_ms)) > PARTS:
            raise TooManyParts
        owner, epochs, length = in_epochs(start, stop, self._epoch_ms)
        owner = keep[owner]
        return outside, owner, epochs, length * chips[owner]

    def _of_epochs(self, epoch: I64, chip_seconds: I64) -> tuple[npt.NDArray[np.bool_], I64, I64, I64] | None:
        if not ((epoch >= self._epochs.start) & (epoch < self._epochs.stop)).all():
            return None
        return np.zeros(len(epoch), dtype=np.bool_), np.arange(len(epoch)), epoch, chip_seconds


def in_epochs(start: I64, stop: I64, length: int) -> tuple[I64, I64, I64]:
    """Cut spans at multiples of ``length``: to which span each part belongs, in which epoch it lies, how long it is."""
    first, last = start // length, (stop - 1) // length
    counts = last - first + 1
    owner = np.repeat(np.arange(len(start)), counts)
    epochs = first[owner] + np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
    return owner, epochs, np.minimum(stop[owner], (epochs + 1) * length) - np.maximum(start[owner], epochs * length)


def exact_sums(keys: I64, values: I64, count: int) -> list[int]:
    """Sum of the values of each key below ``count``, also beyond 64 bits."""
    high, low = (np.zeros(count, dtype=np.int64) for _ in range(2))
    np.add.at(high, keys, values >> 24)
    np.add.at(low, keys, values & 0xFFFFFF)
    return [(one << 24) + two for one, two in zip(high.tolist(), low.tolist(), strict=True)]
