"""From a lab's records to the trace that the prover takes.

Records are checked first (circuits/relation.py): what cannot be claimed is refused with a typed reason, before any work.
The trace is (n_columns, 2^log_rows) uint32 in Montgomery form, R = 2^32. Its layout: README.md sections 2 and 3.
"""

from __future__ import annotations

from circuits.fill import fill_trace_columns
from circuits.relation import check_witness
from circuits.statement import Statement
from circuits.witness import (
    U32,
    ClaimWitness,
    Headers,
    blocks_of,
    check_heads,
    layout_of,
    read_heads,
    sponge_inputs,
)

__all__ = ["build_trace"]


def build_trace(statement: Statement, witness: ClaimWitness) -> U32:
    """The trace of a claim.

    Returns:
        (n_columns, 2^log_rows) uint32, Montgomery, columns as in gadgets.COLUMNS.

    Raises:
        StatementError: the statement is out of range.
        WitnessError: the records do not satisfy the statement; the subclass and its message say which and where.
    """
    statement.validate()
    check_witness(statement, witness)
    layout = layout_of(witness)

    def inputs() -> U32:
        blocks = blocks_of(witness, layout, Headers.of(statement))
        states, outputs = sponge_inputs(blocks, layout)
        check_heads(statement, read_heads(layout, states, outputs))
        return states

    return fill_trace_columns(statement, witness, layout, inputs)
