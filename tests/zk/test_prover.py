"""zk/prover.py: both verifiers accept its proofs, false witnesses are refused, and its parts equal their slow twins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests import toy
from tests.reference import verifier as second
from zk.air import Columns, compile_air
from zk.commitment import alloc_trace
from zk.errors import OptionsError, WitnessError
from zk.field import P, root_of_unity
from zk.hiding import leaf_salts, random_words, uniform_elements
from zk.kernels.field import to_mont
from zk.kernels.quotient import quotient_coefficients
from zk.kernels.rows import rows_again
from zk.options import STD
from zk.proof import parse_head, proof_shape
from zk.prover import PHASES, prove
from zk.verifier import verify

SIZES = [8, 9, 10, 11, 12]


def proof_of(instance, progress=None):
    trace = to_mont(np.array(instance.trace, dtype=np.uint32))
    return prove(*instance.statement()[:3], trace, instance.log_rows, instance.options, progress)


def accept(instance, proof):
    verify(*instance.statement(), proof, instance.options, floor_bits=0, allow_insecure=True)
    program, publics, interactions, log_rows = instance.statement()
    second.verify(program.encode(), publics, interactions, log_rows, instance.option_words(), proof)


@pytest.mark.parametrize("log_rows", SIZES)
@pytest.mark.parametrize("make", [toy.sums, toy.counter])
def test_both_verifiers_accept(make, log_rows):
    instance = make(log_rows=log_rows)
    accept(instance, proof_of(instance))


@pytest.mark.parametrize("log_rows", [8, 9])
@pytest.mark.parametrize(
    "changes", [{"log_blowup": 3}, {"log_blowup": 4}, {"queries": 23, "slack_shift": 1}, {"log_final_rows": 9}]
)
def test_other_options(changes, log_rows):
    """At 2^8 rows, 23 queries are as many as fit, and the quotient's sample on the third coset is all of it."""
    instance = toy.sums(log_rows=log_rows, options=replace(toy.TOY_OPTIONS, **changes))
    accept(instance, proof_of(instance))


def test_values_out_of_domain_are_those_of_the_masked_columns():
    """Values differ from proof to proof although the trace is the same."""
    instance = toy.sums(log_rows=8)
    shape = proof_shape(instance.program, instance.options, 8)
    heads = [parse_head(proof_of(instance), shape) for _ in range(2)]
    assert not set(heads[0].values) & set(heads[1].values)


@pytest.mark.parametrize("column", range(9))
def test_a_changed_cell_is_never_proven(column):
    instance = toy.sums(log_rows=8)
    free = {5, 6}  # "marked" is read on the last row only
    changed = instance.but()
    changed.trace[column][255 if column in free else 100] ^= 1
    with pytest.raises(WitnessError):
        proof_of(changed)


def test_a_false_public_value_is_never_proven():
    instance = toy.counter(log_rows=8)
    with pytest.raises(WitnessError):
        proof_of(instance.but(publics=[instance.publics[0] + 1]))
    (multiplicity, message), = instance.public_interactions
    with pytest.raises(WitnessError):
        proof_of(instance.but(public_interactions=[(multiplicity, [message[0], message[1] + 1])]))
    with pytest.raises(WitnessError):
        proof_of(instance.but(public_interactions=[]))


def polynomials_of_a_public(b):
    """Column k is the public input plus the row's point w^i times k: what is wrong with a false one is a polynomial of low degree."""
    row, after = b.row, b.next
    b.assert_equal("level", row.one("level"), b.public("v"))
    b.assert_zero("climbs", after.one("point") - root_of_unity(8) * row.one("point"))
    b.assert_equal("slope", row.one("slope"), b.public("v") + row.one("point"))
    b.interact("out", 1, (1, row.one("level")))
    b.interact("back", -1, (1, row.one("level")))


@pytest.mark.parametrize("column, error", [("level", [1, 0]), ("slope", [1, 0]), ("slope", [0, 1]), ("slope", [3, 5])])
def test_what_fails_on_all_rows_alike_is_never_proven(column, error):
    """The quotient of such a trace has no more coefficients than a true one: the identity out of domain tells."""
    program = compile_air(Columns({"level": 1, "point": 1, "slope": 1}), ["v"], polynomials_of_a_public)
    points = [pow(root_of_unity(8), i, P) for i in range(256)]
    trace = [[7] * 256, points, [(7 + x) % P for x in points]]
    instance = toy.Instance(program, [7], [], trace)
    accept(instance, proof_of(instance))
    false = instance.but()
    false.column(column)[:] = [(v + error[0] + error[1] * x) % P for v, x in zip(false.column(column), points, strict=True)]
    with pytest.raises(WitnessError):
        proof_of(false)


def test_a_quotient_that_is_computed_wrong_is_never_shown(monkeypatch):
    """The prover's own check stands between its kernels and the proof: one coefficient off, and nothing leaves."""

    def off_by_one(*arguments):
        q = quotient_coefficients(*arguments)
        q[2, 17] = (int(q[2, 17]) + 1) % P
        return q

    monkeypatch.setattr("zk.prover.quotient_coefficients", off_by_one)
    with pytest.raises(WitnessError):
        proof_of(toy.sums(log_rows=8))


def test_height_and_shape_are_checked():
    instance = toy.counter(log_rows=8)
    with pytest.raises(OptionsError):
        proof_of(instance.but(options=STD))
    with pytest.raises(OptionsError):
        proof_of(instance.but(options=replace(toy.TOY_OPTIONS, salt_bytes=32)))
    with pytest.raises(WitnessError):
        proof_of(instance.but(trace=instance.trace[:1]))


def test_progress_is_told_in_order():
    told = []
    proof_of(toy.counter(log_rows=8), lambda phase, share: told.append((phase, share)))
    assert told == [*PHASES.items(), ("done", 1.0)]
    assert [share for _, share in told] == sorted(share for _, share in told)


def test_randomness_is_fresh_and_uniform():
    assert bytes(random_words(8)) != bytes(random_words(8))
    assert len({bytes(leaf_salts(64, 16)[:, k]) for k in range(64)}) == 64
    x = uniform_elements((100_000,)).astype(np.float64)
    assert x.max() < P
    buckets = np.histogram(x, bins=64, range=(0, P))[0]
    chi_square = float(((buckets - len(x) / 64) ** 2 / (len(x) / 64)).sum())
    assert chi_square < 140  # 63 degrees of freedom: beyond 140 has probability below 1e-7
    assert not (uniform_elements((1000,)) == uniform_elements((1000,))).all()


def test_selectors_in_lookups():
    """All three, weighing messages that only together cancel: by what the polynomials are on the rows, not by 0 and 1."""

    def constraints(b):
        row = b.row
        b.interact("sent", b.is_transition * 3 + b.is_first + b.is_last, (1, row.one("n")))
        b.interact("received", -1 * row.one("weight"), (1, row.one("n")))

    program = compile_air(Columns({"n": 1, "weight": 1}), [], constraints)
    w = root_of_unity(8)
    weights = [3 * (pow(w, i, P) - pow(w, -1, P)) % P for i in range(256)]
    weights[0], weights[-1] = (weights[0] + 1) % P, 1
    instance = toy.Instance(program, [], [], [list(range(256)), weights])
    accept(instance, proof_of(instance))


@pytest.mark.parametrize("log_rows", [9, 11])
@pytest.mark.parametrize("log_blowup", [2, 3])
@pytest.mark.parametrize("cosets", [1, 2])
def test_cosets_that_were_dropped_are_opened_all_the_same(monkeypatch, log_rows, log_blowup, cosets):
    """A large LDE is kept on two cosets or on one; queries on the others get rows that are computed again."""
    instance = toy.sums(log_rows=log_rows)
    kept = 4 * (instance.program.n_columns + 5 * instance.program.n_aux) * cosets << log_rows
    instance = instance.but(options=replace(instance.options, log_blowup=log_blowup, queries=24, slack_shift=1))
    monkeypatch.setattr("zk.commitment.KEPT_BYTES", kept)
    calls = []
    again = rows_again
    monkeypatch.setattr("zk.commitment.rows_again", lambda *args: (calls.append(len(args[5])), again(*args))[1])
    accept(instance, proof_of(instance))
    assert len(calls) == 2 and calls[0] > 4  # main and auxiliary; most queries
    changed = instance.but()
    changed.trace[0][100] ^= 1
    with pytest.raises(WitnessError):
        proof_of(changed)


@pytest.mark.parametrize("kept", [0, 1 << 40])
def test_whose_the_trace_is(monkeypatch, kept):
    """Memory of `alloc_trace` is the prover's; any other trace is left alone. The proof is as good, wherever the trace lies."""
    monkeypatch.setattr("zk.commitment.KEPT_BYTES", kept)
    instance = toy.sums(log_rows=9)
    values = to_mont(np.array(instance.trace, dtype=np.uint32))
    room, more = alloc_trace(len(values), 9), alloc_trace(len(values) + 2, 9)
    assert room.shape == values.shape and room.ctypes.data % 64 == 0
    more[:] = 1
    wide = np.zeros((40 * len(values), 512), dtype=np.uint32)
    strided = np.lib.stride_tricks.as_strided(np.zeros(len(values) * 784, np.uint32)[3:], values.shape, (4 * 784, 4))
    own = [room, more[1:-1], more[1:-1]]
    for trace in (*own, wide[::40], strided, strided[:, :], values.copy()):
        trace[:] = values
        accept(instance, prove(*instance.statement()[:3], trace, instance.log_rows, instance.options))
        assert np.array_equal(trace, values) != any(trace is mine for mine in own)
    assert np.all(more[[0, -1]] == 1), "nothing beside the trace"
