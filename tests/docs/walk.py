"""A page of docs/ as a script: its `sh` blocks in order, and beside each what the page says that it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "--- end of block"


def blocks(page: str) -> list[tuple[str, list[str]]]:
    """Commands and expected lines of each `sh` block; a `text` block belongs to the `sh` block before it."""
    found: list[tuple[str, list[str]]] = []
    for kind, text in BLOCK.findall((DOCS / page).read_text()):
        if kind == "sh":
            found.append((text, []))
        else:
            found[-1][1].extend(text.splitlines())
    return found


def matches(expected: str, line: str) -> bool:
    """Whether a printed line is the expected one; "..." stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, expected.split("..."))), line) is not None


def walk(page: str, folder: Path) -> None:
    """Runs the page in `folder`, in one shell that stops at the first command that fails.

    Raises:
        AssertionError: a command failed, or a line that the page promises was not printed, in the page's order.
    """
    steps = blocks(page)
    script = "set -euo pipefail\n" + "".join(f"{text}echo '{END}'\n" for text, _ in steps)
    script = script.replace("docs/example", str(DOCS / "example"))
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder), "COLUMNS": "100",
        "STANDSTILL_PASSPHRASE": "a passphrase",
        "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", ""),
    }  # fmt: skip
    ran = subprocess.run(
        ["bash", "-c", script], cwd=folder, env={name: value for name, value in environment.items() if value},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, f"{page}: exit code {ran.returncode} after:\n{ran.stdout[-3000:]}"
    for (text, expected), printed in zip(steps, ran.stdout.split(END + "\n"), strict=False):
        lines = iter(printed.splitlines())
        for wanted in expected:
            assert any(matches(wanted, line) for line in lines), f"{page}: {wanted!r} is not printed by\n{text}\nbut\n{printed}"
