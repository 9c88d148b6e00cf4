"""Pods and Jobs: every hold of chips is charged once, from being bound to a node to its end, and what is unclear is charged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from import_world import START, agreement_of, totals

from claims.base.units import format_time
from claims.imports.charge import Window
from claims.imports.kubernetes import KubernetesOptions, import_kubernetes
from claims.imports.rows import ImportRefused
from claims.imports.tables import JobMap, NodeMap, Place, read_jobs
from claims.lab.store import Store
from claims.lab.store_file import StoreError

AGREEMENT = agreement_of({"a": ("h100", 16), "b": ("mi300x", 8)})
NODES = NodeMap({"n1": Place("a", 8), "n2": Place("a", 8), "n3": Place("b", None)})
HOUR = 3_600_000


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "alpha.store", "alpha") as opened:
        yield opened


def at(seconds: int) -> str:
    return format_time(START + seconds)


def pod(name: str, chips: object = 8, node: str = "n1", start: int = 0, stop: int | None = 3600, *, owner: str = "") -> dict[str, Any]:
    begun = {"startedAt": at(start + 5)}
    state = {"running": begun} if stop is None else {"terminated": begun | {"finishedAt": at(stop)}}
    item: dict[str, Any] = {
        "kind": "Pod", "metadata": {"name": name, "namespace": "team", "uid": f"uid-{name}", "creationTimestamp": at(0)},
        "spec": {"nodeName": node, "containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": str(chips)}}}]},
        "status": {"phase": "Running" if stop is None else "Succeeded", "containerStatuses": [{"state": state}],
                   "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at(start)}]},
    }  # fmt: skip
    if owner:
        item["metadata"]["ownerReferences"] = [{"kind": "Job", "name": owner, "uid": f"uid-{owner}", "controller": True}]
    return item


def job(name: str, chips: int = 4, parallelism: int = 2, start: int = 0, stop: int | None = 3600) -> dict[str, Any]:
    template = {"spec": {"containers": [{"resources": {"requests": {"nvidia.com/gpu": chips}}}]}}
    status = {"startTime": at(start)} | ({} if stop is None else {"completionTime": at(stop)})
    meta = {"name": name, "namespace": "team", "uid": f"uid-{name}"}
    return {"kind": "Job", "metadata": meta, "spec": {"parallelism": parallelism, "template": template}, "status": status}


def load(store: Store, tmp_path: Path, *items: object, nodes: NodeMap = NODES, jobs: str = "", window: Window | None = None,
         name: str = "pods.json"):  # fmt: skip
    (tmp_path / name).write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    (tmp_path / "jobs.csv").write_text("name,checkpoint\n" + jobs)
    options = KubernetesOptions(nodes, read_jobs(tmp_path / "jobs.csv") if jobs else JobMap())
    return import_kubernetes(store, AGREEMENT, [tmp_path / name], options, window=window)


def test_a_pod_holds_its_chips_from_being_bound_to_its_end(store: Store, tmp_path: Path) -> None:
    items = [pod("llm-0", owner="llm", start=600), pod("other", 2, "n3", stop=1800), pod("cpu", 0), pod("waits", node="")]
    report = load(store, tmp_path, *items, jobs="team/llm*,step-1\n")
    assert totals(store, AGREEMENT) == {("a", "step-1"): 8 * 3_000_000 + 8 * 1000, ("b", "unattributed"): 2 * 1_800_000 + 2 * 1000}
    assert report.fates == {"charged to a checkpoint": 1, "charged as unattributed": 1, "without chips": 1, "of pods that never started": 1}


def test_what_runs_is_charged_to_the_end_of_the_window_and_what_ended_unseen_too(store: Store, tmp_path: Path) -> None:
    odd = pod("odd", 2, "n3")
    odd["status"]["containerStatuses"] = []
    load(store, tmp_path, pod("runs", stop=None), odd, window=Window(START * 1000, START * 1000 + 2 * HOUR))
    assert totals(store, AGREEMENT) == {("a", "unattributed"): 16 * HOUR, ("b", "unattributed"): 4 * HOUR}


def test_exports_may_overlap_and_the_last_word_counts(store: Store, tmp_path: Path) -> None:
    report = load(store, tmp_path, pod("one", stop=None), pod("one"), pod("one", stop=None))
    assert totals(store, AGREEMENT) == {("a", "unattributed"): 8 * HOUR + 8000}
    assert report.fates["that repeat one, charged once"] == 2
    with pytest.raises(StoreError, match="imported before"):
        load(store, tmp_path, pod("one", stop=None), pod("one"), pod("one", stop=None))


def test_a_job_counts_where_its_pods_are_gone(store: Store, tmp_path: Path) -> None:
    there, gone = job("there"), job("gone", stop=1800)
    report = load(store, tmp_path, there, gone, pod("there-x", 4, owner="there"), nodes=NodeMap(NODES.places, "b"), jobs="team/gone,g\n")
    assert totals(store, AGREEMENT) == {("a", "unattributed"): 4 * HOUR + 4000, ("b", "g"): 8 * 1_800_000 + 8000}
    assert report.fates["Jobs, counted in their pods"] == 1
    with pytest.raises(ImportRefused, match="a Job without its pods has no node; add it to --nodes, or give --default-meter"):
        load(store, tmp_path, gone, name="again.json")


def test_init_containers_and_sidecars_and_other_resources(store: Store, tmp_path: Path) -> None:
    item = pod("p", 2)
    item["spec"]["initContainers"] = [
        {"resources": {"limits": {"nvidia.com/gpu": "4"}}}, {"restartPolicy": "Always", "resources": {"limits": {"nvidia.com/gpu": "1"}}},
    ]  # fmt: skip
    item["spec"]["containers"].append({"resources": {"limits": {"nvidia.com/mig-1g.10gb": "1"}}})
    report = load(store, tmp_path, item)
    assert totals(store, AGREEMENT) == {("a", "unattributed"): 4 * HOUR + 4000}
    assert any("not charged: nvidia.com/mig-1g.10gb" in note for note in report.notes)


def broken(change: dict[str, Any], part: str) -> dict[str, Any]:
    item = pod("p")
    item[part] = item[part] | change if isinstance(item.get(part), dict) else change
    return item


@pytest.mark.parametrize("item, message", [
    ([], "no object metadata"), (broken({"uid": ""}, "metadata"), "has no uid"), (pod("p", -1), "not a whole number"),
    (pod("p", "9" * 40), "not a whole number"), (pod("p", 9), "held 9 chips of a node with 8"),
    (pod("p", node="n9"), "node 'n9' has no meter"),
    (pod("p", start=10, stop=5), "ended before it began"), (broken({"containers": {}}, "spec"), "without chips|no items|charged"),
    (broken({"containers": [7]}, "spec"), "not an object"), (broken({"conditions": 5}, "status"), "conditions is not a list"),
    (pod("p") | {"kind": "Node"}, "kind 'Node'"), (broken({"name": "x" * 400}, "metadata"), "not a short text"),
    (job("j", 1 << 20, 1 << 20), "chips, or one"), (job("j") | {"spec": None}, "no object spec"),
])  # fmt: skip
def test_hostile_items_are_refused_by_number(store: Store, tmp_path: Path, item: object, message: str) -> None:
    try:
        load(store, tmp_path, pod("fine", 1, "n3"), item)
    except ImportRefused as error:
        assert error.line == 2 and re.search(message, str(error)), str(error)
        assert totals(store, AGREEMENT) == {}
    else:
        assert "charged" in message


@pytest.mark.parametrize("text", ["", "[]", "{", '{"items": []}', '{"items": [' + "[" * 5000, '{"items": 5}', "\xff"])
def test_other_files_are_refused(store: Store, tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ImportRefused, match="x.json"):
        import_kubernetes(store, AGREEMENT, [tmp_path / "x.json"], KubernetesOptions(NODES, JobMap()))
