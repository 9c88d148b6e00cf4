"""The whole job for a fleet, stage by stage, by the functions that the commands use: CPU seconds, memory, and how both grow.

    import   usage and checkpoints into the store        close   ledger heads of all meters, with their journals
    seal     every epoch of every meter but the last     lab     the registry's head
    hour     the last epoch of every meter               prove, verify

Seconds are of CPU, of all threads; memory is the peak of a stage, the interpreter included (Linux).
"""

from __future__ import annotations

import math
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import machine, measure
from bench.fleets import LAB, Fleet, write_fleet

Record = dict[str, Any]
STAGES = ("agreement", "import", "seal", "hour", "close", "lab", "prove", "verify")
READINGS_PER_HOUR = 1.6
"""Of a meter, at most: for the height of the table."""


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
        return _Job(Path(name), meters, hours).run(proofs)


class _Job:
    """One lab at work in a folder."""

    def __init__(self, folder: Path, meters: int, hours: int) -> None:
        from claims.lab.registry import open_registry
        from claims.lab.store import Store

        log_rows = max(16, math.ceil(math.log2(meters * (hours * READINGS_PER_HOUR + 3) + 8192)))
        with Store.create(folder / "lab.store", LAB) as store:
            opening = open_registry(store, ())
        self.fleet: Fleet = write_fleet(folder, meters, hours, min(22, log_rows), opening)
        self.folder, self.hours, self.stages = folder, hours, dict[str, Record]()

    def run(self, proofs: bool) -> Record:
        from claims.agreement.file import load_agreement
        from claims.lab.registry import close_period
        from claims.lab.store import Store
        from zk.kernels.warmup import warm_up

        warm_up()
        self.terms = self._stage("agreement", lambda: load_agreement(self.folder / "agreement.toml"))
        with Store.open(self.folder / "lab.store") as self.store:
            self._stage("import", self._import)
            self._stage("seal", lambda: self._seal(self.hours - 2))
            self._stage("hour", lambda: self._seal(self.hours - 1))
            self._stage("close", self._close)
            self._stage("lab", lambda: close_period(self.store, self.terms, 0))
            readings = self.store.count_readings(0)
            claim = self._stage("prove", self._prove) if proofs else b""
        if proofs:
            self._stage("verify", lambda: self._verify(claim))
        size = sum(path.stat().st_size for path in self.folder.glob("lab.store*"))
        return {
            "meters": len(self.fleet.keys), "hours": self.hours, "rows": self.fleet.rows, "readings": readings,
            "store_bytes": size, "claim_bytes": len(claim), "stages": self.stages,
        }  # fmt: skip

    def _stage(self, name: str, action: Callable[[], Any]) -> Any:
        _forget_peak()
        wall, cpu = time.perf_counter(), _cpu()
        result = action()
        self.stages[name] = {"cpu": _cpu() - cpu, "wall": time.perf_counter() - wall, "peak_mb": machine.peak_rss_mb()}
        return result

    def _import(self) -> None:
        from claims.imports.checkpoints import import_checkpoints
        from claims.imports.usage import import_usage

        import_usage(self.store, self.terms, self.fleet.usage)
        import_checkpoints(self.store, self.terms, self.fleet.checkpoints)

    def _seal(self, last: int) -> None:
        from claims.lab.closing import next_epoch
        from claims.lab.meter import SoftwareMeter
        from claims.lab.signing import signing

        for name, key in self.fleet.keys.items():
            meter = SoftwareMeter(name, key)
            with signing(self.store, self.terms, name, self.folder / "state"):
                for number in range(next_epoch(self.store, self.terms, name), last + 1):
                    meter.seal_epoch(self.store, self.terms, number)

    def _close(self) -> None:
        from claims.lab.meter import SoftwareMeter
        from claims.lab.signing import signing

        for name, key in self.fleet.keys.items():
            with signing(self.store, self.terms, name, self.folder / "state"):
                SoftwareMeter(name, key).seal(self.store, self.terms, 0)

    def _prove(self) -> bytes:
        from claims.lab.prove import finish_claim
        from claims.lab.signing import signing

        def lab() -> Any:
            return signing(self.store, self.terms, None, self.folder / "state")

        return finish_claim(self.store, self.terms, 0, self.fleet.lab_key, lab).claim

    def _verify(self, claim: bytes) -> None:
        from claims.verify.claim import verify_claim

        if not verify_claim(claim, self.terms, signatures=self.fleet.signatures).proven:
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
