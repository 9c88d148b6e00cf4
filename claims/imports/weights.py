"""The digest of a checkpoint folder: what a registry entry's 32-byte weights digest is.

    files, sorted by path -> (path, size, SHA-256) -> SHA-256 under "standstill/weights-files/v1"
    tensors, sorted by name -> (name, dtype, shape, bytes) -> SHA-256 under "standstill/weights-tensors/v1"

The second does not change when safetensors are sharded anew. Files are only read as bytes: nothing is unpickled.
Reading is streamed and parallel over files; a file that changes meanwhile is refused. FORMATS-imports.md section 8.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from claims.imports.safetensors import Tensor, TensorHasher
from claims.imports.weights_files import (
    FileDigest,
    Found,
    Manifest,
    TensorDigest,
    WeightsError,
    check_same,
    is_safetensors,
    opened,
    read_header,
    scan,
)
from claims.imports.weights_index import check_sets
from claims.imports.weights_progress import Progress

__all__ = ["digest_folder", "hash_file"]

MAX_TENSORS = 1_000_000
"""Most tensors of a folder whose digests are asked for."""
CHUNK = 4 << 20


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
            check_same(handle, found)  # a file that grows would never end
    if inside is None:
        return FileDigest(found.path, found.size, state.digest())
    named = [
        TensorDigest(t.name, t.dtype, t.shape, t.end - t.begin, digest)
        for t, digest in zip(header, inside.digests, strict=True)
    ]
    return FileDigest(found.path, found.size, state.digest(), tuple(sorted(named, key=lambda t: t.name.encode())))


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
