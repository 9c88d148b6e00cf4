"""Kinds of entries of the public log, and their fields in order.

    body of an entry, between the agreement's digest and the signature

    kind 1 EPOCH       name lab || u32 epoch || 32 lab epoch root || 32 registry epoch head || u8 bytes || absent feeds
    kind 2 CLAIM       name lab || u32 period || 32 SHA-256(claim file) || 32 SHA-256(roots file) author: lab
    kind 3 ASSENT      name party                                                                 author: party
    kind 4 INSPECTION  name author || name lab || u32 period || u64 round || u8 outcome || 32 SHA-256(record file)
    kind 5 DECISION    name decider || u8 decision || u64 effective || 32 SHA-256(reason)         author: decider
    kind 6 LOSS        name author || name lab || u8 what || name || u8 word || u32 epoch         author: lab; of an end, an inspector
    kind 7 JOULES      name feed || u32 epoch || 32 joules leaf                                   signed by the feed's own key
    kind 8 TRANSFER    name giver || name receiver || u32 period || u32 serial || u64 amount || u16 bytes || the receiver's signature
    kind 9 KEY         name author || u8 signer || u8 role || name owner || name holder || u8 word || 32 old key's SHA-256
                       || u16 bytes || new key
    kind 10 FEED_PERIOD name feed || u32 period || 32 root over the period's leaves                 signed by the feed's key and period key

Each entry has an identity (:attr:`EpochEntry.identity`): what an author may sign one of. :mod:`claims.claim.entries` has the bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeVar, get_args

from claims.agreement.bounds import MAX_TIME
from claims.agreement.signatures import allowance_message
from claims.base.units import format_time
from claims.claim.entry_parts import BITS, KEY, SIGNATURE, Kind, Part

__all__ = [
    "BY_NEW", "BY_OLD", "BY_PARTY", "DECISIONS", "IS_BACK", "IS_LOST", "KEY_ROLES", "KEY_WORDS", "KINDS", "LOSS_WORDS", "LOST", "OUTCOMES",
    "REVOKE", "ROTATE", "SPARE", "AnyEntry", "AssentEntry", "ClaimEntry", "DecisionEntry", "Entry", "EpochEntry", "FeedPeriodEntry",
    "InspectionEntry", "JoulesEntry", "KeyEntry", "LossEntry", "TransferEntry",
]  # fmt: skip

OUTCOMES = {1: "passed", 2: "failed", 3: "refused"}
DECISIONS = {1: "lift", 2: "trigger"}
LOST = {1: "meter", 2: "site"}
IS_LOST, IS_BACK = 1, 2
LOSS_WORDS = {IS_LOST: "lost", IS_BACK: "back"}
KEY_ROLES = {1: "party", 2: "meter", 3: "feed"}
BY_OLD, BY_NEW, BY_PARTY = 1, 2, 3
ROTATE, SPARE, REVOKE = 1, 2, 3
KEY_WORDS = {ROTATE: "rotate", SPARE: "spare", REVOKE: "revoke"}


class _ByFirst(Kind):
    """An entry of the party that its first field names."""

    @property
    def author(self) -> str:
        """The party whose key signs."""
        return str(getattr(self, self.parts[0].field))


class _OfFeed(Kind):
    """An entry of a power feed."""

    feed: str

    @property
    def author(self) -> str:
        """Whose key signs; no party has such a name."""
        return f"feed {self.feed}"


_AUTHOR = Part("author", "the author")
_FEED = Part("feed", "the feed")
_LAB = Part("lab", "the lab")
_EPOCH = Part("epoch", "the epoch", 4, 2**24 - 1)
_PERIOD = Part("period", "the period", 4, 2**24 - 1)


@dataclass(frozen=True)
class EpochEntry(_ByFirst):
    """A lab's commitments of one epoch: root over its meters' roots, and its registry's freshly blinded head.

    ``absent``: a bit for each of the lab's power feeds, in the agreement's order, the lowest bit of a byte first: 1 where the lab says
    that it was not given the feed's joules of the epoch. Cut after the last bit that is 1.
    """

    kind = 1
    parts = (
        _LAB, _EPOCH, Part("root", "the root", 32), Part("registry_head", "the registry head", 32),
        Part("absent", "the absent feeds", BITS),
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
class ClaimEntry(_ByFirst):
    """A lab's claim of one period: SHA-256 of the claim file and of the roots file."""

    kind = 2
    parts = (_LAB, _PERIOD, Part("claim", "the claim's digest", 32), Part("roots", "the roots' digest", 32))
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
class AssentEntry(_ByFirst):
    """A party's assent to the agreement with this digest."""

    kind = 3
    parts = (Part("party", "the party"),)
    one_of = ("party",)
    agreement: bytes
    party: str
    signature: bytes = b""

    @property
    def title(self) -> str:
        """For messages."""
        return f"party {self.party}'s assent"


@dataclass(frozen=True)
class InspectionEntry(Kind):
    """An inspector's record of one inspection. ``outcome``: 1 passed, 2 failed, 3 refused; ``record``: SHA-256 of its file."""

    kind = 4
    parts = (
        _AUTHOR, _LAB, _PERIOD, Part("round", "the round", 8),
        Part("outcome", "the outcome of an inspection", 1, values=OUTCOMES), Part("record", "the record's digest", 32),
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
class DecisionEntry(_ByFirst):
    """One decider's word for a decision. ``decision``: 1 lift, 2 trigger; ``effective``: Unix seconds; ``reason``: SHA-256 of its text."""

    kind = 5
    parts = (
        Part("decider", "the decider"), Part("decision", "a decision", 1, values=DECISIONS),
        Part("effective", "the moment", 8, MAX_TIME), Part("reason", "the reason's digest", 32),
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
    def title(self) -> str:
        """For messages."""
        return f"{self.decider}'s decision to {DECISIONS[self.decision]} from {format_time(self.effective)} on"


@dataclass(frozen=True)
class LossEntry(Kind):
    """That a meter or site is lost from an epoch on (the lab's word), or back (an inspector's), from a period's first epoch on.

    ``what``: 1 meter, 2 site; ``word``: 1 lost, 2 back.
    """

    kind = 6
    parts = (
        _AUTHOR, _LAB, Part("what", "what is lost", 1, values=LOST), Part("name", "the meter's or site's name"),
        Part("word", "what is said of it", 1, values=LOSS_WORDS), _EPOCH,
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

    @property
    def file_name(self) -> str:
        """Of the file that commands write it to, unless another is named."""
        who = self.lab if self.author == self.lab else f"{self.author}-{self.lab}"
        return f"{who}-{LOSS_WORDS[self.word]}-{self.name}-{self.epoch}.entry"


@dataclass(frozen=True)
class TransferEntry(_ByFirst):
    """A lab's gift of a part of its total cap for one period to another lab, which accepted it.

    Attributes:
        serial: the giver's number for it, so that two of equal content are two.
        amount: units of 10^12 FLOP, from 1 on.
        accepted: the receiver's signature of all the rest (:func:`claims.agreement.signatures.allowance_message`).
    """

    kind = 8
    parts = (
        Part("giver", "the giver"), Part("receiver", "the receiver"), _PERIOD, Part("serial", "the serial number", 4),
        Part("amount", "the amount", 8), Part("accepted", "the receiver's signature", SIGNATURE),
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
    def title(self) -> str:
        """For messages."""
        return f"lab {self.giver}'s transfer {self.serial} to lab {self.receiver} for period {self.period}"

    @property
    def acceptance(self) -> bytes:
        """What the receiver signs."""
        return allowance_message(self.agreement, self.giver, self.receiver, self.period, self.serial, self.amount)


@dataclass(frozen=True)
class JoulesEntry(_OfFeed):
    """What a power feed drew in one epoch, hidden in a salted leaf (claims/claim/power.py). Signed by the feed's own key."""

    kind = 7
    parts = (_FEED, _EPOCH, Part("leaf", "the joules' leaf", 32))
    one_of = ("feed", "epoch")
    agreement: bytes
    feed: str
    epoch: int
    leaf: bytes
    signature: bytes = b""

    @property
    def title(self) -> str:
        """For messages."""
        return f"the joules of feed {self.feed} in epoch {self.epoch}"


@dataclass(frozen=True)
class FeedPeriodEntry(_OfFeed):
    """A feed's word on a whole period: the root over its joules leaves (claims/claim/power.py). Signed by its key and its period key."""

    kind = 10
    parts = (_FEED, _PERIOD, Part("root", "the root", 32))
    one_of = ("feed", "period")
    agreement: bytes
    feed: str
    period: int
    root: bytes
    signature: bytes = b""

    @property
    def title(self) -> str:
        """For messages."""
        return f"what feed {self.feed} says of period {self.period}"


@dataclass(frozen=True)
class KeyEntry(Kind):
    """One word for a change of a key; several make it (:mod:`claims.claim.keys`).

    Attributes:
        signer: whose signature this is: 1 the old key's, 2 the new key's, 3 the author's, by its party key.
        role: of the key: 1 party, 2 meter, 3 feed; ``holder``: its name; ``owner``: the party itself, the meter's lab, the feed's holder.
        word: 1 rotate, from now on the new key; 2 spare, the new key once this one is revoked; 3 revoke.
        old: SHA-256 of the key that it is about; ``new``: 32 or 1,344 bytes, or, of revoke, none.
    """

    kind = 9
    parts = (
        _AUTHOR, Part("signer", "who signs", 1, values={1: "old key", 2: "new key", 3: "party"}),
        Part("role", "the role of a key", 1, values=KEY_ROLES), Part("owner", "the key's owner"), Part("holder", "the key's holder"),
        Part("word", "what is said of a key", 1, values=KEY_WORDS), Part("old", "the old key's digest", 32),
        Part("new", "the new key", KEY),
    )  # fmt: skip
    one_of = ("author", "signer", "role", "owner", "holder", "word", "old", "new")
    """All of it: there may be many words, and none contradicts another."""
    agreement: bytes
    author: str
    signer: int
    role: int
    owner: str
    holder: str
    word: int
    old: bytes
    new: bytes = b""
    signature: bytes = b""

    @property
    def whose(self) -> str:
        """Whose key it is about."""
        return f"{KEY_ROLES[self.role]} {self.holder if self.role != 2 else f'{self.owner}/{self.holder}'}"

    @property
    def new_id(self) -> bytes:
        """SHA-256 of the new key."""
        return hashlib.sha256(self.new).digest()

    @property
    def change(self) -> str:
        """What it would do, in words."""
        old, new = f"the key {self.old.hex()[:16]} of {self.whose}", self.new_id.hex()[:16]
        if self.word == REVOKE:
            return f"{old} is revoked"
        return f"{old} is replaced by {new}" if self.word == ROTATE else f"{old} is replaced by {new} once it is revoked"

    @property
    def title(self) -> str:
        """For messages."""
        who = self.author if self.signer == BY_PARTY else f"the {'old' if self.signer == BY_OLD else 'new'} key"
        return f"the word of {who} that {self.change}"


Entry = (
    EpochEntry | ClaimEntry | AssentEntry | InspectionEntry | DecisionEntry | LossEntry | JoulesEntry | TransferEntry | KeyEntry
    | FeedPeriodEntry
)  # fmt: skip
KINDS: dict[int, type[Entry]] = {kind.kind: kind for kind in get_args(Entry)}
AnyEntry = TypeVar("AnyEntry", bound=Entry)
