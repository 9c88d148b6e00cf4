"""An honest lab harmed by one wrong command, third round. Each test is one attempt; its id or docstring names the mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk import HOUR, START, Desk

from claims.agreement.file import load_agreement
from claims.lab.store import Store
from tests.attacks.test_honest_lab import PERIOD
from tests.attacks.test_honest_lab_two import SEAL, SIGN, amendment, change, logged  # noqa: F401  (a fixture)

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
    assert "From 2026-11-06T00:00:00Z on name next.toml" in said
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
    sign_next(turned)
    turned.at(START + 2 * PERIOD)
    turned.usage("hall-1,120,,3600", "hall-2,239,,3600")
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
