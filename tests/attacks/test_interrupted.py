"""Commands that are killed, or whose disk is full, at any step: the same command again ends well, and no key said two things."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from claims.cli.main import main
from claims.lab.store import Store
from tests.attacks.test_key_mistakes import BOOKS, begun
from tests.cli.test_key_commands import Office, entries

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
STEPS = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate", "os.rmdir"}


class Stop:
    """Ends a process at its n-th step that changes a disk: a file is opened to write, named, removed, or a transaction begins or ends."""

    def __init__(self, step: int, act: Callable[[], None]) -> None:
        self.left, self.act = step, act
        connect = sqlite3.connect

        def watched(*given: object, **more: object) -> sqlite3.Connection:
            db = connect(*given, **more)  # type: ignore[call-overload]
            db.set_trace_callback(lambda text: self.step() if text.split(" ")[0].rstrip(";") in ("BEGIN", "COMMIT") else None)
            return db

        sqlite3.connect = watched  # type: ignore[assignment]
        sys.addaudithook(self.saw)

    def saw(self, event: str, given: tuple[object, ...]) -> None:
        if event in STEPS or (event == "open" and isinstance(given[2], int) and given[2] & WRITES):
            self.step()

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()


def child(arguments: tuple[object, ...], begin: Callable[[], object]) -> int:
    """A command in a process of its own; its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(started(arguments, begin), 0)[1])


def at_once(commands: Sequence[tuple[object, ...]]) -> list[int]:
    """Exit codes of commands that run at the same time."""
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in [started(command, lambda: None) for command in commands]]


def started(arguments: tuple[object, ...], begin: Callable[[], object]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        begin()
        main([str(item) for item in arguments])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 98
    finally:
        os._exit(code)


def until_done(arguments: tuple[object, ...], act: Callable[[], None]) -> None:
    """Stop a command at its first step, then at its second, and so on, each time after what the stop before left, until it ends."""
    for step in range(1, MOST):
        code = child(arguments, lambda at=step: Stop(at, act))  # type: ignore[misc]
        if code not in STOPPED or (arguments[:2] == CLOSE and closed()):  # which then says that it is closed already
            assert code == 0 or arguments[:2] == CLOSE, (arguments, step, code)
            return
    raise AssertionError(f"{arguments}: never done")


def closed() -> bool:
    with Store.open("lab.store") as store:
        return store.registry_head(0) is not None


MOST = 100
CLOSE = ("lab", "close")
STOPPED = (2, -signal.SIGKILL)
LIFE = (
    ("epoch", "seal", "hall-1", *BOOKS, "-k", "keys/hall-1.key", "--through", 2),
    ("meter", "lost", "hall-2", *BOOKS, "-k", "lab.key", "--from-epoch", 0, "--yes"),
    ("epoch", "publish", *BOOKS, "-k", "lab.key", "-o", "out", "--through", 2),
    ("log", "append", "LOG", "out/lab-lost-hall-2-0.entry", *entries(2), "-a", "agreement.toml", "-k", "log.key"),
    ("meter", "close", "--all", *BOOKS, "-n", 0, "--keys", "keys", "--yes"),
    (*CLOSE, *BOOKS, "-n", 0),
    ("prove", *BOOKS, "--log", "LOG", "-k", "lab.key", "-n", 0),
    ("log", "append", "LOG", "lab-0.entry", "-a", "agreement.toml", "-k", "log.key"),
    ("log", "cosign", "LOG", "-a", "agreement.toml", "--name", "rival", "-k", "cosign.key", "--memory", "rival.memory"),
)
"""From the first hour to a claim in the log."""


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], any_proof: None) -> Office:
    monkeypatch.setenv("STANDSTILL_STATE", "state")  # a copy of the folder is another world
    monkeypatch.setattr("claims.lab.prove.in_this_process", lambda tables, _: ((number, b"proof") for number in range(len(tables))))
    office = begun(Office(tmp_path, monkeypatch, capsys))
    office.usage("hall-1,0,,3600")
    return office


def judged(office: Office) -> None:
    assert office.run("verify", "lab-0.claim", "-a", "agreement.toml", "--log", "LOG").startswith("PROVEN")


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.slow
@pytest.mark.parametrize("act", [killed, full])
def test_stopped_at_every_step_one_after_the_other(office: Office, act: Callable[[], None]) -> None:
    for command in LIFE:
        until_done(command, act)
    judged(office)


@pytest.mark.slow
def test_killed_at_each_step_and_run_again(office: Office, tmp_path: Path) -> None:
    """Each step from the same beginning."""
    copy = tmp_path.with_name(f"{tmp_path.name}-copy")
    for command in LIFE:
        for step in range(1, MOST):
            shutil.copytree(tmp_path, copy)
            os.chdir(copy)
            code = child(command, lambda at=step: Stop(at, killed))  # type: ignore[misc]
            if code == -signal.SIGKILL:
                assert child(command, lambda: None) in (0, 2 if command[:2] == CLOSE else 0), (command, step)
            os.chdir(tmp_path)
            shutil.rmtree(copy)
            if code == 0:
                break
        assert code == 0 and step > 1
        office.run(*command)
    judged(office)


@pytest.mark.slow
def test_files_that_may_not_grow(office: Office) -> None:
    """Any limit on a file's size: it is said, or the command ends well; what it left is no obstacle."""
    for command in LIFE:
        codes = {child(command, lambda at=size: limited(at)) for size in (0, 1, 512, 4096, 4097, 20_000, 100_000)}  # type: ignore[misc]
        assert codes <= {0, 2}, (command, codes)
        assert child(command, lambda: None) in (0, 2 if command[:2] == CLOSE else 0)
    judged(office)


def limited(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.mark.slow
def test_three_of_each_at_once(office: Office) -> None:
    """Each of them ends well, or says that another was faster; together they are as one."""
    for command in LIFE:
        codes = at_once([command] * 3)
        assert 0 in codes and set(codes) <= {0, 2}, (command, codes)
        assert child(command, lambda: None) in (0, 2 if command[:2] == CLOSE else 0)
    judged(office)
