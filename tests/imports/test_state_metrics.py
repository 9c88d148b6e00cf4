"""Pods out of a saved /metrics of kube-state-metrics: charged as those of kubectl, and what is unclear or missing is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from import_world import START, agreement_of, totals
from test_kubernetes import job, pod

from claims.imports.charge import Charged, Window
from claims.imports.kubernetes import KubernetesOptions, import_kubernetes
from claims.imports.rows import ImportRefused
from claims.imports.tables import JobMap, NodeMap, Place, read_jobs
from claims.lab.store import Store

AGREEMENT = agreement_of({"a": ("h100", 16), "b": ("mi300x", 8)})
NODES = NodeMap({"n1": Place("a", 8), "n2": Place("a", 8), "n3": Place("b", None)})
HOUR = 3_600_000
DUMP = Path(__file__).parent / "data" / "kube-state-metrics.prom"


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "alpha.store", "alpha") as opened:
        yield opened


def series(name: str, chips: object = 8, node: str = "n1", start: int = 0, stop: int | None = 3600, *, owner: str = "",
           phase: str = "", resource: str = "nvidia_com_gpu") -> str:  # fmt: skip
    who = f'namespace="team",pod="{name}",uid="uid-{name}"'
    lines = [
        f'kube_pod_info{{{who},host_ip="10.0.0.1",node="{node}",created_by_kind="Job",created_by_name="x"}} 1',
        f"kube_pod_created{{{who}}} {float(START)!r}",
        f'kube_pod_status_phase{{{who},phase="{phase or ("Running" if stop is None else "Succeeded")}"}} 1',
        f'kube_pod_status_phase{{{who},phase="Unknown"}} 0',
        f'kube_pod_container_resource_requests{{{who},container="main",node="{node}",resource="cpu",unit="core"}} 0.5',
    ]
    if node:
        lines.append(f"kube_pod_status_scheduled_time{{{who}}} {(START + start) / 1e9:.9f}e+09")
    if stop is not None:
        lines.append(f"kube_pod_completion_time{{{who}}} {(START + stop) / 1e9:.9f}e+09")
    if owner:
        lines.append(f'kube_pod_owner{{{who},owner_kind="Job",owner_name="{owner}",owner_is_controller="true"}} 1')
    lines += [
        f'kube_pod_container_resource_{what}{{{who},container="main",node="{node}",resource="{resource}",unit="integer"}} {chips}'
        for what in ("requests", "limits")
    ]
    return "\n".join(lines) + "\n"


def load(store: Store, folder: Path, *texts: str, jobs: str = "", window: Window | None = None, nodes: NodeMap = NODES) -> Charged:
    paths = []
    for number, text in enumerate(texts):
        paths.append(folder / f"{number}.prom")
        paths[-1].write_text(text if text.startswith(("#", "{")) else f"# HELP kube_pod_info [STABLE] Information about pod.\n{text}")
    (folder / "jobs.csv").write_text("name,checkpoint\n" + jobs)
    options = KubernetesOptions(nodes, read_jobs(folder / "jobs.csv") if jobs else JobMap())
    return import_kubernetes(store, AGREEMENT, paths, options, window=window)


def test_a_dump_in_the_published_format(store: Store) -> None:
    """The sample's pods: a trainer of two containers and a sidecar on n1, one on n3 that still runs, one without GPUs, one that waits."""
    window = Window(START * 1000, START * 1000 + 2 * HOUR)
    report = import_kubernetes(store, AGREEMENT, [DUMP], KubernetesOptions(NODES, JobMap()), window=window)
    assert totals(store, AGREEMENT) == {("a", "unattributed"): 7 * 3_540_000 + 7 * 1000, ("b", "unattributed"): 4 * (2 * HOUR - 1_800_000)}
    assert report.fates == {"charged as unattributed": 2, "without chips": 1, "of pods that never started": 1}
    assert any("not charged: nvidia_com_mig_1g_10gb" in note for note in report.notes)


def test_pods_are_charged_as_those_of_kubectl(store: Store, tmp_path: Path) -> None:
    text = series("llm-0", owner="llm", start=600) + series("other", 2, "n3", stop=1800)
    text += series("cpu", 0) + series("waits", node="", stop=None)
    report = load(store, tmp_path, text, jobs="team/llm*,step-1\n")
    assert totals(store, AGREEMENT) == {("a", "step-1"): 8 * 3_000_000 + 8 * 1000, ("b", "unattributed"): 2 * 1_800_000 + 2 * 1000}
    assert report.fates == {"charged to a checkpoint": 1, "charged as unattributed": 1, "without chips": 1, "of pods that never started": 1}


def test_a_pod_of_many_dumps_is_charged_once_and_one_whose_container_ended_goes_on(store: Store, tmp_path: Path) -> None:
    window = Window(START * 1000, START * 1000 + 2 * HOUR)
    half = series("half", 2, "n3", phase="Running")
    load(store, tmp_path, series("one", stop=None), series("one"), half, window=window)
    assert totals(store, AGREEMENT) == {("a", "unattributed"): 8 * HOUR + 8000, ("b", "unattributed"): 4 * HOUR}


def test_init_containers_count_by_what_they_are(store: Store, tmp_path: Path) -> None:
    who = 'namespace="team",pod="p",uid="uid-p"'

    def init(name: str, chips: int) -> str:
        return (f'kube_pod_init_container_resource_limits{{{who},container="{name}",node="n1",resource="nvidia_com_gpu",unit="integer"}} '
                f"{chips}\n")  # fmt: skip

    beside = f'kube_pod_init_container_info{{{who},container="beside",restart_policy="Always"}} 1\n'
    load(store, tmp_path, series("p", 2) + init("before", 4) + init("beside", 1) + beside)
    assert totals(store, AGREEMENT) == {("a", "unattributed"): 4 * HOUR + 4000}


@pytest.mark.parametrize("text, message", [
    (series("p", -1), "0.prom:9: kube_pod_container_resource_requests '-1' is not a number"),
    (series("p", "NaN"), "'NaN' is not a number"), (series("p", 2.5), "'2.5' is not a whole number"),
    (series("p", 1 << 30), "is not a whole number"),
    (series("p", "9" * 99), "line 9 is malformed"), (series("p", 9), "held 9 chips of a node with 8"), (series("p", node="n9"), "no meter"),
    (series("p", start=10, stop=5), "ended before it began"), (series("p").replace(',uid="uid-p"', ""), "0.prom:2: .* no label uid"),
    (series("p").replace("kube_pod_container", "kube_other"), "which say what chips a pod holds"), ("# HELP x\n", "it shows no pods"),
    (series("p").replace("kube_pod_info{", "kube_pod_info{{"), "0.prom:2: .*malformed"), (series("p")[:-1], "cut off"),
    (series("p").replace('pod="p"', f'pod="{"p" * 400}"'), "longer than 300"), (series("p").replace("e+09", "e+99"), "is no time"),
])  # fmt: skip
def test_hostile_and_incomplete_dumps_are_refused(store: Store, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ImportRefused, match=message):
        load(store, tmp_path, text)
    assert totals(store, AGREEMENT) == {}


def test_jobs_of_kubectl_are_not_charged_beside_pods_that_may_be_theirs(store: Store, tmp_path: Path) -> None:
    import json

    items = json.dumps({"items": [job("llm", 4, 2), pod("x", 1, "n3")]})
    with pytest.raises(ImportRefused, match="would be charged twice; import pods alone"):
        load(store, tmp_path, series("llm-0", owner="llm"), items, nodes=NodeMap(NODES.places, "b"))
    assert totals(store, AGREEMENT) == {}


def test_a_large_dump_is_read_by_the_lines_that_count(store: Store, tmp_path: Path) -> None:
    """Series that are not read may hold anything: pods' labels are long, and there are many."""
    noise = 'kube_pod_labels{namespace="team",label_x="' + "y" * 100_000 + '"} 1\nnot a series at all\n'
    load(store, tmp_path, series("p") + noise)
    assert totals(store, AGREEMENT) == {("a", "unattributed"): 8 * HOUR + 8000}
