"""Tables proven one after the other in one process, and by workers of one thread each: seconds, and what is serial.

The workers are of one thread each (``claims.cluster.local``). CPU seconds of workers are of the processes
that proved: each starts Python and loads the kernels anew. What is serial is what `prove` itself does for a table: to encode and seal it,
to open and verify its proof.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from claims.cluster.local import LocalCluster, local_cluster

__all__ = ["alone", "workers"]

Record = dict[str, Any]


def _cpu_of_proofs(cluster: LocalCluster) -> float:
    """CPU seconds of the processes that proved and have ended."""
    workers = [process for process in cluster.everything() if "multiprocessing-fork" in " ".join(process.cmdline())]
    return sum(times.children_user + times.children_system for times in (worker.cpu_times() for worker in workers))


def _tables(log_rows: int, count: int) -> list[Any]:
    from bench.workload import make_claim
    from claims.lab.witness import Table

    return [Table(None, *make_claim(log_rows))] * count


def alone(log_rows: int, count: int) -> Record:
    """So many tables in this process, on all threads; and what one table costs `prove` beside its proof, CPU seconds."""
    from circuits.verify import verify_claim_proof
    from claims.cluster.sealed import JOB, RESULT, new_id, seal, unseal
    from claims.cluster.table import encode_table
    from claims.lab.prove import in_this_process
    from zk.kernels._jit import THREADS
    from zk.kernels.warmup import warm_up

    warm_up()
    tables = _tables(log_rows, count)
    begun, spent = time.perf_counter(), time.process_time()
    proofs = [proof for _, proof in in_this_process(tables, None)]
    wall, cpu = time.perf_counter() - begun, time.process_time() - spent
    key, task, spent = os.urandom(32), new_id(), time.process_time()
    seal(key, JOB, task, encode_table(tables[0].statement, tables[0].witness))
    sealing = time.process_time() - spent
    sealed, spent = seal(key, RESULT, task, proofs[0]), time.process_time()
    verify_claim_proof(tables[0].statement, unseal(key, RESULT, sealed, task)[1])
    return {
        "workers": 0, "threads": THREADS, "seconds": wall, "cpu_seconds": cpu,
        "serial_cpu_seconds": {"encode and seal": sealing, "open and verify": time.process_time() - spent},
    }  # fmt: skip


def workers(log_rows: int, count: int, number: int) -> Record:
    """So many tables by ``number`` workers of one thread, from the first that is sent to the last that is here; all workers are up."""
    from claims.cluster.prover import on_cluster
    from claims.cluster.table import memory_of

    tables = _tables(log_rows, count)
    with tempfile.TemporaryDirectory() as name, local_cluster(Path(name), number, memory_of(log_rows)) as cluster:
        prove, begun = on_cluster(cluster.address, cluster.nodes), list[float]()

        def began(text: str, share: float) -> None:
            if not begun and f"on {number} workers" in text and " 0 on " not in text:
                begun.append(time.perf_counter())

        spent = time.process_time()
        proofs = sum(1 for _ in prove(tables, began))
        wall, own = time.perf_counter() - begun[0], time.process_time() - spent
        if proofs != count:
            raise RuntimeError(f"{proofs} proofs of {count} tables")
        return {"workers": number, "threads": 1, "seconds": wall, "cpu_seconds": _cpu_of_proofs(cluster), "prove_cpu_seconds": own}
