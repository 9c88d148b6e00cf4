"""The figures of README and bench/README are those of the JSON files beside them, and of the circuit that is published."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"


def table(page: str, heading: str) -> list[list[str]]:
    """Rows below the heading of one table of a page."""
    lines = (ROOT / page).read_text().splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.startswith(heading)]
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    assert rows, heading
    return rows


def records(name: str, key: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text())[key]


def power(rows: int) -> str:
    return f"2^{rows.bit_length() - 1}"


def seconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def size(megabytes: float) -> str:
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def test_whole_proofs_in_the_readme() -> None:
    by_rows = {power(record["rows"]): record for record in records("scaling", "results")}
    shown = table("README.md", "| rows | readings |")
    assert [row[0] for row in shown] == ["2^16", "2^18", "2^20", "2^22"]
    for rows, *cells in shown:
        record = by_rows[rows]
        assert cells == [
            f"{record['readings']:,}", f"{seconds(record['prove_seconds'])} s", f"{1000 * record['verify_seconds']:.0f} ms",
            f"{record['proof_bytes'] / 1024:.0f} KiB", size(record["peak_rss_mb"]),
        ]  # fmt: skip


def test_scaling() -> None:
    shown = table("bench/README.md", "| rows | prove s |")
    assert len(shown) == len(records("scaling", "results"))
    for row, record in zip(shown, records("scaling", "results"), strict=True):
        cpu = sorted(sample["cpu_seconds"] for sample in record["samples"]["prove"])
        assert row == [
            power(record["rows"]), f"{record['prove_seconds']:.2f}", f"{cpu[len(cpu) // 2]:.2f}",
            f"{1000 * record['verify_seconds']:.0f}", f"{record['peak_rss_mb']:,.0f}", f"{record['proof_bytes'] / 1024:.0f}",
        ]  # fmt: skip


def test_what_bounds_each_phase() -> None:
    shown = {row[0]: row[1:] for row in table("bench/README.md", "| phase | MB |")}
    for phase in records("roofline", "phases"):
        row = shown[phase["phase"]]
        assert row[0] == f"{phase['bytes'] / 1e6:,.0f}" and row[5] == f"{1000 * phase['seconds']:.0f}", phase


def test_real_ledgers() -> None:
    shown = table("bench/README.md", "| lab | meters |")
    labs = records("ledgers", "labs")
    for row, lab in zip(shown, labs, strict=True):
        assert row[:2] == [lab["lab"], str(lab["meters"])] and row[4] == f"{lab['readings']:,}"
        assert row[7] == f"{lab['prove_seconds']:.2f}"


@pytest.mark.parametrize(("page", "name"), [("README.md", "scaling"), ("bench/README.md", "scaling"), ("bench/README.md", "roofline")])
def test_the_commit_and_the_processor_are_named(page: str, name: str) -> None:
    data, text = json.loads((RESULTS / f"{name}.json").read_text()), (ROOT / page).read_text()
    family = re.search(r"family \d+", data["machine"]["cpu"])
    assert family and family[0] in text
    assert page == "README.md" or data["commit"][:12] in text
