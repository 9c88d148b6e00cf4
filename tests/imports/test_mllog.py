"""MLLOG logs: real ones give the published figures; aborted, repeated and dirty ones are charged or refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_world import agreement_of, totals

from claims.importers import ImportRefused
from claims.imports.mllog import MllogOptions, chips_of_system, import_mllog, read_runs
from claims.imports.tables import JobMap, read_jobs
from claims.store import Store, StoreError

DATA = Path(__file__).with_name("data")
LOG = DATA / "AMD_results_MI300X_EPYC_9575F_pytorch_llama2_70b_llama2_70b_lora_result_0.txt"
START = 1755475200  # 2025-08-18T00:00:00Z
AGREEMENT = agreement_of({"mi": ("mi300x", 8), "theia": ("h100", 512)}, start=START, epoch=900, epochs=16)
RUN = (1755477365577, 1755479401425)  # run_start_ms and run_stop_ms of mlperf_training_v5.1_runs.csv: 2035.848 s


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "alpha.store", "alpha") as opened:
        yield opened


def event(key: str, second: int, **rest: object) -> str:
    return ":::MLLOG " + json.dumps({"time_ms": START * 1000 + second * 1000, "key": key, "value": None, **rest}) + "\n"


def load(store: Store, tmp_path: Path, text: str, **rest: object):
    path = tmp_path / "log.txt"
    path.write_text(text)
    return import_mllog(store, AGREEMENT, [path], MllogOptions("mi", 8, JobMap(), **rest))  # type: ignore[arg-type]


def test_a_real_log_gives_the_published_seconds(store: Store) -> None:
    report = import_mllog(store, AGREEMENT, [LOG], MllogOptions("mi", 8, JobMap(), "llama2-lora"))
    assert totals(store, AGREEMENT) == {("mi", "llama2-lora"): (RUN[1] - RUN[0]) * 8} == {("mi", "llama2-lora"): 2_035_848 * 8}
    assert any("1019.885 s logged outside runs (not charged" in note for note in report.notes)
    with pytest.raises(StoreError, match="imported before"):
        import_mllog(store, AGREEMENT, [LOG], MllogOptions("mi", 8, JobMap()))


def test_a_real_log_as_a_whole_charges_initialisation_as_unattributed(store: Store) -> None:
    import_mllog(store, AGREEMENT, [LOG], MllogOptions("mi", 8, JobMap(), "x", whole_log=True))
    assert totals(store, AGREEMENT)["mi", "unattributed"] == (RUN[0] - 1755476345692) * 8
    assert sum(totals(store, AGREEMENT).values()) == (RUN[1] - 1755476345692) * 8


def test_a_real_system_has_nodes_times_accelerators(tmp_path: Path) -> None:
    assert chips_of_system(DATA / "theia_system.json") == 128 * 4
    path = tmp_path / "system.json"
    for text in ("[]", '{"number_of_nodes": "2"}', '{"number_of_nodes": 0, "accelerators_per_node": 8}', "{" * 9999,
                 '{"number_of_nodes": "2 x 8", "accelerators_per_node": 8}'):  # fmt: skip
        path.write_text(text)
        with pytest.raises(ImportRefused):
            chips_of_system(path)


def test_benchmarks_and_files_map_to_checkpoints(store: Store, tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text("name,checkpoint\nllama2*,lora\n")
    import_mllog(store, AGREEMENT, [LOG], MllogOptions("mi", 8, read_jobs(tmp_path / "jobs.csv"), "rest"))
    assert ("mi", "lora") in totals(store, AGREEMENT)


def test_logs_of_one_name_are_each_charged_once(store: Store, tmp_path: Path) -> None:
    paths = []
    for number in range(2):
        paths.append(tmp_path / str(number) / "result_0.txt")
        paths[-1].parent.mkdir()
        paths[-1].write_text(event("run_start", 1000 * number) + event("run_stop", 1000 * number + 100 + number))
    import_mllog(store, AGREEMENT, paths, MllogOptions("mi", 8, JobMap()))
    assert totals(store, AGREEMENT) == {("mi", "unattributed"): 201 * 8000}
    shutil.copy(paths[0], tmp_path / "copy.txt")
    with pytest.raises(StoreError, match="imported before, as result_0.txt"):
        import_mllog(store, AGREEMENT, [tmp_path / "copy.txt"], MllogOptions("mi", 8, JobMap()))


@pytest.mark.parametrize(
    ("text", "seconds", "as_of"),
    [
        (event("run_start", 10) + event("eval", 60), 50, None),
        (event("run_start", 10) + event("eval", 60), 190, 200),
        (event("run_start", 10) + event("eval", 60), 50, 30),
        (event("run_start", 10) + event("run_start", 40) + event("run_stop", 50), 40, None),
        (event("run_start", 10) + event("run_stop", 50) + event("run_stop", 55), 45, None),
        (event("run_start", 10) + event("run_stop", 50) + event("run_start", 60) + event("run_stop", 90), 70, None),
        ("0: " + event("run_start", 10) + "noise\n" + event("run_stop", 50, metadata={"status": "aborted"}), 40, None),
    ],
)
def test_aborted_and_repeated_runs_are_charged(
    store: Store, tmp_path: Path, text: str, seconds: int, as_of: int | None
) -> None:
    load(store, tmp_path, text, as_of=None if as_of is None else (START + as_of) * 1000)
    assert totals(store, AGREEMENT) == {("mi", "unattributed"): seconds * 8000}


def test_fractions_of_a_millisecond_widen_a_run(store: Store, tmp_path: Path) -> None:
    text = event("run_start", 0, time_ms=START * 1000 + 0.25) + event("run_stop", 0, time_ms=START * 1000 + 9.25)
    load(store, tmp_path, text)
    assert totals(store, AGREEMENT) == {("mi", "unattributed"): 10 * 8}


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("nothing\n", "no line of it is MLLOG", None),
        (event("run_stop", 5), "run_stop without a run_start", 1),
        (event("run_start", 50) + event("run_stop", 5), "run_stop without a run_start before it", 2),
        (event("run_start", 50) + event("run_start", 5), "lies before the run_start above", 2),
        (":::MLLOG {\n", "not JSON", 1),
        (":::MLLOG []\n", "not a JSON object", 1),
        ("\n:::MLLOG " + "[" * 100_000 + "\n", "not JSON", 2),
        (event("run_start", 0, time_ms="5"), "time_ms", 1),
        (event("run_start", 0, time_ms=True), "time_ms", 1),
        (":::MLLOG " + '{"time_ms": ' + "[" * 900 + "]" * 900 + "}\n", "time_ms|not JSON", 1),
        (event("run_start", 0, time_ms=float("nan")), "time_ms", 1),
        (":::MLLOG " + '{"time_ms": 1e999999999}' + "\n", "time_ms", 1),
        (":::MLLOG " + '{"time_ms": ' + "9" * 5000 + "}\n", "not JSON", 1),
        (":::MLLOG " + " " * (1 << 20) + "\n", "more than", 1),
    ],
)
def test_dirty_logs_are_refused(store: Store, tmp_path: Path, text: str, message: str, line: int | None) -> None:
    with pytest.raises(ImportRefused, match=message) as caught:
        load(store, tmp_path, text)
    assert caught.value.line == line and totals(store, AGREEMENT) == {}


def test_more_chips_than_the_meter_are_refused(store: Store) -> None:
    with pytest.raises(ImportRefused, match="held 16 chips, meter mi has 8"):
        import_mllog(store, AGREEMENT, [LOG], MllogOptions("mi", 16, JobMap()))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["run_start", "run_stop", "eval"]), st.integers(0, 50)), max_size=12))
def test_every_moment_between_start_and_stop_is_charged_at_least_once(steps: list[tuple[str, int]]) -> None:
    text, now, open_since, exact = "", 0, None, 0
    for key, wait in steps:
        now += wait
        text += event(key, now)
        if key == "run_start":
            exact += now - open_since if open_since is not None else 0
            open_since = now
        elif key == "run_stop" and open_since is not None:
            exact += now - open_since
            open_since = None
    exact += now - open_since if open_since is not None else 0
    try:
        log = read_runs("log", text.encode())
    except ImportRefused:
        assert "run_stop" in text
        return
    charged = sum((run.stop if run.stop is not None else log.last) - run.start for run in log.runs)
    assert charged >= exact * 1000
