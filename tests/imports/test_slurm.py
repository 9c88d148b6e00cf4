"""Slurm accounting: nothing dropped, requeues and odd ends charged, doubts upward, refusals with file and line."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_world import START, agreement_of, by_epoch, totals

from claims.base.errors import ClaimsError
from claims.imports.charge import Window
from claims.imports.hostlist import HostListError, expand
from claims.imports.rows import ImportRefused, Row
from claims.imports.slurm import import_slurm
from claims.imports.slurm_gpus import gpus_of
from claims.imports.slurm_rows import SlurmOptions
from claims.imports.tables import Clock, read_jobs, read_nodes
from claims.lab.store import Store
from claims.lab.store_file import StoreError

METERS = {"hall-a": ("h100", 512), "hall-b": ("h100", 64), "hall-m": ("mi300x", 64)}
AGREEMENT = agreement_of(METERS)
HEADER = "JobIDRaw|JobName|State|Submit|Start|End|ElapsedRaw|AllocTRES|NNodes|NodeList|ExitCode\n"
NODES = "node,meter,gpus\nnode[001-064],hall-a,8\nb[1-8],hall-b,8\nm[1-8],hall-m,8\n"


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "alpha.store", "alpha") as opened:
        yield opened


def at(seconds: int) -> str:
    return dt.datetime.fromtimestamp(START + seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def line(
    job: str = "1", name: str = "train", state: str = "COMPLETED", start: str = "", end: str = "", elapsed: str = "",
    tres: str = "billing=8,cpu=8,gres/gpu=8,gres/gpu:h200=8,node=1", nodes: str = "node001", nnodes: str = "1",
) -> str:  # fmt: skip
    start, end = start or at(0), end or at(3600)
    return f"{job}|{name}|{state}|{at(0)}|{start}|{end}|{elapsed}|{tres}|{nnodes}|{nodes}|0:0\n"


def options(tmp_path: Path, *, nodes: str = NODES, jobs: str = "", default: str | None = None, **rest: object) -> SlurmOptions:
    (tmp_path / "nodes.csv").write_text(nodes)
    (tmp_path / "jobs.csv").write_text(jobs or "name,checkpoint\n")
    zone = Clock.of(str(rest.pop("zone", "UTC")))
    mapping = read_nodes(tmp_path / "nodes.csv", default)
    return SlurmOptions(zone, mapping, read_jobs(tmp_path / "jobs.csv"), **rest)  # type: ignore[arg-type]


def load(store: Store, tmp_path: Path, text: str, how: SlurmOptions | None = None, agreement=AGREEMENT, **rest: object):
    path = tmp_path / "sacct.txt"
    path.write_text(HEADER + text)
    return import_slurm(store, agreement, path, how or options(tmp_path), **rest)  # type: ignore[arg-type]


# ---- host lists ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("node1", ["node1"]),
        ("node[001-003,7]", ["node001", "node002", "node003", "node7"]),
        ("a[1-2]b[08-10],login-1", ["a1b08", "a1b09", "a1b10", "a2b08", "a2b09", "a2b10", "login-1"]),
        ("n[9-11]", ["n9", "n10", "n11"]),
        ("r[1]n[2].cluster", ["r1n2.cluster"]),
    ],
)
def test_host_lists_expand(text: str, hosts: list[str]) -> None:
    assert expand(text) == hosts


@pytest.mark.parametrize(
    "text",
    ["n[1-3", "n1-3]", "n[[1]]", "n[3-1]", "n[1-99999999]", "n[1-60000]x[1-60000]", "a,a", "", "a,,b", "n[]", "n[1-]",
     "n[1-1000],m[1-65000]", "n|1", "n[a-c]"],
)  # fmt: skip
def test_bad_host_lists_are_refused(text: str) -> None:
    with pytest.raises(HostListError):
        expand(text)


@given(st.integers(0, 10**6), st.integers(0, 500), st.integers(1, 8))
def test_ranges_expand_to_each_number_once(low: int, more: int, width: int) -> None:
    hosts = expand(f"n[{low:0{width}d}-{low + more}]")
    assert [int(host[1:]) for host in hosts] == list(range(low, low + more + 1))
    assert all(len(host) >= width + 1 for host in hosts)


# ---- GPUs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tres", "gpus"),
    [
        ("billing=8,cpu=8,gres/gpu=8,gres/gpu:h200=8,node=1", (8, 0, 0)),
        ("gres/gpu:h200=8", (8, 0, 0)),
        ("gres/gpu:h200=4,gres/gpu:a100=4,gres/gpu=8", (8, 0, 0)),
        ("gres/gpu:h200=4,gres/gpu:a100=4,gres/gpu=6", (8, 0, 0)),
        ("gres/gpu=6,gres/gpu:h200=2", (6, 0, 0)),
        ("gres/gpu:a100_1g.5gb=2,gres/gpu=2", (0, 2, 0)),
        ("gres/gpu:1g.10gb=1,gres/gpu:nvidia_a100_3g.20gb=1,gres/gpu:a100=2,gres/gpu=5", (3, 2, 0)),
        ("gres/gpu:a1001g.5gb=2,gres/gpu:8g.80gb=1", (3, 0, 0)),
        ("gres/shard=3", (0, 0, 3)),
        ("gres/shard=3,gres/gpu=1", (1, 0, 3)),
        ("cpu=8,gres/nic=2", (0, 0, 0)),
        ("", (0, 0, 0)),
        ("cpu=1," * 200 + "gres/gpu=2", (2, 0, 0)),
    ],
)
def test_typed_and_untyped_gpus_are_never_added(tres: str, gpus: tuple[int, int, int]) -> None:
    assert gpus_of(Row("f", 2, {"alloctres": tres})) == gpus


@pytest.mark.parametrize("tres", ["gres/gpu=-8", "gres/gpu=8.5", "gres/gpu:=8", "gres/gpu", "gres/gpu=8K", "GRES/GPU=8"])
def test_gpus_that_cannot_be_read_are_refused(tres: str) -> None:
    with pytest.raises(ImportRefused, match="alloctres"):
        gpus_of(Row("f", 2, {"alloctres": tres}))


# ---- fates -----------------------------------------------------------------------------------------------


def test_every_row_has_a_fate_and_everything_that_ran_is_charged(store: Store, tmp_path: Path) -> None:
    none = "billing=1,cpu=8,node=1"
    text = (
        line("1")
        + line("1", state="REQUEUED", start=at(3600), end=at(4600), elapsed="1000")
        + line("2", "other", "FAILED", at(7200), at(7300), "100", tres="gres/gpu=16", nodes="node[002-003]", nnodes="2")
        + line("3", state="CANCELLED by 5", start="Unknown", end=at(100), tres="", nodes="None assigned", nnodes="2")
        + line("4", state="PENDING", start="Unknown", end="Unknown", tres="", nodes="None assigned")
        + line("5", tres=none, nodes="cpu-node-9")
        + line("5", tres=none, nodes="node010")
        + line("1.batch")
        + line("6", state="NODE_FAIL", start=at(50_000), end="Unknown", elapsed="", nodes="node009")
        + line("7", state="RUNNING", start=at(80_000), end="Unknown", elapsed="5000", nodes="node009")
        + line("1", start=at(0), end=at(3600))
    )
    report = load(store, tmp_path, text, options(tmp_path, jobs="job,name,checkpoint\n1,,run-1\n,tr*,run-2\n"))
    assert report.fates == {
        "charged to a checkpoint": 4, "charged as unattributed": 1, "of jobs that never started": 2,
        "without GPUs": 1, "without GPUs, on nodes that have some (--whole-nodes charges them)": 1,
        "steps, counted in their jobs": 1, "that repeat an attempt, charged once": 1,
    }  # fmt: skip
    assert sum(report.fates.values()) == text.count("\n")
    second = 1000 * 8
    assert totals(store, AGREEMENT) == {
        ("hall-a", "run-1"): (3600 + 1000 + 2) * second,
        ("hall-a", "unattributed"): (100 + 1) * 2 * second,
        ("hall-a", "run-2"): (85_000 - 50_000 + 5000) * second,
    }
    assert report.slack_ms == 4 * second and sum(report.chip_ms.values()) == sum(totals(store, AGREEMENT).values())
    assert any("have not ended: charged until 2026-01-01T23:36:40Z" in note for note in report.notes)


def test_attempts_that_the_export_lacks_are_remarked(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "sacct.txt"
    path.write_text((HEADER + line("1") + line("2", nodes="b1")).replace("\n", "|1\n").replace("ExitCode|1", "ExitCode|Restarts"))
    report = import_slurm(store, AGREEMENT, path, options(tmp_path))
    assert any("2 jobs were restarted more often" in note for note in report.notes)


def test_jobs_that_run_are_charged_until_as_of(store: Store, tmp_path: Path) -> None:
    text = line("7", state="RUNNING", end="Unknown", elapsed="60")
    with pytest.raises(ImportRefused, match="times after --as-of"):
        load(store, tmp_path, text, options(tmp_path, as_of=(START + 59) * 1000))
    load(store, tmp_path, text, options(tmp_path, as_of=(START + 7000) * 1000))
    assert totals(store, AGREEMENT) == {("hall-a", "unattributed"): 7000 * 8000}


def test_a_running_job_with_an_end_is_still_running(store: Store, tmp_path: Path) -> None:
    text = line("7", state="RUNNING", end=at(10), elapsed="60") + line("8", start=at(9000), end=at(9001), nodes="b1")
    load(store, tmp_path, text)
    assert totals(store, AGREEMENT)["hall-a", "unattributed"] == 9002 * 8000


def test_a_row_without_elapsed_or_start_is_charged_from_submit(store: Store, tmp_path: Path) -> None:
    load(store, tmp_path, line("7", state="COMPLETED", start="Unknown", end=at(10), elapsed="5"))
    assert totals(store, AGREEMENT) == {("hall-a", "unattributed"): 11 * 8000}


def test_back_to_back_jobs_of_a_full_meter_fit_exactly(store: Store, tmp_path: Path) -> None:
    text = "".join(
        line(str(i), start=at(i * 1800), end=at(i * 1800 + 1800), elapsed="1800", nodes="b[1-8]", nnodes="8",
             tres="gres/gpu=64")
        for i in range(4)
    )  # fmt: skip
    report = load(store, tmp_path, text)
    usage = by_epoch(store, AGREEMENT, "hall-b")
    assert usage == {0: 3600 * 64_000, 1: 3600 * 64_000, 2: 64_000} and report.full_ms == 3 * 64_000


def test_jobs_of_less_than_a_second_are_charged_one(store: Store, tmp_path: Path) -> None:
    load(store, tmp_path, line(end=at(0), elapsed="0"))
    assert totals(store, AGREEMENT) == {("hall-a", "unattributed"): 8000}


# ---- places ----------------------------------------------------------------------------------------------


def test_unmapped_nodes_are_refused_or_charged_to_the_named_default(store: Store, tmp_path: Path) -> None:
    text = line(nodes="node[064-065]", nnodes="2", tres="gres/gpu=16")
    with pytest.raises(ImportRefused, match="node node065 is not in the node mapping") as caught:
        load(store, tmp_path, text)
    assert caught.value.line == 2 and totals(store, AGREEMENT) == {}
    load(store, tmp_path, text, options(tmp_path, default="hall-b"))
    assert totals(store, AGREEMENT) == {("hall-a", "unattributed"): 3601 * 8000, ("hall-b", "unattributed"): 3601 * 8000}


def test_a_job_over_two_chip_classes_is_charged_upward_on_both(store: Store, tmp_path: Path) -> None:
    load(store, tmp_path, line(nodes="b1,m1", nnodes="2", tres="gres/gpu=6", elapsed="3600"))
    both = totals(store, AGREEMENT)
    assert both == {("hall-b", "unattributed"): 3601 * 6000, ("hall-m", "unattributed"): 3601 * 6000}


def test_a_job_that_holds_all_its_nodes_is_split_exactly(store: Store, tmp_path: Path) -> None:
    nodes = NODES.replace("m[1-8],hall-m,8", "m[1-8],hall-m,4")
    load(store, tmp_path, line(nodes="b1,m[1-2]", nnodes="3", tres="gres/gpu=16"), options(tmp_path, nodes=nodes))
    assert totals(store, AGREEMENT) == {("hall-b", "unattributed"): 3601 * 8000, ("hall-m", "unattributed"): 3601 * 8000}


def test_whole_nodes_charges_what_accounting_does_not_know(store: Store, tmp_path: Path) -> None:
    text = line(tres="cpu=8", nodes="node[001-002]", nnodes="2")
    with pytest.raises(ImportRefused, match="AccountingStorageTRES"):
        load(store, tmp_path, text)
    load(store, tmp_path, text, options(tmp_path, whole_nodes=True))
    assert totals(store, AGREEMENT) == {("hall-a", "unattributed"): 3601 * 16_000}


def test_a_toml_node_map(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "nodes.toml"
    path.write_text('default = "hall-b"\n[[nodes]]\nnames = "node[001-064]"\nmeter = "hall-a"\ngpus = 8\n')
    nodes = read_nodes(path, None)
    assert nodes.find("node064").meter == "hall-a" and nodes.find("x").meter == "hall-b"  # type: ignore[union-attr]
    for text in ("nodes = 3", "x = 1", "[[nodes]]\nnames = 3\nmeter = 'a'", "[[nodes]]\nnames='a'\nmeter='b'\ngpus=true", "a["):
        path.write_text(text)
        with pytest.raises(ImportRefused):
            read_nodes(path, None)


# ---- times -----------------------------------------------------------------------------------------------


def test_local_time_needs_a_zone(store: Store, tmp_path: Path) -> None:
    how = SlurmOptions(Clock(), read_nodes(None, "hall-a"), read_jobs(None))
    with pytest.raises(ImportRefused, match="--timezone"):
        load(store, tmp_path, line(), how)
    load(store, tmp_path, line(start="2026-01-01T01:00:00+01:00", end="2026-01-01T02:00:00+0100").replace(f"|{at(0)}|", "||"), how)
    assert by_epoch(store, AGREEMENT, "hall-a") == {0: 3600 * 8000, 1: 8000}


BERLIN = agreement_of(METERS, start=int(dt.datetime(2025, 10, 25, 22, tzinfo=dt.UTC).timestamp()))


def _autumn(start: str, end: str, elapsed: str = "", job: str = "1", nodes: str = "node001") -> str:
    return line(job, start=f"2025-10-26T{start}", end=f"2025-10-26T{end}", elapsed=elapsed, nodes=nodes).replace(
        f"|{at(0)}|", "|2025-10-26T01:00:00|"
    )


@pytest.mark.parametrize(
    ("start", "end", "elapsed", "seconds"),
    [
        ("02:30:00", "02:40:00", "600", 3600 + 601),  # which of the two hours: both, in doubt
        ("01:30:00", "02:30:00", "3600", 7201),  # the first 02:30 for certain, up to the second in doubt
        ("01:30:00", "02:30:00", "7200", 7201),  # ElapsedRaw says the second
        ("01:30:00", "02:30:00", "", 7201),
        ("02:30:00", "03:30:00", "3600", 7201),
        ("02:30:00", "02:10:00", "2400", 2401),  # only possible over the change
    ],
)
def test_the_repeated_hour_is_charged_upward(
    store: Store, tmp_path: Path, start: str, end: str, elapsed: str, seconds: int
) -> None:
    load(store, tmp_path, _autumn(start, end, elapsed), options(tmp_path, zone="Europe/Berlin"), BERLIN)
    assert sum(totals(store, BERLIN).values()) == seconds * 8000


def test_doubt_never_fills_an_epoch_beyond_its_chips(store: Store, tmp_path: Path) -> None:
    text = "".join(_autumn("02:00:00", "02:59:59", "3599", str(i), f"b{i}") for i in range(1, 9))
    text += "".join(_autumn("02:00:00", "02:59:59", "3599", str(i + 8), f"b{i}") for i in range(1, 9))
    text = "".join(text.splitlines(keepends=True)[:8])
    report = load(store, tmp_path, text, options(tmp_path, zone="Europe/Berlin"), BERLIN)
    usage = by_epoch(store, BERLIN, "hall-b")
    assert usage == {2: 3600 * 64_000, 3: 3600 * 64_000} and report.slack_ms == (3600 + 1) * 64_000


def test_times_that_never_were_are_refused(store: Store, tmp_path: Path) -> None:
    text = line(start="2026-03-29T02:30:00", end="2026-03-29T04:30:00")
    with pytest.raises(ImportRefused, match="never was"):
        load(store, tmp_path, text, options(tmp_path, zone="Europe/Berlin"))


# ---- windows, periods, twice -----------------------------------------------------------------------------


def test_windows_tile_what_one_import_charges(store: Store, tmp_path: Path) -> None:
    text = line("1", end=at(30_000), elapsed="30000") + line("2", start=at(20_000), state="RUNNING", end="Unknown", elapsed="20000")
    cuts = [0, 3600, 25_000, 40_000]
    for a, b in zip(cuts, cuts[1:], strict=False):
        load(store, tmp_path, text, window=Window((START + a) * 1000, (START + b) * 1000))
    assert totals(store, AGREEMENT) == {("hall-a", "unattributed"): (30_001 + 20_000) * 8000}
    with pytest.raises(StoreError, match="imported before"):
        load(store, tmp_path, text, window=Window(START * 1000, (START + 3600) * 1000))


def test_what_runs_is_charged_to_the_end_of_the_window(store: Store, tmp_path: Path) -> None:
    text = line("1", state="RUNNING", end="Unknown", elapsed="3000")
    until = Window(START * 1000, (START + 3600) * 1000)
    with pytest.raises(ClaimsError, match="exported before the window ends"):
        load(store, tmp_path, text, options(tmp_path, as_of=(START + 3599) * 1000), window=until)
    load(store, tmp_path, text, window=until)
    load(store, tmp_path, line("1", end=at(7200), elapsed="7200"), window=Window((START + 3600) * 1000))
    assert totals(store, AGREEMENT) == {("hall-a", "unattributed"): 7201 * 8000}


def test_a_job_that_saves_several_checkpoints_is_split_by_time(store: Store, tmp_path: Path) -> None:
    jobs = "job,name,until,checkpoint\n1,,2026-01-01T00:10:00.5Z,one\n1,,2026-01-01T00:20:00Z,two\n,tr*,2025-01-01T00:00:00Z,old\n"
    report = load(store, tmp_path, line("1") + line("2", nodes="b1"), options(tmp_path, jobs=jobs + ",tr*,,rest\n"))
    assert totals(store, AGREEMENT) == {
        ("hall-a", "one"): 600_500 * 8, ("hall-a", "two"): 599_500 * 8, ("hall-a", "rest"): 2401 * 8000,
        ("hall-b", "rest"): 3601 * 8000,
    }  # fmt: skip
    assert any("no job fits: old" in note for note in report.notes)


def test_the_same_file_twice_is_refused_and_a_failed_one_can_be_repeated(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="node zz"):
        load(store, tmp_path, line("1") + line("2", nodes="zz"))
    assert totals(store, AGREEMENT) == {}
    load(store, tmp_path, line("1") + line("2", nodes="zz"), options(tmp_path, default="hall-a"))
    with pytest.raises(StoreError, match="imported before, as sacct.txt"):
        load(store, tmp_path, line("1") + line("2", nodes="zz"), options(tmp_path, default="hall-b"))


def test_what_lies_outside_the_agreement_is_refused_or_reported(store: Store, tmp_path: Path) -> None:
    text = line("1", start=at(-1800), end=at(1800))
    with pytest.raises(ImportRefused, match="outside the agreement's periods"):
        load(store, tmp_path, text)
    report = load(store, tmp_path, text, skip_outside=True)
    assert report.outside_ms == 1800 * 8000 and totals(store, AGREEMENT) == {("hall-a", "unattributed"): 1801 * 8000}


def test_more_gpus_than_a_meter_has_are_refused(store: Store, tmp_path: Path) -> None:
    both = line("1", nodes="b[1-8]", nnodes="8", tres="gres/gpu=64") + line("2", nodes="b1")
    with pytest.raises(ImportRefused, match="its chips have"):
        load(store, tmp_path, both)
    with pytest.raises(ImportRefused, match="on nodes that have 8"):
        load(store, tmp_path, line(tres="gres/gpu=9"))


# ---- dirty input -----------------------------------------------------------------------------------------


def test_a_bar_in_a_job_name_does_not_shift_the_columns(store: Store, tmp_path: Path) -> None:
    text = line("1", name="a|PENDING|Unknown|Unknown|Unknown|0||0|None assigned")
    load(store, tmp_path, text)
    assert totals(store, AGREEMENT) == {("hall-a", "unattributed"): 3601 * 8000}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (line(end=at(-5)), "ends before it starts"),
        (line(start="tomorrow"), "is not a time"),
        (line(nnodes="2"), "nnodes is 2, nodelist names 1"),
        (line(nodes="node[001-"), "unbalanced brackets"),
        (line("1.batch"), "step '1.batch' without its job"),
        (line(elapsed="-5x"), "not a whole number"),
        (line(elapsed="99999999999"), "more than 30 years"),
        (line("1", state="COMPLETED", nodes="None assigned"), "GPUs and no node"),
        ("1|a|COMPLETED\n", "fields where the header has"),
        (line(start="9999-12-31T23:59:59", end="Unknown", state="RUNNING", elapsed="60"), "outside|not a time"),
    ],
)
def test_dirty_rows_are_refused_with_file_and_line(store: Store, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ImportRefused, match=message) as caught:
        load(store, tmp_path, text)
    assert caught.value.source == "sacct.txt" and caught.value.line in (2, None)
    assert totals(store, AGREEMENT) == {}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"JobIDRaw|JobName\n", "column state is missing"),
        (HEADER.encode().replace(b"ExitCode", b"State"), "occurs twice"),
        (HEADER.encode() + b"\xff\n", "not UTF-8"),
        (HEADER.encode() + b"a" * 200_000, "not a table"),
    ],
)
def test_dirty_files_are_refused(store: Store, tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "sacct.txt"
    path.write_bytes(data)
    with pytest.raises(ImportRefused, match=message):
        import_slurm(store, AGREEMENT, path, options(tmp_path))


def test_mappings_refuse_idle_twins_and_strange_columns(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    for text in ("name,checkpoint\na,idle\n", "job,checkpoint\n1,a\n1,b\n", "job,name,checkpoint\n1,a,b\n",
                 "job,until,checkpoint\n1,2026-01-02T00:00:00Z,a\n1,2026-01-01T00:00:00Z,b\n",
                 "job,until,checkpoint\n1,soon,a\n", "job,cp\n1,a\n",
                 f"name,checkpoint\n{'*' * 9},a\n"):  # fmt: skip
        path.write_text(text)
        with pytest.raises(ImportRefused):
            read_jobs(path)
    for text in ("node,meter\na,m\na,m\n", "node,meter,gpus\na,m,-1\n", "node,meter,gpus\na,m,99999\n", "node,meter\n,m\n"):
        path.write_text(text)
        with pytest.raises(ImportRefused):
            read_nodes(path, None)


# ---- the whole, against an exact recomputation -----------------------------------------------------------

JOB = st.tuples(
    st.integers(0, 80_000), st.integers(0, 20_000), st.integers(1, 8), st.integers(1, 64), st.sampled_from("abm"),
    st.sampled_from(["COMPLETED", "FAILED", "RUNNING", "PREEMPTED"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(JOB, max_size=12))
def test_never_less_than_the_rows_say(tmp_path_factory: pytest.TempPathFactory, jobs: list[tuple]) -> None:
    folder = tmp_path_factory.mktemp("slurm")
    wide = agreement_of({name: (chip, 10_000) for name, (chip, _) in METERS.items()})
    text, exact = "", {"a": 0, "b": 0, "m": 0}
    last = max((start + length for start, length, *_ in jobs), default=0)
    for number, (start, length, gpus, node, kind, state) in enumerate(jobs):
        names = {"a": f"node{node:03d}", "b": f"b{node % 8 + 1}", "m": f"m{node % 8 + 1}"}[kind]
        end = "Unknown" if state == "RUNNING" else at(start + length)
        text += line(str(number), state=state, start=at(start), end=end, elapsed=str(length), nodes=names, tres=f"gres/gpu={gpus}")
        exact[kind] += gpus * (last - start if state == "RUNNING" else length) * 1000
    if not text:
        return
    with Store.create(folder / "alpha.store", "alpha") as store:
        load(store, folder, text, options(folder), wide)
        charged = totals(store, wide)
    for kind, amount in exact.items():
        found = charged.get((f"hall-{kind}", "unattributed"), 0)
        assert amount <= found <= amount + sum(8 * 1001 for job in jobs if job[4] == kind)


def test_host_lists_that_repeat_a_range_are_bounded() -> None:
    """Each range alone is within the bound; all of them would fill the memory."""
    began = time.process_time()
    with pytest.raises(HostListError, match="more than 65536 hosts"):
        expand("node[" + ",".join(["0-65534"] * 1000) + "]")
    assert time.process_time() - began < 3


def _busy_cluster(store: Store, tmp_path: Path, count: int) -> int:
    """Import so many jobs of 600 s, each all GPUs of one of 64 nodes, one after another; how many calls of Python that took."""
    epochs = count // 64 // 6 + 2
    terms = agreement_of({**METERS, "hall-a": ("h100", 512)}, epochs=epochs, periods=2)
    terms = dataclasses.replace(terms, labs=(dataclasses.replace(terms.labs[0], log_rows=22),))
    rows = (
        line(job=str(i), nodes=f"node{i % 64 + 1:03d}", start=at(i // 64 * 600), end=at(i // 64 * 600 + 600), elapsed="600")
        for i in range(count)
    )
    calls, how = 0, options(tmp_path)
    (tmp_path / "sacct.txt").write_text(HEADER + "".join(rows))

    def note(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        import_slurm(store, terms, tmp_path / "sacct.txt", how)
    finally:
        sys.setprofile(before)
    assert 1 <= sum(totals(store, terms).values()) / (count * 8 * 600 * 1000) < 1.01  # whole seconds, rounded up
    return calls


def test_work_grows_with_the_rows_and_no_faster(tmp_path: Path) -> None:
    """300,000 rows once took more than two minutes: what grows is counted, not timed."""
    needed = []
    for count in (1_000, 4_000):
        with Store.create(tmp_path / f"{count}.store", "alpha") as opened:
            needed.append(_busy_cluster(opened, tmp_path, count))
    assert needed[1] < 4.4 * needed[0], needed


@pytest.mark.slow
def test_300_000_rows(store: Store, tmp_path: Path) -> None:
    assert _busy_cluster(store, tmp_path, 300_000) < 300_000 * 200
