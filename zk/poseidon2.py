"""Poseidon2 over KoalaBear, width 16, S-box x^3: the permutation inside the circuits.

Eight full rounds around R_P partial ones (36 by default: hardened; 20 is the usual number). External matrix
circ(2 M4, M4, M4, M4) with M4 = circ(2, 3, 1, 1), also applied before the first round; internal matrix J + diag(D), J all ones.
Round constants come from the Grain LFSR of the Poseidon reference, whose seed includes R_P: each R_P has its own.

Source: Grassi, Khovratovich, Schofnegger, "Poseidon2" (eprint 2023/323); internal diagonal as in Plonky3's koala-bear.
Standard library only; the verifier may import this. Fast twin: zk/kernels/poseidon2.py.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count, islice

P = 2**31 - 2**24 + 1
"""KoalaBear modulus."""
WIDTH = 16
FULL_ROUNDS = 8
"""R_F: four before and four after the partial rounds."""
PARTIAL_ROUNDS = 36
"""Default R_P. The standard 20 has 128 bits of margin by 2023 estimates; algebraic attacks improved in 2026."""


def _inverse_power_of_two(k: int) -> int:
    return pow(2, -k, P)


DIAGONAL = tuple(
    value % P
    for value in (
        -2, 1, 2, _inverse_power_of_two(1), 3, 4, -_inverse_power_of_two(1), -3, -4, _inverse_power_of_two(8),
        _inverse_power_of_two(3), _inverse_power_of_two(24), -_inverse_power_of_two(8), -_inverse_power_of_two(3),
        -_inverse_power_of_two(4), -_inverse_power_of_two(24),
    )
)  # fmt: skip
"""D of the internal matrix J + diag(D)."""


def _grain_bits(partial_rounds: int) -> Iterator[int]:
    """Self-shrinking Grain LFSR, seeded by (field 1, S-box 0, n = 31, t = 16, R_F, R_P, thirty ones)."""
    fields = ((1, 2), (0, 4), (31, 12), (WIDTH, 12), (FULL_ROUNDS, 10), (partial_rounds, 10), (2**30 - 1, 30))
    state = int("".join(f"{value:0{bits}b}" for value, bits in fields)[::-1], 2)  # bit k is the k-th of the 80
    for block in count():  # the next 16 bits do not depend on each other; the first 160 are dropped
        new = (state ^ state >> 13 ^ state >> 23 ^ state >> 38 ^ state >> 51 ^ state >> 62) & 0xFFFF
        state = state >> 16 | new << 64
        if block >= 10:
            yield from (new >> k + 1 & 1 for k in range(0, 16, 2) if new >> k & 1)


def _grain_elements(partial_rounds: int) -> Iterator[int]:
    """Field elements: 31 bits, most significant first, rejected when not below p."""
    bits = _grain_bits(partial_rounds)
    while True:
        value = 0
        for bit in islice(bits, 31):
            value = value << 1 | bit
        if value < P:
            yield value


@lru_cache(maxsize=8)
def round_constants(
    partial_rounds: int = PARTIAL_ROUNDS,
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """(first four full rounds 4 x 16, partial rounds R_P, last four full rounds 4 x 16), canonical integers.

    Raises ValueError unless 0 <= partial_rounds < 1024.
    """
    if not 0 <= partial_rounds < 1024:
        raise ValueError("the number of partial rounds is a 10-bit integer")
    source = _grain_elements(partial_rounds)
    half = FULL_ROUNDS // 2

    def full() -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(islice(source, WIDTH)) for _ in range(half))

    first = full()
    partial = tuple(islice(source, partial_rounds))
    return first, partial, full()


def external_linear(state: Sequence[int]) -> list[int]:
    """circ(2 M4, M4, M4, M4) times the state."""
    blocks = []
    for k in range(0, WIDTH, 4):
        x = state[k : k + 4]
        total = sum(x)
        blocks += [total + x[i] + 2 * x[(i + 1) % 4] for i in range(4)]
    sums = [blocks[i] + blocks[i + 4] + blocks[i + 8] + blocks[i + 12] for i in range(4)]
    return [(value + sums[i % 4]) % P for i, value in enumerate(blocks)]


def internal_linear(state: Sequence[int]) -> list[int]:
    """(J + diag(D)) times the state."""
    total = sum(state)
    return [(total + d * x) % P for d, x in zip(DIAGONAL, state, strict=True)]


def permute(state: Sequence[int], partial_rounds: int = PARTIAL_ROUNDS) -> list[int]:
    """The permutation. state: 16 canonical integers. Raises ValueError for anything else."""
    if len(state) != WIDTH or not all(0 <= x < P for x in state):
        raise ValueError("a state is 16 integers in [0, p)")
    first, partial, last = round_constants(partial_rounds)
    out = external_linear(state)
    for constants in first:
        out = external_linear([pow(x + c, 3, P) for x, c in zip(out, constants, strict=True)])
    for constant in partial:
        out[0] = pow(out[0] + constant, 3, P)
        out = internal_linear(out)
    for constants in last:
        out = external_linear([pow(x + c, 3, P) for x, c in zip(out, constants, strict=True)])
    return out
