"""What runs in a process of its own: `python -m bench.children ROLE ARGUMENTS`, a JSON object on the last line of output.

    prove LOG_ROWS REPEAT FOLDER    a warm-up proof, then REPEAT measured ones; leaves statement.json and proof.bin
    first LOG_ROWS FOLDER           imports, kernels, one proof: what a user waits for in a new process
    rates                           what the machine can do, bench/rates.py
    fleet METERS HOURS PROOFS       the whole job of a made-up fleet, bench/fleet.py; PROOFS is 0 or 1
    sites LOG_ROWS SITES REPEAT     a claim as one table (SITES 0) or cut into sites, bench/sites.py
    cluster LOG_ROWS TABLES WORKERS    tables in one process (WORKERS 0) or by a cluster of processes, bench/cluster.py
    guard LOG_ROWS ROUNDS           work of each phase as ratios to a fixed one, bench/guard.py
    verify FOLDER                   the verifier, on what the others left; loads the standard library alone
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

STATEMENT, PROOF = "statement.json", "proof.bin"
WITNESS_PHASE = "witness"


class Stopwatch:
    """A progress callback that takes the time of each phase; what is before the first one is the witness."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._name = WITNESS_PHASE
        self._since = self.start = time.perf_counter()

    def __call__(self, phase: str, share: float) -> None:
        now = time.perf_counter()
        self.phases[self._name] = self.phases.get(self._name, 0.0) + now - self._since
        self._name, self._since = phase, now


def prove(log_rows: int, repeat: int, folder: Path) -> dict[str, Any]:
    """Samples of whole proofs: seconds and phases of each, sizes, memory after the warm-up proof and at the end."""
    from bench.machine import peak_rss_mb
    from bench.workload import make_claim, readings_of
    from circuits.prove import prove_claim
    from zk.kernels import _jit
    from zk.kernels.warmup import warm_up

    warm_up()
    statement, witness = make_claim(log_rows)
    rss_workload = peak_rss_mb()
    proof = prove_claim(statement, witness)
    rss_first = peak_rss_mb()
    jit = _jit.jit_seconds()
    runs = []
    for _ in range(repeat):
        began, watch = time.process_time(), Stopwatch()
        proof = prove_claim(statement, witness, progress=watch)
        seconds, cpu = time.perf_counter() - watch.start, time.process_time() - began
        runs.append({"prove_seconds": seconds, "cpu_seconds": cpu, "phases": watch.phases, "proof_bytes": len(proof)})
    if _jit.jit_seconds() != jit:
        raise RuntimeError("a kernel was compiled during a measured proof: the warm-up misses it")
    _leave(folder, statement, proof)
    return {
        "rows": 1 << log_rows,
        "readings": readings_of(witness),
        "runs": runs,
        "jit_seconds": jit,
        "rss_mb": {"workload": rss_workload, "first_proof": rss_first, "end": peak_rss_mb()},
    }


def first(log_rows: int, folder: Path) -> dict[str, Any]:
    """Seconds of each step from a new process to a proof."""
    start = time.perf_counter()
    from bench.workload import make_claim
    from circuits.prove import prove_claim
    from zk.kernels import _jit
    from zk.kernels.warmup import warm_up

    imported = time.perf_counter()
    warm_up()
    warm = time.perf_counter()
    statement, witness = make_claim(log_rows)
    made = time.perf_counter()
    proof = prove_claim(statement, witness)
    proven = time.perf_counter()
    _leave(folder, statement, proof)
    return {
        "import_seconds": imported - start,
        "warm_up_seconds": warm - imported,
        "workload_seconds": made - warm,
        "first_proof_seconds": proven - made,
        "jit_seconds": _jit.jit_seconds(),
    }


def rates() -> dict[str, Any]:
    """The machine's rates. An exception where the kernel of products is wrong."""
    from bench import rates

    if not rates.check():
        raise RuntimeError("the kernel of products computes something else")
    measured = rates.measure()
    return {**asdict(measured), "sha": measured.sha, "threads": rates.THREADS}


def verify(folder: Path) -> dict[str, Any]:
    """One verification, the program's construction included; imports apart. A rejection is an exception."""
    start = time.perf_counter()
    from circuits.statement import MeterTerms, RegistryTerms, Statement
    from circuits.verify import verify_claim_proof

    imported = time.perf_counter()
    fields = json.loads((folder / STATEMENT).read_text(encoding="utf-8"), object_hook=_tuples)
    fields["meters"] = tuple(MeterTerms(**meter) for meter in fields["meters"])
    fields["registry"] = RegistryTerms(**fields["registry"])
    statement, proof = Statement(**fields), (folder / PROOF).read_bytes()
    begin = time.perf_counter()
    report = verify_claim_proof(statement, proof)
    seconds = time.perf_counter() - begin
    foreign = {"numpy", "numba", "cryptography"} & set(sys.modules)
    if foreign:
        raise RuntimeError(f"the verifier loaded {', '.join(sorted(foreign))}")
    return {
        "verify_seconds": seconds,
        "import_seconds": imported - start,
        "bits_unique_decoding": report.unique_decoding.bits,
        "bits_johnson": report.johnson.bits,
    }


def _leave(folder: Path, statement: Any, proof: bytes) -> None:
    (folder / STATEMENT).write_text(json.dumps(asdict(statement)), encoding="utf-8")
    (folder / PROOF).write_bytes(proof)


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


def main(role: str, *arguments: str) -> None:
    """Runs a role and prints its result."""
    if role == "prove":
        result = prove(int(arguments[0]), int(arguments[1]), Path(arguments[2]))
    elif role == "first":
        result = first(int(arguments[0]), Path(arguments[1]))
    elif role == "rates":
        result = rates()
    elif role == "guard":
        from bench.guard import measure

        result = measure(int(arguments[0]), int(arguments[1]))
    elif role == "fleet":
        from bench import fleet

        result = fleet.run(int(arguments[0]), int(arguments[1]), arguments[2] == "1")
    elif role == "sites":
        from bench import sites

        result = sites.run(*map(int, arguments))
    elif role == "cluster":
        from bench import cluster

        log_rows, tables, number = map(int, arguments)
        result = cluster.workers(log_rows, tables, number) if number else cluster.alone(log_rows, tables)
    elif role == "verify":
        result = verify(Path(arguments[0]))
    else:
        raise SystemExit(f"unknown role {role}")
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
