"""What a site opens of a draw, for its lab's headquarters (``standstill-opening-part/1``): canonical JSON, private, of mode 0600.

Headquarters has no readings of a site whose store it does not hold; it adds paths, slots and the registry's proof, checks all of it as
an inspector does, and signs. FORMATS-inspection.md section I7.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from claims.base.canonical import from_json, is_name, to_json
from claims.base.errors import MalformedFile
from claims.claim.commitments import ReadingOpening
from claims.inspection.binding import MAX_BINDING
from claims.inspection.file import opened_from, opened_values

__all__ = ["PART_LIMIT", "OpeningPart"]

FORMAT = "standstill-opening-part/1"
PART_LIMIT = 160 * 2**20
"""Largest file, bytes."""


@dataclass(frozen=True)
class OpeningPart:
    """Readings of one site, ascending by (epoch, meter, index), and the proof that they stand behind its meters' heads."""

    agreement: bytes
    lab: str
    period: int
    round: int
    site: str
    readings: tuple[tuple[str, ReadingOpening], ...] = field(repr=False)
    proof: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Canonical JSON. Not for publication."""
        return to_json({
            "format": FORMAT, "agreement": self.agreement.hex(), "lab": self.lab, "period": self.period, "round": self.round,
            "site": self.site, "readings": [{"meter": meter} | opened_values(one) for meter, one in self.readings],
            "proof": self.proof.hex(),
        })  # fmt: skip

    @staticmethod
    def decode(data: bytes) -> OpeningPart:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything that it would not write."""
        good = len(data) <= PART_LIMIT
        try:
            value: Any = from_json(data) if good else None
            result = OpeningPart(
                bytes.fromhex(value["agreement"]), value["lab"], value["period"], value["round"], value["site"],
                tuple((row["meter"], opened_from(row)) for row in value["readings"]), bytes.fromhex(value["proof"]),
            )  # fmt: skip
            good = all(is_name(name) for name in (result.lab, result.site, *(meter for meter, _ in result.readings)))
            good = good and len(result.agreement) == 32 and len(result.proof) <= MAX_BINDING and result.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            good = False
        if not good:
            raise MalformedFile("not what a site opened", hint="write it with `standstill building open`")
        return result
