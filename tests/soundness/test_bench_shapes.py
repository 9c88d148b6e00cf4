"""Every shape that `bench` proves or reports bits for agrees with the closed formulas: the claim and S(N), every height, real ledgers."""

from __future__ import annotations

import dataclasses

import pytest

from bench.chain_sum import program as chain_program
from bench.chain_sum import public_terms, random_readings, statement_of
from bench.workload import make_claim
from circuits.claim import claim_program, public_interactions
from tests.soundness.closed_form import CLAIM, AirFacts, Parameters, johnson_bits, unique_decoding_bits
from zk.air import Program
from zk.options import STD, Options
from zk.security import security_report

STD_BY_TEXT = Parameters(blowup=4, queries=124, query_grinding=20, round_grinding=18, slack=64, final_rows=1024)
CHAIN = AirFacts(interactions=6, message=10, numerators=1, degree=3, selector_degree=1)
"""S(N): a permutation is looked up once (ten words), five limbs are range-checked (three words each, as bytes of the claim are)."""


def agree(program: Program, facts: AirFacts, options: Options, parameters: Parameters, log_rows: int, public: int) -> None:
    report = security_report(program, log_rows, options, [(1, (0,) * facts.message)] * public)
    rows = 1 << log_rows
    expected = float(unique_decoding_bits(parameters, facts, rows, public))
    assert report.unique_decoding.weakest.bits == pytest.approx(expected, abs=0.1)
    expected = float(johnson_bits(parameters, facts, rows, public))
    assert report.johnson.weakest.bits == pytest.approx(expected, abs=0.1)


def test_the_facts_of_the_comparison_are_those_of_its_circuit() -> None:
    program = chain_program()
    assert len(program.interactions) == CHAIN.interactions
    assert max(length for _, length in program.interactions) == CHAIN.message
    assert max(count for count, _ in program.interactions) == CHAIN.numerators


@pytest.mark.parametrize("log_rows", range(16, 23))
def test_the_comparison_agrees_at_every_height(log_rows: int) -> None:
    public = len(public_terms(statement_of(random_readings(3))))
    agree(chain_program(), CHAIN, STD, STD_BY_TEXT, log_rows, public)


@pytest.mark.parametrize(
    ("log_rows", "meters"), [*((height, 8) for height in range(16, 23)), *((20, meters) for meters in (1, 2, 4, 10, 16, 19))]
)
def test_the_workload_and_real_ledgers_agree(log_rows: int, meters: int) -> None:
    agree(claim_program(), CLAIM, STD, STD_BY_TEXT, log_rows, 2 * meters + 3)


def test_the_workloads_public_terms_are_counted_right() -> None:
    statement, _ = make_claim(16)
    assert len(public_interactions(statement)) == 2 * len(statement.meters) + 3


@pytest.mark.parametrize("log_blowup", [2, 3, 4])
@pytest.mark.parametrize("query_grinding", [0, 16, 24])
@pytest.mark.parametrize("queries", [20, 57, 124])
def test_settings_of_the_study_of_sizes_agree(log_blowup: int, query_grinding: int, queries: int) -> None:
    options = dataclasses.replace(STD, log_blowup=log_blowup, query_grinding=query_grinding, queries=queries)
    parameters = dataclasses.replace(
        STD_BY_TEXT, blowup=1 << log_blowup, query_grinding=query_grinding, queries=queries
    )
    for log_rows in (16, 22):
        agree(claim_program(), CLAIM, options, parameters, log_rows, 35)
