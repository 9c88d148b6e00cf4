"""tests/README.md names every folder of tests; CHANGELOG.md begins with the version; pages fit a screen, and number their sections."""

from __future__ import annotations

import re
from pathlib import Path

from claims import __version__

TESTS = Path(__file__).parent


def test_every_folder_is_named() -> None:
    text = (TESTS / "README.md").read_text()
    table = text[text.index("| folder |") :].split("\n\n")[0]
    named = {name.rstrip("/") for row in table.splitlines() for name in re.findall(r"`([a-z_/]+/)`", row.split("|")[1])}
    there = {path.name for path in TESTS.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert {name.split("/")[0] for name in named} == there
    assert all((TESTS / name).is_dir() for name in named)


def test_files_that_are_named_exist() -> None:
    text = (TESTS / "README.md").read_text()
    files = set(re.findall(r"`([a-z_]+/[a-z_]+\.py)`", text))
    gone = [name for name in files if not (TESTS / name).is_file() and not (TESTS.parent / name).is_file()]
    assert len(files) > 8 and not gone, gone


def test_the_newest_heading_of_the_changelog_is_the_version_or_what_comes_after() -> None:
    headings = re.findall(r"^## (.*)$", (TESTS.parent / "CHANGELOG.md").read_text(), re.M)
    released = headings[1:] if headings[0] == "Unreleased" else headings
    assert re.fullmatch(re.escape(__version__) + r" \([0-9]{1,2} [A-Z][a-z]+ 20[0-9]{2}\)", released[0])


def test_lines_of_pages_fit() -> None:
    """Pages for readers have lines of at most 100 columns; rows of tables, which cannot be broken, are let be."""
    root = TESTS.parent
    pages = [*root.glob("*.md"), *sorted((root / "docs").glob("*.md"))]
    lines = [(page, number, line) for page in pages for number, line in enumerate(page.read_text().splitlines(), 1)]
    wide = [f"{page.name}:{number}" for page, number, line in lines if len(line) > 100 and line[0] != "|"]
    assert len(pages) > 10 and not wide, wide


def _anchors(text: str) -> set[str]:
    """The anchors that a forge and Sphinx give a page's headings."""
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def test_links_into_pages_meet_a_heading() -> None:
    root = TESTS.parent
    links = [
        (page, target, anchor) for page in [root / "README.md", *sorted((root / "docs").glob("*.md"))]
        for target, anchor in re.findall(r"\]\(([^):]*)#([^)]+)\)", page.read_text())
    ]  # fmt: skip
    lost = [f"{page.name}: {target}#{anchor}" for page, target, anchor in links
            if anchor not in _anchors((page.parent / target if target else page).read_text())]  # fmt: skip
    assert len(links) > 10 and not lost, lost


def test_sections_of_formats_are_numbered_in_order() -> None:
    for page in sorted((TESTS.parent / "claims").glob("FORMATS*.md")):
        numbers = re.findall(r"^## [A-Z]?([0-9]+)\. ", page.read_text(), re.M)
        assert numbers == [str(at) for at in range(1, len(numbers) + 1)], page.name
