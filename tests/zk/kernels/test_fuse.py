"""Fused programs say the same as what they were made of: both run on plain integers."""

from typing import Any

import numpy as np
import pytest

from circuits.claim import claim_program
from zk.kernels.fuse import fuse
from zk.kernels.opcodes import (
    ADD,
    ADD3,
    ADD4,
    ASSERT,
    COL,
    CONST,
    CUBE,
    DIFF,
    INDEX_MASK,
    MADD,
    MSG,
    MUL,
    NUM,
    REG,
    SUB,
    operand,
)
from zk.prover import _kernel_program

P = 2**31 - 2**24 + 1
Seen = list[tuple[int, int, int, int]]


def run(ops: Any, cells: dict[int, int], registers: int) -> Seen:
    """What ASSERT, DIFF, MSG and NUM add, in order: (ASSERT, 0, coefficient, value) or (code, dst, coefficient, value)."""
    held: list[int | None] = [None] * registers
    seen: Seen = []

    def value(x: int) -> int:
        found = held[x & INDEX_MASK] if x >> 24 == REG else cells[x]
        assert found is not None, "a register is read before it is written"
        return found

    for code, dst, a, b, *rest in ops.tolist():
        if code == DIFF:
            seen.append((ASSERT, 0, dst, (value(a) - value(b)) % P))
        elif code in (ASSERT, MSG, NUM):
            seen.append((code, dst, b, value(a) % P))
        elif code == MADD:
            held[dst] = (value(rest[0]) + value(a) * cells[operand(CONST, b)]) % P
        elif code == CUBE:
            held[dst] = pow(value(a) + value(b), 3, P)
        elif code in (ADD3, ADD4):
            held[dst] = sum(value(x) for x in (a, b, *rest)[: code - ADD3 + 3]) % P
        else:
            x, y = value(a), value(b)
            held[dst] = (x + y if code == ADD else x - y if code == SUB else x * y) % P
    return seen


def random_program(rng: np.random.Generator) -> Any:
    """Operations in the shapes that are fused and in shapes that only resemble them."""
    ops: list[list[int]] = [[ADD, r, operand(COL, r), operand(COL, r + 1)] for r in range(12)]
    assertions = 0

    def pick() -> int:
        kind = int(rng.choice([REG, REG, REG, COL, CONST]))
        return operand(kind, int(rng.integers(0, 12 if kind == REG else 8)))

    for _ in range(120):
        r, s, t = (int(x) for x in rng.permutation(12)[:3])
        shape = int(rng.integers(0, 8))
        if shape == 0:  # a cube, of a sum with a constant or of anything
            ops += [[ADD, r, pick(), pick()], [MUL, s, r, r], [MUL, t, *rng.permutation([s, r])]]
        elif shape == 1:
            ops += [[MUL, r, *rng.permutation([operand(CONST, s % 8), t])], [ADD, s, *rng.permutation([r, t])]]
        elif shape == 2:
            ops += [[ADD, r, pick(), pick()], [ADD, s, r, pick()], [ADD, t, pick(), s]]
        elif shape == 3:
            ops += [[SUB, r, pick(), pick()], [ASSERT, 0, r, assertions]]
            assertions += 1
        elif shape == 4:
            ops.append([ASSERT, 0, pick(), assertions])
            assertions += 1
        elif shape == 5:
            ops.append([int(rng.choice([MSG, NUM])), int(rng.integers(0, 3)), pick(), int(rng.integers(0, 3))])
        else:
            ops.append([int(rng.choice([ADD, SUB, MUL])), r, pick(), pick()])
    for r in range(12):
        ops.append([ASSERT, 0, r, assertions + r])
    return np.array([[int(x) for x in row] for row in ops], dtype=np.int32)


@pytest.mark.parametrize("seed", range(60))
def test_a_fused_program_says_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ops = random_program(rng)
    cells = {operand(kind, k): int(rng.integers(0, P)) for kind in (COL, CONST) for k in range(13)}
    fused, registers = fuse(ops)
    assert run(fused, cells, registers) == run(ops, cells, 12)


def test_the_claims_program_is_fused_to_less_than_two_thirds() -> None:
    program = claim_program()
    rng = np.random.default_rng(1)
    ops, consts = _kernel_program(program, [int(x) for x in rng.integers(0, P, program.n_publics)])
    fused, registers = fuse(ops)
    kinds = set(fused[:, 0].tolist())
    assert kinds >= {MADD, CUBE, ADD3, ADD4, DIFF} and len(fused) * 3 < len(ops) * 2
    cells = {operand(kind, k): int(rng.integers(0, P)) for kind in range(1, 5) for k in range(max(300, len(consts)))}
    assert run(fused, cells, registers) == run(ops, cells, program.n_registers)


def test_what_is_used_elsewhere_too_stays() -> None:
    """x = a + K, cubed, and once more in an assertion: x has to be computed."""
    ops = np.array(
        [[ADD, 0, operand(COL, 0), operand(CONST, 0)], [MUL, 1, 0, 0], [MUL, 1, 1, 0], [ASSERT, 0, 1, 0], [ASSERT, 0, 0, 1]],
        dtype=np.int32,
    )
    fused, _ = fuse(ops)
    assert fused[:, 0].tolist() == ops[:, 0].tolist()
