"""Checkpoints found by an importer, noted together with the usage that led to them: both or neither."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from claims.agreement.model import Agreement
from claims.claim.records import Draft
from claims.imports.charge import Charged, Source, Span, charge
from claims.imports.checkpoints import note_drafts
from claims.lab.registry import NO_WEIGHTS
from claims.lab.store import Store

__all__ = ["Plan", "carry_out"]


@dataclass
class Plan:
    """Drafts in order, and spans of usage toward them."""

    drafts: list[tuple[Source, Draft]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def busy(self, source: Source, meter: str | None, chips: int, label: str | None, span: tuple[int, int],
             work: Fraction | None = None) -> None:  # fmt: skip
        """Usage of ``chips`` from ``span[0]`` to ``span[1]``; nothing where no meter was named or no time passed."""
        if meter is not None and span[0] < span[1]:
            self.spans.append(Span(source, meter, label, span[0], span[1], Fraction(chips), work))

    def saved(
        self, agreement: Agreement, source: Source, name: str, parents: Iterable[str], moment: int, *,
        start: int | None = None, branch: bool | None = None, kind: str = "CHECKPOINT",
    ) -> None:  # fmt: skip
        """A checkpoint saved at ``moment`` (Unix ms): it belongs to the epoch of the millisecond before."""
        last = moment if start == moment else moment - 1
        epoch = (last // 1000 - agreement.start) // agreement.epoch_seconds
        self.drafts.append((source, Draft(name, kind, tuple(parents), branch, epoch, 0, NO_WEIGHTS)))


def carry_out(
    store: Store, agreement: Agreement, plan: Plan, *, kind: str, label: str, files: Sequence[bytes], report: Charged
) -> None:
    """Charge the usage and note the checkpoints, in one transaction.

    Raises:
        ImportRefused: naming file and line; nothing was noted or charged.
        StoreError: imported before, or a meter has signed.
    """
    with store.transaction():
        charge(store, agreement, plan.spans, kind=kind, label=label, files=files, report=report)
        noted = note_drafts(store, agreement, plan.drafts)
    report.notes.append(noted.text())
