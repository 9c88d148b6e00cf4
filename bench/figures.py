"""The figures of README.md, bench/README.md and docs/cluster.md, written from the JSON files of bench/results: none is typed.

A page has blocks, `<!-- figures NAME -->` to `<!-- end -->`, each on a line of its own. `python -m bench figures` writes what is between
them anew, and a test asks whether that changes anything. A block's text names the machine and the commit of its file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from textwrap import fill
from typing import Any

from bench.fleet import PROPORTIONAL, STAGES, exponent
from bench.machine import ROOT

__all__ = ["BLOCKS", "PAGES", "rewritten"]

Record = dict[str, Any]
PAGES = ("README.md", "bench/README.md", "docs/cluster.md")
RESULTS = ROOT / "bench" / "results"
WIDTH = 100
SMALLEST_COMPARED, LARGEST_COMPARED = 4096, 262_135
_BLOCK = re.compile(r"(<!-- figures ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rewritten(page: str) -> str:
    """A page with every block written anew. Raises KeyError for a block that has no writer."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", text)


@cache
def _file(name: str) -> Record:
    data: Record = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return data


def _grid(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def _words(*sentences: str) -> str:
    return fill(" ".join(sentences), WIDTH, break_long_words=False, break_on_hyphens=False)


def _where(name: str) -> str:
    data = _file(name)
    where = data["machine"]
    return f"{where['cpu']}, {where['cores']} cores, load {where['load_average']:.1f} when it ended, commit `{data['commit'][:12]}`."


def _power(rows: int) -> str:
    return f"2^{rows.bit_length() - 1}"


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _size(megabytes: float) -> str:
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def _cpu(record: Record) -> float:
    taken = sorted(sample["cpu_seconds"] for sample in record["samples"]["prove"])
    return float(taken[len(taken) // 2])


def _three(value: float) -> str:
    """Three digits that count, and whole numbers in full."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _proofs() -> str:
    """The front page's table."""
    rows = [
        [
            _power(r["rows"]), f"{r['readings']:,}", f"{_seconds(r['prove_seconds'])} s", f"{1000 * r['verify_seconds']:.0f} ms",
            f"{r['proof_bytes'] / 1024:.0f} KiB", _size(r["peak_rss_mb"]),
        ]
        for r in _file("scaling")["results"] if _power(r["rows"]) in ("2^16", "2^18", "2^20", "2^22")
    ]  # fmt: skip
    return _grid(("rows", "readings", "prove", "verify", "proof", "prover's peak memory"), rows)


def _roofline() -> str:
    data = _file("roofline")
    rates = data["rates"]
    bound = {"memory": "bytes", "sha": "hashing"}
    rows = [
        [
            x["phase"], f"{x['bytes'] / 1e6:,.0f}", f"{x['multiplications'] / 1e6:,.0f}", f"{x['compressions'] / 1e6:.2f}",
            f"{1000 * x['limit_seconds']:.0f}", bound.get(x["bound"], x["bound"]), f"{1000 * x['seconds']:.0f}", f"{x['share']:.0%}",
        ]
        for x in data["phases"]
    ]  # fmt: skip
    told = _words(
        f"2^{data['log_rows']} rows, {_where('roofline')}",
        f"Rates: {rates['bandwidth'] / 1e9:.0f} GB/s, {rates['products'] / 1e9:.1f} 10^9 products/s,",
        f"{rates['vector_sha'] / 1e6:.0f} 10^6 compressions/s (`hashlib`: {rates['library_sha'] / 1e6:.0f}).",
    )
    head = ("phase", "MB", "multiplications, 10^6", "compressions, 10^6", "limit ms", "bound by", "measured ms", "share")
    return f"{told}\n\n{_grid(head, rows)}"


def _scaling() -> str:
    data = _file("scaling")
    rows = [
        [
            _power(r["rows"]), f"{r['prove_seconds']:.2f}", f"{_cpu(r):.2f}", f"{r['readings'] / _cpu(r) / 1000:.0f}",
            f"{1000 * r['verify_seconds']:.0f}", f"{r['peak_rss_mb']:,.0f}", f"{r['proof_bytes'] / 1024:.0f}",
        ]
        for r in data["results"]
    ]  # fmt: skip
    threads = [f"{t['prove_seconds']:.2f} s on {t['threads']} thread{'s' * (t['threads'] > 1)}" for t in data["threads"]]
    empty, filled = data["cold"]["empty cache"], data["cold"]["filled cache"]
    told = _words(
        f"2^{data['thread_log_rows']} rows: {', '.join(threads)}. A new process with 2^{data['cold']['log_rows']} rows, to the end:",
        f"{empty['process_seconds']:.1f} s with no compiled kernels ({empty['jit_seconds']:.1f} s of it compiling),",
        f"{filled['process_seconds']:.1f} s with them.",
    )
    head = ("rows", "prove s", "time of all threads s", "readings a CPU ms", "verify ms", "memory MB", "proof KiB")
    reasons = ", ".join(f"2^{left['log_rows']} ({left['reason']})" for left in data["skipped"])
    skipped = [_words(f"Not run: {reasons}.")] if reasons else []
    machine = _words(_where("scaling"), "Heights as in `sweep`, medians of three after a warm-up.")
    return "\n\n".join([machine, _grid(head, rows), *skipped, told])


def _turns() -> str:
    rows = []
    for name in ("turns", "turns-large"):
        data = _file(name)
        first = data["commits"][0]
        for x in data["commits"]:
            shares = [f"{x[key] / first[key]:.2f}" for key in ("prove_seconds", "cpu_seconds")]
            figures = (f"{x['prove_seconds']:.2f}", f"{x['cpu_seconds']:.2f}", *shares, f"{x['peak_rss_mb']:,.0f}", str(len(x["samples"])))
            rows.append([f"2^{data['log_rows']}", f"`{x['commit'][:12]}`", *figures])
    head = ("rows", "commit", "prove s", "CPU s", "of the first: s", "CPU s", "peak MB", "processes")
    return f"{_words(_where('turns'))}\n\n{_grid(head, rows)}"


def _fleet() -> str:
    fleets = _file("fleet")["fleets"]
    last, n = fleets[-1], fleets[-1]["readings"]
    named = {
        "import": "import", "seal": f"seal, {last['hours'] - 1} epochs of each meter", "hour": "hour: one epoch of every meter",
        "close": "close", "lab": "lab close", "prove": "prove, one table", "verify": "verify, without a log",
    }  # fmt: skip
    rows = []
    for key in (name for name in STAGES if name in named):
        stage, grows = last["stages"][key], exponent(fleets, key, "cpu")
        hours = f"{stage['cpu'] / n * 1e8 / 3600:.2f}" if key in PROPORTIONAL else ""
        each = f"{stage['cpu'] / n * 1e6:.1f}"
        rows.append([named[key], f"{stage['cpu']:.1f}", each, "" if grows is None else f"{grows:.2f}", f"{stage['peak_mb']:,.0f}", hours])
    stages = last["stages"]
    books = sum(stages[key]["cpu"] for key in ("import", "seal", "hour", "close", "lab"))
    told = _words(
        f"{last['meters']:,} meters x {last['hours']} hours: {last['rows']:,} usage rows, {n:,} readings,",
        f"{last['meters'] * last['hours']:,} signatures of epochs. {_where('fleet')}",
        f"The books take {books:.1f} CPU s, the command `prove` {stages['prove']['wall']:.1f} s,",
        f"all stages together {sum(stage['wall'] for stage in stages.values()):.0f} s.",
    )
    head = ("stage", "CPU s", "microseconds a reading", "grows as N^", "peak MB", "10^8 readings, CPU hours (extrapolated)")
    return f"{told}\n\n{_grid(head, rows)}"


def _fleet_large() -> str:
    (fleet,) = _file("fleet-large")["fleets"]
    stages = fleet["stages"]
    each = ", ".join(f"{name} {stages[name]['cpu']:.0f}" for name in STAGES if name in stages and name != "agreement")
    return _words(
        f"**{fleet['meters']:,} meters x {fleet['hours']} hours**: {fleet['rows']:,} rows of usage, {fleet['readings']:,} readings,",
        f"{fleet['meters'] * fleet['hours'] / 1e6:.1f} million signatures, cut into sites, from import to a verified claim.",
        f"{_where('fleet-large')} CPU seconds: {each}; together",
        f"**{sum(s['cpu'] for s in stages.values()):.0f} CPU s, {sum(s['wall'] for s in stages.values()):.0f} s,",
        f"{max(s['peak_mb'] for s in stages.values()) / 1000:.1f} GB at most**, a store of {fleet['store_bytes'] / 1e9:.1f} GB, a claim",
        f"of {fleet['claim_bytes'] / 1e6:.0f} MB beside its proofs and roots.",
    )


def _pipeline() -> str:
    data = _file("pipeline")
    stages, prover = data["stages"], data["prover"]
    whole = {"cpu": sum(s["cpu"] for s in stages.values()), "wall": sum(s["wall"] for s in stages.values())}
    lines = {
        **{{"lab": "lab close"}.get(name, name): stage for name, stage in stages.items()},
        "together": {**whole, "peak_mb": max(s["peak_mb"] for s in stages.values())},
        f"the bare prover, warm, 2^{prover['log_rows']} rows": prover,
    }  # fmt: skip
    rows = [[name, f"{s['cpu']:.2f}", f"{s['wall']:.2f}", f"{s['peak_mb']:,.0f}"] for name, s in lines.items()]
    told = f"{data['meters']:,} meters x {data['hours']} hours, {data['readings']:,} readings. {_where('pipeline')}"
    return f"{_words(told)}\n\n{_grid(('', 'CPU s', 's', 'peak MB'), rows)}"


def _roots() -> str:
    runs = _file("roots")["runs"]
    head = (f"{runs[0]['meters']:,} meters x {runs[0]['hours']} hours", "roots", "MB", "CPU s", "microseconds a root")
    rows = [
        [
            f"one of {run['group']} meters" if run["group"] else "each meter its own root", f"{run['roots']:,}",
            f"{run['roots_bytes'] / 1e6:.0f}", f"{run['cpu']:.1f}", f"{run['microseconds_a_root']:.1f}",
        ]
        for run in runs
    ]  # fmt: skip
    return f"{_words(_where('roots'))}\n\n{_grid(head, rows)}"


def _log() -> str:
    data = _file("log")
    runs = [data["runs"][name] for name in ("ed25519", "hybrid")]
    rows = [["entries, MB", *(f"{run['entry_bytes'] / 1e6:.1f}" for run in runs)]]
    shown = {
        "append": "`log append` of ten", "cosign": "`log cosign`",
        "status cold": "`status` the first time", "status warm": "`status` again",
    }  # fmt: skip
    rows += [[words, *(f"{run[key]['cpu']:.2f}" for run in runs)] for key, words in shown.items()]
    told = f"{data['labs']} labs, {data['hours']:,} hours: {runs[0]['entries']:,} entries, {runs[0]['heads']:,} heads; CPU seconds."
    return f"{_words(told, _where('log'))}\n\n{_grid(('', 'Ed25519', 'hybrid'), rows)}"


def _ledgers() -> str:
    rows = [
        [
            x["lab"], str(x["meters"]), str(x["runs"]), str(x["outside"]), f"{x['readings']:,}", f"{x['rows_used']:,}",
            f"{x['books_seconds']:.1f}", f"{x['prove_seconds']:.2f}", f"{1000 * x['verify_seconds']:.0f}", f"{x['claim_bytes'] / 1024:.0f}",
        ]
        for x in _file("ledgers")["labs"]
    ]  # fmt: skip
    head = ("lab", "meters", "runs", "outside", "readings", "rows used", "books s", "prove s", "verify ms", "claim KiB")
    return f"{_words(_where('ledgers'), 'Medians of three.')}\n\n{_grid(head, rows)}"


def _sites() -> str:
    data = _file("sites")
    rows = []
    for cut in data["cuts"]:
        heights = [f"2^{table['log_rows']}" for table in cut["tables"] if table["table"] != "registry"]
        registry = [f"registry 2^{table['log_rows']}" for table in cut["tables"] if table["table"] == "registry"]
        tables = ", ".join([f"{len(heights)} x {heights[0]}" if len(heights) > 1 else heights[0], *registry])
        name = "one table" if not cut["sites"] else "one site" if cut["sites"] == 1 else f"{cut['sites']} sites"
        rows.append([name, tables, str(cut["columns"]), f"{cut['proof_bytes']:,}", f"{cut['prove_cpu_seconds']:.1f}"])
    return f"{_words(_where('sites'))}\n\n{_grid(('', 'tables, rows', 'columns', 'proof bytes', 'CPU s'), rows)}"


def _peers() -> str:
    """CPU seconds and memory of every peer, with a mark for the run."""
    data = _file("peers")
    measured = [one for one in data["figures"] if "prove_cpu" in one]
    sizes = sorted({one["size"] for one in measured})
    by_place = {(one["peer"], one["size"]): one for one in measured}
    marks = [" " + "*" * run if run else "" for run in range(len(data.get("runs", [data])))]
    rows = []
    for name, peer in data["peers"].items():
        found = [by_place.get((name, size)) for size in sizes]
        if any(found):
            cells = [f"{_three(one['prove_cpu'])} ({one['rss_mb']:,.0f}){marks[one['run']]}" if one else "-" for one in found]
            rows.append([peer["title"], *cells])
    runs = [
        f"{mark.strip() or 'No mark'}: {run['machine']['cpu']}, load {run['machine']['load_average']:.1f} when it began, commit "
        f"`{run['commit'][:12]}`." for run, mark in zip(data.get("runs", [data]), marks, strict=True)
    ]  # fmt: skip
    return f"{_grid(('readings', *(f'{size:,}' for size in sizes)), rows)}\n\n{_words(*runs)}"


def _plonky3() -> str:
    """Plonky3 over Standstill of the same run and size."""
    data = _file("peers")
    measured = {(one["peer"], one["size"]): one for one in data["figures"] if "prove_cpu" in one}
    rows = []
    for (name, size), one in sorted(measured.items(), key=lambda item: item[0][1]):
        own = measured.get(("standstill", size))
        if name.startswith("plonky3") and size >= SMALLEST_COMPARED and own and own["run"] == one["run"]:
            shares = [f"{one[key] / own[key]:.2f}" for key in ("prove_cpu", "prove_seconds", "rss_mb", "proof_bytes", "verify_seconds")]
            rows.append([f"{size:,}", data["peers"][name]["title"], *shares])
    return _grid(("readings", "", "CPU s, whole process", "prove s", "memory", "proof", "verify"), rows)


def _goals() -> str:
    """Goals of the prover, at preset std with zero knowledge, and what the files have."""
    (first, *_, last), (first_large, *_, last_large) = (_file(name)["commits"] for name in ("turns", "turns-large"))
    large = f"2^{_file('turns-large')['log_rows']}"
    results = {_power(r["rows"]): r for r in _file("scaling")["results"]}
    rates = [r["readings"] / _cpu(r) for name, r in results.items() if name != "2^16"]
    peers = {(one["peer"], one["size"]): one for one in _file("peers")["figures"] if "prove_cpu" in one}
    own, plain = (peers[name, LARGEST_COMPARED]["prove_cpu"] for name in ("standstill", "plonky3-plain-stock"))
    limit = next(x for x in _file("roofline")["phases"] if x["phase"] == "whole")["limit_seconds"]

    def share(of: Record, to: Record, key: str) -> str:
        return f"{of[key] / to[key]:.2f}"

    before = f"`{first['commit'][:12]}`"
    rows = [
        [f"2^18 rows, warm: CPU time against {before}", "0.70", share(last, first, "cpu_seconds")],
        ["the same, time", "0.70", share(last, first, "prove_seconds")],
        ["the same, what the machine's rates allow (above)", "", f"{limit / first['prove_seconds']:.2f}"],
        ["2^18 rows: memory", "1.2 GB", _size(last["peak_rss_mb"])],
        ["readings a CPU second, 2^17 to 2^22: slowest to fastest", "0.85", f"{min(rates) / max(rates):.2f}"],
        [f"{large} rows: CPU time against {before}", "0.50", share(last_large, first_large, "cpu_seconds")],
        ["2^22 rows: memory", "9 GB", _size(results["2^22"]["peak_rss_mb"])],
        [f"whole process, {LARGEST_COMPARED:,} readings: CPU time against Plonky3 plain, stock", "1.00", f"{own / plain:.2f}"],
        ["2^18 rows: proof", "400 KiB", f"{results['2^18']['proof_bytes'] / 1024:.0f} KiB"],
        ["2^18 rows: verify, Python", "60 ms", f"{1000 * results['2^18']['verify_seconds']:.0f} ms"],
    ]
    return _grid(("", "goal", "here"), rows)


def _cluster() -> str:
    data = _file("cluster")
    rows = []
    for run in data["runs"]:
        workers = {1: "one worker", 2: "two workers"}.get(run["workers"], f"{run['workers']} workers")
        threads = {1: "one thread", 2: "two threads"}.get(run["threads"], f"{run['threads']} threads")
        name = f"{workers} of {threads}" if run["workers"] else f"one process, {threads}"
        rows.append([name, f"{run['cpu_seconds']:.1f}", f"{run['seconds']:.1f}"])
    return _grid((f"{data['tables']} tables of 2^{data['log_rows']} rows", "CPU s", "seconds"), rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "proofs": _proofs, "goals": _goals, "roofline": _roofline, "scaling": _scaling, "turns": _turns, "fleet": _fleet,
    "fleet-large": _fleet_large, "pipeline": _pipeline, "roots": _roots, "log": _log, "ledgers": _ledgers, "sites": _sites,
    "peers": _peers, "plonky3": _plonky3, "cluster": _cluster,
}  # fmt: skip
"""The writer of each block by its name."""
