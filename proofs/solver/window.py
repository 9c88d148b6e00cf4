"""The published program on a few rows in a row, with the kinds of these rows fixed: what is left of each constraint.

The program is run symbolically, as zk/PROTOCOL.md section 4 says, once for each pair of rows. With kinds fixed most of a constraint is
constant; the rest is a formula: and/or over polynomials that are 0 modulo p. A product is 0 where a factor is, since p is prime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path

from circuits.claim import claim_program
from circuits.gadgets import COLUMNS, KINDS, N_PERMUTATION, PUBLICS
from zk.air import ADD, ASSERT, COL, CONST, MSG, MUL, NEXT, NUM, PUB, REG, SEL, SUB, Program
from zk.field import P
from zk.program_file import decode_program

PROGRAM = Path(__file__).resolve().parents[2] / "tests/vectors/claim_std.program"
N_ROUNDS = N_PERMUTATION - 16  # the permutation's constraints come first, one for each column after `in`
PADDING, ANY = "padding", "any"

Node = int
Monomial = tuple[str, ...]
Poly = dict[Monomial, int]
Formula = bool | tuple  # True, False, ("zero", Poly), ("or", [...])


def digest() -> str:
    """The published program's digest, as circuits/README.md section 9 prints it."""
    return sha256(b"standstill/program/v1" + PROGRAM.read_bytes()).hexdigest()


@cache
def program() -> Program:
    """The published program.

    Raises:
        ValueError: circuits/claim.py compiles to other words, so its names of columns and constraints are not this program's.
    """
    data = PROGRAM.read_bytes()
    if claim_program().encode() != data:
        raise ValueError("tests/vectors/claim_std.program is not what circuits/claim.py compiles to")
    return decode_program(data)


def constraint_names() -> tuple[str, ...]:
    """Names by number; the first N_ROUNDS are the permutation's."""
    return claim_program().constraint_names


def cell(row: int, column: str) -> str:
    """The variable of a cell: row within the window, column as circuits/gadgets.py names it."""
    return f"r{row}.{column}"


def public(name: str) -> str:
    """The variable of a public input."""
    return f"public.{name}"


class Dag:
    """Expressions modulo p, hash-consed, with constants folded."""

    def __init__(self) -> None:
        self.nodes: list[tuple] = []
        self.table: dict[tuple, Node] = {}
        self.polys: dict[Node, Poly] = {}

    def make(self, *key: object) -> Node:
        if key not in self.table:
            self.table[key] = len(self.nodes)
            self.nodes.append(key)
        return self.table[key]

    def const(self, value: int) -> Node:
        return self.make("const", value % P)

    def value(self, node: Node) -> int | None:
        """The constant that a node is, or None."""
        key = self.nodes[node]
        return key[1] if key[0] == "const" else None

    def binary(self, op: int, a: Node, b: Node) -> Node:
        x, y = self.value(a), self.value(b)
        if x is not None and y is not None:
            return self.const(x + y if op == ADD else x - y if op == SUB else x * y)
        if op == MUL:
            if 0 in (x, y):
                return self.const(0)
            if x == 1 or y == 1:
                return b if x == 1 else a
        elif y == 0:
            return a
        elif op == ADD and x == 0:
            return b
        elif op == SUB and a == b:
            return self.const(0)
        return self.make(op, a, b)

    def poly(self, node: Node) -> Poly:
        """The node as a sum of monomials, coefficients in [1, p)."""
        if node not in self.polys:
            op, a, b = (*self.nodes[node], None)[:3]
            if op == "const":
                self.polys[node] = {(): a} if a else {}
            elif op == "var":
                self.polys[node] = {(a,): 1}
            elif op == MUL:
                self.polys[node] = times(self.poly(a), self.poly(b))
            else:
                self.polys[node] = plus(self.poly(a), self.poly(b), 1 if op == ADD else -1)
        return self.polys[node]

    def zero(self, node: Node) -> Formula:
        """When a node is 0 modulo p."""
        op, a, b = (*self.nodes[node], None)[:3]
        if op == MUL:
            return either([self.zero(a), self.zero(b)])
        if op == SUB and self.nodes[a] == (MUL, b, b):  # x x - x
            return either([self.zero(b), self.zero(self.binary(SUB, b, self.const(1)))])
        poly = self.poly(node)
        if all(m == () for m in poly):
            return not poly
        return ("zero", poly)


def plus(a: Poly, b: Poly, sign: int) -> Poly:
    """a + sign b."""
    total = dict(a)
    for m, c in b.items():
        total[m] = (total.get(m, 0) + sign * c) % P
    return {m: c for m, c in total.items() if c}


def times(a: Poly, b: Poly) -> Poly:
    """a b."""
    total: Poly = {}
    for m, c in a.items():
        for n, d in b.items():
            key = tuple(sorted(m + n))
            total[key] = (total.get(key, 0) + c * d) % P
    return {m: c for m, c in total.items() if c}


def either(parts: Sequence[Formula]) -> Formula:
    """One of these holds."""
    if any(part is True for part in parts):
        return True
    left = [part for part in parts if part is not False]
    return False if not left else left[0] if len(left) == 1 else ("or", left)


def variables(formula: Formula) -> set[str]:
    """The cells and publics that a formula speaks of."""
    if isinstance(formula, bool):
        return set()
    if formula[0] == "zero":
        return {v for m in formula[1] for v in m}
    return set().union(*(variables(part) for part in formula[1]))


@dataclass(frozen=True)
class Window:
    """Some rows in a row.

    Attributes:
        kinds: kind of each row, PADDING where it has none, ANY where it is left open.
        fixed: other cells that are given, such as the kind flags of an entry: variable -> value.
        selectors: L_0, L_(N-1) and x - w^-1 on all but the last row, up to a factor: 0 or not 0. In the middle of a table: (0, 0, 1).
    """

    kinds: tuple[str, ...]
    fixed: tuple[tuple[str, int], ...] = ()
    selectors: tuple[int, int, int] = (0, 0, 1)
    note: str = ""

    def __str__(self) -> str:
        return " ".join(self.kinds) + (f" ({self.note})" if self.note else "")


@dataclass
class Held:
    """What the program says on a window.

    Attributes:
        constraints: (row, name, formula).
        fractions: for each row and interaction that is not idle there: name, numerators, message.
    """

    window: Window
    constraints: list[tuple[int, str, Formula]] = field(default_factory=list)
    fractions: list[tuple[int, str, list[Poly], list[Poly]]] = field(default_factory=list)


@cache
def held(window: Window) -> Held:
    """Every constraint, the permutation's aside, on every row of a window, and what each row gives to the buses.

    On the last row stand those that do not read the row after it, whatever kind that is.
    """
    dag, found, last = Dag(), Held(window), len(window.kinds) - 1
    given = dict(window.fixed)
    for at, kind in enumerate(window.kinds):
        if kind != ANY:
            given |= {cell(at, k): int(k == kind) for k in KINDS}
    for at in range(last + 1):
        asserted, terms = run(dag, at, given, window.selectors)
        for number, node in asserted:
            formula = dag.zero(node)
            if formula is True or at == last and any(v.startswith(f"r{last + 1}.") for v in variables(formula)):
                continue
            found.constraints.append((at, constraint_names()[number], formula))
        for number, name in enumerate(claim_program().interaction_names):
            numerators, message = ([dag.poly(node) for node in terms[code, number]] for code in (NUM, MSG))
            if any(numerators):
                found.fractions.append((at, name, numerators, message))
    return found


def run(
    dag: Dag, at: int, given: Mapping[str, int], selectors: Sequence[int], ops: Sequence[tuple[int, int, int, int]] | None = None
) -> tuple[list[tuple[int, Node]], dict[tuple[int, int], list[Node]]]:
    """The program on the pair of rows (at, at + 1): numbers of constraints with their expressions; those of each interaction."""

    def leaf(name: str) -> Node:
        return dag.const(given[name]) if name in given else dag.make("var", name)

    registers: dict[int, Node] = {}
    sources = {
        REG: registers.__getitem__,
        COL: lambda i: leaf(cell(at, COLUMNS.names[i])),
        NEXT: lambda i: leaf(cell(at + 1, COLUMNS.names[i])),
        CONST: lambda i: dag.const(program().constants[i]),
        SEL: lambda i: dag.const(selectors[i]),
        PUB: lambda i: leaf(public(PUBLICS[i])),
    }
    asserted, terms = [], dict[tuple[int, int], list[Node]]()
    for op, dst, a, b in program().ops if ops is None else ops:
        x = sources[a >> 24](a & 0xFFFFFF)
        if op in (MSG, NUM):
            terms.setdefault((op, dst), []).append(x)
        elif op == ASSERT:
            if b >= N_ROUNDS:
                asserted.append((b, x))
        else:
            registers[dst] = dag.binary(op, x, sources[b >> 24](b & 0xFFFFFF))
    return asserted, terms


def triangular() -> list[str]:
    """The permutation's constraints that do not say `column = something of columns before it in this row`; empty if all do.

    So a row's input determines all columns of the permutation, and no solver is needed for it.
    """
    dag, depends = Dag(), dict[Node, int]()
    wrong = []

    def last(node: Node) -> int:
        """The last column that an expression reads; beyond all columns for anything else but constants."""
        if node not in depends:
            op, a, b = (*dag.nodes[node], None)[:3]
            if op in ("const", "var"):
                depends[node] = -1 if op == "const" else columns.get(a, len(COLUMNS))
            else:
                depends[node] = max(last(a), last(b))
        return depends[node]

    columns = {cell(0, name): at for at, name in enumerate(COLUMNS.names)}
    registers: dict[int, Node] = {}
    for op, dst, a, b in program().ops:

        def read(word: int) -> Node:
            kind, index = word >> 24, word & 0xFFFFFF
            if kind == REG:
                return registers[index]
            return (
                dag.const(program().constants[index])
                if kind == CONST
                else dag.make("var", cell(0, COLUMNS.names[index]) if kind == COL else "other")
            )

        if op in (MSG, NUM):
            continue
        if op == ASSERT:
            if b < N_ROUNDS:
                code, left, right = (*dag.nodes[read(a)], None, None)[:3]
                if code != SUB or dag.nodes[left] != ("var", cell(0, COLUMNS.names[16 + b])) or last(right) >= 16 + b:
                    wrong.append(constraint_names()[b])
        else:
            registers[dst] = dag.binary(op, read(a), read(b))
    return wrong


@cache
def ops_on_kinds() -> tuple[tuple[int, int, int, int], ...]:
    """The constraints that read nothing but kinds, and the ops that they need."""
    kinds = {COLUMNS.index(kind) for kind in KINDS}
    last, ours = dict[int, int](), dict[int, bool]()  # register -> the op that wrote it; op -> whether it reads kinds alone
    reads = dict[int, list[int]]()
    for at, (op, dst, a, b) in enumerate(program().ops):
        words = (a, b) if op in (ADD, SUB, MUL) else (a,)
        reads[at] = [last[word & 0xFFFFFF] for word in words if word >> 24 == REG]
        leaves = all(word >> 24 in (REG, CONST) or word >> 24 in (COL, NEXT) and word & 0xFFFFFF in kinds for word in words)
        ours[at] = leaves and all(ours[other] for other in reads[at])
        if op in (ADD, SUB, MUL):
            last[dst] = at
    wanted = {at for at, (op, *_) in enumerate(program().ops) if op == ASSERT and ours[at]}
    for at in sorted(ours, reverse=True):
        if at in wanted:
            wanted.update(reads[at])
    return tuple(program().ops[at] for at in sorted(wanted))


@cache
def refusing(kind: str, then: str) -> frozenset[str]:
    """The constraints on kinds alone that refuse a row of one kind before one of the other."""
    given = {cell(at, k): int(k == kinds) for at, kinds in enumerate((kind, then)) for k in KINDS}
    dag = Dag()
    return frozenset(
        constraint_names()[number] for number, node in run(dag, 0, given, (0, 0, 1), ops_on_kinds())[0] if dag.zero(node) is False
    )


def successors() -> dict[str, list[str]]:
    """For each kind, the kinds that no constraint on kinds alone refuses after it."""
    kinds = [*KINDS, PADDING]
    return {kind: [then for then in kinds if not refusing(kind, then)] for kind in kinds}
