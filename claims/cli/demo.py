"""The command that plays the demonstration."""

from __future__ import annotations

from pathlib import Path

import click

from claims.cli.group import cli, read_path
from claims.cli.screen import resting


@cli.command()
@click.option("--out", "-o", "target", type=read_path, help="A folder that does not exist yet. [default: a new temporary one]")
@click.option("--act", type=click.Choice(["1", "2", "both"]), help="1: claims. 2: a month in public. [default: both]")
@click.option("--fleet", is_flag=True, help="Instead: a month of 1,000 racks, a million readings, proven by a local cluster.")
def demo(target: Path | None, act: str | None, fleet: bool) -> None:
    """A whole standstill on published runs, on this machine: agreement, meters, claims, log, inspections, and every way to cheat.

    With --fleet it takes about two minutes, 10 GB of memory and 1 GB of disk.
    """
    import tempfile

    from rich.console import Console

    from claims.demo.act_fleet import run_fleet
    from claims.demo.act_one import run_demo, run_month

    if fleet and act is not None:
        raise click.UsageError("--fleet has no acts")
    folder, console = target or Path(tempfile.mkdtemp(prefix="standstill-demo-")), Console()
    with resting():  # it shows its own progress
        if fleet:
            run_fleet(folder, console)
            return
        if act != "2":
            run_demo(folder, console)
        if act != "1":
            run_month(folder, console)
