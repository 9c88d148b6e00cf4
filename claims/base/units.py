"""Exact amounts from human text: work, throughput, durations and times. Never a float.

Work is counted in units of 10^12 FLOP. Doubt is charged upward: throughput rounds up, caps round down.

>>> peak_from_text("1.979e15 FLOP/s")
1979
>>> cap_from_text("1e25 FLOP")
10000000000000
>>> seconds_from_text("1 h")
3600
"""

from __future__ import annotations

import datetime as _datetime
import math
import re
from fractions import Fraction

from claims.base.errors import QuantityError

__all__ = [
    "TIME_PATTERN",
    "WORK_UNIT",
    "cap_from_text",
    "charge_from_text",
    "flop_from_text",
    "format_duration",
    "format_share",
    "format_time",
    "format_work",
    "peak_from_text",
    "seconds_from_text",
    "share_from_text",
    "time_from_text",
]

MAX_TIME = 253402300799
"""9999-12-31T23:59:59Z: the last second that RFC 3339 can write."""

WORK_UNIT = 10**12
"""FLOP in one unit of work."""

_PREFIX = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "Z": 21, "Y": 24, "R": 27, "Q": 30}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_NUMBER = r"([0-9]{1,40})(?:\.([0-9]{1,40}))?(?:[eE]\+?([0-9]{1,2}))?"
_FLOP = re.compile(_NUMBER + r" ?([kMGTPEZYRQ]?)FLOP(/s)?")
_DURATION = re.compile(_NUMBER + r" ?(s|min|h|d)")
TIME_PATTERN = r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})([Zz]|\+00:00)"
_TIME = re.compile(TIME_PATTERN)
_SHARE = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,4}))? ?%")


def _number(whole: str, fraction: str | None, exponent: str | None) -> Fraction:
    value = Fraction(int(whole))
    if fraction is not None:
        value += Fraction(int(fraction), 10 ** len(fraction))
    return value * Fraction(10) ** int(exponent or 0)


def flop_from_text(text: str, *, rate: bool) -> Fraction:
    """Read ``"1.5e16 FLOP/s"`` (``rate``) or ``"1e25 FLOP"`` as an exact number of FLOP or FLOP/s.

    SI prefixes from k to Q may stand before FLOP. Refuses signs, negative exponents, other units.

    Raises:
        QuantityError: the text is something else.
    """
    match = _FLOP.fullmatch(text)
    unit = "FLOP/s" if rate else "FLOP"
    if match is None or (match[5] is not None) != rate:
        raise QuantityError(f"{text!r} is not an amount in {unit}", f'write it like "1.5e16 {unit}" or "15 P{unit}"')
    return _number(match[1], match[2], match[3]) * Fraction(10) ** _PREFIX[match[4]]


def peak_from_text(text: str) -> int:
    """Peak throughput in units of 10^12 FLOP/s, rounded UP (a doubt is charged)."""
    return math.ceil(flop_from_text(text, rate=True) / WORK_UNIT)


def cap_from_text(text: str) -> int:
    """A cap or freeze level in units of 10^12 FLOP, rounded DOWN (a doubt is charged)."""
    return math.floor(flop_from_text(text, rate=False) / WORK_UNIT)


def charge_from_text(text: str) -> int:
    """Work that is charged, in units of 10^12 FLOP, rounded UP (a doubt is charged)."""
    return math.ceil(flop_from_text(text, rate=False) / WORK_UNIT)


def seconds_from_text(text: str) -> int:
    """A duration such as ``"1 h"``, ``"15 min"``, ``"30 d"`` as whole seconds, at least 1.

    Raises:
        QuantityError: the text is something else, or not a whole number of seconds.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise QuantityError(f"{text!r} is not a duration", 'write it like "1 h", "15 min", "30 d" or "90 s"')
    value = _number(match[1], match[2], match[3]) * _SECONDS[match[4]]
    if value.denominator != 1 or value < 1:
        raise QuantityError(f"{text!r} is not a whole, positive number of seconds", "epochs are whole seconds")
    return int(value)


def share_from_text(text: str) -> int:
    """A share such as ``"1 %"`` or ``"0.5 %"`` in parts per million, 0 to 10^6, exactly.

    Raises:
        QuantityError: the text is something else, or more than 100 %.
    """
    match = _SHARE.fullmatch(text)
    parts = None if match is None else int(match[1]) * 10**4 + int((match[2] or "").ljust(4, "0"))
    if parts is None or parts > 10**6:
        raise QuantityError(f"{text!r} is not a share from 0 % to 100 %", 'write it like "1 %" or "0.5 %", with at most four decimals')
    return parts


def format_share(parts: int) -> str:
    """Parts per million as a share: ``5000`` gives ``"0.5 %"``; reads back to the same."""
    return f"{parts // 10**4}.{parts % 10**4:04}".rstrip("0").rstrip(".") + " %"


def time_from_text(text: str) -> int:
    """An RFC 3339 UTC time such as ``2026-01-01T00:00:00Z`` as Unix seconds (years 1970 to 9999).

    Raises:
        QuantityError: the text is something else, or has a fraction of a second or another offset.
    """
    match = _TIME.fullmatch(text)
    hint = 'write it like "2026-01-01T00:00:00Z" (RFC 3339, UTC, whole seconds)'
    if match is None:
        raise QuantityError(f"{text!r} is not a time in UTC", hint)
    try:
        moment = _datetime.datetime(*(int(match[i]) for i in range(1, 7)), tzinfo=_datetime.UTC)  # type: ignore[misc,arg-type]
    except ValueError as error:
        raise QuantityError(f"{text!r} is not a time: {error}", hint) from None
    seconds = int((moment - _datetime.datetime(1970, 1, 1, tzinfo=_datetime.UTC)).total_seconds())
    if seconds < 0:
        raise QuantityError(f"{text!r} lies before 1970", hint)
    return seconds


def format_time(seconds: int) -> str:
    """Unix seconds as RFC 3339 UTC; what no calendar has, such as a cosigner may write, as ``second N``."""
    if not 0 <= seconds <= MAX_TIME:
        return f"second {seconds}"
    epoch = _datetime.datetime(1970, 1, 1, tzinfo=_datetime.UTC)
    return (epoch + _datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_duration(seconds: int) -> str:
    """Seconds in the largest unit that divides them: ``3600`` gives ``"1 h"``."""
    for unit in ("d", "h", "min"):
        if seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]} {unit}"
    return f"{seconds} s"


def format_work(units: int) -> str:
    """Units of 10^12 FLOP as exact text: ``1500`` gives ``"1.5e15 FLOP"``; reads back to the same amount."""
    if units == 0:
        return "0 FLOP"
    digits = str(units)
    mantissa = digits.rstrip("0")
    fraction = "." + mantissa[1:] if len(mantissa) > 1 else ""
    return f"{mantissa[0]}{fraction}e{len(digits) - 1 + 12} FLOP"
