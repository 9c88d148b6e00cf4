"""Sixteen 32-bit lanes as a register value inside compiled kernels.

A V16 is an LLVM <16 x i32>; a W8 is <8 x i64>, half of the lanes of a V16 widened.
The functions named ir_* write LLVM instructions with llvmlite; lanes.py wraps them for numba code. LLVM
lowers the generic vectors to whatever the processor has (AVX-512, AVX2, NEON).

Field elements are in [0, p), p = 2^31 - 2^24 + 1, in Montgomery form x * 2^32 mod p. With mu = p^-1 mod 2^32, the
reduction of T < p * 2^32 is (T + q p)/2^32, q = -T mu mod 2^32, in [0, 2p), corrected by the unsigned minimum of r and r - p.
(Subtracting q p would let LLVM turn it into a full 64-bit product by -p, several times slower.)
Lazy sums keep T < p 2^32 by the unsigned minimum of T and T - p 2^32.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]

P = 2**31 - 2**24 + 1
"""KoalaBear modulus."""
MU = -pow(P, -1, 2**32) % 2**32
"""-p^-1 mod 2^32."""
R = 2**32 % P
"""The Montgomery form of one."""
LANES = 16

I32, I64 = ir.IntType(32), ir.IntType(64)
IRV16, IRW8 = ir.VectorType(I32, LANES), ir.VectorType(I64, LANES // 2)
_LOW = 0xFFFFFFFF


# ---------------------------------------------------------------- instruction writers


def c32(value: int) -> Any:
    """Constant: one 32-bit value in all lanes."""
    return ir.Constant(IRV16, [value & _LOW] * LANES)


def c64(value: int) -> Any:
    """Constant: one 64-bit value in all wide lanes."""
    return ir.Constant(IRW8, [value] * (LANES // 2))


def i64(value: int) -> Any:
    """Scalar 64-bit constant."""
    return ir.Constant(I64, value)


def _external(b: Any, name: str, kind: Any, *args: Any) -> Any:
    """A call of one of LLVM's own functions."""
    function = b.module.globals.get(name) or ir.Function(b.module, ir.FunctionType(kind, [a.type for a in args]), name)
    return b.call(function, args)


def ir_for(b: Any, count: Any) -> Any:
    """A loop: `with ir_for(b, count) as loop` writes its body, for `loop.index` in [0, count)."""
    from numba.core import cgutils

    return cgutils.for_range(b, count)


def ir_variable(b: Any, kind: Any) -> Any:
    """Stack slot for a value that changes in a loop; LLVM turns it into a register."""
    from numba.core import cgutils

    return cgutils.alloca_once(b, kind)  # type: ignore[no-untyped-call]


def ir_lane(b: Any, x: Any, lane: int) -> Any:
    """One lane as a scalar."""
    return b.extract_element(x, ir.Constant(I32, lane))


def ir_set_lane(b: Any, x: Any, lane: int, scalar: Any) -> Any:
    """x with one lane replaced."""
    return b.insert_element(x, scalar, ir.Constant(I32, lane))


def ir_umin(b: Any, x: Any, y: Any) -> Any:
    """Lane-wise unsigned minimum."""
    return _external(b, "llvm.umin.v16i32" if x.type == IRV16 else "llvm.umin.v8i64", x.type, x, y)


def ir_rotr(b: Any, x: Any, bits: int) -> Any:
    """Rotate each 32-bit lane right."""
    return _external(b, "llvm.fshr.v16i32", IRV16, x, x, c32(bits))


def ir_ptr(b: Any, address: Any, kind: Any) -> Any:
    """Integer address to pointer."""
    return b.inttoptr(address, ir.PointerType(kind))


def ir_load(b: Any, address: Any, align: int = 4) -> Any:
    """Sixteen words from `address`."""
    return b.load(ir_ptr(b, address, IRV16), align=align)


def ir_store(b: Any, address: Any, x: Any, align: int = 4) -> None:
    """Sixteen words to `address`."""
    b.store(x, ir_ptr(b, address, IRV16), align=align)


def ir_stream(b: Any, address: Any, x: Any) -> None:
    """Sixteen words to an aligned `address`, past the caches."""
    place = b.store(x, ir_ptr(b, address, IRV16), align=64)
    place.set_metadata("nontemporal", b.module.add_metadata([ir.Constant(I32, 1)]))


def ir_prefetch(b: Any, address: Any, write: bool) -> None:
    """Hint that the line at `address` is about to be read or written."""
    place = ir_ptr(b, address, ir.IntType(8))
    flags = [ir.Constant(I32, value) for value in (int(write), 2, 1)]  # read or write, locality, data
    _external(b, "llvm.prefetch.p0", ir.VoidType(), place, *flags)


def ir_splat(b: Any, scalar: Any) -> Any:
    """One scalar in all lanes (32-bit scalar: V16, 64-bit: W8)."""
    kind = IRV16 if scalar.type == I32 else IRW8
    one = b.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(I32, 0))
    return b.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count))


def ir_load_splat(b: Any, address: Any) -> Any:
    """The word at `address` in all lanes."""
    return ir_splat(b, b.load(ir_ptr(b, address, I32), align=4))


def ir_load_splat_wide(b: Any, address: Any) -> Any:
    """The word at `address`, zero-extended, in all wide lanes."""
    return ir_splat(b, b.zext(b.load(ir_ptr(b, address, I32), align=4), I64))


def ir_shuffle(b: Any, x: Any, y: Any, lanes: list[int]) -> Any:
    """Lanes picked from x (0..15) and y (16..31)."""
    return b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, LANES), lanes))


def ir_even(b: Any, x: Any) -> Any:
    """Lanes 0, 2, .. widened."""
    return b.and_(b.bitcast(x, IRW8), c64(_LOW))


def ir_odd(b: Any, x: Any) -> Any:
    """Lanes 1, 3, .. widened."""
    return b.lshr(b.bitcast(x, IRW8), c64(32))


def ir_add(b: Any, x: Any, y: Any) -> Any:
    """Sum mod p: x + y < 2p < 2^32, and the wrapped s - p loses the minimum when s < p."""
    s = b.add(x, y)
    return ir_umin(b, s, b.sub(s, c32(P)))


def ir_sub(b: Any, x: Any, y: Any) -> Any:
    """Difference mod p."""
    d = b.sub(x, y)
    return ir_umin(b, d, b.add(d, c32(P)))


def ir_reduce(b: Any, even: Any, odd: Any) -> Any:
    """Montgomery reduction of wide lanes below p * 2^32, into [0, p)."""

    def half(t: Any) -> Any:
        # The quotient is a 32-bit product, else LLVM merges the two 64-bit ones into a slow full multiplication.
        q = b.and_(b.bitcast(b.mul(b.bitcast(t, IRV16), c32(MU)), IRW8), c64(_LOW))
        return b.add(t, b.mul(q, c64(P)))  # low 32 bits are zero

    r = b.bitcast(b.or_(b.lshr(half(even), c64(32)), half(odd)), IRV16)
    return ir_umin(b, r, b.sub(r, c32(P)))


def ir_canonical(b: Any, x: Any) -> Any:
    """Canonical form of a Montgomery word below p: (x + q p) / 2^32, the low words of which add up to 2^32 unless x is zero."""
    q = b.mul(x, c32(MU))
    even, odd = (b.add(b.mul(half, c64(P)), c64(_LOW)) for half in (ir_even(b, q), ir_odd(b, q)))
    return b.bitcast(b.or_(b.lshr(even, c64(32)), b.and_(odd, c64(_LOW << 32))), IRV16)


def ir_mul(b: Any, x: Any, y: Any) -> Any:
    """Montgomery product. Where y is a loop constant, so is y mu."""
    q = b.mul(x, b.mul(y, c32(MU)))
    even = b.add(b.mul(ir_even(b, x), ir_even(b, y)), b.mul(ir_even(b, q), c64(P)))
    odd = b.add(b.mul(ir_odd(b, x), ir_odd(b, y)), b.mul(ir_odd(b, q), c64(P)))
    r = b.bitcast(b.or_(b.lshr(even, c64(32)), odd), IRV16)
    return ir_umin(b, r, b.sub(r, c32(P)))


def ir_mul_shoup(b: Any, x: Any, factor: tuple[Any, Any], lazy: bool = False) -> Any:
    """x * w mod p for factor (w, w' = floor(w 2^32 / p)), w in [0, p), any 32-bit x: below 2p if lazy, else below p.

    The quotient floor(x w' / 2^32) is floor(x w / p) or one less, so x w - q p, of which 32 bits suffice, is below 2p. Nine
    instructions against thirteen of the Montgomery product. Reference: V. Shoup, NTL; D. Harvey, arXiv:1205.2926.
    """
    w, ratio = factor
    even = b.lshr(b.mul(ir_even(b, x), ir_even(b, ratio)), c64(32))
    odd = b.and_(b.mul(ir_odd(b, x), ir_odd(b, ratio)), c64(_LOW << 32))
    q = b.bitcast(b.or_(even, odd), IRV16)
    r = b.sub(b.mul(x, w), b.mul(q, c32(P)))
    return r if lazy else ir_umin(b, r, b.sub(r, c32(P)))


def ir_clamp(b: Any, t: Any) -> Any:
    """Wide lanes below 2 p 2^32 to below p 2^32, same value mod p."""
    return ir_umin(b, t, b.sub(t, c64(P << 32)))


def ir_halve(b: Any, x: Any, k: int) -> Any:
    """x / 2^k mod p, 1 <= k <= 24: 2^-k = -127 * 2^(24-k) mod p, applied to the low k bits."""
    low = b.and_(x, c32((1 << k) - 1))
    high = b.lshr(x, c32(k))
    return ir_sub(b, high, b.sub(b.shl(low, c32(31 - k)), b.shl(low, c32(24 - k))))


def ir_transpose(b: Any, rows: list[Any]) -> list[Any]:
    """Transpose a 16 x 16 square of words held in sixteen vectors."""
    rows = list(rows)
    for d in (8, 4, 2, 1):
        low = [p if not p & d else LANES + p - d for p in range(LANES)]
        high = [p + d if not p & d else LANES + p for p in range(LANES)]
        for i in range(LANES):
            if not i & d:
                x, y = rows[i], rows[i + d]
                rows[i], rows[i + d] = ir_shuffle(b, x, y, low), ir_shuffle(b, x, y, high)
    return rows


def ir_dot(b: Any, xs: list[Any], ys: list[Any]) -> Any:
    """Sum of Montgomery products with one reduction. xs, ys: pairs (even, odd) of widened factors."""
    sums: list[Any] = []
    for half in (0, 1):
        total: Any = None
        room = 4  # products of elements that still fit below 2^64: 4 p^2 < 2^64, and below p 2^32 two more fit
        for x, y in zip(xs, ys, strict=True):
            product = b.mul(x[half], y[half])
            if total is None:
                total = product
            else:
                if room == 0:
                    total, room = ir_clamp(b, total), 2
                total = b.add(total, product)
            room -= 1
        sums.append(ir_clamp(b, total) if len(xs) > 1 else total)
    return ir_reduce(b, sums[0], sums[1])


def ir_wide(b: Any, x: Any) -> tuple[Any, Any]:
    """(even, odd) of a vector."""
    return ir_even(b, x), ir_odd(b, x)


def ir_ext_mul(b: Any, x: list[Any], y: list[Any]) -> list[Any]:
    """Product in F[X]/(X^5 + X^2 - 1), elements as five vectors.

    X^5 = 1 - X^2, X^6 = X - X^3, X^7 = X^2 - X^4, X^8 = X^3 + X^2 - 1: each output is a dot product of x with sums of y.
    """
    y0, y1, y2, y3, y4 = y
    a = ir_sub(b, y1, y4)
    c = ir_sub(b, y0, y3)
    d = ir_sub(b, y4, y2)
    e = ir_sub(b, y3, a)
    names = {"0": y0, "1": y1, "2": y2, "3": y3, "4": y4, "a": a, "c": c, "d": d, "e": e}
    wide = {key: ir_wide(b, value) for key, value in names.items()}
    xs = [ir_wide(b, value) for value in x]
    return [ir_dot(b, xs, [wide[key] for key in row]) for row in ("0432a", "10432", "2acde", "32acd", "432ac")]


def ir_load_ext(b: Any, base: Any, step: Any) -> list[Any]:
    """Five coefficient vectors, `step` bytes apart."""
    return [ir_load(b, b.add(base, b.mul(step, i64(k)))) for k in range(5)]


def ir_store_ext(b: Any, base: Any, step: Any, x: list[Any]) -> None:
    """Five coefficient vectors, `step` bytes apart."""
    for k, v in enumerate(x):
        ir_store(b, b.add(base, b.mul(step, i64(k))), v)


def _write_dot5(b: Any, source: Any, table: Any, count: Any, out: Any, out_step: Any) -> None:
    """out[k] += sum_c table[c][k] * vector at source(c), k < 5. table: count x 5 Montgomery words as 64-bit integers.

    Sums stay below p 2^32 before each pair of products (below p^2 each, 2 p^2 < p 2^32), and are clamped after it.
    """
    cells = [ir_variable(b, IRW8) for _ in range(10)]
    for cell in cells:
        b.store(c64(0), cell)

    def accumulate(totals: list[Any], index: Any) -> list[Any]:
        wide = ir_wide(b, ir_load(b, source(index)))
        place = b.add(table, b.mul(index, i64(40)))
        new = []
        for k in range(5):
            factor = ir_even(b, ir_load_splat(b, b.add(place, i64(8 * k))))
            new += [b.add(totals[2 * k + h], b.mul(wide[h], factor)) for h in (0, 1)]
        return new

    def keep(totals: list[Any]) -> None:
        for cell, total in zip(cells, totals, strict=True):
            b.store(total, cell)

    odd = b.and_(count, i64(1))
    with b.if_then(b.icmp_unsigned("!=", odd, i64(0))):
        keep(accumulate([c64(0)] * 10, i64(0)))
    with ir_for(b, b.lshr(count, i64(1))) as loop:
        index = b.add(odd, b.shl(loop.index, i64(1)))
        totals = accumulate([b.load(cell) for cell in cells], index)
        keep([ir_clamp(b, t) for t in accumulate(totals, b.add(index, i64(1)))])
    for k in range(5):
        place = b.add(out, b.mul(out_step, i64(k)))
        ir_store(b, place, ir_add(b, ir_load(b, place), ir_reduce(b, b.load(cells[2 * k]), b.load(cells[2 * k + 1]))))


def ir_dot5(b: Any, src: Any, step: Any, table: Any, count: Any, out: Any, out_step: Any) -> None:
    """out[k] += sum_c table[c][k] * vector at src + c * step, k < 5."""
    _write_dot5(b, lambda c: b.add(src, b.mul(c, step)), table, count, out, out_step)


def ir_dot5_of(b: Any, addresses: Any, offset: Any, table: Any, count: Any, out: Any, out_step: Any) -> None:
    """out[k] += sum_c table[c][k] * vector at addresses[c] + offset, k < 5."""

    def source(c: Any) -> Any:
        return b.add(b.load(ir_ptr(b, b.add(addresses, b.shl(c, i64(3))), I64), align=8), offset)

    _write_dot5(b, source, table, count, out, out_step)


def ir_scalar_reduce_lazy(b: Any, t: Any) -> Any:
    """Scalar Montgomery reduction of t < p * 2^32, below 2p."""
    low = i64(_LOW)
    q = b.and_(b.mul(b.and_(t, low), i64(MU)), low)
    return b.lshr(b.add(t, b.mul(q, i64(P))), i64(32))


def _below_p(b: Any, r: Any) -> Any:
    return b.select(b.icmp_signed(">=", r, i64(P)), b.sub(r, i64(P)), r)


def ir_scalar_reduce(b: Any, t: Any) -> Any:
    """Scalar Montgomery reduction of t < p * 2^32."""
    return _below_p(b, ir_scalar_reduce_lazy(b, t))


def ir_scalar_small(b: Any, x: Any) -> Any:
    """x mod p for x < 2^36: 2^31 = 2^24 - 1 mod p, and 2^31 + 2^29 < 2p."""
    high = b.lshr(x, i64(31))
    return _below_p(b, b.add(b.and_(x, i64(2**31 - 1)), b.sub(b.shl(high, i64(24)), high)))


def ir_scalar_mul(b: Any, x: Any, y: Any) -> Any:
    """Scalar Montgomery product."""
    return ir_scalar_reduce(b, b.mul(x, y))


def ir_scalar_add(b: Any, x: Any, y: Any) -> Any:
    """Scalar sum mod p."""
    return _below_p(b, b.add(x, y))


def ir_scalar_sub(b: Any, x: Any, y: Any) -> Any:
    """Scalar difference mod p."""
    d = b.sub(x, y)
    return b.select(b.icmp_signed("<", d, i64(0)), b.add(d, i64(P)), d)
