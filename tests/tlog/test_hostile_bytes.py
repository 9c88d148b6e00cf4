"""Mutated files of every kind end in a typed error or in the same meaning; readers beside a writer see whole logs."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from claims.tlog.checkpoint import SignedCheckpoint
from claims.tlog.errors import LogError
from claims.tlog.evidence import LogEvidence, LogFork
from claims.tlog.memory import LogMemory
from claims.tlog.proof import TLogProof
from claims.tlog.reader import open_log
from claims.tlog.writer import LogWriter
from tests.tlog import logs

Reader = Callable[[bytes], object]
TOKENS = [b"", b"\n", b"\n\n", b"\x00", b"\xff", b"\xe2\x80\x94 ", b"+", b"=", b"9" * 30, b"-1", b"[", b"{}", b"null", b"\\ud800", b"1e400"]


def mutations(data: bytes, count: int) -> list[bytes]:
    generator = random.Random(len(data))
    found = []
    for _ in range(count):
        start = generator.randrange(len(data) + 1)
        end = min(len(data), start + generator.choice((0, 1, 1, 2, 8, 50)))
        middle = generator.choice([*TOKENS, bytes([generator.randrange(256)]), data[start:end] * 2, data[: generator.randrange(len(data))]])
        found.append(data[:start] + middle + data[end:])
    return found


@pytest.fixture
def files(tmp_path: Path) -> dict[str, tuple[bytes, Reader]]:
    folder = logs.make(tmp_path / "log", 3, 4)
    fork = logs.make(tmp_path / "fork", 3)
    logs.extend(fork, b"other")
    memory = LogMemory.load(tmp_path / "memory", logs.trust())
    memory.update(open_log(fork, logs.trust()), 5)
    with pytest.raises(LogFork) as caught:
        memory.check(open_log(folder, logs.trust()))
    logs.cosigned(folder, "alpha", 9)
    view = open_log(folder, logs.trust(1))

    def remembered(data: bytes) -> object:
        (tmp_path / "mutant").write_bytes(data)
        loaded = LogMemory.load(tmp_path / "mutant", logs.trust())
        return None if loaded.note is None else SignedCheckpoint.open(loaded.note, logs.trust()).head, loaded.hashes

    def dated(data: bytes) -> object:
        (folder / "checkpoints/3").write_bytes(data)
        return sorted(open_log(folder, logs.trust(1)).history())[-1]

    return {
        "head": (view.checkpoint, lambda data: SignedCheckpoint.open(data, logs.trust(1)).head),
        "proof": (view.prove(2, b"extra").encode(), lambda data: TLogProof.decode(data).check(logs.entry(2), logs.trust(1)).head),
        "evidence": (caught.value.evidence.encode(), lambda data: LogEvidence.decode(data).check(logs.ORIGIN, logs.public(100))),
        "memory": ((tmp_path / "memory").read_bytes(), remembered),
        "stored": ((folder / "checkpoints/3").read_bytes(), dated),
    }


@pytest.mark.parametrize("name", ["head", "proof", "evidence", "memory", "stored"])
def test_mutants_mean_the_same_or_are_refused(files: dict[str, tuple[bytes, Reader]], name: str) -> None:
    data, read = files[name]
    good, refused = read(data), 0
    for mutant in mutations(data, 400):
        try:
            assert read(mutant) == good
        except LogError:
            refused += 1
    assert refused > 200 or name == "stored"


def test_readers_beside_a_writer_see_whole_logs(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 1)
    failures: list[BaseException] = []

    def append() -> None:
        try:
            with LogWriter.open(folder, logs.LOG) as writer:
                while writer.size < 800:
                    writer.append(logs.entries(writer.size, writer.size + 17))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=append)
    thread.start()
    sizes = set()
    while thread.is_alive():
        view = open_log(folder, logs.trust())
        assert view.entries == logs.entries(0, view.size)
        sizes.add(view.size)
    thread.join()
    assert not failures and len(sizes) > 5
