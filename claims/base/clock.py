"""The machine's clock, and what is refused because it jumped.

Every command that signs takes the time from :func:`now` and from nowhere else.
"""

from __future__ import annotations

import time

from claims.base.errors import ClaimsError
from claims.base.units import format_duration, format_time

__all__ = ["COSIGN_JUMP", "SEAL_JUMP", "ClockJump", "check_jump", "now"]

SEAL_JUMP = 3 * 86_400
"""Seconds between the newest thing that is known and what a meter signs: a long weekend without work, and no more."""
COSIGN_JUMP = 7 * 86_400
"""Seconds between the newest date that is known and a cosignature."""


class ClockJump(ClaimsError):
    """The clock is further ahead of everything that is known than is likely."""


def now() -> int:
    """Unix seconds by this machine's clock."""
    return int(time.time())


def check_jump(moment: int, known: int, bound: int, what: str) -> None:
    """Refuse a moment that lies too far after the newest one that is known. Unix seconds.

    Args:
        bound: seconds that may lie between the two.
        what: names the newest thing known.

    Raises:
        ClockJump: with both times.
    """
    if moment - known > bound:
        raise ClockJump(
            f"the newest {what} is of {format_time(known)}, and this is about {format_time(moment)}, "
            f"more than {format_duration(bound)} later",
            f"this machine's clock shows {format_time(now())}: mend it, or say --clock-is-right",
        )
