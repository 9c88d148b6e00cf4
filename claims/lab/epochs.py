"""A lab's entry of each epoch in the public log: one root over its meters' roots, one freshly blinded registry head.

    meters' epoch seals --EpochTree--> root            } --lab's signature--> EPOCH entry, stored and published
    registry up to the epoch --slots, fresh seed--> head    }

Slots are the checkpoints saved up to and including the epoch, openings first, then by epoch and by the order in which
they were noted; the RESIDUE has none. What is published only grows: the store refuses checkpoints of published epochs, so slot i
is the same checkpoint under every later head. Slot i lies in place i of an order that is drawn at the period's first epoch and
kept through it. ``base`` is known once a period is closed, and 0 before.
The bytes are in FORMATS.md sections 5 and 6.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from claims.agreement.model import Agreement
from claims.agreement.signatures import epoch_root_message
from claims.base.errors import ClaimsError
from claims.base.hybrid import SigningKey
from claims.claim.commitments import (
    NOTHING,
    SEED_BYTES,
    Slot,
    in_places,
    name_digest,
    registry_epoch_head,
)
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import EpochEntry
from claims.claim.groups import EpochTree
from claims.claim.losses import NO_ROOT
from claims.claim.records import KINDS, Draft, EpochHead, Genesis, RegistryEntry
from claims.lab.amended import check_amended
from claims.lab.closing import check_headquarters, signed_otherwise
from claims.lab.lineage import unfinished
from claims.lab.losses import lost_in
from claims.lab.registry import RESIDUE
from claims.lab.renewal import verifies
from claims.lab.store import Store

__all__ = ["EpochError", "publish_epoch", "slots_at"]


class EpochError(ClaimsError):
    """An epoch cannot be published: something is missing, or it comes before its turn."""


def _slot_of_entry(entry: RegistryEntry, base: int) -> Slot:
    return _slot(
        entry.tag, entry.kind, (entry.parent1, entry.parent2), base, entry.epoch, entry.declared, entry.weights, entry.name,
        entry.genesis,
    )  # fmt: skip


def _slot_of_draft(tags: Mapping[str, int], draft: Draft) -> Slot:
    parents = ([tags[name] for name in draft.parents] + [0, 0])[:2]
    return _slot(
        tags[draft.name], KINDS.index(draft.kind) + 1, (parents[0], parents[1]), 0, draft.epoch, draft.declared,
        draft.weights, draft.name, draft.genesis,
    )  # fmt: skip


def _slot(
    tag: int, kind: int, parents: tuple[int, int], base: int, epoch: int, declared: int, weights: bytes, name: str,
    genesis: Genesis | None,
) -> Slot:  # fmt: skip
    commitment, number = (genesis.commitment, genesis.round) if genesis else (NOTHING, 0)
    return Slot(True, tag, kind, *parents, base, epoch, declared, weights, name_digest(name), commitment, number)


def slots_at(store: Store, agreement: Agreement, epoch: int) -> list[Slot]:
    """The used slots of the registry's head of an epoch: as published, or as they would be published now."""
    head = store.epoch_head(epoch)
    entries = store.entries()
    closed = len(entries) if head is None else head.closed
    placed = [
        _slot_of_entry(entry, entry.base if position < closed else 0)
        for position, entry in enumerate(entries)
        if entry.kind != RESIDUE
    ]
    last = max((published.period for published in store.registry_heads()), default=-1)
    tags = {name: tag for tag, name in store.names().items()}
    for period in range(last + 1, epoch // agreement.epochs_per_period + 1):
        placed += [_slot_of_draft(tags, draft) for draft in store.drafts(period) if draft.epoch <= epoch]
    return sorted((slot for slot in placed if slot.epoch <= epoch), key=lambda slot: slot.epoch)


def publish_epoch(store: Store, agreement: Agreement, epoch: int, key: SigningKey, absent: bytes = b"") -> bytes:
    """Make, sign and store the lab's log entry of an epoch that every meter has sealed. Returns the entry's bytes.

    Once published, an epoch's entry is returned as it is: a second, different one would be evidence against the lab.

    Args:
        key: the lab's party key.
        absent: bits of the power feeds whose joules of the epoch did not come (:func:`claims.claim.power.absent_bits`).

    Raises:
        EpochError: a meter has not sealed the epoch, the epoch before is not published, or the period ends with work that no
            checkpoint accounts for. ClaimsError: it was published under another agreement. Amended: another agreement counts by then.
        CommitmentError: more checkpoints than the agreement has slots.
    """
    check_headquarters(store)
    if key.public_key().public_bytes_raw() != agreement.party(store.lab).key:
        raise EpochError(f"the key is not that of lab {store.lab} in the agreement", "sign with the lab's own key")
    period = epoch // agreement.epochs_per_period
    first, last = agreement.period_epochs(period)
    check_amended(store, agreement, period)
    with store.transaction():
        known = store.epoch_head(epoch)
        if known is not None:
            if known.agreement != agreement.digest:
                raise signed_otherwise(agreement, f"epoch {epoch} was published", known.agreement)
            return known.entry
        if epoch != first and store.epoch_head(epoch - 1) is None:
            raise EpochError(f"epoch {epoch - 1} is not published, epoch {epoch} comes later", "publish epochs in order")
        if epoch == last and (left := unfinished(store, period)):
            raise EpochError(
                f"epoch {epoch} ends period {period}, and work toward {left[0]} has no checkpoint",
                "note the checkpoint, or close the work: standstill lab snapshot",
            )
        seed = secrets.token_bytes(SEED_BYTES)
        root = EpochTree(agreement.lab(store.lab), _roots(store, agreement, epoch)).root
        before = None if epoch == first else store.epoch_head(epoch - 1)
        places = secrets.token_bytes(SEED_BYTES) if before is None else before.places
        size = agreement.checkpoints
        registry = registry_epoch_head(in_places(slots_at(store, agreement, epoch), places, size), seed, size)
        entry = encode_entry(sign_entry(key, EpochEntry(agreement.digest, store.lab, epoch, root, registry, absent=absent)))
        closed = len(store.entries())
        store.add_epoch_head(EpochHead(epoch, period, agreement.digest, seed, registry, root, closed, entry, places))
    return entry


def _roots(store: Store, agreement: Agreement, epoch: int) -> dict[str, bytes]:
    roots, lost = {}, lost_in(store, agreement, epoch // agreement.epochs_per_period)
    for meter in agreement.lab(store.lab).meters:
        if lost.get(meter.name, epoch + 1) <= epoch:
            roots[meter.name] = NO_ROOT
            continue
        seal = store.epoch_seal(meter.name, epoch)
        if seal is None or seal.agreement != agreement.digest:
            raise EpochError(f"meter {meter.name} has not sealed epoch {epoch} under this agreement", "standstill epoch seal")
        if meter.former and not verifies(
            meter.key, seal.signature, epoch_root_message(agreement.digest, store.lab, meter.name, epoch, seal.root)
        ):
            what = f"meter {meter.name} sealed epoch {epoch} with a key that is not in force: no inspector could be shown it"
            again = f"standstill key renew --meter {meter.name}, in the store that has its readings"
            raise EpochError(what, again if meter.key else f"it has none: standstill meter lost {meter.name} --from-epoch {epoch}")
        roots[meter.name] = seal.root
    return roots
