"""What an accepted claim shows, what it does not, and what the verifier left out: as text and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claims.agreement import Agreement, Lab
from claims.canonical import head_to_hex
from claims.units import format_time, format_work

if TYPE_CHECKING:
    from zk.security import SecurityReport

__all__ = ["NOT_SHOWN", "Evidence", "VerificationReport", "rejection", "shown"]

NOT_SHOWN = (
    "that no undeclared chip exists",
    "that a meter measures truly",
    "that a declared parent or balance is the true one",
    "that a weights digest is what sat in memory",
    "that unattributed work was not training",
    "that no other party trained part of the model",
)
"""What no claim shows: inventory, hardware and inspection are for that."""


def shown(agreement: Agreement, lab: Lab, period: int) -> list[str]:
    """What an accepted claim of a lab for a period shows, in words."""
    caps, rules, count = lab.caps_at(period), agreement.rules_at(period), len(lab.meters)
    residue = ", unattributed work since the agreement began included" if rules.charge_residue else ""
    work = "every chip-second charged at the class peak" if rules.charge_peak else "work as the meters signed it"
    out = [
        f"{'the one meter' if count == 1 else f'all {count} meters'} accounted for every chip-second; {work}",
        f"total compute of the period: at most {format_work(caps.total)}",
        f"unattributed compute of the period: at most {format_work(caps.unattributed)}",
        f"cumulative compute behind every checkpoint of the period: at most {format_work(caps.lineage)}{residue}",
    ]
    if caps.freeze is not None:
        out.append(f"every checkpoint that was trained further: at most {format_work(caps.freeze)} (freeze)")
    return out


@dataclass(frozen=True)
class Evidence:
    """What was checked besides the proof.

    Attributes:
        unsigned_parties: parties whose signature of the agreement is missing.
        signatures_checked: whether meters' and lab's signatures were checked.
        continuity: "opening head", "previous claim" or "not checked".
        oldest_previous: period of the oldest previous claim that was given.
        previous_proofs_skipped: previous proofs were taken as accepted before.
        log: "none agreed", "not checked", "checked", or "previous not checked": an earlier claim's agreement has another log.
    """

    unsigned_parties: tuple[str, ...]
    signatures_checked: bool
    continuity: str
    oldest_previous: int | None
    previous_proofs_skipped: bool
    log: str = "none agreed"


@dataclass(frozen=True)
class VerificationReport:
    """An accepted claim. ``proven``: nothing that a verifier can check was left out."""

    agreement: Agreement
    lab: Lab
    period: int
    head_after: tuple[int, ...]
    evidence: Evidence
    security: SecurityReport
    claim_bytes: int
    proof_bytes: int
    seconds: float

    @property
    def proven(self) -> bool:
        """Whether agreement, signatures and continuity were all checked."""
        return not self.limitations()

    def limitations(self) -> list[str]:
        """What this verification left out, on demand of its caller."""
        out = []
        if self.evidence.continuity == "not checked":
            out.append("continuity: NOT CHECKED: the lab may have started from a registry of its own invention")
        if self.evidence.log == "not checked":
            out.append("log: NOT CHECKED: the readings may have been committed to only after the fact")
        if self.evidence.log == "previous not checked":
            out.append("log: NOT CHECKED for the previous claims whose agreement has another log")
        if not self.evidence.signatures_checked:
            out.append("signatures: NOT CHECKED: anybody may have made these heads")
        elif self.evidence.unsigned_parties:
            out.append(f"agreement: NOT SIGNED by {', '.join(self.evidence.unsigned_parties)}")
        return out

    def continuity_text(self) -> str:
        """One line on the head before."""
        oldest = self.evidence.oldest_previous
        skipped = " (their proofs taken as accepted before)" if self.evidence.previous_proofs_skipped else ""
        if self.evidence.continuity == "opening head":
            if oldest is None:
                return "checked: starts at the agreement's opening head"
            return f"checked: an unbroken chain of claims from the opening head, period {oldest} on{skipped}"
        if self.evidence.continuity == "previous claim":
            return f"checked: an unbroken chain of claims from period {oldest} on, which you accepted before"
        return "NOT CHECKED"

    def shown(self) -> list[str]:
        """What the claim shows, in words."""
        return shown(self.agreement, self.lab, self.period)

    def span(self) -> tuple[str, str]:
        """Begin and end of the period as RFC 3339."""
        first, last = self.agreement.period_epochs(self.period)
        begin = self.agreement.start + first * self.agreement.epoch_seconds
        return format_time(begin), format_time(self.agreement.start + (last + 1) * self.agreement.epoch_seconds)

    def lines(self) -> list[str]:
        """The report as plain text, the result first."""
        begin, end = self.span()
        out = [
            "ACCEPTED" if self.proven else "ACCEPTED, NOT PROVEN",
            *(f"  ! {line}" for line in self.limitations()),
            f"lab         {self.lab.name}",
            f"period      {self.period} ({begin} to {end})",
            f"agreement   {self.agreement.name} {self.agreement.digest.hex()}",
            f"proven      {'yes' if self.proven else 'no'}",
            f"continuity: {self.continuity_text()}",
            "shows",
            *(f"  + {line}" for line in self.shown()),
            "does not show",
            *(f"  - {line}" for line in NOT_SHOWN),
            "security",
            *(f"  {line}" for line in self.security.lines() if not line.startswith(" ")),
            f"size        claim {self.claim_bytes} bytes, of which proof {self.proof_bytes}",
            f"time        {self.seconds:.2f} s",
        ]
        return out

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        begin, end = self.span()
        return {
            "accepted": True,
            "proven": self.proven,
            "lab": self.lab.name,
            "period": self.period,
            "begin": begin,
            "end": end,
            "agreement": {"name": self.agreement.name, "digest": self.agreement.digest.hex()},
            "agreement_unsigned_parties": list(self.evidence.unsigned_parties),
            "signatures_checked": self.evidence.signatures_checked,
            "continuity": {"result": self.evidence.continuity, "text": self.continuity_text()},
            "head_after": head_to_hex(self.head_after),
            "limitations": self.limitations(),
            "shows": self.shown(),
            "does_not_show": list(NOT_SHOWN),
            "security_bits": {
                "unique_decoding": round(self.security.unique_decoding.bits, 1),
                "johnson": round(self.security.johnson.bits, 1),
                "query_grinding": self.security.query_grinding,
                "round_grinding": self.security.round_grinding,
            },
            "claim_bytes": self.claim_bytes,
            "proof_bytes": self.proof_bytes,
            "seconds": round(self.seconds, 3),
        }


def rejection(check: str, reason: str) -> dict[str, Any]:
    """JSON values for a rejected claim."""
    return {"accepted": False, "proven": False, "check": check, "reason": reason}
