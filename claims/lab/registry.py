"""The checkpoint registry's arithmetic: work, bases, cumulatives, the residue and heads.

    drafts (claims/lab/lineage.py) --close_period--> entries: RESIDUE, then the period's drafts

    cumulative = work + declared + parents' cumulatives      (a MERGE of two parents with one base counts it once)
    R'         = R + the period's unattributed work          (carried by the RESIDUE entry)

Exact integers throughout; what does not fit in 64 bits is refused. circuits/README.md sections 2 and 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.base.errors import ClaimsError
from claims.base.units import format_time
from claims.claim.records import (
    FIRST_TAG,
    KINDS,
    MAX_TOTAL,
    UNATTRIBUTED,
    Draft,
    PublishedHead,
    RegistryEntry,
    circuit_entry,
    fresh_elements,
)
from claims.lab import heads
from claims.lab.closing import check_headquarters, check_registry
from claims.lab.losses import lost_in, work_of
from claims.lab.store import Store

if TYPE_CHECKING:
    pass

__all__ = [
    "NO_WEIGHTS",
    "RECEIVERS",
    "Opening",
    "RegistryError",
    "build_entries",
    "check_allotted",
    "check_enrolled",
    "check_receivers",
    "close_period",
    "entries_of",
    "keep_calendar",
    "late_work",
    "open_registry",
    "opening_head",
    "preview",
    "registry_head",
    "residue",
]

OPENING, EXTERNAL, CHECKPOINT, SNAPSHOT, MERGE, RESIDUE = range(1, 7)
RECEIVERS = ("CHECKPOINT", "SNAPSHOT")
"""Kinds of entries to which readings are booked."""
NO_WEIGHTS = bytes(32)
"""Digest of an entry whose weights were not saved (a SNAPSHOT, RESIDUE)."""

Elements = tuple[int, ...]


class RegistryError(ClaimsError):
    """The registry refuses an entry: unknown parent, wrong number of parents, overflow, readings without entry."""


@dataclass(frozen=True)
class Opening:
    """A checkpoint that existed when the agreement began. ``declared``: its cumulative work in units of 10^12 FLOP."""

    name: str
    declared: int
    weights: bytes = NO_WEIGHTS


def _fits(value: int, what: str) -> int:
    if not 0 <= value <= MAX_TOTAL:
        raise RegistryError(f"{what} does not fit in 64 bits", "no claim can be made about it")
    return value


# ---- opening ---------------------------------------------------------------------------------------------


def open_registry(store: Store, openings: Iterable[Opening], since_period: int = 0) -> Elements:
    """Write the opening registry and its head, once. Returns the head, which the agreement then fixes.

    Args:
        store: a store whose registry is empty.
        openings: checkpoints that exist already, with the cumulative work that their owner declares.
        since_period: period of the lab's first claim.
    """
    if store.registry_heads():
        raise RegistryError("the registry has been opened before", "its opening head is in the agreement")
    with store.transaction():
        entries: list[RegistryEntry] = []
        for opening in openings:
            tag = store.tag(opening.name)
            if tag < FIRST_TAG or any(entry.tag == tag for entry in entries):
                raise RegistryError(f"opening checkpoint {opening.name!r} is named twice or has a reserved name")
            amount = _fits(opening.declared, f"checkpoint {opening.name}: declared work")
            entries.append(
                RegistryEntry(opening.name, tag, OPENING, 0, 0, 0, 0, 0, amount, amount, opening.weights, None)
            )
        trailer = fresh_elements()
        head = registry_head(store, entries, trailer)
        store.close_registry(entries, PublishedHead(since_period - 1, head, len(entries), trailer))
    return head


def opening_head(store: Store) -> Elements:
    """The head that the agreement's ``opening_head`` must be."""
    published = store.registry_heads()
    if not published:
        raise RegistryError("the registry has not been opened", "make the store with standstill lab init")
    return published[0].head


def check_enrolled(store: Store, agreement: Agreement) -> None:
    """Check that the store is the one whose opening head the agreement has; a store without a registry passes.

    Raises:
        RegistryError: it is not: nothing kept in it can ever be claimed under this agreement.
        ClaimRejected: the store's lab is not in the agreement.
    """
    lab, heads_known = agreement.lab(store.lab), store.registry_heads()
    if not heads_known:
        return
    before = store.registry_head(lab.since_period - 1)
    if before is None:
        raise RegistryError(
            f"the store's first claim is for period {heads_known[0].period + 1}, the agreement's for period {lab.since_period}",
            "use the store that was enrolled",
        )
    if before.head != lab.opening_head:
        raise RegistryError("the store's opening head is not the one in the agreement", "use the store that was enrolled")


def keep_calendar(store: Store, agreement: Agreement) -> None:
    """Note the agreement's start, epoch and period before anything is dated by them: no amendment changes them.

    Raises:
        RegistryError: what the store holds is dated by another calendar, so that its epochs would be other times.
    """
    calendar = (agreement.start, agreement.epoch_seconds, agreement.epochs_per_period)
    known = store.keep_calendar(calendar)
    if known != calendar:
        start, epoch, epochs = known
        raise RegistryError(
            f"what the store holds is dated by an agreement from {format_time(start)} with {epochs} epochs of {epoch} s in a period, "
            f"and this one is from {format_time(agreement.start)} with {agreement.epochs_per_period} of {agreement.epoch_seconds} s",
            "use the agreement that was signed; if those imports were the mistake: standstill lab forget-imports, then import again",
        )


def registry_head(store: Store, entries: Sequence[RegistryEntry], trailer: Elements) -> Elements:
    """Head over ``entries`` (all from the first one on) with a trailer: a blinded squeeze of the sponge."""
    from circuits.statement import registry_header

    return heads.registry_head(
        store.registry_iv(), registry_header(store.lab), [circuit_entry(e) for e in entries], trailer
    )


# ---- closing a period ------------------------------------------------------------------------------------


def residue(entries: Sequence[RegistryEntry]) -> int:
    """R: unattributed work since the agreement began, in units of 10^12 FLOP."""
    return next((entry.cumulative for entry in reversed(entries) if entry.kind == RESIDUE), 0)


def build_entries(
    old: Sequence[RegistryEntry],
    drafts: Sequence[tuple[int, Draft]],
    tags: Mapping[str, int],
    work: Mapping[int, int],
    period: int,
    first_epoch: int,
) -> list[RegistryEntry]:
    """New entries of a period, the RESIDUE first.

    Args:
        old: all entries before.
        drafts: (tag, draft) in order; parents come before children.
        tags: name to tag of everything that a parent may be.
        work: exact work per tag of the period's readings; tag 2 is the unattributed work.
        period: index.
        first_epoch: the period's first epoch, written into the RESIDUE entry.

    Raises:
        RegistryError: readings with no entry, an unknown parent, an amount over 64 bits.
    """
    unattributed = work.get(UNATTRIBUTED, 0)
    total = _fits(residue(old) + unattributed, "the unattributed work since the agreement began")
    new = [
        RegistryEntry(
            "unattributed work", UNATTRIBUTED, RESIDUE, 0, 0, 0, first_epoch, unattributed, 0, total, NO_WEIGHTS, period
        )
    ]
    known = {entry.tag: entry for entry in old if entry.kind != RESIDUE}
    children = _children(known.values(), drafts, tags)
    for tag, draft in drafts:
        parents = [tags.get(name, 0) for name in draft.parents]
        missing = [name for name, parent in zip(draft.parents, parents, strict=True) if parent not in known]
        if missing:
            raise RegistryError(
                f"checkpoint {draft.name}: its parent {missing[0]} comes later or not at all", "note parents first"
            )
        later = [name for name, parent in zip(draft.parents, parents, strict=True) if known[parent].epoch > draft.epoch]
        if later:
            raise RegistryError(f"checkpoint {draft.name} is dated before its parent {later[0]}", "correct one of the two dates")
        entry = _entry(tag, draft, parents, known, work.get(tag, 0), children, period)
        known[tag] = entry
        new.append(entry)
    orphans = sorted(tag for tag, amount in work.items() if tag >= FIRST_TAG and tag not in {e.tag for e in new})
    if orphans:
        names = {number: name for name, number in tags.items()}
        name = names.get(orphans[0], f"tag {orphans[0]}")
        raise RegistryError(
            f"checkpoint {name} has work in this period and is not noted in it",
            "note the checkpoint, or close the unfinished work with a snapshot",
        )
    return new


def _children(
    old: Iterable[RegistryEntry], drafts: Sequence[tuple[int, Draft]], tags: Mapping[str, int]
) -> dict[int, int]:
    counts: dict[int, int] = {}
    for entry in old:
        if entry.kind in (CHECKPOINT, SNAPSHOT):
            counts[entry.parent1] = counts.get(entry.parent1, 0) + 1
    for _, draft in drafts:
        if draft.kind in ("CHECKPOINT", "SNAPSHOT") and draft.parents:
            parent = tags.get(draft.parents[0], 0)
            counts[parent] = counts.get(parent, 0) + 1
    return counts


def _entry(
    tag: int,
    draft: Draft,
    parents: list[int],
    known: Mapping[int, RegistryEntry],
    work: int,
    children: Mapping[int, int],
    period: int,
) -> RegistryEntry:
    kind = KINDS.index(draft.kind) + 1
    if work and kind not in (CHECKPOINT, SNAPSHOT):
        raise RegistryError(
            f"checkpoint {draft.name}: a {draft.kind} receives no readings", "give the work to a CHECKPOINT"
        )
    parent1, parent2 = [*parents, 0, 0][:2]
    base = known[parent1].base if parent1 else 0
    cumulative = work + draft.declared + sum(known[parent].cumulative for parent in parents)
    if kind in (CHECKPOINT, SNAPSHOT) and parent1:
        starts_branch = draft.branch if draft.branch is not None else children.get(parent1, 0) > 1
        base = parent1 if starts_branch else base
    if kind == MERGE and base and base == known[parent2].base:
        cumulative -= known[base].cumulative
    _fits(cumulative, f"checkpoint {draft.name}: cumulative work")
    return RegistryEntry(
        draft.name, tag, kind, parent1, parent2, base, draft.epoch, _fits(work, f"checkpoint {draft.name}: work"),
        _fits(draft.declared, f"checkpoint {draft.name}: declared work"), cumulative, draft.weights, period, draft.genesis,
    )  # fmt: skip


def late_work(name: str, saved: int, worked: int) -> RegistryError:
    """The refusal of work in epoch ``worked`` toward a checkpoint that was saved in epoch ``saved``."""
    return RegistryError(
        f"checkpoint {name} was saved in epoch {saved}, and work of epoch {worked} is booked to it",
        "book what came after it to the next checkpoint, or leave it unattributed",
    )


def check_receivers(store: Store, last_epochs: dict[int, int]) -> None:
    """Check that each tag's checkpoint, where it is noted, may receive work of that epoch.

    Args:
        last_epochs: tag to the last epoch in which work is booked to it.

    Raises:
        RegistryError: it was saved before, or is of a kind that receives no work.
    """
    for tag, epoch in last_epochs.items():
        noted = store.noted(tag) if tag >= FIRST_TAG else None
        if noted is None:
            continue
        if noted.kind not in RECEIVERS:
            raise RegistryError(
                f"checkpoint {store.name(tag)} is noted as {noted.kind}, which receives no readings", "give the work to a CHECKPOINT"
            )
        if noted.epoch < epoch:
            raise late_work(store.name(tag), noted.epoch, epoch)


def check_allotted(store: Store, period: int, last_epochs: dict[int, int]) -> None:
    """In a site's store: check that headquarters allotted each tag to the period, and that nothing comes after its checkpoint was saved.

    Raises:
        RegistryError: it did not: nothing would account for the work, and an inspection would fail.
    """
    if store.site is None:
        return
    allotted = {row.tag: row for row in store.allotted(period)}
    for tag, epoch in last_epochs.items():
        if tag < FIRST_TAG:
            continue
        if tag not in allotted:
            what = f"work toward {store.name(tag)} has no tag from headquarters for period {period}"
            raise RegistryError(what, "ask for one (standstill lab tags), then: standstill building tags")
        saved = allotted[tag].saved
        if saved is not None and saved < epoch:
            raise late_work(store.name(tag), saved, epoch)


def _check_sites(store: Store, agreement: Agreement, period: int) -> None:
    """Every site whose readings are elsewhere has handed in its summary, and every tag that sites had is accounted for."""
    for site in agreement.lab(store.lab).sites:
        if any(store.is_elsewhere(period, meter.name) for meter in site.meters) and store.summary(period, site.name) is None:
            raise RegistryError(
                f"site {site.name} has not handed in its summary of period {period}", "standstill building prove there, lab take here"
            )
    if left := [row.name for row in store.allotted(period) if store.noted(row.tag) is None]:
        raise RegistryError(f"{left[0]} has a tag in period {period}, and no checkpoint", "close the work: standstill lab snapshot")


def preview(store: Store, agreement: Agreement, period: int) -> list[RegistryEntry]:
    """The entries that closing the period would append; changes nothing.

    Raises:
        RegistryError: a meter has not signed, or as in :func:`build_entries`.
    """
    check_enrolled(store, agreement)
    lost = lost_in(store, agreement, period)
    for meter in agreement.lab(store.lab).meters:
        signed = store.signed_head(period, meter.name)
        if meter.name in lost:
            continue
        if signed is None:
            raise RegistryError(f"meter {meter.name} has not signed period {period}", "seal every meter's ledger first")
        if signed.agreement_digest != agreement.digest:
            raise RegistryError(f"meter {meter.name} signed period {period} under another agreement")
    check_receivers(store, store.last_epochs(period))
    _check_sites(store, agreement, period)
    return entries_of(store, agreement, period, store.entries(), work_of(store, agreement, period))


def entries_of(
    store: Store, agreement: Agreement, period: int, old: Sequence[RegistryEntry], work: Mapping[int, int]
) -> list[RegistryEntry]:
    """The entries of an open period over ``old``, from its drafts and the work of each tag; as :func:`build_entries`."""
    drafts = store.drafts(period)
    tags: dict[str, int] = {entry.name: entry.tag for entry in old if entry.kind != RESIDUE}
    tagged = [(store.tag(draft.name), draft) for draft in drafts]
    tags.update({draft.name: tag for tag, draft in tagged})
    tags.update({store.name(tag): tag for tag in work if tag >= FIRST_TAG})
    first = agreement.period_epochs(period)[0]
    return build_entries(old, tagged, tags, work, period, first)


def close_period(store: Store, agreement: Agreement, period: int) -> PublishedHead:
    """Close the registry for a period: every draft becomes an entry, behind one RESIDUE, under a freshly blinded head.

    All or nothing, and once per period.

    Raises:
        NotOver: the period has not ended. RegistryError: it is closed already, or as in :func:`preview`.
        ClaimsError: an earlier period is not closed.
    """
    check_headquarters(store)
    if store.registry_head(period) is not None:
        raise RegistryError(f"period {period} is closed already")
    check_registry(store, agreement, period)
    with store.transaction():
        old = store.entries()
        new = preview(store, agreement, period)
        trailer = fresh_elements()
        head = registry_head(store, [*old, *new], trailer)
        published = PublishedHead(period, head, len(old) + len(new), trailer)
        store.close_registry(new, published)
    return published
