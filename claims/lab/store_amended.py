"""What a store knows of amendments: from which period on nothing counts under an agreement any more; and what was signed nevertheless."""

from __future__ import annotations

from dataclasses import dataclass

from claims.lab.store_file import StoreError, StoreFile

__all__ = ["AmendedStore", "SetAside"]

_VOID = b"void"
_EPOCHS = "SELECT MIN(epoch), MAX(epoch) FROM epoch_seals WHERE meter = ? AND agreement = ? AND period >= ?"


@dataclass(frozen=True)
class SetAside:
    """What was set aside: (meter, first epoch, last epoch) of seals; periods whose registry is open again; periods that were claimed;
    (meter or site, epoch) of what was said to be lost, or back."""

    seals: tuple[tuple[str, int, int], ...]
    reopened: tuple[int, ...]
    claimed: tuple[int, ...]
    losses: tuple[tuple[str, int], ...]


class AmendedStore(StoreFile):
    """The part of a store that knows agreements that others replace. Digests are 32 bytes."""

    def note_amendment(self, amended: bytes, successor: bytes, period: int, *, again: bool = True) -> None:
        """Note that another agreement takes over from a period on. ``again``: also where it was said not to be in force."""
        key, value = f"amended:{amended.hex()}:{successor.hex()}", b"%d" % period
        with self.transaction():
            known = self._query("SELECT value FROM meta WHERE key = ?", key)
            if not known or (again and bytes(known[0][0]) != value):
                self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def void_amendment(self, successor: bytes) -> None:
        """Note that an amendment is not in force. Raises StoreError: none of this digest is known, or it was signed under."""
        rows = self._query("SELECT key FROM meta WHERE key LIKE ?", f"amended:%:{successor.hex()}")
        if not rows:
            raise StoreError(f"the store knows of no amendment {successor.hex()}", "give the digest that was named")
        tables = ("epoch_seals", "ledgers", "epoch_heads", "claims")
        if any(self._query(f"SELECT 1 FROM {table} WHERE agreement = ? LIMIT 1", successor) for table in tables):
            raise StoreError(f"this lab has signed epochs or periods under {successor.hex()}", "go on under that agreement")
        with self.transaction():
            for (key,) in rows:
                self._db.execute("UPDATE meta SET value = ? WHERE key = ?", (_VOID, key))

    def successors(self, agreement: bytes) -> list[tuple[int, bytes]]:
        """(period, digest) of each agreement that takes over from one, the earliest first."""
        rows = self._query("SELECT key, value FROM meta WHERE key LIKE ?", f"amended:{agreement.hex()}:%")
        found = [(bytes(value), bytes.fromhex(key.rpartition(":")[2])) for key, value in rows]
        return sorted((int(value), digest) for value, digest in found if value != _VOID)

    def set_aside(self, agreement: bytes, period: int, first_epoch: int) -> SetAside:
        """Take out all that was signed under an agreement of periods from one on, and open their registry again. All or nothing.

        What was imported, and what is noted of checkpoints, stays. ``first_epoch``: of the period.

        Raises:
            StoreError: there is nothing of that kind; or a later period was closed under another agreement.
        """
        with self.transaction():
            found = self._signed_from(agreement, period, first_epoch)
            rules = self._query("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            for name, _ in rules:
                self._db.execute(f"DROP TRIGGER {name}")
            if found.reopened:
                self._reopen(found.reopened[0])
            self._db.execute(
                "DELETE FROM readings WHERE EXISTS (SELECT 1 FROM epoch_seals s WHERE s.meter = readings.meter "
                "AND s.epoch = readings.epoch AND s.agreement = ? AND s.period >= ?)",
                (agreement, period),
            )
            self._db.execute(
                "DELETE FROM records WHERE EXISTS (SELECT 1 FROM summaries s WHERE s.site = records.site "
                "AND s.period = records.period AND s.agreement = ? AND s.period >= ?)",
                (agreement, period),
            )
            for table in ("epoch_seals", "ledgers", "epoch_heads", "claims", "summaries", "proofs"):
                self._db.execute(f"DELETE FROM {table} WHERE agreement = ? AND period >= ?", (agreement, period))
            self._db.execute("DELETE FROM losses WHERE agreement = ? AND epoch >= ?", (agreement, first_epoch))
            for _, text in rules:
                self._db.execute(text)
        return found

    def _signed_from(self, agreement: bytes, period: int, first_epoch: int) -> SetAside:
        meters = self._query("SELECT DISTINCT meter FROM epoch_seals WHERE agreement = ? AND period >= ? ORDER BY meter", agreement, period)
        spans = [(str(name), self._query(_EPOCHS, name, agreement, period)[0]) for (name,) in meters]
        seals = [(name, int(first), int(last)) for name, (first, last) in spans]
        periods = [int(row[0]) for row in self._query("SELECT period FROM registry_heads WHERE period >= ? ORDER BY period", period)]
        lost = self._query("SELECT DISTINCT name, epoch FROM losses WHERE agreement = ? AND epoch >= ?", agreement, first_epoch)
        if not seals and not lost:
            raise StoreError(f"nothing from period {period} on is signed under agreement {agreement.hex()}", "nothing is to be set aside")
        if self._query("SELECT 1 FROM ledgers WHERE agreement <> ? AND period >= ? LIMIT 1", agreement, period):
            raise StoreError(f"meters have signed period {period} or a later one under another agreement too", "restore a backup")
        claimed = self._query("SELECT period FROM claims WHERE agreement = ? AND period >= ? ORDER BY period", agreement, period)
        losses = tuple((str(name), int(epoch)) for name, epoch in lost)
        return SetAside(tuple(seals), tuple(periods), tuple(int(row[0]) for row in claimed), losses)

    def _reopen(self, period: int) -> None:
        """Checkpoints of periods from one on are drafts again, in their order and with the branches that were written."""
        self._db.execute(
            "INSERT INTO drafts (period, tag, kind, parent1, parent2, branch, epoch, declared, weights, genesis, genesis_round, import) "
            "SELECT period, tag, kind, parent1, parent2, CASE WHEN kind IN (3, 4) AND parent1 > 0 THEN base = parent1 END, "
            "epoch, declared, weights, genesis, genesis_round, import FROM entries WHERE period >= ? AND kind <> 6 ORDER BY position",
            (period,),
        )
        self._db.execute("DELETE FROM entries WHERE period >= ?", (period,))
        self._db.execute("DELETE FROM registry_heads WHERE period >= ?", (period,))
