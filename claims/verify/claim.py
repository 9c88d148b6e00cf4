"""Verify a claim: everything public is derived from the agreement, only heads are taken from the claim.

Checks, in this order; the first that fails is the reason for rejection (:data:`CHECKS`):

    format      the claim file parses to exactly one canonical claim
    agreement   the claim is about this agreement; each of its parties' signatures verifies
    lab         the claiming lab is a lab of the agreement
    period      the period is one of the agreement's and of the lab's; its epochs match
    meters      the meters and sites are exactly the agreement's, each once, in its order
    signatures  every meter signed its head; the lab signed its head after, and the whole claim
    lists       limits that it states are in the place of agreed ones
    log         the claim, its roots file and every epoch root are those in the public log, each published once
    continuity  the head before is the opening head, or the head after of the previous period's claim
    proof       the proof of every table shows the statement derived from the agreement
    deadlines   no more epochs came late than the agreement allows
    inspection  no inspector recorded a failure, or that the lab did not open what was drawn

What is missing fails no check: it is named, and the verdict is INCOMPLETE. The standard library is enough for all but signatures,
which need the package ``cryptography``.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.signatures import AgreementSignatures, ledger_head_message, registry_head_message
from claims.agreement.terms import Lab, Meter
from claims.base.ed25519 import check_signature
from claims.base.errors import BadSignature, ClaimRejected, ClaimsError, MalformedClaim, MissingDependency
from claims.base.threads import in_threads
from claims.base.units import format_time
from claims.claim.file import Claim, MeterHead, decode_claim
from claims.claim.limits import limits_of
from claims.claim.lists import LOST_METER, Loss
from claims.claim.losses import check_losses, lost_meters, lost_words
from claims.verify.allowances import Allowed, allowed
from claims.verify.chain import Chain, same_log
from claims.verify.log import (
    allowance_dates,
    check_log,
    committed_in,
    late_notes,
    log_seen,
    missing_assents,
    missing_dates,
    missing_log,
    seen_in,
)
from claims.verify.report import Missing, Proof, Verdict
from claims.verify.roots import RootFiles, held
from claims.verify.tables import LINK_BITS, Proofs, check_meters, check_tables, no_proofs

if TYPE_CHECKING:
    from claims.claim.allowances import Dated
    from claims.claim.power import PowerSeen
    from claims.claim.published import PublishedEntries
    from claims.inspection.count import Inspections
    from claims.tlog.reader import LogView
    from claims.verify.lateness import Delivered

__all__ = ["CHECKS", "check_claim", "check_expected", "inspection_missing", "parse_claim", "verify_claim"]

CHECKS = ("format", "agreement", "lab", "period", "meters", "signatures", "lists", "log", "continuity", "proof", "inspection", "deadlines")
_NO_CRYPTOGRAPHY = Missing(
    "cryptography", "the package cryptography: no signature could be checked, so anybody may have made these heads", "",
    "install it: pip install cryptography",
)  # fmt: skip


def parse_claim(data: bytes) -> Claim:
    """Check ``format``: :func:`decode_claim`, with ClaimRejected in place of MalformedClaim."""
    try:
        return decode_claim(data)
    except MalformedClaim as error:
        raise ClaimRejected("format", str(error)) from None


def verify_claim(
    data: bytes,
    agreement: Agreement,
    *,
    signatures: AgreementSignatures | None = None,
    previous: Sequence[bytes] = (),
    previous_agreements: Sequence[Agreement] = (),
    previous_signatures: Mapping[bytes, AgreementSignatures] | None = None,
    previous_accepted: bool = False,
    log: LogView | None = None,
    log_problem: str = "",
    roots: RootFiles | bytes | None = None,
    previous_roots: Sequence[bytes] = (),
    records: Mapping[bytes, bytes] | None = None,
    delivered: Delivered | None = None,
    now: int | None = None,
    proofs: Proofs = no_proofs,
    jobs: int = 1,
) -> Verdict:
    """Verify a claim file; a return is PROVEN, OVER where the claim states limits, or INCOMPLETE where ``missing`` says for what.

    Args:
        data: the claim file's bytes.
        agreement: parsed by the verifier.
        signatures: the parties' signatures of it.
        previous: claim files of the periods right before, oldest first, back to the lab's first period, or to a claim
            accepted before (``previous_accepted``).
        previous_agreements: the agreements that this one amends, one after another, as far back as ``previous`` goes; in any order.
        previous_signatures: the parties' signatures of those, by digest; None: the caller has checked them.
        previous_accepted: the reader accepted the previous claims before: skip their proofs and what came before them.
        log: the agreement's log, opened and checked under :func:`claims.verify.log.log_trust`, without the lab's cosignatures.
        log_problem: why there is none, where one was tried.
        roots: the roots file's bytes, or where roots files are, as for a lab with sites; ``previous_roots``: those of the previous claims,
            in any order.
        records: records of inspections, by their SHA-256.
        delivered: what receipts say that the log's operator was given (:func:`claims.verify.delivered.deliveries`).
        now: Unix seconds; this machine's clock by default.
        proofs, jobs: of claims with sites, as in :func:`claims.verify.tables.check_tables`.

    Raises:
        ClaimRejected: REJECTED; ``check`` is one of :data:`CHECKS`.
    """
    from claims.decisions.log import lifted_by
    from claims.verify.delivered import published_in

    now, delivered = int(time.time()) if now is None else now, delivered or {}
    published = published_in(log, agreement, delivered) if log is not None and agreement.log is not None else None
    verdict, claim = check_claim(
        data, agreement, signatures=signatures, previous=previous, previous_agreements=previous_agreements,
        previous_signatures=previous_signatures, previous_accepted=previous_accepted, published=published, log_problem=log_problem,
        delivered=lambda claim: None if log is None or published is None else _held_up(claim, agreement, log, published, delivered, now),
        roots=roots, previous_roots=previous_roots, now=now, proofs=proofs, jobs=jobs,
        dated=None if log is None or published is None else allowance_dates(log, agreement),
    )  # fmt: skip
    if log is None or published is None:
        return verdict
    seen = log_seen(log, published, claim, now, delivered)
    if lifted_by(published, log, claim.period):
        notes = ("the pause was lifted in this period: no claim was owed", *late_notes(seen, agreement, claim.period))
        return replace(verdict, log=seen, notes=(*verdict.notes, *notes))
    found = _inspections(log, published, claim, records or {}, now)
    missing, notes = [*verdict.missing, *missing_assents(published, log)], [*verdict.notes, *late_notes(seen, agreement, claim.period)]
    still = [*missing_dates(seen, agreement), *([] if found is None else inspection_missing(found))]
    if claim.limits or verdict.over_here:  # what is still open makes nothing good
        notes += [item.what for item in still if item.what not in notes]
    else:
        missing += still
    return replace(
        verdict, missing=tuple(missing), log=seen, notes=tuple(notes),
        inspections=() if found is None else found.entries,
    )  # fmt: skip


def check_expected(agreement: Agreement, expect: bytes | None) -> None:
    """Refuse another agreement than the one that a reader expects (a digest, or None). Raises ClaimsError."""
    if expect is not None and agreement.digest != expect:
        what = f"this is agreement {agreement.digest.hex()}, and not {expect.hex()}, which you expect"
        raise ClaimsError(what, "ask those who published it which one they signed")


def check_claim(
    data: bytes,
    agreement: Agreement,
    *,
    now: int,
    signatures: AgreementSignatures | None = None,
    previous: Sequence[bytes] = (),
    previous_agreements: Sequence[Agreement] = (),
    previous_signatures: Mapping[bytes, AgreementSignatures] | None = None,
    previous_accepted: bool = False,
    published: PublishedEntries | None = None,
    log_problem: str = "",
    delivered: Callable[[Claim], str | None] = lambda _: None,
    roots: RootFiles | bytes | None = None,
    proofs: Proofs = no_proofs,
    jobs: int = 1,
    previous_roots: Sequence[bytes] = (),
    dated: Dated | None = None,
) -> tuple[Verdict, Claim]:
    """All of :func:`verify_claim` but inspections and dates, and the claim.

    ``published``: the log's entries under the agreement; ``dated``: dates of its transfers.
    ``delivered``: why a claim that was delivered does not count yet, or None.
    """
    began = time.perf_counter()
    claim = parse_claim(data)
    missing: list[Missing] = []
    _check_signed(agreement, signatures, missing)
    _check_terms(claim, agreement, missing, published)
    lists = _check_lists(claim, agreement, published, dated)
    missing += lists.missing
    end = agreement.period_span(claim.period)[1]
    if now < end:
        what = f"the end of the period: it is over at {format_time(end)}, and this clock says {format_time(now)}"
        _add(missing, Missing("period", what, "", "verify the claim again after that, or set this machine's clock"))
    files = held(previous_roots, roots) if callable(roots) else held(previous_roots if roots is None else [roots, *previous_roots])
    if agreement.log is not None:
        if published is None:
            missing.append(missing_log(agreement, log_problem))
        elif now >= end:  # before, epochs are missing that nobody could commit to
            missing += check_log(claim, data, agreement, published, files, delivered)

    moved: dict[int, int | None] = {}
    gifts_left_out: list[str] = []

    def check(link: Claim, terms: Agreement) -> None:
        book = None if published is None or terms.log is None else published.under(terms)
        _check_terms(link, terms, missing, book if same_log(terms, agreement) else None)
        found = _check_lists(link, terms, book, dated if terms.digest == agreement.digest else None)
        moved[link.period] = found.moved
        if found.over:
            gifts_left_out.insert(0, f"in period {link.period} it was over by this copy of the log: {found.over[0]}")
        for item in () if previous_accepted else found.missing:
            _add(missing, item)

    chain = Chain([(claim, agreement)], previous_agreements, published, previous_accepted, files, missing)
    for earlier in reversed(previous):
        if not chain.extend(parse_claim(earlier), earlier, check):
            break
    continuity = chain.close()
    if previous_signatures is not None and not previous_accepted:
        for digest, terms in {terms.digest: terms for _, terms in chain.links if terms is not agreement}.items():
            _check_signed(terms, previous_signatures.get(digest), missing, f"the amended agreement {digest.hex()}")
    if not previous_accepted:
        for link, terms in reversed(chain.links[1:]):
            more = moved[link.period]
            if more is not None:
                missing += check_tables(terms, link, proofs, jobs, f"previous claim, period {link.period}: ", more).missing
    proof = None
    if lists.moved is not None:
        tables = check_tables(agreement, claim, proofs, jobs, moved=lists.moved)
        missing += tables.missing
        if tables.security is not None:
            link_bits, seconds = LINK_BITS if claim.sites else None, time.perf_counter() - began
            proof = Proof(continuity, claim.head_after, tables.security, len(data), tables.proof_bytes, seconds, link_bits)
    digest = hashlib.sha256(data).digest()
    verdict = Verdict(
        agreement, claim.lab, claim.period, digest, missing=tuple(missing), proof=proof, limits=claim.limits, overs=claim.overs,
        notes=(*lost_words(agreement, claim), *gifts_left_out),
        moved=lists.moved or 0, transfers=lists.texts, over_here=lists.over, power=_power(claim, agreement, published),
    )  # fmt: skip
    return verdict, claim


def _held_up(
    claim: Claim, agreement: Agreement, log: LogView, published: PublishedEntries, delivered: Delivered, now: int
) -> str | None:
    from claims.verify.delivered import held_up
    from claims.verify.log_state import log_state

    return held_up(agreement, claim.lab, claim.period, published, log, log_state(log, agreement, now), delivered)


def _add(missing: list[Missing], item: Missing) -> None:
    if item not in missing:
        missing.append(item)


def _check_signed(
    agreement: Agreement, signatures: AgreementSignatures | None, missing: list[Missing], which: str = "the agreement"
) -> None:
    """Note what is missing of an agreement's signatures. A file that is damaged, or another's, is missing: a mirror can swap it."""
    what = f"the parties' signatures of {which}, a file .sigs"
    where = "it usually lies beside the agreement: agreement.sigs beside agreement.toml"
    if signatures is None:
        _add(missing, Missing("signatures", what, where, "put it there, or name it (--signatures)"))
        return
    try:
        unsigned = signatures.missing(agreement)
    except BadSignature as error:
        _add(missing, Missing("signatures", f"{what} ({error.what} in the one given)", where, "ask the parties, or another mirror, for it"))
        return
    except MissingDependency:
        _add(missing, _NO_CRYPTOGRAPHY)
        return
    if unsigned:
        what = f"signatures of {which} by {', '.join(unsigned)}: it is a draft until every party has signed"
        _add(missing, Missing("unsigned", what, "", "ask them, or another mirror, for a signatures file that has them"))


def _inspections(
    log: LogView, published: PublishedEntries, claim: Claim, records: Mapping[bytes, bytes], now: int
) -> Inspections | None:
    """Check ``inspection``; None where the log has no entry of the claim."""
    from claims.inspection.count import count_inspections

    entry = published.claim(claim.lab, claim.period)
    if entry is None:
        return None
    committed = committed_in(log, published.agreement)
    found = count_inspections(
        published.agreement, published, committed, claim, entry[1], records.get, now, (), seen_in(log, published.agreement)
    )
    if found.state == "failed":
        raise ClaimRejected("inspection", found.reason)
    return found


def inspection_missing(found: Inspections) -> list[Missing]:
    """What the verdict waits for, of inspections."""
    if found.state == "open":
        where = "it usually lies in inspections/ of the publication folder; its name is its inspector's choice"
        return [Missing("record", found.reason, where, "give it (--record), or the whole publication folder (--folder)")]
    if found.state == "waiting":
        what = f"an inspection of the claim, which the agreement asks for: {found.reason}"
        return [Missing("inspection", what, "", "wait for it, or ask for a newer copy of the log")]
    return []


def _check_terms(claim: Claim, agreement: Agreement, missing: list[Missing], published: PublishedEntries | None) -> None:
    """Checks ``agreement`` to ``signatures`` of one claim. ``published``: the log's entries under the agreement, or None."""
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
    check_meters(claim, lab)
    fixed = agreement if agreement.keys is None else None if published is None else published.terms_of_claim(lab.name, claim.period)
    try:
        _check_signatures(claim, fixed or (agreement if published is None else published.keys.now), missing)
    except ClaimRejected as error:
        if fixed is not None:
            raise
        what = f"the keys that were in force at the entry of lab {lab.name}'s claim for period {claim.period}, which no log here has"
        how = "ask for the log (--log), or a newer copy of it, in which the lab publishes its claim"
        _add(missing, Missing("keys", f"{what} ({error.what} by the keys that are known)", "", how))


def _power(claim: Claim, agreement: Agreement, published: PublishedEntries | None) -> PowerSeen | None:
    from claims.claim.power import power_seen

    if published is None or not agreement.feeds_of(claim.lab):
        return None
    return power_seen(agreement, claim.lab, claim.period, published, lost_meters(agreement, claim))


def _check_lists(claim: Claim, agreement: Agreement, published: PublishedEntries | None, dated: Dated | None) -> Allowed:
    """Check ``lists`` of one claim, as far as the log is at hand; what its transfers come to."""
    check_losses(agreement, claim)
    found = allowed(claim, agreement, published, dated)
    if found.moved is not None:
        limits_of(agreement, claim, found.moved)
    return found


def _check_signatures(claim: Claim, agreement: Agreement, missing: list[Missing]) -> None:
    """``agreement``: with the keys that count."""
    lab = agreement.lab(claim.lab)
    digest, period, key = agreement.digest, claim.period, agreement.party(lab.name).key
    unsigned = {name for loss in claim.losses if not loss.signed for name in _names(lab, loss)}
    try:
        check_signature(f"lab {lab.name} on the claim", key, claim.signature, claim.signed_message())
        message = registry_head_message(digest, lab.name, period, claim.head_after, claim.lists.digest)
        check_signature(f"lab {lab.name} on its registry head", key, claim.registry_signature, message)

        def check(pair: tuple[Meter, MeterHead]) -> None:
            meter, signed = pair
            message = ledger_head_message(digest, lab.name, meter.name, period, signed.head, signed.roots_digest)
            check_signature(f"meter {meter.name} on its ledger head", meter.whole_key, signed.signature, message)

        pairs = zip(lab.meters, claim.meters, strict=True)
        for _ in in_threads(check, [pair for pair in pairs if pair[0].name not in unsigned]):
            pass
    except BadSignature as error:
        raise ClaimRejected("signatures", error.what) from None
    except MissingDependency:
        _add(missing, _NO_CRYPTOGRAPHY)


def _names(lab: Lab, loss: Loss) -> list[str]:
    """The meters that a loss is about."""
    if loss.kind == LOST_METER:
        return [loss.name]
    return [meter.name for site in lab.sites if site.name == loss.name for meter in site.meters]
