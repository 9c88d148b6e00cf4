"""Rows of dropped cosets against the whole extension, and against plain integers."""

import numpy as np
import pytest

from zk.field import P, inverse, root_of_unity
from zk.kernels import ntt
from zk.kernels.field import from_mont, to_mont
from zk.kernels.rows import rows_again


@pytest.mark.parametrize("log_rows", [4, 5, 9, 11, 12])
@pytest.mark.parametrize("log_blowup", [2, 3])
@pytest.mark.parametrize(("columns", "drawn"), [(1, 1), (5, 20), (6, 8), (7, 110)])
def test_rows_of_the_extension(log_rows: int, log_blowup: int, columns: int, drawn: int) -> None:
    rng = np.random.default_rng(log_rows * drawn)
    n, cosets = 1 << log_rows, 1 << log_blowup
    values = rng.integers(0, P, (columns, n), dtype=np.uint32)
    tails = rng.integers(0, P, (columns, 13), dtype=np.uint32)
    whole = ntt.alloc_lde(columns, cosets, n)
    ntt.masked_lde(values, tails, log_blowup, whole)
    for held in (0, 1, cosets - 1):
        j, i = (held + rng.integers(1, cosets, drawn)) % cosets, rng.integers(0, n, drawn)
        i[:1], i[-1:] = 0, n - 1
        assert np.array_equal(rows_again(whole[:, held, :n], held, tails, log_blowup, j, i), whole[:, j, i])


@pytest.mark.parametrize("extreme", [0, P - 1])
def test_the_largest_and_smallest_words(extreme: int) -> None:
    n = 2048
    values = np.full((3, n), extreme, dtype=np.uint32)
    j, i = np.array([1, 2, 3, 3]), np.array([0, 1, 7, n - 1])
    found = from_mont(rows_again(values, 0, np.zeros((3, 1), dtype=np.uint32), 2, j, i))
    assert (found == from_mont(values[:, :4])).all(), "a constant is itself everywhere"


def test_a_value_by_plain_integers() -> None:
    """Lagrange's formula as in a book, over all points of coset 0."""
    log_rows, log_blowup, j, r = 5, 2, 3, 17
    n, rng = 1 << log_rows, np.random.default_rng(1)
    v, tail = (rng.integers(0, P, count).tolist() for count in (n, 4))
    w, t = root_of_unity(log_rows), root_of_unity(log_rows + log_blowup)
    points = [3 * pow(w, i, P) % P for i in range(n)]
    x, total = 3 * pow(t, j, P) * pow(w, r, P) % P, 0
    for i, point in enumerate(points):
        term = v[i]
        for k, other in enumerate(points):
            if k != i:
                term = term * (x - other) * inverse((point - other) % P) % P
        total += term
    total += (pow(x, n, P) - pow(3, n, P)) * sum(c * pow(x, k, P) for k, c in enumerate(tail))
    held, above = (to_mont(np.array([row], dtype=np.uint32)) for row in (v, tail))
    assert from_mont(rows_again(held, 0, above, log_blowup, np.array([j]), np.array([r]))).tolist() == [[total % P]]
