"""Power by commands: a feed's key, records, entries and joules; a lab that says which came; an inspection that compares."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from inspect_fixtures import CHECK, DRAW, EPOCHS, OPEN, Folder, build

from claims.claim.power import Joules
from claims.inspection.record import Record

FEED = ("feed-1", "-a", "agreement.toml")
HOT = 10**9


def powered(path: Path, joules: dict[int, int]) -> Folder:
    """The folder of an inspection with a feed, whose holder has these epochs."""

    def terms(text: str) -> str:
        made = Folder(path).run(
            "feed", "key", "feed-1", "--lab", "alpha", "--holder", "delta", "--meter", "hall-1", "--meter", "hall-2", "--kind", "utility",
            "--watts", 0, 300, 1000, "-k", "feed.key", "--no-passphrase",
        )  # fmt: skip
        return text + "\n" + made

    def feeds(folder: Folder) -> tuple[object, ...]:
        (path / "hours.csv").write_text("epoch,joules\n" + "".join(f"{epoch},{amount}\n" for epoch, amount in joules.items()))
        folder.run("log", "init", "log", "--origin", "example.org/log", "-k", "log.key")
        folder.run("feed", "record", *FEED, "--csv", "hours.csv")
        assert f"{len(joules)} epochs sealed" in folder.run("feed", "seal", *FEED, "-k", "feed.key")
        assert "0 epochs sealed" in folder.run("feed", "seal", *FEED, "-k", "feed.key")
        folder.run("feed", "publish", *FEED, "--out", "entries", "--to", "given")
        folder.append(*(f"entries/feed-1-epoch-{epoch}.entry" for epoch in joules))
        return "--joules", "given", "--log", "log"

    return build(path, terms, feeds=feeds)


@pytest.fixture(scope="module")
def hot(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return powered(tmp_path_factory.mktemp("powered"), {epoch: HOT for epoch in range(EPOCHS) if epoch != 1})


def test_what_a_holder_keeps_and_gives_is_private(hot: Folder) -> None:
    for name in ("feed-1.feed", "given/feed-1-0.joules"):
        assert os.stat(hot.path / name).st_mode & 0o077 == 0
    assert Joules.decode((hot.path / "given/feed-1-0.joules").read_bytes()).joules == HOT
    assert str(HOT).encode() not in (hot.path / "entries/feed-1-epoch-0.entry").read_bytes()


def test_more_than_the_chips_account_for_is_recorded_as_a_failure(hot: Folder) -> None:
    assert "give the folder with feed-1-" in hot.run(*OPEN, code=2)
    assert "will record a failure (power)" in hot.run(*OPEN, "--joules", "given")
    said = hot.run(*CHECK, "-k", "beta.key", code=1)
    assert "feed-1 drew more in epoch" in said
    record = Record.decode((hot.path / "beta-alpha-0.record").read_bytes())
    assert (record.outcome, record.failures, record.draws > 8) == ("failed", ("power",), True)


def test_an_absent_hour_is_said_and_draws_another(hot: Folder) -> None:
    drawn = json.loads(hot.run("inspect", "draw", "--lab", "alpha", *DRAW, "--json"))["draws"]
    assert len(drawn) == min(16, 8 + sum(item["epoch"] == 1 for item in drawn)) and any(item["epoch"] == 1 for item in drawn)
    text = hot.run("verify", "alpha-0.claim", "-a", "agreement.toml", "--log", "log", code=1)  # its proof is none
    assert "REJECTED" in text


def test_an_agreement_says_what_its_feeds_leave_hidden(hot: Folder) -> None:
    for command in (("agreement", "check", "agreement.toml"), ("inspect", "plan", "-a", "agreement.toml")):
        assert "share of its 12 chips that could still train unseen:" in hot.run(*command)


def test_a_lab_with_feeds_publishes_no_hour_without_saying_what_came(hot: Folder) -> None:
    publish = ("epoch", "publish", "-s", "alpha.store", "-a", "agreement.toml", "-k", "alpha.key", "--out", "again")
    assert "--joules" in hot.run(*publish, code=2)
