"""An agreement with two chip classes for the importers' tests, and an exact recomputation from the store."""

from __future__ import annotations

import dataclasses

from lab_fixtures import make_agreement, public  # noqa: F401

from claims.agreement.model import Agreement
from claims.agreement.terms import ChipClass, Meter, Rules
from claims.lab.store import Store

START = 1_767_225_600  # 2026-01-01T00:00:00Z
PEAKS = {"h100": 1979, "mi300x": 2615}


def agreement_of(
    meters: dict[str, tuple[str, int]], *, start: int = START, epoch: int = 3600, epochs: int = 24, periods: int = 4,
    charge_peak: bool = True,
) -> Agreement:
    """An agreement of the lab alpha. ``meters``: name to (chip class, chips)."""
    base = make_agreement(charge_peak=charge_peak)
    own = tuple(
        Meter("alpha", name, chip, chips, bytes([i + 1]) * 32) for i, (name, (chip, chips)) in enumerate(sorted(meters.items()))
    )
    return dataclasses.replace(
        base, start=start, epoch_seconds=epoch, epochs_per_period=epochs, periods=periods,
        rules=Rules(charge_peak, True), chips=tuple(ChipClass(n, p, "") for n, p in sorted(PEAKS.items())),
        labs=(dataclasses.replace(base.labs[0], meters=own),),
    )  # fmt: skip


def enrolled(agreement: Agreement, head: tuple[int, ...]) -> Agreement:
    """The agreement with the opening head of a store."""
    return dataclasses.replace(agreement, labs=(dataclasses.replace(agreement.labs[0], opening_head=head),))


def totals(store: Store, agreement: Agreement) -> dict[tuple[str, str], int]:
    """(meter, checkpoint) to chip-milliseconds in the store."""
    result: dict[tuple[str, str], int] = {}
    for meter in agreement.lab("alpha").meters:
        for period in range(agreement.periods):
            for item in store.usage(period, meter.name):
                key = (meter.name, store.name(item.tag))
                result[key] = result.get(key, 0) + item.chip_ms
    return result


def by_epoch(store: Store, agreement: Agreement, meter: str) -> dict[int, int]:
    """Epoch to chip-milliseconds of a meter."""
    result: dict[int, int] = {}
    for period in range(agreement.periods):
        for item in store.usage(period, meter):
            result[item.epoch] = result.get(item.epoch, 0) + item.chip_ms
    return result
