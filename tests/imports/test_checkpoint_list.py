"""Checkpoint lists: the published OLMo lists give their lineages, restarts and gaps; every step is charged."""

from __future__ import annotations

import sys
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_world import START, agreement_of, enrolled, totals

from claims.base.errors import ClaimsError
from claims.imports.checkpoint_list import ListOptions, import_checkpoint_list, lineages
from claims.imports.rows import ImportRefused, Row
from claims.imports.tables import read_table
from claims.lab.registry import Opening, open_registry
from claims.lab.store import Store
from claims.lab.store_file import StoreError

OLMO = Path(__file__).parents[2] / "claims" / "data" / "olmo"
SEGMENTS, STAGE2 = OLMO / "OLMo-7B-0724_segments.csv", OLMO / "OLMo-2-1124-7B-stage2.csv"
AGREEMENT = agreement_of({"jupiter": ("h100", 512)}, epoch=3600, epochs=24 * 30, periods=4)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Store.create(tmp_path / "alpha.store", "alpha") as opened:
        head = open_registry(opened, [Opening("stage1", 10**12)])
        monkeypatch.setattr(sys.modules[__name__], "AGREEMENT", enrolled(AGREEMENT, head))
        yield opened


def how(**changes: object) -> ListOptions:
    values: dict[str, object] = {
        "prefix": "olmo", "start": START * 1000, "step_seconds": Fraction(3, 2), "meter": "jupiter", "chips": 512
    }
    return ListOptions(**(values | changes))  # type: ignore[arg-type]


def test_the_published_restarts_and_gaps(store: Store) -> None:
    rows, _ = read_table(SEGMENTS, ())
    saved = lineages(list(rows), "olmo")
    assert len(saved) == 564 and sum(item.restart for item in saved) == 39
    names = Counter(item.name.split(" ")[0] for item in saved)
    assert names["olmo/step557000"] == 2 and len({item.name for item in saved}) == 564
    after_gap = {item.name: item.steps for item in saved if item.steps > 5000}
    assert after_gap == {"olmo/step40000": 14_500, "olmo/step500000": 8000}
    report = import_checkpoint_list(store, AGREEMENT, SEGMENTS, how(restart_seconds=Fraction(600)))
    steps = sum(item.steps for item in saved)
    amounts = totals(store, AGREEMENT)
    assert amounts.pop(("jupiter", "unattributed")) == 39 * 600 * 512_000
    assert sum(amounts.values()) == steps * 1500 * 512
    assert amounts["jupiter", "olmo/step40000"] == 14_500 * 1500 * 512
    assert any("14500 steps before olmo/step40000" in note for note in report.notes)
    drafts = [draft for period in range(4) for draft in store.drafts(period)]
    known: set[str] = set()
    for draft in drafts:
        assert set(draft.parents) <= known
        known.add(draft.name)


def test_the_published_branches_are_averaged_in_steps_of_two(store: Store) -> None:
    import_checkpoint_list(store, AGREEMENT, STAGE2, how(prefix="olmo2", parent="stage1", merge="olmo2/final"))
    drafts = {draft.name: draft for period in range(4) for draft in store.drafts(period)}
    roots = [draft for draft in drafts.values() if draft.parents == ("stage1",)]
    assert len(roots) == 3 and all(draft.branch for draft in roots)
    assert drafts["olmo2/final"].kind == "MERGE" and drafts["olmo2/final"].parents[0] == "olmo2/final (first 2)"
    assert {drafts[name].kind for name in drafts["olmo2/final (first 2)"].parents} == {"CHECKPOINT"}
    rows, _ = read_table(STAGE2, ())
    last = {row.get("ingredient"): int(row.get("step")) for row in rows}
    assert sum(totals(store, AGREEMENT).values()) == sum(last.values()) * 1500 * 512


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "list.csv"
    path.write_text(text)
    return path


def test_times_in_the_list_are_charged_from_row_to_row(store: Store, tmp_path: Path) -> None:
    text = "step,time,name\n0,2026-01-01T00:00:00Z,a\n10,2026-01-01T01:00:00.0001Z,b\n"
    import_checkpoint_list(store, AGREEMENT, write(tmp_path, text), how(step_seconds=None))
    assert totals(store, AGREEMENT) == {("jupiter", "b"): 3_600_001 * 512}
    assert [(draft.name, draft.epoch, draft.parents) for draft in store.drafts(0)] == [("a", 0, ()), ("b", 1, ("a",))]


RUNS = Path(__file__).with_name("data") / "runs.csv"


def test_another_run_id_is_a_restart(store: Store) -> None:
    options = how(step_seconds=Fraction(1), chips=8, restart_seconds=Fraction(600))
    report = import_checkpoint_list(store, AGREEMENT, RUNS, options)
    assert sum(totals(store, AGREEMENT).values()) == 33_600_000 and "1 branches, 2 restarts" in report.notes
    assert not any("had no effect" in note for note in report.notes)


@pytest.mark.parametrize(
    ("text", "changes", "why"),
    [
        ("step\n10\n20\n", {}, "the list has no column segment or run_id"),
        ("step,run_id\n10,a\n20,a\n", {}, "column run_id never changes"),
        ("step,run_id\n10,a\n20,b\n", {"meter": None}, "without --meter no time is charged"),
    ],
)
def test_restart_seconds_without_effect_are_said(store: Store, tmp_path: Path, text: str, changes: dict, why: str) -> None:
    report = import_checkpoint_list(store, AGREEMENT, write(tmp_path, text), how(restart_seconds=Fraction(600), **changes))
    assert f"--restart-seconds had no effect: {why}" in report.notes


def test_identical_rows_are_one_and_said(store: Store, tmp_path: Path) -> None:
    text = "step,run_id\n10,a\n20,a\n20,a\n10,a\n30,b\n"
    report = import_checkpoint_list(store, AGREEMENT, write(tmp_path, text), how())
    assert len(store.drafts(0)) == 3 and report.fates == {"noted": 3, "that repeat a row, taken once": 2}
    assert sum(totals(store, AGREEMENT).values()) == 30 * 1500 * 512


def test_steps_alone_that_repeat_are_charged_again(store: Store, tmp_path: Path) -> None:
    import_checkpoint_list(store, AGREEMENT, write(tmp_path, "step\n10\n20\n10\n20\n"), how())
    assert sum(totals(store, AGREEMENT).values()) == (20 + 10 + 10) * 1500 * 512


def test_checkpoints_without_a_meter_are_only_noted(store: Store, tmp_path: Path) -> None:
    import_checkpoint_list(store, AGREEMENT, write(tmp_path, "Step\n10\n20\n"), how(meter=None))
    assert totals(store, AGREEMENT) == {} and len(store.drafts(0)) == 2
    with pytest.raises(StoreError, match="imported before"):
        import_checkpoint_list(store, AGREEMENT, write(tmp_path, "Step\n10\n20\n"), how(prefix="again"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("step\n", "no rows"),
        ("step,run_id\n", "no rows"),
        ("steps\n5\n", "no column step"),
        ("step\nfive\n", "not a whole number"),
        ("step\n9999999999999\n", "are more than"),
        ("step,name\n1,a\n2,a\n", "occurs twice"),
        ("step,time\n1,2026-01-01T01:00:00Z\n2,2026-01-01T00:00:00Z\n", "before the row above"),
        ("step\n1000000000\n", "outside the agreement's periods"),
        ("step,name\n5,idle\n", "cannot be called idle"),
        ("step,name\n5,stage1\n", "is noted as OPENING"),
    ],
)
def test_dirty_lists_import_nothing(store: Store, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ClaimsError, match=message):
        import_checkpoint_list(store, AGREEMENT, write(tmp_path, text), how())
    assert totals(store, AGREEMENT) == {} and store.drafts(0) == []


def test_rows_need_a_time_or_a_speed(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="--step-seconds"):
        import_checkpoint_list(store, AGREEMENT, write(tmp_path, "step\n5\n"), how(step_seconds=None))
    with pytest.raises(ClaimsError, match="two branches"):
        import_checkpoint_list(store, AGREEMENT, write(tmp_path, "step\n5\n"), how(merge="m"))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab")), min_size=1, max_size=25))
def test_parents_are_the_nearest_earlier_rows_and_lineages_count_every_step(rows: list[tuple[int, str]]) -> None:
    saved = lineages([Row("f", i + 2, {"step": str(step), "run_id": run}) for i, (step, run) in enumerate(rows)], "x")
    steps = {item.name: step for item, (step, _) in zip(saved, rows, strict=True)}
    assert len(steps) == len(rows)
    for at, item in enumerate(saved):
        total, name, parents = 0, item.name, {entry.name: entry for entry in saved}
        while name:
            total, name = total + parents[name].steps, parents[name].parent
        assert total == steps[item.name]
        own = [step for step, run in rows[:at] if run == rows[at][1] and step < rows[at][0]]
        anyone = [step for step, _ in rows[:at] if step < rows[at][0]]
        assert item.steps == rows[at][0] - max(own or anyone, default=0)


def test_many_rows_of_one_step_are_named_at_once() -> None:
    rows = [Row("list.csv", n + 2, {"step": "1"}) for n in range(20_000)]
    began = time.process_time()
    names = [item.name for item in lineages(rows, "run")]
    assert time.process_time() - began < 10
    assert names[:3] == ["run/step1", "run/step1 (2)", "run/step1 (3)"] and len(set(names)) == len(rows)
