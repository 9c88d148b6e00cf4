"""What a store holds of signed statements, for comparing it with journals and the log; and the finished claims."""

from __future__ import annotations

from claims.base.canonical import head_from_bytes
from claims.claim.file import decode_claim
from claims.claim.lists import Lists
from claims.claim.records import EpochSeal, KeptClaim, SignedHead
from claims.lab.store_file import StoreError, StoreFile

__all__ = ["SignedStore", "seal_of"]


def seal_of(epoch: int, seed: bytes | None, root: bytes, signature: bytes, agreement: bytes) -> EpochSeal:
    """An epoch's seal from its row."""
    return EpochSeal(epoch, None if seed is None else bytes(seed), bytes(root), bytes(signature), bytes(agreement))


class SignedStore(StoreFile):
    """The part of a store that looks at signatures across periods."""

    def knows_agreement(self, agreement: bytes) -> bool:
        """Whether anything in the store was signed under an agreement."""
        tables = ("epoch_seals", "ledgers", "epoch_heads", "claims")
        return any(self._query(f"SELECT 1 FROM {table} WHERE agreement = ? LIMIT 1", agreement) for table in tables)

    def keep_claim(self, kept: KeptClaim) -> None:
        """Keep a period's finished claim, once; the same again changes nothing."""
        known = self.kept_claim(kept.period)
        if known is not None:
            if known != kept:
                raise StoreError(f"the store keeps another claim of period {kept.period}", "a lab signs one claim of a period")
            return
        with self.transaction():
            self._db.execute("INSERT INTO claims VALUES (?, ?, ?, ?)", (kept.period, kept.agreement, kept.claim, kept.entry))

    def kept_claim(self, period: int) -> KeptClaim | None:
        """The finished claim of a period, or None."""
        return next(iter(self._claims("WHERE period = ?", period)), None)

    def claimed_lists(self, period: int) -> bytes:
        """Digest of what the claim of a period lists; of nothing while there is none."""
        kept = self.kept_claim(period)
        return (Lists() if kept is None else decode_claim(kept.claim).lists).digest

    def kept_claims(self, agreement: bytes) -> list[KeptClaim]:
        """Finished claims under an agreement, in order."""
        return self._claims("WHERE agreement = ? ORDER BY period", agreement)

    def _claims(self, condition: str, *values: object) -> list[KeptClaim]:
        rows = self._query(f"SELECT period, agreement, claim, entry FROM claims {condition}", *values)
        return [KeptClaim(period, bytes(agreement), bytes(claim), bytes(entry)) for period, agreement, claim, entry in rows]

    def roots_after(self, agreement: bytes, meter: str, epoch: int) -> list[tuple[int, bytes]]:
        """Epochs after one in which a meter sealed under an agreement, in order, and their roots."""
        return self._query(
            "SELECT epoch, root FROM epoch_seals WHERE meter = ? AND epoch > ? AND agreement = ? ORDER BY epoch", meter, epoch, agreement
        )  # type: ignore[return-value]

    def has_sealed(self, agreement: bytes, meter: str) -> bool:
        """Whether a meter has sealed any epoch under an agreement."""
        return bool(self._query("SELECT 1 FROM epoch_seals WHERE meter = ? AND agreement = ? LIMIT 1", meter, agreement))

    def signed_heads(self, agreement: bytes, meter: str) -> list[SignedHead]:
        """A meter's signed heads under an agreement, in order."""
        rows = self._query(
            "SELECT period, head, roots, signature FROM ledgers WHERE meter = ? AND agreement = ? ORDER BY period", meter, agreement
        )
        return [
            SignedHead(meter, period, agreement, head_from_bytes(bytes(head)), bytes(roots), bytes(signature))
            for period, head, roots, signature in rows
        ]

    def signed_roots(self, agreement: bytes, meter: str) -> list[tuple[int, bytes, bytes]]:
        """Epochs that a meter sealed under an agreement, in order, their roots and signatures."""
        text = "SELECT epoch, root, signature FROM epoch_seals WHERE meter = ? AND agreement = ? ORDER BY epoch"
        rows = self._query(text, meter, agreement)
        return [(epoch, bytes(root), bytes(signature)) for epoch, root, signature in rows]

    def renew_seal(self, meter: str, epoch: int, signature: bytes) -> None:
        """Put a new key's signature of a sealed epoch in the place of the old one's."""
        self._renew("UPDATE epoch_seals SET signature = ? WHERE meter = ? AND epoch = ?", signature, meter, epoch)

    def renew_head(self, meter: str, period: int, signature: bytes) -> None:
        """The same of a ledger head."""
        self._renew("UPDATE ledgers SET signature = ? WHERE meter = ? AND period = ?", signature, meter, period)

    def renew_epoch_entry(self, old: bytes, new: bytes) -> None:
        """The same of an epoch's log entry."""
        self._renew("UPDATE epoch_heads SET entry = ? WHERE entry = ?", new, old)

    def renew_loss(self, old: bytes, new: bytes) -> None:
        """The same of a loss's."""
        self._renew("UPDATE losses SET entry = ? WHERE entry = ?", new, old)

    def renew_claim(self, kept: KeptClaim) -> None:
        """The same of a claim and its entry."""
        self._renew("UPDATE claims SET claim = ?, entry = ? WHERE period = ?", kept.claim, kept.entry, kept.period)

    def _renew(self, text: str, *values: object) -> None:
        with self.transaction():
            self._db.execute(text, values)

    def epoch_entries_after(self, agreement: bytes, epoch: int) -> list[bytes]:
        """The lab's log entries under an agreement of epochs after one, in order."""
        rows = self._query("SELECT entry FROM epoch_heads WHERE epoch > ? AND agreement = ? ORDER BY epoch", epoch, agreement)
        return [bytes(row[0]) for row in rows]
