"""circuits/README.md sections 4 and 9 and zk/PROTOCOL.md section 10: what an independent verifier is told is what the code does."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from circuits import gadgets, opening
from circuits.claim import MESSAGE_LENGTH, claim_program, public_interactions, public_vector
from circuits.opening import opening_program
from circuits.statement import MeterTerms, RegistryTerms, Statement, SummaryTerms
from zk.field import P
from zk.options import STD
from zk.security import SecurityReport, security_report

ROOT = Path(__file__).parents[2]
README, OPENING = (ROOT / "circuits" / "README.md").read_text().split("\n## 10. ")
PROTOCOL = (ROOT / "zk" / "PROTOCOL.md").read_text()
SECTION_9 = README[README.index("\n## 9.") :]
FILE = ROOT / "tests" / "vectors" / "claim_std.program"
DOMAIN = b"standstill/program/v1"


def test_the_published_digest_is_that_of_the_code_and_of_the_file() -> None:
    (published,) = re.findall(r"\b[0-9a-f]{64}\b", README)
    assert published == claim_program().digest().hex()
    assert published == hashlib.sha256(DOMAIN + FILE.read_bytes()).hexdigest()
    assert FILE.read_bytes() == claim_program().encode()


def test_the_published_sizes_are_those_of_the_program() -> None:
    program = claim_program()
    assert f"{len(program.encode()):,} bytes" in SECTION_9
    counts = {
        "columns": program.n_columns, "registers": program.n_registers, "publics": program.n_publics,
        "constraints": program.n_constraints, "constants": len(program.constants), "operations": len(program.ops),
        "interactions": len(program.interactions), "groups": len(program.groups),
    }  # fmt: skip
    for name, count in counts.items():
        assert f"{count:,} {name}" in SECTION_9, name
    assert re.search(rf"{len(program.next_columns)} columns\s+read in the next row", SECTION_9)
    assert program.groups[-1] == (len(program.interactions) - 1, -1)
    assert program.interactions[-1] == (1, MESSAGE_LENGTH)


def test_the_program_that_opens_registries_is_the_published_one() -> None:
    program = opening_program()
    assert re.findall(r"\b[0-9a-f]{64}\b", OPENING) == [program.digest().hex()]
    assert f"{program.n_columns} columns, {program.n_constraints} constraints" in OPENING
    rows = re.findall(r"^\| ([1-8]) \| (HD|EL|ER|RD|E[0-3])", OPENING, re.M)
    assert {row: int(number) for number, row in rows} == {
        "HD": opening.HEADER, "EL": opening.HEAD_LEDGER, "ER": opening.HEAD_REGISTRY, "RD": opening.OPEN_READING,
        "E0": opening.OPEN_E0, "E1": opening.OPEN_E1, "E2": opening.OPEN_E2, "E3": opening.OPEN_E3,
    }  # fmt: skip
    assert f"messages of {opening.MESSAGE_LENGTH} elements" in OPENING


def test_bus_numbers() -> None:
    rows = re.findall(r"^\| ([0-9, ]+) \| ([A-Z_, ]+) \|", README, re.M)
    found = {name: int(n) for ns, names in rows for n, name in zip(ns.split(", "), names.split(", "), strict=True)}
    assert sorted(found.values()) == list(range(1, 11))
    assert found == {name: getattr(gadgets, name) for name in found}


def test_public_inputs_are_listed_in_their_order() -> None:
    rows = re.findall(r"^\| (\d+(?:, \d+)*) \| (?:`(\w+)`|the effective freeze)", SECTION_9, re.M)
    listed: list[str] = []
    for indices, name in rows:
        many = indices.split(", ")
        assert [int(i) for i in many] == list(range(len(listed), len(listed) + len(many)))
        listed += [f"{name or 'freeze'}[{i}]" for i in range(3)] if len(many) == 3 else [name]
    assert tuple(listed) == gadgets.PUBLICS


def a_statement(freeze: int | None) -> Statement:
    def eight(first: int) -> tuple[int, ...]:
        return tuple(range(first, first + 8))

    meters = tuple(MeterTerms(eight(100 * m), 0x030201 + m, (m << 24) + 5, eight(100 * m + 50)) for m in (1, 2))
    caps = (2**63 + 2**24 + 7, 2**50, 2**40 + 9)
    return Statement(16, 3, 5, *caps, freeze, True, False, meters, RegistryTerms(eight(1000), eight(2000), eight(3000)))


def test_public_interactions_are_built_as_the_text_says() -> None:
    terms = []
    for m in (1, 2):
        terms.append([5, m, *range(100 * m, 100 * m + 8), 1 + m, 2, 3, 5, m])
        terms.append([6, m, *range(100 * m + 50, 100 * m + 58)])
    terms += [[5, 0, *range(1000, 1008)], [7, 0, *range(2000, 2008)], [8, 0, *range(3000, 3008)]]
    assert public_interactions(a_statement(None)) == [(P - 1, term + [0] * (15 - len(term))) for term in terms]


def test_public_interactions_of_sites_and_of_their_registry() -> None:
    whole = a_statement(None)
    summaries = tuple(SummaryTerms(tuple(range(s, s + 8)), tuple(range(s + 50, s + 58))) for s in (4000, 5000))
    caps = {"total_cap": 0, "unattributed_cap": 0, "lineage_cap": 0}
    site = replace(whole, registry=None, summaries=summaries[:1], **caps)
    expected = [[5, 3, *range(4000, 4008)], [10, 3, *range(4050, 4058)]]
    assert public_interactions(site)[4:] == [(P - 1, term + [0] * (15 - len(term))) for term in expected]
    terms = [[5, s, *range(3000 + 1000 * s, 3008 + 1000 * s)] for s in (1, 2)]
    terms = [part for s, term in enumerate(terms, 1) for part in (term, [9, s, *range(3050 + 1000 * s, 3058 + 1000 * s)])]
    terms += [[5, 0, *range(1000, 1008)], [7, 0, *range(2000, 2008)], [8, 0, *range(3000, 3008)]]
    found = public_interactions(replace(whole, meters=(), summaries=summaries))
    assert found == [(P - 1, term + [0] * (15 - len(term))) for term in terms]


@pytest.mark.parametrize(("freeze", "effective"), [(None, 2**40 + 9), (2**41, 2**40 + 9), (17, 17)])
def test_public_inputs_are_built_as_the_text_says(freeze: int | None, effective: int) -> None:
    limbs = [[v & 0xFFFFFF, v >> 24 & 0xFFFFFF, v >> 48] for v in (2**63 + 2**24 + 7, 2**50, 2**40 + 9, effective)]
    assert public_vector(a_statement(freeze)) == [3, 5, *sum(limbs, []), 1, 0]


def by_the_text(log_rows: int, terms: int) -> dict[str, float]:
    """Section 10 for the claim's program, its formulas written again. D_c by hand: three columns and the transition selector."""
    rows, points = 2**log_rows, 2 ** (log_rows + 2)
    d, m = rows + rows // 64, rows + 3 * 268 // 2
    folds = math.ceil((log_rows - 10) / 3)
    fractions, width, numerators = 13 * rows + terms, 14, 7
    rho = max((d + 1) / points, *(math.ceil(d / 8**r) / (points / 8**r) for r in range(folds + 1)))
    field = 5 * math.log2(P)
    bits = {
        "lookup": field - math.log2(2 * fractions * width + numerators),
        "constraint": field,
        "zeta": math.log2(P**5 - rows - points) - math.log2(max(3 * d + 1, rows + m + d)),
        "deep": field - math.log2(points),
        **{f"fold {r}": field - math.log2(7) - math.log2(points / 8 ** (r + 1)) for r in range(folds)},
    }
    return {name: value + 18 for name, value in bits.items()} | {"query": -124 * math.log2(1 - (1 - rho) / 2) + 20}


def report(log_rows: int, terms: int) -> SecurityReport:
    return security_report(claim_program(), log_rows, STD, [(1, [0] * MESSAGE_LENGTH)] * terms)


@pytest.mark.parametrize("terms", [5, 2 * 4096 + 3])
@pytest.mark.parametrize("log_rows", range(16, 23))
def test_soundness_is_computed_as_the_text_says(log_rows: int, terms: int) -> None:
    unique = report(log_rows, terms).unique_decoding
    assert {term.name: term.bits for term in unique.terms} == pytest.approx(by_the_text(log_rows, terms), abs=1e-9)


def test_the_floor_is_met_by_every_claim() -> None:
    """What section 10 promises a verifier of claims alone, to the digit."""
    found = [report(log_rows, terms).unique_decoding for log_rows in range(16, 23) for terms in (5, 2 * 4096 + 3)]
    assert {regime.weakest.name for regime in found} == {"query"}
    others = [term.bits for regime in found for term in regime.terms if term.name != "query"]
    assert f"the queries' {min(regime.bits for regime in found):.1f} bits" in PROTOCOL
    assert f"lookup's {min(others):.1f} or more" in PROTOCOL


def test_heights_of_std() -> None:
    assert f"`std` {STD.min_log_rows} <= k <= {STD.max_log_rows}" in PROTOCOL
