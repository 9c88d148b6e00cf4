"""Training that meters sign as idle, against a power record: hours withheld by either side, twice, late, rounded, booked away."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lab_fixtures import EPOCH, EPOCHS, LAB_KEY, METER_KEYS, PEAK, make_agreement, public
from opening_proofs import opening_proofs as opening_proofs

import tests.inspection.test_inspect_open as base
from claims.agreement.check import validate
from claims.agreement.hidden import hidden_lines, hidden_of
from claims.agreement.model import Agreement
from claims.agreement.terms import Deadlines, Feed, InspectionTerms, LogTerms, Party
from claims.base.errors import BadSignature, ClaimRejected, ClaimsError, MalformedFile
from claims.claim.commitments import epoch_root, lab_epoch_root, registry_epoch_head
from claims.claim.entries import check_entry, decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import EpochEntry, JoulesEntry
from claims.claim.power import Joules, absent_bits, power_seen, shown_joules
from claims.claim.published import PublishedEntries
from claims.claim.records import IDLE, UNATTRIBUTED, Reading
from claims.collect.errors import PollFailed
from claims.collect.feed import FeedRecords, read_series, record_csv
from claims.imports.exposition import parse_exposition
from claims.imports.rows import ImportRefused
from claims.inspection.check import CheckedOpening, OpeningRejected, check_opening
from claims.inspection.file import Opening
from claims.inspection.open import MaterialError, SealedEpoch
from claims.inspection.power import check_power, compare, power_lines

FEED_KEY = Ed25519PrivateKey.from_private_bytes(b"\x42" * 32)
COSIGN = Ed25519PrivateKey.from_private_bytes(b"\x44" * 32)
FEED = Feed("hall-feed", "alpha", "beta", public(FEED_KEY), "utility", ("hall-a", "hall-b"), 0, 300, 1000)
CHIPS = 10
"""Of both meters."""
IDLE_JOULES, BUSY_JOULES = 300 * CHIPS * EPOCH, 1000 * CHIPS * EPOCH


class Powered(base.World):
    """A lab whose meters are under one feed. ``tags``: of each meter's three readings in every epoch; ``joules``: of each epoch or None.

    Args:
        absent: epochs that the lab calls absent; ``after``: whose joules are logged only after the lab's entry; ``twice``: logged twice.
    """

    def __init__(
        self, joules: dict[int, int] | int = IDLE_JOULES, tags: tuple[int, ...] = (IDLE, IDLE, IDLE), feeds: tuple[Feed, ...] = (FEED,),
        absent: frozenset[int] = frozenset(), after: frozenset[int] = frozenset(), twice: frozenset[int] = frozenset(),
    ) -> None:  # fmt: skip
        self.tags, self._made, self.absent = tags, None, absent
        parties = (Party("alpha", public(LAB_KEY)), Party("beta", public(base.BETA), public(COSIGN)), Party("gamma", public(base.GAMMA)))
        self.terms = replace(
            base.classed(make_agreement()), start=base.START, parties=parties, log=LogTerms("log.example/x", "gamma", public(base.LOG), 1),
            inspection=InspectionTerms(6, 3, 59), deadlines=Deadlines(1, 1, 60, 600), feeds=feeds,
        )  # fmt: skip
        self.meters = self.terms.labs[0].meters
        self.sealed = {}
        slots = (
            base.Slot(True, 5, 3, 0, 0, 0, 0, 0, b"o" * 32, base.name_digest("other")),
            base.Slot(True, base.TAG, 3, 0, 0, 0, EPOCHS - 1, 0, b"w" * 32, base.name_digest("run-1")),
        )
        self.slots = base.SealedRegistry(slots, ("other", "run-1"), b"R" * 32)
        amounts = joules if isinstance(joules, dict) else dict.fromkeys(range(EPOCHS), joules)
        self.given = {e: Joules(self.terms.digest, FEED.name, e, hashlib.sha256(b"s%d" % e).digest(), j) for e, j in amounts.items()}
        entries: list[bytes] = []
        for epoch in range(EPOCHS):
            own, found = self._publish(epoch), self.given.get(epoch)
            entry = [] if found is None or not feeds else [self.entry(found)]
            if epoch in twice and found is not None:
                entry.append(self.entry(replace(found, joules=found.joules + 1)))
            entries += [own, *entry] if epoch in after else [*entry, own]
        entries.append(self.claim_entry())
        self.closing = base.behind(self.terms, self.sealed, slots)
        self.log = base.FakeLog(entries, base.START + 4 * 60 + 1)
        self.drawn = base.draw_committed(self.terms, "alpha", 0, base.ROUND, self.log)

    def entry(self, found: Joules) -> bytes:
        return encode_entry(sign_entry(FEED_KEY, JoulesEntry(self.terms.digest, found.feed, found.epoch, found.leaf)))

    def _publish(self, epoch: int) -> bytes:
        roots = []
        for number, meter in enumerate(self.meters):
            cover = self.terms.coverage(meter)
            parts = (cover // 4, cover // 2, cover - cover // 4 - cover // 2)
            readings = tuple(
                Reading(epoch, tag, part, 0 if tag == IDLE else part * PEAK) for tag, part in zip(self.tags, parts, strict=True)
            )
            seed = hashlib.sha256(b"seed%d.%d" % (number, epoch)).digest()
            root = epoch_root(readings, epoch, cover, seed, self.terms.readings(meter))
            message = base.epoch_root_message(self.terms.digest, "alpha", meter.name, epoch, root)
            self.sealed[meter.name, epoch] = SealedEpoch(readings, seed, root, METER_KEYS[meter.name].sign(message))
            roots.append((meter.name, root))
        head = registry_epoch_head(self.slots.slots, self.slots.seed, base.CHECKPOINTS)
        bits = absent_bits(len(self.terms.feeds_of("alpha")), {0} if epoch in self.absent else set())
        return encode_entry(sign_entry(LAB_KEY, EpochEntry(self.terms.digest, "alpha", epoch, lab_epoch_root(roots), head, absent=bits)))

    def joules(self, feed: str, epoch: int) -> Joules:
        return self.given[epoch]

    @property
    def published(self) -> PublishedEntries:
        return PublishedEntries(self.terms, enumerate(self.log.entries))

    def checked(self, opening: Opening | None = None) -> CheckedOpening:
        return check_opening(self.terms, self.drawn, opening or self.make(), "beta")


@pytest.fixture(scope="module")
def idle() -> Powered:
    return Powered()


def caught(world: Powered) -> bool:
    """Whether the power record shows that more was drawn."""
    try:
        check_power(world.terms, world.checked().opening, ())
    except OpeningRejected as error:
        assert error.code == "power"
        return True
    return False


def refused(world: Powered, opening: Opening, *codes: str) -> None:
    with pytest.raises(OpeningRejected) as error:
        world.checked(base.resign(opening))
    assert error.value.code in codes


# ---- the bound -------------------------------------------------------------------------------------------------


def test_bribed_meters_are_caught_by_the_power_record(idle: Powered) -> None:
    """Every hour signed as idle: honest at the idle watts, caught one joule above; and the same lie passes where no feed is agreed."""
    assert not caught(idle) and caught(Powered(IDLE_JOULES + 1)) and caught(Powered(BUSY_JOULES))
    bare = Powered(BUSY_JOULES, feeds=())
    assert not caught(bare) and bare.drawn.hours == () and bare.make().joules == ()
    assert len(bare.make().readings) < len(idle.make().readings)


def test_a_busy_chip_accounts_for_what_it_draws() -> None:
    quarter = CHIPS * EPOCH // 4
    most = 1000 * quarter + 300 * (CHIPS * EPOCH - quarter)
    tags = (UNATTRIBUTED, IDLE, IDLE)
    assert not caught(Powered(most, tags)) and caught(Powered(most + 1, tags))
    (one, *_) = compare(Powered(most, tags).terms, Powered(most, tags).make())
    assert (one.idle + one.busy, one.busy, one.most) == (CHIPS * EPOCH, quarter, most)


def test_a_full_hour_is_not_compared() -> None:
    """1,050 W under a rate of 1,000 is honest; so is all that a lab books as unattributed, which its caps limit."""
    world = Powered(BUSY_JOULES * 105 // 100, (UNATTRIBUTED,) * 3)
    assert not caught(world) and all(item.most is None for item in compare(world.terms, world.make()))
    assert "not compared" in "\n".join(power_lines(world.terms, world.checked()))


def test_base_watts_are_of_the_feed() -> None:
    base_feed = replace(FEED, base_watts=50)
    most = IDLE_JOULES + 50 * EPOCH
    assert not caught(Powered(most, feeds=(base_feed,))) and caught(Powered(most + 1, feeds=(base_feed,)))


# ---- what is drawn, and what is absent ---------------------------------------------------------------------------


def test_a_draw_opens_the_feeds_hour_and_all_its_meters(idle: Powered) -> None:
    opening = idle.make()
    assert Opening.decode(opening.encode()) == opening
    hours = sorted({(draw.epoch, FEED.name) for draw in idle.drawn.draws})
    assert [(item.epoch, item.feed) for item in opening.joules] == list(idle.drawn.hours) == hours
    assert len(opening.readings) == 3 * len(idle.meters) * len(idle.drawn.hours)


@pytest.mark.parametrize("how", ["absent", "after", "twice", "missing"])
def test_joules_that_did_not_come_are_absent_and_draw_another(how: str) -> None:
    """The lab said so, or the log has them only after its word, or the feed contradicted itself, or never signed."""
    none, whole = dict.fromkeys(range(EPOCHS), BUSY_JOULES), Powered(BUSY_JOULES)
    odd = whole.drawn.draws[0].epoch
    world = Powered({e: j for e, j in none.items() if e != odd}) if how == "missing" else Powered(none, **{how: frozenset({odd})})
    assert all(epoch != odd for epoch, _ in world.drawn.hours) and caught(world)
    hits = sum(draw.epoch == odd for draw in world.drawn.draws)
    assert hits and len(world.drawn.draws) == min(12, 6 + hits) and world.drawn.draws[:6] == tuple(whole.drawn.draws)[:6]
    seen = power_seen(world.terms, "alpha", 0, world.published)
    assert seen is not None and seen.line() == f"2 of 2 meters under a feed, 1 of {EPOCHS} epochs absent"
    assert "another chip-second was drawn" in "\n".join(power_lines(world.terms, world.checked()))


def test_where_all_is_absent_nothing_is_compared_and_draws_end() -> None:
    world = Powered({}, absent=frozenset(range(EPOCHS)))
    assert len(world.drawn.draws) == 12 and world.drawn.hours == () and not caught(world)
    seen = power_seen(world.terms, "alpha", 0, world.published)
    assert seen is not None and seen.absent == seen.epochs == EPOCHS


def test_a_feed_with_a_lost_meter_is_absent(idle: Powered) -> None:
    seen = power_seen(idle.terms, "alpha", 0, idle.published, {"hall-b": EPOCHS - 1})
    assert seen is not None and seen.absent == 1


def test_absence_follows_the_logs_order_and_no_date(idle: Powered) -> None:
    """A later entry, or a second one after the lab's word, changes no draw: every mirror opens the same."""
    more = [*idle.log.entries, idle.entry(replace(idle.given[1], joules=1))]
    published = PublishedEntries(idle.terms, enumerate(more))
    assert all(shown_joules(published, FEED, epoch) is not None for epoch in range(EPOCHS)) and len(published.conflicts) == 1
    again = base.draw_committed(idle.terms, "alpha", 0, base.ROUND, base.FakeLog(more, idle.log.time + 1))
    assert again.draws == idle.drawn.draws and again.hours == idle.drawn.hours


def test_the_lab_cannot_call_an_hour_absent_after_the_draw(idle: Powered) -> None:
    """Its word stands in its epoch's entry, before the draw; a second entry contradicts it."""
    entry = decode_entry(idle._publish(0))
    assert isinstance(entry, EpochEntry)
    second = encode_entry(sign_entry(LAB_KEY, replace(entry, absent=b"\1")))
    assert len(PublishedEntries(idle.terms, enumerate([*idle.log.entries, second])).conflicts_of("alpha", 0)) == 1


# ---- openings that show less ------------------------------------------------------------------------------------


def test_an_hour_is_opened_whole(idle: Powered) -> None:
    opening = idle.make()
    for at in range(len(opening.readings)):
        refused(idle, replace(opening, readings=opening.readings[:at] + opening.readings[at + 1 :]), "selection")
    refused(idle, replace(opening, joules=opening.joules[1:]), "selection")
    refused(idle, replace(opening, joules=opening.joules[::-1]), "selection")
    refused(idle, replace(opening, joules=(*opening.joules, opening.joules[-1])), "selection")


def test_joules_are_those_that_the_holder_committed_to(idle: Powered) -> None:
    opening = idle.make()
    first = opening.joules[0]
    for change in ({"joules": first.joules - 1}, {"salt": bytes(32)}, {"joules": 0}):
        refused(idle, replace(opening, joules=(replace(first, **change), *opening.joules[1:])), "joules")  # type: ignore[arg-type]
    swapped = (replace(first, joules=opening.joules[1].joules, salt=opening.joules[1].salt), *opening.joules[1:])
    refused(idle, replace(opening, joules=swapped), "joules")


def test_a_lab_that_was_given_other_joules_opens_nothing() -> None:
    world = Powered()
    world.given = {epoch: replace(item, joules=item.joules + 1) for epoch, item in world.given.items()}
    with pytest.raises(MaterialError, match="not those in the log"):
        world.make()


def test_idle_readings_moved_to_another_meter_fill_no_hour(idle: Powered) -> None:
    opening = idle.make()
    own = next(r for r in opening.readings if r.meter == "hall-b")
    moved = tuple(replace(r, meter="hall-a") if r is own else r for r in opening.readings)
    refused(idle, replace(opening, readings=tuple(sorted(moved, key=lambda r: (r.opening.reading.epoch, r.meter, r.opening.index)))),
            "selection", "overlap", "reading-path", "reading-values")  # fmt: skip


def test_an_opening_shows_the_tags_of_the_hour_and_no_more_checkpoints() -> None:
    """What an hour reveals is said: every tag of it. The slots are still those of drawn readings, drawn places and parents."""
    world = Powered(BUSY_JOULES, (base.TAG, IDLE, UNATTRIBUTED))
    drawn = {r.opening.reading.tag for r in base_drawn(world)}
    shown = {s.opening.slot.tag for s in world.make().slots if s.opening.slot.used}
    places = {s.opening.index for s in world.make().slots}
    assert shown >= {tag for tag in drawn if tag > 2} and places - {1} <= set(world.drawn.slots)


def base_drawn(world: Powered):  # type: ignore[no-untyped-def]
    from claims.inspection.check import drawn_readings

    return drawn_readings(world.drawn, world.make().readings)


# ---- entries and agreements ---------------------------------------------------------------------------------------


def test_only_the_feeds_own_key_signs_joules(idle: Powered) -> None:
    entry = JoulesEntry(idle.terms.digest, FEED.name, 0, bytes(32))
    for key in (LAB_KEY, base.BETA, base.GAMMA, METER_KEYS["hall-a"]):
        with pytest.raises(BadSignature):
            check_entry(sign_entry(key, entry), idle.terms)
    for wrong in (replace(entry, feed="other"), replace(entry, epoch=2**20), replace(entry, agreement=bytes(32))):
        with pytest.raises(ClaimRejected):
            check_entry(sign_entry(FEED_KEY, wrong), idle.terms)


def test_bits_of_feeds_that_are_not_agreed_are_no_entry(idle: Powered) -> None:
    entry = decode_entry(idle._publish(0))
    assert isinstance(entry, EpochEntry)
    for bits in (b"\2", b"\0\1", b"\x81"):
        with pytest.raises(ClaimRejected, match="feeds that the agreement does not have"):
            check_entry(sign_entry(LAB_KEY, replace(entry, absent=bits)), idle.terms)
    for bits in (b"\0", b"\1\0", b"\1" * 33):
        with pytest.raises(MalformedFile):
            encode_entry(replace(entry, absent=bits))


@pytest.mark.parametrize(("change", "words"), [
    ({"holder": "alpha"}, "is no party, or is the lab"), ({"holder": "gamma"}, "the log's operator"), ({"holder": "nobody"}, "no party"),
    ({"key": public(LAB_KEY)}, "the same key"), ({"key": public(METER_KEYS["hall-a"])}, "the same key"), ({"key": bytes(32)}, "no usable"),
    ({"meters": ("hall-a", "hall-a")}, "two have the name"), ({"meters": ("hall-c",)}, "one or more meters of lab alpha"),
    ({"meters": ()}, "one or more meters"), ({"lab": "beta"}, "is no lab"), ({"idle_watts": 1000}, "not below busy_watts"),
    ({"busy_watts": 2**32}, "2^32"), ({"kind": "solar"}, "no kind"),
])  # fmt: skip
def test_feeds_that_a_lab_could_hold_or_bend_are_no_agreement(idle: Powered, change: dict[str, object], words: str) -> None:
    judge(replace(idle.terms, feeds=(FEED,)))
    with pytest.raises(MalformedFile) as error:
        judge(replace(idle.terms, feeds=(replace(FEED, **change),)))  # type: ignore[arg-type]
    assert words in error.value.what


def test_a_meter_is_under_one_feed_and_an_opening_has_room(idle: Powered) -> None:
    second = replace(FEED, name="other", key=public(Ed25519PrivateKey.from_private_bytes(b"\x43" * 32)), meters=("hall-b",))
    with pytest.raises(MalformedFile, match="is under hall-feed and other"):
        judge(replace(idle.terms, feeds=(FEED, second)))
    with pytest.raises(MalformedFile, match="could open 98304 readings"):
        judge(replace(idle.terms, feeds=(FEED,), inspection=InspectionTerms(4096, 3, 59)))
    for lacking in ({"log": None, "inspection": None}, {"deadlines": None}, {"inspection": None}):
        with pytest.raises(MalformedFile, match="feeds need"):
            judge(replace(idle.terms, **lacking))  # type: ignore[arg-type]


def judge(terms: Agreement) -> None:
    validate(terms, lambda field, what, hint: MalformedFile(what, hint=hint))


# ---- what stays hidden ----------------------------------------------------------------------------------------------


def test_what_could_still_be_hidden_is_printed_for_each_feed(idle: Powered) -> None:
    """The design's figures for H100 servers: 9 and 29 %, power-capped 19 and 49, half-busy 36 to 39, and 5 to 14 at the rate."""
    shares = [round(100 * item.share) for item in hidden_of(FEED)]
    assert shares == [9, 29, 19, 49, 36, 39, 5, 14]
    text = "\n".join(hidden_lines(idle.terms))
    assert "9 %, 29 % if the others are switched off (19 % and 49 % power-capped)" in text and "36 % to 39 %" in text
    assert all(line in power_lines(idle.terms, idle.checked()) for line in hidden_lines(idle.terms))
    wide = replace(idle.terms, feeds=(replace(FEED, base_watts=10**6),))
    assert "100 % of the chips more" in "\n".join(hidden_lines(wide))


# ---- a holder's records -----------------------------------------------------------------------------------------------


def records(world: Powered) -> FeedRecords:
    return FeedRecords(world.terms.digest, FEED.name)


def samples(world: Powered, found: FeedRecords, *points: tuple[int, int]) -> list[int]:
    for second, joules in points:
        found.sample(1000 * (world.terms.start + second), {"a": Fraction(joules)})
    return found.decide(world.terms, 10_000)


def test_a_counter_is_read_at_both_ends_of_an_epoch(idle: Powered) -> None:
    found = records(idle)
    assert samples(idle, found, *[(s, 7 * s) for s in range(-5, 130, 5)]) == [0, 1]
    assert [item.joules for item in found.epochs.values()] == [7 * EPOCH, 7 * EPOCH]
    assert FeedRecords.decode(found.encode()).epochs == found.epochs
    assert found.epochs[0].salt != found.epochs[1].salt and "420" not in repr(found.epochs[0])


def test_an_absent_epochs_joules_are_in_no_other_record(idle: Powered) -> None:
    """No sample near the end of epoch 0: epochs 0 and 1 are absent, and epoch 2 has its own joules alone."""
    found = records(idle)
    million = 10**6
    points = [(-5, 0), (0, 0), (5, 50), (100, million), (119, million), (121, million + 20), (179, million + 600), (181, million + 620)]
    assert samples(idle, found, *points) == [2] and found.epochs[2].joules == 600


def test_a_counter_that_went_back_decides_nothing(idle: Powered) -> None:
    found = records(idle)
    assert samples(idle, found, (-1, 500), (1, 520), (30, 10), (59, 300), (61, 320)) == []


def test_a_record_is_made_once(idle: Powered, tmp_path: Path) -> None:
    found, path = records(idle), tmp_path / "hours.csv"
    path.write_text("epoch,joules\n0,5\n1,6\n")
    assert record_csv(found, idle.terms, path) == 2 and record_csv(found, idle.terms, path) == 0
    path.write_text("epoch,joules\n2,7\n1,9\n")
    with pytest.raises(ClaimsError, match="recorded with other joules"):
        record_csv(found, idle.terms, path)
    assert sorted(found.epochs) == [0, 1]
    for row in ("0,,5,", ",,5,", "0,2026-01-01T00:00:00Z,5,", "0,,5,1", ",2026-01-01T00:00:01Z,5,", "99999,,5,", "0,,-5,"):
        path.write_text(f"epoch,time,joules,kwh\n{row}\n")
        with pytest.raises((ImportRefused, ClaimRejected)):
            record_csv(records(idle), idle.terms, path) and record_csv(found, idle.terms, path)
            raise ImportRefused("", 0, "said nothing new") if row == "0,,5," else AssertionError(row)


def test_a_series_is_added_up_and_nothing_else_is_taken_for_it() -> None:
    text = b'energy_joules_total{feed="a"} 5\nenergy_joules_total{feed="b"} 2.5e1\nother 7\n'
    assert read_series(parse_exposition(text), "energy_joules_total", {}, "kWh") == {"feed='a'": 5 * 3600000, "feed='b'": 25 * 3600000}
    assert read_series(parse_exposition(text), "energy_joules_total", {"feed": "b"}, "mJ") == {"feed='b'": Fraction(25, 1000)}
    for name, labels in (("energy", {}), ("energy_joules_total", {"feed": "c"})):
        with pytest.raises(PollFailed):
            read_series(parse_exposition(text), name, labels, "J")
    with pytest.raises(PollFailed):
        read_series(parse_exposition(b"energy NaN\n"), "energy", {}, "J")
    with pytest.raises(PollFailed, match="twice"):
        read_series(parse_exposition(b"energy 1\nenergy 2\n"), "energy", {}, "J")


def test_the_reset_of_one_cord_is_not_hidden_behind_another(idle: Powered) -> None:
    """A hall on two cords: the lab resets the counter of one again and again, and their sum goes on growing."""
    found, a = records(idle), 0
    for second in range(-5, 130, 5):
        a = 0 if second % 30 == 0 else a + 50
        found.sample(1000 * (idle.terms.start + second), {"a": Fraction(a), "b": Fraction(100 * (second + 10))})
        assert found.decide(idle.terms, 10_000) == []
    assert not found.epochs and len(found.samples) <= 3


def test_a_cord_that_comes_or_goes_breaks_the_hour(idle: Powered) -> None:
    for odd in ({"a": 10**6}, {"a": 10**6, "b": 0, "c": 0}, {"a": 10**6, "c": 10**6}):
        found = records(idle)
        for second in range(-5, 70, 5):
            both = {"a": 7 * (second + 5), "b": 2 * (second + 5)}
            found.sample(1000 * (idle.terms.start + second), {k: Fraction(v) for k, v in (odd if second == 30 else both).items()})
            assert found.decide(idle.terms, 10_000) == []


def test_records_stay_small_whatever_the_interval(idle: Powered) -> None:
    """Twenty samples a second for two hours: three are kept, and the hours are what the counter grew by."""
    found = records(idle)
    for tick in range(-20, 20 * 121):
        found.sample(1000 * idle.terms.start + 50 * tick, {"a": Fraction(3 * tick + 100)})
        found.decide(idle.terms, 10_000)
        assert len(found.samples) <= 3
    assert {epoch: item.joules for epoch, item in found.epochs.items()} == {0: 3600, 1: 3600}
    assert FeedRecords.decode(found.encode()) == found
