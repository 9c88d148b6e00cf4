"""The digest of a checkpoint folder: what a registry entry's 32-byte weights digest is.

    files, sorted by path -> (path, size, SHA-256) -> SHA-256 under "standstill/weights-files/v1"
    tensors, sorted by name -> (name, dtype, shape, bytes) -> SHA-256 under "standstill/weights-tensors/v1"

The second does not change when safetensors are sharded anew. Files are only read as bytes: nothing is unpickled.
Reading is streamed and parallel over files; a file that changes meanwhile is refused. FORMATS-imports.md section 6.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from claims.base.errors import ClaimsError
from claims.imports.safetensors import MAX_HEADER, BadSafetensors, Tensor, TensorHasher, parse_header

__all__ = [
    "FILES_DOMAIN",
    "TENSORS_DOMAIN",
    "FileDigest",
    "Found",
    "Manifest",
    "TensorDigest",
    "WeightsError",
    "digest_folder",
    "hash_file",
    "is_safetensors",
    "opened",
    "read_exactly",
    "read_header",
    "scan",
]

FILES_DOMAIN = b"standstill/weights-files/v1"
TENSORS_DOMAIN = b"standstill/weights-tensors/v1"
MAX_FILES = 1_000_000
MAX_DEPTH = 64
MAX_TENSORS = 1_000_000
"""Most tensors of a folder whose digests are asked for."""
MAX_PATH = 4096
CHUNK = 4 << 20


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


# ---- finding files ---------------------------------------------------------------------------------------


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
                raise WeightsError(path, "a link" if linked else "not a regular file", hint)
            if len(path.encode()) > MAX_PATH or len(found) >= MAX_FILES:
                raise WeightsError(path, f"a path over {MAX_PATH} bytes, or more than {MAX_FILES} files")
            if path in found:
                raise WeightsError(path, "two names are the same in Unicode's NFC", "rename one")
            found[path] = Found(path, entry.path, _mark(status))
    if not found:
        raise WeightsError("", f"{folder} has no files")
    return sorted(found.values(), key=lambda item: item.path.encode())


# ---- reading ---------------------------------------------------------------------------------------------


def _check_same(handle: int, found: Found) -> None:
    if _mark(os.fstat(handle)) != found.mark:
        raise WeightsError(found.path, "it changed while it was read", "digest a checkpoint that nobody writes to")


@contextlib.contextmanager
def opened(found: Found, follow_links: bool) -> Iterator[int]:
    """A file descriptor of a file that is as it was found, at the beginning and at the end. Raises WeightsError."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    try:
        handle = os.open(found.real, flags)
        try:
            _check_same(handle, found)
            yield handle
            _check_same(handle, found)
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
        raise WeightsError(found.path, f"its safetensors header is said to have {length} bytes", f"at most {MAX_HEADER}")
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


def hash_file(found: Found, *, tensors: bool, follow_links: bool = False, stop: threading.Event | None = None) -> FileDigest:
    """Digest of one file, and of its tensors. Safetensors headers are checked in any case.

    Raises:
        WeightsError: unreadable, changed since the scan or while it was read, or a malformed safetensors file.
    """
    state, inside = hashlib.sha256(), None
    header: list[Tensor] = []
    with opened(found, follow_links) as handle:
        if is_safetensors(found.path):
            header = read_header(handle, found, state)
            inside = TensorHasher(header) if tensors else None
        buffer = memoryview(bytearray(min(CHUNK, found.size + 1)))
        while count := os.readv(handle, [buffer]):
            if stop is not None and stop.is_set():
                raise WeightsError(found.path, "stopped")
            state.update(buffer[:count])
            if inside is not None:
                inside.update(buffer[:count])
            _check_same(handle, found)  # a file that grows would never end
    if inside is None:
        return FileDigest(found.path, found.size, state.digest())
    named = [
        TensorDigest(t.name, t.dtype, t.shape, t.end - t.begin, digest)
        for t, digest in zip(header, inside.digests, strict=True)
    ]
    return FileDigest(found.path, found.size, state.digest(), tuple(sorted(named, key=lambda t: t.name.encode())))


# ---- the whole folder ------------------------------------------------------------------------------------


def digest_folder(
    folder: str | Path,
    *,
    tensors: bool = False,
    threads: int = 4,
    follow_links: bool = False,
    progress: str | Path | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Manifest:
    """The manifest of a checkpoint folder.

    Args:
        tensors: digest the tensors of safetensors files too.
        threads: files read at the same time.
        progress: a file outside the folder; what it knows of unchanged files is not read again (but for a probe).
        report: called with bytes done and bytes in all.

    Raises:
        WeightsError: see :func:`scan` and :func:`hash_file`; or files that belong together are not all there.
    """
    from claims.imports.weights_index import check_sets
    from claims.imports.weights_progress import Progress

    found = scan(folder, follow_links=follow_links)
    check_sets(found, follow_links=follow_links)
    memory = Progress.load(progress, folder) if progress is not None else None
    known = {} if memory is None else {f.path: d for f in found if (d := memory.recall(f, tensors, follow_links))}
    total, done = sum(file.size for file in found), sum(digest.size for digest in known.values())
    named = sum(len(digest.tensors or ()) for digest in known.values())
    stop, lock = threading.Event(), threading.Lock()

    def work(file: Found) -> FileDigest:
        nonlocal done, named
        digest = hash_file(file, tensors=tensors, follow_links=follow_links, stop=stop)
        with lock:
            done += file.size
            named += len(digest.tensors or ())
            if named > MAX_TENSORS:
                raise WeightsError("", f"the folder has more than {MAX_TENSORS} tensors", "digest it without --tensors")
            if memory is not None:
                memory.remember(file, digest, follow_links)
            if report is not None:
                report(done, total)
        return digest

    waiting = sorted((file for file in found if file.path not in known), key=lambda file: -file.size)
    try:
        known |= {digest.path: digest for digest in _parallel(work, waiting, threads, stop)}
    finally:
        if memory is not None:
            memory.save()
    if [(f.path, f.mark) for f in scan(folder, follow_links=follow_links)] != [(f.path, f.mark) for f in found]:
        raise WeightsError("", "the folder changed while it was read", "digest a checkpoint that nobody writes to")
    return Manifest(tuple(known[file.path] for file in found))


def _parallel(
    work: Callable[[Found], FileDigest], files: Sequence[Found], threads: int, stop: threading.Event
) -> list[FileDigest]:
    with ThreadPoolExecutor(max_workers=max(1, min(threads, 64))) as pool:
        futures = [pool.submit(work, file) for file in files]
        try:
            finished, _ = wait(futures, return_when=FIRST_EXCEPTION)
            failed = [error for future in finished if (error := future.exception()) is not None]
            if failed:
                raise failed[0]
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [future.result() for future in futures]
