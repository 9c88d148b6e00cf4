"""MLPerf training logs: the time from ``run_start`` to ``run_stop`` on a system's accelerators.

    :::MLLOG {"time_ms": 1755477365577, "event_type": "INTERVAL_START", "key": "run_start", ...}

A run that never stops is charged to the last time that its log knows, or --as-of. What is logged outside runs
(initialisation) is reported, or charged as unattributed with ``whole_log``. FORMATS-imports.md section 2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from claims.agreement import Agreement
from claims.importers import read_bytes
from claims.imports.charge import Charged, Source, Span, Window, charge, checked_meter
from claims.imports.jsons import load_object, parse_object, shown, whole
from claims.imports.tables import JobMap
from claims.store import Store

__all__ = ["MllogOptions", "Run", "chips_of_system", "import_mllog", "read_runs"]

MARK = b":::MLLOG"
MAX_LINE = 1 << 20
MAX_CHIPS = 2**32


@dataclass(frozen=True)
class MllogOptions:
    """``chips`` of ``meter`` in every run; ``jobs`` maps files and benchmarks to checkpoints; ``label`` is for the rest."""

    meter: str
    chips: int
    jobs: JobMap
    label: str | None = None
    as_of: int | None = None
    whole_log: bool = False


@dataclass
class Run:
    """A run of one log. ``stop``: Unix ms, None while it is open. ``aborted``: no run_stop was logged."""

    source: Source
    start: int
    stop: int | None = None
    aborted: bool = False


@dataclass
class _Log:
    """What one file says: its runs, first and last time, benchmark, and lines that are no MLLOG."""

    runs: list[Run] = field(default_factory=list)
    first: int | None = None
    last: int = 0
    benchmark: str = ""
    other: int = 0
    events: int = 0


def chips_of_system(path: Path) -> int:
    """Accelerators of an MLPerf system description: accelerators_per_node x number_of_nodes. Raises ImportRefused."""
    table, _ = load_object(path, 1 << 20)
    source = Source(path.name)
    nodes = whole(table, "number_of_nodes", source, least=1, most=MAX_CHIPS)
    return nodes * whole(table, "accelerators_per_node", source, least=1, most=MAX_CHIPS)


def _events(name: str, data: bytes, log: _Log) -> Iterator[tuple[Source, dict[str, Any]]]:
    for number, line in enumerate(data.split(b"\n"), 1):
        at = line.find(MARK)
        if at < 0:
            log.other += bool(line.strip())
            continue
        source = Source(name, number)
        if len(line) > MAX_LINE:
            raise source.refuse(f"an MLLOG line of more than {MAX_LINE} bytes")
        yield source, parse_object(line[at + len(MARK) :], source)


def _time(event: dict[str, Any], source: Source, *, up: bool) -> int:
    value = event.get("time_ms")
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < 15:
        value = int(value) + (1 if up and value != int(value) else 0)
    if type(value) is not int or not 10**11 < value < 10**14:
        raise source.refuse(f"time_ms {shown(value)!r} is not a time in Unix milliseconds")
    return value


def read_runs(name: str, data: bytes) -> _Log:
    """The runs of a log. Raises ImportRefused: a line is not JSON, a run stops that never started, times run backwards."""
    log = _Log()
    for source, event in _events(name, data, log):
        log.events += 1
        key = event.get("key")
        moment = _time(event, source, up=key != "run_start")
        log.first = moment if log.first is None else min(log.first, moment)
        log.last = max(log.last, moment)
        if key == "submission_benchmark":
            log.benchmark = shown(event.get("value"))
        elif key == "run_start":
            _start(log, source, moment)
        elif key == "run_stop":
            _stop(log, source, moment)
    return log


def _start(log: _Log, source: Source, moment: int) -> None:
    """A new run; one that is open has been aborted, and is charged up to here."""
    if log.runs and log.runs[-1].stop is None:
        before = log.runs[-1]
        if moment < before.start:
            raise source.refuse("run_start lies before the run_start above it", "one log per file, as written")
        before.stop, before.aborted = moment, True
    log.runs.append(Run(source, moment))


def _stop(log: _Log, source: Source, moment: int) -> None:
    """The end of the open run; one more run_stop (of another process) moves the end of the last run."""
    if not log.runs or moment < log.runs[-1].start:
        raise source.refuse("run_stop without a run_start before it", "is the beginning of the log missing?")
    run = log.runs[-1]
    run.stop = moment if run.stop is None else max(run.stop, moment)


def import_mllog(
    store: Store,
    agreement: Agreement,
    paths: Sequence[Path],
    options: MllogOptions,
    *,
    window: Window | None = None,
    skip_outside: bool = False,
) -> Charged:
    """Charge the runs of MLLOG files to one meter, all or nothing.

    Raises:
        ImportRefused: naming file, line and remedy.
        StoreError: imported before, or the meter has signed.
    """
    report = Charged()
    checked_meter(agreement, store.lab, options.meter, Source("--meter"))
    with store.transaction():
        for path in paths:  # each file once, however files are grouped
            data = read_bytes(path)
            log = read_runs(path.name, data)
            if not log.events:
                raise Source(path.name).refuse("no line of it is MLLOG", "give the result log of a run")
            charge(
                store, agreement, _spans(path, log, options, report), kind="mllog", label=path.name,
                files=[hashlib.sha256(data).digest()], report=report, window=window, skip_outside=skip_outside,
            )  # fmt: skip
    return report


def _spans(path: Path, log: _Log, options: MllogOptions, report: Charged) -> list[Span]:
    name = path.name
    job = str(path) if str(path) in options.jobs.by_id else name
    chips = Fraction(options.chips)
    spans = []
    free_from = log.first or 0
    outside = 0
    for run in log.runs:
        if run.stop is None:
            run.stop, run.aborted = max(log.last, options.as_of or 0), True
            report.notes.append(f"{name}: a run was never stopped, and is charged to the end")
        report.count("(runs) aborted, charged to what followed" if run.aborted else "(runs) charged")
        for label, since, until in options.jobs.pieces(job, log.benchmark, run.start, run.stop):
            spans.append(Span(run.source, options.meter, label or options.label, since, until, chips))
        if run.start > free_from:
            outside += run.start - free_from
            if options.whole_log:
                spans.append(Span(Source(name), options.meter, None, free_from, run.start, chips))
        free_from = max(free_from, run.stop)
    if log.last > free_from:
        outside += log.last - free_from
        if options.whole_log:
            spans.append(Span(Source(name), options.meter, None, free_from, log.last, chips))
    report.count("of MLLOG", log.events)
    if log.other:
        report.count("of other text, left alone", log.other)
    if outside:
        what = "charged as unattributed" if options.whole_log else "not charged; --whole-log charges it"
        report.notes.append(f"{name}: {outside / 1000:.3f} s logged outside runs ({what})")
    return spans
