"""``standstill import``: tables of usage and of checkpoints, and what clusters and trainers write."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims.base.text import counted, periods_named
from claims.cli.group import (
    again_option,
    agreement_argument,
    cli,
    load_terms,
    opened_store,
    out,
    read_path,
    store_option,
)
from claims.cli.screen import doing
from claims.cli.state import learn_amendment

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.imports.charge import Charged, Window
    from claims.lab.store import Store

__all__ = [
    "as_of_option", "carry_out", "default_meter_option", "import_group", "import_window", "jobs_option", "moment_of", "window_options",
]  # fmt: skip

@cli.group("import")
def import_group() -> None:
    """Read usage and checkpoints into the store. All of a file, or nothing.

    \b
    readings     meter, epoch or start and stop, checkpoint,
                 chips or chip_seconds, work_flop
      meter,start,stop,checkpoint,chips
      hall-a,2026-03-01T00:00:00Z,2026-03-01T06:00:00Z,llm/step1000,64
      hall-a,2026-03-01T06:00:00Z,2026-03-01T07:00:00Z,unattributed,8

    \b
    checkpoints  name, kind, parents, epoch or time, branch, declared_flop,
                 weights
      name,parents,time
      llm/step1000,,2026-03-01T06:00:00Z
      llm/step2000,llm/step1000,2026-03-01T18:00:00Z

    The others read what clusters and trainers write: their --help says how to export it.
    """


@import_group.command("readings")
@click.argument("path", metavar="FILE", type=read_path)
@store_option
@agreement_argument
@click.option("--skip-outside", is_flag=True, help="Leave out rows outside the agreement's periods.")
@again_option
def import_readings(path: Path, store_path: Path, agreement_path: Path, skip_outside: bool, again: bool) -> None:
    """Import usage: which meter's chips worked when, toward which checkpoint. All or nothing.

    \b
    meter                   as the agreement names it
    epoch, chip_seconds     of one epoch, or
    start, stop, chips      of a job (chip_seconds instead of chips: of all of it)
    checkpoint              what it worked toward; empty: unattributed
    work_flop               FLOP as metered, where the agreement charges them

    \b
    meter,start,stop,checkpoint,chips
    hall-a,2026-03-01T00:00:00Z,2026-03-01T06:00:00Z,llm/step1000,64
    """
    from claims.imports.usage import import_usage, unknown_text

    with opened_store(store_path) as store:
        report = import_usage(store, _counting(store, load_terms(agreement_path)), path, skip_outside=skip_outside, again=again)
        unknown = unknown_text(store, report.periods)
    seconds = sum(report.chip_ms.values()) // 1000
    where = f"{counted(len(report.chip_ms), 'meter')}, {periods_named(sorted(report.periods))}"
    out(f"{counted(report.rows, 'row')}, {seconds} chip-seconds on {where}")
    out(f"of these unattributed: {report.unattributed_ms // 1000} chip-seconds; rows left out: {report.skipped}")
    for first, again in report.repeats[:10]:
        out(f"line {again} is the row of line {first} again, and is charged again")
    for line in unknown:
        out(line)


@import_group.command("checkpoints")
@click.argument("path", metavar="FILE", type=read_path)
@store_option
@agreement_argument
def import_checkpoint_file(path: Path, store_path: Path, agreement_path: Path) -> None:
    """Import checkpoints: names, kinds, parents, weights digests. All or nothing.

    \b
    name                    private to the lab
    kind                    CHECKPOINT (if empty), MERGE or EXTERNAL
    parents                 up to two names, separated by |
    epoch or time           when it was saved
    branch                  yes or no; empty: found
    declared_flop           of EXTERNAL: the work that made it
    weights                 SHA-256 (`standstill weights digest`), or empty

    \b
    name,parents,time
    llm/step1000,,2026-03-01T06:00:00Z
    llm/step2000,llm/step1000,2026-03-01T18:00:00Z
    """
    from claims.imports.checkpoints import import_checkpoints

    with opened_store(store_path) as store:
        out(import_checkpoints(store, _counting(store, load_terms(agreement_path)), path).text())


def _counting(store: Store, terms: Agreement) -> Agreement:
    """The agreement without the periods in which another one counts, which is said: what is imported of those is outside it."""
    from claims.lab.amended import takes_over

    learn_amendment(store, terms)
    later = takes_over(store, terms)
    if later is None:
        return terms
    out(f"from period {later[0]} on agreement {later[1].hex()} counts: import what is of that time with it", err=True)
    return replace(terms, periods=later[0])


jobs_option = click.option("--jobs", type=read_path, help="CSV: job or name (a pattern), until, checkpoint.")
default_meter_option = click.option("--default-meter", help="Meter for what is not mapped, instead of refusing it.")
as_of_option = click.option("--as-of", metavar="TIME", help="When the data was exported: what still runs is charged until then.")
_skip = click.option("--skip-outside", is_flag=True, help="Leave out, and report, what lies outside the agreement's periods.")
_from = click.option("--from", "begin", metavar="TIME", help="Charge only what lies at or after this time.")
_until = click.option("--until", "end", metavar="TIME", help="Charge only what lies before this time.")


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def apply(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


_dry = click.option("--dry-run", is_flag=True, help="Print the report and change nothing.")
window_options = _options(_from, _until, _skip, again_option, _dry)


def moment_of(text: str | None, option: str, *, up: bool = False) -> int | None:
    """Unix milliseconds of an option's RFC 3339 time with an offset, or of Unix milliseconds."""
    from claims.imports.rows import Row

    return None if text is None else Row(option, 0, {option: text}).moment_ms(option, up=up)


def _need(text: str, option: str, *, up: bool = False) -> int:
    moment = moment_of(text, option, up=up)
    if moment is None:
        raise click.UsageError(f"{option} is needed")
    return moment


def _amount(text: str | None, option: str) -> Fraction | None:
    from claims.imports.rows import Row

    return None if text is None else Row(option, 0, {option: text}).decimal(option, "a number such as 1.5 or 2.4e22")


def import_window(begin: str | None, end: str | None) -> Window:
    from claims.imports.charge import Window

    return Window(moment_of(begin, "--from"), moment_of(end, "--until"))


class _DryRun(Exception):
    """Rolls a transaction back."""


def _lines(store: Store, report: Charged) -> list[str]:
    """The report, and the checkpoints that it names and that nothing notes."""
    from claims.imports.usage import unknown_text

    return [*report.lines(), *unknown_text(store, report.periods)]


def carry_out(store_path: Path, agreed: Agreement, dry_run: bool, work: Callable[[Store, Agreement], Charged]) -> None:
    """Import and print the report; a dry run is rolled back."""
    lines: list[str] = []
    with opened_store(store_path) as store, contextlib.suppress(_DryRun):
        terms = _counting(store, agreed)
        doing("reading usage")
        if not dry_run:
            lines += _lines(store, work(store, terms))  # files are read before its transaction begins: nobody waits for them
        else:
            with store.transaction():
                lines += [*_lines(store, work(store, terms)), "dry run: nothing was imported"]
                raise _DryRun
    out("\n".join(lines))


@import_group.command("slurm")
@click.argument("path", metavar="FILE", type=read_path)
@store_option
@agreement_argument
@click.option("--timezone", help="IANA time zone of the times, as in Europe/Berlin, where they have no offset.")
@click.option("--nodes", type=read_path, help="CSV (node, meter, gpus) or TOML: which meter counts a node.")
@jobs_option
@default_meter_option
@as_of_option
@click.option("--whole-nodes", is_flag=True, help="Charge all GPUs of each job's nodes, whatever it was allocated.")
@window_options
def import_slurm_file(
    path: Path, store_path: Path, agreement_path: Path, timezone: str | None, nodes: Path | None, jobs: Path | None,
    default_meter: str | None, as_of: str | None, whole_nodes: bool, begin: str | None, end: str | None, skip_outside: bool,
    again: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Import GPU time from Slurm accounting.

    FILE is what this command prints (- reads it from standard input; gzip is
    unpacked; `sacct -a -D --json` with the same -S and -E will do too):

    \b
    sacct -a -X -P -D -S 2026-02-28T00:00:00 -E 2026-04-02T00:00:00 -o \\
    JobIDRaw,JobName,State,Submit,Start,End,ElapsedRaw,AllocTRES,NNodes,NodeList

    -a exports the jobs of all users. -S and -E are times of the cluster's clocks: let
    them reach a day beyond the window that is imported, and run it after the window:

    \b
    standstill import slurm sacct.txt -s lab.store -a agreement.toml \\
      --timezone UTC --nodes nodes.csv --jobs jobs.csv --dry-run \\
      --from 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z

    \b
    nodes.csv                    jobs.csv
      node,meter,gpus              job,name,until,checkpoint
      gpu[001-064],hall-a,8        4711,,,llm/step1000
      gpu[065-128],hall-b,8        ,eval-*,,unattributed
    """
    from claims.imports.slurm import import_slurm
    from claims.imports.slurm_rows import SlurmOptions
    from claims.imports.tables import Clock, read_jobs, read_nodes

    options = SlurmOptions(
        Clock.of(timezone), read_nodes(nodes, default_meter), read_jobs(jobs), moment_of(as_of, "--as-of", up=True), whole_nodes
    )
    agreed = load_terms(agreement_path)
    how = {"window": import_window(begin, end), "skip_outside": skip_outside, "again": again}
    carry_out(store_path, agreed, dry_run, lambda store, terms: import_slurm(store, terms, path, options, **how))  # type: ignore[arg-type]


@import_group.command("mllog")
@click.argument("paths", metavar="FILE...", type=read_path, nargs=-1, required=True)
@store_option
@agreement_argument
@click.option("--system", type=read_path, help="MLPerf system description: accelerators_per_node x number_of_nodes chips.")
@click.option("--chips", type=click.IntRange(1), help="Chips that each run held, instead of --system.")
@click.option("--meter", required=True, help="Meter that counts them.")
@click.option("--checkpoint", help="Checkpoint of runs that --jobs does not map. [default: unattributed]")
@jobs_option
@as_of_option
@click.option("--whole-log", is_flag=True, help="Charge what is logged outside runs (initialisation) as unattributed.")
@window_options
def import_mllog_files(
    paths: tuple[Path, ...], store_path: Path, agreement_path: Path, system: Path | None, chips: int | None, meter: str,
    checkpoint: str | None, jobs: Path | None, as_of: str | None, whole_log: bool, begin: str | None, end: str | None,
    skip_outside: bool, again: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Import runs from MLPerf training logs: run_start to run_stop.

    \b
    :::MLLOG {"time_ms": 1772445600000, "key": "run_start", ...}
    :::MLLOG {"time_ms": 1772449200000, "key": "run_stop", ...}
    """
    from claims.imports.mllog import MllogOptions, chips_of_system, import_mllog
    from claims.imports.tables import read_jobs

    if (system is None) == (chips is None):
        raise click.UsageError("give either --system or --chips")
    held = chips if chips is not None else chips_of_system(system)  # type: ignore[arg-type]
    options = MllogOptions(meter, held, read_jobs(jobs), checkpoint, moment_of(as_of, "--as-of", up=True), whole_log)
    agreed = load_terms(agreement_path)
    how = {"window": import_window(begin, end), "skip_outside": skip_outside, "again": again}
    carry_out(store_path, agreed, dry_run, lambda store, terms: import_mllog(store, terms, paths, options, **how))  # type: ignore[arg-type]


@import_group.command("alibaba")
@click.argument("nodes", metavar="NODES", type=read_path)
@click.argument("pods", metavar="PODS", type=read_path)
@store_option
@agreement_argument
@click.option("--origin", required=True, metavar="TIME", help="When the trace's second 0 was.")
@click.option("--models", type=read_path, help="CSV: model, meter.")
@jobs_option
@default_meter_option
@click.option("--exact-shares", is_flag=True, help="Charge shares of a GPU exactly instead of as whole GPUs.")
@as_of_option
@window_options
def import_alibaba_files(
    nodes: Path, pods: Path, store_path: Path, agreement_path: Path, origin: str, models: Path | None, jobs: Path | None,
    default_meter: str | None, exact_shares: bool, as_of: str | None, begin: str | None, end: str | None, skip_outside: bool,
    again: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Import GPU time from a node list and a pod list in the shape of Alibaba's GPU cluster trace.

    \b
    NODES  sn,gpu,model
           n1,8,G3
    PODS   name,num_gpu,gpu_milli,gpu_spec,pod_phase,creation_time,
           deletion_time,scheduled_time            (one line)
           p1,2,1000,G3,Succeeded,0,3600,60        (seconds since --origin)
    """
    from claims.imports.alibaba import TraceOptions, import_trace, read_models
    from claims.imports.tables import read_jobs

    options = TraceOptions(
        _need(origin, "--origin"), read_models(models), read_jobs(jobs), default_meter, exact_shares,
        moment_of(as_of, "--as-of", up=True),
    )  # fmt: skip
    agreed = load_terms(agreement_path)
    how = {"window": import_window(begin, end), "skip_outside": skip_outside, "again": again}
    carry_out(store_path, agreed, dry_run, lambda store, terms: import_trace(store, terms, nodes, pods, options, **how))  # type: ignore[arg-type]


@import_group.command("trainer-state")
@click.argument("paths", metavar="FILE...", type=read_path, nargs=-1, required=True)
@store_option
@agreement_argument
@click.option("--name", "prefix", required=True, help="Begins the checkpoints' names: NAME/checkpoint-STEP.")
@click.option("--meter", required=True, help="Meter that counted the run.")
@click.option("--chips", type=click.IntRange(1), required=True, help="Chips that the run held.")
@click.option("--start", required=True, metavar="TIME", help="When it got them.")
@click.option("--stop", required=True, metavar="TIME", help="When it gave them back.")
@click.option("--parent", help="Checkpoint that training started from.")
@click.option("--work-flop", help='FLOP as metered, under charge = "metered". [default: at peak]')
@_dry
def import_trainer_state_files(
    paths: tuple[Path, ...], store_path: Path, agreement_path: Path, prefix: str, meter: str, chips: int, start: str,
    stop: str, parent: str | None, work_flop: str | None, dry_run: bool,
) -> None:  # fmt: skip
    """Import checkpoints and time of one run from Hugging Face trainer_state.json files.

    Read are global_step, total_flos and log_history. Each file is one checkpoint.
    """
    from claims.imports.trainer import TrainerOptions, import_trainer_states

    span = _need(start, "--start"), _need(stop, "--stop", up=True)
    options = TrainerOptions(prefix, meter, chips, *span, parent, _amount(work_flop, "--work-flop"))
    agreed = load_terms(agreement_path)
    carry_out(store_path, agreed, dry_run, lambda store, terms: import_trainer_states(store, terms, paths, options))


@import_group.command("checkpoint-list")
@click.argument("path", metavar="FILE", type=read_path)
@store_option
@agreement_argument
@click.option("--name", "prefix", required=True, help="Begins the checkpoints' names: NAME/stepN.")
@click.option("--start", required=True, metavar="TIME", help="When training began.")
@click.option("--step-seconds", help="Seconds of every step, where the list has no column time.")
@click.option("--parent", help="Checkpoint that every branch started from.")
@click.option("--meter", help="Meter that counted the training; without it only checkpoints are noted.")
@click.option("--chips", type=click.IntRange(1), help="Chips that training held.")
@click.option("--restart-seconds", default="0", help="Charged as unattributed before each new segment.")
@click.option("--merge", help="Note the average of all branches' last checkpoints under this name.")
@_dry
def import_checkpoint_list_file(
    path: Path, store_path: Path, agreement_path: Path, prefix: str, start: str, step_seconds: str | None,
    parent: str | None, meter: str | None, chips: int | None, restart_seconds: str, merge: str | None,
    dry_run: bool,
) -> None:  # fmt: skip
    """Import a published list of checkpoints (CSV).

    \b
    step              or global_step, or iteration: since training began
    run_id, segment   a new one is a restart                   (where given)
    ingredient        or branch, or lineage: lineages apart    (where given)
    name, time        its name, when it was saved              (where given)

    \b
    step,run_id,time
    1000,a1,2026-03-01T08:00:00Z
    2000,b2,2026-03-01T16:30:00Z
    """
    from claims.imports.checkpoint_list import ListOptions, import_checkpoint_list

    if (meter is None) != (chips is None):
        raise click.UsageError("--meter and --chips go together")
    options = ListOptions(
        prefix, _need(start, "--start"), _amount(step_seconds, "--step-seconds"), parent, meter, chips or 0,
        _amount(restart_seconds, "--restart-seconds") or Fraction(), merge,
    )  # fmt: skip
    agreed = load_terms(agreement_path)
    carry_out(store_path, agreed, dry_run, lambda store, terms: import_checkpoint_list(store, terms, path, options))
