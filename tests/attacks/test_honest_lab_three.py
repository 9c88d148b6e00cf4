"""An honest lab harmed by one wrong command, third round. Each test is one attempt; its id or docstring names the mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk import HOUR, START, Desk
from inspect_fixtures import OPEN, Folder

from claims.agreement.file import load_agreement
from claims.lab.store import Store
from tests.attacks.test_honest_lab import PERIOD
from tests.attacks.test_honest_lab_two import SEAL, SIGN, amendment, change, inspected, logged  # noqa: F401  (fixtures)

NEXT = ("-s", "lab.store", "-a", "next.toml")
SEAL_NEXT = ("epoch", "seal", "hall-1", *NEXT, "-k", "keys/hall-1.key")


# ---- cron still names the agreement before an amendment ---------------------------------------------------------


@pytest.fixture
def turned(desk: Desk) -> Desk:
    """Period 0 is closed, and period 1 has begun; ``next.toml`` amends the agreement from period 1 on, and nobody has signed it."""
    desk.run(*SIGN)
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    desk.run("lab", "close", *desk.books, "-n", 0)
    amendment(desk, 1)
    desk.at(START + PERIOD + HOUR)
    return desk


def sign_next(desk: Desk) -> str:
    return desk.run("agreement", "sign", "next.toml", "-k", "lab.key")


def test_cron_names_the_agreement_that_was_amended(turned: Desk) -> None:
    """The lab's key signed the amendment on this machine: nothing is sealed under the old one, and the message says what to name."""
    said = sign_next(turned)
    digest = load_agreement("next.toml").digest.hex()
    assert "From 2026-11-06T00:00:00Z, which has begun, on name next.toml" in said
    text = turned.run(*SEAL, code=2)
    assert f"from period 1 on {digest} counts" in text and "in cron too" in text and turned.sealed() == 119
    assert "epoch 120 sealed" in turned.run(*SEAL_NEXT)
    turned.run(*SEAL, code=2)
    assert turned.sealed() == 120


def test_the_lab_signed_on_another_machine(turned: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the lab's journal here, the store knows it from the first use of the amendment."""
    turned.run("agreement", "sign", "next.toml", "-k", "lab.key", "--state", "elsewhere")
    for name in ("hall-2",):
        turned.run("epoch", "seal", name, *NEXT, "-k", f"keys/{name}.key")
    assert "another one" not in turned.run(*SEAL, code=2)
    assert turned.sealed() == 119


@pytest.mark.parametrize("command", ["publish", "meter", "lab", "prove"])
def test_what_else_names_it(turned: Desk, command: str) -> None:
    turned.at(START + 2 * PERIOD)
    turned.usage("hall-1,120,,3600", "hall-2,239,,3600")
    sign_next(turned)
    text = {
        "publish": lambda: turned.run("epoch", "publish", *turned.books, "-k", "lab.key", "-o", "entries", code=2),
        "meter": lambda: turned.close(1, "--yes", code=2),
        "lab": lambda: turned.run("lab", "close", *turned.books, "-n", 1, code=2),
        "prove": lambda: turned.run("prove", *turned.books, "-n", 1, "-k", "lab.key", code=2),
    }[command]()
    assert load_agreement("next.toml").digest.hex() in text
    assert turned.sealed() == 119


def test_the_old_agreement_goes_on_through_its_last_period(desk: Desk) -> None:
    """Cron names it still: what is left of the period before is sealed, no more, and the exit code says so."""
    desk.run(*SIGN)
    amendment(desk, 1)
    sign_next(desk)
    desk.at(START + 2 * HOUR)
    assert "epochs 0 to 1 sealed" in desk.run(*SEAL)
    desk.at(START + PERIOD + 2 * HOUR)
    text = desk.run(*SEAL, "--clock-is-right", code=2)
    assert "epochs 2 to 119 sealed" in text and "from period 1 on" in text and desk.sealed() == 119


def test_an_amendment_that_never_came_into_force(turned: Desk) -> None:
    """The lab signed it, and another party did not."""
    sign_next(turned)
    digest = load_agreement("next.toml").digest.hex()
    turned.run(*SEAL, code=2)
    turned.run("lab", "not-in-force", "00" * 32, "-s", "lab.store", code=2)
    assert "not in force" in turned.run("lab", "not-in-force", digest, "-s", "lab.store")
    for hour in (1, 2):
        turned.at(START + PERIOD + hour * HOUR)
        assert f"epoch {119 + hour} sealed" in turned.run(*SEAL)


def test_an_amendment_under_which_was_signed_is_said_not_to_be_in_force(turned: Desk) -> None:
    sign_next(turned)
    turned.run(*SEAL_NEXT)
    digest = load_agreement("next.toml").digest.hex()
    assert "has signed epochs" in turned.run("lab", "not-in-force", digest, "-s", "lab.store", code=2)


def test_a_second_text_of_the_amendment_is_signed(turned: Desk) -> None:
    """The first was a draft that others did not sign: the second may be signed, and used."""
    sign_next(turned)
    change("next.toml", ('name = "next"', 'name = "third"'), target="third.toml")
    turned.run("agreement", "sign", "third.toml", "-k", "lab.key")
    assert "epoch 120 sealed" in turned.run("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "third.toml", "-k", "keys/hall-1.key")
    turned.run(*SEAL, code=2)


# ---- and has sealed already --------------------------------------------------------------------------------------


SET_ASIDE = ("lab", "set-aside", *NEXT, "--backup", "before")


def test_epochs_were_sealed_under_the_old_agreement(turned: Desk) -> None:
    """The amendment was signed after its first period had begun, or where neither store nor journal could know: not stuck for ever."""
    turned.usage("hall-1,120,,100")
    turned.run(*SEAL)
    sign_next(turned)
    turned.at(START + PERIOD + 2 * HOUR)
    assert "lab set-aside" in turned.run(*SEAL_NEXT, code=2)
    text = turned.run(*SET_ASIDE)
    assert "set aside: hall-1, epochs 120 to 120" in text and "before: the store as it was" in text
    assert "epochs 120 to 121 sealed" in turned.run(*SEAL_NEXT)
    with Store.open("lab.store") as store:
        assert {seal.agreement for seal in store.epoch_seals(1, "hall-1")} == {load_agreement("next.toml").digest}
        assert [item.chip_seconds for item in store.epoch_readings("hall-1", 120)] == [100, 28700]
    turned.run(*SEAL, code=2)
    assert "nothing from period 1 on is signed under" in turned.run("lab", "set-aside", *NEXT, "--backup", "again", code=2)
    assert turned.sealed() == 121


def test_a_whole_period_was_closed_under_the_old_agreement(turned: Desk) -> None:
    """Registry and all: its checkpoints are noted as before, and the claim follows that of the period before."""
    from tests.attacks.test_honest_lab import SAVED, load

    turned.at(START + 2 * PERIOD)
    load(turned, "checkpoints", SAVED + "first,,2026-11-06T02:30:00Z\nrun,first,2026-11-07T02:30:00Z\nside,first,2026-11-08T02:30:00Z\n")
    turned.usage("hall-1,120,first,3600", "hall-2,140,run,3600", "hall-2,239,,60")
    turned.close(1, "--yes")
    turned.run("lab", "close", *turned.books, "-n", 1)
    with Store.open("lab.store") as store:
        closed = store.entries()
    sign_next(turned)
    text = turned.run(*SET_ASIDE)
    assert "open again: the registry of period 1" in text and "hall-2, epochs 120 to 239" in text
    close = ("meter", "close", "--all", *NEXT, "-n", 1, "--keys", "keys", "--yes")
    turned.run(*close)
    turned.run("lab", "close", *NEXT, "-n", 1)
    with Store.open("lab.store") as store:
        assert store.entries() == closed and len(closed) == 5
        assert store.signed_head(1, "hall-2").agreement_digest == load_agreement("next.toml").digest


def test_nothing_is_set_aside_for_a_draft(turned: Desk) -> None:
    turned.run(*SEAL)
    assert "not signed by lab" in turned.run(*SET_ASIDE, code=2)
    assert turned.sealed() == 120 and not Path("before").exists()


def test_what_counts_is_set_aside(turned: Desk) -> None:
    """The two agreements are confused: what was sealed under the amendment stays."""
    sign_next(turned)
    turned.run(*SEAL_NEXT)
    digest = load_agreement("next.toml").digest.hex()
    back = ("lab", "set-aside", *turned.books, "--backup", "before")
    assert "amends none" in turned.run(*back, code=2)
    assert "amends this agreement" in turned.run(*back, "--of", digest, code=2)
    assert turned.sealed() == 120


def test_epochs_were_sealed_under_a_draft(desk: Desk) -> None:
    """With --unsigned, and then a word of the draft was changed."""
    desk.run(*SIGN)
    change("agreement.toml", ('name = "desk"', 'name = "draft"'), target="draft.toml")
    desk.at(START + 2 * HOUR)
    desk.run("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "draft.toml", "-k", "keys/hall-1.key", "--unsigned")
    desk.run(*SEAL, code=2)
    digest = load_agreement("draft.toml").digest.hex()
    desk.run("lab", "set-aside", *desk.books, "--of", digest, "--backup", "before")
    assert "epochs 0 to 1 sealed" in desk.run(*SEAL)


def test_the_store_as_it_was_is_put_back(turned: Desk) -> None:
    """After the new seals: the old store signs nothing, under either agreement."""
    turned.run(*SEAL)
    sign_next(turned)
    turned.run(*SET_ASIDE)
    turned.run(*SEAL_NEXT)
    turned.run("lab", "restore", "before", "-s", "lab.store", "--replace")
    turned.at(START + PERIOD + 3 * HOUR)
    turned.run(*SEAL, code=2)
    turned.run(*SEAL_NEXT, code=2)
    assert "older than what was signed" in turned.run("lab", "set-aside", *NEXT, "--backup", "b2") + turned.run(*SEAL_NEXT, code=2)


# ---- amendments, and files that name the wrong agreement --------------------------------------------------------


def test_usage_is_imported_under_the_agreement_that_was_amended(turned: Desk) -> None:
    """hall-2 is hall-3 from period 1 on: what cron imports for hall-2 would be in no claim, unsaid."""
    change("next.toml", ('name = "hall-2"', 'name = "hall-3"'), target="next.toml")
    sign_next(turned)
    text = turned.usage("hall-2,120,,3600", code=2)
    assert load_agreement("next.toml").digest.hex() in text
    with Store.open("lab.store") as store:
        assert store.usage(1, "hall-2") == []


def test_figures_are_read_against_the_caps_of_the_agreement_that_was_amended(turned: Desk) -> None:
    sign_next(turned)
    assert load_agreement("next.toml").digest.hex() in turned.run("lab", "status", *turned.books, "-n", 1, code=2)
    assert "period 0" in turned.run("lab", "status", *turned.books, "-n", 0)


def test_a_snapshot_under_the_agreement_that_was_amended(turned: Desk) -> None:
    turned.usage("hall-1,120,run,100")
    sign_next(turned)
    turned.at(START + 2 * PERIOD)
    snapshot = ("lab", "snapshot", "run", "--root", "-n", 1)
    turned.run(*snapshot, *turned.books, code=2)
    turned.run(*snapshot, *NEXT)


def test_a_meter_of_period_0_is_imported_under_the_amendment(turned: Desk) -> None:
    """Last month's file, in this month: it is refused, whole."""
    sign_next(turned)
    Path("usage.csv").write_text("meter,epoch,checkpoint,chip_seconds\nhall-1,119,,60\nhall-1,120,,60\n")
    turned.run("import", "readings", "usage.csv", *NEXT, code=2)
    with Store.open("lab.store") as store:
        assert store.usage(1, "hall-1") == []


def test_the_lab_is_renamed_by_an_amendment(turned: Desk) -> None:
    """The store is of the old name: it says so, and signs nothing."""
    text = Path("next.toml").read_text().replace('name = "lab"', 'name = "lab-x"').replace('lab = "lab"', 'lab = "lab-x"')
    Path("next.toml").write_text(text)
    sign_next(turned)
    assert "'lab' is not a lab" in turned.run(*SEAL_NEXT, code=1)
    assert turned.sealed() == 119


def test_an_amendment_from_a_period_that_is_closed(turned: Desk) -> None:
    """Signed after the fact: the terminal says that the period has begun, and nothing of period 0 is lost."""
    turned.at(START + 2 * PERIOD)
    turned.usage("hall-1,120,,60", "hall-2,239,,60")
    turned.close(1, "--yes")
    turned.run("lab", "close", *turned.books, "-n", 1)
    assert "which has begun" in sign_next(turned)
    turned.run("lab", "close", *NEXT, "-n", 1, code=2)
    assert "lab set-aside" in turned.run("meter", "close", "--all", *NEXT, "-n", 1, "--keys", "keys", "--yes", code=2)
    turned.run(*SET_ASIDE)
    turned.run("meter", "close", "--all", *NEXT, "-n", 1, "--keys", "keys", "--yes")
    turned.run("lab", "close", *NEXT, "-n", 1)


def test_the_key_of_a_meter_changes_in_the_middle_of_a_period(turned: Desk) -> None:
    """A new key under the old agreement, and the old one under the new: neither signs. The table cannot be swapped in place."""
    turned.run("keygen", "keys/new.key", "--no-passphrase", "--ed25519")
    public = turned.run("keygen", "keys/newer.key", "--no-passphrase", "--ed25519").strip()
    old = next(line for line in Path("next.toml").read_text().split('name = "hall-1"')[1].splitlines() if line.startswith("key"))
    change("next.toml", (old, f'key = "{public}"'), target="next.toml")
    sign_next(turned)
    assert "its key is not the one in the agreement" in turned.run(*SEAL_NEXT, code=2)
    turned.run(*SEAL[:-1], "keys/new.key", code=2)
    assert turned.sealed() == 119
    assert "epoch 120 sealed" in turned.run(*SEAL_NEXT[:-1], "keys/newer.key")


def test_the_key_is_changed_in_the_signed_file(desk: Desk) -> None:
    """Edited in place: the signatures are of another agreement."""
    desk.run(*SIGN)
    public = desk.run("keygen", "keys/new.key", "--no-passphrase", "--ed25519").strip()
    old = load_agreement("agreement.toml").lab("lab").meter("hall-1").key
    from claims.base.keys import public_text

    change("agreement.toml", (public_text(old), public))
    desk.at(START + HOUR)
    assert "is not what agreement.sigs is about" in desk.run(*SEAL[:-1], "keys/new.key", code=2)


@pytest.mark.parametrize("how", ["crlf", "spaces", "comment", "order", "bom"])
def test_the_signed_file_is_edited_by_an_editor(desk: Desk, how: str) -> None:
    """Whitespace, line ends, order of tables: the same agreement. A byte order mark is named."""
    desk.run(*SIGN)
    digest, text = load_agreement("agreement.toml").digest, Path("agreement.toml").read_text()
    new = {
        "crlf": text.replace("\n", "\r\n"), "spaces": text.replace(" = ", "   =  "), "comment": text.replace("\n[", "   # a note\n["),
        "order": text.replace('epoch = "1 h"\nperiod = "5 d"', 'period = "5 d"\nepoch = "1 h"'), "bom": "\ufeff" + text,
    }[how]  # fmt: skip
    assert new != text
    Path("agreement.toml").write_bytes(new.encode())
    desk.at(START + HOUR)
    if how == "bom":
        assert "byte order mark" in desk.run(*SEAL, code=2)
        return
    assert load_agreement("agreement.toml").digest == digest
    assert "epoch 0 sealed" in desk.run(*SEAL)


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
def test_the_key_of_another_role(logged: Desk, command: str) -> None:  # noqa: F811
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
    import shutil

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


# ---- logs and clocks ------------------------------------------------------------------------------------------------


ENTRY = "entries/lab-epoch-0.entry"


def test_an_entry_goes_to_the_wrong_log(logged: Desk) -> None:  # noqa: F811
    """Another log of the same operator, without and with the agreement: what is public twice contradicts nothing."""
    logged.run("keygen", "log2.key", "--no-passphrase")
    logged.run("log", "init", "LOG2", "--origin", "example.org/other", "-k", "log2.key")
    assert "the agreement's log is not example.org/other" in logged.run(
        "log", "append", "LOG2", ENTRY, "-k", "log2.key", "-a", "agreement.toml", code=1
    )
    logged.run("log", "append", "LOG2", ENTRY, "-k", "log.key", code=1)
    logged.run("log", "append", "LOG2", ENTRY, "-k", "log2.key")
    logged.run("log", "append", "LOG", ENTRY, "-k", "log.key", "-a", "agreement.toml")
    publish = ("epoch", "publish", *logged.books, "-k", "lab.key", "-o", "entries", "--log", "LOG2")
    assert "of another log, 'example.org/other'" in logged.run(*publish, code=2)


def test_a_countersigner_s_clock_is_far_ahead(logged: Desk) -> None:  # noqa: F811
    """A receipt of the year 2036 would say that the entry came in ten years late, and its date stays: refused, as for cosigners."""
    counter = ("log", "countersign", ENTRY, "-a", "agreement.toml", "-k", "rival.key")
    for years in (1, 10, 1000):
        logged.at(START + years * 365 * 24 * HOUR)
        assert "clock" in logged.run(*counter, code=2)
    assert not Path("entries/lab-epoch-0.receipt").exists()
    logged.at(START + 2 * HOUR)
    logged.run(*counter)


def test_a_clock_that_goes_back(logged: Desk) -> None:  # noqa: F811
    """After the clock was right: nothing is sealed or published twice, and the log gets no head before its last."""
    logged.run("log", "append", "LOG", ENTRY, "-k", "log.key", "-a", "agreement.toml")
    head = Path("LOG/checkpoint").read_bytes()
    logged.at(START + 5 * HOUR)
    for name in ("hall-1", "hall-2"):
        logged.run("epoch", "seal", name, *logged.books, "-k", f"keys/{name}.key", "--through", 1)
    logged.run("epoch", "publish", *logged.books, "-k", "lab.key", "-o", "entries", "--through", 1)
    logged.at(START + 600)
    logged.run("epoch", "seal", "hall-1", *logged.books, "-k", "keys/hall-1.key", "--through", 2, code=2)
    logged.run("log", "append", "LOG", "entries/lab-epoch-1.entry", "-k", "log.key", "-a", "agreement.toml", code=2)
    assert Path("LOG/checkpoint").read_bytes() == head
    assert logged.sealed() == 1


# ---- the same again, elsewhere, or too late ----------------------------------------------------------------------


def test_entries_were_published_under_the_old_agreement(turned: Desk) -> None:
    """What is published again has the old files' names: they are not overwritten, and the message says what to do."""
    turned.usage("hall-1,120,,100", "hall-2,120,,100")
    for name in ("hall-1", "hall-2"):
        turned.run("epoch", "seal", name, *turned.books, "-k", f"keys/{name}.key", "--clock-is-right")
    publish = ("epoch", "publish", "-s", "lab.store", "-k", "lab.key", "-o", "entries", "-a")
    turned.run(*publish, "agreement.toml", "--through", 120)
    old = Path("entries/lab-epoch-120.entry").read_bytes()
    sign_next(turned)
    turned.run(*SET_ASIDE)
    for name in ("hall-1", "hall-2"):
        turned.run("epoch", "seal", name, *NEXT, "-k", f"keys/{name}.key")
    assert "is another file; move it away" in turned.run(*publish, "next.toml", code=2)
    assert Path("entries/lab-epoch-120.entry").read_bytes() == old
    turned.run(*publish[:-2], "again", "-a", "next.toml")
    assert Path("again/lab-epoch-120.entry").read_bytes() != old
    assert "no equivocation" in turned.run("evidence", "entries/lab-epoch-120.entry", "again/lab-epoch-120.entry", "-a", "next.toml")


def test_a_backup_s_name_is_taken(turned: Desk) -> None:
    turned.run(*SEAL)
    sign_next(turned)
    Path("before").write_bytes(b"mine")
    turned.run(*SET_ASIDE, code=2)
    assert turned.sealed() == 120 and Path("before").read_bytes() == b"mine"
    assert "lab set-aside" in turned.run(*SEAL_NEXT, code=2), "nothing was noted either"


def test_another_lab_s_store_is_set_aside(turned: Desk) -> None:
    sign_next(turned)
    turned.run("lab", "init", "other", "-s", "other.store")
    turned.run("lab", "init", "lab", "-s", "second.store")
    for name, code in (("other.store", 1), ("second.store", 2)):
        turned.run("lab", "set-aside", "-s", name, "-a", "next.toml", "--backup", "before", code=code)
        assert not Path("before").exists()


@pytest.mark.parametrize("digest", ["", "xyz", "12", "G" * 64], ids=repr)
def test_a_digest_with_a_typo(turned: Desk, digest: str) -> None:
    sign_next(turned)
    turned.run("lab", "set-aside", *NEXT, "--backup", "b", "--of", digest, code=2)
    turned.run("lab", "not-in-force", digest, "-s", "lab.store", code=2)
    assert not Path("b").exists()


def test_an_amendment_is_in_force_that_was_said_not_to_be(turned: Desk) -> None:
    """The others signed after all: its first use with all signatures counts again, and what was sealed meanwhile is not lost."""
    sign_next(turned)
    turned.run(*SEAL, code=2)
    turned.run("lab", "not-in-force", load_agreement("next.toml").digest.hex(), "-s", "lab.store")
    assert "epoch 120 sealed" in turned.run(*SEAL)
    assert "lab set-aside" in turned.run(*SEAL_NEXT, code=2)
    turned.run(*SET_ASIDE)
    assert "epoch 120 sealed" in turned.run(*SEAL_NEXT)
    turned.run(*SEAL, code=2)


def test_the_amendment_overwrites_the_agreement_s_file(desk: Desk) -> None:
    """Before the last epochs of the period before are sealed: it says that they come first, under the agreement that held then."""
    desk.run(*SIGN)
    desk.at(START + 2 * HOUR)
    desk.run(*SEAL)
    amendment(desk, 1)
    sign_next(desk)
    for end in ("toml", "sigs"):
        Path(f"agreement.{end}").rename(f"old.{end}")
        Path(f"next.{end}").rename(f"agreement.{end}")
    desk.at(START + PERIOD + HOUR)
    desk.run(*SEAL, "--clock-is-right", code=2)
    assert desk.sealed() == 1
    old = ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "old.toml", "-k", "keys/hall-1.key", "--clock-is-right")
    assert "epochs 2 to 119 sealed" in desk.run(*old, code=2)
    assert "epoch 120 sealed" in desk.run(*SEAL, "--clock-is-right")


@pytest.mark.slow
def test_an_opening_is_made_twice(inspected: Folder) -> None:  # noqa: F811
    """The lab opens again what it opened, to the same inspector: both pass, and they show the same."""
    from claims.inspection.file import Opening

    for name in ("one.opening", "two.opening"):
        inspected.run(*OPEN, "--out", name)
    one, two = (Opening.decode((inspected.path / name).read_bytes()) for name in ("one.opening", "two.opening"))
    assert (one.readings, one.slots, one.to) == (two.readings, two.slots, two.to)


def test_an_opening_after_an_older_backup(inspected: Folder, tmp_path: Path) -> None:  # noqa: F811
    """A store from before the period: what it cannot open it says, and writes nothing."""
    import shutil

    other = type(inspected)(tmp_path / "copy")
    shutil.copytree(inspected.path, other.path)
    store = OPEN[OPEN.index("-s") + 1]
    (other.path / str(store)).unlink()
    other.run("lab", "init", "alpha", "-s", store)
    before = sorted(other.path.iterdir())
    with pytest.raises(AssertionError):
        other.run(*OPEN, code=0)
    assert [path for path in sorted(other.path.iterdir()) if "store" not in path.name] == [p for p in before if "store" not in p.name]


def test_last_month_s_file_is_imported_into_this_month(turned: Desk) -> None:
    """Under the right agreement, again: the file was imported; an edited copy is of a period that is signed."""
    turned.run("import", "readings", "usage.csv", *turned.books, code=2)
    text = Path("usage.csv").read_text()
    Path("copy.csv").write_text(text + "\n")
    assert "hall-1 has signed" in turned.run("import", "readings", "copy.csv", *turned.books, code=2)


@pytest.mark.parametrize("target", ["lab-0.claim", "agreement.toml", "lab.store", "keys/hall-1.key"])
def test_a_claim_is_written_over_a_file(desk: Desk, target: str) -> None:
    desk.run(*SIGN)
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    desk.run("lab", "close", *desk.books, "-n", 0)
    if target == "lab-0.claim":
        Path(target).write_bytes(b"the claim of another period")
    before = Path(target).read_bytes()
    desk.run("prove", *desk.books, "-n", 0, "-k", "lab.key", "--out", target, code=2)
    assert Path(target).read_bytes() == before or target == "lab.store"
    with Store.open("lab.store") as store:
        assert store.kept_claim(0) is None


def test_the_registry_is_closed_twice_and_a_snapshot_made_twice(desk: Desk) -> None:
    desk.at(START + PERIOD)
    desk.usage("hall-1,100,run,100", "hall-2,119,,10")
    snapshot = ("lab", "snapshot", "run", "--root", *desk.books, "-n", 0)
    desk.run(*snapshot)
    assert "nothing to close" in desk.run(*snapshot, code=2)
    desk.close(0, "--yes")
    desk.run("lab", "close", *desk.books, "-n", 0)
    assert "closed already" in desk.run("lab", "close", *desk.books, "-n", 0, code=2)
    assert "nothing to close" in desk.run(*snapshot, code=2)


def test_meters_of_another_lab_have_the_same_names(desk: Desk) -> None:
    """--keys is the other lab's folder."""
    Path("theirs").mkdir()
    for name in ("hall-1", "hall-2"):
        desk.run("keygen", f"theirs/{name}.key", "--no-passphrase")
    desk.at(START + PERIOD)
    desk.work(0)
    text = desk.run("meter", "close", "--all", *desk.books, "-n", 0, "--keys", "theirs", "--yes", code=2)
    assert "its key is not the one in the agreement" in text and not desk.signed(0)


ROWS = (
    "hall-1,1.0,,60", "hall-1,1.2E+02,,60", 'hall-1,"1,000",,60', "hall-1,,,60", "hall-1,-1,,60", "hall-1,0,,-60", "hall-1,0,,nan",
    "hall-1,0,,1e400", "hall-1,0,,0x10", "HALL-1,0,,60", " hall-1,0,,60,", "hall-1,0,=1+1,60",
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_a_row_that_a_spreadsheet_changed(desk: Desk, row: str) -> None:
    """Refused with its line, or read as what it says; never as something else."""
    desk.at(START + PERIOD)
    Path("usage.csv").write_text(f"meter,epoch,checkpoint,chip_seconds\n{row}\n")
    from claims.cli.main import main

    with pytest.raises(SystemExit) as stop:
        main(["import", "readings", "usage.csv", *desk.books])
    with Store.open("lab.store") as store:
        found = [(item.epoch, item.chip_ms) for item in store.usage(0, "hall-1")]
    assert (stop.value.code, found) in ((2, []), (0, [(0, 60_000)]))


def test_a_claim_is_published_into_the_wrong_folder(desk: Desk, tmp_path: Path) -> None:
    """Another treaty's folder: its answer stays what it was, and the file is named."""
    for name in ("ours", "theirs"):
        Path(name, "claims").mkdir(parents=True)
    desk.run(*SIGN)
    change("agreement.toml", ('name = "desk"', 'name = "theirs"'), target="theirs/agreement.toml")
    desk.run("agreement", "sign", "theirs/agreement.toml", "-k", "lab.key", "--state", "other-state")
    desk.at(START + HOUR)
    before = desk.run("status", "theirs", "--now", START + HOUR, code=3)
    Path("theirs/claims/lab-0.claim").write_bytes(Path("agreement.sigs").read_bytes())
    Path("theirs/claims/lab.key").write_bytes(b"x")
    after = desk.run("status", "theirs", "--now", START + HOUR, code=3)
    assert after.splitlines()[0] == before.splitlines()[0] and "lab-0.claim" in after


# ---- decisions, the collector, and what else an amendment changes -----------------------------------------------------


def test_a_collector_goes_on_over_an_amendment(turned: Desk) -> None:
    """Its spool holds epochs of the period before: it says so at its start, and seals none of them under the amendment."""
    from claims.collect.seal import Sealing
    from claims.collect.spool import Header, Spool
    from claims.collect.timeline import Carry, Policy
    from claims.lab.meter import SoftwareMeter
    from tests.attacks.test_restored_store import ClaimsError

    sign_next(turned)
    Path("spool").mkdir(mode=0o700)
    Spool.create(Path("spool"), Header("lab", "hall-1", 118, Carry(0))).close()
    with Store.open("lab.store") as store:
        from claims.base.keys import load_key_file

        key = load_key_file(Path("keys/hall-1.key"), lambda: b"")
        sealing = Sealing(store, load_agreement("next.toml"), SoftwareMeter("hall-1", key), Policy(60_000))
        with pytest.raises(ClaimsError, match="epoch 118 is of period 0"):
            sealing.begin(Path("spool"), None, (START + PERIOD + HOUR) * 1000)


def test_a_running_collector_learns_of_the_amendment(turned: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the old agreement in memory: the first epoch of the new period is not sealed, and stays in the spool."""
    from functools import partial

    from claims.collect.seal import Sealing
    from claims.collect.spool import Header, Spool
    from claims.collect.timeline import Carry, Policy
    from claims.lab.amended import Amended
    from claims.lab.journal import default_state
    from claims.lab.meter import SoftwareMeter
    from claims.lab.signing import signing

    with Store.open("lab.store") as store:
        from claims.base.keys import load_key_file

        key, terms = load_key_file(Path("keys/hall-1.key"), lambda: b""), load_agreement("agreement.toml")
        sealing = Sealing(
            store, terms, SoftwareMeter("hall-1", key), Policy(60_000), None, partial(signing, store, terms, "hall-1", default_state())
        )  # fmt: skip
        Path("spool").mkdir(mode=0o700)
        spool = Spool.create(Path("spool"), Header("lab", "hall-1", 120, Carry((START + PERIOD) * 1000)))
        sign_next(turned)
        with pytest.raises(Amended), sealing.signing():
            sealing.meter.seal_epoch(store, terms, spool.header.epoch)
        assert store.last_sealed("hall-1") == 119 and spool.header.epoch == 120
        spool.close()


def test_the_agreement_is_signed_after_its_amendment(turned: Desk) -> None:
    """The wrong file is signed again: the same assent, and nothing changes."""
    sign_next(turned)
    before = Path("agreement.sigs").read_bytes()
    turned.run(*SIGN)
    assert Path("agreement.sigs").read_bytes() == before
    turned.run(*SEAL, code=2)
    assert "epoch 120 sealed" in turned.run(*SEAL_NEXT)


def test_an_amendment_of_an_amendment(turned: Desk) -> None:
    """Cron names the first of three: it is told the one that follows it, and the second is told the third."""
    sign_next(turned)
    turned.at(START + 2 * PERIOD)
    turned.run("import", "readings", "usage.csv", *NEXT, code=2)
    rows = "".join(f"hall-{number},{epoch},,60\n" for number in (1, 2) for epoch in (120, 239))
    Path("more.csv").write_text(f"meter,epoch,checkpoint,chip_seconds\n{rows}")
    turned.run("import", "readings", "more.csv", *NEXT)
    turned.run("meter", "close", "--all", *NEXT, "-n", 1, "--keys", "keys", "--yes")
    turned.run("lab", "close", *NEXT, "-n", 1)
    digest = turned.run("agreement", "digest", "next.toml").strip()
    old = turned.run("agreement", "digest", "agreement.toml").strip()
    change("next.toml", (old, digest), ("from_period = 1", "from_period = 2"), ('name = "next"', 'name = "third"'), target="third.toml")
    turned.run("agreement", "sign", "third.toml", "-k", "lab.key")
    third = turned.run("agreement", "digest", "third.toml").strip()
    turned.at(START + 2 * PERIOD + HOUR)
    assert digest in turned.run(*SEAL, code=2)
    assert third in turned.run(*SEAL_NEXT, code=2)
    turned.run("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "third.toml", "-k", "keys/hall-1.key")
    assert turned.sealed() == 240


def test_the_store_is_read_only(turned: Desk) -> None:
    """A mount that went read-only: said as such, and nothing is half done."""
    import os

    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    Path("lab.store").chmod(0o400)
    assert "permission" in turned.run(*SEAL, code=2).lower()
    Path("lab.store").chmod(0o600)
    assert turned.sealed() == 119


@pytest.mark.parametrize("what", ["state", "store", "log", "memory"])
def test_a_folder_is_named_where_a_file_is_meant(logged: Desk, what: str) -> None:  # noqa: F811
    Path("folder").mkdir()
    Path("file").write_bytes(b"")
    command = {
        "state": ("epoch", "seal", "hall-1", *logged.books, "-k", "keys/hall-1.key", "--state", "file"),
        "store": ("epoch", "seal", "hall-1", "-s", "folder", "-a", "agreement.toml", "-k", "keys/hall-1.key"),
        "log": ("epoch", "seal", "hall-1", *logged.books, "-k", "keys/hall-1.key", "--log", "file"),
        "memory": ("log", "cosign", "LOG", "-a", "agreement.toml", "--name", "rival", "-k", "cosign.key", "--memory", "folder"),
    }[what]
    logged.at(START + 2 * HOUR)
    logged.run(*command, code=2)
    assert logged.sealed() == 0


def test_the_cosigner_of_another_name(logged: Desk) -> None:  # noqa: F811
    """--name is another party's: the key is not its, and nothing is cosigned."""
    logged.run("log", "append", "LOG", ENTRY, "-k", "log.key", "-a", "agreement.toml")
    before = Path("LOG/checkpoint").read_bytes()
    for name in ("operator", "lab", "nobody"):
        from claims.cli.main import main

        with pytest.raises(SystemExit) as stop:
            main(["log", "cosign", "LOG", "-a", "agreement.toml", "--name", name, "-k", "cosign.key", "--memory", f"m-{name}"])
        assert stop.value.code in (1, 2)
    assert Path("LOG/checkpoint").read_bytes() == before


def test_a_countersignature_under_the_wrong_agreement(logged: Desk) -> None:  # noqa: F811
    change("agreement.toml", ('name = "desk"', 'name = "other"'), target="other.toml")
    logged.run("log", "countersign", ENTRY, "-a", "other.toml", "-k", "rival.key", code=1)
    assert not Path("entries/lab-epoch-0.receipt").exists()


def test_entries_of_two_labs_have_one_name(logged: Desk) -> None:  # noqa: F811
    """--out is where the other lab's entries lie, or an older treaty's: none is overwritten."""
    Path(ENTRY).write_bytes(b"theirs")
    assert "is another file" in logged.run("epoch", "publish", *logged.books, "-k", "lab.key", "-o", "entries", code=2)
    assert Path(ENTRY).read_bytes() == b"theirs"


def test_a_decision_under_the_agreement_that_was_amended(turned: Desk) -> None:
    """It would count for nothing from then on; whoever signs is told."""
    sign_next(turned)
    pause = '[pause]\ntrigger = "x"\nlifts = "y"\ndeciders = ["lab"]\nquorum = 1\n[rules]'
    for name in ("agreement", "next"):
        change(f"{name}.toml", ("[rules]", pause), target=f"{name}-p.toml")
    digest = turned.run("agreement", "digest", "agreement-p.toml").strip()
    old = turned.run("agreement", "digest", "agreement.toml").strip()
    change("next-p.toml", (old, digest), target="next-p.toml")
    turned.run("agreement", "sign", "next-p.toml", "-k", "lab.key")
    make = ("decision", "make", "x.decision", "-a", "agreement-p.toml", "--kind", "lift", "--reason", "r", "--effective")
    turned.run(*make, START + PERIOD + 2 * HOUR)
    said = turned.run("decision", "sign", "x.decision", "-a", "agreement-p.toml", "-k", "lab.key")
    assert f"counts for nothing if {load_agreement('next-p.toml').digest.hex()} is in force" in said


# ---- the last twenty ------------------------------------------------------------------------------------------------


def test_an_import_is_taken_back_after_its_epoch_was_sealed(desk: Desk) -> None:
    desk.run(*SIGN)
    desk.at(START + 2 * HOUR)
    desk.usage("hall-1,0,,100")
    desk.run(*SEAL)
    desk.run("import", "undo", 1, "-s", "lab.store", code=2)
    with Store.open("lab.store") as store:
        assert [item.chip_ms for item in store.usage(0, "hall-1")] == [100_000]


@pytest.mark.parametrize("number", [0, 2, 999_999_999_999])
def test_an_import_of_another_number_is_taken_back(desk: Desk, number: int) -> None:
    desk.at(START + 2 * HOUR)
    desk.usage("hall-1,0,,100")
    desk.run("import", "undo", number, "-s", "lab.store", code=2)
    with Store.open("lab.store") as store:
        assert len(store.usage(0, "hall-1")) == 1


def test_an_import_is_taken_back_twice_and_after_being_set_aside(turned: Desk) -> None:
    """What was set aside may be corrected before it is sealed again; once."""
    turned.usage("hall-1,120,,100")
    turned.run(*SEAL)
    number = max(item["number"] for item in _imports(turned))
    turned.run("import", "undo", number, "-s", "lab.store", code=2)
    sign_next(turned)
    turned.run(*SET_ASIDE)
    turned.run("import", "undo", number, "-s", "lab.store")
    turned.run("import", "undo", number, "-s", "lab.store", code=2)
    turned.run(*SEAL_NEXT)
    with Store.open("lab.store") as store:
        assert [item.chip_seconds for item in store.epoch_readings("hall-1", 120)] == [28800]


def _imports(desk: Desk) -> list[dict[str, int]]:
    import json

    value = json.loads(desk.run("import", "list", "-s", "lab.store", "--json"))
    return list(value["imports"]) if isinstance(value, dict) else list(value)


@pytest.mark.slow
def test_a_claim_over_a_limit_where_none_is_exceeded(desk: Desk) -> None:
    """--over by mistake: the claim says nothing of the kind."""
    from claims.claim.file import decode_claim

    desk.run(*SIGN)
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    desk.run("lab", "close", *desk.books, "-n", 0)
    desk.run("prove", *desk.books, "-n", 0, "-k", "lab.key", "--over", "--yes")
    claim = decode_claim(Path("lab-0.claim").read_bytes())
    assert claim.limits == () and claim.overs == ()


def test_the_journals_are_gone_after_setting_aside(turned: Desk) -> None:
    """The state folder is lost: nothing is signed before the journals are made again, of a store that knows what was replaced."""
    import os

    turned.run(*SEAL)
    sign_next(turned)
    turned.run(*SET_ASIDE)
    turned.run(*SEAL_NEXT)
    turned.at(START + PERIOD + 2 * HOUR)
    assert "no journal of it" in turned.run(*SEAL_NEXT, "--state", "empty", code=2)
    turned.run("journal", "rebuild", "-a", "next.toml", "-s", "lab.store", "--state", "empty")
    assert "epoch 121 sealed" in turned.run(*SEAL_NEXT, "--state", "empty")
    turned.run(*SEAL, "--state", "empty", code=2)
    assert os.path.exists("empty")


def test_an_old_backup_after_an_amendment(turned: Desk) -> None:
    """It knows of no amendment: the journal of the lab's key tells it again."""
    turned.run("lab", "backup", "b", "-s", "lab.store")
    sign_next(turned)
    turned.run(*SEAL, code=2)
    turned.run("lab", "restore", "b", "-s", "lab.store", "--replace")
    turned.run(*SEAL, code=2)
    assert turned.sealed() == 119


def test_the_clock_goes_back_over_the_beginning_of_an_amendment(turned: Desk) -> None:
    sign_next(turned)
    turned.at(START + PERIOD - HOUR)
    assert "is not over" in turned.run(*SEAL_NEXT, code=2)
    turned.run(*SEAL)
    assert turned.sealed() == 119
    turned.at(START + PERIOD + HOUR)
    turned.run(*SEAL_NEXT)


@pytest.mark.parametrize("kind", ["checkpoints as readings", "readings as checkpoints", "agreement", "store", "claim as sigs"])
def test_a_file_is_taken_for_another_kind(desk: Desk, kind: str) -> None:
    Path("c.csv").write_text("name,kind,parents,time\nrun,checkpoint,,2026-11-01T00:30:00Z\n")
    Path("r.csv").write_text("meter,epoch,checkpoint,chip_seconds\nhall-1,0,,60\n")
    desk.at(START + 2 * HOUR)
    command = {
        "checkpoints as readings": ("import", "readings", "c.csv", *desk.books),
        "readings as checkpoints": ("import", "checkpoints", "r.csv", *desk.books),
        "agreement": ("import", "readings", "agreement.toml", *desk.books),
        "store": ("import", "readings", "lab.store", *desk.books),
        "claim as sigs": ("agreement", "verify", "agreement.toml", "--signatures", "lab.store"),
    }[kind]
    desk.run(*command, code=2)
    with Store.open("lab.store") as store:
        assert store.count_imports() == 0 and not store.drafts(0)


def test_files_are_looked_at(desk: Desk) -> None:
    """`show` and `lab status` change nothing: the same bytes before and after."""
    desk.run(*SIGN)
    desk.at(START + HOUR)
    desk.run(*SEAL)
    names = ("lab.store", "lab.key", "keys/hall-1.key", "agreement.toml", "agreement.sigs")
    before = [Path(name).read_bytes() for name in names]
    for name in names:
        assert "PRIVATE KEY" not in desk.run("show", name)
    desk.run("lab", "status", *desk.books)
    assert [Path(name).read_bytes() for name in names] == before


def test_keys_of_two_meters_in_one_file(desk: Desk) -> None:
    """A folder whose files are copies of one key."""
    Path("keys/hall-2.key").write_bytes(Path("keys/hall-1.key").read_bytes())
    desk.run(*SIGN)
    desk.at(START + HOUR)
    text = desk.run("epoch", "seal", "--all", *desk.books, "--keys", "keys", code=2)
    assert "hall-2: its key is not the one" in text and desk.sealed() is None and desk.sealed("hall-2") is None


def test_another_lab_s_keyring(desk: Desk) -> None:
    desk.run(*SIGN)
    desk.run("keygen", "ring.key", "--no-passphrase")
    desk.at(START + HOUR)
    assert "its key is not the one" in desk.run("epoch", "seal", "--all", *desk.books, "--keyring", "ring.key", code=2)
    assert desk.sealed() is None


def test_one_meter_was_sealed_under_the_old_agreement_and_one_under_the_new(turned: Desk) -> None:
    """Two cron lines, of which one was changed: what is mixed is named, set aside for one meter, and the other's seals stay."""
    turned.run(*SEAL)
    sign_next(turned)
    turned.run("epoch", "seal", "hall-2", *NEXT, "-k", "keys/hall-2.key")
    turned.at(START + PERIOD + 2 * HOUR)
    text = turned.run("epoch", "seal", "--all", *NEXT, "--keys", "keys", code=2)
    assert "lab set-aside" in text
    assert "set aside: hall-1, epochs 120 to 120" in turned.run(*SET_ASIDE)
    turned.run("epoch", "seal", "--all", *NEXT, "--keys", "keys")
    with Store.open("lab.store") as store:
        new = load_agreement("next.toml").digest
        assert all(seal.agreement == new for name in ("hall-1", "hall-2") for seal in store.epoch_seals(1, name))
        assert store.last_sealed("hall-1") == store.last_sealed("hall-2") == 121


def test_entries_are_appended_in_another_order(logged: Desk) -> None:  # noqa: F811
    """The operator's shell sorts 10 before 9: each entry is its own epoch's, and none is lost."""
    logged.at(START + 3 * HOUR)
    for name in ("hall-1", "hall-2"):
        logged.run("epoch", "seal", name, *logged.books, "-k", f"keys/{name}.key")
    logged.run("epoch", "publish", *logged.books, "-k", "lab.key", "-o", "entries")
    files = [f"entries/lab-epoch-{epoch}.entry" for epoch in (2, 0, 1)]
    assert "3 published" in logged.run("log", "append", "LOG", *files, "-k", "log.key", "-a", "agreement.toml")
    logged.run("epoch", "publish", *logged.books, "-k", "lab.key", "-o", "entries", "--log", "LOG")


def test_a_log_is_behind_the_store(logged: Desk) -> None:  # noqa: F811
    """Nothing of the lab is in the log yet: that is no older store, and no refusal."""
    logged.run("epoch", "publish", *logged.books, "-k", "lab.key", "-o", "entries", "--log", "LOG")
    logged.at(START + 2 * HOUR)
    for name in ("hall-1", "hall-2"):
        logged.run("epoch", "seal", name, *logged.books, "-k", f"keys/{name}.key", "--log", "LOG")


@pytest.mark.parametrize("what", ["0600", "0644", "0400", "directory", "link"])
def test_the_mode_of_a_key_file(desk: Desk, what: str) -> None:
    """Readable by others: refused, with what to do. A link is followed only to a file of the right mode."""
    key = Path("lab.key")
    if what == "directory":
        key.rename("k")
        key.mkdir()
    elif what == "link":
        key.rename("k")
        key.symlink_to("k")
    else:
        key.chmod(int(what, 8))
    text = desk.run(*SIGN, code=2 if what in ("0644", "directory") else 0) if what != "link" else _any(desk)
    assert what != "0644" or "chmod 600" in text


def _any(desk: Desk) -> str:
    from claims.cli.main import main

    with pytest.raises(SystemExit) as stop:
        main(list(SIGN))
    assert stop.value.code in (0, 2)
    return ""


def test_a_meter_named_like_a_path(desk: Desk) -> None:
    desk.run(*SIGN)
    desk.at(START + HOUR)
    for name in ("../lab", "hall-1/", "keys/hall-1", "", "hall-1 "):
        text = desk.run("epoch", "seal", name, *desk.books, "--keys", "keys", code=1)
        assert "PRIVATE KEY" not in text
    assert desk.sealed() is None


def test_a_period_of_one_lab_is_set_aside_while_a_claim_was_made(turned: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proven under the old agreement: the claim stays in the backup alone, and another one of the period can be made."""
    from claims.claim.records import KeptClaim

    turned.at(START + 2 * PERIOD)
    turned.usage("hall-1,120,,60", "hall-2,239,,60")
    turned.close(1, "--yes")
    turned.run("lab", "close", *turned.books, "-n", 1)
    old = load_agreement("agreement.toml").digest
    with Store.open("lab.store") as store:
        store.keep_claim(KeptClaim(1, old, b"claim", b"entry"))
    sign_next(turned)
    turned.run(*SET_ASIDE)
    turned.run("meter", "close", "--all", *NEXT, "-n", 1, "--keys", "keys", "--yes")
    turned.run("lab", "close", *NEXT, "-n", 1)
    with Store.open("lab.store") as store, Store.open("before") as before:
        kept = before.kept_claim(1)
        assert store.kept_claim(1) is None and kept is not None and kept.agreement == old
