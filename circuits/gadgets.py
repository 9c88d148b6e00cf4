"""Columns of the claim table, and small helpers over its symbolic rows.

Columns, kinds of rows and the meaning of the shared columns: README.md section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from circuits.statement import LIMB
from zk.air import Builder, Columns, Expr, Row

KINDS = ("iv", "hd", "busy", "idle", "el", "mi", "er", "e0", "e1", "e2", "e3", "e4", "sent", "es", "side", "got", "eg")
REGISTRY_KINDS = ("mi", "er", "e0", "e1", "e2", "e3", "e4")
KIND_FLAGS = ("opening", "external", "worker", "merge", "residue")

LAYOUT: dict[str, int] = {
    "in": 16,
    "full_a": 64,
    "partial": 36,
    "full_b": 64,
    **dict.fromkeys(KINDS, 1),
    "chain": 1,
    "byte": 20,
    "t_lo": 1,
    "t_hi": 1,
    "t_mult": 1,
    "new": 1,
    "index": 1,
    "res": 3,
    "tot": 3,
    "sorted_prev": 1,
    "key": 1,
    "base": 1,
    **dict.fromkeys(KIND_FLAGS, 1),
    "shared_base": 1,
    "val": 3,
    "fbase": 1,
    "acc": 3,
    "sum": 3,
    "aux": 1,
    "works": 1,
    "owes": 1,
}
COLUMNS = Columns(LAYOUT)
N_COLUMNS = len(COLUMNS)
N_PERMUTATION = 180
N_BYTES = 20

# Bus identifiers: message element 0, distinct and non-zero.
BYTES, TAG, SORT, ENTRY, HEADER, HEAD_LEDGER, HEAD_BEFORE, HEAD_AFTER, HEAD_SENT, HEAD_RECEIVED = range(1, 11)

PUBLICS = (
    "first_epoch",
    "last_epoch",
    *(f"{cap}[{i}]" for cap in ("total_cap", "unattributed_cap", "lineage_cap", "freeze") for i in range(3)),
    "charge_peak",
    "charge_residue",
)


@dataclass(frozen=True)
class View:
    """One symbolic row with the compositions that constraints speak of."""

    b: Builder
    row: Row

    def __getattr__(self, name: str) -> Expr:
        """The single column `name`: `view.e0`, `view.chain`."""
        return self.row.one(name)

    def lane(self, i: int) -> Expr:
        """Lane i of the permutation's input: lanes 0..7 are the block."""
        return self.row.one("in", i)

    def out(self, i: int) -> Expr:
        """Lane i of the permutation's output."""
        return self.row.one("full_b", 48 + i)

    def byte(self, i: int) -> Expr:
        """Byte column i, 0..19."""
        return self.row.one("byte", i)

    def cell(self, name: str, i: int) -> Expr:
        """Column `name[i]`."""
        return self.row.one(name, i)

    def limb(self, first: int, count: int = 3) -> Expr:
        """`count` <= 3 byte columns from `first` on, little-endian: below 2^24, so never wrapped."""
        return little_endian([self.byte(first + i) for i in range(count)])

    def limbs(self, first: int, total: int) -> list[Expr]:
        """`total` byte columns from `first` on as limbs of three bytes; the last may be shorter."""
        return [self.limb(first + i, min(3, total - i)) for i in range(0, total, 3)]

    def any_of(self, kinds: Sequence[str]) -> Expr:
        """1 if the row is of one of these kinds, else 0."""
        return self.b.sum(self.row.one(kind) for kind in kinds)

    @property
    def used(self) -> Expr:
        """1 unless the row is padding."""
        return self.any_of(KINDS)

    @property
    def reading(self) -> Expr:
        """1 on a reading."""
        return self.any_of(("busy", "idle"))

    @property
    def registry(self) -> Expr:
        """1 on a registry row after the header."""
        return self.any_of(REGISTRY_KINDS)


def views(b: Builder) -> tuple[View, View]:
    """The current and the next row."""
    return View(b, b.row), View(b, b.next)


def little_endian(digits: Sequence[Expr]) -> Expr:
    """digits[0] + 2^8 digits[1] + 2^16 digits[2] + ..."""
    total = digits[0]
    for i, digit in enumerate(digits[1:], 1):
        total = total + digit * (1 << 8 * i)
    return total


def boolean(b: Builder, name: str, bit: Expr, when: Expr | int = 1) -> None:
    """bit in {0, 1} wherever `when` is not 0."""
    b.assert_zero(name, (bit * bit - bit) * when)


def byte_table(b: Builder, row: View, nxt: View, n_bytes: int) -> None:
    """(t_lo, t_hi) walks from (0, 0) to (255, 255), each pair at least once, and the byte columns are looked up in pairs.

    t_lo moves by 0 or 1 and returns to 0 only from 255, when t_hi steps; past 255 it could never come back.
    """
    lo, hi = row.t_lo, row.t_hi
    step, up = nxt.t_hi - hi, nxt.t_lo - lo
    b.assert_zero("table_starts_at_lo_0", b.is_first * lo)
    b.assert_zero("table_starts_at_hi_0", b.is_first * hi)
    b.assert_zero("table_ends_at_lo_255", b.is_last * (lo - 255))
    b.assert_zero("table_ends_at_hi_255", b.is_last * (hi - 255))
    boolean(b, "table_hi_steps", step, b.is_transition)
    b.assert_zero("table_hi_steps_from_255", b.is_transition * step * (lo - 255))
    b.assert_zero("table_hi_steps_to_0", b.is_transition * step * nxt.t_lo)
    b.assert_zero("table_lo_steps", b.is_transition * ((1 - step) * (up * up - up)))
    for i in range(0, n_bytes, 2):
        b.interact(f"bytes_{i}_{i + 1}", 1, (BYTES, row.byte(i), row.byte(i + 1)))
    b.interact("byte_table", 0 - row.t_mult, (BYTES, lo, hi))


def no_carry_left(limb_sum: Expr, carry_in: Expr | int, carry_out: Expr | int, result: Expr) -> Expr:
    """limb_sum + carry_in - 2^24 carry_out - result: zero if the limb addition is right.

    Every term is range-checked and the sum of their bounds is below p, so zero mod p is zero over the integers.
    """
    total = limb_sum + carry_in - result
    return total if isinstance(carry_out, int) and carry_out == 0 else total - carry_out * LIMB
