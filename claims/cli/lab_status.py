"""``standstill lab status``: how far a period is from its caps, at any time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims.cli.group import agreement_argument, json_option, load_terms, opened_store, report, store_option
from claims.cli.lab import lab
from claims.cli.state import learn_amendment, log_given, log_option

if TYPE_CHECKING:
    from claims.lab.running import Lineage, Running

__all__ = ["lab_status"]

WARN = 80
"""Percent of a cap from which on it is named."""
LISTED = 10


@lab.command("status")
@store_option
@agreement_argument
@click.option("--period", "-n", type=click.IntRange(0, 2**24 - 1), help="Period index, from 0. [default: the first that is open]")
@log_option
@json_option
def lab_status(store_path: Path, agreement_path: Path, period: int | None) -> None:
    """PRIVATE: figures of a period against its caps, and what stands in the way of a claim. For the lab's eyes only.

    A period that is open is counted as if it ended with what has been imported. Exit code 1: a cap is exceeded, or the table
    is too small. Where labs may transfer caps, the total is that after transfers with --log, else the agreed one, and it says so.
    """
    from claims.cli.moved import listed_transfers, moves_caps
    from claims.lab.amended import check_amended
    from claims.lab.losses import lost_in
    from claims.lab.running import running

    terms = load_terms(agreement_path)
    with opened_store(store_path) as store:
        agreed, heads = terms.lab(store.lab), store.registry_heads()
        if period is None:
            period = min(max(heads[-1].period + 1 if heads else 0, agreed.since_period), terms.periods - 1)
        learn_amendment(store, terms)
        check_amended(store, terms, period)
        blind = moves_caps(terms) and log_given() is None
        transfers = [] if blind else listed_transfers(terms, store.lab, period)
        figures = running(store, terms, period, sum(item.toward(store.lab) for item in transfers))
        lost = lost_in(store, terms, period)  # they close no more
        missing = [meter.name for meter in agreed.meters if meter.name not in lost and store.signed_head(period, meter.name) is None]
        sealed = {meter.name: store.last_sealed(meter.name) for meter in agreed.meters}
        name, done = store.lab, {"meters_to_close": missing, "sealed_through": sealed, "published_through": store.published_through()}
    lines = _text(name, figures, done) + [f"transfer           {item.text}" for item in transfers]
    lines += ["transfers of cap   not looked at: give --log"] if blind else []
    report(lines, {"lab": name, **done, **_table(figures), "transfers": None if blind else [item.text for item in transfers]})
    sys.exit(1 if figures.over else 0)


def _shares(figures: Running) -> list[tuple[str, int, int]]:
    """(label, amount, cap) of every cap."""
    caps, largest = figures.caps, max((item.charged for item in figures.lineages), default=0)
    shares = [
        ("total", figures.total, caps.total),
        ("unattributed", figures.unattributed, caps.unattributed),
        ("largest lineage", largest, caps.lineage),
    ]
    if caps.freeze is not None:
        trained = max((item.charged for item in figures.lineages if item.worked), default=0)
        shares.append(("largest trained", trained, caps.freeze))
    if figures.held is not None:
        shares.append(("all unattributed", figures.residue, figures.held))
    return shares


def _near(figures: Running) -> list[Lineage]:
    """Lineages from the warning level on, the largest first."""
    caps = figures.caps

    def limit(item: Lineage) -> int:
        return min(caps.lineage, caps.freeze) if item.worked and caps.freeze is not None else caps.lineage

    return [item for item in figures.lineages if item.charged * 100 >= WARN * limit(item)]


def _percent(amount: int, cap: int) -> float | None:
    return round(100 * amount / cap, 1) if cap else None


def _mark(amount: int, cap: int) -> str:
    share = _percent(amount, cap)
    text = "" if share is None else f"  {share:.1f} %"
    return text + ("  EXCEEDED" if amount > cap else "  WARNING: near the cap" if cap and amount * 100 >= WARN * cap else "")


def _epochs(done: dict[str, Any]) -> list[str]:
    """How far the meters sealed and the lab published, where either has begun."""
    if done["published_through"] is None and not any(epoch is not None for epoch in done["sealed_through"].values()):
        return []
    by_epoch: dict[int, list[str]] = {}
    for name, epoch in done["sealed_through"].items():
        by_epoch.setdefault(-1 if epoch is None else epoch, []).append(name)
    sealed = "; ".join(f"{_epoch(epoch)} ({len(names)} meters, {names[0]} the first)" for epoch, names in sorted(by_epoch.items()))
    published = -1 if done["published_through"] is None else done["published_through"]
    return [f"sealed through     {sealed}", f"published through  {_epoch(published)}"]


def _epoch(number: int) -> str:
    return "nothing" if number < 0 else f"epoch {number}"


def _text(name: str, figures: Running, done: dict[str, Any]) -> list[str]:
    from claims.base.text import listed
    from claims.base.units import format_work

    rows = figures.rows
    lines = [
        f"PRIVATE figures of lab {name}, period {figures.period}"
        + ("" if figures.closed else ", as if it ended with what is imported"),
        f"meters to close    {listed(done['meters_to_close'])}",
        f"registry           {'closed' if figures.closed else 'open'}",
        *_epochs(done),
    ]
    lines += [f"{label:<18} {format_work(amount)} of {format_work(cap)}{_mark(amount, cap)}" for label, amount, cap in _shares(figures)]
    near = _near(figures)
    lines += [f"  near or over     {item.name}: {format_work(item.charged)}" for item in near[:LISTED]]
    lines += [f"  and {len(near) - LISTED} more"] if len(near) > LISTED else []
    left = f"{rows.table - rows.needed} left" if rows.needed <= rows.table else "EXCEEDED: no claim can be made"
    where = f" ({rows.where})" if rows.where else ""
    lines.append(f"table rows         {rows.needed} of {rows.table}{where}, {left}; forecast for the period {rows.forecast}")
    if rows.needed <= rows.table < rows.forecast:
        lines.append("  WARNING: at this pace the table will be too small: book small jobs to fewer checkpoints, or amend log_rows")
    under_way = [item for item in figures.lineages if item.origin is not None]
    lines += [f"under way          {item.name}, from {item.origin}" for item in under_way if item.origin != "?"]
    lines += [
        f"under way          {item.name}: counted from nothing, since nothing says what it started from"
        for item in under_way
        if item.origin == "?"
    ]
    return [*lines, *(f"EXCEEDED: {problem}" for problem in figures.problems)]


def _table(figures: Running) -> dict[str, Any]:
    from claims.base.units import WORK_UNIT

    caps = {
        label.replace(" ", "_"): {
            "flop": amount * WORK_UNIT, "cap_flop": cap * WORK_UNIT, "percent": _percent(amount, cap), "exceeded": amount > cap,
        }
        for label, amount, cap in _shares(figures)
    }  # fmt: skip
    near = [{"name": item.name, "flop": item.charged * WORK_UNIT} for item in _near(figures)]
    under_way = [{"name": item.name, "from": item.origin} for item in figures.lineages if item.origin is not None]
    rows = {"needed": figures.rows.needed, "table": figures.rows.table, "forecast": figures.rows.forecast, "where": figures.rows.where}
    return {
        "period": figures.period, "closed": figures.closed, "over": figures.over, **caps, "residue_flop": figures.residue * WORK_UNIT,
        "lineages_near_their_cap": near, "under_way": under_way, "rows": rows, "problems": list(figures.problems),
    }  # fmt: skip
