"""Tables and triggers of a lab's store. FORMATS-store.md explains them.

The triggers make history unchangeable in the file itself, whatever program connects to it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

__all__ = ["schema_statements"]

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE names (tag INTEGER PRIMARY KEY CHECK (tag BETWEEN 3 AND 16777215), name TEXT NOT NULL UNIQUE);
CREATE TABLE imports (
    number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32), kind TEXT NOT NULL, label TEXT NOT NULL,
    moment INTEGER NOT NULL);
CREATE TABLE usage (
    period INTEGER NOT NULL, meter TEXT NOT NULL, epoch INTEGER NOT NULL, import INTEGER NOT NULL, place INTEGER NOT NULL,
    line INTEGER NOT NULL, tag INTEGER NOT NULL CHECK (tag BETWEEN 2 AND 16777215),
    chip_ms INTEGER NOT NULL CHECK (chip_ms >= 0), work INTEGER, PRIMARY KEY (period, meter, epoch, import, place)) WITHOUT ROWID;
CREATE TABLE readings (
    period INTEGER NOT NULL, meter TEXT NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL,
    tag INTEGER NOT NULL CHECK (tag BETWEEN 1 AND 16777215),
    chip_seconds INTEGER NOT NULL CHECK (chip_seconds BETWEEN 0 AND 281474976710655),
    work INTEGER NOT NULL CHECK (work BETWEEN 0 AND 281474976710655), PRIMARY KEY (period, meter, seq)) WITHOUT ROWID;
CREATE TABLE ledgers (
    period INTEGER NOT NULL, meter TEXT NOT NULL, agreement BLOB NOT NULL CHECK (length(agreement) = 32),
    iv BLOB CHECK (iv IS NULL OR length(iv) = 32), trailer BLOB CHECK ((trailer IS NULL) = (iv IS NULL) AND length(trailer) = 32),
    head BLOB NOT NULL CHECK (length(head) = 32), roots BLOB NOT NULL CHECK (length(roots) = 32),
    signature BLOB NOT NULL CHECK (length(signature) IN (64, 2484)), PRIMARY KEY (period, meter)) WITHOUT ROWID;
CREATE TABLE epoch_seals (
    period INTEGER NOT NULL, meter TEXT NOT NULL, epoch INTEGER NOT NULL,
    agreement BLOB NOT NULL CHECK (length(agreement) = 32), seed BLOB CHECK (seed IS NULL OR length(seed) = 32),
    root BLOB NOT NULL CHECK (length(root) = 32), signature BLOB NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (meter, epoch)) WITHOUT ROWID;
CREATE TABLE epoch_heads (
    epoch INTEGER PRIMARY KEY, period INTEGER NOT NULL, agreement BLOB NOT NULL CHECK (length(agreement) = 32),
    seed BLOB NOT NULL CHECK (length(seed) = 32), registry_head BLOB NOT NULL CHECK (length(registry_head) = 32),
    lab_root BLOB NOT NULL CHECK (length(lab_root) = 32), closed INTEGER NOT NULL, entry BLOB NOT NULL,
    places BLOB NOT NULL CHECK (length(places) = 32));
CREATE TABLE drafts (
    id INTEGER PRIMARY KEY, period INTEGER NOT NULL, tag INTEGER NOT NULL UNIQUE REFERENCES names (tag), kind INTEGER NOT NULL,
    parent1 INTEGER NOT NULL, parent2 INTEGER NOT NULL, branch INTEGER, epoch INTEGER NOT NULL,
    declared BLOB NOT NULL CHECK (length(declared) = 8), weights BLOB NOT NULL CHECK (length(weights) = 32),
    genesis BLOB CHECK (genesis IS NULL OR length(genesis) = 32), genesis_round INTEGER NOT NULL, import INTEGER NOT NULL DEFAULT 0);
CREATE TABLE entries (
    position INTEGER PRIMARY KEY, period INTEGER, tag INTEGER NOT NULL, kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 6),
    parent1 INTEGER NOT NULL, parent2 INTEGER NOT NULL, base INTEGER NOT NULL, epoch INTEGER NOT NULL,
    work BLOB NOT NULL CHECK (length(work) = 8), declared BLOB NOT NULL CHECK (length(declared) = 8),
    cumulative BLOB NOT NULL CHECK (length(cumulative) = 8), weights BLOB NOT NULL CHECK (length(weights) = 32),
    genesis BLOB CHECK (genesis IS NULL OR length(genesis) = 32), genesis_round INTEGER NOT NULL, import INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX one_entry_per_tag ON entries (tag) WHERE tag > 2;
CREATE UNIQUE INDEX one_residue_per_period ON entries (period) WHERE kind = 6;
CREATE TABLE registry_heads (
    period INTEGER PRIMARY KEY, head BLOB NOT NULL CHECK (length(head) = 32),
    trailer BLOB NOT NULL CHECK (length(trailer) = 32), entries INTEGER NOT NULL);
CREATE TABLE claims (
    period INTEGER PRIMARY KEY, agreement BLOB NOT NULL CHECK (length(agreement) = 32), claim BLOB NOT NULL, entry BLOB NOT NULL);
CREATE TABLE losses (
    meter TEXT NOT NULL, epoch INTEGER NOT NULL, what INTEGER NOT NULL CHECK (what IN (1, 2)), name TEXT NOT NULL,
    back INTEGER NOT NULL CHECK (back IN (0, 1)), meter_key BLOB NOT NULL CHECK (length(meter_key) = 32),
    agreement BLOB NOT NULL CHECK (length(agreement) = 32), entry BLOB NOT NULL, PRIMARY KEY (meter, epoch, back)) WITHOUT ROWID;
CREATE TABLE summaries (
    period INTEGER NOT NULL, site TEXT NOT NULL, agreement BLOB NOT NULL CHECK (length(agreement) = 32),
    iv BLOB NOT NULL CHECK (length(iv) = 32), trailer BLOB NOT NULL CHECK (length(trailer) = 32),
    head BLOB NOT NULL CHECK (length(head) = 32), PRIMARY KEY (period, site)) WITHOUT ROWID;
CREATE TABLE proofs (
    period INTEGER NOT NULL, site TEXT NOT NULL, agreement BLOB NOT NULL CHECK (length(agreement) = 32), proof BLOB NOT NULL,
    PRIMARY KEY (period, site));
CREATE TABLE allotted (tag INTEGER PRIMARY KEY REFERENCES names (tag), period INTEGER NOT NULL, saved INTEGER);
CREATE TABLE records (
    period INTEGER NOT NULL, site TEXT NOT NULL, tag INTEGER NOT NULL CHECK (tag BETWEEN 2 AND 16777215),
    work INTEGER NOT NULL CHECK (work BETWEEN 0 AND 72057594037927935), PRIMARY KEY (period, site, tag)) WITHOUT ROWID;
CREATE TRIGGER allotted_update BEFORE UPDATE ON allotted WHEN OLD.saved IS NOT NULL OR NEW.tag <> OLD.tag OR NEW.period <> OLD.period
    BEGIN SELECT RAISE(ABORT, 'what was allotted is never changed'); END;
CREATE TRIGGER allotted_delete BEFORE DELETE ON allotted BEGIN SELECT RAISE(ABORT, 'what was allotted is never changed'); END;
CREATE TRIGGER names_update BEFORE UPDATE OF tag ON names BEGIN SELECT RAISE(ABORT, 'a tag is never changed'); END;
CREATE TRIGGER names_delete BEFORE DELETE ON names BEGIN SELECT RAISE(ABORT, 'a tag is never freed'); END;
CREATE TRIGGER meta_update BEFORE UPDATE ON meta WHEN OLD.key IN ('lab', 'site', 'registry_iv')
    BEGIN SELECT RAISE(ABORT, 'the lab and the registry''s start are fixed'); END;
CREATE TRIGGER meta_delete BEFORE DELETE ON meta
    WHEN OLD.key <> 'calendar' OR EXISTS (SELECT 1 FROM epoch_seals)
    BEGIN SELECT RAISE(ABORT, 'fixed'); END;
CREATE TRIGGER imports_update BEFORE UPDATE ON imports BEGIN SELECT RAISE(ABORT, 'an import is never changed'); END;
CREATE TRIGGER imports_delete BEFORE DELETE ON imports WHEN EXISTS (SELECT 1 FROM usage WHERE import = OLD.number)
        OR EXISTS (SELECT 1 FROM drafts WHERE import = OLD.number) OR EXISTS (SELECT 1 FROM entries WHERE import = OLD.number)
        OR (OLD.kind = 'collected' AND EXISTS (SELECT 1 FROM epoch_seals))
    BEGIN SELECT RAISE(ABORT, 'what was imported is there'); END;
CREATE TRIGGER usage_sealed BEFORE INSERT ON usage
    WHEN EXISTS (SELECT 1 FROM epoch_seals WHERE meter = NEW.meter AND epoch = NEW.epoch)
        OR EXISTS (SELECT 1 FROM ledgers WHERE period = NEW.period AND meter = NEW.meter)
    BEGIN SELECT RAISE(ABORT, 'the meter has signed this epoch'); END;
CREATE TRIGGER usage_update BEFORE UPDATE ON usage
    WHEN EXISTS (SELECT 1 FROM epoch_seals WHERE meter = OLD.meter AND epoch IN (OLD.epoch, NEW.epoch))
    BEGIN SELECT RAISE(ABORT, 'the meter has signed this epoch'); END;
CREATE TRIGGER usage_delete BEFORE DELETE ON usage
    WHEN EXISTS (SELECT 1 FROM epoch_seals WHERE meter = OLD.meter AND epoch = OLD.epoch)
    BEGIN SELECT RAISE(ABORT, 'the meter has signed this epoch'); END;
CREATE TRIGGER readings_sealed BEFORE INSERT ON readings
    WHEN EXISTS (SELECT 1 FROM epoch_seals WHERE meter = NEW.meter AND epoch >= NEW.epoch)
    BEGIN SELECT RAISE(ABORT, 'the meter has signed this epoch or a later one'); END;
CREATE TRIGGER epoch_seals_order BEFORE INSERT ON epoch_seals
    WHEN EXISTS (SELECT 1 FROM epoch_seals WHERE meter = NEW.meter AND epoch >= NEW.epoch)
        OR EXISTS (SELECT 1 FROM ledgers WHERE period = NEW.period AND meter = NEW.meter)
    BEGIN SELECT RAISE(ABORT, 'the meter has signed this epoch or a later one'); END;
CREATE TRIGGER epoch_heads_order BEFORE INSERT ON epoch_heads
    WHEN EXISTS (SELECT 1 FROM epoch_heads WHERE epoch >= NEW.epoch)
    BEGIN SELECT RAISE(ABORT, 'this epoch or a later one is published'); END;
CREATE TRIGGER losses_published BEFORE INSERT ON losses
    WHEN NEW.back = 0 AND EXISTS (SELECT 1 FROM epoch_heads WHERE epoch >= NEW.epoch)
    BEGIN SELECT RAISE(ABORT, 'this epoch is published'); END;
CREATE TRIGGER drafts_published BEFORE INSERT ON drafts WHEN EXISTS (SELECT 1 FROM epoch_heads WHERE epoch >= NEW.epoch)
    BEGIN SELECT RAISE(ABORT, 'the registry of this epoch is published'); END;
CREATE TRIGGER drafts_update BEFORE UPDATE ON drafts WHEN EXISTS (SELECT 1 FROM epoch_heads WHERE epoch >= OLD.epoch)
    BEGIN SELECT RAISE(ABORT, 'the registry of this epoch is published'); END;
CREATE TRIGGER drafts_undone BEFORE DELETE ON drafts
    WHEN EXISTS (SELECT 1 FROM epoch_heads WHERE epoch >= OLD.epoch)
        AND NOT EXISTS (SELECT 1 FROM entries WHERE tag = OLD.tag)
    BEGIN SELECT RAISE(ABORT, 'the registry of this epoch is published'); END;
CREATE TRIGGER drafts_closed BEFORE INSERT ON drafts WHEN EXISTS (SELECT 1 FROM registry_heads WHERE period >= NEW.period)
    BEGIN SELECT RAISE(ABORT, 'the period is closed'); END;
"""
_FROZEN = (
    "readings", "ledgers", "epoch_seals", "epoch_heads", "entries", "registry_heads", "claims", "summaries", "proofs", "losses", "records",
)  # fmt: skip


_SIGNED = {
    "ledgers": "period, meter, agreement, iv, trailer, head, roots", "epoch_seals": "period, meter, epoch, agreement, seed, root",
    "epoch_heads": "epoch, period, agreement, seed, registry_head, lab_root, closed, places", "claims": "period, agreement",
    "losses": "meter, epoch, what, name, back, meter_key, agreement",
}  # fmt: skip
"""All columns but signatures, which are made again when a key changed (:mod:`claims.lab.renewal`)."""


def _frozen_triggers() -> str:
    text = ""
    for table in _FROZEN:
        for action in (f"UPDATE OF {_SIGNED[table]}" if table in _SIGNED else "UPDATE", "DELETE"):
            text += (
                f"CREATE TRIGGER {table}_{action.split()[0].lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} are never changed'); END;\n"
            )
    for table in ("epoch_heads", "losses"):
        text += (
            f"CREATE TRIGGER {table}_renewed BEFORE UPDATE OF entry ON {table} "
            f"WHEN length(OLD.entry) <= 64 OR {_unsigned('OLD')} IS NOT {_unsigned('NEW')} "
            f"BEGIN SELECT RAISE(ABORT, '{table} are never changed'); END;\n"
        )
    return text


def _unsigned(row: str) -> str:
    """What an entry says, without its signature of 2,484 or 64 bytes."""
    size = f"length({row}.entry)"
    return f"substr({row}.entry, 1, {size} - CASE WHEN {size} > 2484 THEN 2484 ELSE 64 END)"


def schema_statements() -> Iterator[str]:
    """The statements that make an empty store, one by one."""
    pending = ""
    for line in (_SCHEMA + _frozen_triggers()).splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
