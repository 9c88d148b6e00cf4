"""Losses that end: from which epochs on a meter seals again, and what a claim lists meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_fixtures import EPOCHS, METER_KEYS, make_lab, with_sites

from claims.agreement.model import Agreement
from claims.base.errors import ClaimsError
from claims.claim.lists import LOST_METER, LOST_SITE, Loss
from claims.claim.records import Lost
from claims.lab.closing import check_turn, next_epoch
from claims.lab.losses import losses_of, lost_from, lost_within, sealing_from
from claims.lab.meter import SoftwareMeter
from claims.lab.store import Store

NEVER = 2**24


@pytest.fixture
def made(tmp_path: Path) -> tuple[Store, Agreement]:
    """Both meters stand in one building."""
    store, terms = make_lab(tmp_path, ())
    return store, with_sites(terms, dict.fromkeys(METER_KEYS, "south"))


def say(store: Store, terms: Agreement, meter: str, epoch: int, *, back: bool = False, site: bool = False) -> None:
    key = terms.lab("alpha").meter(meter).key
    what, name = (LOST_SITE, "south") if site else (LOST_METER, meter)
    store.add_losses([Lost(meter, epoch, what, name, back, key, terms.digest, f"{meter} {epoch} {back}".encode())])


def test_spans_of_losses(made: tuple[Store, Agreement]) -> None:
    store, terms = made
    meter = terms.lab("alpha").meter("hall-b")
    for epoch, back in ((2, False), (EPOCHS, True), (EPOCHS + 1, False), (2 * EPOCHS, True), (2 * EPOCHS, False)):
        say(store, terms, "hall-b", epoch, back=back)
    assert [lost_from(store, meter, epoch) for epoch in range(EPOCHS + 3)] == [
        None, None, *[2] * (EPOCHS - 2), None, EPOCHS + 1, EPOCHS + 1,
    ]  # fmt: skip
    assert [sealing_from(store, meter, epoch) for epoch in (0, 2, EPOCHS, EPOCHS + 1, 99)] == [0, EPOCHS, EPOCHS, NEVER, NEVER]
    assert [lost_within(store, meter, range(*ends)) for ends in ((0, 2), (0, 3), (3, 9), (EPOCHS, EPOCHS + 1))] == [None, 2, 3, None]
    assert [sealing_from(store, terms.lab("alpha").meter("hall-a"), epoch) for epoch in (0, 7)] == [0, 7]


def test_of_a_building_one_meter_is_back(made: tuple[Store, Agreement]) -> None:
    store, terms = made
    for meter in METER_KEYS:
        say(store, terms, meter, 2, site=True)
    assert losses_of(store, terms, 0) == (Loss(LOST_SITE, "south", 2),)
    say(store, terms, "hall-b", EPOCHS, back=True)
    assert losses_of(store, terms, 0) == (Loss(LOST_SITE, "south", 2),), "the period before is as it was"
    assert losses_of(store, terms, 1) == (Loss(LOST_METER, "hall-a", EPOCHS),)


def test_a_meter_that_is_back_signs_no_period_in_which_it_was_lost(made: tuple[Store, Agreement]) -> None:
    store, terms = made
    meter = SoftwareMeter("hall-b", METER_KEYS["hall-b"])
    meter.seal_epoch(store, terms, 0)
    say(store, terms, "hall-b", 1)
    assert next_epoch(store, terms, "hall-b") == NEVER
    say(store, terms, "hall-b", EPOCHS, back=True)
    assert next_epoch(store, terms, "hall-b") == EPOCHS
    with pytest.raises(ClaimsError, match="epoch 4 is not sealed, epoch 1 comes later"):
        meter.seal(store, terms, 0)
    check_turn(store, terms, "hall-b", 1)
    assert meter.seal(store, terms, 1).period == 1 and next_epoch(store, terms, "hall-b") == 2 * EPOCHS
