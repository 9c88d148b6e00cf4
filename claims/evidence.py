"""Evidence of equivocation: two different heads that one key signed for the same place.

A meter signs one ledger head per period, a lab one registry head per period. Two are proof of misconduct that
anyone can check with the agreement alone, without either claim being valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from claims.agreement import Agreement
from claims.canonical import from_json, head_from_hex, head_to_hex, to_json
from claims.claim import Claim
from claims.errors import BadSignature, MalformedFile
from claims.signatures import check_signature, ledger_head_message, registry_head_message

__all__ = ["FORMAT", "Equivocation", "find_equivocations"]

FORMAT = "standstill-evidence/2"

Head = tuple[int, ...]
_Signed = tuple[Head, bytes, bytes]


@dataclass(frozen=True)
class Equivocation:
    """Two signed heads. ``meter`` is None where a lab signed two registry heads; ``heads``:
    (head, roots digest, signature), ascending; the digest is empty for a registry head."""

    agreement: bytes
    lab: str
    meter: str | None
    period: int
    heads: tuple[tuple[Head, bytes, bytes], tuple[Head, bytes, bytes]]

    def check(self, agreement: Agreement) -> None:
        """Check both signatures.

        Raises:
            BadSignature: one does not verify, the heads are equal, or the agreement is another.
            ClaimRejected: the lab or meter is not in the agreement.
        """
        if agreement.digest != self.agreement or self.heads[0][:2] == self.heads[1][:2]:
            raise BadSignature("the evidence is about another agreement, or its two heads are equal")
        lab = agreement.lab(self.lab)
        who, key = f"lab {lab.name}", agreement.party(lab.name).key
        if self.meter is not None:
            who, key = f"meter {self.meter}", lab.meter(self.meter).key
        for head, roots, signature in self.heads:
            if self.meter is None:
                message = registry_head_message(self.agreement, self.lab, self.period, head)
            else:
                message = ledger_head_message(self.agreement, self.lab, self.meter, self.period, head, roots)
            check_signature(who, key, signature, message)

    def encode(self) -> bytes:
        """Canonical JSON (FORMATS.md section 6)."""
        heads = [
            {"head": head_to_hex(head), "roots": roots.hex(), "signature": signature.hex()}
            for head, roots, signature in self.heads
        ]
        return to_json(
            {
                "agreement": self.agreement.hex(), "format": FORMAT, "heads": heads,
                "lab": self.lab, "meter": self.meter, "period": self.period,
            }
        )

    @staticmethod
    def decode(data: bytes) -> Equivocation:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything else."""
        try:
            value: Any = from_json(data)
            one, two = (
                (head_from_hex(h["head"]), bytes.fromhex(h["roots"]), bytes.fromhex(h["signature"]))
                for h in value["heads"]
            )
            digest = bytes.fromhex(value["agreement"])
            meter = value["meter"]
            found = Equivocation(digest, value["lab"], meter, value["period"], (one, two))
            if found.encode() != data or not (meter is None or type(meter) is str) or type(value["lab"]) is not str:
                raise ValueError
            if type(found.period) is not int or not 0 <= found.period < 2**24 or len(digest) != 32:
                raise ValueError
            if any(len(head[1]) != (0 if meter is None else 32) for head in found.heads):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MalformedFile):
            raise MalformedFile("not a canonical evidence file") from None
        return found


def find_equivocations(one: Claim, two: Claim) -> list[Equivocation]:
    """Differing heads of two claims for the same agreement, lab and period; signatures are not checked yet."""
    if (one.agreement_digest, one.lab, one.period) != (two.agreement_digest, two.lab, two.period):
        return []
    pairs: list[tuple[str | None, _Signed, _Signed]] = []
    if one.head_after != two.head_after:
        pairs.append((None, (one.head_after, b"", one.registry_signature), (two.head_after, b"", two.registry_signature)))
    others = {meter.name: meter for meter in two.meters}
    for meter in one.meters:
        other = others.get(meter.name)
        if other is not None and (other.head, other.roots_digest) != (meter.head, meter.roots_digest):
            signed = ((m.head, m.roots_digest, m.signature) for m in (meter, other))
            pairs.append((meter.name, *signed))
    result = []
    for name, first, second in pairs:
        low, high = sorted((first, second))
        result.append(Equivocation(one.agreement_digest, one.lab, name, one.period, (low, high)))
    return result
