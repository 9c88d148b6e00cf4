"""From the private store to a statement and a circuit witness, or to a list of what stands in the way.

    store + agreement + period --> checks R2, R3, R4, R6 in plain integers --> a Statement and a ClaimWitness for each table

The checks repeat what the circuit enforces, so that a lab is told by its own prover, in its own names, what is
wrong before anything is computed. Messages name private checkpoints: they are for the lab's eyes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.terms import Caps, Lab
from claims.base.errors import ClaimsError
from claims.base.units import format_work
from claims.claim.file import Claim, MeterHead, SiteHead, decode_claim
from claims.claim.limits import overs_after, with_limits
from claims.claim.lists import FREEZE, LINEAGE, TOTAL, UNATTRIBUTED, Limit, Over, least_above
from claims.claim.records import circuit_entry
from claims.lab.coverage import check_coverage
from claims.lab.registry import CHECKPOINT, RESIDUE, SNAPSHOT
from claims.lab.store import (
    FIRST_TAG,
    IDLE,
    LedgerSecrets,
    PublishedHead,
    Reading,
    RegistryEntry,
    SignedHead,
    Store,
    SummaryHead,
    fresh_elements,
)
from claims.verify.tables import statements_of

if TYPE_CHECKING:
    from circuits.statement import Statement
    from circuits.witness import ClaimWitness, LedgerWitness, RegistryWitness

__all__ = [
    "Assembly", "PeriodFigures", "WitnessRefused", "assemble", "cap_problems", "over_limits", "period_figures", "registry_rows",
    "residue_limit", "site_rows", "table_rows", "Table",
]  # fmt: skip

Records = tuple[tuple[int, int], ...]
"""(tag, work), tags ascending."""

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
class Table:
    """One table of a claim: its statement and witness. ``site``: its name, or None for the registry's, or for the one table of a lab
    without sites."""

    site: str | None
    statement: Statement
    witness: ClaimWitness


@dataclass(frozen=True)
class Assembly:
    """What a prover needs. ``claim``: all that it says, without proofs and the lab's signatures; ``tables``: in the order of its proofs."""

    claim: Claim
    tables: tuple[Table, ...]
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


def over_limits(new: list[RegistryEntry], caps: Caps, *, charge_residue: bool) -> tuple[Limit, ...]:
    """The limits that a claim of these new entries is over, and what it states in their place: nothing where it is within all (R6)."""
    rest = next(entry for entry in new if entry.kind == RESIDUE)
    extra = rest.cumulative if charge_residue else 0
    charged = [(entry.cumulative + extra, entry.work) for entry in new if entry.kind != RESIDUE]
    charged += [(extra, rest.work)] if rest.work else []
    amounts = {
        TOTAL: sum(entry.work for entry in new), UNATTRIBUTED: rest.work, LINEAGE: max((amount for amount, _ in charged), default=0),
        FREEZE: max((amount for amount, work in charged if work), default=0),
    }  # fmt: skip
    agreed = {TOTAL: caps.total, UNATTRIBUTED: caps.unattributed, LINEAGE: caps.lineage, FREEZE: caps.freeze}
    return tuple(
        Limit(which, cap, least_above(amounts[which], cap)) for which, cap in agreed.items() if cap is not None and amounts[which] > cap
    )


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


def site_rows(readings: int, meters: int, records: int) -> int:
    """Rows of a site's table: each record is received in two."""
    return readings + LEDGER_OVERHEAD * meters + 2 * records + LEDGER_OVERHEAD


def registry_rows(records: Sequence[int], entries: int) -> int:
    """Rows of the registry's table. ``records``: of each site's summary."""
    return sum(records) + LEDGER_OVERHEAD * len(records) + ROWS_PER_ENTRY * entries + REGISTRY_OVERHEAD


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


def assemble(store: Store, agreement: Agreement, period: int, *, over: bool = False) -> Assembly:
    """Statements and witnesses of the store's lab for a closed period. A site's summary is made, and kept in the store, the first time.

    Args:
        over: where the lab is over limits, the claim states others in their place; else it is refused.

    Raises:
        WitnessRefused: with every reason why the claim would not hold.
        ClaimRejected: the lab or the period is not in the agreement.
    """
    from circuits.witness import ClaimWitness, SummaryWitness

    lab = agreement.lab(store.lab)
    agreement.period_epochs(period)
    heads = _signed(store, agreement, lab, period)
    before, after = _heads(store, agreement, lab, period)
    entries = store.entries(after.entries)
    new = entries[before.entries :]
    problems = []
    ledgers: dict[str, list[Reading]] = {}
    for meter in lab.meters:
        readings = ledgers[meter.name] = store.readings(period, meter.name)
        try:
            check_coverage(readings, meter, agreement, period)
        except ClaimsError as error:
            problems.append(error.what)
    records = {site.name: _records(ledgers[meter.name] for meter in site.meters) for site in lab.sites}
    problems += _tag_problems(store, period, new, store.work_by_tag(period))
    caps, charge_residue = lab.caps_at(period), agreement.rules_at(period).charge_residue
    exceeded = over_limits(new, caps, charge_residue=charge_residue)
    limits = exceeded if over else ()
    problems += cap_problems(new, with_limits(caps, limits), charge_residue=charge_residue)
    problems += _row_problems(lab, ledgers, records, len(entries))
    if problems:
        hint = "a claim can only be proven when it is true; no claim was made"
        raise WitnessRefused(problems, hint + ("; one that says that the lab is over: prove --over" if exceeded and not over else ""))
    summaries = [_summary(store, agreement, period, site, found) for site, found in records.items()]
    claim = _unproven(store, agreement, period, heads, before, after, summaries)
    claim = replace(claim, limits=limits, overs=_earlier_overs(store, agreement, lab, period))
    chains = {meter.name: _ledger(store, period, meter.name, ledgers[meter.name]) for meter in lab.meters}
    registry = _registry(store, entries, before, after)
    if lab.sites:
        sent = tuple(SummaryWitness(made.secrets.iv, records[made.site], made.secrets.trailer) for made in summaries)
        ledgers_of = [tuple(chains[meter.name] for meter in site.meters) for site in lab.sites]
        witnesses = [ClaimWitness(own, None, (summary,)) for own, summary in zip(ledgers_of, sent, strict=True)]
        witnesses.append(ClaimWitness((), registry, sent))
    else:
        witnesses = [ClaimWitness(tuple(chains.values()), registry)]
    names = [*(site.name for site in lab.sites), None]
    tables = tuple(map(Table, names, statements_of(agreement, claim), witnesses))
    return Assembly(claim, tables, period_figures(store, period))


def _earlier_overs(store: Store, agreement: Agreement, lab: Lab, period: int) -> tuple[Over, ...]:
    """What the lab's claim before was over, and lists itself. Raises WitnessRefused where only that claim can tell, and is not kept."""
    if period == lab.since_period:
        return ()
    kept = store.kept_claim(period - 1)
    if kept is not None:
        return overs_after(decode_claim(kept.claim))
    new: dict[int, list[RegistryEntry]] = {}
    for entry in store.entries():
        if entry.period is not None:
            new.setdefault(entry.period, []).append(entry)
    within = period > agreement.first_period and not any(
        over_limits(new[number], lab.caps_at(number), charge_residue=agreement.rules_at(number).charge_residue)
        for number in range(lab.since_period, period)
    )
    if not within:
        what = f"the claim of period {period - 1} is not in the store, and this one repeats what earlier ones were over"
        raise WitnessRefused([what], "prove that period first; where its claim lies there already, prove takes it up")
    return ()


def _records(ledgers: Iterable[list[Reading]]) -> Records:
    """The records of a site's summary: the work of every tag that its busy readings carry."""
    work: dict[int, int] = {}
    for readings in ledgers:
        for reading in readings:
            if reading.tag != IDLE:
                work[reading.tag] = work.get(reading.tag, 0) + reading.work
    return tuple(sorted(work.items()))


def _row_problems(lab: Lab, ledgers: dict[str, list[Reading]], records: dict[str, Records], entries: int) -> list[str]:
    if lab.registry_rows is None:
        rows = table_rows(sum(map(len, ledgers.values())), len(ledgers), entries)
        return _too_many("the claim", rows, lab.log_rows)
    problems = []
    for site in lab.sites:
        readings = sum(len(ledgers[meter.name]) for meter in site.meters)
        rows = site_rows(readings, len(site.meters), len(records[site.name]))
        problems += _too_many(f"site {site.name}", rows, lab.log_rows)
    rows = registry_rows([len(found) for found in records.values()], entries)
    return problems + _too_many("the registry", rows, lab.registry_rows)


def _too_many(what: str, rows: int, log_rows: int) -> list[str]:
    return [f"{what} needs {rows} rows, the agreement's table has {1 << log_rows}"] if rows > 1 << log_rows else []


def _summary(store: Store, agreement: Agreement, period: int, site: str, records: Records) -> SummaryHead:
    """The site's summary as the store keeps it; made and kept the first time."""
    from circuits.chain import summary_head
    from circuits.statement import summary_header

    header = summary_header(agreement.digest, store.lab, site, period)
    known = store.summary(period, site)
    secrets = LedgerSecrets(fresh_elements(), fresh_elements()) if known is None else known.secrets
    head = summary_head(secrets.iv, header, records, secrets.trailer)
    if known is None:
        known = SummaryHead(site, period, agreement.digest, head, secrets)
        store.add_summary(known)
    elif known.head != head:
        what = f"the store keeps another summary of site {site}, period {period}: of other readings, or under another agreement"
        raise WitnessRefused([what], "nothing may change between a site's proof and the claim: use the store that made it")
    return known


def _unproven(
    store: Store, agreement: Agreement, period: int, heads: Sequence[SignedHead], before: PublishedHead, after: PublishedHead,
    summaries: Sequence[SummaryHead],
) -> Claim:  # fmt: skip
    first, last = agreement.period_epochs(period)
    return Claim(
        agreement_digest=agreement.digest,
        lab=store.lab,
        period=period,
        first_epoch=first,
        last_epoch=last,
        head_before=before.head,
        head_after=after.head,
        meters=tuple(MeterHead(head.meter, head.head, head.roots_digest, head.signature) for head in heads),
        registry_signature=bytes(64),
        proof=b"",
        signature=bytes(64),
        sites=tuple(SiteHead(made.site, made.head, bytes(32), bytes(32)) for made in summaries),
        registry_proof=bytes(32) if summaries else b"",
    )


def _ledger(store: Store, period: int, meter: str, readings: list[Reading]) -> LedgerWitness:
    import numpy as np

    from circuits.witness import LedgerWitness

    blinding = store.ledger_secrets(period, meter)
    columns = np.array([(r.epoch, r.tag, r.chip_seconds, r.work) for r in readings], dtype=np.int64).T
    return LedgerWitness(
        iv=blinding.iv,
        epochs=columns[0].copy(),
        tags=columns[1].copy(),
        chip_seconds=columns[2].copy(),
        work=columns[3].copy(),
        trailer=blinding.trailer,
    )


def _registry(store: Store, entries: list[RegistryEntry], before: PublishedHead, after: PublishedHead) -> RegistryWitness:
    from circuits.witness import RegistryWitness

    closed = tuple(circuit_entry(entry) for entry in entries)
    return RegistryWitness(
        iv=store.registry_iv(),
        old_entries=closed[: before.entries],
        new_entries=closed[before.entries :],
        trailer_before=before.trailer,
        trailer_after=after.trailer,
    )
