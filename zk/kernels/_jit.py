"""The only compiler entry of the prover: decorator, disk cache, thread pool.

Kernels are serial functions that release the interpreter lock and take only 64-bit integers (addresses, sizes, steps);
`parallel_for` runs one over index ranges on a small pool of threads. No OpenMP runtime is loaded, so nothing pins
Python's own threads, and a kernel needs no parallel-loop compilation.

The compiled code is cached on disk. numba keys its cache by the decorated function's own file only, which misses edits to
code that an intrinsic generates; so the folder is named by a digest of every source in this package, of the versions
of numba and llvmlite, and of the processor.

Environment: STANDSTILL_CACHE_DIR (cache folder, default ~/.cache/standstill), STANDSTILL_THREADS (pool size).
"""

import hashlib
import itertools
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

_EXPECTED_COMPILE_SECONDS = 13


def _processor_name() -> str:
    """Model name of the processor, or the machine type where the system does not say."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _sources_digest() -> str:
    """SHA-256 over all kernel sources, compiler versions and the processor's name."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for part in (metadata.version("numba"), metadata.version("llvmlite"), _processor_name(), sys.version):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:32]


def _usable(folder: Path) -> bool:
    """Create `folder` with mode 0700; true where it is ours and writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            return False
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _cache_folder() -> Path:
    """The folder for compiled code: configured, per-user default, or a fresh private temporary one."""
    configured = os.environ.get("STANDSTILL_CACHE_DIR")
    base = Path(configured) if configured else Path.home() / ".cache" / "standstill"
    if _usable(base):
        folder = base / _sources_digest()
        if _usable(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="standstill-"))


CACHE_FOLDER = _cache_folder()
"""Where compiled kernels are kept. Whoever can write here can change what the prover runs: hence mode 0700."""

os.environ["NUMBA_CACHE_DIR"] = str(CACHE_FOLDER)

import numba  # noqa: E402  (the cache folder has to be named before)
from numba.core import event  # noqa: E402

numba.config.CACHE_DIR = str(CACHE_FOLDER)  # type: ignore[attr-defined]


class _CompileTimer(event.Listener):
    """Sums the time of outermost compilations; loading from the cache does not count."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._began = 0.0

    def on_start(self, event: Any) -> None:
        if self._depth == 0:
            self._began = time.perf_counter()
            _announce()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds += time.perf_counter() - self._began


_announced = False


def _announce() -> None:
    """Say once, on standard error, that a cold cache is being filled."""
    global _announced
    if not _announced and not any(CACHE_FOLDER.rglob("*.nbc")):
        print(f"compiling kernels (first run only, about {_EXPECTED_COMPILE_SECONDS} s)", file=sys.stderr)
    _announced = True


_timer = _CompileTimer()
event.register("numba:compile", _timer)  # type: ignore[no-untyped-call]


def jit_seconds() -> float:
    """Seconds that this process has spent compiling kernels so far."""
    return _timer.seconds


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile lazily, cached on disk, without the interpreter lock. Arguments and results are 64-bit integers."""
    compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled


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
    global _pool, _pool_lock, _call_lock
    _pool, _pool_lock, _call_lock = None, threading.Lock(), threading.Lock()


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
