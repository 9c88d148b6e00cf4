"""Lies that no file of a lab shows: its meters sign running chips as idle, and its claim verifies.

The month is told again with false books, twice. Where a power feed is agreed, the hours that the beacon draws are held against
the joules that a utility committed to before: the opening itself shows the lie. Where none is agreed, the opening is what the meters
signed, and nothing but an inspector before the racks can find it.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from claims.agreement.model import Agreement
from claims.base.files import write_new
from claims.claim.records import IDLE
from claims.demo.act_two import (
    DAY,
    LIAR,
    PERIOD,
    ROUND,
    Month,
    MonthLab,
    agree_without_power,
    go_on,
    heads_of,
    live_month,
    open_to,
    prove,
    publish_claims,
    write_record,
)
from claims.demo.cheats import CHEAT, NotCaught
from claims.demo.labs import DemoLab
from claims.imports.checkpoints import import_checkpoints
from claims.imports.usage import import_usage
from claims.inspection.check import CheckedOpening, OpeningRejected, check_opening
from claims.inspection.draw import draw_committed, load_round
from claims.inspection.file import Opening
from claims.inspection.power import check_power, compare
from claims.inspection.record import Record, make_record
from claims.lab.store import Store

__all__ = ["HIDDEN", "Lie", "tell_a_lie", "tell_unseen"]

HIDDEN = "olmo-7b-0724/"
"""Checkpoints whose training the lying lab's meters sign as idle time."""


@dataclass(frozen=True)
class Lie:
    """The month told again with false books.

    Attributes:
        month: with its own publication folder; every claim in it is proven, the false one too.
        hidden: share of the lab's chip-seconds that were signed as idle although work ran.
        drawn, exposed: chip-seconds drawn, and how many of them are in an hour whose opened idle time was not idle.
        hours, over: hours of the feed that were compared, and those that drew more than their chips account for.
        recorded: what the inspector's record says.
    """

    month: Month
    hidden: float
    drawn: int
    exposed: int
    hours: int
    over: int
    recorded: str


def tell_a_lie(true: Month, folder: Path, progress: Callable[[float], None]) -> Lie:
    """The same month, but lab ``LIAR``'s meters sign the training toward ``HIDDEN`` as idle; another lab will not open.

    Args:
        folder: becomes a publication folder; ``private`` files lie beside the true month's.
    """
    private = true.private / "lie"
    liar = _liar(true, true.agreement, private)
    labs = [liar if lab.plan.name == LIAR else lab for lab in true.labs]
    folder.mkdir()
    for name in ("agreement.toml", "agreement.sigs"):
        shutil.copyfile(true.folder / name, folder / name)
    month = dataclasses.replace(true, folder=folder, private=private, labs=labs, rows=[])
    month.open_log_folder()
    live_month(month, progress)
    for lab in labs:
        if lab is liar:
            prove(month, lab, lambda phase, share: None)
        else:
            row = true.row(lab.plan.name)
            month.rows.append(MonthLab(lab, row.claim, row.roots))
    publish_claims(month)
    lie = _inspected(true, month)
    liar.store.close()
    return lie


def tell_unseen(true: Month, folder: Path, progress: Callable[[float], None]) -> Lie:
    """The lie once more, under an agreement without a power feed, of the lying lab alone."""
    private = true.private / "unseen"
    folder.mkdir()
    honest = true.row(LIAR).lab
    month = agree_without_power(true, honest, folder, private)
    liar = _liar(true, month.agreement, private)
    month.labs = [liar]
    month.open_log_folder()
    live_month(month, progress)
    prove(month, liar, lambda phase, share: None)
    publish_claims(month)
    lie = _inspected(true, month)
    liar.store.close()
    return lie


def _liar(true: Month, agreement: Agreement, private: Path) -> DemoLab:
    """The lying lab as it was before the month, its books without the hidden training."""
    private.mkdir(mode=0o700)
    honest = true.row(LIAR).lab
    place = private / f"{LIAR}.store"
    shutil.copy(true.private / f"{LIAR}-before.store", place)
    plan = dataclasses.replace(
        honest.plan,
        usage=[row for row in honest.plan.usage if not row["checkpoint"].startswith(HIDDEN)],
        checkpoints=[row for row in honest.plan.checkpoints if not row["name"].startswith(HIDDEN)],
    )
    usage, checkpoints = plan.write(private)
    liar = dataclasses.replace(honest, plan=plan, folder=private, store=Store.open(place))
    import_usage(liar.store, agreement, usage)
    import_checkpoints(liar.store, agreement, checkpoints)
    return liar


def _inspected(true: Month, month: Month) -> Lie:
    """Each lab opens to an inspector who looks at files alone, except ``CHEAT``, which refuses; records go into the log."""
    entries, due, lie = [], month.end + DAY, None
    write_new(month.folder / "rounds" / ROUND.name, ROUND.read_bytes(), 0o644)
    for row in month.rows:
        inspector = month.inspector(row.lab.plan.name)
        if row.lab.plan.name == CHEAT:
            due = month.end + 5 * DAY
            drawn = draw_committed(month.agreement, CHEAT, PERIOD, load_round(str(ROUND)), month.view(CHEAT))
            record = make_record(month.agreement, drawn, inspector.plan.name, inspector.key, None, now=due)
        elif row.lab.plan.name == LIAR:
            checked, record = _by_files(month, row, inspector)
            lie = _measured(true, month, row, checked, record)
        else:
            record = _as_before(true, month, row, inspector)
        entries.append(write_record(month, record, inspector))
    if lie is None:
        raise NotCaught(f"lab {LIAR} opened nothing")
    go_on(month, (due - month.end) // DAY)
    month.publish(entries, due + DAY)
    return lie


def _as_before(true: Month, month: Month, row: MonthLab, inspector: DemoLab) -> Record:
    """An honest lab opens as in the true month: its books are the same, and what is drawn depends on agreement and round alone."""
    before, name = true.row(row.lab.plan.name), row.lab.plan.name
    drawn = draw_committed(month.agreement, name, PERIOD, load_round(str(ROUND)), month.view(name))
    row.inspector, row.opening = before.inspector, before.opening
    row.checked = check_opening(month.agreement, drawn, Opening.decode(row.opening), row.inspector)
    return make_record(month.agreement, drawn, row.inspector, inspector.key, row.opening, heads=heads_of(row))


def _by_files(month: Month, row: MonthLab, inspector: DemoLab) -> tuple[CheckedOpening, Record]:
    """What an inspector finds who does not leave the desk: the power record, where there is one, holds against the opening or not."""
    drawn, failures = open_to(month, row), tuple[str, ...]()
    if row.checked is None:
        raise NotCaught(f"lab {LIAR} opened nothing")
    try:
        check_power(month.agreement, row.checked.opening, drawn.committed.unconfirmed)
    except OpeningRejected as error:
        failures = (error.code,)
    record = make_record(month.agreement, drawn, row.inspector, inspector.key, row.opening, failures, heads=heads_of(row))
    return row.checked, record


def _measured(true: Month, month: Month, row: MonthLab, checked: CheckedOpening, record: Record) -> Lie:
    """How much of the lie the draw met, by the true books, which stand for what is seen before the racks."""
    honest, name, agreement = true.row(LIAR).lab.store, row.claim.meters[0].name, month.agreement
    idle = {reading.epoch: reading.chip_seconds for reading in honest.readings(PERIOD, name) if reading.tag == IDLE}
    first, last = agreement.period_epochs(PERIOD)
    claimed = sum(r.chip_seconds for r in row.lab.store.readings(PERIOD, name) if r.tag == IDLE)
    total = agreement.coverage(agreement.lab(LIAR).meter(name)) * (last - first + 1)
    exposed = 0
    for item in checked.drawn.draws:
        one = next(
            r.opening for r in checked.opening.readings
            if (r.meter, r.opening.reading.epoch) == (item.meter, item.epoch)
            and r.opening.start <= item.offset < r.opening.start + r.opening.reading.chip_seconds
        )  # fmt: skip
        exposed += one.reading.tag == IDLE and one.reading.chip_seconds > idle.get(item.epoch, 0)
    hours = [item for item in compare(agreement, checked.opening) if item.most is not None]
    return Lie(
        month, (claimed - sum(idle.values())) / total, len(checked.drawn.draws), exposed, len(hours),
        sum(not item.holds for item in hours), ", ".join([record.outcome, *record.failures]),
    )  # fmt: skip
