"""zk/packing.py against strings of bits."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zk.errors import MalformedProof
from zk.field import P
from zk.packing import pack_words, packed_bytes, unpack_words

elements = st.lists(st.one_of(st.sampled_from([0, 1, P - 1, P // 2]), st.integers(0, P - 1)), max_size=300)


def by_hand(values):
    bits = "".join(f"{v:031b}" for v in values)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


@settings(max_examples=300)
@given(elements)
def test_both_ways(values):
    words = struct.pack(f">{len(values)}I", *values)
    packed = pack_words(words)
    assert packed == by_hand(values) and len(packed) == packed_bytes(len(values))
    assert unpack_words(packed, len(values)) == words


@settings(max_examples=300)
@given(st.integers(0, 70), st.data())
def test_bytes_are_malformed_or_the_only_encoding(count, draw):
    packed = draw.draw(st.binary(min_size=packed_bytes(count), max_size=packed_bytes(count)))
    try:
        words = unpack_words(packed, count)
    except MalformedProof:
        values = [int("".join(f"{b:08b}" for b in packed)[31 * i :][:31], 2) for i in range(count)]
        assert max(values, default=0) >= P or by_hand(values) != packed
    else:
        assert pack_words(words) == packed


@pytest.mark.parametrize("count", range(1, 17))
def test_every_bit_counts(count):
    """Of zeros, every bit set is another element, or a fill bit that is refused."""
    seen = {bytes(4 * count)}
    for bit in range(8 * packed_bytes(count)):
        packed = (1 << bit).to_bytes(packed_bytes(count), "big")
        if bit < -31 * count % 8:
            with pytest.raises(MalformedProof, match="fills up"):
                unpack_words(packed, count)
        else:
            seen.add(unpack_words(packed, count))
    assert len(seen) == 31 * count + 1
