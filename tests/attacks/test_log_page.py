"""A page whose log says something else than the page: late epochs, entries that were left out, heads that nobody cosigned, inspections.

The proof of every claim is taken to hold; the honest page of each folder is agreed with, the lie is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from claims.site.generate import generate
from tests.attacks.test_log_mirror import STRICT, claim_files, deliver, epoch_entry, heads, remake, strict, strip
from tests.site.page_node import PageNode, needs_node
from tests.status.test_status_log import END, HOUR, START, Published, world_

__all__ = ["remake", "strict", "world_"]
pytestmark = needs_node


@contextmanager
def pages(folder: Published, now: int) -> Iterator[tuple[dict[str, Any], Callable[..., dict[str, Any]]]]:
    """The folder's honest site.json, and what the browser makes of one."""
    site = folder.folder.parent / f"site-{now}"
    generate(folder.folder, site, now=now)
    page = PageNode(site)

    def ask(view: dict[str, Any], assume: Any = "PROVEN") -> dict[str, Any]:
        return page.verdicts([{"site": json.dumps(view), "now": now, "assume": assume}])[0]

    try:
        yield json.loads((site / "site.json").read_text()), ask
    finally:
        page.close()


def lie(view: dict[str, Any], state: str, answer: str = "yes") -> dict[str, Any]:
    """Another state of alpha's claim, and of all that is pending, and another answer."""
    rows = [row | ({"state": state, "check": None} if (row["lab"], row["period"]) == ("alpha", 0) else {}) for row in view["claims"]]
    return view | {"claims": rows, "holds": {"answer": answer, "why": []}}


def against(found: dict[str, Any]) -> str:
    return " ".join(found["against"])


def test_late_epochs_are_counted_by_the_browser(strict: Published) -> None:
    late = END + 24 * HOUR
    strict.add(late, *(epoch_entry(epoch) for epoch in range(4)))
    strict.add(late + 60, claim_files(strict))
    with pages(strict, late + 61) as (honest, ask):
        found = ask(honest)
        assert found["own"]["alpha-0"] == "rejected" and not found["against"] and "4 of 4 hours committed late" in " ".join(found["notes"])
        assert "4 of 4 hours committed late; the agreement allows 1 late" in against(ask(lie(honest, "proven")))
        assert "4 of 4" in against(ask(lie(honest, "pending", "undecided")))


def test_lateness_that_is_made_up_is_contradicted(strict: Published) -> None:
    strict.epochs()
    strict.add(END + 600, claim_files(strict))
    with pages(strict, END + 601) as (honest, ask):
        assert ask(honest)["kind"] == "confirmed"
        rows = [row | {"state": "rejected", "check": "deadlines"} if row["lab"] == "alpha" else row for row in honest["claims"]]
        assert "the claim holds here" in against(ask(honest | {"claims": rows, "holds": {"answer": "no", "why": []}}))


def test_removed_dates_confirm_nothing_and_accuse_nobody(strict: Published) -> None:
    strict.epochs()
    strict.add(END + 600, claim_files(strict))
    strict.beat(END + 5 * HOUR)
    for path in heads(strict)[:-2]:
        path.unlink()
    with pages(strict, END + 6 * HOUR) as (honest, ask):
        for view in (honest, lie(honest, "proven")):
            found = ask(view)
            assert found["kind"] == "open" and not found["against"] and "not shown to be in time" in " ".join(found["open"])


def test_two_rivals_who_cosign_late_are_named(remake: Callable[[str], Published]) -> None:
    folder = remake(STRICT.replace("late_epochs = 1", "late_epochs = 0"))
    for epoch in range(4):
        at = START + (epoch + 1) * HOUR + 60
        folder.add(at, epoch_entry(epoch), by="", logged=at)
    folder.add(END + 600, claim_files(folder), by="", logged=END + 600)
    folder.beat(END + 5 * HOUR, by="delta")
    with pages(folder, END + 5 * HOUR + 1) as (honest, ask):
        found = ask(honest)
        assert found["own"]["alpha-0"] == "proven" and not found["against"]
        assert "4 of 4 hours in the log in time and cosigned late by beta, delta" in " ".join(found["notes"])


@pytest.mark.parametrize("parties", [(), (2,)])
def test_what_was_delivered_and_left_out_is_not_missing(world_: Published, parties: tuple[int, ...]) -> None:
    world_.epochs()
    entry = claim_files(world_)
    world_.beat(END + 30 * HOUR)
    deliver(world_, entry, *parties, at=END + 300)
    with pages(world_, END + 30 * HOUR) as (honest, ask):
        found = ask(honest)
        assert not found["against"] and found["own"]["alpha-0"] == ("pending" if parties else "missing")
        if parties:
            assert "the log\u2019s operator gamma left it out" in against(ask(lie(honest, "missing", "no")))


def test_a_receipt_hides_no_contradiction(world_: Published) -> None:
    world_.epochs()
    world_.add(END + 600, claim_files(world_))
    deliver(world_, epoch_entry(2, b"x" * 32), at=END)
    with pages(world_, END + 700) as (honest, ask):
        assert ask(honest)["own"]["alpha-0"] == "rejected" and not ask(honest)["against"]
        assert "two different entries for epoch 2" in against(ask(lie(honest, "missing", "no")))
        assert ask(lie(honest, "proven"))["kind"] == "contradicted"


def test_a_newer_head_is_named_with_who_has_not_cosigned_it(strict: Published) -> None:
    strict.epochs()
    strict.add(END + 600, claim_files(strict))
    strict.beat(END + 700, by="")
    with pages(strict, END + 800) as (honest, ask):
        found, notes = ask(honest), " ".join(ask(honest)["notes"])
        assert found["kind"] == "confirmed" and "newer head of 6 entries, of 1 Jan 2026, 04:11" in notes
        assert "beta (no head at all), delta (not since 1 Jan 2026, 04:10 UTC, 5 entries)" in notes
        assert "only another copy of it can tell" in notes
    with pages(strict, END + 701 + 2 * HOUR) as (honest, ask):
        for view in (honest, lie(honest, "proven")):
            assert "The agreed time for cosigning it is over" in " ".join(ask(view)["open"])


def test_a_head_from_the_future_is_overdue_all_the_same(strict: Published) -> None:
    """The operator dates a head that nobody cosigned a month ahead, so that the time to cosign it never ends."""
    strict.epochs()
    strict.add(END + 600, claim_files(strict))
    strict.beat(END + 720 * HOUR, by="")
    now = END + 701 + 2 * HOUR
    with pages(strict, now) as (honest, ask):
        found = ask(honest)
        assert found["answer"] == strict.at(now).holds == "undecided" and not found["against"]
        assert "of no date" in " ".join(found["open"]) and "The agreed time for cosigning it is over" in " ".join(found["open"])


def test_a_log_that_nobody_cosigned_still_counts_against_its_authors(world_: Published) -> None:
    world_.epochs()
    world_.add(END + 600, claim_files(world_))
    world_.add(END + 700, epoch_entry(2, b"x" * 32))
    strip(*heads(world_))
    with pages(world_, END + 800) as (honest, ask):
        assert ask(honest)["own"]["alpha-0"] == "rejected" and not ask(honest)["against"]
        assert ask(lie(honest, "proven"))["kind"] == "contradicted"


def test_a_claim_that_no_inspector_passed_is_not_proven(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600)
    world_.beat(END + 8 * HOUR)
    for now, state in ((END + 6 * HOUR, "proven"), (END + 8 * HOUR, "under inspection")):
        with pages(world_, now) as (honest, ask):
            found = ask(honest)
            assert found["own"]["alpha-0"] == state and not found["against"]
            if state != "proven":
                assert "no inspector\u2019s pass that counts is here" in against(ask(lie(honest, "proven")))


def test_receipts_are_published(world_: Published) -> None:
    world_.epochs()
    deliver(world_, claim_files(world_), 2, at=END + 300)
    site: Path = world_.folder.parent / "site"
    generate(world_.folder, site, now=END + 600)
    listed = [item for item in json.loads((site / "site.json").read_text())["files"] if item["kind"] == "receipt"]
    assert len(listed) == 1


def test_tables_that_were_left_confirm_nothing_and_accuses_nobody(world_: Published) -> None:
    """A claim of several tables, of which the page checked some."""
    world_.epochs()
    world_.claim(END + 600)
    with pages(world_, END + 601) as (honest, ask):
        found = ask(honest, ["tables"])
        assert found["kind"] == "open" and not found["against"] and "tables" in " ".join(found["open"])
        assert ask(honest, ["tables", "signatures"])["kind"] == ask(honest, ["roots"])["kind"] == "contradicted"
