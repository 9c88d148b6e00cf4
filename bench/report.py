"""Tables on screen and the plot of how cost grows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

Record = dict[str, Any]


def proofs(console: Console, records: Sequence[Record]) -> None:
    """One line for each height, then the phases."""
    table = _table("Whole proofs, preset std", ("rows", "readings", "prove", "all threads", "rows/s", "verify", "proof", "memory", "bits"))
    for r in records:
        table.add_row(
            _rows(r), f"{r['readings']:,}", f"{r['prove_seconds']:.2f} s", _cpu(r), f"{r['rows'] / r['prove_seconds']:,.0f}",
            f"{r['verify_seconds'] * 1e3:.0f} ms", f"{r['proof_bytes'] / 1024:.0f} KiB", f"{r['peak_rss_mb']:,.0f} MB",
            f"{r['bits_unique_decoding']:.1f} / {r['bits_johnson']:.1f}",
        )  # fmt: skip
    console.print(table)
    names = list(dict.fromkeys(name for r in records for name in r["phases"]))
    table = _table("Phases, seconds", ("rows", *names))
    for r in records:
        table.add_row(_rows(r), *(f"{r['phases'].get(name, 0.0):.3f}" for name in names))
    console.print(table)
    console.print("bits: proven soundness, unique decoding / Johnson, grinding included", style="dim")


def cold(console: Console, record: Record) -> None:
    """Steps from a new process to a verified proof, without and with compiled kernels."""
    states = ("empty cache", "filled cache")
    table = _table(f"A new process up to a verified proof, 2^{record['log_rows']} rows", ("seconds", *states))
    steps = ("import", "warm_up", "workload", "first_proof", "process", "verify_process")
    for step in steps:
        table.add_row(step.replace("_", " "), *(f"{record[s][f'{step}_seconds']:.2f}" for s in states))
    table.add_row("of which compiling", *(f"{record[s]['jit_seconds']:.2f}" for s in states))
    console.print(table)


def profile(console: Console, record: Record, least: float = 0.002) -> None:
    """Functions by their own time, beside their floor."""
    title = (
        f"One proof of 2^{record['log_rows']} rows: {record['seconds']:.2f} s, {record['cpu']:.2f} s of all threads; "
        f"copies move {record['bandwidth'] / 1e9:.0f} GB/s"
    )
    table = _table(title, ("phase", "function", "calls", "own ms", "cpu ms", "system ms", "MB", "floor ms"))
    for line in sorted(record["lines"], key=lambda line: -line["seconds"]):
        if line["seconds"] >= least:
            table.add_row(
                line["phase"], line["function"], str(line["calls"]), f"{line['seconds'] * 1e3:.1f}",
                f"{line['cpu'] * 1e3:.1f}", f"{line['system'] * 1e3:.1f}", f"{line['bytes'] / 1e6:.0f}", f"{line['floor'] * 1e3:.1f}",
            )  # fmt: skip
    console.print(table)


def machine(console: Console, where: Record, commit: str) -> None:
    """What was measured where, on one line."""
    memory = f"{where['memory_mb'] / 1000:.0f} GB" if where["memory_mb"] else "unknown memory"
    console.print(
        f"{where['cpu']}, {where['cores']} cores, {memory}, {where['system']}, Python {where['python']}, numba "
        f"{where['numba']}, load {where['load_average']}, commit {commit[:12]}{'-modified' if 'modified' in commit else ''}",
        style="dim", highlight=False,
    )  # fmt: skip


def plot(records: Sequence[Record], target: Path) -> list[Path]:
    """How time, memory and proof size grow with the rows, log-log: `target` with the suffixes .png and .svg.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "standstill"
    records = sorted(records, key=lambda r: r["rows"])
    rows = [r["rows"] for r in records]
    figure, (times, sizes) = pyplot.subplots(1, 2, figsize=(13, 5.4), constrained_layout=True)
    times.plot(rows, [r["prove_seconds"] for r in records], "o-", color="black", linewidth=2, label="prove, whole")
    names = list(dict.fromkeys(name for r in records for name in r["phases"]))
    for name in names:
        times.plot(rows, [r["phases"].get(name) for r in records], ".-", linewidth=1, label=name)
    times.plot(rows, [r["verify_seconds"] for r in records], "s--", color="darkgreen", linewidth=2, label="verify")
    first = records[0]
    times.plot(rows, [first["prove_seconds"] * n / rows[0] for n in rows], ":", color="grey", label="linear")
    times.set_ylabel("seconds")
    times.set_title("Time (medians)")
    sizes.plot(rows, [r["peak_rss_mb"] * 1e6 / 2**20 for r in records], "o-", color="tab:purple", label="prover's peak memory")
    sizes.plot(rows, [r["proof_bytes"] / 2**20 for r in records], "s-", color="tab:green", label="proof")
    sizes.set_ylabel("MiB")
    sizes.set_title("Memory and proof size")
    for axes in (times, sizes):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xlabel("rows (readings and registry entries)")
        axes.set_xticks(rows)
        axes.grid(True, which="major", alpha=0.3)
    times.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sizes.legend(fontsize=8)
    where = first["machine"]
    figure.suptitle(
        f"Standstill, preset std, zero knowledge: {where['cpu']}, {where['cores']} cores, "
        f"numba {where['numba']}, commit {first['commit'][:12]}", fontsize=10,
    )  # fmt: skip
    target.parent.mkdir(parents=True, exist_ok=True)
    written = [target.with_suffix(".png"), target.with_suffix(".svg")]
    figure.savefig(written[0], dpi=150, metadata={"Software": None})
    figure.savefig(written[1], metadata={"Date": None})
    pyplot.close(figure)
    return written


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, justify="left" if name in ("phase", "function", "seconds") else "right")
    return table


def _cpu(record: Record) -> str:
    """Median time of all threads of a proof, where the samples are at hand."""
    runs = record.get("samples", {}).get("prove", [])
    return f"{median(run['cpu_seconds'] for run in runs):.2f} s" if runs else ""


def _rows(record: Record) -> str:
    return f"2^{record['rows'].bit_length() - 1}"
