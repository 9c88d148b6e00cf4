"""Verify a claim: everything public is derived from the agreement, only heads are taken from the claim.

Checks, in this order; the first that fails is the reason for rejection (:data:`CHECKS`):

    format      the claim file parses to exactly one canonical claim
    agreement   the claim is about this agreement, which every party has signed
    lab         the claiming lab is a lab of the agreement
    period      the period is one of the agreement's and of the lab's; its epochs match
    meters      the meters are exactly the agreement's, each once, in its order
    signatures  every meter signed its head; the lab signed its head after, and the whole claim
    log         the claim, its roots file and every epoch root are those in the public log, each published once
    continuity  the head before is the opening head, or the head after of the previous period's claim
    proof       the proof shows the statement derived from the agreement

The standard library is enough for all but signatures, which need the package ``cryptography``.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claims.agreement import Agreement, Lab
from claims.claim import Claim, decode_claim
from claims.commitments import lab_epoch_root, roots_digest
from claims.errors import BadSignature, ClaimRejected, MalformedClaim, MalformedFile
from claims.report import Evidence, VerificationReport
from claims.roots import Roots
from claims.signatures import AgreementSignatures, check_signature, ledger_head_message, registry_head_message

if TYPE_CHECKING:
    from circuits.statement import Statement
    from claims.entries import PublishedEntries
    from claims.tlog.checkpoint import LogTrust
    from claims.tlog.reader import LogView
    from zk.security import SecurityReport

__all__ = ["CHECKS", "Policy", "log_trust", "parse_claim", "statement_of", "verify_claim"]

CHECKS = ("format", "agreement", "lab", "period", "meters", "signatures", "log", "continuity", "proof")


@dataclass(frozen=True)
class Policy:
    """What a verifier lets pass, each noted in the report; the default lets nothing pass but an agreed log that is not given.

    Attributes:
        unsigned_agreement: the agreement need not be signed by all parties; the result is never "proven".
        no_continuity: the head before need not be checked; the result is never "proven".
        previous_accepted: the previous claims were accepted earlier, by this verifier: skip their proofs and what came before.
        proof_only: check no signature at all (standard library only); the result is never "proven".
    """

    unsigned_agreement: bool = False
    no_continuity: bool = False
    previous_accepted: bool = False
    proof_only: bool = False


def parse_claim(data: bytes) -> Claim:
    """Check ``format``: :func:`decode_claim`, with ClaimRejected in place of MalformedClaim."""
    try:
        return decode_claim(data)
    except MalformedClaim as error:
        raise ClaimRejected("format", str(error)) from None


def statement_of(agreement: Agreement, claim: Claim) -> Statement:
    """The public statement of a claim whose lab, period and meters are those of the agreement.

    All but ``head``, ``head_before`` and ``head_after`` comes from the agreement.

    Raises:
        ClaimRejected: checks ``lab``, ``period`` or ``meters``.
    """
    from circuits.statement import MeterTerms, Statement, ledger_header, registry_header

    lab = agreement.lab(claim.lab)
    first, last = agreement.period_epochs(claim.period)
    caps, rules = lab.caps_at(claim.period), agreement.rules_at(claim.period)
    if [meter.name for meter in lab.meters] != [meter.name for meter in claim.meters]:
        raise ClaimRejected("meters", _meter_difference(lab, claim))
    meters = tuple(
        MeterTerms(
            header=ledger_header(agreement.digest, lab.name, meter.name, claim.period),
            peak=agreement.chip(meter.chip).peak,
            coverage=agreement.coverage(meter),
            head=signed.head,
        )
        for meter, signed in zip(lab.meters, claim.meters, strict=True)
    )
    return Statement(
        log_rows=lab.log_rows,
        first_epoch=first,
        last_epoch=last,
        total_cap=caps.total,
        unattributed_cap=caps.unattributed,
        lineage_cap=caps.lineage,
        freeze_level=caps.freeze,
        charge_peak=rules.charge_peak,
        charge_residue=rules.charge_residue,
        meters=meters,
        registry_header=registry_header(lab.name),
        head_before=claim.head_before,
        head_after=claim.head_after,
    )


def verify_claim(
    data: bytes,
    agreement: Agreement,
    *,
    signatures: AgreementSignatures | None = None,
    previous: Sequence[bytes] = (),
    previous_agreements: Sequence[Agreement] = (),
    log: LogView | PublishedEntries | None = None,
    roots: bytes | None = None,
    policy: Policy = Policy(),
) -> VerificationReport:
    """Verify a claim file; a return means accepted, and ``report.proven`` says whether nothing was left out.

    Args:
        data: the claim file's bytes.
        agreement: parsed by the verifier.
        signatures: the parties' signatures of it.
        previous: claim files of the periods right before, oldest first, back to the lab's first period, or to a claim
            accepted before (`policy.previous_accepted`).
        previous_agreements: the agreements that this one amends, one after another, as far back as ``previous`` goes; in any order.
        log: the agreement's log, opened and checked under :func:`log_trust` for the claim's lab; or its entries, indexed once
            for many claims.
        roots: the roots file's bytes. Where the agreement has a log and either is missing, the claim is not proven.
        policy: what may be left out.

    Raises:
        ClaimRejected: a check failed; ``check`` is one of :data:`CHECKS`.
        MissingDependency: signatures are to be checked and ``cryptography`` is not installed.
    """
    began = time.perf_counter()
    claim = parse_claim(data)
    missing = _check_agreement(agreement, signatures, policy)
    chain = [(claim, agreement)]
    _check_terms(claim, agreement, policy)
    published = _entries(agreement, log, roots)
    logged = _check_log(claim, data, agreement, published, roots)
    for earlier in reversed(previous):
        link = parse_claim(earlier)
        _continue_back(link, chain, previous_agreements, policy)
        if not _is_logged(earlier, *chain[-1], agreement, published, policy):
            logged = "previous not checked"
    continuity = _check_continuity(chain, policy)
    if not policy.previous_accepted:
        for link, terms in reversed(chain[1:]):
            _check_proof(link, terms, f"previous claim, period {link.period}: ")
    security = _check_proof(claim, agreement, "")
    return VerificationReport(
        agreement=agreement,
        lab=agreement.lab(claim.lab),
        period=claim.period,
        head_after=claim.head_after,
        evidence=Evidence(
            unsigned_parties=tuple(missing),
            signatures_checked=not policy.proof_only,
            continuity=continuity,
            oldest_previous=chain[-1][0].period if len(chain) > 1 else None,
            previous_proofs_skipped=policy.previous_accepted and len(chain) > 1,
            log=logged,
        ),
        security=security,
        claim_bytes=len(data),
        proof_bytes=len(claim.proof),
        seconds=time.perf_counter() - began,
    )


def _check_agreement(agreement: Agreement, signatures: AgreementSignatures | None, policy: Policy) -> list[str]:
    """Check ``agreement`` as far as its signatures go; the parties that have not signed."""
    everyone = [party.name for party in agreement.parties]
    try:
        missing = everyone if signatures is None or policy.proof_only else signatures.missing(agreement)
    except BadSignature as error:
        raise ClaimRejected("agreement", error.what) from None
    if missing and not (policy.unsigned_agreement or policy.proof_only):
        raise ClaimRejected("agreement", f"not signed by {', '.join(missing)}")
    return missing


def _check_terms(claim: Claim, agreement: Agreement, policy: Policy) -> None:
    """Checks ``agreement`` to ``signatures`` of one claim."""
    if claim.agreement_digest != agreement.digest:
        raise ClaimRejected(
            "agreement", f"the claim is about agreement {claim.agreement_digest.hex()}, this one is {agreement.digest.hex()}"
        )
    lab = agreement.lab(claim.lab)
    epochs = agreement.period_epochs(claim.period)
    if claim.period < lab.since_period:
        raise ClaimRejected("period", f"lab {lab.name} claims from period {lab.since_period} on, this is {claim.period}")
    if (claim.first_epoch, claim.last_epoch) != epochs:
        raise ClaimRejected(
            "period",
            f"period {claim.period} has the epochs {epochs[0]} to {epochs[1]}, the claim says "
            f"{claim.first_epoch} to {claim.last_epoch}",
        )
    if [meter.name for meter in lab.meters] != [meter.name for meter in claim.meters]:
        raise ClaimRejected("meters", _meter_difference(lab, claim))
    if not policy.proof_only:
        _check_signatures(claim, agreement, lab)


def _meter_difference(lab: Lab, claim: Claim) -> str:
    agreed, claimed = {meter.name for meter in lab.meters}, {meter.name for meter in claim.meters}
    if left_out := sorted(agreed - claimed):
        return f"the claim leaves out {len(left_out)} of the agreement's meters: {', '.join(left_out[:8])}"
    return f"the claim has meters that are not in the agreement: {', '.join(sorted(claimed - agreed)[:8])}"


def _check_signatures(claim: Claim, agreement: Agreement, lab: Lab) -> None:
    digest, period, key = agreement.digest, claim.period, agreement.party(lab.name).key
    try:
        check_signature(f"lab {lab.name} on the claim", key, claim.signature, claim.signed_message())
        message = registry_head_message(digest, lab.name, period, claim.head_after)
        check_signature(f"lab {lab.name} on its registry head", key, claim.registry_signature, message)
        for meter, signed in zip(lab.meters, claim.meters, strict=True):
            message = ledger_head_message(digest, lab.name, meter.name, period, signed.head, signed.roots_digest)
            check_signature(f"meter {meter.name} on its ledger head", meter.key, signed.signature, message)
    except BadSignature as error:
        raise ClaimRejected("signatures", error.what) from None


def log_trust(agreement: Agreement) -> LogTrust:
    """Whom a verifier trusts about the agreement's log: its key, and every party's cosigning key but the operator's.

    Pass ``exclude={lab}`` when the log is opened for one lab's claim: a lab does not vouch for itself.

    Raises:
        ClaimRejected: check ``log``: the agreement names no log.
    """
    from claims.tlog.checkpoint import LogTrust

    terms = agreement.log
    if terms is None:
        raise ClaimRejected("log", "the agreement names no log")
    cosigners = {
        party.name: party.cosign_key
        for party in agreement.parties
        if party.cosign_key is not None and party.name != terms.operator
    }
    return LogTrust(terms.origin, terms.key, cosigners, terms.cosignatures)


def _entries(
    agreement: Agreement, log: LogView | PublishedEntries | None, roots: bytes | None
) -> PublishedEntries | None:
    """The log's entries under the agreement; None where it names none, or log or roots are not given."""
    from claims.entries import PublishedEntries

    if agreement.log is None or log is None or roots is None:
        return None
    published = log if isinstance(log, PublishedEntries) else PublishedEntries(agreement, enumerate(log.entries))
    if published.agreement.digest != agreement.digest:
        raise ClaimRejected("log", "the log's entries were read under another agreement")
    return published


def _check_log(
    claim: Claim, data: bytes, agreement: Agreement, published: PublishedEntries | None, roots: bytes | None
) -> str:
    """Check ``log``; one of "none agreed", "not checked", "checked"."""
    if agreement.log is None:
        return "none agreed"
    if published is None or roots is None:
        return "not checked"
    if conflicts := published.conflicts_of(claim.lab, claim.period):
        raise ClaimRejected("log", f"two different versions of {conflicts[0].first.title} are in the log")
    entry = published.claim(claim.lab, claim.period)
    if entry is None:
        raise ClaimRejected("log", f"the log has no claim of lab {claim.lab} for period {claim.period}")
    if entry[0].claim != hashlib.sha256(data).digest():
        raise ClaimRejected("log", "the log's entry is about another claim file")
    if entry[0].roots != hashlib.sha256(roots).digest():
        raise ClaimRejected("log", "the log's entry is about another roots file")
    _check_roots(claim, agreement, _parse_roots(roots), published)
    return "checked"


def _is_logged(
    data: bytes, link: Claim, terms: Agreement, agreement: Agreement, published: PublishedEntries | None, policy: Policy
) -> bool:
    """Check that a previous claim is the file that its entry in the log names; False where only its agreement has that log.

    Else a lab that logged one claim could go on from another, which no other reader of the log has seen.
    """
    ours = agreement.log
    if terms.log is None:
        return True
    if ours is None or (terms.log.origin, terms.log.key) != (ours.origin, ours.key):
        return policy.previous_accepted
    if published is None:
        return True  # that the log is not checked is said of all of them
    earlier, what = published.under(terms), f"the claim given for period {link.period}"
    if earlier.conflicts_of(link.lab, link.period):
        raise ClaimRejected("continuity", f"{what}: two different versions of an entry of the lab for it are in the log")
    entry = earlier.claim(link.lab, link.period)
    if entry is None and not policy.previous_accepted:
        raise ClaimRejected("continuity", f"{what} is not in the log")
    if entry is not None and entry[0].claim != hashlib.sha256(data).digest():
        raise ClaimRejected("continuity", f"{what} is not the one that the log names")
    return True


def _parse_roots(data: bytes) -> Roots:
    try:
        return Roots.decode(data)
    except MalformedFile as error:
        raise ClaimRejected("log", f"roots file: {error}") from None


def _check_roots(claim: Claim, agreement: Agreement, roots: Roots, published: PublishedEntries) -> None:
    """The roots file is about the claim, each meter signed its roots, and the log has every epoch's root over them."""
    about = (roots.agreement_digest, roots.lab, roots.period, roots.first_epoch, roots.last_epoch)
    if about != (claim.agreement_digest, claim.lab, claim.period, claim.first_epoch, claim.last_epoch):
        raise ClaimRejected("log", "the roots file is about another claim")
    if [name for name, _ in roots.meters] != [meter.name for meter in claim.meters]:
        raise ClaimRejected("log", "the roots file has other meters")
    for meter, (_, found) in zip(claim.meters, roots.meters, strict=True):
        if roots_digest(found) != meter.roots_digest:
            raise ClaimRejected("log", f"meter {meter.name} signed other epoch roots")
    for epoch in range(claim.first_epoch, claim.last_epoch + 1):
        entry = published.epoch(claim.lab, epoch)
        if entry is None:
            raise ClaimRejected("log", f"the log has no entry of lab {claim.lab} for epoch {epoch}")
        at = epoch - claim.first_epoch
        if lab_epoch_root([(name, found[at]) for name, found in roots.meters]) != entry[0].root:
            raise ClaimRejected("log", f"the roots of epoch {epoch} are not those in the log")


def _continue_back(
    link: Claim, chain: list[tuple[Claim, Agreement]], amended: Sequence[Agreement], policy: Policy
) -> None:
    """Check that ``link`` is the claim right before the oldest one in ``chain``, and append it."""
    claim, agreement = chain[-1]
    where = f"the claim given for period {link.period}"
    if link.lab != claim.lab or link.period != claim.period - 1:
        what = f"is lab {link.lab}'s for period {link.period}; the one before is {claim.lab}'s for period {claim.period - 1}"
        raise ClaimRejected("continuity", f"a previous claim {what}")
    if claim.period == agreement.lab(claim.lab).since_period:
        what = f"lab {claim.lab} starts from its opening head in period {claim.period}: no claim before it counts"
        raise ClaimRejected("continuity", what)
    while link.period < agreement.first_period:
        agreement = _predecessor(agreement, amended)
    try:
        _check_terms(link, agreement, policy)
    except ClaimRejected as error:
        raise ClaimRejected("continuity", f"{where} is rejected: {error}") from None
    if link.head_after != claim.head_before:
        raise ClaimRejected("continuity", f"the head before is not the head after of {where}")
    chain.append((link, agreement))


def _predecessor(agreement: Agreement, amended: Sequence[Agreement]) -> Agreement:
    if agreement.amends is None:
        raise ClaimRejected("continuity", "there is no period before the agreement's first")
    given = next((item for item in amended if item.digest == agreement.amends.digest), None)
    if given is None:
        raise ClaimRejected("continuity", f"the amended agreement {agreement.amends.digest.hex()} is needed and was not given")
    calendar = (agreement.start, agreement.epoch_seconds, agreement.epochs_per_period)
    if (given.start, given.epoch_seconds, given.epochs_per_period) != calendar:
        raise ClaimRejected("continuity", "the amendment changes the calendar (start, epoch or period)")
    return given


def _check_continuity(chain: list[tuple[Claim, Agreement]], policy: Policy) -> str:
    """One of "opening head", "previous claim", "not checked".

    A chain that reaches back to the opening head is "opening head". One that does not rests on its oldest claim, which
    a lab could have made over an invented registry: it counts only if the caller accepted that claim before.
    """
    oldest, terms = chain[-1]
    lab = terms.lab(oldest.lab)
    if oldest.period == lab.since_period:
        if oldest.head_before != lab.opening_head:
            raise ClaimRejected("continuity", "the head before is not the agreement's opening head")
        return "opening head"
    if len(chain) > 1:
        if not policy.previous_accepted:
            raise ClaimRejected(
                "continuity",
                f"NOT CHECKED before period {oldest.period}: give the older claims too (--previous, oldest first), "
                "or say that you accepted this one before (--previous-accepted)",
            )
        return "previous claim"
    if not policy.no_continuity:
        raise ClaimRejected(
            "continuity",
            f"NOT CHECKED: give the claim for period {oldest.period - 1} (--previous), "
            "or accept an unproven result (--no-continuity)",
        )
    return "not checked"


def _check_proof(claim: Claim, agreement: Agreement, where: str) -> SecurityReport:
    from circuits.verify import verify_claim_proof
    from zk.errors import ZkError

    try:
        return verify_claim_proof(statement_of(agreement, claim), claim.proof)
    except ZkError as error:
        raise ClaimRejected("proof", f"{where}{error}") from None
