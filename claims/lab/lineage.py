"""Where work comes from: checkpoints noted while a period is open, and snapshots of what its end cuts in two.

    checkpoint saved  --note_checkpoint--> draft
    unfinished work   --snapshot--> SNAPSHOT draft; the name takes a new tag, whose checkpoint has the snapshot as parent

What is known of a beginning (parents, branch, genesis) is never dropped and never replaced: whoever says it again says the
same, or is refused with both named. Nothing is a child of what was saved after it, and nothing receives work after it was saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from claims.agreement.model import Agreement
from claims.base.units import format_work
from claims.claim.records import Draft, Genesis, Noted
from claims.lab.closing import check_headquarters
from claims.lab.registry import NO_WEIGHTS, RECEIVERS, RegistryError, check_enrolled, late_work
from claims.lab.store import Store

__all__ = ["note_checkpoint", "snapshot", "starts_from_nothing", "undo_snapshot", "unfinished", "unplaced"]

PARENTS = {"EXTERNAL": (0,), "CHECKPOINT": (0, 1), "SNAPSHOT": (0, 1), "MERGE": (2,)}


def note_checkpoint(store: Store, agreement: Agreement, draft: Draft, uses: Mapping[int, int] | None = None) -> int:
    """Note a checkpoint for the period in which its epoch lies; returns its tag.

    Where snapshots of the same name closed the work before, it continues the last of them; the draft names that snapshot as its
    parent, or says again where the lineage began.

    Args:
        uses: as ``store.last_uses()`` says, where many are noted.

    Raises:
        RegistryError: an impossible shape, weights from outside that the agreement charges more, a beginning other than the one
            known, or work booked to it after it was saved.
        StoreError: an unknown parent or one saved later, a period that is closed, an epoch that is published.
    """
    period = draft.epoch // agreement.epochs_per_period
    agreement.period_epochs(period)
    _check_shape(draft)
    _check_external(agreement, draft, period)
    draft = _continued(store, draft)
    tag = store.find_tag(draft.name)
    last = None if tag is None else (store.last_use(tag) if uses is None else uses.get(tag))
    if last is not None and draft.kind not in RECEIVERS:
        raise RegistryError(
            f"checkpoint {draft.name}: a {draft.kind} receives no readings", "give the work to a CHECKPOINT"
        )
    if last is not None and last > draft.epoch:
        raise late_work(draft.name, draft.epoch, last)
    return store.add_draft(period, draft)


def starts_from_nothing(store: Store, tag: int) -> bool:
    """Whether a noted checkpoint begins a lineage of the lab's own: neither parents nor declared work."""
    noted = store.noted(tag)
    return noted is not None and noted.kind in RECEIVERS and not noted.parents


def _check_shape(draft: Draft) -> None:
    allowed, where = PARENTS.get(draft.kind), f"checkpoint {draft.name}"
    if allowed is None:
        raise RegistryError(f"{where}: {draft.kind!r} is not a kind", "use CHECKPOINT, SNAPSHOT, MERGE or EXTERNAL")
    if len(draft.parents) not in allowed:
        counts = " or ".join(str(count) for count in allowed)
        raise RegistryError(
            f"{where}: {draft.kind} has {counts} parents, not {len(draft.parents)}",
            "average more than two in steps of two",
        )
    if draft.kind == "MERGE" and draft.parents[0] == draft.parents[1]:
        raise RegistryError(f"{where}: a merge has two different parents")
    if draft.kind != "EXTERNAL" and draft.declared:
        raise RegistryError(
            f"{where}: only weights from outside declare work", "its own work is the sum of its readings"
        )
    if draft.genesis is not None and (draft.kind not in RECEIVERS or draft.parents):
        raise RegistryError(
            f"{where}: a genesis belongs to a new lineage", "give it to the CHECKPOINT or SNAPSHOT that has no parent"
        )


def _check_external(agreement: Agreement, draft: Draft, period: int) -> None:
    """Weights from outside declare at least what the agreement charges for them in the period."""
    if draft.kind != "EXTERNAL":
        return
    where, model = f"checkpoint {draft.name}", agreement.open_model(draft.weights)
    least = agreement.external_charge(draft.weights, period)
    if least is None:
        what = "these weights are no open model of the agreement, and no others may come from outside"
        raise RegistryError(f"{where}: {what}", "give the digest of a listed model (standstill agreement check), or train it")
    if draft.declared < least:
        whose = "weights that no open model of the agreement has" if model is None else f"the weights of {model.name}"
        what = f"declares {format_work(draft.declared)}, and the agreement charges {format_work(least)} for {whose}"
        raise RegistryError(f"{where} {what}", "declare at least that")


# ---- beginnings, said once or again ------------------------------------------------------------------------


def _words(parents: tuple[str, ...]) -> str:
    return " and ".join(parents) if parents else "no parent"


def _check_again(name: str, known: Noted, where: str, parents: tuple[str, ...] | None, branch: bool | None,
                 genesis: Genesis | None) -> None:  # fmt: skip
    """Refuse a beginning that is not the known one. ``where`` says where that one was noted; None: not said."""
    if parents is not None and parents != known.parents:
        raise RegistryError(
            f"checkpoint {name}: its parent is given as {_words(parents)}, and {where} has {_words(known.parents)}",
            "one of the two is wrong; give the same, or another name",
        )
    if branch is not None and known.branch is not None and branch != known.branch:
        raise RegistryError(
            f"checkpoint {name}: branch is given as {'yes' if branch else 'no'}, and {where} has the other", "give the same"
        )
    if genesis is not None and genesis != known.genesis:
        raise RegistryError(
            f"checkpoint {name}: its genesis belongs to {where}, where its lineage begins, and is another or none there",
            "give it when that is made (lab snapshot --genesis), or note the checkpoint before",
        )


def _continued(store: Store, draft: Draft) -> Draft:
    """The draft, as a child of the last snapshot of its name where there is one."""
    snapshots = store.snapshots(draft.name)
    if not snapshots:
        return draft
    (_, first), (_, last) = snapshots[0], snapshots[-1]
    if draft.kind not in RECEIVERS:
        raise RegistryError(
            f"checkpoint {draft.name}: {last} closed unfinished work of that name, which no {draft.kind} continues",
            "give it another name",
        )
    ended = store.noted_as(last).epoch
    if draft.epoch < ended:
        raise RegistryError(
            f"checkpoint {draft.name}, epoch {draft.epoch}, was closed as unfinished at epoch {ended}, as {last}",
            "date it after that epoch, or give it another name",
        )
    if draft.parents == (last,):
        return draft
    _check_again(draft.name, store.noted_as(first), first, draft.parents, draft.branch, draft.genesis)
    return replace(draft, parents=(last,), branch=False, genesis=None)


# ---- unfinished work -----------------------------------------------------------------------------------------


def unplaced(store: Store, period: int) -> list[str]:
    """Names that receive readings in an open period but have no draft yet."""
    noted = {store.tag(draft.name) for draft in store.drafts(period)}
    return sorted(store.name(tag) for tag in store.tags_in_use(period) - noted)


def unfinished(store: Store, period: int) -> list[str]:
    """As :func:`unplaced`; of a period that is closed, or before the first one: none."""
    known = store.registry_heads()
    return [] if not known or period <= known[-1].period else unplaced(store, period)


def snapshot(
    store: Store,
    agreement: Agreement,
    period: int,
    name: str,
    parent: str | None = None,
    *,
    root: bool = False,
    branch: bool | None = None,
    genesis: Genesis | None = None,
) -> str:
    """Close unfinished work toward ``name`` at the end of an open period. Returns the snapshot's name.

    The period's readings keep their tag, which now is the snapshot's. ``name`` stands for a new tag from here on: usage and the
    checkpoint of that name in later periods move to it, and the checkpoint's parent is the snapshot. The snapshot begins where
    the work began: at its last snapshot, else as the checkpoint noted for a later period says, else as said here.

    Args:
        parent: what the work started from.
        root: it started from nothing. A genesis says so too.
        branch: as in Draft.
        genesis: what the initial weights were seeded from, where the work starts from nothing.

    Raises:
        RegistryError: no such work, a beginning that is not known, or one that contradicts what is known.
    """
    check_headquarters(store)
    check_enrolled(store, agreement)
    tag = store.find_tag(name)
    _check_unfinished(store, period, name, tag)
    if parent is not None and (root or genesis is not None):
        raise RegistryError(f"checkpoint {name}: it starts from {parent}, or from nothing", "give --parent, or --root or --genesis")
    said = (parent,) if parent is not None else () if root or genesis is not None else None
    closed = store.snapshot_name(name, period)
    draft = Draft(closed, "SNAPSHOT", said or (), branch, agreement.period_epochs(period)[1], 0, NO_WEIGHTS, genesis)
    draft = _begun(store, name, draft, said)
    with store.transaction():
        store.rename(name, closed)
        store.move_later(tag or 0, store.tag(name), period)
        _check_shape(draft)
        store.add_draft(period, draft)
    return closed


def undo_snapshot(store: Store, period: int, name: str) -> str:
    """Take back the snapshot of an open period's work toward ``name``: it is unfinished again. Returns the snapshot's name.

    Raises:
        RegistryError: there is none in an open period, its epoch is published, or something is built on it.
    """
    closed = store.snapshot_name(name, period)
    tag = store.find_tag(closed)
    noted = None if tag is None else store.noted(tag)
    if tag is None or noted is None or closed not in {draft.name for draft in store.drafts(period)}:
        raise RegistryError(f"no snapshot of {name} in period {period} can be undone", "a closed period stays closed")
    published, later = store.published_through(), [text for number, text in store.snapshots(name) if number > period]
    if published is not None and noted.epoch <= published:
        raise RegistryError(f"{closed} is published with epoch {noted.epoch}", "what is published stays")
    built = [*later, *store.children(tag)]
    if built:
        raise RegistryError(f"{built[0]} goes on from {closed}", "undo that first: standstill import undo, or lab snapshot --undo")
    new = store.find_tag(name)
    if new is not None and store.has_readings(new):
        raise RegistryError(f"a meter has signed readings of {name} after period {period}", "what is sealed stays")
    store.move_back(tag, new, name)
    return closed


def _check_unfinished(store: Store, period: int, name: str, tag: int | None) -> None:
    if tag is None or tag not in store.tags_in_use(period):
        raise RegistryError(f"checkpoint {name} receives no readings in period {period}", "there is nothing to close")
    noted, first = store.noted(tag), store.first_period(tag)
    if noted is not None and (noted.period is None or noted.period <= period):
        raise RegistryError(f"checkpoint {name} is noted, for epoch {noted.epoch}", "there is nothing to close")
    if first is not None and first < period:
        raise RegistryError(
            f"work toward {name} in period {first} has no checkpoint", "close the earlier period first: snapshots go in order"
        )


def _begun(store: Store, name: str, draft: Draft, said: tuple[str, ...] | None) -> Draft:
    """The snapshot with its beginning: known, and said again or not; or not known, and said."""
    snapshots, noted = store.snapshots(name), store.noted(store.tag(name))
    if snapshots:
        (_, first), (_, last) = snapshots[0], snapshots[-1]
        if said != (last,):
            _check_again(name, store.noted_as(first), first, said, draft.branch, draft.genesis)
        return replace(draft, parents=(last,), branch=False, genesis=None)
    if noted is not None:
        if noted.kind not in RECEIVERS:
            raise RegistryError(
                f"checkpoint {name} is noted as {noted.kind}, which receives no readings", "give the work to a CHECKPOINT"
            )
        where = f"the checkpoint noted for epoch {noted.epoch}"
        known = noted if noted.genesis or noted.parents else replace(noted, genesis=draft.genesis)
        _check_again(name, known, where, said, draft.branch, draft.genesis)
        branch = noted.branch if draft.branch is None else draft.branch
        return replace(draft, parents=noted.parents, branch=branch, genesis=known.genesis)
    if said is None:
        raise RegistryError(
            f"checkpoint {name}: nothing says what it started from",
            "give --parent CHECKPOINT, or --root if it started from nothing; or import its checkpoint before",
        )
    return draft
