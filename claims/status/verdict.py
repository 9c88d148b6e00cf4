"""The verdict on a claim in a publication folder: the row of ``standstill status``, put as a verdict."""

from __future__ import annotations

import hashlib
import os

from claims.agreement.model import Agreement
from claims.base.errors import ClaimRejected
from claims.base.units import format_time
from claims.claim.file import Claim
from claims.status.compute import compute
from claims.status.model import Row, State
from claims.verify.claim import parse_claim
from claims.verify.log import late_notes
from claims.verify.report import Missing, Verdict

__all__ = ["verdict_of", "verify_in_folder"]


def verify_in_folder(
    data: bytes, folder: str | os.PathLike[str], *, now: int, memory: str | os.PathLike[str] | None = None, expect: bytes | None = None,
    jobs: int = 1,
) -> Verdict:  # fmt: skip
    """Verify a claim file with everything that a publication folder holds. Arguments and errors are those of ``compute``."""
    state = compute(folder, now=now, memory=memory, expect=expect, jobs=jobs)
    digest = hashlib.sha256(data).digest()
    try:
        claim = parse_claim(data)
        row = next((row for row in state.rows if (row.agreement, row.lab, row.period) == _place(claim)), None)
        if row is None:
            missing = _without_row(state, claim)
            return Verdict(state.agreement, claim.lab, claim.period, digest, missing=(missing,))
        if row.logged not in (None, digest):
            raise ClaimRejected("log", "the log's entry is about another claim file")
    except ClaimRejected as error:
        return Verdict(state.agreement, None, None, digest, rejected=error)
    if row.claim is None and row.logged == digest:
        what = "this claim file in the folder: it is the one that the log names"
        return Verdict(state.agreement_of(row), row.lab, row.period, digest, missing=(Missing("claim", what, "", "put it into claims/"),))
    if row.claim is not None and row.claim != digest:
        what = f"this claim file in the folder; there, {row.claim.hex()} is the lab's claim for the period"
        return Verdict(state.agreement, row.lab, row.period, digest, missing=(Missing("claim", what),))
    return verdict_of(state, row, digest)


def verdict_of(state: State, row: Row, digest: bytes) -> Verdict:
    """A row as a verdict on its claim, whose SHA-256 is ``digest``."""
    rejected, missing = None, ()
    if row.state == "rejected" or row.against is not None:
        check, reason = row.against or (row.check or "evidence", row.reason)
        rejected = ClaimRejected(check, reason.removeprefix(f"{check}: "))
    elif row.state not in ("proven", "over") and not (row.state == "lifted" and row.proof is not None):
        missing = (Missing(row.state, f"the claim is {row.state}: {row.reason}"),)
    agreement, seen = state.agreement_of(row), state.log_seen(row)
    return Verdict(
        agreement, row.lab, row.period, digest, rejected, missing, (*row.lost, *late_notes(seen, agreement, row.period)), seen,
        row.inspected, row.proof, row.state, row.limits, row.overs, row.moved, row.transfers, row.over_here, row.power,
    )  # fmt: skip


def _place(claim: Claim) -> tuple[bytes, str, int]:
    return claim.agreement_digest, claim.lab, claim.period


def _without_row(state: State, claim: Claim) -> Missing:
    """Why a claim has no row. Raises ClaimRejected where it is about nothing that the folder's agreements have."""
    agreement: Agreement = state.agreement
    oldest = state.chain[0]
    known = claim.agreement_digest in {item.digest for item in state.chain}
    if not known and oldest.amends is not None and claim.period < oldest.first_period:
        what = f"the agreement that held in period {claim.period}: {oldest.amends.digest.hex()}, or one before it"
        return Missing("amended", what, "it usually lies in agreements/ of the publication folder", "ask another mirror for it")
    if claim.agreement_digest != agreement.digest and not (known and claim.period < agreement.first_period):
        what = f"the claim is about agreement {claim.agreement_digest.hex()}, this one is {agreement.digest.hex()}"
        raise ClaimRejected("agreement", what)
    if known and claim.agreement_digest != agreement.digest:
        return Missing("unsigned", "; ".join(state.why))
    lab = agreement.lab(claim.lab)
    begin = agreement.period_span(claim.period)[0]
    if claim.period < lab.since_period:
        raise ClaimRejected("period", f"lab {lab.name} claims from period {lab.since_period} on, this is {claim.period}")
    if state.now < begin:
        return Missing("period", f"the end of the period: it begins at {format_time(begin)}, and this clock says {format_time(state.now)}")
    return Missing("unsigned", f"an agreement in force: this one is {state.life.state}: {state.life.reason}")
