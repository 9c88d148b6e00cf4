"""Trees over salted leaves against hashlib and hmac."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest

from zk.kernels.salted import salted_roots

PREFIX = bytes(range(100, 123))


def slow_root(seed: bytes, size: int, given: list[bytes], filler: bytes) -> bytes:
    level = []
    for i in range(size):
        salt = hmac.digest(seed, i.to_bytes(4, "big"), "sha256")
        data = given[i] if i < len(given) else filler
        level.append(hashlib.sha256(b"\0" + PREFIX + salt + data).digest())
    while len(level) > 1:
        level = [hashlib.sha256(b"\1" + level[k] + level[k + 1]).digest() for k in range(0, len(level), 2)]
    return level[0]


def words_of(leaves: list[bytes]) -> np.ndarray:
    return np.ascontiguousarray(np.frombuffer(b"".join(leaves), dtype=">u4").reshape(len(leaves), 6).T, dtype=np.uint32)


@pytest.mark.parametrize("size, trees", [(1, 3), (2, 1), (4, 17), (16, 33), (64, 300), (128, 16)])
def test_roots_are_those_of_the_slow_twin(size: int, trees: int) -> None:
    rng = np.random.default_rng(size * trees)
    counts = rng.integers(0, size + 1, trees)
    counts[0] = size
    seeds, fillers = rng.bytes(32 * trees), [rng.bytes(24) for _ in range(trees)]
    given = [[rng.bytes(24) for _ in range(count)] for count in counts]
    roots = salted_roots(PREFIX, seeds, size, counts, words_of([leaf for one in given for leaf in one]), words_of(fillers))
    for i in rng.permutation(trees)[:20]:
        assert roots[i] == slow_root(seeds[32 * i : 32 * i + 32], size, given[i], fillers[i])
    assert len(roots) == trees == len(set(roots))


def test_trees_without_given_leaves_have_filler_only() -> None:
    filler = bytes(24)
    (root,) = salted_roots(PREFIX, bytes(32), 8, [0], np.empty((6, 0), dtype=np.uint32), words_of([filler]))
    assert root == slow_root(bytes(32), 8, [], filler)
    assert salted_roots(PREFIX, b"", 8, [], np.empty((6, 0), dtype=np.uint32), np.empty((6, 0), dtype=np.uint32)) == []


@pytest.mark.parametrize("size, count, seeds", [(3, 1, 32), (2, 3, 32), (2, 1, 31)])
def test_what_does_not_fit_is_refused(size: int, count: int, seeds: int) -> None:
    with pytest.raises(ValueError):
        salted_roots(PREFIX, bytes(seeds), size, [count], np.zeros((6, count), dtype=np.uint32), np.zeros((6, 1), dtype=np.uint32))
