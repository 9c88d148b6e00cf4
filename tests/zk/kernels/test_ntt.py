"""Transforms against evaluation by plain integers."""

from typing import Any

import numpy as np
import pytest

from zk.kernels import ntt, simd
from zk.kernels._jit import kernel
from zk.kernels._memory import mont_array, unmont
from zk.kernels.lanes import ext_intrinsic

P = 2**31 - 2**24 + 1


def evaluate(coefficients: list[int], x: int) -> int:
    total = 0
    for c in reversed(coefficients):
        total = (total * x + c) % P
    return total


def masked(values: np.ndarray, tails: np.ndarray) -> np.ndarray:
    """Coefficients of f + (X^N - 1) r, of f by its values on H and r by its coefficients."""
    n, h = values.shape[1], tails.shape[1]
    coeffs = np.zeros((len(values), n + h), dtype=np.uint32)
    coeffs[:, :n] = ntt.interpolate(values)
    coeffs[:, :h] = (coeffs[:, :h] + (P - tails.astype(np.int64))) % P
    coeffs[:, n:] = tails
    return coeffs


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


@pytest.mark.parametrize("log_rows", [5, 8, 9, 12, 15])
def test_masked_lde_is_interpolation_mask_and_extension(log_rows: int) -> None:
    """Also in place: the values of a column may lie in the column's own part of the matrix, aligned or not."""
    rng = np.random.default_rng(log_rows)
    n, columns, tail = 1 << log_rows, 3, min(1 << log_rows, 77)
    values = rng.integers(0, P, (columns, n), dtype=np.uint32)
    tails = rng.integers(0, P, (columns, tail), dtype=np.uint32)
    expected = ntt.lde(masked(values, tails), log_rows, 2)[:, :, : n + 1]
    for shift in (0, 3):
        out = np.zeros(columns * 4 * (n + 16) + shift, dtype=np.uint32)[shift:].reshape(columns, 4, n + 16)
        out[:, 3, 5 : n + 5] = values
        ntt.masked_lde(out[:, 3, 5 : n + 5], tails, 2, out)
        assert np.array_equal(out[:, :, : n + 1], expected)


@pytest.mark.parametrize("log_rows", [5, 9, 12])
@pytest.mark.parametrize("log_blowup", [2, 3])
def test_dropped_cosets(log_rows: int, log_blowup: int) -> None:
    """Cosets in several matrices."""
    rng = np.random.default_rng(log_rows)
    n, columns, tail, cosets = 1 << log_rows, 5, 13, 1 << log_blowup
    values = rng.integers(0, P, (columns, n), dtype=np.uint32)
    tails = rng.integers(0, P, (columns, tail), dtype=np.uint32)
    whole, kept, rest = (ntt.alloc_lde(columns, some, n) for some in (cosets, 2, cosets - 2))
    ntt.masked_lde(values, tails, log_blowup, whole)
    ntt.masked_lde(values, tails, log_blowup, kept, rest)
    assert np.array_equal(np.concatenate([kept, rest], axis=1)[..., : n + 1], whole[..., : n + 1])
    with pytest.raises(ValueError):
        ntt.masked_lde(values, tails, log_blowup + 1, kept, rest)
    one = ntt.alloc_lde(columns, 1, n)
    one[:] = whole[:, :1]
    ntt.next_coset(one, tails, log_rows, log_blowup)
    assert np.array_equal(one[:, 0, : n + 1], whole[:, 1, : n + 1])


@kernel
def _products(x, y, out):  # type: ignore[no-untyped-def]
    _product(x, y, out)


def _write_product(b: Any, x: Any, y: Any, out: Any) -> None:
    factor = simd.ir_load(b, y), simd.ir_load(b, b.add(y, simd.i64(64)))
    for k, lazy in enumerate((True, False)):
        simd.ir_store(b, b.add(out, simd.i64(64 * k)), simd.ir_mul_shoup(b, simd.ir_load(b, x), factor, lazy))


_product = ext_intrinsic(_write_product, 3)


def test_product_with_a_prepared_factor() -> None:
    """Any 32-bit x, both ends of the factor's range: the lazy product is below 2p, the other below p."""
    rng = np.random.default_rng(1)
    xs = [0, 1, P - 1, P, 2 * P - 1, 2**32 - 1]
    for _ in range(200):
        x = np.array([*xs, *rng.integers(0, 2**32, 10)], dtype=np.uint32)
        w = rng.choice(np.array([0, 1, 2, P - 2, P - 1, *rng.integers(0, P, 11)], dtype=np.uint32), 16)
        y = np.array([w, [(int(v) << 32) // P for v in w]], dtype=np.uint32)
        out = np.zeros((2, 16), dtype=np.uint32)
        _products(x.ctypes.data, y.ctypes.data, out.ctypes.data)
        expected = [int(a) * int(c) % P for a, c in zip(x, w, strict=True)]
        assert [int(v) for v in out[1]] == expected
        assert all(int(v) in (e, e + P) for v, e in zip(out[0], expected, strict=True))
