"""Honest labs that prove with an older copy of the log: what they gave or received is not in it, and a claim is made once."""

from __future__ import annotations

import shutil

import pytest
from inspect_fixtures import EPOCH, EPOCHS, START, Folder

from claims.base import clock
from claims.claim.file import decode_claim
from tests.cli.test_allowance_commands import TERMS, accept, give, labs  # noqa: F401

USED = {"alpha": 100, "delta": 300}
"""Chip-seconds: 2e17 FLOP, of the 3e17 that alpha keeps; 5.9e17, of delta's own 1e17."""


@pytest.fixture
def month(labs: Folder, monkeypatch: pytest.MonkeyPatch, any_proof: None) -> Folder:  # noqa: F811
    """alpha gave in time; the period is over, closed and published. ``old``: the log before; ``undated``: not cosigned since."""
    monkeypatch.setattr("claims.lab.prove.in_this_process", lambda tables, _: ((number, b"proof") for number in range(len(tables))))
    labs.cosign(START - 45)
    shutil.copytree(labs.path / "log", labs.path / "old")
    accept(labs)
    give(labs)
    labs.append("one.entry")
    shutil.copytree(labs.path / "log", labs.path / "undated")
    labs.cosign(START - 40)
    monkeypatch.setattr(clock, "now", lambda: START + EPOCH * EPOCHS + 10)
    for name, used in USED.items():
        books = ("-s", f"{name}.store", *TERMS)
        (labs.path / "usage.csv").write_text(f"meter,epoch,checkpoint,chip_seconds\nhall,0,,{used}\n")
        labs.run("import", "readings", "usage.csv", *books)
        labs.run("meter", "close", "hall", *books, "-n", 0, "-k", f"{name}-hall.key", "--yes", "--log", "log")
        labs.run("epoch", "publish", *books, "-k", f"{name}.key", "-o", f"{name}-out")
        labs.run("lab", "close", *books, "-n", 0)
        for log in ("log", "undated"):
            labs.append(*(f"{name}-out/{name}-epoch-{epoch}.entry" for epoch in range(EPOCHS)), log=log)
    return labs


def prove(labs: Folder, name: str, log: str, *options: str, code: int = 0) -> str:  # noqa: F811
    return labs.run("prove", "-s", f"{name}.store", *TERMS, "-n", 0, "-k", f"{name}.key", "--log", log, *options, code=code)


@pytest.mark.parametrize("name", ["alpha", "delta"])
def test_no_claim_is_made_by_an_older_copy(month: Folder, name: str) -> None:
    """alpha's would leave out what it gave, and delta's say that it was over: for ever."""
    assert "may not be in it yet" in prove(month, name, "old", "--over", "--yes", code=2)
    assert not (month.path / f"{name}-0.claim").exists()
    prove(month, name, "log")
    claim = decode_claim((month.path / f"{name}-0.claim").read_bytes())
    assert len(claim.transfers) == 1 and not claim.limits


def test_who_would_say_that_it_is_over_is_told_what_does_not_count(month: Folder) -> None:
    assert "not listed: 9.997e20 FLOP moved from alpha to delta (serial 1); does not count" in prove(month, "delta", "undated", code=1)
