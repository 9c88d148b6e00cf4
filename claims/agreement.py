"""The agreement: what the parties signed, as immutable values and as one canonical digest.

    agreement.toml --claims.agreement_file--> Agreement --canonical bytes--> SHA-256 digest (in every proof)

The text format is read by :mod:`claims.agreement_file`; this module holds the values, the bounds and the
digest. Parties, chip classes, labs and meters are kept sorted by name, so that the digest does not depend on
the order or the formatting of the text. FORMATS.md section 2 gives the canonical bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from claims.canonical import Writer
from claims.errors import ClaimRejected

__all__ = [
    "MAX_EPOCHS",
    "MAX_LABS",
    "MAX_LOG_ROWS",
    "MAX_METERS",
    "MAX_PEAK",
    "MIN_LOG_ROWS",
    "Agreement",
    "Amends",
    "Caps",
    "ChipClass",
    "Lab",
    "Meter",
    "Party",
    "Pause",
    "Rules",
]

DOMAIN = b"standstill/agreement/v1"
MAX_PEAK = 2**24 - 1
"""Largest peak, units of 10^12 FLOP/s: three range-checked bytes in a field element."""
MAX_COVERAGE = 2**48 - 1
"""Largest chips x epoch seconds: two 24-bit limbs."""
MAX_CAP = 2**64 - 1
MAX_EPOCHS = 2**24 - 1
"""Epochs of all periods together: an epoch is a 24-bit number."""
MAX_METERS = 4096
MAX_LABS = 256
MIN_LOG_ROWS, MAX_LOG_ROWS = 16, 22


@dataclass(frozen=True)
class Party:
    """A signatory. ``key``: its Ed25519 public key, 32 bytes."""

    name: str
    key: bytes


@dataclass(frozen=True)
class ChipClass:
    """``peak``: units of 10^12 FLOP/s at the highest-throughput format, rounded up; ``note``: format and source."""

    name: str
    peak: int
    note: str


@dataclass(frozen=True)
class Meter:
    """A signed counter over ``chips`` chips of class ``chip`` in ``lab``. ``key``: Ed25519 public, 32 bytes."""

    lab: str
    name: str
    chip: str
    chips: int
    key: bytes


@dataclass(frozen=True)
class Caps:
    """Units of 10^12 FLOP, rounded down. ``freeze``: level under a freeze, else None."""

    total: int
    unattributed: int
    lineage: int
    freeze: int | None


@dataclass(frozen=True)
class Lab:
    """A party that claims.

    Attributes:
        name: of the party whose key signs the lab's registry heads and claims.
        log_rows: table height, 16 to 22.
        opening_head: registry head before the first claim, eight field elements.
        since_period: the period of the first claim, whose before-head is ``opening_head``.
        caps: the lab's caps per period, and over lineages.
        meters: sorted by name; this is the order of the statement.
    """

    name: str
    log_rows: int
    opening_head: tuple[int, ...]
    since_period: int
    caps: Caps
    meters: tuple[Meter, ...]

    def meter(self, name: str) -> Meter:
        """The meter of that name. Raises ClaimRejected (check ``meters``) when there is none."""
        for meter in self.meters:
            if meter.name == name:
                return meter
        raise ClaimRejected("meters", f"the agreement gives lab {self.name} no meter {name!r}")


@dataclass(frozen=True)
class Rules:
    """``charge_peak``: charge = "peak", else "metered". ``charge_residue``: residue = "charge-every-lineage"."""

    charge_peak: bool
    charge_residue: bool


@dataclass(frozen=True)
class Amends:
    """The agreement that this one replaces from ``from_period`` on. ``digest``: 32 bytes."""

    digest: bytes
    from_period: int


@dataclass(frozen=True)
class Pause:
    """A pause's trigger, what lifts it, who decides: text for people, bound by the digest."""

    trigger: str
    lifts: str
    decides: str


@dataclass(frozen=True)
class Agreement:
    """Everything that the parties agreed. ``start``: Unix seconds; tuples are sorted by name.

    Period k holds the epochs ``k * epochs_per_period`` to ``(k + 1) * epochs_per_period - 1``; epoch e begins
    at ``start + e * epoch_seconds``.
    """

    name: str
    start: int
    epoch_seconds: int
    epochs_per_period: int
    periods: int
    rules: Rules
    parties: tuple[Party, ...]
    chips: tuple[ChipClass, ...]
    labs: tuple[Lab, ...]
    amends: Amends | None
    pause: Pause | None

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the domain tag and the canonical bytes, 32 bytes. Bound into every proof."""
        return hashlib.sha256(canonical_bytes(self)).digest()

    @property
    def first_period(self) -> int:
        """First period under this agreement: 0, or where the amendment takes effect."""
        return 0 if self.amends is None else self.amends.from_period

    def party(self, name: str) -> Party:
        """The party of that name. Raises ClaimRejected (check ``lab``) when there is none."""
        for party in self.parties:
            if party.name == name:
                return party
        raise ClaimRejected("lab", f"{name!r} is not a party to the agreement")

    def lab(self, name: str) -> Lab:
        """The lab of that name. Raises ClaimRejected (check ``lab``) when there is none."""
        for lab in self.labs:
            if lab.name == name:
                return lab
        raise ClaimRejected("lab", f"{name!r} is not a lab of the agreement")

    def chip(self, name: str) -> ChipClass:
        """The chip class of that name; every meter's exists."""
        for chip in self.chips:
            if chip.name == name:
                return chip
        raise ClaimRejected("meters", f"the agreement has no chip class {name!r}")

    def coverage(self, meter: Meter) -> int:
        """Chip-seconds that the meter accounts for in each epoch."""
        return meter.chips * self.epoch_seconds

    def period_epochs(self, period: int) -> tuple[int, int]:
        """First and last epoch of a period. Raises ClaimRejected (check ``period``) out of range."""
        if not self.first_period <= period < self.periods:
            raise ClaimRejected(
                "period", f"{period} is not one of the agreement's periods {self.first_period} to {self.periods - 1}"
            )
        first = period * self.epochs_per_period
        return first, first + self.epochs_per_period - 1

    def period_at(self, unix_seconds: int) -> int:
        """The period in which a moment lies. Raises ClaimRejected (check ``period``) outside all of them."""
        period = (unix_seconds - self.start) // (self.epoch_seconds * self.epochs_per_period)
        self.period_epochs(period)
        return period

    def epoch_at(self, unix_seconds: int) -> int:
        """The epoch in which a moment lies. Raises ClaimRejected (check ``period``) outside all periods."""
        self.period_at(unix_seconds)
        return (unix_seconds - self.start) // self.epoch_seconds


def canonical_bytes(agreement: Agreement) -> bytes:
    """The bytes that the digest hashes (FORMATS.md section 2). Injective on valid agreements."""
    out = Writer()
    out.raw(len(DOMAIN).to_bytes(2, "big") + DOMAIN)
    out.name(agreement.name)
    out.uint(agreement.start, 8)
    out.uint(agreement.epoch_seconds, 4)
    out.uint(agreement.epochs_per_period, 4)
    out.uint(agreement.periods, 4)
    out.flag(agreement.rules.charge_peak)
    out.flag(agreement.rules.charge_residue)
    out.uint(len(agreement.parties), 2)
    for party in agreement.parties:
        out.name(party.name)
        out.raw(party.key)
    out.uint(len(agreement.chips), 2)
    for chip in agreement.chips:
        out.name(chip.name)
        out.uint(chip.peak, 3)
        out.text(chip.note)
    out.uint(len(agreement.labs), 2)
    for lab in agreement.labs:
        _write_lab(out, lab)
    out.flag(agreement.amends is not None)
    if agreement.amends is not None:
        out.raw(agreement.amends.digest)
        out.uint(agreement.amends.from_period, 4)
    out.flag(agreement.pause is not None)
    if agreement.pause is not None:
        for text in (agreement.pause.trigger, agreement.pause.lifts, agreement.pause.decides):
            out.text(text)
    return out.data


def _write_lab(out: Writer, lab: Lab) -> None:
    out.name(lab.name)
    out.uint(lab.log_rows, 1)
    out.head(lab.opening_head)
    out.uint(lab.since_period, 4)
    for cap in (lab.caps.total, lab.caps.unattributed, lab.caps.lineage):
        out.uint(cap, 8)
    out.flag(lab.caps.freeze is not None)
    if lab.caps.freeze is not None:
        out.uint(lab.caps.freeze, 8)
    out.uint(len(lab.meters), 2)
    for meter in lab.meters:
        out.name(meter.name)
        out.name(meter.chip)
        out.uint(meter.chips, 6)
        out.raw(meter.key)
