"""What is known of files already: the progress file of a digest, and the manifest file that it ends in.

A progress file is a convenience for the one who runs the digest. It is checked by its own sum; an entry counts only
while the file's size, times and inode are the same, and its first and last MiB hash to what they did. Checks of a
digest never use one.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from claims.base.canonical import from_json
from claims.base.files import read_bounded, write_atomic
from claims.imports.weights_files import FileDigest, Found, Manifest, TensorDigest, WeightsError, opened

__all__ = ["Progress", "manifest_bytes", "read_manifest"]

FORMAT = "standstill-weights-progress/1"
MANIFEST_FORMAT = "standstill-weights-manifest/1"
MAX_FILE = 512 << 20
PROBE = 1 << 20
RACY_NS = 2_000_000_000
"""A file that changed this recently could change again within one tick of its clock: it is not remembered."""
SAVE_SECONDS = 10.0


def _dump(table: object) -> bytes:
    return (json.dumps(table, sort_keys=True, indent=1, ensure_ascii=True) + "\n").encode()


def _probe(found: Found, follow_links: bool) -> str:
    """SHA-256 of the first and the last MiB, in hex."""
    with opened(found, follow_links) as handle:
        state = hashlib.sha256(os.pread(handle, PROBE, 0))
        state.update(os.pread(handle, PROBE, max(0, found.size - PROBE)))
    return state.hexdigest()


class Progress:
    """Digests of files that were read, in one file that is replaced atomically."""

    def __init__(self, path: Path, files: dict[str, Any]) -> None:
        self._path, self._files = path, files
        self._saved = time.monotonic()

    @classmethod
    def load(cls, path: str | Path, folder: str | Path) -> Progress:
        """Open or begin a progress file. Raises WeightsError: it lies in the folder, or is damaged."""
        path = Path(path)
        if path.resolve().is_relative_to(Path(folder).resolve()):
            raise WeightsError("", "the progress file lies in the folder itself", "put it elsewhere: it would change the digest")
        if not path.exists():
            return cls(path, {})
        try:
            table = from_json(read_bounded(path, MAX_FILE))
            files = table["files"]
            good = table["format"] == FORMAT and table["sum"] == hashlib.sha256(_dump(files)).hexdigest()
        except (ValueError, RecursionError, KeyError, TypeError):
            good, files = False, None
        if not good or not isinstance(files, dict):
            raise WeightsError("", f"{path} is not an intact progress file", "delete it to begin again")
        return cls(path, files)

    def recall(self, found: Found, tensors: bool, follow_links: bool) -> FileDigest | None:
        """The file's digest, if it is known and the file is the same; None where it has to be read."""
        entry = self._files.get(found.path)
        if not isinstance(entry, dict) or entry.get("mark") != list(found.mark):
            return None
        named = entry.get("tensors")
        if tensors and named is None and found.path.lower().endswith(".safetensors"):
            return None
        if entry.get("probe") != _probe(found, follow_links):
            return None
        try:
            inside = None if named is None or not tensors else tuple(_tensor_from(item) for item in named)
            return FileDigest(found.path, found.size, bytes.fromhex(entry["sha256"]), inside)
        except (KeyError, TypeError, ValueError):
            raise WeightsError(found.path, f"its entry in {self._path} is damaged", "delete the progress file") from None

    def remember(self, found: Found, digest: FileDigest, follow_links: bool) -> None:
        """Note a digest; every few seconds the file is saved."""
        if time.time_ns() - max(found.mark[3], found.mark[4]) < RACY_NS:
            return
        tensors = None if digest.tensors is None else [_tensor_to(tensor) for tensor in digest.tensors]
        self._files[found.path] = {
            "mark": list(found.mark), "probe": _probe(found, follow_links), "sha256": digest.digest.hex(), "tensors": tensors,
        }  # fmt: skip
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Replace the file, mode 0600."""
        table = {"files": self._files, "format": FORMAT, "sum": hashlib.sha256(_dump(self._files)).hexdigest()}
        write_atomic(self._path, _dump(table), 0o600)
        self._saved = time.monotonic()


def _tensor_to(tensor: TensorDigest) -> list[Any]:
    return [tensor.name, tensor.dtype, list(tensor.shape), tensor.size, tensor.digest.hex()]


def _tensor_from(item: Any) -> TensorDigest:
    name, dtype, shape, size, digest = item
    return TensorDigest(str(name), str(dtype), tuple(int(n) for n in shape), int(size), bytes.fromhex(digest))


# ---- manifest files --------------------------------------------------------------------------------------


def manifest_bytes(manifest: Manifest) -> bytes:
    """A manifest file: JSON with both digests and every file's path, size and SHA-256."""
    tensors = manifest.tensor_digest
    files = [{"path": f.path, "sha256": f.digest.hex(), "size": f.size} for f in manifest.files]
    table = {"digest": manifest.digest.hex(), "files": files, "format": MANIFEST_FORMAT,
             "tensors": None if tensors is None else tensors.hex()}  # fmt: skip
    return _dump(table)


def read_manifest(path: str | Path) -> Manifest:
    """The files of a manifest file, whose digest is recomputed. Raises WeightsError."""
    try:
        table = from_json(read_bounded(path, MAX_FILE))
        files = tuple(_file_from(item) for item in table["files"])
        manifest = Manifest(files)
        paths = [file.path.encode() for file in files]
        ascending = all(a < b for a, b in zip(paths, paths[1:], strict=False))
        good = table["format"] == MANIFEST_FORMAT and table["digest"] == manifest.digest.hex() and ascending
    except (ValueError, RecursionError, KeyError, TypeError, OverflowError):
        good = False
    if not good:
        raise WeightsError("", f"{path} is not an intact manifest", "make it again with weights digest --manifest")
    return manifest


def _file_from(item: Any) -> FileDigest:
    path, size, digest = item["path"], item["size"], bytes.fromhex(item["sha256"])
    if not isinstance(path, str) or type(size) is not int or size < 0 or len(digest) != 32:
        raise ValueError
    return FileDigest(path, size, digest)
