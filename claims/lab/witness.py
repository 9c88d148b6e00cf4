"""From the private store to a statement and a circuit witness, or to a list of what stands in the way.

    store + agreement + period --> checks R2, R3, R4, R6 in plain integers --> Statement, ClaimWitness

The checks repeat what the circuit enforces, so that a lab is told by its own prover, in its own names, what is
wrong before anything is computed. Messages name private checkpoints: they are for the lab's eyes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.terms import Caps, Lab
from claims.base.errors import ClaimsError
from claims.base.units import format_work
from claims.claim.records import circuit_entry
from claims.claim.statement import statement_of
from claims.lab.meter import check_coverage
from claims.lab.registry import CHECKPOINT, RESIDUE, SNAPSHOT
from claims.lab.store import FIRST_TAG, PublishedHead, Reading, RegistryEntry, SignedHead, Store

if TYPE_CHECKING:
    from circuits.statement import Statement
    from circuits.witness import ClaimWitness

__all__ = [
    "Assembly", "PeriodFigures", "WitnessRefused", "assemble", "cap_problems", "period_figures", "residue_limit", "table_rows",
]  # fmt: skip

ROWS_PER_ENTRY = 5
LEDGER_OVERHEAD = 3
"""IV, header and trailer rows of a chain."""
REGISTRY_OVERHEAD = 4
"""IV, header, before trailer and trailer."""


class WitnessRefused(ClaimsError):
    """No valid claim can be made of the store for this period.

    Attributes:
        problems: every obstacle found, one sentence each; they name private checkpoints.
    """

    exit_code = 1

    def __init__(self, problems: list[str], hint: str = "") -> None:
        self.problems = tuple(problems)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}", hint)


@dataclass(frozen=True)
class PeriodFigures:
    """The lab's own, private view of a period; amounts in units of 10^12 FLOP."""

    total: int
    unattributed: int
    residue: int
    largest_lineage: int
    largest_lineage_name: str
    checkpoints: int
    readings: int


@dataclass(frozen=True)
class Assembly:
    """What a prover needs. ``signed_heads``: in the order of the statement's meters."""

    statement: Statement
    witness: ClaimWitness
    signed_heads: tuple[SignedHead, ...]
    before: PublishedHead
    after: PublishedHead
    figures: PeriodFigures


def period_figures(store: Store, period: int) -> PeriodFigures:
    """Totals of a closed period, exactly as the claim counts them."""
    entries = [entry for entry in store.entries() if entry.period == period]
    work = store.work_by_tag(period)
    lineages = [entry for entry in entries if entry.kind != RESIDUE]
    largest = max(lineages, key=lambda entry: entry.cumulative, default=None)
    return PeriodFigures(
        total=sum(entry.work for entry in entries),
        unattributed=work.get(2, 0),
        residue=next((entry.cumulative for entry in entries if entry.kind == RESIDUE), 0),
        largest_lineage=largest.cumulative if largest else 0,
        largest_lineage_name=largest.name if largest else "",
        checkpoints=len(lineages),
        readings=store.count_readings(period),
    )


def _over(what: str, amount: int, cap: int) -> str:
    return f"{what}: {format_work(amount)} > {format_work(cap)}"


def residue_limit(caps: Caps) -> int:
    """What all unattributed work since the agreement began must stay under in a period that adds to it (R6)."""
    return caps.lineage if caps.freeze is None else caps.freeze


def cap_problems(new: list[RegistryEntry], caps: Caps, *, charge_residue: bool) -> list[str]:
    """Every one of the period's caps that its new entries (RESIDUE included) would break (R6), in the lab's own names."""
    problems = []
    total = sum(entry.work for entry in new)
    if total > caps.total:
        problems.append(_over("total cap exceeded", total, caps.total))
    residue_entry = next((entry for entry in new if entry.kind == RESIDUE), None)
    if residue_entry is None:
        return [*problems, "the period has no RESIDUE entry"]
    if residue_entry.work > caps.unattributed:
        problems.append(_over("unattributed cap exceeded", residue_entry.work, caps.unattributed))
    extra = residue_entry.cumulative if charge_residue else 0
    if residue_entry.work and extra > residue_limit(caps):
        what = "freeze level" if caps.freeze is not None else "lineage cap"
        text = f"{what} exceeded by all unattributed work since the agreement began, to which this period adds"
        problems.append(_over(text, extra, residue_limit(caps)))
    note = f" (of which {format_work(extra)} unattributed work, charged to every lineage)" if extra else ""
    for entry in new:
        if entry.kind == RESIDUE:
            continue
        charged = entry.cumulative + extra
        if charged > caps.lineage:
            problems.append(_over(f"lineage cap exceeded by checkpoint {entry.name}", charged, caps.lineage) + note)
        elif caps.freeze is not None and entry.work and charged > caps.freeze:
            problems.append(
                _over(
                    f"freeze level exceeded by checkpoint {entry.name}, which was trained further", charged, caps.freeze
                )
                + note
            )
    return problems


def _tag_problems(store: Store, period: int, new: list[RegistryEntry], work: dict[int, int]) -> list[str]:
    receivers = {entry.tag: entry for entry in new if entry.kind in (CHECKPOINT, SNAPSHOT)}
    problems = [
        f"tag of checkpoint {store.name(tag)} receives readings but has no entry in this period"
        for tag in work
        if tag >= FIRST_TAG and tag not in receivers
    ]
    for entry in new:
        if entry.kind != RESIDUE and entry.work != work.get(entry.tag, 0):
            problems.append(
                f"checkpoint {entry.name}: its entry has {entry.work}, its readings {work.get(entry.tag, 0)} units of work"
            )
    return problems


def table_rows(readings: int, meters: int, entries: int) -> int:
    """Rows that a claim needs before masks and padding (circuits/README.md section 2)."""
    return readings + LEDGER_OVERHEAD * meters + ROWS_PER_ENTRY * entries + REGISTRY_OVERHEAD


def _heads(store: Store, agreement: Agreement, lab: Lab, period: int) -> tuple[PublishedHead, PublishedHead]:
    before, after = store.registry_head(period - 1), store.registry_head(period)
    if after is None:
        raise WitnessRefused([f"the registry is not closed for period {period}"], "close the period first")
    if before is None:
        raise WitnessRefused([f"there is no registry head before period {period}"], "claim the periods in order")
    if period < lab.since_period:
        raise WitnessRefused([f"lab {lab.name} claims from period {lab.since_period} on"])
    if period == lab.since_period and before.head != lab.opening_head:
        raise WitnessRefused(
            ["the store's opening head is not the one in the agreement"], "use the store that was enrolled"
        )
    return before, after


def _signed(store: Store, agreement: Agreement, lab: Lab, period: int) -> tuple[SignedHead, ...]:
    heads, problems = [], []
    for meter in lab.meters:
        head = store.signed_head(period, meter.name)
        if head is None:
            problems.append(f"meter {meter.name} has not signed period {period}")
        elif head.agreement_digest != agreement.digest:
            problems.append(f"meter {meter.name} signed period {period} under another agreement")
        else:
            heads.append(head)
    if problems:
        raise WitnessRefused(problems, "have every meter of the agreement sign the period")
    return tuple(heads)


def assemble(store: Store, agreement: Agreement, period: int) -> Assembly:
    """Statement and witness of the store's lab for a closed period.

    Raises:
        WitnessRefused: with every reason why the claim would not hold.
        ClaimRejected: the lab or the period is not in the agreement.
    """
    lab = agreement.lab(store.lab)
    agreement.period_epochs(period)
    lab.check_one_table()
    heads = _signed(store, agreement, lab, period)
    before, after = _heads(store, agreement, lab, period)
    entries = store.entries(after.entries)
    old, new = entries[: before.entries], entries[before.entries :]
    problems = []
    ledgers: list[list[Reading]] = []
    for meter in lab.meters:
        readings = store.readings(period, meter.name)
        try:
            check_coverage(readings, meter, agreement, period)
        except ClaimsError as error:
            problems.append(error.what)
        ledgers.append(readings)
    problems += _tag_problems(store, period, new, store.work_by_tag(period))
    problems += cap_problems(new, lab.caps_at(period), charge_residue=agreement.rules_at(period).charge_residue)
    rows = table_rows(sum(map(len, ledgers)), len(ledgers), len(entries))
    if rows > 1 << lab.log_rows:
        problems.append(f"the claim needs {rows} rows, the agreement's table has {1 << lab.log_rows}")
    if problems:
        raise WitnessRefused(problems, "a claim can only be proven when it is true; no claim was made")
    statement = statement_of(agreement, lab, period, [head.head for head in heads], before.head, after.head)
    witness = _witness(store, lab, period, ledgers, old, new, before, after)
    return Assembly(statement, witness, heads, before, after, period_figures(store, period))


def _witness(
    store: Store,
    lab: Lab,
    period: int,
    ledgers: list[list[Reading]],
    old: list[RegistryEntry],
    new: list[RegistryEntry],
    before: PublishedHead,
    after: PublishedHead,
) -> ClaimWitness:
    import numpy as np

    from circuits.witness import ClaimWitness, LedgerWitness, RegistryWitness

    chains = []
    for meter, readings in zip(lab.meters, ledgers, strict=True):
        blinding = store.ledger_secrets(period, meter.name)
        columns = np.array([(r.epoch, r.tag, r.chip_seconds, r.work) for r in readings], dtype=np.int64).T
        chains.append(
            LedgerWitness(
                iv=blinding.iv,
                epochs=columns[0].copy(),
                tags=columns[1].copy(),
                chip_seconds=columns[2].copy(),
                work=columns[3].copy(),
                trailer=blinding.trailer,
            )
        )
    registry = RegistryWitness(
        iv=store.registry_iv(),
        old_entries=tuple(circuit_entry(entry) for entry in old),
        new_entries=tuple(circuit_entry(entry) for entry in new),
        trailer_before=before.trailer,
        trailer_after=after.trailer,
    )
    return ClaimWitness(ledgers=tuple(chains), registry=registry)
