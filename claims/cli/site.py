"""Command line for the public page: ``standstill site``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from claims.base.text import replace_hidden
from claims.cli.group import cli, out, read_path
from claims.cli.screen import doing, resting

__all__ = ["site"]

MANY = 3
"""Files of one folder that are left out, each on its own line."""


@cli.command()
@click.argument("folder", type=read_path)
@click.option("--out", "target", type=read_path, help="Where the page goes: a new folder, or that of an earlier page.")
@click.option("--now", help="Compute the state for this time (RFC 3339 UTC) instead of the present.")
@click.option(
    "--serve",
    "port",
    type=click.IntRange(0, 65535),
    help="Serve the page on this machine, at this port, until interrupted.",
)
def site(folder: Path, target: Path | None, now: str | None, port: int | None) -> None:
    """Make the public page of the publication FOLDER, or (--serve without --out) show a page that is already in FOLDER.

    The page is static: any web server can host it, and every visitor's browser checks the claims itself.
    """
    if target is None and port is None:
        raise click.UsageError("give --out DIR, or --serve PORT for a page that is already made")
    if target is not None:
        _generate(folder, target, now, shown=port is not None)
    if port is not None:
        _serve(target or folder, port)


def _generate(folder: Path, target: Path, now: str | None, *, shown: bool) -> None:
    from claims.base.units import time_from_text
    from claims.site.generate import generate

    doing("making the page")
    report = generate(folder, target, now=int(time.time()) if now is None else time_from_text(now))
    for line in _left_out(report.left_out):
        out(f"left out: {line}", err=True)
    words = {"yes": "holds", "no": "does not hold", "undecided": "not decided yet"}[report.state.holds]
    out(f"{target}: {report.files} files, {report.bytes} bytes; the standstill: {words}")
    if not shown:
        out(f"to look at it: standstill site {target} --serve 8000")


def _left_out(found: tuple[tuple[str, str], ...]) -> list[str]:
    """A line for each file; one for all that a folder holds for the same reason, where they are many."""
    groups: dict[tuple[str, str], list[str]] = {}
    for path, reason in found:
        groups.setdefault((path.partition("/")[0], reason), []).append(path)
    lines: list[str] = []
    for (top, reason), paths in groups.items():
        if len(paths) > MANY:
            lines.append(f"{top}/, {len(paths)} files: {reason}")
        else:
            lines += [f"{path}: {reason}" for path in paths]
    return [replace_hidden(line, "\ufffd") for line in lines]


def _serve(folder: Path, port: int) -> None:
    from claims.site.serve import make_server

    with make_server(folder, port) as server:
        out(f"http://127.0.0.1:{server.server_address[1]}/  (interrupt to stop)")
        try:
            with resting():
                server.serve_forever()
        except KeyboardInterrupt:
            out("stopped")
