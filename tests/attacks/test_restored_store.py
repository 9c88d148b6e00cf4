"""An honest lab whose store goes back, or in two: no key signs a second, different statement; what is the same may be signed again."""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import run

import claims.base.files
import claims.claim.entries
import claims.cli.close
import claims.cli.epoch
import claims.cli.inspect
import claims.cli.journal
import claims.cli.lab
import claims.cli.log
import claims.lab.journal
import claims.lab.prove
from claims.agreement.file import load_agreement
from claims.base.hybrid import curve_half
from claims.base.keys import load_key_file, public_bytes
from claims.claim.entries import decode_entry, unsigned_bytes
from claims.claim.entry_kinds import InspectionEntry
from claims.claim.file import Claim, MeterHead, sign_claim
from claims.lab.journal import Journal, JournalError, Statement, default_state, of_entry
from claims.lab.prove import Made
from claims.lab.store import Store
from tests.cli.test_cli_epochs import AGREEMENT

METER = ("epoch", "seal", "hall-1", "-s", "alpha.store", "-a", "agreement.toml", "-k", "meter.key", "--unsigned", "--through")
LAB = ("epoch", "publish", "-s", "alpha.store", "-a", "agreement.toml", "-k", "alpha.key", "--through")
CLOSE = ("meter", "close", "hall-1", "--idle", "--yes", "-s", "alpha.store", "-a", "agreement.toml", "-k", "meter.key", "-n", 0)
CLOSE_LAB = ("lab", "close", "-s", "alpha.store", "-a", "agreement.toml", "-n", 0)
PROVE = ("prove", "-s", "alpha.store", "-a", "agreement.toml", "-k", "alpha.key", "-n", 0)
BEHIND = "is older than what was signed, or a copy"


class Killed(BaseException):
    """The process ends here."""


def kill(*_: object, **__: object) -> None:
    """Take the place of a step that is not reached any more."""
    raise Killed


class Site:
    """A folder with a lab, and the state folder of the machine on which its commands run."""

    def __init__(self, path: Path, state: Path) -> None:
        self.path, self.state = path, state

    def run(self, *arguments: object, code: int = 0) -> str:
        """Run a command; its output, errors included."""
        return run(self.path, *arguments, code=code, state=self.state)

    def copy(self, path: Path, state: Path | None = None) -> Site:
        """The same folder elsewhere, on this machine or another."""
        shutil.copytree(self.path, path)
        return Site(path, state or self.state)

    def entry(self, epoch: int) -> bytes:
        return (self.path / f"alpha-epoch-{epoch}.entry").read_bytes()

    def publish(self, *names: str) -> None:
        self.run("log", "append", "log", *names, "-k", "log.key", "-a", "agreement.toml")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("machine"))
    names = ("alpha", "operator", "witness", "cosign", "log")
    keys = {name: site.run("keygen", f"{name}.key", "--no-passphrase").strip() for name in names}
    opening = site.run("lab", "init", "alpha", "-s", "alpha.store").strip()
    options = ("--lab", "alpha", "--chip", "h100", "--chips", 8, "-k", "meter.key", "--no-passphrase")
    meter = site.run("meter", "init", "hall-1", *options)
    (site.path / "agreement.toml").write_text(AGREEMENT.format(opening=opening, meters=meter, **keys))
    site.run("log", "init", "log", "--origin", "example.org/log", "-k", "log.key")
    return site


@pytest.fixture
def site(made: Site, tmp_path: Path) -> Site:
    shutil.copytree(made.state, tmp_path / "machine")
    return made.copy(tmp_path / "site", tmp_path / "machine")


# ---- the store goes back, or in two --------------------------------------------------------------------------------


def test_an_older_backup_signs_nothing(site: Site, tmp_path: Path) -> None:
    site.run(*METER, 1)
    site.run(*LAB, 1)
    site.run("lab", "backup", "old.store", "-s", "alpha.store")
    assert (site.path / "old.store").stat().st_mode & 0o777 == 0o600
    site.run(*METER, 2)
    site.run(*LAB, 2)
    published = site.entry(2)
    assert "--replace" in site.run("lab", "restore", "old.store", "-s", "alpha.store", code=2)
    assert "published through 1" in site.run("lab", "restore", "old.store", "-s", "alpha.store", "--replace")
    text = site.run(*METER, 2, code=2)
    assert "this key has signed the root of epoch 2" in text and BEHIND in text and "use the newest store" in text
    assert "the log entry of epoch 2" in site.run(*LAB, 1, code=2)
    for path in (site.path / "alpha.store", site.path / "old.store"):
        with Store.open(path) as store:
            assert store.sealed_through(0, "hall-1") == 1, "nothing was signed"
    shutil.move(site.path / "alpha.store.before-restore", site.path / "newest.store")
    (site.path / "alpha.store").unlink()
    site.run("lab", "restore", "newest.store", "-s", "alpha.store")
    site.run(*METER, 3)
    site.run(*LAB, 3)
    assert site.entry(2) == published


def test_two_copies_on_one_machine_cannot_both_sign(site: Site, tmp_path: Path) -> None:
    site.run(*METER, 0)
    other = site.copy(tmp_path / "copy")
    site.run(*METER, 1)
    assert BEHIND in other.run(*METER, 1, code=2)
    site.run(*METER, 3)
    assert BEHIND in other.run(*METER, 5, code=2)
    third = site.copy(tmp_path / "third", tmp_path / "elsewhere")
    third.run("journal", "rebuild", "-s", "alpha.store", "-a", "agreement.toml", "--without-log")
    third.run(*METER, 4)
    site.run(*METER, 4)
    assert "holds another" in Site(third.path, site.state).run(*METER, 5, code=2), "both went on, and one comes back"


def test_two_processes_at_once_sign_one_root(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = site.copy(tmp_path / "copy")
    terms, key = load_agreement(site.path / "agreement.toml"), load_key_file(site.path / "meter.key")
    public, results = public_bytes(curve_half(key)), []
    from claims.lab.meter import SoftwareMeter
    from claims.lab.signing import signing

    barrier = threading.Barrier(2)

    def seal(place: Path) -> None:
        with Store.open(place / "alpha.store") as store:
            barrier.wait()
            try:
                with signing(store, terms, "hall-1", site.state):
                    results.append(SoftwareMeter("hall-1", key).seal_epoch(store, terms, 0).root)
            except JournalError as error:
                results.append(error)

    threads = [threading.Thread(target=seal, args=(place,)) for place in (site.path, other.path)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(isinstance(result, bytes) for result in results) == [False, True]
    with Journal.opened(site.state, public, "x", seen=True):
        monkeypatch.setattr(claims.lab.journal, "WAIT", 0.05)
        assert "another process is signing" in site.run(*METER, 1, code=2)


def test_with_the_log_at_hand_a_fresh_machine_notices(site: Site, tmp_path: Path) -> None:
    site.run(*METER, 0)
    old = site.copy(tmp_path / "old", tmp_path / "fresh")
    site.run(*METER, 1)
    site.run(*LAB, 1)
    site.publish("alpha-epoch-0.entry", "alpha-epoch-1.entry")
    log = str(site.path / "log")
    rebuild = ("journal", "rebuild", "-s", "alpha.store", "-a", "agreement.toml")
    assert "no journal of it" in old.run(*METER, 1, code=2)
    assert "the log has lab alpha's entry of epoch" in old.run(*rebuild, "--log", log, code=2)
    assert "--without-log" in old.run(*rebuild, code=2)
    assert "NOT CHECKED" in old.run(*rebuild, "--without-log")
    assert "the log has" in old.run(*METER, 1, "--log", log, code=2)
    assert "the log has" in old.run(*LAB, 0, "--log", log, code=2)
    site.run(*METER, 2, "--log", log)


def test_two_treaties_with_the_same_keys_have_stores_of_their_own(site: Site) -> None:
    site.run(*METER, 1)
    text = (site.path / "agreement.toml").read_text()
    head = re.search(r'opening_head = ".*"', text)
    opening = site.run("lab", "init", "alpha", "-s", "second.store").strip()
    (site.path / "second.toml").write_text(text.replace('name = "logged"', 'name = "second"').replace(head[0] if head else "", opening))
    second = [{"alpha.store": "second.store", "agreement.toml": "second.toml"}.get(str(word), word) for word in METER]
    site.run(*second, 2)
    site.run(*METER, 2)
    shutil.copy(site.path / "second.store", site.path / "old.store")
    site.run(*second, 3)
    shutil.move(site.path / "old.store", site.path / "second.store")
    assert BEHIND in site.run(*second, 3, code=2)


# ---- the journal -----------------------------------------------------------------------------------------------------


def test_without_its_journal_a_key_signs_nothing_until_it_is_made_again(site: Site, tmp_path: Path) -> None:
    site.run(*METER, 1)
    site.run(*LAB, 1)
    site.publish("alpha-epoch-0.entry", "alpha-epoch-1.entry")
    for lost in (site.state, tmp_path / "another-home"):
        if lost == site.state:
            shutil.rmtree(lost)
        site.state = lost
        for command in ((*METER, 2), (*LAB, 1), CLOSE):
            assert "has signed before, and this machine has no journal of it" in site.run(*command, code=2)
        text = site.run("journal", "rebuild", "-s", "alpha.store", "-a", "agreement.toml", "--log", "log")
        assert "lab alpha: journal made" in text and "meter hall-1: journal made" in text
    site.run(*METER, 2)
    assert "is there, and agrees" in site.run("journal", "rebuild", "-s", "alpha.store", "-a", "agreement.toml", "--log", "log")


@pytest.mark.parametrize("damage", ["junk", "empty", "page", "other", "loose"])
def test_a_damaged_journal_is_no_new_one(site: Site, damage: str) -> None:
    site.run(*METER, 1)
    path = Journal.place(site.state, public_bytes(curve_half(load_key_file(site.path / "meter.key"))))
    data = path.read_bytes()
    if damage == "other":
        with Journal.opened(site.state, bytes(32), "another key", seen=False):
            pass
        shutil.copy(Journal.place(site.state, bytes(32)), path)
    elif damage == "loose":
        path.chmod(0o644)
    else:
        path.write_bytes({"junk": os.urandom(9000), "empty": b"", "page": data[:4096] + os.urandom(len(data) - 4096)}[damage])
    text = site.run(*METER, 2, code=2)
    with Store.open(site.path / "alpha.store") as store:
        assert store.sealed_through(0, "hall-1") == 1
    if damage == "loose":
        assert "chmod 600" in text
        return
    assert "standstill journal rebuild" in text
    assert "made again" in site.run("journal", "rebuild", "-s", "alpha.store", "-a", "agreement.toml", "--without-log")
    site.run(*METER, 2)


@pytest.mark.parametrize("when", ["before the journal", "after the journal"])
def test_a_kill_between_store_journal_and_files_blocks_nothing(site: Site, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    site.run(*METER, 1)
    with monkeypatch.context() as patch:
        patch.setattr(*((Journal, "commit") if when == "before the journal" else (claims.claim.entries, "write_entry")), kill)
        for command in ((*METER, 2), (*LAB, 1))[when != "before the journal" :]:
            with pytest.raises(Killed):
                site.run(*command)
    with Store.open(site.path / "alpha.store") as store:
        head = store.epoch_head(1)
        assert head is not None
    site.run(*METER, 2)
    site.run(*LAB, 2)
    assert site.entry(1) == head.entry
    text = site.run("journal", "rebuild", "-s", "alpha.store", "-a", "agreement.toml", "--without-log")
    assert text.count("is there, and agrees") == 2


def test_the_journal_lies_apart_and_holds_no_secret(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.run(*METER, 3)
    with Store.open(site.path / "alpha.store") as store:
        secret = [seal.seed for seal in store.epoch_seals(0, "hall-1")]
    for path in site.state.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600 and path.suffix in (".journal", ".log-memory")
        data = path.read_bytes()
        assert not any(seed in data or seed.hex().encode() in data for seed in secret)
    assert not list(site.path.glob("*.journal"))
    for name, value, expected in (("STANDSTILL_STATE", "/a", "/a"), ("XDG_STATE_HOME", "/b", "/b/standstill")):
        monkeypatch.delenv("STANDSTILL_STATE", raising=False)
        monkeypatch.setenv(name, value)
        assert default_state() == Path(expected)
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/h")
    assert default_state() == Path("/h/.local/state/standstill")


def test_a_journal_is_compact_appends_only_and_refuses_a_second_statement(tmp_path: Path) -> None:
    many = [Statement(bytes(32), "epoch-root alpha hall-1", number, os.urandom(32)) for number in range(50_000)]
    with Journal.opened(tmp_path, bytes(32), "x", seen=False) as journal:
        journal.extend(bytes(32), many[0].subject, [(item.number, item.digest) for item in many])
    path = Journal.place(tmp_path, bytes(32))
    assert path.stat().st_size < 60 * len(many)
    with Journal.opened(tmp_path, bytes(32), "x", seen=True) as journal:
        assert journal.last(bytes(32), many[0].subject) == 49_999 and len(journal.statements()) == 1
        journal.add(many[7])
        with pytest.raises(JournalError, match="has signed the root of epoch 7 with other content"):
            journal.add(dataclasses.replace(many[7], digest=bytes(32)))
    db = sqlite3.connect(path)
    for text in ("UPDATE signed SET digest = zeroblob(32)", "DELETE FROM signed"):
        with pytest.raises(sqlite3.IntegrityError, match="stays signed"):
            db.execute(text)


def test_an_inspector_contradicts_itself_in_no_record(tmp_path: Path) -> None:
    entry = InspectionEntry(bytes(32), "beta", "alpha", 0, 2**63 + 5, 1, b"r" * 32)
    with Journal.opened(tmp_path, bytes(32), "beta", seen=False) as journal:
        journal.add(of_entry(entry))
    for other in (dataclasses.replace(entry, outcome=2), dataclasses.replace(entry, record=bytes(32))):
        with pytest.raises(JournalError, match="has signed a record of this inspection"):
            with Journal.opened(tmp_path, bytes(32), "beta", seen=True) as journal:
                journal.add(of_entry(entry))
                journal.add(of_entry(dataclasses.replace(entry, round=7)))
                journal.add(of_entry(other))
    with Journal.opened(tmp_path, bytes(32), "beta", seen=True) as journal:
        assert len(journal.statements()) == 1, "a batch that is refused leaves nothing"


def test_a_full_disk_under_the_journal_is_called_that(tmp_path: Path) -> None:
    many = [Statement(bytes(32), "epoch-root alpha hall-1", number, os.urandom(32)) for number in range(5000)]
    with pytest.raises(JournalError, match="no space is left on the disk of .*journal; free some"):
        with Journal.opened(tmp_path, bytes(32), "x", seen=False) as journal:
            journal._db.execute("PRAGMA max_page_count = 8")
            journal.extend(bytes(32), many[0].subject, [(item.number, item.digest) for item in many])
    with Journal.opened(tmp_path, bytes(32), "x", seen=True) as journal:
        journal.extend(bytes(32), many[0].subject, [(item.number, item.digest) for item in many])


# ---- claims --------------------------------------------------------------------------------------------------------


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Claims with a random string for a proof: every "proof" is another one, as real ones are."""
    count: list[int] = []

    def make(store: Store, agreement, period: int, key, **_: object) -> Made:  # type: ignore[no-untyped-def]
        count.append(period)
        heads = [store.signed_head(period, meter.name) for meter in agreement.lab(store.lab).meters]
        assert None not in heads
        before, after = store.registry_head(period - 1), store.registry_head(period)
        first, last = agreement.period_epochs(period)
        meters = tuple(MeterHead(h.meter, h.head, h.roots_digest, h.signature) for h in heads)
        unsigned = Claim(
            agreement.digest, store.lab, period, first, last, before.head, after.head, meters, bytes(64),
            secrets.token_bytes(100), bytes(64),
        )  # fmt: skip
        return Made(sign_claim(unsigned, key), None)  # type: ignore[arg-type]

    monkeypatch.setattr(claims.lab.prove, "make_claim", make)
    monkeypatch.setattr(claims.lab.prove, "verify_claim", lambda *_, **__: SimpleNamespace(missing=()))
    yield count


def files(site: Site) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in site.path.glob("alpha-0.*")}


@pytest.fixture
def closed(site: Site) -> Site:
    site.run(*CLOSE)
    site.run(*LAB, 3)
    site.run(*CLOSE_LAB)
    return site


@pytest.mark.parametrize("step", ["proof", "check", "keep", "journal", "later journal", "first file", "second file", "third file"])
def test_prove_stopped_anywhere_gives_one_claim(closed: Site, cheap: list[int], monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    write, calls = claims.base.files.write_once, []

    def write_some(path: Path, data: bytes, mode: int = 0o644) -> None:
        calls.append(path)
        if len(calls) == {"first file": 1, "second file": 2, "third file": 3}[step]:
            raise Killed
        write(path, data, mode)

    def commit_once(self: Journal) -> None:
        calls.append(self.path)
        if len(calls) == 2:  # the claim is kept by now
            raise Killed
        commit(self)

    commit = Journal.commit
    with monkeypatch.context() as patch:
        if step.endswith("file"):
            patch.setattr(claims.base.files, "write_once", write_some)
        elif step == "later journal":
            patch.setattr(Journal, "commit", commit_once)
        else:
            where = {"proof": (claims.lab.prove, "make_claim"), "check": (claims.lab.prove, "verify_claim"), "keep": (Store, "keep_claim")}
            patch.setattr(*where.get(step, (Journal, "commit")), kill)
        with pytest.raises(Killed):
            closed.run(*PROVE)
    assert "alpha-0.claim" not in files(closed)
    half = files(closed)
    closed.run(*PROVE)
    whole = files(closed)
    assert len(whole) == 3 and half.items() <= whole.items()
    assert len(cheap) == (2 if step in ("check", "keep") else 1), "a claim that was kept is not proven again"
    closed.run(*PROVE)
    closed.run(*PROVE, "--out", "elsewhere.claim")
    assert files(closed) == whole and (closed.path / "elsewhere.entry").read_bytes() == whole["alpha-0.entry"]


def test_another_file_in_the_way_gets_no_second_claim(closed: Site, cheap: list[int]) -> None:
    for name in ("alpha-0.claim", "alpha-0.roots", "alpha-0.entry"):
        (closed.path / name).write_bytes(b"another")
        text = closed.run(*PROVE, code=2)
        assert "move" in text and "choose another name" not in text and not cheap
        (closed.path / name).unlink()
    closed.run(*PROVE)
    (closed.path / "alpha-0.entry").write_bytes(b"another")
    text = closed.run(*PROVE, code=2)
    assert "another file; move it away" in text and len(cheap) == 1


def test_a_backup_from_before_the_claim_signs_no_second(closed: Site, cheap: list[int], tmp_path: Path) -> None:
    closed.run("lab", "backup", "before.store", "-s", "alpha.store")
    closed.run(*PROVE)
    first = files(closed)
    closed.run("lab", "restore", "before.store", "-s", "alpha.store", "--replace")
    with Store.open(closed.path / "alpha.store") as store:
        assert store.kept_claim(0) is None
    shutil.move(closed.path / "alpha-0.claim", tmp_path / "away")
    for name in ("alpha-0.entry", "alpha-0.roots"):
        (closed.path / name).unlink()
    assert "has signed the" in closed.run(*PROVE, code=2) and len(cheap) == 1
    shutil.move(tmp_path / "away", closed.path / "alpha-0.claim")
    closed.run(*PROVE)
    again = files(closed)
    words = [unsigned_bytes(decode_entry(found.pop("alpha-0.entry"))) for found in (first, again)]
    assert again == first and len(cheap) == 1, "the claim that is there is taken up"
    assert words[0] == words[1], "its entry was gone and is signed again: the same words"


def test_a_backup_from_before_the_close_closes_nothing_otherwise(site: Site, cheap: list[int]) -> None:
    site.run(*CLOSE)
    site.run(*LAB, 3)
    site.run("lab", "backup", "open.store", "-s", "alpha.store")
    site.run(*CLOSE_LAB)
    site.run(*PROVE)
    site.run("lab", "restore", "open.store", "-s", "alpha.store", "--replace")
    assert BEHIND in site.run(*CLOSE_LAB, code=2)
    assert "is not of what this store holds" in site.run(*PROVE, code=2)
    assert len(cheap) == 1


def test_entries_of_one_identity_are_one(site: Site) -> None:
    """The point of all this: over everything above, no two entries of one identity differ."""
    site.run(*METER, 1)
    site.run(*LAB, 1)
    again = decode_entry(site.entry(1))
    site.run(*LAB, 1, "--out", "again")
    assert unsigned_bytes(decode_entry((site.path / "again/alpha-epoch-1.entry").read_bytes())) == unsigned_bytes(again)
