"""Commitments to the matrices of a proof: masks, low-degree extension, salts, Merkle tree, and the rows that are opened.

Memory: the extended matrices, 4 B N bytes a column, are most of a proof's. Of a large trace only the cosets that the constraints are
evaluated on are kept: the others are hashed and dropped, and the few rows of them that are opened are computed again. Fresh
pages cost as much as the arithmetic on them, so a trace that the caller gives away makes room for the smaller matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zk.hiding import U32, leaf_salts, masked_coefficients, uniform_elements
from zk.kernels import hashing, ntt
from zk.kernels._memory import PAD, address
from zk.kernels.quotient import COSETS, sample_size
from zk.kernels.rows import rows_again
from zk.options import Options

RESIDENT_BYTES = 5 << 30
"""A larger extension is kept on the first COSETS cosets only: half its memory at blow-up 4, for about a fifth more time."""


@dataclass
class Committed:
    """One committed matrix.

    matrix: its extension, (columns, B, N + pad), or on the first COSETS cosets alone.
    tails: coefficients from X^N on, (columns, t): with them, values on coset 0 determine the polynomials.
    sample: rows of coset COSETS and the rows after them, (columns, 2, S), where the quotient is evaluated beyond the first cosets.
    """

    matrix: U32
    tails: U32
    tree: hashing.Tree
    salts: U32
    sample: U32

    def rows(self, numbers: NDArray[np.int64], log_rows: int, log_blowup: int) -> U32:
        """Rows of the extension by leaf number, (numbers, columns)."""
        coset, row = numbers >> log_rows, numbers & ((1 << log_rows) - 1)
        rows = np.empty((len(numbers), len(self.matrix)), dtype=np.uint32)
        here = coset < self.matrix.shape[1]
        rows[here] = self.matrix[:, coset[here], row[here]].T
        if not here.all():
            first = self.matrix[:, 0, : 1 << log_rows]
            rows[~here] = rows_again(first, self.tails, log_blowup, coset[~here], row[~here]).T
        return rows


class Committer:
    """Makes the commitments of one proof. sample_rows: S."""

    def __init__(self, options: Options, log_rows: int) -> None:
        self.options, self.log_rows, self.n = options, log_rows, 1 << log_rows
        self.sample_rows = sample_size(2 * options.chunk(log_rows) - 2 * self.n)
        self._spare: U32 = np.empty(0, dtype=np.uint32)

    def reuse(self, trace: U32) -> None:
        """Takes over all memory from the trace's first word to its last."""
        words = (len(trace) - 1) * trace.strides[0] // 4 + self.n
        self._spare = np.lib.stride_tricks.as_strided(trace, (words,), (4,))

    def commit(self, trace: U32, tree_id: int) -> Committed:
        """Masks, extends and commits trace columns (C, N)."""
        o = self.options
        tails = uniform_elements((len(trace), o.mask_coefficients))
        kept = o.blowup if 4 * len(trace) * o.blowup * self.n <= RESIDENT_BYTES else COSETS
        matrix = self._room(len(trace), kept)
        if kept == o.blowup:
            ntt.masked_lde(trace, tails, o.log_blowup, masked_coefficients, matrix)
            return self._seal(matrix, tails, tree_id)
        salts = self._salts()
        stream = hashing.LeafStream(len(trace), self.n, o.blowup, tree_id, salts)
        dropped = ntt.alloc_lde(max(map(len, stream.groups)), o.blowup - COSETS, self.n)
        samples = []
        for columns in stream.groups:
            some, rest = slice(columns.start, columns.stop), dropped[: len(columns)]
            ntt.masked_lde(trace[some], tails[some], o.log_blowup, masked_coefficients, matrix[some], rest)
            stream.absorb(columns, matrix[some], rest)
            samples.append(self._sample(rest[:, 0]))
        return Committed(matrix, tails, stream.tree(), salts, np.concatenate(samples))

    def commit_coefficients(self, coefficients: U32, tree_id: int) -> Committed:
        """Extends and commits polynomials by their coefficients (C, N + t), which hide by themselves."""
        matrix = self._room(len(coefficients), self.options.blowup)
        ntt.lde(coefficients, self.log_rows, self.options.log_blowup, matrix)
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

    def _room(self, columns: int, cosets: int) -> U32:
        """Room for an extended matrix, in the trace's memory while that lasts."""
        shape = columns, cosets, self.n + PAD
        words, skip = columns * shape[1] * shape[2], -address(self._spare) % 64 // 4
        if skip + words > len(self._spare):
            return ntt.alloc_lde(columns, cosets, self.n)
        room, self._spare = self._spare[skip : skip + words], self._spare[skip + words :]
        return room.reshape(shape)
