"""Help without arguments, and --json: one value on standard output, errors too, with the same exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import world

from claims.cli.main import cli, main
from tests.tlog import logs

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        said = capsys.readouterr()
        return int(caught.value.code or 0), said.out, said.err

    return call


def groups(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return []
    return [path, *(found for name, item in command.commands.items() for found in groups(item, (*path, name)))]


def test_without_arguments_every_group_prints_its_help_once(run: Run) -> None:
    run("--version")  # registers all commands
    assert len(groups(cli)) > 8
    for path in groups(cli):
        code, said, err = run(*path)
        assert (code, err) == (0, "") and said.count("Usage:") == 1 and ("Commands:" in said or not path), path
        assert run(*path, "--help") == (0, said, "")


def value(answer: tuple[int, str, str], code: int = 0) -> dict[str, object]:
    assert answer[0] == code and answer[2] in ("", "aborted\n") or "Usage" in answer[2], answer
    found = json.loads(answer[1])
    assert isinstance(found, dict)
    return found


def test_agreements(run: Run, tmp_path: Path) -> None:
    path, terms = tmp_path / "agreement.toml", world.agreement()
    path.write_text(world.TEXT)
    digest = terms.digest.hex()
    assert value(run("agreement", "digest", str(path), "--json")) == {"digest": digest}
    checked = value(run("agreement", "check", "--json", str(path)))
    assert checked["digest"] == digest and checked["labs"] == {"alpha": ["hall-1", "hall-2"], "beta": ["hall-1"]}
    assert value(run("show", str(path), "--json"))["kind"] == "an agreement"
    assert value(run("agreement", "verify", str(path), "--json"), 3) == {"digest": digest, "missing": ["alpha", "beta"], "signed_by": []}
    path.with_suffix(".sigs").write_bytes(world.signed(terms).encode())
    assert value(run("agreement", "verify", str(path), "--json")) == {"digest": digest, "missing": [], "signed_by": ["alpha", "beta"]}


def test_errors(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "agreement.toml"
    path.write_text(world.TEXT.replace("periods = 12", "periods = 0"))
    line = world.TEXT.splitlines().index("periods = 12") + 1
    error = value(run("agreement", "check", str(path), "--json"), 2)
    assert (error["file"], error["field"], error["line"]) == (str(path), "periods", line) and error["hint"]
    assert value(run("agreement", "check", str(tmp_path / "none"), "--json"), 2)["exit"] == 2
    assert "No such option" in str(value(run("agreement", "check", "--json", "--nonsense"), 2)["what"])
    code, said, err = run("agreement", "check", str(path))
    assert (code, said) == (2, "") and err.startswith(f"error: {path}:{line}: periods")


def test_logs(run: Run, tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 3)
    logs.cosigned(folder, "alpha", 1000)
    from claims.tlog.note import COSIGNATURE, ED25519, VerifierKey

    trust = ("--log-key", VerifierKey(logs.ORIGIN, ED25519, logs.public(100)).encode(),
             "--cosigner", VerifierKey("alpha", COSIGNATURE, logs.public(101)).encode(), "--json")  # fmt: skip
    seen = value(run("log", "verify", str(folder), *trust))
    assert (seen["size"], seen["origin"], seen["cosigners"], seen["extends_memory"]) == (3, logs.ORIGIN, {"alpha": 1000}, None)
    assert (seen["date"], seen["not_cosigned"]) == ("1970-01-01T00:16:40Z", [])
    listed = value(run("log", "show", str(folder), *trust))["entries"]
    assert isinstance(listed, list) and [row["index"] for row in listed] == [0, 1, 2] and listed[0]["time"] == "1970-01-01T00:16:40Z"
    assert listed[0]["kind"] is None
    (folder / "tile/0/000.p/3").write_bytes(bytes(96))
    assert value(run("log", "verify", str(folder), *trust), 1)["check"] == "log"
    weak = VerifierKey("alpha", COSIGNATURE, (1).to_bytes(32, "little")).encode()
    assert "usable" in str(value(run("log", "verify", str(folder), *trust, "--cosigner", weak), 2)["what"])


@pytest.mark.parametrize("words", [("status", "none"), ("verify", "none", "--folder", "none"), ("verify", "none")])
def test_what_readers_run_says_errors_in_json_too(run: Run, words: tuple[str, ...]) -> None:
    error = value(run(*words, "--json"), 2)
    assert error["format"] == "standstill-error/1" and error["exit"] == 2 and error["what"]
