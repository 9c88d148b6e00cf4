"""Dates, receipts and heads that too few cosigned: the browser finds what the program does."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from claims.site.generate import generate
from claims.status.compute import compute
from tests.site.fuzz_logs import RandomLog
from tests.site.page_node import PageNode, needs_node

pytestmark = needs_node
ALL, LATER = slice(None), slice(2, None, 3)


def states_alike(tmp_path: Path, seeds: range, monkeypatch: pytest.MonkeyPatch, moments: slice = ALL) -> set[str]:
    """The states and words that were seen; fails where browser and program differ. Every claim is taken to hold."""
    held = SimpleNamespace(
        missing=(), proof=None, limits=(), overs=(), notes=(), moved=0, transfers=(), over_here=(), power=None,
    )  # fmt: skip
    monkeypatch.setattr("claims.status.rows.check_claim", lambda *_, **__: (held, None))
    seen: set[str] = set()
    page: PageNode | None = None
    for seed in seeds:
        log = RandomLog(tmp_path / f"log-{seed}", seed)
        for now in log.moments[moments]:
            site = tmp_path / f"site-{seed}-{now}"
            generate(log.folder, site, now=now)
            page = page or PageNode(site)
            said: dict[str, Any] = json.loads((site / "site.json").read_text())
            (found,) = page.verdicts([{"site": json.dumps(said), "now": now, "assume": "PROVEN", "place": str(site)}])
            state = compute(log.folder, now=now)
            expected = {f"{row.lab}-{row.period}": row.state for row in state.rows}
            row = next((row for row in state.rows if (row.lab, row.period) == ("alpha", 0)), None)
            where = (seed, now, row and row.reason, row and row.epochs, found["against"], found["open"], found["notes"])
            assert found["own"] == expected, (found["own"], expected, where)
            assert not found["against"] and found["kind"] in ("confirmed", "open"), where
            if row is None:
                continue
            notes = " ".join(found["notes"])
            for line in row.epochs.notes(log.terms.log.operator):  # type: ignore[union-attr]
                assert line.replace("'", "\u2019") in notes, (line, where)
                seen.add(" ".join(word for word in line.split()[3:6]))
            seen.add(row.state if row.state != "pending" else " ".join(row.reason.split()[:2]))
    assert page is not None
    page.close()
    return seen


def test_random_logs_are_judged_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states_alike(tmp_path, range(4), monkeypatch, LATER)


@pytest.mark.slow
def test_many_random_logs_are_judged_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = states_alike(tmp_path, range(100, 130), monkeypatch)
    assert {"proven", "rejected", "late", "delivered: beta"} <= seen, seen
