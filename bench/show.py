"""What the commands of `python -m bench` print."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

Record = dict[str, Any]


def grid(title: str, *columns: str) -> Table:
    """An empty table, the first column to the left."""
    table = Table(title=title, title_justify="left")
    for k, name in enumerate(columns):
        table.add_column(name, justify="left" if k == 0 else "right")
    return table


def roofline(console: Console, log_rows: int, rates: Record, lines: list[Record]) -> None:
    """Each phase beside its limits."""
    title = (
        f"2^{log_rows} rows; copies {rates['bandwidth'] / 1e9:.0f} GB/s, {rates['products'] / 1e9:.1f} thousand million products/s, "
        f"SHA-256 {rates['vector_sha'] / 1e6:.0f} (vectors), {rates['library_sha'] / 1e6:.0f} (library) million blocks/s"
    )
    names = ("phase", "MB", "multipl. 10^6", "blocks 10^6", "memory ms", "products ms", "SHA ms", "bound", "measured ms", "share")
    table = grid(title, *names)
    for x in lines:
        table.add_row(
            x["phase"], f"{x['bytes'] / 1e6:,.0f}", f"{x['multiplications'] / 1e6:,.0f}", f"{x['compressions'] / 1e6:.2f}",
            f"{x['memory_seconds'] * 1e3:.1f}", f"{x['product_seconds'] * 1e3:.1f}", f"{x['hash_seconds'] * 1e3:.1f}",
            x["bound"], f"{x['seconds'] * 1e3:.1f}", f"{x['share']:.0%}",
        )  # fmt: skip
    console.print(table)


def threads(console: Console, log_rows: int, records: list[Record]) -> None:
    """Times by threads."""
    table = grid(f"Threads, 2^{log_rows} rows", "threads", "prove", "times as fast", *records[0]["phases"])
    for r in records:
        factor = records[0]["prove_seconds"] / r["prove_seconds"]
        table.add_row(str(r["threads"]), f"{r['prove_seconds']:.2f} s", f"{factor:.2f}", *(f"{x:.3f}" for x in r["phases"].values()))
    console.print(table)


def turns(console: Console, log_rows: int, commits: list[Record]) -> None:
    """A line for each commit, as a share of the first."""
    table, first = grid(f"2^{log_rows} rows, in turns", "commit", "prove s", "CPU s", "of the first", "peak MB"), commits[0]
    for x in commits:
        share = f"{x['cpu_seconds'] / first['cpu_seconds']:.2f}"
        table.add_row(x["commit"][:12], f"{x['prove_seconds']:.2f}", f"{x['cpu_seconds']:.2f}", share, f"{x['peak_rss_mb']:,.0f}")
    console.print(table)


def ledgers(console: Console, labs: list[Record]) -> None:
    """A line for each lab."""
    table = grid("Real ledgers", "lab", "meters", "runs", "outside", "readings", "rows used", "books", "prove", "verify", "claim")
    for x in labs:
        table.add_row(
            x["lab"], str(x["meters"]), str(x["runs"]), str(x["outside"]), f"{x['readings']:,}", f"{x['rows_used']:,}",
            f"{x['books_seconds']:.1f} s", f"{x['prove_seconds']:.2f} s", f"{x['verify_seconds'] * 1e3:.0f} ms",
            f"{x['claim_bytes'] / 1024:.0f} KiB",
        )  # fmt: skip
    console.print(table)


def sites(console: Console, cuts: list[Record]) -> None:
    """A line for each table of each cut."""
    table = Table(title="one lab, cut into sites")
    for name in ("sites", "table", "rows", "height", "prove s", "CPU s", "verify s", "bytes"):
        table.add_column(name, justify="right")
    for cut in cuts:
        for row in cut["tables"]:
            seconds = (f"{row[key]:.2f}" for key in ("prove_seconds", "prove_cpu_seconds", "verify_seconds"))
            height = f"2^{row['log_rows']}"
            table.add_row(str(cut["sites"] or "-"), row["table"], f"{row['rows']:,}", height, *seconds, f"{row['proof_bytes']:,}")
    console.print(table)


def cluster(console: Console, runs: list[Record], tables: int) -> None:
    """A line for each number of workers."""
    table, serial = grid(f"{tables} tables", "workers", "threads of each", "seconds", "CPU s"), runs[0]["serial_cpu_seconds"]
    for run in runs:
        table.add_row(str(run["workers"] or "one process"), str(run["threads"]), f"{run['seconds']:.1f}", f"{run['cpu_seconds']:.1f}")
    console.print(table)
    console.print(f"serial, for each table: {', '.join(f'{what} {cpu:.2f} CPU s' for what, cpu in serial.items())}")


def fleet(console: Console, fleets: list[Record]) -> None:
    """The stages of the largest fleet, and how each grows."""
    from bench.fleet import PROPORTIONAL, STAGES, exponent

    last = fleets[-1]
    whole = sum(stage["cpu"] for stage in last["stages"].values())
    title = (
        f"{last['meters']:,} meters x {last['hours']:,} hours: {last['rows']:,} usage rows, {last['readings']:,} readings, store of "
        f"{last['store_bytes'] / 1e6:.0f} MB; {whole:.1f} CPU seconds"
    )
    table = grid(title, "stage", "CPU s", "share", "microseconds a reading", "grows as N^", "peak MB", "grows as N^", "10^8 readings, h")
    named = [name for name in STAGES if name in last["stages"]]
    for name in named:
        stage = last["stages"][name]
        grows = [exponent(fleets, name, key) for key in ("cpu", "peak_mb")]
        cpu, memory = ("" if value is None else f"{value:.2f}" for value in grows)
        table.add_row(
            name, f"{stage['cpu']:.2f}", f"{stage['cpu'] / whole:.0%}", f"{stage['cpu'] / last['readings'] * 1e6:.1f}", cpu,
            f"{stage['peak_mb']:.0f}", memory, f"{stage['cpu'] / last['readings'] * 1e8 / 3600:.2f}" if name in PROPORTIONAL else "",
        )  # fmt: skip
    console.print(table)
    bound = max(named, key=lambda name: float(last["stages"][name]["cpu"]))
    console.print(f"bounded by: {bound}; 10^8 readings: extrapolated in proportion, as sites of this size, CPU hours", highlight=False)


def pipeline(console: Console, record: Record) -> None:
    """The commands, and the bare prover below."""
    title = f"{record['meters']:,} meters x {record['hours']:,} hours, {record['readings']:,} readings: each command a process"
    table, prover = grid(title, "", "CPU s", "seconds", "peak MB"), record["prover"]
    stages = {**record["stages"], f"prover, warm, 2^{prover['log_rows']} rows": prover}
    for name, stage in stages.items():
        table.add_row(name, f"{stage['cpu']:.2f}", f"{stage['wall']:.2f}", f"{stage['peak_mb']:,.0f}")
    console.print(table)


def log(console: Console, runs: Record) -> None:
    """Both kinds of keys side by side."""
    first = runs["ed25519"]
    table = grid(f"a log of {first['entries']:,} entries and {first['heads']:,} heads: CPU seconds", "", *runs)
    table.add_row("entries, MB", *(f"{run['entry_bytes'] / 1e6:.1f}" for run in runs.values()))
    for name in ("append", "cosign", "status cold", "status warm"):
        table.add_row(name, *(f"{run[name]['cpu']:.2f}" for run in runs.values()))
    console.print(table)


def check(console: Console, ratios: Record, before: Record) -> None:
    """Ratios now and recorded."""
    table = grid("CPU time as a ratio to the reference", "phase", "now", "recorded", "change")
    for name, ratio in ratios.items():
        old = before.get(name)
        table.add_row(name, f"{ratio:.2f}", f"{old:.2f}" if old else "", f"{ratio / old - 1:+.0%}" if old else "")
    console.print(table)
