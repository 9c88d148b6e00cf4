"""Proving a compute claim."""

from __future__ import annotations

from circuits.claim import claim_program, public_interactions, public_vector
from circuits.statement import Statement
from circuits.trace import build_trace
from circuits.witness import ClaimWitness
from zk.options import STD, Options
from zk.prover import Progress, prove


def prove_claim(
    statement: Statement, witness: ClaimWitness, options: Options = STD, progress: Progress | None = None
) -> bytes:
    """A zero-knowledge proof of the statement. Two calls never return the same bytes.

    Args:
        statement: public values; its heads must be the witness's.
        witness: the lab's private records.
        progress: called at the start of each of the prover's phases.

    Raises:
        StatementError: a public value is out of range.
        WitnessError: the records do not satisfy the statement; the message says which and where. Nothing is proven.
    """
    publics, terms = public_vector(statement), public_interactions(statement)
    return prove(claim_program(), publics, terms, build_trace(statement, witness), statement.log_rows, options, progress)
