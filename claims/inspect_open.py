"""Opening files: what a lab shows one inspector after a draw, and its check against agreement and log.

    store --StoreMaterial--> make_opening --signed JSON, 0600--> inspector --check_opening--> Checked

An opening holds exactly the drawn readings, the registry slots of their checkpoints, and the drawn slots, each with its own
salt and audit path. FORMATS-inspection.md sections I7 and I8 give the format and say what it reveals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from claims.agreement import Agreement, Meter
from claims.canonical import Writer, from_json, is_name, to_json
from claims.commitments import (
    EMPTY_SLOT,
    NOTHING,
    CommitmentError,
    ReadingOpening,
    Slot,
    SlotOpening,
    audit_path,
    epoch_root,
    lab_epoch_root,
    meter_leaf,
    name_digest,
    reading_starts,
    registry_epoch_head,
    root_from_path,
)
from claims.errors import BadSignature, ClaimRejected, ClaimsError, MalformedFile
from claims.inspect_draw import Drawn
from claims.records import FIRST_TAG, IDLE, KINDS, Reading
from claims.signatures import check_signature, epoch_root_message

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "OPENING_LIMIT", "CheckedOpening", "Material", "OpenedReading", "OpenedSlot", "Opening", "OpeningRejected", "SealedEpoch",
    "SealedRegistry", "check_opening", "make_opening",
]  # fmt: skip

FORMAT = "standstill-opening/1"
OPENING_DOMAIN = b"standstill/sign/opening/v1"
OPENING_LIMIT = 32 * 2**20
MAX_NAME = 200


class OpeningRejected(ClaimRejected):
    """An opening does not show what was drawn. ``code``: one of ``inspect_record.FAILURES``; it holds nothing opened."""

    def __init__(self, code: str, what: str) -> None:
        self.code = code
        super().__init__("opening", what)


@dataclass(frozen=True)
class OpenedReading:
    """A reading with its way to the lab's epoch root. ``signature``: the meter's, of the root that ``opening`` leads to."""

    meter: str
    opening: ReadingOpening
    signature: bytes
    meter_path: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True)
class OpenedSlot:
    """A slot with the private name behind its digest; the name of an empty slot is empty."""

    name: str = field(repr=False)
    opening: SlotOpening


@dataclass(frozen=True)
class Opening:
    """An opening file. Readings ascend by (epoch, meter, index), slots by index; none occurs twice."""

    agreement: bytes
    lab: str
    period: int
    round: int
    to: str
    readings: tuple[OpenedReading, ...]
    slots: tuple[OpenedSlot, ...]
    signature: bytes = b""

    def encode(self) -> bytes:
        """Canonical JSON. Not for publication."""
        return to_json(self._fields() | {"signature": self.signature.hex()})

    def message(self) -> bytes:
        """What the lab signs: domain and SHA-256 of the canonical JSON without its signature."""
        out = Writer()
        out.uint(len(OPENING_DOMAIN), 2)
        out.raw(OPENING_DOMAIN + hashlib.sha256(to_json(self._fields())).digest())
        return out.data

    def _fields(self) -> dict[str, Any]:
        return {
            "format": FORMAT, "agreement": self.agreement.hex(), "lab": self.lab, "period": self.period, "round": self.round,
            "to": self.to, "readings": [_reading_row(item) for item in self.readings], "slots": [_slot_row(s) for s in self.slots],
        }  # fmt: skip

    @staticmethod
    def decode(data: bytes) -> Opening:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything that it would not write."""
        if len(data) > OPENING_LIMIT:
            raise MalformedFile(f"an opening has at most {OPENING_LIMIT} bytes")
        try:
            value: Any = from_json(data)
            result = Opening(
                bytes.fromhex(value["agreement"]), value["lab"], _count(value["period"]), _count(value["round"]), value["to"],
                tuple(map(_reading, value["readings"])), tuple(map(_slot, value["slots"])), bytes.fromhex(value["signature"]),
            )  # fmt: skip
            good = is_name(result.lab) and is_name(result.to) and len(result.agreement) == 32 and len(result.signature) == 64
            good = good and result.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            good = False
        if not good:
            raise MalformedFile("not a canonical opening file", hint="write it with `standstill inspect open`")
        return result


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**64:
        raise ValueError("not a count")
    return value


def _path(value: Any) -> tuple[bytes, ...]:
    if type(value) is not list or len(value) > 16:
        raise ValueError("not a path")
    return tuple(bytes.fromhex(item) for item in value)


def _reading_row(item: OpenedReading) -> dict[str, Any]:
    one = item.opening
    return {
        "meter": item.meter, "epoch": one.reading.epoch, "index": one.index, "start": one.start, "tag": one.reading.tag,
        "chip_seconds": one.reading.chip_seconds, "work": one.reading.work, "salt": one.salt.hex(),
        "path": [h.hex() for h in one.path], "signature": item.signature.hex(), "meter_path": [h.hex() for h in item.meter_path],
    }  # fmt: skip


def _reading(row: Any) -> OpenedReading:
    if not is_name(row["meter"]):
        raise ValueError("not a meter's name")
    reading = Reading(*(_count(row[name]) for name in ("epoch", "tag", "chip_seconds", "work")))
    one = ReadingOpening(_count(row["index"]), _count(row["start"]), reading, bytes.fromhex(row["salt"]), _path(row["path"]))
    return OpenedReading(row["meter"], one, bytes.fromhex(row["signature"]), _path(row["meter_path"]))


_NUMBERS = ("tag", "kind", "parent1", "parent2", "base", "epoch", "declared")


def _slot_row(item: OpenedSlot) -> dict[str, Any]:
    one, slot = item.opening, item.opening.slot
    return {name: getattr(slot, name) for name in _NUMBERS} | {
        "index": one.index, "used": slot.used, "weights": slot.weights.hex(), "name": item.name,
        "genesis_commitment": slot.genesis_commitment.hex(), "genesis_round": slot.genesis_round,
        "salt": one.salt.hex(), "path": [h.hex() for h in one.path],
    }  # fmt: skip


def _slot(row: Any) -> OpenedSlot:
    name, used = row["name"], row["used"]
    if type(used) is not bool or type(name) is not str or len(name) > MAX_NAME:
        raise ValueError("not a slot")
    values = [_count(row[key]) for key in _NUMBERS]
    weights, commitment = bytes.fromhex(row["weights"]), bytes.fromhex(row["genesis_commitment"])
    slot = Slot(used, *values, weights, name_digest(name) if used else NOTHING, commitment, _count(row["genesis_round"]))
    return OpenedSlot(name, SlotOpening(_count(row["index"]), slot, bytes.fromhex(row["salt"]), _path(row["path"])))


# ---- making an opening -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SealedEpoch:
    """A meter's sealed epoch, from the lab's store: its readings in order, seed, and the meter's signature of the root."""

    readings: tuple[Reading, ...] = field(repr=False)
    seed: bytes = field(repr=False)
    signature: bytes


@dataclass(frozen=True)
class SealedRegistry:
    """The slots of a published registry epoch head as they were when it was published, their names, and its seed."""

    slots: tuple[Slot, ...] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    seed: bytes = field(repr=False)


class Material(Protocol):
    """Where a lab's secrets come from."""

    def epoch(self, meter: str, epoch: int) -> SealedEpoch:
        """A meter's sealed epoch."""

    def registry(self, epoch: int) -> SealedRegistry:
        """The registry behind the head published for an epoch."""


def make_opening(agreement: Agreement, drawn: Drawn, material: Material, to: str, key: Ed25519PrivateKey) -> Opening:
    """Open exactly what was drawn, for one inspector, signed by the lab.

    Every commitment is recomputed and compared with the logged one before anything is opened.

    Raises:
        ClaimsError: the inspector or the key is not one, or the material is not what was published.
    """
    lab = drawn.committed.lab
    agreement.party(to)
    if to == lab:
        raise ClaimsError("no lab inspects itself", "name another party with --to")
    if key.public_key().public_bytes_raw() != agreement.party(lab).key:
        raise ClaimsError(f"this key is not lab {lab}'s", "sign with the lab's party key")
    readings = _open_readings(agreement, drawn, material)
    last = agreement.period_epochs(drawn.committed.period)[1]
    registry, size = material.registry(last), agreement.commitment.checkpoints
    if registry_epoch_head(registry.slots, registry.seed, size) != drawn.committed.epochs[last].registry_head:
        raise ClaimsError(f"the store's registry is not the one published for epoch {last}", "was it changed since?")
    place = {slot.tag: index for index, slot in enumerate(registry.slots)}
    tags = {item.opening.reading.tag for item in readings if item.opening.reading.tag >= FIRST_TAG}
    if tags - place.keys():
        raise ClaimsError(f"a drawn reading's checkpoint is not in the registry published for epoch {last}")
    slots = []
    for index in sorted({*drawn.slots, *(place[tag] for tag in tags)}):
        name = registry.names[index] if index < len(registry.slots) else ""
        slots.append(OpenedSlot(name, SlotOpening.of(registry.slots, index, registry.seed, size)))
    period, number = drawn.committed.period, drawn.round.number
    opening = Opening(agreement.digest, lab, period, number, to, tuple(readings), tuple(slots))
    return replace(opening, signature=key.sign(opening.message()))


def _open_readings(agreement: Agreement, drawn: Drawn, material: Material) -> list[OpenedReading]:
    agreed, size = agreement.lab(drawn.committed.lab), agreement.commitment.readings
    opened: dict[tuple[int, str, int], OpenedReading] = {}
    for epoch in sorted({item.epoch for item in drawn.draws}):
        sealed = {meter.name: material.epoch(meter.name, epoch) for meter in agreed.meters}
        roots = [
            (m.name, epoch_root(sealed[m.name].readings, epoch, agreement.coverage(m), sealed[m.name].seed, size))
            for m in agreed.meters
        ]
        if lab_epoch_root(roots) != drawn.committed.epochs[epoch].root:
            raise ClaimsError(f"the store's readings of epoch {epoch} are not those published")
        leaves = [meter_leaf(name, root) for name, root in roots]
        for item in (item for item in drawn.draws if item.epoch == epoch):
            meter, own = agreed.meter(item.meter), sealed[item.meter]
            index = _covering(own.readings, item.offset)
            one = ReadingOpening.of(own.readings, index, epoch, agreement.coverage(meter), own.seed, size)
            position = agreed.meters.index(meter)
            path = tuple(audit_path(leaves, position))
            opened[(epoch, item.meter, index)] = OpenedReading(item.meter, one, own.signature, path)
    return [opened[place] for place in sorted(opened)]


def _covering(readings: Sequence[Reading], offset: int) -> int:
    for index, start in enumerate(reading_starts(readings)):
        if start <= offset < start + readings[index].chip_seconds:
            return index
    raise ClaimsError(f"no reading covers chip-second {offset}")


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
    _check_slots(agreement, drawn, opening)
    return CheckedOpening(opening, drawn)


def _check_readings(agreement: Agreement, drawn: Drawn, opening: Opening) -> None:
    if len(opening.readings) > len(drawn.draws) or len(opening.slots) > len(drawn.slots) + len(drawn.draws):
        raise OpeningRejected("selection", "more is opened than was drawn")
    places = [(r.opening.reading.epoch, r.meter, r.opening.index) for r in opening.readings]
    if any(a >= b for a, b in zip(places, places[1:], strict=False)):
        raise OpeningRejected("selection", "the opened readings are not in order, or one occurs twice")
    before: dict[tuple[int, str], int] = {}
    for item in opening.readings:
        epoch, start, length = item.opening.reading.epoch, item.opening.start, item.opening.reading.chip_seconds
        _check_reading(agreement, drawn, item)
        if start < before.get((epoch, item.meter), 0):
            raise OpeningRejected("overlap", f"opened readings of meter {item.meter} overlap")
        before[(epoch, item.meter)] = start + length
    spans = [(r.opening.reading.epoch, r.meter, r.opening.start, r.opening.reading.chip_seconds) for r in opening.readings]
    used = set()
    for draw in drawn.draws:
        hits = [
            i for i, (epoch, meter, start, length) in enumerate(spans)
            if (epoch, meter) == (draw.epoch, draw.meter) and start <= draw.offset < start + length
        ]  # fmt: skip
        if len(hits) != 1:
            raise OpeningRejected("selection", "a drawn chip-second is not covered by exactly one opened reading")
        used.update(hits)
    if len(used) != len(spans):
        raise OpeningRejected("selection", "a reading is opened that was not drawn")


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


def _check_slots(agreement: Agreement, drawn: Drawn, opening: Opening) -> None:
    last = agreement.period_epochs(drawn.committed.period)[1]
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
        if not slot.used:
            if item.name or slot != EMPTY_SLOT:
                raise OpeningRejected("slot-values", "an empty slot has a name or values")
            continue
        if slot.tag < FIRST_TAG or not 1 <= slot.kind < len(KINDS) or slot.epoch > last or slot.tag in by_tag:
            raise OpeningRejected("slot-values", "an opened slot has no possible tag, kind or epoch, or two have one tag")
        by_tag[slot.tag] = item.opening.index
    tags = {item.opening.reading.tag for item in opening.readings if item.opening.reading.tag >= FIRST_TAG}
    if tags - by_tag.keys():
        raise OpeningRejected("slot-missing", "the slot of a drawn reading's checkpoint is not opened")
    if {*drawn.slots, *(by_tag[tag] for tag in tags)} != set(indices):
        raise OpeningRejected("selection", "the opened slots are not exactly those drawn and those of drawn readings")
