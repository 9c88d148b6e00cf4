"""What a lab says it lost: which meters, from which epoch on, and what that makes of its periods.

    the lab's LOSS entry, before its epoch's --> zero in place of roots --> a ledger that anybody can make, in place of the meter's
    an inspector's, before that of a period's first epoch --> the meter seals again
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.terms import Group, Lab, Meter
from claims.claim.commitments import roots_digest
from claims.claim.groups import group_root
from claims.claim.lists import LOST_METER, LOST_SITE, Loss
from claims.claim.losses import NO_HEAD, NO_ROOT, lost_work, made_readings
from claims.claim.records import LAST_EPOCH, UNATTRIBUTED, SignedHead

if TYPE_CHECKING:
    from claims.lab.store import Store

__all__ = [
    "claimed_heads", "losses_of", "lost_from", "lost_in", "lost_within", "readings_of", "roots_of", "sealing_from", "sites_away",
    "unit_roots", "work_of",
]  # fmt: skip


def _spans(store: Store, meter: Meter) -> list[range]:
    """The epochs in which a meter is lost under its key, ascending."""
    spans, first = list[range](), None
    for item in store.losses(meter.name):
        if item.key != meter.agreed_key:
            continue
        if not item.back:
            first = item.epoch if first is None else first
        elif first is not None:
            spans.append(range(first, item.epoch))
            first = None
    return spans if first is None else [*spans, range(first, LAST_EPOCH + 1)]


def lost_from(store: Store, meter: Meter, epoch: int) -> int | None:
    """The first epoch of the loss in which a meter is at an epoch; None where it is not lost, or has a new key since."""
    return next((span.start for span in _spans(store, meter) if epoch in span), None)


def lost_within(store: Store, meter: Meter, epochs: range) -> int | None:
    """The first epoch of a range in which a meter is lost, or None."""
    both = (range(max(span.start, epochs.start), min(span.stop, epochs.stop)) for span in _spans(store, meter))
    return next((common.start for common in both if common), None)


def sealing_from(store: Store, meter: Meter, epoch: int) -> int:
    """The first epoch from this one on in which a meter is not lost; after every epoch where there is none."""
    for span in _spans(store, meter):
        epoch = span.stop if epoch in span else epoch
    return epoch


def lost_in(store: Store, agreement: Agreement, period: int) -> dict[str, int]:
    """Each lost meter of the lab to its first lost epoch of a period."""
    if not store.any_lost():
        return {}
    first, last = agreement.period_epochs(period)
    found = {meter.name: lost_from(store, meter, last) for meter in agreement.lab(store.lab).meters}
    return {name: max(first, epoch) for name, epoch in found.items() if epoch is not None}


def losses_of(store: Store, agreement: Agreement, period: int) -> tuple[Loss, ...]:
    """What a claim of the period lists as lost: a site where all of it was lost as a site at once, else each meter."""
    found, lost = set(), lost_in(store, agreement, period)
    whole = {
        site.name
        for site in (agreement.lab(store.lab).sites if lost else ())
        if len({lost.get(meter.name) for meter in site.meters}) == 1
        and all(meter.name in lost and _said_of(store, meter, lost[meter.name]) == (LOST_SITE, site.name) for meter in site.meters)
    }
    for meter in agreement.lab(store.lab).meters:
        if meter.site in whole:
            found.add(Loss(LOST_SITE, meter.site, lost[meter.name]))
        elif meter.name in lost:
            signed = store.signed_head(period, meter.name)
            own = signed is not None and signed.agreement_digest == agreement.digest
            found.add(Loss(LOST_METER, meter.name, lost[meter.name], own))
    return tuple(sorted(found))


def _said_of(store: Store, meter: Meter, epoch: int) -> tuple[int, str]:
    """As what, and under which name, a meter was said to be lost that is lost at an epoch."""
    item = [item for item in store.losses(meter.name) if item.epoch <= epoch and not item.back][-1]
    return item.what, item.name


def claimed_heads(store: Store, agreement: Agreement, period: int) -> Iterator[SignedHead]:
    """Each meter's signed head of a period, in order; zero of a lost meter that signed none. Of others that signed none, nothing."""
    lost = lost_in(store, agreement, period)
    signed = {loss.name for loss in losses_of(store, agreement, period) if loss.signed}
    for meter in agreement.lab(store.lab).meters:
        if meter.name in lost and meter.name not in signed:
            digest = roots_digest(unit_roots(store, agreement, period, agreement.lab(store.lab).unit_of(meter.name)[1], lost))
            yield SignedHead(meter.name, period, agreement.digest, NO_HEAD, digest, bytes(64))
        elif (head := store.signed_head(period, meter.name)) is not None:
            yield head


def readings_of(store: Store, agreement: Agreement, meter: Meter, period: int, lost: Iterable[str]) -> list[tuple[int, int, int, int]]:
    """A meter's readings as the claim of a period has them: epoch, tag, chip-seconds, work. ``lost``: names of lost meters."""
    if meter.name in lost:
        return list(made_readings(agreement, meter, period))
    return store.reading_rows(period, meter.name)


def work_of(store: Store, agreement: Agreement, period: int) -> dict[int, int]:
    """Exact work per tag of a period, as its claim has it."""
    lost = lost_in(store, agreement, period)
    work = store.work_by_tag(period)
    if not lost:
        return work
    lab = agreement.lab(store.lab)
    away = sites_away(store, lab, period)  # their records have it
    gone = tuple(meter for meter in lab.meters if meter.name in lost and meter.site not in away)
    for meter in gone:
        for tag, amount in store.sealed_work(period, meter.name)[0].items():
            work[tag] -= amount
    work[UNATTRIBUTED] = work.get(UNATTRIBUTED, 0) + lost_work(agreement, gone)
    return {tag: amount for tag, amount in work.items() if amount}


def sites_away(store: Store, lab: Lab, period: int) -> set[str | None]:
    """Sites whose table another store proves: a meter signed the period there, or their summary was taken, where all meters are lost."""
    return {meter.site for meter in lab.meters if store.is_elsewhere(period, meter.name)} | store.handed_in(period)


def unit_roots(store: Store, agreement: Agreement, period: int, unit: Group, lost: Mapping[str, int]) -> tuple[bytes, ...]:
    """The roots that a group, or a meter alone, publishes of a period's epochs, as far as all its meters have sealed. ``lost``: of
    :func:`lost_in`."""
    own = {meter.name: roots_of(store, agreement, period, meter.name, lost) for meter in unit.meters}
    if not agreement.lab(store.lab).groups:
        return own[unit.name]
    return tuple(group_root(unit, dict(zip(own, roots, strict=True))) for roots in zip(*own.values(), strict=False))


def roots_of(store: Store, agreement: Agreement, period: int, meter: str, lost: Mapping[str, int]) -> tuple[bytes, ...]:
    """A meter's roots of the epochs of a period, as a claim has them: zero where it is lost. ``lost``: of :func:`lost_in`."""
    first, last = agreement.period_epochs(period)
    end = lost.get(meter, last + 1)
    sealed = tuple(store.epoch_roots(period, meter))
    return sealed[: end - first] + (NO_ROOT,) * (last + 1 - end)
