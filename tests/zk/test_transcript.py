"""zk/transcript.py against PROTOCOL.md section 2, byte by byte."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zk.errors import OptionsError, ProofRejected
from zk.field import P
from zk.transcript import Transcript, words


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


START = sha(b"standstill/stark/v1")


def test_absorb_hashes_label_and_data_with_their_lengths():
    t = Transcript()
    assert t.state == START
    t.absorb("main root", b"abc")
    assert t.state == sha(b"A" + START + b"\x09main root" + (3).to_bytes(8, "big") + b"abc")


def test_elements_by_definition():
    t = Transcript()
    drawn = t.elements("lookup", 20)
    seed = sha(b"C" + START + b"\x06lookup" + (20).to_bytes(8, "big"))
    stream = b"".join(sha(b"S" + seed + i.to_bytes(4, "big")) for i in range(8))
    candidates = [int.from_bytes(stream[i : i + 4], "big") % 2**31 for i in range(0, len(stream), 4)]
    assert drawn == [c for c in candidates if c < P][:20]
    assert t.state == sha(b"R" + seed)


def test_words_not_below_p_are_skipped():
    """Over 20,000 words about 156 must be skipped (chance of none: below 10^-67)."""
    t = Transcript()
    seed = sha(b"C" + START + b"\x01x" + (20000).to_bytes(8, "big"))
    drawn = t.elements("x", 20000)
    stream = b"".join(sha(b"S" + seed + i.to_bytes(4, "big")) for i in range(2600))
    candidates = [int.from_bytes(stream[i : i + 4], "big") & 0x7FFFFFFF for i in range(0, len(stream), 4)]
    assert max(drawn) < P <= max(candidates[:20000])
    assert drawn == [c for c in candidates if c < P][:20000]


def test_indices_by_definition():
    t = Transcript()
    drawn = t.indices("query", 11, 18)
    seed = sha(b"I" + START + b"\x05query" + (11).to_bytes(8, "big"))
    stream = sha(b"S" + seed + bytes(4)) + sha(b"S" + seed + b"\0\0\0\1")
    assert drawn == [int.from_bytes(stream[4 * i : 4 * i + 4], "big") % 2**18 for i in range(11)]
    assert t.state == sha(b"R" + seed)


def test_challenges_are_five_consecutive_elements():
    a, b = Transcript(), Transcript()
    flat = a.elements("deep", 15)
    assert b.challenges("deep", 3) == [tuple(flat[i : i + 5]) for i in (0, 5, 10)]
    assert a.state == b.state


def test_pinned_vector():
    """Fixed forever: another implementation must find these."""
    t = Transcript()
    t.absorb("program", bytes(range(32)))
    first = t.elements("lookup", 3)
    nonce = t.grind("zeta grinding", 8)
    assert (first, nonce, t.indices("query", 4, 20), t.state.hex()) == PINNED


PINNED = (
    [1572909889, 511044057, 935878006],
    169,
    [497216, 807848, 435838, 326246],
    "256ea74fa52c19a65ee2ab5812cdefb58a03ff4ef9f51b79c3235d12476ab7b8",
)


def outcome(*calls: tuple[str, bytes]) -> list[int]:
    t = Transcript()
    for label, data in calls:
        t.absorb(label, data)
    return t.elements("end", 4)


@given(st.lists(st.tuples(st.sampled_from(["a", "ab", "b"]), st.binary(max_size=6)), max_size=3),
       st.lists(st.tuples(st.sampled_from(["a", "ab", "b"]), st.binary(max_size=6)), max_size=3))  # fmt: skip
def test_different_calls_give_different_challenges(first, second):
    assert (outcome(*first) == outcome(*second)) == (first == second)


@pytest.mark.parametrize(
    "first, second",
    [
        ([("a", words([5, 7]))], [("a", words([5, 7, 0, 0]))]),
        ([("a", b"bc")], [("ab", b"c")]),
        ([("a", b"b"), ("a", b"c")], [("a", b"bc")]),
        ([("a", b"")], []),
    ],
)
def test_lengths_and_labels_are_bound(first, second):
    assert outcome(*first) != outcome(*second)


def test_elements_and_indices_are_separated():
    a, b, c = Transcript(), Transcript(), Transcript()
    a.elements("x", 4), b.indices("x", 4, 31), c.elements("x", 5)
    assert len({a.state, b.state, c.state}) == 3


def test_grinding_by_definition():
    t = Transcript()
    state = t.state
    nonce = t.grind("fold grinding", 9)
    first = int.from_bytes(sha(b"G" + state + b"\x09" + nonce.to_bytes(8, "big"))[:2], "big")
    assert first >> 7 == 0
    assert all(sha(b"G" + state + b"\x09" + n.to_bytes(8, "big"))[:2] >= b"\x00\x80" for n in range(nonce))
    check = Transcript()
    check.absorb("fold grinding", nonce.to_bytes(8, "big"))
    assert t.state == check.state


def test_a_bad_nonce_is_rejected_under_its_label():
    t = Transcript()
    good = Transcript().grind("query grinding", 8)
    bad = next(n for n in range(2, 10_000) if not t.grind_is_good(8, n))
    before = t.state
    with pytest.raises(ProofRejected) as caught:
        t.absorb_nonce("query grinding", 8, bad)
    assert caught.value.check == "query grinding"
    assert t.state == before
    t.absorb_nonce("query grinding", 8, good)


def test_without_grinding_only_nonce_zero_is_good():
    t = Transcript()
    assert t.grind_is_good(0, 0)
    assert not t.grind_is_good(0, 1)


@pytest.mark.parametrize("nonce", [-1, 2**64, 2**70])
def test_nonces_are_u64(nonce):
    assert not Transcript().grind_is_good(0, nonce)
    assert not Transcript().grind_is_good(1, nonce)


@pytest.mark.parametrize("bits", [33, 40, 64, 255, 256, -1])
def test_grinding_beyond_32_bits_is_refused(bits):
    with pytest.raises(OptionsError):
        Transcript().grind_is_good(bits, 0)


def test_more_bits_are_another_puzzle():
    t = Transcript()
    assert t.grind_prefix(8) != t.grind_prefix(9)
