"""What an agreement says of the world around the labs' own books: limits that moved between labs, power meters, open models."""

from __future__ import annotations

from typing import Any

from claims.agreement.explain import ALLOWANCES, OPEN_WEIGHTS, POWER
from claims.site.html import Html, h, join
from claims.site.render_table import plain_table
from claims.site.words import plural, readable, span

__all__ = ["allowances_section", "models_part", "power_part"]

View = dict[str, Any]

_KINDS = {
    "utility": "a utility\u2019s meter, before batteries and cooling", "building": "of the building\u2019s own supply",
    "rack": "in the lab\u2019s own hall, in reach of its hands",
}  # fmt: skip


def _about(sentences: tuple[str, ...]) -> Html:
    return h("p", {}, " ".join(sentences))


def allowances_section(view: View) -> Html | None:
    """Parts of limits that moved between labs, period by period; None where the agreement lets none move."""
    labs = [lab for lab in view["agreement"]["labs"] if lab["ceiling"]]
    if not labs and not view["allowances"]:
        return None
    out: list[object] = [_about(ALLOWANCES)]
    for item in reversed(view["allowances"]):
        claims = f"; the claims are proven under {item['stated']} together" if item["stated"] else ""
        together = readable(f"Limits of all labs together: {item['caps']}, as agreed{claims}.")
        rows: list[list[object]] = [
            [f"from {row['giver']} to {row['receiver']}", readable(row["amount"]), [readable(row["state"]), _over(row, item)]]
            for row in item["transfers"]
        ]
        title = f"Period {item['period']}"
        when = span(item["begin"], item["begin"] + view["agreement"]["period_seconds"])
        out += [h("h3", {}, title, " ", h("span", {"class": "when"}, when)), h("p", {}, together)]
        out.append(plain_table(f"Transfers for period {item['period']}", _COLUMNS, rows, "numbers"))
    if not view["allowances"]:
        out.append(h("p", {"class": "empty"}, "Nothing has moved yet."))
    most = ", ".join(f"{lab['name']} {lab['ceiling']}" for lab in labs)
    return join([*out, h("p", {"class": "note"}, "The most that a lab\u2019s limit may become: ", readable(most), ".") if most else None])


_COLUMNS = ["Moved", "Amount", "Whether it counts"]


def _over(row: View, item: View) -> str:
    return "".join(f"; {name} is over its limit" for name in (row["giver"], row["receiver"]) if name in item["over"])


def power_part(terms: View) -> Html | None:
    """The power feeds, and what could still be hidden from each."""
    if not terms["feeds"]:
        return None
    out: list[object] = [h("h3", {}, "Power"), _about(POWER)]
    for feed in terms["feeds"]:
        watts = f"base {feed['base_watts']:,} W; a chip {feed['idle_watts']:,} W idle, {feed['busy_watts']:,} W busy"
        meters = f"{plural(feed['meters'], 'meter')} of {feed['lab']}"
        facts = [
            ("Read by", f"{feed['holder']}: {_KINDS[feed['kind']]}"), ("Feeds", meters), ("Agreed", watts),
            *([("Signs", "with Ed25519 alone, which a quantum computer forges")] if feed["alone"] else []),
            ("Not seen", f"{feed['hidden'][0][0].upper()}{' '.join(feed['hidden'])[1:]}"),
        ]  # fmt: skip
        items = [h("div", {}, h("dt", {}, key), h("dd", {}, value)) for key, value in facts]
        out += [h("h4", {}, f"Feed {feed['name']}"), h("dl", {"class": "facts"}, items)]
    return join(out)


def models_part(terms: View) -> Html | None:
    """The list of open models, and what it is for."""
    changes = [(rules["from_period"], rules["external"]) for rules in terms["rules"]]
    if not terms["open_models"] and not any(text for _, text in changes):
        return None
    lines = []
    for first, text in changes:
        title = "A lab counts" if len(changes) == 1 else "At first" if first is None else f"From period {first} on"
        lines.append((title, readable(text or "what the lab itself declares")))
    rows: list[list[object]] = [
        [model["name"], readable(model["charge"]), plural(model["weights"], "file"), model["source"]] for model in terms["open_models"]
    ]
    listed = plain_table("Open models", ["Model", "Counted as", "Known by", "Source"], rows)
    return join([
        h("h3", {}, "Open models"),
        _about(OPEN_WEIGHTS),
        h("dl", {"class": "facts"}, [h("div", {}, h("dt", {}, key), h("dd", {}, value)) for key, value in lines]),
        listed if rows else h("p", {"class": "empty"}, "The list is empty."),
        h("p", {"class": "note"}, "It does not show that the model named is the one that was loaded."),
    ])  # fmt: skip
