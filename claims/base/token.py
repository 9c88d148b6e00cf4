"""Keys on tokens (PKCS #11): a smart card, an HSM, or SoftHSM. The private half never leaves the token; ``pip install 'standstill[hsm]'``.

A token signs with Ed25519 (CKM_EDDSA), and with ML-DSA-44 where it can (CKM_ML_DSA of PKCS #11 3.2). Every signature is verified before
it is given out. A PIN is tried once. Where the token says that a wrong one was given since the last good one, only a PIN typed by a
person is tried, so that no timer locks a token.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claims.base.ed25519 import half_verifies, is_public_key
from claims.base.errors import TokenError
from claims.base.hybrid import Public, lattice_verifies
from claims.base.token_uri import TokenUri

__all__ = ["PinSource", "Token", "TokenHalf"]

PinSource = Callable[[TokenUri, str, bool], str]
"""Gives a PIN: for which URI, the token's name for people, and whether only a person may give it."""

_ED25519 = bytes.fromhex("06032b6570")
"""id-Ed25519 as CKA_EC_PARAMS."""
_LATTICE_KEY = 1312
_ONE = threading.Lock()
"""A session signs one thing at a time, and a witness asks from several threads."""
_PROBE = b"\x00\x1astandstill/sign/nothing/v1"
"""What a new key signs once, to show that it can: a domain that nothing else has."""
_WORDS = {
    "PinIncorrect": "the PIN is wrong", "PinInvalid": "the PIN is wrong", "PinLenRange": "the PIN is wrong: too short or too long",
    "PinLocked": "the PIN is locked: too many wrong ones", "PinExpired": "the PIN has expired",
    "UserPinNotInitialized": "it has no user PIN yet", "TokenNotPresent": "it is not there", "DeviceRemoved": "it is not there",
    "SessionHandleInvalid": "the session ended", "SessionClosed": "the session ended", "UserNotLoggedIn": "the session ended",
    "TokenWriteProtected": "it cannot be written", "MechanismInvalid": "it does not have this kind of key",
}  # fmt: skip
_TRIED = "it was tried once, and is not tried again by itself: each wrong PIN brings the token nearer to being locked"


@contextmanager
def _told(who: str, hint: str) -> Iterator[None]:
    """Whatever the driver raises becomes a TokenError; nothing of its own text, which may repeat what it was given."""
    import pkcs11

    try:
        yield
    except pkcs11.PKCS11Error as error:
        name = type(error).__name__
        raise TokenError(f"{who}: {_WORDS.get(name, f'it answers {name}')}", _TRIED if name.startswith("Pin") else hint) from None


@dataclass(frozen=True, eq=False)
class TokenHalf:
    """One half of a key, on a token: Ed25519, or ML-DSA-44. As ``cryptography``'s own private keys.

    Attributes:
        public: 32 or 1,312 bytes. ``where``: for messages.
    """

    private: Any
    public: bytes
    where: str

    def public_key(self) -> Public:
        """The public half."""
        return Public(self.public)

    def sign(self, data: bytes, context: bytes | None = None) -> bytes:
        """A signature that verifies.

        Raises:
            TokenError: the token is gone, refuses, or gave another signature. It is not asked again.
        """
        from pkcs11 import Mechanism

        lattice, again = len(self.public) == _LATTICE_KEY, "see that the token is there, then run the same command again"
        with _told(f"{self.where} did not sign", f"{again}: what was signed before stands"):
            if lattice:
                held, parameter = _with_context(context or b"")
                with _ONE:
                    signature = bytes(self.private.sign(data, mechanism=Mechanism.ML_DSA, mechanism_param=parameter))
                del held  # until here the token reads it
            else:
                with _ONE:
                    signature = bytes(self.private.sign(data, mechanism=Mechanism.EDDSA))
        good = lattice_verifies(self.public, signature, data, context or b"") if lattice else half_verifies(self.public, signature, data)
        if not good:
            what = f"{self.where} gave a signature that does not verify under its own public half"
            raise TokenError(what, "nothing of it was written: do not use this token until you know why")
        return signature

    def kept(self) -> str:
        """Where the private half is, and whether it can be elsewhere too, as the token says."""
        from pkcs11 import Attribute

        def says(attribute: Any) -> bool:
            try:
                return bool(self.private[attribute])
            except Exception:  # a token need not answer
                return False

        if says(Attribute.EXTRACTABLE) or not says(Attribute.SENSITIVE):
            return f"{self.where}, from which it can be copied"
        if says(Attribute.LOCAL) and says(Attribute.NEVER_EXTRACTABLE):
            return f"{self.where}, made there and never readable"
        return f"{self.where}, to which it was brought: there may be copies"


def _with_context(context: bytes) -> tuple[Any, bytes | None]:
    """CK_SIGN_ADDITIONAL_CONTEXT for a context, and what has to live as long; without a context a token needs no parameter."""
    if not context:
        return None, None
    held = ctypes.create_string_buffer(context, len(context))

    class Parameter(ctypes.Structure):
        _fields_ = (("hedge", ctypes.c_ulong), ("context", ctypes.c_void_p), ("length", ctypes.c_ulong))

    return held, bytes(Parameter(0, ctypes.addressof(held), len(context)))


class Token:
    """A token and a session with it, logged in until :meth:`close`."""

    def __init__(self, session: Any, name: str) -> None:
        self._session, self.name = session, name

    @staticmethod
    def open(uri: TokenUri, pin: PinSource, *, write: bool = False) -> Token:
        """Load the driver, find the token, log in with one try.

        Raises:
            TokenError: no such driver or token, or two; a wrong PIN.
            ModuleNotFoundError: ``python-pkcs11`` is not installed.
        """
        from pkcs11 import TokenFlag

        found = _token(uri)
        flags, name = found.flags, f"token {found.label!r}"
        if flags & TokenFlag.USER_PIN_LOCKED:
            raise TokenError(f"{name}: the PIN is locked", "its security officer can set a new one")
        doubtful = bool(flags & (TokenFlag.USER_PIN_COUNT_LOW | TokenFlag.USER_PIN_FINAL_TRY))
        last = ", and this is the last try before it locks" if flags & TokenFlag.USER_PIN_FINAL_TRY else ""
        secret = pin(uri, name + last, doubtful)
        with _told(name, "see that the token is there"):
            return Token(found.open(rw=write, user_pin=secret), name)

    def close(self) -> None:
        """Log out; a token that is gone is no trouble."""
        import pkcs11

        with suppress(pkcs11.PKCS11Error):
            self._session.close()

    def halves(self, uri: TokenUri) -> list[TokenHalf]:
        """The Ed25519 half that a URI names, and the ML-DSA-44 half of the same name where the token has one.

        Raises:
            TokenError: no such key, two of one kind, or keys of other kinds alone.
        """
        from pkcs11 import Attribute, KeyType, MLDSAParameterSet

        named = f"key {uri.object or (uri.id or b'').hex()!r} on {self.name}"
        with _told(named, "see what is on the token: pkcs11-tool --list-objects"):
            found = self._privates(uri)
            kinds = [item[Attribute.KEY_TYPE] for item in found]
            curves = [item for item, kind in zip(found, kinds, strict=True) if kind == KeyType.EC_EDWARDS]
            lattices = [
                item for item, kind in zip(found, kinds, strict=True)
                if kind == KeyType.ML_DSA and item[Attribute.PARAMETER_SET] == MLDSAParameterSet.ML_DSA_44
            ]
            if not found:
                raise TokenError(f"there is no {named}", "names differ in case; make one: standstill keygen")
            if not curves:
                raise TokenError(f"{named} is not an Ed25519 key", "make one: standstill keygen")
            for same in (curves, lattices):
                if len(same) > 1:
                    ids = " or ".join(f"id={''.join(f'%{byte:02x}' for byte in item[Attribute.ID])}" for item in same)
                    raise TokenError(f"there are {len(same)} such keys: {named}", f"say which one: {ids}")
            return [TokenHalf(item, self._public(item), named) for item in (*curves, *lattices)]

    def makes_lattice(self) -> bool:
        """Whether the token makes keys of ML-DSA-44."""
        from pkcs11 import Mechanism

        return Mechanism.ML_DSA_KEY_PAIR_GEN in self._session.token.slot.get_mechanisms()

    def make(self, uri: TokenUri, *, lattice: bool) -> list[TokenHalf]:
        """Make a key of the URI's name on the token, which can never be read from it, and try it.

        Args:
            lattice: with an ML-DSA-44 half there too.

        Raises:
            TokenError: there is one of this name already, or the token makes none; then the token is as it was.
        """
        from pkcs11 import Attribute, KeyType, MLDSAParameterSet

        if uri.object is None:
            raise TokenError("a new key on a token needs a name", "write object=NAME in the URI")
        name = uri.id if uri.id is not None else secrets.token_bytes(16)
        with _told(f"{self.name} makes no key {uri.object!r}", "see what the token can do: pkcs11-tool --list-mechanisms"):
            if self._privates(uri.bare()):
                raise TokenError(f"there is a key {uri.object!r} on {self.name} already", "choose another name; nothing was changed")
            kinds = [(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _ED25519})]
            kinds += [(KeyType.ML_DSA, {Attribute.PARAMETER_SET: MLDSAParameterSet.ML_DSA_44})] if lattice else []
            made: list[Any] = []
            try:
                for kind, public in kinds:
                    made += self._session.generate_keypair(
                        kind, None, id=name, label=uri.object, store=True, public_template=public,
                        private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
                    )  # fmt: skip
                halves = self.halves(uri)
                for half in halves:
                    half.sign(_PROBE)
                return halves
            except BaseException:
                for item in made:
                    item.destroy()
                raise

    def _privates(self, uri: TokenUri) -> list[Any]:
        from pkcs11 import Attribute, ObjectClass

        wanted: dict[Any, Any] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}
        wanted |= {Attribute.LABEL: uri.object} if uri.object is not None else {}
        wanted |= {Attribute.ID: uri.id} if uri.id is not None else {}
        return list(self._session.get_objects(wanted))

    def _public(self, private: Any) -> bytes:
        """The public half that stands beside a private one under the same CKA_ID."""
        from pkcs11 import Attribute, KeyType, ObjectClass

        kind, name = private[Attribute.KEY_TYPE], private[Attribute.ID]
        wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.KEY_TYPE: kind, Attribute.ID: name}
        attribute = Attribute.VALUE if kind == KeyType.ML_DSA else Attribute.EC_POINT
        found = {_bare(bytes(item[attribute])) for item in self._session.get_objects(wanted)} if name else set()
        good = [data for data in found if (len(data) == _LATTICE_KEY if kind == KeyType.ML_DSA else is_public_key(data))]
        if len(found) != 1 or not good:
            what = f"{self.name} has not exactly one usable public half of this key, under the same CKA_ID"
            raise TokenError(what, "write the public half beside it, or make the key again: standstill keygen")
        return good[0]


def _bare(point: bytes) -> bytes:
    """A public key without the DER around it: OCTET STRING, or BIT STRING, as tokens have CKA_EC_POINT of Ed25519."""
    for head in (b"\x04\x20", b"\x03\x21\x00"):
        if len(point) == len(head) + 32 and point.startswith(head):
            return point[len(head) :]
    return point


def _token(uri: TokenUri) -> Any:
    """The one token that a URI is of."""
    import pkcs11

    _check_driver(uri.module)
    try:
        driver = pkcs11.lib(str(uri.module))
    except (pkcs11.PKCS11Error, RuntimeError):
        raise TokenError(f"{uri.module}: cannot be loaded as a token's driver (PKCS #11 module)", "check module-path") from None
    with _told(f"{uri.module}", "see that the token is there"):
        slots = driver.get_slots(token_present=True)
        tokens = [token for token in (slot.get_token() for slot in slots) if token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED]
    fitting = [token for token in tokens if all(_said(token)[name] == value for name, value in uri.which)]
    if not fitting:
        there = ", ".join(sorted({repr(token.label) for token in tokens})) or "none"
        raise TokenError(f"no token fits the URI; there: {there}", "see that it is plugged in, and how its name is written")
    if len(fitting) > 1:
        serials = " or ".join(f"serial={_said(token)['serial']}" for token in fitting)
        raise TokenError(f"{len(fitting)} tokens fit the URI", f"say which one: {serials}")
    return fitting[0]


def _said(token: Any) -> dict[str, str]:
    serial = token.serial.decode("ascii", "replace") if isinstance(token.serial, bytes) else str(token.serial)
    said = {"token": token.label, "manufacturer": token.manufacturer_id, "model": token.model, "serial": serial}
    return {name: str(text).rstrip(" \0") for name, text in said.items()}


def _check_driver(path: Path) -> None:
    """A driver is code, and it gets the PIN: refuse one that others may change."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise TokenError(f"{path}: {error.strerror or error}", "check module-path") from None
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o022 or status.st_uid not in (os.geteuid(), 0):
        raise TokenError(f"{path}: not a file, or one that others may change: it would get the PIN", "check its owner and permissions")
