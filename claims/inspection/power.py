"""What a feed's joules show of the hours that were drawn: no more may be drawn than idle and busy chips account for.

    joules <= base_watts x L + sum(idle_watts x idle chip-seconds + busy_watts x busy chip-seconds)

FORMATS-inspection.md section I10 has the bound, and claims/agreement/hidden.py what it leaves hidden.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from claims.agreement.hidden import hidden_lines
from claims.agreement.model import Agreement
from claims.agreement.terms import Feed
from claims.claim.records import IDLE
from claims.inspection.check import CheckedOpening, OpeningRejected
from claims.inspection.file import Opening
from claims.inspection.terms import epoch_times

__all__ = ["Compared", "check_power", "compare", "power_lines"]


@dataclass(frozen=True)
class Compared:
    """A feed's hour. ``idle``, ``busy``: chip-seconds; ``most``: joules that these account for, or None where no chip was idle."""

    epoch: int
    feed: Feed
    joules: int
    idle: int
    busy: int
    most: int | None

    @property
    def holds(self) -> bool:
        """Whether no more was drawn; what is not compared shows nothing."""
        return self.most is None or self.joules <= self.most


def compare(agreement: Agreement, opening: Opening) -> list[Compared]:
    """Every opened hour of a feed, of an opening that :func:`claims.inspection.check.check_opening` accepted."""
    feeds = {feed.name: feed for feed in agreement.feeds_of(opening.lab)}
    out = []
    for item in opening.joules:
        feed = feeds[item.feed]
        readings = [r.opening.reading for r in opening.readings if r.opening.reading.epoch == item.epoch and r.meter in feed.meters]
        idle = sum(reading.chip_seconds for reading in readings if reading.tag == IDLE)
        busy = sum(reading.chip_seconds for reading in readings) - idle
        out.append(Compared(item.epoch, feed, item.joules, idle, busy, feed.most(agreement.epoch_seconds, idle, busy)))
    return out


def check_power(agreement: Agreement, opening: Opening, unconfirmed: Collection[str]) -> None:
    """Check that no feed drew more than its chips account for. Raises OpeningRejected (code ``power``) naming feed and epoch.

    ``unconfirmed``: feeds of which no hour is a failure: they have not signed the period with both their keys.
    """
    for item in compare(agreement, opening):
        if not item.holds and item.feed.name not in unconfirmed:
            what = f"feed {item.feed.name} drew more in epoch {item.epoch} than its idle and busy chips account for"
            raise OpeningRejected("power", what)


def power_lines(agreement: Agreement, checked: CheckedOpening) -> list[str]:
    """What the feeds show of the drawn hours, what was absent, and what could still be hidden. Private. Without feeds: nothing."""
    lab = checked.opening.lab
    if not agreement.feeds_of(lab):
        return []
    lines = ["", "POWER, by meters that are not the lab's. Every tag of these hours was shown for it."]
    for item in compare(agreement, checked.opening):
        begin, end = epoch_times(agreement, item.epoch)
        drawn = f"{item.joules / 3.6e6:.1f} kWh drawn"
        result = "no chip-second was idle: not compared"
        if item.most is not None:
            result = f"{'at most' if item.holds else 'MORE THAN'} {item.most / 3.6e6:.1f} kWh that its chips account for"
        lines.append(f"feed {item.feed.name}, {begin} to {end}: {drawn}, {result}")
    for name in sorted(checked.drawn.committed.unconfirmed):
        lines.append(f"feed {name} has not signed the period with its period key: no hour of it is a failure; ask its holder why")
    for epoch, feed in checked.drawn.absent:
        lines.append(f"feed {feed}, {epoch_times(agreement, epoch)[0]}: its joules are absent; another chip-second was drawn instead")
    return [*lines, *hidden_lines(agreement, lab)]
