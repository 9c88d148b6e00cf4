"""Does the standstill hold? Every lab and period of a publication folder, judged; nothing in the folder is trusted.

    folder --agreements, log, claims, records, evidence--> a Row per lab and period --> holds: yes, no, undecided

What is trusted is the agreement in ``agreement.toml``, by its digest: whoever asks must know that this is the agreement.
FORMATS-status.md has the folder, the states and the JSON.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from claims.agreement.model import Agreement
from claims.base.below import list_below
from claims.base.ed25519 import known_signatures
from claims.base.errors import BadSignature, ClaimRejected, ClaimsError, UnreadableFile
from claims.base.files import PROOF_LIMIT, ROOTS_LIMIT
from claims.base.hybrid import goes_on
from claims.base.units import format_time
from claims.claim.receipts import RECEIPT_LIMIT, Receipt
from claims.decisions.file import Content, Decision
from claims.decisions.life import Counted, Life, keeps_calendar, life_of, lifted_spans
from claims.decisions.log import logged_decisions
from claims.status.book import Beside, Book, Findings
from claims.status.evidence import read_evidence
from claims.status.folder import MAX_FILES, RECORD_LIMIT, ClaimFile, Folder, SignedAgreement
from claims.status.model import Row, State, sentences
from claims.status.moved import moved_in
from claims.status.notes import JUNK
from claims.status.rows import judge_period
from claims.tlog.checkpoint import LogTrust
from claims.tlog.evidence import LogFork
from claims.tlog.memory import LogMemory
from claims.tlog.reader import LogView, open_log
from claims.tlog.source import FolderSource
from claims.verify import log as verify_log
from claims.verify.claim import check_expected
from claims.verify.delivered import deliveries, published_in, undated_keys
from claims.verify.log import late_assents
from claims.verify.log_state import log_state, uncosigned

__all__ = ["Row", "State", "compute", "log_trust"]

MAX_ROWS = 100_000
"""Labs x begun periods in one answer."""


def log_trust(agreement: Agreement) -> LogTrust | None:
    """What the agreement says about its log, or None. The operator's cosignatures never count."""
    return None if agreement.log is None else verify_log.log_trust(agreement)


def compute(
    folder: str | os.PathLike[str], *, now: int, memory: str | os.PathLike[str] | None = None, expect: bytes | None = None,
    jobs: int = 1,
) -> State:  # fmt: skip
    """Judge a publication folder.

    Args:
        folder: laid out as in FORMATS-status.md.
        now: Unix seconds.
        memory: file in which to remember the log's last head, so that a log that forks or withdraws entries is noticed.
        expect: digest of the agreement that the reader asks about, or None.
        jobs: processes that check the proofs of a claim with sites; see ``claims.verify.tables.check_tables``.

    Raises:
        ClaimsError: the folder or its agreement cannot be read, or is beyond the bounds, or is another agreement.
        MissingDependency: ``cryptography`` is not installed.
    """
    source = Folder(Path(folder))
    current = source.agreement()
    source.note_private()
    check_expected(current.agreement, expect)
    with known_signatures(current.agreement.digest):
        return _compute(source, current, now, memory, jobs)


def _compute(source: Folder, current: SignedAgreement, now: int, memory: str | os.PathLike[str] | None, jobs: int) -> State:
    others = {item.agreement.digest: item for item in source.agreements(current.agreement)}
    others.pop(current.agreement.digest, None)
    found = Findings()
    books = _books(source, current, others, now, memory, found)
    read_evidence(source, books, found)
    _rival_amendments(books, others, found)
    decisions = _decisions(source, books)
    rows = _rows(source, books, decisions, found, now, jobs)
    book = books[-1]
    complete = [item.agreement for item in others.values() if not item.unsigned and not _lapsed(item.agreement, book)]
    life = life_of(
        current.agreement, book.unsigned, now=now, successors=complete,
        decisions=[item for item in decisions if item.agreement == current.agreement.digest],
        keys=None if book.published is None else book.published.keys,
    )  # fmt: skip
    if life.successor is not None:
        handover = others[life.successor].agreement.first_period
        rows = [row for row in rows if row.agreement != current.agreement.digest or row.period < handover]
    holds, why = _holds(current.agreement, life, rows, found)
    return State(
        agreement=current.agreement, now=now, life=life, holds=holds, why=tuple(why), rows=tuple(rows),
        log=book.log, log_problem=book.log_problem,
        breaches=tuple(found.breaches), problems=tuple(source.notes.lines()), decisions=tuple(decisions),
        chain=tuple(item.agreement for item in books), moved=moved_in(books, rows),
        keys=() if book.published is None else tuple(book.published.keys.rows()),
    )  # fmt: skip


# ---- agreements and logs -----------------------------------------------------------------------------------


def _books(
    source: Folder, current: SignedAgreement, others: dict[bytes, SignedAgreement], now: int,
    memory: str | os.PathLike[str] | None, found: Findings,
) -> list[Book]:  # fmt: skip
    """The agreement and those that it amends, oldest first."""
    chain = [current]
    while (amends := chain[0].agreement.amends) is not None and amends.digest in others:
        chain.insert(0, others[amends.digest])
    books: list[Book] = []
    for item in chain:
        book = Book(item, books[-1] if books else None, now)
        last = item is current
        _open_log(source, book, memory if last else None, found)
        book.unsigned = _unsigned(book)
        books.append(book)
    found.gaps += _gaps(books)
    return books


def _gaps(books: Sequence[Book]) -> list[str]:
    """What keeps periods from being judged: what is hidden there would be forgiven."""
    first, gaps = books[0].agreement.amends, []
    if first is not None:
        gaps.append(f"the amended agreement {first.digest.hex()} is not here: nothing before period {first.from_period} is judged")
    for book in books:
        if book.agreement.deadlines is not None and book.agreement.deadlines.sign_by is not None and not book.usable:
            what = f"whether every party assented to agreement {book.agreement.digest.hex()} by its sign_by cannot be seen"
            gaps.append(f"{what}: {book.log_problem}")
    for book, after in zip(books, books[1:], strict=False):
        old, new = book.agreement, after.agreement
        name, begin = f"the amended agreement {old.digest.hex()}", new.first_period
        if book.unsigned:
            gaps.append(f"{name} is not signed by {', '.join(book.unsigned)}: nothing before period {begin} is judged")
        elif not keeps_calendar(old, new):
            gaps.append(f"{name} has another calendar (start, epoch or period): its periods are not those of the present one")
        elif old.first_period > begin:
            gaps.append(f"{name} begins with period {old.first_period}, and what amends it with period {begin}, before it")
        elif old.periods < begin:
            gaps.append(f"{name} ends before period {old.periods}, the present one begins with period {begin}")
    return gaps


def _open_log(source: Folder, book: Book, memory: str | os.PathLike[str] | None, found: Findings) -> None:
    trust = log_trust(book.agreement)
    if trust is None:
        return
    try:
        if list_below(source.root, "log", MAX_FILES) is None:
            book.log_problem = "there is no log in the folder"
            return
        view = open_log(FolderSource(source.root, "log"), trust, bare=True, now=book.now)
        view.heads()
        if memory is not None and view.size:
            LogMemory.load(memory, trust).update(view)
    except LogFork as error:
        kept = "" if memory is None else f" (evidence: {error.evidence.keep(memory)})"
        found.breaches.append(f"log: {error.what}; its operator {book.operator} answers for it{kept}")
        book.log_problem = error.what
        return
    except ClaimsError as error:
        book.log_problem = error.what
        return
    book.view, book.log = view, log_state(view, book.agreement, book.now)
    if book.log.size is None:
        book.log_problem = f"{book.log.head()}: {uncosigned(book.log.behind)}"
    elif book.log.open:
        found.gaps.append(book.log.newer() or "")
    receipts = source.parsed("receipts", ".receipt", RECEIPT_LIMIT, Receipt.decode)
    book.delivered = deliveries(receipts, book.agreement, source.note_file, undated_keys(view, book.agreement))
    book.published = published_in(view, book.agreement, book.delivered)
    _note_entries(source, book, view)


def _note_entries(source: Folder, book: Book, view: LogView) -> None:
    published = book.published
    if published is None:
        return
    for index, reason in published.refused[:10]:
        source.note(f"log entry {index}: {reason}")
    if published.undecodable:
        source.note(f"log: {published.undecodable} entries in no known format")


def _unsigned(book: Book) -> list[str]:
    """Parties whose assent is missing; with [log] and sign_by, those too whose assent was not logged in time."""
    late = [] if book.published is None or book.view is None or not book.usable else late_assents(book.published, book.view)
    return sorted({*book.signed.unsigned, *late})


def _lapsed(successor: Agreement, book: Book) -> bool:
    """Whether the log shows that a successor did not come into force: its sign_by passed without the assents of all."""
    terms, log, view = successor.deadlines, successor.log, book.view
    if terms is None or terms.sign_by is None or log is None or view is None or book.published is None:
        return False
    same = (log.origin, log.key) == (view.trust.origin, view.trust.key)
    return same and (view.as_of() or 0) > terms.sign_by and bool(late_assents(book.published.under(successor), view))


def _rival_amendments(books: Sequence[Book], others: dict[bytes, SignedAgreement], found: Findings) -> None:
    """Two amendments of one agreement of the chain, both signed by everybody they name, that one party to it has signed.

    Names are the amended agreement's, or, where that is not here, its known amendment's: a rival may call its keys what it likes.
    """
    current = books[-1].signed
    rivals: dict[bytes, list[Agreement]] = {}
    for item in (current, *others.values()):
        if not item.unsigned and item.agreement.amends is not None:
            rivals.setdefault(item.agreement.amends.digest, []).append(item.agreement)
    parties = {book.agreement.digest: {party.name: _unrevoked(book, party.name) for party in book.agreement.parties} for book in books}
    oldest = books[0].agreement
    if oldest.amends is not None:
        parties[oldest.amends.digest] = {party.name: [party.key] for party in oldest.parties}
    for digest, known in parties.items():
        keys = [[party.key for party in rival.parties] for rival in rivals.get(digest, ())]
        signed = {name: sum(any(goes_on(key, new) for key in own for new in theirs) for theirs in keys) for name, own in known.items()}
        twice = [name for name, count in signed.items() if count > 1]
        if twice:
            names, most = ", ".join(twice), max(signed.values())
            found.breaches.append(f"{names} signed {most} amendments of agreement {digest.hex()}")


def _unrevoked(book: Book, party: str) -> list[bytes]:
    """The keys by which a party's assent to an amendment is known; none where only a log that is not here could say which."""
    if book.agreement.keys is None:
        return [book.agreement.party(party).key]
    return [] if book.published is None else [life.key for life in book.published.keys.lives((1, party, party)) if life.revoked is None]


def _decisions(source: Folder, books: Sequence[Book]) -> list[Counted]:
    """The decisions that count; those that do not are noted. Where there is a log, what it has of them decides, not the files."""
    by_digest = {book.agreement.digest: book for book in books}
    files: dict[bytes, dict[Content, Decision]] = {book.agreement.digest: {} for book in books}
    for item in source.decisions():
        book = by_digest.get(item.agreement)
        if book is None:
            source.note(f"decisions/: one is about agreement {item.agreement.hex()}", JUNK)
            continue
        try:
            item.check(book.agreement, () if book.published is None else book.published.keys.every)
        except (BadSignature, ClaimRejected) as error:
            source.note(f"decisions/: {error.what}", JUNK)
            continue
        files[item.agreement].setdefault(item.content, item)
    found: list[Counted] = []
    for book in books:
        here = files[book.agreement.digest]
        if book.agreement.log is None:
            found += [
                Counted(item.agreement, item.content, item.effective, tuple(sorted(item.signatures))) for item in here.values()
            ]
        else:
            found += _logged_decisions(source, book, here)
    return sorted(found, key=lambda item: (item.effective, item.content))


def _logged_decisions(source: Folder, book: Book, files: dict[Content, Decision]) -> list[Counted]:
    agreement, published, view = book.agreement, book.published, book.view
    logged = {} if published is None or view is None else logged_decisions(agreement, published, view)
    for content in files:
        what = f"decisions/: the one to {content[0]} from {format_time(content[1])} on does not count"
        item = logged.get(content)
        if published is None:
            source.note(f"{what}: the log cannot be used")
        elif item is None:
            source.note(f"{what}: it is not in the log")
        elif len(item.entered) < item.quorum:
            source.note(f"{what}: the log has it from {', '.join(item.entered)}, and {item.quorum} deciders must enter it")
        elif not item.decisive:
            source.note(f"{what}: nothing dates its entries in the log yet")
    found = [(item, counted) for item in logged.values() if (counted := item.counted(agreement)) is not None]
    for item, _ in [pair for pair in found if pair[0].content not in files][:10]:
        source.note(
            f"log: {', '.join(item.entered)} decided to {item.content[0]} from {format_time(item.content[1])} on; "
            "it counts, and its file, which says why, is not here"
        )
    return [counted for _, counted in found]


# ---- rows --------------------------------------------------------------------------------------------------


def _rows(
    source: Folder, books: Sequence[Book], decisions: Sequence[Counted], found: Findings, now: int, jobs: int
) -> list[Row]:
    claims: dict[tuple[bytes, str, int], list[ClaimFile]] = {}
    known = {book.agreement.digest for book in books}
    source.labs = {lab.name for book in books for lab in book.agreement.labs}
    for item in source.claims():
        if item.agreement in known:
            claims.setdefault((item.agreement, item.lab, item.period), []).append(item)
        else:
            source.note_file(item.stored.path, f"about agreement {item.agreement.hex()}")
    beside = Beside(
        roots=source.by_digest("claims", ".roots", ROOTS_LIMIT),
        records=source.by_digest("inspections", ".record", RECORD_LIMIT),
        proofs=source.by_digest("claims", ".proof", PROOF_LIMIT),
        jobs=jobs,
    )
    rows: list[Row] = []
    for place, book in enumerate(books):
        agreement = book.agreement
        if book.unsigned:
            continue
        until = min([agreement.periods, *(after.agreement.first_period for after in books[place + 1 :])])
        length = agreement.epoch_seconds * agreement.epochs_per_period
        begun = min(until, max(0, (now - agreement.start) // length + 1))
        if (begun - agreement.first_period) * len(agreement.labs) + len(rows) > MAX_ROWS:
            raise UnreadableFile(f"more than {MAX_ROWS} labs and periods", "use a shorter agreement")
        book.lifted = lifted_spans(agreement, decisions)
        for lab in agreement.labs:
            own = book.for_lab(lab.name)
            for period in range(max(agreement.first_period, lab.since_period), begun):
                key = (agreement.digest, lab.name, period)
                row = judge_period(source, own, lab, period, claims.get(key, []), beside, found.against.get(key, ()))
                rows.append(row)
    return rows


def _holds(agreement: Agreement, life: Life, rows: Sequence[Row], found: Findings) -> tuple[str, list[str]]:
    """yes, no or undecided; and why."""
    broken = [row for row in rows if row.state in ("missing", "rejected", "over")]
    why = [*found.breaches, *sentences(broken)]
    if why:
        return "no", why
    if life.state in ("draft", "signed", "lifted", "amended"):
        return "undecided", [life.reason if life.state == "lifted" else f"the agreement is {life.state}: {life.reason}"]
    ended = life.state == "expired"  # what is said then is of the whole agreement
    waiting = [row for row in rows if row.state in ("late", "under inspection") or (row.state == "pending" and (row.owed or ended))]
    if waiting or found.gaps:
        return "undecided", [*found.gaps, *sentences(waiting)]
    if ended and any(row.state == "lifted" and row.period == agreement.periods - 1 for row in rows):
        return "undecided", ["the pause was lifted when the agreement expired"]
    proven = sum(row.state == "proven" for row in rows)
    if not proven:
        return "undecided", ["no claim is due yet"]
    return "yes", [f"{proven} {'claim is' if proven == 1 else 'claims are'} proven, and no other is due"]
