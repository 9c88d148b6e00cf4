"""The zero-knowledge simulator of PROTOCOL.md section 9, run: proofs made without a witness that the shipped verifier accepts.

A simulator may program the random oracle: it chooses zeta, the DEEP coefficients and the queries before it commits, and the
oracle answers so. Here the oracle is a Transcript that this test alone hands to the verifier. Nothing in `zk/` has a seed or a
switch for it.

What is opened is drawn uniformly; the quotient at zeta is solved from the identity; F is a uniform polynomial, and the FRI mask
at the queries is what makes F come out. So a proof shows nothing that could not be made from the statement: even a false
statement has such proofs.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence

import pytest

import zk.verifier
from tests import toy
from tests.reference.slow_prover import SlowProver, Tree, open_all
from tests.toy import Instance
from tests.zk.test_hiding import CHI_SQUARE_LIMIT, KS_LIMIT, Shown, chi_square, collect, kolmogorov_smirnov
from zk.errors import MalformedProof, ProofRejected
from zk.evaluation import (
    Challenges,
    combine_coordinates,
    evaluate_program,
    ext_dot,
    lookup_constraints,
    public_sum,
    selectors,
)
from zk.field import ONE, ZERO, Ext, P, embed, ext_add, ext_inv, ext_mul, ext_pow, ext_scale, ext_sub, inverse
from zk.merkle import AUX, MAIN, QUOTIENT
from zk.proof import Head, Proof, pack_ext, proof_shape, serialize
from zk.transcript import Transcript
from zk.verifier import verify

PROOFS = 60
Answers = dict[tuple[bytes, str], list[int]]
rng = secrets.SystemRandom()


class Oracle(Transcript):
    """A transcript whose random oracle answers as programmed where it is; elsewhere as it is."""

    answers: Answers = {}

    def elements(self, label: str, n: int) -> list[int]:
        programmed, drawn = self.answers.get((self.state, label)), super().elements(label, n)
        return programmed or drawn

    def indices(self, label: str, n: int, bits: int) -> list[int]:
        programmed, drawn = self.answers.get((self.state, label)), super().indices(label, n, bits)
        return programmed or drawn


def uniform(count: int) -> list[int]:
    return [rng.randrange(P) for _ in range(count)]


def extension() -> Ext:
    a, b, c, d, e = uniform(5)
    return a, b, c, d, e


class Simulator:
    """One proof of a statement, from the statement alone. `answers`: how the oracle is to be programmed."""

    def __init__(self, item: Instance) -> None:
        self.item, self.program, self.options = item, item.program, item.options
        self.helper = SlowProver(*item.statement(), item.options, random.Random(0))  # domains, trees and FRI; it sees no trace
        self.n, self.points = self.helper.n, self.helper.lde.points()
        self.oracle = self.helper.transcript = Oracle()
        self.oracle.answers = self.answers = {}
        bits = item.log_rows + item.options.log_blowup
        self.drawn = [rng.randrange(1 << bits) for _ in range(item.options.queries)]
        self.queries = sorted(set(self.drawn))
        self.salts = [rng.randbytes(self.options.salt_bytes) for _ in self.points]

    def tree(self, number: int, rows: dict[int, list[int]]) -> Tree:
        """A tree that has these rows at the queries, and nothing anywhere else."""
        width = len(rows[self.queries[0]])
        leaves = [rows.get(i, [0] * width) for i in range(len(self.points))]
        return Tree(number, leaves, self.salts)

    def quotient_at(self, z: Ext, main: Sequence[Ext], aux: Sequence[Ext], main_next: Sequence[Ext], acc_next: Sequence[Ext]) -> Ext:
        """Q(z) as the identity of step 4 asks."""
        found = evaluate_program(self.program, main, main_next, self.item.publics, selectors(z, self.item.log_rows))
        columns = [combine_coordinates(aux[i : i + 5]) for i in range(0, len(aux), 5)]
        share = ext_scale(public_sum(self.item.public_interactions, self.lookup), inverse(self.n))
        lookups = lookup_constraints(self.program, found, self.lookup, columns, combine_coordinates(acc_next), share)
        vanishing = ext_sub(ext_pow(z, self.n), ONE)
        return ext_mul(ext_dot(self.coefficients, found.constraints + lookups), ext_inv(vanishing))

    def low_chunk(self, z: Ext, q: Ext, high: Sequence[Ext]) -> Ext:
        """Q_0(z) from Q(z) and the five coordinates of Q_1(z)."""
        split = self.options.chunk(self.item.log_rows)
        return ext_sub(q, ext_mul(ext_pow(z, split), combine_coordinates(high)))

    def chunks_at(self, index: int, main: dict[int, list[int]], aux: dict[int, list[int]]) -> list[int]:
        """Ten quotient columns at a query: uniform, unless the next row is opened as well and the identity says what Q is."""
        chunks, (j, i) = uniform(10), divmod(index, self.n)
        after = j * self.n + (i + 1) % self.n
        if after in main:
            following = [embed(main[after][c]) for c in self.program.next_columns]
            z = embed(self.points[index])
            rows = [embed(v) for v in main[index]], [embed(v) for v in aux[index]]
            q = self.quotient_at(z, *rows, following, [embed(v) for v in aux[after][-5:]])
            chunks[:5] = self.low_chunk(z, q, [embed(v) for v in chunks[5:]])
        return chunks

    def values_at(self, zeta: Ext) -> list[Ext]:
        """Out-of-domain values: uniform, but the first coordinate of the quotient is solved."""
        program = self.program
        main, aux = [extension() for _ in range(program.n_columns)], [extension() for _ in range(5 * program.n_aux)]
        main_next, acc_next = [extension() for _ in program.next_columns], [extension() for _ in range(5)]
        chunks = [ZERO, *(extension() for _ in range(9))]
        low = self.low_chunk(zeta, self.quotient_at(zeta, main, aux, main_next, acc_next), chunks[5:])
        chunks[0] = ext_sub(low, combine_coordinates(chunks[:5]))
        return [*main, *aux, *chunks, *main_next, *acc_next]

    def prove(self) -> bytes:
        t, options, program = self.oracle, self.options, self.program
        grinding = options.round_grinding
        self.helper.absorb_statement()
        main = {q: uniform(program.n_columns) for q in self.queries}  # 1
        main_tree = self.tree(MAIN, main)
        t.absorb("main root", main_tree.root)
        lookup_nonce = t.grind("lookup grinding", grinding)
        self.lookup = Challenges(*t.challenges("lookup", 3))
        aux = {q: uniform(5 * program.n_aux) for q in self.queries}  # 2
        aux_tree = self.tree(AUX, aux)
        t.absorb("aux root", aux_tree.root)
        constraint_nonce = t.grind("constraint grinding", grinding)
        self.coefficients = t.challenges("constraint", program.n_constraints + program.n_aux)

        zeta = extension()  # chosen before the quotient is committed, as are the DEEP coefficients
        values = self.values_at(zeta)
        deep = [extension() for _ in values]
        polynomial = [extension() for _ in range(options.degree_bound(self.item.log_rows))]
        codeword = self.helper.lde.values_ext(polynomial)
        quotient = {}
        for q in self.queries:
            chunks = self.chunks_at(q, main, aux)
            row = [*main[q], *aux[q], *chunks]
            following = [*(main[q][c] for c in program.next_columns), *aux[q][-5:]]
            quotient[q] = [*chunks, *ext_sub(codeword[q], self.deep_at(q, row, following, values, deep, zeta))]
        quotient_tree = self.tree(QUOTIENT, quotient)  # 3
        t.absorb("quotient root", quotient_tree.root)
        zeta_nonce = t.grind("zeta grinding", grinding)
        self.answers[t.state, "zeta"] = list(zeta)
        assert t.challenge("zeta") == zeta
        t.absorb("out of domain", pack_ext(values))  # 4
        deep_nonce = t.grind("deep grinding", grinding)  # 5
        self.answers[t.state, "deep"] = [c for e in deep for c in e]
        assert t.challenges("deep", len(values)) == deep
        fri_trees, fold_nonces, final = self.helper.fri(codeword)  # 6
        t.absorb("final", pack_ext(final))
        query_nonce = t.grind("query grinding", options.query_grinding)  # 7
        self.answers[t.state, "query"] = self.drawn
        shape = proof_shape(program, options, self.item.log_rows)
        trees = [main_tree, aux_tree, quotient_tree, *fri_trees]
        openings = open_all(shape, self.drawn, trees, self.salts)
        head = Head(
            main_tree.root, lookup_nonce, aux_tree.root, constraint_nonce, quotient_tree.root, zeta_nonce, tuple(values), deep_nonce,
            tuple(tree.root for tree in fri_trees), tuple(fold_nonces), final, query_nonce,
        )  # fmt: skip
        return serialize(Proof(head, openings))

    def deep_at(self, index: int, row: list[int], following: list[int], values: list[Ext], deep: list[Ext], zeta: Ext) -> Ext:
        """F at a query without its mask."""
        total, x = ZERO, embed(self.points[index])
        for k, f in enumerate([*row, *following]):
            z = zeta if k < len(row) else ext_scale(zeta, self.helper.w)
            quotient = ext_mul(ext_sub(embed(f), values[k]), ext_inv(ext_sub(x, z)))
            total = ext_add(total, ext_mul(deep[k], quotient))
        return total


def accept(item: Instance, proof: bytes, answers: Answers, patch: pytest.MonkeyPatch) -> None:
    """The shipped verifier, with the oracle programmed."""
    patch.setattr(zk.verifier, "Transcript", type("Programmed", (Oracle,), {"answers": answers}))
    verify(*item.statement(), proof, item.options, floor_bits=0.0, allow_insecure=True)


ITEMS = {"sums": lambda: toy.sums([3] * 256, [1] * 256), "counter": toy.counter}


@pytest.mark.parametrize("name", ITEMS)
def test_a_proof_without_a_witness_is_accepted_under_the_programmed_oracle_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    item = ITEMS[name]()
    item = item.but(trace=[])  # the statement is all that is left
    simulator = Simulator(item)
    proof = simulator.prove()
    with pytest.raises((ProofRejected, MalformedProof)):
        verify(*item.statement(), proof, item.options, floor_bits=0.0, allow_insecure=True)
    accept(item, proof, simulator.answers, monkeypatch)


def test_a_false_statement_can_be_simulated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is the programmed oracle that makes these proofs, not a witness."""
    item = toy.counter()
    item = item.but(trace=[], publics=[(v + 1) % P for v in item.publics])
    simulator = Simulator(item)
    accept(item, simulator.prove(), simulator.answers, monkeypatch)


def test_a_next_row_that_is_opened_as_well_is_consistent(monkeypatch: pytest.MonkeyPatch) -> None:
    item = toy.counter().but(trace=[])
    simulator = Simulator(item)
    simulator.drawn = [5, 6, 5 + 2 * simulator.n]
    simulator.queries = sorted(simulator.drawn)
    accept(item, simulator.prove(), simulator.answers, monkeypatch)


@pytest.mark.slow
def test_simulated_and_real_proofs_have_the_same_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every published number, by its place: uniform in both, and not to be told apart."""
    item = toy.counter()
    real = collect(item, PROOFS)
    simulated: dict[str, list[int]] = {}
    for _ in range(PROOFS):
        simulator = Simulator(item.but(trace=[]))
        proof = simulator.prove()
        monkeypatch.setattr(zk.verifier, "Transcript", type("Programmed", (Oracle,), {"answers": simulator.answers}))
        for place, words in Programmed(item, proof, simulator.drawn).numbers().items():
            simulated.setdefault(place, []).extend(words)
    assert real.keys() == simulated.keys()
    told_apart = [place for place in real if kolmogorov_smirnov(real[place], simulated[place]) > KS_LIMIT]
    not_uniform = [place for place in simulated if chi_square(simulated[place]) > CHI_SQUARE_LIMIT]
    assert told_apart == [] and not_uniform == []


class Programmed(Shown):
    """What a simulated proof shows. Its queries are those that the oracle is programmed to give."""

    def __init__(self, item: Instance, proof: bytes, drawn: list[int]) -> None:
        self.programmed = drawn
        super().__init__(item, proof)

    def _watch(self, item: Instance, proof: bytes) -> None:
        verify(*item.statement(), proof, item.options, floor_bits=0.0, allow_insecure=True)
        self.drawn["query"] = self.programmed
