"""Real ledgers: every submitter of MLPerf Training v5.1, and Ai2 with OLMo, as a lab of one agreement; claims made and verified.

The data is `claims/data`, read as the demonstration reads it (`claims/demo/data.py`, which lists what is assumed beyond it): each
published system is a meter, each run a reading, idle time between them filled by the meter. One period of 184 days in
epochs of an hour holds all but a few runs; those are counted as outside.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from bench.fleet import UNKNOWN
from claims.demo import data as demo_data
from claims.demo.data import Window, slug
from claims.demo.labs import DemoLab, agreement_text, enrol, keep_books, settle, sign_by_all
from claims.lab.prove import make_claim
from claims.verify.claim import verify_claim

Record = dict[str, Any]
MORE_CHIPS = {
    "MI350X": "AMD Instinct MI350X",
    "MI300X": "AMD Instinct MI300X",
    "RTX Pro 6000": "NVIDIA B200 SXM 180GB",
}
"""Chips of submitters that the demonstration leaves out. The RTX Pro 6000's peak is not among the data: the B200's, which is higher."""
CAPS = {"total": "1e27 FLOP", "unattributed": "1e26 FLOP", "lineage": "1e27 FLOP", "freeze": "1e27 FLOP"}
START, EPOCH_SECONDS, DAYS = "2025-04-19T00:00:00Z", 3600, 184


def window() -> Window:
    """All submitters of the data, by name."""
    organisations = sorted({row["org"] for row in demo_data._read_csv("mlperf/mlperf_training_v5.1_runs.csv")})
    labs = tuple((slug(org).replace("_", "-"), org) for org in organisations)
    return Window(START, EPOCH_SECONDS, DAYS, 1, labs)


def measure(repeat: int, say: Callable[[str], None], only: int | None = None) -> list[Record]:
    """One record for each lab: meters, runs, rows used, seconds of books, proof and verification, bytes.

    Args:
        repeat: proofs and verifications behind each median.
        say: told of each lab when it is done.
        only: so many labs instead of all.
    """
    from zk.kernels.warmup import warm_up

    warm_up()
    with mock.patch.dict(demo_data._CHIP_OF, MORE_CHIPS):
        plans = demo_data.lab_plans(window())[:only]
    with tempfile.TemporaryDirectory(prefix="standstill-bench-") as name:
        folder = Path(name)
        labs = [enrol(plan, folder / plan.name) for plan in plans]
        try:
            text = agreement_text(labs, "ledgers", CAPS, window())
            agreement, signatures = sign_by_all(labs, text, folder / "agreement.toml")
            records = []
            for lab in labs:
                records.append(_lab(lab, agreement, signatures, repeat))
                say("{lab}: {rows_used:,} of {rows:,} rows, proven in {prove_seconds:.2f} s".format(**records[-1]))
        finally:
            for lab in labs:
                lab.store.close()
    return records


def _lab(lab: DemoLab, agreement: Any, signatures: Any, repeat: int) -> Record:
    from circuits.prove import prove_claim
    from circuits.witness import rows_needed

    begin = time.perf_counter()
    keep_books(lab, agreement)
    settle(lab, agreement, 0)
    books = time.perf_counter() - begin
    begin = time.perf_counter()
    made = make_claim(lab.store, agreement, 0, lab.key)
    whole = time.perf_counter() - begin
    data, (table,) = made.claim.encode(), made.assembly.tables  # these labs have no sites
    proving = [_seconds(lambda: prove_claim(table.statement, table.witness)) for _ in range(repeat)]
    checking = [_seconds(lambda: _verify(data, agreement, signatures)) for _ in range(repeat)]
    return {
        "lab": lab.plan.name, "meters": len(lab.meters), "runs": lab.plan.runs, "outside": lab.plan.outside,
        "readings": sum(len(ledger) for ledger in table.witness.ledgers),
        "rows_used": rows_needed(table.witness), "rows": 1 << table.statement.log_rows,
        "books_seconds": books, "claim_seconds": whole, "prove_seconds": median(proving),
        "verify_seconds": median(checking), "claim_bytes": len(data), "samples": {"prove": proving, "verify": checking},
    }  # fmt: skip


def _verify(data: bytes, agreement: Any, signatures: Any) -> None:
    with mock.patch.dict(os.environ, UNKNOWN):
        verified = verify_claim(data, agreement, signatures=signatures)
    if not verified.proven:
        raise RuntimeError("a claim was accepted without being proven")


def _seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin
