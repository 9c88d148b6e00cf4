"""The demonstration's inputs: published runs and checkpoints, turned into the files that a lab would import.

Real, from ``claims/data``: every run's start, stop, system and number of accelerators; the chips' peaks; the
checkpoints' steps, run ids, restarts and merges. Assumed, and printed by the demonstration: everything in ``ASSUMED``.
"""

from __future__ import annotations

import csv
import datetime as _datetime
import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from claims.base.errors import ClaimsError
from claims.lab.registry import Opening

__all__ = [
    "ASSUMED",
    "DATA",
    "EIGHT_DAYS",
    "MONTH",
    "LabPlan",
    "MeterPlan",
    "Window",
    "board_watts",
    "chip_peaks",
    "lab_plans",
]

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Window:
    """Days of the published data that a demonstration takes, and the calendar that its agreement has.

    Attributes:
        start: RFC 3339, as the data has it.
        epoch_seconds, period_days, periods: the calendar; ``periods`` is how many have data.
        submitters: MLPerf organisations by lab name; Ai2 always comes last.
        back_days: every time is this many days earlier than published.
    """

    start: str
    epoch_seconds: int
    period_days: int
    periods: int
    submitters: tuple[tuple[str, str], ...]
    back_days: int = 0

    @property
    def begin_ms(self) -> int:
        """First moment, Unix milliseconds, as the data has it."""
        return milliseconds(self.start)

    @property
    def end_ms(self) -> int:
        """The moment after the last, as the data has it."""
        return self.begin_ms + self.periods * self.period_days * 86_400_000

    @property
    def agreement_start(self) -> str:
        """Where the agreement's first epoch begins."""
        return rfc3339(self.begin_ms - self.back_days * 86_400_000)[:19] + "Z"


EIGHT_DAYS = Window(
    "2025-10-03T00:00:00Z",
    900,
    4,
    2,
    (("nvidia", "NVIDIA"), ("university-of-florida", "University-of-Florida"), ("supermicro", "Supermicro")),
)
MONTH = Window(
    "2025-09-21T15:00:00Z",
    3600,
    30,
    1,
    (("university-of-florida", "University-of-Florida"), ("nebius", "Nebius")),
    back_days=791,
)
"""A month, 791 days early, so that a public drand round that is among the project's data comes right after it."""

ASSUMED = (
    "Each published system is one meter over as many chips as its published runs ever used at the same moment, so that"
    " none runs unmetered (Theia is described as 8 x 72 chips, but its runs overlap on up to 1,024).",
    "Runs of the benchmarks rgat, dlrm_dcnv2 and retinanet keep no weights: their time is charged as unattributed.",
    "llama2_70b_lora starts from outside weights of 6 x 70e9 x 2.0e12 = 8.4e23 FLOP, llama31_405b from 3.8e25 FLOP.",
    "Ai2 trains on 512 H100 at 40 % of their BF16 peak, 6 x parameters x tokens FLOP in all, 4,194,304 tokens a step;"
    " its clock times and the 10 unattributed minutes after each restart are ours, its steps, restarts and merges are real.",
    "Weights digests are hashes of the checkpoints' names, since the weights are not part of the data.",
)

KEEPS_NO_WEIGHTS = frozenset({"rgat", "dlrm_dcnv2", "retinanet"})
OUTSIDE_WEIGHTS = {
    "llama2_70b_lora": ("llama-2-70b", "8.4e23"),
    "llama31_405b": ("llama-3.1-405b", "3.8e25"),
}
"""Outside weights that a benchmark starts from: name and declared FLOP (Touvron 2023: 70e9 parameters, 2.0e12 tokens;
Meta 2024: 3.8e25 FLOP)."""
TITLES = {"university-of-florida": "U. of Florida"}
_CHIP_OF = {
    "GB300": "NVIDIA GB300",
    "GB200": "NVIDIA GB200",
    "B300": "NVIDIA B300 SXM 270GB",
    "B200": "NVIDIA B200 SXM 180GB",
    "H200": "NVIDIA H200 SXM 141GB",
    "MI355X": "AMD Instinct MI355X",
    "MI325X": "AMD Instinct MI325X",
}


@dataclass(frozen=True)
class MeterPlan:
    """A meter to enrol: name, row of chips.csv, number of chips, number of runs that it will count."""

    name: str
    chip: str
    chips: int
    runs: int


@dataclass
class LabPlan:
    """A lab's meters, opening checkpoints, and rows of its usage and checkpoint files (strings, by column)."""

    name: str
    title: str
    meters: list[MeterPlan] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    usage: list[dict[str, str]] = field(default_factory=list)
    checkpoints: list[dict[str, str]] = field(default_factory=list)
    parents: dict[str, str | None] = field(default_factory=dict)
    runs: int = 0
    outside: int = 0

    def ran(self, meter: str, start: int, stop: int, checkpoint: str, chips: str) -> None:
        """Add a run to the usage; times are Unix milliseconds."""
        self.usage.append({"meter": meter, "start": str(start), "stop": str(stop), "checkpoint": checkpoint, "chips": chips})

    def saved(self, name: str, at_ms: int, parents: str = "", kind: str = "CHECKPOINT", branch: str = "") -> None:
        """Add a checkpoint."""
        row = {"name": name, "kind": kind, "parents": parents, "branch": branch, "time": rfc3339(at_ms), "weights": _weights(name)}
        self.checkpoints.append(row)
        self.parents[name] = parents or None

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write ``usage.csv`` and ``checkpoints.csv``; returns their paths."""
        usage, checkpoints = folder / "usage.csv", folder / "checkpoints.csv"
        _write_csv(usage, ("meter", "start", "stop", "checkpoint", "chips"), self.usage)
        columns = ("name", "kind", "parents", "branch", "time", "declared_flop", "weights")
        _write_csv(checkpoints, columns, self.checkpoints)
        return usage, checkpoints


def _write_csv(path: Path, columns: tuple[str, ...], rows: Iterable[dict[str, str]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _read_csv(name: str) -> list[dict[str, str]]:
    try:
        with open(DATA / name, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(line for line in file if not line.startswith("#")))
    except OSError as error:
        raise ClaimsError(f"{DATA / name} cannot be read: {error.strerror}", "the data came with the project") from None


def slug(text: str) -> str:
    """Text as a name: lower case, other characters become ``-``."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")


def chip_peaks() -> dict[str, tuple[str, str]]:
    """For each chip: its peak in FLOP/s at the format with the highest throughput (as written), and that format."""
    peaks = {}
    for row in _read_csv("chips.csv"):
        best = max(("bf16", "fp8", "fp4", "int8"), key=lambda column: Fraction(row[column] or "0"))
        peaks[row["chip"]] = (row[best], best)
    return peaks


def board_watts(chip: str) -> int:
    """A chip's published board power, W."""
    return next(int(row["tdp_w"]) for row in _read_csv("chips.csv") if row["chip"] == chip)


def milliseconds(text: str) -> int:
    """Unix milliseconds of an RFC 3339 time with at most three decimals."""
    moment = _datetime.datetime.fromisoformat(text)
    return int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000


def rfc3339(ms: int) -> str:
    """RFC 3339 with milliseconds."""
    whole = _datetime.datetime.fromtimestamp(ms // 1000, _datetime.UTC)
    return whole.strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


def _weights(name: str) -> str:
    return hashlib.sha256(f"standstill demonstration weights {name}".encode()).hexdigest()


def lab_plans(window: Window = EIGHT_DAYS) -> list[LabPlan]:
    """The demonstration's labs: MLPerf Training v5.1 submitters, and Ai2 with the OLMo checkpoints."""
    plans = [*(_submitter(name, org, window) for name, org in window.submitters), _ai2()]
    for plan in plans:
        _shift(plan, -window.back_days * 86_400_000)
    return plans


def _shift(plan: LabPlan, by_ms: int) -> None:
    if by_ms:
        for run in plan.usage:
            run["start"], run["stop"] = (str(int(run[column]) + by_ms) for column in ("start", "stop"))
        for saved in plan.checkpoints:
            saved["time"] = rfc3339(milliseconds(saved["time"]) + by_ms)


# ---- MLPerf Training v5.1 --------------------------------------------------------------------------------


def _system(org: str, system: str) -> str:
    """The physical system behind a submission's name: slices of one machine are one system."""
    if org == "NVIDIA":
        return system.split("_")[0]
    if org == "University-of-Florida":
        return "hipergator"
    if org == "Nebius":
        return slug(system).rsplit("_", 1)[0].replace("_", "-")
    return slug(system)


def _chip(accelerator: str) -> str:
    for mark, chip in _CHIP_OF.items():
        if mark in accelerator:
            return chip
    raise ClaimsError(f"accelerator {accelerator!r} is not in the demonstration's table")


def _most_at_once(runs: list[dict[str, str]]) -> int:
    events = [(int(r["run_start_ms"]), int(r["accelerators"])) for r in runs]
    events += [(int(r["run_stop_ms"]), -int(r["accelerators"])) for r in runs]
    busy = most = 0
    for _, change in sorted(events):
        busy += change
        most = max(most, busy)
    return most


def _submitter(name: str, org: str, window: Window) -> LabPlan:
    plan = LabPlan(name, TITLES.get(name, org))
    begin, end = window.begin_ms, window.end_ms
    rows = [r for r in _read_csv("mlperf/mlperf_training_v5.1_runs.csv") if r["org"] == org and r["run_stop_ms"]]
    systems: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        systems.setdefault(_system(org, row["system"]), []).append(row)
    outside: dict[str, int] = {}
    for system, runs in sorted(systems.items()):
        inside = [r for r in runs if begin <= int(r["run_start_ms"]) and int(r["run_stop_ms"]) <= end]
        plan.outside += len(runs) - len(inside)
        if not inside:
            continue
        plan.meters.append(MeterPlan(system, _chip(runs[0]["accelerator"]), _most_at_once(runs), len(inside)))
        for row in sorted(inside, key=lambda r: int(r["run_stop_ms"])):
            _add_run(plan, system, row, outside)
            plan.runs += 1
    return plan


def _add_run(plan: LabPlan, meter: str, row: dict[str, str], seen: dict[str, int]) -> None:
    benchmark, start, stop = row["benchmark"], int(row["run_start_ms"]), int(row["run_stop_ms"])
    checkpoint = "" if benchmark in KEEPS_NO_WEIGHTS else f"{benchmark}/{slug(row['system'])}/run-{row['run']}"
    plan.ran(meter, start, stop, checkpoint, row["accelerators"])
    if not checkpoint:
        return
    parent = ""
    if benchmark in OUTSIDE_WEIGHTS:
        parent, declared = OUTSIDE_WEIGHTS[benchmark]
        if parent not in seen or start < seen[parent]:
            plan.checkpoints = [c for c in plan.checkpoints if c["name"] != parent]
            entry = {"name": parent, "kind": "EXTERNAL", "time": rfc3339(start), "declared_flop": declared, "weights": _weights(parent)}
            plan.checkpoints.insert(0, entry)
            seen[parent] = start
    plan.saved(checkpoint, stop, parent)


# ---- OLMo ------------------------------------------------------------------------------------------------

OLMO_CHIP, OLMO_CHIPS = "NVIDIA H100 SXM5 80GB", 512
TOKENS_PER_STEP = 4_194_304
OLMO_7B_PARAMETERS, OLMO_2_7B_PARAMETERS = 6_888_095_744, 7_298_617_344
OLMO_2_STAGE1_STEPS = 928_646
RESTART_MS = 600_000
_OLMO_START = "2025-10-03T06:00:00Z"


def _step_ms(steps: int, parameters: int) -> int:
    """Milliseconds for training steps at the assumed speed, rounded up."""
    bf16 = next(Fraction(row["bf16"]) for row in _read_csv("chips.csv") if row["chip"] == OLMO_CHIP)
    flop = 6 * parameters * TOKENS_PER_STEP * steps
    return math.ceil(Fraction(flop) * 1000 / (OLMO_CHIPS * bf16 * Fraction(2, 5)))


@dataclass
class _Clock:
    """Writes one meter's busy time one job after another."""

    plan: LabPlan
    now: int

    def busy(self, length: int, checkpoint: str) -> None:
        start, self.now = self.now, self.now + length
        self.plan.ran("jupiter", start, self.now, checkpoint, str(OLMO_CHIPS))

    def saved(self, name: str, parents: str = "", kind: str = "CHECKPOINT", branch: str = "") -> None:
        self.plan.saved(name, self.now - 1, parents, kind, branch)


def _lineage() -> Iterator[tuple[str, str, int, bool]]:
    """(name, parent's name or "", steps since the parent, whether a restart came before) of OLMo 7B 0724, in order.

    A segment continues from the latest earlier checkpoint with fewer steps, of its own run id where there is one.
    """
    saved: list[tuple[int, str, str]] = []
    segment = ""
    for row in _read_csv("olmo/OLMo-7B-0724_segments.csv"):
        step, run_id = int(row["Step"]), row["run_id"]
        restart, segment = bool(segment) and row["segment"] != segment, row["segment"]
        earlier = [item for item in saved if item[0] < step]
        own = [item for item in earlier if item[1] == run_id]
        before = max(own or earlier, default=(0, "", ""), key=lambda item: item[0])
        name = f"olmo-7b-0724/step{step}"
        if any(item[2] == name for item in saved):
            name += f" (run {run_id})"
        yield name, before[2], step - before[0], restart
        saved.append((step, run_id, name))


def _ai2() -> LabPlan:
    plan = LabPlan("ai2", "Ai2 (OLMo)")
    stage1 = "olmo-2-7b/stage1"
    declared = math.ceil(Fraction(6 * OLMO_2_7B_PARAMETERS * TOKENS_PER_STEP * OLMO_2_STAGE1_STEPS, 10**12))
    plan.openings.append(Opening(stage1, declared, bytes.fromhex(_weights(stage1))))
    clock = _Clock(plan, milliseconds(_OLMO_START))
    for name, parent, steps, restart in _lineage():
        if restart:
            clock.busy(RESTART_MS, "")
        if steps:
            clock.busy(_step_ms(steps, OLMO_7B_PARAMETERS), name)
        clock.saved(name, parent)
        plan.runs += 1
    _stage2(clock, stage1)
    plan.meters.append(MeterPlan("jupiter", OLMO_CHIP, OLMO_CHIPS, len(plan.usage)))
    return plan


def _stage2(clock: _Clock, stage1: str) -> None:
    """OLMo 2 7B, stage 2: three branches of one parent, then their average in two merges."""
    last: dict[str, tuple[int, str]] = {}
    for row in _read_csv("olmo/OLMo-2-1124-7B-stage2.csv"):
        ingredient, step = row["Ingredient"], int(row["Step"])
        done, parent = last.get(ingredient, (0, stage1))
        name = f"olmo-2-7b/stage2-ingredient{ingredient}/step{step}"
        clock.busy(_step_ms(step - done, OLMO_2_7B_PARAMETERS), name)
        clock.saved(name, parent, branch="yes" if parent == stage1 else "")
        clock.plan.runs += 1
        last[ingredient] = (step, name)
    one, two, three = (last[key][1] for key in sorted(last))
    clock.saved("olmo-2-7b/stage2-average-of-1-and-2", f"{one}|{two}", "MERGE")
    clock.saved("olmo-2-7b/final", f"olmo-2-7b/stage2-average-of-1-and-2|{three}", "MERGE")
