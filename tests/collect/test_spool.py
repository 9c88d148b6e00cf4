"""The spool's file: torn, damaged, foreign, shared, replaced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claims.collect import spool as module
from claims.collect.errors import CollectError, SpoolError
from claims.collect.samples import FULL, Poll, Seen
from claims.collect.spool import Header, Spool, locked
from claims.collect.timeline import Carry, Slot

SLOTS = Slot("g", 1000, 990, Seen(5, True, ("j", "n"), 3), 3, ""), Slot("", 1000, 0, None, None, "w")
HEADER = Header("alpha", "hall-b", 7, Carry(1000, SLOTS))
POLLS = [
    Poll(1010, {"g": Seen(0, False, None, 4), "h": Seen(FULL, True, ("j", ""), None)}),
    Poll(1020, {}, "http://x: no answer", "the clock was set"),
    Poll(1030, {"g": Seen(1, True, None, 5), "h": Seen(2, True, ("j", ""), None), "i": Seen(2, True, ("", "k\n\u00e9"), None)}),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir(mode=0o700)
    return tmp_path / "spool"


def written(folder: Path) -> Spool:
    spool = Spool.create(folder, HEADER)
    for poll in POLLS:
        spool.append(poll)
    return spool


def test_what_was_appended_is_there_after_a_restart(folder: Path) -> None:
    written(folder).close()
    assert (folder / "spool").stat().st_mode & 0o777 == 0o600
    spool = Spool.open(folder, "alpha", "hall-b")
    assert (spool.header, list(spool.polls()), spool.last) == (HEADER, POLLS, 1030)
    spool.append(Poll(1015))
    assert spool.last == 1030 and list(spool.polls()) == [*POLLS, Poll(1015)]
    spool.close()


def test_the_lines_are_as_documented(folder: Path) -> None:
    written(folder).close()
    lines = (folder / "spool").read_bytes().splitlines(keepends=True)
    for line in lines:
        assert line[:9] == b"%08x " % zlib.crc32(line[9:-1]) and line[-1:] == b"\n"
    header, first, second, third = (json.loads(line[9:]) for line in lines)
    slots = [["g", 1000, 990, 3, [5, True, ["j", "n"], 3], ""], ["", 1000, 0, None, None, "w"]]
    carry = {"at": 1000, "slots": slots}
    assert header == {"carry": carry, "epoch": 7, "format": "standstill-spool/1", "lab": "alpha", "meter": "hall-b"}
    chips = [["g", 0, False, -1, 4], ["h", FULL, True, 0, None]]
    assert first == {"at": 1010, "chips": chips, "jobs": [["j", ""]], "step": "", "trouble": ""}
    assert second == {"at": 1020, "chips": [], "jobs": [], "step": "the clock was set", "trouble": "http://x: no answer"}
    assert [chip[3] for chip in third["chips"]] == [-1, 0, 1]


def test_a_torn_tail_is_cut_off_wherever_it_was_torn(folder: Path) -> None:
    written(folder).close()
    data = (folder / "spool").read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10]
    for length in range(ends[0], len(data) + 1):
        (folder / "spool").write_bytes(data[:length])
        spool = Spool.open(folder, "alpha", "hall-b")
        whole = sum(end <= length for end in ends) - 1
        assert list(spool.polls()) == POLLS[:whole]
        spool.append(POLLS[0])
        assert list(spool.polls()) == [*POLLS[:whole], POLLS[0]]
        spool.close()


def test_a_damaged_line_is_a_break_and_the_others_are_read(folder: Path) -> None:
    written(folder).close()
    data = (folder / "spool").read_bytes()
    lines = data.splitlines(keepends=True)
    begin = len(lines[0]) + len(lines[1])
    for at in range(begin, begin + len(lines[2])):
        if data[at] ^ 1 == 10:
            continue  # a line feed within: two damaged lines
        (folder / "spool").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        spool = Spool.open(folder, "alpha", "hall-b")
        polls = list(spool.polls())
        broken = [poll for poll in polls if poll.at == 0]
        assert broken and all(poll.step and not poll.chips for poll in broken)
        assert polls[0] == POLLS[0] and (polls[-1] == POLLS[2] or at == begin + len(lines[2]) - 1)
        spool.close()


def test_a_damaged_or_foreign_header_is_refused(folder: Path) -> None:
    written(folder).close()
    path, data = folder / "spool", (folder / "spool").read_bytes()
    for at in range(0, data.index(b"\n"), 7):
        path.write_bytes(data[:at] + b"~" + data[at + 1 :])
        with pytest.raises(SpoolError):
            Spool.open(folder, "alpha", "hall-b")
    path.write_bytes(data)
    for lab, meter in (("beta", "hall-b"), ("alpha", "hall-a")):
        with pytest.raises(SpoolError, match="belongs to meter alpha/hall-b"):
            Spool.open(folder, lab, meter)
    path.write_bytes(b"")
    with pytest.raises(SpoolError):
        Spool.open(folder, "alpha", "hall-b")
    path.chmod(0o644)
    with pytest.raises(CollectError, match="private"):
        Spool.open(folder, "alpha", "hall-b")
    path.unlink()
    path.symlink_to("/dev/null")
    with pytest.raises(CollectError):
        Spool.open(folder, "alpha", "hall-b")


KEYS = st.sampled_from(["at", "chips", "jobs", "carry", "slots"])
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(HEADER.meter),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(documents, min_size=1, max_size=3), st.booleans())
def test_any_content_with_right_sums_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: list[object], good: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    lines = [module._encode(document) for document in content]  # type: ignore[arg-type]
    (folder / "spool").touch(mode=0o600)
    (folder / "spool").write_bytes((module._header_line(HEADER) if good else b"") + b"".join(lines))
    try:
        spool = Spool.open(folder, "alpha", "hall-b")
    except SpoolError:
        assert not good
        return
    assert good and len(list(spool.polls())) == len(lines)
    spool.close()


def test_the_next_epoch_keeps_the_polls_that_its_carry_does_not_include(folder: Path) -> None:
    spool = written(folder).advance(Carry(1020), 2)
    assert (spool.header, list(spool.polls()), spool.last) == (Header("alpha", "hall-b", 8, Carry(1020)), POLLS[2:], 1030)
    assert sorted(path.name for path in folder.iterdir()) == ["spool"]
    spool.close()


def test_one_collector_at_a_time_also_from_another_process(folder: Path) -> None:
    code = f"from claims.collect.spool import locked; from pathlib import Path\nwith locked(Path({str(folder)!r})): print('held')"
    root = Path(__file__).resolve().parents[2]
    with locked(folder):
        with pytest.raises(CollectError, match="another collector"), locked(folder):
            pass
        done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
        assert done.returncode and "another collector uses" in done.stderr
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout == "held\n"


def test_a_folder_that_others_can_read_is_refused_and_leftovers_are_cleared(folder: Path) -> None:
    folder.chmod(0o755)
    with pytest.raises(CollectError, match="read by others"), locked(folder):
        pass
    folder.chmod(0o700)
    (folder / ".spool.x1y2").touch()
    with locked(folder):
        assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_full_disk_is_said_and_leaves_whole_lines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = written(folder)

    class Full:
        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

        def write(self, handle: int, data: bytes) -> int:
            return os.write(handle, data[:20])

    monkeypatch.setattr(module, "os", Full())
    with pytest.raises(CollectError, match="no space left"):
        spool.append(Poll(1040))
    monkeypatch.undo()
    assert (folder / "spool").read_bytes().endswith(b"\n") and list(spool.polls()) == POLLS
    spool.close()


def test_a_poll_is_on_disk_before_the_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, calls = written(folder), []

    class Watched:
        def __getattr__(self, name: str) -> object:
            def call(*arguments: object) -> object:
                calls.append(name)
                return getattr(os, name)(*arguments)

            return call

    monkeypatch.setattr(module, "os", Watched())
    spool.append(Poll(1040))
    monkeypatch.undo()
    assert calls[-2:] == ["write", "fsync"]
    spool.close()
