"""The figures of the pages are those of the JSON files beside them, and of the processor and circuit that are published."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench import figures

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"
PROSE = {"signatures"}
"""Files of results that no page takes figures from."""


@pytest.mark.parametrize("page", figures.PAGES)
def test_what_a_page_says_is_what_the_files_have(page: str) -> None:
    """Else: python -m bench figures."""
    assert figures.rewritten(page) == (ROOT / page).read_text()


def test_every_writer_has_a_place_and_every_file_a_writer() -> None:
    used = re.findall(r"<!-- figures ([\w-]+) -->", "".join((ROOT / page).read_text() for page in figures.PAGES))
    assert sorted(used) == sorted(figures.BLOCKS)
    figures._file.cache_clear()
    for page in figures.PAGES:
        figures.rewritten(page)
    assert figures._file.cache_info().currsize == len({path.stem for path in RESULTS.glob("*.json")} - PROSE)


def test_a_figure_that_was_typed_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "README.md"
    text = (ROOT / "README.md").read_text()
    page.write_text(re.sub(r"(\| 2\^18 \| [\d,]+ \| )[\d.]+", r"\g<1>0.01", text))
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    assert page.read_text() != text and figures.rewritten("README.md") == text


@pytest.mark.parametrize("name", ["scaling", "roofline", "turns", "peers"])
def test_the_front_page_names_the_processor_of_the_prover(name: str) -> None:
    family = re.search(r"family \d+", json.loads((RESULTS / f"{name}.json").read_text())["machine"]["cpu"])
    assert family and family[0] in (ROOT / "README.md").read_text()
