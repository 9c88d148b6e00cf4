"""Power, transfers and open weights at random, against judges that are written from the texts alone.

FORMATS-inspection.md I2, I5 and I10 (what is drawn, absent, visited; the bound), FORMATS-log.md sections 8 and 9 (what a transfer is,
which are void, which count), FORMATS.md section 1 (what weights from outside declare). Whatever a judge lets through and the code does
not, or the other way round, is a false claim or an honest lab that is refused.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from lab_fixtures import EPOCH, EPOCHS
from opening_proofs import opening_proofs as opening_proofs

import tests.inspection.test_inspect_open as base
from claims.agreement.model import Agreement
from claims.agreement.terms import Amends, Feed, OpenModel, Rules
from claims.base.errors import ClaimsError
from claims.claim.allowances import counting_total
from claims.claim.commitments import ReadingOpening
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import JoulesEntry, TransferEntry
from claims.claim.records import IDLE, Reading
from claims.inspection.draw import draw
from claims.inspection.file import OpenedJoules, OpenedReading
from claims.inspection.power import compare
from tests.attacks.test_allowances import BEGIN, LABS, agreed, judged, lab, transfer
from tests.attacks.test_allowances import _page_counts_alike as _page_counts_alike
from tests.attacks.test_power import FEED_KEY, IDLE_JOULES, Powered
from tests.attacks.test_power_two import OTHER_KEY, Two
from tests.attacks.test_weights_rule import BIG, OTHER, SMALL
from tests.attacks.test_weights_rule import TERMS as LISTING
from tests.attacks.test_weights_two import passes

CHIPS = {"hall-a": 8, "hall-b": 2}


# ---- what is drawn ---------------------------------------------------------------------------------------------


class Hours:
    """A log of four hours under two feeds, in which anything may be wrong with an hour's joules. ``order``: what is in it."""

    def __init__(self, two: Two, rng: random.Random) -> None:
        self.order: list[tuple[str, Any]] = []
        self.entries: list[bytes] = []
        keys = {"feed-a": FEED_KEY, "feed-b": OTHER_KEY}
        for epoch in range(EPOCHS):
            own = two.published.epoch("alpha", epoch)
            assert own is not None
            bits = rng.choice((b"", b"", b"", b"\1", b"\2", b"\3"))
            early, late = list[tuple[str, Any]](), list[tuple[str, Any]]()
            for feed in keys:
                for _ in range(rng.choice((0, 1, 1, 1, 2))):
                    leaf = bytes([rng.choice((1, 1, 2))]) * 32
                    who = feed if rng.random() < 0.9 else "feed-b" if feed == "feed-a" else "feed-a"
                    (early if rng.random() < 0.85 else late).append(("joules", (feed, epoch, leaf, who)))
            for kind, value in [*early, ("hour", (epoch, bits)), *late]:
                self.order.append((kind, value))
                if kind == "hour":
                    self.entries.append(encode_entry(sign_entry(base.LAB_KEY, replace(own[0], absent=bits))))
                else:
                    feed, hour, leaf, who = value
                    self.entries.append(encode_entry(sign_entry(keys[who], JoulesEntry(two.terms.digest, feed, hour, leaf))))
        self.entries.append(two.claim_entry())

    def there(self, feed: str, epoch: int) -> bool:
        """Section I10: before the lab's entry, which does not call it absent, and without a second, different one before it."""
        at = next(i for i, (kind, value) in enumerate(self.order) if kind == "hour" and value[0] == epoch)
        bit = {"feed-a": 1, "feed-b": 2}[feed]
        said = [v for kind, v in self.order[:at] if kind == "joules" and v[:2] == (feed, epoch) and v[3] == feed]
        return bool(said) and len({v[2] for v in said}) == 1 and not (self.order[at][1][1] or b"\0")[0] & bit


def test_what_is_drawn_absent_and_visited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses at random too: of a feed's meters, of others; a lost chip-second is visited, and a lost meter's feed is absent."""
    monkeypatch.setattr("claims.inspection.draw.verify_round", lambda *_, **__: base.VERIFIED)  # a second each
    two, seen = Two(), set[str]()
    stream = draw(two.terms.digest, "alpha", 0, [(m.name, m.chips) for m in two.meters], (0, EPOCHS - 1), EPOCH, base.VERIFIED, 12)
    for seed in range(80):
        rng = random.Random(seed)
        hours = Hours(two, rng)
        lost = {name: rng.randrange(EPOCHS) for name in CHIPS if rng.random() < 0.25}
        found = base.draw_committed(two.terms, "alpha", 0, base.ROUND, base.FakeLog(hours.entries, two.log.time), lost)
        taken, visits, whole, absent, left = [], [], set(), set(), 6
        for item in stream:
            if not left:
                break
            if item.epoch >= lost.get(item.meter, EPOCHS):
                visits.append(item)
                continue
            taken.append(item)
            feed = {"hall-a": "feed-a", "hall-b": "feed-b"}[item.meter]
            good = hours.there(feed, item.epoch)
            left -= good
            (whole if good else absent).add((item.epoch, feed))
        assert (found.draws, found.visits) == (tuple(taken), tuple(visits)), seed
        assert (found.hours, found.absent) == (tuple(sorted(whole)), tuple(sorted(absent))), seed
        seen |= {"visits"} if visits else set()
        seen |= {"absent"} if absent else set()
        seen |= {"ran out"} if left else set()
    assert seen == {"visits", "absent", "ran out"}


def test_the_bound_of_an_hour() -> None:
    """Readings cut at random over two meters; watts, base and joules around the bound: held exactly as it is written."""
    powered = Powered(IDLE_JOULES)
    opening = powered.make()
    for seed in range(100):
        rng = random.Random(seed)
        feed = Feed(
            "hall-feed", "alpha", "beta", bytes(32), "rack", rng.choice((("hall-a", "hall-b"), ("hall-a",))),
            rng.choice((0, 7, 2**32 - 1)), rng.choice((0, 300)), rng.choice((301, 1000, 2**32 - 1)),
        )  # fmt: skip
        shown, idle, busy = [], 0, 0
        for name in CHIPS:
            left, start, index = CHIPS[name] * EPOCH, 0, 0
            while left:
                part, tag = min(left, rng.randrange(1, 200)), rng.choice((IDLE, IDLE, 2, 77)) if seed % 5 else rng.choice((2, 77))
                shown.append(OpenedReading(name, ReadingOpening(index, start, Reading(1, tag, part, 0), bytes(32), ()), bytes(64), ()))
                if name in feed.meters:
                    idle, busy = idle + part * (tag == IDLE), busy + part * (tag != IDLE)
                left, start, index = left - part, start + part, index + 1
        most = feed.base_watts * EPOCH + feed.idle_watts * idle + feed.busy_watts * busy
        joules = min(2**64 - 1, max(0, most + rng.choice((-1, 0, 1, 10**6))))
        told = replace(opening, readings=tuple(shown), joules=(OpenedJoules(1, "hall-feed", joules, bytes(32)),))
        (one,) = compare(replace(powered.terms, feeds=(feed,)), told)
        assert (one.idle, one.busy) == (idle, busy)
        assert one.holds is (idle == 0 or joules <= most), (seed, joules, most)


# ---- what moved ------------------------------------------------------------------------------------------------


def test_which_transfers_count() -> None:
    """Four labs of other caps and ceilings; signatures, parties and periods that are wrong; a date or none; and the page is asked."""
    counted = void = 0
    for seed in range(80):
        rng = random.Random(seed)
        caps = {name: rng.choice((6, 12, 12)) for name in LABS}
        ceilings = {name: rng.choice((None, 12, 18, 24)) for name in LABS}
        since = {name: rng.choice((0, 0, 0, 2)) for name in LABS}
        terms = _agreed(caps, ceilings, since)
        log, dates = [], dict[int, int | None]()
        for _ in range(rng.randrange(1, 12)):
            giver, receiver = rng.choice(list(LABS)), rng.choice(list(LABS))
            made = transfer(giver, receiver, rng.choice((1, 1, 3, 6, 7, 12)), rng.randrange(3), rng.choice((1, 1, 1, 2)), terms)
            wrong = rng.random()
            if wrong < 0.08:
                made = replace(made, accepted=bytes(64))
            elif wrong < 0.12:
                made = replace(made, signature=bytes(64))
            dates[len(log)] = rng.choice((None, BEGIN - 1, BEGIN - 1, BEGIN - 3600, BEGIN, BEGIN + 5))
            log.append((made, 0.12 <= wrong))
        found = judged(*(entry for entry, _ in log), terms=terms, dates=dates)
        expected = _moves(log, dates, caps, ceilings, since)
        assert [(item.index, bool(item.void), item.counts) for item in found] == expected, seed
        totals = {name: counting_total(terms, name, 1, found) for name in LABS}
        for name in LABS:
            moved = [log[index][0] for index, _, counts in expected if counts]
            own = caps[name] + sum(item.amount * ((item.receiver == name) - (item.giver == name)) for item in moved)
            assert totals[name] == own and 0 <= own <= max(caps[name], ceilings[name] or 0), seed
        assert sum(totals.values()) == sum(caps.values())
        counted, void = counted + sum(c for _, _, c in expected), void + sum(v for _, v, _ in expected)
    assert counted > 20 and void > 40


def _agreed(caps: dict[str, int], ceilings: dict[str, int | None], since: dict[str, int]) -> Agreement:
    labs = []
    for name, seed in LABS.items():
        ceiling = ceilings[name]
        labs.append(lab(name, seed, caps[name], None if ceiling is None else max(ceiling, caps[name]), since[name]))
        ceilings[name] = labs[-1].ceiling
    return agreed(*labs)


def _moves(
    log: list[tuple[TransferEntry, bool]], dates: dict[int, int | None], caps: dict[str, int], ceilings: dict[str, int | None],
    since: dict[str, int],
) -> list[tuple[int, bool, bool]]:  # fmt: skip
    """Index, whether it is void, whether it counts, of each transfer for period 1 that is an entry; the first of an identity."""
    out, known, given, got = [], set(), dict.fromkeys(LABS, 0), dict.fromkeys(LABS, 0)
    for index, (entry, signed) in enumerate(log):
        identity = (entry.giver, entry.receiver, entry.period, entry.serial)
        allowed = signed and entry.giver != entry.receiver and entry.period >= max(since[entry.giver], since[entry.receiver])
        if not allowed or identity in known:
            continue
        known.add(identity)
        if entry.period != 1:
            continue
        ceiling = ceilings[entry.receiver]
        void = given[entry.giver] + entry.amount > caps[entry.giver]
        void = void or ceiling is None or caps[entry.receiver] + got[entry.receiver] + entry.amount > ceiling
        if not void:
            given[entry.giver] += entry.amount
            got[entry.receiver] += entry.amount
        date = dates[index]
        out.append((index, void, not void and date is not None and date < BEGIN))
    return out


# ---- weights from outside ----------------------------------------------------------------------------------------


def test_what_weights_from_outside_declare() -> None:
    """Three agreements, each an amendment of the one before, with lists and rules of their own, changing within their periods too."""
    good = bad = 0
    for seed in range(400):
        rng = random.Random(seed)
        begins = [0, rng.randrange(1, 5), rng.randrange(5, 9)]
        chain: list[Agreement] = []
        for begin in begins:
            charges = {digest: rng.choice((10**10, 10**11, 38 * 10**12)) for digest in (BIG, SMALL) if rng.random() < 0.8}
            most = max(charges.values(), default=1)
            some = (Rules(True, True), Rules(True, True, True), Rules(True, True, True, most), Rules(True, True, True, most + 5))
            rules = [rng.choice(some) for _ in "ab"]
            models = tuple(OpenModel(f"m{i}", charge, "", (digest,)) for i, (digest, charge) in enumerate(charges.items()))
            amends = Amends(chain[-1].digest, begin) if chain else None
            change = begin + rng.randrange(1, 4)
            chain.append(replace(LISTING, rules=rules[0], rules_from=((change, rules[1]),), open_models=models, amends=amends))
        period, weights = rng.randrange(12), rng.choice((BIG, SMALL, OTHER, bytes(32)))
        held = max(i for i, begin in enumerate(begins) if begin <= period)
        own = chain[held]
        rule = own.rules_from[0][1] if period >= own.rules_from[0][0] else own.rules
        charge = next((model.charge for model in own.open_models if weights in model.weights), rule.unlisted)
        declared = max(1, rng.choice((charge or 10**10, 10**10, 38 * 10**12)) + rng.choice((-1, 0, 0, 1)))
        allowed = not rule.listed or (charge is not None and declared >= charge)
        epoch = period * LISTING.epochs_per_period + rng.randrange(LISTING.epochs_per_period)
        assert passes(chain[-1], epoch, weights, declared, tuple(chain[:-1])) is allowed, (seed, period)
        if held < 2:
            with pytest.raises(ClaimsError):
                passes(chain[-1], epoch, weights, declared)
        good, bad = good + allowed, bad + (not allowed)
    assert good > 100 and bad > 100
