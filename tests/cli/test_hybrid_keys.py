"""Hybrid keys by commands: key files, who is told of Ed25519 alone, and what is signed once."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import commands
import hybrid_world as hw
import pytest
import world

import claims.cli.main  # noqa: F401  (registers the commands)
from claims.base.errors import KeyFileError
from claims.base.hybrid import HybridKey, curve_half, halves
from claims.base.keys import generate_key_file, load_key_file, meter_key, public_bytes, public_text
from claims.claim.entries import decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import AssentEntry
from claims.tlog.checkpoint import LogTrust
from claims.tlog.note import VerifierKey
from claims.tlog.reader import open_log

BOTH = r"ed25519:[0-9a-f]{64} mldsa44:[0-9a-f]{2624}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with alpha's and beta's hybrid keys, and the agreement that names them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STANDSTILL_STATE", str(tmp_path / "state"))
    text = hw.TEXT
    for name, seed in world.PARTIES.items():
        text = text.replace(public_text(hw.public(seed)), public_text(generate_key_file(f"{name}.key", None, hybrid=True)))
    log = public_text(generate_key_file("log.key", None, hybrid=True))
    cosign = public_text(generate_key_file("cosign.key", None, hybrid=True))
    text += f'\n[[party]]\nname = "operator"\nkey = "{world.public(4)}"\n\n[[party]]\nname = "witness"\nkey = "{world.public(5)}"\n'
    text += f'cosign_key = "{cosign}"\n\n[[party]]\nname = "other"\nkey = "{world.public(6)}"\ncosign_key = "{world.public(7)}"\n'
    text += f'\n[log]\norigin = "log.example/h"\noperator = "operator"\nkey = "{log}"\ncosignatures = 1\n'
    Path("a.toml").write_text(text)
    return tmp_path


run = partial(commands.run, Path())


def test_keygen_makes_both_halves_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert re.fullmatch(BOTH, run("keygen", "a.key", "--no-passphrase").strip())
    assert re.fullmatch("ed25519:[0-9a-f]{64}", run("keygen", "b.key", "--no-passphrase", "--ed25519").strip())
    assert isinstance(load_key_file("a.key"), HybridKey) and not isinstance(load_key_file("b.key"), HybridKey)


def test_files_of_two_blocks(tmp_path: Path) -> None:
    for secret in (None, b"pass"):
        path = tmp_path / f"{secret!r}.key"
        public = generate_key_file(path, secret, hybrid=True)
        key = load_key_file(path, lambda: b"pass")
        rings = (public_bytes(curve_half(meter_key(ring, "l", "m"))) for ring in (key, key.curve))
        assert public_bytes(key) == public and len(set(rings)) == 1
        blocks = re.findall(rb"-----BEGIN.*?-----END [A-Z ]+-----\n", path.read_bytes(), re.DOTALL)
        assert len(blocks) == 2 and path.read_bytes() == b"".join(blocks)
        if secret:
            with pytest.raises(KeyFileError, match="another passphrase"):
                load_key_file(path, lambda: b"other")
        path.write_bytes(blocks[0])
        assert public_bytes(load_key_file(path, lambda: b"pass")) == halves(public)[0]
        for wrong in (blocks[1], blocks[1] + blocks[0], blocks[0] * 2, b"".join(blocks) + blocks[0], blocks[1] * 2):
            path.write_bytes(wrong)
            with pytest.raises(KeyFileError):
                load_key_file(path, lambda: b"pass")


def test_who_signs_with_ed25519_alone_is_said(place: Path) -> None:
    text = run("agreement", "check", "a.toml")
    meters = "meter alpha/hall-1, meter alpha/hall-2, meter beta/hall-1"
    assert f"Ed25519 alone: operator, other, witness, other (cosigning), {meters}. A quantum" in text and "mldsa44 (SHA-256 " in text
    Path("b.toml").write_text(world.TEXT)
    assert "Ed25519 alone: everybody" in run("agreement", "check", "b.toml")
    Path("c.toml").write_text(hw.TEXT)
    assert f"Ed25519 alone: {meters}. A quantum" in run("agreement", "check", "c.toml")
    Path("d.toml").write_text(hw.with_period_keys(hw.TEXT, 11, 12, 21))
    assert "Ed25519 and ML-DSA-44, but for epochs of meters and feeds" in run("agreement", "check", "d.toml")


def test_a_key_is_told_whose_it_is_and_where(place: Path) -> None:
    check = ("agreement", "check", "a.toml", "-k")
    said = "this key    party alpha\n            Ed25519: in the file alpha.key\n            ML-DSA-44: in the file alpha.key\n"
    assert run(*check, "alpha.key").endswith(said)
    blocks = re.findall(rb"-----BEGIN.*?-----END [A-Z ]+-----\n", Path("alpha.key").read_bytes(), re.DOTALL)
    Path("half.key").write_bytes(blocks[0])
    Path("half.key").chmod(0o600)
    assert "its Ed25519 half is of party alpha: its ML-DSA-44 half is missing" in run(*check, "half.key", code=2)
    public = public_bytes(load_key_file("alpha.key"))
    Path("a.toml").write_text(Path("a.toml").read_text().replace(public_text(public), public_text(halves(public)[0])))
    assert "its Ed25519 half is of party alpha: the agreement has no ML-DSA-44 half beside it" in run(*check, "alpha.key", code=2)
    generate_key_file("nobody.key", None)
    assert "is it the right one?" in run(*check, "nobody.key", code=2)


def test_more_than_sixteen_hybrid_cosigners_are_refused(place: Path) -> None:
    text = Path("a.toml").read_text()
    for number in range(16):
        cosigns = public_text(hw.public(400 + number))
        more = f'[[party]]\nname = "w{number:02}"\nkey = "{world.public(300 + number)}"\ncosign_key = "{cosigns}"\n'
        text = text.replace("[log]", f"{more}\n[log]")
        Path("a.toml").write_text(text)
        if number < 15:
            continue
        assert "a head of the log has room for the cosignatures of 16" in run("agreement", "check", "a.toml", code=2)
    Path("a.toml").write_text(text.replace(public_text(hw.public(415)), world.public(415)))
    run("agreement", "check", "a.toml")


def test_what_is_signed_again_keeps_its_signature(place: Path) -> None:
    """Two assents under one key are one; the files are not replaced by others that say the same."""
    sign = ("agreement", "sign", "a.toml", "-k", "alpha.key", "--yes", "--log-entry", "alpha.entry")
    run(*sign)
    sigs, entry = Path("a.sigs").read_bytes(), Path("alpha.entry").read_bytes()
    run(*sign)
    assert (Path("a.sigs").read_bytes(), Path("alpha.entry").read_bytes()) == (sigs, entry)
    other = sign_entry(load_key_file("beta.key"), replace(decode_entry(entry), party="beta"))  # type: ignore[arg-type, type-var]
    Path("alpha.entry").write_bytes(encode_entry(other))
    assert "exists already" in run(*sign, code=2)


def test_a_log_with_a_hybrid_key(place: Path) -> None:
    keys = run("log", "init", "log", "--origin", "log.example/h", "-k", "log.key").strip()
    assert [VerifierKey.decode(text).kind for text in keys.split(" ")] == [1, 6]
    terms_digest = run("agreement", "digest", "a.toml").strip()
    alpha = load_key_file("alpha.key")
    for name in ("one.entry", "two.entry"):
        Path(name).write_bytes(encode_entry(sign_entry(alpha, AssentEntry(bytes.fromhex(terms_digest), "alpha"))))
    append = ("log", "append", "log", "-k", "log.key", "-a", "a.toml")
    assert "1 published" in run(*append, "one.entry")
    assert "nothing new" in run(*append, "two.entry")  # the same word, signed otherwise
    run("log", "cosign", "log", "-k", "cosign.key", "--name", "witness", "--memory", "w.memory", "-a", "a.toml")
    assert "cosigned by witness" in run("log", "verify", "log", "--log-key", keys, "--cosigner", _cosigner(), "--quorum", 1)
    assert "is not signed by the log" not in run("log", "verify", "log", "-a", "a.toml")
    swapped = " ".join(reversed(keys.split(" ")))
    assert "not a key of the log type" in run("log", "verify", "log", "--log-key", swapped, code=2)
    public = public_bytes(load_key_file("log.key"))
    assert open_log("log", LogTrust("log.example/h", public)).size == 1
    assert open_log("log", LogTrust("log.example/h", halves(public)[0])).size == 1  # who knows one half checks that one


def _cosigner() -> str:
    from claims.tlog.note import COSIGNATURE, verifier_keys

    return " ".join(key.encode() for key in verifier_keys("witness", COSIGNATURE, public_bytes(load_key_file("cosign.key"))))
