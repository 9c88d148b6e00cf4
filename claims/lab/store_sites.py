"""What a lab's stores keep of each other: tags that headquarters allotted, and the records of sites whose readings are elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from claims.claim.handover import Records, TagRow
from claims.lab.store_file import StoreError, StoreFile

__all__ = ["SiteStore"]


class SiteStore(StoreFile):
    """The part of a store that knows of others."""

    def allot(self, period: int, tags: Iterable[int]) -> None:
        """Note that tags are for one period, once; the same again changes nothing."""
        with self.transaction():
            for tag in tags:
                rows = self._query("SELECT period FROM allotted WHERE tag = ?", tag)
                if rows and rows[0][0] != period:
                    what = f"a tag was allotted to period {rows[0][0]}, and is one period's alone"
                    raise StoreError(what, "close the work first: standstill lab snapshot")
                if not rows:
                    self._db.execute("INSERT INTO allotted VALUES (?, ?, NULL)", (tag, period))

    def allotted(self, period: int) -> list[TagRow]:
        """The tags that were allotted to a period, ascending, with their names; ``saved`` as noted by :meth:`note_saved`."""
        rows = self._query(
            "SELECT n.name, a.tag, a.saved FROM allotted a JOIN names n ON n.tag = a.tag WHERE a.period = ? ORDER BY a.tag", period
        )
        return [TagRow(*row) for row in rows]

    def note_saved(self, tag: int, epoch: int) -> None:
        """In a site's store: note when headquarters says that a checkpoint was saved."""
        with self.transaction():
            self._db.execute("UPDATE allotted SET saved = ? WHERE tag = ?", (epoch, tag))

    def take_tag(self, row: TagRow) -> None:
        """In a site's store: give a name the tag that headquarters allotted to it."""
        with self.transaction():
            self._db.execute("INSERT INTO names VALUES (?, ?)", (row.tag, row.name))

    def add_records(self, period: int, site: str, records: Records) -> None:
        """Store what a site's summary says, of a site whose readings are elsewhere, once."""
        with self.transaction():
            self._db.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", [(period, site, tag, work) for tag, work in records])

    def records(self, period: int, site: str) -> Records:
        """What :meth:`add_records` stored."""
        return tuple(self._query("SELECT tag, work FROM records WHERE period = ? AND site = ? ORDER BY tag", period, site))

    def handed_in(self, period: int) -> set[str]:
        """Sites of which :meth:`add_records` stored something."""
        return {str(site) for (site,) in self._query("SELECT DISTINCT site FROM records WHERE period = ?", period)}

    def is_elsewhere(self, period: int, meter: str) -> bool:
        """Whether a site's store has the readings of a meter that has signed a period."""
        rows = self._query("SELECT iv FROM ledgers WHERE period = ? AND meter = ?", period, meter)
        return bool(rows) and rows[0][0] is None
