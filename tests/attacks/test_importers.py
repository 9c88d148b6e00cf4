"""Attempts to be charged too little through an importer, and honest exports that are a mess. Each stays as it was tried.

A lab chooses its files; what it cannot choose is that a doubt is charged upward, that what is left out is said, and that
work is bounded. ``charged`` is in chip-seconds, of 8-GPU nodes n1 to n8 unless said otherwise.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from import_world import agreement_of, totals

from claims.base.errors import ClaimsError
from claims.collect.errors import PollFailed
from claims.collect.samples import Labels, read_chips
from claims.imports.alibaba import TraceOptions, import_trace
from claims.imports.charge import Charged, Window
from claims.imports.checkpoint_list import ListOptions, import_checkpoint_list
from claims.imports.exposition import NotExposition, parse_exposition
from claims.imports.mllog import MllogOptions, import_mllog
from claims.imports.slurm import import_slurm
from claims.imports.slurm_rows import SlurmOptions
from claims.imports.tables import Clock, JobMap, read_jobs, read_nodes
from claims.imports.trainer import TrainerOptions, import_trainer_states
from claims.lab.store import Store

T0 = 1_772_323_200  # 2026-03-01T00:00:00Z
AGREEMENT = agreement_of({"hall": ("h100", 64)}, start=T0, epochs=720, periods=12)
COLUMNS = "JobIDRaw|JobName|State|Submit|Start|End|ElapsedRaw|AllocTRES|NNodes|NodeList"
HOUR = 8 * 3601
"""Eight GPUs for an hour, and the second after it."""


class Lab:
    """A store, and what was imported into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report = Charged()
        self.store = Store.create(folder / "alpha.store", "alpha")

    def file(self, name: str, data: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def slurm(self, data: str | bytes, *, jobs: str = "", nodes: str = "node,meter,gpus\nn[1-8],hall,8\n", zone: str = "UTC",
              window: Window | None = None, **rest: object) -> float:  # fmt: skip
        options = SlurmOptions(
            Clock.of(zone), read_nodes(self.file("nodes.csv", nodes), None),
            read_jobs(self.file("jobs.csv", "job,name,until,checkpoint\n" + jobs)), **rest,  # type: ignore[arg-type]
        )  # fmt: skip
        self.report = import_slurm(self.store, AGREEMENT, self.file("sacct.txt", data), options, window=window)
        return self.charged()

    def mllog(self, data: str | bytes, **rest: object) -> float:
        options = MllogOptions("hall", 8, JobMap(), **rest)  # type: ignore[arg-type]
        self.report = import_mllog(self.store, AGREEMENT, [self.file("log.txt", data)], options)
        return self.charged()

    def listed(self, text: str, **rest: object) -> float:
        options = ListOptions("llm", T0 * 1000, Fraction(1), None, "hall", 8, **rest)  # type: ignore[arg-type]
        self.report = import_checkpoint_list(self.store, AGREEMENT, self.file("list.csv", text), options)
        return self.charged()

    def by(self) -> dict[str, float]:
        return {label: amount / 1000 for (_, label), amount in totals(self.store, AGREEMENT).items()}

    def charged(self) -> float:
        return sum(self.by().values())


@pytest.fixture
def lab(tmp_path: Path):
    lab = Lab(tmp_path)
    yield lab
    lab.store.close()


def row(job: object = 1, *, tres: str = "gres/gpu=8,node=1", node: str = "n1", start: object = T0, end: object = T0 + 3600,
        state: str = "COMPLETED", elapsed: object = "", name: str = "train", nnodes: str = "", submit: object = "") -> str:  # fmt: skip
    return f"{job}|{name}|{state}|{submit}|{start}|{end}|{elapsed}|{tres}|{nnodes}|{node}\n"


def sacct(*rows: str) -> str:
    return COLUMNS + "\n" + "".join(rows)


def event(key: str, second: int) -> str:
    return ":::MLLOG " + json.dumps({"time_ms": (T0 + second) * 1000, "event_type": "X", "key": key, "value": None}) + "\n"


RUN = event("run_start", 10) + event("run_stop", 110)


# ---- Slurm: a lab that wants to be charged less ------------------------------------------------------------

TWO_HOURS = Window(T0 * 1000, (T0 + 7200) * 1000)
BERLIN = {"zone": "Europe/Berlin"}
SLICES = "gres/gpu:h100_1g.10gb=1,gres/gpu=1"
REORDERED = "NodeList|AllocTRES|End|Start|State|JobName|JobIDRaw\n" + f"n1|gres/gpu=8|{T0 + 3600}|{T0}|FAILED|x|1\n"
SLURM = [
    ("whole GPUs called slices", sacct(row(tres="gres/gpu:h100_1g.10gb=8,gres/gpu=8")), {}, HOUR),
    ("slices hidden behind a smaller total", sacct(row(tres="gres/gpu:h100_1g.10gb=8,gres/gpu=1")), {}, HOUR),
    ("types hidden behind a smaller total", sacct(row(tres="gres/gpu:h100=8,gres/gpu=1")), {}, HOUR),
    ("a share beside whole GPUs", sacct(row(tres="gres/gpu=4,gres/shard=4")), {}, HOUR),
    ("the same job's row again, ending earlier", sacct(row(), row(end=T0 + 5)), {}, HOUR),
    ("the same job's row again, first ending earlier", sacct(row(end=T0 + 5), row()), {}, HOUR),
    ("a negative elapsed time of a job that waits", sacct(row(state="PENDING", start="Unknown", submit=T0, elapsed=-5)), {}, HOUR),
    ("an elapsed time of nothing", sacct(row(elapsed=0)), {}, HOUR),
    ("no start", sacct(row(start="Unknown", submit=T0)), {}, HOUR),
    ("a name that looks like a header", sacct(row(name=COLUMNS)), {}, HOUR),
    ("a name that looks like a row that never started", sacct(row(name="a|PENDING||Unknown|Unknown|0|||None assigned")), {}, HOUR),
    ("a header of other columns, then the row", sacct(row(2, node="n2")) + REORDERED, {}, 2 * HOUR),
    ("a job that was suspended", sacct(row(state="SUSPENDED", end="Unknown", elapsed=3600)), {}, 28800),
    ("a job that runs, to the window's end", sacct(row(state="RUNNING", end="Unknown", elapsed=5)), {"window": TWO_HOURS}, 8 * 7200),
    ("whole nodes, one of them with a CPU job", sacct(row(tres="cpu=1"), row(2, tres="cpu=1", end=T0 + 60)), {"whole_nodes": True}, HOUR),
    ("whole nodes, jobs that wait with nodes", sacct(row(state="PENDING", tres="cpu=1")), {"whole_nodes": True}, HOUR),
    ("seconds that are no seconds", sacct(row(end=T0)), {}, 8),
    ("fifty-six slices", sacct(*[row(n, tres=SLICES) for n in range(56)]), {}, HOUR),
    ("slices that follow one another", sacct(*[row(n, tres=SLICES, start=n + T0, end=n + T0 + 1) for n in range(9)]), {}, 2 * 9),
    ("slices over two nodes", sacct(row(tres="gres/gpu:h100_1g.10gb=9,gres/gpu=9", node="n[1-2]")), {}, 9 * 3601),
    ("the hour that clocks repeat", sacct(row(start="2026-10-25T02:30:00", end="2026-10-25T02:40:00")), BERLIN, 8 * (4200 + 1)),
]  # fmt: skip


@pytest.mark.parametrize(("what", "text", "how", "least"), SLURM, ids=[case[0] for case in SLURM])
def test_slurm_charges_no_less(lab: Lab, what: str, text: str, how: dict, least: float) -> None:
    assert lab.slurm(text, **how) == least


REFUSED = [
    ("two headers, the second without GPUs' column", sacct(row(2, node="n2")) + "JobIDRaw|JobName|State\n3|x|COMPLETED\n"),
    ("a header alone", sacct()),
    ("steps alone", sacct(row("7.batch"))),
    ("GPUs that no account knows", sacct(row(tres="cpu=8"))),
    ("a column cut off", sacct(row(node="n[1-"))),
    ("fewer nodes named than held", sacct(row(nnodes="2"))),
    ("a count with a letter", sacct(row(tres="gres/gpu=8K"))),
    ("more GPUs than the node is said to have", sacct(row(tres="gres/gpu=9"))),
    ("more slices than the node can have", sacct(row(tres="gres/gpu:h100_1g.10gb=57,gres/gpu=57"))),
    ("it ends before it starts", sacct(row(end=T0 - 1))),
    ("it ends before it starts, and says so", sacct(row(end=T0 - 16, elapsed=-16))),
    ("a node that nobody counts", sacct(row(node="x9"))),
    ("half a gzip file", gzip.compress(sacct(row(), row(2, node="n2")).encode())[:-12]),
    ("JSON without its end", json.dumps({"jobs": []})[:-1]),
    ("JSON with jobs that are none", '{"jobs": [null]}'),
    ("JSON beside a table", json.dumps({"jobs": []}) + "\n" + sacct(row())),
]


@pytest.mark.parametrize(("what", "data"), REFUSED, ids=[case[0] for case in REFUSED])
def test_slurm_refuses_what_may_hide_jobs(lab: Lab, what: str, data: str | bytes) -> None:
    with pytest.raises(ClaimsError) as caught:
        lab.slurm(data)
    assert "sacct.txt" in str(caught.value) and lab.charged() == 0


def test_a_small_mapping_is_remarked(lab: Lab) -> None:
    """Nodes said to be small bound what shared jobs are charged: the report says so."""
    assert lab.slurm(sacct(*[row(n, tres=SLICES) for n in range(7)]), nodes="node,meter,gpus\nn1,hall,1\n") == 3601
    assert any("knows 1 GPUs of meter hall, which has 64 chips" in note for note in lab.report.notes)


def test_slices_of_another_checkpoint_take_nothing_from_whole_gpus(lab: Lab) -> None:
    rows = [row(1, tres="gres/gpu=8"), *[row(n, tres=SLICES) for n in range(2, 50)]]
    lab.slurm(sacct(*rows), jobs="1,,,big\n,train,,small\n")
    assert lab.by()["big"] == HOUR


def test_sharing_a_node_gives_a_checkpoint_nothing_away(lab: Lab) -> None:
    """Who had the GPU is in doubt: no other checkpoint gets it, it is unattributed."""
    lab.slurm(sacct(row(1, tres="cpu=1"), row(2, tres="cpu=1")), jobs="1,,,big\n2,,,small\n", whole_nodes=True)
    assert lab.by() == {"unattributed": HOUR}


def test_two_windows_charge_what_one_does(lab: Lab) -> None:
    text = sacct(*[row(n, tres=SLICES, start=T0 + 100 * n, end=T0 + 5000 + 100 * n) for n in range(20)])
    whole = Lab(lab.folder / "whole") if (lab.folder / "whole").mkdir() is None else lab
    total = whole.slurm(text)
    whole.store.close()
    for begin, end in ((0, 1777), (1777, 5001), (5001, 20_000)):
        lab.slurm(text, window=Window((T0 + begin) * 1000, (T0 + end) * 1000))
    assert lab.charged() >= total


# ---- Slurm: an honest operator with a mess -----------------------------------------------------------------

RESIZED = row(start=T0 + 3600, end=T0 + 7200, node="n[1-2]", tres="gres/gpu=16")
MESS = [
    ("windows lines", sacct(row()).replace("\n", "\r\n"), HOUR),
    ("a byte order mark", b"\xef\xbb\xbf" + sacct(row()).encode(), HOUR),
    ("a bar at each line's end", sacct(row()).replace("\n", "|\n"), HOUR),
    ("empty lines", sacct("\n", row(), "\n\n").replace("|n1\n", "|n1\n\n"), HOUR),
    ("daily exports joined", sacct(row()) + sacct(row(2, node="n2")) + sacct(row(), row(2, node="n2")), 2 * HOUR),
    ("columns in another order", REORDERED, HOUR),
    ("columns that nobody asked for", "Foo|" + COLUMNS + "\nbar|" + row(), HOUR),
    ("memory and use of GPUs as resources", sacct(row(tres="gres/gpu=8,gres/gpumem=5G,gres/gpuutil=7,mem=8G")), HOUR),
    ("cancelled by someone", sacct(row(state="CANCELLED by 1000")), HOUR),
    ("a job that was resized", sacct(row(state="RESIZING"), RESIZED), HOUR + 16 * 3601),
    ("compressed", gzip.compress(sacct(row()).encode()), HOUR),
    ("two compressed files joined", gzip.compress(sacct(row()).encode()) + gzip.compress(row(2, node="n2").encode()), 2 * HOUR),
    ("local times", sacct(row(start="2026-03-01T00:00:00", end="2026-03-01T01:00:00")), HOUR),
    ("times with an offset", sacct(row(start="2026-03-01T01:00:00+01:00", end="2026-03-01T01:00:00Z")), HOUR),
]  # fmt: skip


@pytest.mark.parametrize(("what", "data", "right"), MESS, ids=[case[0] for case in MESS])
def test_messy_exports_of_slurm_are_read(lab: Lab, what: str, data: str | bytes, right: float) -> None:
    assert lab.slurm(data) == right


# ---- MLLOG -------------------------------------------------------------------------------------------------

TORN = ':::MLLOG {"time_ms": 1'
LOGS = [
    ("the stop lost, with its key", event("run_start", 10) + event("eval", 60) + event("run_stop", 110)[:-8], None),
    ("the stop lost, without its key", event("run_start", 10) + event("run_stop", 110)[:45] + "\n" + event("eval", 200), 190),
    ("the start lost, with its key", event("eval", 0) + event("run_start", 10)[:-8] + "\n" + event("run_stop", 110), None),
    ("the start lost, without its key", event("eval", 0) + event("run_start", 10)[:45] + "\n" + event("run_stop", 110), None),
    ("start and stop lost, without keys", event("eval", 0) + RUN + TORN + "\n" + TORN + "\n" + event("eval", 400), 400),
    ("a key in other letters", event("eval", 0) + RUN + ':::MLLOG {"key": "run\\u005fstart", "val\n' + event("eval", 400), 400),
    ("a key inside metadata", event("eval", 0) + RUN + ':::MLLOG {"metadata": {"key": "x"}, "time\n' + event("eval", 400), 400),
    ("a mark that is spoilt", RUN + event("run_start", 200).replace(":::MLLOG", "::MLLOG") + event("eval", 400), None),
    ("a line too long to read", RUN.replace('"value": null', '"value": "' + "x" * (1 << 20) + '"', 1), None),
    ("deep nesting before the key", ':::MLLOG {"value": ' + "[" * 999 + "\n" + event("eval", 0) + RUN, 110),
    ("runs of two processes, glued", (event("run_start", 10) + event("run_start", 8) + event("run_stop", 110)).replace("\n", ""), 102),
    ("a stop that comes late", RUN + event("run_start", 200) + event("run_stop", 120) + event("run_stop", 300), 210),
    ("a stop long before the rest", event("run_start", 10) + event("run_stop", 110) + event("run_stop", 11), 100),
    ("no stop at all", event("run_start", 10) + "\n".join([TORN] * 3) + "\n" + event("eval", 500), 490),
    ("colours and a launcher's prefix", "".join(f"\x1b[31m7: {line}\x1b[0m\n" for line in RUN.splitlines()), 100),
    ("windows lines", RUN.replace("\n", "\r\n"), 100),
    ("bytes that are no text", RUN.replace("null", '"\udcff"', 1).encode("utf-8", "surrogateescape"), 100),
    ("compressed", gzip.compress(RUN.encode()), 100),
]


@pytest.mark.parametrize(("what", "data", "seconds"), LOGS, ids=[case[0] for case in LOGS])
def test_logs_are_charged_no_less_or_refused(lab: Lab, what: str, data: str | bytes, seconds: int | None) -> None:
    if seconds is None:
        with pytest.raises(ClaimsError, match=r"log.txt:[0-9]+: .*run"):
            lab.mllog(data)
        assert lab.charged() == 0
    else:
        assert lab.mllog(data) == 8 * seconds


# ---- checkpoint lists, traces, trainer states --------------------------------------------------------------

LISTS = [
    ("steps that were trained twice", "step\n100\n200\n100\n200\n", {}, 8 * 400),
    ("rows joined with their header", "step,run_id\n100,a\n200,a\nstep,run_id\n200,a\n300,a\n", {}, 8 * 300),
    ("a run that changes and changes back", "step,run_id\n100,a\n200,b\n300,a\n", {"restart_seconds": Fraction(60)}, 8 * (400 + 120)),
    ("a list that begins late", "step\n100000\n", {}, 8 * 100_000),
    ("steps that go down", "step,run_id\n300,a\n100,b\n", {}, 8 * 400),
]


@pytest.mark.parametrize(("what", "text", "how", "right"), LISTS, ids=[case[0] for case in LISTS])
def test_lists_charge_every_step(lab: Lab, what: str, text: str, how: dict, right: float) -> None:
    assert lab.listed(text, **how) == right


PODS = "name,num_gpu,gpu_milli,gpu_spec,pod_phase,creation_time,deletion_time,scheduled_time\n"
TRACES = [
    ("a share of nothing", "a,1,0,,Running,0,100,0\n", 101),
    ("a share of a GPU", "a,1,1,,Running,0,100,0\n", 101),
    ("a pod twice, one longer", "a,1,1000,,Running,0,100,0\na,1,1000,,Running,0,200,0\n", 302),
    ("a pod that failed before it was scheduled", "a,1,1000,,Failed,0,100,\n", 101),
    ("a pod that was not deleted", "a,1,1000,,Running,0,,0\nb,1,1000,,Running,0,300,0\n", 300 + 301),
]


@pytest.mark.parametrize(("what", "text", "right"), TRACES, ids=[case[0] for case in TRACES])
def test_traces_charge_every_pod(lab: Lab, what: str, text: str, right: float) -> None:
    nodes = lab.file("n.csv", "sn,gpu,model\nn1,8,G3\n")
    options = TraceOptions(T0 * 1000, {"G3": "hall"}, JobMap())
    import_trace(lab.store, AGREEMENT, nodes, lab.file("p.csv", PODS + text), options)
    assert lab.charged() >= right - 1


@pytest.mark.parametrize("flos", ["Infinity", "-Infinity", "NaN", "1e400", '"5"', "-5", "[5]", "true"])
def test_claims_that_are_no_numbers_are_refused(lab: Lab, flos: str) -> None:
    path = lab.file("trainer_state.json", '{"global_step": 5, "log_history": [], "total_flos": FLOS}'.replace("FLOS", flos))
    with pytest.raises(ClaimsError, match="trainer_state.json: total_flos"):
        import_trainer_states(lab.store, AGREEMENT, [path], TrainerOptions("x", "hall", 8, T0 * 1000, T0 * 1000 + 3_600_000))
    assert lab.charged() == 0


# ---- the collector -----------------------------------------------------------------------------------------

BUSY = 'DCGM_FI_DEV_GPU_UTIL{UUID="g"} 90\n'
ZERO = 'DCGM_FI_DEV_GPU_UTIL{UUID="g"} 0\nDCGM_FI_PROF_PIPE_TENSOR_ACTIVE{UUID="g"} %s\n'
ANSWERS: list[tuple[str, str]] = [
    ("a value that is none", ZERO % "nan"),
    ("a value that is none, in capitals", ZERO % "NAN"),
    ("infinity", ZERO % "inf"),
    ("a word", ZERO % "idle"),
    ("a negative share", ZERO % "-0.5"),
    ("a hexadecimal number", ZERO % "0x1p-2"),
    ("an old sample", ZERO % "0 1"),
    ("an old sample in seconds", ZERO % "0 1.5" + "# EOF\n"),
    ("milliseconds where seconds are due", ZERO % f"0 {T0}000" + "# EOF\n"),
    ("a busy chip behind the end", ZERO % "0" + "# EOF\n" + BUSY),
    ("a busy chip glued to an idle one", (ZERO % "0").rstrip("\n") + BUSY),
    ("a busy chip in an exemplar", (ZERO % "0").rstrip("\n") + " # " + BUSY),
    ("a busy chip in a comment of the last line", (ZERO % "0").rstrip("\n") + " # {" + BUSY),
    ("a busy chip whose line is cut off", ZERO % "0" + BUSY[:-1]),
    ("another exporter", "amd_gpu_util 0\n"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "text"), ANSWERS, ids=[case[0] for case in ANSWERS])
def test_no_answer_makes_a_chip_idle_that_may_be_busy(what: str, text: str) -> None:
    try:
        chips, trouble = read_chips(parse_exposition(text.encode()), Labels(), T0 * 1000, 30_000, need_counter=False)
    except (PollFailed, NotExposition):
        return
    assert trouble and all(seen.busy for seen in chips.values())


# ---- work is bounded ---------------------------------------------------------------------------------------

HEAVY: list[tuple[str, Callable[[], str]]] = [
    ("nodes without end", lambda: sacct(*[row(n, node=f"a{n}[1-60000]") for n in range(20)])),
    ("brackets without end", lambda: sacct(row(node="n" + "[1-9]" * 2000))),
    ("an open bracket without end", lambda: sacct(row(node="[" * 100_000))),
    ("a field without end", lambda: sacct(row(name="x" * 200_000))),
    ("JSON without end", lambda: '{"jobs": ' + "[" * 100_000),
    ("JSON of one long number", lambda: '{"jobs": [{"job_id": ' + "9" * 100_000 + "}]}"),
]


@pytest.mark.parametrize(("what", "make"), HEAVY, ids=[case[0] for case in HEAVY])
def test_heavy_files_are_refused(lab: Lab, what: str, make: Callable[[], str]) -> None:
    with pytest.raises(ClaimsError):
        lab.slurm(make())
    assert lab.charged() == 0
