"""From spans (a meter's chips, from when to when, toward what) to usage in the store: all of it or nothing.

    span --window, periods--> parts per epoch, exact chip-milliseconds, each sum rounded up --> usage rows
    slack (a doubt about the ends) is charged as far as an epoch has room: no meter can have been busier

What names no checkpoint is charged as unattributed. Under ``charge = "metered"`` a span without work is charged at
its chips' peak.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.base.errors import ClaimRejected, ClaimsError
from claims.base.text import counted, periods_named, replace_hidden
from claims.base.units import WORK_UNIT
from claims.claim.records import UNATTRIBUTED
from claims.imports.charge_columns import SpanColumns, Sums, columns_of
from claims.imports.rows import ImportRefused, ceil_of
from claims.imports.spans import Source, Span, Window
from claims.imports.usage import UNATTRIBUTED_WORDS, check_room
from claims.imports.usage_columns import Booked
from claims.imports.usage_rows import MAX_WORK, in_proportion
from claims.imports.usage_rows import split_interval as split_at_epochs
from claims.lab.registry import check_enrolled, keep_calendar
from claims.lab.running import check_table
from claims.lab.store import Store

__all__ = ["Charged", "Source", "Span", "Window", "charge", "checked_meter", "metered"]

MAX_SPANS = 4_000_000
MAX_ROWS = 5_000_000


@dataclass
class Charged:
    """What an import did; amounts are chip-milliseconds.

    Attributes:
        fates: number of rows by what became of them; they sum to the rows of the file.
        chip_ms: charged, per meter, slack included.
        unattributed_ms: of these, charged as unattributed.
        slack_ms: of these, charged because of a doubt.
        full_ms: doubt that was not charged, since the epoch had no room left.
        outside_ms: left out, outside the agreement's periods (``skip_outside``).
        window_ms: left out, outside the window that was asked for.
        notes: remarks for people.
    """

    fates: dict[str, int] = field(default_factory=dict)
    chip_ms: dict[str, int] = field(default_factory=dict)
    unattributed_ms: int = 0
    slack_ms: int = 0
    full_ms: int = 0
    outside_ms: int = 0
    window_ms: int = 0
    periods: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def count(self, fate: str, rows: int = 1) -> None:
        """Note what became of a row."""
        self.fates[fate] = self.fates.get(fate, 0) + rows

    def lines(self) -> list[str]:
        """The report, for people."""
        total = sum(self.chip_ms.values())
        text = [f"{count:>9}  rows {fate}" for fate, count in sorted(self.fates.items())]
        where = f"{counted(len(self.chip_ms), 'meter')}, {periods_named(sorted(self.periods))}"
        text.append(f"{_seconds(total)} chip-seconds charged on {where}")
        text.append(f"of these unattributed: {_seconds(self.unattributed_ms)}; for doubt: {_seconds(self.slack_ms)}")
        for label, amount in (
            ("doubt that found no room, the epochs being full", self.full_ms),
            ("left out, outside the agreement's periods", self.outside_ms),
            ("left out, outside the window", self.window_ms),
        ):
            if amount:
                text.append(f"{label}: {_seconds(amount)} chip-seconds")
        return [replace_hidden(line, "\ufffd") for line in (*text, *self.notes)]  # notes hold names from files


def _seconds(milliseconds: int) -> str:
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole}.{rest:03d}" if rest else str(whole)


def checked_meter(agreement: Agreement, lab: str, name: str, source: Source) -> Meter:
    """The lab's meter of that name; refuses with the names that there are."""
    try:
        return agreement.lab(lab).meter(name)
    except ClaimRejected:
        known = ", ".join(meter.name for meter in agreement.lab(lab).meters[:20])
        raise source.refuse(f"the agreement gives lab {lab} no meter {name[:64]!r}", f"its meters are {known}") from None


def metered(agreement: Agreement, period: int) -> bool:
    """Whether the period charges work as metered, and not at peak."""
    return not agreement.rules_at(period).charge_peak


class _Ledger:
    """Usage under construction: (meter, epoch, label) to chip-milliseconds, work and first line. The store is read for slack alone."""

    def __init__(self, store: Store, agreement: Agreement, report: Charged) -> None:
        self.store, self.agreement, self.report = store, agreement, report
        self.meters = {meter.name: meter for meter in agreement.lab(store.lab).meters}
        self.amounts: dict[tuple[str, int, str], list[int]] = {}
        self.busy: dict[tuple[str, int], int] = {}
        self._sources: dict[str, Source] = {}
        self.before = functools.cache(self._before)

    def label(self, span: Span) -> str:
        """The checkpoint's name; empty: unattributed."""
        label = checkpoint_of(span.label)
        if label == "idle":
            raise span.source.refuse("busy time cannot be called idle", "name a checkpoint, or leave it unattributed")
        self.note_source(label, span.source)
        return label

    def note_source(self, label: str, source: Source) -> None:
        """Where a checkpoint's name stands, for refusals."""
        self._sources.setdefault(label, source)

    def _tag(self, label: str, period: int) -> int:
        try:
            return self.store.tag_in(label, period) if label else UNATTRIBUTED
        except ClaimsError as error:
            raise self._sources[label].refuse(error.what, error.hint) from None

    def room(self, meter: str, epoch: int) -> int:
        """Chip-milliseconds that the epoch has left."""
        before = self.before(epoch // self.agreement.epochs_per_period, meter).get(epoch, 0)
        full = self.agreement.coverage(self.meters[meter]) * 1000
        return full - self.busy.get((meter, epoch), 0) - before

    def _before(self, period: int, meter: str) -> dict[int, int]:
        """Busy chip-milliseconds of each epoch that the store has."""
        return {epoch: busy for epoch, busy, _ in self.store.busy_epochs(period, meter)}

    def add(self, span: Span, label: str, epoch: int, amount: int, work: int | None) -> None:
        period = epoch // self.agreement.epochs_per_period
        if metered(self.agreement, period):
            peak = self.agreement.chip(self.meters[span.meter].chip).peak
            work = -(-amount * peak // 1000) if work is None else work
        else:
            work = None
        total = self.amounts.setdefault((span.meter, epoch, label), [0, 0, span.source.line or 0])
        total[0] += amount
        total[1] += work or 0
        if total[1] > MAX_WORK:
            raise span.source.refuse("its work is 2^63 x 10^12 FLOP or more, which no claim can hold", "check the exponent")
        if len(self.amounts) > MAX_ROWS:
            raise span.source.refuse(f"more than {MAX_ROWS} rows of usage", "import it window by window")
        self.busy[span.meter, epoch] = self.busy.get((span.meter, epoch), 0) + amount
        self.note(span.meter, epoch, label, amount)

    def note(self, meter: str, epoch: int, label: str, amount: int) -> None:
        """Put what is charged into the report."""
        report = self.report
        report.periods.add(epoch // self.agreement.epochs_per_period)
        report.chip_ms[meter] = report.chip_ms.get(meter, 0) + amount
        report.unattributed_ms += 0 if label else amount

    def rows(self) -> Iterator[tuple[str, int, str, int, int | None, int]]:
        """Meter, epoch, checkpoint, chip-milliseconds, work where it is metered, and line of each sum, in order."""
        for (meter, epoch, name), (amount, work, line) in sorted(self.amounts.items()):
            yield meter, epoch, name, amount, work if metered(self.agreement, epoch // self.agreement.epochs_per_period) else None, line

    def write(self, rows: Iterable[tuple[str, int, str, int, int | None, int]], label: str, *, again: bool) -> None:
        """Put everything into the store, after a check of the room in every epoch."""
        found: dict[tuple[int, str], list[tuple[int, int, int, int, int | None]]] = {}
        tag_of = functools.cache(self._tag)
        for meter, epoch, name, amount, work, line in rows:
            period = epoch // self.agreement.epochs_per_period
            found.setdefault((period, meter), []).append((epoch, line, tag_of(name, period), amount, work))
        batches = {key: Booked.of(own) for key, own in found.items()}
        found.clear()
        check_room(label, self.store, self.agreement, batches, again=again)
        for (period, meter), booked in batches.items():
            self.store.add_rows(period, meter, booked.rows())
        check_table(self.store, self.agreement, self.report.periods)


def checkpoint_of(label: str | None) -> str:
    """A label as a checkpoint's name; empty: unattributed."""
    text = (label or "").strip()
    return "" if text.lower() in UNATTRIBUTED_WORDS else text


def _cut(span: Span, window: Window, agreement: Agreement, skip_outside: bool, report: Charged) -> tuple[int, int]:
    """Start and stop of what is charged; what is cut off goes into the report, or is refused."""
    start = span.start if window.start is None else max(span.start, window.start)
    stop = span.stop if window.stop is None else min(span.stop, window.stop)
    start, stop = (start, stop) if start < stop else (span.stop, span.stop)
    report.window_ms += ceil_of(span.chips * (span.stop - span.start - (stop - start)))
    period = agreement.epoch_seconds * agreement.epochs_per_period
    first = 1000 * (agreement.start + period * agreement.first_period)
    end = 1000 * (agreement.start + period * agreement.periods)
    inside = max(start, first), min(stop, end)
    inside = inside if inside[0] < inside[1] else (stop, stop)
    left = (stop - start) - (inside[1] - inside[0])
    if left and not (skip_outside or span.slack):
        raise span.source.refuse(
            "part of it lies outside the agreement's periods",
            "--skip-outside charges what lies inside and reports the rest, which other agreements charge",
        )
    report.outside_ms += ceil_of(span.chips * left)
    return inside


def _charge_span(span: Span, within: tuple[int, int], ledger: _Ledger) -> None:
    start, stop = within
    chips = ledger.meters[span.meter].chips
    if span.chips > chips:
        raise span.source.refuse(
            f"it held {ceil_of(span.chips)} chips, meter {span.meter} has {chips}",
            "name the right meter, or amend its chip count",
        )
    label, spans = ledger.label(span), split_at_epochs(start, stop, ledger.agreement)
    parts = in_proportion(ceil_of(span.chips * (stop - start)), spans)
    shares: list[int | None] = [None] * len(parts)
    if span.work is not None:
        share = span.work * Fraction(stop - start, span.stop - span.start)
        shares = [units for _, units in in_proportion(ceil_of(share / WORK_UNIT), spans)]
    for (epoch, amount), work in zip(parts, shares, strict=True):
        if not span.slack:
            ledger.add(span, label, epoch, amount, work)
            continue
        given = max(0, min(amount, ledger.room(span.meter, epoch)))
        ledger.report.full_ms += amount - given
        ledger.report.slack_ms += given
        if given:
            ledger.add(span, label, epoch, given, work)


def charge(
    store: Store,
    agreement: Agreement,
    spans: Sequence[Span],
    *,
    kind: str,
    label: str,
    files: Iterable[bytes],
    report: Charged,
    window: Window | None = None,
    skip_outside: bool = False,
    again: bool = True,
) -> None:
    """Charge spans to the store's lab: one transaction, once for the same files and window.

    Args:
        kind: name of the importer; with the files' SHA-256 digests and the window it is what may occur once.
        label: file name, for messages and for the store's memory.
        report: completed here.
        skip_outside: leave out, and report, what lies outside the agreement's periods, instead of refusing.
        again: charge also what an earlier import charged exactly so; else that is refused.

    Raises:
        ImportRefused: naming file, line and remedy; nothing was charged.
        StoreError: imported before, or a meter has signed.
    """
    window = window or Window()
    window.check()
    check_enrolled(store, agreement)
    if len(spans) > MAX_SPANS:
        raise ImportRefused(label, None, f"more than {MAX_SPANS} spans", "import it window by window")
    ledger = _Ledger(store, agreement, report)
    plain = _Plain.of(ledger, spans, window, skip_outside)
    if plain is None:
        _charge_spans((span for span in spans if not span.slack), ledger, window, skip_outside)  # before the store is locked
    with store.transaction():
        keep_calendar(store, agreement)
        store.begin_import(_identity(kind, files, window), kind, label)
        if plain is None:
            _charge_spans((span for span in spans if span.slack), ledger, window, skip_outside)  # gets the room that is left
        ledger.write(ledger.rows() if plain is None else plain.rows(), label, again=again)


class _Plain:
    """Spans that are charged as columns (claims/imports/charge_columns.py), all of an import or none."""

    def __init__(self, ledger: _Ledger, sums: Sums, slack: SpanColumns, names: list[str]) -> None:
        self._ledger, self._sums, self._slack, self._names = ledger, sums, slack, names

    @classmethod
    def of(cls, ledger: _Ledger, spans: Sequence[Span], window: Window, skip_outside: bool) -> _Plain | None:
        """Firm time, summed; None where that has to be done span by span."""
        numbers: dict[str, int] = {}

        def number(label: str | None) -> int:
            name = checkpoint_of(label)
            return -1 if name == "idle" else numbers.setdefault(name, len(numbers))

        columns = columns_of(spans, ledger.agreement, ledger.store.lab, number)
        if columns is None:
            return None
        firm, slack = columns
        sums = Sums(ledger.agreement, ledger.store.lab, window)
        sums.add(firm)
        if (sums.outside_ms and not skip_outside) or len(sums) > MAX_ROWS:
            return None
        for span in spans:
            ledger.note_source(checkpoint_of(span.label), span.source)
        return cls(ledger, sums, slack, [*numbers])

    def rows(self) -> Iterator[tuple[str, int, str, int, int | None, int]]:
        """As those of the ledger, with as much slack as there is room for; completes the report."""
        sums, report = self._sums, self._ledger.report
        sums.fill(self._slack, self._ledger.before)
        report.window_ms, report.outside_ms = report.window_ms + sums.window_ms, report.outside_ms + sums.outside_ms
        report.slack_ms, report.full_ms = report.slack_ms + sums.slack_ms, report.full_ms + sums.full_ms
        for meter, epoch, name, amount, line in sums.rows(self._names):
            self._ledger.note(meter, epoch, name, amount)
            yield meter, epoch, name, amount, None, line


def _charge_spans(spans: Iterable[Span], ledger: _Ledger, window: Window, skip_outside: bool) -> None:
    for span in spans:
        if span.stop > span.start and span.chips:
            within = _cut(span, window, ledger.agreement, skip_outside, ledger.report)
            if within[0] < within[1]:
                _charge_span(span, within, ledger)


def _identity(kind: str, files: Iterable[bytes], window: Window) -> bytes:
    state = hashlib.sha256(b"standstill/import/v1")
    for part in (kind.encode(), repr((window.start, window.stop)).encode(), *files):
        state.update(len(part).to_bytes(4, "big") + part)
    return state.digest()
