"""Every column of the claim table, in the layout of circuits/witness.py. Nothing is checked (circuits/table.py)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from circuits.fill_ledgers import fill_ledgers
from circuits.fill_registry import fill_registry
from circuits.fill_summaries import fill_summaries
from circuits.gadgets import COLUMNS, N_BYTES, N_PERMUTATION
from circuits.statement import Statement
from circuits.table import BYTE_WORDS, Table
from circuits.witness import U32, ClaimWitness, Layout, to_montgomery
from zk.kernels.poseidon2 import fill_trace

PAIRS = 1 << 16


def fill_trace_columns(statement: Statement, witness: ClaimWitness, layout: Layout, inputs: Callable[[], U32]) -> U32:
    """All columns: (n_columns, 2^log_rows) uint32, Montgomery. `inputs` runs in a thread of its own beside the other columns,
    most of which numpy fills on one core; what it raises is raised here."""
    table = Table(statement, layout)
    with ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(inputs)
        if witness.ledgers:
            fill_ledgers(table, statement, witness)
        fill_summaries(table, statement, witness)
        if witness.registry is not None:
            fill_registry(table, statement, witness, witness.registry)
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
