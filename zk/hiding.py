"""Masks, blinding and salts: what makes a proof zero-knowledge. PROTOCOL.md section 9.

All randomness is fresh from the operating system. A draw takes a new 256-bit key from it and expands the key with ChaCha20
(RFC 8439), because a proof needs more random bytes than the system generator gives quickly. No key is ever used for
two draws, none is kept, and there is no way to ask for a deterministic stream.

Arrays of field elements are uniform on [0, p); being uniform, they may be read as Montgomery or canonical form alike.
"""

from __future__ import annotations

import secrets

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

from zk.field import P

U32 = NDArray[np.uint32]
_MASK31 = np.uint32(0x7FFFFFFF)
_REJECT_MARGIN = 1.02  # p / 2^31 = 0.9922, so 2 % more words suffice but for a vanishing chance; the loop covers it


def random_bytes(count: int) -> bytes:
    """`count` uniform bytes from a fresh key."""
    encryptor = Cipher(ChaCha20(secrets.token_bytes(32), bytes(16)), mode=None).encryptor()
    return encryptor.update(bytes(count))


def uniform_elements(shape: tuple[int, ...]) -> U32:
    """Independent uniform field elements, uint32 of the given shape, by rejection of words >= p."""
    count = int(np.prod(shape))
    parts: list[U32] = []
    missing = count
    while missing > 0:
        raw = np.frombuffer(random_bytes(4 * int(missing * _REJECT_MARGIN + 16)), dtype=np.uint32) & _MASK31
        accepted = raw[raw < np.uint32(P)][:missing]
        parts.append(accepted)
        missing -= len(accepted)
    return np.concatenate(parts).reshape(shape) if parts else np.empty(shape, dtype=np.uint32)


def leaf_salts(n_leaves: int, salt_bytes: int) -> U32:
    """One fresh salt per leaf: uint32 (salt_bytes / 4, n_leaves), the salt of leaf k being the words of column k, big-endian."""
    return np.frombuffer(random_bytes(n_leaves * salt_bytes), dtype=np.uint32).reshape(salt_bytes // 4, n_leaves)


def masked_coefficients(coefficients: U32, tails: U32, n: int) -> None:
    """Turns f into f + (X^N - 1) r in place.

    Args:
        coefficients: uint32 (C, N + h), the first N being f; the rest is overwritten.
        tails: uint32 (C, h), the coefficients of r.
        n: N.
    """
    h = tails.shape[1]
    low = coefficients[:, :h]
    difference = low - tails  # wraps below 0 where tails > low
    np.minimum(difference, difference + np.uint32(P), out=low)
    coefficients[:, n : n + h] = tails
