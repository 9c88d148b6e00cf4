"""Cosigning a log's newest head after checking that it extends what this cosigner saw before."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path

from claims.base import clock
from claims.base.hybrid import SigningKey, halves
from claims.base.merkle import leaf_hash
from claims.base.units import format_time
from claims.tlog.checkpoint import Checkpoint, LogTrust, SignedCheckpoint, cosign_lines, cosignature_time, cosignatures
from claims.tlog.disk import Disk, lock
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.hashing import Frontier
from claims.tlog.memory import LogMemory
from claims.tlog.note import NOTE_LIMIT, SIGNATURES_LIMIT, Note, NoteSignature, parse_lines
from claims.tlog.reader import AHEAD, choose, open_log, read_checkpoint
from claims.tlog.source import FolderSource, Source, newest_sizes, open_source
from claims.tlog.tiles import MAX_SIZE, TILE_WIDTH
from claims.tlog.tree import read_bundle

__all__ = ["add_cosignatures", "check_append", "cosign"]

_LINE = "\u2014 ".encode()
"""How a signature line begins. A head does not: its first line is the log's origin, which is ASCII."""
_RECENT = 1024
"""Stored heads that signature lines alone are tried on, from the newest."""
_NEWEST = 16
"""Stored heads whose cosignatures tell the time."""


def cosign(
    where: str | os.PathLike[str], key: SigningKey, name: str, memory: LogMemory, now: int | None = None, *,
    others: Mapping[str, bytes] | None = None, clock_is_right: bool = False, again: bool = False,
    new_memory: bool = False,
) -> Note:  # fmt: skip
    """Cosign the newest head of a log; returns the head with this cosignature on it.

    What the memory has seen is not read again: the entries after it, with its right edge, lead to the new head's root or the whole log
    is read. In a folder the cosignature is also added to ``checkpoints/<size>`` and ``checkpoint``. A head that carries this
    cosigner's valid cosignature already keeps it, unless it is dated in the future. The memory is written before anything is signed.

    Args:
        where: a folder, or a web address (then nothing is written there; give the result to the log's operator).
        memory: this cosigner's memory, which names the log.
        now: Unix time; None takes the clock.
        others: name to key of further cosigners, whose dates also tell the time, as the log's own does.
        again: also say that this is still the whole log now: keep the first cosignature on this head, and renew the latest.
        new_memory: begin a memory although the log shows that this cosigner had one.
        clock_is_right: cosign although the clock is far ahead of every date that is known.

    Raises:
        LogFork, LogRewind: the head does not extend the one in memory. LogRejected, LogError: as ``open_log``;
            the clock went back; or too many signatures. ClockJump: the clock is far ahead.
    """
    source = open_source(where)
    trust = LogTrust(memory.origin, memory.key)
    folder = source.folder if isinstance(source, FolderSource) else None
    moment = clock.now() if now is None else now
    public = key.public_key().public_bytes_raw()
    with lock(folder) if folder is not None and folder.is_dir() else nullcontext():
        grown = _grown(source, trust, memory)
        if grown is None:
            view = open_log(source, trust, keep=False)
        signed = view.signed if grown is None else grown[0]
        note = signed.note
        if memory.cosigned is not None and moment < memory.cosigned:
            raise LogError(
                f"the clock shows {format_time(moment)}, before this cosigner's last cosignature at {format_time(memory.cosigned)}",
                "mend the clock; if it was wrong then and is right now: standstill log mend-memory",
            )
        if memory.note is None and not new_memory and _cosigned(signed, source, public):
            raise LogError(
                f"{name} has cosigned this log before, and {memory.path} remembers nothing of it",
                "name the memory that you cosigned with; if it is lost: --new-memory",
            )
        if not clock_is_right:
            dates = _dates(signed, source, trust, {n: k for n, k in (others or {}).items() if k != public})
            known = max((date for date in (memory.cosigned, dates) if date is not None), default=moment)
            clock.check_jump(moment, known, clock.COSIGN_JUMP, "date that the log shows")
        if grown is None:
            memory.update(view, moment)
        else:
            memory.extend(note.encode(), grown[1], moment)
        stored = _stored(source.read(f"checkpoints/{signed.head.size}", NOTE_LIMIT), trust, note.text)
        found, _ = cosignatures(_with(note, list(stored.signatures)) if stored else note, public)
        mine = [lines for (time, as_name), lines in found.items() if as_name == name and time <= moment]
        drop = [item for lines in mine[1:] for item in lines] if again else []
        fresh = mine[0] if mine and not again else list(cosign_lines(note.text, name, key, moment))
        if folder is not None:
            _write(folder, signed.head, [note, *([stored] if stored else [])], fresh, drop)
        return _without(_with(note, fresh), drop)


def _grown(source: Source, trust: LogTrust, memory: LogMemory) -> tuple[SignedCheckpoint, list[bytes]] | None:
    """The newest head and the leaf hashes that it adds to what is remembered, where its entries lead from there to its root.

    None: the whole log has to be read, also to tell what is wrong.
    """
    shown = read_checkpoint(source, "checkpoint", trust)
    if memory.note is None or shown is None:
        return None
    head, _, _ = choose(source, trust, frozenset(), shown, newest_sizes(source, _NEWEST))
    seen, size = memory.size, head.head.size
    if not seen <= size <= MAX_SIZE:
        return None
    leaves: list[bytes] = []
    try:
        for index in range(seen // TILE_WIDTH, (size + TILE_WIDTH - 1) // TILE_WIDTH):
            held = read_bundle(source, index, min(TILE_WIDTH, size - index * TILE_WIDTH))
            leaves += map(leaf_hash, held[max(0, seen - index * TILE_WIDTH) :])
    except LogError:
        return None
    edge = Frontier.of_peaks(seen, memory.edge.peaks)
    for item in leaves:
        edge.append(item)
    return (head, leaves) if edge.root() == head.head.root else None


def check_append(folder: str | os.PathLike[str], trust: LogTrust, others: Mapping[str, bytes], moment: int) -> None:
    """Refuse to date a new head by a clock that is far ahead of the log's last head and of what its cosigners date, or behind that head.

    ``others``: the cosigners.

    Raises:
        ClockJump: with both times. LogError: the newest head cannot be read.
    """
    source = FolderSource(Path(folder))
    newest = SignedCheckpoint.open(source.read("checkpoint", NOTE_LIMIT) or b"", trust)
    own = None if newest.dated is None else newest.dated[0]
    if own is not None and moment < own - AHEAD:
        what = f"the log's last head is of {format_time(own)}, and this machine's clock shows {format_time(moment)}, before it"
        raise clock.ClockJump(what, "mend the clock, or say --clock-is-right")
    known = max((date for date in (own, _dates(newest, source, trust, others)) if date is not None), default=moment)
    clock.check_jump(moment, known, clock.COSIGN_JUMP, "date that the log shows")


def _notes(head: SignedCheckpoint, source: Source) -> list[Note]:
    """The log's newest heads."""
    notes = [head.note]
    for size in [size for size in newest_sizes(source, _NEWEST) if size <= head.head.size]:
        with suppress(LogError):
            notes.append(Note.decode(source.read(f"checkpoints/{size}", NOTE_LIMIT) or b""))
    return notes


def _cosigned(head: SignedCheckpoint, source: Source, key: bytes) -> bool:
    """Whether a key has cosigned one of the newest heads."""
    notes = _notes(head, source)
    return any(cosignatures(note, key)[0] for note in notes)


def _dates(head: SignedCheckpoint, source: Source, trust: LogTrust, others: Mapping[str, bytes]) -> int | None:
    """The median of the newest dates on the log's newest heads, each cosigner's and the log's own: no minority sets the time."""
    notes = _notes(head, source)
    newest: dict[bytes, int] = {} if head.dated is None else {trust.key: head.dated[0]}
    for key in others.values():
        for time, _ in (at for note in notes for at in cosignatures(note, key)[0]):
            newest[key] = max(time, newest.get(key, 0))
    dates = sorted(newest.values())
    return dates[(len(dates) - 1) // 2] if dates else None


def add_cosignatures(folder: str | os.PathLike[str], trust: LogTrust, data: bytes) -> list[str]:
    """Add the valid cosignatures of ``trust``'s cosigners to the log's stored head that they are on.

    For the log's operator, who receives them from cosigners elsewhere. ``data``: a cosigned head, or signature lines alone as
    a C2SP witness answers with them; those belong to the newest stored head on which one verifies. Returns the names whose
    lines were there.

    Raises:
        LogError: the log has no such stored head. LogRejected: the note is not of this log, a cosignature on it does not verify,
            or it is another head of that size than the log's.
    """
    place = Path(folder)
    with lock(place):
        source = FolderSource(place)
        given = _beneath(source, trust, data) if data.startswith(_LINE) else SignedCheckpoint.open(data, trust)
        path = f"checkpoints/{given.head.size}"
        own = source.read(path, NOTE_LIMIT)
        if own is None:
            raise LogError(f"{place}/{path}: the log has no head of that size")
        stored = SignedCheckpoint.open(own, trust.alone()).note
        if stored.text != given.note.text:
            raise LogRejected(f"the given head of size {given.head.size} is not the log's", "two such heads are evidence of a fork")
        found = [cosignatures(given.note, trust.cosigners[name])[0] for name in sorted(given.times)]
        lines = [item for of in found for lines in of.values() for item in lines]
        _write(place, given.head, [stored], lines, _between(_with(stored, lines), trust))
    return sorted(given.times)


def _beneath(source: FolderSource, trust: LogTrust, data: bytes) -> SignedCheckpoint:
    """Signature lines alone, under the newest of the last stored heads on which a cosigner's line verifies."""
    lines = parse_lines(data)
    keys = [half for key in trust.cosigners.values() for half in halves(key) if half]
    known = [(item, half) for half in keys for item in Note("", lines).cosigned_by(half)]
    for size in reversed(newest_sizes(source, _RECENT)):
        try:
            note = Note.decode(source.read(f"checkpoints/{size}", NOTE_LIMIT) or b"")
        except LogError:
            continue
        if any(cosignature_time(note.text, item, key) is not None for item, key in known):
            own = [item for key in trust.log_keys for item in note.by(key)]
            return SignedCheckpoint.open(Note(note.text, (*own, *lines)).encode(), trust)
    raise LogRejected(f"no line is the signature of a known cosigner on one of the last {_RECENT} heads of the log")


def _stored(data: bytes | None, trust: LogTrust, text: str) -> Note | None:
    try:
        note = None if data is None else SignedCheckpoint.open(data, trust).note
    except LogError:
        return None
    return note if note is not None and note.text == text else None


def _with(note: Note, lines: list[NoteSignature]) -> Note:
    """The note with further signature lines, each once."""
    full = Note(note.text, tuple(dict.fromkeys((*note.signatures, *lines))))
    if len(full.signatures) > SIGNATURES_LIMIT or len(full.encode()) > NOTE_LIMIT:
        raise LogError(f"the head has no room for more: it takes {SIGNATURES_LIMIT} signatures and {NOTE_LIMIT} bytes")
    return full


def _between(note: Note, trust: LogTrust) -> list[NoteSignature]:
    """Each cosigner's lines but its first and its latest cosignature: the first dates entries, the latest says what did not follow."""
    return [item for key in trust.cosigners.values() for lines in list(cosignatures(note, key)[0].values())[1:-1] for item in lines]


def _without(note: Note, drop: Collection[NoteSignature]) -> Note:
    return Note(note.text, tuple(item for item in note.signatures if item not in drop))


def _write(
    folder: Path, head: Checkpoint, notes: list[Note], lines: list[NoteSignature], drop: Collection[NoteSignature] = ()
) -> None:
    """Put lines, and what the notes carry but ``drop``, on the stored head of that size and on ``checkpoint`` if it is that head."""
    disk, source = Disk(folder), FolderSource(folder)
    full = _without(_with(notes[0], [*(i for n in notes[1:] for i in n.signatures), *lines]), drop)
    disk.replace(f"checkpoints/{head.size}", full.encode())
    current = source.read("checkpoint", NOTE_LIMIT)
    newest = Note.decode(current) if current is not None else None
    if newest is not None and newest.text == full.text:
        disk.replace("checkpoint", _without(_with(newest, list(full.signatures)), drop).encode())
