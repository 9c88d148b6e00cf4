"""Commands of the lab's private store and registry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import ClaimsError
from claims.cli.group import (
    agreement_argument,
    cli,
    json_option,
    load_agreed,
    load_terms,
    opened_store,
    out,
    period_option,
    read_path,
    report,
    store_option,
)
from claims.cli.screen import doing
from claims.cli.state import learn_amendment, signing_store, store_signing_options

if TYPE_CHECKING:
    from claims.agreement.model import Agreement

__all__ = ["lab"]


@cli.group()
def lab() -> None:
    """The lab's private store and registry."""


@lab.command("init")
@click.argument("name")
@store_option
@click.option("--opening", multiple=True, metavar="CHECKPOINT=FLOP", help='Existing checkpoint, as in "base=3.8e25 FLOP".')
@click.option("--since-period", type=click.IntRange(0, 2**24 - 1), default=0, help="Period of the lab's first claim.")
@json_option
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
    report(f'opening_head = "{head_to_hex(head)}"', {"lab": name, "opening_head": head_to_hex(head)}, exact=True)


@lab.command("snapshot")
@click.argument("checkpoint")
@store_option
@agreement_argument
@period_option
@click.option("--parent", help="Checkpoint it was started from, where neither its own note nor an earlier snapshot says so.")
@click.option("--root", is_flag=True, help="It was started from nothing.")
@click.option("--branch", type=click.Choice(["yes", "no"]), help="As in a checkpoint file.")
@click.option("--undo", is_flag=True, help="Take the snapshot of that period back: the work is unfinished again.")
@click.option("--genesis", metavar="COMMITMENT:ROUND", help="What seeded its initial weights (standstill genesis): started from nothing.")
def lab_snapshot(
    checkpoint: str, store_path: Path, agreement_path: Path, period: int, parent: str | None, root: bool, branch: str | None,
    undo: bool, genesis: str | None,
) -> None:  # fmt: skip
    """Close unfinished work toward CHECKPOINT at the end of a period.

    It begins where the work began: at its last snapshot, or at the parent noted for CHECKPOINT; else give --parent or --root.
    --undo takes it back, until its epoch is published, its period closed, or something goes on from it.
    """
    from claims.agreement.over import check_over
    from claims.claim.records import Genesis
    from claims.lab.amended import check_amended
    from claims.lab.lineage import snapshot, undo_snapshot

    origin = None
    if genesis is not None:
        found = re.fullmatch(r"([0-9a-f]{64}):([0-9]{1,18})", genesis)
        if found is None:
            raise click.UsageError("--genesis is 64 hex digits, a colon, and a drand round")
        origin = Genesis(bytes.fromhex(found[1]), int(found[2]))
    if undo and (parent is not None or root or branch is not None or origin is not None):
        raise click.UsageError("--undo needs no beginning")
    with opened_store(store_path) as store:
        if undo:
            out(f"{undo_snapshot(store, period, checkpoint)} is undone: work toward {checkpoint} is unfinished again")
            return
        terms, starts = load_terms(agreement_path), None if branch is None else branch == "yes"
        learn_amendment(store, terms)
        check_amended(store, terms, period)
        check_over(terms, period)  # until then its checkpoint may still be saved
        closed = snapshot(store, terms, period, checkpoint, parent, root=root, branch=starts, genesis=origin)
        out(f"closed as {closed}, from {' and '.join(store.noted_as(closed).parents) or 'nothing'}")


@lab.command("close")
@store_option
@agreement_argument
@period_option
@store_signing_options
@json_option
def lab_close(store_path: Path, agreement_path: Path, period: int) -> None:
    """Close a period's list of checkpoints, and print its head."""
    from claims.base.canonical import head_to_hex
    from claims.lab.registry import close_period

    terms = load_terms(agreement_path)
    with opened_store(store_path) as store, signing_store(store, terms):
        doing("closing the registry")
        head = head_to_hex(close_period(store, terms, period).head)
        report(head, {"lab": store.lab, "period": period, "head": head})


@lab.command("set-aside")
@store_option
@agreement_argument
@click.option("--of", "other", metavar="DIGEST", help="Digest of a draft that was signed under. [default: what this one amends]")
@click.option("--backup", "target", type=read_path, required=True, help="New file for the store as it was (standstill lab backup).")
def lab_set_aside(store_path: Path, agreement_path: Path, other: str | None, target: Path) -> None:
    """Take out what was signed under an agreement that does not count, from this agreement's first period on, to be signed again.

    This agreement is signed by all. What was imported stays. What others were given of it proves nothing, and contradicts nothing.
    """
    from claims.lab.amended import learn
    from claims.lab.registry import check_enrolled, keep_calendar

    terms, missing = load_agreed(agreement_path)
    if missing:
        raise ClaimsError(f"the agreement is not signed by {', '.join(missing)}", "lay the .sigs beside it")
    digest = _set_aside_digest(terms, other)
    with opened_store(store_path) as store:
        check_enrolled(store, terms)
        keep_calendar(store, terms)
        if any(later == digest for _, later in store.successors(terms.digest)):
            raise ClaimsError(f"{digest.hex()} amends this agreement, and not the other way round", "name the amendment with --agreement")
        period = terms.first_period_of(store.lab)
        with store.transaction():
            with store.open(store_path) as before:
                before.backup(target)
            learn(store, terms, signed=True)
            store.note_amendment(digest, terms.digest, period)
            found = store.set_aside(digest, period, terms.period_epochs(period)[0])
        out(f"{target}: the store as it was")
        for name, first, last in found.seals:
            out(f"set aside: {name}, epochs {first} to {last}")
        for name, epoch in found.losses:
            out(f"set aside: {name} is lost, or back, from epoch {epoch} on; say so again before you publish that epoch")
        if found.reopened:
            out(f"open again: the registry of period {', '.join(map(str, found.reopened))}")
        out("Sign it again under this agreement (epoch seal or meter close, epoch publish, lab close, prove): what is late counts as late.")


def _set_aside_digest(terms: Agreement, other: str | None) -> bytes:
    if other is None and terms.amends is None:
        raise click.UsageError("this agreement amends none: --of names the digest under which was signed")
    if other is not None and re.fullmatch("[0-9a-f]{64}", other) is None:
        raise click.UsageError("--of is 64 hex digits")
    digest = bytes.fromhex(other) if other is not None else terms.amends.digest if terms.amends is not None else b""
    if digest == terms.digest:
        raise click.UsageError("--of is this agreement's own digest")
    return digest


@lab.command("not-in-force")
@click.argument("digest")
@store_option
def lab_not_in_force(digest: str, store_path: Path) -> None:
    """Say that the amendment with this DIGEST, which the lab signed, did not come into force: the agreement before it goes on."""
    if re.fullmatch("[0-9a-f]{64}", digest) is None:
        raise click.UsageError("DIGEST is 64 hex digits")
    with opened_store(store_path) as store:
        store.void_amendment(bytes.fromhex(digest))
    out(f"{digest} counts as not in force; where it is used with all signatures it counts again")
