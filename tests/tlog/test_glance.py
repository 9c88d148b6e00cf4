"""The end of a log and the proof of an entry, without reading the rest: the same answers as from all of it, or the same refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from claims.tlog.errors import LogError, LogRejected
from claims.tlog.evidence import LogFork
from claims.tlog.glance import entry_proof, log_end
from claims.tlog.reader import open_log
from claims.tlog.source import FolderSource
from tests.tlog import logs


def build(folder: Path) -> Path:
    logs.make(folder, 300, 1, 255)
    logs.cosigned(folder, "alpha", 100)
    for number in range(20):
        logs.extend(folder, b"more %d" % number)
        if number % 3:
            logs.cosigned(folder, "alpha" if number % 2 else "beta", 200 + number)
    return folder


@pytest.mark.parametrize("quorum", [0, 1, 2])
@pytest.mark.parametrize("most", [1, 5, 30, 400, 10000])
def test_the_end_is_that_of_the_whole(tmp_path: Path, quorum: int, most: int) -> None:
    folder = build(tmp_path / "log")
    for exclude in ((), ("alpha",)):
        trust = logs.trust(quorum)
        try:
            view = open_log(folder, trust, exclude=exclude)
        except LogRejected:
            with pytest.raises(LogRejected):
                log_end(folder, trust, most, exclude=exclude)
            continue
        end = log_end(folder, trust, most, exclude=exclude)
        assert (end.view.size, end.view.root, end.first) == (view.size, view.root, max(0, view.size - most))
        assert end.entries == view.entries[end.first :]

        def dated(one: object, index: int) -> object:
            try:
                return one.committed_time(index)  # type: ignore[attr-defined]
            except LogError:
                return None

        for index in range(end.first, view.size):
            assert dated(end.view, index) == dated(view, index)
        for index in {0, 255, 256, view.size - 1}:
            proof = entry_proof(folder, trust, index, exclude=exclude)
            assert proof.path == view.prove(index).path and proof.check(view.entries[index], trust, exclude).head.size == view.size
        with pytest.raises(LogError):
            entry_proof(folder, trust, view.size, exclude=exclude)


def test_one_entry_costs_a_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = logs.make(tmp_path / "log", *[100] * 40)
    seen: list[str] = []
    own = FolderSource.read
    monkeypatch.setattr(FolderSource, "read", lambda self, path, limit: seen.append(path) or own(self, path, limit))
    assert log_end(folder, logs.trust(), 1).entries == [logs.entry(3999)] and len(seen) < 8
    seen.clear()
    entry_proof(folder, logs.trust(), 17)
    assert len(seen) < 8


def spoilt(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize("spoil", [
    lambda folder: spoilt(folder / "tile/0/000"), lambda folder: (folder / "tile/0/001").unlink(),
    lambda folder: spoilt(folder / "tile/1/000.p/2"),
    lambda folder: (folder / "checkpoint").write_bytes((folder / "checkpoints/300").read_bytes()),
])  # fmt: skip
def test_damaged_tiles_and_an_older_checkpoint_change_no_answer(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    folder = build(tmp_path / "log")
    whole = open_log(folder, logs.trust(1))
    spoil(folder)
    end = log_end(folder, logs.trust(1), 400)
    assert end.view.size == whole.size and end.entries == whole.entries[-400:]
    assert entry_proof(folder, logs.trust(1), 3).path == whole.prove(3).path


def test_damaged_entries_and_a_fork_are_refused(tmp_path: Path) -> None:
    folder = build(tmp_path / "log")
    other = logs.copy(folder, tmp_path / "other")
    spoilt(folder / "tile/entries/000")
    for act in (lambda: log_end(folder, logs.trust(1), 600), lambda: entry_proof(folder, logs.trust(1), 3)):
        with pytest.raises(LogRejected):
            act()
    (other / "checkpoints/560").write_bytes(logs.signed([b"other"], 560))
    with pytest.raises(LogFork):
        log_end(other, logs.trust(1), 50)
    assert log_end(other, logs.trust(1), 1).entries
