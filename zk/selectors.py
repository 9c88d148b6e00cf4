"""Selectors of rows: the Lagrange polynomials of the first and the last row, and x - w^-1. PROTOCOL.md section 4."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zk.field import P, inverse, root_of_unity
from zk.hiding import U32
from zk.kernels import field
from zk.kernels._memory import aligned


def row_selectors(log_rows: int) -> U32:
    """Selectors on the trace rows, (3, 1, N)."""
    n, w = 1 << log_rows, root_of_unity(log_rows)
    selectors = np.zeros((3, 1, n), dtype=np.uint32)
    selectors[0, 0, 0] = selectors[1, 0, -1] = field.to_mont(np.array([1], dtype=np.uint32))[0]
    selectors[2, 0] = field.difference(field.powers(1, w, n), field.to_mont(np.array([inverse(w)], dtype=np.uint32)))
    return selectors


def selectors(shifts: Sequence[int], count: int, log_rows: int) -> U32:
    """L_0, L_(N-1) and x - w^-1 at every (N / count)-th point of cosets of H, by their first points, (3, shifts, count) Montgomery."""
    n = 1 << log_rows
    w = root_of_unity(log_rows)
    last = inverse(w)
    selectors = aligned(3 * len(shifts) * count).reshape(3, len(shifts), count)
    for j, shift in enumerate(shifts):
        vanishing = (pow(shift, n, P) - 1) * inverse(n) % P
        places = field.powers(shift, pow(w, n // count, P), count)
        for row, (root, scale) in enumerate(((1, vanishing), (last, vanishing * last % P))):
            apart = field.difference(places, field.to_mont(np.array([root], dtype=np.uint32)))
            factor = field.to_mont(np.array([scale], dtype=np.uint32))
            field.scale(field.batch_inverse(apart)[None], factor, selectors[row, j : j + 1])
            if row:
                selectors[2, j] = apart
    return selectors
