"""What the attacks share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from desk import Desk

from circuits.claim import claim_program, public_interactions
from zk.errors import ProofRejected
from zk.options import STD
from zk.security import security_report


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """An operator's desk."""
    return Desk(tmp_path, monkeypatch, capsys)


@pytest.fixture
def any_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is valid when it begins with b"proof", whatever its statement."""

    def check(statement: Any, proof: bytes, *_: object) -> Any:
        statement.validate()
        if not proof.startswith(b"proof"):
            raise ProofRejected("query", "made up")
        return security_report(claim_program(), statement.log_rows, STD, public_interactions(statement))

    monkeypatch.setattr("circuits.verify.verify_claim_proof", check)
