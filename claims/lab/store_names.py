"""Names and tags of a store's checkpoints, and what is noted of each, in an open period or a closed one."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Self

from claims.base.sqlite_trouble import FAILURES
from claims.claim.records import (
    FIRST_TAG,
    KINDS,
    LAST_TAG,
    RESERVED_NAMES,
    UNATTRIBUTED_WORDS,
    Genesis,
    Noted,
)
from claims.lab.store_file import StoreError, StoreFile, store_trouble

__all__ = ["StoreNames", "genesis_of"]

MAX_CHECKPOINT_NAME = 200
_SNAPSHOT_END = re.compile(r" @period-[0-9]+\Z")
_NOTED = (
    "SELECT kind, parent1, parent2, epoch, period, branch, genesis, genesis_round FROM drafts WHERE tag = ? UNION ALL "
    "SELECT kind, parent1, parent2, epoch, period, CASE WHEN parent1 > 0 THEN base = parent1 END, genesis, genesis_round "
    "FROM entries WHERE tag = ?"
)
_LATER_USAGE = (
    "CREATE TEMP TABLE later AS SELECT * FROM main.usage WHERE period > {period}",
    "CREATE TEMP VIEW usage AS SELECT * FROM main.usage WHERE period <= {period} UNION ALL SELECT * FROM later",
    "CREATE TEMP TRIGGER usage_moved INSTEAD OF UPDATE OF tag ON usage BEGIN UPDATE later SET tag = NEW.tag WHERE period = OLD.period "
    "AND meter = OLD.meter AND epoch = OLD.epoch AND import = OLD.import AND place = OLD.place; END",
)


def genesis_of(row: Sequence[Any]) -> Genesis | None:
    """A genesis from its two columns."""
    return None if row[0] is None else Genesis(bytes(row[0]), int(row[1]))


class StoreNames(StoreFile):
    """The part of :class:`claims.lab.store.Store` that knows checkpoints by name."""

    def tag(self, name: str) -> int:
        """The checkpoint's tag; a new name gets one at random, never used before. "idle" and "unattributed" are fixed."""
        found = self.find_tag(name)
        if found is not None:
            return found
        self.check_name(name)
        if _SNAPSHOT_END.search(name):
            raise StoreError(f"{name[:40]!r} cannot name a new checkpoint", "snapshots have such names; choose another end")
        if self.site is not None:
            what = f"checkpoint {name} has no tag from headquarters: two that draw their own would make one run of two"
            raise StoreError(what, "ask for one (standstill lab tags), then: standstill building tags")
        with self.transaction():
            while True:
                tag = FIRST_TAG + secrets.randbelow(LAST_TAG - FIRST_TAG + 1)
                if not self._query("SELECT 1 FROM names WHERE tag = ?", tag):
                    self._db.execute("INSERT INTO names VALUES (?, ?)", (tag, name))
                    return tag

    @staticmethod
    def check_name(name: str) -> None:
        """Raises StoreError for a text that names no checkpoint. A snapshot's name is looked at without its end."""
        plain = name[: found.start()] if (found := _SNAPSHOT_END.search(name)) else name
        what = f"{name[:40]!r} cannot name a checkpoint"
        if not plain or len(plain) > MAX_CHECKPOINT_NAME or not plain.isprintable() or plain != plain.strip():
            raise StoreError(what, f"use 1 to {MAX_CHECKPOINT_NAME} printable characters")
        if "|" in plain or plain.lower() in {*RESERVED_NAMES, *UNATTRIBUTED_WORDS}:
            raise StoreError(what, "in files a bar separates parents, and these words say that there is no checkpoint")

    def tag_in(self, name: str, period: int) -> int:
        """As :meth:`tag`; where a snapshot closed the name's work in that period already, the snapshot's tag."""
        found = self.find_tag(self.snapshot_name(name, period))
        return self.tag(name) if found is None else found

    def rename(self, old: str, new: str) -> None:
        """Give a tag another private name, so that the old one can be used for a new tag."""
        tag = self.find_tag(old)
        if tag is None or tag < FIRST_TAG or self.find_tag(new) is not None:
            raise StoreError(f"{old!r} cannot be renamed to {new!r}", "the first must be known and the second free")
        with self.transaction():
            self._db.execute("UPDATE names SET name = ? WHERE tag = ?", (new, tag))

    def find_tag(self, name: str) -> int | None:
        """The tag of a known name, or None."""
        if name in RESERVED_NAMES:
            return RESERVED_NAMES[name]
        rows = self._query("SELECT tag FROM names WHERE name = ?", name)
        return int(rows[0][0]) if rows else None

    def name(self, tag: int) -> str:
        """The private name behind a tag."""
        for name, fixed in RESERVED_NAMES.items():
            if tag == fixed:
                return name
        rows = self._query("SELECT name FROM names WHERE tag = ?", tag)
        return str(rows[0][0]) if rows else ("none" if tag == 0 else f"tag {tag}")

    def names(self) -> dict[int, str]:
        """The private name behind every known tag."""
        return {tag: name for name, tag in RESERVED_NAMES.items()} | dict(self._query("SELECT tag, name FROM names"))

    @contextlib.contextmanager
    def scratch(self, period: int) -> Iterator[Self]:
        """The store to try out in what snapshots from an open period on would lead to: the file stays as it is, and nobody waits.

        What a snapshot changes is shadowed by tables in memory: names, checkpoints of open periods, and usage of later periods.
        """
        db = self._connect(self._path)
        try:
            db.execute("PRAGMA temp_store = MEMORY")
            db.execute("BEGIN")
            for table in ("names", "drafts"):
                (text,), = db.execute("SELECT sql FROM main.sqlite_schema WHERE name = ?", (table,))
                db.execute(text.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
                db.execute(f"INSERT INTO temp.{table} SELECT * FROM main.{table}")
            if db.execute("SELECT 1 FROM usage WHERE period > ? LIMIT 1", (period,)).fetchone():
                for text in _LATER_USAGE:
                    db.execute(text.format(period=period))
            yield type(self)(self._path, db, self._lab)
        except FAILURES as error:
            raise store_trouble(self._path, error) from None
        finally:
            db.close()

    # ---- what is noted -----------------------------------------------------------------------------------

    @staticmethod
    def snapshot_name(name: str, period: int) -> str:
        """The private name under which a period's unfinished work toward ``name`` is closed. No other checkpoint can have it."""
        return f"{name} @period-{period}"

    def snapshots(self, name: str) -> list[tuple[int, str]]:
        """(period, name) of every snapshot of the work toward ``name``, ascending; periods may be open."""
        start = self.snapshot_name(name, 0)[:-1]
        rows = self._query("SELECT name FROM names WHERE name > ? AND name < ?", start, start + ":")  # ":" follows "9"
        ends = [text[len(start) :] for (text,) in rows]
        return sorted((int(end), start + end) for end in ends if end.isdecimal())

    def noted(self, tag: int) -> Noted | None:
        """What is noted of a tag's checkpoint, in an open or a closed period, or None."""
        rows = self._query(_NOTED, tag, tag)
        if not rows:
            return None
        kind, parent1, parent2, epoch, period, branch, *genesis = rows[0]
        parents = tuple(self.name(parent) for parent in (parent1, parent2) if parent)
        return Noted(KINDS[kind - 1], parents, None if branch is None else bool(branch), epoch, period, genesis_of(genesis))

    def noted_as(self, name: str) -> Noted:
        """As :meth:`noted`, of a checkpoint that is known to be noted. Raises StoreError: it is not."""
        noted = self.noted(self.find_tag(name) or 0)
        if noted is None:
            raise StoreError(f"checkpoint {name} is not noted")
        return noted

    def last_use(self, tag: int) -> int | None:
        """The last epoch in which imported or sealed work is booked to a tag, or None."""
        rows = self._query("SELECT MAX(epoch) FROM usage WHERE tag = ? UNION SELECT MAX(epoch) FROM readings WHERE tag = ?", tag, tag)
        return max((int(row[0]) for row in rows if row[0] is not None), default=None)

    def last_uses(self) -> dict[int, int]:
        """As :meth:`last_use`, of every tag that has one."""
        text = "SELECT tag, MAX(epoch) FROM (SELECT tag, epoch FROM usage UNION ALL SELECT tag, epoch FROM readings) GROUP BY tag"
        return dict(self._query(text))

    def has_readings(self, tag: int) -> bool:
        """Whether a meter has sealed readings of a tag."""
        return bool(self._query("SELECT 1 FROM readings WHERE tag = ? LIMIT 1", tag))

    def first_period(self, tag: int) -> int | None:
        """The first period in which imported or sealed work is booked to a tag, or None."""
        rows = self._query("SELECT MIN(period) FROM usage WHERE tag = ? UNION SELECT MIN(period) FROM readings WHERE tag = ?", tag, tag)
        return min((int(row[0]) for row in rows if row[0] is not None), default=None)

    def sealed_work(self, period: int, meter: str) -> tuple[dict[int, int], int]:
        """Work of each tag in a meter's sealed readings of a period, and how many readings there are."""
        rows = self._query(
            "SELECT tag, SUM(work >> 24), SUM(work & 16777215), COUNT(*) FROM readings WHERE period = ? AND meter = ? GROUP BY tag",
            period, meter,
        )  # fmt: skip
        return {tag: (high << 24) + low for tag, high, low, _ in rows}, sum(row[3] for row in rows)

    def last_epochs(self, period: int) -> dict[int, int]:
        """Each tag of a period's imported or sealed work, with the last epoch in which it is booked to the tag."""
        rows = self._query(
            "SELECT tag, MAX(epoch) FROM (SELECT tag, epoch FROM usage WHERE period = ? UNION ALL "
            "SELECT tag, epoch FROM readings WHERE period = ?) GROUP BY tag",
            period,
            period,
        )
        return dict(rows)
