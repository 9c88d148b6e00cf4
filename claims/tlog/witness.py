"""A witness of logs (C2SP tlog-witness): cosigns a head that extends the last one it cosigned, and reads no entry.

What it cosigned last is on the disk before a cosignature leaves. So it never cosigns two trees of one size, nor a smaller one, whoever
asks at the same time and wherever it is stopped: what was written and never sent is asked for again.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claims.base.canonical import from_json, to_json
from claims.base.errors import UnreadableFile
from claims.base.files import read_bounded, write_atomic, write_new
from claims.base.hybrid import SigningKey
from claims.base.merkle import EMPTY_ROOT
from claims.base.units import format_time
from claims.tlog.add_checkpoint import SIZE_TYPE, AddCheckpoint
from claims.tlog.checkpoint import TIME_LIMIT, Checkpoint, LogTrust, SignedCheckpoint, cosign_lines
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.evidence import LogEvidence
from claims.tlog.note import NOTE_LIMIT, Note
from claims.tlog.proof import check_consistency

__all__ = ["FORMAT", "KEPT", "Reply", "Witness"]

FORMAT = "standstill-witness-memory/1"
_MEMORY_LIMIT = 2 * NOTE_LIMIT
KEPT = 60
"""Seconds in which the same head gets the same cosignature: who repeats a head that everybody can read makes no work."""
BURST, RATE = 30, 1.0
"""New cosignatures for one log: so many at once, and so many a second after that."""


@dataclass(frozen=True)
class Reply:
    """An answer: HTTP status, body, and its content type."""

    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"

    @staticmethod
    def of(status: int, text: str) -> Reply:
        """An answer in words."""
        return Reply(status, f"{text}\n".encode())


class _Refused(Exception):
    def __init__(self, reply: Reply) -> None:
        self.reply = reply


def _refused(status: int, text: str) -> _Refused:
    return _Refused(Reply.of(status, text))


class Witness:
    """Cosigns the heads of some logs. Any number of threads may ask it.

    Args:
        name: of its signature lines. ``key``: for nothing else than this.
        folder: what it cosigned last, a file for each log; of nobody else, and in no backup.
        logs: whose heads it cosigns; their cosigners do not matter.
        tell: is told in a sentence what whoever runs it should know.
        ticks: seconds that only go on, for the rate.

    Raises:
        LogError: two logs have one origin, or there is no memory of one (:meth:`begin`), or a damaged one.
    """

    def __init__(
        self, name: str, key: SigningKey, folder: Path, logs: Sequence[LogTrust], tell: Callable[[str], None],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._lock = threading.Lock()
        self._logs = {trust.origin: _Log(name, key, trust.alone(), folder, tell, ticks) for trust in logs}
        if len(self._logs) < len(logs):
            raise LogError("two of the logs have one origin, by which a witness knows them")

    @staticmethod
    def begin(folder: Path, trust: LogTrust) -> None:
        """Begin the memory of a log that this witness never cosigned; one that is there stays. Raises UnreadableFile."""
        place = _place(folder, trust.origin)
        if not place.exists():
            write_new(place, _Memory(trust.origin).encode(), 0o600)

    def check_clock(self, now: int, *, is_right: bool = False) -> None:
        """Hold the clock (Unix seconds) against the last cosignatures. ``is_right``: those that are after it count as of now.

        Raises:
            LogError: it shows a time before one of them.
        """
        for log in self._logs.values():
            held = log.memory
            if held.cosigned is None or held.cosigned <= now:
                continue
            if not is_right:
                what = f"the clock shows {format_time(now)}, before the last cosignature of {held.origin} at {format_time(held.cosigned)}"
                raise LogError(what, "mend the clock; if it was wrong then and is right now: --clock-is-right")
            log.remember(_Memory(held.origin, held.note, now))

    def add_checkpoint(self, body: bytes, now: int) -> Reply:
        """Answer a request at a moment (Unix seconds).

        Raises:
            LogError: the memory cannot be written; nothing was cosigned.
        """
        try:
            asked = AddCheckpoint.decode(body)
            note = Note.decode(asked.note)
            head = Checkpoint.parse(note.text)
        except LogError as error:
            return Reply.of(400, error.what)
        log = self._logs.get(head.origin)
        if log is None:
            return Reply.of(404, "this witness does not know the log")
        try:
            log.check_signed(asked, head)
            with self._lock:  # one request at a time from the check to the answer; a token signs for one thread alone
                return log.answer(asked, note, head, now)
        except _Refused as refused:
            return refused.reply


@dataclass(frozen=True)
class _Memory:
    """The last cosigned head of a log (None before the first), and when it was cosigned, Unix seconds."""

    origin: str
    note: Note | None = None
    cosigned: int | None = None

    @property
    def head(self) -> Checkpoint:
        return Checkpoint(self.origin, 0, EMPTY_ROOT) if self.note is None else Checkpoint.parse(self.note.text)

    def encode(self) -> bytes:
        """Canonical JSON (FORMATS-log.md section 11)."""
        note = None if self.note is None else self.note.encode().decode()
        return to_json({"cosigned": self.cosigned, "format": FORMAT, "note": note, "origin": self.origin})

    @staticmethod
    def load(place: Path, origin: str) -> _Memory:
        """Raises LogError: there is none, or it is another file."""
        try:
            data = read_bounded(place, _MEMORY_LIMIT)
        except UnreadableFile as error:
            raise LogError(f"no memory of {origin}: {error.what}", "if this witness never cosigned that log: --new-memory") from None
        try:
            value: Any = from_json(data)
            note, time = value["note"], value["cosigned"]
            found = _Memory(value["origin"], None if note is None else Note.decode(note.encode()), time)
            good = (time is None) == (note is None) and (time is None or (type(time) is int and 0 <= time < TIME_LIMIT))
            good = good and (found.origin, found.head.origin) == (origin, origin) and found.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, LogError):
            good = False
        if not good:
            raise LogError(f"{place}: not what this witness remembers of {origin}", "never begin it anew: a fork would not be seen")
        return found


def _place(folder: Path, origin: str) -> Path:
    return folder / f"{hashlib.sha256(origin.encode()).hexdigest()[:32]}.witness"


class _Log:
    """One log, and what was cosigned of it last."""

    def __init__(
        self, name: str, key: SigningKey, trust: LogTrust, folder: Path, tell: Callable[[str], None], ticks: Callable[[], float]
    ) -> None:
        self._name, self._key, self._trust, self._tell, self._ticks = name, key, trust, tell, ticks
        self._file = _place(folder, trust.origin)
        self.memory = _Memory.load(self._file, trust.origin)
        self._given = b""
        self._left, self._since = float(BURST), ticks()

    def remember(self, memory: _Memory) -> None:
        """Durably, before anything that rests on it leaves. Raises LogError."""
        try:
            write_atomic(self._file, memory.encode(), 0o600)
        except UnreadableFile as error:
            raise LogError(error.what) from None
        self.memory = memory

    def check_signed(self, asked: AddCheckpoint, head: Checkpoint) -> None:
        """Refuse what the log's key did not sign, before anything waits for it."""
        try:
            SignedCheckpoint.open(asked.note, self._trust)
        except LogRejected as error:
            raise _refused(403, error.what) from None
        if asked.old > head.size:
            raise _refused(400, "the old size is larger than the head's")

    def answer(self, asked: AddCheckpoint, note: Note, head: Checkpoint, now: int) -> Reply:
        """Of one request at a time."""
        self._check(asked, note, head)
        held = self.memory
        if self._given and held.note is not None and held.note.text == note.text and 0 <= now - (held.cosigned or 0) < KEPT:
            return Reply(200, self._given)
        self._take_turn()
        if held.cosigned is not None and now < held.cosigned:
            self._tell(f"the clock shows {format_time(now)}, before the last cosignature at {format_time(held.cosigned)}: mend it")
            raise _refused(503, "this witness's clock went back")
        own = Note(note.text, tuple(item for key in self._trust.log_keys for item in note.by(key)))
        self._given = b""
        self.remember(_Memory(head.origin, own, now))
        self._given = "".join(item.line() for item in cosign_lines(note.text, self._name, self._key, now)).encode()
        self._tell(f"cosigned {head.origin}, size {head.size}")
        return Reply(200, self._given)

    def _check(self, asked: AddCheckpoint, note: Note, head: Checkpoint) -> None:
        """Refuse what does not extend the last cosigned head."""
        held = self.memory.head
        if asked.old != held.size:
            raise _Refused(Reply(409, f"{held.size}\n".encode(), SIZE_TYPE))
        if 0 < head.size == held.size and head.root != held.root:
            self._keep_evidence(note)
            raise _refused(409, "this witness has cosigned another tree of this size: the log forked")
        try:
            check_consistency(held.size, head.size, held.root, head.root, asked.proof)
        except LogRejected as error:
            raise _refused(422, error.what) from None

    def _keep_evidence(self, note: Note) -> None:
        """The first fork that is seen, beside the memory: one file, however many the log signs."""
        place = self._file.with_suffix(".fork.evidence")
        if self.memory.note is None:
            return
        with suppress(LogError, UnreadableFile):
            write_new(place, LogEvidence.of(self._trust, self.memory.note.encode(), note.encode()).encode())
            self._tell(f"the log {self.memory.origin} forked: the evidence is {place}")

    def _take_turn(self) -> None:
        now = self._ticks()
        self._left, self._since = min(BURST, self._left + (now - self._since) * RATE), now
        if self._left < 1:
            raise _refused(429, "more heads of this log than this witness cosigns at a time")
        self._left -= 1
