"""Evidence that a lab's claim lists a meter as lost without a head, and that the meter signed one for that period.

A lab that gave such a head out cannot disown it by calling the meter lost. FORMATS.md section 6.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from claims.agreement.model import Agreement
from claims.agreement.signatures import ledger_head_message, registry_head_message
from claims.base.canonical import Reader, from_json, head_from_hex, head_to_hex, is_name, to_json
from claims.base.ed25519 import check_signature
from claims.base.errors import BadSignature, MalformedFile
from claims.claim.file import Claim, MeterHead
from claims.claim.keys import under_any
from claims.claim.lists import LOST_METER, Lists
from claims.claim.losses import NO_HEAD

__all__ = ["FORMAT", "HiddenHead", "hidden_heads"]

FORMAT = "standstill-lost-head-evidence/1"

Head = tuple[int, ...]


@dataclass(frozen=True)
class HiddenHead:
    """A claim's signed lists, in which a meter is lost and signed nothing, and a head that this meter signed.

    Attributes:
        lists: of the claim, as in its file; ``head``: its registry's head after the period; ``lab_signature``: of both.
        meter_head: the ledger head; ``digest``: the meter's roots digest, 32 bytes; ``meter_signature``: of both.
    """

    agreement: bytes
    lab: str
    meter: str
    period: int
    lists: bytes
    head: Head
    lab_signature: bytes
    meter_head: Head
    digest: bytes
    meter_signature: bytes

    @property
    def text(self) -> str:
        """What it says, if it checks."""
        return f"meter {self.lab}/{self.meter} signed a head for period {self.period}, and the lab's claim lists it as lost without one"

    def against(self, agreement: Agreement) -> tuple[str, int]:
        """The lab and the period whose claim it spoils."""
        return self.lab, self.period

    def by_meter(self, agreement: Agreement) -> tuple[str, int]:
        """The meter whose key it rests on, and the last epoch that it is about."""
        return self.meter, agreement.period_epochs(self.period)[1]

    def check(self, agreement: Agreement, keys: Sequence[Agreement] = ()) -> None:
        """Check the lists and both signatures.

        Args:
            keys: the agreement with each set of keys by which the meter's may verify: lab and meter signed at different times.

        Raises:
            BadSignature: one does not verify, the meter itself is not listed as lost without a head, or it is another agreement.
            ClaimRejected: the lab or meter is not in the agreement. MalformedFile: the lists are not a claim's.
        """
        read = Reader(self.lists)
        lists = Lists.read(read, self.period)
        read.end()
        hidden = any((loss.kind, loss.name, loss.signed) == (LOST_METER, self.meter, False) for loss in lists.losses)
        if agreement.digest != self.agreement or not hidden:
            raise BadSignature("the evidence is about another agreement, or its lists have no such loss")
        lab, digest = agreement.lab(self.lab), hashlib.sha256(self.lists).digest()
        message = registry_head_message(self.agreement, self.lab, self.period, self.head, digest)
        check_signature(f"lab {lab.name}", agreement.party(lab.name).key, self.lab_signature, message)
        message = ledger_head_message(self.agreement, self.lab, self.meter, self.period, self.meter_head, self.digest)

        def by_meter(terms: Agreement) -> None:
            key = terms.lab(self.lab).meter(self.meter).whole_key
            check_signature(f"meter {self.meter}", key, self.meter_signature, message)

        under_any(keys or (agreement,), by_meter)

    def encode(self) -> bytes:
        """Canonical JSON (FORMATS.md section 6)."""
        return to_json({
            "agreement": self.agreement.hex(), "format": FORMAT, "lab": self.lab, "meter": self.meter, "period": self.period,
            "listed": {"head": head_to_hex(self.head), "lists": self.lists.hex(), "signature": self.lab_signature.hex()},
            "signed": {"digest": self.digest.hex(), "head": head_to_hex(self.meter_head), "signature": self.meter_signature.hex()},
        })  # fmt: skip

    @staticmethod
    def decode(data: bytes) -> HiddenHead:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything else."""
        try:
            value: Any = from_json(data)
            listed, signed = value["listed"], value["signed"]
            found = HiddenHead(
                bytes.fromhex(value["agreement"]), value["lab"], value["meter"], value["period"],
                bytes.fromhex(listed["lists"]), head_from_hex(listed["head"]), bytes.fromhex(listed["signature"]),
                head_from_hex(signed["head"]), bytes.fromhex(signed["digest"]), bytes.fromhex(signed["signature"]),
            )  # fmt: skip
            good = is_name(found.lab) and is_name(found.meter) and type(found.period) is int and 0 <= found.period < 2**24
            good = good and len(found.agreement) == len(found.digest) == 32 and found.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MalformedFile):
            good = False
        if not good:
            raise MalformedFile("not a canonical evidence file")
        return found


def hidden_heads(claim: Claim, heads: Iterable[MeterHead]) -> list[HiddenHead]:
    """Heads of meters that the claim lists as lost without one, signed for its period; signatures are not checked yet."""
    bare = {one.name for one in claim.meters if one.head == NO_HEAD}
    lost = {loss.name for loss in claim.losses if loss.kind == LOST_METER and not loss.signed and loss.name in bare}
    return [
        HiddenHead(
            claim.agreement_digest, claim.lab, one.name, claim.period, claim.lists.encode(), claim.head_after, claim.registry_signature,
            one.head, one.roots_digest, one.signature,
        )
        for one in heads if one.name in lost and (one.head, one.signature) != (NO_HEAD, bytes(64))
    ]  # fmt: skip
