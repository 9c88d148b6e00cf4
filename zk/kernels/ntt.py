"""Number-theoretic transforms: interpolation over H and low-degree extension over the cosets of D.

A transform of N = N1 N2 points evaluates f(X) = sum_n f_n X^n on x0 <w_N>, natural order in and out. With n = n1 N2 + n2 and
k = k1 + N1 k2, x = x0 w^k:

    f(x) = sum_n2 w_N2^(k2 n2) (x0 w^k1)^n2 A[n2][k1],   A[n2][k1] = sum_n1 f_(n1 N2 + n2) (x0^N2 w_N1^k1)^n1

The inner sum is a transform on the coset x0^N2 <w_N1>, the outer one on <w_N2>; between them stand the twiddle factors, with the
coset's shift and, for interpolation, 1/N in them. Sixteen neighbouring columns of the square are one vector; a
16 x 16 transposition stands between the halves. A small transform is the tower of remainders f mod (X^2h - C^2) ->
f mod (X^h - C), f mod (X^h + C): natural order in, bit-reversed out, one constant per block, three levels at a time.

Slow twin: tests/zk/kernels/test_ntt.py.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core import cgutils

from zk.kernels import simd as S
from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import (
    PAD,
    THREADS,
    U32,
    address,
    aligned,
    check,
    log2,
    mont,
    mont_array,
    root_of_unity,
    scratch,
)
from zk.kernels.simd import P, load_word, scalar_add, scalar_mul, store_word

SHIFT = 3
"""s: the evaluation domain is s <w>."""

_SMALL = 8  # below 2^8 points a square has no sixteen columns: plain evaluation


def _block(levels: int, first: bool = False, fetch: bool = False, last: bool = False, stream: bool = False) -> Any:
    """Intrinsic (src, step, dst, dst_step, far, h, t1, t2, t4): `levels` layers of one block of rows at distance h, for h offsets.

    src rows are `step` bytes apart; row k of offset i goes to dst + i dst_step + k far, or with k bit-reversed where `last`.
    t1, t2, t4: addresses of the layers' constants, pairs (w, w') as in simd.ir_mul_shoup. A sum that goes straight into a
    product stays below 2p, everything else below p.

    first: each layer's first constant is one and not multiplied by. fetch: the next sixteen columns of the rows read are asked
    for, since no processor foresees strides beyond a page. stream: rows are written past the caches and must be aligned;
    else `last` asks for the next sixteen columns of the rows written.
    """
    rows = 1 << levels

    def constant(b: Any, address: Any, index: int) -> Any:
        return tuple(S.ir_load_splat(b, b.add(address, S.i64(8 * index + part))) for part in (0, 4))

    def write(b: Any, src: Any, step: Any, dst: Any, dst_step: Any, far: Any, h: Any, t1: Any, t2: Any, t4: Any) -> None:
        constants = [
            [None if first and i == 0 else constant(b, t, i) for i in range(1 << level)]
            for level, t in enumerate((t1, t2, t4)[:levels])
        ]
        far_in = b.mul(h, step)
        with cgutils.for_range(b, h) as loop:
            read = b.add(src, b.mul(loop.index, step))
            put = b.add(dst, b.mul(loop.index, dst_step))
            places = [b.add(read, b.mul(far_in, S.i64(k))) for k in range(rows)]
            x = [S.ir_load(b, place) for place in places]
            for place in places if fetch else ():
                S.ir_prefetch(b, b.add(place, S.i64(64)), write=False)
            for level in range(levels):
                half = rows >> (level + 1)
                for block in range(1 << level):
                    factor = constants[level][block]
                    for k in range(half):
                        i, j = 2 * half * block + k, 2 * half * block + k + half
                        t = x[j] if factor is None else S.ir_mul_shoup(b, x[j], factor)
                        lazy = [level + 1 < levels and y & half >> 1 and constants[level + 1][y // half] for y in (i, j)]
                        x[i], x[j] = _sum(b, x[i], t, lazy[0]), _difference(b, x[i], t, lazy[1])
            for k in range(rows):
                place = b.add(put, b.mul(far, S.i64(int(f"{k:0{levels}b}"[::-1], 2) if last else k)))
                (S.ir_stream if stream else S.ir_store)(b, place, x[k])
                if last and not stream:
                    S.ir_prefetch(b, b.add(place, S.i64(64)), write=True)

    return S.ext_intrinsic(write, 9)


def _sum(b: Any, x: Any, y: Any, lazy: Any) -> Any:
    return b.add(x, y) if lazy else S.ir_add(b, x, y)


def _difference(b: Any, x: Any, y: Any, lazy: Any) -> Any:
    return b.add(b.sub(x, y), S.c32(P)) if lazy else S.ir_sub(b, x, y)


_first2, _first3 = (_block(levels, first=True, fetch=True) for levels in (2, 3))
_fetch2, _fetch3 = (_block(levels, fetch=True) for levels in (2, 3))
_block2, _block3 = (_block(levels) for levels in (2, 3))
_last2, _last3 = (_block(levels, last=True) for levels in (2, 3))
_stream2, _stream3 = (_block(levels, last=True, stream=True) for levels in (2, 3))


def _write_transpose(b: Any, src: Any, step: Any, twiddles: Any, dst: Any, dst_step: Any) -> None:
    reverse = [int(f"{k:04b}"[::-1], 2) for k in range(16)]
    rows = [S.ir_load(b, b.add(src, b.mul(step, S.i64(reverse[k]))), 64) for k in range(16)]
    for k, row in enumerate(S.ir_transpose(b, rows)):
        twiddle = S.ir_load(b, b.add(twiddles, S.i64(64 * k)), 64)
        S.ir_store(b, b.add(dst, b.mul(dst_step, S.i64(k))), S.ir_mul(b, row, twiddle), 64)


_transpose = S.ext_intrinsic(_write_transpose, 5)


@kernel
def _layers(read, step, levels, done, size, tile, table, kind):  # type: ignore[no-untyped-def]
    """`levels` layers of all blocks, from rows at `read` to the tile. kind: 0, or for the first layers 1, or 2 on <w> itself."""
    h = size >> levels
    far = h * 64
    for m in range(1 << done):
        src, dst = read + m * size * step, tile + m * size * 64
        t1 = table + ((1 << done) + m) * 8
        t2 = table + ((2 << done) + 2 * m) * 8
        t4 = table + ((4 << done) + 4 * m) * 8
        if levels == 3:
            if kind == 2:
                _first3(src, step, dst, 64, far, h, t1, t2, t4)
            elif kind == 1:
                _fetch3(src, step, dst, 64, far, h, t1, t2, t4)
            else:
                _block3(src, step, dst, 64, far, h, t1, t2, t4)
        elif kind == 2:
            _first2(src, step, dst, 64, far, h, t1, t2, t4)
        elif kind == 1:
            _fetch2(src, step, dst, 64, far, h, t1, t2, t4)
        else:
            _block2(src, step, dst, 64, far, h, t1, t2, t4)


@kernel
def _last_layers(read, levels, done, out, out_step, table, reverse, stream):  # type: ignore[no-untyped-def]
    """The last `levels` layers, blocks of neighbouring rows, to natural order."""
    far = (1 << done) * out_step
    for m in range(1 << done):
        src, dst = read + (m << levels) * 64, out + load_word(reverse + (m << levels) * 4) * out_step
        t1 = table + ((1 << done) + m) * 8
        t2 = table + ((2 << done) + 2 * m) * 8
        t4 = table + ((4 << done) + 4 * m) * 8
        if levels == 3:
            if stream:
                _stream3(src, 64, dst, 0, far, 1, t1, t2, t4)
            else:
                _last3(src, 64, dst, 0, far, 1, t1, t2, t4)
        elif stream:
            _stream2(src, 64, dst, 0, far, 1, t1, t2, t4)
        else:
            _last2(src, 64, dst, 0, far, 1, t1, t2, t4)


@kernel
def _transform(src, out, tile, square, outer, inner, twiddles, rev1, rev2, log1, log2, kind, stream):  # type: ignore[no-untyped-def]
    """One transform of 2^(log1+log2) words at src to out. tile: 2^max words x 16, square: 2^log2 rows of 2^log1 + 16 words."""
    n1, n2 = 1 << log1, 1 << log2
    stride = (n1 + 16) * 4
    for group in range(n2 // 16):
        read, step, done = src + group * 64, n2 * 4, 0
        while done < log1:
            levels = 2 if log1 - done == 2 or log1 - done == 4 else 3
            _layers(read, step, levels, done, n1 >> done, tile, outer, kind if done == 0 else 0)
            read, step, done = tile, 64, done + levels
        for t in range(n1 // 16):
            row = tile + load_word(rev1 + t * 4) * 64
            place = square + group * 16 * stride + t * 64
            _transpose(row, n1 * 4, twiddles, place, stride)
            twiddles += 1024
    for t in range(n1 // 16):
        read, step, done = square + t * 64, stride, 0
        while done < log2:
            levels = 2 if log2 - done == 2 or log2 - done == 4 else 3
            if done + levels == log2:
                _last_layers(tile, levels, done, out + t * 64, n1 * 4, inner, rev2, stream)
            else:
                _layers(read, step, levels, done, n2 >> done, tile, inner, 2 if done == 0 else 0)
            read, step, done = tile, 64, done + levels


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


def bit_reversal(bits: int) -> npt.NDArray[np.uint32]:
    """Table of bit-reversed indices."""
    table = np.zeros(1, dtype=np.uint32)
    for _ in range(bits):
        table = np.concatenate([2 * table, 2 * table + 1]).astype(np.uint32)
    return table


class _Plan:
    """Constants of one transform: size 2^log_n, offset x0, root w, factor of the result (canonical)."""

    def __init__(self, log_n: int, offset: int, root: int, scale: int) -> None:
        self.log1 = log_n // 2
        self.log2 = log_n - self.log1
        n1, n2 = 1 << self.log1, 1 << self.log2
        self.kind = 2 if offset == 1 else 1
        self.outer = _constants(self.log1, pow(offset, n2, P), pow(root, n2, P))
        self.inner = _constants(self.log2, 1, pow(root, n1, P))
        points = np.array(geometric(offset, root, n1), dtype=np.uint64)
        self.twiddles = aligned(n1 * n2)
        table = self.twiddles.reshape(n2 // 16, n1 // 16, 16, 16)  # in the order of use
        value = np.full(n1, scale, dtype=np.uint64)
        for k in range(n2):
            table[k // 16, :, k % 16] = mont_array(value).reshape(-1, 16)
            value = value * points % np.uint64(P)
        self.rev1 = bit_reversal(self.log1 - 4)
        self.rev2 = bit_reversal(self.log2)

    def run(self, src: int, out: int, thread: int, stream: bool) -> None:
        n1, n2 = 1 << self.log1, 1 << self.log2
        tile = scratch("ntt tile", thread, 16 * max(n1, n2))
        square = scratch("ntt square", thread, n2 * (n1 + 16))
        _transform(
            src, out, tile, square, address(self.outer), address(self.inner), address(self.twiddles), address(self.rev1),
            address(self.rev2), self.log1, self.log2, self.kind, int(stream and out % 64 == 0),
        )  # fmt: skip


def geometric(start: int, ratio: int, count: int) -> list[int]:
    """start * ratio^k, canonical, for small tables."""
    values = []
    for _ in range(count):
        values.append(start)
        start = start * ratio % P
    return values


def _constants(log_n: int, offset: int, root: int) -> U32:
    """(2^log_n, 2) pairs (w, w'): entry 2^s + m belongs to block m of layer s of a transform on offset <root>."""
    table = np.zeros((1 << log_n, 2), dtype=np.uint32)
    for s in range(log_n):
        base = pow(offset, 1 << (log_n - s - 1), P)
        step = pow(root, 1 << (log_n - s - 1), P)
        w = np.array(geometric(base, step, 1 << s), dtype=np.uint64)[bit_reversal(s)]
        table[1 << s : 2 << s, 0] = w
        table[1 << s : 2 << s, 1] = (w << np.uint64(32)) // np.uint64(P)
    return table


@lru_cache(maxsize=20)
def _plan(log_n: int, offset: int, root: int, scale: int = 1) -> _Plan:
    return _Plan(log_n, offset, root, scale)


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
            self.plan = _plan(log_rows, 1, root, scale)

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
            self.plans = [_plan(log_rows, offset, root) for offset in offsets]

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
