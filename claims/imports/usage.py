"""Importer of usage from CSV or Parquet. A bad file imports nothing.

    meter, (epoch | start, stop), checkpoint, (chips | chip_seconds), [work_flop]

Times are RFC 3339 with an offset, or Unix milliseconds. Jobs over several epochs are split at the boundaries, in
exact chip-milliseconds. Busy time that names no checkpoint is charged as unattributed. FORMATS-store.md has the columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from claims.agreement.model import Agreement
from claims.agreement.over import check_begun
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError
from claims.claim.records import UNATTRIBUTED_WORDS
from claims.imports.rows import ImportRefused
from claims.imports.usage_columns import Booked
from claims.imports.usage_rows import Batches, UsageReader
from claims.lab.losses import lost_within
from claims.lab.registry import check_enrolled, check_receivers, keep_calendar
from claims.lab.running import check_table
from claims.lab.store import Store

__all__ = [
    "UNATTRIBUTED_WORDS", "ImportReport", "NoRoom", "check_room", "import_usage", "not_noted", "unknown_text",
]  # fmt: skip



class NoRoom(ImportRefused):
    """More busy time than a meter's chips have in an epoch."""


@dataclass
class ImportReport:
    """What an import did. ``chip_ms``: chip-milliseconds per meter; ``skipped``: rows outside the agreement's periods."""

    rows: int = 0
    periods: set[int] = field(default_factory=set)
    chip_ms: dict[str, int] = field(default_factory=dict)
    unattributed_ms: int = 0
    skipped: int = 0
    repeats: list[tuple[int, int]] = field(default_factory=list)
    """Lines of rows that stand twice, the first and the second; both are charged."""


def import_usage(
    store: Store, agreement: Agreement, path: str | Path, *, skip_outside: bool = False, again: bool = False
) -> ImportReport:
    """Import busy time of the store's lab from a CSV or Parquet file, all of it or nothing.

    Rows named "idle" only are checked: idle time is what is left. Rows without a checkpoint are charged as unattributed.

    Args:
        skip_outside: leave out (and count) jobs that lie entirely outside the agreement's periods, instead of refusing.
        again: rows that charge exactly what an earlier import charged are other work, and are charged too.

    Raises:
        ImportRefused: naming file, line and remedy.
        StoreError: the file was imported before, or a meter has signed the period.
    """
    check_enrolled(store, agreement)
    reader = UsageReader(agreement, store.lab, Path(path), skip_outside=skip_outside)
    reader.read()  # before the transaction: nobody waits for it
    report = ImportReport(
        reader.rows, reader.periods(), reader.chip_ms(), reader.unattributed_ms(), reader.skipped, reader.repeats
    )
    source = Path(path).name
    if report.skipped and not report.rows:
        raise ImportRefused(source, None, "every row lies outside the agreement's periods", "check the year, and the agreement")
    with store.transaction():
        keep_calendar(store, agreement)
        store.begin_import(reader.digest, "readings", source)
        batches = reader.stored(store)
        try:
            check_room(source, store, agreement, batches, again=again)
        except NoRoom as error:
            if not report.repeats:
                raise
            (first, second), why = report.repeats[0], error.what.removeprefix(f"{source}: ")
            raise ImportRefused(source, second, f"this row is that of line {first} again, and {why}", "delete one of the two") from None
        for (period, name), own in batches.items():
            store.add_rows(period, name, own.rows())
        check_table(store, agreement, report.periods)
    return report


def not_noted(store: Store, periods: Iterable[int]) -> list[str]:
    """Names that work of these periods is booked to and that are not noted, for any period."""
    tags = {tag for period in periods for tag in store.tags_in_use(period)}
    return sorted(store.name(tag) for tag in tags if store.noted(tag) is None)


def unknown_text(store: Store, periods: Iterable[int]) -> list[str]:
    """A line for people about :func:`not_noted`, or none."""
    names = not_noted(store, periods)
    more = f", and {len(names) - 20} more" if len(names) > 20 else ""
    return [f"checkpoints not noted yet: {', '.join(names[:20])}{more}"] if names else []


def check_room(source: str, store: Store, agreement: Agreement, batches: Batches, *, again: bool) -> None:
    """Refuse usage that a meter has no room for, that has not happened yet, that is there already (unless ``again``), that comes
    after the meter signed, or that another site's store has. Keys are (period, meter)."""
    since, lab = agreement.lab(store.lab).since_period, agreement.lab(store.lab)
    last: dict[str, dict[int, int]] = {}
    any_lost = store.any_lost()
    for (period, name), booked in batches.items():
        if period < since:
            raise ImportRefused(
                source, None, f"it has work of period {period}, and lab {store.lab} claims from period {since} on",
                "leave out what lies before",
            )  # fmt: skip
        site = lab.meter(name).site
        if store.site not in (None, site):
            what = f"meter {name} is of site {site}, and this is the store of site {store.site}: here its work would count nowhere"
            raise ImportRefused(source, None, what, "import it into the store of its own site, and leave it out here")
        if store.signed_head(period, name) is not None:
            raise ImportRefused(
                source, None, f"meter {name} has signed period {period}", "late readings cannot be added to a signed ledger"
            )
        own = last.setdefault(name, {})
        for tag, epoch in booked.last_epochs().items():
            own[tag] = max(epoch, own.get(tag, epoch))
        if any_lost:
            lost = lost_within(store, lab.meter(name), range(int(booked.epochs.min()), int(booked.epochs.max()) + 1))
            if lost is not None:
                raise ImportRefused(source, None, f"meter {name} is lost in epoch {lost}", "its work is charged in full; leave it out")
    _check_times(source, store, agreement, last)
    for (period, name), booked in batches.items():
        _check_epochs(source, store, agreement, period, lab.meter(name), booked, again=again)


def _check_times(source: str, store: Store, agreement: Agreement, last: Mapping[str, Mapping[int, int]]) -> None:
    """Check each meter's last epochs of every tag: its checkpoint may receive work of it, and it has begun."""
    together: dict[int, int] = {}
    for own in last.values():
        for tag, epoch in own.items():
            together[tag] = max(epoch, together.get(tag, epoch))
    try:
        check_receivers(store, together)
        check_begun(agreement, max(together.values(), default=0), "work")
        return
    except ClaimsError:
        pass  # which meter it is about is said
    for name, own in last.items():
        try:
            check_receivers(store, dict(own))
        except ClaimsError as error:
            raise ImportRefused(source, None, f"meter {name}: {error.what}", error.hint) from None
        try:
            check_begun(agreement, max(own.values()), f"meter {name}: work")
        except ClaimsError as error:
            raise ImportRefused(source, None, error.what, error.hint) from None


def _check_epochs(
    source: str, store: Store, agreement: Agreement, period: int, meter: Meter, booked: Booked, *, again: bool
) -> None:
    before = [(item.epoch, item.tag, item.chip_ms, item.work) for item in store.usage(period, meter.name)]
    if before and not again:
        new = {(epoch, tag, ms, work) for epoch, _, tag, ms, work in booked.rows()}
        same = sorted(item[0] for item in new.intersection(before) if item[2])
        if same:
            raise ImportRefused(
                source, None, f"meter {meter.name}: in {len(same)} epochs, from {same[0]} on, it charges what an earlier import charged "
                f"({store.origins(period, meter.name, same[0])[0]})",
                "leave out what was imported before; if it is other work: --again",
            )  # fmt: skip
    busy = booked.busy((epoch, ms) for epoch, _, ms, _ in before)
    room = agreement.coverage(meter)
    over = min((epoch for epoch, held in busy.items() if held > room * 1000), default=None)
    if over is not None:
        lines = [f"{source}:{line}" if line else source for epoch, line, _, _, _ in booked.rows() if epoch == over]
        places = list(dict.fromkeys([*lines, *map(str, store.origins(period, meter.name, over))]))
        named = ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
        raise NoRoom(
            source, None,
            f"meter {meter.name}: epoch {over} would hold {-(-busy[over] // 1000)} busy chip-seconds, its chips have {room}: {named}",
            "overlapping jobs used more chips than the meter has: amend its chip count, or give the other chips a meter",
        )  # fmt: skip
