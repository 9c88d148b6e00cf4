"""Commands that are killed, or whose disk is full, at any step: the same command again ends well, and no key said two things."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from desk import HOUR, START
from made_up import believe

from claims.base import clock
from claims.cli.main import main
from claims.lab.store import Store
from tests.attacks.test_key_mistakes import BOOKS, begun
from tests.cli.test_key_commands import Office, entries

NOW = START + 3 * HOUR + 60
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
STEPS = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate", "os.rmdir"}


class Stop:
    """Acts at a process's n-th step that changes a disk, and at all later ones: a file is opened to write, named, removed, or a transaction
    begins or ends."""

    def __init__(self, step: int, act: Callable[[str], None]) -> None:
        self.left, self.act = step, act
        connect = sqlite3.connect

        def watched(*given: object, **more: object) -> sqlite3.Connection:
            db = connect(*given, **more)  # type: ignore[call-overload]
            db.set_trace_callback(lambda text: self.step(text) if text.split(" ")[0].rstrip(";") in ("BEGIN", "COMMIT") else None)
            return db

        sqlite3.connect = watched  # type: ignore[assignment]
        sys.addaudithook(self.saw)

    def saw(self, event: str, given: tuple[object, ...]) -> None:
        if event in STEPS or (event == "open" and isinstance(given[2], int) and given[2] & WRITES):
            self.step(event)

    def step(self, what: str) -> None:
        self.left -= 1
        if self.left <= 0:
            self.act(what)


@dataclass
class Server:
    """A process of its own from which commands are forked: this one may have more address space than a fork is allowed."""

    process: subprocess.Popen[str]

    def codes(self, commands: Sequence[tuple[object, ...]], **how: object) -> list[int]:
        """Exit codes of commands at the same time, in this folder; negative for a signal. ``how``: as :func:`started` has it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        asked = {"folder": os.getcwd(), "commands": [[str(item) for item in command] for command in commands], "how": how}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return [int(code) for code in json.loads(self.process.stdout.readline())]

    def code(self, command: tuple[object, ...], **how: object) -> int:
        """Of one command."""
        return self.codes([command], **how)[0]


def serve() -> None:
    """What the process does."""
    patch = pytest.MonkeyPatch()
    believe(patch)
    patch.setattr("claims.lab.prove.in_this_process", lambda tables, _: ((number, b"proof") for number in range(len(tables))))
    patch.setattr(clock, "now", lambda: NOW)
    patch.setenv("STANDSTILL_STATE", "state")  # a copy of the folder is another world
    for line in sys.stdin:
        asked = json.loads(line)
        os.chdir(asked["folder"])
        pids = [started(command, **asked["how"]) for command in asked["commands"]]
        print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]), flush=True)


def started(command: list[str], act: str = "", step: int = 0, size: int = -1) -> int:
    """Fork a command, which is killed or finds the disk full (``act``) from a step on, or may write no file larger than ``size`` bytes."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        for stream in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        stop = Stop(step, {"killed": killed, "full": full}[act]) if act else None
        if size >= 0:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        main(command)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 98
        if code == 0 and stop is not None and stop.left <= 0:
            code = ALL_THE_SAME
    finally:
        os._exit(code)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    call = "from tests.attacks.test_interrupted import serve; serve()"
    root, within = Path(__file__).parents[2], os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", call], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root, env=within
    ) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


def until_done(server: Server, arguments: tuple[object, ...], act: str) -> None:
    """Stop a command at its first step, then at its second, and so on, each time after what the stop before left, until it ends."""
    for step in range(1, MOST):
        code = server.code(arguments, act=act, step=step)
        if code not in STOPPED or (arguments[:2] == CLOSE and closed()):  # which then says that it is closed already
            assert code == 0 or arguments[:2] == CLOSE, (arguments, step, code)
            return
    raise AssertionError(f"{arguments}: never done")


def closed() -> bool:
    with Store.open("lab.store") as store:
        return store.registry_head(0) is not None


MOST = 100
CLOSE = ("lab", "close")
ALL_THE_SAME = 77
"""Of a command that was stopped, and did what it should: what it could not write was a cache, say."""
STOPPED = (2, ALL_THE_SAME, -signal.SIGKILL)
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
    monkeypatch.setenv("STANDSTILL_STATE", "state")
    monkeypatch.setattr("claims.lab.prove.in_this_process", lambda tables, _: ((number, b"proof") for number in range(len(tables))))
    office = begun(Office(tmp_path, monkeypatch, capsys))
    office.usage("hall-1,0,,3600")
    return office


def judged(office: Office) -> None:
    assert office.run("verify", "lab-0.claim", "-a", "agreement.toml", "--log", "LOG").startswith("PROVEN")


def killed(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full(what: str) -> None:
    if what not in ("os.remove", "os.rmdir"):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.slow
@pytest.mark.parametrize("act", ["killed", "full"])
def test_stopped_at_every_step_one_after_the_other(office: Office, server: Server, act: str) -> None:
    for command in LIFE:
        until_done(server, command, act)
    judged(office)


@pytest.mark.slow
def test_killed_at_each_step_and_run_again(office: Office, server: Server, tmp_path: Path) -> None:
    """Each step from the same beginning."""
    copy = tmp_path.with_name(f"{tmp_path.name}-copy")
    for command in LIFE:
        for step in range(1, MOST):
            shutil.copytree(tmp_path, copy)
            os.chdir(copy)
            code = server.code(command, act="killed", step=step)
            if code == -signal.SIGKILL:
                assert server.code(command) in (0, 2 if command[:2] == CLOSE else 0), (command, step)
            os.chdir(tmp_path)
            shutil.rmtree(copy)
            if code == 0:
                break
        assert code == 0 and step > 1
        office.run(*command)
    judged(office)


def test_files_that_may_not_grow(office: Office, server: Server) -> None:
    """Any limit on a file's size: it is said, or the command ends well; what it left is no obstacle."""
    for command in LIFE:
        codes = {server.code(command, size=size) for size in (0, 1, 512, 4096, 4097, 20_000, 100_000)}
        assert codes <= {0, 2}, (command, codes)
        assert server.code(command) in (0, 2 if command[:2] == CLOSE else 0)
    judged(office)


def test_three_of_each_at_once(office: Office, server: Server) -> None:
    """Each of them ends well, or says that another was faster; together they are as one."""
    for command in LIFE:
        codes = server.codes([command] * 3)
        assert 0 in codes and set(codes) <= {0, 2}, (command, codes)
        assert server.code(command) in (0, 2 if command[:2] == CLOSE else 0)
    judged(office)
