"""The demonstration's second act: a month in public, with a log, cosigners, one claim per lab, and inspections.

    every day: meters seal 24 epochs --> labs publish 24 entries each --> the log grows --> the labs cosign its head
    month's end: claims into the log --> a drand round draws --> each lab opens to another --> records into the log

Everything goes through the code of real use, at the moments that the agreement's calendar has: only the clock is played.
out/month is the publication folder that rivals mirror; out/private/month/LAB stays with a lab.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from claims.agreement import Agreement
from claims.claim import Claim
from claims.demo_data import DATA, MONTH, lab_plans
from claims.demo_labs import CAPS, DemoLab, agreement_text, enrol, keep_books, new_key, sign_by_all
from claims.entries import AssentEntry, ClaimEntry, Entry, encode_entry, sign_entry
from claims.epochs import publish_epoch
from claims.errors import ClaimsError
from claims.files import write_new
from claims.inspect_draw import Drawn, draw_committed, load_round
from claims.inspect_material import StoreMaterial
from claims.inspect_open import CheckedOpening, Opening, check_opening, make_opening
from claims.inspect_record import make_record, record_entry
from claims.prove import make_claim, roots_of
from claims.registry import close_period, snapshot, unplaced
from claims.report import VerificationReport
from claims.signatures import AgreementSignatures
from claims.tlog.cosign import cosign
from claims.tlog.memory import LogMemory
from claims.tlog.reader import LogView, open_log
from claims.tlog.writer import LogWriter
from claims.verify import log_trust, verify_claim

__all__ = ["DAY", "OPERATOR", "ROUND", "Month", "MonthLab", "hold_month"]

OPERATOR = "log-operator"
ORIGIN = "example.org/standstill-month"
ROUND = DATA / "drand" / "round-1000.json"
DAY = 86_400
SEEN_AFTER = 3_561
"""Seconds after a day's end at which the first lab cosigns; so the public round 1000 is the one that the month draws."""
_TERMS = """[[party]]
name = "{operator}"
key = "{key}"

[log]
origin = "{origin}"
operator = "{operator}"
key = "{log_key}"
cosignatures = 2

[commitment]
readings = 64
checkpoints = 1024

[deadlines]
epoch = "2 d"
claim = "1 d"
grace = "6 d"
opening = "3 d"

[inspection]
draws = 64
slots = 16
margin = "1 d"
"""


@dataclass
class MonthLab:
    """One lab's month: its claim, the report of those who verified it, and what it opened to its inspector."""

    lab: DemoLab
    claim: Claim
    report: VerificationReport
    inspector: str = ""
    checked: CheckedOpening | None = None
    opening_bytes: int = 0


@dataclass
class Month:
    """The month as it was held. ``folder``: what everybody mirrors; ``now``: Unix seconds of the last thing that happened."""

    folder: Path
    private: Path
    labs: list[DemoLab]
    agreement: Agreement
    signatures: AgreementSignatures
    log_key: Ed25519PrivateKey
    operator_key: Ed25519PrivateKey
    rows: list[MonthLab] = field(default_factory=list)
    drawn: dict[str, Drawn] = field(default_factory=dict)
    entries: int = 0
    heads: int = 0
    now: int = 0

    @property
    def log(self) -> Path:
        """The log's folder."""
        return self.folder / "log"

    def view(self, lab: str) -> LogView:
        """The log as a verifier of this lab's claims reads it."""
        return open_log(str(self.log), log_trust(self.agreement), exclude={lab})

    def publish(self, entries: list[Entry] | list[bytes], at: int) -> None:
        """The operator appends; every lab checks that the log only grew, and cosigns, one second after another."""
        data = [item if isinstance(item, bytes) else encode_entry(item) for item in entries]
        with LogWriter.open(self.log, self.log_key) as writer:
            writer.append(data)
            self.entries = writer.size
        for number, lab in enumerate(self.labs):
            memory = LogMemory.load(lab.folder / "log.memory", log_trust(self.agreement))
            cosign(self.log, lab.cosign_key, lab.plan.name, memory, now=at + number)
        self.heads, self.now = self.heads + 1, at + len(self.labs) - 1


def hold_month(out_dir: Path, progress: Callable[[str, float], None]) -> Month:
    """Hold the month from agreement to inspection.

    Args:
        out_dir: gets ``month/`` (public) and ``private/month/``.
        progress: called as progress(what, share done).

    Raises:
        ClaimsError: something did not come out as it must.
    """
    folder, private = out_dir / "month", out_dir / "private" / "month"
    for name in ("claims", "inspections", "rounds"):
        (folder / name).mkdir(parents=True)
    labs = [enrol(plan, private / plan.name) for plan in lab_plans(MONTH)]
    month = _agree(labs, folder, private)
    _run(month, progress)
    for number, lab in enumerate(labs):
        _claim(month, lab, lambda phase, share, n=number: progress(phase, 0.5 + (n + share) / (2 * len(labs))))  # type: ignore[misc]
    end = month.agreement.period_span(0)[1]
    month.publish([_claim_entry(month, row) for row in month.rows], end + 3 * 3600)
    _verify(month)
    _inspect(month)
    progress("inspected", 1.0)
    return month


def _agree(labs: list[DemoLab], folder: Path, private: Path) -> Month:
    (private / OPERATOR).mkdir(mode=0o700)
    operator_key, public = new_key(private / OPERATOR / "party.key")
    log_key, log_public = new_key(private / OPERATOR / "log.key")
    terms = _TERMS.format(operator=OPERATOR, key=public, origin=ORIGIN, log_key=log_public)
    text = agreement_text(labs, "demonstration-month", CAPS, MONTH, terms)
    agreement, signatures = sign_by_all(labs, text, folder / "agreement.toml", [operator_key])
    month = Month(folder, private, labs, agreement, signatures, log_key, operator_key)
    with LogWriter.create(month.log, ORIGIN, log_key):
        pass
    keys = {lab.plan.name: lab.key for lab in labs} | {OPERATOR: operator_key}
    assents: list[Entry] = [sign_entry(key, AssentEntry(agreement.digest, name)) for name, key in sorted(keys.items())]
    month.publish(assents, agreement.start - DAY)
    return month


def _run(month: Month, progress: Callable[[str, float], None]) -> None:
    """Thirty days: meters seal every epoch, labs publish it, the log grows once a day under everybody's eyes."""
    agreement = month.agreement
    for lab in month.labs:
        keep_books(lab, agreement)
    first, last = agreement.period_epochs(0)
    per_day = DAY // agreement.epoch_seconds
    for begin in range(first, last + 1, per_day):
        epochs = range(begin, min(begin + per_day, last + 1))
        entries = [entry for lab in month.labs for entry in _day(lab, agreement, epochs, ends=epochs[-1] == last)]
        month.publish(entries, agreement.epoch_span(epochs[-1])[1] + SEEN_AFTER)
        progress("a month of epochs", (epochs[-1] + 1 - first) / (2 * (last + 1 - first)))


def _day(lab: DemoLab, agreement: Agreement, epochs: range, *, ends: bool) -> list[bytes]:
    with lab.store.transaction():
        for epoch in epochs:
            for meter in lab.meters:
                meter.seal_epoch(lab.store, agreement, epoch)
        if ends:
            for name in unplaced(lab.store, 0):
                snapshot(lab.store, agreement, 0, name, lab.plan.parents[name])
        return [publish_epoch(lab.store, agreement, epoch, lab.key) for epoch in epochs]


def _claim(month: Month, lab: DemoLab, progress: Callable[[str, float], None]) -> None:
    for meter in lab.meters:
        meter.seal(lab.store, month.agreement, 0)
    close_period(lab.store, month.agreement, 0)
    claim = make_claim(lab.store, month.agreement, 0, lab.key, progress=progress).claim
    write_new(month.folder / "claims" / f"{lab.plan.name}-0.claim", claim.encode(), 0o644)
    roots = roots_of(lab.store, month.agreement, 0).encode()
    write_new(month.folder / "claims" / f"{lab.plan.name}-0.roots", roots, 0o644)
    report = verify_claim(claim.encode(), month.agreement, signatures=month.signatures)
    month.rows.append(MonthLab(lab, claim, report))


def _claim_entry(month: Month, row: MonthLab) -> ClaimEntry:
    name = row.lab.plan.name
    claim, roots = ((month.folder / "claims" / f"{name}-0.{kind}").read_bytes() for kind in ("claim", "roots"))
    digests = hashlib.sha256(claim).digest(), hashlib.sha256(roots).digest()
    return sign_entry(row.lab.key, ClaimEntry(month.agreement.digest, name, 0, *digests))


def _verify(month: Month) -> None:
    """As a stranger would: from the published files and the log alone."""
    for row in month.rows:
        name = row.lab.plan.name
        claim, roots = ((month.folder / "claims" / f"{name}-0.{kind}").read_bytes() for kind in ("claim", "roots"))
        view = month.view(name)
        row.report = verify_claim(claim, month.agreement, signatures=month.signatures, log=view, roots=roots)
        if not row.report.proven:
            raise ClaimsError(f"the claim of {name} was accepted but not proven: {row.report.limitations()}")


def _inspect(month: Month) -> None:
    """The round that was drawn after the last commitment chooses; each lab opens to the next one, which keeps a record."""
    write_new(month.folder / "rounds" / ROUND.name, ROUND.read_bytes(), 0o644)
    entries: list[Entry] = []
    for number, row in enumerate(month.rows):
        name, inspector = row.lab.plan.name, month.labs[(number + 1) % len(month.labs)]
        drawn = draw_committed(month.agreement, name, 0, load_round(str(ROUND)), month.view(name))
        row.inspector, month.drawn[name] = inspector.plan.name, drawn
        opening = make_opening(
            month.agreement, drawn, StoreMaterial(row.lab.store, month.agreement), row.inspector, row.lab.key
        ).encode()
        write_new(inspector.folder / f"{name}-0.opening", opening)
        row.opening_bytes = len(opening)
        row.checked = check_opening(month.agreement, drawn, Opening.decode(opening), row.inspector)
        record = make_record(month.agreement, drawn, row.inspector, inspector.key, opening)
        write_new(month.folder / "inspections" / f"{row.inspector}-{name}-0.record", record.encode(), 0o644)
        entries.append(record_entry(record, inspector.key))
    month.publish(entries, month.agreement.period_span(0)[1] + 2 * DAY)
