"""How a key on a token is named: a PKCS #11 URI (RFC 7512), of which one form is read.

    pkcs11:token=hall;object=lab?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/lab.pin&mldsa44-file=lab.half

``module-path`` is code that will run, with the PIN: such a URI comes from the command line, never from a file.
What is not read is refused by name, so that no attribute is silently without effect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from claims.base.errors import TokenError

__all__ = ["KeyName", "TokenUri", "is_token_uri"]

_LIMIT = 4096
_WHICH = ("token", "manufacturer", "model", "serial")
_PATH = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=/?|]|%[0-9A-Fa-f]{2})*")
_REFUSED = {
    "pin-value": ("a PIN on the command line is seen by everyone on this machine", "use pin-source=file:PATH, or $STANDSTILL_PIN"),
    "module-name": ("a module's name says not which file is loaded", "give module-path, the whole path"),
}
"""Attributes that are refused for what they would do."""


def is_token_uri(text: str) -> bool:
    """Whether a key's name is a URI of a token, and not a file."""
    return text[:7].lower() == "pkcs11:"


@dataclass(frozen=True)
class TokenUri:
    """A key on a token, or with neither ``object`` nor ``id`` a token with several.

    Attributes:
        which: what the token has to be, as (attribute, value): token (its label), manufacturer, model, serial.
        object: label of the key. ``id``: its CKA_ID. Where both are given, both count.
        module: the token's driver, a whole path.
        pin_file: where the PIN is, on the first line; None: elsewhere.
        lattice_file: file of the key's ML-DSA-44 half; None: it is on the token too, or there is none.
        lattice_folder: of a token with several keys, the folder with such a file LABEL.half of each.
    """

    which: tuple[tuple[str, str], ...]
    object: str | None
    id: bytes | None
    module: Path
    pin_file: Path | None = None
    lattice_file: Path | None = None
    lattice_folder: Path | None = None

    @staticmethod
    def parse(text: str) -> TokenUri:
        """Read a URI. Raises TokenError, which repeats no value of it."""
        if not is_token_uri(text) or len(text) > _LIMIT:
            raise TokenError(f"a token's URI begins with pkcs11: and has at most {_LIMIT} characters")
        path, _, query = text[7:].partition("?")
        parts = _attributes(path, ";", _PATH, (*_WHICH, "object", "id", "type"))
        options = _attributes(query, "&", _QUERY, ("module-path", "pin-source", "mldsa44-file", "mldsa44-folder"))
        if parts.get("type", b"private") != b"private":
            raise TokenError("type= is of another thing than a private key", "leave it out")
        module = Path(_text(options.get("module-path", b""), "module-path"))
        if not module.is_absolute():
            raise TokenError("the URI has no module-path, or not a whole one", "say where the token's driver is: ?module-path=/...so")
        which = tuple((name, _text(parts[name], name)) for name in _WHICH if name in parts)
        label = _text(parts["object"], "object") if "object" in parts else None
        files = ("pin-source", "mldsa44-file", "mldsa44-folder")
        pin, half, halves = (_file(options[name], name) if name in options else None for name in files)
        found = TokenUri(which, label, parts.get("id"), module, pin, half, halves)
        if (half if not found.names_key else halves) is not None:
            raise TokenError("mldsa44-file is of one key, which the URI names, and mldsa44-folder of a token with several")
        return found

    def of(self, label: str) -> TokenUri:
        """The key of this label on the same token."""
        half = None if self.lattice_folder is None else self.lattice_folder / f"{label}.half"
        return replace(self, object=label, lattice_file=half, lattice_folder=None)

    def bare(self) -> TokenUri:
        """Every key of this label, whatever its CKA_ID."""
        return replace(self, id=None)

    @property
    def names_key(self) -> bool:
        """Whether a key is named, and not the token alone."""
        return self.object is not None or self.id is not None

    def __str__(self) -> str:
        parts = [f"{name}={quote(value)}" for name, value in self.which]
        parts += [f"object={quote(self.object)}"] if self.object is not None else []
        parts += [f"id={''.join(f'%{byte:02x}' for byte in self.id)}"] if self.id is not None else []
        return "pkcs11:" + ";".join(parts)


KeyName = Path | TokenUri
"""What names a key on the command line: a file, or a key on a token."""


def _attributes(text: str, between: str, legal: re.Pattern[str], known: tuple[str, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(between) if text else ():
        name, equals, value = part.partition("=")
        if name.lower() in _REFUSED:
            what, hint = _REFUSED[name.lower()]
            raise TokenError(f"{name.lower()} in a token's URI is refused: {what}", hint)
        if name not in known:
            shown = f" {name}" if equals and re.fullmatch(r"[a-z-]{1,40}", name) else ""
            raise TokenError(f"a token's URI has an attribute{shown} that is not read", f"read are {', '.join(known)} here")
        if not equals or not value or legal.fullmatch(value) is None:
            raise TokenError(f"{name} in a token's URI is empty, or has a character that must be written as %XX")
        if name in found:
            raise TokenError(f"{name} stands twice in a token's URI")
        found[name] = unquote_to_bytes(value)
    return found


def _text(value: bytes, name: str) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise TokenError(f"{name} in a token's URI is not UTF-8") from None
    if "\0" in text:
        raise TokenError(f"{name} in a token's URI has a zero byte")
    return text


def _file(value: bytes, name: str) -> Path:
    text = _text(value, name).removeprefix("file:")
    if not text or text.startswith("|"):
        raise TokenError(f"{name} in a token's URI is not a file", "no command is run for it")
    return Path(text)
