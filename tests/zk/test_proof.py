"""zk/proof.py: one encoding per proof, and MalformedProof for everything else."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import toy
from zk.errors import MalformedProof
from zk.field import P
from zk.options import INSECURE_TEST, STD
from zk.proof import Proof, parse_head, parse_openings, proof_shape, serialize

SHAPE = proof_shape(toy.program(), INSECURE_TEST, toy.LOG_ROWS)


def queries_of(data: bytes) -> list[int]:
    """The query indices that fit the proof's openings, found by replaying the verifier."""
    from zk.verifier import _Run

    publics, interactions, _ = toy.instance(toy.LOG_ROWS)
    run = _Run(toy.program(), publics, interactions, INSECURE_TEST, SHAPE, parse_head(data, SHAPE))
    return run.replay_transcript().queries


@pytest.fixture(scope="module")
def data() -> bytes:
    return toy.slow_proof()


@pytest.fixture(scope="module")
def queries(data) -> list[int]:
    return queries_of(data)


def test_round_trip(data, queries):
    proof = Proof(parse_head(data, SHAPE), parse_openings(data, SHAPE, queries))
    assert serialize(proof) == data


def test_the_head_has_the_length_that_the_shape_says(data):
    head = parse_head(data[: SHAPE.head_bytes], SHAPE)
    assert serialize(Proof(head, ())) == data[: SHAPE.head_bytes]
    assert len(head.values) == SHAPE.values and len(head.final) == SHAPE.final_length


def test_every_shorter_head_is_malformed(data):
    for length in range(SHAPE.head_bytes):
        with pytest.raises(MalformedProof):
            parse_head(data[:length], SHAPE)


def test_every_shorter_or_longer_proof_is_malformed(data, queries):
    for length in range(SHAPE.head_bytes, len(data)):
        with pytest.raises(MalformedProof):
            parse_openings(data[:length], SHAPE, queries)
    for tail in (b"\0", bytes(32), data):
        with pytest.raises(MalformedProof):
            parse_openings(data + tail, SHAPE, queries)


@pytest.mark.parametrize("start", [b"SSPG\0\1", b"SSPF\0\0", b"SSPF\0\2", b"sspf\0\1", b"SSPF\1\0"])
def test_magic_and_version(data, start):
    with pytest.raises(MalformedProof):
        parse_head(start + data[6:], SHAPE)


def element_offsets(data: bytes) -> list[int]:
    """Offsets of some elements: out-of-domain values, final coefficients, a row of each tree, a FRI leaf."""
    first = 6 + 3 * 40
    final = SHAPE.head_bytes - 8 - 20 * SHAPE.final_length
    row = SHAPE.head_bytes + 16
    return [first, first + 20 * SHAPE.values - 4, final, SHAPE.head_bytes - 12, row, row + 4 * 6]


@pytest.mark.parametrize("which", range(6))
@pytest.mark.parametrize("value", [P, P + 1, 2**31, 2**32 - 1])
def test_elements_not_below_p_are_malformed(data, queries, which, value):
    at = element_offsets(data)[which]
    changed = data[:at] + value.to_bytes(4, "big") + data[at + 4 :]
    with pytest.raises(MalformedProof):
        parse_head(changed, SHAPE)
        parse_openings(changed, SHAPE, queries)


@pytest.mark.parametrize("thing", [None, 7, "SSPF", bytearray(b"SSPF"), memoryview(b"SSPF"), [1], b""])
def test_what_is_not_bytes_is_malformed(thing):
    with pytest.raises(MalformedProof):
        parse_head(thing, SHAPE)


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_random_bytes_are_malformed(noise):
    with pytest.raises(MalformedProof):
        parse_head(b"SSPF\0\1" + noise, SHAPE)
    with pytest.raises(MalformedProof):
        parse_openings(noise, SHAPE, [1, 2, 3])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_an_accepted_parse_serialises_to_the_same_bytes(draw):
    """Whatever is changed: malformed, or canonical."""
    original = toy.slow_proof()
    queries = queries_of(original)
    changed = bytearray(original)
    for _ in range(draw.draw(st.integers(1, 4))):
        changed[draw.draw(st.integers(0, len(changed) - 1))] ^= draw.draw(st.integers(1, 255))
    data = bytes(changed)
    try:
        proof = Proof(parse_head(data, SHAPE), parse_openings(data, SHAPE, queries))
    except MalformedProof:
        return
    assert serialize(proof) == data


def test_shape_under_std():
    shape = proof_shape(toy.program(), STD, 18)
    assert [tree.number for tree in shape.trees] == [1, 2, 3, 16, 17, 18]
    assert [tree.depth for tree in shape.trees] == [20, 20, 20, 17, 14, 11]
    assert [tree.width for tree in shape.trees] == [7, 15, 15, 40, 40, 40]
    assert [tree.salt_bytes for tree in shape.trees] == [16, 16, 16, 0, 0, 0]
    assert shape.folds == 3 and shape.final_length == 520
    assert shape.counts == (7, 15, 10, 2, 5)


def test_leaves_of_fri_layers_by_definition():
    """Layer r: index (j, i) with n rows per coset lies in leaf j (n/8) + i mod (n/8)."""
    shape = proof_shape(toy.program(), STD, 16)
    rng = random.Random(3)
    queries = [rng.randrange(4 << 16) for _ in range(120)]
    expected, n = {divmod(q, 1 << 16) for q in queries}, 1 << 16
    leaves = shape.leaves(queries)
    assert leaves[0] == leaves[1] == leaves[2] == sorted(set(queries))
    for layer in range(shape.folds):
        n //= 8
        expected = {(j, i % n) for j, i in expected}
        assert leaves[3 + layer] == sorted(j * n + i for j, i in expected)


def test_no_fold_when_the_table_is_small_enough():
    options = replace(INSECURE_TEST, log_final_rows=8)
    shape = proof_shape(toy.program(), options, 8)
    assert shape.folds == 0 and shape.final_length == 320 and len(shape.trees) == 3
