"""The reader's own cache: what was worked out before, by whom it was and from what. It is a folder of this user alone.

Nothing in a folder that is read is ever taken for a cache. A file of the cache counts where it is a regular file of this user, in a
folder that no other may enter, and names by its hash the very software, kind, key and content; anything else is as if it were
not there. So clearing it changes no answer, only how long one takes.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from claims.base.packaged import packaged

__all__ = ["SWITCH", "Cache", "cache_folder", "open_cache", "software"]

SWITCH = "STANDSTILL_CACHE"
"""Environment variable: ``off`` reads and writes no cache."""
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PACKAGES = ("claims", "circuits", "zk")
_TAG = 32
_DAY = 86400
_KEPT_DAYS = 60
_MOST = 2**31
"""Bytes of all files together."""


def cache_folder() -> Path | None:
    """``standstill`` in $XDG_CACHE_HOME or ~/.cache; None where caches are off, or no such folder can be named."""
    if os.environ.get(SWITCH) == "off":
        return None
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "standstill"
    except RuntimeError:
        return None


@functools.cache
def software() -> bytes:
    """SHA-256 over the software's own source: what another version worked out is not taken."""
    whole = hashlib.sha256()
    for package in _PACKAGES:
        for name, file in packaged(package):
            if name.endswith(".py"):
                whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.digest()


class Cache:
    """An open cache folder; see :func:`open_cache`."""

    def __init__(self, handle: int) -> None:
        self._handle, self._swept = handle, False

    def get(self, kind: str, key: bytes, limit: int) -> bytes | None:
        """What was put under a kind and key by this very software, at most ``limit`` bytes; None where nothing usable is there."""
        try:
            handle = os.open(_name(kind, key), os.O_RDONLY | _FLAGS, dir_fd=self._handle)
        except OSError:
            return None
        try:
            data = _read(handle, limit + _TAG)
            if data[:_TAG] != _tag(kind, key, data[_TAG:]):
                return None
            if os.fstat(handle).st_mtime < time.time() - _DAY:
                os.utime(handle)  # still used: see _sweep
        except OSError:
            return None
        finally:
            os.close(handle)
        return data[_TAG:]

    def put(self, kind: str, key: bytes, data: bytes) -> None:
        """Keep bytes under a kind and key; where that fails, nothing is kept."""
        temporary = f".{secrets.token_hex(8)}.tmp"
        with contextlib.suppress(OSError):
            if not self._swept:
                self._swept = True
                _sweep(self._handle)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=self._handle)
            try:
                with open(handle, "wb") as file:
                    file.write(_tag(kind, key, data) + data)
                os.replace(temporary, _name(kind, key), src_dir_fd=self._handle, dst_dir_fd=self._handle)
            except BaseException:
                os.unlink(temporary, dir_fd=self._handle)
                raise


@contextlib.contextmanager
def open_cache() -> Iterator[Cache | None]:
    """The cache of this user; None where it is off, or its folder cannot be had for this user alone."""
    folder = cache_folder()
    handle = None if folder is None else _open(folder)
    try:
        yield None if handle is None else Cache(handle)
    finally:
        if handle is not None:
            os.close(handle)


def _open(folder: Path) -> int | None:
    try:
        with contextlib.suppress(FileExistsError):
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
    except OSError:
        return None
    if _own(os.fstat(handle)):
        return handle
    os.close(handle)
    return None


def _read(handle: int, limit: int) -> bytes:
    """All bytes of a regular file of this user; nothing of anything else. Raises OSError."""
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or not _own(status) or not _TAG <= status.st_size <= limit:
        return b""
    with open(handle, "rb", closefd=False) as file:
        return file.read(status.st_size + 1)


def _own(status: os.stat_result) -> bool:
    """Whether a file or folder is this user's, and no other may write or read it."""
    return status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _sweep(handle: int) -> None:
    """Remove what nobody has used for long, what a killed process left, and the oldest where all of it is too large."""
    now, total = time.time(), 0
    with os.scandir(handle) as items:
        found = sorted(((item.stat(follow_symlinks=False), item.name) for item in items), key=lambda item: -item[0].st_mtime)
    for status, name in found:
        total += status.st_size
        age = now - status.st_mtime
        if age > _KEPT_DAYS * _DAY or (name.endswith(".tmp") and age > 3600) or total > _MOST:
            os.unlink(name, dir_fd=handle)


def _name(kind: str, key: bytes) -> str:
    return f"{kind}-{hashlib.sha256(kind.encode() + b':' + key).hexdigest()[:32]}"


def _tag(kind: str, key: bytes, data: bytes) -> bytes:
    """SHA-256 of software, kind, key and content, each behind its length."""
    whole = hashlib.sha256(software())
    for part in (kind.encode(), key, data):
        whole.update(len(part).to_bytes(8, "big"))
        whole.update(part)
    return whole.digest()
