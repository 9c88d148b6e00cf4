"""One number-theoretic transform of a column.

A transform of N = N1 N2 points evaluates f(X) = sum_n f_n X^n on x0 <w_N>, natural order in and out. With n = n1 N2 + n2 and
k = k1 + N1 k2, x = x0 w^k:

    f(x) = sum_n2 w_N2^(k2 n2) (x0 w^k1)^n2 A[n2][k1],   A[n2][k1] = sum_n1 f_(n1 N2 + n2) (x0^N2 w_N1^k1)^n1

The inner sum is a transform on the coset x0^N2 <w_N1>, the outer one on <w_N2>; between them stand the twiddle factors, with the
coset's shift and, for interpolation, 1/N in them. They are made on the way, from the powers of x0 w^k1 up to the fifteenth and a vector
that goes on by sixteen powers: a table of all of them would fill the caches. Sixteen neighbouring columns of the square are one vector; a
16 x 16 transposition stands between the halves. A small transform is the tower of remainders f mod (X^2h - C^2) ->
f mod (X^h - C), f mod (X^h + C): natural order in, bit-reversed out, one constant per block, three levels at a time.

Slow twin: tests/zk/kernels/test_ntt.py.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from zk.kernels import simd as S
from zk.kernels._jit import kernel
from zk.kernels._memory import U32, address, aligned, mont, mont_array, scratch
from zk.kernels.lanes import ext_intrinsic, load_word, splat, store
from zk.kernels.simd import P


def _block(levels: int, first: bool = False, fetch: bool = False, last: bool = False, stream: bool = False) -> Any:
    """Intrinsic (src, step, ahead, dst, dst_step, far, h, t1, t2, t4): `levels` layers of one block of rows at distance h, for h offsets.

    src rows are `step` bytes apart; row k of offset i goes to dst + i dst_step + k far, or with k bit-reversed where `last`.
    t1, t2, t4: addresses of the layers' constants, pairs (w, w') as in simd.ir_mul_shoup. A sum that goes straight into a
    product stays below 2p, everything else below p.

    first: each layer's first constant is one and not multiplied by. fetch: the next sixteen columns, `ahead` bytes from the rows read,
    are asked for: no processor foresees strides beyond a page. stream: rows are written past the caches and must be aligned;
    else `last` asks for the next sixteen columns of the rows written.
    """
    rows = 1 << levels

    def constant(b: Any, address: Any, index: int) -> Any:
        return tuple(S.ir_load_splat(b, b.add(address, S.i64(8 * index + part))) for part in (0, 4))

    def write(b: Any, src: Any, step: Any, ahead: Any, dst: Any, dst_step: Any, far: Any, h: Any, t1: Any, t2: Any, t4: Any) -> None:
        constants = [
            [None if first and i == 0 else constant(b, t, i) for i in range(1 << level)]
            for level, t in enumerate((t1, t2, t4)[:levels])
        ]
        far_in = b.mul(h, step)
        with S.ir_for(b, h) as loop:
            read = b.add(src, b.mul(loop.index, step))
            put = b.add(dst, b.mul(loop.index, dst_step))
            places = [b.add(read, b.mul(far_in, S.i64(k))) for k in range(rows)]
            x = [S.ir_load(b, place) for place in places]
            for place in places if fetch else ():
                S.ir_prefetch(b, b.add(place, ahead), write=False)
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

    return ext_intrinsic(write, 10)


def _sum(b: Any, x: Any, y: Any, lazy: Any) -> Any:
    return b.add(x, y) if lazy else S.ir_add(b, x, y)


def _difference(b: Any, x: Any, y: Any, lazy: Any) -> Any:
    return b.add(b.sub(x, y), S.c32(P)) if lazy else S.ir_sub(b, x, y)


_first2, _first3 = (_block(levels, first=True, fetch=True) for levels in (2, 3))
_fetch2, _fetch3 = (_block(levels, fetch=True) for levels in (2, 3))
_block2, _block3 = (_block(levels) for levels in (2, 3))
_last2, _last3 = (_block(levels, last=True) for levels in (2, 3))
_stream2, _stream3 = (_block(levels, last=True, stream=True) for levels in (2, 3))


def _write_transpose(b: Any, src: Any, step: Any, twiddles: Any, shared: Any, ratio: Any, dst: Any, dst_step: Any) -> None:
    """Sixteen vectors, transposed, times rows of `twiddles` times the vector `shared`, which then becomes itself times `ratio`."""
    factor = S.ir_load(b, shared, 64)
    S.ir_store(b, shared, S.ir_mul(b, factor, S.ir_load(b, ratio, 64)), 64)
    reverse = [int(f"{k:04b}"[::-1], 2) for k in range(16)]
    rows = [S.ir_load(b, b.add(src, b.mul(step, S.i64(reverse[k]))), 64) for k in range(16)]
    for k, row in enumerate(S.ir_transpose(b, rows)):
        twiddle = S.ir_load(b, b.add(twiddles, S.i64(64 * k)), 64)
        S.ir_store(b, b.add(dst, b.mul(dst_step, S.i64(k))), S.ir_mul(b, row, S.ir_mul(b, twiddle, factor)), 64)


_transpose = ext_intrinsic(_write_transpose, 7)


@kernel
def _layers(read, step, ahead, levels, done, size, tile, table, kind):  # type: ignore[no-untyped-def]
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
                _first3(src, step, ahead, dst, 64, far, h, t1, t2, t4)
            elif kind == 1:
                _fetch3(src, step, ahead, dst, 64, far, h, t1, t2, t4)
            else:
                _block3(src, step, ahead, dst, 64, far, h, t1, t2, t4)
        elif kind == 2:
            _first2(src, step, ahead, dst, 64, far, h, t1, t2, t4)
        elif kind == 1:
            _fetch2(src, step, ahead, dst, 64, far, h, t1, t2, t4)
        else:
            _block2(src, step, ahead, dst, 64, far, h, t1, t2, t4)


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
                _stream3(src, 64, 0, dst, 0, far, 1, t1, t2, t4)
            else:
                _last3(src, 64, 0, dst, 0, far, 1, t1, t2, t4)
        elif stream:
            _stream2(src, 64, 0, dst, 0, far, 1, t1, t2, t4)
        else:
            _last2(src, 64, 0, dst, 0, far, 1, t1, t2, t4)


@kernel
def _transform(  # type: ignore[no-untyped-def]
    src, src_tile, src_step, out, out_tile, out_step, tile, square, shared, outer, inner, twiddles, ratios, rev1, rev2, log1, log2,
    scale, kind, stream
):  # fmt: skip
    """One transform of 2^(log1+log2) words. tile: 2^max words x 16, square: 2^log2 rows of 2^log1 + 16 words, shared: 2^log1 words.

    src_tile, src_step: bytes from sixteen columns of the input to the next, and from one of their rows to the next; so of the output.
    """
    n1, n2 = 1 << log1, 1 << log2
    stride = (n1 + 16) * 4
    for t in range(0, n1 * 4, 64):
        store(shared + t, splat(scale))
    for group in range(n2 // 16):
        read, step, done = src + group * src_tile, src_step, 0
        while done < log1:
            levels = 2 if log1 - done == 2 or log1 - done == 4 else 3
            _layers(read, step, src_tile, levels, done, n1 >> done, tile, outer, kind if done == 0 else 0)
            read, step, done = tile, 64, done + levels
        for t in range(n1 // 16):
            row = tile + load_word(rev1 + t * 4) * 64
            place = square + group * 16 * stride + t * 64
            _transpose(row, n1 * 4, twiddles + t * 1024, shared + t * 64, ratios + t * 64, place, stride)
    for t in range(n1 // 16):
        read, step, done = square + t * 64, stride, 0
        while done < log2:
            levels = 2 if log2 - done == 2 or log2 - done == 4 else 3
            if done + levels == log2:
                _last_layers(tile, levels, done, out + t * out_tile, out_step, inner, rev2, stream)
            else:
                _layers(read, step, 64, levels, done, n2 >> done, tile, inner, 2 if done == 0 else 0)
            read, step, done = tile, 64, done + levels


def bit_reversal(bits: int) -> npt.NDArray[np.uint32]:
    """Table of bit-reversed indices."""
    table = np.zeros(1, dtype=np.uint32)
    for _ in range(bits):
        table = np.concatenate([2 * table, 2 * table + 1]).astype(np.uint32)
    return table


class Plan:
    """Constants of one transform: size N = 2^log_n, N1 = 2^log1, offset x0, root w, factor of the result (canonical)."""

    def __init__(self, log_n: int, log1: int, offset: int, root: int, scale: int) -> None:
        self.log1 = log1
        self.log2 = log_n - self.log1
        n1, n2 = 1 << self.log1, 1 << self.log2
        self.kind = 2 if offset == 1 else 1
        self.outer = _constants(self.log1, pow(offset, n2, P), pow(root, n2, P))
        self.inner = _constants(self.log2, 1, pow(root, n1, P))
        points = np.array(geometric(offset, root, n1), dtype=np.uint64)  # x0 w^k1
        self.twiddles = aligned(16 * n1)  # powers up to the fifteenth
        value, table = np.ones(n1, dtype=np.uint64), self.twiddles.reshape(n1 // 16, 16, 16)
        for k in range(16):
            table[:, k] = mont_array(value).reshape(-1, 16)
            value = value * points % np.uint64(P)
        self.ratios = aligned(n1)
        self.ratios[:] = mont_array(value)
        self.scale = mont(scale)
        self.rev1 = bit_reversal(self.log1 - 4)
        self.rev2 = bit_reversal(self.log2)

    def run(self, src: int, out: int, thread: int, *, from_tiles: bool = False, to_tiles: bool = False, stream: bool = False) -> None:
        """From N words at `src` to N words at `out`.

        Words in tiles lie as the transform uses them: of the matrix with N2 columns that the input is, or with N1 that the output is,
        sixteen columns after the other.
        """
        n1, n2 = 1 << self.log1, 1 << self.log2
        tile = scratch("ntt tile", thread, 16 * max(n1, n2))
        square = scratch("ntt square", thread, n2 * (n1 + 16))
        shared = scratch("ntt shared", thread, n1)
        source, target = (64 * n1, 64) if from_tiles else (64, 4 * n2), (64 * n2, 64) if to_tiles else (64, 4 * n1)
        _transform(
            src, *source, out, *target, tile, square, shared, address(self.outer), address(self.inner), address(self.twiddles),
            address(self.ratios), address(self.rev1), address(self.rev2), self.log1, self.log2, self.scale, self.kind,
            int(stream and out % 64 == 0),
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
def plan(log_n: int, log1: int, offset: int, root: int, scale: int = 1) -> Plan:
    return Plan(log_n, log1, offset, root, scale)
