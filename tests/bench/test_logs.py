"""The benchmark of a log: what it makes is a log that status takes, with keys of both kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import logs


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_small_log_is_made_and_measured(tmp_path: Path, hybrid: bool) -> None:
    made = logs._Log(tmp_path, 2, 3, hybrid)
    record = made.run()
    assert record["entries"] == 6 and record["heads"] == 3 and record["entry_bytes"] > 6 * (2420 if hybrid else 64)
    assert all(record[name]["cpu"] > 0 for name in ("status cold", "status warm", "append", "cosign"))
    assert (made.public_log / "checkpoints" / "8").is_file(), "the hour that was appended by the command"
