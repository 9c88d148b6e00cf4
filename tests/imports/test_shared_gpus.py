"""Slurm's odd exports, made small from operators' reports: each is charged what its nodes can have worked, and no less."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_world import agreement_of, totals

from claims.imports import slurm_nodes
from claims.imports.charge import Charged
from claims.imports.rows import ImportRefused
from claims.imports.slurm import import_slurm
from claims.imports.slurm_rows import SlurmOptions
from claims.imports.tables import Clock, read_jobs, read_nodes
from claims.lab.store import Store

DATA = Path(__file__).with_name("data") / "slurm"
MARCH = 1_772_323_200  # 2026-03-01T00:00:00Z
AGREEMENT = agreement_of({"hall-a": ("h100", 64), "hall-b": ("mi300x", 64)}, start=MARCH, epochs=720, periods=12)
HEADER = (DATA / "mig56.txt").read_text().partition("\n")[0] + "\n"
T0 = 1_772_445_600  # 2026-03-02T10:00:00Z


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "alpha.store", "alpha") as opened:
        yield opened


def options(tmp_path: Path, jobs: str = "", **rest: object) -> SlurmOptions:
    (tmp_path / "jobs.csv").write_text("job,name,until,checkpoint\n" + jobs)
    return SlurmOptions(Clock.of("UTC"), read_nodes(DATA / "nodes.csv", None), read_jobs(tmp_path / "jobs.csv"), **rest)  # type: ignore[arg-type]


def load(store: Store, tmp_path: Path, file: str | Path, jobs: str = "", **rest: object) -> Charged:
    return import_slurm(store, AGREEMENT, DATA / file, options(tmp_path, jobs, **rest))


def line(job: str, tres: str, node: str = "a01", start: int = 0, stop: int = 3600, name: str = "x", state: str = "COMPLETED") -> str:
    end = "Unknown" if state == "RUNNING" else str(T0 + stop)
    return f"{job}|{name}|{state}||{T0 + start}|{end}|{stop - start}|{tres}||{node}|0:0\n"


def written(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "sacct.txt"
    path.write_text(HEADER + "".join(lines))
    return path


def charged(store: Store) -> dict[tuple[str, str], float]:
    return {key: amount / 1000 for key, amount in totals(store, AGREEMENT).items()}


# ---- the reported cases ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "rest", "right"),
    [
        ("mig56.txt", {}, 28800 + 8),
        ("whole_shared.txt", {"whole_nodes": True}, 28808),
        ("whole_shared.txt", {}, 28808),
        ("negative_elapsed.txt", {}, 28808),
        ("two_headers.txt", {}, 57616),
        ("shard_only.txt", {}, 14404),
    ],
)
def test_odd_exports_are_charged_per_physical_gpu(store: Store, tmp_path: Path, file: str, rest: dict, right: int) -> None:
    load(store, tmp_path, file, **rest)
    assert sum(charged(store).values()) == right


def test_a_negative_elapsed_time_is_counted(store: Store, tmp_path: Path) -> None:
    report = load(store, tmp_path, "negative_elapsed.txt")
    assert report.fates["(of these) with a negative ElapsedRaw, charged from Start to End"] == 1


def test_a_job_that_never_ended_is_named_with_the_node_that_it_overlaps_on(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused) as caught:
        load(store, tmp_path, "runaway_full.txt")
    text = str(caught.value)
    assert "job 9, which has not ended, and job 10 hold 16 GPUs of node gpu001, which has 8, from 2026-06-01T10:00:00Z" in text
    assert caught.value.line == 2 and "runawayjobs" in caught.value.hint and charged(store) == {}


def test_where_there_is_room_a_runaway_job_is_charged_and_named(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, line("9", "gres/gpu=8", state="RUNNING"), line("10", "gres/gpu=8", start=7200, stop=9000))
    report = load(store, tmp_path, path)
    assert any(note.startswith("job 9, which has not ended, and job 10 hold 16 GPUs of node a01") for note in report.notes)
    assert charged(store) == {("hall-b", "unattributed"): 8 * (9001 + 1801)}


def test_without_gpus_in_the_mapping_the_oldest_job_that_never_ended_is_named(store: Store, tmp_path: Path) -> None:
    rows = [line("9", "gres/gpu=64", "a[01-08]", state="RUNNING"), line("10", "gres/gpu=8", start=3600, stop=7200)]
    (tmp_path / "n.csv").write_text("node,meter\na[01-08],hall-b\n")
    how = SlurmOptions(Clock.of("UTC"), read_nodes(tmp_path / "n.csv", None), read_jobs(None))
    with pytest.raises(ImportRefused, match="job 9 has not ended since 2026-03-02T10:00:00Z"):
        import_slurm(store, AGREEMENT, written(tmp_path, *rows), how)


# ---- who is charged --------------------------------------------------------------------------------------


def test_whole_gpus_beside_slices_are_charged_to_their_checkpoint(store: Store, tmp_path: Path) -> None:
    """Slices of another checkpoint cannot thin out GPUs that a job held alone."""
    rows = [line("1", "gres/gpu:a100=7,gres/gpu=7")]
    rows += [line(str(n), "gres/gpu:a100_1g.5gb=1,gres/gpu=1") for n in range(10, 17)]
    jobs = "1,,,big\n" + "".join(f"{n},,,small\n" for n in range(10, 17))
    load(store, tmp_path, written(tmp_path, *rows), jobs)
    assert charged(store) == {("hall-b", "big"): 7 * 3601, ("hall-b", "small"): 3601}


def test_what_several_checkpoints_may_have_had_is_unattributed(store: Store, tmp_path: Path) -> None:
    rows = [line(str(n), "gres/shard=1", stop=3600 if n < 7 else 1800) for n in range(13)]
    jobs = "".join(f"{n},,,{'one' if n < 7 else 'two'}\n" for n in range(13))
    load(store, tmp_path, written(tmp_path, *rows), jobs)
    # 7 + 6 shares of 8 GPUs: 2 are certainly of the first, 1 of the second; then 7 of the first alone
    assert charged(store) == {
        ("hall-b", "one"): 2 * 1800 + 7 * 1801, ("hall-b", "two"): 1800 + 1, ("hall-b", "unattributed"): 5 * 1800,
    }  # fmt: skip


def test_whole_nodes_of_several_nodes_count_each_hour_once(store: Store, tmp_path: Path) -> None:
    rows = [line("1", "cpu=1", "a[01-02]"), line("2", "cpu=1", "a[02-03]", start=1800, stop=5400)]
    load(store, tmp_path, written(tmp_path, *rows), "1,,,one\n2,,,two\n", whole_nodes=True)
    assert charged(store) == {
        ("hall-b", "one"): 8 * (3601 + 1800), ("hall-b", "two"): 8 * (3601 + 1801), ("hall-b", "unattributed"): 8 * 1800,
    }  # fmt: skip


def test_nodes_with_the_same_jobs_are_followed_once(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_nodes, "MAX_STEPS", 30)
    rows = [line(str(n), "cpu=1", "a[01-08]", start=n) for n in range(3)]
    load(store, tmp_path, written(tmp_path, *rows), whole_nodes=True)
    assert charged(store) == {("hall-b", "unattributed"): 64 * 3601}


def test_slices_over_several_nodes_are_charged_as_far_as_the_meter_has_room(store: Store, tmp_path: Path) -> None:
    rows = [line("1", "gres/gpu:a100_1g.5gb=20,gres/gpu=20", "a[01-02]"), line("2", "gres/gpu=64", "a[01-08]", start=3600, stop=7200)]
    load(store, tmp_path, written(tmp_path, *rows))
    assert charged(store) == {("hall-b", "unattributed"): 16 * 3600 + 64 * 3601}


def test_more_slices_than_a_gpu_can_have_are_refused(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, line("1", "gres/gpu:a100_1g.5gb=57,gres/gpu=57"))
    with pytest.raises(ImportRefused, match="slices of 9 GPUs, on nodes that have 8"):
        load(store, tmp_path, path)


def test_sharing_that_cannot_be_followed_is_refused(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_nodes, "MAX_STEPS", 20)
    with pytest.raises(ImportRefused, match="too many jobs share nodes"):
        load(store, tmp_path, written(tmp_path, *[line(str(n), "gres/shard=1", start=n) for n in range(20)]))


SHARE = st.tuples(st.integers(0, 500), st.integers(1, 300), st.integers(1, 9), st.booleans(), st.sampled_from("abc"))


@settings(max_examples=60, deadline=None)
@given(st.lists(SHARE, min_size=1, max_size=10))
def test_at_every_second_a_node_is_charged_what_is_asked_or_what_it_has(
    tmp_path_factory: pytest.TempPathFactory, shares: list[tuple[int, int, int, bool, str]]
) -> None:
    """The certain part, against a count second by second; whole GPUs of a job are never thinned out by slices."""
    folder = tmp_path_factory.mktemp("shared")
    rows, jobs, busy = "", "", {second: [0, 0] for second in range(801)}
    alone: dict[str, int] = {}
    for number, (start, length, units, whole, label) in enumerate(shares):
        units = min(units, 8)
        rows += line(str(number), f"gres/gpu={units}" if whole else f"gres/shard={units}", start=start, stop=start + length)
        jobs += f"{number},,,{label}\n"
        alone[label] = alone.get(label, 0) + (units * length if whole else 0)
        for second in range(start, start + length):
            busy[second][0 if whole else 1] += units
    least = sum(whole + min(shared, max(0, 8 - whole)) for whole, shared in busy.values())
    with Store.create(folder / "alpha.store", "alpha") as store:
        load(store, folder, written(folder, rows), jobs)
        found = charged(store)
    assert least <= sum(found.values()) <= least + 8 * len(shares)
    assert all(found.get(("hall-b", label), 0) >= amount for label, amount in alone.items())


# ---- what sacct and operators hand over ------------------------------------------------------------------


def job(number: int, **more: object) -> dict[str, object]:
    times = {"elapsed": 3600, "start": T0, "end": T0 + 3600, "submission": T0 - 60, "eligible": T0, "suspended": 0}
    tres = [{"type": "cpu", "name": "", "id": 1, "count": 8}, {"type": "gres", "name": "gpu", "id": 1001, "count": 8},
            {"type": "gres", "name": "gpu:h100", "id": 1002, "count": 8}]  # fmt: skip
    return {
        "job_id": number, "name": "train", "cluster": "c", "nodes": "gpu001", "allocation_nodes": 1, "restart_cnt": 0,
        "state": {"current": ["COMPLETED"], "reason": "None"}, "time": times, "tres": {"allocated": tres, "requested": []},
        "steps": [{"step": {"id": f"{number}.batch"}}],
    } | more  # fmt: skip


def as_json(tmp_path: Path, *jobs: object, **more: object) -> Path:
    path = tmp_path / "sacct.json"
    path.write_text(json.dumps({"meta": {}, "errors": [], "jobs": list(jobs), "warnings": []} | more, indent=1))
    return path


def test_json_says_the_same_as_the_table(store: Store, tmp_path: Path) -> None:
    waiting = {"elapsed": 0, "start": 0, "end": 0, "submission": T0}
    jobs = [
        job(1), job(2, nodes="gpu002", state={"current": "RUNNING"}, time={"start": {"set": True, "infinite": False, "number": T0},
                    "end": {"set": False, "infinite": True, "number": 0}, "elapsed": 1800, "submission": T0}),
        job(3, nodes="None assigned", allocation_nodes=4, tres={"allocated": []}, state={"current": ["PENDING"]}, time=waiting),
    ]  # fmt: skip
    report = load(store, tmp_path, as_json(tmp_path, *jobs), "1,,,one\n")
    assert charged(store) == {("hall-a", "one"): 28808, ("hall-a", "unattributed"): 8 * 3601}
    assert report.fates == {"charged to a checkpoint": 1, "charged as unattributed": 1, "of jobs that never started": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"jobs": []}', "it has no jobs"),
        ('{"errors": []}', "it has no jobs"),
        ('{"jobs": [1]}', "a job is not an object"),
        ('{"jobs": [{}]}', "time is not an object"),
        ('{"jobs": [{"time": {}, "tres": {}, "state": {}}]}', "no list tres.allocated"),
        ('{"jobs": [', "not the JSON of sacct"),
        ('{"jobs": {}}', "not the JSON of sacct"),
        ('{"jobs": [JOB], "jobs": [JOB]}', "two lists of jobs"),
        ('{"errors": ["x"], "jobs": [JOB]}', "there were errors"),
        ('{"jobs": [JOB], "errors": ["x"]}', "there were errors"),
        ('{"jobs": [JOB]} {"jobs": []}', "something follows"),
        ('{"jobs": [JOB]', "not the JSON of sacct"),
        ('{"jobs": ' + "[" * 5000, "nested deeper"),
        ('{"jobs": [{"job_id": 1.5, "time": {}, "tres": {"allocated": []}, "state": {"current": ""}}]}', "not a whole number"),
    ],
)
def test_json_that_is_not_whole_charges_nothing(store: Store, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sacct.json"
    path.write_text(text.replace("JOB", json.dumps(job(1))))
    with pytest.raises(ImportRefused, match=message):
        load(store, tmp_path, path)
    assert charged(store) == {}


def test_gzip_and_standard_input_are_read(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress((DATA / "two_headers.txt").read_bytes())
    (tmp_path / "s.gz").write_bytes(packed)
    load(store, tmp_path, tmp_path / "s.gz")
    assert charged(store) == {("hall-a", "unattributed"): 57616}
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO((DATA / "two_headers.txt").read_bytes())))
    with pytest.raises(Exception, match="imported before"):  # the same contents, however they come
        import_slurm(store, AGREEMENT, Path("-"), options(tmp_path))


@pytest.mark.parametrize("damage", [lambda d: d[:-5], lambda d: d[:30], lambda d: d + b"more", lambda d: d[:40] + b"\0\0" + d[42:]])
def test_gzip_that_is_not_whole_charges_nothing(store: Store, tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "s.gz").write_bytes(damage(gzip.compress((DATA / "two_headers.txt").read_bytes())))
    with pytest.raises(ImportRefused, match="not a whole gzip file"):
        load(store, tmp_path, tmp_path / "s.gz")
    assert charged(store) == {}


def test_gzip_is_unpacked_to_a_bound(tmp_path: Path) -> None:
    from claims.imports.inputs import read_input

    (tmp_path / "s.gz").write_bytes(gzip.compress(bytes(10**6)))
    with pytest.raises(ImportRefused, match="longer than 100000 bytes"):
        read_input(tmp_path / "s.gz", 100_000)


def test_a_header_alone_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="a header line and no rows"):
        load(store, tmp_path, written(tmp_path))


def test_joined_exports_may_name_other_columns(store: Store, tmp_path: Path) -> None:
    other = "\ufeffEnd|Start|State|JobName|JobIDRaw|NodeList|AllocTRES\n" + f"{T0 + 60}|{T0}|COMPLETED|x|7|a01|gres/gpu=2\n"
    load(store, tmp_path, written(tmp_path, line("1", "gres/gpu=8"), other, HEADER, line("2", "gres/gpu=1", "a02")))
    assert charged(store) == {("hall-b", "unattributed"): 8 * 3601 + 2 * 61 + 3601}


def test_patterns_and_names_are_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("claims.imports.tables.MAX_MATCHES", 100)
    (tmp_path / "j.csv").write_text("name,checkpoint\n" + "".join(f"a{n},c\n" for n in range(10)))
    jobs = read_jobs(tmp_path / "j.csv")
    with pytest.raises(Exception, match="too many patterns for so many names"):
        for number in range(20):
            jobs.pieces("", f"b{number}", 0, 1)
