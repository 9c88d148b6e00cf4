"""Constraint interpreter: one compiled kernel runs any AIR's program, over blocks of rows that stay in cache.

A program is an int32 array (n_ops, 4) of [opcode, dst, a, b] over virtual registers; what runs is the fused form of it (fuse.py). An
operand is kind << 24 | index:

    REG 0   virtual register          COL 1   main column, this row        NEXT 2   main column, next row of the coset
    CONST 3 entry of the constants    SEL 4   selector: 0 first row, 1 last row, 2 transition

    ADD 0, SUB 1, MUL 2    register dst = a op b
    ASSERT 3               total += coefs[b] * a                (b: constraint number)
    MSG 4                  fp[dst] += beta[b] * a               (dst: interaction, fp starts at alpha)
    NUM 5                  num[dst] += gamma[b] * a             (num starts at 0)

fp and num are extension values per row. Sums of products with constants (ASSERT, MSG, NUM) are queued and added sixteen at a
time with one reduction each. The constraint of a pair (i, j) with column h is (h fp_i - num_i) fp_j - num_j fp_i.

A LogUp group is a pair (i, j) of interactions or a single (i, -1); it stands for the fraction h = num_i/fp_i + num_j/fp_j. Every
group but the last has an extension column h in the auxiliary trace; the last extension column is the accumulator:
acc[0] = 0, acc[r+1] = acc[r] + sum of all h[r] + offset, cyclic.

Slow twin: tests/zk/kernels/test_vm.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from zk.kernels import simd as S
from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import R_INVERSE, U32, address, aligned, check, log2, mont, scratch, unmont
from zk.kernels.field import ext_mul_int, ext_product, ext_reciprocal
from zk.kernels.fuse import fuse
from zk.kernels.opcodes import (
    ADD,
    ADD3,
    ADD4,
    ASSERT,
    CONST,
    CUBE,
    DIFF,
    INDEX_BITS,
    MADD,
    MSG,
    MUL,
    NEXT,
    NUM,
    REG,
    SEL,
    SUB,
)
from zk.kernels.simd import P, add, dot5, load, load_long, load_word, mul, mul_shoup, splat, store, sub

_QUEUE = 16
BLOCK = 512
"""Rows per block."""


@kernel
def _flush(queue, table, count, target, size, vectors):  # type: ignore[no-untyped-def]
    """target (5 rows of `size` bytes) += the queued values times the queued constants."""
    if count > 0:
        for v in range(vectors):
            dot5(queue + v * 64, size, table, count, target + v * 64, size)


@kernel
def _push(queue, table, count, constant, src, step, size, vectors):  # type: ignore[no-untyped-def]
    """Queue entry `count`: a value per row and its constant (five 64-bit words)."""
    for v in range(vectors):
        store(queue + count * size + v * 64, load(src + v * step))
    _keep(table, count, constant)


@kernel
def _keep(table, count, constant):  # type: ignore[no-untyped-def]
    for k in range(5):
        S.store_long(table + count * 40 + k * 8, load_long(constant + k * 8))


@kernel
def _interpret(p, bases, work, vectors):  # type: ignore[no-untyped-def]
    """Run the program on one block. p: parameters in the order of `_Run.parameters`; bases: five addresses, then work areas."""
    ops, n_ops, steps, incs = load_long(p), load_long(p + 8), load_long(p + 16), load_long(p + 24)
    coefs, beta, gamma, alpha, interactions = (
        load_long(p + 32), load_long(p + 40), load_long(p + 48), load_long(p + 56), load_long(p + 64),
    )  # fmt: skip
    size, factors = load_long(p + 72), load_long(p + 144)
    regs, acc = work, work + load_long(p + 80)
    fp = acc + 5 * size
    num = fp + interactions * 5 * size
    queue = num + interactions * 5 * size
    queue2 = queue + _QUEUE * size
    table = queue2 + _QUEUE * size
    table2 = table + _QUEUE * 40
    zero = splat(0)
    for k in range(5):
        start = load(alpha + k * 64)
        for v in range(vectors):
            store(acc + k * size + v * 64, zero)
        for i in range(interactions):
            for v in range(vectors):
                store(fp + (i * 5 + k) * size + v * 64, start)
                store(num + (i * 5 + k) * size + v * 64, zero)
    held, held2, target = 0, 0, fp
    for place in range(ops, ops + n_ops * 24, 24):
        code, a, b = load_word(place), load_word(place + 8), load_word(place + 12)
        kind = (a >> 24) * 8
        x = load_long(bases + kind) + (a & 0xFFFFFF) * load_long(steps + kind)
        xi = load_long(incs + kind)
        if code == ASSERT:
            if held == _QUEUE:
                _flush(queue, table, held, acc, size, vectors)
                held = 0
            _push(queue, table, held, coefs + b * 40, x, xi, size, vectors)
            held += 1
            continue
        if code == MSG or code == NUM:
            constant, goal = beta + b * 40, fp + load_word(place + 4) * 5 * size
            if code == NUM:
                constant, goal = gamma + b * 40, num + load_word(place + 4) * 5 * size
            if held2 == _QUEUE or goal != target:
                _flush(queue2, table2, held2, target, size, vectors)
                held2, target = 0, goal
            _push(queue2, table2, held2, constant, x, xi, size, vectors)
            held2 += 1
            continue
        out = regs + load_word(place + 4) * size
        c = load_word(place + 16)
        kind = (c >> 24) * 8
        z = load_long(bases + kind) + (c & 0xFFFFFF) * load_long(steps + kind)
        zi = load_long(incs + kind)
        if code == MADD:
            w, ratio = splat(load_word(factors + b * 8)), splat(load_word(factors + b * 8 + 4))
            for v in range(vectors):
                store(out + v * 64, add(load(z + v * zi), mul_shoup(load(x + v * xi), w, ratio)))
            continue
        kind = (b >> 24) * 8
        y = load_long(bases + kind) + (b & 0xFFFFFF) * load_long(steps + kind)
        yi = load_long(incs + kind)
        if code == ADD:
            for v in range(vectors):
                store(out + v * 64, add(load(x + v * xi), load(y + v * yi)))
        elif code == SUB:
            for v in range(vectors):
                store(out + v * 64, sub(load(x + v * xi), load(y + v * yi)))
        elif code == MUL:
            for v in range(vectors):
                store(out + v * 64, mul(load(x + v * xi), load(y + v * yi)))
        elif code == CUBE:
            constant = load(y)
            for v in range(vectors):
                t = add(load(x + v * xi), constant)
                store(out + v * 64, mul(mul(t, t), t))
        elif code == ADD3:
            for v in range(vectors):
                store(out + v * 64, add(add(load(x + v * xi), load(y + v * yi)), load(z + v * zi)))
        elif code == ADD4:
            d = load_word(place + 20)
            kind = (d >> 24) * 8
            t = load_long(bases + kind) + (d & 0xFFFFFF) * load_long(steps + kind)
            ti = load_long(incs + kind)
            for v in range(vectors):
                store(out + v * 64, add(add(load(x + v * xi), load(y + v * yi)), add(load(z + v * zi), load(t + v * ti))))
        elif code == DIFF:
            if held == _QUEUE:
                _flush(queue, table, held, acc, size, vectors)
                held = 0
            for v in range(vectors):
                store(queue + held * size + v * 64, sub(load(x + v * xi), load(y + v * yi)))
            _keep(table, held, coefs + load_word(place + 4) * 40)
            held += 1
    _flush(queue, table, held, acc, size, vectors)
    _flush(queue2, table2, held2, target, size, vectors)


@kernel
def _weighted(num, fp, unit, size, out):  # type: ignore[no-untyped-def]
    """out = num fp of sixteen rows (rows of num and fp `size` bytes apart, of out 64). unit: num is one."""
    if unit:
        for k in range(5):
            store(out + k * 64, load(fp + k * size))
    else:
        ext_product(num, size, fp, size, out, 64)


@kernel
def _set_bases(p, bases, work, coset, row):  # type: ignore[no-untyped-def]
    """Addresses of the five operand kinds for a block."""
    main = load_long(p + 88) + coset * load_long(p + 96) + row * 4
    S.store_long(bases, work)
    S.store_long(bases + 8, main)
    S.store_long(bases + 16, main + load_long(p + 152))
    S.store_long(bases + 24, load_long(p + 104))
    S.store_long(bases + 32, load_long(p + 112) + coset * load_long(p + 120) + row * 4)


@kernel
def _fractions(p, work, extra, row, vectors, out, out_step):  # type: ignore[no-untyped-def]
    """h of all groups for one block. extra: bases (64 bytes), then per group three extension vectors, then one."""
    _set_bases(p, extra, work, 0, row)
    _interpret(p, extra, work, vectors)
    size, interactions, groups, count = load_long(p + 72), load_long(p + 64), load_long(p + 128), load_long(p + 136)
    fp = work + load_long(p + 80) + 5 * size
    num = fp + interactions * 5 * size
    inverse = extra + 64
    held = inverse + 320
    area = held + 320
    for v in range(vectors):
        for g in range(count):
            place = area + g * 960
            i, j, units = load_long(groups + g * 24), load_long(groups + g * 24 + 8), load_long(groups + g * 24 + 16)
            fi, ni = fp + i * 5 * size + v * 64, num + i * 5 * size + v * 64
            if j < 0:
                for k in range(5):
                    store(place + k * 64, load(fi + k * size))
                    store(place + 320 + k * 64, load(ni + k * size))
            else:
                fj, nj = fp + j * 5 * size + v * 64, num + j * 5 * size + v * 64
                ext_product(fi, size, fj, size, place, 64)
                _weighted(ni, fj, units & 1, size, place + 320)
                _weighted(nj, fi, units & 2, size, held)
                for k in range(5):
                    store(place + 320 + k * 64, add(load(place + 320 + k * 64), load(held + k * 64)))
            if g == 0:
                for k in range(5):
                    store(place + 640 + k * 64, load(place + k * 64))
            else:
                ext_product(place + 640 - 960, 64, place, 64, place + 640, 64)
        ext_reciprocal(area + count * 960 - 320, 64, inverse, 64)
        for back in range(count):
            g = count - 1 - back
            place = area + g * 960
            goal = out + g * 5 * out_step + row * 4 + v * 64
            if g == 0:
                ext_product(inverse, 64, place + 320, 64, goal, out_step)
            else:
                ext_product(inverse, 64, place + 640 - 960, 64, held, 64)
                ext_product(held, 64, place + 320, 64, goal, out_step)
                ext_product(inverse, 64, place, 64, held, 64)
                for k in range(5):
                    store(inverse + k * 64, load(held + k * 64))


@kernel
def _quotient(p, work, extra, coset, row, vectors, aux, aux_step, aux_next, offset, table, scale, out, out_step):  # type: ignore[no-untyped-def]
    """Quotient of one block. extra: bases, three extension vectors, one per group. aux, out: of this block's first row; aux_next:
    bytes from a cell to the one of the next row."""
    _set_bases(p, extra, work, coset, row)
    _interpret(p, extra, work, vectors)
    size, interactions, groups, count = load_long(p + 72), load_long(p + 64), load_long(p + 128), load_long(p + 136)
    acc = work + load_long(p + 80)
    fp = acc + 5 * size
    num = fp + interactions * 5 * size
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
                _weighted(nj, fi, units & 2, size, second)
                for k in range(5):
                    store(value + k * 64, sub(load(first + k * 64), load(second + k * 64)))
        dot5(values, 64, table, count * 5, acc + v * 64, size)
        for k in range(5):
            store(out + k * out_step + v * 64, mul(load(acc + k * size + v * 64), factor))


@kernel
def _row_sums(h, step, groups, offset, out, out_step, begin, end):  # type: ignore[no-untyped-def]
    """out[k][r] = offset[k] + sum over groups of h[g][k][r], rows begin..end (whole vectors)."""
    for row in range(begin * 4, end * 4, 64):
        for k in range(5):
            total = splat(load_word(offset + k * 4))
            for g in range(groups):
                total = add(total, load(h + (g * 5 + k) * step + row))
            store(out + k * out_step + row, total)


@kernel
def _exclusive_sum(src, dst, count):  # type: ignore[no-untyped-def]
    """dst[r] = src[0] + .. + src[r-1] mod p."""
    total = 0
    for r in range(count):
        x = load_word(src + r * 4)
        S.store_word(dst + r * 4, total)
        total = S.scalar_add(total, x)


@dataclass(frozen=True)
class Challenges:
    """Random extension elements of LogUp, canonical integers.

    alpha: start of every fingerprint; beta: (m, 5), factors of MSG by index; gamma: (m', 5), factors of NUM by index.
    """

    alpha: Any
    beta: Any
    gamma: Any = ((1, 0, 0, 0, 0),)


def _wide_table(values: Any) -> npt.NDArray[np.uint64]:
    """(n, 5) canonical integers as Montgomery words widened to 64 bits."""
    array = np.asarray(values, dtype=np.uint64).reshape(-1, 5) % np.uint64(P)
    table = np.ascontiguousarray((array << np.uint64(32)) % np.uint64(P))
    return table if len(table) else np.zeros((1, 5), dtype=np.uint64)


def interactions_only(ops: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The program without ASSERT and what only ASSERT needs, for `fractions`."""
    live: set[int] = set()
    kept = []
    for k in range(len(ops) - 1, -1, -1):
        code, dst, a, b = (int(v) for v in ops[k])
        if code == ASSERT:
            continue
        if code <= MUL:
            if dst not in live:
                continue
            live.discard(dst)
        for x in (a, b) if code <= MUL else (a,):
            if x >> INDEX_BITS == REG:
                live.add(x)
        kept.append(k)
    return np.ascontiguousarray(ops[kept[::-1]])


def _factors(consts: U32) -> U32:
    """Montgomery constants as factors of prepared products (simd.ir_mul_shoup): pairs of a canonical value w and floor(w 2^32 / p)."""
    w = consts.astype(np.uint64) * np.uint64(R_INVERSE) % np.uint64(P)
    pairs = np.stack([w, (w << np.uint64(32)) // np.uint64(P)], axis=1)
    return np.ascontiguousarray(pairs.astype(np.uint32))


def _units(ops: npt.NDArray[np.int32], consts: U32, gamma: npt.NDArray[np.uint64], interactions: int) -> npt.NDArray[np.int64]:
    """1 for each interaction whose numerator is the constant one, so that products with it are none; else 0."""
    numerators = ops[ops[:, 0] == NUM]
    plain = (gamma == np.array([mont(1), 0, 0, 0, 0], dtype=np.uint64)).all(axis=1)
    units = np.zeros(max(interactions, 1), dtype=np.int64)
    for i in range(interactions):
        mine = numerators[numerators[:, 1] == i]
        if len(mine) == 1 and mine[0, 2] >> INDEX_BITS == CONST:
            units[i] = plain[mine[0, 3]] and consts[mine[0, 2] & ((1 << INDEX_BITS) - 1)] == mont(1)
    return units


@lru_cache(maxsize=8)
def _fused(program: bytes) -> tuple[npt.NDArray[np.int32], int]:
    return fuse(np.frombuffer(program, dtype=np.int32).reshape(-1, 4))


def _validate_program(ops: Any, columns: int, constants: int, interactions: int, sizes: dict[int, int]) -> None:
    """Bounds of every operand, once, by numpy."""
    if not isinstance(ops, np.ndarray) or ops.dtype != np.int32 or ops.ndim != 2 or ops.shape[1] != 4:
        raise TypeError("ops: expected an int32 array (n, 4)")
    code, dst, a, b = (ops[:, k].astype(np.int64) for k in range(4))
    arithmetic = code <= MUL
    if np.any((code < 0) | (code > NUM)) or np.any(dst < 0):
        raise ValueError("ops: unknown opcode or negative destination")
    registers = 0
    if arithmetic.any():
        registers = int(dst[arithmetic].max()) + 1
    limits = np.array([registers, columns, columns, constants, 3], dtype=np.int64)
    for x in (a, b[arithmetic]):
        kind, index = x >> INDEX_BITS, x & ((1 << INDEX_BITS) - 1)
        if np.any((kind < 0) | (kind > SEL)) or np.any(index >= limits[np.clip(kind, 0, 4)]):
            raise ValueError("ops: operand out of range")
    for opcode, limit in sizes.items():
        if np.any((b[code == opcode] < 0) | (b[code == opcode] >= limit)):
            raise ValueError("ops: coefficient out of range")
    if np.any(dst[code >= MSG] >= interactions):
        raise ValueError("ops: interaction out of range")


class _Run:
    """Parameter block of one call and the arrays that it points to."""

    def __init__(
        self, ops: Any, consts: U32, main: U32, selectors: U32 | None, challenges: Challenges, groups: Any, coefs: Any,
        next_step: int = 4,
    ) -> None:  # fmt: skip
        self.main = check(main, (None, None, None), "main")
        self.groups = np.ascontiguousarray(groups, dtype=np.int64).reshape(-1, 2)
        interactions = int(self.groups.max(initial=-1)) + 1
        if np.any(self.groups[:, 0] < 0) or np.any(self.groups[:, 1] < -1):
            raise ValueError("groups: pairs (i, j) or (i, -1) of interactions")
        consts = np.asarray(consts, dtype=np.uint32).reshape(-1)
        tables = [_wide_table(coefs), _wide_table(challenges.beta), _wide_table(challenges.gamma)]
        sizes = {ASSERT: len(tables[0]), MSG: len(tables[1]), NUM: len(tables[2])}
        _validate_program(ops, main.shape[0], len(consts), interactions, sizes)
        program, registers = _fused(ops.tobytes())
        unit = _units(ops, consts, tables[2], interactions)
        units = np.where(self.groups >= 0, unit[self.groups], 0) @ (1, 2)
        table = np.ascontiguousarray(np.column_stack([self.groups, units]).astype(np.int64))
        if selectors is None:
            if np.any((ops[:, 2:] >> INDEX_BITS) == SEL):
                raise ValueError("the program uses selectors, but there are none")
            selectors = np.zeros((3, main.shape[1], 16), dtype=np.uint32)
        self.selectors = check(selectors, (3, None, None), "selectors")
        size = BLOCK * 4
        alpha = np.repeat(_wide_table([challenges.alpha]).astype(np.uint32).reshape(5, 1), 16, axis=1)
        spread = np.ascontiguousarray(np.repeat(consts.reshape(-1, 1), 16, axis=1))
        steps = np.array([size, main.strides[0], main.strides[0], 64, self.selectors.strides[0]], dtype=np.int64)
        incs = np.array([64, 64, 64, 0, 64], dtype=np.int64)
        factors = _factors(consts)
        self.kept = [program, *tables, np.ascontiguousarray(alpha), spread, steps, incs, factors, table]
        self.parameters = np.array(
            [
                address(program), len(program), address(steps), address(incs), address(tables[0]), address(tables[1]),
                address(tables[2]), address(self.kept[4]), interactions, size, max(registers, 1) * size,
                address(main), main.strides[1], address(spread), address(self.selectors), self.selectors.strides[1],
                address(table), len(table), address(factors), next_step,
            ],
            dtype=np.int64,
        )  # fmt: skip
        rows = max(registers, 1) + 5 + 10 * interactions + 2 * _QUEUE
        self.work_words = rows * BLOCK + 2 * _QUEUE * 10 + 64
        self.extra_words = 16 + 80 * 5 + 240 * len(self.groups) + 64

    def areas(self, thread: int) -> tuple[int, int]:
        return scratch("vm", thread, self.work_words), scratch("vm extra", thread, self.extra_words)


def _empty(*shape: int) -> U32:
    return aligned(int(np.prod(shape))).reshape(shape)


def _widen(array: U32, rows: int) -> U32:
    """The array itself, or a copy wide enough for whole vectors and the repeated cell when there are few rows."""
    need = -(-rows // 16) * 16 + 1
    if rows % 16 == 0 and array.shape[-1] > rows:
        return array
    held = np.zeros((*array.shape[:-1], need), dtype=np.uint32)
    held[..., :rows] = array[..., :rows]
    held[..., rows] = array[..., 0]
    return held


def _reads_next(ops: npt.NDArray[np.int32]) -> bool:
    operands = np.concatenate([ops[:, 2], ops[ops[:, 0] < ASSERT, 3]])  # b is an operand of ADD, SUB and MUL alone
    return bool((operands >> 24 == NEXT).any())


def _blocks(rows: int) -> tuple[int, int]:
    """(rows rounded up to whole vectors, number of blocks)."""
    whole = -(-rows // 16) * 16
    return whole, -(-whole // BLOCK)


def fractions(
    ops: npt.NDArray[np.int32],
    consts: U32,
    main: U32,
    rows: int,
    challenges: Challenges,
    groups: Any,
    selectors: U32 | None = None,
    out: U32 | None = None,
) -> U32:
    """LogUp fractions h_g of every row of the trace.

    Arguments:
        ops: program; pass it through `interactions_only` first, else assertions are computed for nothing.
        consts: (n,) Montgomery constants.
        main: (C, 1, >= N) trace over H; where the program reads NEXT, cell N has to repeat cell 0, or the trace is copied.
        rows: N.
        challenges: see Challenges.
        groups: (G, 2) interaction numbers, (i, -1) for a single one.
        selectors: (3, 1, N) or None.
        out: (G, 5, >= N) or None to allocate. Returns out[:, :, :N]-shaped results, in out if given.
    A zero fingerprint (probability about interactions * N / 2^155) spoils its row.
    """
    log2(rows, "rows")
    check(main, (None, 1, None), "main")
    if rows % 16 or _reads_next(ops):
        main = _widen(main, rows)
    selectors = None if selectors is None else _padded_selectors(selectors, rows)
    run = _Run(ops, consts, main, selectors, challenges, groups, [])
    whole, blocks = _blocks(rows)
    count = len(run.groups)
    direct = out is not None and rows % 16 == 0
    target = check(out, (count, 5, None), "out") if out is not None and direct else _empty(count, 5, whole)
    if target.shape[2] < rows or target.strides[0] != 5 * target.strides[1]:
        raise ValueError("out: rows of one (5 G, width) matrix expected")

    def piece(begin: int, end: int, thread: int) -> None:
        work, extra = run.areas(thread)
        for block in range(begin, end):
            row = block * BLOCK
            vectors = min(BLOCK, whole - row) // 16
            _fractions(address(run.parameters), work, extra, row, vectors, address(target), target.strides[1])

    parallel_for(piece, blocks, 8)
    if out is not None and not direct:
        out[:, :, :rows] = target[:, :, :rows]
        return out
    return target if direct else target[:, :, :rows]


def accumulate(h: U32, offset: Any) -> U32:
    """Accumulator column (5, N): acc[0] = 0, acc[r+1] = acc[r] + sum_g h[g, :, r] + offset.

    h: (G, 5, N) Montgomery, rows of one matrix; offset: five canonical integers.
    """
    check(h, (None, 5, None), "h")
    groups, _, n = h.shape
    if n % 16 or h.strides[0] != 5 * h.strides[1]:
        h = _widen(h, n)[:, :, :-1]
    whole = h.shape[2]
    sums, out = _empty(5, whole), _empty(5, whole)
    words = np.array([mont(int(v) % P) for v in offset], dtype=np.uint32)

    def run(begin: int, end: int, thread: int) -> None:
        _row_sums(address(h), h.strides[1], groups, address(words), address(sums), sums.strides[0], begin, end)

    def scan(begin: int, end: int, thread: int) -> None:
        for k in range(begin, end):
            _exclusive_sum(address(sums[k]), address(out[k]), whole)

    parallel_for(run, whole, 4096)
    parallel_for(scan, 5, 1)
    return out[:, :n]


def balancing_offset(h: U32) -> list[int]:
    """The offset that makes the accumulator cyclic: minus the mean over rows of sum_g h, canonical integers."""
    n = h.shape[2]
    last = accumulate(h, (0,) * 5)[:, n - 1]
    scale = pow(n, -1, P)
    totals = [unmont(int(last[k])) + sum(unmont(int(v)) for v in h[:, k, n - 1]) for k in range(5)]
    return [-t * scale % P for t in totals]


def _padded_selectors(selectors: U32, rows: int) -> U32:
    if selectors.shape[-1] >= -(-rows // 16) * 16:
        return selectors
    held = np.zeros((*selectors.shape[:-1], 16), dtype=np.uint32)
    held[..., :rows] = selectors[..., :rows]
    return held


def quotient(
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
        ops, consts, challenges, groups: as for `fractions`.
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
        main, aux, steps = _widen(main, rows), _widen(aux, rows), (4, 4)
    base = coefficients[: len(coefficients) - count]
    run = _Run(ops, consts, main, _padded_selectors(selectors, rows), challenges, groups, base, steps[0])
    unit = [[int(k == j) for j in range(5)] for k in range(5)]
    table = _wide_table([ext_mul_int(c, u) for c in coefficients[len(base) :] for u in unit])
    words = np.array([mont(int(v) % P) for v in offset], dtype=np.uint32)
    scales = [mont(v) for v in inverses]
    whole, blocks = _blocks(rows)
    out = _empty(5, cosets, whole)

    def piece(begin: int, end: int, thread: int) -> None:
        work, extra = run.areas(thread)
        for index in range(begin, end):
            coset, block = divmod(index, blocks)
            row = block * BLOCK
            _quotient(
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
