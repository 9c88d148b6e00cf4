"""What a reader, a cosigner or the writer has seen of a log: the last signed head and its tree's right edge, in a file of its own.

From the edge and what came after, whether a newer head extends this one follows without reading the rest. The leaf hashes lie in a
second file, which only grows and is read only to show a fork below the remembered size: without it such a fork is a rewind.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from claims.base.canonical import from_json, to_json
from claims.base.errors import UnreadableFile
from claims.base.files import read_bounded, trouble, write_atomic
from claims.base.merkle import HASH_BYTES, tree_root
from claims.tlog.checkpoint import LogTrust, SignedCheckpoint
from claims.tlog.errors import LogError, LogRejected, LogRewind
from claims.tlog.evidence import LogEvidence, LogFork
from claims.tlog.hashing import Frontier
from claims.tlog.note import from_base64, to_base64
from claims.tlog.reader import LogView
from claims.tlog.tiles import MAX_SIZE

__all__ = ["FORMAT", "OLDER_FORMAT", "LogMemory"]

FORMAT = "standstill-log-memory/2"
OLDER_FORMAT = "standstill-log-memory/1"
MEMORY_LIMIT = 64 * 2**20


@dataclass
class LogMemory:
    """A log's last head as this holder saw it.

    Attributes:
        note: the signed head, or None before the first.
        edge: the perfect subtrees of its tree.
        cosigned: Unix time of this holder's last cosignature, or None.
        keeps_leaves: whether the leaf hashes are kept beside it.
    """

    path: Path
    origin: str
    key: bytes
    note: bytes | None = None
    edge: Frontier = field(default_factory=Frontier)
    cosigned: int | None = None
    keeps_leaves: bool = True
    _unwritten: tuple[bytes, ...] = ()
    """Leaf hashes that a file of the format before had in it."""

    @property
    def size(self) -> int:
        """Leaves of the remembered tree."""
        return self.edge.size

    @staticmethod
    def load(path: str | os.PathLike[str], trust: LogTrust, *, keeps_leaves: bool = True) -> LogMemory:
        """The memory in a file; a fresh one where there is no file yet.

        Raises:
            LogError: not a memory file. LogRejected: of another log, or its head is not signed or not of its edge.
        """
        place = Path(path)
        if not place.exists() and not place.is_symlink():
            return LogMemory(place, trust.origin, trust.key, keeps_leaves=keeps_leaves)
        try:
            found = _decode(place, read_bounded(place, MEMORY_LIMIT))
        except UnreadableFile as error:
            raise LogError(error.what) from None
        if (found.origin, found.key) != (trust.origin, trust.key):
            raise LogRejected(f"{place}: the memory is of another log, {found.origin!r}", "keep one memory file per log")
        head = None if found.note is None else SignedCheckpoint.open(found.note, LogTrust(trust.origin, trust.key)).head
        if head is not None and (head.size, head.root) != (found.size, found.edge.root()):
            raise LogRejected(f"{place}: the hashes that it remembers are not those of the head that it remembers")
        found.keeps_leaves = keeps_leaves
        return found

    def encode(self) -> bytes:
        """Canonical JSON (FORMATS-log.md)."""
        return to_json(
            {
                "cosigned": self.cosigned, "edge": to_base64(b"".join(self.edge.peaks)), "format": FORMAT, "key": self.key.hex(),
                "note": None if self.note is None else self.note.decode(), "origin": self.origin, "size": self.size,
            }
        )

    @property
    def leaves_path(self) -> Path:
        """The file of leaf hashes, 32 bytes each."""
        return self.path.with_name(f"{self.path.name}.leaves")

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The leaf hashes of the remembered tree; nothing where the file that has them is missing or damaged."""
        packed = b"".join(self._unwritten)
        if not packed:
            with suppress(UnreadableFile):
                packed = read_bounded(self.leaves_path, 2 * MAX_SIZE * HASH_BYTES)[: self.size * HASH_BYTES]
        found = tuple(packed[i : i + HASH_BYTES] for i in range(0, len(packed), HASH_BYTES))
        return found if len(found) == self.size and tree_root(found) == self.edge.root() else ()

    def check(self, view: LogView) -> None:
        """Compare a verified view with what is remembered.

        Raises:
            LogRejected: the view is of another log.
            LogFork: neither extends the other; the error carries the evidence.
            LogRewind: the view is an older state of the same history, or smaller and what was seen of the larger one is lost.
        """
        if (view.trust.origin, view.trust.key) != (self.origin, self.key):
            raise LogRejected("the memory is of another log")
        if self.note is None:
            return
        longer: Sequence[bytes] = view.hashes if view.size >= self.size else self.hashes
        shorter = (view.size, view.root) if view.size < self.size else (self.size, self.edge.root())
        if len(longer) >= shorter[0] and tree_root(longer[: shorter[0]]) != shorter[1]:
            evidence = LogEvidence.of(view.trust, self.note, view.checkpoint, longer)
            raise LogFork(
                f"the log forked: its head of size {view.size} and the one of size {self.size} seen before exclude each other",
                evidence, "keep the evidence and show it to the other parties",
            )
        if view.size < self.size:
            raise LogRewind(
                f"the log shows size {view.size}, but it showed {self.size} before", self.note, view.checkpoint,
                "ask for the newest copy; if there is none, entries were withdrawn",
            )

    def update(self, view: LogView, cosigned: int | None = None) -> None:
        """Check a view, then remember it durably.

        Raises:
            LogFork, LogRewind, LogRejected: as :meth:`check`. LogError: the file cannot be written.
        """
        self.check(view)
        begin = self.size if self._has_leaves() else 0
        self.extend(view.checkpoint, view.hashes[self.size :], cosigned, lost=view.hashes[begin : self.size])

    def extend(self, note: bytes, leaves: Sequence[bytes], cosigned: int | None = None, *, lost: Sequence[bytes] = ()) -> None:
        """Remember durably a signed head whose tree is the remembered one and these leaf hashes; the caller has checked that.

        Args:
            lost: leaf hashes just before ``leaves`` that the file of them lacks.

        Raises:
            LogError: the files cannot be written.
        """
        edge = Frontier.of_peaks(self.size, self.edge.peaks)
        for item in leaves:
            edge.append(item)
        if self.keeps_leaves:
            self._keep(self.size - len(lost), [*lost, *leaves])
        self.note, self.edge = note, edge
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
        if self.keeps_leaves:
            self._keep(self.size, [])
        self._write()
        return wrong

    def _has_leaves(self) -> bool:
        """Whether the file of leaf hashes is as long as it has to be."""
        if self._unwritten:
            return True
        try:
            return os.stat(self.leaves_path, follow_symlinks=False).st_size >= self.size * HASH_BYTES
        except OSError:
            return not self.size

    def _keep(self, begin: int, leaves: Sequence[bytes]) -> None:
        """Write leaf hashes from leaf ``begin`` on; where those before are lost, nothing: they come with the next full reading."""
        if self._unwritten:
            begin, leaves = 0, [*self._unwritten, *leaves]
        try:
            handle = os.open(self.leaves_path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                if os.fstat(handle).st_size >= begin * HASH_BYTES:
                    file.truncate(begin * HASH_BYTES)
                    file.seek(begin * HASH_BYTES)
                    file.write(b"".join(leaves))
                    file.flush()
                    os.fsync(handle)
        except OSError as error:
            raise LogError(f"{self.leaves_path}: {trouble(error)[0]}") from None

    def _write(self) -> None:
        try:
            write_atomic(self.path, self.encode(), 0o600)
        except UnreadableFile as error:
            raise LogError(error.what) from None
        self._unwritten = ()


def _decode(place: Path, data: bytes) -> LogMemory:
    """A memory of this format or the one before. Raises LogError."""
    try:
        value: Any = from_json(data)
        older = value["format"] == OLDER_FORMAT
        packed = from_base64(value["hashes" if older else "edge"], "what is remembered of the tree")
        hashes = tuple(packed[i : i + HASH_BYTES] for i in range(0, len(packed), HASH_BYTES))
        note = None if value["note"] is None else str.encode(value["note"])
        found = LogMemory(place, value["origin"], bytes.fromhex(value["key"]), note, cosigned=value["cosigned"])
        if older:
            found.edge, found._unwritten = Frontier(hashes), hashes
        else:
            found.edge = Frontier.of_peaks(value["size"], hashes)
        time, size = found.cosigned, found.size
        good = type(found.origin) is str and (time is None or (type(time) is int and 0 <= time < 2**63))
        good = good and type(size) is int and 0 <= size < 2**63 and size.bit_count() == len(found.edge.peaks)
        good = good and len(packed) % HASH_BYTES == 0 and (note is not None or not hashes)
        good = good and data == (_encode_older(found, packed) if older else found.encode())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, LogError):
        good = False
    if not good:
        raise LogError(f"{place}: not a log memory file")
    return found


def _encode_older(memory: LogMemory, packed: bytes) -> bytes:
    value = from_json(memory.encode())
    del value["edge"], value["size"]
    return to_json({**value, "format": OLDER_FORMAT, "hashes": to_base64(packed)})
