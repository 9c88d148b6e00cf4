"""The made-up fleet: the same each time, within its racks, and taken by every stage, in one process or by commands."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from bench import measure, pipeline
from bench.fleet import STAGES, exponent, run
from bench.fleets import CHIPS, write_fleet


def test_a_fleet_is_the_same_each_time_and_its_jobs_fit_their_racks(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fleet = write_fleet(tmp_path / name, 4, 48, tuple(range(8)))
    one, two = (tmp_path / name / "usage.csv" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    with open(one, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == fleet.rows > 4 * 40
    held: Counter[tuple[str, int]] = Counter()
    for row in rows:
        start, stop = int(row["start"]), int(row["stop"])
        assert start < stop and start // 3_600_000 == (stop - 1) // 3_600_000
        held[row["meter"], start // 3_600_000] += int(row["chips"]) * (stop - start)
    assert max(held.values()) <= CHIPS * 3_600_000
    assert {row["checkpoint"].partition("/")[0] for row in rows} >= {"large", "project-01"}


def test_every_stage_of_a_small_fleet_is_timed() -> None:
    record = run(3, 6, proofs=False)
    assert set(record["stages"]) == set(STAGES) - {"prove", "verify"}
    assert record["readings"] >= 3 * 6 and record["store_bytes"] > 0


@pytest.mark.parametrize("large, expected", [(4.0, 2.0), (1.0, 0.0)])
def test_an_exponent_is_between_the_smallest_and_the_largest_fleet(large: float, expected: float) -> None:
    records = [{"readings": n, "stages": {"seal": {"cpu": cpu}}} for n, cpu in ((10, 1.0), (20, large))]
    assert exponent(records, "seal", "cpu") == pytest.approx(expected)
    assert exponent(records, "prove", "cpu") is None


@pytest.mark.slow
def test_commands_of_a_small_fleet_are_timed_from_outside_beside_the_prover() -> None:
    record = pipeline.run(3, 6, 1)
    assert set(record["stages"]) == set(STAGES) - {"agreement"}
    assert all(stage["cpu"] > 0 and stage["peak_mb"] > 10 for stage in (*record["stages"].values(), record["prover"]))
    assert record["prover"]["log_rows"] == 16


def test_a_command_that_fails_ends_the_measurement_with_its_words(tmp_path: Path) -> None:
    job = pipeline._Commands(tmp_path, 1, 2)
    with pytest.raises(measure.BenchmarkError, match="verify: exit code 2: .*no.claim"):
        job._stage("verify", lambda: job._verify(tmp_path / "no.claim"))
