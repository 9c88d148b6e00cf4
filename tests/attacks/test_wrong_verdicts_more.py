"""More attempts on readers of a publication folder: by mirrors, labs, inspectors, rivals and the log's operator."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import world
from folders import HOUR, PLAIN, SEEDS, TEXT, Made, amended, signatures

from claims.agreement.file import parse_agreement
from claims.base.errors import ClaimsError
from claims.claim.entries import decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import AssentEntry, ClaimEntry, EpochEntry, InspectionEntry
from claims.claim.evidence import TwoEntries, find_equivocations
from claims.claim.receipts import countersign
from claims.decisions.file import Decision, sign_decision
from claims.inspection.binding import heads_digest
from tests.status.test_status_log import DRAWN, Published, record
from zk.errors import ProofRejected

pytestmark = pytest.mark.usefixtures("page_agrees")


@pytest.fixture(autouse=True)
def _proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is valid when it is b"proof"."""
    from circuits.claim import claim_program, public_interactions
    from zk.options import STD
    from zk.security import security_report

    def check(statement: object, proof: bytes, *_: object) -> object:
        if proof != b"proof":
            raise ProofRejected("query", "made up")
        return security_report(claim_program(), statement.log_rows, STD, public_interactions(statement))  # type: ignore[attr-defined,arg-type]

    monkeypatch.setattr("circuits.verify.verify_claim_proof", check)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Alpha's claim of period 0, logged in time."""
    made = Made(tmp_path / "folder")
    made.epochs()
    made.claim()
    return made


def rename(made: Made) -> None:
    for path in made.folder.glob("claims/*"):
        path.rename(path.with_name("beta-7" + path.suffix))


def duplicate(made: Made) -> None:
    for path in list(made.folder.glob("claims/*")):
        shutil.copy(path, path.with_name("beta-2" + path.suffix))


def link(made: Made) -> None:
    for path in list(made.folder.glob("claims/*.claim")):
        moved = Path(shutil.move(path, made.folder.parent / "elsewhere"))
        os.symlink(moved, path)


def cut(made: Made) -> None:
    path = made.folder / "claims" / "alpha-0.claim"
    path.write_bytes(path.read_bytes()[:-1])


def swap_roots(made: Made) -> None:
    (made.folder / "claims" / "alpha-0.roots").write_bytes(made.roots(2, "beta").encode())


def forge(made: Made) -> None:
    made.file(dataclasses.replace(made.draft(shift=5), signature=bytes(64)), name="forged")


def foreign_evidence(made: Made) -> None:
    other = parse_agreement(TEXT.replace("two-labs", "other"))
    (made.folder / "evidence").mkdir()
    found = find_equivocations(made.draft(terms=other), made.draft(terms=other, shift=7))[0]
    (made.folder / "evidence" / "x.evidence").write_bytes(found.encode())


def forged_evidence(made: Made) -> None:
    other = sign_entry(world.key(2), ClaimEntry(made.terms.digest, "alpha", 0, bytes(32), bytes(32)))
    (made.folder / "evidence").mkdir()
    (made.folder / "evidence" / "x.evidence").write_bytes(TwoEntries.of(made.claim_entry(), encode_entry(other)).encode())


def files_of_decision(made: Made) -> None:
    """Alpha and beta sign a lift of the period after it is over, and never enter it in the log."""
    item = Decision(made.terms.digest, "lift", made.terms.start + 10, "so")
    for seed in world.PARTIES.values():
        item = sign_decision(world.key(seed), item, made.terms)
    (made.folder / "decisions").mkdir()
    (made.folder / "decisions" / "x.decision").write_bytes(item.encode())


def rival_s_amendment(made: Made) -> None:
    """Beta signs an amendment, and calls keys of its own alpha, gamma and delta."""
    text = amended(TEXT, made.terms)
    own = {name: seed if name == "beta" else seed + 100 for name, seed in SEEDS.items()}
    for name, seed in SEEDS.items():
        text = text.replace(world.public(seed), world.public(own[name]))
    made.place(text, "agreements/x", own)


def unsigned_successor(made: Made) -> None:
    """A successor that alpha, beta and gamma signed, and delta did not."""
    made_seeds = {name: seed for name, seed in SEEDS.items() if name != "delta"}
    made.place(amended(TEXT, made.terms), "agreements/x", made_seeds)


def rival_logs_for_alpha(made: Made) -> None:
    for kind in (ClaimEntry, EpochEntry):
        entry = kind(made.terms.digest, "alpha", 0, bytes(32), bytes(32))
        made.add(made.end() + 610, sign_entry(world.key(2), entry))


def operator_logs_again(made: Made) -> None:
    """The same entries a second time, and one with another signature's bytes."""
    made.add(made.end() + 610, *map(decode_entry, [*made.epoch_entries(), made.claim_entry()]))
    made.add(made.end() + 620, dataclasses.replace(decode_entry(made.claim_entry()), signature=bytes(64)))


def entries_of_another_agreement(made: Made) -> None:
    made.add(made.end() + 610, sign_entry(world.key(1), ClaimEntry(bytes(32), "alpha", 0, bytes(32), bytes(32))))


def junk_in_the_log(made: Made) -> None:
    from claims.tlog.writer import LogWriter

    with LogWriter.open(made.folder / "log", world.key(50)) as writer:
        writer.append([b"", b"standstill-log", b"\xff" * 900], now=made.end() + 610)


def junk_everywhere(made: Made) -> None:
    for name in ("claims", "inspections", "evidence", "decisions", "receipts"):
        suffix = name if name == "evidence" else name[:-1].replace("inspection", "record")
        (made.folder / name).mkdir(exist_ok=True)
        for number in range(30):
            (made.folder / name / f"{number}.{suffix}").write_bytes(b"junk %d" % number)


def receipt_of_a_rival_s_forgery(made: Made) -> None:
    entry = encode_entry(sign_entry(world.key(1), ClaimEntry(made.terms.digest, "beta", 2, bytes(32), bytes(32))))
    (made.folder / "receipts").mkdir()
    (made.folder / "receipts" / "x.receipt").write_bytes(b'{"entry": "' + entry.hex().encode() + b'"}')


HARMLESS = [
    rename, duplicate, forge, foreign_evidence, forged_evidence, files_of_decision, rival_s_amendment, unsigned_successor,
    rival_logs_for_alpha, operator_logs_again, entries_of_another_agreement, junk_in_the_log, junk_everywhere, receipt_of_a_rival_s_forgery,
]  # fmt: skip


@pytest.mark.parametrize("attempt", HARMLESS, ids=lambda item: item.__name__)
def test_what_anyone_can_do_changes_nothing(made: Made, attempt: Callable[[Made], None]) -> None:
    own = Path(shutil.copy(made.folder / "claims" / "alpha-0.claim", made.folder.parent / "own.claim"))
    attempt(made)
    now = made.end() + 700
    assert (made.row(now).state, made.at(now).holds, made.judged(own, now)) == ("proven", "yes", (0, "PROVEN"))
    assert made.run("status", made.folder, "--now", now)[0] == made.run("status", made.folder, "--now", now, "--json")[0] == 0


@pytest.mark.parametrize(("attempt", "code"), [(link, 3), (cut, 3), (swap_roots, 3)], ids=["link", "cut", "swap_roots"])
def test_what_a_mirror_spoils_is_open_and_no_accusation(made: Made, attempt: Callable[[Made], None], code: int) -> None:
    own = Path(shutil.copy(made.folder / "claims" / "alpha-0.claim", made.folder.parent / "own.claim"))
    attempt(made)
    now = made.end() + 700
    assert made.judged(own, now)[0] == code and made.row(now).state == "pending" and made.at(now).holds == "undecided"


@pytest.mark.parametrize("what", ["log", "log/tile", "log/checkpoint", "agreement.sigs"])
def test_without_log_or_signatures_nothing_is_decided(made: Made, what: str) -> None:
    made.drop(what)
    now = made.end() + 20 * HOUR
    assert made.at(now).holds == "undecided" and made.judged("claims/alpha-0.claim", now)[0] == 3
    assert made.alone(0, now)[0] == 3 or what == "log/checkpoint"


def test_older_heads_alone_move_no_verdict_to_rejected(made: Made) -> None:
    """A host that keeps the newest head and hides all others."""
    made.drop("log/checkpoints/*")
    now = made.end() + 700
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now) and made.alone(0, now)[0] != 1


@pytest.mark.parametrize("kind", ["claim", "epoch"])
@pytest.mark.parametrize("by", ["delta", ""], ids=["cosigned", "tail"])
def test_a_lab_that_contradicts_itself_is_rejected_everywhere(made: Made, kind: str, by: str) -> None:
    entry = (ClaimEntry if kind == "claim" else EpochEntry)(made.terms.digest, "alpha", 0, bytes(32), bytes(32))
    made.add(made.end() + 800, sign_entry(world.key(1), entry), by=by)
    now = made.end() + 900
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now) == (1, "REJECTED log")
    assert made.run("status", made.folder, "--now", now)[0] == 1


def test_a_contradiction_in_a_receipt_counts_in_every_command(made: Made) -> None:
    entry = encode_entry(sign_entry(world.key(1), ClaimEntry(made.terms.digest, "alpha", 0, bytes(32), bytes(32))))
    path = made.folder / "receipts" / "x.receipt"
    path.parent.mkdir()
    path.write_bytes(countersign(world.key(61), entry, made.terms, made.end())[1].encode())
    now = made.end() + 700
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now, "--receipt", path) == (1, "REJECTED log")


@pytest.mark.parametrize("order", [("passed", "failed"), ("failed", "passed")], ids="-".join)
def test_an_inspector_that_contradicts_itself_proves_nothing(made: Made, order: tuple[str, str]) -> None:
    for outcome in order:
        claim = made.draft()
        record(Published(made.folder), DRAWN + 10, outcome, heads=heads_digest(claim.meters, claim.head_after, claim.lists.digest))
    now = DRAWN + 100
    given = [x for path in made.folder.glob("inspections/*") for x in ("--record", path)]
    code = made.judged("claims/alpha-0.claim", now)[0]
    assert code == made.alone(0, now, *given)[0] != 0


@pytest.mark.parametrize("changes", [{"lab": "beta", "period": 2}, {"author": "alpha"}, {"period": 5}, {"agreement": bytes(32)}])
def test_inspections_of_others_say_nothing_of_this_claim(made: Made, changes: dict[str, object]) -> None:
    entry = InspectionEntry(made.terms.digest, "beta", "alpha", 0, 1, 2, bytes(32))
    entry = dataclasses.replace(entry, **({"author": "gamma"} if "lab" in changes else {}), **changes)  # type: ignore[arg-type]
    made.add(made.end() + 650, sign_entry(world.key(SEEDS[entry.author]), entry))
    now = made.end() + 700
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now) == (0, "PROVEN")


@pytest.mark.parametrize("delay", [-1, 0], ids=["within", "at-the-end"])
def test_a_lift_at_the_very_end_lifts_the_next_period_alone(tmp_path: Path, delay: int) -> None:
    made = Made(tmp_path / "folder")
    when = made.end() + delay
    made.decide("lift", when, made.terms.start + 5)
    made.add(made.end() + 20 * HOUR, sign_entry(world.key(60), AssentEntry(bytes(32), "gamma")))
    row = made.row(made.end() + 20 * HOUR)
    assert row.state == ("lifted" if delay else "missing")


def test_a_lift_that_is_entered_late_forgives_nothing(tmp_path: Path) -> None:
    """Alpha missed its claim; the deciders state a moment within that period."""
    made = Made(tmp_path / "folder")
    made.epochs()
    made.decide("lift", made.end() - 10, made.end() + 13 * HOUR)
    state = made.at(made.end() + 13 * HOUR + 10)
    assert state.holds == "no" and state.rows[0].state == "missing"


def test_an_agreement_that_was_lifted_did_not_hold_to_its_end(tmp_path: Path) -> None:
    """The pause was lifted for the last period, and the agreement has expired since."""
    made = Made(tmp_path / "folder", PLAIN.replace("periods = 12", "periods = 2").replace("since_period = 2", "since_period = 1"))
    made.claim()
    made.decide("lift", made.end() + 10, 0)
    state = made.at(made.end(1) + 60)
    assert (state.life.state, state.holds, state.held) == ("expired", "undecided", False)


def test_what_was_missing_before_an_amendment_stays_missing(tmp_path: Path) -> None:
    made = Made(tmp_path / "folder", PLAIN)
    made.amend(PLAIN)
    assert made.at(made.end(1) + HOUR).holds == "undecided"
    state = made.at(made.end() + 13 * HOUR)
    assert state.holds == "no" and state.rows[0].state == "missing"


def test_a_claim_under_the_amended_agreement_is_none_of_the_amendment(made: Made) -> None:
    old = made.amend(TEXT)
    made.epochs(1, terms=old)
    made.claim(1, terms=old)
    now = made.end(1) + 700
    assert made.judged("claims/alpha-1.claim", now) == (1, "REJECTED agreement")
    assert made.row(now, 1).state == "pending"


def test_signatures_of_another_agreement_sign_nothing(made: Made) -> None:
    other = parse_agreement(TEXT.replace("two-labs", "other"))
    (made.folder / "agreement.sigs").write_bytes(signatures(other))
    now = made.end() + 700
    assert made.at(now).holds == "undecided" and made.judged("claims/alpha-0.claim", now) == (3, "INCOMPLETE unsigned")
    assert made.alone(0, now)[0] != 0 and made.run("agreement", "verify", made.folder / "agreement.toml")[0] != 0


def test_another_agreement_is_refused_where_one_is_expected(made: Made) -> None:
    for command in (("status",), ("verify", made.folder / "claims" / "alpha-0.claim", "--folder")):
        assert made.run(*command, made.folder, "--expect", "00" * 32, "--now", made.end() + 700)[0] == 2
    with pytest.raises(ClaimsError):
        made.at(made.end() + 700, expect=bytes(32))


# ---- amendments, rivals, late epochs ---------------------------------------------------------------------------


def two(tmp_path: Path, text: str = TEXT, second: Callable[[str], str] = lambda text: text) -> Made:
    """Two claims of alpha, the second under an amendment."""
    made = Made(tmp_path / "folder", text)
    for period in range(2):
        if period:
            made.amend(second(text))
        if made.terms.log is not None:
            made.epochs(period)
        made.claim(period)
    return made


def test_an_amendment_with_another_calendar_decides_nothing(tmp_path: Path) -> None:
    """Periods of eight hours after periods of four: what was owed before cannot be told."""
    made = Made(tmp_path / "folder", PLAIN)
    made.claim()
    made.amend(PLAIN.replace("epochs_per_period = 4", "epochs_per_period = 8").replace("periods = 12", "periods = 6"))
    state = made.at(made.end(0) + 13 * HOUR)
    assert state.holds != "yes" and "calendar" in " ".join(state.why)


def test_two_amendments_signed_by_all_are_a_breach_of_those_who_signed(tmp_path: Path) -> None:
    made = two(tmp_path)
    made.place(made.text.replace('name = "two-labs"', 'name = "rival"'), "agreements/rival")
    state = made.at(made.end(1) + 700)
    assert state.holds == "no" and all(name in state.breaches[0] for name in SEEDS)
    assert made.row(made.end(1) + 700, 1).state == "proven"


def test_an_inspection_under_the_amended_agreement_is_none_under_the_amendment(tmp_path: Path) -> None:
    made = two(tmp_path)
    old = parse_agreement(next(made.folder.glob("agreements/*.toml")).read_text())
    made.add(made.end(1) + 650, sign_entry(world.key(2), InspectionEntry(old.digest, "beta", "alpha", 1, 1, 2, bytes(32))))
    now = made.end(1) + 700
    assert made.row(now, 1).state == "proven" and made.alone(1, now) == (0, "PROVEN")


def test_an_amendment_that_drops_the_log_hides_no_contradiction(tmp_path: Path) -> None:
    """Alpha logged two claims of period 0; the amendment names no log, and a mirror drops the folder's."""
    made = Made(tmp_path / "folder")
    made.epochs()
    made.claim()
    made.add(made.end() + 700, sign_entry(world.key(1), ClaimEntry(made.terms.digest, "alpha", 0, bytes(32), bytes(32))))
    made.amend(PLAIN)
    made.claim(1)
    now = made.end(1) + 700
    assert made.row(now).check == "log" and made.row(now, 1).check == "continuity"
    made.drop("log")
    assert made.at(now).holds == "undecided" and made.row(now, 1).state == "pending"
    assert made.alone(1, now)[0] == 3


def test_a_claim_before_under_the_wrong_agreement_is_no_predecessor(tmp_path: Path) -> None:
    made = two(tmp_path, PLAIN)
    made.file(made.draft(0, terms=parse_agreement(PLAIN.replace("two-labs", "other"))))
    now = made.end(1) + 700
    assert made.row(now, 1).state != "proven" and made.alone(1, now)[0] == 1


@pytest.mark.parametrize("count", [1, 2])
def test_late_epochs_reject_beyond_what_is_agreed_alone(tmp_path: Path, count: int) -> None:
    made = Made(tmp_path / "folder", TEXT.replace('opening = "3 h"\n', 'opening = "3 h"\nlate_epochs = 1\n'))
    made.epochs(count=4 - count)
    for data in made.epoch_entries()[4 - count :]:
        made.add(made.end() + 3 * HOUR, decode_entry(data))
    made.claim(at=made.end() + 3 * HOUR)
    now = made.end() + 3 * HOUR + 60
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now) == ((0, "PROVEN") if count == 1 else (1, "REJECTED deadlines"))


def test_a_mirror_that_hides_heads_makes_no_epoch_late(tmp_path: Path) -> None:
    made = Made(tmp_path / "folder", TEXT.replace('opening = "3 h"\n', 'opening = "3 h"\nlate_epochs = 0\n'))
    made.epochs()
    made.claim(at=made.end() + 5 * HOUR)
    now = made.end() + 5 * HOUR + 60
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now) == (0, "PROVEN")
    for size in range(1, 5):
        made.drop(f"log/checkpoints/{size}")
    assert made.judged("claims/alpha-0.claim", now)[0] == made.alone(0, now)[0] == 3


@pytest.mark.parametrize("by", ["alpha", "gamma"])
def test_neither_the_lab_nor_the_operator_vouches(tmp_path: Path, by: str) -> None:
    made = Made(tmp_path / "folder")
    made.epochs(by=by)
    made.claim(by=by)
    now = made.end() + 700
    assert made.judged("claims/alpha-0.claim", now)[0] == made.alone(0, now)[0] == 3


def test_a_decision_by_one_decider_twice_is_no_quorum(tmp_path: Path) -> None:
    from claims.decisions.file import decision_entry

    made = Made(tmp_path / "folder")
    for reason in ("one", "two"):
        item = Decision(made.terms.digest, "lift", made.terms.start + 10, reason)
        made.add(made.terms.start + 10, decision_entry(item, "alpha", world.key(1)), decision_entry(item, "alpha", world.key(1)))
    made.add(made.end() + 13 * HOUR, sign_entry(world.key(60), AssentEntry(bytes(32), "gamma")))
    assert made.row(made.end() + 13 * HOUR).state == "missing"


def test_evidence_that_names_another_lab_leaves_this_one_alone(tmp_path: Path) -> None:
    """Beta's meter signed two roots: beta's period, and no claim of alpha, is spoilt."""
    from claims.agreement.signatures import epoch_root_message
    from claims.claim.evidence import TwoRoots

    made = Made(tmp_path / "folder", PLAIN)
    made.claim()
    signed = [(root, epoch_root_message(made.terms.digest, "beta", "hall-1", 9, root)) for root in (bytes(32), b"x" * 32)]
    roots = [(root, world.key(21).sign(message)) for root, message in signed]
    (made.folder / "evidence").mkdir()
    (made.folder / "evidence" / "x.evidence").write_bytes(TwoRoots(made.terms.digest, "beta", "hall-1", 9, (roots[0], roots[1])).encode())
    now = made.end() + 700
    assert made.row(now).state == "proven" and made.judged("claims/alpha-0.claim", now) == (0, "PROVEN")
    assert made.row(made.end(2) + 60, 2, "beta").check == "evidence"
