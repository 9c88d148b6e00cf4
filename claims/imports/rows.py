"""Rows of tables to import, CSV or Parquet, each with the line for messages; bounded, and exact in its numbers."""

from __future__ import annotations

import contextlib
import csv
import datetime as _datetime
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from claims.base.errors import ClaimsError, MissingDependency, UnreadableFile
from claims.base.files import open_regular, read_bounded

__all__ = [
    "BLOCK", "MAX_FILE", "Block", "ImportRefused", "Refuses", "Row", "ceil_of", "line_not_utf8", "opened_table", "read_bytes", "read_rows",
    "read_some",
]  # fmt: skip

MAX_FILE = 1 << 30
BLOCK = 1 << 11
"""Rows that are held at a time of what is read block by block: few enough to stay in the cache."""
_ODD = frozenset(("", "#", *(sign for sign in map(chr, range(0x3001)) if sign.isspace())))
"""How a first field begins that may be a remark, or a row that is none."""
Block = list[tuple[int, list[str]]]
"""(line, values) of each row."""
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
    path = Path(path)
    data = read_bytes(path)
    header, blocks = _parsed(path, io.BytesIO(data), frozenset(columns))
    rows = (Row(path.name, line, dict(zip(header, values, strict=True))) for block in blocks for line, values in block)
    return rows, hashlib.sha256(data).digest()


@contextlib.contextmanager
def opened_table(path: Path, columns: Iterable[str]) -> Iterator[tuple[list[str], Iterator[Block], Callable[[], bytes]]]:
    """As :func:`read_rows`, block by block from the file itself: names of the columns, blocks, and what gives the SHA-256 at the end.

    Of a Parquet file the bytes are read at once, and unpacked block by block.
    """
    try:
        file = open_regular(path)
    except UnreadableFile as error:
        raise ImportRefused(path.name, None, f"it cannot be read: {error.what}", "check the path, or split it") from None
    with file:
        source = _Hashed(path.name, file)
        header, blocks = _parsed(path, io.BufferedReader(source, 1 << 20), frozenset(columns))
        yield header, blocks, source.hash.digest


class _Hashed(io.RawIOBase):
    """A file that is hashed as it is read, and has an end."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._name, self._file, self._size, self.hash = name, file, 0, hashlib.sha256()
        self._bound(os.fstat(file.fileno()).st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except OSError as error:
            raise ImportRefused(self._name, None, f"it cannot be read: {error.strerror or error}") from None
        self._size += len(data)
        self._bound(self._size)
        self.hash.update(data)
        buffer[: len(data)] = data
        return len(data)

    def _bound(self, size: int) -> None:
        if size > MAX_FILE:
            raise ImportRefused(self._name, None, f"it is larger than {MAX_FILE} bytes", "split it")


def _parsed(path: Path, stream: BinaryIO, allowed: frozenset[str]) -> tuple[list[str], Iterator[Block]]:
    """Names of the columns, and the rows, block by block."""
    parse = _parquet_blocks if path.suffix.lower() in (".parquet", ".pq") else _csv_blocks
    blocks = parse(path, stream, allowed)
    ((_, header),) = next(blocks)
    return header, blocks


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


def _csv_blocks(path: Path, stream: BinaryIO, allowed: frozenset[str]) -> Iterator[Block]:
    """First the header's line and names as a block of its own, then the rows'. What is wrong is said after the rows before it."""
    source, block, found = path.name, Block(), None
    reader = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if not header:
            raise ImportRefused(source, None, "the file is empty", "the first line names the columns")
        _check_header(source, header, allowed)
        yield [(1, header)]
        width, comments = len(header), header[0] != "checkpoint"  # "#7" may be a run
        for values in reader:
            if len(values) != width or values[0][:1] in _ODD:
                if not values or (comments and values[0].lstrip().startswith("#")):
                    continue
                if len(values) != width:
                    raise ImportRefused(
                        source, reader.line_num, f"{len(values)} fields where the header has {width}", "quote fields with commas"
                    )
            block.append((reader.line_num, values))
            if len(block) == BLOCK:
                yield block
                block = []
    except UnicodeDecodeError:
        found = ImportRefused(source, line_not_utf8(read_bytes(path)), "the text is not UTF-8", "save the file as UTF-8")
    except csv.Error as error:
        found = ImportRefused(source, reader.line_num, f"not CSV: {error}", "quote fields as RFC 4180 says")
    except ImportRefused as error:
        found = error
    if block:
        yield block
    if found is not None:
        raise found


def line_not_utf8(data: bytes) -> int | None:
    """The first line that is not UTF-8, from 1, or None."""
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return data[: error.start].count(b"\n") + 1
    return None


def _parquet_blocks(path: Path, stream: BinaryIO, allowed: frozenset[str]) -> Iterator[Block]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise MissingDependency(
            "Parquet files need the package pyarrow", "pip install pyarrow, or export CSV"
        ) from None
    try:
        file = parquet.ParquetFile(io.BytesIO(stream.read()))
        header = [str(name) for name in file.schema_arrow.names]
        _check_header(path.name, header, allowed)
        yield [(0, header)]
        line = 1
        for batch in file.iter_batches(BLOCK):
            rows = zip(*(batch.column(place).to_pylist() for place in range(len(header))), strict=True)
            yield [
                (at, [_as_text(path.name, at, *item) for item in zip(header, values, strict=True)]) for at, values in enumerate(rows, line)
            ]
            line += len(batch)
    except (arrow.ArrowException, OSError) as error:
        what = f"not a Parquet file: {str(error).splitlines()[0]}"
        raise ImportRefused(path.name, None, what, "export it again") from None


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
