"""What a person at a terminal sees: lines that fit, progress of what takes long, and prompts that nothing overwrites."""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from claims.cli import screen
from claims.cli.group import cli, out
from claims.cli.screen import Progress, doing, fitted, resting, working

DIGEST = "5a02d284505eb42113ceb1f8c1283e64b5e76d48ac9634719e44d4b7731327dd"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_are_broken_at_words_under_what_they_go_on_from() -> None:
    text = f"agreement   example {DIGEST}\n  + one meter accounted for every chip-second; all at peak\nshort\n\n{DIGEST}"
    assert fitted(text, 40).split("\n") == [
        "agreement   example", f"            {DIGEST}",
        "  + one meter accounted for every", "    chip-second; all at peak", "short", "", DIGEST,
    ]  # fmt: skip
    assert fitted(text, 200) == text
    assert fitted("a label that is far too long to stand beside it   text", 30).split("\n")[1].startswith("  ")


@pytest.mark.parametrize("width", [20, 40, 80])
def test_no_word_is_lost_or_joined(width: int) -> None:
    text = Path(__file__).parents[2].joinpath("CHANGELOG.md").read_text()
    assert fitted(text, width).split() == text.split()
    longest = max(map(len, text.split()))
    assert all(len(line) <= max(width, longest + width // 2 + 1) for line in fitted(text, width).split("\n"))


def test_a_terminal_gets_fitted_lines_and_a_pipe_and_a_copier_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"meter       hall-1 {DIGEST}"
    monkeypatch.setenv("COLUMNS", "60")
    for stream, exact, lines in ((Terminal(), False, 2), (Terminal(), True, 1), (io.StringIO(), False, 1)):
        monkeypatch.setattr(sys, "stdout", stream)
        out(line, exact=exact)
        assert len(stream.getvalue().splitlines()) == lines


def test_what_the_line_says() -> None:
    stream, now = Terminal(), [0.0]
    line = Progress(stream, lambda: now[0])
    line.tick()
    now[0] = 75.5
    line.say("reading the log", 0.417)
    line.tick()
    line.wipe()
    line.wipe()
    assert stream.getvalue().split("\r\x1b[K") == ["", "... working, 0 s", "... reading the log 42%, 1 min 15 s", ""]
    pipe = io.StringIO()
    line = Progress(pipe, lambda: now[0])
    line.tick()
    line.wipe()
    assert pipe.getvalue() == "... working, 0 s\n"


def test_nothing_is_written_while_somebody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(screen, "FIRST", 1e6)
    with working():
        (line,) = screen._ACTIVE
        line.tick()
        with resting():
            before = stream.getvalue()
            assert before.endswith("\r\x1b[K")
            line.tick()
            assert stream.getvalue() == before
        line.tick()
        assert len(stream.getvalue()) > len(before)
    assert screen._ACTIVE == [] and stream.getvalue().endswith("\r\x1b[K")
    doing("nobody listens")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_command_that_takes_long_says_so(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    """However slow the machine: the command ends when it was shown."""
    shown = threading.Event()

    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

        def flush(self) -> None:
            shown.set()

    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    for name in ("FIRST", "NEXT", "IN_PIPE"):
        monkeypatch.setattr(screen, name, 0.001)
    with working():
        doing("proving")
        shown.clear()
        assert shown.wait(60)
    assert "... proving, 0 s" in stream.getvalue() or "... proving, " in stream.getvalue()


def test_no_command_is_cut_short_in_help() -> None:
    for group in ("import", "log", "epoch", "agreement", "inspect", "lab"):
        text = CliRunner().invoke(cli, [group, "--help"], terminal_width=80).output
        assert "..." not in text.partition("Commands:")[2] and all(len(line) <= 80 for line in text.splitlines())
