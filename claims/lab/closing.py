"""Before a meter or a lab signs: whether it is time, whose turn it is, and what the operator is shown and asked.

A signed epoch takes no more usage, and a meter that signed a later one can sign no earlier one: what is signed too
early is lost. All functions here are about one lab's store and one agreement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from claims.agreement.model import Agreement
from claims.agreement.over import NotOver, check_over, last_over
from claims.base.clock import SEAL_JUMP, check_jump
from claims.base.errors import ClaimsError
from claims.base.units import format_time
from claims.lab.amended import check_amended
from claims.lab.losses import lost_in, sealing_from
from claims.lab.store import Store

__all__ = [
    "Closing", "check_assent", "check_evidence", "check_headquarters", "check_order", "check_registry", "check_sealed", "check_turn",
    "closing_of", "next_epoch", "not_amended", "signed_otherwise",
]  # fmt: skip

_ONE_AGREEMENT = "use the one that it signed under, or an amendment that begins later; if that was a draft: standstill lab set-aside --of"
_IN_ORDER = "what comes first is signed first: a later signature locks it"


def _first_epoch(store: Store, agreement: Agreement) -> int:
    return agreement.first_period_of(store.lab) * agreement.epochs_per_period


def next_epoch(store: Store, agreement: Agreement, meter: str) -> int:
    """The lab's first epoch under this agreement that the meter has not sealed; it may lie after the agreement's end.

    Of a lost meter it is the first one from which on it is back, or lies after every epoch: there is nothing that it could seal.
    """
    sealed = store.last_sealed(meter)
    due = max(_first_epoch(store, agreement), -1 if sealed is None else sealed + 1)
    return sealing_from(store, agreement.lab(store.lab).meter(meter), due) if store.any_lost() else due


def check_assent(store: Store, agreement: Agreement, meter: str, missing: list[str]) -> None:
    """Refuse a meter's first signature under an agreement that the parties ``missing`` have not signed.

    Raises:
        ClaimsError: naming them.
    """
    if missing and not store.has_sealed(agreement.digest, meter):
        raise ClaimsError(
            f"the agreement is not signed by {', '.join(missing)}: what {meter} seals under a draft counts under no other agreement",
            "lay the parties' signatures (.sigs) beside the agreement; to seal under it nevertheless: --unsigned",
        )


def not_amended(store: Store, agreement: Agreement, meter: str) -> str | None:
    """What is wrong where the meter signed the period before an amendment under another agreement than it amends; None: nothing."""
    amends, last = agreement.amends, store.epoch_seal(meter, _first_epoch(store, agreement) - 1)
    if amends is None or last is None or last.agreement == amends.digest:
        return None
    return (
        f"this agreement amends {amends.digest.hex()}, and {meter} signed epoch {last.epoch} under {last.agreement.hex()}: "
        "unless the first amends the second, it continues nothing"
    )


def signed_otherwise(agreement: Agreement, what: str, under: bytes) -> ClaimsError:
    """The refusal to sign what was signed under another agreement."""
    amends = agreement.amends
    if amends is not None and amends.digest == under:
        return ClaimsError(
            f"{what} under the agreement that this one amends, and counts under neither",
            "set it aside, and sign again: standstill lab set-aside",
        )
    return ClaimsError(f"{what} under another agreement", _ONE_AGREEMENT)


def check_sealed(store: Store, agreement: Agreement, meter: str, epoch: int) -> None:
    """Refuse to call an epoch sealed that the meter signed under another agreement. Raises ClaimsError."""
    seal = store.epoch_seal(meter, epoch) if epoch >= _first_epoch(store, agreement) else None
    if seal is not None and seal.agreement != agreement.digest:
        raise signed_otherwise(agreement, f"meter {meter} has signed epoch {epoch}", seal.agreement)


def check_order(store: Store, agreement: Agreement, meter: str, epochs: range) -> None:
    """Refuse to seal epochs that are not over, or before their turn.

    Raises:
        NotOver, ClaimsError: naming the epoch that is to be waited for, or sealed first. Amended: another agreement counts by then.
    """
    if not epochs:
        return
    check_amended(store, agreement, epochs[-1] // agreement.epochs_per_period)
    if epochs[-1] > last_over(agreement):
        raise NotOver(f"epoch {epochs[-1]} is not over", "a meter signs an epoch after its end; check the clock and the agreement's start")
    due, first = next_epoch(store, agreement, meter), _first_epoch(store, agreement)
    if epochs[0] != due:
        raise ClaimsError(f"meter {meter}: epoch {due} is not sealed, epoch {epochs[0]} comes later", _IN_ORDER)
    check_sealed(store, agreement, meter, due - 1)
    before, last = agreement.first_period_of(store.lab) - 1, store.epoch_seal(meter, due - 1)
    if due == first and last is None and store.registry_head(before) is None and store.knows(meter, first):
        raise ClaimsError(f"meter {meter}: period {before} is open, under the agreement that held then", _IN_ORDER)


def check_turn(store: Store, agreement: Agreement, meter: str, period: int) -> None:
    """Refuse to sign the ledger of a period that is not over, or before its turn.

    Raises:
        NotOver, ClaimsError: naming what is to be waited for, or signed first. Amended: another agreement counts by then.
    """
    check_over(agreement, period)
    check_amended(store, agreement, period)
    first = agreement.first_period_of(store.lab)
    if period < first:
        raise ClaimsError(f"the first period of lab {store.lab} is {first}, not {period}")
    for number in {period, max(first, period - 1)}:
        known = store.signed_head(number, meter)
        if known is not None and known.agreement_digest != agreement.digest:
            raise signed_otherwise(agreement, f"meter {meter} has signed period {number}", known.agreement_digest)
    if period == first:
        check_registry(store, agreement, period)
    elif store.signed_head(period - 1, meter) is None and meter not in lost_in(store, agreement, period - 1):
        raise ClaimsError(f"meter {meter} has not signed period {period - 1}, period {period} comes later", _IN_ORDER)


def check_headquarters(store: Store) -> None:
    """Refuse the store of one site where the whole lab's is needed. Raises ClaimsError."""
    if store.site is not None:
        what = f"this is the store of site {store.site}: the registry, figures of the lab, and what it publishes are at headquarters"
        raise ClaimsError(what, "use the store there; here: standstill building")


def check_registry(store: Store, agreement: Agreement, period: int) -> None:
    """Refuse to close the registry for a period that is not over, or before its turn.

    Raises:
        NotOver, ClaimsError: naming what is to be waited for, or closed first. Amended: another agreement counts by then.
    """
    check_over(agreement, period)
    check_amended(store, agreement, period)
    known = store.registry_heads()
    if store.site is not None:
        return  # the registry is at headquarters
    if not known:
        raise ClaimsError("the registry has not been opened", "standstill lab init")
    due = known[-1].period + 1
    if period > due:
        raise ClaimsError(f"the registry is not closed for period {due}, period {period} comes later", _IN_ORDER)


def check_evidence(store: Store, agreement: Agreement, meters: Iterable[str], through: int) -> None:
    """Refuse to seal epochs of meters through one that lies far after everything that the store knows of.

    What tells the time is what was imported, sealed or published, of any meter. A clock that jumped ahead would seal as idle
    what has not passed.

    Raises:
        ClockJump: more time than ``SEAL_JUMP``, and more than one epoch, lies between.
    """
    if all(through < next_epoch(store, agreement, meter) for meter in meters):
        return
    newest = store.newest_epoch()
    known = (
        agreement.epoch_span(_first_epoch(store, agreement))[0] if newest is None else agreement.epoch_span(newest)[1]
    )
    bound = max(SEAL_JUMP, agreement.epoch_seconds)
    check_jump(agreement.epoch_span(through)[1], known, bound, "thing that the store knows of")


@dataclass(frozen=True)
class Closing:
    """What a meter would sign about a period. Amounts are chip-milliseconds.

    Attributes:
        total: chips x the period's length.
        busy: as imported or collected; ``unattributed``: the part of it that no checkpoint has.
        gaps: (first, last) epoch of each run without a row between epochs with rows, in order.
    """

    meter: str
    period: int
    total: int
    busy: int
    unattributed: int
    gaps: tuple[tuple[int, int], ...]

    @property
    def idle(self) -> int:
        """What is left."""
        return self.total - self.busy


def closing_of(store: Store, agreement: Agreement, meter: str, period: int) -> Closing:
    """What a meter would sign about a period; changes nothing. Raises ClaimRejected: no such meter or period."""
    first, last = agreement.period_epochs(period)
    rows = store.busy_epochs(period, meter)
    epochs, busy, unattributed = zip(*rows, strict=True) if rows else ((), (), ())
    gaps = tuple((one + 1, two - 1) for one, two in pairwise(epochs) if two > one + 1)
    return Closing(
        meter, period,
        agreement.coverage(agreement.lab(store.lab).meter(meter)) * (last - first + 1) * 1000,
        sum(busy),
        sum(unattributed),
        gaps,
    )  # fmt: skip


def closing_lines(closing: Closing, agreement: Agreement) -> list[str]:
    """A closing in words, for the lab's eyes."""
    begin, end = (format_time(moment) for moment in agreement.period_span(closing.period))
    amounts = ", ".join(f"{what} {_hours(amount)}" for what, amount in (
        ("busy", closing.busy), ("of it unattributed", closing.unattributed), ("idle", closing.idle),
    ))  # fmt: skip
    lines = [f"{closing.meter}, {begin} to {end}: {amounts} of {_hours(closing.total)} chip-hours"]
    if closing.gaps:
        first, last = max(closing.gaps, key=lambda gap: gap[1] - gap[0])
        since, until = agreement.epoch_span(first)[0], agreement.epoch_span(last)[1]
        count = sum(last - first + 1 for first, last in closing.gaps)
        lines.append(
            f"{closing.meter}: {count} epochs without a row between epochs with rows count as idle; the longest time is epochs "
            f"{first} to {last}, {format_time(since)} to {format_time(until)}"
        )
    return lines


def _hours(milliseconds: int) -> str:
    """Chip-hours, rounded to a hundredth."""
    hundredths = (milliseconds + 18_000) // 36_000
    return f"{hundredths // 100:,}.{hundredths % 100:02d}"
