"""Forks and rewinds: found by whoever remembers, and shown to whoever holds the log's key alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from claims.tlog.checkpoint import Checkpoint, cosign_text, sign_checkpoint
from claims.tlog.cosign import add_cosignatures, cosign
from claims.tlog.errors import LogError, LogRejected, LogRewind
from claims.tlog.evidence import LogEvidence, LogFork
from claims.tlog.memory import LogMemory
from claims.tlog.note import Note
from claims.tlog.reader import open_log
from claims.tlog.writer import LogWriter
from tests.tlog import logs

LOG = (logs.ORIGIN, logs.public(100))


def fork(tmp_path: Path, common: int, one: int, two: int) -> tuple[Path, Path]:
    """Two logs of one key that agree on ``common`` entries and then have ``one`` and ``two`` different ones."""
    left = logs.make(tmp_path / "left", common) if common else logs.make(tmp_path / "left")
    right = logs.copy(left, tmp_path / "right")
    logs.extend(left, *[b"left %d" % i for i in range(one)])
    logs.extend(right, *[b"right %d" % i for i in range(two)])
    return left, right


@pytest.mark.parametrize(("common", "one", "two"), [(5, 2, 2), (0, 1, 1), (5, 2, 9), (5, 9, 2), (300, 1, 400), (256, 1, 1), (7, 1, 1)])
def test_a_fork_is_found_and_convinces_a_third_party(tmp_path: Path, common: int, one: int, two: int) -> None:
    left, right = fork(tmp_path, common, one, two)
    memory = LogMemory.load(tmp_path / "memory", logs.trust())
    memory.update(open_log(left, logs.trust()))
    again = LogMemory.load(tmp_path / "memory", logs.trust())
    with pytest.raises(LogFork) as caught:
        again.update(open_log(right, logs.trust()))
    evidence = LogEvidence.decode(caught.value.evidence.encode())
    assert evidence.check(*LOG) == tuple(sorted((common + one, common + two)))
    assert len(evidence.encode()) < 8192
    for origin, key in ((logs.ORIGIN, logs.public(99)), ("other", logs.public(100))):
        with pytest.raises(LogRejected):
            evidence.check(origin, key)
    assert LogMemory.load(tmp_path / "memory", logs.trust()).note == again.note  # what was seen first stays


@pytest.mark.parametrize(("common", "one", "two"), [(5, 2, 2), (5, 2, 9), (300, 1, 400)])
def test_no_cosigner_cosigns_both_sides(tmp_path: Path, common: int, one: int, two: int) -> None:
    left, right = fork(tmp_path, common, one, two)
    memory = LogMemory.load(tmp_path / "memory", logs.trust())
    cosign(left, logs.key(101), "alpha", memory, 10)
    before = (right / "checkpoint").read_bytes()
    for _ in range(2):
        with pytest.raises(LogFork):
            cosign(right, logs.key(101), "alpha", LogMemory.load(tmp_path / "memory", logs.trust()), 20)
    assert (right / "checkpoint").read_bytes() == before
    with pytest.raises(LogRejected):  # nor can the cosignature of the one side be carried over
        add_cosignatures(right, logs.trust(), (left / "checkpoint").read_bytes()) if one == two else open_log(right, logs.trust(1))


def test_a_rewind_is_found_but_convicts_nobody(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 5)
    old = logs.copy(folder, tmp_path / "old")
    logs.extend(folder, b"withdrawn")
    memory = LogMemory.load(tmp_path / "memory", logs.trust())
    memory.update(open_log(folder, logs.trust()))
    with pytest.raises(LogRewind) as caught:
        memory.check(open_log(old, logs.trust()))
    with pytest.raises(LogRewind):
        cosign(old, logs.key(101), "alpha", memory, 10)
    with pytest.raises(LogRejected):
        LogEvidence.of(logs.trust(), caught.value.seen, caught.value.shown, memory.hashes)
    logs.extend(old, b"put in its place")  # and then it is a fork
    with pytest.raises(LogFork) as forked:
        memory.check(open_log(old, logs.trust()))
    assert forked.value.evidence.check(*LOG) == (6, 6)


def test_a_fork_below_the_remembered_size_is_a_fork_not_a_rewind(tmp_path: Path) -> None:
    left, right = fork(tmp_path, 2, 9, 1)
    memory = LogMemory.load(tmp_path / "memory", logs.trust())
    memory.update(open_log(left, logs.trust()))
    with pytest.raises(LogFork) as caught:
        memory.check(open_log(right, logs.trust()))
    assert caught.value.evidence.check(*LOG) == (3, 11)


def honest(tmp_path: Path) -> tuple[bytes, bytes, list[bytes]]:
    folder = logs.make(tmp_path / "log", 5, 4)
    return (folder / "checkpoints/5").read_bytes(), (folder / "checkpoint").read_bytes(), logs.hashes(logs.entries(0, 9))


def test_honest_heads_are_no_evidence(tmp_path: Path) -> None:
    five, nine, hashes = honest(tmp_path)
    for one, two, given in ((five, nine, hashes), (nine, five, hashes), (five, five, ()), (five, nine, ()), (five, nine, hashes[:8])):
        with pytest.raises(LogRejected):
            LogEvidence.of(logs.trust(), one, two, given)


def test_evidence_cannot_be_made_up(tmp_path: Path) -> None:
    """No choice of hashes or foreign heads accuses an honest log."""
    five, nine, hashes = honest(tmp_path)
    true = LogEvidence(*LOG, five, nine, tuple(logs_prefix(hashes, 5)))
    for wrong in (
        true, replace(true, nodes=()), replace(true, nodes=true.nodes[::-1]), replace(true, nodes=(bytes(32), *true.nodes[1:])),
        replace(true, nodes=(*true.nodes, bytes(32))), replace(true, smaller=nine, larger=five),
        replace(true, smaller=five, larger=five, nodes=()), replace(true, nodes=tuple(logs_prefix(hashes, 4))),
        replace(true, larger=nine.replace(b"\n9\n", b"\n10\n")), replace(true, larger=b"junk"), replace(true, smaller=b""),
        replace(true, larger=sign_checkpoint(Checkpoint(logs.ORIGIN, 9, bytes(32)), logs.key(99)).encode()),
        replace(true, larger=sign_checkpoint(Checkpoint("other", 9, bytes(32)), logs.LOG).encode()),
    ):
        with pytest.raises(LogRejected):
            wrong.check(*LOG)


def logs_prefix(hashes: list[bytes], old: int) -> list[bytes]:
    from claims.tlog.proof import prefix_proof

    return prefix_proof(hashes, old)


def test_hostile_evidence_files(tmp_path: Path) -> None:
    left, right = fork(tmp_path, 5, 2, 9)
    memory = LogMemory.load(tmp_path / "memory", logs.trust())
    memory.update(open_log(left, logs.trust()))
    with pytest.raises(LogFork) as caught:
        memory.check(open_log(right, logs.trust()))
    data = caught.value.evidence.encode()
    value = json.loads(data)
    for change in (
        {"format": "standstill-log-evidence/2"}, {"heads": value["heads"][:1]}, {"heads": [1, 2]}, {"key": "00"}, {"origin": 5},
        {"nodes": ["zz"]}, {"nodes": ["00"]}, {"nodes": ["00" * 32] * 65}, {"nodes": 3}, {"more": 1}, {"heads": None},
    ):
        with pytest.raises(LogError):
            LogEvidence.decode((json.dumps(value | change, sort_keys=True, indent=2) + "\n").encode())
    for bad in (b"", b"[" * 10000, b"null", data[:-1], data + b"\n", b" " * 600000, b"\xff", data.replace(b"  ", b" ", 1)):
        with pytest.raises(LogError):
            LogEvidence.decode(bad)


def test_a_memory_of_another_log_or_damaged_is_refused(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 5)
    path = tmp_path / "memory"
    LogMemory.load(path, logs.trust()).update(open_log(folder, logs.trust()))
    assert path.stat().st_mode & 0o777 == 0o600
    data = path.read_bytes()
    with pytest.raises(LogRejected):
        LogMemory.load(path, replace(logs.trust(), origin="other"))
    with pytest.raises(LogRejected):
        LogMemory.load(path, replace(logs.trust(), key=logs.public(99)))
    value = json.loads(data)
    for change in (
        {"note": None}, {"hashes": ""}, {"hashes": "AAAA"}, {"cosigned": -1}, {"cosigned": True}, {"format": "x"}, {"origin": 1},
        {"note": value["note"].replace("\n5\n", "\n4\n")}, {"key": "00"}, {"x": 1},
    ):
        path.write_text(json.dumps(value | change, sort_keys=True, indent=2) + "\n")
        with pytest.raises(LogError):
            LogMemory.load(path, logs.trust())
    for bad in (b"", b"{", data[:-2], b"\xff" + data):
        path.write_bytes(bad)
        with pytest.raises(LogError):
            LogMemory.load(path, logs.trust())
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(LogError):  # a memory that is gone is not a fresh one
        LogMemory.load(path, logs.trust())


# ---- cosigning ---------------------------------------------------------------------------------------------------


def test_cosigning_again_keeps_the_first_time(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    first = logs.cosigned(folder, "alpha", 100)
    assert logs.cosigned(folder, "alpha", 200) == first
    assert open_log(folder, logs.trust(1)).committed_time(0) == 100
    (folder / "checkpoint").write_bytes(logs.signed(logs.entries(0, 2)))  # lost from the one file: taken from the other
    logs.cosigned(folder, "alpha", 300)
    assert (folder / "checkpoint").read_bytes() == (folder / "checkpoints/2").read_bytes()


def test_a_clock_that_goes_back_is_refused(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    logs.cosigned(folder, "alpha", 100)
    logs.extend(folder, b"x")
    with pytest.raises(LogError, match="clock"):
        logs.cosigned(folder, "alpha", 99)
    logs.cosigned(folder, "alpha", 100)


def test_cosigning_from_a_copy_and_adding_at_the_operator(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    mirror = logs.copy(folder, tmp_path / "mirror")
    note = logs.cosigned(mirror, "alpha", 100)
    logs.cosigned(folder, "beta", 50)
    assert add_cosignatures(folder, logs.trust(), note.encode()) == ["alpha"]
    assert add_cosignatures(folder, logs.trust(), note.encode()) == ["alpha"]
    signed = open_log(folder, logs.trust(2)).signed
    assert signed.times == {"alpha": 100, "beta": 50} and len(signed.note.signatures) == 4
    logs.extend(folder, b"x")
    late = logs.cosigned(mirror, "gamma", 70)
    add_cosignatures(folder, logs.trust(), late.encode())  # goes to the stored head, not onto the newer one
    assert open_log(folder, logs.trust(3)).size == 2 and open_log(folder, logs.trust()).signed.times == {}


def test_signature_lines_alone_are_added_to_the_head_they_are_on(tmp_path: Path) -> None:
    """A C2SP witness answers with its lines, without the head."""
    folder = logs.make(tmp_path / "log", 2)
    alpha = logs.cosigned(logs.copy(folder, tmp_path / "mirror"), "alpha", 100).signatures[-1]
    logs.extend(folder, b"x")
    newest = logs.cosigned(logs.copy(folder, tmp_path / "second"), "beta", 110)
    named = cosign_text(newest.text, "example.org/w1", logs.key(103), 120)
    stranger = cosign_text(newest.text, "stranger", logs.key(7), 130)
    assert add_cosignatures(folder, logs.trust(), alpha.line().encode()) == ["alpha"]
    given = "".join(item.line() for item in (newest.signatures[-1], named, stranger))
    assert add_cosignatures(folder, logs.trust(), given.encode()) == ["beta", "gamma"]
    view = open_log(folder, logs.trust(2))
    assert view.size == 3 and view.signed.times == {"beta": 110, "gamma": 120} and view.history()[2].times == {"alpha": 100}
    spoiled = replace(alpha, data=bytes(72)).line()
    for data in (stranger.line(), spoiled, given + spoiled, given[:-1], given + "\n", given + "x\n"):
        with pytest.raises(LogError):
            add_cosignatures(folder, logs.trust(), data.encode())


def test_no_head_gets_more_lines_than_tools_read(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    note = Note.decode((folder / "checkpoint").read_bytes())
    trust = replace(logs.trust(), cosigners={f"w{number}": logs.public(1000 + number) for number in range(110)})
    lines = [cosign_text(note.text, f"w{number}", logs.key(1000 + number), number) for number in range(110)]
    add_cosignatures(folder, trust, "".join(item.line() for item in lines[: 100 - len(note.signatures)]).encode())
    with pytest.raises(LogError, match="100 signatures"):
        add_cosignatures(folder, trust, lines[100].line().encode())
    assert len(Note.decode((folder / "checkpoint").read_bytes()).signatures) == 100


def test_one_cosigner_takes_the_room_of_two_cosignatures(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    note = Note.decode((folder / "checkpoint").read_bytes())
    lines = [cosign_text(note.text, f"w{number % 7}", logs.key(101), number) for number in range(90)]
    add_cosignatures(folder, logs.trust(), "".join(item.line() for item in lines).encode())
    assert Note.decode((folder / "checkpoint").read_bytes()).signatures == (*note.signatures, lines[0], lines[-1])


def test_cosignatures_that_are_not_added(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    note = logs.cosigned(logs.copy(folder, tmp_path / "mirror"), "alpha", 100)
    spoiled = replace(note.signatures[1], data=bytes(72))
    cases = (
        Note(note.text, (note.signatures[0], spoiled)).encode(), Note(note.text, note.signatures[1:]).encode(),
        logs.signed([b"1", b"2"]), logs.signed(logs.entries(0, 3)), b"junk",
    )
    before = (folder / "checkpoint").read_bytes()
    for data in cases:
        with pytest.raises(LogError):
            add_cosignatures(folder, logs.trust(), data)
    stranger = cosign(logs.copy(folder, tmp_path / "m2"), logs.key(7), "stranger", LogMemory.load(tmp_path / "s", logs.trust()), 1)
    assert add_cosignatures(folder, logs.trust(), stranger.encode()) == []
    assert (folder / "checkpoint").read_bytes() == before


def test_nothing_is_cosigned_whose_entries_are_not_there(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 2)
    (folder / "tile/entries/000.p/2").unlink()
    with pytest.raises(LogError):
        logs.cosigned(folder, "alpha", 100)
    with pytest.raises(LogError):
        logs.cosigned(tmp_path / "missing", "alpha", 100)


def test_what_is_cosigned_is_remembered_before_it_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = logs.make(tmp_path / "log", 2)

    def refuse(*arguments: object) -> None:
        raise LogError("disk full")

    monkeypatch.setattr(LogMemory, "update", refuse)
    before = (folder / "checkpoint").read_bytes()
    with pytest.raises(LogError, match="disk full"):
        logs.cosigned(folder, "alpha", 100)
    assert (folder / "checkpoint").read_bytes() == before


def test_cosigning_waits_for_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from claims.tlog import disk

    folder = logs.make(tmp_path / "log", 2)
    monkeypatch.setattr(disk.time, "monotonic", iter(range(0, 1000, 11)).__next__)
    with LogWriter.open(folder, logs.LOG), pytest.raises(LogError, match="another process"):
        logs.cosigned(folder, "alpha", 100)


def test_two_readings_of_one_log_are_one_history(tmp_path: Path) -> None:
    """A host shows one history to who counts all cosigners, and another to who leaves one out."""
    folder = logs.make(tmp_path / "log", 2)
    logs.copy(folder, tmp_path / "fork")
    short = open_log(folder, logs.trust())
    logs.extend(folder, logs.entry(2))
    logs.extend(tmp_path / "fork", logs.entry(3), logs.entry(4))
    long, fork = open_log(folder, logs.trust()), open_log(tmp_path / "fork", logs.trust())
    long.check_prefix(short)
    long.check_prefix(long)
    with pytest.raises(LogRejected, match="a moment ago"):
        short.check_prefix(long)
    with pytest.raises(LogFork) as caught:
        fork.check_prefix(long)
    assert caught.value.evidence.check(logs.ORIGIN, logs.public(100)) == (3, 4)
