"""``standstill meter lost``: a meter, or a site, that can seal no more."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from claims.base.errors import ClaimsError
from claims.cli.group import (
    agreement_argument,
    key_options,
    load_key,
    load_terms,
    opened_store,
    out,
    read_path,
    store_option,
)
from claims.cli.meter import meter
from claims.cli.state import signing_store, store_signing_options

__all__ = ["meter_lost"]


@meter.command("lost")
@click.argument("name")
@click.option("--site", is_flag=True, help="NAME is a site: all of its meters are lost.")
@store_option
@agreement_argument
@key_options
@store_signing_options
@click.option("--from-epoch", "epoch", type=click.IntRange(0, 2**24 - 1), required=True, help="The first epoch that is lost.")
@click.option("--yes", is_flag=True, help="Do not ask. Without a terminal to ask on, nothing is signed unless this is given.")
@click.option("--out", "-o", "target", type=read_path, help="The entry for the log. [default: LAB-lost-NAME-EPOCH.entry]")
def meter_lost(
    name: str, site: bool, store_path: Path, agreement_path: Path, key_path: Path, passphrase_file: Path | None, epoch: int, yes: bool,
    target: Path | None,
) -> None:  # fmt: skip
    """Say for good that meter NAME is lost: burnt, stolen, its store or key gone. Signed with the lab's key.

    The first epoch that it has not sealed, or that is not published, is the first lost one: publish the entry in the log before that
    epoch's. From then on the lab publishes epochs and makes claims without it. Each claim charges every chip-second of its period at
    peak, as unattributed work, and lists it as lost. It stays lost until an inspector's entry says that it is back, or an
    amendment gives it a new key.
    """
    from claims.base.files import write_once
    from claims.lab.losing import lose

    terms = load_terms(agreement_path)
    key = load_key(key_path, passphrase_file)
    with opened_store(store_path) as store:
        what = f"{'site' if site else 'meter'} {name}"
        target = target or Path(f"{store.lab}-lost-{name}-{epoch}.entry")
        out(f"{what} of lab {store.lab} would be lost from epoch {epoch} on. That cannot be taken back by the lab.")
        out("Its claims charge all of its chip-seconds at peak, as unattributed work, and everybody sees that it is lost.")
        if not yes:
            if not sys.stdin.isatty():
                raise ClaimsError("nothing was signed: there is no terminal to ask on", "give --yes if it is lost")
            click.confirm("Sign?", abort=True)
        with signing_store(store, terms):
            entry = lose(store, terms, name, key, epoch, site=site)
    write_once(target, entry)
    out(f"{target}: publish it before the entry of epoch {epoch}: standstill log append LOG {target}" if terms.log else f"{target}")
