"""The agreement as the page shows it: a dictionary of plain values (FORMATS-site.md, section 3)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from claims.agreement.hidden import hidden_words
from claims.agreement.model import Agreement
from claims.agreement.terms import FEW_METERS, Feed, Lab, Party, Rules, meters_by_chip
from claims.base.hybrid import is_hybrid
from claims.base.units import WORK_UNIT, format_share, format_work

__all__ = ["terms_of"]


def terms_of(agreement: Agreement, unsigned: Collection[str]) -> dict[str, Any]:
    """The terms.

    Args:
        agreement: a valid agreement.
        unsigned: names of parties that have not signed it.
    """
    log = agreement.log
    period = agreement.epoch_seconds * agreement.epochs_per_period
    labs = {lab.name for lab in agreement.labs}
    amends = agreement.amends
    return {
        "name": agreement.name,
        "digest": agreement.digest.hex(),
        "start": agreement.start,
        "end": agreement.start + agreement.periods * period,
        "epoch_seconds": agreement.epoch_seconds,
        "period_seconds": period,
        "periods": agreement.periods,
        "rules": [
            {"from_period": first, "charge_peak": rules.charge_peak, "charge_residue": rules.charge_residue, "external": _external(rules)}
            for first, rules in [(None, agreement.rules), *agreement.rules_from]
        ],
        "amends": None if amends is None else {"digest": amends.digest.hex(), "from_period": amends.from_period},
        "deadlines": _deadlines(agreement),
        "sign_by": None if agreement.deadlines is None else agreement.deadlines.sign_by,
        "late_epochs": None if agreement.deadlines is None else agreement.deadlines.late_epochs,
        "inspection": _inspection(agreement),
        "pause": _pause(agreement),
        "parties": [
            {
                "name": party.name,
                "signed": party.name not in unsigned,
                "lab": party.name in labs,
                "cosigns": party.cosign_key is not None,
                "operates": log is not None and log.operator == party.name,
                "alone": _alone(party, None if log is None or log.operator != party.name else log.key),
            }
            for party in agreement.parties
        ],
        "witnesses": [{"name": witness.name, "alone": not is_hybrid(witness.key)} for witness in agreement.witnesses],
        "labs": [_lab(lab) for lab in agreement.labs],
        "open_models": [
            {"name": model.name, "charge": format_work(model.charge), "source": model.source, "weights": len(model.weights)}
            for model in agreement.open_models
        ],
        "feeds": [_feed(agreement, feed) for feed in agreement.feeds],
        "chips": [{"name": chip.name, "peak": _rate(chip.peak), "note": chip.note} for chip in agreement.chips],
    }


def _alone(party: Party, log_key: bytes | None) -> bool:
    """Whether a party, or the log that it runs, signs with Ed25519 alone."""
    return not all(is_hybrid(key) for key in (party.key, party.cosign_key, log_key) if key is not None)


def _rate(peak: int) -> str:
    return format_work(peak).removesuffix(" FLOP") + " FLOP/s" if peak * WORK_UNIT else "0 FLOP/s"


def _external(rules: Rules) -> str | None:
    """What must be counted for weights from outside, or None where labs declare it themselves."""
    if not rules.listed:
        return None
    return "only models of the list" if rules.unlisted is None else f"what the list says, or {format_work(rules.unlisted)} for others"


def _feed(agreement: Agreement, feed: Feed) -> dict[str, Any]:
    """A power feed; ``hidden``: which share of its chips could still train unseen, in words."""
    return {
        "name": feed.name, "lab": feed.lab, "holder": feed.holder, "kind": feed.kind, "meters": len(feed.meters),
        "alone": not feed.period_key,
        "base_watts": feed.base_watts, "idle_watts": feed.idle_watts, "busy_watts": feed.busy_watts,
        "hidden": hidden_words(agreement, feed),
    }  # fmt: skip


def _lab(lab: Lab) -> dict[str, Any]:
    changes = [(None, lab.caps), *lab.caps_from]
    return {
        "name": lab.name,
        "since_period": lab.since_period,
        "caps": [
            {
                "from_period": first,
                "total": format_work(caps.total),
                "unattributed": format_work(caps.unattributed),
                "lineage": format_work(caps.lineage),
                "freeze": None if caps.freeze is None else format_work(caps.freeze),
            }
            for first, caps in changes
        ],
        "count": len(lab.meters),
        "alone": sum(not meter.period_key for meter in lab.meters),
        "meters": _meters(lab),
        "tables": _tables(lab),
        "ceiling": None if lab.ceiling is None else format_work(lab.ceiling),
        "lost": format_share(lab.lost) if lab.lost else None,
    }


def _meters(lab: Lab) -> list[dict[str, Any]]:
    """The meters; of a large lab one row for each class of chips, named after how many meters it has."""
    if len(lab.meters) <= FEW_METERS:
        return [{"name": meter.name, "chip": meter.chip, "chips": meter.chips, "site": meter.site} for meter in lab.meters]
    classes = sorted(meters_by_chip(lab).items())
    return [{"name": f"{count:,} meters", "chip": chip, "chips": chips, "site": None} for chip, (count, chips) in classes]


def _tables(lab: Lab) -> list[dict[str, Any]]:
    """The tables that a claim of a lab with sites has proofs of: name, meters in it, and height in rows; none without sites."""
    if lab.registry_rows is None:
        return []
    sites = [{"name": site.name, "meters": len(site.meters), "rows": 2**lab.log_rows} for site in lab.sites]
    return [*sites, {"name": "registry", "meters": 0, "rows": 2**lab.registry_rows}]


def _deadlines(agreement: Agreement) -> list[list[Any]] | None:
    deadlines = agreement.deadlines
    if deadlines is None:
        return None
    out: list[list[Any]] = [
        ["An epoch is logged within", deadlines.epoch],
        ["A claim is due within", deadlines.claim],
        ["Time of grace after that", deadlines.grace],
    ]
    if agreement.inspection is not None:
        out.append(["What was drawn is opened within", deadlines.opening])
    if deadlines.cosign is not None:
        out.append(["A newer head of the log is cosigned within", deadlines.cosign])
    return out


def _inspection(agreement: Agreement) -> dict[str, Any] | None:
    terms = agreement.inspection
    return None if terms is None else {"draws": terms.draws, "slots": terms.slots, "margin": terms.margin}


def _pause(agreement: Agreement) -> dict[str, Any] | None:
    pause = agreement.pause
    if pause is None:
        return None
    return {
        "trigger": pause.trigger,
        "lifts": pause.lifts,
        "deciders": list(pause.deciders),
        "quorum": pause.quorum,
    }
