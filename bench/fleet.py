"""The whole job for a fleet, stage by stage, by the commands themselves in one process: CPU seconds, memory, and how both grow.

    import   usage and checkpoints into the store           close   ledger heads of all meters: meter close --all
    seal     every epoch but the last: epoch seal --all     lab     the registry's head
    hour     the last epoch of every meter                  prove, verify

All meters sign with one keyring under a passphrase, and have their journals.

Seconds are of CPU, of all threads; memory is the peak of a stage, the interpreter included (Linux).
"""

from __future__ import annotations

import hashlib
import math
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from bench import machine, measure
from bench.fleets import LAB, PASSPHRASE, Fleet, write_fleet

Record = dict[str, Any]
PROPORTIONAL = ("import", "seal", "close", "prove")
"""Stages whose cost is in proportion to the readings, where the lab is cut into sites of this size."""
UNKNOWN = {"STANDSTILL_CACHE": "off"}
"""Environment in which nothing is known from before: what was verified once would not be verified again."""
STAGES = ("agreement", "import", "seal", "hour", "close", "lab", "prove", "verify")


def grow(meters: int, hours: int, sizes: int, *, proofs: bool, say: Callable[[str], None]) -> list[Record]:
    """One record a size, in processes of their own: ``meters`` last, each size before with half the meters."""
    records = []
    for number in reversed(range(sizes)):
        count = max(1, meters >> number)
        records.append(measure.child("fleet", str(count), str(hours), "1" if proofs else "0"))
        say(f"{count} meters x {hours} hours: {sum(x['cpu'] for x in records[-1]['stages'].values()):.1f} s")
    return records


def exponent(records: list[Record], stage: str, key: str) -> float | None:
    """b of cost ~ readings^b between the smallest and the largest size; None where that is not known."""
    first, last = (records[k]["stages"].get(stage, {}).get(key) for k in (0, -1))
    small, large = records[0]["readings"], records[-1]["readings"]
    return math.log(last / first) / math.log(large / small) if first and last and large > small else None


def run(meters: int, hours: int, proofs: bool) -> Record:
    """The stages of one fleet in this process."""
    with tempfile.TemporaryDirectory(prefix="standstill-fleet-") as name:
        return Job(Path(name), meters, hours).run(proofs)


class Job:
    """One lab at work in a folder. `stages` has what each took: CPU seconds, seconds, and its own peak of memory in 10^6 bytes."""

    def __init__(self, folder: Path, meters: int, hours: int) -> None:
        from claims.lab.registry import open_registry
        from claims.lab.store import Store

        with Store.create(folder / "lab.store", LAB) as store:
            opening = open_registry(store, ())
        self.fleet: Fleet = write_fleet(folder, meters, hours, opening)
        self.folder, self.meters, self.hours, self.stages = folder, meters, hours, dict[str, Record]()

    def run(self, proofs: bool) -> Record:
        """The stages in turn; what was made, and `stages`."""
        from claims.agreement.file import load_agreement
        from claims.lab.store import Store
        from zk.kernels.warmup import warm_up

        warm_up()
        self._stage("agreement", lambda: load_agreement(self._path("agreement.toml")))
        self._stage("import", self._import)
        keys = ("--all", "--keyring", self._path("ring.key"))
        seal = ("epoch", "seal", *keys, "--clock-is-right", "--through")
        self._stage("seal", lambda: self._command(*seal, self.hours - 2))
        self._stage("hour", lambda: self._command(*seal, self.hours - 1))
        self._stage("close", lambda: self._command("meter", "close", *keys, "-n", 0, "--yes", "--clock-is-right"))
        self._stage("lab", lambda: self._command("lab", "close", "-n", 0))
        with Store.open(self._path("lab.store")) as store:
            readings = store.count_readings(0)
        size, claim = sum(path.stat().st_size for path in self.folder.glob("lab.store*")), self._path("fleet.claim")
        if proofs:
            self._stage("prove", lambda: self._command("prove", "-n", 0, "-k", self._path("lab.key"), "-o", claim))
            self._stage("verify", lambda: self._verify(claim))
        return {
            "meters": self.meters, "hours": self.hours, "rows": self.fleet.rows, "readings": readings,
            "store_bytes": size, "claim_bytes": claim.stat().st_size if proofs else 0, "stages": self.stages,
        }  # fmt: skip

    def _path(self, name: str) -> Path:
        return self.folder / name

    def _command(self, *arguments: object) -> None:
        """A command on the lab's books."""
        from click.testing import CliRunner

        from claims.cli.main import cli

        books = ("-s", self._path("lab.store"), "-a", self._path("agreement.toml"))
        environment = {**UNKNOWN, "STANDSTILL_STATE": str(self._path("state")), "STANDSTILL_PASSPHRASE": PASSPHRASE.decode()}
        result = CliRunner().invoke(cli, [str(item) for item in (*arguments, *books)], env=environment)
        if result.exception is not None:
            raise result.exception

    def _stage(self, name: str, action: Callable[[], Any]) -> Any:
        _forget_peak()
        wall, cpu = time.perf_counter(), _cpu()
        result = action()
        self.stages[name] = {"cpu": _cpu() - cpu, "wall": time.perf_counter() - wall, "peak_mb": machine.peak_rss_mb()}
        return result

    def _import(self) -> None:
        self._command("import", "readings", self._path("usage.csv"))
        self._command("import", "checkpoints", self._path("checkpoints.csv"))

    def _verify(self, claim: Path) -> None:
        from claims.verify.claim import verify_claim

        proofs = {hashlib.sha256(data).digest(): data for data in map(Path.read_bytes, self.folder.glob("*.proof"))}
        with mock.patch.dict(os.environ, UNKNOWN):
            verified = verify_claim(claim.read_bytes(), self.fleet.agreement, signatures=self.fleet.signatures, proofs=proofs.get)
        if not verified.proven:
            raise RuntimeError("a claim was accepted without being proven")


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _forget_peak() -> None:
    """Let the kernel count the peak of memory from here on; where it cannot, peaks are those of the process so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        pass
