"""SHA-256 Merkle trees and grinding, sixteen messages at a time, one per vector lane.

    leaf = SHA-256(0x00 || tree_id u8 || width u16 || salt 16 bytes or none || width canonical words u32)
    node = SHA-256(0x01 || tree_id u8 || level u16 || left || right)

all big-endian; level 1 holds the parents of leaves. Headers and salts are whole 32-bit words, so every message is a list of
words. Lanes are neighbouring rows of a column-major matrix; words are converted from Montgomery form as they are loaded.

Reference: FIPS 180-4. Slow twin: tests/zk/kernels/test_hashing.py (hashlib).
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zk.kernels import simd as S
from zk.kernels._jit import THREADS, kernel, parallel_for
from zk.kernels._memory import U32, address, aligned, check, scratch, unmont
from zk.kernels.lanes import ext_intrinsic, load, load_long, load_word, splat, store, store_word
from zk.kernels.sha256 import INITIAL, ROUND, compress, compress2


def _write_canonical(b: Any, src: Any, dst: Any) -> None:
    """The words 512 bytes on, which come next of this column, are asked for."""
    S.ir_prefetch(b, b.add(src, S.i64(512)), write=False)
    S.ir_store(b, dst, S.ir_canonical(b, S.ir_load(b, src)), 64)


_canonical = ext_intrinsic(_write_canonical, 2)


def _write_pairs(b: Any, src: Any, left: Any, right: Any) -> None:
    x, y = S.ir_load(b, src), S.ir_load(b, b.add(src, S.i64(64)))
    S.ir_store(b, left, S.ir_shuffle(b, x, y, list(range(0, 32, 2))), 64)
    S.ir_store(b, right, S.ir_shuffle(b, x, y, list(range(1, 32, 2))), 64)


_pairs = ext_intrinsic(_write_pairs, 3)


@kernel
def _leaves(slots, blocks, data, salts, rows, out, out_step, resume, work, constants, initial):  # type: ignore[no-untyped-def]
    """Message blocks of the leaves of `rows` rows (a multiple of 16). out: 8 rows of words, the states; resume: they go on from these.

    slots: for each word of the blocks its kind and a value v: the constant v (0), the words at salts + v (1), or, in Montgomery form,
    the words at data + v (2), row by row. work: 8 states of 8 x 16 words, then 8 message blocks of 16 x 16 words. 128 rows advance
    together, one block at a time, so that a column is read 512 bytes in a row and everything else stays in the first-level cache.
    """
    messages = work + 8 * 512
    for first in range(0, rows, 128):
        batches = min(8, (rows - first) // 16)
        for q in range(batches):
            for k in range(8):
                place = work + q * 512 + k * 64
                if resume:
                    store(place, load(out + k * out_step + (first + q * 16) * 4))
                else:
                    store(place, splat(load_word(initial + k * 4)))
        for block in range(blocks):
            for slot in range(16):
                kind, value = load_long(slots + (block * 16 + slot) * 16), load_long(slots + (block * 16 + slot) * 16 + 8)
                place = messages + slot * 64
                if kind == 2:
                    column = data + value + first * 4
                    for q in range(batches):
                        _canonical(column + q * 64, place + q * 1024)
                elif kind == 1:
                    for q in range(batches):
                        store(place + q * 1024, load(salts + value + (first + q * 16) * 4))
                else:
                    for q in range(batches):
                        store(place + q * 1024, splat(value))
            for q in range(0, batches - 1, 2):
                compress2(work + q * 512, messages + q * 1024, constants)
            if batches & 1:
                compress(work + (batches - 1) * 512, messages + (batches - 1) * 1024, constants)
        for q in range(batches):
            for k in range(8):
                store(out + k * out_step + (first + q * 16) * 4, load(work + q * 512 + k * 64))


@kernel
def _parents(children, child_step, out, out_step, header, begin, end, work, constants, initial):  # type: ignore[no-untyped-def]
    """Parents begin..end (a multiple of 16 apart); children and out are eight rows of digest words."""
    state, message = work, work + 1024
    for row in range(begin, end, 32):
        batches = min(2, (end - row) // 16)
        for q in range(batches):
            block, rest = message + q * 1024, message + 2048 + q * 1024
            store(block, splat(header))
            for k in range(8):
                right = block + 576 + k * 64 if k < 7 else rest
                _pairs(children + k * child_step + (row + q * 16) * 8, block + 64 + k * 64, right)
            store(rest + 64, splat(0x80000000))
            for k in range(2, 15):
                store(rest + k * 64, splat(0))
            store(rest + 960, splat(17 * 32))
            for k in range(8):
                store(state + q * 512 + k * 64, splat(load_word(initial + k * 4)))
        for block in range(message, message + 4096, 2048):
            if batches == 2:
                compress2(state, block, constants)
            else:
                compress(state, block, constants)
        for q in range(batches):
            for k in range(8):
                store(out + k * out_step + (row + q * 16) * 4, load(state + q * 512 + k * 64))


@kernel
def _grind(template, page, begin, end, bits, work, constants, initial):  # type: ignore[no-untyped-def]
    """Smallest nonce in page + [begin, end) with `bits` leading zeros, or -1. page: multiple of 2^16, end <= 2^16.

    template: the sixteen words of the padded message; the nonce's low 48 bits are words 9 and 10.
    """
    state, message = work, work + 1024
    for base in range(begin, end, 32):
        for q in range(2):
            block = message + q * 1024
            for k in range(16):
                store(block + k * 64, splat(load_word(template + k * 4)))
            store(block + 576, splat((page >> 16) & 0xFFFFFFFF))
            for lane in range(16):
                store_word(block + 640 + lane * 4, ((base + q * 16 + lane) << 16) | 0x8000)
            for k in range(8):
                store(state + q * 512 + k * 64, splat(load_word(initial + k * 4)))
        compress2(state, message, constants)
        for lane in range(32):
            if load_word(state + (lane >> 4) * 512 + (lane & 15) * 4) >> (32 - bits) == 0:
                return page + base + lane
    return -1


@dataclass(frozen=True)
class Tree:
    """A Merkle tree with all its levels.

    levels[0] holds the leaves, levels[-1] the root; each is an (8, n) uint32 array of digest words, n halving.
    """

    levels: list[U32]

    @property
    def root(self) -> bytes:
        """The root, 32 bytes."""
        return self.node(len(self.levels) - 1, 0)

    def node(self, level: int, index: int) -> bytes:
        """Digest `index` of a level (0: leaves). Raises IndexError outside the tree."""
        if index < 0:
            raise IndexError("negative node index")
        return self.levels[level][:, index].astype(">u4").tobytes()

    def nodes(self, level: int, indices: Any) -> list[bytes]:
        """Several digests of one level."""
        packed = np.ascontiguousarray(self.levels[level][:, np.asarray(indices)].T).astype(">u4").tobytes()
        return [packed[k : k + 32] for k in range(0, len(packed), 32)]


def _tree(leaves: U32, tree_id: int) -> Tree:
    """All levels above (8, n) leaves, n a power of two."""
    levels = [leaves]
    while levels[-1].shape[1] > 1:
        below, level = levels[-1], len(levels)
        n = below.shape[1] // 2
        above = aligned(8 * n).reshape(8, n)
        header = 0x01 << 24 | tree_id << 16 | level
        if n < 16:
            prefix = header.to_bytes(4, "big")
            for k in range(n):
                pair = np.ascontiguousarray(below[:, 2 * k : 2 * k + 2].T).astype(">u4").tobytes()
                above[:, k] = np.frombuffer(hashlib.sha256(prefix + pair).digest(), dtype=">u4")
        else:
            _hash_parents(below, above, header)
        levels.append(above)
    return Tree(levels)


def _hash_parents(below: U32, above: U32, header: int) -> None:
    def run(begin: int, end: int, thread: int) -> None:
        _parents(
            address(below), below.strides[0], address(above), above.strides[0], header, begin, end,
            scratch("sha", thread, 2 * 128 + 4 * 256), address(ROUND), address(INITIAL),
        )  # fmt: skip

    n = above.shape[1]
    parallel_for(run, n, n if n <= 1024 else max(512, min(1 << 14, n // (4 * THREADS))))


_CONSTANT, _SALT, _COLUMN = range(3)


def _message(tree_id: int, width: int, salts: U32 | None) -> npt.NDArray[np.int64]:
    """Words of a padded leaf, (blocks, 16, 2): kind and value; of the kind _COLUMN the value is the number of the word."""
    if not 0 <= tree_id < 256 or not 0 < width < 2**16:
        raise ValueError("tree id and width are one and two bytes")
    words = [(_CONSTANT, tree_id << 16 | width)]
    if salts is not None:
        words += [(_SALT, k * salts.strides[0]) for k in range(4)]
    words += [(_COLUMN, k) for k in range(width)]
    bits = 32 * len(words)
    words.append((_CONSTANT, 0x80000000))
    words += [(_CONSTANT, 0)] * (-(len(words) + 2) % 16)
    words += [(_CONSTANT, 0), (_CONSTANT, bits)]  # 64 bits
    return np.array(words, dtype=np.int64).reshape(-1, 16, 2)


def _absorb(
    message: npt.NDArray[np.int64], resume: bool, data: U32, offsets: Any, coset_step: int, rows: int, cosets: range, salts: U32 | None,
    states: U32,
) -> None:  # fmt: skip
    """Runs message blocks of the leaves of some cosets. data: from the first of these cosets on; offsets: bytes from there to word k of
    row 0, by k; states: (8, leaves of all cosets)."""
    slots = message.copy()
    columns = slots[:, :, 0] == _COLUMN
    slots[columns, 1] = np.asarray(offsets, dtype=np.int64)[slots[columns, 1]]
    salt_place = 0 if salts is None else address(salts)
    grain = rows if rows <= 512 else min(4096, rows // 2)

    def run(begin: int, end: int, thread: int) -> None:
        for piece in range(begin, end):
            coset, row = divmod(piece * grain, rows)
            index = (cosets.start + coset) * rows + row
            _leaves(
                address(slots), len(slots), address(data) + coset * coset_step + 4 * row, salt_place + 4 * index, grain,
                address(states) + 4 * index, states.strides[0], int(resume), scratch("sha", thread, 8 * 128 + 8 * 256),
                address(ROUND), address(INITIAL),
            )  # fmt: skip

    parallel_for(run, len(cosets) * rows // grain, 1)


def _hash_leaves(data: U32, offsets: Any, rows: int, cosets: int, coset_step: int, tree_id: int, salts: U32 | None) -> U32:
    """(8, cosets * rows) leaf digests; `offsets` are the byte offsets of the words of row 0 of coset 0."""
    offsets = np.ascontiguousarray(offsets, dtype=np.int64)
    message = _message(tree_id, len(offsets), salts)
    out = aligned(8 * cosets * rows).reshape(8, -1)
    if salts is not None:
        check(salts, (4, cosets * rows), "salts")
    if rows < 16:
        _hash_few(data, offsets, rows, cosets, coset_step, tree_id << 16 | len(offsets), salts, out)
    else:
        _absorb(message, False, data, offsets, coset_step, rows, range(cosets), salts, out)
    return out


class LeafStream:
    """Leaves of a matrix of which no more than some columns are there at a time; what is hashed need not be kept.

    Give the columns `groups[0]`, `groups[1]`, ... to `absorb`, each group once and in this order; then `tree` has what
    `merkle_commit` would have made of the whole.

    Arguments of the constructor: width: number of columns C; rows: N, a power of two, at least 16; cosets: B; tree_id, salts: as for
    `merkle_commit`; blocks: how many blocks of each leaf's message a group fills.
    """

    def __init__(self, width: int, rows: int, cosets: int, tree_id: int, salts: U32 | None, blocks: int) -> None:
        if rows < 16 or rows & (rows - 1):
            raise ValueError("rows per coset must be a power of two, 16 or more")
        if salts is not None:
            check(salts, (4, cosets * rows), "salts")
        self._message, self._blocks = _message(tree_id, width, salts), blocks
        self._rows, self._tree_id, self._salts = rows, tree_id, salts
        self._states = aligned(8 * cosets * rows).reshape(8, -1)
        ends = [16 * k - (1 if salts is None else 5) for k in range(blocks, len(self._message) + blocks, blocks)]
        starts = [0, *(end for end in ends if end < width)]
        self.groups = [range(start, min(end, width)) for start, end in zip(starts, ends, strict=False)]

    def absorb(self, columns: range, *parts: U32) -> None:
        """Hashes a group. parts: (len(columns), cosets, N + pad) matrices, which together hold all cosets, in order."""
        group = self.groups.index(columns)
        last = group + 1 == len(self.groups)
        message = self._message[group * self._blocks : None if last else (group + 1) * self._blocks]
        first = 0
        for part in parts:
            check(part, (len(columns), None, None), "part")
            offsets = (np.arange(columns.stop) - columns.start) * part.strides[0]
            cosets = range(first, first + part.shape[1])
            _absorb(message, group > 0, part, offsets, part.strides[1], self._rows, cosets, self._salts, self._states)
            first = cosets.stop

    def tree(self) -> "Tree":
        """The tree over the leaves."""
        return _tree(self._states, self._tree_id)


def _hash_few(
    data: U32, offsets: Any, rows: int, cosets: int, coset_step: int, header: int, salts: U32 | None, out: U32
) -> None:
    """The same with hashlib, for fewer rows than lanes."""
    steps = [s // 4 for s in data.strides]
    prefix = header.to_bytes(4, "big")
    flat = np.lib.stride_tricks.as_strided(
        data, (1 + sum((n - 1) * s for n, s in zip(data.shape, steps, strict=True)),), (4,), writeable=False
    )
    for index in range(cosets * rows):
        coset, row = divmod(index, rows)
        words = flat[(offsets + coset * coset_step) // 4 + row]
        body = b"".join(unmont(int(w)).to_bytes(4, "big") for w in words)
        salt = b"" if salts is None else salts[:, index].astype(">u4").tobytes()
        out[:, index] = np.frombuffer(hashlib.sha256(prefix + salt + body).digest(), dtype=">u4")


def merkle_commit(matrix: U32, n_rows_per_coset: int, tree_id: int, salts: U32 | None) -> Tree:
    """Commit to the rows of a low-degree extension; leaf j N + i is row i of coset j.

    Arguments:
        matrix: (C, B, N + pad) uint32 Montgomery, 1 <= C < 2^16, rows contiguous.
        n_rows_per_coset: N, a power of two.
        tree_id: one byte.
        salts: (4, B N) uint32, salt of leaf k = words salts[:, k], big-endian; or None.
    """
    check(matrix, (None, None, None), "matrix")
    if n_rows_per_coset > matrix.shape[2] or n_rows_per_coset & (n_rows_per_coset - 1):
        raise ValueError("rows per coset must be a power of two within the matrix")
    offsets = np.arange(matrix.shape[0], dtype=np.int64) * matrix.strides[0]
    leaves = _hash_leaves(
        matrix, offsets, n_rows_per_coset, matrix.shape[1], matrix.strides[1], tree_id, salts
    )
    return _tree(leaves, tree_id)


def merkle_commit_fri(layer: U32, tree_id: int) -> Tree:
    """Commit to a FRI layer (5, B, n): leaf j n/8 + i holds the 8 extension values at rows i + t n/8 of coset j,
    t = 0..7, five coefficients each, without salt."""
    check(layer, (5, None, None), "layer")
    rows = layer.shape[2] // 8
    if rows < 1 or layer.shape[2] & (layer.shape[2] - 1):
        raise ValueError("a layer has 8 or more rows per coset, a power of two")
    offsets = [k * layer.strides[0] + 4 * t * rows for t in range(8) for k in range(5)]
    return _tree(_hash_leaves(layer, offsets, rows, layer.shape[1], layer.strides[1], tree_id, None), tree_id)


def grind(state: bytes, bits: int) -> int:
    """Smallest u64 nonce such that SHA-256("G" || state || u8 bits || u64 nonce) begins with `bits` zero bits.

    state: 32 bytes; 0 <= bits <= 32.
    """
    if len(state) != 32 or not 0 <= bits <= 32:
        raise ValueError("grinding takes 32 bytes of state and up to 32 bits")
    if bits == 0:
        return 0
    body = b"G" + state + bytes([bits]) + bytes(8) + b"\x80"
    padded = body.ljust(56, b"\0") + (8 * 42).to_bytes(8, "big")
    template = np.frombuffer(padded, dtype=">u4").astype(np.uint32)
    chunk = 1 << 14
    first = 0
    while first < 2**48:
        found: list[int] = []

        def run(begin: int, end: int, thread: int, first: int = first, found: list[int] = found) -> None:
            for piece in range(begin, end):
                if found and min(found) < first + piece * chunk:
                    return
                page, rest = divmod(first + piece * chunk, 1 << 16)
                nonce = _grind(
                    address(template), page << 16, rest, rest + chunk, bits, scratch("sha", thread, 2 * 128 + 2 * 256),
                    address(ROUND), address(INITIAL),
                )  # fmt: skip
                if nonce >= 0:
                    found.append(nonce)

        parallel_for(run, 16 * THREADS, 1)
        if found:
            return min(found)
        first += 16 * THREADS * chunk
    raise ValueError("no nonce below 2^48")
