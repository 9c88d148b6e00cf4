"""The verdict on a claim: proven, over a limit, rejected, or incomplete; as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from claims.agreement.model import Agreement
from claims.agreement.terms import Lab
from claims.base.dates import span
from claims.base.errors import ClaimRejected
from claims.base.units import format_time, format_work
from claims.claim.limits import capacity, is_unbounded, limit_values, limit_words, with_limits
from claims.claim.lists import FREEZE, LINEAGE, TOTAL, UNATTRIBUTED, Limit, Over

if TYPE_CHECKING:
    from claims.claim.power import PowerSeen
    from claims.inspection.count import Inspected
    from claims.verify.lateness import Lateness
    from claims.verify.log_state import LogState
    from zk.security import SecurityReport

__all__ = ["FORMAT", "NOT_SHOWN", "OLDER", "LogSeen", "Missing", "Proof", "Verdict", "shown"]

FORMAT = "standstill-verdict/1"
OLDER = "whether the log has gone on since, only another mirror or a memory of it (--log-memory) can tell"
NOT_SHOWN = (
    "that no undeclared chip exists",
    "that a meter measures truly",
    "that a declared parent or balance is the true one",
    "that a weights digest is what sat in memory",
    "that work was booked to the checkpoint it went into",
    "that unattributed work was not training",
    "that no other party trained part of the model",
)
"""What no claim shows: inventory, hardware and inspection are for that."""


def shown(agreement: Agreement, lab: Lab, period: int, limits: Sequence[Limit] = (), moved: int = 0) -> list[str]:
    """What a claim of a lab for a period shows, in words, once its proofs hold.

    ``limits``: those that it states in place of agreed ones; where such a one bounds nothing, nothing is said. ``moved``: what transfers
    that it lists add to its total.
    """
    agreed, rules, count = lab.caps_at(period), agreement.rules_at(period), len(lab.meters)
    caps = with_limits(replace(agreed, total=agreed.total + moved), limits)
    most = capacity(agreement, lab.name) if limits else None
    free = {limit.which for limit in limits if is_unbounded(limit, most)}
    residue = ", unattributed work since the agreement began included" if rules.charge_residue else ""
    work = "every busy one charged at its chip's peak" if rules.charge_peak else "work as the meters signed it"
    trained = caps.lineage if caps.freeze is None else min(caps.freeze, caps.lineage)
    lines = [
        ({TOTAL}, f"total compute of the period: at most {format_work(caps.total)}"),
        ({UNATTRIBUTED}, f"unattributed compute of the period: at most {format_work(caps.unattributed)}"),
        ({LINEAGE}, f"cumulative compute behind every checkpoint of the period: at most {format_work(caps.lineage)}{residue}"),
    ]
    either = {LINEAGE} if caps.freeze is None else {LINEAGE, FREEZE}
    if rules.charge_residue:
        since = f"unattributed compute since the agreement began: at most {format_work(trained)}, if the period added to it"
        lines.append((either, since))
    if caps.freeze is not None:
        lines.append((either, f"every checkpoint that was trained further: at most {format_work(trained)} (freeze)"))
    chips = f"{'the one meter' if count == 1 else f'all {count} meters'} accounted for every chip-second; {work}"
    return [chips, *(line for which, line in lines if not which <= free)]


@dataclass(frozen=True)
class Missing:
    """What a verdict waits for. It accuses nobody.

    Attributes:
        kind: one word for programs (FORMATS.md section 8).
        what: what is missing, and what it is.
        where: where it usually lies; may be empty.
        how: what to do; may be empty.
    """

    kind: str
    what: str
    where: str = ""
    how: str = ""

    def line(self) -> str:
        """One line for people."""
        return ". ".join([self.what, *(part[:1].upper() + part[1:] for part in (self.where, self.how) if part)]) + "."

    def to_json(self) -> dict[str, str]:
        """JSON values."""
        return {"kind": self.kind, "what": self.what, "where": self.where, "how": self.how}


@dataclass(frozen=True)
class LogSeen:
    """The log that a claim was checked with.

    Attributes:
        state: the head in use and its date, and a newer one; its ``size`` is a number.
        cosigners: those that count, with the time of their cosignature of the head in use.
        epochs: the entries of the period's epochs.
        claim: when a quorum had the claim's entry, or None; ``late``: that it came after its deadline is shown.
    """

    state: LogState
    cosigners: tuple[tuple[str, int], ...]
    epochs: Lateness
    claim: int | None
    late: bool = False

    def line(self) -> str:
        """One line for people."""
        names, epochs = ", ".join(name for name, _ in self.cosigners), self.epochs
        in_time = f"{epochs.ended - epochs.late - epochs.undated} of {epochs.ended} {epochs.unit} committed in time"
        return f"{self.state.head()} (cosigned by {names}); {in_time}. Note: {OLDER}"

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            **self.state.to_json(),
            "cosigners": {name: format_time(time) for name, time in self.cosigners},
            "epochs": self.epochs.to_json(),
            "published": None if self.claim is None else format_time(self.claim),
        }


@dataclass(frozen=True)
class Proof:
    """What a cryptographer asks about a claim's proofs, which were verified.

    Attributes:
        continuity: what was checked of the claims before.
        security: of the proof, or of the weakest one of several.
        claim_bytes, proof_bytes: of the claim file, and of its proofs, which are in it or beside it.
        link_bits: at most so many bits join the tables of a lab with sites; None where there is one table.
    """

    continuity: str
    head_after: tuple[int, ...]
    security: SecurityReport
    claim_bytes: int
    proof_bytes: int
    seconds: float
    link_bits: int | None = None


@dataclass(frozen=True)
class Verdict:
    """PROVEN: nothing that a verifier can check was left out. OVER: the same, of a claim that says itself that it is over limits.
    REJECTED: a check failed. INCOMPLETE: something is missing.

    Attributes:
        agreement, lab, period: what the claim is about; lab and period are None where the file does not say.
        claim: SHA-256 of the claim file.
        rejected: the check that failed, or None.
        missing: what the verdict waits for.
        notes: what a reader should know although it decides nothing.
        log: the log it was checked with, or None.
        inspections: every inspection entry of the lab and period in that log.
        proof: of a proof that was verified.
        state: the row's state in a publication folder, or None.
        limits, overs: those that the claim says it is over, and that earlier claims of the lab were over.
        transfers: of cap, that the claim lists, in words; ``moved``: what they add to its total; ``over_here``: why these are not those
            that count by this copy of the log, so that it is over.
        power: how far it was recorded, where the lab has feeds and the log is at hand.
    """

    agreement: Agreement
    lab: str | None
    period: int | None
    claim: bytes
    rejected: ClaimRejected | None = None
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()
    log: LogSeen | None = None
    inspections: tuple[Inspected, ...] = ()
    proof: Proof | None = None
    state: str | None = None
    limits: tuple[Limit, ...] = ()
    overs: tuple[Over, ...] = ()
    moved: int = 0
    transfers: tuple[str, ...] = ()
    over_here: tuple[str, ...] = ()
    power: PowerSeen | None = None

    @property
    def word(self) -> str:
        """PROVEN, OVER, REJECTED or INCOMPLETE."""
        over = "OVER" if self.limits or self.over_here else "PROVEN"
        return "REJECTED" if self.rejected is not None else "INCOMPLETE" if self.missing else over

    @property
    def proven(self) -> bool:
        """Whether the word is PROVEN."""
        return self.word == "PROVEN"

    @property
    def exit_code(self) -> int:
        """Of the command line."""
        return {"PROVEN": 0, "REJECTED": 1, "INCOMPLETE": 3, "OVER": 4}[self.word]

    def shown(self) -> list[str]:
        """What the claim shows, in words; nothing unless it is proven, or over under the limits that it states."""
        if self.word not in ("PROVEN", "OVER") or self.lab is None or self.period is None:
            return []
        return shown(self.agreement, self.agreement.lab(self.lab), self.period, self.limits, self.moved)

    @property
    def _most(self) -> int | None:
        """The lab's capacity, beyond which a stated limit is no bound."""
        return None if self.lab is None or not self.limits else capacity(self.agreement, self.lab)

    def _over(self) -> list[str]:
        """What the claim, and the lab's earlier ones, are over, in words."""
        earlier = [f"in period {over.period}: {limit_words(over)}" for over in self.overs]
        return [limit_words(limit, self._most) for limit in self.limits] + list(self.over_here) + earlier

    def _span(self) -> tuple[int, int] | None:
        """Begin and end of the period, Unix seconds; None where the agreement has no such period."""
        try:
            return self.agreement.period_span(-1 if self.period is None else self.period)
        except ClaimRejected:
            return None

    def lines(self, *, verbose: bool = False) -> list[str]:
        """Plain text, the verdict first. ``verbose``: also what cryptographers ask for."""
        out = [f"REJECTED: {self.rejected}" if self.rejected else self.word]
        if not self.rejected:
            out += [f"  ? {item.line()}" for item in self.missing]
            out += [f"  over: {line}" for line in self._over()]
        out += [f"  ! {line}" for line in self.notes]
        if self.lab is not None:
            out.append(f"lab         {self.lab}")
        if self.period is not None:
            begun = self._span()
            out.append(f"period      {self.period}" + ("" if begun is None else f" ({span(*begun)})"))
        out.append(f"agreement   {self.agreement.name} {self.agreement.digest.hex()}")
        if self.log is not None:
            out.append(f"log         {self.log.line()}")
        out += [f"transfer    {text}" for text in self.transfers]
        if self.power is not None:
            out.append(f"power       {self.power.line()}")
        for item in self.inspections:
            counts = {True: "counts", False: f"does not count: {item.why}", None: f"undecided: {item.why}"}[item.counts]
            out.append(f"inspection  round {item.round}, {item.inspector}: {item.outcome}; {counts}")
        if self.proof is not None and self.proof.link_bits is not None:
            out.append(f"link        at most {self.proof.link_bits} bits between its tables, Poseidon2, conjectural")
        if self.shown():
            out += ["shows", *(f"  + {line}" for line in self.shown())]
            out += ["does not show", *(f"  - {line}" for line in NOT_SHOWN)]
        return out + (self._details() if verbose else [])

    def _details(self) -> list[str]:
        out = [f"claim       SHA-256 {self.claim.hex()}"]
        if self.proof is not None:
            where = "of which proof" if self.proof.link_bits is None else "proofs beside it"
            out += [
                f"continuity  {self.proof.continuity}",
                "security",
                *(f"  {line}" for line in self.proof.security.lines()),
                f"size        claim {self.proof.claim_bytes} bytes, {where} {self.proof.proof_bytes}",
                f"time        {self.proof.seconds:.2f} s",
            ]
        return out

    def to_json(self) -> dict[str, Any]:
        """JSON values (FORMATS.md section 8)."""
        from claims.base.canonical import head_to_hex

        proof, begun = self.proof, self._span()
        return {
            "format": FORMAT,
            "verdict": self.word,
            "check": None if self.rejected is None else self.rejected.check,
            "reason": None if self.rejected is None else self.rejected.what,
            "lab": self.lab,
            "period": self.period,
            "begin": None if begun is None else format_time(begun[0]),
            "end": None if begun is None else format_time(begun[1]),
            "agreement": {"name": self.agreement.name, "digest": self.agreement.digest.hex()},
            "claim": self.claim.hex(),
            "state": self.state,
            "missing": [] if self.rejected else [item.to_json() for item in self.missing],
            "notes": list(self.notes),
            "log": None if self.log is None else self.log.to_json(),
            "inspections": [
                {
                    "inspector": item.inspector, "round": item.round, "outcome": item.outcome, "record": item.record.hex(),
                    "counts": item.counts, "why": item.why,
                }
                for item in self.inspections
            ],
            "transfers": list(self.transfers),
            "over_here": list(self.over_here),
            "power": None if self.power is None else self.power.to_json(),
            "shows": self.shown(),
            "does_not_show": list(NOT_SHOWN) if self.shown() else [],
            "over": [limit_values(limit, self._most) for limit in self.limits],
            "earlier_over": [limit_values(over) for over in self.overs],
            "continuity": None if proof is None else proof.continuity,
            "head_after": None if proof is None else head_to_hex(proof.head_after),
            "security_bits": None if proof is None else {
                "unique_decoding": round(proof.security.unique_decoding.bits, 1),
                "johnson": round(proof.security.johnson.bits, 1),
                "query_grinding": proof.security.query_grinding,
                "round_grinding": proof.security.round_grinding,
            },
            "link_bits": None if proof is None else proof.link_bits,
            "claim_bytes": None if proof is None else proof.claim_bytes,
            "proof_bytes": None if proof is None else proof.proof_bytes,
            "seconds": None if proof is None else round(proof.seconds, 3),
        }  # fmt: skip
