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
time with one reduction each. What becomes of the values: fractions in logup.py, quotients in quotient.py.

Slow twin: tests/zk/kernels/test_vm.py.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from zk.kernels._jit import kernel
from zk.kernels._memory import R_INVERSE, U32, address, aligned, check, mont, scratch
from zk.kernels.fuse import fuse
from zk.kernels.lanes import add, dot5, load, load_long, load_word, mul, mul_shoup, splat, store, store_long, sub
from zk.kernels.opcodes import (
    ADD,
    ADD3,
    ADD4,
    ASSERT,
    COL,
    CONST,
    CUBE,
    DIFF,
    INDEX_BITS,
    INDEX_MASK,
    MADD,
    MSG,
    MUL,
    NEXT,
    NUM,
    REG,
    SEL,
    SUB,
)
from zk.kernels.simd import P

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
        store_long(table + count * 40 + k * 8, load_long(constant + k * 8))


@kernel
def _interpret(p, bases, work, vectors):  # type: ignore[no-untyped-def]
    """Run the program on one block. p: parameters in the order of `Run.parameters`; bases: five addresses, then work areas."""
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
def values_of(p, work):  # type: ignore[no-untyped-def]
    """Where `run_block` leaves its results: addresses of total (5 rows), fp and num (5 rows for each interaction), bytes of a row."""
    size, interactions = load_long(p + 72), load_long(p + 64)
    total = work + load_long(p + 80)
    fp = total + 5 * size
    return total, fp, fp + interactions * 5 * size, size


@kernel
def groups_of(p):  # type: ignore[no-untyped-def]
    """Address and number of the groups: i, j, and which of the two numerators are one (bits 0 and 1), 64-bit words."""
    return load_long(p + 128), load_long(p + 136)


@kernel
def run_block(p, bases, work, coset, row, vectors):  # type: ignore[no-untyped-def]
    """Runs the program on the block that begins with a row of a coset. p: `Run.parameters`; bases: room for five addresses; work: as from
    `Run.areas`."""
    main = load_long(p + 88) + coset * load_long(p + 96) + row * 4
    store_long(bases, work)
    store_long(bases + 8, main)
    store_long(bases + 16, main + load_long(p + 152))
    store_long(bases + 24, load_long(p + 104))
    store_long(bases + 32, load_long(p + 112) + coset * load_long(p + 120) + row * 4)
    _interpret(p, bases, work, vectors)


@dataclass(frozen=True)
class Challenges:
    """Random extension elements of LogUp, canonical integers.

    alpha: start of every fingerprint; beta: (m, 5), factors of MSG by index; gamma: (m', 5), factors of NUM by index.
    """

    alpha: Any
    beta: Any
    gamma: Any = ((1, 0, 0, 0, 0),)


def wide_table(values: Any) -> npt.NDArray[np.uint64]:
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


def columns_only(ops: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], list[int]]:
    """The program over no more main columns than it reads, in their order, and which these are."""
    ops = ops.copy()
    words = ops[:, 2:]
    chosen = np.isin(words >> INDEX_BITS, (COL, NEXT))
    chosen[:, 1] &= ops[:, 0] <= MUL
    columns, places = np.unique(words[chosen] & INDEX_MASK, return_inverse=True)
    words[chosen] = words[chosen] & ~INDEX_MASK | places
    return ops, columns.tolist()


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


class Run:
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
        tables = [wide_table(coefs), wide_table(challenges.beta), wide_table(challenges.gamma)]
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
        alpha = np.repeat(wide_table([challenges.alpha]).astype(np.uint32).reshape(5, 1), 16, axis=1)
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


def empty(*shape: int) -> U32:
    return aligned(int(np.prod(shape))).reshape(shape)


def widen(array: U32, rows: int) -> U32:
    """The array itself, or a copy wide enough for whole vectors and the repeated cell when there are few rows."""
    need = -(-rows // 16) * 16 + 1
    if rows % 16 == 0 and array.shape[-1] > rows:
        return array
    held = np.zeros((*array.shape[:-1], need), dtype=np.uint32)
    held[..., :rows] = array[..., :rows]
    held[..., rows] = array[..., 0]
    return held


def padded_selectors(selectors: U32, rows: int) -> U32:
    if selectors.shape[-1] >= -(-rows // 16) * 16:
        return selectors
    held = np.zeros((*selectors.shape[:-1], 16), dtype=np.uint32)
    held[..., :rows] = selectors[..., :rows]
    return held


def row_blocks(rows: int) -> tuple[int, int]:
    """(rows rounded up to whole vectors, number of blocks)."""
    whole = -(-rows // 16) * 16
    return whole, -(-whole // BLOCK)
