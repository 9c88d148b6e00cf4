"""The meters of an agreement: ``[[meter]]`` tables in it, or, of a fleet, a CSV file beside it, of which it names the SHA-256.

Both are the same agreement: same canonical bytes, same digest. A list of meters has one spelling as a file (FORMATS.md section 1).
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from claims.agreement.bounds import MAX_COVERAGE, MAX_FLEET
from claims.agreement.fields import as_digest, as_meter_key, as_name, as_period_key
from claims.agreement.table import Table
from claims.agreement.terms import Meter
from claims.base.below import AbsentFile, read_below
from claims.base.ed25519 import is_public_key
from claims.base.errors import AgreementError, MalformedFile, UnreadableFile
from claims.base.files import TABLE_LIMIT
from claims.base.toml import TomlError, parse_toml

__all__ = [
    "HEADER", "SUFFIX", "Beside", "MeterTable", "as_table_name", "beside", "meter_of", "meter_table", "meters_in", "table_lines",
    "write_table",
]  # fmt: skip

SUFFIX = ".meters.csv"
"""How a table's name ends: nothing else of a lab is called so."""
HEADER = "lab,name,chip,chips,key"
"""How its first line begins."""
_NAME = "[a-z0-9][a-z0-9._-]{0,63}"
_MAYBE = f"(?:{_NAME})?"
_CELLS = {
    "lab": _NAME, "name": _NAME, "chip": _NAME, "chips": "[1-9][0-9]{0,14}", "key": "ed25519:[0-9a-f]{64}", "site": _MAYBE, "group": _MAYBE,
    "period_key": "(?:mldsa44:[0-9a-f]{2624})?",
}  # fmt: skip
"""What a cell may hold; the columns after ``key`` stand only in a table where some row has something in them."""
_PREFIXES = {"key": "ed25519:", "period_key": "mldsa44:"}
_SHORT = len(HEADER.split(","))
_ORDER = "write it with `standstill agreement meters`"

Beside = Callable[[str], bytes]
"""Reads the file of that plain name that lies beside the agreement; raises UnreadableFile, AbsentFile where there is none."""


def beside(root: Path, folder: str = "") -> Beside:
    """Meter tables in a folder below ``root``, which a person named; links are not followed."""
    return lambda name: read_below(root, f"{folder}/{name}".lstrip("/"), TABLE_LIMIT)


@dataclass(frozen=True)
class MeterTable:
    """A table's bytes, which have the agreed SHA-256. ``source``: for messages; ``rows``: as the agreement says."""

    source: str
    data: bytes
    rows: int

    def meters(self) -> list[Meter]:
        """Its meters, whose keys are not looked at yet. Raises AgreementError with the line."""
        return _read(self)


def meter_of(table: Table) -> Meter:
    """The meter of a ``[[meter]]`` table. Raises AgreementError."""
    meter = Meter(
        lab=table.string("lab", as_name),
        name=table.string("name", as_name),
        chip=table.string("chip", as_name),
        chips=table.integer("chips", 1, MAX_COVERAGE),
        key=table.string("key", as_meter_key),
        site=table.string("site", as_name) if table.has("site") else None,
        group=table.string("group", as_name) if table.has("group") else None,
        period_key=table.string("period_key", as_period_key) if table.has("period_key") else b"",
    )
    table.end()
    return meter


def meter_table(root: Table, source: str, read: Beside | None) -> MeterTable | None:
    """The table that an agreement names, or None where its meters stand in it. Raises AgreementError."""
    if not root.has("meter_table"):
        return None
    if root.has("meter"):
        raise root.error("meter_table", "stands beside [[meter]] tables", "write every meter in the table, or none")
    table = root.table("meter_table")
    name = table.string("file", as_table_name)
    digest = table.string("sha256", as_digest)
    rows = table.integer("rows", 1, MAX_FLEET)
    table.end()
    where = f"get {name} where the agreement is from, and lay it beside: its SHA-256 is {digest.hex()}"
    if read is None:
        raise table.error("file", f"its meters are in {name}, and only one file is read here", where)
    try:
        data = read(name)
    except AbsentFile:
        raise table.error("file", f"its meters are in {name}, which is not beside it", where) from None
    except UnreadableFile as error:
        raise table.error("file", f"its meters are in {name}: {error.what}", error.hint) from None
    if hashlib.sha256(data).digest() != digest:
        raise table.error("sha256", f"{name} beside it is another file: SHA-256 {hashlib.sha256(data).hexdigest()}", where)
    return MeterTable(str(Path(source).parent / name), data, rows)


def meters_in(source: str, data: bytes) -> list[Meter]:
    """Meters of a file that is to become a table: of the ``[[meter]]`` tables of a text that names a field ``meter``, or of CSV.

    Raises:
        AgreementError: with the line; or it has no meters, too many, or one twice.
    """
    text = data.decode("utf-8", "replace")
    if re.search(r"(?m)^\s*\[\[\s*meter\s*\]\]", text) is None:
        return _of_csv(source, data)
    try:
        values = parse_toml(text)
    except TomlError as error:
        raise AgreementError(source, "", error.line, error.what, error.hint) from None
    return [meter_of(table) for table in Table(source, text, "", values).tables("meter", MAX_FLEET)]


def table_lines(name: str, data: bytes) -> str:
    """The ``[meter_table]`` of an agreement for a table."""
    rows = data.count(b"\n") - 1
    return f'[meter_table]\nfile = "{name}"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\nrows = {rows}'


def write_table(meters: Iterable[Meter]) -> bytes:
    """The one spelling of these meters. Raises MalformedFile where there are none, too many, or two of one name."""
    ordered = sorted(meters, key=lambda meter: (meter.lab, meter.name))
    if not 1 <= len(ordered) <= MAX_FLEET:
        raise MalformedFile(f"{len(ordered)} meters, not 1 to {MAX_FLEET}", hint="a fleet's meters stand for racks or nodes")
    for one, two in zip(ordered, ordered[1:], strict=False):
        if (one.lab, one.name) == (two.lab, two.name):
            raise MalformedFile(f"{one.lab}/{one.name} stands there twice", hint="leave one out")
    columns = [*HEADER.split(","), *(column for column in [*_CELLS][_SHORT:] if any(_cell(meter, column) for meter in ordered))]
    lines = [",".join(columns), *(",".join(_cell(meter, column) for column in columns) for meter in ordered)]
    return "".join(f"{line}\n" for line in lines).encode()


def _of_csv(source: str, data: bytes) -> list[Meter]:
    """Meters of a CSV file with these columns and rows in any order. Raises AgreementError with the line."""
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        columns, rows = next(reader, []), [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise AgreementError(source, "", None, f"not CSV: {error}", "save it as UTF-8, with commas") from None
    if len(set(columns)) != len(columns) or not {*HEADER.split(",")} <= {*columns} <= {*_CELLS}:
        what = f"the columns are not {HEADER}, with or without site, group and period_key"
        raise AgreementError(source, "", 1, what, "correct the first line")
    meters = []
    for line, row in rows:
        meter = _meter(source, line, columns, row)
        if not is_public_key(meter.key):
            raise AgreementError(source, "key", line, "not a usable Ed25519 public key", "take it from `standstill meter init`")
        meters.append(meter)
    return meters


def as_table_name(text: str) -> str:
    """The name of a file that may be a meter table. Raises MalformedFile."""
    if re.fullmatch(_NAME, text) is None or not text.endswith(SUFFIX):
        raise MalformedFile(f"{text!r} is not the name of a meter table", hint=f"a plain name that ends in {SUFFIX}, without a folder")
    return text


def _cell(meter: Meter, column: str) -> str:
    value = getattr(meter, column)
    if column in _PREFIXES:
        return f"{_PREFIXES[column]}{value.hex()}" if value else ""
    return "" if value is None else str(value)


def _read(table: MeterTable) -> list[Meter]:
    source, count = table.source, table.data.count(b"\n") - 1
    if count != table.rows:
        raise AgreementError(source, "", None, f"{count} rows, and the agreement says {table.rows}", "correct rows in [meter_table]")
    try:
        header, *lines, last = table.data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise AgreementError(source, "", None, "not ASCII text", _ORDER) from None
    columns = header.split(",")
    if ",".join(columns[:_SHORT]) != HEADER or columns != [column for column in _CELLS if column in columns]:
        raise AgreementError(source, "", 1, f"does not begin with {HEADER}", _ORDER)
    if last:
        raise AgreementError(source, "", count + 2, "the last line does not end", _ORDER)
    row = re.compile(",".join(f"({_CELLS[column]})" for column in columns))
    meters, before = [], ("", "")
    for number, line in enumerate(lines, 2):
        match = row.fullmatch(line)
        meter = _meter(source, number, columns, line.split(",")) if match is None else _made(columns, match.groups())
        if (meter.lab, meter.name) <= before:
            raise AgreementError(source, "name", number, f"{meter.lab}/{meter.name} does not come after the row before it", _ORDER)
        before = meter.lab, meter.name
        meters.append(meter)
    if any(all(_cell(meter, column) == "" for meter in meters) for column in columns[_SHORT:]):
        raise AgreementError(source, "", 1, "has a column in which nothing stands", _ORDER)
    return meters


def _meter(source: str, line: int, columns: list[str], row: list[str]) -> Meter:
    if len(row) != len(columns):
        raise AgreementError(source, "", line, f"{len(row)} cells, not {len(columns)}", "correct the line")
    for column, cell in zip(columns, row, strict=True):
        if re.fullmatch(_CELLS[column], cell) is None:
            raise AgreementError(source, column, line, f"{cell[:80]!r} cannot stand here", _HINTS.get(column, _HINTS["name"]))
    return _made(columns, row)


_HINTS = {
    "chips": "a whole number from 1 on", "key": '"ed25519:" and 64 lower-case hex digits',
    "period_key": '"mldsa44:" and 2,624 lower-case hex digits', "name": "a name: 1 to 64 of a-z 0-9 . _ -",
}  # fmt: skip


def _made(columns: list[str], row: Iterable[str]) -> Meter:
    cell = dict(zip(columns, row, strict=True))
    key, period_key = (bytes.fromhex(cell.get(column, "").removeprefix(prefix)) for column, prefix in _PREFIXES.items())
    site, group = cell.get("site") or None, cell.get("group") or None
    return Meter(cell["lab"], cell["name"], cell["chip"], int(cell["chips"]), key, site, group, period_key)
