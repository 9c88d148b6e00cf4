"""Soundness of a compute claim's proof from the closed formulas of the cited papers, sharing no code with zk/.

Everything is recomputed in 60-digit decimals from the facts that the documents state: PROTOCOL.md sections 3, 4 and 6 (field,
degree bound, rounds, folding, grinding) and circuits/README.md sections 3 and 4 (interactions, message lengths, degree).

    lookup      Haboeck, eprint 2022/1530, and Schwartz-Zippel: two ways to fail, a zero denominator or a zero sum
    batching    one independent coefficient for each constraint: 1 / |F|
    zeta        a nonzero polynomial of degree D vanishes on a share D / (points allowed) of them
    deep, folds unique decoding: BCIKS20, eprint 2020/654, Theorems 1.4 to 1.6: n / |F|, times the degree of the curve
                Johnson: BCHKS25, eprint 2025/2055, Theorem 4.2 with a multiplicity m, times the degree of the curve
    queries     (1 - radius)^q
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, getcontext

__all__ = ["CLAIM", "AirFacts", "Parameters", "johnson_bits", "unique_decoding_bits"]

getcontext().prec = 60
P = 2**31 - 2**24 + 1
FIELD = Decimal(P) ** 5
LN2 = Decimal(2).ln()


@dataclass(frozen=True)
class AirFacts:
    """What soundness depends on: interactions on every row, longest message and most numerators, degree of constraints."""

    interactions: int
    message: int
    numerators: int
    degree: int
    selector_degree: int


CLAIM = AirFacts(interactions=13, message=15, numerators=7, degree=3, selector_degree=1)
"""circuits/README.md: HEADER's message is a bus number and (chain, in0..7, peak0..2, cov0..1); TAG has seven numerators;
degree 3, times a transition selector of degree 1 where that is not counted."""


@dataclass(frozen=True)
class Parameters:
    """Of PROTOCOL.md section 3. ``slack``: d = N + N / slack."""

    blowup: int
    queries: int
    query_grinding: int
    round_grinding: int
    slack: int
    final_rows: int
    arity: int = 8


def bits(error: Decimal) -> Decimal:
    """-log2 of a probability."""
    return -(error.ln() / LN2)


def _shape(parameters: Parameters, rows: int) -> tuple[int, int, Decimal, list[int]]:
    """Points, degree bound that FRI shows, rate, points of each folded layer."""
    points, bound = rows * parameters.blowup, rows + rows // parameters.slack
    layers, size = [], points
    while size // parameters.blowup > parameters.final_rows:
        size //= parameters.arity
        bound = -(-bound // parameters.arity)
        layers.append(size)
    d = bound * parameters.arity ** len(layers)  # a final polynomial of that length stands for any polynomial that long
    return points, d, Decimal(d + 1) / points, layers


def _rounds(
    parameters: Parameters, air: AirFacts, rows: int, public: int, radius: Decimal, decoded: Decimal, agreement: object
) -> Decimal:
    """Bits of the weakest round. ``decoded``: bound on codewords within the radius; ``agreement(n)``: exceptional challenges."""
    points, d, _, layers = _shape(parameters, rows)
    fractions = air.interactions * rows + public
    lookup = decoded * (2 * fractions * (air.message - 1) + air.numerators) / FIELD
    mask = 2 * (2 * 5 + parameters.queries)
    identity = max(air.degree * d + air.selector_degree, rows + rows + 3 * mask // 2 + d)
    zeta = decoded * identity / (FIELD - rows - points)
    errors = [lookup, decoded / FIELD, zeta, agreement(points) / FIELD]  # type: ignore[operator]
    errors += [(parameters.arity - 1) * agreement(size) / FIELD for size in layers]  # type: ignore[operator]
    interactive = min(bits(error) for error in errors) + parameters.round_grinding
    query = parameters.queries * bits(1 - radius) + parameters.query_grinding
    return min(interactive, query)


def unique_decoding_bits(parameters: Parameters, air: AirFacts, rows: int, public: int) -> Decimal:
    """At half the distance: one codeword, and n exceptional challenges on a line."""
    rate = _shape(parameters, rows)[2]
    return _rounds(parameters, air, rows, public, (1 - rate) / 2, Decimal(1), Decimal)


def johnson_bits(parameters: Parameters, air: AirFacts, rows: int, public: int) -> Decimal:
    """The best multiplicity, not capped by the hash."""
    rate = _shape(parameters, rows)[2]
    root = rate.sqrt()
    best = Decimal(0)
    for m in range(3, 200):
        half = Decimal(m) + Decimal("0.5")
        radius = 1 - root - root / m
        if radius <= 0:
            continue

        def agreement(n: int, half: Decimal = half, radius: Decimal = radius) -> Decimal:
            return (2 * half**5 + 3 * half * radius * rate) / (3 * rate * root) * n + half / root

        best = max(best, _rounds(parameters, air, rows, public, radius, half / root, agreement))
    return best
