"""What a power feed drew: joules of an epoch, hidden in the log until they are opened, and which epochs have them.

    holder: joules, salt --leaf--> entry in the log;  joules, salt --file--> the lab, which says before the draw if they did not come

An hour is *there* if the log has the feed's entry before the lab's own entry of the epoch, which does not call it absent. That is the
log's order alone, the same on every mirror: what is drawn, and what has to be opened, depends on no date. FORMATS-inspection.md, I10.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from claims.agreement.model import Agreement
from claims.agreement.terms import Feed
from claims.base.canonical import Writer, from_json, is_name, to_json
from claims.base.errors import MalformedFile
from claims.claim.commitments import merkle_root
from claims.claim.entry_kinds import JoulesEntry
from claims.claim.published import PublishedEntries

__all__ = [
    "FORMAT", "MAX_JOULES", "Joules", "PowerSeen", "absent_bits", "is_confirmed", "joules_leaf", "joules_name", "period_root", "power_seen",
    "shown_joules",
]  # fmt: skip

FORMAT = "standstill-joules/1"
DOMAIN = b"standstill/joules/v1"
MAX_JOULES = 2**64 - 1


def joules_name(feed: str, epoch: int) -> str:
    """Usual name of the file that opens a feed's joules of an epoch."""
    return f"{feed}-{epoch}.joules"


def joules_leaf(salt: bytes, epoch: int, joules: int) -> bytes:
    """What the log has of an epoch's joules: SHA-256 under a 32-byte salt, which hides them."""
    out = Writer()
    out.uint(len(DOMAIN), 2)
    out.raw(DOMAIN)
    if len(salt) != 32:
        raise MalformedFile("a salt has 32 bytes")
    out.raw(salt)
    out.uint(epoch, 4)
    out.uint(joules, 8)
    return hashlib.sha256(out.data).digest()


@dataclass(frozen=True)
class Joules:
    """A feed's joules of one epoch, opened: for the lab that it feeds, and for an inspector. Private.

    Attributes:
        agreement: 32-byte digest.
        salt: 32 random bytes.
        joules: what the feed drew from the epoch's begin to its end, 64 bits.
    """

    agreement: bytes
    feed: str
    epoch: int
    salt: bytes = field(repr=False)
    joules: int = field(repr=False)

    @property
    def leaf(self) -> bytes:
        """Its leaf in the log."""
        return joules_leaf(self.salt, self.epoch, self.joules)

    def encode(self) -> bytes:
        """Canonical JSON, private."""
        return to_json({
            "agreement": self.agreement.hex(), "epoch": self.epoch, "feed": self.feed, "format": FORMAT, "joules": self.joules,
            "salt": self.salt.hex(),
        })  # fmt: skip

    @staticmethod
    def decode(data: bytes) -> Joules:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything that it would not write."""
        try:
            value: Any = from_json(data)
            found = Joules(bytes.fromhex(value["agreement"]), value["feed"], value["epoch"], bytes.fromhex(value["salt"]), value["joules"])
            good = is_name(found.feed) and len(found.agreement) == 32 and len(found.salt) == 32
            good = good and type(found.epoch) is int and 0 <= found.epoch < 2**24
            good = good and type(found.joules) is int and 0 <= found.joules <= MAX_JOULES and found.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            good = False
        if not good:
            raise MalformedFile("not a canonical file of joules", hint="ask the feed's holder for it (standstill feed publish)")
        return found


def shown_joules(published: PublishedEntries, feed: Feed, epoch: int) -> JoulesEntry | None:
    """The log's entry of a feed's joules in an epoch; None where they are absent, whoever's fault it is.

    They are absent where the lab has no entry of the epoch, or says in it that they did not come, or where the feed's entry does not
    stand before the lab's, or the feed contradicted itself before it.
    """
    own = published.epoch(feed.lab, epoch, all_=True)
    found = published.joules(feed.name, epoch)
    if own is None or found is None or found[1] > own[1]:
        return None
    if own[0].lacks([item.name for item in published.agreement.feeds_of(feed.lab)].index(feed.name)):
        return None
    twice = any(item.first.identity == found[0].identity and item.second_index < own[1] for item in published.conflicts)
    return None if twice else found[0]


def period_root(leaves: Iterable[bytes | None]) -> bytes:
    """What a feed signs of a period with both halves: the Merkle root over its leaves, one for each epoch, None where it has none."""
    return merkle_root([leaf or bytes(32) for leaf in leaves])


def is_confirmed(published: PublishedEntries, feed: Feed, period: int) -> bool:
    """Whether a feed signed what the log has of it in a period with all its keys: without a period key, epoch by epoch.

    Of what the log has before that word of it, once: so whoever breaks the curve adds no hour to it, and takes none away.
    """
    if not feed.period_key:
        return True
    word = published.feed_period(feed.name, period)
    if word is None or any(item.first.identity == word[0].identity for item in published.conflicts):
        return False
    first, last = published.agreement.period_epochs(period)
    found = [published.joules(feed.name, epoch) for epoch in range(first, last + 1)]
    return word[0].root == period_root(None if one is None or one[1] > word[1] else one[0].leaf for one in found)


def absent_bits(count: int, positions: set[int]) -> bytes:
    """The bits of an epoch's entry: ``positions`` of a lab's ``count`` feeds are absent."""
    number = sum(1 << position for position in positions if 0 <= position < count)
    return number.to_bytes((number.bit_length() + 7) // 8, "little")


@dataclass(frozen=True)
class PowerSeen:
    """How far power was recorded in a lab's period, for the verdict.

    Attributes:
        fed: meters under a feed, of ``meters``.
        absent: epochs of a feed without joules, of ``epochs``, which counts each feed's.
        unit: "hours" or "epochs".
        unconfirmed: feeds with a period key that have not signed the period as the log has it.
    """

    fed: int
    meters: int
    absent: int
    epochs: int
    unit: str
    unconfirmed: tuple[str, ...] = ()

    def line(self) -> str:
        """In the verdict: what is under a feed, and what is absent."""
        return f"{self.fed} of {self.meters} meters under a feed, {self.absent} of {self.epochs} {self.unit} absent" + "".join(
            f"; feed {name} has not confirmed the period" for name in self.unconfirmed
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "meters": self.meters, "fed": self.fed, "epochs": self.epochs, "absent": self.absent, "unconfirmed": list(self.unconfirmed),
        }  # fmt: skip


def power_seen(
    agreement: Agreement, lab: str, period: int, published: PublishedEntries, lost: Mapping[str, int] | None = None
) -> PowerSeen | None:
    """The power records of a period; None where no feed of the lab is agreed, or its own entries are not all here: nothing is absent yet.

    ``lost``: lost meters to their first lost epochs: from then on their feed is absent.
    """
    feeds = agreement.as_signed.feeds_of(lab)  # whatever keys are in force now: a revoked one confirms nothing
    if not feeds:
        return None
    first, last = agreement.period_epochs(period)
    if any(published.epoch(lab, epoch, all_=True) is None for epoch in range(first, last + 1)):
        return None
    gone = {feed.name: min([(lost or {}).get(meter, last + 1) for meter in feed.meters]) for feed in feeds}
    absent = sum(
        epoch >= gone[feed.name] or shown_joules(published, feed, epoch) is None for feed in feeds for epoch in range(first, last + 1)
    )
    fed = sum(len(feed.meters) for feed in feeds)
    unit = "hours" if agreement.epoch_seconds == 3600 else "epochs"
    unconfirmed = tuple(feed.name for feed in feeds if not is_confirmed(published, feed, period))
    return PowerSeen(fed, len(agreement.lab(lab).meters), absent, len(feeds) * (last + 1 - first), unit, unconfirmed)
