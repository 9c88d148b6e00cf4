"""Agreement <-> canonical bytes, exact to the last byte (FORMATS.md section 2).

``decode(encode(agreement)) == agreement`` for every valid agreement, and ``encode(decode(data)) == data`` for all bytes
that :func:`decode` accepts: so a verifier without a TOML parser may start from the bytes that the digest hashes.
"""

from __future__ import annotations

from dataclasses import replace

from claims.agreement import model as ag
from claims.agreement.check import validate
from claims.base.canonical import Reader, Writer
from claims.base.errors import ClaimsError, MalformedFile
from claims.base.files import AGREEMENT_LIMIT
from claims.base.text import MAX_PROSE

__all__ = ["DOMAIN", "decode", "encode"]

DOMAIN = b"standstill/agreement/v3"
_OLDER = b"standstill/agreement/v"
_PREFIX = len(DOMAIN).to_bytes(2, "big") + DOMAIN


def encode(agreement: ag.Agreement) -> bytes:
    """The bytes that the digest hashes, domain included. Raises MalformedFile for values that have no encoding."""
    out = Writer()
    out.raw(_PREFIX)
    out.name(agreement.name)
    out.uint(agreement.start, 8)
    out.uint(agreement.epoch_seconds, 4)
    out.uint(agreement.epochs_per_period, 4)
    out.uint(agreement.periods, 4)
    _write_rules(out, agreement.rules)
    out.uint(len(agreement.rules_from), 2)
    for period, rules in agreement.rules_from:
        out.uint(period, 4)
        _write_rules(out, rules)
    out.uint(len(agreement.parties), 2)
    for party in agreement.parties:
        out.name(party.name)
        _write_key(out, party.key)
        out.flag(party.cosign_key is not None)
        if party.cosign_key is not None:
            _write_key(out, party.cosign_key)
    out.uint(len(agreement.chips), 2)
    for chip in agreement.chips:
        out.name(chip.name)
        out.uint(chip.peak, 3)
        out.text(chip.note)
    out.uint(len(agreement.labs), 2)
    for lab in agreement.labs:
        _write_lab(out, lab)
    _write_regime(out, agreement)
    return out.data


def _write_key(out: Writer, key: bytes) -> None:
    if len(key) != 32:
        raise MalformedFile("a key or digest has not 32 bytes")
    out.raw(key)


def _write_rules(out: Writer, rules: ag.Rules) -> None:
    out.flag(rules.charge_peak)
    out.flag(rules.charge_residue)


def _write_caps(out: Writer, caps: ag.Caps) -> None:
    for cap in (caps.total, caps.unattributed, caps.lineage):
        out.uint(cap, 8)
    out.flag(caps.freeze is not None)
    if caps.freeze is not None:
        out.uint(caps.freeze, 8)


def _write_lab(out: Writer, lab: ag.Lab) -> None:
    out.name(lab.name)
    out.uint(lab.log_rows, 1)
    out.head(lab.opening_head)
    out.uint(lab.since_period, 4)
    _write_caps(out, lab.caps)
    out.uint(len(lab.caps_from), 2)
    for period, caps in lab.caps_from:
        out.uint(period, 4)
        _write_caps(out, caps)
    out.uint(len(lab.meters), 4)
    for meter in lab.meters:
        out.name(meter.name)
        out.name(meter.chip)
        out.uint(meter.chips, 6)
        _write_key(out, meter.key)
    _write_sites(out, lab)
    out.uint(lab.lost, 4)
    out.flag(lab.ceiling is not None)
    if lab.ceiling is not None:
        out.uint(lab.ceiling, 8)


def _write_sites(out: Writer, lab: ag.Lab) -> None:
    """One flag for the lab: either every meter has a site, or none."""
    names = [meter.site for meter in lab.meters if meter.site is not None]
    if len(names) != (0 if lab.registry_rows is None else len(lab.meters)):
        raise MalformedFile("sites are of some meters only, or without registry_rows")
    out.flag(lab.registry_rows is not None)
    if lab.registry_rows is not None:
        out.uint(lab.registry_rows, 1)
        for name in names:
            out.name(name)


def _write_regime(out: Writer, agreement: ag.Agreement) -> None:
    out.flag(agreement.amends is not None)
    if agreement.amends is not None:
        _write_key(out, agreement.amends.digest)
        out.uint(agreement.amends.from_period, 4)
    log, deadlines, inspection, pause = agreement.log, agreement.deadlines, agreement.inspection, agreement.pause
    out.flag(log is not None)
    if log is not None:
        out.text(log.origin)
        out.name(log.operator)
        _write_key(out, log.key)
        out.uint(log.cosignatures, 2)
    out.uint(agreement.commitment.readings, 4)
    out.uint(agreement.commitment.checkpoints, 4)
    out.flag(deadlines is not None)
    if deadlines is not None:
        for seconds in (deadlines.epoch, deadlines.claim, deadlines.grace, deadlines.opening):
            out.uint(seconds, 4)
        for value, size in ((deadlines.sign_by, 8), (deadlines.late_epochs, 4), (deadlines.cosign, 4)):
            out.flag(value is not None)
            if value is not None:
                out.uint(value, size)
    out.flag(inspection is not None)
    if inspection is not None:
        out.uint(inspection.draws, 2)
        out.uint(inspection.slots, 2)
        out.uint(inspection.margin, 4)
    out.flag(pause is not None)
    if pause is not None:
        out.text(pause.trigger)
        out.text(pause.lifts)
        out.uint(len(pause.deciders), 2)
        for name in pause.deciders:
            out.name(name)
        out.uint(pause.quorum, 2)


def decode(data: bytes) -> ag.Agreement:
    """Parse and validate canonical bytes.

    Raises:
        MalformedFile: not exactly the canonical bytes of one valid agreement.
    """
    if len(data) > AGREEMENT_LIMIT:
        raise MalformedFile(f"larger than {AGREEMENT_LIMIT} bytes")
    read = Reader(data)
    if len(data) < len(_PREFIX) or read.raw(len(_PREFIX), "the domain") != _PREFIX:
        raise _foreign(bytes(data[2 : len(_PREFIX)]))
    agreement = _read_agreement(read)
    read.end()
    validate(agreement, lambda field, what, hint: MalformedFile(f"{field}: {what}", hint=hint))
    try:
        same = encode(agreement) == bytes(data)
    except ClaimsError:
        same = False
    if not same:
        raise MalformedFile("not the canonical bytes of an agreement")
    return agreement


def _foreign(domain: bytes) -> MalformedFile:
    """What is wrong with bytes that start with another domain."""
    if domain.startswith(_OLDER) and domain[len(_OLDER) :].isdigit():
        what = f"an agreement of format {domain[len(_OLDER) :].decode()}; this program reads format {DOMAIN[len(_OLDER) :].decode()}"
        return MalformedFile(what, hint="the parties have to write and sign it anew, or use the program that it was made with")
    return MalformedFile(f"not the canonical bytes of an agreement: they do not start with '{DOMAIN.decode()}'")


def _flag(read: Reader, what: str) -> bool:
    return read.uint(1, what, 1) == 1


def _text(read: Reader, what: str, characters: int = MAX_PROSE) -> str:
    try:
        return read.blob(what, 4 * characters).decode("utf-8")
    except UnicodeDecodeError:
        raise read.fail(f"{what} is not UTF-8") from None


def _read_agreement(read: Reader) -> ag.Agreement:
    name, start = read.name("the name"), read.uint(8, "the start", ag.MAX_TIME)
    epoch_seconds, per_period = read.uint(4, "the epoch"), read.uint(4, "the epochs per period", ag.MAX_EPOCHS)
    periods, rules = read.uint(4, "the periods", ag.MAX_EPOCHS), _read_rules(read)
    later = [(read.uint(4, "a period"), _read_rules(read)) for _ in range(read.uint(2, "later rules", ag.MAX_CHANGES))]
    parties = [_read_party(read) for _ in range(read.uint(2, "the number of parties", ag.MAX_LABS))]
    chips = [
        ag.ChipClass(read.name("a chip's name"), read.uint(3, "a peak"), _text(read, "a chip's note"))
        for _ in range(read.uint(2, "the number of chips", ag.MAX_METERS))
    ]
    labs = [_read_lab(read) for _ in range(read.uint(2, "the number of labs", ag.MAX_LABS))]
    amends = log = deadlines = inspection = pause = None
    if _flag(read, "amends"):
        amends = ag.Amends(read.raw(32, "the amended digest"), read.uint(4, "the amendment's period"))
    if _flag(read, "log"):
        log = ag.LogTerms(
            _text(read, "the log's origin", ag.MAX_ORIGIN), read.name("the log's operator"), read.raw(32, "the log's key"),
            read.uint(2, "the cosignatures"),
        )  # fmt: skip
    commitment = ag.Commitment(read.uint(4, "the leaves", ag.MAX_LEAVES), read.uint(4, "the slots", ag.MAX_LEAVES))
    if _flag(read, "deadlines"):
        epoch, claim, grace, opening = (read.uint(4, "a deadline") for _ in range(4))
        deadlines = ag.Deadlines(
            epoch, claim, grace, opening,
            sign_by=read.uint(8, "sign_by", ag.MAX_TIME) if _flag(read, "sign_by") else None,
            late_epochs=read.uint(4, "late_epochs") if _flag(read, "late_epochs") else None,
            cosign=read.uint(4, "cosign") if _flag(read, "cosign") else None,
        )
    if _flag(read, "inspection"):
        inspection = ag.InspectionTerms(read.uint(2, "the draws"), read.uint(2, "the slots"), read.uint(4, "the margin"))
    if _flag(read, "pause"):
        texts = _text(read, "the trigger"), _text(read, "what lifts")
        deciders = tuple(read.name("a decider") for _ in range(read.uint(2, "the deciders", ag.MAX_LABS)))
        pause = ag.Pause(*texts, deciders, read.uint(2, "the quorum"))
    return ag.Agreement(
        name=name, start=start, epoch_seconds=epoch_seconds, epochs_per_period=per_period, periods=periods, rules=rules,
        parties=tuple(parties), chips=tuple(chips), labs=tuple(labs), amends=amends, pause=pause, log=log,
        commitment=commitment, deadlines=deadlines, inspection=inspection, rules_from=tuple(later),
    )  # fmt: skip


def _read_rules(read: Reader) -> ag.Rules:
    return ag.Rules(_flag(read, "charge"), _flag(read, "residue"))


def _read_party(read: Reader) -> ag.Party:
    name, key = read.name("a party's name"), read.raw(32, "a party's key")
    return ag.Party(name, key, read.raw(32, "a cosigning key") if _flag(read, "cosigns") else None)


def _read_caps(read: Reader) -> ag.Caps:
    total, unattributed, lineage = (read.uint(8, "a cap") for _ in range(3))
    return ag.Caps(total, unattributed, lineage, read.uint(8, "the freeze level") if _flag(read, "freeze") else None)


def _read_lab(read: Reader) -> ag.Lab:
    name, log_rows = read.name("a lab's name"), read.uint(1, "the table height")
    head, since, caps = read.head("the opening head"), read.uint(4, "the first period"), _read_caps(read)
    later = [(read.uint(4, "a period"), _read_caps(read)) for _ in range(read.uint(2, "later caps", ag.MAX_CHANGES))]
    meters = [
        ag.Meter(
            name, read.name("a meter's name"), read.name("a meter's chip"), read.uint(6, "chips"), read.raw(32, "a key")
        )
        for _ in range(read.uint(4, "the number of meters", ag.MAX_METERS * ag.MAX_SITES))
    ]
    registry_rows = read.uint(1, "the registry's height") if _flag(read, "sites") else None
    if registry_rows is not None:
        meters = [replace(meter, site=read.name("a site's name")) for meter in meters]
    lost = read.uint(4, "the lost share", ag.MAX_SHARE)
    ceiling = read.uint(8, "the ceiling") if _flag(read, "ceiling") else None
    return ag.Lab(name, log_rows, head, since, caps, tuple(meters), tuple(later), registry_rows, lost, ceiling)
