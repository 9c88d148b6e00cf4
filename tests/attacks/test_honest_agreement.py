"""An honest lab whose agreement, keys or meters are not what its operator thinks. Each test is one wrong command."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from desk import DAY, HOUR, START, Desk

from claims.agreement.file import load_agreement
from claims.lab.store import Store
from tests.attacks.honest import JOB, JOBS, PERIOD, SAVED, SEAL, SIGN, amendment, change, load

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
    assert "is dated by an agreement from 31 Oct 2026" in desk.close(0, "--yes", "--clock-is-right", meters=("hall-1",), code=2)


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
