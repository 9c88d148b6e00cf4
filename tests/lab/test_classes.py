"""Padded leaves by class of chips: each meter commits to exactly as many as its own class has, whatever is sealed beside it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from lab_fixtures import CHIPS, EPOCH, METER_KEYS, make_agreement

from claims.agreement.model import Agreement
from claims.base import clock
from claims.claim.commitments import CommitmentError, epoch_root
from claims.claim.records import Usage
from claims.lab import sealing
from claims.lab.meter import SoftwareMeter, seal_through
from claims.lab.registry import open_registry
from claims.lab.running import TableTooSmall, check_table
from claims.lab.store import Store

FEW, MANY = 4, 16


def classed(terms: Agreement) -> Agreement:
    """hall-b is of a class with more leaves than hall-a's."""
    (chip,), lab = terms.chips, terms.labs[0]
    meters = tuple(dataclasses.replace(meter, chip="big") if meter.name == "hall-b" else meter for meter in lab.meters)
    chips = (dataclasses.replace(chip, name="big", readings=MANY), dataclasses.replace(chip, readings=FEW))
    return dataclasses.replace(terms, chips=chips, labs=(dataclasses.replace(lab, meters=meters),))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Agreement]:
    store = Store.create(tmp_path / "alpha.store", "alpha")
    terms = classed(make_agreement(open_registry(store, ())))
    monkeypatch.setattr(clock, "now", lambda: terms.period_span(0)[1])
    return store, terms


def book(store: Store, meter: str, jobs: int) -> None:
    """So many jobs of a chip-second each in the first epoch; what is left is idle."""
    with store.transaction():
        store.add_usage(0, meter, [Usage(0, store.tag(f"{meter}-{job}"), 1000, None) for job in range(jobs)])


@pytest.mark.parametrize("plain", [0, 10**6], ids=["columns", "plain"])
def test_each_meter_has_the_leaves_of_its_class(lab: tuple[Store, Agreement], monkeypatch: pytest.MonkeyPatch, plain: int) -> None:
    store, terms = lab
    monkeypatch.setattr(sealing, "PLAIN", plain)
    book(store, "hall-a", FEW - 1)
    book(store, "hall-b", MANY - 1)
    seal_through(store, terms, [SoftwareMeter(name, key) for name, key in METER_KEYS.items()], 1)
    for name, size in (("hall-a", FEW), ("hall-b", MANY)):
        assert terms.readings(terms.labs[0].meter(name)) == size
        for seal in store.epoch_seals(0, name):
            own = [reading for reading in store.readings(0, name) if reading.epoch == seal.epoch]
            cover = CHIPS[name] * EPOCH
            assert seal.root == epoch_root(own, seal.epoch, cover, seal.seed, size)
            assert seal.root != epoch_root(own, seal.epoch, cover, seal.seed, 2 * size)


@pytest.mark.parametrize("plain", [0, 10**6], ids=["columns", "plain"])
def test_a_class_has_no_more_than_its_own(lab: tuple[Store, Agreement], monkeypatch: pytest.MonkeyPatch, plain: int) -> None:
    store, terms = lab
    monkeypatch.setattr(sealing, "PLAIN", plain)
    book(store, "hall-a", FEW)
    with pytest.raises(TableTooSmall, match=r"hall-a: epoch 0 would have more readings than the 4 .* readings of the \[\[chip\]\]"):
        check_table(store, terms, [0])
    meters = [SoftwareMeter(name, key) for name, key in METER_KEYS.items()]
    with pytest.raises(CommitmentError, match="epoch 0 has 5 readings, the agreement commits to at most 4"):
        seal_through(store, terms, meters, 0)
    assert not store.epoch_seals(0, "hall-a") and len(store.epoch_seals(0, "hall-b")) == 1


def test_the_class_with_more_is_not_bound_by_the_other(lab: tuple[Store, Agreement]) -> None:
    store, terms = lab
    book(store, "hall-b", FEW + 1)
    check_table(store, terms, [0])
