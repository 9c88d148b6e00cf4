"""The prover. Step numbers are those of PROTOCOL.md section 6, as in zk/verifier.py.

Matrices are uint32 in Montgomery form, column-major: an LDE is (columns, cosets, N + pad). A committed polynomial of
degree < N + t is kept as its LDE and its *tail*, the t coefficients from X^N on: with them, values on one coset alone
determine it (f = g + (X^N - c) tail, where g of degree < N has f's values on the coset x^N = c). From the constraints on that is
coset LAST, the last on which they are evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from zk.air import ASSERT, CONST, PUB, Program
from zk.commitment import Committed, Committer, alloc_trace, copied, openings
from zk.errors import OptionsError, WitnessError
from zk.evaluation import Challenges, PublicInteraction, ext_dot, identity_holds, powers, public_sum
from zk.field import DEGREE, GENERATOR, Ext, P, embed, ext_pow, ext_scale, ext_sub, inverse, root_of_unity
from zk.hiding import U32, uniform_elements
from zk.kernels import deep, field, hashing, logup, ntt, vm
from zk.kernels._memory import aligned, aligned_zeros
from zk.kernels.quotient import COSETS, points, quotient_coefficients, quotient_values
from zk.merkle import AUX, FRI, MAIN, QUOTIENT
from zk.options import STD, Options
from zk.proof import ARITY_BITS, CHUNK_COLUMNS, Head, Proof, Shape, pack_ext, proof_shape, serialize
from zk.selectors import row_selectors, selectors
from zk.transcript import Transcript, words

Progress = Callable[[str, float], None]
"""Called as progress(phase, share of the work done before it), phases in the order of PHASES, then ("done", 1.0)."""

PHASES = {
    "main trace": 0.0,
    "lookups": 0.51,
    "constraints": 0.64,
    "out of domain": 0.87,
    "deep": 0.91,
    "fri": 0.97,
    "openings": 0.99,
}
"""Phases and the share of a proof's time that lies before each, as measured at 2^18 rows."""

SALT_BYTES = 16

LAST = COSETS - 1


class _Columns:
    """Committed columns one by one: all values on coset LAST, and tails by matrix."""

    def __init__(self, *parts: tuple[Committed, Sequence[int]]) -> None:
        self.values = [committed.on(LAST)[c, 0] for committed, chosen in parts for c in chosen]
        self.tails = [committed.tails[list(chosen)] for committed, chosen in parts]
        self.width = max(tails.shape[1] for tails in self.tails)


def prove(
    program: Program,
    publics: Sequence[int],
    public_interactions: Sequence[PublicInteraction],
    trace: U32,
    log_rows: int,
    options: Options = STD,
    progress: Progress | None = None,
) -> bytes:
    """Proves that `trace` satisfies `program`. The proof verifies with `zk.verifier.verify` on the same arguments.

    Args:
        program: the compiled AIR.
        publics: its public inputs, canonical integers.
        public_interactions: (multiplicity, message) terms that the verifier adds, canonical integers.
        trace: (n_columns, N) uint32 Montgomery, N = 2^log_rows. One from `alloc_trace` is overwritten, any other copied.
        log_rows: k.
        options: proof options; every one but STD is for tests.
        progress: called at the start of each phase.

    Returns:
        The proof's bytes, PROTOCOL.md section 8. Two calls never return the same.

    Raises:
        WitnessError: the trace does not satisfy the program; nothing was proven.
        OptionsError: the height is not allowed under the options.
    """
    options.validate(log_rows)
    if options.salt_bytes != SALT_BYTES:
        raise OptionsError(f"the hashing kernels take salts of {SALT_BYTES} bytes, not {options.salt_bytes}")
    if trace.shape != (program.n_columns, 1 << log_rows) or trace.dtype != np.uint32:
        raise WitnessError(f"the trace is {trace.shape} {trace.dtype}, not {(program.n_columns, 1 << log_rows)} uint32")
    run = _Run(program, publics, public_interactions, options, log_rows, progress, trace)
    del trace
    return run.prove()


class _Run:
    """State of one proof."""

    def __init__(
        self,
        program: Program,
        publics: Sequence[int],
        public_interactions: Sequence[PublicInteraction],
        options: Options,
        log_rows: int,
        progress: Progress | None,
        trace: U32,
    ) -> None:
        self.trace = trace
        self.program = program
        self.publics = publics
        self.public_interactions = public_interactions
        self.options = options
        self.log_rows = log_rows
        self.rows = 1 << log_rows
        self.shape: Shape = proof_shape(program, options, log_rows)
        self.progress = progress or (lambda phase, share: None)
        self.ops, self.consts = _kernel_program(program, publics)
        self.transcript = Transcript()
        self.committer = Committer(options, log_rows, program.n_columns + DEGREE * program.n_aux)
        self.points = points(log_rows, options.log_blowup)

    def prove(self) -> bytes:
        """Steps 0 to 7."""
        t, grinding = self.transcript, self.options.round_grinding
        self._absorb_statement()  # 0

        self._phase("main trace")
        lookup_ops, columns = _lookup_program(self.ops.tobytes())
        looked_up = copied(self.trace, columns)
        main = self.committer.commit(self.trace, MAIN)  # 1
        del self.trace
        t.absorb("main root", main.tree.root)
        lookup_nonce = self._grind("lookup grinding", grinding)
        lookup = Challenges(*t.challenges("lookup", 3))

        self._phase("lookups")
        aux_trace, offset = self._lookups(lookup_ops, looked_up, lookup)  # 2
        del looked_up
        aux = self.committer.commit(aux_trace, AUX)
        del aux_trace
        t.absorb("aux root", aux.tree.root)
        constraint_nonce = self._grind("constraint grinding", grinding)
        coefficients = t.challenges("constraint", self.program.n_constraints + self.program.n_aux)

        self._phase("constraints")
        quotient = self._quotient(main, aux, lookup, offset, coefficients)  # 3
        t.absorb("quotient root", quotient.tree.root)
        zeta_nonce = self._grind("zeta grinding", grinding)
        zeta = t.challenge("zeta")

        self._phase("out of domain")
        values = self._out_of_domain(zeta, main, aux, quotient)  # 4
        self._check_identity(lookup, coefficients, zeta, values)
        t.absorb("out of domain", pack_ext(values))
        deep_nonce = self._grind("deep grinding", grinding)

        self._phase("deep")
        layer = self._deep(zeta, values, t.challenges("deep", len(values)), main, aux, quotient)  # 5

        self._phase("fri")
        trees, layers, fold_nonces, final = self._fri(layer)  # 6
        t.absorb("final", pack_ext(final))
        query_nonce = self._grind("query grinding", self.options.query_grinding)  # 7
        queries = t.indices("query", self.options.queries, self.log_rows + self.options.log_blowup)

        self._phase("openings")
        head = Head(
            main.tree.root, lookup_nonce, aux.tree.root, constraint_nonce, quotient.tree.root, zeta_nonce, values,
            deep_nonce, tuple(tree.root for tree in trees), tuple(fold_nonces), final, query_nonce,
        )  # fmt: skip
        proof = serialize(Proof(head, openings(self.shape, queries, self.committer.salts, (main, aux, quotient), trees, layers)))
        self.progress("done", 1.0)
        return proof

    def _absorb_statement(self) -> None:
        t = self.transcript
        t.absorb("program", self.program.digest())
        t.absorb("options", self.options.encode())
        t.absorb("log_rows", words([self.log_rows]))
        t.absorb("publics", words(self.publics))
        terms = [word for m, message in self.public_interactions for word in (m, len(message), *message)]
        t.absorb("public interactions", words([len(self.public_interactions), *terms]))

    def _phase(self, name: str) -> None:
        self.progress(name, PHASES[name])

    def _grind(self, label: str, bits: int) -> int:
        nonce = hashing.grind(self.transcript.state, bits)
        self.transcript.absorb_nonce(label, bits, nonce)
        return nonce

    def _lookups(self, ops: NDArray[np.int32], columns: U32, lookup: Challenges) -> tuple[U32, Ext]:
        """Auxiliary trace (5 G, N) and the accumulator's constant P/N. Raises WitnessError when the buses do not balance.

        ops: what the lookups need of the program, over these columns of the trace.
        """
        n = self.rows
        trace = alloc_trace(DEGREE * self.program.n_aux, self.log_rows)
        h = trace.reshape(-1, DEGREE, n)
        logup.fractions(
            ops, self.consts, columns[:, None], n, self._challenges(lookup), np.array(self.program.groups),
            row_selectors(self.log_rows), h,
        )  # fmt: skip
        total = public_sum(self.public_interactions, lookup)
        offset = ext_scale(total, inverse(n))
        if tuple(logup.balancing_offset(h)) != offset:
            raise WitnessError("the buses do not balance: some lookup has no counterpart")
        h[-1] = logup.accumulate(h, offset)
        return trace, offset

    def _challenges(self, lookup: Challenges) -> vm.Challenges:
        longest = max(m for _, m in self.program.interactions)
        most = max(n for n, _ in self.program.interactions)
        return vm.Challenges(lookup.alpha, powers(lookup.beta, longest), powers(lookup.gamma, most))

    def _quotient(
        self, main: Committed, aux: Committed, lookup: Challenges, offset: Ext, coefficients: Sequence[Ext]
    ) -> Committed:
        """Blinded chunks of the quotient and the FRI mask, committed. Raises WitnessError when a constraint fails."""
        n, o = self.rows, self.options
        first = self.points
        inverses = [inverse(pow(x, n, P) - 1) for x in first]
        rest = self._challenges(lookup), np.array(self.program.groups), coefficients, offset

        def on(coset: int, main: U32, aux: U32, rows: int, following: tuple[U32, U32] | None = None) -> U32:
            chosen = selectors([first[coset]], rows, self.log_rows)
            return quotient_values(self.ops, self.consts, main, aux, chosen, rows, [inverses[coset]], *rest, following)[:, 0]

        values = aligned(DEGREE * COSETS * n).reshape(DEGREE, COSETS, n)
        for coset in range(COSETS):
            for committed in (main, aux):
                committed.keep(coset, self.log_rows, o.log_blowup)
            values[:, coset] = on(coset, main.on(coset), aux.on(coset), n)
        here, following = ((main.sample[:, k : k + 1], aux.sample[:, k : k + 1]) for k in (0, 1))
        sample = on(COSETS, *here, self.committer.sample_rows, following)
        q = quotient_coefficients(values, sample, self.log_rows, o.log_blowup)
        split, bound = o.chunk(self.log_rows), o.degree_bound(self.log_rows)
        if q[:, 2 * split :].any():
            raise WitnessError("a constraint does not hold on the trace")
        chunks = aligned_zeros((CHUNK_COLUMNS + DEGREE) * _padded(bound)).reshape(-1, _padded(bound))[:, :bound]
        chunks[:DEGREE, :split] = q[:, :split]
        chunks[DEGREE:CHUNK_COLUMNS, :split] = q[:, split : 2 * split]
        blinding = uniform_elements((DEGREE, o.blinding_coefficients))
        d = o.blinding_coefficients
        chunks[:DEGREE, split : split + d] = blinding
        low = chunks[DEGREE:CHUNK_COLUMNS, :d]
        field.difference(low, blinding, low)
        chunks[CHUNK_COLUMNS:] = uniform_elements((DEGREE, bound))  # the FRI mask
        return self.committer.commit_coefficients(chunks, QUOTIENT)

    def _out_of_domain(self, zeta: Ext, main: Committed, aux: Committed, quotient: Committed) -> tuple[Ext, ...]:
        """Values of the columns at zeta and w zeta, by the barycentric formula on coset LAST plus the tails."""
        n, first = self.rows, self.points[LAST]
        coset = pow(first, n, P)
        inverses = deep.inverse_differences(zeta, self.log_rows, self.options.log_blowup, [LAST])[:, 0]
        points = field.powers(first, root_of_unity(self.log_rows), n)
        weights = field.scale(inverses, points)  # x / (x - zeta)
        vanishing = ext_sub(ext_pow(zeta, n), embed(coset))
        scale = ext_scale(vanishing, P - inverse(n * coset % P))

        def at(point: Ext, columns: _Columns, shift: int) -> list[Ext]:
            low = _from_mont_ext(deep.dot_rows(columns.values, weights, shift))
            powers = field.ext_powers(point, columns.width)
            high = [v for t in columns.tails for v in _from_mont_ext(deep.dot_rows(t, powers[:, : t.shape[1]]))]
            return [ext_dot((a, b), (scale, vanishing)) for a, b in zip(low, high, strict=True)]

        opened = self._opened(zeta, main, aux, quotient)
        return tuple(value for shift, (point, columns) in enumerate(opened) for value in at(point, columns, shift))

    def _check_identity(self, lookup: Challenges, coefficients: Sequence[Ext], zeta: Ext, values: Sequence[Ext]) -> None:
        """The verifier's own check, before anything is shown: a false quotient tells how the trace fails. Raises WitnessError.

        The quotient's degree tells most failures sooner, but not those of low degree over the trace, as of all rows alike.
        """
        split = self.options.chunk(self.log_rows)
        if not identity_holds(
            self.program, self.publics, self.public_interactions, self.log_rows, split, lookup, coefficients, zeta,
            self.shape.split(values),
        ):  # fmt: skip
            raise WitnessError("a constraint does not hold on the trace")

    def _opened(
        self, zeta: Ext, main: Committed, aux: Committed, quotient: Committed
    ) -> tuple[tuple[Ext, _Columns], tuple[Ext, _Columns]]:
        """The columns opened at zeta and at w zeta, in the order of the out-of-domain values."""
        last = len(aux.tails)
        here = _Columns((main, range(len(main.tails))), (aux, range(last)), (quotient, range(CHUNK_COLUMNS)))
        following = _Columns((main, self.program.next_columns), (aux, range(last - DEGREE, last)))
        return (zeta, here), (ext_scale(zeta, root_of_unity(self.log_rows)), following)

    def _deep(
        self, zeta: Ext, values: Sequence[Ext], coefficients: Sequence[Ext], main: Committed, aux: Committed,
        quotient: Committed,
    ) -> U32:  # fmt: skip
        """F on the LDE domain, (5, B, N): the two combinations from coset LAST and the tails, extended, then divided."""
        n, o, first = self.rows, self.options, 0
        result = aligned(DEGREE * o.blowup * n).reshape(DEGREE, o.blowup, n)
        for coset, committed in enumerate(quotient.cosets):
            result[:, coset] = committed[CHUNK_COLUMNS:, :n]  # the FRI mask
        numerator = ntt.alloc_lde(DEGREE, o.blowup, n)
        for point, columns in self._opened(zeta, main, aux, quotient):
            last = first + len(columns.values)
            total = ext_dot(coefficients[first:last], values[first:last])
            combined = self._combination(columns, coefficients[first:last])
            combined[:, 0] = field.difference(combined[:, 0], field.to_mont(np.array(total, dtype=np.uint32)))
            ntt.lde(combined, self.log_rows, o.log_blowup, numerator)
            deep.add_quotients(numerator, point, self.log_rows, o.log_blowup, result)
            first = last
        return result

    def _combination(self, columns: _Columns, coefficients: Sequence[Ext]) -> U32:
        """Coefficients (5, N + t) of sum coefficient x column."""
        n, t, first = self.rows, columns.width, self.points[LAST]
        result = aligned_zeros(DEGREE * _padded(n + t)).reshape(DEGREE, -1)
        low, high = result[:, :n], result[:, n : n + t]
        deep.linear_combination(columns.values, coefficients, n, low)
        start = 0
        for tails in columns.tails:
            part = high[:, : tails.shape[1]]
            deep.linear_combination(tails, coefficients[start : start + len(tails)], tails.shape[1], part)
            start += len(tails)
        ntt.interpolate(low, low)
        field.scale(low, field.powers(1, inverse(first), n), low)  # coefficients of g
        coset = field.to_mont(np.array([pow(first, n, P)], dtype=np.uint32))
        padded = result[:, n:]
        result[:, : padded.shape[1]] = field.difference(result[:, : padded.shape[1]], field.scale(padded, coset))
        return result

    def _fri(self, layer: U32) -> tuple[list[hashing.Tree], list[U32], list[int], tuple[Ext, ...]]:
        """Commits and folds; returns trees, layers, nonces and the final polynomial's coefficients."""
        t, trees, layers, nonces = self.transcript, [], [], []
        for r in range(self.shape.folds):
            tree = hashing.merkle_commit_fri(layer, FRI + r)
            t.absorb("fri root", tree.root)
            nonces.append(self._grind("fold grinding", self.options.round_grinding))
            trees.append(tree)
            layers.append(layer)
            layer = deep.fold8(layer, t.challenge("fold"), pow(GENERATOR, 1 << ARITY_BITS * r, P))
        return trees, layers, nonces, self._final(layer)

    def _final(self, layer: U32) -> tuple[Ext, ...]:
        """Coefficients of the last layer, lowest first. Raises WitnessError when its degree is too high: a prover's bug."""
        blowup, n = layer.shape[1:]
        natural = np.ascontiguousarray(layer.transpose(0, 2, 1)).reshape(DEGREE, blowup * n)  # j + B i
        coefficients = ntt.interpolate(natural)
        shift = inverse(pow(GENERATOR, 1 << ARITY_BITS * self.shape.folds, P))
        scaled = field.scale(coefficients, field.powers(1, shift, blowup * n))
        if scaled[:, self.shape.final_length :].any():
            raise WitnessError("internal error: the final polynomial has too high a degree; nothing was proven")
        return tuple(_from_mont_ext(scaled[:, : self.shape.final_length].T))


def _kernel_program(program: Program, publics: Sequence[int]) -> tuple[NDArray[np.int32], U32]:
    """Ops and constant pool for the interpreter: public inputs follow the program's constants."""
    shift = len(program.constants)

    def place(word: int) -> int:
        return (CONST << 24) + shift + (word & 0xFFFFFF) if word >> 24 == PUB else word

    ops = np.array([(op, dst, place(a), b if op >= ASSERT else place(b)) for op, dst, a, b in program.ops], dtype=np.int32)
    return ops, field.to_mont(np.array([*program.constants, *publics] or [0], dtype=np.uint32))


@lru_cache(maxsize=8)
def _lookup_program(ops: bytes) -> tuple[NDArray[np.int32], list[int]]:
    """What the lookups need of a program, over no more columns than they read, and which these are."""
    return vm.columns_only(vm.interactions_only(np.frombuffer(ops, dtype=np.int32).reshape(-1, 4)))


def _from_mont_ext(rows: U32) -> list[Ext]:
    """(C, 5) Montgomery to extension elements."""
    return [(a, b, c, d, e) for a, b, c, d, e in field.from_mont(np.ascontiguousarray(rows)).tolist()]


def _padded(length: int) -> int:
    """Row length of a coefficient buffer: a multiple of sixteen words."""
    return -(-length // 16) * 16

