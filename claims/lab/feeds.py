"""What a lab makes of its power feeds: whether its books account for their joules before it seals, and what it says when it publishes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from claims.agreement.model import Agreement
from claims.agreement.terms import Feed
from claims.base import clock
from claims.base.errors import ClaimsError
from claims.claim.power import absent_bits
from claims.claim.published import PublishedEntries
from claims.claim.records import IDLE, Reading
from claims.lab.closing import next_epoch
from claims.lab.coverage import cover
from claims.lab.losses import lost_in
from claims.lab.opening import given_joules
from claims.lab.store import Store

__all__ = ["PowerShort", "check_joules", "hot_feeds", "lacking_feeds", "said_of_feeds"]


class PowerShort(ClaimsError):
    """A feed drew more in an epoch than the lab's books account for. Nothing was sealed."""


def hot_feeds(store: Store, agreement: Agreement, epoch: int, folder: Path, sealing: Collection[str] = ()) -> dict[str, int]:
    """Feeds that drew more in an epoch than the books account for, by what was given of them, and chip-seconds that cannot be idle.

    Args:
        sealing: meters whose usage counts as it is imported now. A feed with a meter that neither is among them nor has sealed the
            epoch in this store is left out.
    """
    found, gone = {}, lost_in(store, agreement, epoch // agreement.epochs_per_period)
    for feed in agreement.feeds_of(store.lab):
        given = given_joules(folder, agreement, feed.name, epoch)
        if given is None or any(epoch >= gone.get(name, epoch + 1) for name in feed.meters):
            continue
        booked = _booked(store, agreement, feed, epoch, sealing)
        most = None if booked is None else feed.most(agreement.epoch_seconds, *booked)
        if booked is not None and most is not None and given.joules > most:
            found[feed.name] = min(booked[0], -(-(given.joules - most) // (feed.busy_watts - feed.idle_watts)))
    return found


def _booked(store: Store, agreement: Agreement, feed: Feed, epoch: int, sealing: Collection[str]) -> tuple[int, int] | None:
    """Idle and busy chip-seconds of a feed's meters in an epoch, as sealed, or as they would be sealed now; None: not all are here."""
    period, readings = epoch // agreement.epochs_per_period, list[Reading]()
    for name in feed.meters:
        seal, meter = store.epoch_seal(name, epoch), agreement.lab(store.lab).meter(name)
        if seal is None and name in sealing:
            readings += cover(store.usage(period, name, range(epoch, epoch + 1)), meter, agreement, period, [epoch])
        elif seal is not None and seal.seed is not None:
            readings += store.epoch_readings(name, epoch)
        else:
            return None
    idle = sum(reading.chip_seconds for reading in readings if reading.tag == IDLE)
    return idle, sum(reading.chip_seconds for reading in readings) - idle


def check_joules(store: Store, agreement: Agreement, names: Collection[str], last: int, folder: Path) -> None:
    """Refuse to seal epochs of which a feed shows more power than the books account for: a draw of such an hour is a failed inspection.

    Raises:
        PowerShort: naming the feed, the epoch, and how many chip-seconds cannot have been idle.
    """
    fed, agreed = {meter for feed in agreement.feeds_of(store.lab) for meter in feed.meters}, agreement.lab(store.lab)
    if not agreed.sites:  # one store has the usage of all
        names = [meter.name for meter in agreed.meters]
    first = min((next_epoch(store, agreement, name) for name in fed & set(names)), default=last + 1)
    for epoch in range(first, last + 1):
        for name, seconds in hot_feeds(store, agreement, epoch, folder, names).items():
            raise PowerShort(
                f"feed {name} drew more in epoch {epoch} than its chips account for: at least {seconds} chip-seconds that are idle "
                "here were not",
                f"import what they did, as unattributed if nothing else is known; if {name}'s figure is wrong, take its file out of "
                f"{folder}: the hour is then absent, which everybody sees",
            )


def lacking_feeds(agreement: Agreement, lab: str, epoch: int, folder: Path, published: PublishedEntries) -> list[str]:
    """The lab's feeds whose joules of an epoch it was not given, or that the log does not have as they were given."""
    out = []
    for feed in agreement.feeds_of(lab):
        entry, given = published.joules(feed.name, epoch), given_joules(folder, agreement, feed.name, epoch)
        if entry is None or given is None or given.leaf != entry[0].leaf:
            out.append(feed.name)
    return out


def said_of_feeds(agreement: Agreement, lab: str, epoch: int, lacking: list[str], *, wait: bool = False) -> bytes | None:
    """The bits of the epoch's entry; None while there is time to wait: half of what is agreed for the entry.

    What the lab says there is for ever: joules that come later are absent.

    Args:
        wait: wait although none is lacking.
    """
    half = 0 if agreement.deadlines is None else agreement.deadlines.epoch // 2
    if (lacking or wait) and clock.now() < agreement.epoch_span(epoch)[1] + half:
        return None
    names = [feed.name for feed in agreement.feeds_of(lab)]
    return absent_bits(len(names), {names.index(name) for name in lacking})
