"""Rows of tables to import, CSV or Parquet, each with the line for messages; bounded, and exact in its numbers."""

from __future__ import annotations

import csv
import datetime as _datetime
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from claims.base.errors import ClaimsError, MissingDependency, UnreadableFile
from claims.base.files import read_bounded

__all__ = ["MAX_FILE", "ImportRefused", "Refuses", "Row", "ceil_of", "line_not_utf8", "read_bytes", "read_rows", "read_some", "read_values"]

MAX_FILE = 1 << 30
_DECIMAL = re.compile(r"([0-9]{1,40})(?:\.([0-9]{1,40}))?(?:[eE]\+?([0-9]{1,2}))?")
_BELOW_MICROSECONDS = re.compile(r"[.,][0-9]{6}0*[1-9]")


class ImportRefused(ClaimsError):
    """A file cannot be imported; nothing of it was.

    Args:
        source: file name.
        line: line number from 1 (in Parquet: row number), or None for the whole file.
    """

    def __init__(self, source: str, line: int | None, what: str, hint: str = "") -> None:
        self.source, self.line = source, line
        super().__init__(f"{source}: {what}" if line is None else f"{source}:{line}: {what}", hint)


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


def read_bytes(path: Path, limit: int = MAX_FILE) -> bytes:
    """All bytes of a regular file of at most ``limit`` bytes. Raises ImportRefused."""
    try:
        return read_bounded(path, limit)
    except UnreadableFile as error:
        raise ImportRefused(path.name, None, f"it cannot be read: {error.what}", "check the path, or split it") from None


def read_rows(path: str | Path, columns: Iterable[str]) -> tuple[Iterator[Row], bytes]:
    """Rows of a CSV or Parquet file (by its suffix), made as they are asked for, and the file's SHA-256.

    Raises:
        ImportRefused: unreadable, not UTF-8, an unknown or repeated column, a row of another length.
        MissingDependency: a Parquet file, and pyarrow is not installed.
    """
    header, rows, digest = read_values(path, columns)
    name = Path(path).name
    return (Row(name, line, dict(zip(header, values, strict=True))) for line, values in rows), digest


def read_values(path: str | Path, columns: Iterable[str]) -> tuple[list[str], Iterator[tuple[int, list[str]]], bytes]:
    """As :func:`read_rows`: names of the columns, (line, values) of each row, and the SHA-256."""
    path, allowed = Path(path), frozenset(columns)
    data = read_bytes(path)
    parse = _parquet_rows if path.suffix.lower() in (".parquet", ".pq") else _csv_rows
    rows = parse(path.name, data, allowed)
    _, header = next(rows)
    return header, rows, hashlib.sha256(data).digest()


def read_some(path: str | Path, columns: Iterable[str]) -> tuple[list[Row], bytes]:
    """As :func:`read_rows`, of a file that has rows. Raises ImportRefused, MissingDependency."""
    found, digest = read_rows(path, columns)
    rows = list(found)
    if not rows:
        raise ImportRefused(Path(path).name, None, "it has a header and no rows", "check what was exported: there is nothing to import")
    return rows, digest


def _check_header(source: str, header: list[str], allowed: frozenset[str]) -> None:
    unknown = [name for name in header if name not in allowed]
    if unknown or len(set(header)) != len(header):
        what = f"column {unknown[0]!r} is not known" if unknown else "a column occurs twice"
        raise ImportRefused(source, 1, what, "the columns are " + ", ".join(sorted(allowed)))


def _csv_rows(source: str, data: bytes, allowed: frozenset[str]) -> Iterator[tuple[int, list[str]]]:
    """(line, values): first the header's, then each row's."""
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if not header:
            raise ImportRefused(source, None, "the file is empty", "the first line names the columns")
        _check_header(source, header, allowed)
        yield 1, header
        for values in reader:
            if not values or (values[0].lstrip().startswith("#") and header[0] != "checkpoint"):  # "#7" may be a run
                continue
            if len(values) != len(header):
                raise ImportRefused(
                    source, reader.line_num, f"{len(values)} fields where the header has {len(header)}", "quote commas"
                )
            yield reader.line_num, values
    except UnicodeDecodeError:
        raise ImportRefused(source, line_not_utf8(data), "the text is not UTF-8", "save the file as UTF-8") from None
    except csv.Error as error:
        raise ImportRefused(source, reader.line_num, f"not CSV: {error}", "quote fields as RFC 4180 says") from None


def line_not_utf8(data: bytes) -> int | None:
    """The first line that is not UTF-8, from 1, or None."""
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return data[: error.start].count(b"\n") + 1
    return None


def _parquet_rows(source: str, data: bytes, allowed: frozenset[str]) -> Iterator[tuple[int, list[str]]]:
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
    header = [str(name) for name in table.column_names]
    _check_header(source, header, allowed)
    yield 0, header
    line = 0
    for batch in table.to_batches():
        for values in batch.to_pylist():
            line += 1
            yield line, [_as_text(source, line, key, values[key]) for key in header]


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


def ceil_of(value: int | Fraction) -> int:
    """The least whole number that is not below ``value``."""
    return -(-value.numerator // value.denominator)
