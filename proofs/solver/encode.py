"""Formulas of a window as z3 formulas over the integers.

A cell is an integer in [0, p), or in the narrower range that an assumption gives. `poly = 0 modulo p` is `poly = k p`, coefficients
taken in (-p/2, p/2), with k between the bounds that the ranges allow. A product of two cells is an integer of its own that is right where
a factor is 0 or 1, and otherwise only within bounds: what is unsatisfiable so is unsatisfiable. `exact` multiplies truly, for models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import z3

from proofs.solver.window import Formula, Held, Monomial, Poly, cell
from zk.field import P

Range = tuple[int, int]
SEED = 1
RESOURCES = 4_000_000  # of z3, about a second: a limit that does not depend on the machine


def centred(c: int) -> int:
    """The representative of c modulo p in (-p/2, p/2)."""
    return c - P if c > P // 2 else c


@dataclass(frozen=True)
class Fact:
    """What is asserted, and the integers it speaks of."""

    says: z3.BoolRef
    names: frozenset[str]


def digits(variable: str) -> tuple[str, ...]:
    """The byte cells of a number `r0.byte[12:15]`; () for any other variable."""
    found = re.fullmatch(r"(r\d+\.byte)\[(\d+):(\d+)\]", variable)
    return tuple(f"{found[1]}[{i}]" for i in range(int(found[2]), int(found[3]))) if found else ()


def grouped(poly: Poly) -> Poly:
    """The same polynomial with runs of two or three bytes b + 256 b' + ... as one number each."""
    left, found = dict(poly), Poly()
    places = {}
    for m in poly:
        for at, variable in enumerate(m):
            rest = m[:at] + m[at + 1 :]
            if any(".res[" in other for other in rest):
                break  # a product with the peak stays one of two bytes
            if match := re.fullmatch(r"(r\d+\.byte)\[(\d+)\]", variable):
                places[match[1], int(match[2]), rest] = m
                break
    for (column, first, rest), m in sorted(places.items()):
        if m not in left:
            continue
        run = [m]
        while (
            len(run) < 3 and left.get(then := places.get((column, first + len(run), rest), ())) == left[m] * 256 ** len(run) % P
        ):
            run.append(then)
        if len(run) > 1:
            found[tuple(sorted((*rest, f"{column}[{first}:{first + len(run)}]")))] = left[m]
            for each in run:
                del left[each]
    return left | found


class Encoding:
    """One or two copies of a window's cells. `shared` cells are the same in every copy."""

    def __init__(
        self, ranges: Mapping[str, Range], fixed: Mapping[str, int], shared: Iterable[str] = (), exact: bool = False
    ) -> None:
        self.ranges, self.fixed, self.shared, self.exact = dict(ranges), dict(fixed), set(shared), exact
        self.facts: list[Fact] = []
        self.integers: dict[str, z3.ArithRef] = {}
        self.about: dict[str, list[z3.BoolRef]] = {}  # what is known of an integer by itself
        self.parts: dict[str, tuple[str, ...]] = {}  # the factors of a product
        self.products: dict[tuple[str, Monomial], z3.ArithRef] = {}
        self.used: set[str] = set()
        self.bytes_are_bytes = self.ranges.get("r0.byte[0]") == (0, 255)

    def name(self, variable: str, copy: str = "") -> str:
        """What a cell is called in a copy."""
        return variable if variable in self.shared or variable.startswith("public.") else variable + copy

    def _integer(self, name: str, low: int, high: int) -> z3.ArithRef:
        if name not in self.integers:
            made = self.integers[name] = z3.Int(name)
            self.about[name] = [made >= low, made <= high]
        self.used.add(name)
        return self.integers[name]

    def range(self, variable: str) -> Range:
        """Bounds of a cell or public."""
        if variable in self.fixed:
            return self.fixed[variable], self.fixed[variable]
        if parts := digits(variable):
            return 0, sum(self.range(part)[1] << 8 * i for i, part in enumerate(parts))
        return self.ranges.get(variable, (0, P - 1))

    def var(self, variable: str, copy: str = "") -> z3.ArithRef:
        """The integer of a cell or public."""
        if variable in self.fixed:
            return z3.IntVal(self.fixed[variable])
        parts = digits(variable)
        name = self.name(variable, copy)
        if parts and all(part in self.shared for part in parts):
            name = variable
        fresh = name not in self.integers
        made = self._integer(name, *self.range(variable))
        if parts and fresh:
            self.about[name].append(made == z3.Sum([self.var(part, copy) * (1 << 8 * i) for i, part in enumerate(parts)]))
            self.parts[name] = tuple(self.name(part, copy) for part in parts)
        return made

    def bounds(self, monomial: Monomial) -> Range:
        """Bounds of a product."""
        low, high = 1, 1
        for v in monomial:
            low, high = low * self.range(v)[0], high * self.range(v)[1]
        return low, high

    def product(self, monomial: Monomial, copy: str = "") -> z3.ArithRef:
        """A monomial's integer."""
        if len(monomial) == 1:
            return self.var(monomial[0], copy)
        first, rest = self.var(monomial[0], copy), self.product(monomial[1:], copy)
        if self.exact:
            return first * rest
        names = tuple(self.name(v, copy) for v in monomial)
        name = " ".join(names)
        fresh = name not in self.integers
        made = self._integer(name, *self.bounds(monomial))
        if fresh:
            self.parts[name] = names
            for one, other in ((first, rest), (rest, first)):
                self.about[name] += [z3.Implies(one == 0, made == 0), z3.Implies(one == 1, made == other)]
            self.products[copy, monomial] = made
        return made

    def total(self, poly: Poly, copy: str = "") -> z3.ArithRef:
        """The polynomial over the integers, coefficients centred."""
        terms = [z3.IntVal(centred(c)) * self.product(m, copy) if m else z3.IntVal(centred(c)) for m, c in poly.items()]
        return z3.Sum(terms) if terms else z3.IntVal(0)

    def zero(self, poly: Poly, copy: str = "") -> z3.BoolRef:
        """poly = 0 modulo p."""
        poly = grouped(poly) if not self.exact and self.bytes_are_bytes else poly
        low = high = 0
        for m, c in poly.items():
            ends = [centred(c) * bound for bound in self.bounds(m)] if m else [centred(c)] * 2
            low, high = low + min(ends), high + max(ends)
        first, last = -(-low // P), high // P
        if first > last:
            return z3.BoolVal(False)
        if first == last:
            return self.total(poly, copy) == first * P
        return self.total(poly, copy) == P * self._integer(f"k{len(self.integers)}", first, last)

    def formula(self, formula: Formula, copy: str = "") -> z3.BoolRef:
        """A formula of window.py."""
        if isinstance(formula, bool):
            return z3.BoolVal(formula)
        if formula[0] == "zero":
            return self.zero(formula[1], copy)
        return z3.Or([self.formula(part, copy) for part in formula[1]])

    def broken(self, formula: Formula) -> z3.BoolRef:
        """A formula of window.py does not hold: each of its polynomials leaves a remainder modulo p."""
        if isinstance(formula, bool):
            return z3.BoolVal(not formula)
        if formula[0] == "or":
            return z3.And([self.broken(part) for part in formula[1]])
        poly = formula[1]
        size = sum(abs(centred(c)) * self.bounds(m)[1] if m else abs(centred(c)) for m, c in poly.items()) // P + 1
        times = self._integer(f"k{len(self.integers)}", -size, size)
        rest = self._integer(f"k{len(self.integers)}", 1, P - 1)
        return self.total(poly) == P * times + rest

    def add(self, says: z3.BoolRef, names: Iterable[str]) -> None:
        """Asserts something about these integers."""
        self.facts.append(Fact(says, frozenset(names)))

    def hold(self, held: Held, copy: str = "", without: Iterable[str] = ()) -> None:
        """Asserts every constraint of a window but those named."""
        left_out = set(without)
        for _, name, formula in held.constraints:
            if name not in left_out:
                self.used = set()
                says = self.formula(formula, copy)
                self.add(says, self.used)

    def limbs(self, variables: Sequence[str], width: int) -> z3.ArithRef:
        """variables[0] + 2^width variables[1] + ..."""
        return z3.Sum([self.var(v) * (1 << width * i) for i, v in enumerate(variables)])

    def number(self, row: int, first: int, count: int) -> z3.ArithRef:
        """`count` byte columns from `first` on, little-endian."""
        if not self.bytes_are_bytes or self.exact:
            return self.limbs([cell(row, f"byte[{first + i}]") for i in range(count)], 8)
        names = []
        for at in range(first, first + count, 3):
            end = min(at + 3, first + count)
            names.append(cell(row, f"byte[{at}:{end}]" if end > at + 1 else f"byte[{at}]"))
        return self.limbs(names, 24)

    def amount(self, row: int, column: str, count: int = 3, first: int = 0) -> z3.ArithRef:
        """`count` limbs of 24 bits of an array of columns."""
        return self.limbs([cell(row, f"{column}[{first + i}]") for i in range(count)], 24)

    def near(self, names: Iterable[str], equal: Iterable[str], steps: int | None) -> list[Fact]:
        """Facts within some steps of these integers, not stepping over those that are `equal` in both copies, but with what says that
        they are; None for all."""
        if steps is None:
            return self.facts
        reached, chosen, over = set(names), list[Fact](), set(equal)
        for _ in range(steps):
            reached |= {name for name, parts in self.parts.items() if name not in over and reached.intersection(parts)}
            chosen = [fact for fact in self.facts if fact.names & reached]
            reached = set(names).union(*(fact.names for fact in chosen))
            reached = self.closure(reached) - over
        known = over & self.closure(set(names).union(*(fact.names for fact in chosen)))
        taken = set(map(id, chosen))
        return [fact for fact in self.facts if id(fact) in taken or fact.names <= known]

    def solver(self, facts: Sequence[Fact], *extra: z3.BoolRef, seconds: float = 20) -> z3.Solver:
        """A fresh solver with these facts and what is known of the integers in them: z3 is far slower with push and pop.

        Its context is its own, so that no answer rests on what was asked before.
        """
        names = set[str]().union(*(fact.names for fact in facts))
        says = [*(fact.says for fact in facts), *extra]
        for name in sorted(self.closure(names | self.used)):
            says += self.about[name]
        context = z3.Context()
        made = z3.Solver(ctx=context) if self.exact else z3.SimpleSolver(ctx=context)
        made.set("random_seed", SEED)
        made.set("rlimit", int(seconds * RESOURCES))
        made.add([each.translate(context) for each in says])
        return made

    def closure(self, names: Iterable[str]) -> set[str]:
        """These integers and those that they are made of."""
        found, new = set[str](), set(names)
        while new:
            found |= new
            new = {part for name in new for part in self.parts.get(name, ())} - found
        return {name for name in found if name in self.about}

    def check(self, *extra: z3.BoolRef, seconds: float = 20) -> str:
        """ "sat", "unsat" or "unknown", with all facts. Integers of `extra` are to be in `used`."""
        return str(self.solver(self.facts, *extra, seconds=seconds).check())
