"""Transfers of cap that a lab's claim of a period will list, for the commands that hold its books against its total."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims.base.errors import ClaimsError
from claims.cli.group import out
from claims.cli.state import log_given

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.claim.allowances import Transfer

__all__ = ["listed_transfers", "moves_caps"]


def moves_caps(terms: Agreement) -> bool:
    """Whether the agreement lets labs transfer caps."""
    return any(item.ceiling is not None for item in terms.labs)


def listed_transfers(terms: Agreement, lab: str, period: int, *, whole: bool = False) -> list[Transfer]:
    """What a claim of the period will list, by the log that ``--log`` names; nothing where no caps can move.

    What the lab would receive, and that does not count by this copy of the log, is said.

    Args:
        whole: for a claim, which is made once: the copy must have all that can count.

    Raises:
        ClaimsError: caps can move, and no log is named; or the copy may lack what was given before the period began.
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
    first = terms.period_epochs(period)[0]
    if whole and published.epoch(lab, first, all_=True) is None:  # what counts stands before it
        what = f"this copy of the log ends before the lab's entry of epoch {first}: what was given or received may not be in it yet"
        raise ClaimsError(what, "take a newer copy; publish the lab's epochs first")
    transfers = transfers_of(published, period, allowance_dates(view, terms))
    for item in transfers:
        if item.toward(lab) > 0 and not item.counts:
            out(f"not listed: {item.text}; {item.state}", err=True)
    return to_list(lab, transfers)
