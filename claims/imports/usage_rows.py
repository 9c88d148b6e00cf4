"""Rows of a usage file, read one by one into what is stored of them: which meter's chips were busy when, toward what.

    meter, (epoch | start, stop), checkpoint, (chips | chip_seconds), [work_flop]

Rows of one time and size are worked out once; what is kept of a row are five numbers.
"""

from __future__ import annotations

from array import array
from pathlib import Path

from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError
from claims.base.units import WORK_UNIT
from claims.claim.records import UNATTRIBUTED_WORDS
from claims.imports.rows import ImportRefused, Row, ceil_of, read_values
from claims.lab.store import Store

__all__ = ["Batches", "MAX_WORK", "StoredRow", "UsageReader", "in_proportion", "split_interval"]

MAX_WORK = 2**63 - 1
COLUMNS = ("epoch", "start", "stop", "chips", "chip_seconds", "work_flop")
_MEMORY = 1 << 16
"""Times and sizes that are remembered."""

StoredRow = tuple[int, int, int, int, int | None]
"""Epoch, line, tag, chip-milliseconds, work."""
Batches = dict[tuple[int, str], list[StoredRow]]
"""Rows by period and meter."""
Parts = list[tuple[int, int, int, int]]
"""(period, epoch, chip-milliseconds, work) of one row; work is -1 where there is none."""
_IDLE, _NO_WORK = -1, -1


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

    Attributes:
        digest: SHA-256 of the file.
        batches: by period and meter, five numbers a row: epoch, line, number of the label, chip-milliseconds, work (-1: none).
        chip_ms: by meter; ``unattributed_ms``: of these.
        rows, skipped: counts; ``repeats``: lines of rows that stand twice, the first and the second.
    """

    def __init__(self, agreement: Agreement, lab: str, path: Path, *, skip_outside: bool) -> None:
        self._agreement, self._lab, self._path, self._skip = agreement, lab, path, skip_outside
        self._meters = {meter.name: meter for meter in agreement.lab(lab).meters}
        self._labels: dict[str, int] = {}
        self._names: list[str] = []
        self._first: dict[tuple[int, int], int] = {}
        self._known: dict[tuple[object, ...], tuple[Parts | None, int]] = {}
        self.digest = b""
        self.batches: dict[tuple[int, str], array[int]] = {}
        self.chip_ms: dict[str, int] = {}
        self.rows = self.skipped = self.unattributed_ms = 0
        self.repeats: list[tuple[int, int]] = []

    def read(self) -> None:
        """Read the whole file. Raises ImportRefused, MissingDependency."""
        header, rows, self.digest = read_values(self._path, ("meter", "checkpoint", *COLUMNS))
        name, at = self._path.name, header.index("meter") if "meter" in header else None
        label = header.index("checkpoint") if "checkpoint" in header else None
        others = [k for k, column in enumerate(header) if column in COLUMNS]
        seen: dict[int, int] = {}
        empty = True
        for line, values in rows:
            empty = False
            meter = None if at is None else self._meters.get(values[at].strip())
            if meter is None:
                raise self._no_meter(Row(name, line, dict(zip(header, values, strict=True))))
            key = (meter.chips, *[values[k] for k in others])
            known = self._known.get(key)
            checkpoint = "" if label is None else values[label].strip()
            if known is None:
                known = self._work_out(Row(name, line, dict(zip(header, values, strict=True))), meter, key)
            parts, mark = known
            first = seen.setdefault(hash((meter.name, checkpoint, mark)), line)
            if first != line:
                self.repeats.append((first, line))
            if parts is None:
                self.skipped += 1
            else:
                self._take(line, meter.name, checkpoint, parts)
        if empty:
            raise ImportRefused(name, None, "it has a header and no rows", "check what was exported: there is nothing to import")

    def _no_meter(self, row: Row) -> ImportRefused:
        name = row.need("meter", "name the meter as the agreement does")
        names = "its meters are " + ", ".join(sorted(self._meters)[:20])
        return row.refuse(f"the agreement gives lab {self._lab} no meter {name!r}", names)

    def _take(self, line: int, meter: str, label: str, parts: Parts) -> None:
        self.rows += 1
        number = self._labels.get(label)
        if number is None:
            number = self._labels[label] = _IDLE if label == "idle" else len(self._names)
            if number != _IDLE:
                self._names.append("unattributed" if label.lower() in UNATTRIBUTED_WORDS else label)
        if number == _IDLE:
            if any(work > 0 for _, _, _, work in parts):
                raise ImportRefused(self._path.name, line, "idle time carries no work", "name the checkpoint, or unattributed")
            return
        total = 0
        for period, epoch, amount, work in parts:
            batch = self.batches.get((period, meter))
            if batch is None:
                batch = self.batches[period, meter] = array("q")
            batch.extend((epoch, line, number, amount, work))
            total += amount
            if (number, period) not in self._first:
                self._first[number, period] = line
        self.chip_ms[meter] = self.chip_ms.get(meter, 0) + total
        if self._names[number] == "unattributed":
            self.unattributed_ms += total

    def _work_out(self, row: Row, meter: Meter, key: tuple[object, ...]) -> tuple[Parts | None, int]:
        """Parts of a row (None: outside, and to be skipped), and a mark of its values; remembered for rows like it."""
        agreement = self._agreement
        parts: Parts | None = None
        try:
            if not (self._skip and _outside(row, agreement)):
                parts = []
                for epoch, amount, work in _usage_of(row, agreement, meter):
                    period = epoch // agreement.epochs_per_period
                    agreement.period_epochs(period)
                    if amount > MAX_WORK:
                        raise row.refuse("its chip-seconds do not fit in 63 bits", "check the exponent")
                    if work is None and not agreement.rules_at(period).charge_peak and row.get("checkpoint") != "idle":
                        raise row.refuse("the row has no work", 'the agreement charges "metered": give the column work_flop')
                    parts.append((period, epoch, amount, _NO_WORK if work is None else work))
        except ImportRefused:
            raise
        except ClaimsError as error:
            raise row.refuse(error.what, error.hint) from None
        known = parts, hash(tuple(text.strip() for text in map(str, key)))
        if row.get("checkpoint") != "idle":  # whose rows are not checked for work that is missing
            if len(self._known) >= _MEMORY:
                self._known.clear()
            self._known[key] = known
        return known

    def stored(self, store: Store) -> Batches:
        """The rows with the tags of their checkpoints, which are made where they are new. Raises ImportRefused."""
        tags: dict[tuple[int, int], int] = {}
        for (number, period), line in self._first.items():
            try:
                tags[number, period] = store.tag_in(self._names[number], period)
            except ClaimsError as error:
                raise ImportRefused(self._path.name, line, error.what, error.hint) from None
        batches: Batches = {}
        for (period, name), numbers in self.batches.items():
            epochs, lines, labels, amounts, work = (numbers[k::5].tolist() for k in range(5))
            named = [tags[label, period] for label in labels]
            batches[period, name] = list(zip(epochs, lines, named, amounts, (None if x < 0 else x for x in work), strict=True))
        return batches
