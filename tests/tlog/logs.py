"""Small logs for tests: keys from fixed seeds, a log with cosigners, a dishonest log that signs what it is told."""

from __future__ import annotations

import shutil
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from claims.base.merkle import leaf_hash, tree_root
from claims.tlog.checkpoint import Checkpoint, LogTrust, sign_checkpoint
from claims.tlog.cosign import cosign
from claims.tlog.memory import LogMemory
from claims.tlog.note import Note
from claims.tlog.writer import LogWriter

ORIGIN = "log.example/standstill"


def key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big"))


def public(seed: int) -> bytes:
    return key(seed).public_key().public_bytes_raw()


LOG = key(100)
COSIGNERS = {"alpha": 101, "beta": 102, "gamma": 103}


def trust(quorum: int = 0, names: tuple[str, ...] = tuple(COSIGNERS)) -> LogTrust:
    return LogTrust(ORIGIN, public(100), {name: public(COSIGNERS[name]) for name in names}, quorum)


def entry(number: int) -> bytes:
    return b"entry %d" % number


def entries(first: int, last: int) -> list[bytes]:
    return [entry(number) for number in range(first, last)]


def make(folder: Path, *batches: int) -> Path:
    """A log whose appends have these lengths, of entries 0, 1, 2, ..."""
    done = 0
    with LogWriter.create(folder, ORIGIN, LOG) as writer:
        for length in batches:
            writer.append(entries(done, done + length))
            done += length
    return folder


def extend(folder: Path, *items: bytes) -> None:
    with LogWriter.open(folder, LOG) as writer:
        writer.append(items)


def memory(folder: Path, name: str) -> LogMemory:
    return LogMemory.load(folder.parent / f"{name}.memory", trust())


def cosigned(folder: Path, name: str, time: int) -> Note:
    return cosign(folder, key(COSIGNERS[name]), name, memory(folder, name), time)


def signed(items: list[bytes], size: int | None = None) -> bytes:
    """A head that the log's key signed over these entries, published nowhere."""
    return sign_checkpoint(Checkpoint(ORIGIN, len(items) if size is None else size, tree_root(hashes(items))), LOG).encode()


def hashes(items: list[bytes]) -> list[bytes]:
    return [leaf_hash(item) for item in items]


def copy(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target
