"""The sponge of ledgers and registries in plain integers: the reference for every head.

Standard library only, about a millisecond per block; circuits/witness.py has the fast path for whole ledgers.
README.md section 2 has the blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from circuits.statement import KIND_NAMES, RATE, RECORD_BITS, START, Elements, digest_limbs, limbs
from zk.errors import WitnessError
from zk.field import P
from zk.poseidon2 import permute

Block = tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """One entry of a checkpoint registry.

    Attributes:
        tag: 3..2^24 - 1, unique in the registry; 2 for RESIDUE.
        kind: 1..6, see circuits.statement.
        parent1, parent2: tags of earlier entries, or NONE = 0.
        base: tag of an ancestor, or NONE: parent1 or parent1's base.
        epoch: 24 bits.
        work: 64 bits, work received from readings; RESIDUE: the period's unattributed work.
        declared: 64 bits, OPENING and EXTERNAL only.
        cumulative: 64 bits; RESIDUE: R after the period.
        weights_digest: 32 bytes.
    """

    tag: int
    kind: int
    parent1: int
    parent2: int
    base: int
    epoch: int
    work: int
    declared: int
    cumulative: int
    weights_digest: bytes = bytes(32)

    @property
    def name(self) -> str:
        """Kind and tag, for messages."""
        return f"{KIND_NAMES.get(self.kind, f'kind {self.kind}')} {self.tag}"


class Sponge:
    """Poseidon2 in overwrite mode, rate 8, capacity 8, from the fixed constant START."""

    def __init__(self) -> None:
        self.capacity: Elements = START

    def absorb(self, block: Sequence[int]) -> Elements:
        """Absorbs one block of 8 elements; returns lanes 0..7 of the output."""
        out = self._permuted(block)
        self.capacity = tuple(out[RATE:])
        return tuple(out[:RATE])

    def squeeze(self, trailer: Sequence[int]) -> Elements:
        """Head after `trailer`, hashed on a copy: the state stays as it was."""
        return tuple(self._permuted(trailer)[:RATE])

    def _permuted(self, block: Sequence[int]) -> list[int]:
        if len(block) != RATE or any(not 0 <= lane < P for lane in block):
            raise WitnessError(f"a block is {RATE} integers in [0, p)")
        return permute([*block, *self.capacity])


def reading_block(epoch: int, tag: int, chip_seconds: int, work: int) -> Block:
    """Block of a reading: epoch, tag, chip-seconds (2 limbs), work (2 limbs), 0, 0.

    Raises:
        WitnessError: a value does not fit.
    """
    for what, value, bits in (("epoch", epoch, 24), ("tag", tag, 24), ("chip_seconds", chip_seconds, 48)):
        _fits(what, value, bits)
    _fits("work", work, 48)
    return (epoch, tag, *limbs(chip_seconds, 2), *limbs(work, 2), 0, 0)


def entry_blocks(entry: Entry) -> tuple[Block, ...]:
    """The five blocks E0..E4 of an entry.

    Raises:
        WitnessError: a value does not fit.
        StatementError: the weights digest is not 32 bytes long.
    """
    for what in ("tag", "parent1", "parent2", "base", "epoch"):
        _fits(f"{entry.name}: {what}", getattr(entry, what), 24)
    for what in ("work", "declared", "cumulative"):
        _fits(f"{entry.name}: {what}", getattr(entry, what), 64)
    d = digest_limbs(entry.weights_digest)
    return (
        (entry.tag, entry.kind, entry.parent1, entry.base, entry.epoch, *d[:3]),
        (entry.parent2, *d[3:10]),
        (*limbs(entry.work, 3), d[10], 0, 0, 0, 0),
        (*limbs(entry.declared, 3), 0, 0, 0, 0, 0),
        (*limbs(entry.cumulative, 3), 0, 0, 0, 0, 0),
    )


def ledger_head(
    iv: Sequence[int], header: Sequence[int], readings: Iterable[tuple[int, int, int, int]], trailer: Sequence[int]
) -> Elements:
    """Head of a ledger: the sponge over IV, header, readings and trailer.

    Args:
        iv, header, trailer: 8 elements each.
        readings: (epoch, tag, chip_seconds, work) in order.
    """
    return _head((iv, header, *(reading_block(*reading) for reading in readings)), trailer)


def record_block(tag: int, work: int) -> Block:
    """Block of a summary's record: 0, tag, 0, 0, work (24 + 24 + 8 bits), 0.

    Raises:
        WitnessError: a value does not fit.
    """
    _fits("tag", tag, 24)
    _fits("work", work, RECORD_BITS)
    return (0, tag, 0, 0, *limbs(work, 3), 0)


def summary_head(
    iv: Sequence[int], header: Sequence[int], records: Iterable[tuple[int, int]], trailer: Sequence[int]
) -> Elements:
    """Head of a summary: the sponge over IV, header, records and trailer.

    Args:
        iv, header, trailer: 8 elements each.
        records: (tag, work), tags ascending.
    """
    return _head((iv, header, *(record_block(*record) for record in records)), trailer)


def registry_sponge(iv: Sequence[int], header: Sequence[int], entries: Iterable[Entry]) -> Sponge:
    """The registry's sponge after these entries: `squeeze` gives heads, `absorb` goes on."""
    sponge = Sponge()
    for block in (iv, header, *(block for entry in entries for block in entry_blocks(entry))):
        sponge.absorb(block)
    return sponge


def registry_head(
    iv: Sequence[int], header: Sequence[int], entries: Iterable[Entry], trailer: Sequence[int]
) -> Elements:
    """Head of a registry with these entries, blinded by `trailer`."""
    return registry_sponge(iv, header, entries).squeeze(trailer)


def _head(blocks: Iterable[Sequence[int]], trailer: Sequence[int]) -> Elements:
    sponge = Sponge()
    for block in blocks:
        sponge.absorb(block)
    return sponge.squeeze(trailer)


def _fits(what: str, value: int, bits: int) -> None:
    if not 0 <= value < 1 << bits:
        raise WitnessError(f"{what}: {value} is not in [0, 2^{bits})")
