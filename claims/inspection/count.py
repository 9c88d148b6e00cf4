"""Which inspections of a claim count, and what follows: one judgement for ``standstill verify`` and ``standstill status``.

An entry in the log says who recorded what. It counts when its author may inspect, its round is the one that draws, and, of a
failure or refusal, its record checks (FORMATS-status.md). Where that record is not at hand nothing follows yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from claims.agreement.model import Agreement
from claims.base.errors import ClaimsError
from claims.base.units import format_time
from claims.claim.entry_kinds import OUTCOMES, InspectionEntry
from claims.claim.entry_parts import Identity
from claims.claim.file import Claim
from claims.claim.published import PublishedEntries
from claims.inspection.binding import heads_digest

__all__ = ["Committed", "Inspected", "Inspections", "count_inspections"]

Committed = Callable[[int, str], int | None]
"""Log index and party to the Unix time by which a quorum without that party and the operator had seen the entry, or None."""
_LAST = 2**63
"""Past every round: stands in where no date says which one draws."""
FINDINGS = {"passed": "it passed", "failed": "an inspection of it failed", "refused": "the lab did not open what was drawn"}


@dataclass(frozen=True)
class Inspected:
    """One inspection entry. ``record``: SHA-256 of its record; ``counts``: None where only the record can tell; ``why`` not."""

    inspector: str
    round: int
    outcome: str
    record: bytes
    index: int
    counts: bool | None
    why: str = ""

    def note(self, lab: str, period: int) -> str:
        """Why it does not count, for a list of what counts for nothing."""
        return f"log entry {self.index}: {self.inspector}'s inspection of lab {lab}, period {period}: {self.why}"


    def unread(self) -> str:
        """What it says, and what alone can tell whether it counts."""
        return f"{self.inspector} recorded that {FINDINGS[self.outcome]}; {self.why}"


@dataclass(frozen=True)
class Inspections:
    """What the log says about inspections of one claim.

    Attributes:
        state: "none" (not agreed, or not drawn yet), "waiting" (nothing counts yet), "open" (a record is needed), "passed", "failed".
        reason: in words; empty for "none".
        entries: every inspection entry of the lab and period.
        opening_due: until when the lab has to have opened, Unix seconds, or None.
    """

    state: str
    reason: str = ""
    entries: tuple[Inspected, ...] = ()
    opening_due: int | None = None


def count_inspections(
    agreement: Agreement, published: PublishedEntries, committed: Committed, claim: Claim, claim_index: int,
    record: Callable[[bytes], bytes | None], now: int, voided: Collection[Identity] = (), seen: Committed | None = None,
) -> Inspections:  # fmt: skip
    """Judge the inspections of a claim that is proven otherwise.

    Args:
        published: the log's entries under the agreement.
        claim_index: of the claim's entry in the log.
        record: SHA-256 of a record file to its bytes, or None where it is not at hand.
        now: Unix seconds.
        seen: dates by any one signer's word, for entries under a newer head that lacks its quorum: they count only against the lab.
        voided: inspections of which evidence shows that their author contradicted itself.
    """
    from claims.inspection.beacon import RoundRejected, round_after, time_of_round
    from claims.inspection.terms import settled

    terms = agreement.inspection
    if terms is None:
        return Inspections("none")
    found = published.inspections(claim.lab, claim.period)
    moments, undated = _moments(agreement, published, committed, claim, claim_index)
    number = None
    if not undated:
        try:
            number = round_after(settled(agreement, claim.period, max(moments)) + terms.margin)
        except RoundRejected:
            undated = "its commitments are dated after the last round that there is to draw from"
    judge = _Judge(
        agreement, committed, record, _LAST if number is None else number, heads_digest(claim.meters, claim.head_after, claim.lists.digest),
        {*voided, *(conflict.first.identity for conflict in published.conflicts)}, published, seen or (lambda index, party: None),
        bool(claim.losses),
    )  # fmt: skip
    if number is None:
        failed = [judge.entry(item, index) for item, index in found if OUTCOMES[item.outcome] == "failed"]
        if accusing := [item for item in failed if item.counts]:
            return Inspections("failed", f"{accusing[0].inspector} recorded that {FINDINGS['failed']}", tuple(failed))
        entries = tuple(_unjudged(item, index, undated) for item, index in found)
        return Inspections("waiting", undated, entries)
    entries = tuple(judge.entry(item, index) for item, index in found)
    for item in entries:
        if item.counts and item.outcome != "passed":
            return Inspections("failed", f"{item.inspector} recorded that {FINDINGS[item.outcome]}", entries)
    unread = [item for item in entries if item.counts is None]
    if accusing := [item for item in unread if item.outcome != "passed"]:
        return Inspections("open", accusing[0].unread(), entries)
    drawn = time_of_round(number)
    if now < drawn:
        return Inspections("none", "", entries)
    due = None if agreement.deadlines is None else drawn + agreement.deadlines.opening
    if any(item.counts for item in entries):
        names = ", ".join(sorted(item.inspector for item in entries if item.counts))
        return Inspections("passed", f"inspected by {names}", entries, due)
    if unread:
        return Inspections("open", unread[0].unread(), entries, due)
    if due is not None and now > due:
        overdue = f"overdue: no inspector has recorded round {number}; to be opened by {format_time(due)}"
        return Inspections("waiting", overdue, entries, due)
    until = "" if due is None else f"; to be opened by {format_time(due)}"
    return Inspections("waiting", f"round {number} is drawn{until}", entries, due)


def _moments(
    agreement: Agreement, published: PublishedEntries, committed: Committed, claim: Claim, claim_index: int
) -> tuple[list[int], str]:
    """When the log had each entry of the period and the claim's; or why no round can be drawn."""
    first, last = agreement.period_epochs(claim.period)
    moments = []
    for epoch in range(first, last + 1):
        entry = published.epoch(claim.lab, epoch)
        moment = None if entry is None else committed(entry[1], claim.lab)
        if moment is None:
            return [], f"nothing dates the entry of epoch {epoch}: no round can be drawn"
        moments.append(moment)
    moment = committed(claim_index, claim.lab)
    if moment is None:
        return [], "nothing dates the claim's entry: no round can be drawn"
    return [*moments, moment], ""


def _unjudged(item: InspectionEntry, index: int, why: str) -> Inspected:
    return Inspected(item.author, item.round, OUTCOMES[item.outcome], item.record, index, False, why)


@dataclass(frozen=True)
class _Judge:
    """Judges single entries. ``number``: the round that draws; ``heads``: digest of the claim's heads; ``voided``: contradicted;
    ``lost``: the claim lists losses."""

    agreement: Agreement
    committed: Committed
    record: Callable[[bytes], bytes | None]
    number: int
    heads: bytes
    voided: Collection[Identity]
    published: PublishedEntries
    seen: Committed
    lost: bool

    def entry(self, item: InspectionEntry, index: int) -> Inspected:
        base = _unjudged(item, index, "")
        why = self._excluded(item, index)
        if why:
            return replace(base, why=why)
        data = self.record(item.record)
        if data is None:
            return replace(base, counts=None, why=f"the record ({item.record.hex()}) is not here, and decides")
        if base.outcome == "refused" and self._moment(item, index) is None:
            return replace(base, counts=None, why="this copy of the log does not say when, and that decides")
        why = self._unsound(item, index, data)
        if not why and base.outcome == "passed" and item.identity in self.voided:
            why = f"{item.author} signed another version of {item.title}: its pass does not count"
        return replace(base, counts=not why, why=why)

    def _excluded(self, item: InspectionEntry, index: int) -> str:
        """Why it does not count whatever its record says.

        A failure or refusal of an earlier possible round counts too: a log's host that hides heads moves dates, and with them the
        round, later, and would else undo it.
        """
        from claims.inspection.beacon import time_of_round

        outcome, deadlines = OUTCOMES[item.outcome], self.agreement.deadlines
        if item.round > self.number or (item.round < self.number and outcome == "passed"):
            return f"of round {item.round}, and {self.number} is the one to draw from"
        if outcome == "passed" and not self.published.counts(index):
            return "the head that has it lacks its cosignatures"
        if outcome == "passed" and (self.committed(index, item.lab) or _LAST) < time_of_round(item.round):
            return "logged before its round was drawn: nobody can have looked at what was drawn"
        if outcome == "refused":
            moment = self._moment(item, index)
            undated = moment is None and not self.published.counts(index)
            if deadlines is None or not undated and (moment is None or moment <= time_of_round(item.round) + deadlines.opening):
                return "refused before the opening was due"
        return ""

    def _moment(self, item: InspectionEntry, index: int) -> int | None:
        """When the log had an entry: by a quorum's word, or, under a newer head, by any one's."""
        moment = self.committed(index, item.lab)
        return self.seen(index, item.lab) if moment is None and not self.published.counts(index) else moment

    def _unsound(self, item: InspectionEntry, index: int, data: bytes) -> str:
        """Why the record does not bear the entry out."""
        from claims.inspection.beacon import round_after
        from claims.inspection.record import Record, check_record, check_record_entry
        from claims.inspection.terms import settled

        terms = self.agreement.inspection
        if terms is None:
            return "the agreement has no inspections"
        try:
            record = Record.decode(data)
            check_record(record, self.published.keys.at(index))
            check_record_entry(record, item)
            drawn = round_after(settled(self.agreement, item.period, record.committed) + terms.margin)
        except ClaimsError as error:
            return error.what
        more = 2 if self.lost or self.agreement.feeds_of(item.lab) else 1  # what is lost, or has no joules, draws another
        if not terms.draws <= record.draws <= more * terms.draws or (record.slots, record.round) != (terms.slots, drawn):
            return "not what was to be drawn: other draws, slots or round"
        if OUTCOMES[item.outcome] == "passed" and record.heads != self.heads:
            return "about other heads than the claim"
        return ""
