"""Rows of honest tables. They show that a window has rows; counterexamples are looked for near them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np

from circuits.claim import public_vector
from circuits.gadgets import COLUMNS, KINDS, PUBLICS
from circuits.statement import EXTERNAL, IDLE, MERGE, RESIDUE
from proofs.solver import replay
from proofs.solver.assumptions import ranges
from proofs.solver.cells import SHARED
from proofs.solver.window import PADDING, Window, cell, public

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "tests/circuits")]

import claim_samples  # noqa: E402
from claim_forge import unchecked_trace  # noqa: E402

Model = dict[str, int]


@dataclass(frozen=True)
class Honest:
    """A table: its cells (columns, rows), the kinds of its rows up to the first padding, its publics."""

    trace: np.ndarray
    kinds: tuple[str, ...]
    publics: Model


def ends(kind: int, **entry: int) -> Callable[[claim_samples.Registry], object]:
    """A registry before the period whose last entry is of this kind, an EXTERNAL one before it."""

    def old(registry: claim_samples.Registry) -> None:
        claim_samples.small_old(registry)
        registry.add(EXTERNAL, 104, declared=60)
        registry.residue(5) if kind == RESIDUE else registry.add(kind, 105, **entry)

    return old


def new(kind: int, **entry: int) -> Callable[[claim_samples.Registry, dict[int, int]], object]:
    """Entries of the period, the last one of this kind."""

    def write(registry: claim_samples.Registry, works: dict[int, int]) -> None:
        claim_samples.small_new(registry, works)
        registry.add(kind, 203, epoch=12, **entry)

    return write


IDLE_PLAN = [(10, [(IDLE, 0.5), (IDLE, 0)]), *claim_samples.SMALL_PLAN[1:]]
PARENTS = {"parent1": 101, "parent2": 102}
SHAPES: tuple[Callable[[], tuple], ...] = (
    *claim_samples.SHAPES.values(),
    lambda: claim_samples.small(plans=[IDLE_PLAN], old=ends(EXTERNAL, declared=1), new=new(EXTERNAL, declared=1)),
    lambda: claim_samples.small(old=ends(MERGE, **PARENTS), new=new(MERGE, **PARENTS)),
    lambda: claim_samples.small(old=ends(RESIDUE)),
)


@cache
def tables() -> tuple[Honest, ...]:
    """Every sample of tests/circuits, and three more for kinds that come last in none of them."""
    found = []
    for make in SHAPES:
        statement, witness = make()
        trace, layout = unchecked_trace(statement, witness)
        trace = trace[:, : layout.used + 1]
        flags = trace[[COLUMNS.index(kind) for kind in KINDS]]
        kinds = tuple(KINDS[int(np.argmax(row))] if row.any() else PADDING for row in flags.T)
        publics = {public(name): value for name, value in zip(PUBLICS, public_vector(statement), strict=True)}
        found.append(Honest(trace, kinds, publics))
    return tuple(found)


CELLS = [*COLUMNS.names[:8], *COLUMNS.names[COLUMNS.index("chain") : COLUMNS.index("t_lo")], *SHARED]


def named(window: Window) -> set[str]:
    """Cells and publics of a window, but for kinds, the byte table, and columns of the permutation that replay.py computes."""
    return {cell(at, name) for at in range(len(window.kinds)) for name in CELLS} | {public(name) for name in PUBLICS}


def models(window: Window) -> Iterator[Model]:
    """Every place in an honest table where a window fits, the byte table and the permutation aside. No constraint links an end and what
    comes after it, so these are taken from anywhere in a table."""
    size = len(window.kinds)
    for table in tables():
        places = [tuple(range(first, first + size)) for first in range(len(table.kinds) - size + 1)]
        if size == 2 and window.kinds[1] in ("iv", PADDING):
            places = list(product(range(len(table.kinds)), repeat=2))
        for place in places:
            if tuple(table.kinds[row] for row in place) == window.kinds:
                cells = {cell(at, name): int(table.trace[COLUMNS.names.index(name), row]) for at, row in enumerate(place) for name in CELLS}
                if all((cells | table.publics)[name] == value for name, value in window.fixed):
                    yield cells | table.publics


def satisfiable(window: Window, assumed: tuple[str, ...]) -> bool:
    """Whether some honest rows fit a window, every constraint evaluated on them, and are in the ranges that are assumed."""
    limits = ranges(window, assumed)
    return any(
        not replay.refused(window, model) and all(low <= model.get(k, low) <= high for k, (low, high) in limits.items())
        for model in models(window)
    )
