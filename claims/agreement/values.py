"""Checks of single values, for the rules of an agreement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from claims.agreement.bounds import MAX_LEAVES, MIN_LEAVES
from claims.base.canonical import is_name

__all__ = ["Fail", "in_order", "in_range", "leaves", "names"]

Fail = Callable[[str, str, str], Exception]
"""Makes the exception to raise from a field, what is wrong with it, and what to do."""


def in_range(field: str, what: str, value: int, low: int, high: int, fail: Fail) -> None:
    """Refuse a number outside of ``low`` to ``high``."""
    if not low <= value <= high:
        raise fail(field, f"{what} {value} is not between {low} and {high}", "choose a value in this range")


def leaves(field: str, what: str, size: int, fail: Fail) -> None:
    """Refuse a number of padded leaves that is no power of two, or out of bounds."""
    in_range(field, what, size, MIN_LEAVES, MAX_LEAVES, fail)
    if size & (size - 1):
        raise fail(field, f"{what} {size} is not a power of two", "choose a power of two")


def in_order(field: str, listed: Sequence[str], fail: Fail) -> None:
    """Refuse texts that do not ascend, each once."""
    for one, two in zip(listed, listed[1:], strict=False):
        if one == two:
            raise fail(field, f"two have the name {one!r}", "give each its own name")
        if one > two:
            raise fail(field, f"{two!r} comes after {one!r}", "sort them by name")


def names(field: str, listed: Sequence[str], least: int, most: int, fail: Fail) -> None:
    """Refuse fewer than ``least`` or more than ``most`` of them, what is no name, and names that do not ascend, each once."""
    if not least <= len(listed) <= most:
        hint = f"write one [[{field}]] for each" if least else "leave some out"
        raise fail(field, f"{len(listed)} of them, not {least} to {most}", hint)
    for name in listed:
        if not is_name(name):
            raise fail(field, f"{name!r} is not a name", "use a-z 0-9 . _ -")
    in_order(field, listed, fail)
