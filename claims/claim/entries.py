"""Entries of the public log: what parties publish, as canonical bytes signed by their author.

    "standstill-log" || u16 1 || u8 kind || 32 agreement digest || body || 64 signature          at most 1024 bytes

    kind 1 EPOCH       name lab || u32 epoch || 32 lab epoch root || 32 registry epoch head       author: lab
    kind 2 CLAIM       name lab || u32 period || 32 SHA-256(claim file) || 32 SHA-256(roots file) author: lab
    kind 3 ASSENT      name party                                                                 author: party
    kind 4 INSPECTION  name author || name lab || u32 period || u64 round || u8 outcome || 32 SHA-256(record file)
    kind 5 DECISION    name decider || u8 decision || u64 effective || 32 SHA-256(reason)         author: decider

The author signs the domain and the SHA-256 of everything before the signature, with its party key. Each entry has an identity
(:attr:`EpochEntry.identity`): an author that signs two entries with one identity and different content has equivocated.
The log itself only orders bytes; :class:`PublishedEntries` says what they mean under one agreement.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from claims.agreement.model import Agreement
from claims.agreement.terms import MAX_TIME
from claims.base.canonical import Reader, Writer
from claims.base.ed25519 import check_signature
from claims.base.errors import BadSignature, ClaimRejected, MalformedFile
from claims.base.units import format_time

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "MAX_ENTRY",
    "AssentEntry",
    "ClaimEntry",
    "Conflict",
    "DecisionEntry",
    "Entry",
    "Identity",
    "EpochEntry",
    "InspectionEntry",
    "PublishedEntries",
    "check_entry",
    "decode_entry",
    "encode_entry",
    "entry_message",
    "sign_entry",
    "unsigned_bytes",
]

MAGIC = b"standstill-log"
VERSION = 1
MAX_ENTRY = 1024
ENTRY_DOMAIN = b"standstill/sign/log-entry/v1"
OUTCOMES = {1: "passed", 2: "failed", 3: "refused"}
DECISIONS = {1: "lift", 2: "trigger"}

Identity = tuple[object, ...]


@dataclass(frozen=True)
class EpochEntry:
    """A lab's commitments of one epoch: root over its meters' roots, and its registry's freshly blinded head."""

    kind: ClassVar[int] = 1
    agreement: bytes
    lab: str
    epoch: int
    root: bytes
    registry_head: bytes
    signature: bytes = b""

    @property
    def author(self) -> str:
        """The party whose key signs."""
        return self.lab

    @property
    def identity(self) -> Identity:
        """What there may be one of."""
        return (self.kind, self.agreement, self.lab, self.epoch)

    @property
    def title(self) -> str:
        """For messages."""
        return f"lab {self.lab}'s entry of epoch {self.epoch}"


@dataclass(frozen=True)
class ClaimEntry:
    """A lab's claim of one period: SHA-256 of the claim file and of the roots file."""

    kind: ClassVar[int] = 2
    agreement: bytes
    lab: str
    period: int
    claim: bytes
    roots: bytes
    signature: bytes = b""

    @property
    def author(self) -> str:
        """The party whose key signs."""
        return self.lab

    @property
    def identity(self) -> Identity:
        """What there may be one of."""
        return (self.kind, self.agreement, self.lab, self.period)

    @property
    def title(self) -> str:
        """For messages."""
        return f"lab {self.lab}'s claim entry of period {self.period}"


@dataclass(frozen=True)
class AssentEntry:
    """A party's assent to the agreement with this digest."""

    kind: ClassVar[int] = 3
    agreement: bytes
    party: str
    signature: bytes = b""

    @property
    def author(self) -> str:
        """The party whose key signs."""
        return self.party

    @property
    def identity(self) -> Identity:
        """What there may be one of."""
        return (self.kind, self.agreement, self.party)

    @property
    def title(self) -> str:
        """For messages."""
        return f"party {self.party}'s assent"


@dataclass(frozen=True)
class InspectionEntry:
    """An inspector's record of one inspection. ``outcome``: 1 passed, 2 failed, 3 refused; ``record``: SHA-256 of its file."""

    kind: ClassVar[int] = 4
    agreement: bytes
    author: str
    lab: str
    period: int
    round: int
    outcome: int
    record: bytes
    signature: bytes = b""

    @property
    def identity(self) -> Identity:
        """What there may be one of."""
        return (self.kind, self.agreement, self.author, self.lab, self.period, self.round)

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.author}'s inspection of lab {self.lab}, period {self.period}, round {self.round}"


@dataclass(frozen=True)
class DecisionEntry:
    """One decider's word for a decision. ``decision``: 1 lift, 2 trigger; ``effective``: Unix seconds; ``reason``: SHA-256 of its text."""

    kind: ClassVar[int] = 5
    agreement: bytes
    decider: str
    decision: int
    effective: int
    reason: bytes
    signature: bytes = b""

    @property
    def author(self) -> str:
        """The party whose key signs."""
        return self.decider

    @property
    def identity(self) -> Identity:
        """All of it: a decider may decide many things, and two that differ do not contradict each other."""
        return (self.kind, self.agreement, self.decider, self.decision, self.effective, self.reason)

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.decider}'s decision to {DECISIONS[self.decision]} from {format_time(self.effective)} on"


Entry = EpochEntry | ClaimEntry | AssentEntry | InspectionEntry | DecisionEntry
_Any = TypeVar("_Any", EpochEntry, ClaimEntry, AssentEntry, InspectionEntry, DecisionEntry)


def _digest(out: Writer, value: bytes) -> None:
    if len(value) != 32:
        raise MalformedFile("a log entry's digests have 32 bytes each")
    out.raw(value)


def unsigned_bytes(entry: Entry) -> bytes:
    """The entry without its signature. Raises MalformedFile for values out of range."""
    out = Writer()
    out.raw(MAGIC)
    out.uint(VERSION, 2)
    out.uint(entry.kind, 1)
    _digest(out, entry.agreement)
    if isinstance(entry, EpochEntry):
        out.name(entry.lab)
        out.uint(entry.epoch, 4)
        _digest(out, entry.root)
        _digest(out, entry.registry_head)
    elif isinstance(entry, ClaimEntry):
        out.name(entry.lab)
        out.uint(entry.period, 4)
        _digest(out, entry.claim)
        _digest(out, entry.roots)
    elif isinstance(entry, AssentEntry):
        out.name(entry.party)
    elif isinstance(entry, DecisionEntry):
        if entry.decision not in DECISIONS or not 0 <= entry.effective <= MAX_TIME:
            raise MalformedFile(f"{entry.decision!r} from second {entry.effective!r} on is no decision")
        out.name(entry.decider)
        out.uint(entry.decision, 1)
        out.uint(entry.effective, 8)
        _digest(out, entry.reason)
    else:
        if entry.outcome not in OUTCOMES:
            raise MalformedFile(f"{entry.outcome!r} is not the outcome of an inspection")
        out.name(entry.author)
        out.name(entry.lab)
        out.uint(entry.period, 4)
        out.uint(entry.round, 8)
        out.uint(entry.outcome, 1)
        _digest(out, entry.record)
    return out.data


def entry_message(entry: Entry) -> bytes:
    """What the author signs: u16 length || domain || SHA-256 of everything before the signature."""
    body = hashlib.sha256(unsigned_bytes(entry)).digest()
    return len(ENTRY_DOMAIN).to_bytes(2, "big") + ENTRY_DOMAIN + body


def sign_entry(key: Ed25519PrivateKey, entry: _Any) -> _Any:
    """The entry with its author's signature. Whether the key is the author's is for :func:`check_entry`."""
    return replace(entry, signature=key.sign(entry_message(entry)))


def encode_entry(entry: Entry) -> bytes:
    """Canonical bytes of a signed entry."""
    if len(entry.signature) != 64:
        raise MalformedFile("a log entry is not signed", hint="sign it first (sign_entry)")
    return unsigned_bytes(entry) + entry.signature


def decode_entry(data: bytes) -> Entry:
    """Inverse of :func:`encode_entry`, byte for byte; signatures are for :func:`check_entry`.

    Raises:
        MalformedFile: anything that is not exactly one canonical entry.
    """
    if len(data) > MAX_ENTRY:
        raise MalformedFile(f"a log entry has {len(data)} bytes, more than {MAX_ENTRY}")
    read = Reader(data)
    if read.raw(len(MAGIC), "the magic") != MAGIC:
        raise read.fail("not a Standstill log entry")
    if (version := read.uint(2, "the version")) != VERSION:
        raise read.fail(f"log entry of version {version}, this program reads {VERSION}")
    kind = read.uint(1, "the kind")
    digest = read.raw(32, "the agreement digest")
    entry: Entry
    if kind == EpochEntry.kind:
        lab, epoch = read.name("the lab"), read.uint(4, "the epoch", 2**24 - 1)
        root, head = read.raw(32, "the root"), read.raw(32, "the registry head")
        entry = EpochEntry(digest, lab, epoch, root, head, read.raw(64, "the signature"))
    elif kind == ClaimEntry.kind:
        lab, period = read.name("the lab"), read.uint(4, "the period", 2**24 - 1)
        claim, roots = read.raw(32, "the claim's digest"), read.raw(32, "the roots' digest")
        entry = ClaimEntry(digest, lab, period, claim, roots, read.raw(64, "the signature"))
    elif kind == AssentEntry.kind:
        entry = AssentEntry(digest, read.name("the party"), read.raw(64, "the signature"))
    elif kind == InspectionEntry.kind:
        author, lab, period = read.name("the author"), read.name("the lab"), read.uint(4, "the period", 2**24 - 1)
        round_, outcome = read.uint(8, "the round"), read.uint(1, "the outcome")
        if outcome not in OUTCOMES:
            raise read.fail(f"{outcome} is not the outcome of an inspection")
        record = read.raw(32, "the record's digest")
        entry = InspectionEntry(digest, author, lab, period, round_, outcome, record, read.raw(64, "the signature"))
    elif kind == DecisionEntry.kind:
        decider, decision = read.name("the decider"), read.uint(1, "the decision")
        if decision not in DECISIONS:
            raise read.fail(f"{decision} is not a decision")
        effective, reason = read.uint(8, "the moment", MAX_TIME), read.raw(32, "the reason's digest")
        entry = DecisionEntry(digest, decider, decision, effective, reason, read.raw(64, "the signature"))
    else:
        raise read.fail(f"{kind} is not a kind of log entry")
    read.end()
    return entry


def check_entry(entry: Entry, agreement: Agreement) -> None:
    """Check an entry against the agreement: that it allows such entries, digest, lab, epoch or period, author, signature.

    Raises:
        ClaimRejected: check ``log``: it does not fit the agreement.
        BadSignature: the author's signature does not verify.
    """
    if entry.agreement != agreement.digest:
        raise ClaimRejected("log", f"{entry.title} is about agreement {entry.agreement.hex()}")
    try:
        key = agreement.party(entry.author).key
        if isinstance(entry, DecisionEntry):
            if agreement.pause is None or entry.decider not in agreement.pause.deciders:
                raise ClaimRejected("decision", f"{entry.decider} does not decide")
        elif not isinstance(entry, AssentEntry):
            agreement.lab(entry.lab)
            period = entry.epoch // agreement.epochs_per_period if isinstance(entry, EpochEntry) else entry.period
            agreement.period_epochs(period)
            if period < agreement.lab(entry.lab).since_period:
                raise ClaimRejected("period", f"lab {entry.lab} claims from period {agreement.lab(entry.lab).since_period} on")
    except ClaimRejected as error:
        raise ClaimRejected("log", f"{entry.title}: {error.what}") from None
    if isinstance(entry, InspectionEntry) and agreement.inspection is None:
        raise ClaimRejected("log", f"{entry.title}: the agreement has no inspections")
    if isinstance(entry, InspectionEntry) and entry.author == entry.lab:
        raise ClaimRejected("log", f"{entry.title}: no lab inspects itself")
    check_signature(entry.title, key, entry.signature, entry_message(entry))


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

    Attributes:
        conflicts: entries that contradict an earlier one of the same identity; both are validly signed.
        others: (index, entry) of other agreements; their signatures are not checked.
        undecodable: how many entries are in no format known here.
        refused: (index, reason) of entries of this agreement with a bad signature or bad terms: they count for nothing,
            since anyone could have made them.
    """

    def __init__(self, agreement: Agreement, entries: Iterable[tuple[int, bytes]], counted: int | None = None) -> None:
        self.agreement = agreement
        self._counted = counted
        self.conflicts: list[Conflict] = []
        self.others: list[tuple[int, Entry]] = []
        self.undecodable = 0
        self.refused: list[tuple[int, str]] = []
        self._found: dict[Identity, tuple[Entry, int]] = {}
        self._under: dict[bytes, PublishedEntries] = {agreement.digest: self}
        for index, data in entries:
            self._add(index, data)

    def _add(self, index: int, data: bytes) -> None:
        try:
            entry = decode_entry(data)
        except MalformedFile:
            self.undecodable += 1
            return
        if entry.agreement != self.agreement.digest:
            self.others.append((index, entry))
            return
        known = self._found.get(entry.identity)
        if known is not None and known[0] == entry:
            return
        try:
            check_entry(entry, self.agreement)
        except (ClaimRejected, BadSignature) as error:
            self.refused.append((index, error.what))
            return
        if known is None:
            self._found[entry.identity] = (entry, index)
        elif unsigned_bytes(known[0]) != unsigned_bytes(entry):
            self.conflicts.append(Conflict(known[1], known[0], index, entry))

    def under(self, agreement: Agreement) -> PublishedEntries:
        """What the same log's entries say under another agreement."""
        found = self._under.get(agreement.digest)
        if found is None:
            found = PublishedEntries(agreement, [(index, encode_entry(entry)) for index, entry in self.others], self._counted)
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

    def _entry(self, kind: type[_Any], *identity: object, all_: bool = False) -> tuple[_Any, int] | None:
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

    def by(self, author: str) -> list[Entry]:
        """Every entry that a party signed, in the log's order."""
        return [entry for entry, _ in self._found.values() if entry.author == author]

    def assent(self, party: str) -> tuple[AssentEntry, int] | None:
        """The first assent of a party, with its index, or None."""
        return self._entry(AssentEntry, party)

    def inspections(self, lab: str, period: int) -> list[tuple[InspectionEntry, int]]:
        """Inspections of a lab and period, in the log's order, those too that do not count for their author: see :meth:`counts`."""
        entries = [(entry, index) for entry, index in self._found.values() if isinstance(entry, InspectionEntry)]
        return [(entry, index) for entry, index in entries if (entry.lab, entry.period) == (lab, period)]

    def decisions(self) -> list[tuple[DecisionEntry, int]]:
        """The deciders' words that count, each once, in the log's order."""
        entries = [(entry, index) for entry, index in self._found.values() if isinstance(entry, DecisionEntry)]
        return [(entry, index) for entry, index in entries if self.counts(index)]

    def conflicts_of(self, lab: str, period: int) -> list[Conflict]:
        """Conflicts in which the lab contradicts itself about this period: its epochs' entries and its claim entry."""
        per_period = self.agreement.epochs_per_period
        found = []
        for conflict in self.conflicts:
            entry = conflict.first
            if isinstance(entry, EpochEntry) and (entry.lab, entry.epoch // per_period) == (lab, period):
                found.append(conflict)
            elif isinstance(entry, ClaimEntry) and (entry.lab, entry.period) == (lab, period):
                found.append(conflict)
        return found
