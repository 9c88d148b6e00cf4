"""The roots file: every epoch root of a lab's meters in one period, published beside the claim.

    "standstill-roots" || u16 1 || 32 agreement digest || name lab || u32 period || u32 first epoch || u32 last epoch
    || u16 meters, each: name || 32 bytes for each epoch, in order

Each meter signed the digest of its roots with its ledger head, so the file needs no signature of its own. The roots hide:
they are over salted, padded leaves (claims/claim/commitments.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from claims.agreement.terms import MAX_METERS, MAX_ROOTS
from claims.base.canonical import Reader, Writer
from claims.base.errors import MalformedFile

__all__ = ["MAGIC", "Roots"]

MAGIC = b"standstill-roots"
VERSION = 1
_EPOCHS = 2**24 - 1


@dataclass(frozen=True)
class Roots:
    """``meters``: (name, roots of the epochs ``first_epoch`` to ``last_epoch``, 32 bytes each), in the claim's order."""

    agreement_digest: bytes
    lab: str
    period: int
    first_epoch: int
    last_epoch: int
    meters: tuple[tuple[str, tuple[bytes, ...]], ...]

    def encode(self) -> bytes:
        """The file's bytes. Raises MalformedFile for values out of range."""
        epochs = self.last_epoch - self.first_epoch + 1
        out = Writer()
        out.raw(MAGIC)
        out.uint(VERSION, 2)
        out.raw(self.agreement_digest)
        out.name(self.lab)
        for value in (self.period, self.first_epoch, self.last_epoch):
            out.uint(value, 4)
        out.uint(len(self.meters), 2)
        for name, roots in self.meters:
            if len(roots) != epochs or any(len(root) != 32 for root in roots):
                raise MalformedFile(f"meter {name} has not one root of 32 bytes for each of {epochs} epochs")
            out.name(name)
            out.raw(b"".join(roots))
        return out.data

    @staticmethod
    def decode(data: bytes) -> Roots:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything but exactly one canonical roots file."""
        read = Reader(data)
        if len(data) < len(MAGIC) or read.raw(len(MAGIC), "the magic") != MAGIC:
            raise MalformedFile("not a roots file: it does not start with 'standstill-roots'")
        if (version := read.uint(2, "the version")) != VERSION:
            raise read.fail(f"roots format {version} is not supported, only {VERSION}")
        digest, lab = read.raw(32, "the agreement digest"), read.name("the lab's name")
        period, first, last = (read.uint(4, what, _EPOCHS) for what in ("the period", "the first epoch", "the last epoch"))
        count = read.uint(2, "the number of meters", MAX_METERS)
        epochs = last - first + 1
        if epochs < 1 or count * epochs > MAX_ROOTS:
            raise read.fail("the number of roots is out of range")
        meters = []
        for _ in range(count):
            name, block = read.name("a meter's name"), read.raw(32 * epochs, "a meter's roots")
            meters.append((name, tuple(block[i : i + 32] for i in range(0, len(block), 32))))
        read.end()
        return Roots(digest, lab, period, first, last, tuple(meters))
