"""A period's new entries against the lab's caps (R6), and what a claim that is over them states."""

from __future__ import annotations

from claims.agreement.terms import Caps
from claims.base.units import format_work
from claims.claim.lists import FREEZE, LINEAGE, TOTAL, UNATTRIBUTED, Limit, least_above
from claims.claim.records import RegistryEntry
from claims.lab.registry import RESIDUE

__all__ = ["cap_problems", "over_limits", "residue_limit"]


def _over(what: str, amount: int, cap: int) -> str:
    return f"{what}: {format_work(amount)} > {format_work(cap)}"


def over_limits(new: list[RegistryEntry], caps: Caps, *, charge_residue: bool) -> tuple[Limit, ...]:
    """The limits that a claim of these new entries is over, and what it states in their place: nothing where it is within all (R6)."""
    rest = next(entry for entry in new if entry.kind == RESIDUE)
    extra = rest.cumulative if charge_residue else 0
    charged = [(entry.cumulative + extra, entry.work) for entry in new if entry.kind != RESIDUE]
    charged += [(extra, rest.work)] if rest.work else []
    amounts = {
        TOTAL: sum(entry.work for entry in new), UNATTRIBUTED: rest.work, LINEAGE: max((amount for amount, _ in charged), default=0),
        FREEZE: max((amount for amount, work in charged if work), default=0),
    }  # fmt: skip
    agreed = {TOTAL: caps.total, UNATTRIBUTED: caps.unattributed, LINEAGE: caps.lineage, FREEZE: caps.freeze}
    return tuple(
        Limit(which, cap, least_above(amounts[which], cap)) for which, cap in agreed.items() if cap is not None and amounts[which] > cap
    )


def residue_limit(caps: Caps) -> int:
    """What all unattributed work since the agreement began must stay under in a period that adds to it (R6)."""
    return caps.lineage if caps.freeze is None else caps.freeze


def cap_problems(new: list[RegistryEntry], caps: Caps, *, charge_residue: bool) -> list[str]:
    """Every one of the period's caps that its new entries (RESIDUE included) would break (R6), in the lab's own names."""
    problems = []
    total = sum(entry.work for entry in new)
    if total > caps.total:
        problems.append(_over("total cap exceeded", total, caps.total))
    residue_entry = next((entry for entry in new if entry.kind == RESIDUE), None)
    if residue_entry is None:
        return [*problems, "the period has no RESIDUE entry"]
    if residue_entry.work > caps.unattributed:
        problems.append(_over("unattributed cap exceeded", residue_entry.work, caps.unattributed))
    extra = residue_entry.cumulative if charge_residue else 0
    if residue_entry.work and extra > residue_limit(caps):
        what = "freeze level" if caps.freeze is not None else "lineage cap"
        text = f"{what} exceeded by all unattributed work since the agreement began, to which this period adds"
        problems.append(_over(text, extra, residue_limit(caps)))
    note = f" (of which {format_work(extra)} unattributed work, charged to every lineage)" if extra else ""
    for entry in new:
        if entry.kind == RESIDUE:
            continue
        charged = entry.cumulative + extra
        if charged > caps.lineage:
            problems.append(_over(f"lineage cap exceeded by checkpoint {entry.name}", charged, caps.lineage) + note)
        elif caps.freeze is not None and entry.work and charged > caps.freeze:
            problems.append(
                _over(
                    f"freeze level exceeded by checkpoint {entry.name}, which was trained further", charged, caps.freeze
                )
                + note
            )
    return problems
