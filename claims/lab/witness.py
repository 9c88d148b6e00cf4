"""From the private store to a statement and a circuit witness, or to a list of what stands in the way.

    store + agreement + period --> checks R2, R3, R4, R6 in plain integers --> a Statement and a ClaimWitness for each table

The checks repeat what the circuit enforces, so that a lab is told by its own prover, in its own names, what is
wrong before anything is computed. Messages name private checkpoints: they are for the lab's eyes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.terms import Lab, Meter
from claims.base.errors import ClaimsError
from claims.base.units import format_share
from claims.claim.file import Claim, MeterHead, SiteHead, decode_claim
from claims.claim.handover import Records
from claims.claim.limits import overs_after, with_limits
from claims.claim.lists import LOST, LOST_SITE, Limit, Over
from claims.claim.losses import NO_HEAD, lost_head, lost_work, share_of
from claims.claim.records import (
    FIRST_TAG,
    IDLE,
    UNATTRIBUTED,
    LedgerSecrets,
    PublishedHead,
    RegistryEntry,
    SignedHead,
    SummaryHead,
    circuit_entry,
    fresh_elements,
)
from claims.lab.caps import cap_problems, over_limits
from claims.lab.coverage import check_readings
from claims.lab.losses import claimed_heads, losses_of, lost_in, readings_of, sites_away, work_of
from claims.lab.registry import CHECKPOINT, RESIDUE, SNAPSHOT
from claims.lab.size import Row, rows_problems, site_problems
from claims.lab.store import Store
from claims.verify.tables import statement_of_site, statements_of

if TYPE_CHECKING:
    from circuits.statement import Statement
    from circuits.witness import ClaimWitness, LedgerWitness, RegistryWitness

__all__ = ["Assembly", "PeriodFigures", "Table", "WitnessRefused", "assemble", "period_figures", "site_table"]

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
    """One table of a claim: its statement and witness, None where the site's store has it. ``site``: its name, or None for the
    registry's, or for the one table of a lab without sites."""

    site: str | None
    statement: Statement
    witness: ClaimWitness | None

    @property
    def words(self) -> str:
        """Which table, in a message."""
        return f"site {self.site}" if self.site else "the registry" if self.statement.summaries else "the table"


@dataclass(frozen=True)
class Assembly:
    """What a prover needs. ``claim``: all that it says, without proofs and the lab's signatures; ``tables``: in the order of its proofs."""

    claim: Claim
    tables: tuple[Table, ...]
    figures: PeriodFigures


def period_figures(store: Store, period: int) -> PeriodFigures:
    """Totals of a closed period, exactly as the claim counts them."""
    entries = [entry for entry in store.entries() if entry.period == period]
    lineages = [entry for entry in entries if entry.kind != RESIDUE]
    largest = max(lineages, key=lambda entry: entry.cumulative, default=None)
    return PeriodFigures(
        total=sum(entry.work for entry in entries),
        unattributed=next((entry.work for entry in entries if entry.kind == RESIDUE), 0),
        residue=next((entry.cumulative for entry in entries if entry.kind == RESIDUE), 0),
        largest_lineage=largest.cumulative if largest else 0,
        largest_lineage_name=largest.name if largest else "",
        checkpoints=len(lineages),
        readings=store.count_readings(period),
    )


def _tag_problems(store: Store, period: int, new: list[RegistryEntry], work: dict[int, int]) -> list[str]:
    receivers = {entry.tag: entry for entry in new if entry.kind in (CHECKPOINT, SNAPSHOT)}
    problems = [
        f"checkpoint {store.name(tag)} has work in this period and is not noted in it"
        for tag in work
        if tag >= FIRST_TAG and tag not in receivers
    ]
    for entry in new:
        if entry.kind != RESIDUE and entry.work != work.get(entry.tag, 0):
            problems.append(
                f"checkpoint {entry.name}: its entry has {entry.work}, its readings {work.get(entry.tag, 0)} units of work"
            )
    return problems


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
    """The head of every meter of a lab, or of a part of it, of a period, as the claim has it."""
    own = {meter.name for meter in lab.meters}
    heads = {head.meter: head for head in claimed_heads(store, agreement, period) if head.meter in own}
    problems = [f"meter {meter.name} has not signed period {period}" for meter in lab.meters if meter.name not in heads]
    problems += [
        f"meter {name} signed period {period} under another agreement"
        for name, head in heads.items() if head.agreement_digest != agreement.digest
    ]  # fmt: skip
    if problems:
        raise WitnessRefused(problems, "have every meter of the agreement sign the period")
    return tuple(heads.values())


def assemble(
    store: Store, agreement: Agreement, period: int, *, over: bool = False, transfers: Sequence[bytes] = (), moved: int = 0
) -> Assembly:
    """Statements and witnesses of the store's lab for a closed period. A site's summary is made, and kept in the store, the first time.

    Args:
        over: where the lab is over limits, the claim states others in their place; else it is refused.
        transfers: SHA-256 of the log entries of transfers of cap that the claim lists; ``moved``: what they add to its total, units.

    Raises:
        WitnessRefused: with every reason why the claim would not hold.
        ClaimRejected: the lab or the period is not in the agreement.
    """
    from circuits.witness import ClaimWitness, SummaryWitness

    lab = agreement.lab(store.lab)
    agreement.period_epochs(period)
    losses, lost = losses_of(store, agreement, period), lost_in(store, agreement, period)
    gone = {loss.name for loss in losses if loss.kind == LOST_SITE}
    away = sites_away(store, lab, period)
    heads = _signed(store, agreement, lab, period)
    before, after = _heads(store, agreement, lab, period)
    entries = store.entries(after.entries)
    new = entries[before.entries :]
    problems = []
    ledgers: dict[str, list[Row]] = {}
    for meter in lab.meters:
        if meter.site not in gone and meter.site not in away:
            ledgers[meter.name] = _readings(store, agreement, meter, period, lost, problems)
    records = {
        site.name: ((UNATTRIBUTED, lost_work(agreement, site.meters)),) if site.name in gone
        else store.records(period, site.name) if site.name in away
        else _records(ledgers[meter.name] for meter in site.meters)
        for site in lab.sites
    }  # fmt: skip
    problems += _tag_problems(store, period, new, work_of(store, agreement, period))
    caps, charge_residue = lab.caps_at(period), agreement.rules_at(period).charge_residue
    caps = replace(caps, total=caps.total + moved)
    exceeded = over_limits(new, caps, charge_residue=charge_residue)
    share = share_of(agreement, lab, period, lost)
    exceeded += (Limit(LOST, lab.lost, share),) if share > lab.lost else ()
    limits = exceeded if over else ()
    problems += cap_problems(new, with_limits(caps, limits), charge_residue=charge_residue)
    if share > lab.lost and not over:
        problems.append(f"{format_share(share)} of the period's chip-seconds are lost, and {format_share(lab.lost)} is agreed")
    problems += rows_problems(lab, ledgers, records, len(entries))
    if problems:
        hint = "a claim can only be proven when it is true; no claim was made"
        raise WitnessRefused(problems, hint + ("; one that says that the lab is over: prove --over" if exceeded and not over else ""))
    nothing = LedgerSecrets(NO_HEAD, NO_HEAD)
    summaries = [
        SummaryHead(site, period, agreement.digest, NO_HEAD, nothing) if site in gone
        else _summary(store, agreement, period, site, found)
        for site, found in records.items()
    ]  # fmt: skip
    claim = _unproven(store, agreement, period, heads, before, after, summaries)
    claim = replace(claim, losses=losses, limits=limits, overs=_earlier_overs(store, agreement, lab, period))
    claim = replace(claim, transfers=tuple(sorted(transfers)))
    chains = {name: _ledger(nothing if name in lost else store.ledger_secrets(period, name), own) for name, own in ledgers.items()}
    registry = _registry(store, entries, before, after)
    if lab.sites:
        sent = tuple(SummaryWitness(made.secrets.iv, records[made.site], made.secrets.trailer) for made in summaries)
        witnesses: list[ClaimWitness | None] = [
            None if site.name in away else ClaimWitness(tuple(chains[meter.name] for meter in site.meters), None, (summary,))
            for site, summary in zip(lab.sites, sent, strict=True) if site.name not in gone
        ]  # fmt: skip
        witnesses.append(ClaimWitness((), registry, sent))
    else:
        witnesses = [ClaimWitness(tuple(chains.values()), registry)]
    tables = tuple(map(Table, claim.tables or (None,), statements_of(agreement, claim, moved), witnesses))
    return Assembly(claim, tables, period_figures(store, period))


def site_table(store: Store, agreement: Agreement, period: int, site: str) -> tuple[Table, SummaryHead, Records]:
    """A site's table from its own store, its summary, which is kept there the first time, and what that one says.

    Raises:
        WitnessRefused: with every reason why its proof would not hold.
    """
    from circuits.witness import ClaimWitness, SummaryWitness

    lab = agreement.lab(store.lab)
    part = replace(lab, meters=lab.site(site).meters)
    lost = lost_in(store, agreement, period)
    heads = [
        lost_head(agreement, meter, period) if meter.name in lost else signed.head
        for meter, signed in zip(part.meters, _signed(store, agreement, part, period), strict=True)
    ]
    problems: list[str] = []
    ledgers = {meter.name: _readings(store, agreement, meter, period, lost, problems) for meter in part.meters}
    records = _records(ledgers.values())
    problems += site_problems(part.sites[0], part.log_rows, ledgers, records)
    if problems:
        raise WitnessRefused(problems, "nothing was proven")
    summary = _summary(store, agreement, period, site, records)
    sent = SummaryWitness(summary.secrets.iv, records, summary.secrets.trailer)
    nothing = LedgerSecrets(NO_HEAD, NO_HEAD)
    chains = tuple(_ledger(nothing if name in lost else store.ledger_secrets(period, name), own) for name, own in ledgers.items())
    statement = statement_of_site(agreement, lab.name, period, site, heads, summary.head)
    return Table(site, statement, ClaimWitness(chains, None, (sent,))), summary, records


def _readings(
    store: Store, agreement: Agreement, meter: Meter, period: int, lost: Iterable[str], problems: list[str]
) -> list[Row]:
    """A meter's readings, those of a lost one included; what is wrong with them goes to ``problems``."""
    readings = readings_of(store, agreement, meter, period, lost)
    try:
        check_readings(readings, meter, agreement, period)
    except ClaimsError as error:
        problems.append(error.what)
    return readings


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

    def may_be_over(number: int) -> bool:
        share = share_of(agreement, lab, number, lost_in(store, agreement, number))
        charge_residue = agreement.rules_at(number).charge_residue
        return share > lab.lost or bool(over_limits(new[number], lab.caps_at(number), charge_residue=charge_residue))

    given = any(other.ceiling is not None for other in agreement.labs)  # the cap may have been another's
    within = lab.since_period >= agreement.first_period and not given and not any(map(may_be_over, range(lab.since_period, period)))
    if not within:
        what = f"the claim of period {period - 1} is not in the store, and this one repeats what earlier ones were over"
        raise WitnessRefused([what], "prove that period first; where its claim lies there already, prove takes it up")
    return ()


def _records(ledgers: Iterable[list[Row]]) -> Records:
    """The records of a site's summary: the work of every tag that its busy readings carry."""
    work: dict[int, int] = {}
    for readings in ledgers:
        for _, tag, _, amount in readings:
            if tag != IDLE:
                work[tag] = work.get(tag, 0) + amount
    return tuple(sorted(work.items()))


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


def _ledger(blinding: LedgerSecrets, readings: list[Row]) -> LedgerWitness:
    import numpy as np

    from circuits.witness import LedgerWitness

    flat = np.fromiter(chain.from_iterable(readings), dtype=np.int64, count=4 * len(readings))
    columns = flat.reshape(-1, 4).T
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
