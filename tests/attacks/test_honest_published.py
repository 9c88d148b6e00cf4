"""An honest lab that publishes the wrong thing, or in the wrong place: folder, log, openings. Each test is one wrong command."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk import DAY, HOUR, START, Desk
from inspect_fixtures import OPEN, Folder

from claims.lab.store import Store
from tests.attacks.honest import COUNTER, ENTRY, PERIOD, SAVED, SIGN, amendment, change, load

# ---- what is published ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["", "claims/", "log/"])
@pytest.mark.parametrize("name", ["lab.store", "lab.key", "keys/hall-1.key"])
def test_a_private_file_is_published(desk: Desk, folder: Path, name: str, place: str) -> None:
    """A wildcard too many: whoever looks at the folder next is told."""
    target = f"{place}{Path(name).name}"
    (folder / "log").mkdir()
    (folder / target).write_bytes(Path(name).read_bytes())
    said = f"{target}: a private {'store' if 'store' in name else 'key'}"
    assert said in desk.run("status", "FOLDER", code=3)
    desk.run("site", "FOLDER", "--out", "PAGE")
    assert not list(Path("PAGE").rglob(f"{Path(name).stem}.*"))


def test_a_key_under_the_name_of_a_claim(desk: Desk, folder: Path) -> None:
    (folder / "claims/lab-0.claim").write_bytes(Path("lab.key").read_bytes())
    assert "claims/lab-0.claim" in desk.run("status", "FOLDER", code=3)
    desk.run("site", "FOLDER", "--out", "PAGE", code=2)
    assert not Path("PAGE").exists()


def test_an_opening_is_published(desk: Desk, folder: Path) -> None:
    (folder / "claims/lab-0.opening").write_text("{}")
    assert "claims/lab-0.opening: an opening for inspectors is among what is published" in desk.run("status", "FOLDER", code=3)


def test_a_public_key_is_no_private_one(desk: Desk, folder: Path) -> None:
    (folder / "lab.pem").write_text("-----BEGIN PUBLIC KEY-----\n")
    assert "among what is published" not in desk.run("status", "FOLDER", code=3)


def test_status_of_a_half_published_folder(desk: Desk, folder: Path) -> None:
    """The agreement without its signatures; then nothing but a folder: never a yes, and the lab is told what lacks."""
    (folder / "agreement.sigs").unlink()
    assert "draft: not signed by lab" in desk.run("status", "FOLDER", code=3)
    (folder / "agreement.toml").unlink()
    assert "agreement.toml" in desk.run("status", "FOLDER", code=2)


def test_the_page_is_made_into_the_folder(desk: Desk, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    for out in ("FOLDER", "FOLDER/page", "."):
        desk.run("site", "FOLDER", "--out", out, code=2)
    assert sorted(folder.rglob("*")) == before and Path("lab.store").exists()


def test_the_page_is_made_over_the_lab_s_keys(desk: Desk, folder: Path) -> None:
    desk.run("site", "FOLDER", "--out", "keys", code=2)
    assert Path("keys/hall-1.key").exists()


def test_the_folder_is_named_for_the_store(desk: Desk, folder: Path) -> None:
    desk.run("lab", "status", "-s", "FOLDER", "-a", "agreement.toml", code=2)
    desk.run("status", "lab.store", code=2)
    desk.run("status", "nowhere", code=2)


def test_two_deciders_sign_at_once(desk: Desk) -> None:
    """The second signature is added to the first, which came while the second was asked."""
    import claims.cli.status as command
    from claims.cli.main import main
    from claims.decisions.file import Decision

    key = desk.run("keygen", "other.key", "--no-passphrase").strip()
    party = f'[[party]]\nname = "rival"\nkey = "{key}"\n[[chip]]'
    change("agreement.toml", ("[[chip]]", party))
    with Path("agreement.toml").open("a") as file:
        file.write('\n[pause]\ndeciders = ["lab", "rival"]\nquorum = 2\ntrigger = "x"\nlifts = "y"\n')
    desk.run(
        "decision", "make", "x.decision", "-a", "agreement.toml", "--kind", "lift", "--effective", "2026-11-03T00:00:00Z", "--reason", "r"
    )
    original, once = command.confirm_signing, []

    def meanwhile(lines: object, *, yes: bool) -> None:
        original(lines, yes=yes)  # type: ignore[arg-type]
        if not once:
            once.append(1)
            with pytest.raises(SystemExit):
                main(["decision", "sign", "x.decision", "-a", "agreement.toml", "-k", "other.key"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "confirm_signing", meanwhile)
        desk.run("decision", "sign", "x.decision", "-a", "agreement.toml", "-k", "lab.key")
    assert set(Decision.decode(Path("x.decision").read_bytes()).signatures) == {"lab", "rival"}


# ---- a log, its entries and receipts ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["lab.key", "operator.key", "log.key", "cosign.key", "keys/hall-1.key"])
def test_a_countersignature_by_who_cannot(logged: Desk, key: str) -> None:
    text = logged.run(*COUNTER, key, code=1)
    assert "of no party whose receipt" in text and not Path("entries/lab-epoch-0.receipt").exists()


def test_a_countersignature_twice(logged: Desk) -> None:
    """The first date stays."""
    logged.run(*COUNTER, "rival.key")
    first = Path("entries/lab-epoch-0.receipt").read_bytes()
    logged.at(START + 3 * DAY)
    logged.run(*COUNTER, "rival.key")
    assert Path("entries/lab-epoch-0.receipt").read_bytes() == first


def test_a_countersigner_s_clock_is_behind(logged: Desk) -> None:
    """Nobody was given an entry of an epoch before its end: the date would be refused, or believed, for ever."""
    logged.at(START - DAY)
    assert "not over" in logged.run(*COUNTER, "rival.key", code=2)
    assert not Path("entries/lab-epoch-0.receipt").exists()


def test_a_receipt_is_written_over_the_entry(logged: Desk) -> None:
    before = Path(ENTRY).read_bytes()
    logged.run(*COUNTER, "rival.key", "--receipt", ENTRY, code=2)
    assert Path(ENTRY).read_bytes() == before


def test_an_entry_is_appended_twice(logged: Desk) -> None:
    append = ("log", "append", "LOG", ENTRY, "-k", "log.key", "-a", "agreement.toml")
    logged.run(*append)
    head = Path("LOG/checkpoint").read_bytes().splitlines()[1]
    logged.run(*append)
    assert head == Path("LOG/checkpoint").read_bytes().splitlines()[1] == b"1"


@pytest.mark.parametrize("key", ["operator.key", "lab.key", "cosign.key"])
def test_the_log_is_signed_with_another_key(logged: Desk, key: str) -> None:
    before = {path: path.read_bytes() for path in Path("LOG").rglob("*") if path.is_file()}
    logged.run("log", "append", "LOG", ENTRY, "-k", key, "-a", "agreement.toml", code=1)
    assert {path: path.read_bytes() for path in Path("LOG").rglob("*") if path.is_file()} == before


def test_epochs_are_published_with_a_meter_s_key(logged: Desk) -> None:
    logged.at(START + 2 * HOUR)
    for name in ("hall-1", "hall-2"):
        logged.run("epoch", "seal", name, *logged.books, "-k", f"keys/{name}.key")
    logged.run("epoch", "publish", *logged.books, "-k", "keys/hall-1.key", "-o", "entries", code=2)
    assert not Path("entries/lab-epoch-1.entry").exists()


def test_an_entry_is_published_of_one_meter_only(logged: Desk) -> None:
    logged.at(START + 2 * HOUR)
    logged.run("epoch", "seal", "hall-1", *logged.books, "-k", "keys/hall-1.key")
    assert "hall-2 has not sealed epoch 1" in logged.run("epoch", "publish", *logged.books, "-k", "lab.key", "--through", 1, code=2)


def test_a_log_is_begun_twice(logged: Desk) -> None:
    before = Path("LOG/checkpoint").read_bytes()
    logged.run("log", "init", "LOG", "--origin", "example.org/log", "-k", "log.key", code=2)
    assert Path("LOG/checkpoint").read_bytes() == before


def test_the_cosign_key_signs_the_agreement(logged: Desk) -> None:
    assert "no party's" in logged.run("agreement", "sign", "agreement.toml", "-k", "cosign.key", code=2)


def test_the_folder_of_keys_lacks_one(logged: Desk) -> None:
    logged.at(START + PERIOD)
    Path("keys/hall-2.key").unlink()
    logged.close(0, "--yes", "--clock-is-right", code=2)
    assert logged.sealed() == 0 and not logged.signed(0)


def test_the_store_of_a_published_epoch_is_restored(logged: Desk) -> None:
    """A backup from before the epoch: it signs no second one."""
    logged.run("lab", "init", "lab", "-s", "second.store")
    logged.run("epoch", "seal", "hall-1", "-s", "second.store", "-a", "agreement.toml", "-k", "keys/hall-1.key", code=2)


# ---- more slips -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("lab", "init", "lab", "-s", "keys"),
        ("lab", "backup", "lab.store", "-s", "lab.store"),
        ("lab", "backup", "keys/hall-1.key", "-s", "lab.store"),
        ("lab", "forget-imports", "-s", "lab.store", "--backup", "lab.store"),
        ("lab", "forget-imports", "-s", "agreement.toml", "--backup", "b"),
        ("lab", "forget-imports", "-s", "lab.store"),
        ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "agreement.toml", "-k", "lab.key"),
        ("epoch", "seal", "hall-2", "-s", "lab.store", "-a", "agreement.toml", "-k", "keys/hall-1.key"),
        ("epoch", "seal", "hall-1", "-s", "keys/hall-1.key", "-a", "agreement.toml", "-k", "lab.store"),
        ("epoch", "publish", "-s", "lab.store", "-a", "agreement.toml", "-k", "lab.key", "-o", "lab.key"),
        ("meter", "close", "hall-1", "hall-1", "-s", "lab.store", "-a", "agreement.toml", "-n", 0, "--keys", "keys", "--yes"),
        ("meter", "close", "--all", "-s", "lab.store", "-a", "agreement.toml", "-n", 0, "--key", "keys/hall-1.key", "--yes"),
        ("agreement", "canonical", "agreement.toml", "-o", "agreement.toml"),
        ("agreement", "sign", "agreement.toml", "-k", "lab.key", "--signatures", "lab.key"),
        ("agreement", "sign", "agreement.toml", "-k", "lab.key", "--signatures", "agreement.toml"),
        ("decision", "sign", "lab.key", "-a", "agreement.toml", "-k", "lab.key"),
        ("journal", "rebuild", "-a", "agreement.toml"),
        ("prove", "-s", "lab.store", "-a", "agreement.toml", "-n", 0, "-k", "lab.key", "--out", "lab.store"),
    ],
    ids=lambda command: " ".join(map(str, command))[:60],
)
def test_an_output_over_what_is_there_or_files_that_are_swapped(desk: Desk, command: tuple[object, ...]) -> None:
    """Every file of the desk is as it was."""
    desk.at(START + PERIOD)
    desk.work(0)

    def all_files() -> dict[Path, bytes]:
        kept = (path for path in sorted(Path().rglob("*")) if path.is_file() and not path.name.endswith(("-wal", "-shm")))
        return {path: path.read_bytes() for path in kept}

    before = all_files()
    with pytest.raises(SystemExit) as stop:
        from claims.cli.main import main

        main([str(item) for item in command])
    assert stop.value.code in (1, 2) and all_files() == before


def test_forget_imports_while_another_command_writes(desk: Desk) -> None:
    """Nothing is half forgotten."""
    desk.at(START + PERIOD)
    desk.work(0)
    with Store.open("lab.store") as store, store.transaction():
        pass
    desk.run("lab", "forget-imports", "-s", "lab.store", "--backup", "b")
    desk.work(0)
    desk.close(0, "--yes")
    assert desk.signed(0)


def test_a_forgotten_checkpoint_s_name_is_used_again(desk: Desk) -> None:
    """Its tag stays; it may be noted otherwise."""
    desk.at(START + PERIOD)
    for epoch in (0, 1):
        desk.usage(f"hall-1,{epoch},run,100", f"hall-2,119,,{epoch + 1}")
        load(desk, "checkpoints", SAVED + f"run,,2026-11-0{epoch + 1}T02:30:00Z\n")
        if epoch == 0:
            desk.run("lab", "forget-imports", "-s", "lab.store", "--backup", "b")
    desk.close(0, "--yes")
    desk.run("lab", "close", *desk.books, "-n", 0)


# ---- logs and clocks ------------------------------------------------------------------------------------------------


def test_an_entry_goes_to_the_wrong_log(logged: Desk) -> None:
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


def test_a_countersigner_s_clock_is_far_ahead(logged: Desk) -> None:
    """A receipt of the year 2036 would say that the entry came in ten years late, and its date stays: refused, as for cosigners."""
    counter = ("log", "countersign", ENTRY, "-a", "agreement.toml", "-k", "rival.key")
    for years in (1, 10, 1000):
        logged.at(START + years * 365 * 24 * HOUR)
        assert "clock" in logged.run(*counter, code=2)
    assert not Path("entries/lab-epoch-0.receipt").exists()
    logged.at(START + 2 * HOUR)
    logged.run(*counter)


def test_a_clock_that_goes_back(logged: Desk) -> None:
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


# ---- openings and proofs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"--to": "alpha"}, {"--to": "nobody"}, {"--round": "1001.json"}, {"--round": "123.json"}, {"-k": "hall-1.key"},
        {"-k": "beta.key"}, {"-n": 1}, {"--log": "nowhere"}, {"-s": "alpha.key"},
    ],
    ids=str,
)  # fmt: skip
def test_an_opening_with_a_wrong_word(inspected: Folder, change: dict[str, object]) -> None:
    """Another draw, inspector, key, period: nothing is opened."""
    command = list(OPEN)
    for option, value in change.items():
        command[command.index(option) + 1] = value
    before = sorted(inspected.path.iterdir())
    with pytest.raises(AssertionError, match="(?s)."):
        inspected.run(*command, code=0)
    assert sorted(inspected.path.iterdir()) == before


def test_a_claim_is_made_under_an_amended_agreement(desk: Desk) -> None:
    """Of a period that the meters closed under the agreement before it."""
    desk.run(*SIGN)
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    amendment(desk, 1)
    desk.run("agreement", "sign", "next.toml", "-k", "lab.key")
    desk.run("lab", "close", "-s", "lab.store", "-a", "next.toml", "-n", 0, code=1)
    desk.run("prove", "-s", "lab.store", "-a", "next.toml", "-n", 0, "-k", "lab.key", code=1)
    assert not list(Path().glob("lab-0.*"))
    desk.run("lab", "close", *desk.books, "-n", 0)
