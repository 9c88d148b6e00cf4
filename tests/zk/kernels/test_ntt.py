"""Transforms against evaluation by plain integers."""

import numpy as np
import pytest

from zk.kernels import ntt
from zk.kernels._memory import mont_array, unmont

P = 2**31 - 2**24 + 1


def evaluate(coefficients: list[int], x: int) -> int:
    total = 0
    for c in reversed(coefficients):
        total = (total * x + c) % P
    return total


def root(k: int) -> int:
    return pow(3, (P - 1) >> k, P)


@pytest.mark.parametrize("log_rows", [3, 5, 7, 8, 9, 10, 11, 12, 14, 18])
@pytest.mark.parametrize("extra", [0, 1])
def test_lde_and_interpolate(log_rows: int, extra: int) -> None:
    rng = np.random.default_rng(log_rows)
    n, log_blowup, columns = 1 << log_rows, 2, 3
    tail = extra * min(n // 4, 40)
    canonical = rng.integers(0, P, (columns, n + tail), dtype=np.uint32)
    coeffs = mont_array(canonical)
    before = coeffs.copy()
    out = ntt.lde(coeffs, log_rows, log_blowup)
    assert np.array_equal(coeffs, before)
    assert out.max(initial=0, where=np.arange(out.shape[2]) <= n) < P
    assert np.array_equal(out[:, :, n], out[:, :, 0])
    spots = range(n) if log_rows < 6 else rng.integers(0, n, 4)
    for c in range(columns):
        polynomial = [int(v) for v in canonical[c]]
        for j in range(1 << log_blowup):
            for i in spots:
                x = 3 * pow(root(log_rows + log_blowup), j, P) * pow(root(log_rows), int(i), P) % P
                assert unmont(int(out[c, j, i])) == evaluate(polynomial, x)
    if not tail and log_rows <= 14:
        points = [pow(root(log_rows), i, P) for i in range(n)]
        if log_rows <= 7:
            values = mont_array([[evaluate([int(v) for v in row], x) for x in points] for row in canonical])
            assert np.array_equal(ntt.interpolate(values), coeffs)


@pytest.mark.parametrize("log_rows", [8, 9, 13, 16])
def test_interpolate_large(log_rows: int) -> None:
    """A polynomial's values on H give it back; values of X^k are powers of the root."""
    n = 1 << log_rows
    for k in (0, 1, 5, n // 2 + 3, n - 1):
        w = pow(root(log_rows), k, P)
        powers, value = np.empty((1, n + 16), dtype=np.uint64), 1
        for i in range(n):
            powers[0, i] = value
            value = value * w % P
        values = mont_array(powers[:, :n])
        expected = np.zeros((1, n), dtype=np.uint64)
        expected[0, k] = 1
        assert np.array_equal(ntt.interpolate(values, out=values), mont_array(expected))


def test_refusals() -> None:
    with pytest.raises(ValueError):
        ntt.lde(np.zeros((1, 65), dtype=np.uint32), 6, 1, np.zeros((1, 2, 64), dtype=np.uint32))
    with pytest.raises(ValueError):
        ntt.lde(np.zeros((1, 130), dtype=np.uint32), 6, 1)
    with pytest.raises(TypeError):
        ntt.interpolate(np.zeros((1, 64), dtype=np.int64))
