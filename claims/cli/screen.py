"""What a person at a terminal sees: lines that fit its width, and, while a command takes long, what it does.

A command has one line of progress, on standard error: on a terminal after two seconds, kept up to date and wiped before anything else is
printed; in a pipe or a file now and then a line of its own.
"""

from __future__ import annotations

import re
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["Progress", "doing", "fitted", "resting", "wipe", "working"]

FIRST, NEXT = 2.0, 0.5
"""Seconds until the line is first shown on a terminal, and from one time to the next."""
IN_PIPE = 30.0
"""Seconds from line to line elsewhere."""
_HANG = re.compile(r" *(?:[+*!-] |\S+ {2,})?")
_WIPE = "\r\x1b[K"


def fitted(text: str, width: int) -> str:
    """Text whose lines are at most ``width`` characters, as far as its words are: what goes on stands under what it goes on from."""
    return "\n".join(part for line in text.split("\n") for part in _parts(line, width))


def _parts(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    found = _HANG.match(line)
    hang = len(found[0]) if found and 0 < len(found[0]) <= width // 2 else 2
    return textwrap.wrap(
        line, width, subsequent_indent=" " * hang, break_long_words=False, break_on_hyphens=False, expand_tabs=False,
        replace_whitespace=False,
    )  # fmt: skip


class Progress:
    """The line of one command. ``say`` and ``tick`` may come from different threads."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock, self._begin = stream, clock, clock()
        self._lock, self._shown, self._resting = threading.Lock(), False, 0
        self._phase, self._share = "working", -1.0
        self.terminal = stream.isatty()

    def say(self, phase: str, share: float = -1.0) -> None:
        """Note what is done now. ``share``: done of it, 0 to 1; less than 0 where nobody knows."""
        self._phase, self._share = phase, share

    def tick(self) -> None:
        """Show the line as it is now."""
        with self._lock:
            if self._resting:
                return
            minutes, seconds = divmod(int(self._clock() - self._begin), 60)
            share = f" {min(self._share, 1):.0%}" if self._share >= 0 else ""
            took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
            text = f"... {self._phase}{share}, {took}"
            self._stream.write(f"{_WIPE}{text}" if self.terminal else f"{text}\n")
            self._stream.flush()
            self._shown = self.terminal

    def wipe(self) -> None:
        """Take the line off the terminal, for other text."""
        with self._lock:
            if self._shown:
                self._stream.write(_WIPE)
                self._stream.flush()
            self._shown = False

    def rest(self, by: int) -> None:
        """Begin (1) or end (-1) a time in which nothing is shown."""
        self.wipe()
        self._resting += by


_ACTIVE: list[Progress] = []


@contextmanager
def working() -> Iterator[None]:
    """Show progress of what the block does, as far as :func:`doing` says it."""
    line, stop = Progress(sys.stderr), threading.Event()
    first, step = (FIRST, NEXT) if line.terminal else (IN_PIPE, IN_PIPE)

    def run() -> None:
        wait = first
        while not stop.wait(wait):
            wait = step
            line.tick()

    thread = threading.Thread(target=run, daemon=True)
    _ACTIVE.append(line)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        line.wipe()
        _ACTIVE.pop()


def doing(phase: str, share: float = -1.0) -> None:
    """Say what the command does from now on, as in "reading the log", and how much of it is done."""
    for line in _ACTIVE[-1:]:
        line.say(phase, share)


@contextmanager
def resting() -> Iterator[None]:
    """Nothing is shown within the block: somebody is asked, or the command runs until it is stopped."""
    for line in _ACTIVE[-1:]:
        line.rest(1)
    try:
        yield
    finally:
        for line in _ACTIVE[-1:]:
            line.rest(-1)


def wipe() -> None:
    """Take the line off the terminal, before something else is printed."""
    for line in _ACTIVE[-1:]:
        line.wipe()
