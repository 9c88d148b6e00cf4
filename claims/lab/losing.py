"""To say that a meter or a site is lost: once, for good, before the lab publishes the first epoch that it cannot seal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import LossEntry
from claims.claim.lists import LOST_METER, LOST_SITE
from claims.claim.records import Lost
from claims.lab.amended import check_amended
from claims.lab.closing import next_epoch
from claims.lab.losses import lost_from
from claims.lab.store import Store

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["lose", "next_lost"]


def next_lost(store: Store, agreement: Agreement, meters: tuple[Meter, ...]) -> int:
    """The epoch from which on meters can be said to be lost: the first that is not published, and that one of them has not sealed."""
    published = store.published_through()
    return max(-1 if published is None else published + 1, min(next_epoch(store, agreement, meter.name) for meter in meters))


def lose(store: Store, agreement: Agreement, name: str, key: Ed25519PrivateKey, epoch: int, *, site: bool = False) -> bytes:
    """Note for good that a meter, or a site, is lost from an epoch on; the signed entry for the log, to publish before that epoch's.

    Raises:
        ClaimsError: the key is not the lab's; it is lost already; ``epoch`` is not the first that is neither sealed nor published.
        ClaimRejected: the agreement gives the lab none of that name. Amended: another agreement counts in that epoch.
    """
    lab = agreement.lab(store.lab)
    if key.public_key().public_bytes_raw() != agreement.party(store.lab).key:
        raise ClaimsError(f"the key is not that of lab {store.lab} in the agreement", "sign with the lab's own key")
    meters = lab.site(name).meters if site else (lab.meter(name),)
    what = LOST_SITE if site else LOST_METER
    known = [item for meter in meters for item in store.losses(meter.name)]
    same = next((item.entry for item in known if (item.what, item.name, item.epoch, item.back) == (what, name, epoch, False)), None)
    if same is not None:
        return same
    gone = [meter.name for meter in meters if lost_from(store, meter, epoch) is not None]
    if gone:
        raise ClaimsError(f"{', '.join(gone)} is lost already", "a loss lasts: of a site, name the meters that are not lost yet")
    check_amended(store, agreement, epoch // agreement.epochs_per_period)
    due = next_lost(store, agreement, meters)
    if epoch != due:
        what_now = f"{name}: epoch {due} is the first that is not sealed, or not published, and not epoch {epoch}"
        raise ClaimsError(what_now, "what was sealed and published is not lost; name that epoch")
    if any(head.period >= epoch // agreement.epochs_per_period for head in store.registry_heads()):
        raise ClaimsError(f"the registry is closed for the period of epoch {epoch}", "a period that is closed has lost nothing")
    entry = encode_entry(sign_entry(key, LossEntry(agreement.digest, store.lab, store.lab, what, name, 1, epoch)))
    store.add_losses([Lost(meter.name, epoch, what, name, False, meter.key, agreement.digest, entry) for meter in meters])
    return entry
