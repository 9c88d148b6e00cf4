"""Proving that entries are in the registry behind a head (README.md section 10)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from circuits.chain import Entry, entry_blocks
from circuits.errors import HeadError, ShapeError
from circuits.opening import COLUMNS, ENTRY_ROWS, OpenedEntry, OpeningStatement, opening_program, public_messages
from circuits.statement import RATE, START, Elements
from circuits.witness import U32, elements, to_montgomery
from zk.errors import WitnessError
from zk.kernels.poseidon2 import fill_trace, sponge_chains
from zk.options import STD, Options
from zk.prover import prove

N_PERMUTATION = 180


@dataclass(frozen=True)
class RegistryOpening:
    """The private registry behind a head: 8 elements each of IV and trailer, and all entries in order."""

    iv: Elements = field(repr=False)
    entries: tuple[Entry, ...] = field(repr=False)
    trailer: Elements = field(repr=False)


def opened_entry(entry: Entry) -> OpenedEntry:
    """What an opening shows of an entry."""
    return OpenedEntry(
        entry.tag, entry.kind, entry.parent1, entry.parent2, entry.epoch, entry.declared, entry.weights_digest
    )


def build_opening_trace(statement: OpeningStatement, witness: RegistryOpening) -> U32:
    """The trace, (190, 2^log_rows) uint32 Montgomery.

    Raises:
        StatementError: the statement is out of range.
        ShapeError: more entries than rows. HeadError: the registry has another head.
        WitnessError: an entry that is to be shown is not in it.
    """
    statement.validate()
    held = {entry.tag: entry for entry in witness.entries}
    for shown in statement.entries:
        if shown.tag not in held or opened_entry(held[shown.tag]) != shown:
            raise WitnessError(f"no entry of the registry is what is to be shown of tag {shown.tag}")
    used = 5 * len(witness.entries) + 3
    if used > 1 << statement.log_rows:
        raise ShapeError(f"the registry takes {used} rows, the table has 2^{statement.log_rows}")
    return fill_opening(statement, witness, {entry.tag for entry in statement.entries}, check=True)


def fill_opening(statement: OpeningStatement, witness: RegistryOpening, shown: set[int], *, check: bool = False) -> U32:
    """The trace with the entries of tags `shown` opened; what the constraints say about it is theirs, unless `check`."""
    used, count = 5 * len(witness.entries) + 3, len(witness.entries)
    blocks = [witness.iv, statement.registry_header]
    blocks += [block for entry in witness.entries for block in entry_blocks(entry)]
    words = to_montgomery(np.array([*blocks, witness.trailer], dtype=np.uint64).T)
    start = to_montgomery(np.array(START, dtype=np.uint64))
    inputs, last = sponge_chains(np.ascontiguousarray(words), np.array([0]), np.array([used]), start)
    if check and elements(last[:RATE, 0]) != statement.head:
        raise HeadError("registry that is to be opened")
    table = np.zeros((len(COLUMNS), 1 << statement.log_rows), dtype=np.uint32)
    fill_trace(inputs, table[:N_PERMUTATION])
    table[:N_PERMUTATION, used:] = fill_trace(np.zeros((16, 16), dtype=np.uint32))[:, :1]
    one = to_montgomery(np.array([1]))[0]
    for kind, row in (("iv", 0), ("hd", 1), ("er", used - 1)):
        table[COLUMNS.index(kind), row] = one
    for i, kind in enumerate(ENTRY_ROWS):
        table[COLUMNS.index(kind), 2 + i : used - 1 : 5] = one
    tags = np.repeat(np.array([entry.tag for entry in witness.entries], dtype=np.int64), 5)
    table[COLUMNS.index("tag"), 2 : used - 1] = to_montgomery(tags)
    bits = np.repeat(np.array([entry.tag in shown for entry in witness.entries], dtype=np.int64), 5)
    table[COLUMNS.index("open"), 2 : 2 + 5 * count] = to_montgomery(bits)
    return table


def prove_opening(statement: OpeningStatement, witness: RegistryOpening, options: Options = STD) -> bytes:
    """A zero-knowledge proof of the statement. Two calls never return the same bytes.

    Raises:
        StatementError, WitnessError: as in :func:`build_opening_trace`; nothing is proven.
    """
    trace = build_opening_trace(statement, witness)
    return prove(opening_program(), (), public_messages(statement), trace, statement.log_rows, options)
