"""Lost meters and sites: the ledgers and summaries that a verifier makes in place of those that nobody can make any more.

A lost meter's ledger of the period has every chip-second of every epoch as UNATTRIBUTED work at the class peak, under both charge rules; a
lost site's summary has one record of all that its meters can do. IV and trailer are zero, so the heads are anybody's to compute:
what is lost is public, and charged in full. FORMATS.md section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.terms import Lab, Meter
from claims.base.errors import ClaimRejected
from claims.base.units import format_share
from claims.claim.file import Claim
from claims.claim.lists import LOST_METER, MILLION
from claims.claim.records import MAX_AMOUNT

if TYPE_CHECKING:
    from circuits.statement import Elements

__all__ = [
    "MAX_LOST", "MAX_MADE", "NO_HEAD", "NO_ROOT", "check_losses", "lost_head", "lost_meters", "lost_share", "lost_summary", "lost_words",
    "lost_work",
    "made_readings", "share_of",
]  # fmt: skip

MAX_LOST = 256
"""Lost meters of one claim, but for those of lost sites: more is a lost site."""
MAX_MADE = 2**18
"""Readings that a verifier makes for one claim."""
NO_HEAD = (0,) * 8
NO_ROOT = bytes(32)
"""In place of the epoch root that a lost meter cannot sign."""
UNATTRIBUTED = 2
_Rows = list[tuple[int, int, int, int]]


def lost_meters(agreement: Agreement, claim: Claim) -> dict[str, int]:
    """Each meter that a claim lists as lost, itself or with its site, to the first lost epoch.

    Raises:
        ClaimRejected: check ``lists``: what is listed is no meter and no site of the lab, is listed twice, or from no epoch of the period
            on, or is more than a verifier makes ledgers for.
    """
    lab, found, made = agreement.lab(claim.lab), dict[str, int](), 0
    if not claim.losses:
        return found
    meters = {meter.name: [meter] for meter in lab.meters}
    sites = {site.name: list(site.meters) for site in lab.sites}
    for loss in claim.losses:
        own = (meters if loss.kind == LOST_METER else sites).get(loss.name, [])
        in_period = claim.first_epoch <= loss.first_epoch <= claim.last_epoch
        if not own or not in_period or any(meter.name in found for meter in own):
            what = f"the claim lists {loss.name} as lost from epoch {loss.first_epoch} on"
            raise ClaimRejected("lists", f"{what}: that is no meter or site of the lab, is listed twice, or no epoch of the period")
        found.update({meter.name: loss.first_epoch for meter in own})
        if loss.kind == LOST_METER:
            made += -(-agreement.coverage(own[0]) // _step(agreement.chip(own[0].chip).peak)) * agreement.epochs_per_period
    if sum(loss.kind == LOST_METER for loss in claim.losses) > MAX_LOST or made > MAX_MADE:
        raise ClaimRejected("lists", f"more than {MAX_LOST} meters, or {MAX_MADE} readings, are lost: that is a lost site")
    return found


def lost_share(agreement: Agreement, claim: Claim) -> int:
    """As :func:`share_of`, of what a claim lists. Raises ClaimRejected (check ``lists``)."""
    return share_of(agreement, agreement.lab(claim.lab), claim.period, lost_meters(agreement, claim))


def share_of(agreement: Agreement, lab: Lab, period: int, lost: Mapping[str, int]) -> int:
    """Chip-seconds that are lost, parts per million of the period's, rounded up. ``lost``: meters to their first lost epochs."""
    last = agreement.period_epochs(period)[1]
    coverage = {meter.name: agreement.coverage(meter) for meter in lab.meters}
    seconds = sum(coverage[name] * (last - first + 1) for name, first in lost.items())
    return -(-seconds * MILLION // (sum(coverage.values()) * agreement.epochs_per_period))


def lost_words(agreement: Agreement, claim: Claim) -> list[str]:
    """What a claim lists as lost, in one sentence; none where nothing is. Raises ClaimRejected (check ``lists``)."""
    if not claim.losses:
        return []
    named = [f"{'meter' if loss.kind == LOST_METER else 'site'} {loss.name} from epoch {loss.first_epoch} on" for loss in claim.losses]
    more = f" and {len(named) - 8} more" if len(named) > 8 else ""
    share, agreed = lost_share(agreement, claim), agreement.lab(claim.lab).lost
    return [
        f"lost, and charged in full: {', '.join(named[:8])}{more}; {format_share(share)} of the period's chip-seconds, agreed at most "
        f"{format_share(agreed)}"
    ]


def check_losses(agreement: Agreement, claim: Claim) -> None:
    """What a claim holds of what is lost is zero, but for a head that a lost meter signed. Raises ClaimRejected (check ``lists``)."""
    lost, signed = lost_meters(agreement, claim), {loss.name for loss in claim.losses if loss.signed}
    for meter in claim.meters:
        if meter.name in lost and meter.name not in signed and (meter.head, meter.signature) != (NO_HEAD, bytes(64)):
            raise ClaimRejected("lists", f"meter {meter.name} is listed as lost without a signed head, and has one")
    for site in claim.sites:
        if site.name in claim.lost_sites and (site.head, site.proof) != (NO_HEAD, bytes(32)):
            raise ClaimRejected("lists", f"site {site.name} is listed as lost, and has a summary or a proof")


def _step(peak: int) -> int:
    """Chip-seconds that one reading holds at most: its work has 48 bits."""
    return MAX_AMOUNT // peak


def _rows(first: int, last: int, coverage: int, peak: int) -> _Rows:
    step = _step(peak)
    parts = [step] * (coverage // step) + ([coverage % step] if coverage % step else [])
    return [(epoch, UNATTRIBUTED, part, part * peak) for epoch in range(first, last + 1) for part in parts]


def made_readings(agreement: Agreement, meter: Meter, period: int) -> _Rows:
    """The readings of a lost meter's ledger of a period: (epoch, tag, chip-seconds, work), split as a meter splits them."""
    return _rows(*agreement.period_epochs(period), agreement.coverage(meter), agreement.chip(meter.chip).peak)


def lost_work(agreement: Agreement, meters: tuple[Meter, ...]) -> int:
    """What meters are charged in a period when they are lost, units of 10^12 FLOP."""
    each = sum(agreement.coverage(meter) * agreement.chip(meter.chip).peak for meter in meters)
    return each * agreement.epochs_per_period


def lost_head(agreement: Agreement, meter: Meter, period: int) -> Elements:
    """The head of a lost meter's ledger, 0.4 ms a reading in plain Python."""
    from circuits.statement import ledger_header

    header = ledger_header(agreement.digest, meter.lab, meter.name, period)
    return _head(header, *agreement.period_epochs(period), agreement.coverage(meter), agreement.chip(meter.chip).peak)


@lru_cache(maxsize=4096)
def _head(header: Elements, first: int, last: int, coverage: int, peak: int) -> Elements:
    from circuits.chain import ledger_head

    return ledger_head(NO_HEAD, header, _rows(first, last, coverage, peak), NO_HEAD)


def lost_summary(agreement: Agreement, lab: Lab, site: str, period: int) -> Elements:
    """The head of a lost site's summary."""
    from circuits.chain import summary_head
    from circuits.statement import summary_header

    own = next(item.meters for item in lab.sites if item.name == site)
    header = summary_header(agreement.digest, lab.name, site, period)
    return summary_head(NO_HEAD, header, [(UNATTRIBUTED, lost_work(agreement, own))], NO_HEAD)
