"""A lab's store as the material of openings: sealed readings and published registry heads, one epoch at a time.

    drawn epoch --StoreMaterial.epoch--> readings, seed, root, signature --make_opening--> tree rebuilt, root compared
    last epoch  --StoreMaterial.registry--> slots as published, names, seed --make_opening--> head rebuilt and compared

Nothing is read or rebuilt before it is asked for: of a month, an opening touches the drawn epochs only. What is returned here is as
the store has it; that it is what was signed and published is for :func:`claims.inspection.open.make_opening`, which compares
every rebuilt root with the signed and the logged one before it opens anything.
"""

from __future__ import annotations

from claims.agreement.model import Agreement
from claims.claim.commitments import in_places
from claims.claim.records import EpochSeal
from claims.inspection.binding import Behind
from claims.inspection.open import MaterialError, SealedEpoch, SealedRegistry
from claims.lab.epochs import slots_at
from claims.lab.store import Store

__all__ = ["StoreMaterial"]


class StoreMaterial:
    """The material of one lab under one agreement.

    Args:
        store: the lab's open store.
        agreement: under which the epochs were sealed and published.

    Raises:
        ClaimRejected: the store's lab is not a lab of the agreement.
    """

    def __init__(self, store: Store, agreement: Agreement) -> None:
        agreement.lab(store.lab)
        self._store, self._agreement = store, agreement
        self._seals: dict[tuple[int, str], dict[int, EpochSeal]] = {}

    def epoch(self, meter: str, epoch: int) -> SealedEpoch:
        """A meter's sealed epoch. Raises MaterialError when it is not sealed under the agreement."""
        place = (epoch // self._agreement.epochs_per_period, meter)
        if place not in self._seals:
            self._seals[place] = {seal.epoch: seal for seal in self._store.epoch_seals(*place)}
        seal = self._seals[place].get(epoch)
        if seal is None or seal.agreement != self._agreement.digest:
            raise MaterialError(f"the store has no epoch {epoch} that meter {meter} sealed under this agreement")
        return SealedEpoch(tuple(self._store.epoch_readings(meter, epoch)), seal.seed, seal.root, seal.signature)

    def registry(self, epoch: int) -> SealedRegistry:
        """The registry behind the head published for an epoch. Raises MaterialError when it was not published."""
        head = self._store.epoch_head(epoch)
        if head is None or head.agreement != self._agreement.digest:
            raise MaterialError(f"the store has no epoch {epoch} that was published under this agreement")
        slots = in_places(slots_at(self._store, self._agreement, epoch), head.places, self._agreement.commitment.checkpoints)
        names = tuple(self._store.name(slot.tag) if slot.used else "" for slot in slots)
        return SealedRegistry(tuple(slots), names, head.seed)

    def behind(self, period: int) -> Behind:
        """Ledgers and registry as closed at a period's end. Raises MaterialError while they are open."""
        store, agreed = self._store, self._agreement.lab(self._store.lab)
        published = store.registry_head(period)
        heads = [head for meter in agreed.meters if (head := store.signed_head(period, meter.name)) is not None]
        if published is None or len(heads) != len(agreed.meters):
            raise MaterialError(f"period {period} is not closed", "close it first: standstill meter close, lab close")
        ledgers = tuple((store.readings(period, meter.name), store.ledger_secrets(period, meter.name)) for meter in agreed.meters)
        entries = tuple(store.entries(published.entries))
        lists = store.claimed_lists(period)
        return Behind(tuple(heads), ledgers, published.head, store.registry_iv(), published.trailer, entries, lists)
