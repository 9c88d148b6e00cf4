"""A cosigner whose clock is wrong: it is not blocked until then, and what it spoiled is mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from claims.base import clock
from claims.base.keys import generate_key_file
from claims.cli.main import main
from claims.tlog.checkpoint import SignedCheckpoint
from claims.tlog.cosign import cosign
from claims.tlog.errors import LogError
from claims.tlog.memory import LogMemory
from claims.tlog.note import COSIGNATURE, VerifierKey
from claims.tlog.writer import LogWriter
from tests.tlog import logs

DAY = 86_400
NOW = 1_790_000_000
YEARS = 3_650 * DAY


@pytest.fixture
def log(tmp_path: Path) -> Path:
    with LogWriter.create(tmp_path / "log", logs.ORIGIN, logs.LOG) as writer:
        writer.append([logs.entry(0)], NOW)
    return tmp_path / "log"


def sign(log: Path, name: str, at: int, **options: bool) -> dict[str, int]:
    """Cosign as one of the three; the dates on the head then."""
    seen = LogMemory.load(log.parent / f"{name}.memory", logs.trust())
    note = cosign(log, logs.key(logs.COSIGNERS[name]), name, seen, at, others=logs.trust().cosigners, **options)
    return dict(SignedCheckpoint.open(note.encode(), logs.trust()).times)


def test_a_jump_is_refused_before_anything_is_written(log: Path) -> None:
    with pytest.raises(clock.ClockJump, match="newest date that the log shows is of 2026-09-21T14:13:20Z"):
        sign(log, "alpha", NOW + YEARS)
    assert not (log.parent / "alpha.memory").exists()
    assert sign(log, "alpha", NOW + 60) == {"alpha": NOW + 60}
    with pytest.raises(clock.ClockJump):
        sign(log, "alpha", NOW + YEARS)
    logs.extend(log, logs.entry(1))
    assert sign(log, "alpha", NOW + 60 + 7 * DAY)["alpha"] == NOW + 60 + 7 * DAY, "a week is no jump"


def test_one_who_was_away_sees_the_time_by_the_others(log: Path) -> None:
    sign(log, "alpha", NOW)
    for day in range(1, 10):
        with LogWriter.open(log, logs.LOG) as writer:
            writer.append([logs.entry(day)], NOW + day * DAY)
        sign(log, "beta", NOW + day * DAY)
        sign(log, "gamma", NOW + day * DAY)
    assert sign(log, "alpha", NOW + 9 * DAY + 5)["alpha"] == NOW + 9 * DAY + 5


def test_no_minority_sets_the_time(log: Path) -> None:
    """A rival that dates far ahead cannot have the others do so too."""
    sign(log, "gamma", NOW + YEARS, clock_is_right=True)
    sign(log, "beta", NOW)
    with pytest.raises(clock.ClockJump):
        sign(log, "alpha", NOW + YEARS)
    assert sign(log, "alpha", NOW)["alpha"] == NOW


def test_a_spoiled_memory_is_mended(log: Path) -> None:
    sign(log, "alpha", NOW + YEARS, clock_is_right=True)
    with pytest.raises(LogError, match="before this cosigner's last cosignature at 2036.*log mend-memory"):
        sign(log, "alpha", NOW + 60)
    memory = LogMemory.load(log.parent / "alpha.memory", logs.trust())
    before = memory.note, memory.hashes
    assert memory.mend(NOW + 60) == NOW + YEARS
    memory = LogMemory.load(log.parent / "alpha.memory", logs.trust())
    assert (memory.note, memory.hashes) == before and memory.cosigned == NOW + 60, "what was seen is kept"
    with pytest.raises(LogError, match="nothing to mend"):
        memory.mend(NOW + 61)
    assert sign(log, "alpha", NOW + 70) == {"alpha": NOW + 70}, "the same head again: the earliest date counts"
    assert sign(log, "alpha", NOW + 80) == {"alpha": NOW + 70}


def test_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    generate_key_file("log.key", None)
    own = VerifierKey("alpha", COSIGNATURE, generate_key_file("alpha.key", None)).encode()
    Path("0.entry").write_bytes(logs.entry(0))

    def run(*arguments: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(["log", *arguments])
        text = "".join(capsys.readouterr())
        assert stopped.value.code == code, text
        return text

    trust = ("--log-key", run("init", "log", "--origin", logs.ORIGIN, "-k", "log.key").strip(), "--cosigner", own)
    run("append", "log", "0.entry", "-k", "log.key")
    command = ("cosign", "log", "-k", "alpha.key", "--name", "alpha", "--memory", "a.memory", *trust)
    present = clock.now()
    with monkeypatch.context() as wrong:
        wrong.setattr(clock, "now", lambda: present + YEARS)
        assert "--clock-is-right" in run(*command, code=2)
        run(*command, "--clock-is-right")
    assert "mend-memory" in run(*command, code=2)
    assert "the last cosignature counts as of" in run("mend-memory", "a.memory", *trust)
    assert "nothing to mend" in run("mend-memory", "a.memory", *trust, code=2)
    assert "cosigned size 1" in run(*command)


def test_an_operator_does_not_date_heads_by_a_wrong_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log's own date says when an entry was published: one far ahead would make labs late."""
    monkeypatch.chdir(tmp_path)
    generate_key_file("log.key", None)
    for number in range(3):
        Path(f"{number}.entry").write_bytes(logs.entry(number))
    present = clock.now()
    for words, days, code in (
        (("init", "log", "--origin", logs.ORIGIN), 0, 0),
        (("append", "log", "0.entry"), 8, 2),
        (("append", "log", "0.entry"), 6, 0),
        (("append", "log", "0.entry", "1.entry"), 14, 2),
        (("append", "log", "0.entry"), 14, 0),  # nothing new is dated
        (("append", "log", "1.entry", "--clock-is-right"), 14, 0),
        (("append", "log", "2.entry"), 15, 0),
    ):
        monkeypatch.setattr(clock, "now", lambda days=days: present + days * DAY)
        with pytest.raises(SystemExit) as stopped:
            main(["log", *words, "-k", "log.key"])
        said = "".join(capsys.readouterr())
        assert stopped.value.code == code and ("--clock-is-right" in said) == (code == 2), said
