"""Period keys over time: meters that are lost, amendments, and keys that a log replaces.

FORMATS.md section 3, "Period keys"; FORMATS-log.md section 10.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import hybrid_world as hw
import pytest
import world
from rotation import HALL_1, ROTATE, ROTATING, Changing, held, revoked

from claims.base.hybrid import HybridKey, SigningKey, halves
from tests.attacks.test_lost import LOSABLE, LOST_2, Folder
from tests.attacks.test_period_keys import store_of

# ---- losses and amendments -------------------------------------------------------------------------------------


class Stolen(Folder):
    """Hall-2, which has a period key, is lost in period 0; an amendment follows."""

    def meter_key(self, name: str) -> SigningKey:
        if name == "hall-1":
            return world.key(11)
        agreed = self.terms.lab("alpha").meter(name)
        halves_of = {hw.public(seed)[32:]: hw.key(seed).lattice for seed in (12, 13)}
        curves = {halves(hw.public(seed))[0]: world.key(seed) for seed in (12, 14)}
        curve = curves[agreed.key]
        return HybridKey(curve, halves_of[agreed.period_key]) if agreed.period_key else curve


@pytest.mark.parametrize(
    ("new", "state"),
    [
        (lambda text: text, "rejected continuity"),
        (lambda text: text.replace(hw.period_text(12), hw.period_text(13)), "rejected continuity"),
        (lambda text: text.replace(f'period_key = "{hw.period_text(12)}"\n', ""), "rejected continuity"),
        (lambda text: text.replace(world.public(12), world.public(14)), "proven"),
        (lambda text: text.replace(world.public(12), world.public(14)).replace(hw.period_text(12), hw.period_text(13)), "proven"),
    ],
    ids=["the same", "another period key", "none", "another key", "another of both"],
)
def test_a_loss_ends_with_another_key_for_epochs(tmp_path: Path, any_proof: None, page_agrees: None, new: Any, state: str) -> None:
    """Who stole the key still has it, whatever stands beside it."""
    text = hw.with_period_keys(LOSABLE, 12)
    folder = Stolen(tmp_path / "folder", text)
    folder.publish(0, folder.lost_roots(0, 2), (LOST_2,), {2: 2})
    assert folder.judged_as() == "proven"
    folder.amend(new(text))
    folder.publish(1, folder.roots(1), ())
    assert folder.judged_as(1) == state


def test_an_amendment_may_take_a_period_key_away(tmp_path: Path) -> None:
    """The same key file signs with one half then."""
    store, terms, meter = store_of(tmp_path)
    assert len(meter.seal(store, terms, 0).signature) == 2484
    bare = dataclasses.replace(terms.labs[0].meters[0], period_key=b"")
    assert len(meter.period_signer(bare).sign(b"")) == 64


# ---- rotation --------------------------------------------------------------------------------------------------

PERIODIC_ROTATING = hw.with_period_keys(ROTATING, 11)


@pytest.mark.parametrize(
    ("new", "used", "state"),
    [
        (hw.key(211), hw.key(211), "proven"), (hw.key(211), hw.key(11), "rejected"), (hw.key(211), world.key(211), "rejected"),
        (world.key(211), hw.key(11), "proven"),
        (dataclasses.replace(hw.key(211), curve=world.key(11)), hw.key(11), "proven"),
        (dataclasses.replace(hw.key(11), curve=world.key(211)), hw.key(11), "proven"),
    ],
    ids=["both new", "the old one signs", "half of the new one signs", "to one half: passed over", "the curve's half is kept: passed over",
         "the lattice's half is kept: passed over"],
)  # fmt: skip
def test_both_halves_are_replaced_together(tmp_path: Path, any_proof: None, page_agrees: None, new: Any, used: Any, state: str) -> None:
    """The meter's key in [keys] is both halves, and a hybrid one stays hybrid."""
    made = Changing(tmp_path / "folder", PERIODIC_ROTATING)
    made.mine["hall-1"] = used
    made.add(made.terms.start + 60, *held(made.terms, HALL_1, ROTATE, hw.key(11), new))
    made.epochs()
    made.claim()
    row = made.row(made.end() + 700)
    assert row.state == state, row.reason


def test_a_meter_of_one_half_gets_a_period_key_by_rotation(tmp_path: Path, any_proof: None, page_agrees: None) -> None:
    made = Changing(tmp_path / "folder")
    made.mine["hall-1"] = hw.key(211)
    made.add(made.terms.start + 60, *held(made.terms, HALL_1, ROTATE, 11, hw.key(211)))
    made.epochs()
    made.claim()
    assert made.row(made.end() + 700).state == "proven"


def test_without_a_key_in_force_a_meter_has_neither_half(tmp_path: Path, any_proof: None, page_agrees: None) -> None:
    made = Changing(tmp_path / "folder", PERIODIC_ROTATING)
    made.mine["hall-1"] = hw.key(11)
    made.add(made.terms.start + 60, *revoked(made.terms, HALL_1, hw.key(11)))
    made.epochs()
    made.claim()
    row = made.row(made.end() + 700)
    assert (row.state, row.check) == ("rejected", "signatures")
