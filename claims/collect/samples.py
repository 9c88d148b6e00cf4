"""What a poll showed: chips, their activity, jobs and energy counters, read from an exporter's samples.

Both generations of names are known: ``DCGM_FI_*`` and the older exporter's ``dcgm_*``; case does not count.
FORMATS-collector.md section C1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from claims.collect.errors import PollFailed
from claims.imports.exposition import Line

__all__ = ["FULL", "MAX_CHIPS", "NAME_LIMIT", "Job", "Labels", "Poll", "Seen", "read_chips"]

FULL = 10**9
"""Activity of a chip at its peak: activities are in units of 10^-9, rounded up."""
MAX_CHIPS = 65536
NAME_LIMIT = 200
MAX_COUNTER = 2**63 - 1

_TENSOR = frozenset({"dcgm_fi_prof_pipe_tensor_active", "dcgm_fi_prof_tensor_util_ratio"})
_ACTIVE = _TENSOR | {
    "dcgm_fi_prof_sm_active",
    "dcgm_fi_prof_sm_util_ratio",
    "dcgm_fi_prof_gr_engine_active",
    "dcgm_fi_prof_gr_engine_util_ratio",
    "dcgm_fi_dev_gpu_util",
    "dcgm_fi_dev_gpu_util_ratio",
    "dcgm_gpu_utilization",
}
_ENERGY = frozenset({"dcgm_fi_dev_total_energy_consumption", "dcgm_total_energy_consumption"})
_NUMBER = re.compile(r"\+?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,2})?")
_COMMON = ("go_", "process_", "promhttp_", "python_", "scrape_")
"""What exporters of all kinds show of themselves."""
_SHOWN = 3
_OLD = {"namespace": "pod_namespace", "pod": "pod_name", "container": "container_name"}

Job = tuple[str, str]
"""A job's id and its name; either may be empty, not both."""


@dataclass(frozen=True)
class Seen:
    """A chip in one poll.

    Attributes:
        activity: of the tensor pipes, 0 to ``FULL``; 0 where the chip is idle.
        busy: a job is on it, something was active, or nothing was said about activity.
        job: the one job on it; None: no job, or several.
        counter: energy in mJ since some beginning, or None.
    """

    activity: int
    busy: bool
    job: Job | None
    counter: int | None


@dataclass(frozen=True)
class Poll:
    """One poll of all endpoints.

    Attributes:
        at: Unix milliseconds.
        chips: by identity; chips that are missing here are charged as gaps.
        trouble: why chips may be missing; empty: every endpoint answered.
        step: why no interval reaches from the poll before to this one; empty: it does.
    """

    at: int
    chips: dict[str, Seen] = field(default_factory=dict)
    trouble: str = ""
    step: str = ""


@dataclass(frozen=True)
class Labels:
    """Which labels name jobs. ``job``: the first that is not empty is the id; ``name``: joined by "/" to the name."""

    job: tuple[str, ...] = ("hpc_job",)
    name: tuple[str, ...] = ("namespace", "pod", "container")

    def of(self, labels: dict[str, str]) -> Job | None:
        """The job that a sample names, or None."""
        found = next((labels[label] for label in self.job if labels.get(label, "").strip()), "")
        parts = (labels.get(label) or labels.get(_OLD.get(label, ""), "") for label in self.name)
        job = _short(found), _short("/".join(part.strip() for part in parts if part.strip()))
        return job if any(job) else None


def _short(text: str) -> str:
    """At most ``NAME_LIMIT`` characters; a longer text ends in a digest, so that different ones stay different."""
    text = text.strip()
    if len(text) <= NAME_LIMIT:
        return text
    return f"{text[: NAME_LIMIT - 17]}~{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass
class _Chip:
    tensor: int | None = None
    active: bool = False
    known: bool = False
    jobs: set[Job] = field(default_factory=set)
    counter: int | None = None
    bad: bool = False

    def seen(self) -> Seen:
        busy = bool(self.jobs) or self.active or not self.known
        activity = (FULL if self.tensor is None else self.tensor) if busy else 0
        return Seen(activity, busy, next(iter(self.jobs)) if len(self.jobs) == 1 else None, self.counter)


def read_chips(
    lines: Iterable[Line], labels: Labels, now: int, max_age: int, *, need_counter: bool = True
) -> tuple[dict[str, Seen], str]:
    """Chips of one endpoint's answer by identity, and why some are missing (or an empty text).

    Args:
        now, max_age: Unix ms and ms; a sample with a timestamp that is older, or ahead, is not counted.
        need_counter: leave out chips without an energy counter.

    Raises:
        PollFailed: a sample that names no chip, or too many chips.
    """
    chips: dict[str, _Chip] = {}
    strange: list[str] = []
    for line in lines:
        name = line.name.lower()
        name = name.removesuffix("_total") if name.removesuffix("_total") in _ENERGY else name  # so OpenMetrics calls counters
        if name not in _ACTIVE and name not in _ENERGY:
            if len(strange) < _SHOWN and line.name not in strange and not name.startswith(_COMMON):
                strange.append(line.name)
            continue
        identity = _identity(line.labels)
        if identity not in chips and len(chips) >= MAX_CHIPS:
            raise PollFailed(f"the answer shows more than {MAX_CHIPS} chips")
        _note(chips.setdefault(identity, _Chip()), name, line, labels, now, max_age)
    if not chips:
        shown = f"it shows {', '.join(name[:60] for name in strange)}" if strange else "it shows none"
        return {}, f"no metric of the answer is one of a known chip exporter: {shown}"
    bad = sorted(identity for identity, chip in chips.items() if chip.bad)
    bare = sorted(i for i, chip in chips.items() if need_counter and chip.counter is None and not chip.bad)
    trouble = f"a sample of chip {bad[0]} cannot be used" if bad else f"chip {bare[0]} has no energy counter" if bare else ""
    return {i: chip.seen() for i, chip in chips.items() if i not in {*bad, *bare}}, trouble


def _identity(labels: dict[str, str]) -> str:
    text = labels.get("UUID") or labels.get("uuid") or ""
    if not text.strip() and labels.get("gpu", "").strip():
        text = f"{labels.get('Hostname', '')}/{labels['gpu']}"
    if not text.strip():
        raise PollFailed("a sample names no chip")
    return _short(text)


def _note(chip: _Chip, name: str, line: Line, labels: Labels, now: int, max_age: int) -> None:
    value = Fraction(line.value) if _NUMBER.fullmatch(line.value) else None
    stale = line.timestamp is not None and not now - max_age <= line.timestamp <= now + 1000
    if value is None or stale:
        chip.bad = True
        return
    job = labels.of(line.labels)
    if job is not None:
        chip.jobs.add(job)
    if name in _ENERGY:
        counter = value.numerator // value.denominator
        chip.bad |= counter > MAX_COUNTER
        chip.counter = max(chip.counter or 0, counter)
        return
    chip.known = True
    chip.active |= value > 0
    if name in _TENSOR:
        activity = min(FULL, -(-value.numerator * FULL // value.denominator))
        chip.tensor = max(chip.tensor or 0, activity)
