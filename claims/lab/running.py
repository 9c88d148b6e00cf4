"""Figures of a period at any time, as if it ended with what is in the store: for the lab's eyes.

    sealed readings + usage not sealed yet --> work by checkpoint } --entries, in a copy of the store in memory--> sums against
    drafts + work that no checkpoint closes, as snapshots         }                                               caps and table

What is printed while the period is open is what its claim would be measured by, by the code that closes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from claims.agreement.model import Agreement
from claims.agreement.terms import Caps, Lab, Meter
from claims.base.errors import ClaimsError
from claims.claim.losses import made_readings
from claims.claim.records import IDLE, MAX_AMOUNT, UNATTRIBUTED, RegistryEntry
from claims.lab.caps import cap_problems, residue_limit
from claims.lab.closing import check_headquarters
from claims.lab.coverage import PLAIN, cover, peak_of
from claims.lab.lineage import snapshot, unplaced
from claims.lab.losses import lost_in
from claims.lab.registry import RESIDUE, RegistryError, check_enrolled, entries_of
from claims.lab.size import registry_rows, site_rows, table_rows
from claims.lab.store import Store

__all__ = ["Lineage", "OverCaps", "Rows", "Running", "TableTooSmall", "check_table", "running"]


class TableTooSmall(ClaimsError):
    """A period has more readings and checkpoints than the agreement has room for; no claim could be made."""

    exit_code = 1


class OverCaps(ClaimsError):
    """A period's figures exceed a cap; no claim could be made."""

    exit_code = 1


@dataclass(frozen=True)
class Rows:
    """Rows of a table of the claim: ``needed`` if nothing more is imported, ``forecast`` if the rest goes as what there is.

    ``where``: which table: empty for the one of a lab without sites.
    """

    needed: int
    table: int
    forecast: int
    where: str = ""


@dataclass(frozen=True)
class Lineage:
    """A checkpoint of the period. ``charged``: what counts against the cap, units of 10^12 FLOP; ``worked``: it was trained in it.

    ``origin``: for work that is under way, what it started from: a name, "nothing", or "?" where that is not known.
    """

    name: str
    charged: int
    worked: bool
    origin: str | None


@dataclass(frozen=True)
class Running:
    """Figures of a period; amounts in units of 10^12 FLOP.

    Attributes:
        lineages: the largest first.
        problems: caps that are exceeded.
        held: what ``residue``, all unattributed work since the agreement began, must stay under; None where the period adds nothing
            to it, or it is not charged.
    """

    period: int
    closed: bool
    total: int
    unattributed: int
    residue: int
    lineages: tuple[Lineage, ...]
    caps: Caps
    rows: Rows
    problems: tuple[str, ...]
    held: int | None

    @property
    def over(self) -> bool:
        """Whether no claim of the period can be made."""
        return bool(self.problems) or self.rows.needed > self.rows.table


@dataclass(frozen=True)
class _Ledger:
    """One meter's period: work by tag, readings so far, and over how many epochs these reach."""

    work: dict[int, int]
    readings: int
    epochs: int


def _ledgers(store: Store, agreement: Agreement, period: int) -> list[_Ledger]:
    lost = lost_in(store, agreement, period)
    return [_ledger(store, agreement, meter, period, meter.name in lost) for meter in agreement.lab(store.lab).meters]


def _ledger(store: Store, agreement: Agreement, meter: Meter, period: int, lost: bool) -> _Ledger:
    first, last = agreement.period_epochs(period)
    if lost:
        rows = made_readings(agreement, meter, period)
        return _Ledger({UNATTRIBUTED: sum(row[3] for row in rows)}, len(rows), last + 1 - first)
    work, readings = store.sealed_work(period, meter.name)
    through = store.sealed_through(period, meter.name)
    sealed = first if through is None else through + 1
    rows = store.busy_rows(period, meter.name, range(sealed, last + 1))
    reached = rows[-1][0] + 1 if rows else sealed
    more, count = _unsealed(store, agreement, meter, period, range(sealed, reached), rows)
    for tag, amount in more.items():
        work[tag] = work.get(tag, 0) + amount
    return _Ledger(work, readings + count, reached - first)


def _unsealed(
    store: Store, agreement: Agreement, meter: Meter, period: int, epochs: range, rows: list[tuple[int, int, int, int]]
) -> tuple[dict[int, int], int]:
    """Work by tag and number of readings, if the meter sealed these epochs now. ``rows``: their usage."""
    if len(rows) > PLAIN:
        from claims.lab import columns

        slots = columns.Slots(epochs, agreement.coverage(meter), peak_of(agreement, meter, period))
        found = columns.cover([rows], [slots])
        if found is not None:
            return columns.work_by_tag(found), len(found.tags)
    readings = cover(store.usage(period, meter.name, epochs), meter, agreement, period, epochs)
    work: dict[int, int] = {}
    for reading in readings:
        work[reading.tag] = work.get(reading.tag, 0) + reading.work
    return work, len(readings)


def _rows(agreement: Agreement, lab: Lab, ledgers: list[_Ledger], old: int, new: int) -> Rows:
    """Of the lab's table; of a lab with sites, of the table that is fullest by the forecast."""
    epochs = agreement.epochs_per_period
    reached = max((ledger.epochs for ledger in ledgers), default=0)

    def later(count: int) -> int:
        return -(-count * epochs // reached) if reached else count

    def readings(own: list[_Ledger]) -> tuple[int, int]:
        needed = sum(ledger.readings + epochs - ledger.epochs for ledger in own)
        return needed, sum(-(-ledger.readings * epochs // ledger.epochs) if ledger.epochs else epochs for ledger in own)

    if lab.registry_rows is None:
        needed, forecast = (table_rows(count, len(ledgers), old + n) for count, n in zip(readings(ledgers), (new, later(new)), strict=True))
        return Rows(needed, 1 << lab.log_rows, forecast)
    by_meter, tables, records = dict(zip((meter.name for meter in lab.meters), ledgers, strict=True)), list[Rows](), list[int]()
    for site in lab.sites:
        own = [by_meter[meter.name] for meter in site.meters]
        records.append(len({tag for ledger in own for tag in ledger.work} - {IDLE}))
        needed, forecast = readings(own)
        forecast = site_rows(forecast, len(own), later(records[-1]))
        tables.append(Rows(site_rows(needed, len(own), records[-1]), 1 << lab.log_rows, forecast, f"site {site.name}"))
    forecast = registry_rows([later(count) for count in records], old + later(new))
    tables.append(Rows(registry_rows(records, old + new), 1 << lab.registry_rows, forecast, "the registry"))
    return max(tables, key=lambda rows: (rows.needed / rows.table > 1, max(rows.needed, rows.forecast) / rows.table))


def running(store: Store, agreement: Agreement, period: int, moved: int = 0) -> Running:
    """Figures of a period of the store's lab, open or closed. The store is only read.

    Args:
        moved: what transfers of cap add to the lab's total, units of 10^12 FLOP.

    Raises:
        RegistryError: the store is not the enrolled one, or has no registry.
        ClaimsError: no such period, or its usage cannot be signed.
    """
    check_headquarters(store)
    check_enrolled(store, agreement)
    agreement.period_epochs(period)
    lab, heads = agreement.lab(store.lab), store.registry_heads()
    if not heads:
        raise RegistryError("the registry has not been opened", "make the store with standstill lab init")
    closed, origins = period <= heads[-1].period, dict[int, str]()
    if closed:
        after = store.registry_head(period)
        old = [e for e in store.entries(after.entries if after else 0) if e.period is None or e.period < period]
        new = [entry for entry in store.entries() if entry.period == period]
        ledgers = _ledgers(store, agreement, period)
    else:
        with store.scratch(heads[-1].period + 1) as copy:
            old, new, ledgers = _closing(copy, agreement, period, origins)
    rules, agreed = agreement.rules_at(period), lab.caps_at(period)
    caps = replace(agreed, total=agreed.total + moved)
    rest = next(entry for entry in new if entry.kind == RESIDUE)
    extra = rest.cumulative if rules.charge_residue else 0
    lineages = [_lineage(entry, extra, origins.get(entry.tag)) for entry in new if entry.kind != RESIDUE]
    return Running(
        period, closed, sum(entry.work for entry in new), rest.work, rest.cumulative,
        tuple(sorted(lineages, key=lambda item: (-item.charged, item.name))), caps,
        _rows(agreement, lab, ledgers, len(old), len(new)),
        tuple(cap_problems(new, caps, charge_residue=rules.charge_residue)),
        residue_limit(caps) if rules.charge_residue and rest.work else None,
    )  # fmt: skip


def _lineage(entry: RegistryEntry, extra: int, origin: str | None) -> Lineage:
    return Lineage(entry.name, entry.cumulative + extra, bool(entry.work), origin)


def _closing(
    copy: Store, agreement: Agreement, period: int, origins: dict[int, str]
) -> tuple[list[RegistryEntry], list[RegistryEntry], list[_Ledger]]:
    """Entries before and of an open period, if it and those before it ended now. Fills ``origins`` of work that is under way."""
    old, new, ledgers = copy.entries(), list[RegistryEntry](), list[_Ledger]()
    for number in range(copy.registry_heads()[-1].period + 1, period + 1):
        old += new
        for name in unplaced(copy, number):
            tag = copy.tag(name)
            known = bool(copy.snapshots(name)) or copy.noted(tag) is not None
            closed = snapshot(copy, agreement, number, name, root=not known)
            parents = copy.noted_as(closed).parents
            origins[tag] = (parents[0] if parents else "nothing") if known else "?"
        ledgers = _ledgers(copy, agreement, number)
        work: dict[int, int] = {}
        for ledger in ledgers:
            for tag, amount in ledger.work.items():
                work[tag] = work.get(tag, 0) + amount
        new = entries_of(copy, agreement, number, old, work)
    return old, new, ledgers


def _counted(store: Store, agreement: Agreement, period: int) -> list[_Ledger]:
    """As :func:`_ledgers` of a period charged at peak, no reading of which is split, to its end: the tags, without their work."""
    first, last = agreement.period_epochs(period)
    lab, lost, ledgers = agreement.lab(store.lab), lost_in(store, agreement, period), list[_Ledger]()
    sealed = store.sealed_counts(period)
    held = {meter.name: (agreement.coverage(meter), sealed.get(meter.name, (0, first - 1))[1] + 1) for meter in lab.meters}
    open_readings, tags = store.due_readings(period, held), store.meter_tags(period) if lab.sites else {}
    for meter in lab.meters:
        if meter.name in lost:
            ledgers.append(_ledger(store, agreement, meter, period, True))
            continue
        readings, slots = open_readings.get(meter.name, (0, 0))
        readings += sealed.get(meter.name, (0, 0))[0] + last + 1 - held[meter.name][1] - slots
        ledgers.append(_Ledger(dict.fromkeys(tags.get(meter.name, ()), 0), readings, last + 1 - first))
    return ledgers


# ---- at import ------------------------------------------------------------------------------------------------


def check_table(store: Store, agreement: Agreement, periods: Iterable[int]) -> None:
    """Check that what is imported for open periods has room in the agreed table and commitments.

    Raises:
        TableTooSmall: it has not: the meters could not sign it, or no claim could be made of it.
    """
    lab = agreement.lab(store.lab)
    least = min(agreement.chip(name).readings for name in {meter.chip for meter in lab.meters})
    for period in sorted(set(periods)):
        for meter in lab.meters if store.has_crowd(period, least) else ():
            coverage, size = agreement.coverage(meter), agreement.readings(meter)
            crowded = store.crowded_epoch(period, meter.name, coverage, size)
            if crowded is not None:
                raise TableTooSmall(
                    f"meter {meter.name}: epoch {crowded} would have more readings than the {size} that the agreement commits to",
                    "book small jobs to fewer checkpoints, or as unattributed; or amend readings of the [[chip]]",
                )
        _check_rows(store, agreement, period)


def _check_rows(store: Store, agreement: Agreement, period: int) -> None:
    lab = agreement.lab(store.lab)
    old, heads = len(store.entries()), store.registry_heads()
    opened = range(heads[-1].period + 1 if heads else 0, period + 1)
    new = sum(1 + len(store.drafts(number)) + len(unplaced(store, number)) for number in opened)
    split = any(agreement.coverage(meter) * agreement.chip(meter.chip).peak > MAX_AMOUNT for meter in lab.meters)
    plain = agreement.rules_at(period).charge_peak and not split
    ledgers = _counted(store, agreement, period) if plain else _ledgers(store, agreement, period)
    rows = _rows(agreement, lab, ledgers, old, new)
    if rows.needed > rows.table:
        where = f", {rows.where}" if rows.where else ""
        raise TableTooSmall(
            f"period {period}{where} would need {rows.needed} rows, the agreement's table has {rows.table}: no claim could be made of it",
            "book small jobs to fewer checkpoints, or as unattributed; or have the parties amend log_rows",
        )
