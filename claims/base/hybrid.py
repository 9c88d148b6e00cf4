"""Keys that sign twice, with Ed25519 and with ML-DSA-44 (FIPS 204), both halves demanded (FORMATS.md section 3).

A public key has 32 bytes, Ed25519 alone, or 1,344: these and 1,312 of ML-DSA-44. A signature has 64 bytes, or 2,484: these and 2,420.
Which of the two it is follows from the key, and the key stands in the agreement: no signature says how it is to be checked.

    hybrid signature of M    both halves sign  u16 length || DOMAIN || SHA-256(1,344 bytes key) || M,  ML-DSA-44 under the context DOMAIN

ML-DSA signatures are randomised: what is signed is signed once, and its bytes are kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from claims.base.errors import MissingDependency

__all__ = [
    "DOMAIN", "KEY_SIZES", "SIGNATURE_SIZES", "HybridKey", "LatticeKey", "Public", "SigningKey", "curve_half", "goes_on", "halves",
    "hybrid_message", "is_hybrid", "lattice_verifies", "mldsa", "split_signature",
]  # fmt: skip

DOMAIN = b"standstill/sign/hybrid/v1"
_CURVE_KEY, _LATTICE_KEY = 32, 1312
_CURVE_SIGNATURE, _LATTICE_SIGNATURE = 64, 2420
KEY_SIZES = (_CURVE_KEY, _CURVE_KEY + _LATTICE_KEY)
"""Bytes of a public key: of Ed25519 alone, and of both."""
SIGNATURE_SIZES = (_CURVE_SIGNATURE, _CURVE_SIGNATURE + _LATTICE_SIGNATURE)
"""Bytes of a signature, in the same order."""


class PublicHalf(Protocol):
    """The public half of a :class:`SigningKey`."""

    def public_bytes_raw(self) -> bytes:
        """32 or 1,344 bytes."""


class SigningKey(Protocol):
    """A private key of either kind: Ed25519 alone (``cryptography``'s own class, or one on a token), or :class:`HybridKey`."""

    def sign(self, data: bytes, /) -> bytes:
        """A signature of 64 or 2,484 bytes."""

    def public_key(self) -> PublicHalf:
        """The public half."""


@dataclass(frozen=True)
class Public:
    """A public half of which the bytes are known."""

    data: bytes

    def public_bytes_raw(self) -> bytes:
        """The bytes."""
        return self.data


class LatticeKey(Protocol):
    """A private ML-DSA-44 half: ``cryptography``'s own class, or one on a token."""

    def sign(self, data: bytes, context: bytes | None = None, /) -> bytes:
        """A signature of 2,420 bytes."""

    def public_key(self) -> PublicHalf:
        """The public half."""


@dataclass(frozen=True, eq=False)
class HybridKey:
    """Both private halves of a key, wherever each is."""

    curve: SigningKey
    lattice: LatticeKey

    def public_key(self) -> Public:
        """The public half, 1,344 bytes."""
        return self._public

    @cached_property
    def _public(self) -> Public:
        return Public(self.curve.public_key().public_bytes_raw() + self.lattice.public_key().public_bytes_raw())

    def sign(self, data: bytes, /) -> bytes:
        """A signature of 2,484 bytes; another one each time."""
        message = hybrid_message(self.public_key().data, data)
        return self.curve.sign(message) + self.lattice.sign(message, DOMAIN)


def curve_half(key: SigningKey) -> SigningKey:
    """The Ed25519 half of a private key: what a meter or a feed signs its epochs with."""
    return key.curve if isinstance(key, HybridKey) else key


def is_hybrid(public: bytes) -> bool:
    """Whether a public key has both halves."""
    return len(public) == KEY_SIZES[1]


def halves(public: bytes) -> tuple[bytes, bytes]:
    """The Ed25519 half of a public key, and the ML-DSA-44 half, empty where there is none."""
    return public[:_CURVE_KEY], public[_CURVE_KEY:]


def goes_on(old: bytes, new: bytes) -> bool:
    """Whether a key is an older one, or that one with an ML-DSA-44 half added: what it signs, the older one signed too."""
    return new == old or (not is_hybrid(old) and halves(new)[0] == old)


def split_signature(signature: bytes) -> tuple[bytes, bytes]:
    """The halves of a signature, as :func:`halves`."""
    return signature[:_CURVE_SIGNATURE], signature[_CURVE_SIGNATURE:]


def hybrid_message(public: bytes, message: bytes) -> bytes:
    """What both halves of a hybrid key sign: the domain, both public halves, and the message with its own domain."""
    return len(DOMAIN).to_bytes(2, "big") + DOMAIN + hashlib.sha256(public).digest() + message


def mldsa() -> Any:
    """ML-DSA of ``cryptography``. Raises MissingDependency where it is not there, or too old."""
    hint = "pip install 'cryptography>=48'"
    try:
        import cryptography
    except ImportError:
        raise MissingDependency("signatures need the package cryptography", hint) from None
    try:
        import cryptography.hazmat.primitives.asymmetric.mldsa as found
    except ImportError:
        what = f"ML-DSA-44 signatures need cryptography 48 or later, and this is {cryptography.__version__}"
        raise MissingDependency(what, hint) from None
    return found


def lattice_verifies(public: bytes, signature: bytes, message: bytes, context: bytes) -> bool:
    """Whether an ML-DSA-44 signature verifies under a public half of 1,312 bytes. MissingDependency passes through."""
    module = mldsa()
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        module.MLDSA44PublicKey.from_public_bytes(public).verify(signature, message, context or None)
    except UnsupportedAlgorithm:
        raise MissingDependency("this build of cryptography has no ML-DSA-44", "pip install 'cryptography>=48'") from None
    except (InvalidSignature, ValueError):
        return False
    return True
