"""Signed notes (C2SP signed-note): text and signature lines, strictly parsed.

Ed25519 keys have the types 0x01 (of a log) and 0x04 (of a cosigner), ML-DSA-44 keys 0x06 (of either).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from claims.base.ed25519 import check_signature, is_public_key
from claims.base.errors import BadSignature
from claims.base.hybrid import KEY_SIZES, SigningKey, halves
from claims.base.text import is_key_name
from claims.tlog.errors import LogError

__all__ = [
    "COSIGNATURE", "ED25519", "HEAD_DATE", "LATTICE", "NOTE_LIMIT", "SIGNATURES_LIMIT", "Note", "NoteSignature", "VerifierKey",
    "from_base64", "key_id", "parse_lines", "sign_text", "to_base64", "verifier_keys", "verifies",
]

NOTE_LIMIT = 128 * 1024
"""Bytes of the longest note that is read or written."""
SIGNATURES_LIMIT = 100
"""Signature lines of a note that is read or written, at most: existing tools refuse more."""
ED25519 = 0x01
COSIGNATURE = 0x04
LATTICE = 0x06
_KEY_BYTES = {ED25519: KEY_SIZES[0], COSIGNATURE: KEY_SIZES[0], LATTICE: KEY_SIZES[1] - KEY_SIZES[0]}
HEAD_DATE = b"\xffstandstill/head-date/v1"
"""Type of the line in which a log dates its own head (FORMATS-log.md section 2); C2SP keeps 0xff for types of one's own."""
_DASH = "\u2014 "
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")


def to_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str, what: str) -> bytes:
    """Inverse of :func:`to_base64`; refuses every other spelling (LogError)."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise LogError(f"{what} is not base64") from None
    if to_base64(data) != text:
        raise LogError(f"{what} is not canonical base64")
    return data


@lru_cache(4096)
def key_id(name: str, kind: int | bytes, key: bytes) -> bytes:
    """Key ID, 4 bytes: SHA-256(name || newline || type || key), cut."""
    return hashlib.sha256(name.encode() + b"\n" + (bytes([kind]) if isinstance(kind, int) else kind) + key).digest()[:4]


@dataclass(frozen=True)
class VerifierKey:
    """A key, or one half of a hybrid one, that may sign notes. ``kind``: ED25519, COSIGNATURE or LATTICE; ``key``: 32 or 1,312 bytes."""

    name: str
    kind: int
    key: bytes

    @property
    def id(self) -> bytes:
        """Its key ID."""
        return key_id(self.name, self.kind, self.key)

    def encode(self) -> str:
        """The text form ``name+hex ID+base64(type || key)`` that existing tools take."""
        return f"{self.name}+{self.id.hex()}+{to_base64(bytes([self.kind]) + self.key)}"

    @staticmethod
    def decode(text: str) -> VerifierKey:
        """Inverse of :meth:`encode`. Raises LogError."""
        name, _, rest = text.partition("+")
        given, _, material = rest.partition("+")
        data = from_base64(material, "a verifier key")
        if not is_key_name(name) or len(data) - 1 != _KEY_BYTES.get(data[0] if data else 0):
            raise LogError("not a verifier key of a known type")
        if data[0] != LATTICE and not is_public_key(data[1:]):
            raise LogError("a verifier key holds no usable Ed25519 public key: anyone could sign for it")
        found = VerifierKey(name, data[0], data[1:])
        if found.encode() != text:
            raise LogError("the ID of a verifier key is not that of its key")
        return found


@dataclass(frozen=True)
class NoteSignature:
    """One signature line: key name, 4 bytes key ID, and what the key's type makes of the rest."""

    name: str
    id: bytes
    data: bytes

    def line(self) -> str:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {to_base64(self.id + self.data)}\n"

    @staticmethod
    def parse(line: str) -> NoteSignature:
        """Inverse of :meth:`line`, without the newline. Raises LogError."""
        name, separator, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not separator or not is_key_name(name):
            raise LogError("a signature line of a note is malformed")
        data = from_base64(encoded, "a signature of a note")
        if len(data) < 5:
            raise LogError("a signature of a note is too short")
        return NoteSignature(name, data[:4], data[4:])


@dataclass(frozen=True)
class Note:
    """``text`` ends in a newline. Signatures are not verified by parsing."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """The note as bytes."""
        return (self.text + "\n" + "".join(item.line() for item in self.signatures)).encode()

    def by(self, key: VerifierKey) -> list[NoteSignature]:
        """The lines under this key's name and ID, verified or not."""
        return [item for item in self.signatures if item.name == key.name and item.id == key.id]

    def cosigned_by(self, half: bytes) -> list[NoteSignature]:
        """The cosignature lines that name a key, or this half of it, verified or not. A cosigner's key name is its own choice."""
        kind = COSIGNATURE if len(half) == KEY_SIZES[0] else LATTICE
        return [item for item in self.signatures if item.id == key_id(item.name, kind, half)]

    @staticmethod
    def decode(data: bytes) -> Note:
        """Parse a note; encoding it again gives the same bytes.

        Raises:
            LogError: too long, not UTF-8, control characters, no or too many signatures, or a malformed line.
        """
        body, separator, tail = _text(data).rpartition("\n\n")
        if not separator:
            raise LogError("a note has no signature lines")
        return Note(body + "\n", _lines(tail))


def parse_lines(data: bytes) -> tuple[NoteSignature, ...]:
    """Signature lines alone, as a C2SP witness answers with them. Raises LogError as :meth:`Note.decode`."""
    return _lines(_text(data))


def _text(data: bytes) -> str:
    if len(data) > NOTE_LIMIT:
        raise LogError(f"a note is longer than {NOTE_LIMIT} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise LogError("a note is not UTF-8") from None
    if _CONTROL.search(text) is not None:
        raise LogError("a note holds control characters")
    return text


def _lines(text: str) -> tuple[NoteSignature, ...]:
    if not text.endswith("\n"):
        raise LogError("a note has no signature lines")
    lines = text[:-1].split("\n")
    if len(lines) > SIGNATURES_LIMIT:
        raise LogError(f"a note has more than {SIGNATURES_LIMIT} signatures")
    return tuple(NoteSignature.parse(line) for line in lines)


def sign_text(text: str, name: str, key: SigningKey) -> NoteSignature:
    """A signature of type 0x01 over a note's text, by a key of Ed25519 alone."""
    public = key.public_key().public_bytes_raw()
    return NoteSignature(name, key_id(name, ED25519, public), key.sign(text.encode()))


def verifies(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature by a key of either kind verifies. MissingDependency passes through."""
    try:
        check_signature("a note", key, signature, message)
    except BadSignature:
        return False
    return True


def verifier_keys(name: str, kind: int, public: bytes) -> list[VerifierKey]:
    """A key as signature lines name it: its Ed25519 half of type ``kind``, and its ML-DSA-44 half where it has one."""
    curve, lattice = halves(public)
    return [VerifierKey(name, kind, curve), *([VerifierKey(name, LATTICE, lattice)] if lattice else [])]
