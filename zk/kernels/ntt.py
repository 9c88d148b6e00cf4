"""Number-theoretic transforms: interpolation over H and low-degree extension over the cosets of D.

A transform of N = N1 N2 points evaluates f(X) = sum_n f_n X^n on x0 <w_N>, natural order in and out. With n = n1 N2 + n2 and
k = k1 + N1 k2, x = x0 w^k:

    f(x) = sum_n2 x^n2 A[n2][k1],   A[n2][k1] = sum_n1 f_(n1 N2 + n2) (x0^N2 w_N1^k1)^n1

Both sums are transforms on cosets: of x0^N2 <w_N1>, and, in lane k1, of x0 w^k1 <w_N2>. Coset shifts and the twiddle factors
between the halves are absorbed in the butterflies' constants. Sixteen neighbouring columns of the square are one vector; a
16 x 16 transposition stands between the halves. A small transform is the tower of remainders f mod (X^2h - C^2) ->
f mod (X^h - C), f mod (X^h + C): natural order in, bit-reversed out, one constant per block, three levels at a time.

Slow twin: tests/zk/kernels/test_ntt.py.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core import cgutils

from zk.kernels import simd as S
from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import PAD, U32, address, aligned, check, log2, mont, mont_array, root_of_unity, scratch
from zk.kernels.simd import P, load, load_word, mul, scalar_add, scalar_mul, splat, store, store_word

SHIFT = 3
"""s: the evaluation domain is s <w>."""

_SMALL = 8  # below 2^8 points a square has no sixteen columns: plain evaluation


def _block(levels: int, vector_twiddles: bool) -> Any:
    """Intrinsic (src, step, dst, h, t1, t2, t4): `levels` layers of one block, 2^levels rows at distance h, for h offsets.

    src rows are `step` bytes apart, dst rows 64; t1, t2, t4 are the addresses of the constants of the layers.
    """
    rows = 1 << levels

    def twiddle(b: Any, address: Any, index: int) -> Any:
        if vector_twiddles:
            return S.ir_load(b, b.add(address, S.i64(64 * index)), 64)
        return S.ir_load_splat(b, b.add(address, S.i64(4 * index)))

    def write(b: Any, src: Any, step: Any, dst: Any, h: Any, t1: Any, t2: Any, t4: Any) -> None:
        constants = [[twiddle(b, t, i) for i in range(1 << level)] for level, t in enumerate((t1, t2, t4)[:levels])]
        far_in, far_out = b.mul(h, step), b.shl(h, S.i64(6))
        with cgutils.for_range(b, h) as loop:
            read = b.add(src, b.mul(loop.index, step))
            put = b.add(dst, b.shl(loop.index, S.i64(6)))
            x = [S.ir_load(b, b.add(read, b.mul(far_in, S.i64(k)))) for k in range(rows)]
            for level in range(levels):
                half = rows >> (level + 1)
                for block in range(1 << level):
                    for k in range(half):
                        i, j = 2 * half * block + k, 2 * half * block + k + half
                        t = S.ir_mul(b, x[j], constants[level][block])
                        x[i], x[j] = S.ir_add(b, x[i], t), S.ir_sub(b, x[i], t)
            for k in range(rows):
                S.ir_store(b, b.add(put, b.mul(far_out, S.i64(k))), x[k], 64)

    return S.ext_intrinsic(write, 7)


_block1, _block2, _block3 = (_block(levels, False) for levels in (1, 2, 3))
_lanes1, _lanes2, _lanes3 = (_block(levels, True) for levels in (1, 2, 3))


def _write_transpose(b: Any, src: Any, step: Any, dst: Any, dst_step: Any) -> None:
    reverse = [int(f"{k:04b}"[::-1], 2) for k in range(16)]
    rows = [S.ir_load(b, b.add(src, b.mul(step, S.i64(reverse[k]))), 64) for k in range(16)]
    for k, row in enumerate(S.ir_transpose(b, rows)):
        S.ir_store(b, b.add(dst, b.mul(dst_step, S.i64(k))), row, 64)


_transpose = S.ext_intrinsic(_write_transpose, 4)


@kernel
def _transform(src, out, tile, square, tw1, tw2, rev1, rev2, log1, log2, scale):  # type: ignore[no-untyped-def]
    """One transform of 2^(log1+log2) words at src to out. tile: 2^max words x 16, square: 2^log2 rows of 2^log1 + 16 words."""
    n1, n2 = 1 << log1, 1 << log2
    stride = (n1 + 16) * 4
    for group in range(n2 // 16):
        read, step, done = src + group * 64, n2 * 4, 0
        while done < log1:
            levels = 3 if log1 - done >= 3 and log1 - done != 4 else min(log1 - done, 2)
            size = n1 >> done
            h = size >> levels
            for m in range(1 << done):
                t1 = tw1 + ((1 << done) + m) * 4
                t2 = tw1 + ((2 << done) + 2 * m) * 4
                t4 = tw1 + ((4 << done) + 4 * m) * 4
                if levels == 3:
                    _block3(read + m * size * step, step, tile + m * size * 64, h, t1, t2, t4)
                elif levels == 2:
                    _block2(read + m * size * step, step, tile + m * size * 64, h, t1, t2, t4)
                else:
                    _block1(read + m * size * step, step, tile + m * size * 64, h, t1, t2, t4)
            read, step, done = tile, 64, done + levels
        for t in range(n1 // 16):
            _transpose(tile + load_word(rev1 + t * 4) * 64, n1 * 4, square + group * 16 * stride + t * 64, stride)
    for t in range(n1 // 16):
        read, step, done = square + t * 64, stride, 0
        base = tw2 + t * n2 * 64
        while done < log2:
            levels = 3 if log2 - done >= 3 and log2 - done != 4 else min(log2 - done, 2)
            size = n2 >> done
            h = size >> levels
            for m in range(1 << done):
                t1 = base + ((1 << done) + m) * 64
                t2 = base + ((2 << done) + 2 * m) * 64
                t4 = base + ((4 << done) + 4 * m) * 64
                if levels == 3:
                    _lanes3(read + m * size * step, step, tile + m * size * 64, h, t1, t2, t4)
                elif levels == 2:
                    _lanes2(read + m * size * step, step, tile + m * size * 64, h, t1, t2, t4)
                else:
                    _lanes1(read + m * size * step, step, tile + m * size * 64, h, t1, t2, t4)
            read, step, done = tile, 64, done + levels
        if scale == 0:
            for k in range(n2):
                store(out + k * n1 * 4 + t * 64, load(tile + load_word(rev2 + k * 4) * 64))
        else:
            factor = splat(scale)
            for k in range(n2):
                store(out + k * n1 * 4 + t * 64, mul(load(tile + load_word(rev2 + k * 4) * 64), factor))


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
    """Constants of one transform: size 2^log_n, offset x0, root w (canonical)."""

    def __init__(self, log_n: int, offset: int, root: int) -> None:
        self.log1 = log_n // 2
        self.log2 = log_n - self.log1
        n1, n2 = 1 << self.log1, 1 << self.log2
        self.outer = aligned(n1)
        self.outer[:] = 0
        y, w = pow(offset, n2, P), pow(root, n2, P)
        for s in range(self.log1):
            base = pow(y, n1 >> (s + 1), P)
            self.outer[1 << s : 2 << s] = mont_array(self._rotations(w, self.log1, s) * np.uint64(base) % np.uint64(P))
        lanes = np.empty(n1, dtype=np.uint64)
        value = offset
        for k in range(n1):
            lanes[k] = value
            value = value * root % P
        table = aligned(n1 * n2).reshape(n1 // 16, n2, 16)
        table[:, 0] = 0
        w = pow(root, n1, P)
        for s in reversed(range(self.log2)):
            product = lanes.reshape(-1, 1, 16) * self._rotations(w, self.log2, s)[None, :, None] % np.uint64(P)
            table[:, 1 << s : 2 << s] = mont_array(product)
            lanes = lanes * lanes % np.uint64(P)
        self.inner = table
        self.rev1 = bit_reversal(self.log1 - 4)
        self.rev2 = bit_reversal(self.log2)

    @staticmethod
    def _rotations(w: int, log_n: int, s: int) -> Any:
        """w_(2^(s+1))^(bitrev_s(m)) for m < 2^s, where w has order 2^log_n."""
        step = pow(w, 1 << (log_n - s - 1), P)
        powers = np.empty(1 << s, dtype=np.uint64)
        value = 1
        for k in range(1 << s):
            powers[k] = value
            value = value * step % P
        return powers[bit_reversal(s)]

    def run(self, src: int, out: int, thread: int, scale: int) -> None:
        n1, n2 = 1 << self.log1, 1 << self.log2
        tile = scratch("ntt tile", thread, 16 * max(n1, n2))
        square = scratch("ntt square", thread, n2 * (n1 + 16))
        _transform(
            src, out, tile, square, address(self.outer), address(self.inner), address(self.rev1), address(self.rev2),
            self.log1, self.log2, scale,
        )  # fmt: skip


@lru_cache(maxsize=20)
def _plan(log_n: int, offset: int, root: int) -> _Plan:
    return _Plan(log_n, offset, root)


def _powers(start: int, ratio: int, count: int) -> U32:
    """Montgomery words of start * ratio^k, small counts."""
    values = []
    for _ in range(count):
        values.append(start)
        start = start * ratio % P
    return mont_array(values)


def interpolate(values: U32, out: U32 | None = None) -> U32:
    """Coefficients of the polynomials of degree < N with the given values on H.

    Arguments:
        values: (C, N) uint32 Montgomery, N = 2^k natural order, rows contiguous (any row stride).
        out: (C, N) destination, or None to allocate; may be `values` itself.
    Returns: (C, N) coefficients, low to high.
    """
    check(values, (None, None), "values")
    count, n = values.shape
    log_n = log2(n, "rows")
    out = np.empty((count, n), dtype=np.uint32) if out is None else check(out, (count, n), "out")
    root = pow(root_of_unity(log_n), -1, P)
    scale = mont(pow(n, -1, P))
    src, dst, src_step, dst_step = address(values), address(out), values.strides[0], out.strides[0]
    if log_n < _SMALL:
        points = _powers(1, root, n)
        for c in range(count):
            held = values[c].copy()
            _plain(address(held), n, address(points), dst + c * dst_step, n, scale)
        return out
    plan = _plan(log_n, 1, root)

    def run(begin: int, end: int, thread: int) -> None:
        for c in range(begin, end):
            plan.run(src + c * src_step, dst + c * dst_step, thread, scale)

    parallel_for(run, count, 2)
    return out


def alloc_lde(columns: int, cosets: int, rows: int) -> U32:
    """Uninitialised (columns, cosets, rows + PAD) matrix for `lde`; cell [.., rows] repeats cell [.., 0]."""
    return np.empty((columns, cosets, rows + PAD), dtype=np.uint32)


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
    tail = length - n
    if not 0 <= tail <= n:
        raise ValueError(f"coeffs: between N and 2N coefficients expected, got {length} for N = {n}")
    out = alloc_lde(count, cosets, n) if out is None else check(out, (count, cosets, None), "out")
    if out.shape[2] <= n:
        raise ValueError("out: no room for the cell that repeats row 0")
    root, step = root_of_unity(log_rows), root_of_unity(log_rows + log_blowup)
    offsets = [SHIFT * pow(step, j, P) % P for j in range(cosets)]
    src, dst = address(coeffs), address(out)
    src_step, dst_step, coset_step = coeffs.strides[0], out.strides[0], out.strides[1]
    if log_rows < _SMALL:
        for c in range(count):
            for j, offset in enumerate(offsets):
                points = _powers(offset, root, n)
                place = dst + c * dst_step + j * coset_step
                _plain(src + c * src_step, length, address(points), place, n, mont(1))
        out[:, :, n] = out[:, :, 0]
        return out
    plans = [_plan(log_rows, offset, root) for offset in offsets]
    factors = [mont(pow(offset, n, P)) for offset in offsets]

    def run(begin: int, end: int, thread: int) -> None:
        for c in range(begin, end):
            head = coeffs[c, :tail].copy()
            place = src + c * src_step
            for j in range(cosets):
                if tail:
                    _fold_tail(place + 4 * n, tail, address(head), place, factors[j])
                plans[j].run(place, dst + c * dst_step + j * coset_step, thread, 0)
                out[c, j, n] = out[c, j, 0]
            coeffs[c, :tail] = head

    parallel_for(run, count, 2)
    return out
