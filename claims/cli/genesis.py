"""Commands for the beginnings of training runs: commit, then take the seed from a later drand round."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import ClaimRejected
from claims.cli.group import cli, out, read_path

if TYPE_CHECKING:
    from claims.inspection.beacon import VerifiedRound
    from claims.inspection.genesis import GenesisFile

__all__ = ["genesis", "load_genesis", "load_verified"]

genesis_argument = click.argument("path", metavar="GENESIS", type=read_path)
round_option = click.option("--round", "round_source", required=True, help="The round's JSON: a file or an https address.")


def load_genesis(path: Path) -> GenesisFile:
    """Read a genesis file, bounded."""
    from claims.base.files import read_bounded
    from claims.inspection.genesis import GENESIS_LIMIT, GenesisFile

    return GenesisFile.decode(read_bounded(path, GENESIS_LIMIT))


def load_verified(source: str) -> VerifiedRound:
    """Read a round from a file or an https address, and verify its signature."""
    from claims.inspection.beacon import verify_round
    from claims.inspection.draw import load_round

    return verify_round(load_round(source))


@cli.group()
def genesis() -> None:
    """Seed a new run's first weights from a later drand round, to show that they did not exist before it."""


@genesis.command("commit")
@click.argument("config_path", metavar="CONFIG", type=read_path)
@click.option("--out", "-o", "target", type=read_path, required=True, help="New private file (0600); show it to inspectors only.")
def genesis_commit(config_path: Path, target: Path) -> None:
    """Commit to the run's configuration, the text file CONFIG, under a fresh secret nonce. Do it before the round is due."""
    import secrets

    from claims.base.files import read_bounded, write_new
    from claims.inspection.genesis import CONFIG_LIMIT, GenesisFile

    made = GenesisFile(secrets.token_bytes(32), read_bounded(config_path, CONFIG_LIMIT))
    write_new(target, made.encode(), 0o600)
    out(f"commitment {made.commitment.hex()}")
    out(f"{target}: keep it private. Fix a later round now; then: standstill genesis seed {target} --round ROUND")


@genesis.command("seed")
@genesis_argument
@round_option
def genesis_seed_command(path: Path, round_source: str) -> None:
    """Print the seed of the first weights, and what the registry records with the run's first checkpoint."""
    from claims.inspection.genesis import genesis_seed

    made, verified = load_genesis(path), load_verified(round_source)
    out(f"seed    {genesis_seed(made.commitment, verified).hex()}")
    out(f"record  {made.commitment.hex()}:{verified.number}")
    out("Give the record with the run's first checkpoint: columns genesis and genesis_round of the checkpoints file,")
    out("or standstill lab snapshot --genesis.")


@genesis.command("check")
@genesis_argument
@round_option
@click.option("--record", required=True, help="What the opened slot says: commitment and round, 64 hex digits, a colon, a number.")
def genesis_check(path: Path, round_source: str, record: str) -> None:
    """Check what a lab shows against a registry record, and print the seed to replay. Exit 1 when it does not fit."""
    from claims.inspection.genesis import genesis_seed

    made, verified = load_genesis(path), load_verified(round_source)
    if record != f"{made.commitment.hex()}:{verified.number}":
        raise ClaimRejected("genesis", "the file and the round are not those of the record")
    out(f"seed    {genesis_seed(made.commitment, verified).hex()}")
    out(f"round   {verified.number}, signature verified; the seed did not exist before it")
