"""`standstill log`: one log by command from its first entry to a proof and to evidence; exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import claims.cli.log  # noqa: F401  (registers the group)
from claims.base.keys import generate_key_file
from claims.cli.main import main
from claims.tlog.cosign import cosign
from claims.tlog.note import COSIGNATURE, VerifierKey
from tests.tlog import logs


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        (tmp_path / f"{number}.entry").write_bytes(logs.entry(number))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["log", *arguments])
    text = capsys.readouterr()
    return stopped.value.code, text.out + text.err


def test_from_the_first_entry_to_evidence(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate_key_file("log.key", None)
    cosign_key = VerifierKey("alpha", COSIGNATURE, generate_key_file("alpha.key", None)).encode()
    code, text = run(capsys, "init", "log", "--origin", logs.ORIGIN, "--key", "log.key")
    assert code == 0
    trust = ("--log-key", text.strip(), "--cosigner", cosign_key)
    code, text = run(capsys, "append", "log", "0.entry", "1.entry", "0.entry", "--key", "log.key")
    assert (code, text) == (0, "entries 0 to 1: 2 published\n")
    code, text = run(capsys, "verify", "log", *trust)
    assert code == 1 and "REJECTED: log" in text and "lacks its 1" in text
    alpha = ("cosign", "log", *trust, "--key", "alpha.key", "--name", "alpha", "--memory", "alpha.memory")
    assert run(capsys, *alpha, "--out", "head")[1].startswith("cosigned size 2; ")
    assert run(capsys, "add-cosignatures", "log", "head", *trust) == (0, "head: alpha\n")
    code, text = run(capsys, "verify", "log", *trust, "--memory", "reader.memory")
    assert code == 0 and "2 entries" in text and "cosigned by alpha" in text and "NOT CHECKED" not in text
    assert "NOT CHECKED" in run(capsys, "verify", "log", *trust)[1]
    assert run(capsys, "verify", "log", *trust, "--exclude", "alpha")[0] == 1

    assert run(capsys, "prove", "log", "1", "--out", "p.tlog-proof", *trust)[0] == 0
    assert run(capsys, "check-proof", "p.tlog-proof", "1.entry", *trust)[0] == 0
    assert run(capsys, "check-proof", "p.tlog-proof", "0.entry", *trust)[0] == 1
    assert run(capsys, "check-proof", "0.entry", "0.entry", *trust)[0] == 2
    assert run(capsys, "prove", "log", "2", "--out", "q.tlog-proof", *trust)[0] == 2

    logs.copy(place / "log", place / "fork")
    text = run(capsys, "append", "log", "1.entry", "2.entry", "--key", "log.key")[1]
    assert text == "entries 2 to 2: 1 published, 1 were there already\n"
    assert run(capsys, "append", "log", "2.entry", "--key", "log.key")[1] == "nothing new\n"
    told = json.loads(run(capsys, "append", "log", "2.entry", "--key", "log.key", "--json")[1])
    assert (told["published"], told["there_already"]) == (0, 1)
    assert run(capsys, *alpha)[0] == 0
    code, text = run(capsys, "show", "log", *trust, "--limit", "2")
    assert code == 0 and [line.split()[0] for line in text.splitlines()] == ["1", "2"] and "not dated" not in text
    assert len({re.search(r" UTC +", line).end() for line in text.splitlines()}) == 1  # type: ignore[union-attr]
    code, text = run(capsys, "append", "fork", "3.entry", "--key", "log.key")
    assert code == 1 and "has signed a head of 3" in text and "an older copy" in text
    assert run(capsys, "append", "fork", "3.entry", "--key", "log.key", "--state", "another machine")[0] == 0
    wrong = ("cosign", "fork", *alpha[2:], "--save-evidence", "e.evidence")
    code, text = run(capsys, *wrong)
    assert code == 1 and "fork" in text and (place / "e.evidence").exists()
    assert run(capsys, *wrong[:-2])[0] == run(capsys, *wrong[:-2])[0] == 1
    (kept,) = place.glob("alpha.memory-fork-*.evidence")
    assert kept.read_bytes() == (place / "e.evidence").read_bytes()
    code, text = run(capsys, "check-evidence", "e.evidence", *trust[:2])
    assert code == 0 and "sizes 3 and 3" in text
    other = VerifierKey(logs.ORIGIN, 1, logs.public(5)).encode()
    assert run(capsys, "check-evidence", "e.evidence", "--log-key", other)[0] == 1
    assert run(capsys, "check-evidence", "0.entry", *trust[:2])[0] == 2


def test_one_memory_serves_with_and_without_a_cosigner(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Alpha has cosigned one head more than beta: that is no rewind for who leaves alpha out; a log that goes back is one."""
    logs.make(place / "log", 2)
    cosign("log", logs.key(102), "beta", logs.memory(place / "log", "beta"), 10)
    logs.copy(place / "log", place / "old")
    logs.extend(place / "log", logs.entry(2))
    cosign("log", logs.key(101), "alpha", logs.memory(place / "log", "alpha"), 20)
    trust = ["--log-key", VerifierKey(logs.ORIGIN, 1, logs.public(100)).encode(), "--quorum", "1", "--memory", "seen"]
    for name in ("alpha", "beta"):
        trust += ["--cosigner", VerifierKey(name, COSIGNATURE, logs.public(logs.COSIGNERS[name])).encode()]
    assert "3 entries" in run(capsys, "verify", "log", *trust)[1]
    code, text = run(capsys, "verify", "log", *trust, "--exclude", "alpha")
    assert code == 0 and "2 entries" in text
    Path("seen").unlink()
    assert run(capsys, "verify", "log", *trust, "--exclude", "alpha")[0] == 0, "what is remembered is the whole log"
    code, text = run(capsys, "verify", "old", *trust, "--exclude", "alpha")
    assert code == 1 and "it showed 3 before" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "log"), ("verify", "log", "--log-key", "x"), ("verify", "missing", "--log-key", "{key}"),
        ("append", "missing", "0.entry", "--key", "k"),
        ("verify", "log", "--log-key", "{key}", "--cosigner", "{key}"), ("verify", "ftp://x/", "--log-key", "{key}"),
        ("verify", "log", "--log-key", "{key}", "--quorum", "1"), ("append", "log"), ("init", "log", "--origin", "a b", "--key", "k"),
    ],
)
def test_bad_usage_is_exit_2(place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    generate_key_file("k", None)
    key = VerifierKey(logs.ORIGIN, 1, logs.public(100)).encode()
    assert run(capsys, *(argument.format(key=key) for argument in arguments))[0] == 2
