"""`standstill log append --agreement`: only entries that the agreement's parties may publish, once each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import world
from cryptography.hazmat.primitives import serialization

import claims.cli.log  # noqa: F401  (registers the group)
from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import AssentEntry, EpochEntry
from claims.cli.main import main
from claims.tlog.checkpoint import LogTrust
from claims.tlog.reader import open_log
from tests.tlog import logs

TEXT = (
    world.TEXT.replace(f'key = "{world.public(2)}"', f'key = "{world.public(2)}"\ncosign_key = "{world.public(102)}"')
    + f"""
[[party]]
name = "gamma"
key = "{world.public(3)}"
cosign_key = "{world.public(103)}"

[[party]]
name = "operator"
key = "{world.public(4)}"

[log]
origin = "{logs.ORIGIN}"
operator = "operator"
key = "{world.public(100)}"
cosignatures = 1
"""
)


def save_key(path: Path, seed: int) -> None:
    pem = world.key(seed).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pem)
    path.chmod(0o600)


@pytest.fixture
def terms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agreement:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STANDSTILL_STATE", str(tmp_path / "state"))
    (tmp_path / "a.toml").write_text(TEXT)
    for name, seed in (("log.key", 100), ("beta.key", 102), ("gamma.key", 103)):
        save_key(tmp_path / name, seed)
    logs.make(tmp_path / "log")
    return parse_agreement(TEXT)


def run(*arguments: str) -> object:
    with pytest.raises(SystemExit) as stopped:
        main(["log", *arguments])
    return stopped.value.code


def append(*items: bytes) -> object:
    for number, item in enumerate(items):
        Path(f"{number}.entry").write_bytes(item)
    return run("append", "log", *(f"{number}.entry" for number in range(len(items))), "--key", "log.key", "-a", "a.toml")


def epoch(terms: Agreement, number: int, root: int = 1) -> EpochEntry:
    return EpochEntry(terms.digest, "alpha", number, bytes([root]) * 32, bytes(32), bytes(64))


def test_entries_of_the_parties_are_published_once(terms: Agreement, capsys: pytest.CaptureFixture[str]) -> None:
    alpha, beta = world.key(1), world.key(2)
    good = [encode_entry(sign_entry(alpha, epoch(terms, number))) for number in range(2)]
    good.append(encode_entry(sign_entry(beta, AssentEntry(terms.digest, "beta", bytes(64)))))
    assert append(*good) == 0 and append(*good) == 0
    assert "nothing new" in capsys.readouterr().out
    for bad in (
        b"junk", encode_entry(epoch(terms, 2)), encode_entry(sign_entry(beta, epoch(terms, 2))), good[0] + b"x",
        encode_entry(sign_entry(alpha, epoch(terms, 1, 2))), encode_entry(sign_entry(alpha, replace(epoch(terms, 2), agreement=bytes(32)))),
        encode_entry(sign_entry(alpha, epoch(terms, 24 * 12))), encode_entry(sign_entry(alpha, replace(epoch(terms, 2), lab="gamma"))),
    ):
        assert append(encode_entry(sign_entry(alpha, epoch(terms, 5))), bad) in (1, 2)
        assert len(open_log("log", logs.trust()).entries) == 3
    assert append(encode_entry(sign_entry(alpha, epoch(terms, 6, 1))), encode_entry(sign_entry(alpha, epoch(terms, 6, 2)))) == 1
    assert open_log("log", logs.trust()).entries == good


def test_the_agreement_says_whose_cosignatures_count(terms: Agreement, capsys: pytest.CaptureFixture[str]) -> None:
    assert append(encode_entry(sign_entry(world.key(1), epoch(terms, 0)))) == 0
    assert run("verify", "log", "-a", "a.toml") == 1
    wrong = ("cosign", "log", "-a", "a.toml", "--key", "gamma.key", "--memory", "m")
    assert run(*wrong, "--name", "beta") == 1 and run(*wrong, "--name", "operator") == 1 and not Path("m").exists()
    assert run(*wrong, "--name", "gamma") == 0 and run("verify", "log", "-a", "a.toml") == 0
    assert run("verify", "log", "-a", "a.toml", "--exclude", "gamma") == 1
    capsys.readouterr()
    assert run("show", "log", "-a", "a.toml") == 0
    assert "alpha" in capsys.readouterr().out
    trust = LogTrust(logs.ORIGIN, logs.public(100), {"gamma": logs.public(103)}, 1)
    assert open_log("log", trust).signed.times.keys() == {"gamma"}


def test_another_agreement_s_log_is_refused(terms: Agreement) -> None:
    Path("a.toml").write_text(TEXT.replace(logs.ORIGIN, "elsewhere.example"))
    assert append(encode_entry(sign_entry(world.key(1), epoch(terms, 0)))) == 1
    Path("a.toml").write_text(world.TEXT)
    assert append(encode_entry(sign_entry(world.key(1), epoch(terms, 0)))) == 1
    assert run("verify", "log", "-a", "a.toml") == 2
