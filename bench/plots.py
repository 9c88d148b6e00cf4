"""Plots of the roofline, of scaling and of the real ledgers: TARGET.png and TARGET.svg each.

All functions raise ImportError without matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

Record = dict[str, Any]
COLOURS = {"memory": "tab:blue", "products": "tab:orange", "hashing": "tab:green"}


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "standstill"
    return pyplot


def _write(figure: Any, target: Path) -> list[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    written = [target.with_suffix(".png"), target.with_suffix(".svg")]
    figure.savefig(written[0], dpi=150, metadata={"Software": None})
    figure.savefig(written[1], metadata={"Date": None})
    _pyplot().close(figure)
    return written


def _where(record: Record) -> str:
    where = record["machine"]
    return f"{where['cpu']}, {where['cores']} cores, commit {record['commit'][:12]}"


def roofline(record: Record, target: Path) -> list[Path]:
    """Per phase: measured time beside the times at each limit; the share of the limit that is reached."""
    pyplot = _pyplot()
    lines = [line for line in record["phases"] if line["limit_seconds"] and line["phase"] != "whole"]
    names = [line["phase"] for line in lines]
    figure, (times, shares) = pyplot.subplots(1, 2, figsize=(13, 5), constrained_layout=True, sharey=True)
    places = list(range(len(lines)))
    bars = (
        ("measured", "seconds", "0.35", -0.3),
        ("at the memory bandwidth", "memory_seconds", COLOURS["memory"], -0.1),
        ("at the rate of products", "product_seconds", COLOURS["products"], 0.1),
        ("at the rate of SHA-256", "hash_seconds", COLOURS["hashing"], 0.3),
    )
    for label, key, colour, shift in bars:
        times.barh([y + shift for y in places], [line[key] * 1e3 for line in lines], height=0.19, color=colour, label=label)
    times.set_yticks(places, names)
    times.invert_yaxis()
    times.set_xlabel("milliseconds")
    times.set_title(f"Time and limits, 2^{record['log_rows']} rows")
    times.legend(fontsize=9, loc="lower right")
    shares.barh(places, [line["share"] * 100 for line in lines], height=0.6, color=[COLOURS[line["bound"]] for line in lines])
    for y, line in zip(places, lines, strict=True):
        shares.text(line["share"] * 100 + 1, y, f"{line['share']:.0%}, {line['bound']}", va="center", fontsize=9)
    shares.set_xlim(0, max(100.0, 125 * max(line["share"] for line in lines)))
    shares.axvline(100, color="black", linewidth=0.8, linestyle=":")
    shares.set_xlabel("% of the limit reached; colour and word: what limits")
    shares.set_title(f"Share of the limit (whole proof {record['phases'][-1]['share']:.0%})")
    for axes in (times, shares):
        axes.grid(True, axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    figure.suptitle(_where(record), fontsize=10)
    return _write(figure, target)


def scaling(record: Record, target: Path) -> list[Path]:
    """Time and memory against the rows, then proofs on one and more threads."""
    pyplot = _pyplot()
    results, threads = record["results"], record["threads"]
    rows = [r["rows"] for r in results]
    figure, (times, memory, speed) = pyplot.subplots(1, 3, figsize=(15, 4.8), constrained_layout=True)
    _against_rows(times, rows, [r["prove_seconds"] for r in results], "prove", "black")
    used = [median(run["cpu_seconds"] for run in r["samples"]["prove"]) for r in results]
    times.plot(rows, used, ".-", color="tab:red", label="prove, time of all threads")
    times.plot(rows, [r["verify_seconds"] for r in results], "s--", color="darkgreen", label="verify")
    times.set_ylabel("seconds")
    times.set_title("Time")
    _against_rows(memory, rows, [r["peak_rss_mb"] for r in results], "peak memory of the prover", "tab:purple")
    memory.set_ylabel("MB")
    memory.set_title("Memory")
    for axes in (times, memory):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(rows)
        axes.set_xlabel("rows")
        axes.legend(fontsize=9)
    names = list(threads[0]["phases"]) if threads else []
    places = [str(r["threads"]) for r in threads]
    base = [0.0] * len(threads)
    for name in names:
        part = [r["phases"][name] for r in threads]
        speed.bar(places, part, bottom=base, label=name, width=0.6)
        base = [a + b for a, b in zip(base, part, strict=True)]
    for place, total in zip(places, base, strict=True):
        speed.text(place, total, f"{total:.2f} s", ha="center", va="bottom", fontsize=9)
    speed.set_ylim(0, max(base, default=1.0) * 1.12)
    speed.set_xlabel("threads")
    speed.set_ylabel("seconds")
    speed.set_title(f"Threads, 2^{record['thread_log_rows']} rows")
    handles, labels = speed.get_legend_handles_labels()
    speed.legend(handles[::-1], labels[::-1], fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for axes in (times, memory, speed):
        axes.grid(True, alpha=0.3)
        axes.set_axisbelow(True)
    figure.suptitle(_where(record), fontsize=10)
    return _write(figure, target)


def _against_rows(axes: Any, rows: Sequence[int], values: Sequence[float], label: str, colour: str) -> None:
    axes.plot(rows, values, "o-", color=colour, linewidth=2, label=label)
    axes.plot(rows, [values[-1] * n / rows[-1] for n in rows], ":", color="grey", label="in proportion to the rows")


def ledgers(record: Record, target: Path) -> list[Path]:
    """Per lab: rows used, and seconds of proof."""
    pyplot = _pyplot()
    labs = sorted(record["labs"], key=lambda lab: lab["rows_used"])
    names = [lab["lab"] for lab in labs]
    figure, (used, spent) = pyplot.subplots(1, 2, figsize=(13, 5), constrained_layout=True, sharey=True)
    used.barh(names, [lab["rows"] for lab in labs], color="0.9", label="rows of the table")
    used.barh(names, [lab["rows_used"] for lab in labs], color="tab:blue", label="rows used")
    used.set_xlabel("rows")
    used.legend(fontsize=9, loc="lower right")
    spent.barh(names, [lab["prove_seconds"] for lab in labs], color="0.35")
    for y, lab in enumerate(labs):
        text = f" {lab['prove_seconds']:.2f} s, verified in {lab['verify_seconds'] * 1e3:.0f} ms, {lab['claim_bytes'] / 1024:.0f} KiB"
        spent.text(lab["prove_seconds"], y, text, va="center", fontsize=8)
    spent.set_xlim(0, 1.7 * max(lab["prove_seconds"] for lab in labs))
    spent.set_xlabel("seconds of proof")
    for axes in (used, spent):
        axes.grid(True, axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    figure.suptitle("MLPerf Training v5.1 submitters and OLMo as labs of one agreement; " + _where(record), fontsize=10)
    return _write(figure, target)
