"""What every test gets: a folder of its own for what keys remember, and no cache, so that no test writes to the user's home."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from claims.base import keys
from claims.base.ed25519 import known_signatures

MEMORY, ROOM = "/dev/shm", 2**32


def pytest_configure() -> None:
    """Temporary folders lie in memory, where there is room: what is flushed there costs nothing."""
    if os.path.isdir(MEMORY) and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ.setdefault("TMPDIR", MEMORY)
        tempfile.tempdir = None  # asked for already; to be looked up again


@pytest.fixture(autouse=True, scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of this run, for commands too."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("state")
        patch.setenv("STANDSTILL_STATE", str(folder))
        patch.setattr("claims.cli.screen.IN_PIPE", 1e6)  # no test depends on how long a command takes
        patch.setenv("STANDSTILL_CACHE", "off")  # what one test believes is no other's; tests of caches say so
        with known_signatures(None):  # whether bytes are a signature is the same in every test
            yield folder


@pytest.fixture(autouse=True, scope="session")
def rounds() -> Iterator[int]:
    """How often passphrases are hashed in real use; tests hash them less often, unless they set this number again."""
    with pytest.MonkeyPatch.context() as patch:
        full = keys.ROUNDS
        patch.setattr(keys, "ROUNDS", 2**16)
        yield full
