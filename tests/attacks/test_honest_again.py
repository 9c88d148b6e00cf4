"""An honest lab that does a thing twice, too late, or in another order. Each test is one wrong command; its id or docstring names it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from desk import HOUR, START, Desk
from inspect_fixtures import OPEN, Folder

from claims.agreement.file import load_agreement
from claims.lab.store import Store
from tests.attacks.honest import NEXT, PERIOD, SEAL, SEAL_NEXT, SET_ASIDE, SIGN, amendment, change, sign_next

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
def test_an_opening_is_made_twice(inspected: Folder) -> None:
    """The lab opens again what it opened, to the same inspector: both pass, and they show the same."""
    from claims.inspection.file import Opening

    for name in ("one.opening", "two.opening"):
        inspected.run(*OPEN, "--out", name)
    one, two = (Opening.decode((inspected.path / name).read_bytes()) for name in ("one.opening", "two.opening"))
    assert (one.readings, one.slots, one.to) == (two.readings, two.slots, two.to)


def test_an_opening_after_an_older_backup(inspected: Folder, tmp_path: Path) -> None:
    """A store from before the period: what it cannot open it says, and writes nothing."""

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


def test_entries_are_appended_in_another_order(logged: Desk) -> None:
    """The operator's shell sorts 10 before 9: each entry is its own epoch's, and none is lost."""
    logged.at(START + 3 * HOUR)
    for name in ("hall-1", "hall-2"):
        logged.run("epoch", "seal", name, *logged.books, "-k", f"keys/{name}.key")
    logged.run("epoch", "publish", *logged.books, "-k", "lab.key", "-o", "entries")
    files = [f"entries/lab-epoch-{epoch}.entry" for epoch in (2, 0, 1)]
    assert "3 published" in logged.run("log", "append", "LOG", *files, "-k", "log.key", "-a", "agreement.toml")
    logged.run("epoch", "publish", *logged.books, "-k", "lab.key", "-o", "entries", "--log", "LOG")


def test_a_log_is_behind_the_store(logged: Desk) -> None:
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
