"""When an amendment takes over: from its first period on nothing is signed under the agreement before it.

    agreement sign, of an amendment --> the lab's journal  } --learn--> the store --check_amended--> every command that signs
    an amendment that all have signed, used with the store }

What was signed under the old one nevertheless counts under none: ``standstill lab set-aside`` takes it out, to be signed again.
"""

from __future__ import annotations

from pathlib import Path

from claims.agreement.model import Agreement
from claims.agreement.over import last_over
from claims.base.errors import ClaimsError
from claims.lab.journal import Journal, Statement
from claims.lab.store import Store

__all__ = ["Amended", "check_amended", "last_to_seal", "learn", "of_amendment", "signed_by", "takes_over"]

_SUBJECT = "amended-by "


class Amended(ClaimsError):
    """An amendment has taken over: what would be signed under this agreement would count under none. Nothing was signed."""


def of_amendment(amendment: Agreement) -> Statement | None:
    """What a journal keeps of an amendment that its key signed; None of an agreement that amends none."""
    amends, digest = amendment.amends, amendment.digest
    return None if amends is None else Statement(amends.digest, _SUBJECT + digest.hex(), amends.from_period, digest)


def learn(store: Store, agreement: Agreement, state: Path | None = None, *, signed: bool = False) -> None:
    """Note in the store which agreement takes over from which.

    Args:
        state: folder of the journals: the amendments of this agreement that the lab's own key signed.
        signed: this agreement is signed by all, so that it takes over from the one that it amends.
    """
    calendar = (agreement.start, agreement.epoch_seconds, agreement.epochs_per_period)  # no amendment changes it
    if signed and agreement.amends is not None and store.keep_calendar(calendar) == calendar:
        store.note_amendment(agreement.amends.digest, agreement.digest, agreement.amends.from_period)
    if state is None:
        return
    lab = agreement.lab(store.lab).name
    for period, digest in signed_by(agreement, agreement.party(lab).key, state):
        store.note_amendment(agreement.digest, digest, period, again=False)


def signed_by(agreement: Agreement, public: bytes, state: Path) -> list[tuple[int, bytes]]:
    """(first period, digest) of each amendment of an agreement that a party's key has signed by its journal."""
    return [(item.number, item.digest) for item in Journal.glance(state, public, agreement.digest, _SUBJECT)]


def takes_over(store: Store, agreement: Agreement) -> tuple[int, bytes] | None:
    """(first period, digest) of the agreement that takes over from this one, by all that the store knows."""
    return next(iter(store.successors(agreement.digest)), None)


def check_amended(store: Store, agreement: Agreement, period: int) -> None:
    """Refuse to sign under an agreement that another one has replaced in this period.

    Raises:
        Amended: naming the other one.
    """
    later = takes_over(store, agreement)
    if later is not None and period >= later[0]:
        raise Amended(
            f"period {period} is not under this agreement: from period {later[0]} on {later[1].hex()} counts, which amends it",
            "name its file with --agreement, in cron too; if it did not come into force: "
            f"standstill lab not-in-force {later[1].hex()} --store {store.path}",
        )


def last_to_seal(store: Store, agreement: Agreement) -> int:
    """The last epoch that is over and not of a period in which another agreement counts."""
    later, over = takes_over(store, agreement), last_over(agreement)
    return over if later is None else min(over, later[0] * agreement.epochs_per_period - 1)
