"""Rows of a usage file, read into what is stored of them: which meter's chips were busy when, toward what.

    meter, (epoch | start, stop), checkpoint, (chips | chip_seconds), [work_flop]

Blocks of plain rows are worked out as columns (claims/imports/usage_columns.py), others row by row, here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError
from claims.base.units import WORK_UNIT
from claims.claim.records import UNATTRIBUTED_WORDS
from claims.imports.rows import Block, ImportRefused, Row, ceil_of, opened_table
from claims.imports.usage_columns import I64, Booked, Plain, TooManyParts, exact_sums
from claims.lab.store import Store

__all__ = ["Batches", "MAX_WORK", "UsageReader", "in_proportion", "split_interval"]

MAX_WORK = 2**63 - 1
COLUMNS = ("epoch", "start", "stop", "chips", "chip_seconds", "work_flop")
_PART = np.dtype([("meter", "<u4"), ("label", "<u4"), ("line", "<u4"), ("epoch", "<u4"), ("chip_ms", "<i8"), ("work", "<i8")])
"""What is kept of the part of a row that lies in one epoch. ``work``: -1 where there is none."""
_NO_WORK, _UNATTRIBUTED = -1, "unattributed"

Batches = dict[tuple[int, str], Booked]
"""Usage by period and meter."""


def split_interval(start_ms: int, stop_ms: int, agreement: Agreement) -> list[tuple[int, int]]:
    """(epoch, milliseconds) of an interval [start, stop), in order; their sum is stop - start.

    Raises:
        ClaimRejected: a part lies outside the agreement's periods.
    """
    parts = []
    epoch_ms, origin = agreement.epoch_seconds * 1000, agreement.start * 1000
    at = start_ms
    while at < stop_ms:
        epoch = (at - origin) // epoch_ms
        agreement.period_epochs(epoch // agreement.epochs_per_period)
        end = min(stop_ms, origin + (epoch + 1) * epoch_ms)
        parts.append((epoch, end - at))
        at = end
    return parts


def in_proportion(total: int, parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Split an integer over (epoch, weight) parts in proportion, each running sum rounded up; the sum is exact."""
    whole = sum(weight for _, weight in parts)
    result, passed, given = [], 0, 0
    for epoch, weight in parts:
        passed += weight
        upto = -(-total * passed // whole)
        result.append((epoch, upto - given))
        given = upto
    return result


def _usage_of(row: Row, agreement: Agreement, meter: Meter) -> list[tuple[int, int, int | None]]:
    """(epoch, chip-milliseconds, work or None) of one row."""
    has_epoch = bool(row.get("epoch"))
    if has_epoch == bool(row.get("start") or row.get("stop")):
        raise row.refuse("a row has either an epoch, or a start and a stop")
    if has_epoch:
        epoch = row.integer("epoch", "epochs are numbered from the agreement's start")
        if row.get("chips"):
            raise row.refuse("chips is said of a job with start and stop", "leave it empty: chip_seconds says how much of the epoch")
        chip_ms = ceil_of(row.decimal("chip_seconds", "chips x seconds of the epoch") * 1000)
        parts = [(epoch, chip_ms)]
    else:
        start, stop = row.moment_ms("start", up=False), row.moment_ms("stop", up=True)
        if stop <= start:
            raise row.refuse("the job stops before it starts", "swap start and stop, or delete the row")
        if stop - start > 1000 * agreement.epoch_seconds * agreement.epochs_per_period * agreement.periods:
            raise row.refuse("the job is longer than the agreement", "check the year, and milliseconds against seconds")
        parts = _placed(row, start, stop, agreement)
        if row.get("chips") and row.get("chip_seconds"):
            raise row.refuse("a job has either chips or chip_seconds", "leave one of the two empty")
        if row.get("chips"):
            chips = row.integer("chips", "how many chips the job held")
            if chips > meter.chips:
                raise row.refuse(
                    f"the job held {chips} chips, meter {meter.name} has {meter.chips}", "name the right meter"
                )
            parts = [(epoch, span * chips) for epoch, span in parts]
        else:
            total = ceil_of(row.decimal("chip_seconds", "give chips, or chip_seconds of the whole job") * 1000)
            parts = in_proportion(total, parts)
    if not row.get("work_flop"):
        return [(epoch, amount, None) for epoch, amount in parts]
    work = ceil_of(row.decimal("work_flop", "FLOP of the row") / WORK_UNIT)
    if work > MAX_WORK:
        raise row.refuse("work_flop does not fit in 63 bits of 10^12 FLOP", "check the exponent")
    weights = parts if sum(amount for _, amount in parts) else [(epoch, 1) for epoch, _ in parts]
    shares = in_proportion(work, weights)
    return [(epoch, amount, share) for (epoch, amount), (_, share) in zip(parts, shares, strict=True)]


def _placed(row: Row, start: int, stop: int, agreement: Agreement) -> list[tuple[int, int]]:
    try:
        return split_interval(start, stop, agreement)
    except ClaimsError:
        raise row.refuse(
            "the job lies outside the agreement's periods", "cut it at the boundary; other agreements charge the rest"
        ) from None


def _outside(row: Row, agreement: Agreement) -> bool:
    if not row.get("start"):
        return False
    end = agreement.start + agreement.epoch_seconds * agreement.epochs_per_period * agreement.periods
    begin = agreement.start + agreement.epoch_seconds * agreement.epochs_per_period * agreement.first_period
    return row.moment_ms("stop", up=True) <= begin * 1000 or row.moment_ms("start", up=False) >= end * 1000


class UsageReader:
    """A usage file of a lab. :meth:`read` it, then :meth:`stored` says what goes into a store.

    Of each part of a row 32 bytes are kept, and of each row 12, for repeats.

    Attributes:
        digest: SHA-256 of the file.
        rows, skipped: counts.
        repeats: lines of rows that stand twice, the first and the second; ten at most.
    """

    def __init__(self, agreement: Agreement, lab: str, path: Path, *, skip_outside: bool) -> None:
        self._agreement, self._lab, self._path, self._skip = agreement, lab, path, skip_outside
        self._terms = agreement.lab(lab).meters
        self._meters = {meter.name: number for number, meter in enumerate(self._terms)}
        self._labels: dict[str, int] = {}
        self._names: list[str] = []
        self._kept = bytearray()
        self._marks: list[tuple[I64, npt.NDArray[np.uint32]]] = []
        self.digest = b""
        self.rows = self.skipped = 0
        self.repeats: list[tuple[int, int]] = []

    def read(self) -> None:
        """Read the whole file. Raises ImportRefused, MissingDependency."""
        with opened_table(self._path, ("meter", "checkpoint", *COLUMNS)) as (header, blocks, digest):
            plain = Plain(self._agreement, header, self._meters, self._terms, self._number, skip=self._skip)
            for block in blocks:
                lines = np.fromiter((line for line, _ in block), dtype=np.uint32, count=len(block))
                marks = (hash(tuple(map(str.strip, values))) for _, values in block)
                self._marks.append((np.fromiter(marks, dtype=np.int64, count=len(block)), lines))
                self._take(plain, header, block, lines)
            self.digest = digest()
        if not self._marks:
            raise ImportRefused(self._path.name, None, "it has a header and no rows", "check what was exported: there is nothing to import")
        self._parts = np.frombuffer(self._kept, _PART)
        self.repeats = self._repeated()

    # ---- rows --------------------------------------------------------------------------------------------

    def _number(self, label: str) -> int:
        """Of a checkpoint; idle time has one that no part keeps."""
        number = self._labels.get(label)
        if number is None:
            name = _UNATTRIBUTED if label.lower() in UNATTRIBUTED_WORDS else label
            number = self._labels[label] = len(self._names)
            self._names.append(name)
        return number

    def _take(self, plain: Plain, header: Sequence[str], block: Block, lines: npt.NDArray[np.uint32]) -> None:
        try:
            found = plain.work_out([values for _, values in block])
        except TooManyParts:
            middle = len(block) // 2
            self._take(plain, header, block[:middle], lines[:middle])
            self._take(plain, header, block[middle:], lines[middle:])
            return
        if found is None:
            self._take_one_by_one(header, block)
            return
        self.skipped += int(found.skipped.sum())
        self.rows += len(block) - int(found.skipped.sum())
        busy = found.labels[found.owner] != self._labels.get("idle", -1)
        owner = found.owner[busy]
        parts = np.zeros(len(owner), _PART)
        parts["meter"], parts["label"], parts["line"] = found.meters[owner], found.labels[owner], lines[owner]
        parts["epoch"], parts["chip_ms"], parts["work"] = found.epochs[busy], found.chip_ms[busy], _NO_WORK
        self._kept += parts.tobytes()

    def _take_one_by_one(self, header: Sequence[str], block: Block) -> None:
        name, parts = self._path.name, []
        for line, values in block:
            row = Row(name, line, dict(zip(header, values, strict=True)))
            number = self._meters.get(row.get("meter"))
            if number is None:
                raise self._no_meter(row)
            own = self._work_out(row, self._terms[number])
            if own is None:
                self.skipped += 1
                continue
            self.rows += 1
            label = self._number(row.get("checkpoint"))
            if row.get("checkpoint") != "idle":
                parts += [(number, label, line, epoch, amount, work) for epoch, amount, work in own]
            elif any(work > 0 for _, _, work in own):
                raise row.refuse("idle time carries no work", "name the checkpoint, or unattributed")
        self._kept += np.array(parts, _PART).tobytes()

    def _no_meter(self, row: Row) -> ImportRefused:
        name = row.need("meter", "name the meter as the agreement does")
        names = "its meters are " + ", ".join(sorted(self._meters)[:20])
        return row.refuse(f"the agreement gives lab {self._lab} no meter {name!r}", names)

    def _work_out(self, row: Row, meter: Meter) -> list[tuple[int, int, int]] | None:
        """(epoch, chip-milliseconds, work or -1) of each part of a row; None: outside, and to be skipped."""
        agreement, parts = self._agreement, []
        try:
            if self._skip and _outside(row, agreement):
                return None
            for epoch, amount, work in _usage_of(row, agreement, meter):
                period = epoch // agreement.epochs_per_period
                agreement.period_epochs(period)
                if amount > MAX_WORK:
                    raise row.refuse("its chip-seconds do not fit in 63 bits", "check the exponent")
                if work is None and not agreement.rules_at(period).charge_peak and row.get("checkpoint") != "idle":
                    raise row.refuse("the row has no work", 'the agreement charges "metered": give the column work_flop')
                parts.append((epoch, amount, _NO_WORK if work is None else work))
        except ImportRefused:
            raise
        except ClaimsError as error:
            raise row.refuse(error.what, error.hint) from None
        return parts

    # ---- rows that stand twice ---------------------------------------------------------------------------

    def _repeated(self) -> list[tuple[int, int]]:
        marks, lines = (np.concatenate(column) for column in zip(*self._marks, strict=True))
        self._marks = []
        order = np.argsort(marks, kind="stable")
        same = np.flatnonzero(marks[order[1:]] == marks[order[:-1]])
        second = lines[order[same + 1]]
        shown = np.argsort(second, kind="stable")[:10]
        first = lines[order[np.searchsorted(marks[order], marks[order[same[shown]]])]]
        return list(zip(first.tolist(), second[shown].tolist(), strict=True))

    # ---- what it comes to --------------------------------------------------------------------------------

    def chip_ms(self) -> dict[str, int]:
        """By meter."""
        sums = exact_sums(self._parts["meter"].astype(np.int64), self._parts["chip_ms"], len(self._terms))
        return {self._terms[number].name: sums[number] for number in np.unique(self._parts["meter"]).tolist()}

    def unattributed_ms(self) -> int:
        """Of these."""
        unattributed = np.array([name == _UNATTRIBUTED for name in self._names], dtype=np.bool_)
        own = self._parts["chip_ms"][unattributed[self._parts["label"]]] if len(self._parts) else self._parts["chip_ms"]
        return exact_sums(np.zeros(len(own), dtype=np.int64), own, 1)[0]

    def periods(self) -> set[int]:
        """That it has parts in."""
        return {epoch // self._agreement.epochs_per_period for epoch in np.unique(self._parts["epoch"]).tolist()}

    def stored(self, store: Store) -> Batches:
        """The parts with the tags of their checkpoints, which are made where they are new; once. Raises ImportRefused."""
        parts, each = self._parts, np.uint32(self._agreement.epochs_per_period)
        kinds, first, kind = np.unique(_pairs(parts["epoch"] // each, parts["label"]), return_index=True, return_inverse=True)
        tags = np.zeros(len(kinds), dtype=np.uint32)
        for place in np.argsort(first).tolist():
            period, label = divmod(int(kinds[place]), 1 << 32)
            tags[place] = self._tag(store, label, period, int(parts["line"][first[place]]))
        parts["label"] = tags[kind]
        keys = _pairs(parts["epoch"] // each, parts["meter"])
        if np.any(keys[1:] < keys[:-1]):
            order = np.argsort(keys, kind="stable")
            self._parts = parts = parts[order]
            keys = keys[order]
        ends = (np.flatnonzero(keys[1:] != keys[:-1]) + 1).tolist()
        batches: Batches = {}
        for begin, end in pairwise((0, *ends, len(parts))) if len(parts) else ():
            period, meter = divmod(int(keys[begin]), 1 << 32)
            own = parts[begin:end]
            work = None if (own["work"] == _NO_WORK).all() else [None if x < 0 else x for x in own["work"].tolist()]
            batches[period, self._terms[meter].name] = Booked(own["epoch"], own["line"], own["label"], own["chip_ms"], work)
        return batches

    def _tag(self, store: Store, label: int, period: int, line: int) -> int:
        try:
            return store.tag_in(self._names[label], period)
        except ClaimsError as error:
            raise ImportRefused(self._path.name, line, error.what, error.hint) from None


def _pairs(high: npt.NDArray[np.uint32], low: npt.NDArray[np.uint32]) -> I64:
    """Two numbers below 2^32 as one; the first below 2^31."""
    return high.astype(np.int64) << 32 | low
