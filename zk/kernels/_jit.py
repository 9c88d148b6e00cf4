"""The only compiler entry of the prover: decorator and thread pool.

Kernels are serial functions that release the interpreter lock and take only 64-bit integers (addresses, sizes, steps);
`parallel_for` runs one over index ranges on a small pool of threads. No OpenMP runtime is loaded, so nothing pins
Python's own threads, and a kernel needs no parallel-loop compilation.

The compiled code is kept on disk (_objects.py), and numba is imported only where a kernel is not there yet.

Environment: STANDSTILL_THREADS (pool size).
"""

import hashlib
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, update_wrapper
from pathlib import Path
from types import FunctionType
from typing import Any

from zk.kernels import _objects

_EXPECTED_COMPILE_SECONDS = 13

_compile_lock = threading.RLock()
_seconds, _announced = 0.0, False


def jit_seconds() -> float:
    """Seconds that this process has spent compiling kernels so far, the import of numba included."""
    return _seconds


class Late:
    """Something of numba's that kernels refer to by name, made when the first of them is compiled.

    make: called once at most.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @cached_property
    def made(self) -> Any:
        """What numba takes in its place."""
        return self._make()


class Kernel(Late):
    """A compiled function of 64-bit integers. Its result is a 64-bit integer, 0 where it has none; kernels may call each other.

    Raises RuntimeError where the compiled code raises something.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(self._dispatcher)
        update_wrapper(self, function)
        self._function: Any = function
        self._entry: Callable[..., int] | None = None

    def __call__(self, *values: Any) -> int:
        """The result. values: integers, or what has an index."""
        return (self._entry or self._link())(*values)

    def _dispatcher(self) -> Any:
        import numba

        code, outer = self._function.__code__, self._function.__globals__
        names = {name: outer[name] for name in code.co_names if name in outer}
        names = {name: value.made if isinstance(value, Late) else value for name, value in names.items()}
        options: Any = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": True}
        return numba.njit(**options)(FunctionType(code, names, code.co_name))

    def _link(self) -> Callable[..., int]:
        """The compiled function: found, or else compiled and kept."""
        code = self._function.__code__
        source = hashlib.sha256(Path(code.co_filename).read_bytes()).hexdigest()[:16]  # the folder's name has this package's sources alone
        name = f"{self.__module__}.{code.co_name}.{source}"
        with _compile_lock:
            self._entry = self._entry or _objects.find(name, code.co_argcount) or self._compiled(name, code.co_argcount)
        return self._entry

    def _compiled(self, name: str, count: int) -> Callable[..., int]:
        global _seconds, _announced
        began = time.perf_counter()
        if not _announced and _objects.is_empty():
            print(f"compiling kernels (first run only, about {_EXPECTED_COMPILE_SECONDS} s)", file=sys.stderr)
        _announced = True
        from numba import int64

        kind = (int64,) * count
        self.made.compile(kind)
        found = self.made.overloads[kind]
        _seconds += time.perf_counter() - began
        return _objects.keep(name, count, found.fndesc.llvm_func_name, found.library.serialize_using_object_code()[2][0])


def kernel(function: Callable[..., Any]) -> Any:
    """Compile on first use, kept on disk, without the interpreter lock. Arguments and results are 64-bit integers."""
    return Kernel(function)


def _thread_count() -> int:
    configured = os.environ.get("STANDSTILL_THREADS", "")
    if configured.isdigit() and int(configured) > 0:
        return int(configured)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


THREADS = _thread_count()
"""Number of threads that run kernels, the calling one included."""

_pool: ThreadPoolExecutor | None = None
_pool_lock = threading.Lock()
_call_lock = threading.Lock()


def _forget_pool() -> None:
    """After a fork: the pool's threads are the parent's, and so is whoever held a lock."""
    global _pool, _pool_lock, _call_lock, _compile_lock
    _pool, _pool_lock, _call_lock, _compile_lock = None, threading.Lock(), threading.Lock(), threading.RLock()


os.register_at_fork(after_in_child=_forget_pool)


def _get_pool() -> ThreadPoolExecutor:
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(1, THREADS - 1), thread_name_prefix="kernel")
        return _pool


def parallel_for(run: Callable[[int, int, int], Any], count: int, grain: int) -> None:
    """Call run(begin, end, thread) over [0, count) in pieces of `grain`, on all threads.

    `thread` is in [0, THREADS) and identifies scratch memory: no two pieces with one number run at the same time,
    because calls from several Python threads take turns. The first exception is raised again here.
    """
    pieces = -(-count // grain)
    if pieces <= 0:
        return
    counter = itertools.count()
    failed: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            while not failed:
                piece = next(counter)
                if piece >= pieces:
                    return
                run(piece * grain, min(count, (piece + 1) * grain), thread)
        except BaseException as error:
            failed.append(error)

    with _call_lock:
        helpers = min(THREADS, pieces) - 1
        futures = [_get_pool().submit(work, thread + 1) for thread in range(helpers)]
        work(0)
        for future in futures:
            future.result()
    if failed:
        raise failed[0]
