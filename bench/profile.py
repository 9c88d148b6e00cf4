"""Where a proof's time goes, function by function, beside the least time that moving the data would take.

Every function of TRACED is wrapped while one proof is made. Its *own* seconds leave out wrapped functions that it calls. Its
floor is the bytes of its array arguments and results, each moved once, over the copy bandwidth measured in the same process:
a lower bound for functions that memory limits, and far below what hashing or constraints can reach. `cpu` is the time of all
threads, less sensitive than seconds to what else the machine does: cpu near seconds means a serial function. `system` is
the kernel's share of it (first touch of fresh pages, mostly).
"""

from __future__ import annotations

import functools
import importlib
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

TRACED = (
    ("circuits.relation", "check_witness"),
    ("circuits.witness", "blocks_of"),
    ("circuits.witness", "sponge_chains"),
    ("circuits.fill", "fill_permutation"),
    ("circuits.fill", "fill_ledgers"),
    ("circuits.fill", "fill_registry"),
    ("circuits.fill", "fill_bytes"),
    ("zk.kernels.ntt", "alloc_lde"),
    ("zk.kernels.ntt", "interpolate"),
    ("zk.kernels.ntt", "lde"),
    ("zk.kernels.hashing", "merkle_commit"),
    ("zk.kernels.hashing", "merkle_commit_fri"),
    ("zk.kernels.hashing", "grind"),
    ("zk.kernels.logup", "fractions"),
    ("zk.kernels.logup", "balancing_offset"),
    ("zk.kernels.logup", "accumulate"),
    ("zk.prover", "quotient_values"),
    ("zk.kernels.deep", "dot_rows"),
    ("zk.kernels.deep", "linear_combination"),
    ("zk.kernels.deep", "inverse_differences"),
    ("zk.kernels.deep", "fold8"),
    ("zk.kernels.field", "ext_mul"),
    ("zk.kernels.field", "powers"),
    ("zk.kernels.field", "ext_powers"),
    ("zk.kernels.field", "batch_inverse"),
    ("zk.prover", "uniform_elements"),
    ("zk.commitment", "leaf_salts"),
    ("zk.kernels.ntt", "masked_lde"),
    ("zk.prover", "quotient_coefficients"),
    ("zk.prover", "_selectors"),
    ("zk.prover", "_Run._lookups"),
    ("zk.commitment", "Committer.commit"),
    ("zk.prover", "_Run._quotient"),
    ("zk.prover", "_Run._out_of_domain"),
    ("zk.prover", "_Run._deep"),
    ("zk.prover", "_Run._fri"),
    ("zk.prover", "_Run._open"),
)
"""(module, name): the binding that is wrapped. What a later version no longer has is left out."""


@dataclass
class Line:
    """Totals of one function in one phase."""

    calls: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    system: float = 0.0
    bytes: int = 0


@dataclass
class Trace:
    """Lines by (phase, function)."""

    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    phase: str = "witness"
    _inner: list[list[float]] = field(default_factory=list)

    def progress(self, phase: str, share: float) -> None:
        """Progress callback of the prover."""
        self.phase = phase

    def call(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a function and books its own time."""
        phase, inner = self.phase, [0.0, 0.0, 0.0]
        self._inner.append(inner)
        before = _clocks()
        result = function(*args, **kwargs)
        spent = [b - a for a, b in zip(before, _clocks(), strict=True)]
        self._inner.pop()
        if self._inner:
            self._inner[-1][:] = [a + b for a, b in zip(self._inner[-1], spent, strict=True)]
        line = self.lines.setdefault((phase, name), Line())
        line.calls += 1
        line.seconds += spent[0] - inner[0]
        line.cpu += spent[1] - inner[1]
        line.system += spent[2] - inner[2]
        line.bytes += _bytes([*args, *kwargs.values(), result])
        return result


def run(log_rows: int) -> dict[str, Any]:
    """Profile of one proof after a warm-up proof, in this process: seconds, bandwidth and a line per phase and function."""
    from bench.workload import make_claim
    from circuits.prove import prove_claim
    from circuits.verify import verify_claim_proof
    from zk.kernels.warmup import warm_up

    warm_up()
    statement, witness = make_claim(log_rows)
    prove_claim(statement, witness)
    bandwidth = copy_bandwidth()
    trace = Trace()
    with _wrapped(trace):
        before = _clocks()
        proof = prove_claim(statement, witness, progress=trace.progress)
        seconds, cpu, _ = (b - a for a, b in zip(before, _clocks(), strict=True))
    verify_claim_proof(statement, proof)
    lines = [
        {
            "phase": phase, "function": name, "calls": line.calls, "seconds": line.seconds, "cpu": line.cpu,
            "system": line.system, "bytes": line.bytes, "floor": line.bytes / bandwidth,
        }
        for (phase, name), line in trace.lines.items()
    ]  # fmt: skip
    return {"log_rows": log_rows, "seconds": seconds, "cpu": cpu, "bandwidth": bandwidth, "lines": lines}


def copy_bandwidth(words: int = 1 << 25, repeat: int = 5) -> float:
    """Bytes a second, read and written, of copies by as many threads as the prover has."""
    from zk.kernels import _jit

    source, target = np.ones(words, dtype=np.uint32), np.ones(words, dtype=np.uint32)
    parts = [i * words // _jit.THREADS for i in range(_jit.THREADS + 1)]

    def copy(i: int) -> None:
        np.copyto(target[parts[i] : parts[i + 1]], source[parts[i] : parts[i + 1]])

    best = float("inf")
    with ThreadPoolExecutor(_jit.THREADS) as pool:
        for _ in range(repeat):
            begin = time.perf_counter()
            list(pool.map(copy, range(_jit.THREADS)))
            best = min(best, time.perf_counter() - begin)
    return 2 * source.nbytes / best


def _clocks() -> tuple[float, float, float]:
    """Wall time, time of all threads, the kernel's share of it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), usage.ru_utime + usage.ru_stime, usage.ru_stime


def _bytes(values: list[Any]) -> int:
    """Bytes of distinct arrays among arguments and results; an array given and returned counts once."""
    arrays: dict[int, int] = {}
    for value in values:
        for array in value if isinstance(value, tuple) else (value,):
            if isinstance(array, np.ndarray):
                arrays[array.__array_interface__["data"][0]] = array.nbytes
    return sum(arrays.values())


@contextmanager
def _wrapped(trace: Trace) -> Iterator[None]:
    """Replaces the bindings of TRACED, and puts them back."""
    undo: list[tuple[Any, str, Any]] = []
    try:
        for module, path in TRACED:
            holder: Any = importlib.import_module(module)
            *owners, name = path.split(".")
            for owner in owners:
                holder = getattr(holder, owner, None)
            original = getattr(holder, name, None)
            if original is None:
                continue
            undo.append((holder, name, original))
            setattr(holder, name, _timed(trace, path.removeprefix("_Run."), original))
        yield
    finally:
        for holder, name, original in reversed(undo):
            setattr(holder, name, original)


def _timed(trace: Trace, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return trace.call(name, function, args, kwargs)

    return call


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]))))
