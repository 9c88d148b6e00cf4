"""Several meters in one command: a keyring, one passphrase, and a meter that is refused while the others are sealed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from desk import DAY, HOUR, START, Desk

from claims.base.keys import meter_key, public_bytes
from claims.lab import sealing


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


@pytest.fixture
def ringed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The desk whose meters' keys are made of a keyring under a passphrase."""
    monkeypatch.setenv("STANDSTILL_PASSPHRASE", "pass")
    tables = desk.run("meter", "init", "hall-1", "hall-2", "--lab", "lab", "--chip", "h100", "--chips", 8, "--keyring", "ring.key")
    text = Path("agreement.toml").read_text()
    Path("agreement.toml").write_text(text[: text.index("[[meter]]")] + tables)
    return desk


def test_a_keyring_makes_every_meters_key_with_one_derivation(ringed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ringed.at(START + 2 * DAY)
    asked: list[object] = []
    monkeypatch.setattr("claims.cli.meter_keys.ask_passphrase", lambda path: asked.append(path) or b"pass")
    text = ringed.run("epoch", "seal", "--all", *ringed.books, "--keyring", "ring.key", "--unsigned")
    assert "2 of 2 meters: epochs through 47 sealed" in text and asked == [None]
    assert ringed.sealed("hall-1") == ringed.sealed("hall-2") == 47
    text = ringed.run("epoch", "seal", "--all", *ringed.books, "--keyring", "ring.key", "--unsigned")
    assert "0 of 2 meters" in text and len(list(Path().glob("keys/*"))) == 2


def test_a_keyring_is_used_again_for_more_meters(ringed: Desk) -> None:
    again = ringed.run("meter", "init", "hall-2", "hall-3", "--lab", "lab", "--chip", "h100", "--chips", 8, "--keyring", "ring.key")
    known = re.findall(r'key = "(ed25519:[0-9a-f]{64})', Path("agreement.toml").read_text())
    keys = re.findall(r'key = "(ed25519:[0-9a-f]{64})"', again)
    assert keys[0] == known[-1] and keys[1] not in known and len(set(known)) == 3


def test_keys_of_a_ring_differ_by_lab_and_meter_and_never_change() -> None:
    ring = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    names = [("lab", "hall-1"), ("lab", "hall-2"), ("labh", "all-1"), ("hall-1", "lab")]
    keys = [public_bytes(meter_key(ring, *pair)) for pair in names]
    assert len({*keys, public_bytes(ring)}) == 5
    assert keys[0].hex() == "26ccb15b2d95966abf7d08f2572d9c2b5306793a88d0fbb60ccd37dcdaafc6f6"


@pytest.mark.parametrize("options", [(), ("--keys", "keys", "--keyring", "ring.key"), ("-k", "lab.key")])
def test_one_place_for_the_keys_is_said(desk: Desk, options: tuple[str, ...]) -> None:
    desk.at(START + DAY)
    desk.run("epoch", "seal", "--all", *desk.books, "--unsigned", *options, code=2)


@pytest.mark.parametrize("plain", [0, sealing.PLAIN])
def test_a_meter_that_is_refused_holds_up_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch, plain: int) -> None:
    desk.at(START + 12 * HOUR)
    monkeypatch.setattr(sealing, "PLAIN", plain)
    desk.usage("hall-1,3,,3600", "hall-2,3,,3600")
    from claims.lab.store import Store

    with Store.open("lab.store") as store, store.transaction():
        store._db.execute("UPDATE usage SET chip_ms = 1 << 40 WHERE meter = 'hall-1'")
    text = desk.run("epoch", "seal", "--all", *desk.books, "--keys", "keys", "--unsigned", code=2)
    assert "meter hall-1: epoch 3 has" in text and "1 of 2 meters are sealed through epoch 11" in text
    assert desk.sealed("hall-1") == 2 and desk.sealed("hall-2") == 11
