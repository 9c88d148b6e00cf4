"""The golden proof of a compute claim under `std`: accepted by both verifiers, and rejected after any edit."""

from __future__ import annotations

import hashlib
import json
import random

import pytest

from circuits.claim import claim_program
from circuits.opening import opening_program
from tests.tampering.judge import ACCEPTED, judge
from tests.vectors import make_claim
from zk.verifier import verify

ITEM, PROOF = make_claim.load()
DATA = json.loads((make_claim.FOLDER / f"{make_claim.NAME}.json").read_text())


def test_both_verifiers_accept() -> None:
    assert judge(ITEM, PROOF) == ACCEPTED


@pytest.mark.parametrize("name", [name for name in make_claim.NAMES if name != make_claim.NAME])
def test_both_verifiers_accept_every_kind_of_table(name: str) -> None:
    item, proof = make_claim.load(name)
    assert judge(item, proof) == ACCEPTED
    assert judge(item, proof[:-1] + bytes([proof[-1] ^ 1]), both=False) != ACCEPTED
    dropped = item.but(public_interactions=item.public_interactions[:-1])
    assert judge(dropped, proof, both=False) != ACCEPTED


def test_the_program_of_openings_has_not_moved() -> None:
    assert opening_program().digest() == make_claim.load("opening_std")[0].program.digest()


def test_it_meets_the_floor_with_nothing_switched_off() -> None:
    assert verify(*ITEM.statement(), PROOF).unique_decoding.bits >= 100


def test_the_files_belong_together() -> None:
    assert hashlib.sha256(PROOF).hexdigest() == DATA["proof_sha256"]
    assert ITEM.option_words() == DATA["options_words"]


def test_the_claim_program_has_not_moved() -> None:
    """If this alone fails, the circuit changed: make the vector again, and publish the new digest."""
    assert claim_program().digest() == ITEM.program.digest() == bytes.fromhex(DATA["program_digest"])


def test_edits_are_rejected() -> None:
    rng = random.Random(3)
    for n in range(100):
        at = rng.randrange(len(PROOF))
        changed = PROOF[:at] + bytes([PROOF[at] ^ 1 << rng.randrange(8)]) + PROOF[at + 1 :]
        assert judge(ITEM, changed, both=n < 8) != ACCEPTED, at
    for length in (0, 5, 6, 100, 20_000, len(PROOF) - 1):
        assert judge(ITEM, PROOF[:length]) == "format"


def test_another_statement_is_rejected() -> None:
    for k in range(len(ITEM.publics)):
        publics = [v + (i == k) for i, v in enumerate(ITEM.publics)]
        assert judge(ITEM.but(publics=publics), PROOF, both=False) != ACCEPTED
    terms = ITEM.public_interactions
    for k in range(len(terms)):
        assert judge(ITEM.but(public_interactions=terms[:k] + terms[k + 1 :]), PROOF, both=False) != ACCEPTED
