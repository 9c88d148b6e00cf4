"""A small world for tests of agreements and claims: two labs, keys from fixed seeds, claims with any proof."""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from claims.agreement import Agreement
from claims.agreement_file import parse_agreement
from claims.claim import Claim, MeterHead, sign_claim
from claims.signatures import AgreementSignatures, sign_agreement, sign_ledger_head


def key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big"))


def public(seed: int) -> str:
    return "ed25519:" + key(seed).public_key().public_bytes_raw().hex()


PARTIES = {"alpha": 1, "beta": 2}
METERS = {"hall-1": 11, "hall-2": 12}
OPENING = tuple(range(1, 9))
ROOTS = b"r" * 32

TEXT = f"""\
format = "standstill-agreement/3"
name = "two-labs"
start = 2026-01-01T00:00:00Z
epoch = "1 h"
epochs_per_period = 24
periods = 12

[rules]
charge = "peak"
residue = "charge-every-lineage"

[pause]
trigger = "any party asks"
lifts = "all agree"
deciders = ["beta", "alpha"]
quorum = 2

[[party]]
name = "beta"
key = "{public(2)}"

[[party]]
name = "alpha"
key = "{public(1)}"

[[chip]]
name = "h100"
peak = "1.9795e15 FLOP/s"
note = "FP8 dense"

[[lab]]
name = "alpha"
log_rows = 16
opening_head = "{''.join(f'{word:08x}' for word in OPENING)}"

[lab.caps]
total = "1e22 FLOP"
unattributed = "1e20 FLOP"
lineage = "1e23 FLOP"
freeze = "5e22 FLOP"

[[lab]]
name = "beta"
log_rows = 17
opening_head = "{'00000009' * 8}"
since_period = 2

[lab.caps]
total = "1e22 FLOP"
unattributed = "1e20 FLOP"
lineage = "1e23 FLOP"

[[meter]]
lab = "alpha"
name = "hall-2"
chip = "h100"
chips = 16
key = "{public(12)}"

[[meter]]
lab = "alpha"
name = "hall-1"
chip = "h100"
chips = 8
key = "{public(11)}"

[[meter]]
lab = "beta"
name = "hall-1"
chip = "h100"
chips = 8
key = "{public(21)}"
"""


def agreement() -> Agreement:
    return parse_agreement(TEXT)


def signed(terms: Agreement) -> AgreementSignatures:
    result: AgreementSignatures | None = None
    for seed in PARTIES.values():
        result = sign_agreement(key(seed), terms, result)
    assert result is not None
    return result


def head(number: int) -> tuple[int, ...]:
    return (number,) * 8


def claim(terms: Agreement, period: int = 0, *, before: tuple[int, ...] | None = None, **changes: object) -> Claim:
    """Alpha's claim with valid signatures; ``changes`` are made before the lab signs. Heads after are ``head(100 + period)``."""
    first = period * terms.epochs_per_period
    heads = {name: head(1000 * period + seed) for name, seed in METERS.items()}
    meters = tuple(
        MeterHead(
            name, heads[name], ROOTS, sign_ledger_head(key(seed), terms.digest, "alpha", name, period, heads[name], ROOTS)
        )
        for name, seed in METERS.items()
    )
    if before is None:
        before = OPENING if period == 0 else head(99 + period)
    draft = Claim(
        terms.digest, "alpha", period, first, first + terms.epochs_per_period - 1, before, head(100 + period), meters,
        bytes(64), b"proof", bytes(64),
    )  # fmt: skip
    return sign_claim(replace(draft, **changes), key(PARTIES["alpha"]))  # type: ignore[arg-type]
