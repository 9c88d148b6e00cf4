"""What a log asks of a witness (C2SP tlog-witness, add-checkpoint): a signed head, and what shows that the log only grew."""

from __future__ import annotations

import re
from dataclasses import dataclass

from claims.base.merkle import HASH_BYTES
from claims.tlog.errors import LogError
from claims.tlog.note import from_base64, to_base64

__all__ = ["PATH", "REQUEST_LIMIT", "SIZE_TYPE", "AddCheckpoint", "parse_size"]

PATH = "add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
"""Content type of an answer that says which size the witness cosigned last."""
REQUEST_LIMIT = 32 * 1024
"""Bytes of a request that is read: the proof takes 3 KiB, a log's own hybrid signature 4 KiB."""
PROOF_LIMIT = 63
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


def parse_size(text: str) -> int | None:
    """A size below 2^63, in decimal without leading zeros; None for anything else."""
    return int(text) if _SIZE.fullmatch(text) is not None and int(text) < 2**63 else None


@dataclass(frozen=True)
class AddCheckpoint:
    """A request. ``old``: the size that the witness cosigned last; ``proof``: from there to the head in ``note``, at most 63 hashes."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        """The request's body."""
        return "".join(f"{line}\n" for line in (f"old {self.old}", *map(to_base64, self.proof), "")).encode() + self.note

    @staticmethod
    def decode(data: bytes) -> AddCheckpoint:
        """Inverse of :meth:`encode`; the note is not parsed. Raises LogError for anything else."""
        head, separator, note = data.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise LogError("the request does not begin with lines of ASCII") from None
        old = parse_size(first.removeprefix("old ")) if first.startswith("old ") else None
        if not separator or old is None:
            raise LogError("the request does not begin with the line old and a size, and an empty line after the proof")
        if len(lines) > PROOF_LIMIT:
            raise LogError(f"the proof has more than {PROOF_LIMIT} hashes")
        proof = tuple(from_base64(line, "a hash of the proof") for line in lines)
        if any(len(item) != HASH_BYTES for item in proof):
            raise LogError("a hash of the proof is not 32 bytes")
        return AddCheckpoint(old, proof, note)
