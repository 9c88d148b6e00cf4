"""What bounds the prover: for each phase the bytes it must move and the operations it must do, from the shapes alone,
against the rates of `bench/rates.py`.

A phase's limit is the larger of two times: its bytes at the copy bandwidth, and its multiplications and SHA-256 compressions,
one after the other, at their rates on all threads. A Montgomery product is three multiplications of 32 bits (product, quotient,
reduction); a product within a sum that is reduced once is one. What is counted is the least that the protocol asks for with the
algorithms in use; additions, loads and stores within the cache, twiddle corrections and Python are not, so that no
implementation reaches 100 %. Bytes: each matrix once for each pass that the order of the protocol forces (a transcript round
stands between). With N rows, B cosets, k = log2 N, C columns of one matrix, A challenges of grinding g bits:

    transform of N points        k N / 2 Montgomery products
    low-degree extension         C (1 + B) transforms; reads 4 C N bytes, writes 4 B C N
    salted leaves                B N ceil((4 C + 20 + 9) / 64) compressions; reads 4 B C N and salts, which were written once
    tree over L leaves           2 (L - 1) compressions (a node is 68 bytes); digests written and read, 64 L bytes each way
    grinding                     2^g compressions on average, whatever the rows
    interpreter, one point       a Montgomery product for MUL; 5 multiplications for ASSERT, MSG and NUM, which are sums of base
                                 values times challenges
    product in the extension     25 multiplications, 5 reductions of two; an inverse in a batch is three such products
    group of two lookups         3 extension products for numerators and denominator, 1 for the quotient, 3 for its inverse
                                 on the trace; 5 in the constraint: h d d', n d', n' d and the coefficient
    quotient on a coset          the program at N points and its groups; reads main and auxiliary columns and selectors
    out of domain, DEEP          5 multiplications for each word of an opened column on one coset
    DEEP quotients               two points: 1 extension product and 3 for the inverse, on B N points each
    fold by eight, n values      n / 8 times (12 butterflies and 7 shifts of 5 words; 7 extension products)
    witness                      a permutation of Poseidon2 on every row, 2 Montgomery products an S-box, and the trace written
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zk.air import ASSERT, MUL, Program
from zk.field import DEGREE
from zk.kernels.quotient import COSETS
from zk.options import STD, Options
from zk.poseidon2 import FULL_ROUNDS, PARTIAL_ROUNDS, WIDTH
from zk.proof import CHUNK_COLUMNS, QUOTIENT_COLUMNS

WORD, DIGEST, BLOCK = 4, 32, 64
MONTGOMERY = 3  # multiplications of a product in the base field
EXT = DEGREE * DEGREE + 2 * DEGREE  # and in the extension
INVERSE = 3 * EXT  # in a batch
FOLD = (12 + 7) * DEGREE * MONTGOMERY + 7 * EXT  # eight values into one


@dataclass(frozen=True)
class Work:
    """Least work of a phase: bytes moved, multiplications, SHA-256 compressions."""

    bytes: float = 0.0
    multiplications: float = 0.0
    compressions: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(self.bytes + other.bytes, self.multiplications + other.multiplications, self.compressions + other.compressions)

    def times(self, factor: float) -> Work:
        """So often."""
        return Work(self.bytes * factor, self.multiplications * factor, self.compressions * factor)


@dataclass(frozen=True)
class Shapes:
    """Sizes of a proof of `program` with 2^log_rows rows."""

    program: Program
    log_rows: int
    options: Options = STD

    @property
    def rows(self) -> int:
        """N."""
        return 1 << self.log_rows

    @property
    def cosets(self) -> int:
        """B."""
        return self.options.blowup

    @property
    def main(self) -> int:
        """Main columns."""
        return self.program.n_columns

    @property
    def aux(self) -> int:
        """Words of the auxiliary columns."""
        return DEGREE * self.program.n_aux

    @property
    def opened(self) -> int:
        """Columns opened at both points together."""
        return self.main + self.aux + CHUNK_COLUMNS + len(self.program.next_columns) + DEGREE

    def transforms(self, count: float) -> Work:
        """Multiplications of `count` transforms of N points."""
        return Work(multiplications=MONTGOMERY * count * self.log_rows * self.rows / 2)

    def tree(self, leaves: int) -> Work:
        """Nodes above so many leaf digests."""
        return Work(2 * 2 * DIGEST * leaves, 0, 2 * (leaves - 1))

    def extension(self, columns: int, interpolated: bool = True) -> Work:
        """Low-degree extension."""
        moved = WORD * columns * self.rows * (1 + self.cosets)
        return Work(moved) + self.transforms(columns * (self.cosets + interpolated))

    def commitment(self, columns: int) -> Work:
        """Leaves and tree of an extended matrix."""
        leaves, salt = self.rows * self.cosets, self.options.salt_bytes
        blocks = _blocks(4 + salt + WORD * columns)
        return Work(leaves * (WORD * columns + salt), 0, leaves * blocks) + self.tree(leaves)

    def grinding(self, rounds: int = 1) -> Work:
        """Grinding between rounds, on average."""
        return Work(compressions=rounds * 2.0**self.options.round_grinding)


def phases(shapes: Shapes) -> dict[str, Work]:
    """Least work of each phase, by the names of `zk.prover.PHASES`, `witness` first."""
    s, n = shapes, shapes.rows
    return {
        "witness": _witness(s),
        "main trace": Work(s.options.salt_bytes * n * s.cosets) + s.extension(s.main) + s.commitment(s.main) + s.grinding(),
        "lookups": _lookups(s),
        "constraints": _constraints(s),
        "out of domain": Work(WORD * s.opened * n, DEGREE * s.opened * n + n * (INVERSE + MONTGOMERY * DEGREE)) + s.grinding(),
        "deep": _deep(s),
        "fri": _fri(s),
    }


def _witness(s: Shapes) -> Work:
    boxes = FULL_ROUNDS * WIDTH + PARTIAL_ROUNDS
    return Work(WORD * s.main * s.rows, 2 * MONTGOMERY * boxes * s.rows)


def _lookups(s: Shapes) -> Work:
    """Fractions read the main trace and write the auxiliary one; the interpreter runs what messages need, at least those."""
    program, n = s.program, s.rows
    terms = sum(numerators + length for numerators, length in program.interactions)
    pairs = sum(1 for _, second in program.groups if second >= 0)
    per_row = DEGREE * terms + pairs * EXT + len(program.groups) * (EXT + INVERSE)
    made = Work(WORD * (s.main + s.aux) * n, per_row * n)
    return made + s.extension(s.aux) + s.commitment(s.aux) + s.grinding()


def _constraints(s: Shapes) -> Work:
    program, points = s.program, COSETS * s.rows
    codes = [op[0] for op in program.ops]
    own = MONTGOMERY * codes.count(MUL) + DEGREE * sum(code >= ASSERT for code in codes)
    groups = sum(2 * EXT if second >= 0 else EXT for _, second in program.groups)
    values = Work(WORD * (s.main + s.aux + 3 + DEGREE) * points, (own + groups) * points)
    parts = s.transforms(DEGREE * COSETS) + Work(2 * WORD * DEGREE * points, 4 * MONTGOMERY * DEGREE * points)
    return values + parts + s.extension(QUOTIENT_COLUMNS, interpolated=False) + s.commitment(QUOTIENT_COLUMNS) + s.grinding()


def _deep(s: Shapes) -> Work:
    domain = s.rows * s.cosets
    combined = Work(WORD * s.opened * s.rows, DEGREE * s.opened * s.rows)
    quotients = s.transforms(2 * DEGREE * (1 + s.cosets)) + Work(2 * 3 * WORD * DEGREE * domain, 2 * domain * (EXT + INVERSE))
    return combined + quotients


def _fri(s: Shapes) -> Work:
    total = Work(compressions=2.0**s.options.query_grinding) + s.grinding(s.options.folds(s.log_rows) + 1)
    values = s.rows * s.cosets
    for _ in range(s.options.folds(s.log_rows)):
        leaves = values // 8
        hashed = Work(WORD * DEGREE * values, 0, leaves * _blocks(4 + 8 * WORD * DEGREE)) + s.tree(leaves)
        total = total + hashed + Work(WORD * DEGREE * (values + leaves), FOLD * leaves)
        values = leaves
    return total


def _blocks(message: int) -> int:
    """Compressions of a message of so many bytes: with a byte of padding and eight of length."""
    return -(-(message + 9) // BLOCK)


def table(shapes: Shapes, measured: Mapping[str, float], rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """One record for each phase: work, times at the limits, which limit it is, seconds measured, share of the limit reached.

    Args:
        measured: seconds by phase, as `bench prove` has them. Phases without counted work (openings) have no limit.
        rates: of `bench.rates.Rates`, and `sha`, the faster of its two.
    """
    work = phases(shapes)
    records = [_record(name, work.get(name, Work()), seconds, rates) for name, seconds in measured.items()]
    total = sum(work.values(), Work())
    records.append(_record("whole", total, sum(measured.values()), rates))
    records[-1]["limit_seconds"] = limit = sum(record["limit_seconds"] for record in records[:-1])
    records[-1]["share"] = limit / records[-1]["seconds"]
    return records


def _record(name: str, work: Work, seconds: float, rates: Mapping[str, float]) -> dict[str, Any]:
    memory = work.bytes / rates["bandwidth"]
    multiplying = work.multiplications / (MONTGOMERY * rates["products"])
    hashing = work.compressions / rates["sha"]
    limit = max(memory, multiplying + hashing)
    bound = "memory" if memory >= multiplying + hashing else "products" if multiplying >= hashing else "hashing"
    return {
        "phase": name, "bytes": work.bytes, "multiplications": work.multiplications, "compressions": work.compressions,
        "memory_seconds": memory, "product_seconds": multiplying, "hash_seconds": hashing, "limit_seconds": limit,
        "bound": bound if limit else "", "seconds": seconds, "share": limit / seconds if seconds else 0.0,
    }  # fmt: skip
