"""Commitments to the matrices of a proof: masks, low-degree extension, salts, Merkle tree, and the rows that are opened.

Memory: the extended matrices, 4 B N bytes a column, are most of a proof's. Of a large trace one coset alone is kept: the others are
hashed and dropped. The constraints are evaluated on two cosets in turn, so what is kept moves from the first to the second, and the
few rows of the others that are opened are computed again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zk.hiding import U32, leaf_salts, uniform_elements
from zk.kernels import hashing, ntt
from zk.kernels.quotient import COSETS, sample_size
from zk.kernels.rows import rows_again
from zk.options import Options

RESIDENT_BYTES = 5 << 30
"""Of a larger extension one coset is kept: a quarter of its memory at blow-up 4, for about a third more time."""


@dataclass
class Committed:
    """One committed matrix.

    matrix: its extension, (columns, B, N + pad), or on one coset alone.
    tails: coefficients from X^N on, (columns, t): with them, values on one coset determine the polynomials.
    sample: rows of coset COSETS and the rows after them, (columns, 2, S), where the quotient is evaluated beyond the first cosets.
    held: the number of the first coset that the matrix has.
    """

    matrix: U32
    tails: U32
    tree: hashing.Tree
    salts: U32
    sample: U32
    held: int = 0

    def on(self, coset: int) -> U32:
        """Values on one coset that is at hand, (columns, 1, N + pad)."""
        return self.matrix[:, coset - self.held : coset - self.held + 1]

    def keep(self, coset: int, log_rows: int, log_blowup: int) -> None:
        """From coset 0 to coset 1 where only one is kept, for good."""
        if coset != self.held and self.matrix.shape[1] == 1:
            ntt.next_coset(self.matrix, self.tails, log_rows, log_blowup)
            self.held = 1

    def rows(self, numbers: NDArray[np.int64], log_rows: int, log_blowup: int) -> U32:
        """Rows of the extension by leaf number, (numbers, columns)."""
        coset, row = numbers >> log_rows, numbers & ((1 << log_rows) - 1)
        rows = np.empty((len(numbers), len(self.matrix)), dtype=np.uint32)
        place = coset - self.held
        here = (place >= 0) & (place < self.matrix.shape[1])
        rows[here] = self.matrix[:, place[here], row[here]].T
        if not here.all():
            values = self.matrix[:, 0, : 1 << log_rows]
            rows[~here] = rows_again(values, self.held, self.tails, log_blowup, coset[~here], row[~here]).T
        return rows


class Committer:
    """Makes the commitments of one proof. sample_rows: S."""

    def __init__(self, options: Options, log_rows: int) -> None:
        self.options, self.log_rows, self.n = options, log_rows, 1 << log_rows
        self.sample_rows = sample_size(2 * options.chunk(log_rows) - 2 * self.n)

    def commit(self, trace: U32, tree_id: int) -> Committed:
        """Masks, extends and commits trace columns (C, N)."""
        o = self.options
        tails = uniform_elements((len(trace), o.mask_coefficients))
        if 4 * len(trace) * o.blowup * self.n <= RESIDENT_BYTES:
            matrix = ntt.alloc_lde(len(trace), o.blowup, self.n)
            ntt.masked_lde(trace, tails, o.log_blowup, matrix)
            return self._seal(matrix, tails, tree_id)
        matrix, salts = ntt.alloc_lde(len(trace), 1, self.n), self._salts()
        stream = hashing.LeafStream(len(trace), self.n, o.blowup, tree_id, salts)
        dropped = ntt.alloc_lde(max(map(len, stream.groups)), o.blowup - 1, self.n)
        samples = []
        for columns in stream.groups:
            some, rest = slice(columns.start, columns.stop), dropped[: len(columns)]
            ntt.masked_lde(trace[some], tails[some], o.log_blowup, matrix[some], rest)
            stream.absorb(columns, matrix[some], rest)
            samples.append(self._sample(rest[:, COSETS - 1]))
        return Committed(matrix, tails, stream.tree(), salts, np.concatenate(samples))

    def commit_coefficients(self, coefficients: U32, tree_id: int) -> Committed:
        """Extends and commits polynomials by their coefficients (C, N + t), which hide by themselves."""
        matrix = ntt.lde(coefficients, self.log_rows, self.options.log_blowup)
        return self._seal(matrix, coefficients[:, self.n :].copy(), tree_id)

    def _seal(self, matrix: U32, tails: U32, tree_id: int) -> Committed:
        """Salts and hashes an extended matrix."""
        salts = self._salts()
        tree = hashing.merkle_commit(matrix, self.n, tree_id, salts)
        return Committed(matrix, tails, tree, salts, self._sample(matrix[:, COSETS]))

    def _salts(self) -> U32:
        return leaf_salts(self.n << self.options.log_blowup, self.options.salt_bytes)

    def _sample(self, coset: U32) -> U32:
        """Every (N/S)-th row and the rows after them of (columns, N + pad) values on a coset."""
        step = self.n // self.sample_rows
        return np.stack([coset[:, k : self.n + k : step] for k in (0, 1)], axis=1)
