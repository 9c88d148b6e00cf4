"""Array plumbing shared by the kernels: aligned scratch, addresses, validation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from zk.kernels import _jit
from zk.kernels._arena import ARENA
from zk.kernels.simd import P, R

U32 = npt.NDArray[np.uint32]

PAD = 272
"""Words added to every coset of a low-degree extension: power-of-two strides thrash caches, and cell N repeats cell 0."""

R_INVERSE = pow(R, -1, P)


def mont(value: int) -> int:
    """Montgomery form of one integer."""
    return value * R % P


def unmont(value: int) -> int:
    """Canonical form of one Montgomery word."""
    return value * R_INVERSE % P


def mont_array(values: Any) -> U32:
    """Montgomery form of non-negative integers below 2^32, by numpy; for small tables."""
    wide = np.asarray(values, dtype=np.uint64) % np.uint64(P)
    return np.ascontiguousarray(((wide << np.uint64(32)) % np.uint64(P)).astype(np.uint32))


def aligned(words: int) -> U32:
    """Uninitialised uint32 words that begin on a cache line."""
    return _on_a_line(ARENA.words(words + 16, False), words)


def aligned_zeros(words: int) -> U32:
    """The same, zero."""
    return _on_a_line(ARENA.words(words + 16, True), words)


def _on_a_line(raw: U32, words: int) -> U32:
    skip = (-raw.ctypes.data % 64) // 4
    return raw[skip : skip + words]


def addresses(rows: Sequence[U32]) -> npt.NDArray[np.int64]:
    """Addresses of the first words of contiguous rows, for a kernel. The caller keeps the rows alive."""
    return np.array([address(row) for row in rows], dtype=np.int64)


_scratch: dict[tuple[str, int], U32] = {}


def scratch(name: str, thread: int, words: int) -> int:
    """Address of at least `words` reusable words for one thread number of `parallel_for`."""
    key = (name, thread)
    held = _scratch.get(key)
    if held is None or held.size < words:
        # not of the arena: it outlives proofs, and would lie in the middle of the range that the next one needs
        held = _scratch[key] = _on_a_line(np.empty(words + 16, dtype=np.uint32), words)
    return int(held.ctypes.data)


def release() -> None:
    """Give all memory that no array uses back to the system, scratch memory included."""
    _scratch.clear()
    ARENA.release()


def check(array: Any, shape: tuple[int | None, ...], name: str) -> U32:
    """Validate dtype uint32, rank, lengths (None: any) and a contiguous last axis. Raises TypeError or ValueError."""
    if not isinstance(array, np.ndarray) or array.dtype != np.uint32:
        raise TypeError(f"{name}: expected a uint32 array")
    if array.ndim != len(shape) or any(want is not None and want != have for want, have in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    if array.shape[-1] > 1 and array.strides[-1] != 4:
        raise ValueError(f"{name}: the last axis must be contiguous")
    return array


def address(array: Any) -> int:
    """Address of the first word. The caller keeps the array alive."""
    return int(array.ctypes.data)


def log2(n: int, name: str) -> int:
    """Exact binary logarithm. Raises ValueError for anything but a power of two."""
    if n < 1 or n & (n - 1):
        raise ValueError(f"{name}: {n} is not a power of two")
    return n.bit_length() - 1


def root_of_unity(log_order: int) -> int:
    """w_k = 3^((p-1)/2^k), canonical."""
    if not 0 <= log_order <= 24:
        raise ValueError("the field has no such root of unity")
    return pow(3, (P - 1) >> log_order, P)


THREADS = _jit.THREADS
