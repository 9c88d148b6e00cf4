"""One rule for the exit codes of all commands (FORMATS.md section 10): 1 is an answer, 2 is that nothing was done."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from desk import DAY, HOUR, START, Desk

import claims
from claims.base.errors import ClaimRejected, ClaimsError
from claims.cli.main import cli

PERIOD = 5 * DAY


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


def errors(kind: type[ClaimsError] = ClaimsError) -> Iterator[type[ClaimsError]]:
    for item in kind.__subclasses__():
        yield item
        yield from errors(item)


def test_which_errors_are_an_answer() -> None:
    for item in pkgutil.walk_packages(claims.__path__, "claims."):
        if not item.name.endswith("__main__"):
            importlib.import_module(item.name)
    answers = {item.__name__ for item in errors() if item.exit_code == 1 and not issubclass(item, ClaimRejected)}
    assert answers == {"WitnessRefused", "TableTooSmall", "OverCaps"}
    assert {item.exit_code for item in errors()} == {1, 2} and ClaimRejected.exit_code == 1


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, item in command.commands.items():
            yield from leaves(item, (*path, name))
    else:
        yield path, command


LEAVES = dict(leaves(cli))


def value(parameter: click.Parameter) -> str:
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return str(kind.choices[0])
    return "0" if isinstance(kind, click.IntRange) or kind.name in ("integer", "float") else "nix"


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_what_no_command_can_use(desk: Desk, path: tuple[str, ...]) -> None:
    """Help is no error; an unknown option, no arguments, and files that are not there do nothing, and end with 2."""
    command = LEAVES[path]
    assert "Usage:" in desk.run(*path, "--help")
    desk.run(*path, "--nix", code=2)
    required = [parameter for parameter in command.params if parameter.required]
    if not required:
        return
    desk.run(*path, code=2)
    given: list[str] = []
    for parameter in required:
        option = [] if isinstance(parameter, click.Argument) else [parameter.opts[0]]
        given += [*option, *[value(parameter)] * max(parameter.nargs, 1)]
    before = sorted(Path().rglob("*"))
    if path not in MAKES:
        desk.run(*path, *given, code=2)
        assert sorted(Path().rglob("*")) == before


MAKES = {("agreement", "init"), ("building", "init"), ("building", "key"), ("cluster", "init"), ("lab", "init")}
"""A new file may have any name."""


def test_what_is_not_its_time_or_turn(desk: Desk) -> None:
    publish = ("epoch", "publish", *desk.books, "-k", "lab.key", "-o", "entries")
    seal = ("epoch", "seal", "hall-1", *desk.books, "-k", "keys/hall-1.key", "--unsigned")
    assert "is not over" in desk.close(0, "--yes", code=2)
    assert "is not over" in desk.run(*seal, "--through", 5, code=2)
    desk.at(START + 2 * HOUR)
    desk.usage("hall-1,0,run,100")
    desk.run(*seal)
    assert "hall-2 has not sealed epoch 0" in desk.run(*publish, "--through", 0, code=2)
    desk.at(START + PERIOD)
    assert "mend it, or say --clock-is-right" in desk.run(*seal, code=2)
    assert "period 0 is not closed" in desk.run("lab", "close", *desk.books, "-n", 1, code=2) or "not over"
    assert "aborted" in _no(desk)


def _no(desk: Desk) -> str:
    desk.answers("n\n")
    desk.usage("hall-2,0,,100", "hall-1,100,,100")
    return desk.close(0, "--clock-is-right", code=2)


def test_what_exceeds_a_cap(desk: Desk) -> None:
    for cap in ("total", "unattributed"):
        text = Path("agreement.toml").read_text()
        Path("agreement.toml").write_text(text.replace(f'{cap} = "1e26 FLOP"', f'{cap} = "1e18 FLOP"'))
    desk.at(START + PERIOD)
    desk.work(0)
    desk.run("lab", "status", *desk.books, code=1)
    desk.close(0, "--yes", code=1)
    desk.close(0, "--yes", "--over-caps")
    desk.run("lab", "close", *desk.books, "-n", 0)
    desk.run("lab", "status", *desk.books, "-n", 0, code=1)
    desk.run("prove", *desk.books, "-n", 0, "-k", "lab.key", code=1)
