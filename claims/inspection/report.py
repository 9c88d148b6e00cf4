"""What an inspector takes to the site: every opened reading and checkpoint, in words. Private, as the opening is."""

from __future__ import annotations

from collections.abc import Mapping

from claims.agreement.model import Agreement
from claims.base.dates import readable
from claims.base.text import in_columns, replace_hidden
from claims.base.units import format_time, format_work
from claims.claim.commitments import NOTHING, Slot
from claims.claim.records import IDLE, KINDS, UNATTRIBUTED
from claims.inspection.beacon import time_of_round
from claims.inspection.check import CheckedOpening, drawn_readings
from claims.inspection.file import OpenedReading, OpenedSlot
from claims.inspection.power import power_lines
from claims.inspection.terms import epoch_times

__all__ = ["site_lines"]


def site_lines(agreement: Agreement, checked: CheckedOpening, seeds: Mapping[bytes, bytes] | None = None) -> list[str]:
    """Lines to compare on site: which meter, which hour, which job, how many chip-seconds; and of each slot, what was saved.

    Args:
        checked: an opening that :func:`claims.inspection.check.check_opening` accepted.
        seeds: genesis commitment to seed, for those that were rechecked with what the lab showed.
    """
    opening = checked.opening
    drawn = drawn_readings(checked.drawn, opening.readings)
    lines = [
        f"lab {opening.lab}, period {opening.period}, drand round {opening.round}: opened to {opening.to} exactly what was drawn,",
        f"{len(opening.readings)} readings and {len(opening.slots)} registry slots, all under what the log holds.",
        "",
        "COMPARE ON SITE. Private: nothing of this is for publication.",
        "",
        *_table([_reading_row(agreement, checked, item) for item in drawn]),
    ]
    lines += [
        f"VISIT {item.meter}: it was lost from {epoch_times(agreement, checked.drawn.lost[item.meter])[0]} on, and chip-second "
        f"{item.offset} of the hour from {epoch_times(agreement, item.epoch)[0]} was drawn; another one was drawn in its place"
        for item in checked.drawn.visits
    ]
    late = [_too_early(agreement, checked, item) for item in drawn]
    lines += [line for line in late if line]
    names = {slot.opening.slot.tag: slot for slot in opening.slots if slot.opening.slot.used}
    for slot in opening.slots:
        lines += ["", *_slot_lines(agreement, names, slot, seeds or {}, _why(checked, slot))]
    return lines + power_lines(agreement, checked)


def _why(checked: CheckedOpening, item: OpenedSlot) -> str:
    """Why a slot was opened."""
    if item.opening.index in checked.drawn.slots:
        return "drawn"
    tags = {reading.opening.reading.tag for reading in drawn_readings(checked.drawn, checked.opening.readings)}
    return "of a drawn reading" if item.opening.slot.tag in tags else "a parent"


def _name(item: OpenedSlot) -> str:
    """The private name in one line: the lab chose it, and could write lines of this report into it."""
    return replace_hidden(item.name, "\ufffd")


def _reading_row(agreement: Agreement, checked: CheckedOpening, item: OpenedReading) -> tuple[str, ...]:
    reading = item.opening.reading
    meter = agreement.lab(checked.opening.lab).meter(item.meter)
    whole = agreement.coverage(meter)
    share = f"{reading.chip_seconds} of {whole} ({100 * reading.chip_seconds / whole:.1f} %)"
    times = epoch_times(agreement, reading.epoch)
    return (meter.name, f"{meter.chips} x {meter.chip}", *times, share, format_work(reading.work), _job(checked, reading.tag))


def _job(checked: CheckedOpening, tag: int) -> str:
    if tag == IDLE:
        return "idle"
    if tag == UNATTRIBUTED:
        return "unattributed work"
    slot = checked.slot_of(tag)
    return f"tag {tag}" if slot is None else f"{_name(slot)} (slot {slot.opening.index})"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    return in_columns([("meter", "chips", "from", "to", "chip-seconds", "work", "job"), *(tuple(map(readable, row)) for row in rows)])


def _too_early(agreement: Agreement, checked: CheckedOpening, item: OpenedReading) -> str:
    """A remark where work toward a run came before the round that seeded it; the agreement does not forbid that."""
    reading, slot = item.opening.reading, checked.slot_of(item.opening.reading.tag)
    if slot is None or slot.opening.slot.genesis_commitment == NOTHING:
        return ""
    due = time_of_round(slot.opening.slot.genesis_round)
    if agreement.epoch_span(reading.epoch)[1] > due:
        return ""
    return f"NOTE: {_name(slot)} was seeded at {format_time(due)}, and work toward it is charged in an epoch before: ask what it was."


def _slot_lines(
    agreement: Agreement, names: Mapping[int, OpenedSlot], item: OpenedSlot, seeds: Mapping[bytes, bytes], why: str
) -> list[str]:
    slot = item.opening.slot
    if not slot.used:
        return [f"slot {item.opening.index:<6} empty ({why})"]
    kind, (begin, end) = KINDS[slot.kind - 1], epoch_times(agreement, slot.epoch)
    when = "before the agreement" if kind == "OPENING" else f"saved from {begin} to {end}"
    lines = [
        f"slot {item.opening.index:<6} {_name(item)}: {kind}, {when} ({why})",
        f"  weights   {slot.weights.hex() if slot.weights != NOTHING else 'no digest: the weights were not kept'}",
        f"  parent    {', '.join(_parent(names, tag) for tag in (slot.parent1, slot.parent2) if tag) or 'none'}",
    ]
    if slot.declared:
        lines.append(f"  declared  {format_work(slot.declared)}")
    if (model := agreement.open_model(slot.weights)) is not None:
        ask = "is it the model that was loaded?" if kind == "EXTERNAL" else "did the lab make it, or load it? It is judged by no list."
        lines.append(f"  listed    as {model.name}, which the agreement charges {format_work(model.charge)}: {ask}")
    return lines + _genesis_lines(slot, seeds)


def _parent(names: Mapping[int, OpenedSlot], tag: int) -> str:
    if tag not in names:
        return f"tag {tag}, which was not opened: have the lab show which checkpoint it is, and that it has a slot"
    parent = names[tag]
    weights = parent.opening.slot.weights
    digest = f", weights {weights.hex()}" if weights != NOTHING else ""
    return f"{_name(parent)} (slot {parent.opening.index}{digest})"


def _genesis_lines(slot: Slot, seeds: Mapping[bytes, bytes]) -> list[str]:
    if slot.genesis_commitment == NOTHING:
        return []
    when = f"round {slot.genesis_round} of {format_time(time_of_round(slot.genesis_round))}"
    seed = seeds.get(slot.genesis_commitment)
    how = "NOT CHECKED: have the lab show it (--genesis)" if seed is None else f"seed {seed.hex()}: replay the initial weights"
    return [f"  genesis   {slot.genesis_commitment.hex()}, {when}", f"            {how}"]
