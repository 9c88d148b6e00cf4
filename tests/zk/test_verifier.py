"""zk/verifier.py: what it accepts, that a second verifier agrees, and that everything else is rejected for the right reason.

Proofs are those of the slow prover in tests/reference, so that nothing here depends on compiled code.
"""

from __future__ import annotations

import random
import struct
from dataclasses import fields, replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import toy
from tests.reference import verifier as second
from tests.reference.slow_prover import SlowProver, slow_prove
from zk.air import Columns, compile_air
from zk.errors import AirError, MalformedProof, OptionsError, ProofRejected, StatementError, WitnessError
from zk.evaluation import (
    Challenges,
    combine_coordinates,
    evaluate_program,
    ext_dot,
    lookup_constraints,
    public_sum,
    selectors,
)
from zk.field import P, embed, ext_add, ext_inv, ext_mul, ext_pow, ext_scale, ext_sub, inverse
from zk.options import INSECURE_TEST, STD
from zk.proof import Head, Opening, Proof, parse_head, parse_openings, proof_shape, serialize, whole_leaf
from zk.transcript import Transcript
from zk.verifier import _Run, verify

PROGRAM = toy.program()
K = toy.LOG_ROWS
FREE = replace(INSECURE_TEST, round_grinding=0, query_grinding=0)  # no proof of work to redo after a change
MANY = replace(FREE, queries=20, slack_shift=1)  # opens enough that no cheat slips through


def parsed(data: bytes, options=INSECURE_TEST) -> tuple[Proof, list[int]]:
    shape = proof_shape(PROGRAM, options, K)
    publics, interactions, _ = toy.instance(K)
    head = parse_head(data, shape)
    queries = _Run(PROGRAM, publics, interactions, options, shape, head).replay_transcript().queries
    return Proof(head, parse_openings(data, shape, queries)), queries


def check_of(error: object) -> str:
    assert isinstance(error, ProofRejected), error
    return error.check


# ---- What is accepted -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [INSECURE_TEST, FREE, MANY, replace(FREE, log_final_rows=8)])
def test_true_statements_are_accepted(options):
    assert toy.rejection(toy.slow_proof(options), options) is None


def test_the_report_is_returned():
    publics, interactions, _ = toy.instance(K)
    report = verify(
        PROGRAM, publics, interactions, K, toy.slow_proof(), INSECURE_TEST, floor_bits=0, allow_insecure=True
    )
    assert report.unique_decoding.weakest.name == "query"
    assert report.query_grinding == INSECURE_TEST.query_grinding


@pytest.mark.parametrize("options", [INSECURE_TEST, MANY, replace(FREE, log_final_rows=8)])
def test_the_second_verifier_agrees(options):
    publics, interactions, _ = toy.instance(K)
    words = struct.unpack(">8I", options.encode())
    data = toy.slow_proof(options)
    second.verify(PROGRAM.encode(), publics, interactions, K, words, data)
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1
    with pytest.raises(second.Reject):
        second.verify(PROGRAM.encode(), publics, interactions, K, words, bytes(changed))


def test_two_proofs_of_one_witness_share_no_root_and_no_leaf():
    publics, interactions, trace = toy.instance(K)
    first, second_ = (parsed(slow_prove(PROGRAM, publics, interactions, trace, K, FREE), FREE)[0] for _ in range(2))
    for name in ("main_root", "aux_root", "quotient_root", "values", "fri_roots", "final"):
        assert getattr(first.head, name) != getattr(second_.head, name)
    for a, b in zip(first.openings.trees, second_.openings.trees, strict=True):
        assert not set(a.rows) & set(b.rows)
    assert not set(first.openings.salts) & set(second_.openings.salts)


# ---- The statement ----------------------------------------------------------------------------------------------


def test_another_public_input_is_rejected():
    publics, interactions, _ = toy.instance(K)
    for i in range(len(publics)):
        changed = list(publics)
        changed[i] = (changed[i] + 1) % P
        assert isinstance(toy.rejection(toy.slow_proof(MANY), MANY, publics=changed), (ProofRejected, MalformedProof))


@pytest.mark.parametrize("changed", ["multiplicity", "element", "missing", "twice", "longer", "empty list"])
def test_another_public_interaction_is_rejected(changed):
    _, [(multiplicity, message)], _ = toy.instance(K)
    other = {
        "multiplicity": [(multiplicity - 1, message)],
        "element": [(multiplicity, [*message[:-1], message[-1] + 1])],
        "missing": [],
        "twice": [(multiplicity, message)] * 2,
        "longer": [(multiplicity, [*message, 0])],
        "empty list": [(multiplicity, message), (0, message)],
    }[changed]
    error = toy.rejection(toy.slow_proof(MANY), MANY, public_interactions=other)
    assert isinstance(error, (ProofRejected, MalformedProof))


def test_another_program_height_or_options_are_rejected():
    data = toy.slow_proof(MANY)
    constants = list(PROGRAM.constants)
    constants[-1] += 1
    for changed in (
        {"program": replace(PROGRAM, constants=tuple(constants))},
        {"log_rows": K + 1},
        {"options": replace(MANY, queries=19)},
        {"options": replace(MANY, query_grinding=1)},
        {"options": replace(MANY, slack_shift=2, queries=3)},
        {"options": replace(MANY, salt_bytes=20)},
    ):
        error = toy.rejection(data, **{"options": MANY, **changed})
        assert isinstance(error, (ProofRejected, MalformedProof)), changed


def test_every_option_is_bound_by_the_transcript():
    """Two option sets that share all lengths still do not share a proof."""
    data = toy.slow_proof(MANY)
    other = replace(MANY, log_final_rows=4)
    assert proof_shape(PROGRAM, other, K).head_bytes == proof_shape(PROGRAM, MANY, K).head_bytes
    assert toy.rejection(data, other) is not None


@pytest.mark.parametrize("label", ["program", "options", "log_rows", "publics", "public interactions"])
def test_each_statement_item_moves_the_first_challenge(label, monkeypatch):
    """Changing any one absorbed item of step 0 changes every later challenge."""
    publics, interactions, _ = toy.instance(K)
    shape = proof_shape(PROGRAM, FREE, K)
    head = parse_head(toy.slow_proof(FREE), shape)
    run = _Run(PROGRAM, publics, interactions, FREE, shape, head)
    before = run.replay_transcript()
    original = Transcript.absorb
    seen = []

    def absorb(self, name, data):
        seen.append(name)
        original(self, name, data + b"\0" if name == label else data)

    monkeypatch.setattr(Transcript, "absorb", absorb)
    after = run.replay_transcript()
    assert label in seen
    for field in fields(before):
        assert getattr(before, field.name) != getattr(after, field.name)


@pytest.mark.parametrize("label, unchanged", [
    ("main root", []),
    ("lookup grinding", []),
    ("aux root", ["lookup"]),
    ("constraint grinding", ["lookup"]),
    ("quotient root", ["lookup", "constraint"]),
    ("zeta grinding", ["lookup", "constraint"]),
    ("out of domain", ["lookup", "constraint", "zeta"]),
    ("deep grinding", ["lookup", "constraint", "zeta"]),
    ("fri root", ["lookup", "constraint", "zeta", "deep"]),
    ("fold grinding", ["lookup", "constraint", "zeta", "deep"]),
    ("final", ["lookup", "constraint", "zeta", "deep", "folds"]),
    ("query grinding", ["lookup", "constraint", "zeta", "deep", "folds"]),
])  # fmt: skip
def test_each_message_moves_every_later_challenge(label, unchanged, monkeypatch):
    publics, interactions, _ = toy.instance(K)
    shape = proof_shape(PROGRAM, FREE, K)
    run = _Run(PROGRAM, publics, interactions, FREE, shape, parse_head(toy.slow_proof(FREE), shape))
    before = run.replay_transcript()
    original = Transcript.absorb
    monkeypatch.setattr(
        Transcript, "absorb", lambda self, name, data: original(self, name, data + b"\0" * (name == label))
    )
    after = run.replay_transcript()
    same = [f.name for f in fields(before) if getattr(before, f.name) == getattr(after, f.name)]
    assert same == unchanged


# ---- The proof --------------------------------------------------------------------------------------------------


def with_opening(proof: Proof, tree: int, **changed: object) -> bytes:
    trees = list(proof.openings.trees)
    trees[tree] = replace(trees[tree], **changed)  # type: ignore[arg-type]
    return serialize(replace(proof, openings=replace(proof.openings, trees=tuple(trees))))


def flipped(data: bytes, at: int = 0) -> bytes:
    """The same row with one element changed, still canonical."""
    value = int.from_bytes(data[at : at + 4], "big")
    return data[:at] + ((value + 1) % P).to_bytes(4, "big") + data[at + 4 :]


ROOTS = ["main root", "aux root", "quotient root", "fri root", "fri root"]


@pytest.mark.parametrize("tree", range(5))
def test_a_changed_row_or_sibling_leads_to_another_root(tree):
    proof, _ = parsed(toy.slow_proof(FREE), FREE)
    opening: Opening = proof.openings.trees[tree]
    for i, row in enumerate(opening.rows):
        for at in range(0, len(row), 20):
            rows = (*opening.rows[:i], flipped(row, at), *opening.rows[i + 1 :])
            assert check_of(toy.rejection(with_opening(proof, tree, rows=rows), FREE)) == ROOTS[tree]
    for i, sibling in enumerate(opening.siblings):
        siblings = (*opening.siblings[:i], bytes([sibling[0] ^ 1]) + sibling[1:], *opening.siblings[i + 1 :])
        assert check_of(toy.rejection(with_opening(proof, tree, siblings=siblings), FREE)) == ROOTS[tree]


def with_salts(proof: Proof, *salts: bytes) -> bytes:
    return serialize(replace(proof, openings=replace(proof.openings, salts=salts)))


def test_a_changed_salt_leads_to_another_root():
    proof, _ = parsed(toy.slow_proof(FREE), FREE)
    first_, *rest = proof.openings.salts
    for at in range(16):
        salt = first_[:at] + bytes([first_[at] ^ 1]) + first_[at + 1 :]
        assert check_of(toy.rejection(with_salts(proof, salt, *rest), FREE)) == "main root"
    assert check_of(toy.rejection(with_salts(proof, *rest, first_), FREE)) == "main root"


@pytest.mark.parametrize("tree", range(5))
def test_rows_do_not_trade_places(tree):
    proof, _ = parsed(toy.slow_proof(MANY), MANY)
    rows = list(proof.openings.trees[tree].rows)
    a, b = next(pair for pair in combinations(range(len(rows)), 2) if len(rows[pair[0]]) == len(rows[pair[1]]) > 0)
    rows[a], rows[b] = rows[b], rows[a]
    assert check_of(toy.rejection(with_opening(proof, tree, rows=tuple(rows)), MANY)) == ROOTS[tree]


@pytest.mark.parametrize("tree", range(5))
def test_siblings_do_not_trade_places(tree):
    proof, _ = parsed(toy.slow_proof(MANY), MANY)
    siblings = list(proof.openings.trees[tree].siblings)
    siblings[0], siblings[1] = siblings[1], siblings[0]
    assert check_of(toy.rejection(with_opening(proof, tree, siblings=tuple(siblings)), MANY)) == ROOTS[tree]


@pytest.mark.parametrize("tree", range(5))
def test_a_row_or_sibling_too_many_or_too_few_does_not_parse(tree):
    proof, _ = parsed(toy.slow_proof(MANY), MANY)
    opening = proof.openings.trees[tree]
    for changed in (
        {"rows": opening.rows[1:]}, {"rows": (*opening.rows, opening.rows[-1])},
        {"rows": (*opening.rows[:-1], opening.rows[-1][:-4])}, {"rows": (*opening.rows[:-1], opening.rows[-1] + bytes(20))},
        {"siblings": opening.siblings[1:]}, {"siblings": (*opening.siblings, bytes(32))},
    ):  # fmt: skip
        assert isinstance(toy.rejection(with_opening(proof, tree, **changed), MANY), MalformedProof), changed


@pytest.mark.parametrize("layer", range(2))
def test_a_value_that_the_verifier_computes_cannot_be_sent(layer):
    """The leaf as it was sent in format 1, the computed value in its place."""
    proof, queries = parsed(toy.slow_proof(FREE), FREE)
    _, places = next(iter(proof_shape(PROGRAM, FREE, K).places(queries)[layer].items()))
    first_, *rest = proof.openings.trees[3 + layer].rows
    leaf = whole_leaf(first_, places, dict.fromkeys(places.values(), (1, 2, 3, 4, 5)))
    assert isinstance(toy.rejection(with_opening(proof, 3 + layer, rows=(leaf, *rest)), FREE), MalformedProof)


@pytest.mark.parametrize("layer", range(2))
def test_a_computed_value_that_is_not_the_committed_one_leads_to_another_root(layer, monkeypatch):
    """Whatever the verifier's own value is: it is bound by the leaf's hash, at its own position."""
    publics, interactions, _ = toy.instance(K)
    calls = []

    def one_off(sent, places, values):
        calls.append(places)
        wrong = len(calls) == 1 + layer * len(first_layer)
        return whole_leaf(sent, places, {i: ext_add(v, embed(1)) for i, v in values.items()} if wrong else values)

    proof, queries = parsed(toy.slow_proof(FREE), FREE)
    first_layer, _ = proof_shape(PROGRAM, FREE, K).places(queries)
    monkeypatch.setattr("zk.verifier.whole_leaf", one_off)
    with pytest.raises(ProofRejected) as caught:
        verify(PROGRAM, publics, interactions, K, serialize(proof), FREE, floor_bits=0.0, allow_insecure=True)
    assert caught.value.check == "fri root" and f"tree {16 + layer} " in str(caught.value)


def test_auxiliary_and_quotient_trees_do_not_trade_places():
    """Both have 15 columns here, and one salt for both; the tree's number is in every hash."""
    proof, _ = parsed(toy.slow_proof(FREE), FREE)
    main, aux, quotient, *fri = proof.openings.trees
    assert len(aux.rows[0]) == len(quotient.rows[0])
    data = serialize(replace(proof, openings=replace(proof.openings, trees=(main, quotient, aux, *fri))))
    assert check_of(toy.rejection(data, FREE)) == "aux root"


NONCES = {
    "lookup_nonce": "lookup grinding",
    "constraint_nonce": "constraint grinding",
    "zeta_nonce": "zeta grinding",
    "deep_nonce": "deep grinding",
    "query_nonce": "query grinding",
}


@pytest.mark.parametrize("name", NONCES)
def test_nonces_that_do_not_meet_the_puzzle(name):
    proof, _ = parsed(toy.slow_proof(FREE), FREE)
    data = serialize(replace(proof, head=replace(proof.head, **{name: 1})))
    assert check_of(toy.rejection(data, FREE)) == NONCES[name]


@pytest.mark.parametrize("layer", range(2))
def test_fold_nonces_that_do_not_meet_the_puzzle(layer):
    proof, _ = parsed(toy.slow_proof(FREE), FREE)
    nonces = list(proof.head.fold_nonces)
    nonces[layer] = 2**64 - 1
    data = serialize(replace(proof, head=replace(proof.head, fold_nonces=tuple(nonces))))
    assert check_of(toy.rejection(data, FREE)) == "fold grinding"


@pytest.mark.parametrize("name", [f.name for f in fields(Head)])
def test_every_changed_part_of_the_head_is_rejected(name):
    proof, _ = parsed(toy.slow_proof(MANY), MANY)
    value = getattr(proof.head, name)
    if isinstance(value, bytes):
        variants = [bytes([value[0] ^ 1]) + value[1:], bytes(32)]
    elif isinstance(value, int):
        variants = [1, 2**63]
    elif isinstance(value[0], tuple):
        variants = [(*value[:i], ext_add(value[i], embed(1)), *value[i + 1 :]) for i in range(0, len(value), 7)]
    elif isinstance(value[0], bytes):
        variants = [(bytes(32), *value[1:]), (*value[:-1], value[0])]
    else:
        variants = [(1, *value[1:])]
    for variant in variants:
        data = serialize(replace(proof, head=replace(proof.head, **{name: variant})))
        assert isinstance(toy.rejection(data, MANY), (ProofRejected, MalformedProof))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_change_of_bytes_is_accepted_and_nothing_but_zk_errors_escapes(draw):
    """toy.rejection catches ZkError only: any other exception fails this test."""
    data = bytearray(toy.slow_proof(MANY))
    kind = draw.draw(st.sampled_from(["flip", "cut", "insert", "copy"]))
    at = draw.draw(st.integers(0, len(data) - 1))
    if kind == "flip":
        data[at] ^= draw.draw(st.integers(1, 255))
    elif kind == "cut":
        del data[at : at + draw.draw(st.integers(1, 64))]
    elif kind == "insert":
        data[at:at] = draw.draw(st.binary(min_size=1, max_size=64))
    else:
        source = draw.draw(st.integers(0, len(data) - 32))
        data[at : at + 32] = data[source : source + 32]
    if bytes(data) != toy.slow_proof(MANY):
        assert isinstance(toy.rejection(bytes(data), MANY), (ProofRejected, MalformedProof))


@pytest.mark.parametrize("thing", [None, "SSPF", 0, [], b"", bytearray(10), b"SSPF", b"SSPF\0\2" + bytes(10_000)])
def test_things_that_are_no_proof(thing):
    assert isinstance(toy.rejection(thing), (MalformedProof, ProofRejected))


# ---- Provers that cheat -----------------------------------------------------------------------------------------


def cheat(kind: type[SlowProver], options=MANY, spoil=None) -> bytes:
    publics, interactions, trace = toy.instance(K)
    if spoil is not None:
        spoil(trace)
    prover = kind(PROGRAM, publics, interactions, K, options, random.Random(5), honest=False)
    return serialize(prover.prove(trace))


def spoil_step(trace):
    trace[0][100] += 1


def spoil_lookup(trace):
    trace[1][7] = (trace[1][7] + 1) % 256
    trace[4][7] = pow(trace[1][7], 3, P)
    for i in range(8, 256):
        trace[0][i] = (trace[0][i - 1] ** 2 + trace[1][i - 1]) % P


@pytest.mark.parametrize("spoil", [spoil_step, spoil_lookup])
def test_a_false_witness_is_refused_by_the_prover(spoil):
    publics, interactions, trace = toy.instance(K)
    spoil(trace)
    with pytest.raises(WitnessError):
        slow_prove(PROGRAM, publics, interactions, trace, K, FREE)


@pytest.mark.parametrize("spoil", [spoil_step, spoil_lookup])
def test_a_false_witness_fails_out_of_domain(spoil):
    assert check_of(toy.rejection(cheat(SlowProver, spoil=spoil), MANY)) == "out of domain"


class LiesAboutTheQuotient(SlowProver):
    """Claims the value of the quotient that the identity of step 4 asks for."""

    def claim(self, values, zeta):
        main, rest = values[: PROGRAM.n_columns], values[PROGRAM.n_columns :]
        aux, rest = rest[: 5 * PROGRAM.n_aux], rest[5 * PROGRAM.n_aux :]
        after = rest[10:]
        lookup, coefficients = self.seen
        share = ext_scale(public_sum(self.public_interactions, lookup), inverse(self.n))
        found = evaluate_program(PROGRAM, main, after[: len(PROGRAM.next_columns)], self.publics, selectors(zeta, K))
        columns = [combine_coordinates(aux[i : i + 5]) for i in range(0, len(aux), 5)]
        lookups = lookup_constraints(PROGRAM, found, lookup, columns, combine_coordinates(after[-5:]), share)
        combined = ext_dot(coefficients, found.constraints + lookups)
        wanted = ext_mul(combined, ext_inv(ext_sub(ext_pow(zeta, self.n), embed(1))))
        high = ext_mul(ext_pow(zeta, self.options.chunk(K)), combine_coordinates(rest[5:10]))
        low = ext_sub(ext_sub(wanted, high), combine_coordinates(rest[:5]))
        return [*main, *aux, ext_add(rest[0], low), *rest[1:]]

    def quotient(self, main, aux, lookup, share, coefficients):
        self.seen = lookup, coefficients
        return super().quotient(main, aux, lookup, share, coefficients)


def test_a_false_quotient_value_fails_in_fri():
    assert check_of(toy.rejection(cheat(LiesAboutTheQuotient, spoil=spoil_step), MANY)) == "fri root"


class LiesAboutARow(SlowProver):
    """Claims the values of a witness that it did not commit to."""

    def claim(self, values, zeta):
        return [ext_add(values[0], embed(1)), *values[1:]]


def test_a_false_out_of_domain_value_is_rejected():
    assert check_of(toy.rejection(cheat(LiesAboutARow), MANY)) == "out of domain"


class AnotherPolynomial(SlowProver):
    """Runs FRI on another polynomial of the right degree."""

    def fri(self, values):
        return super().fri([ext_add(v, embed(1)) for v in values])


def test_another_polynomial_in_fri_is_rejected():
    assert check_of(toy.rejection(cheat(AnotherPolynomial), MANY)) == "fri root"


def test_a_final_polynomial_of_another_degree_does_not_parse():
    proof, _ = parsed(toy.slow_proof(FREE), FREE)
    for final in ((*proof.head.final, (0,) * 5), proof.head.final[:-1]):
        data = serialize(replace(proof, head=replace(proof.head, final=final)))
        assert isinstance(toy.rejection(data, FREE), (MalformedProof, ProofRejected))


class AnotherFinal(SlowProver):
    """Sends a final polynomial that the last layer is not."""

    def fri(self, values):
        trees, nonces, final = super().fri(values)
        return trees, nonces, (ext_add(final[0], embed(1)), *final[1:])


@pytest.mark.parametrize("options", [MANY, replace(MANY, log_final_rows=8)])
def test_another_final_polynomial_is_rejected(options):
    assert check_of(toy.rejection(cheat(AnotherFinal, options), options)) == "final"


# ---- Arguments --------------------------------------------------------------------------------------------------


def test_insecure_options_are_refused_unless_asked_for():
    for allow in (False, None, 1, "yes"):
        error = toy.rejection(toy.slow_proof(), allow_insecure=allow)
        assert isinstance(error, OptionsError)


def test_the_floor_holds_even_for_insecure_options():
    publics, interactions, _ = toy.instance(K)
    with pytest.raises(ProofRejected) as caught:
        verify(PROGRAM, publics, interactions, K, toy.slow_proof(), INSECURE_TEST, allow_insecure=True)
    assert caught.value.check == "security"


@pytest.mark.parametrize("changed", [{"queries": 60}, {"query_grinding": 10}])
def test_weak_options_fall_below_the_floor(changed):
    error = toy.rejection(b"", replace(STD, **changed), log_rows=18, floor_bits=100.0, allow_insecure=False)
    assert check_of(error) == "security"


def test_a_floor_that_is_no_number_is_refused():
    assert isinstance(toy.rejection(b"", floor_bits="0"), OptionsError)
    assert check_of(toy.rejection(b"", floor_bits=float("nan"))) == "security"


@pytest.mark.parametrize("log_rows", [-1, 0, 7, 23, 10**9, True, 8.0, "8", None])
def test_heights_out_of_range(log_rows):
    assert isinstance(toy.rejection(toy.slow_proof(), log_rows=log_rows), OptionsError)


@pytest.mark.parametrize("publics", [[], [1], [1, 2, 3], [1, P], [1, -1], [1, True], [1, "2"], None, "12", 7])
def test_public_inputs_out_of_range(publics):
    assert isinstance(toy.rejection(toy.slow_proof(), publics=publics), StatementError)


@pytest.mark.parametrize(
    "interactions",
    [None, 7, [7], [(1,)], [(1, [])], [(P, [1])], [(-1, [1])], [(1, [P])], [(1, [True])], [(1, 2, 3)], [(1, "12")]],
)
def test_public_interactions_out_of_range(interactions):
    assert isinstance(toy.rejection(toy.slow_proof(), public_interactions=interactions), StatementError)


@pytest.mark.parametrize(
    "program",
    [
        None,
        replace(PROGRAM, groups=()),
        replace(PROGRAM, groups=PROGRAM.groups[:-1]),
        replace(PROGRAM, groups=(*PROGRAM.groups, PROGRAM.groups[0])),
        replace(PROGRAM, next_columns=(2, 0)),
        replace(PROGRAM, next_columns=(0, 99)),
        replace(PROGRAM, n_columns=70_000),
        replace(PROGRAM, n_registers=0),
    ],
)
def test_programs_that_are_not_well_formed(program):
    assert isinstance(toy.rejection(toy.slow_proof(), program=program), AirError)


def test_options_that_are_no_options():
    assert isinstance(toy.rejection(toy.slow_proof(), options=None), OptionsError)
    assert isinstance(toy.rejection(toy.slow_proof(), options=replace(INSECURE_TEST, queries=0)), OptionsError)


def test_a_public_interaction_with_denominator_zero_is_rejected():
    lookup = Challenges((P - 5, 0, 0, 0, 0), (1, 0, 0, 0, 0), (0, 0, 0, 0, 0))
    with pytest.raises(ProofRejected) as caught:
        public_sum([(1, [2, 3])], lookup)
    assert caught.value.check == "public interaction"
    assert public_sum([(3, [2, 2])], lookup) == embed(-3)


@pytest.mark.parametrize("zeta", [(1, 0, 0, 0, 0), (P - 1, 0, 0, 0, 0), (3, 0, 0, 0, 0)])
def test_a_zeta_in_a_domain_is_rejected(zeta):
    publics, interactions, _ = toy.instance(K)
    shape = proof_shape(PROGRAM, FREE, K)
    run = _Run(PROGRAM, publics, interactions, FREE, shape, parse_head(toy.slow_proof(FREE), shape))
    with pytest.raises(ProofRejected) as caught:
        run._check_zeta(zeta)
    assert caught.value.check == "zeta"


def test_a_column_read_in_the_next_row_must_be_declared():
    def steps(b):
        b.assert_zero("steps", b.next.one("a") - b.row.one("b"))
        b.interact("one", b.row.one("a"), [1])

    program = compile_air(Columns({"a": 1, "b": 1}), [], steps)
    zeros = [embed(0)] * 2
    at = (embed(0), embed(0), embed(0))
    evaluate_program(program, zeros, [embed(0)], [], at)
    with pytest.raises(AirError):
        evaluate_program(replace(program, next_columns=()), zeros, [], [], at)
