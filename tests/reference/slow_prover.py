"""The prover in plain Python, as PROTOCOL.md states it: the slow twin of zk/prover.py.

Polynomials are lists of coefficients, lowest first. Everything is done by definition: columns are
interpolated, folds are taken on coefficients, trees are built whole. Good for some hundred rows.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zk.air import Program
from zk.errors import WitnessError
from zk.evaluation import (
    Challenges,
    PublicInteraction,
    evaluate_program,
    ext_dot,
    lookup_constraints,
    powers,
    public_sum,
    selectors,
)
from zk.field import (
    GENERATOR,
    ZERO,
    Ext,
    P,
    embed,
    ext_add,
    ext_inv,
    ext_mul,
    ext_scale,
    ext_sub,
    inverse,
    root_of_unity,
)
from zk.merkle import AUX, FRI, MAIN, QUOTIENT, leaf_hash, node_hash, opening_nodes
from zk.options import Options
from zk.proof import Head, Opening, Openings, Places, Proof, Shape, pack_ext, proof_shape, sent_part, serialize
from zk.transcript import Transcript, words

Poly = list[int]


def ntt(c: Sequence[int], w: int) -> list[int]:
    """Values of the polynomial c at 1, w, w^2, ..., for w of order len(c), a power of two."""
    if len(c) == 1:
        return [c[0] % P]
    even, odd = ntt(c[::2], w * w % P), ntt(c[1::2], w * w % P)
    half, x = len(even), 1
    out = [0] * len(c)
    for i in range(half):
        out[i], out[i + half] = (even[i] + x * odd[i]) % P, (even[i] - x * odd[i]) % P
        x = x * w % P
    return out


def intt(v: Sequence[int], w: int) -> Poly:
    """The polynomial with values v at 1, w, w^2, ..."""
    scale = inverse(len(v))
    return [c * scale % P for c in ntt(v, inverse(w))]


def evaluate(c: Sequence[int], x: Ext) -> Ext:
    """c(x) by Horner's rule."""
    total = ZERO
    for a in reversed(c):
        total = ext_add(ext_mul(total, x), embed(a))
    return total


@dataclass
class Domain:
    """shift <w>, of B cosets of n points, in coset-major order (PROTOCOL.md section 5)."""

    log_n: int
    log_b: int
    shift: int

    @property
    def w(self) -> int:
        return root_of_unity(self.log_n + self.log_b)

    def exponents(self) -> list[int]:
        """Point number j n + i is shift w^(j + B i)."""
        return [j + (i << self.log_b) for j in range(1 << self.log_b) for i in range(1 << self.log_n)]

    def points(self) -> list[int]:
        return [self.shift * pow(self.w, e, P) % P for e in self.exponents()]

    def values(self, c: Sequence[int]) -> list[int]:
        """Values of c (shorter than the domain), coset-major."""
        size = 1 << (self.log_n + self.log_b)
        padded = [a * pow(self.shift, i, P) % P for i, a in enumerate(c)] + [0] * (size - len(c))
        natural = ntt(padded, self.w)
        return [natural[e] for e in self.exponents()]

    def interpolate(self, values: Sequence[int]) -> Poly:
        natural = [0] * len(values)
        for e, v in zip(self.exponents(), values, strict=True):
            natural[e] = v
        back = inverse(self.shift)
        return [a * pow(back, i, P) % P for i, a in enumerate(intt(natural, self.w))]

    def interpolate_ext(self, values: Sequence[Ext]) -> list[Ext]:
        return list(zip(*(self.interpolate([v[c] for v in values]) for c in range(5)), strict=True))

    def values_ext(self, c: Sequence[Ext]) -> list[Ext]:
        return list(zip(*(self.values([a[k] for a in c]) for k in range(5)), strict=True))


class Tree:
    """A whole Merkle tree with its leaves."""

    def __init__(self, number: int, rows: Sequence[Sequence[int]], salts: Sequence[bytes]) -> None:
        self.rows = [words(row) for row in rows]
        self.levels = [[leaf_hash(number, s, r) for s, r in zip(salts, self.rows, strict=True)]]
        while len(self.levels[-1]) > 1:
            below, level = self.levels[-1], len(self.levels)
            pairs = zip(below[::2], below[1::2], strict=True)
            self.levels.append([node_hash(number, level, a, b) for a, b in pairs])

    @property
    def root(self) -> bytes:
        return self.levels[-1][0]

    def open(self, leaves: Sequence[int], places: Sequence[Places] = ()) -> Opening:
        """Some leaves; of a FRI layer, whose `places` are given, what is sent of them."""
        rows = [self.rows[i] for i in leaves]
        siblings = opening_nodes(leaves, len(self.levels) - 1)
        return Opening(
            tuple(map(sent_part, rows, places) if places else rows),
            tuple(self.levels[level][i] for level, i in siblings),
        )


def open_all(
    shape: Shape, queries: Sequence[int], trees: Sequence[Tree], salts: Sequence[bytes],
    opened: Callable[[Tree, Sequence[int], Sequence[Places]], Opening] = Tree.open,
) -> Openings:  # fmt: skip
    """Step 7: the second section of a proof."""
    distinct = sorted(set(queries))
    traces = [opened(tree, distinct, ()) for tree in trees[:3]]
    layers = [
        opened(tree, list(found), list(found.values()))
        for tree, found in zip(trees[3:], shape.places(queries), strict=True)
    ]
    return Openings(tuple(salts[i] for i in distinct), (*traces, *layers))


@dataclass
class SlowProver:
    """One proof in the making. `honest` False goes on with a wrong witness, and cuts degrees to size."""

    program: Program
    publics: Sequence[int]
    public_interactions: Sequence[PublicInteraction]
    log_rows: int
    options: Options
    rng: random.Random
    honest: bool = True

    def __post_init__(self) -> None:
        self.n = 1 << self.log_rows
        self.w = root_of_unity(self.log_rows)
        self.lde = Domain(self.log_rows, self.options.log_blowup, GENERATOR)
        self.transcript = Transcript()
        self.salts = [self.rng.randbytes(self.options.salt_bytes) for _ in range(self.n << self.options.log_blowup)]

    def uniform(self, count: int) -> Poly:
        return [self.rng.randrange(P) for _ in range(count)]

    def masked(self, column: Sequence[int]) -> Poly:
        """f + (X^N - 1) r."""
        r = self.uniform(self.options.mask_coefficients)
        f = intt(column, self.w) + [0] * len(r)
        for i, a in enumerate(r):
            f[i] = (f[i] - a) % P
            f[self.n + i] = (f[self.n + i] + a) % P
        return f

    def commit(self, number: int, polynomials: Sequence[Poly]) -> tuple[Tree, list[list[int]]]:
        """Tree over the LDE of the polynomials, and the LDE's rows."""
        rows = [list(row) for row in zip(*(self.lde.values(c) for c in polynomials), strict=True)]
        return Tree(number, rows, self.salts), rows

    def absorb_statement(self) -> None:
        """Step 0."""
        t = self.transcript
        t.absorb("program", self.program.digest())
        t.absorb("options", self.options.encode())
        t.absorb("log_rows", words([self.log_rows]))
        t.absorb("publics", words(self.publics))
        flat = [len(self.public_interactions)]
        for multiplicity, message in self.public_interactions:
            flat += [multiplicity, len(message), *message]
        t.absorb("public interactions", words(flat))

    def auxiliary(self, trace: Sequence[Sequence[int]], lookup: Challenges, share: Ext) -> list[list[Ext]]:
        """The LogUp columns, row by row: h of each group but the last, then the accumulator."""
        columns: list[list[Ext]] = [[] for _ in self.program.groups]
        total = ZERO
        for i in range(self.n):
            row = [embed(column[i]) for column in trace]
            following = [embed(trace[c][(i + 1) % self.n]) for c in self.program.next_columns]
            at = (embed(int(i == 0)), embed(int(i == self.n - 1)), embed(pow(self.w, i, P) - inverse(self.w)))
            values = evaluate_program(self.program, row, following, self.publics, at)
            if self.honest and any(c != ZERO for c in values.constraints):
                bad = next(k for k, c in enumerate(values.constraints) if c != ZERO)
                raise WitnessError(f"{self.program.constraint_names[bad]}, row {i}")
            sums = [self.fractions(values, group, lookup) for group in self.program.groups]
            columns[-1].append(total)
            for column, s in zip(columns, sums[:-1], strict=False):
                column.append(s)
            for s in sums:
                total = ext_add(total, s)
            total = ext_add(total, share)
        if self.honest and total != ZERO:
            raise WitnessError("the interactions do not balance")
        return columns

    @staticmethod
    def fractions(values: object, group: tuple[int, int], lookup: Challenges) -> Ext:
        total = ZERO
        for i in group:
            if i >= 0:
                message, numerator = values.messages[i], values.numerators[i]  # type: ignore[attr-defined]
                fingerprint = ext_add(lookup.alpha, ext_dot(message, powers(lookup.beta, len(message))))
                top = ext_dot(numerator, powers(lookup.gamma, len(numerator)))
                total = ext_add(total, ext_mul(top, ext_inv(fingerprint)))
        return total

    def quotient(
        self,
        main: list[list[int]],
        aux: list[list[int]],
        lookup: Challenges,
        share: Ext,
        coefficients: Sequence[Ext],
    ) -> list[Poly]:
        """Step 3: the ten chunk columns."""
        values = []
        for index, x in enumerate(self.lde.points()):
            j, i = divmod(index, self.n)
            after = j * self.n + (i + 1) % self.n
            row, following = (
                map(embed, main[index]),
                [embed(main[after][c]) for c in self.program.next_columns],
            )
            z = embed(x)
            found = evaluate_program(self.program, list(row), following, self.publics, selectors(z, self.log_rows))
            extension = [tuple(aux[index][g : g + 5]) for g in range(0, len(aux[index]), 5)]
            acc_next = tuple(aux[after][-5:])
            lookups = lookup_constraints(self.program, found, lookup, extension, acc_next, share)
            combined = ext_dot(coefficients, found.constraints + lookups)
            values.append(ext_scale(combined, inverse(pow(x, self.n, P) - 1)))
        split = self.options.chunk(self.log_rows)
        low, high = [], []
        for c in range(5):
            q = self.lde.interpolate([v[c] for v in values])
            if self.honest and any(q[2 * split :]):
                raise WitnessError("the quotient is not a polynomial")
            b = self.uniform(self.options.blinding_coefficients)
            low.append(q[:split] + b)
            second = (q[split : 2 * split] + [0] * split)[:split]
            high.append([(a - s) % P for a, s in zip(second, b + [0] * (split - len(b)), strict=True)])
        return low + high

    def claim(self, values: list[Ext], zeta: Ext) -> list[Ext]:
        """Step 4: the values to send. A cheating prover says something else here."""
        return values

    def deep(self, rows: list[list[int]], following: list[list[int]], masks: list[list[int]],
             values: Sequence[Ext], coefficients: Sequence[Ext], zeta: Ext) -> list[Ext]:  # fmt: skip
        """Step 5: F on the LDE domain."""
        here = len(rows[0])
        result = []
        for row, after, mask, x in zip(rows, following, masks, self.lde.points(), strict=True):
            total: Ext = tuple(mask)  # type: ignore[assignment]
            for z, group, part in ((zeta, row, slice(here)), (ext_scale(zeta, self.w), after, slice(here, None))):
                apart = [ext_sub(embed(f), value) for f, value in zip(group, values[part], strict=True)]
                total = ext_add(total, ext_mul(ext_dot(coefficients[part], apart), ext_inv(ext_sub(embed(x), z))))
            result.append(total)
        return result

    def fri(self, values: list[Ext]) -> tuple[list[Tree], list[int], tuple[Ext, ...]]:
        """Step 6: trees of the layers, nonces, and the final polynomial."""
        domain, polynomial = self.lde, self.lde.interpolate_ext(values)
        trees, nonces = [], []
        for r in range(self.options.folds(self.log_rows) + 1):
            bound = self.options.degree_bound(self.log_rows, r)
            if self.honest and any(c != ZERO for c in polynomial[bound:]):
                raise WitnessError(f"FRI layer {r} has too high a degree")
            polynomial = polynomial[:bound]
            if r == self.options.folds(self.log_rows):
                return trees, nonces, tuple(polynomial)
            layer, n, eighth = domain.values_ext(polynomial), 1 << domain.log_n, 1 << domain.log_n >> 3
            leaves = [
                [c for t in range(8) for c in layer[j * n + i + t * eighth]]
                for j in range(1 << domain.log_b)
                for i in range(eighth)
            ]
            trees.append(Tree(FRI + r, leaves, [b""] * len(leaves)))
            self.transcript.absorb("fri root", trees[-1].root)
            nonces.append(self.transcript.grind("fold grinding", self.options.round_grinding))
            beta = powers(self.transcript.challenge("fold"), 8)
            padded = polynomial + [ZERO] * (-len(polynomial) % 8)
            polynomial = [ext_dot(padded[i : i + 8], beta) for i in range(0, len(padded), 8)]
            domain = Domain(domain.log_n - 3, domain.log_b, pow(domain.shift, 8, P))
        raise AssertionError

    def prove(self, trace: Sequence[Sequence[int]]) -> Proof:
        t, grinding = self.transcript, self.options.round_grinding
        self.absorb_statement()
        main = [self.masked(column) for column in trace]  # 1
        main_tree, main_rows = self.commit(MAIN, main)
        t.absorb("main root", main_tree.root)
        lookup_nonce = t.grind("lookup grinding", grinding)
        lookup = Challenges(*t.challenges("lookup", 3))
        share = ext_scale(public_sum(self.public_interactions, lookup), inverse(self.n))
        columns = self.auxiliary(trace, lookup, share)  # 2
        aux = [self.masked([v[c] for v in column]) for column in columns for c in range(5)]
        aux_tree, aux_rows = self.commit(AUX, aux)
        t.absorb("aux root", aux_tree.root)
        constraint_nonce = t.grind("constraint grinding", grinding)
        coefficients = t.challenges("constraint", self.program.n_constraints + len(columns))
        chunks = self.quotient(main_rows, aux_rows, lookup, share, coefficients)  # 3
        mask = [self.uniform(self.options.degree_bound(self.log_rows)) for _ in range(5)]
        quotient_tree, quotient_rows = self.commit(QUOTIENT, chunks + mask)
        t.absorb("quotient root", quotient_tree.root)
        zeta_nonce = t.grind("zeta grinding", grinding)
        zeta = t.challenge("zeta")
        later = [main[c] for c in self.program.next_columns] + aux[-5:]  # 4
        values = [evaluate(c, zeta) for c in main + aux + chunks]
        values += [evaluate(c, ext_scale(zeta, self.w)) for c in later]
        values = self.claim(values, zeta)
        t.absorb("out of domain", pack_ext(values))
        deep_nonce = t.grind("deep grinding", grinding)  # 5
        rows = [[*a, *b, *c[:10]] for a, b, c in zip(main_rows, aux_rows, quotient_rows, strict=True)]
        following = [
            [*(a[c] for c in self.program.next_columns), *b[-5:]] for a, b in zip(main_rows, aux_rows, strict=True)
        ]
        masks = [row[10:] for row in quotient_rows]
        deep = self.deep(rows, following, masks, values, t.challenges("deep", len(values)), zeta)
        fri_trees, fold_nonces, final = self.fri(deep)  # 6
        t.absorb("final", pack_ext(final))
        query_nonce = t.grind("query grinding", self.options.query_grinding)  # 7
        queries = t.indices("query", self.options.queries, self.log_rows + self.options.log_blowup)
        shape = proof_shape(self.program, self.options, self.log_rows)
        trees = [main_tree, aux_tree, quotient_tree, *fri_trees]
        openings = open_all(shape, queries, trees, self.salts)
        head = Head(
            main_tree.root, lookup_nonce, aux_tree.root, constraint_nonce, quotient_tree.root, zeta_nonce,
            tuple(values), deep_nonce, tuple(tree.root for tree in fri_trees), tuple(fold_nonces), final,
            query_nonce,
        )  # fmt: skip
        return Proof(head, openings)


def slow_prove(
    program: Program,
    publics: Sequence[int],
    public_interactions: Sequence[PublicInteraction],
    trace: Sequence[Sequence[int]],
    log_rows: int,
    options: Options,
    *,
    rng: random.Random | None = None,
    honest: bool = True,
) -> bytes:
    """A proof in plain Python.

    Args:
        trace: one list of 2^log_rows canonical integers per main column.
        rng: for repeatable tests; by default the operating system's randomness.
        honest: False goes on with a wrong witness.

    Raises:
        WitnessError: the trace does not satisfy the program.
    """
    source = rng if rng is not None else secrets.SystemRandom()
    prover = SlowProver(program, publics, public_interactions, log_rows, options, source, honest)
    return serialize(prover.prove(trace))
