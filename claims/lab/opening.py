"""A lab's store as the material of openings: sealed readings and published registry heads, one epoch at a time.

    drawn epoch --StoreMaterial.epoch--> readings, seed, root, signature --make_opening--> tree rebuilt, root compared
    last epoch  --StoreMaterial.registry--> slots as published, names, seed --make_opening--> head rebuilt and compared

Nothing is read or rebuilt before it is asked for: of a month, an opening touches the drawn epochs only. What is returned here is as
the store has it; that it is what was signed and published is for :func:`claims.inspection.open.make_opening`, which compares
every rebuilt root with the signed and the logged one before it opens anything.
"""

from __future__ import annotations

from pathlib import Path

from claims.agreement.model import Agreement
from claims.base.errors import MalformedFile, UnreadableFile
from claims.base.files import SMALL_LIMIT, read_bounded
from claims.claim.commitments import in_places
from claims.claim.losses import NO_HEAD, NO_ROOT
from claims.claim.power import Joules, joules_name
from claims.claim.records import EpochSeal, LedgerSecrets, Reading
from claims.inspection.binding import Behind
from claims.inspection.open import MaterialError, SealedEpoch, SealedRegistry
from claims.lab.epochs import slots_at
from claims.lab.losses import claimed_heads, lost_in, readings_of
from claims.lab.store import Store

__all__ = ["StoreMaterial", "given_joules"]


def given_joules(folder: Path, agreement: Agreement, feed: str, epoch: int) -> Joules | None:
    """The joules of a feed and epoch from a folder; None where there is no such file, or it is of something else."""
    try:
        found = Joules.decode(read_bounded(folder / joules_name(feed, epoch), SMALL_LIMIT))
    except (UnreadableFile, MalformedFile):
        return None
    return found if (found.agreement, found.feed, found.epoch) == (agreement.digest, feed, epoch) else None


_NOTHING = (0,) * 8
"""In the place of a registry that is elsewhere."""


class StoreMaterial:
    """The material of one lab under one agreement.

    Args:
        store: the lab's open store.
        agreement: under which the epochs were sealed and published.
        joules: folder with what the holders of power feeds gave the lab (``standstill-joules/1``), or None.

    Raises:
        ClaimRejected: the store's lab is not a lab of the agreement.
    """

    def __init__(self, store: Store, agreement: Agreement, joules: Path | None = None) -> None:
        agreement.lab(store.lab)
        self._joules = joules
        self._store, self._agreement = store, agreement
        self._seals: dict[tuple[int, str], dict[int, EpochSeal]] = {}

    def epoch(self, meter: str, epoch: int) -> SealedEpoch:
        """A meter's sealed epoch. Raises MaterialError when it is not sealed under the agreement."""
        place = (epoch // self._agreement.epochs_per_period, meter)
        if place not in self._seals:
            self._seals[place] = {seal.epoch: seal for seal in self._store.epoch_seals(*place)}
        lost = lost_in(self._store, self._agreement, place[0])
        if epoch >= lost.get(meter, epoch + 1):
            return SealedEpoch(None, None, NO_ROOT, bytes(64))
        seal = self._seals[place].get(epoch)
        if seal is None or seal.agreement != self._agreement.digest:
            raise MaterialError(f"the store has no epoch {epoch} that meter {meter} sealed under this agreement")
        readings = None if seal.seed is None else tuple(self._store.epoch_readings(meter, epoch))
        return SealedEpoch(readings, seal.seed, seal.root, seal.signature)

    def registry(self, epoch: int) -> SealedRegistry:
        """The registry behind the head published for an epoch. Raises MaterialError when it was not published."""
        head = self._store.epoch_head(epoch)
        if head is None or head.agreement != self._agreement.digest:
            raise MaterialError(f"the store has no epoch {epoch} that was published under this agreement")
        slots = in_places(slots_at(self._store, self._agreement, epoch), head.places, self._agreement.checkpoints)
        names = tuple(self._store.name(slot.tag) if slot.used else "" for slot in slots)
        return SealedRegistry(tuple(slots), names, head.seed)

    def joules(self, feed: str, epoch: int) -> Joules:
        """What the feed's holder gave of an epoch. Raises MaterialError where it is not in the folder."""
        found = None if self._joules is None else given_joules(self._joules, self._agreement, feed, epoch)
        if found is None:
            what = f"the joules of feed {feed}, epoch {epoch}, which the lab said it was given, are not here"
            raise MaterialError(what, f"give the folder with {joules_name(feed, epoch)} (--joules), or ask the feed's holder for it")
        return found

    def behind(self, period: int) -> Behind:
        """Ledgers and registry as closed at a period's end; of a site's store its own ledgers. Raises MaterialError while they are open."""
        store, agreed = self._store, self._agreement.lab(self._store.lab)
        published, site = store.registry_head(period), store.site
        meters = agreed.meters if site is None else agreed.site(site).meters
        lost, nothing = lost_in(store, self._agreement, period), LedgerSecrets(NO_HEAD, NO_HEAD)
        own = {meter.name for meter in meters}
        heads = [head for head in claimed_heads(store, self._agreement, period) if head.meter in own]
        if (site is None and published is None) or len(heads) != len(meters):
            raise MaterialError(f"period {period} is not closed", "close it first: standstill meter close, lab close")
        ledgers = tuple(
            None if store.is_elsewhere(period, meter.name)
            else ([Reading(*row) for row in readings_of(store, self._agreement, meter, period, lost)],
                  nothing if meter.name in lost else store.ledger_secrets(period, meter.name))
            for meter in meters
        )  # fmt: skip
        if published is None:
            return Behind(tuple(heads), ledgers, _NOTHING, _NOTHING, _NOTHING, ())
        entries = tuple(store.entries(published.entries))
        lists = store.claimed_lists(period)
        return Behind(tuple(heads), ledgers, published.head, store.registry_iv(), published.trailer, entries, lists)
