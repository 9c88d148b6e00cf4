"""Element-wise arithmetic on arrays: conversions, products, inverses, in F and in F5 = F[X]/(X^5 + X^2 - 1).

Arrays are uint32; extension arrays have shape (5, n), coefficients low to high. Inverse of zero: not defined, and it spoils
the other elements of its batch, so callers make sure that there is none.

Inverses use Montgomery's trick lane by lane over batches of 64 vectors. One extension inverse is conj / norm, with
conj = a^(p + p^2 + p^3 + p^4) by two products and three Frobenius maps.

Slow twin: tests/zk/kernels/test_field.py.
"""

from typing import Any

import numpy as np

from zk.kernels import simd as S
from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import U32, address, aligned, check, mont, mont_array, scratch
from zk.kernels.lanes import even, ext_intrinsic, load, mul, odd, reduce, splat, store
from zk.kernels.simd import P, R

EXTENSION_DEGREE = 5


def ext_mul_int(x: Any, y: Any) -> list[int]:
    """Product of two extension elements as canonical integers."""
    c = [0] * 9
    for i in range(5):
        for j in range(5):
            c[i + j] += int(x[i]) * int(y[j])
    for k in (8, 7, 6, 5):  # X^k = X^(k-5) - X^(k-3)
        c[k - 5] += c[k]
        c[k - 3] -= c[k]
    return [v % P for v in c[:5]]


def ext_pow_int(x: Any, exponent: int) -> list[int]:
    """Power of an extension element, canonical integers, exponent >= 0."""
    result, base = [1, 0, 0, 0, 0], [int(v) for v in x]
    while exponent:
        if exponent & 1:
            result = ext_mul_int(result, base)
        base = ext_mul_int(base, base)
        exponent >>= 1
    return result


def _frobenius(times: int) -> list[list[int]]:
    """Rows M[k][j], Montgomery: coefficient k of X^(j p^times)."""
    image = ext_pow_int([0, 1, 0, 0, 0], P**times)
    columns = [[1, 0, 0, 0, 0]]
    for _ in range(4):
        columns.append(ext_mul_int(columns[-1], image))
    return [[mont(columns[j][k]) for j in range(5)] for k in range(5)]


_FROBENIUS = {1: _frobenius(1), 2: _frobenius(2)}


def _ir_frobenius(b: Any, x: list[Any], times: int) -> list[Any]:
    wide = [S.ir_wide(b, v) for v in x]
    return [S.ir_dot(b, wide, [(S.c64(m), S.c64(m)) for m in row]) for row in _FROBENIUS[times]]


def _ir_inverse(b: Any, x: Any) -> Any:
    """Lane-wise x^(p-2)."""
    cell = S.ir_variable(b, S.IRV16)
    b.store(S.c32(R), cell)
    with S.ir_for(b, S.i64(31)) as loop:
        held = b.load(cell)
        square = S.ir_mul(b, held, held)
        bit = b.and_(b.lshr(S.i64(P - 2), b.sub(S.i64(30), loop.index)), S.i64(1))
        product = S.ir_mul(b, square, x)
        b.store(b.select(b.icmp_unsigned("!=", bit, S.i64(0)), product, square), cell)
    return b.load(cell)


def _ir_ext_inverse(b: Any, a: list[Any]) -> list[Any]:
    first = _ir_frobenius(b, a, 1)
    second = S.ir_ext_mul(b, first, _ir_frobenius(b, first, 1))
    conjugates = S.ir_ext_mul(b, second, _ir_frobenius(b, second, 2))
    t0, t1, t2, t3, t4 = conjugates
    factors = [S.ir_wide(b, t) for t in (t0, t4, t3, t2, S.ir_sub(b, t1, t4))]
    norm = S.ir_dot(b, [S.ir_wide(b, v) for v in a], factors)
    scale = _ir_inverse(b, norm)
    return [S.ir_mul(b, t, scale) for t in conjugates]


def _write_ext_mul(b: Any, x: Any, x_step: Any, y: Any, y_step: Any, out: Any, out_step: Any) -> None:
    product = S.ir_ext_mul(b, S.ir_load_ext(b, x, x_step), S.ir_load_ext(b, y, y_step))
    S.ir_store_ext(b, out, out_step, product)


def _write_ext_inverse(b: Any, x: Any, x_step: Any, out: Any, out_step: Any) -> None:
    S.ir_store_ext(b, out, out_step, _ir_ext_inverse(b, S.ir_load_ext(b, x, x_step)))


def _write_inverse(b: Any, x: Any, out: Any) -> None:
    S.ir_store(b, out, _ir_inverse(b, S.ir_load(b, x)))


_ext_mul = ext_intrinsic(_write_ext_mul, 6)
_ext_inverse = ext_intrinsic(_write_ext_inverse, 4)
_inverse = ext_intrinsic(_write_inverse, 2)


@kernel
def ext_product(x, x_step, y, y_step, out, out_step):  # type: ignore[no-untyped-def]
    """Kernel: product of sixteen pairs of extension elements in memory; steps in bytes between coefficients."""
    _ext_mul(x, x_step, y, y_step, out, out_step)


@kernel
def ext_reciprocal(x, x_step, out, out_step):  # type: ignore[no-untyped-def]
    """Kernel: inverse of sixteen extension elements in memory."""
    _ext_inverse(x, x_step, out, out_step)


@kernel
def _convert(src, dst, vectors, factor):  # type: ignore[no-untyped-def]
    """factor = 0: from Montgomery form; else multiply by it (2^64 mod p: to Montgomery form)."""
    if factor == 0:
        for v in range(vectors):
            x = load(src + v * 64)
            store(dst + v * 64, reduce(even(x), odd(x)))
    else:
        f = splat(factor)
        for v in range(vectors):
            store(dst + v * 64, mul(load(src + v * 64), f))


@kernel
def _batch_inverse(src, dst, vectors, prefix):  # type: ignore[no-untyped-def]
    """Inverse of base elements. prefix: 64 vectors and one more."""
    inverse = prefix + 64 * 64
    for first in range(0, vectors, 64):
        count = min(64, vectors - first)
        base, out = src + first * 64, dst + first * 64
        store(prefix, load(base))
        for v in range(1, count):
            store(prefix + v * 64, mul(load(prefix + v * 64 - 64), load(base + v * 64)))
        _inverse(prefix + count * 64 - 64, inverse)
        for k in range(1, count):
            v = count - k
            x, i = load(base + v * 64), load(inverse)
            store(out + v * 64, mul(i, load(prefix + v * 64 - 64)))
            store(inverse, mul(i, x))
        store(out, load(inverse))


@kernel
def ext_batch(src, src_step, dst, dst_step, vectors, prefix):  # type: ignore[no-untyped-def]
    """Kernel: inverses of extension elements; dst may be src. prefix: 66 x 5 vectors."""
    inverse, held = prefix + 64 * 320, prefix + 65 * 320
    for first in range(0, vectors, 64):
        count = min(64, vectors - first)
        base, out = src + first * 64, dst + first * 64
        for k in range(5):
            store(prefix + k * 64, load(base + k * src_step))
        for v in range(1, count):
            ext_product(prefix + v * 320 - 320, 64, base + v * 64, src_step, prefix + v * 320, 64)
        ext_reciprocal(prefix + count * 320 - 320, 64, inverse, 64)
        for back in range(1, count):
            v = count - back
            ext_product(inverse, 64, base + v * 64, src_step, held, 64)
            ext_product(inverse, 64, prefix + v * 320 - 320, 64, out + v * 64, dst_step)
            for k in range(5):
                store(inverse + k * 64, load(held + k * 64))
        for k in range(5):
            store(out + k * dst_step, load(inverse + k * 64))


@kernel
def _ext_mul_rows(x, x_step, y, y_step, out, out_step, vectors):  # type: ignore[no-untyped-def]
    for v in range(vectors):
        ext_product(x + v * 64, x_step, y + v * 64, y_step, out + v * 64, out_step)


@kernel
def _mul_rows(x, y, y_inc, out, vectors):  # type: ignore[no-untyped-def]
    for v in range(vectors):
        store(out + v * 64, mul(load(x + v * 64), load(y + v * y_inc)))


@kernel
def _geometric(out, first, ratio, vectors):  # type: ignore[no-untyped-def]
    """out = first vector, then each vector times ratio."""
    x, r = load(first), splat(ratio)
    for v in range(vectors):
        store(out + v * 64, x)
        x = mul(x, r)


@kernel
def _ext_geometric(out, out_step, start, ratio, vectors):  # type: ignore[no-untyped-def]
    """out = start (5 vectors), then each times ratio (5 vectors)."""
    for k in range(5):
        store(out + k * out_step, load(start + k * 64))
    for v in range(1, vectors):
        ext_product(out + v * 64 - 64, out_step, ratio, 64, out + v * 64, out_step)


_GRAIN = 4096  # vectors per piece


def _padded(a: U32, fill: int) -> U32:
    """Copy of a (rows, n) array, contiguous, n rounded up to a multiple of 16 with `fill`."""
    n = a.shape[-1]
    shape = (*a.shape[:-1], -(-n // 16) * 16)
    held = aligned(int(np.prod(shape))).reshape(shape)
    held[..., n:] = fill
    held[..., :n] = a
    return held


def _convert_array(a: Any, out: U32 | None, factor: int) -> U32:
    array = np.asarray(a)
    if array.dtype != np.uint32:
        raise TypeError("expected a uint32 array")
    if out is not None and (out.dtype != np.uint32 or out.shape != array.shape):
        raise ValueError("out: same shape and uint32 expected")
    source = np.ascontiguousarray(array)
    target = out if out is not None and out.flags.c_contiguous else np.empty(source.shape, dtype=np.uint32)
    flat, dst = source.reshape(-1), target.reshape(-1)
    whole = flat.size // 16

    def run(begin: int, end: int, thread: int) -> None:
        _convert(address(flat) + begin * 64, address(dst) + begin * 64, end - begin, factor)

    parallel_for(run, whole, _GRAIN)
    if flat.size % 16:
        rest = _padded(flat[whole * 16 :], 0)
        _convert(address(rest), address(rest), 1, factor)
        dst[whole * 16 :] = rest[: flat.size % 16]
    if out is not None and target is not out:
        out[...] = target
        return out
    return target


def to_mont(a: Any, out: U32 | None = None) -> U32:
    """Montgomery form of a uint32 array of any shape, values in [0, p). out may be the array itself."""
    return _convert_array(a, out, R * R % P)


def from_mont(a: Any, out: U32 | None = None) -> U32:
    """Canonical form of a Montgomery array of any shape."""
    return _convert_array(a, out, 0)


def batch_inverse(a: U32) -> U32:
    """Inverses of a (n,) Montgomery array without zeros."""
    check(a, (None,), "a")
    held = _padded(a, R)

    def run(begin: int, end: int, thread: int) -> None:
        place = address(held) + begin * 64
        _batch_inverse(place, place, end - begin, scratch("inverse", thread, 66 * 80))

    parallel_for(run, held.size // 16, 1024)
    return held[: a.size]


def ext_batch_inverse(a: U32) -> U32:
    """Inverses of a (5, n) Montgomery array without zeros."""
    check(a, (5, None), "a")
    n = a.shape[1]
    held = _padded(a, 0)
    held[0, n:] = R

    def run(begin: int, end: int, thread: int) -> None:
        place, step = address(held) + begin * 64, held.strides[0]
        ext_batch(place, step, place, step, end - begin, scratch("inverse", thread, 66 * 80))

    parallel_for(run, held.shape[1] // 16, 512)
    return held[:, :n]


def ext_mul(a: U32, b: U32) -> U32:
    """Products of (5, n) Montgomery arrays; b may be (5, 1)."""
    check(a, (5, None), "a")
    n = a.shape[1]
    check(b, (5, None), "b")
    if b.shape[1] not in (1, n):
        raise ValueError("lengths differ")
    whole = b.shape[1] == n and n % 16 == 0
    x, y = (a, b) if whole else (_padded(a, 0), _padded(np.broadcast_to(b, (5, n)), 0))
    out = aligned(5 * x.shape[1]).reshape(5, -1)

    def run(begin: int, end: int, thread: int) -> None:
        off = begin * 64
        _ext_mul_rows(
            address(x) + off, x.strides[0], address(y) + off, y.strides[0], address(out) + off, out.strides[0], end - begin
        )

    parallel_for(run, x.shape[1] // 16, 1024)
    return out[:, :n]


def difference(a: U32, b: U32, out: U32 | None = None) -> U32:
    """a - b of field elements in one form, shapes as numpy's; out may be `a`."""
    wrapped = a - b
    result: U32 = np.minimum(wrapped, wrapped + np.uint32(P), out=out)
    return result


def scale(rows: U32, factors: U32, out: U32 | None = None) -> U32:
    """Products of (k, n) Montgomery rows and (n,) factors, or (1,) for all. out may be `rows`."""
    check(rows, (None, None), "rows")
    count, n = rows.shape
    check(factors, (None,), "factors")
    if len(factors) not in (1, n):
        raise ValueError("one factor or as many as cells expected")
    if n % 16:
        products = scale(_padded(rows, 0), factors if len(factors) == 1 else _padded(factors, 0))[:, :n]
        if out is None:
            return products
        out[...] = products
        return out
    held = np.repeat(factors, 16) if len(factors) == 1 else factors
    increment = 0 if len(factors) == 1 else 64
    target = aligned(count * n).reshape(count, n) if out is None else check(out, (count, n), "out")

    def run(begin: int, end: int, thread: int) -> None:
        for k in range(count):
            at = address(held) + begin * increment
            _mul_rows(address(rows[k]) + begin * 64, at, increment, address(target[k]) + begin * 64, end - begin)

    parallel_for(run, n // 16, 1024)
    return target


def powers(start: int, ratio: int, n: int) -> U32:
    """(n,) Montgomery array start * ratio^k; start and ratio canonical."""
    vectors = -(-n // 16)
    out = aligned(vectors * 16)
    lanes = [start * pow(ratio, k, P) % P for k in range(16)]
    step = pow(ratio, 16, P)

    def run(begin: int, end: int, thread: int) -> None:
        offset = pow(step, begin, P)
        first = mont_array([v * offset % P for v in lanes])
        _geometric(address(out) + begin * 64, address(first), mont(step), end - begin)

    parallel_for(run, vectors, _GRAIN)
    return out[:n]


def ext_powers(ratio: Any, n: int, start: Any = (1, 0, 0, 0, 0)) -> U32:
    """(5, n) Montgomery array start * ratio^k; ratio and start are five canonical integers."""
    vectors = -(-n // 16)
    out = aligned(5 * vectors * 16).reshape(5, -1)
    lanes = [[int(v) % P for v in start]]
    for _ in range(15):
        lanes.append(ext_mul_int(lanes[-1], ratio))
    step = ext_pow_int(ratio, 16)
    wide = np.ascontiguousarray(np.repeat(mont_array(step)[:, None], 16, axis=1))

    def run(begin: int, end: int, thread: int) -> None:
        offset = ext_pow_int(step, begin)
        first = np.ascontiguousarray(mont_array([ext_mul_int(v, offset) for v in lanes]).T)
        _ext_geometric(address(out) + begin * 64, out.strides[0], address(first), address(wide), end - begin)

    parallel_for(run, vectors, 1024)
    return out[:, :n]
