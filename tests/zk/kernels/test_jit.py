"""Cache folder, compiled kernels in it, thread pool and warm-up."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from zk.kernels import _jit, _objects
from zk.kernels._jit import kernel
from zk.kernels.lanes import load_long
from zk.kernels.warmup import warm_up

ROOT = Path(__file__).parents[3]


def test_cache_folder_is_private_and_keyed() -> None:
    assert stat.S_IMODE(_objects.CACHE_FOLDER.stat().st_mode) & 0o077 == 0
    assert len(_objects.CACHE_FOLDER.name) == 32 or _objects.CACHE_FOLDER.name.startswith("standstill-")


def test_unusable_cache_folder_falls_back(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    code = "from zk.kernels import _objects; print(_objects.CACHE_FOLDER)"
    env = {**os.environ, "STANDSTILL_CACHE_DIR": str(blocked)}
    run = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    folder = Path(run.stdout.strip())
    assert folder.is_dir() and str(blocked) not in str(folder)
    folder.rmdir()


def test_warm_up_reports_compile_time_once() -> None:
    assert warm_up() >= 0
    before = _jit.jit_seconds()
    assert warm_up() == 0 and _jit.jit_seconds() == before


@kernel
def _sum(values, count):  # type: ignore[no-untyped-def]
    total = 0
    for k in range(count):
        total += _value(values, k)
    return total


@kernel
def _value(values, k):  # type: ignore[no-untyped-def]
    return load_long(values + 8 * k)


@kernel
def _fails(value):  # type: ignore[no-untyped-def]
    if value > 0:
        raise ValueError("above zero")


def test_what_was_compiled_runs_without_numba() -> None:
    """In a new process: numba takes longer to import than many a command to run."""
    warm_up()
    code = "import sys; from zk.kernels.warmup import warm_up; print(warm_up(), 'numba' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["0.0", "False"] and not ran.stderr


def test_a_kernel_has_the_integers_of_numpy_and_a_result() -> None:
    values = np.array([1 << 40, -3, 5], dtype=np.int64)
    assert _sum(values.ctypes.data, np.int64(3)) == (1 << 40) + 2
    with pytest.raises(TypeError):
        _sum(1.0, 3)
    with pytest.raises(TypeError):
        _sum(0)


def test_a_kernel_that_raises_says_so() -> None:
    assert _fails(0) == 0
    with pytest.raises(RuntimeError, match=r"_fails\S* failed"):
        _fails(1)


def _kept_sum() -> tuple[str, str, bytes]:
    """Name, symbol and object file of _sum, as they are kept."""
    _sum(np.zeros(1, dtype=np.int64).ctypes.data, 1)
    path = next(path for path in _objects.CACHE_FOLDER.glob("*._sum.*.kernel"))
    symbol, _, code = path.read_bytes()[32:].partition(b"\0")
    return path.name.removesuffix(".kernel"), symbol.decode(), code


def test_a_full_disk_stops_no_proof(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A write that fails leaves nothing, and the kernel runs all the same."""
    name, symbol, code = _kept_sum()
    monkeypatch.setattr(_objects, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    values = np.array([3, 4], dtype=np.int64)
    assert _objects.keep(name, 2, symbol, code)(values.ctypes.data, 2) == 7
    assert _objects.find(name, 2) is None and list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_compiled_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """LLVM would end the process at it."""
    name, symbol, code = _kept_sum()
    monkeypatch.setattr(_objects, "CACHE_FOLDER", tmp_path)
    _objects.keep(name, 2, symbol, code)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for damaged in (b"", whole[:40], whole[:-1], whole[:500] + bytes([whole[500] ^ 1]) + whole[501:]):
        path.write_bytes(damaged)
        assert _objects.find(name, 2) is None
    path.write_bytes(whole)
    assert _objects.find(name, 2) is not None


def test_parallel_for_covers_every_index_once() -> None:
    seen: list[int] = []
    active: set[int] = set()
    lock = threading.Lock()

    def run(begin: int, end: int, thread: int) -> None:
        with lock:
            assert thread not in active and 0 <= thread < _jit.THREADS
            active.add(thread)
        seen.extend(range(begin, end))
        with lock:
            active.discard(thread)

    _jit.parallel_for(run, 1003, 7)
    assert sorted(seen) == list(range(1003))
    _jit.parallel_for(run, 0, 7)


def test_parallel_for_raises() -> None:
    def run(begin: int, end: int, thread: int) -> None:
        raise KeyError(begin)

    with pytest.raises(KeyError):
        _jit.parallel_for(run, 10, 1)


def test_a_fork_after_the_pool_runs_kernels_too() -> None:
    """The threads of a pool do not go into a forked process: it hung there, silently. In a process of its own, which may be killed."""
    code = """
import os, signal
from zk.kernels import _jit
done = []
_jit.parallel_for(lambda begin, end, thread: done.append(begin), 64, 1)
child = os.fork()
if child == 0:
    signal.alarm(60)
    _jit.parallel_for(lambda begin, end, thread: done.append(begin), 64, 1)
    os._exit(0 if len(done) == 128 else 1)
print(os.waitpid(child, 0)[1])
"""
    environment = {**os.environ, "STANDSTILL_THREADS": "2"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=environment)
    assert ran.stdout.strip() == "0", ran.stderr
