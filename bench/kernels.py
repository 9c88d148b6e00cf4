"""Timings of the prover's kernels: `python -m bench.kernels [log2 rows] [columns]`.

Random data of the shape of a real proof (blow-up 4); the results' correctness is the tests' business. Prints the best of three.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from zk.kernels import _jit, deep, field, hashing, logup, ntt, poseidon2, quotient, vm
from zk.kernels.opcodes import ADD, ASSERT, COL, CONST, MSG, MUL, NEXT, NUM, REG, SUB, operand
from zk.kernels.warmup import warm_up

Row = tuple[str, float, str]


def best(name: str, detail: str, function: Callable[[], Any], repeat: int = 3) -> Row:
    """Best wall time of a call."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    print(f"{name:24} {min(times) * 1e3:9.1f} ms   {detail}", flush=True)
    return name, min(times), detail


def program(columns: int, ops: int, interactions: int, rng: np.random.Generator) -> tuple[Any, int]:
    """A random program with the proportions of a permutation table: (ops, number of assertions)."""
    table, assertions, registers = [], 0, 64
    for r in range(registers):
        table.append([ADD, r, operand(COL, r % columns), operand(COL, (r + 1) % columns)])
    for i in range(interactions):
        table += [[MSG, i, operand(COL, (i + k) % columns), k % 3] for k in range(2)]
        table.append([NUM, i, operand(CONST, 0), 0])
    while len(table) < ops:
        kind = int(rng.integers(0, 12))
        a, b, d = (int(x) for x in rng.integers(0, registers, 3))
        if kind == 0:
            table.append([ASSERT, 0, operand(REG, a), assertions])
            assertions += 1
        else:
            code = MUL if kind < 4 else SUB if kind < 6 else ADD
            left = operand(REG, a) if kind < 9 else operand(NEXT if kind == 9 else COL, a * 3 % columns)
            table.append([code, d, left, operand(CONST, b) if kind == 5 else operand(REG, b)])
    return np.array(table, dtype=np.int32), assertions


def main(log_rows: int = 18, columns: int = 244) -> list[Row]:
    """Run every benchmark and print a line for each."""
    rng = np.random.default_rng(0)
    n, groups = 1 << log_rows, 16
    print(f"compile {warm_up():.1f} s, threads {_jit.THREADS}, rows 2^{log_rows}, columns {columns}, blow-up 4")
    rows: list[Row] = []
    values = rng.integers(0, ntt.P, (columns, n), dtype=np.uint32)
    coeffs = np.zeros((columns, n + 528), dtype=np.uint32)
    matrix = ntt.alloc_lde(columns, 4, n)
    rows.append(best("interpolate", "", lambda: ntt.interpolate(values, coeffs[:, :n])))
    rows.append(best("lde", "4 cosets, tail 528", lambda: ntt.lde(coeffs, log_rows, 2, matrix)))
    salts = rng.integers(0, 2**32, (4, 4 * n), dtype=np.uint32)
    rows.append(best("merkle_commit", f"2^{log_rows + 2} leaves", lambda: hashing.merkle_commit(matrix, n, 1, salts)))
    states = values[:16].copy()
    trace = np.zeros((180, n), dtype=np.uint32)
    rows.append(best("poseidon2.fill_trace", "180 columns", lambda: poseidon2.fill_trace(states, trace)))
    for chains in (1, 2, 64):
        length = n // chains
        starts, lengths = np.arange(chains) * length, np.full(chains, length)
        rows.append(best("sponge_chains", f"{chains} chains", lambda s=starts, k=lengths: poseidon2.sponge_chains(
            states[:8], s, k, states[:8, 0])))  # type: ignore[misc]
    ops, assertions = program(columns, 3500, 2 * groups, rng)
    consts = rng.integers(0, ntt.P, 64, dtype=np.uint32)
    challenges = vm.Challenges(rng.integers(0, ntt.P, 5), rng.integers(0, ntt.P, (3, 5)))
    pairs = [(2 * g, 2 * g + 1) for g in range(groups)]
    few = vm.interactions_only(ops)
    main_trace = matrix[:, :1]
    h = logup.fractions(few, consts, main_trace, n, challenges, pairs)
    rows.append(best("fractions", f"{groups} pairs", lambda: logup.fractions(few, consts, main_trace, n, challenges, pairs, None, h)))
    rows.append(best("accumulate", "", lambda: logup.accumulate(h, (1, 2, 3, 4, 5))))
    aux = ntt.alloc_lde(5 * groups, 4, n)
    aux[:] = 12345
    selectors = rng.integers(0, ntt.P, (3, 4, n), dtype=np.uint32)
    coefs = rng.integers(0, ntt.P, (assertions + groups, 5))
    rows.append(best("quotient", f"{len(ops)} ops, {assertions} assertions, {groups} pairs, 2 cosets", lambda: quotient.quotient_values(
        ops, consts, matrix, aux, selectors, n, [1, 1], challenges, pairs, coefs, (1, 2, 3, 4, 5))))
    alone = [(0, -1)]
    bare = ops[ops[:, 0] < MSG]
    rows.append(best("quotient, no lookups", f"{len(bare)} ops", lambda: quotient.quotient_values(
        bare, consts, matrix, aux[:5], selectors, n, [1, 1], challenges, alone, coefs[:assertions + 1], (1, 2, 3, 4, 5))))
    zeta = (1, 2, 3, 4, 5)
    factors = rng.integers(0, ntt.P, (columns, 5))

    def combine() -> None:
        for j in range(4):
            deep.linear_combination(matrix[:, j], factors, n)

    rows.append(best("linear_combination", "4 cosets", combine))
    weights = field.ext_powers(zeta, n + 528)
    rows.append(best("ext_powers", "", lambda: field.ext_powers(zeta, n + 528)))
    rows.append(best("dot_rows", "out-of-domain, one point", lambda: deep.dot_rows(coeffs, weights)))
    rows.append(best("inverse_differences", "4 cosets", lambda: deep.inverse_differences(zeta, log_rows, 2)))
    layer = rng.integers(0, ntt.P, (5, 4, n), dtype=np.uint32)
    rows.append(best("fold8", "", lambda: deep.fold8(layer, zeta, 3)))
    rows.append(best("merkle_commit_fri", "", lambda: hashing.merkle_commit_fri(layer, 16)))
    rows.append(best("ext_mul", f"2^{log_rows + 2}", lambda: field.ext_mul(layer.reshape(5, -1), layer.reshape(5, -1))))
    rows.append(best("grind", "20 bits, one state", lambda: hashing.grind(bytes(range(32)), 20)))
    return rows


if __name__ == "__main__":
    main(*(int(x) for x in sys.argv[1:]))
