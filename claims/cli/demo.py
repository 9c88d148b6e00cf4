"""The command that plays the demonstration."""

from __future__ import annotations

from pathlib import Path

import click

from claims.cli.group import cli, read_path


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
