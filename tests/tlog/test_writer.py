"""Appending survives being stopped anywhere: nothing published is lost or changed, and no size gets two heads.

Deterministic: a disk that stops at its n-th step, for every n, optionally losing all that was not synced, and optionally
stopping again during recovery. Random: a process that appends and is killed.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from claims.base.errors import TokenError
from claims.base.merkle import tree_root
from claims.tlog.checkpoint import LogTrust, SignedCheckpoint
from claims.tlog.disk import Disk
from claims.tlog.errors import LogBusy, LogError, LogRejected
from claims.tlog.hashing import Frontier
from claims.tlog.memory import LogMemory
from claims.tlog.reader import open_log
from claims.tlog.tiles import ENTRY_LIMIT, decode_tile, tile_path
from claims.tlog.writer import INTENT, LogWriter
from tests.tlog import logs

ROOT = Path(__file__).parents[2]


class Stop(BaseException):
    """The machine stops here."""


class StoppingDisk(Disk):
    """Stops before step ``stop_at``. With ``losing``, what was not synced is gone: file contents and folder entries."""

    def __init__(self, folder: Path, stop_at: int, losing: bool = False) -> None:
        super().__init__(folder)
        self.chunk = 1000
        self.steps, self.stop_at, self.losing = 0, stop_at, losing
        self.undo: list[tuple[Path, Callable[[], None]]] = []
        self.signed: list[bytes] = []

    def step(self, operation: str, path: Path) -> None:
        self.steps += 1
        if self.steps == self.stop_at:
            if self.losing:
                for _, lose in reversed(self.undo):
                    lose()
            raise Stop
        if operation == "rename":  # contents that were not synced are lost under the new name too
            temporary = path.with_name(f".{path.name}.tmp")
            if any(item[0] == temporary for item in self.undo):
                self.undo = [item for item in self.undo if item[0] != temporary]
                self.undo.append((temporary, self._cut(path)))
        if operation in ("rename", "remove", "make-folder"):
            self.undo.append((path.parent, self._undo(operation, path)))
        elif operation == "create":
            self.undo.append((path, self._cut(path)))
        elif operation == "append":
            self.undo.append((path, self._undo("rename", path)))

    @staticmethod
    def _cut(path: Path) -> Callable[[], None]:
        def cut() -> None:
            if path.exists():
                path.write_bytes(path.read_bytes()[:-60])

        return cut

    @staticmethod
    def _undo(operation: str, path: Path) -> Callable[[], None]:
        if operation == "make-folder":
            return lambda: path.rmdir() if path.is_dir() and not any(path.iterdir()) else None
        before = path.read_bytes() if path.exists() else None

        def back() -> None:
            if before is not None:
                path.write_bytes(before)
            else:
                path.unlink(missing_ok=True)

        return back

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self.undo = [item for item in self.undo if item[0] != folder]


class SyncedFiles(StoppingDisk):
    """Forgets the loss of a file's bytes once that file was synced."""

    def step(self, operation: str, path: Path) -> None:
        super().step(operation, path)
        if operation == "sync":
            self.undo = [item for item in self.undo if item[0] != path]


def heads(folder: Path) -> dict[int, tuple[str, bytes]]:
    """Every signed head in the folder, temporary files included, by size: none may have two texts."""
    found: dict[int, tuple[str, bytes]] = {}
    for place in (folder, folder / "checkpoints"):
        for name in os.listdir(place) if place.is_dir() else []:
            data = (place / name).read_bytes() if (place / name).is_file() else b""
            try:
                signed = SignedCheckpoint.open(data, logs.trust())
            except LogError:
                continue
            old = found.setdefault(signed.head.size, (signed.note.text, data))
            assert old[0] == signed.note.text, "two heads of one size"
    return found


def remembering(folder: Path, used: bool = True) -> Callable[[LogTrust], LogMemory] | None:
    """The writer's memory of a log, in a file beside it."""
    return (lambda trust: LogMemory.load(folder.with_name(f"{folder.name}.memory"), trust, keeps_leaves=False)) if used else None


def check_survivor(folder: Path, promised: int, before: dict[int, tuple[str, bytes]], items: list[bytes], memory: bool = False) -> int:
    """After a stop: readers still see what was published; opening mends; all heads ever signed are in one history."""
    if promised >= 0:
        seen = open_log(folder, logs.trust())
        assert seen.size >= promised and seen.entries == items[: seen.size]
        seen.check_tiles()
    after = heads(folder)
    with LogWriter.open(folder, logs.LOG, memory=remembering(folder, memory)) as writer:
        size = writer.size
        assert size >= max([promised, *after]) and writer.entries == items[:size]
    assert not (folder / INTENT).exists()
    assert memory or not list(folder.rglob("*.tmp"))  # what an append left before its intent harms nobody, and goes with a full reading
    view = open_log(folder, logs.trust())
    view.check_tiles()
    history = view.history()
    for known, (text, _) in {**before, **after}.items():
        assert history[known].note.text == text
    assert (folder / "checkpoints/sizes").read_text() == "".join(f"{s}\n" for s in sorted(history))
    return size


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a disk is simulated, what it loses is too: the real one need not sync."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


BATCHES = (1, 2, 252, 3, 1, 300, 5)
ITEMS = logs.entries(0, 2000)


BOUNDS = [sum(BATCHES[:n]) for n in range(len(BATCHES) + 1)]


def start(folder: Path, disk: Disk, memory: bool) -> None:
    LogWriter.create(folder, logs.ORIGIN, logs.LOG, disk=disk, memory=remembering(folder, memory)).close()


def append_batch(folder: Path, disk: Disk, batch: int, memory: bool) -> None:
    with LogWriter.open(folder, logs.LOG, memory=remembering(folder, memory)) as writer:
        writer._disk = disk
        writer.append(ITEMS[writer.size : BOUNDS[batch + 1]])


def stop_everywhere(tmp_path: Path, choose: Callable[[int], Iterable[int]], kind: type[StoppingDisk], losing: bool, memory: bool) -> int:
    """Stop while the log is made, and in each batch that is appended to it, at the steps that are chosen; returns how many there are."""
    total, whole = 0, tmp_path / "whole"
    for batch in range(-1, len(BATCHES)):
        act = (lambda folder, disk: start(folder, disk, memory)) if batch < 0 else (
            lambda folder, disk, batch=batch: append_batch(folder, disk, batch, memory))  # fmt: skip
        fresh = tmp_path / f"before-{batch}"
        if batch >= 0:
            copied(whole, fresh)
        counting = kind(whole, 0)
        act(whole, counting)
        total += counting.steps
        for number in choose(counting.steps):
            folder = tmp_path / f"{batch}-{number}"
            if batch >= 0:
                copied(fresh, folder)
            with pytest.raises(Stop):
                act(folder, kind(folder, number, losing))
            before = heads(folder) if folder.is_dir() else {}
            if batch < 0 and not (folder / "checkpoint").exists():
                start(folder, Disk(folder), memory)  # a log that never was can be made again
            else:
                size = check_survivor(folder, 0 if batch < 0 else BOUNDS[batch], before, ITEMS, memory)
                end = min(batch + 2, len(BATCHES))
                with LogWriter.open(folder, logs.LOG, memory=remembering(folder, memory)) as writer:
                    writer.append(ITEMS[size : BOUNDS[end] + 1])
                view = open_log(folder, logs.trust())
                view.check_tiles()
                assert view.entries == ITEMS[: BOUNDS[end] + 1] and set(before) <= set(view.history())
            shutil.rmtree(folder)
    return total


def copied(folder: Path, target: Path) -> None:
    logs.copy(folder, target)
    kept = folder.with_name(f"{folder.name}.memory")
    if kept.exists():
        shutil.copy(kept, target.with_name(f"{target.name}.memory"))


KINDS = pytest.mark.parametrize(("kind", "losing"), [(StoppingDisk, False), (SyncedFiles, True)])


@KINDS
@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.usefixtures("no_sync")
def test_stopping_at_some_steps(tmp_path: Path, kind: type[StoppingDisk], losing: bool, memory: bool) -> None:
    generator = random.Random(1)
    assert stop_everywhere(tmp_path, lambda steps: generator.sample(range(1, steps + 1), 2), kind, losing, memory) > 200


@pytest.mark.slow
@KINDS
@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.usefixtures("no_sync")
def test_stopping_at_every_step(tmp_path: Path, kind: type[StoppingDisk], losing: bool, memory: bool) -> None:
    assert stop_everywhere(tmp_path, lambda steps: range(1, steps + 1), kind, losing, memory) > 200


@pytest.mark.parametrize("stride", [(3, 11), pytest.param((1, 1), marks=pytest.mark.slow)])
@pytest.mark.usefixtures("no_sync")
def test_stopping_in_one_append_and_again_while_mending(tmp_path: Path, stride: tuple[int, int]) -> None:
    """Across a tile's end, at each step (or each of a stride) of the append and then of the mending after it."""
    begun = logs.make(tmp_path / "start", 255)
    finished, number = False, 1 - stride[0]
    while not finished:
        number += stride[0]
        folder = logs.copy(begun, tmp_path / f"one-{number}")
        finished = not stopped(folder, number, lambda writer: writer.append(ITEMS[255:257]))
        again, mended = 1 - stride[1], finished
        while not mended:
            again += stride[1]
            second = logs.copy(folder, tmp_path / f"two-{number}-{again}")
            mended = not stopped(second, again, None)
            assert check_survivor(second, 255, heads(folder), ITEMS) in (255, 257)
    assert number > 30


@pytest.mark.usefixtures("no_sync")
@pytest.mark.parametrize("losing", [False, True])
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_stopping_at_every_byte_of_an_append(tmp_path: Path, losing: bool, stride: int) -> None:
    """Every byte that an append writes is a step of its own: stopped before each (of a stride), nothing is lost, nothing forks."""
    begun, number, finished, sizes = logs.make(tmp_path / "start", 2), 1 - stride, False, set()
    while not finished:
        number += stride
        folder = logs.copy(begun, tmp_path / str(number))
        with LogWriter.open(folder, logs.LOG) as writer:
            writer._disk = SyncedFiles(folder, number, losing)
            writer._disk.chunk = 1
            try:
                writer.append(ITEMS[2:3])
                finished = True
            except Stop:
                pass
        sizes.add(check_survivor(folder, 3 if finished else 2, heads(folder), ITEMS))
        shutil.rmtree(folder)
    assert number > 600 and sizes == {2, 3}


def stopped(folder: Path, number: int, action: Callable[[LogWriter], object] | None) -> bool:
    try:
        with LogWriter.open(folder, logs.LOG, disk=SyncedFiles(folder, number if action is None else 0, True)) as writer:
            if action is not None:
                writer._disk = SyncedFiles(folder, number, True)
                action(writer)
    except Stop:
        return True
    return False


def test_the_tail_without_intent_is_discarded_and_with_it_completed(tmp_path: Path) -> None:
    sizes = set()
    for number in range(1, 60):
        folder = logs.make(tmp_path / str(number), 3)
        if not stopped(folder, number, lambda writer: writer.append([b"tail"])):
            break
        intended, signed = (folder / INTENT).exists(), max(heads(folder))
        with LogWriter.open(folder, logs.LOG) as writer:
            assert writer.size == (4 if intended or (folder / "checkpoints/4").exists() else 3)
            assert writer.size >= signed  # also one signed in a temporary file only
            sizes.add(writer.size)
            assert writer.append([b"other"]) == writer.size - 1
        open_log(folder, logs.trust()).check_tiles()
    assert sizes == {3, 4}


APPENDER = """
import sys
sys.path[:0] = [{root!r}]
from pathlib import Path
from tests.tlog import logs
from claims.tlog.writer import LogWriter
folder = Path(sys.argv[1])
with LogWriter.open(folder, logs.LOG) as writer:
    print("open", writer.size, flush=True)
    while True:
        first = writer.size
        writer.append(logs.entries(first, first + 1 + first * 7 % 50))
        print("done", writer.size, flush=True)
"""


def kill_often(folder: Path, times: int, seed: int) -> int:
    """Kill an appending process ``times`` times; returns the final size."""
    generator = random.Random(seed)
    logs.make(folder)
    seen: dict[int, tuple[str, bytes]] = {}
    for _ in range(times):
        process = subprocess.Popen(
            [sys.executable, "-c", APPENDER.format(root=str(ROOT)), str(folder)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout is not None and process.stdout.readline().startswith(b"open")
        time.sleep(generator.random() * 0.08)
        os.kill(process.pid, signal.SIGKILL)
        told = [int(line.split()[1]) for line in process.stdout.read().decode().split("\n")[:-1]]
        process.wait()
        view = open_log(folder, logs.trust())
        assert view.size >= max([0, *told, *seen]) and view.entries == logs.entries(0, view.size)
        now = heads(folder)
        assert all(now[size][0] == text for size, (text, _) in seen.items() if size in now)
        seen = {**seen, **now}
    with LogWriter.open(folder, logs.LOG) as writer:
        size = writer.size
    view = open_log(folder, logs.trust())
    view.check_tiles()
    history = view.history()
    assert all(history[known].note.text == text for known, (text, _) in seen.items())
    return size


def test_kills(tmp_path: Path) -> None:
    assert kill_often(tmp_path / "log", 8, 1) > 20


@pytest.mark.slow
def test_hundreds_of_kills(tmp_path: Path) -> None:
    for seed in range(10):
        kill_often(tmp_path / str(seed), 40, seed)


# ---- older heads ----------------------------------------------------------------------------------------------


def exact_tile(folder: Path, size: int, level: int, index: int) -> list[bytes]:
    """A tile as a client reads it that asks for the width which the tree of ``size`` has, and for nothing else."""
    width = min(256, (size >> (8 * level)) - index * 256)
    return decode_tile((folder / tile_path(level, index, width)).read_bytes(), width)


def exact_root(folder: Path, size: int) -> bytes:
    frontier = Frontier()
    for index in range((size + 255) // 256):
        for item in exact_tile(folder, size, 0, index):
            frontier.append(item)
    for level in range(1, 3):
        for index in range(((size >> (8 * level)) + 255) // 256):
            tile = exact_tile(folder, size, level, index)
            below = [tree_root(exact_tile(folder, size, level - 1, index * 256 + at)) for at in range(len(tile))]
            assert tile == below
    return frontier.root()


def test_every_published_head_is_proven_with_its_own_partial_tiles(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", *[37] * 34)
    heads_of = {size: head for size, head in open_log(folder, logs.trust()).history().items() if size}
    assert len(heads_of) == 34

    def check() -> None:
        for size, head in heads_of.items():
            assert exact_root(folder, size) == head.head.root

    check()
    assert not list(folder.glob("tile/entries/000.p"))  # bundles that a full one replaced are not kept
    shutil.rmtree(folder / "tile/0/002.p")
    LogWriter.open(folder, logs.LOG).close()  # opening writes them again: what an older version removed comes back
    check()


# ---- one writer, its own log, and damage -------------------------------------------------------------------------


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 1)
    with LogWriter.open(folder, logs.LOG):
        with pytest.raises(LogBusy):
            LogWriter.open(folder, logs.LOG, wait=0)
        with pytest.raises(LogBusy):
            LogWriter.create(folder, logs.ORIGIN, logs.LOG, wait=0)
    LogWriter.open(folder, logs.LOG, wait=0).close()


def test_a_closed_or_failed_writer_appends_no_more(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 1)
    writer = LogWriter.open(folder, logs.LOG)
    writer.close()
    with pytest.raises(LogError):
        writer.append([b"x"])
    with LogWriter.open(folder, logs.LOG) as writer:
        writer._disk = StoppingDisk(folder, 5)
        with pytest.raises(Stop):
            writer.append([b"x"])
        with pytest.raises(LogError):
            writer.append([b"y"])


class Leaving:
    """The log's key on a token that goes away after some signatures."""

    public_key = logs.LOG.public_key

    def __init__(self, left: int) -> None:
        self.left = left

    def sign(self, data: bytes) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise TokenError("key 'log' on token 'hall' did not sign: the session ended")
        return logs.LOG.sign(data)


@pytest.mark.parametrize("signed", [0, 1])
def test_a_token_that_goes_away_in_an_append(tmp_path: Path, signed: int) -> None:
    """Before the head is signed, or before it is dated: as a crash there, and the next append publishes the head of that size."""
    folder = logs.make(tmp_path / "log", 1)
    remember = lambda trust: LogMemory.load(tmp_path / "memory", trust)  # noqa: E731
    with LogWriter.open(folder, Leaving(signed), memory=remember) as writer, pytest.raises(TokenError):
        writer.append([logs.entry(1)])
    assert open_log(folder, logs.trust()).size == 1
    with LogWriter.open(folder, logs.LOG, memory=remember) as writer:
        assert writer.entries == [logs.entry(0), logs.entry(1)]
        writer.append([logs.entry(2)])
    assert open_log(folder, logs.trust()).size == 3


def test_what_a_log_does_not_take(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 1)
    with LogWriter.open(folder, logs.LOG) as writer:
        for bad in ([], [bytes(ENTRY_LIMIT + 1)], [b"x"] * (2**20)):
            with pytest.raises(LogError):
                writer.append(bad)
        assert writer.append([b"", bytes(ENTRY_LIMIT), b"same", b"same"]) == 1
    assert open_log(folder, logs.trust()).entries[1:] == [b"", bytes(ENTRY_LIMIT), b"same", b"same"]


def test_create_overwrites_nothing(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    for spoil in (lambda: None, (folder / "checkpoint").unlink):
        spoil()
        with pytest.raises(LogError):
            LogWriter.create(folder, logs.ORIGIN, logs.LOG)
    with pytest.raises(LogError):
        LogWriter.create(tmp_path / "x", "bad origin", logs.LOG)
    with pytest.raises(LogError):
        LogWriter.open(folder, logs.LOG)


def test_another_key_cannot_open(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    with pytest.raises(LogRejected):
        LogWriter.open(folder, logs.key(99))


def test_damage_beyond_a_crash_is_not_signed_over(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2, 3)
    intact = logs.copy(folder, tmp_path / "intact")
    bundle = folder / "tile/entries/000.p/5"
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"?")
    with pytest.raises(LogRejected):
        LogWriter.open(folder, logs.LOG)
    for intent in (f"standstill-log-intent/1\n5 {'0' * 64}\n", f"standstill-log-intent/1\n9 {'0' * 64}\n", "junk",
                   f"standstill-log-intent/1\n{2**49} {'0' * 64}\n"):
        other = logs.copy(intact, tmp_path / f"i{hash(intent)}")
        (other / INTENT).write_text(intent)
        with pytest.raises(LogError):
            LogWriter.open(other, logs.LOG)
        assert open_log(other, logs.trust()).size == 5


def test_a_stored_newer_head_is_not_signed_twice(tmp_path: Path) -> None:
    """A head under checkpoints/ was published even where ``checkpoint`` is older: its entries must be there."""
    folder = logs.make(tmp_path / "log", 2)
    (folder / "checkpoints/3").write_bytes(logs.signed(logs.entries(0, 3)))
    with pytest.raises(LogError):
        LogWriter.open(folder, logs.LOG)
    assert open_log(folder, logs.trust()).size == 2


def test_missing_and_damaged_tiles_are_mended(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 300)
    (folder / "tile/0/000").write_bytes(b"damage")
    (folder / "tile/1/000.p/1").unlink()
    with pytest.raises(LogError):
        open_log(folder, logs.trust()).check_tiles()
    LogWriter.open(folder, logs.LOG).close()
    assert open_log(folder, logs.trust()).check_tiles() == 3


def test_cosignatures_survive_a_restart_and_the_next_append(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    logs.cosigned(folder, "alpha", 50)
    before = (folder / "checkpoint").read_bytes()
    LogWriter.open(folder, logs.LOG).close()
    assert (folder / "checkpoint").read_bytes() == before == (folder / "checkpoints/2").read_bytes()
    logs.extend(folder, b"x")
    assert (folder / "checkpoints/2").read_bytes() == before


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    (folder / "README").write_text("x")
    (folder / "tile/notes.txt").write_text("x")
    logs.extend(folder, b"x")
    assert (folder / "README").exists() and (folder / "tile/notes.txt").exists()
