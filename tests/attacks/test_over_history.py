"""A lab with a history: over its total in each of three periods, hall-b lost since the first. What it signs instead of the truth.

Every false claim is signed by the lab, over true claims before it; the proof system is a stub that proves what is true. Meters are
honest: the lab has their signatures, and not their keys.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_fixtures import EPOCHS, LAB_KEY, METER_KEYS, PEAK, make_lab, seal_and_close, with_caps

from claims.agreement.model import Agreement
from claims.agreement.signatures import claim_message, sign_ledger_head, sign_registry_head
from claims.agreement.terms import Amends
from claims.base.errors import ClaimRejected, ClaimsError
from claims.claim.file import Claim, MeterHead
from claims.claim.lists import FREEZE, LINEAGE, LOST, LOST_METER, LOST_SITE, TOTAL, UNATTRIBUTED, Limit, Loss, Over
from claims.claim.records import Usage
from claims.lab.lineage import note_checkpoint
from claims.lab.losing import lose
from claims.lab.registry import Opening
from claims.lab.store import Store
from claims.lab.witness import WitnessRefused
from claims.verify.claim import verify_claim
from tests.attacks.judged import forged, refused, verdict
from tests.attacks.test_lost import SHARE, finished, lab, run
from tests.lab.test_prove import draft
from tests.lab.test_tables import Prover

MOST = 2**64 - 1
ALL = 200_000
"""Parts per million of the lab that hall-b is."""
LENGTH = (64).to_bytes(2, "big")
"""Of a signature by Ed25519 alone."""


@pytest.fixture(scope="module", autouse=True)
def prover() -> Iterator[Prover]:
    with Prover().in_place() as made:
        yield made


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Agreement, list[Claim]]:
    store, agreement = lab(tmp_path_factory.mktemp("history"), share=0, total=14 * PEAK)
    claims = []
    for period in range(3):
        run(store, agreement, period, lost=period == 0)
        claims.append(finished(store, agreement, period, over=lambda _: True)[0])
    return store, agreement, claims


def test_what_the_lab_says_when_it_is_honest(history: tuple[Store, Agreement, list[Claim]]) -> None:
    _, agreement, claims = history
    limits = [Limit(TOTAL, 14 * PEAK, 2**20), Limit(LOST, 0, ALL)]
    assert claims[0].limits == (limits[0], Limit(LOST, 0, SHARE)) and claims[1].limits == claims[2].limits == tuple(limits)
    assert [len(claim.overs) for claim in claims] == [0, 2, 4]
    for period, claim in enumerate(claims):
        assert verdict(claim, agreement, *claims[:period]).word == "OVER"


Change = Callable[[list[Claim]], Claim]


def _of(period: int, **changes: Callable[[Claim], object]) -> Change:
    return lambda claims: forged(claims[period], **{name: change(claims[period]) for name, change in changes.items()})


def _limit(of: int, /, **changes: int) -> Callable[[Claim], object]:
    return lambda claim: tuple(dataclasses.replace(x, **changes) if x.which == of else x for x in claim.limits)


def _lost(first: int, name: str = "hall-b", kind: int = LOST_METER, signed: bool = False) -> Callable[[Claim], object]:
    return lambda _: (Loss(kind, name, first, signed),)


def _over(place: int, **changes: int) -> Callable[[Claim], object]:
    return lambda claim: tuple(dataclasses.replace(x, **changes) if i == place else x for i, x in enumerate(claim.overs))


def _signed_again(claim: Claim) -> tuple[MeterHead, ...]:
    """hall-b's head of zeros, with a signature that is not the meter's."""
    digest = claim.meters[1].roots_digest
    mark = sign_ledger_head(LAB_KEY, claim.agreement_digest, "alpha", "hall-b", claim.period, (0,) * 8, digest)
    return (claim.meters[0], MeterHead("hall-b", (0,) * 8, digest, mark))


def _exchanged(claim: Claim) -> tuple[MeterHead, ...]:
    """hall-a's signed head as hall-b's, and the other way round."""
    one, two = claim.meters
    return (dataclasses.replace(two, name="hall-a"), dataclasses.replace(one, name="hall-b"))


ATTEMPTS: dict[str, tuple[int, Change, set[str]]] = {
    # limits
    "no limit": (2, _of(2, limits=lambda _: ()), {"lists"}),
    "the share alone": (2, _of(2, limits=lambda claim: claim.limits[1:]), {"proof"}),
    "the total alone": (2, _of(2, limits=lambda claim: claim.limits[:1]), {"lists"}),
    "half of the total": (2, _of(2, limits=_limit(TOTAL, stated=2**19)), {"proof"}),
    "twice the total": (2, _of(2, limits=_limit(TOTAL, stated=2**21)), {"proof"}),
    "no bound for the total": (2, _of(2, limits=_limit(TOTAL, stated=MOST)), {"proof"}),
    "the exact total": (2, _of(2, limits=_limit(TOTAL, stated=952 * 10**3)), {"format"}),
    "as if twice were agreed": (2, _of(2, limits=_limit(TOTAL, agreed=28 * PEAK)), {"lists"}),
    "as if nothing were agreed": (2, _of(2, limits=_limit(TOTAL, agreed=0)), {"lists"}),
    "the total stated as unattributed": (2, _of(2, limits=_limit(TOTAL, which=UNATTRIBUTED)), {"lists"}),
    "the total stated as lineage": (2, _of(2, limits=_limit(TOTAL, which=LINEAGE)), {"lists"}),
    "the total stated as a freeze": (2, _of(2, limits=_limit(TOTAL, which=FREEZE)), {"lists"}),
    "a freeze that is not agreed": (2, _of(2, limits=lambda x: (x.limits[0], Limit(FREEZE, 10**10, 2**34), x.limits[1])), {"lists"}),
    "a lineage that is not over": (2, _of(2, limits=lambda x: (x.limits[0], Limit(LINEAGE, 10**10, 2**34), x.limits[1])), {"proof"}),
    "a smaller share": (2, _of(2, limits=_limit(LOST, stated=ALL - 1)), {"lists"}),
    "a larger share": (2, _of(2, limits=_limit(LOST, stated=ALL + 1)), {"lists"}),
    "a share of nearly all": (2, _of(2, limits=_limit(LOST, agreed=ALL - 1)), {"lists"}),
    "a share beyond all": (2, _of(2, limits=_limit(LOST, stated=10**6 + 1)), {"format"}),
    "limits in another order": (2, _of(2, limits=lambda claim: claim.limits[::-1]), {"format"}),
    "a limit of no kind": (2, _of(2, limits=_limit(TOTAL, which=0)), {"format"}),
    "a limit of a sixth kind": (2, _of(2, limits=_limit(LOST, which=6)), {"format"}),
    # what earlier claims were over
    "nothing earlier": (2, _of(2, overs=lambda _: ()), {"continuity"}),
    "the last period alone": (2, _of(2, overs=lambda claim: claim.overs[2:]), {"continuity"}),
    "the first period alone": (2, _of(2, overs=lambda claim: claim.overs[:2]), {"continuity"}),
    "no earlier totals": (2, _of(2, overs=lambda claim: claim.overs[1::2]), {"continuity"}),
    "no earlier shares": (2, _of(2, overs=lambda claim: claim.overs[::2]), {"continuity"}),
    "less earlier": (2, _of(2, overs=_over(0, stated=2**19)), {"continuity"}),
    "more earlier": (2, _of(2, overs=_over(0, stated=2**21)), {"continuity"}),
    "as if more had been agreed": (2, _of(2, overs=_over(0, agreed=28 * PEAK)), {"continuity"}),
    "another limit earlier": (2, _of(2, overs=_over(0, which=UNATTRIBUTED)), {"continuity"}),
    "a smaller share earlier": (2, _of(2, overs=_over(1, stated=SHARE - 1)), {"continuity"}),
    "all of it in one period": (2, _of(2, overs=lambda claim: claim.overs[:2] * 2), {"format"}),
    "its own period among the earlier": (2, _of(2, overs=_over(3, period=2)), {"format"}),
    "earlier ones in another order": (2, _of(2, overs=lambda claim: claim.overs[::-1]), {"format"}),
    "one earlier limit too many": (2, _of(2, overs=lambda x: (*x.overs[:1], Over(0, LINEAGE, 1, 2), *x.overs[1:])), {"continuity"}),
    "earlier ones of a first claim": (0, _of(0, overs=lambda _: (Over(0, TOTAL, 1, 2),)), {"format"}),
    "the claim before as this one": (2, lambda claims: claims[1], {"continuity"}),
    "the lists of the claim before": (2, lambda c: forged(c[2], losses=c[1].losses, limits=c[1].limits, overs=c[1].overs), {"lists"}),
    # losses
    "nothing lost": (2, _of(2, losses=lambda _: ()), {"signatures"}),
    "nothing lost, nothing stated": (2, _of(2, losses=lambda _: (), limits=lambda x: x.limits[:1]), {"signatures"}),
    "lost, and signed": (2, _of(2, losses=_lost(2 * EPOCHS, signed=True)), {"signatures"}),
    "lost, and signed by the lab": (2, _of(2, losses=_lost(2 * EPOCHS, signed=True), meters=_signed_again), {"signatures"}),
    "lost, with a head of zeros": (2, _of(2, meters=_signed_again), {"lists"}),
    "lost from an hour later on": (2, _of(2, losses=_lost(2 * EPOCHS + 1)), {"lists"}),
    "lost for the last hour alone": (
        2, _of(2, losses=_lost(3 * EPOCHS - 1), limits=_limit(LOST, stated=ALL // 4)), {"continuity"}),
    "lost in the period before": (2, _of(2, losses=_lost(EPOCHS)), {"lists"}),
    "lost in the next period": (2, _of(2, losses=_lost(3 * EPOCHS)), {"lists"}),
    "the other meter lost": (2, _of(2, losses=_lost(2 * EPOCHS, "hall-a")), {"signatures"}),
    "the other meter's head": (2, _of(2, meters=_exchanged), {"signatures"}),
    "both lost": (2, _of(2, losses=lambda _: tuple(Loss(LOST_METER, name, 2 * EPOCHS) for name in METER_KEYS)), {"lists"}),
    "lost as a site": (2, _of(2, losses=_lost(2 * EPOCHS, kind=LOST_SITE)), {"signatures", "lists"}),
    "lost twice": (2, _of(2, losses=lambda x: (*x.losses, Loss(LOST_SITE, "hall-b", 2 * EPOCHS))), {"lists"}),
    "a meter of no kind": (2, _of(2, losses=_lost(2 * EPOCHS, kind=0)), {"format"}),
    # proofs and heads
    "the proof of the period before": (2, lambda c: forged(c[2], proof=c[1].proof), {"proof"}),
    "the head before as after": (2, _of(2, head_after=lambda claim: claim.head_before), {"proof"}),
    "from the opening registry": (2, lambda c: forged(c[2], head_before=c[0].head_before), {"continuity"}),
    "from the period before the last": (2, lambda c: forged(c[2], head_before=c[0].head_after), {"continuity"}),
    "as a first claim": (2, lambda c: forged(c[2], head_before=c[0].head_before, overs=()), {"continuity"}),
    "a transfer that nobody made": (2, _of(2, transfers=lambda _: (bytes(32),)), {"lists"}),
}  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_it_says_less(history: tuple[Store, Agreement, list[Claim]], attempt: str) -> None:
    _, agreement, claims = history
    period, change, checks = ATTEMPTS[attempt]
    false = change(claims)
    assert refused(false, agreement, *claims[:period]) in checks
    if period:
        assert refused(false, agreement, claims[period - 1], previous_accepted=True) in checks


def test_no_bit_of_its_lists_can_be_another(history: tuple[Store, Agreement, list[Claim]]) -> None:
    """Every third is tried, and signed anew: not the signature holds it, but agreement, proof and the claims before."""
    _, agreement, claims = history
    claim = claims[1]
    lists = claim.lists.encode()
    body, before = claim.body(), claim.body().index(lists)
    found = set()
    for bit in range(0, 8 * len(lists), 3):
        other = bytearray(lists)
        other[bit // 8] ^= 1 << bit % 8
        mark = sign_registry_head(LAB_KEY, agreement.digest, "alpha", 1, claim.head_after, hashlib.sha256(other).digest())
        new = body[:before] + other + LENGTH + mark + body[before + len(lists) + 66 :]
        data = new + LENGTH + LAB_KEY.sign(claim_message(hashlib.sha256(new).digest()))
        with pytest.raises(ClaimRejected) as caught:
            verify_claim(data, agreement, previous=[claims[0].encode()])
        found.add(caught.value.check)
    assert found == {"format", "lists", "signatures", "continuity"}


# ---- another reader, another agreement ---------------------------------------------------------------------------


def test_each_claim_is_under_its_own_agreement(history: tuple[Store, Agreement, list[Claim]]) -> None:
    """An agreement of higher caps, signed later, makes no earlier claim less over: its digest is another."""
    _, agreement, claims = history
    may_lose = dataclasses.replace(agreement.labs[0], lost=ALL)
    for other in (with_caps(agreement, total=10**9), dataclasses.replace(agreement, labs=(may_lose,))):
        assert refused(claims[0], other) == "agreement"
        moved = forged(claims[0], agreement_digest=other.digest, limits=())
        assert refused(moved, other) == "signatures"


def test_an_amendment_of_higher_caps_forgets_nothing(tmp_path: Path) -> None:
    store, agreement = lab(tmp_path, share=0, total=14 * PEAK)
    run(store, agreement)
    first = finished(store, agreement, over=lambda _: True)[0]
    own = dataclasses.replace(agreement.labs[0], lost=10**6)
    wide = dataclasses.replace(with_caps(agreement, total=10**9), amends=Amends(agreement.digest, 1))
    wide = dataclasses.replace(wide, labs=(dataclasses.replace(own, caps=wide.labs[0].caps),))
    run(store, wide, 1, lost=False)
    second = finished(store, wide, 1, over=lambda _: True)[0]
    assert second.limits == () and len(second.overs) == 2
    assert verdict(second, wide, first, previous_agreements=[agreement]).word == "PROVEN"
    for changes in ({"overs": ()}, {"overs": second.overs[:1]}, {"overs": second.overs[1:]}):
        assert refused(forged(second, **changes), wide, first, previous_agreements=[agreement]) == "continuity"
    assert verdict(second, wide, first).word == "INCOMPLETE", "without the amended agreement"
    run(store, wide, 2, lost=False)
    change(store, "DELETE FROM claims")
    with pytest.raises(WitnessRefused, match="the claim of period 1 is not in the store"):
        finished(store, wide, 2)


# ---- the lab's own store -----------------------------------------------------------------------------------------


def change(store: Store, *statements: str) -> None:
    """Change a store as no command would."""
    with sqlite3.connect(store.path) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)


@pytest.fixture
def second(tmp_path: Path) -> tuple[Store, Agreement, Claim]:
    """Period 1 is closed, and not claimed; period 0 lost hall-b, above the share, within all caps."""
    store, agreement = lab(tmp_path, share=0)
    run(store, agreement)
    first = finished(store, agreement, over=lambda _: True)[0]
    run(store, agreement, 1, lost=False)
    return store, agreement, first


def test_a_store_without_the_claim_before_knows_what_was_lost(second: tuple[Store, Agreement, Claim]) -> None:
    """A backup from before the claim was kept: the lab would sign, for good, a claim that repeats nothing."""
    store, agreement, first = second
    assert first.limits == (Limit(LOST, 0, SHARE),)
    change(store, "DELETE FROM claims")
    with pytest.raises(WitnessRefused, match="the claim of period 0 is not in the store"):
        finished(store, agreement, 1, over=lambda _: True)


LOSSES_CHANGED = {
    "none": ["DELETE FROM losses"],
    "back": ["UPDATE losses SET back = 1"],
    "another key": ["UPDATE losses SET meter_key = zeroblob(32)"],
    "later": [f"UPDATE losses SET epoch = {EPOCHS + 1}"],
    "in the last hour": [f"UPDATE losses SET epoch = {2 * EPOCHS - 1}"],
    "the other meter": ["UPDATE losses SET meter = 'hall-a', name = 'hall-a'"],
    "a site": ["UPDATE losses SET what = 2"],
}


@pytest.mark.parametrize("attempt", LOSSES_CHANGED)
def test_a_store_whose_losses_were_changed_makes_no_claim_that_holds(second: tuple[Store, Agreement, Claim], attempt: str) -> None:
    store, agreement, first = second
    change(store, *LOSSES_CHANGED[attempt])
    try:
        claim = finished(store, agreement, 1, over=lambda _: True)[0]
    except ClaimsError:
        return
    if claim.losses == (Loss(LOST_METER, "hall-b", EPOCHS),):
        assert attempt == "a site" and verdict(claim, agreement, first).word == "OVER", "what was written makes no difference"
    else:
        assert refused(claim, agreement, first) in ("continuity", "lists", "signatures")


@pytest.mark.parametrize(("name", "site", "epoch"), [
    ("hall-c", False, 8), ("south", True, 8), ("hall-a", False, 7), ("hall-a", False, 9), ("hall-b", False, 8), ("hall-a", False, 10**6),
])  # fmt: skip
def test_what_cannot_be_said_to_be_lost(second: tuple[Store, Agreement, Claim], name: str, site: bool, epoch: int) -> None:
    store, agreement, _ = second
    with pytest.raises(ClaimsError):
        lose(store, agreement, name, LAB_KEY, epoch, site=site)
    with pytest.raises(ClaimsError, match="not that of lab alpha"):
        lose(store, agreement, "hall-a", METER_KEYS["hall-a"], 8)


def test_a_lineage_beyond_64_bits_is_no_claim(tmp_path: Path) -> None:
    """Under the largest cap that there is nothing can be stated above it, and the sum with R does not wrap."""


    store, agreement = make_lab(tmp_path, (Opening("base", MOST - 10 * PEAK),), total=MOST, unattributed=MOST, lineage=MOST, freeze=None)
    store.add_usage(0, "hall-a", [Usage(0, store.tag("run"), 9000, None), Usage(1, 2, 2000, None)])
    note_checkpoint(store, agreement, draft("run", ("base",), 0))
    seal_and_close(store, agreement, 0)
    for options in ({}, {"over": lambda _: True}):
        with pytest.raises(WitnessRefused, match="lineage cap exceeded by checkpoint run"):
            finished(store, agreement, **options)
