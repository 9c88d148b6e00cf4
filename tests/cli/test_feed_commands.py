"""Power by commands: a feed's key, records, entries and joules; a lab that says which came; an inspection that compares."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from inspect_fixtures import CHECK, DRAW, EPOCHS, OPEN, Folder, build

from claims.claim.power import Joules
from claims.collect.feed import FeedRecords
from claims.inspection.record import Record

FEED = ("feed-1", "-a", "agreement.toml")
HOT = 10**9


def powered(path: Path, joules: dict[int, int], *, confirms: bool = True) -> Folder:
    """The folder of an inspection with a feed, whose holder has these epochs, and signs the period with its period key or not."""

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
        if confirms:
            close = ("feed", "close", *FEED, "-n", 0, "-k", "feed.key")
            assert f"period 0 closed, with {len(joules)} of {EPOCHS} epochs" in folder.run(*close)
            kept = FeedRecords.decode((path / "feed-1.feed").read_bytes()).periods
            folder.run(*close)  # again: the kept bytes
            assert FeedRecords.decode((path / "feed-1.feed").read_bytes()).periods == kept and list(kept) == [0]
        folder.run("feed", "publish", *FEED, "--out", "entries", "--to", "given")
        folder.append(*(f"entries/feed-1-epoch-{epoch}.entry" for epoch in joules))
        if confirms:
            folder.append("entries/feed-1-period-0.entry")
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


def test_a_closed_period_takes_nothing_more(hot: Folder) -> None:
    (hot.path / "late.csv").write_text(f"epoch,joules\n1,{HOT}\n")
    before = (hot.path / "feed-1.feed").read_bytes()
    hot.run("feed", "record", *FEED, "--csv", "late.csv")
    assert "0 epochs sealed; 1 of closed periods are absent for ever" in hot.run("feed", "seal", *FEED, "-k", "feed.key")
    hot.run("feed", "close", *FEED, "-n", 0, "-k", "feed.key")
    assert FeedRecords.decode((hot.path / "feed-1.feed").read_bytes()).periods == FeedRecords.decode(before).periods
    (hot.path / "feed-1.feed").write_bytes(before)
    assert "is not one of the agreement's periods" in hot.run("feed", "close", *FEED, "-n", 5, "-k", "feed.key", code=1)
    assert "is not feed feed-1's" in hot.run("feed", "close", *FEED, "-n", 0, "-k", "beta.key", code=2)


def test_without_its_period_key_a_feed_fails_nobody(tmp_path: Path) -> None:
    """Whoever breaks the curve could have written the joules that speak against the lab."""
    cold = powered(tmp_path, dict.fromkeys(range(EPOCHS), HOT), confirms=False)
    assert "will record a failure (power)" in cold.run(*OPEN, "--joules", "given")
    said = cold.run(*CHECK)
    assert "MORE THAN" in said and "feed feed-1 has not signed the period with its period key: no hour of it is a failure" in said
    assert "feed-1" not in cold.run("agreement", "check", "agreement.toml").split("Ed25519 alone")[1].splitlines()[0]


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
