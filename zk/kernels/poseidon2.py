"""Poseidon2 in compiled form: sixteen permutations at a time, one per lane, and one at a time for sponge chains.

Slow twin: zk/poseidon2.py. All values are Montgomery words. Column order of a permutation's trace (144 + R_P columns):
in[16] (before the initial linear layer); the state after each of the first four full rounds; the S-box output of lane 0 in each
partial round; the state after each of the last four full rounds, whose last sixteen are the output.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]

from zk import poseidon2 as slow
from zk.kernels import simd as S
from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import THREADS, U32, address, check, mont_array, scratch
from zk.kernels.lanes import ext_intrinsic, load, load_byte, load_long, load_word, store, store_word

_HALVES = {3: 1, 9: 8, 10: 3, 11: 24}  # lane -> k where D = 2^-k
_NEGATIVE_HALVES = {6: 1, 12: 8, 13: 3, 14: 4, 15: 24}  # D = -2^-k


def _ir_external(b: Any, x: list[Any]) -> list[Any]:
    def add(p: Any, q: Any) -> Any:
        return S.ir_add(b, p, q)

    y: list[Any] = []
    for k in range(0, 16, 4):
        x0, x1, x2, x3 = x[k : k + 4]
        t01, t23 = add(x0, x1), add(x2, x3)
        total = add(t01, t23)
        t1, t3 = add(total, x1), add(total, x3)
        y += [add(t1, t01), add(t1, add(x2, x2)), add(t3, t23), add(t3, add(x0, x0))]
    sums = [add(add(y[i], y[i + 4]), add(y[i + 8], y[i + 12])) for i in range(4)]
    return [add(value, sums[i % 4]) for i, value in enumerate(y)]


def _ir_times_diagonal(b: Any, lane: int, x: Any) -> tuple[Any, bool]:
    """(|D[lane]| x, sign is minus)."""
    if lane in _HALVES:
        return S.ir_halve(b, x, _HALVES[lane]), False
    if lane in _NEGATIVE_HALVES:
        return S.ir_halve(b, x, _NEGATIVE_HALVES[lane]), True
    factor = {0: -2, 1: 1, 2: 2, 4: 3, 5: 4, 7: -3, 8: -4}[lane]
    double = S.ir_add(b, x, x) if abs(factor) > 1 else x
    if abs(factor) == 3:
        double = S.ir_add(b, double, x)
    if abs(factor) == 4:
        double = S.ir_add(b, double, double)
    return double, factor < 0


def _at(b: Any, base: Any, k: int, step: int = 64) -> Any:
    return b.add(base, S.i64(step * k))


def _write_external(b: Any, state: Any) -> None:
    for k, x in enumerate(_ir_external(b, [S.ir_load(b, _at(b, state, k), 64) for k in range(16)])):
        S.ir_store(b, _at(b, state, k), x, 64)


def _write_full_round(b: Any, state: Any, constants: Any) -> None:
    x = []
    for k in range(16):
        v = S.ir_add(b, S.ir_load(b, _at(b, state, k), 64), S.ir_load_splat(b, _at(b, constants, k, 4)))
        x.append(S.ir_mul(b, S.ir_mul(b, v, v), v))
    for k, v in enumerate(_ir_external(b, x)):
        S.ir_store(b, _at(b, state, k), v, 64)


def _write_partial_rounds(b: Any, state: Any, constants: Any, count: Any, out: Any, step: Any) -> None:
    """All partial rounds; S-box output k goes to out + k * step."""
    cells = [S.ir_variable(b, S.IRV16) for _ in range(16)]
    for k, cell in enumerate(cells):
        b.store(S.ir_load(b, _at(b, state, k), 64), cell)
    with S.ir_for(b, count) as loop:
        x = [b.load(cell) for cell in cells]
        v = S.ir_add(b, x[0], S.ir_load_splat(b, b.add(constants, b.shl(loop.index, S.i64(2)))))
        x[0] = S.ir_mul(b, S.ir_mul(b, v, v), v)
        S.ir_store(b, b.add(out, b.mul(loop.index, step)), x[0])
        layer = x[1:]
        while len(layer) > 1:
            layer = [S.ir_add(b, *layer[i : i + 2]) if i + 1 < len(layer) else layer[i] for i in range(0, len(layer), 2)]
        total = S.ir_add(b, layer[0], x[0])
        for lane, cell in enumerate(cells):
            term, minus = _ir_times_diagonal(b, lane, x[lane])
            b.store(S.ir_sub(b, total, term) if minus else S.ir_add(b, total, term), cell)
    for k, cell in enumerate(cells):
        S.ir_store(b, _at(b, state, k), b.load(cell), 64)


_external = ext_intrinsic(_write_external, 1)
_full_round = ext_intrinsic(_write_full_round, 2)
_partial_rounds = ext_intrinsic(_write_partial_rounds, 5)


@kernel
def _rows(src, src_step, out, out_step, begin, end, full, partial, partial_count, state, trace):  # type: ignore[no-untyped-def]
    """Permute rows begin..end (a multiple of 16 of them). trace != 0: out gets all columns, else the sixteen outputs."""
    sbox = state + 1024
    for row in range(begin, end, 16):
        place = out + row * 4
        for k in range(16):
            x = load(src + k * src_step + row * 4)
            store(state + k * 64, x)
            if trace:
                store(place + k * out_step, x)
        place += 16 * out_step
        _external(state)
        for r in range(8):
            if r == 4:
                if trace:
                    _partial_rounds(state, partial, partial_count, place, out_step)
                    place += partial_count * out_step
                else:
                    _partial_rounds(state, partial, partial_count, sbox, 0)
            _full_round(state, full + r * 64)
            if trace:
                for k in range(16):
                    store(place + k * out_step, load(state + k * 64))
                place += 16 * out_step
        if not trace:
            for k in range(16):
                store(out + row * 4 + k * out_step, load(state + k * 64))


def _ir_turn(b: Any, x: Any, by: int, block: int) -> Any:
    """Rotate lanes left within blocks."""
    return S.ir_shuffle(b, x, x, [k // block * block + (k + by) % block for k in range(16)])


def _ir_external_one(b: Any, x: Any) -> Any:
    """The external layer on one state in one register."""
    turned = _ir_turn(b, x, 1, 4)
    pair = S.ir_add(b, x, turned)
    total = S.ir_add(b, pair, _ir_turn(b, pair, 2, 4))
    y = S.ir_add(b, S.ir_add(b, total, pair), turned)
    half = S.ir_add(b, y, _ir_turn(b, y, 4, 16))
    return S.ir_add(b, y, S.ir_add(b, half, _ir_turn(b, half, 8, 16)))


def _first(b: Any, x: Any) -> Any:
    return b.zext(S.ir_lane(b, x, 0), S.I64)


def _lane_sum(b: Any, x: Any) -> Any:
    """Sum of sixteen lanes, below 2^35, not reduced."""
    wide = b.add(S.ir_even(b, x), S.ir_odd(b, x))
    for by in (4, 2, 1):
        turned = ir.Constant(ir.VectorType(S.I32, 8), [(k + by) % 8 for k in range(8)])
        wide = b.add(wide, b.shuffle_vector(wide, wide, turned))
    return b.extract_element(wide, ir.Constant(S.I32, 0))


def _cube(b: Any, x: Any) -> Any:
    """x^3 for a scalar; the square stays below 2p, which the second product has room for."""
    return S.ir_scalar_mul(b, S.ir_scalar_reduce_lazy(b, b.mul(x, x)), x)


def _single(states: int) -> Any:
    """Intrinsic (state, full, partial, count, diagonal): `states` permutations, each of sixteen consecutive words, in place.

    One permutation waits for its own results most of the time; several independent ones, step by step, fill that time.
    diagonal: D with lane 0 zeroed; partial: the rounds' constants, then a zero. In the partial rounds lane 0 is a scalar c; the other
    lanes' sum S is kept one round ahead, as sum(D v) + 15 (c + S), so that only the cube is on the critical path. D[0] = -2, so the next
    lane 0 is S - c; what is kept of it has the next round's constant added.
    """

    def write(b: Any, state: Any, full: Any, partial: Any, count: Any, diagonal: Any) -> None:
        cells = [S.ir_variable(b, S.IRV16) for _ in range(states)]
        heads, rests = ([S.ir_variable(b, S.I64) for _ in range(states)] for _ in range(2))
        for k, cell in enumerate(cells):
            b.store(_ir_external_one(b, S.ir_load(b, _at(b, state, k))), cell)

        def full_rounds(base: Any) -> None:
            with S.ir_for(b, S.i64(4)) as loop:
                constants = S.ir_load(b, b.add(base, b.shl(loop.index, S.i64(6))))
                for cell in cells:
                    v = S.ir_add(b, b.load(cell), constants)
                    b.store(_ir_external_one(b, S.ir_mul(b, S.ir_mul(b, v, v), v)), cell)

        def constant(index: Any) -> Any:
            return b.zext(b.load(S.ir_ptr(b, b.add(partial, b.shl(index, S.i64(2))), S.I32)), S.I64)

        full_rounds(full)
        d = S.ir_load(b, diagonal)
        zero = S.ir_shuffle(b, S.c32(0), S.c32(_LOW_MASK), [0] + [16 + k for k in range(1, 16)])
        for cell, head, rest in zip(cells, heads, rests, strict=True):
            start = b.load(cell)
            others = b.and_(start, zero)
            b.store(S.ir_scalar_add(b, _first(b, start), constant(S.i64(0))), head)
            b.store(S.ir_scalar_small(b, _lane_sum(b, others)), rest)
            b.store(others, cell)
        with S.ir_for(b, count) as loop:
            then = constant(b.add(loop.index, S.i64(1)))
            for cell, head, rest in zip(cells, heads, rests, strict=True):
                v, s = b.load(cell), b.load(rest)
                c = _cube(b, b.load(head))
                total = S.ir_scalar_add(b, c, s)
                product = S.ir_mul(b, v, d)
                b.store(S.ir_scalar_sub(b, S.ir_scalar_add(b, s, then), c), head)
                b.store(S.ir_scalar_small(b, b.add(_lane_sum(b, product), b.mul(total, S.i64(15)))), rest)
                b.store(b.and_(S.ir_add(b, product, S.ir_splat(b, b.trunc(total, S.I32))), zero), cell)
        for cell, head in zip(cells, heads, strict=True):
            b.store(S.ir_set_lane(b, b.load(cell), 0, b.trunc(b.load(head), S.I32)), cell)
        full_rounds(b.add(full, S.i64(256)))
        for k, cell in enumerate(cells):
            S.ir_store(b, _at(b, state, k), b.load(cell))

    return ext_intrinsic(write, 5)


_LOW_MASK = 0xFFFFFFFF
_ABREAST = 4
_one, _four = _single(1), _single(_ABREAST)


@kernel
def _absorb(messages, message_step, row, capacity, inputs, input_step, state):  # type: ignore[no-untyped-def]
    """The permutation's input of one row, to `state` and to the row of `inputs`."""
    for k in range(8):
        store_word(state + k * 4, load_word(messages + k * message_step + row * 4))
        store_word(state + 32 + k * 4, load_word(capacity + k * 4))
    for k in range(16):
        store_word(inputs + k * input_step + row * 4, load_word(state + k * 4))


@kernel
def _keep(branch, row, state, capacity):  # type: ignore[no-untyped-def]
    """The capacity for the row after `row`."""
    if load_byte(branch + row) == 0:
        for k in range(8):
            store_word(capacity + k * 4, load_word(state + 32 + k * 4))


@kernel
def _chain(messages, message_step, first, length, capacity, branch, inputs, input_step, state, full, partial, count, diagonal):  # type: ignore[no-untyped-def]
    """One chain of rows first .. first + length - 1; the last output is left in state. capacity: 8 words, overwritten."""
    for row in range(first, first + length):
        _absorb(messages, message_step, row, capacity, inputs, input_step, state)
        _one(state, full, partial, count, diagonal)
        _keep(branch, row, state, capacity)


@kernel
def _four_chains(messages, message_step, starts, length, capacity, branch, inputs, input_step, state, full, partial, count, diagonal):  # type: ignore[no-untyped-def]
    """The first `length` rows of four chains in step. starts: four first rows; capacity, state: four of them, one after another."""
    for k in range(length):
        for c in range(4):
            row = load_long(starts + c * 8) + k
            _absorb(messages, message_step, row, capacity + c * 32, inputs, input_step, state + c * 64)
        _four(state, full, partial, count, diagonal)
        for c in range(4):
            _keep(branch, load_long(starts + c * 8) + k, state + c * 64, capacity + c * 32)


@lru_cache(maxsize=4)
def _constants(partial_rounds: int) -> tuple[U32, U32, U32]:
    """(8, 16) full-round constants, partial-round constants and a zero, diagonal with lane 0 zeroed; Montgomery."""
    first, partial, last = slow.round_constants(partial_rounds)
    return mont_array(first + last), mont_array([*partial, 0]), mont_array((0, *slow.DIAGONAL[1:]))


def _run_rows(inputs: U32, out: U32, partial_rounds: int, trace: int) -> None:
    n = inputs.shape[1]
    full, partial, _ = _constants(partial_rounds)

    def run(begin: int, end: int, thread: int) -> None:
        _rows(
            address(inputs), inputs.strides[0], address(out), out.strides[0], begin, end, address(full),
            address(partial), partial_rounds, scratch("poseidon2", thread, 17 * 16), trace,
        )  # fmt: skip

    parallel_for(run, n, 4096)


def _padded(inputs: U32) -> U32:
    """A copy with the number of rows rounded up to a multiple of 16."""
    held = np.zeros((16, -(-inputs.shape[1] // 16) * 16), dtype=np.uint32)
    held[:, : inputs.shape[1]] = inputs
    return held


def permute_batch(states: U32, partial_rounds: int = slow.PARTIAL_ROUNDS) -> U32:
    """Permute every column of (16, n) Montgomery words. Returns a new (16, n) array."""
    check(states, (16, None), "states")
    n = states.shape[1]
    source = states if n % 16 == 0 else _padded(states)
    out = np.empty(source.shape, dtype=np.uint32)
    _run_rows(source, out, partial_rounds, 0)
    return out[:, :n]


def fill_trace(inputs: U32, out: U32 | None = None, partial_rounds: int = slow.PARTIAL_ROUNDS) -> U32:
    """All columns of the permutation's rows.

    Arguments:
        inputs: (16, n) Montgomery, before the initial linear layer.
        out: (144 + R_P, >= n) destination, rows contiguous, or None to allocate; cells beyond n are left alone.
    Returns: out, in the column order of the module's docstring.
    """
    check(inputs, (16, None), "inputs")
    n, columns = inputs.shape[1], 144 + partial_rounds
    out = np.empty((columns, n), dtype=np.uint32) if out is None else check(out, (columns, None), "out")
    if out.shape[1] < n:
        raise ValueError("out has fewer columns than there are rows")
    if n % 16 == 0:
        _run_rows(inputs, out, partial_rounds, 1)
        return out
    source = _padded(inputs)
    held = np.empty((columns, source.shape[1]), dtype=np.uint32)
    _run_rows(source, held, partial_rounds, 1)
    out[:, :n] = held[:, :n]
    return out


def sponge_chains(
    messages: U32,
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    initial_capacity: U32,
    branch: npt.NDArray[np.uint8] | None = None,
    partial_rounds: int = slow.PARTIAL_ROUNDS,
) -> tuple[U32, U32]:
    """Permutation inputs of sponges in overwrite mode, rate 8, capacity 8.

    Row r of a chain has input lanes 0..7 = messages[:, r] and lanes 8..15 = the capacity: the initial one on the chain's first
    row, else lanes 8..15 of row r - 1's output, or of row r - 1's *input* where branch[r - 1] != 0 (row r - 1 squeezed a copy).

    Arguments:
        messages: (8, n) Montgomery.
        starts, lengths: int64, one pair per chain, disjoint ranges within [0, n).
        initial_capacity: (8,) for all chains or (8, chains).
        branch: (n,) uint8 or None for no branch rows.
    Returns: inputs (16, n), zero outside the chains, and heads (16, chains): the output of each chain's last row.
    """
    check(messages, (8, None), "messages")
    n, chains = messages.shape[1], len(starts)
    starts, lengths = np.asarray(starts, dtype=np.int64), np.asarray(lengths, dtype=np.int64)
    if starts.shape != lengths.shape or np.any(starts < 0) or np.any(lengths < 1) or np.any(starts + lengths > n):
        raise ValueError("chains must be non-empty ranges of rows")
    order = np.argsort(starts)
    if np.any(starts[order][1:] < (starts + lengths)[order][:-1]):
        raise ValueError("chains overlap")
    flags = np.zeros(n, dtype=np.uint8) if branch is None else np.ascontiguousarray(branch, dtype=np.uint8)
    if flags.shape != (n,):
        raise ValueError("branch: one flag per row expected")
    first = np.asarray(initial_capacity, dtype=np.uint32).reshape(8, -1)
    longest_first = np.argsort(-lengths, kind="stable")
    starts, lengths = np.ascontiguousarray(starts[longest_first]), lengths[longest_first]
    capacities = np.ascontiguousarray(np.broadcast_to(first, (8, chains)).T[longest_first])
    inputs = np.zeros((16, n), dtype=np.uint32)
    heads = np.zeros((chains, 16), dtype=np.uint32)
    full, partial, diagonal = _constants(partial_rounds)

    def call(kernel: Any, start: int, length: int, c: int) -> None:
        kernel(
            address(messages), messages.strides[0], start, length, address(capacities) + 32 * c, address(flags),
            address(inputs), inputs.strides[0], address(heads) + 64 * c, address(full), address(partial), partial_rounds,
            address(diagonal),
        )  # fmt: skip

    def run(begin: int, end: int, thread: int) -> None:
        common = int(lengths[end - 1]) if end - begin == _ABREAST else 0
        if common:
            call(_four_chains, address(starts) + 8 * begin, common, begin)
        for c in range(begin, end):
            if lengths[c] > common:
                call(_chain, int(starts[c]) + common, int(lengths[c]) - common, c)

    parallel_for(run, chains, _ABREAST if chains >= _ABREAST * THREADS else 1)
    found = np.empty((16, chains), dtype=np.uint32)
    found[:, longest_first] = heads.T
    return inputs, found
