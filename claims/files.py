"""Reading and writing files: bounded reads, atomic writes, and errors that name the file.

A write goes to a temporary file in the same folder, is synced, renamed over the target, and the folder is
synced: after a crash the target is either the old file or the new one.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from claims.errors import UnreadableFile

__all__ = ["AGREEMENT_LIMIT", "CLAIM_LIMIT", "ROOTS_LIMIT", "SMALL_LIMIT", "read_bounded", "write_atomic", "write_new"]

AGREEMENT_LIMIT = 8 * 2**20
"""Largest agreement or signatures file, bytes."""
ROOTS_LIMIT = 65 * 2**20
"""Largest roots file, bytes: 64 MiB of roots and the names around them."""
CLAIM_LIMIT = 18 * 2**20
"""Largest claim file, bytes: a 16 MiB proof and what goes around it."""
SMALL_LIMIT = 64 * 2**10
"""Largest key or passphrase file, bytes."""


def read_bounded(path: str | os.PathLike[str], limit: int) -> bytes:
    """All bytes of a regular file of at most ``limit`` bytes.

    Raises:
        UnreadableFile: missing, a directory or device, unreadable, or larger.
    """
    try:
        with open(path, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UnreadableFile(f"{path}: not a regular file")
            data = file.read(limit + 1)
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise UnreadableFile(f"{path!r}: {error}") from None
    if len(data) > limit:
        raise UnreadableFile(f"{path}: larger than {limit} bytes")
    return data


def write_atomic(path: str | os.PathLike[str], data: bytes, mode: int = 0o644) -> None:
    """Replace ``path`` by a file holding ``data``.

    Raises:
        UnreadableFile: the folder is missing or may not be written.
    """
    target = Path(path)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise UnreadableFile(f"{path}: {error.strerror or error}") from None


def write_new(path: str | os.PathLike[str], data: bytes, mode: int = 0o644) -> None:
    """Create ``path``, which must not exist, with ``mode`` from its first moment on.

    Raises:
        UnreadableFile: it exists, or cannot be created.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), mode)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(Path(path).parent)
    except FileExistsError:
        raise UnreadableFile(f"{path}: exists already", "choose another name; nothing was overwritten") from None
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror or error}") from None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
