"""An honest lab harmed by one wrong command: what cannot be taken back is refused at the first moment, or asked, and what it says is true.

Each test is one attempt; its id or docstring names the mistake.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from desk import DAY, HOUR, START, Desk, Terminal

from claims.agreement.file import load_agreement
from claims.imports.usage import import_usage
from claims.lab.store import Store
from tests.attacks.honest import JOB, JOBS, PAUSE, PERIOD, ROWS, SAVED, load, total

# ---- names that no file can write ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a|b", "unknown", "-", "None", "N/A", "Idle", "idle", "unattributed", "b ", " b", "", "b @period-0"])
def test_an_opening_that_could_never_be_continued(desk: Desk, name: str) -> None:
    """Its head would be agreed and signed, and no checkpoint could name it as its parent, or no work."""
    Path("lab.store").unlink()
    desk.run("lab", "init", "lab", "-s", "lab.store", "--opening", f"{name}=3e24 FLOP", code=2)
    assert not Path("lab.store").exists()


@pytest.mark.parametrize("amount", ["3e24", "3e24 flop", "-1 FLOP", "3 e24 FLOP", "1_000 FLOP", "1e99 FLOP", ""])
def test_an_opening_of_an_amount_with_a_typo(desk: Desk, amount: str) -> None:
    desk.run("lab", "init", "lab", "-s", "new.store", "--opening", f"base={amount}", code=2)
    assert not Path("new.store").exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("lab", "init", "lab", "-s", "lab.store"), "nothing was overwritten"),
        (("lab", "init", "Lab", "-s", "new.store"), "is not a lab name"),
        (("lab", "init", "lab", "-s", "new.store", "--opening", "a=1 FLOP", "--opening", "a=2 FLOP"), "named twice"),
        (("keygen", "lab.key", "--no-passphrase"), "nothing was overwritten"),
        (("meter", "init", "hall-1", "--lab", "lab", "--chip", "h100", "--chips", 8, "-k", "keys/hall-1.key", "--no-passphrase"), "exists"),
        (("agreement", "init", "agreement.toml"), "nothing was overwritten"),
        (("lab", "backup", "lab.key", "-s", "lab.store"), "nothing was overwritten"),
        (("agreement", "sign", "agreement.toml", "-k", "keys/hall-1.key"), "no party's"),
        (("agreement", "sign", "lab.key", "-k", "agreement.toml"), "not TOML"),
        (("agreement", "sign", "agreement.toml", "-k", "lab.store"), "too large for a key"),
        (("lab", "restore", "nothing", "-s", "new.store"), "nothing: there is no such file"),
        (("lab", "restore", "lab.key", "-s", "new.store"), "lab.key is damaged, or of another program"),
        (("lab", "restore", "lab.store", "-s", "lab.store"), "--replace"),
        (("lab", "snapshot", "run", "-s", "lab.store", "-a", "agreement.toml", "-n", 0, "--root"), "not over"),
        (("journal", "rebuild", "-s", "lab.key", "-a", "agreement.toml"), "lab.key"),
        (("lab", "status", "-s", "lab.store", "-a", "lab.key"), "not TOML"),
    ],
    ids=lambda value: " ".join(map(str, value[:3])) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_wrong_file_or_one_that_is_there(desk: Desk, command: tuple[object, ...], words: str) -> None:
    before = {path: path.read_bytes() for path in (Path("lab.store"), Path("lab.key"), Path("agreement.toml"), *Path("keys").iterdir())}
    assert words in desk.run(*command, code=2)
    assert all(path.read_bytes() == data for path, data in before.items()) and not Path("new.store").exists()


# ---- imports that cannot be undone --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("readings", JOBS + JOB.replace("2026-11-01", "2026-11-21"), "work is dated in epoch 482"),
        ("readings", JOBS + JOB.replace("2026-11-01", "2026-12-01"), "outside the agreement's periods"),
        ("readings", JOBS + JOB.replace("2026-11-01", "2025-11-01"), "outside the agreement's periods"),
        ("readings", JOBS + JOB.replace("T02:30:00Z", "T02:30:00"), "no offset from UTC"),
        ("readings", JOBS + JOB.replace("02:30", "00:00"), "stops before it starts"),
        ("readings", JOBS + JOB.replace(",3", ",80"), "meter hall-1 has 8"),
        ("readings", JOBS + JOB.replace("hall-1", "Hall-1"), "its meters are hall-1, hall-2"),
        ("readings", JOBS, "no rows"),
        ("readings", "", "empty"),
        ("readings", JOBS + JOB.replace("run", "a|b"), "cannot name a checkpoint"),
        ("readings", JOBS + JOB.replace("run", "IDLE"), "cannot name a checkpoint"),
        ("readings", JOBS + JOB.replace("run", "run @period-0"), "cannot name a new checkpoint"),
        ("readings", JOBS.replace("chips", "chips,chip_seconds") + JOB.replace(",3", ",1,28800"), "either chips or chip_seconds"),
        ("readings", ROWS.replace("checkpoint", "checkpoint,chips") + "hall-1,5,run,8,100\n", "chips is said of a job"),
        ("readings", ROWS + "hall-1,48,run,100\nhall-1,49,run,100\n", "work is dated in epoch 49"),
        ("readings", ROWS + "hall-1,0,run,28801\n", "its chips have 28800"),
        ("readings", SAVED + "run,,2026-11-01T02:30:00Z\n", "column 'name' is not known"),
        ("checkpoints", JOBS + JOB, "column 'meter' is not known"),
        ("checkpoints", SAVED, "no rows"),
        ("checkpoints", SAVED + "run,,2026-11-21T02:30:00Z\n", "checkpoint run is dated in epoch 482"),
        ("checkpoints", SAVED + "run,base,2026-11-01T02:30:00Z\n", "its parent base is not in the registry"),
        ("checkpoints", SAVED + "run,run,2026-11-01T02:30:00Z\n", "its parent run is not in the registry"),
        ("checkpoints", SAVED + "run,,2026-11-01T02:30:00Z\nrun,,2026-11-01T03:30:00Z\n", "in the registry already"),
        ("checkpoints", SAVED + "a,,2026-11-01T05:00:00Z\nb,a,2026-11-01T03:00:00Z\n", "is dated before its parent"),
        ("checkpoints", SAVED + "none,,2026-11-01T02:30:00Z\n", "cannot name a checkpoint"),
        ("checkpoints", "name,kind,parents,time\nm,MERGE,a|a,2026-11-01T02:30:00Z\n", "two different parents"),
        ("checkpoints", "name,kind,time\nx,EXTERNAL,2026-11-01T02:30:00Z\n", "declare the work"),
    ],
    ids=lambda value: value[:40] if " " in value else "",
)  # fmt: skip
def test_a_typo_in_a_file(desk: Desk, kind: str, text: str, words: str) -> None:
    """Nothing of the file is in the store, and the corrected file is imported."""
    desk.at(START + 2 * DAY)
    assert words in load(desk, kind, text, code=2)
    assert total(desk) == 0
    load(desk, "readings", JOBS + JOB)
    load(desk, "checkpoints", SAVED + "run,,2026-11-01T02:30:00Z\n")


def test_an_export_that_holds_what_was_imported_before(desk: Desk) -> None:
    """A cumulative export, with a day more in it: the days before would be charged twice."""
    desk.at(START + 2 * DAY)
    load(desk, "readings", JOBS + JOB)
    more = "hall-2,2026-11-02T00:00:00Z,2026-11-02T02:00:00Z,run,8\n"
    assert "in 3 epochs, from 0 on, it charges what an earlier import charged" in load(desk, "readings", JOBS + JOB + more, code=2)
    assert "an earlier import" in load(desk, "readings", JOBS + JOB.replace(",3", ",3 "), code=2)
    assert "imported before, as file.csv" in load(desk, "readings", JOBS + JOB, code=2)
    load(desk, "readings", JOBS + more)
    once = total(desk)
    load(desk, "readings", JOBS + JOB.replace(",3", ",3 "), "--again")
    assert total(desk) == once + 3 * 9000 * 1000


def test_a_draft_with_another_start(desk: Desk) -> None:
    """Everything would lie in other epochs than it was in."""
    desk.at(START + 2 * DAY)
    text = Path("agreement.toml").read_text()
    load(desk, "readings", JOBS + JOB)
    for one, two in (("2026-11-01T", "2026-10-31T"), ('epoch = "1 h"', 'epoch = "2 h"'), ('"5 d"', '"4 d"')):
        Path("draft.toml").write_text(text.replace(one, two))
        for kind, rows in (("readings", JOBS + JOB.replace(",3", ",2")), ("checkpoints", SAVED + "x,,2026-11-01T02:30:00Z\n")):
            assert "is dated by an agreement from 1 Nov 2026, 00:00 UTC" in load(desk, kind, rows, code=2, agreement="draft.toml")
    seal = ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "draft.toml", "--unsigned", "-k", "keys/hall-1.key")
    assert "dated by an agreement from" in desk.run(*seal, code=2)
    load(desk, "checkpoints", SAVED + "x,,2026-11-01T02:30:00Z\n")


def test_a_draft_before_anything_is_imported(desk: Desk) -> None:
    """An import that was refused leaves no calendar behind."""
    desk.at(START + 2 * DAY)
    Path("draft.toml").write_text(Path("agreement.toml").read_text().replace("2026-11-01T", "2026-10-31T"))
    load(desk, "readings", JOBS + JOB.replace("hall-1", "hall-9"), code=2, agreement="draft.toml")
    load(desk, "readings", JOBS + JOB)


# ---- the end of a period --------------------------------------------------------------------------------------------


def test_unfinished_work_is_closed_while_the_period_runs(desk: Desk) -> None:
    """Its checkpoint could not be noted any more."""
    desk.at(START + 2 * DAY)
    load(desk, "readings", JOBS + JOB)
    snapshot = ("lab", "snapshot", "run", *desk.books, "-n", 0, "--root")
    assert "period 0 is not over" in desk.run(*snapshot, code=2)
    load(desk, "checkpoints", SAVED + "run,,2026-11-02T02:30:00Z\n")
    desk.at(START + PERIOD)
    assert "nothing to close" in desk.run(*snapshot, code=2)


def test_a_period_over_a_cap(desk: Desk) -> None:
    """A forgotten checkpoint column: signed, it could never be claimed, nor any later period."""
    text = Path("agreement.toml").read_text().replace('unattributed = "1e26 FLOP"', 'unattributed = "1e18 FLOP"')
    Path("agreement.toml").write_text(text)
    desk.at(START + PERIOD)
    desk.work(0)
    text = desk.close(0, "--yes", code=1)
    assert "the lab would be over in period 0: unattributed cap exceeded" in text and "--over-caps" in text
    assert desk.sealed() is None
    desk.close(0, "--yes", "--over-caps")


def test_another_terminal_imports_while_one_is_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is signed is what was shown."""

    class Meanwhile(Terminal):
        def readline(self, *_: object) -> str:  # type: ignore[override]
            Path("other.csv").write_text(ROWS + "hall-1,3,,28800\n")
            with Store.open("lab.store") as store:
                import_usage(store, load_agreement("agreement.toml"), "other.csv")
            return "y\n"

    desk.at(START + PERIOD)
    desk.work(0)
    monkeypatch.setattr("sys.stdin", Meanwhile())
    assert "has changed since it was shown: nothing was signed" in desk.close(0, code=2)
    assert desk.sealed() is None
    desk.close(0, "--yes")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("ruN", "-n", 0, "--root"), "nothing to close"),
        (("run", "-n", 1, "--root"), "not over"),
        (("run", "-n", 0, "--parent", "nix"), "its parent nix is not in the registry"),
        (("run", "-n", 0, "--parent", "run"), "not in the registry"),
        (("run", "-n", 0), "nothing says what it started from"),
        (("run", "-n", 0, "--root", "--parent", "base"), "from base, or from nothing"),
        (("run", "-n", 0, "--genesis", "abc:1"), "64 hex digits"),
        (("run", "-n", 9, "--root"), "9 is not one"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_snapshot_with_a_wrong_word(desk: Desk, options: tuple[object, ...], words: str) -> None:
    desk.at(START + PERIOD)
    desk.usage("hall-1,0,run,100")
    assert words in desk.run("lab", "snapshot", *options, *desk.books, code=1 if "9 is" in words else 2)
    desk.run("lab", "snapshot", "run", "-n", 0, "--root", *desk.books)
    assert "nothing to close" in desk.run("lab", "snapshot", "run", "-n", 0, "--root", *desk.books, code=2)


def test_the_order_of_the_last_steps(desk: Desk) -> None:
    """Each that comes too early, or with another key, says what is missing, and changes nothing."""
    desk.at(START + PERIOD)
    desk.usage("hall-1,0,run,100", "hall-2,119,,10")
    close, prove = ("lab", "close", *desk.books, "-n", 0), ("prove", *desk.books, "-n", 0, "-k")
    assert "hall-1 has not signed period 0" in desk.run(*close, code=2)
    assert "hall-1 has not signed period 0" in desk.run(*prove, "lab.key", code=1)
    desk.close(0, "--yes", "--clock-is-right")
    assert "run has work in this period and is not noted" in desk.run(*close, code=2)
    desk.run("lab", "snapshot", "run", *desk.books, "-n", 0, "--root")
    assert "registry is not closed" in desk.run(*prove, "lab.key", code=1)
    desk.run(*close)
    assert "sign with the lab's own key" in desk.run(*prove, "keys/hall-1.key", code=2)
    assert "names the claim" in desk.run(*prove, "lab.key", "--out", "x.roots", code=2)
    assert not list(Path().glob("lab-0.*"))


# ---- signing that cannot be taken back ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["agreement", "decision"])
@pytest.mark.parametrize(("answer", "signs"), [("n\n", False), ("", False), ("y\n", True)])
def test_a_terminal_is_shown_and_asked(desk: Desk, command: str, answer: str, signs: bool) -> None:
    """A decision of another moment, an agreement with other caps: seen before it is signed."""
    with Path("agreement.toml").open("a") as file:
        file.write(PAUSE)
    make = ("decision", "make", "x.decision", "-a", "agreement.toml", "--kind", "trigger", "--effective", "2026-11-03T00:00:00Z")
    desk.run(*make, "--reason", "why")
    before = Path("x.decision").read_bytes()
    desk.answers(answer)
    what = ("agreement.toml",) if command == "agreement" else ("x.decision", "-a", "agreement.toml")
    text = desk.run(command, "sign", *what, "-k", "lab.key", code=0 if signs else 2)
    assert "cannot be taken back" in text and ("1e26 FLOP" if command == "agreement" else "3 Nov 2026, 00:00 UTC") in text
    assert (Path("agreement.sigs").exists() or Path("x.decision").read_bytes() != before) is signs


@pytest.mark.parametrize("moment", ["2026-12-01T00:00:00Z", "2062-11-03T00:00:00Z", "1793491200000", "2026-11-03", "2026-11-03T00:00:00"])
def test_a_decision_that_could_never_count(desk: Desk, moment: str) -> None:
    """After the agreement's end; milliseconds for seconds; a day; a time without its offset."""
    with Path("agreement.toml").open("a") as file:
        file.write(PAUSE)
    desk.run("decision", "make", "x", "-a", "agreement.toml", "--kind", "lift", "--effective", moment, "--reason", "y", code=2)
    assert not Path("x").exists()


def test_a_decision_of_a_moment_that_has_passed_is_said(desk: Desk) -> None:
    with Path("agreement.toml").open("a") as file:
        file.write(PAUSE)
    desk.at(START + DAY)
    make = ("decision", "make", "x", "-a", "agreement.toml", "--kind", "lift", "--effective", START, "--reason", "y")
    assert "has passed, 1 Nov 2026, 00:00 UTC" in desk.run(*make)
    assert "no decider's" in desk.run("decision", "sign", "x", "-a", "agreement.toml", "-k", "keys/hall-1.key", code=2)


def test_an_agreement_is_signed_again(desk: Desk) -> None:
    """After a kill, or by habit: the same signature and the same entry, and no complaint about the file that is there."""
    sign = ("agreement", "sign", "agreement.toml", "-k", "lab.key", "--log-entry", "assent.entry")
    desk.run(*sign)
    first = Path("agreement.sigs").read_bytes(), Path("assent.entry").read_bytes()
    desk.run(*sign)
    assert (Path("agreement.sigs").read_bytes(), Path("assent.entry").read_bytes()) == first
    text = Path("agreement.toml").read_text()
    Path("agreement.toml").write_text(text.replace('name = "desk"', 'name = "next"'))
    assert "move agreement.sigs away if it is of a draft" in desk.run(*sign, code=2)


def test_epochs_under_a_draft_are_refused(desk: Desk) -> None:
    desk.at(START + 2 * HOUR)
    seal = ("epoch", "seal", "hall-1", *desk.books, "-k", "keys/hall-1.key")
    assert "the agreement is not signed by lab" in desk.run(*seal, code=2) and desk.sealed() is None
    collector = ("meter", "run", "hall-1", *desk.books, "-k", "keys/hall-1.key", "-e", "http://127.0.0.1:1/", "--spool", "spool")
    assert "the agreement is not signed by lab" in desk.run(*collector, code=2)
    assert "NOT SIGNED by lab" in desk.run(*seal, "--unsigned")
    desk.at(START + 3 * HOUR)
    assert "epoch 2 sealed" in desk.run(*seal), "it has begun under this one, and goes on"
    desk.run("agreement", "sign", "agreement.toml", "-k", "lab.key")
    assert "NOT SIGNED" not in desk.run(*seal)


# ---- backups ----------------------------------------------------------------------------------------------------------


def test_a_backup_of_another_store(desk: Desk) -> None:
    """Of another lab, or of a store of this lab that was given up."""
    desk.run("lab", "init", "other", "-s", "other.store")
    desk.run("lab", "init", "lab", "-s", "old.store")
    before = Path("lab.store").read_bytes()
    for name in ("other", "old"):
        text = desk.run("lab", "restore", f"{name}.store", "-s", "lab.store", "--replace", code=2)
        assert f"{name}.store is a backup of another store" in text
    assert Path("lab.store").read_bytes() == before and not Path("lab.store.before-restore").exists()


def test_a_backup_from_before_an_import(desk: Desk) -> None:
    """Nothing was signed, so no journal notices: what was imported since is named, and is not lost."""
    desk.run("lab", "backup", "old", "-s", "lab.store")
    desk.at(START + PERIOD)
    desk.work(0)
    text = desk.run("lab", "restore", "old", "-s", "lab.store", "--replace")
    assert "store of lab lab, 0 imports" in text and "before-restore is what was there: store of lab lab, 1 imports" in text
    assert "nothing was overwritten" in desk.run("lab", "restore", "old", "-s", "lab.store", "--replace", code=2)
    assert "nothing was imported" in desk.close(0, "--yes", code=2)
    shutil.move("lab.store.before-restore", "lab.store")
    desk.close(0, "--yes")


def test_a_store_that_is_broken_is_replaced(desk: Desk) -> None:
    desk.run("lab", "backup", "old", "-s", "lab.store")
    Path("lab.store").write_bytes(b"junk" * 3000)
    Path("lab.store").chmod(0o600)
    assert "nothing that can be read" in desk.run("lab", "restore", "old", "-s", "lab.store", "--replace")
    desk.run("lab", "status", *desk.books)


# ---- the log -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def verifier(desk: Desk) -> str:
    """A log in LOG; its verifier key."""
    desk.run("keygen", "log.key", "--no-passphrase")
    desk.run("keygen", "cosign.key", "--no-passphrase")
    return desk.run("log", "init", "LOG", "--origin", "example.org/log", "-k", "log.key").strip()


@pytest.mark.parametrize("name", ["lab.key", "agreement.toml", "log.key"])
def test_a_private_file_is_appended(desk: Desk, verifier: str, name: str) -> None:
    """Without --agreement too: a key would be public for ever."""
    said = "larger than 6144 bytes" if name == "agreement.toml" else "nothing was published"
    assert said in desk.run("log", "append", "LOG", name, "-k", "log.key", code=2)
    assert "0 entries" in desk.run("log", "verify", "LOG", "--log-key", verifier)


def test_a_typo_in_the_name_of_a_memory(desk: Desk, verifier: str) -> None:
    """A cosigner without its memory would cosign a fork."""
    cosign = ("log", "cosign", "LOG", "--log-key", verifier, "--name", "w", "-k", "cosign.key", "--memory")
    assert "m: a new memory" in desk.run(*cosign, "m")
    assert "a new memory" not in desk.run(*cosign, "m")
    assert "w has cosigned this log before, and m-typo remembers nothing of it" in desk.run(*cosign, "m-typo", code=2)
    assert not Path("m-typo").exists()
    desk.run(*cosign, "m-typo", "--new-memory")
    assert "not-there: there is no such memory" in desk.run("log", "mend-memory", "not-there", "--log-key", verifier, code=2)
    assert "nothing to mend" in desk.run("log", "mend-memory", "m", "--log-key", verifier, code=2)
