"""Labs that cannot sign a claim, for a key was revoked: who is excused, and who is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import world
from folders import HOUR
from rotation import ALPHA, HALL_1, SPARE, Changing, held, revoked

from claims.claim.entries import sign_entry
from claims.claim.entry_kinds import AssentEntry
from tests.attacks.test_rotation_readers import TERMS, half

pytestmark = pytest.mark.usefixtures("page_agrees", "any_proof")


@pytest.fixture
def made(tmp_path: Path) -> Changing:
    return Changing(tmp_path / "folder")


def test_a_meter_s_key_that_is_revoked_before_the_claim_accuses_nobody(made: Changing) -> None:
    """It had sealed the whole period: nothing can be said to be lost, and no claim be signed."""
    made.epochs()
    made.add(made.end() + 100, *revoked(TERMS, HALL_1, 11))
    later = made.end() + 20 * HOUR
    made.add(later, sign_entry(world.key(60), AssentEntry(TERMS.digest, "gamma")))
    row = made.row(later + HOUR)
    assert row.state == "pending" and "meter hall-1" in row.reason


@pytest.mark.parametrize("what", ["early", "spare", "late", "other"])
def test_a_lab_that_could_have_gone_on_is_missing(made: Changing, what: str) -> None:
    words = revoked(TERMS, HALL_1, 11)
    if what == "spare":
        words = [*held(TERMS, HALL_1, SPARE, 11, 211), *words]
    elif what == "other":
        words = revoked(TERMS, (2, "beta", "hall-1"), 21, by="delta gamma")
    later = made.end() + 20 * HOUR
    half(made, 0)
    if what == "early":
        made.add(made.terms.epoch_span(1)[1] + 100, *words)
    half(made, 1)
    if what != "early":
        made.add(later if what == "late" else made.end() + 100, *words)
    made.add(later + 60, sign_entry(world.key(60), AssentEntry(TERMS.digest, "gamma")))
    assert made.row(later + HOUR).state == "missing"


def test_a_mirror_that_undates_a_revocation_excuses_nobody(made: Changing) -> None:
    """Alpha was missing when its key was revoked. A mirror removes the cosignatures of the head that has the revocation."""
    made.epochs()
    later = made.end() + 20 * HOUR
    made.add(later, sign_entry(world.key(60), AssentEntry(TERMS.digest, "gamma")))
    made.add(later + HOUR, *revoked(TERMS, ALPHA, 1))
    assert made.row(later + 2 * HOUR).state == "missing"
    log = made.folder / "log"
    newest = max(map(int, (log / "checkpoints" / "sizes").read_text().split()))
    for path in (log / "checkpoint", log / "checkpoints" / str(newest)):
        path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("— delta")))
    assert made.row(later + 2 * HOUR).state == "missing"
