"""Options of commands for which several meters sign: which meters, and where their keys are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims.base.errors import ClaimsError
from claims.cli.group import ask_passphrase, passphrase_option, read_path

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.lab.meter import SoftwareMeter
    from claims.lab.store import Store

__all__ = ["MeterKeys", "meters_options"]


@dataclass(frozen=True)
class MeterKeys:
    """What was asked for: ``names``, or all meters of the lab; one of three places for the keys."""

    names: tuple[str, ...]
    every: bool
    key: Path | None
    folder: Path | None
    ring: Path | None
    passphrase_file: Path | None

    def check(self) -> None:
        """Raises click.UsageError."""
        if self.every == bool(self.names) or len(set(self.names)) < len(self.names):
            raise click.UsageError("name meters, each once, or give --all")
        if [self.key, self.folder, self.ring].count(None) != 2:
            raise click.UsageError("give --key for one meter, --keys for the folder of all, or --keyring")

    def journals(self, names: list[str]) -> int:
        """How many journals these meters have together."""
        return len(names) if self.ring is None else 1

    def chosen(self, store: Store, terms: Agreement, last: int) -> list[str]:
        """Names of the meters, without those that are lost in the epoch ``last``.

        Raises:
            ClaimRejected: the agreement gives the store's lab no such meter. ClaimsError: one that was named is lost.
        """
        from claims.lab.losses import lost_from

        lab = terms.lab(store.lab)
        chosen = lab.meters if self.every else [lab.meter(name) for name in self.names]
        lost = {meter.name for meter in chosen if lost_from(store, meter, last) is not None} if store.any_lost() else set()
        if lost and not self.every:
            raise ClaimsError(f"{', '.join(sorted(lost))} is lost", "what is lost signs nothing")
        return [meter.name for meter in chosen if meter.name not in lost]

    def load(self, store: Store, terms: Agreement, names: list[str]) -> list[SoftwareMeter]:
        """The meters with their keys; every key is the one agreed. Asks for one passphrase at most."""
        from claims.base.keys import load_key_file, meter_key
        from claims.lab.meter import SoftwareMeter, enrolled

        passphrase = functools.cache(lambda: ask_passphrase(self.passphrase_file))
        if self.key is not None and len(names) > 1:
            raise click.UsageError(f"--key is the key of one meter, and {', '.join(names)} are to sign: give --keys or --keyring")
        if self.ring is not None:
            ring = load_key_file(self.ring, passphrase)
            meters = [SoftwareMeter(name, meter_key(ring, store.lab, name)) for name in names]
        else:
            paths = [self.key if self.folder is None else self.folder / f"{name}.key" for name in names]
            meters = [SoftwareMeter(name, load_key_file(path, passphrase)) for name, path in zip(names, paths, strict=True) if path]
        enrolled(store, terms, meters)
        return meters


def meters_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, which the command gets as ``meters``, a checked :class:`MeterKeys`."""

    @functools.wraps(command)
    def gather(
        *, names: tuple[str, ...], every: bool, key_path: Path | None, key_folder: Path | None, keyring: Path | None,
        passphrase_file: Path | None, **rest: Any,
    ) -> Any:  # fmt: skip
        meters = MeterKeys(names, every, key_path, key_folder, keyring, passphrase_file)
        meters.check()
        return command(meters=meters, **rest)

    options = (
        click.argument("names", metavar="[NAME]...", nargs=-1),
        click.option("--all", "every", is_flag=True, help="Every meter of the lab that has not signed yet."),
        click.option("--key", "-k", "key_path", type=read_path, help="Private key file (PEM, mode 0600) of one meter."),
        click.option("--keys", "key_folder", type=read_path, help="Folder with NAME.key of each meter, under one passphrase."),
        click.option("--keyring", type=read_path, help="One key file of which all meters' keys are made (meter init --keyring)."),
        passphrase_option,
    )
    for option in reversed(options):
        gather = option(gather)
    return gather
