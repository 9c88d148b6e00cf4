"""The page's markup from a view (FORMATS-site.md, section 3): everything a reader sees without any script.

Scripts only add what the visitor's own browser finds. So the page reads the same when it is archived, printed,
opened from a folder, or read without scripts.
"""

from __future__ import annotations

from typing import Any

from claims.site.html import Html, fill, h, join
from claims.site.meaning import claim_meaning, not_shown, state_meaning
from claims.site.render_detail import (
    agreement_section,
    downloads_section,
    inspections_section,
    log_section,
    trust_section,
)
from claims.site.render_outside import allowances_section
from claims.site.table import BROKEN, RECENT, is_listed, periods_of, table_section
from claims.site.timeline import timeline
from claims.site.words import STATES, duration, icon, moment, ordinal, plural, readable, span

__all__ = ["HOLDS", "page"]

View = dict[str, Any]

HOLDS: dict[str, tuple[str, str]] = {
    "yes": ("The standstill holds.", "proven"),
    "no": ("The standstill does not hold.", "rejected"),
    "undecided": ("Not decided yet.", "pending"),
}
"""Answer -> headline and icon."""


def headline_of(view: View) -> tuple[str, str]:
    """Headline and icon. What is over cannot hold: it held."""
    if view["life"]["expired"] and view["holds"]["answer"] == "yes":
        return "The standstill held to its end.", "proven"
    return HOLDS[view["holds"]["answer"]]


def page(template: str, view: View) -> str:
    """The whole page."""
    every: list[tuple[str, str, Html | None]] = [
        ("state", "State", _hero(view)),
        ("parties", "Parties and periods", table_section(view)),
        ("timeline", "Timeline", _timeline_section(view)),
        ("claims", "Claims", _claims_section(view)),
        ("check", "Check a file", _check_section(view)),
        ("allowances", "Limits that moved", allowances_section(view)),
        ("inspections", "Inspections", inspections_section(view)),
        ("agreement", "The agreement", agreement_section(view)),
        ("log", "The public log", log_section(view)),
        ("files", "Files", downloads_section(view)),
        ("trust", "What this rests on", trust_section(view)),
    ]
    sections = [(key, title, content) for key, title, content in every if content is not None]
    links = [h("li", {}, h("a", {"href": f"#{key}"}, title)) for key, title, _ in sections]
    body = [sections[0][2], *(_section(key, title, content) for key, title, content in sections[1:])]
    headline, _ = headline_of(view)
    slots = {
        "title": join([f"{headline.rstrip('.')}: {view['agreement']['name']}"]),
        "nav": h("ul", {}, links),
        "main": join(body),
        "footer": _footer(view),
    }
    return fill(template, slots)


def _section(key: str, title: str, content: Html) -> Html:
    return h(
        "section",
        {"id": key, "aria-labelledby": f"{key}-title"},
        h("h2", {"id": f"{key}-title"}, title),
        h("div", {"class": "body"}, content),
    )


def _hero(view: View) -> Html:
    answer = view["holds"]["answer"]
    headline, mark = headline_of(view)
    terms = view["agreement"]
    why = [h("li", {}, readable(line if line.endswith(".") else f"{line}.")) for line in view["holds"]["why"]]
    return h(
        "section",
        {"id": "state", "class": f"hero holds-{answer}", "aria-labelledby": "headline"},
        h(
            "p",
            {"class": "eyebrow"},
            h("span", {"class": "agreement-name"}, terms["name"]),
            h(
                "span",
                {},
                f"{plural(len(terms['labs']), 'lab')}, {plural(len(terms['parties']), 'signatory', 'signatories')}",
            ),
            h("span", {}, view["life"]["word"]),
        ),
        h("p", {"class": "hedge", "id": "hedge", "hidden": True}, "Your browser contradicts what the publisher says:"),
        h("div", {"class": "verdict"}, icon(mark), h("h1", {"id": "headline"}, headline)),
        _panel(view),
        h("div", {"id": "alarm", "role": "alert"}),
        h("ul", {"class": "why"}, why) if why else None,
        state_meaning(view),
        _tally(view),
        h("p", {"class": "life"}, readable(view["life"]["text"])) if view["life"]["text"] else None,
    )


def _tally(view: View) -> Html | None:
    """How many claims are in each state, those that are not due left out."""
    counts = {
        state: sum(1 for row in view["claims"] if row["state"] == state) for state in STATES if state != "pending"
    }
    items = [
        h(
            "li",
            {"class": f"state state-{state.replace(' ', '-')}"},
            icon(state),
            f"{count:,} {STATES[state][0].lower()}",
        )
        for state, count in counts.items()
        if count
    ]
    return h("ul", {"class": "tally", "aria-label": "Claims by state"}, items) if items else None


def _panel(view: View) -> Html:
    claims = sum(1 for row in view["claims"] if row["claim"])
    return h(
        "div",
        {"class": "panel", "id": "panel"},
        h(
            "p",
            {"class": "provenance", "id": "provenance"},
            h("strong", {}, "As computed by the publisher"),
            " of this page, ",
            moment(view["computed_at"]),
            ". Your own browser can check every claim.",
        ),
        h(
            "div",
            {"class": "actions", "id": "actions", "hidden": True},
            h(
                "button",
                {"type": "button", "id": "verify-all", "class": "primary"},
                f"Verify all {claims} in this browser" if claims else "Check this page in this browser",
            ),
            h("button", {"type": "button", "id": "stop", "hidden": True}, "Stop"),
            h(
                "progress",
                {"id": "progress", "max": max(claims, 1), "value": 0, "hidden": True, "aria-label": "Claims checked"},
            ),
            h("span", {"id": "done", "class": "done", "aria-hidden": "true", "hidden": True}),
        ),
        h("p", {"id": "live", "class": "live", "role": "status", "aria-live": "polite"}),
        h(
            "p",
            {"class": "hint", "id": "no-script"},
            "Checking here needs scripts, and a page that comes over http or https: not one opened from a "
            "folder. In the folder of this page, ",
            h("code", {}, "standstill site --serve 8000 ."),
            " or ",
            h("code", {}, "python3 -m http.server 8000 --bind 127.0.0.1"),
            " shows it at ",
            h("code", {}, "http://127.0.0.1:8000/"),
            ".",
        ),
    )


# ---- timeline and claims ------------------------------------------------------------------------------------


def _timeline_section(view: View) -> Html:
    periods = periods_of(view)
    if not periods:
        return h("p", {}, "No period has begun.")
    shown = {period["period"] for period in periods}
    return timeline(view, [row for row in view["claims"] if row["period"] in shown])


def _claims_section(view: View) -> Html:
    intro = h(
        "p",
        {},
        "A claim is one file, made by a lab once a period has ended: a mathematical proof about readings that meters on its chips have "
        "signed. Anyone can check it, and learns nothing else from it.",
    )
    meaning = claim_meaning(view)
    rows = [row for row in view["claims"] if is_listed(row)]
    rows.sort(key=lambda row: (-row["period"], row["lab"]))
    if not rows:
        return join([intro, meaning, h("p", {"class": "empty"}, "No claim is due yet.")])
    recent = {period["period"] for period in periods_of(view)[-RECENT:]}
    older = [row for row in rows if row["period"] not in recent]
    shown = [_claim(row, view) for row in rows if row["period"] in recent]
    return join([intro, meaning, shown, _older(older, view) if older else None])


def _older(rows: list[View], view: View) -> Html:
    return h(
        "details",
        {"class": "legend older", "open": any(row["state"] in BROKEN for row in rows)},
        h("summary", {}, f"Earlier periods: {plural(len(rows), 'claim')}"),
        [_claim(row, view) for row in rows],
    )


def _claim(row: View, view: View) -> Html:
    name, state = f"{row['lab']}-{row['period']}", row["state"]
    summary = h(
        "summary",
        {},
        h("span", {"class": "state"}, icon(state), h("span", {"class": "word"}, STATES[state][0])),
        h("h3", {}, f"{row['lab']}, period {row['period']}", " ", h("span", {"class": "when"}, span(row["begin"], row["end"]))),
        h("span", {"class": "here", "data-here": name}) if row["claim"] else None,
    )
    reason = row["reason"] or STATES[state][1]
    cap, *moved = row["transfers"] or [""]
    facts = [
        ("Period", [f"{span(row['begin'], row['end'])}, the {ordinal(row['period'] + 1)} of {view['agreement']['periods']:,}"]),
        ("Limit", [readable(cap)] if cap else None),
        ("Moved", [h("ul", {}, [h("li", {}, readable(line)) for line in moved])] if moved else None),
        ("Power", [row["power"]] if row["power"] else None),
        ("Claim due", [moment(row["due"])] if row["due"] is not None else ["no deadline agreed"]),
        (
            "Published",
            [moment(row["published"]), ", late" if row["late"] else None] if row["published"] is not None else None,
        ),
        (
            "File",
            [h("a", {"href": row["claim"], "download": True}, row["claim"].rsplit("/", 1)[-1])]
            if row["claim"]
            else None,
        ),
    ]
    body = [
        h("p", {"class": "reason"}, h("span", {"class": "by"}, "Publisher: "), readable(reason)),
        h(
            "dl",
            {"class": "facts"},
            [h("div", {}, h("dt", {}, key), h("dd", {}, value)) for key, value in facts if value],
        ),
    ]
    if row["claim"]:
        body += [
            h(
                "div",
                {"class": "actions needs-script", "hidden": True},
                h("button", {"type": "button", "data-verify": name}, "Verify in this browser"),
            ),
            h("div", {"class": "result", "data-result": name, "role": "status"}),
        ]
    if row["shows"]:
        contested = row["check"] in ("inspection", "evidence")
        holds = state in ("proven", "over", "under inspection", "lifted")
        title = "It shows" if holds else "On paper it shows" if contested else "It would show, if it held"
        body += [
            h("h4", {}, title),
            h("ul", {"class": "plus"}, [h("li", {}, readable(line)) for line in row["shows"]]),
            h("h4", {}, "It does not show"),
            h("ul", {"class": "minus"}, [h("li", {}, line) for line in not_shown(view)]),
        ]
    return h(
        "article",
        {"class": f"claim state-{state.replace(' ', '-')}", "id": f"claim-{name}"},
        h("details", {}, summary, h("div", {"class": "inside"}, body)),
    )


def _check_section(view: View) -> Html:
    digest = view["agreement"]["digest"]
    return join(
        [
            h(
                "p",
                {},
                "Check a file that came to you another way: by mail, from a rival, from an archive. A claim is verified; an agreement, "
                "evidence, a decision, a record or a head of the log is recognised and compared. "
                "It is read in this browser and sent nowhere.",
            ),
            h(
                "div",
                {"class": "drop needs-script", "id": "drop", "hidden": True},
                h("label", {"for": "file"}, "Choose a file"),
                h(
                    "input",
                    {
                        "type": "file",
                        "id": "file",
                        "multiple": True,
                        "aria-describedby": "drop-hint",
                    },
                ),
                h("p", {"id": "drop-hint", "class": "note"}, "or drop it anywhere on this page"),
            ),
            h("div", {"id": "dropped", "class": "dropped", "role": "status", "aria-live": "polite"}),
            h(
                "div",
                {"class": "compare needs-script", "hidden": True},
                h("label", {"for": "digest"}, "Digest of the agreement, from your own copy"),
                h(
                    "input",
                    {
                        "id": "digest",
                        "type": "text",
                        "autocomplete": "off",
                        "spellcheck": "false",
                        "aria-describedby": "digest-hint digest-result",
                    },
                ),
                h(
                    "p",
                    {"id": "digest-hint", "class": "note"},
                    "Every claim is bound to it. Here: ",
                    h("code", {"class": "digest"}, digest),
                ),
                h("p", {"id": "digest-result", "role": "status", "class": "result"}),
            ),
            h(
                "p",
                {"class": "note without-script"},
                "Without scripts: ",
                h("code", {}, "standstill verify FILE --agreement agreement.toml"),
            ),
        ]
    )


def _footer(view: View) -> Html:
    return h(
        "p",
        {},
        "Computed ",
        moment(view["computed_at"]),
        f" by Standstill {view['version']}. ",
        h("a", {"href": "SHA256SUMS"}, "SHA256SUMS"),
        " lists every file of this page; ",
        h("a", {"href": "site.json"}, "site.json"),
        " has what it says for programs. Periods of ",
        duration(view["agreement"]["period_seconds"]),
        ", epochs of ",
        duration(view["agreement"]["epoch_seconds"]),
        "; all times are UTC.",
    )
