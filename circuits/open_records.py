"""Proving that readings and entries are in the ledgers and the registry behind a claim's heads (README.md section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from circuits.chain import Entry, entry_blocks
from circuits.errors import HeadError, ShapeError
from circuits.opening import (
    COLUMNS,
    ENTRY_ROWS,
    OpenedEntry,
    OpenedReading,
    OpeningStatement,
    opening_program,
    public_messages,
)
from circuits.statement import RATE, START, Elements
from circuits.witness import I64, LIMB_MASK, LIMB_SHIFT, U32, U64, LedgerWitness, elements, to_montgomery
from zk.errors import WitnessError
from zk.kernels.poseidon2 import fill_trace, sponge_chains
from zk.options import STD, Options
from zk.prover import Progress, prove

N_PERMUTATION = 180


@dataclass(frozen=True)
class WholeRegistry:
    """A registry after a period: its IV, all entries, and the trailer of its head."""

    iv: Elements = field(repr=False)
    entries: tuple[Entry, ...] = field(repr=False)
    trailer: Elements = field(repr=False)


@dataclass(frozen=True)
class OpeningWitness:
    """What is behind a claim's heads: a ledger for each meter in order, and the registry, None in a site's table."""

    ledgers: tuple[LedgerWitness, ...] = field(repr=False)
    registry: WholeRegistry | None = field(repr=False)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries of the registry, where there is one."""
        return () if self.registry is None else self.registry.entries

    @property
    def lengths(self) -> I64:
        """Rows of each chain: the ledgers, then the registry."""
        registry = [] if self.registry is None else [5 * len(self.entries) + 3]
        return np.array([len(ledger) + 3 for ledger in self.ledgers] + registry, dtype=np.int64)


def opened_entry(entry: Entry) -> OpenedEntry:
    """What an opening shows of an entry."""
    return OpenedEntry(
        entry.tag, entry.kind, entry.parent1, entry.parent2, entry.epoch, entry.declared, entry.weights_digest
    )


def reading_indices(epochs: I64) -> I64:
    """For each reading of a ledger, its index within its epoch; epochs ascend by 0 or 1."""
    places = np.arange(len(epochs))
    starts = np.flatnonzero(np.concatenate([[True], epochs[1:] != epochs[:-1]]))
    return places - np.repeat(starts, np.diff(np.concatenate([starts, [len(epochs)]])))


def build_opening_trace(statement: OpeningStatement, witness: OpeningWitness) -> U32:
    """The trace, (194, 2^log_rows) uint32 Montgomery.

    Raises:
        StatementError: the statement is out of range.
        ShapeError: more records than rows, or another number of meters. HeadError: a chain has another head.
        WitnessError: something that is to be shown is not there.
    """
    statement.validate()
    rows = int(witness.lengths.sum())
    if len(witness.ledgers) != len(statement.meters) or rows > 1 << statement.log_rows:
        raise ShapeError(f"{len(witness.ledgers)} ledgers and {rows} rows do not fit the statement")
    if (witness.registry is None) != (statement.registry is None):
        raise ShapeError("the registry is in one of statement and witness only")
    held = {entry.tag: entry for entry in witness.entries}
    for shown in statement.entries:
        if shown.tag not in held or opened_entry(held[shown.tag]) != shown:
            raise WitnessError(f"no entry of the registry is what is to be shown of tag {shown.tag}")
    for reading in statement.readings:
        if _find(witness.ledgers[reading.chain - 1], reading) is None:
            raise WitnessError(f"no reading of meter {reading.chain} is what is to be shown of epoch {reading.epoch}")
    return fill_opening(statement, witness, check=True)


def _find(ledger: LedgerWitness, reading: OpenedReading) -> int | None:
    """Position in its ledger of a reading that is as shown, or None."""
    epochs = np.asarray(ledger.epochs)
    at = int(np.searchsorted(epochs, reading.epoch)) + reading.index
    if at >= len(ledger):
        return None
    found = (int(epochs[at]), int(ledger.tags[at]), int(ledger.chip_seconds[at]), int(ledger.work[at]))
    return at if found == (reading.epoch, reading.tag, reading.chip_seconds, reading.work) else None


def fill_opening(statement: OpeningStatement, witness: OpeningWitness, *, check: bool = False) -> U32:
    """The trace; what the constraints say about it is theirs, unless `check`: then every head must be the statement's."""
    lengths = witness.lengths
    starts = np.cumsum(lengths) - lengths
    used = int(lengths.sum())
    blocks = np.zeros((RATE, used), dtype=np.uint32)
    for start, length, ledger, (header, _) in zip(starts, lengths, witness.ledgers, statement.meters, strict=False):
        _fill_ledger(blocks[:, start : start + length], ledger, header)
    registry = witness.registry
    if registry is not None and statement.registry is not None:
        entries = (block for entry in registry.entries for block in entry_blocks(entry))
        rows = [registry.iv, statement.registry[0], *entries, registry.trailer]
        blocks[:, starts[-1] :] = to_montgomery(np.array(rows, dtype=np.uint64).T)
    inputs, last = sponge_chains(blocks, starts, lengths, to_montgomery(np.array(START, dtype=np.uint64)))
    if check:
        _check_heads(statement, last)
    table = np.zeros((len(COLUMNS), 1 << statement.log_rows), dtype=np.uint32)
    fill_trace(inputs, table[:N_PERMUTATION])
    table[:N_PERMUTATION, used:] = fill_trace(np.zeros((16, 16), dtype=np.uint32))[:, :1]
    _fill_kinds(table, statement, witness, starts, lengths)
    return table


def _check_heads(statement: OpeningStatement, last: U32) -> None:
    for chain, (_, head) in enumerate(statement.meters, 1):
        if elements(last[:RATE, chain - 1]) != head:
            raise HeadError(f"meter {chain}")
    if statement.registry is not None and elements(last[:RATE, -1]) != statement.registry[1]:
        raise HeadError("registry after the period")


def _fill_ledger(blocks: U32, ledger: LedgerWitness, header: Elements) -> None:
    """Blocks of one ledger: (8, readings + 3), Montgomery."""
    fixed = to_montgomery(np.array([ledger.iv, header, ledger.trailer], dtype=np.uint64).T)
    blocks[:, 0], blocks[:, 1], blocks[:, -1] = fixed[:, 0], fixed[:, 1], fixed[:, 2]
    lanes: list[U64] = [np.asarray(ledger.epochs).astype(np.uint64), np.asarray(ledger.tags).astype(np.uint64)]
    for values in (ledger.chip_seconds, ledger.work):
        amount = np.asarray(values).astype(np.uint64)
        lanes += [amount & LIMB_MASK, amount >> LIMB_SHIFT]
    for i, lane in enumerate(lanes):
        blocks[i, 2:-1] = to_montgomery(lane)


def _fill_kinds(table: U32, statement: OpeningStatement, witness: OpeningWitness, starts: I64, lengths: I64) -> None:
    one = to_montgomery(np.array([1]))[0]

    def put(name: str, rows: slice | int, values: Sequence[int] | I64 | None = None) -> None:
        table[COLUMNS.index(name), rows] = one if values is None else to_montgomery(np.asarray(values, dtype=np.int64))

    for chain, ledger in enumerate(witness.ledgers, 1):
        start, end = int(starts[chain - 1]), int(starts[chain - 1] + lengths[chain - 1])
        rows = slice(start + 2, end - 1)
        indices = reading_indices(np.asarray(ledger.epochs).astype(np.int64))
        for kind, where in (("iv", start), ("hd", start + 1), ("rd", rows), ("el", end - 1)):
            put(kind, where)
        put("chain", slice(start, end), np.full(end - start, chain))
        put("key", rows, indices)
        put("first", rows, (indices == 0).astype(np.int64))
        for reading in statement.readings:
            at = _find(ledger, reading) if reading.chain == chain else None
            if at is not None:
                put("open", start + 2 + at)
    if witness.registry is None:
        return
    start, end = int(starts[-1]), int(starts[-1] + lengths[-1])
    for kind, row in (("iv", start), ("hd", start + 1), ("er", end - 1)):
        put(kind, row)
    for i, kind in enumerate(ENTRY_ROWS):
        put(kind, slice(start + 2 + i, end - 1, 5))
    shown, tags = {entry.tag for entry in statement.entries}, [entry.tag for entry in witness.entries]
    put("key", slice(start + 2, end - 1), np.repeat(np.array(tags, dtype=np.int64), 5))
    put("open", slice(start + 2, end - 1), np.repeat(np.array([int(tag in shown) for tag in tags], dtype=np.int64), 5))


def prove_opening(
    statement: OpeningStatement, witness: OpeningWitness, options: Options = STD, progress: Progress | None = None
) -> bytes:
    """A zero-knowledge proof of the statement. Two calls never return the same bytes.

    Raises:
        StatementError, WitnessError: as in :func:`build_opening_trace`; nothing is proven.
    """
    trace = build_opening_trace(statement, witness)
    return prove(opening_program(), (), public_messages(statement), trace, statement.log_rows, options, progress)
