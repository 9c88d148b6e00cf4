"""A lab that lies with full knowledge of the constraints: every attack by its name, every one refused.

The traces are consistent (hashes, heads, multiplicities, carries are rebuilt to fit the lie), so what refuses them is what
stands between the lie and a proof.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import claim_samples as samples
import numpy as np
import pytest
from claim_forge import Forge

from circuits.claim import claim_program, public_interactions, public_vector
from circuits.gadgets import COLUMNS, KINDS, PUBLICS
from circuits.prove import prove_claim
from circuits.statement import CHECKPOINT, EXTERNAL, MERGE, OPENING, UNATTRIBUTED, limbs
from circuits.verify import verify_claim_proof
from circuits.witness import to_montgomery
from zk.check import check_trace, evaluate
from zk.errors import ProofRejected, StatementError, WitnessError, ZkError
from zk.field import P
from zk.options import STD
from zk.prover import prove
from zk.security import security_report

PROGRAM = claim_program()
NAMES = PROGRAM.constraint_names


def at(forge, *rows):
    """Names of the constraints that fail on these rows and the ones before them: fast, no buses."""
    n = forge.trace.shape[1]
    here = np.unique(np.concatenate([np.array(rows), np.array(rows) - 1]) % n)
    row, nxt = (forge.trace[:, r % n].astype(np.uint64) for r in (here, here + 1))
    selectors = np.stack([here == 0, here == n - 1, here != n - 1]).astype(np.uint64)
    values = evaluate(PROGRAM, public_vector(forge.statement), row, nxt, selectors)
    return {NAMES[k] for k in np.flatnonzero(values.constraints.any(axis=1))}


def buses(statement, trace):
    """Names of interactions out of balance."""
    found = check_trace(PROGRAM, public_vector(statement), trace, public_interactions(statement), [])
    return {failure.constraint for failure in found}


# R2: epochs


def skipping_ledger(coverage, steps, last_epoch, peak=1):
    """A ledger whose `last` takes any value: after the first epoch, reading i covers seconds_i and `last` is k_i.

    steps: [(k, chip-seconds)]; everything hashed, summed and declared agrees with what the readings say.
    """
    seconds = [coverage, *(s for _, s in steps)]

    def new(registry, works):
        registry.residue(works[UNATTRIBUTED], epoch=last_epoch)

    plans = [[(e, [(UNATTRIBUTED, 0)]) for e in range(len(seconds))]]
    statement, witness = samples.claim(plans, peaks=[peak], coverages=[coverage], old=lambda r: None, new=new)
    epochs = list(itertools.accumulate([0, *(k for k, _ in steps)], lambda a, b: (a + b) % P))
    amounts = np.array(seconds, dtype=np.uint64)
    ledger = replace(
        witness.ledgers[0],
        epochs=np.array(epochs, dtype=np.uint64), chip_seconds=amounts, work=amounts * np.uint64(peak),
    )  # fmt: skip
    total = sum(seconds) * peak
    entry = replace(witness.registry.new_entries[0], work=total, cumulative=total)
    witness = replace(witness, ledgers=(ledger,), registry=replace(witness.registry, new_entries=(entry,)))
    statement = replace(statement, first_epoch=0, last_epoch=last_epoch, total_cap=total, unattributed_cap=total)
    forge = Forge(samples.seal(statement, witness), witness)
    for row, k in zip(forge.rows("busy"), [*(k for k, _ in steps), 1], strict=True):
        forge["new", 0, row], forge["shared_base", 0, row] = k, 0
        forge.put_bytes(12, row, 0, 6)
    return forge.recount()


def hidden_compute():
    """200 epochs of 16,000,000 chip-seconds, of which a third is declared: k x coverage is small only modulo p."""
    coverage, epochs = 16_000_000, 200
    steps, left = [], coverage * (epochs - 1) % P
    while left:
        part = min(left, (1 << 24) - 1)
        steps.append((part * pow(coverage, -1, P) % P, part))
        left -= part
    return skipping_ledger(coverage, steps, epochs - 1)


def test_two_thirds_of_the_compute_hidden_by_fractional_epochs():
    forge = hidden_compute()
    declared = forge.statement.total_cap
    assert declared < 0.34 * 200 * 16_000_000
    assert forge["in", 0, forge.rows("busy")[-1]] == 199
    assert forge.failures() == {"last_is_a_bit"}


def test_hidden_compute_gets_no_proof():
    forge = hidden_compute()
    trace = to_montgomery(forge.trace.astype(np.uint64))
    with pytest.raises(WitnessError):
        statement = forge.statement
        prove(PROGRAM, public_vector(statement), public_interactions(statement), trace, 16)


@pytest.mark.parametrize(
    ("k", "share"),
    [(2, 2), (4, 4), (pow(2, -1, P), 0.5), (pow(4, -1, P), 0.25)],
    ids=["two", "four", "half", "quarter"],
)
def test_epochs_that_end_by_other_than_one(k, share):
    count = 4 if share >= 1 else 8
    forge = skipping_ledger(1000, [(k, int(1000 * share))] * count, int(count * share))
    assert forge.failures() == {"last_is_a_bit"}


def test_epoch_of_no_length():
    forge = skipping_ledger(1000, [(1, 1000), (0, 0), (1, 1000)], 2)
    assert forge.failures() == set()  # a reading of nothing at an epoch's end is honest: last = 0 and nothing remains


# Which row follows which

FOLLOWERS = {
    "iv": {"hd"},
    "hd": {"busy", "idle", "e0", "mi", "sent", "es", "side", "eg"},
    "busy": {"busy", "idle", "el"},
    "idle": {"busy", "idle", "el"},
    "el": {"iv", None},
    "mi": {"e0"},
    "er": {"iv", None},
    "e0": {"e1"},
    "e1": {"e2"},
    "e2": {"e3"},
    "e3": {"e4"},
    "e4": {"e0", "mi", "er"},
    "sent": {"sent", "es"},
    "es": {"iv", None},
    "side": {"got"},
    "got": {"side", "eg"},
    "eg": {"iv", None},
    None: {"iv", None},
}
ORDER = [
    k for k, name in enumerate(NAMES)
    if name.startswith("after_") and name != "after_head_follows_before_head" or "_then_" in name
]  # fmt: skip


def kinds_only(pairs):
    """Rows and following rows that are zero but for their kinds."""
    row, nxt = (np.zeros((PROGRAM.n_columns, len(pairs)), dtype=np.uint64) for _ in range(2))
    for i, (a, b) in enumerate(pairs):
        for target, kinds in ((row, a), (nxt, b)):
            for kind in kinds:
                target[COLUMNS.index(kind), i] = 1
    selectors = np.zeros((3, len(pairs)), dtype=np.uint64)
    return evaluate(PROGRAM, [0] * PROGRAM.n_publics, row, nxt, selectors).constraints


def test_every_pair_of_kinds():
    pairs = list(itertools.product([*KINDS, None], repeat=2))
    constraints = kinds_only([([k for k in (a,) if k], [k for k in (b,) if k]) for a, b in pairs])
    allowed = {pair for i, pair in enumerate(pairs) if not constraints[ORDER, i].any()}
    assert allowed == {(a, b) for a, followers in FOLLOWERS.items() for b in followers}


def test_every_combination_of_kinds():
    sets = [[k for i, k in enumerate(KINDS) if bits >> i & 1] for bits in range(1 << len(KINDS))]
    one_kind = kinds_only([(kinds, []) for kinds in sets])[NAMES.index("one_kind_of_row")]
    assert [kinds for kinds, value in zip(sets, one_kind.tolist(), strict=True) if not value] == [
        kinds for kinds in sets if len(kinds) <= 1
    ]


# Chains


def copied(forge, first, last, chain=None):
    """Appends a copy of the rows first..last (inclusive), optionally under another chain number."""
    used = forge.layout.used
    count = last + 1 - first
    table = [COLUMNS.index(name) for name in ("t_lo", "t_hi", "t_mult")]
    keep = forge.trace[table].copy()
    forge.trace[:, used : used + count] = forge.trace[:, first : last + 1]
    forge.trace[table] = keep
    if chain is not None:
        forge.trace[COLUMNS.index("chain"), used : used + count] = chain
    forge.layout = replace(forge.layout, used=used + count)
    return used


def test_second_registry_for_the_after_head():
    """One registry shows the agreed before-head, another, shorter in its past, the after-head."""
    forge = Forge(*samples.rich())
    start, end = forge.layout.registry, forge.rows("er")[0]
    before = forge.statement.registry.before
    again = copied(forge, start, end)
    forge["in", 3, again] = forge["in", 3, again] + 1  # another IV: another registry
    forge.rehash().reseal()
    forge.statement = samples.with_registry(forge.statement, before=before)
    assert {"chain", "public"} & forge.failures()
    assert "chain" in buses(forge.statement, forge.trace)


@pytest.mark.parametrize("chain", [3, P - 1])
def test_second_registry_under_another_number(chain):
    forge = Forge(*samples.rich())
    copied(forge, forge.layout.registry, forge.rows("er")[0], chain)
    assert "chain" in forge.rehash().failures()


@pytest.mark.parametrize("chain", [0, 1, 3])
def test_additional_ledger_that_takes_readings(chain):
    """A chain of readings that no head covers could carry tags away."""
    forge = Forge(*samples.rich())
    copied(forge, 0, forge.rows("el")[0], chain)
    assert "chain" in forge.rehash().failures()


def test_one_ledger_for_two_meters():
    statement, witness = samples.first_period()
    meter = statement.meters[0]
    other = replace(meter, header=tuple((x + 1) % P for x in meter.header))
    forge = Forge(statement, witness)
    forge.statement = replace(statement, meters=(meter, other))
    assert forge.failures() == {"public"}


def test_one_head_for_two_chains_of_the_statement_is_refused():
    statement, _ = samples.first_period()
    with pytest.raises(StatementError):
        public_interactions(replace(statement, meters=statement.meters * 2))


def test_registry_without_before_head():
    forge = Forge(*samples.first_period())
    row = forge.rows("mi")[0]
    forge["mi", 0, row] = 0
    assert at(forge, row, row + 1)


def test_before_head_after_the_entries_of_the_period():
    """A second before-head would let the period's entries count as old."""
    forge = Forge(*samples.rich())
    row = forge.rows("er")[0]
    forge["er", 0, row], forge["mi", 0, row] = 0, 1
    names = at(forge, row, row + 1)
    assert {"before_head_comes_once", "after_mi"} <= names


def test_ledger_row_kinds_inside_a_registry():
    forge = Forge(*samples.rich())
    row = forge.rows("er")[0]
    forge["er", 0, row], forge["el", 0, row] = 0, 1
    assert "after_e4" in at(forge, row)


def test_chain_without_its_first_row():
    """No IV row: the capacity would be free on the header row."""
    forge = Forge(*samples.rich())
    row = forge.rows("iv")[1]
    forge["iv", 0, row] = 0
    assert "iv_then_hd" in at(forge, row, row + 1)


def test_chain_across_the_last_and_first_row_is_a_chain_like_any_other():
    """Rows are cyclic: turned by four, the honest table still holds and a changed link across the seam does not."""
    forge = Forge(*samples.rich())
    table = [COLUMNS.index(name) for name in ("t_lo", "t_hi", "t_mult")]
    others = [i for i in range(PROGRAM.n_columns) if i not in table]
    forge.trace[others] = np.roll(forge.trace[others], -4, axis=1)
    rows = range(-20, forge.layout.used + 3)
    assert not check_trace(
        PROGRAM, public_vector(forge.statement), forge.trace, public_interactions(forge.statement), rows
    )
    forge["in", 9, 0] = forge["in", 9, 0] + 1
    assert "capacity_link_9" in at(forge, 0)


def test_entry_multiplicity_cannot_forge_a_parent():
    """Whatever E4 and IV rows provide: a parent with its cumulative made smaller is provided by none of them."""
    forge = Forge(*samples.rich())
    child = forge.entry(samples.G)
    forge["val", 0, child] = forge["val", 0, child] - 1
    for row in (forge.rows("iv")[0], forge.rows("e4")[0], child - 1):
        for multiplicity in (0, 1, P - 1):
            before, forge["aux", 0, row] = forge["aux", 0, row], multiplicity
            assert "chain" in buses(forge.statement, forge.trace)
            forge["aux", 0, row] = before


# Carries and slacks: no choice of bits helps


def test_cumulative_that_overflows_64_bits():
    """A MERGE of 2^63 and 2^63 + 5 is 5 modulo 2^64: no choice of carry bits makes it 5."""

    def new(registry, works):
        registry.residue(0, epoch=5).add(CHECKPOINT, 3, work=works[3], epoch=5)
        registry.add(EXTERNAL, 4, declared=1 << 63, epoch=5)
        registry.add(EXTERNAL, 6, declared=(1 << 63) + 5, epoch=5)
        registry.add(MERGE, 7, parent1=4, parent2=6, epoch=5)
        registry.entries[-1] = replace(registry.entries[-1], cumulative=5)

    forge = Forge(*samples.first_period(new=new))
    row = forge.entry(7) + 4
    for bits in itertools.product((0, 1), repeat=4):
        for i, bit in enumerate(bits):
            forge["byte", 16 + i, row] = bit
        assert "cumulative_limb_2" in at(forge, row)


def over_limit(forge, row, charged, limit, carry_cells, first_byte, constant, names):
    """Tries every setting of the carry bits with the slack that each asks for; returns settings that pass."""
    passed = []
    for bits in itertools.product((0, 1), repeat=len(carry_cells)):
        half = len(bits) // 2
        carries = [0, sum(bits[:half]) - constant, sum(bits[half:]) - constant, 0]
        slack = [(limit[i] - charged[i] - carries[i] + (carries[i + 1] << 24)) % P for i in range(3)]
        for cell, bit in zip(carry_cells, bits, strict=True):
            forge[(*cell, row)] = bit
        forge.put_bytes(
            first_byte,
            row,
            sum((s % (1 << w)) << 24 * i for i, (s, w) in enumerate(zip(slack, (24, 24, 16), strict=True))),
            8,
        )
        if not names & at(forge, row):
            passed.append(bits)
    return passed


LIMIT = {"limit_limb_0", "limit_limb_1", "limit_limb_2"}
LIMIT_CELLS = [("sum", 0), ("sum", 1), ("sum", 2), ("shared_base", 0)]


@pytest.mark.parametrize("excess", [0, 1, 1 << 24, 1 << 48])
def test_no_carry_bits_let_a_lineage_pass_its_cap(excess):
    statement, witness = samples.rich()
    forge = Forge(statement, witness)
    entry = next(e for e in witness.registry.new_entries if e.tag == samples.X)
    r = witness.registry.new_entries[0].cumulative
    row = forge.entry(samples.X) + 4
    cap = entry.cumulative + r - excess
    forge.statement = replace(statement, lineage_cap=cap)
    for i, limb in enumerate(limbs(cap, 3)):
        forge["val", i, row] = limb
    parts = [a + b for a, b in zip(limbs(entry.cumulative, 3), limbs(r, 3), strict=True)]
    passed = over_limit(forge, row, parts, limbs(cap, 3), LIMIT_CELLS, 8, 0, LIMIT)
    assert bool(passed) == (excess == 0)


@pytest.mark.parametrize("excess", [0, 1, 1 << 24])
def test_no_carry_bits_let_unattributed_work_pass_its_cap(excess):
    statement, witness = samples.rich()
    entry, old = witness.registry.new_entries[0], 12345678901234
    assert entry.cumulative == old + entry.work
    cap = entry.work - excess
    forge = Forge(replace(statement, unattributed_cap=cap), witness)
    row = forge.rows("mi")[0] + 5
    for i, limb in enumerate(limbs(cap, 3)):
        forge["val", i, row] = limb
    parts = [a - b for a, b in zip(limbs(entry.cumulative, 3), limbs(old, 3), strict=True)]
    passed = over_limit(forge, row, parts, limbs(cap, 3), LIMIT_CELLS, 8, 1, LIMIT)
    assert bool(passed) == (excess == 0)


@pytest.mark.parametrize("excess", [0, 1, 1 << 24])
def test_no_carry_bits_let_the_total_pass_its_cap(excess):
    statement, witness = samples.rich()
    total = sum(e.work for e in witness.registry.new_entries)
    forge = Forge(replace(statement, total_cap=total - excess), witness)
    row = forge.rows("er")[0]
    names = {"total_cap_0", "total_cap_1", "total_cap_2"}
    cells = [("byte", 8), ("byte", 9)]
    passed = over_limit(forge, row, limbs(total, 3), limbs(total - excess, 3), cells, 0, 0, names)
    assert bool(passed) == (excess == 0)


def test_carry_bits_of_the_running_total_cannot_lower_it():
    forge = Forge(*samples.rich())
    row = forge.entry(samples.G) + 2
    honest = tuple(forge["byte", 17 + i, row] for i in range(2))
    for bits in itertools.product((0, 1), repeat=2):
        carries = [0, *bits, 0]
        for i, bit in enumerate(bits):
            forge["byte", 17 + i, row] = bit
        values = []
        for i in range(3):
            value = forge["tot", i, row] + forge["in", i, row] + carries[i] - (carries[i + 1] << 24)
            values.append(value)
            forge["tot", i, row + 1] = value
        fits = all(0 <= v < 1 << w for v, w in zip(values, (24, 24, 16), strict=True))
        assert fits == (bits == honest)
        if fits:
            forge.put_bytes(8, row + 1, sum(v << 24 * i for i, v in enumerate(values)), 8)
        named = {f"total_is_its_bytes_{i}" for i in range(3)} & at(forge, row + 1)
        assert bool(named) == (bits != honest)


def test_received_carry_that_aliases_modulo_p():
    """1/256 = 8323073 - p/256 ...: a carry of 24 bits would give a work byte a second value; 22 bits do not."""
    shift = P - pow(256, -1, P)
    assert 1 << 22 < shift < 1 << 24
    forge = Forge(*samples.rich())
    row = forge.entry(samples.G) + 1
    carry = sum(forge["byte", i, row] << 8 * i for i in range(3)) + shift
    assert (forge["sum", 0, row] - (forge["byte", 12, row] + 1) - 256 * carry) % P == 0
    forge["byte", 12, row] = forge["byte", 12, row] + 1
    forge.put_bytes(0, row, carry, 3)
    forge["byte", 3, row] = 4 * forge["byte", 2, row] % 256
    names = at(forge, row)
    assert "received_0" not in names
    assert "received_carry_0_is_below_2^22" in names


@pytest.mark.parametrize("fraction", [0, pow(2, -1, P), P - 1])
def test_limit_between_cap_and_freeze(fraction):
    """`works` of E2 is a bit and stays: E4 cannot weigh freeze and cap as it likes."""
    forge = Forge(*samples.rich(freeze_level=samples.BIG - 1))
    row = forge.entry(samples.G) + 4
    forge["works", 0, row] = fraction
    assert "works_stays" in at(forge, row)
    forge["works", 0, row - 1] = forge["works", 0, row - 2] = fraction
    assert {"works_is_a_bit", "who_receives_works"} & at(forge, row - 2)


def test_residue_flag_hides_an_entry_from_the_tag_order():
    """A twin of an old tag, called RESIDUE so that SORT does not see it."""
    forge = Forge(*samples.rich())
    first = forge.entry(samples.H)
    for row in range(first, first + 5):
        forge["worker", 0, row], forge["residue", 0, row] = 0, 1
    names = at(forge, *range(first, first + 5))
    assert {"kind_is_hashed", "residue_tag", "residue_only_after_before_head"} <= names


def test_opening_balance_added_in_a_period():
    def new(registry, works):
        registry.residue(0, epoch=5).add(CHECKPOINT, 3, work=works[3], epoch=5)
        registry.add(OPENING, 8, declared=0, epoch=5)

    assert "opening_is_old" in Forge(*samples.first_period(new=new)).failures()


# Every public value is read, and bound by the proof


@pytest.mark.parametrize("name", PUBLICS)
def test_every_public_input_is_read(name):
    metered = name == "charge_peak"  # work at peak is allowed as signed, but not the other way round
    statement, witness = samples.rich(freeze_level=samples.BIG - 1, charge_peak=not metered)
    forge = Forge(statement, witness)
    publics, which = public_vector(statement), PUBLICS.index(name)
    publics[which] = 1 - publics[which] if name.startswith("charge") else (publics[which] + 1) % P
    rows = range(-2, forge.layout.used + 3)
    n = forge.trace.shape[1]
    here = np.array(rows) % n
    row, nxt = (forge.trace[:, r % n].astype(np.uint64) for r in (here, here + 1))
    selectors = np.stack([here == 0, here == n - 1, here != n - 1]).astype(np.uint64)
    assert evaluate(PROGRAM, publics, row, nxt, selectors).constraints.any()


def changes(statement):
    """The statement with every field changed by the least amount."""
    bump = lambda t: ((t[0] + 1) % P, *t[1:])  # noqa: E731
    meter = statement.meters[0]
    yield "first_epoch", replace(statement, first_epoch=statement.first_epoch - 1)
    yield "last_epoch", replace(statement, last_epoch=statement.last_epoch + 1)
    for cap in ("total_cap", "unattributed_cap", "lineage_cap", "freeze_level"):
        yield cap, replace(statement, **{cap: getattr(statement, cap) - 1})
    yield "charge_peak", replace(statement, charge_peak=not statement.charge_peak)
    yield "charge_residue", replace(statement, charge_residue=not statement.charge_residue)
    for name in ("header", "before", "after"):
        yield f"registry {name}", samples.with_registry(statement, **{name: bump(getattr(statement.registry, name))})
    for name, value in (
        ("header", bump(meter.header)), ("head", bump(meter.head)), ("peak", meter.peak + 1), ("coverage", meter.coverage + 1)
    ):  # fmt: skip
        yield name, replace(statement, meters=(replace(meter, **{name: value}), *statement.meters[1:]))
    yield "meter left out", replace(statement, meters=statement.meters[:1])
    yield "meters exchanged", replace(statement, meters=statement.meters[::-1])
    yield "log_rows", replace(statement, log_rows=statement.log_rows + 1)


@pytest.fixture(scope="module")
def proven():
    statement, witness = samples.rich(freeze_level=samples.BIG - 1)
    return statement, prove_claim(statement, witness)


def test_proof_holds_for_no_other_statement(proven):
    statement, proof = proven
    verify_claim_proof(statement, proof)
    for _, other in changes(statement):
        with pytest.raises(ZkError):
            verify_claim_proof(other, proof)


def test_table_misses_every_changed_public_term(proven):
    """Not only the transcript binds headers and heads: the buses do."""
    statement, _ = proven
    _, witness = samples.rich(freeze_level=samples.BIG - 1)
    trace = Forge(statement, witness).trace
    terms = ("registry header", "registry before", "registry after", "header", "head", "peak", "coverage", "meters exchanged")
    for name, other in changes(statement):
        if name in terms:
            assert "public" in buses(other, trace), name


def test_swapped_heads_are_rejected(proven):
    statement, proof = proven
    swapped = samples.with_registry(statement, before=statement.registry.after, after=statement.registry.before)
    with pytest.raises(ProofRejected):
        verify_claim_proof(swapped, proof)


# Figures


@pytest.mark.parametrize("log_rows", range(16, 23))
def test_unique_decoding_figure_by_hand(log_rows):
    """Queries at rate (65/64)/4 and their grinding; every other round lies above."""
    n = 1 << log_rows
    theta = (1 - (n + n // 64 + 1) / (4 * n)) / 2
    query = -STD.queries * math.log2(1 - theta) + STD.query_grinding
    field = 5 * math.log2(P)
    errors = (
        2 * 13 * n * 14 * 1.01,  # lookup: 13 interactions of at most 15 elements
        4 * (n + n // 64),  # zeta
        4 * n,  # DEEP
        7 * 4 * n / 8,  # first fold
    )
    others = min(field - math.log2(error) + STD.round_grinding for error in errors)
    report = security_report(PROGRAM, log_rows, STD)
    assert abs(report.unique_decoding.bits - min(query, others, 128)) < 0.01
    assert report.unique_decoding.bits > 100
    assert report.johnson.bits >= 128
