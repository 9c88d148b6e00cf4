"""What makes an agreement valid: one function for agreements from text and from canonical bytes alike."""

from __future__ import annotations

from collections.abc import Sequence

from claims.agreement.bounds import (
    MAX_CAP,
    MAX_CHANGES,
    MAX_COVERAGE,
    MAX_DURATION,
    MAX_EPOCHS,
    MAX_FLEET,
    MAX_HEADS,
    MAX_LABS,
    MAX_LOG_ROWS,
    MAX_METERS,
    MAX_PEAK,
    MAX_READING,
    MAX_RECORD,
    MAX_ROOTS,
    MAX_SHARE,
    MAX_SITES,
    MAX_TIME,
    MAX_WORK,
    MIN_LOG_ROWS,
)
from claims.agreement.dated import check_dated
from claims.agreement.model import Agreement
from claims.agreement.outside import check_outside
from claims.agreement.terms import Caps, Lab, Meter
from claims.agreement.values import Fail, in_range, leaves, names
from claims.base.canonical import is_name
from claims.base.ed25519 import is_key
from claims.base.hybrid import SIGNATURE_SIZES, halves
from claims.base.text import is_prose
from claims.base.units import format_time, format_work

__all__ = ["validate"]


def validate(agreement: Agreement, fail: Fail) -> None:
    """Check every rule of FORMATS.md section 1; raises what ``fail(field, what, hint)`` makes for the first that is broken."""
    _calendar(agreement, fail)
    _names(agreement, fail)
    _keys(agreement, fail)
    _chips_and_meters(agreement, fail)
    for lab in agreement.labs:
        _lab(agreement, lab, fail)
    _changes("rules_from", [period for period, _ in agreement.rules_from], agreement, fail)
    if agreement.amends is not None:
        if len(agreement.amends.digest) != 32:
            raise fail("amends", "the digest has not 32 bytes", "write 64 hex digits")
        in_range("amends", "from_period", agreement.amends.from_period, 1, agreement.periods - 1, fail)
    check_dated(agreement, fail)
    check_outside(agreement, fail)


def _calendar(agreement: Agreement, fail: Fail) -> None:
    in_range("start", "start", agreement.start, 0, MAX_TIME, fail)
    in_range("epoch", "epoch seconds", agreement.epoch_seconds, 1, MAX_DURATION, fail)
    in_range("period", "epochs per period", agreement.epochs_per_period, 1, MAX_EPOCHS, fail)
    in_range("periods", "periods", agreement.periods, 1, MAX_EPOCHS // agreement.epochs_per_period, fail)
    if agreement.start + agreement.epoch_seconds * agreement.epochs_per_period * agreement.periods > MAX_TIME:
        raise fail("periods", f"end after the year 9999 (start {format_time(agreement.start)})", "lower it")


def _names(agreement: Agreement, fail: Fail) -> None:
    if not is_name(agreement.name):
        raise fail("name", f"{agreement.name!r} is not a name", "use a-z 0-9 . _ -")
    names("party", [party.name for party in agreement.parties], 1, MAX_LABS, fail)
    names("chip", [chip.name for chip in agreement.chips], 1, MAX_METERS, fail)
    names("lab", [lab.name for lab in agreement.labs], 1, MAX_LABS, fail)
    for lab in agreement.labs:
        names("meter", [meter.name for meter in lab.meters], 1, MAX_FLEET, fail)
        for meter in lab.meters:
            if meter.lab != lab.name:
                raise fail("meter", f"{meter.name}: {meter.lab!r} is not {lab.name}", "put it under its own lab")
    if (fleet := sum(len(lab.meters) for lab in agreement.labs)) > MAX_FLEET:
        raise fail("meter", f"{fleet} meters of all labs, more than {MAX_FLEET}", "let a meter stand for more chips")
    parties = {party.name for party in agreement.parties}
    if missing := {lab.name for lab in agreement.labs} - parties:
        raise fail("lab", f"{sorted(missing)} are no parties", "add a [[party]] of the same name")


def _keys(agreement: Agreement, fail: Fail) -> None:
    """Every key is usable, and neither half of any key serves two roles."""
    owners: dict[bytes, str] = {}
    for role, key in agreement.roles:
        field = {"meter": "meter", "the": "log", "feed": "feed", "witness": "witness"}.get(role.partition(" ")[0], "party")
        if not is_key(key):
            raise fail(field, f"{role} has no usable public key", "make one with `standstill keygen`")
        for half in filter(None, halves(key)):
            if half in owners:
                raise fail(field, f"{owners[half]} and {role} have the same key", "make a key for each role")
            owners[half] = role


def _chips_and_meters(agreement: Agreement, fail: Fail) -> None:
    for chip in agreement.chips:
        in_range("chip", f"{chip.name}: peak", chip.peak, 1, MAX_PEAK, fail)
        if not is_prose(chip.note):
            raise fail("chip", f"{chip.name}: the note is not plain text", "use plain printable text")
        leaves("chip", f"{chip.name}: readings", chip.readings, fail)
    chips = {chip.name for chip in agreement.chips}
    for lab in agreement.labs:
        for meter in lab.meters:
            where = f"{meter.lab}/{meter.name}"
            if meter.chip not in chips:
                raise fail("meter", f"{where}: no chip class {meter.chip!r}", "add a [[chip]]")
            in_range("meter", f"{where}: chips", meter.chips, 1, MAX_COVERAGE, fail)
            if agreement.coverage(meter) > MAX_COVERAGE:
                what = f"{where}: chips x epoch seconds is 2^48 or more"
                raise fail("meter", what, "split the meter or shorten the epoch")


def _lab(agreement: Agreement, lab: Lab, fail: Fail) -> None:
    in_range("lab", f"lab {lab.name}: log_rows", lab.log_rows, MIN_LOG_ROWS, MAX_LOG_ROWS, fail)
    in_range("lab", f"lab {lab.name}: since_period", lab.since_period, 0, agreement.periods - 1, fail)
    _tables(agreement, lab, fail)
    _room(lab, fail)
    _changes("lab", [period for period, _ in lab.caps_from], agreement, fail)
    in_range("lab", f"lab {lab.name}: lost", lab.lost, 0, MAX_SHARE, fail)
    for caps in (lab.caps, *(caps for _, caps in lab.caps_from)):
        _caps(lab, caps, fail)
        if lab.ceiling is not None and not caps.total <= lab.ceiling <= MAX_CAP:
            raise fail("lab", f"lab {lab.name}: the ceiling is below a total cap", "raise the ceiling, or leave it out")


def _room(lab: Lab, fail: Fail) -> None:
    """A claim has room for the heads and signatures of all meters."""
    size = sum(67 + len(meter.name) + SIGNATURE_SIZES[bool(meter.period_key)] for meter in lab.meters)
    if size > MAX_HEADS:
        what = f"lab {lab.name}: the heads and signatures of its meters would take {size} bytes of a claim, more than {MAX_HEADS}"
        raise fail("meter", what, "give fewer meters a period_key, or let a meter stand for more chips")


def _groups(lab: Lab, fail: Fail) -> None:
    """Every meter is in one group, or none is; a group is in one table."""
    without = [meter.name for meter in lab.meters if meter.group is None]
    if lab.groups and without:
        raise fail("meter", f"{lab.name}/{without[0]} has no group, and other meters of the lab have", "give each a group, or none")
    for group in lab.groups:
        if not is_name(group.name):
            raise fail("meter", f"lab {lab.name}: the group {group.name!r} is not a name", "use a-z 0-9 . _ -")
        if len({meter.site for meter in group.meters}) > 1:
            raise fail("meter", f"lab {lab.name}: the group {group.name} has meters of several sites", "keep a group within one site")


def _tables(agreement: Agreement, lab: Lab, fail: Fail) -> None:
    """Every meter is in exactly one table, and every table holds its meters."""
    _groups(lab, fail)
    without = [meter.name for meter in lab.meters if meter.site is None]
    if lab.sites and without:
        raise fail("meter", f"{lab.name}/{without[0]} has no site, and other meters of the lab have", "give each a site, or none")
    if (lab.registry_rows is not None) != bool(lab.sites):
        what = f"lab {lab.name}: registry_rows goes with sites, and one of them is missing"
        raise fail("lab", what, "give the lab registry_rows and each meter a site, or leave both out")
    if lab.registry_rows is None:
        _table(agreement, f"lab {lab.name}", lab.meters, lab.log_rows, 9, fail)
        _capacity(agreement, f"lab {lab.name}", lab.meters, MAX_WORK, fail)
        return
    in_range("lab", f"lab {lab.name}: registry_rows", lab.registry_rows, MIN_LOG_ROWS, MAX_LOG_ROWS, fail)
    if len(lab.sites) > MAX_SITES:
        raise fail("meter", f"lab {lab.name} has {len(lab.sites)} sites, more than {MAX_SITES}", "put more meters into one site")
    for site in lab.sites:
        where = f"lab {lab.name}, site {site.name}"
        if not is_name(site.name):
            raise fail("meter", f"lab {lab.name}: the site {site.name!r} is not a name", "use a-z 0-9 . _ -")
        if site.name == "registry":
            raise fail("meter", f"lab {lab.name}: no site is called registry, as the registry's own table is", "give it another name")
        if len(site.meters) > MAX_METERS:
            raise fail("meter", f"{where} has {len(site.meters)} meters, more than {MAX_METERS}", "split the site")
        _table(agreement, where, site.meters, lab.log_rows, 5, fail)
        _capacity(agreement, where, site.meters, MAX_RECORD, fail)


def _table(agreement: Agreement, where: str, meters: Sequence[Meter], log_rows: int, more: int, fail: Fail) -> None:
    """A period in which every meter is lost fits the table, with ``more`` rows: of a registry, or of a summary with one record."""
    most = {chip.name: MAX_READING // chip.peak for chip in agreement.chips}
    readings = sum(-(-agreement.coverage(meter) // most[meter.chip]) for meter in meters)
    rows = 3 * len(meters) + agreement.epochs_per_period * readings + more
    if rows > 2**log_rows:
        what = f"{where}: the fewest readings that hold every meter's epochs at peak need {rows} rows, more than 2^{log_rows}"
        raise fail("lab", what, "raise log_rows, shorten the period, or prove the lab in more sites")
    units = len({meter.group for meter in meters} - {None}) or len(meters)
    if units * agreement.epochs_per_period > MAX_ROOTS:
        what = f"{where}: the epoch roots of a period take more than 64 MiB"
        raise fail("lab", what, "use fewer meters, a shorter period, groups of meters, or more sites")


def _capacity(agreement: Agreement, where: str, meters: Sequence[Meter], most: int, fail: Fail) -> None:
    peaks = {chip.name: chip.peak for chip in agreement.chips}
    work = sum(agreement.coverage(meter) * peaks[meter.chip] for meter in meters) * agreement.epochs_per_period
    if work > most:
        what = f"{where}: its chips can do {format_work(work)} in a period, more than {format_work(most)}, the most that is counted"
        raise fail("lab", what, "split it into more sites, or shorten the period")


def _caps(lab: Lab, caps: Caps, fail: Fail) -> None:
    for cap in (caps.total, caps.unattributed, caps.lineage):
        in_range("lab", f"lab {lab.name}: cap", cap, 0, MAX_CAP, fail)
    if caps.freeze is not None and not 0 <= caps.freeze <= caps.lineage:
        what = f"lab {lab.name}: the freeze level is above the lineage cap"
        raise fail("lab", what, "lower the freeze level")


def _changes(field: str, periods: Sequence[int], agreement: Agreement, fail: Fail) -> None:
    if len(periods) > MAX_CHANGES:
        raise fail(field, f"{len(periods)} changes, more than {MAX_CHANGES}", "leave some out")
    for period in periods:
        in_range(field, "from_period", period, 1, agreement.periods - 1, fail)
    if any(one >= two for one, two in zip(periods, periods[1:], strict=False)):
        raise fail(field, "the changes' from_period does not ascend", "sort them, one for each period")
