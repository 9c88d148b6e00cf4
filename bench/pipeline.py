"""What a user waits for, beside the bare prover: a period's commands, each a new process, and proofs of as many rows in a warm process.

The stages are those of bench/fleet.py. CPU seconds and memory are of the whole process, from outside; kernels were compiled before.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench import measure
from bench.fleet import UNKNOWN, Job
from bench.fleets import PASSPHRASE
from bench.machine import ROOT
from bench.peers.model import Step
from bench.peers.run import StepError, measure_step
from claims.demo.fleets import log_rows_for

__all__ = ["run"]

Record = dict[str, Any]
COMMAND = "from claims.cli.main import main; main()"


def run(meters: int, hours: int, repeat: int) -> Record:
    """The stages of a fleet that is one table, and `prover`: medians of warm proofs of its height.

    Raises:
        measure.BenchmarkError: a command failed, or a proof could not be made.
    """
    with tempfile.TemporaryDirectory(prefix="standstill-pipeline-") as name:
        record = _Commands(Path(name), meters, hours).run(proofs=True)
    log_rows = log_rows_for(meters, hours)
    proof, samples = measure.proof(log_rows, repeat)
    cpu = median(sample["cpu_seconds"] for sample in samples["prove"])
    prover = {"log_rows": log_rows, "cpu": cpu, "wall": proof["prove_seconds"], "peak_mb": proof["peak_rss_mb"]}
    return {**record, "prover": prover}


class _Commands(Job):
    """Each command a process."""

    _steps: list[Record]

    def run(self, proofs: bool) -> Record:
        record = super().run(proofs)
        del self.stages["agreement"]  # no command of its own
        return record

    def _stage(self, name: str, action: Callable[[], Any]) -> None:
        self._steps = []
        action()
        figures = {"cpu": sum(step["cpu"] for step in self._steps), "wall": sum(step["wall"] for step in self._steps)}
        self.stages[name] = {**figures, "peak_mb": max((step["rss_mb"] for step in self._steps), default=0.0)}

    def _command(self, *arguments: object) -> None:
        self._process(*arguments, "-s", self._path("lab.store"), "-a", self._path("agreement.toml"))

    def _verify(self, claim: Path) -> None:
        self._process("verify", claim, "-a", self._path("agreement.toml"))

    def _process(self, *arguments: object) -> None:
        keys = {"STANDSTILL_STATE": str(self._path("state")), "STANDSTILL_PASSPHRASE": PASSPHRASE.decode()}
        step = Step((sys.executable, "-c", COMMAND, *map(str, arguments)), {**UNKNOWN, "PYTHONPATH": str(ROOT), **keys})
        try:
            done = measure_step(step, self.folder, measure.TIMEOUT)
        except StepError as error:
            raise measure.BenchmarkError(f"{arguments[0]}: {error}") from error
        if done["code"]:
            raise measure.BenchmarkError(f"{arguments[0]}: exit code {done['code']}: {done['words']}")
        self._steps.append(done)
