"""Entries of the public log: what parties publish, as canonical bytes signed by their author.

    "standstill-log" || u16 1 || u8 kind || 32 agreement digest || body || 64 or 2,484 signature          at most 6144 bytes

Kinds and their bodies are in :mod:`claims.claim.entry_kinds`.
The author signs the domain and the SHA-256 of everything before the signature, with its party key. Each entry has an identity
(:attr:`EpochEntry.identity`): an author that signs two entries with one identity and different content has equivocated.
The log itself only orders bytes; :mod:`claims.claim.published` says what they mean under one agreement.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import replace

from claims.agreement.model import Agreement
from claims.base.canonical import Reader, Writer
from claims.base.ed25519 import check_signature
from claims.base.errors import ClaimRejected, ClaimsError, MalformedFile
from claims.base.files import read_bounded, write_atomic, write_once
from claims.base.hybrid import SIGNATURE_SIZES, SigningKey
from claims.claim.entry_kinds import (
    IS_BACK,
    IS_LOST,
    KINDS,
    AnyEntry,
    AssentEntry,
    DecisionEntry,
    Entry,
    EpochEntry,
    FeedPeriodEntry,
    InspectionEntry,
    JoulesEntry,
    KeyEntry,
    LossEntry,
    TransferEntry,
)
from claims.claim.entry_parts import raw_bytes

__all__ = [
    "ENTRY_DOMAIN", "MAX_ENTRY", "check_entry", "decode_entry", "encode_entry", "entry_message", "same_word", "sign_entry",
    "unsigned_bytes", "word_of", "write_entry",
]  # fmt: skip

MAGIC = b"standstill-log"
VERSION = 1
MAX_ENTRY = 6144
ENTRY_DOMAIN = b"standstill/sign/log-entry/v1"

_START = len(MAGIC) + 3
_BY_START = {MAGIC + VERSION.to_bytes(2, "big") + bytes([kind]): cls for kind, cls in KINDS.items()}


def unsigned_bytes(entry: Entry) -> bytes:
    """The entry without its signature. Raises MalformedFile for values out of range."""
    out = Writer()
    out.raw(MAGIC)
    out.uint(VERSION, 2)
    out.uint(entry.kind, 1)
    raw_bytes(out, entry.agreement)
    for part in entry.parts:
        part.write(out, getattr(entry, part.field))
    return out.data


def word_of(entry: Entry) -> bytes:
    """What an entry says, without its signatures: a receiver's in it is one too."""
    return entry.acceptance if isinstance(entry, TransferEntry) else unsigned_bytes(entry)


def same_word(one: Entry, two: Entry) -> bool:
    """Whether two entries of one identity say the same, whatever their signatures are."""
    return word_of(one) == word_of(two)


def entry_message(entry: Entry) -> bytes:
    """What the author signs: u16 length || domain || SHA-256 of everything before the signature."""
    return _message(unsigned_bytes(entry))


def _message(unsigned: bytes) -> bytes:
    return len(ENTRY_DOMAIN).to_bytes(2, "big") + ENTRY_DOMAIN + hashlib.sha256(unsigned).digest()


def sign_entry(key: SigningKey, entry: AnyEntry) -> AnyEntry:
    """The entry with its author's signature. Whether the key is the author's is for :func:`check_entry`."""
    return replace(entry, signature=key.sign(entry_message(entry)))


def write_entry(path: str | os.PathLike[str], entry: Entry, agreement: Agreement) -> None:
    """Write a signed entry to a new file. One that is there and says the same, signed, stays: ML-DSA signs otherwise each time. It is
    replaced where its key is not the one in force.

    Raises:
        UnreadableFile: another file has the name, or it cannot be created.
    """
    held = None
    with suppress(ClaimsError):
        held = decode_entry(read_bounded(path, MAX_ENTRY))
    if held is None or held.identity != entry.identity or not same_word(held, entry):
        return write_once(path, encode_entry(entry))
    try:
        check_entry(held, agreement)
    except ClaimsError:
        write_atomic(path, encode_entry(entry))


def encode_entry(entry: Entry) -> bytes:
    """Canonical bytes of a signed entry."""
    if len(entry.signature) not in SIGNATURE_SIZES:
        raise MalformedFile("a log entry is not signed", hint="sign it first (sign_entry)")
    return unsigned_bytes(entry) + entry.signature


def decode_entry(data: bytes) -> Entry:
    """Inverse of :func:`encode_entry`, byte for byte; signatures are for :func:`check_entry`.

    Raises:
        MalformedFile: anything that is not exactly one canonical entry.
    """
    found = _decode_whole(data)
    if found is not None:
        return found
    if len(data) > MAX_ENTRY:
        raise MalformedFile(f"a log entry has {len(data)} bytes, more than {MAX_ENTRY}")
    read = Reader(data)
    if read.raw(len(MAGIC), "the magic") != MAGIC:
        raise read.fail("not a Standstill log entry")
    if (version := read.uint(2, "the version")) != VERSION:
        raise read.fail(f"log entry of version {version}, this program reads {VERSION}")
    kind = read.uint(1, "the kind")
    digest = read.raw(32, "the agreement digest")
    if kind not in KINDS:
        raise read.fail(f"{kind} is not a kind of log entry")
    values = {part.field: part.read(read) for part in KINDS[kind].parts}
    if (size := len(data) - read.offset) not in SIGNATURE_SIZES:
        raise read.fail(f"the signature has {size} bytes, not {SIGNATURE_SIZES[0]} or {SIGNATURE_SIZES[1]}")
    return KINDS[kind](agreement=digest, **values, signature=read.raw(size, "the signature"))


def _decode_whole(data: bytes) -> Entry | None:
    """An entry that has nothing wrong, without a message for every byte; None: something is, or it has to be looked at more closely."""
    kind = _BY_START.get(data[:_START])
    if kind is None or len(data) > MAX_ENTRY:
        return None
    at, values = _START + 32, {}
    for part in kind.parts:
        value, at = part.glance(data, at)
        if value is None:
            return None
        values[part.field] = value
    fits = len(data) - at in SIGNATURE_SIZES
    return kind(agreement=data[_START : _START + 32], **values, signature=data[at:]) if fits else None


def check_entry(entry: Entry, agreement: Agreement, data: bytes | None = None) -> None:
    """Check an entry against the agreement: that it allows such entries, digest, lab, epoch or period, author, signature.

    ``data``: the bytes that the entry was decoded from, where they are at hand.

    Raises:
        ClaimRejected: check ``log``: it does not fit the agreement.
        BadSignature: the author's signature does not verify.
    """
    if entry.agreement != agreement.digest:
        raise ClaimRejected("log", f"{entry.title} is about agreement {entry.agreement.hex()}")
    try:
        if isinstance(entry, KeyEntry):
            raise ClaimRejected("log", "a word about a key counts where it stands in a log, and nowhere else")
        if isinstance(entry, (JoulesEntry, FeedPeriodEntry)):
            check_signature(entry.title, _check_feed(entry, agreement), entry.signature, entry_message(entry))
            return
        key = agreement.party(entry.author).key
        if isinstance(entry, DecisionEntry):
            if agreement.pause is None or entry.decider not in agreement.pause.deciders:
                raise ClaimRejected("decision", f"{entry.decider} does not decide")
        elif isinstance(entry, TransferEntry):
            _check_transfer(entry, agreement)
        elif not isinstance(entry, AssentEntry):
            agreement.lab(entry.lab)
            period = entry.epoch // agreement.epochs_per_period if isinstance(entry, (EpochEntry, LossEntry)) else entry.period
            agreement.period_epochs(period)
            if period < agreement.lab(entry.lab).since_period:
                raise ClaimRejected("period", f"lab {entry.lab} claims from period {agreement.lab(entry.lab).since_period} on")
    except ClaimRejected as error:
        raise ClaimRejected("log", f"{entry.title}: {error.what}") from None
    if isinstance(entry, EpochEntry) and any(entry.lacks(i) for i in range(len(agreement.feeds_of(entry.lab)), 8 * len(entry.absent))):
        raise ClaimRejected("log", f"{entry.title} is about feeds that the agreement does not have")
    if isinstance(entry, LossEntry):
        _check_loss(entry, agreement)
    if isinstance(entry, InspectionEntry) and agreement.inspection is None:
        raise ClaimRejected("log", f"{entry.title}: the agreement has no inspections")
    if isinstance(entry, InspectionEntry) and entry.author == entry.lab:
        raise ClaimRejected("log", f"{entry.title}: no lab inspects itself")
    message = entry_message(entry) if data is None else _message(data[: -len(entry.signature)])
    check_signature(entry.title, key, entry.signature, message)


def _check_feed(entry: JoulesEntry | FeedPeriodEntry, agreement: Agreement) -> bytes:
    """The key of the entry's feed for what it says. Raises ClaimRejected without such a feed or key, or where its lab makes no claim."""
    feed = next((item for item in agreement.feeds if item.name == entry.feed), None)
    if feed is None:
        raise ClaimRejected("log", f"the agreement has no feed {entry.feed}")
    if isinstance(entry, FeedPeriodEntry) and not feed.period_key:
        raise ClaimRejected("log", f"feed {entry.feed} has no period key")
    period = entry.period if isinstance(entry, FeedPeriodEntry) else entry.epoch // agreement.epochs_per_period
    agreement.period_epochs(period)
    if period < agreement.first_period_of(feed.lab):
        raise ClaimRejected("period", f"lab {feed.lab} makes no claim for period {period}")
    return feed.whole_key if isinstance(entry, FeedPeriodEntry) else feed.key


def _check_loss(entry: LossEntry, agreement: Agreement) -> None:
    """A lab says what it lost; an inspector, never the lab, that it is back from a period's first epoch on. Raises ClaimRejected."""
    lab = agreement.lab(entry.lab)
    known = {meter.name for meter in lab.meters} if entry.what == 1 else {site.name for site in lab.sites}
    if entry.name not in known:
        raise ClaimRejected("log", f"{entry.title}: the lab has none of that name")
    if (entry.author == entry.lab) != (entry.word == IS_LOST):
        raise ClaimRejected("log", f"{entry.title}: a lab says what it lost, and somebody else what is back")
    if entry.word == IS_BACK and (agreement.inspection is None or entry.epoch % agreement.epochs_per_period):
        raise ClaimRejected("log", f"{entry.title}: that is for an inspection to say, of a period's first epoch")


def _check_transfer(entry: TransferEntry, agreement: Agreement) -> None:
    """Both are labs that claim for the period, and the receiver accepted. Raises ClaimRejected or BadSignature."""
    agreement.period_epochs(entry.period)
    if entry.giver == entry.receiver or entry.amount == 0:
        raise ClaimRejected("log", "a lab gives another one more than nothing")
    for name in (entry.giver, entry.receiver):
        if entry.period < agreement.first_period_of(name):
            raise ClaimRejected("period", f"lab {name} makes no claim for period {entry.period}")
    key = agreement.party(entry.receiver).key
    check_signature(f"lab {entry.receiver} on {entry.title}", key, entry.accepted, entry.acceptance)
