"""What makes an agreement valid: one function for agreements from text and from canonical bytes alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from claims.agreement.model import Agreement
from claims.agreement.outside import Fail, check_outside
from claims.agreement.terms import (
    MAX_CAP,
    MAX_CHANGES,
    MAX_COSIGNATURES,
    MAX_COVERAGE,
    MAX_DRAWS,
    MAX_DURATION,
    MAX_EPOCHS,
    MAX_FLEET,
    MAX_HEADS,
    MAX_HYBRID_COSIGNERS,
    MAX_LABS,
    MAX_LEAVES,
    MAX_LOG_ROWS,
    MAX_METERS,
    MAX_ORIGIN,
    MAX_PEAK,
    MAX_READING,
    MAX_RECORD,
    MAX_ROOTS,
    MAX_SHARE,
    MAX_SITES,
    MAX_TIME,
    MAX_WITNESSES,
    MAX_WORK,
    MIN_LEAVES,
    MIN_LOG_ROWS,
    Caps,
    Deadlines,
    Lab,
    Meter,
)
from claims.base.canonical import is_name
from claims.base.ed25519 import is_key
from claims.base.hybrid import SIGNATURE_SIZES, halves, is_hybrid
from claims.base.text import is_key_name, is_prose
from claims.base.units import format_time, format_work

__all__ = ["is_origin", "validate"]

_ORIGIN = re.compile(rf"[!-*,-~]{{1,{MAX_ORIGIN}}}")

def is_origin(text: str) -> bool:
    """Whether text may be a log's origin: printable ASCII without spaces and "+", 1 to 128 characters."""
    return _ORIGIN.fullmatch(text) is not None


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
        _range("amends", "from_period", agreement.amends.from_period, 1, agreement.periods - 1, fail)
    _log(agreement, fail)
    _regime(agreement, fail)
    _key_terms(agreement, fail)
    _transfers(agreement, fail)
    check_outside(agreement, fail)


def _range(field: str, what: str, value: int, low: int, high: int, fail: Fail) -> None:
    if not low <= value <= high:
        raise fail(field, f"{what} {value} is not between {low} and {high}", "choose a value in this range")


def _leaves(field: str, what: str, size: int, fail: Fail) -> None:
    _range(field, what, size, MIN_LEAVES, MAX_LEAVES, fail)
    if size & (size - 1):
        raise fail(field, f"{what} {size} is not a power of two", "choose a power of two")


def _calendar(agreement: Agreement, fail: Fail) -> None:
    _range("start", "start", agreement.start, 0, MAX_TIME, fail)
    _range("epoch", "epoch seconds", agreement.epoch_seconds, 1, MAX_DURATION, fail)
    _range("period", "epochs per period", agreement.epochs_per_period, 1, MAX_EPOCHS, fail)
    _range("periods", "periods", agreement.periods, 1, MAX_EPOCHS // agreement.epochs_per_period, fail)
    if agreement.start + agreement.epoch_seconds * agreement.epochs_per_period * agreement.periods > MAX_TIME:
        raise fail("periods", f"end after the year 9999 (start {format_time(agreement.start)})", "lower it")


def _ascending(field: str, names: Sequence[str], most: int, fail: Fail) -> None:
    if not 1 <= len(names) <= most:
        raise fail(field, f"{len(names)} of them, not 1 to {most}", f"write one [[{field}]] for each")
    for name in names:
        if not is_name(name):
            raise fail(field, f"{name!r} is not a name", "use a-z 0-9 . _ -")
    _sorted(field, names, fail)


def _sorted(field: str, names: Sequence[str], fail: Fail) -> None:
    for one, two in zip(names, names[1:], strict=False):
        if one == two:
            raise fail(field, f"two have the name {one!r}", "give each its own name")
        if one > two:
            raise fail(field, f"{two!r} comes after {one!r}", "sort them by name")


def _names(agreement: Agreement, fail: Fail) -> None:
    if not is_name(agreement.name):
        raise fail("name", f"{agreement.name!r} is not a name", "use a-z 0-9 . _ -")
    _ascending("party", [party.name for party in agreement.parties], MAX_LABS, fail)
    _ascending("chip", [chip.name for chip in agreement.chips], MAX_METERS, fail)
    _ascending("lab", [lab.name for lab in agreement.labs], MAX_LABS, fail)
    for lab in agreement.labs:
        _ascending("meter", [meter.name for meter in lab.meters], MAX_FLEET, fail)
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
        _range("chip", f"{chip.name}: peak", chip.peak, 1, MAX_PEAK, fail)
        if not is_prose(chip.note):
            raise fail("chip", f"{chip.name}: the note is not plain text", "use plain printable text")
        _leaves("chip", f"{chip.name}: readings", chip.readings, fail)
    chips = {chip.name for chip in agreement.chips}
    for lab in agreement.labs:
        for meter in lab.meters:
            where = f"{meter.lab}/{meter.name}"
            if meter.chip not in chips:
                raise fail("meter", f"{where}: no chip class {meter.chip!r}", "add a [[chip]]")
            _range("meter", f"{where}: chips", meter.chips, 1, MAX_COVERAGE, fail)
            if agreement.coverage(meter) > MAX_COVERAGE:
                what = f"{where}: chips x epoch seconds is 2^48 or more"
                raise fail("meter", what, "split the meter or shorten the epoch")


def _lab(agreement: Agreement, lab: Lab, fail: Fail) -> None:
    _range("lab", f"lab {lab.name}: log_rows", lab.log_rows, MIN_LOG_ROWS, MAX_LOG_ROWS, fail)
    _range("lab", f"lab {lab.name}: since_period", lab.since_period, 0, agreement.periods - 1, fail)
    _tables(agreement, lab, fail)
    _room(lab, fail)
    _changes("lab", [period for period, _ in lab.caps_from], agreement, fail)
    _range("lab", f"lab {lab.name}: lost", lab.lost, 0, MAX_SHARE, fail)
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
    _range("lab", f"lab {lab.name}: registry_rows", lab.registry_rows, MIN_LOG_ROWS, MAX_LOG_ROWS, fail)
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
        _range("lab", f"lab {lab.name}: cap", cap, 0, MAX_CAP, fail)
    if caps.freeze is not None and not 0 <= caps.freeze <= caps.lineage:
        what = f"lab {lab.name}: the freeze level is above the lineage cap"
        raise fail("lab", what, "lower the freeze level")


def _changes(field: str, periods: Sequence[int], agreement: Agreement, fail: Fail) -> None:
    if len(periods) > MAX_CHANGES:
        raise fail(field, f"{len(periods)} changes, more than {MAX_CHANGES}", "leave some out")
    for period in periods:
        _range(field, "from_period", period, 1, agreement.periods - 1, fail)
    if any(one >= two for one, two in zip(periods, periods[1:], strict=False)):
        raise fail(field, "the changes' from_period does not ascend", "sort them, one for each period")


def _log(agreement: Agreement, fail: Fail) -> None:
    log = agreement.log
    _witnesses(agreement, fail)
    if log is None:
        return
    if not is_origin(log.origin):
        raise fail("log", f"{log.origin!r} is not an origin", "printable ASCII without spaces and +, 1 to 128 characters")
    if log.operator not in {party.name for party in agreement.parties}:
        raise fail("log", f"its operator {log.operator!r} is no party", "add a [[party]] of that name")
    _range("log", "cosignatures", log.cosignatures, 1, MAX_COSIGNATURES, fail)
    keys = [party.cosign_key for party in agreement.parties if party.cosign_key] + [witness.key for witness in agreement.witnesses]
    if (hybrid := sum(map(is_hybrid, keys))) > MAX_HYBRID_COSIGNERS:
        reason = (
            f"{hybrid} parties and witnesses cosign with a hybrid key, "
            f"and a head of the log has room for the cosignatures of {MAX_HYBRID_COSIGNERS}"
        )
        raise fail("party", reason, "let fewer cosign, or some with Ed25519 alone (standstill keygen --ed25519)")
    cosigners = {party.name for party in agreement.parties if party.cosign_key is not None}
    for field, name, what in _dated(agreement):
        others = len(cosigners - {name, log.operator})
        if others < log.cosignatures:
            reason = (
                f"nothing could date {what} of {name}: {others} parties other than it and the operator have a cosign_key, "
                f"{log.cosignatures} must cosign"
            )
            raise fail(field, reason, "add cosign_key to more parties, or lower cosignatures")


def _witnesses(agreement: Agreement, fail: Fail) -> None:
    names = [witness.name for witness in agreement.witnesses]
    if names and agreement.log is None:
        raise fail("witness", "needs a [log], which it cosigns", "add [log], or leave the witnesses out")
    if len(names) > MAX_WITNESSES:
        raise fail("witness", f"{len(names)} of them, more than {MAX_WITNESSES}", "leave some out")
    parties = {party.name for party in agreement.parties}
    for name in names:
        if not is_key_name(name):
            raise fail("witness", f"{name!r} is not a name of signed notes", "1 to 255 bytes without spaces and +, as example.org/w1")
        if name in parties:
            raise fail("witness", f"{name!r} is a party's name", "give it another name; a party cosigns with its own cosign_key")
    _sorted("witness", names, fail)


def _dated(agreement: Agreement) -> Iterator[tuple[str, str, str]]:
    """Whose entries the log has to date: field to name in a refusal, party, what of it. Nobody's own cosignature dates its entries."""
    yield from (("log", lab.name, "the claims") for lab in agreement.labs)
    if agreement.deadlines is not None and agreement.deadlines.sign_by is not None:
        yield from (("deadlines", party.name, "the assent (sign_by)") for party in agreement.parties)
    if agreement.pause is not None:
        yield from (("pause", name, "the decisions") for name in agreement.pause.deciders)


def _transfers(agreement: Agreement, fail: Fail) -> None:
    """Where a lab may receive a part of another's cap, others than these two and the operator can date it."""
    if agreement.log is None:
        if able := [lab.name for lab in agreement.labs if lab.ceiling is not None]:
            raise fail("lab", f"lab {able[0]} has a ceiling, and no [log] dates transfers", "add [log], or leave the ceiling out")
        return
    cosigners = {party.name for party in agreement.parties if party.cosign_key is not None} - {agreement.log.operator}
    for receiver in agreement.labs:
        others = [lab.name for lab in agreement.labs if lab.name != receiver.name and receiver.ceiling is not None]
        for giver in others:
            count = len(cosigners - {giver, receiver.name})
            if count < agreement.log.cosignatures:
                reason = (
                    f"nothing could date a transfer from {giver} to {receiver.name}, which has a ceiling: {count} parties other than these "
                    f"and the operator have a cosign_key, {agreement.log.cosignatures} must cosign"
                )
                raise fail("lab", reason, "add cosign_key to more parties, lower cosignatures, or leave the ceiling out")


def _regime(agreement: Agreement, fail: Fail) -> None:
    _leaves("commitment", "checkpoints", agreement.checkpoints, fail)
    deadlines = agreement.deadlines
    if deadlines is not None:
        spans = {"epoch": deadlines.epoch, "claim": deadlines.claim, "opening": deadlines.opening}
        for field, seconds in spans.items():
            _range("deadlines", field, seconds, 1, MAX_DURATION, fail)
        _range("deadlines", "grace", deadlines.grace, 0, MAX_DURATION, fail)
        begin = agreement.epoch_span(agreement.first_period * agreement.epochs_per_period)[0]
        if deadlines.sign_by is not None and not 0 <= deadlines.sign_by <= begin:
            what = f"sign_by is later than the agreement's first moment, {format_time(begin)}"
            raise fail("deadlines", what, "have every party sign before it begins")
        _lateness(agreement, deadlines, fail)
    if agreement.inspection is not None:
        if agreement.log is None:
            raise fail("inspection", "needs a [log], which dates what is committed", "add [log], or leave [inspection] out")
        _range("inspection", "draws", agreement.inspection.draws, 1, MAX_DRAWS, fail)
        _range("inspection", "slots", agreement.inspection.slots, 0, MAX_DRAWS, fail)
        _range("inspection", "margin", agreement.inspection.margin, 0, MAX_DURATION, fail)
    _pause(agreement, fail)


def _lateness(agreement: Agreement, deadlines: Deadlines, fail: Fail) -> None:
    for field, value, most in (
        ("late_epochs", deadlines.late_epochs, agreement.epochs_per_period - 1), ("cosign", deadlines.cosign, MAX_DURATION),
    ):  # fmt: skip
        if value is None:
            continue
        if agreement.log is None:
            raise fail("deadlines", f"{field} needs a [log], which dates what is published", f"add [log], or leave {field} out")
        _range("deadlines", field, value, 1 if field == "cosign" else 0, most, fail)


def _pause(agreement: Agreement, fail: Fail) -> None:
    pause = agreement.pause
    if pause is None:
        return
    for field, text in (("trigger", pause.trigger), ("lifts", pause.lifts)):
        if not is_prose(text):
            raise fail("pause", f"{field} is not plain text", "use plain printable text")
    _quorum_of(agreement, "pause", "deciders", pause.deciders, pause.quorum, fail)


def _quorum_of(agreement: Agreement, table: str, field: str, names: Sequence[str], quorum: int, fail: Fail) -> None:
    if not names or not _strictly_ascend(names):
        raise fail(table, f"{field} are not one or more names, sorted, each once", "name parties")
    if missing := set(names) - {party.name for party in agreement.parties}:
        raise fail(table, f"{field} {sorted(missing)} are no parties", "name parties")
    _range(table, "quorum", quorum, 1, len(names), fail)


def _key_terms(agreement: Agreement, fail: Fail) -> None:
    """Nobody vouches for its own key, so for each party enough others do; the log's order says when a key changed."""
    keys = agreement.keys
    if keys is None:
        return
    if agreement.log is None:
        raise fail("keys", "needs a [log], whose order says when a key changed", "add [log], or leave [keys] out")
    _quorum_of(agreement, "keys", "revoke", keys.revoke, keys.quorum, fail)
    concerned = [(f"party {party.name}", {party.name}) for party in agreement.parties]
    concerned += [(f"feed {feed.name}", {feed.holder, feed.lab}) for feed in agreement.feeds]
    for whose, names in concerned:
        others = len(set(keys.revoke) - names)
        if others < keys.quorum:
            what = f"{others} of revoke are others than whom the key of {whose} concerns, and {keys.quorum} must sign"
            raise fail("keys", what, "name more parties, or lower the quorum")


def _strictly_ascend(names: Iterable[str]) -> bool:
    listed = list(names)
    return listed == sorted(set(listed))
