"""Kernels against their slow twins on small inputs, before any is timed: a kernel that does nothing looks fast."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import numpy as np

from zk import field as plain
from zk import poseidon2 as plain_poseidon2
from zk.kernels import deep, field, hashing, ntt, poseidon2


class WrongKernel(Exception):
    """A kernel disagrees with its twin; no timing of it means anything."""


def check_kernels() -> list[str]:
    """Runs every check. Returns the names of the kernels that agreed. Raises WrongKernel."""
    checks = (check_extension, check_lde, check_merkle, check_poseidon2, check_dot)
    return [check() for check in checks]


def _random(*shape: int) -> Any:
    return np.random.default_rng(secrets.randbits(64)).integers(0, plain.P, shape, dtype=np.uint32)


def _require(name: str, same: bool) -> str:
    if not same:
        raise WrongKernel(name)
    return name


def check_extension() -> str:
    """Products in the extension."""
    a, b = _random(5, 32), _random(5, 32)
    result = field.from_mont(field.ext_mul(a, b)).T.tolist()
    left, right = (field.from_mont(x).T.tolist() for x in (a, b))
    expected = [list(plain.ext_mul(tuple(x), tuple(y))) for x, y in zip(left, right, strict=True)]
    return _require("ext_mul", result == expected)


def check_lde() -> str:
    """Interpolation, then the extension at a few points by Horner's rule."""
    log_rows, log_blowup = 8, 2
    n = 1 << log_rows
    values = _random(2, n)
    coefficients = ntt.interpolate(values)
    matrix = field.from_mont(np.ascontiguousarray(ntt.lde(coefficients, log_rows, log_blowup)[:, :, :n]))
    canonical = field.from_mont(coefficients).tolist()
    w, step = plain.root_of_unity(log_rows), plain.root_of_unity(log_rows + log_blowup)
    same = [_horner(canonical[0], pow(w, i, plain.P)) == int(field.from_mont(values)[0, i]) for i in (0, 1, n - 1)]
    for c, j, i in ((0, 0, 0), (0, 3, 5), (1, 2, n - 1)):
        x = plain.GENERATOR * pow(step, j, plain.P) * pow(w, i, plain.P) % plain.P
        same.append(_horner(canonical[c], x) == int(matrix[c, j, i]))
    return _require("interpolate, lde", all(same))


def check_merkle() -> str:
    """The root of a small tree, by hashlib."""
    n, blowup, width, tree_id = 256, 4, 3, 1
    matrix = ntt.alloc_lde(width, blowup, n)
    matrix[:, :, :n] = _random(width, blowup, n)
    salts = np.random.default_rng(1).integers(0, 2**32, (4, blowup * n), dtype=np.uint32)
    tree = hashing.merkle_commit(matrix, n, tree_id, salts)
    words = field.from_mont(np.ascontiguousarray(matrix[:, :, :n])).reshape(width, -1).T.astype(">u4")
    prefix = bytes([0, tree_id]) + width.to_bytes(2, "big")
    salt = salts.T.astype(">u4")
    level = [hashlib.sha256(prefix + salt[k].tobytes() + words[k].tobytes()).digest() for k in range(blowup * n)]
    number = 1
    while len(level) > 1:
        head = bytes([1, tree_id]) + number.to_bytes(2, "big")
        level = [hashlib.sha256(head + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=True)]
        number += 1
    return _require("merkle_commit", tree.root == level[0])


def check_poseidon2() -> str:
    """The permutation."""
    states = _random(16, 16)
    outputs = field.from_mont(poseidon2.permute_batch(states)).T.tolist()
    inputs = field.from_mont(states).T.tolist()
    return _require("poseidon2", all(list(plain_poseidon2.permute(x)) == y for x, y in zip(inputs, outputs, strict=True)))


def check_dot() -> str:
    """Sums of products of rows with extension weights."""
    rows, weights = _random(2, 256), _random(5, 256)
    result = field.from_mont(deep.dot_rows(rows, weights)).tolist()
    a, b = field.from_mont(rows).astype(object), field.from_mont(weights).astype(object)
    expected = [[int(sum(r * w)) % plain.P for w in b] for r in a]
    return _require("dot_rows", result == expected)


def _horner(coefficients: list[int], x: int) -> int:
    value = 0
    for c in reversed(coefficients):
        value = (value * x + c) % plain.P
    return value
