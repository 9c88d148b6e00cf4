"""What travels between the stores of one lab, sealed under a key that both ends have: AES-SIV (RFC 5297) with a key of 64 bytes.

The same bytes under the same key are the same file, so that an interrupted command can be run again. FORMATS-store.md section S6.
"""

from __future__ import annotations

import os
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from claims.base.errors import KeyFileError, MalformedFile
from claims.base.files import write_new
from claims.base.keys import read_private

__all__ = ["OVERHEAD", "is_sealed", "load_carry_key", "make_carry_key", "seal", "unseal"]

_MAGIC = b"standstill-sealed" + b"\0\1"
_KEY_BYTES = 64
OVERHEAD = len(_MAGIC) + 16
"""Bytes that a sealed file is longer."""


def make_carry_key(path: str | os.PathLike[str]) -> None:
    """Write a new key, 128 hex digits in a line, to a new file of mode 0600. Raises UnreadableFile where that cannot be."""
    write_new(path, f"{secrets.token_hex(_KEY_BYTES)}\n".encode(), 0o600)


def load_carry_key(path: str | os.PathLike[str]) -> bytes:
    """The 64 bytes of a key. Raises KeyFileError: others may read the file, or it is none; UnreadableFile."""
    try:
        key = bytes.fromhex(read_private(path).decode("ascii").removesuffix("\n"))
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise KeyFileError(f"{path}: not a key for what travels", "make one with `standstill building key`")
    return key


def is_sealed(data: bytes) -> bool:
    """Whether a file says that it is sealed."""
    return data.startswith(_MAGIC)


def seal(key: bytes, data: bytes) -> bytes:
    """The file's bytes, sealed."""
    return _MAGIC + AESSIV(key).encrypt(data, [_MAGIC])


def unseal(key: bytes, data: bytes) -> bytes:
    """Inverse of :func:`seal`. Raises MalformedFile: sealed under another key, or changed since."""
    try:
        return AESSIV(key).decrypt(data[len(_MAGIC) :], [_MAGIC])
    except (InvalidTag, ValueError):
        raise MalformedFile("sealed under another key, or changed since", hint="both ends need the same key file") from None
