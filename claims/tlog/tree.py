"""A tree read tile by tile: nothing is given out that does not lead to its root, and nothing is read that is not asked for.

The right edge, one partial tile in each level, gives the root. A full tile is believed when the tile above has its root. So an
entry costs a tile in each level and one bundle, however large the log is.
"""

from __future__ import annotations

from collections.abc import Iterator

from claims.base.merkle import leaf_hash, node_hash, tree_root
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.hashing import split
from claims.tlog.source import Source, read_wide
from claims.tlog.tiles import (
    BUNDLE_LIMIT,
    TILE_BYTES,
    TILE_WIDTH,
    Levels,
    decode_bundle,
    decode_tile,
    entries_path,
    partial_tiles,
    tile_path,
)

__all__ = ["Tree", "read_bundle"]

_KEPT = 64
"""Full tiles that are kept in memory."""


def read_bundle(source: Source, index: int, width: int) -> list[bytes]:
    """The first ``width`` entries of a bundle, unverified. Raises LogError: missing or malformed."""
    path = entries_path(index, width)
    data, exact = source.read(path, BUNDLE_LIMIT), True
    if data is None and width < TILE_WIDTH:
        data, exact = source.read(entries_path(index), BUNDLE_LIMIT), False
    if data is None:
        raise LogError(f"{source}: entry bundle {path} is missing")
    return decode_bundle(data, width, full=exact)


class Tree:
    """The tree of ``size`` leaves with ``root``, in a hostile place.

    Attributes:
        edge: its right edge, for what is appended to it.

    Raises:
        LogError: a tile of the edge is missing or malformed. LogRejected: the edge has another root.
    """

    def __init__(self, source: Source, size: int, root: bytes) -> None:
        self._source, self.size, self.root = source, size, root
        self._full: dict[tuple[int, int], list[bytes]] = {}
        self.edge = Levels.of_edge(size, {level: self._read(level, index, width) for level, index, width in partial_tiles(size)})
        if self.edge.root() != root:
            raise LogRejected(f"{source}: the tiles at the tree's edge have another root than the head of size {size}")

    def _read(self, level: int, index: int, width: int) -> list[bytes]:
        path = tile_path(level, index, width)
        data = read_wide(self._source, path, tile_path(level, index), TILE_BYTES)
        if data is None:
            raise LogError(f"{self._source}: tile {path} is missing")
        return decode_tile(data, TILE_WIDTH if len(data) == TILE_BYTES else width)[:width]

    def tile(self, level: int, index: int) -> list[bytes]:
        """The hashes of a tile, 256 or, at the edge, fewer. Raises LogError; LogRejected where it does not lead to the root."""
        if index == (self.size >> 8 * level) // TILE_WIDTH:
            return self.edge.row(level, index)
        if (level, index) not in self._full:
            hashes = self._read(level, index, TILE_WIDTH)
            if self.tile(level + 1, index // TILE_WIDTH)[index % TILE_WIDTH] != tree_root(hashes):
                raise LogRejected(f"{self._source}: tile {tile_path(level, index)} is not that of the signed tree")
            if len(self._full) >= _KEPT:
                self._full.clear()
            self._full[level, index] = hashes
        return self._full[level, index]

    def entries(self, first: int, last: int) -> Iterator[bytes]:
        """Entries ``first`` to ``last - 1``, bundle by bundle. Raises as :meth:`tile`, and LogError where there are none."""
        if not 0 <= first <= last <= self.size:
            raise LogError(f"there are no entries {first} to {last - 1} in a log of {self.size}")
        for index in range(first // TILE_WIDTH, (last + TILE_WIDTH - 1) // TILE_WIDTH):
            begin = index * TILE_WIDTH
            held = read_bundle(self._source, index, min(TILE_WIDTH, self.size - begin))
            if [leaf_hash(entry) for entry in held] != self.tile(0, index):
                raise LogRejected(f"{self._source}: the entries of {entries_path(index)} are not those of the signed tree")
            yield from held[max(0, first - begin) : last - begin]

    def _node(self, height: int, index: int) -> bytes:
        """Root of the ``index``-th perfect subtree of 2^``height`` leaves."""
        level, rest = divmod(height, 8)
        first = index << rest
        begin = first % TILE_WIDTH
        return tree_root(self.tile(level, first // TILE_WIDTH)[begin : begin + (1 << rest)])

    def range_root(self, low: int, high: int) -> bytes:
        """Root of the leaves ``low`` to ``high - 1``, a subtree as RFC 6962 splits; of (0, n): the root of the first n leaves."""
        width = high - low
        if width < 1:
            return tree_root(())
        if width & (width - 1) == 0:
            return self._node(width.bit_length() - 1, low // width)
        middle = low + split(width)
        return node_hash(self.range_root(low, middle), self.range_root(middle, high))

    def inclusion(self, index: int) -> list[bytes]:
        """Audit path of leaf ``index``, from its sibling upwards. Raises as :meth:`tile`, and LogError where there is none."""
        if not 0 <= index < self.size:
            raise LogError(f"there is no leaf {index} in a tree of {self.size}")
        low, high, path = 0, self.size, []
        while high - low > 1:
            middle = low + split(high - low)
            if index < middle:
                path.append(self.range_root(middle, high))
                high = middle
            else:
                path.append(self.range_root(low, middle))
                low = middle
        return path[::-1]

    def consistency(self, old: int) -> list[bytes]:
        """Proof (RFC 6962, section 2.1.2) that this tree extends that of its first ``old`` leaves. Raises as :meth:`inclusion`."""
        if not 0 <= old <= self.size:
            raise LogError(f"a tree of {self.size} has no prefix of {old}")
        low, high, path, whole = 0, self.size, [], True
        if old in (0, high):
            return []
        while old != high:
            middle = low + split(high - low)
            if old <= middle:
                path.append(self.range_root(middle, high))
                high = middle
            else:
                path.append(self.range_root(low, middle))
                low, whole = middle, False
        if not whole:
            path.append(self.range_root(low, high))
        return path[::-1]
