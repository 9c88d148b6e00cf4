"""A small lab under a small agreement, for the tests of store, meter, importers, registry and witness."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from claims.agreement import Agreement, Caps, ChipClass, Lab, Meter, Party, Rules
from claims.meter import SoftwareMeter
from claims.registry import Opening, close_period, open_registry
from claims.store import Store

START = 1_767_225_600  # 2026-01-01T00:00:00Z
EPOCH, EPOCHS, PERIODS = 60, 4, 3
LAB_KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
METER_KEYS = {
    name: Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32) for i, name in enumerate(("hall-a", "hall-b"), 2)
}
CHIPS = {"hall-a": 8, "hall-b": 2}
PEAK = 1979


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def make_agreement(
    opening: tuple[int, ...] = (0,) * 8, *, charge_peak: bool = True, charge_residue: bool = True, **caps: int | None
) -> Agreement:
    meters = tuple(Meter("alpha", name, "h100", CHIPS[name], public(METER_KEYS[name])) for name in sorted(METER_KEYS))
    values: dict[str, int | None] = {"total": 10**9, "unattributed": 10**8, "lineage": 10**12, "freeze": None} | caps
    lab = Lab("alpha", 16, opening, 0, Caps(**values), meters)  # type: ignore[arg-type]
    return Agreement(
        "test", START, EPOCH, EPOCHS, PERIODS, Rules(charge_peak, charge_residue), (Party("alpha", public(LAB_KEY)),),
        (ChipClass("h100", PEAK, "fp8"),), (lab,), None, None,
    )  # fmt: skip


def make_lab(folder: Path, openings: tuple[Opening, ...] = (), **terms: object) -> tuple[Store, Agreement]:
    store = Store.create(folder / "alpha.store", "alpha")
    return store, make_agreement(open_registry(store, openings), **terms)  # type: ignore[arg-type]


def seal_all(store: Store, agreement: Agreement, period: int) -> None:
    for name, key in METER_KEYS.items():
        SoftwareMeter(name, key).seal(store, agreement, period)


def seal_and_close(store: Store, agreement: Agreement, period: int) -> None:
    seal_all(store, agreement, period)
    close_period(store, agreement, period)


def with_caps(agreement: Agreement, **caps: int | None) -> Agreement:
    lab = agreement.labs[0]
    return dataclasses.replace(agreement, labs=(dataclasses.replace(lab, caps=dataclasses.replace(lab.caps, **caps)),))  # type: ignore[arg-type]
