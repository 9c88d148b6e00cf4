"""Measurements, each in fresh child processes. Times are seconds, memory 10^6 bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine

TIMEOUT = 1800
Record = dict[str, Any]

KEYS = (
    "rows", "readings", "prove_seconds", "verify_seconds", "proof_bytes", "peak_rss_mb", "jit_seconds",
    "bits_unique_decoding", "bits_johnson",
)  # fmt: skip
"""Figures of a proof record, beside `phases`, `machine` and `commit`."""


class BenchmarkError(Exception):
    """A child process failed; the message has its last words."""


def child(*arguments: str, environment: Mapping[str, str] | None = None, root: Path = machine.ROOT) -> Record:
    """Runs `bench.children` of a checkout in a new process and returns what it measured, with its wall time as `process_seconds`.

    Raises:
        BenchmarkError: it failed, was killed (for memory, say), or took longer than TIMEOUT.
    """
    command = [sys.executable, "-m", "bench.children", *arguments]
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT, check=False,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"{arguments[0]}: not done after {TIMEOUT} s") from error
    seconds = time.perf_counter() - start
    if done.returncode:
        words = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise BenchmarkError(f"{' '.join(arguments[:2])}: {words[0]} (exit code {done.returncode})")
    result: Record = json.loads(done.stdout.splitlines()[-1])
    return {**result, "process_seconds": seconds}


def proof(log_rows: int, repeat: int = 3, environment: Mapping[str, str] | None = None) -> tuple[Record, Record]:
    """Whole proofs at 2^log_rows rows, each kind of figure a median over `repeat`, and every sample behind it.

    `environment` is added to the prover's.

    Returns:
        (record with KEYS, phases, machine and commit; samples).

    Raises:
        BenchmarkError: a proof could not be made, or was rejected.
    """
    where = machine.describe()
    with tempfile.TemporaryDirectory(prefix="standstill-bench-") as name:
        made = child("prove", str(log_rows), str(repeat), name, environment=environment)
        checks = [child("verify", name) for _ in range(repeat)]
    runs = made["runs"]
    record = {
        "rows": made["rows"],
        "readings": made["readings"],
        "prove_seconds": _median(runs, "prove_seconds"),
        "verify_seconds": _median(checks, "verify_seconds"),
        "proof_bytes": int(_median(runs, "proof_bytes")),
        "peak_rss_mb": made["rss_mb"]["end"],
        "jit_seconds": made["jit_seconds"],
        "bits_unique_decoding": checks[0]["bits_unique_decoding"],
        "bits_johnson": checks[0]["bits_johnson"],
        "phases": {name: median(run["phases"][name] for run in runs) for name in runs[0]["phases"]},
        "machine": where,
        "commit": machine.commit(),
    }
    return record, {"prove": runs, "verify": checks, "rss_mb": made["rss_mb"]}


def cold(log_rows: int = 16) -> Record:
    """A first proof with an empty cache of compiled kernels, then another new process with that cache."""
    with tempfile.TemporaryDirectory(prefix="standstill-bench-") as name:
        folder, cache = Path(name), Path(name) / "cache"
        environment = {"STANDSTILL_CACHE_DIR": str(cache)}
        result: Record = {"log_rows": log_rows}
        for state in ("empty cache", "filled cache"):
            result[state] = child("first", str(log_rows), str(folder), environment=environment)
            result[state]["verify_process_seconds"] = child("verify", str(folder))["process_seconds"]
    return result | {"machine": machine.describe(), "commit": machine.commit()}


def _median(samples: Sequence[Record], key: str) -> float:
    return float(median(sample[key] for sample in samples))
