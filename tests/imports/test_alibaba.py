"""Cluster traces: every pod that ran is charged, shares of GPUs rounded up, to the highest peak that has room."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_world import START, agreement_of, by_epoch, totals

from claims.imports.alibaba import TraceOptions, import_trace, read_models
from claims.imports.charge import Window
from claims.imports.rows import ImportRefused
from claims.imports.tables import JobMap, read_jobs
from claims.lab.store import Store
from claims.lab.store_file import StoreError

AGREEMENT = agreement_of({"old": ("h100", 8), "new": ("mi300x", 16)}, epoch=600, epochs=60)
NODES = "sn,cpu_milli,memory_mib,gpu,model\nn0,64000,262144,8,V100M16\nn1,96000,1,8,G3\nn2,96000,1,8,G3\nn3,32000,1,0,\n"
PODS = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n"
MODELS = {"V100M16": "old", "G3": "new"}


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "alpha.store", "alpha") as opened:
        yield opened


def pod(name: str, gpus: int = 1, milli: object = 1000, spec: str = "", phase: str = "Running", created: object = 0,
        deleted: object = 99, scheduled: object = 0) -> str:  # fmt: skip
    return f"{name},4000,16384,{gpus},{milli},{spec},LS,{phase},{created},{deleted},{scheduled}\n"


def jobs_of(tmp_path: Path, text: str) -> JobMap:
    (tmp_path / "jobs.csv").write_text(text)
    return read_jobs(tmp_path / "jobs.csv")


def load(store: Store, tmp_path: Path, pods: str, *, nodes: str = NODES, header: str = PODS, window=None,
         skip_outside: bool = False, agreement=AGREEMENT, **changes: object):  # fmt: skip
    (tmp_path / "nodes.csv").write_text(nodes)
    (tmp_path / "pods.csv").write_text(header + pods)
    values = {"origin": START * 1000, "models": MODELS, "jobs": jobs_of(tmp_path, "job,checkpoint\nllm,llm-1\n")} | changes
    how = TraceOptions(**values)  # type: ignore[arg-type]
    return import_trace(store, agreement, tmp_path / "nodes.csv", tmp_path / "pods.csv", how, window=window, skip_outside=skip_outside)


def test_every_pod_has_a_fate(store: Store, tmp_path: Path) -> None:
    text = pod("llm", 8) + pod("share", milli=220) + pod("cpu", 0, 0) + pod("wait", phase="Pending", scheduled="")
    text += pod("lost", phase="Failed", scheduled="", deleted="", created=50, spec="V100M16")
    text += pod("kept", phase="Pending", scheduled=10, deleted=20, spec=r"V100M16\|P100")
    report = load(store, tmp_path, text)
    assert report.fates == {
        "(nodes) with GPUs": 3, "(nodes) without GPUs": 1, "(of these) not deleted, charged to the end": 1,
        "charged to a checkpoint": 1, "charged as unattributed": 3, "of pods that never started": 1, "without GPUs": 1,
    }  # fmt: skip
    assert totals(store, AGREEMENT) == {
        ("new", "llm-1"): 100 * 8000, ("new", "unattributed"): 100 * 1000, ("old", "unattributed"): (50 + 11) * 1000,
    }  # fmt: skip


def test_a_pod_that_stands_twice_is_charged_once_and_said(store: Store, tmp_path: Path) -> None:
    report = load(store, tmp_path, pod("a", spec="G3") + pod("b", spec="G3") + PODS + pod("a", spec="G3"))
    assert report.fates["that repeat a pod, charged once"] == 1
    assert totals(store, AGREEMENT) == {("new", "unattributed"): 200_000}
    for nodes, pods in ((NODES, ""), (NODES.splitlines()[0] + "\n", pod("a"))):
        with pytest.raises(ImportRefused, match="a header line and no rows"):
            load(store, tmp_path, pods, nodes=nodes)


def test_shares_of_a_gpu_round_up_or_are_exact_when_asked(store: Store, tmp_path: Path) -> None:
    nodes = "sn,gpu,model\nn0,1,V100M16\n"
    one = agreement_of({"old": ("h100", 1)}, epoch=600, epochs=60)
    text = "".join(pod(f"p{i}", milli=250, deleted=600) for i in range(4))
    with pytest.raises(ImportRefused, match="--exact-shares"):
        load(store, tmp_path, text, nodes=nodes, agreement=one)
    load(store, tmp_path, text, nodes=nodes, agreement=one, exact_shares=True)
    assert by_epoch(store, one, "old") == {0: 600_000, 1: 1000}


def test_free_pods_go_to_the_highest_peak_with_room(store: Store, tmp_path: Path) -> None:
    load(store, tmp_path, "".join(pod(name, 8, spec=spec, deleted=600) for name, spec in (("a", ""), ("b", "G3"), ("c", ""))))
    assert by_epoch(store, AGREEMENT, "new") == {0: 16 * 600_000, 1: 3 * 8000}
    assert by_epoch(store, AGREEMENT, "old") == {0: 8 * 600_000}


def test_a_pod_that_saves_several_checkpoints_is_split_by_time(store: Store, tmp_path: Path) -> None:
    jobs = jobs_of(tmp_path, "name,until,checkpoint\np*,2026-01-01T00:00:30Z,one\np*,2026-01-01T00:01:00Z,two\n")
    load(store, tmp_path, pod("p", milli=333, spec="G3"), jobs=jobs, exact_shares=True)
    assert totals(store, AGREEMENT) == {("new", "one"): 9990, ("new", "two"): 9990, ("new", "unattributed"): 39 * 333 + 333}
    load(store, tmp_path, pod("p9", milli=333, spec="G3", deleted=0), jobs=jobs)
    assert totals(store, AGREEMENT)["new", "one"] == 9990 + 1000


def test_a_node_column_places_a_pod_exactly(store: Store, tmp_path: Path) -> None:
    header = PODS.replace("name,", "node,name,", 1)
    load(store, tmp_path, "n0," + pod("a"), header=header)
    assert totals(store, AGREEMENT) == {("old", "unattributed"): 100_000}
    with pytest.raises(ImportRefused, match="node 'n9' is not in the node list"):
        load(store, tmp_path, "n9," + pod("a"), header=header)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (pod("a", milli=1001), "gpu_milli is 0 to 1000"),
        (pod("a", gpus=10**9), "num_gpu"),
        (pod("a", deleted=5, scheduled=9), "deleted before it starts"),
        (pod("a", scheduled="x"), "not a number"),
        (pod("a", scheduled="9" * 20), "more than 300 years"),
        (pod("a", created="", scheduled=""), "neither scheduled_time nor creation_time"),
        (pod("a", spec="H100"), "names no model"),
        (pod(""), "a pod without a name"),
        (pod("a", 8, deleted=10**6), "outside the agreement's periods"),
        (pod("a", gpus=-1), "not a whole number"),
        ("".join(pod(name, 8, deleted=600) for name in "abcd"), "no meter that it can have run on has room"),
        ("a,b\n", "fields where the header has"),
    ],
)
def test_dirty_pods_are_refused(store: Store, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ImportRefused, match=message):
        load(store, tmp_path, text)
    assert totals(store, AGREEMENT) == {}


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ("sn,gpu,model\nn0,8,T4\n", "model 'T4' has no meter"),
        ("sn,gpu,model\nn0,9,V100M16\n", "9 GPUs for meter old, which the agreement gives 8"),
        ("sn,gpu\nn0,8\n", "column model is missing"),
        ("sn,gpu,model\nn0,8,V100M16\nn0,8,G3\n", "occurs twice"),
    ],
)
def test_nodes_must_fit_the_agreement(store: Store, tmp_path: Path, nodes: str, message: str) -> None:
    with pytest.raises(ImportRefused, match=message):
        load(store, tmp_path, pod("a"), nodes=nodes)


def test_windows_tile_and_the_same_trace_is_charged_once(store: Store, tmp_path: Path) -> None:
    text = pod("a", 8, created=100, scheduled=100, deleted=5000) + pod("b", 2, deleted=900)
    for a, b in ((0, 500), (500, 1200), (1200, 36_000)):
        load(store, tmp_path, text, window=Window((START + a) * 1000, (START + b) * 1000))
    assert sum(totals(store, AGREEMENT).values()) == (4900 + 1) * 8000 + (900 + 1) * 2000
    with pytest.raises(StoreError, match="imported before"):
        load(store, tmp_path, text, window=Window(START * 1000, (START + 500) * 1000))


def test_what_lies_outside_can_be_left_out_and_is_reported(store: Store, tmp_path: Path) -> None:
    report = load(store, tmp_path, pod("a", 8, deleted=200_000), skip_outside=True)
    inside = 600 * 60 * 4
    assert sum(totals(store, AGREEMENT).values()) == inside * 8000
    assert report.outside_ms == (200_000 - inside + 1) * 8000


def test_model_maps(tmp_path: Path) -> None:
    path = tmp_path / "models.csv"
    path.write_text("model,meter\nG3,new\nG3,new\n")
    assert read_models(path) == {"G3": "new"} and read_models(None) == {}
    path.write_text("model,meter\nG3,new\nG3,old\n")
    with pytest.raises(ImportRefused, match="mapped twice"):
        read_models(path)


POD = st.tuples(st.integers(0, 9000), st.integers(0, 9000), st.integers(1, 8), st.integers(1, 1000), st.sampled_from(["", "G3", "V100M16"]))


@settings(max_examples=50, deadline=None)
@given(st.lists(POD, min_size=1, max_size=12), st.booleans())
def test_never_less_than_the_rows_say(tmp_path_factory: pytest.TempPathFactory, pods: list[tuple], exact: bool) -> None:
    folder = tmp_path_factory.mktemp("trace")
    wide = agreement_of({"old": ("h100", 200), "new": ("mi300x", 200)}, epoch=600, epochs=60)
    text, least = "", 0
    for number, (start, length, gpus, milli, spec) in enumerate(pods):
        text += pod(f"p{number}", gpus, milli, spec, created=start, scheduled=start, deleted=start + length)
        least += length * (gpus * 1000 if gpus > 1 else milli)
    with Store.create(folder / "alpha.store", "alpha") as store:
        load(store, folder, text, agreement=wide, exact_shares=exact)
        charged = sum(totals(store, wide).values())
    upper = sum((length + 1) * 1000 * gpus + 20 for _, length, gpus, _, _ in pods)
    assert least <= charged <= upper
