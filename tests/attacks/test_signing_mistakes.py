"""An honest operator who makes one mistake: too early, twice, another meter, period, key or agreement, a clock that is wrong.

Each is refused before anything is signed, says what to do, and leaves the right command working afterwards.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from desk import DAY, HOUR, START, Desk

PERIOD = 5 * DAY


# ---- too early -------------------------------------------------------------------------------------------


def test_a_period_that_is_not_over(desk: Desk) -> None:
    """As in shared/cases/meter-close-future: the last days could not be entered any more."""
    desk.at(START + 4 * DAY)
    desk.usage("hall-1,2,,28800", "hall-2,3,,28800")
    for meters in (("--all",), ("hall-1",), ("hall-1", "hall-2")):
        text = desk.close(0, "--yes", "--clock-is-right", meters=meters, code=2)
        assert "period 0 is not over: it ends at 6 Nov 2026, 00:00 UTC" in text and "shows 5 Nov 2026, 00:00 UTC" in text
    assert desk.sealed() is None
    desk.at(START + PERIOD - 1)
    desk.usage("hall-1,118,,28800", "hall-2,119,,3600")
    assert "not over" in desk.close(0, "--yes", code=2)
    desk.at(START + PERIOD)
    desk.close(0, "--yes")
    assert desk.signed(0, "hall-1") and desk.signed(0, "hall-2")


def test_the_registry_of_a_period_that_is_not_over(desk: Desk) -> None:
    """With every meter closed under a clock that was mended since."""
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    desk.at(START + 4 * DAY)
    assert "period 0 is not over" in desk.run("lab", "close", *desk.books, "-n", 0, code=2)
    desk.at(START + PERIOD)
    desk.run("lab", "close", *desk.books, "-n", 0)


def test_a_claim_of_a_period_that_is_not_over(desk: Desk) -> None:
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    desk.run("lab", "close", *desk.books, "-n", 0)
    desk.at(START + 4 * DAY)
    assert "period 0 is not over" in desk.run("prove", *desk.books, "-n", 0, "-k", "lab.key", code=2)
    assert not list(Path().glob("lab-0.*"))


def test_an_epoch_that_is_not_over(desk: Desk) -> None:
    seal = ("epoch", "seal", "hall-1", *desk.books, "--unsigned", "-k", "keys/hall-1.key")
    assert "epoch 0 is not over" in desk.run(*seal, code=2)
    desk.at(START + 2 * HOUR)
    assert "epoch 2 is not over" in desk.run(*seal, "--through", 2, code=2)
    assert "epochs 0 to 1 sealed" in desk.run(*seal)
    assert "epoch 2 is not over" in desk.run("epoch", "publish", *desk.books, "-k", "lab.key", "--through", 2, code=2)


def test_nothing_of_an_agreement_that_has_not_begun(desk: Desk) -> None:
    desk.at(START - DAY)
    assert "not over" in desk.close(0, "--yes", "--clock-is-right", code=2)
    assert "epoch 0 is not over" in desk.run("epoch", "seal", "hall-1", *desk.books, "--unsigned", "-k", "keys/hall-1.key", code=2)


# ---- another period --------------------------------------------------------------------------------------


def test_a_later_period_first(desk: Desk) -> None:
    """A typo: it would lock the earlier ones for ever."""
    desk.at(START + 3 * PERIOD)
    desk.work(0, 1, 2)
    for period, missing in ((1, 0), (2, 1)):
        assert f"has not signed period {missing}, period {period} comes later" in desk.close(period, "--yes", code=2)
    assert desk.sealed() is None
    for period in (0, 1, 2):
        desk.close(period, "--yes")
        desk.run("lab", "close", *desk.books, "-n", period)


def test_a_period_that_the_agreement_does_not_have(desk: Desk) -> None:
    desk.at(START + 99 * PERIOD)
    assert "6 is not one of the agreement's periods 0 to 5" in desk.close(6, "--yes", code=1)


def test_the_registry_of_a_later_period_first(desk: Desk) -> None:
    desk.at(START + 2 * PERIOD)
    desk.work(0, 1)
    desk.close(0, "--yes")
    desk.close(1, "--yes")
    text = desk.run("lab", "close", *desk.books, "-n", 1, code=2)
    assert "the registry is not closed for period 0, period 1 comes later" in text


def test_a_period_of_another_lab_s_calendar(desk: Desk) -> None:
    """A lab that comes in with a later period signs nothing of the earlier ones."""
    text = Path("agreement.toml").read_text()
    old = next(line for line in text.splitlines() if line.startswith("opening_head"))
    Path("lab.store").unlink()
    new = desk.run("lab", "init", "lab", "-s", "lab.store", "--since-period", 1).strip()
    Path("agreement.toml").write_text(text.replace(old, f"{new}\nsince_period = 1"))
    desk.at(START + 2 * PERIOD)
    desk.work(1)
    assert "the first period of lab lab is 1, not 0" in desk.close(0, "--yes", code=2)
    desk.close(1, "--yes")


# ---- another meter, another key, another agreement ---------------------------------------------------------


def test_a_meter_whose_import_was_forgotten(desk: Desk) -> None:
    """All of its time would be signed as idle, and could not be entered later."""
    desk.at(START + PERIOD)
    desk.usage("hall-1,0,,28800", "hall-1,119,,28800")
    text = desk.close(0, "--yes", "--clock-is-right", code=2)
    assert "nothing was imported or collected of hall-2 in period 0" in text and "--idle" in text
    assert desk.sealed("hall-1") is None, "all sign, or none"
    assert "--all would hide" in desk.close(0, "--yes", "--idle", code=2)
    desk.close(0, "--yes", meters=("hall-1",))
    desk.close(0, "--yes", "--idle", meters=("hall-2",))
    assert desk.signed(0, "hall-2")


def test_a_name_that_is_no_meter(desk: Desk) -> None:
    desk.at(START + PERIOD)
    desk.work(0)
    assert "no meter 'hall-3'" in desk.close(0, "--yes", meters=("hall-1", "hall-3"), code=1)
    assert "each once" in desk.close(0, "--yes", meters=("hall-1", "hall-1"), code=2)
    assert "name meters" in desk.close(0, "--yes", meters=(), code=2)
    assert "name meters" in desk.close(0, "--yes", meters=("hall-1", "--all"), code=2)
    assert desk.sealed() is None


def test_the_key_of_another_meter(desk: Desk) -> None:
    desk.at(START + PERIOD)
    desk.work(0)
    close = ("meter", "close", *desk.books, "-n", 0, "--yes")
    assert "not the one in the agreement" in desk.run(*close, "hall-1", "-k", "keys/hall-2.key", code=2)
    assert "not the one in the agreement" in desk.run(*close, "hall-1", "-k", "lab.key", code=2)
    assert "--key is the key of one meter" in desk.run(*close, "--all", "-k", "keys/hall-1.key", code=2)
    assert "give --key" in desk.run(*close, "hall-1", code=2)
    assert "give --key" in desk.run(*close, "hall-1", "-k", "keys/hall-1.key", "--keys", "keys", code=2)
    shutil.copy("keys/hall-1.key", "keys/hall-2.key")
    assert "hall-2: its key is not the one" in desk.close(0, "--yes", code=2)
    Path("keys/hall-2.key").unlink()
    assert "keys/hall-2.key" in desk.close(0, "--yes", code=2)
    assert desk.sealed() is None
    desk.run(*close, "hall-1", "-k", "keys/hall-1.key")
    assert desk.signed(0) and not desk.signed(0, "hall-2")


def test_another_agreement(desk: Desk) -> None:
    """A draft with another name has another digest: what a meter signed under one it signs under no other."""
    desk.at(START + 2 * PERIOD)
    desk.work(0, 1)
    desk.close(0, "--yes")
    text = Path("agreement.toml").read_text()
    Path("agreement.toml").write_text(text.replace('name = "desk"', 'name = "draft"'))
    for period in (0, 1):
        assert "has signed period 0 under another agreement" in desk.close(period, code=2), "before anything is asked"
    seal = ("epoch", "seal", "hall-1", *desk.books, "--unsigned", "-k", "keys/hall-1.key")
    assert "has signed epoch 119 under another agreement" in desk.run(*seal, code=2)
    assert "another agreement" in desk.run("lab", "close", *desk.books, "-n", 0, code=2)
    Path("agreement.toml").write_text(text)
    desk.run("lab", "close", *desk.books, "-n", 0)


def test_an_agreement_that_was_changed_after_it_was_signed(desk: Desk) -> None:
    """A cap corrected in the file: a meter that signs under it can sign under the agreement no more."""
    desk.at(START + PERIOD)
    desk.work(0)
    assert "NOT SIGNED by lab" in desk.close(0, code=2)
    desk.run("agreement", "sign", "agreement.toml", "-k", "lab.key")
    text = Path("agreement.toml").read_text()
    Path("agreement.toml").write_text(text.replace('total = "1e26 FLOP"', 'total = "2e26 FLOP"'))
    changed = "agreement.toml is not what agreement.sigs is about"
    assert changed in desk.close(0, "--yes", code=2)
    assert changed in desk.run("epoch", "seal", "hall-1", *desk.books, "--unsigned", "-k", "keys/hall-1.key", code=2)
    collector = ("meter", "run", "hall-1", *desk.books, "-k", "keys/hall-1.key", "-e", "http://127.0.0.1:1/", "--spool", "spool")
    assert changed in desk.run(*collector, code=2)
    Path("agreement.toml").write_text(f"# a comment changes nothing\n{text}")
    assert "NOT SIGNED" not in desk.close(0, "--yes")


def test_another_lab_s_store(desk: Desk) -> None:
    desk.run("lab", "init", "other", "-s", "other.store")
    desk.at(START + PERIOD)
    other = ("-s", "other.store", "-a", "agreement.toml", "-n", 0)
    assert "'other' is not a lab" in desk.run("meter", "close", "--all", *other, "--keys", "keys", "--yes", code=1)
    assert "'other' is not a lab" in desk.run("lab", "close", *other, code=1)


# ---- twice, or unasked -----------------------------------------------------------------------------------


def test_everything_twice(desk: Desk) -> None:
    desk.at(START + PERIOD)
    desk.work(0)
    first = desk.close(0, "--yes", meters=("hall-1",)).splitlines()[-1]
    assert f"{first}  (signed before)" in desk.close(0, "--yes"), "the other one signs"
    lines = desk.close(0).splitlines()
    assert lines[0] == f"{first}  (signed before)" and len(lines) == 2, "there is nothing to ask about"
    desk.run("lab", "close", *desk.books, "-n", 0)
    assert "closed already" in desk.run("lab", "close", *desk.books, "-n", 0, code=2)


def test_a_script_that_does_not_say_yes(desk: Desk) -> None:
    desk.at(START + PERIOD)
    desk.work(0)
    text = desk.close(0, code=2)
    assert "no terminal to ask on" in text and "hall-1, 1 Nov 2026, 00:00 UTC to 6 Nov 2026, 00:00 UTC" in text
    assert desk.sealed() is None


@pytest.mark.parametrize(("answer", "signs"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_an_answer_on_a_terminal(desk: Desk, answer: str, signs: bool) -> None:
    desk.at(START + PERIOD)
    desk.usage("hall-1,0,,1800", "hall-1,3,run,3600", "hall-1,8,run,28800", "hall-1,119,,1")
    desk.answers(answer)
    text = desk.run("meter", "close", "hall-1", *desk.books, "-n", 0, "-k", "keys/hall-1.key", code=0 if signs else 2)
    assert "busy 9.50, of it unattributed 0.50, idle 950.50 of 960.00 chip-hours" in text
    assert "116 epochs without a row between epochs with rows count as idle" in text
    assert "epochs 9 to 118, 1 Nov 2026, 09:00 UTC to 5 Nov 2026, 23:00 UTC" in text
    assert desk.signed(0) is signs


def test_one_passphrase_for_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for name in ("hall-1", "hall-2"):
        Path(f"keys/{name}.key").unlink()
        monkeypatch.setenv("STANDSTILL_PASSPHRASE", "pass")
        text = desk.run("meter", "init", name, "--lab", "lab", "--chip", "h100", "--chips", 8, "-k", f"keys/{name}.key")
        old = Path("agreement.toml").read_text()
        before = old[old.index(f'name = "{name}"') :]
        for start, new in zip(("key = ", "period_key = "), text.strip().splitlines()[-2:], strict=True):
            old = old.replace(next(line for line in before.splitlines() if line.startswith(start)), new)
        Path("agreement.toml").write_text(old)
    monkeypatch.delenv("STANDSTILL_PASSPHRASE")
    monkeypatch.setattr("claims.cli.group.ask_passphrase", lambda path, **_: asked.append(path) or b"pass")
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    assert asked == [None] and desk.signed(0, "hall-2")


def test_one_meter_that_cannot_sign_stops_all(desk: Desk) -> None:
    desk.at(START + 2 * PERIOD)
    desk.work(0, 1)
    desk.usage("hall-2,50,run,5", "hall-2,150,run,5")
    desk.close(0, "--yes")
    assert "work toward run goes on" in desk.close(1, "--yes", code=2)
    assert desk.sealed("hall-1") == 119 and not desk.signed(1, "hall-1")
    desk.run("lab", "snapshot", "run", *desk.books, "-n", 0, "--root")
    desk.close(1, "--yes")
    assert desk.signed(1, "hall-1") and desk.signed(1, "hall-2"), "what was not kept was not signed"


# ---- a clock that is wrong -------------------------------------------------------------------------------


def test_a_clock_ten_days_ahead_seals_nothing_as_idle(desk: Desk) -> None:
    seal = ("epoch", "seal", "hall-1", *desk.books, "--unsigned", "-k", "keys/hall-1.key")
    desk.at(START + HOUR)
    desk.run(*seal)
    desk.at(START + 10 * DAY + HOUR)
    text = desk.run(*seal, code=2)
    assert "is of 1 Nov 2026, 01:00 UTC" in text and "shows 11 Nov 2026, 01:00 UTC" in text and "--clock-is-right" in text
    assert desk.sealed() == 0
    desk.at(START + 2 * HOUR)
    assert "epoch 1 sealed" in desk.run(*seal), "the clock is mended, and nothing is lost"
    desk.at(START + 2 * HOUR + 3 * DAY)
    assert "epochs 2 to 73 sealed" in desk.run(*seal), "a weekend is no jump"
    desk.at(START + 10 * DAY)
    assert "epochs 74 to 239 sealed" in desk.run(*seal, "--clock-is-right")


def test_rows_tell_the_time(desk: Desk) -> None:
    """A lab that imports once a month seals all of it; a part may be asked for."""
    seal = ("epoch", "seal", "hall-1", *desk.books, "--unsigned", "-k", "keys/hall-1.key")
    desk.at(START + 8 * DAY)
    desk.run(*seal, code=2)
    desk.run(*seal, "--through", 71)
    desk.usage(f"hall-2,{24 * 6},,5")
    desk.run(*seal)
    assert desk.sealed() == 24 * 8 - 1


def test_a_clock_ahead_closes_no_period(desk: Desk) -> None:
    desk.usage("hall-1,0,,5", "hall-2,0,,5")
    desk.at(START + PERIOD)
    assert "--clock-is-right" in desk.close(0, "--yes", code=2)
    assert desk.sealed() is None
    desk.close(0, "--yes", "--clock-is-right")


def test_no_command_that_signs_takes_a_clock() -> None:
    import click

    from claims.cli.main import cli

    def walk(command: click.Command, path: str) -> list[tuple[str, set[str]]]:
        if isinstance(command, click.Group):
            return [item for name, inner in command.commands.items() for item in walk(inner, f"{path} {name}")]
        return [(path, {name for parameter in command.params for name in parameter.opts})]

    found = walk(cli, "standstill")
    signing = [(path, options) for path, options in found if options & {"--key", "--keys"}]
    assert len(signing) > 12 and not [path for path, options in signing if options & {"--now", "--time", "--at"}]
