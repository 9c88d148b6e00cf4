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
@click.option("--ed25519", is_flag=True, help="Ed25519 alone: a quantum computer breaks it. [default: Ed25519 and ML-DSA-44]")
def keygen(path: Path, passphrase_file: Path | None, no_passphrase: bool, ed25519: bool) -> None:
    """Make a key in a new file PATH and print its public half, for a party, the log or a cosigner.

    It signs twice, with Ed25519 and ML-DSA-44, and both signatures are demanded of it.
    """
    from claims.base.keys import generate_key_file, public_text

    if no_passphrase and passphrase_file is not None:
        raise click.UsageError("--passphrase-file and --no-passphrase exclude each other")
    secret = None if no_passphrase else ask_passphrase(passphrase_file, confirm=True)
    out(public_text(generate_key_file(path, secret, hybrid=not ed25519)))
