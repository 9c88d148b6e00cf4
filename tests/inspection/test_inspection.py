"""Inspection draws against a slow twin of their text, their uniformity, their rounds; plans against exact powers."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import world
from hypothesis import given, settings
from hypothesis import strategies as st

from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement
from claims.base.errors import ClaimRejected, QuantityError
from claims.inspection.beacon import Round, RoundRejected, RoundTooEarly, VerifiedRound, parse_round, time_of_round
from claims.inspection.terms import (
    MAX_DRAWS,
    Draw,
    InspectionError,
    draw,
    draw_period,
    epoch_times,
    first_round,
    parse_probability,
    period_end,
    plan,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "drand_quicknet.json").read_text())
ROUND_1000 = next(item for item in VECTORS["valid"] if item["round"] == 1000)
REAL = VerifiedRound(1000, bytes.fromhex(ROUND_1000["randomness"]))
METERS = [("hall-1", 8), ("hall-2", 16)]


def sample(count: int = 1000, *, meters: list[tuple[str, int]] = METERS, beacon: VerifiedRound = REAL, **changes: object) -> list[Draw]:
    values: dict[str, object] = {
        "agreement_digest": bytes(range(32)), "lab": "alpha", "period": 7, "epochs": (168, 191), "epoch_seconds": 3600,
    }  # fmt: skip
    return draw(**(values | changes), meters=meters, beacon_round=beacon, count=count)  # type: ignore[arg-type]


# ---- draws -------------------------------------------------------------------------------------------------

PINNED = [
    ("hall-2", 185, 5618),
    ("hall-2", 180, 21742),
    ("hall-2", 180, 51692),
    ("hall-2", 170, 31940),
    ("hall-2", 172, 27242),
    ("hall-2", 190, 12931),
]


def test_draw_is_pinned_with_a_real_round() -> None:
    """The vector of FORMATS-inspection.md."""
    assert [(d.meter, d.epoch, d.offset) for d in sample(6)] == PINNED


def slow_draw(count: int) -> list[tuple[str, int, int]]:
    """The text of FORMATS-inspection.md, with bits as text and chip-seconds counted up meter by meter."""
    prefix = b"\x00\x18standstill/inspection/v1" + bytes(range(32)) + b"\x05alpha" + b"\0\0\0\x07"
    prefix += b"\0\0\0\0\0\0\x03\xe8" + bytes.fromhex(ROUND_1000["randomness"])
    total = (8 + 16) * 3600 * 24
    width = len(f"{total - 1:b}")
    found = []
    i = 0
    while len(found) < count:
        bits = "".join(f"{byte:08b}" for byte in hashlib.sha256(prefix + i.to_bytes(8, "big")).digest())
        i += 1
        u = int(bits[:width], 2)
        if u >= total:
            continue
        epoch = 168
        while u >= (8 + 16) * 3600:
            u, epoch = u - (8 + 16) * 3600, epoch + 1
        found.append(("hall-1", epoch, u) if u < 8 * 3600 else ("hall-2", epoch, u - 8 * 3600))
    return found


def test_draw_is_what_the_text_says() -> None:
    assert [(d.meter, d.epoch, d.offset) for d in sample(500)] == slow_draw(500)


def test_a_longer_draw_begins_with_the_shorter() -> None:
    assert sample(300)[:20] == sample(20)


@pytest.mark.parametrize(
    "changes",
    [
        {"agreement_digest": bytes(32)},
        {"lab": "alphb"},
        {"period": 8},
        {"beacon": VerifiedRound(1001, REAL.randomness)},
        {"beacon": VerifiedRound(1000, bytes(32))},
    ],
)
def test_every_input_changes_the_draw(changes: dict[str, object]) -> None:
    assert not set(sample(50)) & set(sample(50, **changes))  # type: ignore[arg-type]


def chi_square(counts: Counter[object], expected: dict[object, float]) -> float:
    assert set(counts) <= set(expected)
    return sum((counts[key] - mean) ** 2 / mean for key, mean in expected.items())


def limit(cells: int) -> float:
    """Mean plus five standard deviations of chi-square with ``cells`` - 1 degrees of freedom."""
    return cells - 1 + 5 * (2 * (cells - 1)) ** 0.5


N = 60_000


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_draws_are_uniform(seed: int) -> None:
    meters = [("a", 3), ("b", 1), ("c", 7), ("d", 2)]
    beacon = VerifiedRound(seed, hashlib.sha256(bytes([seed])).digest())
    draws = sample(N, meters=meters, beacon=beacon, epochs=(10, 20), epoch_seconds=60)
    chips = dict(meters)
    by_meter = chi_square(Counter(d.meter for d in draws), {m: N * c / 13 for m, c in meters})
    by_epoch = chi_square(Counter(d.epoch for d in draws), dict.fromkeys(range(10, 21), N / 11))
    cells = {(m, e, o): N / (13 * 60 * 11) for m, c in meters for e in range(10, 21) for o in range(c * 60)}
    by_second = chi_square(Counter((d.meter, d.epoch, d.offset) for d in draws), cells)  # type: ignore[arg-type]
    pairs = Counter((a.epoch, b.epoch) for a, b in zip(draws[::2], draws[1::2], strict=True))
    by_pair = chi_square(pairs, {(a, b): N / 2 / 121 for a in range(10, 21) for b in range(10, 21)})  # type: ignore[arg-type]
    assert by_meter < limit(4) and by_epoch < limit(11) and by_second < limit(len(cells)) and by_pair < limit(121)
    assert all(0 <= d.offset < chips[d.meter] * 60 for d in draws)


def test_the_uniformity_test_sees_a_modulo_bias() -> None:
    """What a reduction in place of rejection would do: 13 cells from 16 values."""
    values = (hashlib.sha256(i.to_bytes(8, "big")).digest()[0] >> 4 for i in range(N))
    assert chi_square(Counter(v % 13 for v in values), dict.fromkeys(range(13), N / 13)) > 10 * limit(13)


def test_edges_of_the_population() -> None:
    assert sample(5, meters=[("a", 1)], epochs=(3, 3), epoch_seconds=1) == [Draw("a", 3, 0)] * 5
    seen = set(sample(400, meters=[("a", 1), ("b", 2)], epochs=(0, 1), epoch_seconds=2))
    assert seen == {Draw(m, e, o) for e in (0, 1) for m, c in (("a", 1), ("b", 2)) for o in range(2 * c)}
    largest = [(f"m{i:04}", 2**48 - 1) for i in range(4096)]
    assert {len(d.meter) for d in sample(10, meters=largest, epochs=(0, 2**24 - 2), epoch_seconds=1)} == {5}


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 0}, {"count": MAX_DRAWS + 1}, {"count": True}, {"meters": []}, {"meters": [("b", 1), ("a", 1)]},
        {"meters": [("a", 1), ("a", 1)]}, {"meters": [("a", 0)]}, {"epochs": (5, 4)}, {"epochs": (-1, 4)},
        {"epoch_seconds": 0}, {"agreement_digest": bytes(31)}, {"lab": ""}, {"lab": "A"}, {"period": -1}, {"period": 2**32},
        {"beacon": VerifiedRound(1, b"")},
    ],
)  # fmt: skip
def test_arguments_out_of_range(changes: dict[str, object]) -> None:
    with pytest.raises(InspectionError):
        sample(**({"count": 3} | changes))  # type: ignore[arg-type]


# ---- rounds ------------------------------------------------------------------------------------------------


def early_agreement(start: str = "2023-08-23T14:00:00Z") -> Agreement:
    """Period 0 ends an hour after the start; round 1000 was due at 15:59:24."""
    text = world.TEXT.replace("2026-01-01T00:00:00Z", start).replace('epoch = "1 h"', 'epoch = "10 min"')
    return parse_agreement(text.replace("epochs_per_period = 24", "epochs_per_period = 6"))


def round_1000() -> Round:
    return parse_round(json.dumps(ROUND_1000).encode())


def test_draw_period_takes_everything_from_the_agreement() -> None:
    terms = early_agreement()
    digest = terms.digest
    expected = draw(digest, "alpha", 0, METERS, (0, 5), 600, REAL, 9)
    assert draw_period(terms, "alpha", 0, round_1000(), 9, margin=1800) == expected
    assert epoch_times(terms, 5) == ("2023-08-23T14:50:00Z", "2023-08-23T15:00:00Z")


def test_rounds_must_lie_after_period_margin_and_commitment() -> None:
    terms, due = early_agreement(), time_of_round(1000)
    assert period_end(terms, 0) == due - 3564
    assert draw_period(terms, "alpha", 0, round_1000(), 1, margin=3563, committed_at=due - 1)
    for options in ({"margin": 3564}, {}, {"margin": 1, "committed_at": due}):
        with pytest.raises(RoundTooEarly):
            draw_period(terms, "alpha", 0, round_1000(), 1, **options)
    with pytest.raises(RoundTooEarly):
        draw_period(terms, "alpha", 1, round_1000(), 1, margin=0)
    with pytest.raises(InspectionError, match="negative"):
        draw_period(terms, "alpha", 0, round_1000(), 1, margin=-10)


def test_first_round_is_the_first_that_is_accepted() -> None:
    terms = early_agreement("2023-08-23T14:59:24Z")
    assert first_round(terms, 0, 0) == 1001 and first_round(early_agreement("2023-08-23T14:59:23Z"), 0, 0) == 1000
    assert first_round(terms, 0) == 1001 + 86400 // 3
    with pytest.raises(RoundRejected):
        draw_period(terms, "alpha", 0, replace(round_1000(), number=1001), 1, margin=0)


def test_who_and_when_must_be_in_the_agreement() -> None:
    terms = early_agreement("2023-08-22T14:00:00Z")
    for lab, period in (("gamma", 0), ("alpha", 12), ("alpha", -1), ("beta", 1)):
        with pytest.raises(ClaimRejected):
            draw_period(terms, lab, period, round_1000(), 1, margin=1)
    assert {d.meter for d in draw_period(terms, "beta", 2, round_1000(), 5, margin=1)} == {"hall-1"}


# ---- plans -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fraction", "miss", "draws"),
    [("1%", "5%", 299), ("1%", "1%", 459), ("10%", "1%", 44), ("1/1000", "0.01", 4603), ("0.2", "1e-6", 62)],
)
def test_table_values(fraction: str, miss: str, draws: int) -> None:
    assert plan(parse_probability(fraction), parse_probability(miss)) == draws


@given(st.fractions(0, 1, max_denominator=400), st.fractions(0, 1, max_denominator=10**6))
@settings(deadline=None)
def test_plan_is_the_least_by_exact_powers(fraction: Fraction, miss: Fraction) -> None:
    if fraction == 0 or miss in (0, 1):
        with pytest.raises(InspectionError):
            plan(fraction, miss)
        return
    n = plan(fraction, miss)
    assert n >= 1 and (1 - fraction) ** n <= miss
    assert n == 1 or (1 - fraction) ** (n - 1) > miss


@pytest.mark.parametrize("n", [1, 2, 7, 50])
@pytest.mark.parametrize("keep", [Fraction(1, 2), Fraction(2, 3), Fraction(99, 100)])
def test_exactly_at_the_edge(keep: Fraction, n: int) -> None:
    """Equal to the bound, and 10^-100 to either side of it: nearer than any float, or 60 digits, can tell."""
    step = Fraction(1, 10**100)
    assert plan(1 - keep, keep**n) == n
    assert plan(1 - keep, keep**n + step) == n
    assert plan(1 - keep, keep**n - step) == n + 1


def test_plans_of_any_size_are_quick() -> None:
    assert plan(Fraction(1), Fraction(1, 10**9)) == 1
    assert plan(Fraction(1, 2), Fraction(1, 2**300)) == 300
    f, m = Fraction(1, 10**20), Fraction(1, 10**20)
    assert plan(f, m) == 4605170185988091368013
    for fraction, miss in ((0.01, m), (f, 0.01), (Fraction(1, 2**600), m), (f, Fraction(1)), (Fraction(2), m)):
        with pytest.raises(InspectionError):
            plan(fraction, miss)  # type: ignore[arg-type]


def test_probabilities_are_read_exactly() -> None:
    for text in ("1/100", "0.01", "1%", "1e-2", "1.0E-2", "100e-4", "0.1e1%"):
        assert parse_probability(text) == Fraction(1, 100)
    for text in ("", "0", "1/0", "-1%", "101%", "1.5", "nan", "1e-999", "0x1", "1_0%", " 1%", "1 %", "١%", "1/100%", "9" * 99):
        with pytest.raises(QuantityError):
            parse_probability(text)
