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
from numba.core import cgutils

from zk.kernels import simd as S
from zk.kernels._jit import THREADS, kernel, parallel_for
from zk.kernels._memory import U32, address, aligned, check, scratch, unmont
from zk.kernels.simd import load, load_long, load_word, splat, store


def _fractional_root_words(power: int, count: int) -> list[int]:
    """First 32 fractional bits of the power-th roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3)."""
    primes: list[int] = []
    candidate = 2
    while len(primes) < count:
        if all(candidate % q for q in primes):
            primes.append(candidate)
        candidate += 1
    words = []
    for prime in primes:
        scaled = prime << (32 * power)
        low, high = 0, 1 << 42
        while high - low > 1:  # integer root
            middle = (low + high) // 2
            low, high = (middle, high) if middle**power <= scaled else (low, middle)
        words.append(low & 0xFFFFFFFF)
    return words


_INITIAL = np.array(_fractional_root_words(2, 8), dtype=np.uint32)
_ROUND = np.array(_fractional_root_words(3, 64), dtype=np.uint32)


def _write_compress(b: Any, state: Any, message: Any, constants: Any) -> None:
    """One compression: state 8 x 16 words, message 16 x 16 words (overwritten), constants 64 words."""
    rot = S.ir_rotr

    def xor(*terms: Any) -> Any:
        total = terms[0]
        for term in terms[1:]:
            total = b.xor(total, term)
        return total

    def word(k: int) -> Any:
        return b.add(message, S.i64(64 * k))

    start = [S.ir_load(b, b.add(state, S.i64(64 * k)), 64) for k in range(8)]
    cells = [S.ir_variable(b, S.IRV16) for _ in range(8)]
    for cell, value in zip(cells, start, strict=True):
        b.store(value, cell)

    def sixteen_rounds(index: Any, schedule: bool) -> None:
        v = [b.load(cell) for cell in cells]
        base = b.add(constants, b.shl(index, S.i64(6)))
        w = [S.ir_load(b, word(k), 64) for k in range(16)]
        for k in range(16):
            a, bb, c, d, e, f, g, h = v
            s1 = xor(rot(b, e, 6), rot(b, e, 11), rot(b, e, 25))
            choice = b.xor(g, b.and_(e, b.xor(f, g)))
            t1 = b.add(b.add(b.add(h, s1), choice), b.add(w[k], S.ir_load_splat(b, b.add(base, S.i64(4 * k)))))
            s0 = xor(rot(b, a, 2), rot(b, a, 13), rot(b, a, 22))
            majority = b.or_(b.and_(a, bb), b.and_(c, b.or_(a, bb)))
            v = [b.add(t1, b.add(s0, majority)), a, bb, c, b.add(d, t1), e, f, g]
            if not schedule:
                continue
            # the word sixteen rounds later; words k+1.. are still of this group
            x, y = w[(k + 1) % 16], w[(k + 14) % 16]
            low = xor(rot(b, x, 7), rot(b, x, 18), b.lshr(x, S.c32(3)))
            high = xor(rot(b, y, 17), rot(b, y, 19), b.lshr(y, S.c32(10)))
            w[k] = b.add(b.add(w[k], low), b.add(w[(k + 9) % 16], high))
        for k in range(16 if schedule else 0):
            S.ir_store(b, word(k), w[k], 64)
        for cell, value in zip(cells, v, strict=True):
            b.store(value, cell)

    with cgutils.for_range(b, S.i64(3)) as loop:
        sixteen_rounds(loop.index, True)
    sixteen_rounds(S.i64(3), False)
    for k in range(8):
        S.ir_store(b, b.add(state, S.i64(64 * k)), b.add(start[k], b.load(cells[k])), 64)


_compress = S.ext_intrinsic(_write_compress, 3)


def _write_canonical(b: Any, src: Any, dst: Any) -> None:
    x = S.ir_load(b, src)
    S.ir_store(b, dst, S.ir_reduce(b, S.ir_even(b, x), S.ir_odd(b, x)), 64)


_canonical = S.ext_intrinsic(_write_canonical, 2)


def _write_pairs(b: Any, src: Any, left: Any, right: Any) -> None:
    x, y = S.ir_load(b, src), S.ir_load(b, b.add(src, S.i64(64)))
    S.ir_store(b, left, S.ir_shuffle(b, x, y, list(range(0, 32, 2))), 64)
    S.ir_store(b, right, S.ir_shuffle(b, x, y, list(range(1, 32, 2))), 64)


_pairs = S.ext_intrinsic(_write_pairs, 3)


@kernel
def _sha_batch(state, message, words, constants, initial):  # type: ignore[no-untyped-def]
    """Pads and hashes: `words` message words, already followed by room for the padding, at message; digest in state."""
    blocks = (words + 3 + 15) // 16
    store(message + words * 64, splat(0x80000000))
    for k in range(words + 1, blocks * 16 - 1):
        store(message + k * 64, splat(0))
    store(message + (blocks * 16 - 1) * 64, splat(words * 32))
    for k in range(8):
        store(state + k * 64, splat(load_word(initial + k * 4)))
    for k in range(blocks):
        _compress(state, message + k * 1024, constants)


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
            for q in range(batches):
                _compress(work + q * 512, messages + q * 1024, constants)
        for q in range(batches):
            for k in range(8):
                store(out + k * out_step + (first + q * 16) * 4, load(work + q * 512 + k * 64))


@kernel
def _parents(children, child_step, out, out_step, header, begin, end, work, constants, initial):  # type: ignore[no-untyped-def]
    """Parents begin..end (a multiple of 16 apart); children and out are eight rows of digest words."""
    state, message = work, work + 512
    for row in range(begin, end, 16):
        store(message, splat(header))
        for k in range(8):
            _pairs(children + k * child_step + row * 8, message + 64 + k * 64, message + 576 + k * 64)
        _sha_batch(state, message, 17, constants, initial)
        for k in range(8):
            store(out + k * out_step + row * 4, load(state + k * 64))


@kernel
def _grind(template, page, begin, end, bits, work, constants, initial):  # type: ignore[no-untyped-def]
    """Smallest nonce in page + [begin, end) with `bits` leading zeros, or -1. page: multiple of 2^16, end <= 2^16.

    template: the sixteen words of the padded message; the nonce's low 48 bits are words 9 and 10.
    """
    state, message = work, work + 512
    for base in range(begin, end, 16):
        for k in range(16):
            store(message + k * 64, splat(load_word(template + k * 4)))
        store(message + 576, splat((page >> 16) & 0xFFFFFFFF))
        for lane in range(16):
            S.store_word(message + 640 + lane * 4, ((base + lane) << 16) | 0x8000)
        for k in range(8):
            store(state + k * 64, splat(load_word(initial + k * 4)))
        _compress(state, message, constants)
        for lane in range(16):
            if load_word(state + lane * 4) >> (32 - bits) == 0:
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
            scratch("sha", thread, 128 + 32 * 16), address(_ROUND), address(_INITIAL),
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
                address(_ROUND), address(_INITIAL),
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
    `merkle_commit`.
    """

    def __init__(self, width: int, rows: int, cosets: int, tree_id: int, salts: U32 | None) -> None:
        if rows < 16 or rows & (rows - 1):
            raise ValueError("rows per coset must be a power of two, 16 or more")
        if salts is not None:
            check(salts, (4, cosets * rows), "salts")
        self._message = _message(tree_id, width, salts)
        self._rows, self._tree_id, self._salts = rows, tree_id, salts
        self._states = aligned(8 * cosets * rows).reshape(8, -1)
        ends = [16 * (k + 1) - (1 if salts is None else 5) for k in range(len(self._message))]
        starts = [0, *(end for end in ends if end < width)]
        self.groups = [range(start, min(end, width)) for start, end in zip(starts, ends, strict=False)]

    def absorb(self, columns: range, *parts: U32) -> None:
        """Hashes a group. parts: (len(columns), cosets, N + pad) matrices, which together hold all cosets, in order."""
        place = self.groups.index(columns)
        last = place + 1 == len(self.groups)
        message = self._message[place:] if last else self._message[place : place + 1]
        first = 0
        for part in parts:
            check(part, (len(columns), None, None), "part")
            offsets = (np.arange(columns.stop) - columns.start) * part.strides[0]
            cosets = range(first, first + part.shape[1])
            _absorb(message, place > 0, part, offsets, part.strides[1], self._rows, cosets, self._salts, self._states)
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
                    address(template), page << 16, rest, rest + chunk, bits, scratch("sha", thread, 128 + 256 + 16),
                    address(_ROUND), address(_INITIAL),
                )  # fmt: skip
                if nonce >= 0:
                    found.append(nonce)

        parallel_for(run, 16 * THREADS, 1)
        if found:
            return min(found)
        first += 16 * THREADS * chunk
    raise ValueError("no nonce below 2^48")
