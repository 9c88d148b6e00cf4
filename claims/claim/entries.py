"""Entries of the public log: what parties publish, as canonical bytes signed by their author.

    "standstill-log" || u16 1 || u8 kind || 32 agreement digest || body || 64 signature          at most 1024 bytes

    kind 1 EPOCH       name lab || u32 epoch || 32 lab epoch root || 32 registry epoch head || u8 bytes || absent feeds
    kind 2 CLAIM       name lab || u32 period || 32 SHA-256(claim file) || 32 SHA-256(roots file) author: lab
    kind 3 ASSENT      name party                                                                 author: party
    kind 4 INSPECTION  name author || name lab || u32 period || u64 round || u8 outcome || 32 SHA-256(record file)
    kind 5 DECISION    name decider || u8 decision || u64 effective || 32 SHA-256(reason)         author: decider
    kind 6 LOSS        name author || name lab || u8 what || name || u8 word || u32 epoch         author: lab; of an end, an inspector
    kind 7 JOULES      name feed || u32 epoch || 32 joules leaf                                   signed by the feed's own key
    kind 8 TRANSFER    name giver || name receiver || u32 period || u32 serial || u64 amount || 64 the receiver's signature

The author signs the domain and the SHA-256 of everything before the signature, with its party key. Each entry has an identity
(:attr:`EpochEntry.identity`): an author that signs two entries with one identity and different content has equivocated.
The log itself only orders bytes; :mod:`claims.claim.published` says what they mean under one agreement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from claims.agreement.model import Agreement
from claims.agreement.signatures import allowance_message
from claims.agreement.terms import MAX_TIME
from claims.base.canonical import Reader, Writer, is_name
from claims.base.ed25519 import check_signature
from claims.base.errors import ClaimRejected, MalformedFile
from claims.base.units import format_time

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "MAX_ENTRY",
    "AnyEntry",
    "AssentEntry",
    "ClaimEntry",
    "DecisionEntry",
    "Entry",
    "Identity",
    "EpochEntry",
    "InspectionEntry",
    "JoulesEntry",
    "LossEntry",
    "TransferEntry",
    "check_entry",
    "decode_entry",
    "encode_entry",
    "entry_message",
    "same_word",
    "sign_entry",
    "unsigned_bytes",
]

MAGIC = b"standstill-log"
VERSION = 1
MAX_ENTRY = 1024
ENTRY_DOMAIN = b"standstill/sign/log-entry/v1"
OUTCOMES = {1: "passed", 2: "failed", 3: "refused"}
DECISIONS = {1: "lift", 2: "trigger"}
LOST = {1: "meter", 2: "site"}
LOSS_WORDS = {1: "lost", 2: "back"}

Identity = tuple[object, ...]
_BITS = -1


@dataclass(frozen=True)
class _Part:
    """A field of a body: a name (``size`` 0), a number of so many bytes, a digest or signature (32, 64), or bits behind their number of
    bytes (-1); ``values``: of a number that is a choice."""

    field: str
    what: str
    size: int = 0
    most: int | None = None
    values: Mapping[int, str] | None = None

    def write(self, out: Writer, value: Any) -> None:
        if not self.size:
            out.name(value)
        elif self.size == _BITS:
            if len(value) > 32 or value[-1:] == b"\0":
                raise MalformedFile(f"{self.what} are not at most 32 bytes, the last of them not 0")
            out.uint(len(value), 1)
            out.raw(value)
        elif self.size >= 32:
            _raw(out, value, self.size)
        else:
            if not self._fits(value):
                raise MalformedFile(f"{value!r} is not {self.what}")
            if self.most is not None and type(value) is int and value > self.most:
                raise MalformedFile(f"{self.what} {value} is more than {self.most}")
            out.uint(value, self.size)

    def read(self, read: Reader) -> Any:
        if not self.size:
            return read.name(self.what)
        if self.size == _BITS:
            bits = read.raw(read.uint(1, self.what, 32), self.what)
            if bits[-1:] == b"\0":
                raise read.fail(f"the last byte of {self.what} is 0")
            return bits
        if self.size >= 32:
            return read.raw(self.size, self.what)
        value = read.uint(self.size, self.what, self.most)
        if not self._fits(value):
            raise read.fail(f"{value} is not {self.what}")
        return value

    def glance(self, data: bytes, at: int) -> tuple[Any, int]:
        """What :meth:`read` gives, and where it ends; None for a value that has to be looked at more closely. Too few bytes pass."""
        size = self.size
        if size >= 32:
            return data[at : at + size], at + size
        if size > 0:
            value = int.from_bytes(data[at : at + size], "big")
            return (value if (self.most is None or value <= self.most) and self._fits(value) else None), at + size
        end = at + 1 + (data[at] if at < len(data) else 0)
        if not size:
            return _name(data[at + 1 : end]), end
        bits = data[at + 1 : end]
        return (bits if end - at <= 33 and bits[-1:] != b"\0" else None), end

    def _fits(self, value: object) -> bool:
        return self.values is None or value in self.values


class _Kind:
    """What all kinds of entries have. Fields stand in the order of ``parts``, between the agreement's digest and the signature."""

    kind: ClassVar[int]
    parts: ClassVar[tuple[_Part, ...]]
    one_of: ClassVar[tuple[str, ...]]
    """Fields of which, together, there may be one entry."""
    agreement: bytes

    @property
    def identity(self) -> Identity:
        """What there may be one of."""
        return (self.kind, self.agreement, *(getattr(self, name) for name in self.one_of))


class _OfLab(_Kind):
    """A lab's own entry."""

    lab: str

    @property
    def author(self) -> str:
        """The party whose key signs."""
        return self.lab


_LAB = _Part("lab", "the lab")
_PERIOD = _Part("period", "the period", 4, 2**24 - 1)


@dataclass(frozen=True)
class EpochEntry(_OfLab):
    """A lab's commitments of one epoch: root over its meters' roots, and its registry's freshly blinded head.

    ``absent``: a bit for each of the lab's power feeds, in the agreement's order, the lowest bit of a byte first: 1 where the lab says
    that it was not given the feed's joules of the epoch. Cut after the last bit that is 1.
    """

    kind = 1
    parts = (
        _LAB, _Part("epoch", "the epoch", 4, 2**24 - 1), _Part("root", "the root", 32), _Part("registry_head", "the registry head", 32),
        _Part("absent", "the absent feeds", _BITS),
    )  # fmt: skip
    one_of = ("lab", "epoch")
    agreement: bytes
    lab: str
    epoch: int
    root: bytes
    registry_head: bytes
    signature: bytes = b""
    absent: bytes = b""

    def lacks(self, position: int) -> bool:
        """Whether it says that the joules of the lab's feed of this position did not come."""
        return position // 8 < len(self.absent) and bool(self.absent[position // 8] >> position % 8 & 1)

    @property
    def title(self) -> str:
        """For messages."""
        return f"lab {self.lab}'s entry of epoch {self.epoch}"


@dataclass(frozen=True)
class ClaimEntry(_OfLab):
    """A lab's claim of one period: SHA-256 of the claim file and of the roots file."""

    kind = 2
    parts = (_LAB, _PERIOD, _Part("claim", "the claim's digest", 32), _Part("roots", "the roots' digest", 32))
    one_of = ("lab", "period")
    agreement: bytes
    lab: str
    period: int
    claim: bytes
    roots: bytes
    signature: bytes = b""

    @property
    def title(self) -> str:
        """For messages."""
        return f"lab {self.lab}'s claim entry of period {self.period}"


@dataclass(frozen=True)
class AssentEntry(_Kind):
    """A party's assent to the agreement with this digest."""

    kind = 3
    parts = (_Part("party", "the party"),)
    one_of = ("party",)
    agreement: bytes
    party: str
    signature: bytes = b""

    @property
    def author(self) -> str:
        """The party whose key signs."""
        return self.party

    @property
    def title(self) -> str:
        """For messages."""
        return f"party {self.party}'s assent"


@dataclass(frozen=True)
class InspectionEntry(_Kind):
    """An inspector's record of one inspection. ``outcome``: 1 passed, 2 failed, 3 refused; ``record``: SHA-256 of its file."""

    kind = 4
    parts = (
        _Part("author", "the author"), _LAB, _PERIOD, _Part("round", "the round", 8),
        _Part("outcome", "the outcome of an inspection", 1, values=OUTCOMES), _Part("record", "the record's digest", 32),
    )  # fmt: skip
    one_of = ("author", "lab", "period", "round")
    agreement: bytes
    author: str
    lab: str
    period: int
    round: int
    outcome: int
    record: bytes
    signature: bytes = b""

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.author}'s inspection of lab {self.lab}, period {self.period}, round {self.round}"


@dataclass(frozen=True)
class DecisionEntry(_Kind):
    """One decider's word for a decision. ``decision``: 1 lift, 2 trigger; ``effective``: Unix seconds; ``reason``: SHA-256 of its text."""

    kind = 5
    parts = (
        _Part("decider", "the decider"), _Part("decision", "a decision", 1, values=DECISIONS),
        _Part("effective", "the moment", 8, MAX_TIME), _Part("reason", "the reason's digest", 32),
    )  # fmt: skip
    one_of = ("decider", "decision", "effective", "reason")
    """All of it: a decider may decide many things, and two that differ do not contradict each other."""
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
    def title(self) -> str:
        """For messages."""
        return f"{self.decider}'s decision to {DECISIONS[self.decision]} from {format_time(self.effective)} on"


@dataclass(frozen=True)
class LossEntry(_Kind):
    """That a meter or site is lost from an epoch on (the lab's word), or back (an inspector's), from a period's first epoch on.

    ``what``: 1 meter, 2 site; ``word``: 1 lost, 2 back.
    """

    kind = 6
    parts = (
        _Part("author", "the author"), _LAB, _Part("what", "what is lost", 1, values=LOST), _Part("name", "the meter's or site's name"),
        _Part("word", "what is said of it", 1, values=LOSS_WORDS), _Part("epoch", "the epoch", 4, 2**24 - 1),
    )  # fmt: skip
    one_of = ("author", "lab", "what", "name", "word", "epoch")
    agreement: bytes
    author: str
    lab: str
    what: int
    name: str
    word: int
    epoch: int
    signature: bytes = b""

    @property
    def title(self) -> str:
        """For messages."""
        said = f"{LOST[self.what]} {self.name} of lab {self.lab} is {LOSS_WORDS[self.word]} from epoch {self.epoch} on"
        return f"{self.author}'s word that {said}"


@dataclass(frozen=True)
class TransferEntry(_Kind):
    """A lab's gift of a part of its total cap for one period to another lab, which accepted it.

    Attributes:
        serial: the giver's number for it, so that two of equal content are two.
        amount: units of 10^12 FLOP, from 1 on.
        accepted: the receiver's signature of all the rest (:func:`claims.agreement.signatures.allowance_message`).
    """

    kind = 8
    parts = (
        _Part("giver", "the giver"), _Part("receiver", "the receiver"), _PERIOD, _Part("serial", "the serial number", 4),
        _Part("amount", "the amount", 8), _Part("accepted", "the receiver's signature", 64),
    )  # fmt: skip
    one_of = ("giver", "receiver", "period", "serial")
    agreement: bytes
    giver: str
    receiver: str
    period: int
    serial: int
    amount: int
    accepted: bytes = b""
    signature: bytes = b""

    @property
    def author(self) -> str:
        """The party whose key signs."""
        return self.giver

    @property
    def title(self) -> str:
        """For messages."""
        return f"lab {self.giver}'s transfer {self.serial} to lab {self.receiver} for period {self.period}"

    @property
    def acceptance(self) -> bytes:
        """What the receiver signs."""
        return allowance_message(self.agreement, self.giver, self.receiver, self.period, self.serial, self.amount)


@dataclass(frozen=True)
class JoulesEntry(_Kind):
    """What a power feed drew in one epoch, hidden in a salted leaf (claims/claim/power.py). Signed by the feed's own key."""

    kind = 7
    parts = (_Part("feed", "the feed"), _Part("epoch", "the epoch", 4, 2**24 - 1), _Part("leaf", "the joules' leaf", 32))
    one_of = ("feed", "epoch")
    agreement: bytes
    feed: str
    epoch: int
    leaf: bytes
    signature: bytes = b""

    @property
    def author(self) -> str:
        """Whose key signs; no party has such a name."""
        return f"feed {self.feed}"

    @property
    def title(self) -> str:
        """For messages."""
        return f"the joules of feed {self.feed} in epoch {self.epoch}"


_KINDS = (EpochEntry, ClaimEntry, AssentEntry, InspectionEntry, DecisionEntry, LossEntry, JoulesEntry, TransferEntry)
Entry = EpochEntry | ClaimEntry | AssentEntry | InspectionEntry | DecisionEntry | LossEntry | JoulesEntry | TransferEntry
KINDS: dict[int, type[Entry]] = {kind.kind: kind for kind in _KINDS}
AnyEntry = TypeVar("AnyEntry", EpochEntry, ClaimEntry, AssentEntry, InspectionEntry, DecisionEntry, LossEntry, JoulesEntry, TransferEntry)
_START = len(MAGIC) + 3
_BY_START = {MAGIC + VERSION.to_bytes(2, "big") + bytes([kind]): cls for kind, cls in KINDS.items()}


def _raw(out: Writer, value: bytes, size: int = 32) -> None:
    if len(value) != size:
        raise MalformedFile(f"a log entry has a digest or signature that is not of {size} bytes")
    out.raw(value)


def unsigned_bytes(entry: Entry) -> bytes:
    """The entry without its signature. Raises MalformedFile for values out of range."""
    out = Writer()
    out.raw(MAGIC)
    out.uint(VERSION, 2)
    out.uint(entry.kind, 1)
    _raw(out, entry.agreement)
    for part in entry.parts:
        part.write(out, getattr(entry, part.field))
    return out.data


def same_word(one: Entry, two: Entry) -> bool:
    """Whether two entries of one identity say the same, whatever their signatures are: a receiver's in it is one too."""
    if isinstance(one, TransferEntry) and isinstance(two, TransferEntry):
        return one.acceptance == two.acceptance
    return unsigned_bytes(one) == unsigned_bytes(two)


def entry_message(entry: Entry) -> bytes:
    """What the author signs: u16 length || domain || SHA-256 of everything before the signature."""
    return _message(unsigned_bytes(entry))


def _message(unsigned: bytes) -> bytes:
    return len(ENTRY_DOMAIN).to_bytes(2, "big") + ENTRY_DOMAIN + hashlib.sha256(unsigned).digest()


def sign_entry(key: Ed25519PrivateKey, entry: AnyEntry) -> AnyEntry:
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
    found = _decode_whole(data)
    if found is not None:
        return found
    if len(data) > MAX_ENTRY:
        raise MalformedFile(f"a log entry has {len(data)} bytes, more than {MAX_ENTRY}")
    read = Reader(data)
    if read.raw(len(MAGIC), "the magic") != MAGIC:
        raise read.fail("not a Standstill log entry")
    if (version := read.uint(2, "the version")) != VERSION:
        raise read.fail(f"log entry of version {version}, this program reads {VERSION}")
    kind = read.uint(1, "the kind")
    digest = read.raw(32, "the agreement digest")
    if kind not in KINDS:
        raise read.fail(f"{kind} is not a kind of log entry")
    values = {part.field: part.read(read) for part in KINDS[kind].parts}
    entry = KINDS[kind](agreement=digest, **values, signature=read.raw(64, "the signature"))
    read.end()
    return entry


def _decode_whole(data: bytes) -> Entry | None:
    """An entry that has nothing wrong, without a message for every byte; None: something is, or it has to be looked at more closely."""
    kind = _BY_START.get(data[:_START])
    if kind is None or len(data) > MAX_ENTRY:
        return None
    at, values = _START + 32, {}
    for part in kind.parts:
        value, at = part.glance(data, at)
        if value is None:
            return None
        values[part.field] = value
    return kind(agreement=data[_START : _START + 32], **values, signature=data[at:]) if at + 64 == len(data) else None


@lru_cache(4096)
def _name(data: bytes) -> str | None:
    text = data.decode("ascii", "replace")
    return text if is_name(text) else None


def check_entry(entry: Entry, agreement: Agreement, data: bytes | None = None) -> None:
    """Check an entry against the agreement: that it allows such entries, digest, lab, epoch or period, author, signature.

    ``data``: the bytes that the entry was decoded from, where they are at hand.

    Raises:
        ClaimRejected: check ``log``: it does not fit the agreement.
        BadSignature: the author's signature does not verify.
    """
    if entry.agreement != agreement.digest:
        raise ClaimRejected("log", f"{entry.title} is about agreement {entry.agreement.hex()}")
    try:
        if isinstance(entry, JoulesEntry):
            check_signature(entry.title, _check_joules(entry, agreement), entry.signature, entry_message(entry))
            return
        key = agreement.party(entry.author).key
        if isinstance(entry, DecisionEntry):
            if agreement.pause is None or entry.decider not in agreement.pause.deciders:
                raise ClaimRejected("decision", f"{entry.decider} does not decide")
        elif isinstance(entry, TransferEntry):
            _check_transfer(entry, agreement)
        elif not isinstance(entry, AssentEntry):
            agreement.lab(entry.lab)
            period = entry.epoch // agreement.epochs_per_period if isinstance(entry, (EpochEntry, LossEntry)) else entry.period
            agreement.period_epochs(period)
            if period < agreement.lab(entry.lab).since_period:
                raise ClaimRejected("period", f"lab {entry.lab} claims from period {agreement.lab(entry.lab).since_period} on")
    except ClaimRejected as error:
        raise ClaimRejected("log", f"{entry.title}: {error.what}") from None
    if isinstance(entry, EpochEntry) and any(entry.lacks(i) for i in range(len(agreement.feeds_of(entry.lab)), 8 * len(entry.absent))):
        raise ClaimRejected("log", f"{entry.title} is about feeds that the agreement does not have")
    if isinstance(entry, LossEntry):
        _check_loss(entry, agreement)
    if isinstance(entry, InspectionEntry) and agreement.inspection is None:
        raise ClaimRejected("log", f"{entry.title}: the agreement has no inspections")
    if isinstance(entry, InspectionEntry) and entry.author == entry.lab:
        raise ClaimRejected("log", f"{entry.title}: no lab inspects itself")
    message = entry_message(entry) if data is None else _message(data[:-64])
    check_signature(entry.title, key, entry.signature, message)


def _check_joules(entry: JoulesEntry, agreement: Agreement) -> bytes:
    """The key of the entry's feed. Raises ClaimRejected without such a feed, or in an epoch for which its lab makes no claim."""
    feed = next((item for item in agreement.feeds if item.name == entry.feed), None)
    if feed is None:
        raise ClaimRejected("log", f"the agreement has no feed {entry.feed}")
    period = entry.epoch // agreement.epochs_per_period
    agreement.period_epochs(period)
    if period < agreement.first_period_of(feed.lab):
        raise ClaimRejected("period", f"lab {feed.lab} makes no claim for period {period}")
    return feed.key


def _check_loss(entry: LossEntry, agreement: Agreement) -> None:
    """A lab says what it lost; an inspector, never the lab, that it is back from a period's first epoch on. Raises ClaimRejected."""
    lab = agreement.lab(entry.lab)
    known = {meter.name for meter in lab.meters} if entry.what == 1 else {site.name for site in lab.sites}
    if entry.name not in known:
        raise ClaimRejected("log", f"{entry.title}: the lab has none of that name")
    if (entry.author == entry.lab) != (entry.word == 1):
        raise ClaimRejected("log", f"{entry.title}: a lab says what it lost, and somebody else what is back")
    if entry.word == 2 and (agreement.inspection is None or entry.epoch % agreement.epochs_per_period):
        raise ClaimRejected("log", f"{entry.title}: that is for an inspection to say, of a period's first epoch")


def _check_transfer(entry: TransferEntry, agreement: Agreement) -> None:
    """Both are labs that claim for the period, and the receiver accepted. Raises ClaimRejected or BadSignature."""
    agreement.period_epochs(entry.period)
    if entry.giver == entry.receiver or entry.amount == 0:
        raise ClaimRejected("log", "a lab gives another one more than nothing")
    for name in (entry.giver, entry.receiver):
        if entry.period < agreement.first_period_of(name):
            raise ClaimRejected("period", f"lab {name} makes no claim for period {entry.period}")
    key = agreement.party(entry.receiver).key
    check_signature(f"lab {entry.receiver} on {entry.title}", key, entry.accepted, entry.acceptance)
