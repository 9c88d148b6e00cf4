"""Columns of the ledgers' rows, by numpy. README.md section 3 has the columns; nothing is checked (circuits/table.py)."""

from __future__ import annotations

import numpy as np

from circuits.statement import IDLE, UNATTRIBUTED, Statement
from circuits.table import BYTE_WORDS, ONE, Bools, Table, byte_view
from circuits.witness import I64, LIMB_MASK, U8, U64, ClaimWitness, Layout, joined, spread, to_montgomery


def fill_ledgers(table: Table, statement: Statement, witness: ClaimWitness) -> None:
    """Kinds, chain numbers, coverage, work and keys of the ledger rows."""
    layout = table.layout
    for chain, (start, length, _) in enumerate(zip(layout.starts, layout.lengths, layout.readings, strict=False), 1):
        end, meter = start + length, statement.meters[chain - 1]
        table.column("iv")[start] = table.column("hd")[start + 1] = table.column("el")[end - 1] = ONE
        table.column("sorted_prev")[start + 1] = to_montgomery(np.array([UNATTRIBUTED]))[0]
        table.column("chain")[start:end] = to_montgomery(np.array([chain]))[0]
        for i in range(3):
            table.column("res", i)[start + 1 : end - 1] = BYTE_WORDS[meter.peak >> (8 * i) & 255]
        limbs = to_montgomery(np.array([meter.coverage & (1 << 24) - 1, meter.coverage >> 24]))
        for i in range(2):
            table.column("tot", i)[start + 1 : end - 1] = limbs[i]
    _readings(table, statement, witness)


def _readings(table: Table, statement: Statement, witness: ClaimWitness) -> None:
    layout = table.layout
    tags, seconds, work = (joined(witness, name) for name in ("tags", "chip_seconds", "work"))
    idle = tags == IDLE
    remaining, last, borrow = coverage_columns(statement, witness, layout)
    for name, flags in (("busy", ~idle), ("idle", idle), ("new", last), ("shared_base", borrow)):
        spread(layout, flags.astype(np.uint32) * ONE, table.column(name))
    spread(layout, to_montgomery(tags), table.column("key"))
    place = 0
    for values in (seconds, work, remaining):
        for digits in byte_view(values, 6):
            _spread_bytes(layout, digits, table.bytes[place])
            place += 1
    if statement.charge_peak:
        for i, carry in enumerate(product_carries(statement, seconds, layout)):
            carry = np.where(idle, 0, carry)
            _spread_bytes(layout, (carry & 255).astype(np.uint8), table.bytes[18 + i])
            for bit in range(2):
                name, at = (("val", 0), ("val", 1), ("val", 2), ("fbase", 0))[2 * i + bit]
                high = (carry >> (8 + bit) & 1).astype(np.uint32)
                spread(layout, high * ONE, table.column(name, at))


def _spread_bytes(layout: Layout, values: U8, out: U8) -> None:
    spread(layout, values, out)  # type: ignore[arg-type]


def coverage_columns(statement: Statement, witness: ClaimWitness, layout: Layout) -> tuple[U64, Bools, Bools]:
    """Of each reading: chip-seconds of its epoch still to come, whether it ends the epoch, and the borrow bit."""
    epochs, seconds = joined(witness, "epochs"), joined(witness, "chip_seconds")
    counts = np.array(layout.readings)
    coverage = np.repeat(np.array([m.coverage for m in statement.meters], dtype=np.uint64), counts)
    first = np.empty(len(epochs), dtype=np.bool_)
    first[1:] = epochs[1:] != epochs[:-1]
    first[np.cumsum(counts) - counts] = True
    covered = np.cumsum(seconds)
    starts = np.flatnonzero(first)
    lengths = np.diff(np.append(starts, len(epochs)))
    before = coverage - (covered - seconds) + np.repeat((covered - seconds)[starts], lengths)
    remaining = before - seconds
    last = np.append(first[1:], True)
    return remaining, last, (before & LIMB_MASK) < (seconds & LIMB_MASK)


def product_carries(statement: Statement, seconds: U64, layout: Layout) -> tuple[I64, I64]:
    """The two carries, base 2^16, of chip_seconds x peak for each reading."""
    a = byte_view(seconds, 4).astype(np.int64)
    peaks = byte_view(np.array([m.peak for m in statement.meters], dtype=np.uint64), 3).astype(np.int64)
    p0, p1, p2 = (peaks[0], peaks[1], peaks[2]) if len(layout.readings) == 1 else np.repeat(peaks, layout.readings, axis=1)
    low = a[0] * p0 + (a[0] * p1 + a[1] * p0) * 256
    middle = a[0] * p2 + a[1] * p1 + a[2] * p0 + (a[1] * p2 + a[2] * p1 + a[3] * p0) * 256
    carry = low >> 16
    return carry, (middle + carry) >> 16
