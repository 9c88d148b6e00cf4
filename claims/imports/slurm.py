"""Slurm accounting, as ``sacct -X -P -D`` or ``sacct --json`` prints it (`standstill import slurm --help` has the command).

    rows --attempts (a job's hold on its nodes)--> spans: whole GPUs by job, shared GPUs by node --charge--> usage

Every row is one attempt of a job: its nodes' GPUs from Start to End, whatever its state. Slurm counts whole
seconds: the second after End is in doubt, as is the hour that clocks repeat, and is charged as far as the meter has
room. Jobs that have not ended are charged to the end of the data or --as-of. FORMATS-imports.md section 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from claims.agreement.model import Agreement
from claims.base.units import format_time
from claims.imports.charge import Charged, Source, Span, Window, charge, checked_meter
from claims.imports.inputs import name_of, read_input
from claims.imports.rows import ImportRefused
from claims.imports.slurm_json import job_rows
from claims.imports.slurm_nodes import Attempt, Hosts, Overlap, find_overlap, shared_spans
from claims.imports.slurm_rows import Reader, SlurmOptions
from claims.imports.tables import MAX_TABLE, Place, table_rows
from claims.imports.usage import NoRoom
from claims.lab.store import Store

__all__ = ["import_slurm"]

_NEED = ("jobidraw", "jobname", "state", "start", "end", "alloctres", "nodelist")


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
    reader = Reader(name, options, report)
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
            raise self._refuse(attempt, f"the job held {held} GPUs, on nodes that have {known}", "correct gpus in the node mapping")
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
