"""An honest lab on a machine that is not as expected: files, clocks, passphrases, terminals. Each test is one wrong command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from desk import DAY, HOUR, START, Desk, Terminal

from claims.agreement.file import load_agreement
from claims.lab.store import Store
from tests.attacks.honest import JOB, JOBS, PERIOD, SEAL, SET_ASIDE, SIGN, change, load, sign_next

# ---- the machine ------------------------------------------------------------------------------------------------


def test_a_store_by_a_relative_path_a_link_and_a_path_with_spaces(desk: Desk) -> None:
    """One store under three names: the journal takes it for one."""
    desk.run(*SIGN)
    Path("a folder").mkdir()
    Path("lab.store").rename("a folder/my lab.store")
    Path("lab.store").symlink_to("a folder/my lab.store")
    for hour, name in enumerate(("lab.store", "a folder/my lab.store", Path("a folder/../a folder/my lab.store").absolute()), 1):
        desk.at(START + hour * HOUR)
        seal = ("epoch", "seal", "hall-1", "-s", name, "-a", "agreement.toml", "-k", "keys/hall-1.key")
        assert f"epoch {hour - 1} sealed" in desk.run(*seal)


def test_a_link_to_a_store_is_restored_over(desk: Desk) -> None:
    """The link is set aside, not what it leads to; nothing is lost."""
    desk.run("lab", "backup", "b", "-s", "lab.store")
    Path("lab.store").rename("real.store")
    Path("lab.store").symlink_to("real.store")
    before = Path("real.store").read_bytes()
    desk.run("lab", "restore", "b", "-s", "lab.store", "--replace")
    assert Path("real.store").read_bytes() == before
    desk.run("lab", "status", *desk.books)


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Kolkata", "UTC"])
def test_the_machine_s_time_zone(desk: Desk, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        desk.at(START + 2 * DAY)
        load(desk, "readings", JOBS + JOB)
        with Store.open("lab.store") as store:
            assert [item.epoch for item in store.usage(0, "hall-1")] == [0, 1, 2]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("kind", ["offset", "german", "excel"])
def test_numbers_and_times_of_another_locale(desk: Desk, kind: str) -> None:
    desk.at(START + 2 * DAY)
    text = {
        "offset": JOB.replace("T02:30:00Z", "T04:30:00+02:00"),
        "german": JOB.replace("2026-11-01T02:30:00Z", "01.11.2026 02:30"),
        "excel": JOB.replace(",3", ',"3,0"'),
    }[kind]
    load(desk, "readings", JOBS + text, code=0 if kind == "offset" else 2)


def test_semicolons_and_another_encoding(desk: Desk) -> None:
    desk.at(START + 2 * DAY)
    load(desk, "readings", (JOBS + JOB).replace(",", ";"), code=2)
    Path("file.csv").write_bytes((JOBS + JOB).encode("utf-16"))
    desk.run("import", "readings", "file.csv", *desk.books, code=2)
    Path("file.csv").write_bytes((JOBS + JOB.replace("run", "r\u00fcn")).encode("latin-1"))
    desk.run("import", "readings", "file.csv", *desk.books, code=2)


def test_a_byte_order_mark_and_windows_lines(desk: Desk) -> None:
    """Refused by name, or read as meant; never another column's name."""
    desk.at(START + 2 * DAY)
    Path("file.csv").write_bytes(b"\xef\xbb\xbf" + (JOBS + JOB).replace("\n", "\r\n").encode())
    desk.run("import", "readings", "file.csv", *desk.books)


def test_home_is_unset(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journals lie where the system says the home is, or the command says what to set; never in the folder it runs in."""
    from claims.lab import journal

    for name in ("STANDSTILL_STATE", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(journal.Path, "home", no_home)
    assert "--state" in desk.run(*SIGN, code=2)
    assert not Path("agreement.sigs").exists()


def test_a_read_only_state_folder(desk: Desk) -> None:
    """Also a file in its place: nothing is signed that no journal has."""
    Path("state").write_text("a file")
    text = desk.run(*SIGN, "--state", "state", code=2)
    assert "state" in text and not Path("agreement.sigs").exists()
    desk.at(START + HOUR)
    desk.run(*SEAL, "--unsigned", "--state", "state", code=2)
    assert desk.sealed() is None


def test_the_state_folder_is_full(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sealed is in the store; the next command brings the journal up."""
    import sqlite3

    from claims.lab.journal import Journal

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    desk.run(*SIGN)
    desk.at(START + HOUR)
    with monkeypatch.context() as patch, pytest.raises((sqlite3.OperationalError, AssertionError)):
        patch.setattr(Journal, "commit", full)
        desk.run(*SEAL)
    desk.at(START + 2 * HOUR)
    desk.run(*SEAL)
    assert desk.sealed() == 1


def test_another_state_folder(desk: Desk) -> None:
    """A typo in --state: the store shows that the key has signed."""
    desk.run(*SIGN)
    desk.at(START + HOUR)
    desk.run(*SEAL)
    desk.at(START + 2 * HOUR)
    assert "no journal of it" in desk.run(*SEAL, "--state", "typo", code=2)
    assert desk.sealed() == 0


@pytest.mark.parametrize("answer", ["yes", "no", "", "y\ny\ny\n"])
def test_an_answer_is_piped(desk: Desk, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal, no answer: ``yes | standstill meter close``."""
    import io

    desk.at(START + PERIOD)
    desk.work(0)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert "there is no terminal to ask on" in desk.close(0, code=2)
    assert desk.sealed() is None


@pytest.mark.parametrize("command", ["close", "sign"])
def test_control_c_at_the_prompt(desk: Desk, command: str, monkeypatch: pytest.MonkeyPatch) -> None:

    class Interrupted(Terminal):
        def readline(self, *_: object) -> str:  # type: ignore[override]
            raise KeyboardInterrupt

    desk.at(START + PERIOD)
    desk.work(0)
    monkeypatch.setattr("sys.stdin", Interrupted())
    text = desk.close(0, code=2) if command == "close" else desk.run(*SIGN, code=2)
    assert "aborted" in text and desk.sealed() is None and not Path("agreement.sigs").exists()


@pytest.mark.parametrize("kind", ["agreement", "readings", "key", "signatures", "decision"])
def test_a_huge_file(desk: Desk, kind: str) -> None:
    """A terabyte of nothing, by mistake of a name: refused at once, unread."""
    with Path("huge.toml").open("wb") as file:
        file.truncate(2**40)
    Path("huge.toml").chmod(0o600)
    command = {
        "agreement": ("agreement", "check", "huge.toml"),
        "readings": ("import", "readings", "huge.toml", *desk.books),
        "key": (*SIGN[:-1], "huge.toml"),
        "signatures": ("agreement", "verify", "agreement.toml", "--signatures", "huge.toml"),
        "decision": ("decision", "check", "huge.toml", "-a", "agreement.toml"),
    }[kind]
    assert "larg" in desk.run(*command, code=2)


# ---- keys and passphrases -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["wrong\n", "", "\n", "secret", "secret\r\n", "secret\nmore\n", "\ufeffsecret\n", " x\n"], ids=repr)
def test_a_passphrase_file(desk: Desk, content: str) -> None:
    """What opens the key opens it again: `keygen` and `sign` read a file alike, and a wrong one signs nothing and names no secret."""
    Path("right").write_bytes(b"secret\n")
    Path("right").chmod(0o600)
    public = desk.run("keygen", "x.key", "--passphrase-file", "right").strip()
    old = load_agreement("agreement.toml").parties[0].key
    from claims.base.keys import public_text

    change("agreement.toml", (public_text(old), public))
    Path("pass").write_bytes(content.encode())
    Path("pass").chmod(0o600)
    opens = content in ("secret", "secret\r\n", "secret\nmore\n")
    text = desk.run("agreement", "sign", "agreement.toml", "-k", "x.key", "--passphrase-file", "pass", code=0 if opens else 2)
    assert opens == Path("agreement.sigs").exists()
    assert opens or ("secret" not in text.replace("passphrase", "") and "wrong\n" not in text)


def test_a_key_folder_that_is_read_only(desk: Desk) -> None:
    """Signing writes nothing beside the keys."""
    desk.run(*SIGN)
    desk.at(START + HOUR)
    Path("keys").chmod(0o500)
    try:
        assert "epoch 0 sealed" in desk.run(*SEAL)
        assert sorted(path.name for path in Path("keys").iterdir()) == ["hall-1.key", "hall-2.key"]
    finally:
        Path("keys").chmod(0o700)


def test_everything_is_made_under_an_open_umask(desk: Desk, tmp_path: Path) -> None:
    import os

    before = os.umask(0)
    try:
        desk.run("keygen", "x.key", "--no-passphrase")
        desk.run("lab", "backup", "b", "-s", "lab.store")
        desk.run("lab", "init", "other", "-s", "other.store")
        desk.run("lab", "restore", "b", "-s", "new.store")
        desk.run(*SIGN, "--state", "state")
    finally:
        os.umask(before)
    secret = [Path(name) for name in ("x.key", "b", "other.store", "new.store")] + list(Path("state").iterdir())
    assert len(secret) == 5 and all(path.stat().st_mode & 0o077 == 0 for path in secret) and Path("state").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("command", ["seal", "publish", "close", "prove", "cosign"])
def test_the_key_of_another_role(logged: Desk, command: str) -> None:
    """Every signing command with every other role's key: nothing is signed, nothing is written."""
    from claims.cli.main import main

    def files() -> dict[Path, bytes]:
        every = (path for path in sorted(Path().rglob("*")) if path.is_file())
        return {path: path.read_bytes() for path in every if "store" not in path.name and not path.name.startswith(".")}

    right = {"publish": "lab", "prove": "lab", "cosign": "cosign"}.get(command)
    logged.at(START + PERIOD if command == "close" else START + 2 * HOUR)
    before = files()
    for role in {"lab", "keys/hall-2", "cosign", "log", "rival", "operator"} - {right}:
        arguments = {
            "seal": ("epoch", "seal", "hall-1", *logged.books, "-k", f"{role}.key"),
            "publish": ("epoch", "publish", *logged.books, "-k", f"{role}.key", "-o", "other", "--through", 0),
            "close": ("meter", "close", "hall-1", *logged.books, "-n", 0, "-k", f"{role}.key", "--yes", "--idle", "--clock-is-right"),
            "prove": ("prove", *logged.books, "-n", 0, "-k", f"{role}.key"),
            "cosign": ("log", "cosign", "LOG", "-a", "agreement.toml", "--name", "rival", "-k", f"{role}.key", "--memory", "m"),
        }[command]
        with pytest.raises(SystemExit) as stop:
            main([str(item) for item in arguments])
        assert stop.value.code in (1, 2) and files() == before, role


# ---- two terminals, living stores ---------------------------------------------------------------------------------


def test_a_store_is_restored_while_a_collector_has_it_open(desk: Desk) -> None:
    """The collector's last pages and the backup's would be mixed, or its file be written on unseen: refused while it runs."""
    desk.run(*SIGN)
    desk.run("lab", "backup", "b", "-s", "lab.store")
    desk.at(START + HOUR)
    with Store.open("lab.store") as living:
        desk.run(*SEAL)
        before = Path("lab.store").stat().st_ino
        assert "in use" in desk.run("lab", "restore", "b", "-s", "lab.store", "--replace", code=2)
        assert Path("lab.store").stat().st_ino == before and not Path("lab.store.before-restore").exists()
        assert living.last_sealed("hall-1") == 0
    desk.run("lab", "restore", "b", "-s", "lab.store", "--replace")
    assert desk.sealed() is None
    assert "older than what was signed" in desk.run(*SEAL, code=2)
    with Store.open("lab.store.before-restore") as kept:
        assert kept.last_sealed("hall-1") == 0


def test_what_a_killed_process_left_beside_a_store_is_restored_over(desk: Desk) -> None:
    """Its -wal holds what was committed: it goes aside with the store, and never into the backup's pages."""
    import os

    desk.run(*SIGN)
    desk.run("lab", "backup", "b", "-s", "lab.store")
    desk.at(START + HOUR)
    with Store.open("lab.store"):
        desk.run(*SEAL)
        for name in ("lab.store", "lab.store-wal", "lab.store-shm"):
            shutil.copy(name, f"copy-{name}")
    for name in ("lab.store", "lab.store-wal", "lab.store-shm"):
        os.replace(f"copy-{name}", name)
    desk.run("lab", "restore", "b", "-s", "lab.store", "--replace")
    assert desk.sealed() is None
    Path("lab.store").unlink()
    Path("lab.store.before-restore").rename("lab.store")
    assert desk.sealed() == 0


def in_two_terminals(desk: Desk, monkeypatch: pytest.MonkeyPatch, where: str, what: object, *command: object) -> list[object]:
    """Runs the same command a second time at the moment when the first calls a function; exit codes, the inner one first."""
    import importlib

    from claims.cli.main import main

    module, name = where.rsplit(".", 1)
    codes: list[object] = []
    original = getattr(importlib.import_module(module), name)

    def meanwhile(*arguments: object, **named: object) -> object:
        monkeypatch.setattr(where, original)
        with pytest.raises(SystemExit) as stop:
            main([str(item) for item in command])
        codes.append(stop.value.code)
        return original(*arguments, **named)

    monkeypatch.setattr(where, meanwhile)
    with pytest.raises(SystemExit) as stop:
        main([str(item) for item in command])
    return [*codes, stop.value.code]


@pytest.mark.parametrize("command", ["close", "lab close", "import", "seal", "publish", "set-aside"])
def test_two_operators_in_two_terminals(turned: Desk, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finishes in the middle of the first: nothing is signed or charged twice."""
    turned.at(START + 2 * PERIOD)
    turned.usage("hall-1,120,,3600", "hall-2,239,,3600")
    if command in ("lab close", "set-aside"):
        turned.close(1, "--yes")
    if command == "set-aside":
        sign_next(turned)
    if command == "publish":
        for name in ("hall-1", "hall-2"):
            turned.run("epoch", "seal", name, *turned.books, "-k", f"keys/{name}.key", "--through", 120)
    Path("more.csv").write_text("meter,epoch,checkpoint,chip_seconds\nhall-1,130,,60\n")
    where, arguments = {
        "close": ("claims.cli.close._ask", ("meter", "close", "--all", *turned.books, "-n", 1, "--keys", "keys", "--yes")),
        "lab close": ("claims.cli.state.learn_amendment", ("lab", "close", *turned.books, "-n", 1)),
        "import": ("claims.imports.usage.check_enrolled", ("import", "readings", "more.csv", *turned.books)),
        "seal": ("claims.lab.closing.check_evidence", (*SEAL, "--through", 125)),
        "publish": ("claims.lab.closing.next_epoch", ("epoch", "publish", *turned.books, "-k", "lab.key", "-o", "entries")),
        "set-aside": ("claims.lab.registry.keep_calendar", SET_ASIDE),
    }[command]
    if command in ("lab close",):
        where = "claims.agreement.file.load_agreement"
    codes = in_two_terminals(turned, monkeypatch, where, None, *arguments)
    assert codes[0] == 0 and codes[1] in (0, 2), codes
    with Store.open("lab.store") as store:
        if command == "import":
            assert [item.chip_ms for item in store.usage(1, "hall-1")] == [3_600_000, 60_000]
        if command == "set-aside":
            assert store.last_sealed("hall-1") == 119
    Store.open("before" if command == "set-aside" else "lab.store").close()


def test_the_backup_is_named_for_the_store(desk: Desk) -> None:
    """A cron line with the backup's name: the journal sees to it that one of the two goes on, and the message says which."""
    desk.run(*SIGN)
    desk.at(START + HOUR)
    desk.run(*SEAL)
    desk.run("lab", "backup", "b", "-s", "lab.store")
    desk.at(START + 2 * HOUR)
    wrong = tuple("b" if item == "lab.store" else item for item in SEAL)
    desk.run(*wrong)
    assert "use the newest store" in desk.run(*SEAL, code=2)
    desk.run("lab", "restore", "b", "-s", "lab.store", "--replace")
    desk.at(START + 3 * HOUR)
    assert "epoch 2 sealed" in desk.run(*SEAL)
