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
from zk.kernels._memory import aligned

U32 = NDArray[np.uint32]
_MASK31 = np.uint32(0x7FFFFFFF)
_ZEROS = bytes(1 << 18)  # what is encrypted, a part of the key stream at a time


def random_words(count: int) -> U32:
    """`count` uniform 32-bit words from a fresh key, on a cache line."""
    words = aligned(count)
    encryptor = Cipher(ChaCha20(secrets.token_bytes(32), bytes(16)), mode=None).encryptor()
    place = words.data.cast("B")
    for start in range(0, len(place), len(_ZEROS)):
        part = place[start : start + len(_ZEROS)]
        encryptor.update_into(_ZEROS[: len(part)], part)
    return words


def uniform_elements(shape: tuple[int, ...]) -> U32:
    """Independent uniform field elements, uint32 of the given shape: words of 31 bits, drawn again where >= p."""
    words = random_words(int(np.prod(shape)))
    words &= _MASK31
    refused = np.flatnonzero(words >= np.uint32(P))
    while len(refused):
        words[refused] = random_words(len(refused)) & _MASK31
        refused = refused[words[refused] >= np.uint32(P)]
    return words.reshape(shape)


def leaf_salts(n_leaves: int, salt_bytes: int) -> U32:
    """Fresh salts: uint32 (salt_bytes / 4, n_leaves), the salt of leaf k being the words of column k, big-endian."""
    return random_words(n_leaves * salt_bytes // 4).reshape(salt_bytes // 4, n_leaves)
