"""Constraints of ledger rows: coverage and epochs (R2), idle readings and work (R3).

Bytes of a reading: 0-5 chip-seconds, 6-11 work, 12-17 remaining chip-seconds of the epoch after it, 18-19 low bytes of
the two product carries. Shared columns: `new` is `last`, `res` the peak's bytes, `tot[0..1]` the coverage, `shared_base`
the borrow, `val[0..2]` and `fbase` the high bits of the product carries. README.md sections 3 and 5.
"""

from __future__ import annotations

from circuits.gadgets import View, boolean
from circuits.statement import IDLE, LIMB
from zk.air import Builder, Expr


def ledger(b: Builder, row: View, nxt: View) -> None:
    """Adds the constraints of readings and of the ledger's end."""
    reading = row.reading
    for lane, first, kinds in ((2, 0, reading), (3, 3, reading), (4, 6, reading + row.sent), (5, 9, reading + row.sent)):
        b.assert_zero(f"reading_lane_{lane}_is_its_bytes", kinds * (row.lane(lane) - row.limb(first)))
    b.assert_zero("busy_key_is_the_tag", row.busy * (row.key - row.lane(1)))
    b.assert_zero("idle_has_the_idle_tag", row.idle * (row.lane(1) - IDLE))
    b.assert_zero("idle_has_no_work", row.idle * (row.lane(4) + row.lane(5)))
    _coverage(b, row, nxt)
    _epochs(b, row, nxt)
    _product(b, row)


def _coverage(b: Builder, row: View, nxt: View) -> None:
    """remaining' = (first of its epoch ? coverage : remaining) - chip_seconds', and 0 where an epoch ends.

    `last` must be a bit: with last = k, k epochs would pass for k x coverage chip-seconds, taken modulo p.
    """
    fresh = row.hd + row.new  # the next reading begins an epoch; hd and new exclude each other
    before = [fresh * (row.cell("tot", i) - row.limb(12 + 3 * i)) + row.limb(12 + 3 * i) for i in range(2)]
    after = [nxt.limb(12), nxt.limb(15)]
    borrow = nxt.shared_base
    low = before[0] - nxt.lane(2) - after[0] + borrow * LIMB
    high = before[1] - nxt.lane(3) - after[1] - borrow
    b.assert_zero("remaining_low_limb", nxt.reading * low)
    b.assert_zero("remaining_high_limb", nxt.reading * high)
    boolean(b, "borrow_is_a_bit", row.shared_base, row.reading)
    boolean(b, "last_is_a_bit", row.new, row.reading)
    b.assert_zero("epoch_ends_with_nothing_remaining", row.reading * row.new * (row.limb(12) + row.limb(15)))


def _epochs(b: Builder, row: View, nxt: View) -> None:
    first, last = b.public("first_epoch"), b.public("last_epoch")
    step = row.hd * (nxt.lane(0) - first) + row.reading * (nxt.lane(0) - row.lane(0) - row.new)
    b.assert_zero("epochs_are_consecutive", nxt.reading * step)
    b.assert_zero("ledger_ends_with_its_epoch", nxt.el * (row.new - 1))
    b.assert_zero("ledger_ends_with_the_last_epoch", nxt.el * (row.lane(0) - last))


def _product(b: Builder, row: View) -> None:
    """chip_seconds x peak = work, in columns of base 2^16 with carries below 2^10, if the rule is "peak".

    A column's digits sum to at most 3 x 255^2 x 257 + 1023 < 2^26 < p on either side, so nothing wraps.
    """
    charged = row.busy * b.public("charge_peak")
    high = [row.cell("val", 0), row.cell("val", 1), row.cell("val", 2), row.fbase]
    for i, bit in enumerate(high):
        boolean(b, f"carry_hi_{i}_is_a_bit", bit, row.busy)
    carries = [row.byte(18 + i) + (high[2 * i] + high[2 * i + 1] * 2) * 256 for i in range(2)]
    digits = [_digit(b, row, k) for k in range(8)]
    columns = [digits[k] + digits[k + 1] * 256 for k in range(0, 8, 2)]
    work = [row.byte(6 + 2 * i) + row.byte(7 + 2 * i) * 256 for i in range(3)]
    b.assert_zero("work_is_the_product_0", charged * (columns[0] - work[0] - carries[0] * 65536))
    b.assert_zero("work_is_the_product_1", charged * (columns[1] + carries[0] - work[1] - carries[1] * 65536))
    b.assert_zero("work_is_the_product_2", charged * (columns[2] + carries[1] - work[2]))
    b.assert_zero("work_is_the_product_top", charged * columns[3])


def _digit(b: Builder, row: View, k: int) -> Expr:
    """Sum of chip_seconds byte i times peak byte k - i."""
    return b.sum(row.byte(i) * row.cell("res", k - i) for i in range(6) if 0 <= k - i < 3)
