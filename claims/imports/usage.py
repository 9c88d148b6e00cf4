"""Importers: usage and checkpoints from CSV, usage also from Parquet. A bad file imports nothing.

    usage        meter, (epoch | start, stop), checkpoint, (chips | chip_seconds), [work_flop]
    checkpoints  name, kind, parents, (epoch | time), [branch], [declared_flop], [weights]

Times are RFC 3339 with an offset, or Unix milliseconds. Jobs over several epochs are split at the boundaries, in
exact chip-milliseconds. Busy time that names no checkpoint is charged as unattributed. FORMATS-store.md has the columns.
"""

from __future__ import annotations

import csv
import datetime as _datetime
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError, MissingDependency, UnreadableFile
from claims.base.files import read_bounded
from claims.lab.lineage import note_checkpoint, starts_from_nothing
from claims.lab.registry import NO_WEIGHTS, check_enrolled, check_receivers
from claims.lab.running import check_table
from claims.lab.store import IDLE, Draft, Genesis, Store, Usage

__all__ = [
    "UNATTRIBUTED_WORDS",
    "CheckpointReport",
    "ImportRefused",
    "ImportReport",
    "NoRoom",
    "Row",
    "ceil_of",
    "check_room",
    "import_checkpoints",
    "import_usage",
    "in_proportion",
    "not_noted",
    "note_drafts",
    "read_bytes",
    "read_rows",
    "split_interval",
    "unknown_text",
]

MAX_FILE = 1 << 30
WORK_UNIT = 10**12
MAX_WORK = 2**63 - 1
UNATTRIBUTED_WORDS = frozenset({"", "unattributed", "unknown", "none", "n/a", "-"})
_DECIMAL = re.compile(r"([0-9]{1,40})(?:\.([0-9]{1,40}))?(?:[eE]\+?([0-9]{1,2}))?")
_BELOW_MICROSECONDS = re.compile(r"[.,][0-9]{6}0*[1-9]")
_USAGE_COLUMNS = frozenset({"meter", "epoch", "start", "stop", "checkpoint", "chips", "chip_seconds", "work_flop"})
_CHECKPOINT_COLUMNS = frozenset(
    {"name", "kind", "parents", "branch", "epoch", "time", "declared_flop", "weights", "genesis", "genesis_round"}
)


class ImportRefused(ClaimsError):
    """A file cannot be imported; nothing of it was.

    Args:
        source: file name.
        line: line number from 1 (in Parquet: row number), or None for the whole file.
    """

    def __init__(self, source: str, line: int | None, what: str, hint: str = "") -> None:
        self.source, self.line = source, line
        super().__init__(f"{source}: {what}" if line is None else f"{source}:{line}: {what}", hint)


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


@dataclass
class CheckpointReport:
    """What was noted. ``roots``: names of those that start from nothing, neither parents nor declared work behind them."""

    noted: int = 0
    roots: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For people."""
        names = f": {', '.join(self.roots[:8])}{', ...' if len(self.roots) > 8 else ''}" if self.roots else ""
        return f"{self.noted} checkpoints noted; of these start from nothing: {len(self.roots)}{names}"


class Refuses(Protocol):
    """Where something stands in a file."""

    def refuse(self, what: str, hint: str = "") -> ImportRefused:
        """The refusal, to be raised."""


@dataclass(frozen=True)
class Row:
    """One row with the file's name and the line for messages."""

    source: str
    line: int
    values: Mapping[str, str]

    def refuse(self, what: str, hint: str = "") -> ImportRefused:
        return ImportRefused(self.source, self.line, what, hint)

    def get(self, column: str) -> str:
        return self.values.get(column, "").strip()

    def need(self, column: str, hint: str) -> str:
        value = self.get(column)
        if not value:
            raise self.refuse(f"column {column} is empty", hint)
        return value

    def integer(self, column: str, hint: str) -> int:
        text = self.need(column, hint)
        if re.fullmatch(r"[0-9]{1,30}", text) is None:
            raise self.refuse(f"{column} {text[:40]!r} is not a whole number", hint)
        return int(text)

    def decimal(self, column: str, hint: str) -> Fraction:
        text = self.need(column, hint)
        match = _DECIMAL.fullmatch(text)
        if match is None:
            raise self.refuse(f"{column} {text[:40]!r} is not a number of the form 123, 1.5 or 2.4e22", hint)
        return Fraction(match[1] + (f".{match[2]}" if match[2] else "")) * Fraction(10) ** int(match[3] or 0)

    def moment_ms(self, column: str, *, up: bool) -> int:
        """Unix milliseconds; a fraction of one rounds up or down."""
        hint = "write an RFC 3339 time with its offset, 2026-01-01T00:00:00Z, or Unix milliseconds"
        text = self.need(column, hint)
        if re.fullmatch(r"[0-9]{12,14}", text):
            return int(text)
        try:
            moment = _datetime.datetime.fromisoformat(text)
        except ValueError:
            raise self.refuse(f"{column} {text[:40]!r} is not a time", hint) from None
        if moment.tzinfo is None:
            raise self.refuse(f"{column} {text!r} has no offset from UTC", hint)
        microseconds = (moment - _datetime.datetime(1970, 1, 1, tzinfo=_datetime.UTC)) // _datetime.timedelta(
            microseconds=1
        )
        if up and _BELOW_MICROSECONDS.search(text):  # which fromisoformat drops
            microseconds += 1
        return -(-microseconds // 1000) if up else microseconds // 1000


# ---- reading files ---------------------------------------------------------------------------------------


def read_bytes(path: Path, limit: int = MAX_FILE) -> bytes:
    """All bytes of a regular file of at most ``limit`` bytes. Raises ImportRefused."""
    try:
        return read_bounded(path, limit)
    except UnreadableFile as error:
        raise ImportRefused(path.name, None, f"it cannot be read: {error.what}", "check the path, or split it") from None


def read_rows(path: str | Path, columns: Iterable[str]) -> tuple[list[Row], bytes]:
    """Rows of a CSV or Parquet file (by its suffix) and the file's SHA-256.

    Raises:
        ImportRefused: unreadable, not UTF-8, an unknown or repeated column, a row of another length.
        MissingDependency: a Parquet file, and pyarrow is not installed.
    """
    path, allowed = Path(path), frozenset(columns)
    data = read_bytes(path)
    parse = _parquet_rows if path.suffix.lower() in (".parquet", ".pq") else _csv_rows
    return list(parse(path.name, data, allowed)), hashlib.sha256(data).digest()


def _check_header(source: str, header: list[str], allowed: frozenset[str]) -> None:
    unknown = [name for name in header if name not in allowed]
    if unknown or len(set(header)) != len(header):
        what = f"column {unknown[0]!r} is not known" if unknown else "a column occurs twice"
        raise ImportRefused(source, 1, what, "the columns are " + ", ".join(sorted(allowed)))


def _csv_rows(source: str, data: bytes, allowed: frozenset[str]) -> Iterator[Row]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportRefused(
            source, data[: error.start].count(b"\n") + 1, "the text is not UTF-8", "save the file as UTF-8"
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if not header:
            raise ImportRefused(source, None, "the file is empty", "the first line names the columns")
        _check_header(source, header, allowed)
        for values in reader:
            if not values or (values[0].lstrip().startswith("#") and header[0] != "checkpoint"):  # "#7" may be a run
                continue
            if len(values) != len(header):
                raise ImportRefused(
                    source, reader.line_num, f"{len(values)} fields where the header has {len(header)}", "quote commas"
                )
            yield Row(source, reader.line_num, dict(zip(header, values, strict=True)))
    except csv.Error as error:
        raise ImportRefused(source, reader.line_num, f"not CSV: {error}", "quote fields as RFC 4180 says") from None


def _parquet_rows(source: str, data: bytes, allowed: frozenset[str]) -> Iterator[Row]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise MissingDependency(
            "Parquet files need the package pyarrow", "pip install pyarrow, or export CSV"
        ) from None
    try:
        table = parquet.read_table(io.BytesIO(data))
    except (arrow.ArrowException, OSError) as error:
        raise ImportRefused(
            source, None, f"not a Parquet file: {str(error).splitlines()[0]}", "export it again"
        ) from None
    _check_header(source, [str(name) for name in table.column_names], allowed)
    line = 0
    for batch in table.to_batches():
        for values in batch.to_pylist():
            line += 1
            yield Row(source, line, {key: _as_text(source, line, key, value) for key, value in values.items()})


def _as_text(source: str, line: int, column: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, _datetime.datetime):
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, (str, int, float, bytes)):
        raise ImportRefused(
            source, line, f"column {column} holds a {type(value).__name__}", "use text, integers or timestamps"
        )
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")) or value < 0:
            raise ImportRefused(source, line, f"column {column} holds {value}", "amounts are finite and not negative")
        exact = Fraction(value)
        return str(exact.numerator) if exact.denominator == 1 else f"{value:.12f}"
    return str(value)


# ---- usage -----------------------------------------------------------------------------------------------


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
        chip_ms = ceil_of(row.decimal("chip_seconds", "chips x seconds of the epoch") * 1000)
        parts = [(epoch, chip_ms)]
    else:
        start, stop = row.moment_ms("start", up=False), row.moment_ms("stop", up=True)
        if stop <= start:
            raise row.refuse("the job stops before it starts", "swap start and stop, or delete the row")
        if stop - start > 1000 * agreement.epoch_seconds * agreement.epochs_per_period * agreement.periods:
            raise row.refuse("the job is longer than the agreement", "check the year, and milliseconds against seconds")
        parts = _placed(row, start, stop, agreement)
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


def ceil_of(value: int | Fraction) -> int:
    """The least whole number that is not below ``value``."""
    return -(-value.numerator // value.denominator)


def import_usage(store: Store, agreement: Agreement, path: str | Path, *, skip_outside: bool = False) -> ImportReport:
    """Import busy time of the store's lab from a CSV or Parquet file, all of it or nothing.

    Rows named "idle" only are checked: idle time is what is left. Rows without a checkpoint are charged as unattributed.

    Args:
        skip_outside: leave out (and count) jobs that lie entirely outside the agreement's periods, instead of refusing.

    Raises:
        ImportRefused: naming file, line and remedy.
        StoreError: the file was imported before, or a meter has signed the period.
    """
    rows, digest = read_rows(path, _USAGE_COLUMNS)
    check_enrolled(store, agreement)
    meters = {meter.name: meter for meter in agreement.lab(store.lab).meters}
    report = ImportReport()
    batches: dict[tuple[int, str], list[Usage]] = {}
    with store.transaction():
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
            check_room(source, store, agreement, meters, batches)
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
) -> None:
    """Refuse usage that a meter has no room for, or that comes after it signed. Keys are (period, meter)."""
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
        busy: dict[int, int] = {}
        for item in [*store.usage(period, name), *usage]:
            busy[item.epoch] = busy.get(item.epoch, 0) + item.chip_ms
        room = agreement.coverage(meters[name])
        over = [epoch for epoch in sorted(busy) if busy[epoch] > room * 1000]
        if over:
            raise NoRoom(
                source, None,
                f"meter {name}: epoch {over[0]} would hold {-(-busy[over[0]] // 1000)} busy chip-seconds, its chips have {room}",
                "overlapping jobs used more chips than the meter has: amend its chip count, or give the other chips a meter",
            )  # fmt: skip


# ---- checkpoints -----------------------------------------------------------------------------------------


def note_drafts(store: Store, agreement: Agreement, drafts: Iterable[tuple[Refuses, Draft]]) -> CheckpointReport:
    """Note checkpoints in order, each with where it stands; the caller's transaction makes it all or none.

    Raises:
        ImportRefused: naming file, line and remedy.
    """
    report = CheckpointReport()
    for source, draft in drafts:
        try:
            tag = note_checkpoint(store, agreement, draft)
        except ClaimsError as error:
            raise source.refuse(error.what, error.hint) from None
        report.noted += 1
        report.roots += [draft.name] if starts_from_nothing(store, tag) else []
    return report


def import_checkpoints(store: Store, agreement: Agreement, path: str | Path) -> CheckpointReport:
    """Note the checkpoints of a CSV or Parquet file, all or none.

    Raises:
        ImportRefused: naming file, line and remedy.
        RegistryError: the store is not the one in the agreement.
    """
    rows, digest = read_rows(path, _CHECKPOINT_COLUMNS)
    check_enrolled(store, agreement)
    with store.transaction():
        store.remember_import(digest, Path(path).name)
        drafts = [_draft_of(row, agreement) for row in rows]
        report = note_drafts(store, agreement, zip(rows, drafts, strict=True))
        check_table(store, agreement, {draft.epoch // agreement.epochs_per_period for draft in drafts})
    return report


def _draft_of(row: Row, agreement: Agreement) -> Draft:
    name = row.need("name", "every checkpoint has a name")
    branch = {"": None, "yes": True, "no": False}.get(row.get("branch").lower(), "bad")
    if branch == "bad":
        raise row.refuse(f"branch {row.get('branch')!r} is neither yes nor no", "leave it empty to have it found")
    if bool(row.get("epoch")) == bool(row.get("time")):
        raise row.refuse("a checkpoint has either an epoch or a time")
    if row.get("epoch"):
        epoch = row.integer("epoch", "epochs are numbered from the agreement's start")
    else:
        epoch = (row.moment_ms("time", up=False) // 1000 - agreement.start) // agreement.epoch_seconds
    declared = ceil_of(row.decimal("declared_flop", "FLOP") / WORK_UNIT) if row.get("declared_flop") else 0
    kind = row.get("kind").upper() or "CHECKPOINT"
    if kind == "EXTERNAL" and not declared:
        raise row.refuse("weights from outside declare the work that made them", "fill in declared_flop, rounded up")
    text = row.get("weights").lower()
    if text and re.fullmatch(r"[0-9a-f]{64}", text) is None:
        raise row.refuse("weights is not a SHA-256 in hex", "64 hex digits, or leave it empty")
    parents = tuple(parent.strip() for parent in row.get("parents").split("|") if parent.strip())
    weights = bytes.fromhex(text) if text else NO_WEIGHTS
    return Draft(name, kind, parents, branch, epoch, declared, weights, _genesis(row))  # type: ignore[arg-type]


def _genesis(row: Row) -> Genesis | None:
    commitment = row.get("genesis").lower()
    if not commitment and not row.get("genesis_round"):
        return None
    if re.fullmatch(r"[0-9a-f]{64}", commitment) is None:
        raise row.refuse("genesis is not 64 hex digits", "the commitment that `standstill genesis commit` printed")
    number = row.integer("genesis_round", "the drand round that seeded the initial weights")
    if not 0 < number < 2**63:
        raise row.refuse(f"genesis_round {number} is not a drand round", "rounds are numbered from 1")
    return Genesis(bytes.fromhex(commitment), number)
