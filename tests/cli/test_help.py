"""What a newcomer sees first: commands by role, completion of a shell, colours where a terminal shows them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from claims.base.text import counted
from claims.cli.group import ROLES
from claims.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
RUN = "from claims.cli.main import main; import sys; sys.argv[0] = 'standstill'; main()"


def test_every_command_has_one_role() -> None:
    named = [name for names in ROLES.values() for name in names]
    assert sorted(named) == sorted(cli.commands)
    said = CliRunner().invoke(cli, ["--help"], prog_name="standstill").output
    assert all(f"\n{role}:\n" in said for role in ROLES) and not said.rstrip().endswith("...")
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize(("words", "place", "found"), [("standstill ver", "1", "verify"), ("standstill log co", "2", "cosign")])
def test_a_shell_completes(words: str, place: str, found: str) -> None:
    environment = os.environ | {"_STANDSTILL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": place}
    done = subprocess.run([sys.executable, "-c", RUN], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=560)
    assert f"plain,{found}" in done.stdout.splitlines(), done.stderr


def on_a_terminal(**more: str) -> str:
    """What a refused command prints on a terminal."""
    mine, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    command = [sys.executable, "-c", RUN, "show", "no-such-file"]
    subprocess.run(command, cwd=ROOT, env=kept | more, stdin=theirs, stdout=theirs, stderr=theirs, timeout=560, check=False)
    os.close(theirs)
    return os.read(mine, 4096).decode()


def test_colours_are_for_terminals_and_can_be_refused() -> None:
    assert "\x1b[31m\x1b[1merror\x1b[0m: " in on_a_terminal(TERM="xterm")
    assert "\x1b" not in on_a_terminal(TERM="xterm", NO_COLOR="1")
    done = subprocess.run([sys.executable, "-c", RUN, "show", "no-such-file"], cwd=ROOT, capture_output=True, text=True, timeout=560)
    assert done.returncode == 2 and done.stderr.startswith("error: ")


def test_one_of_a_kind_is_singular() -> None:
    assert [counted(n, "meter") for n in (0, 1, 2)] == ["0 meters", "1 meter", "2 meters"]
