"""docs/security-ledger.md says what the code computes."""

from __future__ import annotations

import re
from pathlib import Path

from circuits.claim import claim_program
from zk.options import STD
from zk.security import johnson_of_lines, security_report

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security-ledger.md").read_text()


def test_terms_are_those_of_the_code() -> None:
    report = security_report(claim_program(), 16, STD)
    for unique, johnson in zip(report.unique_decoding.terms, report.johnson.terms, strict=True):
        row = re.search(rf"^\| {unique.name} \| \**([\d.]+)\** \| ([\d.]+) \|", TEXT, re.MULTILINE)
        if unique.name in ("fold 1", "fold 2"):
            continue
        assert row and row.groups() == (f"{unique.bits:.1f}", f"{johnson.bits:.1f}"), unique.name


def test_johnson_by_both_radii() -> None:
    for log_rows, ours, lines in re.findall(r"^\| 2\^(\d+) \| ([\d.]+ \(\w+\)) \| ([\d.]+ \(\w+\)) \|", TEXT, re.MULTILINE):
        here = security_report(claim_program(), int(log_rows), STD).johnson.weakest
        there = johnson_of_lines(claim_program(), int(log_rows), STD).weakest
        assert (ours, lines) == (f"{here.bits:.1f} ({here.name})", f"{there.bits:.1f} ({there.name})")
    assert len(re.findall(r"^\| 2\^\d+ \|", TEXT, re.MULTILINE)) == 4


def test_files_that_are_named_exist() -> None:
    for name in re.findall(r"tests/[a-z_/]+(?:\.\w+)?", TEXT):
        assert (ROOT / name).exists(), name


def test_areas_of_the_hash_page_are_their_own_products() -> None:
    page = (ROOT / "docs" / "ledger-hash.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| (?:[^|]*= )?([\d,]+) \| ([\d.]+) \| ([\d.]+) \|", page, re.MULTILINE)
    assert len(rows) == 6
    for columns, blocks, times in rows:
        area = int(columns.replace(",", "")) * float(blocks) / 251
        assert abs(area - float(times)) <= (0.01 if area < 10 else 0.5), columns
