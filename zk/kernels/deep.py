"""Out-of-domain evaluation, DEEP combination and FRI folding.

Columns are uint32 Montgomery, rows contiguous; extension values are (5, ..) arrays. Extension arguments that are single
elements (zeta, beta, coefficients) are canonical integers, as the transcript yields them.

Slow twin: tests/zk/kernels/test_deep.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zk.kernels import simd as S
from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import (
    U32,
    address,
    addresses,
    aligned,
    aligned_zeros,
    check,
    log2,
    mont,
    root_of_unity,
    scratch,
)
from zk.kernels.field import ext_batch, ext_product, powers
from zk.kernels.lanes import add, dot5_of, ext_intrinsic, load, load_long, load_word, mul, splat, store, sub
from zk.kernels.ntt import SHIFT
from zk.kernels.simd import P, R
from zk.kernels.vm import wide_table


@kernel
def _combine(columns, offset, table, count, out, out_step, vectors):  # type: ignore[no-untyped-def]
    """Sixteen columns at a time, each read onwards over the whole piece: more would defeat the hardware's prefetching."""
    for first in range(0, count, 16):
        some = min(16, count - first)
        for v in range(vectors):
            dot5_of(columns + first * 8, offset + v * 64, table + first * 40, some, out + v * 64, out_step)


def _write_inner(b: Any, column: Any, weights: Any, step: Any, vectors: Any, out: Any) -> None:
    """out (5 vectors) = lane-wise sums over an even number of vectors of column times weights."""
    cells = [S.ir_variable(b, S.IRW8) for _ in range(10)]
    for cell in cells:
        b.store(S.c64(0), cell)
    with S.ir_for(b, b.lshr(vectors, S.i64(1))) as loop:
        totals = [b.load(cell) for cell in cells]
        for half in (0, 64):
            at = b.add(b.shl(loop.index, S.i64(7)), S.i64(half))
            x = S.ir_wide(b, S.ir_load(b, b.add(column, at)))
            for k in range(5):
                w = S.ir_wide(b, S.ir_load(b, b.add(b.add(weights, at), b.mul(step, S.i64(k)))))
                for h in (0, 1):
                    totals[2 * k + h] = b.add(totals[2 * k + h], b.mul(x[h], w[h]))
        for cell, total in zip(cells, totals, strict=True):
            b.store(S.ir_clamp(b, total), cell)
    for k in range(5):
        S.ir_store(b, b.add(out, S.i64(64 * k)), S.ir_reduce(b, b.load(cells[2 * k]), b.load(cells[2 * k + 1])))


_inner = ext_intrinsic(_write_inner, 5)


@kernel
def _dot_rows(columns, offset, count, weights, weight_step, vectors, out):  # type: ignore[no-untyped-def]
    for c in range(count):
        _inner(load_long(columns + c * 8) + offset, weights, weight_step, vectors, out + c * 320)


@kernel
def _differences(x, zeta, out, step, vectors):  # type: ignore[no-untyped-def]
    """out = x - zeta; zeta: five words, the last four negated already."""
    first = splat(load_word(zeta))
    for v in range(vectors):
        store(out + v * 64, sub(load(x + v * 64), first))
        for k in range(1, 5):
            store(out + k * step + v * 64, splat(load_word(zeta + k * 4)))


@kernel
def _add_products(x, x_step, y, y_step, out, out_step, vectors, held):  # type: ignore[no-untyped-def]
    """out += x y, extension values. held: five vectors."""
    for v in range(vectors):
        ext_product(x + v * 64, x_step, y + v * 64, y_step, held, 64)
        for k in range(5):
            place = out + k * out_step + v * 64
            store(place, add(load(place), load(held + k * 64)))


def _write_spread(b: Any, src: Any, step: Any, dst: Any) -> None:
    """Inverse transform of size 8 without its 1/8: dst[m] = sum_t w_8^(-tm) src[t]; src rows `step` apart, dst 320."""
    w = pow(root_of_unity(3), -1, P)
    constants = [[0], [0, 2], [0, 2, 1, 3]]  # exponents, by level and block, as in ntt.py
    x = [S.ir_load(b, b.add(src, b.mul(step, S.i64(t)))) for t in range(8)]
    for level, exponents in enumerate(constants):
        half = 4 >> level
        for block, exponent in enumerate(exponents):
            for k in range(half):
                i, j = 2 * half * block + k, 2 * half * block + k + half
                t = S.ir_mul(b, x[j], S.c32(mont(pow(w, exponent, P)))) if exponent else x[j]
                x[i], x[j] = S.ir_add(b, x[i], t), S.ir_sub(b, x[i], t)
    for place in range(8):
        m = int(f"{place:03b}"[::-1], 2)
        S.ir_store(b, b.add(dst, S.i64(320 * m)), x[place])


_spread = ext_intrinsic(_write_spread, 3)


@kernel
def _fold8(src, step, fibre_step, inverse_x, beta, out, out_step, vectors, work, eighth):  # type: ignore[no-untyped-def]
    """Folds one coset. src: 5 rows, `step` apart, fibres fibre_step apart; beta: five words; work: 10 extension vectors."""
    y, held = work + 8 * 320, work + 9 * 320
    scale = splat(eighth)
    for v in range(vectors):
        x = load(inverse_x + v * 64)
        for k in range(5):
            _spread(src + k * step + v * 64, fibre_step, work + k * 64)
            store(y + k * 64, mul(x, splat(load_word(beta + k * 4))))
            store(held + k * 64, load(work + 7 * 320 + k * 64))
        for back in range(7):
            ext_product(held, 64, y, 64, held, 64)
            for k in range(5):
                store(held + k * 64, add(load(held + k * 64), load(work + (6 - back) * 320 + k * 64)))
        for k in range(5):
            store(out + k * out_step + v * 64, mul(load(held + k * 64), scale))


def _words(values: Any) -> U32:
    return np.array([mont(int(v) % P) for v in values], dtype=np.uint32)


def _rows(columns: U32 | Sequence[U32], length: int) -> list[U32]:
    """The columns as separate contiguous arrays of at least `length` words."""
    rows = [check(column, (None,), "columns") for column in columns]
    if any(len(row) < length for row in rows):
        raise ValueError(f"columns of at least {length} rows expected")
    return rows


def linear_combination(cols: U32 | Sequence[U32], coefs: Any, rows: int, out: U32 | None = None) -> U32:
    """sum_c coefs[c] * cols[c] at every row.

    Arguments:
        cols: C columns of at least N words, one coset of a matrix (lde[:, j]) or any list of columns.
        coefs: (C, 5) canonical extension coefficients.
        rows: N.
        out: (5, N) that the sum is added to, or None for a new array.
    """
    held = _rows(cols, rows)
    table = wide_table(coefs)
    if np.asarray(coefs).size != 5 * len(held):
        raise ValueError("one coefficient per column expected")
    whole = -(-rows // 16) * 16
    if whole != rows:
        held = [np.append(row[:rows], np.zeros(whole - rows, dtype=np.uint32)) for row in held]
    direct = out is not None and whole == rows
    target = out if out is not None and direct else aligned_zeros(5 * whole).reshape(5, whole)
    if out is not None:
        check(out, (5, rows), "out")
        if not direct:
            target[:, :rows] = out
    places = addresses(held)

    def run(begin: int, end: int, thread: int) -> None:
        _combine(
            address(places), begin * 64, address(table), len(held), address(target) + begin * 64, target.strides[0],
            end - begin,
        )  # fmt: skip

    if held:
        parallel_for(run, whole // 16, 128)
    if out is None or direct:
        return target[:, :rows]
    out[...] = target[:, :rows]
    return out


def dot_rows(cols: U32 | Sequence[U32], weights: U32, shift: int = 0) -> U32:
    """(C, 5) Montgomery: sum_i weights[:, i] * cols[c][i + shift].

    cols: C columns of at least n + shift words, as for `linear_combination`; weights: (5, n) Montgomery. With weights =
    field.ext_powers(zeta, L) and cols the coefficients, this evaluates polynomials at zeta; with barycentric weights and rows
    of an extension, shift = 1 gives the next row (cell N of a coset repeats cell 0).
    """
    check(weights, (5, None), "weights")
    n = weights.shape[1]
    if shift < 0:
        raise ValueError("shift is negative")
    held = _rows(cols, n + shift)
    count, done = len(held), n // 32 * 32
    pieces = [(k, min(k + 16384, done)) for k in range(0, done, 16384)]
    out = np.zeros((len(pieces) + 1, count, 5, 16), dtype=np.uint32)
    places = addresses(held)

    def run(begin: int, end: int, thread: int) -> None:
        for k in range(begin, end):
            first, last = pieces[k]
            _dot_rows(
                address(places), 4 * (first + shift), count, address(weights) + 4 * first, weights.strides[0],
                (last - first) // 16, address(out[k]),
            )  # fmt: skip

    parallel_for(run, len(pieces), 1)
    if done < n:
        rest, tail = np.zeros((count, 32), dtype=np.uint32), np.zeros((5, 32), dtype=np.uint32)
        for row, column in zip(rest, held, strict=True):
            row[: n - done] = column[done + shift : n + shift]
        tail[:, : n - done] = weights[:, done:]
        few = addresses(list(rest))
        _dot_rows(address(few), 0, count, address(tail), 128, 2, address(out[-1]))
    result: U32 = (out.sum(axis=(0, 3), dtype=np.uint64) % np.uint64(P)).astype(np.uint32)
    return result


class _Differences:
    """Inverses of x - zeta for the points x of cosets of D, a block of rows at a time."""

    BLOCK = 8192

    def __init__(self, zeta: Any, log_rows: int, log_blowup: int, cosets: Sequence[int]) -> None:
        self.whole = -(-(1 << log_rows) // 16) * 16
        self.blocks = -(-self.whole // self.BLOCK)
        step = root_of_unity(log_rows + log_blowup)
        self.points = [powers(SHIFT * pow(step, j, P) % P, root_of_unity(log_rows), self.whole) for j in cosets]
        self.words = _words([zeta[0], *(-int(v) for v in zeta[1:])])

    def place(self, index: int) -> tuple[int, int, int]:
        """Block `index` of all cosets': coset, first row, vectors."""
        coset, block = divmod(index, self.blocks)
        first = block * self.BLOCK
        return coset, first, min(self.BLOCK, self.whole - first) // 16

    def write(self, index: int, place: int, step: int, thread: int) -> None:
        """The inverses of one block to five rows at `place`."""
        coset, first, vectors = self.place(index)
        _differences(address(self.points[coset]) + 4 * first, address(self.words), place, step, vectors)
        ext_batch(place, step, place, step, vectors, scratch("inverse", thread, 66 * 80))


def inverse_differences(zeta: Any, log_rows: int, log_blowup: int, cosets: Sequence[int] | None = None) -> U32:
    """1/(x - zeta) for the points x of cosets of D: (5, number of cosets, N) Montgomery.

    zeta: five canonical integers, outside F. cosets: numbers in [0, B), None for all.
    """
    chosen = range(1 << log_blowup) if cosets is None else cosets
    inverses = _Differences(zeta, log_rows, log_blowup, chosen)
    out = aligned(5 * len(chosen) * inverses.whole).reshape(5, len(chosen), inverses.whole)

    def run(begin: int, end: int, thread: int) -> None:
        for index in range(begin, end):
            coset, first, _ = inverses.place(index)
            inverses.write(index, address(out) + coset * out.strides[1] + 4 * first, out.strides[0], thread)

    parallel_for(run, len(chosen) * inverses.blocks, 1)
    return out[:, :, : 1 << log_rows]


def add_quotients(numerator: U32, zeta: Any, log_rows: int, log_blowup: int, out: U32) -> None:
    """out += numerator / (x - zeta) on D.

    Arguments:
        numerator: (5, B, >= N) Montgomery, N >= 16.
        zeta: five canonical integers, outside F.
        out: (5, B, N) Montgomery.
    """
    n, cosets = 1 << log_rows, 1 << log_blowup
    check(out, (5, cosets, n), "out")
    check(numerator, (5, cosets, None), "numerator")
    if numerator.shape[2] < n or n < 16:
        raise ValueError("numerator: N values a coset expected, at least 16")
    inverses = _Differences(zeta, log_rows, log_blowup, range(cosets))
    step = 4 * inverses.BLOCK

    def run(begin: int, end: int, thread: int) -> None:
        for index in range(begin, end):
            coset, first, vectors = inverses.place(index)
            block = scratch("quotients", thread, 5 * inverses.BLOCK + 80)
            inverses.write(index, block, step, thread)
            _add_products(
                address(numerator) + coset * numerator.strides[1] + 4 * first, numerator.strides[0], block, step,
                address(out) + coset * out.strides[1] + 4 * first, out.strides[0], vectors, block + 5 * step,
            )  # fmt: skip

    parallel_for(run, cosets * inverses.blocks, 1)


def fold8(layer: U32, beta: Any, shift: int) -> U32:
    """One FRI folding by eight: (5, B, n) to (5, B, n/8), a contiguous array.

    With f(x) = sum_{m<8} x^m f_m(x^8), the result at x^8 is sum_m beta^m f_m(x^8). layer[:, j, i] = f(shift w^j w_n^i), w of
    order B n, w_n of order n. beta: five canonical integers; shift: canonical (3^(8^r) in round r).
    """
    check(layer, (5, None, None), "layer")
    _, cosets, n = layer.shape
    log_n, log_cosets = log2(n, "rows"), log2(cosets, "cosets")
    if log_n < 3:
        raise ValueError("a layer has 8 or more rows per coset")
    rows = n // 8
    width = max(rows, 16)
    fibre_step = 4 * rows
    if rows < 16:
        held = np.zeros((5, cosets, 8, 16), dtype=np.uint32)
        held[..., :rows] = layer.reshape(5, cosets, 8, rows)
        layer, fibre_step = held.reshape(5, cosets, 128), 64
    out = aligned(5 * cosets * width).reshape(5, cosets, width)
    w, w_n = root_of_unity(log_n + log_cosets), root_of_unity(log_n)
    inverse = [powers(pow(shift * pow(w, j, P), -1, P), pow(w_n, -1, P), width) for j in range(cosets)]
    words = _words(beta)
    blocks = -(-width // 4096)

    def run(begin: int, end: int, thread: int) -> None:
        for index in range(begin, end):
            coset, block = divmod(index, blocks)
            first = 4 * 4096 * block
            _fold8(
                address(layer) + coset * layer.strides[1] + first, layer.strides[0], fibre_step,
                address(inverse[coset]) + first, address(words), address(out) + coset * out.strides[1] + first,
                out.strides[0], min(4096, width - first // 4) // 16, scratch("fold", thread, 10 * 80), _EIGHTH,
            )  # fmt: skip

    parallel_for(run, cosets * blocks, 1)
    return out if rows == width else np.ascontiguousarray(out[:, :, :rows])


_EIGHTH = pow(8, -1, P) * R % P
