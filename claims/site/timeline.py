"""The timeline: an SVG laid out in per cent, so that it fits any width without scaling its text."""

from __future__ import annotations

from typing import Any

from claims.site.html import Html, h, join
from claims.site.words import STATES, day, icon, moment

__all__ = ["timeline"]

_LANE, _HEAD, _BAR = 58, 36, 22
WORDS, ICONS = 6, 24
"""Periods up to which a bar has room for its word, and for its icon; every bar has a title, and the table has both."""


def timeline(view: dict[str, Any], rows: list[dict[str, Any]]) -> Html:
    """Lanes of periods, one for each lab, with deadlines, publications and inspections.

    Args:
        view: the page's view.
        rows: the claims to show, at least one.
    """
    begin = min(row["begin"] for row in rows)
    ends = [row["end"] for row in rows]
    ends += [row["due"] for row in rows if row["due"] is not None and row["due"] <= 2 * max(ends) - begin]
    ends += [
        row["published"] for row in rows if row["published"] is not None and row["published"] <= 2 * max(ends) - begin
    ]
    now, end = view["computed_at"], max(ends)
    end += max(1, (end - begin) // 40)

    def at(time: int) -> str:
        part = (min(max(time, begin), end) - begin) * 10000 // (end - begin)
        return f"{part // 100}.{part % 100:02d}%"

    many = len({row["period"] for row in rows})
    labs = [lab["name"] for lab in view["agreement"]["labs"] if any(row["lab"] == lab["name"] for row in rows)]
    height = _HEAD + _LANE * len(labs) + 8
    parts: list[object] = [_axis(rows, at, height)]
    if begin <= now <= end:
        anchor = "end" if (now - begin) * 2 > end - begin else "start"
        parts.append(h("line", {"class": "now", "x1": at(now), "x2": at(now), "y1": 14, "y2": height}))
        parts.append(h("text", {"class": "now-label", "x": at(now), "y": 10, "text-anchor": anchor}, "date of this page"))
    for number, lab in enumerate(labs):
        top = _HEAD + _LANE * number
        parts.append(_lane(lab, [row for row in rows if row["lab"] == lab], at, top))
        parts += [
            _mark(at(item["time"]), top + 20 + _BAR + 7, "inspection", f"Inspection, {item['outcome']}")
            for item in view["inspections"]
            if item["lab"] == lab and item["time"] is not None and begin <= item["time"] <= end
        ]
    words = h(
        "desc", {}, "The same as the table above says, along time: periods, publications, deadlines and inspections."
    )
    svg = h(
        "svg",
        {
            "class": "timeline" + (" dense" if many > WORDS else "") + (" denser" if many > ICONS else ""),
            "role": "img",
            "aria-label": "Timeline of periods and claims",
            "height": height,
            "width": "100%",
        },
        words,
        parts,
    )
    keys = [("published", "claim published"), ("due", "claim due"), ("inspection", "inspection recorded")]
    key = [
        h(
            "li",
            {},
            h("svg", {"class": "key", "width": 16, "height": 16, "aria-hidden": "true"}, _mark("50%", 8, kind, "")),
            words,
        )
        for kind, words in keys
    ]
    reading = "A bar is a period, its icon and word the state of the lab\u2019s claim for it. Claims come after a period has ended."
    caption = [h("ul", {"class": "keys"}, key), h("p", {"class": "note"}, reading, _ongoing(view))]
    return h("figure", {}, svg, h("figcaption", {}, caption))


def _ongoing(view: dict[str, Any]) -> Html | None:
    coming = [row["due"] for row in view["claims"] if row["due"] is not None and row["due"] > view["computed_at"]]
    return join([" Next deadline for claims: ", moment(min(coming)), "."]) if coming else None


def _axis(rows: list[dict[str, Any]], at: Any, height: int) -> Html:
    starts = sorted({row["begin"] for row in rows} | {max(row["end"] for row in rows)})
    step = max(1, -(-len(starts) // 6))
    out: list[object] = []
    for number, time in enumerate(starts):
        x = at(time)
        out.append(h("line", {"class": "grid", "x1": x, "x2": x, "y1": 30, "y2": height}))
        if number % step == 0 and number < len(starts) - (1 if len(starts) > 2 else 0):
            extra = " minor" if (number // step) % 2 else ""
            out.append(h("text", {"class": f"tick{extra}", "x": x, "y": 28, "dx": 3}, day(time, year=False)))
    return join(out)


def _lane(lab: str, rows: list[dict[str, Any]], at: Any, top: int) -> Html:
    out: list[object] = [h("text", {"class": "lane", "x": 0, "y": top + 14, "dx": 3}, lab)]
    for row in rows:
        state = row["state"].replace(" ", "-")
        left, right = at(row["begin"]), at(row["end"])
        width = f"{float(right[:-1]) - float(left[:-1]):.2f}%"
        out.append(
            h(
                "svg",
                {
                    "x": left,
                    "y": top + 20,
                    "width": width,
                    "height": _BAR,
                    "overflow": "visible",
                    "class": f"bar state-{state}",
                },
                h("title", {}, f"{lab}, period {row['period']}: {STATES[row['state']][0]}"),
                h("rect", {"x": 1, "y": 0, "width": "100%", "height": _BAR, "rx": 3}),
                h("svg", {"x": 6, "y": 3, "width": 16, "height": 16}, icon(row["state"])),
                h("text", {"x": 28, "y": 15.5, "class": "bar-word"}, STATES[row["state"]][0]),
            )
        )
        if row["due"] is not None:
            out.append(_mark(at(row["due"]), top + 20 + _BAR + 7, "due", f"Claim due, {lab}, period {row['period']}"))
        if row["published"] is not None:
            out.append(
                _mark(
                    at(row["published"]),
                    top + 20 + _BAR + 7,
                    "published",
                    f"Claim published, {lab}, period {row['period']}",
                )
            )
    return join(out)


def _mark(x: str, y: int, kind: str, words: str) -> Html:
    title = h("title", {}, words) if words else None
    shape = {
        "published": h("circle", {"r": 4}),
        "due": h("path", {"d": "M0 -5V5M-3.5 5h7"}),
        "inspection": h("path", {"d": "M0 -5.5L5.5 0L0 5.5L-5.5 0z"}),
    }[kind]
    return h("svg", {"x": x, "y": y, "overflow": "visible", "class": f"mark-{kind}"}, title, shape)
