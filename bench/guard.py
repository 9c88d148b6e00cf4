"""Notices a slower prover on a noisy machine: the work of each phase as a ratio to a fixed piece of work beside it.

What is compared is CPU time on one thread, which waiting for other processes does not change, divided by the CPU time of a
*reference* that shares no code with the prover (SHA-256 of the standard library over 8 MiB, sums, products and copies of numpy's) and
runs before and after every proof in the same process: a slower clock or a full memory bus slows both. Each ratio is a median over
rounds. Grinding, whose length is random, is taken out of the phases and counted per hash.

`history.json` keeps the ratios of each recorded commit. A phase fails when it is above the last record of the same processor by more
than THRESHOLD, three measurements in a row: noise slows, so the lowest of them counts. Without a record of this
processor the last one at all is compared, with OTHER_PROCESSOR. Nothing but `--record` changes what is compared with, so that
many small losses add up to a failure as one large one does.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench import machine

Record = dict[str, Any]
HISTORY = Path(__file__).with_name("history.json")
THRESHOLD = 0.15
"""Share by which a phase may be above its record: twice what runs of one commit differ by on a loaded machine (README.md)."""
OTHER_PROCESSOR = 1.0
"""The same where the record is of another processor: only gross losses show."""
SMALL = 0.02
"""Phases below this share of the whole are judged together, as "rest": alone they are mostly noise."""
ATTEMPTS, ROUNDS, LOG_ROWS = 3, 7, 16
GRIND_BITS = 20


class Reference:
    """The fixed work: about 20 ms, in equal parts hashing, arithmetic in cache, and memory."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self._message = bytes(1 << 23)
        self._small = rng.integers(0, 2**31, 1 << 13, dtype=np.uint64)
        self._large = np.ones(1 << 21, dtype=np.uint64)
        self._target = np.ones_like(self._large)

    def seconds(self) -> float:
        """CPU time of one run."""
        begin = time.process_time()
        hashlib.sha256(self._message).digest()
        x = self._small.copy()
        for _ in range(400):
            np.multiply(x, self._small, out=x)
            np.right_shift(x, np.uint64(11), out=x)
            np.bitwise_xor(x, self._small, out=x)
        for _ in range(3):
            np.copyto(self._target, self._large)
        return time.process_time() - begin


class _Clock:
    """CPU time by phase, grinding apart: a progress callback, and a wrapper for the kernel that grinds."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self.ground = 0.0
        self._name = "witness"
        self._since = time.process_time()

    def __call__(self, phase: str, share: float) -> None:
        now = time.process_time()
        self.phases[self._name] = self.phases.get(self._name, 0.0) + now - self._since - self.ground
        self._name, self._since, self.ground = phase, now, 0.0

    def grinding(self, grind: Callable[[bytes, int], int]) -> Callable[[bytes, int], int]:
        """The kernel, its time booked apart."""

        def timed(state: bytes, bits: int) -> int:
            begin = time.process_time()
            nonce = grind(state, bits)
            self.ground += time.process_time() - begin
            return nonce

        return timed


def measure(log_rows: int = LOG_ROWS, rounds: int = ROUNDS) -> Record:
    """Ratios of each phase to the reference, medians over `rounds` proofs after a warm-up proof, in this process."""
    from bench.workload import make_claim
    from circuits.prove import prove_claim
    from zk.kernels import hashing
    from zk.kernels.warmup import warm_up

    warm_up()
    statement, witness = make_claim(log_rows)
    prove_claim(statement, witness)
    reference = Reference()
    reference.seconds()
    samples: list[dict[str, float]] = []
    beside: list[float] = []
    for _ in range(rounds):
        before, clock, grind = reference.seconds(), _Clock(), hashing.grind
        hashing.grind = clock.grinding(grind)
        try:
            prove_claim(statement, witness, progress=clock)
        finally:
            hashing.grind = grind
        per_hash = _grinding(hashing.grind, len(samples))
        unit = (before + reference.seconds()) / 2
        beside.append(unit)
        samples.append({name: seconds / unit for name, seconds in clock.phases.items()} | {"grinding": per_hash / unit})
    ratios = {name: median(sample[name] for sample in samples) for name in samples[0]}
    return {"log_rows": log_rows, "rounds": rounds, "reference_seconds": median(beside), "ratios": _joined(ratios)}


def in_child() -> Record:
    """`measure` in a new process on one thread. Raises measure.BenchmarkError."""
    from bench.measure import child

    return child("guard", str(LOG_ROWS), str(ROUNDS), environment={"STANDSTILL_THREADS": "1"})


def _grinding(grind: Callable[[bytes, int], int], number: int) -> float:
    """CPU seconds of 2^20 hashes: several nonces are sought, as the hashes that each takes are known from it."""
    begin, hashes = time.process_time(), 0
    for k in range(4):
        hashes += grind(hashlib.sha256(bytes([number, k])).digest(), GRIND_BITS - 2) + 1
    return (time.process_time() - begin) * 2**GRIND_BITS / hashes


def _joined(ratios: Mapping[str, float]) -> dict[str, float]:
    """Small phases as one, and the whole of all but grinding."""
    phases = {name: ratio for name, ratio in ratios.items() if name != "grinding"}
    whole = sum(phases.values())
    large = {name: ratio for name, ratio in phases.items() if name in ALWAYS or ratio >= SMALL * whole}
    rest = whole - sum(large.values())
    return {**large, "rest": rest, "grinding": ratios["grinding"], "whole": whole}


ALWAYS = ("witness", "main trace", "lookups", "constraints", "deep", "fri")
"""Phases that have a line of their own however small."""


def lowest(measurements: list[Record]) -> dict[str, float]:
    """Each phase's lowest ratio."""
    names = measurements[0]["ratios"]
    return {name: min(m["ratios"].get(name, float("inf")) for m in measurements) for name in names}


def baseline(history: list[Record], cpu: str) -> tuple[Record, float] | None:
    """What to compare with, and the threshold: the last record of this processor, or the last one at all."""
    same = [record for record in history if record["cpu"] == cpu]
    if same:
        return same[-1], THRESHOLD
    return (history[-1], OTHER_PROCESSOR) if history else None


def slower(ratios: Mapping[str, float], record: Record, threshold: float) -> list[str]:
    """A sentence for every phase above its record by more than the threshold."""
    found = []
    for name, before in record["ratios"].items():
        now = ratios.get(name)
        if now is None:
            found.append(f"{name}: no longer measured; record anew if the prover's phases have changed")
        elif now > before * (1 + threshold):
            found.append(
                f"{name}: {now:.2f} times the reference, {before:.2f} at {record['commit'][:12]}: "
                f"{now / before - 1:+.0%}, allowed {threshold:+.0%}"
            )
    return found


def load(path: Path = HISTORY) -> list[Record]:
    """Records, oldest first. Raises ValueError where the file is not a history."""
    if not path.exists():
        return []
    history = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(history, list) or any({"cpu", "commit", "ratios", "log_rows"} - set(record) for record in history):
        raise ValueError(f"{path} is not a history of ratios")
    return history


def record(ratios: Mapping[str, float], reference_seconds: float, path: Path = HISTORY) -> None:
    """Appends what was measured."""
    where = machine.describe()
    entry = {
        "commit": machine.commit(), "cpu": where["cpu"], "numba": where["numba"], "numpy": where["numpy"], "log_rows": LOG_ROWS,
        "reference_seconds": round(reference_seconds, 5), "ratios": {name: round(ratio, 4) for name, ratio in ratios.items()},
    }  # fmt: skip
    path.write_text(json.dumps([*load(path), entry], indent=1) + "\n", encoding="utf-8")
