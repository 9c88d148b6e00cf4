"""What a store keeps of a claim of several tables: heads and blinding values of summaries, and the proofs made so far.

A summary is stored, and synced, before its site's proof is made: what a proof is about never changes, however often `prove` is interrupted.
"""

from __future__ import annotations

from claims.base.canonical import head_from_bytes, head_to_bytes
from claims.claim.records import LedgerSecrets, SummaryHead
from claims.lab.store_file import StoreError, StoreFile

__all__ = ["TableStore"]

_REGISTRY = ""
"""In the place of a site's name: the registry's proof. No site has an empty name."""


class TableStore(StoreFile):
    """The part of a store that keeps summaries and proofs."""

    def add_summary(self, head: SummaryHead) -> None:
        """Store a site's summary of a period, once."""
        secrets = (head_to_bytes(head.secrets.iv), head_to_bytes(head.secrets.trailer), head_to_bytes(head.head))
        with self.transaction():
            self._db.execute("INSERT INTO summaries VALUES (?, ?, ?, ?, ?, ?)", (head.period, head.site, head.agreement, *secrets))

    def summary(self, period: int, site: str) -> SummaryHead | None:
        """A site's summary of a period, or None before it is made."""
        rows = self._query("SELECT agreement, iv, trailer, head FROM summaries WHERE period = ? AND site = ?", period, site)
        if not rows:
            return None
        agreement, *values = (bytes(value) for value in rows[0])
        iv, trailer, head = map(head_from_bytes, values)
        return SummaryHead(site, period, agreement, head, LedgerSecrets(iv, trailer))

    def keep_proof(self, period: int, site: str | None, agreement: bytes, proof: bytes) -> None:
        """Keep the proof of a site's table, or of the registry's (None), once; the same again changes nothing."""
        known = self.kept_proof(period, site, agreement)
        if known is not None:
            if known != proof:
                raise StoreError(f"the store keeps another proof of {site or 'the registry'}, period {period}", "keep the first")
            return
        with self.transaction():
            self._db.execute("INSERT INTO proofs VALUES (?, ?, ?, ?)", (period, site or _REGISTRY, agreement, proof))

    def kept_proof(self, period: int, site: str | None, agreement: bytes) -> bytes | None:
        """The proof of a site's table, or of the registry's (None), or None. Raises StoreError: it was made under another agreement."""
        rows = self._query("SELECT agreement, proof FROM proofs WHERE period = ? AND site = ?", period, site or _REGISTRY)
        if not rows:
            return None
        if bytes(rows[0][0]) != agreement:
            raise StoreError(f"period {period} was proven under another agreement", "a lab proves one claim of a period")
        return bytes(rows[0][1])
