"""To say that a meter or a site is lost, for good, before the lab publishes the first epoch that it cannot seal; and to take note that
somebody who inspects says that it is back."""

from __future__ import annotations

from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError
from claims.base.hybrid import SigningKey
from claims.claim.entries import check_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import IS_BACK, IS_LOST, LossEntry
from claims.claim.lists import LOST_METER, LOST_SITE
from claims.claim.records import Lost
from claims.lab.amended import check_amended
from claims.lab.closing import next_epoch, signed_otherwise
from claims.lab.losses import lost_from
from claims.lab.store import Store

__all__ = ["lose", "next_lost", "take_back"]


def next_lost(store: Store, agreement: Agreement, meters: tuple[Meter, ...]) -> int:
    """The epoch from which on meters can be said to be lost: the first that is not published, and that one of them has not sealed.

    What a meter sealed whose key is revoked, with none in its place, no inspector could be shown: it is lost where it is not published.
    """
    published = store.published_through()
    begin = agreement.first_period_of(store.lab) * agreement.epochs_per_period
    sealed = min(next_epoch(store, agreement, meter.name) if meter.key else begin for meter in meters)
    return max(-1 if published is None else published + 1, sealed)


def lose(store: Store, agreement: Agreement, name: str, key: SigningKey, epoch: int, *, site: bool = False) -> bytes:
    """Note for good that a meter, or a site, is lost from an epoch on; the signed entry for the log, to publish before that epoch's.

    Raises:
        ClaimsError: the key is not the lab's; it is lost already, or was said to be under another agreement; ``epoch`` is not the first
            that is neither sealed nor published.
        ClaimRejected: the agreement gives the lab none of that name. Amended: another agreement counts in that epoch.
    """
    lab = agreement.lab(store.lab)
    if key.public_key().public_bytes_raw() != agreement.party(store.lab).key:
        raise ClaimsError(f"the key is not that of lab {store.lab} in the agreement", "sign with the lab's own key")
    meters = lab.site(name).meters if site else (lab.meter(name),)
    what = LOST_SITE if site else LOST_METER
    known = [item for meter in meters for item in store.losses(meter.name)]
    same = next((item for item in known if (item.what, item.name, item.epoch, item.back) == (what, name, epoch, False)), None)
    if same is not None:
        if same.agreement != agreement.digest and epoch // agreement.epochs_per_period >= agreement.first_period_of(store.lab):
            raise signed_otherwise(agreement, f"{name} is said to be lost from epoch {epoch} on", same.agreement)
        return same.entry
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
    entry = encode_entry(sign_entry(key, LossEntry(agreement.digest, store.lab, store.lab, what, name, IS_LOST, epoch)))
    store.add_losses([Lost(meter.name, epoch, what, name, False, meter.agreed_key, agreement.digest, entry) for meter in meters])
    return entry


def take_back(store: Store, agreement: Agreement, entry: LossEntry) -> tuple[str, ...]:
    """Note an inspector's word that a meter or a site is back: from its epoch on it seals again. Names of the meters that are, of those
    of which the store knows. The same again changes nothing.

    Raises:
        ClaimsError: it is about another agreement or lab, or no such word; nothing of it is lost right before its epoch; that epoch is
            published. BadSignature, ClaimRejected: not signed by its author, or not allowed. Amended: another agreement counts by then.
    """
    if (entry.agreement, entry.lab) != (agreement.digest, store.lab):
        raise ClaimsError(f"{entry.title}: that is about another agreement or lab", "take it where it belongs")
    check_entry(entry, agreement)
    if entry.word != IS_BACK:
        raise ClaimsError(f"{entry.title}: that says what is lost, and not what is back", "in a building: standstill building lost")
    lab, data = agreement.lab(store.lab), encode_entry(entry)
    named = lab.site(entry.name).meters if entry.what == LOST_SITE else (lab.meter(entry.name),)
    own = tuple(meter for meter in named if store.site in (None, meter.site))
    known = tuple(meter.name for meter in own if any(item.entry == data for item in store.losses(meter.name)))
    if known:
        return known
    check_amended(store, agreement, entry.epoch // agreement.epochs_per_period)
    lost = [meter for meter in own if lost_from(store, meter, entry.epoch - 1) is not None]
    if not lost:
        raise ClaimsError(f"{entry.title}: this store has nothing of it as lost before epoch {entry.epoch}", "only what is lost comes back")
    published = store.published_through()
    if published is not None and published >= entry.epoch:
        raise ClaimsError(f"{entry.title}: epoch {entry.epoch} is published", "ask for one from the next period's first epoch on")
    items = [Lost(meter.name, entry.epoch, entry.what, entry.name, True, meter.agreed_key, agreement.digest, data) for meter in lost]
    store.add_losses(items)
    return tuple(meter.name for meter in lost)
