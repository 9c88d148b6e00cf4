"""A lab whose meter burns in the night, by commands: what it does until its claim is proven, and what it cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk import DAY, HOUR, START, Desk

from claims.agreement.file import parse_agreement
from claims.base.keys import load_key_file
from claims.claim.entries import decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import EpochEntry, LossEntry
from claims.claim.file import decode_claim
from claims.claim.lists import LOST_METER, Loss
from claims.claim.published import PublishedEntries
from claims.tlog.writer import LogWriter
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
    assert claim.losses == (Loss(LOST_METER, "hall-2", 30),) and len(list(Path("entries").glob("lab-epoch-*"))) == 120
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


def test_a_loss_is_appended_before_the_hours_that_lack_it(desk: Desk) -> None:
    """All files of a folder, by name: an hour before the loss would leave its period without a claim for good."""
    key = Path("log.key")
    desk.run("keygen", key, "--no-passphrase")
    desk.run("log", "init", "log", "--origin", "log.example/x", "-k", key)
    digest, hour = bytes(32), bytes(32)
    entries = [EpochEntry(digest, "lab", epoch, hour, hour) for epoch in (29, 30)] + [LossEntry(digest, "lab", "lab", 1, "hall-2", 1, 30)]
    names = ["a-29.entry", "a-30.entry", "lost.entry"]
    for name, entry in zip(names, entries, strict=True):
        Path(name).write_bytes(encode_entry(sign_entry(load_key_file("lab.key"), entry)))
    desk.run("log", "append", "log", *names, "-k", key, "--clock-is-right")
    with LogWriter.open(Path("log"), load_key_file(key)) as writer:
        shown = [decode_entry(entry).title for entry in writer.tree.entries(0, 3)]
    lost = "lab's word that meter hall-2 of lab lab is lost from epoch 30 on"
    assert shown == [lost, "lab lab's entry of epoch 29", "lab lab's entry of epoch 30"]


def test_the_hour_takes_the_loss_with_it(burnt: Desk) -> None:
    """The lab's entry of the loss lies in another folder than the hours, which alone are appended: it is among them."""
    lose(burnt, "--from-epoch", 30, "--yes")
    burnt.at(START + 32 * HOUR)
    seal(burnt)
    publish(burnt)
    beside = Path("entries/lab-lost-hall-2-30.entry")
    assert beside.read_bytes() == Path("lab-lost-hall-2-30.entry").read_bytes()
    assert "meters to close    hall-1\n" in burnt.run("lab", "status", *burnt.books, "-n", 0)
    beside.unlink()
    Path("entries/lab-epoch-30.entry").unlink()
    publish(burnt)
    assert beside.exists() and len(list(Path("entries").iterdir())) == 33
