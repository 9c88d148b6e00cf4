"""The private store: transactions, refusals, modes, and that secrets are never shown."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from claims.base.canonical import FIELD_PRIME
from claims.claim.records import (
    Draft,
    EpochHead,
    EpochSeal,
    Genesis,
    LedgerSecrets,
    PublishedHead,
    Reading,
    RegistryEntry,
    SignedHead,
    Usage,
    fresh_elements,
)
from claims.lab.store import Store
from claims.lab.store_file import StoreError

HEAD = SignedHead("hall-a", 0, b"a" * 32, tuple(range(8)), b"r" * 32, b"s" * 64)
BLINDING = LedgerSecrets(tuple(range(1000, 1008)), tuple(range(2000, 2008)))
SEAL = EpochSeal(0, b"e" * 32, b"o" * 32, b"t" * 64, b"a" * 32)
READINGS = [Reading(0, 2, 5, 9895), Reading(0, 1, 475, 0)]
ROWS = [(0, 2, 5, 9895), (0, 1, 475, 0)]
EPOCH_HEAD = EpochHead(0, 0, b"a" * 32, b"e" * 32, b"h" * 32, b"l" * 32, 0, b"entry", b"p" * 32)


def seal_all(store: Store) -> None:
    store.seal_epoch(0, "hall-a", [SEAL], ROWS)
    store.seal(HEAD, BLINDING)


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "lab.store", "alpha") as opened:
        yield opened


def entry(tag: int, position: int = 1, **changes: object) -> RegistryEntry:
    values = {"kind": 3, "parent1": 0, "parent2": 0, "base": 0, "epoch": 0, "work": 7, "declared": 0, "cumulative": 7}
    return RegistryEntry("x", tag, weights=bytes(32), period=0, **{**values, **changes})  # type: ignore[arg-type]


def test_a_new_store_is_private_marked_and_reopens(tmp_path: Path) -> None:
    path = tmp_path / "lab.store"
    with Store.create(path, "alpha") as store:
        iv = store.registry_iv()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with Store.open(path) as again:
        assert (again.lab, again.registry_iv()) == ("alpha", iv)
        assert all(0 <= word < FIELD_PRIME for word in iv) and len(iv) == 8
    with pytest.raises(StoreError, match="exists already"):
        Store.create(path, "alpha")


def test_opening_refuses_loose_modes_other_files_and_other_versions(tmp_path: Path) -> None:
    path = tmp_path / "lab.store"
    Store.create(path, "alpha").close()
    os.chmod(path, 0o640)
    with pytest.raises(StoreError, match="read by others"):
        Store.open(path)
    os.chmod(path, 0o600)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 1")
    db.close()
    with pytest.raises(StoreError, match="has format 1"):
        Store.open(path)
    other = tmp_path / "other.db"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE t (x)")
    db.commit()
    db.close()
    os.chmod(other, 0o600)
    with pytest.raises(StoreError, match="not a Standstill store"):
        Store.open(other)
    text = tmp_path / "text"
    text.write_text("not a database, but long enough to look like one " * 40)
    os.chmod(text, 0o600)
    with pytest.raises(StoreError):
        Store.open(text)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(tmp_path / "nothing")


def test_names_get_distinct_tags_and_keep_them(store: Store) -> None:
    tags = {store.tag(f"olmo-7b/step{i}") for i in range(300)}
    assert len(tags) == 300 and min(tags) >= 3 and max(tags) < 2**24
    assert store.tag("olmo-7b/step7") == store.find_tag("olmo-7b/step7")
    assert (store.tag("idle"), store.tag("unattributed")) == (1, 2)
    for bad in ("", " padded", "line\nbreak", "x" * 201):
        with pytest.raises(StoreError):
            store.tag(bad)


def test_renaming_keeps_the_tag_and_frees_the_name(store: Store) -> None:
    tag = store.tag("a")
    store.rename("a", "a @period-0")
    assert store.name(tag) == "a @period-0" and store.find_tag("a") is None
    assert store.tag("a") != tag
    for old, new in (("missing", "b"), ("a", "a @period-0"), ("idle", "b")):
        with pytest.raises(StoreError):
            store.rename(old, new)


def test_sealing_stores_readings_and_secrets_once(store: Store) -> None:
    store.add_usage(0, "hall-a", [Usage(0, 2, 4500, None)])
    seal_all(store)
    assert store.readings(0, "hall-a") == READINGS
    assert store.ledger_secrets(0, "hall-a") == BLINDING
    assert store.signed_head(0, "hall-a") == HEAD
    assert store.work_by_tag(0) == {2: 9895, 1: 0}
    store.seal(HEAD, BLINDING)
    assert store.readings(0, "hall-a") == READINGS


def test_another_head_for_the_same_meter_and_period_is_refused(store: Store) -> None:
    seal_all(store)
    forged = SignedHead("hall-a", 0, b"a" * 32, tuple(range(1, 9)), b"r" * 32, b"s" * 64)
    with pytest.raises(StoreError, match="signed another head"):
        store.seal(forged, BLINDING)
    assert store.signed_head(0, "hall-a") == HEAD
    store.seal(SignedHead("hall-a", 1, b"a" * 32, tuple(range(1, 9)), b"r" * 32, b"s" * 64), BLINDING)


def test_late_usage_is_refused(store: Store) -> None:
    seal_all(store)
    with pytest.raises(StoreError, match="has signed period 0"):
        store.add_usage(0, "hall-a", [Usage(0, 2, 1, None)])
    assert store.usage(0, "hall-a") == []


def test_a_sealed_epoch_takes_no_usage_and_no_second_seal(store: Store) -> None:
    store.add_usage(0, "hall-a", [Usage(0, 2, 4500, None), Usage(1, 2, 4500, None)])
    store.seal_epoch(0, "hall-a", [SEAL], ROWS)
    assert store.epoch_seals(0, "hall-a") == [SEAL] and store.epoch_readings("hall-a", 0) == READINGS
    assert store.sealed_through(0, "hall-a") == 0 and store.epoch_readings("hall-a", 1) == []
    with pytest.raises(StoreError, match="has signed epoch 0"):
        store.add_usage(0, "hall-a", [Usage(1, 2, 1, None), Usage(0, 2, 1, None)])
    store.add_usage(0, "hall-a", [Usage(1, 2, 1, None)])
    with pytest.raises(StoreError):
        store.seal_epoch(0, "hall-a", [SEAL._replace(root=b"x" * 32)], [])
    db = sqlite3.connect(store.path)
    for change in ("UPDATE usage SET chip_ms = 1 WHERE epoch = 0", "DELETE FROM usage WHERE epoch = 0", "UPDATE usage SET epoch = 0"):
        with pytest.raises(sqlite3.IntegrityError, match="signed this epoch"):
            db.execute(change)
    with pytest.raises(sqlite3.IntegrityError, match="signed this epoch"):
        db.execute("INSERT INTO readings VALUES (0, 'hall-a', 99, 0, 2, 1, 1)")
    db.close()


def test_checkpoints_of_a_published_epoch_are_refused(store: Store) -> None:
    genesis = Genesis(b"g" * 32, 1000)
    store.add_draft(0, Draft("a", "CHECKPOINT", (), None, 0, 0, bytes(32), genesis))
    assert store.drafts(0)[0].genesis == genesis
    store.add_epoch_head(EPOCH_HEAD)
    assert store.epoch_head(0) == EPOCH_HEAD and store.epoch_heads(0) == [EPOCH_HEAD] and store.published_through() == 0
    with pytest.raises(StoreError, match="registry of epoch 0 is published"):
        store.add_draft(0, Draft("b", "CHECKPOINT", (), None, 0, 0, bytes(32)))
    store.add_draft(0, Draft("b", "CHECKPOINT", (), None, 1, 0, bytes(32)))
    with pytest.raises(StoreError, match="published"):
        store.add_epoch_head(replace(EPOCH_HEAD, entry=b"another"))
    db = sqlite3.connect(store.path)
    with pytest.raises(sqlite3.IntegrityError, match="is published"):
        db.execute("UPDATE drafts SET weights = zeroblob(32) WHERE epoch = 0")
    db.close()


@pytest.mark.parametrize("table", ["readings", "ledgers", "epoch_seals", "epoch_heads", "registry_heads", "entries"])
def test_the_file_itself_refuses_changes_to_history(store: Store, table: str) -> None:
    seal_all(store)
    store.add_epoch_head(EPOCH_HEAD)
    store.close_registry([entry(store.tag("x"))], PublishedHead(0, tuple(range(8)), 1, tuple(range(8))))
    db = sqlite3.connect(store.path)
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        db.execute(f"DELETE FROM {table}")
    columns = {"readings": "work", "ledgers": "meter", "epoch_seals": "root", "epoch_heads": "entry", "registry_heads": "entries"}
    column = columns.get(table, "epoch")
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        db.execute(f"UPDATE {table} SET {column} = 1")
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("UPDATE meta SET value = x'00' WHERE key = 'registry_iv'")
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("INSERT INTO readings VALUES (0, 'hall-a', 99, 0, 2, 1, 1)")
    db.close()


def test_a_failed_change_leaves_nothing(store: Store) -> None:
    bad = [(0, 2, 1, 1), (0, 2, -1, 1)]
    with pytest.raises(StoreError, match="nothing was changed"):
        store.seal_epoch(0, "hall-a", [SEAL], bad)
    assert store.readings(0, "hall-a") == [] and store.signed_head(0, "hall-a") is None
    with pytest.raises(StoreError, match="64 bits"):
        store.close_registry(
            [entry(store.tag("x")), entry(store.tag("y"), work=2**64)],
            PublishedHead(0, tuple(range(8)), 2, tuple(range(8))),
        )
    assert store.entries() == [] and store.registry_heads() == []


def test_a_tag_has_one_entry(store: Store) -> None:
    tag = store.tag("x")
    with pytest.raises(StoreError, match="UNIQUE"):
        store.close_registry([entry(tag), entry(tag)], PublishedHead(0, tuple(range(8)), 2, tuple(range(8))))
    assert store.entries() == []


def test_registry_heads_come_in_order_and_count_their_entries(store: Store) -> None:
    head = tuple(range(8))
    store.close_registry([entry(store.tag("x"), cumulative=2**64 - 1)], PublishedHead(0, head, 1, head))
    assert store.entries()[0].cumulative == 2**64 - 1
    with pytest.raises(StoreError, match="the last one was 0"):
        store.close_registry([], PublishedHead(2, head, 1, head))
    with pytest.raises(StoreError, match="covers 5 entries"):
        store.close_registry([entry(store.tag("y"))], PublishedHead(1, head, 5, head))
    assert len(store.entries()) == 1


def test_drafts_need_known_parents_and_an_open_period(store: Store) -> None:
    with pytest.raises(StoreError, match="its parent p is not in the registry"):
        store.add_draft(0, Draft("c", "CHECKPOINT", ("p",), None, 0, 0, bytes(32)))
    draft = Draft("p", "CHECKPOINT", (), None, 3, 0, b"w" * 32)
    store.add_draft(0, draft)
    child = Draft("c", "CHECKPOINT", ("p",), True, 3, 0, bytes(32))
    store.add_draft(0, child)
    assert store.drafts(0) == [draft, child]
    with pytest.raises(StoreError, match="in the registry already"):
        store.add_draft(0, child)
    store.close_registry([], PublishedHead(0, tuple(range(8)), 0, tuple(range(8))))
    with pytest.raises(StoreError, match="period 0 is closed"):
        store.add_draft(0, Draft("d", "CHECKPOINT", (), None, 3, 0, bytes(32)))


def test_secrets_do_not_show(store: Store) -> None:
    seal_all(store)
    published = PublishedHead(0, tuple(range(8)), 0, tuple(range(3000, 3008)))
    shown = repr(BLINDING) + repr(store) + repr(published) + repr(store.signed_head(0, "hall-a"))
    assert not any(str(word) in shown for word in (*BLINDING.iv, *BLINDING.trailer, *published.trailer))


def test_fresh_elements_are_uniform_enough_and_differ() -> None:
    drawn = [word for _ in range(200) for word in fresh_elements()]
    assert len(set(drawn)) == len(drawn)
    assert 0.45 < sum(drawn) / len(drawn) / FIELD_PRIME < 0.55


def test_a_killed_writer_leaves_the_state_before(tmp_path: Path) -> None:
    path = tmp_path / "lab.store"
    Store.create(path, "alpha").close()
    script = (
        "import os, sys\n"
        "from claims.claim.records import Usage\n"
        "from claims.lab.store import Store\n"
        "store = Store.open(sys.argv[1])\n"
        "store.add_usage(0, 'm', [Usage(0, 2, 1000, None)])\n"
        "with store.transaction():\n"
        "    store.add_usage(0, 'm', [Usage(1, 2, 1000, None)] * 5000)\n"
        "    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 9
    with Store.open(path) as store:
        assert store.usage(0, "m") == [Usage(0, 2, 1000, None)]
        store.add_usage(0, "m", [Usage(2, 2, 1, None)])
