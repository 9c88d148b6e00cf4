"""Mistakes in a lab of several stores: a file in the wrong building, a file that was not sealed, a log that a building is held against."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from claims.base.errors import ClaimsError
from claims.claim.entry_kinds import IS_LOST, EpochEntry, LossEntry
from claims.lab.signing import compare_log
from claims.lab.store import Store
from tests.lab.test_buildings import HQ, at, enrolled, folder, place, prover, run, terms_of

__all__ = ["folder", "place", "prover"]


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three stores and an agreement, nothing measured."""
    monkeypatch.setenv("STANDSTILL_STATE", str(tmp_path / "state"))
    enrolled(tmp_path)
    run(tmp_path, "lab", "tags", "run", *HQ, "-n", 0, "-o", "period-0.tags")
    return tmp_path


def test_usage_of_another_building_is_imported(begun: Path) -> None:
    """It would be in no claim: its meter is closed elsewhere, as idle."""
    run(begun, "building", "tags", "period-0.tags", *at("north"))
    usage = begun / "all.csv"
    usage.write_text("meter,epoch,checkpoint,chip_seconds\nhall-1,0,run,100\nhall-3,0,run,9000\n")
    assert "hall-3 is of site south" in run(begun, "import", "readings", "all.csv", *at("north"), code=2)
    with Store.open(begun / "north.store") as store:
        assert not store.imports()
    usage.write_text("meter,epoch,checkpoint,chip_seconds\nhall-1,0,run,100\n")
    run(begun, "import", "readings", "all.csv", *at("north"))


def test_what_should_be_sealed_is_not(begun: Path) -> None:
    """Who stands between swaps the tags for others in the clear: work under them could never be claimed."""
    for name in ("one", "two"):
        run(begun, "building", "key", f"{name}.carry")
    tags = ("building", "tags", "period-0.tags", *at("north"))
    assert "is not sealed" in run(begun, *tags, "--carry-key", "one.carry", code=2)
    run(begun, "lab", "tags", "run", *HQ, "-n", 0, "-o", "sealed.tags", "--carry-key", "one.carry")
    sealed = ("building", "tags", "sealed.tags", *at("north"))
    assert "is sealed" in run(begun, *sealed, code=2)
    assert "another key" in run(begun, *sealed, "--carry-key", "two.carry", code=2)
    run(begun, *sealed, "--carry-key", "one.carry")


def test_a_summary_in_the_clear_and_a_report_that_always_is(place: Path) -> None:
    run(place, "building", "key", "one.carry")
    take = ("lab", "take", *HQ, "--carry-key", "one.carry")
    assert "is not sealed" in run(place, *take, "alpha-0.north.summary", code=2)
    run(place, *take, "north.report")


def test_a_building_is_held_against_the_log(begun: Path) -> None:
    """It has no entries of the lab's hours, and is no older copy for that; of its own losses it has to know."""
    terms = terms_of(begun)

    def log(*entries: Any) -> Any:
        return SimpleNamespace(by=lambda _: entries)

    hour = EpochEntry(terms.digest, "alpha", 0, bytes(32), bytes(32))
    losses = {(what, name): LossEntry(terms.digest, "alpha", "alpha", what, name, IS_LOST, 2)
              for what, name in ((1, "hall-1"), (1, "hall-3"), (2, "north"), (2, "south"))}  # fmt: skip
    with Store.open(begun / "north.store") as store:
        compare_log(store, terms, log(hour, losses[1, "hall-3"], losses[2, "south"]))
        for own in ((1, "hall-1"), (2, "north")):
            with pytest.raises(ClaimsError, match="does not know it"):
                compare_log(store, terms, log(losses[own]))
    with Store.open(begun / "hq.store") as store, pytest.raises(ClaimsError, match="older than what was signed"):
        compare_log(store, terms, log(hour))


def test_journals_of_a_building_are_made_again(begun: Path) -> None:
    """Its own meters' alone: an empty one of the lab's key, or of another building's meters, would vouch for nothing."""
    text = run(begun, "journal", "rebuild", *at("north"))
    assert "hall-1" in text and "hall-3" not in text and "lab alpha" not in text


def test_what_travels_is_known(place: Path) -> None:
    """By whoever finds it: what it is, and whether it is private; nothing of what it holds."""
    run(place, "building", "key", "one.carry")
    run(place, "lab", "tags", *HQ, "-n", 0, "-o", "sealed.tags", "--carry-key", "one.carry")
    private = {"alpha-0.north.summary": "work by tag", "period-0.tags": "tags of", "sealed.tags": "sealed", "one.carry": "not to be shared"}
    for name, words in private.items():
        text = run(place, "show", name)
        assert words in text and "run" not in text.replace("lab's runs", "")
    assert "PRIVATE" not in run(place, "show", "north.report")
