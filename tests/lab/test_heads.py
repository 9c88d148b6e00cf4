"""Heads of long chains, hashed in bulk, are those of the plain sponge."""

from __future__ import annotations

import pytest

from circuits import chain
from circuits.chain import Entry
from claims.lab import heads

IV, HEADER, TRAILER = (1,) * 8, (2,) * 8, (3,) * 8


@pytest.mark.parametrize("counts", [[1], [heads.PLAIN_BLOCKS], [heads.PLAIN_BLOCKS + 1], [1, 300, 7]])
def test_a_ledgers_head_depends_neither_on_its_length_nor_on_its_neighbours(counts: list[int]) -> None:
    readings = [[(epoch, 1, 3600, count) for epoch in range(count)] for count in counts]
    chains = [heads.Chain((7 + k,) * 8, HEADER, own, TRAILER) for k, own in enumerate(readings)]
    assert heads.ledger_heads(chains) == [chain.ledger_head((7 + k,) * 8, HEADER, own, TRAILER) for k, own in enumerate(readings)]


@pytest.mark.parametrize("count", [heads.PLAIN_BLOCKS // 5, heads.PLAIN_BLOCKS // 5 + 1])
def test_a_registrys_head_does_not_depend_on_its_length(count: int) -> None:
    entries = [Entry(3 + i, 1, 0, 0, 0, 0, 0, 5, 5, bytes(32)) for i in range(count)]
    assert heads.registry_head(IV, HEADER, entries, TRAILER) == chain.registry_head(IV, HEADER, entries, TRAILER)
