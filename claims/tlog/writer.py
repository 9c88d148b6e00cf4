"""Appending to a log in a folder: one writer at a time, and safe against being stopped at any moment.

Order of an append, each step durable before the next: entry bundles and tiles; a note of intent (size and root); the writer's
memory; the signed head under ``checkpoints/<size>``; the list of sizes; ``checkpoint``; the intent is removed. So no head is signed
whose tiles are not on disk, and once a size may have been signed its root is on disk: after a crash the same head is
published, with the signature that the memory has, or, where no intent was written, the tail is discarded.

The memory lies apart from the log. A log that shows the remembered head is opened at its right edge, whatever its size; any other
is read whole, and refused where it does not extend what was signed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType

from claims.base import clock
from claims.base.hybrid import SigningKey
from claims.base.merkle import EMPTY_ROOT, leaf_hash, tree_root
from claims.base.text import is_origin
from claims.tlog.checkpoint import Checkpoint, LogTrust, SignedCheckpoint, date_head, sign_checkpoint
from claims.tlog.disk import Disk, take_lock
from claims.tlog.errors import LogError, LogRejected, LogRewind
from claims.tlog.memory import LogMemory
from claims.tlog.note import NOTE_LIMIT, Note
from claims.tlog.reader import read_entries
from claims.tlog.source import SIZES, FolderSource, newest_sizes
from claims.tlog.tiles import (
    ENTRY_LIMIT,
    MAX_SIZE,
    TILE_WIDTH,
    Levels,
    encode_bundle,
    entries_path,
    partial_tiles,
    tile_path,
    tiles_of,
)
from claims.tlog.tree import Tree

__all__ = ["INTENT", "LogWriter"]

INTENT = ".intent"
_INTENT = re.compile(r"standstill-log-intent/1\n(0|[1-9][0-9]{0,15}) ([0-9a-f]{64})\n")
_TILE = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?")


Remember = Callable[[LogTrust], LogMemory]


class LogWriter:
    """A log open for appending, its lock held until :meth:`close`. Use ``create`` or ``open``; a context manager.

    Attributes:
        origin: the log's name. ``size``: number of published entries. ``root``: root of their tree.
    """

    def __init__(self, folder: Path, key: SigningKey, disk: Disk, lock: int, memory: Remember | None = None) -> None:
        self._disk, self._key, self._lock, self._remember = disk, key, lock, memory
        self._source = FolderSource(folder)
        self._levels = Levels()
        self._tail: list[bytes] = []
        self._memory: LogMemory | None = None
        self._broken = False
        self.origin, self.size, self.root = "", 0, EMPTY_ROOT

    @staticmethod
    def create(
        folder: str | os.PathLike[str], origin: str, key: SigningKey, *, disk: Disk | None = None, wait: float = 10.0,
        memory: Remember | None = None,
    ) -> LogWriter:  # fmt: skip
        """Make an empty log and publish its head of size 0. ``memory``: as :meth:`open`.

        Raises:
            LogError: the origin is not one, or the folder already holds a log or parts of one.
            LogRewind: the memory has seen a log of this origin and key.
            LogBusy: another process is at it.
        """
        if not is_origin(origin):
            raise LogError("a log's origin is 1 to 128 printable ASCII characters without spaces and plus")
        place = Path(folder)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogError(f"{place}: {error.strerror}") from None
        writer = LogWriter(place, key, disk or Disk(place), take_lock(place, wait), memory)
        try:
            if (place / "checkpoint").exists() or (place / "tile").exists() or any(writer._source.sizes()):
                raise LogError(f"{place}: there is a log, or parts of one", "choose another folder; nothing was overwritten")
            writer.origin = origin
            head = Checkpoint(origin, 0, EMPTY_ROOT)
            writer._load_memory()
            writer._compare(head, lambda size: EMPTY_ROOT)
            writer._publish(head, writer._note(head, ()))
            writer._tidy()
        except BaseException:
            writer.close()
            raise
        return writer

    @staticmethod
    def open(
        folder: str | os.PathLike[str], key: SigningKey, *, disk: Disk | None = None, wait: float = 10.0,
        memory: Remember | None = None, whole: bool = False,
    ) -> LogWriter:  # fmt: skip
        """Open a log at its right edge where it shows the head that the memory has; else, or with ``whole``, read all of it.

        Then the root is recomputed from the entries, what a crash left is completed or discarded, and the tiles are mended.

        Args:
            memory: gives the writer's own memory of the log with this origin and key; None: there is none.

        Raises:
            LogError: no log, or damaged beyond what a crash can do.
            LogRewind: the log is older than what its key has signed, as from a backup.
            LogRejected: the log is another key's, does not extend what was signed, or its entries have another root than its head.
            LogBusy: another process is at it.
        """
        place = Path(folder)
        writer = LogWriter(place, key, disk or Disk(place), take_lock(place, wait), memory)
        try:
            writer._begin(whole)
        except BaseException:
            writer.close()
            raise
        return writer

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the lock."""
        self._broken = True
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    @property
    def entries(self) -> list[bytes]:
        """The published entries, read from the folder."""
        return read_entries(self._source, self.size)[0]

    @property
    def tree(self) -> Tree:
        """The published tree, to be read tile by tile."""
        return Tree(self._source, self.size, self.root)

    @property
    def trust(self) -> LogTrust:
        """This log, believed by its key alone."""
        return LogTrust(self.origin, self._key.public_key().public_bytes_raw())

    # ---- appending ---------------------------------------------------------------------------------------------

    def append(self, entries: Sequence[bytes], now: int | None = None) -> int:
        """Publish entries, in order, under one new head; returns the index of the first. ``now``: Unix time; None takes the clock.

        When it returns they are durable and published. When it raises, opening the log again tells which it was: all of
        them published, or none.

        Raises:
            LogError: none given, one too long, the log full or closed, or the disk refuses.
        """
        if self._broken:
            raise LogError("this log was closed or stopped half-way", "open it again")
        if not entries or len(entries) + self.size > MAX_SIZE or any(len(entry) > ENTRY_LIMIT for entry in entries):
            raise LogError(f"a log takes 1 or more entries of at most {ENTRY_LIMIT} bytes, {MAX_SIZE} in all")
        self._broken = True  # until all of it is done
        old, new = self.size, self.size + len(entries)
        leaves = [leaf_hash(entry) for entry in entries]
        for item in leaves:
            self._levels.append(item)
        self._tail += map(bytes, entries)
        first = old // TILE_WIDTH
        for index in range(first, (new + TILE_WIDTH - 1) // TILE_WIDTH):
            held = self._tail[(index - first) * TILE_WIDTH : (index - first + 1) * TILE_WIDTH]
            self._disk.replace(entries_path(index, len(held)), encode_bundle(held))
        for level, index, width in tiles_of(new, old):
            self._disk.replace(tile_path(level, index, width), self._levels.tile(level, index, width))
        head = Checkpoint(self.origin, new, self._levels.root())
        self._disk.replace(INTENT, f"standstill-log-intent/1\n{new} {head.root.hex()}\n".encode())
        self._publish(head, self._note(head, leaves), now, old)
        for index in range(first, new // TILE_WIDTH):
            self._drop_partial(entries_path(index))
        self._disk.remove(INTENT)
        self._tail = self._tail[(new // TILE_WIDTH - first) * TILE_WIDTH :]
        self._broken = False
        return old

    def _note(self, head: Checkpoint, leaves: Sequence[bytes]) -> Note:
        """Sign a head, once, and remember it before it is in the folder: from now on nothing else of its size or below is signed."""
        stored, seen = self._stored(head.size), self._memory
        if stored is None and seen is not None and seen.note is not None:
            stored = Note.decode(seen.note)
        note = stored if stored is not None and stored.text == head.text() else sign_checkpoint(head, self._key)
        if seen is not None:
            seen.extend(note.encode(), leaves)
        return note

    def _publish(self, head: Checkpoint, signed: Note, now: int | None = None, before: int | None = None) -> None:
        """Date and publish a signed head whose tiles and intent are durable; what is there already, cosigned maybe, stays.

        ``before``: size of the head before it; None: look it up.
        """
        path = f"checkpoints/{head.size}"
        note = self._stored(head.size)
        if note is None:
            last = max((size for size in self._source.sizes() if size < head.size), default=0) if before is None else before
            note = date_head(signed, self._key, clock.now() if now is None else now, last)
            self._disk.replace(path, note.encode())
        elif note.text != head.text():
            raise LogRejected(f"the log has signed another head of size {head.size}", "never use this log's key again")
        if before is None or not self._list(before, head.size):
            self._put(SIZES, "".join(f"{size}\n" for size in self._source.sizes() if size <= head.size).encode())
        current = self._source.read("checkpoint", NOTE_LIMIT)
        if current is None or self._own(current).head.size < head.size:
            self._disk.replace("checkpoint", note.encode())
        self.size, self.root = head.size, head.root

    def _list(self, before: int, size: int) -> bool:
        """Put a size at the end of the list of them; False where the one before is not the last there."""
        tail = self._source.tail(SIZES, 64)
        *lines, torn = tail.split(b"\n")
        if lines[-1:] != [b"%d" % before]:
            return False
        self._disk.append(SIZES, b"%d\n" % size, os.stat(self._disk.folder / SIZES).st_size - len(torn))
        return True

    def _put(self, path: str, data: bytes) -> None:
        """Replace a file that holds anything else."""
        try:
            same = self._source.read(path, len(data)) == data
        except LogError:  # larger, or no file
            same = False
        if not same:
            self._disk.replace(path, data)

    def _drop_partial(self, full: str) -> None:
        """Remove the partial bundles that a full one has replaced."""
        place = self._disk.folder / f"{full}.p"
        if place.is_dir():
            for name in sorted(os.listdir(place)):
                self._disk.remove(f"{full}.p/{name}")
            os.rmdir(place)

    # ---- opening -----------------------------------------------------------------------------------------------

    def _own(self, data: bytes) -> SignedCheckpoint:
        return SignedCheckpoint.open(data, self.trust)

    def _stored(self, size: int) -> Note | None:
        """The stored head of a size, where it is ours and whole."""
        data = self._source.read(f"checkpoints/{size}", NOTE_LIMIT)
        try:
            signed = None if data is None else self._own(data)
        except LogError:
            return None
        return signed.note if signed is not None and signed.head.size == size else None

    def _begin(self, whole: bool) -> None:
        data = self._source.read("checkpoint", NOTE_LIMIT)
        if data is None:
            raise LogError(f"{self._source}: there is no log (no file checkpoint)", "make one with `standstill log init`")
        self.origin = Checkpoint.parse(Note.decode(data).text).origin
        head = self._own(data).head
        self._load_memory()
        if whole or not self._at_edge(head):
            self._recover(head)

    def _at_edge(self, head: Checkpoint) -> bool:
        """Take the log up at its right edge: its head is the last that was signed, and its edge is that of the head."""
        seen = self._memory
        if seen is None or seen.note is None or (seen.size, seen.edge.root()) != (head.size, head.root):
            return False
        if self._source.read(INTENT, NOTE_LIMIT) is not None or newest_sizes(self._source, 1) != [head.size]:
            return False
        try:
            tree, begin = Tree(self._source, head.size, head.root), head.size - head.size % TILE_WIDTH
            tail = list(tree.entries(begin, head.size))
        except LogError:
            return False
        self._levels, self._tail = tree.edge, tail
        self.size, self.root = head.size, head.root
        return True

    def _load_memory(self) -> None:
        if self._remember is not None:
            self._memory = self._remember(self.trust)

    def _compare(self, head: Checkpoint, root_of: Callable[[int], bytes]) -> None:
        """Hold a head against the memory. ``root_of``: the root of its tree's first leaves."""
        seen = self._memory
        if seen is None or seen.note is None:
            return
        if head.size < seen.size:
            raise LogRewind(
                f"{self._source}: the log has {head.size} entries, and its key has signed a head of {seen.size}: it is an older copy",
                seen.note, self._source.read("checkpoint", NOTE_LIMIT) or b"",
                "bring back the newest copy, from a mirror or a cosigner: what is appended to an older one is a fork",
            )
        if root_of(seen.size) != seen.edge.root():
            what = f"{self._source}: the log does not extend the head of size {seen.size} that its key has signed"
            raise LogRejected(what, "bring back the copy that does: two such heads are evidence of a fork")

    def _recover(self, head: Checkpoint) -> None:
        """Read the whole log; complete or discard what a crash left, and mend the tiles."""
        for size in self._source.sizes():
            stored = self._stored(size) if size > head.size else None
            head = Checkpoint.parse(stored.text) if stored is not None else head
        intent = self._intent()
        if intent is not None and intent.size > head.size:
            head = intent
        elif intent is not None and intent.size == head.size and intent.root != head.root:
            raise LogRejected(f"{self._source}: the file {INTENT} and the signed head of size {head.size} have different roots")
        if head.size > MAX_SIZE:
            raise LogError(f"{self._source}: {head.size} entries are more than {MAX_SIZE}")
        entries, leaves = read_entries(self._source, head.size)
        self._levels, self._tail = Levels(leaves), entries[len(entries) - len(entries) % TILE_WIDTH :]
        if self._levels.root() != head.root:
            raise LogRejected(f"{self._source}: the entries have another root than the head of size {head.size}")
        self._compare(head, lambda size: tree_root(leaves[:size]))
        self._mend(head.size)
        self._publish(head, self._note(head, leaves[0 if self._memory is None else self._memory.size :]))
        self._tidy()
        self._disk.remove(INTENT)

    def _intent(self) -> Checkpoint | None:
        data = self._source.read(INTENT, NOTE_LIMIT)
        if data is None:
            return None
        match = _INTENT.fullmatch(data.decode("ascii", "replace"))
        if match is None:
            raise LogError(f"{self._source}/{INTENT}: does not say what was about to be published")
        return Checkpoint(self.origin, int(match[1]), bytes.fromhex(match[2]))

    def _mend(self, size: int) -> None:
        """Write again what of the tree is missing or damaged; all of it follows from the entries, whose root is signed."""
        wanted = [(tile_path(*tile), self._levels.tile(*tile)) for tile in tiles_of(size)]
        if size % TILE_WIDTH:
            index = size // TILE_WIDTH
            wanted.append((entries_path(index, size % TILE_WIDTH), encode_bundle(self._tail)))
        for path, data in wanted:
            self._put(path, data)
        for path, tile in self._older_tiles(size).items():
            if not os.path.lexists(self._disk.folder / path):
                self._disk.replace(path, self._levels.tile(*tile))

    def _older_tiles(self, size: int) -> dict[str, tuple[int, int, int]]:
        """The partial tiles, by path, that heads published up to ``size`` are proven with; they stay when a full tile is there too."""
        return {tile_path(*tile): tile for older in self._source.sizes() if older <= size for tile in partial_tiles(older)}

    def _tidy(self) -> None:
        """Remove temporary files, the unpublished tail, and partial bundles that a full one has replaced."""
        folder, older = self._disk.folder, self._older_tiles(self.size)
        for base, _, names in os.walk(folder / "tile"):
            for name in names:
                path = (Path(base) / name).relative_to(folder).as_posix()
                if name.endswith(".tmp") or self._is_stray(path, older):
                    self._disk.remove(path)
            if base.endswith(".p") and not os.listdir(base):
                os.rmdir(base)
        for place in (folder, folder / "checkpoints"):
            for name in os.listdir(place):
                if name.startswith(".") and name.endswith(".tmp"):
                    self._disk.remove((place / name).relative_to(folder).as_posix())

    def _is_stray(self, path: str, older: Collection[str]) -> bool:
        match = _TILE.fullmatch(path)
        if match is None:
            return False
        level = 0 if match[1] == "entries" else int(match[1])
        index = int(match[2].replace("x", "").replace("/", ""))
        here = (self.size >> (8 * level)) - index * TILE_WIDTH
        if match[3] is None:
            return here < TILE_WIDTH
        return here >= TILE_WIDTH or int(match[3]) > here if match[1] == "entries" else path not in older
