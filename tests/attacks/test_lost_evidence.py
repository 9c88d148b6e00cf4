"""A head that the claim hides by listing its meter as lost; and spoilers with such evidence, or with the key of a stolen meter.

The page is asked about every folder, and decides alike.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import world
from folders import PLAIN, SEEDS

from claims.agreement.file import parse_agreement
from claims.agreement.signatures import epoch_root_message, sign_ledger_head
from claims.base.canonical import to_json
from claims.base.errors import ClaimsError
from claims.claim.commitments import roots_digest
from claims.claim.evidence import Equivocation, Evidence, TwoRoots, decode_evidence, find_equivocations
from claims.claim.file import Claim, MeterHead, decode_claim, sign_claim
from claims.claim.handover import MeterReport, SiteReport
from claims.claim.hidden_head import HiddenHead, hidden_heads
from claims.claim.lists import LOST_METER, LOST_SITE, Limit, Loss
from claims.claim.losses import NO_HEAD
from tests.attacks.test_lost import LOSABLE, LOST_2, Folder

UNLOGGED = PLAIN.replace('name = "alpha"\nlog_rows = 16', 'name = "alpha"\nlog_rows = 16\nlost = "70 %"')


@pytest.fixture
def folder(tmp_path: Path, any_proof: None, page_agrees: None) -> Folder:
    return Folder(tmp_path / "folder", LOSABLE)


@pytest.fixture
def unlogged(tmp_path: Path, any_proof: None, page_agrees: None) -> Folder:
    return Folder(tmp_path / "unlogged", UNLOGGED)


def head_of(folder: Folder, period: int = 0, seed: int = 12, name: str = "hall-2", value: int = 77) -> MeterHead:
    """A ledger head that this key signed for a period."""
    digest = roots_digest(dict(folder.roots(period).meters)[name])
    sign = sign_ledger_head(world.key(seed), folder.terms.digest, "alpha", name, period, world.head(value), digest)
    return MeterHead(name, world.head(value), digest, sign)


def lost_claim(folder: Folder, period: int = 0, losses: tuple[Loss, ...] = (LOST_2,)) -> Claim:
    """The lab's claim, in which hall-2 has no head."""
    draft = folder.draft(period)
    meters = tuple(
        MeterHead(one.name, NO_HEAD, one.roots_digest, bytes(64)) if one.name == "hall-2" else one for one in draft.meters
    )
    return world.claim(folder.terms, period, losses=losses, meters=meters)


def hidden(folder: Folder, **changes: object) -> HiddenHead:
    (found,) = hidden_heads(lost_claim(folder), [head_of(folder, **changes)])  # type: ignore[arg-type]
    return found


def convict(folder: Folder, item: Evidence, name: str = "x") -> None:
    (folder.folder / "evidence").mkdir(exist_ok=True)
    (folder.folder / "evidence" / f"{name}.evidence").write_bytes(item.encode())


def two_roots(folder: Folder, epoch: int, seed: int = 12) -> TwoRoots:
    signed = {root: epoch_root_message(folder.terms.digest, "alpha", "hall-2", epoch, root) for root in (b"a" * 32, b"b" * 32)}
    roots = tuple((root, world.key(seed).sign(message)) for root, message in signed.items())
    return TwoRoots(folder.terms.digest, "alpha", "hall-2", epoch, roots)  # type: ignore[arg-type]


def two_heads(folder: Folder, period: int = 0) -> Equivocation:
    low, high = sorted((one.head, one.roots_digest, one.signature) for one in (head_of(folder, period, value=v) for v in (5, 6)))
    return Equivocation(folder.terms.digest, "alpha", "hall-2", period, (low, high))


# ---- it convicts ---------------------------------------------------------------------------------------------


def test_a_hidden_head_convinces_with_the_agreement_alone(folder: Folder, tmp_path: Path) -> None:
    item = hidden(folder)
    assert decode_evidence(item.encode()) == item and item.against(folder.terms) == ("alpha", 0)
    item.check(folder.terms)
    path = tmp_path / "x.evidence"
    path.write_bytes(item.encode())
    code, text = folder.run("check-evidence", path, "-a", folder.folder / "agreement.toml")
    assert code == 0 and "signed a head for period 0, and the lab's claim lists it as lost without one" in text
    assert "lists it as lost" in folder.run("show", path)[1]


def test_without_a_log_it_rejects_the_claim(unlogged: Folder) -> None:
    unlogged.file(lost_claim(unlogged))
    now = unlogged.end() + 700
    assert unlogged.row(now).state == "proven"
    convict(unlogged, hidden(unlogged))
    row = unlogged.row(now)
    assert (row.state, row.check) == ("rejected", "evidence") and "lists it as lost without one" in row.reason


def test_the_command_finds_it_in_what_a_building_reported(folder: Folder, tmp_path: Path) -> None:
    claim, one = lost_claim(folder), head_of(folder)
    report = SiteReport(folder.terms.digest, "alpha", 0, "north", 0, 0, (
        MeterReport("hall-1", (), None), MeterReport("hall-2", (), (one.head, one.roots_digest, one.signature)),
    ))  # fmt: skip
    (tmp_path / "found").mkdir()
    (tmp_path / "0.claim").write_bytes(claim.encode())
    (tmp_path / "north.report").write_bytes(report.encode())
    for files in (("0.claim", "north.report"), ("north.report", "0.claim")):
        code, text = folder.run(
            "evidence", *(tmp_path / name for name in files), "-a", folder.folder / "agreement.toml", "--out", tmp_path / "found"
        )
        assert code == 1 and "lists it as lost" in text
    (found,) = (tmp_path / "found").iterdir()
    decode_evidence(found.read_bytes()).check(folder.terms)
    other = dataclasses.replace(report, period=1)
    (tmp_path / "north.report").write_bytes(other.encode())
    assert folder.run("evidence", tmp_path / "0.claim", tmp_path / "north.report", "-a", folder.folder / "agreement.toml")[0] == 0


def test_two_claims_of_which_one_lists_the_meter_as_lost(folder: Folder) -> None:
    one, two = lost_claim(folder), folder.draft()
    found = find_equivocations(one, two)
    for item in found:
        item.check(folder.terms)
    assert [type(item) for item in found] == [Equivocation, HiddenHead], "two lists of the lab, and no head of zeros"


# ---- spoilers ------------------------------------------------------------------------------------------------


def cases(folder: Folder) -> dict[str, HiddenHead]:
    item, replace = hidden(folder), dataclasses.replace
    carried = lost_claim(folder, losses=(Loss(LOST_METER, "hall-2", 2, True),))
    site, other = lost_claim(folder, losses=(Loss(LOST_SITE, "hall-2", 2),)), lost_claim(folder, losses=(Loss(LOST_METER, "hall-1", 2),))
    nothing, more = lost_claim(folder, losses=()), lost_claim(folder, losses=(LOST_2, Loss(LOST_METER, "hall-3", 2)))

    def over(claim: Claim) -> HiddenHead:
        return replace(item, lists=claim.lists.encode(), head=claim.head_after, lab_signature=claim.registry_signature)

    signed_by_rival = sign_claim(lost_claim(folder), world.key(SEEDS["beta"]))
    return {
        "another key": hidden(folder, seed=11),
        "a head of another period": replace(item, meter_signature=head_of(folder, 1).signature),
        "another period": replace(item, period=1),
        "another roots digest": replace(item, digest=b"x" * 32),
        "another meter's head": replace(item, meter="hall-1"),
        "another lab": replace(item, lab="beta"),
        "another agreement": replace(item, agreement=b"x" * 32),
        "no agreed meter": replace(item, meter="hall-9"),
        "lists that the lab did not sign": replace(item, lists=more.lists.encode()),
        "a claim that a rival signed": over(signed_by_rival),
        "a head that the claim carries": over(carried),
        "a lost site": over(site),
        "another meter's loss": over(other),
        "no loss": over(nothing),
        "nothing signed by the meter": replace(item, meter_head=NO_HEAD, meter_signature=bytes(64)),
        "nothing signed by the lab": replace(item, lab_signature=bytes(64)),
        "bytes after the lists": replace(item, lists=item.lists + b"\0"),
        "half of the lists": replace(item, lists=item.lists[:-1]),
    }  # fmt: skip


def test_nobody_is_framed(unlogged: Folder) -> None:
    """Not in Python, nor on the page, which is asked about a folder with all of it."""
    unlogged.file(lost_claim(unlogged))
    for number, (name, item) in enumerate(cases(unlogged).items()):
        with pytest.raises(ClaimsError):
            item.check(unlogged.terms)
            pytest.fail(name)
        convict(unlogged, item, str(number))
    assert unlogged.row(unlogged.end() + 700).state == "proven"


@pytest.mark.parametrize("kind", ["hidden", "two heads", "two roots"])
def test_who_stole_a_lost_meter_signs_nothing_against_the_lab(folder: Folder, kind: str) -> None:
    """The lab said in the log that it is lost. The thief has its key, and signs what he likes."""
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,), {2: 2})
    claim = decode_claim((folder.folder / "claims" / "alpha-0.claim").read_bytes())
    (hides,) = hidden_heads(claim, [head_of(folder)])
    convict(folder, {"hidden": hides, "two heads": two_heads(folder), "two roots": two_roots(folder, 3)}[kind])
    state = folder.at(folder.end() + 700)
    assert state.rows[0].state == "proven" and any("somebody has its key" in line for line in state.problems)


def test_nobody_is_accused_while_the_period_goes_on(folder: Folder) -> None:
    for item, name in ((two_heads(folder), "heads"), (two_roots(folder, 3), "roots")):
        convict(folder, item, name)
    assert folder.row(folder.end() - 10).check == "evidence"
    folder.say(2)
    assert folder.row(folder.end() - 10).state == "pending"


@pytest.mark.parametrize("epoch", [0, 1])
def test_what_it_signed_before_it_was_lost_counts(folder: Folder, epoch: int) -> None:
    """Two roots of an hour that it sealed: a lab does not rid itself of them by losing the meter."""
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,), {2: 2})
    convict(folder, two_roots(folder, epoch))
    row = folder.row(folder.end() + 700)
    assert (row.state, row.check) == ("rejected", "evidence")


def test_what_it_signed_after_it_was_back_counts(folder: Folder) -> None:
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,), {2: 2})
    folder.say(4, folder.end() + 650, author="beta", word=2)
    folder.publish(1, folder.roots(1), ())
    assert folder.row(folder.end(1) + 700, 1).state == "proven"
    convict(folder, two_roots(folder, 5))
    row = folder.row(folder.end(1) + 700, 1)
    assert (row.state, row.check) == ("rejected", "evidence")


def test_a_rivals_word_that_it_is_back_gives_the_thief_nothing(folder: Folder) -> None:
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,), {2: 2})
    folder.say(4, folder.end() + 650, author="beta", word=2)
    convict(folder, two_roots(folder, 5))
    convict(folder, two_heads(folder, 1), "y")
    folder.publish(1, folder.lost_roots(1, 4), (Loss(LOST_METER, "hall-2", 4),))
    assert folder.row(folder.end(1) + 700, 1).state == "proven"


def test_a_word_for_later_saves_nothing(folder: Folder) -> None:
    """Evidence is there, and the lab says in the log that the meter is lost from a later hour on."""
    convict(folder, two_roots(folder, 1))
    folder.say(2)
    assert folder.row(folder.end() - 10).check == "evidence"


@pytest.mark.parametrize("change", [
    {"format": "standstill-lost-head-evidence/2"}, {"period": "0"}, {"period": 2**24}, {"listed": None}, {"signed": {}}, {"more": 1},
    {"lab": 5},
])  # fmt: skip
def test_hostile_files(unlogged: Folder, change: dict[str, object]) -> None:
    item = hidden(unlogged)
    unlogged.file(lost_claim(unlogged))
    (unlogged.folder / "evidence").mkdir()
    (unlogged.folder / "evidence" / "x.evidence").write_bytes(to_json(json.loads(item.encode()) | change))
    with pytest.raises(ClaimsError):
        decode_evidence(to_json(json.loads(item.encode()) | change))
    assert unlogged.row(unlogged.end() + 700).state == "proven"


def test_the_longest_lists_fit(unlogged: Folder) -> None:
    """A claim's lists at their largest: the file is one of evidence still."""
    from claims.claim.lists import MAX_LOSSES, MAX_OVERS, MAX_TRANSFERS, Lists, Over
    from claims.tlog.evidence import EVIDENCE_LIMIT

    losses = tuple(Loss(LOST_METER, f"{number:0>63}", 2) for number in range(MAX_LOSSES))
    overs = tuple(Over(number, 1, 1, 2) for number in range(MAX_OVERS))
    lists = Lists(losses, (Limit(1, 1, 2),), overs, tuple(number.to_bytes(32, "big") for number in range(MAX_TRANSFERS)))
    assert len(dataclasses.replace(hidden(unlogged), lists=lists.encode()).encode()) <= EVIDENCE_LIMIT
    assert parse_agreement(UNLOGGED).log is None
