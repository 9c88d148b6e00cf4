"""Importer of usage from CSV or Parquet. A bad file imports nothing.

    meter, (epoch | start, stop), checkpoint, (chips | chip_seconds), [work_flop]

Times are RFC 3339 with an offset, or Unix milliseconds. Jobs over several epochs are split at the boundaries, in
exact chip-milliseconds. Busy time that names no checkpoint is charged as unattributed. FORMATS-store.md has the columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from claims.agreement.model import Agreement
from claims.agreement.over import check_begun
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError
from claims.base.units import WORK_UNIT
from claims.claim.records import UNATTRIBUTED_WORDS
from claims.imports.rows import ImportRefused, Row, ceil_of, read_some
from claims.lab.registry import check_enrolled, check_receivers, keep_calendar
from claims.lab.running import check_table
from claims.lab.store import IDLE, Store, Usage

__all__ = [
    "UNATTRIBUTED_WORDS", "ImportReport", "NoRoom", "check_room", "import_usage", "in_proportion", "not_noted", "split_interval",
    "unknown_text",
]  # fmt: skip

MAX_WORK = 2**63 - 1
_USAGE_COLUMNS = frozenset({"meter", "epoch", "start", "stop", "checkpoint", "chips", "chip_seconds", "work_flop"})


class NoRoom(ImportRefused):
    """More busy time than a meter's chips have in an epoch."""


@dataclass
class ImportReport:
    """What an import did. ``chip_ms``: chip-milliseconds per meter; ``skipped``: rows outside the agreement's periods."""

    rows: int = 0
    periods: set[int] = field(default_factory=set)
    chip_ms: dict[str, int] = field(default_factory=dict)
    unattributed_ms: int = 0
    skipped: int = 0
    repeats: list[tuple[int, int]] = field(default_factory=list)
    """Lines of rows that stand twice, the first and the second; both are charged."""


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


def import_usage(
    store: Store, agreement: Agreement, path: str | Path, *, skip_outside: bool = False, again: bool = False
) -> ImportReport:
    """Import busy time of the store's lab from a CSV or Parquet file, all of it or nothing.

    Rows named "idle" only are checked: idle time is what is left. Rows without a checkpoint are charged as unattributed.

    Args:
        skip_outside: leave out (and count) jobs that lie entirely outside the agreement's periods, instead of refusing.
        again: rows that charge exactly what an earlier import charged are other work, and are charged too.

    Raises:
        ImportRefused: naming file, line and remedy.
        StoreError: the file was imported before, or a meter has signed the period.
    """
    check_enrolled(store, agreement)
    rows, digest = read_some(path, _USAGE_COLUMNS)
    meters = {meter.name: meter for meter in agreement.lab(store.lab).meters}
    report = ImportReport()
    batches: dict[tuple[int, str], list[Usage]] = {}
    with store.transaction():
        keep_calendar(store, agreement)
        store.remember_import(digest, Path(path).name)
        seen: dict[tuple[tuple[str, str], ...], int] = {}
        for row in rows:
            first = seen.setdefault(tuple(sorted((key, value.strip()) for key, value in row.values.items())), row.line)
            report.repeats += [(first, row.line)] if first != row.line else []
            name = row.need("meter", "name the meter as the agreement does")
            if name not in meters:
                raise row.refuse(
                    f"the agreement gives lab {store.lab} no meter {name!r}",
                    "its meters are " + ", ".join(sorted(meters)[:20]),
                )
            if skip_outside and _outside(row, agreement):
                report.skipped += 1
                continue
            _collect(store, agreement, row, meters[name], batches, report)
        source = Path(path).name
        if report.skipped and not report.rows:
            raise ImportRefused(source, None, "every row lies outside the agreement's periods", "check the year, and the agreement")
        try:
            check_room(source, store, agreement, meters, batches, again=again)
        except NoRoom as error:
            if not report.repeats:
                raise
            (first, again), why = report.repeats[0], error.what.removeprefix(f"{source}: ")
            raise ImportRefused(source, again, f"this row is that of line {first} again, and {why}", "delete one of the two") from None
        for (period, name), usage in batches.items():
            store.add_usage(period, name, usage)
        check_table(store, agreement, report.periods)
    return report


def not_noted(store: Store, periods: Iterable[int]) -> list[str]:
    """Names that work of these periods is booked to and that are not noted, for any period."""
    tags = {tag for period in periods for tag in store.tags_in_use(period)}
    return sorted(store.name(tag) for tag in tags if store.noted(tag) is None)


def unknown_text(store: Store, periods: Iterable[int]) -> list[str]:
    """A line for people about :func:`not_noted`, or none."""
    names = not_noted(store, periods)
    more = f", and {len(names) - 20} more" if len(names) > 20 else ""
    return [f"checkpoints not noted yet: {', '.join(names[:20])}{more}"] if names else []


def _outside(row: Row, agreement: Agreement) -> bool:
    if not row.get("start"):
        return False
    end = agreement.start + agreement.epoch_seconds * agreement.epochs_per_period * agreement.periods
    begin = agreement.start + agreement.epoch_seconds * agreement.epochs_per_period * agreement.first_period
    return row.moment_ms("stop", up=True) <= begin * 1000 or row.moment_ms("start", up=False) >= end * 1000


def _collect(
    store: Store,
    agreement: Agreement,
    row: Row,
    meter: Meter,
    batches: dict[tuple[int, str], list[Usage]],
    report: ImportReport,
) -> None:
    label = row.get("checkpoint")
    try:
        label = "unattributed" if label.lower() in UNATTRIBUTED_WORDS else label
        for epoch, amount, work in _usage_of(row, agreement, meter):
            period = epoch // agreement.epochs_per_period
            agreement.period_epochs(period)
            tag = store.tag_in(label, period)
            if tag == IDLE:
                if work:
                    raise row.refuse("idle time carries no work", "name the checkpoint, or unattributed")
                continue
            if work is None and not agreement.rules_at(period).charge_peak:
                raise row.refuse("the row has no work", 'the agreement charges "metered": give the column work_flop')
            batches.setdefault((period, meter.name), []).append(Usage(epoch, tag, amount, work))
            report.periods.add(period)
            report.chip_ms[meter.name] = report.chip_ms.get(meter.name, 0) + amount
            report.unattributed_ms += amount if tag == 2 else 0
    except ImportRefused:
        raise
    except ClaimsError as error:
        raise row.refuse(error.what, error.hint) from None
    report.rows += 1


def check_room(
    source: str,
    store: Store,
    agreement: Agreement,
    meters: Mapping[str, Meter],
    batches: Mapping[tuple[int, str], list[Usage]],
    *,
    again: bool,
) -> None:
    """Refuse usage that a meter has no room for, that has not happened yet, that is there already (unless ``again``), or that comes
    after the meter signed. Keys are (period, meter)."""
    since = agreement.lab(store.lab).since_period
    for (period, name), usage in batches.items():
        if period < since:
            raise ImportRefused(
                source, None, f"it has work of period {period}, and lab {store.lab} claims from period {since} on",
                "leave out what lies before",
            )  # fmt: skip
        if store.signed_head(period, name) is not None:
            raise ImportRefused(
                source,
                None,
                f"meter {name} has signed period {period}",
                "late readings cannot be added to a signed ledger",
            )
        last: dict[int, int] = {}
        for item in usage:
            last[item.tag] = max(item.epoch, last.get(item.tag, 0))
        try:
            check_receivers(store, last)
        except ClaimsError as error:
            raise ImportRefused(source, None, f"meter {name}: {error.what}", error.hint) from None
        try:
            check_begun(agreement, max(last.values()), f"meter {name}: work")
        except ClaimsError as error:
            raise ImportRefused(source, None, error.what, error.hint) from None
        before, busy = store.usage(period, name), dict[int, int]()
        same = [] if again else sorted(item.epoch for item in {*before} & {*usage} if item.chip_ms)
        if same:
            raise ImportRefused(
                source, None, f"meter {name}: in {len(same)} epochs, from {same[0]} on, it charges what an earlier import charged",
                "leave out what was imported before; if it is other work: --again",
            )  # fmt: skip
        for item in [*before, *usage]:
            busy[item.epoch] = busy.get(item.epoch, 0) + item.chip_ms
        room = agreement.coverage(meters[name])
        over = [epoch for epoch in sorted(busy) if busy[epoch] > room * 1000]
        if over:
            raise NoRoom(
                source, None,
                f"meter {name}: epoch {over[0]} would hold {-(-busy[over[0]] // 1000)} busy chip-seconds, its chips have {room}",
                "overlapping jobs used more chips than the meter has: amend its chip count, or give the other chips a meter",
            )  # fmt: skip
