"""Heads of long chains, hashed in bulk, are those of the plain sponge."""

from __future__ import annotations

import pytest

from circuits import chain
from circuits.chain import Entry
from claims.lab import heads

IV, HEADER, TRAILER = (1,) * 8, (2,) * 8, (3,) * 8


@pytest.mark.parametrize("count", [1, heads.PLAIN_BLOCKS, heads.PLAIN_BLOCKS + 1])
def test_a_ledgers_head_does_not_depend_on_its_length(count: int) -> None:
    readings = [(epoch, 1, 3600, 0) for epoch in range(count)]
    assert heads.ledger_head(IV, HEADER, readings, TRAILER) == chain.ledger_head(IV, HEADER, readings, TRAILER)


@pytest.mark.parametrize("count", [heads.PLAIN_BLOCKS // 5, heads.PLAIN_BLOCKS // 5 + 1])
def test_a_registrys_head_does_not_depend_on_its_length(count: int) -> None:
    entries = [Entry(3 + i, 1, 0, 0, 0, 0, 0, 5, 5, bytes(32)) for i in range(count)]
    assert heads.registry_head(IV, HEADER, entries, TRAILER) == chain.registry_head(IV, HEADER, entries, TRAILER)
