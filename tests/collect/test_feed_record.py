"""``standstill feed record --endpoint`` over real HTTP: resets, missing samples, an exporter that is down, a recorder that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake_exporter import Exporter, Gpu
from inspect_fixtures import AGREEMENT
from lab_fixtures import METER_KEYS, public
from test_cli_meter import ROOT, say_until

import claims.cli.feed  # noqa: F401  (registers its commands)
from claims.agreement.file import load_agreement
from claims.base.keys import public_text
from claims.base.units import format_time
from claims.cli.main import cli
from claims.collect.feed import FeedRecords

SERIES, WATTS = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 70
START, EPOCH = 1_700_000_040, 60
FEED = """
[[feed]]
name = "hall"
lab = "alpha"
holder = "delta"
key = "{key}"
kind = "rack"
meters = ["hall-1"]
base_watts = 0
idle_watts = 300
busy_watts = 1000
"""


def key(number: int) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return public_text(public(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)))


def agreement(folder: Path, start: int, epoch: str = "1 min") -> Path:
    meter = f'[[meter]]\nlab = "alpha"\nname = "hall-1"\nchip = "h100"\nchips = 2\nkey = "{public_text(public(METER_KEYS["hall-a"]))}"\n'
    names = ("log", "alpha", "operator", "delta", "beta", "cosign")
    keys = {name: key(100 + number) for number, name in enumerate(names)}
    text = AGREEMENT.format(start=format_time(start), opening=f'opening_head = "{"00" * 32}"', meters=meter, **keys)
    path = folder / "agreement.toml"
    path.write_text(text.replace('epoch = "1 min"', f'epoch = "{epoch}"').replace("epochs_per_period = 3", "epochs_per_period = 100")
                    + FEED.format(key=key(120)))  # fmt: skip
    return path


@dataclass
class Holder:
    """A holder that polls once in a while, on a clock that the test turns: each poll is a process of its own life."""

    folder: Path
    exporter: Exporter
    monkeypatch: pytest.MonkeyPatch
    now: float = START - 10

    def poll(self, seconds: float = 0, *, used: float | None = None) -> str:
        """Let time pass, and energy be used for as long (or ``used`` seconds); poll once."""
        self.now += seconds
        self.exporter.tick(seconds if used is None else used, WATTS)
        self.monkeypatch.setattr(time, "time", lambda: self.now)
        command = (
            "feed", "record", "hall", "-a", self.folder / "agreement.toml", "--records", self.folder / "hall.feed", "--once",
            "-e", self.exporter.url, "--series", SERIES, "--unit", "mJ", "--max-gap", 15, "--timeout", 60,
        )  # fmt: skip
        result = CliRunner().invoke(cli, [str(item) for item in command])
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def polls(self, seconds: int, step: int = 5) -> str:
        return "".join(self.poll(step) for _ in range(seconds // step))

    @property
    def records(self) -> dict[int, int]:
        """Joules by epoch, as they are in the file."""
        terms = load_agreement(self.folder / "agreement.toml")
        found = FeedRecords.load(self.folder / "hall.feed", terms, terms.feeds[0])
        return {epoch: item.joules for epoch, item in found.epochs.items()}


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    agreement(tmp_path, START)
    with Exporter([Gpu("GPU-1", energy=5_000_000), Gpu("GPU-2", energy=9_000_000)]) as exporter:
        yield Holder(tmp_path, exporter, monkeypatch)


HOUR = 2 * WATTS * EPOCH
"""Joules of both GPUs in an epoch."""


def test_each_epoch_is_what_the_counters_grew_by(holder: Holder) -> None:
    """Every poll is a recorder that starts anew on what the one before left in the file."""
    said = holder.polls(10 + 3 * EPOCH)
    assert [line for line in said.splitlines() if "recorded" in line] == [f"epoch {n} recorded" for n in range(3)]
    assert holder.records == {0: HOUR, 1: HOUR, 2: HOUR}


def test_a_boundary_between_two_samples_is_interpolated(holder: Holder) -> None:
    holder.poll()
    holder.exporter.tick(3, 10 * WATTS)
    holder.poll(3, used=0)  # 7 s before the begin: ten times the power so far
    for _ in range(14):
        holder.poll(5)
    assert holder.records == {0: HOUR}


def test_a_counter_reset_costs_the_epoch_and_no_other(holder: Holder) -> None:
    holder.polls(10 + EPOCH + 30)
    holder.exporter.gpus[0].energy = 0
    holder.polls(2 * EPOCH)
    assert holder.records == {0: HOUR, 2: HOUR}


def test_a_missing_series_costs_the_epoch_and_no_other(holder: Holder) -> None:
    holder.polls(10 + 30)
    kept, holder.exporter.gpus[1].energy = holder.exporter.gpus[1].energy, None
    holder.poll(5)
    holder.exporter.gpus[1].energy = kept
    holder.polls(2 * EPOCH)
    assert holder.records == {1: HOUR}


@pytest.mark.parametrize("mode", ["status", "404", "redirect", "short", "204", b"no exposition\x00", b"other 5\n", b""])
def test_an_exporter_that_is_down_in_the_middle_costs_nothing(holder: Holder, mode: str | bytes) -> None:
    """The counter went on: what matters is that it is read near both ends."""
    holder.polls(10 + 20)
    holder.exporter.mode = mode
    assert "http://127.0.0.1" in holder.poll(5)
    holder.exporter.mode = "ok"
    holder.polls(EPOCH)
    assert holder.records == {0: HOUR}


def test_an_exporter_that_is_down_at_an_end_costs_both_epochs(holder: Holder) -> None:
    holder.polls(10 + 50)
    holder.exporter.mode = "status"
    holder.polls(20)
    holder.exporter.mode = "ok"
    holder.polls(2 * EPOCH)
    assert holder.records == {2: HOUR}


def test_nobody_listens(holder: Holder) -> None:
    port, holder.exporter.url = holder.exporter.url, "http://127.0.0.1:1/metrics"
    assert "no answer" in holder.poll() and not (holder.folder / "hall.feed").exists()
    holder.exporter.url = port
    holder.polls(10 + EPOCH)
    assert holder.records == {0: HOUR}


def test_a_clock_that_is_set_records_no_wrong_hour(holder: Holder) -> None:
    """Ahead: the boundary lies in a gap. Back: samples wait until the clock has passed them."""
    holder.polls(10 + 30)
    holder.poll(3600, used=0)
    assert holder.records == {}
    holder.now -= 3600
    holder.polls(2 * EPOCH)
    assert holder.records == {}


def test_a_counter_that_jumps_beyond_all_bounds_stops_no_recorder(holder: Holder) -> None:
    holder.polls(10 + 30)
    holder.exporter.gpus[0].energy = 10**39
    holder.polls(2 * EPOCH)
    assert holder.records == {1: HOUR}


def test_it_runs_is_killed_and_goes_on(tmp_path: Path) -> None:
    """The loop itself, in real time: epochs of a second, polled twenty times in each; what is waited for comes.

    What others write into its file while it runs, a CSV or seals, stays: it would be signed anew, with other joules.
    """
    start = int(time.time()) + 1
    path = agreement(tmp_path, start, "1 s")
    path.write_text(path.read_text().replace("epochs_per_period = 100", "epochs_per_period = 10000"))
    with Exporter([Gpu("GPU-1")], live=True) as exporter:
        program = "import claims.cli.feed; from claims.cli.main import main; main()"
        arguments = ("feed", "record", "hall", "-a", path, "--records", tmp_path / "hall.feed", "-e", exporter.url, "--series", SERIES,
                     "--unit", "mJ", "--interval", 0.05, "--timeout", 60)  # fmt: skip

        def running() -> subprocess.Popen[str]:
            command = [sys.executable, "-c", program, *map(str, arguments)]
            return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        first = running()
        say_until(first, r"^epoch [0-9]+ recorded$")
        first.kill()
        first.communicate(timeout=600)
        second = running()
        said = say_until(second, r"^epoch [0-9]+ recorded$")
        terms, done = load_agreement(path), int(said[-1].split()[1])
        with FeedRecords.changing(tmp_path / "hall.feed", terms, terms.feeds[0]) as found:
            found.note(9000, 5)
            sealed = found.epochs[done] = replace(found.epochs[done], entry=b"sealed")
        say_until(second, r"^epoch [0-9]+ recorded$")
        second.send_signal(signal.SIGTERM)
        _, problems = second.communicate(timeout=600)
        assert (second.returncode, problems) == (0, "")
    found = FeedRecords.load(tmp_path / "hall.feed", terms, terms.feeds[0])
    assert (found.epochs[9000].joules, found.epochs[done]) == (5, sealed)
    assert len(found.epochs) >= 4 and all(item.joules >= 0 for item in found.epochs.values()) and len(found.samples) <= 3
