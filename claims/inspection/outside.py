"""What an opening shows against the agreement's terms from outside: weights that others trained, at the charge that is agreed.

That the model named is the one that was loaded no file shows, and a lab that hides loaded weights writes a checkpoint without parents.
"""

from __future__ import annotations

from collections.abc import Iterable

from claims.agreement.model import Agreement
from claims.base.errors import ClaimsError
from claims.claim.records import KINDS
from claims.inspection.check import OpeningRejected
from claims.inspection.file import Opening

__all__ = ["check_externals"]

EXTERNAL = KINDS.index("EXTERNAL") + 1


def check_externals(agreement: Agreement, opening: Opening, earlier: Iterable[Agreement] = ()) -> None:
    """Check that every opened EXTERNAL declares what the list in force in the period of its epoch charges, old ones too.

    Args:
        earlier: the agreements that this one amends, one after another, as far as they are at hand.

    Raises:
        OpeningRejected: one declares less, or may not be registered; code ``external``.
        ClaimsError: the agreement that held in that period is not at hand.
    """
    known = tuple(earlier)
    for item in opening.slots:
        slot = item.opening.slot
        if not slot.used or slot.kind != EXTERNAL:
            continue
        period = slot.epoch // agreement.epochs_per_period
        terms = agreement.held_in(period, known)
        if terms is None:
            what = f"slot {item.opening.index} was registered in period {period}, under an agreement that was amended since"
            raise ClaimsError(what, "give the amended agreements: --previous-agreement FILE, repeated")
        least = terms.external_charge(slot.weights, period)
        if least is None:
            raise OpeningRejected("external", f"slot {item.opening.index} has weights from outside that no list of the agreement has")
        if slot.declared < least:
            raise OpeningRejected("external", f"slot {item.opening.index} declares less than the agreement charges for its weights")
