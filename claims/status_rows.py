"""One lab and period: which claim was published, when, whether it is proven, and what inspectors recorded."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from claims.agreement import Agreement, Lab
from claims.claim import decode_claim
from claims.entries import InspectionEntry, PublishedEntries
from claims.errors import BadSignature, ClaimRejected, ClaimsError
from claims.evidence import find_equivocations
from claims.inspect_binding import heads_digest
from claims.signatures import check_signature
from claims.status_folder import ClaimFile, Folder, SignedAgreement, Stored, read_stored
from claims.status_model import Row
from claims.tlog.errors import LogError
from claims.tlog.reader import LogView, open_log
from claims.units import format_time
from claims.verify import Policy, verify_claim

__all__ = ["Book", "judge_period"]

MAX_CANDIDATES = 8
"""Signed claim files of one lab and period that are tried, where no log says which one was published."""
OUTCOMES = {1: "passed", 2: "failed", 3: "refused"}
FINDINGS = {"failed": "an inspection of it failed", "refused": "the lab did not open what was drawn"}


@dataclass
class Book:
    """One agreement, its log, and what was found so far. ``verified``: the claim accepted for (lab, period)."""

    signed: SignedAgreement
    before: Book | None
    now: int
    view: LogView | None = None
    published: PublishedEntries | None = None
    log_problem: str | None = None
    lifted: list[tuple[int, int]] = field(default_factory=list)
    verified: dict[tuple[str, int], Stored] = field(default_factory=dict)
    waiting: set[tuple[str, int]] = field(default_factory=set)
    labs: dict[str, Book] = field(default_factory=dict)

    @property
    def agreement(self) -> Agreement:
        """The agreement of this book."""
        return self.signed.agreement

    def committed(self, index: int, party: str) -> int | None:
        """When a quorum without the operator and that party had seen a log entry, or None."""
        if self.view is None or self.agreement.log is None:
            return None
        try:
            return self.view.committed_time(index, exclude=frozenset({party, self.agreement.log.operator}))
        except LogError:
            return None

    def for_lab(self, lab: str) -> Book:
        """This book with the log as it is without that lab's own cosignatures: no lab vouches for itself."""
        if lab not in self.labs:
            self.labs[lab] = self._without(lab)
        return self.labs[lab]

    def _without(self, lab: str) -> Book:
        if self.view is None or self.view.signed.has_quorum(self.view.trust, {lab}):
            return self
        try:
            view = open_log(self.view.source, self.view.trust, exclude={lab})
        except LogError as error:
            return replace(self, view=None, published=None, log_problem=f"for lab {lab}: {error.what}")
        return replace(self, view=view, published=PublishedEntries(self.agreement, list(enumerate(view.entries))))

    def is_lifted(self, period: int) -> bool:
        """Whether the pause was lifted at some moment of a period."""
        if not self.agreement.first_period <= period < self.agreement.periods:
            return False
        begin, end = self.agreement.period_span(period)
        at = bisect_right(self.lifted, begin, key=lambda span: span[1])
        return at < len(self.lifted) and self.lifted[at][0] < end

    def at(self, period: int, lab: str) -> Book:
        """The book that answers for a lab's period: this one, or an amended agreement's."""
        book = self
        while book.before is not None and period < book.agreement.first_period:
            book = book.before.for_lab(lab)
        return book

    def amended(self) -> list[Agreement]:
        """The agreements that this one amends, the latest first."""
        found, book = [], self.before
        while book is not None:
            found.append(book.agreement)
            book = book.before
        return found


def judge_period(
    source: Folder, book: Book, lab: Lab, period: int, files: Sequence[ClaimFile], roots: dict[bytes, Stored],
    records: dict[bytes, Stored], evidence: str | None,
) -> Row:  # fmt: skip
    """The row of a lab and a period that has begun."""
    row = _calendar(book, lab, period)
    row = _epochs(book, lab, row)
    lifted = book.is_lifted(period)
    if book.now < row.end:
        early = "; a claim is here already, and counts once the period has ended" if files else ""
        row = _unproven(book, row)
        row = replace(row, reason=row.reason + early)
    else:
        row, chosen = _published(source, book, lab, row, files)
        if row.state != "rejected":
            row = _unproven(book, row) if chosen is None else _verify(source, book, lab, row, chosen, roots)
            if row.state == "proven" and not lifted:
                row = _inspections(source, book, lab, row, records)
    if evidence is not None:
        book.verified.pop((lab.name, period), None)
    if lifted:
        made = "; the claim that was made all the same is proven" if row.state == "proven" else ""
        made = made if evidence is None else f"; no claim goes on from it: {evidence}"
        return replace(row, state="lifted", reason=f"the pause was lifted in this period{made}", check=None, owed=False)
    if evidence is not None:
        row = replace(row, state="rejected", reason=evidence, check="evidence")
    return row


def _calendar(book: Book, lab: Lab, period: int) -> Row:
    begin, end = book.agreement.period_span(period)
    terms = book.agreement.deadlines
    due = None if terms is None else end + terms.claim
    missing = None if terms is None or due is None else due + terms.grace
    return Row(
        book.agreement.digest, lab.name, period, "pending", "", begin, end, due, missing,
        owed=book.now > (end if due is None else due),
    )  # fmt: skip


def _epochs(book: Book, lab: Lab, row: Row) -> Row:
    """Counts the epochs' entries in the log."""
    agreement, now = book.agreement, book.now
    first, last = agreement.period_epochs(row.period)
    ended = max(0, min(last + 1, (now - agreement.start) // agreement.epoch_seconds) - first)
    if book.published is None:
        return replace(row, epochs_ended=ended)
    published = late = 0
    allowed = None if agreement.deadlines is None else agreement.deadlines.epoch
    for epoch in range(first, first + ended):
        found = book.published.epoch(lab.name, epoch)
        published += found is not None
        if allowed is None:
            continue
        deadline = agreement.epoch_span(epoch)[1] + allowed
        moment = now if found is None else book.committed(found[1], lab.name) or now
        late += moment > deadline
    return replace(row, epochs_ended=ended, epochs_published=published, epochs_late=late)


def _unproven(book: Book, row: Row) -> Row:
    """The row of a period without a claim that counts; ``row.reason`` may say why there is none."""
    note = f" ({row.reason})" if row.reason else ""
    if book.agreement.log is not None and book.published is None:
        return replace(row, state="pending", reason=f"the log cannot be used: {book.log_problem}")
    if row.due is None:
        text = "the period has ended, no claim counts yet, and no deadline is agreed" if book.now >= row.end else "the period has not ended"
        return replace(row, state="pending", reason=text + note)
    if book.now <= row.due:
        book.waiting.add((row.lab, row.period))
        return replace(row, state="pending", reason=f"due by {format_time(row.due)}{_epoch_note(row)}{note}")
    if row.missing_after is not None and book.now > row.missing_after:
        return replace(row, state="missing", reason=f"was due by {format_time(row.due)}{note}")
    book.waiting.add((row.lab, row.period))
    return replace(row, state="late", reason=f"was due by {format_time(row.due)}, in grace{note}")


def _epoch_note(row: Row) -> str:
    return f"; {row.epochs_late} epoch entries overdue or late" if row.epochs_late else ""


# ---- which claim -------------------------------------------------------------------------------------------


def _published(
    source: Folder, book: Book, lab: Lab, row: Row, files: Sequence[ClaimFile]
) -> tuple[Row, list[tuple[Stored, bytes | None]] | None]:
    """The claim files to judge, each with the digest of its roots; None when none was published."""
    if book.agreement.log is None:
        return _authentic(source, book, lab, row, files)
    if book.published is None:
        return row, None
    conflicts = book.published.conflicts_of(lab.name, row.period)
    if conflicts:
        title = conflicts[0].first.title
        return replace(row, state="rejected", check="log", reason=f"{title}: two different ones are in the log"), None
    entry = book.published.claim(lab.name, row.period)
    if entry is None:
        return replace(row, reason="a claim file is here, but not in the log" if files else ""), None
    moment = book.committed(entry[1], lab.name)
    late = row.due is not None and (moment is None or moment > row.due)
    row = replace(row, published=moment, late=late)
    for item in files:
        if item.stored.digest == entry[0].claim:
            return row, [(item.stored, entry[0].roots)]
    reason = "the log has its entry, but the file is not here"
    return replace(row, reason=reason), None


def _authentic(
    source: Folder, book: Book, lab: Lab, row: Row, files: Sequence[ClaimFile]
) -> tuple[Row, list[tuple[Stored, bytes | None]] | None]:
    """Without a log: the files that the lab signed. Two with different heads are evidence against it."""
    key, claims, good = book.agreement.party(lab.name).key, [], []
    for item in sorted(files, key=lambda item: item.stored.digest):
        try:
            claim = decode_claim(read_stored(item.stored))
            check_signature(f"lab {lab.name} on the claim", key, claim.signature, claim.signed_message())
        except (BadSignature, ClaimsError) as error:
            source.note(f"{source.label(item.stored.path)}: {error.what}")
            continue
        if len(good) == MAX_CANDIDATES:
            source.note(f"{source.label(item.stored.path)}: more than {MAX_CANDIDATES} claims of this lab and period")
            break
        claims.append(replace(claim, proof=b""))
        good.append(item.stored)
    for one, first in enumerate(claims):
        for second in claims[one + 1 :]:
            for found in find_equivocations(first, second):
                try:
                    found.check(book.agreement)
                except (BadSignature, ClaimRejected):
                    continue
                who = "the lab" if found.meter is None else f"meter {found.meter}"
                return replace(row, state="rejected", check="evidence", reason=f"{who} signed two heads"), None
    return row, [(stored, None) for stored in good] or None


# ---- verification ------------------------------------------------------------------------------------------


def _verify(
    source: Folder, book: Book, lab: Lab, row: Row, chosen: Sequence[tuple[Stored, bytes | None]], roots: dict[bytes, Stored]
) -> Row:
    """Verify the claims in turn; the first that is proven settles the row."""
    key = (lab.name, row.period - 1)
    earlier = book.at(row.period - 1, lab.name)
    previous = earlier.verified.get(key)
    if row.period > lab.since_period and previous is None:
        row = replace(row, claim=chosen[0][0].digest)
        if earlier.agreement.log is not None and earlier.published is None:
            reason = f"the log that holds its claim for period {row.period - 1} cannot be used: {earlier.log_problem}"
            return replace(row, state="pending", reason=reason)
        if key in earlier.waiting:
            return replace(_unproven(book, replace(row, reason=f"its claim waits for that of period {row.period - 1}")))
        reason = f"NOT CHECKED: there is no accepted claim for period {row.period - 1}"
        if earlier.is_lifted(row.period - 1):
            reason += ", in which the pause was lifted: an amendment must give a new opening head"
        return replace(row, state="rejected", check="continuity", reason=f"continuity: {reason}")
    last = row
    for stored, roots_digest in chosen:
        last = _verify_one(book, lab, row, stored, previous if row.period > lab.since_period else None, roots, roots_digest)
        if last.state == "proven":
            book.verified[(lab.name, row.period)] = stored
            break
    return last


def _verify_one(
    book: Book, lab: Lab, row: Row, stored: Stored, previous: Stored | None, roots: dict[bytes, Stored],
    roots_digest: bytes | None,
) -> Row:  # fmt: skip
    row = replace(row, claim=stored.digest)
    options: dict[str, Any] = {}
    if book.agreement.log is not None:
        if roots_digest not in roots:
            return _unproven(book, replace(row, reason="its roots file is not here"))
        options = {"log": book.published, "roots": read_stored(roots[roots_digest])}
    if previous is not None:
        options["previous"] = [read_stored(previous)]
        if row.period == book.agreement.first_period:
            options["previous_agreements"] = book.amended()
    policy = Policy(previous_accepted=previous is not None)
    try:
        report = verify_claim(
            read_stored(stored), book.agreement, signatures=book.signed.signatures, policy=policy, **options
        )
    except ClaimRejected as error:
        return replace(row, state="rejected", check=error.check, reason=error.what)
    if not report.proven:
        return replace(row, state="rejected", check="agreement", reason="; ".join(report.limitations()))
    when = "" if row.published is None else f", published {format_time(row.published)}"
    return replace(row, state="proven", reason=f"proven{when}" + (", after its deadline" if row.late else ""))


# ---- inspections -------------------------------------------------------------------------------------------


def _inspections(source: Folder, book: Book, lab: Lab, row: Row, records: dict[bytes, Stored]) -> Row:
    """Of a proven claim: whether its draw is due, and what eligible inspectors recorded of it."""
    from claims.beacon import RoundRejected, round_after, time_of_round
    from claims.inspection import settled

    terms, agreement = book.agreement.inspection, book.agreement
    if terms is None or book.published is None:
        return row
    first, last = agreement.period_epochs(row.period)
    moments = []
    for epoch in range(first, last + 1):
        entry = book.published.epoch(lab.name, epoch)
        moment = None if entry is None else book.committed(entry[1], lab.name)
        if moment is None:
            return replace(row, state="under inspection", reason=f"nothing dates the entry of epoch {epoch}: no round can be drawn")
        moments.append(moment)
    if row.published is None:
        return replace(row, state="under inspection", reason="nothing dates the claim's entry: no round can be drawn")
    moments.append(row.published)
    try:
        number = round_after(settled(agreement, row.period, max(moments)) + terms.margin)
    except RoundRejected:
        return replace(row, state="under inspection", reason="its commitments are dated after the last round that there is to draw from")
    claim = decode_claim(read_stored(book.verified[(lab.name, row.period)]))
    heads = heads_digest(claim.meters, claim.head_after)
    counted: list[tuple[str, int, str]] = []
    for item, index in book.published.inspections(lab.name, row.period):
        outcome = _outcome(source, book, item, index, number, records, heads)
        if outcome == "passed" and any(conflict.first == item for conflict in book.published.conflicts):
            source.note(f"log entry {index}: {item.author} signed another version of {item.title}: its pass does not count")
        elif outcome is not None:
            counted.append((item.author, item.round, outcome))
    row = replace(row, inspections=tuple(sorted(counted)))
    for who, _, outcome in row.inspections:
        if outcome != "passed":
            return replace(row, state="rejected", check="inspection", reason=f"{who} recorded that {FINDINGS[outcome]}")
    drawn = time_of_round(number)
    if book.now < drawn:
        return row
    opening = None if agreement.deadlines is None else drawn + agreement.deadlines.opening
    row = replace(row, opening_due=opening)
    if row.inspections:
        return replace(row, reason=f"{row.reason}; inspected by {', '.join(who for who, _, _ in row.inspections)}")
    if opening is not None and book.now > opening:
        reason = f"overdue: no inspector has recorded round {number}; to be opened by {format_time(opening)}"
    else:
        reason = f"round {number} is drawn" + ("" if opening is None else f"; to be opened by {format_time(opening)}")
    return replace(row, state="under inspection", reason=reason)


def _outcome(
    source: Folder, book: Book, item: InspectionEntry, index: int, number: int, records: dict[bytes, Stored], heads: bytes
) -> str | None:
    """The outcome of a logged inspection, if it counts; else None and a note.

    A failure or refusal of an earlier possible round counts too: a log's host that hides heads moves dates, and with them the
    round, later, and would else undo it.
    """
    from claims.beacon import round_after, time_of_round
    from claims.inspect_record import Record, check_record, check_record_entry
    from claims.inspection import settled

    where = f"log entry {index}: {item.author}'s inspection of lab {item.lab}, period {item.period}"
    outcome, terms, deadlines = OUTCOMES[item.outcome], book.agreement.inspection, book.agreement.deadlines
    if item.round > number or (item.round < number and outcome == "passed") or terms is None:
        source.note(f"{where}: of round {item.round}, and {number} is the one to draw from")
        return None
    if outcome == "refused":
        moment = book.committed(index, item.lab)
        if deadlines is None or moment is None or moment <= time_of_round(item.round) + deadlines.opening:
            source.note(f"{where}: refused before the opening was due")
            return None
    if item.record not in records:
        source.note(f"{where}: its record is not here")
        return None
    try:
        record = Record.decode(read_stored(records[item.record]))
        check_record(record, book.agreement)
        check_record_entry(record, item)
        wanted = (terms.draws, terms.slots, round_after(settled(book.agreement, item.period, record.committed) + terms.margin))
    except ClaimsError as error:
        source.note(f"{where}: {error.what}")
        return None
    if (record.draws, record.slots, record.round) != wanted:
        source.note(f"{where}: not what was to be drawn: other draws, slots or round")
        return None
    if outcome == "passed" and record.heads != heads:
        source.note(f"{where}: about other heads than the claim")
        return None
    return outcome
