"""Rows of Slurm accounting as attempts of jobs: which nodes' GPUs each held, and from when to when at least and at most."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from claims.imports.charge import Charged
from claims.imports.hostlist import NO_HOSTS, HostListError
from claims.imports.rows import ImportRefused, Row
from claims.imports.slurm_gpus import Gpus, gpus_of
from claims.imports.slurm_nodes import Attempt, Hosts
from claims.imports.tables import Clock, JobMap, NodeMap

__all__ = ["Reader", "SlurmOptions"]

_NO_TIME = frozenset({"", "0", "unknown", "none", "n/a", "(null)"})
_OPEN = frozenset({"RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "SIGNALING", "STAGE_OUT", "STOPPED"})
_WAITING = frozenset({"PENDING", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD", "REVOKED"})
MAX_ELAPSED = 10**9
MAX_ATTEMPTS = 1_000_000


@dataclass(frozen=True)
class SlurmOptions:
    """How accounting is read.

    Attributes:
        clock: for times without an offset.
        nodes, jobs: mappings.
        as_of: Unix milliseconds when sacct ran; jobs that run are charged until then.
        whole_nodes: charge all GPUs of a job's nodes, whatever it was allocated.
    """

    clock: Clock
    nodes: NodeMap
    jobs: JobMap
    as_of: int | None = None
    whole_nodes: bool = False


class Reader:
    """Reads rows once, one at a time, and keeps of each attempt only what it is charged by.

    Attributes:
        early, late: the latest time that the data knows, Unix ms, as far as that is certain and at most.
    """

    def __init__(self, name: str, options: SlurmOptions, report: Charged) -> None:
        self.name, self.options, self.report = name, options, report
        self.hosts = Hosts(options.nodes)
        self.attempts: dict[tuple[str, ...], Attempt] = {}
        self.early = self.late = 0
        self._jobs: set[str] = set()
        self._texts: dict[str, str] = {}
        self._steps: dict[str, Row] = {}
        self._restarts: dict[str, list[int]] = {}
        self._accounted = [False, False]

    def read(self, rows: Iterator[Row]) -> None:
        """All rows. Raises ImportRefused."""
        for row in rows:
            self._note(row)
        lone = next((row for job, row in self._steps.items() if job not in self._jobs), None)
        if lone is not None:
            raise lone.refuse(f"step {lone.get('jobidraw')[:40]!r} without its job", "export with sacct -X")
        self._check_accounting()
        missing = sum(restarts >= count for count, restarts in self._restarts.values())
        if missing:
            self.report.notes.append(f"{missing} jobs were restarted more often than the file has rows: was it exported with -D?")

    def _check_accounting(self) -> None:
        gpus, shares = self._accounted
        if self.options.whole_nodes or gpus:
            return
        if not shares:
            raise ImportRefused(
                self.name, None, "no row has a gres/gpu in AllocTRES",
                "set AccountingStorageTRES=gres/gpu, or charge all GPUs of each job's nodes with --whole-nodes",
            )  # fmt: skip
        self.report.notes.append("shares of GPUs alone are accounted: if jobs hold whole ones too, add gres/gpu to AccountingStorageTRES")

    def _note(self, row: Row) -> None:
        job = row.need("jobidraw", "sacct prints one for every row")
        tres = row.get("alloctres")
        self._accounted[0] |= "gres/gpu" in tres
        self._accounted[1] |= "gres/shard" in tres or "gres/mps" in tres
        if row.get("restarts"):
            seen = self._restarts.setdefault(job, [0, 0])
            seen[0], seen[1] = seen[0] + 1, max(seen[1], row.integer("restarts", "a whole number"))
        state = _state(row)
        self._see_times(row, state)
        if "." in job:
            self._steps.setdefault(job.split(".")[0], row)
            self.report.count("steps, counted in their jobs")
            return
        self._jobs.add(job)
        attempt = self._attempt(row, job, state)
        if attempt is None:
            return
        key = (*(self._texts.setdefault(text, text) for text in (row.get("cluster"), tres, row.get("nodelist"))), job, row.get("start"))
        known = self.attempts.get(key)
        if known is not None:
            self.report.count("that repeat an attempt, charged once")
        self.attempts[key] = attempt if known is None else _longer(known, attempt)
        if len(self.attempts) > MAX_ATTEMPTS:
            raise row.refuse(f"more than {MAX_ATTEMPTS} attempts of jobs", "export and import shorter times")
        self._see(attempt.start + attempt.elapsed, attempt.wide_stop or 0)

    def _see(self, early: int, late: int) -> None:
        self.early = max(self.early, early)
        self.late = max(self.late, self.early, late)

    def _see_times(self, row: Row, state: str) -> None:
        for column in ("submit",) if state in _WAITING else ("submit", "start", "end"):
            if row.get(column).lower() not in _NO_TIME:
                self._see(*self.options.clock.moments(row, column))

    def _attempt(self, row: Row, job: str, state: str) -> Attempt | None:
        gpus, hosts = gpus_of(row), row.get("nodelist")
        nobody, whole_nodes = hosts.lower() in NO_HOSTS, self.options.whole_nodes
        elapsed = self._elapsed(row)
        begun = row.get("start").lower() not in _NO_TIME
        idle = state in _WAITING and (nobody or not begun)
        unknown = elapsed is None and row.get("elapsedraw")  # a negative one: something ran
        if not elapsed and not unknown and (idle or (nobody and not any(gpus) and not begun)):
            self.report.count("of jobs that never started")
            return None
        if nobody and whole_nodes and not any(gpus):
            self.report.count("without nodes")
            return None
        try:
            nodes = self.hosts.of("" if nobody else hosts)
        except HostListError as error:
            raise row.refuse(f"nodelist: {error.what}", error.hint) from None
        if row.get("nnodes") and nodes and row.integer("nnodes", "a whole number") != len(nodes):
            raise row.refuse(f"nnodes is {row.get('nnodes')[:20]}, nodelist names {len(nodes)}", "was the column cut off?")
        if not any(gpus) and not whole_nodes:
            some = any(self.hosts.listed(node) for node in nodes)
            self.report.count("without GPUs" + (", on nodes that have some (--whole-nodes charges them)" if some else ""))
            return None
        start, stop, wide = _interval(row, "start" if begun else "submit", state, elapsed, self.options.clock)
        held = Gpus(0, 0, 0) if whole_nodes else gpus
        title = row.get("jobname")
        return Attempt(row.line, job, self._texts.setdefault(title, title), held, nodes, start, stop, *wide, max(0, elapsed or 0) * 1000)

    def _elapsed(self, row: Row) -> int | None:
        """Seconds; None where Slurm does not know: no value, or a negative one (clocks that went back)."""
        text = row.get("elapsedraw")
        if not text:
            return None
        if re.fullmatch(r"-[0-9]{1,18}", text):
            self.report.count("(of these) with a negative ElapsedRaw, charged from Start to End")
            return None
        elapsed = row.integer("elapsedraw", "whole seconds")
        if elapsed > MAX_ELAPSED:
            raise row.refuse(f"elapsedraw {elapsed} is more than 30 years")
        return elapsed


def _state(row: Row) -> str:
    return (row.get("state").split() or [""])[0].upper()


def _longer(one: Attempt, two: Attempt) -> Attempt:
    """Of two rows of one attempt (as where exports were joined), the one that ends later."""
    if one.wide_stop is None or two.wide_stop is None:
        return one if two.wide_stop is not None else two
    return one if one.wide_stop >= two.wide_stop else two


def _interval(
    row: Row, begin: str, state: str, elapsed: int | None, clock: Clock
) -> tuple[int, int | None, tuple[int, int | None]]:
    """Least (start, stop) and widest interval that a row can mean; stop None: it has not ended.

    Where clocks were set back a local time means two moments. The widest runs from the earliest start to the latest
    end; the least is the shortest that is as long as ElapsedRaw, or the widest where that is not known.
    """
    if row.get(begin).lower() in _NO_TIME:
        raise row.refuse("it held nodes, but has neither start nor submit time", "export Submit too")
    starts = clock.moments(row, begin)
    if row.get("end").lower() in _NO_TIME or state in _OPEN:
        return starts[0], None, (starts[0], None)
    stops = clock.moments(row, "end")
    length = 1000 * (elapsed or 0)
    if starts[0] == starts[1] and stops[0] == stops[1] >= starts[0]:  # nearly always
        start, stop = starts[0], max(stops[0], starts[0] + length)
        least = stops[0] if elapsed is not None and stop == stops[0] else stop
        return start, least, (start, stop + 1000)
    pairs = [(a, b) for a in starts for b in stops if b >= a]
    if not pairs:
        raise row.refuse("it ends before it starts", "are both times of one --timezone?")
    widest = (min(a for a, _ in pairs), max(b for _, b in pairs))
    widest = widest[0], max(widest[1], widest[0] + length)
    fitting = [pair for pair in pairs if elapsed is not None and pair[1] - pair[0] >= length]
    least = min(fitting, key=lambda pair: (pair[1] - pair[0], pair), default=widest)
    return *least, (widest[0], widest[1] + 1000)
