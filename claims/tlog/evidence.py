"""Evidence that a log's key signed two heads that cannot both be honest, for anyone who holds origin and key.

Two heads of one size with different roots convince alone. For different sizes a prefix proof comes along: hashes that
lead to the larger head's root and, without what follows the smaller size, to another root than the smaller head has.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claims.base.canonical import from_json, to_json
from claims.base.files import write_atomic
from claims.base.hybrid import KEY_SIZES
from claims.base.merkle import HASH_BYTES
from claims.tlog.checkpoint import LogTrust, SignedCheckpoint
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.proof import prefix_proof, prefix_roots

__all__ = ["EVIDENCE_LIMIT", "FORMAT", "LogEvidence", "LogFork", "is_log_evidence"]

FORMAT = "standstill-log-evidence/1"
EVIDENCE_LIMIT = 512 * 1024
"""Bytes of the largest evidence file that is read."""


def is_log_evidence(data: bytes) -> bool:
    """Whether bytes name this format; what they hold is for :meth:`LogEvidence.decode`."""
    return FORMAT.encode() in data


@dataclass(frozen=True)
class LogEvidence:
    """Two signed heads and what shows that they conflict.

    Attributes:
        origin, key: the log that signed.
        smaller, larger: the signed checkpoints, as note bytes, by size and then by bytes.
        nodes: prefix proof of the larger tree at the smaller size; empty for equal sizes.
    """

    origin: str
    key: bytes
    smaller: bytes
    larger: bytes
    nodes: tuple[bytes, ...]

    @staticmethod
    def of(trust: LogTrust, one: bytes, two: bytes, hashes: Sequence[bytes] = ()) -> LogEvidence:
        """Evidence from two signed heads; ``hashes``: leaf hashes of the larger one's tree where sizes differ.

        Raises:
            LogRejected: the heads do not conflict, as :meth:`check` says.
        """
        bare = LogTrust(trust.origin, trust.key)
        sized = sorted((SignedCheckpoint.open(note, bare).head.size, note) for note in (one, two))
        (old, smaller), (new, larger) = sized
        nodes = tuple(prefix_proof(hashes[:new], old)) if old != new and len(hashes) >= new else ()
        found = LogEvidence(trust.origin, trust.key, smaller, larger, nodes)
        found.check(trust.origin, trust.key)
        return found

    def check(self, origin: str, key: bytes) -> tuple[int, int]:
        """The two sizes, when this proves that the log with this origin and key signed conflicting heads.

        Raises:
            LogRejected: it does not.
        """
        if (self.origin, self.key) != (origin, key):
            raise LogRejected("the evidence is about another log")
        bare = LogTrust(origin, key)
        try:
            old, new = (SignedCheckpoint.open(note, bare).head for note in (self.smaller, self.larger))
        except LogRejected:
            raise
        except LogError as error:
            raise LogRejected(f"a head of the evidence is malformed: {error.what}") from None
        if old.size == new.size:
            if self.nodes or old.root == new.root:
                raise LogRejected("two heads of one size with one root are no conflict")
        else:
            prefix, whole = prefix_roots(self.nodes, old.size, new.size)
            if whole != new.root:
                raise LogRejected("the hashes of the evidence do not lead to the larger head")
            if prefix == old.root:
                raise LogRejected("the larger head extends the smaller one: no conflict")
        return old.size, new.size

    def keep(self, beside: str | os.PathLike[str] | None = None) -> Path:
        """Write the evidence to a file named by its digest, and return its path; the same evidence again is the same file.

        Args:
            beside: a memory file; without one, the file is written into the working folder.

        Raises:
            UnreadableFile: it cannot be written.
        """
        data = self.encode()
        place = Path("log") if beside is None else Path(beside)
        target = place.with_name(f"{place.name}-fork-{hashlib.sha256(data).hexdigest()[:16]}.evidence")
        write_atomic(target, data, 0o644)
        return target

    def encode(self) -> bytes:
        """Canonical JSON (FORMATS-log.md)."""
        return to_json(
            {
                "format": FORMAT, "heads": [self.smaller.decode(), self.larger.decode()], "key": self.key.hex(),
                "nodes": [node.hex() for node in self.nodes], "origin": self.origin,
            }
        )

    @staticmethod
    def decode(data: bytes) -> LogEvidence:
        """Inverse of :meth:`encode`. Raises LogError for anything that it would not write."""
        if len(data) > EVIDENCE_LIMIT:
            raise LogError(f"an evidence file is longer than {EVIDENCE_LIMIT} bytes")
        try:
            value: Any = from_json(data)
            smaller, larger = (str.encode(text) for text in value["heads"])
            nodes = tuple(bytes.fromhex(node) for node in value["nodes"])
            found = LogEvidence(value["origin"], bytes.fromhex(value["key"]), smaller, larger, nodes)
            good = type(found.origin) is str and len(found.key) in KEY_SIZES and len(nodes) <= 64
            good = good and all(len(node) == HASH_BYTES for node in nodes) and found.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            good = False
        if not good:
            raise LogError("not a canonical log evidence file")
        return found


class LogFork(LogRejected):
    """The log's key signed two heads of which neither extends the other.

    Args:
        evidence: both signed heads and the hashes that show the conflict, for anyone who holds the log's key.
    """

    def __init__(self, what: str, evidence: LogEvidence, hint: str = "") -> None:
        self.evidence = evidence
        super().__init__(what, hint)
