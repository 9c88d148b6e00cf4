"""Text for people inside canonical files, and names of note keys: fixed ranges of characters, the same under every Unicode version.

General categories and normalization change with every version of Unicode; two verifiers with different tables disagree about one file.
FORMATS.md lists the ranges; claims/site/verifier/text.js has them too.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

__all__ = [
    "HIDDEN", "MAX_ORIGIN", "MAX_PROSE", "SPACES", "counted", "in_columns", "is_key_name", "is_origin", "is_prose", "joined", "listed",
    "periods_named", "replace_hidden",
]  # fmt: skip

MAX_ORIGIN = 128
"""Characters of a log's origin."""
_ORIGIN = re.compile(rf"[!-*,-~]{{1,{MAX_ORIGIN}}}")
MAX_PROSE = 4000
"""Characters (code points) in a note, reason or pause text."""
_NONCHARACTERS = tuple((plane << 16 | 0xFFFE, plane << 16 | 0xFFFF) for plane in range(15))
HIDDEN = tuple(sorted((
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5),
    (0x180B, 0x180F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xD800, 0xF8FF),
    (0xFDD0, 0xFDEF), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF), (0xF0000, 0x10FFFF), *_NONCHARACTERS,
)))  # fmt: skip
"""First and last of each range of characters that nobody sees, or that change how others are seen: controls, line and paragraph
separators, direction marks, joiners, fillers, variation selectors, tags, surrogates, private use, noncharacters."""
SPACES = ((0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000))
"""Spaces that are not hidden characters."""


def _class(*ranges: tuple[int, int]) -> str:
    return "[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges) + "]"


_HIDDEN = re.compile(_class(*HIDDEN))
_NO_NAME = re.compile(_class(*HIDDEN, *SPACES, (0x2B, 0x2B)))


def is_prose(text: str) -> bool:
    """Whether text may stand in an agreement or a decision: at most MAX_PROSE characters, none hidden but newlines."""
    return len(text) <= MAX_PROSE and _HIDDEN.search(text.replace("\n", "")) is None


def replace_hidden(text: str, mark: str) -> str:
    """The text with ``mark`` in place of every hidden character."""
    return _HIDDEN.sub(mark, text)


def is_key_name(text: str) -> bool:
    """Whether a signature line of a note may carry this key name: 1 to 255 bytes, no space, no plus, nothing hidden."""
    return _NO_NAME.search(text) is None and 1 <= len(text.encode("utf-8")) <= 255


def is_origin(text: str) -> bool:
    """Whether text may be a log's origin (C2SP tlog-checkpoint): printable ASCII without spaces and "+", 1 to 128 characters."""
    return _ORIGIN.fullmatch(text) is not None


def counted(number: int, noun: str) -> str:
    """A number and what it counts: ``1 meter``, ``2 meters``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names for a message, the first ones where they are many: ``a, b and 4094 more``; ``none`` of none."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown or "none"


def in_columns(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """A line for each row, its cells in columns two spaces apart; ``right``: the columns, from 0, that end where their widest cell ends."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(c.rjust(w) if at in right else c.ljust(w) for at, (c, w) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]


def joined(names: Sequence[str]) -> str:
    """Names in a sentence: ``a``, ``a and b``, ``a, b and c``; ``none`` of none."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names) or "none"


def periods_named(numbers: Sequence[int]) -> str:
    """Periods, whose numbers ascend, in a sentence: ``period 3``, ``periods 1 to 4 and 7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [part for run in runs for part in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]
    return f"{'period' if len(numbers) == 1 else 'periods'} {joined(parts)}"
