"""Reading a log from a hostile place: every entry, the root recomputed, the signatures and their quorum checked."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from claims.base.merkle import audit_paths, leaf_hash, tree_root
from claims.base.threads import in_threads
from claims.tlog.checkpoint import LogTrust, SignedCheckpoint
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.evidence import LogEvidence, LogFork
from claims.tlog.hashing import Frontier
from claims.tlog.note import NOTE_LIMIT
from claims.tlog.proof import TLogProof, consistency_proof
from claims.tlog.source import Source, open_source, read_wide
from claims.tlog.tiles import (
    MAX_SIZE,
    TILE_BYTES,
    TILE_WIDTH,
    TOTAL_LIMIT,
    Levels,
    decode_tile,
    tile_path,
    tiles_of,
)
from claims.tlog.tree import read_bundle

__all__ = ["LogView", "choose", "open_log", "read_checkpoint", "read_entries", "read_tree"]

FALLBACKS = 1024
"""Older heads that are tried when the newest lacks its quorum."""
_BLOCK = 4096
"""Stored heads that are held as files at a time."""
AHEAD = 600
"""Seconds by which a date may lie after the reader's clock: clocks differ. A later one says nothing."""


@dataclass
class LogView:
    """A log as verified: ``entries[i]`` is in the tree with ``root`` of ``size`` leaves, which log and quorum signed.

    Attributes:
        signed: the head of this view, with its cosignatures.
        newest: the newest head that the log signed; larger than the view's where that one lacks its quorum.
        tail: the entries that ``newest`` has beyond the view's: the log signed them, no quorum vouches for them.
        tail_problem: why they are not here, or None.
        exclude: cosigners that did not count.
        until: later dates do not tell how far the log goes, or when the log itself published; None: all do.
        shown: what was worked out of the heads' dates, for ``claims.tlog.dates`` alone.
    """

    trust: LogTrust
    source: Source
    signed: SignedCheckpoint
    newest: SignedCheckpoint
    entries: list[bytes]
    hashes: list[bytes]
    exclude: frozenset[str] = frozenset()
    tail: list[bytes] = field(default_factory=list)
    tail_problem: str | None = None
    until: int | None = None
    _heads: dict[int, SignedCheckpoint] | None = field(default=None, repr=False)
    _dates: dict[frozenset[str], tuple[list[int], list[tuple[int, int]]]] = field(default_factory=dict, repr=False)
    shown: dict[tuple[frozenset[str], bool], object] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.signed.head.size

    @property
    def root(self) -> bytes:
        """Root of the tree, 32 bytes."""
        return self.signed.head.root

    @property
    def checkpoint(self) -> bytes:
        """The signed head, as note bytes."""
        return self.signed.note.encode()

    def prove(self, index: int, extra: bytes | None = None) -> TLogProof:
        """Proof file that entry ``index`` is in the log. Raises LogError: there is none."""
        if not 0 <= index < self.size:
            raise LogError(f"there is no leaf {index} in a tree of {self.size}")
        return TLogProof(index, audit_paths(self.hashes, (index,))[index], self.checkpoint, extra)

    def consistency(self, old: int) -> list[bytes]:
        """RFC 6962 consistency proof from the tree of ``old`` leaves to this view."""
        return consistency_proof(self.hashes, old)

    def check_prefix(self, other: LogView) -> None:
        """Check that another view of this log, no longer than this one, is a state that it had.

        Raises:
            LogRejected: it is longer: the log went back between two readings. LogFork: the two exclude each other.
        """
        if other.size > self.size:
            raise LogRejected(f"{self.source}: shows size {self.size}, and showed {other.size} a moment ago")
        if other.hashes != self.hashes[: other.size]:
            evidence = LogEvidence.of(self.trust, other.checkpoint, self.checkpoint, self.hashes)
            raise LogFork(f"the log signed two histories: its head of size {other.size} is not in the tree of size {self.size}", evidence)

    def check_tiles(self) -> int:
        """Compare every tile of this view's tree with the entries; returns their number.

        Raises:
            LogRejected: a tile is missing or differs.
        """
        levels, count = Levels(self.hashes), 0
        for level, index, width in tiles_of(self.size):
            data = read_wide(self.source, tile_path(level, index, width), tile_path(level, index), TILE_BYTES)
            if data is None or data[: width * 32] != levels.tile(level, index, width) or len(data) not in (width * 32, TILE_BYTES):
                raise LogRejected(f"tile {tile_path(level, index, width)} is missing or not that of the entries")
            count += 1
        return count

    def history(self) -> dict[int, SignedCheckpoint]:
        """The stored heads up to this view's size that log and trees agree on, by size; broken files are left out.

        Raises:
            LogFork: the log signed a stored head with another root than its entries have at that size.
        """
        return {size: head for size, head in self.heads().items() if size <= self.size}

    def heads(self) -> dict[int, SignedCheckpoint]:
        """Ascending: as :meth:`history`, and those above this view's size whose entries are in ``tail``; the newest in any case."""
        if self._heads is None:
            self._heads = self._read_heads()
        return self._heads

    def _read_heads(self) -> dict[int, SignedCheckpoint]:
        found = {self.newest.head.size: self.newest, self.size: self.signed}
        hashes = [*self.hashes, *map(leaf_hash, self.tail)]
        frontier = Frontier()
        sizes = [size for size in self.source.sizes() if size <= len(hashes)]
        for size, stored in zip(sizes, self._opened(sizes), strict=True):
            while frontier.size < size:
                frontier.append(hashes[frontier.size])
            if stored is None or stored.head.size != size:
                continue
            if stored.head.root != frontier.root():
                longer = self.signed if size <= self.size else self.newest
                evidence = LogEvidence.of(self.trust, stored.note.encode(), longer.note.encode(), hashes)
                raise LogFork(f"the log signed two histories: its stored head of size {size} is not in its tree", evidence)
            same = size in found and found[size].note.text == stored.note.text
            found[size] = stored.merge(found[size]) if same else found.get(size, stored)
        return dict(sorted(found.items()))

    def _opened(self, sizes: Sequence[int]) -> Iterator[SignedCheckpoint | None]:
        """The stored heads of these sizes; None where one cannot be read, or the log did not sign it."""

        def opened(data: bytes | None) -> SignedCheckpoint | None:
            with suppress(LogError):
                return None if data is None else SignedCheckpoint.open(data, self.trust)
            return None

        for begin in range(0, len(sizes), _BLOCK):
            files: list[bytes | None] = []
            for size in sizes[begin : begin + _BLOCK]:
                try:
                    files.append(self.source.read(f"checkpoints/{size}", NOTE_LIMIT))
                except LogError:
                    files.append(None)
            yield from in_threads(opened, files)

    def without(self, names: Collection[str]) -> LogView:
        """This log as it is believed when these cosigners do not count either; of size 0 where no head has its quorum then."""
        barred = self.exclude | frozenset(names).intersection(self.trust.cosigners)
        if barred == self.exclude:
            return self
        if self.signed.has_quorum(self.trust, barred):
            return replace(self, exclude=barred, _dates={}, shown={})
        good = [head for size, head in self.history().items() if head.has_quorum(self.trust, barred)]
        signed = max(good, key=lambda head: head.head.size, default=SignedCheckpoint.empty(self.trust))
        size = signed.head.size
        return replace(
            self, signed=signed, exclude=barred, entries=self.entries[:size], hashes=self.hashes[:size],
            tail=self.entries[size:] + self.tail, _heads=self.heads(), _dates={}, shown={},
        )  # fmt: skip

    def as_of(self, exclude: Collection[str] = ()) -> int | None:
        """The Unix time at or after which a quorum said that this was the whole log, or None."""
        return self.signed.as_of(self.trust, self.exclude | frozenset(exclude), self.until)

    def newest_date(self) -> int | None:
        """The least date that anyone gives the newest head, the log's own included, or None."""
        dated = () if self.newest.dated is None else (self.newest.dated[0],)
        return min((time for time in (*self.newest.times.values(), *dated) if self.until is None or time <= self.until), default=None)

    def cosigned_last(self) -> dict[str, tuple[int, int] | None]:
        """For each cosigner that has not cosigned the newest head and may: size and time of the largest head that it cosigned, or None."""
        out: dict[str, tuple[int, int] | None] = {}
        for name in sorted(self.trust.cosigners.keys() - self.exclude - self.newest.times.keys()):
            sizes = [size for size, head in self.heads().items() if name in head.stamps]
            out[name] = (max(sizes), self.heads()[max(sizes)].stamps[name][-1]) if sizes else None
        return out

    def committed_time(self, index: int, exclude: Collection[str] = ()) -> int:
        """Unix time by which a quorum had seen entry ``index`` published.

        The least, over the stored heads that contain the entry, of the quorum-th smallest cosignature time. Cosigners in
        ``exclude``, those that the view excludes, and witnesses do not count.

        Raises:
            LogError: there is no such entry, or no stored head with it has its quorum.
        """
        return self._dating(index, exclude)[0]

    def dated_by(self, index: int, exclude: Collection[str] = ()) -> int:
        """Size of the stored head that gives :meth:`committed_time`. Raises LogError as that does."""
        return self._dating(index, exclude)[1]

    def _dating(self, index: int, exclude: Collection[str]) -> tuple[int, int]:
        if not 0 <= index < self.size:
            raise LogError(f"there is no entry {index} in a log of {self.size}")
        barred = self.exclude | self.trust.witnesses | frozenset(exclude).intersection(self.trust.cosigners)
        if barred not in self._dates:
            self._dates[barred] = self._suffix_minima(barred)
        sizes, times = self._dates[barred]
        at = bisect_right(sizes, index)
        if at == len(sizes):
            raise LogError(f"nothing dates entry {index}: no stored head with it has {self.trust.quorum} cosignatures that count")
        return times[at]

    def _suffix_minima(self, barred: frozenset[str]) -> tuple[list[int], list[tuple[int, int]]]:
        """Sizes of the heads with a quorum, ascending, and for each the least (date, size) of it and all larger ones."""
        dated = [(size, head.quorum_time(self.trust, barred)) for size, head in self.history().items()]
        sizes = [size for size, time in dated if time is not None]
        times = [(time, size) for size, time in dated if time is not None]
        for at in range(len(times) - 2, -1, -1):
            times[at] = min(times[at], times[at + 1])
        return sizes, times


def read_checkpoint(source: Source, path: str, trust: LogTrust) -> SignedCheckpoint | None:
    """A head that the log signed, or None. Raises as ``SignedCheckpoint.open``."""
    data = source.read(path, NOTE_LIMIT)
    return None if data is None else SignedCheckpoint.open(data, trust)


def read_entries(source: Source, size: int, since: int = 0) -> tuple[list[bytes], list[bytes]]:
    """The first ``size`` entries, of which those before ``since`` are not kept, and the leaf hashes of all, unverified.

    Raises:
        LogError: a bundle is missing, malformed or too large.
    """
    entries: list[bytes] = []
    hashes: list[bytes] = []
    total = 0
    for index in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
        begin = index * TILE_WIDTH
        held = read_bundle(source, index, min(TILE_WIDTH, size - begin))
        total += sum(map(len, held)) + 2 * len(held)
        if total > TOTAL_LIMIT:
            raise LogError(f"{source}: more than {TOTAL_LIMIT} bytes of entries")
        hashes += map(leaf_hash, held)
        entries += held[max(0, since - begin) :]
    return entries, hashes


def read_tree(source: Source, size: int) -> list[bytes]:
    """The level 0 tiles of a tree of ``size``: its leaf hashes, unverified."""
    hashes: list[bytes] = []
    for index in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
        width = min(TILE_WIDTH, size - index * TILE_WIDTH)
        data = read_wide(source, tile_path(0, index, width), tile_path(0, index), TILE_BYTES)
        if data is None:
            raise LogError(f"{source}: tile {tile_path(0, index, width)} is missing")
        hashes += decode_tile(data, TILE_WIDTH if len(data) == TILE_BYTES else width)[:width]
    return hashes


def open_log(
    source: str | os.PathLike[str] | Source, trust: LogTrust, *, exclude: Collection[str] = frozenset(), bare: bool = False,
    now: int | None = None, keep: bool = True,
) -> LogView:  # fmt: skip
    """Read and verify a whole log.

    Where the newest head lacks its quorum yet, the largest stored head that has it is taken.

    Args:
        source: a folder, an ``http(s)://`` address, or a :class:`~claims.tlog.source.Source`.
        exclude: names of cosigners whose cosignatures do not count.
        bare: where no head has its quorum, give a view of size 0, all of whose entries are in its ``tail``.
        now: the reader's clock, Unix seconds: later dates than :data:`AHEAD` after it say nothing of how far the log goes. None: all do.
        keep: False: the entries are read and hashed, and the view has none of them but its tail.

    Raises:
        LogError: unreadable, malformed, or beyond the bounds.
        LogRejected: not signed by the log, no quorum, or the entries have another root.
        LogFork: the newest head and the one with the quorum exclude each other.
    """
    until = None if now is None else now + AHEAD
    place: Source = open_source(source) if isinstance(source, str | os.PathLike) else source
    barred = frozenset(exclude)
    shown = read_checkpoint(place, "checkpoint", trust)
    if shown is None:
        raise LogError(f"{place}: there is no log (no file checkpoint)")
    newest, signed, stored = choose(place, trust, barred, shown, place.sizes())
    if signed is None:
        if not bare:
            raise LogRejected(
                f"{place}: the head of size {newest.head.size} lacks its {trust.quorum} cosignatures, and so does every recent one",
                "let the cosigners cosign it",
            )
        signed = SignedCheckpoint.empty(trust)
    usable = [signed, *([stored] if stored else [])]
    since = 0 if keep else min(head.head.size for head in usable)
    entries, hashes, problem = _read_largest(place, [newest, *usable], since)
    if signed.head.size > len(hashes) and stored is not None:
        signed = stored
    roots: dict[int, bytes] = {}
    for head in (shown, newest, signed):
        size = head.head.size
        if size <= len(hashes) and head.head.root != roots.setdefault(size, roots.get(size) or tree_root(hashes[:size])):
            whole = max((newest, signed), key=lambda item: item.head.size if item.head.size <= len(hashes) else -1)
            evidence = LogEvidence.of(trust, head.note.encode(), whole.note.encode(), hashes)
            raise LogFork(f"the log signed two histories: its head of size {size} is not in its tree of size {len(hashes)}", evidence)
    size = signed.head.size
    return LogView(
        trust, place, signed, newest, entries[: size if keep else 0], hashes[:size], barred, entries[size - since :], problem, until,
    )  # fmt: skip


def _read_largest(place: Source, heads: Sequence[SignedCheckpoint], since: int) -> tuple[list[bytes], list[bytes], str | None]:
    """Entries from ``since`` on, and all leaf hashes, under the largest head whose entries are here; why of no larger one."""
    problem: str | None = None
    ordered = sorted({head.note.text: head for head in heads}.values(), key=lambda head: -head.head.size)
    for head in ordered[:-1]:
        try:
            return *_read_whole(place, head, since), problem
        except LogError as error:
            problem = problem or error.what
    return *_read_whole(place, ordered[-1], since), problem


def _read_whole(place: Source, signed: SignedCheckpoint, since: int) -> tuple[list[bytes], list[bytes]]:
    """The entries under a head from ``since`` on, and all leaf hashes. Raises LogError; LogRejected where they have another root."""
    size = signed.head.size
    if size > MAX_SIZE:
        raise LogError(f"{place}: {size} entries are more than {MAX_SIZE}")
    entries, hashes = read_entries(place, size, since)
    if tree_root(hashes) != signed.head.root:
        raise LogRejected(f"{place}: the entries have another root than the signed head of size {size}")
    return entries, hashes


def choose(
    place: Source, trust: LogTrust, exclude: frozenset[str], shown: SignedCheckpoint, sizes: Sequence[int]
) -> tuple[SignedCheckpoint, SignedCheckpoint | None, SignedCheckpoint | None]:
    """Of ``shown`` and the heads of these sizes: the newest, the largest with a quorum, the largest with one not newer than ``shown``.

    Raises:
        LogFork: the log signed two heads of one size.
    """
    newest, signed, older = shown, None, shown if shown.has_quorum(trust, exclude) else None
    for size in sorted(sizes, reverse=True)[:FALLBACKS]:
        if older is not None and size <= older.head.size:
            break
        try:
            stored = read_checkpoint(place, f"checkpoints/{size}", trust)
        except LogError:
            continue
        if stored is None or stored.head.size != size:
            continue
        if stored.note.text == newest.note.text:
            newest = stored = stored.merge(newest)
        elif size > newest.head.size:
            newest = stored
        elif size == newest.head.size and stored.head.root != newest.head.root:
            evidence = LogEvidence.of(trust, stored.note.encode(), newest.note.encode())
            raise LogFork(f"the log signed two histories: two heads of size {size}", evidence)
        if stored.has_quorum(trust, exclude):
            signed = signed or stored
            older = stored if size <= shown.head.size else older
    return newest, signed or older, older
