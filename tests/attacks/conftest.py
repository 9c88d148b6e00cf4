"""What the attacks share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from folders import Made

from circuits.claim import claim_program, public_interactions
from tests.site.page_agrees import differences, stand_in_page
from zk.errors import ProofRejected
from zk.options import STD
from zk.security import security_report


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """An operator's desk."""
    return Desk(tmp_path, monkeypatch, capsys)


@pytest.fixture
def any_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is valid when it begins with b"proof", or in a file of its own with b"SSPF proof", whatever its statement."""

    def check(statement: Any, proof: bytes, *_: object) -> Any:
        statement.validate()
        if not proof.startswith((b"proof", b"SSPF proof")):
            raise ProofRejected("query", "made up")
        return security_report(claim_program(), statement.log_rows, STD, public_interactions(statement))

    monkeypatch.setattr("circuits.verify.verify_claim_proof", check)


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page's modules under Node, or None where there is no Node."""
    if shutil.which("node") is None:
        yield None
        return
    page = stand_in_page(tmp_path_factory.mktemp("stand-in") / "site")
    yield page
    page.close()


@pytest.fixture
def page_agrees(stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page decides as status does about every folder whose state a test asks for."""
    if stand_in is None:
        return
    judge = Made.at

    def at(made: Made, now: int, **options: Any) -> Any:
        state = judge(made, now, **options)
        if not options:
            found = differences(stand_in, made.folder, state)
            assert not found, "\n".join(found)
        return state

    monkeypatch.setattr(Made, "at", at)
