"""zk/kernels/quotient.py against evaluation of a known polynomial over plain integers."""

import random

import numpy as np
import pytest

from zk.field import P, root_of_unity
from zk.kernels.field import from_mont, to_mont
from zk.kernels.quotient import COSETS, quotient_coefficients


@pytest.mark.parametrize("log_rows", [4, 5, 7])
@pytest.mark.parametrize("log_blowup", [2, 3])
def test_coefficients_come_back(log_rows, log_blowup):
    n, rng = 1 << log_rows, random.Random(log_rows)
    columns = [[rng.randrange(P) for _ in range(COSETS * n)] for _ in range(2)]
    values = np.zeros((2, COSETS, n), dtype=np.uint32)
    step, w = root_of_unity(log_rows + log_blowup), root_of_unity(log_rows)
    for c, coefficients in enumerate(columns):
        for j in range(COSETS):
            for i in range(n):
                x, total = 3 * pow(step, j, P) * pow(w, i, P) % P, 0
                for a in reversed(coefficients):
                    total = (total * x + a) % P
                values[c, j, i] = total
    found = from_mont(quotient_coefficients(to_mont(values), log_rows, log_blowup))
    assert found.reshape(2, -1).tolist() == columns


def test_shapes_are_checked():
    with pytest.raises(ValueError):
        quotient_coefficients(np.zeros((1, COSETS, 8), dtype=np.uint32), 3, 2)
    with pytest.raises(ValueError):
        quotient_coefficients(np.zeros((1, 2, 16), dtype=np.uint32), 4, 2)
