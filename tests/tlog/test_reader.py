"""Reading logs: what is verified, what is refused, and how an entry is dated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from claims.base.merkle import tree_root
from claims.tlog import reader, tiles
from claims.tlog.checkpoint import Checkpoint, sign_checkpoint
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.evidence import LogFork
from claims.tlog.note import Note
from claims.tlog.proof import TLogProof, check_consistency
from claims.tlog.reader import open_log, read_entries, read_tree
from claims.tlog.source import FolderSource
from claims.tlog.tiles import (
    ENTRY_LIMIT,
    Levels,
    decode_bundle,
    decode_tile,
    encode_bundle,
    entries_path,
    tile_path,
    tiles_of,
)
from claims.tlog.writer import LogWriter
from tests.tlog import logs


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = logs.make(tmp_path / "log", 3, 1, 300, 2)
    for name, time in (("alpha", 1000), ("beta", 1100)):
        logs.cosigned(folder, name, time)
    return folder


def test_tile_paths() -> None:
    """C2SP tlog-tiles; the x123/x456/078 case is also in golang.org/x/mod, sumdb/tlog/tlog_test.go."""
    assert entries_path(1234067) == "tile/entries/x001/x234/067" and tile_path(5, 123456078, 2) == "tile/5/x123/x456/078.p/2"
    assert tile_path(0, 0) == "tile/0/000" and tile_path(63, 999) == "tile/63/999" and tile_path(0, 3057500) == "tile/0/x003/x057/500"
    for level, index, width in ((64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 2**56, 1), (0, 0, 0), (0, 0, 257)):
        with pytest.raises(LogError):
            tile_path(level, index, width)


def test_tiles_of_a_tree_of_70000() -> None:
    """The specification's example: 273 full and one of 112 at level 0, one full and one of 17, one of 1."""
    found = list(tiles_of(70000))
    assert len(found) == 274 + 2 + 1 and (0, 273, 112) in found and found[-3:] == [(1, 0, 256), (1, 1, 17), (2, 0, 1)]
    assert list(tiles_of(256)) == [(0, 0, 256), (1, 0, 1)] and list(tiles_of(0)) == []
    assert list(tiles_of(70001, 70000)) == [(0, 273, 113)]


def test_levels_are_roots_of_full_tiles() -> None:
    hashes = logs.hashes(logs.entries(0, 600))
    levels = Levels(hashes)
    assert levels.row(1, 0) == [tree_root(hashes[:256]), tree_root(hashes[256:512])]
    assert decode_tile(levels.tile(0, 2, 88), 88) == hashes[512:]
    with pytest.raises(LogError):
        decode_tile(bytes(63), 2)


def test_bundles() -> None:
    items = [b"", b"x", bytes(ENTRY_LIMIT)]
    data = encode_bundle(items)
    assert decode_bundle(data, 3) == items and decode_bundle(data, 2, full=False) == items[:2]
    for bad, width in ((data, 2), (data, 4), (data[:-1], 3), (b"\x00", 1), (b"", 1), (b"\xff\xff" + bytes(65535), 1)):
        with pytest.raises(LogError):
            decode_bundle(bad, width)
    with pytest.raises(LogError):
        encode_bundle([bytes(ENTRY_LIMIT + 1)])


def test_what_is_written_is_read(log: Path) -> None:
    view = open_log(log, logs.trust(2))
    assert view.entries == logs.entries(0, 306) and view.size == 306 == view.newest.head.size
    assert view.root == tree_root(logs.hashes(view.entries)) and view.check_tiles() == 3
    assert read_tree(FolderSource(log), 306) == view.hashes
    assert sorted(view.history()) == [0, 3, 4, 304, 306]
    assert sorted(os.listdir(log / "tile" / "entries")) == ["000", "001.p"]


def test_every_size_reads_back(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log")
    with LogWriter.open(folder, logs.LOG) as writer:
        for size in (1, 2, 255, 256, 257, 511, 512, 513):
            writer.append(logs.entries(writer.size, size))
            view = open_log(folder, logs.trust())
            assert view.size == size and view.entries == logs.entries(0, size) and view.check_tiles() == len(list(tiles_of(size)))


def test_proofs_from_a_view(log: Path) -> None:
    view = open_log(log, logs.trust(2))
    for index in (0, 3, 255, 256, 305):
        proof = TLogProof.decode(view.prove(index, b"note").encode())
        assert proof.check(logs.entry(index), logs.trust(2)).head.size == 306
        with pytest.raises(LogRejected):
            proof.check(logs.entry(index + 1), logs.trust(2))
        with pytest.raises(LogRejected):
            proof.check(logs.entry(index), logs.trust(2), {"beta"})
    check_consistency(3, 306, view.history()[3].head.root, view.root, view.consistency(3))


@pytest.mark.parametrize("path", ["tile/entries/000", "tile/entries/001.p/50", "checkpoint"])
def test_every_changed_byte_is_noticed(log: Path, path: str) -> None:
    (log / "checkpoints/306").unlink()  # it would stand in for a spoiled head
    if path == "checkpoint":  # a line that nobody knows counts for nothing, and so does the log's own date once it is spoilt
        note = Note.decode((log / path).read_bytes())
        (log / path).write_bytes(Note(note.text, (note.signatures[0], *note.signatures[2:])).encode())
    data = (log / path).read_bytes()
    for at in range(0, len(data), max(1, len(data) // 40)):
        for bit in (1, 0x80):
            (log / path).write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            with pytest.raises(LogError):
                open_log(log, logs.trust(2))
    (log / path).write_bytes(data)
    for wrong in (data[:-1], data + b"\x00", b""):
        (log / path).write_bytes(wrong)
        with pytest.raises(LogError):
            open_log(log, logs.trust(2))


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001.p/50", "tile/1/000.p/1"])
def test_changed_tiles_are_noticed(log: Path, path: str) -> None:
    data = (log / path).read_bytes()
    for wrong in (data[:-1] + b"?", data[:-1], data + b"x"):
        (log / path).write_bytes(wrong)
        with pytest.raises(LogError):
            open_log(log, logs.trust(2)).check_tiles()
    (log / path).unlink()
    with pytest.raises(LogRejected):
        open_log(log, logs.trust(2)).check_tiles()


def test_a_quorum_is_needed_and_the_excluded_do_not_count(log: Path) -> None:
    assert open_log(log, logs.trust(2)).signed.times == {"alpha": 1000, "beta": 1100}
    for quorum, exclude in ((3, ()), (2, ("alpha",)), (1, ("alpha", "beta"))):
        with pytest.raises(LogRejected):
            open_log(log, logs.trust(quorum), exclude=exclude)
    assert open_log(log, logs.trust(1), exclude=["alpha"]).committed_time(0) == 1100


def test_without_its_quorum_yet_the_newest_head_waits(log: Path) -> None:
    logs.extend(log, b"later")
    view = open_log(log, logs.trust(2))
    assert (view.size, view.newest.head.size) == (306, 307) and b"later" not in view.entries
    logs.cosigned(log, "gamma", 1200)
    assert open_log(log, logs.trust(1)).size == 307 and open_log(log, logs.trust(2)).size == 306
    logs.cosigned(log, "alpha", 1300)
    assert open_log(log, logs.trust(2)).size == 307
    logs.extend(log, *logs.entries(400, 700))  # bundle 001 becomes full, the older partial ones are gone
    assert not (log / "tile/entries/001.p").exists()
    assert open_log(log, logs.trust(2)).size == 307


def test_dating_entries(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    for name, time in (("alpha", 100), ("beta", 130), ("gamma", 110)):
        logs.cosigned(folder, name, time)
    logs.extend(folder, b"third")
    for name, time in (("alpha", 200), ("gamma", 240)):
        logs.cosigned(folder, name, time)
    two, three = open_log(folder, logs.trust(2)), open_log(folder, logs.trust(1))
    assert [two.committed_time(index) for index in (0, 1, 2)] == [110, 110, 240]
    assert [three.committed_time(index) for index in (0, 2)] == [100, 200]
    assert two.committed_time(0, {"alpha"}) == 130
    for index, exclude in ((2, {"alpha"}), (3, ()), (-1, ())):
        with pytest.raises(LogError):
            two.committed_time(index, exclude)
    with pytest.raises(LogError):  # nobody dates anything where nobody is asked
        open_log(folder, logs.trust(0)).committed_time(0)


def test_the_least_date_may_be_that_of_a_later_head(tmp_path: Path) -> None:
    """Clocks differ: alpha's is late on the first head, beta's on the second."""
    folder = logs.make(tmp_path / "log", 2)
    for name, time in (("alpha", 500), ("beta", 100)):
        logs.cosigned(folder, name, time)
    logs.extend(folder, b"third")
    for name, time in (("gamma", 300), ("beta", 200)):
        logs.cosigned(folder, name, time)
    view = open_log(folder, logs.trust(2))
    assert [view.committed_time(index) for index in (0, 1, 2)] == [300, 300, 300]
    assert view.committed_time(0, {"gamma"}) == 500 and view.committed_time(0) == 300


def test_broken_stored_heads_only_date_later(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    logs.cosigned(folder, "alpha", 100)
    logs.extend(folder, b"third")
    logs.cosigned(folder, "alpha", 200)
    assert open_log(folder, logs.trust(1)).committed_time(0) == 100
    stored = folder / "checkpoints/2"
    good = stored.read_bytes()
    for wrong in (b"", good[:-1], good.replace(b"\n2\n", b"\n1\n"), (folder / "checkpoints/3").read_bytes()):
        stored.write_bytes(wrong)
        assert open_log(folder, logs.trust(1)).committed_time(0) == 200
    stored.unlink()
    (folder / "checkpoints/99999999999999999999").write_bytes(b"")
    (folder / "checkpoints/01").write_bytes(good)
    assert open_log(folder, logs.trust(1)).committed_time(0) == 200


def test_a_stored_head_of_another_history_is_a_fork(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2, 5)
    (folder / "checkpoints/2").write_bytes(logs.signed([b"other", b"entries"]))
    with pytest.raises(LogFork) as caught:
        open_log(folder, logs.trust()).history()
    assert caught.value.evidence.check(logs.ORIGIN, logs.public(100)) == (2, 7)


def test_a_huge_signed_size_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    for size in (2**20 + 1, 2**32, 2**63 - 1):
        head = Checkpoint(logs.ORIGIN, size, bytes(32))
        (folder / "checkpoint").write_bytes(sign_checkpoint(head, logs.LOG).encode())
        with pytest.raises(LogError, match="more than"):
            open_log(folder, logs.trust())


def test_the_total_of_entries_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = logs.make(tmp_path / "log", 2)
    monkeypatch.setattr(reader, "TOTAL_LIMIT", 10)
    with pytest.raises(LogError, match="10 bytes"):
        open_log(folder, logs.trust())


def test_a_head_signed_over_other_entries(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    for size, root in ((2, bytes(32)), (1, tree_root(logs.hashes(logs.entries(0, 2)))), (0, bytes(32))):
        (folder / "checkpoint").write_bytes(sign_checkpoint(Checkpoint(logs.ORIGIN, size, root), logs.LOG).encode())
        with pytest.raises(LogError):
            open_log(folder, logs.trust())


@pytest.mark.parametrize("path", ["checkpoint", "tile/entries/000.p/2", "tile", "tile/entries", "checkpoints"])
def test_symbolic_links_inside_are_refused(tmp_path: Path, path: str) -> None:
    folder = logs.make(tmp_path / "log", 2)
    moved = tmp_path / "elsewhere"
    (folder / path).rename(moved)
    (folder / path).symlink_to(moved)
    if path == "checkpoints":
        with pytest.raises(LogError, match="symbolic"):
            FolderSource(folder).read("checkpoints/2", 1000)
        with pytest.raises(LogError):
            logs.cosigned(folder, "alpha", 1)
        return
    with pytest.raises(LogError, match="symbolic"):
        open_log(folder, logs.trust())


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    (tmp_path / "link").symlink_to(folder)
    assert open_log(tmp_path / "link", logs.trust()).size == 2


def test_pipes_devices_and_folders_do_not_hang(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    bundle = folder / "tile/entries/000.p/2"
    bundle.unlink()
    os.mkfifo(bundle)
    with pytest.raises(LogError, match="regular"):
        open_log(folder, logs.trust())
    bundle.unlink()
    bundle.mkdir()
    with pytest.raises(LogError):
        open_log(folder, logs.trust())
    bundle.rmdir()
    with pytest.raises(LogError, match="missing"):
        open_log(folder, logs.trust())
    with open(bundle, "wb") as file:
        file.truncate(2**33)
    with pytest.raises(LogError, match="larger"):
        open_log(folder, logs.trust())


def test_what_is_not_a_log(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(LogError, match="no log"):
            open_log(place, logs.trust())
    (tmp_path / "file").write_text("x")
    with pytest.raises(LogError):
        open_log(tmp_path / "file", logs.trust())


def test_read_entries_of_a_full_bundle_cut_down(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 256)
    assert tiles.TILE_WIDTH == 256 and read_entries(FolderSource(folder), 100)[0] == logs.entries(0, 100)


def test_a_view_without_entries_has_its_tail_and_the_same_hashes(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 300)
    logs.cosigned(folder, "alpha", 100)
    logs.extend(folder, b"waits")
    for quorum in (0, 1):
        view, bare = open_log(folder, logs.trust(quorum)), open_log(folder, logs.trust(quorum), keep=False)
        assert bare.entries == [] and bare.tail == view.tail and bare.hashes == view.hashes
        assert bare.heads().keys() == view.heads().keys() and bare.check_tiles() == view.check_tiles()
