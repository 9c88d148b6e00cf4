"""False but otherwise consistent traces: hashes, heads and multiplicities are rebuilt after every change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from circuits.claim import claim_program, public_interactions, public_vector
from circuits.fill import PAIRS, fill_permutation, fill_trace_columns
from circuits.fill_ledgers import fill_ledgers
from circuits.fill_registry import fill_registry
from circuits.fill_summaries import fill_summaries
from circuits.gadgets import COLUMNS, KINDS
from circuits.statement import START
from circuits.table import Table
from circuits.witness import (
    Headers,
    blocks_of,
    from_montgomery,
    layout_of,
    sponge_inputs,
    to_montgomery,
)
from zk.check import Fractions, check_trace, evaluate
from zk.field import P
from zk.kernels.poseidon2 import fill_trace, sponge_chains


def unchecked_trace(statement, witness):
    """The canonical trace of any witness, true or false."""
    layout = layout_of(witness)
    inputs, _ = sponge_inputs(blocks_of(witness, layout, Headers.of(statement)), layout)
    trace, end = fill_trace_columns(statement, witness, layout, lambda: inputs), layout.used + 1
    table = [COLUMNS.index(name) for name in ("t_lo", "t_hi", "t_mult")]
    trace[table] = from_montgomery(trace[table])
    others = np.setdiff1d(np.arange(len(trace)), table)
    trace[others, :end] = from_montgomery(trace[others, :end])
    for column in others[trace[others, layout.used] != 0]:  # rows of padding differ in the byte table alone
        trace[column, end:] = trace[column, layout.used]
    return trace, layout


def fails(statement, witness):
    """Names of what fails in the canonical trace of any witness, as :func:`failing` has it; only as many rows are made as are used."""
    layout = layout_of(witness)
    inputs, _ = sponge_inputs(blocks_of(witness, layout, Headers.of(statement)), layout)
    used, log_rows = layout.used, (layout.used + 8).bit_length()
    table = Table(replace(statement, log_rows=log_rows), layout)
    fill_ledgers(table, statement, witness) if witness.ledgers else None
    fill_summaries(table, statement, witness)
    fill_registry(table, statement, witness, witness.registry) if witness.registry is not None else None
    fill_permutation(table, inputs)
    trace = from_montgomery(table.words)
    trace[COLUMNS.index("byte") :][: len(table.bytes), :used] = table.bytes  # whatever they are, the table has them
    pairs = np.append(np.arange((1 << log_rows) - 2), [PAIRS - 1, PAIRS - 1])
    trace[COLUMNS.index("t_lo")], trace[COLUMNS.index("t_hi")] = pairs & 255, pairs >> 8
    return _failing(statement, trace, used)


class Forge:
    """A trace to be changed: `forge["byte", 3, row] = 7`."""

    def __init__(self, statement, witness):
        self.statement = statement
        self.trace, self.layout = unchecked_trace(statement, witness)

    def __getitem__(self, key):
        name, i, row = key
        return int(self.trace[COLUMNS.index(name, i), row])

    def __setitem__(self, key, value):
        name, i, row = key
        self.trace[COLUMNS.index(name, i), row] = value % P

    def put_bytes(self, first, row, value, count):
        for i, byte in enumerate(value.to_bytes(count, "little")):
            self["byte", first + i, row] = byte

    def rows(self, kind):
        return np.flatnonzero(self.trace[COLUMNS.index(kind)]).tolist()

    def entry(self, tag, position=0):
        """Row E0 of the entry with this tag (the `position`-th of them)."""
        return [row for row in self.rows("e0") if self["in", 0, row] == tag][position]

    def rehash(self, capacity=START):
        """Recomputes every permutation from the blocks and the kinds of rows; the first chain starts at `capacity`."""
        used = max(row for kind in KINDS for row in self.rows(kind)) + 1
        kinds = sum(self.trace[COLUMNS.index(kind), :used].astype(int) for kind in KINDS)
        starts = np.array(self.rows("iv"))
        ends = np.append(starts[1:], used)
        branch = sum(self.trace[COLUMNS.index(kind), :used] for kind in ("mi", "side")).astype(np.uint8)
        first = np.repeat(to_montgomery(np.array(START)).reshape(8, 1), len(starts), axis=1)
        first[:, 0] = to_montgomery(np.array(capacity))
        blocks = to_montgomery(self.trace[:8, :used])
        inputs, _ = sponge_chains(blocks, starts, ends - starts, first, branch)
        inputs[8:, kinds == 0] = 0
        self.trace[:180, :used] = from_montgomery(fill_trace(inputs))
        return self

    def reseal(self):
        """Puts the trace's own heads into the statement."""
        heads = {}
        for kind in ("el", "mi", "er", "es", "eg"):
            for row in self.rows(kind):
                heads[kind, self["chain", 0, row]] = tuple(self["full_b", 48 + i, row] for i in range(8))
        meters = tuple(
            replace(m, head=heads.get(("el", i), m.head)) for i, m in enumerate(self.statement.meters, 1)
        )
        end = "eg" if self.statement.registry is None else "es"
        summaries = tuple(
            replace(s, head=heads.get((end, i), s.head))
            for i, s in enumerate(self.statement.summaries, len(self.statement.meters) + 1)
        )
        registry = self.statement.registry
        if registry is not None:
            before, after = heads.get(("mi", 0), registry.before), heads.get(("er", 0), registry.after)
            registry = replace(registry, before=before, after=after)
        self.statement = replace(self.statement, meters=meters, summaries=summaries, registry=registry)
        return self

    def recount(self):
        """Byte multiplicities of what the byte columns hold now."""
        first = COLUMNS.index("byte")
        cells = self.trace[first : first + 20].astype(np.int64)
        lo, hi = cells[0::2], cells[1::2]
        fits = (lo < 256) & (hi < 256)
        counts = np.bincount((lo + 256 * hi)[fits], minlength=1 << 16)
        self.trace[COLUMNS.index("t_mult"), : 1 << 16] = counts
        return self

    def failures(self, rebuild=True):
        """Names of what fails."""
        if rebuild:
            self.recount()
        return failing(self.statement, self.trace, self.layout.used)


BYTE_BUS = [i for i, name in enumerate(claim_program().interaction_names) if name.startswith("byte")]


def bytes_balance(trace):
    """Whether the byte table provides each pair exactly as often as the byte columns look it up."""
    first = COLUMNS.index("byte")
    cells, table = trace[first : first + 20], trace[[COLUMNS.index(name) for name in ("t_lo", "t_hi")]]
    if cells.max() > 255 or table.max() > 255:
        return False
    looked_up = np.zeros(1 << 16, dtype=np.int64)
    for lo, hi in zip(cells[0::2], cells[1::2], strict=True):
        looked_up += np.bincount(lo.astype(np.int64) + 256 * hi, minlength=1 << 16)
    weights = trace[COLUMNS.index("t_mult")].astype(np.float64)
    return np.array_equal(looked_up, np.bincount(table[0].astype(np.int64) + 256 * table[1], weights=weights, minlength=1 << 16))


def failing(statement, trace, used):
    """Names of the constraints and interactions that fail; padding is looked at near its ends only.

    Where the byte bus balances and nothing but padding is far from the chains, the other buses are compared on the chains' rows
    alone: zk/check.py's whole comparison says the same, and takes fifteen times as long.
    """
    n, rows = trace.shape[1], np.arange(-2, used + 3)
    far = trace[[COLUMNS.index(kind) for kind in KINDS], used + 3 : n - 2]
    if far.any() or not bytes_balance(trace):
        program, publics, terms = claim_program(), public_vector(statement), public_interactions(statement)
        return {failure.constraint for failure in check_trace(program, publics, trace, terms, rows.tolist())}
    return _failing(statement, trace, used)


def _failing(statement, trace, used):
    """Where the byte bus balances and nothing but padding is far from the chains."""
    program, publics, terms = claim_program(), public_vector(statement), public_interactions(statement)
    n = trace.shape[1]
    at = np.arange(-2, used + 3) % n
    selectors = np.stack([at == 0, at == n - 1, at != n - 1]).astype(np.uint64)
    here, there = (trace[:, k].astype(np.uint64) for k in (at, (at + 1) % n))
    values = evaluate(program, publics, here, there, selectors)
    fractions = Fractions(program)
    for i in BYTE_BUS:
        values.numerators[i][:] = 0
    fractions.add(values, at)
    fractions.add_public(terms)
    named = {program.constraint_names[k] for k in np.flatnonzero(values.constraints.any(axis=1))}
    return named | {failure.constraint for failure in fractions.unbalanced()}
