"""Runs an AIR on a trace in plain numpy and reports everything that fails, by name and row.

The slow, obvious counterpart of prover and verifier: constraints are evaluated on the rows themselves, selectors are 0 or 1,
and buses are compared as multisets, exactly, with no challenge. For tests and for debugging an AIR; never part of a proof.

Traces here are canonical integers, (n_columns, rows), not Montgomery words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zk.air import ADD, ASSERT, COL, CONST, MSG, MUL, NEXT, NUM, PUB, REG, SEL, SUB, Program
from zk.errors import AirError
from zk.field import P

U64 = npt.NDArray[np.uint64]
Values = npt.NDArray[np.uint64]
_P = np.uint64(P)
_CHUNK = 4096
PUBLIC_ROW = -1


@dataclass(frozen=True, order=True)
class Failure:
    """One violated constraint or unbalanced message.

    Attributes:
        row: row of the trace; PUBLIC_ROW for a public interaction.
        constraint: name of the constraint, or of the interaction that takes part in the message.
        detail: for an unbalanced message, the message and what is left of its numerators.
    """

    row: int
    constraint: str
    detail: str = ""


@dataclass
class Evaluation:
    """Values of a program on some rows.

    Attributes:
        constraints: (n_constraints, rows) canonical; 0 where satisfied.
        numerators, messages: per interaction, (count, rows) canonical.
    """

    constraints: Values
    numerators: list[Values]
    messages: list[Values]


def evaluate(
    program: Program,
    publics: Sequence[int],
    row: U64,
    nxt: U64,
    selectors: U64,
    ops: Sequence[tuple[int, int, int, int]] | None = None,
) -> Evaluation:
    """Runs the program on pairs of rows.

    Args:
        ops: a part of the program's ops, in order, such as `bus_ops`; None for all. What they leave out stays 0.
        row, nxt: (n_columns, n) canonical uint64; nxt[:, i] is the row after row[:, i].
        selectors: (3, n): first, last, transition as 0 or 1.

    Raises:
        AirError: shapes do not match the program.
    """
    n = row.shape[1]
    if row.shape != (program.n_columns, n) or nxt.shape != row.shape or selectors.shape != (3, n):
        raise AirError(f"rows of {program.n_columns} columns and three selectors expected")
    if len(publics) != program.n_publics:
        raise AirError(f"{program.n_publics} public inputs expected, got {len(publics)}")
    registers: list[U64] = [np.zeros(n, dtype=np.uint64)] * program.n_registers
    sources: dict[int, Sequence[object]] = {
        REG: registers,
        COL: row,  # type: ignore[dict-item]
        NEXT: nxt,  # type: ignore[dict-item]
        CONST: [np.full(n, c, dtype=np.uint64) for c in program.constants],
        SEL: selectors,  # type: ignore[dict-item]
        PUB: [np.full(n, v % P, dtype=np.uint64) for v in publics],
    }
    result = Evaluation(
        np.zeros((program.n_constraints, n), dtype=np.uint64),
        [np.zeros((count, n), dtype=np.uint64) for count, _ in program.interactions],
        [np.zeros((count, n), dtype=np.uint64) for _, count in program.interactions],
    )
    for op, dst, a, b in program.ops if ops is None else ops:
        x: U64 = sources[a >> 24][a & 0xFFFFFF]  # type: ignore[assignment]
        if op == ASSERT:
            result.constraints[b] = x
        elif op == MSG:
            result.messages[dst][b] = x
        elif op == NUM:
            result.numerators[dst][b] = x
        else:
            y: U64 = sources[b >> 24][b & 0xFFFFFF]  # type: ignore[assignment]
            registers[dst] = _apply(op, x, y)
    return result


def bus_ops(program: Program) -> list[tuple[int, int, int, int]]:
    """The ops that interactions depend on, in order."""
    live: set[int] = set()
    kept = []
    for op in reversed(program.ops):
        code, dst, a, b = op
        if code in (ADD, SUB, MUL):
            if dst not in live:
                continue
            live.discard(dst)
        elif code == ASSERT:
            continue
        for word in (a, b) if code in (ADD, SUB, MUL) else (a,):
            if word >> 24 == REG:
                live.add(word & 0xFFFFFF)
        kept.append(op)
    return kept[::-1]


def _apply(op: int, x: U64, y: U64) -> U64:
    if op == ADD:
        total: U64 = x + y
        reduced: U64 = np.minimum(total, total - _P)  # below p, total - p wraps to something larger
        return reduced
    if op == SUB:
        total = x - y
        reduced = np.minimum(total, total + _P)
        return reduced
    if op == MUL:
        product = x * y
        remainder: U64 = product - product // _P * _P  # numpy divides by a constant twice as fast as it takes remainders
        return remainder
    raise AirError(f"unknown opcode {op}")


def check_trace(
    program: Program,
    publics: Sequence[int],
    trace: npt.NDArray[np.integer],
    public_interactions: Sequence[tuple[int, Sequence[int]]],
    rows: Sequence[int] | None = None,
) -> list[Failure]:
    """Every base constraint on every row, and every bus.

    Args:
        trace: (n_columns, N) canonical; the row after the last is the first.
        public_interactions: (multiplicity, message) terms that the verifier adds.
        rows: the windowed variant: constraints on these rows only (a changed row r touches r - 1 and r). Buses are
            always compared over the whole trace.

    Returns:
        All failures, sorted by row; empty if and only if the trace satisfies the AIR.

    Raises:
        AirError: shapes do not match, or a cell is not canonical.
    """
    n = trace.shape[1]
    if trace.ndim != 2 or trace.shape[0] != program.n_columns:
        raise AirError(f"a trace of {program.n_columns} columns expected")
    if trace.size and (int(trace.min()) < 0 or int(trace.max()) >= P):
        raise AirError("a cell of the trace is not in [0, p)")
    chosen = np.arange(n) if rows is None else np.unique(np.mod(np.asarray(rows, dtype=np.int64), n))
    failures: list[Failure] = []
    fractions = Fractions(program)
    for at in range(0, len(chosen), _CHUNK):
        window = chosen[at : at + _CHUNK]
        values = _evaluate_window(program, publics, trace, window, None)
        for k, i in zip(*np.nonzero(values.constraints), strict=True):
            failures.append(Failure(int(window[i]), program.constraint_names[k]))
        fractions.add(values, window)
    rest = np.setdiff1d(np.arange(n), chosen, assume_unique=True)
    ops = bus_ops(program)
    for at in range(0, len(rest), _CHUNK):
        window = rest[at : at + _CHUNK]
        fractions.add(_evaluate_window(program, publics, trace, window, ops), window)
    fractions.add_public(public_interactions)
    return sorted(failures + fractions.unbalanced())


def _evaluate_window(
    program: Program,
    publics: Sequence[int],
    trace: npt.NDArray[np.integer],
    window: npt.NDArray[np.int64],
    ops: Sequence[tuple[int, int, int, int]] | None,
) -> Evaluation:
    n = trace.shape[1]
    selectors = np.stack([window == 0, window == n - 1, window != n - 1]).astype(np.uint64)
    rows, following = (trace[:, at].astype(np.uint64) for at in (window, (window + 1) % n))
    return evaluate(program, publics, rows, following, selectors, ops)


class Fractions:
    """All fractions with a non-zero numerator: messages and numerators padded with zeros to one width."""

    def __init__(self, program: Program) -> None:
        self.names = program.interaction_names
        self.n_numerators = max((count for count, _ in program.interactions), default=1)
        self.n_message = max((count for _, count in program.interactions), default=1)
        self.parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], U64, U64]] = []

    def add(self, values: Evaluation, window: npt.NDArray[np.int64]) -> None:
        """Collects the fractions of some rows."""
        for i, (numerators, message) in enumerate(zip(values.numerators, values.messages, strict=True)):
            live = np.flatnonzero(numerators.any(axis=0))
            if len(live):
                self._append(np.full(len(live), i), window[live], numerators[:, live], message[:, live])

    def add_public(self, terms: Sequence[tuple[int, Sequence[int]]]) -> None:
        """Collects the verifier's terms."""
        for _, message in terms:
            self.n_message = max(self.n_message, len(message))
        for multiplicity, message in terms:
            cells = np.array([m % P for m in message], dtype=np.uint64).reshape(-1, 1)
            self._append(np.array([-1]), np.array([PUBLIC_ROW]), np.array([[multiplicity % P]], dtype=np.uint64), cells)

    def _append(self, which: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], numerators: U64, message: U64) -> None:
        self.parts.append((which, rows, numerators, message))

    def unbalanced(self) -> list[Failure]:
        """A failure for every fraction of every message whose numerators do not sum to zero."""
        if not self.parts:
            return []
        which = np.concatenate([part[0] for part in self.parts])
        rows = np.concatenate([part[1] for part in self.parts])
        numerators = np.concatenate([_padded(part[2], self.n_numerators) for part in self.parts], axis=1)
        messages = np.concatenate([_padded(part[3], self.n_message) for part in self.parts], axis=1)
        group = _groups(messages)
        sums = np.stack([_sums(group, numerator) for numerator in numerators])
        bad = np.asarray((sums % _P).any(axis=0))
        failures = []
        for i in np.flatnonzero(bad[group]):
            left = [int(v) for v in sums[:, group[i]] % _P]
            detail = f"message {_trimmed(messages[:, i])} is left with {left}"
            name = "public" if which[i] < 0 else self.names[which[i]]
            failures.append(Failure(int(rows[i]), name, detail))
        return failures


def _trimmed(message: U64) -> list[int]:
    cells = [int(v) for v in message]
    while len(cells) > 1 and cells[-1] == 0:
        cells.pop()
    return cells


def _padded(cells: U64, height: int) -> U64:
    return np.pad(cells, ((0, height - cells.shape[0]), (0, 0)))


def _groups(messages: U64) -> npt.NDArray[np.int64]:
    """A number for each message, equal exactly where messages are equal."""
    rng = np.random.default_rng()
    while True:
        weights = rng.integers(1, 1 << 63, size=(messages.shape[0], 1), dtype=np.uint64) | np.uint64(1)
        _, first, group = np.unique((messages * weights).sum(axis=0), return_index=True, return_inverse=True)
        if np.array_equal(messages, messages[:, first[group]]):  # no collision of the fingerprint
            return group.astype(np.int64)


def _sums(group: npt.NDArray[np.int64], numerator: U64) -> U64:
    """Sum of a numerator over each group, below 2^32 x number of fractions < 2^64."""
    total = np.zeros(int(group.max()) + 1, dtype=np.uint64)
    live = np.flatnonzero(numerator)
    np.add.at(total, group[live], numerator[live])
    return total
