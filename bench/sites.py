"""The same lab as one table, and cut into sites: rows, columns, seconds and bytes of every table.

    one table of 2^n rows     N tables of sites, and the registry's, each of the least height that holds it

In parallel the lab waits for its slowest site and the registry; the sum is what all machines work.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np

from bench.workload import SEED, make_claim, readings_of
from circuits.claim import COLUMNS
from circuits.prove import prove_claim
from circuits.statement import IDLE, Statement, SummaryTerms, summary_header
from circuits.verify import verify_claim_proof
from circuits.witness import ClaimWitness, Headers, LedgerWitness, SummaryWitness, heads_of, rows_needed
from zk.field import P

__all__ = ["cut", "run"]

Record = dict[str, Any]
MIN_LOG_ROWS = 16


def cut(statement: Statement, witness: ClaimWitness, sites: int) -> list[tuple[str, Statement, ClaimWitness]]:
    """The tables of the same claim with its meters in so many sites; the registry's last."""
    rng = np.random.default_rng([SEED, sites])
    groups = np.array_split(np.arange(len(witness.ledgers)), sites)
    tables, sent, terms = [], list[SummaryWitness](), list[SummaryTerms]()
    for number, group in enumerate(groups):
        ledgers = tuple(witness.ledgers[i] for i in group)
        iv, trailer = (tuple(int(x) for x in rng.integers(0, P, 8)) for _ in range(2))
        summary = SummaryWitness(iv, _records(ledgers), trailer)
        header = summary_header(bytes(range(32)), "lab", f"site-{number}", 3)
        own = ClaimWitness(ledgers, None, (summary,))
        meters = tuple(statement.meters[i] for i in group)
        heads = heads_of(own, Headers(tuple(meter.header for meter in meters), None, (header,)))
        terms.append(SummaryTerms(header, heads.summaries[0]))
        sent.append(summary)
        bare = replace(statement, total_cap=0, unattributed_cap=0, lineage_cap=0, freeze_level=None, charge_residue=False)
        tables.append((f"site-{number}", replace(bare, meters=meters, registry=None, summaries=(terms[-1],)), own))
    registry = ClaimWitness((), witness.registry, tuple(sent))
    tables.append(("registry", replace(statement, meters=(), summaries=tuple(terms)), registry))
    height = max(_log_rows(own) for _, _, own in tables[:-1])
    heights = [*[height] * sites, _log_rows(registry)]
    return [(name, replace(own, log_rows=rows), held) for (name, own, held), rows in zip(tables, heights, strict=True)]


def _records(ledgers: tuple[LedgerWitness, ...]) -> tuple[tuple[int, int], ...]:
    totals: dict[int, int] = {}
    for ledger in ledgers:
        for tag in np.unique(ledger.tags).tolist():
            if tag != IDLE:
                totals[tag] = totals.get(tag, 0) + sum(ledger.work[ledger.tags == tag].tolist())
    return tuple(sorted(totals.items()))


def _log_rows(witness: ClaimWitness) -> int:
    return max(MIN_LOG_ROWS, math.ceil(math.log2(rows_needed(witness))))


def run(log_rows: int, sites: int, repeat: int) -> Record:
    """Figures of a claim that fills 2^log_rows rows, as one table (``sites`` 0) or cut; each table's least of ``repeat`` times."""
    from zk.kernels.warmup import warm_up

    warm_up()
    statement, witness = make_claim(log_rows)
    tables = [("whole", statement, witness)] if sites == 0 else cut(statement, witness, sites)
    rows = [_measured(*table, repeat) for table in tables]
    return {
        "sites": sites, "readings": readings_of(witness), "columns": len(COLUMNS), "tables": rows,
        "prove_cpu_seconds": sum(row["prove_cpu_seconds"] for row in rows),
        "prove_seconds_of_slowest": max(row["prove_seconds"] for row in rows),
        "verify_seconds": sum(row["verify_seconds"] for row in rows),
        "proof_bytes": sum(row["proof_bytes"] for row in rows),
    }  # fmt: skip


def _measured(name: str, statement: Statement, witness: ClaimWitness, repeat: int) -> Record:
    prove_claim(statement, witness)
    wall, cpu, check = list[float](), list[float](), list[float]()
    for _ in range(repeat):
        begun, spent = time.perf_counter(), time.process_time()
        proof = prove_claim(statement, witness)
        wall.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - spent)
        begun = time.perf_counter()
        verify_claim_proof(statement, proof)
        check.append(time.perf_counter() - begun)
    return {
        "table": name, "rows": rows_needed(witness), "log_rows": statement.log_rows, "prove_seconds": min(wall),
        "prove_cpu_seconds": min(cpu), "verify_seconds": min(check), "proof_bytes": len(proof),
    }  # fmt: skip
