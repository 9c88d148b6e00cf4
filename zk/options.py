"""Proof options: what the verifier fixes and a proof never carries. PROTOCOL.md section 3.

`STD` is the only preset for real use. `INSECURE_TEST` makes tiny proofs for tests; `verify` refuses every
option set marked insecure unless it is called with `allow_insecure=True`, and then still holds it to the
caller's floor of bits.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from zk.errors import OptionsError
from zk.field import DEGREE, TWO_ADICITY
from zk.transcript import MAX_GRINDING

OPENING_POINTS = 2  # zeta and w zeta


@dataclass(frozen=True)
class Options:
    """Parameters of a proof.

    Attributes:
        name: for people; not hashed.
        log_blowup: b; the LDE domain has 2^b cosets of the trace subgroup (2..4: the quotient has two
            chunks).
        queries: number of query indices, drawn with repetition.
        query_grinding: leading zero bits asked before the query indices (0..32).
        round_grinding: leading zero bits asked before every other round of challenges (0..32).
        log_arity: FRI folds by 2^log_arity; 3 is the only one.
        slack_shift: degree bound d = N + N / 2^slack_shift; the slack holds the masks.
        log_final_rows: folding stops when a coset has at most 2^log_final_rows points.
        salt_bytes: length of the salt of a trace, auxiliary or quotient leaf, a multiple of 4.
        min_log_rows, max_log_rows: heights allowed; not hashed (log_rows is).
        insecure: for tests only.
    """

    name: str
    log_blowup: int = 2
    queries: int = 124
    query_grinding: int = 20
    round_grinding: int = 18
    log_arity: int = 3
    slack_shift: int = 6
    log_final_rows: int = 10
    salt_bytes: int = 16
    min_log_rows: int = 16
    max_log_rows: int = 22
    insecure: bool = False

    @property
    def blowup(self) -> int:
        """B = 2^b, the number of cosets."""
        return 1 << self.log_blowup

    @property
    def mask_coefficients(self) -> int:
        """h = 2 (2e + q): coefficients of a column's mask r in f + (X^N - 1) r."""
        return 2 * (OPENING_POINTS * DEGREE + self.queries)

    @property
    def blinding_coefficients(self) -> int:
        """D = e + q: coefficients of the polynomial that blinds the quotient's chunks against each other."""
        return DEGREE + self.queries

    def chunk(self, log_rows: int) -> int:
        """M = N + 3h/2: the quotient, of fewer than 2M coefficients, is split at X^M."""
        return (1 << log_rows) + 3 * self.mask_coefficients // 2

    def degree_bound(self, log_rows: int, layer: int = 0) -> int:
        """d_r = ceil(d / 8^r), d = N + N / 2^slack_shift: FRI layer r has degree < d_r."""
        d = (1 << log_rows) + (1 << log_rows >> self.slack_shift)
        return -(-d >> self.log_arity * layer)

    def folds(self, log_rows: int) -> int:
        """R, the least number of folds with N / 8^R <= 2^log_final_rows."""
        return max(0, -(-(log_rows - self.log_final_rows) // self.log_arity))

    def final_length(self, log_rows: int) -> int:
        """d_R: coefficients of the final polynomial."""
        return self.degree_bound(log_rows, self.folds(log_rows))

    def encode(self) -> bytes:
        """The eight u32 that the transcript absorbs."""
        return struct.pack(
            ">8I", self.log_blowup, self.queries, self.query_grinding, self.round_grinding,
            self.log_arity, self.slack_shift, self.log_final_rows, self.salt_bytes,
        )  # fmt: skip

    def validate(self, log_rows: int) -> None:
        """Checks that the options are consistent and hide, for a table of 2^log_rows rows.

        Raises:
            OptionsError: a parameter is out of bounds, the height is not allowed, or the masks do not fit the
            slack.
        """
        for field, low, high in _BOUNDS:
            value = getattr(self, field)
            if type(value) is not int or not low <= value <= high:
                raise OptionsError(f"option {field}: {value!r} is not an integer within {low}..{high}")
        if self.salt_bytes % 4:
            raise OptionsError(f"option salt_bytes: {self.salt_bytes} is not a multiple of 4")
        if type(log_rows) is not int or not self.min_log_rows <= log_rows <= self.max_log_rows:
            raise OptionsError(f"log_rows {log_rows!r} is not within {self.min_log_rows}..{self.max_log_rows}")
        if log_rows + self.log_blowup > TWO_ADICITY:
            raise OptionsError(f"no LDE domain of 2^{log_rows + self.log_blowup} points")
        needed = self.chunk(log_rows) + self.blinding_coefficients
        if needed > self.degree_bound(log_rows):
            raise OptionsError(
                f"masks need degree {needed}, the bound at 2^{log_rows} rows is "
                f"{self.degree_bound(log_rows)}: not hiding"
            )


_BOUNDS = (
    ("log_blowup", 2, 4),
    ("queries", 1, 1024),
    ("query_grinding", 0, MAX_GRINDING),
    ("round_grinding", 0, MAX_GRINDING),
    ("log_arity", 3, 3),
    ("slack_shift", 1, 8),
    ("log_final_rows", 3, 12),
    ("salt_bytes", 16, 32),
    ("min_log_rows", 3, TWO_ADICITY),
    ("max_log_rows", 3, TWO_ADICITY),
)

STD = Options("std")

INSECURE_TEST = Options(
    "INSECURE-TEST", queries=3, query_grinding=3, round_grinding=2, slack_shift=2, log_final_rows=3,
    min_log_rows=8, max_log_rows=22, insecure=True,
)  # fmt: skip
