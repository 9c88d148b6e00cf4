"""The parts of an agreement, as immutable values. The whole is :mod:`claims.agreement.model`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from claims.base.errors import ClaimRejected
from claims.base.hybrid import halves

__all__ = [
    "FEED_KINDS", "FEW_METERS", "Amends", "Caps", "ChipClass", "Deadlines", "Feed", "Group", "InspectionTerms", "KeyTerms", "Lab",
    "LogTerms", "Meter", "OpenModel", "Party", "Pause", "Rules", "Site", "Witness", "meters_by_chip",
]  # fmt: skip


FEED_KINDS = ("utility", "building", "rack")
"""Where a feed is measured; a kind's number is its position here plus 1."""


@dataclass(frozen=True)
class Party:
    """A signatory. ``key``: its public key, 32 or 1,344 bytes. ``cosign_key``: for cosignatures of the log, else None."""

    name: str
    key: bytes
    cosign_key: bytes | None = None


@dataclass(frozen=True)
class Witness:
    """Cosigns the log and is no party. ``name``: as on its signature lines (C2SP signed notes); ``key``: 32 or 1,344 bytes."""

    name: str
    key: bytes


@dataclass(frozen=True)
class ChipClass:
    """``peak``: units of 10^12 FLOP/s at the highest-throughput format, rounded up; ``note``: format and source.

    ``readings``: padded leaves of an epoch root of a meter of the class, a power of two: all of them hide how many are used.
    """

    name: str
    peak: int
    note: str
    readings: int = 64


@dataclass(frozen=True)
class Meter:
    """A signed counter over ``chips`` chips of class ``chip`` in ``lab``; ``site``, ``group``: or None.

    ``key``: Ed25519, 32 bytes, signs epochs. ``period_key``: ML-DSA-44, 1,312 bytes, or empty; signs periods with it.
    ``former``: both halves of the agreed key, and of what came after it, where a log put another one in its place.
    """

    lab: str
    name: str
    chip: str
    chips: int
    key: bytes
    site: str | None = None
    group: str | None = None
    period_key: bytes = b""
    former: tuple[bytes, ...] = ()

    @property
    def whole_key(self) -> bytes:
        """What signs a period: both halves where it has a period key; 32 or 1,344 bytes."""
        return self.key + self.period_key

    @property
    def agreed_key(self) -> bytes:
        """The key in the agreement: a meter that is lost stays lost while this one stands there."""
        return halves(self.former[0])[0] if self.former else self.key


@dataclass(frozen=True)
class Group:
    """Meters of a lab, sorted by name, that publish one root an epoch over their roots: a rack, a hall."""

    name: str
    meters: tuple[Meter, ...]


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
        lost: share of a period's chip-seconds, in parts per million, that a claim may list as lost and still be proven.
        ceiling: most that the total cap may become by transfers, units of 10^12 FLOP; None: the lab receives none.
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
        return tuple(Site(*item) for item in self._by("site"))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The lab's groups of meters, sorted by name; none where every meter publishes its own roots."""
        return tuple(Group(*item) for item in self._by("group"))

    @cached_property
    def units(self) -> tuple[Group, ...]:
        """What publishes a root of its own for each epoch, in order: the lab's groups, or each meter alone."""
        return self.groups or tuple(Group(meter.name, (meter,)) for meter in self.meters)

    def unit_of(self, meter: str) -> tuple[int, Group]:
        """The place and unit of a meter. Raises ClaimRejected (check ``meters``) when there is none of that name."""
        self.meter(meter)
        return self._unit_of[meter]

    @cached_property
    def _unit_of(self) -> dict[str, tuple[int, Group]]:
        return {meter.name: (place, unit) for place, unit in enumerate(self.units) for meter in unit.meters}

    def _by(self, field: str) -> list[tuple[str, tuple[Meter, ...]]]:
        found: dict[str, list[Meter]] = {}
        for meter in self.meters:
            if (name := getattr(meter, field)) is not None:
                found.setdefault(name, []).append(meter)
        return [(name, tuple(found[name])) for name in sorted(found)]

    def site(self, name: str) -> Site:
        """The site of that name. Raises ClaimRejected (check ``meters``) when there is none."""
        for site in self.sites:
            if site.name == name:
                return site
        raise ClaimRejected("meters", f"the agreement gives lab {self.name} no site {name!r}")

    def site_of(self, meter: str) -> Site:
        """The site of the meter of that name. Raises ClaimRejected (check ``meters``) without such a meter, or without sites."""
        name = self.meter(meter).site
        for site in self.sites:
            if site.name == name:
                return site
        raise ClaimRejected("meters", f"the agreement gives lab {self.name} no sites")

    def caps_at(self, period: int) -> Caps:
        """The caps that hold in a period."""
        caps = self.caps
        for first, later in self.caps_from:
            if first <= period:
                caps = later
        return caps

    def meter(self, name: str) -> Meter:
        """The meter of that name. Raises ClaimRejected (check ``meters``) when there is none."""
        meter = self._by_name.get(name)
        if meter is None:
            raise ClaimRejected("meters", f"the agreement gives lab {self.name} no meter {name!r}")
        return meter

    @cached_property
    def _by_name(self) -> dict[str, Meter]:
        return {meter.name: meter for meter in self.meters}


FEW_METERS = 64
"""Meters of a lab that are shown to people one by one; of more, what they are together."""


def meters_by_chip(lab: Lab) -> dict[str, tuple[int, int]]:
    """Each class of chips that a lab's meters count to the number of these meters, and of their chips."""
    found: dict[str, tuple[int, int]] = {}
    for meter in lab.meters:
        count, chips = found.get(meter.chip, (0, 0))
        found[meter.chip] = (count + 1, chips + meter.chips)
    return found


@dataclass(frozen=True)
class Rules:
    """``charge_peak``: charge = "peak", else "metered". ``charge_residue``: residue = "charge-every-lineage".

    ``listed``: external = "listed" or "listed-or", else "declared". ``unlisted``: the amount of "listed-or", units of 10^12 FLOP.
    """

    charge_peak: bool
    charge_residue: bool
    listed: bool = False
    unlisted: int | None = None


@dataclass(frozen=True)
class OpenModel:
    """A model whose weights anyone can have.

    Attributes:
        charge: the work that made it, units of 10^12 FLOP, rounded up.
        source: where that estimate is from, and how sure it is: text for people.
        weights: its digests, 32 bytes each, ascending.
    """

    name: str
    charge: int
    source: str
    weights: tuple[bytes, ...]


@dataclass(frozen=True)
class Feed:
    """A power meter that is not the lab's.

    Attributes:
        lab: whose chips it feeds.
        holder: the party that reads it, neither the lab nor the log's operator.
        key, period_key: as a meter's; the first signs its joules.
        kind: one of FEED_KINDS.
        meters: the lab's meters under it, sorted by name.
        base_watts: of the feed, what all chips idle draw beside their idle_watts.
        idle_watts, busy_watts: of a chip that is idle, and that trains.
    """

    name: str
    lab: str
    holder: str
    key: bytes
    kind: str
    meters: tuple[str, ...]
    base_watts: int
    idle_watts: int
    busy_watts: int
    period_key: bytes = b""

    @property
    def whole_key(self) -> bytes:
        """As :attr:`Meter.whole_key`."""
        return self.key + self.period_key

    def most(self, seconds: int, idle: int, busy: int) -> int | None:
        """Joules that chips account for in an hour of so many seconds; None where none was idle: then nothing is compared.

        Args:
            idle, busy: chip-seconds.
        """
        return self.base_watts * seconds + self.idle_watts * idle + self.busy_watts * busy if idle else None


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
class KeyTerms:
    """Who stands by while keys change: ``quorum`` of the parties ``revoke`` countersign a new key, and may revoke one."""

    revoke: tuple[str, ...]
    quorum: int


@dataclass(frozen=True)
class LogTerms:
    """The public log.

    Attributes:
        origin: of its checkpoints (C2SP tlog-checkpoint): ASCII, printable, no space, no "+", 1 to 128 characters.
        operator: the party that runs it.
        key: the log's own public key, 32 or 1,344 bytes.
        cosignatures: how many parties, other than the operator and the lab concerned, must have cosigned a checkpoint.
    """

    origin: str
    operator: str
    key: bytes
    cosignatures: int


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
