"""A TOML table of an agreement's text: fields are taken one by one, and every error has its field and line."""

from __future__ import annotations

import datetime as _datetime
import re
from collections.abc import Callable
from typing import Any, TypeVar

from claims.agreement.bounds import MAX_CHANGES
from claims.base.canonical import NAME_RULE, is_name
from claims.base.errors import AgreementError, ClaimsError
from claims.base.units import time_from_text

__all__ = ["Table"]

T = TypeVar("T")


class Table:
    """A TOML table whose fields are taken one by one; what is left at the end is refused."""

    def __init__(self, source: str, text: str, path: str, values: dict[str, Any]) -> None:
        self._source, self._text, self._path, self._left = source, text, path, dict(values)

    def error(self, key: str, what: str, hint: str = "") -> AgreementError:
        path = ".".join(part for part in (self._path, key) if part)
        return AgreementError(self._source, path, _find_line(self._text, self._path, key), what, hint)

    def has(self, key: str) -> bool:
        return key in self._left

    def _take(self, key: str, kind: type[T], name: str) -> T:
        if key not in self._left:
            raise self.error(key, "missing", f"add {key} ({name})")
        value = self._left.pop(key)
        if type(value) is not kind:
            raise self.error(key, f"is {type(value).__name__}, not {name}", f"write it as {name}")
        return value

    def string(self, key: str, read: Callable[[str], T], name: str = "text in quotes") -> T:
        value = self._take(key, str, name)
        try:
            return read(value)
        except ClaimsError as error:
            raise self.error(key, error.what, error.hint) from None

    def integer(self, key: str, low: int, high: int) -> int:
        value = self._take(key, int, "a whole number")
        if not low <= value <= high:
            shown = value if abs(value) < 2**64 else "a number of 2^64 or more"  # Python writes no number of 4,301 digits
            raise self.error(key, f"{shown} is not between {low} and {high}", "choose a value in this range")
        return value

    def strings(self, key: str, read: Callable[[str], T], name: str) -> list[T]:
        """A list of texts."""
        values = self._take(key, list, f"a list of {name}")
        if not all(type(value) is str for value in values):
            raise self.error(key, "is not a list of texts", f"write a list of {name}, each in quotes")
        try:
            return [read(value) for value in values]
        except ClaimsError as error:
            raise self.error(key, error.what, error.hint) from None

    def time(self, key: str) -> int:
        value = self._left.get(key)
        if isinstance(value, _datetime.datetime):
            self._left[key] = value.isoformat()
        return self.string(key, time_from_text, 'a time such as "2026-01-01T00:00:00Z"')

    def table(self, key: str) -> Table:
        return Table(self._source, self._text, self._dot(key), self._take(key, dict, f"a table [{self._dot(key)}]"))

    def tables(self, key: str, most: int) -> list[Table]:
        rows = self._take(key, list, f"one or more tables [[{key}]]")
        if not 1 <= len(rows) <= most:
            raise self.error(key, f"{len(rows)} tables, not 1 to {most}", f"write one [[{key}]] for each")
        if any(type(row) is not dict for row in rows):
            raise self.error(key, "is a list of values, not of tables", f"write [[{key}]] before each")
        return [Table(self._source, self._text, f"{self._dot(key)}[{i}]", row) for i, row in enumerate(rows)]

    def optional_tables(self, key: str, most: int = MAX_CHANGES) -> list[Table]:
        return self.tables(key, most) if self.has(key) else []

    def names(self, key: str) -> list[str]:
        values = self._take(key, list, 'a list of names such as ["lab-a", "lab-b"]')
        if not all(type(value) is str and is_name(value) for value in values):
            raise self.error(key, "is not a list of names", NAME_RULE)
        return values

    def end(self) -> None:
        for key in self._left:
            raise self.error(key, "unknown field", "remove it or correct its spelling (claims/FORMATS.md lists them)")

    def _dot(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def _find_line(text: str, path: str, key: str) -> int | None:
    """Line of ``key`` in the table ``path`` such as ``lab[1].caps``; its header's line, or None, otherwise."""
    counts: dict[str, int] = {}
    section, header_line = "", None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]", line)
        if header:
            name = header[2]
            if header[1] == "[[":
                first, _, rest = name.partition(".")
                if rest and first in counts:
                    name = f"{first}[{counts[first]}].{rest}"
                counts[name] = counts.get(name, -1) + 1
                section = f"{name}[{counts[name]}]"
            else:
                first, _, rest = name.partition(".")
                section = f"{first}[{counts[first]}].{rest}" if rest and first in counts else name
            if section == path or (not path and name == key):
                header_line = number
            if section == (f"{path}.{key}" if path else key):
                return number
        elif section == path and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
            return number
    return header_line
