"""What `python -m bench peers` shows and writes: first where others are ahead, then a table for each size, ratios to Standstill, plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.peers.model import Peer

__all__ = ["OWN", "ahead", "figures", "markdown", "plots", "show"]

OWN = "standstill"
SAME_BITS = 1.0
Record = dict[str, Any]
COLUMNS = (
    "system", "set-up s", "witness s", "prove s", "CPU s", "memory MB", "verify ms", "proof bytes", "readings/s", "of ours", "bits", "ZK",
)  # fmt: skip
GIVES = ("system", "proof system", "hash", "bits", "zero knowledge", "trusted set-up", "post-quantum", "assumption")
LEGEND = (
    "prove: in the process, without its start; CPU and memory: of the whole process that proves, start included. readings/s: witness and "
    "proof. bits: proven, or of the assumption; for hash-based systems unique decoding / best proven regime. Medians; memory: the largest."
)


@dataclass(frozen=True)
class Measure:
    """A figure of which less is better. ``key``: in a flat record; ``words``: who has less; ``unit`` and ``scale`` to show it."""

    key: str
    words: str
    unit: str
    scale: float = 1.0


MEASURES = (
    Measure("proof_bytes", "smaller proofs", "bytes"),
    Measure("verify_seconds", "faster to verify", "ms", 1000),
    Measure("prove_seconds", "faster to prove", "s"),
    Measure("rss_mb", "less memory", "MB"),
)


def figures(result: Record) -> list[Record]:
    """One flat record for each peer and size of what `run.run` returned: medians, seconds in the process where it told them.

    `of_ours`: readings per second over Standstill's at that size in the same run, None where Standstill was not run.
    """
    flat = []
    for record in result["results"]:
        one: Record = {"peer": record["peer"], "size": record["size"], "run": record.get("run", 0), "trouble": record.get("reason", "")}
        if record["status"] == "unsound":
            one["trouble"] = f"UNSOUND: {one['trouble']}"
        if record["status"] == "run":
            prove, verify, witness, setup = (record.get(step) for step in ("prove", "verify", "witness", "setup"))
            one |= {
                "setup_seconds": _seconds(setup), "witness_seconds": _seconds(witness), "prove_seconds": _seconds(prove),
                "prove_wall": prove["wall"], "prove_cpu": prove["cpu"], "rss_mb": prove["rss_mb"], "verify_seconds": _seconds(verify),
                "verify_wall": verify["wall"], "proof_bytes": record["proof_bytes"], "readings_per_second": record["readings_per_second"],
                "security_bits": record["security_bits"], "list_bits": record["list_bits"], "tampered": sorted(record["tampered"]),
                "samples": len(prove["samples"]),
            }  # fmt: skip
        flat.append(one)
    own = {one["size"]: one["readings_per_second"] for one in flat if one["peer"] == OWN and "prove_seconds" in one}
    for one in flat:
        if "prove_seconds" in one:
            one["of_ours"] = one["readings_per_second"] / own[one["size"]] if one["size"] in own else None
    return flat


def _seconds(step: Record | None) -> float | None:
    return None if step is None else float(step.get("seconds", step["wall"]))


def _measured(records: Sequence[Record], size: int) -> dict[str, Record]:
    return {record["peer"]: record for record in records if record["size"] == size and "prove_seconds" in record}


def _alike(peer: Peer, record: Record, own: Record) -> bool:
    """Whether it gives what Standstill gives: hiding, no set-up to trust, post-quantum, proven bits no more than SAME_BITS below."""
    gives = peer.properties
    enough = record["security_bits"] is not None and record["security_bits"] >= own["security_bits"] - SAME_BITS
    return gives.zero_knowledge and gives.trusted_setup == "none" and gives.post_quantum and enough


def ahead(records: Sequence[Record], size: int, peers: Sequence[Peer]) -> list[str]:
    """Where others are ahead of Standstill at a size, a line for each measure: how many, the furthest, the furthest that is alike."""
    known, measured = {peer.name: peer for peer in peers}, _measured(records, size)
    own, lines = measured.pop(OWN, None), []
    if own is None:
        return []
    for m in MEASURES:
        wins = sorted((record[m.key], name) for name, record in measured.items() if record[m.key] < own[m.key])
        alike = [win for win in wins if _alike(known[win[1]], measured[win[1]], own)]
        if not wins:
            continue

        def told(win: tuple[float, str], m: Measure = m, own: Record = own) -> str:
            return f"{known[win[1]].title} ({_three(win[0] * m.scale)} {m.unit}, {_three(own[m.key] / max(win[0], 1e-9))} times)"

        line = f"{m.words}: {len(wins)} of {len(measured)}; ours {_three(own[m.key] * m.scale)} {m.unit}; furthest {told(wins[0])}"
        lines.append(line + (f"; of those that give the same {told(alike[0])}" if alike else "; none of those that give the same"))
    return lines


def show(console: Console, records: Sequence[Record], peers: Sequence[Peer]) -> None:
    """Tables and remarks."""
    for size in sorted({record["size"] for record in records}):
        console.print(f"\n[bold]S({size:,})[/bold]")
        lines = ahead(records, size, peers)
        if lines:
            console.print("Ahead of Standstill:", highlight=False)
            for line in lines:
                console.print(f"  {line}", highlight=False, markup=False)
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
        for k, column in enumerate(COLUMNS):
            table.add_column(column, justify="right" if 0 < k < len(COLUMNS) - 1 else "left", no_wrap=True)
        for row in _rows(records, size, peers):
            table.add_row(*row)
        console.print(table)
        for remark in _remarks(records, size, peers):
            console.print(f"  {remark}", highlight=False, markup=False)
    console.print(f"\n{LEGEND}", style="dim", highlight=False, markup=False)
    table = Table(title="\nWhat each proof gives", title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in (name for name in GIVES if name not in ("proof system", "hash", "bits")):
        table.add_column(column, overflow="fold", no_wrap=column == "system")
    for row in _given(peers, records):
        table.add_row(row[0], *row[4:])
    console.print(table)


def markdown(result: Record, records: Sequence[Record], peers: Sequence[Peer]) -> str:
    """The same as a Markdown document, with versions and notes."""
    runs = [
        f"{run['machine']['cpu']}, {run['machine']['cores']} cores, load {run['machine']['load_average']} when it began, commit "
        f"`{run['commit'][:12]}`" for run in result.get("runs", [result])
    ]  # fmt: skip
    parts = [
        "# S(N) in other proof systems",
        f"Written by `python -m bench peers`; [README.md](../README.md) has the method. {LEGEND}",
        f"Runs: {'; '.join(f'{place}: {run}' for place, run in enumerate(runs, 1))}. With other work beside it they are upper bounds.",
    ]
    for size in sorted({record["size"] for record in records}):
        parts.append(f"## {size:,} readings")
        if lines := ahead(records, size, peers):
            parts.append("Ahead of Standstill:\n\n" + "\n".join(f"- {line}" for line in lines))
        parts.append(_grid((*COLUMNS, "run"), [[*row, str(1 + run)] for row, run in _rows_and_runs(records, size, peers)]))
        if remarks := _remarks(records, size, peers):
            parts.append("\n".join(f"- {remark}" for remark in remarks))
    parts += ["## What each proof gives", _grid(GIVES, _given(peers, records))]
    run = {record["peer"] for record in records if "prove_seconds" in record}
    parts += ["## Notes", "\n".join(f"- {peer.title}: {' '.join(peer.properties.notes)}" for peer in peers if peer.name in run)]
    versions = [f"- {peer.title}: {', '.join(f'{k} {v}' for k, v in peer.versions.items())}" for peer in peers if peer.versions]
    return "\n\n".join([*parts, "## Versions", "\n".join(versions)]) + "\n"


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rows(records: Sequence[Record], size: int, peers: Sequence[Peer]) -> list[list[str]]:
    return [row for row, _ in _rows_and_runs(records, size, peers)]


def _rows_and_runs(records: Sequence[Record], size: int, peers: Sequence[Peer]) -> list[tuple[list[str], int]]:
    known = {peer.name: peer for peer in peers}
    rows = []
    for name, record in sorted(_measured(records, size).items(), key=lambda item: -item[1]["readings_per_second"]):
        rows.append(([
            known[name].title, _three(record["setup_seconds"]), _three(record["witness_seconds"]), _three(record["prove_seconds"]),
            _three(record["prove_cpu"]), _three(record["rss_mb"]), _three(1000 * record["verify_seconds"]), f"{record['proof_bytes']:,}",
            _three(record["readings_per_second"]), _three(record["of_ours"]), _bits(record),
            "yes" if known[name].properties.zero_knowledge else "no",
        ], record["run"]))  # fmt: skip
    return rows


def _remarks(records: Sequence[Record], size: int, peers: Sequence[Peer]) -> list[str]:
    titles, remarks = {peer.name: peer.title for peer in peers}, []
    for record in records:
        if record["size"] == size and record["trouble"]:
            remarks.append(f"{titles[record['peer']]}: not in the table: {record['trouble']}")
    own = _measured(records, size)
    few = [titles[name] for name, record in own.items() if record["samples"] < max(r["samples"] for r in own.values())]
    if few:
        remarks.append(f"measured less often than the others: {', '.join(few)}")
    checked = {", ".join(record["tampered"]) for record in own.values()}
    if checked:
        remarks.append(f"every system rejected the wrong proofs that were tried on it: {' | '.join(sorted(checked))}")
    return remarks


def _given(peers: Sequence[Peer], records: Sequence[Record]) -> list[list[str]]:
    last = {record["peer"]: record for record in records if "prove_seconds" in record}
    rows = []
    for peer in peers:
        if peer.name in last:
            p = peer.properties
            yes = ["yes" if p.zero_knowledge else "no", p.trusted_setup, "yes" if p.post_quantum else "no"]
            rows.append([peer.title, peer.system, peer.hash, _bits(last[peer.name]), *yes, p.assumption])
    return rows


def _three(value: float | None) -> str:
    """Three digits that count, and whole numbers in full."""
    if value is None:
        return ""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _bits(record: Record) -> str:
    both = [record["security_bits"], record["list_bits"]]
    return " / ".join(f"{bits:.0f}" for bits in both if bits is not None)


LINES, MARKS = ("-", "--", "-.", ":"), ("o", "s", "^", "D")
DRAWINGS = (
    ("time", "size", "prove_seconds", "readings N", "seconds to prove (witness not included where it is a step of its own)"),
    ("memory", "size", "rss_mb", "readings N", "peak memory of the proving process, MB"),
    ("size", "prove_seconds", "proof_bytes", "seconds to prove", "proof, bytes"),
)


def plots(result: Record, records: Sequence[Record], peers: Sequence[Peer], folder: Path) -> list[Path]:
    """Prove time and memory against N, and proof size against prove time, log-log: PNG and SVG files.

    A colour for each family, the own one black; hollow marks where a proof hides nothing. Raises ImportError without matplotlib.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    measured = sorted((record for record in records if "prove_seconds" in record), key=lambda record: record["size"])
    series = [(peer, [record for record in measured if record["peer"] == peer.name]) for peer in peers]
    sizes = sorted({record["size"] for record in measured})
    where, written = result["machine"], []
    with matplotlib.rc_context({"svg.hashsalt": "standstill", "font.size": 9}):
        for name, x, y, across, up in DRAWINGS:
            figure, axes = pyplot.subplots(figsize=(9.5, 5.6), constrained_layout=True)
            for peer, rows in series:
                if not rows:
                    continue
                axes.plot([r[x] for r in rows], [r[y] for r in rows], label=peer.title, **_style(peer, peers))
                if x != "size":
                    for r, place in ((rows[0], (-6, -11)), (rows[-1], (-6, 7))):
                        text: Record = {"xytext": place, "textcoords": "offset points", "fontsize": 6, "color": "0.35"}
                        axes.annotate(f"{r['size']:,}", (r[x], r[y]), **text)
            axes.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
            axes.margins(0.08)
            if x == "size":
                axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
                axes.xaxis.set_minor_locator(ticker.NullLocator())
            else:
                axes.set_xlabel(f"{across} (small figures: readings N at the ends of a line)")
            axes.grid(True, which="major", alpha=0.3)
            axes.set_axisbelow(True)
            beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "frameon": False}
            axes.legend(fontsize=8, handlelength=3.5, title="hollow: not hiding", **beside)
            figure.suptitle(f"S(N): {where['cpu']}, {where['cores']} cores, commit {result['commit'][:12]}", fontsize=9)
            for suffix, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
                path = folder / f"peers-{name}.{suffix}"
                figure.savefig(path, dpi=130, metadata=metadata)
                written.append(path)
            pyplot.close(figure)
    return written


def _style(peer: Peer, peers: Sequence[Peer]) -> Record:
    families = list(dict.fromkeys(p.home or p.name for p in peers if p.name != OWN))
    family = [p.name for p in peers if (p.home or p.name) == (peer.home or peer.name)]
    place = family.index(peer.name)
    own = peer.name == OWN
    colour = "black" if own else f"C{families.index(peer.home or peer.name)}"
    return {
        "color": colour, "linestyle": LINES[place % len(LINES)], "marker": "*" if own else MARKS[place % len(MARKS)],
        "markersize": 10 if own else 6, "linewidth": 2.2 if own else 1.3, "zorder": 5 if own else 3,
        "markerfacecolor": colour if peer.properties.zero_knowledge else "white",
    }  # fmt: skip
