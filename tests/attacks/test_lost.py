"""Lost meters and sites: a lab whose meter burnt has a claim, and attempts to lose what is not lost.

The proof system is a stub that refuses what the relation refuses; every false claim is signed by its lab.
"""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import world
from folders import SEEDS, TEXT, Made
from lab_fixtures import CHIPS, EPOCH, EPOCHS, LAB_KEY, METER_KEYS, PEAK, make_lab, with_sites

from circuits.relation import check_witness
from claims.agreement.model import Agreement
from claims.agreement.signatures import sign_ledger_head
from claims.base.errors import ClaimRejected, ClaimsError
from claims.base.hybrid import SigningKey
from claims.claim.commitments import lab_epoch_root, roots_digest
from claims.claim.entries import decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import EpochEntry, LossEntry
from claims.claim.evidence import find_equivocations
from claims.claim.file import Claim, MeterHead, decode_claim
from claims.claim.lists import LINEAGE, LOST, LOST_METER, LOST_SITE, UNATTRIBUTED, Limit, Loss, Over
from claims.claim.losses import NO_HEAD, lost_head, lost_meters, lost_summary, lost_work, made_readings
from claims.claim.published import PublishedEntries
from claims.claim.records import Reading, Usage
from claims.claim.roots import Roots
from claims.lab.coverage import cover
from claims.lab.losing import lose
from claims.lab.losses import losses_of
from claims.lab.meter import SoftwareMeter
from claims.lab.prove import Finished, finish_claim
from claims.lab.registry import Opening, close_period
from claims.lab.running import running
from claims.lab.store import Store
from claims.lab.witness import WitnessRefused, assemble
from tests.attacks.judged import forged, refused, verdict
from tests.lab.test_prove import draft
from tests.lab.test_tables import Prover, prover  # noqa: F401

ROOM = {"total": 10**9, "unattributed": 10**9, "lineage": 10**10, "freeze": None}
HALF = 10**6
SHARE = -(-CHIPS["hall-b"] * 2 * 10**6 // (sum(CHIPS.values()) * EPOCHS))
"""hall-b is lost from the third of four epochs on."""


def lab(tmp_path: Path, *, share: int = HALF, sites: bool = False, **caps: int | None) -> tuple[Store, Agreement]:
    """A lab that may lose so much (parts per million)."""
    from claims.agreement.terms import Lab

    store, terms = make_lab(tmp_path, (Opening("base", 10**6),), **(ROOM | caps))
    terms = with_sites(terms) if sites else terms
    own: Lab = dataclasses.replace(terms.labs[0], lost=share)
    return store, dataclasses.replace(terms, labs=(own,))


def run(store: Store, agreement: Agreement, period: int = 0, *, lost: bool = True, site: bool = False, close: bool = True) -> None:
    """A period in which both meters train; hall-b, or its site, burns in its third epoch."""
    first = EPOCHS * period
    tag = store.tag(f"run-{period}")
    for name, seconds in (("hall-a", 12), ("hall-b", 5)):
        if name == "hall-a" or not any(store.losses(name)):
            store.add_usage(period, name, [Usage(first, tag, seconds * 1000, None)])
    from claims.lab.lineage import note_checkpoint

    note_checkpoint(store, agreement, draft(f"run-{period}", ("base",), first + 1))
    if lost:
        for epoch in (first, first + 1):
            SoftwareMeter("hall-b", METER_KEYS["hall-b"]).seal_epoch(store, agreement, epoch)
        lose(store, agreement, "south" if site else "hall-b", LAB_KEY, first + 2, site=site)
    for name in METER_KEYS if close else ():
        if not any(store.losses(name)):
            SoftwareMeter(name, METER_KEYS[name]).seal(store, agreement, period)
    if close:
        close_period(store, agreement, period)


def finished(store: Store, agreement: Agreement, period: int = 0, **options: Any) -> tuple[Claim, Finished, Any]:
    done = finish_claim(store, agreement, period, LAB_KEY, nullcontext, **options)
    claim = decode_claim(done.claim)
    return claim, done, dict(zip(claim.proofs, done.proofs.values(), strict=True)).get


# ---- a lab whose meter burnt has a claim ---------------------------------------------------------------------


@pytest.mark.parametrize("charge_peak", [True, False])
def test_a_lab_whose_meter_burnt_has_a_claim(tmp_path: Path, prover: Prover, charge_peak: bool) -> None:  # noqa: F811
    store, agreement = lab(tmp_path)
    agreement = dataclasses.replace(agreement, rules=dataclasses.replace(agreement.rules, charge_peak=charge_peak))
    if not charge_peak:
        store.add_usage(0, "hall-a", [Usage(0, 2, 1000, 5)])
        SoftwareMeter("hall-b", METER_KEYS["hall-b"]).seal_epoch(store, agreement, 0)
        lose(store, agreement, "hall-b", LAB_KEY, 1)
        SoftwareMeter("hall-a", METER_KEYS["hall-a"]).seal(store, agreement, 0)
        close_period(store, agreement, 0)
    else:
        run(store, agreement)
    claim, _, _ = finished(store, agreement)
    found = verdict(claim, agreement)
    assert (found.word, found.missing) == ("PROVEN", ())
    assert claim.losses == (Loss(LOST_METER, "hall-b", 2 if charge_peak else 1),)
    lost = claim.meters[1]
    assert (lost.head, lost.signature) == (NO_HEAD, bytes(64))
    roots = [seal.root for seal in store.epoch_seals(0, "hall-b")]
    assert lost.roots_digest == roots_digest(roots + [bytes(32)] * (EPOCHS - len(roots)))
    rest = next(entry for entry in store.entries() if entry.kind == 6)
    assert rest.work == CHIPS["hall-b"] * EPOCH * EPOCHS * PEAK + (0 if charge_peak else 5), "all of it is charged"
    if charge_peak:
        entry = store.entries()[-1]
        assert entry.work == 12 * PEAK, "what it sealed before counts as unattributed, and not twice"
    assert finished(store, agreement)[0] == claim


def test_figures_of_the_open_period_are_those_of_the_claim(tmp_path: Path) -> None:
    store, agreement = lab(tmp_path)
    run(store, agreement, close=False)
    before = running(store, agreement, 0)
    SoftwareMeter("hall-a", METER_KEYS["hall-a"]).seal(store, agreement, 0)
    close_period(store, agreement, 0)
    after = running(store, agreement, 0)
    assert (before.total, before.unattributed, before.rows.needed) == (after.total, after.unattributed, after.rows.needed)
    assert before.unattributed == lost_work(agreement, (agreement.labs[0].meter("hall-b"),))


@pytest.mark.parametrize("site", [False, True])
def test_a_lab_with_sites_loses_a_meter_or_a_site(tmp_path: Path, prover: Prover, site: bool) -> None:  # noqa: F811
    store, agreement = lab(tmp_path, sites=True)
    run(store, agreement, site=site)
    claim, done, proofs = finished(store, agreement)
    assert claim.losses == ((Loss(LOST_SITE, "south", 2),) if site else (Loss(LOST_METER, "hall-b", 2),))
    assert list(done.proofs) == (["north", None] if site else ["north", "south", None])
    assert verdict(claim, agreement, proofs=proofs).word == "PROVEN"
    if site:
        assert (claim.sites[1].head, claim.sites[1].proof) == (NO_HEAD, bytes(32))
        north = claim.sites[0]
        for changes in (
            {"sites": (north, dataclasses.replace(claim.sites[1], head=(1,) * 8))},
            {"sites": (north, dataclasses.replace(claim.sites[1], proof=north.proof))},
        ):
            assert refused(forged(claim, **changes), agreement, proofs=proofs) == "lists"
        both = (Loss(LOST_METER, "hall-b", 2), Loss(LOST_SITE, "south", 2))
        assert refused(forged(claim, losses=both), agreement, proofs=proofs) == "lists"
        assert refused(forged(claim, losses=both[:1]), agreement, proofs=proofs) == "proof"


def test_a_share_above_the_agreed_one_is_over(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    store, agreement = lab(tmp_path, share=SHARE - 1)
    run(store, agreement)
    with pytest.raises(WitnessRefused, match="are lost, and 9.9999 % is agreed") as caught:
        finished(store, agreement)
    assert "--over" in caught.value.hint
    claim, _, _ = finished(store, agreement, over=lambda _: True)
    assert claim.limits == (Limit(LOST, SHARE - 1, SHARE),)
    found = verdict(claim, agreement)
    assert found.word == "OVER" and "chip-seconds of lost meters: 10 %, agreed at most 9.9999 %" in "\n".join(found.lines())
    for limits in ((), (Limit(LOST, SHARE - 1, SHARE + 1),), (Limit(LOST, SHARE, SHARE + 1),), (Limit(LOST, 0, SHARE),)):
        assert refused(forged(claim, limits=limits), agreement) == "lists"


def test_what_is_lost_counts_toward_the_caps(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    """Booked as unattributed, it breaks the unattributed cap, and under a residue the lineages."""
    store, agreement = lab(tmp_path, unattributed=10**5, lineage=10**6 + 12 * PEAK)
    run(store, agreement)
    claim, _, _ = finished(store, agreement, over=lambda _: True)
    assert [limit.which for limit in claim.limits] == [UNATTRIBUTED, LINEAGE]
    assert verdict(claim, agreement).word == "OVER" and refused(forged(claim, limits=()), agreement) == "proof"


# ---- ledgers that a verifier makes ---------------------------------------------------------------------------


def test_a_made_ledger_is_as_a_meter_would_cover_a_full_period(tmp_path: Path) -> None:
    _, agreement = lab(tmp_path)
    meter = agreement.labs[0].meter("hall-b")
    for terms in (agreement, dataclasses.replace(agreement, chips=(dataclasses.replace(agreement.chips[0], peak=2**24 - 1),))):
        for chips in (2, 2**22 + 5):
            big = dataclasses.replace(meter, chips=chips)
            usage = [Usage(epoch, 2, terms.coverage(big) * 1000, None) for epoch in range(EPOCHS)]
            assert [Reading(*row) for row in made_readings(terms, big, 0)] == cover(usage, big, terms, 0)


def test_heads_of_what_is_lost_are_named(tmp_path: Path) -> None:
    _, agreement = lab(tmp_path, sites=True)
    own = agreement.labs[0]
    heads = {lost_head(agreement, own.meter(name), period) for name in ("hall-a", "hall-b") for period in (0, 1)}
    heads |= {lost_summary(agreement, own, site, period) for site in ("north", "south") for period in (0, 1)}
    assert len(heads) == 8


def test_no_more_is_made_than_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, agreement = lab(tmp_path)
    run(store, agreement)
    claim = assemble(store, agreement, 0).claim
    for name, value in (("MAX_MADE", EPOCHS - 1), ("MAX_LOST", 0)):
        with monkeypatch.context() as patch:
            patch.setattr(f"claims.claim.losses.{name}", value)
            with pytest.raises(ClaimRejected, match="that is a lost site"):
                lost_meters(agreement, claim)


# ---- a meter that is not lost --------------------------------------------------------------------------------


def test_a_meter_that_is_not_lost_is_charged_and_cannot_hide_its_head(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    """An honest claim's proof does not serve a claim that lists a meter as lost, nor the other way round."""
    store, agreement = lab(tmp_path)
    run(store, agreement, lost=False)
    honest, _, _ = finished(store, agreement)
    lost = (Loss(LOST_METER, "hall-b", 0),)
    bare = (honest.meters[0], MeterHead("hall-b", NO_HEAD, honest.meters[1].roots_digest, bytes(64)))
    assert refused(forged(honest, losses=lost), agreement) == "lists", "it has a head, and is said to have none"
    assert refused(forged(honest, losses=lost, meters=bare), agreement) == "proof"
    assert refused(forged(honest, meters=bare), agreement) == "signatures"
    assert refused(forged(honest, losses=(Loss(LOST_METER, "hall-b", 0, True),)), agreement) == "proof"


@pytest.mark.parametrize(
    "losses",
    [
        (Loss(LOST_METER, "hall-c", 2),), (Loss(LOST_SITE, "south", 2),), (Loss(LOST_METER, "hall-b", EPOCHS),),
        (Loss(LOST_METER, "hall-a", 2), Loss(LOST_METER, "hall-b", 2)),
    ],
)  # fmt: skip
def test_what_is_listed_is_a_meter_of_the_lab_in_the_period(tmp_path: Path, prover: Prover, losses: tuple[Loss, ...]) -> None:  # noqa: F811
    store, agreement = lab(tmp_path)
    run(store, agreement)
    claim, _, _ = finished(store, agreement)
    assert refused(forged(claim, losses=losses), agreement) in ("lists", "signatures")


def test_a_head_that_a_lost_meter_signed_is_carried_and_checked(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    store, agreement = lab(tmp_path)
    run(store, agreement)
    claim, _, _ = finished(store, agreement)
    digest = claim.meters[1].roots_digest
    signature = sign_ledger_head(METER_KEYS["hall-b"], agreement.digest, "alpha", "hall-b", 0, (5,) * 8, digest)
    signed = (claim.meters[0], MeterHead("hall-b", (5,) * 8, digest, signature))
    good = forged(claim, meters=signed, losses=(Loss(LOST_METER, "hall-b", 2, True),))
    assert verdict(good, agreement).word == "PROVEN", "the ledger is made all the same"
    assert refused(forged(claim, meters=signed), agreement) == "lists"
    assert refused(forged(claim, losses=(Loss(LOST_METER, "hall-b", 2, True),)), agreement) == "signatures"


# ---- losses last ---------------------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path, prover: Prover) -> tuple[Store, Agreement, Claim, Claim]:  # noqa: F811
    """hall-b is lost in period 0, and stays so."""
    store, agreement = lab(tmp_path)
    run(store, agreement)
    first, _, _ = finished(store, agreement)
    run(store, agreement, 1, lost=False)
    second, _, _ = finished(store, agreement, 1)
    return store, agreement, first, second


def test_a_lost_meter_stays_lost(two: tuple[Store, Agreement, Claim, Claim]) -> None:
    store, agreement, first, second = two
    assert second.losses == (Loss(LOST_METER, "hall-b", EPOCHS),) == losses_of(store, agreement, 1)
    for accepted in (False, True):
        assert verdict(second, agreement, first, previous_accepted=accepted).word == "PROVEN"
    late = forged(second, losses=(Loss(LOST_METER, "hall-b", EPOCHS + 1),))
    assert refused(late, agreement, first) == "continuity"


def test_losses_do_not_go_round(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    """hall-b is back in the next claim, signed and sealed as if nothing had been: only an inspector, or a new key, ends a loss."""
    (tmp_path / "other").mkdir()
    store, agreement = lab(tmp_path)
    run(store, agreement)
    first, _, _ = finished(store, agreement)
    second = forged(first, period=1, first_epoch=EPOCHS, last_epoch=2 * EPOCHS - 1, head_before=first.head_after, losses=(), meters=tuple(
        MeterHead(name, (9,) * 8, bytes(32), sign_ledger_head(key, agreement.digest, "alpha", name, 1, (9,) * 8, bytes(32)))
        for name, key in sorted(METER_KEYS.items())
    ))  # fmt: skip
    for accepted in (False, True):
        with pytest.raises(ClaimRejected, match="was lost in the claim before") as caught:
            verdict(second, agreement, first, previous_accepted=accepted)
        assert caught.value.check == "continuity"


def test_the_lab_takes_nothing_back(two: tuple[Store, Agreement, Claim, Claim]) -> None:
    store, agreement, _, _ = two
    with pytest.raises(ClaimsError, match="lost already"):
        lose(store, agreement, "hall-b", LAB_KEY, 2 * EPOCHS)
    assert decode_entry(lose(store, agreement, "hall-b", LAB_KEY, 2)).title.endswith("is lost from epoch 2 on"), "again, the same entry"
    import sqlite3

    with sqlite3.connect(store.path) as db:
        for statement in ("DELETE FROM losses", "UPDATE losses SET epoch = 5"):
            with pytest.raises(sqlite3.IntegrityError, match="never changed"):
                db.execute(statement)


@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_a_loss_begins_with_the_first_epoch_that_is_not_sealed(tmp_path: Path, epoch: int) -> None:
    store, agreement = lab(tmp_path)
    run(store, agreement, lost=False, close=False)
    for number in (0, 1):
        SoftwareMeter("hall-b", METER_KEYS["hall-b"]).seal_epoch(store, agreement, number)
    with pytest.raises(ClaimsError, match="epoch 2 is the first"):
        lose(store, agreement, "hall-b", LAB_KEY, epoch)
    assert not store.any_lost()


def test_a_lab_does_not_lose_a_meter_when_the_period_is_over(tmp_path: Path) -> None:
    store, agreement = lab(tmp_path)
    run(store, agreement, lost=False)
    for epoch in range(EPOCHS):
        with pytest.raises(ClaimsError):
            lose(store, agreement, "hall-b", LAB_KEY, epoch)


def test_what_repeats_an_over_share(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    store, agreement = lab(tmp_path, share=0)
    run(store, agreement)
    first, _, _ = finished(store, agreement, over=lambda _: True)
    run(store, agreement, 1, lost=False)
    second, _, _ = finished(store, agreement, 1, over=lambda _: True)
    assert second.overs == (Over(0, LOST, 0, SHARE),) and second.limits == (Limit(LOST, 0, 200_000),)
    assert verdict(second, agreement, first).word == "OVER"
    assert refused(forged(second, overs=()), agreement, first) == "continuity"


def test_the_relation_holds_of_every_table(tmp_path: Path) -> None:
    for sites, site in ((False, False), (True, False), (True, True)):
        place = tmp_path / f"{sites}-{site}"
        place.mkdir()
        store, agreement = lab(place, sites=sites)
        run(store, agreement, site=site)
        for table in assemble(store, agreement, 0).tables:
            check_witness(table.statement, table.witness)


# ---- with a log ----------------------------------------------------------------------------------------------

LOSABLE = TEXT.replace('name = "alpha"\nlog_rows = 16', 'name = "alpha"\nlog_rows = 16\nlost = "70 %"')
LOST_2 = Loss(LOST_METER, "hall-2", 2)


class Folder(Made):
    """Alpha's periods, of which hall-2 is lost from an epoch on."""

    def lost_roots(self, period: int, first: int | None, zero: dict[str, int] | None = None) -> Roots:
        """Roots of a period. ``zero``: meters to the epochs from which on their roots are zero; by default hall-2 from ``first`` on."""
        whole, ends = self.roots(period), zero if zero is not None else {} if first is None else {"hall-2": first}
        meters = tuple(
            (name, tuple(bytes(32) if at + whole.first_epoch >= ends.get(name, 10**9) else root for at, root in enumerate(each)))
            for name, each in whole.meters
        )
        return dataclasses.replace(whole, meters=meters)

    def say(self, epoch: int, at: int | None = None, *, name: str = "hall-2", word: int = 1, author: str = "alpha", what: int = 1) -> None:
        entry = LossEntry(self.terms.digest, author, "alpha", what, name, word, epoch)
        self.add(self.terms.epoch_span(epoch)[0] if at is None else at, sign_entry(world.key(SEEDS[author]), entry))

    def hour(self, roots: Roots, epoch: int) -> None:
        root = lab_epoch_root([(name, each[epoch - roots.first_epoch]) for name, each in roots.meters])
        entry = sign_entry(world.key(1), EpochEntry(self.terms.digest, "alpha", epoch, root, bytes(32)))
        self.add(self.terms.epoch_span(epoch)[1] + 60, entry)

    def meter_key(self, name: str) -> SigningKey:
        """What a meter of alpha signs its periods with."""
        return world.key(world.METERS[name])

    def publish(self, period: int, roots: Roots, losses: tuple[Loss, ...], said: dict[int, int] | None = None, **changes: Any) -> None:
        """Epochs, claim and its entry. ``said``: epochs to the epoch before whose entry the loss is said."""
        for epoch in range(roots.first_epoch, roots.last_epoch + 1):
            for first, before in (said or {}).items():
                if before == epoch:
                    self.say(first, self.terms.epoch_span(epoch)[1])
            self.hour(roots, epoch)
        meters = []
        for meter, (name, each) in zip(self.draft(period).meters, roots.meters, strict=True):
            digest = roots_digest(each)
            if any(loss.name == name for loss in losses):
                meters.append(MeterHead(name, NO_HEAD, digest, bytes(64)))
            else:
                meters.append(
                    dataclasses.replace(
                        meter, roots_digest=digest,
                        signature=sign_ledger_head(self.meter_key(name), self.terms.digest, "alpha", name, period, meter.head, digest),
                    )
                )  # fmt: skip
        claim = self.draft(period, losses=losses) if "meters" in changes else world.claim(
            self.terms, period, losses=losses, meters=tuple(meters), **changes
        )  # fmt: skip
        self.file(claim, roots.encode())
        self.add(self.end(period) + 600, decode_entry(self.claim_entry(period)))

    def judged_as(self, period: int = 0) -> str:
        """State, check and, of a rejection, what alone says too."""
        now = self.end(period) + 700
        row = self.row(now, period)
        assert self.alone(period, now)[1].split()[:2] == self.judged(f"claims/alpha-{period}.claim", now)[1].split()[:2]
        return f"{row.state} {row.check or ''}".strip()


@pytest.fixture
def folder(tmp_path: Path, any_proof: None, page_agrees: None) -> Folder:
    return Folder(tmp_path / "folder", LOSABLE)


def test_a_loss_that_is_said_in_time_is_proven(folder: Folder) -> None:
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,), {2: 2})
    assert folder.judged_as() == "proven"
    words = "lost, and charged in full: meter hall-2 from epoch 2 on; 33.3334 % of the period's chip-seconds, agreed at most 70 %"
    assert words in folder.row(folder.end() + 700).reason
    for options in (("--folder", folder.folder), ("-a", folder.folder / "agreement.toml")):
        assert words in folder.run("verify", folder.folder / "claims" / "alpha-0.claim", *options, "--now", folder.end() + 700)[1]
    folder.publish(1, folder.lost_roots(1, 4), (Loss(LOST_METER, "hall-2", 4),))
    assert folder.judged_as(1) == "proven"


@pytest.mark.parametrize("before", [3, None])
def test_a_loss_that_is_said_late_or_never_is_rejected(folder: Folder, before: int | None) -> None:
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,), {} if before is None else {2: before})
    assert folder.judged_as() == "rejected log"


def test_a_loss_that_is_said_when_the_period_is_over_is_rejected(folder: Folder) -> None:
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,))
    folder.say(2, folder.end() + 650)
    assert folder.judged_as() == "rejected log"


@pytest.mark.parametrize("zero", [{}, {"hall-2": 1}, {"hall-2": 3}, {"hall-1": 3, "hall-2": 2}, {"hall-1": 2}])
def test_roots_are_zero_exactly_where_it_is_lost(folder: Folder, zero: dict[str, int]) -> None:
    folder.publish(0, folder.lost_roots(0, None, zero), (LOST_2,), {2: 1})
    assert folder.judged_as() == "rejected log"


def test_a_zero_root_of_a_meter_that_is_not_listed_is_rejected(folder: Folder) -> None:
    folder.publish(0, folder.lost_roots(0, 2), ())
    assert folder.judged_as() == "rejected log"


def test_what_was_said_to_be_lost_is_listed(folder: Folder) -> None:
    folder.publish(0, folder.roots(0), (), {2: 2})
    assert folder.judged_as() == "rejected log"


def test_a_loss_from_another_epoch_than_was_said_is_rejected(folder: Folder) -> None:
    folder.publish(0, folder.lost_roots(0, 3), (Loss(LOST_METER, "hall-2", 3),), {2: 2})
    assert folder.judged_as() == "rejected log"


@pytest.mark.parametrize(("author", "word", "good"), [("beta", 2, True), ("delta", 2, True), ("alpha", 2, False), ("beta", 1, False)])
def test_who_ends_a_loss(folder: Folder, author: str, word: int, good: bool) -> None:
    """Somebody else says that it is back from a period's first epoch on; the lab's own word counts for nothing, nor a rival's of a loss."""
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,), {2: 2})
    folder.say(4, folder.end() + 650, author=author, word=word)
    folder.publish(1, folder.roots(1), ())
    assert folder.judged_as(1) == ("proven" if good else "rejected continuity")


@pytest.mark.parametrize("epoch", [3, 5])
def test_an_end_in_the_middle_of_a_period_counts_for_nothing(folder: Folder, epoch: int) -> None:
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,), {2: 2})
    folder.say(epoch, folder.end() + 650, author="beta", word=2)
    folder.publish(1, folder.roots(1), ())
    assert folder.judged_as(1) == "rejected continuity"


def test_what_came_back_can_be_lost_again(folder: Folder) -> None:
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,), {2: 2})
    folder.say(4, folder.end() + 650, author="beta", word=2)
    folder.publish(1, folder.lost_roots(1, 6), (Loss(LOST_METER, "hall-2", 6),), {6: 6})
    assert folder.judged_as(1) == "proven"


def test_a_loss_that_begins_after_it_was_back_needs_a_word(folder: Folder) -> None:
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,), {2: 2})
    folder.say(4, folder.end() + 650, author="beta", word=2)
    folder.publish(1, folder.lost_roots(1, 6), (Loss(LOST_METER, "hall-2", 6),))
    assert folder.judged_as(1) == "rejected log"


@pytest.mark.parametrize("key", [12, 13])
def test_an_amendment_ends_a_loss_by_a_new_key_alone(folder: Folder, key: int) -> None:
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,), {2: 2})
    folder.amend(LOSABLE.replace(world.public(12), world.public(key)) + "\n")
    roots = folder.roots(1)
    for epoch in range(4, 8):
        folder.hour(roots, epoch)
    draft, digest = folder.draft(1), roots_digest(dict(roots.meters)["hall-2"])
    signature = sign_ledger_head(world.key(key), folder.terms.digest, "alpha", "hall-2", 1, draft.meters[1].head, digest)
    meters = (draft.meters[0], dataclasses.replace(draft.meters[1], signature=signature))
    folder.file(world.claim(folder.terms, 1, meters=meters), roots.encode())
    folder.add(folder.end(1) + 600, decode_entry(folder.claim_entry(1)))
    assert folder.judged_as(1) == ("rejected continuity" if key == 12 else "proven")


def test_two_lists_of_losses_are_evidence(folder: Folder) -> None:
    one, two = (folder.draft(losses=losses) for losses in ((LOST_2,), ()))
    (found,) = find_equivocations(one, two)
    found.check(folder.terms)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "hall-9"}, {"what": 2}, {"author": "beta"}, {"word": 2}, {"epoch": 2**23}, {"lab": "beta"},
        {"author": "beta", "word": 2, "epoch": 5},
    ],
)  # fmt: skip
def test_entries_of_losses_that_fit_nothing_are_passed_over(folder: Folder, change: dict[str, Any]) -> None:
    good = LossEntry(folder.terms.digest, "alpha", "alpha", 1, "hall-2", 1, 4)
    entry = dataclasses.replace(good, **change)
    signed = sign_entry(world.key(SEEDS[entry.author]), entry)
    found = PublishedEntries(folder.terms, [(0, encode_entry(signed)), (1, encode_entry(sign_entry(world.key(1), good)))])
    assert [entry for entry, _ in found.losses("alpha")] == [sign_entry(world.key(1), good)] and len(found.refused) == 1
