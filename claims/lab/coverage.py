"""Coverage: from a meter's usage to readings that account for every chip-second, and the check of it, as R2 and R3 make it.

    usage (exact chip-milliseconds) --rounded tag by tag, idle time filled in--> readings of each epoch

This is the reference, one epoch after another; claims/lab/sealing.py covers many at once and refuses nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError
from claims.claim.records import IDLE, MAX_AMOUNT, Reading, Usage

__all__ = ["CoverageError", "check_coverage", "check_readings", "cover", "peak_of"]


PLAIN = 256
"""Up to so many readings are checked one by one."""


class CoverageError(ClaimsError):
    """An epoch's chip-seconds do not sum to chips x epoch length, or usage lies outside the period."""


@dataclass(frozen=True)
class _Terms:
    """What rounding one epoch needs to know."""

    meter: str
    coverage: int
    peak: int | None  # None: metered


def peak_of(agreement: Agreement, meter: Meter, period: int) -> int | None:
    """The peak at which a meter's work is charged in a period, units of 10^12 FLOP/s; None: as metered."""
    return agreement.chip(meter.chip).peak if agreement.rules_at(period).charge_peak else None


def cover(
    usage: Iterable[Usage], meter: Meter, agreement: Agreement, period: int, epochs: Iterable[int] | None = None
) -> list[Reading]:
    """Readings of a meter for a period, or some of its epochs: usage rounded to whole chip-seconds, idle time filled in.

    Busy time rounds up, tag by tag, as far as the epoch has room; an epoch that is busy throughout sums exactly.
    Under ``charge = "peak"`` work is chip-seconds x class peak; a reading whose work would pass 48 bits is split.

    Raises:
        CoverageError: usage outside the period, more chip-time than the meter's chips have, or, under
            ``charge = "metered"``, usage without work.
    """
    first, last = agreement.period_epochs(period)
    peak = peak_of(agreement, meter, period)
    terms = _Terms(meter.name, agreement.coverage(meter), peak)
    by_epoch: dict[int, list[Usage]] = {}
    for item in usage:
        if not first <= item.epoch <= last:
            raise CoverageError(
                f"meter {meter.name}: epoch {item.epoch} is not one of period {period} ({first} to {last})"
            )
        by_epoch.setdefault(item.epoch, []).append(item)
    readings: list[Reading] = []
    for epoch in range(first, last + 1) if epochs is None else epochs:
        readings += _cover_epoch(epoch, by_epoch.get(epoch, ()), terms)
    return readings


def _cover_epoch(epoch: int, usage: Sequence[Usage], terms: _Terms) -> list[Reading]:
    milliseconds: dict[int, int] = {}
    work: dict[int, int] = {}
    for item in usage:
        if item.work is None and terms.peak is None:
            raise CoverageError(
                f"meter {terms.meter}: epoch {epoch} has usage without work",
                'the agreement charges "metered": give the column work_flop',
            )
        milliseconds[item.tag] = milliseconds.get(item.tag, 0) + item.chip_ms
        work[item.tag] = work.get(item.tag, 0) + (item.work or 0)
    busy_ms = sum(milliseconds.values())
    if busy_ms > terms.coverage * 1000:
        busy = -(-busy_ms // 1000)
        raise CoverageError(
            f"meter {terms.meter}: epoch {epoch} has {busy} busy chip-seconds, its chips have {terms.coverage}",
            "overlapping jobs used more chips than the meter has: amend its chip count, or give the other chips a meter",
        )
    seconds = _round_up(milliseconds, terms.coverage)
    readings: list[Reading] = []
    for tag in sorted(seconds):
        charged = seconds[tag] * terms.peak if terms.peak is not None else work[tag]
        readings += _split(epoch, tag, seconds[tag], charged, terms.peak)
    idle = terms.coverage - sum(seconds.values())
    if idle or not readings:
        readings.append(Reading(epoch, IDLE, idle, 0))
    return readings


def _round_up(milliseconds: dict[int, int], room: int) -> dict[int, int]:
    """Whole seconds per tag: each rounded up while their sum fits in ``room``; the largest fractions first."""
    seconds = {tag: ms // 1000 for tag, ms in milliseconds.items()}
    spare = room - sum(seconds.values())
    fractions = sorted(
        (tag for tag, ms in milliseconds.items() if ms % 1000), key=lambda tag: (-(milliseconds[tag] % 1000), tag)
    )
    for tag in fractions[:spare]:
        seconds[tag] += 1
    return seconds


def _split(epoch: int, tag: int, seconds: int, work: int, peak: int | None) -> list[Reading]:
    if work <= MAX_AMOUNT:
        return [Reading(epoch, tag, seconds, work)]
    if peak is None:
        pieces = [Reading(epoch, tag, 0, MAX_AMOUNT) for _ in range(work // MAX_AMOUNT)]
        return [*pieces, Reading(epoch, tag, seconds, work % MAX_AMOUNT)]
    step = MAX_AMOUNT // peak
    parts = [step] * (seconds // step) + ([seconds % step] if seconds % step else [])
    return [Reading(epoch, tag, part, part * peak) for part in parts]


def check_coverage(readings: Iterable[Reading], meter: Meter, agreement: Agreement, period: int) -> None:
    """Check readings as R2 and R3 will: epochs first to last in order, exact chip-seconds, work as charged.

    Raises:
        CoverageError: naming the meter, the epoch and the amounts.
    """
    first, last = agreement.period_epochs(period)
    coverage = agreement.coverage(meter)
    peak = peak_of(agreement, meter, period)
    expected, total = first, 0

    def finish(epoch: int) -> None:
        if total != coverage:
            raise CoverageError(
                f"meter {meter.name}: epoch {epoch} sums to {total} of {coverage} chip-seconds",
                "every chip-second is accounted for, idle time included",
            )

    for reading in readings:
        if reading.epoch == expected + 1:
            finish(expected)
            expected, total = reading.epoch, 0
        if reading.epoch != expected or reading.epoch > last:
            raise CoverageError(
                f"meter {meter.name}: epoch {reading.epoch} follows epoch {expected} (period: {first} to {last})"
            )
        wanted = 0 if reading.tag == IDLE else reading.work if peak is None else reading.chip_seconds * peak
        if reading.work != wanted or not 0 <= reading.work <= MAX_AMOUNT:
            raise CoverageError(
                f"meter {meter.name}: epoch {reading.epoch} charges {reading.work} where {wanted} is due"
            )
        total += reading.chip_seconds
    if expected != last:
        raise CoverageError(f"meter {meter.name}: its readings end at epoch {expected}, the period at {last}")
    finish(last)


def check_readings(rows: Sequence[tuple[int, int, int, int]], meter: Meter, agreement: Agreement, period: int) -> None:
    """As :func:`check_coverage`, of (epoch, tag, chip_seconds, work); many of them as columns."""
    first, last = agreement.period_epochs(period)
    if len(rows) > PLAIN:
        from claims.lab.columns import Slots, covers

        peak = peak_of(agreement, meter, period)
        if covers(rows, Slots(range(first, last + 1), agreement.coverage(meter), peak)):
            return
    check_coverage((Reading(*row) for row in rows), meter, agreement, period)
