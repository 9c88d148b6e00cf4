"""What goes between a lab's headquarters and its buildings: tags, signed roots, summaries. FORMATS-store.md has the bytes.

    headquarters --Tags--> building              private: names of checkpoints
    building --SiteReport--> headquarters        roots and heads that its meters signed; public sooner or later
    building --SiteSummary--> headquarters       private: records and blinding values; with the proof of the site's table
"""

from __future__ import annotations

from dataclasses import dataclass, field

from claims.agreement.bounds import MAX_METERS, MAX_ROOTS
from claims.base.canonical import Reader, Writer
from claims.base.errors import MalformedFile
from claims.base.files import PROOF_LIMIT
from claims.claim.records import LAST_TAG, UNATTRIBUTED, Elements, LedgerSecrets

__all__ = ["REPORT_LIMIT", "SUMMARY_LIMIT", "TAGS_LIMIT", "MeterReport", "Records", "SiteReport", "SiteSummary", "TagRow", "Tags"]

MAX_TAGS = 2**20
MAX_RECORDS = 2**22
REPORT_LIMIT = 96 * MAX_ROOTS + 12 * 2**20
"""Largest report, bytes."""
SUMMARY_LIMIT = REPORT_LIMIT + PROOF_LIMIT + 10 * MAX_RECORDS + 4096
"""Largest summary file, bytes."""
TAGS_LIMIT = 256 * 2**20
"""Largest tags file, bytes."""
_TAGS, _REPORT, _SUMMARY = b"standstill-tags", b"standstill-site-report", b"standstill-summary"
_VERSION = 1
_EPOCHS = 2**24 - 1

Records = tuple[tuple[int, int], ...]
"""(tag, work), tags ascending."""


@dataclass(frozen=True)
class TagRow:
    """A checkpoint's private name and tag; ``saved``: the epoch in which it was saved, where that is noted."""

    name: str
    tag: int
    saved: int | None


@dataclass(frozen=True)
class Tags:
    """The tags that headquarters allotted to a period, ascending by tag."""

    agreement: bytes
    lab: str
    period: int
    rows: tuple[TagRow, ...] = field(repr=False)

    def encode(self) -> bytes:
        """The file's bytes. Private."""
        out = _begin(_TAGS, self.agreement, self.lab, self.period)
        out.uint(len(self.rows), 4)
        for row in self.rows:
            out.text(row.name)
            out.uint(row.tag, 3)
            out.flag(row.saved is not None)
            out.uint(row.saved or 0, 4)
        return out.data

    @staticmethod
    def decode(data: bytes) -> Tags:
        """Inverse of :meth:`encode`. Raises MalformedFile."""
        read, digest, lab, period = _begun(_TAGS, data, "a tags file")
        rows: list[TagRow] = []
        for _ in range(read.uint(4, "the number of tags", MAX_TAGS)):
            name, tag = read.blob("a name", 1024).decode("utf-8", errors="replace"), read.uint(3, "a tag")
            noted, saved = read.uint(1, "a flag", 1), read.uint(4, "an epoch", _EPOCHS)
            rows.append(TagRow(name, tag, saved if noted else None))
        read.end()
        found = Tags(digest, lab, period, tuple(rows))
        if any(a.tag >= b.tag for a, b in zip(rows, rows[1:], strict=False)) or any(r.tag <= UNATTRIBUTED for r in rows):
            raise MalformedFile("the tags do not ascend from the first that a checkpoint can have")
        if len({row.name for row in rows}) < len(rows) or found.encode() != data:
            raise MalformedFile("not a canonical tags file")
        return found


@dataclass(frozen=True)
class MeterReport:
    """What a meter signed: for each epoch (32-byte root, signature); of a closed period (ledger head, roots digest, signature)."""

    name: str
    epochs: tuple[tuple[bytes, bytes], ...]
    head: tuple[Elements, bytes, bytes] | None


@dataclass(frozen=True)
class SiteReport:
    """What the meters of a site signed of a period: roots of the epochs from ``first`` on, as far as all have sealed them, and heads."""

    agreement: bytes
    lab: str
    period: int
    site: str
    first: int
    count: int
    meters: tuple[MeterReport, ...]

    def encode(self) -> bytes:
        """The file's bytes."""
        out = _begin(_REPORT, self.agreement, self.lab, self.period)
        out.name(self.site)
        out.uint(self.first, 4)
        out.uint(self.count, 4)
        out.uint(len(self.meters), 2)
        for meter in self.meters:
            out.name(meter.name)
            for root, signature in meter.epochs:
                out.raw(root + signature)
            out.flag(meter.head is not None)
            if meter.head is not None:
                head, digest, signature = meter.head
                out.head(head)
                out.raw(digest)
                out.signature(signature)
        return out.data

    @staticmethod
    def decode(data: bytes) -> SiteReport:
        """Inverse of :meth:`encode`. Raises MalformedFile."""
        read, digest, lab, period = _begun(_REPORT, data, "a site's report")
        site, first, count = read.name("the site's name"), read.uint(4, "an epoch", _EPOCHS), read.uint(4, "a number of epochs", _EPOCHS)
        meters: list[MeterReport] = []
        number = read.uint(2, "the number of meters", MAX_METERS)
        if number * count > MAX_ROOTS:
            raise read.fail("the number of roots is out of range")
        for _ in range(number):
            name = read.name("a meter's name")
            epochs = tuple((read.raw(32, "a root"), read.raw(64, "a signature")) for _ in range(count))
            head = None
            if read.uint(1, "a flag", 1):
                head = (read.head("a ledger head"), read.raw(32, "a roots digest"), read.signature("a signature"))
            meters.append(MeterReport(name, epochs, head))
        read.end()
        return SiteReport(digest, lab, period, site, first, count, tuple(meters))


@dataclass(frozen=True)
class SiteSummary:
    """A site's summary of a period with the secrets behind its head, the heads of its meters (as in a report), and its table's proof.

    ``records``: (tag, work), tags ascending, work below 2^56.
    """

    report: SiteReport
    head: Elements
    secrets: LedgerSecrets = field(repr=False)
    records: Records = field(repr=False)
    proof: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The file's bytes. Private: whoever has it knows the site's work by tag."""
        out = Writer()
        out.raw(_SUMMARY)
        out.uint(_VERSION, 2)
        out.blob(self.report.encode())
        for head in (self.head, self.secrets.iv, self.secrets.trailer):
            out.head(head)
        out.uint(len(self.records), 4)
        for tag, work in self.records:
            out.uint(tag, 3)
            out.uint(work, 7)
        out.blob(self.proof)
        return out.data

    @staticmethod
    def decode(data: bytes) -> SiteSummary:
        """Inverse of :meth:`encode`. Raises MalformedFile."""
        read = _magic(_SUMMARY, data, "a site's summary")
        report = SiteReport.decode(read.blob("the report", REPORT_LIMIT))
        head, iv, trailer = (read.head(what) for what in ("the head", "the IV", "the trailer"))
        records: list[tuple[int, int]] = []
        for _ in range(read.uint(4, "the number of records", MAX_RECORDS)):
            tag, work = read.uint(3, "a tag", LAST_TAG), read.uint(7, "work")
            if tag < UNATTRIBUTED or (records and records[-1][0] >= tag):
                raise read.fail("the records do not ascend from the tag of unattributed work")
            records.append((tag, work))
        proof = read.blob("the proof", PROOF_LIMIT)
        read.end()
        return SiteSummary(report, head, LedgerSecrets(iv, trailer), tuple(records), proof)


def _begin(magic: bytes, agreement: bytes, lab: str, period: int) -> Writer:
    out = Writer()
    out.raw(magic)
    out.uint(_VERSION, 2)
    out.raw(agreement)
    out.name(lab)
    out.uint(period, 4)
    return out


def _magic(magic: bytes, data: bytes, what: str) -> Reader:
    read = Reader(data)
    if len(data) < len(magic) or read.raw(len(magic), "the magic") != magic:
        raise MalformedFile(f"not {what}: it does not start with {magic.decode()!r}")
    if (version := read.uint(2, "the version")) != _VERSION:
        raise read.fail(f"format {version} is not supported, only {_VERSION}")
    return read


def _begun(magic: bytes, data: bytes, what: str) -> tuple[Reader, bytes, str, int]:
    read = _magic(magic, data, what)
    return read, read.raw(32, "the agreement digest"), read.name("the lab's name"), read.uint(4, "the period", _EPOCHS)
