"""The one gate for public keys, whichever file or option they come from, and for signatures: Ed25519 alone, or hybrid.

Checking a signature needs the package ``cryptography``, imported only then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from claims.base.cache import open_cache
from claims.base.errors import BadSignature, MissingDependency
from claims.base.hybrid import (
    DOMAIN,
    KEY_SIZES,
    SIGNATURE_SIZES,
    halves,
    hybrid_message,
    is_hybrid,
    lattice_verifies,
    split_signature,
)

__all__ = ["check_signature", "half_verifies", "is_key", "is_public_key", "known_signatures"]

_PATIENCE, _MOST_KNOWN = 256, 2**21
"""Signatures from which on a cache of them is worth it, and the most that it has."""

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_SMALL_ORDER_Y = frozenset({
    0, 1, _P - 1,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
})  # fmt: skip
"""y of the eight points whose order divides 8: under such a key anyone can sign."""


@lru_cache(2**16)
def is_public_key(data: bytes) -> bool:
    """Whether 32 bytes are a canonical Ed25519 point, on the curve and not of small order (RFC 8032, 5.1.3)."""
    if len(data) != 32:
        return False
    y = int.from_bytes(data, "little") & (2**255 - 1)
    if y >= _P or y in _SMALL_ORDER_Y:
        return False
    return _is_square((y * y - 1) * (_D * y * y + 1) % _P)  # x^2 is (y^2 - 1) / (d y^2 + 1): a square where this product is one


def is_key(data: bytes) -> bool:
    """Whether bytes are a usable public key of either kind: any 1,312 bytes are an ML-DSA-44 half."""
    return len(data) in KEY_SIZES and is_public_key(halves(data)[0])


def _is_square(a: int) -> bool:
    """Whether a number is a square other than 0 modulo p: the Jacobi symbol, which takes a fourth of the time of a power."""
    n, sign = _P, 1
    while a:
        zeros = (a & -a).bit_length() - 1
        a >>= zeros
        if zeros & 1 and n & 7 in (3, 5):
            sign = -sign
        if a & n & 2:  # both are 3 modulo 4
            sign = -sign
        a, n = n % a, a
    return n == 1 and sign == 1


def check_signature(who: str, public_key: bytes, signature: bytes, message: bytes) -> None:
    """Check a signature by the kind of its key, both halves where the key has two.

    One that is known to verify (:func:`known_signatures`) is not checked again.

    Args:
        who: the signer, for the message.

    Raises:
        BadSignature: it does not verify, or is of the other kind than the key.
        MissingDependency: ``cryptography`` is not installed, or has no ML-DSA and the key is hybrid.
    """
    if not _known_or(_verifies, public_key, signature, message):
        raise BadSignature(f"the signature of {who} does not verify")


def half_verifies(half: bytes, signature: bytes, message: bytes) -> bool:
    """Whether one half alone signed these bytes, as C2SP's formats have it: Ed25519, or ML-DSA-44 without a context.

    Raises MissingDependency as :func:`check_signature`.
    """
    return _known_or(_curve_verifies if len(half) == KEY_SIZES[0] else _bare, half, signature, message)


def _bare(half: bytes, signature: bytes, message: bytes) -> bool:
    return lattice_verifies(half, signature, message, b"")


def _known_or(verify: Callable[[bytes, bytes, bytes], bool], public_key: bytes, signature: bytes, message: bytes) -> bool:
    known, digest = _KNOWN[-1], b""
    if known is not None:
        lengths = b"%d %d " % (len(public_key), len(signature))
        digest = hashlib.sha256(lengths + public_key + signature + message).digest()
        if known.has(digest):
            return True
    good = verify(public_key, signature, message)
    if good and known is not None:
        known.used.add(digest)
    return good


def _verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    if (len(public_key), len(signature)) not in zip(KEY_SIZES, SIGNATURE_SIZES, strict=True):
        return False
    if not is_hybrid(public_key):
        return _curve_verifies(public_key, signature, message)
    (curve, lattice), (one, two) = halves(public_key), split_signature(signature)
    bound = hybrid_message(public_key, message)
    return _curve_verifies(curve, one, bound) and lattice_verifies(lattice, two, bound, DOMAIN)


def _curve_verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature verifies. Raises MissingDependency: ``cryptography`` is not installed."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise MissingDependency("signatures need the package cryptography", "pip install cryptography") from None
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class _Known:
    """SHA-256 of key, signature and message of signatures that verify: those known before, read once it is worth it, and those seen.

    Also those of the block ``around``; where ``about`` is None, none are kept.
    """

    def __init__(self, about: bytes | None, around: _Known | None) -> None:
        self._about, self._around = about, around
        self._before: set[bytes] | None = None
        self.used: set[bytes] = set()

    def has(self, digest: bytes) -> bool:
        """Whether a signature is known to verify."""
        if self._about is not None and self._before is None and len(self.used) >= _PATIENCE:
            with open_cache() as cache:
                data = None if cache is None else cache.get("signatures", self._about, 32 * _MOST_KNOWN)
            self._before = {data[at : at + 32] for at in range(0, len(data), 32)} if data else set()
        found = digest in self.used or (self._before is not None and digest in self._before)
        found = found or (self._around is not None and self._around.has(digest))
        if found:
            self.used.add(digest)
        return found

    def keep(self) -> None:
        """Keep those of this block with those before, where they are many and some are new."""
        if self._around is not None:
            self._around.used |= self.used
        if self._about is None or self._before is None or self.used <= self._before:
            return
        both = self.used | self._before
        with open_cache() as cache:
            if cache is not None:
                cache.put("signatures", self._about, b"".join(sorted(both if len(both) <= _MOST_KNOWN else self.used)[:_MOST_KNOWN]))


_KNOWN: list[_Known | None] = [None]


@contextmanager
def known_signatures(about: bytes | None) -> Iterator[None]:
    """Within the block, signatures that verified in it, around it, or in an earlier block about the same thing are not checked again.

    Where they are many, they are kept in the reader's own cache; None: they are known within the block alone.
    """
    known = _Known(about, _KNOWN[-1])
    _KNOWN.append(known)
    try:
        yield
    finally:
        _KNOWN.pop()
        known.keep()
