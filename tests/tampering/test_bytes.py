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
from zk.proof import EXT_BYTES, MAGIC, Shape, proof_shape
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


@pytest.mark.parametrize("version", [0, 2, 256, 65535])
def test_other_versions(version: int) -> None:
    assert judge(COUNTER, MAGIC + version.to_bytes(2, "big") + PROOF[6:]) == "format"


def element_offsets() -> Iterator[int]:
    """Offsets of all field elements of the proof: out-of-domain values, final coefficients, opened rows."""
    head = 6 + 3 * 40
    yield from range(head, head + EXT_BYTES * SHAPE.values, 4)
    final = SHAPE.head_bytes - 8 - EXT_BYTES * SHAPE.final_length
    yield from range(final, final + EXT_BYTES * SHAPE.final_length, 4)
    at = SHAPE.head_bytes
    for tree, leaves in zip(SHAPE.trees, SHAPE.leaves(queries()), strict=True):
        for _ in leaves:
            at += tree.salt_bytes
            yield from range(at, at + 4 * tree.width, 4)
            at += 4 * tree.width
        at += 32 * len(opening_nodes(leaves, tree.depth))
    assert at == len(PROOF)


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
    """v and v + p are one element: the second encoding must not exist."""
    aliased = 0
    for offset in element_offsets():
        (value,) = struct.unpack_from(">I", PROOF, offset)
        assert value < P
        if value + P < 2**32:
            aliased += 1
            changed = PROOF[:offset] + struct.pack(">I", value + P) + PROOF[offset + 4 :]
            outcome = judge(COUNTER, changed, both=aliased % 5 == 0)
            assert outcome == "format", offset
    assert aliased > 100


@pytest.mark.parametrize("value", [P, P + 1, 2**31, 2**32 - 1])
def test_elements_not_below_p(value: int) -> None:
    for offset in list(element_offsets())[::29]:
        changed = PROOF[:offset] + struct.pack(">I", value) + PROOF[offset + 4 :]
        assert judge(COUNTER, changed) == "format"


def segments(tree: int) -> tuple[int, int, int]:
    """Offset of a tree's opened leaves, bytes of one, and their number."""
    at = SHAPE.head_bytes
    for number, (t, leaves) in enumerate(zip(SHAPE.trees, SHAPE.leaves(queries()), strict=True)):
        size = t.salt_bytes + 4 * t.width
        if number == tree:
            return at, size, len(leaves)
        at += size * len(leaves) + 32 * len(opening_nodes(leaves, t.depth))
    raise AssertionError


@pytest.mark.parametrize("tree", range(5))
def test_opened_leaves_in_another_order(tree: int) -> None:
    at, size, count = segments(tree)
    assert count >= 2
    swapped = PROOF[:at] + PROOF[at + size : at + 2 * size] + PROOF[at : at + size] + PROOF[at + 2 * size :]
    assert judge(COUNTER, swapped) in ("main root", "aux root", "quotient root", "fri root")


@pytest.mark.parametrize("tree", range(5))
def test_a_leaf_opened_twice(tree: int) -> None:
    at, size, _ = segments(tree)
    twice = PROOF[: at + size] + PROOF[at : at + size] + PROOF[at + size :]
    assert judge(COUNTER, twice) == "format"
    replaced = PROOF[: at + size] + PROOF[at : at + size] + PROOF[at + 2 * size :]
    assert judge(COUNTER, replaced) not in (ACCEPTED, "format")


@pytest.mark.parametrize("tree", range(5))
def test_a_leaf_left_out(tree: int) -> None:
    at, size, _ = segments(tree)
    assert judge(COUNTER, PROOF[:at] + PROOF[at + size :]) == "format"


def test_values_moved_over_a_row_edge() -> None:
    """The last word of the first row moved into the second's salt and so on: same bytes in sum, other rows."""
    at, size, _ = segments(0)
    for shift in (4, 8, 16):
        moved = PROOF[:at] + PROOF[at + shift : at + 2 * size] + PROOF[at : at + shift] + PROOF[at + 2 * size :]
        assert judge(COUNTER, moved) != ACCEPTED


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
    for cut in (38, 46, 86, 126, 200, SHAPE.head_bytes, segments(1)[0], segments(3)[0]):
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
