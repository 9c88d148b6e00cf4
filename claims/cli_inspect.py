"""Commands of inspectors: which round, which chip-seconds, how many. Registered on ``claims.cli.cli``."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims.cli import _load_agreement, agreement_argument, cli, out, read_path
from claims.errors import MissingDependency

if TYPE_CHECKING:
    from claims.agreement import Agreement
    from claims.beacon import Round
    from claims.inspection import Draw

__all__ = ["inspect"]

OPENINGS = (
    "The openings themselves are made between lab and inspector: this version draws, it does not open or check readings."
)
period_option = click.option("--period", "-n", type=click.IntRange(0, 2**24 - 1), required=True, help="Period index, from 0.")
margin_option = click.option(
    "--margin", help='Least time between the period\'s end and the round, as in "12 h". [default: 1 d]'
)


@cli.group()
def inspect() -> None:
    """Draw the readings that an inspector has opened, by a drand round from after the period."""


def _margin(text: str | None) -> int:
    from claims.inspection import DEFAULT_MARGIN
    from claims.units import seconds_from_text

    return DEFAULT_MARGIN if text is None else seconds_from_text(text)


@inspect.command("round")
@agreement_argument
@period_option
@margin_option
def inspect_round(agreement_path: Path, period: int, margin: str | None) -> None:
    """Say which drand round draws from a period: the first after its end and the margin."""
    from claims.beacon import QUICKNET, time_of_round
    from claims.inspection import first_round, period_end
    from claims.units import format_time

    terms = _load_agreement(agreement_path)
    number = first_round(terms, period, _margin(margin))
    out(f"period {period} ends  {format_time(period_end(terms, period))}")
    out(f"round              {number} of drand {QUICKNET.name}, due {format_time(time_of_round(number))}")
    out(f"save it from       https://api.drand.sh/{QUICKNET.hash.hex()}/public/{number}  (any drand mirror will do)")


@inspect.command("draw")
@agreement_argument
@click.option("--lab", "lab_name", required=True, help="Lab of the agreement.")
@period_option
@click.option("--round", "round_path", type=read_path, required=True, help="The round as drand's HTTP interface gives it (JSON).")
@click.option("--count", "-c", type=click.IntRange(1, 2**20), required=True, help="Draws; see `standstill inspect plan`.")
@margin_option
@click.option("--committed-at", help="When the period's signed heads were published (2026-01-31T12:00:00Z); the round must be later.")
@click.option("--json", "as_json", is_flag=True, help="Print the draws as JSON.")
def inspect_draw(
    agreement_path: Path,
    lab_name: str,
    period: int,
    round_path: Path,
    count: int,
    margin: str | None,
    committed_at: str | None,
    as_json: bool,
) -> None:
    """Draw (meter, epoch, chip-second) of a lab's period. Exit 1 when the round is not valid or too early."""
    from claims.beacon import ROUND_LIMIT, parse_round
    from claims.files import read_bounded
    from claims.inspection import draw_period, first_round
    from claims.units import time_from_text

    terms = _load_agreement(agreement_path)
    seconds = _margin(margin)
    committed = None if committed_at is None else time_from_text(committed_at)
    given = parse_round(read_bounded(round_path, ROUND_LIMIT))
    draws = draw_period(terms, lab_name, period, given, count, margin=seconds, committed_at=committed)
    head = _header(terms, lab_name, period, given, first_round(terms, period, seconds), committed)
    if as_json:
        rows = [_row(terms, number, item) for number, item in enumerate(draws, 1)]
        out(json.dumps(head | {"draws": rows}, indent=2, sort_keys=True))
    else:
        out("\n".join([*_head_lines(head), *_draw_lines(terms, draws), "", OPENINGS]))


def _header(
    terms: Agreement, lab: str, period: int, given: Round, first: int, committed: int | None
) -> dict[str, Any]:
    from claims.beacon import QUICKNET, time_of_round
    from claims.inspection import period_end
    from claims.units import format_time

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
        "note": OPENINGS,
    }


def _head_lines(head: dict[str, Any]) -> list[str]:
    lines = [
        f"agreement   {head['agreement']}",
        f"lab         {head['lab']}, period {head['period']}, which ended {head['period_end']}",
        f"round       {head['round']} of drand quicknet, {head['round_time']}, signature verified",
        f"randomness  {head['randomness']}",
    ]
    if head["committed_at"] is None:
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
    from claims.inspection import epoch_times

    begin, end = epoch_times(terms, item.epoch)
    return {"draw": number, "meter": item.meter, "epoch": item.epoch, "begin": begin, "end": end, "chip_second": item.offset}


def _draw_lines(terms: Agreement, draws: list[Draw]) -> list[str]:
    rows = [_row(terms, number, item) for number, item in enumerate(draws, 1)]
    columns = ("draw", "meter", "epoch", "begin", "end", "chip_second")
    cells = [columns, *(tuple(str(row[name]) for name in columns) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    left = (1, 3, 4)
    table = [
        "  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in cells
    ]
    rule = "chip_second: the reading to open covers this place among the epoch's chip-seconds, in ledger order, from 0."
    return ["", *(line.rstrip() for line in table), "", rule]


@inspect.command("plan")
@click.option("--fraction", help="Misreported fraction of the chip-seconds that should not go unseen: 1/100, 0.01, 1%.")
@click.option("--miss", help="Largest probability with which all draws may miss it: 1/100, 0.01, 1%.")
@click.option("--plot", "plot_path", type=read_path, help="Also write a plot (SVG; needs matplotlib).")
def inspect_plan(fraction: str | None, miss: str | None, plot_path: Path | None) -> None:
    """Say how many draws are enough; without --fraction and --miss, a table."""
    from claims.inspection import parse_probability, plan

    if (fraction is None) != (miss is None):
        raise click.UsageError("--fraction and --miss go together")
    if fraction is not None and miss is not None:
        draws = plan(parse_probability(fraction), parse_probability(miss))
        out(f"{draws} draws: if {fraction} of the lab's chip-seconds in the period are misreported,")
        out(f"all of them miss that with a probability of at most {miss}, and {draws - 1} with more.")
    else:
        out("\n".join(_plan_lines()))
    out("This counts misreported chip-seconds that an opening shows to be false. " + OPENINGS)
    if plot_path is not None:
        _plot(plot_path)
        out(f"{plot_path}: written")


def _percent(value: Fraction) -> str:
    return f"{float(100 * value):g}%"


def _plan_lines() -> list[str]:
    from claims.inspection import TABLE_FRACTIONS, TABLE_MISSES, plan

    lines = ["Draws after which a misreported fraction (left) goes unseen with at most this probability (top):", ""]
    lines.append(" " * 8 + "".join(_percent(miss).rjust(9) for miss in TABLE_MISSES))
    for fraction in TABLE_FRACTIONS:
        lines.append(_percent(fraction).rjust(8) + "".join(str(plan(fraction, miss)).rjust(9) for miss in TABLE_MISSES))
    return [*lines, ""]


def _plot(path: Path) -> None:
    """Draws against the misreported fraction, one line for each probability of missing it."""
    import io

    from claims.files import write_atomic
    from claims.inspection import TABLE_MISSES, plan

    try:
        import matplotlib
    except ImportError:
        raise MissingDependency("--plot needs matplotlib", "pip install matplotlib, or leave --plot out") from None
    matplotlib.use("svg")
    from matplotlib import pyplot

    fractions = [Fraction(round(10 ** (9 - i / 12)), 10**9) for i in range(4, 37)]
    with matplotlib.rc_context({"svg.hashsalt": "standstill"}):
        figure, axes = pyplot.subplots(figsize=(7, 4.5))
        for miss in TABLE_MISSES:
            draws = [plan(fraction, miss) for fraction in fractions]
            axes.plot([float(100 * fraction) for fraction in fractions], draws, label=f"missed with at most {_percent(miss)}")
        axes.set(xscale="log", yscale="log", xlabel="misreported chip-seconds, % of the period's", ylabel="draws")
        axes.grid(True, which="both", alpha=0.3)
        axes.legend()
        figure.tight_layout()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    write_atomic(path, buffer.getvalue())
