"""What a lab says of its power feeds when it publishes an epoch: whose joules came, and whose did not."""

from __future__ import annotations

from pathlib import Path

from claims.agreement.model import Agreement
from claims.base import clock
from claims.claim.power import absent_bits
from claims.claim.published import PublishedEntries
from claims.lab.opening import given_joules

__all__ = ["lacking_feeds", "said_of_feeds"]


def lacking_feeds(agreement: Agreement, lab: str, epoch: int, folder: Path, published: PublishedEntries) -> list[str]:
    """The lab's feeds whose joules of an epoch it was not given, or that the log does not have as they were given."""
    out = []
    for feed in agreement.feeds_of(lab):
        entry, given = published.joules(feed.name, epoch), given_joules(folder, agreement, feed.name, epoch)
        if entry is None or given is None or given.leaf != entry[0].leaf:
            out.append(feed.name)
    return out


def said_of_feeds(agreement: Agreement, lab: str, epoch: int, lacking: list[str]) -> bytes | None:
    """The bits of the epoch's entry; None while there is time to wait: half of what is agreed for the entry.

    What the lab says there is for ever: joules that come later are absent.
    """
    wait = 0 if agreement.deadlines is None else agreement.deadlines.epoch // 2
    if lacking and clock.now() < agreement.epoch_span(epoch)[1] + wait:
        return None
    names = [feed.name for feed in agreement.feeds_of(lab)]
    return absent_bits(len(names), {names.index(name) for name in lacking})
