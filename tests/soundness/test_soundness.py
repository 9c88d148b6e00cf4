"""The bits that `verify` prints, against closed formulas that share no code with zk/: equal to 0.1 bit, for every shape in use."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from circuits.claim import claim_program
from tests.soundness.closed_form import CLAIM, AirFacts, Parameters, johnson_bits, unique_decoding_bits
from zk.options import STD, Options
from zk.security import security_report

ROOT = Path(__file__).resolve().parents[2]
STD_BY_TEXT = Parameters(blowup=4, queries=124, query_grinding=20, round_grinding=18, slack=64, final_rows=1024)


def ours(options: Options, log_rows: int, public: int) -> tuple[float, float]:
    report = security_report(claim_program(), log_rows, options, [(1, (0,) * 15)] * public)
    return report.unique_decoding.weakest.bits, report.johnson.weakest.bits


@pytest.mark.parametrize("log_rows", range(16, 23))
@pytest.mark.parametrize("meters", [1, 10, 4096])
def test_std_agrees_with_the_closed_formulas_at_every_height(log_rows: int, meters: int) -> None:
    public = 2 * meters + 3
    unique, johnson = ours(STD, log_rows, public)
    assert unique == pytest.approx(float(unique_decoding_bits(STD_BY_TEXT, CLAIM, 1 << log_rows, public)), abs=0.05)
    assert johnson == pytest.approx(float(johnson_bits(STD_BY_TEXT, CLAIM, 1 << log_rows, public)), abs=0.05)
    assert unique >= 100 and min(128.0, johnson) >= 128


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"queries": 60}, {"queries": 60}),
        ({"log_blowup": 3, "queries": 80}, {"blowup": 8, "queries": 80}),
        ({"round_grinding": 0}, {"round_grinding": 0}),
        ({"slack_shift": 2}, {"slack": 4}),
        ({"log_final_rows": 5}, {"final_rows": 32}),
        ({"query_grinding": 0, "queries": 300}, {"query_grinding": 0, "queries": 300}),
        ({"slack_shift": 8, "log_final_rows": 3}, {"slack": 256, "final_rows": 8}),
    ],
)
def test_other_options_agree_too(changes: dict[str, int], text: dict[str, int]) -> None:
    options = dataclasses.replace(STD, **changes)  # type: ignore[arg-type]
    parameters = dataclasses.replace(STD_BY_TEXT, **text)
    unique, johnson = ours(options, 18, 23)
    assert unique == pytest.approx(float(unique_decoding_bits(parameters, CLAIM, 1 << 18, 23)), abs=0.05)
    assert johnson == pytest.approx(float(johnson_bits(parameters, CLAIM, 1 << 18, 23)), abs=0.05)


def test_a_wrong_fact_would_show() -> None:
    """The comparison is not blind to what it compares: a larger degree or longer message changes the unlimited terms."""
    loose = dataclasses.replace(STD_BY_TEXT, queries=400, round_grinding=0)
    right = johnson_bits(loose, CLAIM, 1 << 22, 23)
    for wrong in (dataclasses.replace(CLAIM, interactions=130), dataclasses.replace(CLAIM, message=150)):
        assert isinstance(wrong, AirFacts) and right - johnson_bits(loose, wrong, 1 << 22, 23) > 1


def test_the_facts_are_those_of_the_circuit_and_of_its_text() -> None:
    program = claim_program()
    assert len(program.interactions) == CLAIM.interactions
    assert max(length for _, length in program.interactions) == CLAIM.message
    assert max(count for count, _ in program.interactions) == CLAIM.numerators
    text = (ROOT / "circuits" / "README.md").read_text()
    found = re.search(r"constraints of degree at most (\d+), (\d+) interactions", text)
    assert found and (int(found[1]), int(found[2])) == (CLAIM.degree, CLAIM.interactions)
