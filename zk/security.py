"""Soundness of a proof in bits, term by term, from the actual program, height and options.

What-if questions, by the code that `verify` asks: `python -m zk.security PROGRAM-FILE --log-rows 16 --queries 110`.

Notation: F the extension field, |F| = p^5; N rows; n = B N points; d the degree bound that FRI shows: F(x) of
PROTOCOL.md section 6 is eight times shorter with each of R folds, so a final polynomial of d_R coefficients shows
degree < d = 8^R d_R (under `std` the bound of section 3; more than that where its rounding up is not exact). An opened
word has degree <= d (DEEP divides by one linear factor): rho = (d + 1) / n. theta is the proximity radius, L bounds
the number of codewords within it.

Convention: *round by round* (eprint 2019/1261, 2023/1071). Before each challenge the prover's chance that it
turns a doomed transcript into a good one is at most that round's error; Fiat-Shamir then costs an attacker
who tries T hashes at most T times the largest. So the total is the minimum, not the sum, over rounds. Each
round has a proof of work of g bits before its challenge, which multiplies an attacker's cost: bits =
-log2(error) + g. *That part is computational*: it is counted in hash evaluations, not proven by algebra, and
the report lists it apart. SHA-256 as a random oracle is assumed throughout; collisions in its trees cost
2^128, which caps every total at 128.

| round | error |
|---|---|
| lookup | L (2 T w + v) / |F| |
| constraint | L / |F| |
| zeta | L D / (|F| - N - n) |
| deep | C(n) / |F| |
| fold r | 7 C(n / 8^(r+1)) / |F| |
| query | (1 - theta)^q |

- lookup: T = interactions x N + public interactions fractions, w = max(1, longest message - 1), v =
  numerators in one fraction at most. A denominator is 0 with probability <= T w / |F|; otherwise the sum of
  fractions times all denominators is a nonzero polynomial in (alpha, beta, gamma) of degree < T w + v
  (Schwartz-Zippel; eprint 2022/1530 for LogUp). T < p is required, so that multiplicities of 1 cannot wrap.
- constraint: one independent uniform coefficient per constraint; a violated constraint survives with
  probability 1/|F|.
- zeta: D = max(degree of the combined constraints, N + M + d), all degrees taken from the program with
  columns of degree d.
- deep: the words are combined with independent coefficients, an affine space. fold: a curve of degree 7.
- query: indices are drawn with repetition.

The words of a tree are one word, over as many coordinates as it has columns, so L bounds how many tuples of codewords
are near. They are words over F_p, and a polynomial that agrees with such a word on more points than its degree has its
coefficients in F_p: what is decoded is a trace over F_p, and LogUp's multiplicities lie there.

A query counts for a layer only if it passed the layers before, so what is to be near a codeword is a fold of f_0..f_7
where points have weights, the share of queries that got there. With unique decoding that costs nothing: let more than
7 n / 8^(r+1) challenges give a fold that agrees with a codeword on weight 1 - theta or more. It agrees on as many points,
so by the theorem all these codewords fold the same g_0..g_7. A point at which some f_m is not g_m agrees for at most
seven challenges; so for one of the challenges no such point agrees, and the points where all f_m are g_m have that
weight. Under Johnson's bound BCHKS25 Theorem 4.6 says it outright: but for its exceptional challenges, on whatever set a
fold agrees with a codeword, on that same set f_0..f_7 do.

**Unique decoding**: theta = (1 - rho) / 2, L = 1, C(n) = n: BCIKS20 (eprint 2020/654) Theorems 1.4 (lines),
1.5 (curves, times the degree), 1.6 (affine spaces). The codeword within theta is unique, so
words that agree with it do so on one common set. Nothing but this and the random oracle is assumed; it is what `verify` asks of a proof.

**Johnson**: theta = 1 - sqrt(rho) (1 + 1/m), L = (m + 1/2) / sqrt(rho), C(n) = (2 (m + 1/2)^5 + 3 (m + 1/2)
theta rho) n / (3 rho^(3/2)) + (m + 1/2) / sqrt(rho): BCHKS25 (eprint 2025/2055) Theorems 4.2 and 4.6, for an
integer m >= 3 chosen to maximise the total; its lift from lines to affine spaces is BCGM25 (eprint 2025/2051)
Lemma 7.1, at a factor 1 + 1/|F|. Theorem 1.5 of BCHKS25 has the radius 1 - sqrt(rho) (1 + 1/(2m)) at the same
error, but for lines only; FRI of arity 8 folds curves, so that better radius is not used. The list bound is
that of the Guruswami-Sudan decoder behind these theorems, at the same m.

No figure here rests on a conjecture about radii beyond Johnson's (refuted up to capacity: eprint 2025/2010,
2025/2046). The convention and the shape of the table follow the public tool soundcalc
(github.com/ethereum/soundcalc).
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from zk.air import ADD, ASSERT, COL, CONST, MSG, MUL, NEXT, NUM, PUB, REG, SEL, SUB, TRANSITION, Program
from zk.errors import AirError, OptionsError, ZkError
from zk.evaluation import PublicInteraction
from zk.field import DEGREE, TWO_ADICITY, P
from zk.options import STD, Options
from zk.program_file import decode_program
from zk.proof import ARITY, ARITY_BITS

HASH_BITS = 128.0
LOG_FIELD = DEGREE * math.log2(P)
MAX_MULTIPLICITY = 200


class Term(NamedTuple):
    """One round's soundness: `algebraic` bits proven, `grinding` bits of proof of work on top."""

    name: str
    algebraic: float
    grinding: int

    @property
    def bits(self) -> float:
        """Both together."""
        return self.algebraic + self.grinding


@dataclass(frozen=True)
class Regime:
    """All rounds under one proximity regime.

    Attributes:
        name: "unique decoding" or "Johnson".
        radius: theta.
        list_size: L.
        terms: rounds in protocol order.
    """

    name: str
    radius: float
    list_size: float
    terms: tuple[Term, ...]

    @property
    def weakest(self) -> Term:
        """The round with the fewest bits."""
        return min(self.terms, key=lambda term: term.bits)

    @property
    def bits(self) -> float:
        """Minimum over rounds, capped at 128 by collisions of SHA-256."""
        return min(HASH_BITS, self.weakest.bits)


@dataclass(frozen=True)
class SecurityReport:
    """Soundness of one statement's proofs under both regimes.

    Attributes:
        unique_decoding: the regime that `verify` holds to its floor.
        johnson: the better regime, equally proven, from newer theorems.
        rate: rho.
        query_grinding, round_grinding: bits of proof of work, computational, included in the terms' bits.
    """

    unique_decoding: Regime
    johnson: Regime
    rate: float
    query_grinding: int
    round_grinding: int

    def lines(self) -> list[str]:
        """The report as text: a line per regime, then a line per round."""
        result = []
        for regime in (self.unique_decoding, self.johnson):
            result.append(
                f"{regime.name}: {regime.bits:.1f} bits (weakest: {regime.weakest.name}; "
                f"of these, grinding {regime.weakest.grinding} bits, computational)"
            )
            for term in regime.terms:
                result.append(f"  {term.name:<12} {term.algebraic:6.1f} + {term.grinding} grinding = {term.bits:.1f}")
        return result


@dataclass(frozen=True)
class _Sizes:
    """The numbers that the errors are made of."""

    rows: int
    points: int
    rate: float
    fractions: int
    width: int
    numerators: int
    zeta_degree: int
    folds: int
    options: Options


def security_report(
    program: Program, log_rows: int, options: Options, public_interactions: Sequence[PublicInteraction] = ()
) -> SecurityReport:
    """Soundness of proofs of `program` at 2^log_rows rows under `options`.

    Args:
        program: the AIR.
        log_rows: k.
        options: already validated for this height.
        public_interactions: the terms that the verifier adds; only their number and lengths matter.

    Raises:
        OptionsError: so many interactions that multiplicities could wrap modulo p.
        AirError: the program is not well formed.
    """
    return _report(program, log_rows, options, tuple(len(message) for _, message in public_interactions))


@lru_cache(maxsize=64)
def _report(program: Program, log_rows: int, options: Options, messages: tuple[int, ...]) -> SecurityReport:
    """The report for public interactions of these lengths."""
    sizes = _sizes(program, log_rows, options, messages)
    theta = (1 - sizes.rate) / 2
    unique = Regime("unique decoding", theta, 1.0, _terms(sizes, theta, 1.0, math.log2))
    johnson = max((_johnson(sizes, m) for m in range(3, MAX_MULTIPLICITY)), key=lambda regime: regime.weakest.bits)
    return SecurityReport(unique, johnson, sizes.rate, options.query_grinding, options.round_grinding)


def _sizes(program: Program, log_rows: int, options: Options, public_messages: Sequence[int]) -> _Sizes:
    rows = 1 << log_rows
    points = rows << options.log_blowup
    folds = options.folds(log_rows)
    d = options.final_length(log_rows) << ARITY_BITS * folds
    fractions = len(program.interactions) * rows + len(public_messages)
    if fractions >= P:
        raise OptionsError(f"{fractions} fractions in the LogUp sum: multiplicities could wrap modulo p")
    messages = [m for _, m in program.interactions] + list(public_messages)
    degree = _constraint_degree(program, rows, d)
    return _Sizes(
        rows=rows,
        points=points,
        rate=(d + 1) / points,
        fractions=fractions,
        width=max(1, max(messages, default=1) - 1),
        numerators=max((n for n, _ in program.interactions), default=1),
        zeta_degree=max(degree, rows + options.chunk(log_rows) + d),
        folds=folds,
        options=options,
    )


def _terms(sizes: _Sizes, theta: float, list_size: float, log_agreement: Callable[[int], float]) -> tuple[Term, ...]:
    """The rounds of a regime. log_agreement(n): log2 C(n)."""
    log_list = math.log2(list_size)
    grinding = sizes.options.round_grinding
    lookup = math.log2(2 * sizes.fractions * sizes.width + sizes.numerators)
    zeta_space = math.log2(P**DEGREE - sizes.rows - sizes.points)
    terms = [
        Term("lookup", LOG_FIELD - log_list - lookup, grinding),
        Term("constraint", LOG_FIELD - log_list, grinding),
        Term("zeta", zeta_space - log_list - math.log2(sizes.zeta_degree), grinding),
        Term("deep", LOG_FIELD - log_agreement(sizes.points), grinding),
    ]
    for r in range(sizes.folds):
        folded = log_agreement(sizes.points >> ARITY_BITS * (r + 1))
        terms.append(Term(f"fold {r}", LOG_FIELD - math.log2(ARITY - 1) - folded, grinding))
    queries = -sizes.options.queries * math.log2(1 - theta)
    return (*terms, Term("query", queries, sizes.options.query_grinding))


class _LogAgreement:
    """n -> log2 C(n) in the Johnson regime, for multiplicity m."""

    def __init__(self, rate: float, theta: float, m: int) -> None:
        h = m + 0.5
        self.slope = (2 * h**5 + 3 * h * theta * rate) / (3 * rate**1.5)
        self.offset = h / math.sqrt(rate)

    def __call__(self, n: int) -> float:
        return math.log2(self.slope * n + self.offset)


def johnson_of_lines(
    program: Program, log_rows: int, options: Options, public_interactions: Sequence[PublicInteraction] = ()
) -> Regime:
    """Johnson's regime with the radius of BCHKS25 Theorem 1.5, which is for lines. For comparison with other calculators alone.

    Raises:
        OptionsError, AirError: as `security_report`.
    """
    sizes = _sizes(program, log_rows, options, [len(message) for _, message in public_interactions])
    return max((_johnson(sizes, m, 2 * m) for m in range(3, MAX_MULTIPLICITY)), key=lambda regime: regime.weakest.bits)


def _johnson(sizes: _Sizes, m: int, gap: int | None = None) -> Regime:
    root = math.sqrt(sizes.rate)
    theta = 1 - root * (1 + 1 / (gap or m))
    if theta <= 0:
        return Regime("Johnson", 0.0, 1.0, (Term("query", 0.0, sizes.options.query_grinding),))
    list_size = (m + 0.5) / root
    terms = _terms(sizes, theta, list_size, _LogAgreement(sizes.rate, theta, m))
    return Regime("Johnson", theta, list_size, terms)


def _constraint_degree(program: Program, rows: int, d: int) -> int:
    """Degree bound of every constraint and LogUp constraint as a polynomial, with columns of degree d."""
    registers = [0] * program.n_registers
    leaves = {COL: d, NEXT: d, CONST: 0, PUB: 0}
    constraints = [0]
    messages = [0] * len(program.interactions)
    numerators = [0] * len(program.interactions)

    def degree(word: int) -> int:
        kind, index = word >> 24, word & 0xFFFFFF
        if kind == REG:
            return registers[index]
        if kind == SEL:
            return 1 if index == TRANSITION else rows - 1
        return leaves[kind]

    try:
        for op, dst, a, b in program.ops:
            if op in (ADD, SUB):
                registers[dst] = max(degree(a), degree(b))
            elif op == MUL:
                registers[dst] = degree(a) + degree(b)
            elif op == ASSERT:
                constraints.append(degree(a))
            elif op == MSG:
                messages[dst] = max(messages[dst], degree(a))
            elif op == NUM:
                numerators[dst] = max(numerators[dst], degree(a))
        for i, j in program.groups:
            other_message, other_numerator = (messages[j], numerators[j]) if j >= 0 else (0, 0)
            constraints += [
                d + messages[i] + other_message,
                numerators[i] + other_message,
                other_numerator + messages[i],
            ]
    except (IndexError, KeyError) as error:
        raise AirError(f"the program is not well formed: {error!r}") from error
    return max(constraints)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m zk.security`: the report of a program file under options. Exit code 2: the question makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m zk.security", description="Soundness of proofs of a program, in bits.")
    parser.add_argument("program", type=Path, help="a program file, such as tests/vectors/claim_std.program")
    parser.add_argument("--log-rows", type=int, default=22, metavar="K", help="the table has 2^K rows (22)")
    parser.add_argument("--public", type=int, default=0, metavar="N", help="public interactions, as long as the longest message (0)")
    for name in ("queries", "log-blowup", "query-grinding", "round-grinding", "slack-shift", "log-final-rows"):
        standard = getattr(STD, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=int, default=standard, metavar="N", help=f"({standard})")
    given = vars(parser.parse_args(arguments))
    path, log_rows, public = given.pop("program"), given.pop("log_rows"), given.pop("public")
    try:
        program = decode_program(path.read_bytes())
        options = replace(STD, name="what if", min_log_rows=3, max_log_rows=TWO_ADICITY, **given)
        options.validate(log_rows)
        longest = max(length for _, length in program.interactions)
        terms = [(1, (0,) * longest)] * public
        report = security_report(program, log_rows, options, terms)
        lines = johnson_of_lines(program, log_rows, options, terms)
    except (OSError, ZkError) as error:
        print(f"zk.security: {error}", file=sys.stderr)
        return 2
    print("\n".join(report.lines()))
    for name, regime in (("as above", report.johnson), ("with the radius of lines, not claimed here", lines)):
        print(f"Johnson without the cap at {HASH_BITS:.0f}, {name}: {regime.weakest.bits:.1f} bits ({regime.weakest.name})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
