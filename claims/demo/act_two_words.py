"""What the demonstration's second act says: a month in public, what catches which cheat, and the state that it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.padding import Padding

from claims.agreement.hidden import hidden_of
from claims.base.dates import moment, readable, span
from claims.base.units import format_time
from claims.demo.act_two import OPERATOR, PERIOD, ROUND, Month
from claims.demo.cheats import Caught
from claims.demo.lies import HIDDEN, Lie
from claims.demo.power import HOLDER, ON_AND_IDLE, SERVER
from claims.demo.words import say, table_of, try_next
from claims.inspection.terms import parse_probability, plan
from claims.status.model import State

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["cheats", "closing", "lie", "opening", "outcome"]

SHARES = ("0.01", "0.05", "0.2")


def opening(console: Console, month: Month) -> None:
    """What is added to the first act, and what is played."""
    terms = month.agreement
    inspection, deadlines = terms.inspection, terms.deadlines
    draws = inspection.draws if inspection else 0
    slots = inspection.slots if inspection else 0
    days = deadlines.opening // 86_400 if deadlines else 0
    say(
        console,
        "\n[bold]Second act: a month in public[/bold]\n\n"
        "A proof shows that the books add up. That the books were not written afterwards, and are about the real racks, takes more: "
        f"every hour each meter commits to its readings, each lab publishes one line of 32 bytes about them in a log that {OPERATOR} "
        "keeps and all the others countersign, and when the month is over, public randomness that nobody could know before "
        f"picks what an inspector gets to see: {draws} chip-seconds and {slots} places of the checkpoint list, with the parents "
        "of those checkpoints, and nothing else. "
        f"A lab that does not open them within {days} days is on record as refusing.\n",
    )
    say(
        console,
        f"[bold]Played[/bold]: {len(month.labs)} labs with 30 days of published runs, {span(terms.start, month.end)} "
        f"(moved 791 days back, so that a published round of the drand beacon comes right after); "
        f"the clock of those who countersign; the power that {HOLDER} reads. [bold]Real[/bold]: everything else, "
        f"drand's round {ROUND.stem.split('-')[1]} included.\n",
    )


def outcome(console: Console, month: Month) -> None:
    """The month as everybody can check it."""
    table = table_of(
        "What everybody can check", "lab", "hours", "claim", "opened to", "readings", "places", "size",
        right=("hours", "readings", "places", "size"),
    )  # fmt: skip
    first, last = month.agreement.period_epochs(PERIOD)
    titles = {lab.plan.name: lab.plan.title for lab in month.labs}
    for row in month.rows:
        checked = row.checked
        readings, places = ("", "") if checked is None else (len(checked.opening.readings), len(checked.opening.slots))
        result = "[green]proven[/green]" if row.report is not None and row.report.proven else "[red]not proven[/red]"
        table.add_row(
            row.lab.plan.title, f"{last - first + 1} of {last - first + 1}", result, titles[row.inspector], str(readings), str(places),
            f"{len(row.opening) / 1024:.0f} KiB",
        )  # fmt: skip
    console.print(table)
    say(
        console,
        "Hours: commitments in the log, of the month's. Readings and places: what the round drew, opened to that rival, and the places of "
        "the checkpoints that those readings name and of their parents; size: of the opening, proof included. "
        f"The log holds {month.entries:,} entries under {month.heads} countersigned heads. What is drawn depends on the beacon's "
        "round alone, the first one an hour after claims and commitments were due, as the agreement says; anyone can repeat the draw. "
        "Only the inspector sees an opening, and it is of no use to guess the rest from: every reading is salted.\n",
    )


def cheats(console: Console, title: str, found: Sequence[Caught]) -> None:
    """Every attempt on the published month, and who notices."""
    heading = f"What if a lab cheats in public? {len(found)} ways, tried by {title} (as an example)"
    table = table_of(heading, "attempt", "noticed by", "because")
    for item in found:
        words = item.what.removeprefix(f"{item.check}: ")
        table.add_row(item.title, item.by, escape(words[:1].upper() + words[1:]))
    console.print(table)
    files = [item.evidence for item in found if item.evidence is not None]
    say(
        console,
        f"{len(files)} of these leave evidence that convinces a third party with the agreement alone: "
        f"{escape(', '.join(str(path) for path in files))}\n",
    )


def lie(console: Console, title: str, told: Lie, unseen: Lie) -> None:
    """The one cheat that no file of the lab's shows, where power is metered and where it is not."""
    say(
        console,
        f"[bold]What no file of a lab can show.[/bold] The same month, but {title}'s meters are bribed from the first day to sign the "
        f"training of {escape(HIDDEN.strip('/'))} as idle time: {100 * told.hidden:.0f} % of its chip time. Every commitment is made "
        "in time, and the claim is [bold]proven[/bold]. It is false. It is played twice:\n",
    )
    feed = told.month.agreement.feeds[0]
    idle, off = (f"{100 * float(item.share):.0f} %" for item in hidden_of(feed)[:2])
    for line in (
        f"[bold]With a power feed.[/bold] {HOLDER}, which is no lab, reads a meter before these chips, and commits to each hour's joules "
        f"in the log before the lab does. Of the hours that the beacon picks, {told.hours} have chips that were signed as idle. In "
        f"{told.over} of them more was drawn than idle chips ({feed.idle_watts} W) and busy ones ({feed.busy_watts:,} W) account for. The "
        f"inspector sees it in the opening, without leaving the desk. On record: [red]{told.recorded}[/red].",
        f"[bold]Without one.[/bold] The opening is what the meters signed, and shows nothing. On record: {unseen.recorded}. What then "
        f"remains is a visit: {unseen.exposed} of the {unseen.drawn} drawn chip-seconds lie in hours that were opened as more idle than "
        "they were; an inspector who stands before those racks, or reads the scheduler's own records of those hours, can find it.",
        f"[bold]What a feed leaves.[/bold] In an hour declared idle, {idle} of its chips could still train unseen, {off} if the others are "
        "switched off (standstill agreement check). The holder must not be the lab's.",
        "[bold]Made, not real.[/bold] No such power was measured. It follows from the runs by one rule: a chip draws "
        f"{feed.busy_watts:,} W while a run is under way (its published {feed.busy_watts - SERVER} W and {SERVER} W "
        f"of its server), else {ON_AND_IDLE} W.",
    ):
        console.print(Padding(f"- {line}", (0, 0, 0, 2)), highlight=False)
    rows = ", ".join(f"{plan(parse_probability(share), parse_probability('0.01'))} for {100 * float(share):.0f} %" for share in SHARES)
    say(console, f"\nDraws that meet such a lie with 99 % certainty, by the share that it hides: {rows} (standstill inspect plan).\n")


def closing(console: Console, out_dir: Path, states: Sequence[tuple[str, Path, State]]) -> None:
    """The two states that the act leaves behind, their pages, what to try."""
    for what, folder, state in states:
        words = {
            "yes": "[bold green]The standstill holds[/bold green]",
            "no": "[bold red]The standstill does not hold[/bold red]",
        }.get(state.holds, "[bold yellow]Undecided[/bold yellow]")
        say(console, f"{words} ({what}; {escape(folder.name)}/, as of {moment(state.now)})")
        for line in state.why:
            say(console, f"  - {escape(readable(line))}")
    first, folder, state = states[0]
    now, proof = format_time(state.now), out_dir / "month-evidence"
    commands = (
        (f"standstill site {out_dir}/page --serve 8000", "the month's page: your browser checks every claim itself"),
        (f"standstill site {states[1][1]}-page --serve 8001", "the page of the month with the lie and the refusal"),
        (f"standstill agreement check {folder}/agreement.toml", "the terms, and what the power feed leaves hidden"),
        (f"standstill status {folder} --now {now}", "whether it holds, recomputed from the published files"),
        (f"standstill log verify {folder}/log --agreement {folder}/agreement.toml", "the whole log, every countersignature"),
        (
            f"standstill verify {folder}/claims/ai2-0.claim --folder {folder}",
            "one claim, with the log and its inspection",
        ),
        (
            f"standstill inspect draw --agreement {folder}/agreement.toml --lab ai2 --period 0 --log {folder}/log \\\n"
            f"      --round {folder}/rounds/{ROUND.name}",
            "repeat the draw",
        ),
        *(
            (f"standstill check-evidence {proof}/{name}.evidence --agreement {folder}/agreement.toml", why)
            for name, why in (("nebius-two-entries", "that Nebius published one epoch twice"), ("log-fork", "that the log forked"))
        ),
    )
    try_next(console, commands)
