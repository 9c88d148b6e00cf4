"""Prometheus range queries over chips' activity: one sample a chip and step, each about the step that ends with it.

    query_range(max_over_time(DCGM_FI_DEV_GPU_UTIL[60s]), step 60 s) --busy steps of each chip--> spans  --charge--> usage

A step whose sample is above --idle-at is busy, toward what the series' labels name. A step without a sample is charged as
unattributed, as are chips of a meter that have no series: nothing shows that they were idle. So the window is needed, and the query's step.
FORMATS-imports.md section 7.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from claims.agreement.model import Agreement
from claims.base.canonical import check_nesting
from claims.base.errors import ClaimsError
from claims.imports.charge import Charged, Source, Span, Window, charge, checked_meter
from claims.imports.inputs import name_of, read_input
from claims.imports.json_reader import JsonReader
from claims.imports.jsons import shown
from claims.imports.tables import MAX_TABLE, JobMap, NodeMap
from claims.lab.store import Store

__all__ = ["PrometheusOptions", "import_prometheus"]

MAX_SAMPLES = 20_000_000
MAX_LABEL = 300


@dataclass(frozen=True)
class PrometheusOptions:
    """How the series are read.

    Attributes:
        nodes: nodes to meters; ``node_label`` and ``chip_label`` say which node and which chip a series is about.
        jobs: jobs to checkpoints, by the first of ``job_labels`` that a series has, and by its ``name_labels``, joined with a slash.
        step: milliseconds of a step.
        idle_at: samples up to this are idle.
    """

    nodes: NodeMap
    jobs: JobMap
    step: int
    node_label: str = "Hostname"
    chip_label: str = "UUID"
    job_labels: tuple[str, ...] = ("hpc_job",)
    name_labels: tuple[str, ...] = ("namespace", "pod", "container")
    idle_at: float = 0.0


@dataclass
class _Chip:
    """A chip's samples: end of the step (Unix ms) to value, job and name."""

    source: Source
    meter: str
    samples: dict[int, tuple[float, str, str]] = field(default_factory=dict)


def import_prometheus(
    store: Store, agreement: Agreement, paths: Sequence[Path], options: PrometheusOptions, *, window: Window,
    skip_outside: bool = False, again: bool = True,
) -> Charged:  # fmt: skip
    """Charge the chips of range queries over a window, all of it or nothing.

    Raises:
        ImportRefused: naming file, series and remedy.
        ClaimsError: the window is open. StoreError: imported before, or a meter has signed.
    """
    if window.start is None or window.stop is None:
        raise ClaimsError("the window has no end or no beginning", "give --from and --until: what has no sample between them is charged")
    window.check()
    report, reader, digests = Charged(), _Reader(agreement, store.lab, options), []
    for path in paths:
        data = read_input(path, MAX_TABLE)
        digests.append(hashlib.sha256(data).digest())
        reader.read(name_of(path), data)
    label = ", ".join(name_of(path) for path in paths)
    spans: list[Span] = []
    for chip in reader.chips.values():
        spans += _chip_spans(chip, options, window.start, window.stop, report)
    for name in sorted({chip.meter for chip in reader.chips.values()}):
        held, seen = agreement.lab(store.lab).meter(name).chips, sum(chip.meter == name for chip in reader.chips.values())
        if seen > held:
            raise Source(label).refuse(f"it has {seen} chips of meter {name}, which the agreement gives {held}", "amend its chip count")
        if held > seen:
            report.notes.append(f"{held - seen} chips of meter {name} have no series: charged as unattributed")
            spans.append(Span(Source(label), name, None, window.start, window.stop, Fraction(held - seen)))
    charge(
        store, agreement, spans, kind="prometheus", label=label, files=digests, report=report, window=window,
        skip_outside=skip_outside, again=again,
    )  # fmt: skip
    return report


def _chip_spans(chip: _Chip, options: PrometheusOptions, start: int, stop: int, report: Charged) -> Iterator[Span]:
    """Busy and unknown time of a chip, what touches and is alike in one."""
    held: Span | None = None
    for label, begin, end in _steps(chip, options, start, stop, report):
        if held is not None and held.stop == begin and held.label == label:
            held = Span(chip.source, chip.meter, label, held.start, end, Fraction(1))
            continue
        if held is not None:
            yield held
        held = Span(chip.source, chip.meter, label, begin, end, Fraction(1))
    if held is not None:
        yield held


def _steps(chip: _Chip, options: PrometheusOptions, start: int, stop: int, report: Charged) -> Iterator[tuple[str | None, int, int]]:
    at = start
    for moment in sorted(chip.samples):
        value, job, name = chip.samples[moment]
        begin, end = max(at, min(stop, moment - options.step)), min(stop, moment)
        if begin >= end:
            continue
        if at < begin:
            report.count("gaps in a chip's samples, charged as unattributed")
            yield None, at, begin
        at = end
        if value > options.idle_at:
            report.count("steps that were busy")
            yield from options.jobs.pieces(job, name, begin, end)
        else:
            report.count("steps that were idle")
    if at < stop:
        report.count("gaps in a chip's samples, charged as unattributed")
        yield None, at, stop


class _Reader:
    """Reads answers series by series. ``chips``: by node and chip."""

    def __init__(self, agreement: Agreement, lab: str, options: PrometheusOptions) -> None:
        self._agreement, self._lab, self._options = agreement, lab, options
        self._samples = 0
        self.chips: dict[tuple[str, str], _Chip] = {}

    def read(self, name: str, data: bytes) -> None:
        """One file. Raises ImportRefused."""
        whole, count, status, kind = Source(name), 0, None, None
        try:
            check_nesting(data)
            reader = JsonReader(data.decode("utf-8-sig"))
            for key in reader.keys():
                if key != "data":
                    value = reader.value()
                    status = value if key == "status" else status
                    continue
                for inner in reader.keys(inner=True):
                    if inner != "result":
                        value = reader.value()
                        kind = value if inner == "resultType" else kind
                        continue
                    for item in reader.items():
                        count += 1
                        self._note(Source(name, count), item)
        except (ValueError, RecursionError) as error:
            raise whole.refuse(f"not an answer of Prometheus: {str(error)[:100]}", "save what /api/v1/query_range answers") from None
        if status != "success" or kind != "matrix":
            raise whole.refuse("not the answer of a range query that succeeded", "ask /api/v1/query_range, and save what it answers")
        if not count:
            raise whole.refuse("it has no series", "is the query right, and the time?")

    def _note(self, source: Source, item: Any) -> None:
        labels = item.get("metric") if isinstance(item, dict) else None
        values = item.get("values") if isinstance(item, dict) else None
        if not isinstance(labels, dict) or not isinstance(values, list):
            raise source.refuse("a series has no metric, or no values", "save what /api/v1/query_range answers")
        options = self._options
        node, uid = (self._label(source, labels, key) for key in (options.node_label, options.chip_label))
        place = options.nodes.find(node)
        if not node or not uid or place is None:
            what = f"no meter for its {options.node_label} {node[:60]!r}" if uid else f"it has no label {options.chip_label}"
            raise source.refuse(what, "add it to --nodes, or give --default-meter; --node-label and --chip-label name other labels")
        checked_meter(self._agreement, self._lab, place.meter, source)
        job = next((text for key in options.job_labels if (text := self._label(source, labels, key))), "")
        name = "/".join(text for key in options.name_labels if (text := self._label(source, labels, key)))
        chip = self.chips.setdefault((node, uid), _Chip(source, place.meter))
        self._samples += len(values)
        if self._samples > MAX_SAMPLES:
            raise source.refuse(f"more than {MAX_SAMPLES} samples", "import shorter times")
        for sample in values:
            moment, value = _sample(source, sample)
            known = chip.samples.get(moment)
            if not math.isnan(value) and (known is None or value > known[0]):
                chip.samples[moment] = (value, job, name)

    def _label(self, source: Source, labels: dict[str, Any], key: str) -> str:
        text = labels.get(key, "")
        if not isinstance(text, str) or len(text) > MAX_LABEL:
            raise source.refuse(f"label {key[:60]} {shown(text)!r} is not a short text")
        return text


def _sample(source: Source, sample: Any) -> tuple[int, float]:
    """Unix milliseconds and value of a sample."""
    try:
        moment, text = sample
        if type(moment) not in (int, float) or not isinstance(text, str):
            raise ValueError
        at, value = round(moment * 1000), float(text)
        if not 0 < at < 1 << 44:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise source.refuse(f"sample {shown(sample)!r} is not [seconds, \"value\"]") from None
    return at, value
