"""Cache folder, thread pool and warm-up."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zk.kernels import _jit
from zk.kernels.warmup import warm_up

ROOT = Path(__file__).parents[3]


def test_cache_folder_is_private_and_keyed() -> None:
    assert stat.S_IMODE(_jit.CACHE_FOLDER.stat().st_mode) & 0o077 == 0
    assert os.environ["NUMBA_CACHE_DIR"] == str(_jit.CACHE_FOLDER)
    assert len(_jit.CACHE_FOLDER.name) == 32 or _jit.CACHE_FOLDER.name.startswith("standstill-")


def test_unusable_cache_folder_falls_back(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    code = "from zk.kernels import _jit; print(_jit.CACHE_FOLDER)"
    env = {**os.environ, "STANDSTILL_CACHE_DIR": str(blocked)}
    run = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    folder = Path(run.stdout.strip())
    assert folder.is_dir() and str(blocked) not in str(folder)
    folder.rmdir()


def test_warm_up_reports_compile_time_once() -> None:
    assert warm_up() >= 0
    before = _jit.jit_seconds()
    assert warm_up() == 0 and _jit.jit_seconds() == before


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
