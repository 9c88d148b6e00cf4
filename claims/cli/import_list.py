"""``standstill import list|undo``: what was imported, and taking one import back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.dates import moment
from claims.base.text import counted, in_columns
from claims.cli.group import json_option, opened_store, report, store_option
from claims.cli.imports import import_group

if TYPE_CHECKING:
    from claims.lab.store_imports import Import

__all__ = ["import_list", "import_undo"]


@import_group.command("list")
@store_option
@json_option
def import_list(store_path: Path) -> None:
    """PRIVATE: every import with its number, and what of it meters have sealed. Epochs of collectors are counted together."""
    from claims.lab.store_imports import COLLECTED

    with opened_store(store_path) as store:
        found = store.imports()
    lines = in_columns([_row(item) for item in found if item.kind != COLLECTED], right=(0,))
    collected = sum(item.kind == COLLECTED for item in found)
    lines += [f"and {counted(collected, 'epoch')} of collectors"] if collected else []
    report(lines or ["nothing was imported"], {"lab": store.lab, "imports": [vars(item) for item in found]})


def _row(item: Import) -> tuple[str, str, str, str]:
    sealed = f"{counted(item.sealed, 'epoch')} sealed" if item.sealed else "can be undone"
    what = f"{counted(item.rows, 'row')} on {counted(item.meters, 'meter')}, {item.chip_ms // 3_600_000:,} chip-hours"
    more = f"{counted(item.checkpoints, 'checkpoint')} in open periods; {sealed}"
    return str(item.number), moment(item.moment), item.kind, f"{item.label}: {what}, {more}"


@import_group.command("undo")
@click.argument("number", type=click.IntRange(1))
@store_option
@json_option
def import_undo(number: int, store_path: Path) -> None:
    """Take back import NUMBER, its usage and its checkpoints. Refused once an epoch of it is sealed, or a checkpoint of it published."""
    with opened_store(store_path) as store:
        gone = store.undo_import(number)
    line = f"import {number}, {gone.label}: {counted(gone.rows, 'row')} and {counted(gone.checkpoints, 'checkpoint')} taken back"
    report(line, {"lab": store.lab, "undone": vars(gone)})
