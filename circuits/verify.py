"""Verification of a compute claim's proof. Standard library only."""

from __future__ import annotations

from circuits.claim import claim_program, public_interactions, public_vector
from circuits.statement import Statement
from zk.options import STD, Options
from zk.security import SecurityReport, security_report
from zk.verifier import verify


def verify_claim_proof(
    statement: Statement, proof: bytes, options: Options = STD, *, allow_insecure: bool = False
) -> SecurityReport:
    """Verifies that the proof shows the statement (README.md section 1).

    Args:
        statement: every public value, from the agreement and the signed heads; nothing is taken from the proof.
        proof: hostile bytes.
        options: the verifier's choice. `allow_insecure` accepts test options; no command sets it.

    Returns:
        The bits of each soundness term, computed for this very program, statement and options.

    Raises:
        StatementError: a public value is out of range.
        ProofRejected, MalformedProof: the proof does not show it.
    """
    publics, terms = public_vector(statement), public_interactions(statement)
    return verify(
        claim_program(), publics, terms, statement.log_rows, proof, options, allow_insecure=allow_insecure
    )


def claim_security(statement: Statement, options: Options = STD) -> SecurityReport:
    """What :func:`verify_claim_proof` returns of a statement whose proof holds, without any proof. Raises StatementError as that does."""
    public_vector(statement)
    return security_report(claim_program(), statement.log_rows, options, public_interactions(statement))
