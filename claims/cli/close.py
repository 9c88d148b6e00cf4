"""``standstill meter close``: shows what would be signed, asks, signs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import ClaimsError
from claims.base.text import listed
from claims.cli.group import (
    agreement_argument,
    ask,
    clock_option,
    json_option,
    load_agreed,
    opened_store,
    period_option,
    report,
    store_option,
    tell,
)
from claims.cli.meter import meter
from claims.cli.meter_keys import MeterKeys, meters_options
from claims.cli.screen import doing
from claims.cli.state import room_for_journals, signing_stores, state_folder, store_signing_options

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.lab.closing import Closing
    from claims.lab.store import Store

__all__ = ["meter_close"]


@meter.command("close")
@meters_options
@store_option
@agreement_argument
@period_option
@store_signing_options
@click.option("--idle", is_flag=True, help="The meters named had no work at all in the period.")
@click.option("--over-caps", is_flag=True, help="Sign although a cap is exceeded: the period's claim then says so (prove --over).")
@click.option("--yes", is_flag=True, help="Do not ask. Without a terminal to ask on, nothing is signed unless this is given.")
@clock_option
@json_option
def meter_close(
    meters: MeterKeys, store_path: Path, agreement_path: Path, period: int, idle: bool, over_caps: bool, yes: bool, clock_is_right: bool
) -> None:
    """Cover each meter's period with readings, seal them, and sign the ledger head. Once per period, and for good.

    Shows what would be signed, and asks. All the meters named sign, or none.
    """
    from claims.base.canonical import head_to_hex
    from claims.lab.amended import learn
    from claims.lab.closing import closing_of
    from claims.lab.meter import sign_period

    if meters.every and idle:
        raise click.UsageError("--idle is about meters that are named: --all would hide a forgotten import")
    terms, unsigned = load_agreed(agreement_path)
    with opened_store(store_path) as store:
        learn(store, terms, state_folder(), signed=not unsigned)
        chosen = meters.chosen(store, terms, terms.period_epochs(period)[1])
        due = [name for name in chosen if not _signed(store, terms, name, period)]
        if due:
            loaded = meters.load(store, terms, due)
            for item in loaded:
                item.period_signer(terms.lab(store.lab).meter(item.name))
            shown = [closing_of(store, terms, name, period) for name in due]
            _check(store, terms, period, shown, idle=idle, over_caps=over_caps, clock_is_right=clock_is_right)
            room_for_journals(meters.journals(due))
            _ask(store, terms, period, shown, unsigned, yes=yes)
            doing("signing the period")
            with signing_stores(store, terms, due, ring=meters.ring is not None), store.transaction():
                if [closing_of(store, terms, name, period) for name in due] != shown:
                    raise ClaimsError("what is to be signed has changed since it was shown: nothing was signed", "look at it again")
                sign_period(store, terms, period, loaded)
        heads = {name: head_to_hex(signed.head) for name in chosen if (signed := store.signed_head(period, name)) is not None}
        before = heads.keys() - set(due)
        lines = [f"{name} {head}" + ("  (signed before)" if name in before else "") for name, head in heads.items()]
        report(lines, {"lab": store.lab, "period": period, "heads": heads, "signed_before": sorted(before)})


def _signed(store: Store, terms: Agreement, name: str, period: int) -> bool:
    """Whether the meter has signed the period under this agreement."""
    known = store.signed_head(period, name)
    return known is not None and known.agreement_digest == terms.digest


def _check(
    store: Store, terms: Agreement, period: int, closings: list[Closing], *, idle: bool, over_caps: bool, clock_is_right: bool
) -> None:
    """Refuse what is too early, out of order, without work, over a cap, or under a clock that jumped."""
    from claims.cli.moved import listed_transfers
    from claims.lab.closing import check_evidence, check_turn
    from claims.lab.running import OverCaps, check_table, running

    names = [closing.meter for closing in closings]
    check_table(store, terms, [period])
    for name in names:
        check_turn(store, terms, name, period)
    without = [closing.meter for closing in closings if not closing.busy]
    if without and not idle:
        raise ClaimsError(
            f"nothing was imported or collected of {listed(without)} in period {period}",
            "import what is missing; if no chip worked, close these meters by name with --idle",
        )
    problems: tuple[str, ...] = ()
    if not over_caps and store.site is None:
        moved = sum(item.toward(store.lab) for item in listed_transfers(terms, store.lab, period))
        problems = running(store, terms, period, moved).problems
    if problems:
        raise OverCaps(
            f"the lab would be over in period {period}: {problems[0]}",
            "look for a mistake with standstill lab status: what is signed cannot be mended; to sign it nevertheless: --over-caps",
        )
    if not clock_is_right:
        check_evidence(store, terms, names, terms.period_epochs(period)[1])


def _ask(store: Store, terms: Agreement, period: int, closings: list[Closing], unsigned: list[str], *, yes: bool) -> None:
    """Show what would be signed; on a terminal, ask."""
    from claims.lab.closing import closing_lines, not_amended

    tell(f"PRIVATE: to be signed of lab {store.lab}, period {period}, under agreement {terms.name}, {terms.digest.hex()}")
    if unsigned:
        tell(f"  NOT SIGNED by {', '.join(unsigned)}, by the file beside the agreement: nothing of this counts under another one")
    for doubt in filter(None, (not_amended(store, terms, closing.meter) for closing in closings)):
        tell(f"  {doubt}")
    for closing in closings:
        tell("\n".join(f"  {line}" for line in closing_lines(closing, terms)))
    if yes:
        return
    if not sys.stdin.isatty():
        raise ClaimsError("nothing was signed: there is no terminal to ask on", "look at the figures, then give --yes")
    ask("Sign? Nothing can be added to the period afterwards", abort=True)
