"""How many rows the tables of a claim need, and whether they have them (circuits/README.md section 2)."""

from __future__ import annotations

from collections.abc import Sequence

from claims.agreement.terms import Lab, Site
from claims.claim.handover import Records

__all__ = ["Row", "registry_rows", "rows_problems", "site_problems", "site_rows", "table_rows"]

Row = tuple[int, int, int, int]
"""Epoch, tag, chip-seconds and work of a reading."""
ROWS_PER_ENTRY = 5
LEDGER_OVERHEAD = 3
"""IV, header and trailer rows of a chain."""
REGISTRY_OVERHEAD = 4
"""IV, header, before trailer and trailer."""


def table_rows(readings: int, meters: int, entries: int) -> int:
    """Rows that a claim needs before masks and padding."""
    return readings + LEDGER_OVERHEAD * meters + ROWS_PER_ENTRY * entries + REGISTRY_OVERHEAD


def site_rows(readings: int, meters: int, records: int) -> int:
    """Rows of a site's table: each record is received in two."""
    return readings + LEDGER_OVERHEAD * meters + 2 * records + LEDGER_OVERHEAD


def registry_rows(records: Sequence[int], entries: int) -> int:
    """Rows of the registry's table. ``records``: of each site's summary."""
    return sum(records) + LEDGER_OVERHEAD * len(records) + ROWS_PER_ENTRY * entries + REGISTRY_OVERHEAD


def rows_problems(lab: Lab, ledgers: dict[str, list[Row]], records: dict[str, Records], entries: int) -> list[str]:
    """Which tables of a lab are too small for a period, in words.

    Args:
        ledgers: the readings of each meter that is proven here.
        records: of each site's summary.
        entries: of the registry.
    """
    if lab.registry_rows is None:
        rows = table_rows(sum(map(len, ledgers.values())), len(ledgers), entries)
        return _too_many("the claim", rows, lab.log_rows)
    problems = []
    for site in lab.sites:
        if site.meters[0].name in ledgers:
            problems += site_problems(site, lab.log_rows, ledgers, records[site.name])
    rows = registry_rows([len(found) for found in records.values()], entries)
    return problems + _too_many("the registry", rows, lab.registry_rows)


def site_problems(site: Site, log_rows: int, ledgers: dict[str, list[Row]], records: Records) -> list[str]:
    """As :func:`rows_problems`, of a site."""
    readings = sum(len(ledgers[meter.name]) for meter in site.meters)
    return _too_many(f"site {site.name}", site_rows(readings, len(site.meters), len(records)), log_rows)


def _too_many(what: str, rows: int, log_rows: int) -> list[str]:
    return [f"{what} needs {rows} rows, the agreement's table has {1 << log_rows}"] if rows > 1 << log_rows else []
