"""The spool: what was seen since the last sealed epoch, append-only and synced, one writer. FORMATS-collector.md section C4."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claims.base.errors import ClaimsError
from claims.base.files import write_atomic
from claims.collect.errors import CollectError, SpoolError
from claims.collect.samples import FULL, MAX_CHIPS, MAX_COUNTER, Job, Poll, Seen
from claims.collect.timeline import Carry, Slot

__all__ = ["FORMAT", "Header", "Spool", "locked"]

FORMAT = "standstill-spool/1"
MAX_SPOOL = 2**32
MAX_RECORD = 64 * 2**20
MAX_TIME_MS = 2**53
_MAX_TEXT = 1000


@dataclass(frozen=True)
class Header:
    """Whose spool it is, the epoch that it decides next, and the fold's state at that epoch's beginning."""

    lab: str
    meter: str
    epoch: int
    carry: Carry


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a spool folder, which is made if needed, against other collectors. Raises CollectError when one runs."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            raise CollectError(f"{folder} may be read by others", f"chmod 700 {folder}")
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise CollectError(f"{folder}: {error.strerror}", "check the folder") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise CollectError(f"another collector uses {folder}", "one meter has one collector") from None
    try:
        for left in folder.glob(".spool.*"):  # a replacement that a crash interrupted
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


class Spool:
    """An open spool. The caller holds :func:`locked`.

    Raises:
        SpoolError: on every file that is not a spool of this format and meter.
        CollectError: the disk refuses.
    """

    def __init__(self, path: Path, header: Header, last: int, file: int) -> None:
        self._path, self.header, self._last, self._file = path, header, last, file

    @property
    def last(self) -> int:
        """Time of the latest poll that counts, Unix ms."""
        return self._last

    @classmethod
    def create(cls, folder: Path, header: Header) -> Spool:
        """Begin a spool; replaces one that is there."""
        _write(folder / "spool", [_header_line(header)])
        return cls.open(folder, header.lab, header.meter)

    @classmethod
    def open(cls, folder: Path, lab: str, meter: str) -> Spool:
        """Open a spool after a stop or a crash; an unfinished last line is cut off."""
        path = folder / "spool"
        try:
            handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise CollectError(f"{path}: {error.strerror}", "restore it, or begin with an empty folder") from None
        try:
            mode, size = os.fstat(handle).st_mode, os.fstat(handle).st_size
            if not stat.S_ISREG(mode) or mode & 0o077 or size > MAX_SPOOL:
                raise CollectError(f"{path} is not a private file of at most {MAX_SPOOL} bytes", f"chmod 600 {path}")
            end = _last_line_end(handle, size)
            if end < size:
                os.ftruncate(handle, end)
                os.fsync(handle)
            header = _decode_header(path)
            if (header.lab, header.meter) != (lab, meter):
                raise SpoolError(f"{path} belongs to meter {header.lab}/{header.meter}", hint="one meter has one spool")
        except BaseException:
            os.close(handle)
            raise
        spool = cls(path, header, header.carry.at, handle)
        for poll in spool.polls():
            spool._last = max(spool._last, poll.at)
        return spool

    def close(self) -> None:
        """Close the file; every poll that was appended is on disk."""
        os.close(self._file)

    def append(self, poll: Poll) -> None:
        """Add a poll and wait for the disk."""
        data = _encode(_poll_document(poll))
        try:
            size = os.fstat(self._file).st_size
            try:
                if os.write(self._file, data) != len(data):
                    raise OSError(28, "no space left")
            except OSError:
                os.ftruncate(self._file, size)
                raise
            os.fsync(self._file)
        except OSError as error:
            raise CollectError(f"{self._path}: {error.strerror}", "check the disk") from None
        self._last = max(self._last, poll.at)

    def polls(self) -> Iterator[Poll]:
        """All polls in order. A damaged line comes as a poll at time 0: the fold takes it for a break."""
        for line in self._lines():
            try:
                yield _decode_poll(_decode(line))
            except SpoolError:
                yield Poll(0, step="a line of the spool is damaged")

    def advance(self, carry: Carry, used: int) -> Spool:
        """The spool for the next epoch, on disk in place of this one, without the first ``used`` polls."""
        header = Header(self.header.lab, self.header.meter, self.header.epoch + 1, carry)
        rest = [line for number, line in enumerate(self._lines()) if number >= used]
        _write(self._path, [_header_line(header), *rest])
        self.close()
        return Spool.open(self._path.parent, header.lab, header.meter)

    def _lines(self) -> Iterator[bytes]:
        """Lines after the header, with their line feeds; one that is too long comes in pieces, which are damaged."""
        try:
            with open(self._path, "rb") as file:
                file.readline(MAX_RECORD)
                while line := file.readline(MAX_RECORD):
                    yield line
        except OSError as error:
            raise CollectError(f"{self._path}: {error.strerror}", "check the disk") from None


def _write(path: Path, lines: Sequence[bytes]) -> None:
    try:
        write_atomic(path, b"".join(lines), 0o600)
    except ClaimsError as error:
        raise CollectError(error.what, "check the disk") from None


def _last_line_end(handle: int, size: int) -> int:
    """Offset behind the last line feed."""
    at = size
    while at:
        begin = max(0, at - 65536)
        found = os.pread(handle, at - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        at = begin
    return 0


# ---- lines -----------------------------------------------------------------------------------------------


def _encode(document: dict[str, Any]) -> bytes:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _decode(line: bytes) -> Any:
    text = line[9:-1]
    if len(line) > MAX_RECORD or line[:9] != b"%08x " % zlib.crc32(text) or line[-1:] != b"\n":
        raise SpoolError("a line is damaged")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise SpoolError("a line is not JSON") from None


def _header_line(header: Header) -> bytes:
    slots = [
        [slot.chip, slot.charged, slot.seen_at, slot.counter, _seen_values(slot.seen), slot.why] for slot in header.carry.slots
    ]
    return _encode(
        {
            "carry": {"at": header.carry.at, "slots": slots},
            "epoch": header.epoch,
            "format": FORMAT,
            "lab": header.lab,
            "meter": header.meter,
        }
    )


def _decode_header(path: Path) -> Header:
    hint = "move the folder away and begin anew: what it held is charged as gaps"
    try:
        with open(path, "rb") as file:
            document = _decode(file.readline(MAX_RECORD))
        if document["format"] != FORMAT:
            raise SpoolError(f"{path} is not of format {FORMAT}", hint="use the matching program")
        carry = Carry(_time(document["carry"]["at"]), tuple(_slot(*values) for values in document["carry"]["slots"]))
        return Header(_text(document["lab"]), _text(document["meter"]), _integer(document["epoch"], 2**24), carry)
    except SpoolError as error:
        raise SpoolError(f"{path}: {error.what}", hint=hint) from None
    except (OSError, TypeError, KeyError, ValueError):
        raise SpoolError(f"{path} has no spool's header", hint=hint) from None


def _slot(chip: Any, charged: Any, seen_at: Any, counter: Any, seen: Any, why: Any) -> Slot:
    value = None if seen is None else _seen(*seen)
    return Slot(_text(chip), _time(charged), _time(seen_at), value, _counter(counter), _text(why))


def _seen_values(seen: Seen | None) -> list[Any] | None:
    return None if seen is None else [seen.activity, seen.busy, None if seen.job is None else list(seen.job), seen.counter]


def _seen(activity: Any, busy: Any, job: Any, counter: Any) -> Seen:
    if type(busy) is not bool:
        raise SpoolError("busy is neither true nor false")
    return Seen(_integer(activity, FULL), busy, None if job is None else _job(job), _counter(counter))


def _poll_document(poll: Poll) -> dict[str, Any]:
    jobs: dict[Job, int] = {}
    chips = []
    for chip, seen in poll.chips.items():
        number = -1 if seen.job is None else jobs.setdefault(seen.job, len(jobs))
        chips.append([chip, seen.activity, seen.busy, number, seen.counter])
    return {"at": poll.at, "chips": chips, "jobs": [list(job) for job in jobs], "step": poll.step, "trouble": poll.trouble}


def _decode_poll(document: Any) -> Poll:
    try:
        jobs = [_job(values) for values in document["jobs"]]
        chips: dict[str, Seen] = {}
        for chip, activity, busy, number, counter in document["chips"]:
            job = None if _integer(number + 1, len(jobs)) == 0 else jobs[number]
            chips[_text(chip)] = _seen(activity, busy, job, counter)
        if len(chips) != len(document["chips"]) or len(chips) > MAX_CHIPS:
            raise SpoolError("a chip occurs twice")
        return Poll(_time(document["at"]), chips, _text(document["trouble"]), _text(document["step"]))
    except (TypeError, KeyError, ValueError):
        raise SpoolError("a line is not a poll") from None


def _job(values: Any) -> Job:
    job, name = values
    return _text(job), _text(name)


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > _MAX_TEXT:
        raise SpoolError("a text is missing or too long")
    return value


def _integer(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise SpoolError("a number is missing or out of range")
    return value


def _time(value: Any) -> int:
    return _integer(value, MAX_TIME_MS)


def _counter(value: Any) -> int | None:
    return None if value is None else _integer(value, MAX_COUNTER)
