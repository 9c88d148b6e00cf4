"""Coefficients of the quotient from its values on two cosets of the LDE domain and at a few points of the third.

Q has degree < 2N + S with a small S, a power of two, because masks lengthen it beyond 2N by a little. On coset j, X^N = c_j, so

    Q = R + Z H,   Z = (X^N - c_0)(X^N - c_1),   deg R < 2N,   deg H < S.

With r_j the interpolant on coset j, of degree < N: R = r_0 + (X^N - c_0) t, t = (r_1 - r_0) / (c_1 - c_0). At the S points a w_S^i of
coset 2, a its first point, Z is the number z = (c_2 - c_0)(c_2 - c_1), and R is r_0 + (c_2 - c_0) t, of degree < N, or what remains of
it modulo X^S - a^S. So H = (interpolant of Q at these points - that remainder) / z.

Slow twin: tests/zk/kernels/test_quotient.py (evaluation over plain integers).
"""

from typing import Any

import numpy as np

from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import U32, address, aligned, check, log2, mont_array, root_of_unity
from zk.kernels.field import powers, scale
from zk.kernels.ntt import SHIFT, interpolate
from zk.kernels.simd import LANES, P, add, load, mul, store, sub

COSETS = 2
"""Cosets on which Q is given everywhere."""

_GRAIN = 1 << 14


def points(log_rows: int, log_blowup: int) -> list[int]:
    """First points of cosets 0, 1, 2, canonical."""
    step = root_of_unity(log_rows + log_blowup)
    return [SHIFT * pow(step, j, P) % P for j in range(COSETS + 1)]


def sample_size(beyond: int) -> int:
    """S for a quotient of at most 2N + beyond coefficients: some more than needed, so that one of too high a degree shows."""
    return max(LANES, 1 << (beyond + LANES - 1).bit_length())


@kernel
def _solve(r, step, out, table, begin, end):  # type: ignore[no-untyped-def]
    """t and r_0 - c_0 t of one coordinate for coefficients begin..end. table: vectors of starts, steps, 1 / (c_1 - c_0), c_0."""
    p0, p1, s0, s1 = load(table), load(table + 64), load(table + 128), load(table + 192)
    slope, c0 = load(table + 256), load(table + 320)
    for i in range(begin * 4, end * 4, 64):
        a = mul(load(r + i), p0)
        t = mul(sub(mul(load(r + step + i), p1), a), slope)
        store(out + i, sub(a, mul(t, c0)))
        store(out + step + i, t)
        p0, p1 = mul(p0, s0), mul(p1, s1)


@kernel
def _remainder(low, high, count, size, factors, out):  # type: ignore[no-untyped-def]
    """low + c high, of count * size words, modulo X^size - d. factors: vectors c, d."""
    c, d = load(factors), load(factors + 64)
    for v in range(0, size * 4, 64):
        last = (count - 1) * size * 4 + v
        total = add(load(low + last), mul(load(high + last), c))
        for back in range(1, count):
            place = last - back * size * 4
            total = add(mul(total, d), add(load(low + place), mul(load(high + place), c)))
        store(out + v, total)


def quotient_coefficients(values: U32, sample: U32, log_rows: int, log_blowup: int) -> U32:
    """Coefficients of each column.

    Args:
        values: (C, 2, N) uint32 Montgomery, on cosets 0 and 1; overwritten. N = 2^log_rows >= 16.
        sample: (C, S), at every (N/S)-th point of coset 2, 16 <= S <= N a power of two.
        log_rows, log_blowup: shape of the LDE domain, at least four cosets.

    Returns:
        (C, 2N + S) coefficients, low to high.
    """
    n = 1 << log_rows
    check(values, (None, COSETS, n), "values")
    count = values.shape[0]
    check(sample, (count, None), "sample")
    size = sample.shape[1]
    log2(size, "sample")
    if not LANES <= size <= n:
        raise ValueError(f"sample: between {LANES} and N points expected")
    flat = values.reshape(count * COSETS, n)
    interpolate(flat, flat)
    shifts = points(log_rows, log_blowup)
    c0, c1, c2 = (pow(s, n, P) for s in shifts)
    out = aligned(count * (2 * n + size)).reshape(count, -1)
    inverses = [pow(s, -1, P) for s in shifts[:2]]
    fixed = [[x] * LANES for x in (*(pow(v, LANES, P) for v in inverses), pow(c1 - c0, -1, P), c0)]

    def run(begin: int, end: int, thread: int) -> Any:
        starts = [[pow(v, begin + lane, P) for lane in range(LANES)] for v in inverses]
        table = mont_array(starts + fixed)
        for c in range(count):
            _solve(address(values[c]), 4 * n, address(out[c]), address(table), begin, end)

    parallel_for(run, n, min(n, _GRAIN))
    high = _high_part(out, sample, n, shifts[2], (c2 - c0) * (c2 - c1))
    out[:, 2 * n :] = high
    for start, factor in ((n, -(c0 + c1)), (0, c0 * c1)):
        part = out[:, start : start + size]
        _plus(part, scale(high, mont_array([factor % P])))
    return out


def _high_part(out: U32, sample: U32, n: int, first: int, z: int) -> U32:
    """H, (C, S). out: R in its first 2N coefficients; first: the first point of coset 2; z: what Z is there."""
    count, size = sample.shape
    rest = aligned(count * size).reshape(count, size)
    factors = mont_array([[pow(first, n, P)] * LANES, [pow(first, size, P)] * LANES])
    for c in range(count):
        _remainder(address(out[c]), address(out[c]) + 4 * n, n // size, size, address(factors), address(rest[c]))
    found = scale(interpolate(sample), powers(1, pow(first, -1, P), size))
    _plus(found, scale(rest, mont_array([P - 1])))
    return scale(found, mont_array([pow(z, -1, P)]))


def _plus(a: U32, b: U32) -> None:
    """a += b mod p."""
    a += b
    np.minimum(a, a - np.uint32(P), out=a)
