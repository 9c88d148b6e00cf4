"""Options of commands for which several meters sign: which meters, and where their keys are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims.base.errors import ClaimsError
from claims.base.text import listed
from claims.base.token_uri import KeyName, TokenUri, is_token_uri
from claims.cli.group import key_type, keys_given, passphrase_option, read_path

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.lab.meter import SoftwareMeter
    from claims.lab.store import Store

__all__ = ["MeterKeys", "check_ring", "key_at", "keys_option", "meters_options"]


keys_option = click.option(
    "--keys", "key_place", type=key_type,
    help="Folder with NAME.key of each meter, under one passphrase; or pkcs11:... of a token with a key NAME of each.",
)  # fmt: skip


def key_at(place: KeyName, meter: str) -> KeyName:
    """The key of a meter in a folder, or on a token. Raises click.UsageError: the URI names one key."""
    if not isinstance(place, TokenUri):
        return place / f"{meter}.key"
    if place.names_key:
        raise click.UsageError("--keys is of a token with a key of each meter's name: leave object= and id= out")
    return place.of(meter)


def check_ring(ring: Path | None) -> None:
    """Raises click.UsageError: a keyring that is no file."""
    if ring is not None and is_token_uri(str(ring)):
        raise click.UsageError("a keyring is a file, of which keys are made in memory: for keys that stay on a token, give --keys")


@dataclass(frozen=True)
class MeterKeys:
    """What was asked for: ``names``, or all meters of the lab; one key, a place of several (:func:`key_at`), or a keyring."""

    names: tuple[str, ...]
    every: bool
    key: KeyName | None
    place: KeyName | None
    ring: Path | None
    passphrase_file: Path | None

    def check(self) -> None:
        """Raises click.UsageError."""
        if self.every == bool(self.names) or len(set(self.names)) < len(self.names):
            raise click.UsageError("name meters, each once, or give --all")
        if [self.key, self.place, self.ring].count(None) != 2:
            raise click.UsageError("give --key for one meter, --keys for the folder or token of all, or --keyring")
        check_ring(self.ring)

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
            raise ClaimsError(f"{listed(sorted(lost))} is lost", "what is lost signs nothing")
        return [meter.name for meter in chosen if meter.name not in lost]

    def load(self, store: Store, terms: Agreement, names: list[str]) -> list[SoftwareMeter]:
        """The meters with their keys; every key is the one agreed. Asks for one passphrase at most."""
        from claims.base.keys import meter_key
        from claims.lab.meter import SoftwareMeter, enrolled

        keys = keys_given(self.passphrase_file)
        if self.ring is not None:
            ring = keys.load(self.ring)
            meters = [SoftwareMeter(name, meter_key(ring, store.lab, name)) for name in names]
        elif self.place is not None:
            meters = [SoftwareMeter(name, keys.load(key_at(self.place, name))) for name in names]
        elif len(names) > 1:
            raise click.UsageError(f"--key is the key of one meter, and {listed(names)} are to sign: give --keys or --keyring")
        else:
            meters = [SoftwareMeter(name, keys.load(self.key)) for name in names]
        enrolled(store, terms, meters)
        return meters


def meters_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, which the command gets as ``meters``, a checked :class:`MeterKeys`."""

    @functools.wraps(command)
    def gather(
        *, names: tuple[str, ...], every: bool, key_name: KeyName | None, key_place: KeyName | None, keyring: Path | None,
        passphrase_file: Path | None, **rest: Any,
    ) -> Any:  # fmt: skip
        meters = MeterKeys(names, every, key_name, key_place, keyring, passphrase_file)
        meters.check()
        return command(meters=meters, **rest)

    options = (
        click.argument("names", metavar="[NAME]...", nargs=-1),
        click.option("--all", "every", is_flag=True, help="Every meter of the lab that has not signed yet."),
        click.option("--key", "-k", "key_name", type=key_type, help="Private key of one meter: a file, or pkcs11:... on a token."),
        keys_option,
        click.option("--keyring", type=read_path, help="One key file of which all meters' keys are made (meter init --keyring)."),
        passphrase_option,
    )
    for option in reversed(options):
        gather = option(gather)
    return gather
