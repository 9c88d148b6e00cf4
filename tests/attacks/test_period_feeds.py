"""Feeds that sign hours with one half and periods with both: what counts as the feed's word on a period, in both verifiers.

FORMATS-inspection.md section I10, "Period". Who attacks can sign everything that an Ed25519 key, or an ML-DSA-44 key, alone can sign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hybrid_world as hw
import pytest
from folders import Made

from claims.agreement.file import parse_agreement
from claims.base.errors import BadSignature, ClaimRejected, ClaimsError
from claims.base.hybrid import SigningKey
from claims.claim.entries import check_entry, decode_entry, encode_entry, same_word, sign_entry
from claims.claim.entry_kinds import Entry, FeedPeriodEntry, JoulesEntry
from claims.claim.evidence import TwoEntries
from claims.claim.power import period_root
from claims.lab.journal import JournalError, of_entry
from claims.lab.signing import signing_alone
from tests.attacks.test_outside_page import joules
from tests.attacks.test_page_publisher import FED

TEXT = hw.with_period_keys(FED, 80)
KEY = hw.key(80)
LEAF = bytes([1]) * 32
EPOCHS = 4


def word(made: Made, leaves: list[bytes | None] | None = None, key: SigningKey = KEY, **changes: Any) -> FeedPeriodEntry:
    """The feed's word on period 0: over what it entered, if nothing else is said."""
    root = period_root(leaves or [LEAF] * EPOCHS)
    return sign_entry(key, FeedPeriodEntry(**{"agreement": made.terms.digest, "feed": "hall-feed", "period": 0, "root": root} | changes))


def halved(entry: FeedPeriodEntry, curve: bool) -> FeedPeriodEntry:
    """Zeros for the other half."""
    return replace(entry, signature=entry.signature[:64] + bytes(2420) if curve else bytes(64) + entry.signature[64:])


Words = Callable[[Made], list[Entry]]
WORDS: dict[str, tuple[bool, Words]] = {
    "its word": (True, lambda m: [word(m)]),
    "its word, signed twice": (True, lambda m: [word(m), word(m)]),
    "none": (False, lambda m: []),
    "stripped: the curve's key alone": (False, lambda m: [word(m, key=KEY.curve)]),
    "stripped: zeros for the lattice's half": (False, lambda m: [halved(word(m), curve=True)]),
    "stripped: zeros for the curve's half": (False, lambda m: [halved(word(m), curve=False)]),
    "stripped, then its word": (True, lambda m: [word(m, [None] * EPOCHS, KEY.curve), halved(word(m, [None] * 4), curve=True), word(m)]),
    "mixed: another lattice": (False, lambda m: [word(m, key=replace(hw.key(81), curve=KEY.curve))]),
    "another's key": (False, lambda m: [word(m, key=hw.key(2))]),
    "of other leaves": (False, lambda m: [word(m, [LEAF, LEAF, LEAF, bytes([2]) * 32])]),
    "without an hour that it entered": (False, lambda m: [word(m, [LEAF, None, LEAF, LEAF])]),
    "two different words": (False, lambda m: [word(m), word(m, [None] * EPOCHS)]),
    "replayed: of another period": (False, lambda m: [word(m, period=1)]),
    "replayed: of another agreement": (False, lambda m: [word(m, agreement=bytes(32))]),
    "of another feed": (False, lambda m: [word(m, feed="other")]),
}  # fmt: skip


def published(made: Made, words: list[Entry], hour: Callable[[int], list[Entry]] | None = None) -> None:
    """Alpha's epochs, before each the feed's joules; then the feed's words, then the claim."""
    for epoch, data in enumerate(made.epoch_entries()):
        before = hour(epoch) if hour else [joules(made, epoch)]
        made.add(made.terms.epoch_span(epoch)[1] + 60, *before, decode_entry(data))
    if words:
        made.add(made.end() + 300, *words)
    made.claim()


def line(made: Made) -> str:
    row = made.row(made.end() + 700)
    assert row.state == "proven" and row.power is not None
    assert row.power.to_json()["unconfirmed"] == (["hall-feed"] if "not confirmed" in row.power.line() else [])
    return row.power.line()


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.usefixtures("any_proof", "page_agrees")
def test_what_is_a_feeds_word_on_a_period(tmp_path: Path, name: str) -> None:
    confirmed, words = WORDS[name]
    made = Made(tmp_path / "folder", TEXT)
    published(made, words(made))
    unsaid = "" if confirmed else "; feed hall-feed has not confirmed the period"
    assert line(made) == f"1 of 2 meters under a feed, 0 of 4 hours absent{unsaid}"


@pytest.mark.usefixtures("any_proof", "page_agrees")
def test_an_hour_that_the_curve_alone_wrote_unsettles_the_period_and_is_not_confirmed(tmp_path: Path) -> None:
    """A forger is first; the feed's own entry then contradicts it, and its word does not cover the forged hour."""
    made = Made(tmp_path / "folder", TEXT)
    published(made, [word(made)], lambda epoch: [*([joules(made, epoch, amount=7)] if epoch == 1 else []), joules(made, epoch)])
    assert line(made) == "1 of 2 meters under a feed, 1 of 4 hours absent; feed hall-feed has not confirmed the period"


@pytest.mark.usefixtures("any_proof", "page_agrees")
def test_an_hour_that_the_curve_alone_wrote_afterwards_takes_no_confirmation_away(tmp_path: Path) -> None:
    made = Made(tmp_path / "folder", TEXT)
    published(made, [word(made, [LEAF, None, LEAF, LEAF])], lambda epoch: [joules(made, epoch)] if epoch != 1 else [])
    made.add(made.end() + 650, joules(made, 1, amount=7), joules(made, 2, amount=7))
    assert line(made) == "1 of 2 meters under a feed, 1 of 4 hours absent"


@pytest.mark.usefixtures("any_proof", "page_agrees")
def test_a_feed_without_a_period_key_has_no_such_word(tmp_path: Path) -> None:
    made = Made(tmp_path / "folder", FED)
    published(made, [word(made), word(made, [None] * EPOCHS)])
    assert line(made) == "1 of 2 meters under a feed, 0 of 4 hours absent"
    with pytest.raises(ClaimRejected, match="has no period key"):
        check_entry(word(made), made.terms)


def test_hours_are_of_the_curve_alone(tmp_path: Path) -> None:
    terms = parse_agreement(TEXT)
    hour = JoulesEntry(terms.digest, "hall-feed", 0, LEAF)
    check_entry(sign_entry(KEY.curve, hour), terms)
    with pytest.raises(BadSignature):
        check_entry(sign_entry(KEY, hour), terms)


def test_a_word_is_said_once_and_signed_again_it_is_the_same(tmp_path: Path) -> None:
    """A crash that lost the signature may sign the same bytes again; a restored copy with other hours signs nothing."""
    made_terms = parse_agreement(TEXT)
    first, again, other = (
        sign_entry(KEY, FeedPeriodEntry(made_terms.digest, "hall-feed", 0, period_root(leaves)))
        for leaves in ([LEAF] * 4, [LEAF] * 4, [LEAF, LEAF, LEAF, None])
    )
    assert first.signature != again.signature and same_word(first, again) and of_entry(first) == of_entry(again)
    with signing_alone(KEY.curve.public_key().public_bytes_raw(), "feed hall-feed", tmp_path) as journal:
        journal.add(of_entry(first))
        journal.add(of_entry(again))
        with pytest.raises(JournalError, match="the joules of period 0"):
            journal.add(of_entry(other))
    one, two = encode_entry(first), encode_entry(again)
    with pytest.raises(ClaimsError):
        TwoEntries.of(one, two).check(made_terms)
    item = TwoEntries.of(one, encode_entry(other))
    item.check(made_terms)
    assert item.against(made_terms) is None, "a feed's contradiction is no lab's"
