"""What the entries of a public log mean under one agreement: which are the first of their kind, and which contradict them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from claims.agreement.model import Agreement
from claims.base.errors import BadSignature, ClaimRejected, MalformedFile
from claims.base.threads import in_threads
from claims.claim.entries import check_entry, decode_entry, encode_entry, same_word
from claims.claim.entry_kinds import (
    AnyEntry,
    AssentEntry,
    ClaimEntry,
    DecisionEntry,
    Entry,
    EpochEntry,
    FeedPeriodEntry,
    InspectionEntry,
    JoulesEntry,
    KeyEntry,
    LossEntry,
    TransferEntry,
)
from claims.claim.entry_parts import Identity
from claims.claim.keys import KeyBook, under_any

__all__ = ["Conflict", "PublishedEntries"]


@dataclass(frozen=True)
class Conflict:
    """Two signed entries with one identity and different content, with their positions in the log."""

    first_index: int
    first: Entry
    second_index: int
    second: Entry


class PublishedEntries:
    """What a log's entries say under one agreement.

    Args:
        agreement: whose keys the authors sign with.
        entries: (index in the log, entry bytes), ascending.
        counted: entries from this index on are signed by the log's operator or their author, and no quorum vouches for them: they count
            only against their author. None: all count.
        logged: entries from this index on are in no log but in receipts: no order of a log says which key was in force, and any key of
            their author counts that was and is not revoked. None: all are in the log.

    Attributes:
        conflicts: entries that contradict an earlier one of the same identity; both are validly signed.
        keys: which keys are in force where, as entries in the log say.
        others: (index, entry) of other agreements; their signatures are not checked.
        undecodable: how many entries are in no format known here.
        refused: (index, reason) of entries of this agreement with a bad signature or bad terms: they count for nothing,
            since anyone could have made them.
    """

    def __init__(
        self, agreement: Agreement, entries: Iterable[tuple[int, bytes]], counted: int | None = None, logged: int | None = None
    ) -> None:
        self.agreement = agreement = agreement.as_signed
        self._counted, self._logged = counted, logged
        self.keys = KeyBook(agreement)
        self.conflicts: list[Conflict] = []
        self.others: list[tuple[int, Entry]] = []
        self.undecodable = 0
        self.refused: list[tuple[int, str]] = []
        self._found: dict[Identity, tuple[Entry, int]] = {}
        self._under: dict[bytes, PublishedEntries] = {agreement.digest: self}
        waiting: list[tuple[int, Entry, bytes]] = []
        for index, data in entries:
            try:
                entry = decode_entry(data)
            except MalformedFile:
                self.undecodable += 1
                continue
            if entry.agreement != agreement.digest:
                self.others.append((index, entry))
                continue
            if isinstance(entry, KeyEntry):  # what comes after it is signed with other keys
                self._take(waiting)
                self._take([] if self._has(entry) else [(index, entry, data)])
                waiting = []
            else:
                waiting.append((index, entry, data))
        self._take(waiting)

    def _has(self, entry: Entry) -> bool:
        known = self._found.get(entry.identity)
        return known is not None and known[0] == entry

    @cached_property
    def _rare(self) -> list[tuple[Entry, int]]:
        """All but what comes with every epoch, each with its index."""
        return [found for found in self._found.values() if not isinstance(found[0], (EpochEntry, JoulesEntry))]

    def _take(self, waiting: list[tuple[int, Entry, bytes]]) -> None:
        """Take entries in order, all signed with the keys that are in force now."""
        for (index, entry, _), problem in zip(waiting, in_threads(self._problem, waiting), strict=True):
            if self._has(entry):
                continue
            known = self._found.get(entry.identity)
            if problem is not None:
                self.refused.append((index, problem))
            elif known is None:
                self._found[entry.identity] = (entry, index)
            elif not same_word(known[0], entry):
                self.conflicts.append(Conflict(known[1], known[0], index, entry))

    def _problem(self, item: tuple[int, Entry, bytes]) -> str | None:
        """Why an entry counts for nothing, or None."""
        try:
            self._check(*item)
        except (ClaimRejected, BadSignature) as error:
            return error.what
        return None

    def _check(self, index: int, entry: Entry, data: bytes) -> None:
        """Raises ClaimRejected, BadSignature: it counts for nothing."""
        if self._logged is not None and index >= self._logged:
            under_any(self.keys.undated, lambda terms: check_entry(entry, terms, data))
        elif isinstance(entry, KeyEntry):
            self.keys.add(entry, index)
        else:
            check_entry(entry, self.keys.now, data)

    def under(self, agreement: Agreement) -> PublishedEntries:
        """What the same log's entries say under another agreement."""
        found = self._under.get(agreement.digest)
        if found is None:
            found = PublishedEntries(agreement, [(index, encode_entry(entry)) for index, entry in self.others], self._counted, self._logged)
            self._under[agreement.digest] = found
        return found

    def counting(self, counted: int) -> PublishedEntries:
        """The same entries, of which only those before this index count for their author."""
        found = copy.copy(self)
        found._counted, found._under = counted, {self.agreement.digest: found}
        return found

    def counts(self, index: int) -> bool:
        """Whether the entry at an index counts for its author too."""
        return self._counted is None or index < self._counted

    def _entry(self, kind: type[AnyEntry], *identity: object, all_: bool = False) -> tuple[AnyEntry, int] | None:
        found = self._found.get((kind.kind, self.agreement.digest, *identity))
        if found is None or not isinstance(found[0], kind) or not (all_ or self.counts(found[1])):
            return None
        return found[0], found[1]

    def epoch(self, lab: str, epoch: int, *, all_: bool = False) -> tuple[EpochEntry, int] | None:
        """The first epoch entry of a lab, with its index, or None. ``all_``: also one that counts only against."""
        return self._entry(EpochEntry, lab, epoch, all_=all_)

    def claim(self, lab: str, period: int, *, all_: bool = False) -> tuple[ClaimEntry, int] | None:
        """The first claim entry of a lab, with its index, or None. ``all_``: also one that counts only against."""
        return self._entry(ClaimEntry, lab, period, all_=all_)

    def terms_of_claim(self, lab: str, period: int) -> Agreement | None:
        """The agreement with the keys that a claim's signatures are checked by: those in force at its entry; None where no log has that."""
        found = self.claim(lab, period, all_=True)
        if found is None or (self._logged is not None and found[1] >= self._logged):
            return None
        return self.keys.at(found[1])

    def has(self, entry: Entry) -> bool:
        """Whether an entry says what one here does."""
        known = self._found.get(entry.identity)
        return known is not None and same_word(known[0], entry)

    def of_feed(self, feed: str) -> list[Entry]:
        """Every entry that a feed signed, in the log's order."""
        return [entry for entry, _ in self._found.values() if isinstance(entry, (JoulesEntry, FeedPeriodEntry)) and entry.feed == feed]

    def by(self, author: str) -> list[Entry]:
        """Every entry that a party signed, in the log's order."""
        return [entry for entry, _ in self._found.values() if entry.author == author]

    def assent(self, party: str) -> tuple[AssentEntry, int] | None:
        """The first assent of a party, with its index, or None."""
        return self._entry(AssentEntry, party)

    def inspections(self, lab: str, period: int) -> list[tuple[InspectionEntry, int]]:
        """Inspections of a lab and period, in the log's order, those too that do not count for their author: see :meth:`counts`."""
        entries = [(entry, index) for entry, index in self._rare if isinstance(entry, InspectionEntry)]
        return [(entry, index) for entry, index in entries if (entry.lab, entry.period) == (lab, period)]

    def decisions(self) -> list[tuple[DecisionEntry, int]]:
        """The deciders' words that count, each once, in the log's order."""
        entries = [(entry, index) for entry, index in self._rare if isinstance(entry, DecisionEntry)]
        return [(entry, index) for entry, index in entries if self.counts(index)]

    def joules(self, feed: str, epoch: int) -> tuple[JoulesEntry, int] | None:
        """The first entry of a feed's joules in an epoch, with its index, whoever vouches for it, or None."""
        return self._entry(JoulesEntry, feed, epoch, all_=True)

    def feed_period(self, feed: str, period: int) -> tuple[FeedPeriodEntry, int] | None:
        """What a feed says of a period, as :meth:`joules`."""
        return self._entry(FeedPeriodEntry, feed, period, all_=True)

    def losses(self, lab: str) -> list[tuple[LossEntry, int]]:
        """What was said of a lab's lost meters and sites, in the log's order; of each, the lab's word too that counts only against it."""
        entries = [(entry, index) for entry, index in self._rare if isinstance(entry, LossEntry)]
        return [(entry, index) for entry, index in entries if entry.lab == lab and (entry.author == lab or self.counts(index))]

    def transfers(self, period: int) -> list[tuple[TransferEntry, int]]:
        """Transfers of cap for a period, each once, in the log's order, those too that are under no head in use."""
        entries = [(entry, index) for entry, index in self._rare if isinstance(entry, TransferEntry)]
        return sorted([(entry, index) for entry, index in entries if entry.period == period], key=lambda item: item[1])

    def conflicts_of(self, lab: str, period: int) -> list[Conflict]:
        """Conflicts in which the lab contradicts itself about this period: its epochs' entries, its claim entry, what it gave."""
        per_period = self.agreement.epochs_per_period
        found = []
        for conflict in self.conflicts:
            entry = conflict.first
            if isinstance(entry, EpochEntry) and (entry.lab, entry.epoch // per_period) == (lab, period):
                found.append(conflict)
            elif isinstance(entry, (ClaimEntry, TransferEntry)) and (entry.author, entry.period) == (lab, period):
                found.append(conflict)
        return found
