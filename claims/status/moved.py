"""Which transfers of cap the log has for each period, and what the claims of that period are proven under together."""

from __future__ import annotations

from collections.abc import Sequence

from claims.agreement.model import Agreement
from claims.claim.allowances import transfers_of
from claims.claim.limits import capacity, is_unbounded
from claims.claim.lists import TOTAL
from claims.status.allowances import Moved
from claims.status.book import Book
from claims.status.model import Row
from claims.verify.log import allowance_dates

__all__ = ["moved_in"]


def moved_in(books: Sequence[Book], rows: Sequence[Row]) -> tuple[Moved, ...]:
    """The periods with a row for which the log has transfers, under the agreement that held then."""
    found = []
    for book in books:
        terms, published, view = book.agreement, book.published, book.view
        if published is None or view is None:
            continue
        own = [row for row in rows if row.agreement == terms.digest]
        for period in sorted({row.period for row in own}):
            transfers = transfers_of(published, period, allowance_dates(view, terms))
            if not transfers:
                continue
            caps = sum(lab.caps_at(period).total for lab in terms.labs if period >= terms.first_period_of(lab.name))
            now = [row for row in own if row.period == period]
            over = tuple(row.lab for row in now if row.state == "over")
            found.append(Moved(terms.digest, period, caps, _stated(terms, now), transfers, over))
    return tuple(found)


def _stated(terms: Agreement, rows: Sequence[Row]) -> int | None:
    """What the claims of a period are proven under together, units of 10^12 FLOP; None where one is not proven, or states no bound."""
    total = 0
    for row in rows:
        most, limit = capacity(terms, row.lab), next((item for item in row.limits if item.which == TOTAL), None)
        if row.proof is None or (limit is not None and is_unbounded(limit, most)):
            return None
        total += terms.lab(row.lab).caps_at(row.period).total + row.moved if limit is None else limit.stated
    return total
