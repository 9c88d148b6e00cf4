"""Cluster traces in the shape of Alibaba's cluster-trace-gpu-v2023: a list of nodes and a list of pods.

    nodes  sn, cpu_milli, memory_mib, gpu, model
    pods   name, cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec, qos, pod_phase, creation_time, deletion_time, scheduled_time

Models are mapped to meters. The trace does not say on which node a pod ran: each epoch of it is charged to the meters
that its gpu_spec allows, the highest peak first, as far as there is room (a column ``node`` places it exactly).
Fractions of a GPU round up to whole ones. FORMATS-imports.md section 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from claims.agreement.model import Agreement
from claims.imports.charge import Charged, Source, Span, Window, charge, checked_meter
from claims.imports.rows import Row, ceil_of, read_rows
from claims.imports.tables import JobMap, distinct, read_table
from claims.imports.usage_rows import split_interval
from claims.lab.store import Store

__all__ = ["TraceOptions", "import_trace", "read_models"]

_NODES = ("sn", "gpu", "model")
_PODS = ("name", "num_gpu", "gpu_milli", "gpu_spec", "pod_phase", "creation_time", "deletion_time", "scheduled_time")
_EMPTY = frozenset({"", "nan", "none", "null"})
MAX_GPUS = 4096
MAX_PARTS = 3_000_000


@dataclass(frozen=True)
class TraceOptions:
    """How a trace is read.

    Attributes:
        origin: Unix milliseconds of the trace's second 0.
        models: GPU model to meter. ``default``: the meter of other models; None: those are refused.
        jobs: pods to checkpoints, by name or pattern.
        exact_shares: charge gpu_milli / 1000 of a GPU for pods that share one, instead of a whole one.
        as_of: Unix milliseconds; pods that were not deleted are charged until then.
    """

    origin: int
    models: dict[str, str]
    jobs: JobMap
    default: str | None = None
    exact_shares: bool = False
    as_of: int | None = None


@dataclass(frozen=True)
class _Pod:
    """A pod, or the part of one that worked toward one checkpoint. ``last``: it ends with this part."""

    row: Row
    label: str | None
    start: int
    stop: int
    chips: Fraction
    meters: tuple[str, ...]
    last: bool


@dataclass
class _Nodes:
    """``by_model``: meter of every model with GPUs; ``by_name``: meter of every node with GPUs; ``gpus``: per meter."""

    by_model: dict[str, str] = field(default_factory=dict)
    by_name: dict[str, str] = field(default_factory=dict)
    gpus: dict[str, int] = field(default_factory=dict)
    digest: bytes = b""


def read_models(path: Path | None) -> dict[str, str]:
    """A model map from CSV: ``model, meter``. Raises ImportRefused."""
    models: dict[str, str] = {}
    for row in read_rows(path, ("model", "meter"))[0] if path else ():
        model = row.need("model", "as in the node list")
        if models.setdefault(model, row.need("meter", "of the agreement")) != row.get("meter"):
            raise row.refuse(f"model {model[:40]!r} is mapped twice")
    return models


def import_trace(
    store: Store,
    agreement: Agreement,
    nodes_path: Path,
    pods_path: Path,
    options: TraceOptions,
    *,
    window: Window | None = None,
    skip_outside: bool = False,
    again: bool = True,
) -> Charged:
    """Charge the GPU time of a trace's pods, all or nothing.

    Raises:
        ImportRefused: naming file, line and remedy.
        StoreError: imported before, or a meter has signed.
    """
    report = Charged()
    nodes = _read_nodes(store, agreement, nodes_path, options, report)
    table, digest = read_table(pods_path, _PODS)
    rows = distinct(table, report, "that repeat a pod, charged once")
    if any(row.get("name") == "" for row in rows):
        raise next(row for row in rows if not row.get("name")).refuse("a pod without a name")
    latest = max((ms for row in rows for ms in _times(row, options)), default=options.origin)
    end = (window or Window()).open_end(pods_path.name, (latest, latest), options.as_of)
    pods = [pod for row in rows for pod in _pods(agreement, store.lab, row, nodes, options, end, report)]
    spans = list(_placed(store, agreement, pods, window or Window(), pods_path.name))
    charge(
        store, agreement, spans, kind="alibaba", label=pods_path.name, files=[nodes.digest, digest], report=report,
        window=window, skip_outside=skip_outside, again=again,
    )  # fmt: skip
    return report


# ---- nodes -----------------------------------------------------------------------------------------------


def _read_nodes(store: Store, agreement: Agreement, path: Path, options: TraceOptions, report: Charged) -> _Nodes:
    rows, digest = read_table(path, _NODES)
    nodes = _Nodes(digest=digest)
    for row in rows:
        gpus = row.integer("gpu", "GPUs of the node")
        name = row.need("sn", "every node has a name")
        if gpus > MAX_GPUS:
            raise row.refuse(f"a node with {gpus} GPUs")
        if not gpus:
            report.count("(nodes) without GPUs")
            continue
        model = row.need("model", "the model of the node's GPUs")
        meter = options.models.get(model, options.default)
        if meter is None:
            raise row.refuse(f"model {model[:40]!r} has no meter", "add it to --models, or name a --default-meter")
        checked_meter(agreement, store.lab, meter, Source(row.source, row.line))
        if nodes.by_name.setdefault(name, meter) != meter or nodes.by_model.setdefault(model, meter) != meter:
            raise row.refuse(f"node {name[:40]!r} occurs twice")
        nodes.gpus[meter] = nodes.gpus.get(meter, 0) + gpus
        report.count("(nodes) with GPUs")
    for meter, gpus in nodes.gpus.items():
        chips = agreement.lab(store.lab).meter(meter).chips
        if gpus > chips:
            raise Source(path.name).refuse(
                f"its nodes have {gpus} GPUs for meter {meter}, which the agreement gives {chips}",
                "amend its chip count, or give the other nodes a meter",
            )
    return nodes


# ---- pods ------------------------------------------------------------------------------------------------


def _time(row: Row, column: str, options: TraceOptions, *, up: bool) -> int | None:
    """Unix milliseconds of a time in seconds since the trace's origin; None where there is none."""
    if row.get(column).lower() in _EMPTY:
        return None
    seconds = row.decimal(column, "seconds since the trace began")
    if seconds > 10**10:
        raise row.refuse(f"{column} {row.get(column)[:40]} is more than 300 years")
    return options.origin + (ceil_of(seconds * 1000) if up else int(seconds * 1000))


def _times(row: Row, options: TraceOptions) -> Iterator[int]:
    for column in ("creation_time", "scheduled_time", "deletion_time"):
        moment = _time(row, column, options, up=True)
        if moment is not None:
            yield moment


def _gpus(row: Row, options: TraceOptions) -> Fraction:
    """GPUs of a pod; a fraction of one rounds up unless shares are taken exactly."""
    count = row.integer("num_gpu", "a whole number")
    milli = 0 if row.get("gpu_milli").lower() in _EMPTY else row.integer("gpu_milli", "thousandths of a GPU, 0 to 1000")
    if count > MAX_GPUS or milli > 1000:
        raise row.refuse(f"num_gpu {count} with gpu_milli {milli}", "gpu_milli is 0 to 1000, of each GPU")
    if options.exact_shares and count <= 1 and 0 < milli < 1000:
        return Fraction(milli, 1000)
    return Fraction(max(count, 1 if milli else 0))


def _pods(
    agreement: Agreement, lab: str, row: Row, nodes: _Nodes, options: TraceOptions, end: int, report: Charged
) -> list[_Pod]:
    chips = _gpus(row, options)
    if not chips:
        report.count("without GPUs")
        return []
    created, begun = _time(row, "creation_time", options, up=False), _time(row, "scheduled_time", options, up=False)
    if begun is None and row.get("pod_phase").lower() == "pending":
        report.count("of pods that never started")
        return []
    start = created if begun is None else begun
    if start is None:
        raise row.refuse("it has neither scheduled_time nor creation_time")
    stop = _time(row, "deletion_time", options, up=True)
    if stop is None:
        stop = end
        report.count("(of these) not deleted, charged to the end")
    if stop < start:
        raise row.refuse("it is deleted before it starts", "its times are seconds since the trace began")
    name, meters = row.get("name"), _meters(agreement, lab, row, nodes)
    pieces = options.jobs.pieces(name, name, start, stop)
    if not pieces:  # of no length: all of it is the doubtful second after
        pieces = [(label, stop, stop) for label, _, _ in options.jobs.pieces(name, name, stop, stop + 1)]
    report.count("charged to a checkpoint" if any(label for label, _, _ in pieces) else "charged as unattributed")
    return [_Pod(row, label, a, b, chips, meters, b == stop) for label, a, b in pieces]


def _meters(agreement: Agreement, lab: str, row: Row, nodes: _Nodes) -> tuple[str, ...]:
    """Meters on which a pod can have run, the highest peak first."""
    node = row.get("node")
    if node.lower() not in _EMPTY:
        if node not in nodes.by_name:
            raise row.refuse(f"node {node[:40]!r} is not in the node list, or has no GPUs")
        return (nodes.by_name[node],)
    spec = row.get("gpu_spec")
    models = [] if spec.lower() in _EMPTY else re.split(r"\\?\|", spec)
    names = {nodes.by_model[model] for model in models if model in nodes.by_model} if models else set(nodes.gpus)
    if not names:
        raise row.refuse(f"gpu_spec {spec[:40]!r} names no model of the node list")

    def peak(name: str) -> tuple[int, str]:
        return -agreement.chip(agreement.lab(lab).meter(name).chip).peak, name

    return tuple(sorted(names, key=peak))


# ---- placing ---------------------------------------------------------------------------------------------


def _placed(store: Store, agreement: Agreement, pods: Sequence[_Pod], window: Window, name: str) -> Iterator[Span]:
    """Spans of all pods: those with the fewest choices first, each epoch to the highest peak that has room."""
    busy: dict[tuple[str, int], int] = {}
    loaded: set[tuple[str, int]] = set()
    first, last = agreement.first_period * agreement.epochs_per_period, agreement.periods * agreement.epochs_per_period
    lab, parts_seen = agreement.lab(store.lab), 0
    inner = [1000 * (agreement.start + epoch * agreement.epoch_seconds) for epoch in (first, last)]
    low = max(inner[0], window.start if window.start is not None else inner[0])
    high = min(inner[1], window.stop if window.stop is not None else inner[1])

    def room(meter: str, epoch: int) -> int:
        period = epoch // agreement.epochs_per_period
        if (meter, period) not in loaded:
            loaded.add((meter, period))
            for item in store.usage(period, meter):
                busy[meter, item.epoch] = busy.get((meter, item.epoch), 0) + item.chip_ms
        return max(0, agreement.coverage(lab.meter(meter)) * 1000 - busy.get((meter, epoch), 0))

    for pod in sorted(pods, key=lambda item: (len(item.meters), item.start)):
        source = Source(pod.row.source, pod.row.line)
        begin, end = max(pod.start, low), min(pod.stop, high)
        begin, end = (begin, end) if begin < end else (pod.stop, pod.stop)
        for a, b in ((pod.start, begin), (end, pod.stop)):  # outside: refused, reported or cut off later
            if a < b:
                yield Span(source, pod.meters[0], pod.label, a, b, pod.chips)
        at = begin
        for epoch, length in split_interval(begin, end, agreement) if begin < end else ():
            parts_seen += 1
            if parts_seen > MAX_PARTS:
                raise Source(name).refuse("the pods cover too many epochs", "import it window by window")
            left = ceil_of(pod.chips * length)
            for meter in pod.meters:
                given = min(left, room(meter, epoch))
                if given:
                    busy[meter, epoch] = busy.get((meter, epoch), 0) + given
                    yield Span(source, meter, pod.label, at, at + length, Fraction(given, length))
                left -= given
            if left:
                raise source.refuse(
                    f"no meter that it can have run on has room left in epoch {epoch}",
                    "shared GPUs are rounded up to whole ones: --exact-shares charges gpu_milli / 1000 of them",
                )
            at += length
        if pod.last:
            yield Span(source, pod.meters[0], pod.label, pod.stop, pod.stop + 1000, pod.chips, slack=True)
