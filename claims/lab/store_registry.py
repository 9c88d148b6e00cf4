"""What a store holds of the registry: checkpoints of open periods, entries and heads of closed ones, what was published of epochs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from claims.base.canonical import head_from_bytes, head_to_bytes
from claims.claim.records import (
    FIRST_TAG,
    KINDS,
    MAX_TOTAL,
    Draft,
    Elements,
    EpochHead,
    Genesis,
    PublishedHead,
    RegistryEntry,
)
from claims.lab.store_file import StoreError
from claims.lab.store_names import StoreNames, genesis_of

__all__ = ["RegistryStore"]


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


class RegistryStore(StoreNames):
    """The part of a store that holds the list of checkpoints."""

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
