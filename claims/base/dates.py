"""Dates as people write them, in UTC: on the page, and in what commands print.

Files, JSON and what is to be typed have RFC 3339 (claims/base/units.py).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["STAMP", "dated", "day", "moment", "readable", "span"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
STAMP = re.compile(r"\b(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ)")
"""An RFC 3339 time in whole seconds, in a text; its day may be one that no calendar has."""
_IN_WORDS = re.compile(rf"(?<![\w\"'=,/.:-]){STAMP.pattern}(?![\w\"'/-]|[.,:]\w)")
_OPTION = re.compile(r"--[a-z-]+ $")


def dated(time: int) -> datetime | None:
    """The date of Unix seconds, or None of what has no four-digit year."""
    try:
        return datetime.fromtimestamp(time, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def day(time: int, *, year: bool = True) -> str:
    """``24 Nov 2026``, of Unix seconds."""
    at = dated(time)
    if at is None:
        return f"second {time}"
    return f"{at.day} {_MONTHS[at.month - 1]}" + (f" {at.year}" if year else "")


def moment(time: int) -> str:
    """``24 Nov 2026, 04:20 UTC``, of Unix seconds; with seconds where there are any."""
    at = dated(time)
    if at is None:
        return f"second {time}"
    return f"{day(time)}, {at:%H:%M} UTC" if at.second == 0 else f"{day(time)}, {at:%H:%M:%S} UTC"


def span(begin: int, end: int) -> str:
    """``1 to 14 Jan 2026``: from the day of ``begin`` to the day of the last second before ``end``."""
    first, last = dated(begin), dated(max(begin, end - 1))
    if first is None or last is None:
        return f"second {begin} to {end}"
    if (end - begin) < 86400:
        return f"{day(begin)}, {first:%H:%M} to {datetime.fromtimestamp(end, UTC):%H:%M} UTC"
    if first.year != last.year:
        return f"{day(begin)} to {day(end - 1)}"
    if first.month != last.month:
        return f"{day(begin, year=False)} to {day(end - 1)}"
    return f"{first.day} to {day(end - 1)}" if first.day != last.day else day(begin)


def readable(text: str) -> str:
    """The text with its times in words; those in quotes, in names and after an option stay, since somebody may copy them."""

    def in_words(match: re.Match[str]) -> str:
        at = match.start()
        try:
            typed = _OPTION.search(text, max(0, at - 40), at) is not None
            return match[0] if typed else moment(int(datetime.fromisoformat(match[0]).timestamp()))
        except ValueError:
            return match[0]  # no such day

    return _IN_WORDS.sub(in_words, text)
