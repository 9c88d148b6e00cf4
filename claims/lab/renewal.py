"""After a key changed: what it signed in a store, and no entry of the log has fixed yet, is signed again with the new key.

    a meter's root of an epoch, until the lab's entry of the epoch is in the log; its ledger head, until the claim's entry is
    the lab's entries of epochs and losses, and its claim, until they are in the log

Each is the same statement, so nothing contradicts anything: FORMATS-log.md section 10.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from claims.agreement.signatures import epoch_root_message, ledger_head_message
from claims.base.ed25519 import check_signature
from claims.base.errors import BadSignature, ClaimRejected, ClaimsError, MalformedClaim
from claims.base.hybrid import SigningKey
from claims.claim.entries import check_entry, decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import ClaimEntry, Entry
from claims.claim.file import Claim, decode_claim, sign_claim
from claims.claim.published import PublishedEntries
from claims.claim.records import KeptClaim
from claims.lab.meter import SoftwareMeter
from claims.lab.store import Store

__all__ = ["renew", "renewed", "verifies"]


def renew(store: Store, published: PublishedEntries, key: SigningKey, meter: str | None) -> int:
    """Sign again what the log has not fixed under the key before; how many signatures that were.

    Args:
        published: the log's entries, all that its key signed.
        key: the new key, of the meter (both halves where it has two), or of the lab (None).

    Raises:
        ClaimsError: it is not the one in force. ClaimRejected: the agreement gives the lab no such meter.
    """
    now = published.keys.now
    if meter is None and key.public_key().public_bytes_raw() != now.party(store.lab).key:
        raise ClaimsError("the key is not the one in force by this log", "see standstill key list")
    with store.transaction():
        return _of_lab(store, published, key) if meter is None else _of_meter(store, published, SoftwareMeter(meter, key))


def verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature verifies."""
    try:
        check_signature("", public, signature, message)
    except BadSignature:
        return False
    return True


def renewed(old: bytes | None, new: bytes) -> bool:
    """Whether two claim files, the first of which may be any bytes, differ, and in signatures alone."""
    try:
        return old is not None and old != new and _unsigned(decode_claim(old)) == _unsigned(decode_claim(new))
    except MalformedClaim:
        return False


def _unsigned(claim: Claim) -> Claim:
    meters = tuple(replace(meter, signature=b"") for meter in claim.meters)
    return replace(claim, meters=meters, registry_signature=b"", signature=b"")


def _of_meter(store: Store, published: PublishedEntries, meter: SoftwareMeter) -> int:
    terms, now, name, count = published.agreement, published.keys.now, meter.name, 0
    own = now.lab(store.lab).meter(name)
    signer = meter.period_signer(own)
    for epoch, root, signature in store.signed_roots(terms.digest, name):
        entry = published.epoch(store.lab, epoch, all_=True)
        fixed = (now if entry is None else published.keys.at(entry[1])).lab(store.lab).meter(name)
        message = epoch_root_message(terms.digest, store.lab, name, epoch, root)
        if fixed.key == own.key and not verifies(own.key, signature, message):
            store.renew_seal(name, epoch, meter.sign_epoch(message))
            count += 1
    for head in store.signed_heads(terms.digest, name):
        fixed = (published.terms_of_claim(store.lab, head.period) or now).lab(store.lab).meter(name)
        message = ledger_head_message(terms.digest, store.lab, name, head.period, head.head, head.roots_digest)
        if fixed.whole_key == own.whole_key and not verifies(own.whole_key, head.signature, message):
            store.renew_head(name, head.period, signer.sign(message))
            count += 1
    return count


def _of_lab(store: Store, published: PublishedEntries, key: SigningKey) -> int:
    terms, now, count = published.agreement, published.keys.now, 0
    logged = {entry.identity for entry in published.by(store.lab)}

    def due(entry: Entry) -> bool:
        if entry.identity in logged:
            return False
        try:
            check_entry(entry, now)
        except (BadSignature, ClaimRejected):
            return True
        return False

    for data in store.epoch_entries_after(terms.digest, -1):
        entry = decode_entry(data)
        if due(entry):
            store.renew_epoch_entry(data, encode_entry(sign_entry(key, entry)))
            count += 1
    for data in store.loss_entries(terms.digest):
        entry = decode_entry(data)
        if entry.author == store.lab and due(entry):
            store.renew_loss(data, encode_entry(sign_entry(key, entry)))
            count += 1
    for kept in store.kept_claims(terms.digest):
        found = _claim(store, published, kept, key)
        if found is not None:
            store.renew_claim(found)
            count += 1
    return count


def _claim(store: Store, published: PublishedEntries, kept: KeptClaim, key: SigningKey) -> KeptClaim | None:
    """A claim that the log does not have, with signatures of the keys that are in force; None where it has them, or is there.

    Raises:
        ClaimsError: the lab's key in force signed it with another signature of a meter: its entry can be in others' hands.
    """
    if published.claim(store.lab, kept.period, all_=True) is not None:
        return None
    claim = decode_claim(kept.claim)
    heads = {head.meter: head for name in (one.name for one in claim.meters) for head in store.signed_heads(kept.agreement, name)
             if head.period == kept.period}  # fmt: skip
    meters = tuple(
        replace(one, signature=heads[one.name].signature) if one.name in heads and heads[one.name].head == one.head else one
        for one in claim.meters
    )
    public = key.public_key().public_bytes_raw()
    if verifies(public, claim.signature, claim.signed_message()):
        if meters == claim.meters:
            return None
        what = f"the claim of period {kept.period} is signed, and a meter's signature in it is by a key that was replaced since"
        how = f"two claims of one key are evidence against the lab: change its key too (key rotate party:{store.lab}), then renew"
        raise ClaimsError(what, how)
    made = sign_claim(replace(claim, meters=meters), key).encode()
    old = decode_entry(kept.entry)
    assert isinstance(old, ClaimEntry)
    entry = sign_entry(key, replace(old, claim=hashlib.sha256(made).digest()))
    return KeptClaim(kept.period, kept.agreement, made, encode_entry(entry))
