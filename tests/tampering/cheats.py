"""A prover that lies: the slow prover with every message open to change.

`Cheat` proves whatever it is told with a well-formed transcript, nonces, trees and openings. Subclasses override the one message
that they forge. Where the statement is false, three strategies are tried on it: cut the quotient to its degree, make up
out-of-domain values that satisfy the identity, and the latter with FRI layers that are folded honestly from a word of
too high a degree.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.reference.slow_prover import Domain, Poly, SlowProver, Tree, evaluate, open_all
from tests.toy import Instance
from zk.evaluation import (
    Challenges,
    evaluate_program,
    ext_dot,
    lookup_constraints,
    powers,
    public_sum,
    quotient_value,
    selectors,
)
from zk.evaluation import combine_coordinates as combined
from zk.field import (
    ONE,
    Ext,
    ext_add,
    ext_inv,
    ext_mul,
    ext_pow,
    ext_scale,
    ext_sub,
    inverse,
)
from zk.merkle import AUX, FRI, MAIN, QUOTIENT
from zk.proof import Head, Opening, Places, Proof, pack_ext, proof_shape, serialize

Row = list[int]


class Cheat(SlowProver):
    """The honest protocol, one overridable method per message."""

    def __init__(self, item: Instance, seed: object = 0) -> None:
        super().__init__(
            item.program, item.publics, item.public_interactions, item.log_rows, item.options,
            random.Random(f"cheat {seed}"), honest=False,
        )  # fmt: skip
        self.item = item

    def nonce(self, label: str, bits: int) -> int:
        return self.transcript.grind(label, bits)

    def root(self, tree: Tree) -> bytes:
        return tree.root

    def main_columns(self) -> list[Poly]:
        return [self.masked(column) for column in self.item.trace]

    def aux_columns(self, lookup: Challenges, share: Ext) -> list[Poly]:
        columns = self.auxiliary(self.item.trace, lookup, share)
        return [self.masked([v[c] for v in column]) for column in columns for c in range(5)]

    def masks(self) -> list[Poly]:
        return [self.uniform(self.options.degree_bound(self.log_rows)) for _ in range(5)]

    def out_of_domain(self, values: list[Ext], zeta: Ext) -> list[Ext]:
        return values

    def open(self, tree: Tree, leaves: Sequence[int], places: Sequence[Places]) -> Opening:
        return tree.open(leaves, places)

    def final(self, polynomial: list[Ext], bound: int) -> tuple[Ext, ...]:
        return tuple(polynomial[:bound])

    def first_layer(self, values: list[Ext]) -> list[Ext]:
        return values

    def fri(self, values: list[Ext]) -> tuple[list[Tree], list[int], tuple[Ext, ...]]:
        """Folds the word itself, of whatever degree, and cuts only the final polynomial."""
        domain, layer = self.lde, self.first_layer(values)
        trees: list[Tree] = []
        nonces: list[int] = []
        for r in range(self.options.folds(self.log_rows)):
            n, eighth = 1 << domain.log_n, 1 << domain.log_n >> 3
            leaves = [
                [c for t in range(8) for c in layer[j * n + i + t * eighth]]
                for j in range(1 << domain.log_b)
                for i in range(eighth)
            ]
            trees.append(Tree(FRI + r, leaves, [b""] * len(leaves)))
            self.transcript.absorb("fri root", trees[-1].root)
            nonces.append(self.nonce("fold grinding", self.options.round_grinding))
            beta = powers(self.transcript.challenge("fold"), 8)
            polynomial = domain.interpolate_ext(layer)
            folded = [ext_dot(polynomial[i : i + 8], beta) for i in range(0, len(polynomial), 8)]
            domain = Domain(domain.log_n - 3, domain.log_b, pow(domain.shift, 8, 2**31 - 2**24 + 1))
            layer = domain.values_ext(folded)
        bound = self.options.final_length(self.log_rows)
        return trees, nonces, self.final(domain.interpolate_ext(layer), bound)

    def prove_false(self) -> bytes:
        """The forged proof's bytes."""
        t, grinding = self.transcript, self.options.round_grinding
        self.absorb_statement()
        main = self.main_columns()  # 1
        main_tree, main_rows = self.commit(MAIN, main)
        t.absorb("main root", self.root(main_tree))
        lookup_nonce = self.nonce("lookup grinding", grinding)
        self.lookup = lookup = Challenges(*t.challenges("lookup", 3))
        self.share = share = ext_scale(public_sum(self.public_interactions, lookup), inverse(self.n))
        aux = self.aux_columns(lookup, share)  # 2
        aux_tree, aux_rows = self.commit(AUX, aux)
        t.absorb("aux root", self.root(aux_tree))
        constraint_nonce = self.nonce("constraint grinding", grinding)
        self.coefficients = t.challenges("constraint", self.program.n_constraints + len(aux) // 5)
        chunks = self.quotient(main_rows, aux_rows, lookup, share, self.coefficients)  # 3
        quotient_tree, quotient_rows = self.commit(QUOTIENT, chunks + self.masks())
        t.absorb("quotient root", self.root(quotient_tree))
        zeta_nonce = self.nonce("zeta grinding", grinding)
        zeta = t.challenge("zeta")
        later = [main[c] for c in self.program.next_columns] + aux[-5:]  # 4
        values = [evaluate(c, zeta) for c in main + aux + chunks]
        values += [evaluate(c, ext_scale(zeta, self.w)) for c in later]
        values = self.out_of_domain(values, zeta)
        t.absorb("out of domain", pack_ext(values))
        deep_nonce = self.nonce("deep grinding", grinding)  # 5
        rows = [[*a, *b, *c[:10]] for a, b, c in zip(main_rows, aux_rows, quotient_rows, strict=True)]
        following = [
            [*(a[c] for c in self.program.next_columns), *b[-5:]] for a, b in zip(main_rows, aux_rows, strict=True)
        ]
        masks = [row[10:] for row in quotient_rows]
        word = self.deep(rows, following, masks, values, t.challenges("deep", len(values)), zeta)
        fri_trees, fold_nonces, final = self.fri(word)  # 6
        t.absorb("final", pack_ext(final))
        query_nonce = self.nonce("query grinding", self.options.query_grinding)  # 7
        queries = t.indices("query", self.options.queries, self.log_rows + self.options.log_blowup)
        shape = proof_shape(self.program, self.options, self.log_rows)
        trees = [main_tree, aux_tree, quotient_tree, *fri_trees]
        openings = open_all(shape, queries, trees, self.salts, self.open)
        head = Head(
            self.root(main_tree), lookup_nonce, self.root(aux_tree), constraint_nonce, self.root(quotient_tree),
            zeta_nonce, tuple(values), deep_nonce, tuple(tree.root for tree in fri_trees), tuple(fold_nonces), final,
            query_nonce,
        )  # fmt: skip
        return serialize(Proof(head, openings))


class LieOutOfDomain(Cheat):
    """Makes the first quotient coordinate's value at zeta whatever satisfies the identity."""

    def out_of_domain(self, values: list[Ext], zeta: Ext) -> list[Ext]:
        program, g = self.program, len(self.program.groups)
        n_main, n_next = program.n_columns, len(program.next_columns)
        main, aux, chunks = values[:n_main], values[n_main : n_main + 5 * g], values[n_main + 5 * g :][:10]
        after = values[n_main + 5 * g + 10 :]
        found = evaluate_program(program, main, after[:n_next], self.publics, selectors(zeta, self.log_rows))
        columns = [combined(aux[k : k + 5]) for k in range(0, 5 * g, 5)]
        lookups = lookup_constraints(program, found, self.lookup, columns, combined(after[n_next:]), self.share)
        wanted = ext_dot(self.coefficients, found.constraints + lookups)
        wanted = ext_mul(wanted, ext_inv(ext_sub(ext_pow(zeta, self.n), ONE)))
        missing = ext_sub(wanted, quotient_value(chunks, zeta, self.options.chunk(self.log_rows)))
        at = n_main + 5 * g
        return [*values[:at], ext_add(values[at], missing), *values[at + 1 :]]


class LieAndTruncate(LieOutOfDomain):
    """The same lie, with FRI's first layer replaced by a word of the right degree."""

    def first_layer(self, values: list[Ext]) -> list[Ext]:
        polynomial = self.lde.interpolate_ext(values)[: self.options.degree_bound(self.log_rows)]
        return self.lde.values_ext(polynomial)


STRATEGIES: dict[str, tuple[type[Cheat], set[str]]] = {
    "truncated quotient": (Cheat, {"out of domain"}),
    "made-up values": (LieOutOfDomain, {"final"}),
    "made-up values, low-degree layer": (LieAndTruncate, {"fri root"}),
}
