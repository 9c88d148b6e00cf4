"""Slurm's host list expressions: ``node[001-003,7]``, ``rack[1-2]n[01-16],login1``.

>>> expand("node[001-003,7]")
['node001', 'node002', 'node003', 'node7']
"""

from __future__ import annotations

import itertools
import re

from claims.base.errors import ClaimsError

__all__ = ["MAX_HOSTS", "NO_HOSTS", "HostListError", "expand"]

MAX_HOSTS = 1 << 16
"""Most hosts of one expression."""
NO_HOSTS = frozenset({"", "none assigned", "(null)", "none", "unknown"})
"""What Slurm prints (in lower case) for a job that holds no nodes."""
_TEXT = re.compile(r"[A-Za-z0-9._-]+")
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


class HostListError(ClaimsError):
    """A text is not a host list expression, or names too many hosts."""


def expand(text: str) -> list[str]:
    """Host names in order. Numbers keep the width of a range's first number.

    Raises:
        HostListError: unbalanced brackets, a range that runs backwards, a repeated host, over ``MAX_HOSTS``.
    """
    hosts: list[str] = []
    for part in _split(text):
        hosts += _expand_one(part, MAX_HOSTS - len(hosts))
    if len(set(hosts)) != len(hosts):
        raise HostListError(f"{text[:60]!r} names a host twice")
    return hosts


def _split(text: str) -> list[str]:
    """Parts between commas that stand outside brackets."""
    parts, depth, begin = [], 0, 0
    for at, sign in enumerate(text):
        depth += (sign == "[") - (sign == "]")
        if depth not in (0, 1):
            raise HostListError(f"{text[:60]!r} has unbalanced brackets")
        if sign == "," and not depth:
            parts.append(text[begin:at])
            begin = at + 1
    if depth:
        raise HostListError(f"{text[:60]!r} has unbalanced brackets", "was the column cut off? use sacct -P")
    return [*parts, text[begin:]]


def _expand_one(part: str, room: int) -> list[str]:
    pieces: list[list[str]] = []
    total = 1
    for index, piece in enumerate(re.split(r"\[([^\]]*)\]", part.strip())):
        if index % 2:
            choices = _numbers(piece, room)
        elif piece and _TEXT.fullmatch(piece) is None:
            raise HostListError(f"{piece[:40]!r} is no part of a host name")
        else:
            choices = [piece]
        total *= len(choices)
        if total > room:
            raise HostListError(f"more than {MAX_HOSTS} hosts in one expression")
        pieces.append(choices)
    hosts = ["".join(choice) for choice in itertools.product(*pieces)]
    if "" in hosts:
        raise HostListError("a host without a name")
    return hosts


def _numbers(text: str, room: int) -> list[str]:
    numbers: list[str] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise HostListError(f"{part[:40]!r} is not a number or a range in a host list")
        low, high, width = int(match[1]), int(match[2] or match[1]), len(match[1])
        if high < low:
            raise HostListError(f"the range {part[:40]!r} runs backwards")
        if len(numbers) + high - low >= room:
            raise HostListError(f"more than {MAX_HOSTS} hosts in one expression")
        numbers += [f"{number:0{width}d}" for number in range(low, high + 1)]
    return numbers
