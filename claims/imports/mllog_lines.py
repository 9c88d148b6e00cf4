"""Lines of an MLLOG log, as they come out of real runs: glued, coloured, torn, prefixed by a launcher.

    bytes --events--> (line, key, Unix ms, value) of every whole event; what cannot be read is counted

A line that cannot be read is skipped, unless it is the beginning or the end of a run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from claims.base.canonical import check_nesting
from claims.imports.charge import Source
from claims.imports.jsons import shown

__all__ = ["Event", "Lines"]

MARK = b":::MLLOG"
MAX_LINE = 1 << 20
RUN_KEYS = ("run_start", "run_stop")
_COLOUR = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_RUN = re.compile(rb'"key"\s*:\s*"r(?:un_st|u?n?_?s?\s*$)')
_KEY = re.compile(rb'\s*\{[^{]*(?:"key"\s*:\s*"[^"\\]*"|"event_type"\s*:\s*"POINT_)')
"""What tells that a torn line is neither beginning nor end of a run: its own key, whole and plain, or its kind."""
_TIME = re.compile(rb'"time_ms"\s*:\s*([0-9]{12,14})(?=\s*[,}])')
_DECODER = json.JSONDecoder(parse_float=Decimal)


@dataclass(frozen=True)
class Event:
    """An event. ``moment``: Unix ms, as int or decimal."""

    source: Source
    key: str
    moment: int | Decimal
    value: Any


@dataclass
class Lines:
    """Reads a log.

    Attributes:
        events, other: whole events, lines of other text.
        unreadable: MLLOG lines that cannot be read.
        last: the latest time that only an unreadable line has, Unix ms.
    """

    name: str
    events: int = 0
    other: int = 0
    unreadable: int = 0
    last: int = 0
    _decoder: json.JSONDecoder = field(default=_DECODER, repr=False)

    def read(self, data: bytes) -> Iterator[Event | None]:
        """Events in order; None for an unreadable one of which nothing tells that it is no beginning or end of a run.

        Raises:
            ImportRefused: the beginning or the end of a run cannot be read.
        """
        at = 0
        number = 0
        while at < len(data):
            end = data.find(b"\n", at)
            end = len(data) if end < 0 else end
            number += 1
            line = data[at:end]
            yield from self._line(Source(self.name, number), _COLOUR.sub(b"", line) if b"\x1b" in line else line)
            at = end + 1

    def _line(self, source: Source, line: bytes) -> Iterator[Event | None]:
        at = line.find(MARK)
        if at < 0:
            self._lost(source, line)
            self.other += bool(line.strip())
            return
        self._lost(source, line[:at])
        while at >= 0:
            at += len(MARK)
            after = line.find(MARK, at)
            event, end = self._event(source, line, at)
            if event is None:
                part = line[at : after if after >= 0 else len(line)]
                self._lost(source, part)
                self.unreadable += 1
                self.last = max([self.last, *(int(found) for found in _TIME.findall(part[:MAX_LINE]))])
                if _KEY.match(part) is None:
                    yield None
            else:
                self.events += 1
                after = line.find(MARK, end)
                self._lost(source, line[end : after if after >= 0 else len(line)])
                yield event
            at = after

    def _lost(self, source: Source, text: bytes) -> None:
        if _RUN.search(text) is not None:
            raise source.refuse("the beginning or end of a run cannot be read", "mend the line: its time_ms and key are needed")

    def _event(self, source: Source, line: bytes, at: int) -> tuple[Event | None, int]:
        """The event behind a mark, and where it ends; None: it cannot be read."""
        if len(line) - at > MAX_LINE:
            return None, at
        try:
            check_nesting(line[at:])
            text = line[at:].decode("utf-8", "surrogateescape")
            start = len(text) - len(text.lstrip())
            table, end = self._decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            return None, at
        key = table.get("key") if isinstance(table, dict) else None
        if not isinstance(key, str):
            return None, at
        moment = table.get("time_ms")
        known = type(moment) is int or (isinstance(moment, Decimal) and moment.is_finite() and moment.adjusted() < 15)
        if not known or not 10**11 < moment < 10**14:
            if key in RUN_KEYS:
                raise source.refuse(f"time_ms {shown(moment)!r} is not a time in Unix milliseconds", "mend the line")
            return None, at
        return Event(source, key, moment, table.get("value")), at + len(text[:end].encode("utf-8", "surrogateescape"))
