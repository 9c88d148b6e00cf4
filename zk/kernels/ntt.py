"""Interpolation over H and low-degree extension over the cosets of D, column by column, by the transforms of transform.py.

Slow twin: tests/zk/kernels/test_ntt.py.
"""

from collections.abc import Callable, Iterable, Sequence

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
def _plain(src, count, points, out, n, scale):  # type: ignore[no-untyped-def]
    """Horner's rule at n points, for sizes below the square's; scale multiplies the results."""
    for i in range(n):
        x = load_word(points + i * 4)
        total = 0
        for k in range(count):
            total = scalar_add(scalar_mul(total, x), load_word(src + (count - 1 - k) * 4))
        store_word(out + i * 4, scalar_mul(total, scale))


@kernel
def _fold_tail(src, tail, head, out, factor):  # type: ignore[no-untyped-def]
    """out[k] = head[k] + factor * src[k] for k < tail."""
    for k in range(tail):
        term = scalar_mul(load_word(src + k * 4), factor)
        store_word(out + k * 4, scalar_add(load_word(head + k * 4), term))


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
            self.plan = plan(log_rows, 1, root, scale)

    def run(self, values: U32, out: U32, thread: int) -> None:
        """From (N,) to (N,), which may be the same."""
        if self.n < 1 << _SMALL:
            held = values.copy()
            _plain(address(held), self.n, address(self.points), address(out), self.n, self.scale)
        else:
            self.plan.run(address(values), address(out), thread, False)


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
    """Evaluation on cosets shift w_(k+b)^j <w_k> of one column at a time; outs: (C, .., N + pad) matrices that hold them in order."""

    def __init__(self, log_rows: int, log_blowup: int, cosets: Iterable[int], outs: Sequence[U32], shift: int = SHIFT) -> None:
        self.n = 1 << log_rows
        self.places = [(out, j) for out in outs for j in range(out.shape[1])]
        root, step = root_of_unity(log_rows), root_of_unity(log_rows + log_blowup)
        offsets = [shift * pow(step, j, P) % P for j in cosets]
        self.factors = [mont(pow(offset, self.n, P)) for offset in offsets]
        if log_rows < _SMALL:
            self.points = [_powers(offset, root, self.n) for offset in offsets]
        else:
            self.plans = [plan(log_rows, offset, root) for offset in offsets]

    def run(self, coeffs: U32, column: int, thread: int) -> None:
        """Row `column` of the matrices from (L,) coefficients; the first L - N words change during the call."""
        n = self.n
        tail = len(coeffs) - n
        head, src = coeffs[:tail].copy(), address(coeffs)
        for j, (factor, (out, coset)) in enumerate(zip(self.factors, self.places, strict=True)):
            row = out[column, coset]
            if n < 1 << _SMALL:
                _plain(src, len(coeffs), address(self.points[j]), address(row), n, mont(1))
            else:
                if tail:
                    _fold_tail(src + 4 * n, tail, address(head), src, factor)
                self.plans[j].run(src, address(row), thread, True)
            row[n] = row[0]
        coeffs[:tail] = head


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
    extension = _Extension(log_rows, log_blowup, range(cosets), [out])

    def run(begin: int, end: int, thread: int) -> None:
        for c in range(begin, end):
            extension.run(coeffs[c], c, thread)

    parallel_for(run, count, 1)
    return out


def masked_lde(values: U32, tails: U32, log_blowup: int, mask: Callable[[U32, U32, int], None], *outs: U32) -> None:
    """Interpolate, mask and extend column by column, so that no coefficients leave the caches.

    Arguments:
        values: (C, N) uint32 Montgomery on H; may lie in the first of `outs`, column c within its column c.
        tails: (C, t) masks.
        mask: called as mask(coefficients, tails, N) with (1, N + t) coefficients, the last t to be written, and (1, t) tails.
        outs: one matrix (C, B, N + pad), as for `lde`, or several that together have B cosets, in order.
    """
    check(values, (None, None), "values")
    check(tails, (len(values), None), "tails")
    count, n = values.shape
    log_rows = log2(n, "rows")
    interpolation = _Interpolation(log_rows)
    if sum(_check_lde(out, count, None, n).shape[1] for out in outs) != 1 << log_blowup:
        raise ValueError("outs: not as many cosets as the blow-up")
    extension = _Extension(log_rows, log_blowup, range(1 << log_blowup), outs)
    buffers = [aligned(n + tails.shape[1]) for _ in range(THREADS)]

    def run(begin: int, end: int, thread: int) -> None:
        coefficients = buffers[thread]
        for c in range(begin, end):
            interpolation.run(values[c], coefficients[:n], thread)
            mask(coefficients[None], tails[c : c + 1], n)
            extension.run(coefficients, c, thread)

    parallel_for(run, count, 1)


def next_coset(matrix: U32, tails: U32, log_rows: int, log_blowup: int) -> None:
    """Values on coset 0 become those on coset 1, in place.

    With c_j = x^N on coset j a polynomial is g + (X^N - c_0) tail, where g of degree < N has its values on coset 0.

    Arguments:
        matrix: (C, 1, N + pad), as `lde` makes it; tails: (C, t), t <= N.
    """
    n = 1 << log_rows
    _check_lde(matrix, len(tails), 1, n)
    interpolation, count = _Interpolation(log_rows), tails.shape[1]
    turned = _Extension(log_rows, log_blowup, [1], [matrix], shift=1)  # of g(3 X), which the interpolation gives
    step = pow(SHIFT, n, P) * (root_of_unity(log_blowup) - 1) % P  # c_1 - c_0
    factors = np.array(geometric(step, SHIFT, count), dtype=np.uint64)
    buffers = [aligned(n) for _ in range(THREADS)]

    def run(begin: int, end: int, thread: int) -> None:
        coefficients = buffers[thread]
        for c in range(begin, end):
            interpolation.run(matrix[c, 0, :n], coefficients, thread)
            coefficients[:count] = (coefficients[:count] + tails[c] * factors) % np.uint64(P)
            turned.run(coefficients, c, thread)

    parallel_for(run, len(matrix), 1)


def _check_lde(out: U32, count: int, cosets: int | None, n: int) -> U32:
    check(out, (count, cosets, None), "out")
    if out.shape[2] <= n:
        raise ValueError("out: no room for the cell that repeats row 0")
    return out
