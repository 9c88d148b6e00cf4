"""Which of a log's stored heads the page carries: those that show the visitor's browser what this program found."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.base.errors import ClaimsError

if TYPE_CHECKING:
    from claims.claim.published import PublishedEntries
    from claims.tlog.checkpoint import SignedCheckpoint
    from claims.tlog.reader import LogView

__all__ = ["telling_heads"]


def telling_heads(source: Path, view: LogView, agreements: Iterable[Agreement], now: int) -> list[int]:
    """Sizes of the stored heads that date decisions, assents and transfers of cap, that are in use for a lab, and that show which
    epochs were in time or late; what speaks for somebody before what speaks against."""
    from claims.claim.published import PublishedEntries
    from claims.status.compute import log_trust
    from claims.tlog.reader import open_log
    from claims.tlog.source import FolderSource

    sizes: dict[int, None] = {}
    accusing: dict[int, None] = {}
    for agreement in agreements:
        trust = log_trust(agreement)
        if trust is None:
            continue
        try:
            own = view if trust == view.trust else open_log(FolderSource(source, "log"), trust, bare=True)
            published = PublishedEntries(agreement, enumerate([*own.entries, *own.tail]), own.size)
            sizes.update(dict.fromkeys(_dating(agreement, published, own)))
            for lab in agreement.labs:
                excusing, others = _of_lab(agreement, lab.name, published, own.without({lab.name}), now)
                sizes.update(dict.fromkeys(excusing))
                accusing.update(dict.fromkeys(others))
        except ClaimsError:
            continue
    return [*sizes, *(size for size in accusing if size not in sizes)]


def _dating(agreement: Agreement, published: PublishedEntries, view: LogView) -> Iterator[int]:
    from claims.decisions.log import barred, logged_decisions
    from claims.tlog.errors import LogError

    for item in logged_decisions(agreement, published, view).values():
        for word in item.decisive:
            yield view.dated_by(word.index, barred(agreement, word.decider))
    for period in range(agreement.first_period, agreement.periods):
        for transfer, index in published.transfers(period):
            try:
                yield view.dated_by(index, barred(agreement, transfer.giver) | {transfer.receiver})
            except LogError:
                continue
    if agreement.deadlines is None or agreement.deadlines.sign_by is None:
        return
    for party in agreement.parties:
        entry = published.assent(party.name)
        if entry is not None:
            try:
                yield view.dated_by(entry[1], barred(agreement, party.name))
            except LogError:
                continue


class _Word:
    """Heads by the time that one signer, or a quorum, gives them: the largest head of a moment or before."""

    def __init__(self, dated: Iterable[tuple[int | None, int]]) -> None:
        ordered = sorted((time, size) for time, size in dated if time is not None)
        self._times = [time for time, _ in ordered]
        self._sizes: list[int] = []
        for _, size in ordered:
            self._sizes.append(max(size, self._sizes[-1] if self._sizes else 0))

    def largest(self, moment: int) -> int:
        """0: none."""
        at = bisect_right(self._times, moment)
        return self._sizes[at - 1] if at else 0


def _of_lab(
    agreement: Agreement, lab: str, published: PublishedEntries, view: LogView, now: int
) -> tuple[list[int], list[int]]:
    """Heads that show a lab's epochs in time, or who cosigned them late; and heads that show them late."""
    from claims.verify.lateness import own_word

    in_use = [view.size] if view.size else []
    if agreement.deadlines is None or agreement.log is None:
        return in_use, []
    barred = view.exclude | view.trust.witnesses | {lab, agreement.log.operator}
    heads: list[tuple[int, SignedCheckpoint]] = sorted(view.heads().items())
    stored = [size for size, _ in heads]
    quorum = _Word((head.quorum_time(view.trust, barred), size) for size, head in heads if size <= view.size)
    single = [_Word((head.times.get(name), size) for size, head in heads) for name in sorted(view.trust.cosigners.keys() - barred)]
    if own_word(agreement, lab):
        single.append(_Word((head.dated and head.dated[0], size) for size, head in heads))
    as_of = [head.as_of(view.trust, barred) or 0 for _, head in heads]
    excusing, accusing = dict.fromkeys(in_use), {}
    for epoch in range(agreement.first_period * agreement.epochs_per_period, agreement.periods * agreement.epochs_per_period):
        deadline = agreement.epoch_span(epoch)[1] + agreement.deadlines.epoch
        if deadline >= now:
            break
        found = published.epoch(lab, epoch, all_=True)
        if found is None:
            continue
        size = quorum.largest(deadline)
        if size > found[1]:
            excusing[size] = None
            continue
        early = [size for size in (word.largest(deadline) for word in single) if size > found[1]]
        excusing.update(dict.fromkeys(early))
        at = bisect_right(stored, found[1])
        if not early:
            before = max(range(at), key=lambda i: as_of[i], default=None)
            accusing.update(dict.fromkeys(stored[at : at + 1] + ([] if before is None else [stored[before]])))
    return list(excusing), list(accusing)
