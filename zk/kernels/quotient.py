"""The quotient: its values where constraints are evaluated, and its coefficients from these.

The constraint of a LogUp pair (i, j) with column h is (h fp_i - num_i) fp_j - num_j fp_i, that of a single one h fp_i - num_i.

Q has degree < 2N + S with a small S, a power of two, because masks lengthen it beyond 2N by a little. It is evaluated on two cosets of
the LDE domain and at S points of the third. On coset j, X^N = c_j, so

    Q = R + Z H,   Z = (X^N - c_0)(X^N - c_1),   deg R < 2N,   deg H < S.

With r_j the interpolant on coset j, of degree < N: R = r_0 + (X^N - c_0) t, t = (r_1 - r_0) / (c_1 - c_0). At the S points a w_S^i of
coset 2, a its first point, Z is the number z = (c_2 - c_0)(c_2 - c_1), and R is r_0 + (c_2 - c_0) t, of degree < N, or what remains of
it modulo X^S - a^S. So H = (interpolant of Q at these points - that remainder) / z.

Slow twins: tests/zk/kernels/test_vm.py, test_quotient.py (evaluation over plain integers).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import U32, address, aligned, check, log2, mont, mont_array, root_of_unity
from zk.kernels.field import ext_mul_int, ext_product, powers, scale
from zk.kernels.lanes import add, dot5, load, load_long, load_word, mul, splat, store, sub
from zk.kernels.logup import weighted
from zk.kernels.ntt import SHIFT, interpolate
from zk.kernels.simd import LANES, P
from zk.kernels.vm import (
    BLOCK,
    Challenges,
    Run,
    empty,
    groups_of,
    padded_selectors,
    row_blocks,
    run_block,
    values_of,
    wide_table,
    widen,
)

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
def _values(p, work, extra, coset, row, vectors, aux, aux_step, aux_next, offset, table, scale, out, out_step):  # type: ignore[no-untyped-def]
    """Quotient of one block. extra: bases, three extension vectors, one per group. aux, out: of this block's first row; aux_next:
    bytes from a cell to the one of the next row."""
    run_block(p, extra, work, coset, row, vectors)
    total, fp, num, size = values_of(p, work)
    groups, count = groups_of(p)
    first, second, last = extra + 64, extra + 384, extra + 704
    values = extra + 1024
    factor = splat(scale)
    for v in range(vectors):
        for g in range(count):
            i, j, units = load_long(groups + g * 24), load_long(groups + g * 24 + 8), load_long(groups + g * 24 + 16)
            fi, ni, value = fp + i * 5 * size + v * 64, num + i * 5 * size + v * 64, values + g * 320
            column = aux + g * 5 * aux_step + v * 64
            if g < count - 1:
                ext_product(column, aux_step, fi, size, first, 64)
            else:
                for k in range(5):
                    here = column + k * aux_step
                    u = sub(sub(load(here + aux_next), load(here)), splat(load_word(offset + k * 4)))
                    for f in range(count - 1):
                        u = sub(u, load(aux + (f * 5 + k) * aux_step + v * 64))
                    store(last + k * 64, u)
                ext_product(last, 64, fi, size, first, 64)
            for k in range(5):
                store(value + k * 64, sub(load(first + k * 64), load(ni + k * size)))  # h fp_i - num_i
            if j >= 0:
                fj, nj = fp + j * 5 * size + v * 64, num + j * 5 * size + v * 64
                ext_product(value, 64, fj, size, first, 64)
                weighted(nj, fi, units & 2, size, second)
                for k in range(5):
                    store(value + k * 64, sub(load(first + k * 64), load(second + k * 64)))
        dot5(values, 64, table, count * 5, total + v * 64, size)
        for k in range(5):
            store(out + k * out_step + v * 64, mul(load(total + k * size + v * 64), factor))


def quotient_values(
    ops: npt.NDArray[np.int32],
    consts: U32,
    main: U32,
    aux: U32,
    selectors: U32,
    rows: int,
    inverses: Sequence[int],
    challenges: Challenges,
    groups: Any,
    coefs: Any,
    offset: Any,
    following: tuple[U32, U32] | None = None,
) -> U32:
    """Quotient (sum_k coefs[k] constraint_k + sum_g coefs[n + g] logup_g) / (X^N - 1) at points of the first cosets given.

    Arguments:
        ops, consts, challenges, groups: as for `logup.fractions`.
        main: (C, B, >= rows), aux: (5 G, B, >= rows); aux extension column g is rows 5 g .. 5 g + 4, the last one the accumulator.
        selectors: (3, >= B', rows) values of first-row, last-row, transition at the points.
        rows: points of each coset.
        inverses: 1 / (x^N - 1) on each coset that is evaluated, canonical; B' of them.
        coefs: (n + G, 5) canonical; n is the number of base constraints.
        offset: five canonical integers, the accumulator's constant per row.
        following: main and aux at the points of the next rows, of the same shapes and strides as main and aux; there have to be sixteen
            rows at least. None: the next row is the next cell, and cell `rows` repeats cell 0.
    Returns: (5, B', rows) Montgomery.
    """
    cosets = len(inverses)
    check(main, (None, None, None), "main")
    check(selectors, (3, None, None), "selectors")
    coefficients = np.asarray(coefs, dtype=np.uint64).reshape(-1, 5)
    count = len(np.asarray(groups).reshape(-1, 2))
    check(aux, (5 * count, None, None), "aux")
    if len(coefficients) < count or min(main.shape[1], selectors.shape[1]) < cosets or selectors.shape[2] < rows:
        raise ValueError("too few coefficients, cosets or selector rows")
    if count and aux.shape[1] < cosets:
        raise ValueError("too few cosets in aux")
    if following is not None:
        steps = _steps_between((main, aux), following, rows)
    elif main.shape[2] <= rows or (count and aux.shape[2] <= rows):
        raise ValueError("matrices lack the cell that repeats row 0")
    else:
        main, aux, steps = widen(main, rows), widen(aux, rows), (4, 4)
    base = coefficients[: len(coefficients) - count]
    run = Run(ops, consts, main, padded_selectors(selectors, rows), challenges, groups, base, steps[0])
    unit = [[int(k == j) for j in range(5)] for k in range(5)]
    table = wide_table([ext_mul_int(c, u) for c in coefficients[len(base) :] for u in unit])
    words = np.array([mont(int(v) % P) for v in offset], dtype=np.uint32)
    scales = [mont(v) for v in inverses]
    whole, blocks = row_blocks(rows)
    out = empty(5, cosets, whole)

    def piece(begin: int, end: int, thread: int) -> None:
        work, extra = run.areas(thread)
        for index in range(begin, end):
            coset, block = divmod(index, blocks)
            row = block * BLOCK
            _values(
                address(run.parameters), work, extra, coset, row, min(BLOCK, whole - row) // 16,
                address(aux) + coset * aux.strides[1] + 4 * row, aux.strides[0], steps[1], address(words), address(table),
                scales[coset], address(out) + coset * out.strides[1] + 4 * row, out.strides[0],
            )  # fmt: skip

    parallel_for(piece, cosets * blocks, 1 if blocks < 8 else 8)
    return out[:, :, :rows]


def _steps_between(here: tuple[U32, U32], following: tuple[U32, U32], rows: int) -> tuple[int, int]:
    """Bytes from the cells of two matrices to those of the next rows."""
    for a, b in zip(here, following, strict=True):
        if a.shape != b.shape or a.strides != b.strides or a.dtype != b.dtype or a.shape[2] < rows or rows % 16:
            raise ValueError("following: matrices like main and aux, and whole vectors of rows, expected")
    return address(following[0]) - address(here[0]), address(following[1]) - address(here[1])


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
