"""zk/kernels/quotient.py against evaluation of a known polynomial over plain integers."""

import random

import numpy as np
import pytest

from zk.field import P, root_of_unity
from zk.kernels.field import from_mont, to_mont
from zk.kernels.quotient import COSETS, quotient_coefficients, sample_size


def value(coefficients: list[int], x: int) -> int:
    total = 0
    for a in reversed(coefficients):
        total = (total * x + a) % P
    return total


@pytest.mark.parametrize(("log_rows", "size"), [(4, 16), (5, 16), (7, 32), (8, 256)])
@pytest.mark.parametrize("log_blowup", [2, 3])
def test_coefficients_come_back(log_rows: int, size: int, log_blowup: int) -> None:
    n, rng = 1 << log_rows, random.Random(log_rows)
    columns = [[rng.randrange(P) for _ in range(COSETS * n + size)] for _ in range(2)]
    values, sample = np.zeros((2, COSETS, n), dtype=np.uint32), np.zeros((2, size), dtype=np.uint32)
    step, w = root_of_unity(log_rows + log_blowup), root_of_unity(log_rows)
    for c, coefficients in enumerate(columns):
        for j in range(COSETS):
            values[c, j] = [value(coefficients, 3 * pow(step, j, P) * pow(w, i, P) % P) for i in range(n)]
        sample[c] = [value(coefficients, 3 * pow(step, 2, P) * pow(w, i * n // size, P) % P) for i in range(size)]
    found = from_mont(quotient_coefficients(to_mont(values), to_mont(sample), log_rows, log_blowup))
    assert found.tolist() == columns


def test_a_polynomial_of_too_high_a_degree_shows() -> None:
    """One point off: what comes back has coefficients all over, in those too that a quotient cannot have."""
    n, size = 64, 32
    values, sample = np.zeros((1, COSETS, n), dtype=np.uint32), np.zeros((1, size), dtype=np.uint32)
    values[0, 1, 5] = 1
    assert np.all(quotient_coefficients(values, sample, 6, 2)[:, 2 * n :])


@pytest.mark.parametrize("beyond", [0, 1, 15, 16, 17, 78, 804, 1009])
def test_the_sample_has_points_to_spare(beyond: int) -> None:
    size = sample_size(beyond)
    assert size >= 16 and size & (size - 1) == 0 and beyond + 16 <= size < max(32, 2 * (beyond + 16))


def test_shapes_are_checked() -> None:
    good, few = np.zeros((1, COSETS, 16), dtype=np.uint32), np.zeros((1, 16), dtype=np.uint32)
    for values, sample in (
        (np.zeros((1, COSETS, 8), dtype=np.uint32), few),
        (np.zeros((1, 3, 16), dtype=np.uint32), few),
        (good, np.zeros((1, 8), dtype=np.uint32)),
        (good, np.zeros((1, 32), dtype=np.uint32)),
        (good, np.zeros((2, 16), dtype=np.uint32)),
    ):
        with pytest.raises(ValueError):
            quotient_coefficients(values, sample, 4, 2)
