"""Interpolation over H and low-degree extension over the cosets of D, column by column, by the transforms of transform.py.

Between the two, coefficients stay in tiles (`Plan.run`), where they are written and read one after the other.

Slow twin: tests/zk/kernels/test_ntt.py.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import PAD, THREADS, U32, address, aligned, check, log2, mont, mont_array, root_of_unity
from zk.kernels.lanes import load_word, scalar_add, scalar_mul, store_word
from zk.kernels.simd import P
from zk.kernels.transform import geometric, plan

SHIFT = 3
"""s: the evaluation domain is s <w>."""

_SMALL = 8  # below 2^8 points a square has no sixteen columns: plain evaluation


@kernel
def _plain(src, points, out, n, scale):  # type: ignore[no-untyped-def]
    """Horner's rule at n points, for sizes below the square's; scale multiplies the results."""
    for i in range(n):
        x = load_word(points + i * 4)
        total = 0
        for k in range(n):
            total = scalar_add(scalar_mul(total, x), load_word(src + (n - 1 - k) * 4))
        store_word(out + i * 4, scalar_mul(total, scale))


@kernel
def _place(k, log1, log2):  # type: ignore[no-untyped-def]
    """Where coefficient k lies in tiles, in bytes. log1 = 0, log2 = _NATURAL: where it lies in natural order."""
    row, column = k >> log2, k & ((1 << log2) - 1)
    return ((column >> 4) << (log1 + 6)) + (row << 6) + ((column & 15) << 2)


@kernel
def _lowest(coeffs, count, out, log1, log2):  # type: ignore[no-untyped-def]
    """The lowest coefficients, in natural order."""
    for k in range(count):
        store_word(out + k * 4, load_word(coeffs + _place(k, log1, log2)))


@kernel
def _fold(low, tail, count, factor, coeffs, log1, log2):  # type: ignore[no-untyped-def]
    """The lowest coefficients become low + factor * tail."""
    for k in range(count):
        term = scalar_mul(load_word(tail + k * 4), factor)
        store_word(coeffs + _place(k, log1, log2), scalar_add(load_word(low + k * 4), term))


_NATURAL = 62


def _powers(start: int, ratio: int, count: int) -> U32:
    """Montgomery words of start * ratio^k, small counts."""
    return mont_array(geometric(start, ratio, count))


class _Interpolation:
    """Coefficients from values on H of one column at a time."""

    def __init__(self, log_rows: int) -> None:
        self.n = 1 << log_rows
        root, scale = pow(root_of_unity(log_rows), -1, P), pow(self.n, -1, P)
        self.scale = mont(scale)
        if log_rows < _SMALL:
            self.points = _powers(1, root, self.n)
        else:
            self.plan = plan(log_rows, log_rows // 2, 1, root, scale)

    def run(self, values: U32, out: U32, thread: int, tiles: bool = False) -> None:
        """From (N,) to (N,), which may be the same unless `tiles`."""
        if self.n < 1 << _SMALL:
            held = values.copy()
            _plain(address(held), address(self.points), address(out), self.n, self.scale)
        else:
            self.plan.run(address(values), address(out), thread, to_tiles=tiles)


def interpolate(values: U32, out: U32 | None = None) -> U32:
    """Coefficients of the polynomials of degree < N with the given values on H.

    Arguments:
        values: (C, N) uint32 Montgomery, N = 2^k natural order, rows contiguous (any row stride).
        out: (C, N) destination, or None to allocate; may be `values` itself.
    Returns: (C, N) coefficients, low to high.
    """
    check(values, (None, None), "values")
    count, n = values.shape
    interpolation = _Interpolation(log2(n, "rows"))
    out = aligned(count * n).reshape(count, n) if out is None else check(out, (count, n), "out")

    def run(begin: int, end: int, thread: int) -> None:
        for c in range(begin, end):
            interpolation.run(values[c], out[c], thread)

    parallel_for(run, count, 1)
    return out


def alloc_lde(columns: int, cosets: int, rows: int) -> U32:
    """Uninitialised (columns, cosets, rows + PAD) matrix for `lde`; cell [.., rows] repeats cell [.., 0].

    In memory the columns of a coset are neighbours: most work is on one coset, and columns further apart cost more walks of page tables.
    """
    return aligned(columns * cosets * (rows + PAD)).reshape(cosets, columns, rows + PAD).transpose(1, 0, 2)


class _Extension:
    """Evaluation of f + (X^N - c) tail, one column at a time, on cosets shift w_(k+b)^j <w_k>, where X^N is a number.

    outs: (C, .., N + pad) matrices that hold the cosets in order; base: c, canonical.
    """

    def __init__(
        self, log_rows: int, log_blowup: int, cosets: Iterable[int], outs: Sequence[U32], base: int, shift: int = SHIFT
    ) -> None:
        self.n = 1 << log_rows
        self.places = [(out, j) for out in outs for j in range(out.shape[1])]
        root, step = root_of_unity(log_rows), root_of_unity(log_rows + log_blowup)
        offsets = [shift * pow(step, j, P) % P for j in cosets]
        self.factors = [mont((pow(offset, self.n, P) - base) % P) for offset in offsets]
        self.logs = (log_rows - log_rows // 2, log_rows // 2)  # what makes tiles of the interpolation the ones read here
        if log_rows < _SMALL:
            self.points = [_powers(offset, root, self.n) for offset in offsets]
        else:
            self.plans = [plan(log_rows, self.logs[0], offset, root) for offset in offsets]

    def run(self, coeffs: U32, tail: U32, column: int, thread: int, tiles: bool = False) -> None:
        """Row `column` of the matrices from (N,) coefficients of f, whose lowest change during the call, and those of the tail."""
        n, count, src = self.n, len(tail), address(coeffs)
        small = n < 1 << _SMALL
        logs = self.logs if tiles and not small else (0, _NATURAL)
        low = np.empty(count, dtype=np.uint32)
        _lowest(src, count, address(low), *logs)
        for j, (factor, (out, coset)) in enumerate(zip(self.factors, self.places, strict=True)):
            row = out[column, coset]
            _fold(address(low), address(tail), count, factor, src, *logs)
            if small:
                _plain(src, address(self.points[j]), address(row), n, mont(1))
            else:
                self.plans[j].run(src, address(row), thread, from_tiles=tiles, stream=True)
            row[n] = row[0]
        _fold(address(low), address(tail), count, 0, src, *logs)


def lde(coeffs: U32, log_rows: int, log_blowup: int, out: U32 | None = None) -> U32:
    """Evaluate polynomials on all B = 2^log_blowup cosets of D, coset-major: [c, j, i] is at 3 w_(k+b)^j w_k^i.

    Arguments:
        coeffs: (C, L) uint32 Montgomery, N <= L <= 2N, N = 2^log_rows. Fastest with L a multiple of 16. Where L > N
            the first L - N words of each row are overwritten during the call and restored.
        out: (C, B, N + pad) as from `alloc_lde` (pad >= 1), or None to allocate.
    Returns: out; cell [c, j, N] = cell [c, j, 0], cells beyond are not written.
    """
    n, cosets = 1 << log_rows, 1 << log_blowup
    check(coeffs, (None, None), "coeffs")
    count, length = coeffs.shape
    if not n <= length <= 2 * n:
        raise ValueError(f"coeffs: between N and 2N coefficients expected, got {length} for N = {n}")
    out = alloc_lde(count, cosets, n) if out is None else _check_lde(out, count, cosets, n)
    extension = _Extension(log_rows, log_blowup, range(cosets), [out], 0)

    def run(begin: int, end: int, thread: int) -> None:
        for c in range(begin, end):
            extension.run(coeffs[c, :n], coeffs[c, n:], c, thread)

    parallel_for(run, count, 1)
    return out


def masked_lde(values: U32, tails: U32, log_blowup: int, *outs: U32) -> None:
    """Extend f + (X^N - 1) r, which has the values of f on H and masks it elsewhere, column by column.

    Arguments:
        values: (C, N) uint32 Montgomery, of f on H; may lie in the first of `outs`, column c within its column c.
        tails: (C, t) coefficients of r, t <= N.
        outs: one matrix (C, B, N + pad), as for `lde`, or several that together have B cosets, in order.
    """
    check(values, (None, None), "values")
    check(tails, (len(values), None), "tails")
    count, n = values.shape
    log_rows = log2(n, "rows")
    interpolation = _Interpolation(log_rows)
    if sum(_check_lde(out, count, None, n).shape[1] for out in outs) != 1 << log_blowup:
        raise ValueError("outs: not as many cosets as the blow-up")
    extension = _Extension(log_rows, log_blowup, range(1 << log_blowup), outs, 1)
    buffers = [aligned(n) for _ in range(THREADS)]

    def run(begin: int, end: int, thread: int) -> None:
        coefficients = buffers[thread]
        for c in range(begin, end):
            interpolation.run(values[c], coefficients, thread, tiles=True)
            extension.run(coefficients, tails[c], c, thread, tiles=True)

    parallel_for(run, count, 1)


def next_coset(matrix: U32, tails: U32, log_rows: int, log_blowup: int) -> None:
    """Values on coset 0 become those on coset 1, in place.

    With c_j = x^N on coset j a polynomial is g + (X^N - c_0) tail, where g of degree < N has its values on coset 0.

    Arguments:
        matrix: (C, 1, N + pad), as `lde` makes it; tails: (C, t), t <= N.
    """
    n = 1 << log_rows
    _check_lde(matrix, len(tails), 1, n)
    interpolation = _Interpolation(log_rows)  # gives g(3 X)
    extension = _Extension(log_rows, log_blowup, [1], [matrix], 1, shift=1)
    turned = np.array(geometric(pow(SHIFT, n, P), SHIFT, tails.shape[1]), dtype=np.uint64)  # (X^N - c_0) tail at 3 X
    buffers = [aligned(n) for _ in range(THREADS)]

    def run(begin: int, end: int, thread: int) -> None:
        coefficients = buffers[thread]
        for c in range(begin, end):
            interpolation.run(matrix[c, 0, :n], coefficients, thread, tiles=True)
            extension.run(coefficients, (tails[c] * turned % np.uint64(P)).astype(np.uint32), c, thread, tiles=True)

    parallel_for(run, len(matrix), 1)


def _check_lde(out: U32, count: int, cosets: int | None, n: int) -> U32:
    check(out, (count, cosets, None), "out")
    if out.shape[2] <= n:
        raise ValueError("out: no room for the cell that repeats row 0")
    return out
