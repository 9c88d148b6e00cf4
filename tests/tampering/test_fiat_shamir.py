"""Fiat-Shamir: every item that the prover sends or the statement fixes is absorbed before the challenges it must move.

Each byte of the proof's head, and each part of the statement, is changed in turn; every challenge drawn after it must change,
and none before it. Both verifiers' transcripts are watched at their hash function, so a value that is only checked, but
not absorbed, is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.reference import verifier as reference
from tests.tampering.judge import ACCEPTED, judge
from tests.toy import Instance
from tests.vectors import make
from zk.errors import MalformedProof, ProofRejected
from zk.options import Options
from zk.packing import packed_bytes
from zk.proof import proof_shape
from zk.transcript import Transcript
from zk.verifier import verify

COUNTER, PROOF = make.load("counter")
SHAPE = proof_shape(COUNTER.program, COUNTER.options, COUNTER.log_rows)
DRAWS = ["lookup", "constraint", "zeta", "deep", "fold", "fold", "query"]
Draws = list[tuple[str, list[int]]]


class Stop(Exception):
    """Raised once the last challenge is drawn."""


def zk_draws(item: Instance, proof: bytes) -> Draws:
    """Challenges drawn by zk/verifier.py; nonces pass unchecked, zeta too."""
    found: Draws = []
    elements, indices = Transcript.elements, Transcript.indices

    def spy(self: Transcript, label: str, n: int) -> list[int]:
        found.append((label, elements(self, label, n)))
        return found[-1][1]

    def last(self: Transcript, label: str, n: int, bits: int) -> list[int]:
        found.append((label, indices(self, label, n, bits)))
        raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transcript, "elements", spy)
        patch.setattr(Transcript, "indices", last)
        patch.setattr(Transcript, "grind_is_good", lambda *_: True)
        with pytest.raises(Stop):
            verify(*item.statement(), proof, item.options, floor_bits=0.0, allow_insecure=True)
    return found


def reference_draws(item: Instance, proof: bytes) -> Draws:
    """Challenges drawn by the second verifier."""
    found: Draws = []
    program, publics, interactions, log_rows = item.statement()
    run = reference.Verification(program.encode(), publics, interactions, log_rows, item.option_words(), proof)
    elements, indices = run.t.elements, run.t.indices

    def spy(label: str, n: int) -> list[int]:
        found.append((label, elements(label, n)))
        return found[-1][1]

    def last(label: str, n: int, bits: int) -> list[int]:
        found.append((label, indices(label, n, bits)))
        raise Stop

    run.t.elements, run.t.indices = spy, last  # type: ignore[method-assign]
    with pytest.raises(Stop):
        run.read()
    return found


BASE = zk_draws(COUNTER, PROOF)


def sections() -> list[tuple[str, int, int, int]]:
    """(name, first byte, end, number of draws made before it) of each part of the head."""
    result, at = [], 6
    for name, size, before in (
        ("main root", 32, 0), ("lookup nonce", 8, 0), ("aux root", 32, 1), ("constraint nonce", 8, 1),
        ("quotient root", 32, 2), ("zeta nonce", 8, 2), ("out of domain", packed_bytes(5 * SHAPE.values), 3), ("deep nonce", 8, 3),
        ("fri root 0", 32, 4), ("fold nonce 0", 8, 4), ("fri root 1", 32, 5), ("fold nonce 1", 8, 5),
        ("final", packed_bytes(5 * SHAPE.final_length), 6), ("query nonce", 8, 6),
    ):  # fmt: skip
        result.append((name, at, at + size, before))
        at += size
    assert at == SHAPE.head_bytes
    return result


def assert_moves_everything_after(changed: Draws, before: int, name: str) -> None:
    assert [label for label, _ in changed] == DRAWS, name
    assert changed[:before] == BASE[:before], name
    for k in range(before, len(DRAWS)):
        old, new = BASE[k][1], changed[k][1]
        assert old != new, f"{name}: challenge {k} ({DRAWS[k]}) does not depend on it"
        if DRAWS[k] != "query":
            assert not set(old) & set(new), f"{name}: {DRAWS[k]}"


def test_the_draws_are_those_of_the_page() -> None:
    assert [label for label, _ in BASE] == DRAWS
    assert reference_draws(COUNTER, PROOF) == BASE


def flipped(offset: int) -> tuple[bytes, Draws]:
    """The proof with one bit of a byte flipped, the lowest that leaves elements canonical, and its draws."""
    for bit in range(8):
        changed = PROOF[:offset] + bytes([PROOF[offset] ^ 1 << bit]) + PROOF[offset + 1 :]
        try:
            return changed, zk_draws(COUNTER, changed)
        except MalformedProof:
            continue
    pytest.fail(f"no flip in byte {offset} is canonical")


@pytest.mark.parametrize("name,start,end,before", sections(), ids=[s[0] for s in sections()])
def test_every_byte_of_the_head_is_absorbed_in_its_place(name: str, start: int, end: int, before: int) -> None:
    for offset in range(start, end):
        changed, drawn = flipped(offset)
        assert_moves_everything_after(drawn, before, f"{name}, byte {offset}")
        if offset % 5 == 0:
            assert reference_draws(COUNTER, changed) == drawn


def changed_statements() -> list[tuple[str, Instance]]:
    program, options = COUNTER.program, COUNTER.options
    [(multiplicity, message)] = COUNTER.public_interactions

    def with_program(**changes: object) -> Instance:
        return COUNTER.but(program=replace(program, **changes))  # type: ignore[arg-type]

    constants = tuple((c + 1) % reference.P for c in program.constants)
    result = [
        ("public", COUNTER.but(publics=[COUNTER.publics[0] + 1])),
        ("multiplicity", COUNTER.but(public_interactions=[(multiplicity - 1, message)])),
        ("bus", COUNTER.but(public_interactions=[(multiplicity, [message[0] + 1, *message[1:]])])),
        ("message", COUNTER.but(public_interactions=[(multiplicity, [*message[:-1], message[-1] + 1])])),
        ("message padded with 0", COUNTER.but(public_interactions=[(multiplicity, [*message, 0])])),
        ("message padded twice", COUNTER.but(public_interactions=[(multiplicity, [*message, 0, 0])])),
        ("interaction of 0", COUNTER.but(public_interactions=[(multiplicity, message), (0, message)])),
        ("no interaction", COUNTER.but(public_interactions=[])),
        ("interaction split", COUNTER.but(public_interactions=[(multiplicity - 1, message), (1, message)])),
        ("constants", with_program(constants=constants)),
        ("one more register", with_program(n_registers=program.n_registers + 1)),
        ("ops in another order", with_program(ops=(*program.ops[:-2], program.ops[-1], program.ops[-2]))),
    ]
    for k, op in enumerate(program.ops):
        if op[0] < 3:
            ops = (*program.ops[:k], ((op[0] + 1) % 3, *op[1:]), *program.ops[k + 1 :])
            result.append((f"op {k}", with_program(ops=ops)))
    for field, value in (
        ("query_grinding", options.query_grinding + 1),
        ("round_grinding", options.round_grinding + 1),
    ):
        result.append((field, COUNTER.but(options=replace(options, **{field: value}))))  # type: ignore[arg-type]
    return result


@pytest.mark.parametrize("name,item", changed_statements(), ids=[name for name, _ in changed_statements()])
def test_every_part_of_the_statement_moves_every_challenge(name: str, item: Instance) -> None:
    drawn = zk_draws(item, PROOF)
    assert_moves_everything_after(drawn, 0, name)
    if name != "ops in another order":
        assert reference_draws(item, PROOF) == drawn
    assert judge_or_refused(item) != ACCEPTED


def judge_or_refused(item: Instance) -> str:
    """For a program that the two verifiers may refuse under different names."""
    try:
        verify(*item.statement(), PROOF, item.options, floor_bits=0.0, allow_insecure=True)
    except ProofRejected as error:
        return error.check
    except MalformedProof:
        return "format"
    return ACCEPTED


def first_state(item: Instance) -> bytes:
    """State of the page's transcript after step 0."""
    t = reference.Transcript()
    program = reference.Program(item.program.encode())
    reference.absorb_statement(
        t, program, item.option_words(), item.log_rows, item.publics, item.public_interactions
    )
    return t.state


OPTION_CHANGES: dict[str, int] = {
    "log_blowup": 3, "queries": 4, "query_grinding": 4, "round_grinding": 3, "log_arity": 4, "slack_shift": 1,
    "log_final_rows": 4, "salt_bytes": 20,
}  # fmt: skip


@pytest.mark.parametrize("field", OPTION_CHANGES)
def test_every_option_is_absorbed(field: str) -> None:
    changed = replace(COUNTER.options, **{field: OPTION_CHANGES[field]})  # type: ignore[arg-type]
    assert changed.encode() != COUNTER.options.encode()
    assert first_state(COUNTER.but(options=changed)) != first_state(COUNTER)


def test_every_option_but_the_bounds_is_encoded() -> None:
    unhashed = {"name", "min_log_rows", "max_log_rows", "insecure"}
    assert set(Options.__dataclass_fields__) - unhashed == set(OPTION_CHANGES)


def test_the_height_is_absorbed() -> None:
    assert first_state(COUNTER.but(log_rows=9)) != first_state(COUNTER)


@pytest.mark.parametrize(
    "one,other",
    [
        ([("a", b"bc")], [("ab", b"c")]),
        ([("a", b"b"), ("a", b"c")], [("a", b"bac")]),
        ([("a", b"")], []),
        ([("a", bytes([5, 7]))], [("a", bytes([5, 7, 0, 0]))]),
        ([("a", bytes([5, 7]))], [("a", bytes([5])), ("a", bytes([7]))]),
        ([("a", b"x"), ("b", b"y")], [("b", b"y"), ("a", b"x")]),
        ([("a", bytes(8))], [("a", bytes(9))]),
    ],
)
def test_messages_that_only_length_tags_tell_apart(
    one: Sequence[tuple[str, bytes]], other: Sequence[tuple[str, bytes]]
) -> None:
    for make_transcript in (Transcript, reference.Transcript):
        states = []
        for messages in (one, other):
            t = make_transcript()
            for label, data in messages:
                t.absorb(label, data)
            states.append(t.state)
        assert states[0] != states[1]


def test_elements_and_indices_are_separate_streams() -> None:
    a, b = Transcript(), Transcript()
    assert a.elements("x", 8) != b.indices("x", 8, 31)
    assert a.state != b.state


def test_a_count_drawn_is_part_of_the_draw() -> None:
    a, b = Transcript(), Transcript()
    assert a.elements("x", 8) != b.elements("x", 9)[:8]
    assert a.state != b.state


@pytest.mark.parametrize("bits", range(0, 33))
def test_grinding_counts_leading_zero_bits_exactly(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a hash of exactly z leading zeros, the nonce is good for bits <= z; both verifiers, up to 32 and over."""

    class Fixed:
        def __init__(self, digest: bytes) -> None:
            self.value = digest

        def digest(self) -> bytes:
            return self.value

    real: Callable[[bytes], object] = hashlib.sha256
    for zeros in range(0, 41):
        digest = ((1 << 255) >> zeros | ((1 << 255) >> zeros) - 1).to_bytes(32, "big")
        monkeypatch.setattr(hashlib, "sha256", lambda data, d=digest: Fixed(d) if data[:1] == b"G" else real(data))
        expected = zeros >= bits if bits else False
        assert Transcript().grind_is_good(bits, 1) is expected
        assert reference.Transcript().grind("x", bits, 1) is expected


@pytest.mark.parametrize("bits", [-1, 33, 40, 64, 256])
def test_grinding_beyond_32_bits_is_refused(bits: int) -> None:
    from zk.errors import OptionsError

    with pytest.raises(OptionsError):
        Transcript().grind_is_good(bits, 0)
    with pytest.raises(OptionsError):
        replace(COUNTER.options, query_grinding=bits).validate(8)


def test_without_grinding_only_nonce_0_is_good() -> None:
    item, proof = make.load("counter_no_layer")
    offset = 6 + 32
    for nonce in (1, 1 << 63, (1 << 64) - 1):
        changed = proof[:offset] + nonce.to_bytes(8, "big") + proof[offset + 8 :]
        assert judge(item, changed) in ("lookup grinding", "format")


@pytest.mark.parametrize("name,start,end,before", [s for s in sections() if "nonce" in s[0]], ids=lambda v: str(v))
def test_a_nonce_that_fails_its_puzzle_is_named(name: str, start: int, end: int, before: int) -> None:
    check = name.rstrip(" 01").replace("nonce", "grinding")
    seen = set()
    for nonce in range(40):
        changed = PROOF[:start] + nonce.to_bytes(8, "big") + PROOF[end:]
        if changed != PROOF:
            outcome = judge(COUNTER, changed)
            assert outcome != ACCEPTED
            seen.add(outcome)
    assert check in seen
