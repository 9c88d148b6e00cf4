"""Slurm accounting, as ``sacct -X -P -D`` or ``sacct --json`` prints it (`standstill import slurm --help` has the command).

    rows --attempts (a job's hold on its nodes)--> spans: whole GPUs by job, shared GPUs by node --charge--> usage

Every row is one attempt of a job: its nodes' GPUs from Start to End, whatever its state. Slurm counts whole
seconds: the second after End is in doubt, as is the hour that clocks repeat, and is charged as far as the meter has
room. Jobs that have not ended are charged to the end of the data or --as-of. FORMATS-imports.md section 1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from claims.agreement.model import Agreement
from claims.base.units import format_time
from claims.imports.charge import Charged, Source, Span, Window, charge, checked_meter
from claims.imports.hostlist import NO_HOSTS, HostListError
from claims.imports.inputs import name_of, read_input
from claims.imports.rows import ImportRefused, Row
from claims.imports.slurm_gpus import Gpus, gpus_of
from claims.imports.slurm_json import job_rows
from claims.imports.slurm_nodes import Attempt, Hosts, Overlap, find_overlap, shared_spans
from claims.imports.tables import MAX_TABLE, Clock, JobMap, NodeMap, Place, table_rows
from claims.imports.usage import NoRoom
from claims.lab.store import Store

__all__ = ["SlurmOptions", "import_slurm"]

_NEED = ("jobidraw", "jobname", "state", "start", "end", "alloctres", "nodelist")
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


def import_slurm(
    store: Store,
    agreement: Agreement,
    path: Path,
    options: SlurmOptions,
    *,
    window: Window | None = None,
    skip_outside: bool = False,
    again: bool = True,
) -> Charged:
    """Charge the GPU time of a sacct export to the lab's meters, all of it or nothing.

    Raises:
        ImportRefused: naming file, line and remedy.
        StoreError: imported before, or a meter has signed.
    """
    name, window = name_of(path), window or Window()
    data = read_input(path, MAX_TABLE)
    report = Charged()
    reader = _Reader(name, options, report)
    rows = job_rows(name, data) if data.lstrip()[:1] == b"{" else table_rows(name, data, _NEED, "|", False, "jobname")
    reader.read(rows)
    end = window.open_end(name, (reader.early, reader.late), options.as_of)
    attempts = list(reader.attempts.values())
    going = [attempt for attempt in attempts if attempt.stop is None]
    for attempt in going:
        attempt.stop = attempt.wide_stop = max(end, attempt.start + attempt.elapsed)
    spans = _Placing(agreement, store.lab, name, options, reader.hosts, report).spans(attempts)
    if going:
        report.notes.append(f"{len(going)} jobs have not ended: charged until {format_time(end // 1000)}")
    overlap = find_overlap(attempts, reader.hosts, {id(attempt) for attempt in going})
    if overlap is not None:
        report.notes.append(f"{overlap}; both are charged")
    del reader, attempts  # there may be a million
    try:
        charge(
            store, agreement, spans, kind="slurm", label=name, files=[hashlib.sha256(data).digest()], report=report,
            window=window, skip_outside=skip_outside, again=again,
        )  # fmt: skip
    except NoRoom as error:
        raise _explained(name, error, overlap, going) from None
    return report


def _explained(name: str, error: NoRoom, overlap: Overlap | None, going: Sequence[Attempt]) -> ImportRefused:
    """The refusal for want of room, with the jobs that are to blame where they can be told."""
    ended = "`sacctmgr show runawayjobs` ends what Slurm forgot to end; then export again. Else correct gpus in the node mapping"
    if overlap is not None:
        return ImportRefused(name, overlap.line, f"{overlap} ({error.what})", ended)
    if going:
        oldest = min(going, key=lambda attempt: attempt.start)
        since = format_time(oldest.start // 1000)
        return ImportRefused(name, oldest.line, f"{error.what}; job {oldest.job[:40]} has not ended since {since}", ended)
    return error


# ---- rows ------------------------------------------------------------------------------------------------


class _Reader:
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


# ---- from attempts to spans ------------------------------------------------------------------------------


@dataclass
class _Placing:
    """Spans of attempts: which meters' chips they held, and toward what."""

    agreement: Agreement
    lab: str
    name: str
    options: SlurmOptions
    hosts: Hosts
    report: Charged
    _known: dict[int, list[Place]] = field(default_factory=dict, init=False, repr=False)

    def spans(self, attempts: Sequence[Attempt]) -> list[Span]:
        """All spans. Counts what became of the attempts. Raises ImportRefused."""
        used: set[str] = set()
        spans: list[Span] = []
        shared: list[Attempt] = []
        for attempt in attempts:
            labels = {label for label, _, _ in self._pieces(attempt, attempt.wide_start, attempt.wide_stop or 0)} - {None}
            used |= {label for label in labels if label}
            self.report.count("charged to a checkpoint" if labels else "charged as unattributed")
            places = self._places(attempt)
            if self.options.whole_nodes:
                self._check_whole(attempt, places)
                shared.append(attempt)
                continue
            attempt.need = self._fitted(attempt, places)
            spans += self._own(attempt, places)
            if attempt.shares_one_node and places[0].gpus is not None:
                shared.append(attempt)
        spans += shared_spans(self.name, attempts, shared, self.hosts, self._pieces)
        self._doubt_sizes(shared)
        unused = self.options.jobs.labels() - used
        if unused:
            self.report.notes.append(f"checkpoints in the job mapping that no job fits: {', '.join(sorted(unused)[:10])}")
        return spans

    def _doubt_sizes(self, shared: Sequence[Attempt]) -> None:
        """A remark where the mapping bounds what is charged, and knows fewer GPUs than the meter has."""
        sizes: dict[str, int] = {}
        for place in self.options.nodes.places.values():
            sizes[place.meter] = sizes.get(place.meter, 0) + (place.gpus or 0)
        capped = {self.hosts.place(node) for attempt in shared for node in attempt.nodes} - {None}
        for meter in sorted({place.meter for place in capped if place is not None}):
            chips = self.agreement.lab(self.lab).meter(meter).chips
            if sizes.get(meter, 0) < chips:
                what = f"the node mapping knows {sizes.get(meter, 0)} GPUs of meter {meter}, which has {chips} chips"
                self.report.notes.append(f"{what}: shared nodes are charged by the mapping, is it right?")

    def _pieces(self, attempt: Attempt, start: int, stop: int) -> list[tuple[str | None, int, int]]:
        return self.options.jobs.pieces(attempt.job, attempt.title, start, stop)

    def _refuse(self, attempt: Attempt, what: str, hint: str) -> ImportRefused:
        return ImportRefused(self.name, attempt.line, what, hint)

    def _places(self, attempt: Attempt) -> list[Place]:
        """Where its nodes are metered. Raises ImportRefused: a node without a meter, a meter that is none."""
        if (known := self._known.get(id(attempt.nodes))) is not None:  # lists are kept, each once
            return known
        places = []
        for node in attempt.nodes:
            place = self.hosts.place(node)
            if place is None:
                what = f"node {self.hosts.names[node][:64]} is not in the node mapping"
                raise self._refuse(attempt, what, "add it, or name a --default-meter to charge it to")
            places.append(place)
        if not places:
            if self.options.nodes.default is None:
                raise self._refuse(attempt, "it has GPUs and no node", "name a --default-meter for what cannot be placed")
            places = [Place(self.options.nodes.default, None)]
        for meter in {place.meter for place in places}:
            checked_meter(self.agreement, self.lab, meter, Source(self.name, attempt.line))
        self._known[id(attempt.nodes)] = places
        return places

    def _check_whole(self, attempt: Attempt, places: Sequence[Place]) -> None:
        if any(place.gpus is None for place in places):
            raise self._refuse(attempt, "--whole-nodes needs the GPUs of every node", "fill in gpus in the node mapping")

    def _fitted(self, attempt: Attempt, places: Sequence[Place]) -> tuple[int, int]:
        """GPUs that it held alone, and GPUs that it held or shared: not more than its nodes have."""
        gpus, known = attempt.gpus, _known(places)
        if known is None:
            return gpus.whole, gpus.slices + gpus.shards
        if gpus.whole > known or gpus.slices > 7 * known:
            held = gpus.whole if gpus.whole > known else f"slices of {-(-gpus.slices // 7)}"
            raise self._refuse(attempt, f"{held} GPUs on nodes that have {known}", "correct gpus in the node mapping")
        return gpus.whole, min(gpus.slices + gpus.shards, known)

    def _own(self, attempt: Attempt, places: Sequence[Place]) -> Iterator[Span]:
        """What is charged whatever else runs: whole GPUs, and shared ones whose node cannot be told."""
        source = Source(self.name, attempt.line)
        whole, shared = attempt.need
        alone = not (attempt.shares_one_node and places[0].gpus is not None)
        start, stop = attempt.start, attempt.stop or attempt.start
        for meter, sure, doubt in self._over_meters(places, whole):
            parts = (start, stop, sure, False), (start, stop, doubt, True), (attempt.wide_start, start, sure + doubt, True)
            yield from self._cut(attempt, source, meter, (*parts, (stop, attempt.wide_stop or stop, sure + doubt, True)))
        if not shared or not alone:
            return
        if len(places) == 1:
            wide = ((attempt.wide_start, start, shared, True), (stop, attempt.wide_stop or stop, shared, True))
            yield from self._cut(attempt, source, places[0].meter, ((start, stop, shared, False), *wide))
            return
        for meter in sorted({place.meter for place in places}):  # on which of its nodes, no one knows: all may be its own
            most = _known([place for place in places if place.meter == meter])
            chips = shared if most is None else min(shared, most)
            yield from self._cut(attempt, source, meter, ((attempt.wide_start, attempt.wide_stop or stop, chips, True),))

    def _cut(self, attempt: Attempt, source: Source, meter: str, parts: Sequence[tuple[int, int, int, bool]]) -> Iterator[Span]:
        for a, b, chips, slack in parts:
            if a < b and chips:
                for label, since, until in self._pieces(attempt, a, b):
                    yield Span(source, meter, label, since, until, chips, slack=slack)

    def _over_meters(self, places: Sequence[Place], total: int) -> list[tuple[str, int, int]]:
        """(meter, GPUs that are certain, GPUs in doubt). The certain ones sum to ``total``.

        Split by the GPUs of the nodes or else by nodes, running sums rounded up: Slurm does not say how many GPUs each
        node gave. Unless the job held all GPUs of its nodes, or the meters' chips have one peak, each meter is charged
        in doubt up to the most that its nodes can have given.
        """
        meters, known = sorted({place.meter for place in places}), _known(places)
        if len(meters) == 1 or not total:
            return [(meters[0], total, 0)]
        weights = {name: sum(1 if known is None else p.gpus or 0 for p in places if p.meter == name) for name in meters}
        whole = sum(weights.values())
        peaks = {self.agreement.chip(self.agreement.lab(self.lab).meter(name).chip).peak for name in meters}
        shares, given, passed = [], 0, 0
        for name in meters:
            passed += weights[name]
            upto = -(-total * passed // whole)
            most = total if known is None else min(total, weights[name])
            doubt = 0 if known == total or len(peaks) == 1 else max(0, most - (upto - given))
            shares.append((name, upto - given, doubt))
            given = upto
        return shares


def _known(places: Sequence[Place]) -> int | None:
    """GPUs of places, or None where one does not say."""
    return None if any(place.gpus is None for place in places) else sum(place.gpus or 0 for place in places)
