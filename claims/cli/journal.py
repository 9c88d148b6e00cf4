"""Commands for after a disaster: journals made again, stores backed up and restored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import ClaimsError
from claims.cli.group import (
    agreement_argument,
    cli,
    json_option,
    load_terms,
    opened_store,
    out,
    read_path,
    report,
    store_option,
)
from claims.cli.lab import lab
from claims.cli.state import compared_log, state_folder, state_option

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.claim.published import PublishedEntries
    from claims.lab.store import Store

__all__ = ["journal", "lab_backup", "lab_restore"]


@cli.group()
def journal() -> None:
    """What each key has signed, so that none signs a second, different statement (claims/FORMATS-store.md section S5)."""


@journal.command("rebuild")
@agreement_argument
@click.option("--store", "-s", "store_path", type=read_path, help="A lab's store: for the lab's key and its meters'.")
@click.option("--party", help="A party without a store: for its key, of its entries in the log.")
@click.option("--log", "log_source", help="The agreement's log, a folder or URL.")
@click.option("--keyring", "ring", is_flag=True, help="The meters' keys are made of a keyring: one journal for all of them.")
@click.option("--without-log", is_flag=True, help="Believe the store: nothing then tells whether it is older than what was signed.")
@state_option
@json_option
def journal_rebuild(
    agreement_path: Path, store_path: Path | None, party: str | None, log_source: str | None, ring: bool, without_log: bool
) -> None:
    """Make missing or damaged journals again, of a store that holds all that the log has, or of the log.

    What was signed, is not in the store and was never published is not known afterwards: use the newest store there is.
    """
    terms = load_terms(agreement_path)
    if (store_path is None) == (party is None):
        raise click.UsageError("give --store, for a lab and its meters, or --party")
    if log_source is None and (party is not None or (terms.log is not None and not without_log)):
        raise click.UsageError("give --log" if party is not None else "give --log; if there is none to be had: --without-log")
    published = None if log_source is None else compared_log(terms, log_source)
    made: list[tuple[str, str]] = []
    if store_path is not None:
        with opened_store(store_path) as store:
            made = _rebuild(store, terms, published, ring=ring)
    elif party is not None and published is not None:
        made = _rebuild_party(party, terms, published)
    lines = [f"{who}: journal {how}" for who, how in made]
    lines += [] if published is not None else ["NOT CHECKED: that no newer store has signed more"]
    report(lines, {"journals": [{"of": who, "how": how} for who, how in made], "compared_with_log": published is not None})


def _rebuild(store: Store, terms: Agreement, published: PublishedEntries | None, *, ring: bool) -> list[tuple[str, str]]:
    """Whose journals were made, and how."""
    from claims.lab.journal import ring_of
    from claims.lab.signing import compare_log, signer, signing, signing_all

    if published is not None:
        compare_log(store, terms, published)
    made, meters = [], [meter.name for meter in terms.lab(store.lab).meters if store.site in (None, meter.site)]
    for meter in (*([None] if store.site is None else []), *(() if ring else meters)):
        public, who = signer(store, terms, meter)
        how = _prepare(public, who)
        with signing(store, terms, meter, state_folder(), anew=True):
            pass
        made.append((who, how))
    if ring:
        who = f"the keyring of lab {store.lab}"
        how = _prepare(ring_of(store.lab), who)
        with signing_all(store, terms, meters, state_folder(), ring=True, anew=True):
            pass
        made.append((who, how))
    return made


def _rebuild_party(party: str, terms: Agreement, published: PublishedEntries) -> list[tuple[str, str]]:
    from claims.lab.journal import of_entry
    from claims.lab.signing import signing_alone

    public, who = terms.party(party).key, f"party {party}"
    how = _prepare(public, who)
    with signing_alone(public, who, state_folder()) as book:
        entries = published.by(party)
        for entry in entries:
            book.add(of_entry(entry))
    return [(who, f"{how}; the log has {len(entries)} entries of it")]


def _prepare(public: bytes, who: str) -> str:
    """Put a damaged journal aside; says what becomes of it."""
    from claims.lab.journal import Journal, JournalMissing
    from claims.lab.signing import signing_alone

    path = Journal.place(state_folder(), public)
    if not path.exists():
        return "made"
    try:
        with signing_alone(public, who, state_folder()):
            return "is there, and agrees"
    except JournalMissing:
        os.replace(path, path.with_suffix(".damaged"))
        return f"made again; the damaged one is {path.with_suffix('.damaged')}"


@lab.command("backup")
@click.argument("target", metavar="FILE", type=read_path)
@store_option
def lab_backup(target: Path, store_path: Path) -> None:
    """Copy the store to a new FILE, also while commands use it. It is as secret as the store, and holds no key and no journal."""
    with opened_store(store_path) as store:
        store.backup(target)
        out(f"{target}: {_extent(store)}")
    out("Make one after every signing: what is signed later and lost cannot be proven, and no other may be signed in its place.")


@lab.command("forget-imports")
@store_option
@click.option("--backup", "target", type=read_path, required=True, help="New file for the store as it was (standstill lab backup).")
def lab_forget_imports(store_path: Path, target: Path) -> None:
    """Take back everything imported, as under a draft with another start. The opening head stays. Refused once anything is signed."""
    with opened_store(store_path) as store, store.transaction():
        store.forget_imports()
        with store.open(store_path) as before:
            before.backup(target)
        out(f"{target}: the store as it was; {store_path}: {_extent(store)}")


@lab.command("restore")
@click.argument("backup", metavar="FILE", type=read_path)
@store_option
@click.option("--replace", is_flag=True, help="A store that is there becomes STORE.before-restore.")
def lab_restore(backup: Path, store_path: Path, replace: bool) -> None:
    """Make the store of a backup FILE. Signing then compares it with the journals, and with the log where --log is given."""
    from claims.lab.store import Store

    try:
        with Store.open(store_path) as store:
            before = _extent(store)
    except ClaimsError:
        before = "nothing that can be read"
    aside = Store.restore(backup, store_path, replace=replace)
    with opened_store(store_path) as store:
        out(f"{store_path}: {_extent(store)}")
    if aside is not None:
        out(f"{aside} is what was there: {before}. What it has and the backup has not is to be imported again, before anything is signed.")
    out("On a machine without journals: standstill journal rebuild. A store that is older than what was signed is refused there.")


def _extent(store: Store) -> str:
    return ", ".join(store.extent())
