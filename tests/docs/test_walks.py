"""Every page of docs/ that walks from nothing is walked, as it stands there."""

from __future__ import annotations

from pathlib import Path

import pytest
from softhsm import needs_softhsm

from tests.docs.walk import DOCS, blocks, matches, walk

PAGES = sorted(path.name for path in DOCS.glob("*.md") if blocks(path.name))
FAST = ("verify.md",)
NEEDS = {"operations.md": needs_softhsm}


def _marks(page: str) -> list[pytest.MarkDecorator]:
    return [*([] if page in FAST else [pytest.mark.slow]), *([NEEDS[page]] if page in NEEDS else [])]


@pytest.mark.parametrize("page", [pytest.param(page, marks=_marks(page)) for page in PAGES])
def test_a_page_is_walked(page: str, tmp_path: Path) -> None:
    walk(page, tmp_path)


def test_what_a_walk_would_not_find_is_found() -> None:
    assert matches("PROVEN", "PROVEN") and matches("lab ... of 3", "lab a, 2 of 3")
    assert not matches("PROVEN", "PROVEN, but") and not matches("a.b", "axb")
    assert len(PAGES) >= 1
