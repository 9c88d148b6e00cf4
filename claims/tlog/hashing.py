"""Merkle tree hashing of RFC 6962, section 2.1, with SHA-256.

A tree is given by the list of its leaf hashes (32 bytes each). Nothing here checks signatures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = ["EMPTY_ROOT", "HASH_BYTES", "Frontier", "fold", "leaf_hash", "node_hash", "split", "tree_root"]

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of an entry: SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """Largest power of two below ``size``; the left subtree of a tree of ``size`` >= 2 leaves has that many."""
    return 1 << ((size - 1).bit_length() - 1)


class Frontier:
    """The perfect subtrees, left to right, that a growing tree consists of: appending and its root in O(log n).

    Attributes:
        size: number of leaves. ``peaks``: the subtrees' roots, one for each bit of the size that is set.
    """

    def __init__(self, hashes: Sequence[bytes] = ()) -> None:
        self.size = 0
        self.peaks: list[bytes] = []
        for item in hashes:
            self.append(item)

    @staticmethod
    def of_peaks(size: int, peaks: Sequence[bytes]) -> Frontier:
        """The frontier with these subtrees; ``size`` has as many bits set."""
        found = Frontier()
        found.size, found.peaks = size, list(peaks)
        return found

    def append(self, item: bytes) -> None:
        """Add one leaf hash."""
        rest = self.size
        while rest & 1:
            item = node_hash(self.peaks.pop(), item)
            rest >>= 1
        self.peaks.append(item)
        self.size += 1

    def root(self) -> bytes:
        """Root of the tree so far."""
        return fold(self.peaks)


def fold(peaks: Sequence[bytes]) -> bytes:
    """Root of a tree from its perfect subtrees, left to right."""
    if not peaks:
        return EMPTY_ROOT
    result = peaks[-1]
    for peak in reversed(peaks[:-1]):
        result = node_hash(peak, result)
    return result


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """Root of the tree with these leaf hashes."""
    row, peaks = list(hashes), []
    if not row:
        return EMPTY_ROOT
    while row:
        if len(row) & 1:
            peaks.append(row.pop())
        row = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]
    return fold(peaks[::-1])
