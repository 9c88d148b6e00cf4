"""Importer of checkpoints from CSV or Parquet. A bad file imports nothing. FORMATS-store.md has the columns.

    name, kind, parents, (epoch | time), [branch], [declared_flop], [weights], [genesis, genesis_round]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from claims.agreement.model import Agreement
from claims.agreement.over import check_begun
from claims.base.errors import ClaimsError
from claims.base.text import counted
from claims.base.units import WORK_UNIT
from claims.claim.records import Draft, Genesis
from claims.imports.rows import Refuses, Row, ceil_of, read_some
from claims.lab.lineage import note_checkpoint, starts_from_nothing
from claims.lab.registry import NO_WEIGHTS, check_enrolled, keep_calendar
from claims.lab.running import check_table
from claims.lab.store import Store

__all__ = ["CheckpointReport", "import_checkpoints", "note_drafts"]

_CHECKPOINT_COLUMNS = frozenset(
    {"name", "kind", "parents", "branch", "epoch", "time", "declared_flop", "weights", "genesis", "genesis_round"}
)


@dataclass
class CheckpointReport:
    """What was noted. ``roots``: names of those that start from nothing, neither parents nor declared work behind them."""

    noted: int = 0
    roots: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For people."""
        names = f": {', '.join(self.roots[:8])}{', ...' if len(self.roots) > 8 else ''}" if self.roots else ""
        return f"{counted(self.noted, 'checkpoint')} noted; of these start from nothing: {len(self.roots)}{names}"


def note_drafts(store: Store, agreement: Agreement, drafts: Iterable[tuple[Refuses, Draft]]) -> CheckpointReport:
    """Note checkpoints in order, each with where it stands; the caller's transaction makes it all or none.

    Raises:
        ImportRefused: naming file, line and remedy.
    """
    report, uses = CheckpointReport(), store.last_uses()
    for source, draft in drafts:
        try:
            tag = note_checkpoint(store, agreement, draft, uses)
            check_begun(agreement, draft.epoch, f"checkpoint {draft.name}")
        except ClaimsError as error:
            raise source.refuse(error.what, error.hint) from None
        report.noted += 1
        report.roots += [draft.name] if starts_from_nothing(store, tag) else []
    return report


def import_checkpoints(store: Store, agreement: Agreement, path: str | Path) -> CheckpointReport:
    """Note the checkpoints of a CSV or Parquet file, all or none.

    Raises:
        ImportRefused: naming file, line and remedy.
        RegistryError: the store is not the one in the agreement.
    """
    check_enrolled(store, agreement)
    rows, digest = read_some(path, _CHECKPOINT_COLUMNS)
    with store.transaction():
        keep_calendar(store, agreement)
        store.begin_import(digest, "checkpoints", Path(path).name)
        drafts = [_draft_of(row, agreement) for row in rows]
        report = note_drafts(store, agreement, zip(rows, drafts, strict=True))
        check_table(store, agreement, {draft.epoch // agreement.epochs_per_period for draft in drafts})
    return report


def _draft_of(row: Row, agreement: Agreement) -> Draft:
    name = row.need("name", "every checkpoint has a name")
    branch = {"": None, "yes": True, "no": False}.get(row.get("branch").lower(), "bad")
    if branch == "bad":
        raise row.refuse(f"branch {row.get('branch')!r} is neither yes nor no", "leave it empty to have it found")
    if bool(row.get("epoch")) == bool(row.get("time")):
        raise row.refuse("a checkpoint has either an epoch or a time")
    if row.get("epoch"):
        epoch = row.integer("epoch", "epochs are numbered from the agreement's start")
    else:
        epoch = (row.moment_ms("time", up=False) // 1000 - agreement.start) // agreement.epoch_seconds
    declared = ceil_of(row.decimal("declared_flop", "FLOP") / WORK_UNIT) if row.get("declared_flop") else 0
    kind = row.get("kind").upper() or "CHECKPOINT"
    if kind == "EXTERNAL" and not declared:
        raise row.refuse("weights from outside declare the work that made them", "fill in declared_flop, rounded up")
    text = row.get("weights").lower()
    if text and re.fullmatch(r"[0-9a-f]{64}", text) is None:
        raise row.refuse("weights is not a SHA-256 in hex", "64 hex digits, or leave it empty")
    parents = tuple(parent.strip() for parent in row.get("parents").split("|") if parent.strip())
    weights = bytes.fromhex(text) if text else NO_WEIGHTS
    return Draft(name, kind, parents, branch, epoch, declared, weights, _genesis(row))  # type: ignore[arg-type]


def _genesis(row: Row) -> Genesis | None:
    commitment = row.get("genesis").lower()
    if not commitment and not row.get("genesis_round"):
        return None
    if re.fullmatch(r"[0-9a-f]{64}", commitment) is None:
        raise row.refuse("genesis is not 64 hex digits", "the commitment that `standstill genesis commit` printed")
    number = row.integer("genesis_round", "the drand round that seeded the initial weights")
    if not 0 < number < 2**63:
        raise row.refuse(f"genesis_round {number} is not a drand round", "rounds are numbered from 1")
    return Genesis(bytes.fromhex(commitment), number)
