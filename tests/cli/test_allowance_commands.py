"""Caps that move, by commands: who accepts twice, gives twice, gives what is gone; and books held against the total after transfers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from inspect_fixtures import AGREEMENT, EPOCH, EPOCHS, PARTIES, START, Folder

import claims.cli.allowance
import claims.cli.lab_status  # noqa: F401  (each registers commands)
from claims.base import clock
from claims.base.units import format_time

SECOND = """
[[lab]]
name = "delta"
log_rows = 16
ceiling = "1e22 FLOP"
{opening}
[lab.caps]
total = "1e17 FLOP"
unattributed = "1e20 FLOP"
lineage = "1e22 FLOP"
{meter}
"""
GIFT = "9.997e20 FLOP"
"""All of alpha's total but 3e17 FLOP."""
TERMS = ("-a", "agreement.toml")


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Two labs before their first period, each with work for it in its files."""
    folder = Folder(tmp_path)
    run = folder.run
    keys = {name: run("keygen", f"{name}.key", "--no-passphrase").strip() for name in (*PARTIES, "cosign", "log")}
    heads, meters = {}, {}
    for name in ("alpha", "delta"):
        heads[name] = run("lab", "init", name, "-s", f"{name}.store").strip()
        kind = ("--lab", name, "--chip", "h100", "--chips", 8)
        meters[name] = run("meter", "init", "hall", *kind, "-k", f"{name}-hall.key", "--no-passphrase")
    text = AGREEMENT.format(start=format_time(START), opening=heads["alpha"] + '\nceiling = "1e22 FLOP"', meters=meters["alpha"], **keys)
    (tmp_path / "agreement.toml").write_text(text + SECOND.format(opening=heads["delta"], meter=meters["delta"]))
    monkeypatch.setattr(clock, "now", lambda: START - 50)
    run("log", "init", "log", "--origin", "example.org/log", "-k", "log.key")
    return folder


def accept(labs: Folder, amount: str = GIFT, serial: int = 1, out: str = "one", code: int = 0) -> str:
    return labs.run("allowance", "accept", *TERMS, "--from", "alpha", "--to", "delta", "-n", 0, "--amount", amount, "--serial", serial,
                    "-k", "delta.key", "--yes", "-o", f"{out}.allowance", code=code)  # fmt: skip


def give(labs: Folder, name: str = "one", code: int = 0) -> str:
    return labs.run("allowance", "give", f"{name}.allowance", *TERMS, "-k", "alpha.key", "--yes", code=code)


def given(labs: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gift is in the log in time; then the period is over, and both labs have imported what ran."""
    accept(labs)
    give(labs)
    labs.append("one.entry")
    labs.cosign(START - 40)
    monkeypatch.setattr(clock, "now", lambda: START + EPOCH * EPOCHS + 10)
    (labs.path / "usage.csv").write_text("meter,epoch,checkpoint,chip_seconds\nhall,0,,300\n")  # 5.9e17 FLOP
    for name in ("alpha", "delta"):
        labs.run("import", "readings", "usage.csv", "-s", f"{name}.store", *TERMS)


def test_given_twice_it_is_the_same_entry(labs: Folder) -> None:
    accept(labs)
    give(labs)
    first = (labs.path / "one.entry").read_bytes()
    give(labs)
    assert (labs.path / "one.entry").read_bytes() == first
    labs.append("one.entry")
    labs.cosign(START - 40)
    found = json.loads(labs.run("allowance", "list", *TERMS, "-n", 0, "--log", "log", "--json"))
    assert [item["counts"] for item in found["transfers"]] == [True]
    assert found["labs"] == {
        "alpha": {"agreed": "1e21 FLOP", "total": "3e17 FLOP"}, "delta": {"agreed": "1e17 FLOP", "total": "9.998e20 FLOP"},
    }  # fmt: skip


def test_accepted_twice_under_one_serial_it_is_given_once(labs: Folder) -> None:
    """A receiver that accepts two amounts under one number leads no giver into a contradiction: its journal stops the second."""
    accept(labs)
    accept(labs, "5e20 FLOP", out="two")
    give(labs)
    assert "a transfer of this serial number for period 0" in give(labs, "two", code=2)
    accept(labs, "3e17 FLOP", serial=2, out="three")
    give(labs, "three")


@pytest.mark.parametrize(("amount", "words"), [
    ("1.1e21 FLOP", "has a total of 1e21 FLOP"), ("1 FLOP", "not a whole number of 10"), ("0 FLOP", "not a whole number"),
    ("2e31 FLOP", "not a whole number of 10"),
])  # fmt: skip
def test_what_would_be_void_is_not_signed(labs: Folder, amount: str, words: str) -> None:
    assert words in accept(labs, amount, code=2)


def test_no_lab_gives_or_accepts_too_late_or_for_another(labs: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    accept(labs)
    assert "this key is not lab delta's" in labs.run(
        "allowance", "accept", *TERMS, "--from", "alpha", "--to", "delta", "-n", 0, "--amount", GIFT, "-k", "beta.key", "--yes", code=2
    )  # fmt: skip
    assert "does not verify" in labs.run("allowance", "give", "one.allowance", *TERMS, "-k", "delta.key", "--yes", code=2)
    data = (labs.path / "one.allowance").read_text()
    (labs.path / "more.allowance").write_text(data.replace("999700000", "999800000"))
    assert data != (labs.path / "more.allowance").read_text() and "does not verify" in give(labs, "more", code=2)
    monkeypatch.setattr(clock, "now", lambda: START)
    assert "began at" in give(labs, code=2) and "began at" in accept(labs, out="late", code=2)


def test_a_giver_learns_before_it_signs_that_it_is_over(labs: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """5.9e17 FLOP are fine under the agreed 1e21, and over the 3e17 that are left."""
    given(labs, monkeypatch)
    status = ("lab", "status", "-s", "alpha.store", *TERMS, "-n", 0)
    assert "transfers of cap   not looked at: give --log" in labs.run(*status)
    said = labs.run(*status, "--log", "log", code=1)
    assert "of 3e17 FLOP" in said and "EXCEEDED" in said and "9.997e20 FLOP moved from alpha to delta" in said
    close = ("meter", "close", "hall", "-s", "alpha.store", *TERMS, "-n", 0, "-k", "alpha-hall.key", "--yes")
    assert "only its log has what was given or received" in labs.run(*close, code=2)
    assert "the lab would be over in period 0" in labs.run(*close, "--log", "log", code=1)
    labs.run(*close, "--over-caps")


def test_a_receiver_is_not_told_that_it_is_over(labs: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    given(labs, monkeypatch)
    status = ("lab", "status", "-s", "delta.store", *TERMS, "-n", 0)
    assert "EXCEEDED" in labs.run(*status, code=1)
    assert "of 9.998e20 FLOP" in labs.run(*status, "--log", "log")
    labs.run("meter", "close", "hall", "-s", "delta.store", *TERMS, "-n", 0, "-k", "delta-hall.key", "--yes", "--log", "log")
