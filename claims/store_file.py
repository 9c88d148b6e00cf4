"""The file behind a lab's store: made, opened, checked, changed in transactions. What is in it: ``claims.store``.

Every change is one transaction with full synchronisation, so a crash leaves the state before or after it. The file is 0600.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from claims.canonical import head_to_bytes, is_name
from claims.errors import ClaimsError
from claims.records import fresh_elements
from claims.store_schema import schema_statements

__all__ = ["APPLICATION_ID", "FORMAT_VERSION", "StoreError", "StoreFile"]

APPLICATION_ID = 0x53544453
"""SQLite application_id of a store: "STDS"."""
FORMAT_VERSION = 3


class StoreError(ClaimsError):
    """The store refuses a change or cannot be opened. Nothing was changed. Never holds a secret."""


class StoreFile:
    """An open file. Use :meth:`create` or :meth:`open`, and as a context manager.

    Raises:
        StoreError: on every refusal; the file is then as it was before the call.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, lab: str) -> None:
        self._path, self._db, self._lab = path, connection, lab

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._path)!r}, lab={self._lab!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def lab(self) -> str:
        """The lab whose store this is."""
        return self._lab

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @classmethod
    def create(cls, path: str | Path, lab: str) -> Self:
        """Make a new, empty store with a fresh registry IV. Refuses an existing file."""
        path = Path(path)
        if not is_name(lab):
            raise StoreError(f"{lab!r} is not a lab name", "use a-z 0-9 . _ - and at most 64 of them")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            raise StoreError(f"{path} exists already", "open it, or choose another file") from None
        except OSError as error:
            raise StoreError(f"{path} cannot be made: {error.strerror}", "check the folder") from None
        try:
            db = cls._connect(path)
            with db:
                db.execute("BEGIN IMMEDIATE")
                for statement in schema_statements():
                    db.execute(statement)
                db.execute("INSERT INTO meta VALUES ('lab', ?)", (lab.encode(),))
                db.execute("INSERT INTO meta VALUES ('registry_iv', ?)", (head_to_bytes(fresh_elements()),))
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        except sqlite3.Error as error:
            for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                name.unlink(missing_ok=True)
            raise StoreError(f"{path} cannot be made: {error}", "check the disk") from None
        return cls(path, db, lab)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open an existing store after checking its owner's mode, its kind, its version and its integrity."""
        path = Path(path)
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            raise StoreError(f"{path} cannot be opened: {error.strerror}", "make one: standstill lab init") from None
        if not stat.S_ISREG(mode):
            raise StoreError(f"{path} is not a file")
        if mode & 0o077:
            raise StoreError(f"{path} may be read by others", f"chmod 600 {path}, and consider its secrets known")
        try:
            db = cls._connect(path)
            marks = tuple(db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
            if marks[0] != APPLICATION_ID:
                raise StoreError(f"{path} is not a Standstill store")
            if marks[1] != FORMAT_VERSION:
                raise StoreError(
                    f"{path} has format {marks[1]}, this program reads {FORMAT_VERSION}", "use the matching program"
                )
            if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                raise StoreError(f"{path} is damaged", "restore the last backup")
            lab = bytes(db.execute("SELECT value FROM meta WHERE key = 'lab'").fetchone()[0]).decode()
        except sqlite3.Error as error:
            raise StoreError(f"{path} cannot be read as a store: {error}", "restore the last backup") from None
        return cls(path, db, lab)

    @staticmethod
    def _connect(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None, timeout=10)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF"):
            db.execute(f"PRAGMA {pragma}")
        return db

    def close(self) -> None:
        """Close the file; what was committed is on disk."""
        self._db.close()

    def backup(self, target: str | Path) -> None:
        """Copy what is committed into a new file of mode 0600, which is a store like this one."""
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            copy = self._connect(Path(target))
            try:
                self._db.backup(copy)
            finally:
                copy.close()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{target} cannot be made: {error}", "name a file that does not exist yet") from None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside, or none. May be nested; the outermost one commits."""
        if self._db.in_transaction:
            yield
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise StoreError(f"{self._path} cannot be written: {error}", "is another program using it?") from None
        try:
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._db.rollback()
            raise StoreError(f"refused: {error}", "nothing was changed") from None
        except BaseException:
            self._db.rollback()
            raise

    def _query(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(text, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path} cannot be read: {error}", "restore the last backup") from None
