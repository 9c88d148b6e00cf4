"""Warm-up: every compiled kernel runs once, on the smallest input that reaches it."""

import fcntl

import numpy as np

from zk.kernels import deep, field, hashing, logup, ntt, poseidon2, quotient, salted, vm
from zk.kernels._jit import jit_seconds
from zk.kernels._memory import THREADS
from zk.kernels._objects import CACHE_FOLDER
from zk.kernels.opcodes import COL, MSG, NUM, operand

_warm = False


def warm_up() -> float:
    """Compile, or load from the cache, every kernel by running each on a tiny input. Returns seconds spent compiling."""
    global _warm
    before = jit_seconds()
    if not _warm:
        _run_all()
        _warm = True
    return jit_seconds() - before


def compile_once() -> None:
    """Have all kernels in the cache; of several processes on one machine, one compiles and the others wait for it."""
    done = CACHE_FOLDER / "compiled"
    if not done.exists():
        with open(CACHE_FOLDER / "compiling", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            warm_up()
            done.touch()


def _run_all() -> None:
    ones = np.ones((2, 256), dtype=np.uint32)
    field.from_mont(field.to_mont(ones))
    field.batch_inverse(ones[0])
    ext = np.ones((5, 256), dtype=np.uint32)
    field.ext_mul(field.ext_batch_inverse(ext), ext)
    field.ext_powers((0, 1, 0, 0, 0), 32)
    small = np.ones((1, 8), dtype=np.uint32)
    ntt.lde(ntt.interpolate(small), 3, 1)
    coeffs = np.ones((2, 272), dtype=np.uint32)
    ntt.interpolate(ones)
    matrix = ntt.lde(coeffs, 8, 1)
    hashing.merkle_commit(matrix, 256, 1, np.zeros((4, 512), dtype=np.uint32))
    hashing.grind(bytes(32), 1)
    nothing = np.zeros((6, 1), dtype=np.uint32)
    salted.salted_roots(bytes(23), bytes(32), 2, [1], nothing, nothing)
    poseidon2.fill_trace(np.ones((16, 16), dtype=np.uint32))
    capacity = np.zeros(8, dtype=np.uint32)
    for chains in (1, 4 * THREADS):
        poseidon2.sponge_chains(np.ones((8, chains), dtype=np.uint32), np.arange(chains), np.full(chains, 1), capacity)
    ops = np.array([[MSG, 0, operand(COL, 0), 0], [NUM, 0, operand(COL, 0), 0]], dtype=np.int32)
    challenges = vm.Challenges((0, 1, 0, 0, 0), [[1, 0, 0, 0, 0]])
    trace = np.ones((1, 1, 32), dtype=np.uint32)
    logup.accumulate(logup.fractions(ops, capacity, trace, 16, challenges, [(0, -1)]), (0,) * 5)
    selectors = np.zeros((3, 1, 16), dtype=np.uint32)
    wide = np.ones((5, 1, 32), dtype=np.uint32)
    coefs = [[1, 0, 0, 0, 0]]
    quotient.quotient_values(ops, capacity, trace, wide, selectors, 16, [1], challenges, [(0, -1)], coefs, (0,) * 5)
    quotient.quotient_coefficients(np.ones((1, 2, 16), dtype=np.uint32), np.ones((1, 16), dtype=np.uint32), 4, 2)
    deep.linear_combination(ones, np.ones((2, 5), dtype=np.int64), 16)
    deep.dot_rows(ones, ext)
    deep.add_quotients(np.ones((5, 2, 16), dtype=np.uint32), (0, 1, 0, 0, 0), 4, 1, np.ones((5, 2, 16), dtype=np.uint32))
    field.scale(ones, ones[0])
    deep.fold8(np.ones((5, 1, 128), dtype=np.uint32), (0, 1, 0, 0, 0), 3)
