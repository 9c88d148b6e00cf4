"""Merkle trees and grinding against hashlib, one message at a time."""

import hashlib

import numpy as np
import pytest

from zk.kernels import hashing
from zk.kernels._memory import mont_array

P = 2**31 - 2**24 + 1


def words(values: object) -> bytes:
    return b"".join(int(v).to_bytes(4, "big") for v in values)  # type: ignore[attr-defined]


def levels(leaves: list[bytes], tree_id: int) -> list[list[bytes]]:
    out = [leaves]
    while len(out[-1]) > 1:
        head = bytes([1, tree_id]) + len(out).to_bytes(2, "big")
        below = out[-1]
        out.append([hashlib.sha256(head + below[k] + below[k + 1]).digest() for k in range(0, len(below), 2)])
    return out


@pytest.mark.parametrize(
    ("width", "rows", "salted"),
    [(1, 8, True), (3, 16, False), (8, 16, True), (9, 32, True), (10, 64, True), (11, 32, True), (12, 1024, True), (13, 16, False),
     (27, 128, False), (244, 32, True)],
)  # fmt: skip
def test_rows(width: int, rows: int, salted: bool) -> None:
    rng = np.random.default_rng(width)
    canonical = rng.integers(0, P, (width, 4, rows + 5), dtype=np.uint32)
    canonical[0, :, :2] = [0, P - 1]
    salts = rng.integers(0, 2**32, (4, 4 * rows), dtype=np.uint32) if salted else None
    tree = hashing.merkle_commit(mont_array(canonical), rows, 7, salts)
    leaves = []
    for j in range(4):
        for i in range(rows):
            salt = words(salts[:, j * rows + i]) if salts is not None else b""
            leaves.append(hashlib.sha256(bytes([0, 7]) + width.to_bytes(2, "big") + salt + words(canonical[:, j, i])).digest())
    expected = levels(leaves, 7)
    assert tree.root == expected[-1][0]
    assert len(tree.levels) == len(expected)
    for level, digests in enumerate(expected):
        assert tree.nodes(level, range(len(digests))) == digests
        assert tree.node(level, len(digests) - 1) == digests[-1]


@pytest.mark.parametrize("width", [1, 8, 9, 11, 12, 27, 28, 40, 41, 61])
@pytest.mark.parametrize("salted", [True, False])
@pytest.mark.parametrize("blocks", [1, 2, 9])
def test_a_stream_of_columns_makes_the_same_tree(width: int, salted: bool, blocks: int) -> None:
    rng, rows = np.random.default_rng(width), 64
    matrix = rng.integers(0, P, (width, 4, rows + 5), dtype=np.uint32)
    salts = rng.integers(0, 2**32, (4, 4 * rows), dtype=np.uint32) if salted else None
    stream = hashing.LeafStream(width, rows, 4, 3, salts, blocks)
    assert [c for group in stream.groups for c in group] == list(range(width))
    for group in stream.groups:
        some = matrix[group.start : group.stop]
        stream.absorb(group, some[:, :1], some[:, 1:3].copy(), some[:, 3:])
    tree, whole = stream.tree(), hashing.merkle_commit(matrix, rows, 3, salts)
    assert all(np.array_equal(a, b) for a, b in zip(tree.levels, whole.levels, strict=True))


@pytest.mark.parametrize("n", [8, 16, 128, 1024])
def test_fri_layer(n: int) -> None:
    rng = np.random.default_rng(n)
    canonical = rng.integers(0, P, (5, 4, n), dtype=np.uint32)
    tree = hashing.merkle_commit_fri(mont_array(canonical), 17)
    leaves = []
    for j in range(4):
        for i in range(n // 8):
            row = [canonical[k, j, i + t * (n // 8)] for t in range(8) for k in range(5)]
            leaves.append(hashlib.sha256(bytes([0, 17, 0, 40]) + words(row)).digest())
    assert tree.nodes(0, range(len(leaves))) == leaves
    assert tree.root == levels(leaves, 17)[-1][0]


@pytest.mark.parametrize("bits", [0, 1, 5, 11, 13])
def test_grind_finds_the_smallest(bits: int) -> None:
    state = hashlib.sha256(bytes([bits])).digest()
    nonce = 0
    while int.from_bytes(hashlib.sha256(b"G" + state + bytes([bits]) + nonce.to_bytes(8, "big")).digest()[:4], "big") >> (32 - bits):
        nonce += 1
    assert hashing.grind(state, bits) == nonce


def test_grind_beyond_one_page() -> None:
    state = bytes(range(32))
    nonce = hashing.grind(state, 20)
    digest = hashlib.sha256(b"G" + state + bytes([20]) + nonce.to_bytes(8, "big")).digest()
    assert int.from_bytes(digest[:4], "big") >> 12 == 0
    assert nonce > 2**16


def test_refusals() -> None:
    matrix = np.zeros((2, 2, 20), dtype=np.uint32)
    with pytest.raises(ValueError):
        hashing.merkle_commit(matrix, 12, 1, None)
    with pytest.raises(ValueError):
        hashing.merkle_commit(matrix, 16, 1, np.zeros((4, 16), dtype=np.uint32))
    with pytest.raises(ValueError):
        hashing.merkle_commit(matrix, 16, 256, None)
    with pytest.raises(ValueError):
        hashing.grind(bytes(31), 8)
