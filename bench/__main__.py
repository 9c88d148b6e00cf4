"""`python -m bench`: every benchmark, or one of its commands. README.md in this folder says how to read the figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench import commands, machine, measure, report

CONTEXT = {"help_option_names": ["-h", "--help"]}
FIRST, LAST = 16, 21
console = Console(width=None if sys.stdout.isatty() else 130)
json_option = click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
repeat_option = click.option("--repeat", type=click.IntRange(1, 100), default=3, show_default=True, help="Samples behind a median.")
rows_option = click.option("--log-rows", type=click.IntRange(16, 22), default=18, show_default=True, help="Binary logarithm of the rows.")


@click.group(context_settings=CONTEXT, invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Benchmarks. Without a command: kernels, cold start and the sweep over 2^16..2^21 rows, written to build/bench."""
    if context.invoked_subcommand not in ("report", "figures") and machine.is_busy():
        console.print("the machine is busy: what follows are upper bounds, see bench/README.md", style="yellow")
    if context.invoked_subcommand is None:
        folder = machine.ROOT / "build" / "bench"
        context.invoke(kernels, log_rows=18, columns=244, json_path=folder / "kernels.json")
        context.invoke(cold, log_rows=FIRST, json_path=folder / "cold.json")
        context.invoke(sweep, first=FIRST, last=LAST, repeat=3, json_path=folder / "sweep.json", plot=folder / "sweep")


@main.command()
@rows_option
@click.option("--columns", type=click.IntRange(181, 1000), default=244, show_default=True, help="Columns of the random matrix.")
@json_option
def kernels(log_rows: int, columns: int, json_path: Path | None) -> None:
    """The prover's kernels alone on random data, after comparing them with their slow twins."""
    from bench.checks import check_kernels
    from bench.kernels import main as run

    console.print(f"agree with their twins: {', '.join(check_kernels())}")
    rows = run(log_rows, columns)
    figures = [{"kernel": name, "detail": detail, "seconds": seconds} for name, seconds, detail in rows]
    _finish(json_path, {"log_rows": log_rows, "columns": columns, "kernels": figures})


@main.command()
@json_option
def signatures(json_path: Path | None) -> None:
    """Sizes and times of signatures, by Ed25519 alone and with ML-DSA-44."""
    from bench.signatures import both

    found = both()
    for name, alone in found["ed25519"].items():
        shown = [f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" for value in (alone or 0, found["hybrid"][name] or 0)]
        console.print(f"{name:<22} {shown[0]:>12}  {shown[1]:>12}")
    _finish(json_path, found)


@main.command()
@rows_option
@repeat_option
@json_option
def prove(log_rows: int, repeat: int, json_path: Path | None) -> None:
    """Whole proofs of one height: time by phase, verification, size, memory, soundness."""
    record, samples = _measured(log_rows, repeat)
    report.proofs(console, [{**record, "samples": samples}])
    _finish(json_path, record)


@main.command()
@click.option("--first", type=click.IntRange(16, 22), default=FIRST, show_default=True, help="Smallest height, 2^FIRST rows.")
@click.option("--last", type=click.IntRange(16, 22), default=LAST, show_default=True, help="Largest height.")
@repeat_option
@json_option
@click.option("--plot", type=click.Path(path_type=Path), help="Write PLOT.png and PLOT.svg.")
def sweep(first: int, last: int, repeat: int, json_path: Path | None, plot: Path | None) -> None:
    """Whole proofs of every height from FIRST to LAST, each in new processes, and how cost grows."""
    if first > last:
        raise click.UsageError("--first is above --last")
    records: list[dict[str, Any]] = []
    failure: str | None = None
    for log_rows in range(first, last + 1):
        try:
            record, samples = measure.proof(log_rows, repeat)
        except measure.BenchmarkError as error:
            failure = f"2^{log_rows} rows: {error}"
            break
        records.append({**record, "samples": samples})
        console.print(f"2^{log_rows} rows: proven in {record['prove_seconds']:.2f} s", style="dim")
        if json_path is not None:
            _write(json_path, {"results": records})
    if records:
        report.proofs(console, records)
        if plot is not None:
            _plot(records, plot)
    _finish(json_path, {"results": records, "failure": failure})
    if failure is not None:
        raise click.ClickException(failure)


@main.command()
@click.option("--log-rows", type=click.IntRange(16, 22), default=FIRST, show_default=True, help="Binary logarithm of the rows.")
@json_option
def cold(log_rows: int, json_path: Path | None) -> None:
    """A new process up to a verified proof: with no compiled kernels, then with them."""
    try:
        record = measure.cold(log_rows)
    except measure.BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    report.cold(console, record)
    _finish(json_path, record)


@main.command()
@rows_option
@json_option
def profile(log_rows: int, json_path: Path | None) -> None:
    """One proof, function by function, beside the time that moving its data takes."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.profile", str(log_rows)], cwd=machine.ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise click.ClickException(f"the profile failed with exit code {done.returncode}")
    record = json.loads(done.stdout.splitlines()[-1])
    report.profile(console, record)
    _finish(json_path, record)


@main.command("report")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--plot", type=click.Path(path_type=Path), help="Write PLOT.png and PLOT.svg.")
def show(files: tuple[Path, ...], plot: Path | None) -> None:
    """Show the figures of FILES (of prove or sweep) again, and plot them together."""
    records: list[dict[str, Any]] = []
    for path in files:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            found = data["results"] if "results" in data else [data]
            missing = [key for r in found for key in (*measure.KEYS, "phases", "machine", "commit") if key not in r]
        except (ValueError, TypeError, OSError) as error:
            raise click.ClickException(f"{path}: {error}") from error
        if missing:
            raise click.ClickException(f"{path}: not a file of prove or sweep; {missing[0]} is missing")
        records += found
    if not records:
        raise click.ClickException("no proofs in these files")
    records.sort(key=lambda r: r["rows"])
    report.proofs(console, records)
    report.machine(console, records[0]["machine"], records[0]["commit"])
    if plot is not None:
        _plot(records, plot)


@main.command("figures")
def pages() -> None:
    """Write the figures of README.md, of this folder's README and of docs/cluster.md anew, from bench/results."""
    from bench.figures import PAGES, rewritten

    for page in PAGES:
        (machine.ROOT / page).write_text(rewritten(page), encoding="utf-8")


def _measured(log_rows: int, repeat: int) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        return measure.proof(log_rows, repeat)
    except measure.BenchmarkError as error:
        raise click.ClickException(str(error)) from error


def _plot(records: list[dict[str, Any]], target: Path) -> None:
    try:
        written = report.plot(records, target)
    except ImportError as error:
        raise click.ClickException(f"plots need matplotlib: pip install -e '.[bench]' ({error})") from error
    console.print(f"plot: {', '.join(str(path) for path in written)}", style="dim", highlight=False)


def _finish(json_path: Path | None, record: dict[str, Any]) -> None:
    """Adds machine and commit, prints them, writes the file."""
    record = {"machine": machine.describe(), "commit": machine.commit(), **record}
    report.machine(console, record["machine"], record["commit"])
    if json_path is not None:
        _write(json_path, record)


def _write(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


commands.add_to(main, console, _finish)

if __name__ == "__main__":
    main(prog_name="python -m bench")
