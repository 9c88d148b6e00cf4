"""The statement that a claim of one table proves, built from the agreement and the heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.terms import Caps, Lab

if TYPE_CHECKING:
    from circuits.statement import Elements, Statement

__all__ = ["statement_of"]


def statement_of(
    agreement: Agreement, lab: Lab, period: int, heads: Sequence[Elements], before: Elements, after: Elements, caps: Caps | None = None
) -> Statement:
    """The statement of a lab and period. All but heads and stated limits comes from the agreement.

    Args:
        heads: one for each of the lab's meters, in their order.
        before, after: heads of the registry.
        caps: as :func:`claims.claim.limits.limits_of`; the agreed ones by default.

    Raises:
        ClaimRejected: check ``period``: it is not one of the agreement's.
    """
    from circuits.statement import MeterTerms, RegistryTerms, Statement, ledger_header, registry_header

    first, last = agreement.period_epochs(period)
    caps, rules = caps or lab.caps_at(period), agreement.rules_at(period)
    meters = tuple(
        MeterTerms(
            header=ledger_header(agreement.digest, lab.name, meter.name, period),
            peak=agreement.chip(meter.chip).peak,
            coverage=agreement.coverage(meter),
            head=head,
        )
        for meter, head in zip(lab.meters, heads, strict=True)
    )
    return Statement(
        log_rows=lab.log_rows,
        first_epoch=first,
        last_epoch=last,
        total_cap=caps.total,
        unattributed_cap=caps.unattributed,
        lineage_cap=caps.lineage,
        freeze_level=caps.freeze,
        charge_peak=rules.charge_peak,
        charge_residue=rules.charge_residue,
        meters=meters,
        registry=RegistryTerms(registry_header(lab.name), before, after),
    )
