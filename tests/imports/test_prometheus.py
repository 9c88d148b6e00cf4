"""Range queries: busy steps are charged, idle ones are not, and what has no sample is charged as unattributed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from import_world import START, agreement_of, totals

from claims.base.errors import ClaimsError
from claims.imports.charge import Window
from claims.imports.prometheus import PrometheusOptions, import_prometheus
from claims.imports.rows import ImportRefused
from claims.imports.tables import JobMap, NodeMap, Place, read_jobs
from claims.lab.store import Store

AGREEMENT = agreement_of({"a": ("h100", 2), "b": ("mi300x", 8)})
NODES = NodeMap({"n1": Place("a", 8)})
WINDOW = Window(START * 1000, START * 1000 + 600_000)


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "alpha.store", "alpha") as opened:
        yield opened


def series(chip: str, *values: tuple[int, object], **labels: str) -> dict[str, Any]:
    return {"metric": {"Hostname": "n1", "UUID": chip} | labels, "values": [[START + at, value] for at, value in values]}


def steady(value: str, first: int = 1, last: int = 10) -> list[tuple[int, object]]:
    return [(60 * k, value) for k in range(first, last + 1)]


def answer(*result: object, **changes: object) -> str:
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": list(result)}} | changes)


def load(store: Store, tmp_path: Path, text: str, *, window: Window = WINDOW, jobs: str = "", **changes: Any):  # type: ignore[no-untyped-def]
    (tmp_path / "gap.json").write_text(text)
    (tmp_path / "jobs.csv").write_text("name,checkpoint\n" + jobs)
    options = PrometheusOptions(NODES, read_jobs(tmp_path / "jobs.csv") if jobs else JobMap(), 60_000, **changes)
    return import_prometheus(store, AGREEMENT, [tmp_path / "gap.json"], options, window=window)


def test_busy_steps_are_charged_to_what_their_labels_name(store: Store, tmp_path: Path) -> None:
    busy = series("g0", *steady("97", 1, 4), namespace="team", pod="llm-0")
    report = load(store, tmp_path, answer(busy, series("g0", *steady("0", 5)), series("g1", *steady("0"))), jobs="team/llm*,step\n")
    assert totals(store, AGREEMENT) == {("a", "step"): 240_000}
    assert report.fates == {"steps that were busy": 4, "steps that were idle": 16}


def test_what_has_no_sample_is_charged(store: Store, tmp_path: Path) -> None:
    report = load(store, tmp_path, answer(series("g0", *steady("0", 2, 4), *steady("0", 7, 9))))
    assert totals(store, AGREEMENT) == {("a", "unattributed"): 60_000 + 120_000 + 60_000 + 600_000}
    assert report.notes == ["1 chips of meter a have no series: charged as unattributed"]


def test_of_two_samples_the_larger_counts_and_nan_is_none(store: Store, tmp_path: Path) -> None:
    twice = series("g0", *steady("0")), series("g0", (60, "5"), (120, "NaN"))
    load(store, tmp_path, answer(*twice, series("g1", (60, "NaN"), *steady("0", 2))))
    assert totals(store, AGREEMENT) == {("a", "unattributed"): 60_000 + 60_000}


def test_a_step_over_the_windows_edge_counts_inside(store: Store, tmp_path: Path) -> None:
    samples = [(30 + 60 * k, "1") for k in range(11)]
    load(store, tmp_path, answer(series("g0", *samples), series("g1", *((at, "0") for at, _ in samples))), idle_at=0.5)
    assert totals(store, AGREEMENT) == {("a", "unattributed"): 600_000}


def test_an_open_window_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ClaimsError, match="give --from and --until"):
        load(store, tmp_path, answer(series("g0", *steady("0"))), window=Window(START * 1000))


@pytest.mark.parametrize("text, message", [
    ("", "not an answer"), ("{}", "not an answer"), ('{"status": "success"}', "not the answer of a range query"), (answer(), "no series"),
    (answer(series("g0"), status="error"), "that succeeded"),
    (answer(5), "no metric"), (answer({"metric": {}, "values": []}), "no label UUID"), (answer(series("g0") | {"values": {}}), "no values"),
    (answer({"metric": {"Hostname": "n9", "UUID": "x"}, "values": []}), "no meter for its Hostname 'n9'"),
    (answer({"metric": {"Hostname": "n1", "UUID": ["x"]}, "values": []}), "not a short text"),
    (answer(series("g0", (0, 5))), "is not .seconds"), (answer(series("g0", (10**30, "5"))), "is not .seconds"),
    (answer(series("g0") | {"values": [[True, "1"]]}), "is not .seconds"), (answer(series("g0") | {"values": [7]}), "is not .seconds"),
    (answer(*(series(f"g{k}") for k in range(3))), "it has 3 chips of meter a, which the agreement gives 2"),
    ('{"data": {"result": [' + "[" * 4000, "not an answer"), (answer(series("g0")).replace("matrix", "vector"), "range query"),
])  # fmt: skip
def test_other_answers_are_refused(store: Store, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ImportRefused, match=message):
        load(store, tmp_path, text)
    assert totals(store, AGREEMENT) == {}
