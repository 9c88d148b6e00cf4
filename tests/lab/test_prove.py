"""A small lab from imported readings to a verified claim, under every combination of the agreement's rules."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from lab_fixtures import EPOCHS, LAB_KEY, METER_KEYS, make_lab, seal_and_close

from claims.agreement.model import Agreement
from claims.agreement.signatures import sign_agreement
from claims.base.errors import ClaimRejected, ClaimsError
from claims.claim.file import sign_claim
from claims.claim.records import Draft, Usage
from claims.lab.lineage import note_checkpoint, snapshot
from claims.lab.prove import Made, make_claim
from claims.lab.registry import Opening
from claims.lab.store import Store
from claims.lab.witness import WitnessRefused
from claims.verify.claim import verify_claim
from claims.verify.report import Verdict

OPENINGS = (Opening("base", 10**6),)


def draft(name: str, parents: tuple[str, ...], epoch: int, kind: str = "CHECKPOINT", declared: int = 0) -> Draft:
    return Draft(name, kind, parents, None, epoch, declared, bytes(range(32)))


def work(store: Store, agreement: Agreement, period: int, *names: str) -> None:
    """Busy time for each name and some for none; work is ignored under the peak rule."""
    epoch = period * EPOCHS
    usage = [Usage(epoch + i % EPOCHS, store.tag(name), 1500 + i, 7000 + i) for i, name in enumerate(names)]
    store.add_usage(period, "hall-a", [*usage, Usage(epoch + 3, 2, 999, 77)])
    store.add_usage(period, "hall-b", [Usage(epoch, store.tag(names[0]), 250, 2**47)])


def verified(made: Made, agreement: Agreement, previous: tuple[bytes, ...] = ()) -> Verdict:
    signatures = sign_agreement(LAB_KEY, agreement, None)
    return verify_claim(made.claim.encode(), agreement, signatures=signatures, previous=previous)


@pytest.mark.parametrize("charge_peak", [True, False])
@pytest.mark.parametrize("charge_residue", [True, False])
@pytest.mark.parametrize("freeze", [None, 10**15])
def test_two_periods_with_every_kind_of_entry_are_proven(
    tmp_path: Path, charge_peak: bool, charge_residue: bool, freeze: int | None
) -> None:
    caps = {"total": 10**15, "unattributed": 10**15, "lineage": 10**15, "freeze": freeze}
    store, agreement = make_lab(tmp_path, OPENINGS, charge_peak=charge_peak, charge_residue=charge_residue, **caps)
    note_checkpoint(store, agreement, draft("outside", (), 0, "EXTERNAL", 5))
    for name, parent, epoch in (("a", "base", 1), ("b", "base", 1), ("c", "outside", 2)):
        note_checkpoint(store, agreement, draft(name, (parent,), epoch))
    note_checkpoint(store, agreement, draft("ab", ("a", "b"), 2, "MERGE"))
    note_checkpoint(store, agreement, draft("abc", ("ab", "c"), 3, "MERGE"))
    work(store, agreement, 0, "a", "b", "c", "unfinished")
    snapshot(store, agreement, 0, "unfinished", "abc")
    seal_and_close(store, agreement, 0)
    first = make_claim(store, agreement, 0, LAB_KEY)
    work(store, agreement, 1, "unfinished")
    note_checkpoint(store, agreement, draft("unfinished", ("abc",), EPOCHS + 1))
    seal_and_close(store, agreement, 1)
    second = make_claim(store, agreement, 1, LAB_KEY)
    assert verified(first, agreement).proven
    assert verified(second, agreement, (first.claim.encode(),)).proven
    with pytest.raises(ClaimRejected, match="proof"):
        verified(Made(sign_claim(dataclasses.replace(second.claim, proof=first.claim.proof), LAB_KEY), second.assembly), agreement,
                 (first.claim.encode(),))  # fmt: skip


def test_an_idle_period_with_no_checkpoint_is_proven(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    seal_and_close(store, agreement, 0)
    assert verified(make_claim(store, agreement, 0, LAB_KEY), agreement).proven


def test_caps_that_are_reached_to_the_unit_are_proven_and_one_less_is_refused(tmp_path: Path) -> None:
    amounts = {"total": 0, "unattributed": 0, "lineage": 0, "freeze": 0}
    for short in (None, "total", "unattributed", "lineage", "freeze"):
        folder = tmp_path / str(short)
        folder.mkdir()
        total, rest = 13 * 1979, 10 * 1979
        exact = {"total": total, "unattributed": rest, "lineage": 10**6 + total, "freeze": 10**6 + total}
        caps = {key: exact[key] - (key == short) for key in amounts}
        store, agreement = make_lab(folder, OPENINGS, **caps)
        store.add_usage(0, "hall-a", [Usage(0, store.tag("run"), 3000, None), Usage(1, 2, 10_000, None)])
        note_checkpoint(store, agreement, draft("run", ("base",), 0))
        seal_and_close(store, agreement, 0)
        if short is None:
            assert verified(make_claim(store, agreement, 0, LAB_KEY), agreement).proven
            continue
        with pytest.raises(WitnessRefused, match=short):
            make_claim(store, agreement, 0, LAB_KEY)


def test_another_key_makes_no_claim(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    seal_and_close(store, agreement, 0)
    with pytest.raises(ClaimsError, match="not that of lab alpha"):
        make_claim(store, agreement, 0, METER_KEYS["hall-a"])


def test_records_that_contradict_the_signed_head_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, agreement = make_lab(tmp_path, OPENINGS)
    store.add_usage(0, "hall-a", [Usage(0, store.tag("a"), 3000, None), Usage(1, store.tag("b"), 3000, None)])
    for name in ("a", "b"):
        note_checkpoint(store, agreement, draft(name, ("base",), 1))
    seal_and_close(store, agreement, 0)
    honest = Store.reading_rows
    swap = {store.tag("a"): store.tag("b"), store.tag("b"): store.tag("a")}
    monkeypatch.setattr(
        Store, "reading_rows", lambda *key: [(epoch, swap.get(tag, tag), *rest) for epoch, tag, *rest in honest(*key)]
    )
    with pytest.raises(WitnessRefused, match="head is not the head of these records"):
        make_claim(store, agreement, 0, LAB_KEY)
