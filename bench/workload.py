"""A claim that fills a table: several meters over a quarter of daily epochs, and a registry with branches and merges.

The records are made from a seed, so that two runs prove the same statement. That includes the blinding values, which in a
real claim are secret and fresh: nothing made here hides anything, and no lab should make its claims this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

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
    Elements,
    MeterTerms,
    RegistryTerms,
    Statement,
    ledger_header,
    registry_header,
)
from circuits.witness import ClaimWitness, Headers, LedgerWitness, RegistryWitness, heads_of, rows_needed
from zk.field import P

SEED = 20251
METERS = 16
FIRST_EPOCH = 730
EPOCHS = 91
EPOCH_SECONDS = 86_400
OLD_CHECKPOINTS = 24
NEW_CHECKPOINTS = 16
CHIPS = (1024, 2048, 4096, 8192)
PEAKS = (1979, 2500, 4500, 15000)
SHARE_IDLE, SHARE_UNATTRIBUTED = 0.10, 0.03
CAP = (1 << 63) - 1
_FIRST_NEW_TAG = FIRST_TAG + 10_000

I64 = npt.NDArray[np.int64]


def make_claim(log_rows: int, seed: int = SEED) -> tuple[Statement, ClaimWitness]:
    """An honest claim that takes every row of a table of 2^log_rows.

    Args:
        log_rows: 16..22.
        seed: of the records; the proof's own randomness is never seeded.

    Returns:
        Statement and witness, as `circuits.prove.prove_claim` takes them.

    Raises:
        StatementError: the height is not allowed.
    """
    rng = np.random.default_rng([seed, log_rows])
    old = _old_registry(rng)
    n_new = 2 + NEW_CHECKPOINTS + NEW_CHECKPOINTS // 8 + NEW_CHECKPOINTS // 4
    total = (1 << log_rows) - (4 + 5 * (len(old.entries) + n_new)) - 3 * METERS
    counts = [total // METERS + (m < total % METERS) for m in range(METERS)]
    ledgers = tuple(_ledger(rng, m, count) for m, count in enumerate(counts))
    n_old = len(old.entries)
    _new_entries(old, _work_per_tag(ledgers), rng)
    entries = tuple(old.entries)
    registry = RegistryWitness(_lanes(rng), entries[:n_old], entries[n_old:], _lanes(rng), _lanes(rng))
    witness = ClaimWitness(ledgers, registry)
    statement = _statement(log_rows, witness)
    statement.validate()
    if rows_needed(witness) != 1 << log_rows:
        raise ValueError(f"the workload takes {rows_needed(witness)} rows, not 2^{log_rows}")
    return statement, witness


def readings_of(witness: ClaimWitness) -> int:
    """Number of readings of all meters."""
    return sum(len(ledger) for ledger in witness.ledgers)


def coverage_of(meter: int) -> int:
    """Chip-seconds of one epoch of a meter."""
    return CHIPS[meter % len(CHIPS)] * EPOCH_SECONDS


def peak_of(meter: int) -> int:
    """Peak of a meter's chip class, 10^12 FLOP/s."""
    return PEAKS[meter // len(CHIPS) % len(PEAKS)]


def _lanes(rng: np.random.Generator) -> Elements:
    return tuple(int(x) for x in rng.integers(0, P, 8))


def _ledger(rng: np.random.Generator, meter: int, count: int) -> LedgerWitness:
    """`count` readings: every epoch at least one, chip-seconds of an epoch cut at random points."""
    epochs = np.sort(np.concatenate([np.arange(EPOCHS), rng.integers(0, EPOCHS, count - EPOCHS)]))
    coverage = coverage_of(meter)
    cuts = np.sort(epochs * coverage + rng.integers(0, coverage, count))  # sorting keeps every cut within its epoch
    first = np.append(True, np.diff(epochs) != 0)
    ends = np.append(cuts[1:], EPOCHS * coverage)
    ends[np.append(first[1:], True)] = (epochs[np.append(first[1:], True)] + 1) * coverage
    begins = np.where(first, epochs * coverage, cuts)
    seconds = ends - begins
    tags = rng.integers(_FIRST_NEW_TAG, _FIRST_NEW_TAG + NEW_CHECKPOINTS, count)
    draw = rng.random(count)
    tags[draw < SHARE_IDLE + SHARE_UNATTRIBUTED] = UNATTRIBUTED
    tags[draw < SHARE_IDLE] = IDLE
    work = np.where(tags == IDLE, 0, seconds * peak_of(meter))
    return LedgerWitness(_lanes(rng), epochs + FIRST_EPOCH, tags, seconds, work, _lanes(rng))


def _work_per_tag(ledgers: Sequence[LedgerWitness]) -> dict[int, int]:
    """Exact sums of work over all ledgers; int64 holds them, as every meter's total is below 2^53."""
    sums: dict[int, int] = {}
    for ledger in ledgers:
        names, place = np.unique(ledger.tags, return_inverse=True)
        totals: I64 = np.zeros(len(names), dtype=np.int64)
        np.add.at(totals, place, ledger.work)
        for tag, total in zip(names.tolist(), totals.tolist(), strict=True):
            sums[tag] = sums.get(tag, 0) + total
    sums.pop(IDLE, None)
    return sums


class _Registry:
    """Entries with the right cumulatives."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.entries: list[Entry] = []
        self.by_tag = {NONE: Entry(NONE, 0, NONE, NONE, NONE, 0, 0, 0, 0)}
        self.residue_total = 0

    def add(
        self, kind: int, tag: int, epoch: int, parents: tuple[int, int] = (NONE, NONE), work: int = 0, declared: int = 0
    ) -> None:
        p1, p2 = (self.by_tag[parent] for parent in parents)
        base = p1.base if kind == MERGE or p1.base else parents[0]
        shared = self.by_tag[base].cumulative if kind == MERGE and p1.base == p2.base else 0
        cumulative = work + declared + p1.cumulative + p2.cumulative - shared
        entry = Entry(tag, kind, *parents, base, epoch, work, declared, cumulative, self.rng.bytes(32))
        self.entries.append(entry)
        self.by_tag[tag] = entry

    def residue(self, epoch: int, work: int) -> None:
        self.residue_total += work
        self.entries.append(
            Entry(UNATTRIBUTED, RESIDUE, NONE, NONE, NONE, epoch, work, 0, self.residue_total, self.rng.bytes(32))
        )


def _old_registry(rng: np.random.Generator) -> _Registry:
    """Two opening entries, one earlier period of checkpoints in four branches, merges between neighbours."""
    registry = _Registry(rng)
    opening = (FIRST_TAG, FIRST_TAG + 1)
    for tag in opening:
        registry.add(OPENING, tag, 0, declared=5 * 10**14)
    registry.residue(FIRST_EPOCH - 1, 3 * 10**12)
    branches = [opening[i % 2] for i in range(4)]
    for i in range(OLD_CHECKPOINTS):
        tag = FIRST_TAG + 100 + i
        registry.add(CHECKPOINT, tag, FIRST_EPOCH - 90 + i, (branches[i % 4], NONE), work=10**12 * (i + 1))
        branches[i % 4] = tag
    for i in range(2):
        registry.add(MERGE, FIRST_TAG + 200 + i, FIRST_EPOCH - 1, (branches[i], branches[i + 2]))
    return registry


def _new_entries(registry: _Registry, works: dict[int, int], rng: np.random.Generator) -> None:
    """The period's entries: RESIDUE, an EXTERNAL, CHECKPOINTs and SNAPSHOTs on old and new parents, MERGEs."""
    last = FIRST_EPOCH + EPOCHS - 1
    parents = [FIRST_TAG + 200, FIRST_TAG + 201, FIRST_TAG + 100]
    registry.residue(last, works[UNATTRIBUTED])
    external = FIRST_TAG + 300
    registry.add(EXTERNAL, external, FIRST_EPOCH, declared=7 * 10**14)
    for i in range(NEW_CHECKPOINTS):
        tag = _FIRST_NEW_TAG + i
        kind = SNAPSHOT if i >= NEW_CHECKPOINTS - 3 else CHECKPOINT
        epoch = FIRST_EPOCH + i * (EPOCHS - 1) // NEW_CHECKPOINTS
        registry.add(kind, tag, epoch, (parents[i % 3], NONE), work=works[tag])
        parents[i % 3] = tag
    n_merges = NEW_CHECKPOINTS // 8 + NEW_CHECKPOINTS // 4
    for i in range(n_merges):
        other = external if i % 3 == 0 else _FIRST_NEW_TAG + int(rng.integers(0, NEW_CHECKPOINTS - 1))
        registry.add(MERGE, FIRST_TAG + 400 + i, last, (_FIRST_NEW_TAG + NEW_CHECKPOINTS - 1, other))


def _statement(log_rows: int, witness: ClaimWitness) -> Statement:
    zero = (0,) * 8
    digest = bytes(range(32))
    meters = tuple(
        MeterTerms(ledger_header(digest, "lab", f"meter {m}", 3), peak_of(m), coverage_of(m), zero) for m in range(METERS)
    )
    registry = registry_header("lab")
    heads = heads_of(witness, Headers(tuple(meter.header for meter in meters), registry))
    return Statement(
        log_rows=log_rows, first_epoch=FIRST_EPOCH, last_epoch=FIRST_EPOCH + EPOCHS - 1, total_cap=CAP,
        unattributed_cap=CAP, lineage_cap=CAP, freeze_level=None, charge_peak=True, charge_residue=True,
        meters=tuple(replace(m, head=h) for m, h in zip(meters, heads.meters, strict=True)),
        registry=RegistryTerms(registry, heads.before, heads.after),
    )  # fmt: skip
