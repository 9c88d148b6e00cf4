"""``standstill meter run`` and ``meter spool`` as a user meets them, in real time and over real HTTP."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_exporter import Exporter, Gpu
from lab_fixtures import METER_KEYS

from claims.cli.main import main
from claims.collect import fetch
from claims.collect.errors import CollectError, PollFailed
from claims.collect.fetch import Endpoint
from claims.lab.store import Store

ROOT = Path(__file__).resolve().parents[2]
PAIR = ("GPU-aaaa0001", "GPU-aaaa0002")
PROGRAM = "import claims.cli.meter; from claims.cli.main import main; main()"
TEMPLATE = """\
format = "standstill-agreement/3"
name = "test"
start = {start}
epoch = "1 s"
epochs_per_period = 1000
periods = 3
[rules]
charge = "metered"
residue = "charge-every-lineage"
[[party]]
name = "alpha"
key = "{lab}"
[[chip]]
name = "h100"
peak = "1.979e15 FLOP/s"
note = "fp8"
[[lab]]
name = "alpha"
log_rows = 16
opening_head = "{opening}"
since_period = 0
[lab.caps]
total = "1e25 FLOP"
unattributed = "1e24 FLOP"
lineage = "1e25 FLOP"
[[meter]]
lab = "alpha"
name = "hall-b"
chip = "h100"
chips = 2
key = "{meter}"
"""


def standstill(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, **options)  # type: ignore[call-overload]


@dataclasses.dataclass
class World:
    folder: Path
    exporter: Exporter
    start: int

    def arguments(self, *more: object) -> list[str]:
        folder = self.folder
        fixed = ("--store", folder / "s", "--agreement", folder / "a.toml", "--key", folder / "k", "--spool", folder / "spool")
        timing = ("--interval", 0.1, "--max-gap", 3, "--timeout", 60)
        return [str(item) for item in ("meter", "run", "hall-b", "--unsigned", *fixed, "-e", self.exporter.url, *timing, *more)]

    def store(self) -> Store:
        return Store.open(self.folder / "s")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Path]:
    """Store and keys, made once by the commands that make them."""
    folder = tmp_path_factory.mktemp("made")
    done = standstill("lab", "init", "alpha", "--store", folder / "s")
    opening = re.search(r'"(.*)"', done.stdout)[1]  # type: ignore[index]
    done = standstill(
        "meter", "init", "hall-b", "--lab", "alpha", "--chip", "h100", "--chips", 2, "-k", folder / "k", "--no-passphrase"
    )
    key = re.search(r'key = "(.*)"', done.stdout)[1]  # type: ignore[index]
    return opening, key, folder


@pytest.fixture
def world(tmp_path: Path, made: tuple[str, str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("STANDSTILL_STATE", str(tmp_path / "state"))  # each world has the same keys and a store of its own
    opening, meter, source = made
    for name in ("s", "k"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
        (tmp_path / name).chmod(0o600)
    lab = "ed25519:" + METER_KEYS["hall-a"].public_key().public_bytes_raw().hex()
    start = int(time.time()) + 2
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start))
    (tmp_path / "a.toml").write_text(TEMPLATE.format(start=moment, lab=lab, opening=opening, meter=meter))
    with Exporter([Gpu(uuid, "0.5", 97, jobs=("llm",)) for uuid in PAIR], live=True) as exporter:
        yield World(tmp_path, exporter, start)


def say_until(process: subprocess.Popen[str], pattern: str) -> list[str]:
    """Lines of a process up to the first that the pattern is found in; it is waited for as long as it takes."""
    said = []
    for line in process.stdout or ():
        said.append(line.rstrip("\n"))
        if re.search(pattern, line):
            return said
    raise AssertionError(f"it ended without {pattern}: {said}")


def running(world: World, *more: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *world.arguments(*more)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_it_runs_seals_and_ends_cleanly_on_a_signal(world: World, number: signal.Signals) -> None:
    jobs = world.folder / "jobs.csv"
    jobs.write_text("job,checkpoint\nllm,llm/7\n")
    process = running(world, "--jobs", jobs, "--from-epoch", 0)
    said = say_until(process, r"^epoch [0-9]+ sealed: busy 2 \(llm/7 2\), idle 0 chip-seconds, 1\.979e15 FLOP; no gaps$")
    process.send_signal(number)
    more, problems = process.communicate(timeout=600)
    assert (process.returncode, problems) == (0, "")
    lines = [line for line in (*said, *more.splitlines()) if " sealed: " in line]
    assert all(re.match(rf"epoch {n} sealed: busy ", line) for n, line in enumerate(lines))
    again = standstill("meter", "spool", "hall-b", "--store", world.folder / "s", "--spool", world.folder / "spool")
    assert again.returncode == 0 and re.search(rf"epoch {len(lines)}, [0-9]+ polls\nlatest .*: 2 chips, 2 of them busy", again.stdout)


def test_once_and_until_and_a_gap_that_is_named(world: World) -> None:
    for words in (("--once", "--from-epoch", 0), ("--once",), ("--until", str(world.start * 1000 - 5000))):
        done = standstill(*world.arguments(*words))
        assert (done.returncode, done.stderr) == (0, "")
    world.exporter.mode = "status"
    process = running(world)
    line = say_until(process, r"^epoch [0-9]+ sealed: busy 2 \(unattributed 2\), .*; gaps 2: .*, \S+ the endpoint answers 503$")[-1]
    process.send_signal(signal.SIGTERM)
    assert process.wait(600) == 0
    epoch = int(line.split()[1])
    with world.store() as store:
        assert sum(u.chip_ms for u in store.usage(0, "hall-b") if u.epoch == epoch) == 2000
        assert sum(u.work or 0 for u in store.usage(0, "hall-b") if u.epoch == epoch) == 2 * 1979


def test_two_collectors_of_one_meter_exclude_each_other(world: World) -> None:
    process = running(world, "--from-epoch", 0)
    while not (world.folder / "spool" / "spool").exists() and process.poll() is None:
        time.sleep(0.05)
    done = standstill(*world.arguments("--once"))
    assert done.returncode == 2 and "another collector uses" in done.stderr
    process.send_signal(signal.SIGTERM)
    assert process.wait(600) == 0


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (("--max-gap", "0.1"), "--max-gap is more than --interval"),
        (("--other-share", "1.1"), "--other-share is at most 1"),
        (("--other-share", "x"), "not a number"),
        (("--until", "soon"), "not a time"),
        (("-e", "ftp://x"), "not a web address"),
        (("-e", "http://u:p@x/"), "not a web address"),
        (("-e", "http://x:port/"), "not a web address"),
        (("--jobs", "missing.csv"), "missing.csv"),
    ],
)
def test_bad_settings_are_refused_with_a_hint(
    world: World, more: tuple[str, ...], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(world.arguments("--once", *more))
    assert stop.value.code == 2 and problem in capsys.readouterr().err
    assert not (world.folder / "spool").exists()


def test_another_key_and_another_meter_are_refused(world: World) -> None:
    standstill("keygen", world.folder / "other", "--no-passphrase")
    done = standstill(*(text.replace(str(world.folder / "k"), str(world.folder / "other")) for text in world.arguments("--once")))
    assert done.returncode == 2 and "its key is not the one in the agreement" in done.stderr
    done = standstill(*(text.replace("hall-b", "hall-z") for text in world.arguments("--once")))
    assert done.returncode == 1 and "no meter 'hall-z'" in done.stderr


# ---- fetching ------------------------------------------------------------------------------------------------


def test_addresses() -> None:
    assert str(Endpoint.of("http://n1:9400")) == "http://n1:9400/metrics"
    secret = Endpoint.of("https://[::1]:9400/m?x=1")
    assert (str(secret), secret.target) == ("https://[::1]:9400/m", "/m?x=1")
    for text in ("", "n1:9400", "http://", "http://a b/", "http://x/#f", "http://x\n/", "file:///etc/passwd", "http://\u00e9/"):
        with pytest.raises(CollectError, match="not a web address"):
            Endpoint.of(text)


@pytest.mark.parametrize("mode", ["hang", "drip"])
def test_an_answer_ends_in_time(mode: str) -> None:
    with Exporter([Gpu("g")] * 3, mode=mode) as exporter:
        with pytest.raises(PollFailed, match="no answer within 0.3 s"):
            fetch.fetch(Endpoint.of(exporter.url), 0.3)


def test_headers_that_drip_end_in_time() -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                try:
                    peer.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
                    while True:
                        peer.sendall(b"x")
                        time.sleep(0.05)
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(PollFailed, match="no answer within 0.3 s"):
            fetch.fetch(Endpoint("http", "127.0.0.1", server.getsockname()[1], "/"), 0.3)


def test_answers_are_bounded_and_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "http_proxy", "http://127.0.0.1:1/")
    with Exporter([Gpu("g")]) as exporter:
        size = len(fetch.fetch(Endpoint.of(exporter.url), 60.0))
        assert len(fetch.fetch(Endpoint.of(exporter.url), 60.0, limit=size)) == size
        with pytest.raises(PollFailed, match="longer than"):
            fetch.fetch(Endpoint.of(exporter.url), 60.0, limit=size - 1)
        exporter.mode = "endless"
        with pytest.raises(PollFailed, match="longer than 1000000 bytes"):
            fetch.fetch(Endpoint.of(exporter.url), 60.0, limit=10**6)


def test_a_thread_that_is_stuck_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from claims.collect.samples import Labels

    release, calls = threading.Event(), []

    def stuck(endpoint: Endpoint, timeout: float) -> bytes:
        calls.append(endpoint)
        release.wait(600)
        return b'DCGM_FI_DEV_GPU_UTIL{UUID="g"} 0\n'

    monkeypatch.setattr(fetch, "fetch", stuck)
    source = fetch.Exporters([Endpoint.of("http://x")], Labels(), 0.05, 1000, need_counter=False)
    for _ in range(3):
        poll = source.poll()
        assert poll.chips == {} and "no answer within 0.05 s" in poll.trouble
    assert len(calls) == 1
    release.set()
    for thread in source._threads.values():
        thread.join()
    source.timeout = 600.0
    assert source.poll().trouble == "" and len(calls) == 2
