"""What a claim lists besides its tables: lost meters and sites, stated limits, earlier ones, transfers (FORMATS.md section 5).

The lab's signature of its registry head covers their digest, so that two claims of one period that differ in them alone are evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from claims.base.canonical import Reader, Writer
from claims.base.errors import MalformedClaim

__all__ = [
    "FREEZE", "LINEAGE", "LOST", "LOST_METER", "LOST_SITE", "TOTAL", "UNATTRIBUTED", "Limit", "Lists", "Loss", "Over", "least_above",
]  # fmt: skip

LOST_METER, LOST_SITE = 1, 2
TOTAL, UNATTRIBUTED, LINEAGE, FREEZE, LOST = 1, 2, 3, 4, 5
MILLION = 10**6
MAX_LOSSES = 512
"""At most 256 lost meters and 256 lost sites."""
MAX_OVERS = 4096
MAX_TRANSFERS = 4096
_EPOCHS = 2**24 - 1
_MOST = 2**64 - 1

T = TypeVar("T")


@dataclass(frozen=True, order=True)
class Loss:
    """A lost meter or site (``kind``: LOST_METER or LOST_SITE), from an epoch of the period to the period's end.

    ``signed``: the lost meter signed a ledger head of the period, which the claim carries; never of a site.
    """

    kind: int
    name: str
    first_epoch: int
    signed: bool = False


@dataclass(frozen=True, order=True)
class Limit:
    """A limit that the claim is over. ``which``: TOTAL to LOST.

    ``agreed``, ``stated``: units of 10^12 FLOP, 64 bits, ``stated`` a power of two above ``agreed``, or 2^64 - 1. Of LOST, parts per
    million of the period's chip-seconds: what is agreed, and what the claim lists as lost, rounded up.
    """

    which: int
    agreed: int
    stated: int


@dataclass(frozen=True, order=True)
class Over:
    """A limit that an earlier claim of the lab was over. ``period``: of that claim; the rest as in :class:`Limit`."""

    period: int
    which: int
    agreed: int
    stated: int


@dataclass(frozen=True)
class Lists:
    """All lists of a claim. ``transfers``: SHA-256 of log entries. Each ascends, and nothing stands in one twice."""

    losses: tuple[Loss, ...] = ()
    limits: tuple[Limit, ...] = ()
    overs: tuple[Over, ...] = ()
    transfers: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is listed."""
        return bool(self.losses or self.limits or self.overs or self.transfers)

    def encode(self) -> bytes:
        """Their part of the claim file. Raises MalformedFile for values out of range."""
        out = Writer()
        out.uint(len(self.losses), 2)
        for loss in self.losses:
            out.uint(loss.kind, 1)
            out.name(loss.name)
            out.uint(loss.first_epoch, 4)
            out.uint(int(loss.signed), 1)
        out.uint(len(self.limits), 1)
        for limit in self.limits:
            _write_limit(out, limit)
        out.uint(len(self.overs), 2)
        for over in self.overs:
            out.uint(over.period, 4)
            _write_limit(out, over)
        out.uint(len(self.transfers), 2)
        for transfer in self.transfers:
            if len(transfer) != 32:
                raise MalformedClaim("a transfer is named by a SHA-256 of 32 bytes")
            out.raw(transfer)
        return out.data

    @property
    def digest(self) -> bytes:
        """SHA-256 of their part of the claim file."""
        return hashlib.sha256(self.encode()).digest()

    @staticmethod
    def read(read: Reader, period: int) -> Lists:
        """The lists of a claim for ``period``. Raises the reader's error for anything that is not canonical."""
        return Lists(
            losses=_ascending(read, "lost meters and sites", 2, MAX_LOSSES, _loss, lambda loss: (loss.kind, loss.name)),
            limits=_ascending(read, "stated limits", 1, LOST, _limit, lambda limit: limit.which),
            overs=_ascending(
                read, "earlier claims over a limit", 2, MAX_OVERS, lambda r: _over(r, period), lambda over: (over.period, over.which)
            ),
            transfers=_ascending(read, "transfers", 2, MAX_TRANSFERS, lambda r: r.raw(32, "a transfer"), lambda digest: digest),
        )  # fmt: skip


def _write_limit(out: Writer, limit: Limit | Over) -> None:
    out.uint(limit.which, 1)
    out.uint(limit.agreed, 8)
    out.uint(limit.stated, 8)


def _ascending(
    read: Reader, what: str, size: int, maximum: int, one: Callable[[Reader], T], key: Callable[[T], object]
) -> tuple[T, ...]:
    found: list[T] = []
    for _ in range(read.uint(size, f"the number of {what}", maximum)):
        item = one(read)
        if found and not key(found[-1]) < key(item):  # type: ignore[operator]
            raise read.fail(f"the {what} do not ascend")
        found.append(item)
    return tuple(found)


def _loss(read: Reader) -> Loss:
    kind, name = read.uint(1, "a loss's kind", LOST_SITE), read.name("a lost meter's or site's name")
    first, signed = read.uint(4, "a first lost epoch", _EPOCHS), read.uint(1, "whether a lost meter signed", 1)
    if kind == 0 or (kind == LOST_SITE and signed):
        raise read.fail(f"the loss of {name} is of no kind, or a lost site signed")
    return Loss(kind, name, first, bool(signed))


def least_above(amount: int, agreed: int) -> int:
    """What a claim states in place of an agreed limit that it is over: the least power of two of units that holds ``amount`` and
    exceeds ``agreed``; else 2^64 - 1, the most that can be stated."""
    return min(1 << max((amount - 1).bit_length(), agreed.bit_length()), _MOST)


def _limit(read: Reader) -> Limit:
    which = read.uint(1, "which limit", LOST)
    agreed, stated = read.uint(8, "an agreed limit"), read.uint(8, "a stated limit")
    if which == LOST and not agreed < stated <= MILLION:
        raise read.fail("a share that is lost is not above the agreed one, or above all")
    if which == 0 or stated <= agreed or not (which == LOST or stated == _MOST or stated & (stated - 1) == 0):
        raise read.fail("a stated limit is not a power of two above the agreed one, nor 2^64 - 1")
    return Limit(which, agreed, stated)


def _over(read: Reader, period: int) -> Over:
    earlier = read.uint(4, "an earlier period", _EPOCHS)
    if earlier >= period:
        raise read.fail(f"period {earlier} is not earlier than the claim's")
    limit = _limit(read)
    return Over(earlier, limit.which, limit.agreed, limit.stated)
