"""Reading and writing files: bounded reads, atomic writes, and errors that name the file.

A write goes to a temporary file in the same folder, is synced, gets the target's name, and the folder is
synced: after a crash the target is either as it was or the new file, whole. Temporary files that a kill leaves never stand in the
way, and a later write removes them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from claims.base.errors import UnreadableFile

__all__ = [
    "AGREEMENT_LIMIT",
    "CANONICAL_LIMIT",
    "CLAIM_LIMIT",
    "PROOF_LIMIT",
    "ROOTS_LIMIT",
    "SMALL_LIMIT",
    "TABLE_LIMIT",
    "absent",
    "growing",
    "holds",
    "one_at_a_time",
    "open_regular",
    "read_bounded",
    "trouble",
    "write_atomic",
    "write_new",
    "write_once",
]

AGREEMENT_LIMIT = 8 * 2**20
"""Largest agreement or signatures file, bytes."""
TABLE_LIMIT = 64 * 2**20
"""Largest meter table of an agreement, bytes."""
CANONICAL_LIMIT = 64 * 2**20
"""Most canonical bytes of an agreement, with all its meters."""
ROOTS_LIMIT = 65 * 2**20
"""Largest roots file, bytes: 64 MiB of roots and the names around them."""
CLAIM_LIMIT = 64 * 2**20
"""Largest claim file, bytes: a 16 MiB proof and what goes around it, or, without one, the heads of 2^18 meters."""
PROOF_LIMIT = 2 * 2**20
"""Largest proof file of a site or a registry, bytes: a proof at 2^22 rows takes a fourth of it."""
SMALL_LIMIT = 64 * 2**10
"""Largest key or passphrase file, bytes."""
_SUFFIX = ".standstill-tmp"


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """A regular file, open for reading. Raises UnreadableFile: missing, a directory or device, or unreadable."""
    try:
        file = open(path, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NONBLOCK))
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror or error}", absent(error)) from None
    except ValueError as error:
        raise UnreadableFile(f"{path!r}: {error}") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UnreadableFile(f"{path}: not a regular file")
    return file


def read_bounded(path: str | os.PathLike[str], limit: int) -> bytes:
    """All bytes of a regular file of at most ``limit`` bytes.

    Raises:
        UnreadableFile: missing, a directory or device, unreadable, or larger.
    """
    with open_regular(path) as file:
        try:
            data = file.read(limit + 1)
        except OSError as error:
            raise UnreadableFile(f"{path}: {error.strerror or error}", absent(error)) from None
    if len(data) > limit:
        raise UnreadableFile(f"{path}: larger than {limit} bytes")
    return data


def write_atomic(path: str | os.PathLike[str], data: bytes, mode: int = 0o644) -> None:
    """Replace ``path`` by a file holding ``data``.

    Raises:
        UnreadableFile: the folder is missing or may not be written.
    """
    _write(Path(path), data, mode, os.replace)


def write_new(path: str | os.PathLike[str], data: bytes, mode: int = 0o644) -> None:
    """Create ``path``, which must not exist: whole, with its mode, or not at all.

    Raises:
        UnreadableFile: it exists, or cannot be created.
    """
    try:
        _write(Path(path), data, mode, _link)
    except FileExistsError:
        raise _taken(Path(path)) from None


def write_once(path: str | os.PathLike[str], data: bytes, mode: int = 0o644) -> None:
    """As :func:`write_new`; a file with these very bytes is left as it is, so that an interrupted command can be run again.

    Raises:
        UnreadableFile: another file has the name, or it cannot be created.
    """
    try:
        _write(Path(path), data, mode, _link)
    except FileExistsError:
        if not holds(Path(path), data):
            raise UnreadableFile(f"{path}: exists already, and is another file", "move it away; nothing was overwritten") from None


def holds(path: Path, data: bytes | None) -> bool:
    """Whether a file is there with these bytes; with any, for None."""
    try:
        return path.exists() if data is None else read_bounded(path, len(data)) == data
    except UnreadableFile:
        return False


def trouble(error: OSError) -> tuple[str, str]:
    """What an operating system's error means, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space is left", "free some and try again: nothing was damaged"
    if error.errno == errno.EFBIG:
        return "a limit on the size of files is reached", "raise it (ulimit -f) and try again: nothing was damaged"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"cannot be written ({error.strerror})", "check the folder's permissions and try again"
    return str(error.strerror or error), absent(error)


def absent(error: OSError) -> str:
    """What to do where a file that was named is not there; else nothing."""
    return "check the name, and the folder in which the command runs" if error.errno == errno.ENOENT else ""


@contextlib.contextmanager
def one_at_a_time(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the folder of ``path`` while a file there is read, changed and replaced: another process that does so waits.

    Raises:
        UnreadableFile: there is no such folder.
    """
    folder = Path(path).parent
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadableFile(f"{folder}: {error.strerror or error}", absent(error)) from None
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def growing(path: str | os.PathLike[str], aside: Path | None = None) -> Iterator[Path]:
    """A temporary file of mode 0600 for what writes in place; at the end it becomes ``path``, which must not exist.

    Args:
        aside: ``path`` may exist, and then gets this name at the end, with the files that SQLite keeps beside it.

    Raises:
        UnreadableFile: ``path`` exists or cannot be made; as every other error, it leaves nothing behind.
    """
    target = Path(path)
    taken = target if aside is None else aside
    if os.path.lexists(taken):
        raise _taken(taken)
    _sweep(target.parent)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=_SUFFIX, dir=target.parent)
        os.close(handle)
        yield Path(temporary)
        _sync(Path(temporary))
        for suffix in ("-wal", "-shm", "") if aside is not None else ():
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{target}{suffix}", f"{aside}{suffix}")
        _link(temporary, target)
        _sync(target.parent)
    except FileExistsError:
        raise _taken(target) from None
    except OSError as error:
        what, hint = trouble(error)
        raise UnreadableFile(f"{target}: {what}", hint) from None
    finally:
        for name in (temporary, f"{temporary}-wal", f"{temporary}-shm", f"{temporary}-journal") if temporary else ():
            with contextlib.suppress(OSError):
                os.unlink(name)


def _taken(path: Path) -> UnreadableFile:
    return UnreadableFile(f"{path}: exists already", "choose another name; nothing was overwritten")


def _link(temporary: str, target: Path) -> None:
    """Give a finished file its name unless that is taken. A file system without hard links has no such step: look, then rename."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "exists already") from None
        os.rename(temporary, target)
    else:
        os.unlink(temporary)


def _write(target: Path, data: bytes, mode: int, place: Callable[[str, Path], None]) -> None:
    _sweep(target.parent)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=_SUFFIX, dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        place(temporary, target)
        _sync(target.parent)
    except BaseException as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if not isinstance(error, OSError) or isinstance(error, FileExistsError):
            raise
        what, hint = trouble(error)
        raise UnreadableFile(f"{target}: {what}", hint) from None


@functools.lru_cache(maxsize=256)
def _sweep(folder: Path) -> None:
    """Remove temporary files that processes left when they were killed, over an hour ago. Once for each folder and process."""
    with contextlib.suppress(OSError), os.scandir(folder) as items:
        for item in items:
            if item.name.startswith(".") and item.name.endswith(_SUFFIX) and item.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if item.stat(follow_symlinks=False).st_mtime < time.time() - 3600:
                        os.unlink(item.path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
