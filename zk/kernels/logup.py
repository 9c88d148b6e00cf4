"""LogUp: the fractions of a row's lookups, and their running sum.

A group is a pair (i, j) of interactions or a single (i, -1); it stands for the fraction h = num_i/fp_i + num_j/fp_j. Every
group but the last has an extension column h in the auxiliary trace; the last extension column is the accumulator:
acc[0] = 0, acc[r+1] = acc[r] + sum of all h[r] + offset, cyclic.

Slow twin: tests/zk/kernels/test_vm.py.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import U32, address, check, log2, mont, unmont
from zk.kernels.field import ext_product, ext_reciprocal
from zk.kernels.lanes import add, load, load_long, load_word, scalar_add, splat, store, store_word
from zk.kernels.opcodes import ASSERT, NEXT
from zk.kernels.simd import P
from zk.kernels.vm import (
    BLOCK,
    Challenges,
    Run,
    empty,
    groups_of,
    padded_selectors,
    row_blocks,
    run_block,
    values_of,
    widen,
)


@kernel
def weighted(num, fp, unit, size, out):  # type: ignore[no-untyped-def]
    """out = num fp of sixteen rows (rows of num and fp `size` bytes apart, of out 64). unit: num is one."""
    if unit:
        for k in range(5):
            store(out + k * 64, load(fp + k * size))
    else:
        ext_product(num, size, fp, size, out, 64)


@kernel
def _fractions(p, work, extra, row, vectors, out, out_step):  # type: ignore[no-untyped-def]
    """h of all groups for one block. extra: bases (64 bytes), then per group three extension vectors, then one."""
    run_block(p, extra, work, 0, row, vectors)
    _, fp, num, size = values_of(p, work)
    groups, count = groups_of(p)
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
                weighted(ni, fj, units & 1, size, place + 320)
                weighted(nj, fi, units & 2, size, held)
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
        store_word(dst + r * 4, total)
        total = scalar_add(total, x)


def _reads_next(ops: npt.NDArray[np.int32]) -> bool:
    operands = np.concatenate([ops[:, 2], ops[ops[:, 0] < ASSERT, 3]])  # b is an operand of ADD, SUB and MUL alone
    return bool((operands >> 24 == NEXT).any())


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
        main = widen(main, rows)
    selectors = None if selectors is None else padded_selectors(selectors, rows)
    run = Run(ops, consts, main, selectors, challenges, groups, [])
    whole, blocks = row_blocks(rows)
    count = len(run.groups)
    direct = out is not None and rows % 16 == 0
    target = check(out, (count, 5, None), "out") if out is not None and direct else empty(count, 5, whole)
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
        h = widen(h, n)[:, :, :-1]
    whole = h.shape[2]
    sums, out = empty(5, whole), empty(5, whole)
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
