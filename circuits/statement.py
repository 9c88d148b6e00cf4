"""The statement of a compute claim: public values, their ranges, and the header elements that name a chain.

Standard library only. Section numbers refer to README.md in this folder.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from zk.errors import StatementError
from zk.field import P

# Tags with a fixed meaning (section 2). Entries' own tags are FIRST_TAG..2^24 - 1.
NONE, IDLE, UNATTRIBUTED, FIRST_TAG = 0, 1, 2, 3
# Kinds of registry entries.
OPENING, EXTERNAL, CHECKPOINT, SNAPSHOT, MERGE, RESIDUE = range(1, 7)
KIND_NAMES = {1: "OPENING", 2: "EXTERNAL", 3: "CHECKPOINT", 4: "SNAPSHOT", 5: "MERGE", 6: "RESIDUE"}

LIMB_BITS = 24
LIMB = 1 << LIMB_BITS
AMOUNT_BITS = 48  # chip_seconds, work of one reading, coverage: 2 limbs
TOTAL_BITS = 64  # totals, cumulatives, caps: 3 limbs (24, 24, 16)
PEAK_BITS = 24
EPOCH_BITS = 24
TAG_BITS = 24
MIN_LOG_ROWS, MAX_LOG_ROWS = 16, 22
MAX_METERS = 1 << 16
MAX_SITES = 256
RECORD_BITS = 56  # work of a summary's record: limbs of 24, 24 and 8 bits
RATE = 8
DIGEST_LIMBS = 11  # a 32-byte digest: ten limbs of three bytes, one of two
MAX_NAME = 1 << 16

# Values of the column `chain`: the registry is 0, meters are 1..M in the order of the agreement, summaries M + 1..M + S.
REGISTRY_CHAIN = 0

SPONGE_DOMAIN = b"standstill/sponge/v1"
LEDGER_DOMAIN = b"standstill/ledger/v1"
REGISTRY_DOMAIN = b"standstill/registry/v1"
SUMMARY_DOMAIN = b"standstill/summary/v1"

Elements = tuple[int, ...]


def context_elements(domain: bytes, *parts: bytes) -> Elements:
    """Eight field elements that commit to a domain and parts (section 6).

    Args:
        domain: at most 2^16 - 1 bytes.
        parts: at most 2^32 - 1 bytes each; every one is length-prefixed.

    Returns:
        8 integers in [0, P).
    """
    seed_input = len(domain).to_bytes(2, "big") + domain
    for part in parts:
        seed_input += len(part).to_bytes(4, "big") + part
    seed = hashlib.sha256(seed_input).digest()
    elements: list[int] = []
    block = 0
    while len(elements) < RATE:
        stream = hashlib.sha256(seed + block.to_bytes(4, "big")).digest()
        words = [int.from_bytes(stream[i : i + 4], "big") & 0x7FFFFFFF for i in range(0, 32, 4)]
        elements += [w for w in words if w < P]
        block += 1
    return tuple(elements[:RATE])


# Capacity of the first row of every chain.
START: Elements = context_elements(SPONGE_DOMAIN)


def _name(what: str, text: str) -> bytes:
    data = text.encode("utf-8")
    if not 0 < len(data) < MAX_NAME:
        raise StatementError(f"{what}: a name has 1 to {MAX_NAME - 1} bytes, this one {len(data)}")
    return data


def ledger_header(agreement_digest: bytes, lab: str, meter: str, period: int) -> Elements:
    """Header block of a meter's ledger: commits to agreement, lab, meter and period.

    Args:
        agreement_digest: SHA-256 of the canonical agreement, 32 bytes.
        lab, meter: names, hashed as UTF-8.
        period: 32-bit index.

    Raises:
        StatementError: an argument is out of range.
    """
    return _period_header(LEDGER_DOMAIN, agreement_digest, lab, "meter", meter, period)


def summary_header(agreement_digest: bytes, lab: str, site: str, period: int) -> Elements:
    """Header block of a site's summary: commits to agreement, lab, site and period. Arguments as for :func:`ledger_header`.

    Raises:
        StatementError: an argument is out of range.
    """
    return _period_header(SUMMARY_DOMAIN, agreement_digest, lab, "site", site, period)


def _period_header(domain: bytes, agreement_digest: bytes, lab: str, what: str, name: str, period: int) -> Elements:
    if len(agreement_digest) != 32:
        raise StatementError(f"agreement digest: 32 bytes expected, got {len(agreement_digest)}")
    _integer("period", period, 32)
    return context_elements(domain, agreement_digest, _name("lab", lab), _name(what, name), period.to_bytes(4, "big"))


def registry_header(lab: str) -> Elements:
    """Header block of a lab's registry, the same in every period.

    Raises:
        StatementError: the name is empty or too long.
    """
    return context_elements(REGISTRY_DOMAIN, _name("lab", lab))


def _integer(what: str, value: object, bits: int) -> None:
    if type(value) is not int:
        raise StatementError(f"{what}: an integer is expected, not {type(value).__name__}")
    if not 0 <= value < 1 << bits:
        raise StatementError(f"{what}: {value} is not in [0, 2^{bits})")


def _elements(what: str, value: object) -> None:
    if type(value) is not tuple or len(value) != RATE:
        raise StatementError(f"{what}: a tuple of {RATE} field elements is expected")
    for i, element in enumerate(value):
        if type(element) is not int or not 0 <= element < P:
            raise StatementError(f"{what}[{i}]: {element!r} is not an integer in [0, p)")


@dataclass(frozen=True)
class MeterTerms:
    """Public terms of one meter.

    Attributes:
        header: 8 elements, `ledger_header` of the meter.
        peak: peak of the chip class in 10^12 FLOP/s, 24 bits.
        coverage: chips x epoch seconds, 48 bits.
        head: 8 elements, the signed ledger head of the period.
    """

    header: Elements
    peak: int
    coverage: int
    head: Elements

    def validate(self, where: str = "meter") -> None:
        """Checks every range. Raises StatementError naming the field."""
        _elements(f"{where}: header", self.header)
        _integer(f"{where}: peak", self.peak, PEAK_BITS)
        _integer(f"{where}: coverage", self.coverage, AMOUNT_BITS)
        _elements(f"{where}: head", self.head)


@dataclass(frozen=True)
class SummaryTerms:
    """A site's summary. ``header``: 8 elements, `summary_header`. ``head``: 8 elements, as in the claim."""

    header: Elements
    head: Elements

    def validate(self, where: str = "summary") -> None:
        """Checks every range. Raises StatementError naming the field."""
        _elements(f"{where}: header", self.header)
        _elements(f"{where}: head", self.head)


@dataclass(frozen=True)
class RegistryTerms:
    """A lab's registry. ``header``: `registry_header`. ``before``, ``after``: its heads around the period. 8 elements each."""

    header: Elements
    before: Elements
    after: Elements

    def validate(self) -> None:
        """Checks every range. Raises StatementError naming the field."""
        for what in ("header", "before", "after"):
            _elements(f"registry: {what}", getattr(self, what))


@dataclass(frozen=True)
class Statement:
    """What one table says (section 1). All amounts are in units of 10^12 FLOP.

    A table is `whole` (meters and registry), a `site` (meters and the one summary that it receives) or a `registry` (the
    summaries of all sites, which it sends, and the registry).

    Attributes:
        log_rows: table height is 2^log_rows, 16..22.
        first_epoch, last_epoch: the period, 24-bit integers, first <= last.
        total_cap, unattributed_cap, lineage_cap: caps, 64 bits.
        freeze_level: 64 bits, or None without a freeze.
        charge_peak: True: work = chip_seconds x peak; False: work as signed.
        charge_residue: True: R is added to every lineage.
        meters: those of the table in the order of the agreement, each exactly once; none in a registry's table.
        registry: None in a site's table, which reads no cap: there all of them are 0, without freeze and residue.
        summaries: none in a whole table, one in a site's, one for each site in a registry's.
    """

    log_rows: int
    first_epoch: int
    last_epoch: int
    total_cap: int
    unattributed_cap: int
    lineage_cap: int
    freeze_level: int | None
    charge_peak: bool
    charge_residue: bool
    meters: tuple[MeterTerms, ...]
    registry: RegistryTerms | None
    summaries: tuple[SummaryTerms, ...] = ()

    @property
    def effective_freeze(self) -> int:
        """The limit of entries that receive work: the smaller of freeze level and lineage cap."""
        return self.lineage_cap if self.freeze_level is None else min(self.freeze_level, self.lineage_cap)

    def validate(self) -> None:
        """Checks types and ranges of every field. Raises StatementError naming the field."""
        if type(self.log_rows) is not int or not MIN_LOG_ROWS <= self.log_rows <= MAX_LOG_ROWS:
            raise StatementError(f"log_rows: {self.log_rows!r} is not in {MIN_LOG_ROWS}..{MAX_LOG_ROWS}")
        _integer("first_epoch", self.first_epoch, EPOCH_BITS)
        _integer("last_epoch", self.last_epoch, EPOCH_BITS)
        if self.first_epoch > self.last_epoch:
            raise StatementError(f"first_epoch {self.first_epoch} is after last_epoch {self.last_epoch}")
        for what in ("total_cap", "unattributed_cap", "lineage_cap"):
            _integer(what, getattr(self, what), TOTAL_BITS)
        if self.freeze_level is not None:
            _integer("freeze_level", self.freeze_level, TOTAL_BITS)
        for what in ("charge_peak", "charge_residue"):
            if type(getattr(self, what)) is not bool:
                raise StatementError(f"{what}: a boolean is expected")
        self._validate_meters()
        self._validate_table()

    def _validate_table(self) -> None:
        """The three kinds of tables, and no other."""
        if type(self.summaries) is not tuple or len(self.summaries) > MAX_SITES:
            raise StatementError(f"summaries: a tuple of at most {MAX_SITES} is expected")
        for i, summary in enumerate(self.summaries, 1):
            if type(summary) is not SummaryTerms:
                raise StatementError(f"summary {i}: SummaryTerms expected, not {type(summary).__name__}")
            summary.validate(f"summary {i}")
        if len({summary.header for summary in self.summaries}) != len(self.summaries):
            raise StatementError("summaries: two sites have one header")
        if self.registry is None:
            if not self.meters or len(self.summaries) != 1:
                raise StatementError("a site's table has meters and one summary")
            if (self.total_cap, self.unattributed_cap, self.lineage_cap) != (0, 0, 0) or self.freeze_level is not None:
                raise StatementError("a site's table has no caps: write 0, and no freeze")
            if self.charge_residue:
                raise StatementError("a site's table charges no residue")
            return
        if type(self.registry) is not RegistryTerms:
            raise StatementError("registry: RegistryTerms or None expected")
        self.registry.validate()
        if bool(self.meters) == bool(self.summaries):
            raise StatementError("a table with a registry has either meters or summaries")

    def _validate_meters(self) -> None:
        if type(self.meters) is not tuple or not len(self.meters) < MAX_METERS:
            raise StatementError(f"meters: a tuple of at most {MAX_METERS - 1} meters is expected")
        for i, meter in enumerate(self.meters, 1):
            if type(meter) is not MeterTerms:
                raise StatementError(f"meter {i}: MeterTerms expected, not {type(meter).__name__}")
            meter.validate(f"meter {i}")
        if len({meter.header for meter in self.meters}) != len(self.meters):
            raise StatementError("meters: two meters have one header")


def limbs(value: int, count: int) -> tuple[int, ...]:
    """`count` 24-bit limbs of a non-negative integer, low first; the last one takes what is left."""
    head = [(value >> (LIMB_BITS * i)) & (LIMB - 1) for i in range(count - 1)]
    return (*head, value >> (LIMB_BITS * (count - 1)))


def digest_limbs(digest: bytes) -> tuple[int, ...]:
    """The 11 limbs of a 32-byte weights digest (section 2).

    Raises:
        StatementError: the digest is not 32 bytes long.
    """
    if len(digest) != 32:
        raise StatementError(f"weights digest: 32 bytes expected, got {len(digest)}")
    return tuple(int.from_bytes(digest[i : i + 3], "big") for i in range(0, 32, 3))
