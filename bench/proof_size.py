"""What would make proofs smaller, at the bits that `std` promises: figures for bench/proof-size.md, no protocol change.

    python -m bench.proof_size             the table
    python -m bench.proof_size --measure   time, memory and bytes of those that the prover can run as it is

Each row varies the parameters, takes the fewest queries with at least 100 bits by unique decoding and 128 in the Johnson
regime at every height allowed (zk/security.py, on the claim's own program), and counts the bytes of a proof at 2^18 rows: the
format of PROTOCOL.md section 8 with pruned multi-openings, averaged over random query positions. The parts of `std` are then
listed one by one.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import fmean, median
from unittest.mock import patch

import zk.security
from bench import workload
from circuits.claim import claim_program
from circuits.prove import prove_claim
from circuits.verify import verify_claim_proof
from zk.field import DEGREE
from zk.merkle import HASH_BYTES, opening_nodes
from zk.options import STD, Options
from zk.packing import packed_bytes
from zk.proof import NONCE_BYTES, proof_shape

LOG_ROWS, HEIGHTS, SAMPLES = 18, (16, 18, 20, 22), 10
UNIQUE_BAR, JOHNSON_BAR = 100.0, 128.0


@dataclass(frozen=True)
class Variant:
    """Parameters of one row. columns, chunks: main columns and quotient chunks, None for the claim's and two."""

    name: str
    log_blowup: int = 2
    log_arity: int = 3
    query_grinding: int = 20
    columns: int | None = None
    chunks: int = 2
    cap: int = 0


STANDARD = Variant("`std` as it is")
VARIANTS = (
    Variant("query grinding 24", query_grinding=24),
    Variant("query grinding 28", query_grinding=28),
    Variant("Merkle caps of 64 nodes", cap=6),
    Variant("FRI arity 16", log_arity=4),
    Variant("blow-up 8", log_blowup=3),
    Variant("blow-up 16", log_blowup=4),
    Variant("blow-up 8, degree 9", log_blowup=3, columns=163, chunks=8),
    Variant("blow-up 16, degree 9", log_blowup=4, columns=163, chunks=8),
    Variant("the same, arity 16, grinding 24", log_blowup=4, log_arity=4, query_grinding=24, columns=163, chunks=8),
)


def bits(options: Options, log_rows: int, arity: int) -> tuple[float, float]:
    """(unique decoding, Johnson) of the claim at one height; constraints of degree 9 cost zeta two bits, which it has."""
    with patch.object(zk.security, "ARITY", 1 << arity), patch.object(zk.security, "ARITY_BITS", arity):
        report = zk.security.security_report(claim_program(), log_rows, options)
    return report.unique_decoding.bits, report.johnson.bits


def fewest_queries(v: Variant) -> Options:
    """The options of a variant with the fewest queries that meet both bars at every height with an LDE domain."""
    options = replace(STD, log_blowup=v.log_blowup, log_arity=v.log_arity, query_grinding=v.query_grinding)
    heights = [k for k in HEIGHTS if k + v.log_blowup <= 24]
    for queries in range(20, 200):
        options = replace(options, queries=queries)
        found = [bits(options, k, v.log_arity) for k in heights]
        if all(u >= UNIQUE_BAR and j >= JOHNSON_BAR for u, j in found):
            return options
    raise ValueError(f"{v.name}: no number of queries is enough")


def sibling_bytes(indices: Iterable[int], depth: int, cap: int) -> int:
    """Siblings of one multi-opening; with a cap its 2^cap nodes, less the root that the head has anyway."""
    siblings = sum(1 for level, _ in opening_nodes(indices, depth) if level < depth - cap)
    return HASH_BYTES * (siblings + ((1 << cap) - 1 if cap else 0))


def proof_parts(v: Variant, options: Options) -> dict[str, float]:
    """Mean bytes of every part."""
    program, salt = claim_program(), STD.salt_bytes
    widths = {"main": v.columns or program.n_columns, "aux": DEGREE * program.n_aux, "quotient": DEGREE * v.chunks + DEGREE}
    shape = proof_shape(program, replace(STD, queries=options.queries), LOG_ROWS)
    folds, depth = options.folds(LOG_ROWS), LOG_ROWS + v.log_blowup
    values = shape.values - program.n_columns + widths["main"] + DEGREE * (v.chunks - 2)
    rng, samples = random.Random(1), []
    for _ in range(SAMPLES):
        indices = sorted({rng.randrange(1 << depth) for _ in range(options.queries)})
        parts: dict[str, int] = {
            "out of domain": packed_bytes(DEGREE * values),
            "final": packed_bytes(DEGREE * options.final_length(LOG_ROWS)),
            "roots and nonces": 6 + (HASH_BYTES + NONCE_BYTES) * (3 + folds) + 2 * NONCE_BYTES,
            "salts": salt * len(indices),
        }
        parts |= {f"{name} rows": packed_bytes(width * len(indices)) for name, width in widths.items()}
        parts["paths of the three"] = 3 * sibling_bytes(indices, depth, v.cap)
        points = {(i >> LOG_ROWS, i & (1 << LOG_ROWS) - 1) for i in indices}
        parts |= {"FRI leaves": 0, "FRI paths": 0}
        for r in range(folds):
            low = LOG_ROWS - v.log_arity * (r + 1)
            leaves = {(coset, row & (1 << low) - 1) for coset, row in points}
            parts["FRI leaves"] += packed_bytes(DEGREE * ((len(leaves) << v.log_arity) - len(points)))
            numbers = [coset << low | row for coset, row in leaves]
            parts["FRI paths"] += sibling_bytes(numbers, low + v.log_blowup, min(v.cap, low))
            points = leaves
        samples.append(parts)
    return {name: fmean(parts[name] for parts in samples) for name in samples[0]}


def proof_bytes(v: Variant, options: Options) -> dict[str, float]:
    """Mean bytes by kind: head, leaves of the three matrices, their paths, FRI."""
    parts = proof_parts(v, options)
    kinds = {
        "head": ("out of domain", "final", "roots and nonces"),
        "leaves": ("salts", "main rows", "aux rows", "quotient rows"),
        "paths": ("paths of the three",),
        "fri": ("FRI leaves", "FRI paths"),
    }
    return {kind: sum(parts[name] for name in names) for kind, names in kinds.items()}


def table() -> None:
    """Prints the tables."""
    print("| variant | queries | bits at 2^18 | head | leaves | paths | FRI | KiB |\n|---|---|---|---|---|---|---|---|")
    for v, options in [(STANDARD, STD), *((v, fewest_queries(v)) for v in VARIANTS)]:
        unique, johnson = bits(options, LOG_ROWS, v.log_arity)
        parts = proof_bytes(v, options)
        kib = " | ".join(f"{part / 1024:.0f}" for part in (*parts.values(), sum(parts.values())))
        print(f"| {v.name} | {options.queries} | {unique:.1f} / {johnson:.1f} | {kib} |")
    print("\n| part of `std` | KiB |\n|---|---|")
    for name, part in proof_parts(STANDARD, STD).items():
        print(f"| {name} | {part / 1024:.1f} |")


def runs(v: Variant) -> bool:
    """Whether the prover takes the parameters as they are."""
    return v.columns is None and not v.cap and v.log_arity == STD.log_arity


def measure(log_rows: int, repeat: int) -> None:
    """Prints what the variants that run cost, each in a process of its own, the proof verified."""
    print("| variant | queries | prove s | memory MB | KiB |\n|---|---|---|---|---|")
    for v in filter(runs, (STANDARD, *VARIANTS)):
        options = STD if v is STANDARD else fewest_queries(v)
        fields = [str(x) for x in (log_rows, repeat, options.log_blowup, options.queries, options.query_grinding)]
        done = subprocess.run([sys.executable, "-m", "bench.proof_size", "--child", *fields], stdout=subprocess.PIPE, text=True, check=True)
        seconds, memory, size = (float(x) for x in done.stdout.split())
        print(f"| {v.name} | {options.queries} | {seconds:.2f} | {memory:,.0f} | {size / 1024:.0f} |", flush=True)


def child(log_rows: int, repeat: int, log_blowup: int, queries: int, query_grinding: int) -> None:
    """Prints the median of the seconds, the peak memory in MB, and the last proof's bytes."""
    options = replace(STD, log_blowup=log_blowup, queries=queries, query_grinding=query_grinding)
    statement, witness = workload.make_claim(log_rows)
    times, proof = [], b""
    for _ in range(repeat + 1):
        start = time.perf_counter()
        proof = prove_claim(statement, witness, options)
        times.append(time.perf_counter() - start)
    verify_claim_proof(statement, proof, options)
    print(median(times[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, len(proof))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*map(int, sys.argv[2:]))
    elif sys.argv[1:2] == ["--measure"]:
        measure(LOG_ROWS, 3)
    else:
        table()
