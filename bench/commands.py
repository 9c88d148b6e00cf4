"""Further commands of `python -m bench`, each added to the group by `add_to`. README.md says how to read the figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench import guard, machine, measure, show

Record = dict[str, Any]
Finish = Callable[[Path | None, Record], None]
RATES = 3
"""Processes that measure the machine's rates, before and after the proofs: one alone has reached half of the best."""
json_option = click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
plot_option = click.option("--plot", type=click.Path(path_type=Path), help="Write PLOT.png and PLOT.svg.")
repeat_option = click.option("--repeat", type=click.IntRange(1, 100), default=3, show_default=True, help="Samples behind a median.")
rows_option = click.option("--log-rows", type=click.IntRange(16, 22), default=18, show_default=True, help="Binary logarithm of the rows.")


def add_to(main: click.Group, console: Console, finish: Finish) -> None:
    """Adds the commands. ``finish`` adds machine and commit to a record and writes it."""

    @main.command()
    @click.option("--scratch", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for peers and their work.")
    @click.option("--sizes", default="64,1024,4096", show_default=True, help="Readings N, with commas.")
    @click.option("--peers", "names", help="Names, with commas. [default: all]")
    @click.option("--install", "fetch", is_flag=True, help="First install what is missing, each peer from its ordinary registry.")
    @click.option("--limit", type=click.IntRange(1), default=300, show_default=True, help="Seconds for one step of a peer.")
    @click.option("--setup-limit", type=click.IntRange(1), default=600, show_default=True, help="Seconds for a set-up.")
    @click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for peers.json, peers.md and plots.")
    @click.option("--add", is_flag=True, help="Keep what peers.json there has of other peers and sizes.")
    @repeat_option
    def peers(
        scratch: Path, sizes: str, names: str | None, fetch: bool, limit: int, setup_limit: int, out: Path | None, add: bool,
        repeat: int,
    ) -> None:  # fmt: skip
        """S(N) in other proof systems, interleaved in one run: time, memory, proof size, and whether wrong proofs are rejected."""
        from bench.peers import report as peer_report
        from bench.peers import run

        known = {peer.name: peer for peer in run.catalogue()}
        wanted = list(dict.fromkeys(known if names is None else names.split(",")))
        if unknown := [name for name in wanted if name not in known]:
            raise click.UsageError(f"no such peer: {', '.join(unknown)}; known: {', '.join(known)}")
        if not all(text.isdecimal() and 0 < int(text) < 1 << 22 for text in sizes.split(",")):
            raise click.UsageError(f"--sizes {sizes!r} is not a list of numbers of readings")
        chosen, scratch = [known[name] for name in wanted], scratch.resolve()
        scratch.mkdir(parents=True, exist_ok=True)

        def say(text: str) -> None:
            console.print(text, style="dim", highlight=False, markup=False)

        earlier = json.loads((out / "peers.json").read_text(encoding="utf-8")) if out and add else None

        def whole(result: Record) -> Record:
            joined = run.join(result, earlier) if earlier else result
            return {**joined, "figures": peer_report.figures(joined)}

        def keep(result: Record) -> None:
            if out is not None:
                (out / "peers.json").write_text(json.dumps(whole(result), indent=1) + "\n", encoding="utf-8")

        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        for peer in chosen if fetch else ():
            say(f"{peer.name}: installing")
            if (problem := run.install(peer, scratch)) is not None:
                say(f"{peer.name}: {problem}")
        numbers, limits = [int(text) for text in sizes.split(",")], run.Limits(setup_limit, limit)
        result = whole(run.run(chosen, scratch, numbers, repeat, limits, say=say, keep=keep))
        chosen = [peer for name, peer in known.items() if name in result["peers"]]
        peer_report.show(console, result["figures"], chosen)
        if out is not None:
            (out / "peers.md").write_text(peer_report.markdown(result, result["figures"], chosen), encoding="utf-8")
            _plot(console, lambda record, folder: peer_report.plots(record, record["figures"], chosen, folder), result, out)
        finish(out / "peers.json" if out else None, result)
        if any(record["status"] == "unsound" for record in result["results"]):
            raise click.ClickException("a verifier was wrong: see UNSOUND above")

    @main.command()
    @rows_option
    @repeat_option
    @json_option
    @plot_option
    def roofline(log_rows: int, repeat: int, json_path: Path | None, plot: Path | None) -> None:
        """What bounds each phase: bytes and operations against this machine's measured rates."""
        from bench import plots
        from bench.roofline import Shapes, table
        from circuits.claim import claim_program

        def several() -> list[Record]:
            return [_checked(lambda: measure.child("rates")) for _ in range(RATES)]

        before = several()
        record, _ = _checked(lambda: measure.proof(log_rows, repeat))
        found, names = before + several(), ("bandwidth", "products", "vector_sha", "library_sha", "sha", "threads")
        rates = {name: max(each[name] for each in found) for name in names}
        lines = table(Shapes(claim_program(), log_rows), record["phases"], rates)
        show.roofline(console, log_rows, rates, lines)
        result = _whole({"log_rows": log_rows, "rates": rates, "phases": lines})
        _plot(console, plots.roofline, result, plot)
        finish(json_path, result)

    @main.command()
    @click.option("--first", type=click.IntRange(16, 22), default=16, show_default=True, help="Smallest height, 2^FIRST rows.")
    @click.option("--last", type=click.IntRange(16, 22), default=22, show_default=True, help="Largest height.")
    @click.option("--thread-log-rows", type=click.IntRange(16, 22), default=18, show_default=True, help="Height for the threads.")
    @click.option("--threads", default="1,2", show_default=True, help="Numbers of threads, with commas; empty for none.")
    @click.option("--budget", type=click.IntRange(1), default=900, show_default=True, help="Seconds for all heights together.")
    @click.option("--cold/--no-cold", default=True, show_default=True, help="Also a first proof without compiled kernels.")
    @repeat_option
    @json_option
    @plot_option
    def scaling(
        first: int, last: int, thread_log_rows: int, threads: str, budget: int, cold: bool, repeat: int,
        json_path: Path | None, plot: Path | None,
    ) -> None:  # fmt: skip
        """Time and memory against rows, threads, and cold start. Heights that do not fit are skipped, with the reason."""
        from bench import plots, report
        from bench import scaling as measured

        if first > last:
            raise click.UsageError("--first is above --last")
        try:
            counts = [int(part) for part in threads.split(",") if part]
        except ValueError:
            raise click.UsageError("--threads takes numbers with commas between them") from None
        if any(count < 1 for count in counts):
            raise click.UsageError("--threads takes numbers from 1")
        results, skipped = measured.heights(first, last, repeat, budget, lambda text: console.print(text, style="dim"))
        if not results:
            raise click.ClickException(f"no height could be measured: {skipped[0]['reason']}")
        report.proofs(console, results)
        scaled = _checked(lambda: measured.threads(thread_log_rows, repeat, counts))
        result: Record = {"results": results, "skipped": skipped, "threads": scaled, "thread_log_rows": thread_log_rows}
        if counts:
            show.threads(console, thread_log_rows, scaled)
        if cold:
            result["cold"] = _checked(lambda: measure.cold(16))
            report.cold(console, result["cold"])
        result = _whole(result)
        _plot(console, plots.scaling, result, plot)
        finish(json_path, result)

    @main.command()
    @click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False, exists=True))
    @rows_option
    @click.option("--proofs", type=click.IntRange(1, 100), default=3, show_default=True, help="Proofs of a process, after one.")
    @click.option("--repeat", type=click.IntRange(1, 100), default=5, show_default=True, help="Processes of each.")
    @json_option
    def turns(folders: tuple[Path, ...], log_rows: int, proofs: int, repeat: int, json_path: Path | None) -> None:
        """Checkouts of other commits against this one, in turns."""
        from bench import turns as measured

        every = [*(folder.resolve() for folder in folders), machine.ROOT]
        say = lambda text: console.print(text, style="dim")  # noqa: E731
        commits = _checked(lambda: measured.run(every, log_rows, repeat, proofs, say))
        show.turns(console, log_rows, commits)
        finish(json_path, _whole({"log_rows": log_rows, "commits": commits}))

    @main.command()
    @click.option("--only", type=click.IntRange(1), help="So many labs instead of all.")
    @repeat_option
    @json_option
    @plot_option
    def ledgers(only: int | None, repeat: int, json_path: Path | None, plot: Path | None) -> None:
        """Real ledgers: MLPerf submitters and OLMo as labs of one agreement, each claim proven and verified."""
        from bench import plots
        from bench.ledgers import measure as measured

        labs = measured(repeat, lambda text: console.print(text, style="dim"), only)
        show.ledgers(console, labs)
        result = _whole({"labs": labs})
        _plot(console, plots.ledgers, result, plot)
        finish(json_path, result)

    @main.command()
    @click.option("--meters", type=click.IntRange(1, 65535), default=100, show_default=True, help="Racks of the largest fleet.")
    @click.option("--hours", type=click.IntRange(2, 8784), default=72, show_default=True, help="Epochs of the period.")
    @click.option("--sizes", type=click.IntRange(1, 8), default=3, show_default=True, help="Fleets, each of half the racks of the next.")
    @click.option("--proofs/--no-proofs", default=True, show_default=True, help="Also prove and verify.")
    @json_option
    def fleet(meters: int, hours: int, sizes: int, proofs: bool, json_path: Path | None) -> None:
        """The whole job of a made-up fleet: import, sealing, closing, proof and verification, stage by stage, and how each grows."""
        from bench import fleet as measured

        fleets = _checked(lambda: measured.grow(meters, hours, sizes, proofs=proofs, say=lambda text: console.print(text, style="dim")))
        show.fleet(console, fleets)
        finish(json_path, _whole({"fleets": fleets}))

    @main.command()
    @click.option("--meters", type=click.IntRange(1, 1000), default=250, show_default=True, help="Racks of the fleet, one table.")
    @click.option("--hours", type=click.IntRange(2, 744), default=720, show_default=True, help="Epochs of the period.")
    @repeat_option
    @json_option
    def pipeline(meters: int, hours: int, repeat: int, json_path: Path | None) -> None:
        """What a user waits for, each command a new process, beside the bare prover in a warm one."""
        from bench import pipeline as measured

        record = _checked(lambda: measured.run(meters, hours, repeat))
        show.pipeline(console, record)
        finish(json_path, _whole(record))

    @main.command()
    @click.option("--meters", type=click.IntRange(1, 2**18), default=10_000, show_default=True, help="Meters of the lab.")
    @click.option("--hours", type=click.IntRange(1, 1000), default=720, show_default=True, help="Epochs of the period.")
    @click.option("--groups", default="0,25", show_default=True, help="Meters that publish one root, with commas; 0: each its own.")
    @json_option
    def roots(meters: int, hours: int, groups: str, json_path: Path | None) -> None:
        """The roots files of a large lab, checked as `verify --log` checks them."""
        from bench import roots as measured

        runs = [_checked(lambda g=int(group): measured.run(meters, hours, g)) for group in groups.split(",")]
        table = show.grid(f"{meters:,} meters x {hours:,} hours", "a root for", "roots", "MB", "CPU s", "microseconds a root")
        for run in runs:
            cells = (f"{run['roots']:,}", f"{run['roots_bytes'] / 1e6:.0f}", f"{run['cpu']:.2f}", f"{run['microseconds_a_root']:.2f}")
            table.add_row(f"{run['group']} meters" if run["group"] else "each meter", *cells)
        console.print(table)
        finish(json_path, _whole({"runs": runs}))

    @main.command()
    @click.option("--labs", type=click.IntRange(1, 200), default=10, show_default=True, help="Labs that publish an entry an hour.")
    @click.option("--hours", type=click.IntRange(1, 9359), default=720, show_default=True, help="A head in each.")
    @click.option("--folder", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Where the logs are made, and removed.")
    @json_option
    def log(labs: int, hours: int, folder: Path | None, json_path: Path | None) -> None:
        """A log of many labs' hours, with Ed25519 and with hybrid keys: its size; append, cosign, status."""
        from bench import logs

        kinds = {"ed25519": False, "hybrid": True}
        runs = {name: _checked(lambda h=hybrid: logs.run(labs, hours, h, folder)) for name, hybrid in kinds.items()}
        show.log(console, runs)
        finish(json_path, _whole({"labs": labs, "hours": hours, "runs": runs}))

    @main.command()
    @rows_option
    @click.option("--tables", type=click.IntRange(1, 1000), default=8, show_default=True, help="Tables of a claim.")
    @click.option("--workers", default="1,2", show_default=True, help="Numbers of workers, with commas; one process comes first.")
    @json_option
    def cluster(log_rows: int, tables: int, workers: str, json_path: Path | None) -> None:
        """Tables in one process on all threads, and by workers of one thread each; what is serial."""
        numbers = [0, *(int(text) for text in workers.split(","))]
        runs = [_checked(lambda n=number: measure.child("cluster", str(log_rows), str(tables), str(n))) for number in numbers]
        show.cluster(console, runs, tables)
        finish(json_path, _whole({"log_rows": log_rows, "tables": tables, "runs": runs}))

    @main.command()
    @rows_option
    @click.option("--sites", "counts", default="1,4", show_default=True, help="Numbers of sites, with commas; one table comes first.")
    @repeat_option
    @json_option
    def sites(log_rows: int, counts: str, repeat: int, json_path: Path | None) -> None:
        """One lab as one table, and cut into sites: rows, columns, seconds and bytes."""
        numbers = [0, *(int(text) for text in counts.split(","))]
        cuts = [_checked(lambda n=number: measure.child("sites", str(log_rows), str(n), str(repeat))) for number in numbers]
        show.sites(console, cuts)
        finish(json_path, _whole({"log_rows": log_rows, "cuts": cuts}))

    @main.command()
    @click.option("--record", "keep", is_flag=True, help="Append what is measured to bench/history.json: later runs compare with it.")
    @json_option
    def check(keep: bool, json_path: Path | None) -> None:
        """Fails when a phase of the prover got slower than in bench/history.json (make bench-check)."""
        try:
            history = guard.load()
        except (OSError, ValueError) as error:
            raise click.ClickException(str(error)) from error
        found = guard.baseline(history, machine.describe()["cpu"])
        if found is None and not keep:
            raise click.ClickException("bench/history.json has no record: python -m bench check --record makes the first")
        measurements: list[Record] = []
        problems: list[str] = []
        for _ in range(guard.ATTEMPTS):
            measurements.append(_checked(guard.in_child))
            problems = guard.slower(guard.lowest(measurements), *found) if found else []
            if not problems and not keep:
                break
        ratios = guard.lowest(measurements)
        show.check(console, ratios, found[0]["ratios"] if found else {})
        if keep:
            guard.record(ratios, min(m["reference_seconds"] for m in measurements))
            console.print("recorded in bench/history.json", style="dim")
        finish(json_path, {"measurements": measurements, "problems": problems})
        if problems and not keep:
            raise click.ClickException("slower than recorded\n  " + "\n  ".join(problems))


def _checked(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except measure.BenchmarkError as error:
        raise click.ClickException(str(error)) from error


def _whole(record: Record) -> Record:
    return {"machine": machine.describe(), "commit": machine.commit(), **record}


def _plot(console: Console, draw: Callable[[Record, Path], list[Path]], record: Record, target: Path | None) -> None:
    if target is None:
        return
    try:
        written = draw(record, target)
    except ImportError as error:
        raise click.ClickException(f"plots need matplotlib: pip install -e '.[bench]' ({error})") from error
    console.print(f"plot: {', '.join(str(path) for path in written)}", style="dim", highlight=False)
