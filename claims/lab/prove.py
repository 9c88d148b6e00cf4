"""From a lab's store to a signed claim file: assemble, prove, sign."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.over import check_over
from claims.base.errors import ClaimRejected, ClaimsError, MalformedClaim
from claims.claim.entries import ClaimEntry, encode_entry, sign_entry
from claims.claim.file import Claim, MeterHead, decode_claim, sign_claim
from claims.claim.records import KeptClaim
from claims.claim.roots import Roots
from claims.lab.store import Store
from claims.lab.witness import Assembly, WitnessRefused, assemble
from claims.verify.claim import verify_claim
from claims.verify.tables import statements_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["Finished", "Made", "finish_claim", "make_claim", "roots_of"]

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Made:
    """A claim that was made: to publish (``claim``) and for the lab's own eyes (``assembly``)."""

    claim: Claim
    assembly: Assembly


@dataclass(frozen=True)
class Finished:
    """A period's claim as it is published: bytes of the claim file, its roots file and its entry for the log."""

    claim: bytes
    roots: bytes
    entry: bytes


def finish_claim(
    store: Store,
    agreement: Agreement,
    period: int,
    key: Ed25519PrivateKey,
    signing: Callable[[], AbstractContextManager[object]],
    *,
    found: bytes | None = None,
    progress: Progress | None = None,
) -> Finished:
    """The one claim of a period: proven, checked and kept in the store the first time, the same bytes ever after.

    Args:
        signing: encloses what signs (``claims.lab.signing.signing`` for the lab); entered once before the proof, to refuse early.
        found: a claim file that lies where this one is to go. Where the store keeps none, as after an older backup, it is taken
            up if it is this lab's claim of what the store holds.

    Raises:
        ClaimsError: as :func:`make_claim`; ``found`` is something else; the claim was made under another agreement.
    """
    kept = store.kept_claim(period)
    if kept is None and found is not None:
        kept = _keep(store, agreement, period, key, _own(store, agreement, period, found))
    with signing():
        pass
    if kept is None:
        data = make_claim(store, agreement, period, key, progress=progress).claim.encode()
        verify_claim(data, agreement)
        with signing():
            kept = _keep(store, agreement, period, key, data)
    if kept.agreement != agreement.digest:
        raise ClaimsError(f"period {period} was claimed under another agreement", "a lab signs one claim of a period")
    return Finished(kept.claim, roots_of(store, agreement, period).encode(), kept.entry)


def _keep(store: Store, agreement: Agreement, period: int, key: Ed25519PrivateKey, data: bytes) -> KeptClaim:
    roots = roots_of(store, agreement, period).encode()
    entry = ClaimEntry(agreement.digest, store.lab, period, hashlib.sha256(data).digest(), hashlib.sha256(roots).digest())
    kept = KeptClaim(period, agreement.digest, data, encode_entry(sign_entry(key, entry)))
    store.keep_claim(kept)
    return kept


def _own(store: Store, agreement: Agreement, period: int, found: bytes) -> bytes:
    """The found claim, if it is what this store would claim, signed by its lab."""
    advice = "move that file away if it is no claim of this lab; if it is one, use the store that made it"
    try:
        claim, head = decode_claim(found), store.registry_head(period)
        verify_claim(found, agreement)
    except (MalformedClaim, ClaimRejected) as error:
        raise ClaimsError(f"a file has the claim's name, and is no claim of this agreement ({error})", advice) from None
    heads = [store.signed_head(period, meter.name) for meter in claim.meters]
    same = (claim.lab, claim.period, claim.head_after) == (store.lab, period, head and head.head)
    if not same or [item.head if item else None for item in heads] != [meter.head for meter in claim.meters]:
        raise ClaimsError("a claim has this one's name, and is not of what this store holds", advice)
    return found


def roots_of(store: Store, agreement: Agreement, period: int) -> Roots:
    """The epoch roots that every meter of the store's lab signed for a sealed period: to publish beside the claim."""
    first, last = agreement.period_epochs(period)
    meters = tuple(
        (meter.name, tuple(seal.root for seal in store.epoch_seals(period, meter.name)))
        for meter in agreement.lab(store.lab).meters
    )
    return Roots(agreement.digest, store.lab, period, first, last, meters)


def make_claim(
    store: Store, agreement: Agreement, period: int, key: Ed25519PrivateKey, *, progress: Progress | None = None
) -> Made:
    """Prove and sign the claim of the store's lab for a closed period.

    Args:
        key: the lab's, as in the agreement.
        progress: called as progress(phase, share done).

    Raises:
        NotOver: the period has not ended.
        WitnessRefused: the claim would not be true, with every reason in the lab's own names.
        ClaimsError: the key is not the lab's.
    """
    from circuits.prove import prove_claim
    from zk.errors import WitnessError

    if key.public_key().public_bytes_raw() != agreement.party(store.lab).key:
        raise ClaimsError(f"the key is not that of lab {store.lab} in the agreement", "sign with the lab's own key")
    check_over(agreement, period)
    assembly = assemble(store, agreement, period)
    first, last = agreement.period_epochs(period)
    unproven = Claim(
        agreement_digest=agreement.digest,
        lab=store.lab,
        period=period,
        first_epoch=first,
        last_epoch=last,
        head_before=assembly.before.head,
        head_after=assembly.after.head,
        meters=tuple(MeterHead(head.meter, head.head, head.roots_digest, head.signature) for head in assembly.signed_heads),
        registry_signature=bytes(64),
        proof=b"",
        signature=bytes(64),
    )
    if statements_of(agreement, unproven) != (assembly.statement,):
        raise ClaimsError("the prover's statement is not the one that a verifier derives", "report this as a bug")
    try:
        proof = prove_claim(assembly.statement, assembly.witness, progress=progress)
    except WitnessError as error:
        raise WitnessRefused([str(error)], "the store's records contradict each other; no claim was made") from None
    return Made(sign_claim(replace(unproven, proof=proof), key), assembly)
