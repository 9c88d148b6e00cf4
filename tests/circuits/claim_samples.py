"""Small honest claims of several shapes, made from plain integers."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from circuits.chain import Entry
from circuits.statement import (
    CHECKPOINT,
    EXTERNAL,
    FIRST_TAG,
    IDLE,
    MERGE,
    NONE,
    OPENING,
    RESIDUE,
    SNAPSHOT,
    UNATTRIBUTED,
    MeterTerms,
    RegistryTerms,
    Statement,
    SummaryTerms,
    ledger_header,
    registry_header,
    summary_header,
)
from circuits.witness import ClaimWitness, Headers, LedgerWitness, RegistryWitness, SummaryWitness, heads_of
from zk.field import P

BIG = (1 << 63) + 12345


def lanes(rng):
    return tuple(rng.randrange(P) for _ in range(8))


class Registry:
    """Writes entries with right cumulatives; `r` is R."""

    def __init__(self):
        self.entries, self.by_tag, self.r = [], {NONE: Entry(0, 0, 0, 0, 0, 0, 0, 0, 0)}, 0

    def add(self, kind, tag, parent1=NONE, parent2=NONE, base=None, epoch=0, work=0, declared=0):
        p1, p2 = self.by_tag[parent1], self.by_tag[parent2]
        if base is None:
            base = p1.base if kind == MERGE or p1.base else parent1
        shared = self.by_tag[base].cumulative if kind == MERGE and p1.base == p2.base == base else 0
        cumulative = work + declared + p1.cumulative + p2.cumulative - shared
        if kind == RESIDUE:
            cumulative = self.r = self.r + work
        digest = random.Random(tag * 10 + kind).randbytes(32)
        entry = Entry(tag, kind, parent1, parent2, base, epoch, work, declared, cumulative, digest)
        self.entries.append(entry)
        if kind != RESIDUE:
            self.by_tag[tag] = entry
        return self

    def tamper(self, **changes):
        """Changes the last entry; later entries build on what it says now."""
        entry = self.entries[-1] = replace(self.entries[-1], **changes)
        if entry.kind == RESIDUE:
            self.r = entry.cumulative
        else:
            self.by_tag[entry.tag] = entry
        return self

    def residue(self, work, epoch=0):
        return self.add(RESIDUE, UNATTRIBUTED, epoch=epoch, work=work)


def readings(rng, plan, coverage, peak, charge_peak):
    """Arrays of one meter. plan: per epoch a list of (tag, share of the coverage, 0..1)."""
    rows = []
    for epoch, parts in plan:
        left = coverage
        for k, (tag, share) in enumerate(parts):
            seconds = left if k == len(parts) - 1 else int(coverage * share)
            left -= seconds
            work = 0 if tag == IDLE else seconds * peak if charge_peak else rng.randrange(1 << 47)
            rows.append((epoch, tag, seconds, work))
    return [np.array(column, dtype=np.uint64) for column in zip(*rows, strict=True)]


def sums(ledgers):
    """Work per tag over all ledgers."""
    total = {}
    for ledger in ledgers:
        for tag, work in zip(ledger.tags.tolist(), ledger.work.tolist(), strict=True):
            total[tag] = total.get(tag, 0) + work
    total.pop(IDLE, None)
    return total


def seal(statement, witness):
    """The statement with the witness's own heads."""
    heads = heads_of(witness, Headers.of(statement))
    meters = tuple(replace(m, head=h) for m, h in zip(statement.meters, heads.meters, strict=True))
    summaries = tuple(replace(s, head=h) for s, h in zip(statement.summaries, heads.summaries, strict=True))
    registry = statement.registry and replace(statement.registry, before=heads.before, after=heads.after)
    return replace(statement, meters=meters, summaries=summaries, registry=registry)


def with_registry(statement, **changes):
    """The statement with another header or head of the registry."""
    return replace(statement, registry=replace(statement.registry, **changes))


def cut(statement, witness, groups, seed=1):
    """The same claim as several tables: (statement, witness) of each site, then of the registry.

    groups: for each site the positions of its meters, ascending.
    """
    rng = random.Random(seed)
    tables, sent, terms = [], [], []
    for k, group in enumerate(groups):
        ledgers = tuple(witness.ledgers[i] for i in group)
        summary = SummaryWitness(lanes(rng), tuple(sorted(sums(ledgers).items())), lanes(rng))
        term = SummaryTerms(summary_header(bytes(range(32)), "lab", f"site {k}", 3), (0,) * 8)
        site = replace(
            statement, total_cap=0, unattributed_cap=0, lineage_cap=0, freeze_level=None, charge_residue=False,
            meters=tuple(statement.meters[i] for i in group), registry=None, summaries=(term,),
        )  # fmt: skip
        site_witness = ClaimWitness(ledgers, None, (summary,))
        site = seal(site, site_witness)
        tables.append((site, site_witness))
        sent.append(summary)
        terms += site.summaries
    tables.append((replace(statement, meters=(), summaries=tuple(terms)), ClaimWitness((), witness.registry, tuple(sent))))
    return tables


def claim(plans, peaks, coverages, old, new, charge_peak=True, charge_residue=True, seed=1, **caps):
    """Statement and witness. old(registry) and new(registry, works) write the entries; works: tag -> work."""
    rng = random.Random(seed)
    ledgers = tuple(
        LedgerWitness(lanes(rng), *readings(rng, plan, coverage, peak, charge_peak), lanes(rng))
        for plan, peak, coverage in zip(plans, peaks, coverages, strict=True)
    )
    registry = Registry()
    old(registry)
    n_old = len(registry.entries)
    new(registry, sums(ledgers))
    epochs = [epoch for plan in plans for epoch, _ in plan]
    digest = bytes(range(32))
    meters = tuple(
        MeterTerms(ledger_header(digest, "lab", f"meter {i}", 3), peak, coverage, (0,) * 8)
        for i, (peak, coverage) in enumerate(zip(peaks, coverages, strict=True))
    )
    settings = {"total_cap": BIG, "unattributed_cap": BIG, "lineage_cap": BIG, "freeze_level": None} | caps
    statement = Statement(
        log_rows=16, first_epoch=min(epochs), last_epoch=max(epochs), charge_peak=charge_peak,
        charge_residue=charge_residue, meters=meters, registry=RegistryTerms(registry_header("lab"), (0,) * 8, (0,) * 8),
        **settings,
    )  # fmt: skip
    entries = tuple(registry.entries)
    witness = ClaimWitness(
        ledgers, RegistryWitness(lanes(rng), entries[:n_old], entries[n_old:], lanes(rng), lanes(rng))
    )
    return seal(statement, witness), witness


A, B, C, D, E, F, G, H, X, Y = (FIRST_TAG + k for k in (700, 0, 90000, 41, 7, 1 << 20, 12, 13, 14, (1 << 24) - 4))


def rich(**changes):
    """Two meters, three epochs, every kind of entry, common and different bases, two periods of residue."""
    e0 = 1000

    def old(r):
        r.add(OPENING, A, declared=10**15, epoch=3).add(OPENING, B, declared=77)
        r.residue(12345678901234, epoch=900)
        r.add(CHECKPOINT, C, parent1=A, epoch=901, work=5 * 10**12).add(CHECKPOINT, D, parent1=A, work=2**47)
        r.add(MERGE, E, parent1=C, parent2=D).add(SNAPSHOT, F, parent1=E, work=99)

    def new(r, works):
        r.residue(works.get(UNATTRIBUTED, 0), epoch=e0 + 2)
        r.add(CHECKPOINT, G, parent1=F, work=works.get(G, 0), epoch=e0)
        r.add(SNAPSHOT, H, parent1=A, base=A, work=works.get(H, 0), epoch=e0 + 1)
        r.add(EXTERNAL, X, declared=2**60, epoch=e0 + 1)
        r.add(MERGE, Y, parent1=G, parent2=H, epoch=e0 + 2).add(MERGE, Y - 1, parent1=G, parent2=X, epoch=e0 + 2)
        r.add(CHECKPOINT, Y - 2, epoch=e0 + 2)

    plans = [
        [(e0, [(G, 0.3), (IDLE, 0.1), (UNATTRIBUTED, 0)]), (e0 + 1, [(H, 0)]), (e0 + 2, [(G, 0.5), (H, 0)])],
        [(e0, [(IDLE, 0)]), (e0 + 1, [(UNATTRIBUTED, 0.2), (G, 0.3), (IDLE, 0)]), (e0 + 2, [(G, 0)])],
    ]
    settings = {"peaks": [989, 65537], "coverages": [8 * 3600, (1 << 24) * 200 + 5], "old": old, "new": new}
    return claim(plans, **(settings | changes))


def first_period(**changes):
    """One meter, one epoch, one entry besides RESIDUE, an empty registry before."""

    def new(r, works):
        r.residue(0, epoch=5).add(CHECKPOINT, 3, work=works[3], epoch=5)

    return claim([[(5, [(3, 0)])]], **({"peaks": [1], "coverages": [1], "old": lambda r: None, "new": new} | changes))


def idle_period(**changes):
    """Nothing happened: one idle reading, one RESIDUE entry after an opening registry."""

    def new(r, works):
        r.residue(0, epoch=0)

    def old(r):
        r.add(OPENING, 9, declared=BIG)

    return claim([[(0, [(IDLE, 0)])]], **({"peaks": [7], "coverages": [0], "old": old, "new": new} | changes))


S, T, U = 200, 201, 202
SMALL_PLAN = [
    (10, [(S, 0.5), (IDLE, 0)]),
    (11, [(S, 0.25), (UNATTRIBUTED, 0.25), (T, 0)]),
    (12, [(T, 0)]),
]


def small_old(r):
    """Tags 100 (OPENING), 101 and 102 (its children, base 100), 103 (EXTERNAL), and R = 55."""
    r.add(OPENING, 100, declared=10**6).residue(55).add(CHECKPOINT, 101, parent1=100, work=7)
    r.add(CHECKPOINT, 102, parent1=100, work=9).add(EXTERNAL, 103, declared=50)


def small_new(r, works):
    """RESIDUE and the entries that receive the readings of SMALL_PLAN."""
    r.residue(works.get(UNATTRIBUTED, 0), epoch=12)
    r.add(CHECKPOINT, S, parent1=101, work=works.get(S, 0), epoch=11)
    r.add(SNAPSHOT, T, parent1=S, work=works.get(T, 0), epoch=12)


def small(**changes):
    """One meter, peak 3, 1000 chip-seconds in each of three epochs."""
    settings = {"plans": [SMALL_PLAN], "peaks": [3], "coverages": [1000], "old": small_old, "new": small_new}
    return claim(**(settings | changes))


def sites(part, **changes):
    """One table of the rich claim cut into two sites: part 0 or 1, or 2, the registry's."""
    return cut(*rich(**changes), [[0], [1]])[part]


def idle_site():
    """A site whose summary has no record, and of a lab that did nothing, the registry's table."""
    return cut(*idle_period(), [[0]])


SHAPES = {
    "rich": rich,
    "rich_metered": lambda: rich(charge_peak=False),
    "rich_cap_plain": lambda: rich(charge_residue=False),
    "rich_freeze": lambda: rich(freeze_level=BIG - 1),
    "first_period": first_period,
    "idle_period": idle_period,
    "site": lambda: sites(0),
    "site_metered": lambda: sites(1, charge_peak=False),
    "registry": lambda: sites(2),
    "registry_freeze": lambda: sites(2, freeze_level=BIG - 1),
    "idle_site": lambda: idle_site()[0],
    "idle_registry": lambda: idle_site()[1],
}
