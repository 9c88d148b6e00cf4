"""The agreement: what the parties signed, as immutable values and as one canonical digest.

    agreement.toml --claims.agreement.file--> Agreement --canonical bytes--> SHA-256 digest (in every proof)

The text is read by :mod:`claims.agreement.file`, the canonical bytes are written and read by
:mod:`claims.agreement.codec`, and both are judged by :func:`claims.agreement.check.validate`; this module holds the
values and the bounds. Parties, chip classes, labs and meters are kept sorted by name, so that the digest does not
depend on the order or the formatting of the text. FORMATS.md section 2 gives the canonical bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from claims.base.errors import ClaimRejected

__all__ = [
    "MAX_COSIGNATURES",
    "MAX_EPOCHS",
    "MAX_LABS",
    "MAX_LOG_ROWS",
    "MAX_METERS",
    "MAX_PEAK",
    "MAX_SITES",
    "MIN_LOG_ROWS",
    "Agreement",
    "Amends",
    "Caps",
    "ChipClass",
    "Commitment",
    "Deadlines",
    "InspectionTerms",
    "Lab",
    "LogTerms",
    "Meter",
    "Party",
    "Pause",
    "Rules",
    "Site",
    "canonical_bytes",
    "decode_agreement",
]

MAX_PEAK = 2**24 - 1
"""Largest peak, units of 10^12 FLOP/s: three range-checked bytes in a field element."""
MAX_COVERAGE = 2**48 - 1
"""Largest chips x epoch seconds: two 24-bit limbs."""
MAX_CAP = 2**64 - 1
MAX_SHARE = 10**6
"""Parts per million."""
MAX_EPOCHS = 2**24 - 1
"""Epochs of all periods together: an epoch is a 24-bit number."""
MAX_METERS = 4096
"""Of one table: of a lab, or of each of its sites."""
MAX_SITES = 256
"""Of one lab."""
MAX_RECORD = 2**56 - 1
"""Work that a site can do in a period: one record of its summary may hold all of it."""
MAX_WORK = 2**64 - 1
"""Work that a lab can do in a period."""
MAX_LABS = 256
MAX_COSIGNATURES = 98
"""Of the 100 signature lines that a head of the log may have, two are the log's."""
MIN_LOG_ROWS, MAX_LOG_ROWS = 16, 22
MIN_LEAVES, MAX_LEAVES = 2, 65536
"""Padded leaves of an epoch root, and padded slots of a registry's epoch head: powers of two."""
MAX_ROOTS = 2**21
"""Meters of a table x epochs of a period: its roots of a period stay within 64 MiB."""
MAX_CHANGES = 4096
"""Later caps of one lab; later rules."""
MAX_DRAWS = 4096
"""Draws, or slots, of one inspection."""
MAX_DURATION = 2**32 - 1
"""Seconds."""
MAX_ORIGIN = 128
"""Characters of a log's origin."""
MAX_TIME = 253402300799
"""9999-12-31T23:59:59Z."""


@dataclass(frozen=True)
class Party:
    """A signatory. ``key``: its Ed25519 public key, 32 bytes. ``cosign_key``: for cosignatures of the log, else None."""

    name: str
    key: bytes
    cosign_key: bytes | None = None


@dataclass(frozen=True)
class ChipClass:
    """``peak``: units of 10^12 FLOP/s at the highest-throughput format, rounded up; ``note``: format and source."""

    name: str
    peak: int
    note: str


@dataclass(frozen=True)
class Meter:
    """A signed counter over ``chips`` chips of class ``chip`` in ``lab``. ``key``: Ed25519 public, 32 bytes; ``site``: or None."""

    lab: str
    name: str
    chip: str
    chips: int
    key: bytes
    site: str | None = None


@dataclass(frozen=True)
class Site:
    """A named group of a lab's meters, sorted by name, whose ledgers are proven in one table: a building, or any cut."""

    name: str
    meters: tuple[Meter, ...]


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
        log_rows: table height, 16 to 22; of a lab with sites, the height of every site's table.
        opening_head: registry head before the first claim, eight field elements.
        since_period: the period of the first claim, whose before-head is ``opening_head``.
        caps: the lab's first caps, per period and over lineages.
        meters: sorted by name; this is the order of the statement.
        caps_from: later caps, as (first period, caps), ascending; see :meth:`caps_at`.
        registry_rows: height of the registry's own table, 16 to 22, of a lab with sites; else None.
        lost: share of a period's chip-seconds, in parts per million, that a claim may list as lost; no claim lists losses yet.
        ceiling: most that the total cap may become by transfers, units of 10^12 FLOP, or None; no cap is transferred yet.
    """

    name: str
    log_rows: int
    opening_head: tuple[int, ...]
    since_period: int
    caps: Caps
    meters: tuple[Meter, ...]
    caps_from: tuple[tuple[int, Caps], ...] = ()
    registry_rows: int | None = None
    lost: int = 0
    ceiling: int | None = None

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The lab's sites, sorted by name; none where one table holds the whole lab."""
        groups: dict[str, list[Meter]] = {}
        for meter in self.meters:
            if meter.site is not None:
                groups.setdefault(meter.site, []).append(meter)
        return tuple(Site(name, tuple(groups[name])) for name in sorted(groups))

    def site_of(self, meter: str) -> Site:
        """The site of the meter of that name. Raises ClaimRejected (check ``meters``) without such a meter, or without sites."""
        name = self.meter(meter).site
        for site in self.sites:
            if site.name == name:
                return site
        raise ClaimRejected("meters", f"the agreement gives lab {self.name} no sites")

    def check_one_table(self) -> None:
        """Raises ClaimRejected (check ``meters``) for a lab with sites, whose claim has a table for each."""
        if self.sites:
            what = f"the agreement gives lab {self.name} sites: claims of several tables cannot be made or read by this version"
            raise ClaimRejected("meters", what)

    def caps_at(self, period: int) -> Caps:
        """The caps that hold in a period."""
        caps = self.caps
        for first, later in self.caps_from:
            if first <= period:
                caps = later
        return caps

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
    """A pause's trigger and what lifts it (text for people), and who decides: ``quorum`` of the parties ``deciders``."""

    trigger: str
    lifts: str
    deciders: tuple[str, ...]
    quorum: int


@dataclass(frozen=True)
class LogTerms:
    """The public log.

    Attributes:
        origin: of its checkpoints (C2SP tlog-checkpoint): ASCII, printable, no space, no "+", 1 to 128 characters.
        operator: the party that runs it.
        key: the log's own Ed25519 public key, 32 bytes.
        cosignatures: how many parties, other than the operator and the lab concerned, must have cosigned a checkpoint.
    """

    origin: str
    operator: str
    key: bytes
    cosignatures: int


@dataclass(frozen=True)
class Commitment:
    """Sizes that hide counts: padded leaves per meter and epoch, padded slots per registry head. Powers of two."""

    readings: int = 64
    checkpoints: int = 1024


@dataclass(frozen=True)
class Deadlines:
    """Seconds that each step may take, and when every party has to have signed.

    Attributes:
        epoch: after an epoch's end, until its entry is in the log.
        claim: after a period's end, until its claim is published.
        grace: after the claim's deadline: late, but not missing.
        opening: after the draw's round, until the lab has opened what was drawn.
        sign_by: Unix seconds, at most the agreement's first moment, or None.
        late_epochs: more late epochs of a lab in one period than this, and its claim is rejected; None: lateness is only said.
        cosign: after a newer head of the log has its first cosignature, until it has its quorum; None: nothing is agreed.
    """

    epoch: int
    claim: int
    grace: int
    opening: int
    sign_by: int | None = None
    late_epochs: int | None = None
    cosign: int | None = None


@dataclass(frozen=True)
class InspectionTerms:
    """Readings and registry slots drawn in one inspection; ``margin``: seconds from when claim and entries are due to the round."""

    draws: int
    slots: int
    margin: int


@dataclass(frozen=True)
class Agreement:
    """Everything that the parties agreed. ``start``: Unix seconds; tuples are sorted by name.

    Period k holds the epochs ``k * epochs_per_period`` to ``(k + 1) * epochs_per_period - 1``; epoch e begins
    at ``start + e * epoch_seconds``. ``rules_from``: later rules, as (first period, rules), ascending; see :meth:`rules_at`.
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
    log: LogTerms | None = None
    commitment: Commitment = Commitment()
    deadlines: Deadlines | None = None
    inspection: InspectionTerms | None = None
    rules_from: tuple[tuple[int, Rules], ...] = ()

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes, 32 bytes. Bound into every proof."""
        return hashlib.sha256(canonical_bytes(self)).digest()

    def rules_at(self, period: int) -> Rules:
        """The counting rules that hold in a period."""
        rules = self.rules
        for first, later in self.rules_from:
            if first <= period:
                rules = later
        return rules

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

    def first_period_of(self, lab: str) -> int:
        """First period that a lab claims under this agreement. Raises ClaimRejected as :meth:`lab` does."""
        return max(self.first_period, self.lab(lab).since_period)

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

    def epoch_span(self, epoch: int) -> tuple[int, int]:
        """Begin and end of an epoch, Unix seconds."""
        begin = self.start + epoch * self.epoch_seconds
        return begin, begin + self.epoch_seconds

    def period_span(self, period: int) -> tuple[int, int]:
        """Begin and end of a period, Unix seconds. Raises ClaimRejected (check ``period``) out of range."""
        first, last = self.period_epochs(period)
        return self.epoch_span(first)[0], self.epoch_span(last)[1]

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
    from claims.agreement.codec import encode

    return encode(agreement)


def decode_agreement(data: bytes) -> Agreement:
    """Inverse of :func:`canonical_bytes`, validated like an agreement file.

    Raises:
        MalformedFile: not exactly the canonical bytes of one valid agreement.
    """
    from claims.agreement.codec import decode

    return decode(data)
