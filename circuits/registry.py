"""Constraints of registry rows: entries, lineage and bases (R5), received work (R4), caps and R (R6).

An entry is five rows E0..E4. Bytes, lanes and shared columns by row: README.md sections 2 and 3.
"""

from __future__ import annotations

from circuits.gadgets import KIND_FLAGS, View, boolean, no_carry_left
from circuits.statement import CHECKPOINT, EXTERNAL, MERGE, OPENING, RESIDUE, UNATTRIBUTED
from circuits.summary import receiver
from zk.air import Builder, Expr


def registry(b: Builder, row: View, nxt: View) -> None:
    """Adds the constraints of entries and of the registry's chain."""
    _chain_state(b, row, nxt)
    _kinds(b, row, nxt)
    _tags(b, row, nxt)
    _parents(b, row, nxt)
    _amounts(b, row, nxt)
    _received(b, row)
    receiver(b, row, nxt)
    _cumulative(b, row, nxt)
    _limit(b, row, nxt)
    _totals(b, row, nxt)
    _residue_limit(b, row, nxt)


def _chain_state(b: Builder, row: View, nxt: View) -> None:
    """Old and new part, index, and what the registry starts with."""
    b.assert_zero("new_starts_at_zero", row.hd * row.new)
    b.assert_zero("new_turns_at_the_before_head", nxt.registry * (nxt.new - row.new) - row.mi)
    b.assert_zero("before_head_comes_once", row.mi * row.new)
    b.assert_zero("after_head_follows_before_head", row.er * (row.new - 1))
    b.assert_zero("index_starts_at_zero", row.hd * row.index)
    b.assert_zero("index_counts_entries", nxt.registry * (nxt.index - row.index) - nxt.e0)
    b.assert_zero("total_starts_at_zero", row.hd * row.cell("tot", 2))
    b.assert_zero("residue_follows_before_head", row.mi * (nxt.residue - 1))
    b.assert_zero("residue_only_after_before_head", nxt.e0 * nxt.residue * (nxt.new - row.mi))


def _kinds(b: Builder, row: View, nxt: View) -> None:
    """Kind flags: one is set, they match the kind hashed in E0, and they stay for the entry."""
    for flag in KIND_FLAGS:
        boolean(b, f"{flag}_is_a_bit", row.row.one(flag))
    b.assert_zero("one_kind", row.e0 * (row.any_of(KIND_FLAGS) - 1))
    boolean(b, "kind_bit_is_a_bit", row.aux, row.e0)
    b.assert_zero("kind_bit_is_a_worker's", row.e0 * row.aux * (row.worker - 1))
    kind = (
        row.opening * OPENING + row.external * EXTERNAL + row.worker * CHECKPOINT + row.aux
    ) + (row.merge * MERGE + row.residue * RESIDUE)
    b.assert_zero("kind_is_hashed", row.e0 * (row.lane(1) - kind))
    within = row.any_of(("e0", "e1", "e2", "e3"))
    for flag in KIND_FLAGS:
        b.assert_zero(f"{flag}_stays", within * (nxt.row.one(flag) - row.row.one(flag)))
    b.assert_zero("opening_is_old", row.e0 * row.opening * row.new)


def _tags(b: Builder, row: View, nxt: View) -> None:
    """The entry's tag: 24 bits, carried in `key`; sorted tags strictly increase, so all are distinct."""
    b.assert_zero("tag_is_its_bytes", row.e0 * (row.lane(0) - row.limb(15)))
    b.assert_zero("residue_tag", row.e0 * row.residue * (row.lane(0) - UNATTRIBUTED))
    b.assert_zero("sorted_tag_is_its_bytes", row.e0 * (row.key - row.limb(0)))
    b.assert_zero("tag_enters_key", row.e0 * (nxt.key - row.lane(0)))
    b.assert_zero("tag_stays", row.any_of(("e1", "e2", "e3")) * (nxt.key - row.key))
    sorts = row.e0 * (1 - row.residue)
    b.assert_zero("sorted_tags_increase", sorts * (row.key - row.sorted_prev - 1 - row.limb(3)))
    b.assert_zero("sorted_tags_start_at_three", row.hd * (row.sorted_prev - UNATTRIBUTED))
    moved = nxt.registry * (nxt.sorted_prev - row.sorted_prev)
    b.assert_zero("sorted_tag_is_remembered", moved - sorts * (row.key - row.sorted_prev))


def _parents(b: Builder, row: View, nxt: View) -> None:
    """Which kinds have parents, the base, and whether the parents share it. Fetches are the ENTRY bus."""
    alone = row.opening + row.external + row.residue
    b.assert_zero("no_parents", row.e0 * alone * row.lane(2))
    b.assert_zero("no_second_parent", row.e1 * (1 - row.merge) * row.lane(0))
    own_base = row.lane(3)
    b.assert_zero("base_is_parent_or_its_base", row.e0 * (own_base - row.lane(2)) * (own_base - row.fbase))
    b.assert_zero("merge_keeps_first_base", row.e0 * row.merge * (own_base - row.fbase))
    b.assert_zero("base_is_carried", row.e0 * (nxt.base - own_base))
    b.assert_zero("base_stays", row.any_of(("e1", "e2", "e3")) * (nxt.base - row.base))
    boolean(b, "shared_base_is_a_bit", row.shared_base, row.e1 + row.e4)
    b.assert_zero("only_merges_share_a_base", row.e1 * row.shared_base * (1 - row.merge))
    b.assert_zero("shared_base_is_one_base", row.e1 * row.shared_base * (row.fbase - row.base))
    b.assert_zero("shared_base_stays", row.e1 * (nxt.shared_base - row.shared_base))
    b.assert_zero("residue_is_no_parent", row.e4 * row.residue * row.aux)


def _amounts(b: Builder, row: View, nxt: View) -> None:
    """Declared and cumulative are 64-bit numbers in bytes, as work is (`receiver`); who may have which; epochs of new entries."""
    for name, kind in (("declared", row.e3), ("cumulative", row.e4)):
        for i, limb in enumerate(row.limbs(0, 8)):
            b.assert_zero(f"{name}_lane_{i}_is_its_bytes", kind * (row.lane(i) - limb))
    workless = row.opening + row.external + row.merge
    total = row.lane(0) + row.lane(1) + row.lane(2)  # below 3 x 2^24: zero only if each limb is
    b.assert_zero("no_work", row.e2 * workless * total)
    b.assert_zero("nothing_declared", row.e3 * (row.worker + row.merge + row.residue) * total)
    fresh = row.e0 * row.new
    b.assert_zero("epoch_not_before_the_first", fresh * (row.lane(4) - b.public("first_epoch") - row.limb(9)))
    b.assert_zero("epoch_not_after_the_last", fresh * (b.public("last_epoch") - row.lane(4) - row.limb(12)))


def _received(b: Builder, row: View) -> None:
    """Which entries receive: the new ones that may have work. What they receive is their work: `receiver`."""
    refuses = 1 - row.new + row.opening + row.external + row.merge  # 0, 1 or 2
    for i in range(3):
        b.assert_zero(f"old_or_workless_receives_nothing_{i}", (row.e1 + row.e2) * refuses * row.cell("sum", i))
    b.assert_zero("old_or_workless_receives_no_readings", row.e2 * refuses * row.aux)


def _cumulative(b: Builder, row: View, nxt: View) -> None:
    """cumulative = work + declared + cum(parent1) + cum(parent2) - shared_base cum(base); RESIDUE: R + work."""
    for i in range(3):
        acc, val, then = row.cell("acc", i), row.cell("val", i), nxt.cell("acc", i)
        b.assert_zero(f"sum_starts_{i}", row.e0 * (then - val - row.residue * row.cell("res", i)))
        b.assert_zero(f"sum_adds_second_parent_{i}", row.e1 * (then - acc - val))
        b.assert_zero(f"sum_adds_work_{i}", row.e2 * (then - acc - row.lane(i) + row.shared_base * val))
        b.assert_zero(f"sum_adds_declared_{i}", row.e3 * (then - acc - row.lane(i)))
    bits = [row.byte(16 + i) for i in range(4)]
    for i, bit in enumerate(bits):
        boolean(b, f"cumulative_carry_{i}_is_a_bit", bit, row.e4)
    carries: list[Expr | int] = [0, bits[0] - bits[1], bits[2] - bits[3], 0]
    for i in range(3):
        left = no_carry_left(row.cell("acc", i), carries[i], carries[i + 1], row.lane(i))
        b.assert_zero(f"cumulative_limb_{i}", row.e4 * left)


def _limit(b: Builder, row: View, nxt: View) -> None:
    """cumulative + charge_residue R + slack = limit; RESIDUE: cumulative - R + slack = unattributed cap.

    `works`: the entry receives work. A RESIDUE entry's goes no further than E3, where it becomes `owes`.
    """
    works = row.works
    boolean(b, "works_is_a_bit", works, row.e2)
    b.assert_zero("works_is_a_receiver's", row.e2 * works * (1 - row.worker - row.residue))
    work = row.lane(0) + row.lane(1) + row.lane(2)
    b.assert_zero("who_receives_works", row.e2 * (1 - works) * work)
    b.assert_zero("works_stays", row.e2 * (nxt.works - works) + row.e3 * (nxt.works - works + row.residue * works))
    charge = b.public("charge_residue")
    factor = charge - row.residue * (charge + 1)
    bits = [*row.row.many("sum"), row.shared_base]
    for i in range(3):
        boolean(b, f"limit_carry_{i}_is_a_bit", bits[i], row.e4)
    carries: list[Expr | int] = [0, bits[0] + bits[1] - row.residue, bits[2] + bits[3] - row.residue, 0]
    slack = row.limbs(8, 8)
    for i in range(3):
        charged = row.lane(i) + factor * row.cell("res", i) + slack[i]
        left = no_carry_left(charged, carries[i], carries[i + 1], row.cell("val", i))
        b.assert_zero(f"limit_limb_{i}", row.e4 * left)
        cap = b.public(f"lineage_cap[{i}]")
        freeze, unattributed = b.public(f"freeze[{i}]"), b.public(f"unattributed_cap[{i}]")
        limit = cap + works * (freeze - cap) + row.residue * (unattributed - cap)
        b.assert_zero(f"limit_is_the_cap_{i}", row.e4 * row.new * (row.cell("val", i) - limit))


def _totals(b: Builder, row: View, nxt: View) -> None:
    """R along the registry, the running total of the new entries' work, and the total cap.

    In ledger rows the same columns are the peak and the coverage, constant along the chain.
    """
    carries: list[Expr | int] = [0, row.byte(17), row.byte(18), 0]
    chained = nxt.registry + nxt.reading
    for i in range(3):
        res, tot = row.cell("res", i), row.cell("tot", i)
        kept = chained * (nxt.cell("res", i) - res)
        b.assert_zero(f"residue_or_peak_{i}", kept - row.e4 * row.residue * (row.lane(i) - res))
        added = no_carry_left(row.new * row.lane(i), carries[i], carries[i + 1], b.constant(0))
        b.assert_zero(f"total_or_coverage_{i}", chained * (nxt.cell("tot", i) - tot) - row.e2 * added)
        b.assert_zero(f"total_is_its_bytes_{i}", row.e3 * (tot - row.limbs(8, 8)[i]))
    boolean(b, "total_carry_0_is_a_bit", row.byte(17), row.e2)
    cap_carries: list[Expr | int] = [0, row.byte(8), row.byte(9), 0]
    for i, slack in enumerate(row.limbs(0, 8)):
        left = no_carry_left(
            row.cell("tot", i) + slack, cap_carries[i], cap_carries[i + 1], b.public(f"total_cap[{i}]")
        )
        b.assert_zero(f"total_cap_{i}", row.er * left)
    for i, bit in enumerate(cap_carries[1:3]):
        boolean(b, f"total_cap_carry_{i}_is_a_bit", b.lift(bit), row.er)


def _residue_limit(b: Builder, row: View, nxt: View) -> None:
    """Where unattributed work came in this period and R is charged: R' + slack = the effective freeze, at ER.

    `owes` is the new RESIDUE entry's `works`, carried to the end; what older entries set is overwritten.
    """
    set_here = row.e3 * row.residue * (row.works - row.owes)
    b.assert_zero("owes_is_carried", nxt.registry * (nxt.owes - row.owes) - set_here)
    owes = row.er * row.owes * b.public("charge_residue")
    carries: list[Expr | int] = [0, row.byte(18), row.byte(19), 0]
    for i, slack in enumerate(row.limbs(10, 8)):
        left = no_carry_left(row.cell("res", i) + slack, carries[i], carries[i + 1], b.public(f"freeze[{i}]"))
        b.assert_zero(f"residue_limit_{i}", owes * left)
    for i in range(2):
        boolean(b, f"residue_limit_carry_{i}_is_a_bit", row.byte(18 + i), row.er)
