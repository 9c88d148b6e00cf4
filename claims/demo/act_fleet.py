"""The demonstration of a fleet: a month of 1,000 racks in two halls, from made-up usage to a proven claim with a log, by the commands.

Each step is what a lab, a log's operator or a rival types; a local cluster proves. What is not as in real use is said at the end.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from claims.base.errors import ClaimsError
from claims.base.units import format_time
from claims.demo.act_one import DemoFailed, prepare_prover
from claims.demo.fleets import CHIPS, EPOCH, LEAVES, PEAK, log_rows_for, rack_names, write_books
from claims.demo.words import say, table_of, try_next

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["FleetResult", "run_fleet"]

SITES = ("north", "south")
RACKS_OF_A_ROW = 25
"""Racks that publish one root together."""
PARTS = 3
"""Commands in which the month is sealed."""
BOOKS = ("-s", "private/lab.store", "-a", "public/agreement.toml")
RING = ("--all", "--keyring", "private/meters.key")
_AGREEMENT = """format = "standstill-agreement/3"
name = "fleet"
start = {start}
epoch = "1 h"
epochs_per_period = {hours}
periods = 12

[rules]
charge = "peak"
residue = "charge-every-lineage"

[log]
origin = "example.org/fleet"
operator = "operator"
key = "{log}"
cosignatures = 1

[deadlines]
epoch = "60 d"
claim = "7 d"
grace = "7 d"
opening = "7 d"

[[party]]
name = "fleet"
key = "{lab}"

[[party]]
name = "operator"
key = "{operator}"

[[party]]
name = "rival"
key = "{rival}"
cosign_key = "{cosign}"

[[chip]]
name = "chip"
peak = "{peak}"
note = "FP8 dense"
readings = {leaves}

[[lab]]
name = "fleet"
log_rows = {log_rows}
registry_rows = 16
{head}

[lab.caps]
total = "1e28 FLOP"
unattributed = "1e26 FLOP"
lineage = "1e28 FLOP"

{table}
"""


@dataclass
class FleetResult:
    """What the play left: ``folder`` with public/ and private/; what was counted; seconds of each step, in order."""

    folder: Path
    rows: int = 0
    readings: int = 0
    workers: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


def run_fleet(folder: Path, console: Console, meters: int = 1000, hours: int = 720) -> FleetResult:
    """Play a fleet's month.

    Args:
        folder: does not exist yet, or is empty; the files stay there.
        console: where the story is told.
        meters: racks, from 2 on. hours: of the period.

    Raises:
        ClaimsError: the folder is in use, or (DemoFailed) a step did not come out as it must.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ClaimsError(f"{folder} is not an empty folder", "name a folder that does not exist yet")
    (folder / "private").mkdir(parents=True, mode=0o700)
    (folder / "public" / "claims").mkdir(parents=True)
    say(console, f"\n[bold]Standstill: a month of a fleet[/bold]\n\n{meters:,} racks of {CHIPS} chips in two halls, {hours} hours.\n"
                 "Usage is made up; the rest is done by the commands of real use.\n")  # fmt: skip
    prepare_prover(console)
    return _Play(folder, console, meters, hours).run()


class _Play:
    def __init__(self, folder: Path, console: Console, meters: int, hours: int) -> None:
        self.folder, self.console, self.meters, self.hours = folder.absolute(), console, meters, hours
        self.start = (int(time.time()) // EPOCH - hours) * EPOCH
        self.log_rows = log_rows_for(-(-meters // len(SITES)), hours)
        self.result = FleetResult(folder)

    def run(self) -> FleetResult:
        with self._step("making up usage") as progress:
            self.result.rows = write_books(self.folder / "private", self.meters, self.hours, self.start, progress=progress)
        with self._step("keys, agreement, signatures of three parties"):
            self._agree()
        with self._step(f"import: {self.result.rows:,} rows of usage"):
            self._command("import", "readings", "private/usage.csv", *BOOKS)
            self._command("import", "checkpoints", "private/checkpoints.csv", *BOOKS)
        with self._step(f"meters sign {self.meters * self.hours:,} hours") as progress:
            for part in range(PARTS):
                last = self.hours * (part + 1) // PARTS - 1
                self._command("epoch", "seal", *RING, *BOOKS, "--clock-is-right", "--through", last)
                progress((part + 1) / PARTS)
        with self._step(f"{self.hours} entries for the log, one an hour"):
            self._command("epoch", "publish", *BOOKS, "-k", "private/lab.key", "-o", "private/entries", "--through", self.hours - 1)
            self._append(*sorted(f"private/entries/{path.name}" for path in (self.folder / "private" / "entries").iterdir()))
        with self._step("the month is over: meters and lab close their books"):
            self._command("meter", "close", *RING, *BOOKS, "-n", 0, "--yes", "--clock-is-right")
            self._command("lab", "close", *BOOKS, "-n", 0)
        self._prove()
        with self._step("publish: claim, proofs, roots; its entry in the log"):
            for path in (self.folder / "private" / "claim").iterdir():
                if path.suffix != ".entry":
                    shutil.copy(path, self.folder / "public" / "claims")
            self._append("private/claim/fleet-0.entry")
        self._check()
        return self.result

    def _agree(self) -> None:
        keys = {name: self._command("keygen", f"private/{name}.key", "--no-passphrase").strip()
                for name in ("lab", "operator", "rival", "log", "cosign")}  # fmt: skip
        head = self._command("lab", "init", "fleet", "-s", "private/lab.store").strip()
        made = self._command(
            "meter", "init", *rack_names(self.meters), "--lab", "fleet", "--chip", "chip", "--chips", CHIPS,
            "--keyring", "private/meters.key", "--no-passphrase",
        )  # fmt: skip
        (self.folder / "private" / "meters.toml").write_text(re.sub(r'name = "rack-([0-9]+)"', self._placed, made), encoding="utf-8")
        table = self._command("agreement", "meters", "private/meters.toml", "-o", "public/fleet.meters.csv")
        values = {"start": format_time(self.start), "hours": self.hours, "peak": PEAK, "leaves": LEAVES, "log_rows": self.log_rows}
        text = _AGREEMENT.format(**values, head=head, table=table, **keys)
        (self.folder / "public" / "agreement.toml").write_text(text, encoding="utf-8")
        self._command("agreement", "check", "public/agreement.toml")
        for name in ("lab", "operator", "rival"):
            self._command("agreement", "sign", "public/agreement.toml", "-k", f"private/{name}.key", "--yes")
        self._command("log", "init", "public/log", "--origin", "example.org/fleet", "-k", "private/log.key")

    def _placed(self, name: re.Match[str]) -> str:
        """A rack's name, and where it stands."""
        number = int(name[1])
        site = SITES[number % len(SITES)]
        return f'{name[0]}\nsite = "{site}"\ngroup = "{site}-row-{number // len(SITES) // RACKS_OF_A_ROW:03}"'

    def _append(self, *entries: str) -> None:
        """The operator appends; the rival looks, and cosigns."""
        log, own = ("public/log", "-a", "public/agreement.toml"), ("-k", "private/cosign.key", "--memory", "private/rival.memory")
        self._command("log", "append", *log, *entries, "-k", "private/log.key")
        self._command("log", "cosign", *log, "--name", "rival", *own)

    def _prove(self) -> None:
        (self.folder / "private" / "claim").mkdir()
        prove = ("prove", *BOOKS, "-n", 0, "-k", "private/lab.key", "-o", "private/claim/fleet-0.claim")
        if find_spec("distributed") is None:
            with self._step("prove: three tables, in one process"):
                self._command(*prove)
            return
        from claims.cluster.local import local_cluster
        from claims.cluster.table import memory_of

        memory = memory_of(self.log_rows)
        room = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4 // memory
        self.result.workers = max(1, min(len(SITES), os.cpu_count() or 1, room))
        cluster = self.folder / "private" / "cluster"
        cluster.mkdir()
        with (
            self._step(f"prove: three tables, {self.result.workers} workers of a local cluster"),
            local_cluster(cluster, self.result.workers, memory) as running,
        ):
            self._command(*prove, "--cluster", running.address, "--cluster-files", running.nodes)
        shutil.rmtree(cluster)

    def _check(self) -> None:
        """A stranger verifies with what is public alone."""
        with self._step("anybody: verify the claim, with the log"):
            said = self._command("verify", "public/claims/fleet-0.claim", "-a", "public/agreement.toml", "--log", "public/log")
        if "PROVEN" not in said:
            raise DemoFailed(f"the claim of the fleet is not proven: {said}")
        with self._step("anybody: does the standstill hold?"):
            said = self._command("status", "public")
        if "THE STANDSTILL HOLDS" not in said:
            raise DemoFailed(f"the standstill of the fleet does not hold: {said}")
        from claims.lab.store import Store

        with Store.open(self.folder / "private" / "lab.store") as store:
            self.result.readings = store.count_readings(0)
        self._end()

    def _end(self) -> None:
        claims = list((self.folder / "public" / "claims").iterdir())
        size = {kind: sum(path.stat().st_size for path in claims if path.suffix == kind) for kind in (".claim", ".proof", ".roots")}
        say(self.console, f"\n[bold green]PROVEN[/bold green]. {sum(self.result.seconds.values()):.0f} s in all.\n")
        table = table_of("", "what everybody sees", "", right=("",))
        table.add_row("claim", f"{size['.claim']:,} bytes")
        table.add_row("three proofs", f"{size['.proof']:,} bytes")
        table.add_row(f"roots of {self.meters // RACKS_OF_A_ROW or 1} rows of racks, each hour", f"{size['.roots']:,} bytes")
        table.add_row(f"SHA-256 of what only the lab sees: {self.result.readings:,} readings", "nothing else")
        self.console.print(table)
        _closing(self.console, self.folder, self.result.workers)

    @contextlib.contextmanager
    def _step(self, words: str) -> Iterator[Callable[[float], None]]:
        """A step of the story, with a bar while it runs, and its seconds when it is done."""
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        begun = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description:<54}"), BarColumn(10), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as bar:
            task = bar.add_task(words, total=None)
            yield lambda share: bar.update(task, total=1.0, completed=share)
        self.result.seconds[words] = time.monotonic() - begun
        say(self.console, f"{self.result.seconds[words]:6.1f} s  {words}")

    def _command(self, *arguments: object) -> str:
        """Run a command in the folder; what it printed. Raises DemoFailed."""
        words = [str(item) for item in arguments]
        environment = {**os.environ, "STANDSTILL_STATE": str(self.folder / "private" / "state")}
        done = subprocess.run(
            [sys.executable, "-m", "claims", *words], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            what = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise DemoFailed(f"standstill {' '.join(words[:3])} ... ended with {done.returncode}: {what[-1] if what else ''}")
        return done.stdout


VERIFY = "standstill verify public/claims/fleet-0.claim \\\n      -a public/agreement.toml --log public/log"
NOT_AS_IN_USE = (
    "a month is told at once, so the agreement lets entries come 60 days late;\n    in use an hour's entry is due the same day",
    "one folder has the keys of all parties, and no passphrase guards them",
    "one keyring stands in for the signing counters of all racks",
)


def _closing(console: Console, folder: Path, workers: int) -> None:
    if not workers:
        say(console, "Dask is not installed here, so one process made the proofs. For a cluster:\n  pip install '.\\[cluster]'\n")
    say(console, "[bold]Not as in use[/bold]:")
    for line in NOT_AS_IN_USE:
        say(console, f"  - {line}")
    say(console, f"\n[bold]Files[/bold], in {folder}\n  public/    for everybody: agreement, meter table, claim, log\n"
                 "  private/   keys, store, usage: of the lab and the others")  # fmt: skip
    begun = f"cd {folder}"
    try_next(
        console,
        (
            (begun, "the commands below are for this folder"),
            (VERIFY, "check the claim yourself"),
            ("standstill status public", "whether the standstill holds"),
            ("standstill lab status -s private/lab.store -a public/agreement.toml", "what the lab sees, and nobody else"),
            ("standstill show public/claims/fleet-0.claim", "all that the claim says"),
            ("standstill site public --out page --serve 8000", "the page that anybody checks in a browser"),
        ),
    )
    say(console, "\nHow a lab with 100,000 chips does this every day: docs/lab.md, section 7.")
