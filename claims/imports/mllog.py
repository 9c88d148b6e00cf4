"""MLPerf training logs: the time from ``run_start`` to ``run_stop`` on a system's accelerators.

    :::MLLOG {"time_ms": 1755477365577, "event_type": "INTERVAL_START", "key": "run_start", ...}

A run that never stops is charged to the last time that its log knows, or --as-of. What is logged outside runs
(initialisation) is reported, or charged as unattributed with ``whole_log``. FORMATS-imports.md section 2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from claims.agreement.model import Agreement
from claims.imports.charge import Charged, Source, Span, Window, charge, checked_meter
from claims.imports.inputs import name_of, read_input
from claims.imports.jsons import load_object, shown, whole
from claims.imports.mllog_lines import Lines
from claims.imports.tables import JobMap
from claims.lab.store import Store

__all__ = ["MllogOptions", "Run", "chips_of_system", "import_mllog", "read_runs"]

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
    """What one file says: its runs, first and last time, benchmark, how many lines of which kind.

    ``doubt``: a line between runs cannot be read, and may have been the beginning of one.
    """

    runs: list[Run] = field(default_factory=list)
    first: int | None = None
    last: int = 0
    benchmark: str = ""
    other: int = 0
    events: int = 0
    unreadable: int = 0
    doubt: bool = False


def chips_of_system(path: Path) -> int:
    """Accelerators of an MLPerf system description: accelerators_per_node x number_of_nodes. Raises ImportRefused."""
    table, _ = load_object(path, 1 << 20)
    source = Source(path.name)
    nodes = whole(table, "number_of_nodes", source, least=1, most=MAX_CHIPS)
    return nodes * whole(table, "accelerators_per_node", source, least=1, most=MAX_CHIPS)


def read_runs(name: str, data: bytes) -> _Log:
    """The runs of a log, ascending; runs that overlap (processes of one, whose lines are out of order) are one.

    Raises:
        ImportRefused: the beginning or end of a run cannot be read, or a run stops that never started.
    """
    log, lines = _Log(), Lines(name)
    for event in lines.read(data):
        if event is None:
            log.doubt = log.doubt or not log.runs or log.runs[-1].stop is not None
            continue
        whole = int(event.moment)
        moment = whole + (event.moment != whole and event.key != "run_start")
        log.first = moment if log.first is None else min(log.first, moment)
        log.last = max(log.last, moment)
        if event.key == "submission_benchmark":
            log.benchmark = shown(event.value)
        elif event.key == "run_start":
            _start(log, event.source, moment)
        elif event.key == "run_stop":
            _stop(log, event.source, moment)
    log.events, log.other, log.unreadable = lines.events, lines.other, lines.unreadable
    log.last = max(log.last, lines.last)
    log.runs = _joined(log.runs)
    return log


def _start(log: _Log, source: Source, moment: int) -> None:
    """A new run; one that is open has been aborted, and is charged up to here. An earlier time is another process's."""
    if log.runs and log.runs[-1].stop is None:
        before = log.runs[-1]
        if moment < before.start:
            before.start = moment
            return
        before.stop, before.aborted = moment, True
    log.runs.append(Run(source, moment))


def _stop(log: _Log, source: Source, moment: int) -> None:
    """The end of the open run; one more run_stop (of another process) moves the end of the run that it can belong to."""
    run = next((run for run in reversed(log.runs) if run.start <= moment), None)
    if run is None:
        raise source.refuse("run_stop without a run_start before it", "is the beginning of the log missing?")
    run.stop = moment if run.stop is None else max(run.stop, moment)


def _joined(runs: Sequence[Run]) -> list[Run]:
    joined: list[Run] = []
    for run in sorted(runs, key=lambda run: run.start):
        before = joined[-1] if joined else None
        if before is None or (before.stop is not None and before.stop <= run.start):
            joined.append(run)
        elif before.stop is not None and (run.stop is None or run.stop >= before.stop):
            before.stop, before.aborted = run.stop, run.aborted
    return joined


def import_mllog(
    store: Store,
    agreement: Agreement,
    paths: Sequence[Path],
    options: MllogOptions,
    *,
    window: Window | None = None,
    skip_outside: bool = False,
    again: bool = True,
) -> Charged:
    """Charge the runs of MLLOG files to one meter, all or nothing.

    Raises:
        ImportRefused: naming file, line and remedy.
        StoreError: imported before, or the meter has signed.
    """
    report = Charged()
    checked_meter(agreement, store.lab, options.meter, Source("--meter"))
    logs = []
    for path in paths:
        data = read_input(path)
        log = read_runs(name_of(path), data)
        if not log.events:
            raise Source(name_of(path)).refuse("no line of it is MLLOG", "give the result log of a run")
        logs.append((name_of(path), hashlib.sha256(data).digest(), _spans(path, log, options, report)))
    with store.transaction():
        for name, digest, spans in logs:  # each file once, however files are grouped
            charge(
                store, agreement, spans, kind="mllog", label=name, files=[digest], report=report, window=window,
                skip_outside=skip_outside,
                again=again,
            )  # fmt: skip
    return report


def _spans(path: Path, log: _Log, options: MllogOptions, report: Charged) -> list[Span]:
    name = name_of(path)
    job = str(path) if str(path) in options.jobs.by_id else name
    chips = Fraction(options.chips)
    spans = []
    free_from = log.first or 0
    end = max(log.last, options.as_of or 0)
    free: list[tuple[int, int]] = []
    for run in log.runs:
        if run.stop is None:
            run.stop, run.aborted = end, True
            report.notes.append(f"{name}: a run was never stopped, and is charged to the end")
        report.count("(runs) aborted, charged to what followed" if run.aborted else "(runs) charged")
        for label, since, until in options.jobs.pieces(job, log.benchmark, run.start, run.stop):
            spans.append(Span(run.source, options.meter, label or options.label, since, until, chips))
        free.append((free_from, run.start))
        free_from = max(free_from, run.stop)
    free.append((free_from, end if log.doubt else log.last))
    outside = sum(max(0, b - a) for a, b in free)
    if options.whole_log or log.doubt:
        spans += [Span(Source(name), options.meter, None, a, b, chips) for a, b in free if a < b]
    report.count("of MLLOG", log.events)
    if log.other:
        report.count("of other text, left alone", log.other)
    if log.unreadable:
        report.count("of MLLOG that cannot be read, left out", log.unreadable)
    if outside:
        what = "not charged; --whole-log charges it"
        if options.whole_log or log.doubt:
            what = "charged as unattributed" + ("" if options.whole_log else ": a line there may have begun a run")
        report.notes.append(f"{name}: {outside / 1000:.3f} s logged outside runs ({what})")
    return spans
