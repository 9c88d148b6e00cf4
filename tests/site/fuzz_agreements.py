"""Canonical bytes of agreements whose values are at, and beyond, the bounds of FORMATS.md section 1: for both verifiers."""

from __future__ import annotations

import random
from dataclasses import fields, is_dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from claims.agreement.decode import decode_agreement
from claims.agreement.model import Agreement, canonical_bytes
from claims.agreement.terms import (
    Amends,
    Caps,
    Deadlines,
    Feed,
    InspectionTerms,
    KeyTerms,
    LogTerms,
    OpenModel,
    Pause,
    Rules,
    Witness,
)
from claims.base.errors import MalformedFile
from tests.site.make_claim_vectors import TARGET

MAX_TIME = 253402300799
KEYS_OF_FEEDS = [Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32).public_key().public_bytes_raw() for seed in (120, 121, 122, 123)]
NUMBERS = [0, 1, 2, 3, 4, 15, 16, 17, 22, 23, 63, 64, 255, 256, 4095, 4096, 4097, 65535, 65536, 65537, 2**20, 2**21, 2**24 - 1, 2**24]
NUMBERS += [2**32 - 1, 2**32, 2**48 - 1, 2**53 - 1, 2**53, 2**53 + 1, 2**63, 2**64 - 1, MAX_TIME - 1, MAX_TIME, MAX_TIME + 1]
TEXTS = [
    "alpha", "beta", "gamma", "hall-a", "hall-b", "h100", "a", "z" * 64, "z" * 65, "", "A", "a b", "a+b", "-", "0", "a\n", "\u00e9",
    "x" * 128, "x" * 129,
    "utility", "rack", "two\nlines", "tab\t", "bell\x07", "\u202e", "\u00ad", "\ufeff", "\ue000", "\U0001f600", "\U0001fae9",
    "\u0378", "~!", "*,-", "e\u0301",
    "x" * 4000, "x" * 4001, "\U0001f600" * 4000, "\u00e9" * 4001, "log.example/one", "w.example/\uff42", "\u3000",
]  # fmt: skip
KEYS = [bytes([first]) + bytes(31) for first in range(5)]
KEYS += [b"\xff" * 32, bytes(31) + b"\x80", b"\xec" + b"\xff" * 30 + b"\x7f", b"\xed" + b"\xff" * 30 + b"\x7f"]
OPTIONAL: dict[str, Any] = {
    "cosign_key": b"\x09" + bytes(31), "freeze": 5, "amends": Amends(b"d" * 32, 1), "pause": Pause("t", "l", ("alpha",), 1),
    "log": LogTerms("log.example/x", "gamma", b"\x04" + bytes(31), 1), "deadlines": Deadlines(1, 2, 0, 3, None), "sign_by": 1_700_000_000,
    "late_epochs": 1, "cosign": 3600, "site": "north", "group": "rack-1", "registry_rows": 16, "ceiling": 10**15,
    "inspection": InspectionTerms(4, 0, 600), "unlisted": 10**13, "keys": KeyTerms(("alpha", "beta"), 1),
}  # fmt: skip
"""What stands in the place of None."""


def rich() -> Agreement:
    """A valid agreement with every optional part."""
    base = decode_agreement((TARGET / "agreement.bin").read_bytes())
    caps = Caps(10**15, 10**14, 10**16, 10**15)
    lab = replace(base.labs[0], caps=caps, caps_from=((1, caps), (2, replace(caps, freeze=None))), lost=5000, ceiling=2 * 10**15)
    return replace(
        base, labs=(lab,), rules_from=((1, Rules(False, True, True)), (2, Rules(True, False, True, 10**13))), amends=Amends(b"d" * 32, 1),
        deadlines=Deadlines(60, 600, 0, 60, base.start, 1, 7200), inspection=InspectionTerms(8, 2, 60),
        pause=Pause("one asks", "all agree", ("alpha", "beta"), 2),
        open_models=(OpenModel("one", 10**12, "a source", (b"\1" * 32, b"\2" * 32)), OpenModel("two", 10**13, "", (b"\0" * 31 + b"\1",))),
        feeds=(Feed("hall", "alpha", "beta", KEYS_OF_FEEDS[0], "rack", (lab.meters[0].name,), 0, 300, 1000),),
        witnesses=(Witness("w.example/\uff41", KEYS_OF_FEEDS[2]), Witness("w.example/\U0001f600", KEYS_OF_FEEDS[3])),
        keys=KeyTerms(("alpha", "beta", "gamma"), 1),
    )  # fmt: skip


def with_sites(base: Agreement, rng: random.Random) -> Agreement:
    """The agreement with each meter of its first lab in one of two sites."""
    lab = base.labs[0]
    meters = tuple(replace(meter, site=rng.choice(["north", "south", rng.choice(["north", "registry"])])) for meter in lab.meters)
    return replace(base, labs=(replace(lab, meters=meters, registry_rows=17), *base.labs[1:]))


def with_groups(base: Agreement, rng: random.Random) -> Agreement:
    """The agreement with each meter of its first lab in one of two groups, which may lie in one site each, or not."""
    lab = base.labs[0]
    meters = tuple(replace(meter, group=rng.choice(["rack-1", f"rack-{meter.site}", "Rack"[rng.random() < 0.9 :]])) for meter in lab.meters)
    return replace(base, labs=(replace(lab, meters=meters), *base.labs[1:]))


def _spoilt(value: Any, name: str, rng: random.Random) -> Any:
    """The value with one of its parts, however deep, replaced."""
    if value is None:
        return OPTIONAL.get(name)
    if name in OPTIONAL and rng.random() < 0.15:
        return None
    if is_dataclass(value):
        which = rng.choice(fields(value)).name
        return replace(value, **{which: _spoilt(getattr(value, which), which, rng)})  # type: ignore[type-var]
    if isinstance(value, tuple) and value and not isinstance(value[0], int) and rng.random() < 0.35:
        parts = list(value)
        at = rng.randrange(len(parts))
        return tuple(rng.choice([parts[:at] + parts[at + 1 :], [*parts, parts[at]], parts[::-1], parts[:at] + parts[at:] * 2]))
    if isinstance(value, tuple):
        at = rng.randrange(len(value)) if value else 0
        return tuple(_spoilt(part, name, rng) if i == at else part for i, part in enumerate(value))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice([value + 1, max(0, value - 1), rng.choice(NUMBERS), rng.choice(NUMBERS)])
    if isinstance(value, str):
        return rng.choice([*TEXTS, value + "x"])
    return rng.choice([*KEYS, rng.randbytes(32), value])


def make(seed: int) -> bytes:
    """Case number `seed`: bytes that an encoder without rules makes of one to three replacements; perhaps valid."""
    rng = random.Random(seed)
    base = rich() if rng.random() < 0.8 else decode_agreement((TARGET / "agreement.bin").read_bytes())
    if rng.random() < 0.5:
        base = with_sites(base, rng)
    if rng.random() < 0.5:
        base = with_groups(base, rng)
    while True:
        changed = base
        for _ in range(rng.choice([1, 1, 2, 3])):
            changed = _spoilt(changed, "", rng)
        try:
            return canonical_bytes(changed)
        except MalformedFile:  # a value that no encoding has
            continue


def splitting(step: int) -> bytes:
    """One meter of so many chips that its readings fill the table, at -1; with ``step + 1`` more in each epoch."""
    base = decode_agreement((TARGET / "agreement.bin").read_bytes())
    lab, epochs = base.labs[0], 100
    meters = tuple(replace(meter, site=None, group=None) for meter in lab.meters)
    peak = next(chip.peak for chip in base.chips if chip.name == meters[0].chip)
    most = (2**lab.log_rows - 9 - 3 * len(meters)) // epochs - len(meters) + 1
    chips = (2**48 - 1) // peak // base.epoch_seconds * (most + 1 + step)
    own = (replace(meters[0], chips=chips), *meters[1:])
    return canonical_bytes(replace(base, epochs_per_period=epochs, labs=(replace(lab, meters=own, registry_rows=None), *base.labs[1:])))
