"""Trainer states: real claims are covered by the usage, exactly split, and refused where no usage could cover them."""

from __future__ import annotations

import csv
import json
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from import_world import START, agreement_of, enrolled, totals

from claims.base.errors import ClaimsError
from claims.imports.rows import ImportRefused
from claims.imports.trainer import TrainerOptions, import_trainer_states, read_state
from claims.lab.registry import Opening, open_registry
from claims.lab.store import Store
from claims.lab.store_file import StoreError

DATA = Path(__file__).with_name("data")
REAL = DATA / "checkpoint-500.trainer_state.json"
AGREEMENT = agreement_of({"rig": ("h100", 4)}, epoch=900, epochs=48)
METERED = agreement_of({"rig": ("h100", 4)}, epoch=900, epochs=48, charge_peak=False)
SPAN = 20_388_000  # ms: train_runtime of the published run on 4 GPUs


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Store.create(tmp_path / "alpha.store", "alpha") as opened:
        head = open_registry(opened, [Opening("mistral-7b", 10**9)])
        monkeypatch.setattr(sys.modules[__name__], "AGREEMENT", enrolled(AGREEMENT, head))
        monkeypatch.setattr(sys.modules[__name__], "METERED", enrolled(METERED, head))
        yield opened


def how(**changes: object) -> TrainerOptions:
    values: dict[str, object] = {"prefix": "mt", "meter": "rig", "chips": 4, "start": START * 1000, "stop": START * 1000 + SPAN}
    return TrainerOptions(**(values | changes))  # type: ignore[arg-type]


def published(folder: Path) -> list[Path]:
    """States with the steps and total_flos of the 18 published ones."""
    paths = []
    with open(DATA / "summary.csv", newline="") as file:
        for row in csv.DictReader(file):
            paths.append(folder / row["file"])
            body = f'{{"global_step": {row["global_step"]}, "total_flos": {row["total_flos"]}, "log_history": []}}'
            paths[-1].write_text(body)
    return paths


def state(folder: Path, step: object, flos: object, history: object = (), **rest: object) -> Path:
    path = folder / f"state-{step}-{flos}.json"
    path.write_text(json.dumps({"global_step": step, "total_flos": flos, "log_history": history, **rest}))
    return path


def test_a_real_state_is_read_exactly(store: Store) -> None:
    got, _ = read_state(REAL)
    assert (got.step, got.flos, got.best) == (500, Fraction(134614280048738300), "")
    report = import_trainer_states(store, AGREEMENT, [REAL], how(parent="mistral-7b"))
    assert totals(store, AGREEMENT) == {("rig", "mt/checkpoint-500"): SPAN * 4}
    (draft,) = store.drafts(0)
    assert (draft.name, draft.parents, draft.epoch) == ("mt/checkpoint-500", ("mistral-7b",), 22)
    assert any("1.34615e17 FLOP at step 500" in note for note in report.notes)


def test_the_published_sequence_is_one_lineage_that_covers_its_claims(store: Store, tmp_path: Path) -> None:
    paths = published(tmp_path)
    import_trainer_states(store, AGREEMENT, paths[::-1], how())
    drafts = store.drafts(0)
    assert [draft.name for draft in drafts] == [f"mt/checkpoint-{step}" for step in [*range(500, 8501, 500), 8660]]
    assert [draft.parents for draft in drafts[1:]] == [(draft.name,) for draft in drafts[:-1]]
    assert [draft.epoch for draft in drafts] == sorted(draft.epoch for draft in drafts)
    amounts = totals(store, AGREEMENT)
    assert sum(amounts.values()) == SPAN * 4
    done = Decimal(0)
    with open(DATA / "summary.csv", newline="") as file:
        for row in csv.DictReader(file):
            delta, done = Decimal(row["total_flos"]) - done, Decimal(row["total_flos"])
            charged = Fraction(amounts["rig", f"mt/checkpoint-{row['global_step']}"], 1000) * 1979 * 10**12
            assert charged >= Fraction(delta)


def test_metered_work_is_at_least_what_the_trainer_claims(store: Store, tmp_path: Path) -> None:
    report = import_trainer_states(store, METERED, published(tmp_path), how(work=Fraction(10**15)))
    work = sum(item.work or 0 for item in store.usage(0, "rig"))
    assert 2_380_747 <= work <= 2_380_747 + 18 + 24
    assert any("is charged instead" in note for note in report.notes)


def test_metered_work_above_the_claims_is_charged_in_full(store: Store, tmp_path: Path) -> None:
    import_trainer_states(store, METERED, published(tmp_path), how(work=Fraction(10**19)))
    assert 10**7 <= sum(item.work or 0 for item in store.usage(0, "rig")) <= 10**7 + 60


def test_without_metered_work_the_chips_peak_is_charged(store: Store) -> None:
    import_trainer_states(store, METERED, [REAL], how())
    assert sum(item.work or 0 for item in store.usage(0, "rig")) >= SPAN * 4 * 1979 // 1000


def test_states_without_flos_are_shared_by_steps(store: Store, tmp_path: Path) -> None:
    import_trainer_states(store, AGREEMENT, [state(tmp_path, 10, 0), state(tmp_path, 40, 0)], how(stop=START * 1000 + 4000))
    assert totals(store, AGREEMENT) == {("rig", "mt/checkpoint-10"): 4000, ("rig", "mt/checkpoint-40"): 12_000}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"total_flos": 1e30}, "chips at peak can have computed 1.61353e20 FLOP|chips at peak"),
        ({"total_flos": float("nan")}, "total_flos"),
        ({"total_flos": float("inf")}, "total_flos is inf, and has to be a finite number"),
        ({"log_history": [{"step": 5, "total_flos": float("inf")}]}, "total_flos is inf, and has to be a finite number"),
        ({"total_flos": -1.0}, "total_flos"),
        ({"total_flos": "1e17"}, "total_flos"),
        ({"global_step": -1}, "global_step"),
        ({"global_step": True}, "global_step"),
        ({"log_history": {}}, "log_history"),
        ({"log_history": [3]}, "log_history"),
        ({"log_history": [{"step": 501}]}, "after its global_step"),
        ({"log_history": [{"step": 5, "train_runtime": 20388.5}]}, "train_runtime"),
        ({"log_history": [{"step": 5, "total_flos": 1e29}]}, "chips at peak"),
    ],
)
def test_claims_that_no_charge_could_cover_are_refused(store: Store, tmp_path: Path, body: dict, message: str) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"global_step": 500, "total_flos": 1e17, "log_history": []} | body))
    with pytest.raises(ImportRefused, match=message):
        import_trainer_states(store, AGREEMENT, [path], how())
    assert totals(store, AGREEMENT) == {} and store.drafts(0) == []


def test_states_of_two_runs_are_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="total_flos falls"):
        import_trainer_states(store, AGREEMENT, [state(tmp_path, 10, 5.0), state(tmp_path, 20, 4.0)], how())
    with pytest.raises(ImportRefused, match="occurs twice"):
        import_trainer_states(store, AGREEMENT, [state(tmp_path, 10, 5.0), state(tmp_path, 10, 4.0)], how())
    with pytest.raises(ImportRefused, match="outside the agreement's periods"):
        import_trainer_states(store, METERED, [REAL], how(start=0, stop=SPAN, work=Fraction(5)))
    with pytest.raises(ClaimsError, match="nothing to import"):
        import_trainer_states(store, AGREEMENT, [REAL], how(stop=START * 1000))


def test_both_or_neither_and_once(store: Store) -> None:
    with pytest.raises(ImportRefused, match="its parent missing is not in the registry"):
        import_trainer_states(store, AGREEMENT, [REAL], how(parent="missing"))
    assert totals(store, AGREEMENT) == {}
    import_trainer_states(store, AGREEMENT, [REAL], how())
    with pytest.raises(StoreError, match="imported before"):
        import_trainer_states(store, AGREEMENT, [REAL], how(prefix="other"))
