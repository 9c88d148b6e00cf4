"""From a lab's records to the trace that the prover takes.

Records are checked first (circuits/relation.py): what cannot be claimed is refused with a typed reason, before any work.
The trace is (n_columns, 2^log_rows) uint32 in Montgomery form, R = 2^32. Its layout: README.md sections 2 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuits.chain import Entry, entry_blocks
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
class ClaimWitness:
    """Everything private of a claim: a ledger for each meter of the statement, in order, and the registry."""

    ledgers: tuple[LedgerWitness, ...]
    registry: RegistryWitness


@dataclass(frozen=True)
class Heads:
    """Heads of a witness: of each ledger, and of the registry before and after the period."""

    meters: tuple[Elements, ...]
    before: Elements
    after: Elements


@dataclass(frozen=True)
class Layout:
    """Rows of the chains: ledgers in order, then the registry, then padding.

    Attributes:
        starts, lengths: (chains,) int64; the registry is the last chain.
        readings: readings of each ledger.
        n_old, n_new: entries before and after the before-head.
        used: rows that are not padding.
    """

    starts: I64
    lengths: I64
    readings: tuple[int, ...]
    n_old: int
    n_new: int
    used: int

    @property
    def registry(self) -> int:
        """First row of the registry chain."""
        return int(self.starts[-1])

    @property
    def before_row(self) -> int:
        """Row of the before-head."""
        return self.registry + 2 + 5 * self.n_old

    def entry_row(self, i: int) -> int:
        """Row E0 of entry i, counted from 0."""
        return self.registry + 2 + 5 * i + (i >= self.n_old)


def layout_of(witness: ClaimWitness) -> Layout:
    """Where each chain goes."""
    readings = tuple(len(ledger) for ledger in witness.ledgers)
    n_old, n_new = len(witness.registry.old_entries), len(witness.registry.new_entries)
    lengths = np.array([n + 3 for n in readings] + [5 * (n_old + n_new) + 4], dtype=np.int64)
    ends = np.cumsum(lengths)
    return Layout(ends - lengths, lengths, readings, n_old, n_new, int(ends[-1]))


def rows_needed(witness: ClaimWitness) -> int:
    """Rows that the witness takes: 3 + readings for each meter, 4 + 5 x entries for the registry."""
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
    return np.concatenate([np.asarray(getattr(ledger, name)).astype(np.uint64) for ledger in witness.ledgers])


def spread(layout: Layout, values: U32, out: U32) -> None:
    """Writes one value per reading (concatenated over meters) to the readings' rows of a column."""
    if len(layout.readings) > 256:
        starts = np.repeat(layout.starts[:-1] + 2, layout.readings)
        firsts = np.cumsum(layout.readings) - np.array(layout.readings)
        out[starts + np.arange(len(values)) - np.repeat(firsts, layout.readings)] = values
        return
    at = 0
    for start, count in zip(layout.starts, layout.readings, strict=False):
        out[start + 2 : start + 2 + count] = values[at : at + count]
        at += count


def blocks_of(
    witness: ClaimWitness, layout: Layout, headers: Sequence[Elements], registry_header: Elements
) -> U32:
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
    for start, length, ledger, header in zip(
        layout.starts[:-1], layout.lengths[:-1], witness.ledgers, headers, strict=True
    ):
        rows += [start, start + 1, start + length - 1]
        fixed += [ledger.iv, header, ledger.trailer]
    registry = witness.registry
    rows += [layout.registry, layout.registry + 1, layout.before_row, layout.used - 1]
    fixed += [registry.iv, registry_header, registry.trailer_before, registry.trailer_after]
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
    branch[layout.before_row] = 1
    return sponge_chains(blocks, layout.starts, layout.lengths, start, branch)


def elements(words: U32) -> Elements:
    """Montgomery words as a tuple of canonical integers."""
    return tuple(int(x) for x in from_montgomery(words))


def read_heads(layout: Layout, inputs: U32, outputs: U32) -> Heads:
    """Heads from the sponge's inputs and the last outputs."""
    before = permute_batch(np.ascontiguousarray(inputs[:, layout.before_row : layout.before_row + 1]))
    heads = [elements(outputs[:RATE, i]) for i in range(outputs.shape[1])]
    return Heads(tuple(heads[:-1]), elements(before[:RATE, 0]), heads[-1])


def heads_of(witness: ClaimWitness, headers: Sequence[Elements], registry_header: Elements) -> Heads:
    """Heads of a witness, to fill or check a statement.

    Args:
        headers: `ledger_header` of each meter, in order.
        registry_header: `registry_header` of the lab.

    Raises:
        ShapeError: there are not as many headers as ledgers.
    """
    if len(headers) != len(witness.ledgers):
        raise ShapeError(f"{len(headers)} headers for {len(witness.ledgers)} ledgers")
    layout = layout_of(witness)
    return read_heads(layout, *sponge_inputs(blocks_of(witness, layout, headers, registry_header), layout))


def check_heads(statement: Statement, heads: Heads) -> None:
    """Compares heads with the statement's. Raises HeadError naming the chain."""
    for i, (meter, head) in enumerate(zip(statement.meters, heads.meters, strict=True), 1):
        if meter.head != head:
            raise HeadError(f"meter {i}")
    if statement.head_before != heads.before:
        raise HeadError("registry before the period")
    if statement.head_after != heads.after:
        raise HeadError("registry after the period")


def build_trace(statement: Statement, witness: ClaimWitness) -> U32:
    """The trace of a claim.

    Returns:
        (n_columns, 2^log_rows) uint32, Montgomery, columns as in gadgets.COLUMNS.

    Raises:
        StatementError: the statement is out of range.
        WitnessError: the records do not satisfy the statement; the subclass and its message say which and where.
    """
    from circuits.fill import fill_trace_columns
    from circuits.relation import check_witness

    statement.validate()
    check_witness(statement, witness)
    layout = layout_of(witness)
    headers = [meter.header for meter in statement.meters]

    def inputs() -> U32:
        blocks = blocks_of(witness, layout, headers, statement.registry_header)
        states, outputs = sponge_inputs(blocks, layout)
        check_heads(statement, read_heads(layout, states, outputs))
        return states

    return fill_trace_columns(statement, witness, layout, inputs)


def fill(statement: Statement, witness: ClaimWitness, layout: Layout, inputs: U32) -> U32:
    """The trace, without any check: what the constraints say about it is theirs to say."""
    from circuits.fill import fill_trace_columns

    return fill_trace_columns(statement, witness, layout, lambda: inputs)
