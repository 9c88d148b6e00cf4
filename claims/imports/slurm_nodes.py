"""Nodes of Slurm jobs: what several jobs share of one node is charged at most once per physical GPU.

    slices, shares, --whole-nodes: jobs' units on a node over time --sweep--> min(units, the node's GPUs) at every moment

Where more is asked for than the node has, each checkpoint gets what no other can have held; the rest may be anyone's,
and is charged as unattributed.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from claims.base.units import format_time
from claims.imports.charge import Source, Span
from claims.imports.hostlist import HostListError, expand
from claims.imports.slurm_gpus import Gpus
from claims.imports.tables import MAX_NODES, NodeMap, Place

__all__ = ["Attempt", "Hosts", "Overlap", "find_overlap", "shared_spans"]

MAX_HOSTS_IN_ALL = 20_000_000
MAX_STEPS = 50_000_000

Pieces = Callable[["Attempt", int, int], list[tuple[str | None, int, int]]]
"""An attempt's checkpoints in order, from one moment (Unix ms) to another, without gaps."""


@dataclass(slots=True)
class Attempt:
    """A job's hold on its nodes. Times are Unix ms, ``elapsed`` is ms; ``stop``, ``wide_stop`` None: it has not ended.

    Attributes:
        line, job, title: where it stands, the job's id and its name.
        gpus: as accounted; all 0 where whole nodes are charged.
        start, stop: certain. ``wide_start``, ``wide_stop``: at most.
        need: GPUs that it held alone, and GPUs that it held or shared.
    """

    line: int
    job: str
    title: str
    gpus: Gpus
    nodes: Sequence[int]
    start: int
    stop: int | None
    wide_start: int
    wide_stop: int | None
    elapsed: int
    need: tuple[int, int] = (0, 0)

    @property
    def shares_one_node(self) -> bool:
        """Whether it shares GPUs, and it is known of which node."""
        return len(self.nodes) == 1 and self.need[1] > 0


class Hosts:
    """Host lists as numbers of nodes, each list once."""

    def __init__(self, mapping: NodeMap) -> None:
        self.names: list[str] = []
        self._mapping = mapping
        self._numbers: dict[str, int] = {}
        self._lists: dict[str, Sequence[int]] = {"": array("I")}
        self._known: dict[int, int | None] = {}
        self._seen = 0

    def of(self, text: str) -> Sequence[int]:
        """Numbers of a host list's nodes. Raises HostListError: not one, or too many nodes in all."""
        found = self._lists.get(text)
        if found is None:
            found = self._lists[text] = array("I", map(self._number, expand(text)))
        self._seen += len(found)
        if self._seen > MAX_HOSTS_IN_ALL or len(self.names) > MAX_NODES:
            raise HostListError(f"more than {MAX_HOSTS_IN_ALL} nodes in all rows, or {MAX_NODES} names", "export shorter times")
        return found

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number

    def place(self, node: int) -> Place | None:
        """Where the node is metered, or None."""
        return self._mapping.find(self.names[node])

    def listed(self, node: int) -> bool:
        """Whether the mapping lists the node, and not as one without GPUs."""
        place = self._mapping.places.get(self.names[node])
        return place is not None and place.gpus != 0

    def gpus(self, node: int) -> int | None:
        """GPUs of the node, where the mapping says so."""
        place = self.place(node)
        return None if place is None else place.gpus

    def floor(self, attempt: Attempt, node: int) -> int:
        """GPUs that the attempt held alone on this node of its own, at the least: its other nodes cannot have given them."""
        whole = attempt.need[0]
        if len(attempt.nodes) == 1 or not whole:
            return whole
        key = id(attempt.nodes)  # lists are kept, each once
        if key not in self._known:
            sizes = [self.gpus(one) for one in attempt.nodes]
            self._known[key] = None if None in sizes else sum(size or 0 for size in sizes)
        known = self._known[key]
        return 0 if known is None else max(0, whole - (known - (self.gpus(node) or 0)))


# ---- shared GPUs -----------------------------------------------------------------------------------------


def shared_spans(
    name: str, attempts: Sequence[Attempt], shared: Sequence[Attempt], hosts: Hosts, pieces: Pieces
) -> Iterator[Span]:
    """Spans of what attempts share, node by node: at every moment at most the node's GPUs that nobody held alone.

    Args:
        shared: attempts that share GPUs of their nodes: ``need[1]`` of the only one, or all of each (whole nodes).

    Raises:
        ImportRefused: the sharing is more than can be followed.
    """
    users: dict[int, list[Attempt]] = {}
    for attempt in shared:
        for node in attempt.nodes:
            users.setdefault(node, []).append(attempt)
    alone: dict[int, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.need[0]:
            for node in attempt.nodes:
                if node in users:
                    alone.setdefault(node, []).append(attempt)
    swept: dict[tuple[Place, bytes], list[Span]] = {}
    steps = 0
    for node in sorted(users):
        place = hosts.place(node)
        if place is None or not place.gpus:
            continue
        holders = [(attempt, hosts.floor(attempt, node)) for attempt in alone.get(node, ())]
        who = array("Q", [*map(id, users[node]), 0, *(part for attempt, chips in holders for part in (id(attempt), chips))])
        key = place, hashlib.sha256(who.tobytes()).digest()
        if key not in swept:  # nodes with the same jobs are charged alike
            sweep = _Sweep(Source(name, users[node][0].line), place, steps)
            for attempt, chips in holders:
                sweep.alone(attempt, chips)
            for attempt in users[node]:
                sweep.share(attempt, attempt.need[1] or place.gpus, pieces)
            swept[key] = list(sweep.spans())
            steps = sweep.steps
        yield from swept[key]


@dataclass
class _Sweep:
    """One node through time. ``changes``: (Unix ms, who holds, difference).

    Who: (checkpoint, in doubt) of what is shared, or only whether it is in doubt, of what is held alone.
    """

    source: Source
    place: Place
    steps: int
    changes: list[tuple[int, tuple[str | None, bool] | bool, int]] = field(default_factory=list)

    def alone(self, attempt: Attempt, chips: int) -> None:
        """GPUs that are held alone, and charged elsewhere."""
        for a, b, slack in _parts(attempt):
            self._add(a, b, slack, chips)

    def share(self, attempt: Attempt, chips: int, pieces: Pieces) -> None:
        """GPUs that are held or shared."""
        for a, b, slack in _parts(attempt):
            if a < b:
                for label, since, until in pieces(attempt, a, b):
                    self._add(since, until, (label, slack), chips)

    def _add(self, start: int, stop: int, who: tuple[str | None, bool] | bool, chips: int) -> None:
        if start < stop and chips:
            self.changes += (start, who, chips), (stop, who, -chips)

    def spans(self) -> Iterator[Span]:
        """What is charged, as long as it stays the same in one span."""
        held: dict[tuple[str | None, bool] | bool, int] = {}
        running: dict[tuple[str | None, bool], tuple[int, int]] = {}
        self.changes.sort(key=lambda change: change[0])
        for number, (at, who, chips) in enumerate(self.changes):
            held[who] = held.get(who, 0) + chips
            if not held[who]:
                del held[who]
            if number + 1 < len(self.changes) and self.changes[number + 1][0] == at:
                continue
            self.steps += len(held)
            if self.steps > MAX_STEPS:
                raise self.source.refuse("too many jobs share nodes at once", "export and import shorter times")
            now = self._given(held)
            for key in [key for key in running if running[key][1] != now.get(key)]:
                since, given = running.pop(key)
                yield Span(self.source, self.place.meter, key[0], since, at, given, slack=key[1])
            for key, given in now.items():
                running.setdefault(key, (at, given))

    def _given(self, held: dict[tuple[str | None, bool] | bool, int]) -> dict[tuple[str | None, bool], int]:
        """GPUs charged to each checkpoint at one moment; what is certain comes before what is in doubt."""
        room = self.place.gpus or 0
        given: dict[tuple[str | None, bool], int] = {}
        for slack in (False, True):
            room = max(0, room - held.get(slack, 0))
            asked = {who[0]: chips for who, chips in held.items() if isinstance(who, tuple) and who[1] is slack}
            for label, chips in _shared_out(asked, room):
                given[label, slack] = given.get((label, slack), 0) + chips
            room -= min(room, sum(asked.values()))
        return given


def _parts(attempt: Attempt) -> tuple[tuple[int, int, bool], ...]:
    """(from, to, in doubt) of an attempt's time."""
    start, stop = attempt.start, attempt.stop or attempt.start
    return (start, stop, False), (attempt.wide_start, start, True), (stop, attempt.wide_stop or stop, True)


def _shared_out(asked: dict[str | None, int], room: int) -> Iterable[tuple[str | None, int]]:
    """(checkpoint, GPUs): as asked, or where that is too much, what no other can have held; the rest is unattributed."""
    total = sum(asked.values())
    if total <= room:
        return asked.items()
    sure = [(label, chips - (total - room)) for label, chips in asked.items() if chips > total - room]
    rest = room - sum(chips for _, chips in sure)
    return [*sure, (None, rest)] if rest else sure


# ---- jobs that cannot both have run ----------------------------------------------------------------------


@dataclass(frozen=True)
class Overlap:
    """Two jobs that held more GPUs of a node than it has, from a moment on (Unix ms). ``line``: of the first."""

    line: int
    text: str
    runaway: bool

    def __str__(self) -> str:
        return self.text


def find_overlap(attempts: Sequence[Attempt], hosts: Hosts, going: set[int]) -> Overlap | None:
    """Whole GPUs of one node that two jobs held at once; with a job that has not ended (``going``: ids), if there is one."""
    users: dict[int, list[Attempt]] = {}
    for attempt in attempts:
        for node in attempt.nodes if attempt.need[0] else ():
            users.setdefault(node, []).append(attempt)
    found: Overlap | None = None
    for node, holders in sorted(users.items()):
        gpus = hosts.gpus(node)
        if gpus is None or sum(hosts.floor(attempt, node) for attempt in holders) <= gpus:
            continue
        here = _overlap_on(node, gpus, holders, hosts, going)
        if here is not None and (found is None or here.runaway):
            found = here
            if here.runaway:
                break
    return found


def _overlap_on(node: int, gpus: int, holders: Sequence[Attempt], hosts: Hosts, going: set[int]) -> Overlap | None:
    changes = []
    for number, attempt in enumerate(holders):
        chips = hosts.floor(attempt, node)
        if chips and attempt.stop is not None and attempt.start < attempt.stop:
            changes += [(attempt.start, chips, number), (attempt.stop, -chips, number)]
    held, active = 0, set[int]()
    for at, chips, number in sorted(changes):
        held += chips
        (active.add if chips > 0 else active.discard)(number)
        if held > gpus:
            newest = holders[number]
            others = [holders[other] for other in active if other != number]
            other = min(others, key=lambda one: (id(one) not in going, one.start), default=newest)
            first, second = (newest, other) if id(newest) in going else (other, newest)
            runaway = id(first) in going
            text = f"job {first.job[:40]}{', which has not ended,' if runaway else ''} and job {second.job[:40]} hold {held} GPUs "
            text += f"of node {hosts.names[node][:64]}, which has {gpus}, from {format_time(at // 1000)}"
            return Overlap(first.line, text, runaway)
    return None
