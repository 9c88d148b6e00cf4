"""Columns of the registry's rows, by numpy. README.md section 3 has the columns; nothing is checked (circuits/table.py)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from circuits.chain import Entry
from circuits.gadgets import KIND_FLAGS
from circuits.statement import CHECKPOINT, EXTERNAL, MERGE, OPENING, RESIDUE, SNAPSHOT, UNATTRIBUTED, Statement
from circuits.table import Bools, ChainRows, Table, limb, received_by
from circuits.witness import I64, LIMB_SHIFT, U64, ClaimWitness, RegistryWitness


class Entries:
    """Arrays over all entries of a registry, in order."""

    def __init__(self, registry: RegistryWitness) -> None:
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
    """Sums of the digits of work (6, n) and number of givers (n,) that each new entry receives."""
    sums, counts = np.zeros((6, entries.count), dtype=np.int64), np.zeros(entries.count, dtype=np.int64)
    takers = np.flatnonzero(entries.new & (entries.worker | entries.residue))
    takers = takers[np.argsort(entries.tag[takers], kind="stable")]
    sums[:, takers], counts[takers] = received_by(entries.tag[takers], witness)
    return sums, counts


class RegistryRows(ChainRows):
    """The registry's rows. `entry`: (n,) local rows E0 of the entries; `before`: that of the before-head."""

    def __init__(self, table: Table) -> None:
        super().__init__(table, table.layout.registry, int(table.layout.lengths[-1]))
        self.n_old = table.layout.n_old
        i = np.arange(self.n_old + table.layout.n_new)
        self.entry = 2 + 5 * i + (i >= self.n_old)
        self.before = table.layout.before_row - self.start


def fill_registry(table: Table, statement: Statement, witness: ClaimWitness, registry: RegistryWitness) -> None:
    """All columns of the registry's rows but the permutation's."""
    rows, entries = RegistryRows(table), Entries(registry)
    _registry_state(rows, entries, statement)
    _entry_identity(rows, entries, statement)
    shared = entries.shares_base()
    _entry_received(rows, entries, witness, shared)
    _entry_cumulative(rows, entries, shared)
    _entry_limit(rows, entries, statement)
    rows.write()


def _registry_state(rows: RegistryRows, entries: Entries, statement: Statement) -> None:
    """Kinds of rows, new, index, R, running total, sorted_prev, and the total's slack."""
    end, n_old = rows.length - 1, rows.n_old
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
    rows.put_bytes(rows.entry + 3, 8, total, 8)
    carry = np.zeros(entries.count, dtype=np.int64)
    for i in range(2):
        carry = (limb(before, i) + np.where(entries.new, limb(entries.work, i), 0) + carry) >> 24
        rows.put_bytes(rows.entry + 2, 17 + i, carry, 1)
    _slack_at_the_end(rows, 0, int(total[-1]) if entries.count else 0, statement.total_cap)
    residues = np.flatnonzero(entries.residue)
    for at, owes in zip(rows.entry[residues], entries.work[residues] > 0, strict=True):
        rows.put("owes", np.arange(at + 4, rows.length), int(owes))
    if statement.charge_residue and len(residues) and entries.work[residues[-1]] > 0:
        _slack_at_the_end(rows, 10, int(entries.r_after[-1]), statement.effective_freeze)


def _slack_at_the_end(rows: RegistryRows, first: int, amount: int, cap: int) -> None:
    """ER: eight bytes of slack under a cap from byte column `first` on, then two carries."""
    slack, last = (cap - amount) % (1 << 64), rows.start + rows.length - 1
    carry = 0
    for i, byte in enumerate(slack.to_bytes(8, "little")):
        rows.table.bytes[first + i, last] = byte
    for i in range(2):
        carry = ((amount >> 24 * i & 0xFFFFFF) + (slack >> 24 * i & 0xFFFFFF) + carry) >> 24
        rows.table.bytes[first + 8 + i, last] = carry


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
    rows.put_bytes(rows.entry, 0, ordered, 3)
    rows.put_bytes(rows.entry, 3, np.where(e.residue, 0, ordered - previous - 1), 3)
    rows.put_bytes(rows.entry, 9, np.where(e.new, e.epoch - statement.first_epoch, 0), 3)
    rows.put_bytes(rows.entry, 12, np.where(e.new, statement.last_epoch - e.epoch, 0), 3)
    rows.put_bytes(rows.entry, 15, e.tag, 3)
    index = np.arange(e.count) + 1
    for step, at, first in ((0, e.at1, 6), (1, e.at2, 15), (2, e.at_base, 14)):
        here = rows.entry + step
        rows.put_bytes(here, first, index - (at + 1) - 1, 3)
        rows.put_limbs("val", here, e.fetched(e.cumulative, at).astype(np.uint64))
        rows.put("fbase", here, e.fetched(e.base, at))
    fetches = np.bincount(np.concatenate([e.at1, e.at2, e.at_base]) + 1, minlength=e.count + 1)
    rows.put("aux", 0, int(fetches[0]))
    rows.put("aux", rows.entry + 4, fetches[1:])


def _entry_received(rows: RegistryRows, e: Entries, witness: ClaimWitness, shared: Bools) -> None:
    """Work: bytes, received sums, their carries, and the number of givers."""
    sums, counts = received(e, witness)
    rows.put_received(rows.entry + 1, rows.entry + 2, sums, counts, e.new)
    rows.put_bytes(rows.entry + 1, 12, e.work, 3)
    rows.put_bytes(rows.entry + 2, 8, e.work >> LIMB_SHIFT, 5)
    for step in (1, 2):
        rows.put("shared_base", rows.entry + step, shared)


def _entry_cumulative(rows: RegistryRows, e: Entries, shared: Bools) -> None:
    """Running sum of contributions, limb by limb, and its carries into the cumulative."""
    rows.put_bytes(rows.entry + 3, 0, e.declared, 8)
    rows.put_bytes(rows.entry + 4, 0, e.cumulative, 8)
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
            rows.put_bytes(rows.entry + 4, 16 + 2 * i, carry > 0, 1)
            rows.put_bytes(rows.entry + 4, 17 + 2 * i, carry < 0, 1)


def _entry_limit(rows: RegistryRows, e: Entries, statement: Statement) -> None:
    """works, the limit, the slack under it and its carries. Old entries have slack 0 and the limit that fits."""
    works = e.worker & (e.work > 0)
    for step in (2, 3, 4):
        rows.put("works", rows.entry + step, works | (step < 4) & e.residue & (e.work > 0))
    cap, freeze, unattributed = (
        np.uint64(v) for v in (statement.lineage_cap, statement.effective_freeze, statement.unattributed_cap)
    )
    factor = np.where(e.residue, -1, int(statement.charge_residue)).astype(np.int64)
    limit = np.where(e.residue, unattributed, np.where(works, freeze, cap))
    charged = np.where(factor < 0, e.cumulative - e.r_before, e.cumulative + e.r_before * np.uint64(statement.charge_residue))
    slack = np.where(e.new, limit - charged, np.uint64(0))
    rows.put_bytes(rows.entry + 4, 8, slack, 8)
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
