"""Commit against commit: warm proofs of checkouts in turns, so that whatever else the machine does meets all of them alike.

Every sample is a process of its own: a warm-up proof, then some, of which the medians count. Another one begins each round.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import measure

__all__ = ["run"]

Record = dict[str, Any]
KEYS = ("prove_seconds", "cpu_seconds", "peak_rss_mb")


def run(folders: Sequence[Path], log_rows: int, repeat: int, proofs: int, say: Callable[[str], None]) -> list[Record]:
    """A record of each checkout, in order: its commit, medians of KEYS over ``repeat`` processes, and every sample.

    Args:
        folders: checkouts whose `bench.children` has the role `prove`, all run by this interpreter. proofs: in each process.

    Raises:
        measure.BenchmarkError: a proof could not be made.
    """
    samples: list[list[Record]] = [[] for _ in folders]
    for turn in range(repeat):
        order = list(range(len(folders)))
        for place in order[turn % len(order) :] + order[: turn % len(order)]:
            samples[place].append(_sample(folders[place], log_rows, proofs))
            say(f"{folders[place].name}: {samples[place][-1]['cpu_seconds']:.2f} CPU s")
    return [
        {"commit": _commit(folder), **{key: median(sample[key] for sample in taken) for key in KEYS}, "samples": taken}
        for folder, taken in zip(folders, samples, strict=True)
    ]


def _sample(folder: Path, log_rows: int, proofs: int) -> Record:
    with tempfile.TemporaryDirectory(prefix="standstill-bench-") as name:
        made = measure.child("prove", str(log_rows), str(proofs), name, root=folder)
    figures: Record = {key: median(run[key] for run in made["runs"]) for key in KEYS[:2]}
    return {**figures, "peak_rss_mb": made["rss_mb"]["end"]}


def _commit(folder: Path) -> str:
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
