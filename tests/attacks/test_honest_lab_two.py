"""An honest lab harmed by one wrong command, second round. Each test is one attempt; its id or docstring names the mistake."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from desk import DAY, HOUR, START, Desk
from inspect_fixtures import OPEN, Folder, build

from claims.agreement.file import load_agreement
from claims.lab.store import Store
from tests.attacks.test_honest_lab import JOB, JOBS, PERIOD, SAVED, load

SEAL = ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "agreement.toml", "-k", "keys/hall-1.key")
SIGN = ("agreement", "sign", "agreement.toml", "-k", "lab.key")


def change(name: str, *changes: tuple[str, str], target: str = "agreement.toml") -> None:
    """Write another agreement."""
    text = Path(name).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path(target).write_text(text)


def amendment(desk: Desk, period: int, *changes: tuple[str, str], of: str | None = None) -> None:
    """``next.toml``: the agreement amended from a period on."""
    digest = of or desk.run("agreement", "digest", "agreement.toml").strip()
    rules = (f'[amends]\ndigest = "{digest}"\nfrom_period = {period}\n[rules]')
    change("agreement.toml", ("[rules]", rules), ('name = "desk"', 'name = "next"'), *changes, target="next.toml")


# ---- what the first round left ----------------------------------------------------------------------------------


def test_a_first_import_under_a_wrong_draft(desk: Desk) -> None:
    """The right agreement would be refused for ever: the imports are taken back, and the opening head stays."""
    change("agreement.toml", ("2026-11-01T", "2026-10-31T"), target="draft.toml")
    desk.at(START + 2 * DAY)
    load(desk, "readings", JOBS + JOB, agreement="draft.toml")
    load(desk, "checkpoints", SAVED + "run,,2026-11-01T02:30:00Z\n", agreement="draft.toml")
    assert "lab forget-imports" in load(desk, "readings", JOBS + JOB, code=2)
    forget = ("lab", "forget-imports", "-s", "lab.store", "--backup")
    assert "nothing was overwritten" in desk.run(*forget, "lab.key", code=2)
    assert "lab forget-imports" in load(desk, "readings", JOBS + JOB, code=2), "a backup that fails forgets nothing"
    assert "0 imports" in desk.run(*forget, "before")
    load(desk, "readings", JOBS + JOB)
    load(desk, "checkpoints", SAVED + "run,,2026-11-01T02:30:00Z\n")
    with Store.open("before") as before:
        assert before.count_imports() == 2
    desk.at(START + PERIOD)
    desk.run(*SIGN)
    desk.close(0, "--yes", "--clock-is-right", meters=("hall-1",))
    desk.run("lab", "restore", "before", "-s", "lab.store", "--replace")
    assert "is dated by an agreement from 2026-10-31" in desk.close(0, "--yes", "--clock-is-right", meters=("hall-1",), code=2)


def test_imports_are_forgotten_after_a_signature(desk: Desk) -> None:
    desk.at(START + 2 * HOUR)
    desk.usage("hall-1,0,run,100")
    desk.run(*SEAL, "--unsigned")
    assert "has signed what was imported" in desk.run("lab", "forget-imports", "-s", "lab.store", "--backup", "b", code=2)
    assert not Path("b").exists()


def test_imports_are_forgotten_after_a_snapshot(desk: Desk) -> None:
    """The name stands for another tag by then."""
    desk.at(START + PERIOD)
    desk.usage("hall-1,0,run,100")
    desk.run("lab", "snapshot", "run", *desk.books, "-n", 0, "--root")
    assert "snapshot" in desk.run("lab", "forget-imports", "-s", "lab.store", "--backup", "b", code=2)
    assert not Path("b").exists()


def test_an_amendment_of_another_agreement(desk: Desk) -> None:
    """A draft's digest under [amends]: what it says it continues is not what the meter signed under."""
    desk.run(*SIGN)
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    desk.at(START + PERIOD + HOUR)
    seal = ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "next.toml", "-k", "keys/hall-1.key")
    amendment(desk, 1, of="ab" * 32)
    assert f"amends {'ab' * 32}, and hall-1 signed epoch 119 under" in desk.run(*seal, "--unsigned", "--through", 120)


def test_an_amendment_of_this_agreement(desk: Desk) -> None:
    desk.run(*SIGN)
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    desk.at(START + PERIOD + HOUR)
    amendment(desk, 1)
    seal = ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "next.toml", "-k", "keys/hall-1.key")
    assert "not signed by lab" in desk.run(*seal, code=2), "a draft amendment"
    desk.run("agreement", "sign", "next.toml", "-k", "lab.key")
    assert "amends" not in desk.run(*seal)
    desk.at(START + PERIOD + 2 * HOUR)
    assert "is not under this agreement" in desk.run(*SEAL, code=2)


def test_two_parties_sign_at_once(desk: Desk) -> None:
    """Each read the file before the other wrote it."""
    key = desk.run("keygen", "other.key", "--no-passphrase").strip()
    change("agreement.toml", ("[[chip]]", f'[[party]]\nname = "rival"\nkey = "{key}"\n[[chip]]'))
    terms = load_agreement("agreement.toml")
    import claims.cli.agreement as command

    original, once = command.confirm_signing, []

    def meanwhile(lines: object, *, yes: bool) -> None:
        original(lines, yes=yes)  # type: ignore[arg-type]
        if not once:
            once.append(1)
            with pytest.raises(SystemExit):
                from claims.cli.main import main

                main(["agreement", "sign", "agreement.toml", "-k", "other.key"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "confirm_signing", meanwhile)
        assert "signed by every party" in desk.run(*SIGN)
    assert terms.digest.hex() in desk.run("agreement", "verify", "agreement.toml")


def test_the_second_signer_waits(tmp_path: Path) -> None:
    from claims.base.files import one_at_a_time

    order: list[int] = []
    started = threading.Event()

    def second() -> None:
        started.set()
        with one_at_a_time(tmp_path / "x.sigs"):
            order.append(2)

    with one_at_a_time(tmp_path / "x.sigs"):
        thread = threading.Thread(target=second)
        thread.start()
        started.wait()
        order.append(1)
    thread.join()
    assert order == [1, 2]


@pytest.mark.parametrize(
    "command",
    [
        ("agreement", "check", "nix.toml"),
        ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "nix.toml", "-k", "lab.key"),
        ("agreement", "sign", "agreement.toml", "-k", "nix.key"),
        ("import", "readings", "nix.csv", "-s", "lab.store", "-a", "agreement.toml"),
        ("keygen", "nix/lab.key", "--no-passphrase"),
        ("lab", "backup", "nix/b", "-s", "lab.store"),
        ("show", "nix"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_file_that_is_not_there(desk: Desk, command: tuple[str, ...]) -> None:
    text = desk.run(*command, code=2)
    assert "nix" in text and ("check the name" in text or "check the path" in text)


# ---- keys, meters and places of the agreement -----------------------------------------------------------------


def test_two_meters_with_one_key(desk: Desk) -> None:
    """A table pasted twice."""
    first, second = (load_agreement("agreement.toml").lab("lab").meter(name).key.hex() for name in ("hall-1", "hall-2"))
    change("agreement.toml", (second, first))
    assert desk.run("agreement", "check", "agreement.toml", code=2)


def test_a_meter_with_the_lab_s_key(desk: Desk) -> None:
    terms = load_agreement("agreement.toml")
    lab, second = terms.parties[0].key.hex(), terms.lab("lab").meter("hall-2").key.hex()
    change("agreement.toml", (second, lab))
    assert desk.run("agreement", "check", "agreement.toml", code=2)


def test_keys_are_swapped(desk: Desk) -> None:
    """hall-1.key is the key of hall-2, and the other way round."""
    desk.at(START + PERIOD)
    desk.work(0)
    Path("keys/hall-1.key").rename("keys/x")
    Path("keys/hall-2.key").rename("keys/hall-1.key")
    Path("keys/x").rename("keys/hall-2.key")
    assert "its key is not the one in the agreement" in desk.close(0, "--yes", code=2)
    assert desk.sealed() is None and desk.sealed("hall-2") is None


def test_a_meter_is_renamed_by_an_amendment(desk: Desk) -> None:
    """Its next epochs are the new name's; the store's usage under the old name is not lost unsaid."""
    desk.run(*SIGN)
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    amendment(desk, 1, ('name = "hall-1"', 'name = "hall-3"'))
    desk.run("agreement", "sign", "next.toml", "-k", "lab.key")
    desk.at(START + PERIOD + 2 * HOUR)
    books = ("-s", "lab.store", "-a", "next.toml")
    text = load(desk, "readings", "meter,epoch,checkpoint,chip_seconds\nhall-1,120,,100\n", agreement="next.toml", code=2)
    assert "its meters are hall-2, hall-3" in text
    assert "epochs 120 to 121 sealed" in desk.run("epoch", "seal", "hall-3", *books, "-k", "keys/hall-1.key")
    assert "hall-1" in desk.run("epoch", "seal", "hall-1", *books, "-k", "keys/hall-1.key", code=1)


def test_chips_change_in_an_amendment(desk: Desk) -> None:
    """Usage of more chips than there are any more."""
    desk.run(*SIGN)
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    desk.at(START + PERIOD + HOUR)
    desk.usage("hall-1,120,,28800")
    amendment(desk, 1, ("chips = 8", "chips = 2"))
    desk.run("agreement", "sign", "next.toml", "-k", "lab.key")
    seal = ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "next.toml", "-k", "keys/hall-1.key")
    assert "more chips than the meter has" in desk.run(*seal, code=2)
    assert desk.sealed() == 119


def test_an_amendment_in_the_middle_of_an_open_period(desk: Desk) -> None:
    """Epochs of period 0 are sealed under the agreement; an amendment cannot begin with that period, nor take its epochs."""
    desk.run(*SIGN)
    desk.at(START + 3 * HOUR)
    desk.run(*SEAL)
    amendment(desk, 1)
    desk.run("agreement", "sign", "next.toml", "-k", "lab.key")
    seal = ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "next.toml", "-k", "keys/hall-1.key")
    assert "not over" in desk.run(*seal, code=2)
    desk.run("meter", "close", "hall-1", "-s", "lab.store", "-a", "next.toml", "-n", 0, "-k", "keys/hall-1.key", "--yes", code=1)
    desk.at(START + 4 * HOUR)
    assert "epoch 3 sealed" in desk.run(*SEAL)


def test_an_amendment_before_the_period_is_sealed(desk: Desk) -> None:
    """Its first epoch is over, and the period before has epochs that are not sealed."""
    desk.run(*SIGN)
    desk.at(START + 3 * HOUR)
    desk.run(*SEAL)
    amendment(desk, 1)
    desk.run("agreement", "sign", "next.toml", "-k", "lab.key")
    desk.at(START + PERIOD + HOUR)
    seal = ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "next.toml", "-k", "keys/hall-1.key", "--clock-is-right")
    desk.run(*seal, code=2)
    assert desk.sealed() == 2
    assert "epochs 3 to 120 sealed" not in desk.run(*SEAL, "--clock-is-right", "--through", 119)


def test_an_amendment_from_the_first_period(desk: Desk) -> None:
    amendment(desk, 0)
    assert "from_period" in desk.run("agreement", "check", "next.toml", code=2)


def test_an_amendment_with_another_calendar(desk: Desk) -> None:
    desk.run(*SIGN)
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    desk.at(START + PERIOD + HOUR)
    amendment(desk, 1, ('period = "5 d"', 'period = "4 d"'))
    seal = ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "next.toml", "-k", "keys/hall-1.key", "--unsigned")
    assert "dated by an agreement" in desk.run(*seal, code=2)


def test_the_agreement_amends_itself(desk: Desk) -> None:
    """The digest under [amends] is of this very text, or of nothing."""
    amendment(desk, 1, of="00" * 32)
    desk.run("agreement", "check", "next.toml")
    desk.at(START + PERIOD + HOUR)
    seal = ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "next.toml", "-k", "keys/hall-1.key")
    assert "not signed by lab" in desk.run(*seal, code=2)


def test_signatures_of_the_draft_beside_the_amendment(desk: Desk) -> None:
    """agreement.sigs copied to next.sigs."""
    desk.run(*SIGN)
    amendment(desk, 1)
    Path("next.sigs").write_bytes(Path("agreement.sigs").read_bytes())
    desk.at(START + PERIOD + HOUR)
    seal = ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "next.toml", "-k", "keys/hall-1.key", "--unsigned")
    assert "next.toml is not what next.sigs is about" in desk.run(*seal, code=2)


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
    from desk import Terminal

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


# ---- what is published ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(desk: Desk) -> Path:
    """A publication folder with the agreement."""
    desk.run(*SIGN)
    path = Path("FOLDER")
    (path / "claims").mkdir(parents=True)
    for name in ("agreement.toml", "agreement.sigs"):
        (path / name).write_bytes(Path(name).read_bytes())
    return path


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


@pytest.fixture
def logged(desk: Desk) -> Desk:
    """The agreement has a log, an operator, and a rival that cosigns; the lab has an entry of epoch 0."""
    keys = {name: desk.run("keygen", f"{name}.key", "--no-passphrase").strip() for name in ("log", "operator", "rival", "cosign")}
    parties = f'[[party]]\nname = "operator"\nkey = "{keys["operator"]}"\n[[party]]\nname = "rival"\nkey = "{keys["rival"]}"\n'
    parties += f'cosign_key = "{keys["cosign"]}"\n[[chip]]'
    log = f'[log]\norigin = "example.org/log"\noperator = "operator"\nkey = "{keys["log"]}"\ncosignatures = 1\n[rules]'
    change("agreement.toml", ("[[chip]]", parties), ("[rules]", log))
    for name in ("lab", "operator", "rival"):
        desk.run("agreement", "sign", "agreement.toml", "-k", f"{name}.key")
    desk.run("log", "init", "LOG", "--origin", "example.org/log", "-k", "log.key")
    desk.at(START + HOUR)
    for name in ("hall-1", "hall-2"):
        desk.run("epoch", "seal", name, *desk.books, "-k", f"keys/{name}.key")
    desk.run("epoch", "publish", *desk.books, "-k", "lab.key", "-o", "entries")
    return desk


ENTRY = "entries/lab-epoch-0.entry"
COUNTER = ("log", "countersign", ENTRY, "-a", "agreement.toml", "-k")


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


# ---- openings and proofs ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A closed period of which a round draws."""
    return build(tmp_path_factory.mktemp("opened"))


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
