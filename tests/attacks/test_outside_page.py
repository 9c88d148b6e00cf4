"""Power records, and inspections of labs with feeds or losses, in folders: the page and ``status`` say the same of each."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import world
from folders import HOUR, SEEDS, TEXT, Made

from claims.claim.commitments import lab_epoch_root, roots_digest
from claims.claim.entries import decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import Entry, EpochEntry, InspectionEntry, JoulesEntry, LossEntry
from claims.claim.file import Claim, MeterHead
from claims.claim.lists import LOST_METER, Loss
from claims.claim.losses import NO_HEAD
from claims.claim.power import absent_bits
from claims.claim.receipts import countersign
from claims.claim.roots import Roots
from claims.inspection.beacon import round_after, time_of_round
from claims.inspection.binding import heads_digest
from claims.inspection.record import Record
from tests.attacks.test_allowances import CEILED, gift
from tests.attacks.test_page_publisher import FED
from tests.site.test_site_tables import Sites, cut

pytestmark = pytest.mark.usefixtures("any_proof", "page_agrees")


def joules(made: Made, epoch: int, key: int = 80, amount: int = 1, feed: str = "hall-feed") -> JoulesEntry:
    return sign_entry(world.key(key), JoulesEntry(made.terms.digest, feed, epoch, bytes([amount]) * 32))


def powered(made: Made, how: str = "", epochs: tuple[int, ...] = (1,), **options: Any) -> None:
    """Alpha's epochs, before each the joules of its feed; in some of the epochs something is wrong with them."""
    for epoch, data in enumerate(made.epoch_entries()):
        own, good, wrong = decode_entry(data), joules(made, epoch), how if epoch in epochs else ""
        assert isinstance(own, EpochEntry)
        if wrong == "said":
            own = sign_entry(world.key(1), replace(own, absent=absent_bits(1, {0})))
        before = {
            "": [good], "said": [good], "missing": [], "after": [], "twice": [good, joules(made, epoch, amount=2)],
            "stranger": [joules(made, epoch, 81)], "lab": [joules(made, epoch, 1)], "again": [good, good],
            "stranger first": [joules(made, epoch, 81, 3), good], "twice, one false": [good, joules(made, epoch, 81, 2)],
            "resigned": [replace(good, signature=bytes(64)), good],
        }.get(wrong, [good])  # fmt: skip
        after = {"after": [good], "contradicted later": [joules(made, epoch, amount=2)]}.get(wrong, [])
        made.add(made.terms.epoch_span(epoch)[1] + 60, *before, own, *after)


@pytest.mark.parametrize(("how", "absent"), [
    ("", 0), ("said", 1), ("missing", 1), ("after", 1), ("twice", 1), ("stranger", 1), ("lab", 1), ("again", 0), ("stranger first", 0),
    ("twice, one false", 0), ("resigned", 0), ("contradicted later", 0),
])  # fmt: skip
def test_the_verdict_says_how_far_power_was_recorded(tmp_path: Path, how: str, absent: int) -> None:
    """By the log's order, and the feed's own key alone; and the same on the page."""
    made = Made(tmp_path / "folder", FED)
    powered(made, how)
    made.claim()
    row = made.row(made.end() + 700)
    assert row.state == "proven" and row.power is not None and row.power.line() == f"1 of 2 meters under a feed, {absent} of 4 hours absent"
    assert "power: 1 of 2 meters" in row.reason


@pytest.mark.parametrize("text", [TEXT, FED.replace('lab = "alpha"\nholder', 'lab = "beta"\nholder')], ids=["no feed", "of another lab"])
def test_a_lab_without_a_feed_has_no_line(tmp_path: Path, text: str) -> None:
    made = Made(tmp_path / "folder", text)
    made.epochs()
    made.claim()
    row = made.row(made.end() + 700)
    assert row.state == "proven" and row.power is None


def test_joules_under_other_agreements_or_in_a_newer_head_change_nothing(tmp_path: Path) -> None:
    made = Made(tmp_path / "folder", FED)
    powered(made, "missing")
    made.claim()
    stray = JoulesEntry(bytes(32), "hall-feed", 1, bytes(32))
    made.add(made.end() + 660, sign_entry(world.key(80), stray), joules(made, 1), joules(made, 2, feed="other"), by="")
    row = made.row(made.end() + 700)
    assert row.power is not None and row.power.line() == "1 of 2 meters under a feed, 1 of 4 hours absent"


def test_a_feed_with_a_lost_meter_is_absent(tmp_path: Path) -> None:
    """hall-1, the one under the feed, is lost from the third of four hours on."""
    made = Made(tmp_path / "folder", FED.replace("ceiling =", 'lost = "100 %"\nceiling =', 1))
    first, whole = 2, made.roots(0)
    gone = tuple(root if epoch < first else bytes(32) for epoch, root in enumerate(dict(whole.meters)["hall-1"]))
    roots: Roots = replace(whole, meters=(("hall-1", gone), *whole.meters[1:]))
    made.roots = lambda *_, **__: roots  # type: ignore[method-assign]
    meters = list(made.draft().meters)
    meters[0] = MeterHead("hall-1", NO_HEAD, roots_digest(gone), bytes(64))
    for epoch in range(4):
        if epoch == first:
            loss = LossEntry(made.terms.digest, "alpha", "alpha", 1, "hall-1", 1, first)
            made.add(made.terms.epoch_span(epoch)[1] + 30, sign_entry(world.key(1), loss))
        root = lab_epoch_root([(name, each[epoch]) for name, each in roots.meters])
        entry = EpochEntry(made.terms.digest, "alpha", epoch, root, bytes(32))
        made.add(made.terms.epoch_span(epoch)[1] + 60, joules(made, epoch), sign_entry(world.key(1), entry))
    claim = world.claim(made.terms, 0, meters=tuple(meters), losses=(Loss(LOST_METER, "hall-1", first),))
    made.claim(claim=claim)
    row = made.row(made.end() + 700)
    assert row.state == "proven", row.reason
    assert row.power is not None and row.power.line() == "1 of 2 meters under a feed, 2 of 4 hours absent"


# ---- inspections -----------------------------------------------------------------------------------------------


def record(made: Made, at: int, outcome: str, draws: int, failures: tuple[str, ...] = ()) -> None:
    """Beta's record of an inspection of alpha's claim of period 0, in the folder and in the log."""
    claim, number = made.draft(), drawn_round(made)
    heads = heads_digest(claim.meters, claim.head_after, claim.lists.digest)
    values = [made.terms.digest, "beta", "alpha", 0, number, outcome, made.end() + 60, draws, 4, failures, bytes(32), heads]
    signed = Record(*values, world.key(2).sign(Record(*values, bytes(64)).message()))  # type: ignore[arg-type]
    (made.folder / "inspections").mkdir(exist_ok=True)
    (made.folder / "inspections" / "beta.record").write_bytes(signed.encode())
    outcomes = ("passed", "failed", "refused").index(outcome) + 1
    digest = hashlib.sha256(signed.encode()).digest()
    made.add(at, sign_entry(world.key(SEEDS["beta"]), InspectionEntry(made.terms.digest, "beta", "alpha", 0, number, outcomes, digest)))


def drawn_round(made: Made) -> int:
    return round_after(made.end() + 7 * HOUR)


@pytest.mark.parametrize(("text", "draws", "counts"), [
    (FED, 7, False), (FED, 8, True), (FED, 9, True), (FED, 16, True), (FED, 17, False),
    (TEXT, 8, True), (TEXT, 9, False), (TEXT, 16, False),
])  # fmt: skip
@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_an_inspection_that_drew_others_for_absent_hours_counts(tmp_path: Path, text: str, draws: int, counts: bool, outcome: str) -> None:
    """Up to twice the agreed draws where a lab has a feed; without one, and without losses, exactly those."""
    made = Made(tmp_path / "folder", text)
    (powered if text == FED else Made.epochs)(made)
    made.claim()
    moment = time_of_round(drawn_round(made)) + 10
    record(made, moment, outcome, draws, ("power",) if outcome == "failed" else ())
    row = made.row(moment + 10)
    assert row.state == ("under inspection" if not counts else "proven" if outcome == "passed" else "rejected")


@pytest.mark.parametrize("failures", [("power",), ("external",), ("joules",), ("external", "power")])
def test_what_an_inspector_found_outside_rejects_the_claim(tmp_path: Path, failures: tuple[str, ...]) -> None:
    made = Made(tmp_path / "folder", FED)
    powered(made)
    made.claim()
    moment = time_of_round(drawn_round(made)) + 10
    record(made, moment, "failed", 8, failures)
    row = made.row(moment + 10)
    assert (row.state, row.check) == ("rejected", "inspection")


# ---- mirrors: one folder, other dates ----------------------------------------------------------------------------


@pytest.mark.parametrize("heads", [(), (1,), (2,), (1, 2), (3,), (1, 2, 3)])
def test_mirrors_with_other_heads_are_judged_alike(tmp_path: Path, heads: tuple[int, ...]) -> None:
    """Two gifts and two that were received, dated by heads of which a mirror lacks some. The page sees what status sees there."""
    made = Made(tmp_path / "folder", FED)
    start = made.terms.start
    moved = [gift(made, *pair, 10**9 * n, serial=n) for n, pair in enumerate([("alpha", "beta"), ("beta", "alpha")] * 2, 1)]
    made.add(start - 900, moved[0], by="delta")
    made.add(start - 800, moved[1], by="alpha beta gamma")
    made.add(start - 700, moved[2], moved[3], by="delta")
    powered(made)
    listed = tuple(sorted(hashlib.sha256(encode_entry(entry)).digest() for entry in moved))
    made.claim(claim=made.draft(transfers=listed))
    made.drop(*(f"log/checkpoints/{size}" for size in (1, 2, 4) if [1, 2, 4].index(size) + 1 in heads))
    row = made.row(made.end() + 700)
    assert row.moved == 2 * 10**9 and row.state == ("over" if 3 in heads else "proven")


@pytest.mark.parametrize("newest", [1, 64])
def test_the_page_has_the_heads_that_date_transfers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest: int) -> None:
    """However many heads the log signed since."""
    monkeypatch.setattr("claims.site.log.MAX_HEADS", newest)
    made = Made(tmp_path / "folder", FED)
    entry = gift(made, "beta", "alpha", 10**9)
    made.add(made.terms.start - 600, entry)
    powered(made)
    made.claim(claim=made.draft(transfers=(hashlib.sha256(encode_entry(entry)).digest(),)))
    assert made.row(made.end() + 700).state == "proven"


# ---- where a listed transfer stands ------------------------------------------------------------------------------


def listed(made: Made, *entries: Entry, period: int = 0, **changes: Any) -> Claim:
    digests = tuple(sorted(hashlib.sha256(encode_entry(entry)).digest() for entry in entries))
    return made.draft(period, transfers=digests, **changes)


@pytest.mark.parametrize(("giver", "state"), [("alpha", "proven"), ("beta", "over")])
@pytest.mark.parametrize("where", ["receipt", "newer head"])
def test_a_transfer_that_no_head_in_use_has(tmp_path: Path, giver: str, state: str, where: str) -> None:
    """Known, and dated by nobody: a gift may be listed, and what was received raises nothing."""
    made = Made(tmp_path / "folder", FED)
    entry = gift(made, giver, {"alpha": "beta", "beta": "alpha"}[giver], 10**9)
    powered(made)
    made.claim(claim=listed(made, entry))
    if where == "newer head":
        made.add(made.end() + 650, entry, by="")
    else:
        _, receipt = countersign(world.key(SEEDS["delta"]), encode_entry(entry), made.terms, made.terms.start - 600)
        (made.folder / "receipts").mkdir()
        (made.folder / "receipts" / "x.receipt").write_bytes(receipt.encode())
    row = made.row(made.end() + 700)
    assert (row.state, row.moved) == (state, 10**9 if giver == "beta" else -(10**9))


@pytest.mark.parametrize("first", ["listed", "left out", "unknown", "void", "of another period"])
def test_a_later_claim_goes_on_from_one_with_transfers(tmp_path: Path, first: str) -> None:
    made = Made(tmp_path / "folder", FED)
    gifts = [gift(made, "alpha", "beta", 10**9), gift(made, "alpha", "beta", 10**10, serial=2), gift(made, "beta", "alpha", 5, 1)]
    made.add(made.terms.start - 600, *gifts)
    powered(made)
    unknown = gift(made, "alpha", "beta", 7, serial=9)
    own = {"listed": gifts[:1], "left out": [], "unknown": [unknown], "void": gifts[:2], "of another period": gifts[2:]}
    made.claim(claim=listed(made, *own[first]))
    for data in made.epoch_entries(1):
        own_entry = decode_entry(data)
        made.add(made.terms.epoch_span(own_entry.epoch)[1] + 60, own_entry)  # type: ignore[union-attr]
    before = made.draft().head_after
    made.claim(1, claim=listed(made, gifts[2], period=1, head_before=before))
    states = [made.row(made.end(1) + 700, period).state for period in (0, 1)]
    expected = {"listed": ["proven"] * 2, "left out": ["over", "proven"], "void": ["rejected"] * 2}
    assert states == expected.get(first, ["pending"] * 2), states


@pytest.mark.parametrize("amended", [False, True])
def test_an_amendment_takes_no_transfer_over(tmp_path: Path, amended: bool) -> None:
    made = Made(tmp_path / "folder", FED)
    old = [gift(made, "alpha", "beta", 10**9), gift(made, "beta", "alpha", 10**9, 1)]
    made.add(made.terms.start - 600, *old)
    powered(made)
    made.claim(claim=listed(made, old[0]))
    before = made.draft().head_after
    if amended:
        made.amend(FED)
    for data in made.epoch_entries(1):
        entry = decode_entry(data)
        made.add(made.terms.epoch_span(entry.epoch)[1] + 60, entry)  # type: ignore[union-attr]
    made.claim(1, claim=listed(made, old[1], period=1, head_before=before))
    row = made.row(made.end(1) + 700, 1)
    assert row.state == ("pending" if amended else "proven"), row.reason


@pytest.mark.parametrize("giver", ["alpha", "beta"])
def test_a_claim_of_several_tables_after_transfers(tmp_path: Path, giver: str) -> None:
    made = Sites(tmp_path / "folder", cut(CEILED))
    entry = gift(made, giver, {"alpha": "beta", "beta": "alpha"}[giver], 10**9)
    made.add(made.terms.start - 600, entry)
    digest = hashlib.sha256(encode_entry(entry)).digest()
    made.publish(made.sited(transfers=(digest,)))
    assert made.row(made.end() + 700).state == "proven"
