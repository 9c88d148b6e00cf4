"""A lab of several sites that wants a false claim: records, summaries and tables that do not say what the readings come to.

DESIGN of the tables: circuits/README.md sections 1 to 5. Each attack rebuilds hashes, heads and multiplicities, so that only the
constraint that is named stands in its way.
"""

from __future__ import annotations

from dataclasses import replace

import claim_samples as samples
import pytest
from claim_forge import Forge, fails
from claim_samples import UNATTRIBUTED, cut, rich, seal

from circuits.claim import claim_program, public_interactions
from circuits.errors import CapExceeded, ShapeError, TagError
from circuits.relation import check_witness
from circuits.statement import IDLE, SummaryTerms, summary_header
from zk.errors import StatementError

BUSES = {"tag_and_sort", "chain", "public"}
S, T = samples.S, samples.T


def tables():
    """The small claim as one site and its registry: tags 2, S = 200, T = 201."""
    return cut(*samples.small(), [[0]])


def with_records(table, records):
    """A table whose one summary has other records, with its own heads."""
    statement, witness = table
    witness = replace(witness, summaries=(replace(witness.summaries[0], records=tuple(records)),))
    return seal(statement, witness), witness


def records_of(table):
    return list(table[1].summaries[0].records)


def test_honest_tables_pass():
    for table in tables():
        check_witness(*table)
        assert fails(*table) == set()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_record_left_out_of_a_site(place):
    site, _ = tables()
    records = records_of(site)
    found = fails(*with_records(site, records[:place] + records[place + 1 :]))
    assert "tag_and_sort" in found
    with pytest.raises(TagError, match="no record"):
        check_witness(*with_records(site, records[:place] + records[place + 1 :]))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("change", [-1, 1, -(1 << 24), (1 << 24), 1 << 48])
def test_a_record_of_other_work(place, change):
    site, registry = tables()
    for table, named in ((site, "received_"), (registry, "received_")):
        records = records_of(table)
        tag, work = records[place]
        if not 0 <= work + change < 1 << 56:
            continue
        records[place] = (tag, work + change)
        assert any(name.startswith(named) for name in fails(*with_records(table, records)))


@pytest.mark.parametrize("part", [0, 1])
def test_records_in_another_order_or_twice(part):
    table = tables()[part]
    one, two, three = records_of(table)
    for records in ([two, one, three], [one, three, two], [one, two, two, three], [one, one, two, three]):
        assert "records_ascend" in fails(*with_records(table, records))
        with pytest.raises(TagError, match="ascend"):
            check_witness(*with_records(table, records))


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("tag", [0, 1])
def test_records_of_reserved_tags(part, tag):
    table = tables()[part]
    assert "records_ascend" in fails(*with_records(table, [(tag, 0), *records_of(table)]))


def test_gaps_cannot_go_round_the_field():
    """p = 127 x 2^24 + 1: with 128 steps of a gap alone one is back at the first tag. Both tags and gap are three bytes."""
    site, _ = tables()
    forge = Forge(*site)
    row = forge.rows("side")[1]
    forge["key", 0, row] = forge["key", 0, row + 1] = forge["in", 1, row + 1] = 3 + (1 << 24)
    forge.put_bytes(14, row - 1, 0, 3)
    found = forge.rehash().reseal().failures()
    assert "record_tag_is_its_bytes" in found


def test_many_receivers_of_one_tag_cannot_share_its_work_mod_p():
    """With n receivers of one tag that all receive 0, p units would vanish: the tag has one record."""
    site, _ = tables()
    one, two, three = records_of(site)
    records = [one, *[(two[0], 0)] * 520, three]
    found = fails(*with_records(site, records))
    assert "records_ascend" in found


@pytest.mark.parametrize("shape", ["site", "registry"])
def test_a_summary_that_ends_as_another_chain(shape):
    """Received where it should be sent, or the other way, or as a ledger: the verifier asks for one end."""
    forge = Forge(*samples.SHAPES[shape]())
    mine, others = ("eg", ("es", "el", "er")) if shape == "site" else ("es", ("eg", "el", "er"))
    for other in others:
        again = Forge(*samples.SHAPES[shape]())
        row = again.rows(mine)[0]
        again[mine, 0, row], again[other, 0, row] = 0, 1
        found = again.rehash().failures()
        assert "chain" in found, other
    assert forge.failures() == set()


@pytest.mark.parametrize(
    ("shape", "kind", "become"),
    [("site", "got", "sent"), ("registry", "sent", "got"), ("site", "got", "busy"), ("registry", "sent", "busy")],
)
def test_records_read_as_something_else(shape, kind, become):
    forge = Forge(*samples.SHAPES[shape]())
    for row in forge.rows(kind):
        forge[kind, 0, row], forge[become, 0, row] = 0, 1
    found = forge.rehash().failures()
    assert found & {"side_then_got", "after_hd", "after_sent", "after_got", "after_reading"}


def test_a_ledger_read_as_a_summary():
    """Readings as records that are sent: a whole table has no summary, and a ledger ends as a ledger."""
    forge = Forge(*samples.small())
    for row in forge.rows("busy"):
        forge["busy", 0, row], forge["sent", 0, row] = 0, 1
    found = forge.rehash().failures()
    assert found & {"after_hd", "after_sent", "after_reading"} and any("lane" in name for name in found)


def test_a_record_says_nothing_but_tag_and_work():
    for part, kind in ((0, "got"), (1, "sent")):
        for lane in (0, 2, 3, 7):
            forge = Forge(*tables()[part])
            forge["in", lane, forge.rows(kind)[0]] = 1
            assert f"unused_lane_{lane}_is_zero" in forge.rehash().reseal().failures()
    for lane in range(8):
        forge = Forge(*tables()[0])
        forge["in", lane, forge.rows("side")[0]] = 1
        assert f"unused_lane_{lane}_is_zero" in forge.rehash().reseal().failures()


def test_the_side_row_is_in_no_chain():
    """Hashing it into the state would give a summary that no registry's table can send."""
    forge = Forge(*tables()[0])
    honest = forge.statement.summaries[0].head
    row = forge.rows("got")[0]
    for i in range(8, 16):
        forge["in", i, row] = forge["full_b", 48 + i, row - 1]
    assert {f"capacity_link_{i}" for i in range(8, 16)} & forge.failures()
    assert honest == forge.statement.summaries[0].head


def test_work_of_eight_bytes_is_no_record():
    site, _ = tables()
    forge = Forge(*site)
    row = forge.rows("got")[0]
    forge["byte", 12, row], forge["in", 6, row] = 1, forge["in", 6, row] + 256
    found = forge.rehash().reseal().failures()
    assert "received_work_has_seven_bytes" in found
    _, registry = tables()
    forge = Forge(*registry)
    row = forge.rows("sent")[0]
    forge["in", 6, row] = forge["in", 6, row] + 256
    assert "sent_work_top_is_its_byte" in forge.rehash().reseal().failures()


def test_side_row_with_another_tag():
    forge = Forge(*tables()[0])
    row = forge.rows("side")[0]
    forge["key", 0, row] = T
    forge.put_bytes(17, row, T, 3)
    assert {"side_has_the_record's_tag", "tag_and_sort"} <= forge.failures()


def test_key_and_tag_differ():
    for part, kind in ((0, "got"), (1, "sent")):
        forge = Forge(*tables()[part])
        forge["in", 1, forge.rows(kind)[0]] = T
        assert "record_key_is_the_tag" in forge.rehash().reseal().failures()


def mixed(change):
    site, registry = tables()
    header = summary_header(bytes(range(32)), *change)
    terms = tuple(replace(s, header=header) for s in site[0].summaries)
    return replace(site[0], summaries=terms), site[1]


@pytest.mark.parametrize("change", [("lab", "site 0", 4), ("lab", "site 1", 3), ("other", "site 0", 3)])
def test_a_summary_of_another_period_site_or_lab(change):
    """Its header is hashed first: another header is another head."""
    assert "chain" in fails(*mixed(change))


def test_sites_of_different_claims_do_not_fit_one_registry():
    """Same readings, other blinding: the registry's table is about the very summary that the site proved."""
    one, _ = tables(), None
    other = cut(*samples.small(), [[0]], seed=2)
    statement = replace(one[1][0], summaries=other[0][0].summaries)
    assert "chain" in fails(statement, one[1][1])


def test_statements_that_are_no_table():
    whole, _ = rich()
    site, registry = (cut(*rich(), [[0], [1]])[k][0] for k in (0, 2))
    for wrong in (
        replace(whole, registry=None),
        replace(whole, summaries=registry.summaries),
        replace(site, meters=()),
        replace(site, total_cap=1),
        replace(site, lineage_cap=1),
        replace(site, freeze_level=0),
        replace(site, charge_residue=True),
        replace(site, summaries=registry.summaries),
        replace(registry, summaries=()),
        replace(registry, summaries=registry.summaries[:1] * 2),
        replace(registry, summaries=tuple(SummaryTerms((k,) * 8, (0,) * 8) for k in range(257))),
        replace(registry, registry=None),
    ):
        with pytest.raises(StatementError):
            public_interactions(wrong)


def test_a_site_left_out_of_the_registry():
    """The verifier lists every site; without one of them the tags' work is missing."""
    _, _, (statement, witness) = cut(*rich(), [[0], [1]])
    fewer = replace(witness, summaries=witness.summaries[:1])
    with pytest.raises(ShapeError):
        check_witness(statement, fewer)
    shorter = replace(statement, summaries=statement.summaries[:1])
    assert any(name.startswith("received_") or name == "tag_and_sort" for name in fails(shorter, fewer))


def over(table, **caps):
    return replace(table[0], **caps), table[1]


def test_unattributed_work_does_not_carry_on_over_a_freeze():
    """R6 as amended: with new unattributed work R' is held under the effective freeze; without, it may stand above."""
    alone = only_residue()
    residue = alone[1].registry.new_entries[0]
    assert residue.work > 0
    held = {"lineage_cap": samples.BIG, "freeze_level": residue.cumulative}
    assert fails(*over(alone, **held)) == set()
    tight = over(alone, lineage_cap=samples.BIG, freeze_level=residue.cumulative - 1)
    assert fails(*tight) & {"residue_limit_0", "residue_limit_1", "residue_limit_2"}
    with pytest.raises(CapExceeded, match="unattributed work since the agreement began"):
        check_witness(*tight)
    assert fails(*over(alone, lineage_cap=residue.cumulative - 1)) & {f"residue_limit_{i}" for i in range(3)}
    uncharged = over(alone, lineage_cap=samples.BIG, freeze_level=residue.cumulative - 1, charge_residue=False)
    assert fails(*uncharged) == set()


def only_residue():
    """Everything unattributed, no checkpoint: one entry, RESIDUE."""

    def new(r, works):
        r.residue(works[UNATTRIBUTED], epoch=12)

    return samples.small(plans=[[(e, [(UNATTRIBUTED, 0)]) for e in (10, 11, 12)]], new=new)


def test_a_lab_that_holds_may_stand_above_a_lowered_cap():
    def new(r, works):
        r.residue(0, epoch=12)

    idle = samples.small(plans=[[(e, [(IDLE, 0)]) for e in (10, 11, 12)]], new=new)
    low = over(idle, lineage_cap=1, freeze_level=0)
    check_witness(*low)
    assert fails(*low) == set()


def test_owes_cannot_be_dropped_on_the_way():
    statement, witness = only_residue()
    cap = witness.registry.new_entries[0].cumulative - 1
    statement = replace(statement, lineage_cap=cap)
    forge = Forge(statement, witness)
    last = forge.rows("er")[0]
    forge["owes", 0, last] = 0
    assert forge.failures() == {"owes_is_carried"}
    forge = Forge(statement, witness)
    for row in range(forge.rows("e3")[-1] + 1, last + 1):
        forge["owes", 0, row] = 0
    assert forge.failures() == {"owes_is_carried"}
    forge = Forge(statement, witness)
    for row in forge.rows("e2")[-1:] + forge.rows("e3")[-1:]:
        forge["works", 0, row] = 0
    for row in range(forge.rows("e3")[-1] + 1, last + 1):
        forge["owes", 0, row] = 0
    assert forge.failures() == {"who_receives_works"}


def test_slack_of_r_cannot_wrap():
    """R' above the level with a slack or carry that makes up for it modulo p."""
    statement, witness = only_residue()
    r = witness.registry.new_entries[0].cumulative
    forge = Forge(replace(statement, lineage_cap=r - 1), witness)
    row = forge.rows("er")[0]
    for carries in ((127, 0), (255, 1), (1, 1), (0, 1)):
        forge["byte", 18, row], forge["byte", 19, row] = carries
        assert forge.failures() & {"residue_limit_0", "residue_limit_1", "residue_limit_2", "residue_limit_carry_0_is_a_bit"}


def test_the_program_is_one():
    """Whole, site and registry tables are proven with the same program: no claim chooses."""
    assert claim_program().n_columns == 251 and claim_program() is claim_program()
