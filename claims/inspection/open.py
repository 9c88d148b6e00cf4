"""Opening files: what a lab shows one inspector after a draw, and its check against agreement and log.

    store --StoreMaterial--> make_opening --signed JSON, 0600--> inspector --check_opening--> Checked

An opening holds exactly the drawn readings, the registry slots of their checkpoints, the drawn slots, and the slots of the
parents of all these, each with its own salt and audit path, and a proof that all of this is what stands behind the heads of
the lab's claim (claims/inspection/binding.py). FORMATS-inspection.md sections I7 and I8 give the format and say what it reveals.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from claims.agreement.model import Agreement
from claims.agreement.signatures import epoch_root_message
from claims.agreement.terms import Meter
from claims.base.ed25519 import check_signature
from claims.base.errors import BadSignature, ClaimRejected, ClaimsError
from claims.claim.commitments import (
    EMPTY_SLOT,
    CommitmentError,
    ReadingOpening,
    Slot,
    SlotOpening,
    audit_path,
    epoch_root,
    lab_epoch_root,
    meter_leaf,
    reading_starts,
    registry_epoch_head,
    root_from_path,
)
from claims.claim.evidence import Equivocation, equivocations_of
from claims.claim.file import Claim
from claims.claim.power import Joules, joules_leaf
from claims.claim.records import FIRST_TAG, IDLE, KINDS, Reading
from claims.inspection.binding import Behind, bind, check_binding, check_heads, heads_digest, prove_opened
from claims.inspection.draw import Drawn
from claims.inspection.file import SLOTS_EACH, OpenedJoules, OpenedReading, OpenedSlot, Opening, saved_in
from claims.inspection.genesis import check_slot_genesis
from claims.inspection.part import OpeningPart
from claims.inspection.terms import Draw
from zk.errors import WitnessError, ZkError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "CheckedOpening", "Material", "MaterialError", "OpenedReading", "OpenedSlot", "Opening", "OpeningRejected",
    "SealedEpoch", "SealedRegistry", "check_claim_heads", "check_opening", "drawn_readings",
    "equivocations", "make_opening", "open_part",
]  # fmt: skip


class MaterialError(ClaimsError):
    """A lab's store is not what its meters signed and what it published: nothing is opened. Never holds a seed or a reading."""


class OpeningRejected(ClaimRejected):
    """An opening does not show what was drawn; the text holds nothing opened.

    ``code``: one of ``inspect_record.FAILURES``, or, where nothing shows that the lab made this file for this inspection,
    ``addressed`` or ``signature``: then it counts for nothing, and no record says that the lab failed.
    """

    def __init__(self, code: str, what: str) -> None:
        self.code = code
        super().__init__("opening", what)


# ---- making an opening -------------------------------------------------------------------------------------


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

    Raises:
        MaterialError: the store's readings are not what its meters signed.
    """
    lab, period = drawn.committed.lab, drawn.committed.period
    opened: dict[tuple[int, str, int], ReadingOpening] = {}
    whole = _whole(agreement, drawn)
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
        ((_, proof),) = prove_opened(agreement, lab, period, material.behind(period), shown, (), only=site, lost=drawn.lost)
    except WitnessError as error:
        raise MaterialError(f"the store's closed period is not that of its heads: {error}") from None
    readings = tuple((place[1], opened[place]) for place in sorted(opened))
    return OpeningPart(agreement.digest, lab, period, drawn.round.number, site, readings, proof)


def make_opening(
    agreement: Agreement, drawn: Drawn, material: Material, to: str, key: Ed25519PrivateKey, parts: Sequence[OpeningPart] = ()
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
    whole = _whole(agreement, drawn)
    for epoch in sorted({item.epoch for item in drawn.draws}):
        sealed = {meter.name: material.epoch(meter.name, epoch) for meter in agreed.meters}
        roots = [(meter.name, sealed[meter.name].root) for meter in agreed.meters]
        if lab_epoch_root(roots) != drawn.committed.epochs[epoch].root:
            raise MaterialError(f"the store's roots of epoch {epoch} are not those published", "was the store changed since?")
        leaves = [meter_leaf(name, root) for name, root in roots]
        for position, meter in enumerate(agreed.meters):
            offsets = _offsets(drawn, whole, epoch, meter)
            own, path = sealed[meter.name], tuple(audit_path(leaves, position))
            for one in parts.get((epoch, meter.name)) or _open_epoch(agreement, meter, epoch, own, offsets):
                opened[epoch, meter.name, one.index] = OpenedReading(meter.name, one, own.signature, path)
    return [opened[place] for place in sorted(opened)]


def _open_epoch(agreement: Agreement, meter: Meter, epoch: int, own: SealedEpoch, offsets: list[int] | None) -> list[ReadingOpening]:
    """The readings that cover the offsets, or all of them, from the rebuilt tree of a meter and epoch."""
    if offsets == []:
        return []
    if own.readings is None or own.seed is None:
        what = f"readings of meter {meter.name}, epoch {epoch}, were drawn, and the store of site {meter.site} has them"
        raise MaterialError(what, "have it open them (standstill building open), and give its file (--part)")
    cover, size = agreement.coverage(meter), agreement.commitment.readings
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
    registry, size = material.registry(last), agreement.commitment.checkpoints
    try:
        rebuilt = registry_epoch_head(registry.slots, registry.seed, size)
    except CommitmentError as error:
        raise MaterialError(f"the store's registry cannot be that of epoch {last}: {error.what}") from None
    if rebuilt != drawn.committed.epochs[last].registry_head:
        raise MaterialError(f"the store's registry is not the one published for epoch {last}", "was the store changed since?")
    place = {slot.tag: index for index, slot in enumerate(registry.slots) if slot.used}
    tags = _worked(drawn, readings)
    if tags - place.keys():
        raise MaterialError(f"a drawn reading's checkpoint is not in the registry published for epoch {last}")
    primary = {*drawn.slots, *(place[tag] for tag in tags)}
    parents = _parents(registry.slots[index] for index in primary if index < len(registry.slots))
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
        for one in SlotOpening.several(then.slots, indices, then.seed, agreement.commitment.checkpoints):
            found[one.index] = (one.salt, one.path)
    return found


def _parents(slots: Iterable[Slot]) -> set[int]:
    """Tags of the parents of slots. They are opened too: a parent that no draw could meet would be whatever the lab likes."""
    return {tag for slot in slots for tag in (slot.parent1, slot.parent2) if tag}


def _whole(agreement: Agreement, drawn: Drawn) -> set[tuple[int, str]]:
    """(epoch, meter) of which every reading is opened: the meters under the feed of a drawn chip-second, in its hour."""
    feeds = {feed.name: feed.meters for feed in agreement.feeds_of(drawn.committed.lab)}
    return {(epoch, meter) for epoch, feed in drawn.hours for meter in feeds[feed]}


def drawn_readings(drawn: Drawn, readings: Iterable[OpenedReading]) -> list[OpenedReading]:
    """Those among opened readings that cover a drawn chip-second; of whole hours the others are shown for their feed alone."""
    places: dict[tuple[int, str], list[int]] = {}
    for item in drawn.draws:
        places.setdefault((item.epoch, item.meter), []).append(item.offset)
    found = []
    for shown in readings:
        start, reading = shown.opening.start, shown.opening.reading
        if any(start <= offset < start + reading.chip_seconds for offset in places.get((reading.epoch, shown.meter), ())):
            found.append(shown)
    return found


def _worked(drawn: Drawn, readings: Iterable[OpenedReading]) -> set[int]:
    """Tags of the checkpoints of drawn readings, whose slots are opened."""
    tags = {item.opening.reading.tag for item in drawn_readings(drawn, readings)}
    return {tag for tag in tags if tag >= FIRST_TAG}


def _covering(readings: Sequence[Reading], offset: int) -> int:
    for index, start in enumerate(reading_starts(readings)):
        if start <= offset < start + readings[index].chip_seconds:
            return index
    raise MaterialError(f"no reading covers chip-second {offset}")


# ---- checking one ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CheckedOpening:
    """A verified opening, with the draw that it answers."""

    opening: Opening
    drawn: Drawn

    def slot_of(self, tag: int) -> OpenedSlot | None:
        """The opened slot of a checkpoint, or None for idle and unattributed time."""
        return next((s for s in self.opening.slots if s.opening.slot.used and s.opening.slot.tag == tag), None)


def check_opening(agreement: Agreement, drawn: Drawn, opening: Opening, inspector: str) -> CheckedOpening:
    """Check that an opening opens exactly what was drawn, under what the log holds.

    Args:
        drawn: recomputed by the inspector from agreement, log and round; nothing of it comes from the lab.
        inspector: the party that checks.

    Raises:
        OpeningRejected: it does not; ``code`` says how.
    """
    committed = drawn.committed
    if (opening.agreement, opening.lab) != (agreement.digest, committed.lab):
        raise OpeningRejected("addressed", "the opening is of another agreement or lab")
    if (opening.period, opening.round) != (committed.period, drawn.round.number):
        raise OpeningRejected("addressed", "the opening is of another period or round")
    if opening.to != inspector or inspector == opening.lab:
        raise OpeningRejected("addressed", f"the opening is for another inspector than {inspector}")
    try:
        check_signature(f"lab {opening.lab} on the opening", agreement.party(opening.lab).key, opening.signature, opening.message())
    except BadSignature as error:
        raise OpeningRejected("signature", error.what) from None
    _check_readings(agreement, drawn, opening)
    _check_joules(drawn, opening)
    _check_slots(agreement, drawn, opening)
    _check_binding(agreement, drawn, opening)
    return CheckedOpening(opening, drawn)


def _check_readings(agreement: Agreement, drawn: Drawn, opening: Opening) -> None:
    whole = _whole(agreement, drawn)
    most = len(drawn.draws) + len(whole) * agreement.commitment.readings
    if len(opening.readings) > most or len(opening.slots) > SLOTS_EACH * (len(drawn.slots) + len(drawn.draws)):
        raise OpeningRejected("selection", "more is opened than was drawn")
    places = [(r.opening.reading.epoch, r.meter, r.opening.index) for r in opening.readings]
    if any(a >= b for a, b in zip(places, places[1:], strict=False)):
        raise OpeningRejected("selection", "the opened readings are not in order, or one occurs twice")
    ends: dict[tuple[int, str], int] = {}
    spans: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for item in opening.readings:
        place, start = (item.opening.reading.epoch, item.meter), item.opening.start
        _check_reading(agreement, drawn, item)
        if start < ends.get(place, 0):
            raise OpeningRejected("overlap", f"opened readings of meter {item.meter} overlap")
        ends[place] = start + item.opening.reading.chip_seconds
        spans.setdefault(place, []).append((start, ends[place]))
    used = {_drawn_span(spans, item) for item in drawn.draws if (item.epoch, item.meter) not in whole}
    if len(used) + sum(len(spans.get(place, ())) for place in whole) != len(opening.readings):
        raise OpeningRejected("selection", "a reading is opened that was not drawn")
    covers = {meter.name: agreement.coverage(meter) for meter in agreement.lab(opening.lab).meters}
    for place in whole:
        own = spans.get(place, [])
        filled = sum(end - start for start, end in own)  # they do not overlap, and none ends after the epoch
        if filled != covers[place[1]]:
            raise OpeningRejected("selection", f"the readings of meter {place[1]} do not fill epoch {place[0]}, whose feed was drawn")


def _drawn_span(spans: dict[tuple[int, str], list[tuple[int, int]]], item: Draw) -> tuple[int, str, int]:
    """The opened reading that covers a drawn chip-second; the spans of one meter and epoch ascend and do not overlap."""
    place = (item.epoch, item.meter)
    own = spans.get(place, [])
    at = bisect_right(own, item.offset, key=lambda span: span[0]) - 1
    if at < 0 or item.offset >= own[at][1]:
        raise OpeningRejected("selection", "a drawn chip-second is not covered by exactly one opened reading")
    return (*place, at)


def _check_reading(agreement: Agreement, drawn: Drawn, item: OpenedReading) -> None:
    one, reading = item.opening, item.opening.reading
    agreed = agreement.lab(drawn.committed.lab)
    entry = drawn.committed.epochs.get(reading.epoch)
    meter = next((m for m in agreed.meters if m.name == item.meter), None)
    if entry is None or meter is None:
        raise OpeningRejected("selection", "a reading is opened of no meter or epoch of the period")
    _check_values(agreement, meter, drawn.committed.period, one)
    try:
        root = one.root(agreement.commitment.readings)
        leaf = meter_leaf(item.meter, root)
        lab_root = root_from_path(leaf, agreed.meters.index(meter), len(agreed.meters), item.meter_path)
    except CommitmentError as error:
        raise OpeningRejected("reading-path", f"meter {item.meter}: {error.what}") from None
    if lab_root != entry.root:
        raise OpeningRejected("reading-path", f"a reading of meter {item.meter} is not under the logged root of epoch {reading.epoch}")
    message = epoch_root_message(agreement.digest, agreed.name, meter.name, reading.epoch, root)
    try:
        check_signature(f"meter {meter.name} on its epoch root", meter.key, item.signature, message)
    except BadSignature as error:
        raise OpeningRejected("meter-signature", error.what) from None


def _check_values(agreement: Agreement, meter: Meter, period: int, one: ReadingOpening) -> None:
    reading = one.reading
    if reading.tag < IDLE or one.start + reading.chip_seconds > agreement.coverage(meter):
        raise OpeningRejected("reading-values", f"a reading of meter {meter.name} is padding, or reaches past its epoch's end")
    peak = agreement.chip(meter.chip).peak if agreement.rules_at(period).charge_peak else None
    due = 0 if reading.tag == IDLE else reading.work if peak is None else reading.chip_seconds * peak
    if reading.work != due:
        raise OpeningRejected("reading-values", f"a reading of meter {meter.name} is not charged as agreed")


def _check_joules(drawn: Drawn, opening: Opening) -> None:
    if [(item.epoch, item.feed) for item in opening.joules] != list(drawn.hours):
        raise OpeningRejected("selection", "the joules that are opened are not those of the feeds of drawn chip-seconds, in order")
    for item in opening.joules:
        leaf = joules_leaf(item.salt, item.epoch, item.joules)
        if leaf != drawn.committed.joules[item.feed, item.epoch].leaf:
            raise OpeningRejected("joules", f"the joules of feed {item.feed}, epoch {item.epoch}, are not those in the log")


def _check_slots(agreement: Agreement, drawn: Drawn, opening: Opening) -> None:
    first, last = agreement.period_epochs(drawn.committed.period)
    head, size = drawn.committed.epochs[last].registry_head, agreement.commitment.checkpoints
    indices = [item.opening.index for item in opening.slots]
    if any(a >= b for a, b in zip(indices, indices[1:], strict=False)):
        raise OpeningRejected("selection", "the opened slots are not in order, or one occurs twice")
    by_tag: dict[int, int] = {}
    for item in opening.slots:
        slot = item.opening.slot
        try:
            root = item.opening.root(size)
        except CommitmentError as error:
            raise OpeningRejected("slot-path", error.what) from None
        if root != head:
            raise OpeningRejected("slot-path", f"an opened slot is not under the registry head logged for epoch {last}")
        _check_saved(agreement, drawn, item)
        if not slot.used:
            if item.name or slot != EMPTY_SLOT:
                raise OpeningRejected("slot-values", "an empty slot has a name or values")
            continue
        if slot.tag < FIRST_TAG or not 1 <= slot.kind < len(KINDS) or slot.epoch > last or slot.tag in by_tag:
            raise OpeningRejected("slot-values", "an opened slot has no possible tag, kind or epoch, or two have one tag")
        try:
            check_slot_genesis(agreement, slot)
        except ClaimRejected as error:
            raise OpeningRejected("genesis", error.what) from None
        by_tag[slot.tag] = item.opening.index
    tags = _worked(drawn, opening.readings)
    if tags - by_tag.keys():
        raise OpeningRejected("slot-missing", "the slot of a drawn reading's checkpoint is not opened")
    worked = [item.opening.slot for item in opening.slots if item.opening.slot.tag in tags]
    if any(KINDS[slot.kind - 1] not in ("CHECKPOINT", "SNAPSHOT") or slot.epoch < first for slot in worked):
        raise OpeningRejected("slot-values", "a drawn reading's checkpoint is of a kind or a period that receives no work then")
    _check_dates(opening, {item.opening.slot.tag: item.opening.slot for item in opening.slots if item.opening.slot.used})
    primary = {*drawn.slots, *(by_tag[tag] for tag in tags)}
    parents = _parents(item.opening.slot for item in opening.slots if item.opening.index in primary)
    if parents - by_tag.keys():
        raise OpeningRejected("slot-missing", "the slot of an opened checkpoint's parent is not opened")
    if {*primary, *(by_tag[tag] for tag in parents)} != set(indices):
        raise OpeningRejected("selection", "the opened slots are not exactly those drawn, those of drawn readings, and their parents")


def _check_dates(opening: Opening, slots: dict[int, Slot]) -> None:
    """Nothing opened receives work after it was saved, or is older than its parent."""
    for item in opening.readings:
        slot = slots.get(item.opening.reading.tag)
        if slot is not None and slot.epoch < item.opening.reading.epoch:
            raise OpeningRejected("slot-values", "a drawn reading is booked to a checkpoint that was saved in an earlier epoch")
    for slot in slots.values():
        if any(tag in slots and slots[tag].epoch > slot.epoch for tag in (slot.parent1, slot.parent2)):
            raise OpeningRejected("slot-values", "an opened checkpoint is of an earlier epoch than its parent")


def _check_saved(agreement: Agreement, drawn: Drawn, item: OpenedSlot) -> None:
    """A checkpoint of the period was in the list in the epoch in which it says it was saved; its base may not have been known."""
    one, slot = item.opening, item.opening.slot
    epoch = saved_in(slot, *agreement.period_epochs(drawn.committed.period))
    if (epoch is None) != (item.saved is None):
        raise OpeningRejected("selection", "a slot is opened under a head too many, or not under that of the epoch of its checkpoint")
    if epoch is None or item.saved is None:
        return
    salt, path = item.saved
    roots = set()
    for then in (slot, replace(slot, base=0)):
        try:
            roots.add(SlotOpening(one.index, then, salt, path).root(agreement.commitment.checkpoints))
        except CommitmentError as error:
            raise OpeningRejected("slot-path", error.what) from None
    if drawn.committed.epochs[epoch].registry_head not in roots:
        raise OpeningRejected("slot-path", f"an opened slot is not under the head logged for epoch {epoch}, in which it was saved")


def _check_binding(agreement: Agreement, drawn: Drawn, opening: Opening) -> None:
    """What is opened stands behind heads that meters and lab signed, here as in the claim."""
    lab, period, binding = opening.lab, opening.period, opening.binding
    if [one.name for one in binding.meters] != [meter.name for meter in agreement.lab(lab).meters]:
        raise OpeningRejected("heads", "the heads are not those of the agreed meters, in their order")
    shown = [(item.meter, item.opening.index, item.opening.reading) for item in opening.readings]
    try:
        check_heads(agreement, lab, period, binding, drawn.lost)
        check_binding(agreement, lab, period, binding, shown, [item.opening.slot for item in opening.slots], drawn.lost)
    except BadSignature as error:
        raise OpeningRejected("heads", error.what) from None
    except ZkError as error:
        raise OpeningRejected("proof", f"what is opened is not shown to stand behind the heads: {error}") from None


def check_claim_heads(opening: Opening, claim: Claim) -> None:
    """Check that a lab's claim, verified elsewhere, has the heads that the opening is about.

    Raises:
        OpeningRejected: it has others: someone signed two (:func:`equivocations` has the evidence).
        ClaimsError: the claim is of another agreement, lab or period.
    """
    if (claim.agreement_digest, claim.lab, claim.period) != (opening.agreement, opening.lab, opening.period):
        raise ClaimsError("the claim is of another agreement, lab or period", "give the claim of the inspected period")
    if heads_digest(claim.meters, claim.head_after, claim.lists.digest) != opening.binding.digest:
        raise OpeningRejected("heads", "the lab's claim has other heads than its opening")


def equivocations(opening: Opening, claim: Claim) -> list[Equivocation]:
    """Heads of an opening and of the claim for the same period that one key signed and that differ; not checked yet."""
    binding = opening.binding
    return equivocations_of(
        (binding.meters, binding.head, binding.lists, binding.signature),
        (claim.meters, claim.head_after, claim.lists.digest, claim.registry_signature),
        (claim.agreement_digest, claim.lab, claim.period),
    )
