"""Opening files (``standstill-opening/2``): canonical JSON, signed by the lab, for one inspector; private.

FORMATS-inspection.md section I7 gives the format. Making one is in ``claims.inspection.open``, checking one in ``check``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.base.canonical import Writer, from_json, head_from_hex, head_to_hex, is_name, to_json
from claims.base.errors import MalformedFile
from claims.base.hybrid import SIGNATURE_SIZES
from claims.claim.commitments import NOTHING, ReadingOpening, Slot, SlotOpening, name_digest
from claims.claim.file import MeterHead
from claims.claim.power import MAX_JOULES
from claims.claim.records import KINDS, Reading
from claims.inspection.binding import MAX_BINDING, MAX_PROOFS, Binding
from claims.inspection.draw import Drawn

__all__ = [
    "OPENING_LIMIT", "SLOTS_EACH", "OpenedJoules", "OpenedReading", "OpenedSlot", "Opening", "fed_readings", "opened_from",
    "opened_values", "opening_limit", "saved_in",
]  # fmt: skip

FORMAT = "standstill-opening/3"
OPENING_DOMAIN = b"standstill/sign/opening/v1"
OPENING_LIMIT = 640 * 2**20
"""Largest opening file of any draw, bytes; :func:`opening_limit` says how large one may be."""
SLOTS_EACH = 3
"""Slots that are opened for a drawn reading or slot, at most: its checkpoint's, and those of the checkpoint's two parents."""
_HEAD_BYTES, _METER_BYTES, _READING_BYTES, _SLOT_BYTES, _JOULES_BYTES = 4096, 512, 3072, 6220, 256
_PERIOD_BYTES = 2 * (SIGNATURE_SIZES[1] - SIGNATURE_SIZES[0])
_PROOF_BYTES = 256 + 2 * MAX_BINDING
MAX_NAME = 217
"""Characters of a private name: 200, and those that a snapshot adds, " @period-" and the period."""


@dataclass(frozen=True)
class OpenedReading:
    """A reading with its way to the lab's epoch root. ``signature``: the meter's, of the root that ``opening`` leads to."""

    meter: str
    opening: ReadingOpening
    signature: bytes
    meter_path: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True)
class OpenedSlot:
    """A slot with the private name behind its digest; the name of an empty slot is empty.

    ``saved``: salt and path under the head of the epoch in which it was saved, where :func:`saved_in` gives one; else None.
    """

    name: str = field(repr=False)
    opening: SlotOpening
    saved: tuple[bytes, tuple[bytes, ...]] | None = field(default=None, repr=False)


@dataclass(frozen=True, order=True)
class OpenedJoules:
    """What a feed drew in an epoch, with the salt under which the log has it."""

    epoch: int
    feed: str
    joules: int = field(repr=False)
    salt: bytes = field(repr=False)


def saved_in(slot: Slot, first: int, last: int) -> int | None:
    """The earlier epoch of a period (``first`` to ``last``) under whose head a slot is opened too, or None.

    A checkpoint that says it was saved in it was in the list then. Without that only the last of a period's heads would bind.
    """
    known = slot.used and KINDS[slot.kind - 1 : slot.kind] != ("OPENING",)
    return slot.epoch if known and first <= slot.epoch < last else None


@dataclass(frozen=True)
class Opening:
    """An opening file. Readings ascend by (epoch, meter, index), slots by index, joules by (epoch, feed); none occurs twice.

    ``binding``: what ties it to the claim.
    """

    agreement: bytes
    lab: str
    period: int
    round: int
    to: str
    readings: tuple[OpenedReading, ...]
    slots: tuple[OpenedSlot, ...]
    binding: Binding
    signature: bytes = b""
    joules: tuple[OpenedJoules, ...] = ()

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
            "meters": [_meter_row(head) for head in self.binding.meters], "registry_head": head_to_hex(self.binding.head),
            "lists": self.binding.lists.hex(), "registry_signature": self.binding.signature.hex(),
            "proofs": [{"site": site, "proof": proof.hex()} for site, proof in self.binding.proofs],
            "joules": [_joules_row(item) for item in self.joules],
        }  # fmt: skip

    @staticmethod
    def decode(data: bytes) -> Opening:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything that it would not write."""
        if len(data) > OPENING_LIMIT:
            raise MalformedFile(f"an opening has at most {OPENING_LIMIT} bytes")
        try:
            value: Any = from_json(data)
            binding = Binding(
                tuple(map(_meter, value["meters"])), head_from_hex(value["registry_head"]),
                bytes.fromhex(value["lists"]), bytes.fromhex(value["registry_signature"]),
                tuple(map(_proof, value["proofs"])),
            )  # fmt: skip
            result = Opening(
                bytes.fromhex(value["agreement"]), value["lab"], _count(value["period"]), _count(value["round"]), value["to"],
                tuple(map(_reading, value["readings"])), tuple(map(_slot, value["slots"])), binding,
                bytes.fromhex(value["signature"]), tuple(map(_joules, value["joules"])),
            )  # fmt: skip
            good = is_name(result.lab) and is_name(result.to) and len(result.agreement) == 32 and len(result.signature) in SIGNATURE_SIZES
            good = good and len(binding.signature) in SIGNATURE_SIZES and len(binding.lists) == 32
            good = good and len(binding.proofs) <= MAX_PROOFS and result.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MalformedFile):
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


def _meter_row(head: MeterHead) -> dict[str, Any]:
    return {
        "meter": head.name, "head": head_to_hex(head.head), "roots": head.roots_digest.hex(), "signature": head.signature.hex(),
    }  # fmt: skip


def _meter(row: Any) -> MeterHead:
    roots, signature = bytes.fromhex(row["roots"]), bytes.fromhex(row["signature"])
    if not is_name(row["meter"]) or len(roots) != 32 or len(signature) not in SIGNATURE_SIZES:
        raise ValueError("not a meter's head")
    return MeterHead(row["meter"], head_from_hex(row["head"]), roots, signature)


def _joules_row(item: OpenedJoules) -> dict[str, Any]:
    return {"epoch": item.epoch, "feed": item.feed, "joules": item.joules, "salt": item.salt.hex()}


def _joules(row: Any) -> OpenedJoules:
    item = OpenedJoules(_count(row["epoch"]), row["feed"], _count(row["joules"]), bytes.fromhex(row["salt"]))
    if not is_name(item.feed) or len(item.salt) != 32 or item.joules > MAX_JOULES:
        raise ValueError("not joules")
    return item


def opened_values(one: ReadingOpening) -> dict[str, Any]:
    """An opened reading as values of a JSON object."""
    return {
        "epoch": one.reading.epoch, "index": one.index, "start": one.start, "tag": one.reading.tag,
        "chip_seconds": one.reading.chip_seconds, "work": one.reading.work, "salt": one.salt.hex(), "path": [h.hex() for h in one.path],
    }  # fmt: skip


def opened_from(row: Any) -> ReadingOpening:
    """Inverse of :func:`opened_values`. Raises ValueError, KeyError, TypeError."""
    reading = Reading(*(_count(row[name]) for name in ("epoch", "tag", "chip_seconds", "work")))
    return ReadingOpening(_count(row["index"]), _count(row["start"]), reading, bytes.fromhex(row["salt"]), _path(row["path"]))


def _reading_row(item: OpenedReading) -> dict[str, Any]:
    return {"meter": item.meter} | opened_values(item.opening) | {
        "signature": item.signature.hex(), "meter_path": [h.hex() for h in item.meter_path],
    }  # fmt: skip


def _reading(row: Any) -> OpenedReading:
    if not is_name(row["meter"]):
        raise ValueError("not a meter's name")
    return OpenedReading(row["meter"], opened_from(row), bytes.fromhex(row["signature"]), _path(row["meter_path"]))


def _proof(row: Any) -> tuple[str | None, bytes]:
    site, proof = row["site"], bytes.fromhex(row["proof"])
    if not (site is None or is_name(site)) or len(proof) > MAX_BINDING:
        raise ValueError("not a proof")
    return site, proof


_NUMBERS = ("tag", "kind", "parent1", "parent2", "base", "epoch", "declared")


def _slot_row(item: OpenedSlot) -> dict[str, Any]:
    one, slot = item.opening, item.opening.slot
    return {name: getattr(slot, name) for name in _NUMBERS} | {
        "index": one.index, "used": slot.used, "weights": slot.weights.hex(), "name": item.name,
        "genesis_commitment": slot.genesis_commitment.hex(), "genesis_round": slot.genesis_round,
        "salt": one.salt.hex(), "path": [h.hex() for h in one.path],
        "saved": None if item.saved is None else {"salt": item.saved[0].hex(), "path": [h.hex() for h in item.saved[1]]},
    }  # fmt: skip


def _slot(row: Any) -> OpenedSlot:
    name, used = row["name"], row["used"]
    if type(used) is not bool or type(name) is not str or len(name) > MAX_NAME:
        raise ValueError("not a slot")
    values = [_count(row[key]) for key in _NUMBERS]
    weights, commitment = bytes.fromhex(row["weights"]), bytes.fromhex(row["genesis_commitment"])
    slot = Slot(used, *values, weights, name_digest(name) if used else NOTHING, commitment, _count(row["genesis_round"]))
    saved = None if row["saved"] is None else (bytes.fromhex(row["saved"]["salt"]), _path(row["saved"]["path"]))
    return OpenedSlot(name, SlotOpening(_count(row["index"]), slot, bytes.fromhex(row["salt"]), _path(row["path"])), saved)


def opening_limit(drawn: Drawn, meters: Sequence[Meter], sites: int = 0, fed: int = 0) -> int:
    """Bytes that an opening of this draw has at most, of a lab with these meters and so many sites. ``fed``: :func:`fed_readings`."""
    proofs = 1 + min(sites, len(drawn.draws) + fed)
    heads = sum(_METER_BYTES + _PERIOD_BYTES * bool(meter.period_key) for meter in meters)
    size = _HEAD_BYTES + heads + proofs * _PROOF_BYTES + len(drawn.hours) * _JOULES_BYTES
    slots = SLOTS_EACH * (len(drawn.draws) + len(drawn.slots))
    return min(OPENING_LIMIT, size + (len(drawn.draws) + fed) * _READING_BYTES + slots * _SLOT_BYTES)


def fed_readings(agreement: Agreement, drawn: Drawn) -> int:
    """Readings that an opening may show for the feeds of drawn chip-seconds, at most."""
    lab = agreement.lab(drawn.committed.lab)
    fed = {feed.name: sum(agreement.readings(lab.meter(name)) for name in feed.meters) for feed in agreement.feeds_of(lab.name)}
    return sum(fed[feed] for _, feed in drawn.hours)
