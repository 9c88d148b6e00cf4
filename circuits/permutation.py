"""The Poseidon2 permutation of one row as 164 constraints of degree 3.

Columns: `in[16]`; `full_a`, 4 x 16, the state after each of the first four full rounds; `partial[36]`, the S-box output
of lane 0 in each partial round; `full_b`, 4 x 16, the state after each of the last four full rounds, whose last 16 are
the output. Between two partial rounds the other lanes are linear in these, so they need no columns.

The first linear layer is part of the first round. Matrices and constants: zk/poseidon2.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from zk.air import Builder, Expr
from zk.poseidon2 import DIAGONAL, WIDTH, round_constants

Rounds = tuple[tuple[int, ...], ...]


def m4(x: Sequence[Expr]) -> list[Expr]:
    """circ(2, 3, 1, 1) times four lanes, in 11 additions."""
    x01, x23 = x[0] + x[1], x[2] + x[3]
    total = x01 + x23
    with1, with3 = total + x[1], total + x[3]
    return [with1 + x01, with1 + (x[2] + x[2]), with3 + x23, with3 + (x[0] + x[0])]


def external_layer(state: Sequence[Expr]) -> list[Expr]:
    """circ(2 M4, M4, M4, M4) times the state."""
    blocks = [m4(state[i : i + 4]) for i in range(0, WIDTH, 4)]
    sums = [(blocks[0][i] + blocks[1][i]) + (blocks[2][i] + blocks[3][i]) for i in range(4)]
    return [blocks[i // 4][i % 4] + sums[i % 4] for i in range(WIDTH)]


def internal_layer(b: Builder, state: Sequence[Expr]) -> list[Expr]:
    """(J + diagonal) times the state, J all ones."""
    total = b.sum(state)
    return [total + lane * d for lane, d in zip(state, DIAGONAL, strict=True)]


def cube(x: Expr) -> Expr:
    """The S-box x^3."""
    return x * x * x


def permutation(b: Builder) -> None:
    """Adds the constraints that every row's columns are one Poseidon2 permutation, padding rows included."""
    full_a, partial, full_b = b.row.many("full_a"), b.row.many("partial"), b.row.many("full_b")
    first, constants, last = round_constants()
    state = external_layer(b.row.many("in"))
    state = _full_rounds(b, "full_a", state, full_a, first)
    for r, output in enumerate(partial):
        b.assert_equal(f"partial[{r}]", output, cube(state[0] + constants[r]))
        state = internal_layer(b, [output, *state[1:]])
    _full_rounds(b, "full_b", state, full_b, last)


def _full_rounds(b: Builder, name: str, state: list[Expr], columns: Sequence[Expr], constants: Rounds) -> list[Expr]:
    for r in range(4):
        layer = external_layer([cube(lane + c) for lane, c in zip(state, constants[r], strict=True)])
        state = list(columns[WIDTH * r : WIDTH * (r + 1)])
        for i in range(WIDTH):
            b.assert_equal(f"{name}[{WIDTH * r + i}]", state[i], layer[i])
    return state
