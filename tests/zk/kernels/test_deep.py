"""DEEP and FRI kernels against plain integers."""

import numpy as np
import pytest

from zk.kernels import deep, field, ntt
from zk.kernels._memory import mont_array
from zk.kernels.field import ext_mul_int as mul
from zk.kernels.field import from_mont

P = 2**31 - 2**24 + 1
ZETA = [5, 1000, P - 3, 77, 123456789]


def root(k: int) -> int:
    return pow(3, (P - 1) >> k, P)


@pytest.mark.parametrize(("columns", "rows"), [(1, 8), (2, 16), (7, 80), (30, 4096)])
def test_linear_combination(columns: int, rows: int) -> None:
    rng = np.random.default_rng(rows)
    cols = rng.integers(0, P, (columns, rows + 5), dtype=np.uint32)
    cols[:, 0] = P - 1
    coefs = rng.integers(0, P, (columns, 5))
    expected = (coefs.T.astype(object) @ cols[:, :rows].astype(object)) % P
    out = deep.linear_combination(mont_array(cols), coefs, rows)
    assert np.array_equal(from_mont(out), expected.astype(np.uint32))
    twice = deep.linear_combination(mont_array(cols), coefs, rows, out.copy())
    assert np.array_equal(from_mont(twice), (2 * expected % P).astype(np.uint32))


def test_lazy_sums_at_the_largest_words() -> None:
    """Montgomery words p - 1 throughout: the sums' worst case."""
    columns, top = 101, P - 1
    cols = np.full((columns, 16), top, dtype=np.uint32)
    canonical = int(from_mont(cols)[0, 0])
    out = from_mont(deep.linear_combination(cols, np.full((columns, 5), canonical), 16))
    assert np.all(out == columns * canonical * canonical % P)
    rows = 16384 * 3
    cols, weights = np.full((1, rows), top, dtype=np.uint32), np.full((5, rows), top, dtype=np.uint32)
    assert np.all(from_mont(deep.dot_rows(cols, weights)) == rows * canonical * canonical % P)


@pytest.mark.parametrize("n", [5, 32, 1000, 40000])
@pytest.mark.parametrize("shift", [0, 1])
def test_dot_rows(n: int, shift: int) -> None:
    rng = np.random.default_rng(n)
    cols = rng.integers(0, P, (3, n + 1), dtype=np.uint32)
    weights = rng.integers(0, P, (5, n), dtype=np.uint32)
    out = from_mont(deep.dot_rows(mont_array(cols), mont_array(weights), shift))
    expected = (cols[:, shift : n + shift].astype(object) @ weights.T.astype(object)) % P
    assert np.array_equal(out, expected.astype(np.uint32))


def test_dot_rows_evaluates_polynomials() -> None:
    coeffs = np.arange(1, 101, dtype=np.uint32)[None, :]
    out = from_mont(deep.dot_rows(mont_array(coeffs), field.ext_powers(ZETA, 100)))
    total = [0] * 5
    for c in reversed(range(1, 101)):
        total = mul(total, ZETA)
        total[0] = (total[0] + c) % P
    assert out[0].tolist() == total


@pytest.mark.parametrize(("log_rows", "cosets"), [(3, None), (4, [2]), (11, None), (14, [0, 3])])
def test_inverse_differences(log_rows: int, cosets: list[int] | None) -> None:
    out = from_mont(deep.inverse_differences(ZETA, log_rows, 2, cosets))
    for place, j in enumerate(cosets or range(4)):
        for i in {0, 1, (1 << log_rows) // 2 + 3, (1 << log_rows) - 1}:
            x = 3 * pow(root(log_rows + 2), j, P) * pow(root(log_rows), i, P) % P
            difference = [(x - ZETA[0]) % P, *(-v % P for v in ZETA[1:])]
            assert mul(difference, out[:, place, i]) == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("log_rows", [3, 5, 6, 7, 9, 15])
def test_fold8(log_rows: int) -> None:
    """Folding values equals folding coefficients: coefficient k of the result is sum_m beta^m f_(8k+m)."""
    rng = np.random.default_rng(log_rows)
    n, cosets = 1 << log_rows, 4
    canonical = rng.integers(0, P, (5, n), dtype=np.uint32)
    layer = np.ascontiguousarray(ntt.lde(mont_array(canonical), log_rows, 2)[:, :, :n])
    out = from_mont(deep.fold8(layer, ZETA, 3))
    folded = []
    for k in range(n // 8):
        total = [0] * 5
        for m in reversed(range(8)):
            total = mul(total, ZETA)
            total = [(a + int(b)) % P for a, b in zip(total, canonical[:, 8 * k + m], strict=True)]
        folded.append(total)
    for j in range(cosets):
        for i in {0, n // 8 - 1, n // 16}:
            x = pow(3 * pow(root(log_rows + 2), j, P) * pow(root(log_rows), i, P), 8, P)
            total = [0] * 5
            for value in reversed(folded):
                total = [(a * x + b) % P for a, b in zip(total, value, strict=True)]
            assert out[:, j, i].tolist() == total


def test_fold8_uses_its_shift() -> None:
    layer = mont_array(np.arange(5 * 2 * 64).reshape(5, 2, 64))
    assert not np.array_equal(deep.fold8(layer, ZETA, 3), deep.fold8(layer, ZETA, 9))


@pytest.mark.parametrize("log_rows", [4, 9, 14])
def test_add_quotients(log_rows: int) -> None:
    rng = np.random.default_rng(log_rows)
    n = 1 << log_rows
    numerator = mont_array(rng.integers(0, P, (5, 4, n + 16)))
    start = mont_array(rng.integers(0, P, (5, 4, n)))
    out = start.copy()
    deep.add_quotients(numerator, ZETA, log_rows, 2, out)
    inverses = from_mont(deep.inverse_differences(ZETA, log_rows, 2))
    tops, before, after = (from_mont(np.ascontiguousarray(x[:, :, :n])) for x in (numerator, start, out))
    for j, i in ((0, 0), (3, n - 1), *((int(rng.integers(4)), int(rng.integers(n))) for _ in range(20))):
        product = mul([int(v) for v in tops[:, j, i]], [int(v) for v in inverses[:, j, i]])
        assert [(int(b) + c) % P for b, c in zip(before[:, j, i], product, strict=True)] == [int(v) for v in after[:, j, i]]


def test_columns_may_come_from_anywhere() -> None:
    """Rows of several matrices, in any order, give what one matrix of them gives."""
    rng = np.random.default_rng(5)
    first, second = mont_array(rng.integers(0, P, (3, 100))), mont_array(rng.integers(0, P, (4, 64)))
    chosen = [second[3], first[0], second[1], first[2]]
    coefs = rng.integers(0, P, (4, 5))
    joined = np.array([row[:64] for row in chosen])
    assert np.array_equal(deep.linear_combination(chosen, coefs, 64), deep.linear_combination(joined, coefs, 64))
    weights = mont_array(rng.integers(0, P, (5, 50)))
    assert np.array_equal(deep.dot_rows(chosen, weights, 3), deep.dot_rows(joined, weights, 3))
    with pytest.raises(ValueError):
        deep.dot_rows(chosen, weights, 15)
