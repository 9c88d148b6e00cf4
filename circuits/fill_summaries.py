"""Columns of the summaries' rows, by numpy. README.md section 3 has the columns; nothing is checked (circuits/table.py)."""

from __future__ import annotations

import numpy as np

from circuits.statement import IDLE, UNATTRIBUTED, Statement
from circuits.table import ChainRows, Table, received_by
from circuits.witness import I64, U64, ClaimWitness, Layout, SummaryWitness


def fill_summaries(table: Table, statement: Statement, witness: ClaimWitness) -> None:
    """All columns of the summaries' rows but the permutation's."""
    layout, first = table.layout, len(table.layout.readings)
    for k, summary in enumerate(witness.summaries, first):
        rows = ChainRows(table, int(layout.starts[k]), int(layout.lengths[k]))
        _fill_summary(rows, layout, summary, witness)
        rows.put("chain", np.arange(rows.length), k + 1)
        rows.write()


def _fill_summary(rows: ChainRows, layout: Layout, summary: SummaryWitness, witness: ClaimWitness) -> None:
    tags = np.array([tag for tag, _ in summary.records], dtype=np.int64)
    work = np.array([work for _, work in summary.records], dtype=np.uint64)
    for name, row in (("iv", 0), ("hd", 1), ("es" if layout.has_registry else "eg", rows.length - 1)):
        rows.put(name, row, 1)
    rows.put("sorted_prev", 1, UNATTRIBUTED)
    last = 1 + layout.record_rows * (1 + np.arange(len(summary)))  # row of each record, that of its gap to the next one
    first = last + 1 - layout.record_rows
    rows.put_bytes(np.append(1, last)[:-1], 14, np.diff(tags, prepend=IDLE) - 1, 3)
    rows.put_bytes(first, 17, tags, 3)
    for here in (first, last):
        rows.put("key", here, tags)
    (_sent if layout.has_registry else _received)(rows, first, last, tags, work, witness)


def _sent(rows: ChainRows, first: I64, last: I64, tags: I64, work: U64, witness: ClaimWitness) -> None:
    rows.put("sent", last, 1)
    rows.put_bytes(last, 6, work, 7)


def _received(rows: ChainRows, first: I64, last: I64, tags: I64, work: U64, witness: ClaimWitness) -> None:
    rows.put("side", first, 1)
    rows.put("got", last, 1)
    rows.put_bytes(first, 12, work, 3)
    rows.put_bytes(last, 8, work >> np.uint64(24), 4)
    rows.put_received(first, last, *received_by(tags, witness), np.ones(len(tags), dtype=np.bool_))
