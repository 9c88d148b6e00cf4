"""What has not ended by the machine's clock is not signed."""

from __future__ import annotations

from claims.agreement.model import Agreement
from claims.base import clock
from claims.base.errors import ClaimsError
from claims.base.units import format_time

__all__ = ["NotBegun", "NotOver", "check_begun", "check_over", "last_over"]


class NotOver(ClaimsError):
    """An epoch or period has not ended: what is signed about it can no longer be completed."""


def check_over(agreement: Agreement, period: int) -> None:
    """Refuse a period that has not ended.

    Raises:
        NotOver: with its end. ClaimRejected: the agreement has no such period.
    """
    end = agreement.period_span(period)[1]
    if clock.now() < end:
        raise NotOver(
            f"period {period} is not over: it ends at {format_time(end)}",
            f"this machine's clock shows {format_time(clock.now())}: wait, or name another period",
        )


class NotBegun(ClaimsError):
    """Something is dated later than the machine's clock: a wrong year or month, or a wrong clock."""


def check_begun(agreement: Agreement, epoch: int, what: str) -> None:
    """Refuse what is said to have happened in an epoch that has not begun.

    Raises:
        NotBegun: with its begin. ``what`` names the thing.
    """
    if epoch > last_over(agreement) + 1:
        raise NotBegun(
            f"{what} is dated in epoch {epoch}, which begins at {format_time(agreement.epoch_span(epoch)[0])}",
            f"this machine's clock shows {format_time(clock.now())}: correct the date, or the clock",
        )


def last_over(agreement: Agreement) -> int:
    """The agreement's last epoch that has ended; one less than its first when none has."""
    last = agreement.periods * agreement.epochs_per_period - 1
    first = agreement.first_period * agreement.epochs_per_period
    return max(first - 1, min(last, (clock.now() - agreement.start) // agreement.epoch_seconds - 1))
