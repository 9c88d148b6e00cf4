"""Check ``log``: the claim, its roots file and every epoch root are those in the public log, each published once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.base.errors import ClaimRejected
from claims.base.units import format_time
from claims.claim.file import Claim
from claims.verify.report import LogSeen, Missing
from claims.verify.roots import RootFiles, judge_roots

if TYPE_CHECKING:
    from claims.claim.published import PublishedEntries
    from claims.inspection.count import Committed
    from claims.tlog.checkpoint import LogTrust
    from claims.tlog.reader import LogView
    from claims.verify.lateness import Delivered

__all__ = [
    "allowance_dates", "check_log", "committed_in", "late_assents", "late_notes", "log_seen", "log_trust",
    "missing_assents", "missing_dates", "missing_log", "seen_in",
]  # fmt: skip


def log_trust(agreement: Agreement) -> LogTrust:
    """Whom a verifier trusts about the agreement's log: its key, every party's cosigning key but the operator's, and its witnesses.

    Pass ``exclude={lab}`` when the log is opened for one lab's claim: a lab does not vouch for itself.

    Raises:
        ClaimRejected: check ``log``: the agreement names no log.
    """
    from claims.tlog.checkpoint import LogTrust

    terms = agreement.log
    if terms is None:
        raise ClaimRejected("log", "the agreement names no log")
    cosigners = {
        party.name: party.cosign_key
        for party in agreement.parties
        if party.cosign_key is not None and party.name != terms.operator
    }
    witnesses = {witness.name: witness.key for witness in agreement.witnesses}
    return LogTrust(terms.origin, terms.key, cosigners | witnesses, terms.cosignatures, frozenset(witnesses))


def missing_log(agreement: Agreement, problem: str = "") -> Missing:
    """What to say where the log is not given or, for a reason, cannot be used."""
    origin = "" if agreement.log is None else agreement.log.origin
    what = f"the log {origin}, which shows that the readings were committed to in time, and what inspectors recorded"
    return Missing(
        "log", f"{what}; it cannot be used: {problem}" if problem else what,
        "it usually lies in log/ of the publication folder, or at a web address of its operator",
        "give the folder or address (--log), or the whole publication folder (--folder)",
    )  # fmt: skip


def check_log(
    claim: Claim, data: bytes, agreement: Agreement, published: PublishedEntries, roots: RootFiles,
    held: Callable[[Claim], str | None],
) -> list[Missing]:  # fmt: skip
    """Hold a claim file and its roots files against the log's entries; what is missing for it.

    ``held``: why a claim that was delivered does not count yet, or None.

    Raises:
        ClaimRejected: check ``log``.
    """
    if published.agreement.digest != agreement.digest:
        raise ClaimRejected("log", "the log's entries were read under another agreement")
    if conflicts := published.conflicts_of(claim.lab, claim.period):
        raise ClaimRejected("log", f"two different versions of {conflicts[0].first.title} are in the log")
    if (why := held(claim)) is not None:
        return [Missing("delivered", why, "", "ask the log's operator to publish it, and the cosigners to cosign the log")]
    entry = published.claim(claim.lab, claim.period)
    if entry is None:
        what = f"the entry of lab {claim.lab}'s claim for period {claim.period}, which this copy of the log has not"
        return [Missing("entry", what, "", "ask for a newer copy of the log: the lab publishes its claim there")]
    if entry[0].claim != hashlib.sha256(data).digest():
        raise ClaimRejected("log", "the log's entry is about another claim file")
    for epoch in range(claim.first_epoch, claim.last_epoch + 1):
        if published.epoch(claim.lab, epoch) is None:
            if published.epoch(claim.lab, epoch, all_=True) is not None:
                what = f"cosignatures of the entry of epoch {epoch}, which a newer head of the log or a receipt has"
                return [Missing("cosignatures", what, "", "ask for a newer copy of the log, or its cosigners to cosign it")]
            raise ClaimRejected("log", f"the log has no entry of lab {claim.lab} for epoch {epoch}")
    return judge_roots(claim, entry[0].roots, roots, published)


def late_assents(published: PublishedEntries, view: LogView) -> list[str]:
    """Parties whose assent the log did not have by the agreement's sign_by; none where none is agreed."""
    agreement = published.agreement
    terms, committed, late = agreement.deadlines, committed_in(view, agreement), []
    if terms is None or terms.sign_by is None:
        return []
    for party in agreement.parties:
        entry = published.assent(party.name)
        moment = None if entry is None else committed(entry[1], party.name)
        if moment is None or moment > terms.sign_by:
            late.append(party.name)
    return late


def missing_assents(published: PublishedEntries, view: LogView) -> list[Missing]:
    """What the verdict waits for where parties had not assented by sign_by."""
    late = late_assents(published, view)
    what = f"an agreement in force: its sign_by passed before the log had the assents of {', '.join(late)}"
    return [Missing("unsigned", what, "", "ask for another copy of the log, or sign another agreement")] if late else []


# ---- dates ---------------------------------------------------------------------------------------------------


def committed_in(view: LogView, agreement: Agreement) -> Committed:
    """Dates of a view's entries, without the operator's word and that of the party that an entry is about."""
    from claims.tlog.errors import LogError

    def committed(index: int, party: str) -> int | None:
        operator = () if agreement.log is None else (agreement.log.operator,)
        try:
            return view.committed_time(index, exclude=frozenset({party, *operator}))
        except LogError:
            return None

    return committed


def allowance_dates(view: LogView, agreement: Agreement) -> Callable[[int, frozenset[str]], int | None]:
    """Dates of a view's transfers of cap: one for all rows, without the operator's word and those of giver and receiver."""
    from claims.tlog.errors import LogError

    operator = frozenset(() if agreement.log is None else (agreement.log.operator,))

    def dated(index: int, parties: frozenset[str]) -> int | None:
        try:
            return view.committed_time(index, exclude=parties | operator)
        except LogError:
            return None

    return dated


def seen_in(view: LogView, agreement: Agreement) -> Committed:
    """As :func:`committed_in`, by any one signer's word: for what an entry says against somebody."""
    from claims.verify.lateness import shown_by

    return lambda index, party: shown_by(view, agreement, party).seen(index)


def log_seen(view: LogView, published: PublishedEntries, claim: Claim, now: int, delivered: Delivered) -> LogSeen:
    """What a reader is told of the log that a claim was checked with."""
    from claims.verify.lateness import claim_late, lateness_of
    from claims.verify.log_state import log_state

    agreement = published.agreement
    entry = published.claim(claim.lab, claim.period)
    times = sorted((name, time) for name, time in view.signed.times.items() if name not in view.exclude)
    epochs = lateness_of(agreement, claim.lab, claim.period, now, published, view, delivered)
    when = None if entry is None else committed_in(view, agreement)(entry[1], claim.lab)
    due = None if agreement.deadlines is None else agreement.period_span(claim.period)[1] + agreement.deadlines.claim
    late = None not in (due, entry) and claim_late(agreement, claim.lab, claim.period, due or 0, published, view, delivered)
    return LogSeen(log_state(view, agreement, now), tuple(times), epochs, when, late)


def late_notes(seen: LogSeen | None, agreement: Agreement, period: int) -> list[str]:
    """What a reader should know of the dates of a period's entries, and of a newer head of the log."""
    from claims.verify.lateness import judge_lateness

    terms = agreement.deadlines
    if seen is None:
        return []
    newer = seen.state.newer()
    notes = [*judge_lateness(agreement, seen.epochs)[1], *([] if newer is None else [newer])]
    due = None if terms is None else agreement.period_span(period)[1] + terms.claim
    if due is not None and seen.claim is not None and seen.claim > due:
        what = "came after" if seen.late else "is not shown to have come after, but was cosigned after"
        notes.append(f"the claim's entry {what} its deadline, {format_time(due)}")
    return notes


def missing_dates(seen: LogSeen, agreement: Agreement) -> list[Missing]:
    """What of the log's dates and heads the verdict waits for. Raises ClaimRejected (check ``deadlines``) for too many late epochs."""
    from claims.verify.lateness import judge_lateness

    verdict, notes = judge_lateness(agreement, seen.epochs)
    if verdict == "rejected":
        raise ClaimRejected("deadlines", "; ".join(notes))
    how = "ask for another copy of the log, or its cosigners to cosign it"
    out = [Missing("dates", "; ".join(notes), "", how)] if verdict else []
    newer = seen.state.newer()
    return [*out, Missing("cosignatures", newer, "", how)] if seen.state.open and newer is not None else out
