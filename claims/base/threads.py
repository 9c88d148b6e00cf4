"""Many independent checks on all processors: what checks a signature lets other threads run meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_threads"]

T, R = TypeVar("T"), TypeVar("R")
_FEW = 256
"""Below that, threads are not worth it."""
_CHUNK = 128


def in_threads(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """``function`` of each item, in order; raises what the first that fails raises."""
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 32)
    if len(items) < _FEW or workers == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        try:
            for done in pool.map(lambda at: list(map(function, items[at : at + _CHUNK])), range(0, len(items), _CHUNK)):
                yield from done
        finally:
            pool.shutdown(cancel_futures=True)
