"""Rows of an extension of which only one coset is at hand: Lagrange's formula, as one product of matrices.

Coset j holds the points s t^j w^i with t = w_(k+b), and c_j = x^N is the same on all of it. A polynomial g of degree < N with values
v_i on coset h is, at row r of coset j,

    g(s t^j w^r) = (c_j - c_h) / (N c_h) sum_i v_i K[r - i],   K[m] = 1 / (t^(j-h) w^m - 1)

(J.-P. Berrut, L. N. Trefethen, Barycentric Lagrange Interpolation, SIAM Review 46, 2004). The weights of all rows of a coset are
windows of one cyclic list, so a row costs N products a column and reads nothing but the columns and a window: for the hundred rows
that a proof opens far less than transforms of every column.

Slow twin: tests/zk/kernels/test_rows.py.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from zk.kernels import simd as S
from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import THREADS, U32, address, addresses, aligned, aligned_zeros, check, log2, root_of_unity
from zk.kernels.field import batch_inverse, difference, powers
from zk.kernels.lanes import ext_intrinsic
from zk.kernels.ntt import SHIFT
from zk.kernels.simd import P
from zk.kernels.transform import geometric

_COLUMNS, _WINDOWS = 3, 4
"""Of one register tile: 24 sums, which with their factors fit 32 vector registers."""
_BLOCK = 1024
"""Words of a column that are multiplied with all windows before the next ones are read."""


def _write_tile(b: Any, columns: Any, windows: Any, offset: Any, pairs: Any, out: Any, step: Any) -> None:
    """out[c][q] += lane-wise sums of column c times window q over 2 `pairs` vectors; rows of `out` are `step` bytes apart."""
    places = [b.add(_word(b, columns, c), offset) for c in range(_COLUMNS)]
    starts = [_word(b, windows, q) for q in range(_WINDOWS)]
    cells = [[[S.ir_variable(b, S.IRW8) for _ in range(2)] for _ in starts] for _ in places]
    for cell in (half for row in cells for pair in row for half in pair):
        b.store(S.c64(0), cell)
    with S.ir_for(b, pairs) as loop:
        totals = [[[b.load(half) for half in pair] for pair in row] for row in cells]
        for part in (0, 64):
            at = b.add(b.shl(loop.index, S.i64(7)), S.i64(part))
            xs = [S.ir_wide(b, S.ir_load(b, b.add(place, at))) for place in places]
            for q, start in enumerate(starts):
                w = S.ir_wide(b, S.ir_load(b, b.add(start, at)))
                for c, x in enumerate(xs):
                    for h in (0, 1):
                        totals[c][q][h] = b.add(totals[c][q][h], b.mul(x[h], w[h]))
        for row, sums in zip(cells, totals, strict=True):
            for pair, values in zip(row, sums, strict=True):
                for half, value in zip(pair, values, strict=True):
                    b.store(S.ir_clamp(b, value), half)
    for c, row in enumerate(cells):
        for q, pair in enumerate(row):
            place = b.add(b.add(out, b.mul(step, S.i64(c))), S.i64(64 * q))
            total = S.ir_reduce(b, b.load(pair[0]), b.load(pair[1]))
            S.ir_store(b, place, S.ir_add(b, S.ir_load(b, place), total))


def _word(b: Any, table: Any, index: int) -> Any:
    return b.load(S.ir_ptr(b, b.add(table, S.i64(8 * index)), S.I64), align=8)


_tile = ext_intrinsic(_write_tile, 6)


@kernel
def _block(columns, count, offset, windows, rows, pairs, out):  # type: ignore[no-untyped-def]
    """One block of all columns against all windows. columns, windows: tables of addresses, counts whole tiles."""
    step = rows * 64
    for c in range(0, count, 3):
        for q in range(0, rows, 4):
            _tile(columns + c * 8, windows + q * 8, offset, pairs, out + c * step + q * 64, step)


def rows_again(
    values: U32, held: int, tails: U32, log_blowup: int, cosets: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> U32:
    """Rows of an extension of which only one coset is at hand, (C, rows) Montgomery.

    The polynomials are g + (X^N - c_h) tail, g of degree < N with the given values.

    Arguments:
        values: (C, N) on coset `held`; tails: (C, t).
        cosets, rows: where, as many of each; no coset is `held`.
    """
    check(values, (None, None), "values")
    check(tails, (len(values), None), "tails")
    count, n = values.shape
    log_rows, length = log2(n, "rows"), min(_BLOCK, max(n, 32))
    if n < length:
        values = np.concatenate([values, np.zeros((count, length - n), dtype=np.uint32)], axis=1)
    lists = {j: _weights(j - held, log_rows, log_blowup, n + length) for j in np.unique(cosets).tolist()}
    columns = addresses([values[min(c, count - 1)] for c in range(_whole(count, _COLUMNS))])
    most = _whole(len(rows), _WINDOWS)
    drawn = [(cosets[min(q, len(rows) - 1)], rows[min(q, len(rows) - 1)]) for q in range(most)]
    sums = aligned_zeros(THREADS * len(columns) * most * 16).reshape(THREADS, len(columns), most, 16)

    def run(begin: int, end: int, thread: int) -> None:
        for block in range(begin, end):
            first = block * length
            windows = np.array([address(lists[j]) + 4 * ((first - r) % n) for j, r in drawn], dtype=np.int64)
            _block(
                address(columns), len(columns), 4 * first, address(windows), most, length // 32, address(sums[thread]),
            )  # fmt: skip

    parallel_for(run, values.shape[1] // length, 1)
    totals = sums.sum(axis=(0, 3), dtype=np.uint64)[:count, : len(rows)] % np.uint64(P)
    return _scaled(totals, held, tails, log_rows, log_blowup, cosets, rows)


def _whole(count: int, tile: int) -> int:
    return -(-count // tile) * tile


def _weights(apart: int, log_rows: int, log_blowup: int, length: int) -> U32:
    """K[-u mod N] for u < length, of cosets `apart` numbers apart: the window of row r begins at -r mod N."""
    n, w = 1 << log_rows, root_of_unity(log_rows)
    points = powers(pow(root_of_unity(log_rows + log_blowup), apart, P), pow(w, -1, P), n)
    listed = aligned(length)
    listed[:] = np.resize(batch_inverse(difference(points, np.full(1, S.R, dtype=np.uint32))), length)
    return listed


def _scaled(totals: Any, held: int, tails: U32, log_rows: int, log_blowup: int, cosets: Any, rows: Any) -> U32:
    """The sums times (c_j - c_h) / (N c_h), plus (c_j - c_h) tail(x) at each point."""
    step, w, n = root_of_unity(log_rows + log_blowup), root_of_unity(log_rows), 1 << log_rows
    wide, out = tails.astype(np.uint64), np.empty(totals.shape, dtype=np.uint32)
    first = pow(SHIFT * pow(step, held, P), n, P)
    for k, (j, i) in enumerate(zip(cosets.tolist(), rows.tolist(), strict=True)):
        x = SHIFT * pow(step, j, P) * pow(w, i, P) % P
        vanishing = (pow(x, n, P) - first) % P
        scale = vanishing * pow(n * first, -1, P) % P
        powers = np.array(geometric(vanishing, x, tails.shape[1]), dtype=np.uint64)
        tail = (wide * powers % np.uint64(P)).sum(axis=1)  # canonical factors: the sum is in Montgomery form
        out[:, k] = (totals[:, k] * np.uint64(scale) + tail) % np.uint64(P)
    return out
