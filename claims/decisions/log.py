"""Decisions in the log: who entered one, when, and from when on it counts (FORMATS.md section 9)."""

from __future__ import annotations

from dataclasses import dataclass

from claims.agreement.model import Agreement
from claims.claim.entry_kinds import DECISIONS
from claims.claim.published import PublishedEntries
from claims.decisions.file import Content
from claims.decisions.life import Counted, is_lifted, lifted_spans
from claims.tlog.errors import LogError
from claims.tlog.reader import LogView

__all__ = ["Logged", "Word", "barred", "lifted_by", "logged_decisions"]


@dataclass(frozen=True, order=True)
class Word:
    """A decider's first entry of a decision: when the log had it (Unix seconds), where (index), whose it is."""

    date: int
    index: int
    decider: str


@dataclass(frozen=True)
class Logged:
    """A decision as the log has it.

    Attributes:
        quorum: how many deciders it takes.
        entered: deciders whose entry is there, in the log's order.
        words: those of them that something dates, by date.
    """

    content: Content
    quorum: int
    entered: tuple[str, ...]
    words: tuple[Word, ...]

    @property
    def decisive(self) -> tuple[Word, ...]:
        """The words that make it count, the last of them when it begins to; empty where it does not count."""
        return self.words[: self.quorum] if len(self.words) >= self.quorum else ()

    def counted(self, agreement: Agreement) -> Counted | None:
        """From when on it counts: what it states, or the later date of the last decisive word. None: not at all."""
        if not self.decisive:
            return None
        deciders = tuple(sorted(word.decider for word in self.words))
        return Counted(agreement.digest, self.content, max(self.content[1], self.decisive[-1].date), deciders)


def barred(agreement: Agreement, decider: str) -> frozenset[str]:
    """Whose cosignatures do not date a decider's entry."""
    return frozenset({decider} if agreement.log is None else {decider, agreement.log.operator})


def lifted_by(published: PublishedEntries, view: LogView, period: int) -> bool:
    """Whether the decisions that the log has lifted the pause at some moment of a period. ``published``: the entries of ``view``."""
    agreement = published.agreement
    counted = [item.counted(agreement) for item in logged_decisions(agreement, published, view).values()]
    return is_lifted(agreement, lifted_spans(agreement, [item for item in counted if item is not None]), period)


def logged_decisions(agreement: Agreement, published: PublishedEntries, view: LogView) -> dict[Content, Logged]:
    """Every decision of which the log has an entry. ``published``: the entries of ``view`` under the agreement."""
    if agreement.pause is None:
        return {}
    found: dict[Content, list[tuple[str, int]]] = {}
    for entry, index in published.decisions():
        found.setdefault((DECISIONS[entry.decision], entry.effective, entry.reason), []).append((entry.decider, index))
    out = {}
    for content, entries in found.items():
        words = []
        for name, index in entries:
            try:
                words.append(Word(view.committed_time(index, barred(agreement, name)), index, name))
            except LogError:
                continue
        out[content] = Logged(content, agreement.pause.quorum, tuple(name for name, _ in entries), tuple(sorted(words)))
    return out
