"""What each key signs, and the agreement's signatures file.

Every message starts with a domain tag of its own, so that no signature can stand for another (FORMATS.md section 3).
Signatures are Ed25519 (RFC 8032), of hybrid keys with ML-DSA-44 beside it (claims/base/hybrid.py). Checking one needs the package
``cryptography``, imported only then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from claims.agreement.model import Agreement
from claims.base.canonical import Writer, from_json, to_json
from claims.base.ed25519 import check_signature
from claims.base.errors import BadSignature, MalformedFile
from claims.base.hybrid import SIGNATURE_SIZES, SigningKey

__all__ = [
    "AgreementSignatures",
    "agreement_message",
    "allowance_message",
    "claim_message",
    "epoch_root_message",
    "epoch_root_messages",
    "ledger_head_message",
    "owners",
    "registry_head_message",
    "sign_agreement",
    "sign_ledger_head",
    "sign_registry_head",
]

AGREEMENT_DOMAIN = b"standstill/sign/agreement/v1"
LEDGER_DOMAIN = b"standstill/sign/ledger-head/v2"
EPOCH_DOMAIN = b"standstill/sign/epoch-root/v1"
REGISTRY_DOMAIN = b"standstill/sign/registry-head/v1"
CLAIM_DOMAIN = b"standstill/sign/claim/v1"
ALLOWANCE_DOMAIN = b"standstill/sign/allowance/v1"
SIGNATURES_FORMAT = "standstill-agreement-signatures/1"

Head = tuple[int, ...]


def _message(domain: bytes) -> Writer:
    out = Writer()
    out.uint(len(domain), 2)
    out.raw(domain)
    return out


def agreement_message(digest: bytes) -> bytes:
    """What a party signs: its assent to the agreement with this digest."""
    out = _message(AGREEMENT_DOMAIN)
    out.raw(digest)
    return out.data


def ledger_head_message(
    agreement_digest: bytes, lab: str, meter: str, period: int, head: Head, roots_digest: bytes
) -> bytes:
    """What a meter signs once per period: its ledger's head, and the digest of its epoch roots (32 bytes)."""
    out = _message(LEDGER_DOMAIN)
    out.raw(agreement_digest)
    out.name(lab)
    out.name(meter)
    out.uint(period, 4)
    out.head(head)
    if len(roots_digest) != 32:
        raise MalformedFile("a roots digest has 32 bytes")
    out.raw(roots_digest)
    return out.data


def epoch_root_message(agreement_digest: bytes, lab: str, meter: str, epoch: int, root: bytes) -> bytes:
    """What a meter signs for each epoch: the root over its salted readings (claims/claim/commitments.py)."""
    if len(root) != 32 or type(epoch) is not int or not 0 <= epoch < 2**32:
        raise MalformedFile(f"a root of {len(root)} bytes, of epoch {epoch!r}: it has 32 bytes, and an epoch fits in 4")
    return epoch_root_messages(agreement_digest, lab, meter, [(epoch, root)])[0]


def epoch_root_messages(agreement_digest: bytes, lab: str, meter: str, roots: Iterable[tuple[int, bytes]]) -> list[bytes]:
    """As :func:`epoch_root_message`, of many epochs and their roots, which are known to be ones."""
    out = _message(EPOCH_DOMAIN)
    out.raw(agreement_digest)
    out.name(lab)
    out.name(meter)
    start = out.data
    return [start + epoch.to_bytes(4, "big") + root for epoch, root in roots]


def registry_head_message(agreement_digest: bytes, lab: str, period: int, head_after: Head, lists: bytes) -> bytes:
    """What a lab signs once per period: its registry's head after it, and the digest of what its claim lists (32 bytes)."""
    out = _message(REGISTRY_DOMAIN)
    out.raw(agreement_digest)
    out.name(lab)
    out.uint(period, 4)
    out.head(head_after)
    if len(lists) != 32:
        raise MalformedFile("a digest of what a claim lists has 32 bytes")
    out.raw(lists)
    return out.data


def claim_message(body_digest: bytes) -> bytes:
    """What a lab signs: the SHA-256 of a claim file up to this signature."""
    out = _message(CLAIM_DOMAIN)
    out.raw(body_digest)
    return out.data


def allowance_message(agreement_digest: bytes, giver: str, receiver: str, period: int, serial: int, amount: int) -> bytes:
    """What a lab signs to accept another lab's transfer of cap (units of 10^12 FLOP) for a period."""
    out = _message(ALLOWANCE_DOMAIN)
    out.raw(agreement_digest)
    out.name(giver)
    out.name(receiver)
    out.uint(period, 4)
    out.uint(serial, 4)
    out.uint(amount, 8)
    return out.data


def sign_ledger_head(
    key: SigningKey, agreement_digest: bytes, lab: str, meter: str, period: int, head: Head, roots_digest: bytes
) -> bytes:
    """A meter's signature, 64 or 2,484 bytes."""
    return key.sign(ledger_head_message(agreement_digest, lab, meter, period, head, roots_digest))


def sign_registry_head(
    key: SigningKey, agreement_digest: bytes, lab: str, period: int, head: Head, lists: bytes
) -> bytes:
    """A lab's signature of its after-head and the digest of what its claim lists, 64 or 2,484 bytes."""
    return key.sign(registry_head_message(agreement_digest, lab, period, head, lists))


@dataclass(frozen=True)
class AgreementSignatures:
    """The parties' signatures of one agreement. ``signatures``: party name to 64 or 2,484 bytes."""

    agreement: bytes
    signatures: dict[str, bytes]

    def encode(self) -> bytes:
        """Canonical JSON, parties sorted (FORMATS.md section 4)."""
        rows = [{"party": name, "signature": self.signatures[name].hex()} for name in sorted(self.signatures)]
        return to_json({"agreement": self.agreement.hex(), "format": SIGNATURES_FORMAT, "signatures": rows})

    @staticmethod
    def decode(data: bytes) -> AgreementSignatures:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything that it would not write."""
        try:
            value: Any = from_json(data)
            rows = {str(row["party"]): bytes.fromhex(row["signature"]) for row in value["signatures"]}
            result = AgreementSignatures(bytes.fromhex(value["agreement"]), rows)
            good = result.encode() == data and len(result.agreement) == 32
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            good = False
        if not good or any(len(signature) not in SIGNATURE_SIZES for signature in rows.values()):
            raise MalformedFile("not a canonical agreement signatures file", hint="write it with `standstill agreement sign`")
        return result

    def missing(self, agreement: Agreement) -> list[str]:
        """Check every signature and name the parties that have not signed.

        Raises:
            BadSignature: for another agreement, by no party, or not verifying.
        """
        if self.agreement != agreement.digest:
            raise BadSignature("the signatures file is about another agreement")
        keys = {party.name: party.key for party in agreement.as_signed.parties}
        for name, signature in self.signatures.items():
            if name not in keys:
                raise BadSignature(f"the signatures file names {name!r}, which is not a party")
            check_signature(f"party {name} on the agreement", keys[name], signature, agreement_message(agreement.digest))
        return sorted(keys.keys() - self.signatures.keys())


def owners(agreement: Agreement) -> dict[bytes, list[str]]:
    """Every public key of an agreement, and whose it is, in words; one key may be several things."""
    found: dict[bytes, list[str]] = {}
    keys = [(party.key, f"party {party.name}") for party in agreement.parties]
    keys += [(party.cosign_key, f"{party.name}, cosigning") for party in agreement.parties if party.cosign_key is not None]
    keys += [(witness.key, f"witness {witness.name}") for witness in agreement.witnesses]
    keys += [(agreement.log.key, "the log")] if agreement.log is not None else []
    keys += [(meter.whole_key, f"meter {meter.name} of {lab.name}") for lab in agreement.labs for meter in lab.meters]
    keys += [(feed.whole_key, f"feed {feed.name}") for feed in agreement.feeds]
    for key, who in keys:
        found.setdefault(key, []).append(who)
    return found


def sign_agreement(key: SigningKey, agreement: Agreement, known: AgreementSignatures | None) -> AgreementSignatures:
    """Add the signature of the party whose key this is; one that is there stays.

    Raises:
        BadSignature: the key is no party's, or ``known`` is not about this agreement.
    """
    public = key.public_key().public_bytes_raw()
    names = [party.name for party in agreement.as_signed.parties if party.key == public]
    if not names:
        raise BadSignature("this key is no party's", "sign with the key whose public half is in a [[party]]")
    if known is not None:
        known.missing(agreement)
    signatures = dict(known.signatures) if known is not None else {}
    if names[0] not in signatures:
        signatures[names[0]] = key.sign(agreement_message(agreement.digest))
    return AgreementSignatures(agreement.digest, signatures)
