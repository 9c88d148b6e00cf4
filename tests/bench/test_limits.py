"""Rates, roofline, scaling and real ledgers: formulas against shapes counted by hand, skipping, and files that they write."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import ledgers, measure, plots, rates, roofline, scaling
from bench.__main__ import main
from circuits.claim import claim_program
from zk.commitment import alloc_trace
from zk.options import STD
from zk.proof import proof_shape
from zk.prover import PHASES

SHAPES = roofline.Shapes(claim_program(), 18)
RATES = {"bandwidth": 1e10, "products": 1e10, "sha": 5e7}


def test_the_kernel_of_products_is_right_and_rates_are_plausible() -> None:
    assert rates.check()
    measured = rates.measure()
    assert 1e8 < measured.bandwidth < 1e13 and 1e7 < measured.products < 1e13
    assert measured.sha == max(measured.vector_sha, measured.library_sha) > 1e5


def test_a_wrong_kernel_of_products_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_products", lambda data, rounds: None)
    assert not rates.check()


def test_shapes_are_those_of_the_prover() -> None:
    """Columns, opened values and folds as `zk/proof.py` has them; the trace as `zk/prover.py` allocates it."""
    shape = proof_shape(claim_program(), STD, 18)
    assert len(alloc_trace(SHAPES.main, 16)) == claim_program().n_columns == SHAPES.main
    assert SHAPES.opened == shape.values
    assert STD.folds(18) == shape.folds
    assert set(roofline.phases(SHAPES)) == {"witness", *PHASES} - {"openings"}


def test_work_of_a_commitment_counted_by_hand() -> None:
    """Two columns, 2^16 rows, four cosets: 28 bytes and 9 of padding are a block; 2^18 - 1 nodes of two blocks."""
    shapes = dataclasses.replace(SHAPES, log_rows=16)
    work = shapes.commitment(2)
    assert work.compressions == 2**18 + 2 * (2**18 - 1)
    assert work.bytes == 2**18 * (8 + 16) + 2 * 64 * 2**18
    assert shapes.transforms(1).multiplications == 3 * 16 * 2**15
    assert roofline._blocks(55) == 1 and roofline._blocks(56) == 2


def test_work_grows_with_the_rows_and_grinding_does_not() -> None:
    small, large = (roofline.phases(dataclasses.replace(SHAPES, log_rows=k)) for k in (17, 20))
    for name in small:
        assert 7.5 < large[name].bytes / small[name].bytes < 8.5
    ground = SHAPES.grinding().compressions
    assert large["out of domain"].compressions == small["out of domain"].compressions == ground == 2**18


def test_shares_are_limits_over_measured() -> None:
    measured = dict.fromkeys(("witness", *PHASES), 1.0)
    lines = {line["phase"]: line for line in roofline.table(SHAPES, measured, RATES)}
    for line in lines.values():
        assert 0 <= line["share"] < 1
    main_trace = lines["main trace"]
    assert main_trace["limit_seconds"] == max(
        main_trace["memory_seconds"], main_trace["product_seconds"] + main_trace["hash_seconds"]
    )
    assert lines["whole"]["limit_seconds"] == pytest.approx(sum(x["limit_seconds"] for n, x in lines.items() if n != "whole"))
    slow_memory = roofline.table(SHAPES, measured, {**RATES, "bandwidth": 1e8})
    assert {line["bound"] for line in slow_memory if line["bytes"]} == {"memory"}


def test_what_does_not_fit_is_not_tried() -> None:
    before = {"peak_rss_mb": 10_000}
    assert scaling.fits(None, 0, 10, 1) == ""
    assert "MB" in scaling.fits(before, 1, 1000, 20_000)
    assert scaling.fits(before, 1, 1000, 40_000) == scaling.fits(before, 1, 1000, None) == ""
    assert "s of the time" in scaling.fits(before, 10, 15, 40_000)
    assert "over" in scaling.fits(None, 0, 0, None)


def test_skipped_heights_are_listed_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def proof(log_rows: int, repeat: int) -> tuple[dict[str, float], dict[str, float]]:
        if log_rows == 18:
            raise measure.BenchmarkError("prove 18: exit code -9")
        return {"rows": 1 << log_rows, "prove_seconds": 1.0, "peak_rss_mb": 1.0}, {}

    monkeypatch.setattr(measure, "proof", proof)
    records, skipped = scaling.heights(16, 20, 1, 1000.0, lambda text: None)
    assert [r["rows"] for r in records] == [1 << 16, 1 << 17]
    assert [(s["log_rows"], s["reason"]) for s in skipped] == [(k, "prove 18: exit code -9") for k in (18, 19, 20)]


def test_every_submitter_is_a_lab() -> None:
    labs = ledgers.window().submitters
    assert len(labs) == 12 and len({name for name, _ in labs}) == 12
    assert ("university-of-florida", "University-of-Florida") in labs


@pytest.mark.slow
def test_a_real_ledger_is_proven_and_verified(tmp_path: Path) -> None:
    target = tmp_path / "ledgers.json"
    arguments = ["ledgers", "--only", "1", "--repeat", "1", "--json", str(target), "--plot", str(tmp_path / "plot")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    (lab,) = json.loads(target.read_text())["labs"]
    assert lab["lab"] == "amd" and lab["runs"] + lab["outside"] == 60
    assert lab["readings"] < lab["rows_used"] <= lab["rows"] == 1 << 16
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_plots_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    head = {"machine": {"cpu": "a processor", "cores": 2}, "commit": "0" * 40}
    phases = {name: float(1 + k) for k, name in enumerate(("witness", *PHASES))}
    lines = roofline.table(SHAPES, phases, RATES)
    records = [
        {
            "rows": 1 << k, "prove_seconds": 2.0**k, "verify_seconds": 0.1, "peak_rss_mb": 2.0**k, "threads": k - 15, "phases": phases,
            "samples": {"prove": [{"cpu_seconds": 2.0**k}]},
        }
        for k in (16, 17)
    ]  # fmt: skip
    lab = {"lab": "a", "rows": 9, "rows_used": 5, "prove_seconds": 1.0, "verify_seconds": 0.1, "claim_bytes": 9}
    for draw, record in (
        (plots.roofline, {"log_rows": 18, "phases": lines}),
        (plots.scaling, {"results": records, "threads": records, "thread_log_rows": 18}),
        (plots.scaling, {"results": records, "threads": [], "thread_log_rows": 18}),
        (plots.ledgers, {"labs": [lab]}),
    ):
        png, svg = draw({**head, **record}, tmp_path / "plot")
        assert png.read_bytes().startswith(b"\x89PNG") and b"<svg" in svg.read_bytes()


def test_threads_are_numbers(tmp_path: Path) -> None:
    for wrong in ("two", "0", "-1"):
        result = CliRunner().invoke(main, ["scaling", "--threads", wrong])
        assert result.exit_code == 2, result.output

