"""Roots of many small trees over salted leaves, sixteen trees at a time, one per vector lane.

    salt_i = HMAC-SHA256(seed, u32 i)
    leaf_i = SHA-256(0x00 || prefix || salt_i || 24 bytes)      node = SHA-256(0x01 || left || right)       (RFC 6962)

A tree has a seed of its own and a power of two of leaves, of which the first ones are given and all others have the tree's filler.
Words are big-endian; a leaf's message is 20 of them.

Reference: FIPS 180-4, RFC 2104. Slow twin: tests/zk/kernels/test_salted.py (hashlib, hmac).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from zk.kernels import simd as S
from zk.kernels._jit import kernel, parallel_for
from zk.kernels._memory import U32, address, check, log2, scratch
from zk.kernels.lanes import INT, V16, VOID, load, load_long, load_word, splat, store, store_word, vector_op
from zk.kernels.sha256 import INITIAL, ROUND, compress

PREFIX_BYTES, DATA_WORDS = 23, 6
_BATCH = 256
"""Trees that one thread takes at a time."""

_xor = vector_op(lambda b, x, y: b.xor(x, y), V16, V16, V16)


def _write_byte_later(b: Any, before: Any, word: Any, out: Any) -> None:
    """The word that begins with the last byte of `before`, in a message that lies one byte later than its words."""
    high, low = S.ir_load(b, before, 64), S.ir_load(b, word, 64)
    S.ir_store(b, out, b.or_(b.shl(high, S.c32(24)), b.lshr(low, S.c32(8))), 64)


_byte_later = vector_op(_write_byte_later, VOID, INT, INT, INT)


@kernel
def _step(state, message, constants):  # type: ignore[no-untyped-def]
    """One compression, compiled once. The message is overwritten."""
    compress(state, message, constants)


@kernel
def _copy(target, source, vectors):  # type: ignore[no-untyped-def]
    for k in range(vectors):
        store(target + k * 64, load(source + k * 64))


@kernel
def _start(state, initial):  # type: ignore[no-untyped-def]
    for k in range(8):
        store(state + k * 64, splat(load_word(initial + k * 4)))


@kernel
def _pad(message, words, bits):  # type: ignore[no-untyped-def]
    """The end of a message whose last block has `words` words already."""
    store(message + words * 64, splat(0x80000000))
    for k in range(words + 1, 15):
        store(message + k * 64, splat(0))
    store(message + 15 * 64, splat(bits))


@kernel
def _key(seeds, step, pad, message, state, constants, initial):  # type: ignore[no-untyped-def]
    """State after the block of a seed under an HMAC pad."""
    for k in range(8):
        store(message + k * 64, _xor(load(seeds + k * step), splat(pad)))
        store(message + (8 + k) * 64, splat(pad))
    _start(state, initial)
    _step(state, message, constants)


@kernel
def _node(left, right, state, message, constants, initial):  # type: ignore[no-untyped-def]
    """SHA-256(0x01 || left || right) in state; message holds 17 vectors, the first of which is the leading byte's."""
    words = message + 64
    store(message, splat(0x01))
    _byte_later(message, left, words)
    for k in range(1, 8):
        _byte_later(left + (k - 1) * 64, left + k * 64, words + k * 64)
    _byte_later(left + 7 * 64, right, words + 8 * 64)
    for k in range(1, 8):
        _byte_later(right + (k - 1) * 64, right + k * 64, words + (8 + k) * 64)
    store(message, load(right + 7 * 64))
    _start(state, initial)
    _step(state, words, constants)
    store(words + 64, splat(0x80000000))
    _byte_later(message, words + 64, words)
    for k in range(1, 15):
        store(words + k * 64, splat(0))
    store(words + 15 * 64, splat(520))
    _step(state, words, constants)


@kernel
def _gather(first, index, offsets, counts, words, word_step, filler, filler_step, out):  # type: ignore[no-untyped-def]
    """Words of leaf `index` of sixteen trees."""
    for lane in range(16):
        tree = first + lane
        given = index < load_long(counts + tree * 8)
        at = words + (load_long(offsets + tree * 8) + index) * 4 if given else filler + tree * 4
        step = word_step if given else filler_step
        for k in range(6):
            store_word(out + k * 64 + lane * 4, load_word(at + k * step))


@kernel
def _salted(  # type: ignore[no-untyped-def]
    begin, end, size, levels, seeds, seed_step, offsets, counts, words, word_step, filler, filler_step, prefix, out, out_step, work,
    constants, initial,
):  # fmt: skip
    """Roots of the trees begin..end, a multiple of 16 apart. work: 63 + 8 levels vectors."""
    inner, outer, state, message = work, work + 512, work + 1024, work + 1536
    block, data = message + 64, message + 17 * 64
    right, stack = data + 6 * 64, data + 14 * 64
    for first in range(begin, end, 16):
        _key(seeds + first * 4, seed_step, 0x36363636, block, inner, constants, initial)
        _key(seeds + first * 4, seed_step, 0x5C5C5C5C, block, outer, constants, initial)
        most = 0
        for lane in range(16):
            most = max(most, load_long(counts + (first + lane) * 8))
        for index in range(size):
            if index <= most:
                _gather(first, index, offsets, counts, words, word_step, filler, filler_step, data)
            _copy(state, inner, 8)
            store(block, splat(index))
            _pad(block, 1, 544)
            _step(state, block, constants)
            _copy(block, state, 8)
            _pad(block, 8, 768)
            _copy(state, outer, 8)
            _step(state, block, constants)
            for k in range(6):
                store(block + k * 64, splat(load_word(prefix + k * 4)))
            _copy(block + 6 * 64, state, 8)
            _copy(block + 14 * 64, data, 2)
            _start(state, initial)
            _step(state, block, constants)
            _copy(block, data + 2 * 64, 4)
            _pad(block, 4, 640)
            _step(state, block, constants)
            level, rest = 0, index
            while rest & 1:
                _copy(right, state, 8)
                _node(stack + level * 512, right, state, message, constants, initial)
                level, rest = level + 1, rest >> 1
            _copy(stack + level * 512, state, 8)
        for k in range(8):
            store(out + k * out_step + first * 4, load(stack + levels * 512 + k * 64))


def salted_roots(prefix: bytes, seeds: bytes, size: int, counts: Any, words: U32, filler: U32) -> list[bytes]:
    """Roots of n trees, 32 bytes each.

    Args:
        prefix: what every leaf's data begins with, 23 bytes.
        seeds: n x 32 bytes.
        size: leaves of each tree, a power of two.
        counts: (n,) integers, how many leaves of each tree are given, at most `size`.
        words: (6, sum of counts) words of the given leaves, tree by tree.
        filler: (6, n) words of each tree's other leaves.

    Raises:
        ValueError, TypeError: shapes that do not fit.
    """
    counts = np.ascontiguousarray(counts, dtype=np.int64)
    n = len(counts)
    if len(prefix) != PREFIX_BYTES or len(seeds) != 32 * n:
        raise ValueError("a prefix has 23 bytes, a seed 32")
    levels = log2(size, "leaves of a tree")
    if n == 0:
        return []
    check(words, (DATA_WORDS, int(counts.sum())), "words")
    check(filler, (DATA_WORDS, n), "filler")
    if counts.min() < 0 or counts.max() > size:
        raise ValueError("more leaves are given than a tree has")
    padded = -n % 16
    filler = np.ascontiguousarray(np.pad(filler, ((0, 0), (0, padded))))
    counts = np.pad(counts, (0, padded))
    offsets = np.cumsum(counts) - counts
    keys = np.zeros((8, n + padded), dtype=np.uint32)
    keys[:, :n] = np.frombuffer(seeds, dtype=">u4").reshape(n, 8).T
    heads = np.frombuffer(b"\0" + prefix, dtype=">u4").astype(np.uint32)
    roots = np.empty_like(keys)
    words = words if words.size else np.zeros((DATA_WORDS, 1), dtype=np.uint32)

    def run(begin: int, end: int, thread: int) -> None:
        _salted(
            begin, end, size, levels, address(keys), keys.strides[0], address(offsets), address(counts), address(words),
            words.strides[0], address(filler), filler.strides[0], address(heads), address(roots), roots.strides[0],
            scratch("salted", thread, 16 * (63 + 8 * levels)), address(ROUND), address(INITIAL),
        )  # fmt: skip

    parallel_for(run, n + padded, _BATCH)
    packed: npt.NDArray[np.uint8] = np.ascontiguousarray(roots[:, :n].T).astype(">u4").view(np.uint8).reshape(n, 32)
    return [row.tobytes() for row in packed]
