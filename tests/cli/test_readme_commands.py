"""Commands that README.md and the pages of docs/ name: those that can run as they stand do, of the others every option exists.

What a page shows as a walk is walked by tests/docs/test_walks.py.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from commands import run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text()


def commands(text: str) -> list[list[str]]:
    """Arguments of each command that stands in a line of its own, or as code in a sentence, without "standstill"."""
    text = text.replace("\\\n", "")
    blocks = "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    lines = re.findall(r"^standstill (.+)$", blocks, re.MULTILINE) + re.findall(r"^    standstill (.+)$", text, re.MULTILINE)
    lines += re.findall(r"`standstill ([^`\n]+)`", text)
    return [shlex.split(line.split(" > ")[0].split(" ||")[0], comments=True) for line in lines]


def test_the_readme_is_short() -> None:
    lines = README.splitlines()
    assert len(lines) < 150 and max(map(len, lines)) <= 100


def test_the_readme_s_example_holds(tmp_path: Path) -> None:
    (command,) = (each for each in commands(README) if each[0] == "status")
    assert command[1] == "docs/example"
    assert "THE STANDSTILL HOLDS" in run(ROOT, *command)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_and_option_is_there(page: Path, tmp_path: Path) -> None:
    for command in commands(page.read_text()):
        words = [word for word in command if re.fullmatch(r"[a-z][a-z-]*", word)]
        text = run(tmp_path, *words[:1], "--help")
        for depth in range(2, len(words) + 1):
            if not re.search(rf"^  {re.escape(words[depth - 1])}(?:  |$)", text, re.MULTILINE):
                break
            text = run(tmp_path, *words[:depth], "--help")
        options = [word.split("=")[0] for word in command if word.startswith("--")]
        assert all(option in text for option in options), command


def test_files_that_pages_link_to_exist() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
