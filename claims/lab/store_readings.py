"""What a store holds of meters' readings: those of each sealed epoch, the seals over them, and the signed heads of periods."""

from __future__ import annotations

from collections.abc import Iterable

from claims.base.canonical import head_from_bytes, head_to_bytes
from claims.claim.records import FIRST_TAG, EpochSeal, LedgerSecrets, Reading, SignedHead
from claims.lab.store_file import StoreError, StoreFile
from claims.lab.store_signed import seal_of

__all__ = ["ReadingStore"]


class ReadingStore(StoreFile):
    """The part of a store that holds sealed readings."""

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
