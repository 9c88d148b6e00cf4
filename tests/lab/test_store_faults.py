"""A full disk, a folder that cannot be written, kills, damage: what is said is what happened, and nothing is lost by it."""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import ROOT, run
from lab_fixtures import make_lab, seal_and_close

import claims.lab.meter
import claims.lab.store_file
from claims.base import clock
from claims.base.daily import DAY
from claims.base.errors import ClaimsError, UnreadableFile
from claims.base.files import growing, write_atomic, write_new, write_once
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import EpochEntry
from claims.claim.records import Draft, Usage
from claims.imports.checkpoints import import_checkpoints
from claims.imports.rows import ImportRefused
from claims.lab.lineage import note_checkpoint, unplaced
from claims.lab.registry import Opening
from claims.lab.sealing import Due
from claims.lab.store import Store
from claims.lab.store_file import StoreError
from claims.lab.witness import assemble, period_figures
from tests.cli.test_cli_epochs import COMMON, folder  # noqa: F401

MANY = [Usage(0, 2, 1, None)] * 5000


def test_a_full_disk_is_called_that_and_loses_nothing(tmp_path: Path) -> None:
    store, _ = make_lab(tmp_path)
    store.add_usage(0, "hall-a", [Usage(0, 2, 1, None)])
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match="no space is left on the disk of .*; free some and try again: nothing was damaged") as caught:
        store.add_usage(0, "hall-a", MANY)
    assert "backup" not in str(caught.value)
    assert len(store.usage(0, "hall-a")) == 1
    store._db.execute("PRAGMA max_page_count = 100000")
    store.add_usage(0, "hall-a", MANY)
    store.close()
    with Store.open(tmp_path / "alpha.store") as again:
        assert len(again.usage(0, "hall-a")) == 5001


def test_a_store_that_cannot_be_written_is_not_called_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_lab(tmp_path)[0].close()
    connect = sqlite3.connect

    def read_only(path: Path, **options: object) -> sqlite3.Connection:
        return connect(f"file:{path}?mode=ro", uri=True, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(claims.lab.store_file.sqlite3, "connect", read_only)
    with pytest.raises(StoreError, match="(cannot be written|cannot be opened); check permissions .* nothing was damaged"):
        with Store.open(tmp_path / "alpha.store") as store:
            store.add_usage(0, "hall-a", MANY)


def test_a_program_that_keeps_the_store_is_waited_for_and_named(tmp_path: Path) -> None:
    store, _ = make_lab(tmp_path)
    other = sqlite3.connect(tmp_path / "alpha.store")
    other.execute("BEGIN IMMEDIATE")
    store._db.execute("PRAGMA busy_timeout = 0")
    with pytest.raises(StoreError, match="in use by another program; try again"):
        store.add_usage(0, "hall-a", MANY)


LIMITED = """import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from claims.cli.main import main
main()"""


def test_a_limit_that_the_system_sets_while_a_command_runs(folder: Path) -> None:  # noqa: F811
    """A real write that fails, in a process of its own: the files may not grow, whatever SQLite or Python try."""
    size = (folder / "alpha.store").stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(size // 8), *"epoch seal hall-1 --unsigned -k meter.key --through 7".split(), *COMMON],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "try again" in done.stderr and "backup" not in done.stderr and "damaged;" not in done.stderr
    done_until = re.search(r"stopped: hall-1: epochs 0 to ([0-9]) sealed and kept", done.stderr)
    first = int(done_until[1]) + 1 if done_until else 0
    assert f"epochs {first} to 7 sealed" in run(folder, "epoch", "seal", "hall-1", *COMMON, "--unsigned", "-k", "meter.key", "--through", 7)


def test_damage_ends_in_a_typed_refusal(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path, (Opening("base", 1000),))
    note_checkpoint(store, agreement, Draft("run-a", "CHECKPOINT", ("base",), None, 1, 0, bytes(32)))
    store.add_usage(0, "hall-a", [Usage(0, store.tag("run-a"), 5000, None)])
    seal_and_close(store, agreement, 0)
    store.close()
    whole, path, rng, refused = (tmp_path / "alpha.store").read_bytes(), tmp_path / "damaged.store", random.Random(1), 0
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 3, 30))):
            at = rng.randrange(len(data))
            data[at : at + 4] = rng.randbytes(len(data[at : at + 4]))
        path.write_bytes(data)
        path.chmod(0o600)
        try:
            with Store.open(path) as damaged:
                for reading in (damaged.entries, damaged.registry_heads, damaged.registry_iv):
                    reading()
                unplaced(damaged, 1)
                period_figures(damaged, 0)
                assemble(damaged, agreement, 0)
        except ClaimsError:
            refused += 1
    assert refused > 20


def test_an_import_that_is_repeated_after_a_kill_invites_no_duplicate(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    path = tmp_path / "checkpoints.csv"
    path.write_text("name,epoch\nrun-1,1\n")
    import_checkpoints(store, agreement, path)
    with pytest.raises((ImportRefused, StoreError), match="the same file was imported before"):
        import_checkpoints(store, agreement, path)


# ---- files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["write", "fsync", "link"])
def test_a_new_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if step == "write":
            patch.setattr(os, "fdopen", full)
        else:
            patch.setattr(os, step, full)
        for write in (write_new, write_once):
            with pytest.raises(UnreadableFile, match="no space is left; free some"):
                write(tmp_path / "claim", b"x" * 1000)
    assert os.listdir(tmp_path) == []
    write_new(tmp_path / "claim", b"x")


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", unable)
    write_new(tmp_path / "a", b"1")
    with pytest.raises(UnreadableFile, match="exists already"):
        write_new(tmp_path / "a", b"2")
    assert (tmp_path / "a").read_bytes() == b"1" and os.listdir(tmp_path) == ["a"]


def test_the_same_file_again_is_fine_and_another_is_not(tmp_path: Path) -> None:
    write_once(tmp_path / "a", b"1")
    write_once(tmp_path / "a", b"1")
    with pytest.raises(UnreadableFile, match="another file; move it away"):
        write_once(tmp_path / "a", b"2")
    (tmp_path / "b").symlink_to(tmp_path / "none")
    with pytest.raises(UnreadableFile):
        write_once(tmp_path / "b", b"1")


def test_what_kills_leave_is_removed_and_stands_in_no_way(tmp_path: Path) -> None:
    old, fresh = tmp_path / ".a.x1.standstill-tmp", tmp_path / ".a.x2.standstill-tmp"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    write_atomic(tmp_path / "a", b"1")
    assert sorted(os.listdir(tmp_path)) == [fresh.name, "a"], "a fresh one may be another process's"


def test_a_store_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims.lab.store_file, "head_to_bytes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        Store.create(tmp_path / "s", "alpha")
    assert os.listdir(tmp_path) == []
    with pytest.raises(ValueError), growing(tmp_path / "s"):
        raise ValueError
    assert os.listdir(tmp_path) == []


# ---- commands --------------------------------------------------------------------------------------------------


def test_a_seal_that_stops_in_the_middle_says_how_far_it_came(folder: Path, monkeypatch, capsys) -> None:  # noqa: F811
    from claims.cli.main import main

    whole = claims.lab.meter.seal_epochs

    def stopping(store: Store, agreement: object, period: int, due: list[Due]) -> object:
        if any(3 in item.epochs for item in due):
            raise StoreError("no space is left on the disk of x", "free some and try again: nothing was damaged")
        return whole(store, agreement, period, due)  # type: ignore[arg-type]

    monkeypatch.setattr(claims.lab.meter, "seal_epochs", stopping)
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit):
        main(["epoch", "seal", "hall-1", *COMMON, "--unsigned", "-k", "meter.key", "--through", "5"])
    assert "stopped: hall-1: epochs 0 to 2 sealed and kept; run it again" in capsys.readouterr().err
    monkeypatch.setattr(claims.lab.meter, "seal_epochs", whole)
    assert "epochs 3 to 5 sealed" in run(folder, "epoch", "seal", "hall-1", *COMMON, "--unsigned", "-k", "meter.key", "--through", 5)


def test_entries_that_cannot_be_written_are_made_and_kept(folder: Path) -> None:  # noqa: F811
    run(folder, "epoch", "seal", "hall-1", *COMMON, "--unsigned", "-k", "meter.key", "--through", 2)
    (folder / "alpha-epoch-1.entry").write_bytes(b"another")
    text = run(folder, "epoch", "publish", *COMMON, "-k", "alpha.key", "--through", 2, code=2)
    assert "1 of 3 entries written" in text and "another file" in text
    first = (folder / "alpha-epoch-0.entry").read_bytes()
    (folder / "alpha-epoch-1.entry").unlink()
    run(folder, "epoch", "publish", *COMMON, "-k", "alpha.key", "--through", 2)
    assert (folder / "alpha-epoch-0.entry").read_bytes() == first and (folder / "alpha-epoch-2.entry").exists()


def test_a_finding_is_said_though_its_file_cannot_be_written(folder: Path) -> None:  # noqa: F811
    from claims.agreement.file import load_agreement
    from claims.base.keys import load_key_file

    digest, key = load_agreement(folder / "agreement.toml").digest, load_key_file(folder / "alpha.key")
    for name, root in (("a", b"1"), ("b", b"2")):
        entry = sign_entry(key, EpochEntry(digest, "alpha", 0, root * 32, bytes(32)))
        (folder / f"{name}.entry").write_bytes(encode_entry(entry))
    arguments = ("evidence", "a.entry", "b.entry", "-a", "agreement.toml", "--out")
    text = run(folder, *arguments, "missing/folder", code=1)
    assert "EQUIVOCATION" in text and "NOT SAVED" in text
    (folder / "there").mkdir()
    for _ in range(2):
        assert "NOT SAVED" not in run(folder, *arguments, "there", code=1)
    assert len(list((folder / "there").iterdir())) == 1


# ---- once a day ------------------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Which stores are read whole, in a cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STANDSTILL_CACHE", "on")
    found: list[Path] = []
    whole = claims.lab.store_file.check_whole
    monkeypatch.setattr(claims.lab.store_file, "check_whole", lambda path, db: (found.append(path), whole(path, db)))
    return found


def test_a_store_is_read_whole_once_a_day_and_when_another_takes_its_place(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_lab(tmp_path)[0].close()
    path, now = tmp_path / "alpha.store", 1_800_000_000
    reads.clear()
    monkeypatch.setattr(clock, "now", lambda: now)
    for _ in range(3):
        Store.open_daily(path).close()
    assert len(reads) == 1
    Store.open_daily(path, check=True).close()
    assert len(reads) == 2
    now += DAY
    Store.open_daily(path).close()
    now -= 2 * DAY  # a clock that was set back
    Store.open_daily(path).close()
    assert len(reads) == 4
    shutil.copyfile(path, tmp_path / "copy")
    (tmp_path / "copy").chmod(0o600)
    os.replace(tmp_path / "copy", path)
    Store.open_daily(path).close()
    assert len(reads) == 5
    monkeypatch.setenv("STANDSTILL_CACHE", "off")
    Store.open_daily(path).close()
    Store.open_daily(path).close()
    assert len(reads) == 7


def test_damage_that_no_check_saw_ends_in_a_typed_refusal(tmp_path: Path, reads: list[Path]) -> None:
    store, _ = make_lab(tmp_path)
    store.add_usage(0, "hall-a", MANY)
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    path = tmp_path / "alpha.store"
    Store.open_daily(path).close()
    data = bytearray(path.read_bytes())
    data[-20 * 4096 :] = bytes(20 * 4096)
    with open(path, "r+b") as file:  # the same file: nothing shows it
        file.write(data)
    reads.clear()
    with pytest.raises(StoreError, match="damaged"), Store.open_daily(path) as damaged:
        assert damaged.lab == "alpha"
        raise TypeError("what reading a damaged row may end in")
    assert reads == [path]
    with pytest.raises(StoreError, match="damaged"):
        Store.open_daily(path, check=True)
