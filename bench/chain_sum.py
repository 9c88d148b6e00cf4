"""S(N), the one statement that every proof system of the comparison proves.

    There are N private readings (value, nonce), a value of 48 bits and a nonce of four field elements (124 bits), such that
    absorbing them one after the other takes the system's own hash from a public start to a public end, and the sum of
    the values is at most a public T < 2^64.

Here: the Poseidon2 sponge of the real claim (rate 8, capacity 8, hardened), one reading a row, the claim's permutation and
byte table as they are. Row i < N absorbs (value low 24 bits, value high 24 bits, nonce[0..3], 0, 0) over the capacity; the start is
a capacity, the end the eight output lanes of row N - 1. Rows N to N + 7 show that the sum is at most T:

    acc[j]   sum of byte j of all values so far, at most 255 x 2^22 < 2^30, so it never wraps; a tail row shifts it down
    tail t   acc[0] + carry + slack = T's byte t + 256 carry',  slack a byte, carry' = byte1 + 2^8 byte2 + 2^16 byte3,
             byte4 = 4 byte3: so carry' < 2^22, both sides are below 2^31 - 2^24 and the equation holds over the integers;
             after the last tail row carry' = 0. Then the sum of the values plus the sum of slack_t 2^(8 t) is T.

What binds what: the first row is a reading and its capacity the public start; readings come first and without a gap
(`order`), tail rows follow them at once (`tail_follows`), or the END term, which the verifier takes once at place
N - 1, and the eight DIGIT terms at places N to N + 7 do not balance. `place` counts the rows, so each is one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from circuits.gadgets import BYTES, View, boolean, byte_table, views
from circuits.permutation import permutation
from circuits.statement import RATE, Elements
from circuits.witness import from_montgomery, to_montgomery
from zk.air import Builder, Columns, Program, compile_air
from zk.commitment import alloc_trace
from zk.field import P
from zk.kernels.poseidon2 import fill_trace, sponge_chains
from zk.options import STD, Options
from zk.prover import Progress, prove
from zk.security import SecurityReport
from zk.verifier import verify

__all__ = ["START", "Readings", "Statement", "absorb", "prove_chain", "random_readings", "statement_of", "trace_of", "verify_chain"]

END, DIGIT = BYTES + 1, BYTES + 2
DIGITS, VALUE_BYTES, N_BYTES = 8, 6, 6
PAIRS = 1 << 16
COLUMNS = Columns(
    {
        "in": 16, "full_a": 64, "partial": 36, "full_b": 64, "absorb": 1, "tail": 1, "place": 1, "byte": N_BYTES,
        "t_lo": 1, "t_hi": 1, "t_mult": 1, "acc": VALUE_BYTES, "carry": 1,
    }
)  # fmt: skip
START: Elements = tuple(range(1, 9))
PUBLICS = tuple(f"start[{i}]" for i in range(RATE))
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Statement:
    """Public values. ``readings``: N from 1; ``start``, ``end``: eight field elements; ``most``: T < 2^64."""

    readings: int
    start: Elements
    end: Elements
    most: int

    @property
    def log_rows(self) -> int:
        """Height of the table: the least that holds the readings, the tail and the byte table, 16 at least."""
        return max(16, (self.readings + DIGITS).bit_length())


@dataclass(frozen=True)
class Readings:
    """The witness. ``values``: (N,) below 2^48; ``nonces``: (4, N) below p. Not shown by repr."""

    values: U64
    nonces: U64

    def __repr__(self) -> str:
        return f"Readings({len(self.values)})"


@cache
def program() -> Program:
    """The compiled AIR: 199 columns."""
    return compile_air(COLUMNS, PUBLICS, _constraints)


def _constraints(b: Builder) -> None:
    row, nxt = views(b)
    permutation(b)
    _order(b, row, nxt)
    _chain(b, row, nxt)
    _sum(b, row, nxt)
    byte_table(b, row, nxt, N_BYTES)


def _order(b: Builder, row: View, nxt: View) -> None:
    boolean(b, "absorb_is_a_bit", row.absorb)
    boolean(b, "tail_is_a_bit", row.tail)
    b.assert_zero("absorb_or_tail", row.absorb * row.tail)
    b.assert_zero("first_absorbs", b.is_first * (row.absorb - 1))
    b.assert_zero("order", b.is_transition * nxt.absorb * (1 - row.absorb))
    b.assert_zero("tail_follows", b.is_transition * nxt.tail * (1 - row.absorb - row.tail))
    b.assert_zero("place_starts", b.is_first * row.place)
    b.assert_zero("place_counts", b.is_transition * (nxt.place - row.place - 1))


def _chain(b: Builder, row: View, nxt: View) -> None:
    for i in range(RATE):
        b.assert_zero(f"starts_{i}", b.is_first * (row.lane(RATE + i) - b.public(f"start[{i}]")))
        b.assert_zero(f"link_{i}", b.is_transition * nxt.absorb * (nxt.lane(RATE + i) - row.out(RATE + i)))
    b.assert_zero("value_low", row.absorb * (row.lane(0) - row.limb(0)))
    b.assert_zero("value_high", row.absorb * (row.lane(1) - row.limb(3)))
    for i in (6, 7):
        b.assert_zero(f"unused_lane_{i}", row.absorb * row.lane(i))
    b.interact("end", row.absorb * (1 - nxt.absorb), (END, row.place, *(row.out(i) for i in range(RATE))))


def _sum(b: Builder, row: View, nxt: View) -> None:
    carried = row.limb(1)
    digit = row.cell("acc", 0) + row.carry + row.byte(0) - carried * 256
    b.interact("digit", row.tail, (DIGIT, row.place, digit))
    b.assert_zero("carry_is_short", row.tail * (row.byte(4) - row.byte(3) * 4))
    for j in range(VALUE_BYTES):
        acc, then = row.cell("acc", j), nxt.cell("acc", j)
        shifted = row.cell("acc", j + 1) if j + 1 < VALUE_BYTES else 0
        b.assert_zero(f"acc_starts_{j}", b.is_first * acc)
        b.assert_zero(f"acc_adds_{j}", b.is_transition * row.absorb * (then - acc - row.byte(j)))
        b.assert_zero(f"acc_shifts_{j}", b.is_transition * row.tail * (then - shifted))
    b.assert_zero("carry_starts", b.is_transition * row.absorb * nxt.carry)
    b.assert_zero("carry_goes_on", b.is_transition * row.tail * (nxt.carry - carried))
    b.assert_zero("carry_ends", b.is_transition * row.tail * (1 - nxt.tail) * nxt.carry)


def public_terms(statement: Statement) -> list[tuple[int, list[int]]]:
    """What the verifier adds to the buses: one END and eight DIGITs, each taken once."""
    n = statement.readings
    terms = [[END, n - 1, *statement.end]]
    terms += [[DIGIT, n + t, digit] for t, digit in enumerate(statement.most.to_bytes(DIGITS, "little"))]
    return [(P - 1, term) for term in terms]


def random_readings(count: int, seed: int = 0) -> Readings:
    """Readings from a seeded generator: for benchmarks, where nothing is secret. Their sum is below 2^64."""
    rng = np.random.default_rng(seed)
    return Readings(
        rng.integers(0, min(1 << 48, (1 << 64) // count), count, dtype=np.uint64), rng.integers(0, P, (4, count), dtype=np.uint64)
    )


def absorb(readings: Readings, start: Elements = START) -> tuple[U32, Elements]:
    """Permutation inputs, (16, N) Montgomery, and the end: N permutations, one after the other."""
    count = len(readings.values)
    blocks = np.zeros((RATE, count), dtype=np.uint64)
    blocks[0], blocks[1] = readings.values & np.uint64(0xFFFFFF), readings.values >> np.uint64(24)
    blocks[2:6] = readings.nonces
    capacity = to_montgomery(np.array(start, dtype=np.uint64))
    inputs, last = sponge_chains(
        to_montgomery(blocks), np.array([0]), np.array([count]), capacity
    )
    return inputs, tuple(int(x) for x in from_montgomery(np.ascontiguousarray(last[:RATE, 0])))


def statement_of(readings: Readings, start: Elements = START, most: int | None = None) -> Statement:
    """The statement that readings satisfy; ``most`` is their sum unless given."""
    total = sum(int(v) for v in readings.values)
    return Statement(len(readings.values), start, absorb(readings, start)[1], total if most is None else most)


def trace_of(statement: Statement, readings: Readings, inputs: U32 | None = None) -> U32:
    """The table, (199, 2^log_rows) Montgomery. Values that no constraint allows are written as they come. inputs: of `absorb`, if known."""
    rows, count = 1 << statement.log_rows, len(readings.values)
    table = alloc_trace(len(COLUMNS), statement.log_rows)
    table[180:] = 0
    if inputs is None:
        inputs, _ = absorb(readings, statement.start)
    fill_trace(inputs, table[:180])
    table[:180, count:] = fill_trace(np.zeros((16, 16), dtype=np.uint32))[:, :1]

    def put(name: str, values: npt.ArrayLike, first: int = 0, i: int = 0) -> None:
        column = np.asarray(values, dtype=np.uint64)
        table[COLUMNS.index(name, i), first : first + len(column)] = to_montgomery(column)

    digits = np.ascontiguousarray(readings.values.astype("<u8")).view(np.uint8).reshape(-1, 8).T[:VALUE_BYTES]
    cells = np.zeros((N_BYTES, rows), dtype=np.uint8)
    cells[:, :count] = digits
    sums = np.concatenate([np.zeros((VALUE_BYTES, 1), np.uint64), np.cumsum(digits, axis=1, dtype=np.uint64)], axis=1)
    slack = statement.most - sum(int(v) for v in readings.values)
    carry, acc = 0, [int(x) for x in sums[:, -1]]
    for t in range(DIGITS):
        at, free = count + t, slack >> 8 * t & 255
        put("carry", [carry], at)
        for j in range(VALUE_BYTES):
            put("acc", [acc[j]], at, j)
        carry = (acc[0] + carry + free) >> 8
        cells[:5, at] = [free, carry & 255, carry >> 8 & 255, carry >> 16 & 255, (carry >> 16) * 4 & 255]
        acc = [*acc[1:], 0]
    for j in range(VALUE_BYTES):
        put("acc", sums[j, :-1], 0, j)
        put("byte", cells[j], 0, j)
    put("carry", [carry], count + DIGITS)
    put("absorb", np.ones(count))
    put("tail", np.ones(DIGITS), count)
    put("place", np.arange(rows))
    pairs, counts = np.arange(PAIRS), np.zeros(PAIRS, dtype=np.int64)
    for i in range(0, N_BYTES, 2):
        counts += np.bincount(cells[i].astype(np.int64) | cells[i + 1].astype(np.int64) << 8, minlength=PAIRS)
    for name, walk in (("t_lo", pairs & 255), ("t_hi", pairs >> 8)):
        put(name, walk)
        put(name, np.full(rows - PAIRS, 255), PAIRS)
    put("t_mult", counts)
    return table


def prove_chain(
    statement: Statement, readings: Readings, options: Options = STD, progress: Progress | None = None, inputs: U32 | None = None
) -> bytes:
    """A zero-knowledge proof of S(N). Raises zk.errors.WitnessError where the readings do not satisfy it. inputs: of `absorb`, if known."""
    terms, trace = public_terms(statement), trace_of(statement, readings, inputs)
    return prove(program(), statement.start, terms, trace, statement.log_rows, options, progress)


def verify_chain(statement: Statement, proof: bytes, options: Options = STD) -> SecurityReport:
    """The bits of an accepted proof. Raises zk.errors.ZkError on any other."""
    terms: Sequence[tuple[int, list[int]]] = public_terms(statement)
    return verify(program(), statement.start, terms, statement.log_rows, proof, options)
