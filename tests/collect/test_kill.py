"""Killed at any moment, a collector loses nothing and charges nothing twice."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_exporter import Exporter, Gpu
from lab_fixtures import make_agreement
from rig import CHIPS, METER, Rig, steadily

from claims.agreement.model import canonical_bytes
from claims.collect import spool as spool_module
from claims.lab.registry import open_registry
from claims.lab.store import Store

ROOT = Path(__file__).resolve().parents[2]
PAIR = ("GPU-aaaa0001", "GPU-aaaa0002")


# ---- SIGKILL at random moments, in real time ---------------------------------------------------------------


class Killing:
    """A laboratory whose epochs last a second, and a process that runs its collectors."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.start = int(time.time()) + 1
        with Store.create(folder / "alpha.store", "alpha") as store:
            opening = open_registry(store, ())
            store.tag("llm")
        terms = {"start": self.start, "epoch_seconds": 1, "epochs_per_period": 10_000}
        self.agreement = dataclasses.replace(make_agreement(opening), **terms)
        (folder / "agreement.bin").write_bytes(canonical_bytes(self.agreement))
        paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "fixtures", Path(__file__).parent)))
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "killed.py"), str(folder), address, "0.05", "2"],
            env=os.environ | {"PYTHONPATH": paths}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def tell(self, text: str) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait(600)

    def sealed(self) -> int | None:
        with Store.open(self.folder / "alpha.store") as store:
            return store.sealed_through(0, METER)


def kill_many(folder: Path, kills: int, seed: int) -> tuple[Killing, int]:
    """Kill collectors ``kills`` times, then let one run until what was before is sealed. Returns its last epoch."""
    random_ = random.Random(seed)
    with Exporter([Gpu(uuid, "0.5", 97, jobs=("llm",)) for uuid in PAIR], live=True) as exporter:
        killing = Killing(folder, exporter.url)
        time.sleep(max(0.0, killing.start - time.time()))
        try:
            for _ in range(kills):
                child = killing.tell("run")
                time.sleep(random_.choice((0.01, 0.05, 0.15, 0.3)) * random_.random() * 2)
                os.kill(child, signal.SIGKILL)
                assert killing.tell("wait") == -signal.SIGKILL
            child = killing.tell("run")
            last = int(time.time()) - killing.start
            while (killing.sealed() or 0) < last or "llm" not in (folder / "said").read_text():
                time.sleep(0.1)
            os.kill(child, signal.SIGKILL)
            killing.tell("wait")
        finally:
            killing.end()
    return killing, last


def check_nothing_is_lost(killing: Killing, last: int) -> None:
    attributed = 0
    with Store.open(killing.folder / "alpha.store") as store:
        sealed = store.sealed_through(0, METER)
        assert sealed is not None and sealed >= last
        usage = store.usage(0, METER)
        for epoch in range(sealed + 1):
            items = [item for item in usage if item.epoch == epoch]
            assert len({item.tag for item in items}) == len(items)
            # the chips are always busy: every millisecond of both is charged, to the job or as a gap, and once
            assert sum(item.chip_ms for item in items) == CHIPS * 1000
            attributed += sum(item.chip_ms for item in items if store.name(item.tag) == "llm")
            assert sum(r.chip_seconds for r in store.epoch_readings(METER, epoch)) == CHIPS
    assert attributed > 0
    said = (killing.folder / "said").read_text()
    assert "something else" not in said and "cannot be sealed" not in said
    for epoch in range(last + 1):
        assert said.count(f"epoch {epoch} sealed:") <= 1


def test_killed_at_random_moments(tmp_path: Path) -> None:
    check_nothing_is_lost(*kill_many(tmp_path, 30, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_killed_at_random_moments_many_times(tmp_path: Path, seed: int) -> None:
    check_nothing_is_lost(*kill_many(tmp_path, 150, seed))


# ---- a crash at every step, on the test's clock: the same epochs as without one ------------------------------


class Crash(BaseException):
    """The process is gone. No handler of the program catches it for good."""


class Fuse:
    """Counts the steps that reach the disk, and burns at one of them; once burnt, nothing more is written."""

    def __init__(self) -> None:
        self.steps, self.at, self.torn, self.burnt = 0, -1, False, False
        self.writes: set[int] = set()

    def step(self) -> bool:
        """True: the process dies in this step."""
        if self.burnt:
            raise Crash
        self.steps += 1
        self.burnt = self.steps == self.at
        return self.burnt


class FaultyOs:
    """``os`` of the spool, with a fuse in every call that changes the disk."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def write(self, handle: int, data: bytes) -> int:
        burnt = self._fuse.step()
        self._fuse.writes.add(self._fuse.steps)
        if burnt:
            if self._fuse.torn:
                os.write(handle, data[: len(data) // 2])
            raise Crash
        return os.write(handle, data)

    def fsync(self, handle: int) -> None:
        if self._fuse.step():
            raise Crash
        os.fsync(handle)

    def ftruncate(self, handle: int, length: int) -> None:
        if self._fuse.step():
            raise Crash
        os.ftruncate(handle, length)


@pytest.fixture
def fuse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fuse]:
    fuse = Fuse()
    write_atomic, advance, seal_epoch = spool_module.write_atomic, spool_module.Spool.advance, Store.seal_epoch

    def around(function: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **options: object) -> object:
            if fuse.step():
                raise Crash
            result = function(*arguments, **options)
            if fuse.step():
                raise Crash
            return result

        return wrapped

    monkeypatch.setattr(spool_module, "os", FaultyOs(fuse))
    monkeypatch.setattr(spool_module, "write_atomic", around(write_atomic))
    monkeypatch.setattr(spool_module.Spool, "advance", around(advance))
    monkeypatch.setattr(Store, "seal_epoch", around(seal_epoch))
    yield fuse
    fuse.at, fuse.burnt = -1, False


def scenario(folder: Path, fuse: Fuse, crash_at: int, torn: bool) -> tuple[dict[int, dict[str, tuple[int, int | None]]], int]:
    """150 seconds of polls; at one step the process dies and is started again for the same moment."""
    folder.mkdir()
    fuse.at = -1
    rig = Rig(folder)
    rig.store.tag("a"), rig.store.tag("b")
    with Exporter([Gpu(uuid) for uuid in PAIR]) as exporter:
        rig.watch([exporter])
        rig.wait(4)
        fuse.steps, fuse.at, fuse.torn, fuse.burnt = 0, crash_at, torn, False
        for number in range(10):
            exporter.gpus[0].jobs = ("a",) if number % 4 < 2 else ("b",)
            exporter.mode = "status" if number == 6 else "ok"
            try:
                steadily(rig, exporter, 15, every=15)
            except Crash:
                fuse.burnt = False
                rig.now, rig.steady = rig.now + 0.001, rig.steady + 0.001
                exporter.tick(0.001)
                rig.source._before = None  # type: ignore[union-attr]  # a new process has no earlier poll
                rig.run()
                rig.now, rig.steady = rig.now - 0.001, rig.steady - 0.001
    steps = fuse.steps
    result = {epoch: rig.usage(epoch) for epoch in (0, 1)}
    rig.store.close()
    return result, steps


def test_a_crash_at_every_step_changes_nothing(tmp_path: Path, fuse: Fuse) -> None:
    clean, steps = scenario(tmp_path / "clean", fuse, -1, False)
    assert len(fuse.writes) >= 10
    assert clean[0]["a"][0] > 0 and clean[1]["unattributed"][0] > 0 and steps > 30
    for torn, steps_to_try in ((False, range(1, steps + 1)), (True, sorted(fuse.writes.copy()))):
        for crash_at in steps_to_try:
            result, _ = scenario(tmp_path / f"{torn}-{crash_at}", fuse, crash_at, torn)
            for epoch in (0, 1):
                total = {name: ms for name, (ms, _) in result[epoch].items()}
                expected = {name: ms for name, (ms, _) in clean[epoch].items()}
                # the poll after the crash is a millisecond later than the one that was lost
                assert total.keys() == expected.keys(), (crash_at, torn)
                assert all(abs(total[name] - expected[name]) <= 2 for name in expected), (crash_at, torn, epoch, total, expected)
