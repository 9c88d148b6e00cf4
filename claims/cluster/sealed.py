"""What travels through a cluster: bytes under a key that scheduler and network do not have.

    id (32 bytes, random) || nonce (12) || ChaCha20-Poly1305 of (u64 length || data || zeros)

The key is HKDF-SHA256 of the run's job key, the direction and the id: what was sealed for one task, or one direction, opens as no other.
The zeros go to the next power of two: a size says less about the number of readings.
"""

from __future__ import annotations

import os
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from claims.base.errors import KeyFileError, MalformedFile
from claims.base.keys import read_private

__all__ = ["ID_BYTES", "JOB", "RESULT", "new_id", "read_job_key", "seal", "unseal"]

ID_BYTES, KEY_BYTES, _NONCE, _LENGTH = 32, 32, 12, 8
JOB, RESULT = b"job", b"result"
"""Directions: to a worker, and back."""
_DOMAIN = b"standstill/cluster/v1/"
_LEAST = 4096


def new_id() -> bytes:
    """A task's id: random, so that nobody who sees it learns what the task is about."""
    return secrets.token_bytes(ID_BYTES)


def seal(key: bytes, direction: bytes, task: bytes, data: bytes) -> bytes:
    """Seal data. ``key``: 32 bytes; ``direction``: JOB or RESULT; ``task``: the task's id."""
    nonce, wanted = secrets.token_bytes(_NONCE), _LENGTH + len(data)
    plain = len(data).to_bytes(_LENGTH, "big") + data
    plain += bytes(max(_LEAST, 1 << (wanted - 1).bit_length()) - wanted)
    return task + nonce + _cipher(key, direction, task).encrypt(nonce, plain, None)


def unseal(key: bytes, direction: bytes, sealed: bytes, task: bytes | None = None) -> tuple[bytes, bytes]:
    """Id and data. ``task``: the id that it must have.

    Raises:
        MalformedFile: it was not sealed under this key, for this direction and id, or was changed.
    """
    found, nonce, box = sealed[:ID_BYTES], sealed[ID_BYTES : ID_BYTES + _NONCE], sealed[ID_BYTES + _NONCE :]
    try:
        if task not in (None, found) or len(nonce) != _NONCE:
            raise InvalidTag
        plain = _cipher(key, direction, found).decrypt(nonce, box, None)
    except InvalidTag:
        raise MalformedFile("sealed bytes do not open: another job key, or they were changed") from None
    size = int.from_bytes(plain[:_LENGTH], "big")
    if size > len(plain) - _LENGTH:
        raise MalformedFile("sealed bytes have a wrong length")
    return found, plain[_LENGTH : _LENGTH + size]


def read_job_key(path: str | os.PathLike[str]) -> bytes:
    """The job key of a run.

    Raises:
        KeyFileError: the file is not 32 bytes, or others may read it. UnreadableFile: there is none.
    """
    data = read_private(path)
    if len(data) != KEY_BYTES:
        raise KeyFileError(f"{path}: {len(data)} bytes, and a job key has {KEY_BYTES}", "standstill cluster init makes one")
    return data


def _cipher(key: bytes, direction: bytes, task: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(HKDF(SHA256(), KEY_BYTES, None, _DOMAIN + direction + b"/" + task).derive(key))
