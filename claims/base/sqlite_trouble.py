"""What an error of SQLite means for who runs the program: a full disk and a missing permission are no damage."""

from __future__ import annotations

import sqlite3
from pathlib import Path

__all__ = ["FAILURES", "sqlite_trouble"]

_PERMISSIONS = "check permissions of the file and of its folder, which takes a -wal and a -shm file, and try again: nothing was damaged"
_IN_USE = ("{path} is in use by another program", "try again when it has ended")
_NO_ACCESS = ("{path} cannot be written", _PERMISSIONS)
_DISK = (
    "the disk of {path} could not be read or written ({error})",
    "check free space, quota and the disk, and try again: what was stored before is kept",
)
_CAUSES = {
    sqlite3.SQLITE_FULL: ("no space is left on the disk of {path}", "free some and try again: nothing was damaged"),
    sqlite3.SQLITE_READONLY: _NO_ACCESS,
    sqlite3.SQLITE_PERM: _NO_ACCESS,
    sqlite3.SQLITE_CANTOPEN: ("{path} cannot be opened", _PERMISSIONS),
    sqlite3.SQLITE_BUSY: _IN_USE,
    sqlite3.SQLITE_LOCKED: _IN_USE,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_NOMEM: ("there is not enough memory for {path}", "close other programs and try again: nothing was damaged"),
}
"""Primary result code of SQLite: what it means, and what to do."""


FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What ``sqlite3`` raises; the second where a damaged file makes it quote bytes that are not text."""


def sqlite_trouble(path: Path, error: Exception, damaged: str) -> tuple[str, str]:
    """What one of ``FAILURES`` means for who runs the program: what is wrong, and what to do.

    Args:
        damaged: what to do where the file is damaged. It is called so only where nothing else can be the cause.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _CAUSES:
        what, hint = _CAUSES[code]
        return what.format(path=path, error=error), hint
    if isinstance(error, sqlite3.IntegrityError):
        return f"refused: {error}", "nothing was changed"
    return f"{path} is damaged, or of another program ({error})", damaged
