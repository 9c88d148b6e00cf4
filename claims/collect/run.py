"""The collector's loop: poll, note it on disk, seal what is due, wait. Ends cleanly; goes on after any crash."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Protocol

from claims.base.clock import SEAL_JUMP, check_jump
from claims.base.errors import ClaimsError
from claims.base.units import format_work
from claims.collect.errors import CollectError
from claims.collect.samples import Poll
from claims.collect.seal import BEFORE, ELSE, Sealed, Sealing
from claims.collect.spool import Spool, locked
from claims.collect.timeline import Gap

__all__ = ["Collector", "describe", "spool_report"]

_GAPS_SHOWN = 3
_RETRY = 30.0
"""Seconds from a refusal to the next try."""


class Source(Protocol):
    """What is polled (:class:`claims.collect.fetch.Exporters`)."""

    def poll(self) -> Poll:
        """Ask now; never raises for what endpoints answer."""


@dataclass
class Collector:
    """Polls one meter's endpoints and seals its epochs.

    Args:
        folder: of the spool.
        interval: seconds from poll to poll.
        say: prints one line.
        stop: set to end after the poll that is under way.
        wall: the clock, seconds; for tests.
        clock_is_right: take polls that come more than ``SEAL_JUMP`` after the latest one: what lies between is charged in full.
    """

    source: Source
    sealing: Sealing
    folder: Path
    interval: float
    say: Callable[[str], None]
    stop: Event
    wall: Callable[[], float] = time.time
    clock_is_right: bool = False

    def run(self, *, once: bool = False, until: int | None = None, from_epoch: int | None = None) -> None:
        """Poll until stopped, until a moment (Unix ms), until the agreement's last epoch is sealed, or once.

        Raises:
            CollectError: another collector runs, the spool cannot be used or written, or an epoch is due and refused.
            ClockJump: a poll comes long after the latest one; it is not noted.
        """
        with locked(self.folder):
            spool = self.sealing.begin(self.folder, from_epoch, int(self.wall() * 1000))
            self._trouble = self._refusal = ""
            self._behind, self._retry = False, 0.0
            try:
                due = time.monotonic()
                while not self.stop.wait(max(0.0, due - time.monotonic())):
                    due = max(due + self.interval, time.monotonic())
                    poll = self.source.poll()
                    self._note(spool, poll)
                    spool = self._seal(spool, due)
                    if once or self.sealing.ended(spool.header.epoch) or (until is not None and poll.at >= until):
                        break
            finally:
                spool.close()
        if self._refusal:
            raise CollectError(self._refusal, "what was seen is kept: run it again")

    def _note(self, spool: Spool, poll: Poll) -> None:
        if not self.clock_is_right:
            check_jump(poll.at // 1000, spool.last // 1000, SEAL_JUMP, "poll or sealed epoch")
        chips, behind = self.sealing.terms.chips, poll.at <= spool.last
        wrong = f"{len(poll.chips)} chips were shown, the meter has {chips}" if len(poll.chips) != chips else ""
        if len(poll.chips) > chips:
            poll = replace(poll, chips={}, trouble=wrong)
        if not behind or not self._behind:
            spool.append(poll)
        if behind and not self._behind:
            self.say(f"{_clock(poll.at)} the clock is before {_clock(spool.last)}: polls count from then on")
        self._behind = behind
        trouble = poll.trouble or poll.step or wrong
        if trouble != self._trouble:
            self.say(f"{_clock(poll.at)} {trouble or 'all chips are shown'}")
        self._trouble = trouble

    def _seal(self, spool: Spool, due: float) -> Spool:
        """Seal what is due, as far as there is time before the next poll."""
        while time.monotonic() >= self._retry and self.sealing.due(spool):
            try:
                sealed, spool = self.sealing.seal_next(spool)
            except ClaimsError as error:
                text = f"epoch {spool.header.epoch} cannot be sealed: {error}"
                if text != self._refusal:
                    self.say(text)
                self._refusal, self._retry = text, time.monotonic() + _RETRY
                break
            self._refusal = ""
            self.say(describe(sealed))
            if time.monotonic() >= due:
                break
        return spool


def describe(sealed: Sealed) -> str:
    """One line about an epoch, for the lab's eyes only."""
    if sealed.fate == BEFORE:
        return f"epoch {sealed.epoch} had been sealed before the stop"
    if sealed.fate == ELSE:
        return f"epoch {sealed.epoch} was sealed by something else: what was seen of it is not in it"
    busy = ", ".join(f"{name} {_seconds(ms)}" for name, ms in sorted(sealed.busy.items(), key=lambda item: -item[1]))
    total = _seconds(sum(sealed.busy.values())) + (f" ({busy})" if busy else "")
    text = f"epoch {sealed.epoch} sealed: busy {total}, idle {_seconds(sealed.idle)} chip-seconds"
    if sealed.work is not None:
        text += f", {format_work(sealed.work)}"
    if not sealed.gaps:
        return text + "; no gaps"
    shown = "; ".join(_gap(why, gap) for why, gap in sealed.gaps[:_GAPS_SHOWN])
    more = len(sealed.gaps) - _GAPS_SHOWN
    return f"{text}; gaps {_seconds(sum(gap.chip_ms for _, gap in sealed.gaps))}: {shown}" + (f"; {more} more" if more > 0 else "")


def spool_report(spool: Spool) -> tuple[list[str], dict[str, object]]:
    """What a spool holds, for the lab's eyes only: lines for people, and a value for programs."""
    count, latest = 0, None
    for poll in spool.polls():
        count += 1
        latest = poll if poll.at >= spool.last else latest
    lines = [f"PRIVATE spool of meter {spool.header.lab}/{spool.header.meter}, epoch {spool.header.epoch}, {count} polls"]
    value: dict[str, object] = {"lab": spool.header.lab, "meter": spool.header.meter, "epoch": spool.header.epoch, "polls": count}
    if latest is not None:
        busy = sum(seen.busy for seen in latest.chips.values())
        lines.append(f"latest {_clock(latest.at)}: {len(latest.chips)} chips, {busy} of them busy")
        lines += [latest.trouble] if latest.trouble else []
        value["latest"] = {"time": _clock(latest.at), "chips": len(latest.chips), "busy": busy, "trouble": latest.trouble}
    return lines, value


def _gap(why: str, gap: Gap) -> str:
    return f"{_seconds(gap.chip_ms)} from {_clock(gap.begin)} to {_clock(gap.end)}, {why}"


def _seconds(milliseconds: int) -> str:
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole)


def _clock(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
