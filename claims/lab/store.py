"""The lab's private store: one SQLite file with readings, registry, blinding values and published heads.

    usage (imported, exact milliseconds) --seal_epoch--> readings + seed + signed root         per meter and epoch
    readings of a period --seal--> ledger secrets + signed head                                per meter and period
    registry + meters' roots --add_epoch_head--> seed + signed log entry                       per epoch
    drafts (checkpoints of the open period) --close--> entries + trailer + registry head       per period

What is sealed, published or closed is never changed: triggers in the file refuse it, whoever connects. The file
holds everything that the proof hides; FORMATS-store.md describes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from claims.base.canonical import head_from_bytes, head_to_bytes
from claims.claim.records import (
    FIRST_TAG,
    IDLE,
    KINDS,
    MAX_TOTAL,
    UNATTRIBUTED,
    Draft,
    Elements,
    EpochHead,
    EpochSeal,
    Genesis,
    LedgerSecrets,
    Noted,
    PublishedHead,
    Reading,
    RegistryEntry,
    SignedHead,
    SummaryHead,
    Usage,
    fresh_elements,
)
from claims.lab.store_amended import AmendedStore, SetAside
from claims.lab.store_file import APPLICATION_ID, FORMAT_VERSION, StoreError
from claims.lab.store_imports import Import, ImportStore
from claims.lab.store_names import StoreNames, genesis_of
from claims.lab.store_signed import SignedStore, seal_of
from claims.lab.store_sites import SiteStore
from claims.lab.store_tables import TableStore

__all__ = [
    "APPLICATION_ID",
    "FIRST_TAG",
    "FORMAT_VERSION",
    "IDLE",
    "KINDS",
    "MAX_TOTAL",
    "UNATTRIBUTED",
    "Draft",
    "EpochHead",
    "EpochSeal",
    "Genesis",
    "Import",
    "LedgerSecrets",
    "Noted",
    "PublishedHead",
    "Reading",
    "RegistryEntry",
    "SetAside",
    "SignedHead",
    "Store",
    "StoreError",
    "SummaryHead",
    "Usage",
    "fresh_elements",
]


def _u64(value: int, what: str) -> bytes:
    if type(value) is not int or not 0 <= value <= MAX_TOTAL:
        raise StoreError(f"{what} does not fit in 64 bits", "amounts are whole numbers of 10^12 FLOP below 2^64")
    return value.to_bytes(8, "big")


def _genesis_row(genesis: Genesis | None) -> tuple[bytes | None, int]:
    if genesis is None:
        return (None, 0)
    if len(genesis.commitment) != 32 or not 0 < genesis.round < 2**63:
        raise StoreError("a genesis is a commitment of 32 bytes and a drand round", "see `standstill genesis`")
    return (genesis.commitment, genesis.round)


class Store(ImportStore, StoreNames, SignedStore, TableStore, AmendedStore, SiteStore):
    """An open store. Use :meth:`create` or :meth:`open`, and as a context manager.

    Raises:
        StoreError: on every refusal; the file is then as it was before the call.
    """

    # ---- usage and ledgers -------------------------------------------------------------------------------

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

    def seal_epoch(self, period: int, meter: str, seals: Iterable[EpochSeal], rows: Iterable[tuple[int, int, int, int]]) -> None:
        """Store a meter's final readings (epoch, tag, chip_seconds, work) of epochs with its commitments to them, once, in order."""
        after = self._query("SELECT COALESCE(MAX(seq) + 1, 0) FROM readings WHERE period = ? AND meter = ?", period, meter)[0][0]
        with self.transaction():
            self._db.executemany(
                "INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?, ?)", ((period, meter, seq, *row) for seq, row in enumerate(rows, after))
            )
            self._db.executemany(
                "INSERT INTO epoch_seals VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((period, meter, epoch, agreement, seed, root, signature) for epoch, seed, root, signature, agreement in seals),
            )

    def seal(self, head: SignedHead, ledger_secrets: LedgerSecrets | None) -> None:
        """Store a meter's signed head of a period, over readings sealed before, with its blinding values, once; None: a site has both.

        Sealing again with the same head and agreement changes nothing; with another one it is refused.
        """
        known = self.signed_head(head.period, head.meter)
        if known is not None:
            if (known.head, known.agreement_digest) == (head.head, head.agreement_digest):
                return
            raise StoreError(
                f"meter {head.meter} has signed another head for period {head.period}",
                "two signed heads for one meter and period are evidence of a breach: keep the first",
            )
        blinding = (None, None) if ledger_secrets is None else (ledger_secrets.iv, ledger_secrets.trailer)
        values = (*(None if item is None else head_to_bytes(item) for item in blinding), head_to_bytes(head.head))
        with self.transaction():
            self._db.execute(
                "INSERT INTO ledgers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (head.period, head.meter, head.agreement_digest, *values, head.roots_digest, head.signature),
            )

    def readings(self, period: int, meter: str) -> list[Reading]:
        """Sealed readings, in the order in which the head absorbs them."""
        return [Reading(*row) for row in self.reading_rows(period, meter)]

    def reading_rows(self, period: int, meter: str) -> list[tuple[int, int, int, int]]:
        """As :meth:`readings`: epoch, tag, chip-seconds and work."""
        text = "SELECT epoch, tag, chip_seconds, work FROM readings WHERE period = ? AND meter = ? ORDER BY seq"
        return self._query(text, period, meter)  # type: ignore[return-value]

    def signed_head(self, period: int, meter: str) -> SignedHead | None:
        """The meter's signed head of a period, or None."""
        rows = self._query(
            "SELECT agreement, head, roots, signature FROM ledgers WHERE period = ? AND meter = ?", period, meter
        )
        if not rows:
            return None
        agreement, head, roots, signature = (bytes(value) for value in rows[0])
        return SignedHead(meter, period, agreement, head_from_bytes(head), roots, signature)

    def epoch_seals(self, period: int, meter: str) -> list[EpochSeal]:
        """What a meter committed to in each sealed epoch of a period, in order; the period may still be open."""
        rows = self._query(
            "SELECT epoch, seed, root, signature, agreement FROM epoch_seals WHERE period = ? AND meter = ? ORDER BY epoch",
            period,
            meter,
        )
        return [seal_of(*row) for row in rows]

    def epoch_roots(self, period: int, meter: str) -> list[bytes]:
        """As :meth:`epoch_seals`, the roots alone."""
        rows = self._query("SELECT root FROM epoch_seals WHERE period = ? AND meter = ? ORDER BY epoch", period, meter)
        return [bytes(row[0]) for row in rows]

    def epoch_seal(self, meter: str, epoch: int) -> EpochSeal | None:
        """What a meter committed to in one epoch, or None while it is not sealed."""
        rows = self._query(
            "SELECT seed, root, signature, agreement FROM epoch_seals WHERE meter = ? AND epoch = ?", meter, epoch
        )
        return seal_of(epoch, *rows[0]) if rows else None

    def count_seals(self, meter: str, epochs: range, agreement: bytes) -> int:
        """How many of some epochs a meter has sealed under an agreement."""
        text = "SELECT COUNT(*) FROM epoch_seals WHERE meter = ? AND epoch >= ? AND epoch < ? AND agreement = ?"
        return int(self._query(text, meter, epochs.start, epochs.stop, agreement)[0][0])

    def sealed_otherwise(self, meter: str, epochs: range, agreement: bytes) -> tuple[int, bytes] | None:
        """The first of some epochs that a meter has sealed under another agreement than this one, and which; or None."""
        rows = self._query(
            "SELECT epoch, agreement FROM epoch_seals WHERE meter = ? AND epoch >= ? AND epoch < ? AND agreement <> ? "
            "ORDER BY epoch LIMIT 1",
            meter, epochs.start, epochs.stop, agreement,
        )  # fmt: skip
        return (int(rows[0][0]), bytes(rows[0][1])) if rows else None

    def sealed_through(self, period: int, meter: str) -> int | None:
        """The last epoch of a period that a meter has sealed, or None."""
        rows = self._query("SELECT MAX(epoch) FROM epoch_seals WHERE period = ? AND meter = ?", period, meter)
        return None if rows[0][0] is None else int(rows[0][0])

    def last_sealed(self, meter: str) -> int | None:
        """The last epoch of any period that a meter has sealed, or None."""
        last = self._query("SELECT MAX(epoch) FROM epoch_seals WHERE meter = ?", meter)[0][0]
        return None if last is None else int(last)

    def knows(self, meter: str, before: int) -> bool:
        """Whether a meter has usage or seals of epochs before one."""
        tables = ("usage", "epoch_seals")
        return any(self._query(f"SELECT 1 FROM {table} WHERE meter = ? AND epoch < ? LIMIT 1", meter, before) for table in tables)

    def newest_epoch(self) -> int | None:
        """The newest epoch of which anything was imported, sealed or published, or None."""
        found = [self._query(f"SELECT MAX(epoch) FROM {table}")[0][0] for table in ("usage", "epoch_seals", "epoch_heads")]
        return max((int(epoch) for epoch in found if epoch is not None), default=None)

    def epoch_readings(self, meter: str, epoch: int) -> list[Reading]:
        """Readings of an epoch that the meter has sealed, in the order in which its root holds them."""
        rows = self._query(
            "SELECT r.epoch, r.tag, r.chip_seconds, r.work FROM readings r JOIN epoch_seals s "
            "ON s.period = r.period AND s.meter = r.meter AND s.epoch = r.epoch "
            "WHERE s.meter = ? AND s.epoch = ? ORDER BY r.seq",
            meter,
            epoch,
        )
        return [Reading(*row) for row in rows]

    def ledger_secrets(self, period: int, meter: str) -> LedgerSecrets:
        """Blinding values of a sealed ledger."""
        rows = self._query("SELECT iv, trailer FROM ledgers WHERE period = ? AND meter = ?", period, meter)
        if not rows:
            raise StoreError(f"meter {meter} has not signed period {period}", "seal the period first")
        if rows[0][0] is None:
            raise StoreError(f"the readings of meter {meter} are in its site's store")
        return LedgerSecrets(*(head_from_bytes(bytes(value)) for value in rows[0]))

    def sealed_counts(self, period: int) -> dict[str, tuple[int, int]]:
        """Sealed readings of each meter in a period, and the last epoch that it has sealed of it."""
        rows = self._query("SELECT meter, COUNT(*), MAX(epoch) FROM readings WHERE period = ? GROUP BY meter", period)
        return {meter: (int(count), int(last)) for meter, count, last in rows}

    def count_readings(self, period: int) -> int:
        """How many sealed readings a period has, over all meters."""
        return int(self._query("SELECT COUNT(*) FROM readings WHERE period = ?", period)[0][0])

    def work_by_tag(self, period: int) -> dict[int, int]:
        """Exact work per tag over all sealed readings of a period (idle included, as 0), and records of sites elsewhere."""
        rows = self._query(
            "SELECT tag, SUM(work >> 24), SUM(work & 16777215) FROM (SELECT tag, work FROM readings WHERE period = ? "
            "UNION ALL SELECT tag, work FROM records WHERE period = ?) GROUP BY tag", period, period,
        )  # fmt: skip
        return {tag: (high << 24) + low for tag, high, low in rows}

    def tags_in_use(self, period: int) -> set[int]:
        """Tags of checkpoints that sealed or imported readings of a period carry, or that were allotted to sites."""
        tables = ("usage", "readings", "records", "allotted")
        rows = self._query(" UNION ".join(f"SELECT tag FROM {table} WHERE period = ?" for table in tables), *(period,) * len(tables))
        return {int(row[0]) for row in rows if int(row[0]) >= FIRST_TAG}

    # ---- registry ----------------------------------------------------------------------------------------

    def registry_iv(self) -> Elements:
        """The registry's IV, drawn once when the store was made."""
        return head_from_bytes(bytes(self._query("SELECT value FROM meta WHERE key = 'registry_iv'")[0][0]))

    def add_draft(self, period: int, draft: Draft) -> int:
        """Note a checkpoint for an open period; returns its tag. Its parents must be known names."""
        if any(head.period >= period for head in self.registry_heads()):
            raise StoreError(f"period {period} is closed", "note the checkpoint in the next period")
        if len(draft.weights) != 32:
            raise StoreError(f"checkpoint {draft.name}: a weights digest is 32 bytes")
        published = self.published_through()
        if published is not None and draft.epoch <= published:
            raise StoreError(
                f"checkpoint {draft.name}: the registry of epoch {draft.epoch} is published",
                "note checkpoints before their epoch is published; a forgotten one belongs to a later epoch",
            )
        if self.site is not None:
            raise StoreError("checkpoints are noted at headquarters, and this is a site's store", "note them there")
        parents = [self._parent(draft, name) for name in draft.parents] + [0, 0]
        with self.transaction():
            tag = self.tag(draft.name)
            if tag < FIRST_TAG:
                raise StoreError(f"{draft.name!r} is not a checkpoint's name")
            if self.noted(tag) is not None:
                raise StoreError(f"checkpoint {draft.name} is in the registry already", "a new save needs a new name")
            branch = None if draft.branch is None else int(draft.branch)
            self._db.execute(
                "INSERT INTO drafts (import, period, tag, kind, parent1, parent2, branch, epoch, declared, weights, genesis, "
                "genesis_round) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self.importing, period, tag, KINDS.index(draft.kind) + 1, parents[0], parents[1], branch, draft.epoch,
                 _u64(draft.declared, f"checkpoint {draft.name}: declared work"), draft.weights, *_genesis_row(draft.genesis)),
            )  # fmt: skip
        return tag

    def _parent(self, draft: Draft, name: str) -> int:
        tag = self.find_tag(name) or 0
        parent = self.noted(tag)
        if parent is None:
            raise StoreError(
                f"checkpoint {draft.name}: its parent {name} is not in the registry", "add the parent first"
            )
        if parent.epoch > draft.epoch:
            raise StoreError(
                f"checkpoint {draft.name}, epoch {draft.epoch}, is dated before its parent {name}, epoch {parent.epoch}",
                "correct one of the two dates",
            )
        return tag

    def move_later(self, old_tag: int, new_tag: int, period: int) -> None:
        """Move a checkpoint's usage and draft of periods after ``period`` from one tag to another.

        The moved draft gets the old tag as its one parent, and leaves its genesis to it; drafts that named the old tag as parent
        name the new one.
        """
        if self._query("SELECT 1 FROM readings WHERE tag = ? AND period > ? LIMIT 1", old_tag, period):
            raise StoreError(
                f"a meter has signed readings of {self.name(old_tag)} after period {period}", "snapshot in order"
            )
        with self.transaction():
            for parent in ("parent1", "parent2"):
                self._db.execute(
                    f"UPDATE drafts SET {parent} = ? WHERE {parent} = ? AND period > ?", (new_tag, old_tag, period)
                )
            self._db.execute("UPDATE usage SET tag = ? WHERE tag = ? AND period > ?", (new_tag, old_tag, period))
            self._db.execute(
                "UPDATE drafts SET tag = ?, parent1 = ?, branch = 0, genesis = NULL, genesis_round = 0 WHERE tag = ? AND period > ?",
                (new_tag, old_tag, old_tag, period),
            )

    def move_back(self, old_tag: int, new_tag: int | None, name: str) -> None:
        """Undo a snapshot: its draft goes, and usage of the name's new tag is the old one's again, under the name."""
        with self.transaction():
            self._db.execute("DELETE FROM drafts WHERE tag = ?", (old_tag,))
            if new_tag is not None:
                self._db.execute("UPDATE usage SET tag = ? WHERE tag = ?", (old_tag, new_tag))
                self._db.execute("UPDATE names SET name = ? WHERE tag = ?", (f"{name} @undone-{new_tag}", new_tag))
            self._db.execute("UPDATE names SET name = ? WHERE tag = ?", (name, old_tag))

    def children(self, tag: int) -> list[str]:
        """Checkpoints of open periods that have a tag's checkpoint as a parent."""
        rows = self._query("SELECT n.name FROM drafts d JOIN names n USING (tag) WHERE ? IN (d.parent1, d.parent2) ORDER BY d.id", tag)
        return [str(name) for (name,) in rows]

    def drafts(self, period: int) -> list[Draft]:
        """Checkpoints noted for a period that is not closed, in order."""
        rows = self._query(
            "SELECT tag, kind, parent1, parent2, branch, epoch, declared, weights, genesis, genesis_round "
            "FROM drafts WHERE period = ? ORDER BY id",
            period,
        )
        drafts, names = [], self.names() if rows else {}
        for tag, kind, parent1, parent2, branch, epoch, declared, weights, *genesis in rows:
            parents = tuple(names.get(p, f"tag {p}") for p in (parent1, parent2) if p)
            flag = None if branch is None else bool(branch)
            amount = int.from_bytes(bytes(declared), "big")
            drafts.append(
                Draft(names.get(tag, f"tag {tag}"), KINDS[kind - 1], parents, flag, epoch, amount, bytes(weights), genesis_of(genesis))
            )
        return drafts

    def close_registry(self, new_entries: Iterable[RegistryEntry], published: PublishedHead) -> None:
        """Append entries and their head; drafts of the period go. Each period (and the opening) once, in order."""
        known = self.registry_heads()
        if known and published.period != known[-1].period + 1:
            raise StoreError(f"period {published.period} cannot be closed: the last one was {known[-1].period}")
        with self.transaction():
            for entry in new_entries:
                self._insert_entry(entry)
            self._db.execute("DELETE FROM drafts WHERE period = ?", (published.period,))
            count = self._query("SELECT COUNT(*) FROM entries")[0][0]
            if count != published.entries:
                raise StoreError(f"the head covers {published.entries} entries, the registry has {count}")
            self._db.execute(
                "INSERT INTO registry_heads VALUES (?, ?, ?, ?)",
                (published.period, head_to_bytes(published.head), head_to_bytes(published.trailer), published.entries),
            )

    def _insert_entry(self, entry: RegistryEntry) -> None:
        amounts = [
            _u64(value, f"checkpoint {entry.name}: {what}")
            for what, value in (("work", entry.work), ("declared", entry.declared), ("cumulative", entry.cumulative))
        ]
        self._db.execute(
            "INSERT INTO entries (period, tag, kind, parent1, parent2, base, epoch, work, declared, cumulative, weights, "
            "genesis, genesis_round, import) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
            "COALESCE((SELECT import FROM drafts WHERE tag = ?), 0))",
            (
                entry.period,
                entry.tag,
                entry.kind,
                entry.parent1,
                entry.parent2,
                entry.base,
                entry.epoch,
                *amounts,
                entry.weights,
                *_genesis_row(entry.genesis),
                entry.tag,
            ),
        )

    def entries(self, count: int | None = None) -> list[RegistryEntry]:
        """Closed entries in order: all, or the first ``count``."""
        rows = self._query(
            "SELECT tag, kind, parent1, parent2, base, epoch, work, declared, cumulative, weights, period, "
            "genesis, genesis_round FROM entries ORDER BY position LIMIT ?",
            -1 if count is None else count,
        )
        names: dict[int, str] = dict(self._query("SELECT tag, name FROM names"))
        result = []
        for tag, kind, parent1, parent2, base, epoch, work, declared, cumulative, weights, period, *genesis in rows:
            amounts = (int.from_bytes(value, "big") for value in (work, declared, cumulative))
            name = names.get(tag, "unattributed work")
            values: tuple[Any, ...] = (name, tag, kind, parent1, parent2, base, epoch, *amounts, weights, period, genesis_of(genesis))
            result.append(RegistryEntry(*values))
        return result

    def registry_heads(self) -> list[PublishedHead]:
        """Published registry heads, the opening head first."""
        rows = self._query("SELECT period, head, entries, trailer FROM registry_heads ORDER BY period")
        return [
            PublishedHead(period, head_from_bytes(bytes(head)), count, head_from_bytes(bytes(trailer)))
            for period, head, count, trailer in rows
        ]

    def registry_head(self, period: int) -> PublishedHead | None:
        """The registry head after a period, or None when it is not closed."""
        return next((head for head in self.registry_heads() if head.period == period), None)

    # ---- published epochs --------------------------------------------------------------------------------

    def add_epoch_head(self, head: EpochHead) -> None:
        """Store what the lab publishes of an epoch, once."""
        with self.transaction():
            self._db.execute(
                "INSERT INTO epoch_heads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (head.epoch, head.period, head.agreement, head.seed, head.registry_head, head.lab_root, head.closed, head.entry,
                 head.places),
            )  # fmt: skip

    def epoch_head(self, epoch: int) -> EpochHead | None:
        """What the lab published of an epoch, or None."""
        return next(iter(self._epoch_heads("epoch = ?", epoch)), None)

    def epoch_heads(self, period: int) -> list[EpochHead]:
        """What the lab published of a period's epochs, in order."""
        return self._epoch_heads("period = ?", period)

    def published_through(self) -> int | None:
        """The last epoch that the lab has published, or None."""
        last = self._query("SELECT MAX(epoch) FROM epoch_heads")[0][0]
        return None if last is None else int(last)

    def _epoch_heads(self, condition: str, value: int) -> list[EpochHead]:
        rows = self._query(
            "SELECT epoch, period, agreement, seed, registry_head, lab_root, closed, entry, places FROM epoch_heads "
            f"WHERE {condition} ORDER BY epoch",
            value,
        )
        return [
            EpochHead(epoch, period, bytes(agreement), bytes(seed), bytes(head), bytes(root), closed, bytes(entry), bytes(places))
            for epoch, period, agreement, seed, head, root, closed, entry, places in rows
        ]
