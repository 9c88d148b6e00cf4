"""AIRs: named columns, named constraints, bus interactions, and the program they compile to.

An AIR (algebraic intermediate representation) is written once, as a function over symbolic rows. From it come the
degree of every constraint, the straight-line program that prover, checker and verifier all run, and the digest
that the transcript absorbs. The program format is specified in PROTOCOL.md section 4.

Expressions are hash-consed nodes of a DAG, so common subexpressions are shared by construction.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Union

from zk.errors import AirError
from zk.field import P

# Operand kinds (high byte of an operand word).
REG, COL, NEXT, CONST, SEL, PUB = range(6)
# Opcodes.
ADD, SUB, MUL, ASSERT, MSG, NUM = range(6)
# Selector indices.
FIRST, LAST, TRANSITION = range(3)
INDEX_MASK = (1 << 24) - 1
MAX_DEGREE = 3

Operand = Union["Expr", int]


def operand(kind: int, index: int) -> int:
    """Encodes an operand word: kind in the top byte, index in the low 24 bits."""
    return kind << 24 | index


class Expr:
    """A node of an AIR's expression DAG. Supports +, -, * with expressions and integers."""

    __slots__ = ("builder", "node")

    def __init__(self, builder: Builder, node: int) -> None:
        self.builder, self.node = builder, node

    @property
    def degree(self) -> int:
        """Degree in the trace polynomials (selectors FIRST and LAST count as 1)."""
        return self.builder.degrees[self.node]

    def __add__(self, other: Operand) -> Expr:
        return self.builder.binary(ADD, self, other)

    def __radd__(self, other: Operand) -> Expr:
        return self.builder.binary(ADD, other, self)

    def __sub__(self, other: Operand) -> Expr:
        return self.builder.binary(SUB, self, other)

    def __rsub__(self, other: Operand) -> Expr:
        return self.builder.binary(SUB, other, self)

    def __mul__(self, other: Operand) -> Expr:
        return self.builder.binary(MUL, self, other)

    def __rmul__(self, other: Operand) -> Expr:
        return self.builder.binary(MUL, other, self)

    def __hash__(self) -> int:
        return self.node

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expr) and other.builder is self.builder and other.node == self.node


class Columns:
    """Named columns, in order. `layout` maps a name to the number of columns under it.

    A name with one column is a single column; one with several is an array.
    """

    def __init__(self, layout: Mapping[str, int]) -> None:
        self.layout = dict(layout)
        self.offsets: dict[str, int] = {}
        self.names: list[str] = []
        for name, count in self.layout.items():
            if count < 1:
                raise AirError(f"column {name}: count {count} is not positive")
            self.offsets[name] = len(self.names)
            self.names.extend([name] if count == 1 else [f"{name}[{i}]" for i in range(count)])

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str, i: int = 0) -> int:
        """Position of column `name[i]`. Raises AirError when there is none."""
        if name not in self.offsets or not 0 <= i < self.layout[name]:
            raise AirError(f"no column {name}[{i}]")
        return self.offsets[name] + i


@dataclass(frozen=True)
class Row:
    """One symbolic row (current or next): `row.one("epoch")`, `row.many("byte")`."""

    builder: Builder
    kind: int

    def one(self, name: str, i: int = 0) -> Expr:
        """The expression of column `name[i]` in this row."""
        return self.builder.leaf(self.kind, self.builder.columns.index(name, i))

    def many(self, name: str) -> tuple[Expr, ...]:
        """All columns under `name`, as expressions of this row."""
        return tuple(self.one(name, i) for i in range(self.builder.columns.layout[name]))


@dataclass(frozen=True)
class Interaction:
    """One fraction of the LogUp sum: sum_k gamma^k numerators[k] / (alpha + sum_k beta^k message[k]).

    message[0] is the bus identifier (an integer, or an expression that is one in each kind of row).
    """

    name: str
    numerators: tuple[Expr, ...]
    message: tuple[Expr, ...]

    @property
    def numerator_degree(self) -> int:
        """Largest degree of a numerator."""
        return max(e.degree for e in self.numerators)

    @property
    def message_degree(self) -> int:
        """Largest degree of a message element."""
        return max(e.degree for e in self.message)


class Builder:
    """Collects the constraints and interactions of an AIR as a hash-consed DAG."""

    def __init__(self, columns: Columns, publics: Sequence[str]) -> None:
        self.columns = columns
        self.public_names = list(publics)
        self.nodes: list[tuple[int, int, int]] = []  # (opcode, a, b) or (-1 - kind, index, 0) for a leaf
        self.degrees: list[int] = []
        self.constants: dict[int, int] = {}  # value to index
        self.constant_nodes: dict[int, int] = {}  # node to value
        self.table: dict[tuple[int, int, int], int] = {}
        self.constraints: dict[str, Expr] = {}
        self.interactions: list[Interaction] = []
        self.row = Row(self, COL)
        self.next = Row(self, NEXT)
        self.is_first = self.leaf(SEL, FIRST)
        self.is_last = self.leaf(SEL, LAST)
        self.is_transition = self.leaf(SEL, TRANSITION)

    def leaf(self, kind: int, index: int) -> Expr:
        """A leaf node: a column, constant, selector or public input."""
        degree = 0 if kind in (CONST, PUB) or (kind == SEL and index == TRANSITION) else 1
        return self._node((-1 - kind, index, 0), degree)

    def constant(self, value: int) -> Expr:
        """The constant `value` mod p."""
        value %= P
        e = self.leaf(CONST, self.constants.setdefault(value, len(self.constants)))
        self.constant_nodes[e.node] = value
        return e

    def public(self, name: str) -> Expr:
        """The public input `name`."""
        if name not in self.public_names:
            raise AirError(f"no public input {name}")
        return self.leaf(PUB, self.public_names.index(name))

    def sum(self, terms: Iterable[Operand]) -> Expr:
        """Sum of the terms, 0 if there are none."""
        total: Operand = 0
        for term in terms:
            total = total + term
        return self.lift(total)

    def lift(self, value: Operand) -> Expr:
        """An expression from an expression or an integer."""
        return value if isinstance(value, Expr) else self.constant(value)

    def binary(self, op: int, a: Operand, b: Operand) -> Expr:
        """The node a op b, simplified where a constant 0 or 1 (or two constants) makes it trivial."""
        x, y = self.lift(a), self.lift(b)
        cx, cy = self.constant_nodes.get(x.node), self.constant_nodes.get(y.node)
        if cx is not None and cy is not None:
            return self.constant(cx + cy if op == ADD else cx - cy if op == SUB else cx * cy)
        if cy == 0 and op != MUL:
            return x
        if cx == 0 and op == ADD:
            return y
        if op == MUL and (cx == 0 or cy == 0):
            return self.constant(0)
        if op == MUL and cx == 1:
            return y
        if op == MUL and cy == 1:
            return x
        i, j = x.node, y.node
        if i > j and op != SUB:
            i, j = j, i
        one, two = self.degrees[i], self.degrees[j]
        return self._node((op, i, j), one + two if op == MUL else max(one, two))

    def assert_zero(self, name: str, expr: Operand) -> None:
        """Adds the constraint expr == 0 on every row (cyclically: the row after the last is the first)."""
        e = self.lift(expr)
        if e.degree > MAX_DEGREE:
            raise AirError(f"constraint {name} has degree {e.degree} > {MAX_DEGREE}")
        if name in self.constraints:
            raise AirError(f"two constraints are named {name}")
        if self.constant_nodes.get(e.node) == 0:
            raise AirError(f"constraint {name} is identically zero")
        self.constraints[name] = e

    def assert_equal(self, name: str, a: Operand, b: Operand) -> None:
        """Adds the constraint a == b on every row."""
        self.assert_zero(name, self.lift(a) - b)

    def interact(self, name: str, numerators: Operand | Sequence[Operand], message: Sequence[Operand]) -> None:
        """Adds an interaction; `message[0]` is the bus identifier. Takes a single numerator or several."""
        several = [numerators] if isinstance(numerators, (Expr, int)) else list(numerators)
        item = Interaction(name, tuple(self.lift(n) for n in several), tuple(self.lift(m) for m in message))
        if item.message_degree + 1 > MAX_DEGREE or item.numerator_degree > MAX_DEGREE:
            raise AirError(f"interaction {name} has too high a degree")
        self.interactions.append(item)

    def _node(self, key: tuple[int, int, int], degree: int) -> Expr:
        node = self.table.setdefault(key, len(self.nodes))
        if node == len(self.nodes):
            self.nodes.append(key)
            self.degrees.append(degree)
        return Expr(self, node)


@dataclass(frozen=True)
class Program:
    """A compiled AIR: what prover, checker and verifier run, and what the transcript absorbs.

    Attributes:
        n_columns: number of main columns.
        n_registers: virtual registers used by `ops`.
        n_publics: number of public inputs.
        constants: constant pool, canonical integers.
        ops: (opcode, dst, a, b) in order; see PROTOCOL.md section 4.
        n_constraints: base constraints; ASSERT k refers to constraint k.
        interactions: number of (numerators, message elements) per interaction.
        groups: interactions of each LogUp group, (i, j) or (i, -1); the last group lives in the accumulator.
        next_columns: sorted main columns that are read in the next row.
        names: names of the columns; `constraint_names`, `interaction_names` likewise (not part of the digest).
    """

    n_columns: int
    n_registers: int
    n_publics: int
    constants: tuple[int, ...]
    ops: tuple[tuple[int, int, int, int], ...]
    n_constraints: int
    interactions: tuple[tuple[int, int], ...]
    groups: tuple[tuple[int, int], ...]
    next_columns: tuple[int, ...]
    names: tuple[str, ...] = field(compare=False)
    constraint_names: tuple[str, ...] = field(compare=False)
    interaction_names: tuple[str, ...] = field(compare=False)

    @property
    def n_aux(self) -> int:
        """Number of auxiliary extension columns: one per LogUp group (the last is the accumulator)."""
        return len(self.groups)

    def encode(self) -> bytes:
        """Canonical encoding, PROTOCOL.md section 4."""
        words: list[int] = [self.n_columns, self.n_registers, self.n_publics, self.n_constraints]
        words += [len(self.constants), *self.constants]
        for rows in (self.ops, self.interactions, [(i, j & 0xFFFFFFFF) for i, j in self.groups]):
            words += [len(rows), *chain.from_iterable(rows)]
        words += [len(self.next_columns), *self.next_columns]
        return struct.pack(f">{len(words)}I", *words)

    def digest(self) -> bytes:
        """SHA-256 of the encoding under its domain tag."""
        return hashlib.sha256(b"standstill/program/v1" + self.encode()).digest()


def group_interactions(interactions: Sequence[Interaction]) -> tuple[tuple[int, int], ...]:
    """Pairs interactions so that every LogUp constraint has degree at most 3.

    Two interactions share a column when both messages have degree <= 1 and both numerators degree <= 2; they are taken
    in order. All others stand alone (message degree <= 2, numerator degree <= 3).
    """
    pairable = [i for i, it in enumerate(interactions) if it.message_degree <= 1 and it.numerator_degree <= 2]
    alone = [(i, -1) for i in range(len(interactions)) if i not in pairable]
    pairs = [(pairable[k], pairable[k + 1]) for k in range(0, len(pairable) - 1, 2)]
    rest = [(pairable[-1], -1)] if len(pairable) % 2 else []
    return tuple(pairs + rest + alone)


class _Emitter:
    """Lowers a DAG to ops with registers reused after their last use."""

    def __init__(self, builder: Builder, roots: Sequence[Expr]) -> None:
        self.b = builder
        self.uses = [0] * len(builder.nodes)
        self.ops: list[tuple[int, int, int, int]] = []
        self.register: dict[int, int] = {}
        self.free: list[int] = []
        self.n_registers = 0
        seen: set[int] = set()
        for root in roots:
            self.uses[root.node] += 1
            stack = [root.node]
            while stack:
                node = stack.pop()
                if node in seen:
                    continue
                seen.add(node)
                op, x, y = builder.nodes[node]
                if op >= 0:
                    self.uses[x] += 1
                    self.uses[y] += 1
                    stack += [x, y]

    def value(self, root: int) -> int:
        """Emits what `root` needs and returns its operand word, consuming one use."""
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            op, x, y = self.b.nodes[node]
            if op < 0 or node in self.register:
                continue
            if not ready:
                stack += [(node, True), (y, False), (x, False)]
                continue
            a, b = self._consume(x), self._consume(y)
            dst = self.free.pop() if self.free else self._fresh()
            self.register[node] = dst
            self.ops.append((op, dst, a, b))
        return self._consume(root)

    def _fresh(self) -> int:
        self.n_registers += 1
        return self.n_registers - 1

    def _consume(self, node: int) -> int:
        op, index, _ = self.b.nodes[node]
        if op < 0:
            return operand(-1 - op, index)
        register = self.register[node]
        self.uses[node] -= 1
        if self.uses[node] == 0:
            self.free.append(register)
        return operand(REG, register)


def compile_air(columns: Columns, publics: Sequence[str], constraints: Callable[[Builder], None]) -> Program:
    """Compiles an AIR to its program.

    Args:
        columns: the main columns.
        publics: names of the public inputs, in order.
        constraints: writes the constraints and interactions to a builder.

    Raises:
        AirError: a name is unknown or doubled, or a degree exceeds 3.
    """
    b = Builder(columns, publics)
    constraints(b)
    roots = list(b.constraints.values())
    for item in b.interactions:
        roots += [*item.numerators, *item.message]
    emitter = _Emitter(b, roots)
    for k, e in enumerate(b.constraints.values()):
        emitter.ops.append((ASSERT, 0, emitter.value(e.node), k))
    for i, item in enumerate(b.interactions):
        for k, e in enumerate(item.numerators):
            emitter.ops.append((NUM, i, emitter.value(e.node), k))
        for k, e in enumerate(item.message):
            emitter.ops.append((MSG, i, emitter.value(e.node), k))
    used_next = {index for op, index, _ in b.nodes if op == -1 - NEXT}
    return Program(
        n_columns=len(columns),
        n_registers=max(emitter.n_registers, 1),
        n_publics=len(b.public_names),
        constants=tuple(b.constants),
        ops=tuple(emitter.ops),
        n_constraints=len(b.constraints),
        interactions=tuple((len(it.numerators), len(it.message)) for it in b.interactions),
        groups=group_interactions(b.interactions),
        next_columns=tuple(sorted(used_next)),
        names=tuple(columns.names),
        constraint_names=tuple(b.constraints),
        interaction_names=tuple(it.name for it in b.interactions),
    )
