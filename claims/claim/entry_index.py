"""Where a log has an entry's identity: for whoever appends, so that one more entry does not read all the others.

The index lies in the appender's own cache (:mod:`claims.base.cache`) and says where to look. What it names is read from the log's
tree and judged there; that it names everything follows from its own hashes, which begin at the root of the tree that it was made of.
Damaged, of another history, or gone, it is made anew from the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress

from claims.base.cache import Cache
from claims.claim.entries import MAGIC, VERSION
from claims.claim.entry_kinds import KINDS, KeyEntry
from claims.tlog.tiles import MAX_SIZE
from claims.tlog.tree import Tree

__all__ = ["EntryIndex", "any_key_word", "identity_key"]

_KIND = "log-index"
_START = len(MAGIC) + 3
_HASH = 16
_ROW = _HASH + 4
_BUCKETS = 256
_HEAD = 40 + 32 * _BUCKETS
_PART_SIZES = {kind: tuple(part.size for part in cls.parts if part.field in cls.one_of) for kind, cls in KINDS.items()}
"""Sizes of an identity's fields, which come first in each kind's body; 0 is a name."""
_PART_SIZES[KeyEntry.kind] = ()  # all words about keys of an agreement are found at once: what counts depends on those before


def any_key_word(agreement: bytes) -> bytes:
    """What finds every word about a key under an agreement, of this digest."""
    return MAGIC + VERSION.to_bytes(2, "big") + bytes([KeyEntry.kind]) + agreement


def identity_key(data: bytes) -> bytes:
    """SHA-256 of what of an entry's bytes there may be one of: what comes before all else; of bytes that are no entry, all of them."""
    if data[: len(MAGIC)] != MAGIC or data[len(MAGIC) : _START - 1] != VERSION.to_bytes(2, "big") or len(data) < _START + 32:
        return hashlib.sha256(b"bytes:" + data).digest()
    at = _START + 32
    for size in _PART_SIZES.get(data[_START - 1], ()):
        at += size or 1 + (data[at] if at < len(data) else 0)
    return hashlib.sha256(b"entry:" + data[:at]).digest()


class _Damaged(Exception):
    """A bucket is not the one that the head names."""


class EntryIndex:
    """The identities of a tree's entries.

    Taken from the cache where it is of this tree's beginning, and brought up to its size; else made of the tree's entries.

    Args:
        cache: where it lies; None: nowhere, and it is made each time.
        log: names the log: what is kept of it is kept under this.

    Raises:
        LogError, LogRejected: the log's entries cannot be read, or are not the tree's.
    """

    def __init__(self, cache: Cache | None, log: bytes, tree: Tree) -> None:
        self._cache, self._log, self._tree = cache, log, tree
        self._clear()
        if self._load():
            try:
                self._grow()
                return
            except _Damaged:
                self._clear()
        self._grow()

    def places(self, entries: Sequence[bytes]) -> list[int]:
        """Where the tree's entries with an identity of these stand, ascending; others may be among them."""
        try:
            return self._places(entries)
        except _Damaged:
            self._clear()
            self._grow()
            return self._places(entries)

    def add(self, entries: Sequence[bytes], root: bytes) -> None:
        """Take in the entries that were appended, and keep it. ``root``: of the tree with them."""
        with suppress(_Damaged):  # the next one is made anew
            self._add(entries)
            self._save(root)

    def _clear(self) -> None:
        self.size = 0
        self._hashes = [bytes(32)] * _BUCKETS
        self._buckets: dict[int, bytes] = {}
        self._fresh: set[int] = set()

    def _places(self, entries: Sequence[bytes]) -> list[int]:
        found: set[int] = set()
        for key in map(identity_key, entries):
            bucket, wanted = self._bucket(key[0]), key[1 : 1 + _HASH]
            at = bucket.find(wanted)
            while at >= 0:
                if at % _ROW == 0:
                    found.add(int.from_bytes(bucket[at + _HASH : at + _ROW], "big"))
                at = bucket.find(wanted, at + 1)
        return sorted(found)

    def _add(self, entries: Iterable[bytes]) -> None:
        rows: dict[int, list[bytes]] = {}
        for entry in entries:
            key = identity_key(entry)
            rows.setdefault(key[0], []).append(key[1 : 1 + _HASH] + self.size.to_bytes(4, "big"))
            self.size += 1
        for number, new in rows.items():
            self._buckets[number] = self._bucket(number) + b"".join(new)
            self._fresh.add(number)

    def _bucket(self, number: int) -> bytes:
        if number not in self._buckets:
            data: bytes | None = b""
            if self._hashes[number] != bytes(32):
                data = None if self._cache is None else self._cache.get(_KIND, self._log + bytes([number]), MAX_SIZE * _ROW)
                if data is None or hashlib.sha256(data).digest() != self._hashes[number]:
                    raise _Damaged
            self._buckets[number] = data or b""
        return self._buckets[number]

    def _load(self) -> bool:
        """Take the cache's index where it is of this tree's first entries."""
        data = None if self._cache is None else self._cache.get(_KIND, self._log, _HEAD)
        if data is None or len(data) != _HEAD:
            return False
        size, root = int.from_bytes(data[:8], "big"), data[8:40]
        if size > self._tree.size or self._tree.range_root(0, size) != root:
            return False
        self.size, self._hashes = size, [data[at : at + 32] for at in range(40, _HEAD, 32)]
        return True

    def _grow(self) -> None:
        """Take in what the tree has beyond it."""
        self._add(self._tree.entries(self.size, self._tree.size))
        self._save(self._tree.root)

    def _save(self, root: bytes) -> None:
        """Keep the buckets that have changed, then the head that has the hashes of all."""
        if self._cache is None or not self._fresh:
            return
        for number in self._fresh:
            data = self._buckets[number]
            self._hashes[number] = hashlib.sha256(data).digest()
            self._cache.put(_KIND, self._log + bytes([number]), data)
        self._fresh.clear()
        self._cache.put(_KIND, self._log, self.size.to_bytes(8, "big") + root + b"".join(self._hashes))
