"""The fold: from polls to one epoch's chip-milliseconds. Pure; what is in doubt becomes a gap, at peak.

    carry + polls --Timeline--> segments (slot, from, to, idle | job | gap) --cut at the epoch--> EpochUsage + next carry

Every slot's time is charged once, in order and without holes: ``charged`` only moves forward to the poll that decides it.
FORMATS-collector.md section C2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from claims.collect.errors import CollectError
from claims.collect.samples import FULL, Job, Poll, Seen

__all__ = ["Carry", "EpochUsage", "Gap", "Policy", "Slot", "fold_epoch"]

Resolve = Callable[[Job, int, int], list[tuple[str | None, int, int]]]
"""Job, from, to (Unix ms) to pieces (checkpoint or None, from, to) without holes."""

_FROZEN = "the exporter repeats itself (its energy counter stands still)"


@dataclass(frozen=True)
class Policy:
    """How doubt is judged.

    Attributes:
        max_gap: ms; observations further apart leave a gap.
        other_share: added to the activity of busy chips, 0 to ``FULL``.
        idle_watts: mean power above which an interval does not count as idle, or None.
    """

    max_gap: int
    other_share: int = 0
    idle_watts: int | None = None


@dataclass(frozen=True)
class Slot:
    """One of the meter's chips.

    Attributes:
        chip: identity; empty: none was seen yet.
        charged: Unix ms until which its time is charged.
        seen_at, seen: the latest observation; None: the time until the next one is a gap.
        counter: the latest energy counter, observed before a gap too.
        why: reason of the gap.
    """

    chip: str
    charged: int
    seen_at: int
    seen: Seen | None
    counter: int | None
    why: str


@dataclass(frozen=True)
class Carry:
    """The fold's state between epochs. ``at``: latest poll, Unix ms."""

    at: int
    slots: tuple[Slot, ...] = ()


@dataclass
class Gap:
    """Time charged for one reason: chip-milliseconds, first and last moment (Unix ms)."""

    chip_ms: int
    begin: int
    end: int


@dataclass
class EpochUsage:
    """Charged time of one epoch.

    Attributes:
        busy: per checkpoint (None: unattributed, gaps included) chip-milliseconds and the sum of ms x activity.
        idle: chip-milliseconds.
        gaps: by reason; their chip-milliseconds are part of ``busy[None]``.
    """

    busy: dict[str | None, list[int]] = field(default_factory=dict)
    idle: int = 0
    gaps: dict[str, Gap] = field(default_factory=dict)

    def total(self) -> int:
        """Chip-milliseconds of everything."""
        return self.idle + sum(amount for amount, _ in self.busy.values())


def fold_epoch(
    carry: Carry, polls: Iterable[Poll], span: tuple[int, int], chips: int, policy: Policy, resolve: Resolve
) -> tuple[EpochUsage, Carry, int]:
    """Charge one epoch.

    Args:
        carry: state at the epoch's beginning.
        polls: from the beginning on, in order; they reach at least ``max_gap`` beyond the epoch's end.
        span: begin and end of the epoch, Unix ms.
        chips: of the meter.

    Returns:
        the usage, which adds up to chips x length; the carry of the next epoch; how many of the polls that carry includes.

    Raises:
        CollectError: the polls do not decide the epoch yet.
    """
    timeline = _Timeline(carry, span, chips, policy, resolve)
    after: Carry | None = None
    used = 0
    for poll in polls:
        if after is None and poll.at > span[1]:
            after = timeline.carry()
        used += after is None
        timeline.advance(poll)
    usage = timeline.usage
    if after is None or usage.total() != chips * (span[1] - span[0]):
        raise CollectError("the polls do not decide the epoch yet", "poll on until --max-gap after its end")
    return usage, after, used


class _Timeline:
    def __init__(self, carry: Carry, span: tuple[int, int], chips: int, policy: Policy, resolve: Resolve) -> None:
        begin, self._end = span
        self._policy, self._resolve = policy, resolve
        self._at = carry.at
        known = sorted(carry.slots, key=lambda slot: (slot.seen is None, not slot.chip))[:chips]
        fresh = Slot("", begin, begin, None, None, "no endpoint showed the chip")
        self._slots = [*known, *[fresh] * (chips - len(known))]
        self.usage = EpochUsage()

    def carry(self) -> Carry:
        """The state for the next epoch: this one's time is charged, or will be."""
        return Carry(self._at, tuple(replace(slot, charged=max(slot.charged, self._end)) for slot in self._slots))

    def advance(self, poll: Poll) -> None:
        if poll.at <= self._at:
            self._slots = [replace(slot, seen=None, why=poll.step or "the clock went back") for slot in self._slots]
            return
        if poll.step:
            self._slots = [replace(slot, seen=None, why=poll.step) for slot in self._slots]
        chips, missing = poll.chips, poll.trouble or "no endpoint showed the chip"
        if len(chips) > len(self._slots):
            missing = f"{len(chips)} chips were shown, the meter has {len(self._slots)}"
            chips = {}
        held = {slot.chip for slot in self._slots}
        new = [chip for chip in chips if chip not in held]
        # a new chip takes a slot that never had one, else that of a chip that is gone
        free = sorted(
            (i for i, slot in enumerate(self._slots) if slot.chip not in chips), key=lambda i: bool(self._slots[i].chip)
        )
        newcomers = dict(zip(free, new, strict=False))
        for i, slot in enumerate(self._slots):
            chip = newcomers.get(i, slot.chip)
            if chip in chips:
                self._slots[i] = self._observe(slot, chip, chips[chip], poll.at)
            else:
                self._slots[i] = self._break(slot, poll.at, slot.why if slot.seen is None and slot.chip else missing, missing)
        self._at = poll.at

    def _observe(self, slot: Slot, chip: str, new: Seen, at: int) -> Slot:
        fresh = Slot(chip, max(at, slot.charged), at, new, new.counter, "")
        old = slot.seen
        if slot.chip != chip:
            self._gap(slot.charged, at, slot.why or "another chip took its place")
            return fresh
        frozen = new.counter is not None and new.counter == slot.counter
        if frozen:
            if old is not None and at - slot.seen_at <= self._policy.max_gap:
                return slot
            return self._break(slot, at, slot.why if old is None else _FROZEN, _FROZEN)
        if old is None:
            self._gap(slot.charged, at, slot.why)
        elif at - slot.seen_at > self._policy.max_gap:
            self._gap(slot.charged, at, "no poll, or none with news, for longer than --max-gap")
        elif (new.counter is None) != (slot.counter is None):
            self._gap(slot.charged, at, "the energy counter appeared or vanished")
        elif new.counter is not None and slot.counter is not None and new.counter < slot.counter:
            self._gap(slot.charged, at, "the energy counter was reset")
        else:
            self._ends(slot, old, new, at)
        return fresh

    def _break(self, slot: Slot, at: int, why: str, after: str) -> Slot:
        """Charge up to ``at`` as a gap that goes on."""
        self._gap(slot.charged, at, why)
        return replace(slot, charged=max(at, slot.charged), seen=None, why=after)

    def _ends(self, slot: Slot, old: Seen, new: Seen, at: int) -> None:
        """Charge an interval by what was seen at its two ends."""
        begin, busy = slot.charged, [seen for seen in (old, new) if seen.busy]
        if not busy:
            watts = self._policy.idle_watts
            if watts is not None and (new.counter or 0) - (old.counter or 0) > watts * (at - slot.seen_at):
                self._gap(begin, at, "energy was used between two idle samples")
            else:
                self.usage.idle += self._length(begin, at)
            return
        jobs = {seen.job for seen in busy}
        activity = min(FULL, max(seen.activity for seen in busy) + self._policy.other_share)
        job = jobs.pop() if len(jobs) == 1 else None
        for name, a, b in [(None, begin, at)] if job is None else self._resolve(job, begin, at):
            self._busy(name, a, b, activity)

    def _gap(self, begin: int, at: int, why: str) -> None:
        length = self._length(begin, at)
        if not length:
            return
        self._busy(None, begin, at, FULL)
        end = min(at, self._end)
        gap = self.usage.gaps.setdefault(why, Gap(0, begin, end))
        gap.chip_ms += length
        gap.begin, gap.end = min(gap.begin, begin), max(gap.end, end)

    def _busy(self, name: str | None, begin: int, at: int, activity: int) -> None:
        length = self._length(begin, at)
        if length:
            amounts = self.usage.busy.setdefault(name, [0, 0])
            amounts[0] += length
            amounts[1] += length * activity

    def _length(self, begin: int, at: int) -> int:
        """Milliseconds of an interval inside the epoch; a slot's time is never charged from before its beginning."""
        return max(0, min(at, self._end) - begin)
