"""The table of parties and periods: the newest periods at sight, earlier ones folded away unless something is wrong in them."""

from __future__ import annotations

from typing import Any

from claims.site.html import Html, h, join
from claims.site.words import STATES, date, icon, plural, span

__all__ = ["BROKEN", "RECENT", "is_listed", "periods_of", "table_section"]

View = dict[str, Any]

RECENT = 4
"""Periods at sight: as many as fit a screen."""
BROKEN = ("late", "missing", "rejected", "over")
"""States that are never folded away."""
_MANY_PERIODS = 36


def periods_of(view: View) -> list[View]:
    """A claim of each period that the view shows, ascending, of at most the newest 36."""
    seen: dict[int, View] = {}
    for row in view["claims"]:
        seen.setdefault(row["period"], row)
    return [seen[period] for period in sorted(seen)][-_MANY_PERIODS:]


def table_section(view: View) -> Html:
    """The table, and what its words mean."""
    periods = periods_of(view)
    recent, older = periods[-RECENT:], periods[:-RECENT]
    total = view["agreement"]["periods"]
    left = total - (periods[-1]["period"] + 1 if periods else 0)
    return join(
        [
            _table(view, recent, "State of the claim of each party for each period"),
            _folded(view, older) if older else None,
            h("p", {"class": "note"}, f"{plural(left, 'later period')} of {total} not shown.") if left > 0 else None,
            _legend(),
        ]
    )


def _folded(view: View, periods: list[View]) -> Html:
    numbers = {period["period"] for period in periods}
    wrong = any(row["state"] in BROKEN for row in view["claims"] if row["period"] in numbers)
    first, last = periods[0]["period"], periods[-1]["period"]
    return h(
        "details",
        {"class": "legend older", "open": wrong},
        h("summary", {}, f"Earlier periods: {first} to {last}" if first < last else f"Earlier: period {first}"),
        _table(view, periods, "Earlier periods: state of the claim of each party"),
    )


def _table(view: View, periods: list[View], caption: str) -> Html:
    rows = {(row["lab"], row["period"]): row for row in view["claims"]}
    head = [h("th", {"scope": "col", "role": "columnheader"}, "Party")]
    for period in periods:
        title = h("span", {"class": "period"}, f"Period {period['period']}")
        when = h("span", {"class": "when"}, span(period["begin"], period["end"]))
        head.append(h("th", {"scope": "col", "role": "columnheader"}, title, when))
    body = []
    labs = [lab["name"] for lab in view["agreement"]["labs"]]
    shown = {period["period"] for period in periods}
    labs += sorted({row["lab"] for row in view["claims"] if row["period"] in shown} - set(labs))
    for lab in labs:
        cells = [h("th", {"scope": "row", "role": "rowheader"}, lab)]
        cells += [_cell(rows.get((lab, period["period"])), period) for period in periods]
        body.append(h("tr", {"role": "row"}, cells))
    table = h(
        "table",
        {"class": "states", "role": "table"},
        h("caption", {"class": "unseen"}, caption),
        h("thead", {"role": "rowgroup"}, h("tr", {"role": "row"}, head)),
        h("tbody", {"role": "rowgroup"}, body),
    )
    return h("div", {"class": "scroll", "role": "region", "aria-label": caption, "tabindex": "0"}, table)


def _cell(row: View | None, period: View) -> Html:
    label = h("span", {"class": "cell-period"}, f"Period {period['period']}, {span(period['begin'], period['end'])}")
    if row is None:
        return h("td", {"class": "cell none", "role": "cell"}, label, h("span", {"class": "word"}, "No claim agreed"))
    state = row["state"]
    name, listed = f"{row['lab']}-{row['period']}", is_listed(row)
    word = [icon(state), h("span", {"class": "word"}, STATES[state][0])]
    lines = [
        label,
        h("a" if listed else "span", {"class": "state", "href": f"#claim-{name}" if listed else None}, word),
        h("span", {"class": "when"}, _when(row)),
    ]
    if row["claim"]:
        lines.append(h("span", {"class": "here", "data-here": name}))
    return h("td", {"class": f"cell state-{state.replace(' ', '-')}", "role": "cell", "data-cell": name}, lines)


def is_listed(row: View) -> bool:
    """Whether a claim has an entry of its own below the table."""
    return row["claim"] is not None or row["state"] != "pending"


def _when(row: View) -> list[object]:
    if row["published"] is not None:
        return ["published late, " if row["late"] else "published ", date(row["published"])]
    if row["due"] is None or row["claim"] is not None:
        return []
    return ["was due " if row["state"] == "missing" else "due ", date(row["due"])]


def _legend() -> Html:
    entries = [
        h("div", {"class": f"state-{state.replace(' ', '-')}"}, h("dt", {}, icon(state), word), h("dd", {}, meaning))
        for state, (word, meaning) in STATES.items()
    ]
    return h("details", {"class": "legend"}, h("summary", {}, "What the words mean"), h("dl", {}, entries))
