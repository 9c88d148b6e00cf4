"""From a lab's store to a signed claim file: assemble, prove, sign."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from claims.agreement.model import Agreement
from claims.agreement.over import check_over
from claims.agreement.signatures import ledger_head_message
from claims.base.errors import ClaimRejected, ClaimsError, MalformedClaim
from claims.base.hybrid import SigningKey
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import ClaimEntry
from claims.claim.file import Claim, decode_claim, sign_claim
from claims.claim.handover import Records
from claims.claim.published import PublishedEntries
from claims.claim.records import KeptClaim, SummaryHead
from claims.claim.roots import Roots
from claims.lab import losses
from claims.lab.amended import check_amended
from claims.lab.closing import check_headquarters
from claims.lab.losses import losses_of, lost_in
from claims.lab.renewal import verifies
from claims.lab.store import Store
from claims.lab.witness import Assembly, Table, WitnessRefused, assemble, site_table
from claims.verify.claim import verify_claim
from claims.verify.tables import Proofs, check_proof, check_tables, no_proofs

__all__ = [
    "Finished", "Made", "Progress", "Prover", "finish_claim", "in_this_process", "make_claim", "prove_site", "roots_files", "roots_of",
]  # fmt: skip

Progress = Callable[[str, float], None]
Prover = Callable[[Sequence[Table], "Progress | None"], Iterator[tuple[int, bytes]]]
"""Proves tables that all have witnesses: number and proof of each, as they are done. Raises WitnessRefused where one would not hold."""


@dataclass(frozen=True)
class Made:
    """A claim that was made: to publish (``claim``, and ``proofs``: of each site in order, the registry's last, where there are sites)
    and for the lab's own eyes (``assembly``)."""

    claim: Claim
    assembly: Assembly
    proofs: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Finished:
    """A period's claim as it is published: bytes of the claim file, and its entry for the log.

    ``roots``: roots files by site, of a lab without sites one under None; ``proofs``: of a lab with sites, by site, the registry's
    under None.
    """

    claim: bytes
    roots: Mapping[str | None, bytes]
    entry: bytes
    proofs: Mapping[str | None, bytes]


def finish_claim(
    store: Store,
    agreement: Agreement,
    period: int,
    key: SigningKey,
    signing: Callable[[], AbstractContextManager[object]],
    *,
    found: bytes | None = None,
    proofs: Proofs = no_proofs,
    prover: Prover | None = None,
    progress: Progress | None = None,
    over: Callable[[Claim], bool] | None = None,
    transfers: Sequence[bytes] = (),
    moved: int = 0,
    log: PublishedEntries | None = None,
) -> Finished:
    """The one claim of a period: proven, checked and kept in the store the first time, the same bytes ever after.

    Args:
        signing: encloses what signs (``claims.lab.signing.signing`` for the lab); entered once before the proof, to refuse early.
        found: a claim file that lies where this one is to go. Where the store keeps none, as after an older backup, it is taken
            up if it is this lab's claim of what the store holds.
        proofs: the proof files that lie beside it.
        prover: makes the proofs; None: :func:`in_this_process`.
        over: asked, where the lab is over limits, whether the claim that states others in their place is to be made; None: no.
        transfers, moved: as in :func:`claims.lab.witness.assemble`.
        log: the agreement's log, where keys may change. What it has not yet must be signed by the keys that are in force.

    Raises:
        ClaimsError: as :func:`make_claim`; ``found`` is something else; the claim was made under another agreement; it, or a meter's head
            that it would have, is signed by a key that was replaced since.
        Amended: another agreement counts in that period.
    """
    check_headquarters(store)
    kept = store.kept_claim(period)
    if kept is not None:
        _check_keys(agreement, store.lab, period, kept.claim, log)
    elif found is None:
        _check_heads(store, agreement, period)
    else:
        own = _own(store, agreement, period, found, proofs, moved)
        _check_keys(agreement, store.lab, period, own, log)
        kept = _keep(store, agreement, period, key, own)
    with signing():
        check_amended(store, agreement, period)
    if kept is None:
        made = make_claim(
            store, agreement, period, key, prover=prover, progress=progress, over=over, transfers=transfers, moved=moved
        )
        data, by_digest = made.claim.encode(), dict(zip(made.claim.proofs, made.proofs, strict=True))
        verify_claim(data, agreement, proofs=by_digest.get)
        if transfers:  # without the log that has them, that did not look at the proofs
            check_tables(agreement, made.claim, by_digest.get, moved=moved)
        with signing():
            kept = _keep(store, agreement, period, key, data)
    if kept.agreement != agreement.digest:
        raise ClaimsError(f"period {period} was claimed under another agreement", "a lab signs one claim of a period")
    claim = decode_claim(kept.claim)
    files = {name: _kept_proof(store, agreement, period, name, digest) for name, digest in zip(claim.tables, claim.proofs, strict=True)}
    return Finished(kept.claim, roots_files(store, agreement, period), kept.entry, files)


def _check_heads(store: Store, agreement: Agreement, period: int) -> None:
    """Refuse to prove heads that keys signed which are not in force. Raises ClaimsError."""
    for meter in () if agreement.keys is None else agreement.lab(store.lab).meters:
        head = store.signed_head(period, meter.name)
        if head is None or head.agreement_digest != agreement.digest:
            continue
        message = ledger_head_message(agreement.digest, store.lab, meter.name, period, head.head, head.roots_digest)
        if not verifies(meter.whole_key, head.signature, message):
            what = f"meter {meter.name} signed period {period} with a key that is not in force: the claim would be rejected"
            raise ClaimsError(what, f"standstill key renew --meter {meter.name}, in the store that has its readings; then prove again")


def _check_keys(agreement: Agreement, lab: str, period: int, data: bytes, log: PublishedEntries | None) -> None:
    """Refuse a claim that is not signed by the keys at its entry in the log or, where the log has none, in force. Raises ClaimsError."""
    if agreement.keys is None:
        return
    logged = None if log is None else log.terms_of_claim(lab, period)
    terms = logged or (agreement if log is None else log.keys.now)
    for item in verify_claim(data, terms).missing:
        if item.kind == "keys":
            raise ClaimsError(item.what, "" if logged else "standstill key renew, for each key that changed; then prove again")


def _kept_proof(store: Store, agreement: Agreement, period: int, site: str | None, digest: bytes) -> bytes:
    proof = store.kept_proof(period, site, agreement.digest)
    if proof is None or hashlib.sha256(proof).digest() != digest:
        what = f"the store keeps the claim of period {period}, and not its proof of {site or 'the registry'}"
        raise ClaimsError(what, "restore a backup")
    return proof


def _keep(store: Store, agreement: Agreement, period: int, key: SigningKey, data: bytes) -> KeptClaim:
    claim = decode_claim(data)
    named = claim.site_roots if claim.sites else hashlib.sha256(roots_of(store, agreement, period).encode()).digest()
    entry = ClaimEntry(agreement.digest, store.lab, period, hashlib.sha256(data).digest(), named)
    kept = KeptClaim(period, agreement.digest, data, encode_entry(sign_entry(key, entry)))
    store.keep_claim(kept)
    return kept


def _own(store: Store, agreement: Agreement, period: int, found: bytes, proofs: Proofs, moved: int) -> bytes:
    """The found claim, if it is what this store would claim, signed by its lab; its proof files are kept."""
    advice = "move that file away if it is no claim of this lab; if it is one, use the store that made it"
    try:
        claim, head = decode_claim(found), store.registry_head(period)
        missing = [item for item in verify_claim(found, agreement, proofs=proofs).missing if item.kind == "proof"]
        if claim.transfers:  # without the log that has them, that did not look at the proofs
            missing += check_tables(agreement, claim, proofs, moved=moved).missing
    except (MalformedClaim, ClaimRejected) as error:
        raise ClaimsError(f"a file has the claim's name, and is no claim of this agreement ({error})", advice) from None
    heads = [store.signed_head(period, meter.name) for meter in claim.meters]
    same = (claim.lab, claim.period, claim.head_after, claim.losses) == (
        store.lab, period, head and head.head, losses_of(store, agreement, period)
    )  # fmt: skip
    unsigned = lost_in(store, agreement, period).keys() - {loss.name for loss in claim.losses if loss.signed}
    own = [None if item is None or item.meter in unsigned else item.head for item in heads]
    if not same or own != [None if meter.name in unsigned else meter.head for meter in claim.meters]:
        raise ClaimsError("a claim has this one's name, and is not of what this store holds", advice)
    if missing:
        raise ClaimsError(f"a claim has this one's name, and cannot be checked: {missing[0].what} is not here", missing[0].how)
    for site in claim.sites:
        known = store.summary(period, site.name)
        if known is not None and known.head != site.head:
            raise ClaimsError("a claim has this one's name, and is not of what this store holds", advice)
    for name, digest in zip(claim.tables, claim.proofs, strict=True):
        store.keep_proof(period, name, agreement.digest, proofs(digest) or b"")
    return found


def roots_of(store: Store, agreement: Agreement, period: int, site: str | None = None) -> Roots:
    """The epoch roots of the store's lab, or of one of its sites, for a sealed period: of its groups, or of each meter."""
    first, last = agreement.period_epochs(period)
    lab = agreement.lab(store.lab)
    own = [unit for unit in lab.units if site in (None, unit.meters[0].site)]
    lost = lost_in(store, agreement, period)
    units = tuple((unit.name, losses.unit_roots(store, agreement, period, unit, lost)) for unit in own)
    return Roots(agreement.digest, store.lab, period, first, last, units)


def roots_files(store: Store, agreement: Agreement, period: int) -> dict[str | None, bytes]:
    """The roots files to publish beside a claim: one for each site, or one under None for a lab without sites."""
    names = [site.name for site in agreement.lab(store.lab).sites] or [None]
    return {name: roots_of(store, agreement, period, name).encode() for name in names}


def make_claim(
    store: Store, agreement: Agreement, period: int, key: SigningKey, *, prover: Prover | None = None,
    progress: Progress | None = None, over: Callable[[Claim], bool] | None = None, transfers: Sequence[bytes] = (), moved: int = 0,
) -> Made:  # fmt: skip
    """Prove and sign the claim of the store's lab for a closed period.

    Args:
        key: the lab's, as in the agreement.
        progress: called as progress(phase, share done).
        prover, over, transfers, moved: as in :func:`finish_claim`.

    Raises:
        NotOver: the period has not ended.
        WitnessRefused: the claim would not be true, with every reason in the lab's own names.
        ClaimsError: the key is not the lab's.
    """
    if key.public_key().public_bytes_raw() != agreement.party(store.lab).key:
        raise ClaimsError(f"the key is not that of lab {store.lab} in the agreement", "sign with the lab's own key")
    check_over(agreement, period)
    made = assemble(store, agreement, period, over=over is not None, transfers=transfers, moved=moved)
    if over is not None and made.claim.limits and not over(made.claim):
        raise ClaimsError("no claim was made: it would say that the lab was over a limit", "to sign that: prove --over, and answer yes")
    proofs = _proofs(store, agreement, period, made.tables, prover or in_this_process, progress)
    if not made.claim.sites:
        return Made(sign_claim(replace(made.claim, proof=proofs[0]), key), made)
    digests = [hashlib.sha256(proof).digest() for proof in proofs]
    roots = [hashlib.sha256(data).digest() for data in roots_files(store, agreement, period).values()]
    of = dict(zip(made.claim.tables, digests, strict=True))
    sites = tuple(
        replace(site, proof=of.get(site.name, bytes(32)), roots=digest) for site, digest in zip(made.claim.sites, roots, strict=True)
    )
    return Made(sign_claim(replace(made.claim, sites=sites, registry_proof=digests[-1]), key), made, proofs)


def _proofs(
    store: Store, agreement: Agreement, period: int, tables: Sequence[Table], prover: Prover, progress: Progress | None
) -> tuple[bytes, ...]:
    """The proof of each table: made the first time, verified, and kept at once where there are several; a kept one is verified again."""
    several = tables[0].statement.summaries != ()
    found = {i: store.kept_proof(period, table.site, agreement.digest) if several else None for i, table in enumerate(tables)}
    for number, kept in found.items():
        report = None if kept is None else check_proof(tables[number].statement, kept)
        if isinstance(report, str):
            what = f"the store's proof of {tables[number].words} is not of what the store holds now ({report})"
            raise WitnessRefused([what], "nothing may change between a proof and the claim: use the store that made it, or a backup")
    due = [i for i, proof in found.items() if proof is None]
    for table in (tables[i] for i in due):
        if table.witness is None:
            raise WitnessRefused([f"the proof of {table.words} is not here"], "take the site's summary: standstill lab take")
    for number, proof in prover([tables[i] for i in due], progress) if due else ():
        table = tables[due[number]]
        report = check_proof(table.statement, proof)
        if isinstance(report, str):
            raise ClaimsError(f"{table.words}: the proof that was made does not hold ({report})", "nothing was kept of it; prove again")
        if several:
            store.keep_proof(period, table.site, agreement.digest, proof)
        found[due[number]] = proof
    return tuple(proof for proof in found.values() if proof is not None)


def prove_site(
    store: Store, agreement: Agreement, period: int, *, prover: Prover | None = None, progress: Progress | None = None
) -> tuple[SummaryHead, Records, bytes]:
    """Prove the table of the site whose store this is: its summary, what that one says, and the proof. Made once, the same ever after.

    Raises:
        NotOver: the period has not ended. WitnessRefused: the proof would not hold.
    """
    check_over(agreement, period)
    table, summary, records = site_table(store, agreement, period, store.site or "")
    return summary, records, _proofs(store, agreement, period, [table], prover or in_this_process, progress)[0]


def in_this_process(tables: Sequence[Table], progress: Progress | None) -> Iterator[tuple[int, bytes]]:
    """The prover that needs nothing else: one table after the other, each on all threads."""
    from circuits.prove import prove_claim
    from zk.errors import WitnessError

    for number, table in enumerate(tables):
        assert table.witness is not None
        try:
            yield number, prove_claim(table.statement, table.witness, progress=_named(table, progress))
        except WitnessError as error:
            where = f"{table.words}: " if table.statement.summaries else ""
            raise WitnessRefused([f"{where}{error}"], "the store's records contradict each other; no claim was made") from None


def _named(table: Table, progress: Progress | None) -> Progress | None:
    """Progress that says of which of several tables it is."""
    if progress is None or not table.statement.summaries:
        return progress
    return lambda phase, share: progress(f"{table.site or 'registry'}: {phase}", share)
