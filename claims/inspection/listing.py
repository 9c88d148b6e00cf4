"""An inspector's list of drawn chip-seconds: as CSV, and as a page to print and fill in on site. Nothing reads either of them back."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from html import escape
from typing import Any

from claims.agreement.model import Agreement
from claims.base.dates import readable
from claims.inspection.terms import Draw, epoch_times

__all__ = ["COLUMNS", "csv_list", "list_rows", "page_list"]

COLUMNS = ("draw", "what", "meter", "site", "chips", "chip_class", "epoch", "begin", "end", "chip_second", "seen_on_site")
"""``what``: ``open``, or ``visit`` where the claim lists it as lost; ``seen_on_site`` is empty."""
_STYLE = (
    "body{font:11pt/1.4 sans-serif;margin:1.5cm}table{border-collapse:collapse;width:100%}thead{display:table-header-group}"
    "th,td{border:1px solid #555;padding:.3em .5em;text-align:left;vertical-align:top}tr{break-inside:avoid}"
    "td.n{text-align:right}td.seen{min-width:6cm;height:1.6em}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1em}"
    "dd{margin:0;overflow-wrap:anywhere}@page{size:A4 landscape}"
)
_NUMBERS = ("draw", "chips", "epoch", "chip_second")


def list_rows(agreement: Agreement, lab: str, draws: Sequence[Draw], visits: Sequence[Draw]) -> list[dict[str, str]]:
    """A row for each chip-second to open, in the order drawn, then for each that is lost and to be visited. Keys: COLUMNS."""
    meters = {meter.name: meter for meter in agreement.lab(lab).meters}
    rows = []
    for what, items in (("open", draws), ("visit", visits)):
        for number, item in enumerate(items, 1):
            meter, (begin, end) = meters[item.meter], epoch_times(agreement, item.epoch)
            values = (number, what, item.meter, meter.site or "", meter.chips, meter.chip, item.epoch, begin, end, item.offset, "")
            rows.append(dict(zip(COLUMNS, map(str, values), strict=True)))
    return rows


def csv_list(rows: Sequence[dict[str, str]]) -> str:
    """CSV with one header line, lines ending in a newline. Names in agreements have no character that a spreadsheet runs."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def page_list(head: dict[str, Any], rows: Sequence[dict[str, str]]) -> str:
    """An HTML page of its own. head: of ``standstill inspect draw --json``."""
    about = {
        "Lab": head["lab"],
        "Period": f"{head['period']}, which ended {head['period_end']}",
        "Round": f"{head['round']} of drand {head['chain'][:8]}, {head['round_time']}",
        "Agreement": head["agreement"],
        "Inspector": "",
        "Date and signature": "",
    }
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(readable(str(value)))}</dd>" for name, value in about.items())
    top = "".join(f'<th scope="col">{name.replace("_", " ")}</th>' for name in COLUMNS)
    body = "".join(f"<tr>{''.join(_cell(name, row[name]) for name in COLUMNS)}</tr>\n" for row in rows)
    title = escape(f"Inspection of {head['lab']}, period {head['period']}")
    note = "The chip second counts from 0 within the epoch, in the order of the meter's ledger. Rows marked “visit” are lost: go there."
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>\n'
        f"<body><h1>{title}</h1><dl>{lines}</dl>\n<p>{note}</p>\n"
        f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}</tbody></table></body></html>\n"
    )


def _cell(name: str, value: str) -> str:
    kind = ' class="seen"' if name == "seen_on_site" else ' class="n"' if name in _NUMBERS else ""
    return f"<td{kind}>{escape(readable(value))}</td>"
