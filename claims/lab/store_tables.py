"""What a store keeps of a claim of several tables, and of what is lost: heads and blinding values of summaries, proofs made so far, losses.

A summary is stored, and synced, before its site's proof is made: what a proof is about never changes, however often `prove` is interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence

from claims.base.canonical import head_from_bytes, head_to_bytes
from claims.claim.records import LedgerSecrets, Lost, SummaryHead
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

    def add_losses(self, items: Sequence[Lost]) -> None:
        """Note that meters are lost, or back, for good: all or none."""
        rows = [(i.meter, i.epoch, i.what, i.name, int(i.back), i.key, i.agreement, i.entry) for i in items]
        with self.transaction():
            self._db.executemany("INSERT INTO losses VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def any_lost(self) -> bool:
        """Whether any meter was ever lost."""
        return bool(self._query("SELECT 1 FROM losses LIMIT 1"))

    def losses(self, meter: str) -> list[Lost]:
        """What was said of a meter's losses, by epoch; of one epoch, that it is back comes first."""
        rows = self._query(
            "SELECT epoch, what, name, back, meter_key, agreement, entry FROM losses WHERE meter = ? ORDER BY epoch, back DESC", meter
        )
        return [Lost(meter, int(e), int(what), name, bool(back), *map(bytes, rest)) for e, what, name, back, *rest in rows]

    def loss_entries(self, agreement: bytes) -> list[bytes]:
        """The lab's own entries of losses under an agreement."""
        rows = self._query("SELECT DISTINCT entry FROM losses WHERE agreement = ? AND back = 0 ORDER BY epoch, name", agreement)
        return [bytes(row[0]) for row in rows]

    def losses_from(self, agreement: bytes, epoch: int) -> list[bytes]:
        """Entries under an agreement, of the lab and of others, that something is lost, or back, from an epoch on."""
        rows = self._query("SELECT DISTINCT entry FROM losses WHERE agreement = ? AND epoch = ? ORDER BY back, name", agreement, epoch)
        return [bytes(row[0]) for row in rows]

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
