"""Roots files: every epoch root of meters in one period, published beside the claim: of all of a lab's meters, or of one site's.

    "standstill-roots" || u16 1 || 32 agreement digest || name lab || u32 period || u32 first epoch || u32 last epoch
    || u16 meters, each: name || 32 bytes for each epoch, in order

Each meter signed the digest of its roots with its ledger head, so the file needs no signature of its own. The roots hide:
they are over salted, padded leaves (claims/claim/commitments.py).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from claims.agreement.bounds import MAX_METERS, MAX_ROOTS
from claims.base.canonical import Writer, is_name
from claims.base.errors import MalformedFile

__all__ = ["MAGIC", "Roots", "RootsReader"]

MAGIC = b"standstill-roots"
VERSION = 1
_EPOCHS = 2**24 - 1

MeterRoots = tuple[str, tuple[bytes, ...]]


class RootsReader:
    """Reads a roots file meter by meter, from its present position to its end; no more than one meter's roots are in memory.

    Attributes:
        agreement_digest, lab, period, first_epoch, last_epoch: as in :class:`Roots`.
        count: how many meters it has.

    Raises:
        MalformedFile: it does not begin as a roots file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._at = file, 0
        if self._file.read(len(MAGIC)) != MAGIC:
            raise MalformedFile("not a roots file: it does not start with 'standstill-roots'")
        self._at = len(MAGIC)
        if (version := self._uint(2, "the version", 65535)) != VERSION:
            raise self._fail(f"roots format {version} is not supported, only {VERSION}")
        self.agreement_digest = self._raw(32, "the agreement digest")
        self.lab = self._name("the lab's name")
        self.period, self.first_epoch, self.last_epoch = (
            self._uint(4, what, _EPOCHS) for what in ("the period", "the first epoch", "the last epoch")
        )
        self.count = self._uint(2, "the number of meters", MAX_METERS)
        self._epochs = self.last_epoch - self.first_epoch + 1
        if self._epochs < 1 or self.count * self._epochs > MAX_ROOTS:
            raise self._fail("the number of roots is out of range")

    def __iter__(self) -> Iterator[MeterRoots]:
        """Each meter's name and roots, once; then the file is over. Raises MalformedFile."""
        for _ in range(self.count):
            name, block = self._name("a meter's name"), self._raw(32 * self._epochs, "a meter's roots")
            yield name, tuple(block[i : i + 32] for i in range(0, len(block), 32))
        if self._file.read(1):
            raise self._fail("bytes follow the end")

    def _fail(self, what: str) -> MalformedFile:
        return MalformedFile(what, self._at)

    def _raw(self, size: int, what: str) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise self._fail(f"the file ends inside {what}")
        self._at += size
        return data

    def _uint(self, size: int, what: str, most: int) -> int:
        value = int.from_bytes(self._raw(size, what), "big")
        if value > most:
            raise self._fail(f"{what} is {value}, more than {most}")
        return value

    def _name(self, what: str) -> str:
        text = self._raw(self._uint(1, what, 255), what).decode("ascii", errors="replace")
        if not is_name(text):
            raise self._fail(f"{what} is not a name")
        return text


@dataclass(frozen=True)
class Roots:
    """``meters``: (name, roots of the epochs ``first_epoch`` to ``last_epoch``, 32 bytes each), in the claim's order."""

    agreement_digest: bytes
    lab: str
    period: int
    first_epoch: int
    last_epoch: int
    meters: tuple[MeterRoots, ...]

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
        read = RootsReader(io.BytesIO(data))
        return Roots(read.agreement_digest, read.lab, read.period, read.first_epoch, read.last_epoch, tuple(read))
