"""An inspector's check of an opening against agreement and log: exactly what was drawn, and nothing else.

FORMATS-inspection.md section I7 has what is refused, with its code.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.signatures import epoch_root_message
from claims.agreement.terms import Meter
from claims.base.ed25519 import check_signature
from claims.base.errors import BadSignature, ClaimRejected, ClaimsError
from claims.base.merkle import PathError
from claims.claim.commitments import (
    EMPTY_SLOT,
    CommitmentError,
    ReadingOpening,
    Slot,
    SlotOpening,
)
from claims.claim.evidence import Equivocation, equivocations_of
from claims.claim.file import Claim
from claims.claim.groups import root_by_path
from claims.claim.hidden_head import HiddenHead, hidden_heads
from claims.claim.keys import signed_by_any
from claims.claim.power import joules_leaf
from claims.claim.records import FIRST_TAG, IDLE, KINDS
from claims.inspection.binding import check_binding, check_heads, heads_digest
from claims.inspection.draw import Drawn
from claims.inspection.file import SLOTS_EACH, OpenedReading, OpenedSlot, Opening, saved_in
from claims.inspection.genesis import check_slot_genesis
from claims.inspection.terms import Draw
from zk.errors import ZkError

if TYPE_CHECKING:
    pass

__all__ = ["CheckedOpening", "OpeningRejected", "check_claim_heads", "check_opening", "drawn_readings", "equivocations"]


class OpeningRejected(ClaimRejected):
    """An opening does not show what was drawn; the text holds nothing opened.

    ``code``: one of ``inspect_record.FAILURES``, or, where nothing shows that the lab made this file for this inspection,
    ``addressed`` or ``signature``: then it counts for nothing, and no record says that the lab failed.
    """

    def __init__(self, code: str, what: str) -> None:
        self.code = code
        super().__init__("opening", what)


def parent_tags(slots: Iterable[Slot]) -> set[int]:
    """Tags of the parents of slots. They are opened too: a parent that no draw could meet would be whatever the lab likes."""
    return {tag for slot in slots for tag in (slot.parent1, slot.parent2) if tag}


def whole_hours(agreement: Agreement, drawn: Drawn) -> set[tuple[int, str]]:
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


def worked_tags(drawn: Drawn, readings: Iterable[OpenedReading]) -> set[int]:
    """Tags of the checkpoints of drawn readings, whose slots are opened."""
    tags = {item.opening.reading.tag for item in drawn_readings(drawn, readings)}
    return {tag for tag in tags if tag >= FIRST_TAG}


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
        signed_by_any(committed.undated, f"lab {opening.lab} on the opening", opening.lab, opening.signature, opening.message())
    except BadSignature as error:
        raise OpeningRejected("signature", error.what) from None
    _check_readings(agreement, drawn, opening)
    _check_joules(drawn, opening)
    _check_slots(agreement, drawn, opening)
    _check_binding(agreement, drawn, opening)
    return CheckedOpening(opening, drawn)


def _check_readings(agreement: Agreement, drawn: Drawn, opening: Opening) -> None:
    whole = whole_hours(agreement, drawn)
    lab = agreement.lab(opening.lab)
    most = len(drawn.draws) + sum(agreement.readings(lab.meter(name)) for _, name in whole)
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
    covers = {meter.name: agreement.coverage(meter) for meter in lab.meters}
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
        root = one.root(agreement.readings(meter))
        lab_root = root_by_path(agreed, item.meter, root, item.meter_path)
    except (CommitmentError, PathError) as error:
        raise OpeningRejected("reading-path", f"meter {item.meter}: {error.what}") from None
    if lab_root != entry.root:
        raise OpeningRejected("reading-path", f"a reading of meter {item.meter} is not under the logged root of epoch {reading.epoch}")
    message = epoch_root_message(agreement.digest, agreed.name, meter.name, reading.epoch, root)
    try:
        key = drawn.committed.terms[reading.epoch].lab(agreed.name).meter(meter.name).key
        check_signature(f"meter {meter.name} on its epoch root", key, item.signature, message)
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
    head, size = drawn.committed.epochs[last].registry_head, agreement.checkpoints
    indices = [item.opening.index for item in opening.slots]
    if any(a >= b for a, b in zip(indices, indices[1:], strict=False)):
        raise OpeningRejected("selection", "the opened slots are not in order, or one occurs twice")
    by_tag: dict[int, int] = {}
    for item in opening.slots:
        slot = item.opening.slot
        try:
            root = item.opening.root(size)
        except (CommitmentError, PathError) as error:
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
    tags = worked_tags(drawn, opening.readings)
    if tags - by_tag.keys():
        raise OpeningRejected("slot-missing", "the slot of a drawn reading's checkpoint is not opened")
    worked = [item.opening.slot for item in opening.slots if item.opening.slot.tag in tags]
    if any(KINDS[slot.kind - 1] not in ("CHECKPOINT", "SNAPSHOT") or slot.epoch < first for slot in worked):
        raise OpeningRejected("slot-values", "a drawn reading's checkpoint is of a kind or a period that receives no work then")
    _check_dates(opening, {item.opening.slot.tag: item.opening.slot for item in opening.slots if item.opening.slot.used})
    primary = {*drawn.slots, *(by_tag[tag] for tag in tags)}
    parents = parent_tags(item.opening.slot for item in opening.slots if item.opening.index in primary)
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
            roots.add(SlotOpening(one.index, then, salt, path).root(agreement.checkpoints))
        except (CommitmentError, PathError) as error:
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
        check_heads(drawn.committed.terms[None], lab, period, binding, drawn.lost, drawn.committed.undated)
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


def equivocations(opening: Opening, claim: Claim) -> list[Equivocation | HiddenHead]:
    """Heads of an opening and of the claim for the same period that one key signed and that differ, or that the claim hides; not checked
    yet."""
    binding = opening.binding
    found = equivocations_of(
        (binding.meters, binding.head, binding.lists, binding.signature),
        (claim.meters, claim.head_after, claim.lists.digest, claim.registry_signature),
        (claim.agreement_digest, claim.lab, claim.period),
    )
    return [*found, *hidden_heads(claim, binding.meters)]
