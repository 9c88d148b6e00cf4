"""Decisions about a pause: that it is lifted, or triggered, signed by enough of those who decide (FORMATS.md section 9)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from claims.agreement.bounds import MAX_TIME
from claims.agreement.model import Agreement
from claims.base.canonical import Writer, from_json, is_name, to_json
from claims.base.errors import BadSignature, ClaimRejected, MalformedFile
from claims.base.hybrid import SIGNATURE_SIZES, SigningKey
from claims.base.text import is_prose
from claims.base.units import format_time
from claims.claim.entries import sign_entry
from claims.claim.entry_kinds import DecisionEntry
from claims.claim.keys import signed_by_any

__all__ = ["DECISION_LIMIT", "FORMAT", "Content", "Decision", "decision_entry", "decision_message", "sign_decision"]

FORMAT = "standstill-decision/1"
DECISION_DOMAIN = b"standstill/sign/decision/v1"
DECISION_LIMIT = 2**21
"""Largest decision file, bytes."""
KINDS = {"lift": 1, "trigger": 2}

Content = tuple[str, int, bytes]
"""lift or trigger, the moment that it states (Unix seconds), SHA-256 of its reason."""


@dataclass(frozen=True)
class Decision:
    """A decision and who has signed it.

    Attributes:
        agreement: digest, 32 bytes.
        decision: "lift" or "trigger".
        effective: Unix seconds.
        reason: text for people.
        signatures: party name to 64 or 2,484 bytes.
    """

    agreement: bytes
    decision: str
    effective: int
    reason: str
    signatures: dict[str, bytes] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Canonical JSON. Raises MalformedFile for values that the format does not have."""
        if self.decision not in KINDS or not 0 <= self.effective <= MAX_TIME or not is_prose(self.reason):
            raise MalformedFile("not a decision: lift or trigger, a time before the year 10000, and plain text")
        if any(not is_name(name) or len(signature) not in SIGNATURE_SIZES for name, signature in self.signatures.items()):
            raise MalformedFile("not a decision: a signature has no name, or not the length of one")
        rows = [{"party": name, "signature": self.signatures[name].hex()} for name in sorted(self.signatures)]
        return to_json(
            {
                "agreement": self.agreement.hex(), "decision": self.decision, "effective": self.effective,
                "format": FORMAT, "reason": self.reason, "signatures": rows,
            }
        )  # fmt: skip

    @staticmethod
    def decode(data: bytes) -> Decision:
        """Inverse of :meth:`encode`, byte for byte. Raises MalformedFile for anything else."""
        hint = "write it with `standstill decision make` and `standstill decision sign`"
        if len(data) > DECISION_LIMIT:
            raise MalformedFile(f"a decision larger than {DECISION_LIMIT} bytes", hint=hint)
        try:
            value: Any = from_json(data)
            effective, decision, reason = value["effective"], value["decision"], value["reason"]
            rows = {str(row["party"]): bytes.fromhex(row["signature"]) for row in value["signatures"]}
            if type(effective) is not int or type(decision) is not str or type(reason) is not str:
                raise ValueError("types")
            result = Decision(bytes.fromhex(value["agreement"]), decision, effective, reason, rows)
            good = len(result.agreement) == 32 and result.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MalformedFile):
            good = False
        if not good:
            raise MalformedFile("not a canonical decision file", hint=hint)
        return result

    def check(self, agreement: Agreement, keys: Sequence[Agreement] = ()) -> None:
        """Check that enough of the agreement's deciders have signed, and nobody else.

        Args:
            keys: the agreement with each set of keys that was in force, as a log has them; none: with its own.

        Raises:
            ClaimRejected: check ``decision``: about another agreement, one without deciders, or too few signatures.
            BadSignature: a signature that does not verify, or of a party that does not decide.
        """
        if self.agreement != agreement.digest:
            raise ClaimRejected("decision", "it is about another agreement")
        if agreement.pause is None:
            raise ClaimRejected("decision", "the agreement names nobody who decides")
        for name, signature in self.signatures.items():
            if name not in agreement.pause.deciders:
                raise BadSignature(f"the decision is signed by {name!r}, who does not decide")
            signed_by_any(keys or (agreement,), f"{name} on the decision", name, signature, decision_message(self))
        if len(self.signatures) < agreement.pause.quorum:
            raise ClaimRejected("decision", f"signed by {len(self.signatures)}, and {agreement.pause.quorum} must sign")

    @property
    def content(self) -> Content:
        """What is decided, whoever has signed it."""
        return (self.decision, self.effective, hashlib.sha256(self.reason.encode()).digest())

    def lines(self) -> list[str]:
        """The decision in words."""
        return [
            f"decision    {self.decision}",
            f"agreement   {self.agreement.hex()}",
            f"effective   {format_time(self.effective)}",
            f"reason      {self.reason}",
            *(f"signed by   {name}" for name in sorted(self.signatures)),
        ]


def decision_message(decision: Decision) -> bytes:
    """What a decider signs."""
    out = Writer()
    out.uint(len(DECISION_DOMAIN), 2)
    out.raw(DECISION_DOMAIN)
    out.raw(decision.agreement)
    out.uint(KINDS[decision.decision], 1)
    out.uint(decision.effective, 8)
    out.text(decision.reason)
    return out.data


def sign_decision(key: SigningKey, decision: Decision, agreement: Agreement, keys: Sequence[Agreement] = ()) -> Decision:
    """The decision with the signature of the decider whose key this is; one that is there stays.

    Args:
        keys: as of :meth:`Decision.check`, for the signatures that are there.

    Raises:
        BadSignature: the key is no decider's, or a signature that is there does not verify.
        ClaimRejected: the decision is about another agreement, or nobody decides.
    """
    if agreement.pause is None or decision.agreement != agreement.digest:
        raise ClaimRejected("decision", "the decision is about another agreement, or this one names nobody who decides")
    public = key.public_key().public_bytes_raw()
    names = [name for name in agreement.pause.deciders if agreement.party(name).key == public]
    if not names:
        raise BadSignature("this key is no decider's", "sign with the key of a party in [pause] deciders")
    for name, signature in decision.signatures.items():
        if name not in agreement.pause.deciders:
            raise BadSignature(f"the decision is signed by {name!r}, who does not decide")
        signed_by_any(keys or (agreement,), f"{name} on the decision", name, signature, decision_message(decision))
    if names[0] in decision.signatures:
        return decision
    return replace(decision, signatures={**decision.signatures, names[0]: key.sign(decision_message(decision))})


def decision_entry(decision: Decision, decider: str, key: SigningKey) -> DecisionEntry:
    """A decider's entry of a decision for the log, signed. Whether the key is the decider's is for ``check_entry``."""
    kind, effective, reason = decision.content
    return sign_entry(key, DecisionEntry(decision.agreement, decider, KINDS[kind], effective, reason))
