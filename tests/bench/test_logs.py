"""Benchmarks of what readers check: a log that status takes, with keys of both kinds; roots files of a lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import logs, roots


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_small_log_is_made_and_measured(tmp_path: Path, hybrid: bool) -> None:
    made = logs._Log(tmp_path, 2, 3, hybrid)
    record = made.run()
    assert record["entries"] == 6 and record["heads"] == 3 and record["entry_bytes"] > 6 * (2420 if hybrid else 64)
    assert all(record[name]["cpu"] > 0 for name in ("status cold", "status warm", "append", "cosign"))
    assert (made.public_log / "checkpoints" / "8").is_file(), "the hour that was appended by the command"


@pytest.mark.parametrize("group, count", [(0, 30 * 6), (7, 5 * 6)])
def test_roots_of_a_small_lab_are_made_and_checked(group: int, count: int) -> None:
    record = roots.run(30, 6, group)
    assert record["roots"] == count and record["roots_bytes"] > 32 * count and record["cpu"] > 0
