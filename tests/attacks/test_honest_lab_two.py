"""An honest lab harmed by one wrong command, second round. Each test is one attempt; its id or docstring names the mistake."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from desk import DAY, HOUR, START, Desk

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
    assert "under another agreement" in desk.run(*SEAL, code=2)


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
