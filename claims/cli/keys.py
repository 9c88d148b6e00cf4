"""The command that makes keys."""

from __future__ import annotations

from pathlib import Path

import click

from claims.cli.group import PASSPHRASE_VARIABLE, ask_passphrase, cli, out, read_path

_MAKE_NEW = "Do not encrypt the key; its file's permissions alone guard it."


@cli.command()
@click.argument("path", type=read_path)
@click.option("--passphrase-file", type=read_path, help=f"First line: the passphrase. Else ${PASSPHRASE_VARIABLE}, else asked.")
@click.option("--no-passphrase", is_flag=True, help=_MAKE_NEW)
def keygen(path: Path, passphrase_file: Path | None, no_passphrase: bool) -> None:
    """Make an Ed25519 key in a new file PATH and print its public half."""
    from claims.base.keys import generate_key_file, public_text

    if no_passphrase and passphrase_file is not None:
        raise click.UsageError("--passphrase-file and --no-passphrase exclude each other")
    secret = None if no_passphrase else ask_passphrase(passphrase_file, confirm=True)
    out(public_text(generate_key_file(path, secret)))
