"""Epochs of many meters sealed together: one look at the store, one call of the hash, one transaction of the caller's.

    usage of each meter --cover--> readings --fresh seeds--> roots --each meter's key--> seals, into the store

A few epochs are covered and hashed in plain Python, which is what a small lab's hourly command does; many as columns.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from claims.agreement.model import Agreement
from claims.agreement.signatures import epoch_root_messages
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError
from claims.claim.commitments import SEED_BYTES, epoch_root
from claims.claim.records import EpochSeal, Reading
from claims.lab.closing import check_order
from claims.lab.coverage import cover, peak_of
from claims.lab.lineage import unfinished
from claims.lab.registry import check_allotted, check_receivers
from claims.lab.store import Store

__all__ = ["BLOCK", "Due", "seal_epochs"]

PLAIN = 64
"""Up to so many epochs, over all meters, are covered and hashed in plain Python: tens of milliseconds."""
BLOCK = 1 << 15
"""Epochs, over all meters, that callers with many take at a time: what bounds memory."""


@dataclass(frozen=True)
class Due:
    """Epochs of one period that a meter is to seal, in order. ``sign``: by its key."""

    meter: Meter
    epochs: range
    sign: Callable[[bytes], bytes]


def seal_epochs(store: Store, agreement: Agreement, period: int, due: Sequence[Due]) -> None:
    """Cover, commit to and sign epochs, and store all of it; the caller has the transaction.

    Raises:
        CoverageError: as in :func:`claims.lab.coverage.cover`.
        NotOver, ClaimsError: an epoch is not over or not next, or work toward a checkpoint goes on that the period before
            left without an entry.
        CommitmentError: an epoch has more readings than the agreement commits to.
    """
    for item in due:
        check_order(store, agreement, item.meter.name, item.epochs)
    _check_work(store, period, due)
    seeds = [_fresh_seeds(len(item.epochs)) for item in due]
    commit = _plain if sum(len(item.epochs) for item in due) <= PLAIN else _as_columns
    by_size: dict[int, list[int]] = {}
    for place, item in enumerate(due):
        by_size.setdefault(agreement.readings(item.meter), []).append(place)
    made: dict[int, tuple[list[Row], list[bytes]]] = {}
    for size, places in by_size.items():
        rows, roots = commit(store, agreement, period, [due[place] for place in places], [seeds[place] for place in places], size)
        made |= zip(places, zip(rows, roots, strict=True), strict=True)
    digest = agreement.digest
    for place, (item, own_seeds) in enumerate(zip(due, seeds, strict=True)):
        own_rows, roots = made[place]
        messages = epoch_root_messages(digest, item.meter.lab, item.meter.name, zip(item.epochs, roots, strict=True))
        together = zip(item.epochs, own_seeds, roots, map(item.sign, messages), strict=True)
        store.seal_epoch(period, item.meter.name, [EpochSeal(*values, digest) for values in together], own_rows)


def _fresh_seeds(count: int) -> list[bytes]:
    drawn = secrets.token_bytes(SEED_BYTES * count)
    return [drawn[at : at + SEED_BYTES] for at in range(0, len(drawn), SEED_BYTES)]


def _check_work(store: Store, period: int, due: Sequence[Due]) -> None:
    """Refuse work that its checkpoint cannot receive, or that the period before left without an entry."""
    last: dict[int, int] = {}
    open_names = unfinished(store, period - 1)
    for item in due:
        own = store.last_busy(period, item.meter.name, item.epochs)
        continued = [name for name in open_names if store.find_tag(name) in own]
        if continued:
            raise ClaimsError(
                f"meter {item.meter.name}: work toward {continued[0]} goes on, and period {period - 1} left it without an entry",
                "close it first: standstill lab snapshot",
            )
        for tag, epoch in own.items():
            last[tag] = max(epoch, last.get(tag, epoch))
    check_receivers(store, last)
    check_allotted(store, period, last)


Row = tuple[int, int, int, int]
Made = tuple[list[list[Row]], list[list[bytes]]]
"""Rows and roots of each meter."""


def _plain(store: Store, agreement: Agreement, period: int, due: Sequence[Due], seeds: list[list[bytes]], size: int) -> Made:
    rows, roots = [], []
    for item, own in zip(due, seeds, strict=True):
        coverage = agreement.coverage(item.meter)
        groups = groupby(_covered(store, agreement, period, item), lambda reading: reading.epoch)
        readings = [list(group) for _, group in groups]
        together = zip(readings, item.epochs, own, strict=True)
        roots.append([epoch_root(group, epoch, coverage, seed, size) for group, epoch, seed in together])
        rows.append([(r.epoch, r.tag, r.chip_seconds, r.work) for group in readings for r in group])
    return rows, roots


def _covered(store: Store, agreement: Agreement, period: int, item: Due) -> list[Reading]:
    usage = store.usage(period, item.meter.name, item.epochs)
    return cover(usage, item.meter, agreement, period, item.epochs)


def _as_columns(store: Store, agreement: Agreement, period: int, due: Sequence[Due], seeds: list[list[bytes]], size: int) -> Made:
    from claims.lab import columns

    slots = [columns.Slots(item.epochs, agreement.coverage(item.meter), peak_of(agreement, item.meter, period)) for item in due]
    usage = [store.busy_rows(period, item.meter.name, item.epochs) for item in due]
    found = columns.cover(usage, slots)
    if found is None:
        covered = [_covered(store, agreement, period, item) for item in due]
        found = columns.of_rows([[(r.epoch, r.tag, r.chip_seconds, r.work) for r in own] for own in covered], slots)
    if found.counts.max() > size:
        return _plain(store, agreement, period, due, seeds, size)  # which names the epoch
    roots = columns.commit(found, b"".join(seed for own in seeds for seed in own), size)
    by_meter, rows, at = [], [], 0
    for item in due:
        end = at + len(item.epochs)
        by_meter.append(roots[at:end])
        rows.append(found.rows(at, end))
        at = end
    return rows, by_meter
