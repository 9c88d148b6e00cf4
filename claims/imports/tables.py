"""Reading tables of others: header-driven columns, mapping files (nodes to meters, jobs to checkpoints), times.

Columns that are not known are left alone here, since accounting exports have many; mapping files are ours, and
there an unknown column is refused.
"""

from __future__ import annotations

import csv
import datetime as _datetime
import fnmatch
import functools
import hashlib
import io
import re
import zoneinfo
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from claims.base.errors import ClaimsError
from claims.base.toml import TomlError, parse_toml
from claims.imports.charge import Charged, Source
from claims.imports.hostlist import HostListError, expand
from claims.imports.inputs import name_of, read_input
from claims.imports.rows import ImportRefused, Row, line_not_utf8, read_bytes, read_rows

__all__ = ["Clock", "JobMap", "NodeMap", "Place", "distinct", "read_jobs", "read_nodes", "read_table", "table_rows", "unix_ms"]

MAX_TABLE = 256 << 20
MAX_MAP = 64 << 20
MAX_NODES = 1 << 20
MAX_MATCHES = 50_000_000
_UNIX = _datetime.datetime(1970, 1, 1, tzinfo=_datetime.UTC)


def read_table(
    path: Path, need: Sequence[str], *, delimiter: str = ",", quoted: bool = True, free: str = ""
) -> tuple[Iterator[Row], bytes]:
    """Rows of a table with a header line, read as they are asked for, and the contents' SHA-256.

    Column names are lower-cased. A header line further down (exports that were joined) names the columns from there on.

    Args:
        need: columns that must be there.
        quoted: RFC 4180 quoting; False: a quotation mark is a character like others.
        free: a column of free text, in which the delimiter may occur: surplus fields belong to it.

    Raises:
        ImportRefused: unreadable, not UTF-8, a column missing or twice, a row of another length, no row at all.
    """
    data = read_input(path, MAX_TABLE)
    return table_rows(name_of(path), data, need, delimiter, quoted, free), hashlib.sha256(data).digest()


def table_rows(name: str, data: bytes, need: Sequence[str], delimiter: str, quoted: bool, free: str) -> Iterator[Row]:
    """See :func:`read_table`."""
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=quoted, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    header: list[str] = []
    rows = 0
    try:
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if not header or _is_header(values, header, need):
                header = [value.strip("\ufeff \t").lower() for value in values]
                trailing = not header[-1]  # sacct -p ends every line with a delimiter
                header = header[:-1] if trailing else header
                _check_header(name, reader.line_num, header, need, delimiter)
                continue
            if trailing and not values[-1]:
                values = values[:-1]
            rows += 1
            yield _row(Source(name, reader.line_num), header, values, free, delimiter)
    except UnicodeDecodeError:
        raise ImportRefused(name, line_not_utf8(data), "the text is not UTF-8", "save the file as UTF-8") from None
    except csv.Error as error:
        raise ImportRefused(name, reader.line_num, f"not a table: {error}", "export it again") from None
    if not rows:
        what = "it has a header line and no rows" if header else "the file is empty"
        raise ImportRefused(name, None, what, "was it exported for the right time, and for all users?")


def _is_header(values: list[str], header: list[str], need: Sequence[str]) -> bool:
    """Whether a row names the columns again. Its first field tells nearly always."""
    names = need or header
    return values[0].strip("\ufeff \t").lower() in header and set(names) <= {value.strip("\ufeff \t").lower() for value in values}


def distinct(rows: Iterable[Row], report: Charged, fate: str) -> list[Row]:
    """Rows without those that are the same as one above, which are counted under ``fate``."""
    found: dict[tuple[tuple[str, str], ...], Row] = {}
    for row in rows:
        if found.setdefault(tuple(row.values.items()), row) is not row:
            report.count(fate)
    return list(found.values())


def _check_header(name: str, line: int, header: list[str], need: Sequence[str], delimiter: str) -> None:
    missing = [column for column in need if column not in header]
    if missing:
        hint = f"the first line names the columns, separated by {delimiter!r}"
        raise ImportRefused(name, line, f"column {missing[0]} is missing", hint)
    if len(set(header)) != len(header):
        raise ImportRefused(name, line, "a column occurs twice")


def _row(source: Source, header: list[str], values: list[str], free: str, delimiter: str) -> Row:
    surplus = len(values) - len(header)
    if surplus > 0 and free in header:
        at = header.index(free)
        values = [*values[:at], delimiter.join(values[at : at + surplus + 1]), *values[at + surplus + 1 :]]
        surplus = 0
    if surplus:
        raise source.refuse(f"{len(values)} fields where the header has {len(header)}", "was the line cut off?")
    return Row(source.name, source.line or 0, dict(zip(header, values, strict=True)))


# ---- times -----------------------------------------------------------------------------------------------


def unix_ms(moment: _datetime.datetime, *, up: bool = False) -> int:
    """Unix milliseconds of an aware time; a fraction of one rounds down or up."""
    microseconds = (moment - _UNIX) // _datetime.timedelta(microseconds=1)
    return -(-microseconds // 1000) if up else microseconds // 1000


@dataclass(frozen=True)
class Clock:
    """How local times are read. ``zone``: the time zone of times without an offset; None: those are refused."""

    zone: zoneinfo.ZoneInfo | None = None

    @classmethod
    def of(cls, name: str | None) -> Clock:
        """A clock for an IANA time zone name. Raises ClaimsError when it is not known."""
        if name is None:
            return cls()
        try:
            return cls(zoneinfo.ZoneInfo(name))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            hint = 'use a name as in "Europe/Berlin" or "UTC"; the package tzdata has them'
            raise ClaimsError(f"the time zone {name[:60]!r} is not known", hint) from None

    def moments(self, row: Row, column: str) -> tuple[int, int]:
        """Earliest and latest Unix milliseconds that the text can mean; they differ where clocks were set back.

        RFC 3339 with an offset, local time without one, or Unix seconds (9 to 11 digits).

        Raises:
            ImportRefused: not a time, no time zone is known, or the local time never was.
        """
        try:
            return _moments(row.get(column), self.zone)
        except ClaimsError as error:
            raise row.refuse(f"{column} {error.what}", error.hint) from None


@functools.lru_cache(maxsize=1 << 16)
def _moments(text: str, zone: zoneinfo.ZoneInfo | None) -> tuple[int, int]:
    """See :meth:`Clock.moments`. Raises ClaimsError, to be said with file, line and column."""
    if re.fullmatch(r"[0-9]{9,11}", text):
        return (int(text) * 1000,) * 2
    try:
        moment = _datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ClaimsError(f"{text[:40]!r} is not a time", "as in 2026-01-01T00:00:00") from None
    if not 1970 < moment.year < 2500:
        raise ClaimsError(f"{text[:40]!r} is not a time", "check the year")
    if moment.tzinfo is not None:
        return unix_ms(moment), unix_ms(moment)
    if zone is None:
        hint = "say in which --timezone the times are, or export with SLURM_TIME_FORMAT=%s"
        raise ClaimsError(f"{text[:40]!r} has no offset from UTC", hint)
    first, second = (zone.utcoffset(moment.replace(fold=fold)) or _datetime.timedelta() for fold in (0, 1))
    if first < second:  # in the gap the later reading has the larger offset, in the hour that repeats the smaller one
        raise ClaimsError(f"{moment.isoformat()} never was: clocks were set forward", f"is {zone} the right zone?")
    local = moment.replace(tzinfo=_datetime.UTC)
    return unix_ms(local - first), unix_ms(local - second)


# ---- mapping files ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where a node's GPUs are metered. ``gpus``: how many it has, where the mapping says so."""

    meter: str
    gpus: int | None


@dataclass
class NodeMap:
    """Nodes to meters. ``default``: the meter of nodes that are not listed; None: those are refused."""

    places: dict[str, Place] = field(default_factory=dict)
    default: str | None = None

    def find(self, node: str) -> Place | None:
        """The node's place, the default meter, or None."""
        place = self.places.get(node)
        return place if place or self.default is None else Place(self.default, None)


def read_nodes(path: Path | None, default: str | None) -> NodeMap:
    """A node map from CSV (``node, meter, gpus``) or TOML (``[[nodes]] names, meter, gpus``; ``default``).

    Raises:
        ImportRefused: naming file, line or entry.
    """
    nodes = NodeMap(default=default)
    if path is None:
        return nodes
    if path.suffix.lower() == ".toml":
        return _toml_nodes(path, nodes)
    for row in read_rows(path, ("node", "meter", "gpus"))[0]:
        gpus = row.integer("gpus", "GPUs of each node") if row.get("gpus") else None
        source = Source(row.source, row.line)
        _place(nodes, source, row.need("node", "a name or host list"), row.need("meter", "of the agreement"), gpus)
    return nodes


def _toml_nodes(path: Path, nodes: NodeMap) -> NodeMap:
    data = read_bytes(path, MAX_MAP)
    try:
        table = parse_toml(data.decode())
    except UnicodeDecodeError:
        raise ImportRefused(path.name, None, "not UTF-8 text", "save the file as UTF-8") from None
    except TomlError as error:
        raise ImportRefused(path.name, error.line, error.what[:100], "as in FORMATS-imports.md") from None
    source = Source(path.name)
    entries, default = table.pop("nodes", []), table.pop("default", None)
    if table or not isinstance(entries, list) or not isinstance(default, str | None):
        raise source.refuse("it holds [[nodes]] entries and at most a text named default")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or set(entry) - {"names", "meter", "gpus"}:
            raise source.refuse(f"nodes entry {number} has other fields than names, meter, gpus")
        names, meter, gpus = entry.get("names"), entry.get("meter"), entry.get("gpus")
        if not (isinstance(names, str) and isinstance(meter, str) and type(gpus) in (int, type(None))):
            raise source.refuse(f"nodes entry {number}: names and meter are text, gpus is a whole number")
        _place(nodes, source, names, meter, gpus)
    nodes.default = nodes.default or default
    return nodes


def _place(nodes: NodeMap, source: Source, names: str, meter: str, gpus: int | None) -> None:
    if gpus is not None and not 0 <= gpus <= 4096:
        raise source.refuse(f"a node with {gpus} GPUs", "gpus is a number from 0 to 4096")
    try:
        expanded = expand(names)
    except HostListError as error:
        raise source.refuse(error.what, error.hint) from None
    for node in expanded:
        if node in nodes.places:
            raise source.refuse(f"node {node} occurs twice", "a node is metered once")
        nodes.places[node] = Place(meter, gpus)
    if len(nodes.places) > MAX_NODES:
        raise source.refuse(f"more than {MAX_NODES} nodes")


@dataclass(frozen=True)
class _Rule:
    """A line of a job map. ``until``: Unix ms before which it holds, None: always."""

    pattern: re.Pattern[str] | None
    label: str
    until: int | None


@dataclass
class JobMap:
    """Jobs to checkpoints: lines with the job's id first, then patterns for its name, in order. Else: unattributed."""

    by_id: dict[str, list[_Rule]] = field(default_factory=dict)
    patterns: list[_Rule] = field(default_factory=list)
    _fitting: dict[str, list[_Rule]] = field(default_factory=dict, init=False, repr=False)
    _work: int = field(default=0, init=False, repr=False)

    def labels(self) -> set[str]:
        """All checkpoints that it names."""
        return {rule.label for rules in (self.patterns, *self.by_id.values()) for rule in rules}

    def pieces(self, job: str, name: str, start: int, stop: int) -> list[tuple[str | None, int, int]]:
        """(checkpoint or None, from, until) in order, from ``start`` to ``stop`` without gaps (Unix milliseconds).

        Raises:
            ClaimsError: too many patterns for too many names.
        """
        pieces: list[tuple[str | None, int, int]] = []
        for rule in (*self.by_id.get(job, ()), *self._by_name(name)):
            end = stop if rule.until is None else min(stop, rule.until)
            if start < end:
                pieces.append((rule.label, start, end))
                start = end
        return pieces if start >= stop else [*pieces, (None, start, stop)]

    def _by_name(self, name: str) -> list[_Rule]:
        """Rules whose pattern the name fits, up to the first that always holds."""
        found = self._fitting.get(name)
        if found is None:
            self._work += len(self.patterns) * (1 + len(name) // 64)
            if self._work > MAX_MATCHES:
                raise ClaimsError("the job mapping has too many patterns for so many names", "map jobs by their ids")
            found = []
            for rule in self.patterns:
                if rule.pattern is not None and rule.pattern.fullmatch(name):
                    found.append(rule)
                    if rule.until is None:
                        break
            self._fitting[name] = found
        return found


def read_jobs(path: Path | None) -> JobMap:
    """A job map from CSV: ``checkpoint``, one of ``job`` (an id) or ``name`` (a pattern), and ``until`` where given.

    Raises:
        ImportRefused: naming file and line.
    """
    jobs = JobMap()
    for row in read_rows(path, ("job", "name", "until", "checkpoint"))[0] if path else ():
        label = row.need("checkpoint", "the checkpoint worked toward, or unattributed")
        if label.lower() == "idle":
            raise row.refuse("a job cannot be called idle", "name a checkpoint, or unattributed")
        if bool(row.get("job")) == bool(row.get("name")):
            raise row.refuse("a row has either a job id or a pattern for names")
        until = row.moment_ms("until", up=False) if row.get("until") else None
        if row.get("name"):
            jobs.patterns.append(_Rule(_pattern(row), label, until))
            continue
        rules = jobs.by_id.setdefault(row.get("job"), [])
        last = rules[-1].until if rules else -1
        if last is None or (until is not None and until <= last):
            raise row.refuse(
                f"job {row.get('job')[:40]!r} is mapped twice", "its lines ascend by until; only the last may have none"
            )
        rules.append(_Rule(None, label, until))
    return jobs


def _pattern(row: Row) -> re.Pattern[str]:
    text = row.get("name")
    if len(text) > 200 or text.count("*") > 8:
        raise row.refuse("a pattern has at most 200 characters and 8 stars")
    return re.compile(fnmatch.translate(text))
