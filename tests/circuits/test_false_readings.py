"""False readings, ledgers and tags that are otherwise consistent (R1 to R4): each is refused, and by the constraint meant for it.

Every trace is built by the witness generator with its checks left out; hashes, heads, multiplicities are those of the false
records. So where a test names one constraint, nothing else stands between the attack and a proof.
"""

from __future__ import annotations

from dataclasses import replace

import claim_samples as samples
import numpy as np
import pytest
from claim_forge import Forge, failing, unchecked_trace
from claim_samples import S, T, U, seal, small, small_new, small_old
from false_records import BUS, fails, put, readings

from circuits import fill_registry as fill
from circuits.statement import (
    CHECKPOINT,
    EXTERNAL,
    IDLE,
    MERGE,
    NONE,
    OPENING,
    UNATTRIBUTED,
)
from circuits.witness import ClaimWitness, from_montgomery, to_montgomery
from zk.field import P
from zk.kernels.poseidon2 import fill_trace


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
