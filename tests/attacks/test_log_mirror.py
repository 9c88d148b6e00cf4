"""A hostile mirror, a hostile operator, colluding cosigners, a spoiler: what each tried with a log, and what the reader is told.

A mirror holds no key. The operator holds the log's key. Quorum: one of beta and delta for lab alpha; alpha, beta, delta for nobody else.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from claims.agreement.file import parse_agreement
from claims.agreement.signatures import sign_agreement
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import ClaimEntry, Entry, EpochEntry, InspectionEntry
from claims.claim.receipts import Receipt, countersign
from claims.cli.verify import verify
from claims.status.compute import log_trust
from claims.tlog.note import Note
from tests.status import test_status_log as base
from tests.status.test_status_log import END, HOUR, START, Published, world_

__all__ = ["world_"]

world = base.world
STRICT = base.TEXT.replace('opening = "3 h"\n', 'opening = "3 h"\nlate_epochs = 1\ncosign = "2 h"\n')


@pytest.fixture
def remake(world_: Published, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Published]:
    """The folder under another agreement, with an empty log."""

    def make(text: str) -> Published:
        terms = parse_agreement(text)
        monkeypatch.setattr(base, "TERMS", terms)
        monkeypatch.setattr(base, "TRUST", log_trust(terms))
        signatures = None
        for seed in base.SEEDS.values():
            signatures = sign_agreement(world.key(seed), terms, signatures)
        (world_.folder / "agreement.toml").write_text(text)
        assert signatures is not None
        (world_.folder / "agreement.sigs").write_bytes(signatures.encode())
        return world_

    return make


@pytest.fixture
def strict(remake: Callable[[str], Published]) -> Published:
    """More than one late epoch rejects; a newer head is to be cosigned within two hours."""
    return remake(STRICT)


def heads(folder: Published) -> list[Path]:
    stored = sorted((folder.folder / "log/checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    return [*stored, folder.folder / "log/checkpoint"]


def strip(*paths: Path, keep: int = 1) -> None:
    """Removes signature lines, which takes no key: all but the log's own (``keep=1``), or all but that and its date."""
    for path in paths:
        note = Note.decode(path.read_bytes())
        path.write_bytes(Note(note.text, note.signatures[:keep]).encode())


def epoch_entry(epoch: int, root: bytes | None = None) -> Entry:
    data = base.lab_epoch_root([(name, base.ROOTS[epoch]) for name in base.METERS]) if root is None else root
    return sign_entry(world.key(1), EpochEntry(base.TERMS.digest, "alpha", epoch, data, bytes(32)))


def claim_files(folder: Published) -> Entry:
    """Alpha's claim and roots in the folder; its entry, published nowhere."""
    data = base.claim().encode()
    roots = base.Roots(base.TERMS.digest, "alpha", 0, 0, 3, tuple((name, base.ROOTS) for name in base.METERS)).encode()
    (folder.folder / "claims").mkdir(exist_ok=True)
    (folder.folder / "claims/alpha-0.claim").write_bytes(data)
    (folder.folder / "claims/alpha-0.roots").write_bytes(roots)
    digests = hashlib.sha256(data).digest(), hashlib.sha256(roots).digest()
    return sign_entry(world.key(1), ClaimEntry(base.TERMS.digest, "alpha", 0, *digests))


def deliver(folder: Published, entry: Entry, *parties: int, at: int) -> None:
    found: Receipt | None = None
    for seed in parties:
        _, found = countersign(world.key(seed), encode_entry(entry), base.TERMS, at, found)
    found = found or Receipt(encode_entry(entry), {})
    (folder.folder / "receipts").mkdir(exist_ok=True)
    name = hashlib.sha256(found.encode()).hexdigest()[:12]
    (folder.folder / f"receipts/{name}.receipt").write_bytes(found.encode())


# ---- a mirror without any key ------------------------------------------------------------------------------


def test_a_contradiction_under_a_stripped_head_still_rejects(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600)
    world_.add(END + 700, sign_entry(world.key(1), ClaimEntry(base.TERMS.digest, "alpha", 0, bytes(32), bytes(32))))
    newest = heads(world_)[-2:]
    for keep in (2, 1):
        strip(*newest, keep=keep)
        row, state = world_.row(END + 800), world_.at(END + 800)
        assert (row.state, row.check, state.holds) == ("rejected", "log", "no")
        assert state.log is not None and state.log.newer_size == 6 and state.log.size == 5
    (world_.folder / "log/checkpoint").write_bytes((world_.folder / "log/checkpoints/5").read_bytes())
    assert world_.row(END + 800).state == "rejected", "an older checkpoint does not hide the stored head"
    for path in heads(world_):
        strip(path)
    assert world_.row(END + 800).state == "rejected", "nor do heads without any cosignature"


@pytest.mark.parametrize("outcome", ["failed", "refused"])
def test_a_bad_inspection_under_a_stripped_head_never_leaves_the_claim_proven(world_: Published, outcome: str) -> None:
    world_.epochs()
    world_.claim(END + 600)
    late = base.DRAWN + 4 * HOUR
    base.record(world_, base.DRAWN + 60, "passed", author="delta")
    base.record(world_, late, outcome)
    assert world_.row(late + 1).state == "rejected"
    strip(*heads(world_)[-2:], keep=2)
    assert world_.row(late + 1).state == "rejected", "the log's own date is there"
    strip(*heads(world_)[-2:])
    row = world_.row(late + 1)
    assert row.state == ("rejected" if outcome == "failed" else "under inspection") and ("beta" in row.reason)


def test_the_newer_head_is_named_with_its_date_and_who_did_not_cosign(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600)
    world_.add(END + 700, epoch_entry(0), by="", logged=END + 700)
    state = world_.at(END + 90 * 86400)
    text = "\n".join(state.lines())
    assert state.holds == "yes" or "inspect" in text
    assert "verified, 5 entries, as it was at 2026-01-01T04:10:00Z" in text and "another mirror" in text
    assert "a newer head of 6 entries, of 2026-01-01T04:11:40Z" in text
    assert "delta (not since 2026-01-01T04:10:00Z, 5 entries)" in text and "beta (no head at all)" in text
    log = state.to_json()["log"]
    assert log["date"] == "2026-01-01T04:10:00Z" and log["newer"]["size"] == 6 and log["newer"]["not_cosigned"][0]["size"] is None


def test_a_newer_head_beyond_the_agreed_time_leaves_the_answer_open(strict: Published) -> None:
    strict.epochs()
    strict.claim(END + 600)
    strict.add(END + 700, epoch_entry(0), by="", logged=END + 700)
    assert strict.at(END + 700 + 2 * HOUR).holds == "yes"
    state = strict.at(END + 701 + 2 * HOUR)
    assert state.holds == "undecided" and "not cosigned by" in state.why[0]
    strip(*heads(strict)[-2:])  # no date at all: it counts from the date of the head in use
    assert strict.at(END + 600 + 2 * HOUR).holds == "yes" and strict.at(END + 601 + 2 * HOUR).holds == "undecided"


def test_withheld_entries_of_a_newer_head_leave_the_answer_open(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600)
    before = world_.folder.parent / "before"
    shutil.copytree(world_.folder / "log", before)
    world_.add(END + 700, sign_entry(world.key(1), ClaimEntry(base.TERMS.digest, "alpha", 0, bytes(32), bytes(32))), by="")
    newer = (world_.folder / "log/checkpoint").read_bytes()
    shutil.rmtree(world_.folder / "log")
    shutil.copytree(before, world_.folder / "log")
    assert world_.at(END + 800).holds == "yes", "a complete older state cannot be told from the newest"
    (world_.folder / "log/checkpoints/6").write_bytes(newer)
    state = world_.at(END + 800)
    assert state.holds == "undecided" and "its entries are not here" in state.why[0]


def test_removed_dates_make_nobody_late(strict: Published) -> None:
    strict.epochs()
    strict.claim(END + 600)
    assert strict.row(END + 601).state == "proven"
    for path in heads(strict)[:-2]:
        path.unlink()
    row = strict.row(END + 601 + 3 * HOUR)
    assert row.epochs.late == 0 and row.state != "rejected"
    strict.beat(END + 5 * HOUR)
    for path in heads(strict)[:-2]:
        path.unlink()
    row = strict.row(END + 6 * HOUR)
    assert (row.epochs.late, row.epochs.undated, row.state) == (0, 4, "pending") and "not shown to be in time" in row.reason


def test_a_copy_that_ends_early_accuses_nobody(world_: Published) -> None:
    world_.epochs()
    state = world_.at(END + 300 * 86400)
    assert not [row for row in state.rows if row.state == "missing"] and state.holds == "undecided"


# ---- cosigners ---------------------------------------------------------------------------------------------


def test_two_rivals_who_cosign_late_take_nothing_from_an_honest_lab(remake: Callable[[str], Published]) -> None:
    folder = remake(STRICT.replace("cosignatures = 1", "cosignatures = 2").replace("late_epochs = 1", "late_epochs = 0"))
    for epoch in range(4):
        at = START + (epoch + 1) * HOUR + 60
        folder.add(at, epoch_entry(epoch), by="", logged=at)
    folder.add(END + 600, claim_files(folder), by="", logged=END + 600)
    row = folder.row(END + 13 * HOUR)
    assert row.state == "pending" and "beta (no head at all), delta (no head at all)" in row.reason
    for by in ("beta", "delta"):
        folder.beat(END + 20 * HOUR, by=by)
    row = folder.row(END + 20 * HOUR + 1)
    assert row.state == "pending", "two heads of one cosigner each"
    memory = base.LogMemory.load(folder.folder.parent / "beta.memory", base.TRUST)  # type: ignore[arg-type]
    base.cosign(folder.folder / "log", world.key(base.COSIGN["beta"]), "beta", memory, END + 20 * HOUR)
    row = folder.row(END + 20 * HOUR + 1)
    assert (row.epochs.late, row.epochs.undated, row.epochs.cosigned_late, row.epochs.cosigners) == (0, 0, 4, ("beta", "delta"))
    assert row.state in ("proven", "under inspection") and not row.late and "cosigned late by beta, delta" in row.reason


def test_a_claim_is_late_by_a_signed_word_alone(strict: Published) -> None:
    """As an epoch: where the quorum's date comes late, one party's receipt makes the lab none the later."""
    strict.epochs()
    late = END + 24 * HOUR
    strict.add(late, claim_files(strict))
    assert strict.row(late + 61).late
    deliver(strict, claim_files(strict), 61, at=END)
    row = strict.row(late + 61)
    assert not row.late and row.published == late and row.state in ("proven", "under inspection")


def test_who_stopped_cosigning_is_named(world_: Published) -> None:
    world_.epochs(by="alpha")
    world_.claim(END + 600, by="alpha")
    row = world_.row(END + 300 * 86400)
    assert row.state == "pending" and "beta (no head at all), delta (no head at all)" in row.reason


def test_one_friend_excuses_lateness_and_moves_no_other_date(strict: Published) -> None:
    """Alpha commits a day late; delta backdates a receipt for one epoch. That epoch is excused, and said; the quorum's date stays."""
    late = END + 24 * HOUR
    strict.add(late, *(epoch_entry(epoch) for epoch in range(4)))
    strict.add(late + 60, claim_files(strict))
    row = strict.row(late + 61)
    assert (row.epochs.late, row.state, row.check) == (4, "rejected", "deadlines") and row.late
    assert "4 of 4 hours committed late; the agreement allows 1" in row.reason
    for epoch in range(3):
        deliver(strict, epoch_entry(epoch), 61, at=START + (epoch + 1) * HOUR)
    row = strict.row(late + 61)
    assert (row.epochs.late, row.epochs.held_back) == (1, 3) and row.published == late + 60 and row.late
    assert "held back by the log's operator gamma" in row.reason


# ---- the operator ------------------------------------------------------------------------------------------


def test_an_entry_that_is_left_out_is_delivered_by_receipts(world_: Published) -> None:
    world_.epochs()
    entry = claim_files(world_)
    world_.beat(END + 30 * HOUR)
    assert world_.row(END + 30 * HOUR).state == "missing"
    deliver(world_, entry, at=END)
    assert world_.row(END + 30 * HOUR).state == "missing", "its own word is nobody's receipt"
    deliver(world_, entry, 2, at=END + 300)
    row, state = world_.row(END + 30 * HOUR), world_.at(END + 30 * HOUR)
    assert row.state == "pending" and "beta on 2026-01-01T04:05:00Z countersigned" in row.reason
    assert "operator gamma left it out" in row.reason
    assert state.holds == "undecided" or any(other.state == "missing" for other in state.rows if other.lab != "alpha")


def test_an_epoch_that_is_left_out_rejects_nobody(world_: Published) -> None:
    world_.epochs(upto=3)
    deliver(world_, epoch_entry(3), 2, 61, at=END + 60)
    world_.add(END + 600, claim_files(world_))
    row = world_.row(END + 30 * HOUR)
    assert row.state == "pending" and "operator gamma left it out" in row.reason
    world_.add(END + 20 * HOUR, epoch_entry(3))
    assert world_.row(END + 30 * HOUR).state in ("proven", "under inspection")


def test_the_operator_s_dates_do_not_count_for_its_own_lab(remake: Callable[[str], Published]) -> None:
    text = STRICT.replace('operator = "gamma"', 'operator = "alpha"')
    folder = remake(text)
    for epoch in range(4):
        at = START + (epoch + 1) * HOUR + 60
        folder.add(END + 24 * HOUR, epoch_entry(epoch), logged=at)
    folder.add(END + 24 * HOUR, claim_files(folder))
    row = folder.row(END + 25 * HOUR)
    assert row.epochs.cosigned_late == 0 and row.epochs.late + row.epochs.undated == 4 and row.state != "proven"


# ---- spoilers ----------------------------------------------------------------------------------------------


def test_a_receipt_hides_no_contradiction(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600)
    deliver(world_, sign_entry(world.key(1), ClaimEntry(base.TERMS.digest, "alpha", 0, bytes(32), bytes(32))), at=END)
    row = world_.row(END + 601)
    assert (row.state, row.check) == ("rejected", "log") and "in the log or in receipts" in row.reason


def test_receipts_of_others_spoil_nothing(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600)
    forged = sign_entry(world.key(2), ClaimEntry(base.TERMS.digest, "alpha", 0, bytes(32), bytes(32)))
    (world_.folder / "receipts").mkdir()
    (world_.folder / "receipts/a.receipt").write_bytes(Receipt(encode_entry(forged), {}).encode())
    (world_.folder / "receipts/b.receipt").write_bytes(b"{}")
    good = encode_entry(claim_files(world_))
    (world_.folder / "receipts/c.receipt").write_bytes(Receipt(good, {"beta": (1, bytes(64))}).encode())
    state = world_.at(END + 601)
    assert state.holds == "yes" and len([line for line in state.problems if line.startswith("receipts/")]) == 3


def test_a_pass_under_a_head_without_its_quorum_counts_for_nothing(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600)
    passed = InspectionEntry(base.TERMS.digest, "beta", "alpha", 0, 1, 1, bytes(32))
    world_.add(END + 700, sign_entry(world.key(2), passed), by="")
    row = world_.row(END + 800)
    assert row.inspections == ()


# ---- a claim verified with a log alone ---------------------------------------------------------------------


def alone(folder: Published, now: int, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of ``verify --log``."""
    place = folder.folder
    given = [str(place / "claims/alpha-0.claim"), "--agreement", str(place / "agreement.toml"), "--log", str(place / "log")]
    done = CliRunner().invoke(verify, [*given, "--now", str(now), "--json", *words])
    assert done.stdout, done.exception
    return done.exit_code, json.loads(done.stdout)


def test_verify_with_a_log_and_receipts_decides_as_status_does(world_: Published) -> None:
    """Epoch 3 and then the claim are left out by the operator: without the receipts the lab alone would answer for it."""
    now, receipts = END + 700, str(world_.folder / "receipts")
    world_.epochs(upto=3)
    entry = claim_files(world_)
    deliver(world_, entry, 2, at=END + 300)
    deliver(world_, epoch_entry(3), 2, 61, at=END + 60)
    code, value = alone(world_, now, "--receipt", receipts)
    assert (code, [item["kind"] for item in value["missing"]]) == (3, ["delivered"]) and world_.row(now).state == "pending"
    assert "operator gamma left it out" in value["missing"][0]["what"] and value["missing"][0]["what"] == world_.row(now).reason
    world_.add(END + 600, entry)
    assert alone(world_, now)[1]["check"] == "log", "nothing says that epoch 3 was delivered"
    files = [word for path in sorted(world_.folder.glob("receipts/*")) for word in ("--receipt", str(path))]
    code, value = alone(world_, now, *files)
    assert (code, value["missing"][0]["kind"], value["log"]["epochs"]["held_back"]) == (3, "delivered", 0)
    assert (world_.row(now).state, world_.row(now).reason) == ("pending", value["missing"][0]["what"])
    value = alone(world_, END + 3 * HOUR, "--receipt", receipts)[1]
    assert value["log"]["epochs"]["held_back"] == world_.row(END + 3 * HOUR).epochs.held_back == 1
    world_.add(END + 650, epoch_entry(3))
    assert (alone(world_, now, "--receipt", receipts)[0], world_.row(now).state) == (0, "proven")
    shutil.rmtree(receipts)
    other = ClaimEntry(base.TERMS.digest, "alpha", 0, bytes(32), bytes(32))
    deliver(world_, sign_entry(world.key(1), other), at=END)
    assert (alone(world_, now, "--receipt", receipts)[1]["check"], world_.row(now).check) == ("log", "log")


def test_a_receipt_that_is_none_is_named_and_left_out(world_: Published, tmp_path: Path) -> None:
    world_.epochs()
    world_.claim(END + 600)
    (tmp_path / "junk.receipt").write_bytes(b"{}")
    assert alone(world_, END + 700, "--receipt", str(tmp_path / "junk.receipt"))[0] == 0
    foreign = sign_entry(world.key(2), ClaimEntry(base.TERMS.digest, "alpha", 0, bytes(32), bytes(32)))
    (tmp_path / "junk.receipt").write_bytes(Receipt(encode_entry(foreign), {}).encode())
    assert alone(world_, END + 700, "--receipt", str(tmp_path))[0] == 0


# ---- a stamp from the future -------------------------------------------------------------------------------


def test_a_stamp_from_the_future_does_not_make_an_old_copy_new(world_: Published) -> None:
    """Beta's clock stood in 2036 once. A mirror that keeps that head, and hides all later ones, cannot have alpha missing."""
    world_.epochs()
    now, future = END + 14 * HOUR, END + 10 * 365 * 86400
    memory = base.LogMemory.load(world_.folder.parent / "beta.memory", base.TRUST)  # type: ignore[arg-type]
    base.cosign(world_.folder / "log", world.key(base.COSIGN["beta"]), "beta", memory, future, clock_is_right=True, new_memory=True)
    row, state = world_.row(now), world_.at(now)
    assert row.state == "pending" and "ends on 2026-01-01T04:01:00Z" in row.reason
    assert state.log is not None and state.log.date == END + 60 and row.epochs.late == 0
    memory = base.LogMemory.load(world_.folder.parent / "d.memory", base.TRUST)  # type: ignore[arg-type]
    base.cosign(world_.folder / "log", world.key(base.COSIGN["delta"]), "delta", memory, now, again=True, new_memory=True)
    assert world_.row(now).state == "missing", "a true stamp counts, whatever stands beside it"
    assert world_.row(now - 600).state == "missing" and world_.row(now - 601).state == "pending", "clocks differ by ten minutes at most"
