"""Prometheus text format 0.0.4 and OpenMetrics 1.0, of a hostile endpoint or file: one malformed line, and all is refused.

    name{label="value",...} value [timestamp in ms]
    name{label="value",...} value [timestamp in s] [# {label="value",...} value [timestamp]]     ends with "# EOF"

Time and memory are linear in the text, whose size the caller bounds. Comments and exemplars are skipped, values are kept
as text: one that is no number spoils its own sample, not the others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from claims.base.errors import ClaimsError

__all__ = ["MAX_LABELS", "MAX_LINE", "Line", "NotExposition", "parse_exposition"]

MAX_LINE = 16 * 1024
MAX_LABELS = 64

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*')
_END = re.compile(r"[ \t]*([A-Za-z0-9_.+/!%-]{1,64})(?:[ \t]+(-?[0-9]{1,19}(?:\.[0-9]{0,30})?(?:[eE]\+?[0-9]{1,2})?))?[ \t]*(#[ \t]*\{.*)?")
_EOF = "# EOF"
_SPACE = re.compile(r"[ \t]*")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}


class NotExposition(ClaimsError):
    """A text is not in the format. ``line``: which line of it, from 1, or None."""

    def __init__(self, what: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(what)


@dataclass(frozen=True)
class Line:
    """One sample. ``value``: as text, a number or not; ``timestamp``: Unix milliseconds or None; ``number``: of its line, from 1."""

    name: str
    labels: dict[str, str]
    value: str
    timestamp: int | None
    number: int = field(default=0, compare=False)


def parse_exposition(data: bytes, only: tuple[str, ...] = ("",)) -> Iterator[Line]:
    """The samples of a text, in order.

    Args:
        only: how the lines begin that are looked at.

    Raises:
        NotExposition: not UTF-8, a last line without line feed (the text was cut off), or a line that is not in the format.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NotExposition("the text is not UTF-8") from None
    lines = text.removesuffix("\n").split("\n")
    seconds = lines[-1] == _EOF
    if text and not text.endswith("\n") and not seconds:
        raise NotExposition("the text is cut off")
    for number, line in enumerate(lines, 1):
        if line == _EOF and number < len(lines):
            raise NotExposition(f"line {number} is the end of the text, and more follows", number)
        if not line.startswith(only) or not line.strip(" \t") or line.lstrip(" \t").startswith("#"):
            continue
        sample = _parse(line, number, seconds) if len(line) <= MAX_LINE else None
        if sample is None:
            raise NotExposition(f"line {number} is malformed", number)
        yield sample


def _parse(line: str, number: int, seconds: bool) -> Line | None:
    at = _SPACE.match(line).end()  # type: ignore[union-attr]
    name = _NAME.match(line, at)
    if name is None:
        return None
    labels: dict[str, str] = {}
    at = name.end()
    brace = _SPACE.match(line, at).end()  # type: ignore[union-attr]
    if line[brace : brace + 1] == "{":
        after = _labels(line, brace + 1, labels)
        if after is None:
            return None
        at = after
    elif brace == at:
        return None
    end = _END.fullmatch(line, at)
    if end is None or (end[3] and not seconds):
        return None
    if end[2] is None:
        return Line(name[0], labels, end[1], None, number)
    if not seconds:
        return Line(name[0], labels, end[1], int(end[2]), number) if end[2].lstrip("-").isdigit() else None
    return Line(name[0], labels, end[1], math.floor(Fraction(end[2]) * 1000), number)


def _labels(line: str, at: int, labels: dict[str, str]) -> int | None:
    """Read labels from behind the opening brace into ``labels``; returns the place behind the closing one."""
    while True:
        space = _SPACE.match(line, at).end()  # type: ignore[union-attr]
        if line[space : space + 1] == "}":
            return space + 1
        label = _LABEL.match(line, at)
        if label is None or label[1] in labels or len(labels) >= MAX_LABELS:
            return None
        value = _unescaped(label[2])
        if value is None:
            return None
        labels[label[1]] = value
        at = label.end()
        if line[at : at + 1] == ",":
            at += 1
        elif line[at : at + 1] != "}":
            return None


def _unescaped(text: str) -> str | None:
    if "\\" not in text:
        return text
    if any(mark not in _ESCAPES for mark in _ESCAPE.findall(text)):
        return None
    return _ESCAPE.sub(lambda match: _ESCAPES[match[1]], text)
