"""TOML 1.0, the same on every Python: what some readers take beyond it is refused before ``tomllib`` sees the text.

From Python 3.15 on ``tomllib`` reads TOML 1.1: line breaks and a last comma inside ``{ }``, escapes ``\\e`` and ``\\x``,
times without seconds. Every version cuts fractions of a second to microseconds. None of this is taken.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, NoReturn

from claims.base.errors import MalformedFile
from claims.base.units import TIME_PATTERN

__all__ = ["TomlError", "parse_toml"]

MAX_DOTS = 16
"""Dots of keys in one line; tomllib takes time and memory by the square of a key's parts."""
MAX_DEPTH = 16
"""Brackets and braces that are open at once; what is deeper ends in Python's own limit, which differs between versions."""
_TEXTS = re.compile(
    r"""#[^\n]*+|\"{3}(?:[^"\\]|\\.|"(?!""))*+"{0,5}|'{3}(?:[^']|'(?!''))*+'{0,5}|"(?:[^"\\\n]|\\.)*+"?|'[^'\n]*+'?""", re.DOTALL
)
"""Comments and texts of TOML; one that does not end goes to the end of its line or of the file."""
_PLAIN = re.compile(r"""(?m:^)(?:[A-Za-z0-9_-]++ = (?:"[^"\\\n\v]*+"|[0-9]++)|\[\[[A-Za-z0-9_.-]++\]\])(?m:$)""")
"""Lines that need no look of ours, wherever they stand: a key with a plain text or number, the head of a table in a list. Most are."""
_TIME = re.compile(rf"(?<![0-9A-Za-z:.+-]){TIME_PATTERN}(?![0-9A-Za-z:.+-])")
_TOKEN = re.compile(r"[\[\]{},\n\v]|[^\[\]{},\s]+")


class TomlError(MalformedFile):
    """A text is not TOML 1.0. ``line``: from 1, or None for the whole file."""

    def __init__(self, line: int | None, what: str, hint: str = "see https://toml.io/en/v1.0.0") -> None:
        self.line = line
        super().__init__(what, hint=hint)


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML 1.0 text; times in it are UTC, whole seconds. Raises TomlError."""
    if text.startswith("\ufeff"):
        raise TomlError(1, "the file begins with a byte order mark", "save it as UTF-8 without one")
    bare = _without_texts(_PLAIN.sub("", text))
    for number, line in enumerate(re.split("[\n\v]", bare), 1):
        if line.count(".") > MAX_DOTS:
            raise TomlError(number, f"a key with more than {MAX_DOTS} dots", "no field has so many")
        if ":" in line and ":" in _TIME.sub("", line):
            raise TomlError(number, "not a time in UTC with whole seconds", 'write it like "2026-01-01T00:00:00Z"')
    _check_brackets(bare)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"at line ([0-9]+)", str(error))
        raise TomlError(int(line[1]) if line else None, f"not TOML: {error}") from None


def _without_texts(text: str) -> str:
    """The text without comments, and with ``"`` and a ``\\v`` for each line break in place of its texts."""

    def bare(match: re.Match[str]) -> str:
        if match[0].startswith("#"):
            return ""
        if match[0].startswith('"'):
            for escape in re.finditer(r"\\(.)", match[0], re.DOTALL):
                if escape[1] in "ex":
                    line = text.count("\n", 0, match.start() + escape.start()) + 1
                    raise TomlError(line, f"the escape \\{escape[1]} is not in TOML 1.0", "write \\u and four hex digits")
        return '"' + "\v" * match[0].count("\n")

    return _TEXTS.sub(bare, text.replace("\v", " "))


def _check_brackets(bare: str) -> None:
    line, open_, comma = 1, [], False

    def fail(what: str, hint: str) -> NoReturn:
        raise TomlError(line, what, hint)

    for match in _TOKEN.finditer(bare):
        token = match[0]
        if token == "\n" and open_[-1:] == ["{"]:
            fail("a line break inside { }, which is not in TOML 1.0", "write it on one line, or as a table of its own")
        if token == "}" and comma:
            fail("a comma before }, which is not in TOML 1.0", "remove the comma")
        if token in "[{":
            open_.append(token)
            if len(open_) > MAX_DEPTH:
                fail(f"more than {MAX_DEPTH} open brackets", "no field is so deep")
        elif token in "]}":
            del open_[-1:]
        line += token in "\n\v"
        comma = token == "," or (comma and token in "\n\v")
