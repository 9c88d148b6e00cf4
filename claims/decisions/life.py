"""An agreement's life: draft, signed, in force, amended, lifted, expired; and in which spans of time it was lifted."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from claims.agreement.bounds import MAX_TIME
from claims.agreement.model import Agreement
from claims.base.hybrid import goes_on
from claims.base.units import format_time
from claims.claim.keys import KeyBook
from claims.decisions.file import Content, Decision

__all__ = ["STATES", "Counted", "Life", "is_lifted", "keeps_calendar", "life_of", "lifted_spans"]

STATES = ("draft", "signed", "in force", "amended", "lifted", "expired")
_END = MAX_TIME + 1


@dataclass(frozen=True)
class Life:
    """``state``: one of :data:`STATES`; ``reason``: in words; ``successor``: digest of the amendment that took over."""

    state: str
    reason: str
    successor: bytes | None = None


@dataclass(frozen=True)
class Counted:
    """A decision that counts, from ``effective`` on: what it states, or the later moment at which the log had it. Unix seconds.

    ``content``: what was decided; ``deciders``: who made it count.
    """

    agreement: bytes
    content: Content
    effective: int
    deciders: tuple[str, ...]

    @property
    def decision(self) -> str:
        """lift or trigger."""
        return self.content[0]


def lifted_spans(agreement: Agreement, decisions: Sequence[Counted | Decision]) -> list[tuple[int, int]]:
    """Spans [begin, end) of Unix seconds, ascending and apart, in which the pause was lifted. ``decisions``: those that count.

    They count in order of their effective time; of two with one moment, ``trigger`` is the later one.
    """
    spans: list[tuple[int, int]] = []
    begin: int | None = None
    for item in sorted(decisions, key=lambda item: (item.effective, item.decision == "trigger")):
        if item.agreement != agreement.digest:
            continue
        if item.decision == "lift" and begin is None:
            begin = item.effective
        elif item.decision == "trigger" and begin is not None:
            if item.effective > begin:
                spans.append((begin, item.effective))
            begin = None
    if begin is not None:
        spans.append((begin, _END))
    return spans


def is_lifted(agreement: Agreement, spans: Sequence[tuple[int, int]], period: int) -> bool:
    """Whether the pause was lifted at some moment of a period. ``spans``: those of :func:`lifted_spans`."""
    if not agreement.first_period <= period < agreement.periods:
        return False
    begin, end = agreement.period_span(period)
    at = bisect_right(spans, begin, key=lambda span: span[1])
    return at < len(spans) and spans[at][0] < end


def life_of(
    agreement: Agreement,
    unsigned: Sequence[str],
    *,
    now: int,
    successors: Sequence[Agreement] = (),
    decisions: Sequence[Counted | Decision] = (),
    keys: KeyBook | None = None,
) -> Life:
    """The agreement's state at a moment.

    Args:
        unsigned: parties whose assent is missing.
        now: Unix seconds.
        successors: amendments of this agreement that every one of their parties has signed; one that lacks a party of this agreement,
            under a key that it has or had here, takes nothing over. Who has no key any more is in it by name.
        decisions: those that count.
        keys: as a log changed them, or None.
    """
    begin = agreement.epoch_span(agreement.first_period * agreement.epochs_per_period)[0]
    end = agreement.epoch_span(agreement.periods * agreement.epochs_per_period)[0]
    if unsigned:
        return Life("draft", f"not signed by {', '.join(unsigned)}")
    begun = [item for item in successors if _took_over(agreement, item, now, keys)]
    if begun:
        first = min(begun, key=lambda item: (item.first_period, item.digest))
        return Life("amended", f"replaced from period {first.first_period} on by {first.digest.hex()}", first.digest)
    if now >= end:
        return Life("expired", f"its last period ended at {format_time(end)}")
    for since, until in lifted_spans(agreement, decisions):
        if since <= now < until:
            return Life("lifted", f"the pause is lifted since {format_time(since)}")
    if now < begin:
        return Life("signed", f"begins at {format_time(begin)}")
    return Life("in force", f"since {format_time(begin)}, until {format_time(end)}")


def keeps_calendar(one: Agreement, other: Agreement) -> bool:
    """Whether two agreements have one start, epoch and period, so that a period's number means the same in both."""
    calendars = {(item.start, item.epoch_seconds, item.epochs_per_period) for item in (one, other)}
    return len(calendars) == 1


def _took_over(agreement: Agreement, successor: Agreement, now: int, keys: KeyBook | None) -> bool:
    """Whether an amendment of this agreement, by all its parties, keeps its calendar and its first period has begun."""
    if successor.amends is None or successor.amends.digest != agreement.digest:
        return False
    for party in agreement.parties:
        role = (1, party.name, party.name)
        known = [party.key] if keys is None else [life.key for life in keys.lives(role)]
        keyless = keys is not None and not keys.in_force(role) and any(later.name == party.name for later in successor.parties)
        if not keyless and not any(goes_on(key, later.key) for key in known for later in successor.parties):
            return False
    return keeps_calendar(agreement, successor) and now >= successor.epoch_span(successor.first_period * successor.epochs_per_period)[0]
