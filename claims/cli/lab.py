"""Commands of labs and meters: store, imports, sealing, closing, proving. Registered on ``claims.cli.main.cli``."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import BadSignature, ClaimsError
from claims.cli.main import (
    _load_agreement,
    _load_signatures,
    _passphrase,
    agreement_argument,
    cli,
    key_options,
    load_key,
    out,
    read_path,
    signatures_path,
)
from claims.cli.state import signing_store, state_folder, store_signing_options

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.lab.store import Store

__all__ = ["lab"]

store_option = click.option("--store", "-s", "store_path", type=read_path, required=True, help="The lab's private store.")
period_option = click.option("--period", "-n", type=click.IntRange(0, 2**24 - 1), required=True, help="Period index, from 0.")
clock_option = click.option(
    "--clock-is-right", is_flag=True, help="Go on although the clock is far ahead of everything that is known."
)


def load_agreed(path: Path) -> tuple[Agreement, list[str]]:
    """The agreement under which a meter signs, and who has not signed it; refused where the signatures beside it are of another."""
    terms = _load_agreement(path)
    try:
        known = _load_signatures(path, None)
        return terms, sorted(party.name for party in terms.parties) if known is None else known.missing(terms)
    except BadSignature as error:
        what = f"{path.name} is not what {signatures_path(path).name} is about: {error.what}"
        raise ClaimsError(what, "what a meter signs is for good: use the file that was signed, or have all sign this one") from None


@contextlib.contextmanager
def _store(path: Path) -> Iterator[Store]:
    from claims.lab.store import Store

    with Store.open(path) as store:
        yield store


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
    from claims.lab.lineage import snapshot
    from claims.lab.store import Genesis

    origin = None
    if genesis is not None:
        found = re.fullmatch(r"([0-9a-f]{64}):([0-9]{1,18})", genesis)
        if found is None:
            raise click.UsageError("--genesis is 64 hex digits, a colon, and a drand round")
        origin = Genesis(bytes.fromhex(found[1]), int(found[2]))
    with _store(store_path) as store:
        terms, starts = _load_agreement(agreement_path), None if branch is None else branch == "yes"
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

    terms = _load_agreement(agreement_path)
    with _store(store_path) as store, signing_store(store, terms):
        out(head_to_hex(close_period(store, terms, period).head))


@cli.group()
def meter() -> None:
    """Software meters: stand-ins for signed counters in the rack."""


@meter.command("init")
@click.argument("name")
@click.option("--lab", "lab_name", required=True, help="The lab it counts for.")
@click.option("--chip", required=True, help="Chip class of the agreement.")
@click.option("--chips", type=click.IntRange(1, 2**48 - 1), required=True, help="Number of chips.")
@click.option("--key", "-k", "key_path", type=read_path, required=True, help="New private key file.")
@click.option("--passphrase-file", type=read_path, help="First line: the passphrase.")
@click.option("--no-passphrase", is_flag=True, help="Do not encrypt the key.")
def meter_init(
    name: str, lab_name: str, chip: str, chips: int, key_path: Path, passphrase_file: Path | None, no_passphrase: bool
) -> None:
    """Make a meter's key and print its [[meter]] table for the agreement."""
    from claims.base.canonical import NAME_RULE, is_name
    from claims.base.keys import generate_key_file, public_text

    for text in (name, lab_name, chip):
        if not is_name(text):
            raise click.UsageError(f"{text!r} is not a name: {NAME_RULE}")
    if no_passphrase and passphrase_file is not None:
        raise click.UsageError("--passphrase-file and --no-passphrase exclude each other")
    public = generate_key_file(key_path, None if no_passphrase else _passphrase(passphrase_file, confirm=True))
    out(f'[[meter]]\nlab = "{lab_name}"\nname = "{name}"\nchip = "{chip}"\nchips = {chips}\nkey = "{public_text(public)}"')


@cli.group("import")
def import_group() -> None:
    """Read usage and checkpoints into the store. All of a file, or nothing.

    \b
    readings     meter, epoch or start and stop, checkpoint,
                 chips or chip_seconds, work_flop
      meter,start,stop,checkpoint,chips
      hall-a,2026-03-01T00:00:00Z,2026-03-01T06:00:00Z,llm/step1000,64
      hall-a,2026-03-01T06:00:00Z,2026-03-01T07:00:00Z,unattributed,8

    \b
    checkpoints  name, kind, parents, epoch or time, branch, declared_flop,
                 weights
      name,parents,time
      llm/step1000,,2026-03-01T06:00:00Z
      llm/step2000,llm/step1000,2026-03-01T18:00:00Z

    The others read what clusters and trainers write: their --help says how to export it.
    """


@import_group.command("readings")
@click.argument("path", metavar="FILE", type=read_path)
@store_option
@agreement_argument
@click.option("--skip-outside", is_flag=True, help="Leave out rows outside the agreement's periods.")
def import_readings(path: Path, store_path: Path, agreement_path: Path, skip_outside: bool) -> None:
    """Import usage: which meter's chips worked when, toward which checkpoint. All or nothing.

    \b
    meter                   as the agreement names it
    epoch, chip_seconds     of one epoch, or
    start, stop, chips      of a job (chip_seconds instead of chips: of all of it)
    checkpoint              what it worked toward; empty: unattributed
    work_flop               FLOP as metered, where the agreement charges them

    \b
    meter,start,stop,checkpoint,chips
    hall-a,2026-03-01T00:00:00Z,2026-03-01T06:00:00Z,llm/step1000,64
    """
    from claims.imports.usage import import_usage, unknown_text

    with _store(store_path) as store:
        report = import_usage(store, _load_agreement(agreement_path), path, skip_outside=skip_outside)
        unknown = unknown_text(store, report.periods)
    seconds = sum(report.chip_ms.values()) // 1000
    out(f"{report.rows} rows, {seconds} chip-seconds on {len(report.chip_ms)} meters, periods {sorted(report.periods)}")
    out(f"of these unattributed: {report.unattributed_ms // 1000} chip-seconds; rows left out: {report.skipped}")
    for first, again in report.repeats[:10]:
        out(f"line {again} is the row of line {first} again, and is charged again")
    for line in unknown:
        out(line)


@import_group.command("checkpoints")
@click.argument("path", metavar="FILE", type=read_path)
@store_option
@agreement_argument
def import_checkpoint_file(path: Path, store_path: Path, agreement_path: Path) -> None:
    """Import checkpoints: names, kinds, parents, weights digests. All or nothing.

    \b
    name                    private to the lab
    kind                    CHECKPOINT (if empty), MERGE or EXTERNAL
    parents                 up to two names, separated by |
    epoch or time           when it was saved
    branch                  yes or no; empty: found
    declared_flop           of EXTERNAL: the work that made it
    weights                 SHA-256 (`standstill weights digest`), or empty

    \b
    name,parents,time
    llm/step1000,,2026-03-01T06:00:00Z
    llm/step2000,llm/step1000,2026-03-01T18:00:00Z
    """
    from claims.imports.usage import import_checkpoints

    with _store(store_path) as store:
        out(import_checkpoints(store, _load_agreement(agreement_path), path).text())


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

    terms = _load_agreement(agreement_path)
    key = load_key(key_path, passphrase_file)
    with _store(store_path) as store, _progress() as progress:
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


@cli.command()
@click.option("--out", "-o", "target", type=read_path, help="A folder that does not exist yet. [default: a new temporary one]")
@click.option("--act", type=click.Choice(["1", "2", "both"]), default="both", help="1: claims. 2: a month in public. [default: both]")
def demo(target: Path | None, act: str) -> None:
    """A whole standstill on published runs, on this machine: agreement, meters, claims, log, inspections, and every way to cheat."""
    import tempfile

    from rich.console import Console

    from claims.demo.act_one import run_demo, run_month

    folder, console = target or Path(tempfile.mkdtemp(prefix="standstill-demo-")), Console()
    if act != "2":
        run_demo(folder, console)
    if act != "1":
        run_month(folder, console)
