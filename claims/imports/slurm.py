"""Slurm accounting: ``sacct -X -P -D -o JobIDRaw,JobName,State,Submit,Start,End,ElapsedRaw,AllocTRES,NNodes,NodeList,ExitCode``.

Every row is one attempt of a job: its nodes' GPUs from Start to End, whatever its state. Slurm counts whole
seconds: the second after End is in doubt, as is the hour that clocks repeat, and is charged as far as the meter has
room. Jobs that have not ended are charged to the end of the data or --as-of. FORMATS-imports.md section 1.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from claims.agreement import Agreement
from claims.importers import ImportRefused, Row
from claims.imports.charge import Charged, Source, Span, Window, charge, checked_meter
from claims.imports.hostlist import NO_HOSTS, HostListError, expand
from claims.imports.tables import Clock, JobMap, NodeMap, Place, read_table
from claims.store import Store
from claims.units import format_time

__all__ = ["SlurmOptions", "gpus_of", "import_slurm"]

_NEED = ("jobidraw", "jobname", "state", "start", "end", "alloctres", "nodelist")
_NO_TIME = frozenset({"", "unknown", "none", "n/a", "(null)"})
_OPEN = frozenset(
    {"RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"}
)
_WAITING = frozenset({"PENDING", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD", "REVOKED"})
_TRES = re.compile(r"gres/(gpu|shard|mps)(:[^=,]{1,128})?=([0-9]{1,9})")
MAX_ELAPSED = 10**9
MAX_HOSTS_IN_ALL = 50_000_000


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


@dataclass(frozen=True)
class _Attempt:
    """One row that held nodes. ``least``, ``widest``: (start, stop), Unix ms; stop None: it has not ended."""

    row: Row
    least: tuple[int, int | None]
    widest: tuple[int, int | None]
    elapsed: int
    gpus: int | None
    nodes: str


@functools.lru_cache(maxsize=4096)
def _hosts(text: str) -> tuple[str, ...]:
    return () if text.lower() in NO_HOSTS else tuple(expand(text))


def gpus_of(row: Row) -> int:
    """GPUs in AllocTRES. ``gres/gpu`` and the sum of its types count the same devices: the larger is taken.

    A job with shards of GPUs alone (``gres/shard``, ``gres/mps``) counts each as a GPU of its own.
    """
    untyped, typed, shared = 0, 0, 0
    for part in row.get("alloctres").split(","):
        if not part.strip().lower().startswith("gres/"):
            continue
        match = _TRES.fullmatch(part.strip())
        if match is None:
            if re.match(r"gres/(gpu|shard|mps)\b", part.strip(), re.IGNORECASE):
                raise row.refuse(f"alloctres {part.strip()[:60]!r} is not like gres/gpu:h200=8")
            continue
        count = int(match[3])
        if match[1] != "gpu":
            shared += count
        elif match[2]:
            typed += count
        else:
            untyped += count
    return max(untyped, typed) or shared


def import_slurm(
    store: Store,
    agreement: Agreement,
    path: Path,
    options: SlurmOptions,
    *,
    window: Window | None = None,
    skip_outside: bool = False,
) -> Charged:
    """Charge the GPU time of a sacct export to the lab's meters, all of it or nothing.

    Raises:
        ImportRefused: naming file, line and remedy.
        StoreError: imported before, or a meter has signed.
    """
    rows, digest = read_table(path, _NEED, delimiter="|", quoted=False, free="jobname")
    report = Charged()
    attempts = _attempts(path.name, rows, options, report)
    report.notes += _restarts(rows)
    end = (window or Window()).open_end(_end_of_data(path.name, rows, attempts, options), options.as_of)
    spans: list[Span] = []
    used: set[str] = set()
    for attempt in attempts:
        own = _spans(store, agreement, attempt, end, options)
        labels = {span.label for span in own if span.label is not None}
        used |= labels
        report.count("charged to a checkpoint" if labels else "charged as unattributed")
        spans += own
    going = sum(attempt.least[1] is None for attempt in attempts)
    if going:
        report.notes.append(f"{going} jobs have not ended: charged until {format_time(end // 1000)}")
    unused = options.jobs.labels() - used
    if unused:
        report.notes.append(f"checkpoints in the job mapping that no job fits: {', '.join(sorted(unused)[:10])}")
    charge(
        store, agreement, spans, kind="slurm", label=path.name, files=[digest], report=report, window=window,
        skip_outside=skip_outside,
    )  # fmt: skip
    return report


def _restarts(rows: Sequence[Row]) -> list[str]:
    """A remark where a column Restarts says that there were more attempts than the file has."""
    attempts: dict[str, list[int]] = {}
    for row in rows:
        if row.get("restarts"):
            seen = attempts.setdefault(row.get("jobidraw"), [0, 0])
            seen[0], seen[1] = seen[0] + 1, max(seen[1], row.integer("restarts", "a whole number"))
    missing = sum(restarts >= count for count, restarts in attempts.values())
    return [f"{missing} jobs were restarted more often than the file has rows: was it exported with -D?"] if missing else []


# ---- rows ------------------------------------------------------------------------------------------------


def _attempts(name: str, rows: Sequence[Row], options: SlurmOptions, report: Charged) -> list[_Attempt]:
    whole = {row.get("jobidraw") for row in rows if "." not in row.get("jobidraw")}
    if rows and not options.whole_nodes and not any("gres/gpu" in row.get("alloctres") for row in rows):
        raise ImportRefused(
            name, None, "no row has a gres/gpu in AllocTRES",
            "set AccountingStorageTRES=gres/gpu, or charge all GPUs of each job's nodes with --whole-nodes",
        )  # fmt: skip
    found: dict[tuple[str, ...], _Attempt] = {}
    hosts = 0
    for row in rows:
        job = row.need("jobidraw", "sacct prints one for every row")
        if "." in job:
            if job.split(".")[0] not in whole:
                raise row.refuse(f"step {job[:40]!r} without its job", "export with sacct -X")
            report.count("steps, counted in their jobs")
            continue
        attempt = _attempt(row, options, report)
        if attempt is None:
            continue
        key = tuple(row.get(column) for column in ("cluster", "jobidraw", "start", "alloctres", "nodelist"))
        hosts += len(_hosts(attempt.nodes))
        if hosts > MAX_HOSTS_IN_ALL:
            raise row.refuse(f"more than {MAX_HOSTS_IN_ALL} hosts in all rows", "export and import shorter times")
        known = found.get(key)
        if known is not None:
            report.count("that repeat an attempt, charged once")
        found[key] = attempt if known is None else _longer(known, attempt)
    return list(found.values())


def _longer(one: _Attempt, two: _Attempt) -> _Attempt:
    """Of two rows of one attempt (as where exports were joined), the one that ends later."""
    stops = [attempt.widest[1] for attempt in (one, two)]
    if stops[0] is None or stops[1] is None:
        return one if stops[1] is not None else two
    return one if stops[0] >= stops[1] else two


def _attempt(row: Row, options: SlurmOptions, report: Charged) -> _Attempt | None:
    state = (row.get("state").split() or [""])[0].upper()
    gpus = gpus_of(row)
    hosts = row.get("nodelist")
    nobody = hosts.lower() in NO_HOSTS
    elapsed = row.integer("elapsedraw", "whole seconds") if row.get("elapsedraw") else 0
    if elapsed > MAX_ELAPSED:
        raise row.refuse(f"elapsedraw {elapsed} is more than 30 years")
    begun = row.get("start").lower() not in _NO_TIME
    idle = state in _WAITING and (nobody or not begun)
    if not elapsed and (idle or (nobody and not gpus and not begun)):
        report.count("of jobs that never started")
        return None
    if nobody and options.whole_nodes and not gpus:
        report.count("without nodes")
        return None
    try:
        nodes = _hosts(hosts)
    except HostListError as error:
        raise row.refuse(f"nodelist: {error.what}", error.hint) from None
    if row.get("nnodes") and nodes and row.integer("nnodes", "a whole number") != len(nodes):
        raise row.refuse(f"nnodes is {row.get('nnodes')[:20]}, nodelist names {len(nodes)}", "was the column cut off?")
    if not gpus and not options.whole_nodes:
        some = any((place := options.nodes.places.get(node)) is not None and place.gpus != 0 for node in nodes)
        report.count("without GPUs" + (", on nodes that have some (--whole-nodes charges them)" if some else ""))
        return None
    least, widest = _interval(row, "start" if begun else "submit", state, elapsed, options.clock)
    return _Attempt(row, least, widest, elapsed * 1000, None if options.whole_nodes else gpus, hosts)


def _interval(
    row: Row, begin: str, state: str, elapsed: int, clock: Clock
) -> tuple[tuple[int, int | None], tuple[int, int | None]]:
    """Least and widest interval that a row can mean.

    Where clocks were set back a local time means two moments. The widest runs from the earliest start to the latest
    end; the least is the shortest that is as long as ElapsedRaw, or the widest where that is not known.
    """
    if row.get(begin).lower() in _NO_TIME:
        raise row.refuse("it held nodes, but has neither start nor submit time", "export Submit too")
    starts = clock.moments(row, begin)
    if row.get("end").lower() in _NO_TIME or state in _OPEN:
        return (starts[0], None), (starts[0], None)
    stops = clock.moments(row, "end")
    pairs = [(a, b) for a in starts for b in stops if b >= a]
    if not pairs:
        raise row.refuse("it ends before it starts", "are both times of one --timezone?")
    widest = (min(a for a, _ in pairs), max(b for _, b in pairs))
    widest = widest[0], max(widest[1], widest[0] + elapsed * 1000)
    fitting = [pair for pair in pairs if row.get("elapsedraw") and pair[1] - pair[0] >= elapsed * 1000]
    least = min(fitting, key=lambda pair: (pair[1] - pair[0], pair), default=widest)
    return least, (widest[0], widest[1] + 1000)


def _end_of_data(name: str, rows: Sequence[Row], attempts: Sequence[_Attempt], options: SlurmOptions) -> int:
    """When the export was made, as far as can be known: --as-of, or the latest time in it."""
    early, late = 0, 0
    for attempt in attempts:
        start, stop = attempt.least
        early = max(early, start + attempt.elapsed, stop or 0)
        late = max(late, early, attempt.widest[1] or 0)
    for row in rows:
        waiting = (row.get("state").split() or [""])[0].upper() in _WAITING
        for column in ("submit",) if waiting else ("submit", "start", "end"):
            if row.get(column).lower() not in _NO_TIME:
                moments = options.clock.moments(row, column)
                early, late = max(early, moments[0]), max(late, moments[1])
    if options.as_of is None:
        return late
    if options.as_of < early:
        raise ImportRefused(
            name, None, "it has times after --as-of", "--as-of is when sacct ran; see also --timezone and --until"
        )
    return options.as_of


# ---- from attempts to spans ------------------------------------------------------------------------------


def _spans(
    store: Store, agreement: Agreement, attempt: _Attempt, end: int, options: SlurmOptions
) -> list[Span]:
    row = attempt.row
    start, stop = attempt.least
    wide_start, wide_stop = attempt.widest
    if stop is None:
        stop = wide_stop = max(end, start + attempt.elapsed)
    source = Source(row.source, row.line)
    spans = []
    for meter, sure, doubt in _chips(store, agreement, attempt, options):
        parts = (start, stop, sure, False), (start, stop, doubt, True), (wide_start, start, sure + doubt, True)
        for a, b, chips, slack in (*parts, (stop, wide_stop or stop, sure + doubt, True)):
            for label, since, until in options.jobs.pieces(row.get("jobidraw"), row.get("jobname"), a, b):
                spans.append(Span(source, meter, label, since, until, Fraction(chips), slack=slack))
    return spans


def _chips(
    store: Store, agreement: Agreement, attempt: _Attempt, options: SlurmOptions
) -> list[tuple[str, int, int]]:
    """(meter, GPUs that are certain, GPUs in doubt) of an attempt. The certain ones sum to what was allocated."""
    row, source = attempt.row, Source(attempt.row.source, attempt.row.line)
    places = [_place_of(row, node, options.nodes) for node in _hosts(attempt.nodes)]
    if not places:
        if options.nodes.default is None:
            raise row.refuse("it has GPUs and no node", "name a --default-meter for what cannot be placed")
        places = [Place(options.nodes.default, None)]
    for name in {place.meter for place in places}:
        checked_meter(agreement, store.lab, name, source)
    meters = sorted({place.meter for place in places})
    sizes = [place.gpus for place in places]
    known = None if None in sizes else sum(size or 0 for size in sizes)
    if attempt.gpus is None:
        if known is None:
            raise row.refuse("--whole-nodes needs the GPUs of every node", "fill in gpus in the node mapping")
        return [(name, n, 0) for name in meters if (n := sum(p.gpus or 0 for p in places if p.meter == name))]
    total = attempt.gpus
    if known is not None and total > known:
        if "gres/gpu" in row.get("alloctres"):
            raise row.refuse(f"{total} GPUs on nodes that have {known}", "correct gpus in the node mapping")
        total = known
    if len(meters) == 1 or not total:
        return [(meters[0], total, 0)]
    return _over_meters(agreement, store.lab, places, meters, total, known)


def _over_meters(
    agreement: Agreement, lab: str, places: Sequence[Place], meters: Sequence[str], total: int, known: int | None
) -> list[tuple[str, int, int]]:
    """Split a job's GPUs over meters, by the GPUs of their nodes or else by nodes, running sums rounded up.

    Slurm does not say how many GPUs each node gave. Unless the job held all GPUs of its nodes, or the meters' chips
    have one peak, each meter is charged in doubt up to the most that its nodes can have given.
    """
    shares, given, passed = [], 0, 0
    weights = {
        name: sum(1 if known is None else place.gpus or 0 for place in places if place.meter == name) for name in meters
    }
    whole = sum(weights.values())
    peaks = {agreement.chip(agreement.lab(lab).meter(name).chip).peak for name in meters}
    for name in meters:
        passed += weights[name]
        upto = -(-total * passed // whole)
        most = total if known is None else min(total, weights[name])
        doubt = 0 if known == total or len(peaks) == 1 else max(0, most - (upto - given))
        shares.append((name, upto - given, doubt))
        given = upto
    return shares


def _place_of(row: Row, node: str, nodes: NodeMap) -> Place:
    place = nodes.find(node)
    if place is None:
        raise row.refuse(
            f"node {node[:64]} is not in the node mapping", "add it, or name a --default-meter to charge it to"
        )
    return place
