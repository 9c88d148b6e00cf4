"""False registries, caps and rows that are otherwise consistent (R5, R6): each is refused, and by the constraint meant for it.

Every trace is built by the witness generator with its checks left out; hashes, heads, multiplicities are those of the false
records. So where a test names one constraint, nothing else stands between the attack and a proof.
"""

from __future__ import annotations

from dataclasses import replace

import claim_samples as samples
import numpy as np
import pytest
from claim_forge import Forge, failing, unchecked_trace
from claim_samples import S, T, U, seal, small, small_new, small_old, with_registry
from false_records import BUS, fails

from circuits import fill_registry as fill
from circuits.chain import Entry
from circuits.statement import (
    CHECKPOINT,
    EXTERNAL,
    IDLE,
    MERGE,
    OPENING,
    RESIDUE,
    SNAPSHOT,
    UNATTRIBUTED,
)
from circuits.witness import ClaimWitness

# R5: the registry


def test_registry_forgets_an_entry():
    statement, witness = small()
    forgetful = replace(witness, registry=replace(witness.registry, old_entries=witness.registry.old_entries[:-1]))
    before = statement.registry.before
    statement = with_registry(seal(statement, forgetful), before=before)
    trace, layout = unchecked_trace(statement, forgetful)
    assert failing(statement, trace, layout.used) == BUS


def test_before_head_comes_later():
    """Last period's entries are declared new, and the head before the period is that of an earlier time."""
    statement, witness = small()
    registry = witness.registry
    later = replace(
        registry, old_entries=registry.old_entries[:2], new_entries=registry.old_entries[2:] + registry.new_entries
    )
    found = fails(statement, replace(witness, registry=later))
    assert {"residue_follows_before_head", "residue_only_after_before_head"} <= found


def test_old_entries_marked_new():
    forge = Forge(*small())
    row = forge.entry(103)
    for k in range(row, forge.rows("mi")[0]):
        forge["new", 0, k] = 1
    assert "new_turns_at_the_before_head" in forge.failures()


def test_new_entries_marked_old():
    forge = Forge(*small())
    for row in range(forge.entry(T), forge.rows("er")[0] + 1):
        forge["new", 0, row] = 0
    assert "new_turns_at_the_before_head" in forge.failures()


def test_opening_entry_appended_later():
    def new(r, works):
        small_new(r, works)
        r.add(OPENING, 300, declared=1, epoch=12)

    assert fails(*small(new=new)) == {"opening_is_old"}


def test_period_without_residue_entry():
    plan = [(10, [(S, 0)]), (11, [(S, 0)]), (12, [(T, 0)])]

    def new(r, works):
        r.add(CHECKPOINT, S, parent1=101, work=works[S], epoch=11)
        r.add(SNAPSHOT, T, parent1=S, work=works[T], epoch=12)

    assert fails(*small(plans=[plan], new=new)) == {"residue_follows_before_head"}


def test_second_residue_entry():
    def new(r, works):
        small_new(r, works)
        r.residue(0, epoch=12)

    assert fails(*small(new=new)) == {"residue_only_after_before_head"}


def test_forgotten_residue():
    """R' leaves out what earlier periods left unattributed."""

    def new(r, works):
        r.residue(works[UNATTRIBUTED], epoch=12).tamper(cumulative=works[UNATTRIBUTED])
        r.add(CHECKPOINT, S, parent1=101, work=works[S], epoch=11)
        r.add(SNAPSHOT, T, parent1=S, work=works[T], epoch=12)

    assert "cumulative_limb_0" in fails(*small(new=new))


def test_residue_column_forgets():
    forge = Forge(*small(charge_residue=False))
    for row in range(forge.entry(S), forge.rows("er")[0] + 1):
        forge["res", 0, row] = 0
    assert forge.failures() == {"residue_or_peak_0"}


@pytest.mark.parametrize("fields", [{"parent1": 101}, {"declared": 5}, {"tag": 300}])
def test_residue_entry_with_other_fields(fields):
    def new(r, works):
        r.residue(works[UNATTRIBUTED], epoch=12)
        r.entries[-1] = replace(r.entries[-1], **fields)
        r.add(CHECKPOINT, S, parent1=101, work=works[S], epoch=11)
        r.add(SNAPSHOT, T, parent1=S, work=works[T], epoch=12)

    expected = {"parent1": "no_parents", "declared": "nothing_declared", "tag": "residue_tag"}
    assert expected[next(iter(fields))] in fails(*small(new=new))


def test_residue_entry_as_a_parent():
    forge = Forge(*small())
    row = forge.entry(UNATTRIBUTED, 1) + 4
    forge["aux", 0, row] = 1
    assert forge.failures() == {"residue_is_no_parent", "chain"}


@pytest.mark.parametrize("parent", [T, U, 9999])
def test_parent_is_later_or_self_or_unknown(parent):
    def new(r, works):
        r.residue(works[UNATTRIBUTED], epoch=12)
        r.add(CHECKPOINT, S, parent1=101, work=works[S], epoch=11)
        r.add(SNAPSHOT, T, base=0, work=works[T], epoch=12).tamper(parent1=parent)
        r.add(CHECKPOINT, U, epoch=12)

    assert "chain" in fails(*small(new=new))


def test_cumulative_of_a_parent_is_fetched_smaller():
    forge = Forge(*small())
    row = forge.entry(T)
    parent = forge["val", 0, row]
    forge["val", 0, row] = parent - 1
    for k in range(1, 5):
        forge["acc", 0, row + k] -= 1
    forge["in", 0, row + 4] -= 1
    forge["byte", 0, row + 4] -= 1
    forge["byte", 8, row + 4] += 1
    assert forge.rehash().reseal().failures() == {"chain"}


@pytest.mark.parametrize("step", [1, 1 << 24, 1 << 48])
def test_cumulative_too_small(step):
    def new(r, works):
        r.residue(works[UNATTRIBUTED], epoch=12).add(CHECKPOINT, S, parent1=101, work=works[S], epoch=11)
        r.add(SNAPSHOT, T, parent1=S, work=works[T], epoch=12)
        r.add(EXTERNAL, U, declared=1 << 50, epoch=12).tamper(cumulative=(1 << 50) - step)

    found = fails(*small(new=new))
    assert found and found <= {f"cumulative_limb_{i}" for i in range(3)}


def test_carry_aliasing():
    """127 x 2^24 = -1 mod p: a carry of -127 would make the cumulative one smaller."""

    def new(r, works):
        small_new(r, works)
        r.add(EXTERNAL, U, declared=(1 << 40) + 5, epoch=12)

    forge = Forge(*small(new=new))
    row = forge.entry(U) + 4
    value = (1 << 40) + 5
    forge["byte", 16, row], forge["byte", 17, row] = 0, 127
    value = value - 1 - (127 << 24)
    for i in range(3):
        forge["in", i, row] = value >> 24 * i & 0xFFFFFF
    forge.put_bytes(0, row, value, 8)
    slack = samples.BIG - value - 55 - 750
    carry = 0
    assert slack > 0 and forge["val", 0, row] == samples.BIG & 0xFFFFFF
    r_after = sum(forge["res", i, row] << 24 * i for i in range(3))
    slack = samples.BIG - value - r_after
    forge.put_bytes(8, row, slack, 8)
    names = (("sum", 0), ("sum", 1), ("sum", 2), ("shared_base", 0))
    for i in range(2):
        left = sum(x >> 24 * i & 0xFFFFFF for x in (value, r_after, slack)) + carry
        carry = left >> 24
        for k in range(2):
            forge[*names[2 * i + k], row] = int(carry > k)
    assert forge.rehash().reseal().failures() == {"cumulative_carry_1_is_a_bit"}


def merged(base, shared, monkeypatch=None, parents=(101, 102)):
    """A claim whose last entry is a MERGE with a base and cumulative of the attacker's choice."""

    def new(r, works):
        small_new(r, works)
        p1, p2 = (r.by_tag[p] for p in parents)
        r.add(MERGE, U, parent1=p1.tag, parent2=p2.tag, epoch=12)
        full = p1.cumulative + p2.cumulative
        r.tamper(base=base, cumulative=full - (r.by_tag[base].cumulative if shared else 0))

    if shared and monkeypatch is not None:
        monkeypatch.setattr(fill.Entries, "shares_base", lambda e: e.tag == U)
    return small(new=new)


def test_merge_with_its_common_base():
    assert fails(*merged(100, True)) == set()


def test_merge_with_a_false_base(monkeypatch):
    """Base 101 is parent1 itself: subtracting it would halve the merge."""
    found = fails(*merged(101, True, monkeypatch, parents=(101, 102)))
    assert found == {"merge_keeps_first_base", "shared_base_is_one_base"}


def test_merge_with_an_unrelated_base(monkeypatch):
    found = fails(*merged(103, True, monkeypatch))
    assert found == {"merge_keeps_first_base", "base_is_parent_or_its_base", "shared_base_is_one_base"}


def test_shared_base_on_different_bases(monkeypatch):
    found = fails(*merged(100, True, monkeypatch, parents=(101, 103)))
    assert found == {"shared_base_is_one_base"}


def test_shared_base_of_a_checkpoint(monkeypatch):
    def new(r, works):
        small_new(r, works)
        r.add(CHECKPOINT, U, parent1=101, epoch=12)
        r.tamper(cumulative=r.entries[-1].cumulative - 10**6)

    monkeypatch.setattr(fill.Entries, "shares_base", lambda e: e.tag == U)
    assert "only_merges_share_a_base" in fails(*small(new=new))


def test_checkpoint_with_a_second_parent():
    def new(r, works):
        small_new(r, works)
        r.add(CHECKPOINT, U, parent1=101, parent2=102, epoch=12)

    assert fails(*small(new=new)) == {"no_second_parent"}


@pytest.mark.parametrize("kind", [EXTERNAL, OPENING])
def test_parent_of_a_kind_that_has_none(kind):
    def old(r):
        small_old(r)
        r.add(kind, 104, parent1=101)

    assert fails(*small(old=old)) == {"no_parents"}


@pytest.mark.parametrize("kind", [CHECKPOINT, SNAPSHOT, MERGE])
def test_declared_by_a_kind_that_declares_nothing(kind):
    def new(r, works):
        small_new(r, works)
        r.add(kind, U, declared=3, epoch=12)

    assert fails(*small(new=new)) == {"nothing_declared"}


def test_kind_other_than_the_hashed_one():
    forge = Forge(*small())
    row = forge.entry(T)
    forge["in", 1, row] = CHECKPOINT
    assert forge.rehash().reseal().failures() == {"kind_is_hashed"}


def test_kind_changes_inside_an_entry():
    forge = Forge(*small())
    row = forge.entry(T) + 4
    forge["worker", 0, row], forge["external", 0, row] = 0, 1
    assert forge.failures() == {"worker_stays", "external_stays"}


@pytest.mark.parametrize(
    ("epoch", "constraint"), [(9, "epoch_not_before_the_first"), (13, "epoch_not_after_the_last")]
)
def test_epoch_outside_the_period(epoch, constraint):
    def new(r, works):
        small_new(r, works)
        r.add(EXTERNAL, U, epoch=epoch)

    assert fails(*small(new=new)) == {constraint}


# R6: caps


def figures():
    _, witness = small()
    new = witness.registry.new_entries
    return sum(e.work for e in new), new[0], new[-1]


TOTAL, RESIDUE_ENTRY, LARGEST = figures()
R = RESIDUE_ENTRY.cumulative


@pytest.mark.parametrize(
    ("cap", "value", "extra", "constraint"),
    [
        ("total_cap", TOTAL, {}, "total_cap_"),
        ("unattributed_cap", RESIDUE_ENTRY.work, {}, "limit_limb_"),
        ("lineage_cap", LARGEST.cumulative, {"charge_residue": False}, "limit_limb_"),
        ("lineage_cap", LARGEST.cumulative + R, {}, "limit_limb_"),
        ("freeze_level", LARGEST.cumulative, {"charge_residue": False}, "limit_limb_"),
        ("freeze_level", LARGEST.cumulative + R, {}, "limit_limb_"),
    ],
)
def test_cap_reached_and_exceeded_by_one(cap, value, extra, constraint):
    assert fails(*small(**extra, **{cap: value})) == set()
    found = fails(*small(**extra, **{cap: value - 1}))
    assert found and all(name.startswith(constraint) for name in found)


def test_freeze_spares_what_receives_nothing():
    def new(r, works):
        small_new(r, works)
        r.add(EXTERNAL, U, declared=10**9, epoch=12)

    assert fails(*small(new=new, freeze_level=LARGEST.cumulative + R)) == set()


def test_freeze_level_above_the_lineage_cap_does_not_lift_it():
    cap = LARGEST.cumulative + R - 1
    assert fails(*small(lineage_cap=cap, freeze_level=cap + 100)) != set()


def test_work_hidden_from_the_freeze():
    level = LARGEST.cumulative + R - 1
    statement, witness = small(lineage_cap=level + 1)
    forge = Forge(statement, witness)
    row = forge.entry(T)
    for step in (2, 3, 4):
        forge["works", 0, row + step] = 0
    forge.statement = replace(statement, freeze_level=level)
    assert "who_receives_works" in forge.failures()


def test_unattributed_cap_for_a_worker():
    """A worker flagged `residue` would meet the unattributed cap in place of the lineage cap."""
    forge = Forge(*small())
    forge["residue", 0, forge.entry(T) + 4] = 1
    assert "residue_stays" in forge.failures()


def test_total_cap_forgets_an_entry():
    forge = Forge(*small())
    row = forge.entry(T)
    for k in range(row + 3, forge.rows("er")[0] + 1):
        for i in range(3):
            forge["tot", i, k] = forge["tot", i, row]
    total = sum(forge["tot", i, row] << 24 * i for i in range(3))
    forge.put_bytes(8, row + 3, total, 8)
    slack, end = samples.BIG - total, forge.rows("er")[0]
    forge.put_bytes(0, end, slack, 8)
    carry = 0
    for i in range(2):
        carry = ((total >> 24 * i & 0xFFFFFF) + (slack >> 24 * i & 0xFFFFFF) + carry) >> 24
        forge["byte", 8 + i, end] = carry
    assert forge.failures() == {"total_or_coverage_0"}


# Rows


def test_work_in_padding():
    forge = Forge(*small())
    row = forge.layout.used + 1
    for lane, value in enumerate((12, S, 5, 0, 15, 0)):
        forge["in", lane, row] = value
    found = forge.failures()
    assert {f"padding_lane_{i}_is_zero" for i in (0, 1, 2, 4)} <= found


def test_reading_after_the_end_of_a_ledger():
    forge = Forge(*small())
    row = forge.layout.used
    forge["busy", 0, row] = 1
    assert "after_end_or_padding" in forge.failures()


def test_two_kinds_in_one_row():
    forge = Forge(*small())
    forge["idle", 0, forge.rows("busy")[0]] = 1
    assert "one_kind_of_row" in forge.failures()


def test_ledger_ends_as_a_registry():
    forge = Forge(*small())
    row = forge.rows("el")[0]
    forge["el", 0, row], forge["er", 0, row] = 0, 1
    assert {"after_reading", "chain"} <= forge.failures()


def test_byte_outside_the_table():
    forge = Forge(*small())
    forge["byte", 0, forge.rows("busy")[0]] = 256
    assert "bytes_0_1" in forge.failures()


def test_table_that_walks_past_255():
    """Row 256 would provide (256, 0), a byte too large."""
    forge = Forge(*small())
    forge["t_lo", 0, 256], forge["t_hi", 0, 256] = 256, 0
    found = failing(forge.statement, forge.recount().trace, 260)
    assert {"table_hi_steps_from_255", "table_hi_steps_to_0"} <= found


@pytest.mark.parametrize("cell", ["t_lo", "t_hi"])
def test_table_that_ends_early(cell):
    forge = Forge(*small())
    forge[cell, 0, -1] = 254
    assert {"table_ends_at_lo_255", "table_ends_at_hi_255"} & failing(forge.statement, forge.trace, 10)


def test_entry_has_the_fields_that_are_hashed():
    """Every field of an entry changes the head."""
    statement, witness = small()
    heads = {statement.registry.after}
    changes = {"tag": 77, "kind": OPENING, "parent1": 5, "parent2": 5, "base": 5, "epoch": 5, "work": 5, "declared": 5, "cumulative": 5}
    for name, value in {**changes, "weights_digest": bytes(31) + b"\1"}.items():
        entry: Entry = replace(witness.registry.new_entries[-1], **{name: value})
        new = (*witness.registry.new_entries[:-1], entry)
        heads.add(seal(statement, replace(witness, registry=replace(witness.registry, new_entries=new))).registry.after)
    assert len(heads) == 1 + len(changes) + 1 and RESIDUE not in changes.values()


def test_two_epochs_pass_at_once():
    """`last` = 2 would skip an epoch and allow twice the coverage in the next: 2 x coverage, taken modulo p."""
    statement, witness = small()
    plan = [(10, [(S, 0.5), (IDLE, 0)]), (12, [(S, 0.2), (UNATTRIBUTED, 0.2), (T, 0)])]
    _, other = small(plans=[plan], coverages=[1000])
    seconds = other.ledgers[0].chip_seconds.copy()
    seconds[2:] *= np.uint64(2)
    work = seconds * np.uint64(3) * (other.ledgers[0].tags != IDLE)
    ledgers = (replace(other.ledgers[0], chip_seconds=seconds, work=work),)
    registry = samples.Registry()
    small_old(registry)
    small_new(registry, samples.sums(ledgers))
    new = tuple(registry.entries[len(witness.registry.old_entries) :])
    forge = Forge(statement, ClaimWitness(ledgers, replace(witness.registry, new_entries=new)))
    row, remaining = forge.rows("hd")[0] + 2, 2000
    forge["new", 0, row] = 2
    for k, spent in enumerate(seconds[2:].tolist(), 1):
        remaining -= spent
        forge.put_bytes(12, row + k, remaining, 6)
        forge["shared_base", 0, row + k] = 0
    assert forge.rehash().reseal().failures() == {"last_is_a_bit"}
