"""What `python -m bench peers` shows: first where a peer is ahead, then a table for each size, ratios to Standstill, plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.peers.model import Peer

__all__ = ["OWN", "ahead", "figures", "plots", "show"]

OWN = "standstill"
Record = dict[str, Any]
MEASURES = (
    ("proof_bytes", "a smaller proof"),
    ("verify_seconds", "a faster verifier"),
    ("prove_seconds", "a faster prover"),
    ("rss_mb", "less memory"),
)


def figures(result: Record) -> list[Record]:
    """One flat record for each peer and size of what `run.run` returned: medians, seconds in the process where it told them."""
    flat = []
    for record in result["results"]:
        one: Record = {"peer": record["peer"], "size": record["size"], "trouble": record.get("reason", "")}
        if record["status"] == "unsound":
            one["trouble"] = one["trouble"].upper()
        if record["status"] == "run":
            prove, verify, witness = record["prove"], record["verify"], record.get("witness")
            one |= {
                "setup_seconds": record["setup"]["wall"] if "setup" in record else None,
                "witness_seconds": None if witness is None else witness.get("seconds", witness["wall"]),
                "prove_seconds": prove.get("seconds", prove["wall"]), "prove_wall": prove["wall"], "prove_cpu": prove["cpu"],
                "rss_mb": prove["rss_mb"], "verify_seconds": verify.get("seconds", verify["wall"]),
                "proof_bytes": record["proof_bytes"], "readings_per_second": record["readings_per_second"],
                "security_bits": record["security_bits"], "tampered": record["tampered"],
            }  # fmt: skip
        flat.append(one)
    return flat


def _measured(records: Sequence[Record], size: int) -> dict[str, Record]:
    return {record["peer"]: record for record in records if record["size"] == size and "prove_seconds" in record}


def ahead(records: Sequence[Record], size: int) -> list[str]:
    """Where a peer is ahead of Standstill at a size, a line for each measure, the furthest ahead first."""
    measured = _measured(records, size)
    own, lines = measured.get(OWN), []
    if own is None:
        return []
    for key, words in MEASURES:
        wins = sorted((record[key] / own[key], peer) for peer, record in measured.items() if peer != OWN and record[key] < own[key])
        if wins:
            lines.append(f"{words}: " + ", ".join(f"{peer} ({1 / max(ratio, 1e-9):.3g} times)" for ratio, peer in wins))
    return lines


def show(console: Console, records: Sequence[Record], peers: Sequence[Peer]) -> None:
    """Tables and remarks."""
    titles = {peer.name: peer for peer in peers}
    for size in sorted({record["size"] for record in records}):
        console.print(f"\n[bold]S({size:,})[/bold]")
        lines = ahead(records, size)
        console.print("Ahead of Standstill: " + ("; ".join(lines) if lines else "nobody, in proof size, verifying, proving or memory"))
        console.print(_table(records, size, titles))
        for record in records:
            if record["size"] == size and record["trouble"]:
                console.print(f"  {titles[record['peer']].title}: {record['trouble']}", highlight=False, markup=False)
    console.print(_properties(peers, {record["peer"] for record in records if "prove_seconds" in record}))


def _table(records: Sequence[Record], size: int, titles: dict[str, Peer]) -> Table:
    columns = (
        "system", "set-up s", "witness s", "prove s", "process s", "CPU s", "verify ms", "memory MB", "proof bytes", "readings/s",
        "of ours", "bits", "wrong ones",
    )  # fmt: skip
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column == "system" else "right")
    measured = _measured(records, size)
    own = measured.get(OWN)
    for name, record in sorted(measured.items(), key=lambda item: -item[1]["readings_per_second"]):
        ratio = "" if own is None else f"{record['readings_per_second'] / own['readings_per_second']:.3g}"
        table.add_row(
            titles[name].title, _number(record["setup_seconds"]), _number(record["witness_seconds"]),
            _number(record["prove_seconds"]), _number(record["prove_wall"]), _number(record["prove_cpu"]),
            f"{1000 * record['verify_seconds']:.0f}", f"{record['rss_mb']:.0f}", f"{record['proof_bytes']:,}",
            f"{record['readings_per_second']:,.0f}", ratio,
            _bits(record["security_bits"]), f"{len(record['tampered'])} rejected",
        )  # fmt: skip
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _bits(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _properties(peers: Sequence[Peer], run: set[str]) -> Table:
    table = Table(title="What each proof gives", title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in ("system", "zero knowledge", "trusted set-up", "post-quantum", "assumption"):
        table.add_column(column, overflow="fold")
    for peer in peers:
        if peer.name in run:
            p = peer.properties
            known = "" if p.security_bits is None else f"{p.security_bits:.0f} bits: "
            table.add_row(
                peer.title, "yes" if p.zero_knowledge else "no", p.trusted_setup, "yes" if p.post_quantum else "no",
                known + p.assumption,
            )  # fmt: skip
    return table


def plots(records: Sequence[Record], peers: Sequence[Peer], folder: Path) -> list[Path]:
    """Prove time and memory against N, log-log, and proof size against prove time: PNG and SVG files."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    titles = {peer.name: peer.title for peer in peers}
    series: dict[str, list[Record]] = {}
    for record in records:
        if "prove_seconds" in record:
            series.setdefault(record["peer"], []).append(record)
    drawings = (
        ("time", "size", "prove_seconds", "readings N", "seconds to prove"),
        ("memory", "size", "rss_mb", "readings N", "peak memory, MB"),
        ("size", "prove_seconds", "proof_bytes", "seconds to prove", "proof, bytes"),
    )
    written = []
    with matplotlib.rc_context({"svg.hashsalt": "standstill", "font.size": 9}):
        for name, x, y, across, up in drawings:
            figure, axes = pyplot.subplots(figsize=(7.5, 4.8))
            for peer, rows in series.items():
                rows = sorted(rows, key=lambda row: row["size"])
                style = {"linewidth": 2.5, "zorder": 5} if peer == OWN else {"linewidth": 1.2}
                axes.plot([row[x] for row in rows], [row[y] for row in rows], marker="o", markersize=4, label=titles[peer], **style)
            axes.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
            axes.grid(True, which="major", alpha=0.3)
            axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
            for suffix in ("png", "svg"):
                path = folder / f"peers-{name}.{suffix}"
                figure.savefig(path, bbox_inches="tight", dpi=130)
                written.append(path)
            pyplot.close(figure)
    return written
