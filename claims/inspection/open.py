"""Opening files: what a lab shows one inspector after a draw. ``check.py`` has the inspector's side.

    store --StoreMaterial--> make_opening --signed JSON, 0600--> inspector --check_opening--> Checked

An opening holds exactly the drawn readings, the registry slots of their checkpoints, the drawn slots, and the slots of the
parents of all these, each with its own salt and audit path, and a proof that all of this is what stands behind the heads of
the lab's claim (claims/inspection/binding.py). FORMATS-inspection.md sections I7 and I8 give the format and say what it reveals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError
from claims.base.hybrid import SigningKey
from claims.claim.commitments import (
    CommitmentError,
    ReadingOpening,
    Slot,
    SlotOpening,
    epoch_root,
    reading_starts,
    registry_epoch_head,
)
from claims.claim.groups import EpochTree
from claims.claim.power import Joules
from claims.claim.records import Reading
from claims.inspection.binding import Behind, bind, prove_opened
from claims.inspection.check import OpeningRejected, check_opening, parent_tags, whole_hours, worked_tags
from claims.inspection.draw import Drawn
from claims.inspection.file import OpenedJoules, OpenedReading, OpenedSlot, Opening, saved_in
from claims.inspection.part import OpeningPart
from zk.errors import WitnessError

__all__ = ["Material", "MaterialError", "SealedEpoch", "SealedRegistry", "make_opening", "open_part"]


class MaterialError(ClaimsError):
    """A lab's store is not what its meters signed and what it published: nothing is opened. Never holds a seed or a reading."""


@dataclass(frozen=True)
class SealedEpoch:
    """A meter's sealed epoch, from the lab's store: its readings in order, seed, root, and the meter's signature of the root.

    Readings and seed are None where a site's store has them.
    """

    readings: tuple[Reading, ...] | None = field(repr=False)
    seed: bytes | None = field(repr=False)
    root: bytes
    signature: bytes


@dataclass(frozen=True)
class SealedRegistry:
    """The places of a published registry epoch head as they were when it was published, used or empty, the checkpoints' names
    (empty: ""), and its seed. Places behind the given ones are empty."""

    slots: tuple[Slot, ...] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    seed: bytes = field(repr=False)


class Material(Protocol):
    """Where a lab's secrets come from."""

    def epoch(self, meter: str, epoch: int) -> SealedEpoch:
        """A meter's sealed epoch."""

    def registry(self, epoch: int) -> SealedRegistry:
        """The registry behind the head published for an epoch."""

    def joules(self, feed: str, epoch: int) -> Joules:
        """What the lab was given of a feed's joules in an epoch."""

    def behind(self, period: int) -> Behind:
        """Ledgers and registry as they were closed at a period's end: what stands behind the claim's heads."""


def open_part(agreement: Agreement, drawn: Drawn, material: Material, site: str) -> OpeningPart | None:
    """What a site opens of a draw, from its own store, with the proof of it; None where nothing of it was drawn.

    Of lost meters' readings alone there is no proof, and it is empty.

    Raises:
        MaterialError: the store's readings are not what its meters signed.
    """
    lab, period = drawn.committed.lab, drawn.committed.period
    opened: dict[tuple[int, str, int], ReadingOpening] = {}
    whole = whole_hours(agreement, drawn)
    for meter in agreement.lab(lab).site(site).meters:
        fed = {epoch for epoch, name in whole if name == meter.name}
        for epoch in sorted(fed | {item.epoch for item in drawn.draws if item.meter == meter.name}):
            offsets = _offsets(drawn, whole, epoch, meter)
            for one in _open_epoch(agreement, meter, epoch, material.epoch(meter.name, epoch), offsets):
                opened[epoch, meter.name, one.index] = one
    if not opened:
        return None
    shown = [(meter, one.index, one.reading) for (_, meter, _), one in sorted(opened.items(), key=lambda item: item[0])]
    try:
        proofs = prove_opened(agreement, lab, period, material.behind(period), shown, (), only=site, lost=drawn.lost)
    except WitnessError as error:
        raise MaterialError(f"the store's closed period is not that of its heads: {error}") from None
    readings = tuple((place[1], opened[place]) for place in sorted(opened))
    proof = next((made for _, made in proofs), b"")
    return OpeningPart(agreement.digest, lab, period, drawn.round.number, site, readings, proof)


def make_opening(
    agreement: Agreement, drawn: Drawn, material: Material, to: str, key: SigningKey, parts: Sequence[OpeningPart] = ()
) -> Opening:
    """Open exactly what was drawn, for one inspector, signed by the lab.

    Before anything is opened, the tree of every drawn meter and epoch is rebuilt and compared with the root that the meter signed,
    and what the lab published of these epochs with the log. What is returned passes :func:`check_opening`.

    Args:
        parts: what sites opened, whose readings this material lacks.

    Raises:
        MaterialError: the material is not what was signed and published, or an inspector would reject it.
        ClaimsError: the inspector or the key is not one.
    """
    lab = drawn.committed.lab
    agreement.party(to)
    if to == lab:
        raise ClaimsError("no lab inspects itself", "name another party with --to")
    if key.public_key().public_bytes_raw() != agreement.party(lab).key:
        raise ClaimsError(f"this key is not lab {lab}'s", "sign with the lab's party key")
    readings = _open_readings(agreement, drawn, material, _by_site(agreement, drawn, parts))
    slots = _open_slots(agreement, drawn, material, readings)
    joules = tuple(_open_joules(drawn, material, epoch, feed) for epoch, feed in drawn.hours)
    period, number = drawn.committed.period, drawn.round.number
    shown = [(item.meter, item.opening.index, item.opening.reading) for item in readings]
    try:
        binding = bind(agreement, lab, period, material.behind(period), shown, [item.opening.slot for item in slots], key,
                       {part.site: part.proof for part in parts}, drawn.lost)  # fmt: skip
    except WitnessError as error:
        raise MaterialError(f"the store's closed period is not that of its heads, or not what was published: {error}") from None
    opening = Opening(agreement.digest, lab, period, number, to, tuple(readings), tuple(slots), binding, joules=joules)
    opening = replace(opening, signature=key.sign(opening.message()))
    try:
        check_opening(agreement, drawn, opening, to)
    except OpeningRejected as error:
        raise MaterialError(f"an inspector would reject this opening: {error.what}") from None
    return opening


def _by_site(agreement: Agreement, drawn: Drawn, parts: Sequence[OpeningPart]) -> dict[tuple[int, str], list[ReadingOpening]]:
    """What sites opened, by epoch and meter. Raises MaterialError for a part of something else."""
    lab, found = drawn.committed.lab, dict[tuple[int, str], list[ReadingOpening]]()
    for part in parts:
        about = (part.agreement, part.lab, part.period, part.round)
        if about != (agreement.digest, lab, drawn.committed.period, drawn.round.number):
            raise MaterialError(f"what site {part.site} opened is of another agreement, lab, period or round")
        own = {meter.name for meter in agreement.lab(lab).site(part.site).meters}
        if not {meter for meter, _ in part.readings} <= own or [p.site for p in parts].count(part.site) > 1:
            raise MaterialError(f"site {part.site} opened readings of other meters, or is given twice")
        for meter, one in part.readings:
            found.setdefault((one.reading.epoch, meter), []).append(one)
    return found


def _open_joules(drawn: Drawn, material: Material, epoch: int, feed: str) -> OpenedJoules:
    given = material.joules(feed, epoch)
    if given.leaf != drawn.committed.joules[feed, epoch].leaf:
        raise MaterialError(f"the joules of feed {feed}, epoch {epoch}, are not those in the log", "ask the feed's holder for them")
    return OpenedJoules(epoch, feed, given.joules, given.salt)


def _offsets(drawn: Drawn, whole: set[tuple[int, str]], epoch: int, meter: Meter) -> list[int] | None:
    """The drawn chip-seconds of a meter and epoch; None where all its readings are opened, for its feed."""
    if (epoch, meter.name) in whole:
        return None
    return [item.offset for item in drawn.draws if (item.epoch, item.meter) == (epoch, meter.name)]


def _open_readings(
    agreement: Agreement, drawn: Drawn, material: Material, parts: Mapping[tuple[int, str], list[ReadingOpening]]
) -> list[OpenedReading]:
    agreed = agreement.lab(drawn.committed.lab)
    opened: dict[tuple[int, str, int], OpenedReading] = {}
    whole = whole_hours(agreement, drawn)
    for epoch in sorted({item.epoch for item in drawn.draws}):
        sealed = {meter.name: material.epoch(meter.name, epoch) for meter in agreed.meters}
        tree = EpochTree(agreed, {name: one.root for name, one in sealed.items()})
        if tree.root != drawn.committed.epochs[epoch].root:
            raise MaterialError(f"the store's roots of epoch {epoch} are not those published", "was the store changed since?")
        for meter in agreed.meters:
            offsets = _offsets(drawn, whole, epoch, meter)
            own = sealed[meter.name]
            found = parts.get((epoch, meter.name)) or _open_epoch(agreement, meter, epoch, own, offsets)
            path = tree.path(meter.name) if found else ()
            for one in found:
                opened[epoch, meter.name, one.index] = OpenedReading(meter.name, one, own.signature, path)
    return [opened[place] for place in sorted(opened)]


def _open_epoch(agreement: Agreement, meter: Meter, epoch: int, own: SealedEpoch, offsets: list[int] | None) -> list[ReadingOpening]:
    """The readings that cover the offsets, or all of them, from the rebuilt tree of a meter and epoch."""
    if offsets == []:
        return []
    if own.readings is None or own.seed is None:
        what = f"readings of meter {meter.name}, epoch {epoch}, were drawn, and the store of site {meter.site} has them"
        raise MaterialError(what, "have it open them (standstill building open), and give its file (--part)")
    cover, size = agreement.coverage(meter), agreement.readings(meter)
    changed = f"the store's readings of meter {meter.name}, epoch {epoch}, are not those that it signed"
    try:
        rebuilt = epoch_root(own.readings, epoch, cover, own.seed, size)
    except CommitmentError as error:
        raise MaterialError(f"{changed}: {error.what}", "was the store changed since?") from None
    if rebuilt != own.root:
        raise MaterialError(changed, "was the store changed since?")
    starts = reading_starts(own.readings) if offsets is None else offsets
    indices = sorted({_covering(own.readings, offset) for offset in starts})
    return ReadingOpening.several(own.readings, indices, epoch, cover, own.seed, size)


def _open_slots(agreement: Agreement, drawn: Drawn, material: Material, readings: list[OpenedReading]) -> list[OpenedSlot]:
    last = agreement.period_epochs(drawn.committed.period)[1]
    registry, size = material.registry(last), agreement.checkpoints
    try:
        rebuilt = registry_epoch_head(registry.slots, registry.seed, size)
    except CommitmentError as error:
        raise MaterialError(f"the store's registry cannot be that of epoch {last}: {error.what}") from None
    if rebuilt != drawn.committed.epochs[last].registry_head:
        raise MaterialError(f"the store's registry is not the one published for epoch {last}", "was the store changed since?")
    place = {slot.tag: index for index, slot in enumerate(registry.slots) if slot.used}
    tags = worked_tags(drawn, readings)
    if tags - place.keys():
        raise MaterialError(f"a drawn reading's checkpoint is not in the registry published for epoch {last}")
    primary = {*drawn.slots, *(place[tag] for tag in tags)}
    parents = parent_tags(registry.slots[index] for index in primary if index < len(registry.slots))
    if parents - place.keys():
        raise MaterialError(f"the parent of a checkpoint to be opened is not in the registry published for epoch {last}")
    indices = sorted({*primary, *(place[tag] for tag in parents)})
    names, opened = dict(enumerate(registry.names)), SlotOpening.several(registry.slots, indices, registry.seed, size)
    saved = _saved(agreement, drawn, material, opened)
    return [OpenedSlot(names.get(one.index, ""), one, saved.get(one.index)) for one in opened]


def _saved(
    agreement: Agreement, drawn: Drawn, material: Material, opened: list[SlotOpening]
) -> dict[int, tuple[bytes, tuple[bytes, ...]]]:
    """Salt and path of each slot under the head of the epoch in which it was saved, by the slot's index."""
    first, last = agreement.period_epochs(drawn.committed.period)
    by_epoch: dict[int, list[int]] = {}
    for one in opened:
        epoch = saved_in(one.slot, first, last)
        if epoch is not None:
            by_epoch.setdefault(epoch, []).append(one.index)
    found = {}
    for epoch, indices in by_epoch.items():
        then = material.registry(epoch)
        for one in SlotOpening.several(then.slots, indices, then.seed, agreement.checkpoints):
            found[one.index] = (one.salt, one.path)
    return found


def _covering(readings: Sequence[Reading], offset: int) -> int:
    for index, start in enumerate(reading_starts(readings)):
        if start <= offset < start + readings[index].chip_seconds:
            return index
    raise MaterialError(f"no reading covers chip-second {offset}")
