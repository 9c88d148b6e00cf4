"""Coefficients of the quotient from its values on the first three cosets of the LDE domain.

Q has degree < 3N. On coset j, X^N = c_j, so interpolation there gives r_j = q_0 + c_j q_1 + c_j^2 q_2 for Q = q_0 + X^N q_1 +
X^2N q_2; three cosets determine the three parts, coefficient by coefficient.

Slow twin: tests/zk/kernels/test_quotient.py (Lagrange interpolation over plain integers).
"""

from typing import Any

from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import U32, address, aligned, check, mont_array, root_of_unity
from zk.kernels.ntt import SHIFT, interpolate
from zk.kernels.simd import LANES, P, add, load, mul, store

COSETS = 3
_GRAIN = 1 << 14


@kernel
def _solve(r, r_step, out, out_step, table, begin, end):  # type: ignore[no-untyped-def]
    """Parts of one coordinate for coefficients begin..end. table: 15 vectors: starts, steps, then the inverse matrix by rows."""
    p0, p1, p2 = load(table), load(table + 64), load(table + 128)
    s0, s1, s2 = load(table + 192), load(table + 256), load(table + 320)
    for i in range(begin * 4, end * 4, 64):
        a = mul(load(r + i), p0)
        b = mul(load(r + r_step + i), p1)
        c = mul(load(r + 2 * r_step + i), p2)
        for row in range(3):
            m = table + 384 + 192 * row
            x = add(mul(a, load(m)), add(mul(b, load(m + 64)), mul(c, load(m + 128))))
            store(out + row * out_step + i, x)
        p0, p1, p2 = mul(p0, s0), mul(p1, s1), mul(p2, s2)


def _inverse_vandermonde(points: list[int]) -> list[list[int]]:
    """Inverse mod p of the matrix with rows (1, c, c^2): column j holds the coefficients of the j-th Lagrange polynomial."""
    columns = []
    for j, c in enumerate(points):
        x, y = (d for i, d in enumerate(points) if i != j)
        scale = pow((c - x) * (c - y), -1, P)
        columns.append([x * y * scale % P, -(x + y) * scale % P, scale])
    return [[column[row] for column in columns] for row in range(3)]


def quotient_coefficients(values: U32, log_rows: int, log_blowup: int) -> U32:
    """Parts q_0, q_1, q_2 of each column.

    Args:
        values: (C, 3, N) uint32 Montgomery, values on cosets 0, 1, 2; overwritten. N = 2^log_rows >= 16.
        log_rows, log_blowup: shape of the LDE domain, at least four cosets.

    Returns:
        (C, 3, N) coefficients: [c, m, i] belongs to X^(m N + i).
    """
    n = 1 << log_rows
    check(values, (None, COSETS, n), "values")
    if n < LANES:
        raise ValueError("values: at least 16 rows expected")
    count = values.shape[0]
    flat = values.reshape(count * COSETS, n)
    interpolate(flat, flat)
    out = aligned(values.size).reshape(values.shape)
    step = root_of_unity(log_rows + log_blowup)
    shifts = [SHIFT * pow(step, j, P) % P for j in range(COSETS)]
    inverses = [pow(s, -1, P) for s in shifts]
    matrix = _inverse_vandermonde([pow(s, n, P) for s in shifts])
    fixed = [[pow(v, LANES, P)] * LANES for v in inverses] + [[m] * LANES for row in matrix for m in row]
    source, target = address(flat), address(out)

    def run(begin: int, end: int, thread: int) -> Any:
        starts = [[pow(v, begin + lane, P) for lane in range(LANES)] for v in inverses]
        table = mont_array(starts + fixed)
        for c in range(count):
            at = 12 * n * c
            _solve(source + at, 4 * n, target + at, 4 * n, address(table), begin, end)

    parallel_for(run, n, min(n, _GRAIN))
    return out


