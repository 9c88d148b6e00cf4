"""Losses over time: a loss is said in the log before its first epoch is, and lasts until somebody who inspects, or a new key, ends it.

Else a lab that is over its caps declares a meter lost when the period is over, or lets losses go round. What a reader's copy of the log
decides here makes no proof valid or invalid: the statement follows from the agreement and the claim alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.base.errors import ClaimRejected
from claims.claim.entry_kinds import IS_BACK, IS_LOST, LossEntry
from claims.claim.file import Claim
from claims.claim.losses import lost_meters

if TYPE_CHECKING:
    from claims.claim.published import PublishedEntries

__all__ = ["check_history"]


def check_history(
    claim: Claim, terms: Agreement, before: tuple[Claim, Agreement] | None, published: PublishedEntries | None
) -> None:
    """Hold the losses of a claim against those of the claim before, and against the log.

    Args:
        before: that claim and the agreement that holds for it; None for the lab's first.
        published: the log's entries under ``terms``; None where there is no log, or it is not at hand. Where a log is agreed, and
            not at hand up to the period's last epoch, nothing is judged: what is missing rejects nothing.

    Raises:
        ClaimRejected: check ``continuity`` or ``log``.
    """
    if terms.log is not None and not _has_epochs(claim, published):
        return  # the verdict waits for the log, or for a newer copy of it
    lost = lost_meters(terms, claim)
    still = {} if before is None else _still_lost(claim, terms, *before)
    said = _Said(claim, published)
    for name, meter in still.items():
        if lost.get(name) != claim.first_epoch and not said.back(meter):
            what = f"meter {name} was lost in the claim before, and is not listed as lost from epoch {claim.first_epoch} on"
            raise ClaimRejected("continuity", f"{what}: an inspector's word in the log ends a loss, or an amendment with a new key")
    if published is None:
        return
    by_name = {meter.name: meter for meter in terms.lab(claim.lab).meters}
    for name, first in lost.items():
        goes_on = name in still and first == claim.first_epoch  # whatever a rival says in the log
        if not goes_on and first not in said.lost(by_name[name]):
            what = f"the claim lists meter {name} as lost from epoch {first} on"
            raise ClaimRejected("log", f"{what}, and the log does not have that before its entry of epoch {first}")
    for meter in by_name.values():
        for first in said.lost(meter):
            if lost.get(meter.name, first + 1) > first:
                what = f"meter {meter.name} is lost from epoch {first} on, as the lab said in the log"
                raise ClaimRejected("log", f"{what}, and the claim does not list it from there on")


def _has_epochs(claim: Claim, published: PublishedEntries | None) -> bool:
    """Whether this copy of the log has the entries of all epochs of a claim, and with them all that was said before."""
    epochs = range(claim.first_epoch, claim.last_epoch + 1)
    return published is not None and all(published.epoch(claim.lab, epoch) is not None for epoch in epochs)


def _still_lost(claim: Claim, terms: Agreement, before: Claim, earlier: Agreement) -> dict[str, Meter]:
    """Meters of the claim that the claim before lists as lost, under the same key."""
    keys = {meter.name: meter.agreed_key for meter in earlier.lab(before.lab).meters}
    lost = lost_meters(earlier, before)
    return {meter.name: meter for meter in terms.lab(claim.lab).meters if meter.name in lost and keys[meter.name] == meter.agreed_key}


class _Said:
    """What the log has of losses that begin or end in a claim's period, each said before its epoch's entry."""

    def __init__(self, claim: Claim, published: PublishedEntries | None) -> None:
        self._found: set[tuple[int, str, int, int]] = set()
        self._first, self._epochs = claim.first_epoch, range(claim.first_epoch, claim.last_epoch + 1)
        for entry, index in [] if published is None else published.losses(claim.lab):
            if entry.epoch in self._epochs and self._in_time(entry, index, published):
                self._found.add((entry.what, entry.name, entry.word, entry.epoch))

    @staticmethod
    def _in_time(entry: LossEntry, index: int, published: PublishedEntries | None) -> bool:
        epoch = None if published is None else published.epoch(entry.lab, entry.epoch)
        return epoch is not None and index < epoch[1]

    def _of(self, meter: Meter, word: int) -> set[int]:
        names = [(1, meter.name), *([] if meter.site is None else [(2, meter.site)])]
        return {epoch for what, name, said, epoch in self._found if (what, name) in names and said == word}

    def lost(self, meter: Meter) -> set[int]:
        """Epochs of the period from which on the lab said that a meter, or its site, is lost."""
        return self._of(meter, IS_LOST)

    def back(self, meter: Meter) -> bool:
        """Whether somebody else said that it is back from the period's first epoch on."""
        return self._first in self._of(meter, IS_BACK)
