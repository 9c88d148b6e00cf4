"""Heads of ledgers and registries: in plain integers where they are short, by the compiled sponge where they are long.

Both ways compute the same sponge (circuits/README.md section 2); a test compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from circuits.chain import Entry

__all__ = ["PLAIN_BLOCKS", "ledger_head", "registry_head"]

PLAIN_BLOCKS = 256
"""Chains up to this many blocks are hashed in plain integers, about a millisecond a block."""

Elements = tuple[int, ...]
ZERO: Elements = (0,) * 8


def ledger_head(
    iv: Elements, header: Elements, readings: Sequence[tuple[int, int, int, int]], trailer: Elements
) -> Elements:
    """Head of a ledger. ``readings``: (epoch, tag, chip_seconds, work) in order, at least one."""
    if len(readings) <= PLAIN_BLOCKS:
        from circuits import chain

        return chain.ledger_head(iv, header, readings, trailer)
    import numpy as np

    from circuits.witness import ClaimWitness, Headers, LedgerWitness, RegistryWitness, heads_of

    columns = np.array(readings, dtype=np.int64).T
    ledger = LedgerWitness(iv, columns[0], columns[1], columns[2], columns[3], trailer)
    witness = ClaimWitness((ledger,), RegistryWitness(ZERO, (), (), ZERO, ZERO))
    return heads_of(witness, Headers((header,), ZERO)).meters[0]


def registry_head(iv: Elements, header: Elements, entries: Sequence[Entry], trailer: Elements) -> Elements:
    """Head of a registry with these entries, from the first one on."""
    if 5 * len(entries) <= PLAIN_BLOCKS:
        from circuits import chain

        return chain.registry_head(iv, header, entries, trailer)
    import numpy as np

    from circuits.witness import ClaimWitness, Headers, LedgerWitness, RegistryWitness, heads_of

    nothing = np.zeros(1, dtype=np.int64)
    ledger = LedgerWitness(ZERO, nothing, nothing, nothing, nothing, ZERO)
    registry = RegistryWitness(iv, tuple(entries), (), trailer, ZERO)
    before = heads_of(ClaimWitness((ledger,), registry), Headers((ZERO,), header)).before
    assert before is not None, "a witness with a registry has its head"
    return before
