"""The transfers of cap that a claim lists: what they make of its total, and whether this copy of the log says the same."""

from __future__ import annotations

from dataclasses import dataclass

from claims.agreement.model import Agreement
from claims.base.errors import ClaimRejected
from claims.base.units import format_work
from claims.claim.allowances import Dated, listed_total, misjudged, transfers_of
from claims.claim.file import Claim
from claims.claim.published import PublishedEntries
from claims.verify.report import Missing

__all__ = ["Allowed", "allowed"]


@dataclass(frozen=True)
class Allowed:
    """What transfers make of a claim's total cap.

    Attributes:
        moved: what those that it lists add, units of 10^12 FLOP; None where one of them is not in this copy of the log.
        texts: the total that it makes beside the agreed one, and what it lists, in words; none where it lists nothing.
        over: why it is over, by this copy of the log; empty: it is not.
        missing: what is not here.
    """

    moved: int | None = 0
    texts: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()


def allowed(claim: Claim, agreement: Agreement, published: PublishedEntries | None, dated: Dated | None) -> Allowed:
    """Judge a claim's list of transfers by a copy of the log.

    Args:
        published: its entries under the agreement; None where no log can be used.
        dated: their dates; None: the list is not held against those that count, as of an earlier claim.

    Raises:
        ClaimRejected: checks ``period`` or ``lists``: as :func:`claims.claim.allowances.listed_total`.
    """
    if claim.transfers and agreement.log is None:
        raise ClaimRejected("lists", "the claim lists transfers of cap, and the agreement has no log to date any")
    if published is None:
        return Allowed(None) if claim.transfers else Allowed()
    transfers = transfers_of(published, claim.period, dated or (lambda index, parties: None))
    known = {item.digest: item for item in transfers}
    unknown = [digest for digest in claim.transfers if digest not in known]
    if unknown:
        what = f"the log entry of a transfer of cap that the claim lists, with the SHA-256 {unknown[0].hex()}"
        return Allowed(None, missing=(Missing("entry", what, "", "ask for a newer copy of the log"),))
    total = listed_total(agreement, claim.lab, claim.period, claim.transfers, transfers)
    over = () if dated is None else tuple(misjudged(claim, agreement, transfers))
    agreed = agreement.lab(claim.lab).caps_at(claim.period).total
    texts = [f"{item.text}: {item.state}" for item in (known[digest] for digest in claim.transfers)]
    if texts:
        texts.insert(0, f"total cap {format_work(total)} after transfers, {format_work(agreed)} agreed")
    return Allowed(total - agreed, tuple(texts), over)
