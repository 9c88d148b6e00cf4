"""Transfers of cap that a lab's claim of a period will list, for the commands that hold its books against its total."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims.base.errors import ClaimsError
from claims.cli.state import log_given

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.claim.allowances import Transfer

__all__ = ["listed_transfers", "moves_caps"]


def moves_caps(terms: Agreement) -> bool:
    """Whether the agreement lets labs transfer caps."""
    return any(item.ceiling is not None for item in terms.labs)


def listed_transfers(terms: Agreement, lab: str, period: int) -> list[Transfer]:
    """What a claim of the period will list, by the log that ``--log`` names; nothing where no caps can move.

    Raises:
        ClaimsError: caps can move, and no log is named.
    """
    from claims.claim.allowances import to_list, transfers_of
    from claims.claim.published import PublishedEntries
    from claims.tlog.reader import open_log
    from claims.verify.log import allowance_dates, log_trust

    if not moves_caps(terms):
        return []
    source = log_given()
    if source is None:
        what = "the agreement lets labs transfer caps, and only its log has what was given or received for this period"
        raise ClaimsError(what, "give it: --log LOG")
    view = open_log(source, log_trust(terms), exclude={lab})
    published = PublishedEntries(terms, enumerate([*view.entries, *view.tail]), view.size)
    return to_list(lab, transfers_of(published, period, allowance_dates(view, terms)))
