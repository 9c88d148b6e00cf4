"""The machine's clock, and what is refused because of it: signing what is not over, and a clock that jumped.

Every command that signs takes the time from :func:`now` and from nowhere else.
"""

from __future__ import annotations

import time

from claims.agreement.model import Agreement
from claims.base.errors import ClaimsError
from claims.base.units import format_duration, format_time

__all__ = ["COSIGN_JUMP", "SEAL_JUMP", "ClockJump", "NotOver", "check_jump", "check_over", "last_over", "now"]

SEAL_JUMP = 3 * 86_400
"""Seconds between the newest thing that is known and what a meter signs: a long weekend without work, and no more."""
COSIGN_JUMP = 7 * 86_400
"""Seconds between the newest date that is known and a cosignature."""


class NotOver(ClaimsError):
    """An epoch or period has not ended: what is signed about it can no longer be completed."""


class ClockJump(ClaimsError):
    """The clock is further ahead of everything that is known than is likely."""


def now() -> int:
    """Unix seconds by this machine's clock."""
    return int(time.time())


def check_over(agreement: Agreement, period: int) -> None:
    """Refuse a period that has not ended.

    Raises:
        NotOver: with its end. ClaimRejected: the agreement has no such period.
    """
    end = agreement.period_span(period)[1]
    if now() < end:
        raise NotOver(
            f"period {period} is not over: it ends at {format_time(end)}",
            f"this machine's clock shows {format_time(now())}: wait, or name another period",
        )


def last_over(agreement: Agreement) -> int:
    """The agreement's last epoch that has ended; one less than its first when none has."""
    last = agreement.periods * agreement.epochs_per_period - 1
    first = agreement.first_period * agreement.epochs_per_period
    return max(first - 1, min(last, (now() - agreement.start) // agreement.epoch_seconds - 1))


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
