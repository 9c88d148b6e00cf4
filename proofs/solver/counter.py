"""Counterexamples: rows that one constraint alone refuses, or none where a range is weakened, and that break an obligation.

Where rows come from does not matter: zk/check.py evaluates every constraint on them, and what they break is computed from their cells.
z3 looks near honest rows first, and for rows with few cells that are not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

import z3

from circuits.gadgets import COLUMNS, PUBLICS
from proofs.solver import determinism, honest, replay
from proofs.solver.assumptions import Range, ranges
from proofs.solver.encode import Encoding, digits
from proofs.solver.relation import Obligation
from proofs.solver.window import Window, cell, held, public, variables

Model = dict[str, int]
PLACES = 3  # honest rows tried for a window
SECONDS = 3


@dataclass(frozen=True)
class Question:
    """What is left out.

    Attributes:
        without: a constraint, or "".
        column: a column whose range an assumption gives, or "".
        assumption: that assumption.
    """

    without: str = ""
    column: str = ""
    assumption: str = ""

    def ranges(self, window: Window, names: tuple[str, ...]) -> dict[str, Range]:
        """What these assumptions give, without the column's range."""
        if self.assumption not in names:
            return ranges(window, names)
        left = ranges(window, (self.assumption,))
        others = ranges(window, tuple(name for name in names if name != self.assumption))
        return others | {name: limits for name, limits in left.items() if not self.about(name)}

    def about(self, variable: str) -> bool:
        """Whether a variable is of the column."""
        return variable.split(".", 1)[1] == self.column

    @property
    def refusing(self) -> set[str]:
        """The constraints that refuse a counterexample."""
        return {self.without} - {""}


@dataclass(frozen=True)
class Counterexample:
    """Rows, and what they break.

    Attributes:
        breaks: the obligation.
        cells: cells and publics that are not 0.
        other: for an obligation of class `determined`: what another copy of the rows has instead, with the same inputs.
    """

    breaks: str
    window: Window
    cells: Model
    other: Model = field(default_factory=dict)

    def record(self) -> dict[str, object]:
        """For the report."""
        fixed = dict(self.window.fixed)
        cells = {name: value for name, value in sorted(self.cells.items()) if name not in fixed and value}
        found: dict[str, object] = {"breaks": self.breaks, "kinds": list(self.window.kinds), "fixed": fixed, "cells": cells}
        if self.window.selectors != (0, 0, 1):
            found["selectors"] = list(self.window.selectors)
        return found | ({"other": dict(sorted(self.other.items()))} if self.other else {})


def integers(model: z3.ModelRef) -> Model:
    """The cells of a model."""
    return {str(d): model[d].as_long() for d in model.decls() if z3.is_int_value(model[d]) and "." in str(d) and ":" not in str(d)}


def shrunk(window: Window, cells: Model, other: Model, good: Callable[[Model, Model], bool]) -> tuple[Model, Model]:
    """The same with as many cells 0 as one pass finds."""
    kept = set(dict(window.fixed)) | set(other)
    columns = {name.split(".", 1)[1] for name in cells}
    for some in (*({cell(at, column) for at in range(len(window.kinds))} for column in sorted(columns)), *({k} for k in sorted(cells))):
        less = {k: v for k, v in cells.items() if k not in some - kept}
        if any(cells[k] for k in cells.keys() - less) and good(less, other):
            cells = less
    for name in sorted(other):
        fewer = {k: v for k, v in other.items() if k != name}
        if good(cells, fewer):
            other = fewer
    return cells, other


# Class `determined`: two copies with the same inputs.


@cache
def inputs(window: Window) -> frozenset[str]:
    """Variables that both copies have in common, those that CONDITIONAL excepts among them."""
    code = determinism.copies(window)
    given = determinism.given_equal(code, window)
    return frozenset(code.shared).union(*(digits(name) or (name,) for name in given))


def two_copies(window: Window, question: Question) -> Iterator[Counterexample]:
    """Honest rows, and others with the same inputs that satisfy all that is left, and differ where nothing may."""
    if question.without and all(name != question.without for _, name, _ in held(window).constraints):
        return
    for one in islice(honest.models(window), PLACES):
        same = {k: v for k, v in one.items() if k in inputs(window) or k.startswith("public.")}
        limits = question.ranges(window, determinism.ASSUMED)
        code = Encoding(limits, same | dict(window.fixed), exact=True)
        code.hold(held(window), "", (question.without,))
        code.used = set()
        differ = z3.Or([code.var(name) != one[name] for name in determinism.claims(window) if name in one])
        solver = code.solver(code.facts, differ, *breaking(code, window, question), seconds=SECONDS)
        if str(solver.check()) != "sat":
            continue
        other = {k: v for k, v in integers(solver.model()).items() if one.get(k) != v and k in honest.named(window)}
        cells = {k: v for k, v in one.items() if k in honest.named(window)}
        if both := copies_differ(window, question, cells, other):
            yield both


def copies_differ(window: Window, question: Question, cells: Model, other: Model) -> Counterexample | None:
    """Looks at both copies in full, and makes them small."""
    limits, claimed = question.ranges(window, determinism.ASSUMED), determinism.claims(window)

    def good(one: Model, two: Model) -> bool:
        within = all(low <= two.get(k, low) <= high for k, (low, high) in limits.items())
        if not within or all(name not in claimed for name in two) or inputs(window) & two.keys() or replay.refused(window, one):
            return False
        return replay.refused(window, one | two) == question.refusing

    if not good(cells, other):
        return None
    cells, other = shrunk(window, cells, other, good)
    broken = next(name for name in claimed if name in other)
    return Counterexample(f"determined: {broken} [{window}]", window, cells, other)


def breaking(code: Encoding, window: Window, question: Question) -> list[z3.BoolRef]:
    """The constraint that is left out does not hold; the column is out of its range."""
    if question.without:
        return [z3.Or([code.broken(formula) for _, name, formula in held(window).constraints if name == question.without])]
    limits = ranges(window, (question.assumption,))
    outside = [(code.var(k), *limits[k]) for k in sorted(limits) if question.about(k) and k not in code.fixed]
    return [z3.Or([z3.Or(v < low, v > high) for v, low, high in outside])]


# Class `relation`: rows that violate the integer statement.


def violates(obligation: Obligation, cells: Model) -> bool:
    """Whether rows violate a claim, computed from their cells."""
    trace = replay.rows(obligation.window, cells)
    values = {cell(at, name): int(trace[i, at]) for at in range(trace.shape[1]) for i, name in enumerate(COLUMNS.names)}
    code = Encoding({}, dict.fromkeys(map(public, PUBLICS), 0) | cells | dict(obligation.window.fixed) | values, exact=True)
    return z3.is_false(z3.simplify(obligation.claim(code)))


def violated(obligation: Obligation, question: Question) -> Iterator[Counterexample]:
    """Rows that violate a claim: honest ones but for cells near the claim, or any."""
    window = obligation.window
    if question.without and all(name != question.without for _, name, _ in held(window).constraints):
        return
    if not question.without and question.assumption not in obligation.assumed:
        return
    for start, steps in [(one, n) for n in (1, 2) for one in islice(honest.models(window), PLACES)] + [({}, None)]:
        found = search(obligation, question, start, steps)
        if found is None:
            continue

        def good(cells: Model, _: Model) -> bool:
            return replay.refused(window, cells) == question.refusing and violates(obligation, cells)

        cells = {k: v for k, v in found.items() if k in honest.named(window)}
        if good(cells, {}):
            yield Counterexample(f"relation: {obligation}", window, shrunk(window, cells, {}, good)[0])


def search(obligation: Obligation, question: Question, start: Model, steps: int | None) -> Model | None:
    """Cells that violate a claim. Those that are so many steps away from the claim are as at the start."""
    window = obligation.window
    limits = question.ranges(window, obligation.assumed)
    fixed = {k: v for k, v in start.items() if k not in reached(obligation, steps)} if steps else {}
    code = Encoding(limits, fixed | dict(window.fixed), exact=True)
    code.hold(held(window), "", (question.without,))
    code.used = set()
    solver = code.solver(code.facts, z3.Not(obligation.claim(code)), seconds=SECONDS)
    return start | fixed | integers(solver.model()) if str(solver.check()) == "sat" else None


def reached(obligation: Obligation, steps: int) -> set[str]:
    """Variables that so many constraints join to those of the claim."""
    code = Encoding({}, dict(obligation.window.fixed), exact=True)
    obligation.claim(code)
    found = set(code.used)
    for _ in range(steps):
        for _, _, formula in held(obligation.window).constraints:
            if (names := variables(formula)) & found:
                found = found | names
    return found


def first(found: Iterable[Counterexample]) -> Counterexample | None:
    """One is enough."""
    return next(iter(found), None)
