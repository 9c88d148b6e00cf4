"""The circuit of several tables, constraint by constraint: what it holds over the integers, and the false trace that it alone refuses.

Where a forgery fails by one name only, a circuit without that constraint would prove it. What soundness could do without, one
constraint at a time, is shown to be so as well: circuits/README.md section 5, *What single constraints are worth*.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from functools import cache

import claim_samples as samples
import numpy as np
import pytest
from claim_forge import Forge
from claim_samples import cut, seal
from test_claim_mutations import FREE, kind_of
from test_redteam import at

from circuits.claim import public_vector
from circuits.errors import EntryError, TagError
from circuits.gadgets import COLUMNS, KIND_FLAGS
from circuits.relation import check_witness
from circuits.statement import CHECKPOINT, EXTERNAL, IDLE, LIMB, UNATTRIBUTED, SummaryTerms, limbs, summary_header
from circuits.witness import SummaryWitness
from zk.field import P

S, T = samples.S, samples.T


@cache
def tables(**changes):
    """The small claim as one site and its registry: tags 2, S, T."""
    return cut(*samples.small(**changes), [[0]])


def with_records(table, records):
    statement, witness = table
    witness = replace(witness, summaries=(replace(witness.summaries[0], records=tuple(records)),))
    return seal(statement, witness), witness


def records_of(table):
    return list(table[1].summaries[0].records)


def alone(forge, name):
    """Nothing but this constraint refuses the trace."""
    assert forge.rehash().reseal().failures() == {name}


def tag_of(forge, row, tag):
    """A side row's tag, in its key and bytes."""
    forge["key", 0, row] = tag
    forge.put_bytes(17, row, tag, 3)


# Records: each constraint alone


@pytest.mark.parametrize(("part", "kind"), [(0, "got"), (1, "sent")])
def test_a_record_that_hashes_another_tag_than_it_books(part, kind):
    forge = Forge(*tables()[part])
    forge["in", 1, forge.rows(kind)[1]] = 150
    alone(forge, "record_key_is_the_tag")


def test_a_side_row_of_another_record_moves_work():
    """Low digits go to record 150, count and high digits to 200: the work of S is booked to another tag."""
    site, _ = tables()
    unattributed, one, two = records_of(site)
    forge = Forge(*with_records(site, [unattributed, (150, one[1]), (S, 0), two]))
    side, got = forge.rows("side"), forge.rows("got")
    for name, i in (("sum", 0), ("sum", 1), ("sum", 2), *(("byte", k) for k in range(12))):
        forge[name, i, side[1]], forge[name, i, side[2]] = forge[name, i, side[2]], 0
    tag_of(forge, side[1], S)
    tag_of(forge, side[2], 151)
    for before, gap in ((got[0], S - 2 - 1), (got[1], 0), (got[2], 0)):
        forge.put_bytes(14, before, gap, 3)
    alone(forge, "side_has_the_record's_tag")


def test_records_that_go_round_the_field():
    """127 records with the largest gap lead from T = S + 1 back to S: a second receiver of one tag."""
    site, _ = tables()
    forge = Forge(*with_records(site, [*records_of(site), *((300 + k, 0) for k in range(127))]))
    side, got = forge.rows("side")[3:], forge.rows("got")[3:]
    for k, (first, last) in enumerate(zip(side, got, strict=True), 1):
        tag = (T + k * LIMB) % P
        forge["key", 0, first] = forge["key", 0, last] = forge["in", 1, last] = tag
        forge.put_bytes(14, first - 1, LIMB - 1, 3)
    assert forge["key", 0, got[-1]] == S
    alone(forge, "record_tag_is_its_bytes")


def test_records_exchanged():
    site, _ = tables()
    forge = Forge(*site)
    one, two = (slice(row, row + 2) for row in forge.rows("side")[1:])
    keep = [i for i, name in enumerate(COLUMNS.names) if not name.startswith("t_")]
    forge.trace[keep, one], forge.trace[keep, two] = forge.trace[keep, two].copy(), forge.trace[keep, one].copy()
    alone(forge, "records_ascend")


def test_sent_work_of_more_than_56_bits():
    forge = Forge(*tables()[1])
    forge["in", 6, forge.rows("sent")[0]] = 1
    alone(forge, "sent_work_top_is_its_byte")


def big_site():
    """300 readings of 2^48 - 1 units of one tag: more than a record holds."""
    count, largest = 300, (1 << 48) - 1

    def new(r, works):
        r.residue(0, epoch=10).add(CHECKPOINT, S, work=works[S], epoch=10)

    (statement, witness), _ = cut(*samples.small(plans=[[(10, [(S, 1 / 512)] * count)]], new=new, charge_peak=False), [[0]])
    witness = replace(witness, ledgers=(replace(witness.ledgers[0], work=np.full(count, largest, dtype=np.uint64)),))
    total = count * largest
    return with_records((statement, witness), [(S, total % (1 << 56))]), total


def test_received_work_of_more_than_56_bits():
    """Its record has a top limb that no registry's table can send; the site's table refuses it as well."""
    table, total = big_site()
    forge = Forge(*table)
    row = forge.rows("got")[0]
    forge["byte", 12, row], forge["in", 6, row] = total >> 56, total >> 48
    alone(forge, "received_work_has_seven_bytes")
    assert total >> 48 > 255


@pytest.mark.parametrize("digit", range(6))
@pytest.mark.parametrize("part", [0, 1])
def test_one_digit_more_than_was_given(part, digit):
    """A record with more work than its readings; an entry with more than its records."""
    table = tables()[part]
    extra = 1 << 8 * digit
    if part == 0:
        records = records_of(table)
        records[1] = (S, records[1][1] + extra)
        alone(Forge(*with_records(table, records)), f"received_{digit}")
        return
    statement, witness = table
    new = list(witness.registry.new_entries)
    for i in (1, 2):  # T is the child of S
        new[i] = replace(new[i], work=new[i].work + extra * (i == 1), cumulative=new[i].cumulative + extra)
    witness = replace(witness, registry=replace(witness.registry, new_entries=tuple(new)))
    alone(Forge(statement, witness), f"received_{digit}")


@pytest.mark.parametrize("lane", range(3))
def test_a_record_that_hashes_other_work_than_it_received(lane):
    forge = Forge(*tables()[0])
    row = forge.rows("got")[1]
    forge["in", 4 + lane, row] = forge["in", 4 + lane, row] + 1
    alone(forge, f"received_lane_{lane}_is_its_bytes")


@pytest.mark.parametrize("digit", range(4))
def test_a_carry_of_24_bits_only_adds_work(digit):
    """s + carry = byte + 256 k - p: p x 256^digit units more, in a record nobody's readings come to."""
    site, _ = tables()
    forge = Forge(*site)
    side, got = forge.rows("side")[1], forge.rows("got")[1]
    rows, places = [side] * 3 + [got] * 3, [12, 13, 14, 8, 9, 10]
    sums = [forge["sum", i % 3, rows[i]] for i in range(6)]
    carry, work = 0, 0
    for i in range(5):
        value = sums[i] + carry + P * (i == digit)
        carry, byte = value >> 8, value & 255
        forge["byte", places[i], rows[i]] = byte
        forge.put_bytes(4 * (i % 3), rows[i], carry, 3)
        forge["byte", 4 * (i % 3) + 3, rows[i]] = 4 * (carry >> 16) % 256
        work += byte << 8 * i
    forge.put_bytes(10, got, sums[5] + carry, 2)
    work += sums[5] + carry << 40
    assert work == dict(records_of(site))[S] + (P << 8 * digit)
    for i, limb in enumerate(limbs(work, 3)):
        forge["in", 4 + i, got] = limb
    alone(forge, f"received_carry_{digit}_is_below_2^22")


@pytest.mark.parametrize("part", range(2))
def test_phantom_records_of_no_work_are_harmless_and_cost_an_entry(part):
    """A record that no reading has: its work is 0, and the registry's table then needs an entry for it."""
    table = tables()[part]
    forge = Forge(*with_records(table, [*records_of(table), (5000, 0)]))
    assert forge.failures() == (set() if part == 0 else {"tag_and_sort"})


# Who receives


@pytest.mark.parametrize("digit", range(3))
@pytest.mark.parametrize("whole", [True, False])
def test_unattributed_work_poured_into_an_old_residue_entry(whole, digit):
    """Tag 2 is the one tag with several entries: an old RESIDUE entry takes a digit, the new one the count."""

    def new(r, works):
        samples.small_new(r, works | {UNATTRIBUTED: works[UNATTRIBUTED] & ~(255 << 8 * digit)})

    table = samples.small(coverages=[10**6], new=new)
    forge = Forge(*(table if whole else cut(*table, [[0]])[1]))
    old, fresh = (forge.entry(UNATTRIBUTED, k) + 1 for k in (0, 1))
    taken = forge["sum", digit, fresh]
    assert taken
    forge["sum", digit, fresh], forge["sum", digit, old] = 0, taken
    alone(forge, f"old_or_workless_receives_nothing_{digit}")


def test_readings_of_no_work_booked_to_a_closed_entry():
    statement, witness = samples.small(charge_peak=False)
    ledger = witness.ledgers[0]
    tags, work = ledger.tags.copy(), ledger.work.copy()
    tags[1], work[1] = 102, 0
    assert ledger.tags[1] == IDLE
    witness = replace(witness, ledgers=(replace(ledger, tags=tags, work=work),))
    forge = Forge(seal(statement, witness), witness)
    forge["aux", 0, forge.entry(102) + 2] = 1
    alone(forge, "old_or_workless_receives_no_readings")


# `works`, `owes`: neither dropped nor between 0 and 1

CAP, FREEZE = 1 << 30, (1 << 30) - LIMB  # limbs (0, 64, 0) and (0, 63, 0)


def limit_at(forge, row, amount, limit):
    """Slack and carries of an E4 row that has this amount under these limbs of a limit; a RESIDUE entry's amount is U, R = 0."""
    residue = forge["residue", 0, row]
    slack, carry = sum(v << 24 * i for i, v in enumerate(limit)) - amount, 0
    forge.put_bytes(8, row, slack, 8)
    for i in range(3):
        forge["val", i, row] = limit[i]
        carry = (amount >> 24 * i & 0xFFFFFF) + (slack >> 24 * i & 0xFFFFFF) + carry >> 24
        for k in range(2 * (i < 2)):
            name, at = (("sum", 0), ("sum", 1), ("sum", 2), ("shared_base", 0))[2 * i + k]
            forge[name, at, row] = int(carry + residue > k)


def test_a_checkpoint_without_work_cannot_choose_its_limit():
    """`works` = x gives cap + x (freeze - cap), limb by limb, mod p: any limit at all."""

    def old(r):
        r.add(EXTERNAL, 300, declared=10**12)

    def new(r, works):
        r.residue(0, epoch=12).add(CHECKPOINT, S, parent1=300, epoch=12)

    idle = [[(e, [(IDLE, 0)]) for e in (10, 11, 12)]]
    statement, witness = samples.small(plans=idle, old=old, new=new)
    forge = Forge(replace(statement, lineage_cap=CAP, freeze_level=FREEZE), witness)
    row, top = forge.entry(S), LIMB - 1
    for step in (2, 3, 4):
        forge["works", 0, row + step] = 64 - top
    limit_at(forge, row + 4, 10**12, (0, top, 0))
    alone(forge, "works_is_a_bit")


def test_residue_above_the_unattributed_cap_by_works():
    """`works` must end at E3 of a RESIDUE entry: at E4 it would move the unattributed cap."""

    def new(r, works):
        r.residue(works[UNATTRIBUTED], epoch=12)

    plans = [[(e, [(UNATTRIBUTED, 0)]) for e in (10, 11, 12)]]
    statement, witness = samples.small(plans=plans, old=lambda r: None, new=new, coverages=[10**9], charge_residue=False)
    work = witness.registry.new_entries[0].work
    assert work > CAP
    forge = Forge(replace(statement, unattributed_cap=CAP, lineage_cap=CAP, freeze_level=FREEZE), witness)
    row, top = forge.entry(UNATTRIBUTED) + 4, LIMB - 1
    forge["works", 0, row] = 64 - top
    limit_at(forge, row, work, (0, top, 0))
    alone(forge, "works_stays")


@pytest.mark.parametrize("limb", range(3))
def test_each_limb_of_the_limit_of_r(limb):
    """R' is above the freeze by one in one limb, and slack and carries are 0."""

    def new(r, works):
        r.residue(works[UNATTRIBUTED], epoch=12)

    plans = [[(e, [(UNATTRIBUTED, 0)]) for e in (10, 11, 12)]]
    statement, witness = samples.small(plans=plans, old=lambda r: r.residue(1 << 50 | 1 << 30), new=new)
    r = witness.registry.new_entries[0].cumulative
    assert min(limbs(r, 3)) > 0
    forge = Forge(replace(statement, lineage_cap=samples.BIG, freeze_level=r - (1 << 24 * limb)), witness)
    row = forge.rows("er")[0]
    for i in range(10, 20):
        forge["byte", i, row] = 0
    alone(forge, f"residue_limit_{limb}")


def test_owes_of_an_old_residue_entry_does_not_stand_for_the_new_one():
    """The new entry's `works` overwrites it: keeping the old 0 is refused by one constraint."""

    def new(r, works):
        r.residue(works[UNATTRIBUTED], epoch=12)

    plans = [[(e, [(UNATTRIBUTED, 0)]) for e in (10, 11, 12)]]
    statement, witness = samples.small(plans=plans, old=lambda r: r.residue(0), new=new)
    forge = Forge(replace(statement, lineage_cap=samples.BIG, freeze_level=1), witness)
    for row in range(forge.rows("e4")[-1], forge.rows("er")[0] + 1):
        forge["owes", 0, row] = 0
    alone(forge, "owes_is_carried")


# Constraints that soundness could do without, one at a time


def test_works_of_an_entry_that_receives_nothing_is_only_stricter():
    """The freeze is at most the cap: an EXTERNAL entry under it is under the cap as well."""

    def new(r, works):
        r.residue(0, epoch=12).add(EXTERNAL, 300, declared=10**6, epoch=12)

    idle = [[(e, [(IDLE, 0)]) for e in (10, 11, 12)]]
    statement, witness = samples.small(plans=idle, old=lambda r: None, new=new)
    forge = Forge(replace(statement, lineage_cap=CAP, freeze_level=FREEZE), witness)
    row = forge.entry(300)
    for step in (2, 3, 4):
        forge["works", 0, row + step] = 1
    limit_at(forge, row + 4, 10**6, limbs(FREEZE, 3))
    alone(forge, "works_is_a_receiver's")
    over = Forge(replace(statement, lineage_cap=CAP, freeze_level=10**6 - 1), witness)
    assert over.failures() == set()  # without `works`, the freeze is not its limit


def test_a_side_row_that_hashes_something_is_in_no_chain_all_the_same():
    forge = Forge(*tables()[0])
    honest = forge.statement.summaries[0].head
    forge["in", 1, forge.rows("side")[1]] = 77
    alone(forge, "unused_lane_1_is_zero")
    assert forge.statement.summaries[0].head == honest


@pytest.mark.parametrize(("carry", "times"), [(127, 1), (254, 2)])
def test_a_lost_total_carry_charges_more(carry, times):
    """It passes, and the total is higher by exactly times x p x 2^24; at a cap of the true total it fails."""
    statement, witness = tables()[1]
    true = sum(entry.work for entry in witness.registry.new_entries)
    for cap in (samples.BIG, true):
        forge = Forge(replace(statement, total_cap=cap), witness)
        row = forge.entry(T) + 2
        forge["byte", 18, row] = carry
        assert true < LIMB
        total = true + times * P * LIMB
        for later in range(row + 1, forge.rows("er")[0] + 1):
            for i, limb in enumerate(limbs(total, 3)):
                forge["tot", i, later] = limb
        forge.put_bytes(8, row + 1, total, 8)
        end, borrow = forge.rows("er")[0], 0
        slack = (cap - total) % (1 << 64)
        forge.put_bytes(0, end, slack, 8)
        for i in range(2):
            borrow = (total >> 24 * i & 0xFFFFFF) + (slack >> 24 * i & 0xFFFFFF) + borrow >> 24
            forge["byte", 8 + i, end] = borrow
        assert forge.failures() == (set() if cap > total else {"total_cap_2"})


@pytest.mark.parametrize(("shape", "start", "end"), [("site", "side", "eg"), ("registry", "sent", "es")])
def test_records_after_the_end_or_without_a_header(shape, start, end):
    """A second run of records behind the first: its end is one message too many."""
    forge = Forge(*samples.SHAPES[shape]())
    first, last, used = forge.rows(start)[0], forge.rows(end)[0], forge.layout.used
    keep = [i for i, name in enumerate(COLUMNS.names) if not name.startswith("t_")]
    forge.trace[keep, used : used + last + 1 - first] = forge.trace[keep, first : last + 1]
    forge.layout = replace(forge.layout, used=used + last + 1 - first)
    assert {"after_end_or_padding", "chain", "tag_and_sort"} <= forge.failures()


# Tables under the statement of another table


@pytest.mark.parametrize("pair", list(itertools.permutations(("whole", "site", "registry"), 2)), ids="-".join)
def test_a_table_under_another_tables_statement(pair):
    whole = samples.small()
    site, registry = cut(*whole, [[0]])
    named = {"whole": whole, "site": site, "registry": registry}
    forge = Forge(*named[pair[0]])
    forge.statement = named[pair[1]][0]
    assert forge.failures() & {"chain", "public"}


def test_summaries_exchanged_in_the_registrys_table():
    """The first site's records under the second's header, and the other way: heads are the other ones."""
    *_, registry = cut(*samples.rich(), [[0], [1]])
    forge = Forge(*registry)
    for row in range(forge.rows("er")[0]):
        if forge["chain", 0, row] in (1, 2):
            forge["chain", 0, row] = 3 - forge["chain", 0, row]
    assert {"chain", "public"} <= forge.failures()


def test_a_ledger_in_the_registrys_table():
    """A chain of readings beside summaries would invent work: no statement of a registry's table takes its header."""
    statement, witness = samples.small()
    _, registry = cut(statement, witness, [[0]])
    mixed = replace(registry[1], ledgers=witness.ledgers)
    stated = replace(registry[0], meters=statement.meters)
    forge = Forge(stated, mixed)
    forge.statement = registry[0]
    assert {"chain", "public", "received_0"} <= forge.failures()


def test_a_records_tag_that_nobody_has():
    """Lost on the way from a site to the registry: the site's record needs an entry."""
    statement, witness = tables()[1]
    fewer = replace(witness.registry, new_entries=witness.registry.new_entries[:-1])
    wrong = replace(witness, registry=fewer)
    assert Forge(seal(statement, wrong), wrong).failures() == {"tag_and_sort"}
    with pytest.raises(TagError):
        check_witness(statement, wrong)


def test_no_public_value_of_a_site_is_a_cap():
    """All that a site's proof is made for says nothing of the lab's limits, and no row reads them."""
    assert public_vector(tables()[0][0])[2:14] == [0] * 12


@pytest.mark.parametrize("place", [1, 2])
def test_a_count_of_readings_that_is_another(place):
    """What a record or an entry counts is what was given, or the tag's bus is off."""
    for part, rows in ((0, Forge(*tables()[0]).rows("got")), (1, Forge(*tables()[1]).rows("e2")[-3:])):
        forge = Forge(*tables()[part])
        forge["aux", 0, rows[place]] = forge["aux", 0, rows[place]] - 1
        alone(forge, "tag_and_sort")


# Edges and other orders


def all_sites(old_residue):
    """256 sites with 2^56 - 1 units each, all unattributed: 2^64 - 256 in one entry."""
    each, rng = (1 << 56) - 1, random.Random(7)
    statement, witness = samples.idle_period(old=lambda r: r.residue(old_residue), new=lambda r, works: r.residue(256 * each))
    summaries = tuple(SummaryWitness(samples.lanes(rng), ((UNATTRIBUTED, each),), samples.lanes(rng)) for _ in range(256))
    terms = tuple(SummaryTerms(summary_header(bytes(32), "lab", f"site {k}", 3), (0,) * 8) for k in range(256))
    caps = dict.fromkeys(("total_cap", "unattributed_cap", "lineage_cap"), (1 << 64) - 1)
    statement = replace(statement, meters=(), summaries=terms, **caps)
    return statement, replace(witness, ledgers=(), summaries=summaries)


def test_the_largest_sum_of_records_and_the_largest_r():
    statement, witness = all_sites(255)
    statement = seal(statement, witness)
    check_witness(statement, witness)
    forge = Forge(statement, witness)
    assert forge["sum", 2, forge.rows("e2")[-1]] == 65535 * 256
    assert forge.failures() == set()
    lower = Forge(replace(statement, unattributed_cap=(1 << 64) - 257), witness)
    assert lower.failures() & {f"limit_limb_{i}" for i in range(3)}


def test_r_of_more_than_64_bits():
    """R + U = 2^64: no carry bits make it small."""
    statement, witness = all_sites(255)
    registry = witness.registry
    (old,), (new,) = registry.old_entries, registry.new_entries
    old = replace(old, work=256, cumulative=256)
    for cumulative, said in ((1 << 64, "64 bits"), (0, "not 256")):
        entries = {"old_entries": (old,), "new_entries": (replace(new, cumulative=cumulative),)}
        wrapped = replace(witness, registry=replace(registry, **entries))
        with pytest.raises(EntryError, match=said):
            check_witness(statement, wrapped)
    forge = Forge(seal(statement, wrapped), wrapped)
    row = forge.rows("e4")[-1]
    for bits in itertools.product((0, 1), repeat=4):
        for i, bit in enumerate(bits):
            forge["byte", 16 + i, row] = bit
        assert at(forge, row) & {"cumulative_limb_0", "cumulative_limb_1", "cumulative_limb_2"}


@pytest.mark.parametrize(("part", "kind"), [(0, "side"), (0, "got"), (1, "sent")])
def test_a_summary_across_the_last_row(part, kind):
    """Rows are cyclic. Turned so that the seam is inside a summary, the table holds; with another capacity behind the seam it does not."""
    forge = Forge(*tables()[part])
    assert forge.failures() == set()
    turn = forge.rows(kind)[1] + 1
    keep = [i for i, name in enumerate(COLUMNS.names) if not name.startswith("t_")]
    forge.trace[keep] = np.roll(forge.trace[keep], -turn, axis=1)
    rows = range(-turn - 2, forge.layout.used + 3)  # buses do not know the order of rows
    assert at(forge, *rows) == set()
    forge["in", 12, 0] = forge["in", 12, 0] + 1
    assert "capacity_link_12" in at(forge, *rows)


@pytest.mark.parametrize("shape", ["rich", "site", "registry", "idle_site"])
def test_free_cells_all_at_once(shape):
    """Random values in every free cell: nothing fails, and heads are as before. So none of them says anything, together or alone."""
    forge, rng = Forge(*samples.SHAPES[shape]()), random.Random(5)
    before = forge.statement
    for row in range(forge.layout.used + 1):
        kind = kind_of(forge.trace, row)
        bound = {"owes"} if kind == "hd" and forge["chain", 0, row] == 0 else set()
        bound |= {"val[0]", "val[1]", "val[2]", "fbase"} if kind == "busy" else set()  # free under "metered"
        for name in FREE.get(kind, set()) - bound:
            value = rng.randrange(2 if name in KIND_FLAGS else P)
            forge.trace[COLUMNS.names.index(name), row] = value
    assert forge.rehash().failures() == set()
    assert forge.reseal().statement == before
