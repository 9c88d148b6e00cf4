"""Over the integers: carries, sums and the order of rows, by search and by intervals instead of forged traces.

Each equation of the circuit is meant over the integers and holds mod p: here is why that is the same.
"""

from __future__ import annotations

import itertools
from collections import Counter
from functools import cache

import numpy as np
import pytest

from circuits.claim import claim_program
from circuits.gadgets import COLUMNS, KINDS
from circuits.statement import LIMB
from zk.air import ADD, ASSERT, COL, CONST, MUL, NEXT, PUB, REG, SEL, SUB
from zk.check import evaluate
from zk.field import P

PROGRAM = claim_program()
NAMES = PROGRAM.constraint_names

# Carries that are bytes and no bits: sums of limbs, all of one sign


def sums_with_byte_carries(low, high, carries):
    """What limbs (low, high) become mod p with carries (c0, c1) out of them, or None where a limb does not fit 24 bits.

    low, high: sums of two limbs. Returns (limb 0, limb 1, what is added to limb 2).
    """
    first, second = (low - carries[0] * LIMB) % P, (high + carries[0] - carries[1] * LIMB) % P
    return (first, second, carries[1]) if max(first, second) < LIMB else None


EDGES = (0, 1, 2, 3, 254, 255, 256, 257, LIMB - 257, LIMB - 256, LIMB - 3, LIMB - 2, LIMB - 1)
PAIRS = sorted({a + b + c for a in EDGES for b in EDGES for c in (0, 1)})


def test_byte_carries_only_add_to_a_sum():
    """The running total, the total under its cap, R under the freeze: byte carries add k0 p + k1 p 2^24, k at least 0.

    So total, R' and slack are never less than over the integers, whether or not a carry is a bit.
    """
    found = Counter()
    for low, high in itertools.product(PAIRS, repeat=2):
        firsts = [c for c in (*range(4), *range(125, 132), *range(252, 256)) if (low - c * LIMB) % P < LIMB]
        for c0 in firsts:
            for c1 in (*range(4), *range(125, 132), *range(252, 256)):
                result = sums_with_byte_carries(low, high, (c0, c1))
                if result is None:
                    continue
                excess = result[0] + (result[1] + result[2] * LIMB) * LIMB - low - high * LIMB
                multiple, rest = divmod(excess, P)
                assert rest == 0 and multiple in {a + b * LIMB for a in range(3) for b in range(3)}
                found[multiple] += 1
    assert found[0] and len(found) > 1


def test_the_carries_that_fit_a_byte():
    """Every byte: 0 and 1 where they are right, 127, 128, 254, 255, and 129 where both limbs and the carry into them are largest."""
    fits = {}
    for carry in range(256):  # s - carry x 2^24 mod p is below 2^24 for s in an interval
        quotient, steps = divmod(carry, 127)
        low = max(0, steps * LIMB - quotient)
        high = min(2 * LIMB - 1, (steps + 1) * LIMB - 1 - quotient)
        if low <= high:
            fits[carry] = (low, high)
            for s in {low, high}:
                assert (s - carry * LIMB) % P < LIMB
        for s in PAIRS:
            assert ((s - carry * LIMB) % P < LIMB) == (carry in fits and fits[carry][0] <= s <= fits[carry][1])
    assert set(fits) == {0, 1, 127, 128, 129, 254, 255}
    assert fits[129] == (2 * LIMB - 1, 2 * LIMB - 1)


# No equation wraps: intervals over the integers, for every kind of row and the ones that follow

BYTE, LIMBS, BIT, FIELD = (0, 255), (0, LIMB - 1), (0, 1), (0, P - 1)
DIGITS = (0, 255 * (1 << 22) + 65535 * 256)
EQUATIONS = {  # kind of row, next one: equations that must hold over the integers
    ("hd", "sent"): ("records_ascend",),
    ("sent", "sent"): ("records_ascend", "record_tag_is_its_bytes"),
    ("hd", "side"): ("records_ascend",),
    ("got", "side"): ("records_ascend", "received_4", "received_5", "received_lane_1_is_its_bytes"),
    ("side", "got"): (*(f"received_{i}" for i in range(4)), "record_tag_is_its_bytes", "received_lane_0_is_its_bytes"),
    ("e1", "e2"): tuple(f"received_{i}" for i in range(4)),
    ("e2", "e3"): ("received_4", "received_5", "who_receives_works", "total_or_coverage_0"),
    ("e4", "e0"): (*(f"limit_limb_{i}" for i in range(3)), *(f"cumulative_limb_{i}" for i in range(3))),
    ("er", "iv"): (*(f"total_cap_{i}" for i in range(3)), *(f"residue_limit_{i}" for i in range(3))),
    ("busy", "busy"): (
        "remaining_low_limb", "remaining_high_limb", "epoch_ends_with_nothing_remaining",
        *(f"work_is_the_product_{i}" for i in (0, 1, 2, "top")),
    ),
}  # fmt: skip


def ranges(kind):
    """What other constraints hold each column of a row of this kind to."""
    cells = dict.fromkeys(COLUMNS.names, FIELD)
    cells |= {name: (int(name == kind), int(name == kind)) for name in KINDS}
    cells |= {f"in[{i}]": LIMBS for i in range(8)} | {f"byte[{i}]": BYTE for i in range(20)}
    cells |= dict.fromkeys(("new", "opening", "external", "worker", "merge", "residue", "works", "owes", "shared_base", "fbase"), BIT)
    cells |= {f"{name}[{i}]": LIMBS for name in ("res", "tot") for i in range(3)} | {f"val[{i}]": LIMBS for i in range(3)}
    cells |= {f"acc[{i}]": (-LIMB, 4 * LIMB) for i in range(3)} | {f"sum[{i}]": DIGITS for i in range(3)}
    cells |= {"key": LIMBS}
    if kind in ("side", "e1", "got", "e2"):  # received_carry: the third byte of a carry is below 64
        cells |= {f"byte[{4 * i + 2}]": (0, 63) for i in range(3 if kind in ("side", "e1") else 2)}
    if kind == "busy":
        cells |= {f"res[{i}]": BYTE for i in range(3)} | {f"val[{i}]": BIT for i in range(3)}
    if kind == "e4":
        cells |= {f"sum[{i}]": BIT for i in range(3)} | {f"byte[{i}]": BIT for i in range(16, 20)}
    if kind == "e2":
        cells |= {"byte[17]": BIT}
    if kind == "er":
        cells |= {f"byte[{i}]": BIT for i in (8, 9, 18, 19)}
    return [cells[name] for name in COLUMNS.names]


def product(x, y):
    corners = [a * b for a in x for b in y]
    return min(corners), max(corners)


def intervals(kind, then):
    """Interval of every constraint over the integers."""
    signed = [c - P if c > P // 2 else c for c in PROGRAM.constants]
    publics = [BIT if i >= 14 else LIMBS for i in range(PROGRAM.n_publics)]
    registers: list = [None] * PROGRAM.n_registers
    sources = {
        REG: registers, COL: ranges(kind), NEXT: ranges(then), CONST: [(c, c) for c in signed], SEL: [(0, 0), (0, 0), (1, 1)], PUB: publics,
    }  # fmt: skip
    found = {}
    for op, dst, a, b in PROGRAM.ops:
        x = sources[a >> 24][a & 0xFFFFFF]
        if op == ASSERT:
            found[NAMES[b]] = x
            continue
        if op not in (ADD, SUB, MUL):
            continue
        y = sources[b >> 24][b & 0xFFFFFF]
        registers[dst] = product(x, y) if op == MUL else (x[0] + y[0], x[1] + y[1]) if op == ADD else (x[0] - y[1], x[1] - y[0])
    return found


@pytest.mark.parametrize("pair", EQUATIONS, ids="-".join)
def test_no_equation_wraps(pair):
    found = intervals(*pair)
    for name in EQUATIONS[pair]:
        low, high = found[name]
        assert low != high and -P < low <= 0 <= high < P, (name, low, high)


def test_intervals_see_a_wrap():
    """The second total carry is a byte: its equation may wrap, and circuits/README.md says what that costs."""
    assert intervals("e2", "e3")["total_or_coverage_1"][1] >= P


# Order of rows: what leads from a header to each end

ENDS = {"el": {"busy", "idle"}, "es": {"sent"}, "eg": {"side", "got"}, "er": {"e0", "e1", "e2", "e3", "e4", "mi"}}
ORDER = [name for name in NAMES if (name.startswith("after_") and name != "after_head_follows_before_head") or "_then_" in name]


@cache
def pairs_refused():
    """{(kind, next kind): names of order constraints that refuse it}."""
    pairs = list(itertools.product([*KINDS, None], repeat=2))
    rows = np.zeros((2, PROGRAM.n_columns, len(pairs)), dtype=np.uint64)
    for i, pair in enumerate(pairs):
        for side, kind in enumerate(pair):
            if kind:
                rows[side, COLUMNS.index(kind), i] = 1
    found = evaluate(PROGRAM, [0] * PROGRAM.n_publics, *rows, np.zeros((3, len(pairs)), dtype=np.uint64)).constraints
    return {pair: {name for name in ORDER if found[NAMES.index(name), i]} for i, pair in enumerate(pairs)}


def between(end, without=()):
    """Kinds on some path from HD to this end, inside one chain: no IV, no padding, no second end."""
    inner = [kind for kind in KINDS if kind not in ("iv", "hd", *ENDS)]
    allowed = {pair for pair, names in pairs_refused().items() if names <= set(without)}

    def reach(start, forward):
        seen, todo = set(), [start]
        while todo:
            here = todo.pop()
            step = [k for k in inner if ((here, k) if forward else (k, here)) in allowed and k not in seen]
            seen |= set(step)
            todo += step
        return seen

    return reach("hd", True) & reach(end, False)


def test_a_chain_holds_what_its_end_says():
    """Each header is there once and each end is asked for: so a chain is a path from HD to its end, and its rows are of these kinds."""
    assert {end: between(end) for end in ENDS} == ENDS


def test_which_lists_of_followers_are_needed_alone():
    """Without the other three a chain has the same rows: an additional chain or end is one message too many on its bus."""
    needed = {name for name in ORDER if any(between(end, {name}) != kinds for end, kinds in ENDS.items())}
    assert set(ORDER) - needed == {"iv_then_hd", "after_hd", "after_end_or_padding"}
    assert "sent" in between("er", {"after_sent"})  # records that no head covers, in the registry's chain
