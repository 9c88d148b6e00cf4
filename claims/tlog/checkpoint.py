"""Checkpoints (C2SP tlog-checkpoint), cosignatures (C2SP tlog-cosignature, Ed25519 and ML-DSA-44) and whom to believe."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from claims.base.ed25519 import half_verifies, is_key
from claims.base.hybrid import KEY_SIZES, HybridKey, SigningKey, halves
from claims.base.merkle import EMPTY_ROOT, HASH_BYTES
from claims.base.text import is_key_name, is_origin
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.note import (
    COSIGNATURE,
    ED25519,
    HEAD_DATE,
    LATTICE,
    NOTE_LIMIT,
    SIGNATURES_LIMIT,
    Note,
    NoteSignature,
    VerifierKey,
    from_base64,
    key_id,
    sign_text,
    to_base64,
    verifier_keys,
    verifies,
)

__all__ = [
    "Checkpoint", "LogTrust", "SignedCheckpoint", "cosign_lines", "cosign_text", "cosignature_time", "cosignatures", "date_head",
    "sign_checkpoint",
]

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
TIME_LIMIT = 2**63


@dataclass(frozen=True)
class Checkpoint:
    """A tree head: origin, number of leaves below 2^63, root. ``extensions``: further lines, which mean nothing here."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The note text."""
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), to_base64(self.root), *self.extensions))

    @staticmethod
    def parse(text: str) -> Checkpoint:
        """Inverse of :meth:`text`. Raises LogError for anything else."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or not all(lines):
            raise LogError("a checkpoint is not three or more lines")
        origin, size, root = lines[:3]
        if _SIZE.fullmatch(size) is None or int(size) >= 2**63:
            raise LogError("a checkpoint's size is not a number below 2^63 without leading zeros")
        data = from_base64(root, "a checkpoint's root")
        if len(data) != HASH_BYTES:
            raise LogError("a checkpoint's root is not 32 bytes")
        return Checkpoint(origin, int(size), data, tuple(lines[3:]))


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> Note:
    """The checkpoint as a note signed by the log, by each half of its key. ML-DSA-44's half gives another line each time."""
    text, name, (curve, *lattice) = checkpoint.text(), checkpoint.origin, _private_halves(key)
    return Note(text, (sign_text(text, name, curve), *(cosign_text(text, name, half, 0) for half in lattice)))


def _private_halves(key: SigningKey) -> tuple[SigningKey, ...]:
    return (key.curve, key.lattice) if isinstance(key, HybridKey) else (key,)


def _cosigned(text: str, time: int, name: str, half: bytes) -> bytes:
    """What a half signs of a checkpoint: C2SP's ``cosignature/v1`` with Ed25519, its ``subtree/v1`` with ML-DSA-44."""
    if len(half) == KEY_SIZES[0]:
        return f"cosignature/v1\ntime {time}\n{text}".encode()
    head = Checkpoint.parse(text)
    names = (name.encode(), time.to_bytes(8, "big"), head.origin.encode())
    sized = [part if index == 1 else bytes([len(part)]) + part for index, part in enumerate(names)]
    return b"subtree/v1\n\0" + b"".join(sized) + bytes(8) + head.size.to_bytes(8, "big") + head.root


def cosign_text(text: str, name: str, key: SigningKey, time: int) -> NoteSignature:
    """A cosignature of a checkpoint's text at a Unix time, with one half of a key, or a key of Ed25519 alone."""
    if not is_key_name(name) or not 0 <= time < TIME_LIMIT:
        raise LogError("a cosignature needs a key name without spaces and plus, and a time below 2^63")
    public = key.public_key().public_bytes_raw()
    kind = COSIGNATURE if len(public) == KEY_SIZES[0] else LATTICE
    return NoteSignature(name, key_id(name, kind, public), time.to_bytes(8, "big") + key.sign(_cosigned(text, time, name, public)))


def cosign_lines(text: str, name: str, key: SigningKey, time: int) -> tuple[NoteSignature, ...]:
    """A cosignature with each half of a key, Ed25519's line first."""
    return tuple(cosign_text(text, name, half, time) for half in _private_halves(key))


def cosignature_time(text: str, item: NoteSignature, half: bytes) -> int | None:
    """Time of a line that verifies by one half of a key, or a key of Ed25519 alone, else None."""
    time = int.from_bytes(item.data[:8], "big")
    if len(item.data) < 8 or time >= TIME_LIMIT or not half_verifies(half, item.data[8:], _cosigned(text, time, item.name, half)):
        return None
    return time


def cosignatures(note: Note, key: bytes) -> tuple[dict[tuple[int, str], list[NoteSignature]], list[NoteSignature]]:
    """What a cosigner's key signed of a head: (time, name on its lines) to these lines, and lines that name it and do not verify.

    A hybrid key's cosignature is a line of each half with one name and one time: one half alone is none. Two randomised lines of one
    half, name and time are one statement.
    """
    found: list[dict[tuple[int, str], NoteSignature]] = []
    bad: list[NoteSignature] = []
    for half in filter(None, halves(key)):
        times = [(item, cosignature_time(note.text, item, half)) for item in note.cosigned_by(half)]
        found.append({(time, item.name): item for item, time in reversed(times) if time is not None})
        bad += [item for item, time in times if time is None]
    return {at: [of[at] for of in found] for at in sorted(set.intersection(*map(set, found)))}, bad


def _signed_by_log(note: Note, trust: LogTrust) -> bool:
    """Whether the log signed a head, with each half of its key, and no line of its own fails."""
    curve, *lattice = ([(item, key.key) for item in note.by(key)] for key in trust.log_keys)
    good = bool(curve) and all(half_verifies(key, item.data, note.text.encode()) for item, key in curve)
    return good and all(
        bool(lines) and all(cosignature_time(note.text, item, key) is not None for item, key in lines) for lines in lattice
    )


def _dated(text: str, time: int, previous: int) -> bytes:
    domain = HEAD_DATE[1:]
    return len(domain).to_bytes(2, "big") + domain + time.to_bytes(8, "big") + previous.to_bytes(8, "big") + text.encode()


def date_head(note: Note, key: SigningKey, time: int, previous: int) -> Note:
    """The log's head with its own date on it: published at ``time``, right after the head of size ``previous``."""
    head = Checkpoint.parse(note.text)
    if not 0 <= time < TIME_LIMIT or not 0 <= previous <= head.size:
        raise LogError("a head is dated with a time below 2^63 and the size of the head before it")
    data = time.to_bytes(8, "big") + previous.to_bytes(8, "big") + key.sign(_dated(note.text, time, previous))
    line = NoteSignature(head.origin, key_id(head.origin, HEAD_DATE, key.public_key().public_bytes_raw()), data)
    return replace(note, signatures=(*note.signatures, line))


def _head_dates(note: Note, trust: LogTrust) -> list[tuple[int, int]]:
    """What the log's own dating lines say: (time, size of the head before). Raises LogRejected: one does not verify."""
    found, own = [], key_id(trust.origin, HEAD_DATE, trust.key)
    for item in note.signatures:
        if item.name != trust.origin or item.id != own:
            continue
        time, previous = int.from_bytes(item.data[:8], "big"), int.from_bytes(item.data[8:16], "big")
        if len(item.data) < 16 or time >= TIME_LIMIT or not verifies(trust.key, item.data[16:], _dated(note.text, time, previous)):
            raise LogRejected("the log's own date on its head does not verify")
        found.append((time, previous))
    return found


@dataclass(frozen=True)
class LogTrust:
    """What a verifier holds of a log.

    Args:
        origin: the log's name in its checkpoints.
        key: its key, 32 or 1,344 bytes.
        cosigners: name to key of everyone whose cosignatures count. A key counts once, whatever names its lines have.
        quorum: cosignatures that a head needs; 0 believes the log alone.
        witnesses: names of cosigners that read no entry: they count for heads, and date no entry.

    Raises:
        LogError: an origin, name or key that cannot be one, or a quorum that can never be met.
    """

    origin: str
    key: bytes
    cosigners: Mapping[str, bytes] = field(default_factory=dict)
    quorum: int = 0
    witnesses: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not is_origin(self.origin):
            raise LogError("a log's origin is 1 to 128 printable ASCII characters without spaces and plus")
        if not all(map(is_key, (self.key, *self.cosigners.values()))):
            raise LogError("a log's and its cosigners' keys are usable public keys: canonical, on the curve, not of small order")
        if not all(is_key_name(name) for name in self.cosigners):
            raise LogError("a cosigner's name is empty or has spaces or a plus")
        if not 0 <= self.quorum <= len(set(self.cosigners.values()) - {self.key}):
            raise LogError(f"{self.quorum} cosignatures can never be there: there are not that many cosigners")

    def alone(self) -> LogTrust:
        """The same log, believed without cosignatures."""
        return replace(self, quorum=0)

    @property
    def log_keys(self) -> list[VerifierKey]:
        """The log's key as signature lines name it, each half."""
        return verifier_keys(self.origin, ED25519, self.key)


@dataclass(frozen=True)
class SignedCheckpoint:
    """A head whose log signature verified, with every cosignature that counts.

    Attributes:
        times: name of a cosigner to the least time at which it cosigned this head; ``stamps``: to all of them, ascending.
        dated: the log's own date, and the size of the head that it published before this one; None where it gives none.
    """

    head: Checkpoint
    note: Note
    times: Mapping[str, int]
    _keys: Mapping[str, bytes]
    stamps: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    dated: tuple[int, int] | None = None

    @staticmethod
    def empty(trust: LogTrust) -> SignedCheckpoint:
        """The head of no entries, which needs nobody's word."""
        head = Checkpoint(trust.origin, 0, EMPTY_ROOT)
        return SignedCheckpoint(head, Note(head.text(), ()), {}, dict(trust.cosigners))

    @staticmethod
    def open(data: bytes, trust: LogTrust) -> SignedCheckpoint:
        """Parse a note and verify each signature by a known key.

        Raises:
            LogError: malformed.
            LogRejected: another origin, not signed by the log, or a line of a known key that does not verify.
        """
        note = Note.decode(data)
        head = Checkpoint.parse(note.text)
        if head.origin != trust.origin:
            raise LogRejected(f"the checkpoint is of another log, {head.origin!r}")
        if not _signed_by_log(note, trust):
            raise LogRejected(f"the checkpoint of size {head.size} is not signed by the log")
        stamps: dict[str, list[int]] = {}
        for name, key in sorted(trust.cosigners.items()):
            found, bad = cosignatures(note, key)
            if any(item.name == name for item in bad):
                raise LogRejected(f"a cosignature of {name} on the checkpoint of size {head.size} does not verify")
            if found:
                stamps[name] = [time for time, _ in found]
        dates = _head_dates(note, trust)
        times = {name: min(found) for name, found in stamps.items()}
        ordered = {name: tuple(sorted(found)) for name, found in stamps.items()}
        return SignedCheckpoint(head, note, times, dict(trust.cosigners), ordered, min(dates) if dates else None)

    def merge(self, other: SignedCheckpoint) -> SignedCheckpoint:
        """This head with what another copy of it, of the same text, carries too."""
        lines = tuple(dict.fromkeys((*self.note.signatures, *other.note.signatures)))
        times = {n: min(s.times[n] for s in (self, other) if n in s.times) for n in {*self.times, *other.times}}
        stamps = {n: tuple(sorted({*self.stamps.get(n, ()), *other.stamps.get(n, ())})) for n in {*self.stamps, *other.stamps}}
        dates = [item.dated for item in (self, other) if item.dated is not None]
        full = replace(self.note, signatures=lines)
        fits = len(lines) <= SIGNATURES_LIMIT and len(full.encode()) <= NOTE_LIMIT
        return replace(self, note=full if fits else self.note, times=times, stamps=stamps, dated=min(dates) if dates else None)

    def quorum_time(self, trust: LogTrust, exclude: Collection[str] = ()) -> int | None:
        """Time by which ``trust.quorum`` cosigners had seen this head, the excluded not counted; None: too few did.

        With a quorum of 0 nobody dates anything: None.
        """
        ordered = sorted(self._by_key(self.times, min, trust, exclude))
        return ordered[trust.quorum - 1] if 0 < trust.quorum <= len(ordered) else None

    def latest(self, until: int | None = None) -> dict[str, int]:
        """Name of a cosigner to the greatest time at which it cosigned this head, those after ``until`` not counted."""
        return {
            name: max(good) for name, found in self.stamps.items() if (good := [time for time in found if until is None or time <= until])
        }

    def as_of(self, trust: LogTrust, exclude: Collection[str] = (), until: int | None = None) -> int | None:
        """The latest time at or after which ``trust.quorum`` cosigners said that this was the log; None as :meth:`quorum_time`.

        ``until``: dates after it are none.
        """
        ordered = sorted(self._by_key(self.latest(until), max, trust, exclude), reverse=True)
        return ordered[trust.quorum - 1] if 0 < trust.quorum <= len(ordered) else None

    def _by_key(
        self, times: Mapping[str, int], choose: Callable[[int, int], int], trust: LogTrust, exclude: Collection[str]
    ) -> list[int]:
        """One time for each key that counts, whatever names it has."""
        barred = {self._keys[name] for name in exclude if name in self._keys} | {trust.key}
        found: dict[bytes, int] = {}
        for name, time in times.items():
            key = self._keys[name]
            if key not in barred:
                found[key] = choose(time, found.get(key, time))
        return list(found.values())

    def has_quorum(self, trust: LogTrust, exclude: Collection[str] = ()) -> bool:
        """Whether enough cosigners that are not excluded cosigned this head."""
        return trust.quorum == 0 or self.quorum_time(trust, exclude) is not None
