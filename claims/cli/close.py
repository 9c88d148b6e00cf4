"""``standstill meter close``: shows what would be signed, asks, signs."""

from __future__ import annotations

import contextlib
import functools
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import ClaimsError
from claims.cli.group import (
    agreement_argument,
    ask_passphrase,
    clock_option,
    json_option,
    load_agreed,
    opened_store,
    passphrase_option,
    period_option,
    read_path,
    report,
    store_option,
    tell,
)
from claims.cli.meter import meter
from claims.cli.state import signing_store, state_folder, store_signing_options

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.lab.closing import Closing
    from claims.lab.meter import SoftwareMeter
    from claims.lab.store import Store

__all__ = ["meter_close", "room_for_journals"]

FILES_PER_JOURNAL = 3
"""SQLite's database and its rollback journal, and one to spare."""
OTHER_FILES = 64


@meter.command("close")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every meter of the lab that has not signed the period yet.")
@store_option
@agreement_argument
@period_option
@click.option("--key", "-k", "key_path", type=read_path, help="The meter's private key file (PEM, mode 0600), where it is one meter.")
@click.option("--keys", "key_folder", type=read_path, help="Folder with NAME.key of each meter, under one passphrase.")
@passphrase_option
@store_signing_options
@click.option("--idle", is_flag=True, help="The meters named had no work at all in the period.")
@click.option("--over-caps", is_flag=True, help="Sign although a cap is exceeded: no claim of the period can be made.")
@click.option("--yes", is_flag=True, help="Do not ask. Without a terminal to ask on, nothing is signed unless this is given.")
@clock_option
@json_option
def meter_close(
    names: tuple[str, ...], every: bool, store_path: Path, agreement_path: Path, period: int, key_path: Path | None,
    key_folder: Path | None, passphrase_file: Path | None, idle: bool, over_caps: bool, yes: bool, clock_is_right: bool,
) -> None:  # fmt: skip
    """Cover each meter's period with readings, seal them, and sign the ledger head. Once per period, and for good.

    Shows what would be signed, and asks. All the meters named sign, or none.
    """
    from claims.base.canonical import head_to_hex
    from claims.lab.amended import learn
    from claims.lab.closing import closing_of

    if every == bool(names) or len(set(names)) < len(names):
        raise click.UsageError("name meters, each once, or give --all")
    if (key_path is None) == (key_folder is None):
        raise click.UsageError("give --key for one meter, or --keys for the folder of all")
    if every and idle:
        raise click.UsageError("--idle is about meters that are named: --all would hide a forgotten import")
    terms, unsigned = load_agreed(agreement_path)
    with opened_store(store_path) as store:
        learn(store, terms, state_folder(), signed=not unsigned)
        agreed = [item.name for item in terms.lab(store.lab).meters]
        chosen = agreed if every else list(names)
        due = [name for name in chosen if not _signed(store, terms, name, period)]
        if due:
            meters = _meters(store, terms, due, key_path, key_folder, passphrase_file)
            _check(store, terms, period, due, idle=idle, over_caps=over_caps, clock_is_right=clock_is_right)
            room_for_journals(len(due))
            shown = _ask(store, terms, period, due, unsigned, yes=yes)
            with contextlib.ExitStack() as journals:
                for name in due:
                    journals.enter_context(signing_store(store, terms, name))
                with store.transaction():
                    if [closing_of(store, terms, name, period) for name in due] != shown:
                        raise ClaimsError("what is to be signed has changed since it was shown: nothing was signed", "look at it again")
                    for item in meters:
                        item.seal(store, terms, period)
        heads = {name: head_to_hex(signed.head) for name in chosen if (signed := store.signed_head(period, name)) is not None}
        lines = [f"{name} {head}" + ("" if name in due else "  (signed before)") for name, head in heads.items()]
        report(lines, {"lab": store.lab, "period": period, "heads": heads, "signed_before": [name for name in heads if name not in due]})


def _signed(store: Store, terms: Agreement, name: str, period: int) -> bool:
    """Whether the meter has signed the period under this agreement; one that it does not have is refused."""
    terms.lab(store.lab).meter(name)
    known = store.signed_head(period, name)
    return known is not None and known.agreement_digest == terms.digest


def _meters(
    store: Store, terms: Agreement, names: list[str], key_path: Path | None, folder: Path | None, passphrase_file: Path | None
) -> list[SoftwareMeter]:
    """The meters with their keys; every key is the one agreed."""
    from claims.base.keys import load_key_file
    from claims.lab.meter import SoftwareMeter

    if key_path is not None and len(names) > 1:
        raise click.UsageError(f"--key is the key of one meter, and {', '.join(names)} are to sign: give --keys")
    passphrase = functools.cache(lambda: ask_passphrase(passphrase_file))
    paths = [key_path] if key_path is not None else [folder / f"{name}.key" for name in names if folder is not None]
    meters = [SoftwareMeter(name, load_key_file(path, passphrase)) for name, path in zip(names, paths, strict=True)]
    for item in meters:
        item.enrolled(store, terms)
    return meters


def _check(store: Store, terms: Agreement, period: int, names: list[str], *, idle: bool, over_caps: bool, clock_is_right: bool) -> None:
    """Refuse what is too early, out of order, without work, over a cap, or under a clock that jumped."""
    from claims.lab.closing import check_evidence, check_turn, closing_of
    from claims.lab.running import OverCaps, check_table, running

    check_table(store, terms, [period])
    for name in names:
        check_turn(store, terms, name, period)
    without = [name for name in names if not closing_of(store, terms, name, period).busy]
    if without and not idle:
        raise ClaimsError(
            f"nothing was imported or collected of {', '.join(without)} in period {period}",
            "import what is missing; if no chip worked, close these meters by name with --idle",
        )
    problems = () if over_caps else running(store, terms, period).problems
    if problems:
        raise OverCaps(
            f"no claim of period {period} could be made: {problems[0]}",
            "look for a mistake with standstill lab status: what is signed cannot be mended; to sign it nevertheless: --over-caps",
        )
    if not clock_is_right:
        for name in names:
            check_evidence(store, terms, name, terms.period_epochs(period)[1])


def room_for_journals(count: int) -> None:
    """Let this process open as many files as the journals of all meters need, which are locked together: all sign, or none.

    Raises:
        ClaimsError: the system allows fewer.
    """
    needed = FILES_PER_JOURNAL * count + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        what = f"{count} meters at once need {needed} open files, and this system allows {hard}: nothing was signed"
        raise ClaimsError(what, "raise the limit (ulimit -n), or close the meters by name in several commands")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _ask(store: Store, terms: Agreement, period: int, names: list[str], unsigned: list[str], *, yes: bool) -> list[Closing]:
    """Show what would be signed, which is returned; on a terminal, ask."""
    from claims.lab.closing import closing_lines, closing_of, not_amended

    tell(f"PRIVATE: to be signed of lab {store.lab}, period {period}, under agreement {terms.name}, {terms.digest.hex()}")
    if unsigned:
        tell(f"  NOT SIGNED by {', '.join(unsigned)}, by the file beside the agreement: nothing of this counts under another one")
    for doubt in filter(None, (not_amended(store, terms, name) for name in names)):
        tell(f"  {doubt}")
    closings = [closing_of(store, terms, name, period) for name in names]
    for closing in closings:
        tell("\n".join(f"  {line}" for line in closing_lines(closing, terms)))
    if yes:
        return closings
    if not sys.stdin.isatty():
        raise ClaimsError("nothing was signed: there is no terminal to ask on", "look at the figures, then give --yes")
    click.confirm("Sign? Nothing can be added to the period afterwards", abort=True)
    return closings
