"""Several meters in one command: a keyring, one passphrase, and a meter that is refused while the others are sealed."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from desk import DAY, HOUR, START, Desk

from claims.agreement.file import load_agreement
from claims.base.keys import load_key_file, meter_key, public_bytes
from claims.lab import journal as journals
from claims.lab import sealing
from claims.lab.journal import Journal, JournalMissing, ring_of
from claims.lab.meter import SoftwareMeter, seal_through
from claims.lab.signing import releasing
from claims.lab.store import Store


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


@pytest.fixture
def ringed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The desk whose meters' keys are made of a keyring under a passphrase."""
    monkeypatch.setenv("STANDSTILL_PASSPHRASE", "pass")
    monkeypatch.setenv("STANDSTILL_STATE", str(desk.folder / "state"))
    tables = desk.run("meter", "init", "hall-1", "hall-2", "--lab", "lab", "--chip", "h100", "--chips", 8, "--keyring", "ring.key")
    text = Path("agreement.toml").read_text()
    Path("agreement.toml").write_text(text[: text.index("[[meter]]")] + tables)
    return desk


def test_a_keyring_makes_every_meters_key_with_one_derivation(ringed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ringed.at(START + 2 * DAY)
    asked: list[object] = []
    monkeypatch.setattr("claims.cli.group.ask_passphrase", lambda path, **_: asked.append(path) or b"pass")
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
    with Store.open("lab.store") as store, store.transaction():
        store._db.execute("UPDATE usage SET chip_ms = 1 << 40 WHERE meter = 'hall-1'")
    text = desk.run("epoch", "seal", "--all", *desk.books, "--keys", "keys", "--unsigned", code=2)
    assert "meter hall-1: epoch 3 has" in text and "1 of 2 meters are sealed through epoch 11" in text
    assert desk.sealed("hall-1") == 2 and desk.sealed("hall-2") == 11


# ---- the one journal of a keyring ------------------------------------------------------------------------------------


def state() -> Path:
    return Path(os.environ["STANDSTILL_STATE"])


def test_meters_of_a_keyring_share_a_journal_that_an_old_store_is_held_against(ringed: Desk) -> None:
    seal = ("epoch", "seal", "--all", *ringed.books, "--keyring", "ring.key", "--unsigned", "--through")
    ringed.at(START + 2 * DAY)
    ringed.run(*seal, 5)
    ringed.run("lab", "backup", "old.store", "-s", "lab.store")
    ringed.run(*seal, 9)
    known = Journal.place(state(), ring_of("lab"))
    assert list(state().glob("*.journal")) == [known] and known.stat().st_mode & 0o077 == 0
    ringed.run("lab", "restore", "old.store", "-s", "lab.store", "--replace")
    for meters in (("--all",), ("hall-2",)):
        text = ringed.run("epoch", "seal", *meters, *ringed.books, "--keyring", "ring.key", "--unsigned", code=2)
        assert "this key has signed the root of epoch 9" in text and "does not hold it" in text
    assert ringed.sealed("hall-1") == 5


def test_a_keyrings_journal_that_is_lost_is_made_again_of_the_store(ringed: Desk) -> None:
    seal = ("epoch", "seal", "--all", *ringed.books, "--keyring", "ring.key", "--unsigned", "--through")
    ringed.at(START + 2 * DAY)
    ringed.run(*seal, 5)
    known = Journal.place(state(), ring_of("lab"))
    known.unlink()
    assert "the keyring of lab lab has signed before" in ringed.run(*seal, 7, code=2)
    text = ringed.run("journal", "rebuild", "--keyring", "-s", "lab.store", "-a", "agreement.toml", "--without-log")
    assert "the keyring of lab lab: journal made" in text and ringed.sealed() == 5
    ringed.run(*seal, 7)
    with Journal.opened(state(), ring_of("lab"), "x", seen=True) as journal:
        newest = {(item.subject, item.number) for item in journal.statements()}
    assert newest == {(f"epoch-root lab hall-{k}", 7) for k in (1, 2)}


def test_what_a_kill_left_out_of_the_keyrings_journal_is_in_it_before_anything_leaves(ringed: Desk) -> None:
    """A kill between the store's commit and the journal's: the store knows more, of a meter that the journal may not know at all."""
    ringed.at(START + 2 * DAY)
    ringed.run("epoch", "seal", "hall-1", *ringed.books, "--keyring", "ring.key", "--unsigned", "--through", 5)
    terms = load_agreement("agreement.toml")
    ring = load_key_file("ring.key", lambda: b"pass")
    with Store.open("lab.store") as store:
        seal_through(store, terms, [SoftwareMeter(name, meter_key(ring, "lab", name)) for name in ("hall-1", "hall-2")], 9)
        releasing(store, terms, state())
    with Journal.opened(state(), ring_of("lab"), "x", seen=True) as journal:
        assert {(item.subject, item.number) for item in journal.statements()} == {(f"epoch-root lab hall-{k}", 9) for k in (1, 2)}


def test_a_large_journal_is_read_whole_once_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "LARGE", 0)
    monkeypatch.delenv("STANDSTILL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    many = [(number, number.to_bytes(32, "big")) for number in range(20_000)]
    with Journal.opened(tmp_path, bytes(32), "x", seen=False) as journal:
        journal.extend(bytes(32), "epoch-root lab hall-1", many)
    path = Journal.place(tmp_path, bytes(32))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = b"\xff" * 4096
    with Journal.opened(tmp_path, bytes(32), "x", seen=True):
        pass
    path.write_bytes(data)
    with Journal.opened(tmp_path, bytes(32), "x", seen=True) as journal:
        assert journal.last(bytes(32), "epoch-root lab hall-1") == 19_999
    monkeypatch.setattr("claims.base.clock.now", lambda: int(time.time()) + 90_000)
    with pytest.raises(JournalMissing, match="damaged"), Journal.opened(tmp_path, bytes(32), "x", seen=True):
        pass
