"""Durable file operations in small steps: nothing here leaves a half-written file under its final name.

``step`` is called before every primitive operation; tests stop there.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from claims.tlog.errors import LogBusy, LogError

__all__ = ["Disk", "lock"]


class Disk:
    """Writes under ``folder``. Paths are relative and ours; existing symbolic links are replaced, never followed."""

    chunk = 2**20

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def step(self, operation: str, path: Path) -> None:
        """Called before each operation: create, append, write, sync, rename, sync-folder, make-folder,
        remove."""

    def sync_folder(self, folder: Path) -> None:
        """Make a folder's entries durable."""
        self.step("sync-folder", folder)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def make_folders(self, path: Path) -> None:
        """Make the folder and those above it, durably, up to the log's."""
        if path != self.folder:
            self.make_folders(path.parent)
            if path.is_symlink():
                raise LogError(f"{path}: a symbolic link inside a log")
        if path.is_dir():
            return
        self.step("make-folder", path)
        path.mkdir(exist_ok=True)
        self.sync_folder(path.parent)

    def replace(self, relative: str, data: bytes) -> None:
        """Put a file in place: written beside it, synced, renamed, its folder synced."""
        target = self.folder / relative
        temporary = target.with_name(f".{target.name}.tmp")
        try:
            self.make_folders(target.parent)
            self.step("create", temporary)
            with suppress(FileNotFoundError):
                temporary.unlink()
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            with os.fdopen(handle, "wb", buffering=0) as file:
                for at in range(0, len(data), self.chunk):
                    self.step("write", temporary)
                    piece = memoryview(data)[at : at + self.chunk]
                    while piece:
                        piece = piece[file.write(piece) :]
                self.step("sync", temporary)
                os.fsync(file.fileno())
            self.step("rename", target)
            os.replace(temporary, target)
            self.sync_folder(target.parent)
        except OSError as error:
            raise LogError(f"{target}: {error.strerror or error}") from None

    def append(self, relative: str, data: bytes, at: int) -> None:
        """Put bytes at a file's end, which is at ``at``: what an interrupted call left behind it is cut off."""
        target = self.folder / relative
        try:
            handle = os.open(target, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(handle, "wb", buffering=0) as file:
                self.step("append", target)
                file.truncate(at)
                file.seek(at)
                for begin in range(0, len(data), self.chunk):
                    self.step("write", target)
                    piece = memoryview(data)[begin : begin + self.chunk]
                    while piece:
                        piece = piece[file.write(piece) :]
                self.step("sync", target)
                os.fsync(file.fileno())
        except OSError as error:
            raise LogError(f"{target}: {error.strerror or error}") from None

    def remove(self, relative: str) -> None:
        """Remove a file, if it is there."""
        target = self.folder / relative
        try:
            self.step("remove", target)
            with suppress(FileNotFoundError):
                target.unlink()
                self.sync_folder(target.parent)
        except OSError as error:
            raise LogError(f"{target}: {error.strerror or error}") from None


@contextmanager
def lock(folder: Path, wait: float = 10.0) -> Iterator[None]:
    """Hold a log's lock. Raises LogBusy when another process keeps it for longer than ``wait`` seconds."""
    handle = take_lock(folder, wait)
    try:
        yield
    finally:
        os.close(handle)


def take_lock(folder: Path, wait: float) -> int:
    """The lock as a file handle; closing it lets go."""
    try:
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LogError(f"{folder}: {error.strerror or error}") from None
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except OSError:
            if time.monotonic() >= end:
                os.close(handle)
                raise LogBusy(f"{folder}: another process writes to this log", "wait until it has ended") from None
        time.sleep(0.05)
