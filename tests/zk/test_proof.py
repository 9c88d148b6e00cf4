"""zk/proof.py: one encoding per proof, and MalformedProof for everything else."""

import random
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import toy
from zk.errors import MalformedProof
from zk.field import P
from zk.options import INSECURE_TEST, STD
from zk.packing import packed_bytes
from zk.proof import Openings, Proof, parse_head, parse_openings, proof_shape, sent_part, serialize, whole_leaf

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
    assert serialize(Proof(head, Openings((), ()))) == data[: SHAPE.head_bytes]
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


@pytest.mark.parametrize("start", [b"SSPG\0\2", b"SSPF\0\0", b"SSPF\0\3", b"sspf\0\2", b"SSPF\2\0"])
def test_magic_and_version(data, start):
    with pytest.raises(MalformedProof):
        parse_head(start + data[6:], SHAPE)


def test_a_proof_of_format_1_is_named(data):
    with pytest.raises(MalformedProof, match="proof version 1 is not 2"):
        parse_head(b"SSPF\0\1" + data[6:], SHAPE)


def runs() -> list[tuple[int, int]]:
    """(offset, elements) of some runs: out-of-domain values, final coefficients, rows of the main tree."""
    final = SHAPE.head_bytes - 8 - packed_bytes(5 * SHAPE.final_length)
    rows = SHAPE.head_bytes + 3 * SHAPE.salt_bytes
    return [(6 + 3 * 40, 5 * SHAPE.values), (final, 5 * SHAPE.final_length), (rows, 3 * SHAPE.trees[0].width)]


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("value", [P, P + 1, 2**31 - 1])
def test_elements_not_below_p_are_malformed(data, queries, which, value):
    at, count = runs()[which]
    assert len(set(queries)) == 3
    size = packed_bytes(count)
    for element in (0, 7, count - 1):
        low = 8 * size - 31 * (element + 1)
        bits = int.from_bytes(data[at : at + size], "big")
        bits = bits & ~(2**31 - 1 << low) | value << low
        changed = data[:at] + bits.to_bytes(size, "big") + data[at + size :]
        with pytest.raises(MalformedProof, match="not below p"):
            parse_head(changed, SHAPE)
            parse_openings(changed, SHAPE, queries)


@pytest.mark.parametrize("which", range(3))
def test_bits_that_fill_up_are_zero(data, queries, which):
    at, count = runs()[which]
    fill = -31 * count % 8
    assert fill
    end = at + packed_bytes(count)
    for bit in range(fill):
        changed = data[: end - 1] + bytes([data[end - 1] | 1 << bit]) + data[end:]
        with pytest.raises(MalformedProof, match="fills up"):
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
        parse_head(b"SSPF\0\2" + noise, SHAPE)
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
    assert shape.salt_bytes == 16
    assert shape.folds == 3 and shape.final_length == 520
    assert shape.counts == (7, 15, 10, 2, 5)


def test_places_are_the_points_that_the_queries_lead_to():
    """Layer r: index (j, i) with n rows per coset lies in leaf j (n/8) + i mod (n/8), which is a point of layer r + 1."""
    shape = proof_shape(toy.program(), STD, 16)
    rng = random.Random(4)
    queries = [rng.randrange(4 << 16) for _ in range(300)]
    points, n = set(queries), 1 << 16
    for found in shape.places(queries):
        assert list(found) == sorted(found)
        back = {point: (leaf, t) for leaf, places in found.items() for t, point in places.items()}
        assert back.keys() == points
        for point, (leaf, t) in back.items():
            j, i = divmod(point, n)
            assert leaf == j * (n // 8) + i % (n // 8) and i == i % (n // 8) + t * (n // 8)
        points, n = set(found), n // 8
    assert any(len(places) > 1 for places in found.values())


@pytest.mark.parametrize("known", [{}, {0: 9}, {7: 9}, {2: 3, 5: 4}, dict(enumerate(range(8)))])
def test_a_leaf_is_what_is_sent_and_what_is_computed(known):
    leaf = bytes(range(160))
    values = {point: struct.unpack_from(">5I", leaf, 20 * t) for t, point in known.items()}
    sent = sent_part(leaf, known)
    assert len(sent) == 160 - 20 * len(known) and whole_leaf(sent, known, values) == leaf


def test_no_fold_when_the_table_is_small_enough():
    options = replace(INSECURE_TEST, log_final_rows=8)
    shape = proof_shape(toy.program(), options, 8)
    assert shape.folds == 0 and shape.final_length == 320 and len(shape.trees) == 3
