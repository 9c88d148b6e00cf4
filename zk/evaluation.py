"""Evaluating an AIR at one extension point: program, LogUp constraints, public interactions, and the identity with the
quotient that both sides check there. Standard library only.

Sums of products are done on *packed* elements: the five coordinates sit 112 bits apart in one integer, so that
sum(map(mul, row, packed)) does five inner products of base elements and coefficients at once. A product of two packed
elements holds the nine coefficients of their product before reduction. Sums need no reduction while a coordinate stays
below 2^112: a product of base elements is below 2^62, of one more below 2^93, of extension elements below 5 2^62.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import mul

from zk.air import ADD, ASSERT, CONST, MSG, MUL, NUM, SUB, Program
from zk.errors import AirError, ProofRejected
from zk.field import (
    DEGREE,
    ONE,
    ZERO,
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
    reduce_sum,
    root_of_unity,
)

SLOT = 112
_MASK = (1 << SLOT) - 1
PublicInteraction = tuple[int, Sequence[int]]


def pack(e: Ext) -> int:
    """An extension element as one integer, coordinate c at bit 112 c."""
    return e[0] | e[1] << SLOT | e[2] << 2 * SLOT | e[3] << 3 * SLOT | e[4] << 4 * SLOT


def unpack(v: int) -> Ext:
    """The extension element of a sum of packed products, reduced."""
    return (
        (v & _MASK) % P,
        (v >> SLOT & _MASK) % P,
        (v >> 2 * SLOT & _MASK) % P,
        (v >> 3 * SLOT & _MASK) % P,
        (v >> 4 * SLOT) % P,
    )


def dot(row: Sequence[int], packed: Sequence[int]) -> Ext:
    """sum_i row[i] coefficient[i] for base elements and packed coefficients of one length."""
    return unpack(sum(map(mul, row, packed)))


def ext_dot(a: Sequence[Ext], b: Sequence[Ext]) -> Ext:
    """sum_i a[i] b[i] over extension elements."""
    return packed_dot(map(pack, a), map(pack, b))


def packed_dot(a: Iterable[int], b: Iterable[int]) -> Ext:
    """sum_i a[i] b[i] of packed elements; coordinates may be unreduced, so far as the sum stays below 2^112."""
    v = sum(map(mul, a, b))
    c0, c1, c2, c3, c4, c5, c6, c7, c8 = (v >> bit & _MASK for bit in range(0, 9 * SLOT, SLOT))
    return (c0 + c5 - c8) % P, (c1 + c6) % P, (c2 - c5 + c7 + c8) % P, (c3 - c6 + c8) % P, (c4 - c7) % P


def powers(x: Ext, n: int) -> list[Ext]:
    """1, x, ..., x^(n-1)."""
    result = [ONE]
    while len(result) < n:
        result.append(ext_mul(result[-1], x))
    return result[:n]


def combine_coordinates(values: Sequence[Ext]) -> Ext:
    """sum_c values[c] X^c: the value of an extension column from the values of its five base columns."""
    x: Ext = (0, 1, 0, 0, 0)
    total = ZERO
    for v in reversed(values):
        total = ext_add(ext_mul(total, x), v)
    return total


def selectors(zeta: Ext, log_rows: int) -> tuple[Ext, Ext, Ext]:
    """First row, last row and transition selector at zeta, outside the trace subgroup. Section 4."""
    n = 1 << log_rows
    last = inverse(root_of_unity(log_rows))
    vanishing = ext_sub(ext_pow(zeta, n), ONE)
    transition = ext_sub(zeta, embed(last))
    first_factor, last_factor = batch_inverse([ext_sub(zeta, ONE), transition])
    scaled = ext_scale(vanishing, inverse(n))
    return ext_mul(scaled, first_factor), ext_mul(ext_scale(scaled, last), last_factor), transition


@dataclass
class Evaluation:
    """What a program yields at a point: base constraints, and numerators and message of each interaction."""

    constraints: list[Ext]
    numerators: list[list[Ext]]
    messages: list[list[Ext]]


def evaluate_program(
    program: Program,
    row: Sequence[Ext],
    next_row: Sequence[Ext],
    publics: Sequence[int],
    at: tuple[Ext, Ext, Ext],
) -> Evaluation:
    """Runs a program over extension elements.

    Args:
        program: the AIR.
        row: values of all main columns.
        next_row: values of the columns `program.next_columns` in the next row.
        publics: public inputs.
        at: values of the three selectors.

    Raises:
        AirError: the program reads what does not exist.
    """
    following: list[Ext | None] = [None] * program.n_columns
    for column, value in zip(program.next_columns, next_row, strict=True):
        following[column] = value
    registers: list[Ext] = [ZERO] * program.n_registers
    constants = [embed(c) for c in program.constants]
    tables: list[Sequence[Ext | None]] = [
        registers,
        row,
        following,
        constants,
        at,
        [embed(v) for v in publics],
    ]
    result = Evaluation(
        [ZERO] * program.n_constraints,
        [[ZERO] * n for n, _ in program.interactions],
        [[ZERO] * m for _, m in program.interactions],
    )
    try:
        _run(program, registers, tables, result)
    except (IndexError, TypeError) as error:
        raise AirError(f"the program is not well formed: {error}") from error
    return result


def _run(program: Program, registers: list[Ext], tables: list[Sequence[Ext | None]], result: Evaluation) -> None:
    sinks = {ASSERT: [result.constraints], MSG: result.messages, NUM: result.numerators}
    for op, dst, a, b in program.ops:
        x = tables[a >> 24][a & 0xFFFFFF]
        if x is None:
            raise AirError(f"column {a & 0xFFFFFF} is read in the next row, but not declared so")
        if op >= ASSERT:
            sinks[op][dst][b] = x
            continue
        y = tables[b >> 24][b & 0xFFFFFF]
        if y is None:
            raise AirError(f"column {b & 0xFFFFFF} is read in the next row, but not declared so")
        if op == MUL:
            if b >> 24 == CONST:
                registers[dst] = ext_scale(x, y[0])
            elif a >> 24 == CONST:
                registers[dst] = ext_scale(y, x[0])
            else:
                registers[dst] = ext_mul(x, y)
        elif op == ADD:
            registers[dst] = ext_add(x, y)
        elif op == SUB:
            registers[dst] = ext_sub(x, y)


@dataclass(frozen=True)
class Challenges:
    """The lookup challenges."""

    alpha: Ext
    beta: Ext
    gamma: Ext


def lookup_constraints(
    program: Program,
    values: Evaluation,
    challenges: Challenges,
    aux: Sequence[Ext],
    acc_next: Ext,
    public_share: Ext,
) -> list[Ext]:
    """LogUp constraints at a point, one per group in order, PROTOCOL.md section 4.

    Args:
        program, values: the AIR and its evaluation.
        challenges: alpha, beta, gamma.
        aux: values of the auxiliary extension columns.
        acc_next: value of the accumulator (the last of them) in the next row.
        public_share: P / N.
    """
    longest = max(m for _, m in program.interactions)
    beta = powers(challenges.beta, longest)
    gamma = powers(challenges.gamma, max(n for n, _ in program.interactions))
    fingerprints = [ext_add(challenges.alpha, ext_dot(message, beta)) for message in values.messages]
    numerators = [ext_dot(numerator, gamma) for numerator in values.numerators]
    step = ext_sub(ext_sub(acc_next, aux[-1]), ext_add(reduce_sum(aux[:-1]), public_share))
    result = []
    for (i, j), h in zip(program.groups, [*aux[:-1], step], strict=True):
        if j < 0:
            result.append(ext_sub(ext_mul(h, fingerprints[i]), numerators[i]))
            continue
        product = ext_mul(h, ext_mul(fingerprints[i], fingerprints[j]))
        cross = ext_add(ext_mul(numerators[i], fingerprints[j]), ext_mul(numerators[j], fingerprints[i]))
        result.append(ext_sub(product, cross))
    return result


def public_sum(interactions: Sequence[PublicInteraction], challenges: Challenges) -> Ext:
    """P = sum of multiplicity / (alpha + sum_k beta^k message[k]) over the public interactions.

    Raises:
        ProofRejected: `public interaction`, when a denominator is 0.
    """
    if not interactions:
        return ZERO
    packed = [pack(b) for b in powers(challenges.beta, max(len(m) for _, m in interactions))]
    denominators = [ext_add(challenges.alpha, dot(message, packed)) for _, message in interactions]
    if ZERO in denominators:
        raise ProofRejected("public interaction", "a denominator is 0")
    return dot([m for m, _ in interactions], [pack(d) for d in batch_inverse(denominators)])


def quotient_value(chunks: Sequence[Ext], zeta: Ext, split: int) -> Ext:
    """Q(zeta) = Q_0(zeta) + zeta^split Q_1(zeta) from the values of the ten chunk columns."""
    low, high = combine_coordinates(chunks[:DEGREE]), combine_coordinates(chunks[DEGREE:])
    return ext_add(low, ext_mul(ext_pow(zeta, split), high))


def identity_holds(
    program: Program,
    publics: Sequence[int],
    public_interactions: Sequence[PublicInteraction],
    log_rows: int,
    split: int,
    lookup: Challenges,
    coefficients: Sequence[Ext],
    zeta: Ext,
    values: Sequence[Sequence[Ext]],
) -> bool:
    """PROTOCOL.md step 4: whether the combination of all constraints at zeta is (zeta^N - 1) Q(zeta).

    The verifier's check; and the prover's, before it lets a proof go.

    Args:
        program, publics, public_interactions: the statement, of 2^log_rows rows.
        split: M.
        lookup, coefficients, zeta: the challenges of steps 1 to 3.
        values: the out-of-domain values by kind, as `Shape.split` gives them.

    Raises:
        ProofRejected: `public interaction`.
        AirError: the program reads what does not exist.
    """
    main, aux, chunks, main_next, acc_next = values
    found = evaluate_program(program, main, main_next, publics, selectors(zeta, log_rows))
    share = ext_scale(public_sum(public_interactions, lookup), inverse(1 << log_rows))
    columns = [combine_coordinates(aux[i : i + DEGREE]) for i in range(0, len(aux), DEGREE)]
    lookups = lookup_constraints(program, found, lookup, columns, combine_coordinates(acc_next), share)
    vanishing = ext_sub(ext_pow(zeta, 1 << log_rows), ONE)
    return ext_dot(coefficients, found.constraints + lookups) == ext_mul(vanishing, quotient_value(chunks, zeta, split))
