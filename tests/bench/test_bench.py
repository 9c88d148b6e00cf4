"""The benchmark itself: its workload is honest and full, its children agree, its files have the keys they promise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench import checks, measure, turns
from bench.__main__ import main
from bench.children import Stopwatch
from bench.machine import ROOT
from bench.profile import Trace
from bench.workload import METERS, make_claim, readings_of
from circuits.errors import CoverageError
from circuits.relation import check_witness
from circuits.statement import IDLE, MERGE, UNATTRIBUTED
from circuits.witness import rows_needed
from zk.kernels import deep, ntt
from zk.prover import PHASES


def test_the_workload_is_honest_and_fills_the_table() -> None:
    statement, witness = make_claim(16)
    check_witness(statement, witness)
    assert rows_needed(witness) == 1 << 16
    assert len(statement.meters) == METERS > 1
    tags = np.concatenate([ledger.tags for ledger in witness.ledgers])
    assert {IDLE, UNATTRIBUTED} < set(tags.tolist())
    kinds = [entry.kind for entry in witness.registry.new_entries]
    assert kinds.count(MERGE) > 1 and len(witness.registry.old_entries) + len(kinds) > 40
    assert readings_of(witness) == len(tags)


def test_the_workload_is_the_same_every_time_and_another_seed_gives_another() -> None:
    statement, _ = make_claim(16)
    assert make_claim(16)[0] == statement
    assert make_claim(16, seed=1)[0].registry.after != statement.registry.after


def test_a_changed_workload_is_refused() -> None:
    statement, witness = make_claim(16)
    witness.ledgers[3].chip_seconds[5] += 1
    with pytest.raises(CoverageError):
        check_witness(statement, witness)


def test_prove_writes_exactly_its_keys(tmp_path: Path) -> None:
    target = tmp_path / "prove.json"
    result = CliRunner().invoke(main, ["prove", "--log-rows", "16", "--repeat", "1", "--json", str(target)])
    assert result.exit_code == 0, result.output
    record = json.loads(target.read_text())
    assert set(record) == {*measure.KEYS, "phases", "machine", "commit"}
    assert record["rows"] == 1 << 16 and 0 < record["readings"] < 1 << 16
    assert list(record["phases"]) == ["witness", *PHASES]
    assert sum(record["phases"].values()) == pytest.approx(record["prove_seconds"], rel=0.05)
    assert record["bits_unique_decoding"] >= 100 and record["bits_johnson"] >= 128
    assert 100_000 < record["proof_bytes"] < 500 * 1024
    assert 100 < record["peak_rss_mb"] < 3000
    plot = tmp_path / "growth"
    shown = CliRunner().invoke(main, ["report", str(target), str(target), "--plot", str(plot)])
    assert shown.exit_code == 0, shown.output
    assert plot.with_suffix(".png").read_bytes()[:4] == b"\x89PNG" and "<svg" in plot.with_suffix(".svg").read_text()


def test_a_report_of_another_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"rows": 1}')
    result = CliRunner().invoke(main, ["report", str(other)])
    assert result.exit_code == 1 and "is missing" in result.output


def test_a_failing_child_is_reported() -> None:
    with pytest.raises(measure.BenchmarkError, match="verify"):
        measure.child("verify", "/nonexistent")


def test_a_wrong_proof_is_not_timed(tmp_path: Path) -> None:
    made = measure.child("prove", "16", "1", str(tmp_path))
    assert made["runs"][0]["proof_bytes"] == (tmp_path / "proof.bin").stat().st_size
    data = bytearray((tmp_path / "proof.bin").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "proof.bin").write_bytes(data)
    with pytest.raises(measure.BenchmarkError):
        measure.child("verify", str(tmp_path))


@pytest.mark.parametrize("module, name, check", [(ntt, "lde", checks.check_lde), (deep, "dot_rows", checks.check_dot)])
def test_a_kernel_that_does_nothing_is_caught(monkeypatch: pytest.MonkeyPatch, module, name, check) -> None:  # type: ignore[no-untyped-def]
    real = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args, **kwargs: np.zeros_like(real(*args, **kwargs)))
    with pytest.raises(checks.WrongKernel):
        check()


def test_kernels_agree_with_their_twins() -> None:
    assert len(checks.check_kernels()) == 5


def test_own_time_leaves_out_what_is_called() -> None:
    import time

    trace = Trace()
    trace.call("outer", lambda: trace.call("inner", lambda: time.sleep(0.05), (), {}), (), {})
    assert trace.lines[("witness", "outer")].seconds < 0.04 < trace.lines[("witness", "inner")].seconds


def test_the_stopwatch_books_each_phase() -> None:
    watch = Stopwatch()
    watch("main trace", 0.0)
    watch("done", 1.0)
    assert list(watch.phases) == ["witness", "main trace"]

def test_checkouts_are_measured_in_turns_and_each_has_its_medians(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def child(*arguments: str, root: Path) -> dict[str, object]:
        order.append(root.name)
        seconds = 1.0 + len(order) if root == ROOT else 9.0
        return {"runs": [{"prove_seconds": seconds, "cpu_seconds": 2 * seconds}] * 3, "rss_mb": {"end": 10.0}}

    monkeypatch.setattr(turns.measure, "child", child)
    monkeypatch.setattr(turns, "_commit", lambda folder: folder.name)
    other, own = turns.run([Path("other"), ROOT], 16, 3, 1, lambda text: None)
    assert order == ["other", ROOT.name, ROOT.name, "other", "other", ROOT.name]
    assert (other["commit"], other["prove_seconds"], other["cpu_seconds"]) == ("other", 9.0, 18.0)
    assert own["prove_seconds"] == 4.0 and [s["prove_seconds"] for s in own["samples"]] == [3.0, 4.0, 7.0]
