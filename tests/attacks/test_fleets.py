"""Random fleets, cut into random sites, against one table: the same accept or refuse; and false ones, one thing wrong in each."""

from __future__ import annotations

import random
from dataclasses import replace

import claim_samples as samples
import numpy as np
import pytest
from claim_forge import fails
from claim_samples import UNATTRIBUTED, cut, seal, with_registry

from circuits.prove import prove_claim
from circuits.relation import check_witness
from circuits.statement import CHECKPOINT, IDLE, RESIDUE
from circuits.verify import verify_claim_proof
from zk.errors import WitnessError, ZkError
from zk.field import P


def fleet(rng):
    """A random honest claim: 2 to 5 meters, 1 to 3 epochs, some tags."""
    epochs, meters = rng.randint(1, 3), rng.randint(2, 5)
    tags = rng.sample(range(3, 1 << 24), rng.randint(0, 4))
    plans = []
    for _ in range(meters):
        plan = []
        for epoch in range(epochs):
            parts = [(rng.choice([*tags, IDLE, UNATTRIBUTED, UNATTRIBUTED]), rng.random() / 3) for _ in range(rng.randint(1, 3))]
            plan.append((epoch, parts))
        plans.append(plan)

    def old(r):
        r.residue(rng.randrange(1 << 40))

    def new(r, works):
        r.residue(works.get(UNATTRIBUTED, 0))
        for tag in tags:
            r.add(CHECKPOINT, tag, work=works.get(tag, 0))

    peaks = [rng.choice([1, 312, 989, 1979]) for _ in range(meters)]
    coverages = [rng.choice([8 * 3600, 72 * 3600, 5]) for _ in range(meters)]
    return samples.claim(plans, peaks, coverages, old, new, charge_peak=rng.random() < 0.8, seed=rng.randrange(1 << 30))


def random_cut(rng, statement, witness):
    """Every meter in one of 2 to 5 sites, none empty."""
    count = rng.randint(2, min(5, len(statement.meters)))
    owner = [*range(count), *(rng.randrange(count) for _ in range(len(statement.meters) - count))]
    rng.shuffle(owner)
    return cut(statement, witness, [[i for i, o in enumerate(owner) if o == k] for k in range(count)], seed=rng.randrange(1 << 30))


def verdict(statement, witness):
    try:
        check_witness(statement, witness)
    except WitnessError as error:
        return type(error).__name__
    return "ok"


def agree(seed, check):
    rng = random.Random(seed)
    statement, witness = fleet(rng)
    parts = random_cut(rng, statement, witness)
    assert verdict(statement, witness) == "ok"
    assert [verdict(*part) for part in parts] == ["ok"] * len(parts)
    assert parts[-1][1].registry == witness.registry
    if check:
        assert fails(statement, witness) == set()
        for part in parts:
            assert fails(*part) == set(), seed
    return statement, witness, parts, rng


# ---- one thing wrong: each takes (rng, statement, witness), and gives them false, or None where there is nothing to falsify ----


def _entries(witness, entries):
    return replace(witness, registry=replace(witness.registry, new_entries=tuple(entries)))


def _reading(rng, statement, witness, column, change, where=lambda ledger: ledger.tags != IDLE):
    """One reading, of those that ``where`` picks, with another value in a column."""
    places = [(i, k) for i, ledger in enumerate(witness.ledgers) for k in np.flatnonzero(where(ledger))]
    if not places:
        return None
    i, k = rng.choice(places)
    values = getattr(witness.ledgers[i], column).copy()
    values[k] = change(int(values[k]))
    ledgers = [*witness.ledgers[:i], replace(witness.ledgers[i], **{column: values}), *witness.ledgers[i + 1 :]]
    return statement, replace(witness, ledgers=tuple(ledgers))


def work_of_an_entry(rng, statement, witness):
    entries = list(witness.registry.new_entries)
    k, by = rng.randrange(len(entries)), rng.choice([1, 1 << 24, 1 << 47])
    entries[k] = replace(entries[k], work=entries[k].work + by, cumulative=entries[k].cumulative + by)
    return statement, _entries(witness, entries)


def cumulative_of_an_entry(rng, statement, witness):
    entries = list(witness.registry.new_entries)
    k = rng.randrange(len(entries))
    entries[k] = replace(entries[k], cumulative=entries[k].cumulative + 1)
    return statement, _entries(witness, entries)


def entry_without_its_work(rng, statement, witness):
    entries = list(witness.registry.new_entries)
    busy = [k for k, entry in enumerate(entries) if entry.work]
    if not busy:
        return None
    k = rng.choice(busy)
    entries[k] = replace(entries[k], work=0, cumulative=entries[k].cumulative - entries[k].work)
    return statement, _entries(witness, entries)


def entry_left_out(rng, statement, witness):
    entries = list(witness.registry.new_entries)
    busy = [k for k, entry in enumerate(entries) if entry.work and entry.kind != RESIDUE]
    if not busy:
        return None
    del entries[rng.choice(busy)]
    return statement, _entries(witness, entries)


def one_tag_twice(rng, statement, witness):
    entries = list(witness.registry.new_entries)
    return (statement, _entries(witness, [*entries, replace(entries[-1], work=0, cumulative=0)])) if len(entries) > 1 else None


def total_cap(rng, statement, witness):
    total = sum(entry.work for entry in witness.registry.new_entries)
    return (replace(statement, total_cap=total - 1), witness) if total else None


def unattributed_cap(rng, statement, witness):
    work = witness.registry.new_entries[0].work
    return (replace(statement, unattributed_cap=work - 1), witness) if work else None


def lineage_cap(rng, statement, witness):
    residue, *entries = witness.registry.new_entries
    most = max((entry.cumulative for entry in entries), default=0) + residue.cumulative
    return (replace(statement, lineage_cap=most - 1), witness) if entries and most else None


def residue_over_the_freeze(rng, statement, witness):
    residue = witness.registry.new_entries[0]
    return (replace(statement, freeze_level=residue.cumulative - 1), witness) if residue.work else None


def tag_of_a_reading(rng, statement, witness):
    other = next(tag for tag in range(3, 99) if tag not in {entry.tag for entry in witness.registry.new_entries})
    return _reading(rng, statement, witness, "tags", lambda _: other)


def work_of_a_reading(rng, statement, witness):
    return _reading(rng, statement, witness, "work", lambda work: work - 1 if work else 1)


def idle_that_worked(rng, statement, witness):
    return _reading(rng, statement, witness, "tags", lambda _: IDLE, lambda ledger: ledger.work > 0)


def seconds_of_a_reading(rng, statement, witness):
    return _reading(rng, statement, witness, "chip_seconds", lambda seconds: seconds + 1)


def epoch_of_a_reading(rng, statement, witness):
    return _reading(rng, statement, witness, "epochs", lambda epoch: epoch + 1)


FALSE = [
    work_of_an_entry, cumulative_of_an_entry, entry_without_its_work, entry_left_out, one_tag_twice, total_cap, unattributed_cap,
    lineage_cap, residue_over_the_freeze, tag_of_a_reading, work_of_a_reading, idle_that_worked, seconds_of_a_reading, epoch_of_a_reading,
]  # fmt: skip


def refused_alike(seed, check):
    """What was wrong, in a fleet that both cuts refuse; None where there was nothing to falsify."""
    statement, witness, _, rng = agree(seed, check=False)
    change = FALSE[seed % len(FALSE)]
    false = change(rng, statement, witness)
    if false is None:
        return None
    statement, witness = false[0] if witness is false[1] else seal(*false), false[1]
    parts = random_cut(rng, statement, witness)
    assert verdict(statement, witness) != "ok", (seed, change)
    assert any(verdict(*part) != "ok" for part in parts), (seed, change)
    if check:
        assert fails(statement, witness), (seed, change)
        assert any(fails(*part) for part in parts), (seed, change)
    return change.__name__


@pytest.mark.parametrize("seed", range(4))
def test_random_fleets_are_accepted_in_both_cuts(seed):
    agree(seed, check=True)


def test_random_false_fleets_are_refused_in_both_cuts():
    found = [refused_alike(seed, check=False) for seed in range(100, 100 + 6 * len(FALSE))]
    assert set(found) >= {change.__name__ for change in FALSE}, "each was tried"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(1000, 3000, 250))
def test_two_thousand_fleets_by_the_checker(first):
    for seed in range(first, first + 250):
        agree(seed, check=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(3000, 5600, 325))
def test_two_thousand_false_fleets_by_the_checker(first):
    assert sum(refused_alike(seed, check=True) is not None for seed in range(first, first + 325)) >= 250


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(5000, 5030, 5))
def test_thirty_fleets_by_real_proofs(first):
    for seed in range(first, first + 5):
        _, _, parts, _ = agree(seed, check=False)
        for statement, witness in parts:
            proof = prove_claim(statement, witness)
            verify_claim_proof(statement, proof)
            if statement.registry is not None:
                bumped = with_registry(statement, before=((statement.registry.before[0] + 1) % P, *statement.registry.before[1:]))
                with pytest.raises(ZkError):
                    verify_claim_proof(bumped, proof)
