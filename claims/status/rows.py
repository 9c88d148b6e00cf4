"""One lab and period: which claim was published, when, whether it is proven, and what inspectors recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from claims.agreement.terms import Lab
from claims.base.ed25519 import check_signature
from claims.base.errors import BadSignature, ClaimRejected, ClaimsError
from claims.base.units import format_time
from claims.claim.entry_kinds import IS_LOST
from claims.claim.evidence import find_equivocations
from claims.claim.file import Claim, decode_claim
from claims.claim.limits import capacity, limit_words
from claims.claim.lists import LOST_METER, LOST_SITE
from claims.claim.losses import lost_meters
from claims.inspection.count import count_inspections
from claims.status.book import Against, Beside, Book
from claims.status.folder import ClaimFile, Folder, Stored, read_stored
from claims.status.model import Row
from claims.verify.claim import check_claim
from claims.verify.delivered import held_up
from claims.verify.lateness import claim_late, judge_lateness, lateness_of, shown_by
from claims.verify.log import allowance_dates
from claims.verify.report import LogSeen

__all__ = ["judge_period"]

_HOLDS = ("proven", "over")
"""States of a claim that passes every check of its own."""
MAX_CANDIDATES = 8
"""Signed claim files of one lab and period that are tried, where no log says which one was published."""


def judge_period(
    source: Folder, book: Book, lab: Lab, period: int, files: Sequence[ClaimFile], beside: Beside, given: Sequence[Against]
) -> Row:
    """The row of a lab and a period that has begun. ``given``: evidence about it."""
    book.judged.add((lab.name, period))
    row = _calendar(book, lab, period)
    row = _epochs(book, lab, row)
    lifted = book.is_lifted(period)
    if book.now < row.end:
        early = "; a claim is here already, and counts once the period has ended" if files else ""
        row = _unproven(book, row)
        row = replace(row, reason=row.reason + early)
    else:
        row, chosen = _published(source, book, lab, row, files)
        if row.state != "rejected" and (row.lab, row.period) not in book.open:
            row = _unproven(book, row) if chosen is None else _verify(source, book, lab, row, chosen, beside)
            if row.state in _HOLDS and not lifted:
                row = _inspections(source, book, lab, row, beside)
            if row.state in (*_HOLDS, "under inspection") and not lifted:
                row = _too_late(book, row)
    evidence = None
    for item in given:
        if _was_lost(book, lab, period, item):
            source.note(f"{item.text}; the meter was lost by then, so it shows that somebody has its key, and rejects no claim")
        elif evidence is None:
            evidence = item.text
    if evidence is not None:
        book.verified.pop((lab.name, period), None)
    if lifted:
        made = f"; the claim that was made all the same is {row.state}" if row.state in _HOLDS else ""
        made = made if evidence is None else f"; no claim goes on from it: {evidence}"
        against = ("evidence", evidence) if evidence is not None else (row.check, row.reason) if row.check is not None else None
        reason = f"the pause was lifted in this period{made}"
        return replace(row, state="lifted", reason=reason, check=None, owed=False, against=against)
    if evidence is not None:
        row = replace(row, state="rejected", reason=evidence, check="evidence")
    return row


def _was_lost(book: Book, lab: Lab, period: int, item: Against) -> bool:
    """Whether evidence rests on the key of a meter that was lost by then: by the claim, where one holds, else as the lab said in the log.

    Who stole the meter can sign anything; the claim rests on nothing of it. Where no log is agreed, nothing dates the loss.
    """
    if item.by_meter is None or book.agreement.log is None:
        return False
    (name, epoch), stored = item.by_meter, book.verified.get((lab.name, period))
    if stored is not None:
        return lost_meters(book.agreement, decode_claim(read_stored(stored))).get(name, epoch + 1) <= epoch
    return _said_lost(book, lab, name, epoch)


def _said_lost(book: Book, lab: Lab, name: str, epoch: int) -> bool:
    """Whether the lab said in the log that a meter is lost, by an epoch."""
    said = [] if book.published is None else book.published.losses(lab.name)
    own = ((LOST_METER, name), (LOST_SITE, lab.meter(name).site))
    return any((loss.what, loss.name) in own and loss.word == IS_LOST and loss.epoch <= epoch for loss, _ in said)


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
    view, published = (book.view, book.published) if book.usable else (None, None)
    found = lateness_of(book.agreement, lab.name, row.period, book.now, published, view, book.delivered)
    if view is None or book.log is None:
        return replace(row, epochs=found)
    times = sorted((name, time) for name, time in view.signed.times.items() if name not in view.exclude)
    return replace(row, epochs=found, epochs_published=found.published, log=LogSeen(book.log, tuple(times), found, None))


def _too_late(book: Book, row: Row) -> Row:
    """The row of a proven claim, held against the number of late epochs that is agreed; what is late is said in any case."""
    check, notes = judge_lateness(book.agreement, row.epochs)
    if check and not (row.state == "over" and check != "rejected"):
        return replace(row, state="rejected" if check == "rejected" else "pending", check="deadlines" if check == "rejected" else None,
                       reason="; ".join(notes))  # fmt: skip
    return replace(row, reason="; ".join((row.reason, *notes)))


def _unproven(book: Book, row: Row) -> Row:
    """The row of a period without a claim that counts; ``row.reason`` may say why there is none."""
    note = f" ({row.reason})" if row.reason else ""
    if not book.usable:
        return replace(row, state="pending", reason=f"the log cannot be used: {book.log_problem}")
    if not book.is_lifted(row.period) or (book.published is not None and book.published.claim(row.lab, row.period) is not None):
        book.waiting.add((row.lab, row.period))  # what is not here accuses no later claim
    if row.due is None or row.missing_after is None:
        text = "the period has ended, no claim counts yet, and no deadline is agreed" if book.now >= row.end else "the period has not ended"
        return replace(row, state="pending", reason=text + note)
    if (silent := _silenced(book, row)) is not None:
        book.waiting.add((row.lab, row.period))
        book.open.add((row.lab, row.period))
        return replace(row, state="pending", reason=f"{silent}{note}")
    late = "".join(f"; {text}" for text in row.epochs.notes(book.operator))
    seen = _seen_until(book, row)
    if book.now > row.missing_after and seen > row.missing_after:
        return replace(row, state="missing", reason=f"was due by {format_time(row.due)}{note}")
    book.waiting.add((row.lab, row.period))
    if book.now <= row.due:
        return replace(row, state="pending", reason=f"due by {format_time(row.due)}{late}{note}")
    ends = f"; this copy of the log ends on {format_time(seen)}" if seen < book.now and seen <= row.missing_after < book.now else ""
    if seen > row.due:
        grace = "" if ends else ", in grace"
        return replace(row, state="late", reason=f"was due by {format_time(row.due)}{grace}{ends}{note}")
    short = f"this copy of the log ends on {format_time(seen)}"
    return replace(row, state="pending", reason=f"was due by {format_time(row.due)}; {short}{note}")


def _silenced(book: Book, row: Row) -> str | None:
    """Why the lab can publish nothing: a key that its claim needs was revoked before that was missing, with no spare. Else None."""
    if book.published is None or row.missing_after is None:
        return None
    lab, end = book.agreement.lab(row.lab), book.agreement.period_epochs(row.period)[1]
    last = book.published.epoch(row.lab, end)
    for (kind, owner, holder), index in book.published.keys.silent():
        if owner != row.lab or kind == 3 or (kind == 2 and (last is None or index < last[1] or _said_lost(book, lab, holder, end))):
            continue  # of a meter that has not signed the whole period, the lab says that it is lost
        moment = book.committed(index, row.lab)
        if moment is None and not book.published.counts(index):
            moment = _seen_until(book, row)  # it stands after all that the head in use has
        if moment is None or moment <= row.missing_after:
            whose = "its key" if kind == 1 else f"the key of meter {holder}"
            return f"{whose} was revoked (log entry {index}), and none took its place: only an amendment goes on"
    return None


def _seen_until(book: Book, row: Row) -> int:
    """Until when this copy of the log shows that there was no claim: now, where there is no log, or an entry whose file is not here."""
    if book.view is None or book.published is None or book.published.claim(row.lab, row.period) is not None:
        return book.now
    operator = () if book.agreement.log is None else (book.agreement.log.operator,)
    return min(book.now, book.view.as_of({row.lab, *operator}) or 0)


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
        title, where = conflicts[0].first.title, "in the log" if book.delivered == {} else "in the log or in receipts"
        return replace(row, state="rejected", check="log", reason=f"{title}: two different ones are {where}"), None
    held = None
    if book.usable and book.view is not None and book.log is not None:
        held = held_up(book.agreement, lab.name, row.period, book.published, book.view, book.log, book.delivered)
    if held is not None:
        book.open.add((row.lab, row.period))
        return replace(row, state="pending", reason=held), None
    entry = book.published.claim(lab.name, row.period)
    if entry is None:
        return replace(row, reason="a claim file is here, but not in the log" if files else ""), None
    moment = book.committed(entry[1], lab.name)
    late = row.due is not None and book.view is not None and claim_late(
        book.agreement, lab.name, row.period, row.due, book.published, book.view, book.delivered
    )  # fmt: skip
    row = replace(row, published=moment, late=late, logged=entry[0].claim)
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
            source.note_file(item.stored.path, error.what)
            continue
        if len(good) < MAX_CANDIDATES:
            good.append(item.stored)
        else:
            note = f"one of more than {MAX_CANDIDATES} claims of this lab and period: its heads alone were compared"
            source.note_file(item.stored.path, note)
        claim = replace(claim, proof=b"")
        for first in claims:
            for found in find_equivocations(first, claim):
                try:
                    found.check(book.agreement)
                except (BadSignature, ClaimRejected):
                    continue
                who = "the lab" if found.meter is None else f"meter {found.meter}"
                return replace(row, state="rejected", check="evidence", reason=f"{who} signed two heads"), None
        if len(claims) < MAX_CANDIDATES and not any(_heads(claim) == _heads(first) for first in claims):
            claims.append(claim)
    return row, [(stored, None) for stored in good] or None


def _heads(claim: Claim) -> tuple[object, ...]:
    return claim.head_after, *((meter.name, meter.head, meter.roots_digest) for meter in claim.meters)


# ---- verification ------------------------------------------------------------------------------------------


def _verify(
    source: Folder, book: Book, lab: Lab, row: Row, chosen: Sequence[tuple[Stored, bytes | None]], beside: Beside
) -> Row:
    """Verify the claims in turn; the first that is proven settles the row."""
    key = (lab.name, row.period - 1)
    earlier = book.at(row.period - 1, lab.name)
    previous = earlier.verified.get(key)
    if row.period > lab.since_period and previous is None:
        row = replace(row, claim=chosen[0][0].digest)
        if (reason := _open_before(earlier, key)) is not None:
            book.open.add((lab.name, row.period))
            return replace(row, state="pending", reason=reason)
        if key in earlier.waiting:
            return replace(_unproven(book, replace(row, reason=f"its claim waits for that of period {row.period - 1}")))
        reason = f"NOT CHECKED: there is no accepted claim for period {row.period - 1}"
        if earlier.is_lifted(row.period - 1):
            reason += ", in which the pause was lifted: an amendment must give a new opening head"
        return replace(row, state="rejected", check="continuity", reason=f"continuity: {reason}")
    last = row
    for stored, roots_digest in chosen:
        last = _verify_one(book, lab, row, stored, previous if row.period > lab.since_period else None, beside, roots_digest)
        if last.state in _HOLDS:
            book.verified[(lab.name, row.period)] = stored
            break
    return last


def _open_before(earlier: Book, key: tuple[str, int]) -> str | None:
    """Why the claim before cannot be judged, through no fault of the lab; None where it can be, or its absence is the lab's."""
    if not earlier.usable:
        return f"the log that holds its claim for period {key[1]} cannot be used: {earlier.log_problem}"
    if key not in earlier.judged:
        return f"its claim goes on from that of period {key[1]}, which is judged under an agreement that is not in force here"
    if key in earlier.open:
        return f"its claim goes on from that of period {key[1]}, which is pending"
    return None


def _verify_one(
    book: Book, lab: Lab, row: Row, stored: Stored, previous: Stored | None, beside: Beside, roots_digest: bytes | None
) -> Row:
    row = replace(row, claim=stored.digest)
    options: dict[str, Any] = {}
    if book.agreement.log is not None:
        if not lab.sites and roots_digest not in beside.roots:
            return _unproven(book, replace(row, reason="its roots file is not here"))
        options = {"published": book.published, "roots": beside.root_file}
        options["dated"] = None if book.view is None else allowance_dates(book.view, book.agreement)
    if previous is not None:
        options["previous"] = [read_stored(previous)]
        if row.period == book.agreement.first_period:
            options["previous_agreements"] = book.amended()
    try:
        verdict, _ = check_claim(
            read_stored(stored), book.agreement, signatures=book.signed.signatures, previous_accepted=previous is not None,
            now=book.now, proofs=beside.proof, jobs=beside.jobs, **options,
        )  # fmt: skip
    except ClaimRejected as error:
        return replace(row, state="rejected", check=error.check, reason=error.what)
    if verdict.missing:
        return _unproven(book, replace(row, reason="; ".join(item.what for item in verdict.missing)))
    row = replace(row, proof=verdict.proof, limits=verdict.limits, overs=verdict.overs, lost=verdict.notes)
    row = replace(row, moved=verdict.moved, transfers=verdict.transfers, over_here=verdict.over_here, power=verdict.power)
    when = "" if row.published is None else f", published {format_time(row.published)}"
    when += ", after its deadline" if row.late else ""
    if verdict.limits or verdict.over_here:
        most = capacity(book.agreement, lab.name)
        words = "; ".join([*(limit_words(limit, most) for limit in verdict.limits), *verdict.over_here, *verdict.notes])
        return replace(row, state="over", reason=f"{words}; proven under what it states{when}")
    power = [] if verdict.power is None else [f"power: {verdict.power.line()}"]
    earlier = [*power, *verdict.transfers, *verdict.notes, *(f"in period {over.period}: {limit_words(over)}" for over in verdict.overs)]
    return replace(row, state="proven", reason="; ".join([f"proven{when}", *earlier]))


# ---- inspections -------------------------------------------------------------------------------------------


def _inspections(source: Folder, book: Book, lab: Lab, row: Row, beside: Beside) -> Row:
    """Of a proven claim: whether its draw is due, and what eligible inspectors recorded of it."""
    entry = None if book.published is None else book.published.claim(lab.name, row.period)
    if book.published is None or entry is None:
        return row
    claim = decode_claim(read_stored(book.verified[(lab.name, row.period)]))
    view, agreement = book.view, book.agreement
    found = count_inspections(
        agreement, book.published, book.committed, claim, entry[1],
        beside.record, book.now, book.voided,
        None if view is None else lambda index, party: shown_by(view, agreement, party).seen(index),
    )  # fmt: skip
    for item in found.entries:
        if not item.counts and item.why:
            source.note(item.note(lab.name, row.period))
    row = replace(row, inspected=found.entries, opening_due=found.opening_due)
    if found.state == "failed":
        return replace(row, state="rejected", check="inspection", reason=found.reason)
    if found.state in ("waiting", "open") and row.state != "over":
        return replace(row, state="under inspection", reason=found.reason)
    return replace(row, reason=f"{row.reason}; {found.reason}") if found.reason else row
