"""Kubernetes: pods, and Jobs whose pods are gone, as ``kubectl get -o json`` prints them; pods also as kube-state-metrics shows them.

    pods  --GPUs of the containers, node, from being scheduled to the end of the last container--> spans  --charge--> usage
    Jobs  --pods of the template x parallelism, from startTime to completionTime--> spans, where the files have no pod of them

A pod holds its GPUs from the moment at which it is bound to a node, whatever its containers do. Times are whole seconds: the second
after the end is in doubt, and charged as far as the meter has room. What has not ended is charged to the end of the data or
--as-of. FORMATS-imports.md section 6.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from claims.agreement.model import Agreement
from claims.base.canonical import check_nesting
from claims.base.units import format_time
from claims.imports.charge import Charged, Source, Span, Window, charge, checked_meter
from claims.imports.inputs import name_of, read_input
from claims.imports.json_reader import JsonReader
from claims.imports.jsons import shown
from claims.imports.rows import Row
from claims.imports.state_metrics import PodSeries, read_pods
from claims.imports.tables import MAX_TABLE, Clock, JobMap, NodeMap
from claims.lab.store import Store

__all__ = ["RESOURCES", "KubernetesOptions", "import_kubernetes"]

RESOURCES = ("nvidia.com/gpu", "amd.com/gpu", "google.com/tpu", "habana.ai/gaudi", "gpu.intel.com/i915", "aws.amazon.com/neuron")
"""Resources that are chips, unless others are named."""
MAX_ITEMS = 1_000_000
MAX_CONTAINERS = 1000
MAX_CHIPS = 1 << 20
_ENDED = ("Succeeded", "Failed")
_CHIP_LIKE = re.compile(r"gpu|[/_]mig[-_]|tpu|neuron|gaudi")


@dataclass(frozen=True)
class KubernetesOptions:
    """How it is read.

    Attributes:
        nodes: nodes to meters; its default is the meter of Jobs without pods too.
        jobs: ``namespace/owner`` to checkpoints; the owner is the controller of a pod, such as its Job, else the pod itself.
        resources: names of resources of which one is one chip.
        as_of: Unix milliseconds when the files were exported.
    """

    nodes: NodeMap
    jobs: JobMap
    resources: tuple[str, ...] = RESOURCES
    as_of: int | None = None


@dataclass(frozen=True)
class _Hold:
    """Chips held by a pod or a Job. ``stop``: None while it goes on; ``node``: None of a Job."""

    source: Source
    owner: str
    node: str | None
    chips: int
    start: int
    stop: int | None


def import_kubernetes(
    store: Store, agreement: Agreement, paths: Sequence[Path], options: KubernetesOptions, *, window: Window | None = None,
    skip_outside: bool = False, again: bool = True,
) -> Charged:  # fmt: skip
    """Charge the chips of all pods in some files to the lab's meters, all of it or nothing.

    Raises:
        ImportRefused: naming file, item and remedy.
        StoreError: imported before, or a meter has signed.
    """
    report, window = Charged(), window or Window()
    reader, digests = _Reader(options, report), []
    for path in paths:
        data = read_input(path, MAX_TABLE)
        digests.append(hashlib.sha256(data).digest())
        reader.read(name_of(path), data)
    label = ", ".join(name_of(path) for path in paths)
    holds = reader.holds()
    end = window.open_end(label, (reader.late, reader.late), options.as_of)
    spans = [span for hold in holds for span in _spans(agreement, store.lab, hold, options, end, report)]
    going = sum(hold.stop is None for hold in holds)
    if going:
        report.notes.append(f"{going} pods or Jobs have not ended: charged until {format_time(end // 1000)}")
    charge(
        store, agreement, spans, kind="kubernetes", label=label, files=digests, report=report, window=window,
        skip_outside=skip_outside, again=again,
    )  # fmt: skip
    return report


def _spans(agreement: Agreement, lab: str, hold: _Hold, options: KubernetesOptions, end: int, report: Charged) -> Iterator[Span]:
    place = options.nodes.find(hold.node) if hold.node is not None else None
    meter = options.nodes.default if hold.node is None else place and place.meter
    if meter is None:
        what = f"node {hold.node[:60]!r} has no meter" if hold.node is not None else "a Job without its pods has no node"
        raise hold.source.refuse(what, "add it to --nodes, or give --default-meter")
    if place is not None and place.gpus is not None and hold.chips > place.gpus:
        raise hold.source.refuse(f"it held {hold.chips} chips of a node with {place.gpus}", "correct gpus in --nodes")
    checked_meter(agreement, lab, meter, hold.source)
    stop = max(end, hold.start) if hold.stop is None else hold.stop
    pieces = options.jobs.pieces(hold.owner, hold.owner, hold.start, stop)
    last = options.jobs.pieces(hold.owner, hold.owner, stop, stop + 1)[-1][0]
    report.count("charged to a checkpoint" if any(label for label, _, _ in pieces) or last else "charged as unattributed")
    for label, start, until in pieces:
        yield Span(hold.source, meter, label, start, until, Fraction(hold.chips))
    if hold.stop is not None:
        yield Span(hold.source, meter, last, stop, stop + 1000, Fraction(hold.chips), slack=True)


class _Reader:
    """Reads files item by item and keeps of each what it is charged by. ``late``: the latest time that they know, Unix ms."""

    def __init__(self, options: KubernetesOptions, report: Charged) -> None:
        self._options, self._report = options, report
        self._pods: dict[str, _Hold | None] = {}
        self._jobs: dict[str, _Hold | None] = {}
        self._with_pods: set[str] = set()
        self._others: set[str] = set()
        self._metrics: Source | None = None
        self.late = 0

    def holds(self) -> list[_Hold]:
        """What was held, each pod once, and each Job of which there is no pod."""
        for uid in self._jobs.keys() & self._with_pods:
            self._report.count("Jobs, counted in their pods")
            del self._jobs[uid]
        if self._metrics is not None and any(self._jobs.values()):
            what = "its pods do not say to which Jobs of the other files they belong, which would be charged twice"
            raise self._metrics.refuse(what, "import pods alone: kubectl get pods -A -o json")
        if self._others:
            self._report.notes.append(f"not charged: {', '.join(sorted(self._others)[:8])} (--resource NAME charges one as a chip)")
        return [hold for hold in (*self._pods.values(), *self._jobs.values()) if hold is not None]

    def read(self, name: str, data: bytes) -> None:
        """One file: what kube-state-metrics prints, or else kubectl. Raises ImportRefused."""
        if data.startswith((b"# ", b"kube_")):
            self._metrics = Source(name)
            for pod in read_pods(name, data):
                self._check_room(pod.source)
                self._keep(self._pods, pod.uid, self._pod_of_series(pod))
            return
        whole, count = Source(name), 0
        try:
            check_nesting(data)
            reader = JsonReader(data.decode("utf-8-sig"))
            for key in reader.keys():
                if key != "items":
                    reader.value()
                    continue
                for item in reader.items():
                    count += 1
                    self._note(Source(name, count), item)
        except (ValueError, RecursionError) as error:
            raise whole.refuse(f"not the JSON of kubectl: {str(error)[:100]}", "export with kubectl get pods -A -o json") from None
        if not count:
            raise whole.refuse("it has no items", "was it exported for all namespaces (-A)?")

    def _check_room(self, source: Source) -> None:
        if len(self._pods) + len(self._jobs) >= MAX_ITEMS:
            raise source.refuse(f"more than {MAX_ITEMS} pods and Jobs", "import fewer files at a time")

    def _note(self, source: Source, item: Any) -> None:
        self._check_room(source)
        meta, kind = _table(item, "metadata", source), item.get("kind")
        uid = _text(meta, "uid", source)
        if kind not in ("Pod", "Job") or not uid:
            what = "it has no uid" if kind in ("Pod", "Job") else f"it is of kind {shown(kind)!r}, not a pod or a Job"
            raise source.refuse(what, "export pods and Jobs: kubectl get pods,jobs -A -o json")
        if kind == "Job":
            self._keep(self._jobs, uid, self._job(source, item, meta))
            return
        owners = (one for one in _list(meta, "ownerReferences", source) if isinstance(one, dict))
        owner = next((one for one in owners if one.get("controller") is True), None)
        if owner is not None:
            self._with_pods.add(_text(owner, "uid", source))
        self._keep(self._pods, uid, self._pod(source, item, meta, owner))

    def _keep(self, held: dict[str, _Hold | None], uid: str, hold: _Hold | None) -> None:
        """Of one that stands in several exports, what is known last: one that has ended."""
        known = held.get(uid)
        if uid in held:
            self._report.count("that repeat one, charged once")
        if known is None or (hold is not None and (hold.stop is not None, hold.stop or 0) > (known.stop is not None, known.stop or 0)):
            held[uid] = hold

    def _pod(self, source: Source, item: dict[str, Any], meta: dict[str, Any], owner: dict[str, Any] | None) -> _Hold | None:
        spec, status = _table(item, "spec", source), _table(item, "status", source)
        created = self._moment(source, meta, "creationTimestamp")
        bound = next((one for one in _list(status, "conditions", source) if isinstance(one, dict) and one.get("type") == "PodScheduled"
                      and one.get("status") == "True"), {})  # fmt: skip
        start = self._moment(source, bound, "lastTransitionTime") or self._moment(source, status, "startTime") or created
        stop = self._pod_end(source, meta, status)
        chips, node = self._chips(source, spec), _text(spec, "nodeName", source)
        return self._held(source, f"{_text(meta, 'namespace', source)}/{_text(owner or meta, 'name', source)}", node, chips, start, stop)

    def _pod_of_series(self, pod: PodSeries) -> _Hold | None:
        resources = {re.sub(r"[^a-zA-Z0-9_]", "_", name) for name in self._options.resources}
        self._others |= {name[:60] for _, _, name in pod.amounts if name not in resources and _CHIP_LIKE.search(name)}
        self.late = max(self.late, *pod.times.values(), 0)
        start = next((pod.times[key] for key in ("bound", "started", "created") if key in pod.times), None)
        stop = None
        if pod.phase in _ENDED:
            stop = pod.times.get("completed")
            if stop is None:
                stop = pod.times.get("deleted")
                self._report.count("(of these) ended, without a time")
        return self._held(pod.source, f"{pod.namespace}/{pod.owner or pod.name}", pod.node, pod.chips(resources), start, stop)

    def _held(self, source: Source, owner: str, node: str, chips: int, start: int | None, stop: int | None) -> _Hold | None:
        """What a pod holds, where it holds anything. Raises ImportRefused."""
        if not chips:
            self._report.count("without chips")
            return None
        if not node:
            self._report.count("of pods that never started")
            return None
        if start is None:
            raise source.refuse("it has no time at which it began", "export whole pods, and all of their series")
        if stop is not None and stop < start:
            raise source.refuse("it ended before it began", "correct a copy of the file")
        return _Hold(source, owner, node, chips, start, stop)

    def _pod_end(self, source: Source, meta: dict[str, Any], status: dict[str, Any]) -> int | None:
        """When the last container ended; None while the pod goes on. One that ended and does not say when goes on, too."""
        ended = []
        for key in ("containerStatuses", "initContainerStatuses"):
            for one in _list(status, key, source):
                state = _table(_table(one, "state", source, {}), "terminated", source, {}) if isinstance(one, dict) else {}
                ended.append(self._moment(source, state, "finishedAt"))
        last = max((moment for moment in ended if moment is not None), default=None)
        if status.get("phase") not in _ENDED:
            return None
        if last is None:
            last = self._moment(source, meta, "deletionTimestamp")
            self._report.count("(of these) ended, without a time")
        return last

    def _job(self, source: Source, item: dict[str, Any], meta: dict[str, Any]) -> _Hold | None:
        spec, status = _table(item, "spec", source), _table(item, "status", source, {})
        self._moment(source, meta, "creationTimestamp")
        pod = _table(_table(spec, "template", source), "spec", source)
        chips = self._chips(source, pod) * _whole(spec.get("parallelism", 1), "parallelism", source)
        start, stop = self._moment(source, status, "startTime"), self._moment(source, status, "completionTime")
        failed = [one for one in _list(status, "conditions", source) if isinstance(one, dict) and one.get("type") == "Failed"]
        if stop is None and failed:
            stop = self._moment(source, failed[0], "lastTransitionTime")
        if not chips or start is None:
            self._report.count("without chips" if not chips else "of Jobs that never started")
            return None
        if chips > MAX_CHIPS or (stop is not None and stop < start):
            raise source.refuse(f"a Job with {chips} chips, or one that ended before it began", "correct a copy of the file")
        return _Hold(source, f"{_text(meta, 'namespace', source)}/{_text(meta, 'name', source)}", None, chips, start, stop)

    def _chips(self, source: Source, spec: dict[str, Any]) -> int:
        """Chips that a pod holds: of its containers and of what runs beside them, or of the largest one that runs before."""
        together, before = 0, 0
        for key in ("containers", "initContainers"):
            containers = _list(spec, key, source)
            if len(containers) > MAX_CONTAINERS:
                raise source.refuse(f"more than {MAX_CONTAINERS} containers")
            for one in containers:
                if not isinstance(one, dict):
                    raise source.refuse("a container is not an object")
                amount = self._container(source, one)
                if key == "containers" or one.get("restartPolicy") == "Always":
                    together += amount
                else:
                    before = max(before, amount)
        return max(together, before)

    def _container(self, source: Source, container: dict[str, Any]) -> int:
        resources = _table(container, "resources", source, {})
        both = [_table(resources, key, source, {}) for key in ("limits", "requests")]
        names = {name for one in both for name in one}
        self._others |= {name[:60] for name in names - {*self._options.resources} if _CHIP_LIKE.search(name)}
        return sum(max(_whole(one.get(name, 0), name, source) for one in both) for name in names & {*self._options.resources})

    def _moment(self, source: Source, table: dict[str, Any], key: str) -> int | None:
        text = _text(table, key, source)
        if not text:
            return None
        moment = Clock().moments(Row(source.name, source.line or 0, {key: text}), key)[0]
        self.late = max(self.late, moment)
        return moment


def _table(value: Any, key: str, source: Source, default: dict[str, Any] | None = None) -> dict[str, Any]:
    found = value.get(key, default) if isinstance(value, dict) else None
    found = default if found is None else found
    if not isinstance(found, dict):
        raise source.refuse(f"it has no object {key}", "export with kubectl get pods,jobs -A -o json")
    return found


def _list(table: dict[str, Any], key: str, source: Source) -> list[Any]:
    found = table.get(key) or []
    if not isinstance(found, list):
        raise source.refuse(f"{key} is not a list")
    return found


def _text(table: dict[str, Any], key: str, source: Source) -> str:
    found = table.get(key) or ""
    if not isinstance(found, str) or len(found) > 300:
        raise source.refuse(f"{key} {shown(found)!r} is not a short text")
    return found


def _whole(value: Any, what: str, source: Source) -> int:
    number = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,7}", value) else value
    if type(number) is not int or not 0 <= number <= MAX_CHIPS:
        raise source.refuse(f"{what[:60]} {shown(value)!r} is not a whole number up to {MAX_CHIPS}")
    return number
