"""Whose turn it is to be signed, under amendments too; what a closing shows; clocks and long epochs."""

from __future__ import annotations

import dataclasses
import resource
from pathlib import Path

import pytest
from lab_fixtures import EPOCH, EPOCHS, LAB_KEY, METER_KEYS, START, make_lab, seal_and_close

from claims.agreement import over
from claims.agreement.model import Agreement
from claims.agreement.terms import Amends
from claims.base import clock
from claims.base.errors import ClaimsError
from claims.claim.records import Usage
from claims.cli.state import room_for_journals
from claims.lab.closing import check_evidence, check_registry, check_turn, closing_lines, closing_of, next_epoch
from claims.lab.meter import SoftwareMeter
from claims.lab.prove import make_claim
from claims.lab.registry import close_period
from claims.lab.store import Store

DAY = 86_400
METERS = {name: SoftwareMeter(name, key) for name, key in METER_KEYS.items()}


@pytest.fixture
def lab(tmp_path: Path) -> tuple[Store, Agreement]:
    return make_lab(tmp_path)


def amended(agreement: Agreement, period: int) -> Agreement:
    return dataclasses.replace(agreement, name="amended", amends=Amends(agreement.digest, period))


def at(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    monkeypatch.setattr(clock, "now", lambda: moment)


def test_nothing_is_signed_before_its_end(lab: tuple[Store, Agreement], monkeypatch: pytest.MonkeyPatch) -> None:
    store, agreement = lab
    at(monkeypatch, START + EPOCH - 1)
    with pytest.raises(over.NotOver, match="epoch 0 is not over"):
        METERS["hall-a"].seal_epoch(store, agreement, 0)
    at(monkeypatch, START + EPOCH)
    METERS["hall-a"].seal_epoch(store, agreement, 0)
    at(monkeypatch, START + EPOCHS * EPOCH - 1)
    for act in (
        lambda: METERS["hall-a"].seal(store, agreement, 0),
        lambda: close_period(store, agreement, 0),
        lambda: make_claim(store, agreement, 0, LAB_KEY),
    ):
        with pytest.raises(over.NotOver, match="period 0 is not over: it ends at 2026-01-01T00:04:00Z"):
            act()
    at(monkeypatch, START + EPOCHS * EPOCH)
    seal_and_close(store, agreement, 0)
    assert over.last_over(agreement) == EPOCHS - 1
    at(monkeypatch, START - 1)
    assert over.last_over(agreement) == -1
    at(monkeypatch, START + 10**6)
    assert over.last_over(agreement) == 3 * EPOCHS - 1


def test_an_amendment_begins_where_the_agreement_ended(lab: tuple[Store, Agreement]) -> None:
    store, agreement = lab
    new = amended(agreement, 1)
    assert next_epoch(store, new, "hall-a") == EPOCHS
    store.add_usage(0, "hall-a", [Usage(0, 2, 5, None)])
    with pytest.raises(ClaimsError, match="period 0 is open"):
        METERS["hall-a"].seal_epoch(store, new, EPOCHS)
    with pytest.raises(ClaimsError, match="the registry is not closed for period 0"):
        METERS["hall-b"].seal(store, new, 1)
    with pytest.raises(ClaimsError, match="0 is not one of the agreement's periods"):
        check_turn(store, new, "hall-a", 0)
    METERS["hall-b"].seal_epoch(store, new, EPOCHS)  # nothing is known of it before: it may have come in with the amendment
    for epoch in range(EPOCHS):
        METERS["hall-a"].seal_epoch(store, agreement, epoch)
    METERS["hall-a"].seal_epoch(store, new, EPOCHS)  # hourly commitments do not wait for the old period's claim
    METERS["hall-a"].seal(store, agreement, 0)
    assert next_epoch(store, new, "hall-a") == EPOCHS + 1


def test_periods_go_in_order(lab: tuple[Store, Agreement]) -> None:
    store, agreement = lab
    seal_and_close(store, agreement, 0)
    check_turn(store, agreement, "hall-a", 1)
    with pytest.raises(ClaimsError, match="has not signed period 1, period 2 comes later"):
        check_turn(store, agreement, "hall-a", 2)
    with pytest.raises(ClaimsError, match="not closed for period 1, period 2 comes later"):
        check_registry(store, agreement, 2)
    other = dataclasses.replace(agreement, name="other")
    for act in (lambda: METERS["hall-a"].seal(store, other, 1), lambda: METERS["hall-a"].seal_epoch(store, other, EPOCHS)):
        with pytest.raises(ClaimsError, match="under another agreement"):
            act()
    assert store.last_sealed("hall-a") == EPOCHS - 1


def test_what_a_closing_shows(lab: tuple[Store, Agreement]) -> None:
    store, agreement = lab
    hour = 3_600_000
    assert closing_lines(closing_of(store, agreement, "hall-b", 0), agreement) == [
        "hall-b, 2026-01-01T00:00:00Z to 2026-01-01T00:04:00Z: busy 0.00, of it unattributed 0.00, idle 0.13 of 0.13 chip-hours"
    ]
    store.add_usage(0, "hall-a", [Usage(0, 2, hour // 60, None), Usage(3, store.tag("run"), hour // 20, None)])
    shown = closing_of(store, agreement, "hall-a", 0)
    assert (shown.busy, shown.unattributed, shown.busy + shown.idle) == (hour // 60 + hour // 20, hour // 60, 8 * 240_000)
    assert shown.gaps == ((1, 2),)
    assert "2 epochs without a row between epochs with rows" in closing_lines(shown, agreement)[1]


def test_one_long_epoch_is_no_jump(lab: tuple[Store, Agreement]) -> None:
    store, agreement = lab
    weekly = dataclasses.replace(agreement, epoch_seconds=7 * DAY)
    check_evidence(store, weekly, ["hall-a"], 0)
    with pytest.raises(clock.ClockJump):
        check_evidence(store, weekly, ["hall-a"], 1)
    daily = dataclasses.replace(agreement, epoch_seconds=DAY)
    check_evidence(store, daily, ["hall-a"], 2)
    with pytest.raises(clock.ClockJump):
        check_evidence(store, daily, ["hall-a"], 3)
    store.add_usage(0, "hall-b", [Usage(1, 2, 5, None)])
    check_evidence(store, daily, ["hall-a"], 4)


def test_as_many_files_may_be_open_as_the_meters_have_journals(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,024 files, the usual limit, were too few for 500 meters that sign together."""
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: given.append(limits))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    room_for_journals(300)
    room_for_journals(1000)
    assert given == [(3064, 4096)]
    with pytest.raises(ClaimsError, match="6064 open files, and this system allows 4096: nothing was signed"):
        room_for_journals(2000)
