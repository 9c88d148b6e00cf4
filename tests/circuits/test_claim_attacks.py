"""Claims that are false but otherwise consistent: each is refused, and by the constraint meant for it.

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

from circuits import fill_registry as fill
from circuits.chain import Entry
from circuits.statement import (
    CHECKPOINT,
    EXTERNAL,
    IDLE,
    MERGE,
    NONE,
    OPENING,
    RESIDUE,
    SNAPSHOT,
    UNATTRIBUTED,
)
from circuits.witness import ClaimWitness, from_montgomery, to_montgomery
from zk.field import P
from zk.kernels.poseidon2 import fill_trace

BUS = {"chain", "public"}


def fails(statement, witness):
    """What fails in the trace of these records, under their own heads."""
    statement = seal(statement, witness)
    trace, layout = unchecked_trace(statement, witness)
    return failing(statement, trace, layout.used)


def readings(witness, changes, meter=0):
    """The witness with changed reading arrays: {field: function of the array}."""
    ledgers = list(witness.ledgers)
    arrays = {name: change(getattr(ledgers[meter], name).copy()) for name, change in changes.items()}
    ledgers[meter] = replace(ledgers[meter], **arrays)
    return replace(witness, ledgers=tuple(ledgers))


def put(at, value):
    def change(array):
        array[at] = value
        return array

    return change


def test_the_sample_is_honest():
    assert fails(*small()) == set()


# R1: chains and heads


def test_meter_left_out():
    statement, witness = small(plans=[samples.SMALL_PLAN] * 2, peaks=[3, 3], coverages=[1000] * 2)
    fewer = ClaimWitness(witness.ledgers[:1], witness.registry)
    one = seal(replace(statement, meters=statement.meters[:1]), fewer)
    trace, layout = unchecked_trace(one, fewer)
    both = replace(one, meters=(one.meters[0], statement.meters[1]))
    # The entries were written for two meters; the left-out meter's absence shows on the chain bus.
    assert failing(both, trace, layout.used) >= {"public"}
    assert "public" not in failing(one, trace, layout.used)


def test_meter_twice():
    forge = Forge(*small(plans=[samples.SMALL_PLAN] * 2, peaks=[3, 3], coverages=[1000] * 2))
    for row in range(*[int(forge.layout.starts[k]) for k in (1, 2)]):
        forge["chain", 0, row] = 1
    header = forge.statement.meters[0].header
    for i in range(8):
        forge["in", i, forge.rows("hd")[1]] = header[i]
    assert forge.rehash().failures() == BUS


def test_another_meters_header():
    forge = Forge(*small())
    forge["in", 0, forge.rows("hd")[0]] += 1
    assert forge.rehash().reseal().failures() == BUS


def test_another_peak():
    forge = Forge(*small())
    for row in forge.rows("hd")[:1] + forge.rows("busy") + forge.rows("idle"):
        forge["res", 1, row] += 1
    assert BUS <= forge.failures()


def test_peak_changed_midway():
    statement, witness = small()
    doubled = readings(witness, {"work": lambda w: w // 3 * 2})
    forge = Forge(statement, doubled)
    for row in forge.rows("busy") + forge.rows("idle"):
        forge["res", 0, row] = 2
    assert "residue_or_peak_0" in forge.reseal().failures()


def test_ledger_of_other_readings():
    statement, witness = small()
    trace, layout = unchecked_trace(statement, readings(witness, {"tags": put(1, UNATTRIBUTED)}))
    assert BUS <= failing(statement, trace, layout.used)


def test_sponge_from_a_chosen_state():
    forge = Forge(*small())
    found = forge.rehash(capacity=range(8)).reseal().failures()
    assert found == {f"chain_starts_at_constant_{i}" for i in range(8, 16)}


def test_capacity_changed_midway():
    forge = Forge(*small())
    row = forge.rows("busy")[1]
    forge["in", 12, row] += 1
    permuted = fill_trace(to_montgomery(forge.trace[:16, row : row + 1]))
    forge.trace[:180, row] = from_montgomery(permuted)[:, 0]
    assert "capacity_link_12" in forge.failures()


def test_trailer_of_the_before_head_continues_the_chain():
    """Hashing the before trailer into the registry, not into a copy, is another registry."""
    forge = Forge(*small())
    row = forge.rows("mi")[0]
    forge["mi", 0, row] = 0
    forge.rehash().trace[:, :]  # the branch flag is gone, so the state runs on
    forge["mi", 0, row] = 1
    assert forge.reseal().failures() == {f"capacity_link_{i}" for i in range(8, 16)}


def test_chain_number_switched_midway():
    forge = Forge(*small(plans=[samples.SMALL_PLAN] * 2, peaks=[3, 3], coverages=[1000] * 2))
    ends = forge.rows("el")
    for row, other in zip(ends, (2, 1), strict=True):
        forge["chain", 0, row] = other
    heads = [m.head for m in forge.statement.meters]
    meters = [replace(m, head=h) for m, h in zip(forge.statement.meters, reversed(heads), strict=True)]
    forge.statement = replace(forge.statement, meters=tuple(meters))
    assert forge.failures() == {"chain_stays"}


# R2: epochs and coverage


@pytest.mark.parametrize(
    ("keep", "constraint"),
    [
        (lambda e: e != 11, "epochs_are_consecutive"),
        (lambda e: e != 10, "epochs_are_consecutive"),
        (lambda e: e != 12, "ledger_ends_with_the_last_epoch"),
    ],
)
def test_epoch_left_out(keep, constraint):
    statement, witness = small()
    kept = keep(witness.ledgers[0].epochs)
    names = ("epochs", "tags", "chip_seconds", "work")
    witness = readings(witness, {name: lambda a: a[kept] for name in names})
    works = samples.sums(witness.ledgers)
    registry = samples.Registry()
    small_old(registry)
    n_old = len(registry.entries)
    small_new(registry, works)
    witness = replace(witness, registry=replace(witness.registry, new_entries=tuple(registry.entries[n_old:])))
    assert fails(statement, witness) == {constraint}


def test_coverage_short_by_one():
    statement, witness = small()
    witness = readings(witness, {"chip_seconds": put(1, 499)})
    assert fails(statement, witness) == {"epoch_ends_with_nothing_remaining"}


def test_chip_seconds_overlap():
    statement, witness = small()
    witness = readings(witness, {"chip_seconds": put(1, 501)})
    assert fails(statement, witness) == {"epoch_ends_with_nothing_remaining", "remaining_high_limb"}


def test_epoch_ended_early():
    """The second reading of an epoch is passed off as the next epoch's, to save its chip-seconds."""
    forge = Forge(*small())
    forge["new", 0, forge.rows("busy")[0]] = 1
    assert "epoch_ends_with_nothing_remaining" in forge.failures()


def test_ledger_cut_off_inside_its_last_epoch():
    forge = Forge(*small())
    forge["new", 0, forge.rows("el")[0] - 1] = 0
    assert forge.failures() == {"ledger_ends_with_its_epoch"}


def test_borrow_is_not_a_bit():
    """127 x 2^24 = -1 mod p: a borrow of 127 would make one chip-second of 2^24 x 127."""
    forge = Forge(*small())
    row = forge.rows("busy")[1]
    forge["shared_base", 0, row] = 127
    assert "borrow_is_a_bit" in forge.failures()


# R3: work of a reading


def test_idle_while_working():
    statement, witness = small()
    assert fails(statement, readings(witness, {"work": put(1, 1)})) == {"idle_has_no_work"}


def test_working_under_the_idle_kind():
    forge = Forge(*small())
    row = forge.rows("busy")[-1]
    forge["busy", 0, row], forge["idle", 0, row] = 0, 1
    assert {"idle_has_the_idle_tag", "idle_has_no_work", "tag_and_sort"} == forge.failures()


def test_busy_reading_with_the_idle_tag():
    forge = Forge(*small())
    row = forge.rows("idle")[0]
    forge["busy", 0, row], forge["idle", 0, row] = 1, 0
    assert "tag_and_sort" in forge.failures()


@pytest.mark.parametrize("step", [-1, 1, 1 << 16, 1 << 32])
def test_work_is_not_chip_seconds_times_peak(step):
    statement, honest = small()

    def new(r, works):
        small_new(r, works | {T: works[T] + step})

    _, entries = small(new=new)
    work = int(honest.ledgers[0].work[-1])
    witness = replace(readings(honest, {"work": put(-1, work + step)}), registry=entries.registry)
    place = {1 << 16: 1, 1 << 32: 2}.get(step, 0)
    assert fails(statement, witness) == {f"work_is_the_product_{place}"}


def test_product_of_more_than_48_bits():
    peak, coverage = (1 << 24) - 1, (1 << 40) - 1
    plan = [(10, [(S, 0)])]

    def new(r, works):
        r.residue(0, epoch=10).add(CHECKPOINT, S, work=works[S], epoch=10)

    statement, witness = small(
        plans=[plan], peaks=[peak], coverages=[coverage], new=lambda r, w: new(r, {S: w[S] % (1 << 48)})
    )
    assert "work_is_the_product_top" in fails(statement, readings(witness, {"work": put(0, 0)}))


# R4: tags


def duplicate(monkeypatch, first, second):
    """Lets two entries share one tag's readings: received sums as if they had different tags."""
    honest = fill.received

    def shared(entries, witness):
        kept = entries.tag.copy()
        entries.tag[first], entries.tag[second] = S, T
        try:
            return honest(entries, witness)
        finally:
            entries.tag[:] = kept

    monkeypatch.setattr(fill, "received", shared)


def test_tag_split_over_twin_entries(monkeypatch):
    statement, witness = small()
    entries = witness.registry.new_entries
    twin = replace(entries[2], tag=S, parent1=101, cumulative=entries[2].work + 10**6 + 7)
    n_old = len(witness.registry.old_entries)
    forged = replace(witness, registry=replace(witness.registry, new_entries=(*entries[:2], twin)))
    original = fill.received
    monkeypatch.setattr(fill, "received", lambda e, w: original(fill.Entries(witness.registry), witness))
    forge = Forge(statement, forged)
    for row in forge.rows("busy"):
        if forge["in", 1, row] == T:
            forge["in", 1, row] = forge["key", 0, row] = S
    assert n_old == 5
    assert forge.rehash().reseal().failures() == {"sorted_tags_increase"}


def test_tag_of_an_old_entry_again():
    def new(r, works):
        small_new(r, works)
        r.add(CHECKPOINT, 102, epoch=12)

    assert fails(*small(new=new)) == {"sorted_tags_increase"}


@pytest.mark.parametrize("tag", [NONE, IDLE, UNATTRIBUTED])
def test_reserved_tag_of_an_entry(tag):
    def new(r, works):
        small_new(r, works)
        r.add(EXTERNAL, 300, epoch=12).tamper(tag=tag)

    assert "sorted_tags_increase" in fails(*small(new=new))


def pour(monkeypatch, witness, row_of_entry, sums, count):
    """Sums of column bytes and count received by one entry more."""
    original = fill.received

    def changed(entries, w):
        values, counts = original(entries, w)
        values[:, row_of_entry] += sums
        counts[row_of_entry] += count
        return values, counts

    monkeypatch.setattr(fill, "received", changed)


def test_work_poured_into_a_closed_entry(monkeypatch):
    """Readings of this period for tag 102, an entry of an earlier period that has room for exactly their work."""
    plan = [*samples.SMALL_PLAN[:2], (12, [(102, 0)])]
    work = 3000

    def old(r):
        r.add(OPENING, 100, declared=10**6).residue(55).add(CHECKPOINT, 102, parent1=100, work=work)

    def new(r, works):
        small_new(r, works)
        r.entries[-2] = replace(r.entries[-2], parent1=100, base=100, cumulative=r.entries[-2].work + 10**6)
        r.entries[-1] = replace(
            r.entries[-1], base=100, cumulative=r.entries[-1].work + r.entries[-2].cumulative
        )

    def old_with_101(r):
        old(r)
        r.add(CHECKPOINT, 101, parent1=100)

    statement, witness = small(plans=[plan], old=old_with_101, new=new)
    assert fails(statement, witness) == {"tag_and_sort"}
    digits = np.array(list(work.to_bytes(6, "little")))
    pour(monkeypatch, witness, 2, digits, 1)
    found = fails(statement, witness)
    assert found == {"old_or_workless_receives_nothing_0", "old_or_workless_receives_nothing_1", "old_or_workless_receives_no_readings"}


@pytest.mark.parametrize("kind", [EXTERNAL, MERGE])
def test_readings_for_an_entry_that_receives_none(monkeypatch, kind):
    plan = [*samples.SMALL_PLAN, (13, [(U, 0)])]

    def new(r, works):
        small_new(r, works)
        if kind == EXTERNAL:
            r.add(kind, U, epoch=12)
        else:
            r.add(kind, U, parent1=101, parent2=102, epoch=12)
        r.tamper(work=works[U], cumulative=r.entries[-1].cumulative + works[U])

    statement, witness = small(plans=[plan], new=new)
    pour(monkeypatch, witness, 8, np.array(list((3000).to_bytes(6, "little"))), 1)
    assert fails(statement, witness) >= {"no_work", "old_or_workless_receives_nothing_0", "old_or_workless_receives_no_readings"}


def test_reading_without_an_entry():
    def new(r, works):
        r.residue(works[UNATTRIBUTED], epoch=12).add(CHECKPOINT, S, parent1=101, work=works[S], epoch=11)

    assert fails(*small(new=new)) == {"tag_and_sort"}


def test_reading_of_no_work_without_an_entry():
    statement, witness = small(charge_peak=False)
    witness = readings(witness, {"tags": put(1, U)})
    assert fails(statement, witness) == {"tag_and_sort"}


@pytest.mark.parametrize("step", [1, 256, 1 << 16, 1 << 24])
def test_entry_with_less_work_than_its_readings(step):
    def new(r, works):
        small_new(r, works | {T: works[T] - step if works[T] > step else works[T] + step})

    found = fails(*small(new=new))
    assert found <= {f"received_{i}" for i in range(6)} and found


def test_received_sum_wraps_around_p(monkeypatch):
    """A carry of three whole bytes could carry p away; it is held below 2^22."""
    def new(r, works):
        small_new(r, works | {T: works[T] + P})

    statement, witness = small(new=new)
    pour(monkeypatch, witness, 7, np.array([P, 0, 0, 0, 0, 0]), 0)
    assert fails(statement, witness) == {"received_carry_0_is_below_2^22"}


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
