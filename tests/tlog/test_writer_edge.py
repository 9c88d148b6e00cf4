"""A writer that trusts its memory and the log's right edge: what it reads does not grow with the log, and it forks nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from claims.base.merkle import tree_root
from claims.tlog.checkpoint import LogTrust
from claims.tlog.errors import LogError, LogRejected, LogRewind
from claims.tlog.memory import LogMemory
from claims.tlog.reader import open_log
from claims.tlog.source import FolderSource
from claims.tlog.tree import Tree
from claims.tlog.writer import LogWriter
from tests.tlog import logs


@pytest.fixture
def memory(tmp_path: Path) -> Callable[[LogTrust], LogMemory]:
    return lambda trust: LogMemory.load(tmp_path / "memory", trust, keeps_leaves=False)


def made(folder: Path, memory: Callable[[LogTrust], LogMemory], *batches: int) -> Path:
    done = 0
    with LogWriter.create(folder, logs.ORIGIN, logs.LOG, memory=memory) as writer:
        for length in batches:
            writer.append(logs.entries(done, done + length))
            done += length
    return folder


def append(folder: Path, memory: Callable[[LogTrust], LogMemory], *entries: bytes) -> None:
    with LogWriter.open(folder, logs.LOG, memory=memory) as writer:
        writer.append(entries)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is read of a log's folder."""
    seen: list[str] = []

    def noted(name: str) -> None:
        own = getattr(FolderSource, name)

        def read(self: FolderSource, *arguments: object) -> object:
            seen.append(str(arguments[0]) if arguments else name)
            return own(self, *arguments)

        monkeypatch.setattr(FolderSource, name, read)

    for name in ("read", "tail", "sizes"):
        noted(name)
    return seen


def test_an_append_reads_the_edge_and_no_more(tmp_path: Path, memory: Callable[[LogTrust], LogMemory], reads: list[str]) -> None:
    folder = made(tmp_path / "log", memory, 300, 500, 1000, *[1] * 40)
    for _ in range(2):
        reads.clear()
        append(folder, memory, b"one", b"more")
        assert len(reads) < 16 and "sizes" not in reads
        assert [path for path in reads if path.startswith("tile/entries")] == [f"tile/entries/007.p/{(1840 + 2 * _) % 256}"]
    view = open_log(folder, logs.trust())
    assert view.size == 1844 and view.check_tiles() and len(view.history()) == 46
    with LogWriter.open(folder, logs.LOG, memory=memory, whole=True) as writer:
        assert writer.root == view.root and writer.entries == view.entries


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 511, 512])
def test_every_shape_of_the_edge(tmp_path: Path, memory: Callable[[LogTrust], LogMemory], length: int) -> None:
    folder = made(tmp_path / "log", memory, *([length] if length else []))
    for step in (1, 256, 255, 2):
        append(folder, memory, *[b"%d" % item for item in range(step)])
        view = open_log(folder, logs.trust())
        assert view.check_tiles() and view.history()
        tree = Tree(FolderSource(folder), view.size, view.root)
        assert list(tree.entries(0, view.size)) == view.entries
        for index in {0, view.size // 2, view.size - 1}:
            assert tree.inclusion(index) == list(view.prove(index).path)
        for old in {0, 1, view.size // 3, view.size}:
            assert tree.range_root(0, old) == tree_root(view.hashes[:old])


def test_an_older_copy_is_refused_and_nothing_is_signed(tmp_path: Path, memory: Callable[[LogTrust], LogMemory]) -> None:
    """A backup of the folder, of all of it or of some files, does not make the key sign two histories."""
    folder = made(tmp_path / "log", memory, 3, 4)
    backup = logs.copy(folder, tmp_path / "backup")
    append(folder, memory, b"after the backup")

    def refused(place: Path) -> None:
        before = sorted((path.name, path.read_bytes()) for path in place.rglob("*") if path.is_file())
        with pytest.raises(LogError):
            append(place, memory, b"instead")
        after = sorted((path.name, path.read_bytes()) for path in place.rglob("*") if path.is_file())
        assert [item for item in after if item[0].isdigit()] == [item for item in before if item[0].isdigit()]

    with pytest.raises(LogRewind, match="an older copy"):
        append(logs.copy(backup, tmp_path / "whole"), memory, b"instead")
    refused(tmp_path / "whole")
    remembered = shutil.copy(tmp_path / "memory", tmp_path / "remembered")
    for name in ("checkpoint", "checkpoints", "checkpoint checkpoints", "checkpoint checkpoints tile/0", "checkpoint tile/entries"):
        place = logs.copy(folder, tmp_path / name.replace("/", "-"))
        for part in name.split():
            target = place / part
            shutil.rmtree(target) if target.is_dir() else target.unlink()
            (shutil.copytree if (backup / part).is_dir() else shutil.copy)(backup / part, target)
        shutil.copy(remembered, tmp_path / "memory")
        try:
            append(place, memory, b"next")
        except LogError:
            continue
        history = open_log(place, logs.trust())  # what could be made whole again goes on from what was signed
        assert history.entries[:8] == [*logs.entries(0, 7), b"after the backup"]
    shutil.copy(remembered, tmp_path / "memory")
    append(folder, memory, b"the newest copy goes on")


def test_another_history_under_the_same_key_is_refused(tmp_path: Path, memory: Callable[[LogTrust], LogMemory]) -> None:
    folder = made(tmp_path / "log", memory, 3)
    other = logs.make(tmp_path / "other")
    logs.extend(other, b"a", b"b", b"c", b"d")
    with pytest.raises(LogRejected, match="does not extend"):
        append(other, memory, b"x")
    with pytest.raises(LogRewind):
        LogWriter.create(tmp_path / "new", logs.ORIGIN, logs.LOG, memory=memory)
    append(folder, memory, b"x")


def test_a_log_that_another_machine_extended_is_read_whole(tmp_path: Path, memory: Callable[[LogTrust], LogMemory]) -> None:
    folder = made(tmp_path / "log", memory, 300)
    logs.extend(folder, b"elsewhere")
    append(folder, memory, b"here")
    assert open_log(folder, logs.trust()).size == 302
    os.unlink(tmp_path / "memory")
    append(folder, memory, b"memory lost: all is read")
    assert LogMemory.load(tmp_path / "memory", logs.trust()).size == 303


def test_a_damaged_edge_is_mended_from_the_entries_and_damaged_entries_are_not_signed_over(
    tmp_path: Path, memory: Callable[[LogTrust], LogMemory]
) -> None:
    folder = made(tmp_path / "log", memory, 300)
    tile = folder / "tile/0/001.p/44"
    tile.write_bytes(tile.read_bytes()[:-1] + b"?")
    append(folder, memory, b"x")
    assert open_log(folder, logs.trust()).check_tiles() == 3
    bundle = folder / "tile/entries/001.p/45"
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"?")
    with pytest.raises(LogRejected):
        append(folder, memory, b"y")


@pytest.mark.parametrize("content", [b"", b"0\n", b"0\n300", b"0\n300\n30", b"0\n300\n\0\0\0", b"junk", b"9\n\n" * 20, None])
def test_the_list_of_sizes_is_made_again_where_its_end_is_not_the_last_head(
    tmp_path: Path, memory: Callable[[LogTrust], LogMemory], content: bytes | None
) -> None:
    folder = made(tmp_path / "log", memory, 300, 1)
    place = folder / "checkpoints/sizes"
    place.unlink() if content is None else place.write_bytes(content)
    append(folder, memory, b"x")
    assert place.read_bytes() == b"0\n300\n301\n302\n"
