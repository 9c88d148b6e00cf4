"""Published lists of checkpoints: CSV with a step column, and run ids, segments, branches, names or times where given.

    parent = the row before with the most steps, of its own run where there is one     (so restarts are branches back)
    steps since the parent are charged to the row: gaps in full, repeated steps again

FORMATS-imports.md section 5.
"""

from __future__ import annotations

import bisect
import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from claims.agreement.model import Agreement
from claims.base.errors import ClaimsError
from claims.imports.charge import Charged, Source, checked_meter
from claims.imports.drafts import Plan, carry_out
from claims.imports.rows import Row, ceil_of
from claims.imports.tables import distinct, read_table
from claims.lab.store import Store

__all__ = ["ListOptions", "Saved", "import_checkpoint_list", "lineages"]

MAX_ROWS = 100_000
MAX_STEPS = 10**12
_STEP = ("step", "global_step", "iteration")
_BRANCH = ("ingredient", "branch", "lineage")


@dataclass(frozen=True)
class ListOptions:
    """How a list is read.

    Attributes:
        prefix: begins the names of rows without a name.
        start: Unix milliseconds when the first row's training began.
        step_seconds: of every step, where the list has no column ``time``.
        parent: what each branch started from, or None.
        meter, chips: charge the time to these; None: checkpoints only.
        restart_seconds: charged as unattributed before each new segment.
        merge: name of the average of all branches' last rows, or None.
    """

    prefix: str
    start: int
    step_seconds: Fraction | None = None
    parent: str | None = None
    meter: str | None = None
    chips: int = 0
    restart_seconds: Fraction = Fraction()
    merge: str | None = None


@dataclass(frozen=True)
class Saved:
    """A row: its name, its parent's (or ""), the steps between, and whether a new segment begins with it."""

    row: Row
    branch: str
    name: str
    parent: str
    steps: int
    restart: bool


@dataclass
class _Run:
    """Rows seen, ascending by (steps, order)."""

    keys: list[tuple[int, int]] = field(default_factory=list)
    names: dict[tuple[int, int], str] = field(default_factory=dict)

    def add(self, step: int, order: int, name: str) -> None:
        bisect.insort(self.keys, (step, order))
        self.names[step, order] = name

    def before(self, step: int) -> tuple[int, str] | None:
        """The row with the most steps below ``step``, the latest of them."""
        at = bisect.bisect_left(self.keys, (step, -1))
        return (self.keys[at - 1][0], self.names[self.keys[at - 1]]) if at else None


def lineages(rows: Sequence[Row], prefix: str) -> list[Saved]:
    """Rows with their parents, in the order of the file. Raises ImportRefused."""
    if not rows:
        raise ClaimsError("the list has no rows", "the first line names the columns")
    columns = rows[0].values
    step_column = next((column for column in _STEP if column in columns), None)
    if step_column is None:
        raise rows[0].refuse("there is no column step", "one of " + ", ".join(_STEP))
    branch_column = next((column for column in _BRANCH if column in columns), "")
    runs: dict[tuple[str, str | None], _Run] = {}
    taken: dict[str, int] = {}
    result: list[Saved] = []
    mark = _segment_column(rows)
    segment = rows[0].get(mark)
    for order, row in enumerate(rows):
        step = row.integer(step_column, "steps since training began")
        if step > MAX_STEPS:
            raise row.refuse(f"{step} steps are more than {MAX_STEPS}")
        branch, run = row.get(branch_column), row.get("run_id")
        own, whole = (runs.setdefault(key, _Run()) for key in ((branch, run), (branch, None)))
        before = own.before(step) or whole.before(step) or (0, "")
        name = _name(row, prefix, branch_column, step, taken)
        restart, segment = row.get(mark) != segment, row.get(mark)
        result.append(Saved(row, branch, name, before[1], step - before[0], restart))
        for seen in (own, whole):
            seen.add(step, order, name)
    return result


def _segment_column(rows: Sequence[Row]) -> str:
    """The column whose change is a restart, or ""."""
    return next((column for column in ("segment", "run_id") if column in rows[0].values), "")


def _name(row: Row, prefix: str, branch_column: str, step: int, taken: dict[str, int]) -> str:
    """A name that no row has yet. ``taken``: names, each with the last number that was tried behind it."""
    branch = f"{branch_column}{row.get(branch_column)}/" if row.get(branch_column) else ""
    name = row.get("name") or f"{prefix}/{branch}step{step}"
    if name in taken and row.get("name"):
        raise row.refuse(f"checkpoint {name[:60]} occurs twice", "every checkpoint has its own name")
    if name in taken and row.get("run_id"):
        name += f" (run {row.get('run_id')})"
    first = name
    while name in taken:
        taken[first] += 1
        name = f"{first} ({taken[first]})"
    taken[name] = 1
    return name


def import_checkpoint_list(store: Store, agreement: Agreement, path: Path, options: ListOptions) -> Charged:
    """Note a list's checkpoints and charge the time that led to them, both or neither.

    Raises:
        ImportRefused: naming file, line and remedy.
        StoreError: imported before, or the meter has signed.
    """
    table, digest = read_table(path, ())
    rows = list(itertools.islice(table, MAX_ROWS + 1))
    if len(rows) > MAX_ROWS:
        raise Source(path.name).refuse(f"more than {MAX_ROWS} rows", "import it in parts")
    if options.meter is not None:
        checked_meter(agreement, store.lab, options.meter, Source("--meter"))
    report = Charged()
    if rows and set(rows[0].values) - {*_STEP, *_BRANCH}:  # steps alone may have been trained twice
        rows = distinct(rows, report, "that repeat a row, taken once")
    saved = lineages(rows, options.prefix)
    plan = _plan(agreement, saved, options)
    report.count("noted", len(saved))
    report.notes += _remarks(saved, options, _segment_column(rows))
    carry_out(store, agreement, plan, kind="checkpoint-list", label=path.name, files=[digest], report=report)
    return report


def _plan(agreement: Agreement, saved: Sequence[Saved], options: ListOptions) -> Plan:
    plan, now, passed = Plan(), options.start, Fraction(options.start)
    branches = list(dict.fromkeys(item.branch for item in saved))
    for item in saved:
        source = Source(item.row.source, item.row.line)
        if item.restart and options.restart_seconds:
            passed += options.restart_seconds * 1000
            now, begin = ceil_of(passed), now
            plan.busy(source, options.meter, options.chips, None, (begin, now))
        begin = now
        passed = _moment(item, passed, options)
        now = ceil_of(passed)
        plan.busy(source, options.meter, options.chips, item.name, (begin, now))
        parent = item.parent or options.parent or ""
        branch = True if not item.parent and options.parent and len(branches) > 1 else None
        plan.saved(
            agreement, source, item.name, (parent,) if parent else (), now, start=options.start, branch=branch
        )
    if options.merge is not None:
        _merge(agreement, plan, saved, branches, options, now)
    return plan


def _moment(item: Saved, passed: Fraction, options: ListOptions) -> Fraction:
    """When the row was saved, Unix milliseconds: as it says, or by its steps."""
    if item.row.get("time"):
        moment = Fraction(item.row.moment_ms("time", up=True))
        if moment < passed:
            raise item.row.refuse("its time lies before the row above (or --start)", "sort the list by time")
        return moment
    if options.step_seconds is None:
        raise item.row.refuse("it has no time", "give --step-seconds, or fill in the column time")
    return passed + item.steps * options.step_seconds * 1000


def _merge(
    agreement: Agreement, plan: Plan, saved: Sequence[Saved], branches: Sequence[str], options: ListOptions, now: int
) -> None:
    """The average of the branches' last rows, in steps of two."""
    last = {item.branch: item for item in saved}
    if len(branches) < 2 or options.merge is None:
        raise ClaimsError("there is nothing to average", "--merge needs a list with two branches or more")
    average = last[branches[0]].name
    for number, branch in enumerate(branches[1:], 2):
        name = options.merge if number == len(branches) else f"{options.merge} (first {number})"
        source = Source(last[branch].row.source, last[branch].row.line)
        plan.saved(agreement, source, name, (average, last[branch].name), now, start=options.start, kind="MERGE")
        average = name


def _remarks(saved: Sequence[Saved], options: ListOptions, mark: str) -> list[str]:
    steps = [item.steps for item in saved if item.steps]
    usual = statistics.median_low(steps) if steps else 0
    gaps = [item for item in saved if item.steps > 2 * usual]
    notes = [f"{len({item.branch for item in saved})} branches, {sum(item.restart for item in saved)} restarts"]
    if gaps:
        listed = ", ".join(f"{item.steps} steps before {item.name}" for item in gaps[:8])
        notes.append(f"{len(gaps)} gaps, charged in full to the row after: {listed}")
    restarts = sum(item.restart for item in saved)
    if options.restart_seconds and (options.meter is None or not restarts):
        why = f"column {mark} never changes" if mark else "the list has no column segment or run_id"
        notes.append(f"--restart-seconds had no effect: {'without --meter no time is charged' if options.meter is None else why}")
    elif restarts and options.meter is not None and not options.restart_seconds:
        notes.append("work lost between a last checkpoint and a restart is not in the list: --restart-seconds charges it")
    return notes
