"""Pages of honest publishers: what the program computes of a folder, the browser finds too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import world

import tests.status.test_status as status
from claims.site.generate import generate
from tests.site.page_node import PageNode, needs_node

pytestmark = needs_node
START, DAY = status.TERMS.start, 86400


def nothing(folder: Path) -> None:
    """No claim is there."""


def lifted(folder: Path) -> None:
    status.decide(folder, "lift", "lift", START + DAY, 1, 2)
    status.decide(folder, "trigger", "trigger", START + DAY + 60, 1, 2)


def false_claims(folder: Path) -> None:
    """Signed, with a proof of nothing; the second waits for none."""
    status.claim(folder, 0)
    status.claim(folder, 1, before=world.head(100))


@pytest.mark.parametrize("make", [nothing, lifted, false_claims])
def test_no_honest_page_is_contradicted(tmp_path: Path, make: Callable[[Path], None]) -> None:
    folder = status.publish(tmp_path / "folder")
    make(folder)
    page = None
    for number, hours in enumerate((-1, 1, 25, 31, 37, 60, 200)):
        now = START + hours * 3600
        site = tmp_path / f"site-{number}"
        generate(folder, site, now=now)
        page = page or PageNode(site)
        (found,) = page.verdicts([{"site": (site / "site.json").read_text(), "now": now + 1, "place": str(site)}])
        said = {f"{row['lab']}-{row['period']}": row["state"] for row in json.loads((site / "site.json").read_text())["claims"]}
        assert found["kind"] == "confirmed", (hours, found["against"], found["open"], found["stale"], said)
    page.close()
