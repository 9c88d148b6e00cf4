"""The compression function of SHA-256 (FIPS 180-4), sixteen messages at a time, one per vector lane.

A round waits for the one before, so that the units of a processor stand idle; two batches of sixteen side by side fill them.
Memory of a batch: state, 8 vectors, 512 bytes after the batch before; message block, 16 vectors, 1,024 bytes after.

Slow twin: tests/zk/kernels/test_hashing.py (hashlib).
"""

from typing import Any

import numpy as np

from zk.kernels import simd as S
from zk.kernels.lanes import ext_intrinsic

__all__ = ["INITIAL", "ROUND", "compress", "compress2"]


def _fractional_root_words(power: int, count: int) -> list[int]:
    """First 32 fractional bits of the power-th roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3)."""
    primes: list[int] = []
    candidate = 2
    while len(primes) < count:
        if all(candidate % q for q in primes):
            primes.append(candidate)
        candidate += 1
    words = []
    for prime in primes:
        scaled = prime << (32 * power)
        low, high = 0, 1 << 42
        while high - low > 1:  # integer root
            middle = (low + high) // 2
            low, high = (middle, high) if middle**power <= scaled else (low, middle)
        words.append(low & 0xFFFFFFFF)
    return words


INITIAL = np.array(_fractional_root_words(2, 8), dtype=np.uint32)
ROUND = np.array(_fractional_root_words(3, 64), dtype=np.uint32)


def _xor(b: Any, *terms: Any) -> Any:
    total = terms[0]
    for term in terms[1:]:
        total = b.xor(total, term)
    return total


def _round(b: Any, state: list[Any], word: Any, constant: Any) -> list[Any]:
    """One round on a batch's eight vectors."""
    rot = S.ir_rotr
    a, bb, c, d, e, f, g, h = state
    s1 = _xor(b, rot(b, e, 6), rot(b, e, 11), rot(b, e, 25))
    choice = b.xor(g, b.and_(e, b.xor(f, g)))
    t1 = b.add(b.add(b.add(h, s1), choice), b.add(word, constant))
    s0 = _xor(b, rot(b, a, 2), rot(b, a, 13), rot(b, a, 22))
    majority = b.or_(b.and_(a, bb), b.and_(c, b.or_(a, bb)))
    return [b.add(t1, b.add(s0, majority)), a, bb, c, b.add(d, t1), e, f, g]


def _scheduled(b: Any, w: Any, after1: Any, after9: Any, after14: Any) -> Any:
    """The message word sixteen rounds after w, from those 1, 9 and 14 rounds after it."""
    rot = S.ir_rotr
    low = _xor(b, rot(b, after1, 7), rot(b, after1, 18), b.lshr(after1, S.c32(3)))
    high = _xor(b, rot(b, after14, 17), rot(b, after14, 19), b.lshr(after14, S.c32(10)))
    return b.add(b.add(w, low), b.add(after9, high))


def _compression(batches: int) -> Any:
    """Intrinsic (state, message, constants): one compression of each batch; messages are overwritten. constants: ROUND's address."""

    def write(b: Any, state: Any, message: Any, constants: Any) -> None:
        def place(base: Any, batch: int, size: int, k: int) -> Any:
            return b.add(base, S.i64(batch * size + 64 * k))

        start = [[S.ir_load(b, place(state, q, 512, k), 64) for k in range(8)] for q in range(batches)]
        cells = [[S.ir_variable(b, S.IRV16) for _ in range(8)] for _ in range(batches)]

        def keep(states: list[list[Any]]) -> None:
            for row, values in zip(cells, states, strict=True):
                for cell, value in zip(row, values, strict=True):
                    b.store(value, cell)

        def sixteen_rounds(index: Any, schedule: bool) -> None:
            states = [[b.load(cell) for cell in row] for row in cells]
            base = b.add(constants, b.shl(index, S.i64(6)))

            def word(q: int, k: int) -> Any:  # where it is used: two batches and their words are more than the registers hold
                return S.ir_load(b, place(message, q, 1024, k % 16), 64)

            for k in range(16):
                constant = S.ir_load_splat(b, b.add(base, S.i64(4 * k)))
                for q in range(batches):
                    states[q] = _round(b, states[q], word(q, k), constant)
                    if schedule:  # words k + 1 and on are still of this group
                        later = _scheduled(b, *(word(q, k + after) for after in (0, 1, 9, 14)))
                        S.ir_store(b, place(message, q, 1024, k), later, 64)
            keep(states)

        keep(start)
        with S.ir_for(b, S.i64(3)) as loop:
            sixteen_rounds(loop.index, True)
        sixteen_rounds(S.i64(3), False)
        for q in range(batches):
            for k in range(8):
                S.ir_store(b, place(state, q, 512, k), b.add(start[q][k], b.load(cells[q][k])), 64)

    return ext_intrinsic(write, 3)


compress, compress2 = _compression(1), _compression(2)
