"""Directions in which an honest trace can move: a selector or carry that is no bit shows as one (kernel of the Jacobian, mod p)."""

from __future__ import annotations

import claim_samples as samples
import numpy as np
import pytest
from claim_forge import Forge

from circuits.claim import claim_program, public_vector
from circuits.gadgets import KINDS
from zk.check import evaluate
from zk.field import P

PROGRAM = claim_program()
NAMES = PROGRAM.constraint_names


def given(name, kind):
    """Cells that buses fix, from one row to another."""
    if kind in ("e0", "e1", "e2") and (name.startswith("val") or name == "fbase"):
        return True
    if kind in ("e1", "e2") and name.startswith("sum"):
        return True
    buses_fix = {"e0": ("key",), "e2": ("aux",), "e4": ("aux",), "busy": ("key",), "idle": ("key",)}
    return name in buses_fix.get(kind, ()) or kind in ("iv", "hd")


def derivative(forge, cells, constraints, first, last):
    """Jacobian of the constraints of rows first-1..last-1 in the cells, exactly, mod p: (equations, cells).

    A constraint is cubic in one cell: f'(0) = (-11 f(0) + 18 f(1) - 9 f(2) + 2 f(3)) / 6.
    """
    trace = forge.trace.astype(np.uint64)
    publics, n = public_vector(forge.statement), trace.shape[1]
    jacobian = np.zeros((last - first + 1, len(constraints), len(cells)), dtype=np.int64)
    columns, places = np.array([c for _, c in cells]), np.arange(len(cells))
    for offset in (-1, 0):
        rows = np.array([r for r, _ in cells]) + offset
        total = np.zeros((len(constraints), len(cells)), dtype=np.int64)
        for step, weight in ((0, -11), (1, 18), (2, -9), (3, 2)):
            here, there = trace[:, rows].copy(), trace[:, rows + 1].copy()
            moved = here if offset == 0 else there
            moved[columns, places] = (moved[columns, places] + np.uint64(step)) % np.uint64(P)
            selectors = np.stack([rows == 0, rows == n - 1, rows != n - 1]).astype(np.uint64)
            values = evaluate(PROGRAM, publics, here, there, selectors).constraints
            total += weight * values[constraints].astype(np.int64)
        total = total % P * pow(6, -1, P) % P
        jacobian[rows - (first - 1), :, places] += total.T
    flat = (jacobian % P).reshape(-1, len(cells))
    return np.unique(flat[flat.any(axis=1)], axis=0)


def movable(matrix):
    """Columns that some vector of the kernel moves, by elimination mod p."""
    pivots, done = [], 0
    for column in range(matrix.shape[1]):
        candidates = np.flatnonzero(matrix[done:, column])
        if len(candidates) == 0:
            continue
        matrix[[done, done + candidates[0]]] = matrix[[done + candidates[0], done]]
        matrix[done] = matrix[done] * pow(int(matrix[done, column]), -1, P) % P
        others = np.flatnonzero(matrix[:, column])
        others, live = others[others != done], np.flatnonzero(matrix[done])
        products = matrix[others, column][:, None] * matrix[done, live][None, :] % P
        matrix[np.ix_(others, live)] = (matrix[np.ix_(others, live)] - products) % P
        pivots.append(column)
        done += 1
    free = sorted(set(range(matrix.shape[1])) - set(pivots))
    return set(free) | {column for i, column in enumerate(pivots) if matrix[i, free].any()}


def moving(forge, first, last, without=()):
    """(kind, column) of the cells outside the permutation that can move although no constraint but `without` changes."""
    skip = ("full_", "partial", "table_", "capacity_link", "chain_starts_at")
    constraints = [k for k, name in enumerate(NAMES) if not name.startswith(skip) and name not in without]
    kinds = {r: next((k for k in KINDS if forge[k, 0, r]), "padding") for r in range(first, last)}
    columns = [c for c in (*range(8), *range(180, PROGRAM.n_columns)) if not PROGRAM.names[c].startswith("t_")]
    cells = [(r, c) for r, kind in kinds.items() for c in columns if not given(PROGRAM.names[c], kind)]
    moved = movable(derivative(forge, cells, constraints, first, last))
    return {(kinds[cells[i][0]], PROGRAM.names[cells[i][1]]) for i in moved}


STEADY = {*KINDS, "chain", "new"}
ENTRY_FLAGS = {"opening", "external", "worker", "merge", "residue"}
LIMIT_BITS = {"sum[0]", "sum[1]", "sum[2]", "shared_base"}
STEADY_IN = {
    "busy": {"in[0]", "in[1]", "shared_base", "val[0]", "val[1]", "val[2]", "fbase"},
    "idle": {"in[0]", "in[1]", "shared_base"},
    "e0": {"in[1]", "aux", "index"} | ENTRY_FLAGS,
    "e1": {"index", "shared_base"} | ENTRY_FLAGS,
    "e2": {"index", "shared_base", "works", "byte[17]", "owes"} | ENTRY_FLAGS,
    "e3": {"index", "works"} | ENTRY_FLAGS,
    "e4": {"index", "works", "byte[16]", "byte[17]", "byte[18]", "byte[19]", *(f"val[{i}]" for i in range(3))}
    | ENTRY_FLAGS | LIMIT_BITS,
    "er": {"index", "byte[8]", "byte[9]", "byte[18]", "byte[19]", "owes"},
}  # fmt: skip


def windows(forge):
    """Windows of rows: a ledger's readings, and up to three new entries at a time, the last with the after-head."""
    before = forge.layout.before_row
    return [(2, 8), *((before + 1 + k, min(before + 16 + k, before + 37)) for k in (0, 15, 30))]


def test_no_selector_carry_kind_or_epoch_can_move():
    forge = Forge(*samples.rich(freeze_level=samples.BIG - 1))
    for first, last in windows(forge):
        found = {
            (kind, name) for kind, name in moving(forge, first, last) if name in STEADY | STEADY_IN.get(kind, set())
        }
        assert found == set()


@pytest.mark.parametrize(
    ("constraint", "cell"),
    [
        ("last_is_a_bit", ("busy", "new")),
        ("borrow_is_a_bit", ("busy", "shared_base")),
        ("works_is_a_bit", ("e2", "works")),
        ("limit_carry_0_is_a_bit", ("e4", "sum[0]")),
        ("cumulative_carry_1_is_a_bit", ("e4", "byte[17]")),
        ("total_carry_0_is_a_bit", ("e2", "byte[17]")),
        ("residue_limit_carry_0_is_a_bit", ("er", "byte[18]")),
        ("owes_is_carried", ("er", "owes")),
    ],
)
def test_a_bit_left_unconstrained_would_be_seen(constraint, cell):
    forge = Forge(*samples.rich(freeze_level=samples.BIG - 1))
    assert any(cell in moving(forge, first, last, {constraint}) for first, last in windows(forge))
