"""The file behind a lab's store: made, opened, checked, changed in transactions. What is in it: ``claims.lab.store``.

Every change is one transaction with full synchronisation, so a crash leaves the state before or after it. The file is 0600.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from claims.base.canonical import head_to_bytes, is_name
from claims.base.daily import daily
from claims.base.errors import ClaimsError, UnreadableFile
from claims.base.files import growing
from claims.base.sqlite_trouble import FAILURES, sqlite_trouble
from claims.claim.records import fresh_elements
from claims.lab.store_schema import schema_statements

__all__ = ["APPLICATION_ID", "FORMAT_VERSION", "StoreError", "StoreFile", "store_trouble"]

APPLICATION_ID = 0x53544453
"""SQLite application_id of a store: "STDS"."""
FORMAT_VERSION = 4
WAIT = 60.0
"""Seconds to wait for another command that writes: an import of ten million rows holds the file for about so long, once it has read
them."""


class StoreError(ClaimsError):
    """The store refuses a change or cannot be opened. Nothing was changed. Never holds a secret."""


_DAMAGED = "restore the last backup: standstill lab restore"


def store_trouble(path: Path, error: Exception) -> StoreError:
    """What one of ``FAILURES`` means for who runs the program."""
    return StoreError(*sqlite_trouble(path, error, _DAMAGED))


def check_whole(path: Path, db: sqlite3.Connection) -> None:
    """Read all of an open file. Raises StoreError: it is damaged."""
    try:
        if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise StoreError(f"{path} is damaged", _DAMAGED)
    except FAILURES as error:
        raise store_trouble(path, error) from None


class StoreFile:
    """An open file. Use :meth:`create` or :meth:`open`, and as a context manager.

    Raises:
        StoreError: on every refusal; the file is then as it was before the call.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, lab: str, *, unchecked: bool = False) -> None:
        self._path, self._db, self._lab, self._unchecked = path, connection, lab, unchecked

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._path)!r}, lab={self._lab!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Close. What went wrong without being a refusal, in a file that was not checked, may be damage: then that is said.

        Raises:
            StoreError: the file is damaged.
        """
        try:
            if self._unchecked and isinstance(error, Exception) and not isinstance(error, ClaimsError):
                self._undo()
                check_whole(self._path, self._db)
        finally:
            self.close()

    @property
    def lab(self) -> str:
        """The lab whose store this is."""
        return self._lab

    @property
    def site(self) -> str | None:
        """The site whose store this is, without the lab's registry; None of a store with the registry."""
        rows = self._query("SELECT value FROM meta WHERE key = 'site'")
        return bytes(rows[0][0]).decode() if rows else None

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @classmethod
    def create(cls, path: str | Path, lab: str, site: str | None = None) -> Self:
        """Make a new, empty store with a fresh registry IV, or the store of one site. Refuses an existing file."""
        path = Path(path)
        if site is not None and not is_name(site):
            raise StoreError(f"{site!r} is not a site's name", "use a-z 0-9 . _ - and at most 64 of them")
        if not is_name(lab):
            raise StoreError(f"{lab!r} is not a lab name", "use a-z 0-9 . _ - and at most 64 of them")
        try:
            with growing(path) as temporary:
                cls._fill(temporary, lab, site)
        except UnreadableFile as error:
            raise StoreError(error.what, error.hint) from None
        return cls.open(path)

    @classmethod
    def _fill(cls, path: Path, lab: str, site: str | None) -> None:
        db = cls._connect(path)
        try:
            with db:
                db.execute("BEGIN IMMEDIATE")
                for statement in schema_statements():
                    db.execute(statement)
                db.execute("INSERT INTO meta VALUES ('lab', ?)", (lab.encode(),))
                if site is not None:
                    db.execute("INSERT INTO meta VALUES ('site', ?)", (site.encode(),))
                db.execute("INSERT INTO meta VALUES ('registry_iv', ?)", (head_to_bytes(fresh_elements()),))
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        except FAILURES as error:
            raise store_trouble(path, error) from None
        finally:
            db.close()

    @classmethod
    def open(cls, path: str | Path, *, check: bool = True) -> Self:
        """Open an existing store after checking its owner's mode, its kind and its version.

        Args:
            check: read all of it too, to see that it is whole: about a second for each million readings.
        """
        path = Path(path)
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            raise StoreError(f"{path} cannot be opened: {error.strerror}", "make one: standstill lab init") from None
        if not stat.S_ISREG(mode):
            raise StoreError(f"{path} is not a file")
        if mode & 0o077:
            raise StoreError(f"{path} may be read by others", f"chmod 600 {path}, and consider its secrets known")
        db = cls._connect(path)
        try:
            lab = cls._known(path, db)
            if check:
                check_whole(path, db)
            return cls(path, db, lab, unchecked=not check)
        except BaseException:
            db.close()
            raise

    @classmethod
    def open_daily(cls, path: Path, *, check: bool = False) -> Self:
        """As :meth:`open`, which reads all of it if ``check``, or if that was not done in the last 24 hours."""
        with daily("store-whole", path, anew=check) as due:
            return cls.open(path, check=due)

    @staticmethod
    def _known(path: Path, db: sqlite3.Connection) -> str:
        """The lab's name in a file that is a store of this format."""
        try:
            marks = tuple(db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
            if marks[0] != APPLICATION_ID:
                raise StoreError(f"{path} is not a Standstill store")
            if marks[1] != FORMAT_VERSION:
                raise StoreError(
                    f"{path} has format {marks[1]}, this program reads {FORMAT_VERSION}", "use the matching program"
                )
            return bytes(db.execute("SELECT value FROM meta WHERE key = 'lab'").fetchone()[0]).decode()
        except FAILURES as error:
            raise store_trouble(path, error) from None
        except (TypeError, ValueError):
            raise StoreError(f"{path} is damaged", _DAMAGED) from None

    @staticmethod
    def _connect(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None, timeout=WAIT)
        try:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF"):
                db.execute(f"PRAGMA {pragma}")
        except FAILURES as error:
            db.close()
            raise store_trouble(path, error) from None
        return db

    def close(self) -> None:
        """Close the file; what was committed is on disk."""
        self._db.close()

    def backup(self, target: str | Path) -> None:
        """Copy what is committed into a new file of mode 0600, which is a store like this one.

        Raises:
            UnreadableFile: the file exists, or cannot be made. StoreError: this one cannot be read.
        """
        with growing(target) as temporary:
            try:
                copy = sqlite3.connect(temporary)
                try:
                    self._db.backup(copy)
                finally:
                    copy.close()
            except FAILURES as error:
                raise store_trouble(temporary, error) from None

    @classmethod
    def restore(cls, backup: str | Path, path: str | Path, *, replace: bool = False) -> Path | None:
        """Make a store of a backup. It is checked whole before it gets its name.

        Args:
            replace: a store that is there is kept as NAME.before-restore.

        Returns:
            The store that was there, under its new name, or None.

        Raises:
            UnreadableFile: the backup cannot be read, or a file is in the way. StoreError: it is no whole store.
        """
        target, source = Path(path), Path(backup)
        if not source.is_file():
            raise UnreadableFile(f"{source}: there is no such file", "name the backup")
        there, aside = os.path.lexists(target), target.with_name(f"{target.name}.before-restore")
        if there and not replace:
            raise UnreadableFile(f"{target}: exists already", "to put it aside as .before-restore, say so: --replace")
        if Path(f"{source}-wal").exists():
            raise StoreError(f"{source} is a store in use, not a backup", "make one: standstill lab backup")
        with growing(target, aside) as temporary:
            shutil.copyfile(source, temporary)
            try:
                with cls.open(temporary) as new:
                    known, lab = new._identity(), new.lab
            except StoreError as error:
                raise StoreError(error.what.replace(str(temporary), str(source)), error.hint) from None
            if there and cls._at(target) not in (None, known):
                raise StoreError(f"{source} is a backup of another store, of lab {lab}", "give another --store, or the right backup")
            if there and not target.is_symlink() and cls._is_open(target):  # of a link the file behind it stays where it is
                raise StoreError(f"{target} is in use by another program", "end the collector, or what else has it open")
        return aside if there else None

    @staticmethod
    def _is_open(path: Path) -> bool:
        """Whether another connection has a store open: it would go on writing to the file that is put aside. What is no store is not."""
        try:
            db = sqlite3.connect(path, timeout=0)
            try:
                db.execute("PRAGMA journal_mode = DELETE")  # takes all of the file for itself
            finally:
                db.close()
        except FAILURES as error:
            return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        return False

    def _identity(self) -> bytes:
        return bytes(self._query("SELECT value FROM meta WHERE key = 'registry_iv'")[0][0])

    @classmethod
    def _at(cls, path: Path) -> bytes | None:
        """Which store a file is; None where it cannot be read."""
        try:
            with cls.open(path) as store:
                return store._identity()
        except (StoreError, OSError):
            return None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside, or none. May be nested; the outermost one commits."""
        if self._db.in_transaction:
            yield
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except FAILURES as error:
            self._undo()
            raise store_trouble(self._path, error) from None
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        with contextlib.suppress(*FAILURES):  # SQLite undoes by itself what it could not write
            self._db.rollback()

    def _query(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(text, values).fetchall()
        except FAILURES as error:
            raise store_trouble(self._path, error) from None
