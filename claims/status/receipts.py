"""The receipts of a folder: what was delivered to the log, and perhaps left out."""

from __future__ import annotations

from claims.agreement.model import Agreement
from claims.base.errors import BadSignature, ClaimRejected
from claims.claim.entries import Entry, unsigned_bytes
from claims.claim.receipts import RECEIPT_LIMIT, Receipt
from claims.status.folder import Folder
from claims.verify.lateness import Delivered

__all__ = ["read_receipts"]

MAX_COUNTERSIGNED = 20_000
"""Signatures of receipts that are checked."""


def read_receipts(source: Folder, agreement: Agreement) -> Delivered:
    """The receipts of a folder that check, by what was delivered; those that do not are noted."""
    found: dict[tuple[object, ...], dict[bytes, tuple[Entry, dict[str, int]]]] = {}
    left = MAX_COUNTERSIGNED
    for path, item in source.parsed("receipts", ".receipt", RECEIPT_LIMIT, Receipt.decode):
        left -= 1 + len(item.signatures)
        if left < 0:
            source.note(f"receipts/: only {MAX_COUNTERSIGNED} signatures of receipts were checked")
            break
        try:
            entry, times = item.check(agreement)
        except (BadSignature, ClaimRejected) as error:
            source.note_file(path, error.what)
            continue
        _, known = found.setdefault(entry.identity, {}).setdefault(unsigned_bytes(entry), (entry, {}))
        known.update({name: min(time, known.get(name, time)) for name, time in times.items()})
    return {identity: list(items.values()) for identity, items in found.items()}
