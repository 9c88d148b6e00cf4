"""An honest lab whose operator, or cron, has not followed an amendment. Each test is one wrong command; its id or docstring names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from desk import HOUR, START, Desk

from claims.agreement.file import load_agreement
from claims.lab.store import Store
from tests.attacks.honest import (
    ENTRY,
    NEXT,
    PERIOD,
    SAVED,
    SEAL,
    SEAL_NEXT,
    SET_ASIDE,
    SIGN,
    amendment,
    change,
    load,
    sign_next,
)

# ---- cron still names the agreement before an amendment ---------------------------------------------------------


def test_cron_names_the_agreement_that_was_amended(turned: Desk) -> None:
    """The lab's key signed the amendment on this machine: nothing is sealed under the old one, and the message says what to name."""
    said = sign_next(turned)
    digest = load_agreement("next.toml").digest.hex()
    assert "From 6 Nov 2026, 00:00 UTC, which has begun, on name next.toml" in said
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


# ---- decisions, the collector, and what else an amendment changes -----------------------------------------------------


def test_a_collector_goes_on_over_an_amendment(turned: Desk) -> None:
    """Its spool holds epochs of the period before: it says so at its start, and seals none of them under the amendment."""
    from claims.base.errors import ClaimsError
    from claims.collect.seal import Sealing
    from claims.collect.spool import Header, Spool
    from claims.collect.timeline import Carry, Policy
    from claims.lab.meter import SoftwareMeter

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
def test_a_folder_is_named_where_a_file_is_meant(logged: Desk, what: str) -> None:
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


def test_the_cosigner_of_another_name(logged: Desk) -> None:
    """--name is another party's: the key is not its, and nothing is cosigned."""
    logged.run("log", "append", "LOG", ENTRY, "-k", "log.key", "-a", "agreement.toml")
    before = Path("LOG/checkpoint").read_bytes()
    for name in ("operator", "lab", "nobody"):
        from claims.cli.main import main

        with pytest.raises(SystemExit) as stop:
            main(["log", "cosign", "LOG", "-a", "agreement.toml", "--name", name, "-k", "cosign.key", "--memory", f"m-{name}"])
        assert stop.value.code in (1, 2)
    assert Path("LOG/checkpoint").read_bytes() == before


def test_a_countersignature_under_the_wrong_agreement(logged: Desk) -> None:
    change("agreement.toml", ('name = "desk"', 'name = "other"'), target="other.toml")
    logged.run("log", "countersign", ENTRY, "-a", "other.toml", "-k", "rival.key", code=1)
    assert not Path("entries/lab-epoch-0.receipt").exists()


def test_entries_of_two_labs_have_one_name(logged: Desk) -> None:
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
