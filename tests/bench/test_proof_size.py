"""The byte count of the proof-size study against a real proof."""

from pathlib import Path

import pytest

from bench import proof_size
from zk.options import STD

VECTOR = Path(__file__).parents[1] / "vectors" / "claim_std.proof"


def test_bytes_are_those_of_a_real_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof_size, "LOG_ROWS", 16)
    parts = proof_size.proof_bytes(proof_size.Variant("std"), STD)
    assert sum(parts.values()) == pytest.approx(VECTOR.stat().st_size, rel=0.02)


def test_fewest_queries_meet_the_bars_and_one_less_does_not() -> None:
    options = proof_size.fewest_queries(proof_size.Variant("blow-up 8", log_blowup=3))
    found = [proof_size.bits(options, k, 3) for k in (16, 18, 20)]
    assert all(u >= proof_size.UNIQUE_BAR and j >= proof_size.JOHNSON_BAR for u, j in found)
    assert options.queries == 97


def test_what_is_measured_is_what_the_prover_can_run() -> None:
    names = [v.name for v in (proof_size.STANDARD, *proof_size.VARIANTS) if proof_size.runs(v)]
    assert names == ["`std` as it is", "query grinding 24", "query grinding 28", "blow-up 8", "blow-up 16"]
