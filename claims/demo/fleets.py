"""A made-up fleet: racks, jobs of many sizes on them, gaps, maintenance, restarts, checkpoints and merges; its usage and lineage files.

One meter is a rack of 72 chips, an epoch is an hour, one period holds all hours. About half of the racks train one large model
throughout; the others take one job after another. A usage row is what one job held of one rack in one hour. The same arguments
give the same jobs.
"""

from __future__ import annotations

import bisect
import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

__all__ = ["CHIPS", "EPOCH", "LEAVES", "PEAK", "log_rows_for", "rack_names", "write_books"]

CHIPS, EPOCH = 72, 3600
PEAK = "4950 TFLOP/s"
LEAVES = 16
"""Padded leaves of a rack's hour, which has up to a few readings."""
READINGS_PER_HOUR = 1.4
"""Of a rack: for the height of a table. 1,000 racks have 1.373."""
PROJECTS = 24
"""Lines of checkpoints beside the large model; a job works toward the next checkpoint of one of them."""
LARGE_SHARE, IN_PARTS, UNATTRIBUTED = 0.5, 0.6, 0.04
"""Share of racks that train the large model; of jobs that take a part of a rack; of jobs without a checkpoint."""
HOURS = EPOCH * 1000
MAINTENANCE, RESTART = 700 * HOURS, 30 * HOURS
"""Mean time between a rack's maintenance windows, and between restarts of the large model; milliseconds."""

Piece = tuple[int, int, int, str]
"""Start and stop in milliseconds since the fleet's start, chips, project."""


def rack_names(count: int) -> list[str]:
    """Names of a fleet's meters, in order."""
    return [f"rack-{number:05}" for number in range(count)]


def log_rows_for(meters: int, hours: int) -> int:
    """Height of a table for so many racks and hours, 16 to 22, as a power of two."""
    return min(22, max(16, math.ceil(math.log2(meters * (hours * READINGS_PER_HOUR + 3) + 8192))))


def write_books(
    folder: Path, meters: int, hours: int, start: int, *, seed: int = 0, progress: Callable[[float], None] | None = None
) -> int:
    """Write usage.csv and checkpoints.csv of a fleet into a folder. Returns the rows of usage.

    Args:
        start: Unix seconds at which the first hour begins.
        progress: called with the share that is done.
    """
    saved, end = _checkpoints(hours, Random(f"{seed} saved")), hours * HOURS
    outages, rows = list(_restarts(end, Random(f"{seed} large"))), 0
    with open(folder / "usage.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("meter", "start", "stop", "checkpoint", "chips"))
        for number, name in enumerate(rack_names(meters)):
            rng = Random(f"{seed} {number}")
            pieces = _large(end, outages) if number < meters * LARGE_SHARE else _small(end, rng)
            for piece in _without(pieces, _maintenance(end, rng)):
                for begin, stop, chips, label in _by_hour(piece, saved):
                    writer.writerow((name, start * 1000 + begin, start * 1000 + stop, label, chips))
                    rows += 1
            if progress is not None:
                progress((number + 1) / meters)
    _write_checkpoints(folder / "checkpoints.csv", saved, hours)
    return rows


# ---- jobs ------------------------------------------------------------------------------------------------


def _restarts(end: int, rng: Random) -> Iterator[tuple[int, int]]:
    """When the large model stands still: some minutes after each failure."""
    at = 0
    while (at := at + int(rng.expovariate(1 / RESTART)) + 1) < end:
        yield at, at + rng.randrange(120_000, 1_200_000)


def _maintenance(end: int, rng: Random) -> list[tuple[int, int]]:
    windows, at = [], 0
    while (at := at + int(rng.expovariate(1 / MAINTENANCE)) + 1) < end:
        windows.append((at, at := at + rng.randrange(2, 9) * HOURS))
    return windows


def _large(end: int, outages: list[tuple[int, int]]) -> Iterator[Piece]:
    at = 0
    for start, stop in outages:
        if at < start:
            yield at, start, CHIPS, "large"
        at = max(at, stop)
    if at < end:
        yield at, end, CHIPS, "large"


def _small(end: int, rng: Random) -> Iterator[Piece]:
    """One job after another, from ten minutes to days; some share the rack with another project."""
    at = rng.randrange(HOURS)
    while at < end:
        stop = min(end, at + max(600_000, min(200 * HOURS, int(rng.lognormvariate(2.0, 1.4) * HOURS))))
        chips = 8 * rng.randrange(1, 9) if rng.random() < IN_PARTS else CHIPS
        first = "" if rng.random() < UNATTRIBUTED else f"project-{rng.randrange(PROJECTS):02}"
        yield at, stop, chips, first
        if chips < CHIPS:
            yield at, stop, CHIPS - chips, f"project-{rng.randrange(PROJECTS):02}"
        at = stop + int(rng.expovariate(1 / 900_000))


def _without(pieces: Iterator[Piece], windows: list[tuple[int, int]]) -> Iterator[Piece]:
    """What is left of pieces outside the windows, which are in order."""
    for start, stop, chips, project in pieces:
        for begin, end in windows:
            if begin < stop and start < end:
                if start < begin:
                    yield start, begin, chips, project
                start = end
        if start < stop:
            yield start, stop, chips, project


def _by_hour(piece: Piece, saved: dict[str, list[int]]) -> Iterator[Piece]:
    """The piece cut at the hours, each part with the checkpoint that its project saves next."""
    start, stop, chips, project = piece
    while start < stop:
        epoch = start // HOURS
        until = min(stop, (epoch + 1) * HOURS)
        label = project and f"{project}/{bisect.bisect_left(saved[project], epoch):04}"
        yield start, until, chips, label
        start = until


# ---- checkpoints and agreement -----------------------------------------------------------------------------


def _checkpoints(hours: int, rng: Random) -> dict[str, list[int]]:
    """Epochs in which each project saves a checkpoint, ascending; the last one at the end."""
    saved = {}
    for name in ("large", *(f"project-{number:02}" for number in range(PROJECTS))):
        step, epochs, at = (12 if name == "large" else rng.randrange(20, 120)), [], -1
        while (at := at + step) < hours - 1:
            epochs.append(at)
        saved[name] = [*epochs, hours - 1]
    return saved


def _write_checkpoints(path: Path, saved: dict[str, list[int]], hours: int) -> None:
    rows = [
        (f"{name}/{number:04}", "CHECKPOINT", f"{name}/{number - 1:04}" if number else "", epoch)
        for name, epochs in saved.items()
        for number, epoch in enumerate(epochs)
    ]
    last = {name: f"{name}/{len(epochs) - 1:04}" for name, epochs in saved.items()}
    projects = [last[name] for name in saved if name != "large"]
    rows += [
        (f"merge-{number}", "MERGE", f"{one}|{two}", hours - 1)
        for number, (one, two) in enumerate(zip(projects[::2], projects[1::2], strict=False))
    ]
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "kind", "parents", "epoch"), *sorted(rows, key=lambda row: row[3])])
