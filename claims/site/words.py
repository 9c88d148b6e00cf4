"""Dates, amounts and sizes as a reader expects them, and the words and icons of the states."""

from __future__ import annotations

import re
from datetime import datetime

from claims.base import dates
from claims.base.dates import STAMP, day, span
from claims.site.html import Html, h, join

__all__ = ["STATES", "date", "day", "duration", "icon", "moment", "ordinal", "plural", "readable", "size", "span"]

_AMOUNT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e(\d{1,2})(?= FLOP|\b)")

STATES: dict[str, tuple[str, str]] = {
    "proven": ("Proven", "The claim is there and its proof holds."),
    "under inspection": ("Under inspection", "The claim is proven; an inspection of it is under way."),
    "over": ("Over", "The lab was over an agreed limit: its own claim says so, or the log does, of limits that moved."),
    "pending": ("Pending", "The claim is not due yet."),
    "late": ("Late", "The claim is due, and the time of grace is not over."),
    "missing": ("Missing", "The claim is due, the time of grace is over, and it is not there."),
    "lifted": ("Lifted", "The pause was lifted in this period: no claim is owed."),
    "rejected": ("Rejected", "The claim, or what belongs to it, does not hold."),
}
"""State of a claim -> its word on the page, and what the word means."""


def moment(time: int) -> Html:
    """A ``time`` element: ``24 Nov 2026, 04:20 UTC``."""
    return _time(time, dates.moment(time))


def date(time: int) -> Html:
    """A ``time`` element that shows the day alone."""
    return _time(time, day(time))


def _time(time: int, shown: str) -> Html:
    at = dates.dated(time)
    return h("span", {}, shown) if at is None else h("time", {"datetime": at.strftime("%Y-%m-%dT%H:%M:%SZ")}, shown)


def duration(seconds: int) -> str:
    """``14 days``, ``6 hours``: the largest unit that divides it."""
    for length, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds % length == 0 and (seconds or length == 1):
            return plural(seconds // length, name)
    return f"{seconds} seconds"


def plural(count: int, noun: str, many: str = "") -> str:
    """``1 claim``, ``2 claims``."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def ordinal(number: int) -> str:
    """``first`` of 1; ``11th`` of 11."""
    words = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
    if 1 <= number <= len(words):
        return words[number - 1]
    ending = "th" if 11 <= number % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def size(count: int) -> str:
    """``389 kB``."""
    for limit, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= limit:
            value = count / limit
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return plural(count, "byte")


def readable(text: str) -> Html:
    """Text with amounts and times as people write them: ``4.5e23`` as 4.5 x 10^23 (a screen reader hears ``4.5e23``), and RFC 3339."""
    return join([_stamp(part) if number % 2 else _amounts(part) for number, part in enumerate(STAMP.split(text))])


def _stamp(text: str) -> Html | str:
    try:
        return moment(int(datetime.fromisoformat(text).timestamp()))
    except ValueError:
        return text  # no such day


def _amounts(text: str) -> Html:
    out: list[object] = []
    at = 0
    for match in _AMOUNT.finditer(text):
        out.append(text[at : match.start()])
        shown = (
            ("10", h("sup", {}, match[2]))
            if match[1] == "1"
            else (f"{match[1]}\u202f\u00d7\u202f10", h("sup", {}, match[2]))
        )
        raw = [c if isinstance(c, Html) else Html(c) for c in shown]
        out += [h("span", {"class": "amount", "aria-hidden": "true"}, raw), h("span", {"class": "unseen"}, match[0])]
        at = match.end()
    return join([*out, text[at:]])


def icon(state: str) -> Html:
    """The icon of a state, drawn from the page's own sprite; the word beside it says the same."""
    name = state.replace(" ", "-")
    return h(
        "svg",
        {"class": "icon", "viewBox": "0 0 24 24", "aria-hidden": "true", "focusable": "false"},
        h("use", {"href": f"#icon-{name}"}),
    )
