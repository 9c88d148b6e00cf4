"""tests/README.md names every folder of tests, and nothing that is not there; CHANGELOG.md begins with the version."""

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
