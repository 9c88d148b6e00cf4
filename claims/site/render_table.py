"""A plain table of the page."""

from __future__ import annotations

from claims.site.html import Html, h

__all__ = ["plain_table"]


def plain_table(caption: str, columns: list[str], rows: list[list[object]], style: str = "") -> Html:
    """A table whose first column heads its rows; on a narrow screen each cell names its column."""
    head = [h("th", {"scope": "col", "role": "columnheader"}, column) for column in columns]
    body = []
    for row in rows:
        cells = [h("th", {"scope": "row", "role": "rowheader"}, row[0])]
        cells += [
            h("td", {"role": "cell"}, h("span", {"class": "label", "aria-hidden": "true"}, column), h("span", {}, cell))
            for column, cell in zip(columns[1:], row[1:], strict=True)
        ]
        body.append(h("tr", {"role": "row"}, cells))
    return h(
        "table",
        {"class": f"plain {style}".strip(), "role": "table"},
        h("caption", {"class": "unseen"}, caption),
        h("thead", {"role": "rowgroup"}, h("tr", {"role": "row"}, head)),
        h("tbody", {"role": "rowgroup"}, body),
    )
