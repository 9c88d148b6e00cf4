"""What power leaves hidden: the share of a feed's chips that could train in an hour without its joules showing it.

The watts are the agreement's; what chips draw besides is assumed (:data:`SHARES`), as H100 servers do: training at the busy rate, or
capped to less; on and idle; switched off; inference. A meter's hour declared idle is bounded by idle_watts, whatever its chips do.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from claims.agreement.model import Agreement
from claims.agreement.terms import Feed

__all__ = ["SHARES", "Hidden", "hidden_lines", "hidden_of", "hidden_words", "shares_of"]

SHARES = {"on": Fraction(23, 100), "off": Fraction(15, 1000), "capped": Fraction(60, 100), "inference": Fraction(51, 100)}
"""Of busy_watts: a chip that is on and idle (at most idle_watts), switched off, power-capped and training, and doing inference."""


@dataclass(frozen=True)
class Hidden:
    """One way to hide training in an hour. ``share``: of the feed's chips, 0 to 1."""

    what: str
    share: Fraction


def _most(feed: Feed, busy: Fraction, drawn: Fraction, train: Fraction, rest: Fraction) -> Fraction:
    """The largest share of chips that trains at ``train`` watts in an hour of which ``busy`` is booked as busy and draws ``drawn``."""
    room = busy * feed.busy_watts + (1 - busy) * feed.idle_watts - busy * drawn - (1 - busy) * rest
    if train <= rest:
        return 1 - busy
    return max(Fraction(0), min(1 - busy, room / (train - rest)))


def hidden_of(feed: Feed) -> tuple[Hidden, ...]:
    """What could still be hidden under a feed, by what the lab does with the chips that it declares idle or busy."""
    busy = Fraction(feed.busy_watts)
    on, off = min(SHARES["on"] * busy, Fraction(feed.idle_watts)), SHARES["off"] * busy
    half, none, capped, inference = Fraction(1, 2), Fraction(0), SHARES["capped"] * busy, SHARES["inference"] * busy
    return (
        Hidden("hour declared idle, the other chips on", _most(feed, none, none, busy, on)),
        Hidden("the other chips switched off", _most(feed, none, none, busy, off)),
        Hidden("power-capped, the other chips on", _most(feed, none, none, capped, on)),
        Hidden("power-capped, the other chips switched off", _most(feed, none, none, capped, off)),
        Hidden("half busy, of which all is inference", _most(feed, half, inference, busy, on)),
        Hidden("half busy, of which all is inference, the idle ones switched off", _most(feed, half, inference, busy, off)),
        Hidden("half busy, at the busy rate", _most(feed, half, busy, busy, on)),
        Hidden("half busy, at the busy rate, the idle ones switched off", _most(feed, half, busy, busy, off)),
    )


def shares_of(agreement: Agreement, feed: Feed) -> tuple[int, Fraction]:
    """How many chips a feed has, and its share of the lab's chip-seconds."""
    meters = agreement.lab(feed.lab).meters
    fed = set(feed.meters)
    own = sum(meter.chips for meter in meters if meter.name in fed)
    return own, Fraction(own, sum(meter.chips for meter in meters))


def _percent(share: Fraction) -> str:
    return f"{round(100 * share)} %"


def hidden_words(agreement: Agreement, feed: Feed) -> list[str]:
    """Which share of a feed's chips could train unseen, in lines that make sentences."""
    (chips, _), found = shares_of(agreement, feed), [_percent(item.share) for item in hidden_of(feed)]
    out = [
        f"share of its {chips} chips that could still train unseen:",
        f"in an hour declared idle {found[0]}, {found[1]} if the others are switched off ({found[2]} and {found[3]} power-capped);",
        f"in a half-busy hour {found[4]} to {found[5]} where inference is booked as busy,",
        f"{found[6]} to {found[7]} where what is booked busy draws the rate.",
        f"This takes a chip that trains for one that draws {feed.busy_watts} W; one that draws less leaves more room.",
        f"An hour without idle chip-seconds is not compared. All could be hidden if {feed.holder} lies for the lab.",
    ]
    if not all(rules.charge_peak for rules in (agreement.rules, *(later for _, later in agreement.rules_from))):
        out.append('100 % under charge = "metered": busy time that a meter signs without work accounts for any power.')
    if feed.base_watts:
        more = _percent(min(Fraction(1), Fraction(feed.base_watts, feed.busy_watts * chips)))
        out.append(f"If nothing else draws the {feed.base_watts} base watts, {more} of the chips more.")
    return out


def hidden_lines(agreement: Agreement, lab: str | None = None) -> list[str]:
    """For each feed, of one lab or of all, which share of its chips could train unseen. Without feeds: nothing."""
    out: list[str] = []
    for feed in agreement.feeds if lab is None else agreement.feeds_of(lab):
        first, *more = hidden_words(agreement, feed)
        out.append(f"power       feed {feed.name} ({feed.kind}) of lab {feed.lab}: {first}")
        out += [f"            {line}" for line in more]
    return out
