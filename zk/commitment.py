"""Commitments to the matrices of a proof: masks, low-degree extension, salts, Merkle tree, and the rows that are opened.

Memory: the extended matrices, 4 B N bytes a column, are most of a proof's. Of a large trace two cosets are kept, or one: the others are
hashed and dropped, some columns at a time. The constraints are evaluated on two cosets in turn, so one that is kept moves from the first
to the second, and the few rows of the others that are opened are computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zk.hiding import U32, leaf_salts, uniform_elements
from zk.kernels import field, hashing, ntt
from zk.kernels._jit import parallel_for
from zk.kernels._memory import PAD
from zk.kernels.quotient import COSETS, sample_size
from zk.kernels.rows import rows_again
from zk.merkle import opening_nodes
from zk.options import Options
from zk.proof import ARITY, Opening, Openings, Shape, sent_part

KEPT_BYTES = 5 << 30
"""What the extensions of the traces may take before cosets are dropped: keeping two costs about a fifth more time, one a third."""

_BLOCKS = 2
"""Blocks of a leaf that are hashed at a time where cosets are dropped: 32 columns, whose dropped cosets have to be held."""


def alloc_trace(columns: int, log_rows: int) -> U32:
    """Memory of a trace, (columns, 2^log_rows) uint32, with anything in it: rows on cache lines, and not a power of two apart, which
    thrashes caches. It has room for the trace's extension on a coset, which `Committer.commit` puts in its place."""
    rows = 1 << log_rows
    return ntt.alloc_lde(columns, 1, rows)[:, 0, :rows]


def copied(rows: U32, chosen: Sequence[int]) -> U32:
    """A trace of some rows of a trace."""
    out = alloc_trace(len(chosen), rows.shape[1].bit_length() - 1)

    def run(begin: int, end: int, thread: int) -> None:
        for k in range(begin, end):
            out[k] = rows[chosen[k]]

    parallel_for(run, len(chosen), 1)
    return out


def _room(trace: U32) -> U32:
    """(columns, N + pad) memory, the first N words of each row being the trace: its own if from `alloc_trace`, else a copy's."""
    columns, width = len(trace), trace.shape[1] + PAD
    base = trace.base
    if isinstance(base, np.ndarray) and base.ndim == 1 and (base.strides, trace.strides) == ((4,), (4 * width, 4)):
        start = (trace.ctypes.data - base.ctypes.data) // 4
        if len(base) >= start + columns * width:
            return base[start : start + columns * width].reshape(columns, width)
    return _room(copied(trace, range(columns)))


@dataclass
class Committed:
    """One committed matrix.

    cosets: its extension on neighbouring cosets, (columns, N + pad) each.
    tails: coefficients from X^N on, (columns, t): with them, values on one coset determine the polynomials.
    sample: rows of coset COSETS and the rows after them, (columns, 2, S), where the quotient is evaluated beyond the first cosets.
    held: the number of the first coset that is at hand.
    """

    cosets: list[U32]
    tails: U32
    tree: hashing.Tree
    sample: U32
    held: int = 0

    def on(self, coset: int) -> U32:
        """Values on one coset that is at hand, (columns, 1, N + pad)."""
        return self.cosets[coset - self.held][:, None]

    def keep(self, coset: int, log_rows: int, log_blowup: int) -> None:
        """From coset 0 to coset 1 where only one is kept, for good."""
        if coset != self.held and len(self.cosets) == 1:
            ntt.next_coset(self.on(0), self.tails, log_rows, log_blowup)
            self.held = 1

    def rows(self, numbers: NDArray[np.int64], log_rows: int, log_blowup: int) -> U32:
        """Rows of the extension by leaf number, (numbers, columns)."""
        coset, row = numbers >> log_rows, numbers & ((1 << log_rows) - 1)
        rows = np.empty((len(numbers), len(self.tails)), dtype=np.uint32)
        missing = np.ones(len(numbers), dtype=np.bool_)
        for number, values in enumerate(self.cosets, self.held):
            here = coset == number
            rows[here] = values[:, row[here]].T
            missing &= ~here
        if missing.any():
            values = self.cosets[0][:, : 1 << log_rows]
            rows[missing] = rows_again(values, self.held, self.tails, log_blowup, coset[missing], row[missing]).T
        return rows


class Committer:
    """Makes the commitments of one proof.

    columns: of both traces together. salts: of the LDE's points, each for the leaves of all three trees. sample_rows: S.
    """

    def __init__(self, options: Options, log_rows: int, columns: int) -> None:
        self.options, self.log_rows, self.n = options, log_rows, 1 << log_rows
        self.salts = leaf_salts(self.n << options.log_blowup, options.salt_bytes)
        self.sample_rows = sample_size(2 * options.chunk(log_rows) - 2 * self.n)
        choices = (options.blowup, COSETS, 1)
        self.kept = next((k for k in choices if 4 * columns * k * self.n <= KEPT_BYTES), 1)

    def commit(self, trace: U32, tree_id: int) -> Committed:
        """Masks, extends and commits trace columns (C, N). Memory of `alloc_trace` becomes the first coset's; other is left alone."""
        o, n, room = self.options, self.n, _room(trace)
        tails = uniform_elements((len(room), o.mask_coefficients))
        further = ntt.alloc_lde(len(room), self.kept - 1, n)
        dropped = o.blowup - self.kept
        stream = hashing.LeafStream(len(room), n, o.blowup, tree_id, self.salts, _BLOCKS if dropped else len(room))
        rest = ntt.alloc_lde(max(map(len, stream.groups)), dropped, n)
        samples = []
        for columns in stream.groups:
            some = slice(columns.start, columns.stop)
            parts = room[some, None], further[some], rest[: len(columns)]
            ntt.masked_lde(room[some, :n], tails[some], o.log_blowup, *parts)
            stream.absorb(columns, *parts)
            samples.append(self._sample([part[:, j] for part in parts for j in range(part.shape[1])]))
        cosets = [room, *(further[:, j] for j in range(self.kept - 1))]
        return Committed(cosets, tails, stream.tree(), np.concatenate(samples))

    def commit_coefficients(self, coefficients: U32, tree_id: int) -> Committed:
        """Extends and commits polynomials by their coefficients (C, N + t), which hide by themselves."""
        matrix = ntt.lde(coefficients, self.log_rows, self.options.log_blowup)
        tree = hashing.merkle_commit(matrix, self.n, tree_id, self.salts)
        cosets = [matrix[:, j] for j in range(self.options.blowup)]
        return Committed(cosets, coefficients[:, self.n :].copy(), tree, self._sample(cosets))

    def _sample(self, cosets: Sequence[U32]) -> U32:
        """Every (N/S)-th row of coset COSETS and the rows after them, of (columns, N + pad) values on each coset."""
        step = self.n // self.sample_rows
        return np.stack([cosets[COSETS][:, k : self.n + k : step] for k in (0, 1)], axis=1)


def openings(
    shape: Shape, queries: Sequence[int], salts: U32, committed: Sequence[Committed], trees: Sequence[hashing.Tree], layers: Sequence[U32]
) -> Openings:
    """Salts, leaves and sibling hashes for the drawn indices.

    Args:
        shape, queries: as for `zk.proof.parse_openings`.
        salts: of all points, as `Committer` has them.
        committed: main, auxiliary, quotient.
        trees, layers: of FRI, layers (5, B, n).
    """
    numbers = sorted(set(queries))
    index = np.array(numbers)
    opened = []
    for item in committed:
        rows = _canonical(item.rows(index, shape.log_rows, shape.log_blowup))
        opened.append(Opening(rows, _siblings(item.tree, numbers)))
    for tree, layer, places in zip(trees, layers, shape.places(queries), strict=True):
        n = layer.shape[2] // ARITY
        leaves = np.array(list(places))
        columns = (leaves % n)[:, None] + n * np.arange(ARITY)
        rows = _canonical(layer[:, (leaves // n)[:, None], columns].transpose(1, 2, 0).reshape(len(leaves), -1))
        opened.append(Opening(tuple(map(sent_part, rows, places.values())), _siblings(tree, list(places))))
    shown = np.ascontiguousarray(salts[:, index].T).astype(">u4")
    return Openings(tuple(salt.tobytes() for salt in shown), tuple(opened))


def _canonical(rows: U32) -> tuple[bytes, ...]:
    """Montgomery rows as words."""
    return tuple(row.tobytes() for row in field.from_mont(np.ascontiguousarray(rows)).astype(">u4"))


def _siblings(tree: hashing.Tree, numbers: Sequence[int]) -> tuple[bytes, ...]:
    return tuple(tree.node(level, index) for level, index in opening_nodes(numbers, len(tree.levels) - 1))
