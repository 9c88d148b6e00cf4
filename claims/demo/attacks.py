"""Cheating, tried out: claims that are forged, replayed, cut or relabelled, and what the verifier says to each.

The cheat holds the lab's key throughout and signs everything anew; what it lacks is the meters' keys and a true proof.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from claims.agreement.model import Agreement
from claims.agreement.signatures import AgreementSignatures, sign_ledger_head
from claims.base.errors import ClaimRejected
from claims.claim.evidence import Equivocation, find_equivocations
from claims.claim.file import Claim, MeterHead, sign_claim
from claims.claim.records import IDLE, LedgerSecrets, Reading, fresh_elements
from claims.demo.labs import DemoLab
from claims.lab.meter import ledger_head
from claims.verify.claim import verify_claim
from claims.verify.report import Verdict

__all__ = ["Attempt", "Attacker", "attempts", "stopped_by"]


@dataclass(frozen=True)
class Attempt:
    """One attempt to cheat. ``expected``: the check that should reject it, or the kind of what is missing for it to be proven."""

    title: str
    expected: str
    run: Callable[[], Verdict]

    def outcome(self) -> tuple[str, str] | None:
        """What stopped it, as :func:`stopped_by`."""
        return stopped_by(self.run)


def stopped_by(run: Callable[[], Verdict]) -> tuple[str, str] | None:
    """The check that rejects a claim, or the kind of what is missing first, and the reason; None if the claim is proven."""
    try:
        verdict = run()
    except ClaimRejected as error:
        return error.check, error.what
    return None if verdict.proven else (verdict.missing[0].kind, verdict.missing[0].what)


@dataclass
class Attacker:
    """A lab that cheats in its last period, with what it has at hand.

    Attributes:
        lab: whose key and store it has.
        claims: its true claims, by period, the last two of them used.
        other: another lab's true claim for the same period.
    """

    lab: DemoLab
    agreement: Agreement
    signatures: AgreementSignatures
    claims: Sequence[Claim]
    other: Claim

    @property
    def claim(self) -> Claim:
        """The true claim of the period."""
        return self.claims[-1]

    def verify(self, claim: Claim, *, previous: bool = True, agreement: Agreement | None = None) -> Verdict:
        """What every other party would do with the claim, signed by the cheat."""
        data = sign_claim(claim, self.lab.key).encode()
        before = [self.claims[-2].encode()] if previous else []
        return verify_claim(
            data,
            agreement or self.agreement,
            signatures=self.signatures,
            previous=before,
            previous_accepted=True,
        )

    def changed(self, **values: object) -> Verdict:
        """Verify the true claim with fields replaced."""
        return self.verify(dataclasses.replace(self.claim, **values))  # type: ignore[arg-type]

    def hidden_run(self) -> tuple[str, tuple[int, ...]]:
        """A ledger in which the meter's busiest checkpoint was idle: the meter's name and the forged head."""
        period, name = self.claim.period, self.claim.meters[0].name
        readings = self.lab.store.readings(period, name)
        busiest = max((r for r in readings if r.tag != IDLE), key=lambda r: r.work, default=readings[0])
        forged = [Reading(r.epoch, IDLE, r.chip_seconds, 0) if r.tag == busiest.tag else r for r in readings]
        meter = self.agreement.lab(self.lab.plan.name).meter(name)
        blinding = LedgerSecrets(fresh_elements(), fresh_elements())
        return name, ledger_head(self.agreement, meter, period, forged, blinding)

    def with_forged_ledger(self, *, meter_bribed: bool) -> Claim:
        """The claim with the first meter's head replaced; signed by the lab, or by the meter itself."""
        name, head = self.hidden_run()
        key = self.lab.key
        if meter_bribed:
            from claims.base.keys import load_key_file

            key = load_key_file(self.lab.folder / f"meter-{name}.key", lambda: b"")
        roots = self.claim.meters[0].roots_digest
        signature = sign_ledger_head(key, self.agreement.digest, self.lab.plan.name, name, self.claim.period, head, roots)
        meters = (MeterHead(name, head, roots, signature), *self.claim.meters[1:])
        return sign_claim(dataclasses.replace(self.claim, meters=meters), self.lab.key)

    def two_heads(self) -> list[Equivocation]:
        """The evidence that a bribed meter leaves: two heads under its own signature. Each is checked."""
        found = find_equivocations(self.claim, self.with_forged_ledger(meter_bribed=True))
        for item in found:
            item.check(self.agreement)
        return found


def _flip(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _truncated(attacker: Attacker) -> Verdict:
    data = attacker.claim.encode()[:-1000]
    return verify_claim(data, attacker.agreement, signatures=attacker.signatures)


def _raised_cap(attacker: Attacker) -> Verdict:
    labs = tuple(
        dataclasses.replace(lab, caps=dataclasses.replace(lab.caps, total=lab.caps.total * 100))
        for lab in attacker.agreement.labs
    )
    lenient = dataclasses.replace(attacker.agreement, labs=labs)
    return attacker.verify(dataclasses.replace(attacker.claim, agreement_digest=lenient.digest))


def _relabelled(attacker: Attacker) -> Verdict:
    old, now = attacker.claims[-2], attacker.claim
    return attacker.verify(
        dataclasses.replace(old, period=now.period, first_epoch=now.first_epoch, last_epoch=now.last_epoch)
    )


def attempts(attacker: Attacker) -> list[Attempt]:
    """Every attempt, with the check that should stop it."""
    true, invented = attacker.claim, fresh_elements()
    return [
        Attempt("one bit of the proof is changed", "proof", lambda: attacker.changed(proof=_flip(true.proof))),
        Attempt("the end of the file is missing", "format", lambda: _truncated(attacker)),
        Attempt(
            f"the proof of another lab, handed in as {attacker.lab.plan.title}'s",
            "proof",
            lambda: attacker.changed(proof=attacker.other.proof),
        ),
        Attempt("last period's claim, with this period's date on it", "signatures", lambda: _relabelled(attacker)),
        Attempt(
            "last period's proof under this period's signatures",
            "proof",
            lambda: attacker.changed(proof=attacker.claims[-2].proof),
        ),
        Attempt("a meter is left out", "meters", lambda: attacker.changed(meters=true.meters[1:])),
        Attempt(
            "the busiest job is rewritten as idle time; the lab signs for the meter",
            "signatures",
            lambda: attacker.verify(attacker.with_forged_ledger(meter_bribed=False)),
        ),
        Attempt(
            "the same, and the meter's own key is bribed to sign",
            "proof",
            lambda: attacker.verify(attacker.with_forged_ledger(meter_bribed=True)),
        ),
        Attempt(
            "history starts afresh: another registry before this period",
            "continuity",
            lambda: attacker.changed(head_before=invented),
        ),
        Attempt(
            "the checkpoints after this period are swapped for others",
            "proof",
            lambda: attacker.changed(head_after=invented),
        ),
        Attempt("the claim rests on an agreement with a hundredfold cap", "agreement", lambda: _raised_cap(attacker)),
        Attempt(
            "last period's claim is withheld from the verifier",
            "previous",
            lambda: attacker.verify(true, previous=False),
        ),
    ]
