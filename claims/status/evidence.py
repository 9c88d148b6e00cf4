"""Evidence in a publication folder: what it shows, and against whom."""

from __future__ import annotations

from collections.abc import Sequence

from claims.base.errors import ClaimsError
from claims.claim.evidence import TwoEntries, counts, decode_evidence
from claims.claim.keys import KeyBook
from claims.status.book import Against, Book, Findings
from claims.status.folder import Folder
from claims.tlog.evidence import LogEvidence

__all__ = ["read_evidence"]

EVIDENCE_LIMIT = 2**25


def read_evidence(source: Folder, books: Sequence[Book], found: Findings) -> None:
    """Judge each file of evidence and keep in ``found`` and in the books what it shows; what shows nothing is noted."""
    for path, data in source.parsed("evidence", ".evidence", EVIDENCE_LIMIT, bytes):
        if not any(_log_evidence(data, book, found) or _equivocation(source, data, book, found) for book in books):
            source.note_file(path, "no evidence under these agreements")


def _equivocation(source: Folder, data: bytes, book: Book, found: Findings) -> bool:
    keys = KeyBook(book.agreement) if book.published is None else book.published.keys
    try:
        item = decode_evidence(data)
        sound = counts(item, keys)
    except ClaimsError:
        return False
    if not sound or (book.agreement.keys is not None and book.published is None):
        why = "the key that it rests on is revoked" if not sound else "which keys are revoked is not known without the log"
        source.note(f"evidence: {item.text}: {why}, so it counts for nothing here; an inspector should look")
        return True
    spoilt = item.against(book.agreement)
    if spoilt is not None:
        against = Against(f"evidence: {item.text}", item.by_meter(book.agreement))
        found.against.setdefault((book.agreement.digest, *spoilt), []).append(against)
    elif isinstance(item, TwoEntries):
        book.voided.add(item.identity)
        source.note(f"evidence: {item.text}: its word on that counts for nothing")
    else:
        source.note(f"evidence: {item.text}, with Ed25519 alone, and it has a period key: look into it; it rejects no claim")
    return True


def _log_evidence(data: bytes, book: Book, found: Findings) -> bool:
    if book.agreement.log is None:
        return False
    try:
        one, two = LogEvidence.decode(data).check(book.agreement.log.origin, book.agreement.log.key)
    except ClaimsError:
        return False
    found.breaches.append(
        f"log: evidence that it signed two histories (heads of size {one} and {two}); its operator {book.operator} answers for it"
    )
    return True
