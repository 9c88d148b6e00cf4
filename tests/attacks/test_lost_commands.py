"""A lab whose meter burns in the night, by commands: what it does until its claim is proven, and what it cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk import DAY, HOUR, START, Desk

from claims.agreement.file import parse_agreement
from claims.claim.file import decode_claim
from claims.claim.lists import LOST_METER, Loss
from claims.claim.published import PublishedEntries
from tests.lab.test_tables import Prover, prover  # noqa: F401

PERIOD = 5 * DAY


@pytest.fixture
def burnt(desk: Desk) -> Desk:
    """hall-2 is silent after its 30th hour."""
    text = Path("agreement.toml").read_text()
    Path("agreement.toml").write_text(text.replace("log_rows = 16", 'log_rows = 16\nlost = "50 %"'))
    desk.run("agreement", "sign", "agreement.toml", "-k", "lab.key", "--yes")
    desk.at(START + 30 * HOUR)
    desk.usage("hall-1,0,run,20000", "hall-2,3,run,9000")
    seal(desk)
    publish(desk)
    return desk


def seal(desk: Desk) -> str:
    return desk.run("epoch", "seal", "--all", *desk.books, "--keys", "keys", "--clock-is-right")


def publish(desk: Desk) -> str:
    return desk.run("epoch", "publish", *desk.books, "-k", "lab.key", "-o", "entries")


def lose(desk: Desk, *options: object, code: int = 0) -> str:
    return desk.run("meter", "lost", "hall-2", *desk.books, "-k", "lab.key", *options, code=code)


def test_a_lab_whose_meter_burnt_goes_on(burnt: Desk, prover: Prover) -> None:  # noqa: F811
    desk = burnt
    assert "there is no terminal" in lose(desk, "--from-epoch", 30, code=2)
    desk.answers("n\n")
    lose(desk, "--from-epoch", 30, code=2)
    assert "epoch 30 is the first" in lose(desk, "--from-epoch", 29, "--yes", code=2)
    desk.answers("y\n")
    said = lose(desk, "--from-epoch", 30)
    assert "cannot be taken back" in said and Path("lab-lost-hall-2-30.entry").exists()
    lose(desk, "--from-epoch", 30, "--yes")
    desk.at(START + 31 * HOUR)
    assert "hall-1" in seal(desk)
    publish(desk)
    assert "is lost" in desk.run("epoch", "seal", "hall-2", *desk.books, "-k", "keys/hall-2.key", code=2)
    assert "is lost in epoch 30" in desk.usage("hall-2,30,run,5", code=2)
    desk.at(START + PERIOD)
    assert "is lost" in desk.close(0, "--yes", "--clock-is-right", meters=("hall-2",), code=2)
    desk.close(0, "--yes", "--clock-is-right")
    seal(desk)
    desk.run("lab", "snapshot", "run", *desk.books, "-n", 0, "--root")
    publish(desk)
    desk.run("lab", "close", *desk.books, "-n", 0)
    assert "EXCEEDED" not in desk.run("lab", "status", *desk.books, "-n", 0)
    desk.run("prove", *desk.books, "-n", 0, "-k", "lab.key")
    claim = decode_claim(Path("lab-0.claim").read_bytes())
    assert claim.losses == (Loss(LOST_METER, "hall-2", 30),) and len(list(Path("entries").iterdir())) == 120
    said = desk.run("verify", "lab-0.claim", "-a", "agreement.toml", "--now", START + PERIOD)
    assert said.startswith("PROVEN") and "meter hall-2 from epoch 30 on; 37.5 % of the period's chip-seconds, agreed at most 50 %" in said
    assert "lost        meter hall-2, from epoch 30 on" in desk.run("show", "lab-0.claim")
    assert "is lost from epoch 30 on" in desk.run("show", "lab-lost-hall-2-30.entry")
    second(desk)


def second(desk: Desk) -> None:
    """The period after, in which it is lost from the first hour on."""
    desk.at(START + 2 * PERIOD)
    desk.usage("hall-1,130,,20000")
    desk.close(1, "--yes", "--clock-is-right")
    desk.run("lab", "close", *desk.books, "-n", 1)
    desk.run("prove", *desk.books, "-n", 1, "-k", "lab.key")
    claim = decode_claim(Path("lab-1.claim").read_bytes())
    assert claim.losses == (Loss(LOST_METER, "hall-2", 120),)
    said = desk.run("verify", "lab-1.claim", "-a", "agreement.toml", "-p", "lab-0.claim", "--now", START + 2 * PERIOD)
    assert said.startswith("PROVEN")


def test_it_is_not_lost_once_the_hour_is_published(burnt: Desk) -> None:
    for epoch in (0, 5, 29):
        assert "is the first" in lose(burnt, "--from-epoch", epoch, "--yes", code=2)
    burnt.at(START + 40 * HOUR)
    seal(burnt)
    publish(burnt)
    assert "epoch 40 is the first" in lose(burnt, "--from-epoch", 30, "--yes", code=2)


def test_a_loss_is_in_the_journal_of_the_labs_key(burnt: Desk) -> None:
    """A store from before the loss publishes the hour with other roots: it is refused."""
    burnt.run("lab", "backup", "before.store", "-s", "lab.store")
    lose(burnt, "--from-epoch", 30, "--yes")
    Path("lab.store").unlink()
    burnt.run("lab", "restore", "before.store", "-s", "lab.store", "-a", "agreement.toml", code=2)
    Path("before.store").rename("lab.store") if not Path("lab.store").exists() else None
    burnt.at(START + 31 * HOUR)
    seal(burnt)
    assert "older than what was signed" in burnt.run("epoch", "publish", *burnt.books, "-k", "lab.key", "-o", "entries", code=2)


def test_its_entry_is_one_of_the_log(burnt: Desk) -> None:
    lose(burnt, "--from-epoch", 30, "--yes")
    terms = parse_agreement(Path("agreement.toml").read_text())
    found = PublishedEntries(terms, [(0, Path("lab-lost-hall-2-30.entry").read_bytes())])
    assert [entry.epoch for entry, _ in found.losses("lab")] == [30] and not found.refused
