"""Typed errors of the proof system.

Every failure that a caller can meet is one of these. The verifier raises `ProofRejected` or `MalformedProof`
and nothing else, whatever bytes it is given. All go from one process to another by pickle.
"""

import copyreg
from typing import Any


class ZkError(Exception):
    """Base class of all errors raised by the proof system."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Without the constructor, whose arguments are not the message."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class AirError(ZkError):
    """An AIR is not well formed: a degree, name or bound is off. A bug in a circuit, never in a proof."""


class OptionsError(ZkError):
    """Proof options that are inconsistent, too weak for hiding, or not allowed where they were used."""


class StatementError(ZkError):
    """Public inputs out of range. The message names the field."""


class WitnessError(ZkError):
    """The prover's witness does not satisfy the statement; nothing was proven."""


class ProofRejected(ZkError):
    """A well-formed proof that fails a check.

    Attributes:
        check: short name of the failed check, as in PROTOCOL.md section 11.
    """

    def __init__(self, check: str, detail: str = "") -> None:
        self.check = check
        super().__init__(f"{check}: {detail}" if detail else check)


class MalformedProof(ZkError):
    """Bytes that are not a proof in canonical form: wrong length, magic, version, or a value out of range."""
