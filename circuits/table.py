"""The claim table under construction, and what its chains share.

Nothing is checked here: values that a constraint would refuse are written as they come (bytes modulo 256), so that tests
can build false traces with the same code. README.md section 3 has the columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from circuits.gadgets import COLUMNS, N_BYTES, N_COLUMNS, N_PERMUTATION
from circuits.statement import IDLE, Statement
from circuits.witness import I64, LIMB_MASK, U8, U32, U64, ClaimWitness, Layout, joined, to_montgomery
from zk.commitment import alloc_trace

Bools = npt.NDArray[np.bool_]
ONE = to_montgomery(np.array([1], dtype=np.uint64))[0]
BYTE_WORDS = to_montgomery(np.arange(256, dtype=np.uint64))


class Table:
    """The trace under construction: Montgomery columns, zero but for the permutation's, and the canonical byte columns of used rows."""

    def __init__(self, statement: Statement, layout: Layout) -> None:
        self.layout = layout
        self.words = alloc_trace(N_COLUMNS, statement.log_rows)
        self.words[N_PERMUTATION:] = 0
        self.bytes = np.zeros((N_BYTES, layout.used), dtype=np.uint8)

    def column(self, name: str, i: int = 0) -> U32:
        """Column `name[i]`, Montgomery, writable."""
        column: U32 = self.words[COLUMNS.index(name, i)]
        return column


def byte_view(values: U64, count: int) -> U8:
    """The low `count` bytes of each integer: (count, n) uint8, low first."""
    return np.ascontiguousarray(values.astype("<u8")).view(np.uint8).reshape(-1, 8).T[:count]


def limb(value: U64, i: int) -> I64:
    """Limb i of 64-bit numbers: 24, 24 and 16 bits."""
    return ((value >> np.uint64(24 * i)) & LIMB_MASK).astype(np.int64)


class ChainRows:
    """Canonical columns of one chain's rows, int64, written out in Montgomery form at the end."""

    def __init__(self, table: Table, start: int, length: int) -> None:
        self.table, self.start, self.length = table, start, length
        self.cells: dict[tuple[str, int], I64] = {}

    def put(self, name: str, rows: I64 | int, values: npt.NDArray[np.generic] | int, i: int = 0) -> None:
        """Sets `name[i]` at local rows."""
        cell = self.cells.setdefault((name, i), np.zeros(self.length, dtype=np.int64))
        cell[rows] = values if isinstance(values, int) else values.astype(np.int64)

    def put_limbs(self, name: str, rows: I64, value: U64) -> None:
        """Sets `name[0..2]` to the three limbs of a 64-bit number."""
        for i in range(3):
            self.put(name, rows, limb(value, i), i)

    def put_bytes(self, rows: I64, first: int, values: npt.NDArray[np.generic], count: int) -> None:
        """Sets `count` byte columns from `first` on at local rows, low byte first."""
        for i, digits in enumerate(byte_view(values.astype(np.uint64), count)):
            self.table.bytes[first + i, self.start + rows] = digits

    def put_received(self, first: I64, second: I64, sums: I64, counts: I64, takes: Bools) -> None:
        """The receiver's columns (circuits/summary.py) but the work's bytes: sums, carries, count. `sums`: (6, n); `takes`: (n,)."""
        for i in range(6):
            self.put("sum", (first, second)[i // 3], sums[i], i % 3)
        self.put("aux", second, counts)
        carry = np.zeros(len(first), dtype=np.int64)
        for i in range(5):
            carry = (np.where(takes, sums[i], 0) + carry) >> 8
            rows, place = (first, second)[i // 3], 4 * (i % 3)
            self.put_bytes(rows, place, carry, 3)
            self.put_bytes(rows, place + 3, 4 * (carry >> 16), 1)

    def write(self) -> None:
        """Writes all columns to the table."""
        for (name, i), values in self.cells.items():
            self.table.column(name, i)[self.start : self.start + self.length] = to_montgomery(values)


def received_by(takers: I64, witness: ClaimWitness) -> tuple[I64, I64]:
    """What receivers with these tags, ascending, are given by the table's busy readings and sent records.

    Returns:
        Sums of the digits of work, (6, n) int64, and the number of givers, (n,) int64. The sixth digit of a record has two bytes.
    """
    sums, counts = np.zeros((6, len(takers)), dtype=np.int64), np.zeros(len(takers), dtype=np.int64)
    if len(takers) == 0:
        return sums, counts
    tags, work = joined(witness, "tags"), joined(witness, "work")
    if witness.registry is not None:
        records = np.array([record for summary in witness.summaries for record in summary.records], dtype=np.uint64).reshape(-1, 2)
        tags, work = np.append(tags, records[:, 0]), np.append(work, records[:, 1])
    place = np.minimum(np.searchsorted(takers, tags.astype(np.int64)), len(takers) - 1)
    given = (tags != IDLE) & (takers[place] == tags.astype(np.int64))
    place = place[given]
    counts += np.bincount(place, minlength=len(takers))
    digits = byte_view(work[given], 7).astype(np.int64)
    digits[5] += digits[6] << 8
    for i in range(6):
        sums[i] = np.bincount(place, weights=digits[i], minlength=len(takers)).astype(np.int64)
    return sums, counts
