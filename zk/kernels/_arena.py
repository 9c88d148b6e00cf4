"""Memory of the prover's matrices: one range of addresses, whose pages stay the process's when an array dies.

A proof's matrices come and go, and pages that are given back to the system cost as much to get again as the arithmetic on them. So
they are cut, lowest free address first, from one private mapping as long as the machine's memory. The system gives a page when it is
first written to; nothing is asked of it in advance, and no huge pages, which some machines are slow to make.
Where the range grows past its end so far, free pages below are given back: a process holds little more than it held at its peak.

What was in an array stays in memory until the next one is written there, or `release`, as with any allocator.
"""

from __future__ import annotations

import mmap
import os
import threading
import weakref
from bisect import insort
from collections import deque

import numpy as np
import numpy.typing as npt

SMALLEST = 1 << 18
"""Bytes: smaller arrays are numpy's own."""
_ROUND = 1 << 12


def _machine_memory() -> int:
    """Bytes of memory that the machine has; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


class Arena:
    """See above. size: bytes of the range; a range that cannot be had is empty, and every array then numpy's own."""

    def __init__(self, size: int) -> None:
        self._lock = threading.Lock()
        self._dead: deque[tuple[int, int]] = deque()  # finalizers only append: they may run at any moment
        self._free: list[tuple[int, int]] = []  # (start, end), ascending, none beside another
        self._end = 0  # nothing beyond was ever given out
        self._map: mmap.mmap | None = None
        try:
            self._map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            self._free.append((0, size))
        except (OSError, ValueError, OverflowError):
            pass

    def words(self, count: int, zero: bool) -> npt.NDArray[np.uint32]:
        """`count` uint32 words on a page's boundary, zero or with anything in them. Raises MemoryError as numpy does."""
        length = -(-4 * count // _ROUND) * _ROUND
        with self._lock:
            self._collect()
            start = self._take(length) if self._map is not None and length >= SMALLEST else None
            used, self._end = self._end, max(self._end, 0 if start is None else start + length)
        if self._map is None or start is None:
            return np.zeros(count, dtype=np.uint32) if zero else np.empty(count, dtype=np.uint32)
        array = np.frombuffer(self._map, dtype=np.uint32, count=count, offset=start)
        weakref.finalize(array, self._dead.append, (start, start + length)).atexit = False
        if zero:
            array[: max(0, used - start) // 4] = 0
        return array

    def release(self) -> None:
        """Give all pages that no array uses back to the system."""
        with self._lock:
            self._collect()
            self._give_back(self._end)

    def _take(self, length: int) -> int | None:
        """First fit; None where nothing fits."""
        for place, (start, end) in enumerate(self._free):
            if end - start >= length:
                if start + length > self._end:
                    self._give_back(start + length - max(self._end, start))
                self._free[place : place + 1] = [(start + length, end)] if end - start > length else []
                return start
        return None

    def _collect(self) -> None:
        """Makes free what finalizers left, neighbours joined."""
        while self._dead:
            insort(self._free, self._dead.popleft())
        joined: list[tuple[int, int]] = []
        for start, end in self._free:
            if joined and joined[-1][1] == start:
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((start, end))
        self._free = joined

    def _give_back(self, wanted: int) -> None:
        """About `wanted` bytes of free pages that were used, from the longest gaps."""
        used = [(start, min(end, self._end)) for start, end in self._free if start < self._end]
        gaps = sorted(((end - start, start) for start, end in used), reverse=True)
        for length, start in gaps:
            if wanted > 0 and self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
                self._map.madvise(mmap.MADV_DONTNEED, start, min(length, -(-wanted // _ROUND) * _ROUND))
                wanted -= length


ARENA = Arena(_machine_memory())
