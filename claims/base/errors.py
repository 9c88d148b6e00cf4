"""Typed errors of the claims layer.

Each carries what is wrong, where (file, line or field) and what to do, so that the command line can print
one line and an exit code and a program can tell them apart. None of them ever holds a secret. All go from one process to another by
pickle.
"""

from __future__ import annotations

import copyreg
from typing import Any

__all__ = [
    "AgreementError",
    "BadSignature",
    "ClaimRejected",
    "ClaimsError",
    "KeyFileError",
    "MalformedClaim",
    "MalformedFile",
    "MissingDependency",
    "QuantityError",
    "TokenError",
    "UnreadableFile",
]


class ClaimsError(Exception):
    """Base of every error of this layer.

    Args:
        what: what is wrong, one sentence without a full stop.
        hint: what to do about it; may be empty.

    Attributes:
        exit_code: of a command that ends with it. 1: it looked, and the answer is no (a check fails, a cap or the agreed table is
            exceeded); 2: it did nothing, for what it was given or when (FORMATS.md section 10).
    """

    exit_code = 2

    def __init__(self, what: str, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(f"{what}; {hint}" if hint else what)

    def __reduce__(self) -> tuple[Any, ...]:
        """Without the constructor, whose arguments are not the message."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class QuantityError(ClaimsError):
    """A text is not an exact amount of the expected unit."""


class UnreadableFile(ClaimsError):
    """A file is missing, not a regular file, too large, or may not be read or written."""


class MalformedFile(ClaimsError):
    """A file's bytes or text are not in the format they should be in.

    Args:
        what: what is wrong.
        offset: byte position at which reading stopped, or None.
        hint: what to do about it.
    """

    def __init__(self, what: str, offset: int | None = None, hint: str = "") -> None:
        self.offset = offset
        super().__init__(what if offset is None else f"{what} (at byte {offset})", hint)


class KeyFileError(ClaimsError):
    """A key file is missing, readable by others, encrypted with another passphrase, or not Ed25519."""


class TokenError(ClaimsError):
    """A token (PKCS #11), or a key on it, is not there, refuses, or does wrong. Nothing of it was written."""


class MissingDependency(ClaimsError):
    """A package that this step needs is not installed."""


class BadSignature(ClaimsError):
    """An Ed25519 signature does not verify."""


class AgreementError(ClaimsError):
    """An agreement file is not valid.

    Args:
        source: file name for messages.
        field: dotted path of the field, as in ``lab[2].caps.total``; empty for the whole file.
        line: line number from 1, or None where it is not known.
        what, hint: as in :class:`ClaimsError`.
    """

    def __init__(self, source: str, field: str, line: int | None, what: str, hint: str = "") -> None:
        self.source, self.field, self.line = source, field, line
        place = source if line is None else f"{source}:{line}"
        super().__init__(f"{place}: {field}: {what}" if field else f"{place}: {what}", hint)


class MalformedClaim(MalformedFile):
    """A claim file's bytes are not a canonical claim."""


class ClaimRejected(ClaimsError):
    """A well-formed claim does not show what it should.

    Args:
        check: short name of the failed check, one of those listed in ``claims.verify.claim.CHECKS``.
        what: the reason.
    """

    exit_code = 1

    def __init__(self, check: str, what: str) -> None:
        self.check = check
        super().__init__(f"{check}: {what}")
