"""Key files: PKCS#8 PEM, encrypted under a passphrase or guarded by file permissions alone.

A file has one block, of an Ed25519 key, or two: of an Ed25519 key and of an ML-DSA-44 key, which sign together.

A key file is created once, with mode 0600 and never over another file, and is refused when others may read it.
No function here returns, prints or raises anything secret but the key object itself.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from claims.base.errors import KeyFileError, UnreadableFile
from claims.base.files import SMALL_LIMIT, absent, write_new
from claims.base.hybrid import HybridKey, SigningKey, halves, mldsa

__all__ = ["generate_key_file", "load_key_file", "meter_key", "public_bytes", "public_text", "read_passphrase_file", "read_private"]

PassphraseSource = Callable[[], bytes]

ROUNDS = 600_000
"""Rounds of PBKDF2-HMAC-SHA256 under a passphrase. Files with other counts are read as well."""
_METER_KEY = b"standstill/meter-key/v1"
_BLOCK = re.compile(rb"-----BEGIN [A-Z ]{1,30}-----.*?-----END [A-Z ]{1,30}-----\r?\n?", re.DOTALL)
_PBES2, _PBKDF2 = bytes.fromhex("06092a864886f70d01050d"), bytes.fromhex("06092a864886f70d01050c")
_HMAC_SHA256, _AES_256_CBC = bytes.fromhex("300c06082a864886f70d02090500"), bytes.fromhex("060960864801650304012a")


def public_bytes(key: SigningKey) -> bytes:
    """The public half, 32 or 1,344 bytes."""
    return key.public_key().public_bytes_raw()


def public_text(public: bytes) -> str:
    """A public key as agreements write it: ``ed25519:`` and 64 hex digits; of a hybrid one also `` mldsa44:`` and 2,624."""
    curve, lattice = halves(public)
    return f"ed25519:{curve.hex()}" + (f" mldsa44:{lattice.hex()}" if lattice else "")


def meter_key(ring: SigningKey, lab: str, meter: str) -> Ed25519PrivateKey:
    """The key of a lab's meter that a keyring stands for; of a hybrid keyring the Ed25519 half counts.

    HMAC-SHA256 under the keyring's 32 private bytes, of u16 length || domain || u8 length || lab || u8 length || meter: who has some of
    the keys learns nothing about the others, and who has the keyring has all of them.
    """
    names = b"".join(bytes((len(name),)) + name.encode("ascii") for name in (lab, meter))
    message = len(_METER_KEY).to_bytes(2, "big") + _METER_KEY + names
    curve = ring.curve if isinstance(ring, HybridKey) else ring
    assert isinstance(curve, Ed25519PrivateKey)
    return Ed25519PrivateKey.from_private_bytes(hmac.digest(curve.private_bytes_raw(), message, "sha256"))


def generate_key_file(path: str | os.PathLike[str], passphrase: bytes | None, *, hybrid: bool = False) -> bytes:
    """Make a key, write it to a new file of mode 0600, return its public half.

    Args:
        passphrase: encrypts the file; None writes it in the clear, guarded by its permissions only.
        hybrid: with an ML-DSA-44 half.

    Raises:
        UnreadableFile: the file exists or cannot be created.
        KeyFileError: the passphrase is empty.
        MissingDependency: ``cryptography`` has no ML-DSA.
    """
    if passphrase is not None and not passphrase:
        raise KeyFileError("the passphrase is empty", "choose one, or ask for an unencrypted key explicitly")
    curve = Ed25519PrivateKey.generate()
    key = HybridKey(curve, mldsa().MLDSA44PrivateKey.generate()) if hybrid else curve
    both = (key.curve, key.lattice) if isinstance(key, HybridKey) else (key,)
    write_new(path, b"".join(_pem(half, passphrase) for half in both), 0o600)
    return public_bytes(key)


def _pem(key: Any, passphrase: bytes | None) -> bytes:
    plain = serialization.NoEncryption()
    if passphrase is None:
        return bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return _encrypted_pem(key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, plain), passphrase)


def _encrypted_pem(der: bytes, passphrase: bytes) -> bytes:
    """EncryptedPrivateKeyInfo under PBES2 (RFC 8018 appendix A.4), which any OpenSSL reads; ``cryptography`` writes 2,048 rounds only."""
    salt, iv, pad = secrets.token_bytes(16), secrets.token_bytes(16), padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(PBKDF2HMAC(hashes.SHA256(), 32, salt, ROUNDS).derive(passphrase)), modes.CBC(iv)).encryptor()
    sealed = cipher.update(pad.update(der) + pad.finalize()) + cipher.finalize()
    rounds = _der(0x02, ROUNDS.to_bytes(3, "big"))
    kdf = _der(0x30, _PBKDF2 + _der(0x30, _der(0x04, salt) + rounds + _HMAC_SHA256))
    scheme = _der(0x30, _PBES2 + _der(0x30, kdf + _der(0x30, _AES_256_CBC + _der(0x04, iv))))
    text = base64.b64encode(_der(0x30, scheme + _der(0x04, sealed)))
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return b"\n".join((b"-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, b"-----END ENCRYPTED PRIVATE KEY-----", b""))


def _der(tag: int, content: bytes) -> bytes:
    """One DER element of less than 256 bytes."""
    size = len(content)
    return bytes((tag, size) if size < 128 else (tag, 0x81, size)) + content


def read_private(path: str | os.PathLike[str]) -> bytes:
    """A secret file's bytes; refused when it is not ours alone."""
    try:
        with open(path, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError(f"{path}: not a regular file")
            if status.st_mode & 0o077:
                raise KeyFileError(f"{path}: others may read or write it", f"chmod 600 {Path(path).name}")
            if hasattr(os, "geteuid") and status.st_uid not in (os.geteuid(), 0):
                raise KeyFileError(f"{path}: belongs to another user")
            data = file.read(SMALL_LIMIT + 1)
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror or error}", absent(error)) from None
    if len(data) > SMALL_LIMIT:
        raise KeyFileError(f"{path}: too large for a key")
    return data


def read_passphrase_file(path: str | os.PathLike[str]) -> bytes:
    """First line of a file of mode 0600. Raises KeyFileError when it is empty or readable by others."""
    line = read_private(path).split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise KeyFileError(f"{path}: the first line is empty", "write the passphrase on the first line")
    return line


def load_key_file(path: str | os.PathLike[str], passphrase: PassphraseSource | None = None) -> Any:
    """Load a key: Ed25519PrivateKey, or HybridKey of a file with two blocks. ``passphrase`` is called only when the file is encrypted.

    Raises:
        UnreadableFile: missing or unreadable.
        KeyFileError: readable by others, another passphrase, or neither an Ed25519 key nor one with an ML-DSA-44 key after it.
        MissingDependency: it has an ML-DSA-44 half, and ``cryptography`` has no ML-DSA.
    """
    data = read_private(path)
    secret: bytes | None = None
    if b"ENCRYPTED" in data:
        if passphrase is None:
            raise KeyFileError(f"{path}: the key is encrypted", "give its passphrase")
        secret = passphrase()
    blocks = _BLOCK.findall(data)
    lattice = mldsa().MLDSA44PrivateKey if len(blocks) == 2 else None
    try:
        keys = [serialization.load_pem_private_key(block, secret) for block in (blocks if len(blocks) == 2 else [data])]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        what = "another passphrase, or not a key file" if secret is not None else "not a key file"
        raise KeyFileError(f"{path}: {what}", "make keys with `standstill keygen`") from None
    if not isinstance(keys[0], Ed25519PrivateKey) or (lattice is not None and not isinstance(keys[1], lattice)) or len(blocks) > 2:
        raise KeyFileError(f"{path}: not an Ed25519 key, nor one with an ML-DSA-44 key after it", "make keys with `standstill keygen`")
    return HybridKey(keys[0], keys[1]) if lattice is not None else keys[0]
