"""Merkle trees of RFC 6962, section 2.1, with SHA-256: roots and audit paths.

    leaf_hash(d) = SHA-256(0x00 || d)    node_hash(l, r) = SHA-256(0x01 || l || r)

A tree is given by the list of its leaf hashes (32 bytes each). Nothing here checks signatures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from claims.base.errors import ClaimsError

__all__ = ["EMPTY_ROOT", "HASH_BYTES", "PathError", "audit_paths", "leaf_hash", "node_hash", "path_length", "root_from_path", "tree_root"]

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""


class PathError(ClaimsError):
    """There is no such leaf, or an audit path does not fit its tree."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of an entry: SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def _up(level: list[bytes]) -> list[bytes]:
    """The level above: pairs are hashed, an odd last node moves up as it is (the same tree as RFC 6962's split)."""
    sha256, even = hashlib.sha256, len(level) & ~1
    above = [sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, even, 2)]
    if even != len(level):
        above.append(level[-1])
    return above


def tree_root(hashes: Iterable[bytes]) -> bytes:
    """Root of the tree with these leaf hashes."""
    level = list(hashes)
    while len(level) > 1:
        level = _up(level)
    return level[0] if level else EMPTY_ROOT


def audit_paths(hashes: Sequence[bytes], indices: Iterable[int]) -> dict[int, tuple[bytes, ...]]:
    """For each leaf of ``indices`` the hashes that lead from it to the root, the lowest first (RFC 6962 section 2.1.1).

    The tree is hashed once, however many leaves are asked for.

    Raises:
        PathError: there is no such leaf.
    """
    paths: dict[int, list[bytes]] = {index: [] for index in indices}
    if any(not 0 <= index < len(hashes) for index in paths):
        raise PathError(f"a leaf is not one of {len(hashes)}")
    level, height = list(hashes), 0
    while len(level) > 1:
        for index, path in paths.items():
            sibling = (index >> height) ^ 1
            if sibling < len(level):
                path.append(level[sibling])
        level, height = _up(level), height + 1
    return {index: tuple(path) for index, path in paths.items()}


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a leaf and its audit path lead to; the caller compares it.

    Args:
        leaf: the leaf's hash.
        index: position of the leaf, 0 <= index < size.
        size: number of leaves; never from where the path is from.
        path: as :func:`audit_paths` gives it; exactly as long as the position needs.

    Raises:
        PathError: position or path do not fit the size.
    """
    if not 0 <= index < size:
        raise PathError(f"leaf {index} is not one of {size}")
    result, position, last, used = leaf, index, size - 1, 0
    while last > 0:
        if position ^ 1 <= last:
            if used == len(path) or len(path[used]) != HASH_BYTES:
                raise PathError("an audit path is too short, or holds something that is not a hash")
            sibling, used = path[used], used + 1
            result = node_hash(sibling, result) if position & 1 else node_hash(result, sibling)
        position, last = position >> 1, last >> 1
    if used != len(path):
        raise PathError("an audit path is too long")
    return result


def path_length(index: int, size: int) -> int:
    """How many hashes the audit path of a leaf has."""
    count, last = 0, size - 1
    while last > 0:
        count += index ^ 1 <= last
        index, last = index >> 1, last >> 1
    return count
