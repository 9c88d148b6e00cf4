"""Commands of the lab's private store and registry."""

from __future__ import annotations

import re
from pathlib import Path

import click

from claims.cli.group import agreement_argument, cli, load_terms, opened_store, out, period_option, store_option
from claims.cli.state import signing_store, store_signing_options

__all__ = ["lab"]


@cli.group()
def lab() -> None:
    """The lab's private store and registry."""


@lab.command("init")
@click.argument("name")
@store_option
@click.option("--opening", multiple=True, metavar="CHECKPOINT=FLOP", help='Existing checkpoint, as in "base=3.8e25 FLOP".')
@click.option("--since-period", type=click.IntRange(0, 2**24 - 1), default=0, help="Period of the lab's first claim.")
def lab_init(name: str, store_path: Path, opening: tuple[str, ...], since_period: int) -> None:
    """Make the store of lab NAME and print its opening head for the agreement."""
    from claims.base.canonical import head_to_hex
    from claims.base.files import growing
    from claims.base.units import WORK_UNIT, flop_from_text
    from claims.lab.registry import Opening, open_registry
    from claims.lab.store import Store

    openings = []
    for text in opening:
        checkpoint, separator, amount = text.rpartition("=")
        if not separator or not checkpoint:
            raise click.UsageError(f'--opening {text!r} is not like "base=3.8e25 FLOP"')
        declared = -(-flop_from_text(amount.strip(), rate=False) // WORK_UNIT)  # a doubt is charged: round up
        openings.append(Opening(checkpoint, int(declared)))
    with growing(store_path) as temporary:  # nothing else opens a registry: a store without one is of no use
        temporary.unlink()
        with Store.create(temporary, name) as store:
            head = open_registry(store, openings, since_period)
    out(f'opening_head = "{head_to_hex(head)}"')


@lab.command("snapshot")
@click.argument("checkpoint")
@store_option
@agreement_argument
@period_option
@click.option("--parent", help="Checkpoint it was started from, where neither its own note nor an earlier snapshot says so.")
@click.option("--root", is_flag=True, help="It was started from nothing.")
@click.option("--branch", type=click.Choice(["yes", "no"]), help="As in a checkpoint file.")
@click.option("--genesis", metavar="COMMITMENT:ROUND", help="What seeded its initial weights (standstill genesis): started from nothing.")
def lab_snapshot(
    checkpoint: str, store_path: Path, agreement_path: Path, period: int, parent: str | None, root: bool, branch: str | None,
    genesis: str | None,
) -> None:  # fmt: skip
    """Close unfinished work toward CHECKPOINT at the end of a period.

    It begins where the work began: at its last snapshot, or at the parent noted for CHECKPOINT; else give --parent or --root.
    """
    from claims.agreement.over import check_over
    from claims.lab.lineage import snapshot
    from claims.lab.store import Genesis

    origin = None
    if genesis is not None:
        found = re.fullmatch(r"([0-9a-f]{64}):([0-9]{1,18})", genesis)
        if found is None:
            raise click.UsageError("--genesis is 64 hex digits, a colon, and a drand round")
        origin = Genesis(bytes.fromhex(found[1]), int(found[2]))
    with opened_store(store_path) as store:
        terms, starts = load_terms(agreement_path), None if branch is None else branch == "yes"
        check_over(terms, period)  # until then its checkpoint may still be saved
        closed = snapshot(store, terms, period, checkpoint, parent, root=root, branch=starts, genesis=origin)
        out(f"closed as {closed}, from {' and '.join(store.noted_as(closed).parents) or 'nothing'}")


@lab.command("close")
@store_option
@agreement_argument
@period_option
@store_signing_options
def lab_close(store_path: Path, agreement_path: Path, period: int) -> None:
    """Close the registry for a period and print its freshly blinded head."""
    from claims.base.canonical import head_to_hex
    from claims.lab.registry import close_period

    terms = load_terms(agreement_path)
    with opened_store(store_path) as store, signing_store(store, terms):
        out(head_to_hex(close_period(store, terms, period).head))
