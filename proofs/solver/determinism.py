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

ASSUMED = ("BYTES", "PEAK", "COVERAGE", "EPOCH", "FETCHED", "DIGIT_SUM", "RESIDUE", "TOTAL", "INDEX", "TAGS")
ENTRY_CASES = tuple((flag, new) for flag in KIND_FLAGS for new in (0, 1) if (flag, new) != ("opening", 1))
OWING = "owes, R charged"
ONLY = {"mi": 0, "er": 1}  # `new` of the entry before


Sum = tuple[tuple[str, int], ...]


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
    together: tuple[Sum, ...] = ()
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
                    if new == ONLY.get(then, new):
                        yield entry_pair(kind, then, flag, new)
            elif kind == "busy":
                for charged in (0, 1):
                    yield Window((kind, then), ((public("charge_peak"), charged),), note=("metered", "at peak")[charged])
            else:
                yield Window((kind, then))
            if kind == "er":
                yield Window((kind, then), ((cell(0, "owes"), 1), (public("charge_residue"), 1)), note=OWING)


def entry_pair(kind: str, then: str, flag: str, new: int) -> Window:
    """A row of an entry and the next."""
    fixed = [(cell(0, f), int(f == flag)) for f in KIND_FLAGS]
    return Window((kind, then), (*fixed, (cell(0, "new"), new)), note=f"{flag} {('old', 'new')[new]}")


def impossible() -> Iterator[Window]:
    """Pairs that no rows are: a new entry before the before-head, an old one before the after-head."""
    for then, new in ONLY.items():
        for flag, other in ENTRY_CASES:
            if other != new:
                yield entry_pair("e4", then, flag, other)


def conditionals(window: Window) -> list[Conditional]:
    """Those of the window's first row."""
    words = window.note.split()
    return [c for c in CONDITIONAL if c.kind == window.kinds[0] and all(part in words for part in c.case)]


def copies(window: Window) -> Encoding:
    """Two copies of a window with the same inputs."""
    kind, then = window.kinds
    shared = {cell(0, name) for name in GIVEN[kind] | STATE[kind]} | {cell(1, name) for name in GIVEN[then]}
    shared |= {cell(1, name) for name in SUCCESSOR.get(then, ())}
    shared |= {cell(0, f"full_b[{48 + i}]") for i in range(16)}
    if kind not in ("iv", PADDING):
        shared |= {cell(0, f"in[{i}]") for i in range(8, 16)}
    code = Encoding(ranges(window, ASSUMED), dict(window.fixed), shared)
    for copy in ("", "'"):
        code.hold(held(window), copy)
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
    if window.note == OWING:  # the slack of R, free in other rows of the kind
        names += [cell(0, f"byte[{i}]") for i in range(19, 9, -1)]
    excepted = {cell(0, name) for c in conditionals(window) for name in c.cells} | set(dict(window.fixed))
    if kind == "hd":
        excepted.add(cell(1, "owes"))
    return [name for name in names if name not in excepted]


def given_equal(code: Encoding, window: Window) -> list[str]:
    """Variables that the two copies have in common though their rows do not determine them: exceptions, and indices that a bus gives.

    Of exceptions with sums only the sums are the same, and that is shown.
    """
    kind = window.kinds[0]
    names = [cell(0, name) for c in conditionals(window) if not c.together for name in c.cells]
    if kind in FETCHES:  # the fetched index is what the ENTRY bus has for the tag
        names.append(cell(0, f"byte[{FETCHES[kind]}:{FETCHES[kind] + 3}]"))
    if kind == "hd":
        names.append(cell(1, "owes"))
    return [name for name in names if name not in code.fixed]


class Copies:
    """Two copies of a window, and which of their cells are known to be the same."""

    def __init__(self, window: Window) -> None:
        self.window, self.code = window, copies(window)
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
            self.code.add(says, self.code.used)
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

    def together(self, terms: Sum, steps: int | None) -> str:
        """ "unsat" if this sum of cells of the first row is the same in both copies; it is then taken as the same."""
        self.code.used = set()
        one, other = (z3.Sum([self.code.var(cell(0, name), copy) * sign for name, sign in terms]) for copy in ("", "'"))
        used = set(self.code.used)
        answer = self.differ(one != other, steps)
        if answer == "unsat":
            self.code.add(one == other, used)
        return answer


STEPS = (1, 2, 3, 5, None)  # how far a proof may look: most need no more than the constraints on the cell itself


def check(window: Window) -> dict[str, str]:
    """The answer for each sum of CONDITIONAL and each cell that is to be determined. "unsat": it is determined.

    Sums come first, then numbers of several bytes, which equations speak of, then cells; what is shown equal helps with the rest.
    """
    both, claimed = Copies(window), claims(window)
    sums = {" ".join(f"{'+' if sign > 0 else '-'}{name}" for name, sign in some): some for c in conditionals(window) for some in c.together}
    numbers = [name for name in both.code.integers if (parts := digits(name)) and set(parts) <= set(claimed)]
    answers = dict.fromkeys([*sums, *numbers, *claimed], "unknown")
    for steps in STEPS:
        moved = True
        while moved and (pending := [name for name in answers if answers[name] != "unsat"]):
            for name in pending:
                answers[name] = both.together(sums[name], steps) if name in sums else both.determined(name, steps)
            moved = any(answers[name] == "unsat" for name in pending)
    return {name: answers[name] for name in (*sums, *claimed)}
