"""The verifier: Python's standard library alone, no numba, no numpy, no prover.

Step numbers are those of PROTOCOL.md section 6, names and order of checks those of its section 11. Whatever
bytes it is given, `verify` returns a report or raises a ZkError: ProofRejected for a failed check,
MalformedProof for bytes that are no proof, StatementError, OptionsError or AirError for a caller's own
arguments.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul

from zk.air import Program
from zk.errors import AirError, OptionsError, ProofRejected, StatementError
from zk.evaluation import (
    Challenges,
    PublicInteraction,
    dot,
    ext_dot,
    identity_holds,
    pack,
    packed_dot,
    powers,
)
from zk.field import (
    DEGREE,
    GENERATOR,
    ONE,
    Ext,
    P,
    batch_inverse,
    embed,
    ext_add,
    ext_mul,
    ext_pow,
    ext_scale,
    ext_sub,
    inverse,
    is_element,
    root_of_unity,
)
from zk.merkle import leaf_hash, opening_root
from zk.options import STD, Options
from zk.program_file import check_program
from zk.proof import (
    ARITY,
    ARITY_BITS,
    CHUNK_COLUMNS,
    Head,
    Opening,
    Openings,
    Shape,
    Tree,
    pack_ext,
    parse_head,
    parse_openings,
    proof_shape,
    whole_leaf,
)
from zk.security import SecurityReport, security_report
from zk.transcript import Transcript, words

FLOOR_BITS = 100.0


def verify(
    program: Program,
    publics: Sequence[int],
    public_interactions: Sequence[PublicInteraction],
    log_rows: int,
    proof: bytes,
    options: Options = STD,
    *,
    floor_bits: float = FLOOR_BITS,
    allow_insecure: bool = False,
) -> SecurityReport:
    """Verifies a proof that some trace of 2^log_rows rows satisfies `program` for the public values.

    Args:
        program: the compiled AIR.
        publics: its public inputs, integers in [0, p).
        public_interactions: (multiplicity, message) terms that the verifier adds to the LogUp sum, canonical
            elements.
        log_rows: k; the table has 2^k rows.
        proof: the proof's bytes.
        options: what the verifier asks for; never read from the proof.
        floor_bits: least security by unique decoding that is accepted.
        allow_insecure: accept options marked insecure. For tests; no command passes it.

    Returns:
        The security report: bits of each term, as computed for this statement.

    Raises:
        ProofRejected: a check failed; `check` names it.
        MalformedProof: the bytes are not a proof in canonical form.
        StatementError, OptionsError, AirError: the other arguments are not usable.
    """
    _check_arguments(program, publics, public_interactions, options, allow_insecure)
    if type(floor_bits) not in (int, float):
        raise OptionsError("the floor is a number of bits")
    options.validate(log_rows)
    report = security_report(program, log_rows, options, public_interactions)
    if not report.unique_decoding.bits >= floor_bits:
        raise ProofRejected("security", f"{report.unique_decoding.bits:.1f} bits, {floor_bits} are required")
    shape = proof_shape(program, options, log_rows)
    head = parse_head(proof, shape)

    run = _Run(program, publics, public_interactions, options, shape, head)
    draws = run.replay_transcript()  # steps 0 to 7: every challenge, every grinding
    openings = parse_openings(proof, shape, draws.queries)
    run.check_out_of_domain(draws)  # step 4
    run.check_traces(draws, openings)
    run.check_layers(draws, openings)  # step 7
    return report


def _check_arguments(
    program: object, publics: object, public_interactions: object, options: object, allow_insecure: bool
) -> None:
    if not isinstance(program, Program):
        raise AirError("the program is not a Program")
    check_program(program)
    if not isinstance(options, Options):
        raise OptionsError("the options are not Options")
    if options.insecure and allow_insecure is not True:
        raise OptionsError(f"options {options.name} are insecure: for tests only")
    if not isinstance(publics, (list, tuple)) or len(publics) != program.n_publics:
        raise StatementError(f"publics: a list of {program.n_publics} elements is expected")
    if not all(map(is_element, publics)):
        raise StatementError("publics: a value is not an integer in [0, p)")
    if not isinstance(public_interactions, (list, tuple)):
        raise StatementError("public interactions: a list is expected")
    for item in public_interactions:
        if not isinstance(item, (list, tuple)) or len(item) != 2 or not is_element(item[0]):
            raise StatementError("public interactions: each is a multiplicity in [0, p) and a message")
        if not isinstance(item[1], (list, tuple)) or not item[1] or not all(map(is_element, item[1])):
            raise StatementError("public interactions: a message is a list of integers in [0, p), not empty")


@dataclass(frozen=True)
class _Draws:
    """Everything drawn from the transcript."""

    lookup: Challenges
    constraint: list[Ext]
    zeta: Ext
    deep: list[Ext]
    folds: list[Ext]
    queries: list[int]


@dataclass(frozen=True)
class _Run:
    """One verification: the statement, the verifier's parameters and the proof's head."""

    program: Program
    publics: Sequence[int]
    public_interactions: Sequence[PublicInteraction]
    options: Options
    shape: Shape
    head: Head

    def replay_transcript(self) -> _Draws:
        """Steps 0 to 7: absorbs what the prover sent, draws every challenge, checks every nonce."""
        head, shape = self.head, self.shape
        grinding = self.options.round_grinding
        t = Transcript()
        self._absorb_statement(t)  # 0
        t.absorb("main root", head.main_root)  # 1
        t.absorb_nonce("lookup grinding", grinding, head.lookup_nonce)
        lookup = Challenges(*t.challenges("lookup", 3))
        t.absorb("aux root", head.aux_root)  # 2
        t.absorb_nonce("constraint grinding", grinding, head.constraint_nonce)
        constraint = t.challenges("constraint", self.program.n_constraints + self.program.n_aux)
        t.absorb("quotient root", head.quotient_root)  # 3
        t.absorb_nonce("zeta grinding", grinding, head.zeta_nonce)
        zeta = t.challenge("zeta")
        self._check_zeta(zeta)
        t.absorb("out of domain", pack_ext(head.values))  # 4
        t.absorb_nonce("deep grinding", grinding, head.deep_nonce)  # 5
        deep = t.challenges("deep", shape.values)
        folds = []
        for root, nonce in zip(head.fri_roots, head.fold_nonces, strict=True):  # 6
            t.absorb("fri root", root)
            t.absorb_nonce("fold grinding", grinding, nonce)
            folds.append(t.challenge("fold"))
        t.absorb("final", pack_ext(head.final))
        t.absorb_nonce("query grinding", self.options.query_grinding, head.query_nonce)  # 7
        queries = t.indices("query", self.options.queries, shape.log_rows + shape.log_blowup)
        return _Draws(lookup, constraint, zeta, deep, folds, queries)

    def _absorb_statement(self, t: Transcript) -> None:
        t.absorb("program", self.program.digest())
        t.absorb("options", self.options.encode())
        t.absorb("log_rows", words([self.shape.log_rows]))
        t.absorb("publics", words(self.publics))
        flat = [len(self.public_interactions)]
        for multiplicity, message in self.public_interactions:
            flat += [multiplicity, len(message), *message]
        t.absorb("public interactions", words(flat))

    def _check_zeta(self, zeta: Ext) -> None:
        rows = 1 << self.shape.log_rows
        shifted = ext_scale(zeta, inverse(GENERATOR))
        if ext_pow(zeta, rows) == ONE or ext_pow(shifted, rows << self.shape.log_blowup) == ONE:
            raise ProofRejected("zeta", "the out-of-domain point lies in a domain")

    def check_out_of_domain(self, draws: _Draws) -> None:
        """Step 4: the constraints' combination at zeta is the vanishing polynomial times the quotient."""
        log_rows = self.shape.log_rows
        if not identity_holds(
            self.program, self.publics, self.public_interactions, log_rows, self.options.chunk(log_rows),
            draws.lookup, draws.constraint, draws.zeta, self.shape.split(self.head.values),
        ):  # fmt: skip
            raise ProofRejected("out of domain", "the constraints do not match the quotient")

    def check_traces(self, draws: _Draws, openings: Openings) -> None:
        """The opened rows of the three trace trees lead to their roots."""
        head = self.head
        roots = {"main root": head.main_root, "aux root": head.aux_root, "quotient root": head.quotient_root}
        leaves = sorted(set(draws.queries))
        for (name, root), tree, opening in zip(roots.items(), self.shape.trees, openings.trees, strict=False):
            _check_root(name, root, tree, zip(leaves, openings.salts, opening.rows, strict=True), opening.siblings)

    def check_layers(self, draws: _Draws, openings: Openings) -> None:
        """Step 7: F at the queries and each fold after it, completed to leaves that lead to the layers' roots; the last against `final`."""
        shape = self.shape
        queries = sorted(set(draws.queries))
        computed = dict(zip(queries, self._deep_values(draws, queries, openings.trees), strict=True))
        layers = zip(self.head.fri_roots, shape.trees[3:], shape.places(queries), openings.trees[3:], strict=True)
        for r, (root, tree, places, opening) in enumerate(layers):
            leaves = {
                leaf: whole_leaf(sent, places[leaf], computed) for leaf, sent in zip(places, opening.rows, strict=True)
            }
            _check_root("fri root", root, tree, ((leaf, b"", row) for leaf, row in leaves.items()), opening.siblings)
            computed = _fold(leaves, draws.folds[r], shape, r)
        if _values(self.head.final, _points(computed, shape, shape.folds)) != list(computed.values()):
            raise ProofRejected("final", "the last layer is not the final polynomial")

    def _deep_values(self, draws: _Draws, queries: Sequence[int], traces: Sequence[Opening]) -> list[Ext]:
        """Step 5: F at each query, from the opened rows of the three trace trees."""
        here = sum(self.shape.counts[:3])
        values, coefficients = self.head.values, draws.deep
        sum_here = ext_dot(coefficients[:here], values[:here])
        sum_next = ext_dot(coefficients[here:], values[here:])
        packed = [pack(c) for c in coefficients]
        packed_here, packed_next = packed[:here], packed[here:]
        zeta_next = ext_scale(draws.zeta, root_of_unity(self.shape.log_rows))
        points = map(embed, _points(queries, self.shape, 0))
        inverses = batch_inverse([ext_sub(x, z) for x in points for z in (draws.zeta, zeta_next)])
        result = []
        for n, rows in enumerate(zip(*(opening.rows for opening in traces[:3]), strict=True)):
            main, aux, quotient = map(_row, rows)
            following = [*(main[c] for c in self.program.next_columns), *aux[-DEGREE:]]
            a = ext_sub(dot((*main, *aux, *quotient[:CHUNK_COLUMNS]), packed_here), sum_here)
            b = ext_sub(dot(following, packed_next), sum_next)
            value = ext_add(ext_mul(a, inverses[2 * n]), ext_mul(b, inverses[2 * n + 1]))
            m0, m1, m2, m3, m4 = quotient[CHUNK_COLUMNS:]
            result.append(ext_add(value, (m0, m1, m2, m3, m4)))
        return result


def _row(raw: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(raw) // 4}I", raw)


def _ext_row(raw: bytes) -> list[Ext]:
    flat = iter(_row(raw))
    return list(zip(flat, flat, flat, flat, flat, strict=True))


def _base_powers(x: int, n: int) -> list[int]:
    result, power = [], 1
    for _ in range(n):
        result.append(power)
        power = power * x % P
    return result


def _values(coefficients: Sequence[Ext], points: Sequence[int]) -> list[Ext]:
    """A polynomial, lowest coefficient first, at base points: reduced modulo X^64 - y first, as many points have one 64th power y."""
    block = 64
    packed = [pack(c) for c in coefficients]
    columns = [packed[m::block] for m in range(block)]
    rests: dict[int, list[int]] = {}
    result = []
    for x in points:
        y = pow(x, block, P)
        if y not in rests:
            line = _base_powers(y, len(columns[0]))
            rests[y] = [sum(map(mul, column, line)) for column in columns]
        result.append(dot(_base_powers(x, block), rests[y]))
    return result


def _points(indices: Iterable[int], shape: Shape, layer: int) -> list[int]:
    """The base points of indices in FRI layer `layer` (layer 0: the LDE domain), PROTOCOL.md section 5."""
    log_rows = shape.log_rows - ARITY_BITS * layer
    shift, root = pow(GENERATOR, ARITY**layer, P), root_of_unity(log_rows + shape.log_blowup)
    low = (1 << log_rows) - 1
    powers_of_root = ((index >> log_rows) + ((index & low) << shape.log_blowup) for index in indices)
    return [shift * pow(root, power, P) % P for power in powers_of_root]


def _fold(leaves: Mapping[int, bytes], beta: Ext, shape: Shape, layer: int) -> dict[int, Ext]:
    """Folds the opened leaves of a FRI layer: leaf number j (n/8) + i is index (j, i) of the next layer."""
    log_next = shape.log_rows - ARITY_BITS * (layer + 1)
    z_inverse = inverse(root_of_unity(ARITY_BITS))
    eighth = inverse(ARITY)
    matrix = [[eighth * pow(z_inverse, m * t, P) % P for t in range(ARITY // 2)] for m in range(ARITY)]
    betas, half = [pack(b) for b in powers(beta, ARITY)], ARITY // 2
    zero = pack((P, P, P, P, P))  # keeps differences of coordinates positive
    first = [leaf >> log_next << ARITY_BITS + log_next | leaf & (1 << log_next) - 1 for leaf in leaves]  # t = 0
    result = {}
    for (leaf, row), x in zip(leaves.items(), _points(first, shape, layer), strict=True):
        packed = [pack(v) for v in _ext_row(row)]
        pairs = list(zip(packed[:half], packed[half:], strict=True))  # z^half = -1
        even, odd = [a + b for a, b in pairs], [a + zero - b for a, b in pairs]
        sums, power, x_inverse = [], 1, inverse(x)
        for m, line in enumerate(matrix):
            sums.append(sum(map(mul, [c * power % P for c in line], odd if m & 1 else even)))  # x^-m c_m
            power = power * x_inverse % P
        result[leaf] = packed_dot(sums, betas)
    return result


def _check_root(
    name: str, root: bytes, tree: Tree, leaves: Iterable[tuple[int, bytes, bytes]], siblings: Sequence[bytes]
) -> None:
    """Leaves (number, salt, row), ascending, and sibling hashes lead to the tree's root, PROTOCOL.md section 7."""
    hashed = [(leaf, leaf_hash(tree.number, salt, row)) for leaf, salt, row in leaves]
    if opening_root(tree.number, tree.depth, hashed, siblings) != root:
        raise ProofRejected(name, f"the openings of tree {tree.number} lead to another root")
