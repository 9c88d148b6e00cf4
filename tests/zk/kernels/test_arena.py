"""The prover's memory: arrays that live never share a byte, zeros are zeros, and pages can be given back."""

from __future__ import annotations

import gc
import random
import threading
from pathlib import Path

import numpy as np
import pytest

from zk.kernels import _arena
from zk.kernels._arena import SMALLEST, Arena
from zk.kernels._memory import aligned, aligned_zeros

MIB = 1 << 20


def _range(array: np.ndarray) -> tuple[int, int]:
    start = array.ctypes.data
    return start, start + array.nbytes


def test_live_arrays_never_overlap_and_zeros_are_zero() -> None:
    rng, arena, live = random.Random(1), Arena(64 * MIB), []
    inside = outside = 0
    for step in range(600):
        if live and (rng.random() < 0.5 or len(live) > 12):
            held, mark = live.pop(rng.randrange(len(live)))
            assert (held == mark).all()
            del held
        zero, count = rng.random() < 0.5, rng.choice([100, SMALLEST // 4 + rng.randrange(5000), rng.randrange(1 << 21)])
        array = arena.words(count, zero)
        assert array.shape == (count,) and array.dtype == np.uint32
        assert not zero or not array.any()
        spans = sorted(_range(a) for a in (array, *(a for a, _ in live)) if a.nbytes)
        assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:], strict=False))
        inside, outside = inside + (array.base is not None), outside + (array.base is None)
        array[:] = step
        live.append((array, step))
    assert inside > 100 and outside > 50


def test_a_view_keeps_its_memory() -> None:
    arena = Arena(8 * MIB)
    view = arena.words(MIB // 4, True)[16:32].reshape(4, 4)[1:]
    view[:] = 7
    gc.collect()
    other = arena.words(MIB // 4, True)
    other[:] = 9
    assert (view == 7).all()


def test_the_lowest_free_place_is_taken_and_neighbours_are_joined() -> None:
    arena = Arena(8 * MIB)
    first, second, third = (arena.words(MIB // 4, False) for _ in range(3))
    place = first.ctypes.data
    assert second.ctypes.data == place + MIB and third.ctypes.data == place + 2 * MIB
    del second, first
    gc.collect()
    assert arena.words(2 * MIB // 4, False).ctypes.data == place


def test_what_does_not_fit_or_is_small_is_numpys_own() -> None:
    arena = Arena(MIB)
    assert arena.words(8, True).base is None
    whole = arena.words(MIB // 4, False)
    assert whole.base is not None and arena.words(MIB // 4, True).base is None


def test_without_a_range_every_array_is_numpys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_arena.os, "sysconf", lambda name: (_ for _ in ()).throw(ValueError))
    for arena in (Arena(_arena._machine_memory()), Arena(1 << 62)):
        array = arena.words(MIB, True)
        assert array.base is None and not array.any()
        arena.release()


def test_many_threads() -> None:
    arena, failed = Arena(64 * MIB), []

    def work(mark: int) -> None:
        for _ in range(60):
            array = arena.words(MIB // 4 + mark, False)
            array[:] = mark
            if not (array == mark).all():
                failed.append(mark)
            del array

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def _resident() -> int:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) << 10
    raise AssertionError


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux only")
def test_pages_are_kept_and_given_back_on_release() -> None:
    arena, before = Arena(256 * MIB), _resident()
    array = arena.words(64 * MIB // 4, False)
    array[:] = 1
    del array
    assert _resident() - before > 56 * MIB
    arena.release()
    assert _resident() - before < 8 * MIB
    assert not arena.words(64 * MIB // 4, True).any()


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux only")
def test_a_longer_array_does_not_add_to_what_a_gap_holds() -> None:
    arena, before = Arena(512 * MIB), _resident()
    gap, above = arena.words(64 * MIB // 4, False), arena.words(MIB // 4, False)
    gap[:] = 1
    above[:] = 2
    del gap
    longer = arena.words(80 * MIB // 4, False)
    longer[:] = 3
    assert _resident() - before < 100 * MIB
    assert (above == 2).all()


def test_the_prover_takes_its_matrices_from_it() -> None:
    assert aligned(MIB).base.base is not None and aligned_zeros(MIB).ctypes.data % 64 == 0
