"""The command that makes keys."""

from __future__ import annotations

from pathlib import Path

import click

from claims.base.token_uri import KeyName, TokenUri
from claims.cli.group import PASSPHRASE_VARIABLE, cli, key_type, keys_given, out, read_path

_MAKE_NEW = "Do not encrypt the key; its file's permissions alone guard it."


@cli.command()
@click.argument("key_name", metavar="KEY", type=key_type)
@click.option("--passphrase-file", type=read_path, help=f"First line: the passphrase. Else ${PASSPHRASE_VARIABLE}, else asked.")
@click.option("--no-passphrase", is_flag=True, help=_MAKE_NEW)
@click.option("--ed25519", is_flag=True, help="Ed25519 alone: a quantum computer breaks it. [default: Ed25519 and ML-DSA-44]")
def keygen(key_name: KeyName, passphrase_file: Path | None, no_passphrase: bool, ed25519: bool) -> None:
    """Make KEY and print its public half, for a party, the log or a cosigner. KEY is a new file, or pkcs11:... on a token.

    It signs twice, with Ed25519 and ML-DSA-44, and both signatures are demanded of it. docs/operations.md has the steps for tokens.
    """
    from claims.base.keys import kept, public_bytes, public_text

    if no_passphrase and passphrase_file is not None:
        raise click.UsageError("--passphrase-file and --no-passphrase exclude each other")
    key = keys_given(passphrase_file, new=True, no_passphrase=no_passphrase).make(key_name, hybrid=not ed25519)
    out(public_text(public_bytes(key)), exact=True)
    if isinstance(key_name, TokenUri):
        out("\n".join(kept(key, key_name)), err=True)
