"""What the page's state and a proven claim mean, in words for readers who never heard of proofs."""

from __future__ import annotations

from typing import Any

from claims.site.html import Html, h, join
from claims.site.words import date

__all__ = ["GLOSS", "claim_meaning", "not_shown", "state_meaning"]

View = dict[str, Any]

_STATE = {
    "yes": "Every lab has proven, for every period that is due, that its computing stayed within the limits that it signed.",
    "no": "Something that the agreement asks for is not there, or does not hold. It need not mean that a limit was broken: it means "
    "that nobody has shown that none was.",
    "undecided": "What has been published does not settle it either way.",
}

GLOSS = {
    "that no undeclared chip exists": "that the lab has no chips besides those it declared",
    "that a meter measures truly": "that the meters on the chips measure truly",
    "that a declared parent or balance is the true one": "that a model began from what the lab says it began from",
    "that a weights digest is what sat in memory": "that the model named is the one that was in the machines\u2019 memory",
    "that work was booked to the checkpoint it went into": "that each hour of computing is counted toward the model that it trained",
    "that unattributed work was not training": "that computing which the lab attributes to no model was not training",
    "that no other party trained part of the model": "that nobody else trained part of a model",
}
"""claims.verify.report.NOT_SHOWN -> the same in plain words."""


_OVER = "A lab was over a limit that it signed: its own claim says so, or the log does, of limits that moved."


def state_meaning(view: View) -> Html:
    """Under the headline: what the state means, and when the next claims are due."""
    broken = {row["state"] for row in view["claims"]} & {"over", "rejected", "missing"}
    text = _OVER if view["holds"]["answer"] == "no" and broken == {"over"} else _STATE[view["holds"]["answer"]]
    coming = [row["due"] for row in view["claims"] if row["due"] is not None and row["due"] > view["computed_at"]]
    then = ["The next claims are due on ", date(min(coming)), "."] if coming else []
    link = h("a", {"href": "#claims"}, "What a claim shows, and what it does not")
    return h("p", {"class": "meaning"}, text, " ", then, " ", link, ".")


def not_shown(view: View) -> list[str]:
    """What no claim shows, in plain words where there are any."""
    return [GLOSS.get(line, line) for line in view["not_shown"]]


def claim_meaning(view: View) -> Html:
    """Two lists: what a proven claim shows under this agreement, and what none shows."""
    shows, hidden = _shows(view["agreement"]), not_shown(view)
    return h(
        "div",
        {"class": "meanings"},
        _column("A proven claim shows", "plus", shows),
        _column("No claim shows", "minus", hidden, "Inventories, hardware and inspections are for that."),
    )


def _column(title: str, style: str, lines: list[str], note: str = "") -> Html:
    items = h("ul", {"class": style}, [h("li", {}, line) for line in lines])
    return h("div", {}, join([h("h3", {}, title), items, h("p", {"class": "note"}, note) if note else None]))


def _shows(terms: View) -> list[str]:
    caps = [caps for lab in terms["labs"] for caps in lab["caps"]]
    lines = [
        "that the lab accounted for every second of every agreed meter\u2019s chips, none left out",
        "that all its computing of the period was within its limit",
        "that the part which it attributes to no model was within a limit of its own",
        "that no model has more computing behind it than agreed, the models that it grew from included"
        + (", and everything unattributed on top" if all(rules["charge_residue"] for rules in terms["rules"]) else ""),
    ]
    if any(rules["charge_residue"] for rules in terms["rules"]):
        lines.append("that all it ever attributed to no model was within the limit of a model, if the period added to it")
    if any(entry["freeze"] for entry in caps):
        lines.append("that no model above the freeze level was trained any further")
    return [*lines, "and nothing else: no job, no model, no amount of computing"]
