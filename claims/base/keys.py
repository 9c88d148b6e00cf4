"""Keys that sign: in files or on tokens; here is the one place that loads and makes them.

A key file is PKCS#8 PEM, encrypted under a passphrase or guarded by file permissions alone. It has one block, of an Ed25519 key, or two:
of an Ed25519 key and of an ML-DSA-44 key, which sign together; where the Ed25519 half is on a token, one of an ML-DSA-44 key.

A key file is created once, with mode 0600 and never over another file, and is refused when others may read it.
No function here returns, prints or raises anything secret but the key object itself.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import functools
import hmac
import os
import re
import resource
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

from claims.base.errors import KeyFileError, TokenError, UnreadableFile
from claims.base.files import SMALL_LIMIT, absent, write_new
from claims.base.hybrid import HybridKey, SigningKey, curve_half, halves, mldsa
from claims.base.token import PinSource, Token, TokenHalf
from claims.base.token_uri import KeyName, TokenUri

__all__ = [
    "Keys", "generate_key_file", "kept", "load_key_file", "meter_key", "public_bytes", "public_lines", "public_text",
    "read_passphrase_file", "read_private",
]  # fmt: skip

PassphraseSource = Callable[[], bytes]

ROUNDS = 600_000
"""Rounds of PBKDF2-HMAC-SHA256 under a passphrase. Files with other counts are read as well."""
_PR_SET_DUMPABLE = 4
_METER_KEY, _PERIOD_KEY = b"standstill/meter-key/v1", b"standstill/meter-period-key/v1"
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


def public_lines(public: bytes) -> str:
    """A public key as the table of a meter or a feed has it: ``key``, and of a hybrid one ``period_key``."""
    curve, lattice = halves(public)
    return f'key = "ed25519:{curve.hex()}"' + (f'\nperiod_key = "mldsa44:{lattice.hex()}"' if lattice else "")


def meter_key(ring: SigningKey, lab: str, meter: str) -> SigningKey:
    """The key of a lab's meter that a keyring stands for; hybrid if the keyring is.

    HMAC-SHA256 under the 32 private bytes of the keyring's half, of u16 length || domain || u8 length || lab || u8 length || meter: who
    has some of the keys learns nothing about the others, and who has the keyring has all of them.
    """
    names = b"".join(bytes((len(name),)) + name.encode("ascii") for name in (lab, meter))

    def derived(half: Any, domain: bytes) -> bytes:
        return hmac.digest(half.private_bytes_raw(), len(domain).to_bytes(2, "big") + domain + names, "sha256")

    curve = Ed25519PrivateKey.from_private_bytes(derived(curve_half(ring), _METER_KEY))
    if not isinstance(ring, HybridKey):
        return curve
    return HybridKey(curve, mldsa().MLDSA44PrivateKey.from_seed_bytes(derived(ring.lattice, _PERIOD_KEY)))


class Keys:
    """Loads and makes the keys of one command, and logs in to each token once.

    Args:
        passphrase, pin: called only where they are needed. A passphrase None writes a new file in the clear, guarded by its
            permissions only.
    """

    def __init__(self, passphrase: Callable[[], bytes | None], pin: PinSource) -> None:
        self._passphrase, self._pin = functools.cache(passphrase), pin
        self._tokens: dict[tuple[Path, tuple[tuple[str, str], ...]], Token] = {}
        _keep_out_of_dumps()

    def load(self, name: KeyName) -> SigningKey:
        """The key of a file or on a token.

        Raises:
            UnreadableFile, KeyFileError, MissingDependency: as in :func:`load_key_file`. TokenError: as in ``claims.base.token``.
        """
        if not isinstance(name, TokenUri):
            key: SigningKey = load_key_file(name, self._secret)
            return key
        curve, *lattice = self._token(name).halves(name)
        other = _lattice_file(name.lattice_file, self._secret) if name.lattice_file else next(iter(lattice), None)
        return curve if other is None else HybridKey(curve, other)

    def make(self, name: KeyName, *, hybrid: bool = False) -> SigningKey:
        """Make a key in a new file, or on a token; there the ML-DSA-44 half goes to a new file where the URI names one.

        Raises:
            UnreadableFile, KeyFileError, MissingDependency: as in :func:`generate_key_file`. TokenError: there is a key of this name,
                or the token makes none. Then nothing was made.
        """
        if not isinstance(name, TokenUri):
            generate_key_file(name, self._passphrase(), hybrid=hybrid)
            return self.load(name)
        if name.lattice_file is not None and not hybrid:
            raise TokenError("the URI names a file for an ML-DSA-44 half, and this key is of Ed25519 alone", "leave mldsa44-... out")
        token = self._token(name, write=True)
        if name.lattice_file is None:
            if hybrid and not token.makes_lattice():
                hint = "name a file for that half, mldsa44-file= (--keys: mldsa44-folder=); or --ed25519, which a quantum computer breaks"
                raise TokenError(f"{token.name} makes no ML-DSA-44 keys", hint)
            curve, *rest = token.make(name, lattice=hybrid)
            return HybridKey(curve, rest[0]) if rest else curve
        lattice = mldsa().MLDSA44PrivateKey.generate()
        write_new(name.lattice_file, _pem(lattice, _checked(self._passphrase())), 0o600)
        try:
            return HybridKey(token.make(name, lattice=False)[0], lattice)
        except BaseException:
            name.lattice_file.unlink()
            raise

    def close(self) -> None:
        """Log out of the tokens: the keys on them sign no more."""
        for token in self._tokens.values():
            token.close()

    def _secret(self) -> bytes:
        return self._passphrase() or b""

    def _token(self, uri: TokenUri, *, write: bool = False) -> Token:
        if not uri.names_key:
            raise TokenError("the URI names a token and no key on it", "write object=NAME, or id=, into it")
        at = (uri.module, uri.which)
        self._tokens[at] = self._tokens.get(at) or Token.open(uri, self._pin, write=write)
        return self._tokens[at]


def kept(key: SigningKey, name: KeyName) -> list[str]:
    """Where each half of a key is, as far as it can be known: one line for each."""
    own = [("Ed25519", key.curve), ("ML-DSA-44", key.lattice)] if isinstance(key, HybridKey) else [("Ed25519", key)]
    file = name.lattice_file if isinstance(name, TokenUri) else name
    return [f"{kind}: {half.kept() if isinstance(half, TokenHalf) else f'in the file {file}'}" for kind, half in own]


def _keep_out_of_dumps() -> None:
    """No core dump of a process that holds a key or a PIN, and no debugger of this user on it, where the system can."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


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
    _checked(passphrase)
    curve = Ed25519PrivateKey.generate()
    key = HybridKey(curve, mldsa().MLDSA44PrivateKey.generate()) if hybrid else curve
    both = (key.curve, key.lattice) if isinstance(key, HybridKey) else (key,)
    write_new(path, b"".join(_pem(half, passphrase) for half in both), 0o600)
    return public_bytes(key)


def _checked(passphrase: bytes | None) -> bytes | None:
    if passphrase is not None and not passphrase:
        raise KeyFileError("the passphrase is empty", "choose one, or ask for an unencrypted key explicitly")
    return passphrase


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
    keys = _blocks(path, passphrase)
    kinds = (Ed25519PrivateKey, *([mldsa().MLDSA44PrivateKey] if len(keys) == 2 else []))
    if len(keys) != len(kinds) or not all(map(isinstance, keys, kinds)):
        raise KeyFileError(f"{path}: not an Ed25519 key, nor one with an ML-DSA-44 key after it", "make keys with `standstill keygen`")
    return HybridKey(*keys) if len(keys) == 2 else keys[0]


def _lattice_file(path: Path, passphrase: PassphraseSource) -> Any:
    """The ML-DSA-44 half of a key whose Ed25519 half is on a token."""
    keys = _blocks(path, passphrase)
    if len(keys) != 1 or not isinstance(keys[0], mldsa().MLDSA44PrivateKey):
        raise KeyFileError(f"{path}: not one ML-DSA-44 key", "the half that `standstill keygen` made with the key on the token")
    return keys[0]


def _blocks(path: str | os.PathLike[str], passphrase: PassphraseSource | None) -> list[Any]:
    """The keys of a file, of whatever kinds; of at most two blocks."""
    data = read_private(path)
    secret: bytes | None = None
    if b"ENCRYPTED" in data:
        if passphrase is None:
            raise KeyFileError(f"{path}: the key is encrypted", "give its passphrase")
        secret = passphrase()
    found = _BLOCK.findall(data)
    if len(found) > 2:
        raise KeyFileError(f"{path}: more than two keys", "make keys with `standstill keygen`")
    try:
        return [serialization.load_pem_private_key(block, secret) for block in (found if len(found) == 2 else [data])]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        what = "another passphrase, or not a key file" if secret is not None else "not a key file"
        raise KeyFileError(f"{path}: {what}", "make keys with `standstill keygen`") from None
