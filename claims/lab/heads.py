"""Heads of ledgers and registries: in plain integers where they are short, by the compiled sponge where they are long.

Both ways compute the same sponge (circuits/README.md section 2); a test compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from circuits.chain import Entry

__all__ = ["PLAIN_BLOCKS", "Chain", "ledger_heads", "registry_head"]

PLAIN_BLOCKS = 256
"""Chains up to this many blocks are hashed in plain integers, about a millisecond a block."""

Elements = tuple[int, ...]
ZERO: Elements = (0,) * 8


@dataclass(frozen=True)
class Chain:
    """A ledger to be hashed: blocks of 8 elements, and (epoch, tag, chip_seconds, work) of each reading in order, at least one."""

    iv: Elements = field(repr=False)
    header: Elements
    readings: Sequence[tuple[int, int, int, int]]
    trailer: Elements = field(repr=False)


def ledger_heads(chains: Sequence[Chain]) -> list[Elements]:
    """Heads of ledgers, hashed side by side."""
    if sum(len(one.readings) for one in chains) <= PLAIN_BLOCKS:
        from circuits.chain import ledger_head

        return [ledger_head(one.iv, one.header, one.readings, one.trailer) for one in chains]
    import numpy as np

    from circuits.witness import ClaimWitness, Headers, LedgerWitness, RegistryWitness, heads_of

    ledgers = []
    for one in chains:
        values = np.fromiter(chain.from_iterable(one.readings), dtype=np.int64, count=4 * len(one.readings)).reshape(-1, 4).T
        ledgers.append(LedgerWitness(one.iv, values[0], values[1], values[2], values[3], one.trailer))
    witness = ClaimWitness(tuple(ledgers), RegistryWitness(ZERO, (), (), ZERO, ZERO))
    return list(heads_of(witness, Headers(tuple(one.header for one in chains), ZERO)).meters)


def registry_head(iv: Elements, header: Elements, entries: Sequence[Entry], trailer: Elements) -> Elements:
    """Head of a registry with these entries, from the first one on."""
    if 5 * len(entries) <= PLAIN_BLOCKS:
        from circuits.chain import registry_head as plain

        return plain(iv, header, entries, trailer)
    import numpy as np

    from circuits.witness import ClaimWitness, Headers, LedgerWitness, RegistryWitness, heads_of

    nothing = np.zeros(1, dtype=np.int64)
    ledger = LedgerWitness(ZERO, nothing, nothing, nothing, nothing, ZERO)
    registry = RegistryWitness(iv, tuple(entries), (), trailer, ZERO)
    before = heads_of(ClaimWitness((ledger,), registry), Headers((ZERO,), header)).before
    assert before is not None, "a witness with a registry has its head"
    return before
