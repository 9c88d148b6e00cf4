"""Constraints of summaries: what a site's readings come to for each tag, handed over hidden (README.md sections 2 and 5).

A summary is a chain `IV | header | records | trailer`; a record is (0, tag, 0, 0, work limbs 24 + 24 + 8, 0). A registry's table
*sends* its records on the TAG bus, one row SENT each. A site's table *receives* them: a row SIDE, which is hashed on a
copy and so is not in the chain, takes the three low digits of the sum, and the row GOT behind it the three high ones and is the record.

Bytes: SENT 6-12 work, 14-16 gap to the next record, 17-19 tag. SIDE 0-11 carries, 12-14 work bytes 0-2, 17-19 tag. GOT 0-7
carries, 8-11 work bytes 3-6, 12 zero, 14-16 gap to the next record. HD 14-16 gap of the first record.
"""

from __future__ import annotations

from circuits.gadgets import View
from zk.air import Builder


def summaries(b: Builder, row: View, nxt: View) -> None:
    """Adds the constraints of records. Their sums are `receiver`'s."""
    b.assert_zero("record_key_is_the_tag", (row.sent + row.got) * (row.lane(1) - row.key))
    b.assert_zero("record_tag_is_its_bytes", (row.sent + row.side) * (row.key - row.limb(17)))
    b.assert_zero("side_has_the_record's_tag", row.side * (nxt.key - row.key))
    # Over the integers: both tags and the gap are three bytes each. Before the first the previous tag is IDLE = 1.
    previous = row.hd + (row.sent + row.got) * row.key
    b.assert_zero("records_ascend", (nxt.sent + nxt.side) * (nxt.key - previous - 1 - row.limb(14)))
    b.assert_zero("sent_work_top_is_its_byte", row.sent * (row.lane(6) - row.byte(12)))
    b.assert_zero("received_work_has_seven_bytes", row.got * row.byte(12))


def receiver(b: Builder, row: View, nxt: View) -> None:
    """The digit sums received on the TAG bus, carry-normalised, are the work of an entry (E1, E2) or a record (SIDE, GOT).

    A digit is a byte; the sixth of a sent record is two bytes, and each tag is sent at most once by each of at most 256
    summaries. So a sum is at most 255 x 2^22 + 65535 x 256 and a carry below 2^22: both sides stay below 2^31 - 2^24.
    """
    first, second = row.e1 + row.side, row.e2 + row.got
    carries = [row.limb(0), row.limb(4), row.limb(8)]
    for i in range(5):
        place, kind = 4 * (i % 3), (first, second)[i // 3]
        top = row.byte(place + 3) - row.byte(place + 2) * 4
        b.assert_zero(f"received_carry_{i}_is_below_2^22", kind * top)
    here, there = row.e1 * row.new + row.side, row.e2 * row.new + row.got
    s = row.row.many("sum")
    b.assert_zero("received_0", here * (s[0] - row.byte(12) - carries[0] * 256))
    b.assert_zero("received_1", here * (s[1] + carries[0] - row.byte(13) - carries[1] * 256))
    b.assert_zero("received_2", here * (s[2] + carries[1] - row.byte(14) - carries[2] * 256))
    crossing = nxt.cell("sum", 0) + carries[2] - nxt.byte(8) - nxt.limb(0) * 256
    b.assert_zero("received_3", here * crossing)
    b.assert_zero("received_4", there * (s[1] + carries[0] - row.byte(9) - carries[1] * 256))
    b.assert_zero("received_5", there * (s[2] + carries[1] - row.limb(10)))
    low = row.e1 * (nxt.lane(0) - row.limb(12)) + row.side * (nxt.lane(4) - row.limb(12))
    middle = row.e2 * (row.lane(1) - row.limb(8)) + row.got * (row.lane(5) - row.limb(8))
    high = row.e2 * (row.lane(2) - row.limb(11, 2)) + row.got * (row.lane(6) - row.limb(11, 2))
    for i, difference in enumerate((low, middle, high)):
        b.assert_zero(f"received_lane_{i}_is_its_bytes", difference)
