"""Power for the demonstration, made by one rule from the published runs: what a meter before Ai2's chips would have counted.

    joules of an hour = 1,000 W x chip-seconds in which a run is under way + 230 W x all others

A chip at work draws its published board power (700 W, chips.csv) and 300 W of the server around it; one that is on and idle draws 230 W.
A holder that is no lab commits to each hour's joules in the log before the lab does, and gives them to the lab.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from claims.agreement.model import Agreement
from claims.base.files import write_new
from claims.base.hybrid import SigningKey, curve_half
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import FeedPeriodEntry, JoulesEntry
from claims.claim.power import joules_name
from claims.collect.feed import FeedRecords
from claims.demo.data import LabPlan, board_watts

__all__ = ["FEED", "HOLDER", "IDLE_WATTS", "ON_AND_IDLE", "SERVER", "PowerHolder", "busy_watts", "feed_terms", "worked_ms"]

FEED, HOLDER = "jupiter-power", "power-utility"
SERVER, ON_AND_IDLE, IDLE_WATTS = 300, 230, 300
"""Watts for each chip: of the server around one that works; of one that is on and idle; the agreed bound of the latter."""
_TERMS = """
[[party]]
name = "{holder}"
key = "{key}"

[[feed]]
name = "{feed}"
lab = "{lab}"
holder = "{holder}"
{feed_key}
kind = "utility"
meters = [{meters}]
base_watts = 0
idle_watts = {idle}
busy_watts = {busy}
"""


def busy_watts(plan: LabPlan) -> int:
    """What a chip of the lab draws that works, its server included. The lab's chips are of one kind."""
    return board_watts(plan.meters[0].chip) + SERVER


def feed_terms(plan: LabPlan, key: str, feed_key: str) -> str:
    """The holder's and the feed's tables of an agreement: all meters of the lab under one feed. ``feed_key``: lines with its keys."""
    meters = ", ".join(f'"{meter.name}"' for meter in plan.meters)
    return _TERMS.format(
        holder=HOLDER, key=key, feed=FEED, feed_key=feed_key, lab=plan.name, meters=meters, idle=IDLE_WATTS, busy=busy_watts(plan)
    )


def worked_ms(plan: LabPlan, agreement: Agreement) -> dict[int, int]:
    """Chip-milliseconds of each epoch in which a run of the plan was under way; epochs without any are left out."""
    step, worked = 1000 * agreement.epoch_seconds, dict[int, int]()
    for run in plan.usage:
        start, stop = (int(run[end]) - 1000 * agreement.start for end in ("start", "stop"))
        for epoch in range(start // step, (stop - 1) // step + 1):
            inside = min(stop, (epoch + 1) * step) - max(start, epoch * step)
            worked[epoch] = worked.get(epoch, 0) + inside * int(run["chips"])
    return worked


class PowerHolder:
    """The feed's holder: its keys, what it recorded, and the folder in which the lab gets it.

    Args:
        plan: the lab's true runs; the chips draw power whatever its meters sign.
    """

    def __init__(self, plan: LabPlan, agreement: Agreement, key: SigningKey, folder: Path) -> None:
        self._key, self.folder, self._terms = key, folder, agreement
        self._worked, self._busy = worked_ms(plan, agreement), busy_watts(plan)
        self._all_ms = 1000 * agreement.epoch_seconds * sum(meter.chips for meter in plan.meters)
        self._records = FeedRecords(agreement.digest, FEED)
        folder.mkdir(mode=0o700, parents=True)

    def joules(self, epoch: int) -> int:
        """What the feed drew in an epoch, by the rule."""
        worked = self._worked.get(epoch, 0)
        return (self._busy * worked + ON_AND_IDLE * (self._all_ms - worked)) // 1000

    def confirm(self, period: int) -> bytes:
        """The feed's word on a whole period, with both keys, for the log."""
        first, last = self._terms.period_epochs(period)
        root = self._records.root(range(first, last + 1))
        return encode_entry(sign_entry(self._key, FeedPeriodEntry(self._terms.digest, FEED, period, root)))

    def publish(self, epochs: Iterable[int]) -> list[bytes]:
        """Record epochs, give them to the lab, and return their entries for the log; the same when asked again."""
        entries = []
        for epoch in epochs:
            if self._records.note(epoch, self.joules(epoch)):
                write_new(self.folder / joules_name(FEED, epoch), self._records.opened(epoch).encode(), 0o600)
            entry = JoulesEntry(self._terms.digest, FEED, epoch, self._records.opened(epoch).leaf)
            self._records.seal(epoch, encode_entry(sign_entry(curve_half(self._key), entry)))
            entries.append(self._records.epochs[epoch].entry)
        return entries
