"""The lab's private store: one SQLite file with readings, registry, blinding values and published heads.

    usage (imported, exact milliseconds) --seal_epoch--> readings + seed + signed root         per meter and epoch
    readings of a period --seal--> ledger secrets + signed head                                per meter and period
    registry + meters' roots --add_epoch_head--> seed + signed log entry                       per epoch
    drafts (checkpoints of the open period) --close--> entries + trailer + registry head       per period

What is sealed, published or closed is never changed: triggers in the file refuse it, whoever connects. The file
holds everything that the proof hides; FORMATS-store.md describes it.
"""

from __future__ import annotations

from claims.lab.store_amended import AmendedStore
from claims.lab.store_imports import ImportStore
from claims.lab.store_readings import ReadingStore
from claims.lab.store_registry import RegistryStore
from claims.lab.store_signed import SignedStore
from claims.lab.store_sites import SiteStore
from claims.lab.store_tables import TableStore

__all__ = ["Store"]


class Store(ImportStore, RegistryStore, ReadingStore, SignedStore, TableStore, AmendedStore, SiteStore):
    """An open store. Use :meth:`create` or :meth:`open`, and as a context manager.

    Raises:
        StoreError: on every refusal; the file is then as it was before the call.
    """

    def keep_calendar(self, calendar: tuple[int, int, int]) -> tuple[int, int, int]:
        """Note by which start (Unix seconds), epoch (seconds) and epochs in a period everything here is dated; returns what is noted.

        It can be replaced while nothing is dated.
        """
        with self.transaction():
            rows = self._query("SELECT value FROM meta WHERE key = 'calendar'")
            known = tuple(int(item) for item in bytes(rows[0][0]).split()) if rows else None
            if known == calendar or (known is not None and self._dated()):
                return known  # type: ignore[return-value]
            text = " ".join(str(item) for item in calendar).encode()
            self._db.execute("INSERT INTO meta VALUES ('calendar', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (text,))
        return calendar

    def _dated(self) -> bool:
        return any(self._query(f"SELECT 1 FROM {table} LIMIT 1") for table in ("usage", "drafts", "epoch_seals"))

    def extent(self) -> list[str]:
        """Whose store it is and how far it has come, in words."""
        heads, published = self.registry_heads(), self.published_through()
        closed = f"closed through period {heads[-1].period}" if len(heads) > 1 else "no period closed"
        epochs = "no epoch published" if published is None else f"epochs published through {published}"
        return [f"store of lab {self.lab}", f"{self.count_imports()} imports", closed, epochs]
