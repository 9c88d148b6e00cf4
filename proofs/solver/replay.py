"""A solver's cells as rows of a table, refused by zk/check.py.

Cells that the solver was not asked about are 0; the permutation's are computed. Then every constraint is evaluated on these rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from circuits.gadgets import COLUMNS, KINDS, N_PERMUTATION, PUBLICS
from circuits.statement import START
from proofs.solver.window import ANY, N_ROUNDS, Window, cell, constraint_names, held, program, public
from zk.air import ADD, ASSERT, COL, CONST, MUL, REG, SUB
from zk.check import evaluate
from zk.field import P


def rounds(lanes: Sequence[int], wrong: int | None = None) -> list[int]:
    """The permutation's 180 columns for this input, from its own constraints: `column - expression` is 0, but for constraint `wrong`."""
    values, registers = list(lanes), dict[int, int]()

    def read(word: int) -> int:
        kind, index = word >> 24, word & 0xFFFFFF
        if kind == REG:
            return registers[index]
        if kind == CONST:
            return program().constants[index]
        return values[index] if kind == COL and index < len(values) else 0

    for op, dst, a, b in program().ops:
        if op in (ADD, SUB, MUL):
            x, y = read(a), read(b)
            registers[dst] = (x + y if op == ADD else x - y if op == SUB else x * y) % P
        elif op == ASSERT:
            if b >= N_ROUNDS:
                break
            values.append((int(b == wrong) - registers[a & 0xFFFFFF]) % P)  # the column was read as 0
    return values


def rows(window: Window, model: Mapping[str, int]) -> np.ndarray:
    """(columns, rows): the window with the cells of a model. Capacities that it does not give follow from the row before."""
    trace = np.zeros((len(COLUMNS), len(window.kinds)), dtype=np.uint64)
    given = dict(window.fixed) | dict(model)
    before: list[int] | None = None
    for at, kind in enumerate(window.kinds):
        for column, name in enumerate(COLUMNS.names):
            trace[column, at] = given.get(cell(at, name), 0) % P
        for name in KINDS if kind != ANY else ():
            trace[COLUMNS.index(name), at] = int(name == kind)
        padding = sum(int(trace[COLUMNS.index(name), at]) for name in KINDS) % P == 0
        start = trace[COLUMNS.index("iv"), at] == 1
        follows = START if start else [0] * 8 if padding or before is None else before
        trace[8:16, at] = [given.get(cell(at, f"in[{i}]"), follows[i - 8]) % P for i in range(8, 16)]
        lanes = rounds([int(v) for v in trace[:16, at]])
        trace[: len(lanes), at] = lanes
        copy = int(trace[COLUMNS.index("mi"), at] + trace[COLUMNS.index("side"), at])  # hashed on a copy
        before = [(out + copy * (came - out)) % P for came, out in zip(map(int, trace[8:16, at]), lanes[-8:], strict=True)]
    return trace


def refused(window: Window, model: Mapping[str, int]) -> set[str]:
    """Names of the constraints that these rows violate, those of the last row that read the next one aside."""
    trace = rows(window, model)
    publics = [model.get(public(name), dict(window.fixed).get(public(name), 0)) for name in PUBLICS]
    n = trace.shape[1]
    following = np.concatenate([trace[:, 1:], trace[:, -1:]], axis=1)
    selectors = np.array([[s] * n for s in window.selectors], dtype=np.uint64)
    values = evaluate(program(), publics, trace, following, selectors).constraints
    own = {name for at, name, _ in held(window).constraints if at == n - 1}
    names = constraint_names()
    return {names[k] for k, at in zip(*np.nonzero(values), strict=True) if at < n - 1 or names[k] in own or k < N_ROUNDS}


def refused_copies(record: Mapping[str, Any]) -> list[set[str]]:
    """Who refuses the rows of a counterexample of counterexamples.json; and who its other copy, where there is one."""
    window = Window(tuple(record["kinds"]), tuple(record["fixed"].items()), tuple(record.get("selectors", (0, 0, 1))))
    cells = record["cells"]
    return [refused(window, each) for each in (cells, *([cells | record["other"]] if "other" in record else ()))]


def round_refused(number: int) -> set[str]:
    """Who refuses a row whose column of the permutation's constraint `number` is another, all that follows computed from it."""
    trace = np.zeros((len(COLUMNS), 1), dtype=np.uint64)
    trace[COLUMNS.index("iv")] = 1
    trace[8:16, 0] = START
    trace[:N_PERMUTATION, 0] = rounds([int(v) for v in trace[:16, 0]], number)
    following = np.zeros_like(trace)
    following[COLUMNS.index("hd")] = 1
    following[8:16, 0] = trace[N_PERMUTATION - 8 : N_PERMUTATION, 0]
    values = evaluate(program(), [0] * len(PUBLICS), trace, following, np.array([[0], [0], [1]], dtype=np.uint64)).constraints
    return {constraint_names()[k] for k in np.flatnonzero(values[:, 0])}
