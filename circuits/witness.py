"""A lab's records as the circuit takes them, where each chain goes in the table, and the heads of all chains.

README.md section 2 has the blocks. circuits/trace.py makes the trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuits.chain import Entry, entry_blocks, record_block
from circuits.errors import HeadError, ShapeError
from circuits.statement import RATE, START, Elements, Statement
from zk.field import P
from zk.kernels.poseidon2 import permute_batch, sponge_chains

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

LIMB_MASK = np.uint64((1 << 24) - 1)
LIMB_SHIFT = np.uint64(24)


@dataclass(frozen=True, eq=False)
class LedgerWitness:
    """One meter's readings of the period, in order.

    Attributes:
        iv, trailer: 8 secret uniform elements each.
        epochs, tags, chip_seconds, work: integer arrays of one length >= 1; 24, 24, 48 and 48 bits.
    """

    iv: Elements
    epochs: npt.NDArray[np.integer]
    tags: npt.NDArray[np.integer]
    chip_seconds: npt.NDArray[np.integer]
    work: npt.NDArray[np.integer]
    trailer: Elements

    def __len__(self) -> int:
        return len(self.epochs)


@dataclass(frozen=True)
class RegistryWitness:
    """The registry: `old_entries` up to the before-head, then the period's, the first of which is RESIDUE.

    Attributes:
        iv: 8 secret uniform elements, the same for the registry's life.
        trailer_before, trailer_after: 8 secret uniform elements each, fresh for every published head.
    """

    iv: Elements
    old_entries: tuple[Entry, ...]
    new_entries: tuple[Entry, ...]
    trailer_before: Elements
    trailer_after: Elements


@dataclass(frozen=True)
class SummaryWitness:
    """A site's summary: for each tag of its busy readings, the sum of their work.

    Attributes:
        iv, trailer: 8 secret uniform elements each.
        records: (tag, work), tags strictly ascending from 2 on, 24 bits; work 56 bits.
    """

    iv: Elements
    records: tuple[tuple[int, int], ...]
    trailer: Elements

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True)
class ClaimWitness:
    """Everything private of one table: what the statement says that there is, in its order.

    Attributes:
        ledgers: one for each meter.
        registry: None in a site's table.
        summaries: none in a whole table, one in a site's, one for each site in a registry's.
    """

    ledgers: tuple[LedgerWitness, ...]
    registry: RegistryWitness | None
    summaries: tuple[SummaryWitness, ...] = ()


@dataclass(frozen=True)
class Heads:
    """Heads of a witness: of each ledger and summary, and of the registry before and after the period, where there is one."""

    meters: tuple[Elements, ...]
    before: Elements | None
    after: Elements | None
    summaries: tuple[Elements, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Rows of the chains: ledgers in order, then summaries, then the registry, then padding.

    Attributes:
        starts, lengths: (chains,) int64.
        readings: readings of each ledger.
        records: records of each summary.
        has_registry: whether the last chain is one.
        n_old, n_new: entries before and after the before-head.
        used: rows that are not padding.
    """

    starts: I64
    lengths: I64
    readings: tuple[int, ...]
    records: tuple[int, ...]
    has_registry: bool
    n_old: int
    n_new: int
    used: int

    @property
    def registry(self) -> int:
        """First row of the registry chain."""
        return int(self.starts[-1])

    @property
    def record_rows(self) -> int:
        """Rows of a record: one that is sent beside a registry, two that are received beside ledgers."""
        return 1 if self.has_registry else 2

    @property
    def copies(self) -> I64:
        """Rows that are hashed on a copy of the state: the before-head's, and the side row of each received record."""
        if self.has_registry:
            return np.array([self.before_row])
        first = int(self.starts[len(self.readings)]) + 2
        return np.arange(first, first + 2 * self.records[0], 2)

    @property
    def before_row(self) -> int:
        """Row of the before-head."""
        return self.registry + 2 + 5 * self.n_old

    def entry_row(self, i: int) -> int:
        """Row E0 of entry i, counted from 0."""
        return self.registry + 2 + 5 * i + (i >= self.n_old)


def layout_of(witness: ClaimWitness) -> Layout:
    """Where each chain goes."""
    readings, registry = tuple(len(ledger) for ledger in witness.ledgers), witness.registry
    records = tuple(len(summary) for summary in witness.summaries)
    n_old, n_new = (0, 0) if registry is None else (len(registry.old_entries), len(registry.new_entries))
    each = 2 if registry is None else 1
    rows = [n + 3 for n in readings] + [each * n + 3 for n in records]
    lengths = np.array(rows if registry is None else [*rows, 5 * (n_old + n_new) + 4], dtype=np.int64)
    ends = np.cumsum(lengths)
    return Layout(ends - lengths, lengths, readings, records, registry is not None, n_old, n_new, int(ends[-1]))


def rows_needed(witness: ClaimWitness) -> int:
    """Rows that the witness takes: 3 + readings for each meter, 4 + 5 x entries for the registry, 3 + records for each
    summary that is sent, 3 + 2 x records for the one that is received."""
    return layout_of(witness).used


def to_montgomery(values: npt.NDArray[np.integer]) -> U32:
    """Montgomery form of integers (any sign), elementwise."""
    reduced = np.mod(values, np.array(P, dtype=values.dtype)).astype(np.uint64)
    words: U32 = ((reduced << np.uint64(32)) % np.uint64(P)).astype(np.uint32)
    return words


def from_montgomery(values: U32) -> U32:
    """Canonical form of Montgomery words, elementwise."""
    inverse = np.uint64(pow(1 << 32, -1, P))
    return (values.astype(np.uint64) * inverse % np.uint64(P)).astype(np.uint32)


def joined(witness: ClaimWitness, name: str) -> U64:
    """One field of all ledgers' readings, concatenated."""
    parts = [np.asarray(getattr(ledger, name)).astype(np.uint64) for ledger in witness.ledgers]
    return np.concatenate([*parts, np.empty(0, dtype=np.uint64)])


def spread(layout: Layout, values: U32, out: U32) -> None:
    """Writes one value per reading (concatenated over meters) to the readings' rows of a column."""
    if len(layout.readings) > 256:
        starts = np.repeat(layout.starts[: len(layout.readings)] + 2, layout.readings)
        firsts = np.cumsum(layout.readings) - np.array(layout.readings)
        out[starts + np.arange(len(values)) - np.repeat(firsts, layout.readings)] = values
        return
    at = 0
    for start, count in zip(layout.starts, layout.readings, strict=False):
        out[start + 2 : start + 2 + count] = values[at : at + count]
        at += count


@dataclass(frozen=True)
class Headers:
    """Header blocks of all chains of a table, 8 elements each, in the order of the statement."""

    meters: tuple[Elements, ...]
    registry: Elements | None
    summaries: tuple[Elements, ...] = ()

    @staticmethod
    def of(statement: Statement) -> Headers:
        """Those of a statement."""
        registry = None if statement.registry is None else statement.registry.header
        return Headers(tuple(m.header for m in statement.meters), registry, tuple(s.header for s in statement.summaries))


def blocks_of(witness: ClaimWitness, layout: Layout, headers: Headers) -> U32:
    """Blocks of every used row: (8, used), Montgomery."""
    blocks = np.zeros((RATE, layout.used), dtype=np.uint32)
    lanes: list[U64] = [joined(witness, "epochs"), joined(witness, "tags")]
    for name in ("chip_seconds", "work"):
        amount = joined(witness, name)
        lanes += [amount & LIMB_MASK, amount >> LIMB_SHIFT]
    for lane, values in enumerate(lanes):
        spread(layout, to_montgomery(values), blocks[lane])
    rows: list[int] = []
    fixed: list[Sequence[int]] = []
    chains: list[LedgerWitness | SummaryWitness] = [*witness.ledgers, *witness.summaries]
    for start, length, chain, header in zip(
        layout.starts, layout.lengths, chains, (*headers.meters, *headers.summaries), strict=False
    ):
        rows += [start, start + 1, start + length - 1]
        fixed += [chain.iv, header, chain.trailer]
    for start, summary in zip(layout.starts[len(layout.readings) :], witness.summaries, strict=False):
        each = layout.record_rows
        rows += range(start + 1 + each, start + 2 + each * len(summary), each)
        fixed += [record_block(*record) for record in summary.records]
    registry = witness.registry
    if registry is not None and headers.registry is not None:
        rows += [layout.registry, layout.registry + 1, layout.before_row, layout.used - 1]
        fixed += [registry.iv, headers.registry, registry.trailer_before, registry.trailer_after]
        for i, entry in enumerate((*registry.old_entries, *registry.new_entries)):
            row = layout.entry_row(i)
            rows += range(row, row + 5)
            fixed += entry_blocks(entry)
    blocks[:, rows] = to_montgomery(np.array(fixed, dtype=np.uint64).T)
    return blocks


def sponge_inputs(blocks: U32, layout: Layout) -> tuple[U32, U32]:
    """Permutation inputs (16, used) and outputs of each chain's last row (16, chains), Montgomery."""
    start = to_montgomery(np.array(START, dtype=np.uint64))
    branch = np.zeros(layout.used, dtype=np.uint8)
    branch[layout.copies] = 1
    return sponge_chains(blocks, layout.starts, layout.lengths, start, branch)


def elements(words: U32) -> Elements:
    """Montgomery words as a tuple of canonical integers."""
    return tuple(int(x) for x in from_montgomery(words))


def read_heads(layout: Layout, inputs: U32, outputs: U32) -> Heads:
    """Heads from the sponge's inputs and the last outputs."""
    heads = tuple(elements(outputs[:RATE, i]) for i in range(outputs.shape[1]))
    n = len(layout.readings)
    meters, summaries = heads[:n], heads[n : n + len(layout.records)]
    if not layout.has_registry:
        return Heads(meters, None, None, summaries)
    before = permute_batch(np.ascontiguousarray(inputs[:, layout.before_row : layout.before_row + 1]))
    return Heads(meters, elements(before[:RATE, 0]), heads[-1], summaries)


def heads_of(witness: ClaimWitness, headers: Headers) -> Heads:
    """Heads of a witness, to fill or check a statement.

    Raises:
        ShapeError: there are not as many headers as chains.
    """
    counts = ((len(headers.meters), len(witness.ledgers)), (len(headers.summaries), len(witness.summaries)))
    if any(given != needed for given, needed in counts) or (headers.registry is None) != (witness.registry is None):
        raise ShapeError("there are not as many headers as ledgers, summaries and registries")
    layout = layout_of(witness)
    return read_heads(layout, *sponge_inputs(blocks_of(witness, layout, headers), layout))


def check_heads(statement: Statement, heads: Heads) -> None:
    """Compares heads with the statement's. Raises HeadError naming the chain."""
    for i, (meter, head) in enumerate(zip(statement.meters, heads.meters, strict=True), 1):
        if meter.head != head:
            raise HeadError(f"meter {i}")
    for i, (summary, head) in enumerate(zip(statement.summaries, heads.summaries, strict=True), 1):
        if summary.head != head:
            raise HeadError(f"summary {i}")
    if statement.registry is not None and statement.registry.before != heads.before:
        raise HeadError("registry before the period")
    if statement.registry is not None and statement.registry.after != heads.after:
        raise HeadError("registry after the period")
