"""The second round on transfers of cap, by one who knows the design: givers, receivers, circles of them, and mirrors.

Found and mended: a lab that gave learned at `prove` that it was over, and one that received was refused by `meter close`
(tests/cli/test_allowance_commands.py); the verdict on a later claim said nothing of a gift that an earlier one had left out.
Every attempt after that found nothing.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import world
from folders import Made

from claims.agreement.check import validate
from claims.agreement.terms import Amends
from claims.base.errors import BadSignature, ClaimRejected, MalformedClaim, MalformedFile
from claims.claim.allowance_file import decode_allowance, encode_allowance
from claims.claim.allowances import counting_total, listed_total, misjudged, to_list, transfers_of
from claims.claim.entries import check_entry, decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import TransferEntry
from claims.claim.evidence import TwoEntries
from claims.claim.file import decode_claim
from claims.claim.limits import limits_of
from claims.claim.lists import TOTAL, Limit, least_above
from claims.claim.published import PublishedEntries
from tests.attacks.test_allowances import (
    BEGIN,
    CAP,
    LABS,
    PERIOD,
    TERMS,
    Mirrors,
    agreed,
    claim_of,
    gift,
    judged,
    lab,
    listing,
    made,
    totals,
    transfer,
)  # fmt: skip

__all__ = ["made"]  # the fixture


def within(name: str, found, *listed: int) -> bool:  # type: ignore[no-untyped-def]
    """Whether a claim that lists these transfers is not over."""
    return not misjudged(claim_of(name, *(found[i] for i in listed)), TERMS, found)


# ---- given and accepted twice -----------------------------------------------------------------------------------------


def test_one_acceptance_is_for_one_giver_receiver_period_serial_and_agreement() -> None:
    """A receiver's signature, put into any other transfer, is none."""
    accepted = transfer("a", "b", 5).accepted
    other = agreed(*(lab(name, seed, total=11) for name, seed in LABS.items()))
    for giver, receiver, amount, serial, period, terms in (
        ("c", "b", 5, 1, PERIOD, TERMS), ("a", "c", 5, 1, PERIOD, TERMS), ("a", "b", 6, 1, PERIOD, TERMS), ("a", "b", 5, 2, PERIOD, TERMS),
        ("a", "b", 5, 1, 2, TERMS), ("a", "b", 5, 1, PERIOD, other), ("b", "a", 5, 1, PERIOD, TERMS),
    ):  # fmt: skip
        entry = sign_entry(world.key(LABS[giver]), TransferEntry(terms.digest, giver, receiver, period, serial, amount, accepted))
        with pytest.raises(BadSignature):
            check_entry(entry, terms)


def test_two_amounts_under_one_serial_raise_the_receiver_once() -> None:
    """Giver and receiver both sign twice: the first counts for both, and the giver's claim is lost by evidence."""
    one, two = transfer("a", "b", 5), transfer("a", "b", 12)
    for entries, amount in (((one, two), 5), ((two, one), 12)):
        found = judged(*entries)
        assert totals(found)["b"] == CAP + amount and totals(found)["a"] == CAP - amount
    assert TwoEntries.of(encode_entry(one), encode_entry(two)).against(TERMS) == ("a", PERIOD)


def test_a_conflict_in_another_period_spoils_no_other() -> None:
    published = PublishedEntries(TERMS, enumerate(map(encode_entry, (transfer("a", "b", 5, period=2), transfer("a", "b", 6, period=2)))))
    assert not published.conflicts_of("a", PERIOD) and len(published.conflicts_of("a", 2)) == 1 and not published.conflicts_of("b", 2)


def test_serials_give_no_order_and_no_priority() -> None:
    """Voids go by the log's index: a low serial that comes later is the void one."""
    found = judged(transfer("a", "b", 8, serial=2**32 - 1), transfer("a", "c", 8, serial=0))
    assert [bool(item.void) for item in found] == [False, True]


def test_a_name_is_no_key() -> None:
    """A party that is no lab, a lab of no name, itself: nothing is moved."""
    for giver, receiver in (("x", "a"), ("a", "op"), ("a", "a")):
        entry = replace(transfer("a", "b", 5), giver=giver, receiver=receiver)
        with pytest.raises((ClaimRejected, BadSignature)):
            check_entry(sign_entry(world.key((LABS | {"x": 6, "op": 5})[giver]), entry), TERMS)


# ---- dates --------------------------------------------------------------------------------------------------------------


def test_a_cosignature_that_was_dated_back_by_both_labs_and_the_operator(tmp_path: Path) -> None:
    mirror = Mirrors(tmp_path)
    mirror.add(BEGIN + 500, transfer("a", "b", 5), by="x")
    for name in ("a", "b", "op"):  # the head is there; their lines say that they saw it in time
        mirror.cosigned(BEGIN - 500, name) if name != "op" else None
    (found,) = mirror.found()
    assert found.date == BEGIN + 500 and not found.counts


def test_a_third_labs_word_dates_it_and_its_own_transfers_it_does_not(tmp_path: Path) -> None:
    mirror = Mirrors(tmp_path)
    mirror.add(BEGIN - 100, transfer("a", "b", 5), transfer("c", "b", 3), by="c")
    found = mirror.found()
    assert [item.counts for item in found] == [True, False] and totals(found) == {"a": 7, "b": 17, "c": 12, "d": 12}


def test_a_quorum_of_two_needs_two_others(tmp_path: Path) -> None:
    mirror = Mirrors(tmp_path, agreed(quorum=2))
    entry = transfer("a", "b", 5, terms=mirror.terms)
    mirror.add(BEGIN - 100, entry, by="a b x")
    (found,) = mirror.found()
    assert found.date is None
    mirror.cosigned(BEGIN - 90, "d")
    assert mirror.found()[0].counts


def test_mirrors_differ_in_dates_and_never_in_voids(tmp_path: Path) -> None:
    """All subsets of heads: voids are the same, and no mirror's totals add up to more than the caps."""
    mirror = Mirrors(tmp_path)
    mirror.add(BEGIN - 300, transfer("a", "b", 8))
    mirror.add(BEGIN - 200, transfer("a", "c", 8), transfer("d", "c", 5))
    mirror.add(BEGIN + 100, transfer("c", "d", 12), by="x y")
    heads = [path for path in sorted((mirror.log / "checkpoints").iterdir()) if path.name.isdigit()]
    kept = {path: path.read_bytes() for path in heads}
    voids = [item.void for item in mirror.found()]
    for gone in itertools.chain.from_iterable(itertools.combinations(heads[:-1], n) for n in range(len(heads))):
        for path in gone:
            path.unlink()
        found = mirror.found()
        assert [item.void for item in found] == voids and sum(totals(found).values()) == 4 * CAP
        for path in gone:
            path.write_bytes(kept[path])


def test_a_moment_before_all_time_counts_and_one_after_does_not() -> None:
    for date, counts in ((0, True), (BEGIN - 1, True), (BEGIN, False), (2**40, False)):
        assert judged(transfer("a", "b", 5), dates={0: date})[0].counts is counts


# ---- circles, ceilings, wholes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2, 3, 4])
def test_no_circle_lifts_anybody_above_what_came_in(length: int) -> None:
    """Round and round, in every amount: each lab has its own cap in all that it did not give, and never twice."""
    names = sorted(LABS)[:length]
    ring = [
        transfer(x, names[(i + 1) % length], amount, serial)
        for serial, amount in enumerate((5, 7, 1)) for i, x in enumerate(names)
    ]  # fmt: skip
    found = judged(*ring)
    assert totals(found) == dict.fromkeys(LABS, CAP) and sum(bool(item.void) for item in found) == length


def test_what_comes_back_cannot_be_given_again() -> None:
    """a gives all to b, b gives it back, a gives again: the second gift is void, though a has it all."""
    found = judged(transfer("a", "b", 12), transfer("b", "a", 12), transfer("a", "c", 1, 2))
    assert [bool(item.void) for item in found] == [False, False, True] and totals(found)["a"] == 12


@pytest.mark.parametrize(("amount", "void"), [(12, False), (13, True)])
def test_the_ceiling_to_the_unit(amount: int, void: bool) -> None:
    rich = agreed(*(lab(name, seed, total=13 if name == "a" else CAP, ceiling=24) for name, seed in LABS.items()))
    assert bool(judged(transfer("a", "b", amount, terms=rich), terms=rich)[0].void) is void


def test_a_void_gift_fills_no_ceiling_of_another() -> None:
    """A lab that cannot pay offers first: the receiver's room is not used up, and a later true gift stands."""
    found = judged(transfer("a", "b", 12), transfer("a", "b", 12, 2), transfer("c", "b", 0 + 12, 3))
    assert [bool(item.void) for item in found] == [False, True, True]  # the ceiling is 24: 12 of its own, 12 received
    found = judged(transfer("a", "c", 12), transfer("a", "b", 12, 2), transfer("d", "b", 12, 3))
    assert [bool(item.void) for item in found] == [False, True, False]


@pytest.mark.parametrize("amount", [2**63, 2**64 - 1])
def test_amounts_that_would_wrap(amount: int) -> None:
    huge = agreed(*(lab(name, seed, total=2**64 - 1, ceiling=2**64 - 1) for name, seed in LABS.items()))
    found = judged(transfer("a", "b", amount, terms=huge), terms=huge)
    assert found[0].void and totals(found, huge) == dict.fromkeys(LABS, 2**64 - 1)
    assert judged(transfer("a", "b", amount))[0].void


def test_a_whole_cap_given_leaves_nothing_and_not_less() -> None:
    found = judged(transfer("a", "b", 12))
    assert totals(found)["a"] == 0 and listed_total(TERMS, "a", PERIOD, [found[0].digest], found) == 0
    assert least_above(1, 0) == 1 and least_above(2**30, 0) == 2**30
    states = replace(claim_of("a", found[0]), limits=(Limit(TOTAL, 0, 2**20),))
    assert limits_of(TERMS, states, -12)


# ---- lists ----------------------------------------------------------------------------------------------------------------


def test_a_list_that_swaps_one_for_another_of_the_same_amount_gains_nothing() -> None:
    """Gift for gift, receipt for receipt, a gift and a receipt both left out: only the total that results counts."""
    found = judged(transfer("a", "b", 5), transfer("a", "c", 5, 2), transfer("d", "a", 5, 3))
    assert within("a", found, 0, 1, 2) and within("a", found, 0, 1) and within("a", found, 0) and within("a", found, 1)
    assert not within("a", found, 0, 2) and not within("a", found, 2) and not within("a", found)
    for choice in itertools.chain.from_iterable(itertools.combinations(range(3), n) for n in range(4)):
        total = listed_total(TERMS, "a", PERIOD, [found[i].digest for i in choice], found)
        assert within("a", found, *choice) == (total <= counting_total(TERMS, "a", PERIOD, found))


def test_a_void_gift_in_the_list_stands_for_no_true_one() -> None:
    found = judged(transfer("a", "b", 8), transfer("a", "c", 8, 2))
    assert found[1].void and within("a", found, 1) and listed_total(TERMS, "a", PERIOD, [found[1].digest], found) == 4


def test_a_list_names_each_once_and_ascends(tmp_path: Path) -> None:
    claim = world.claim(world.agreement(), transfers=(b"\1" * 32, b"\2" * 32))
    assert decode_claim(claim.encode()).transfers == claim.transfers
    for bad in ((b"\2" * 32, b"\1" * 32), (b"\1" * 32, b"\1" * 32), tuple(n.to_bytes(32, "big") for n in range(4097))):
        with pytest.raises((MalformedClaim, MalformedFile)):
            decode_claim(world.claim(world.agreement(), transfers=bad).encode())


def test_an_honest_list_is_over_on_no_mirror_for_what_it_gave() -> None:
    """`prove` lists every gift that stands: dated here or not, it is within on every mirror that dates no receipt less."""
    entries = (transfer("a", "b", 5), transfer("a", "c", 3, 2))
    choices = list(itertools.product([None, BEGIN - 1, BEGIN + 1], repeat=2))
    for mine, theirs in itertools.product(choices, repeat=2):
        listed = to_list("a", judged(*entries, dates=dict(enumerate(mine))))
        assert len(listed) == 2
        assert not misjudged(claim_of("a", *listed), TERMS, judged(*entries, dates=dict(enumerate(theirs))))


def test_an_honest_receiver_lists_nothing_that_is_void_or_late() -> None:
    found = judged(transfer("a", "b", 12), transfer("a", "b", 12, 2), transfer("c", "b", 1, 3), dates={2: BEGIN})
    assert [item.entry.serial for item in to_list("b", found)] == [1]


def test_a_transfer_of_an_amended_agreement_is_in_no_list() -> None:
    """Neither under the new agreement's digest, nor by the old entry's: the claim lists what its own agreement's log has."""
    labs = tuple(replace(item, caps=replace(item.caps, total=6)) for item in TERMS.labs)
    lower = replace(TERMS, labs=labs, amends=Amends(TERMS.digest, 1))
    old = transfer("a", "b", 5)
    published = PublishedEntries(lower, enumerate([encode_entry(old)]))
    assert transfers_of(published, PERIOD, lambda *_: 0) == () and len(published.others) == 1
    assert len(transfers_of(published.under(TERMS), PERIOD, lambda *_: 0)) == 1  # for periods that the old one counts


def test_an_agreement_whose_ceiling_no_date_could_serve_is_none() -> None:
    with pytest.raises(MalformedFile, match="ceiling is below a total cap"):
        agreed(*(lab(name, seed, ceiling=CAP - 1) for name, seed in LABS.items()))
    with pytest.raises(MalformedFile):
        validate(replace(TERMS, log=replace(TERMS.log, cosignatures=6)), lambda field, what, hint: MalformedFile(what))  # type: ignore[type-var, arg-type]


# ---- files and bytes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [
    (b'"amount": 5', b'"amount": 5.0'), (b'"amount": 5', b'"amount": true'), (b'"amount": 5', b'"amount": 18446744073709551616'),
    (b'"serial": 1', b'"serial": 4294967296'), (b'"period": 1', b'"period": -1'), (b'"giver": "a"', b'"giver": "A"'),
    (b'"giver": "a"', b'"giver": ""'), (b'standstill-allowance/1', b'standstill-allowance/2'),
    (b'"serial": 1', b'"serial": 1, "serial": 2'),
])  # fmt: skip
def test_files_on_their_way_have_one_form(old: bytes, new: bytes) -> None:
    data = encode_allowance(replace(transfer("a", "b", 5), signature=b""))
    assert data.count(old) == 1
    with pytest.raises(MalformedFile):
        decode_allowance(data.replace(old, new))


def test_no_bit_of_an_entry_can_be_changed() -> None:
    """A mirror, or the operator: every flipped bit is refused, passed over, or another agreement's."""
    data = encode_entry(transfer("a", "b", 5))
    for bit in range(0, 8 * len(data), 7):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            entry = decode_entry(bytes(changed))
        except MalformedFile:
            continue
        if entry.agreement == TERMS.digest:
            with pytest.raises((ClaimRejected, BadSignature)):
                check_entry(entry, TERMS)


def test_many_transfers_are_judged_in_linear_time() -> None:
    """4,000 of one unit: sums are kept, not made anew."""
    wide = agreed(*(lab(name, seed, total=10**6, ceiling=2 * 10**6) for name, seed in LABS.items()))
    one = transfer("a", "b", 1, terms=wide)
    published = PublishedEntries(wide, [])
    published._found = {("t", n): (replace(one, serial=n), n) for n in range(4000)}  # type: ignore[dict-item]
    found = transfers_of(published, PERIOD, lambda *_: 0)
    assert counting_total(wide, "b", PERIOD, found) == 10**6 + 4000 and len({item.digest for item in found}) == 4000


# ---- verdicts ---------------------------------------------------------------------------------------------------------------


def test_a_gift_that_an_earlier_claim_left_out_is_said_with_every_later_one(made: Made) -> None:
    """Each claim has its own row; who looks at the later one alone is told."""
    entry = gift(made, "alpha", "beta", 4 * 10**9)
    made.add(made.terms.start - 600, entry)
    first = made.draft()
    later = made.draft(1, before=first.head_after)
    for period, claim in enumerate((first, later)):
        made.epochs(period)
        made.claim(period, claim=claim)
    now = made.end(1) + 7200
    assert made.row(now).state == "over"
    row = made.row(now, 1)
    assert row.state == "proven" and "in period 0 it was over by this copy of the log: its total is 1e22 FLOP" in row.reason
    said = made.run("verify", made.folder / "claims/alpha-1.claim", "--folder", made.folder, "--now", now)[1]
    assert "in period 0 it was over by this copy" in said


def test_a_hidden_gift_shows_with_the_log(made: Made) -> None:
    """The claim is shown with a log that lacks the gift, under its own signature: the log goes on, and both are in it."""
    entry = gift(made, "alpha", "beta", 10**10)
    made.add(made.terms.start - 600, entry)
    made.epochs()
    made.claim(claim=listing(made))
    row = made.row(made.end() + 7200)
    assert row.state == "over" and "not listed: 1e22 FLOP moved from alpha to beta" in row.reason


def test_a_claim_is_over_by_one_unit_more_than_it_has_left(made: Made) -> None:
    """The giver gives after it used it up: its proof is under what is left, and there is none; it says so, and is over."""
    entry = gift(made, "alpha", "beta", 10**10)
    made.add(made.terms.start - 600, entry)
    made.epochs()
    made.claim(claim=listing(made, entry, limits=(Limit(TOTAL, 0, 2**30),)))
    row = made.row(made.end() + 7200)
    assert row.state == "over" and made.caps_seen[-1] == 2**30  # type: ignore[attr-defined]


@pytest.mark.parametrize("delay", [10, 86_400], ids=["lifted", "to-be-lifted"])
def test_a_decision_makes_no_transfer_void(made: Made, delay: int) -> None:
    """The deciders lift the pause, from a moment after the period: what was given for it stays given, in both verifiers."""
    entry = gift(made, "alpha", "beta", 4 * 10**9)
    made.add(made.terms.start - 600, entry)
    made.decide("lift", made.end() + delay, made.terms.start - 500)
    made.epochs()
    made.claim(claim=listing(made, entry))
    state = made.at(made.end() + 7200)
    (found,) = state.moved[0].transfers
    assert found.digest == hashlib.sha256(encode_entry(entry)).digest() and found.counts
    assert next(row for row in state.rows if (row.lab, row.period) == ("alpha", 0)).state == "proven"
