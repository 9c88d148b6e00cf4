"""Inspections: which chip-seconds to open, drawn by public randomness, and how many to draw.

**Population.** A period has ``epochs`` epochs; in each, meter m accounts for exactly ``chips(m) x epoch_seconds``
chip-seconds, idle time included (rule R2 of the statement). These totals are in the agreement, so that nothing
the lab writes into its ledger, and no way of splitting readings, changes the odds of any chip-second.

**Draw**, bit for bit. Integers are unsigned and big-endian; a name is a u8 length and ASCII bytes::

    prefix = u16 length || "standstill/inspection/v1" || agreement digest (32) || lab (name)
             || u32 period || u64 round || randomness (32)
    block(i) = SHA-256(prefix || u64 i),                  i = 0, 1, 2, ...
    C = sum over the lab's meters of chips x epoch_seconds      T = C x epochs
    k = bit length of T - 1       u(i) = the k leading bits of block(i), as an integer

Each u(i) below T is a draw, the others are skipped: so draws are uniform on 0 .. T - 1, and independent (the
same chip-second may come twice). With the meters m_0, m_1, ... in the order of the agreement (sorted by name)::

    epoch = first epoch + u div C,     v = u mod C
    meter = the m_j with  S_j <= v < S_j + chips(m_j) x epoch_seconds,  S_j the sum over the meters before it
    offset = v - S_j

A longer draw from the same round begins with the shorter one.

**Offset.** A meter's readings in an epoch, in the order of the ledger, cover its chip-seconds one after the
other. The reading to open is the one that covers the offset: of readings with c_0, c_1, ... chip-seconds, the
first with c_0 + ... + c_i > offset. The offset names a place in the ledger, not a chip or a moment.

**Number.** If a fraction f of the lab's chip-seconds in the period is misreported, n draws all miss it with
probability (1 - f)^n. :func:`plan` gives the least n for which this is at most a chosen bound.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from itertools import accumulate

from claims.agreement.model import Agreement
from claims.base.canonical import Writer, is_name
from claims.base.errors import ClaimRejected, ClaimsError, QuantityError
from claims.base.units import format_time
from claims.inspection.beacon import Round, VerifiedRound, round_after, verify_round

__all__ = [
    "DEFAULT_MARGIN",
    "DOMAIN",
    "MAX_DRAWS",
    "TABLE_FRACTIONS",
    "TABLE_MISSES",
    "Draw",
    "InspectionError",
    "draw",
    "draw_period",
    "epoch_times",
    "first_round",
    "parse_probability",
    "period_end",
    "plan",
    "settled",
]

DOMAIN = b"standstill/inspection/v1"
MAX_DRAWS = 2**20
"""Most draws in one inspection."""
DEFAULT_MARGIN = 24 * 3600
"""Seconds between a period's end and the first eligible round where nothing else is agreed: time to publish."""

TABLE_FRACTIONS = tuple(Fraction(text) for text in ("1/5", "1/10", "1/20", "1/50", "1/100", "1/200", "1/1000"))
TABLE_MISSES = tuple(Fraction(text) for text in ("1/10", "1/20", "1/100", "1/1000", "1/1000000"))


class InspectionError(ClaimsError):
    """An argument of a draw or a plan is out of range."""


@dataclass(frozen=True)
class Draw:
    """One chip-second: position ``offset`` among the chip-seconds of ``meter`` in ``epoch``."""

    meter: str
    epoch: int
    offset: int


# ---- drawing -----------------------------------------------------------------------------------------------


def draw(
    agreement_digest: bytes,
    lab: str,
    period: int,
    meters: Sequence[tuple[str, int]],
    epochs: tuple[int, int],
    epoch_seconds: int,
    beacon_round: VerifiedRound,
    count: int,
) -> list[Draw]:
    """Uniform, independent chip-seconds of a lab's period; the module's text is the specification.

    This does not ask when the round was due: :func:`draw_period` does.

    Args:
        agreement_digest: 32 bytes.
        lab, period: whose period, 0 <= period < 2^32.
        meters: (name, chips) in the order of the agreement, at least one, names strictly increasing, chips >= 1.
        epochs: first and last epoch, both included.
        epoch_seconds: length of an epoch, >= 1.
        beacon_round: a verified round.
        count: 1 to :data:`MAX_DRAWS`.

    Returns:
        ``count`` draws in the order drawn; the same chip-second may occur again.

    Raises:
        InspectionError: an argument is out of range.
    """
    first, last = epochs
    names = [name for name, _ in meters]
    if not names or any(a >= b for a, b in zip(names, names[1:], strict=False)):
        raise InspectionError("the meters are not one or more, in increasing order of name")
    if not 0 <= first <= last or epoch_seconds < 1 or any(chips < 1 for _, chips in meters):
        raise InspectionError("epochs, their length or a meter's chips are out of range")
    if type(count) is not int or not 1 <= count <= MAX_DRAWS:
        raise InspectionError(f"the number of draws is not 1 to {MAX_DRAWS}")
    prefix = _prefix(agreement_digest, lab, period, beacon_round)
    ends = list(accumulate(chips * epoch_seconds for _, chips in meters))
    per_epoch = ends[-1]
    draws = []
    for u in _uniform(prefix, per_epoch * (last - first + 1), count):
        epoch, v = divmod(u, per_epoch)
        j = bisect_right(ends, v)
        draws.append(Draw(names[j], first + epoch, v - (ends[j - 1] if j else 0)))
    return draws


def _prefix(agreement_digest: bytes, lab: str, period: int, beacon_round: VerifiedRound, domain: bytes = DOMAIN) -> bytes:
    if len(agreement_digest) != 32 or len(beacon_round.randomness) != 32:
        raise InspectionError("the digest or the randomness is not 32 bytes")
    if not 0 <= period < 2**32:
        raise InspectionError("the period is out of range")
    if not is_name(lab):
        raise InspectionError("the lab is not a name")
    out = Writer()
    out.raw(len(domain).to_bytes(2, "big") + domain)
    out.raw(agreement_digest)
    out.name(lab)
    out.uint(period, 4)
    out.uint(beacon_round.number, 8)
    out.raw(beacon_round.randomness)
    return out.data


def _uniform(prefix: bytes, total: int, count: int) -> list[int]:
    """``count`` integers, uniform on 0 .. total - 1, by rejection; total <= 2^256, at most one in two is refused."""
    bits = (total - 1).bit_length()
    if bits > 256:
        raise InspectionError("the period has more than 2^256 chip-seconds")
    state = hashlib.sha256(prefix)
    found: list[int] = []
    counter = 0
    while len(found) < count:
        block = state.copy()
        block.update(counter.to_bytes(8, "big"))
        counter += 1
        u = int.from_bytes(block.digest(), "big") >> (256 - bits)
        if u < total:
            found.append(u)
    return found


# ---- which round -------------------------------------------------------------------------------------------


def period_end(agreement: Agreement, period: int) -> int:
    """Unix seconds at which a period's last epoch ends. Raises ClaimRejected (check ``period``) out of range."""
    _, last = agreement.period_epochs(period)
    return agreement.start + (last + 1) * agreement.epoch_seconds


def settled(agreement: Agreement, period: int, dated: int) -> int:
    """Unix seconds at which all commitments of a period and its claim count as made, from which the margin to the round runs.

    With deadlines that is when the last epoch's entry and the claim are due, unless ``dated``, the date of the last of them in the
    log, is later: a log's host can move dates later by hiding heads, and so choose among rounds that it has seen. In time, dates
    decide nothing.
    """
    terms = agreement.deadlines
    due = 0 if terms is None else max(terms.epoch, terms.claim)
    return max(period_end(agreement, period) + due, dated)


def first_round(agreement: Agreement, period: int, margin: int = DEFAULT_MARGIN) -> int:
    """The first eligible round: due strictly after the period's end plus ``margin`` seconds.

    Parties that fix the round by this rule leave nobody a choice. Whoever may choose among later rounds can try
    many draws and keep the one that suits.

    Raises:
        ClaimRejected: no such period.
        InspectionError: a negative margin.
    """
    return round_after(_threshold(agreement, period, margin))


def _threshold(agreement: Agreement, period: int, margin: int) -> int:
    if margin < 0:
        raise InspectionError("the margin is negative")
    return period_end(agreement, period) + margin


def draw_period(
    agreement: Agreement,
    lab: str,
    period: int,
    beacon_round: Round,
    count: int,
    *,
    margin: int = DEFAULT_MARGIN,
    committed_at: int | None = None,
) -> list[Draw]:
    """Verify a round, check that it is late enough, and draw from a lab's period.

    Args:
        agreement: its digest, the lab's meters and the period's epochs enter the draw.
        beacon_round: parsed, not yet verified.
        margin: seconds after the period's end that the round must exceed.
        committed_at: Unix seconds at which the period's signed heads were published, where known: the round
            must be due after this moment too.

    Raises:
        ClaimRejected: no such lab or period, no claim of the lab is due for it, or a RoundRejected.
        InspectionError: count or margin out of range.
    """
    agreed = agreement.lab(lab)
    epochs = agreement.period_epochs(period)
    if period < agreed.since_period:
        raise ClaimRejected("period", f"lab {lab} claims from period {agreed.since_period} on")
    threshold = _threshold(agreement, period, margin)
    after = threshold if committed_at is None else max(threshold, committed_at)
    verified = verify_round(beacon_round, after=after)
    meters = [(meter.name, meter.chips) for meter in agreed.meters]
    return draw(agreement.digest, lab, period, meters, epochs, agreement.epoch_seconds, verified, count)


def epoch_times(agreement: Agreement, epoch: int) -> tuple[str, str]:
    """Beginning and end of an epoch as RFC 3339 UTC; the end is the next epoch's beginning."""
    begin = agreement.start + epoch * agreement.epoch_seconds
    return format_time(begin), format_time(begin + agreement.epoch_seconds)


# ---- how many draws ----------------------------------------------------------------------------------------

_PROBABILITY = re.compile(r"(?:\d{1,24}/\d{1,24}|\d{1,24}(?:\.\d{1,24})?(?:[eE]-?\d{1,2})?%?)", re.ASCII)
_MAX_BITS = 512


def parse_probability(text: str) -> Fraction:
    """An exact probability above 0 and at most 1: ``1/100``, ``0.01``, ``1e-6``, ``1%``.

    Raises:
        QuantityError: anything else.
    """
    if _PROBABILITY.fullmatch(text) is None:
        raise QuantityError(f"{text[:60]!r} is not a probability", "write it like 1/100, 0.01, 1e-6 or 1%")
    try:
        value = Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)
    except ZeroDivisionError:
        raise QuantityError(f"{text!r} divides by zero") from None
    if not 0 < value <= 1:
        raise QuantityError(f"{text!r} is not above 0 and at most 1")
    return value


def plan(fraction_misreported: Fraction, miss_probability: Fraction) -> int:
    """The least n >= 1 with (1 - f)^n <= m, exactly.

    Every comparison is decided by an enclosure of (1 - f)^n with directed rounding, refined until it excludes m,
    or by whole numbers where the two are equal; no rounded value decides.

    Args:
        fraction_misreported: f, 0 < f <= 1, a fraction of the lab's chip-seconds in the period.
        miss_probability: m, 0 < m < 1: the most that a draw may miss all of f with.

    Raises:
        InspectionError: out of range, or a numerator or denominator of more than 512 bits.
    """
    if not all(isinstance(value, (Fraction, int)) for value in (fraction_misreported, miss_probability)):
        raise InspectionError("probabilities are exact fractions, not floating-point numbers")
    keep, miss = 1 - Fraction(fraction_misreported), Fraction(miss_probability)
    if not 0 <= keep < 1 or not 0 < miss < 1:
        raise InspectionError("the fraction must be above 0 and at most 1, the miss probability between 0 and 1")
    if max(keep.denominator.bit_length(), miss.denominator.bit_length()) > _MAX_BITS:
        raise InspectionError(f"a denominator has more than {_MAX_BITS} bits")
    high = 1
    while not _at_most(keep, high, miss):
        high *= 2
    low = high // 2  # 0, or a number of draws that is too small
    while high - low > 1:
        middle = (low + high) // 2
        if _at_most(keep, middle, miss):
            high = middle
        else:
            low = middle
    return high


def _at_most(base: Fraction, n: int, bound: Fraction) -> bool:
    """Whether base^n <= bound, exactly; 0 <= base < 1, n >= 1, 0 < bound < 1."""
    if base == 0:
        return True
    # In lowest terms a^n / b^n = c / d needs a^n = c and b^n = d; with b >= 2, n is less than the bits of d.
    if n < bound.denominator.bit_length() and base**n == bound:
        return True
    digits = 60
    while True:
        if _power(base, n, digits, ROUND_CEILING) <= _quotient(bound, digits, ROUND_FLOOR):
            return True
        if _power(base, n, digits, ROUND_FLOOR) > _quotient(bound, digits, ROUND_CEILING):
            return False
        digits *= 2


def _quotient(value: Fraction, digits: int, rounding: str) -> Decimal:
    context = Context(prec=digits, rounding=rounding, Emin=MIN_EMIN, Emax=MAX_EMAX)
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))


def _power(base: Fraction, n: int, digits: int, rounding: str) -> Decimal:
    """base^n with every step rounded the same way: an upper or a lower bound, since all factors are positive."""
    context = Context(prec=digits, rounding=rounding, Emin=MIN_EMIN, Emax=MAX_EMAX)
    square, result = _quotient(base, digits, rounding), Decimal(1)
    while n:
        if n & 1:
            result = context.multiply(result, square)
        square = context.multiply(square, square)
        n >>= 1
    return result
