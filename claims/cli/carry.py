"""What travels between the stores of one lab: written, and read, sealed where a key is given."""

from __future__ import annotations

from pathlib import Path

import click

from claims.base.errors import ClaimsError, MalformedFile
from claims.cli.group import read_path

__all__ = ["carried", "carry_option", "sealed"]

carry_option = click.option(
    "--carry-key", "carry_key", type=read_path, help="Key file that both ends have (building key): the file is sealed under it."
)


def sealed(data: bytes, key_path: Path | None) -> bytes:
    """What to write: the data, sealed where there is a key."""
    from claims.base.carry import load_carry_key, seal

    return data if key_path is None else seal(load_carry_key(key_path), data)


def carried(path: Path, limit: int, key_path: Path | None, public: bytes | None = None) -> bytes:
    """The bytes of a file of at most ``limit`` bytes, opened where it is sealed.

    Args:
        public: how files begin that are never sealed.

    Raises:
        ClaimsError: it is sealed, and no key is given; or the other way round: whoever is in between could have put another in its place.
    """
    from claims.base.carry import OVERHEAD, is_sealed, load_carry_key, unseal
    from claims.base.files import read_bounded

    data = read_bounded(path, limit + OVERHEAD)
    if not is_sealed(data):
        if key_path is not None and (public is None or not data.startswith(public)):
            raise ClaimsError(f"{path} is not sealed", "have it sealed at the other end (--carry-key), or give no key here")
        return data
    if key_path is None:
        raise ClaimsError(f"{path} is sealed", "give the key that it was sealed under: --carry-key")
    try:
        return unseal(load_carry_key(key_path), data)
    except MalformedFile as error:
        raise MalformedFile(f"{path}: {error.what}", hint=error.hint) from None
