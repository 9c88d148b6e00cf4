"""The state of a standstill with a log: what is published, when, by whose word; inspections; logs that lie."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import world

from circuits.claim import claim_program, public_interactions
from claims.agreement.file import parse_agreement
from claims.agreement.signatures import sign_agreement, sign_ledger_head
from claims.base.merkle import leaf_hash, tree_root
from claims.claim.commitments import lab_epoch_root, roots_digest
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import AssentEntry, ClaimEntry, Entry, EpochEntry, InspectionEntry
from claims.claim.file import Claim, MeterHead
from claims.claim.roots import Roots
from claims.inspection.beacon import round_after, time_of_round
from claims.inspection.binding import heads_digest
from claims.inspection.record import Record
from claims.site.generate import generate
from claims.status.compute import compute, log_trust
from claims.status.model import Row, State
from claims.tlog.checkpoint import Checkpoint, sign_checkpoint
from claims.tlog.cosign import cosign
from claims.tlog.evidence import LogEvidence
from claims.tlog.memory import LogMemory
from claims.tlog.writer import LogWriter
from zk.errors import ProofRejected
from zk.options import STD
from zk.security import security_report

HOUR, DAY = 3600, 86400
REGIME = f"""[log]
origin = "log.example/standstill"
operator = "gamma"
key = "{world.public(50)}"
cosignatures = 1

[deadlines]
epoch = "2 h"
claim = "6 h"
grace = "6 h"
opening = "3 h"

[inspection]
draws = 8
slots = 4
margin = "1 h"

"""
PARTIES = {"gamma": 60, "delta": 61}
COSIGN = {"alpha": 70, "beta": 71, "gamma": 72, "delta": 73}
TEXT = world.TEXT.replace("epochs_per_period = 24", "epochs_per_period = 4").replace("[pause]", REGIME + "[pause]")
for _name, _seed in world.PARTIES.items():
    TEXT = TEXT.replace(f'key = "{world.public(_seed)}"', f'key = "{world.public(_seed)}"\ncosign_key = "{world.public(COSIGN[_name])}"')
for _name, _seed in PARTIES.items():
    TEXT += f'\n[[party]]\nname = "{_name}"\nkey = "{world.public(_seed)}"\ncosign_key = "{world.public(COSIGN[_name])}"\n'
TERMS = parse_agreement(TEXT)
START = TERMS.start
END = START + 4 * HOUR
TRUST = log_trust(TERMS)
assert TRUST is not None
SEEDS = {**world.PARTIES, **PARTIES}


METERS = ("hall-1", "hall-2")
ROOTS = tuple(bytes([0x11 * (epoch + 1)]) * 32 for epoch in range(4))


def claim(**changes: Any) -> Claim:
    """Alpha's claim of period 0, whose meters signed these roots."""
    digest = roots_digest(ROOTS)
    meters = tuple(
        MeterHead(
            name, world.head(seed), digest, sign_ledger_head(world.key(seed), TERMS.digest, "alpha", name, 0, world.head(seed), digest)
        )
        for name, seed in world.METERS.items()
    )
    return world.claim(TERMS, meters=meters, **changes)


@dataclass
class Published:
    """A folder with its log. Everything is verified as it is in use, but a proof is valid when it is b"proof"."""

    folder: Path

    def add(self, at: int, *entries: Entry, by: str = "delta", logged: int | None = None) -> None:
        """Appends entries, at the same moment or another, cosigned at a moment."""
        log = self.folder / "log"
        data = [encode_entry(entry) for entry in entries]
        opened = LogWriter.open(log, world.key(50)) if log.exists() else LogWriter.create(log, TERMS.log.origin, world.key(50))  # type: ignore[union-attr]
        with opened as writer:
            writer.append(data, now=at if logged is None else logged)
        if not by:
            return
        memory = LogMemory.load(self.folder.parent / f"{by}.memory", TRUST)  # type: ignore[arg-type]
        cosign(log, world.key(COSIGN[by]), by, memory, at)

    def epochs(self, late: int = 0, lab: str = "alpha", upto: int = 4, **options: Any) -> None:
        """The lab's entries of period 0, each right after its epoch."""
        for epoch in range(upto):
            entry = EpochEntry(TERMS.digest, lab, epoch, lab_epoch_root([(name, ROOTS[epoch]) for name in METERS]), bytes(32))
            self.add(START + (epoch + 1) * HOUR + 60 + late, sign_entry(world.key(SEEDS[lab]), entry), **options)

    def claim(self, at: int, data: bytes | None = None, write: bool = True, roots: bytes | None = None, **options: Any) -> bytes:
        """A claim of period 0, logged at a moment."""
        data = claim().encode() if data is None else data
        roots = Roots(TERMS.digest, "alpha", 0, 0, 3, tuple((name, ROOTS) for name in METERS)).encode() if roots is None else roots
        hashes = (hashlib.sha256(data).digest(), hashlib.sha256(roots).digest())
        self.add(at, sign_entry(world.key(1), ClaimEntry(TERMS.digest, "alpha", 0, *hashes)), **options)
        (self.folder / "claims").mkdir(exist_ok=True)
        (self.folder / "claims" / "alpha-0.roots").write_bytes(roots)
        if write:
            (self.folder / "claims" / "alpha-0.claim").write_bytes(data)
        return data

    def beat(self, at: int, by: str = "delta") -> None:
        """Another entry, so that the log has a head of this date."""
        self.add(at, sign_entry(world.key(61), AssentEntry(TERMS.digest, "delta")), by=by)

    def at(self, now: int, **options: Any) -> State:
        return compute(self.folder, now=now, **options)

    def row(self, now: int) -> Row:
        return next(row for row in self.at(now).rows if (row.lab, row.period) == ("alpha", 0))


@pytest.fixture
def world_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "agreement.toml").write_text(TEXT)
    signatures = None
    for seed in SEEDS.values():
        signatures = sign_agreement(world.key(seed), TERMS, signatures)
    assert signatures is not None
    (folder / "agreement.sigs").write_bytes(signatures.encode())
    made = Published(folder)

    def check(statement: Any, proof: bytes, *_: object) -> Any:
        statement.validate()
        if proof != b"proof":
            raise ProofRejected("query", "made up")
        return security_report(claim_program(), statement.log_rows, STD, public_interactions(statement))

    monkeypatch.setattr("circuits.verify.verify_claim_proof", check)
    return made


# ---- publication -------------------------------------------------------------------------------------------


def test_proven_in_time_and_late(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600)
    row = world_.row(END + 601)
    assert (row.state, row.late, row.published, row.epochs_published, row.epochs_late) == ("proven", False, END + 600, 4, 0)
    assert world_.at(END + 601).holds == "yes"


def test_late_publication_is_said(world_: Published) -> None:
    world_.epochs(late=3 * HOUR)
    world_.claim(END + 7 * HOUR)
    row = world_.row(END + 7 * HOUR + 1)
    assert (row.late, row.epochs_late, row.published) == (True, 4, END + 7 * HOUR)


def test_what_is_not_in_the_log_is_not_published(world_: Published) -> None:
    world_.epochs()
    (world_.folder / "claims").mkdir()
    (world_.folder / "claims" / "alpha-0.claim").write_bytes(claim().encode())
    row = world_.row(END + 13 * HOUR)
    assert row.state == "pending" and "this copy of the log ends on 2026-01-01T04:01:00Z" in row.reason
    world_.beat(END + 7 * HOUR)
    row = world_.row(END + 13 * HOUR)
    assert row.state == "late" and "this copy of the log ends on 2026-01-01T11:00:00Z" in row.reason
    world_.beat(END + 13 * HOUR)
    row = world_.row(END + 13 * HOUR)
    assert row.state == "missing" and "not in the log" in row.reason


def test_what_is_not_here_is_not_published_either(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600, write=False)
    row = world_.row(END + 13 * HOUR)
    assert row.state == "missing" and "file is not here" in row.reason
    (world_.folder / "claims" / "alpha-0.claim").write_bytes(claim(proof=b"other").encode())
    assert world_.row(END + 13 * HOUR).state == "missing", "another file does not stand for the logged one"


def test_a_missing_roots_file_leaves_the_claim_open(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600)
    (world_.folder / "claims" / "alpha-0.roots").write_bytes(b"other")
    assert (world_.row(END + 601).state, world_.row(END + 7 * HOUR).state) == ("pending", "late")


def test_two_claim_entries_reject_the_period(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600)
    other = ClaimEntry(TERMS.digest, "alpha", 0, bytes(32), bytes(32))
    world_.add(END + 700, sign_entry(world.key(2), other))
    assert world_.row(END + 701).state == "proven", "beta cannot speak for alpha"
    world_.add(END + 800, sign_entry(world.key(1), other))
    state = world_.at(END + 801)
    assert world_.row(END + 801).check == "log" and state.holds == "no" and "the claim of alpha for period 0" in state.why[0]


def test_two_epoch_entries_reject_the_period(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600)
    world_.add(END + 700, sign_entry(world.key(1), EpochEntry(TERMS.digest, "alpha", 2, bytes(32), bytes(32))))
    assert world_.row(END + 701).check == "log"


def test_overdue_epochs_are_counted(world_: Published) -> None:
    world_.epochs(upto=2)
    row = world_.row(END)
    assert (row.epochs_ended, row.epochs_published, row.epochs_late) == (4, 2, 0)
    assert world_.row(END + 2 * HOUR + 1).epochs_late == 0, "this copy of the log says nothing about them"
    world_.beat(END + 2 * HOUR + 1)
    row = world_.row(END + 2 * HOUR + 1)
    assert row.epochs_late == 2 and "2 of 4 hours committed late" in row.reason


def test_a_lab_s_own_cosignatures_count_for_nothing(world_: Published) -> None:
    world_.epochs(by="alpha")
    world_.claim(END + 600, by="alpha")
    state, row = world_.at(END + 601), world_.row(END + 601)
    assert state.log_size == 5 and row.state == "pending" and "for lab alpha" in row.reason and state.holds == "undecided"
    world_.epochs(by="beta", lab="alpha")
    assert world_.row(END + 601).state == "proven", "once another party has cosigned"


def test_what_only_the_lab_has_cosigned_is_not_published(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600, by="alpha")
    row = world_.row(END + 7 * HOUR)
    assert row.state == "pending" and "waits for cosignatures" in row.reason
    assert "not cosigned by beta (no head at all), delta" in row.reason


@pytest.mark.parametrize(
    ("check", "changes"),
    [("log", {"roots": b"x"}), ("proof", {"data": claim(proof=b"x").encode()}), ("log", {"data": world.claim(TERMS).encode()})],
)
def test_logged_claims_that_do_not_verify_are_rejected(world_: Published, check: str, changes: dict[str, bytes]) -> None:
    world_.epochs()
    world_.claim(END + 600, **changes)  # type: ignore[arg-type]
    row = world_.row(END + 601)
    assert (row.state, row.check) == ("rejected", check)


def test_an_epoch_without_an_entry_rejects_the_claim(world_: Published) -> None:
    world_.epochs(upto=3)
    world_.claim(END + 600)
    assert "epoch 3" in world_.row(END + 601).reason and world_.row(END + 601).check == "log"


# ---- logs --------------------------------------------------------------------------------------------------


def test_no_log_no_answer(world_: Published) -> None:
    state = world_.at(END + 13 * HOUR)
    assert state.holds == "undecided" and state.log_problem == "there is no log in the folder"
    world_.epochs(by="gamma")
    state = world_.at(END + 13 * HOUR)
    assert state.holds == "undecided" and "cosignatures" in str(state.log_problem), "the operator's cosignature counts for nothing"


def test_a_log_before_an_amendment_that_is_not_here_accuses_nobody(world_: Published) -> None:
    """The amendment names another log; the claim before it cannot be judged, nor what continues from it."""
    world_.epochs()
    world_.claim(END + 600)
    later = TEXT.replace("[pause]", f'[amends]\ndigest = "{TERMS.digest.hex()}"\nfrom_period = 1\n\n[pause]')
    later = later.replace(world.public(50), world.public(51))
    terms, folder = parse_agreement(later), world_.folder
    (folder / "agreements").mkdir()
    for name in ("agreement.toml", "agreement.sigs"):
        (folder / name).rename(folder / "agreements" / name)
    (folder / "agreement.toml").write_text(later)
    signatures = None
    for seed in SEEDS.values():
        signatures = sign_agreement(world.key(seed), terms, signatures)
    assert signatures is not None
    (folder / "agreement.sigs").write_bytes(signatures.encode())
    shutil.rmtree(folder / "log")
    digests = []
    with LogWriter.create(folder / "log", TERMS.log.origin, world.key(51)) as writer:  # type: ignore[union-attr]
        data = world.claim(terms, 1).encode()
        (folder / "claims" / "alpha-1.claim").write_bytes(data)
        digests = [hashlib.sha256(data).digest(), bytes(32)]
        writer.append([encode_entry(sign_entry(world.key(1), ClaimEntry(terms.digest, "alpha", 1, *digests)))])
    trust = log_trust(terms)
    assert trust is not None
    cosign(folder / "log", world.key(COSIGN["delta"]), "delta", LogMemory.load(folder.parent / "other.memory", trust), END + 5 * HOUR)
    state = world_.at(END + 30 * HOUR)
    rows = {(row.lab, row.period): row for row in state.rows}
    assert rows[("alpha", 0)].state == rows[("alpha", 1)].state == "pending" and rows[("alpha", 1)].owed
    assert "log" in rows[("alpha", 1)].reason and not any("alpha for period 1 is" in line and "rejected" in line for line in state.why)


def test_a_log_that_only_the_lab_had_cosigned_before_an_amendment_accuses_nobody(world_: Published) -> None:
    """The log has another operator since: who ran it first had cosigned it too, and counts now; then, nobody but alpha did."""
    world_.epochs(by="gamma")
    first = world_.claim(END + 600, by="gamma")
    later = TEXT.replace("[pause]", f'[amends]\ndigest = "{TERMS.digest.hex()}"\nfrom_period = 1\n\n[pause]')
    later = later.replace('operator = "gamma"', 'operator = "delta"')
    terms, folder = parse_agreement(later), world_.folder
    (folder / "agreements").mkdir()
    for name in ("agreement.toml", "agreement.sigs"):
        (folder / name).rename(folder / "agreements" / name)
    (folder / "agreement.toml").write_text(later)
    signatures = None
    for seed in SEEDS.values():
        signatures = sign_agreement(world.key(seed), terms, signatures)
    assert signatures is not None and first
    (folder / "agreement.sigs").write_bytes(signatures.encode())
    data = world.claim(terms, 1).encode()
    (folder / "claims" / "alpha-1.claim").write_bytes(data)
    entry = ClaimEntry(terms.digest, "alpha", 1, hashlib.sha256(data).digest(), bytes(32))
    world_.add(END + 5 * HOUR, sign_entry(world.key(1), entry), by="gamma")
    cosign(folder / "log", world.key(COSIGN["alpha"]), "alpha", LogMemory.load(folder.parent / "own.memory", TRUST), END + 5 * HOUR)  # type: ignore[arg-type]
    state = world_.at(END + 30 * HOUR)
    rows = {(row.lab, row.period): row for row in state.rows}
    assert rows[("alpha", 0)].state == rows[("alpha", 1)].state == "pending"
    assert "the log that holds its claim for period 0 cannot be used" in rows[("alpha", 1)].reason


def test_a_linked_log_is_left_out(world_: Published) -> None:
    world_.epochs()
    (world_.folder / "log").rename(world_.folder.parent / "log")
    (world_.folder / "log").symlink_to(world_.folder.parent / "log")
    assert world_.at(END + 13 * HOUR).log_problem is not None


def test_a_fork_is_a_breach_and_a_rewind_is_not(world_: Published, tmp_path: Path) -> None:
    world_.epochs(upto=2)
    shutil.copytree(world_.folder / "log", tmp_path / "old")
    world_.add(END, sign_entry(world.key(1), AssentEntry(TERMS.digest, "alpha")))
    memory = tmp_path / "memory"
    assert world_.at(END + 1, memory=memory).log_problem is None and memory.exists()
    shutil.rmtree(world_.folder / "log")
    shutil.copytree(tmp_path / "old", world_.folder / "log")
    state = world_.at(END + 1, memory=memory)
    assert state.holds == "undecided" and "before" in str(state.log_problem) and not state.breaches
    world_.add(END, sign_entry(world.key(2), AssentEntry(TERMS.digest, "beta")), by="beta")
    state = world_.at(END + 1, memory=memory)
    assert state.holds == "no" and "gamma" in state.breaches[0]


def test_evidence_against_the_log(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + 600)
    heads = [
        sign_checkpoint(Checkpoint(TRUST.origin, 1, tree_root([leaf_hash(text)])), world.key(50)).encode()  # type: ignore[union-attr]
        for text in (b"one", b"two")
    ]
    folder = world_.folder / "evidence"
    folder.mkdir()
    (folder / "log.evidence").write_bytes(LogEvidence.of(TRUST, heads[0], heads[1]).encode())  # type: ignore[arg-type]
    state = world_.at(END + 601)
    assert state.holds == "no" and "two histories" in state.why[0] and "gamma" in state.why[0]


def test_sign_by_counts_logged_assents(world_: Published) -> None:
    text = TEXT.replace('opening = "3 h"\n', 'opening = "3 h"\nsign_by = 2025-12-31T23:00:00Z\n')
    terms = parse_agreement(text)
    (world_.folder / "agreement.toml").write_text(text)
    signatures = None
    for seed in SEEDS.values():
        signatures = sign_agreement(world.key(seed), terms, signatures)
    assert signatures is not None
    (world_.folder / "agreement.sigs").write_bytes(signatures.encode())
    for name in ("alpha", "beta", "gamma"):
        world_.add(START - 7200, sign_entry(world.key(SEEDS[name]), AssentEntry(terms.digest, name)), by="delta")
    world_.add(START, sign_entry(world.key(PARTIES["delta"]), AssentEntry(terms.digest, "delta")), by="beta")
    assert (world_.at(START).life.state, world_.at(START).life.reason) == ("draft", "not signed by delta")


# ---- inspections -------------------------------------------------------------------------------------------


def record(world_: Published, at: int, outcome: str, author: str = "beta", *, keep: bool = True, **changes: Any) -> None:
    """An inspector's record and its log entry."""
    number = changes.pop("round", ROUND)
    failures = ("site",) if outcome == "failed" else ()
    heads = None if outcome == "refused" else heads_digest(claim().meters, claim().head_after, claim().lists.digest)
    fields = {"committed": END + 60, "draws": 8, "slots": 4, "heads": heads} | changes
    made = Record(
        TERMS.digest, author, "alpha", 0, number, outcome, fields["committed"], fields["draws"], fields["slots"], failures,
        None if outcome == "refused" else bytes(32), fields["heads"], bytes(64),
    )  # fmt: skip
    key = world.key(SEEDS[author])
    made = Record(*[getattr(made, name) for name in list(Record.__dataclass_fields__)[:-1]], key.sign(made.message()))
    data = made.encode()
    if keep:
        (world_.folder / "inspections").mkdir(exist_ok=True)
        (world_.folder / "inspections" / f"{author}-{outcome}.record").write_bytes(data)
    outcomes = ("passed", "failed", "refused").index(outcome) + 1
    digest = hashlib.sha256(data).digest()
    world_.add(at, sign_entry(key, InspectionEntry(TERMS.digest, author, "alpha", 0, number, outcomes, digest)))


ROUND = round_after(END + 6 * HOUR + HOUR)
DRAWN = time_of_round(ROUND)


@pytest.fixture
def proven(world_: Published) -> Published:
    world_.epochs()
    world_.claim(END + 600)
    return world_


def test_a_drawn_period_is_under_inspection(proven: Published) -> None:
    assert proven.row(DRAWN - 1).state == "proven"
    row = proven.row(DRAWN)
    assert (row.state, row.opening_due) == ("under inspection", DRAWN + 3 * HOUR) and str(ROUND) in row.reason
    state = proven.at(DRAWN + 3 * HOUR + 1)
    assert state.holds == "undecided" and "overdue" in proven.row(DRAWN + 3 * HOUR + 1).reason


@pytest.mark.parametrize(("outcome", "state"), [("passed", "proven"), ("failed", "rejected"), ("refused", "rejected")])
def test_an_inspector_s_word_counts(proven: Published, outcome: str, state: str) -> None:
    moment = DRAWN + 3 * HOUR + 10
    record(proven, moment, outcome)
    row = proven.row(moment)
    assert (row.state, row.inspections) == (state, (("beta", ROUND, outcome),)) and "beta" in row.reason
    assert proven.at(moment).holds != ("yes" if state == "rejected" else "no")


def test_one_failure_outweighs_a_pass(proven: Published) -> None:
    record(proven, DRAWN + 10, "passed")
    record(proven, DRAWN + 20, "failed", "gamma")
    assert proven.row(DRAWN + 30).check == "inspection"


@pytest.mark.parametrize(
    "changes",
    [
        {"keep": False}, {"round": ROUND + 1}, {"round": ROUND - 1}, {"draws": 7}, {"slots": 0}, {"committed": END + 7 * HOUR},
    ],
)  # fmt: skip
def test_records_that_do_not_count(proven: Published, changes: dict[str, Any]) -> None:
    record(proven, DRAWN + 10, "passed", **changes)
    state = proven.at(DRAWN + 20)
    row = proven.row(DRAWN + 20)
    assert (row.state, row.inspections) == ("under inspection", ()) and any("inspection" in text for text in state.problems)


def test_no_refusal_before_the_opening_is_due(proven: Published) -> None:
    record(proven, DRAWN + 3 * HOUR, "refused")
    assert proven.row(DRAWN + 3 * HOUR + 1).state == "under inspection"


def test_an_unlogged_record_says_nothing(proven: Published) -> None:
    record(proven, DRAWN + 10, "failed", "gamma")
    shutil.rmtree(proven.folder / "log")
    for path in proven.folder.parent.glob("*.memory"):
        path.unlink()
    proven.epochs()
    proven.claim(END + 600)
    assert proven.row(DRAWN + 20).state == "under inspection"


def test_a_pass_that_was_logged_before_the_draw_does_not_count(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + HOUR)
    record(world_, DRAWN - 60, "passed")
    state = world_.at(DRAWN + 120)
    row = next(row for row in state.rows if (row.lab, row.period) == ("alpha", 0))
    assert row.state == "under inspection"
    assert any("logged before its round was drawn" in problem for problem in state.problems)


def test_a_pass_about_another_registry_than_the_claims_does_not_count(world_: Published) -> None:
    world_.epochs()
    world_.claim(END + HOUR)
    record(world_, DRAWN + 60, "passed", heads=bytes(32))
    state = world_.at(DRAWN + 120)
    row = next(row for row in state.rows if (row.lab, row.period) == ("alpha", 0))
    assert row.state == "under inspection"
    assert any("about other heads than the claim" in problem for problem in state.problems)


@pytest.mark.parametrize("late", [2**41, 2**62])
def test_dates_beyond_all_rounds_and_calendars(world_: Published, late: int) -> None:
    """A quorum of cosigners may write any date: nothing breaks, and no inspection is spared. A date from the future says nothing of
    how far the log goes, so nobody is missing by it."""
    world_.epochs(late=late)
    world_.claim(END + 600 + late)
    state = world_.at(END + 30 * DAY)
    found = next(row for row in state.rows if (row.lab, row.period) == ("alpha", 0))
    assert (found.state, found.late, state.holds) == ("under inspection", False, "undecided")  # no date that counts says when
    assert "after the last round" in found.reason and state.lines() and state.to_json()
    generate(world_.folder, world_.folder.parent / "page", now=END + 30 * DAY)


@pytest.mark.parametrize("committed", [0, 2**40, 253402300799, 2**62])
@pytest.mark.parametrize("outcome", ["failed", "refused", "passed"])
def test_an_inspector_s_record_of_any_date_breaks_nothing(proven: Published, outcome: str, committed: int) -> None:
    record(proven, DRAWN + 4 * HOUR, outcome, committed=committed)
    state = proven.at(DRAWN + 9 * HOUR)
    assert not any("its record is not here" in problem for problem in state.problems)
    generate(proven.folder, proven.folder.parent / "page", now=DRAWN + 9 * HOUR)
