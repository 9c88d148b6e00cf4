"""What is known of one agreement while a folder is judged: its log, its claims so far, and what lies beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from claims.agreement.model import Agreement
from claims.claim.entry_parts import Identity
from claims.claim.published import PublishedEntries
from claims.decisions.life import is_lifted
from claims.status.folder import SignedAgreement, Stored, open_stored, read_stored
from claims.tlog.errors import LogError
from claims.tlog.reader import LogView
from claims.verify.lateness import Delivered
from claims.verify.log_state import LogState, log_state, uncosigned

__all__ = ["Against", "Beside", "Book", "Findings"]


@dataclass
class Book:
    """One agreement, its log, and what was found so far.

    Attributes:
        unsigned: parties whose assent is missing, or came too late.
        verified: the claim accepted for (lab, period).
        waiting: where a claim is not here; ``open``: where it cannot be judged, by no fault of the lab; ``judged``: all that have a row.
        voided: inspections of which evidence shows that their author contradicted itself.
    """

    signed: SignedAgreement
    before: Book | None
    now: int
    view: LogView | None = None
    published: PublishedEntries | None = None
    log: LogState | None = None
    log_problem: str | None = None
    delivered: Delivered = field(default_factory=dict)
    lifted: list[tuple[int, int]] = field(default_factory=list)
    verified: dict[tuple[str, int], Stored] = field(default_factory=dict)
    unsigned: Sequence[str] = ()
    waiting: set[tuple[str, int]] = field(default_factory=set)
    open: set[tuple[str, int]] = field(default_factory=set)
    judged: set[tuple[str, int]] = field(default_factory=set)
    voided: set[Identity] = field(default_factory=set)
    labs: dict[str, Book] = field(default_factory=dict)

    @property
    def agreement(self) -> Agreement:
        """The agreement of this book."""
        return self.signed.agreement

    @property
    def operator(self) -> str:
        """The party that runs the log; "" where none is agreed."""
        return "" if self.agreement.log is None else self.agreement.log.operator

    @property
    def usable(self) -> bool:
        """Whether the log has a head that counts, or none is agreed."""
        return self.agreement.log is None or (self.log is not None and self.log.size is not None)

    def committed(self, index: int, party: str) -> int | None:
        """When a quorum without the operator and that party had seen a log entry, or None."""
        if self.view is None or self.agreement.log is None:
            return None
        try:
            return self.view.committed_time(index, exclude=frozenset({party, self.agreement.log.operator}))
        except LogError:
            return None

    def for_lab(self, lab: str) -> Book:
        """This book with the log as it is without that lab's own cosignatures: no lab vouches for itself."""
        if lab not in self.labs:
            self.labs[lab] = self._without(lab)
        return self.labs[lab]

    def _without(self, lab: str) -> Book:
        if self.view is None or self.published is None:
            return self
        view = self.view.without({lab})
        state, problem = log_state(view, self.agreement, self.now), self.log_problem
        if state.size is None and problem is None:
            problem = f"for lab {lab}: {state.head()}: {uncosigned(state.behind)}"
        return replace(self, view=view, log=state, log_problem=problem, published=self.published.counting(view.size))

    def is_lifted(self, period: int) -> bool:
        """Whether the pause was lifted at some moment of a period."""
        return is_lifted(self.agreement, self.lifted, period)

    def at(self, period: int, lab: str) -> Book:
        """The book that answers for a lab's period: this one, or an amended agreement's."""
        book = self
        while book.before is not None and period < book.agreement.first_period:
            book = book.before.for_lab(lab)
        return book

    def amended(self) -> list[Agreement]:
        """The agreements that this one amends, the latest first."""
        found, book = [], self.before
        while book is not None:
            found.append(book.agreement)
            book = book.before
        return found


@dataclass(frozen=True)
class Against:
    """Evidence against a claim. ``by_meter``: the meter whose key it rests on, and the last epoch that it is about; None: no meter's."""

    text: str
    by_meter: tuple[str, int] | None


@dataclass(frozen=True)
class Beside:
    """What lies beside claims, by SHA-256. ``jobs``: processes that check the proofs of a claim with sites."""

    roots: dict[bytes, Stored]
    records: dict[bytes, Stored]
    proofs: dict[bytes, Stored]
    jobs: int = 1

    def proof(self, digest: bytes) -> bytes | None:
        """A proof file, or None where it is not here."""
        return read_stored(self.proofs[digest]) if digest in self.proofs else None

    def root_file(self, digest: bytes) -> BinaryIO | None:
        """A roots file, open, or None where it is not here."""
        return open_stored(self.roots[digest]) if digest in self.roots else None

    def record(self, digest: bytes) -> bytes | None:
        """The record of an inspection, or None where it is not here."""
        return read_stored(self.records[digest]) if digest in self.records else None


@dataclass
class Findings:
    """What concerns no single period.

    Attributes:
        breaches: by others than a lab in a period.
        gaps: what leaves the answer open: why periods before the agreement cannot be judged, a newer head that nobody vouches for.
        against: (agreement, lab, period) to the evidence for which its claim is rejected.
    """

    breaches: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    against: dict[tuple[bytes, str, int], list[Against]] = field(default_factory=dict)
