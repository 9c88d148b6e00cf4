"""S(N): honest readings are proven, and every way to cheat is named by the checker or rejected by the verifier."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench.chain_sum import (
    COLUMNS,
    Readings,
    program,
    prove_chain,
    public_terms,
    random_readings,
    statement_of,
    trace_of,
    verify_chain,
)
from circuits.chain import Sponge
from circuits.witness import from_montgomery, to_montgomery
from zk.check import check_trace
from zk.errors import WitnessError, ZkError
from zk.field import P

COUNT = 20
READINGS = random_readings(COUNT, 7)
STATEMENT = statement_of(READINGS)
ROWS = [*range(64), 65_534, 65_535]  # all that constraints see of a change; buses are compared over the whole table


def failures(statement=STATEMENT, trace=None):
    table = trace_of(statement, READINGS) if trace is None else trace
    found = check_trace(program(), statement.start, from_montgomery(table), public_terms(statement), ROWS)
    return {failure.constraint for failure in found}


def put(table, name, row, value, i=0):
    table[COLUMNS.index(name, i), row] = to_montgomery(np.array([value % P], dtype=np.uint64))[0]


def test_the_chain_is_the_claims_sponge():
    sponge = Sponge()
    sponge.capacity = STATEMENT.start
    for value, nonce in zip(READINGS.values.tolist(), READINGS.nonces.T.tolist(), strict=True):
        out = sponge.absorb((value & 0xFFFFFF, value >> 24, *nonce, 0, 0))
    assert out == STATEMENT.end


def test_honest_readings_satisfy_everything():
    assert failures() == set()
    larger = dataclasses.replace(STATEMENT, most=2**64 - 1)
    assert failures(larger) == set()


def test_largest_values_do_not_wrap():
    most = Readings(np.full(300, 2**48 - 1, dtype=np.uint64), READINGS.nonces[:, :1].repeat(300, axis=1))
    statement = statement_of(most)
    assert statement.most == 300 * (2**48 - 1)
    assert check_trace(program(), statement.start, from_montgomery(trace_of(statement, most)), public_terms(statement)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"most": STATEMENT.most - 1},
        {"readings": COUNT - 1},
        {"readings": COUNT + 1},
        {"end": (1,) * 8},
        {"start": (5,) * 8},
    ],
    ids=str,
)
def test_another_statement_fails(change):
    assert failures(dataclasses.replace(STATEMENT, **change), trace_of(STATEMENT, READINGS))


@pytest.mark.parametrize(
    "name, row, value, i, constraint",
    [
        ("byte", 3, 1, 2, "value_low"),
        ("byte", 3, 1, 5, "value_high"),
        ("in", 4, 9, 6, "unused_lane_6"),
        ("in", 5, 9, 9, "link_1"),
        ("absorb", 7, 0, 0, "order"),
        ("absorb", COUNT, 1, 0, "absorb_or_tail"),
        ("tail", COUNT + 9, 1, 0, "tail_follows"),
        ("place", 6, 0, 0, "place_counts"),
        ("acc", 0, 1, 3, "acc_starts_3"),
        ("acc", 9, 1, 0, "acc_adds_0"),
        ("acc", COUNT + 2, 77, 1, "acc_shifts_0"),
        ("carry", COUNT, 1, 0, "carry_starts"),
        ("carry", COUNT + 3, 10**6, 0, "carry_goes_on"),
        ("carry", COUNT + 8, 1, 0, "carry_ends"),
        ("byte", COUNT + 1, 200, 3, "carry_is_short"),
        ("tail", COUNT, 2, 0, "tail_is_a_bit"),
        ("absorb", 0, 0, 0, "first_absorbs"),
    ],
)
def test_every_constraint_is_needed(name, row, value, i, constraint):
    table = trace_of(STATEMENT, READINGS)
    put(table, name, row, value, i)
    assert constraint in failures(trace=table)


def test_a_carry_beyond_22_bits_is_what_a_wrap_would_need():
    """digit + 256 c = acc + slack mod p has a second solution with c near p / 256: `carry_is_short` is what refuses it."""
    table = trace_of(dataclasses.replace(STATEMENT, most=STATEMENT.most + 255), READINGS)
    wrong = (P + 255) // 256
    for k in range(3):
        put(table, "byte", COUNT, wrong >> 8 * k & 255, 1 + k)
    put(table, "byte", COUNT, (wrong >> 16) * 4 & 255, 4)
    assert wrong >> 16 >= 64 and "carry_is_short" in failures(trace=table)


def test_a_proof_is_accepted_and_a_wrong_statement_rejected():
    proof = prove_chain(STATEMENT, READINGS)
    assert verify_chain(STATEMENT, proof).unique_decoding.bits > 100
    for change in ({"most": STATEMENT.most - 1}, {"end": (1,) * 8}, {"readings": COUNT + 1}):
        with pytest.raises(ZkError):
            verify_chain(dataclasses.replace(STATEMENT, **change), proof)
    with pytest.raises(WitnessError):
        prove_chain(dataclasses.replace(STATEMENT, most=STATEMENT.most - 1), READINGS)
