"""What every test gets: a folder of its own for what keys remember, and no cache, so that no test writes to the user's home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of this run, for commands too."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("state")
        patch.setenv("STANDSTILL_STATE", str(folder))
        patch.setattr("claims.cli.screen.IN_PIPE", 1e6)  # no test depends on how long a command takes
        patch.setenv("STANDSTILL_CACHE", "off")  # what one test believes is no other's; tests of caches say so
        yield folder
