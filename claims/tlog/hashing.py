"""A Merkle tree that grows (RFC 6962, section 2.1): the perfect subtrees that it consists of."""

from __future__ import annotations

from collections.abc import Sequence

from claims.base.merkle import EMPTY_ROOT, node_hash

__all__ = ["Frontier", "fold", "split"]


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
