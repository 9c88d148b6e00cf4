"""Every column of the claim table, by numpy, in the layout of circuits/witness.py.

Nothing is checked here: values that a constraint would refuse are written as they come (bytes modulo 256), so that tests
can build false traces with the same code. README.md section 3 has the columns.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from circuits.chain import Entry
from circuits.gadgets import COLUMNS, KIND_FLAGS, N_BYTES, N_COLUMNS, N_PERMUTATION
from circuits.statement import (
    CHECKPOINT,
    EXTERNAL,
    IDLE,
    MERGE,
    OPENING,
    RESIDUE,
    SNAPSHOT,
    UNATTRIBUTED,
    Statement,
)
from circuits.witness import (
    I64,
    LIMB_MASK,
    LIMB_SHIFT,
    U8,
    U32,
    U64,
    ClaimWitness,
    Layout,
    joined,
    spread,
    to_montgomery,
)
from zk.kernels.poseidon2 import fill_trace
from zk.prover import alloc_trace

Bools = npt.NDArray[np.bool_]
ONE = to_montgomery(np.array([1], dtype=np.uint64))[0]
BYTE_WORDS = to_montgomery(np.arange(256, dtype=np.uint64))
PAIRS = 1 << 16


class Table:
    """The trace under construction: Montgomery columns, and the canonical byte columns of used rows."""

    def __init__(self, statement: Statement, layout: Layout) -> None:
        self.layout = layout
        self.words = alloc_trace(N_COLUMNS, statement.log_rows)
        self.bytes = np.zeros((N_BYTES, layout.used), dtype=np.uint8)

    def column(self, name: str, i: int = 0) -> U32:
        """Column `name[i]`, Montgomery, writable."""
        column: U32 = self.words[COLUMNS.index(name, i)]
        return column


def fill_trace_columns(statement: Statement, witness: ClaimWitness, layout: Layout, inputs: Callable[[], U32]) -> U32:
    """All columns: (n_columns, 2^log_rows) uint32, Montgomery. `inputs` runs in a thread of its own beside the other columns,
    most of which numpy fills on one core; what it raises is raised here."""
    table = Table(statement, layout)
    with ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(inputs)
        fill_ledgers(table, statement, witness)
        fill_registry(table, statement, witness)
        fill_bytes(table)
        fill_permutation(table, hashed.result())
    return table.words


def fill_permutation(table: Table, inputs: U32) -> None:
    """The permutation's columns: used rows, and the all-zero input on padding."""
    used = table.layout.used
    fill_trace(inputs, table.words[:N_PERMUTATION])
    table.words[:N_PERMUTATION, used:] = fill_trace(np.zeros((16, 16), dtype=np.uint32))[:, :1]


def fill_bytes(table: Table) -> None:
    """Byte columns, the byte-pair table and its multiplicities."""
    used, rows = table.layout.used, table.words.shape[1]
    first = COLUMNS.index("byte")
    counts = np.zeros(PAIRS, dtype=np.int64)
    for i in range(N_BYTES):
        np.take(BYTE_WORDS, table.bytes[i], out=table.words[first + i, :used])
    for i in range(0, N_BYTES, 2):
        pair = table.bytes[i].astype(np.uint16) | table.bytes[i + 1].astype(np.uint16) << np.uint16(8)
        counts += np.bincount(pair, minlength=PAIRS)
    counts[0] += (N_BYTES // 2) * (rows - used)
    pairs = np.arange(PAIRS)
    lo, hi = table.column("t_lo"), table.column("t_hi")
    lo[:PAIRS], hi[:PAIRS] = BYTE_WORDS[pairs & 255], BYTE_WORDS[pairs >> 8]
    lo[PAIRS:] = hi[PAIRS:] = BYTE_WORDS[255]
    table.column("t_mult")[:PAIRS] = to_montgomery(counts)


def byte_view(values: U64, count: int) -> U8:
    """The low `count` bytes of each integer: (count, n) uint8, low first."""
    return np.ascontiguousarray(values.astype("<u8")).view(np.uint8).reshape(-1, 8).T[:count]


# Ledgers


def fill_ledgers(table: Table, statement: Statement, witness: ClaimWitness) -> None:
    """Kinds, chain numbers, coverage, work and keys of the ledger rows."""
    layout = table.layout
    for chain, (start, length) in enumerate(zip(layout.starts[:-1], layout.lengths[:-1], strict=True), 1):
        end, meter = start + length, statement.meters[chain - 1]
        table.column("iv")[start] = table.column("hd")[start + 1] = table.column("el")[end - 1] = ONE
        table.column("sorted_prev")[start + 1] = to_montgomery(np.array([UNATTRIBUTED]))[0]
        table.column("chain")[start:end] = to_montgomery(np.array([chain]))[0]
        for i in range(3):
            table.column("res", i)[start + 1 : end - 1] = BYTE_WORDS[meter.peak >> (8 * i) & 255]
        limbs = to_montgomery(np.array([meter.coverage & (1 << 24) - 1, meter.coverage >> 24]))
        for i in range(2):
            table.column("tot", i)[start + 1 : end - 1] = limbs[i]
    _readings(table, statement, witness)


def _readings(table: Table, statement: Statement, witness: ClaimWitness) -> None:
    layout = table.layout
    tags, seconds, work = (joined(witness, name) for name in ("tags", "chip_seconds", "work"))
    idle = tags == IDLE
    remaining, last, borrow = coverage_columns(statement, witness, layout)
    for name, flags in (("busy", ~idle), ("idle", idle), ("new", last), ("shared_base", borrow)):
        spread(layout, flags.astype(np.uint32) * ONE, table.column(name))
    spread(layout, to_montgomery(tags), table.column("key"))
    place = 0
    for values in (seconds, work, remaining):
        for digits in byte_view(values, 6):
            _spread_bytes(layout, digits, table.bytes[place])
            place += 1
    if statement.charge_peak:
        for i, carry in enumerate(product_carries(statement, seconds, layout)):
            carry = np.where(idle, 0, carry)
            _spread_bytes(layout, (carry & 255).astype(np.uint8), table.bytes[18 + i])
            for bit in range(2):
                name, at = (("val", 0), ("val", 1), ("val", 2), ("fbase", 0))[2 * i + bit]
                high = (carry >> (8 + bit) & 1).astype(np.uint32)
                spread(layout, high * ONE, table.column(name, at))


def _spread_bytes(layout: Layout, values: U8, out: U8) -> None:
    spread(layout, values, out)  # type: ignore[arg-type]


def coverage_columns(statement: Statement, witness: ClaimWitness, layout: Layout) -> tuple[U64, Bools, Bools]:
    """Of each reading: chip-seconds of its epoch still to come, whether it ends the epoch, and the borrow bit."""
    epochs, seconds = joined(witness, "epochs"), joined(witness, "chip_seconds")
    counts = np.array(layout.readings)
    coverage = np.repeat(np.array([m.coverage for m in statement.meters], dtype=np.uint64), counts)
    first = np.empty(len(epochs), dtype=np.bool_)
    first[1:] = epochs[1:] != epochs[:-1]
    first[np.cumsum(counts) - counts] = True
    covered = np.cumsum(seconds)
    starts = np.flatnonzero(first)
    lengths = np.diff(np.append(starts, len(epochs)))
    before = coverage - (covered - seconds) + np.repeat((covered - seconds)[starts], lengths)
    remaining = before - seconds
    last = np.append(first[1:], True)
    return remaining, last, (before & LIMB_MASK) < (seconds & LIMB_MASK)


def product_carries(statement: Statement, seconds: U64, layout: Layout) -> tuple[I64, I64]:
    """The two carries, base 2^16, of chip_seconds x peak for each reading."""
    a = byte_view(seconds, 4).astype(np.int64)
    peaks = byte_view(np.array([m.peak for m in statement.meters], dtype=np.uint64), 3).astype(np.int64)
    p0, p1, p2 = (peaks[0], peaks[1], peaks[2]) if len(layout.readings) == 1 else np.repeat(peaks, layout.readings, axis=1)
    low = a[0] * p0 + (a[0] * p1 + a[1] * p0) * 256
    middle = a[0] * p2 + a[1] * p1 + a[2] * p0 + (a[1] * p2 + a[2] * p1 + a[3] * p0) * 256
    carry = low >> 16
    return carry, (middle + carry) >> 16


# Registry


class Entries:
    """Arrays over all entries of a registry, in order."""

    def __init__(self, witness: ClaimWitness) -> None:
        registry = witness.registry
        entries: tuple[Entry, ...] = (*registry.old_entries, *registry.new_entries)
        self.count, n_old = len(entries), len(registry.old_entries)

        def array(name: str) -> U64:
            return np.array([getattr(e, name) for e in entries], dtype=np.uint64)

        self.tag, self.kind = array("tag").astype(np.int64), array("kind").astype(np.int64)
        self.parent1, self.parent2 = array("parent1").astype(np.int64), array("parent2").astype(np.int64)
        self.base, self.epoch = array("base").astype(np.int64), array("epoch").astype(np.int64)
        self.work, self.declared, self.cumulative = array("work"), array("declared"), array("cumulative")
        self.new = np.arange(self.count) >= n_old
        self.residue = self.kind == RESIDUE
        self.worker = (self.kind == CHECKPOINT) | (self.kind == SNAPSHOT)
        self._order()

    def _order(self) -> None:
        """R before each entry, sorted tags, and where each entry's parents and base are (-1: NONE)."""
        positions = np.arange(self.count)
        latest = np.maximum.accumulate(np.where(self.residue, positions, -1)) if self.count else positions
        latest = np.append(-1, latest)
        with_none = np.append(self.cumulative, np.uint64(0))
        self.r_before, self.r_after = with_none[latest[:-1]], with_none[latest[1:]]
        own = np.flatnonzero(~self.residue)
        self.ordered = np.append(UNATTRIBUTED, np.sort(self.tag[own]))
        self.rank = np.cumsum(~self.residue)  # own entries up to and including this one
        by_tag = own[np.argsort(self.tag[own], kind="stable")]
        self.at1 = self._find(by_tag, self.parent1)
        self.at2 = self._find(by_tag, self.parent2)
        self.at_base = self._find(by_tag, self.base)

    def _find(self, by_tag: I64, wanted: I64) -> I64:
        if len(by_tag) == 0:
            return np.full(len(wanted), -1)
        place = np.minimum(np.searchsorted(self.tag[by_tag], wanted), len(by_tag) - 1)
        return np.where(self.tag[by_tag][place] == wanted, by_tag[place], -1)

    def fetched(self, values: npt.NDArray[np.generic], at: I64) -> npt.NDArray[np.generic]:
        """values[at], and 0 for NONE."""
        return np.append(values, np.zeros(1, dtype=values.dtype))[at]

    def shares_base(self) -> Bools:
        """MERGE entries whose parents have one base, unless the entry's cumulative counts it twice."""
        bases = self.fetched(self.base, self.at1) == self.fetched(self.base, self.at2)
        both = self.fetched(self.cumulative, self.at1) + self.fetched(self.cumulative, self.at2)  # type: ignore[operator]
        shares: Bools = (self.kind == MERGE) & bases & (both != self.cumulative)
        return shares


def received(entries: Entries, witness: ClaimWitness) -> tuple[I64, I64]:
    """Sums of the work bytes (6, n) and number of readings (n,) that each new entry receives."""
    sums, counts = np.zeros((6, entries.count), dtype=np.int64), np.zeros(entries.count, dtype=np.int64)
    takers = np.flatnonzero(entries.new & (entries.worker | entries.residue))
    if len(takers) == 0:
        return sums, counts
    takers = takers[np.argsort(entries.tag[takers], kind="stable")]
    tags, work = joined(witness, "tags").astype(np.int64), joined(witness, "work")
    place = np.minimum(np.searchsorted(entries.tag[takers], tags), len(takers) - 1)
    given = (tags != IDLE) & (entries.tag[takers][place] == tags)
    place = place[given]
    counts[takers] = np.bincount(place, minlength=len(takers))
    for i, digits in enumerate(byte_view(work[given], 6)):
        sums[i, takers] = np.bincount(place, weights=digits, minlength=len(takers)).astype(np.int64)
    return sums, counts


class RegistryRows:
    """Canonical columns of the registry's rows, int64, written out in Montgomery form at the end."""

    def __init__(self, table: Table) -> None:
        self.table, self.layout = table, table.layout
        self.start, self.length = table.layout.registry, int(table.layout.lengths[-1])
        self.cells: dict[tuple[str, int], I64] = {}
        n = table.layout.n_old + table.layout.n_new
        i = np.arange(n)
        self.entry = 2 + 5 * i + (i >= table.layout.n_old)  # local row of E0
        self.before = table.layout.before_row - self.start

    def put(self, name: str, rows: I64 | int, values: npt.NDArray[np.generic] | int, i: int = 0) -> None:
        """Sets `name[i]` at local rows."""
        cell = self.cells.setdefault((name, i), np.zeros(self.length, dtype=np.int64))
        cell[rows] = values if isinstance(values, int) else values.astype(np.int64)

    def put_limbs(self, name: str, rows: I64, value: U64) -> None:
        """Sets `name[0..2]` to the three limbs of a 64-bit number."""
        for i in range(3):
            self.put(name, rows, limb(value, i), i)

    def put_bytes(self, step: int, first: int, values: npt.NDArray[np.generic], count: int) -> None:
        """Sets byte columns from `first` on, in row E<step> of every entry."""
        for i, digits in enumerate(byte_view(values.astype(np.uint64), count)):
            self.table.bytes[first + i, self.start + self.entry + step] = digits

    def write(self) -> None:
        """Writes all columns to the table."""
        for (name, i), values in self.cells.items():
            self.table.column(name, i)[self.start : self.start + self.length] = to_montgomery(values)


def limb(value: U64, i: int) -> I64:
    """Limb i of 64-bit numbers: 24, 24 and 16 bits."""
    return ((value >> np.uint64(24 * i)) & LIMB_MASK).astype(np.int64)


def fill_registry(table: Table, statement: Statement, witness: ClaimWitness) -> None:
    """All columns of the registry's rows but the permutation's."""
    rows, entries = RegistryRows(table), Entries(witness)
    _registry_state(rows, entries, statement)
    _entry_identity(rows, entries, statement)
    shared = entries.shares_base()
    _entry_received(rows, entries, witness, shared)
    _entry_cumulative(rows, entries, shared)
    _entry_limit(rows, entries, statement)
    rows.write()


def _registry_state(rows: RegistryRows, entries: Entries, statement: Statement) -> None:
    """Kinds of rows, new, index, R, running total, sorted_prev, and the total's slack."""
    end, n_old = rows.length - 1, rows.layout.n_old
    for name, row in (("iv", 0), ("hd", 1), ("mi", rows.before), ("er", end)):
        rows.put(name, row, 1)
    rows.put("new", np.arange(rows.before + 1, rows.length), 1)
    rows.put("sorted_prev", 1, UNATTRIBUTED)
    total = np.cumsum(np.where(entries.new, entries.work, np.uint64(0)))
    before = total - np.where(entries.new, entries.work, np.uint64(0))
    rank_before = entries.rank - ~entries.residue
    for step in range(5):
        here = rows.entry + step
        rows.put(f"e{step}", here, 1)
        rows.put("index", here, np.arange(entries.count) + 1)
        rows.put_limbs("res", here, entries.r_before)
        rows.put_limbs("tot", here, before if step < 3 else total)
        rows.put("sorted_prev", here, entries.ordered[rank_before if step == 0 else entries.rank])
    for row, count in ((rows.before, n_old), (end, entries.count)):
        rows.put("index", row, count)
        rows.put("sorted_prev", row, int(entries.ordered[entries.rank[count - 1] if count else 0]))
        rows.put_limbs("res", np.array([row]), np.append(np.uint64(0), entries.r_after)[count : count + 1])
        rows.put_limbs("tot", np.array([row]), np.append(np.uint64(0), total)[count : count + 1])
    rows.put_bytes(3, 8, total, 8)
    carry = np.zeros(entries.count, dtype=np.int64)
    for i in range(2):
        carry = (limb(before, i) + np.where(entries.new, limb(entries.work, i), 0) + carry) >> 24
        rows.put_bytes(2, 17 + i, carry, 1)
    _total_slack(rows, int(total[-1]) if entries.count else 0, statement.total_cap)


def _total_slack(rows: RegistryRows, total: int, cap: int) -> None:
    slack, last = (cap - total) % (1 << 64), rows.start + rows.length - 1
    carry = 0
    for i, byte in enumerate(slack.to_bytes(8, "little")):
        rows.table.bytes[i, last] = byte
    for i in range(2):
        carry = ((total >> 24 * i & 0xFFFFFF) + (slack >> 24 * i & 0xFFFFFF) + carry) >> 24
        rows.table.bytes[8 + i, last] = carry


def _entry_identity(rows: RegistryRows, e: Entries, statement: Statement) -> None:
    """Tags, sorted tags, kinds, parents, bases, index gaps and epochs."""
    flags = (e.kind == OPENING, e.kind == EXTERNAL, e.worker, e.kind == MERGE, e.residue)
    for step in range(5):
        for name, flag in zip(KIND_FLAGS, flags, strict=True):
            rows.put(name, rows.entry + step, flag)
        if step:
            rows.put("key", rows.entry + step, e.tag)
            rows.put("base", rows.entry + step, e.base)
    rows.put("aux", rows.entry, e.kind == SNAPSHOT)
    ordered = np.where(e.residue, 0, e.ordered[e.rank])
    previous = e.ordered[e.rank - ~e.residue]
    rows.put("key", rows.entry, ordered)
    rows.put_bytes(0, 0, ordered, 3)
    rows.put_bytes(0, 3, np.where(e.residue, 0, ordered - previous - 1), 3)
    rows.put_bytes(0, 9, np.where(e.new, e.epoch - statement.first_epoch, 0), 3)
    rows.put_bytes(0, 12, np.where(e.new, statement.last_epoch - e.epoch, 0), 3)
    rows.put_bytes(0, 15, e.tag, 3)
    index = np.arange(e.count) + 1
    for step, at, first in ((0, e.at1, 6), (1, e.at2, 15), (2, e.at_base, 14)):
        here = rows.entry + step
        rows.put_bytes(step, first, index - (at + 1) - 1, 3)
        rows.put_limbs("val", here, e.fetched(e.cumulative, at).astype(np.uint64))
        rows.put("fbase", here, e.fetched(e.base, at))
    fetches = np.bincount(np.concatenate([e.at1, e.at2, e.at_base]) + 1, minlength=e.count + 1)
    rows.put("aux", 0, int(fetches[0]))
    rows.put("aux", rows.entry + 4, fetches[1:])


def _entry_received(rows: RegistryRows, e: Entries, witness: ClaimWitness, shared: Bools) -> None:
    """Work: bytes, received sums, their carries, and the number of readings."""
    sums, counts = received(e, witness)
    for i in range(6):
        rows.put("sum", rows.entry + 1 + i // 3, sums[i], i % 3)
    rows.put("aux", rows.entry + 2, counts)
    rows.put_bytes(1, 12, e.work, 3)
    rows.put_bytes(2, 8, e.work >> LIMB_SHIFT, 5)
    carry = np.zeros(e.count, dtype=np.int64)
    for i in range(5):
        carry = (np.where(e.new, sums[i], 0) + carry) >> 8
        step, first = (1, 4 * i) if i < 3 else (2, 4 * (i - 3))
        rows.put_bytes(step, first, carry, 3)
        rows.put_bytes(step, first + 3, 4 * (carry >> 16), 1)
    for step in (1, 2):
        rows.put("shared_base", rows.entry + step, shared)


def _entry_cumulative(rows: RegistryRows, e: Entries, shared: Bools) -> None:
    """Running sum of contributions, limb by limb, and its carries into the cumulative."""
    rows.put_bytes(3, 0, e.declared, 8)
    rows.put_bytes(4, 0, e.cumulative, 8)
    cum1, cum2, cum_base = (e.fetched(e.cumulative, at).astype(np.uint64) for at in (e.at1, e.at2, e.at_base))
    carry = np.zeros(e.count, dtype=np.int64)
    for i in range(3):
        acc = limb(cum1, i) + np.where(e.residue, limb(e.r_before, i), 0)
        rows.put("acc", rows.entry + 1, acc, i)
        acc = acc + limb(cum2, i)
        rows.put("acc", rows.entry + 2, acc, i)
        acc = acc + limb(e.work, i) - np.where(shared, limb(cum_base, i), 0)
        rows.put("acc", rows.entry + 3, acc, i)
        acc = acc + limb(e.declared, i)
        rows.put("acc", rows.entry + 4, acc, i)
        if i < 2:
            carry = (acc + carry - limb(e.cumulative, i)) >> 24
            rows.put_bytes(4, 16 + 2 * i, carry > 0, 1)
            rows.put_bytes(4, 17 + 2 * i, carry < 0, 1)


def _entry_limit(rows: RegistryRows, e: Entries, statement: Statement) -> None:
    """works, the limit, the slack under it and its carries. Old entries have slack 0 and the limit that fits."""
    works = e.worker & (e.work > 0)
    for step in (2, 3, 4):
        rows.put("works", rows.entry + step, works)
    cap, freeze, unattributed = (
        np.uint64(v) for v in (statement.lineage_cap, statement.effective_freeze, statement.unattributed_cap)
    )
    factor = np.where(e.residue, -1, int(statement.charge_residue)).astype(np.int64)
    limit = np.where(e.residue, unattributed, np.where(works, freeze, cap))
    charged = np.where(factor < 0, e.cumulative - e.r_before, e.cumulative + e.r_before * np.uint64(statement.charge_residue))
    slack = np.where(e.new, limit - charged, np.uint64(0))
    rows.put_bytes(4, 8, slack, 8)
    carry = np.zeros(e.count, dtype=np.int64)
    for i in range(3):
        left = limb(e.cumulative, i) + factor * limb(e.r_before, i) + limb(slack, i) + carry
        carry = np.where(e.new, (left - limb(limit, i)) >> 24, 0).astype(np.int64)
        rows.put("val", rows.entry + 4, np.where(e.new, limb(limit, i), left), i)
        if i < 2:
            bits = carry + e.residue  # 0, 1 or 2
            for k, bit in enumerate((bits > 0, bits > 1)):
                name, at = (("sum", 0), ("sum", 1), ("sum", 2), ("shared_base", 0))[2 * i + k]
                rows.put(name, rows.entry + 4, bit, at)
