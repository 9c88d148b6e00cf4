"""zk/security.py: pinned figures, formulas recomputed by hand, and what must go up or down."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from circuits.claim import claim_program
from tests.reference import toy
from zk.errors import OptionsError
from zk.field import P
from zk.options import INSECURE_TEST, STD
from zk.security import HASH_BITS, SecurityReport, main, security_report

FIELD = 5 * math.log2(P)
PROGRAM = toy.program()


def report(log_rows: int = 18, program=PROGRAM, public=(), **changed) -> SecurityReport:
    return security_report(program, log_rows, replace(STD, **changed), public)


def term(regime, name: str):
    return next(t for t in regime.terms if t.name == name)


@pytest.mark.parametrize("log_rows", range(16, 23))
def test_std_has_100_bits_by_unique_decoding_at_every_height(log_rows):
    assert report(log_rows).unique_decoding.bits == pytest.approx(103.52, abs=0.01)
    assert report(log_rows).unique_decoding.weakest.name == "query"


@pytest.mark.parametrize(
    "log_rows, bits",
    [(16, 131.92), (17, 131.34), (18, 130.79), (19, 130.27), (20, 129.36), (21, 128.79), (22, 128.29)],
)
def test_std_in_the_johnson_regime(log_rows, bits):
    johnson = report(log_rows).johnson
    assert johnson.bits == HASH_BITS  # the algebra gives more
    assert johnson.weakest.bits == pytest.approx(bits, abs=0.01)
    assert johnson.bits == min(HASH_BITS, johnson.weakest.bits)


def test_unique_decoding_terms_by_hand():
    n, d = 4 << 18, 65 << 12
    regime = report().unique_decoding
    rho = (d + 1) / n
    assert regime.radius == pytest.approx((1 - rho) / 2)
    assert term(regime, "query").bits == pytest.approx(20 - 124 * math.log2((1 + rho) / 2))
    assert term(regime, "deep").bits == pytest.approx(18 + FIELD - 20)
    assert term(regime, "fold 0").bits == pytest.approx(18 + FIELD - 17 - math.log2(7))
    assert term(regime, "fold 2").bits == pytest.approx(18 + FIELD - 11 - math.log2(7))
    assert term(regime, "constraint").bits == pytest.approx(18 + FIELD)
    lookup = 2 * (5 << 18) * 2 + 2  # five interactions, messages of at most three elements, two numerators
    assert term(regime, "lookup").bits == pytest.approx(18 + FIELD - math.log2(lookup))
    cubic = 3 * d  # the cube, a selector times a square, and pairs of messages with a column
    assert term(regime, "zeta").bits == pytest.approx(18 + FIELD - math.log2(cubic + 1), abs=0.001)
    assert [t.name for t in regime.terms] == [
        "lookup", "constraint", "zeta", "deep", "fold 0", "fold 1", "fold 2", "query",
    ]  # fmt: skip


def test_johnson_terms_by_hand():
    n, d = 4 << 18, 65 << 12
    regime = report().johnson
    root = math.sqrt((d + 1) / n)
    m = root / (1 - root - regime.radius)
    assert m == pytest.approx(round(m)) and m >= 3
    assert regime.list_size == pytest.approx((m + 0.5) / root)
    slope = (2 * (m + 0.5) ** 5 + 3 * (m + 0.5) * regime.radius * root**2) / (3 * root**3)
    assert term(regime, "deep").algebraic == pytest.approx(FIELD - math.log2(slope * n + (m + 0.5) / root))
    assert term(regime, "query").algebraic == pytest.approx(-124 * math.log2(root * (1 + 1 / m)))
    assert term(regime, "constraint").algebraic == pytest.approx(FIELD - math.log2(regime.list_size))
    unique = report().unique_decoding
    for name in ("lookup", "zeta"):
        lost = term(unique, name).algebraic - term(regime, name).algebraic
        assert lost == pytest.approx(math.log2(regime.list_size))


def test_the_johnson_radius_lies_between_unique_decoding_and_johnson():
    r = report()
    assert r.unique_decoding.radius < r.johnson.radius < 1 - math.sqrt(r.rate)


def test_grinding_adds_its_bits_and_is_told_apart():
    base, more = report(round_grinding=10, query_grinding=5), report(round_grinding=13, query_grinding=9)
    for a, b in zip(base.unique_decoding.terms, more.unique_decoding.terms, strict=True):
        assert a.algebraic == b.algebraic
        assert b.bits - a.bits == (4 if a.name == "query" else 3)
    assert "computational" in base.lines()[0]


@pytest.mark.parametrize("more", [{"queries": 125}, {"query_grinding": 21}, {"log_blowup": 3}, {"slack_shift": 7}])
def test_what_adds_bits(more):
    height = 18
    assert report(height, **more).unique_decoding.bits > report(height).unique_decoding.bits


@pytest.mark.parametrize("less", [{"queries": 123}, {"query_grinding": 19}, {"slack_shift": 3}])
def test_what_takes_bits(less):
    assert report(**less).unique_decoding.bits < report().unique_decoding.bits


@pytest.mark.parametrize("log_rows", range(16, 23))
def test_fri_shows_the_degree_bound_itself_under_std(log_rows):
    assert STD.final_length(log_rows) << 3 * STD.folds(log_rows) == STD.degree_bound(log_rows)


def test_a_final_polynomial_rounded_up_shows_a_larger_bound():
    """At 2^18 rows, slack 1/256 and five folds: 263168 / 8^5 is a little more than 8, so 9 coefficients stand for 9 8^5."""
    rounded = report(slack_shift=8, log_final_rows=3)
    assert rounded.rate == (9 * 8**5 + 1) / (4 << 18) > report(slack_shift=8).rate == (263168 + 1) / (4 << 18)
    zeta = term(rounded.unique_decoding, "zeta").algebraic
    assert zeta == pytest.approx(FIELD - math.log2(3 * 9 * 8**5), abs=1e-6)


def test_slack_of_an_eighth_costs_four_bits():
    assert report(slack_shift=3).unique_decoding.bits == pytest.approx(103.5 - 3.9, abs=0.1)


def test_more_rows_never_add_bits():
    for name in ("lookup", "zeta", "deep", "fold 0", "query"):
        bits = [term(report(k).unique_decoding, name).bits for k in range(16, 23)]
        assert all(a >= b - 1e-3 for a, b in zip(bits, bits[1:], strict=False))


def test_public_interactions_and_long_messages_cost_bits():
    few, many = report(), report(public=[(1, [1, 2, 3])] * 10_000)
    long = report(public=[(1, [1] * 15)])
    assert term(many.unique_decoding, "lookup").bits < term(few.unique_decoding, "lookup").bits
    assert term(long.unique_decoding, "lookup").bits == pytest.approx(
        term(few.unique_decoding, "lookup").bits - math.log2(14 / 2), abs=0.001
    )


def test_bits_are_capped_by_hash_collisions():
    strong = report(queries=400, query_grinding=32, round_grinding=32)
    assert strong.unique_decoding.weakest.bits > 128
    assert strong.unique_decoding.bits == strong.johnson.bits == HASH_BITS


def test_multiplicities_that_could_wrap_are_refused():
    interactions = P // (1 << 22) + 1
    wide = replace(PROGRAM, interactions=((1, 2),) * interactions)
    with pytest.raises(OptionsError, match="wrap"):
        security_report(wide, 22, STD)


def test_the_degree_of_constraints_is_the_programs():
    """Where constraints are linear, the quotient's side of the identity has the larger degree."""
    from zk.air import Columns, compile_air

    def linear(b):
        b.assert_zero("zero", b.row.one("a") - b.row.one("b"))
        b.interact("one", b.row.one("a"), [1])

    program = compile_air(Columns({"a": 1, "b": 1}), [], linear)
    regime = report(program=program).unique_decoding
    d, chunk = STD.degree_bound(18), STD.chunk(18)
    assert term(regime, "zeta").algebraic == pytest.approx(FIELD - math.log2((1 << 18) + chunk + d), abs=1e-6)


def test_insecure_options_say_so():
    assert security_report(PROGRAM, 8, INSECURE_TEST).unique_decoding.bits < 10
    assert INSECURE_TEST.insecure and "INSECURE" in INSECURE_TEST.name


def test_lines_name_every_round():
    lines = report().lines()
    assert lines[0].startswith("unique decoding: 103.5 bits")
    assert any(line.startswith("Johnson: 128.0 bits") for line in lines)
    assert len(lines) == 2 + 2 * 8


def test_the_command_answers_what_if_with_the_same_code(capsys):
    program = str(Path(__file__).parents[1] / "vectors" / "claim_std.program")
    assert main([program, "--log-rows", "16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    report = security_report(claim_program(), 16, STD)
    assert lines[: len(report.lines())] == report.lines()
    assert "131.9 bits (deep)" in lines[-2]
    assert main([program, "--queries", "110"]) == 0
    assert capsys.readouterr().out.startswith("unique decoding: 94.1 bits")
    assert main([program, "--queries", "0"]) == 2 and main(["no such file"]) == 2
