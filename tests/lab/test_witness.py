"""Witness assembly: what it hands to the circuit, and what it says when a claim cannot be true."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from lab_fixtures import CHIPS, EPOCH, EPOCHS, METER_KEYS, PEAK, make_agreement, make_lab, seal_all, seal_and_close

from claims.agreement.model import Agreement
from claims.claim.records import Draft, Reading, Usage
from claims.lab.caps import cap_problems
from claims.lab.lineage import note_checkpoint
from claims.lab.meter import SoftwareMeter, ledger_head
from claims.lab.registry import Opening, close_period, preview, registry_head
from claims.lab.size import table_rows
from claims.lab.store import Store
from claims.lab.witness import WitnessRefused, assemble, period_figures

OPENINGS = (Opening("base", 10**6),)


def fill(store: Store, agreement: Agreement, period: int = 0, *, unattributed_s: int = 3, work_s: int = 12) -> None:
    """A period with one checkpoint of ``work_s`` chip-seconds and some unattributed ones, sealed and closed."""
    first = period * EPOCHS
    name = f"run-{period}"
    tag = store.tag(name)
    store.add_usage(
        period, "hall-a", [Usage(first, tag, work_s * 1000, None), Usage(first + 1, 2, unattributed_s * 1000, None)]
    )
    note_checkpoint(store, agreement, Draft(name, "CHECKPOINT", ("base",), None, first, 0, bytes(32)))
    seal_and_close(store, agreement, period)


def refused(store: Store, agreement: Agreement, period: int = 0) -> tuple[str, ...]:
    with pytest.raises(WitnessRefused) as caught:
        assemble(store, agreement, period)
    return caught.value.problems


def test_the_assembly_holds_what_the_circuit_needs(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path, OPENINGS)
    fill(store, agreement)
    made = assemble(store, agreement, 0)
    lab = agreement.labs[0]
    statement = made.tables[0].statement
    statement.validate()
    assert (statement.first_epoch, statement.last_epoch, statement.log_rows) == (0, EPOCHS - 1, 16)
    assert (statement.total_cap, statement.unattributed_cap, statement.lineage_cap) == (10**9, 10**8, 10**12)
    assert statement.freeze_level is None and statement.charge_peak and statement.charge_residue
    assert [(m.peak, m.coverage) for m in statement.meters] == [(PEAK, 8 * EPOCH), (PEAK, 2 * EPOCH)]
    assert statement.registry.before == lab.opening_head and statement.registry.after == made.claim.head_after
    for terms, meter, chain in zip(statement.meters, lab.meters, made.tables[0].witness.ledgers, strict=True):
        readings = [
            Reading(*map(int, row))
            for row in zip(chain.epochs, chain.tags, chain.chip_seconds, chain.work, strict=True)
        ]
        assert readings == store.readings(0, meter.name)
        assert ledger_head(agreement, meter, 0, readings, store.ledger_secrets(0, meter.name)) == terms.head
    registry = made.tables[0].witness.registry
    assert len(registry.old_entries) == 1 and [e.kind for e in registry.new_entries] == [6, 3]
    assert registry_head(store, store.entries(1), registry.trailer_before) == statement.registry.before
    assert registry_head(store, store.entries(), registry.trailer_after) == statement.registry.after
    figures = made.figures
    assert (figures.total, figures.unattributed, figures.residue) == (15 * PEAK, 3 * PEAK, 3 * PEAK)
    assert (figures.largest_lineage, figures.largest_lineage_name) == (10**6 + 12 * PEAK, "run-0")
    assert (figures.checkpoints, figures.readings) == (1, 10)


def test_periods_chain_through_the_registry_heads(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path, OPENINGS)
    fill(store, agreement, 0)
    fill(store, agreement, 1)
    first, second = assemble(store, agreement, 0), assemble(store, agreement, 1)
    assert second.tables[0].statement.registry.before == first.tables[0].statement.registry.after
    assert len(second.tables[0].witness.registry.old_entries) == 3
    assert period_figures(store, 1).residue == 6 * PEAK
    assert {m.header for m in first.tables[0].statement.meters}.isdisjoint(m.header for m in second.tables[0].statement.meters)


@pytest.mark.parametrize(
    ("caps", "message"),
    [
        ({"total": 15 * PEAK - 1}, "total cap exceeded: 2.9685e16 FLOP > 2.9684e16 FLOP"),
        ({"unattributed": 3 * PEAK - 1}, "unattributed cap exceeded: 5.937e15 FLOP > 5.936e15 FLOP"),
        (
            {"lineage": 10**6 + 15 * PEAK - 1},
            "lineage cap exceeded by checkpoint run-0: 1.029685e18 FLOP > 1.029684e18 FLOP (of which 5.937e15 FLOP unattributed work",
        ),
        (
            {"freeze": 10**6},
            "freeze level exceeded by checkpoint run-0, which was trained further: 1.029685e18 FLOP > 1e18 FLOP",
        ),
    ],
)
def test_a_lab_over_a_cap_is_told_by_its_own_prover(tmp_path: Path, caps: dict[str, int], message: str) -> None:
    store, agreement = make_lab(tmp_path, OPENINGS, **caps)
    fill(store, agreement)
    (problem,) = refused(store, agreement)
    assert problem.startswith(message)


def test_caps_are_reached_exactly_without_refusal(tmp_path: Path) -> None:
    exact = {"total": 15 * PEAK, "unattributed": 3 * PEAK, "lineage": 10**6 + 15 * PEAK, "freeze": 10**6 + 15 * PEAK}
    store, agreement = make_lab(tmp_path, OPENINGS, **exact)
    fill(store, agreement)
    assemble(store, agreement, 0)


def test_residue_is_charged_to_lineages_only_where_agreed(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path, OPENINGS, lineage=10**6 + 12 * PEAK, charge_residue=False)
    fill(store, agreement)
    assemble(store, agreement, 0)
    assert cap_problems(store.entries()[1:], agreement.labs[0].caps, charge_residue=True)


@pytest.mark.parametrize(("caps", "named"), [({"freeze": 3 * PEAK - 1}, "freeze level"), ({"lineage": 3 * PEAK - 1}, "lineage cap")])
def test_unattributed_work_does_not_go_on_over_the_level(tmp_path: Path, caps: dict[str, int], named: str) -> None:
    store, agreement = make_lab(tmp_path, **caps)
    store.add_usage(0, "hall-a", [Usage(0, 2, 3000, None)])
    seal_and_close(store, agreement, 0)
    (problem,) = refused(store, agreement)
    assert problem.startswith(f"{named} exceeded by all unattributed work since the agreement began, to which this period adds: ")


def test_where_unattributed_work_is_not_charged_it_may(tmp_path: Path) -> None:
    uncharged, agreement = make_lab(tmp_path, freeze=3 * PEAK - 1, charge_residue=False)
    uncharged.add_usage(0, "hall-a", [Usage(0, 2, 3000, None)])
    seal_and_close(uncharged, agreement, 0)
    assemble(uncharged, agreement, 0)


def test_frozen_weights_may_be_held_but_not_trained(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path, OPENINGS, freeze=100 * PEAK)
    note_checkpoint(store, agreement, Draft("outside", "EXTERNAL", (), None, 0, 200 * PEAK, bytes(32)))
    seal_and_close(store, agreement, 0)
    assemble(store, agreement, 0)


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path, OPENINGS, total=1, unattributed=1, lineage=1)
    fill(store, agreement)
    problems = refused(store, agreement)
    assert [text.split(":")[0] for text in problems] == [
        "total cap exceeded", "unattributed cap exceeded",
        "lineage cap exceeded by all unattributed work since the agreement began, to which this period adds",
        "lineage cap exceeded by checkpoint run-0",
    ]  # fmt: skip


def test_a_preview_warns_before_anything_is_final(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path, OPENINGS, total=1)
    store.add_usage(0, "hall-a", [Usage(0, 2, 1000, None)])
    seal_all(store, agreement, 0)
    assert cap_problems(preview(store, agreement, 0), agreement.labs[0].caps, charge_residue=True) == [
        "total cap exceeded: 1.979e15 FLOP > 1e12 FLOP"
    ]
    assert store.registry_head(0) is None


def test_missing_steps_are_named(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path, OPENINGS)
    assert refused(store, agreement) == ("meter hall-a has not signed period 0", "meter hall-b has not signed period 0")
    SoftwareMeter("hall-a", METER_KEYS["hall-a"]).seal(store, agreement, 0)
    assert refused(store, agreement) == ("meter hall-b has not signed period 0",)
    seal_all(store, agreement, 0)
    assert refused(store, agreement) == ("the registry is not closed for period 0",)
    close_period(store, agreement, 0)
    other = dataclasses.replace(agreement, name="other")
    assert "under another agreement" in refused(store, other)[0]
    wrong = make_agreement((1,) * 8)
    assert "under another agreement" in refused(store, wrong)[0]


def test_a_store_with_another_opening_head_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = make_lab(tmp_path, OPENINGS)
    agreement = make_agreement((1,) * 8)
    monkeypatch.setattr("claims.lab.meter.check_enrolled", lambda *_: None)  # every earlier command says so too
    monkeypatch.setattr("claims.lab.registry.check_enrolled", lambda *_: None)
    seal_and_close(store, agreement, 0)
    assert refused(store, agreement) == ("the store's opening head is not the one in the agreement",)


def test_a_table_that_is_too_low_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, agreement = make_lab(tmp_path, OPENINGS)
    fill(store, agreement)
    assert table_rows(10, 2, 3) == 10 + 6 + 15 + 4
    monkeypatch.setattr("claims.lab.size.ROWS_PER_ENTRY", 1 << 20)
    assert "the agreement's table has 65536" in refused(store, agreement)[0]


def test_tampered_readings_are_named_by_meter_and_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, agreement = make_lab(tmp_path, OPENINGS)
    fill(store, agreement)
    honest = Store.reading_rows

    def short(self: Store, period: int, meter: str) -> list[tuple[int, int, int, int]]:
        rows = honest(self, period, meter)
        return [(epoch, tag, seconds - 10 * ((meter, epoch) == ("hall-b", 2)), work) for epoch, tag, seconds, work in rows]

    monkeypatch.setattr(Store, "reading_rows", short)
    assert refused(store, agreement) == (
        f"meter hall-b: epoch 2 sums to {CHIPS['hall-b'] * EPOCH - 10} of {CHIPS['hall-b'] * EPOCH} chip-seconds",
    )
