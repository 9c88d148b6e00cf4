"""SHA-256 Merkle trees and the verification of multi-openings. PROTOCOL.md section 7.

Leaves and nodes are hashed under different first bytes, and under the number of their tree, their width or
their
level: no leaf passes for a node, and none moves to another tree or level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise

from zk.errors import MalformedProof

MAIN, AUX, QUOTIENT, FRI = 1, 2, 3, 16  # tree numbers; FRI layer r is FRI + r
HASH_BYTES = 32


def leaf_prefix(tree: int, width: int) -> bytes:
    """0x00 || u8 tree || u16 width: what a leaf's hash begins with. width: u32 words, at most 65535."""
    return b"\x00" + bytes([tree]) + width.to_bytes(2, "big")


def leaf_hash(tree: int, salt: bytes, row: bytes) -> bytes:
    """Hash of a leaf. row: u32 big-endian words, 4 bytes each."""
    return hashlib.sha256(leaf_prefix(tree, len(row) // 4) + salt + row).digest()


def node_prefix(tree: int, level: int) -> bytes:
    """0x01 || u8 tree || u16 level: what a node's hash begins with. Parents of leaves have level 1."""
    return b"\x01" + bytes([tree]) + level.to_bytes(2, "big")


def node_hash(tree: int, level: int, left: bytes, right: bytes) -> bytes:
    """Hash of the node at `level` over its two children."""
    return hashlib.sha256(node_prefix(tree, level) + left + right).digest()


def opening_nodes(indices: Iterable[int], depth: int) -> list[tuple[int, int]]:
    """The hashes that a multi-opening carries, in order.

    Args:
        indices: leaf numbers; repetitions and order do not matter.
        depth: the tree has 2^depth leaves.

    Returns:
        (level, index) of each sibling to send; level 0 is the leaves.
    """
    known = sorted(set(indices))
    result: list[tuple[int, int]] = []
    for level in range(depth):
        present = set(known)
        result += [(level, i ^ 1) for i in known if i ^ 1 not in present]
        known = list(dict.fromkeys(i >> 1 for i in known))
    return result


def sibling_count(indices: Iterable[int], depth: int) -> int:
    """How many hashes `opening_nodes` lists: of each level the children of known parents that are not known themselves."""
    known, count = set(indices), 0
    for _ in range(depth):
        parents = {i >> 1 for i in known}
        count += 2 * len(parents) - len(known)
        known = parents
    return count


def opening_root(tree: int, depth: int, leaves: Sequence[tuple[int, bytes]], siblings: Sequence[bytes]) -> bytes:
    """The root that a multi-opening leads to.

    Args:
        tree: tree number.
        depth: the tree has 2^depth leaves.
        leaves: (leaf number, leaf hash), at least one, strictly ascending, numbers below 2^depth.
        siblings: the hashes of `opening_nodes`, in order.

    Raises:
        MalformedProof: leaves out of order or range, or siblings too few or too many.
    """
    numbers = [i for i, _ in leaves]
    if not numbers or numbers[0] < 0 or numbers[-1] >> depth or any(a >= b for a, b in pairwise(numbers)):
        raise MalformedProof("opened leaves are not ascending within the tree")
    nodes = list(leaves)
    used, available = 0, len(siblings)
    sha256 = hashlib.sha256
    for level in range(1, depth + 1):
        prefix = node_prefix(tree, level)
        above: list[tuple[int, bytes]] = []
        i, count = 0, len(nodes)
        while i < count:
            index, value = nodes[i]
            i += 1
            if not index & 1 and i < count and nodes[i][0] == index + 1:
                pair = value + nodes[i][1]
                i += 1
            else:
                if used == available:
                    raise MalformedProof("an opening has too few hashes")
                pair = siblings[used] + value if index & 1 else value + siblings[used]
                used += 1
            above.append((index >> 1, sha256(prefix + pair).digest()))
        nodes = above
    if used != available:
        raise MalformedProof("an opening has too many hashes")
    return nodes[0][1]
