"""What a store holds of imports: files and what each brought, busy time with its origin, and how it is taken back.

An import's usage and checkpoints carry its number. It can be undone until a meter has sealed an epoch of it, or the lab has published
or closed a checkpoint of it: triggers refuse it too, whoever connects.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from claims.base import clock
from claims.claim.records import KINDS, UNATTRIBUTED, Usage
from claims.lab.store_file import StoreError, StoreFile

__all__ = ["COLLECTED", "EVER", "Import", "ImportStore", "Origin"]

EVER = range(2**62)
"""All epochs."""
COLLECTED = "collected"
"""Kind of the imports that a collector makes, one an epoch."""


@dataclass(frozen=True)
class Import:
    """One import. ``number``: by which it is undone; ``moment``: Unix seconds; ``sealed``: of its epochs, how many a meter has sealed.

    ``chip_ms``: busy time that it brought; ``checkpoints``: drafts of it in open periods.
    """

    number: int
    kind: str
    label: str
    moment: int
    rows: int
    meters: int
    chip_ms: int
    checkpoints: int
    sealed: int


@dataclass(frozen=True)
class Origin:
    """Where a row of usage came from: an import's label, and a line of its file (0: of several lines, or of none)."""

    label: str
    line: int

    def __str__(self) -> str:
        return f"{self.label}:{self.line}" if self.line else self.label


class ImportStore(StoreFile):
    """The part of :class:`claims.lab.store.Store` that holds imports and usage."""

    importing = 0
    """The import to which what is added belongs, until the transaction ends; 0: none."""

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """As in :class:`StoreFile`; an import that was begun inside ends with the outermost."""
        outermost = not self._db.in_transaction
        try:
            with super().transaction():
                yield
        finally:
            if outermost:
                self.importing = 0

    def begin_import(self, digest: bytes, kind: str, label: str) -> None:
        """Note an import: what is added from here to the end of the transaction belongs to it.

        Args:
            digest: SHA-256 that says what is imported. A second time is refused: it would be charged twice.
        """
        with self.transaction():
            rows = self._query("SELECT number, label FROM imports WHERE digest = ?", digest)
            if rows:
                raise StoreError(
                    f"the same file was imported before, as {rows[0][1]}, number {rows[0][0]}",
                    "importing it again would charge it twice; to take that back: standstill import undo",
                )
            text = label.encode(errors="replace").decode()
            self._db.execute("INSERT INTO imports (digest, kind, label, moment) VALUES (?, ?, ?, ?)", (digest, kind, text, clock.now()))
            self.importing = int(self._query("SELECT MAX(number) FROM imports")[0][0])

    def imported(self, digest: bytes) -> bool:
        """Whether there is an import of this digest."""
        return bool(self._query("SELECT 1 FROM imports WHERE digest = ?", digest))

    def count_imports(self) -> int:
        """How many files, and epochs of a collector, were imported."""
        return int(self._query("SELECT COUNT(*) FROM imports")[0][0])

    def imports(self) -> list[Import]:
        """All imports, in order."""
        usage = self._by_import("SELECT import, COUNT(*), COUNT(DISTINCT meter), SUM(chip_ms) FROM usage GROUP BY import")
        drafts = self._by_import("SELECT import, COUNT(*) FROM drafts GROUP BY import")
        sealed = self._by_import(
            "SELECT import, COUNT(*) FROM (SELECT DISTINCT u.import, u.meter, u.epoch FROM usage u "
            "JOIN epoch_seals s ON s.meter = u.meter AND s.epoch = u.epoch) GROUP BY import"
        )
        rows = self._query("SELECT number, kind, label, moment FROM imports ORDER BY number")
        return [Import(*row, *usage.get(row[0], (0, 0, 0)), *drafts.get(row[0], (0,)), *sealed.get(row[0], (0,))) for row in rows]

    def _by_import(self, text: str) -> dict[int, tuple[int, ...]]:
        return {number: tuple(values) for number, *values in self._query(text)}

    def _sealed_of(self, number: int) -> list[tuple[str, int]]:
        return self._query(
            "SELECT DISTINCT u.meter, u.epoch FROM usage u JOIN epoch_seals s ON s.meter = u.meter AND s.epoch = u.epoch "
            "WHERE u.import = ? ORDER BY u.epoch", number,
        )  # type: ignore[return-value]  # fmt: skip

    def undo_import(self, number: int) -> Import:
        """Take back an import, its usage and its checkpoints. Returns what it was.

        Raises:
            StoreError: there is none of this number; or what is signed, published or closed, or what others build on, would go.
        """
        with self.transaction():
            found = next((item for item in self.imports() if item.number == number), None)
            if found is None:
                raise StoreError(f"there is no import number {number}", "standstill import list")
            what = f"import {number}, {found.label}"
            if sealed := self._sealed_of(number):
                meter, epoch = sealed[0]
                raise StoreError(f"{what}: meter {meter} has sealed epoch {epoch} of it", "what is sealed stays")
            if found.kind == COLLECTED and self._query("SELECT 1 FROM epoch_seals LIMIT 1"):
                raise StoreError(f"{what}: a collector sealed it", "what is sealed stays")
            self._check_drafts(number, what)
            for table in ("usage", "drafts"):
                self._db.execute(f"DELETE FROM {table} WHERE import = ?", (number,))
            self._db.execute("DELETE FROM imports WHERE number = ?", (number,))
        return found

    def _check_drafts(self, number: int, what: str) -> None:
        closed = self._query("SELECT n.name FROM entries e JOIN names n USING (tag) WHERE e.import = ? LIMIT 1", number)
        if closed:
            raise StoreError(f"{what}: the period of its checkpoint {closed[0][0]} is closed", "what is closed stays")
        published = self._query(
            "SELECT n.name, d.epoch FROM drafts d JOIN names n USING (tag) WHERE d.import = ? "
            "AND d.epoch <= (SELECT MAX(epoch) FROM epoch_heads) LIMIT 1", number,
        )  # fmt: skip
        if published:
            name, epoch = published[0]
            raise StoreError(f"{what}: its checkpoint {name} of epoch {epoch} is published", "what is published stays")
        child = self._query(
            "SELECT one.name, two.name FROM drafts d JOIN drafts c ON d.tag IN (c.parent1, c.parent2) "
            "JOIN names one ON one.tag = d.tag JOIN names two ON two.tag = c.tag WHERE d.import = ? AND c.import <> ? LIMIT 1",
            number, number,
        )  # fmt: skip
        if child:
            raise StoreError(f"{what}: its checkpoint {child[0][0]} is the parent of {child[0][1]}", "undo the later import first")

    def forget_imports(self) -> None:
        """Take back all usage and checkpoints noted, and the calendar that dates them. Refused once anything is signed or a period cut."""
        if any(self._query(f"SELECT 1 FROM {table} LIMIT 1") for table in ("epoch_seals", "ledgers", "epoch_heads")):
            raise StoreError("a meter has signed what was imported", "what is signed stays")
        if self._query("SELECT 1 FROM drafts WHERE kind = ? LIMIT 1", KINDS.index("SNAPSHOT") + 1):
            raise StoreError("a snapshot has closed unfinished work", "restore a backup from before it: standstill lab restore")
        with self.transaction():
            for table in ("usage", "drafts", "imports", "meta WHERE key = 'calendar'"):
                self._db.execute(f"DELETE FROM {table}")

    # ---- usage -------------------------------------------------------------------------------------------

    def add_usage(self, period: int, meter: str, usage: Iterable[Usage]) -> None:
        """Add imported busy time of one meter. Refused for epochs that the meter has signed."""
        self.add_rows(period, meter, [(u.epoch, 0, u.tag, u.chip_ms, u.work) for u in usage])

    def add_rows(self, period: int, meter: str, rows: Iterable[tuple[int, int, int, int, int | None]]) -> None:
        """As :meth:`add_usage`: epoch, line of the import's file (0: of several), tag, chip-milliseconds, work."""
        sealed = self._query("SELECT MAX(epoch) FROM epoch_seals WHERE period = ? AND meter = ?", period, meter)[0][0]
        if self._query("SELECT 1 FROM ledgers WHERE period = ? AND meter = ?", period, meter):
            raise StoreError(f"meter {meter} has signed period {period}", "late readings cannot be added to a signed ledger")
        rows = list(rows)
        late = [row[0] for row in rows if row[0] <= sealed] if sealed is not None else []
        if late:
            raise StoreError(f"meter {meter} has signed epoch {min(late)}", "late readings cannot be added to a signed epoch")
        with self.transaction():
            after = self._query(
                "SELECT COALESCE(MAX(place), 0) + 1 FROM usage WHERE period = ? AND meter = ? AND import = ?", period, meter, self.importing
            )[0][0]
            self._db.executemany(
                "INSERT INTO usage (period, meter, import, place, epoch, line, tag, chip_ms, work) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((period, meter, self.importing, place, *row) for place, row in enumerate(rows, after)),
            )

    def usage(self, period: int, meter: str, epochs: range = EVER) -> list[Usage]:
        """Imported busy time, by epoch and then as imported."""
        return [Usage(*row) for row in self._usage("work", period, meter, epochs)]

    def busy_rows(self, period: int, meter: str, epochs: range) -> list[tuple[int, int, int, int]]:
        """Epoch, tag and chip-milliseconds of imported busy time, and 0, by epoch."""
        return self._usage("0", period, meter, epochs)  # type: ignore[return-value]

    def _usage(self, work: str, period: int, meter: str, epochs: range) -> list[tuple[Any, ...]]:
        return self._query(
            f"SELECT epoch, tag, chip_ms, {work} FROM usage WHERE period = ? AND meter = ? AND epoch >= ? AND epoch < ? "
            "ORDER BY epoch, import, place",
            period, meter, epochs.start, epochs.stop,
        )  # fmt: skip

    def origins(self, period: int, meter: str, epoch: int) -> list[Origin]:
        """Where a meter's usage of an epoch came from, the largest rows first."""
        rows = self._query(
            "SELECT COALESCE(i.label, 'no import'), u.line FROM usage u LEFT JOIN imports i ON i.number = u.import "
            "WHERE u.period = ? AND u.meter = ? AND u.epoch = ? ORDER BY u.chip_ms DESC",
            period, meter, epoch,
        )  # fmt: skip
        return [Origin(*row) for row in rows]

    def due_readings(self, period: int, held: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        """Readings that imported usage of a period will take, and over how many epochs it lies, meter by meter.

        As :func:`claims.lab.coverage.cover` makes them: one for each tag of an epoch, and one of idle time where any is left.

        Args:
            held: each meter's chip-seconds in an epoch, and the first epoch that counts.
        """
        rows = self._query(
            "WITH held AS MATERIALIZED (SELECT key AS meter, json_extract(value, '$[0]') AS room, json_extract(value, '$[1]') AS first "
            "FROM json_each(?)) SELECT meter, SUM(tags + (seconds < room)), COUNT(*) FROM (SELECT meter, epoch, COUNT(*) AS tags, "
            "SUM(seconds) AS seconds FROM (SELECT meter, epoch, (SUM(chip_ms) + 999) / 1000 AS seconds FROM usage WHERE period = ? "
            "GROUP BY meter, epoch, tag) GROUP BY meter, epoch) JOIN held USING (meter) WHERE epoch >= first GROUP BY meter",
            json.dumps(held), period,
        )  # fmt: skip
        return {meter: (int(readings), int(epochs)) for meter, readings, epochs in rows}

    def meter_tags(self, period: int) -> dict[str, set[int]]:
        """Tags of a meter's imported and sealed work of a period."""
        found: dict[str, set[int]] = {}
        for table in ("usage", "readings"):
            for meter, tag in self._query(f"SELECT DISTINCT meter, tag FROM {table} WHERE period = ?", period):
                found.setdefault(meter, set()).add(tag)
        return found

    def has_crowd(self, period: int, most: int) -> bool:
        """Whether any meter has at least ``most`` imported rows of usage in an epoch."""
        text = "SELECT 1 FROM usage WHERE period = ? GROUP BY meter, epoch HAVING COUNT(*) >= ? LIMIT 1"
        return bool(self._query(text, period, most))

    def crowded_epoch(self, period: int, meter: str, coverage: int, most: int) -> int | None:
        """The first epoch whose imported usage takes more than ``most`` readings of a meter, certain idle time included, or None."""
        rows = self._query(
            "SELECT epoch FROM usage WHERE period = ? AND meter = ? GROUP BY epoch HAVING COUNT(DISTINCT tag) + "
            "(SUM(chip_ms) <= (? - COUNT(DISTINCT tag)) * 1000) > ? ORDER BY epoch LIMIT 1",
            period,
            meter,
            coverage,
            most,
        )
        return int(rows[0][0]) if rows else None

    def busy_epochs(self, period: int, meter: str) -> list[tuple[int, int, int]]:
        """Each epoch with imported usage of a meter, ascending: chip-milliseconds, and those that no checkpoint has."""
        rows = self._query(
            "SELECT epoch, SUM(chip_ms), SUM(CASE WHEN tag = ? THEN chip_ms ELSE 0 END) FROM usage WHERE period = ? AND meter = ? "
            "GROUP BY epoch ORDER BY epoch",
            UNATTRIBUTED, period, meter,
        )  # fmt: skip
        return rows  # type: ignore[return-value]

    def last_busy(self, period: int, meter: str, epochs: range) -> dict[int, int]:
        """Each tag of a meter's imported work of some epochs, with the last of them in which it is booked to the tag."""
        rows = self._query(
            "SELECT tag, MAX(epoch) FROM usage WHERE period = ? AND meter = ? AND epoch >= ? AND epoch < ? GROUP BY tag",
            period, meter, epochs.start, epochs.stop,
        )  # fmt: skip
        return dict(rows)
