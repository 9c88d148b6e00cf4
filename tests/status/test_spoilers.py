"""Parties that sign nonsense to spoil another's standing: what the agreement does not allow is nothing."""

from __future__ import annotations

import dataclasses

import pytest
import world

import tests.status.test_status_log as log
from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement
from claims.agreement.signatures import sign_agreement
from claims.base.errors import AgreementError, ClaimRejected
from claims.claim.entries import check_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import InspectionEntry
from claims.claim.evidence import TwoEntries
from claims.claim.published import PublishedEntries
from tests.status.test_status_log import proven, world_  # noqa: F401

PLAIN = parse_agreement(log.TEXT.replace('[inspection]\ndraws = 8\nslots = 4\nmargin = "1 h"\n\n', ""))


def pair(terms: Agreement, author: str = "gamma", round_: int = log.ROUND) -> list[InspectionEntry]:
    """Two versions of one inspection of alpha, in which the author contradicts itself."""
    entries = [InspectionEntry(terms.digest, author, "alpha", 0, round_, outcome, bytes(32)) for outcome in (1, 2)]
    return [sign_entry(world.key(log.SEEDS[author]), entry) for entry in entries]


def evidence(made: log.Published, one: InspectionEntry, two: InspectionEntry) -> None:
    (made.folder / "evidence").mkdir()
    (made.folder / "evidence" / "x.evidence").write_bytes(TwoEntries.of(encode_entry(one), encode_entry(two)).encode())


def under(made: log.Published, terms_text: str, terms: Agreement) -> None:
    """Put another agreement, signed by all, in the folder's place."""
    (made.folder / "agreement.toml").write_text(terms_text)
    signatures = None
    for seed in log.SEEDS.values():
        signatures = sign_agreement(world.key(seed), terms, signatures)
    assert signatures is not None
    (made.folder / "agreement.sigs").write_bytes(signatures.encode())


def test_inspections_that_are_not_agreed_are_nothing(world_: log.Published) -> None:  # noqa: F811
    """A party without a lab signed two of them, under an agreement without [inspection]: DOES NOT HOLD."""
    assert PLAIN.inspection is None and PLAIN.log is not None
    one, two = pair(PLAIN)
    for entry in (one, two):
        with pytest.raises(ClaimRejected, match="no inspections"):
            check_entry(entry, PLAIN)
    published = PublishedEntries(PLAIN, enumerate(map(encode_entry, (one, two))))
    assert not published.conflicts and published.inspections("alpha", 0) == [] and len(published.refused) == 2
    under(world_, log.TEXT.replace('[inspection]\ndraws = 8\nslots = 4\nmargin = "1 h"\n\n', ""), PLAIN)
    evidence(world_, one, two)
    state = world_.at(log.START + 60)
    assert state.holds == "undecided" and not state.breaches and any("no evidence" in line for line in state.problems)


def test_an_inspector_that_contradicts_itself_voids_its_own_word_alone(proven: log.Published) -> None:  # noqa: F811
    log.record(proven, log.DRAWN + 10, "passed")
    before = proven.at(log.DRAWN + 20)
    assert before.holds == "yes"
    logged = next(iter(proven.row(log.DRAWN + 20).inspected))
    one = InspectionEntry(log.TERMS.digest, "beta", "alpha", 0, log.ROUND, 1, logged.record)
    two = dataclasses.replace(one, outcome=2)
    evidence(proven, *(sign_entry(world.key(log.SEEDS["beta"]), entry) for entry in (one, two)))
    after = proven.at(log.DRAWN + 20)
    assert after.holds == "undecided" and not after.breaches and proven.row(log.DRAWN + 20).state == "under inspection"
    assert any("beta signed two versions" in line and "counts for nothing" in line for line in after.problems)
    log.record(proven, log.DRAWN + 30, "passed", "delta")
    assert proven.at(log.DRAWN + 40).holds == "yes", "another inspector's word stands"


WITNESSED = log.TEXT.replace('operator = "gamma"', 'operator = "alpha"').replace("cosignatures = 1", "cosignatures = 2")
for _name in ("alpha", "beta"):
    WITNESSED = WITNESSED.replace(f'cosign_key = "{world.public(log.COSIGN[_name])}"\n', "")


def test_what_nothing_could_ever_date_is_no_agreement() -> None:
    """Two witnesses without labs must both cosign, and nobody's own cosignature counts: they were "not signed by w1, w2" for ever."""
    assert parse_agreement(WITNESSED).log is not None
    sign_by = 'opening = "3 h"\nsign_by = 2025-12-31T00:00:00Z'
    with pytest.raises(AgreementError, match=r"deadlines.*nothing could date the assent \(sign_by\) of delta: 1 parties"):
        parse_agreement(WITNESSED.replace('opening = "3 h"', sign_by))
    with pytest.raises(AgreementError, match="pause.*nothing could date the decisions of gamma"):
        parse_agreement(WITNESSED.replace('deciders = ["beta", "alpha"]', 'deciders = ["beta", "gamma"]'))
    one = WITNESSED.replace("cosignatures = 2", "cosignatures = 1").replace('opening = "3 h"', sign_by)
    assert parse_agreement(one.replace('deciders = ["beta", "alpha"]', 'deciders = ["beta", "gamma"]')).pause is not None
