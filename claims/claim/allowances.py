"""Transfers of cap between labs for one period: which ones count, in a copy of the log, and what a lab's total cap becomes.

    entries of one period, in the log's order --void by index alone--> standing --dated before the period began--> counting

Nothing is clamped: a transfer counts whole or not at all. Only a lab's own agreed cap is given, never what it received, and a gift
makes no room under its giver's ceiling: so no set of dates that a mirror shows adds up to more than the agreed caps, or lifts a lab
over its ceiling. FORMATS-log.md section 9.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from claims.agreement.model import Agreement
from claims.base.errors import ClaimRejected
from claims.base.units import format_time, format_work
from claims.claim.entries import encode_entry
from claims.claim.entry_kinds import TransferEntry
from claims.claim.file import Claim
from claims.claim.published import PublishedEntries

__all__ = ["Dated", "Transfer", "counting_total", "listed_total", "misjudged", "to_list", "transfers_of"]

Dated = Callable[[int, frozenset[str]], "int | None"]
"""When a quorum without these parties, and without the log's operator, had seen the entry of an index; None: nothing dates it."""


@dataclass(frozen=True)
class Transfer:
    """A transfer in a copy of the log.

    Attributes:
        digest: SHA-256 of the entry, by which a claim lists it.
        void: why it never counts, whoever reads; or "".
        date: when a quorum without the operator, the giver and the receiver had seen it, by this copy, or None.
        begin: of its period, Unix seconds: it counts if it is dated before.
    """

    entry: TransferEntry
    index: int
    digest: bytes
    void: str
    date: int | None
    begin: int

    @property
    def counts(self) -> bool:
        """Whether it counts, by this copy of the log."""
        return not self.void and self.date is not None and self.date < self.begin

    @property
    def state(self) -> str:
        """In words, for a list."""
        if self.void:
            return f"void: {self.void}"
        if self.date is None:
            return "does not count: this copy of the log does not date it"
        dated = f"dated {format_time(self.date)}"
        return f"counts, {dated}" if self.counts else f"does not count: {dated}, when the period had begun"

    @property
    def text(self) -> str:
        """What it moves."""
        return f"{format_work(self.entry.amount)} moved from {self.entry.giver} to {self.entry.receiver} (serial {self.entry.serial})"

    def toward(self, lab: str) -> int:
        """What it adds to a lab's total cap, units of 10^12 FLOP; negative for its giver."""
        return self.entry.amount * ((self.entry.receiver == lab) - (self.entry.giver == lab))


def transfers_of(published: PublishedEntries, period: int, dated: Dated) -> tuple[Transfer, ...]:
    """All transfers for a period under the agreement of ``published``, in the log's order.

    Raises:
        ClaimRejected: check ``period``: the agreement has no such period.
    """
    agreement = published.agreement
    begin, found = agreement.period_span(period)[0], []
    given: dict[str, int] = {}
    received: dict[str, int] = {}
    for entry, index in published.transfers(period):
        void = _void(agreement, entry, given.get(entry.giver, 0), received.get(entry.receiver, 0))
        if not void:
            given[entry.giver] = given.get(entry.giver, 0) + entry.amount
            received[entry.receiver] = received.get(entry.receiver, 0) + entry.amount
        date = dated(index, frozenset({entry.giver, entry.receiver}))
        found.append(Transfer(entry, index, hashlib.sha256(encode_entry(entry)).digest(), void, date, begin))
    return tuple(found)


def _void(agreement: Agreement, entry: TransferEntry, given: int, received: int) -> str:
    """Why a transfer is void after what the log has before it; "" if it stands."""
    giver, receiver = agreement.lab(entry.giver), agreement.lab(entry.receiver)
    if given + entry.amount > giver.caps_at(entry.period).total:
        return f"{giver.name} would give more than its own agreed total"
    if receiver.ceiling is None:
        return f"{receiver.name} has no ceiling, and receives nothing"
    if receiver.caps_at(entry.period).total + received + entry.amount > receiver.ceiling:
        return f"{receiver.name} would come above its ceiling, {format_work(receiver.ceiling)}"
    return ""


def counting_total(agreement: Agreement, lab: str, period: int, transfers: Iterable[Transfer]) -> int:
    """A lab's total cap for a period with the transfers that count by this copy of the log, units of 10^12 FLOP."""
    return agreement.lab(lab).caps_at(period).total + sum(item.toward(lab) for item in transfers if item.counts)


def listed_total(agreement: Agreement, lab: str, period: int, listed: Collection[bytes], transfers: Iterable[Transfer]) -> int:
    """The total cap that a claim is proven under: the agreed one with the transfers that it lists, whatever dates they have here.

    Args:
        listed: SHA-256 of entries. What this copy of the log does not have is left out; see :func:`claims.verify.allowances.missing`.

    Raises:
        ClaimRejected: check ``lists``: one concerns another lab, or what is listed gives more than there is.
    """
    total = agreement.lab(lab).caps_at(period).total
    for item in transfers:
        if item.digest in listed:
            if not item.toward(lab):
                raise ClaimRejected("lists", f"the claim lists a transfer between other labs: {item.text}")
            total += item.toward(lab)
    if not 0 <= total < 2**64:
        raise ClaimRejected("lists", f"the transfers that the claim lists leave lab {lab} no total cap that can be")
    return total


def to_list(lab: str, transfers: Iterable[Transfer]) -> list[Transfer]:
    """What a lab's claim lists: all that it gave and that stand, whatever dates they have, and what it received of those that count.

    So the claim is over at no mirror for a gift that one dates and another does not.
    """
    return [item for item in transfers if (not item.void and item.toward(lab) < 0) or (item.counts and item.toward(lab) > 0)]


def misjudged(claim: Claim, agreement: Agreement, transfers: Collection[Transfer]) -> list[str]:
    """Why a claim is over by this copy of the log: its list gives it a higher total than the transfers that count. Empty: it does not."""
    lab, listed = claim.lab, frozenset(claim.transfers)
    most = counting_total(agreement, lab, claim.period, transfers)
    stated = listed_total(agreement, lab, claim.period, listed, transfers)
    if stated <= most:
        return []
    out = [f"its total is {format_work(stated)} with the transfers that it lists, and {format_work(most)} with those that count here"]
    for item in transfers:
        if item.digest in listed and item.toward(lab) > 0 and not item.counts:
            out.append(f"listed: {item.text}; {item.state}")
        elif item.counts and item.entry.giver == lab and item.digest not in listed:
            out.append(f"not listed: {item.text}")
    return out
