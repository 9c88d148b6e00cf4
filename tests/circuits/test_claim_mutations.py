"""Every cell of honest traces, changed one at a time: something names it, or it is documented as free."""

from __future__ import annotations

import claim_samples
import numpy as np
import pytest
from claim_forge import Forge, unchecked_trace

from circuits.claim import claim_program, public_vector
from circuits.gadgets import COLUMNS, KINDS
from proofs.solver.cells import FREE as FREE_CELLS
from proofs.solver.cells import UNLISTED
from zk.check import evaluate
from zk.field import P

COLUMNS_AT_ONCE = 16
FREE = {kind: cells for kind, cells in FREE_CELLS.items() if cells}


def selectors(rows, n):
    return np.stack([rows == 0, rows == n - 1, rows != n - 1]).astype(np.uint64)


def live_fractions(values):
    """Per row, whether and what every interaction contributes: (rows, cells)."""
    parts = []
    for numerators, message in zip(values.numerators, values.messages, strict=True):
        parts += [numerators, message * numerators.any(axis=0)]
    return np.concatenate(parts)


def mutate(statement, trace, rows, delta):
    """For each (column, row): names of constraints that fire, and whether a bus goes out of balance.

    A single cell feeds one byte pair, or messages of one bus per slot, so a row whose fractions change cannot balance
    by itself.
    """
    program, publics, n = claim_program(), public_vector(statement), trace.shape[1]
    before, here, after = (trace[:, (rows + k) % n].astype(np.uint64) for k in (-1, 0, 1))
    honest = live_fractions(evaluate(program, publics, here, after, selectors(rows, n)))
    fired = np.zeros((program.n_columns, len(rows), program.n_constraints), dtype=bool)
    moved = np.zeros((program.n_columns, len(rows)), dtype=bool)
    for first in range(0, program.n_columns, COLUMNS_AT_ONCE):
        columns = range(first, min(first + COLUMNS_AT_ONCE, program.n_columns))
        count = len(columns)
        b, h, a, r = (np.tile(x, count) for x in (before, here, after, rows))
        for k, column in enumerate(columns):
            h[column, k * len(rows) : (k + 1) * len(rows)] += np.uint64(delta)
        h %= np.uint64(P)
        one = evaluate(program, publics, h, a, selectors(r, n))
        two = evaluate(program, publics, b, h, selectors((r - 1) % n, n))
        hits = ((one.constraints != 0) | (two.constraints != 0)).T.reshape(count, len(rows), -1)
        fired[columns.start : columns.stop] = hits
        changed = (live_fractions(one) != np.tile(honest, count)).any(axis=0)
        moved[columns.start : columns.stop] = changed.reshape(count, len(rows))
    return fired, moved


def kind_of(trace, row):
    for kind in KINDS:
        if trace[COLUMNS.index(kind), row]:
            return kind
    return "padding"


def uncaught(statement, witness, delta):
    """{kind of row: names of cells that may change unnoticed}, and the names of constraints that fired."""
    trace, layout = unchecked_trace(statement, witness)
    rows = np.append(np.arange(layout.used + 2), trace.shape[1] - 1)
    fired, moved = mutate(statement, trace, rows, delta)
    free = {}
    for column, at in zip(*np.nonzero(~fired.any(axis=2) & ~moved), strict=True):
        free.setdefault(kind_of(trace, rows[at]), set()).add(COLUMNS.names[column])
    program = claim_program()
    return free, {program.constraint_names[k] for k in np.flatnonzero(fired.any(axis=(0, 1)))}


@pytest.fixture(scope="module")
def results():
    found = []
    for shape in claim_samples.SHAPES.values():
        statement, witness = shape()
        for delta in (1, 987654321):
            found.append(uncaught(statement, witness, delta))
    return found


def test_every_cell_that_means_something_is_caught(results):
    for free, _ in results:
        for kind, cells in free.items():
            assert cells <= FREE.get(kind, set()), kind


def test_documented_free_cells_are_free(results):
    found = {kind: set().union(*(free.get(kind, set()) for free, _ in results)) for kind in FREE}
    assert found == FREE


OLD = {"e0": range(9, 15), "e1": (0, 1, 4, 5, 8, 9), "e2": (0, 1, 4, 5)}
RESIDUE_BYTES = {"e0": (3, 4, 5)}


def free_bytes(forge, row):
    """Byte columns of a row that may be some other byte, all else unchanged but the multiplicities of the byte table."""
    program, publics, n = claim_program(), public_vector(forge.statement), forge.trace.shape[1]
    buses = [i for i, name in enumerate(program.interaction_names) if not name.startswith("bytes_")]
    changes = [(COLUMNS.index("byte", i), step) for i in range(20) for step in (1, 2, 64, 255)]
    before, here, after = (np.repeat(forge.trace[:, [(row + k) % n]].astype(np.uint64), len(changes) + 1, axis=1) for k in (-1, 0, 1))
    for k, (column, step) in enumerate(changes, 1):
        here[column, k] = (here[column, k] + np.uint64(step)) % np.uint64(256)
    rows = np.full(len(changes) + 1, row)
    one = evaluate(program, publics, here, after, selectors(rows, n))
    two = evaluate(program, publics, before, here, selectors((rows - 1) % n, n))
    fails = one.constraints.any(axis=0) | two.constraints.any(axis=0)
    for i in buses:
        sent = np.concatenate([one.numerators[i], one.messages[i] * one.numerators[i].any(axis=0)])
        fails |= (sent != sent[:, :1]).any(axis=0)
    assert not fails[0]
    return {i for i in range(20) if not fails[1 + 4 * i : 5 + 4 * i].all()}


@pytest.mark.parametrize("shape", ["rich", "first_period", "site", "registry"])
def test_bytes_that_mean_something_are_caught(shape):
    forge = Forge(*claim_samples.SHAPES[shape]())
    for row in range(1, forge.layout.used + 1):
        kind = kind_of(forge.trace, row)
        if kind == "iv":
            continue
        expected = set(UNLISTED[kind])
        if kind in ("hd", "sent", "got") and kind_of(forge.trace, row + 1) in ("sent", "side"):
            expected -= {14, 15, 16}
        elif kind in ("sent", "got"):
            expected |= {14, 15, 16}
        if kind == "er" and forge["owes", 0, row] and forge.statement.charge_residue:
            expected -= set(range(10, 20))
        if not forge["new", 0, row]:
            expected |= set(OLD.get(kind, ()))
        if forge["residue", 0, row]:
            expected |= set(RESIDUE_BYTES.get(kind, ()))
        assert free_bytes(forge, row) == expected, (row, kind)


def test_every_constraint_fires(results):
    fired = set().union(*(names for _, names in results))
    assert set(claim_program().constraint_names) - fired == set()
