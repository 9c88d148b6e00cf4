"""Inspections of a lab that lost a meter: sealed epochs stay drawable, lost ones are visits, and listing a meter escapes no draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from lab_fixtures import LAB_KEY
from opening_proofs import opening_proofs as opening_proofs

from claims.agreement.model import Agreement
from claims.claim.commitments import lab_epoch_root, roots_digest
from claims.claim.entries import decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import EpochEntry
from claims.claim.losses import NO_HEAD, NO_ROOT, made_readings
from claims.claim.records import LedgerSecrets, Reading, SignedHead
from claims.inspection.check import OpeningRejected, check_opening
from claims.inspection.draw import draw_committed
from claims.inspection.open import SealedEpoch, make_opening
from claims.inspection.report import site_lines
from tests.inspection.test_inspect_open import ROUND, World, resign

LOST = "hall-a"
"""The larger meter, so that draws meet it."""
FIRST = 2


class LostWorld(World):
    """``LOST`` sealed two epochs of four."""

    draws = 12

    def __init__(self, cut: Callable[[Agreement], Agreement] = lambda own: own) -> None:
        super().__init__(cut=cut)
        self.drawn = draw_committed(self.terms, "alpha", 0, ROUND, self.log, {LOST: FIRST})
        at = [meter.name for meter in self.meters].index(LOST)
        nothing, meter = LedgerSecrets(NO_HEAD, NO_HEAD), self.meters[at]
        for epoch in (2, 3):
            self.sealed[LOST, epoch] = SealedEpoch(None, None, NO_ROOT, bytes(64))
        roots = roots_digest([self.sealed[LOST, epoch].root for epoch in range(4)])
        heads, ledgers = list(self.closing.heads), list(self.closing.ledgers)
        heads[at] = SignedHead(LOST, 0, self.terms.digest, NO_HEAD, roots, bytes(64))
        ledgers[at] = ([Reading(*row) for row in made_readings(self.terms, meter, 0)], nothing)
        self.closing = replace(self.closing, heads=tuple(heads), ledgers=tuple(ledgers))

    def _publish(self, epoch: int) -> bytes:
        entry = decode_entry(super()._publish(epoch))
        assert isinstance(entry, EpochEntry)
        roots = [
            (meter.name, NO_ROOT if meter.name == LOST and epoch >= FIRST else self.sealed[meter.name, epoch].root) for meter in self.meters
        ]
        return encode_entry(sign_entry(LAB_KEY, replace(entry, root=lab_epoch_root(roots), signature=b"")))


@pytest.fixture(scope="module")
def lost() -> LostWorld:
    return LostWorld()


def test_what_it_sealed_is_opened_and_what_it_lost_is_visited(lost: LostWorld) -> None:
    plain = draw_committed(lost.terms, "alpha", 0, ROUND, lost.log)
    drawn = lost.drawn
    assert len(drawn.draws) == 12 and drawn.visits and all((item.meter, item.epoch >= FIRST) == (LOST, True) for item in drawn.visits)
    assert set(plain.draws) <= set(drawn.draws) | set(drawn.visits) and len(plain.draws) == 12, "another one for each that is lost"
    opening = lost.make()
    opened = {(item.meter, item.opening.reading.epoch) for item in opening.readings}
    assert any(meter == LOST for meter, _ in opened) and not any(meter == LOST and epoch >= FIRST for meter, epoch in opened)
    checked = check_opening(lost.terms, drawn, opening, "beta")
    assert any(line.startswith(f"VISIT {LOST}") for line in site_lines(lost.terms, checked))


def test_a_sealed_epoch_of_a_lost_meter_is_not_left_out(lost: LostWorld) -> None:
    opening = lost.make()
    fewer = tuple(item for item in opening.readings if item.meter != LOST)
    with pytest.raises(OpeningRejected) as caught:
        check_opening(lost.terms, lost.drawn, resign(replace(opening, readings=fewer)), "beta")
    assert caught.value.code == "selection"


def test_what_it_sealed_is_under_the_log_and_its_own_signature(lost: LostWorld) -> None:
    opening = lost.make()
    at, item = next((i, item) for i, item in enumerate(opening.readings) if item.meter == LOST)

    def code(changed: object) -> str:
        readings = (*opening.readings[:at], changed, *opening.readings[at + 1 :])
        with pytest.raises(OpeningRejected) as caught:
            check_opening(lost.terms, lost.drawn, resign(replace(opening, readings=readings)), "beta")  # type: ignore[arg-type]
        return caught.value.code

    one = item.opening
    assert code(replace(item, opening=replace(one, reading=replace(one.reading, tag=5)))) == "reading-path"
    assert code(replace(item, signature=bytes(64))) == "meter-signature"


def test_a_meter_that_the_claim_does_not_list_is_not_lost(lost: LostWorld) -> None:
    """The same opening, for an inspector whose claim lists nothing; and an honest opening under a loss that was not."""
    plain = draw_committed(lost.terms, "alpha", 0, ROUND, lost.log)
    with pytest.raises(OpeningRejected):
        check_opening(lost.terms, plain, lost.make(), "beta")
    honest = World()
    opening = make_opening(honest.terms, honest.drawn, honest, "beta", LAB_KEY)
    check_opening(honest.terms, honest.drawn, opening, "beta")
    bare = tuple(replace(head, head=NO_HEAD, signature=bytes(64)) if head.name == LOST else head for head in opening.binding.meters)
    with pytest.raises(OpeningRejected) as caught:
        check_opening(honest.terms, honest.drawn, resign(replace(opening, binding=replace(opening.binding, meters=bare))), "beta")
    assert caught.value.code == "heads"
