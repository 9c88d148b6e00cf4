"""MLLOG logs: real ones give the published figures; aborted, repeated and dirty ones are charged or refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_world import agreement_of, totals

from claims.imports.mllog import MllogOptions, chips_of_system, import_mllog, read_runs
from claims.imports.rows import ImportRefused
from claims.imports.tables import JobMap, read_jobs
from claims.lab.store import Store
from claims.lab.store_file import StoreError

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


WHOLE = event("run_start", 10) + event("run_stop", 50)
MIDDLE = WHOLE.replace("\n", "\nMIDDLE", 1)


@pytest.mark.parametrize(
    ("text", "seconds", "unreadable"),
    [
        (MIDDLE.replace("MIDDLE", event("eval", 20)[:40] + "\n"), 40, 1),
        (MIDDLE.replace("MIDDLE", ":::MLLOG {\n:::MLLOG []\n:::MLLOG \xff\n" + event("eval", 20, x="a\nb").replace("\\n", "\n")), 40, 4),
        (MIDDLE.replace("MIDDLE", event("eval", 0, time_ms="soon") + ':::MLLOG {"time_ms": ' + "9" * 5000 + "}\n"), 40, 2),
        (MIDDLE.replace("MIDDLE", ":::MLLOG " + " " * (1 << 20) + "\n"), 40, 1),
        (MIDDLE.replace("MIDDLE", ":::MLLOG " + "[" * 9999 + "\n"), 40, 1),
        ("junk" + WHOLE.replace("\n", "") + "junk\n", 40, 0),  # both on one line
        (event("run_start", 10)[:-1] + event("eval", 20)[:40] + event("run_stop", 50), 40, 1),
        ("".join(f"\x1b[32m{line}\x1b[0m\n" for line in WHOLE.splitlines()), 40, 0),
        (WHOLE.replace(":::MLLOG {", ":::MLLOG \x1b[1m{\x1b[0m"), 40, 0),
        (event("eval", 5, x=":::MLLOG {") + WHOLE, 40, 0),
        (WHOLE.replace("\n", "\r\n"), 40, 0),
        (WHOLE + event("eval", 70)[:60] + "\n", 40, 1),  # its key shows that it is no run_start
        (event("eval", 0) + WHOLE + event("eval", 60) + ":::MLLOG {\n", 60, 1),  # it may have begun a run: all is charged
        (event("eval", 0) + ":::MLLOG {\n" + WHOLE, 50, 1),
        (event("run_start", 10) + event("eval", 90)[:50] + "\n", 80, 1),  # a torn line tells until when the run went on
    ],
)
def test_lines_that_cannot_be_read_are_counted_and_skipped(
    store: Store, tmp_path: Path, text: str, seconds: int, unreadable: int
) -> None:
    report = load(store, tmp_path, text)
    assert totals(store, AGREEMENT) == {("mi", "unattributed"): seconds * 8000}
    assert report.fates.get("of MLLOG that cannot be read, left out", 0) == unreadable


@pytest.mark.parametrize(
    ("starts", "stops", "seconds"),
    [
        ((10, 13, 6), (50, 59), 53),
        ((10, 6), (50, 40), 44),
        ((10,), (50, 20), 40),
        ((13, 10, 12), (), 5),  # never stopped: to the log's last time, 15
    ],
)
def test_processes_may_be_out_of_order(
    store: Store, tmp_path: Path, starts: tuple[int, ...], stops: tuple[int, ...], seconds: int
) -> None:
    text = event("eval", 15) + "".join(event("run_start", s) for s in starts) + "".join(event("run_stop", s) for s in stops)
    load(store, tmp_path, text)
    assert totals(store, AGREEMENT) == {("mi", "unattributed"): seconds * 8000}


@pytest.mark.parametrize(("file", "right"), [("torn.txt", 28800), ("newline_value.txt", 28800), ("multi_rank.txt", 28800.104)])
def test_reported_logs(store: Store, file: str, right: float) -> None:
    march = agreement_of({"mi": ("mi300x", 64)}, start=1_772_323_200, epochs=720)
    import_mllog(store, march, [DATA / "mllog" / file], MllogOptions("mi", 8, JobMap()))
    assert totals(store, march) == {("mi", "unattributed"): right * 1000}


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("nothing\n", "no line of it is MLLOG", None),
        (event("run_stop", 5), "run_stop without a run_start", 1),
        (event("run_start", 50) + event("run_stop", 5), "run_stop without a run_start before it", 2),
        (":::MLLOG {\n", "no line of it is MLLOG", None),
        (":::MLLOG []\n", "no line of it is MLLOG", None),
        ("\n:::MLLOG " + "[" * 100_000 + "\n", "no line of it is MLLOG", None),
        (event("eval", 1) + event("run_stop", 5)[:-20].replace("null", ""), "beginning or end of a run cannot be read", 2),
        (event("eval", 1) + event("run_start", 5)[12:], "beginning or end of a run cannot be read", 2),
        (event("eval", 1)[:-1] + event("run_start", 5)[12:], "beginning or end of a run cannot be read", 1),
        (event("run_start", 5) + event("run_stop", 9, x="y" * (1 << 20)), "beginning or end of a run cannot be read", 2),
        (event("run_start", 0, time_ms="5"), "time_ms", 1),
        (event("run_start", 0, time_ms=True), "time_ms", 1),
        (event("run_start", 0, time_ms=float("nan")), "time_ms", 1),
        (event("run_start", 0).replace(f"{START * 1000}", "1e999999999"), "time_ms", 1),
        (event("run_start", 0).replace(f"{START * 1000}", "9" * 5000), "beginning or end of a run cannot be read", 1),
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
