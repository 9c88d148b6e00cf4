"""Canonical bytes -> agreement, exact to the last byte (FORMATS.md section 2).

``decode_agreement(canonical_bytes(agreement)) == agreement`` for every valid agreement, and the other way round for all
bytes that :func:`decode_agreement` accepts: so a verifier without a TOML parser may start from the bytes that the digest hashes.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from claims.agreement import bounds
from claims.agreement import terms as ag
from claims.agreement.check import validate
from claims.agreement.model import DOMAIN, PREFIX, Agreement, canonical_bytes
from claims.base.canonical import Reader
from claims.base.errors import ClaimsError, MalformedFile
from claims.base.files import CANONICAL_LIMIT
from claims.base.hybrid import KEY_SIZES, halves
from claims.base.text import MAX_ORIGIN, MAX_PROSE

__all__ = ["decode_agreement", "decode_known"]

_OLDER = b"standstill/agreement/v"


def decode_agreement(data: bytes) -> Agreement:
    """Inverse of :func:`claims.agreement.model.canonical_bytes`, validated like an agreement file.

    Raises:
        MalformedFile: not exactly the canonical bytes of one valid agreement.
    """
    if len(data) > CANONICAL_LIMIT:
        raise MalformedFile(f"larger than {CANONICAL_LIMIT} bytes")
    read = Reader(data)
    if len(data) < len(PREFIX) or read.raw(len(PREFIX), "the domain") != PREFIX:
        raise _foreign(bytes(data[2 : len(PREFIX)]))
    agreement = _read_agreement(read)
    read.end()
    validate(agreement, lambda field, what, hint: MalformedFile(f"{field}: {what}", hint=hint))
    try:
        same = canonical_bytes(agreement) == bytes(data)
    except ClaimsError:
        same = False
    if not same:
        raise MalformedFile("not the canonical bytes of an agreement")
    return agreement


def decode_known(data: bytes) -> Agreement:
    """The agreement of canonical bytes that this software made of a valid one: nothing is checked again."""
    read = Reader(data)
    read.raw(len(PREFIX), "the domain")
    agreement = _read_agreement(read)
    vars(agreement)["digest"] = hashlib.sha256(data).digest()
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


def _key(read: Reader, what: str) -> bytes:
    """A key of either kind."""
    curve = read.raw(KEY_SIZES[0], what)
    return curve + (read.raw(KEY_SIZES[1] - KEY_SIZES[0], what) if _flag(read, what) else b"")


def _read_agreement(read: Reader) -> Agreement:
    name, start = read.name("the name"), read.uint(8, "the start", bounds.MAX_TIME)
    epoch_seconds, per_period = read.uint(4, "the epoch"), read.uint(4, "the epochs per period", bounds.MAX_EPOCHS)
    periods, rules = read.uint(4, "the periods", bounds.MAX_EPOCHS), _read_rules(read)
    later = [(read.uint(4, "a period"), _read_rules(read)) for _ in range(read.uint(2, "later rules", bounds.MAX_CHANGES))]
    parties = [_read_party(read) for _ in range(read.uint(2, "the number of parties", bounds.MAX_LABS))]
    chips = [
        ag.ChipClass(
            read.name("a chip's name"), read.uint(3, "a peak"), _text(read, "a chip's note"), read.uint(4, "the leaves", bounds.MAX_LEAVES)
        )
        for _ in range(read.uint(2, "the number of chips", bounds.MAX_METERS))
    ]
    labs = [_read_lab(read) for _ in range(read.uint(2, "the number of labs", bounds.MAX_LABS))]
    amends = log = deadlines = inspection = pause = None
    if _flag(read, "amends"):
        amends = ag.Amends(read.raw(32, "the amended digest"), read.uint(4, "the amendment's period"))
    if _flag(read, "log"):
        log = ag.LogTerms(
            _text(read, "the log's origin", MAX_ORIGIN), read.name("the log's operator"), _key(read, "the log's key"),
            read.uint(2, "the cosignatures"),
        )  # fmt: skip
    checkpoints = read.uint(4, "the slots", bounds.MAX_LEAVES)
    if _flag(read, "deadlines"):
        epoch, claim, grace, opening = (read.uint(4, "a deadline") for _ in range(4))
        deadlines = ag.Deadlines(
            epoch, claim, grace, opening,
            sign_by=read.uint(8, "sign_by", bounds.MAX_TIME) if _flag(read, "sign_by") else None,
            late_epochs=read.uint(4, "late_epochs") if _flag(read, "late_epochs") else None,
            cosign=read.uint(4, "cosign") if _flag(read, "cosign") else None,
        )
    if _flag(read, "inspection"):
        inspection = ag.InspectionTerms(read.uint(2, "the draws"), read.uint(2, "the slots"), read.uint(4, "the margin"))
    if _flag(read, "pause"):
        texts = _text(read, "the trigger"), _text(read, "what lifts")
        deciders = tuple(read.name("a decider") for _ in range(read.uint(2, "the deciders", bounds.MAX_LABS)))
        pause = ag.Pause(*texts, deciders, read.uint(2, "the quorum"))
    models = tuple(_read_model(read) for _ in range(read.uint(2, "the number of open models", bounds.MAX_MODELS)))
    feeds = tuple(_read_feed(read) for _ in range(read.uint(2, "the number of feeds", bounds.MAX_FEEDS)))
    witnesses = tuple(
        ag.Witness(_text(read, "a witness's name", 255), _key(read, "a witness's key"))
        for _ in range(read.uint(2, "the number of witnesses", bounds.MAX_WITNESSES))
    )
    keys = None
    if _flag(read, "keys"):
        names = tuple(read.name("who revokes") for _ in range(read.uint(2, "those who revoke", bounds.MAX_LABS)))
        keys = ag.KeyTerms(names, read.uint(2, "the quorum"))
    return Agreement(
        name=name, start=start, epoch_seconds=epoch_seconds, epochs_per_period=per_period, periods=periods, rules=rules,
        parties=tuple(parties), chips=tuple(chips), labs=tuple(labs), amends=amends, pause=pause, log=log,
        checkpoints=checkpoints, deadlines=deadlines, inspection=inspection, rules_from=tuple(later),
        open_models=models, feeds=feeds, witnesses=witnesses, keys=keys,
    )  # fmt: skip


def _read_rules(read: Reader) -> ag.Rules:
    peak, residue, external = _flag(read, "charge"), _flag(read, "residue"), read.uint(1, "external", 2)
    return ag.Rules(peak, residue, external > 0, read.uint(8, "the amount of unlisted weights") if external == 2 else None)


def _read_model(read: Reader) -> ag.OpenModel:
    name, charge, source = read.name("a model's name"), read.uint(8, "a charge"), _text(read, "a model's source")
    weights = [read.raw(32, "a weights digest") for _ in range(read.uint(2, "the number of digests", bounds.MAX_DIGESTS))]
    return ag.OpenModel(name, charge, source, tuple(weights))


def _read_feed(read: Reader) -> ag.Feed:
    name, lab, holder = read.name("a feed's name"), read.name("a feed's lab"), read.name("a feed's holder")
    (key, period_key), kind = halves(_key(read, "a feed's key")), read.uint(1, "a feed's kind", len(ag.FEED_KINDS))
    if kind == 0:
        raise read.fail("a feed has no kind 0")
    meters = tuple(read.name("a meter's name") for _ in range(read.uint(4, "a feed's meters", bounds.MAX_FLEET)))
    base, idle, busy = (read.uint(4, "watts") for _ in range(3))
    return ag.Feed(name, lab, holder, key, ag.FEED_KINDS[kind - 1], meters, base, idle, busy, period_key)


def _read_party(read: Reader) -> ag.Party:
    name, key = read.name("a party's name"), _key(read, "a party's key")
    return ag.Party(name, key, _key(read, "a cosigning key") if _flag(read, "cosigns") else None)


def _read_caps(read: Reader) -> ag.Caps:
    total, unattributed, lineage = (read.uint(8, "a cap") for _ in range(3))
    return ag.Caps(total, unattributed, lineage, read.uint(8, "the freeze level") if _flag(read, "freeze") else None)


def _read_meter(read: Reader, lab: str) -> ag.Meter:
    name, chip, chips = read.name("a meter's name"), read.name("a meter's chip"), read.uint(6, "chips")
    key, period_key = halves(_key(read, "a meter's key"))
    return ag.Meter(lab, name, chip, chips, key, period_key=period_key)


def _read_lab(read: Reader) -> ag.Lab:
    name, log_rows = read.name("a lab's name"), read.uint(1, "the table height")
    head, since, caps = read.head("the opening head"), read.uint(4, "the first period"), _read_caps(read)
    later = [(read.uint(4, "a period"), _read_caps(read)) for _ in range(read.uint(2, "later caps", bounds.MAX_CHANGES))]
    meters = [_read_meter(read, name) for _ in range(read.uint(4, "the number of meters", bounds.MAX_FLEET))]
    registry_rows = read.uint(1, "the registry's height") if _flag(read, "sites") else None
    if registry_rows is not None:
        meters = [replace(meter, site=read.name("a site's name")) for meter in meters]
    if _flag(read, "groups"):
        meters = [replace(meter, group=read.name("a group's name")) for meter in meters]
    lost = read.uint(4, "the lost share", bounds.MAX_SHARE)
    ceiling = read.uint(8, "the ceiling") if _flag(read, "ceiling") else None
    return ag.Lab(name, log_rows, head, since, caps, tuple(meters), tuple(later), registry_rows, lost, ceiling)
