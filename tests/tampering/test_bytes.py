"""Hostile bytes: every byte flipped, every length, every element made non-canonical, parts moved and swapped.

Each vector must meet a typed rejection, the same from both verifiers.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator

import pytest

from tests.reference.slow_prover import slow_prove
from tests.tampering.judge import ACCEPTED, judge
from tests.toy import counter
from tests.vectors import make
from zk.errors import MalformedProof
from zk.field import P
from zk.merkle import opening_nodes
from zk.packing import pack_words, packed_bytes
from zk.proof import MAGIC, Shape, proof_shape
from zk.transcript import Transcript
from zk.verifier import verify

COUNTER, PROOF = make.load("counter")
SUMS, SUMS_PROOF = make.load("sums")
SHAPE: Shape = proof_shape(COUNTER.program, COUNTER.options, COUNTER.log_rows)


def flipped(offset: int, mask: int) -> bytes:
    return PROOF[:offset] + bytes([PROOF[offset] ^ mask]) + PROOF[offset + 1 :]


def flip_all(offsets: range, *, both: bool) -> None:
    rng = random.Random(1)
    for offset in offsets:
        mask = rng.choice((0xFF, 1 << rng.randrange(8)))
        assert judge(COUNTER, flipped(offset, mask), both=both) != ACCEPTED, (offset, mask)


def test_every_byte_flipped() -> None:
    flip_all(range(len(PROOF)), both=False)


def test_bytes_flipped_for_both_verifiers() -> None:
    flip_all(range(0, len(PROOF), 11), both=True)


@pytest.mark.slow
def test_every_byte_flipped_for_both_verifiers() -> None:
    flip_all(range(len(PROOF)), both=True)


@pytest.mark.slow
def test_every_bit_of_the_head_flipped() -> None:
    for offset in range(SHAPE.head_bytes):
        for bit in range(8):
            assert judge(COUNTER, flipped(offset, 1 << bit)) != ACCEPTED, (offset, bit)


def test_every_length() -> None:
    """All of the head and the last bytes; a stride through the openings (the slow test takes all)."""
    for length in [*range(SHAPE.head_bytes + 40), *range(SHAPE.head_bytes, len(PROOF), 7), *range(len(PROOF) - 40, len(PROOF))]:
        assert judge(COUNTER, PROOF[:length], both=length % 37 == 0) == "format", length


@pytest.mark.slow
def test_every_length_for_both_verifiers() -> None:
    for length in range(len(PROOF)):
        assert judge(COUNTER, PROOF[:length]) == "format", length


def test_truncated_for_both_verifiers() -> None:
    for length in [*range(0, SHAPE.head_bytes, 5), *range(len(PROOF) - 40, len(PROOF))]:
        assert judge(COUNTER, PROOF[:length]) == "format", length


@pytest.mark.parametrize("tail", [b"\0", b"\xff", bytes(4), bytes(32), PROOF[-32:], PROOF])
def test_appended_bytes(tail: bytes) -> None:
    assert judge(COUNTER, PROOF + tail) == "format"


def test_bytes_before_the_proof() -> None:
    assert judge(COUNTER, b"\0" + PROOF) == "format"
    assert judge(COUNTER, PROOF[:6] + b"\0" + PROOF[6:]) != ACCEPTED


@pytest.mark.parametrize("version", [0, 1, 3, 512, 65535])
def test_other_versions(version: int) -> None:
    assert judge(COUNTER, MAGIC + version.to_bytes(2, "big") + PROOF[6:]) == "format"


def runs() -> Iterator[tuple[int, list[int]]]:
    """Runs of elements: the first byte, and the elements of each part: values, final coefficients, opened leaves."""
    yield 6 + 3 * 40, [5] * SHAPE.values
    yield SHAPE.head_bytes - 8 - packed_bytes(5 * SHAPE.final_length), [5] * SHAPE.final_length
    distinct = sorted(set(queries()))
    at = SHAPE.head_bytes + SHAPE.salt_bytes * len(distinct)
    opened = [dict.fromkeys(distinct, tree.width) for tree in SHAPE.trees[:3]]
    opened += [{leaf: 5 * (8 - len(places)) for leaf, places in layer.items()} for layer in SHAPE.places(queries())]
    for tree, widths in zip(SHAPE.trees, opened, strict=True):
        yield at, list(widths.values())
        at += packed_bytes(sum(widths.values())) + 32 * len(opening_nodes(widths, tree.depth))
    assert at == len(PROOF)


def elements() -> Iterator[tuple[int, int, int]]:
    """Every element of the proof: first byte and number of elements of its run, and its place there."""
    for at, parts in runs():
        yield from ((at, sum(parts), k) for k in range(sum(parts)))


def element(at: int, count: int, k: int) -> int:
    size = packed_bytes(count)
    return int.from_bytes(PROOF[at : at + size], "big") >> 8 * size - 31 * (k + 1) & 2**31 - 1


def with_element(at: int, count: int, k: int, value: int) -> bytes:
    size = packed_bytes(count)
    change = (value ^ element(at, count, k)) << 8 * size - 31 * (k + 1)
    return PROOF[:at] + (int.from_bytes(PROOF[at : at + size], "big") ^ change).to_bytes(size, "big") + PROOF[at + size :]


def queries() -> list[int]:
    """The proof's query indices, as the verifier draws them."""
    found: list[list[int]] = []
    original = Transcript.indices

    def spy(self: Transcript, label: str, n: int, bits: int) -> list[int]:
        found.append(original(self, label, n, bits))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transcript, "indices", spy)
        verify(*COUNTER.statement(), PROOF, COUNTER.options, floor_bits=0.0, allow_insecure=True)
    return found[0]


def test_every_element_with_p_added() -> None:
    """v and v + p are one element: the second encoding must not exist. In 31 bits few have one."""
    small = [place for place in elements() if element(*place) + P < 2**31]
    for place in small:
        assert judge(COUNTER, with_element(*place, element(*place) + P)) == "format", place
    assert small


@pytest.mark.parametrize("value", [P, P + 1, 2**31 - 1])
def test_elements_not_below_p(value: int) -> None:
    for place in list(elements())[::29]:
        assert judge(COUNTER, with_element(*place, value)) == "format"


def test_every_bit_that_fills_up() -> None:
    for at, parts in runs():
        end = at + packed_bytes(sum(parts))
        for bit in range(-31 * sum(parts) % 8):
            changed = PROOF[: end - 1] + bytes([PROOF[end - 1] | 1 << bit]) + PROOF[end:]
            assert judge(COUNTER, changed) == "format", (at, bit)


def leaves_of(tree: int) -> tuple[int, list[list[int]], int]:
    """First byte of a tree's run, its elements leaf by leaf, and the byte after it."""
    at, parts = list(runs())[2 + tree]
    flat = iter([element(at, sum(parts), k) for k in range(sum(parts))])
    return at, [[next(flat) for _ in range(part)] for part in parts], at + packed_bytes(sum(parts))


def with_leaves(tree: int, leaves: list[list[int]]) -> bytes:
    at, _, end = leaves_of(tree)
    words = [word for leaf in leaves for word in leaf]
    return PROOF[:at] + pack_words(struct.pack(f">{len(words)}I", *words)) + PROOF[end:]


@pytest.mark.parametrize("tree", range(5))
def test_opened_leaves_in_another_order(tree: int) -> None:
    _, leaves, _ = leaves_of(tree)
    assert len(leaves) >= 2
    swapped = with_leaves(tree, [leaves[1], leaves[0], *leaves[2:]])
    assert judge(COUNTER, swapped) in ("main root", "aux root", "quotient root", "fri root")


@pytest.mark.parametrize("tree", range(5))
def test_a_leaf_opened_twice(tree: int) -> None:
    _, leaves, _ = leaves_of(tree)
    assert judge(COUNTER, with_leaves(tree, [leaves[0], *leaves])) == "format"
    assert judge(COUNTER, with_leaves(tree, [leaves[0], leaves[0], *leaves[2:]])) not in (ACCEPTED, "format")


@pytest.mark.parametrize("tree", range(5))
def test_a_leaf_left_out(tree: int) -> None:
    _, leaves, _ = leaves_of(tree)
    assert judge(COUNTER, with_leaves(tree, leaves[1:])) == "format"


@pytest.mark.parametrize("layer", range(2))
def test_what_the_verifier_computes_is_not_sent(layer: int) -> None:
    """Any value more or less in a layer's leaves, at any place."""
    _, leaves, _ = leaves_of(3 + layer)
    for k in range(0, 36, 5):
        first = leaves[0]
        assert judge(COUNTER, with_leaves(3 + layer, [[*first[:k], 1, 2, 3, 4, 5, *first[k:]], *leaves[1:]])) == "format"
        if k < len(first):
            assert judge(COUNTER, with_leaves(3 + layer, [first[:k] + first[k + 5 :], *leaves[1:]])) == "format"


@pytest.mark.parametrize("layer", range(2))
def test_values_of_a_leaf_in_another_order(layer: int) -> None:
    """As if the verifier's own value stood in another place."""
    _, [first, *rest], _ = leaves_of(3 + layer)
    for k in range(0, len(first) - 5, 5):
        moved = [*first[:k], *first[k + 5 : k + 10], *first[k : k + 5], *first[k + 10 :]]
        assert judge(COUNTER, with_leaves(3 + layer, [moved, *rest])) == "fri root"


def test_salts_in_another_order() -> None:
    at, size = SHAPE.head_bytes, SHAPE.salt_bytes
    swapped = PROOF[:at] + PROOF[at + size : at + 2 * size] + PROOF[at : at + size] + PROOF[at + 2 * size :]
    assert judge(COUNTER, swapped) == "main root"


def test_values_moved_over_a_row_edge() -> None:
    """Words of the first row moved into the second and so on: same bytes in sum, other rows."""
    _, leaves, _ = leaves_of(0)
    words, width = [word for leaf in leaves for word in leaf], len(leaves[0])
    for shift in range(1, 2 * width):
        turned = words[shift : 2 * width] + words[:shift] + words[2 * width :]
        assert judge(COUNTER, with_leaves(0, [turned])) == "main root"


@pytest.mark.parametrize("pair", [(6, 46), (6, 86), (46, 86)])
def test_roots_exchanged(pair: tuple[int, int]) -> None:
    """Main, auxiliary and quotient tree in another order."""
    a, b = pair
    data = bytearray(PROOF)
    data[a : a + 32], data[b : b + 32] = PROOF[b : b + 32], PROOF[a : a + 32]
    assert judge(COUNTER, bytes(data)) != ACCEPTED


def splices() -> Iterator[tuple[str, bytes]]:
    item = counter(rng=random.Random(5))
    other = slow_prove(*item.statement()[:3], item.trace, item.log_rows, item.options, rng=random.Random(6))
    assert judge(COUNTER, other) == ACCEPTED
    for cut in (38, 46, 86, 126, 200, SHAPE.head_bytes, leaves_of(1)[0], leaves_of(3)[0]):
        yield f"front {cut}", PROOF[:cut] + other[cut:]
        yield f"back {cut}", other[:cut] + PROOF[cut:]


def test_parts_of_two_valid_proofs_of_one_statement() -> None:
    for name, spliced in splices():
        assert judge(COUNTER, spliced) != ACCEPTED, name


@pytest.mark.parametrize("make_bytes", [bytes, lambda n: b"\xff" * n, lambda n: random.Random(n).randbytes(n)])
def test_noise_of_the_right_length(make_bytes: Callable[[int], bytes]) -> None:
    assert judge(COUNTER, make_bytes(len(PROOF))) == "format"
    assert judge(COUNTER, PROOF[:6] + make_bytes(len(PROOF) - 6)) != ACCEPTED


@pytest.mark.parametrize("thing", [None, "SSPF", 3, [1], bytearray(PROOF), memoryview(PROOF)])
def test_a_proof_that_is_not_bytes(thing: object) -> None:
    with pytest.raises(MalformedProof):
        verify(*COUNTER.statement(), thing, COUNTER.options, floor_bits=0.0, allow_insecure=True)  # type: ignore[arg-type]


def test_random_edits_of_a_larger_proof() -> None:
    rng = random.Random(7)
    for _ in range(150):
        data = bytearray(SUMS_PROOF)
        for _ in range(rng.choice((1, 2, 8))):
            kind, at = rng.randrange(4), rng.randrange(len(data))
            if kind == 0:
                data[at] ^= rng.randrange(1, 256)
            elif kind == 1:
                del data[at : at + rng.randrange(1, 40)]
            elif kind == 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 40))
            else:
                other = rng.randrange(len(data))
                data[at : at + 32], data[other : other + 32] = data[other : other + 32], data[at : at + 32]
        if bytes(data) != SUMS_PROOF:
            assert judge(SUMS, bytes(data)) != ACCEPTED
