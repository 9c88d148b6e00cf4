"""When unattributed work, charged to every lineage, would leave a lab no unattributed work at all: for `agreement check`."""

from __future__ import annotations

from collections.abc import Iterator

from claims.agreement.model import Agreement
from claims.agreement.terms import Caps, Lab
from claims.base.text import joined
from claims.base.units import format_work

__all__ = ["residue_lines", "residue_reaches"]


def _limit(caps: Caps) -> int:
    """The effective freeze: what a claim with unattributed work keeps R under (circuits/README.md section 5, R6)."""
    return caps.lineage if caps.freeze is None else min(caps.freeze, caps.lineage)


def _spans(agreement: Agreement, lab: Lab) -> Iterator[tuple[int, int]]:
    """Spans of periods, first and one past the last, in each of which one set of caps and rules holds."""
    first = agreement.first_period_of(lab.name)
    changes = {period for period, _ in (*lab.caps_from, *agreement.rules_from) if first < period < agreement.periods}
    starts = [first, *sorted(changes)]
    yield from zip(starts, [*starts[1:], agreement.periods], strict=True)


def residue_reaches(agreement: Agreement, lab: Lab) -> tuple[int, int] | None:
    """The first period in which R', with unattributed work at its cap in every period, passes the effective freeze, and that R'; or None.

    Counted from 0 at the lab's first period under the agreement; R' in units of 10^12 FLOP.
    """
    residue = 0
    for first, end in _spans(agreement, lab):
        caps = lab.caps_at(first)
        if agreement.rules_at(first).charge_residue and caps.unattributed > 0:
            free = max(0, (_limit(caps) - residue) // caps.unattributed)
            if first + free < end:
                return first + free, residue + caps.unattributed * (free + 1)
        residue += caps.unattributed * (end - first)
    return None


def residue_lines(agreement: Agreement) -> list[str]:
    """What the agreement's rule for unattributed work comes to for each lab, in words; nothing where it is never charged."""
    if not any(rules.charge_residue for _, rules in [(0, agreement.rules), *agreement.rules_from]):
        return []
    reached = {lab: residue_reaches(agreement, lab) for lab in agreement.labs}
    free = [lab.name for lab, when in reached.items() if when is None]
    out = []
    for lab, when in reached.items():
        if when is None:
            continue
        first, (period, residue) = agreement.first_period_of(lab.name), when
        limit, amount = format_work(_limit(lab.caps_at(period))), format_work(residue)
        out += [
            f"forecast    {lab.name}: unattributed work is charged to every lineage, and adds up from period {first} on.",
            f"            At its cap in every period, in period {period} it has come to {amount}, and at most {limit} is agreed:",
            "            that claim is refused. What is left for checkpoints shrinks as it grows",
        ]
        if agreement.amends is not None:
            out.append("            what it did unattributed under the agreement before comes on top")
    if free:
        out.append(f"forecast    {joined(free)}: unattributed work may be at its cap in every period of this agreement")
    return out
