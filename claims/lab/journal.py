"""What a key has signed: one small file for each key, apart from keys, stores and backups (FORMATS-store.md section S5).

A statement has an identity (agreement, subject, number) of which there may be one: the root of an epoch, the head of a period. The
journal keeps the SHA-256 of what was signed under each. A store that is restored or copied does not take the journal back with it,
and so cannot make a key sign a second, different statement. The order is always: store, journal, then what others may read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claims.agreement.signatures import epoch_root_messages, ledger_head_message, registry_head_message
from claims.base.daily import daily
from claims.base.errors import ClaimsError, UnreadableFile
from claims.base.files import growing, trouble
from claims.base.hybrid import halves
from claims.base.sqlite_trouble import FAILURES, sqlite_trouble
from claims.claim.entries import entry_message
from claims.claim.entry_kinds import (
    ClaimEntry,
    DecisionEntry,
    Entry,
    EpochEntry,
    FeedPeriodEntry,
    InspectionEntry,
    JoulesEntry,
    KeyEntry,
    LossEntry,
    TransferEntry,
)
from claims.claim.records import EpochSeal, SignedHead

__all__ = [
    "Journal",
    "JournalError",
    "JournalMissing",
    "Statement",
    "default_state",
    "of_entry",
    "of_ledger_head",
    "of_registry_head",
    "of_roots",
    "of_seal",
    "ring_of",
    "subject_of_epochs",
]

APPLICATION_ID = 0x5354444A
"""SQLite application_id of a journal: "STDJ"."""
FORMAT_VERSION = 1
_RING = b"standstill/keyring-journal/v1"
WAIT = 30.0
"""Seconds to wait for another process that signs with the same key."""
REBUILD = "make it again: standstill journal rebuild (--keyring for a keyring's)"
LARGE = 1 << 24
"""Bytes from which on a journal is read whole once a day, and not each time."""

_SCHEMA = """
CREATE TABLE key (public BLOB NOT NULL CHECK (length(public) IN (32, 1344)));
CREATE TABLE subjects (id INTEGER PRIMARY KEY, agreement BLOB NOT NULL CHECK (length(agreement) = 32), subject TEXT NOT NULL,
    UNIQUE (agreement, subject));
CREATE TABLE signed (id INTEGER NOT NULL REFERENCES subjects (id), number INTEGER NOT NULL CHECK (number >= 0),
    digest BLOB NOT NULL CHECK (length(digest) = 32), PRIMARY KEY (id, number)) WITHOUT ROWID;
CREATE TRIGGER signed_update BEFORE UPDATE ON signed BEGIN SELECT RAISE(ABORT, 'what was signed stays signed'); END;
CREATE TRIGGER signed_delete BEFORE DELETE ON signed BEGIN SELECT RAISE(ABORT, 'what was signed stays signed'); END;
"""


class JournalError(ClaimsError):
    """A key must not sign now: it signed something else before, or its journal cannot be used. Nothing was signed."""


class JournalMissing(JournalError):
    """There is no journal, or none that can be read, and something shows that the key has signed."""


@dataclass(frozen=True)
class Statement:
    """One thing that a key signs. ``subject``: kind and names; ``number``: epoch or period; ``digest``: SHA-256 of the signed message."""

    agreement: bytes
    subject: str
    number: int
    digest: bytes

    @property
    def title(self) -> str:
        """For messages."""
        return title(self.subject, self.number)


_TITLES = {
    "epoch-root": "the root of epoch {}", "ledger-head": "the ledger head of period {}", "registry-head": "the registry head of period {}",
    "entry-1": "the log entry of epoch {}", "entry-2": "the claim of period {}", "entry-4": "a record of this inspection",
    "entry-7": "the joules of epoch {}", "entry-8": "a transfer of this serial number for period {}",
    "entry-10": "the joules of period {}",
}  # fmt: skip


def title(subject: str, number: int) -> str:
    """A statement in words."""
    return _TITLES.get(subject.split(" ")[0], "this statement").format(number)


def _statement(agreement: bytes, subject: str, number: int, message: bytes) -> Statement:
    return Statement(agreement, subject, number, hashlib.sha256(message).digest())


def subject_of_epochs(lab: str, meter: str | None) -> str:
    """Of a meter's roots of epochs; None: of the lab's own log entries of epochs."""
    return f"entry-1 {lab}" if meter is None else f"epoch-root {lab} {meter}"


def of_seal(lab: str, meter: str, seal: EpochSeal) -> Statement:
    """A meter's root of an epoch."""
    (number, digest), = of_roots(seal.agreement, lab, meter, [(seal.epoch, seal.root)])
    return Statement(seal.agreement, subject_of_epochs(lab, meter), number, digest)


def of_roots(agreement: bytes, lab: str, meter: str, roots: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Number and digest of each of a meter's statements about epochs and their roots."""
    messages = epoch_root_messages(agreement, lab, meter, roots)
    return [(epoch, hashlib.sha256(message).digest()) for (epoch, _), message in zip(roots, messages, strict=True)]


def of_ledger_head(lab: str, head: SignedHead) -> Statement:
    """A meter's ledger head of a period."""
    message = ledger_head_message(head.agreement_digest, lab, head.meter, head.period, head.head, head.roots_digest)
    return _statement(head.agreement_digest, f"ledger-head {lab} {head.meter}", head.period, message)


def of_registry_head(agreement: bytes, lab: str, period: int, head: tuple[int, ...], lists: bytes) -> Statement:
    """A lab's registry head of a period. ``lists``: digest of what its claim lists."""
    return _statement(agreement, f"registry-head {lab}", period, registry_head_message(agreement, lab, period, head, lists))


def of_entry(entry: Entry) -> Statement:
    """An entry for the public log; its claim entry stands for a claim, whose SHA-256 it has."""
    number, rest = 0, [entry.author]
    if isinstance(entry, (JoulesEntry, FeedPeriodEntry)):
        number, rest = entry.epoch if isinstance(entry, JoulesEntry) else entry.period, [entry.feed]
    elif isinstance(entry, EpochEntry):
        number = entry.epoch
    elif isinstance(entry, ClaimEntry):
        number = entry.period
    elif isinstance(entry, InspectionEntry):
        rest += [entry.lab, str(entry.period), str(entry.round)]
    elif isinstance(entry, DecisionEntry):
        rest += [str(entry.decision), str(entry.effective), entry.reason.hex()]
    elif isinstance(entry, LossEntry):
        number, rest = entry.epoch, [entry.author, entry.lab, str(entry.what), entry.name, str(entry.word)]
    elif isinstance(entry, TransferEntry):
        number, rest = entry.period, [entry.giver, entry.receiver, str(entry.serial)]
    elif isinstance(entry, KeyEntry):
        rest += [str(entry.signer), *map(str, (entry.role, entry.owner, entry.holder, entry.word)), entry.old.hex(), entry.new_id.hex()]
    return _statement(entry.agreement, " ".join([f"entry-{entry.kind}", *rest]), number, entry_message(entry))


def default_state() -> Path:
    """Where journals lie if nothing else is said: $STANDSTILL_STATE, else standstill/ under $XDG_STATE_HOME or ~/.local/state."""
    given = os.environ.get("STANDSTILL_STATE")
    base = os.environ.get("XDG_STATE_HOME")
    if given:
        return Path(given)
    try:
        return (Path(base) if base else Path.home() / ".local/state") / "standstill"
    except RuntimeError:
        raise JournalError("this user has no home folder for the journals of what keys signed", "give --state, always the same") from None


def ring_of(lab: str) -> bytes:
    """What stands for a key in the one journal of all meters of a lab whose keys are made of a keyring: 32 bytes."""
    return hashlib.sha256(b"".join(len(text).to_bytes(2, "big") + text for text in (_RING, lab.encode()))).digest()


class Journal:
    """An open journal, its lock held. Use :meth:`opened`."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path, self._db = path, db
        self._ids: dict[tuple[bytes, str], int] = {}

    @staticmethod
    def place(state: Path, public: bytes) -> Path:
        """The file of a key: named by the first half of the SHA-256 of its public half."""
        return state / f"{hashlib.sha256(public).hexdigest()[:32]}.journal"

    @staticmethod
    @contextlib.contextmanager
    def opened(state: Path, public: bytes, who: str, *, seen: bool) -> Iterator[Journal]:
        """A key's journal for one batch: no other process signs meanwhile; at the end it is synced, after an error as it was.

        Args:
            who: whose key it is, for messages.
            seen: something shows that the key has signed before, so that a missing journal is not a new one.

        Raises:
            JournalMissing: see ``seen``; or the file is damaged. JournalError: in use, readable by others, or of another program.
            UnreadableFile: the folder cannot be written.
        """
        path = Journal.place(state, public)
        if not os.path.lexists(path):
            if seen:
                raise JournalMissing(f"the key of {who} has signed before, and this machine has no journal of it ({path})", REBUILD)
            _make(path, public)
        db = _connect(path, public, who)
        journal = Journal(path, db)
        try:
            yield journal
            journal.commit()
        finally:
            db.close()

    @staticmethod
    def glance(state: Path, public: bytes, agreement: bytes, subject: str) -> list[Statement]:
        """A key's statements about an agreement whose subjects begin so, read without its lock; none where no journal can be read."""
        path = Journal.place(state, public)
        if not path.exists():
            return []
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT)
        try:
            query = "SELECT subject, number, digest FROM subjects JOIN signed USING (id) WHERE agreement = ? AND subject LIKE ?"
            rows = db.execute(query, (agreement, f"{subject}%")).fetchall()
        except FAILURES:
            return []
        finally:
            db.close()
        return [Statement(agreement, str(text), int(number), bytes(digest)) for text, number, digest in rows]

    @staticmethod
    def extent(path: Path) -> list[str]:
        """Whose key's journal a file is, and the newest that the key signed of each kind, in words. Raises JournalError."""
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT)
        try:
            public = bytes(db.execute("SELECT public FROM key").fetchone()[0])
            rows = db.execute(
                "SELECT hex(agreement), subject, COUNT(*), MAX(number) FROM subjects JOIN signed USING (id) GROUP BY id ORDER BY 1, 2"
            ).fetchall()
        except (*FAILURES, TypeError, ValueError) as error:
            raise _refusal(path, error) from None
        finally:
            db.close()
        said = [f"{text.lower()[:16]}: {subject}, {count}, the last {number}" for text, subject, count, number in rows]
        return [f"key         {halves(public)[0].hex()}", *said[:40], *([f"and {len(said) - 40} more kinds"] if len(said) > 40 else [])]

    def commit(self) -> None:
        """Sync what was added; what signs after this needs a new batch."""
        if self._db.in_transaction:
            self._run("COMMIT")

    def find(self, statement: Statement) -> bytes | None:
        """Digest of what was signed under a statement's identity, or None."""
        rows = self._run(
            "SELECT digest FROM signed JOIN subjects USING (id) WHERE agreement = ? AND subject = ? AND number = ?",
            statement.agreement, statement.subject, statement.number,
        )  # fmt: skip
        return bytes(rows[0][0]) if rows else None

    def add(self, statement: Statement) -> None:
        """Note that the key signs this. The same again changes nothing.

        Raises:
            JournalError: the key signed another statement of this identity.
        """
        known = self.find(statement)
        if known is None:
            self.extend(statement.agreement, statement.subject, [(statement.number, statement.digest)])
        elif known != statement.digest:
            what = f"this key has signed {statement.title} with other content"
            raise JournalError(what, "two would be evidence against its owner: keep the first")

    def extend(self, agreement: bytes, subject: str, signed: Iterable[tuple[int, bytes]]) -> None:
        """Note numbers and digests of one subject, none of which is known."""
        known = self._subject(agreement, subject)
        try:
            self._db.executemany("INSERT INTO signed VALUES (?, ?, ?)", ((known, number, digest) for number, digest in signed))
        except FAILURES as error:
            raise _refusal(self.path, error) from None

    def last(self, agreement: bytes, subject: str) -> int:
        """The greatest number of a subject, -1 without any."""
        rows = self._run(
            "SELECT MAX(number) FROM signed JOIN subjects USING (id) WHERE agreement = ? AND subject = ?", agreement, subject
        )
        return -1 if rows[0][0] is None else int(rows[0][0])

    def statements(self) -> list[Statement]:
        """The newest of every subject of epochs, and all others."""
        rows = self._run(
            "SELECT agreement, subject, number, digest FROM subjects JOIN signed USING (id) "
            "WHERE NOT (subject LIKE 'epoch-root %' OR subject LIKE 'entry-1 %') UNION ALL "
            "SELECT agreement, subject, number, digest FROM (SELECT id, agreement, subject, (SELECT MAX(number) FROM signed "
            "WHERE signed.id = subjects.id) AS number FROM subjects WHERE subject LIKE 'epoch-root %' OR subject LIKE 'entry-1 %') "
            "JOIN signed USING (id, number)"
        )
        return [Statement(bytes(agreement), str(subject), int(number), bytes(digest)) for agreement, subject, number, digest in rows]

    def _subject(self, agreement: bytes, subject: str) -> int:
        values = (agreement, subject)
        if values not in self._ids:
            self._run("INSERT OR IGNORE INTO subjects (agreement, subject) VALUES (?, ?)", *values)
            self._ids[values] = int(self._run("SELECT id FROM subjects WHERE agreement = ? AND subject = ?", *values)[0][0])
        return self._ids[values]

    def _run(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(text, values).fetchall()
        except FAILURES as error:
            raise _refusal(self.path, error) from None


def _refusal(path: Path, error: Exception) -> JournalError:
    what, hint = sqlite_trouble(path, error, REBUILD)
    return (JournalMissing if hint == REBUILD else JournalError)(what, hint)


def _make(path: Path, public: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        what, hint = trouble(error)
        raise UnreadableFile(f"{path.parent}: {what}", hint or "choose another folder with --state") from None
    try:
        with growing(path) as temporary:
            _fill(temporary, public)
    except UnreadableFile:
        if not path.exists():  # else another process made it at this moment
            raise


def _fill(path: Path, public: bytes) -> None:
    db = sqlite3.connect(path)
    try:
        db.executescript(f"PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; BEGIN; {_SCHEMA}")  # synced before it has its name
        db.execute("INSERT INTO key VALUES (?)", (public,))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        db.commit()
    except FAILURES as error:
        raise _refusal(path, error) from None
    finally:
        db.close()


def _connect(path: Path, public: bytes, who: str) -> sqlite3.Connection:
    """Open, lock and check the file."""
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError as error:
        raise UnreadableFile(f"{path}: {trouble(error)[0]}") from None
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
        raise JournalError(f"journal {path} is not a file of mode 0600", f"chmod 600 {path}")
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=WAIT)
    except FAILURES as error:
        raise _refusal(path, error) from None
    try:
        for pragma in ("synchronous = EXTRA", "foreign_keys = ON", "trusted_schema = OFF"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("BEGIN IMMEDIATE")
        marks = tuple(db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if marks[0] == APPLICATION_ID and marks[1] > FORMAT_VERSION:
            raise JournalError(f"journal {path} has format {marks[1]}, this program reads {FORMAT_VERSION}", "use the matching program")
        with contextlib.nullcontext(True) if status.st_size < LARGE else daily("journal-whole", path) as due:
            whole = marks == (APPLICATION_ID, FORMAT_VERSION) and (not due or db.execute("PRAGMA quick_check").fetchone()[0] == "ok")
            if not whole or db.execute("SELECT public FROM key").fetchall() != [(public,)]:
                raise JournalMissing(f"the journal of the key of {who} is damaged, or not one ({path})", REBUILD)
        return db
    except BaseException as error:
        db.close()
        if isinstance(error, FAILURES):
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise JournalError(f"another process is signing with the key of {who}", "try again when it has ended") from None
            raise _refusal(path, error) from None
        raise
