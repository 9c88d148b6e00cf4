"""Who was late: a lab with its epochs' entries, the cosigners with a head, the operator with an entry that it was given.

An epoch is in time where any one signed word says so: a quorum's date, one cosigner's, the log's own date on a head (but for its
operator's own lab), or one party's receipt. It is late only where none does and a signed word says the contrary: the log's date of
the head that first had the entry, or a quorum that signed a head without it after the deadline. A mirror that removes dates can
therefore make an epoch undated, never late; two rivals who cosign late make nobody late. One party that lies for a lab can excuse
its lateness, and nothing else: rounds that draw, and when a claim counts, go by a quorum's date alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claims.agreement.model import Agreement
from claims.claim.entries import unsigned_bytes
from claims.claim.entry_kinds import Entry
from claims.claim.published import PublishedEntries
from claims.tlog.dates import HeadDates
from claims.tlog.errors import LogError
from claims.tlog.reader import LogView

__all__ = ["Delivered", "Lateness", "claim_late", "judge_lateness", "lateness_of", "own_word", "shown_by"]

Delivered = Mapping[tuple[object, ...], Sequence[tuple[Entry, Mapping[str, int]]]]
"""An entry's identity to the entries of it that parties countersigned, each with the parties' times."""


@dataclass(frozen=True)
class Lateness:
    """A lab's epochs of one period.

    Attributes:
        ended: epochs that are over; ``published``: those with an entry under the head in use.
        late: shown to have come late; ``undated``: neither shown to be late nor in time.
        cosigned_late: in the log in time, while a quorum saw it late or not yet; ``cosigners``: who had not cosigned in time.
        held_back: delivered in time by a party's receipt, and published by the operator only later, or not at all.
        unit: "hours" or "epochs".
    """

    ended: int
    published: int
    late: int = 0
    undated: int = 0
    cosigned_late: int = 0
    cosigners: tuple[str, ...] = ()
    held_back: int = 0
    unit: str = "epochs"

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "ended": self.ended, "published": self.published, "late": self.late, "undated": self.undated,
            "cosigned_late": self.cosigned_late, "cosigned_late_by": list(self.cosigners), "held_back": self.held_back,
        }  # fmt: skip

    def notes(self, operator: str) -> list[str]:
        """What every reader is told, in sentences without a full stop."""
        out = []
        if self.late:
            out.append(f"{self.late} of {self.ended} {self.unit} committed late")
        if self.undated:
            out.append(f"{self.undated} of {self.ended} {self.unit} not shown to be in time: this copy of the log lacks their dates")
        if self.cosigned_late:
            who = ", ".join(self.cosigners)
            out.append(f"{self.cosigned_late} of {self.ended} {self.unit} in the log in time and cosigned late by {who}")
        if self.held_back:
            what = f"delivered in time, as other parties' receipts say, and held back by the log's operator {operator}"
            out.append(f"{self.held_back} of {self.ended} {self.unit} {what}")
        return out


def judge_lateness(agreement: Agreement, found: Lateness) -> tuple[str, list[str]]:
    """Whether a claim with this lateness is "rejected", "open" (dates are missing) or neither (""), and what to say of it."""
    notes = found.notes("" if agreement.log is None else agreement.log.operator)
    most = None if agreement.deadlines is None else agreement.deadlines.late_epochs
    if most is None or found.late + found.undated <= most:
        return "", notes
    return ("rejected" if found.late > most else "open"), [*notes, f"the agreement allows {most} late"]


def own_word(agreement: Agreement, lab: str) -> bool:
    """Whether the log's own dates count for a lab: not where it runs the log."""
    return agreement.log is not None and agreement.log.operator != lab


def shown_by(view: LogView, agreement: Agreement, lab: str) -> HeadDates:
    """The dates that count for a lab's entries."""
    operator = () if agreement.log is None else (agreement.log.operator,)
    return HeadDates.of(view, {lab, *operator}, own_word(agreement, lab))


def lateness_of(
    agreement: Agreement, lab: str, period: int, now: int, published: PublishedEntries | None, view: LogView | None,
    delivered: Delivered | None = None,
) -> Lateness:  # fmt: skip
    """A lab's epochs of a period at a moment. ``published``: of ``view``, under the agreement; None where no log can be used."""
    first, last = agreement.period_epochs(period)
    ended = max(0, min(last + 1, (now - agreement.start) // agreement.epoch_seconds) - first)
    unit = "hours" if agreement.epoch_seconds == 3600 else "epochs"
    if published is None or view is None or agreement.log is None:
        return Lateness(ended, 0, unit=unit)
    count = sum(published.epoch(lab, epoch) is not None for epoch in range(first, first + ended))
    if agreement.deadlines is None:
        return Lateness(ended, count, unit=unit)
    judge = _Judge(agreement, lab, published, view, delivered or {})
    names: set[str] = set()
    found = {"late": 0, "undated": 0, "cosigned late": 0, "held back": 0}
    for epoch in range(first, first + ended):
        deadline = agreement.epoch_span(epoch)[1] + agreement.deadlines.epoch
        kind, behind = judge.epoch(epoch, deadline) if now > deadline else ("", [])
        names.update(behind)
        if kind:
            found[kind] += 1
    return Lateness(ended, count, found["late"], found["undated"], found["cosigned late"], tuple(sorted(names)), found["held back"], unit)


def claim_late(
    agreement: Agreement, lab: str, period: int, due: int, published: PublishedEntries, view: LogView, delivered: Delivered | None = None
) -> bool:
    """Whether the entry of a lab's claim, which the log has, is shown to have come after its deadline: as for an epoch's entry."""
    judge = _Judge(agreement, lab, published, view, delivered or {})
    return judge.entry(published.claim(lab, period), (2, agreement.digest, lab, period), due)[0] == "late"


class _Judge:
    """Judges single entries of a lab whose deadlines have passed."""

    def __init__(self, agreement: Agreement, lab: str, published: PublishedEntries, view: LogView, delivered: Delivered) -> None:
        self._lab, self._published, self._view, self._delivered = lab, published, view, delivered
        self._dates = shown_by(view, agreement, lab)
        self._barred = frozenset({lab} if agreement.log is None else {lab, agreement.log.operator})
        self._digest = agreement.digest
        self._whole = self._dates.absent(view.size + len(view.tail))

    def epoch(self, epoch: int, deadline: int) -> tuple[str, list[str]]:
        """One of "" (in time), "late", "undated", "cosigned late", "held back", and who cosigned late."""
        return self.entry(self._published.epoch(self._lab, epoch, all_=True), (1, self._digest, self._lab, epoch), deadline)

    def entry(self, found: tuple[Entry, int] | None, identity: tuple[object, ...], deadline: int) -> tuple[str, list[str]]:
        """As :meth:`epoch`, of any entry of the lab, with its index in the log; None where the log has none."""
        logged = found is not None and found[1] < self._view.size + len(self._view.tail)
        if found is None or not logged:
            if self._received(None if found is None else found[0], identity, deadline):
                return "held back", []
            return ("late" if self._whole is not None and self._whole > deadline else ""), []
        entry, index = found
        quorum = self._quorum(index)
        if quorum is not None and quorum <= deadline:
            return "", []
        seen = self._dates.seen(index)
        if seen is not None and seen <= deadline:
            return "cosigned late", self._dates.behind(index, deadline)
        if self._received(entry, identity, deadline):
            return "held back", []
        words = (self._dates.published(index), self._dates.absent(index))
        return ("late" if any(word is not None and word > deadline for word in words) else "undated"), []

    def _quorum(self, index: int) -> int | None:
        try:
            return self._view.committed_time(index, self._barred)
        except LogError:
            return None

    def _received(self, entry: Entry | None, identity: tuple[object, ...], deadline: int) -> bool:
        """Whether a party that counts had an entry of this identity in time; of several, the one that is in the log."""
        given = self._delivered.get(identity, ())
        return any(
            times and min(times.values()) <= deadline
            for item, times in given
            if entry is None or unsigned_bytes(item) == unsigned_bytes(entry)
        )
