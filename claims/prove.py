"""From a lab's store to a signed claim file: assemble, prove, sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claims.agreement import Agreement
from claims.claim import Claim, MeterHead, sign_claim
from claims.clock import check_over
from claims.errors import ClaimsError
from claims.roots import Roots
from claims.store import Store
from claims.verify import statement_of
from claims.witness import Assembly, WitnessRefused, assemble

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["Made", "make_claim", "roots_of"]

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Made:
    """A claim that was made: to publish (``claim``) and for the lab's own eyes (``assembly``)."""

    claim: Claim
    assembly: Assembly


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
    if statement_of(agreement, unproven) != assembly.statement:
        raise ClaimsError("the prover's statement is not the one that a verifier derives", "report this as a bug")
    try:
        proof = prove_claim(assembly.statement, assembly.witness, progress=progress)
    except WitnessError as error:
        raise WitnessRefused([str(error)], "the store's records contradict each other; no claim was made") from None
    return Made(sign_claim(replace(unproven, proof=proof), key), assembly)
