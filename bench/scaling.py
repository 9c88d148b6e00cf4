"""How cost grows: with the rows, with the threads, and what a first proof costs. Every measurement in new processes.

A height is not tried where it would not fit: memory and time of the height before it, doubled, against what is available. It is then
listed with the reason. Threads are set by STANDSTILL_THREADS: the prover has its own pool, which NUMBA_NUM_THREADS does not reach.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import machine, measure

Record = dict[str, Any]
GROWTH = 2.1
"""Of time and memory from one height to the next, for the estimate: the transforms grow a little faster than the rows."""
RESERVE = 0.9
"""Share of the available memory that an estimate may take."""


def heights(first: int, last: int, repeat: int, budget: float, say: Callable[[str], None]) -> tuple[list[Record], list[Record]]:
    """Proofs of every height that fits.

    Args:
        first, last: 16..22.
        repeat: samples behind each median.
        budget: seconds for all heights together.
        say: told of each height when it is done.

    Returns:
        (records of `measure.proof`, skipped heights as {log_rows, reason}).
    """
    records: list[Record] = []
    skipped: list[Record] = []
    began = time.monotonic()
    spent = 0.0
    for log_rows in range(first, last + 1):
        left = budget - (time.monotonic() - began)
        reason = skipped[-1]["reason"] if skipped else fits(records[-1] if records else None, spent, left, _available_mb())
        if not reason:
            begin = time.monotonic()
            try:
                record, samples = measure.proof(log_rows, repeat)
            except measure.BenchmarkError as error:
                reason = str(error)
            else:
                spent = time.monotonic() - begin
                records.append({**record, "samples": samples})
                say(f"2^{log_rows} rows: {record['prove_seconds']:.2f} s, {record['peak_rss_mb']:,.0f} MB")
        if reason:
            skipped.append({"log_rows": log_rows, "reason": reason})
            say(f"2^{log_rows} rows: skipped, {reason}")
    return records, skipped


def fits(before: Record | None, spent: float, left: float, available_mb: float | None) -> str:
    """Why the next height is not tried, or ""."""
    if left <= 0:
        return "the time given is over"
    if before is None:
        return ""
    need = before["peak_rss_mb"] * GROWTH
    if available_mb is not None and need > available_mb * RESERVE:
        return f"needs about {need:,.0f} MB, {available_mb:,.0f} MB are available"
    if spent * GROWTH > left:
        return f"needs about {spent * GROWTH:.0f} s, {left:.0f} s of the time given are left"
    return ""


def threads(log_rows: int, repeat: int, counts: Sequence[int]) -> list[Record]:
    """The same proofs on so many threads each."""
    records = []
    for count in counts:
        record, _ = measure.proof(log_rows, repeat, environment={"STANDSTILL_THREADS": str(count)})
        records.append({**record, "threads": count})
    return records


def _available_mb() -> float | None:
    """Memory that new processes can have, in 10^6 bytes; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 / machine.MB if found else None
