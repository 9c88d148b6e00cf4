"""The limits that a claim is proven under: the agreed ones, and in place of those that it is over the ones that it states.

A claim states a limit only where it is over the agreed one, and is then never *proven* but *over*: everybody sees by how much at most.
Later claims of the lab repeat it. FORMATS.md section 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from claims.agreement.model import Agreement
from claims.agreement.terms import Caps
from claims.base.errors import ClaimRejected
from claims.base.units import WORK_UNIT, format_share, format_work
from claims.claim.file import Claim
from claims.claim.lists import FREEZE, LINEAGE, LOST, TOTAL, UNATTRIBUTED, Limit, Over
from claims.claim.losses import lost_share

__all__ = [
    "NAMES", "agreed_limits", "capacity", "is_unbounded", "limit_values", "limit_words", "limits_of", "overs_after", "with_limits",
]  # fmt: skip

NAMES = {TOTAL: "total", UNATTRIBUTED: "unattributed", LINEAGE: "lineage", FREEZE: "freeze", LOST: "lost"}
"""As in the agreement, whose fields they are."""
_WHAT = {
    TOTAL: "total compute of the period", UNATTRIBUTED: "unattributed compute of the period",
    LINEAGE: "cumulative compute behind a checkpoint, or all unattributed compute",
    FREEZE: "compute behind a checkpoint that was trained further, or all unattributed compute",
    LOST: "chip-seconds of lost meters",
}  # fmt: skip
_MOST = 2**64 - 1


def agreed_limits(agreement: Agreement, claim: Claim, moved: int = 0) -> dict[int, int]:
    """What holds for a claim, by number of the limit. Units of 10^12 FLOP; LOST: parts per million. No FREEZE without a freeze.

    ``moved``: what the transfers that the claim lists add to its total (:func:`claims.claim.allowances.listed_total`).
    """
    lab = agreement.lab(claim.lab)
    caps = lab.caps_at(claim.period)
    found = {TOTAL: caps.total + moved, UNATTRIBUTED: caps.unattributed, LINEAGE: caps.lineage, LOST: lab.lost}
    return found if caps.freeze is None else found | {FREEZE: caps.freeze}


def limits_of(agreement: Agreement, claim: Claim, moved: int = 0) -> Caps:
    """The caps that a claim's proofs are about: the agreed ones, or those that it states in their place.

    Raises:
        ClaimRejected: check ``lists``: a stated limit is of none that is agreed, or says that another one is; the share that is listed as
            lost is not the one that is stated; or as in ``lost_share``.
    """
    agreed, share = agreed_limits(agreement, claim, moved), lost_share(agreement, claim)
    for limit in claim.limits:
        if agreed.get(limit.which) != limit.agreed:
            raise ClaimRejected("lists", f"the claim states a limit in place of another {NAMES[limit.which]} than is agreed")
    stated = next((limit.stated for limit in claim.limits if limit.which == LOST), agreed[LOST])
    if stated != max(share, agreed[LOST]):
        what = f"the claim lists {format_share(share)} as lost, where {format_share(agreed[LOST])} is agreed"
        raise ClaimRejected("lists", f"{what}: it states that exactly where it is more")
    return with_limits(Caps(agreed[TOTAL], agreed[UNATTRIBUTED], agreed[LINEAGE], agreed.get(FREEZE)), claim.limits)


def with_limits(caps: Caps, limits: Iterable[Limit]) -> Caps:
    """Caps with the stated limits in their place."""
    return replace(caps, **{NAMES[limit.which]: limit.stated for limit in limits if limit.which != LOST})


def overs_after(claim: Claim) -> tuple[Over, ...]:
    """What the lab's next claim lists as earlier limits that were over: all that this one lists, and its own."""
    return (*claim.overs, *(Over(claim.period, limit.which, limit.agreed, limit.stated) for limit in claim.limits))


def capacity(agreement: Agreement, lab: str) -> int:
    """What the lab's meters can do in a period at their chips' peak, units of 10^12 FLOP."""
    meters = agreement.lab(lab).meters
    return sum(agreement.coverage(meter) * agreement.chip(meter.chip).peak for meter in meters) * agreement.epochs_per_period


def is_unbounded(item: Limit | Over, most: int | None) -> bool:
    """Whether a stated limit bounds nothing: it is the most that can be stated, or no period of the lab can pass it (``most``)."""
    beyond = most is not None and item.which in (TOTAL, UNATTRIBUTED) and item.stated >= most
    return item.which != LOST and (item.stated == _MOST or beyond)


def limit_words(item: Limit | Over, most: int | None = None) -> str:
    """A limit that is over, in words. ``most``: the lab's :func:`capacity`, where it is known."""
    if item.which == LOST:
        return f"{_WHAT[LOST]}: {format_share(item.stated)}, agreed at most {format_share(item.agreed)}"
    stated = "no bound" if is_unbounded(item, most) else f"at most {format_work(item.stated)}"
    return f"{_WHAT[item.which]} over the {NAMES[item.which]} limit: agreed at most {format_work(item.agreed)}, stated {stated}"


def limit_values(item: Limit | Over, most: int | None = None) -> dict[str, int | str | None]:
    """The same as JSON values: FLOP, of a share parts per million; ``stated`` is null where there is no bound."""
    unit = 1 if item.which == LOST else WORK_UNIT
    stated = None if is_unbounded(item, most) else item.stated * unit
    found: dict[str, int | str | None] = {"limit": NAMES[item.which], "agreed": item.agreed * unit, "stated": stated}
    return {"period": item.period, **found} if isinstance(item, Over) else found
