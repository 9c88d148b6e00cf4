"""The command that proves a closed period."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from claims.base.errors import ClaimsError
from claims.cli.group import (
    agreement_argument,
    cli,
    key_options,
    load_key,
    load_terms,
    opened_store,
    out,
    period_option,
    read_path,
    store_option,
)
from claims.cli.state import signing_store, state_folder, store_signing_options


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """A progress line on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description:<14}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True,
        disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("preparing", total=1.0)
        yield lambda phase, share: bar.update(task, description=re.sub(r"[\[\]]", "", phase), completed=share)


@cli.command()
@store_option
@agreement_argument
@period_option
@key_options
@store_signing_options
@click.option("--out", "-o", "target", type=read_path, help="Claim file. [default: LAB-PERIOD.claim]")
def prove(
    store_path: Path, agreement_path: Path, period: int, key_path: Path, passphrase_file: Path | None, target: Path | None
) -> None:
    """Prove a closed period and write the signed claim. Nothing is written unless it verifies.

    Beside it: its roots file and its entry for the public log. A lab has one claim of a period: run again, after any interruption, this
    writes the same files.
    """
    from claims.base.files import CLAIM_LIMIT, read_bounded, write_once
    from claims.lab.prove import finish_claim
    from claims.lab.signing import releasing
    from claims.lab.witness import WitnessRefused

    terms = load_terms(agreement_path)
    key = load_key(key_path, passphrase_file)
    with opened_store(store_path) as store, _progress() as progress:
        target = target or Path(f"{store.lab}-{period}.claim")
        roots, entry = target.with_suffix(".roots"), target.with_suffix(".entry")
        if len({target, roots, entry}) < 3:
            raise click.UsageError("--out names the claim: .roots and .entry are for the files beside it")
        found = read_bounded(target, CLAIM_LIMIT) if os.path.lexists(target) else None
        if found is None and store.kept_claim(period) is None:
            for path in (roots, entry):  # else hours of proving would end in a file that is in the way
                if os.path.lexists(path):
                    raise ClaimsError(f"{path}: exists already, and its claim does not", "put that claim beside it, or move it away")
        try:
            made = finish_claim(store, terms, period, key, lambda: signing_store(store, terms), found=found, progress=progress)
        except WitnessRefused as error:
            for problem in error.problems:
                out(f"PRIVATE: {problem}", err=True)
            raise
        releasing(store, terms, state_folder())
    for path, content in ((entry, made.entry), (roots, made.roots), (target, made.claim)):  # no claim without its entry
        write_once(path, content)
    out(f"{target}: {len(made.claim)} bytes, verified")
    if terms.log is not None:
        out(f"publish it: standstill log append LOG {entry}")
