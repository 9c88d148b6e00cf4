"""Hugging Face ``trainer_state.json``: checkpoints, and a check that the usage covers the FLOP that the trainer claims.

The state says which steps were saved and what it claims to have computed (``total_flos``); it does not say when, nor
on how many chips. The caller does: chips from start to stop, all of it charged, shared out in proportion to
total_flos. FORMATS-imports.md section 4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from claims.agreement.model import Agreement
from claims.base.errors import ClaimsError
from claims.base.units import WORK_UNIT, format_work
from claims.imports.charge import Charged, Source, checked_meter, metered
from claims.imports.drafts import Plan, carry_out
from claims.imports.inputs import name_of
from claims.imports.jsons import exact, load_object, whole
from claims.imports.rows import ceil_of
from claims.imports.usage_rows import in_proportion
from claims.lab.store import Store

__all__ = ["State", "TrainerOptions", "import_trainer_states", "read_state"]

MAX_STEPS = 10**12
MAX_LOGGED = 10**7


@dataclass(frozen=True)
class State:
    """A trainer's state at one checkpoint. ``flos``: what it claims, FLOP; ``runtime``: seconds, 0 where not logged."""

    source: Source
    step: int
    flos: Fraction
    runtime: Fraction
    best: str


@dataclass(frozen=True)
class TrainerOptions:
    """``chips`` of ``meter`` worked from ``start`` to ``stop`` (Unix ms). ``work``: FLOP as metered, or None.

    ``prefix`` begins the checkpoints' names; ``parent`` is what training started from, or None.
    """

    prefix: str
    meter: str
    chips: int
    start: int
    stop: int
    parent: str | None = None
    work: Fraction | None = None


def read_state(path: Path) -> tuple[State, bytes]:
    """A state and its file's bytes. Raises ImportRefused: not such a file, or its history contradicts its step."""
    table, data = load_object(path)
    source = Source(name_of(path))
    step = whole(table, "global_step", source, most=MAX_STEPS)
    history = table.get("log_history")
    if not isinstance(history, list) or len(history) > MAX_LOGGED or not all(isinstance(e, dict) for e in history):
        raise source.refuse("log_history is not a list of objects", "give the trainer_state.json of a checkpoint")
    entries: list[dict[str, Any]] = history
    logged = max((whole(entry, "step", source, most=MAX_STEPS) for entry in entries if "step" in entry), default=0)
    if logged > step:
        raise source.refuse(f"it logs step {logged}, after its global_step {step}")
    claims = [exact(entry, "total_flos", source) for entry in entries if "total_flos" in entry]
    flos = max([exact(table, "total_flos", source), *claims])
    runtime = max((exact(entry, "train_runtime", source) for entry in entries if "train_runtime" in entry), default=Fraction())
    best = table.get("best_model_checkpoint")
    return State(source, step, flos, runtime, best[:200] if isinstance(best, str) else ""), data


def _in_order(states: Sequence[State]) -> list[State]:
    """By step, each once; refuses claims that fall as steps rise."""
    ordered: list[State] = []
    for state in sorted(states, key=lambda item: item.step):
        if ordered and state.step == ordered[-1].step:
            if state.flos != ordered[-1].flos:
                raise state.source.refuse(f"step {state.step} occurs twice with other total_flos", "give the files of one run")
            continue
        if ordered and state.flos < ordered[-1].flos:
            raise state.source.refuse(
                f"total_flos falls after {ordered[-1].source.name}", "give the files of one run; import another one apart"
            )
        ordered.append(state)
    return ordered


def import_trainer_states(store: Store, agreement: Agreement, paths: Sequence[Path], options: TrainerOptions) -> Charged:
    """Charge a run's time and note its checkpoints, both or neither.

    Raises:
        ImportRefused: not trainer states of one run, or more is claimed than the chips can have computed.
        StoreError: imported before, or the meter has signed.
    """
    report = Charged()
    loaded = [read_state(path) for path in paths]
    states = _in_order([state for state, _ in loaded])
    meter = checked_meter(agreement, store.lab, options.meter, Source("--meter"))
    if not states or options.stop <= options.start:
        raise ClaimsError("there is nothing to import", "give files, and --start before --stop")
    chip_ms = options.chips * (options.stop - options.start)
    peak = agreement.chip(meter.chip).peak
    _check_claims(states[-1], chip_ms, peak, options)
    plan = _plan(agreement, states, options, report)
    report.count("(states) noted", len(states))
    report.count("(states) that repeat a step", len(loaded) - len(states))
    digests = [hashlib.sha256(data).digest() for _, data in loaded]
    carry_out(store, agreement, plan, kind="trainer-state", label=paths[0].name, files=sorted(digests), report=report)
    return report


def _check_claims(last: State, chip_ms: int, peak: int, options: TrainerOptions) -> None:
    if last.runtime * 1000 > options.stop - options.start:
        raise last.source.refuse(
            f"train_runtime is {float(last.runtime):.3f} s, longer than from --start to --stop", "correct --start and --stop"
        )
    most = Fraction(chip_ms * peak * WORK_UNIT, 1000)
    if last.flos > most:
        claimed, able = (format_work(ceil_of(amount / WORK_UNIT)) for amount in (last.flos, most))
        raise last.source.refuse(
            f"total_flos claims {claimed}, {options.chips} chips at peak can have computed {able} in that time",
            "correct --chips, --start or --stop, or name the meter whose chips these were",
        )


def _plan(agreement: Agreement, states: Sequence[State], options: TrainerOptions, report: Charged) -> Plan:
    by_flos = states[-1].flos > 0
    weights, before = [], (Fraction(), 0)
    for number, state in enumerate(states):
        delta = state.flos - before[0] if by_flos else Fraction(state.step - before[1])
        weights.append((number, ceil_of(delta)))
        before = state.flos, state.step
    span = options.stop - options.start
    shares = in_proportion(span, weights) if sum(w for _, w in weights) else [(len(states) - 1, span)]
    lengths = dict(shares)
    plan, at, parent, done = Plan(), options.start, options.parent, Fraction()
    for number, state in enumerate(states):
        name = f"{options.prefix}/checkpoint-{state.step}"
        begin, at = at, at + lengths.get(number, 0)
        work = _work(options, state.flos - done, states[-1].flos, Fraction(at - begin, span))
        plan.busy(state.source, options.meter, options.chips, name, (begin, at), work)
        plan.saved(agreement, state.source, name, (parent,) if parent else (), at, start=options.start)
        parent, done = name, state.flos
    _say(agreement, states[-1], options, report)
    return plan


def _work(options: TrainerOptions, claimed: Fraction, total: Fraction, share: Fraction) -> Fraction | None:
    """FLOP of one part: as metered, at least what the trainer claims; None: charged at peak."""
    if options.work is None:
        return None
    return max(claimed, options.work * (claimed / total if total else share))


def _say(agreement: Agreement, last: State, options: TrainerOptions, report: Charged) -> None:
    report.notes.append(f"total_flos claims {format_work(ceil_of(last.flos / WORK_UNIT))} at step {last.step}")
    period = (options.start // 1000 - agreement.start) // (agreement.epoch_seconds * agreement.epochs_per_period)
    if options.work is not None and not metered(agreement, max(period, 0)):
        report.notes.append("the agreement charges at peak: --work-flop was not used")
    elif options.work is not None and options.work < last.flos:
        report.notes.append("that is more than --work-flop, and is charged instead")
    if last.best:
        report.notes.append(f"best checkpoint, as the trainer says: {last.best!r}")
