"""What the demonstration says, for a reader who negotiates agreements and writes no code."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from claims.agreement.model import Agreement
from claims.base.dates import day, span
from claims.base.units import WORK_UNIT, format_duration, format_time
from claims.demo.data import ASSUMED
from claims.demo.labs import DemoLab, Row
from claims.lab.registry import MERGE, OPENING
from claims.verify.report import NOT_SHOWN

if TYPE_CHECKING:
    from rich.console import Console

PHASE_WORDS = {
    "main trace": "proving (committing to the books)",
    "lookups": "proving (balancing every account)",
    "constraints": "proving (checking every rule)",
    "quotient": "proving (checking every rule)",
    "out of domain": "proving (answering at a random point)",
    "deep": "proving (binding the answers)",
    "fri": "proving (low-degree test)",
    "openings": "proving (random spot checks)",
    "done": "signing",
    "verify": "verifying as a stranger would",
}
CHECK_WORDS = {
    "format": "it is not a whole claim",
    "agreement": "it is not about the agreement that was signed",
    "meters": "not exactly the agreed meters",
    "signatures": "a meter's signature does not verify",
    "previous": "the claim before it is missing: nothing shows what it continues from",
    "continuity": "it does not continue from the last accepted claim",
    "proof": "the proof does not hold",
}
RULES = (
    ("Nobody substitutes the books", "each meter signed its sealed books, and the proof is about those very books"),
    ("Nothing is left out", "every chip, every second of the period, idle time included"),
    ("Busy is not called free", "each busy chip-second is charged at the chip's best speed"),
    ("Work is booked once", "to one checkpoint of the period, or openly as unattributed"),
    ("History is carried along", "a checkpoint carries all the work behind it, through restarts, copies and averages"),
    ("The caps hold", "the period's total, its unattributed part, and every lineage are within the agreed limits"),
)


def flop(units: int) -> str:
    """Units of 10^12 FLOP as a rounded number of FLOP, to three digits, such as ``4.56e23``."""
    mantissa, _, exponent = f"{units * WORK_UNIT:.2e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}" if units else "0"


def say(console: Console, message: str) -> None:
    console.print(message, highlight=False)


def table_of(title: str, *columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=column in ("lab", "period", *right),
        )
    return table


def progress(console: Console) -> Progress:
    """A bar for each lab's claim."""
    tick = "✓" if "utf" in console.encoding.lower() else "*"
    return Progress(
        SpinnerColumn(finished_text=f"[green]{tick}"),
        TextColumn("{task.description:<58}"),
        BarColumn(20),
        TimeElapsedColumn(),
        console=console,
    )


def opening(console: Console, labs: list[DemoLab], agreement: Agreement) -> None:
    """What this is, who takes part, what was agreed, what is real and what is assumed."""
    caps = agreement.labs[0].caps
    say(
        console,
        "\n[bold]Standstill: a limit on computing that rivals can check without seeing each other's work[/bold]\n\n"
        f"{len(labs)} labs agree to stay under the same limits. Each then shows, in a file that anyone can check offline, "
        "that [bold]all[/bold] of its computing stayed under them. The file says nothing else: no jobs, no models, no totals. "
        "Computing is counted in FLOP (single calculations); 1e24 means a 1 with 24 zeros.\n",
    )
    table = table_of("Who takes part", "lab", "meter", "chips", "kind of chip", "runs", right=("chips", "runs"))
    for lab in labs:
        for i, meter in enumerate(lab.plan.meters):
            table.add_row(lab.plan.title if i == 0 else "", meter.name, f"{meter.chips:,}", meter.chip, str(meter.runs))
    console.print(table)
    length = format_duration(agreement.epoch_seconds * agreement.epochs_per_period)
    say(
        console,
        f"[bold]What they agreed[/bold] (the whole text: agreement.toml, signed by all {len(labs)})\n"
        f"  Periods of {length} from {day(agreement.start)} on; books are kept in steps of {format_duration(agreement.epoch_seconds)}.\n"
        f"  Each lab, in each period:            at most {flop(caps.total)} FLOP in all\n"
        f"  of which booked to no checkpoint:    at most {flop(caps.unattributed)} FLOP\n"
        f"  behind any one model, ever:          at most {flop(caps.lineage)} FLOP (California's SB 53)\n"
        f"  behind a model that is trained on:   at most {flop(caps.freeze or 0)} FLOP (the freeze)\n",
    )
    _what_is_real(console, labs)
    say(console, "[bold]Assumed[/bold]:")
    for line in ASSUMED:
        console.print(Padding(f"- {line}", (0, 0, 0, 2)), highlight=False)
    say(console, "")


def _what_is_real(console: Console, labs: list[DemoLab]) -> None:
    *submitters, olmo = (lab.plan for lab in labs)
    runs, outside = sum(plan.runs for plan in submitters), sum(plan.outside for plan in submitters)
    say(
        console,
        f"[bold]Real[/bold]: {runs} training runs that these submitters published (MLPerf Training v5.1), at their true times "
        f"({outside} more lie outside these days and are left out); the chips' published peak speeds; {olmo.runs} published "
        "OLMo checkpoints, with their 39 restarts and their averaging. No organisation named here took part or signed "
        "anything: the demonstration makes a key for each and signs in its place.",
    )


def period_heading(console: Console, agreement: Agreement, period: int) -> None:
    """Which period, from when to when."""
    when = span(*agreement.period_span(period))
    say(console, f"[bold]Period {period}[/bold], {when}: every lab closes its books, proves, and is verified.")


def public_table(console: Console, rows: list[Row]) -> None:
    """What the world sees."""
    table = table_of(
        "\nWhat everybody sees", "lab", "period", "result", "follows", "size", "made in", "checked in",
        right=("size", "made in", "checked in"),
    )  # fmt: skip
    for row in rows:
        origin = "the start" if row.claim.period == 0 else f"period {row.claim.period - 1}"
        result = "[green]proven[/green]" if row.report.proven else "[red]not proven[/red]"
        size = f"{row.proof.claim_bytes / 1024:.0f} KiB"
        times = (f"{row.prove_seconds:.1f} s", f"{row.proof.seconds:.2f} s")
        table.add_row(row.lab.plan.title, str(row.claim.period), result, origin, size, *times)
    console.print(table)
    security = rows[0].proof.security
    say(
        console,
        "Proven: all of the lab's computing in the period, and the past behind each model, is within the limits. "
        "Nothing in these files depends on how much a lab used: they look alike for the busy and the idle. By proven bounds "
        f"alone, and as long as the hash functions stand, forging one takes about 2^{math.floor(security.unique_decoding.bits)} steps "
        "of computing. The system has no master key: not even its authors can make a false claim pass.\n",
    )


def private_table(console: Console, rows: list[Row]) -> None:
    """What only each lab sees."""
    right = ("readings", "in all", "of limit", "unbooked", "one model")
    table = table_of(
        "What only the lab itself sees, in FLOP (shown because this is a demonstration)", "lab", "period", "readings",
        "in all", "of limit", "unbooked", "one model", right=right,
    )  # fmt: skip
    for row in rows:
        f, cap = row.figures, row.report.agreement.lab(row.lab.plan.name).caps_at(row.claim.period).total
        share = f"{100 * f.total / cap:.1f} %"
        values = (f"{f.readings:,}", flop(f.total), share, flop(f.unattributed), flop(f.largest_lineage))
        table.add_row(row.lab.plan.title, str(row.claim.period), *values)
    console.print(table)


def what_claims_show(console: Console, labs: list[DemoLab], snapshots: list[tuple[str, str]]) -> None:
    """The six rules, in words, and where this data puts them to the test."""
    table = table_of("\nWhat each claim proves, all at once", "", "rule", "in words")
    for number, (rule, words) in enumerate(RULES, 1):
        table.add_row(f"R{number}", rule, words)
    console.print(table)
    olmo = labs[-1].plan.title
    names = " and ".join(sorted({lab for lab, _ in snapshots} - {olmo}))
    say(console, "[bold]Where the data put these rules to the test[/bold]")
    for line in (
        f"At midnight of 7 October runs were under way at {names} (and, on the assumed clock, OLMo's): the work so far"
        " was closed by a snapshot, and the rest continued from it in the next period. Nothing falls between two periods.",
        _merge_line(labs[-1]),
        "OLMo's step 557000 was reached twice, after a restart: both attempts are on the books, and neither hides the other.",
        "Runs that fine-tune Llama weights from outside carry those weights' full declared past (8.4e23 and 3.8e25 FLOP),"
        " which must stay under the freeze while they are trained on.",
        "Time that was booked to no checkpoint is added to every lineage of that lab, so leaving work unbooked lowers no tally.",
    ):
        console.print(Padding(f"- {escape(line)}", (0, 0, 0, 2)), highlight=False)
    say(console, "")


def _merge_line(lab: DemoLab) -> str:
    entries = lab.store.entries()
    final = next(entry for entry in reversed(entries) if entry.kind == MERGE)
    trunk = next(entry for entry in entries if entry.kind == OPENING)
    return (
        f"OLMo 2's three branches were averaged: the result carries {flop(final.cumulative)} FLOP, their common past of"
        f" {flop(trunk.cumulative)} counted once, not three times."
    )


def over_the_cap(console: Console, title: str, cap: str, problems: Sequence[str]) -> None:
    """What a lab's own prover says under a stricter agreement."""
    say(
        console,
        f"[bold]What if the limit behind one model were {cap}[/bold] (the EU AI Act's line), with the very same readings?",
    )
    body = escape("\n".join(f"- {problem}" for problem in problems[:4]))
    more = f"\n... and {len(problems) - 4} more" if len(problems) > 4 else ""
    note = "\n\nNo claim was made: a claim can only be proven when it is true."
    console.print(
        Panel(
            body + more + note,
            title=f"{title}'s own prover, to {title} alone",
            title_align="left",
            border_style="yellow",
        )
    )


def cheats(console: Console, title: str, rejected: list[tuple[str, str, str]]) -> None:
    """Every attempt, and the verifier's answer."""
    heading = f"\nWhat if a lab cheats? {len(rejected)} attempts on {title}'s books (as an example), with the lab's true key in hand"
    table = table_of(heading, "attempt", "", "because")
    for attempt, check, _ in rejected:
        table.add_row(attempt, "not proven" if check == "previous" else "[red]rejected[/red]", CHECK_WORDS.get(check, check))
    console.print(table)
    say(
        console,
        "The bribed meter had signed its true books before. Two signatures over different books for one period are proof "
        "of the breach, and anyone can check them with the agreement alone.\n",
    )


def closing(console: Console, rows: list[Row], out_dir: Path, seconds: float) -> None:
    """The state, what it does not show, where the files are, what to try."""
    labs = {row.lab.plan.name for row in rows}
    periods = sorted({row.claim.period for row in rows})
    holds = all(row.report.proven for row in rows)
    state = (
        "[bold green]The standstill holds[/bold green]"
        if holds
        else "[bold red]The standstill does not hold[/bold red]"
    )
    both = f"{periods[0]} and {periods[-1]}"
    say(console, f"{state}: all {len(labs)} labs proven for periods {both}. ({seconds:.0f} s in all)\n")
    say(console, "[bold]What no claim shows[/bold], and inventory, hardware and inspection must:")
    for line in NOT_SHOWN:
        say(console, f"  - {line}")
    name = rows[0].lab.plan.name
    claims, agreement = out_dir / "claims", out_dir / "agreement.toml"
    now = format_time(rows[-1].report.agreement.period_span(periods[-1])[1])
    commands = (
        (f"standstill verify {claims}/{name}-0.claim --agreement {agreement}", "check a claim yourself"),
        (
            f"standstill verify {claims}/{name}-1.claim --agreement {agreement} \\\n      --previous {claims}/{name}-0.claim",
            "and the next",
        ),
        (f"standstill show {claims}/{name}-0.claim", "see all that a claim says"),
        (f"standstill agreement check {agreement}", "read the agreement"),
        (f"standstill status {out_dir} --now {now}", f"whether the standstill holds, as of the end of period {periods[-1]}"),
        (f"standstill site {out_dir} --out {out_dir}-page --now {now} --serve 8000", "the same as a page, checked in your browser"),
    )
    say(
        console,
        f"\n[bold]Files[/bold]\n  {escape(str(out_dir))}\n    agreement.toml, agreement.sigs, claims/   for everybody",
    )
    say(console, "    private/                                  each lab's own keys and books")
    say(
        console,
        "\nHere each lab is one table, in one store. A lab of several buildings, each with a store and a proof of its own, is played in "
        "docs/buildings.md; one that is over a limit, or whose meter burnt, in docs/over-and-lost.md.",
    )
    try_next(console, commands)


def try_next(console: Console, commands: Sequence[tuple[str, str]]) -> None:
    """Commands to copy, each under what it is for; where `standstill` is not on the path, how it gets there comes first."""
    say(console, "\n[bold]Try next[/bold]")
    if shutil.which("standstill") is None:
        commands = [(f". {Path(sys.prefix, 'bin', 'activate')}", "first, in this shell: makes `standstill` known"), *commands]
    for command, why in commands:
        console.print(f"  # {why}\n  {command}", highlight=False, markup=False, soft_wrap=True)
