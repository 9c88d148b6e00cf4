"""Honest claims of several shapes satisfy every constraint; heads agree with plain integers; proofs verify."""

from __future__ import annotations

from dataclasses import replace

import claim_samples as samples
import numpy as np
import pytest

from circuits import chain
from circuits.claim import claim_program, public_interactions, public_vector
from circuits.errors import (
    CapExceeded,
    CoverageError,
    EntryError,
    EpochError,
    HeadError,
    ShapeError,
    TagError,
    WorkError,
)
from circuits.prove import prove_claim
from circuits.statement import START, SummaryTerms, context_elements, digest_limbs
from circuits.trace import build_trace
from circuits.verify import claim_security, verify_claim_proof
from circuits.witness import from_montgomery
from zk.check import check_trace
from zk.commitment import alloc_trace
from zk.errors import ProofRejected, StatementError


def altered(statement, change):
    """The statement with fields changed; `registry` may name some of its own."""
    if isinstance(change.get("registry"), dict):
        return samples.with_registry(statement, **change["registry"])
    return replace(statement, **change)


@pytest.mark.parametrize("shape", samples.SHAPES)
def test_honest_trace_satisfies_everything(shape, monkeypatch):
    """Whatever its memory held before."""

    def used_before(columns, log_rows):
        words = alloc_trace(columns, log_rows)
        words[:] = 0xDEADBEEF
        return words

    monkeypatch.setattr("circuits.table.alloc_trace", used_before)
    statement, witness = samples.SHAPES[shape]()
    trace = from_montgomery(build_trace(statement, witness))
    assert check_trace(claim_program(), public_vector(statement), trace, public_interactions(statement)) == []


def test_many_meters_and_readings():
    plans = [[(e, [(3, 0.1 * k / 300), (1, 0.2), (2, 0)]) for e in range(4)] for k in range(300)]

    def new(r, works):
        r.residue(works[2]).add(5, 9).add(3, 3, work=works[3])

    statement, witness = samples.claim(plans, [5] * 300, [10**9 + k for k in range(300)], lambda r: None, new)
    trace = from_montgomery(build_trace(statement, witness))
    found = check_trace(claim_program(), public_vector(statement), trace, public_interactions(statement), range(5000))
    assert found == []


def test_heads_in_plain_integers():
    statement, witness = samples.rich()
    for meter, ledger in zip(statement.meters, witness.ledgers, strict=True):
        rows = [ledger.epochs, ledger.tags, ledger.chip_seconds, ledger.work]
        readings = list(zip(*(a.tolist() for a in rows), strict=True))
        assert chain.ledger_head(ledger.iv, meter.header, readings, ledger.trailer) == meter.head
    r = witness.registry
    sponge = chain.registry_sponge(r.iv, statement.registry.header, r.old_entries)
    assert sponge.squeeze(r.trailer_before) == statement.registry.before
    entries = r.old_entries + r.new_entries
    assert chain.registry_head(r.iv, statement.registry.header, entries, r.trailer_after) == statement.registry.after


def test_shape_of_the_program():
    program = claim_program()
    assert program.groups == ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11), (12, -1))
    assert len(program.ops) < 4500
    assert len(program.interactions) << 22 < 2130706433


def test_context_elements():
    assert START == context_elements(b"standstill/sponge/v1")
    assert context_elements(b"a", b"bc") != context_elements(b"ab", b"c") != context_elements(b"ab", b"", b"c")
    assert digest_limbs(bytes(range(1, 33)))[0] == 0x010203 and digest_limbs(bytes(range(1, 33)))[10] == 0x1F20


@pytest.fixture(scope="module")
def proven():
    statement, witness = samples.rich()
    return statement, prove_claim(statement, witness)


def test_proof_verifies(proven):
    report = verify_claim_proof(*proven)
    assert report.unique_decoding.radius > 0 and report == claim_security(proven[0])


@pytest.mark.parametrize(
    "change",
    [
        {"total_cap": 5},
        {"lineage_cap": samples.BIG + 1},
        {"unattributed_cap": samples.BIG - 1},
        {"freeze_level": 7},
        {"charge_peak": False},
        {"charge_residue": False},
        {"first_epoch": 999},
        {"last_epoch": 1003},
        {"registry": {"before": (1,) * 8}},
        {"registry": {"after": (1,) * 8}},
        {"registry": {"header": (1,) * 8}},
    ],
    ids=str,
)
def test_proof_of_another_statement(proven, change):
    statement, proof = proven
    with pytest.raises(ProofRejected):
        verify_claim_proof(altered(statement, change), proof)


def test_proof_with_other_meters(proven):
    statement, proof = proven
    one, two = statement.meters
    for meters in [(one,), (two, one), (one, two, replace(one, header=(3,) * 8)), (replace(one, peak=990), two)]:
        with pytest.raises(ProofRejected):
            verify_claim_proof(replace(statement, meters=meters), proof)


@pytest.mark.parametrize(
    "change",
    [
        {"log_rows": 15},
        {"log_rows": 23},
        {"log_rows": True},
        {"first_epoch": 1 << 24},
        {"first_epoch": 2000},
        {"total_cap": 1 << 64},
        {"total_cap": -1},
        {"total_cap": 1.0},
        {"lineage_cap": True},
        {"freeze_level": 1 << 64},
        {"charge_peak": 1},
        {"charge_residue": None},
        {"meters": ()},
        {"meters": []},
        {"registry": {"before": (0,) * 7}},
        {"registry": {"after": (2130706433,) + (0,) * 7}},
        {"registry": {"header": [0] * 8}},
        {"registry": None},
        {"summaries": []},
        {"summaries": (SummaryTerms((1,) * 8, (0,) * 8),)},
    ],
    ids=str,
)
def test_statement_out_of_range(change):
    statement, _ = samples.idle_period()
    with pytest.raises(StatementError):
        public_vector(altered(statement, change))


def test_one_header_for_two_meters():
    statement, _ = samples.idle_period()
    with pytest.raises(StatementError):
        public_interactions(replace(statement, meters=statement.meters * 2))


def changed(array, at, value):
    array = array.copy()
    array[at] = value
    return array


@pytest.mark.parametrize(
    ("field", "at", "value", "error"),
    [
        ("epochs", 2, 12, EpochError),
        ("epochs", 0, 9, EpochError),
        ("epochs", -1, 11, EpochError),
        ("chip_seconds", 1, 499, CoverageError),
        ("work", 1, 1, WorkError),
        ("work", 0, 1, WorkError),
        ("tags", 0, 999, TagError),
        ("tags", 0, samples.T, TagError),
        ("tags", 0, 1 << 24, ShapeError),
    ],
)
def test_readings_are_refused_with_a_reason(field, at, value, error):
    statement, witness = samples.small()
    ledger = replace(witness.ledgers[0], **{field: changed(getattr(witness.ledgers[0], field), at, value)})
    with pytest.raises(error):
        build_trace(statement, replace(witness, ledgers=(ledger,)))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": 7},
        {"kind": 1},
        {"kind": 6},
        {"tag": 102},
        {"tag": 2},
        {"parent1": 999},
        {"parent2": 101},
        {"base": 101},
        {"epoch": 13},
        {"declared": 1},
        {"cumulative": 0},
        {"work": 1 << 64},
        {"weights_digest": b""},
    ],
    ids=str,
)
def test_entries_are_refused_with_a_reason(change):
    statement, witness = samples.small()
    registry = witness.registry
    new = (*registry.new_entries[:-1], replace(registry.new_entries[-1], **change))
    with pytest.raises(EntryError):
        build_trace(statement, replace(witness, registry=replace(registry, new_entries=new)))


@pytest.mark.parametrize("cap", ["total_cap", "unattributed_cap", "lineage_cap", "freeze_level"])
def test_caps_are_named(cap):
    statement, witness = samples.small()
    with pytest.raises(CapExceeded, match=cap.replace("_", " ").replace("freeze level", "freeze level")):
        build_trace(replace(statement, **{cap: 10}), witness)


def test_other_heads_are_refused():
    statement, witness = samples.small()
    with pytest.raises(HeadError, match="before"):
        build_trace(samples.with_registry(statement, before=(0,) * 8), witness)
    with pytest.raises(HeadError, match="meter 1"):
        build_trace(statement, replace(witness, ledgers=(replace(witness.ledgers[0], iv=(1,) * 8),)))


def test_too_many_rows():
    statement, witness = samples.idle_period()
    n = 1 << 16
    ledger = witness.ledgers[0]
    many = replace(
        ledger, epochs=np.zeros(n, int), tags=np.ones(n, int), chip_seconds=np.zeros(n, int), work=np.zeros(n, int)
    )
    with pytest.raises(ShapeError, match="rows"):
        build_trace(statement, replace(witness, ledgers=(many,)))
