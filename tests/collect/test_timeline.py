"""The fold against a slow second one, and its invariants."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claims.collect.errors import CollectError
from claims.collect.samples import FULL, Job, Poll, Seen
from claims.collect.timeline import Carry, EpochUsage, Policy, fold_epoch

GAP = 50
LENGTH = 200
IDLE = Seen(0, False, None, None)


def by_id(job: Job, begin: int, end: int) -> list[tuple[str | None, int, int]]:
    return [(job[0] or None, begin, end)]


def fold_all(polls: list[Poll], chips: int, epochs: int, policy: Policy | None = None) -> list[EpochUsage]:
    """Epochs one after the other, each from its own carry, as the collector does."""
    carry, rest, usages = Carry(0), polls, []
    for epoch in range(epochs):
        span = 1000 + epoch * LENGTH, 1000 + (epoch + 1) * LENGTH
        usage, carry, used = fold_epoch(carry, rest, span, chips, policy or Policy(GAP), by_id)
        rest = rest[used:]
        usages.append(usage)
    return usages


def slowly(polls: list[Poll], names: list[str], epochs: int, extra: int) -> list[dict[str | None, list[int]]]:
    """Millisecond by millisecond, for chips that keep their slots and have no counters. ``None`` gaps, "idle" idle."""
    usages: list[dict[str | None, list[int]]] = []
    for epoch in range(epochs):
        sums: dict[str | None, list[int]] = {}
        for ms in range(1000 + epoch * LENGTH, 1000 + (epoch + 1) * LENGTH):
            before = [poll for poll in polls if poll.at <= ms]
            after = next((poll for poll in polls if poll.at > ms), None)
            for name in names:
                old = before[-1].chips.get(name) if before else None
                new = after.chips.get(name) if after else None
                label, activity = judge(old, new, after.at - before[-1].at if before and after else GAP + 1, after)
                entry = sums.setdefault(label, [0, 0])
                entry[0] += 1
                entry[1] += activity
        sums[None] = [a + b for a, b in zip(sums.get(None, [0, 0]), (extra * LENGTH, extra * LENGTH * FULL), strict=True)]
        usages.append(sums)
    return usages


def judge(old: Seen | None, new: Seen | None, apart: int, after: Poll | None) -> tuple[str | None, int]:
    if old is None or new is None or apart > GAP or (after is not None and after.step):
        return None, FULL
    if not old.busy and not new.busy:
        return "idle", 0
    jobs = [seen.job for seen in (old, new) if seen.busy]
    job = jobs[0] if all(other == jobs[0] for other in jobs) else None
    return job[0] if job else None, max(old.activity, new.activity)


seen = st.one_of(
    st.just(IDLE),
    st.builds(Seen, st.integers(0, FULL), st.just(True), st.sampled_from([None, ("a", ""), ("b", "")]), st.none()),
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_fold_agrees_with_a_slow_one(data: st.DataObject) -> None:
    epochs, names = data.draw(st.integers(1, 3)), ["c0", "c1", "c2"]
    polls, at = [], data.draw(st.integers(950, 1030))
    while at < 1000 + epochs * LENGTH + 200:
        shown = {name: data.draw(seen) for name in names if data.draw(st.integers(0, 9))}
        polls.append(Poll(at, shown, step="set" if data.draw(st.integers(0, 19)) == 0 else ""))
        at += data.draw(st.integers(1, 60) if data.draw(st.booleans()) else st.integers(20, 40))
    polls.append(Poll(at + GAP, {}))
    expected = slowly(polls, names, epochs, extra=1)
    for usage, sums in zip(fold_all(polls, 4, epochs), expected, strict=True):
        assert usage.total() == 4 * LENGTH
        assert usage.idle == sums.pop("idle", [0, 0])[0]
        assert usage.busy == {label: amounts for label, amounts in sums.items() if amounts[0]}
        assert sum(gap.chip_ms for gap in usage.gaps.values()) <= usage.busy[None][0]


def wild_polls(rng: random.Random, end: int, wild: float = 1.0) -> list[Poll]:
    """Anything: chips that come and go, too many of them, counters that move, stand still, fall or vanish, clocks that jump."""
    polls, at, counters = [], 900, dict.fromkeys(range(7), 100)
    while at < end:
        chips = {}
        for n in rng.sample(range(7), rng.randint(0, 4)) if rng.random() < wild else range(3):
            counters[n] = max(0, counters[n] + (rng.choice((0, 1, 5, -50)) if rng.random() < wild else 1))
            job = rng.choice((None, ("a", ""), ("b", ""))) if rng.random() < 0.5 else None
            busy = job is not None or rng.random() < 0.2
            counter = None if rng.random() < 0.1 * wild else counters[n]
            chips[f"c{n}"] = Seen(rng.randint(0, FULL) if busy else 0, busy, job, counter)
        polls.append(Poll(at, chips, rng.choice(("", "down")), "set" if rng.random() < 0.2 * wild else ""))
        at += rng.choice((1, 10, 30, 49, 50, 51, 120, 500, -70)) if rng.random() < wild else 20
    return [*polls, Poll(end + GAP + 1, {})]


def test_whatever_is_shown_every_epoch_is_charged_exactly_once() -> None:
    rng = random.Random(7)
    for _ in range(150):
        polls = wild_polls(rng, 1000 + 5 * LENGTH, rng.choice((0.1, 1.0)))
        for usage in fold_all(polls, 3, 5, Policy(GAP, rng.choice((0, FULL // 7)), rng.choice((None, 3)))):
            assert usage.total() == 3 * LENGTH and usage.idle >= 0
            assert all(0 < ms <= 3 * LENGTH and 0 <= weighted <= ms * FULL for ms, weighted in usage.busy.values())


def test_idle_time_is_only_between_two_idle_observations_of_one_chip() -> None:
    """No idle millisecond without an idle sample of some chip within the largest gap on both sides."""
    rng = random.Random(8)
    idle = 0
    for _ in range(150):
        polls = wild_polls(rng, 1000 + LENGTH, wild=0.1)
        (usage,) = fold_all(polls, 3, 1)
        seen_idle = [poll.at for poll in polls if any(not s.busy for s in poll.chips.values())]
        possible = sum(
            any(ms - GAP <= at <= ms for at in seen_idle) and any(ms < at <= ms + GAP for at in seen_idle)
            for ms in range(1000, 1000 + LENGTH)
        )
        assert usage.idle <= 3 * possible
        idle += usage.idle
    assert idle > 1000


def test_an_epoch_that_is_not_decided_is_refused() -> None:
    polls = [Poll(at, {"c": IDLE}) for at in range(990, 1201, 10)]
    with pytest.raises(CollectError, match="do not decide"):
        fold_all(polls, 1, 1)
    assert fold_all([*polls, Poll(1201, {"c": IDLE})], 1, 1)[0].idle == LENGTH


def test_a_meter_that_got_more_or_fewer_chips_keeps_those_it_knows() -> None:
    polls = [Poll(at, {"c": IDLE, "d": IDLE}) for at in range(990, 1300, 10)]
    _, carry, used = fold_epoch(Carry(0), polls, (1000, 1200), 2, Policy(GAP), by_id)
    more, _, _ = fold_epoch(carry, polls[used:], (1200, 1240), 3, Policy(GAP), by_id)
    assert (more.idle, more.busy) == (80, {None: [40, 40 * FULL]})
    fewer, _, _ = fold_epoch(carry, [Poll(p.at, {"c": IDLE}) for p in polls[used:]], (1200, 1240), 1, Policy(GAP), by_id)
    assert fewer.total() == 40 and fewer.idle >= 30


def counted(*counters: int | None) -> EpochUsage:
    """An idle chip with these counters, every 40 ms from 1000 on."""
    polls = [Poll(1000 + 40 * n, {"c": Seen(0, False, None, counter)}) for n, counter in enumerate(counters)]
    polls += [Poll(1000 + 40 * n, {"c": Seen(0, False, None, 100 + n)}) for n in range(len(counters), 9)]
    return fold_all(polls, 1, 1)[0]


def test_a_counter_that_appears_vanishes_or_falls_leaves_a_gap() -> None:
    assert counted(1, 2, 3).idle == LENGTH
    assert counted(1, None, None, 4).gaps.keys() == {"the energy counter appeared or vanished"}
    assert counted(1, None, None, 4).idle == LENGTH - 2 * 40
    assert counted(50, 49, 48).gaps.keys() == {"the energy counter was reset"}
    assert counted(50, 49, 48).idle == LENGTH - 2 * 40


def test_a_counter_that_stands_still_is_no_observation() -> None:
    assert counted(1, 1, 2).gaps.keys() == {"no poll, or none with news, for longer than --max-gap"}
    assert counted(1, 1, 1, 1, 2).idle == LENGTH - 4 * 40
    assert counted(None, None, None).idle == LENGTH - 40  # without counters nothing can stand still; one appears at the end


def test_more_chips_than_slots_break_all_of_them() -> None:
    polls = [Poll(at, {"c": IDLE}) for at in range(990, 1300, 10)]
    polls[5] = Poll(polls[5].at, {"c": IDLE, "d": IDLE})
    (usage,) = fold_all(polls, 1, 1)
    assert (usage.idle, usage.gaps.keys()) == (LENGTH - 20, {"2 chips were shown, the meter has 1"})
