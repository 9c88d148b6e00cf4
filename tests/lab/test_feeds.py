"""An honest lab under a power feed: it learns of joules that its books do not account for before its meters sign."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lab_fixtures import EPOCH, METER_KEYS, START, make_lab, public, with_sites

from claims.agreement.model import Agreement
from claims.agreement.terms import Deadlines, Feed
from claims.base import clock
from claims.claim.power import Joules, joules_name
from claims.claim.records import UNATTRIBUTED, Usage
from claims.lab.feeds import PowerShort, check_joules, hot_feeds, said_of_feeds
from claims.lab.meter import SoftwareMeter
from claims.lab.store import Store

FEED = Feed("hall-feed", "alpha", "beta", public(METER_KEYS["hall-a"]), "utility", ("hall-a", "hall-b"), 0, 300, 1000)
IDLE = 300 * 10 * EPOCH
"""What all ten chips account for in an hour without work."""


@pytest.fixture
def lab(tmp_path: Path) -> tuple[Store, Agreement]:
    store, terms = make_lab(tmp_path)
    return store, replace(terms, feeds=(FEED,))


def given(folder: Path, terms: Agreement, epoch: int, joules: int) -> Path:
    folder = folder / "given"
    folder.mkdir(exist_ok=True)
    (folder / joules_name(FEED.name, epoch)).write_bytes(Joules(terms.digest, FEED.name, epoch, bytes(32), joules).encode())
    return folder


def test_a_hot_hour_is_not_sealed_until_it_is_booked(lab: tuple[Store, Agreement], tmp_path: Path) -> None:
    """The message says how many chip-seconds are missing: one fewer is refused, and as many, as unattributed, are enough."""
    store, terms = lab
    folder = given(tmp_path, terms, 0, IDLE)
    check_joules(store, terms, ["hall-a"], 0, folder)
    given(tmp_path, terms, 0, IDLE + 700 * 49 + 1)
    with pytest.raises(PowerShort, match="hall-feed drew more in epoch 0.*at least 50 chip-seconds") as caught:
        check_joules(store, terms, ["hall-a"], 2, folder)
    assert "as unattributed" in caught.value.hint and "absent, which everybody sees" in caught.value.hint
    store.add_usage(0, "hall-b", [Usage(0, UNATTRIBUTED, 49_000, None)])
    with pytest.raises(PowerShort, match="at least 1 chip-seconds"):
        check_joules(store, terms, ["hall-b"], 2, folder)
    store.add_usage(0, "hall-b", [Usage(0, UNATTRIBUTED, 1000, None)])
    check_joules(store, terms, ["hall-b"], 2, folder)


def test_a_full_hour_above_the_rate_can_be_sealed(lab: tuple[Store, Agreement], tmp_path: Path) -> None:
    store, terms = lab
    folder = given(tmp_path, terms, 0, 2**64 - 1)
    with pytest.raises(PowerShort, match=f"at least {10 * EPOCH} chip-seconds"):
        check_joules(store, terms, ["hall-a"], 0, folder)
    for name, chips in (("hall-a", 8), ("hall-b", 2)):
        store.add_usage(0, name, [Usage(0, UNATTRIBUTED, 1000 * chips * EPOCH, None)])
    check_joules(store, terms, ["hall-a"], 0, folder)


def test_a_holder_that_lies_accuses_no_honest_lab(lab: tuple[Store, Agreement], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab takes the file away, and calls the hour absent; sealed books are held against it too, and publishing waits."""
    store, terms = lab
    terms = replace(terms, deadlines=Deadlines(600, 600, 60, 600))
    folder = given(tmp_path, terms, 0, IDLE + 1)
    for name, key in METER_KEYS.items():
        SoftwareMeter(name, key).seal_epoch(store, terms, 0)
    assert hot_feeds(store, terms, 0, folder) == {"hall-feed": 1}
    for seconds, said in ((299, None), (300, b"")):
        monkeypatch.setattr(clock, "now", lambda seconds=seconds: START + EPOCH + seconds)
        assert said_of_feeds(terms, "alpha", 0, [], wait=True) == said
    (folder / joules_name(FEED.name, 0)).unlink()
    assert hot_feeds(store, terms, 0, folder) == {} and said_of_feeds(terms, "alpha", 0, [FEED.name]) == b"\1"


def test_a_building_does_not_judge_what_another_has(lab: tuple[Store, Agreement], tmp_path: Path) -> None:
    """Of a feed over two buildings neither store knows all: nothing is refused, and nothing is taken for idle."""
    store, terms = lab
    terms = with_sites(terms)
    folder = given(tmp_path, terms, 0, IDLE + 1)
    check_joules(store, terms, ["hall-a"], 0, folder)
    with pytest.raises(PowerShort):
        check_joules(store, terms, ["hall-a", "hall-b"], 0, folder)


def test_files_of_something_else_are_no_joules(lab: tuple[Store, Agreement], tmp_path: Path) -> None:
    store, terms = lab
    folder = given(tmp_path, replace(terms, name="another"), 0, IDLE + 1)
    (folder / joules_name(FEED.name, 1)).write_bytes((folder / joules_name(FEED.name, 0)).read_bytes())
    (folder / joules_name(FEED.name, 2)).write_bytes(b"{}")
    check_joules(store, terms, ["hall-a"], 3, folder)
