"""Cosigning a log's newest head after checking that it extends what this cosigner saw before."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from claims.tlog.checkpoint import Checkpoint, LogTrust, SignedCheckpoint, cosign_text, cosignature_time
from claims.tlog.disk import Disk, lock
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.memory import LogMemory
from claims.tlog.note import COSIGNATURE, NOTE_LIMIT, SIGNATURES_LIMIT, Note, NoteSignature, VerifierKey, parse_lines
from claims.tlog.reader import open_log
from claims.tlog.source import FolderSource, open_source

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["add_cosignatures", "cosign"]

_LINE = "\u2014 ".encode()
"""How a signature line begins. A head does not: its first line is the log's origin, which is ASCII."""
_RECENT = 1024
"""Stored heads that signature lines alone are tried on, from the newest."""


def cosign(
    where: str | os.PathLike[str], key: Ed25519PrivateKey, name: str, memory: LogMemory, now: int | None = None
) -> Note:
    """Cosign the newest head of a log; returns the head with this cosignature on it.

    In a folder the cosignature is also added to ``checkpoints/<size>`` and ``checkpoint``. A head that carries this
    cosigner's valid cosignature already keeps it. The memory is written before anything is signed.

    Args:
        where: a folder, or a web address (then nothing is written there; give the result to the log's operator).
        memory: this cosigner's memory, which names the log.
        now: Unix time; None takes the clock.

    Raises:
        LogFork, LogRewind: the head does not extend the one in memory. LogRejected, LogError: as ``open_log``;
            the clock went back; or too many signatures.
    """
    source = open_source(where)
    trust = LogTrust(memory.origin, memory.key)
    folder = source.folder if isinstance(source, FolderSource) else None
    moment = int(time.time()) if now is None else now
    with lock(folder) if folder is not None and folder.is_dir() else nullcontext():
        view = open_log(source, trust)
        if memory.cosigned is not None and moment < memory.cosigned:
            raise LogError(f"the clock shows {moment}, before this cosigner's last cosignature at {memory.cosigned}")
        memory.update(view, moment)
        note = view.signed.note
        public = VerifierKey(name, COSIGNATURE, key.public_key().public_bytes_raw())
        stored = _stored(source.read(f"checkpoints/{view.size}", NOTE_LIMIT), trust, note.text)
        mine = [i for n in (note, stored) if n for i in n.by(public) if cosignature_time(n.text, i, public.key) is not None]
        line = mine[0] if mine else cosign_text(note.text, name, key, moment)
        if folder is not None:
            _write(folder, view.signed.head, [note, *([stored] if stored else [])], [line])
        return _with(note, [line])


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
        keys = [trust.cosigners[name] for name in given.times]
        found = [(item, key) for key in keys for item in given.note.cosigned_by(key)]
        lines = [item for item, key in found if cosignature_time(given.note.text, item, key) is not None]
        _write(place, given.head, [stored], lines)
    return sorted(given.times)


def _beneath(source: FolderSource, trust: LogTrust, data: bytes) -> SignedCheckpoint:
    """Signature lines alone, under the newest of the last stored heads on which a cosigner's line verifies."""
    lines = parse_lines(data)
    known = [(item, key) for key in trust.cosigners.values() for item in Note("", lines).cosigned_by(key)]
    for size in reversed(source.sizes()[-_RECENT:]):
        try:
            note = Note.decode(source.read(f"checkpoints/{size}", NOTE_LIMIT) or b"")
        except LogError:
            continue
        if any(cosignature_time(note.text, item, key) is not None for item, key in known):
            return SignedCheckpoint.open(Note(note.text, (*note.by(trust.log_key), *lines)).encode(), trust)
    raise LogRejected(f"no line is a known cosigner's on one of the last {_RECENT} heads of the log")


def _stored(data: bytes | None, trust: LogTrust, text: str) -> Note | None:
    try:
        note = None if data is None else SignedCheckpoint.open(data, trust).note
    except LogError:
        return None
    return note if note is not None and note.text == text else None


def _with(note: Note, lines: list[NoteSignature]) -> Note:
    """The note with further signature lines, each once."""
    signatures = tuple(dict.fromkeys((*note.signatures, *lines)))
    if len(signatures) > SIGNATURES_LIMIT:
        raise LogError(f"the head has {SIGNATURES_LIMIT} signatures already")
    return Note(note.text, signatures)


def _write(folder: Path, head: Checkpoint, notes: list[Note], lines: list[NoteSignature]) -> None:
    """Put lines, and what the notes carry, on the stored head of that size and on ``checkpoint`` if it is that head."""
    disk, source = Disk(folder), FolderSource(folder)
    full = _with(notes[0], [*(i for n in notes[1:] for i in n.signatures), *lines])
    disk.replace(f"checkpoints/{head.size}", full.encode())
    current = source.read("checkpoint", NOTE_LIMIT)
    newest = Note.decode(current) if current is not None else None
    if newest is not None and newest.text == full.text:
        disk.replace("checkpoint", _with(newest, list(full.signatures)).encode())
