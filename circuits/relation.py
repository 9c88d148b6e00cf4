"""The relation R2 to R6 on plain records, one table at a time: what a lab is told before anything is computed.

The constraints enforce all of this by themselves; here every refusal is typed and says which meter, epoch, tag or cap.
R1 and the heads are compared by circuits/witness.py.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from circuits.chain import Entry
from circuits.errors import CapExceeded, CoverageError, EntryError, EpochError, ShapeError, TagError, WorkError
from circuits.statement import (
    CHECKPOINT,
    EXTERNAL,
    FIRST_TAG,
    IDLE,
    KIND_NAMES,
    MERGE,
    NONE,
    OPENING,
    RATE,
    RECORD_BITS,
    RESIDUE,
    SNAPSHOT,
    UNATTRIBUTED,
    MeterTerms,
    Statement,
)
from circuits.witness import ClaimWitness, LedgerWitness, RegistryWitness, SummaryWitness, layout_of
from zk.field import P

FIELDS = (("epochs", 24), ("tags", 24), ("chip_seconds", 48), ("work", 48))
NONE_ENTRY = Entry(NONE, 0, NONE, NONE, NONE, 0, 0, 0, 0)


def check_witness(statement: Statement, witness: ClaimWitness) -> None:
    """Checks that the records satisfy the statement, heads apart.

    Raises:
        ShapeError, EpochError, CoverageError, WorkError, TagError, EntryError, CapExceeded: see circuits/errors.py.
    """
    _check_shape(statement, witness)
    for i, (meter, ledger) in enumerate(zip(statement.meters, witness.ledgers, strict=True), 1):
        _check_ledger(statement, meter, ledger, i)
    for i, summary in enumerate(witness.summaries, 1):
        _check_summary(summary, i)
    if witness.registry is None:
        _check_received(witness, dict(witness.summaries[0].records))
        return
    _check_registry(statement, witness.registry)
    entries = (entry for entry in witness.registry.new_entries if entry.kind in (CHECKPOINT, SNAPSHOT, RESIDUE))
    _check_received(witness, {entry.tag: entry.work for entry in entries})
    _check_caps(statement, witness.registry.new_entries)


def _check_shape(statement: Statement, witness: ClaimWitness) -> None:
    if len(witness.ledgers) != len(statement.meters):
        raise ShapeError(f"{len(witness.ledgers)} ledgers for {len(statement.meters)} meters")
    if len(witness.summaries) != len(statement.summaries) or (witness.registry is None) != (statement.registry is None):
        raise ShapeError("summaries and registry are not those of the statement's table")
    for i, ledger in enumerate(witness.ledgers, 1):
        _check_arrays(ledger, i)
    registry = witness.registry
    if registry is not None:
        for what in ("iv", "trailer_before", "trailer_after"):
            _check_block(f"registry: {what}", getattr(registry, what))
        if not registry.new_entries:
            raise ShapeError("registry: the period needs at least its RESIDUE entry")
    used, rows = layout_of(witness).used, 1 << statement.log_rows
    if used > rows:
        raise ShapeError(f"{used} rows are needed, the agreement's table has {rows} (2^{statement.log_rows})")


def _check_block(what: str, block: object) -> None:
    if not isinstance(block, tuple) or len(block) != RATE:
        raise ShapeError(f"{what}: {RATE} field elements are expected")
    if any(type(lane) is not int or not 0 <= lane < P for lane in block):
        raise ShapeError(f"{what}: a lane is not an integer in [0, p)")


def _check_arrays(ledger: LedgerWitness, meter: int) -> None:
    _check_block(f"meter {meter}: iv", ledger.iv)
    _check_block(f"meter {meter}: trailer", ledger.trailer)
    for name, bits in FIELDS:
        values: npt.NDArray[np.integer] = np.asarray(getattr(ledger, name))
        if values.ndim != 1 or values.dtype.kind not in "iu" or len(values) != len(ledger.epochs):
            raise ShapeError(f"meter {meter}: {name} is not an integer array of the readings' length")
        if len(values) == 0:
            raise ShapeError(f"meter {meter}: there is no reading")
        if int(values.min()) < 0 or int(values.max()) >> bits:
            raise ShapeError(f"meter {meter}: a value of {name} is not in [0, 2^{bits})")


def _check_summary(summary: SummaryWitness, number: int) -> None:
    """Records ascend from UNATTRIBUTED on, work fits 56 bits."""
    for what in ("iv", "trailer"):
        _check_block(f"summary {number}: {what}", getattr(summary, what))
    previous = IDLE
    for tag, work in summary.records:
        if not previous < tag < 1 << 24:
            raise TagError(tag, f"summary {number}: its records do not ascend from tag {UNATTRIBUTED} on, in 24 bits")
        if not 0 <= work < 1 << RECORD_BITS:
            raise TagError(tag, f"summary {number}: {work} units of work do not fit {RECORD_BITS} bits")
        previous = tag


def _check_ledger(statement: Statement, meter: MeterTerms, ledger: LedgerWitness, number: int) -> None:
    epochs, seconds = np.asarray(ledger.epochs).astype(np.int64), np.asarray(ledger.chip_seconds).astype(np.int64)
    if epochs[0] != statement.first_epoch:
        raise EpochError(number, int(epochs[0]), f"the first reading is not in epoch {statement.first_epoch}")
    steps = np.diff(epochs)
    odd = np.flatnonzero((steps < 0) | (steps > 1))
    if len(odd):
        raise EpochError(number, int(epochs[odd[0]]), f"the next reading is in epoch {int(epochs[odd[0] + 1])}")
    if epochs[-1] != statement.last_epoch:
        raise EpochError(number, int(epochs[-1]), f"the last reading is not in epoch {statement.last_epoch}")
    starts = np.flatnonzero(np.append(True, steps == 1))
    # Exact below 2^63: halves of 24 bits, at most 2^22 readings.
    low, high = (np.add.reduceat(part, starts) for part in (seconds & 0xFFFFFF, seconds >> 24))
    covered = low + (np.minimum(high, 1 << 30) << 24)
    wrong = np.flatnonzero(covered != meter.coverage)
    if len(wrong):
        at = wrong[0]
        raise CoverageError(number, int(epochs[starts[at]]), int(low[at]) + (int(high[at]) << 24), meter.coverage)
    _check_work(statement, meter, ledger, number)


def _check_work(statement: Statement, meter: MeterTerms, ledger: LedgerWitness, number: int) -> None:
    seconds, work = np.asarray(ledger.chip_seconds).astype(np.uint64), np.asarray(ledger.work).astype(np.uint64)
    idle = np.asarray(ledger.tags) == IDLE
    at = np.flatnonzero(idle & (work != 0))
    if len(at):
        raise WorkError(number, int(ledger.epochs[at[0]]), f"an idle reading has {int(work[at[0]])} units of work")
    if not statement.charge_peak:
        return
    too_long = seconds > np.uint64((1 << 48) // max(meter.peak, 1))  # the product would not fit 48 bits
    at = np.flatnonzero(~idle & (too_long | (seconds * np.uint64(meter.peak) != work)))
    if len(at):
        k = at[0]
        detail = f"work is {int(work[k])}, not {int(seconds[k])} chip-seconds x peak {meter.peak} (in 48 bits)"
        raise WorkError(number, int(ledger.epochs[k]), detail)


def _check_registry(statement: Statement, registry: RegistryWitness) -> None:
    """Kinds, lineage and order of every entry; epochs of the new ones; RESIDUE first of them (R5)."""
    known: dict[int, Entry] = {NONE: NONE_ENTRY}
    r = 0
    for i, entry in enumerate((*registry.old_entries, *registry.new_entries)):
        position = i - len(registry.old_entries)

        def refuse(detail: str, entry: Entry = entry, index: int = i + 1) -> EntryError:
            return EntryError(entry.tag, index, detail)

        if entry.kind not in KIND_NAMES:
            raise refuse(f"kind {entry.kind} does not exist")
        if position >= 0 and (entry.kind == RESIDUE) != (position == 0):
            raise refuse("the period's first entry, and only it, is RESIDUE")
        if position >= 0 and entry.kind == OPENING:
            raise refuse("OPENING entries are not added after the opening registry")
        if position >= 0 and not statement.first_epoch <= entry.epoch <= statement.last_epoch:
            raise refuse(f"epoch {entry.epoch} is outside the period")
        problem = _problem(entry, known, r)
        if problem:
            raise refuse(problem)
        if entry.kind == RESIDUE:
            r = entry.cumulative
        else:
            known[entry.tag] = entry


def _problem(entry: Entry, known: dict[int, Entry], r: int) -> str:
    """What is wrong with an entry after the known ones and R, or an empty string."""
    for what, bits in (("epoch", 24), ("work", 64), ("declared", 64), ("cumulative", 64)):
        if not 0 <= getattr(entry, what) < 1 << bits:
            return f"{what} does not fit {bits} bits"
    if len(entry.weights_digest) != 32:
        return "the weights digest is not 32 bytes long"
    if entry.kind == RESIDUE:
        if (entry.tag, entry.parent1, entry.parent2, entry.base) != (UNATTRIBUTED, NONE, NONE, NONE):
            return "RESIDUE has tag 2, no parents and no base"
        if entry.declared or entry.cumulative != r + entry.work:
            return f"RESIDUE is {entry.cumulative}, not {r} + {entry.work}"
        return ""
    if not FIRST_TAG <= entry.tag < 1 << 24:
        return "the tag is reserved or not 24 bits"
    if entry.tag in known:
        return "the tag is taken"
    if entry.parent1 not in known or entry.parent2 not in known or entry.base not in known:
        return "a parent or the base is not an earlier entry"
    return _kind_problem(entry) or _lineage_problem(entry, known)


def _kind_problem(entry: Entry) -> str:
    parents = (entry.parent1 != NONE) + (entry.parent2 != NONE)
    if entry.kind in (OPENING, EXTERNAL) and (parents or entry.work):
        return "this kind has no parents and no work"
    if entry.kind in (CHECKPOINT, SNAPSHOT) and (entry.parent2 != NONE or entry.declared):
        return "this kind has at most one parent and declares nothing"
    if entry.kind == MERGE and (entry.declared or entry.work):
        return "a MERGE has no work and declares nothing"
    return ""


def _lineage_problem(entry: Entry, known: dict[int, Entry]) -> str:
    p1, p2 = known[entry.parent1], known[entry.parent2]
    if entry.base not in ({p1.base} if entry.kind == MERGE else {p1.base, entry.parent1}):
        return f"base {entry.base} is not the parent's base" + ("" if entry.kind == MERGE else " nor the parent")
    full = entry.work + entry.declared + p1.cumulative + p2.cumulative
    allowed = {full}
    if entry.kind == MERGE and p1.base == p2.base:
        allowed.add(full - known[p1.base].cumulative)
    if entry.cumulative not in allowed:
        return f"cumulative is {entry.cumulative}, not {min(allowed)}"
    return ""


def _check_received(witness: ClaimWitness, takers: dict[int, int]) -> None:
    """Every busy reading, or sent record, goes to its tag's receiver, whose work is the exact sum (R4).

    Args:
        takers: tag -> work: new CHECKPOINT, SNAPSHOT and RESIDUE entries; in a site's table the records of its summary.
    """
    sums = dict.fromkeys(takers, 0)
    for number, summary in enumerate(witness.summaries if witness.registry is not None else (), 1):
        for tag, amount in summary.records:
            if tag not in takers:
                raise TagError(tag, f"summary {number} has a record for it, but no entry of this period receives it")
            sums[tag] += amount
    for number, ledger in enumerate(witness.ledgers, 1):
        tags, work = np.asarray(ledger.tags).astype(np.int64), np.asarray(ledger.work).astype(np.int64)
        names, place = np.unique(tags, return_inverse=True)
        # Exact: sums of 24-bit halves stay below 2^46.
        low = np.bincount(place, weights=(work & 0xFFFFFF).astype(np.float64))
        high = np.bincount(place, weights=(work >> 24).astype(np.float64))
        for tag, a, b in zip(names.tolist(), low.tolist(), high.tolist(), strict=True):
            if tag == IDLE:
                continue
            if tag not in takers:
                receiver = "no entry of this period receives" if witness.registry is not None else "the summary has no record of"
                raise TagError(tag, f"meter {number} has readings for it, but {receiver} them")
            sums[tag] += int(a) + (int(b) << 24)
    for tag, taken in takers.items():
        if taken != sums[tag]:
            raise TagError(tag, f"its entry or record has {taken} units of work, what is given to it {sums[tag]}")


def _check_caps(statement: Statement, new: tuple[Entry, ...]) -> None:
    total = sum(entry.work for entry in new)
    if total > statement.total_cap:
        raise CapExceeded("total cap", total, statement.total_cap)
    if new[0].work > statement.unattributed_cap:
        raise CapExceeded("unattributed cap", new[0].work, statement.unattributed_cap)
    extra = new[0].cumulative if statement.charge_residue else 0
    if new[0].work and extra > statement.effective_freeze:
        what = "lineage cap" if statement.freeze_level is None else "freeze level"
        raise CapExceeded(f"{what} (unattributed work since the agreement began)", extra, statement.effective_freeze)
    for entry in new[1:]:
        works = entry.kind in (CHECKPOINT, SNAPSHOT) and entry.work > 0
        charged = entry.cumulative + extra
        if charged > statement.lineage_cap:
            raise CapExceeded("lineage cap", charged, statement.lineage_cap, entry.tag)
        if works and charged > statement.effective_freeze:
            raise CapExceeded("freeze level", charged, statement.effective_freeze, entry.tag)
