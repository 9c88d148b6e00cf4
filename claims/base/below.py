"""Reading below a folder that others fill: every component is opened without following links, and what is open is what is read.

A name that is checked and then opened can be another file by then. Here a path is walked from the folder down, descriptor by
descriptor; only the folder itself may be reached through links, since its name comes from the reader.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from claims.base.errors import UnreadableFile

__all__ = ["AbsentFile", "Found", "file_digest", "list_below", "names_below", "open_below", "peek_below", "read_below", "tail_below"]

_CHUNK = 2**20
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class AbsentFile(UnreadableFile):
    """There is no such file."""


@dataclass(frozen=True)
class Found:
    """What a folder lists: ``kind`` is "file", "folder" or "other" (links too); ``size`` in bytes, of files."""

    name: str
    kind: str
    size: int


@contextmanager
def _opened(root: Path, path: str, *, folder: bool) -> Iterator[int]:
    """A descriptor of ``path`` below ``root``; components are separated by "/", and "" is the root. Raises OSError."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        parts = path.split("/") if path else []
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
            inner = os.open(part, _FLAGS | (os.O_DIRECTORY if folder or not last else 0), dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _refusal(root: Path, path: str, error: OSError) -> UnreadableFile:
    if isinstance(error, FileNotFoundError):
        return AbsentFile(f"{root / path}: {error.strerror}")
    link = error.errno in (errno.ELOOP, errno.ENOTDIR)
    return UnreadableFile(f"{root / path}: {'a symbolic link, or not a folder' if link else error.strerror or error}")


def open_below(root: Path, path: str, limit: int) -> BinaryIO:
    """A regular file of at most ``limit`` bytes, open for reading. Raises UnreadableFile (AbsentFile: there is none)."""
    try:
        with _opened(root, path, folder=False) as handle:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableFile(f"{root / path}: not a regular file")
            if status.st_size > limit:
                raise UnreadableFile(f"{root / path}: larger than {limit} bytes")
            return open(os.dup(handle), "rb")
    except OSError as error:
        raise _refusal(root, path, error) from None
    except ValueError as error:
        raise UnreadableFile(f"{path!r}: {error}") from None


def file_digest(file: BinaryIO) -> bytes:
    """SHA-256 of an open file, which then stands at its beginning again."""
    state = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        state.update(chunk)
    file.seek(0)
    return state.digest()


def read_below(root: Path, path: str, limit: int) -> bytes:
    """All bytes of a regular file of at most ``limit`` bytes. Raises UnreadableFile (AbsentFile: there is none)."""
    with open_below(root, path, limit) as file:
        try:
            data = file.read(limit + 1)
        except OSError as error:
            raise _refusal(root, path, error) from None
    if len(data) > limit:
        raise UnreadableFile(f"{root / path}: larger than {limit} bytes")
    return data


def tail_below(root: Path, path: str, size: int) -> bytes:
    """At most the last ``size`` bytes of a regular file. Raises UnreadableFile (AbsentFile: there is none)."""
    try:
        with _opened(root, path, folder=False) as handle:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableFile(f"{root / path}: not a regular file")
            return os.pread(handle, size, max(0, status.st_size - size))
    except OSError as error:
        raise _refusal(root, path, error) from None


def peek_below(root: Path, path: str, size: int) -> bytes:
    """At most the first ``size`` bytes of a regular file; nothing where they cannot be read."""
    try:
        with _opened(root, path, folder=False) as handle:
            return os.read(handle, size) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    except (OSError, ValueError):
        return b""


def list_below(root: Path, path: str, most: int) -> list[Found] | None:
    """What a folder holds, sorted by name; None where there is none.

    Raises:
        UnreadableFile: a link or no folder, unreadable, or more than ``most`` entries.
    """
    found: list[Found] = []
    try:
        with _opened(root, path, folder=True) as handle, os.scandir(handle) as entries:
            for entry in entries:
                if len(found) == most:
                    raise UnreadableFile(f"{root / path}: more than {most} files", "remove what does not belong there")
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                mode = status.st_mode
                kind = "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"
                found.append(Found(entry.name, kind, status.st_size))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refusal(root, path, error) from None
    return sorted(found, key=lambda item: item.name)


def names_below(root: Path, path: str, most: int) -> list[str]:
    """The names in a folder, in no order; none where there is no folder. Raises as :func:`list_below`."""
    try:
        with _opened(root, path, folder=True) as handle:
            found = os.listdir(handle)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _refusal(root, path, error) from None
    if len(found) > most:
        raise UnreadableFile(f"{root / path}: more than {most} files", "remove what does not belong there")
    return found
