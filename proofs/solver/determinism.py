"""Obligations of class `determined` and `free`.

Two copies of a pair of rows have the same block, the same state from the row before and the same values from the buses: each cell of the
first row that means something is then the same in both, and so is the state of the second. Cells shown equal are taken as equal
in what follows. What CONDITIONAL names is not determined in some rows; there the cell is given, and structure.py shows that it is free.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import z3

from circuits.gadgets import KIND_FLAGS
from proofs.solver.assumptions import ENTRY_KINDS, ranges
from proofs.solver.cells import GIVEN, STATE, SUCCESSOR, counting
from proofs.solver.encode import Encoding, digits
from proofs.solver.window import PADDING, Window, cell, held, public, successors

ASSUMED = ("BYTES", "PEAK", "COVERAGE", "EPOCH", "PUBLICS", "FETCHED", "DIGIT_SUM", "RESIDUE", "TOTAL", "NEW", "INDEX", "TAGS")
ENTRY_CASES = tuple((flag, new) for flag in KIND_FLAGS for new in (0, 1) if (flag, new) != ("opening", 1))


@dataclass(frozen=True)
class Conditional:
    """Cells that are free in some rows of a kind only.

    Attributes:
        kind, cells: where.
        when: which rows, in words.
        case: parts of the window's note that say so; all must be there.
        together: sums and differences of these cells that are determined all the same: (cell, sign) each.
        along: cells of the next row that change with them.
        source: the line of circuits/README.md.
    """

    kind: str
    cells: tuple[str, ...]
    when: str
    case: tuple[str, ...] = ()
    together: tuple[tuple[tuple[str, int], ...], ...] = ()
    along: tuple[str, ...] = ()
    source: str = "section 7"


def _bytes(*numbers: int) -> tuple[str, ...]:
    return tuple(f"byte[{i}]" for i in numbers)


CARRIES = (*_bytes(18, 19), "val[0]", "val[1]", "val[2]", "fbase")
CONDITIONAL = (
    Conditional("busy", _bytes(18, 19), "metered", ("metered",)),
    Conditional("hd", ("owes",), "of a registry, and any row up to its first RESIDUE entry: E3 of that overwrites it"),
    Conditional("e0", (*_bytes(0, 1, 2, 3, 4, 5), "key"), "RESIDUE", ("residue",)),
    Conditional("e0", _bytes(9, 10, 11, 12, 13, 14), "old", ("old",)),
    Conditional("e1", _bytes(*range(12)), "old", ("old",)),
    Conditional("e2", _bytes(*range(8)), "old", ("old",)),
    Conditional("e1", ("shared_base",), "MERGE whose parents share the base", ("merge",), along=("shared_base",)),
    Conditional("e2", ("works",), "worker or RESIDUE without work", ("worker",), along=("works",)),
    Conditional("e2", ("works",), "worker or RESIDUE without work", ("residue",), along=("works",)),
    Conditional(
        "e2", ("byte[18]",), "a wrong total carry", along=("tot[1]", "tot[2]", *_bytes(*range(8, 16))),
        source="section 5, *What a lost total carry costs*",
    ),
    Conditional(
        "e4", _bytes(16, 17, 18, 19), "up and down together, in pairs",
        together=((("byte[16]", 1), ("byte[17]", -1)), (("byte[18]", 1), ("byte[19]", -1))),
    ),
    Conditional("e4", (*_bytes(*range(8, 16)), "val[0]", "val[1]", "val[2]", "sum[0]", "sum[1]", "sum[2]", "shared_base"), "old", ("old",)),
    Conditional(
        "e4", ("sum[0]", "sum[1]", "sum[2]", "shared_base"), "the two bits of a carry exchanged", ("new",),
        together=((("sum[0]", 1), ("sum[1]", 1)), (("sum[2]", 1), ("shared_base", 1))),
    ),
)  # fmt: skip


def windows() -> Iterator[Window]:
    """Every pair of a kind and one that may follow, in every case."""
    for kind, following in successors().items():
        for then in following:
            if kind in ENTRY_KINDS:
                for flag, new in ENTRY_CASES:
                    fixed = [(cell(0, f), int(f == flag)) for f in KIND_FLAGS]
                    yield Window((kind, then), (*fixed, (cell(0, "new"), new)), note=f"{flag} {('old', 'new')[new]}")
            elif kind == "busy":
                for charged in (0, 1):
                    yield Window((kind, then), ((public("charge_peak"), charged),), note=("metered", "at peak")[charged])
            else:
                yield Window((kind, then))


def conditionals(window: Window) -> list[Conditional]:
    """Those of the window's first row."""
    words = window.note.split()
    return [c for c in CONDITIONAL if c.kind == window.kinds[0] and all(part in words for part in c.case)]


def copies(window: Window, without: tuple[str, ...] = (), assumed: tuple[str, ...] = ASSUMED) -> Encoding:
    """Two copies of a window with the same inputs."""
    kind, then = window.kinds
    shared = {cell(0, name) for name in GIVEN[kind] | STATE[kind]} | {cell(1, name) for name in GIVEN[then]}
    shared |= {cell(1, name) for name in SUCCESSOR.get(then, ())}
    shared |= {cell(0, f"full_b[{48 + i}]") for i in range(16)}
    if kind not in ("iv", PADDING):
        shared |= {cell(0, f"in[{i}]") for i in range(8, 16)}
    code = Encoding(ranges(window, assumed), dict(window.fixed), shared)
    for copy in ("", "'"):
        code.hold(held(window), copy, without)
    congruent(code)
    return code


def congruent(code: Encoding) -> None:
    """Products of equal factors are equal, and equal numbers have equal digits (lemmas.py)."""
    for copy, monomial in list(code.products):
        if copy == "" and ("'", monomial) in code.products:
            same = [code.var(v) == code.var(v, "'") for v in monomial]
            one, other = code.products["", monomial], code.products["'", monomial]
            code.about[str(other)].append(z3.Implies(z3.And(same), one == other))
            code.parts[str(other)] += (str(one), *(code.name(v) for v in monomial if v not in code.fixed))
    for name in list(code.integers):
        if (parts := digits(name)) and name + "'" in code.integers:
            same = [code.var(part) == code.var(part, "'") for part in parts]
            code.about[name + "'"].append(z3.Implies(code.var(name) == code.var(name, "'"), z3.And(same)))
            code.parts[name + "'"] += (name,)


FETCHES = {"e0": 6, "e1": 15, "e2": 14}  # first byte of the difference of indices


def claims(window: Window) -> list[str]:
    """Variables that are to be determined, beside what CONDITIONAL excepts."""
    kind, then = window.kinds
    following = [cell(1, name) for name in sorted(STATE[then] - GIVEN[then] - SUCCESSOR.get(then, set()))]
    following += [cell(1, f"in[{i}]") for i in range(8, 16)] if then != "iv" else []
    names = following + [cell(0, name) for name in reversed(counting(kind, then))]
    excepted = {cell(0, name) for c in conditionals(window) for name in c.cells} | set(dict(window.fixed))
    if kind == "hd":
        excepted.add(cell(1, "owes"))
    return [name for name in names if name not in excepted]


def given_equal(code: Encoding, window: Window) -> list[str]:
    """Variables that the two copies have in common though their rows do not determine them: exceptions, and indices that a bus gives."""
    kind = window.kinds[0]
    names = [cell(0, name) for c in conditionals(window) for name in c.cells]
    if kind in FETCHES:  # the fetched index is what the ENTRY bus has for the tag
        names.append(cell(0, f"byte[{FETCHES[kind]}:{FETCHES[kind] + 3}]"))
    if kind == "hd":
        names.append(cell(1, "owes"))
    return [name for name in names if name not in code.fixed]


class Copies:
    """Two copies of a window, and which of their cells are known to be the same."""

    def __init__(self, window: Window, without: tuple[str, ...] = (), assumed: tuple[str, ...] = ASSUMED) -> None:
        self.window, self.code = window, copies(window, without, assumed)
        self.equal = set(self.code.shared)
        for name in given_equal(self.code, window):
            self.same(name)
        congruent(self.code)

    def same(self, variable: str) -> None:
        """From here on this cell is the same in both."""
        names = self.code.name(variable), self.code.name(variable, "'")
        if names[0] != names[1]:
            self.code.used = set()
            says = self.code.var(variable) == self.code.var(variable, "'")
            self.code.add(says, self.code.used, "equal")
            self.equal.update(names)

    def differ(self, difference: z3.BoolRef, steps: int | None) -> str:
        """Whether the copies can differ so, by facts that are so near: "unsat", or else "sat" or "unknown"."""
        facts = self.code.near(self.code.used, self.equal, steps)
        return str(self.code.solver(facts, difference, seconds=5).check())

    def determined(self, variable: str, steps: int | None) -> str:
        """ "unsat" if the cell is the same in both copies; it is then taken as the same."""
        self.code.used = set()
        if (one := self.code.var(variable)) is (other := self.code.var(variable, "'")):
            return "unsat"
        answer = self.differ(one != other, steps)
        if answer == "unsat":
            self.same(variable)
        return answer

    def together(self, terms: tuple[tuple[str, int], ...], steps: int | None) -> str:
        """ "unsat" if this sum of cells of the first row is the same in both copies. To be asked before `same` of any of them."""
        self.code.used = set()
        one, other = (z3.Sum([self.code.var(cell(0, name), copy) * sign for name, sign in terms]) for copy in ("", "'"))
        return self.differ(one != other, steps)


STEPS = (1, 2, 3, 5, None)  # how far a proof may look: most need no more than the constraints on the cell itself


def check(window: Window, without: tuple[str, ...] = (), assumed: tuple[str, ...] = ASSUMED) -> dict[str, str]:
    """The answer for each cell that is to be determined, and for each sum of CONDITIONAL. "unsat": it is determined."""
    both, answers = Copies(window, without, assumed), dict.fromkeys(claims(window), "unknown")
    for steps in STEPS:
        moved = True
        while moved and (pending := [name for name in answers if answers[name] != "unsat"]):
            for name in pending:
                answers[name] = both.determined(name, steps)
            moved = any(answers[name] == "unsat" for name in pending)
    for exception in conditionals(window):
        for terms in exception.together:
            answers["".join(f"{'+' if sign > 0 else '-'}{name}" for name, sign in terms)] = sums(
                window, exception, terms, without, assumed
            )
    return answers


def sums(
    window: Window, exception: Conditional, terms: tuple[tuple[str, int], ...], without: tuple[str, ...], assumed: tuple[str, ...]
) -> str:
    """The answer for a sum of excepted cells, all else that is determined taken as the same."""
    both = Copies.__new__(Copies)
    both.window, both.code = window, copies(window, without, assumed)
    both.equal = set(both.code.shared)
    for name in [*claims(window), *(n for n in given_equal(both.code, window) if n.split(".")[1] not in exception.cells)]:
        both.same(name)
    congruent(both.code)
    for steps in STEPS:
        if (answer := both.together(terms, steps)) == "unsat":
            break
    return answer


def undetermined(window: Window, without: str) -> Iterator[tuple[str, str, z3.ModelRef | None]]:
    """Cells that are not determined without a constraint, and cells of both copies that show it."""
    both, left = Copies(window, (without,)), claims(window)
    for steps in STEPS:
        moved = True
        while moved and left:
            still = [name for name in left if both.determined(name, steps) != "unsat"]
            moved, left = len(still) < len(left), still
    for name in left:
        both.code.used = set()
        differ = both.code.var(name) != both.code.var(name, "'")
        solver = both.code.solver(both.code.facts, differ, seconds=10)
        answer = str(solver.check())
        yield name, answer, solver.model() if answer == "sat" else None
