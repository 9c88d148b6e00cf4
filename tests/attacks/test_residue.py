"""R6 as amended: a lab under a freeze that wants to go on with everything unattributed, or to book work where it did not go.

The relation by its checker, each false table whole; the lab's own checks before it signs; what `agreement check` foretells.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import claim_samples as samples
import pytest
import world
from claim_forge import fails
from claim_samples import S, seal
from lab_fixtures import EPOCHS, LAB_KEY, METER_KEYS, make_lab, seal_and_close, with_caps

from circuits.chain import Entry
from circuits.claim import public_vector
from circuits.relation import check_witness
from circuits.statement import CHECKPOINT, EXTERNAL, IDLE, MERGE, NONE, OPENING, RESIDUE, SNAPSHOT, UNATTRIBUTED
from claims.agreement.forecast import residue_lines, residue_reaches
from claims.agreement.model import Agreement
from claims.agreement.terms import Caps, Rules
from claims.base.errors import ClaimsError
from claims.base.units import format_work
from claims.claim.records import RegistryEntry, Usage
from claims.imports.usage import import_usage
from claims.lab.caps import cap_problems, over_limits
from claims.lab.lineage import note_checkpoint, snapshot
from claims.lab.meter import SoftwareMeter
from claims.lab.prove import finish_claim
from claims.lab.registry import Opening
from claims.lab.store import Store
from tests.lab.test_prove import draft
from zk.errors import WitnessError

MOST = 2**64 - 1
OLD = 55
"""R before the period, of samples.small."""
U = 9000
"""Unattributed work of the period."""


# ---- false tables ------------------------------------------------------------------------------------------------


@cache
def honest(r: int = OLD, held: bool = True) -> tuple[Any, Any]:
    """All of the period is unattributed, and the freeze is one unit below R'. ``held``: a checkpoint above it is held."""

    def new(registry: Any, works: dict[int, int]) -> None:
        registry.residue(works[UNATTRIBUTED], epoch=12)
        if held:
            registry.add(CHECKPOINT, S, parent1=101, epoch=11)

    def old(registry: Any) -> None:
        samples.small_old(registry)
        if r != OLD:
            registry.residue(r - OLD)

    plan = [(epoch, [(UNATTRIBUTED, 0.5), (UNATTRIBUTED, 0)]) for epoch in (10, 11, 12)]
    statement, witness = samples.small(plans=[plan], old=old, new=new, lineage_cap=MOST)
    residue = witness.registry.new_entries[0]
    assert fails(statement, witness) == set() and (residue.work, residue.cumulative) == (U, r + U)
    under = replace(statement, freeze_level=residue.cumulative - 1)
    assert all(name.startswith("residue_limit") for name in fails(under, witness))
    return under, witness


New = Callable[[Entry, Entry], list[Entry]]
"""From the period's RESIDUE and its CHECKPOINT to the entries that the lab writes instead."""


def _rest(**changes: int) -> New:
    return lambda rest, run: [replace(rest, **changes), run]


FALSE: dict[str, New] = {
    "nothing is unattributed": _rest(work=0, cumulative=OLD),
    "it is not added": _rest(cumulative=OLD),
    "R is forgotten": _rest(cumulative=U),
    "one unit less": _rest(cumulative=OLD + U - 1),
    "one limb less": _rest(cumulative=OLD + U - 2**12),
    "its highest bit too many": _rest(cumulative=OLD + U + 2**63),
    "no entry": lambda rest, run: [run],
    "behind the checkpoint": lambda rest, run: [run, rest],
    "two halves": lambda rest, run: [
        replace(rest, work=U // 2, cumulative=OLD + U // 2), replace(rest, work=U - U // 2, cumulative=OLD + U - U // 2), run],
    "half of it, and nothing": lambda rest, run: [rest, replace(rest, work=0, cumulative=OLD), run],
    "a checkpoint of its tag": lambda rest, run: [
        replace(rest, work=0, cumulative=OLD), replace(run, tag=UNATTRIBUTED, work=U, cumulative=run.cumulative - run.work + U), run],
    "a snapshot of its tag": lambda rest, run: [
        replace(rest, work=0, cumulative=OLD), Entry(UNATTRIBUTED, SNAPSHOT, NONE, NONE, NONE, 12, U, 0, U), run],
    "a snapshot in its place": lambda rest, run: [Entry(UNATTRIBUTED, SNAPSHOT, NONE, NONE, NONE, 12, U, 0, U), run],
    "a merge in its place": lambda rest, run: [Entry(UNATTRIBUTED, MERGE, 100, 103, NONE, 12, 0, 0, 0), run],
    "an opening in its place": lambda rest, run: [Entry(UNATTRIBUTED, OPENING, NONE, NONE, NONE, 12, 0, 0, 0), run],
    "a child of an opening": _rest(parent1=100, cumulative=OLD + U),
    "over a base": _rest(base=100),
    "with a negative declaration": _rest(declared=MOST - U, cumulative=OLD),
    "under another tag": _rest(tag=7),
    "as the checkpoint's parent": lambda rest, run: [rest, replace(run, parent1=UNATTRIBUTED)],
    "given to the run": lambda rest, run: [
        replace(rest, work=0, cumulative=OLD), replace(run, work=run.work + U, cumulative=run.cumulative + U)],
    "as weights from outside": lambda rest, run: [
        replace(rest, work=0, cumulative=OLD), Entry(7, EXTERNAL, NONE, NONE, NONE, 12, 0, U, U), run],
    "before the period": _rest(epoch=9),
}  # fmt: skip


@pytest.mark.parametrize("attempt", FALSE)
def test_a_false_registry_keeps_nothing_under_the_freeze(attempt: str) -> None:
    statement, witness = honest()
    rest, run = witness.registry.new_entries
    false = replace(witness, registry=replace(witness.registry, new_entries=tuple(FALSE[attempt](rest, run))))
    with pytest.raises(WitnessError):
        check_witness(statement, false)
    assert fails(seal(statement, false), false)
    assert fails(seal(replace(statement, freeze_level=None), false), false), "it is no true registry where nothing is frozen either"


def test_r_does_not_wrap_around_in_any_period() -> None:
    """R' = 2^64 + 5 is not 5, whatever the freeze."""
    for level in (5, 2**63, MOST):
        statement, witness = honest(r=MOST - U, held=False)
        statement = replace(statement, freeze_level=level)
        (rest,) = witness.registry.new_entries
        for old in (MOST, MOST - U + 6):
            last = next(i for i, entry in reversed(list(enumerate(witness.registry.old_entries))) if entry.kind == RESIDUE)
            before = list(witness.registry.old_entries)
            before[last] = replace(before[last], work=before[last].work + old - (MOST - U), cumulative=old)
            new = (replace(rest, cumulative=(old + U) % 2**64),)
            false = replace(witness, registry=replace(witness.registry, old_entries=tuple(before), new_entries=new))
            with pytest.raises(WitnessError):
                check_witness(statement, false)
            assert fails(seal(statement, false), false)


def test_an_older_r_is_not_gone_on_from() -> None:
    """Old RESIDUE rows that say less, moved, left out, or written again with less behind the last of them."""
    statement, witness = honest(r=OLD + 1000)
    rest, run = witness.registry.new_entries
    old = list(witness.registry.old_entries)
    places = [i for i, entry in enumerate(old) if entry.kind == RESIDUE]
    assert [old[i].cumulative for i in places] == [OLD, OLD + 1000]
    less = (replace(rest, cumulative=OLD + U), run)
    for before in (
        old,
        [*old, replace(old[places[0]], work=0, cumulative=OLD)],
        [entry for i, entry in enumerate(old) if i != places[1]],  # another registry: its head is not the one before
        [old[places[1]], *(entry for i, entry in enumerate(old) if i != places[1])],
        [replace(entry, cumulative=OLD) if i == places[1] else entry for i, entry in enumerate(old)],
    ):
        false = replace(witness, registry=replace(witness.registry, old_entries=tuple(before), new_entries=less))
        mine = seal(statement, false)
        honest_before = replace(mine, registry=replace(mine.registry, before=statement.registry.before))
        assert fails(honest_before, false), "over the true head"


def test_the_effective_freeze_is_the_smaller_of_two() -> None:
    """A freeze that is stated above the lineage cap frees nothing: what the program reads is the smaller."""
    statement, witness = honest()
    level = witness.registry.new_entries[0].cumulative - 1
    for freeze in (MOST, level + 1, 2**40):
        above = replace(statement, lineage_cap=level, freeze_level=freeze)
        assert public_vector(above) == public_vector(replace(above, freeze_level=level)) == public_vector(replace(above, freeze_level=None))
        with pytest.raises(WitnessError):
            check_witness(above, witness)
        assert any(name.startswith("residue_limit") for name in fails(above, witness))


def test_idle_time_does_no_work() -> None:
    """Unattributed readings that become idle ones: with their work, and without, over the meter's own head."""
    statement, witness = honest()
    ledger, (rest, run) = witness.ledgers[0], witness.registry.new_entries
    registry = replace(witness.registry, new_entries=(replace(rest, work=0, cumulative=OLD), run))
    tags, work = ledger.tags.copy(), ledger.work.copy()
    tags[ledger.tags == UNATTRIBUTED] = IDLE
    with_work = replace(witness, ledgers=(replace(ledger, tags=tags),), registry=registry)
    assert fails(seal(statement, with_work), with_work)
    work[tags == IDLE] = 0
    without = replace(witness, ledgers=(replace(ledger, tags=tags, work=work),), registry=registry)
    check_witness(statement, without)
    signed = replace(seal(statement, without), meters=statement.meters)
    assert fails(signed, without) == {"chain", "public"}, "the meter's head alone stands in the way"


# ---- what a lab states, and what its prover can prove ------------------------------------------------------------


def entry(value: RegistryEntry) -> Entry:
    return Entry(value.tag, value.kind, value.parent1, value.parent2, value.base, value.epoch, value.work, value.declared, value.cumulative)


def test_what_a_lab_states_is_what_it_can_prove_and_the_least_of_it() -> None:
    """Random registries and caps: under what is stated the relation holds, and in no place under one unit less than the amount."""
    rng, stated = random.Random(6), 0
    for _ in range(80):
        statement, witness = samples.small(
            plans=[[(e, rng.choice([[(UNATTRIBUTED, 0.5), (S, 0)], [(S, 0)], [(UNATTRIBUTED, 0)], [(IDLE, 0)]])) for e in (10, 11, 12)]],
            old=lambda r: samples.small_old(r.residue(0) if rng.random() < 0.5 else r),
            new=lambda r, works: _some(r, works, rng), charge_residue=rng.random() < 0.7,
        )  # fmt: skip
        new = [
            RegistryEntry("x", e.tag, e.kind, e.parent1, e.parent2, e.base, e.epoch, e.work, e.declared, e.cumulative, bytes(32), 0)
            for e in witness.registry.new_entries
        ]
        lineage = rng.randrange(1, 2 * 10**6)
        freeze = rng.choice([None, rng.randrange(lineage + 1)])
        caps = Caps(rng.randrange(1, 12_000), rng.randrange(1, 6_000), lineage, freeze)
        limits = over_limits(new, caps, charge_residue=statement.charge_residue)
        names = {1: "total_cap", 2: "unattributed_cap", 3: "lineage_cap", 4: "freeze_level"}
        agreed = {"total_cap": caps.total, "unattributed_cap": caps.unattributed, "lineage_cap": caps.lineage, "freeze_level": caps.freeze}
        under = replace(statement, **agreed | {names[limit.which]: limit.stated for limit in limits})
        check_witness(under, witness)
        assert bool(cap_problems(new, caps, charge_residue=statement.charge_residue)) == bool(limits)
        for limit in limits:
            stated += 1
            with pytest.raises(WitnessError):
                check_witness(replace(under, **{names[limit.which]: limit.agreed}), witness)
            if limit.stated // 2 > limit.agreed:
                with pytest.raises(WitnessError):
                    check_witness(replace(under, **{names[limit.which]: limit.stated // 2}), witness)
    assert stated > 80


def _some(registry: Any, works: dict[int, int], rng: random.Random) -> None:
    """RESIDUE, S with or without work, and perhaps a merge that stands above the freeze."""
    registry.residue(works.get(UNATTRIBUTED, 0), epoch=12)
    registry.add(CHECKPOINT, S, parent1=rng.choice([100, 101, NONE]), work=works.get(S, 0), epoch=11)
    if rng.random() < 0.5:
        registry.add(MERGE, 500, parent1=S, parent2=103, epoch=12)


# ---- the lab's own checks ----------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path) -> tuple[Store, Agreement]:
    """``run`` was saved in epoch 1 after work in epochs 0 and 1."""
    caps = {"total": 10**9, "unattributed": 10**9, "lineage": 10**10, "freeze": None}
    store, agreement = make_lab(tmp_path, (Opening("base", 10**6), Opening("other", 5)), **caps)
    store.add_usage(0, "hall-a", [Usage(epoch, store.tag("run"), 5000, None) for epoch in (0, 1)])
    note_checkpoint(store, agreement, draft("run", ("base",), 1))
    return store, agreement


def _import(store: Store, agreement: Agreement, rows: str) -> None:
    path = Path(str(store.path) + ".csv")
    path.write_text("meter,epoch,checkpoint,chip_seconds\n" + rows)
    import_usage(store, agreement, path)


def _straight(store: Store, name: str, epoch: int) -> None:
    """What no importer lets through."""
    store.add_usage(epoch // EPOCHS, "hall-a", [Usage(epoch, store.tag(name), 1000, None)])


def _change(store: Store, *statements: str) -> None:
    with sqlite3.connect(store.path) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)


def _seal(store: Store, agreement: Agreement, *epochs: int) -> None:
    for epoch in epochs:
        SoftwareMeter("hall-a", METER_KEYS["hall-a"]).seal_epoch(store, agreement, epoch)


def _late_draft(store: Store, agreement: Agreement) -> None:
    _straight(store, "next", 3)
    note_checkpoint(store, agreement, draft("next", ("run",), 2))


def _closed_and_more(store: Store, agreement: Agreement) -> None:
    seal_and_close(store, agreement, 0)
    _straight(store, "run", EPOCHS)
    seal_and_close(store, agreement, 1)


def _snapshot_and_more(store: Store, agreement: Agreement) -> None:
    _straight(store, "rest", 3)
    snapshot(store, agreement, 0, "rest", "run")
    note_checkpoint(store, agreement, draft("rest", ("rest @period-0",), 3))
    _straight(store, "rest", EPOCHS)
    seal_and_close(store, agreement, 0)
    seal_and_close(store, agreement, 1)


def _changed_and_closed(*statements: str) -> Callable[[Store, Agreement], None]:
    def steps(store: Store, agreement: Agreement) -> None:
        _change(store, *statements)
        seal_and_close(store, agreement, 0)

    return steps


def _sealed_and_changed(*statements: str) -> Callable[[Store, Agreement], None]:
    def steps(store: Store, agreement: Agreement) -> None:
        note_checkpoint(store, agreement, draft("child", ("run",), 3))
        seal_and_close(store, agreement, 0)
        _change(store, *statements)
        finish_claim(store, agreement, 0, LAB_KEY, nullcontext)

    return steps


BOOKED: dict[str, Callable[[Store, Agreement], None]] = {
    "an import of later work": lambda store, agreement: _import(store, agreement, "hall-a,2,run,5\n"),
    "an import of work in both hours": lambda store, agreement: _import(store, agreement, "hall-a,1,run,5\nhall-a,2,run,5\n"),
    "an import for the next period": lambda store, agreement: _import(store, agreement, f"hall-a,{EPOCHS},run,5\n"),
    "an import to what existed before": lambda store, agreement: _import(store, agreement, "hall-a,0,base,5\n"),
    "later work past the importer, closed": lambda store, agreement: (_straight(store, "run", 2), seal_and_close(store, agreement, 0)),
    "later work past the importer, sealed by the hour": lambda store, agreement: (
        _straight(store, "run", 2), _seal(store, agreement, 0, 1, 2)),
    "work to what existed before, closed": lambda store, agreement: (_straight(store, "other", 0), seal_and_close(store, agreement, 0)),
    "a checkpoint that is older than its work": _late_draft,
    "work to a checkpoint of an earlier period": _closed_and_more,
    "a checkpoint in the hour that a snapshot closed": _snapshot_and_more,
    "a child before its parent": lambda store, agreement: note_checkpoint(store, agreement, draft("child", ("run",), 0)),
    "a merge before its parent": lambda store, agreement: note_checkpoint(store, agreement, draft("child", ("base", "run"), 0, "MERGE")),
    "the same checkpoint, later": lambda store, agreement: (
        note_checkpoint(store, agreement, draft("child", ("run",), 1)), note_checkpoint(store, agreement, draft("run", ("base",), 3))),
    "its own parent": lambda store, agreement: note_checkpoint(store, agreement, draft("run", ("run",), 2)),
    "a merge that works": lambda store, agreement: (
        note_checkpoint(store, agreement, draft("child", ("base", "run"), 3, "MERGE")), _straight(store, "child", 3),
        seal_and_close(store, agreement, 0)),
    "a draft moved to an earlier hour": _changed_and_closed("UPDATE drafts SET epoch = 0"),
    "a draft of another kind": _changed_and_closed("UPDATE drafts SET kind = 5, parent2 = parent1"),
    "a draft of another period": _changed_and_closed("UPDATE drafts SET period = 1"),
    "a reading of another run": _sealed_and_changed("UPDATE readings SET tag = 2 WHERE tag > 2"),
    "R of the closed period": _sealed_and_changed("UPDATE entries SET cumulative = zeroblob(8), work = zeroblob(8)"),
    "a parent that is younger, closed": _sealed_and_changed("UPDATE entries SET parent1 = 0, base = 0 WHERE kind = 3"),
}  # fmt: skip


@pytest.mark.parametrize("attempt", BOOKED)
def test_work_is_not_booked_where_it_did_not_go(lab: tuple[Store, Agreement], attempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store, agreement = lab
    monkeypatch.setattr("circuits.prove.prove_claim", lambda statement, witness, **_: (check_witness(statement, witness), b"proof")[1])
    with pytest.raises(ClaimsError):
        BOOKED[attempt](store, agreement)
    assert store.kept_claim(0) is None


def test_a_lab_under_a_freeze_is_told_before_it_signs(lab: tuple[Store, Agreement]) -> None:
    """Period after period of unattributed work: R' reaches the freeze, and the lab hears it in words, when it closes at the latest."""
    store, agreement = lab
    agreement = with_caps(agreement, freeze=10**6)
    from claims.lab.running import running

    store.add_usage(0, "hall-b", [Usage(0, 2, 120_000, None), Usage(1, 2, 120_000, None), Usage(2, 2, 120_000, None)])
    figures = running(store, agreement, 0)
    assert figures.held == 10**6 and figures.residue == 360 * 1979
    for period in (0, 1):
        if period:
            store.add_usage(1, "hall-b", [Usage(EPOCHS + i, 2, 120_000, None) for i in range(3)])
        seal_and_close(store, agreement, period)
    new = [item for item in store.entries() if item.period == 1]
    text = "\n".join(cap_problems(new, agreement.labs[0].caps, charge_residue=True))
    assert "freeze level exceeded by all unattributed work since the agreement began, to which this period adds" in text


# ---- what agreement check foretells ------------------------------------------------------------------------------


BASE = world.agreement()


def random_terms(rng: random.Random) -> Agreement:
    base = BASE

    def caps() -> Caps:
        lineage = rng.randrange(200)
        return Caps(1000, rng.choice([0, 1, 7, 10]), lineage, rng.choice([None, rng.randrange(lineage + 1)]))

    periods = range(1, base.periods)
    later = tuple((period, caps()) for period in sorted(rng.sample(periods, rng.randrange(3))))
    rules = tuple((period, Rules(True, rng.random() < 0.6)) for period in sorted(rng.sample(periods, rng.randrange(3))))
    own = replace(base.lab("alpha"), caps=caps(), caps_from=later, since_period=rng.choice([0, 0, 3]))
    return replace(base, labs=(own, base.lab("beta")), rules=Rules(True, rng.random() < 0.6), rules_from=rules)


def walk(terms: Agreement) -> list[tuple[int, int, int]]:
    """Periods in which a lab at its unattributed cap in every period is refused, each with R' and what it passes."""
    own, residue, found = terms.lab("alpha"), 0, []
    for period in range(own.since_period, terms.periods):
        caps = own.caps_at(period)
        residue += caps.unattributed
        limit = caps.lineage if caps.freeze is None else min(caps.freeze, caps.lineage)
        if terms.rules_at(period).charge_residue and caps.unattributed and residue > limit:
            found.append((period, residue, limit))
    return found


def test_what_the_forecast_says_is_so() -> None:
    """Every number in its words, against a walk over all periods of random terms."""
    rng, spoke = random.Random(1), 0
    for _ in range(200):
        terms = random_terms(rng)
        refused = walk(terms)
        assert residue_reaches(terms, terms.lab("alpha")) == (refused[0][:2] if refused else None)
        lines = residue_lines(terms)
        if not refused:
            assert not lines or re.match("forecast    alpha(| and beta): unattributed work may be at its cap in every period", lines[-1])
            continue
        (period, residue, limit), spoke = refused[0], spoke + 1
        said = f"in period {period} it has come to {format_work(residue)}, and at most {format_work(limit)} is agreed"
        assert f"adds up from period {terms.lab('alpha').since_period} on" in lines[0] and said in lines[1]
    assert spoke > 40
