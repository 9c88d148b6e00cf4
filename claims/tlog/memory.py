"""What a reader or cosigner has seen of a log: the last signed head and its leaf hashes, in a file of its own.

With the leaf hashes a fork is shown at every size, also when the log comes back smaller.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claims.base.canonical import from_json, to_json
from claims.base.errors import UnreadableFile
from claims.base.files import read_bounded, write_atomic
from claims.tlog.checkpoint import LogTrust, SignedCheckpoint
from claims.tlog.errors import LogError, LogRejected, LogRewind
from claims.tlog.evidence import LogEvidence, LogFork
from claims.tlog.hashing import HASH_BYTES, tree_root
from claims.tlog.note import from_base64, to_base64
from claims.tlog.reader import LogView

__all__ = ["FORMAT", "LogMemory"]

FORMAT = "standstill-log-memory/1"
MEMORY_LIMIT = 64 * 2**20


@dataclass
class LogMemory:
    """A log's last head as this holder saw it.

    Attributes:
        note: the signed head, or None before the first.
        hashes: the leaf hashes of its tree.
        cosigned: Unix time of this holder's last cosignature, or None.
    """

    path: Path
    origin: str
    key: bytes
    note: bytes | None = None
    hashes: tuple[bytes, ...] = ()
    cosigned: int | None = None

    @staticmethod
    def load(path: str | os.PathLike[str], trust: LogTrust) -> LogMemory:
        """The memory in a file; a fresh one where there is no file yet.

        Raises:
            LogError: not a memory file. LogRejected: of another log, or its head is not signed or not of its hashes.
        """
        place = Path(path)
        if not place.exists() and not place.is_symlink():
            return LogMemory(place, trust.origin, trust.key)
        try:
            found = LogMemory._decode(place, read_bounded(place, MEMORY_LIMIT))
        except UnreadableFile as error:
            raise LogError(error.what) from None
        if (found.origin, found.key) != (trust.origin, trust.key):
            raise LogRejected(f"{place}: the memory is of another log, {found.origin!r}", "keep one memory file per log")
        head = None if found.note is None else SignedCheckpoint.open(found.note, LogTrust(trust.origin, trust.key)).head
        if head is not None and (head.size, head.root) != (len(found.hashes), tree_root(found.hashes)):
            raise LogRejected(f"{place}: the remembered hashes are not those of the remembered head")
        return found

    @staticmethod
    def _decode(place: Path, data: bytes) -> LogMemory:
        try:
            value: Any = from_json(data)
            packed = from_base64(value["hashes"], "the remembered hashes")
            hashes = tuple(packed[i : i + HASH_BYTES] for i in range(0, len(packed), HASH_BYTES))
            note = None if value["note"] is None else str.encode(value["note"])
            found = LogMemory(place, value["origin"], bytes.fromhex(value["key"]), note, hashes, value["cosigned"])
            time = found.cosigned
            good = type(found.origin) is str and (time is None or (type(time) is int and 0 <= time < 2**63))
            good = good and len(packed) % HASH_BYTES == 0 and (note is not None or not hashes) and found.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, LogError):
            good = False
        if not good:
            raise LogError(f"{place}: not a log memory file")
        return found

    def encode(self) -> bytes:
        """Canonical JSON (FORMATS-log.md)."""
        return to_json(
            {
                "cosigned": self.cosigned, "format": FORMAT, "hashes": to_base64(b"".join(self.hashes)), "key": self.key.hex(),
                "note": None if self.note is None else self.note.decode(), "origin": self.origin,
            }
        )

    def check(self, view: LogView) -> None:
        """Compare a verified view with what is remembered.

        Raises:
            LogRejected: the view is of another log.
            LogFork: neither extends the other; the error carries the evidence.
            LogRewind: the view is an older state of the same history.
        """
        if (view.trust.origin, view.trust.key) != (self.origin, self.key):
            raise LogRejected("the memory is of another log")
        if self.note is None:
            return
        seen = len(self.hashes)
        common = min(seen, view.size)
        if tuple(view.hashes[:common]) != self.hashes[:common]:
            longer = self.hashes if seen > view.size else view.hashes
            evidence = LogEvidence.of(view.trust, self.note, view.checkpoint, longer)
            raise LogFork(
                f"the log forked: its head of size {view.size} and the one of size {seen} seen before exclude each other",
                evidence, "keep the evidence and show it to the other parties",
            )
        if view.size < seen:
            raise LogRewind(
                f"the log shows size {view.size}, but it showed {seen} before", self.note, view.checkpoint,
                "ask for the newest copy; if there is none, entries were withdrawn",
            )

    def update(self, view: LogView, cosigned: int | None = None) -> None:
        """Check a view, then remember it durably.

        Raises:
            LogFork, LogRewind, LogRejected: as :meth:`check`. LogError: the file cannot be written.
        """
        self.check(view)
        self.note, self.hashes = view.checkpoint, tuple(view.hashes)
        self.cosigned = self.cosigned if cosigned is None else cosigned
        self._write()

    def mend(self, now: int) -> int:
        """Take back the date of a last cosignature that a wrong clock put after ``now``; returns it. Everything else is kept.

        Raises:
            LogError: that date is not in the future, or the file cannot be written.
        """
        wrong = self.cosigned
        if wrong is None or wrong <= now:
            raise LogError(f"{self.path}: its last cosignature is not dated in the future", "there is nothing to mend")
        self.cosigned = now
        self._write()
        return wrong

    def _write(self) -> None:
        try:
            write_atomic(self.path, self.encode(), 0o600)
        except UnreadableFile as error:
            raise LogError(error.what) from None
