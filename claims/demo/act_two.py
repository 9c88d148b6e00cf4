"""The demonstration's second act: a month in public, with a log, cosigners, one claim per lab, and inspections.

    every day: meters seal 24 epochs --> a utility and the labs publish 24 entries each --> the log grows --> the labs cosign its head
    month's end: claims into the log --> a drand round draws --> each lab opens to another --> records into the log

Everything goes through the code of real use, at the moments that the agreement's calendar has: only the clock is played.
out/month is the publication folder that rivals mirror; out/private/month/LAB stays with a lab.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from claims.agreement.model import Agreement
from claims.agreement.signatures import AgreementSignatures
from claims.base.errors import ClaimsError
from claims.base.files import write_new
from claims.base.hybrid import SigningKey
from claims.base.keys import public_bytes, public_lines, public_text
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import AssentEntry, ClaimEntry
from claims.claim.file import Claim
from claims.demo.data import DATA, MONTH, lab_plans
from claims.demo.labs import CAPS, DemoLab, agreement_text, enrol, keep_books, new_key, sign_by_all
from claims.demo.power import HOLDER, PowerHolder, feed_terms
from claims.inspection.check import CheckedOpening, check_claim_heads, check_opening
from claims.inspection.draw import Drawn, draw_committed, load_round
from claims.inspection.file import Opening
from claims.inspection.open import make_opening
from claims.inspection.power import check_power
from claims.inspection.record import Record, make_record, record_entry
from claims.lab.epochs import publish_epoch
from claims.lab.lineage import snapshot, unplaced
from claims.lab.opening import StoreMaterial
from claims.lab.prove import make_claim, roots_of
from claims.lab.registry import close_period
from claims.tlog.cosign import cosign
from claims.tlog.memory import LogMemory
from claims.tlog.reader import LogView, open_log
from claims.tlog.writer import LogWriter
from claims.verify.claim import verify_claim
from claims.verify.log import log_trust
from claims.verify.report import Verdict

__all__ = [
    "DAY", "LIAR", "OPERATOR", "PERIOD", "ROUND", "Month", "MonthLab", "agree_without_power", "claim_entry", "go_on", "heads_of",
    "hold_month", "live_month", "open_to", "prove", "publish_claims", "write_record",
]  # fmt: skip

Progress = Callable[[str, float], None]

OPERATOR = "log-operator"
ORIGIN = "example.org/standstill-month"
ROUND = DATA / "drand" / "round-1000.json"
DAY = 86_400
PERIOD = 0
LIAR = "ai2"
"""Of this lab's store a copy is kept from before the month, so that the month can be told again with false books."""
SEEN_AFTER = 3_000
"""Seconds after a day's end at which the first lab cosigns: the first hour's entry is due 600 s later. The public round 1000
is the one that draws: the first due after the deadline of entries and claims (a day after the month) and the margin."""
_TERMS = """[[party]]
name = "{operator}"
key = "{key}"

[log]
origin = "{origin}"
operator = "{operator}"
key = "{log_key}"
cosignatures = 2

[commitment]
checkpoints = 1024

[deadlines]
epoch = "1 d"
claim = "1 d"
grace = "6 d"
opening = "3 d"

[inspection]
draws = 64
slots = 16
margin = "3561 s"
"""


@dataclass
class MonthLab:
    """One lab's month: its claim, the report of those who verified it, and what it opened to its inspector."""

    lab: DemoLab
    claim: Claim
    roots: bytes
    report: Verdict | None = None
    inspector: str = ""
    checked: CheckedOpening | None = None
    opening: bytes = b""


@dataclass
class Month:
    """A month as it was held.

    Attributes:
        folder: what everybody mirrors. ``private``: what the parties keep, cosigners' memories among it.
        labs: those that owe claims; ``parties``: the labs that signed the agreement, and cosign.
        others: keys of the parties that are no labs, the log's operator among them.
        holder: of the power feed; None where none is agreed.
        rows: in the order of ``labs``.
        entries, heads: the log's size, and how many heads it published.
        now: Unix seconds of the last thing that happened.
    """

    folder: Path
    private: Path
    labs: list[DemoLab]
    agreement: Agreement
    signatures: AgreementSignatures
    log_key: SigningKey
    others: dict[str, SigningKey]
    parties: list[DemoLab]
    holder: PowerHolder | None = None
    rows: list[MonthLab] = field(default_factory=list)
    entries: int = 0
    heads: int = 0
    now: int = 0

    @property
    def log(self) -> Path:
        """The log's folder."""
        return self.folder / "log"

    @property
    def end(self) -> int:
        """Unix seconds of the month's end."""
        return self.agreement.period_span(PERIOD)[1]

    def view(self, lab: str) -> LogView:
        """The log as a verifier of this lab's claims reads it."""
        return open_log(str(self.log), log_trust(self.agreement), exclude={lab})

    def row(self, lab: str) -> MonthLab:
        """A lab's month."""
        return next(row for row in self.rows if row.lab.plan.name == lab)

    def inspector(self, lab: str) -> DemoLab:
        """The party to which a lab opens: the next one."""
        names = [party.plan.name for party in self.parties]
        return self.parties[(names.index(lab) + 1) % len(names)]

    def memory(self, lab: DemoLab) -> LogMemory:
        """What a cosigner has seen of the log."""
        return LogMemory.load(self.private / f"{lab.plan.name}.memory", log_trust(self.agreement))

    def open_log_folder(self) -> None:
        """An empty log, and the parties' assents as its first entries."""
        for name in ("claims", "inspections", "rounds", "evidence"):
            (self.folder / name).mkdir(parents=True)
        with LogWriter.create(self.log, ORIGIN, self.log_key):
            pass
        keys = {lab.plan.name: lab.key for lab in self.parties} | self.others
        assents = [encode_entry(sign_entry(key, AssentEntry(self.agreement.digest, name))) for name, key in sorted(keys.items())]
        self.publish(assents, self.agreement.start - DAY)

    def publish(self, entries: Sequence[bytes], at: int) -> None:
        """The operator appends; every party checks that the log only grew, and cosigns, one second after another."""
        with LogWriter.open(self.log, self.log_key) as writer:
            writer.append(entries, now=at)
            self.entries = writer.size
        for number, lab in enumerate(self.parties):
            cosign(self.log, lab.cosign_key, lab.plan.name, self.memory(lab), now=at + number)
        self.heads, self.now = self.heads + 1, at + len(self.parties) - 1


def hold_month(out_dir: Path, progress: Progress) -> Month:
    """Hold the month from agreement to inspection.

    Args:
        out_dir: gets ``month/`` (public) and ``private/month/``.
        progress: called as progress(what, share done).

    Raises:
        ClaimsError: something did not come out as it must.
    """
    folder, private = out_dir / "month", out_dir / "private" / "month"
    folder.mkdir()
    labs = [enrol(plan, private / plan.name) for plan in lab_plans(MONTH)]
    month = _agree(labs, folder, private)
    for lab in labs:
        if lab.plan.name == LIAR:
            lab.store.backup(private / f"{LIAR}-before.store")
        keep_books(lab, month.agreement)
    month.open_log_folder()
    live_month(month, lambda share: progress("30 days of epochs", share / 2))
    for number, lab in enumerate(labs):
        prove(month, lab, lambda phase, share, n=number: progress(phase, 0.5 + (n + share) / (2 * len(labs))))  # type: ignore[misc]
    publish_claims(month)
    inspect_all(month)
    progress("inspected", 1.0)
    return month


def _agree(labs: list[DemoLab], folder: Path, private: Path) -> Month:
    (private / OPERATOR).mkdir(mode=0o700)
    operator_key, public = new_key(private / OPERATOR / "party.key")
    log_key, log_public = new_key(private / OPERATOR / "log.key")
    (private / HOLDER).mkdir(mode=0o700)
    holder_key, holder_public = new_key(private / HOLDER / "party.key")
    feed_key, feed_public = new_key(private / HOLDER / "feed.key", public_lines)
    fed = next(lab.plan for lab in labs if lab.plan.name == LIAR)
    terms = _TERMS.format(operator=OPERATOR, key=public, origin=ORIGIN, log_key=log_public)
    text = agreement_text(labs, "demonstration-month", CAPS, MONTH, terms + feed_terms(fed, holder_public, feed_public))
    others = {OPERATOR: operator_key, HOLDER: holder_key}
    agreement, signatures = sign_by_all(labs, text, folder / "agreement.toml", list(others.values()))
    holder = PowerHolder(fed, agreement, feed_key, private / LIAR / "joules")
    return Month(folder, private, labs, agreement, signatures, log_key, others, labs, holder)


def agree_without_power(month: Month, lab: DemoLab, folder: Path, private: Path) -> Month:
    """The same terms without a feed, for one lab alone; the others sign and cosign."""
    others = {OPERATOR: month.others[OPERATOR]}
    key, log_key = (public_text(public_bytes(one)) for one in (others[OPERATOR], month.log_key))
    terms = _TERMS.format(operator=OPERATOR, key=key, origin=ORIGIN, log_key=log_key)
    text = agreement_text([lab], "demonstration-without-power", CAPS, MONTH, terms, month.parties)
    agreement, signatures = sign_by_all(month.parties, text, folder / "agreement.toml", list(others.values()))
    return Month(folder, private, [lab], agreement, signatures, month.log_key, others, month.parties)


def live_month(month: Month, progress: Callable[[float], None]) -> None:
    """Thirty days: meters seal every epoch, labs publish it, the log grows once a day under everybody's eyes."""
    agreement = month.agreement
    first, last = agreement.period_epochs(PERIOD)
    per_day = DAY // agreement.epoch_seconds
    for begin in range(first, last + 1, per_day):
        epochs = range(begin, min(begin + per_day, last + 1))
        entries = _day(month, epochs, ends=epochs[-1] == last)
        month.publish(entries, agreement.epoch_span(epochs[-1])[1] + SEEN_AFTER)
        progress((epochs[-1] + 1 - first) / (last + 1 - first))


def go_on(month: Month, days: int) -> None:
    """The first days of the next period, idle, so that nobody falls behind while the month is inspected."""
    begin, per_day = month.agreement.period_epochs(PERIOD)[1] + 1, DAY // month.agreement.epoch_seconds
    for day in range(days):
        epochs = range(begin + day * per_day, begin + (day + 1) * per_day)
        entries = _day(month, epochs, ends=False)
        month.publish(entries, month.agreement.epoch_span(epochs[-1])[1] + SEEN_AFTER)


def _day(month: Month, epochs: range, *, ends: bool) -> list[bytes]:
    """A day's entries for the log: first what the power utility read, then each lab's own."""
    entries = [] if month.holder is None else month.holder.publish(epochs)
    for lab in month.labs:
        with lab.store.transaction():
            for epoch in epochs:
                for meter in lab.meters:
                    meter.seal_epoch(lab.store, month.agreement, epoch)
            if ends and lab.store.registry_head(PERIOD) is None:
                for name in unplaced(lab.store, PERIOD):
                    snapshot(lab.store, month.agreement, PERIOD, name)
            entries += [publish_epoch(lab.store, month.agreement, epoch, lab.key) for epoch in epochs]
    return entries


def prove(month: Month, lab: DemoLab, progress: Progress) -> None:
    """Sign the ledgers, close the registry, prove; write claim and roots."""
    for meter in lab.meters:
        meter.seal(lab.store, month.agreement, PERIOD)
    close_period(lab.store, month.agreement, PERIOD)
    claim = make_claim(lab.store, month.agreement, PERIOD, lab.key, progress=progress).claim
    month.rows.append(MonthLab(lab, claim, roots_of(lab.store, month.agreement, PERIOD).encode()))


def claim_entry(agreement: Agreement, lab: DemoLab, claim: bytes, roots: bytes, period: int = PERIOD) -> bytes:
    """The lab's log entry about a claim file and its roots file."""
    digests = hashlib.sha256(claim).digest(), hashlib.sha256(roots).digest()
    return encode_entry(sign_entry(lab.key, ClaimEntry(agreement.digest, lab.plan.name, period, *digests)))


def publish_claims(month: Month) -> None:
    """Claims go into the folder and the log; then each is verified as a stranger would, from published files alone."""
    for row in month.rows:
        place = month.folder / "claims" / f"{row.lab.plan.name}-{PERIOD}.claim"
        write_new(place, row.claim.encode(), 0o644)
        write_new(place.with_suffix(".roots"), row.roots, 0o644)
    entries = [] if month.holder is None else [month.holder.confirm(PERIOD)]
    entries += [claim_entry(month.agreement, row.lab, row.claim.encode(), row.roots) for row in month.rows]
    month.publish(entries, month.end + 3 * 3600)
    for row in month.rows:
        name = row.lab.plan.name
        row.report = verify_claim(
            row.claim.encode(), month.agreement, signatures=month.signatures, log=month.view(name), roots=row.roots,
            now=month.now,
        )  # fmt: skip
        if not row.report.proven:
            raise ClaimsError(f"the claim of {name} is {row.report.word}: {row.report.missing}")


def inspect_all(month: Month) -> None:
    """The round drawn after the last commitment and the claims chooses; each lab opens to the next one, which keeps a public record."""
    write_new(month.folder / "rounds" / ROUND.name, ROUND.read_bytes(), 0o644)
    entries = []
    for row in month.rows:
        inspector = month.inspector(row.lab.plan.name)
        drawn = open_to(month, row)
        check_power(month.agreement, row.checked.opening, drawn.committed.unconfirmed)
        record = make_record(month.agreement, drawn, row.inspector, inspector.key, row.opening, heads=heads_of(row))
        entries.append(write_record(month, record, inspector))
    go_on(month, 1)
    month.publish(entries, month.end + 2 * DAY)


def open_to(month: Month, row: MonthLab) -> Drawn:
    """Draw, open to ``row.inspector``, and check the opening against the log."""
    name, agreement = row.lab.plan.name, month.agreement
    drawn = draw_committed(agreement, name, PERIOD, load_round(str(ROUND)), month.view(name))
    row.inspector = month.inspector(name).plan.name
    material = StoreMaterial(row.lab.store, agreement, None if month.holder is None else month.holder.folder)
    row.opening = make_opening(agreement, drawn, material, row.inspector, row.lab.key).encode()
    row.checked = check_opening(agreement, drawn, Opening.decode(row.opening), row.inspector)
    check_claim_heads(row.checked.opening, row.claim)
    return drawn


def heads_of(row: MonthLab) -> bytes | None:
    """Digest of the heads that a lab's opening is about."""
    return None if row.checked is None else row.checked.opening.binding.digest


def write_record(month: Month, record: Record, inspector: DemoLab) -> bytes:
    """Put a record into the folder; returns its log entry."""
    write_new(month.folder / "inspections" / f"{record.author}-{record.lab}-{PERIOD}.record", record.encode(), 0o644)
    return encode_entry(record_entry(record, inspector.key))
