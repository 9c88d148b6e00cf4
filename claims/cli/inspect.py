"""Commands of inspections: which round, which chip-seconds, how many.

Opening, checking and recording are in ``claims.cli.opening``, geneses in ``claims.cli.genesis``; importing this registers all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims.base.dates import readable
from claims.base.errors import MissingDependency
from claims.base.text import in_columns
from claims.cli.genesis import round_option
from claims.cli.group import agreement_argument, cli, json_option, load_terms, out, period_option, read_path, report
from claims.cli.opening import (
    COMMANDS,
    claim_option,
    dated,
    drawn_by_log,
    lab_option,
    lost_by_claim,
    memory_option,
    open_view,
)

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.inspection.beacon import Round, VerifiedRound
    from claims.inspection.terms import Draw

__all__ = ["inspect"]

NO_LOG = (
    "This agreement has no log and no [inspection]: the openings themselves are made between lab and inspector,"
    " and no command here checks them."
)
BY_LOG = "The lab opens exactly these (standstill inspect open); the inspector checks the opening (standstill inspect check)."
LISTS = (".csv", ".html")
PLOTS: dict[str, dict[str, None]] = {".svg": {"Date": None}, ".png": {"Software": None}}
"""Kinds of plots, and what is left out of their metadata so that the same plot is the same file."""
margin_option = click.option(
    "--margin", help='Least time between the period\'s end and the round, as in "12 h"; where the agreement has none. [default: 1 d]'
)
log_option = click.option("--log", "log_source", help="The agreement's public log: a folder or an https URL.")


@cli.group()
def inspect() -> None:
    """Inspections: draw by a later drand round, open what was drawn, check it, record the outcome."""


for command in COMMANDS:
    inspect.add_command(command)


def _margin(terms: Agreement, text: str | None) -> int:
    from claims.base.units import seconds_from_text
    from claims.inspection.terms import DEFAULT_MARGIN

    if terms.inspection is None:
        return DEFAULT_MARGIN if text is None else seconds_from_text(text)
    if text is not None:
        raise click.UsageError("the agreement fixes the margin: leave --margin out")
    return terms.inspection.margin


@inspect.command("round")
@agreement_argument
@period_option
@margin_option
@log_option
@memory_option
@click.option("--lab", "lab_name", help="With --log: the lab whose commitments date the round.")
@json_option
def inspect_round(
    agreement_path: Path, period: int, margin: str | None, log_source: str | None, log_memory: Path | None, lab_name: str | None
) -> None:
    """Say which drand round draws from a period.

    It is the first that is due after the whole period and its claim are in the log, and after the margin.
    """
    from claims.base.units import format_time
    from claims.inspection.beacon import QUICKNET, round_after, time_of_round
    from claims.inspection.draw import committed, eligible_round, terms_of
    from claims.inspection.terms import first_round, period_end, settled

    if (log_source is None) != (lab_name is None):
        raise click.UsageError("--log and --lab go together")
    terms = load_terms(agreement_path)
    seconds = _margin(terms, margin)
    number = first_round(terms, period, seconds)
    end, when_committed = format_time(period_end(terms, period)), None
    lines = [f"{f'period {period} ends':<18} {end}"]
    if log_source is not None and lab_name is not None:
        terms_of(terms)
        view = open_view(terms, lab_name, log_source, log_memory)
        with dated():
            found = committed(terms, lab_name, period, view)
        number = eligible_round(terms, found)
        when_committed = format_time(found.time)
        lines.append(f"committed          {when_committed}, by the clocks of the log's cosigners")
    elif terms.inspection is not None:
        number = round_after(settled(terms, period, 0) + seconds)
        when = "the period's end" if terms.deadlines is None else f"{format_time(settled(terms, period, 0))}, when all of it is due"
        lines.append(f"This is the round unless the lab's commitments or its claim come into the log after {when} (--log, --lab).")
    due, address = format_time(time_of_round(number)), f"https://api.drand.sh/{QUICKNET.hash.hex()}/public/{number}"
    lines.append(f"round              {number} of drand {QUICKNET.name}, due {due}")
    lines.append(f"save it from       {address}  (any drand mirror will do)")
    report(lines, {"period": period, "period_end": end, "committed_at": when_committed, "round": number, "due": due, "address": address})


@inspect.command("draw")
@agreement_argument
@lab_option
@period_option
@round_option
@log_option
@memory_option
@click.option("--count", "-c", type=click.IntRange(1, 2**20), help="Draws, where the agreement has none; see `standstill inspect plan`.")
@margin_option
@claim_option()
@click.option("--committed-at", help="Without a log: when the signed heads were published (2026-01-31T12:00:00Z).")
@click.option("--list", "list_path", type=read_path, help="Also write the list: FILE.csv, or FILE.html, a page to print.")
@click.option("--json", "as_json", is_flag=True, help="Print the draws as JSON.")
def inspect_draw(
    agreement_path: Path, lab_name: str, period: int, round_source: str, log_source: str | None, log_memory: Path | None,
    count: int | None, margin: str | None, claim_path: Path | None, committed_at: str | None, list_path: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Draw what to look at in a lab's period: meters, epochs, chip-seconds. Exit 1 when the round is invalid, too early, or not the one.

    Where the agreement has [inspection], the log says which round draws and the agreement how much. What the lab's claim lists as lost
    is visited, and draws another one: give the claim.
    """
    from claims.base.units import time_from_text
    from claims.inspection.draw import load_round
    from claims.inspection.terms import draw_period, first_round

    if list_path is not None and list_path.suffix not in LISTS:
        raise click.UsageError(f"--list writes files whose names end in {' or '.join(LISTS)}")
    terms = load_terms(agreement_path)
    seconds = _margin(terms, margin)
    if terms.inspection is not None:
        if log_source is None or count is not None or committed_at is not None:
            raise click.UsageError("the agreement fixes how to draw: give --log, and leave --count and --committed-at out")
        drawn = drawn_by_log(
            terms, lab_name, period, round_source, log_source, log_memory,
            lambda view: lost_by_claim(terms, lab_name, period, view, claim_path),
        ).drawn  # fmt: skip
        head = _header(terms, lab_name, period, drawn.round, drawn.round.number, drawn.committed.time) | {"note": BY_LOG}
        _write_list(terms, head, drawn.draws, drawn.visits, list_path)
        _print(terms, head, drawn.draws, drawn.visits, list(drawn.slots), as_json)
        return
    if log_source is not None or claim_path is not None or count is None:
        raise click.UsageError("the agreement has no [inspection]: give --count, and leave --log and --claim out")
    committed = None if committed_at is None else time_from_text(committed_at)
    given = load_round(round_source)
    draws = draw_period(terms, lab_name, period, given, count, margin=seconds, committed_at=committed)
    head = _header(terms, lab_name, period, given, first_round(terms, period, seconds), committed) | {"note": NO_LOG}
    _write_list(terms, head, draws, (), list_path)
    _print(terms, head, draws, (), None, as_json)


def _write_list(terms: Agreement, head: dict[str, Any], draws: Sequence[Draw], visits: Sequence[Draw], path: Path | None) -> None:
    """The list to take along, where one was asked for; with ``--list`` it is said on standard error."""
    from claims.base.files import write_atomic
    from claims.inspection.listing import csv_list, list_rows, page_list

    if path is not None:
        rows = list_rows(terms, head["lab"], draws, visits)
        write_atomic(path, (csv_list(rows) if path.suffix == ".csv" else page_list(head, rows)).encode())
        out(f"{path}: written", err=True)


def _print(
    terms: Agreement, head: dict[str, Any], draws: Sequence[Draw], visits: Sequence[Draw], slots: list[int] | None, as_json: bool
) -> None:
    """The draws, and what was drawn and is lost."""
    if as_json:
        rows, lost = ([_row(terms, number, item) for number, item in enumerate(items, 1)] for items in (draws, visits))
        out(json.dumps(head | {"draws": rows, "slots": slots, "visits": lost}, indent=2, sort_keys=True), exact=True)
        return
    places = [] if slots is None else ["", f"registry slots, from 0, in the order drawn: {', '.join(map(str, slots)) or 'none'}"]
    lost = ["", "lost, and to be visited; each drew another one:", *_table(terms, visits)] if visits else []
    out("\n".join([*_head_lines(head, by_log=slots is not None), *_draw_lines(terms, draws), *places, *lost, "", head["note"]]))


def _header(
    terms: Agreement, lab: str, period: int, given: Round | VerifiedRound, first: int, committed: int | None
) -> dict[str, Any]:
    from claims.base.units import format_time
    from claims.inspection.beacon import QUICKNET, time_of_round
    from claims.inspection.terms import period_end

    return {
        "format": "standstill-inspection/1",
        "agreement": terms.digest.hex(),
        "lab": lab,
        "period": period,
        "period_end": format_time(period_end(terms, period)),
        "committed_at": None if committed is None else format_time(committed),
        "chain": QUICKNET.hash.hex(),
        "round": given.number,
        "round_time": format_time(time_of_round(given.number)),
        "randomness": given.randomness.hex(),
        "first_eligible_round": first,
    }


def _head_lines(head: dict[str, Any], *, by_log: bool) -> list[str]:
    lines = [
        f"agreement   {head['agreement']}",
        f"lab         {head['lab']}, period {head['period']}, which ended {head['period_end']}",
        f"round       {head['round']} of drand quicknet, {head['round_time']}, signature verified",
        f"randomness  {head['randomness']}",
    ]
    if by_log:
        lines.append(f"Committed and claimed by {head['committed_at']}, as the log's cosigners date it; this is the one round that draws.")
    elif head["committed_at"] is None:
        lines.append(f"NOT CHECKED that the period's signed heads were published before {head['round_time']} (--committed-at).")
    else:
        lines.append(f"Published at {head['committed_at']}, as given; that it was so is for the reader to check.")
    if head["round"] != head["first_eligible_round"]:
        lines.append(
            f"This is not the first eligible round ({head['first_eligible_round']}): whoever chose it had a choice"
            " of draws, unless it was agreed before it was due."
        )
    return lines


def _row(terms: Agreement, number: int, item: Draw) -> dict[str, Any]:
    from claims.inspection.terms import epoch_times

    begin, end = epoch_times(terms, item.epoch)
    return {"draw": number, "meter": item.meter, "epoch": item.epoch, "begin": begin, "end": end, "chip_second": item.offset}


def _draw_lines(terms: Agreement, draws: Sequence[Draw]) -> list[str]:
    rule = "chip_second: the reading to open covers this place among the epoch's chip-seconds, in ledger order, from 0."
    return ["", *_table(terms, draws), "", rule]


def _table(terms: Agreement, draws: Sequence[Draw]) -> list[str]:
    rows = [_row(terms, number, item) for number, item in enumerate(draws, 1)]
    columns = ("draw", "meter", "epoch", "begin", "end", "chip_second")
    cells = [columns, *(tuple(readable(str(row[name])) for name in columns) for row in rows)]
    return in_columns(cells, right=(0, 2, 5))


@inspect.command("plan")
@click.option("--fraction", help="Misreported fraction of the chip-seconds that should not go unseen: 1/100, 0.01, 1%.")
@click.option("--miss", help="Largest probability with which all draws may miss it: 1/100, 0.01, 1%.")
@click.option("--plot", "plot_path", type=read_path, help="Also write a plot: FILE.svg or FILE.png (needs matplotlib).")
@click.option("--agreement", "-a", "agreement_path", type=read_path, help="Also say what its power feeds leave hidden.")
def inspect_plan(fraction: str | None, miss: str | None, plot_path: Path | None, agreement_path: Path | None) -> None:
    """Say how many draws are enough; without --fraction and --miss, a table. With an agreement, what its power feeds leave hidden."""
    from claims.inspection.terms import parse_probability, plan

    if (fraction is None) != (miss is None):
        raise click.UsageError("--fraction and --miss go together")
    if plot_path is not None and plot_path.suffix not in PLOTS:
        raise click.UsageError(f"--plot writes files whose names end in {' or '.join(PLOTS)}")
    if fraction is not None and miss is not None:
        draws = plan(parse_probability(fraction), parse_probability(miss))
        out(f"{draws} draws: if {fraction} of the lab's chip-seconds in the period are misreported,")
        out(f"all of them miss that with a probability of at most {miss}, and {draws - 1} with more.")
    else:
        out("\n".join(_plan_lines()))
    out("This counts misreported chip-seconds that an opening shows to be false, once it is compared with the site.")
    if agreement_path is not None:
        out("\n".join(_power_plan(load_terms(agreement_path))))
    if plot_path is not None:
        _plot(plot_path)
        out(f"{plot_path}: written")


def _power_plan(terms: Agreement) -> list[str]:
    """For each feed, what stays hidden whatever is drawn, and the draws that find more than that in a tenth of its hours."""
    from claims.agreement.hidden import hidden_lines, shares_of
    from claims.inspection.terms import plan

    none = "No power feed is agreed: training that meters sign as idle shows in no file."
    lines = ["", *(hidden_lines(terms) or [none])]
    for feed in terms.feeds:
        share = shares_of(terms, feed)[1]
        draws = plan(share / 10, Fraction(1, 100))
        agreed = "" if terms.inspection is None else f"; {terms.inspection.draws} are agreed"
        lines.append(f"feed {feed.name}: more than that in a tenth of its hours is missed by {draws} draws with at most 1 %{agreed}")
    return lines


def _percent(value: Fraction) -> str:
    return f"{float(100 * value):g}%"


def _plan_lines() -> list[str]:
    from claims.inspection.terms import TABLE_FRACTIONS, TABLE_MISSES, plan

    lines = ["Draws after which a misreported fraction (left) goes unseen with at most this probability (top):", ""]
    lines.append(" " * 8 + "".join(_percent(miss).rjust(9) for miss in TABLE_MISSES))
    for fraction in TABLE_FRACTIONS:
        lines.append(_percent(fraction).rjust(8) + "".join(str(plan(fraction, miss)).rjust(9) for miss in TABLE_MISSES))
    return [*lines, ""]


def _plot(path: Path) -> None:
    """Draws against the misreported fraction, one line for each probability of missing it."""
    import io

    from claims.base.files import write_atomic
    from claims.inspection.terms import TABLE_MISSES, plan

    try:
        import matplotlib
    except ImportError:
        raise MissingDependency("--plot needs matplotlib", "pip install matplotlib, or leave --plot out") from None
    matplotlib.use("agg")
    from matplotlib import pyplot

    fractions = [Fraction(round(10 ** (9 - i / 12)), 10**9) for i in range(4, 37)]
    with matplotlib.rc_context({"svg.hashsalt": "standstill"}):
        figure, axes = pyplot.subplots(figsize=(7, 4.5))
        for miss in reversed(TABLE_MISSES):
            draws = [plan(fraction, miss) for fraction in fractions]
            axes.plot([float(100 * fraction) for fraction in fractions], draws, label=_percent(miss))
        axes.set(xscale="log", yscale="log", xlabel="misreported chip-seconds, % of the period's", ylabel="draws")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.grid(True, which="both", alpha=0.3)
        axes.legend(title="all draws miss it with at most")
        figure.tight_layout()
        buffer = io.BytesIO()
        figure.savefig(buffer, format=path.suffix[1:], dpi=150, metadata=PLOTS[path.suffix])
        pyplot.close(figure)
    write_atomic(path, buffer.getvalue())
