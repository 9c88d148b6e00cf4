"""The page's lower half: inspections, the agreement, the public log, files, and what all of this rests on."""

from __future__ import annotations

from typing import Any

from claims.site.html import Html, h, join
from claims.site.render_outside import models_part, power_part
from claims.site.render_table import plain_table
from claims.site.words import day, duration, icon, moment, plural, readable, size

__all__ = ["agreement_section", "downloads_section", "inspections_section", "log_section", "trust_section"]

View = dict[str, Any]

_OUTCOMES = {"passed": "proven", "failed": "rejected", "refused": "rejected"}
_MANY_FILES = 400


def _link(path: str | None, words: str) -> Html | str:
    return h("a", {"href": path, "download": True}, words) if path else words


def _tone(item: View) -> str:
    """The state whose icon and colour an inspection's outcome has; of one that does not count, none that is good or bad."""
    return _OUTCOMES[item["outcome"]] if item["counts"] else "pending"


# ---- inspections --------------------------------------------------------------------------------------------


def inspections_section(view: View) -> Html:
    """Inspection records, decisions and evidence."""
    out: list[object] = [
        h(
            "p",
            {},
            "An inspector is told by public randomness, drawn after the books were closed, what to look at; the "
            "lab opens just that, to the inspector alone.",
        )
    ]
    rows = []
    for item in view["inspections"]:
        mark = h(
            "span",
            {"class": f"state state-{_tone(item)}"},
            icon(_OUTCOMES[item["outcome"]]),
            item["outcome"],
        )
        words = [mark, h("span", {"class": "because"}, " ", readable(item["reason"])) if item["reason"] else None]
        when = moment(item["time"]) if item["time"] is not None else "not dated"
        rows.append(
            [
                f"{item['lab']}, period {item['period']}",
                words,
                item["inspector"],
                [str(item["round"])],
                when,
                _link(item["path"], "record"),
            ]
        )
    if rows:
        out.append(
            plain_table(
                "Inspection records", ["Claim", "Outcome", "Inspector", "drand round", "Date", "File"], rows, "roomy"
            )
        )
    else:
        out.append(h("p", {"class": "empty"}, "No inspection has been recorded."))
    if view["evidence"]:
        items = [h("li", {}, item["text"], " ", _link(item["path"], "evidence")) for item in view["evidence"]]
        out += [h("h3", {}, "Evidence of contradiction"), h("ul", {"class": "items"}, items)]
    if view["decisions"]:
        items = [h("li", {}, readable(item["text"]), " ", _link(item["path"], "decision")) for item in view["decisions"]]
        out += [h("h3", {}, "Decisions"), h("ul", {"class": "items"}, items)]
    return join(out)


# ---- the agreement ------------------------------------------------------------------------------------------


def agreement_section(view: View) -> Html:
    """Caps, rules, parties, meters, deadlines and the pause."""
    terms = view["agreement"]
    facts: list[tuple[str, object]] = [
        (
            "In force",
            f"{day(terms['start'])} to {day(terms['end'])}, {plural(terms['periods'], 'period')} of {duration(terms['period_seconds'])}",
        ),
        *_rules(terms["rules"]),
    ]
    if terms["sign_by"] is not None:
        facts.append(("To be signed by", moment(terms["sign_by"])))
    if terms["deadlines"]:
        facts += [(name, duration(seconds)) for name, seconds in terms["deadlines"]]
    if terms["late_epochs"] is not None:
        facts.append(("Late epochs that a claim may have", terms["late_epochs"]))
    if terms["inspection"]:
        drawn = terms["inspection"]
        places = f" and {plural(drawn['slots'], 'place')} of the list of checkpoints" if drawn["slots"] else ""
        due = "are due in the log" if terms["deadlines"] else "are in the log"
        after = f", at least {duration(drawn['margin'])} after the claim and the last commitment {due}" if drawn["margin"] else ""
        facts.append(("An inspection draws", f"{plural(drawn['draws'], 'chip-second')}{places}{after}"))
    if terms["amends"]:
        facts.append(
            (
                "Replaces",
                [
                    h("code", {"class": "digest"}, terms["amends"]["digest"]),
                    f" from period {terms['amends']['from_period']} on",
                ],
            )
        )
    facts.append(("Digest", h("code", {"class": "digest"}, terms["digest"])))
    return join(
        [
            h("dl", {"class": "facts"}, [h("div", {}, h("dt", {}, key), h("dd", {}, value)) for key, value in facts]),
            h("h3", {}, "Limits"),
            _caps(terms),
            h("h3", {}, "Signatories"),
            _parties(terms),
            _pause(terms),
            power_part(terms),
            models_part(terms),
            _meters(terms),
        ]
    )


def _rules(changes: list[View]) -> list[tuple[str, object]]:
    """How work is counted, for each stretch of periods in which it is counted in one way."""
    out: list[tuple[str, object]] = []
    for rules in changes:
        since = "" if rules["from_period"] is None else f", from period {rules['from_period']} on"
        charged = "every busy chip-second, at the chip\u2019s highest published speed"
        out.append((f"Work is charged{since}", charged if rules["charge_peak"] else "as the meters sign it"))
        residue = "counts toward every model of the lab" if rules["charge_residue"] else "has a limit of its own only"
        out.append((f"Unattributed work{since}", residue))
    return out


def _caps(terms: View) -> Html:
    rows: list[list[object]] = []
    for lab in terms["labs"]:
        for caps in lab["caps"]:
            title = lab["name"] if caps["from_period"] is None else f"{lab['name']}, from period {caps['from_period']}"
            freeze = readable(caps["freeze"]) if caps["freeze"] else "none"
            rows.append(
                [title, readable(caps["total"]), readable(caps["unattributed"]), readable(caps["lineage"]), freeze]
            )
    note = h("p", {"class": "note"}, "FLOP: single calculations. 10", h("sup", {}, "24"), " is a 1 with 24 zeros.")
    columns = ["Lab", "In a period", "of it unattributed", "Behind any one model", "Freeze"]
    losses = ", ".join(f"{lab['name']} {lab['lost']}" for lab in terms["labs"] if lab["lost"])
    text = f"Of its meters\u2019 time, as much may be lost in a period, and is counted as full use: {losses}."
    return join([plain_table("Limits of each lab", columns, rows, "numbers"), note, h("p", {"class": "note"}, text) if losses else None])


def _parties(terms: View) -> Html:
    items = []
    alone, holders = "signs with Ed25519 alone, which a quantum computer forges", {feed["holder"] for feed in terms["feeds"]}
    for party in terms["parties"]:
        roles = [
            word
            for word, has in (
                ("lab", party["lab"]),
                ("cosigns the log", party["cosigns"]),
                ("runs the log", party["operates"]),
                ("reads a power meter", party["name"] in holders),
                (alone, party["alone"]),
            )
            if has
        ]
        state = "proven" if party["signed"] else "missing"
        word = "signed" if party["signed"] else "not signed"
        items.append(
            h(
                "li",
                {},
                h("span", {"class": "party"}, party["name"]),
                h("span", {"class": f"state state-{state}"}, icon(state), word),
                h("span", {"class": "roles"}, ", ".join(roles)) if roles else None,
            )
        )
    for witness in terms["witnesses"]:
        words = ", ".join(["witness of the log, no signatory", *([alone] if witness["alone"] else [])])
        items.append(h("li", {}, h("span", {"class": "party"}, witness["name"]), h("span", {"class": "roles"}, words)))
    return h("ul", {"class": "parties"}, items)


def _pause(terms: View) -> Html | None:
    pause = terms["pause"]
    if pause is None:
        return None
    facts = [
        ("What triggers it", pause["trigger"]),
        ("What lifts it", pause["lifts"]),
        ("Who decides", f"{pause['quorum']} of {', '.join(pause['deciders'])}"),
    ]
    return join(
        [
            h("h3", {}, "The pause"),
            h(
                "dl",
                {"class": "facts"},
                [h("div", {}, h("dt", {}, key), h("dd", {"class": "prose"}, value)) for key, value in facts],
            ),
        ]
    )


_BY_CHIP = "Of a large lab the meters are counted by chip here. Each is in the agreement: standstill agreement check --meters lists them."


_ALONE = "Without a period key, so with Ed25519 alone, which a quantum computer forges, sign of"


def _meters(terms: View) -> Html:
    alone = ", ".join(f"{lab['name']} {plural(lab['alone'], 'meter')}" for lab in terms["labs"] if lab["alone"])
    rows: list[list[object]] = [
        [" / ".join(part for part in (lab["name"], meter["site"], meter["name"]) if part), meter["chip"], f"{meter['chips']:,}"]
        for lab in terms["labs"]
        for meter in lab["meters"]
    ]
    tables: list[list[object]] = [
        [f"{lab['name']} / {table['name']}", f"{table['meters']:,}" if table["meters"] else "", f"{table['rows']:,}"]
        for lab in terms["labs"]
        for table in lab["tables"]
    ]
    chips: list[list[object]] = [[chip["name"], readable(chip["peak"]), chip["note"]] for chip in terms["chips"]]
    return h(
        "details",
        {"class": "legend"},
        h("summary", {}, f"{plural(sum(lab['count'] for lab in terms['labs']), 'meter')}, {plural(len(chips), 'kind')} of chip"),
        h("p", {}, _BY_CHIP) if any(lab["count"] > len(lab["meters"]) for lab in terms["labs"]) else None,
        h("p", {}, f"{_ALONE} {alone}.") if alone else None,
        plain_table("Meters", ["Meter", "Chip", "Chips"], rows, "numbers"),
        plain_table("Tables of a claim, each with a proof", ["Table", "Meters", "Rows"], tables, "numbers") if tables else None,
        plain_table("Chips", ["Chip", "Peak, FLOP per second", "Source"], chips),
    )


# ---- log, files, trust --------------------------------------------------------------------------------------


def log_section(view: View) -> Html:
    """The transparency log that dates and orders what was published."""
    log = view["log"]
    if log is None:
        return h("p", {"class": "empty"}, "The agreement names no public log: nothing dates what the labs publish.")
    facts: list[tuple[str, object]] = [
        ("Origin", h("code", {}, log["origin"])),
        ("Run by", log["operator"]),
        ("Entries", f"{log['size']:,}" if log["size"] is not None else "not readable"),
    ]
    if log["root"]:
        facts.append(("Root", h("code", {"class": "digest"}, log["root"])))
    facts.append(("Cosignatures needed", str(log["quorum"])))
    rows: list[list[object]] = [
        [item["name"], [moment(item["time"]) if item["time"] is not None else "no cosignature of this head"]]
        for item in log["cosigners"]
    ]
    return join(
        [
            h(
                "p",
                {},
                "Every epoch, every claim, every inspection is entered here, in a form that can only grow. Rivals "
                "sign its head: nobody can be shown another past.",
            ),
            h("p", {"class": "problem", "role": "note"}, icon("missing"), readable(log["problem"])) if log["problem"] else None,
            h("dl", {"class": "facts"}, [h("div", {}, h("dt", {}, key), h("dd", {}, value)) for key, value in facts]),
            plain_table("Cosigners", ["Cosigner", "Latest head signed"], rows) if rows else None,
            h("p", {}, "Keys that changed, by words in the log:") if view["keys"] else None,
            h("ul", {}, [h("li", {}, readable(line)) for line in view["keys"]]) if view["keys"] else None,
            h(
                "p",
                {"class": "note"},
                "C2SP formats (tlog-tiles, checkpoint, signed-note, cosignature): any such tool reads it. ",
                _checkpoint(log),
            ),
        ]
    )


def _checkpoint(log: View) -> Html | None:
    return h("a", {"href": log["path"]}, "checkpoint") if log["path"] else None


def downloads_section(view: View) -> Html:
    """Every published file with its size and SHA-256."""
    files = [item for item in view["files"] if item["kind"] != "log"]
    tiles = [item for item in view["files"] if item["kind"] == "log"]
    shown = files[:_MANY_FILES]
    rows: list[list[object]] = [
        [
            _link(item["path"], item["path"].removeprefix("files/")),
            size(item["bytes"]),
            h("code", {"class": "digest small"}, item["sha256"]),
        ]
        for item in shown
    ]
    more = len(files) - len(shown)
    first = [
        item
        for item in view["files"]
        if item["path"] in ("files/agreement.toml", "files/agreement.sigs", "files/log/checkpoint")
    ]
    quick = [h("li", {}, _link(item["path"], item["path"].removeprefix("files/"))) for item in first]
    quick += [h("li", {}, _link(path, path)) for path in ("site.json", "SHA256SUMS")]
    return join(
        [
            h(
                "p",
                {},
                "The whole folder is under ",
                h("code", {}, "files/"),
                ", as its publisher keeps it: ",
                h("code", {}, "standstill status files"),
                " computes the state from it anew. Keep a copy: a rival\u2019s copy is what keeps a host honest.",
            ),
            h("ul", {"class": "quick", "aria-label": "Downloads"}, quick),
            h(
                "details",
                {"class": "legend"},
                h("summary", {}, f"{plural(len(files), 'file')}, {size(sum(item['bytes'] for item in files))}"),
                plain_table("Published files", ["File", "Size", "SHA-256"], rows, "filelist"),
                h("p", {"class": "note"}, f"{more} more in SHA256SUMS.") if more > 0 else None,
            ),
            h(
                "p",
                {"class": "note"},
                f"The log: {plural(len(tiles), 'file')}, {size(sum(item['bytes'] for item in tiles))}.",
            )
            if tiles
            else None,
            _problems(view),
        ]
    )


def _problems(view: View) -> Html | None:
    if not view["problems"]:
        return None
    items = [h("li", {}, readable(line)) for line in view["problems"]]
    return join([h("h3", {}, "Files that count for nothing"), h("ul", {"class": "items"}, items)])


def trust_section(view: View) -> Html:
    """What a visitor relies on when the page says that something holds."""
    digest = view["agreement"]["digest"]
    return join(
        [
            h(
                "ul",
                {"class": "items"},
                h(
                    "li",
                    {},
                    h("strong", {}, "The proofs"),
                    " need no trust: no set-up, no trapdoor, the same verifier for every party. When this page says "
                    "\u201cchecked here\u201d, your "
                    "browser has redone the whole check: proof, signatures, and the unbroken chain of claims.",
                ),
                h(
                    "li",
                    {},
                    h("strong", {}, "The program"),
                    " that checks came from this host too. To leave the host out, compare SHA256SUMS with another copy "
                    "of this page, or verify "
                    "with the program ",
                    h("code", {}, "standstill"),
                    ", or with a verifier of your own: the formats are public.",
                ),
                h(
                    "li",
                    {},
                    h("strong", {}, "The agreement"),
                    " must be the one that you know of. Compare its digest with your own copy: ",
                    h("code", {"class": "digest"}, digest),
                ),
                h(
                    "li",
                    {},
                    h("strong", {}, "Inspection records and evidence"),
                    " on this page are as the publisher computed them; ",
                    h("code", {}, "standstill status"),
                    " recomputes them from the files. What a publisher leaves out, only another copy of the folder shows.",
                ),
            )
        ]
    )
