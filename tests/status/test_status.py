"""The state of a standstill from a publication folder: every state, and folders made to deceive."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import world
from click.testing import CliRunner

from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement
from claims.agreement.signatures import AgreementSignatures, sign_agreement
from claims.base.errors import ClaimsError, UnreadableFile
from claims.claim.evidence import find_equivocations
from claims.claim.file import Claim
from claims.cli.status import status as status_command
from claims.decisions.file import Decision, sign_decision
from claims.site.generate import generate
from claims.status import folder as status_folder
from claims.status import rows as status_rows
from claims.status.compute import compute
from claims.status.model import Row, State
from zk.errors import ProofRejected
from zk.options import STD

HOUR, DAY = 3600, 86400
DEADLINES = '\n[deadlines]\nepoch = "2 h"\nclaim = "6 h"\ngrace = "6 h"\nopening = "3 h"\n'
TEXT = world.TEXT.replace("[pause]", DEADLINES.strip() + "\n\n[pause]")
TERMS = parse_agreement(TEXT)
START = TERMS.start


@pytest.fixture(autouse=True)
def _proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is valid when it is b"proof"."""
    from circuits.claim import claim_program, public_interactions
    from zk.security import security_report

    def check(statement: Any, proof: bytes, *_: object) -> Any:
        statement.validate()
        if proof != b"proof":
            raise ProofRejected("query", "made up")
        return security_report(claim_program(), statement.log_rows, STD, public_interactions(statement))

    monkeypatch.setattr("circuits.verify.verify_claim_proof", check)


def signed(terms: Agreement, *seeds: int) -> AgreementSignatures:
    result = None
    for seed in seeds or (1, 2):
        result = sign_agreement(world.key(seed), terms, result)
    assert result is not None
    return result


def publish(folder: Path, text: str = TEXT, name: str = "agreement", seeds: tuple[int, ...] = (1, 2)) -> Path:
    path = folder / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if seeds:
        path.with_suffix(".sigs").write_bytes(signed(parse_agreement(text), *seeds).encode())
    return folder


def put(folder: Path, sub: str, name: str, data: bytes) -> Path:
    (folder / sub).mkdir(parents=True, exist_ok=True)
    (folder / sub / name).write_bytes(data)
    return folder / sub / name


def claim(folder: Path, period: int = 0, terms: Agreement = TERMS, name: str | None = None, **changes: Any) -> Claim:
    made = world.claim(terms, period, **changes)
    put(folder, "claims", name or f"alpha-{period}.claim", made.encode())
    return made


def row(state: State, period: int = 0, lab: str = "alpha") -> Row:
    return next(row for row in state.rows if (row.lab, row.period) == (lab, period))


def seen(folder: Path, now: int, period: int = 0) -> tuple[str, str]:
    state = compute(folder, now=now)
    return row(state, period).state, state.holds


# ---- states ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "without", "with_claim"),
    [
        (1, ("pending", "undecided"), ("pending", "undecided")), (24, ("pending", "undecided"), ("proven", "yes")),
        (30, ("pending", "undecided"), ("proven", "yes")),
        (30.1, ("late", "undecided"), ("proven", "yes")), (36, ("late", "undecided"), ("proven", "yes")),
        (36.1, ("missing", "no"), ("proven", "yes")),
    ],
)  # fmt: skip
def test_from_pending_to_missing(
    tmp_path: Path, hours: float, without: tuple[str, str], with_claim: tuple[str, str]
) -> None:
    publish(tmp_path)
    assert seen(tmp_path, START + int(hours * HOUR)) == without
    claim(tmp_path)
    assert seen(tmp_path, START + int(hours * HOUR)) == with_claim


def test_without_deadlines_nothing_is_ever_missing(tmp_path: Path) -> None:
    publish(tmp_path, world.TEXT)
    state = compute(tmp_path, now=START + 10 * DAY)
    assert (row(state).state, state.holds) == ("pending", "undecided") and "no deadline" in row(state).reason


def test_a_chain_of_periods(tmp_path: Path) -> None:
    publish(tmp_path)
    for period in range(2):
        claim(tmp_path, period)
    state = compute(tmp_path, now=START + 2 * DAY)
    assert [row.state for row in state.rows] == ["proven", "proven", "pending", "pending"] and state.holds == "yes"
    assert state.why == ("2 claims are proven, and no other is due",)
    state = compute(tmp_path, now=START + 2 * DAY + 7 * HOUR)
    assert row(state, 2).state == "pending" and row(state, 2, "beta").state == "pending"


def test_a_claim_after_a_missing_one_waits_and_after_a_rejected_one_is_rejected(tmp_path: Path) -> None:
    """A mirror that leaves out one claim does not have the next one rejected."""
    publish(tmp_path)
    claim(tmp_path, 1)
    state = compute(tmp_path, now=START + 2 * DAY)
    assert row(state, 0).state == "missing" and row(state, 1).state == "pending" and state.holds == "no"
    assert "waits for that of period 0" in row(state, 1).reason
    publish(tmp_path / "free", world.TEXT)
    claim(tmp_path / "free", 1, parse_agreement(world.TEXT))
    assert compute(tmp_path / "free", now=START + 2 * DAY).holds == "undecided", "without deadlines nobody is accused"
    claim(tmp_path, 0, proof=b"bad")
    state = compute(tmp_path, now=START + 2 * DAY)
    assert row(state, 0).check == "proof" and row(state, 1).check == "continuity"


def test_a_broken_chain_is_named(tmp_path: Path) -> None:
    publish(tmp_path)
    claim(tmp_path, 0)
    claim(tmp_path, 1, before=world.head(7))
    state = compute(tmp_path, now=START + 2 * DAY)
    assert (row(state, 1).state, row(state, 1).check) == ("rejected", "continuity")
    assert "the claim of alpha for period 1 is rejected: " in state.why[0] and state.holds == "no"


@pytest.mark.parametrize(
    ("changes", "check"), [({"proof": b"x"}, "proof"), ({"before": world.head(3)}, "continuity"), ({"first_epoch": 1}, "period")]
)
def test_rejected_claims_say_why(tmp_path: Path, changes: dict[str, Any], check: str) -> None:
    publish(tmp_path)
    claim(tmp_path, **changes)
    state = compute(tmp_path, now=START + DAY)
    assert (row(state).state, row(state).check, state.holds) == ("rejected", check, "no")


def test_drafts_owe_nothing(tmp_path: Path) -> None:
    publish(tmp_path, seeds=(1,))
    claim(tmp_path)
    state = compute(tmp_path, now=START + 5 * DAY)
    assert (state.life.state, state.holds, state.rows) == ("draft", "undecided", ()) and "beta" in state.life.reason
    os.unlink(tmp_path / "agreement.sigs")
    assert compute(tmp_path, now=START).life.reason == "not signed by alpha, beta"


def test_before_the_beginning_and_after_the_end(tmp_path: Path) -> None:
    publish(tmp_path)
    state = compute(tmp_path, now=START - 1)
    assert (state.life.state, state.holds, state.rows) == ("signed", "undecided", ())
    state = compute(tmp_path, now=START + 100 * DAY)
    assert state.life.state == "expired" and state.holds == "no" and len(state.rows) == 12 + 10


def alone(text: str) -> str:
    """The agreement with alpha as its only lab."""
    text = text[: text.index('[[lab]]\nname = "beta"')] + text[text.index("[[meter]]") :]
    return text[: text.rindex("[[meter]]")]


def test_an_expired_agreement_held_and_holds_no_more(tmp_path: Path) -> None:
    text = alone(TEXT.replace("periods = 12", "periods = 1"))
    terms = parse_agreement(text)
    publish(tmp_path, text)
    claim(tmp_path, 0, terms)
    state = compute(tmp_path, now=START + DAY)
    assert (state.life.state, state.holds, state.held) == ("expired", "yes", True)
    assert state.lines()[0].startswith("THE STANDSTILL HELD TO ITS END; the agreement has expired")


# ---- decisions and amendments ------------------------------------------------------------------------------


def decide(folder: Path, name: str, kind: str, effective: int, *seeds: int) -> None:
    item = Decision(TERMS.digest, kind, effective, "agreed")
    for seed in seeds:
        item = sign_decision(world.key(seed), item, TERMS)
    put(folder, "decisions", f"{name}.decision", item.encode())


def test_a_lifted_pause_owes_nothing_until_it_is_triggered(tmp_path: Path) -> None:
    publish(tmp_path)
    decide(tmp_path, "a", "lift", START + 5 * HOUR, 1, 2)
    state = compute(tmp_path, now=START + 40 * HOUR)
    assert state.life.state == "lifted" and {row.state for row in state.rows} == {"lifted"} and state.holds == "undecided"
    decide(tmp_path, "b", "trigger", START + 20 * HOUR, 1, 2)
    state = compute(tmp_path, now=START + 40 * HOUR)
    assert state.life.state == "in force" and [row.state for row in state.rows] == ["lifted", "pending"]
    assert [(item.decision, item.effective, item.content[1]) for item in state.decisions] == [
        ("lift", START + 5 * HOUR, START + 5 * HOUR), ("trigger", START + 20 * HOUR, START + 20 * HOUR),
    ]  # fmt: skip


def test_after_a_lifted_period_the_chain_of_claims_goes_on(tmp_path: Path) -> None:
    """Nothing is owed for it, but a claim that was made all the same is what the next one continues from."""
    publish(tmp_path)
    decide(tmp_path, "a", "lift", START + 5 * HOUR, 1, 2)
    decide(tmp_path, "b", "trigger", START + 20 * HOUR, 1, 2)
    claim(tmp_path, 1)
    state = compute(tmp_path, now=START + 2 * DAY)
    assert row(state, 1).check == "continuity" and "new opening head" in row(state, 1).reason and state.holds == "no"
    claim(tmp_path, 0)
    state = compute(tmp_path, now=START + 2 * DAY)
    assert [row.state for row in state.rows[:2]] == ["lifted", "proven"] and state.holds == "yes"
    assert "made all the same is proven" in row(state, 0).reason
    claim(tmp_path, 0, proof=b"bad")
    state = compute(tmp_path, now=START + 2 * DAY)
    assert (row(state, 0).state, row(state, 0).check, row(state, 1).check) == ("lifted", None, "continuity")


def test_too_few_deciders_decide_nothing(tmp_path: Path) -> None:
    publish(tmp_path)
    decide(tmp_path, "a", "lift", START, 1)
    state = compute(tmp_path, now=START + 37 * HOUR)
    assert row(state).state == "missing" and any("2 must sign" in problem for problem in state.problems)


def amended(period: int = 1, **edit: str) -> str:
    text = TEXT.replace("[pause]", f'[amends]\ndigest = "{TERMS.digest.hex()}"\nfrom_period = {period}\n\n[pause]')
    for old, new in edit.items():
        text = text.replace(old, new)
    return text


def test_an_amendment_takes_over_and_its_claims_continue(tmp_path: Path) -> None:
    later = parse_agreement(amended())
    publish(tmp_path, amended())
    publish(tmp_path, TEXT, "agreements/first")
    claim(tmp_path, 0)
    claim(tmp_path, 1, later)
    state = compute(tmp_path, now=START + 2 * DAY)
    assert [(row.agreement, row.state) for row in state.rows[:2]] == [(TERMS.digest, "proven"), (later.digest, "proven")]
    assert state.holds == "yes" and state.life.state == "in force"
    shutil.rmtree(tmp_path / "agreements")
    state = compute(tmp_path, now=START + 2 * DAY)
    assert row(state, 1).state == "pending" and state.holds == "undecided", "what a mirror leaves out accuses nobody"


def fresh(period: int = 1, name: str = "digest") -> str:
    """An amendment in which alpha starts over with a new opening head: no claim of it needs one from before."""
    text = amended(period).replace("log_rows = 16", f"log_rows = 16\nsince_period = {period}")
    return text if name == "digest" else text.replace(TERMS.digest.hex(), name)


def test_who_hides_the_amended_agreement_hides_what_was_missing_under_it(tmp_path: Path) -> None:
    """Alpha made no claim for period 0; its publisher leaves the agreement of that period out, or its signatures."""
    later, now = parse_agreement(fresh()), START + 2 * DAY
    publish(tmp_path, fresh())
    claim(tmp_path, 1, later, before=later.lab("alpha").opening_head)
    publish(tmp_path, TEXT, "agreements/first")
    assert compute(tmp_path, now=now).holds == "no"
    os.unlink(tmp_path / "agreements" / "first.sigs")
    state = compute(tmp_path, now=now)
    assert row(state, 1).state == "proven" and state.holds == "undecided" and "not signed by alpha, beta" in state.why[0]
    shutil.rmtree(tmp_path / "agreements")
    state = compute(tmp_path, now=now)
    assert row(state, 1).state == "proven" and state.holds == "undecided"
    assert f"the amended agreement {TERMS.digest.hex()} is not here" in state.why[0]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [('epoch = "1 h"', 'epoch = "2 h"', "another calendar"), ("periods = 12", "periods = 2", "ends before period 2")],
)
def test_an_amendment_that_leaves_time_unjudged_does_not_hold(tmp_path: Path, old: str, new: str, why: str) -> None:
    before = alone(TEXT.replace(old, new))
    first = parse_agreement(before)
    text = alone(fresh(3, first.digest.hex()))
    later = parse_agreement(text)
    publish(tmp_path, text)
    publish(tmp_path, before, "agreements/first")
    for period, terms in ((0, first), (1, first), (3, later)):
        start = {"before": terms.lab("alpha").opening_head} if period == 3 else {}
        claim(tmp_path, period, terms, **start)
    state = compute(tmp_path, now=START + 4 * DAY)
    assert [row.state for row in state.rows if row.begin < START + 4 * DAY] == ["proven"] * 3
    assert state.holds == "undecided" and why in state.why[0]


def test_the_amended_agreement_says_who_replaced_it(tmp_path: Path) -> None:
    publish(tmp_path)
    publish(tmp_path, amended(), "agreements/second")
    claim(tmp_path, 0)
    state = compute(tmp_path, now=START + 5 * DAY)
    assert state.life.state == "amended" and [row.period for row in state.rows] == [0]
    assert state.holds == "undecided" and parse_agreement(amended()).digest.hex() in state.why[0], "what holds now is another's matter"
    publish(tmp_path, amended(), "agreements/second", seeds=(1,))
    assert compute(tmp_path, now=START + 5 * DAY).life.state == "in force", "one party cannot amend alone"


def test_a_lab_cannot_amend_its_missing_claim_away(tmp_path: Path) -> None:
    """From the period that it misses on, an agreement of its own, signed by all whom that names."""
    publish(tmp_path)
    claim(tmp_path, 0)
    own = alone(amended()).replace(f'[[party]]\nname = "beta"\nkey = "{world.public(2)}"\n\n', "")
    own = own.replace('deciders = ["beta", "alpha"]\nquorum = 2', 'deciders = ["alpha"]\nquorum = 1')
    publish(tmp_path, own, "agreements/own", seeds=(1,))
    state = compute(tmp_path, now=START + 3 * DAY)
    assert state.life.state == "in force" and row(state, 1).state == "missing" and state.holds == "no"


def test_two_amendments_of_one_agreement_are_a_breach(tmp_path: Path) -> None:
    publish(tmp_path)
    claim(tmp_path, 0)
    publish(tmp_path, amended(), "agreements/one")
    publish(tmp_path, amended(2), "agreements/two")
    state = compute(tmp_path, now=START + DAY)
    assert state.holds == "no" and "alpha, beta signed 2 amendments" in state.breaches[0]
    publish(tmp_path, amended(2), "agreements/two", seeds=(2,))
    assert compute(tmp_path, now=START + DAY).breaches == ()


def puppet(*parties: tuple[str, int], name: str = "puppet", digest: str = TERMS.digest.hex()) -> str:
    """An amendment that only these parties, by name and key, are asked to sign; the first is its lab."""
    first = f'name = "{parties[0][0]}"'
    text = alone(amended()).replace(TERMS.digest.hex(), digest).replace('name = "two-labs"', f'name = "{name}"')
    head, tail = text.split("[[party]]", 1)[0], text[text.index("[[chip]]") :]
    rows = "".join(f'[[party]]\nname = "{who}"\nkey = "{world.public(seed)}"\n\n' for who, seed in parties)
    deciders = f'deciders = ["{parties[0][0]}"]\nquorum = 1'
    head = head.replace('deciders = ["beta", "alpha"]\nquorum = 2', deciders)
    return head + rows + tail.replace('[[lab]]\nname = "alpha"', f"[[lab]]\n{first}").replace('lab = "alpha"', f'lab = "{parties[0][0]}"')


def test_nobody_is_accused_of_amendments_under_other_keys(tmp_path: Path) -> None:
    """A host makes two amendments whose only party has alpha's name and a key of its own: alpha broke nothing."""
    publish(tmp_path)
    claim(tmp_path, 0)
    for name in ("one", "two"):
        publish(tmp_path, puppet(("alpha", 90), name=name), f"agreements/{name}", seeds=(90,))
    state = compute(tmp_path, now=START + DAY)
    assert state.breaches == () and state.holds == "yes"
    for name in ("three", "four"):
        publish(tmp_path, puppet(("alpha", 91), ("zeta", 1), name=name), f"agreements/{name}", seeds=(91, 1))
    state = compute(tmp_path, now=START + DAY)
    assert state.breaches == (f"alpha signed 2 amendments of agreement {TERMS.digest.hex()}",), "who has its key did"
    assert state.holds == "no"
    for path in (tmp_path / "agreements").iterdir():
        path.unlink()
    for name in ("one", "two"):
        publish(tmp_path, puppet(("alpha", 1), name=name, digest="ab" * 32), f"agreements/{name}", seeds=(1,))
    assert compute(tmp_path, now=START + DAY).breaches == (), "of an agreement that nobody asked about"


def test_rivals_of_an_amendment_whose_predecessor_is_hidden(tmp_path: Path) -> None:
    publish(tmp_path, amended())
    publish(tmp_path, puppet(("alpha", 90)), "agreements/stranger", seeds=(90,))
    assert compute(tmp_path, now=START).breaches == ()
    publish(tmp_path, puppet(("alpha", 90), ("zeta", 2)), "agreements/rival", seeds=(90, 2))
    assert compute(tmp_path, now=START).breaches == (f"beta signed 2 amendments of agreement {TERMS.digest.hex()}",)


def test_an_amendment_corrected_before_it_begins(tmp_path: Path) -> None:
    """The first of two amendments has no period of its own: claims go on from those under the agreement before it."""
    wrong = parse_agreement(alone(amended(2)))
    for begin, holds in ((2, "yes"), (1, "undecided")):
        folder = tmp_path / holds
        right = alone(amended(begin)).replace(TERMS.digest.hex(), wrong.digest.hex()).replace("1e23", "9e22")
        publish(folder, right)
        publish(folder, alone(amended(2)), "agreements/wrong")
        publish(folder, TEXT, "agreements/first")
        for period in range(3):
            claim(folder, period, TERMS if period < begin else parse_agreement(right))
        state = compute(folder, now=START + 3 * DAY)
        assert [row.period for row in state.rows if row.lab == "alpha" and row.end <= state.now] == [0, 1, 2], "each judged once"
        assert state.holds == holds and (holds == "yes" or "before it" in state.why[0])


def test_no_claim_goes_on_from_a_lifted_period_with_evidence(tmp_path: Path) -> None:
    """Nothing is owed for it; but of two histories that the lab signed there, none is the one to continue."""
    publish(tmp_path)
    decide(tmp_path, "a", "lift", START + 5 * HOUR, 1, 2)
    decide(tmp_path, "b", "trigger", START + 20 * HOUR, 1, 2)
    one, two = claim(tmp_path, 0), world.claim(TERMS, 0, head_after=world.head(7))
    claim(tmp_path, 1)
    assert compute(tmp_path, now=START + 2 * DAY).holds == "yes"
    put(tmp_path, "evidence", "x.evidence", find_equivocations(one, two)[0].encode())
    state = compute(tmp_path, now=START + 2 * DAY)
    assert row(state, 0).state == "lifted" and "two heads" in row(state, 0).reason
    assert row(state, 1).check == "continuity" and state.holds == "no"


def test_other_agreements_of_the_same_parties_are_no_breach(tmp_path: Path) -> None:
    publish(tmp_path)
    publish(tmp_path, TEXT.replace("two-labs", "other"), "agreements/other")
    claim(tmp_path, 0)
    put(tmp_path, "claims", "other.claim", world.claim(parse_agreement(TEXT.replace("two-labs", "other"))).encode())
    state = compute(tmp_path, now=START + DAY)
    assert state.holds == "yes" and any("about agreement" in problem for problem in state.problems)


# ---- hostile folders ---------------------------------------------------------------------------------------


def test_files_that_the_lab_did_not_sign_harm_nobody(tmp_path: Path) -> None:
    publish(tmp_path)
    good = claim(tmp_path)
    for number in range(20):
        forged = dataclasses.replace(good, proof=b"%d" % number)
        put(tmp_path, "claims", f"0-{number}.claim", forged.encode())
    state = compute(tmp_path, now=START + DAY)
    assert (row(state).state, state.holds) == ("proven", "yes") and any("does not verify" in text for text in state.problems)


def test_names_do_not_matter(tmp_path: Path) -> None:
    publish(tmp_path)
    claim(tmp_path, 0, name="beta-7.claim")
    claim(tmp_path, 1, name="alpha-0.claim")
    state = compute(tmp_path, now=START + 2 * DAY)
    assert [row.state for row in state.rows[:2]] == ["proven", "proven"] and len(state.problems) == 2


def test_two_signed_claims_with_different_heads_are_evidence(tmp_path: Path) -> None:
    publish(tmp_path)
    one = claim(tmp_path)
    two = claim(tmp_path, name="again.claim", head_after=world.head(5))
    state = compute(tmp_path, now=START + DAY)
    assert (row(state).state, row(state).check, state.holds) == ("rejected", "evidence", "no")
    os.unlink(tmp_path / "claims" / "again.claim")
    assert compute(tmp_path, now=START + DAY).holds == "yes"
    item = find_equivocations(one, two)[0]
    put(tmp_path, "evidence", "x.evidence", item.encode())
    assert row(compute(tmp_path, now=START + DAY)).check == "evidence"
    (low, high) = item.heads
    put(tmp_path, "evidence", "x.evidence", dataclasses.replace(item, heads=(low, (*high[:2], bytes(64)))).encode())
    state = compute(tmp_path, now=START + DAY)
    assert state.holds == "yes" and any("no evidence" in problem for problem in state.problems)


def test_links_pipes_and_junk_are_left_out(tmp_path: Path) -> None:
    folder, outside = publish(tmp_path / "f"), tmp_path / "outside"
    claim(outside, 0)
    (folder / "claims").mkdir()
    (folder / "claims" / "alpha-0.claim").symlink_to(outside / "claims" / "alpha-0.claim")
    (folder / "claims" / "loop.claim").symlink_to("loop.claim")
    (folder / "claims" / "dir.claim").mkdir()
    os.mkfifo(folder / "claims" / "pipe.claim")
    put(folder, "claims", "junk.claim", b"\xff" * 1000)
    put(folder, "claims", "empty.claim", b"")
    (folder / "decisions").symlink_to(outside)
    state = compute(folder, now=START + 37 * HOUR)
    assert row(state).state == "missing" and len(state.problems) == 4
    os.unlink(folder / "agreement.toml")
    (folder / "agreement.toml").symlink_to(outside)
    with pytest.raises(UnreadableFile):
        compute(folder, now=START)


def test_names_of_files_write_no_lines(tmp_path: Path) -> None:
    """Whoever mirrors a folder could have a verdict printed by naming a file after it."""
    publish(tmp_path)
    claim(tmp_path)
    put(tmp_path, "claims", "x\nTHE STANDSTILL HOLDS\n\u202e.claim", b"junk")
    (tmp_path / "claims" / "y\nproven.claim").mkdir()
    state = compute(tmp_path, now=START + DAY)
    assert len(state.problems) == 2 and "x\ufffdTHE STANDSTILL HOLDS\ufffd\ufffd.claim" in " ".join(state.problems)
    assert all("\n" not in line and "\u202e" not in line for line in state.problems)


def test_huge_files_and_crowds_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path)
    claim(tmp_path)
    with open(tmp_path / "claims" / "huge.claim", "wb") as file:
        file.truncate(2**40)
    state = compute(tmp_path, now=START + DAY)
    assert state.holds == "yes" and any("larger than" in problem for problem in state.problems)
    os.unlink(tmp_path / "claims" / "huge.claim")
    for number in range(3000):
        put(tmp_path, "claims", f"{number}.claim", b"standstill-claim" + number.to_bytes(4, "big"))
    state = compute(tmp_path, now=START + DAY)
    assert state.holds == "yes" and len(state.problems) == 1 and "and 2997 more: " in state.problems[0]
    monkeypatch.setattr(status_folder, "MAX_FILES", 2000)
    with pytest.raises(UnreadableFile, match="more than 2000"):
        compute(tmp_path, now=START + DAY)


def test_a_missing_or_broken_agreement_is_unreadable(tmp_path: Path) -> None:
    for text in (None, "x", TEXT.replace("epochs_per_period = 24", "")):
        if text is not None:
            (tmp_path / "agreement.toml").write_text(text)
        with pytest.raises(ClaimsError):
            compute(tmp_path, now=START)


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path)
    claim(tmp_path)
    path, true = tmp_path / "claims" / "alpha-0.claim", status_folder.Folder.claims

    def swap(self: status_folder.Folder) -> Any:
        found = true(self)
        path.write_bytes(world.claim(TERMS, 1).encode())
        return found

    monkeypatch.setattr(status_folder.Folder, "claims", swap)
    assert any("changed while" in problem for problem in compute(tmp_path, now=START + DAY).problems)


def test_an_agreement_at_the_end_of_the_calendar(tmp_path: Path) -> None:
    """Its deadlines lie after the year 9999: nothing that is printed or written breaks."""
    text = alone(TEXT).replace("2026-01-01T00:00:00Z", "9999-12-19T00:00:00Z")
    publish(tmp_path / "f", text.replace('claim = "6 h"', 'claim = "40000 d"'))
    for now in (0, 253402300799, 2**62):
        state = compute(tmp_path / "f", now=now)
        assert state.lines() and state.to_json()
        generate(tmp_path / "f", tmp_path / f"page-{now}", now=now)


# ---- the command -------------------------------------------------------------------------------------------


def test_the_command_exits_by_the_answer(tmp_path: Path) -> None:
    publish(tmp_path)
    run = CliRunner().invoke
    assert run(status_command, [str(tmp_path), "--now", str(START + DAY)]).exit_code == 3
    assert run(status_command, [str(tmp_path), "--now", "2026-01-03T00:00:00Z"]).exit_code == 1
    claim(tmp_path)
    result = run(status_command, [str(tmp_path), "--now", str(START + DAY), "--json"])
    assert result.exit_code == 0
    value = json.loads(result.output)
    assert value["format"] == "standstill-status/1" and value["holds"] == "yes"
    assert value["rows"][0]["state"] == "proven" and value["agreement"]["state"] == "in force"


def test_nothing_reaches_a_terminal_raw(tmp_path: Path) -> None:
    publish(tmp_path)
    put(tmp_path, "claims", "\x1b[2J.claim", b"x")
    assert "\x1b" not in CliRunner().invoke(status_command, [str(tmp_path), "--now", str(START)]).output


def test_candidates_without_a_log_are_bounded(tmp_path: Path) -> None:
    publish(tmp_path)
    for number in range(status_rows.MAX_CANDIDATES + 3):
        claim(tmp_path, name=f"{number}.claim", proof=b"%d" % number)
    state = compute(tmp_path, now=START + DAY)
    assert row(state).check == "proof" and any("more than 8" in problem for problem in state.problems)


def test_what_is_alike_is_said_once(tmp_path: Path) -> None:
    """Periods that follow one another in one state for one reason are one line, and labs that share both one sentence."""
    text = re.sub("since_period = .*\n", "", world.TEXT)
    publish(tmp_path, text)
    terms = parse_agreement(text)
    first, *lines = compute(tmp_path, now=terms.period_span(terms.periods - 1)[1] + DAY).lines()
    last, why = terms.periods - 1, "the period has ended, no claim counts yet, and no deadline is agreed"
    assert first.startswith("UNDECIDED")
    assert lines[0] == f"  the claims of alpha and beta for periods 0 to {last} are pending; of period 0: {why}"
    table = [re.split("  +", line) for line in lines if line.startswith(("alpha  ", "beta  "))]
    assert [(row[0], row[1], *row[3:]) for row in table] == [(lab, f"periods 0 to {last}", "pending", why) for lab in ("alpha", "beta")]
