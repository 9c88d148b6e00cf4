"""Tiles and entry bundles of C2SP tlog-tiles: where they lie, how wide they are, what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from claims.base.merkle import HASH_BYTES, tree_root
from claims.tlog.errors import LogError
from claims.tlog.hashing import Frontier, fold

__all__ = [
    "BUNDLE_LIMIT", "ENTRY_LIMIT", "MAX_SIZE", "TILE_BYTES", "TILE_WIDTH", "TOTAL_LIMIT", "Levels",
    "decode_bundle", "decode_tile", "encode_bundle", "entries_path", "partial_tiles", "tile_path", "tiles_of",
]

TILE_WIDTH = 256
TILE_BYTES = TILE_WIDTH * HASH_BYTES
MAX_SIZE = 2**20
"""Entries of the largest log that is read or written. The formats allow more."""
ENTRY_LIMIT = 6144
"""Bytes of the longest entry that is read or written. The formats allow 65535."""
BUNDLE_LIMIT = TILE_WIDTH * (2 + ENTRY_LIMIT)
TOTAL_LIMIT = 512 * 2**20
"""Bytes of all entries of the largest log that is read."""


def _number(index: int) -> str:
    """Tile index as path elements of three digits: 1234067 is ``x001/x234/067``."""
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.append(f"x{index % 1000:03d}")
    return "/".join(reversed(parts))


def _path(kind: str, index: int, width: int) -> str:
    if not 1 <= width <= TILE_WIDTH or not 0 <= index < 2**56:
        raise LogError(f"no tile has index {index} and width {width}")
    return f"tile/{kind}/{_number(index)}" + ("" if width == TILE_WIDTH else f".p/{width}")


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Path of a tile of hashes, relative to the log. ``width`` below 256 is a partial tile."""
    if not 0 <= level <= 63:
        raise LogError(f"no tile has level {level}")
    return _path(str(level), index, width)


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Path of an entry bundle, relative to the log."""
    return _path("entries", index, width)


def tiles_of(size: int, since: int = 0) -> Iterator[tuple[int, int, int]]:
    """(level, index, width) of the tiles of a tree of ``size`` leaves, without those that it had at ``since``."""
    level = 0
    while size != since:
        for index in range(since // TILE_WIDTH, (size + TILE_WIDTH - 1) // TILE_WIDTH):
            yield level, index, min(TILE_WIDTH, size - index * TILE_WIDTH)
        size, since, level = size // TILE_WIDTH, since // TILE_WIDTH, level + 1


def partial_tiles(size: int) -> Iterator[tuple[int, int, int]]:
    """(level, index, width) of the tiles of a tree of ``size`` leaves that are not full, one at most in each level."""
    level = 0
    while size:
        if size % TILE_WIDTH:
            yield level, size // TILE_WIDTH, size % TILE_WIDTH
        size, level = size // TILE_WIDTH, level + 1


class Levels:
    """Hashes of a growing tree at every tile level: level 0 the leaves, above it the roots of full tiles.

    Of a tree that is begun at its right edge, only what is in or right of the edge's tiles is known.
    """

    def __init__(self, hashes: Sequence[bytes] = ()) -> None:
        self._rows: list[list[bytes]] = [[]]
        self._starts = [0]
        for item in hashes:
            self.append(item)

    @staticmethod
    def of_edge(size: int, edge: Mapping[int, Sequence[bytes]]) -> Levels:
        """A tree of ``size`` leaves by its partial tiles, as :func:`partial_tiles` names them: level to hashes."""
        found, level = Levels(), 0
        while size:
            found._open(level)
            found._rows[level] = list(edge.get(level, ()))
            found._starts[level] = size // TILE_WIDTH * TILE_WIDTH
            size, level = size // TILE_WIDTH, level + 1
        return found

    def _open(self, level: int) -> None:
        if level == len(self._rows):
            self._rows.append([])
            self._starts.append(0)

    def append(self, item: bytes) -> None:
        """Add one leaf hash."""
        level = 0
        while True:
            self._open(level)
            row = self._rows[level]
            row.append(item)
            if len(row) % TILE_WIDTH:
                return
            item, level = tree_root(row[-TILE_WIDTH:]), level + 1

    def row(self, level: int, index: int, width: int = TILE_WIDTH) -> list[bytes]:
        """Hashes of a tile, as far as the tree goes."""
        begin = index * TILE_WIDTH - self._starts[level]
        return self._rows[level][begin : begin + width]

    def tile(self, level: int, index: int, width: int) -> bytes:
        """Bytes of a tile."""
        return b"".join(self.row(level, index, width))

    def root(self) -> bytes:
        """Root of the tree so far."""
        return fold([peak for row in reversed(self._rows) for peak in Frontier(row[len(row) // TILE_WIDTH * TILE_WIDTH :]).peaks])


def decode_tile(data: bytes, width: int) -> list[bytes]:
    """The hashes of a tile of ``width``. Raises LogError for another length."""
    if len(data) != width * HASH_BYTES:
        raise LogError(f"a tile of width {width} has {len(data)} bytes, not {width * HASH_BYTES}")
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries, each behind its u16 length."""
    if any(len(entry) > ENTRY_LIMIT for entry in entries):
        raise LogError(f"an entry is longer than {ENTRY_LIMIT} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, width: int, *, full: bool = True) -> list[bytes]:
    """The first ``width`` entries of a bundle; with ``full`` nothing may follow them. Raises LogError."""
    entries, at = [], 0
    for _ in range(width):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise LogError("an entry bundle ends inside an entry")
        if end - at - 2 > ENTRY_LIMIT:
            raise LogError(f"an entry is longer than {ENTRY_LIMIT} bytes")
        entries.append(data[at + 2 : end])
        at = end
    if full and at != len(data):
        raise LogError(f"{len(data) - at} bytes follow the entries of a bundle")
    return entries
