"""Attempts to get a wrong verdict past a reader of a publication folder, and what readers must see instead."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import world
from folders import HOUR, PLAIN, SEEDS, TEXT, Made, amended

from circuits.claim import claim_program, public_interactions
from claims.claim.entries import decode_entry, sign_entry
from claims.claim.entry_kinds import AssentEntry, EpochEntry
from claims.claim.evidence import find_equivocations
from claims.claim.receipts import countersign
from zk.errors import ProofRejected
from zk.options import STD
from zk.security import security_report

SHORT = "periods = 2"
SIGN_BY = TEXT.replace('opening = "3 h"\n', 'opening = "3 h"\nsign_by = 2025-12-31T23:00:00Z\n')
LATE = TEXT.replace('opening = "3 h"\n', 'opening = "3 h"\nlate_epochs = 1\n')

pytestmark = pytest.mark.usefixtures("page_agrees")


@pytest.fixture(autouse=True)
def _proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is valid when it begins with b"proof": a lab can make many for one statement."""

    def check(statement: Any, proof: bytes, *_: object) -> Any:
        statement.validate()
        if not proof.startswith(b"proof"):
            raise ProofRejected("query", "made up")
        return security_report(claim_program(), statement.log_rows, STD, public_interactions(statement))

    monkeypatch.setattr("circuits.verify.verify_claim_proof", check)


def make(tmp_path: Path, text: str = TEXT) -> Made:
    return Made(tmp_path / "folder", text)


def two_agreements(tmp_path: Path, text: str = TEXT, period: int = 1) -> Made:
    """Alpha's claims of two periods; an amendment holds from the second on."""
    made = make(tmp_path, text)
    for number in range(2):
        if number == period:
            made.amend(text)
        if made.terms.log is not None:
            made.epochs(number)
        made.claim(number)
    return made


# ---- the answer goes further than what was checked ---------------------------------------------------------


@pytest.mark.parametrize("text", [TEXT, PLAIN], ids=["log", "plain"])
def test_an_agreement_has_not_held_to_its_end_before_its_last_claim(tmp_path: Path, text: str) -> None:
    """A lab asks for the answer between the end of the last period and its deadline: UNDECIDED."""
    made = make(tmp_path, text.replace("periods = 12", SHORT).replace("since_period = 2", "since_period = 1"))
    if made.terms.log is not None:
        made.epochs()
    made.claim()
    state = made.at(made.end(1) + 60)
    assert (state.holds, state.held, made.run("status", made.folder, "--now", made.end(1) + 60)[0]) == ("undecided", False, 3)
    assert "the claims of alpha and beta for period 1 are pending" in " ".join(state.why)


@pytest.mark.parametrize("logged", [True, False], ids=["log", "no-log"])
def test_sign_by_is_not_taken_for_kept_where_no_log_says_so(tmp_path: Path, logged: bool) -> None:
    """An amendment introduces log and sign_by; a mirror leaves the log out, or the assents were never logged: UNDECIDED."""
    made = make(tmp_path, PLAIN)
    made.claim()
    made.amend(TEXT.replace('opening = "3 h"\n', 'opening = "3 h"\nsign_by = 2026-01-01T03:00:00Z\n'))
    if logged:
        made.add(made.end() - 9000, sign_entry(world.key(60), AssentEntry(made.terms.digest, "gamma")))
    state = made.at(made.end() + 700)
    assert state.holds == "undecided" and ("sign_by" in state.why[0]) != logged


def assents(made: Made, *names: str) -> None:
    for name in names:
        made.add(made.terms.start - 7200, sign_entry(world.key(SEEDS[name]), AssentEntry(made.terms.digest, name)), by="delta beta")


def test_under_a_draft_nobody_is_accused_and_nothing_proven(tmp_path: Path) -> None:
    """Delta never assented by sign_by. A rival wants alpha missing, alpha wants PROVEN: both get "draft"."""
    made = make(tmp_path, SIGN_BY)
    assents(made, "alpha", "beta", "gamma")
    made.epochs()
    made.claim()
    now = made.end() + 700
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now) == (3, "INCOMPLETE unsigned")
    made.add(made.end() + 20 * HOUR, sign_entry(world.key(60), AssentEntry(bytes(32), "gamma")))
    state = made.at(made.end() + 21 * HOUR)
    assert (state.holds, state.life.state, state.rows) == ("undecided", "draft", ())


def test_assents_in_time_prove_as_before(tmp_path: Path) -> None:
    made = make(tmp_path, SIGN_BY)
    assents(made, *SEEDS)
    made.epochs()
    made.claim()
    now = made.end() + 700
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now) == (0, "PROVEN")


def test_a_claim_goes_on_from_no_claim_that_the_log_refutes(tmp_path: Path) -> None:
    """Alpha never committed to epoch 3. Its next claim is REJECTED by status and by `verify --previous` alike."""
    made = make(tmp_path)
    made.epochs(count=3)
    made.claim()
    made.epochs(1)
    made.claim(1)
    now = made.end(1) + 700
    assert made.judged("claims/alpha-1.claim", now) == made.alone(1, now) == (1, "REJECTED continuity")


@pytest.mark.parametrize("kept", [True, False], ids=["refuted", "left-out"])
def test_a_claim_goes_on_from_no_claim_whose_roots_are_false(tmp_path: Path, kept: bool) -> None:
    """Alpha's heads of period 0 have other roots than its log entries; the roots file shows it, and without the file it is open."""
    made = make(tmp_path)
    made.epochs()
    made.claim(claim=world.claim(made.terms))
    made.epochs(1)
    made.claim(1)
    if not kept:
        made.drop("claims/alpha-0.roots")
    code, words = made.alone(1, made.end(1) + 700)
    assert (code, words) == ((1, "REJECTED continuity") if kept else (3, "INCOMPLETE roots"))


def test_eight_claims_hide_no_ninth(tmp_path: Path) -> None:
    """Without a log, alpha floods the folder with proofs of one statement, so that its second heads are not looked at."""
    made = make(tmp_path, PLAIN)
    other = made.draft(shift=3)
    for number in range(12):
        made.file(made.draft(proof=b"proof %d" % number), name=f"x{number}")
    made.file(other, name="zz")
    row = made.row(made.end() + 700)
    assert (row.state, row.check) == ("rejected", "evidence")


# ---- what a mirror does accuses nobody -----------------------------------------------------------------------


@pytest.mark.parametrize("what", ["claims/alpha-0.claim", "claims"])
def test_a_claim_that_the_folder_lacks_is_not_another_than_the_logged_one(tmp_path: Path, what: str) -> None:
    """A mirror drops the file that the reader holds: INCOMPLETE, never REJECTED."""
    made = make(tmp_path)
    made.epochs()
    made.claim()
    own = Path(shutil.copy(made.folder / "claims" / "alpha-0.claim", tmp_path / "own.claim"))
    made.drop(what)
    assert made.judged(own, made.end() + 700) == made.judged(own, made.end() + 20 * HOUR) == (3, "INCOMPLETE claim")
    own.write_bytes(made.draft(proof=b"proof 2").encode())
    assert made.judged(own, made.end() + 700) == (1, "REJECTED log"), "and that one is another"


@pytest.mark.parametrize("text", [TEXT, PLAIN], ids=["log", "plain"])
@pytest.mark.parametrize(("what", "kind"), [("agreements/*.sigs", "unsigned"), ("agreements", "amended")])
def test_who_hides_the_amended_agreement_accuses_nobody(tmp_path: Path, text: str, what: str, kind: str) -> None:
    made = two_agreements(tmp_path, text)
    now = made.end(1) + 700
    assert made.judged("claims/alpha-0.claim", now) == made.judged("claims/alpha-1.claim", now) == (0, "PROVEN")
    made.drop(what)
    for later in (now, made.end(1) + 20 * HOUR):
        assert made.judged("claims/alpha-0.claim", later) == (3, f"INCOMPLETE {kind}")
        assert made.judged("claims/alpha-1.claim", later) == (3, "INCOMPLETE pending")
    assert made.at(now).holds == "undecided"
    assert made.judged(_other(tmp_path, made), now)[0] == (3 if kind == "amended" else 1), "about no agreement of the chain"


def test_what_an_honest_lab_signed_under_the_agreement_before_counts_for_nothing(tmp_path: Path) -> None:
    """Its cron named the old one: epochs and a claim of period 1 are in the log under both, and contradict nothing."""
    made = make(tmp_path)
    made.epochs()
    made.claim()
    old = made.amend(TEXT)
    for first, second in zip(made.epoch_entries(1, terms=old), made.epoch_entries(1), strict=True):
        entry = decode_entry(second)
        assert isinstance(entry, EpochEntry)
        made.add(made.terms.epoch_span(entry.epoch)[1] + 60, decode_entry(first), entry)
    made.claim(1, terms=old, at=made.end(1) + 500)
    made.claim(1)
    now = made.end(1) + 700
    assert made.judged("claims/alpha-0.claim", now) == made.judged("claims/alpha-1.claim", now) == made.alone(1, now) == (0, "PROVEN")


@pytest.mark.parametrize("how", ["another's", "cut", "flipped", "dropped"])
@pytest.mark.parametrize("which", ["agreement.sigs", "agreements/*.sigs"])
def test_who_swaps_a_signatures_file_accuses_nobody(tmp_path: Path, which: str, how: str) -> None:
    """From single files as from the folder, of the agreement as of the amended one: INCOMPLETE."""
    made = two_agreements(tmp_path, PLAIN)
    now = made.end(1) + 700
    assert made.alone(1, now) == (0, "PROVEN")
    (path,) = made.folder.glob(which)
    data = path.read_bytes()
    if how == "dropped":
        path.unlink()
    else:
        other = world.signed(world.agreement()).encode()
        path.write_bytes({"another's": other, "cut": data[:-9], "flipped": data[:-60] + b"0" + data[-59:]}[how])
    assert made.alone(1, now) == (3, "INCOMPLETE signatures")
    assert made.judged("claims/alpha-1.claim", now)[0] == 3


def _other(tmp_path: Path, made: Made) -> Path:
    """A claim under an agreement that nobody signed."""
    path = tmp_path / "stranger.claim"
    path.write_bytes(world.claim(world.agreement()).encode())
    return path


def test_what_cannot_be_judged_accuses_no_later_claim_either(tmp_path: Path) -> None:
    """The amended agreement is hidden, and alpha has made two claims since."""
    made = two_agreements(tmp_path, PLAIN)
    made.claim(2)
    made.drop("agreements")
    assert [made.row(made.end(2) + 20 * HOUR, period).state for period in (1, 2)] == ["pending", "pending"]


@pytest.mark.parametrize("what", ["claims/alpha-0.roots", "claims/alpha-0.claim"])
def test_a_claim_of_a_lifted_period_that_a_mirror_drops(tmp_path: Path, what: str) -> None:
    """The log names it: alpha's next claim waits for it, and is not rejected."""
    made = make(tmp_path)
    begin = made.terms.start
    made.decide("lift", begin + 10, begin + 10)
    made.decide("trigger", begin + 100, begin + 100)
    for period in range(2):
        made.epochs(period)
        made.claim(period)
    now = made.end() + 13 * HOUR
    assert [made.row(now, period).state for period in range(2)] == ["lifted", "under inspection"]
    made.drop(what)
    assert made.judged("claims/alpha-1.claim", now) == (3, "INCOMPLETE late")
    made.drop("claims")
    assert made.row(now, 0).state == "lifted"


def test_an_operator_that_leaves_one_claim_out_makes_no_later_one_missing(tmp_path: Path) -> None:
    """Alpha's first claim was delivered by delta's and beta's receipts and never logged; its second is here and in the log."""
    made = make(tmp_path)
    made.epochs()
    made.file(made.draft(), made.roots(0).encode())
    receipt(made, made.claim_entry(), made.end() + 60)
    made.epochs(1)
    made.claim(1)
    made.add(made.end(1) + 20 * HOUR, sign_entry(world.key(60), AssentEntry(made.terms.digest, "gamma")))
    rows = [made.row(made.end(1) + 20 * HOUR, period) for period in range(2)]
    assert [row.state for row in rows] == ["pending", "pending"] and "gamma left it out" in rows[0].reason


def receipt(made: Made, entry: bytes, at: int, by: str = "delta") -> Path:
    """A party's receipt of an entry, in the folder."""
    (made.folder / "receipts").mkdir(exist_ok=True)
    path = made.folder / "receipts" / f"{hashlib.sha256(entry).hexdigest()[:8]}.receipt"
    path.write_bytes(countersign(world.key(SEEDS[by]), entry, made.terms, at)[1].encode())
    return path


def test_receipts_acquit_in_every_command(tmp_path: Path) -> None:
    """The operator logs alpha's entries a day late; delta's receipts say that it had them in time."""
    made = make(tmp_path, LATE)
    made.epochs(late=24 * HOUR)
    made.claim(at=made.end() + 24 * HOUR + 90)
    now = made.end() + 24 * HOUR + 100
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now) == (1, "REJECTED deadlines")
    paths = [receipt(made, entry, made.terms.epoch_span(epoch)[1] + 60) for epoch, entry in enumerate(made.epoch_entries())]
    given = [x for path in paths for x in ("--receipt", path)]
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now, *given)
    assert made.alone(0, now, *given)[1] != "REJECTED deadlines"


# ---- lifted periods ------------------------------------------------------------------------------------------


def lifted(tmp_path: Path, late: int = 0) -> Made:
    made = make(tmp_path, LATE)
    made.decide("lift", made.terms.start + 10, made.terms.start + 10)
    made.epochs(late=late)
    made.claim(at=made.end() + late + 600)
    return made


def test_evidence_against_a_lifted_period_is_no_proof(tmp_path: Path) -> None:
    """A meter signed two heads while the pause was lifted: its claim is not PROVEN."""
    made = lifted(tmp_path)
    (made.folder / "evidence").mkdir()
    (made.folder / "evidence" / "x.evidence").write_bytes(find_equivocations(made.draft(), made.draft(shift=7))[0].encode())
    assert made.judged("claims/alpha-0.claim", made.end() + 700) == (1, "REJECTED evidence")
    assert made.row(made.end() + 700).state == "lifted", "nothing was owed"


@pytest.mark.parametrize("wait", [10, 14 * HOUR], ids=["late", "drawn"])
def test_a_lifted_period_owes_nothing_in_every_command(tmp_path: Path, wait: int) -> None:
    """Late epochs and a draw that nobody inspected say nothing of a period in which the pause was lifted."""
    made = lifted(tmp_path, late=3 * HOUR)
    now = made.end() + 4 * HOUR + wait
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now) == (0, "PROVEN")


def test_a_false_claim_of_a_lifted_period_is_rejected_in_every_command(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.decide("lift", made.terms.start + 10, made.terms.start + 10)
    made.epochs()
    made.claim(claim=made.draft(proof=b"false"))
    assert made.judged("claims/alpha-0.claim", made.end() + 700) == made.alone(0, made.end() + 700) == (1, "REJECTED proof")


# ---- agreements that follow, periods that are not over ---------------------------------------------------------


@pytest.mark.parametrize("assented", [True, False])
def test_a_successor_that_lapsed_hides_no_missing_claim(tmp_path: Path, assented: bool) -> None:
    """All signed the successor's file, and its sign_by passed without their assents in the log: alpha still owes its claims."""
    made = make(tmp_path)
    made.epochs()
    made.claim()
    text = made.text
    later = made.place(amended(SIGN_BY.replace("2025-12-31T23:00:00Z", "2026-01-01T06:00:00Z"), made.terms, 2), "agreements/next")
    if assented:
        entries = [sign_entry(world.key(seed), AssentEntry(later.digest, name)) for name, seed in SEEDS.items()]
        made.add(made.end() + HOUR, *entries, by="delta beta")
    made.add(made.end(2) + 20 * HOUR, sign_entry(world.key(60), AssentEntry(bytes(32), "gamma")))
    assert made.text == text
    state = made.at(made.end(2) + 20 * HOUR)
    states = {(row.lab, row.period): row.state for row in state.rows}
    assert states[("alpha", 1)] == "missing" and state.holds == "no"
    assert (state.life.state, ("alpha", 2) in states) == (("amended", False) if assented else ("in force", True))


def test_an_epoch_that_is_not_over_is_not_uncommitted(tmp_path: Path) -> None:
    """A claim that is made before its period's end: INCOMPLETE, since the last epoch has no entry yet."""
    made = make(tmp_path)
    made.epochs(count=3)
    made.claim(at=made.end() - 600)
    assert made.judged("claims/alpha-0.claim", made.end() - 60)[0] == made.alone(0, made.end() - 60)[0] == 3
    for data in made.epoch_entries()[3:]:
        made.add(made.end() + 60, decode_entry(data))
    assert made.judged("claims/alpha-0.claim", made.end() + 100) == made.alone(0, made.end() + 100) == (0, "PROVEN")
