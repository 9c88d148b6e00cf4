"""Files of a checkpoint folder: found, opened, and what a digest says of each. Reading a folder is in :mod:`claims.imports.weights`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from claims.base.errors import ClaimsError
from claims.imports.safetensors import MAX_HEADER, BadSafetensors, Tensor, parse_header

__all__ = [
    "FILES_DOMAIN", "TENSORS_DOMAIN", "FileDigest", "Found", "Manifest", "TensorDigest", "WeightsError", "check_same",
    "is_safetensors", "opened", "read_exactly", "read_header", "scan",
]  # fmt: skip

FILES_DOMAIN = b"standstill/weights-files/v1"
TENSORS_DOMAIN = b"standstill/weights-tensors/v1"
MAX_FILES = 1_000_000
MAX_DEPTH = 64
MAX_PATH = 4096


class WeightsError(ClaimsError):
    """A checkpoint folder cannot be digested.

    Args:
        path: of the file in question, relative to the folder; empty for the folder itself.
    """

    def __init__(self, path: str, what: str, hint: str = "") -> None:
        self.path = path
        shown = path if path.isprintable() else ascii(path)
        super().__init__(f"{shown}: {what}" if path else what, hint)


@dataclass(frozen=True)
class Found:
    """A file as it was found. ``path``: relative, NFC, ``/``; ``real``: to open; ``mark``: dev, ino, size, mtime, ctime (ns)."""

    path: str
    real: str
    mark: tuple[int, int, int, int, int]

    @property
    def size(self) -> int:
        """Bytes."""
        return self.mark[2]


@dataclass(frozen=True)
class TensorDigest:
    """A tensor: name, dtype and shape as its file's header says, number of bytes, SHA-256 of them."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    digest: bytes


@dataclass(frozen=True)
class FileDigest:
    """A file: relative path, bytes, SHA-256; ``tensors`` of a safetensors file where they were asked for, else None."""

    path: str
    size: int
    digest: bytes
    tensors: tuple[TensorDigest, ...] | None = None


@dataclass(frozen=True)
class Manifest:
    """All files of a folder, ascending by the bytes of their paths."""

    files: tuple[FileDigest, ...]

    @property
    def digest(self) -> bytes:
        """The digest over files: SHA-256 of domain, u32 count, and per file u16 path length, path, u64 size, digest."""
        state = hashlib.sha256(len(FILES_DOMAIN).to_bytes(2, "big") + FILES_DOMAIN)
        state.update(len(self.files).to_bytes(4, "big"))
        for file in self.files:
            path = file.path.encode()
            state.update(len(path).to_bytes(2, "big") + path + file.size.to_bytes(8, "big") + file.digest)
        return state.digest()

    @property
    def tensor_digest(self) -> bytes | None:
        """The digest over tensors, independent of files; None where there are no safetensors or they were not asked for.

        Raises:
            WeightsError: two files have a tensor of one name.
        """
        named = [tensor for file in self.files if file.tensors is not None for tensor in file.tensors]
        if all(file.tensors is None for file in self.files):
            return None
        named.sort(key=lambda tensor: tensor.name.encode())
        state = hashlib.sha256(len(TENSORS_DOMAIN).to_bytes(2, "big") + TENSORS_DOMAIN)
        state.update(len(named).to_bytes(4, "big"))
        last = None
        for tensor in named:
            if tensor.name == last:
                raise WeightsError("", f"two files have a tensor named {tensor.name[:80]!r}", "digest one checkpoint at a time")
            last = tensor.name
            name, dtype = tensor.name.encode(), tensor.dtype.encode()
            state.update(len(name).to_bytes(4, "big") + name + len(dtype).to_bytes(2, "big") + dtype)
            state.update(bytes([len(tensor.shape)]) + b"".join(size.to_bytes(8, "big") for size in tensor.shape))
            state.update(tensor.size.to_bytes(8, "big") + tensor.digest)
        return state.digest()


def _mark(status: os.stat_result) -> tuple[int, int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _entries(folder: str, path: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                try:
                    entry.name.encode()
                except UnicodeEncodeError:
                    raise WeightsError(f"{path}{entry.name!r}", "its name is not UTF-8", "rename it") from None
                yield unicodedata.normalize("NFC", path + entry.name), entry
    except OSError as error:
        raise WeightsError(path, f"the folder cannot be read: {error.strerror}") from None


def scan(folder: str | Path, *, follow_links: bool = False) -> list[Found]:
    """All regular files below a folder, hidden ones too, ascending by the bytes of their paths.

    Args:
        follow_links: read links to files as the files they lead to (a hub's cache has such); links to folders never.

    Raises:
        WeightsError: a link, device, socket or pipe; two paths that are one in NFC; nothing at all; too many or too deep.
    """
    found: dict[str, Found] = {}
    waiting = [(os.fspath(folder), "", 0)]
    while waiting:
        here, prefix, depth = waiting.pop()
        for path, entry in _entries(here, prefix):
            try:
                status = entry.stat(follow_symlinks=False)
                linked = stat.S_ISLNK(status.st_mode)
                if linked and follow_links:
                    status = entry.stat()
            except OSError as error:
                raise WeightsError(path, f"it cannot be read: {error.strerror}") from None
            if stat.S_ISDIR(status.st_mode) and not linked:
                if depth >= MAX_DEPTH:
                    raise WeightsError(path, f"folders are nested deeper than {MAX_DEPTH}")
                waiting.append((entry.path, path + "/", depth + 1))
                continue
            if not stat.S_ISREG(status.st_mode):
                hint = "--follow-links reads links to files" if linked else "move it out of the folder"
                raise WeightsError(path, "it is a link" if linked else "it is not a regular file", hint)
            if len(path.encode()) > MAX_PATH or len(found) >= MAX_FILES:
                raise WeightsError(path, f"its path is longer than {MAX_PATH} bytes, or the folder has more than {MAX_FILES} files")
            if path in found:
                raise WeightsError(path, "another name differs only in how Unicode writes it", "rename one of the two")
            found[path] = Found(path, entry.path, _mark(status))
    if not found:
        raise WeightsError("", f"{folder} has no files")
    return sorted(found.values(), key=lambda item: item.path.encode())


def check_same(handle: int, found: Found) -> None:
    """Check that an open file is as it was found. Raises WeightsError."""
    if _mark(os.fstat(handle)) != found.mark:
        raise WeightsError(found.path, "it changed while it was read", "digest a checkpoint that nobody writes to")


@contextlib.contextmanager
def opened(found: Found, follow_links: bool) -> Iterator[int]:
    """A file descriptor of a file that is as it was found, at the beginning and at the end. Raises WeightsError."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    try:
        handle = os.open(found.real, flags)
        try:
            check_same(handle, found)
            yield handle
            check_same(handle, found)
        finally:
            os.close(handle)
    except OSError as error:
        raise WeightsError(found.path, f"it cannot be read: {error.strerror}") from None


def is_safetensors(path: str) -> bool:
    """By its name."""
    return path.lower().endswith(".safetensors")


def read_header(handle: int, found: Found, state: hashlib._Hash) -> list[Tensor]:
    """Tensors of a safetensors file; its position is then at the data, and ``state`` has what lies before."""
    first = read_exactly(handle, 8, found)
    length = int.from_bytes(first, "little")
    if not 2 <= length <= min(MAX_HEADER, found.size - 8):
        raise WeightsError(found.path, f"its safetensors header is said to have {length} bytes", "was the file cut off?")
    header = read_exactly(handle, length, found)
    state.update(first + header)
    try:
        return parse_header(header, found.size - 8 - length)
    except BadSafetensors as error:
        raise WeightsError(found.path, error.what, error.hint) from None


def read_exactly(handle: int, length: int, found: Found) -> bytes:
    """The next ``length`` bytes. Raises WeightsError at the file's end."""
    data = b""
    while len(data) < length:
        part = os.read(handle, length - len(data))
        if not part:
            raise WeightsError(found.path, "it ends too early", "was the file cut off?")
        data += part
    return data
