"""Canonical bytes of the parts of an agreement (FORMATS.md section 2). Each raises MalformedFile where a value has no encoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from claims.agreement.terms import (
    FEED_KINDS,
    Amends,
    Caps,
    ChipClass,
    Deadlines,
    Feed,
    InspectionTerms,
    KeyTerms,
    Lab,
    LogTerms,
    Meter,
    OpenModel,
    Party,
    Pause,
    Rules,
    Witness,
)
from claims.base.canonical import Writer
from claims.base.errors import MalformedFile
from claims.base.hybrid import KEY_SIZES, halves

__all__ = [
    "amends", "chip", "deadlines", "each", "feed", "if_any", "inspection", "key_terms", "lab", "later_rules", "log", "open_model",
    "party", "pause", "rules", "witness",
]  # fmt: skip

T = TypeVar("T")


def each(out: Writer, size: int, items: Sequence[T], write: Callable[[Writer, T], None]) -> None:
    """How many there are, in ``size`` bytes, and each of them."""
    out.uint(len(items), size)
    for item in items:
        write(out, item)


def if_any(out: Writer, item: T | None, write: Callable[[Writer, T], None]) -> None:
    """A flag whether there is one, and it."""
    out.flag(item is not None)
    if item is not None:
        write(out, item)


def _number(out: Writer, value: int | None, size: int) -> None:
    if_any(out, value, lambda out, value: out.uint(value, size))


def _names(out: Writer, size: int, names: Sequence[str]) -> None:
    each(out, size, names, Writer.name)


def _key(out: Writer, key: bytes) -> None:
    """A key of either kind."""
    curve, lattice = halves(key)
    if len(key) not in KEY_SIZES:
        raise MalformedFile(f"a key has neither {KEY_SIZES[0]} nor {KEY_SIZES[1]} bytes")
    out.raw(curve)
    out.flag(bool(lattice))
    out.raw(lattice)


def _digest(out: Writer, digest: bytes) -> None:
    if len(digest) != 32:
        raise MalformedFile("a digest has not 32 bytes")
    out.raw(digest)


def rules(out: Writer, item: Rules) -> None:
    out.flag(item.charge_peak)
    out.flag(item.charge_residue)
    if item.unlisted is not None and not item.listed:
        raise MalformedFile("an amount for unlisted weights without a list")
    out.uint(item.listed + (item.unlisted is not None), 1)
    if item.unlisted is not None:
        out.uint(item.unlisted, 8)


def later_rules(out: Writer, later: tuple[int, Rules]) -> None:
    out.uint(later[0], 4)
    rules(out, later[1])


def party(out: Writer, item: Party) -> None:
    out.name(item.name)
    _key(out, item.key)
    if_any(out, item.cosign_key, _key)


def chip(out: Writer, item: ChipClass) -> None:
    out.name(item.name)
    out.uint(item.peak, 3)
    out.text(item.note)
    out.uint(item.readings, 4)


def _caps(out: Writer, caps: Caps) -> None:
    for cap in (caps.total, caps.unattributed, caps.lineage):
        out.uint(cap, 8)
    _number(out, caps.freeze, 8)


def _later_caps(out: Writer, later: tuple[int, Caps]) -> None:
    out.uint(later[0], 4)
    _caps(out, later[1])


def _meter(out: Writer, meter: Meter) -> None:
    out.name(meter.name)
    out.name(meter.chip)
    out.uint(meter.chips, 6)
    _key(out, meter.whole_key)


def lab(out: Writer, item: Lab) -> None:
    out.name(item.name)
    out.uint(item.log_rows, 1)
    out.head(item.opening_head)
    out.uint(item.since_period, 4)
    _caps(out, item.caps)
    each(out, 2, item.caps_from, _later_caps)
    each(out, 4, item.meters, _meter)
    _sites(out, item)
    _groups(out, item)
    out.uint(item.lost, 4)
    _number(out, item.ceiling, 8)


def _sites(out: Writer, item: Lab) -> None:
    """One flag for the lab: either every meter has a site, or none."""
    names = [meter.site for meter in item.meters if meter.site is not None]
    if len(names) != (0 if item.registry_rows is None else len(item.meters)):
        raise MalformedFile("sites are of some meters only, or without registry_rows")
    _number(out, item.registry_rows, 1)
    for name in names:
        out.name(name)


def _groups(out: Writer, item: Lab) -> None:
    """One flag for the lab: either every meter has a group, or none."""
    names = [meter.group for meter in item.meters if meter.group is not None]
    if len(names) not in (0, len(item.meters)):
        raise MalformedFile("groups are of some meters only")
    out.flag(bool(names))
    for name in names:
        out.name(name)


def amends(out: Writer, item: Amends) -> None:
    _digest(out, item.digest)
    out.uint(item.from_period, 4)


def log(out: Writer, item: LogTerms) -> None:
    out.text(item.origin)
    out.name(item.operator)
    _key(out, item.key)
    out.uint(item.cosignatures, 2)


def deadlines(out: Writer, item: Deadlines) -> None:
    for seconds in (item.epoch, item.claim, item.grace, item.opening):
        out.uint(seconds, 4)
    _number(out, item.sign_by, 8)
    _number(out, item.late_epochs, 4)
    _number(out, item.cosign, 4)


def inspection(out: Writer, item: InspectionTerms) -> None:
    out.uint(item.draws, 2)
    out.uint(item.slots, 2)
    out.uint(item.margin, 4)


def pause(out: Writer, item: Pause) -> None:
    out.text(item.trigger)
    out.text(item.lifts)
    _names(out, 2, item.deciders)
    out.uint(item.quorum, 2)


def open_model(out: Writer, item: OpenModel) -> None:
    out.name(item.name)
    out.uint(item.charge, 8)
    out.text(item.source)
    each(out, 2, item.weights, _digest)


def feed(out: Writer, item: Feed) -> None:
    for name in (item.name, item.lab, item.holder):
        out.name(name)
    _key(out, item.whole_key)
    if item.kind not in FEED_KINDS:
        raise MalformedFile(f"{item.kind!r} is no kind of feed")
    out.uint(FEED_KINDS.index(item.kind) + 1, 1)
    _names(out, 4, item.meters)
    for watts in (item.base_watts, item.idle_watts, item.busy_watts):
        out.uint(watts, 4)


def witness(out: Writer, item: Witness) -> None:
    out.text(item.name)
    _key(out, item.key)


def key_terms(out: Writer, item: KeyTerms) -> None:
    _names(out, 2, item.revoke)
    out.uint(item.quorum, 2)
