"""A meter of two chips under an exporter, on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event

from fake_exporter import Exporter
from lab_fixtures import EPOCH, METER_KEYS, START, make_lab

from claims.claim.records import Usage
from claims.collect.fetch import Endpoint, Exporters
from claims.collect.run import Collector
from claims.collect.samples import Labels
from claims.collect.seal import Sealing
from claims.collect.timeline import Policy
from claims.lab.meter import SoftwareMeter
from claims.lab.registry import Opening

METER, CHIPS = "hall-b", 2
TIMEOUT = 60.0
"""Seconds for an answer that will come: no machine is too slow."""
COVERAGE_MS = CHIPS * EPOCH * 1000


class Rig:
    """One collector process after another over one store and spool; ``run`` is a whole life of one poll each."""

    def __init__(
        self, folder: Path, *, policy: Policy | None = None, jobs: Path | None = None, openings: tuple[Opening, ...] = (),
        **terms: object,
    ) -> None:  # fmt: skip
        self.store, self.agreement = make_lab(folder, openings, **terms)
        self.folder = folder / "spool"
        self.sealing = Sealing(
            self.store, self.agreement, SoftwareMeter(METER, METER_KEYS[METER]), policy or Policy(30_000), jobs
        )
        self.now, self.steady = float(START), 1000.0
        self.said: list[str] = []
        self.source: object = None

    def watch(self, exporters: Sequence[Exporter], labels: Labels | None = None, **options: object) -> None:
        endpoints = [Endpoint.of(exporter.url) for exporter in exporters]
        self.source = Exporters(
            endpoints, labels or Labels(), TIMEOUT, self.sealing.policy.max_gap, wall=lambda: self.now,
            monotonic=lambda: self.steady, **options,  # type: ignore[arg-type]
        )  # fmt: skip

    def collector(self) -> Collector:
        wall = lambda: self.now  # noqa: E731
        return Collector(self.source, self.sealing, self.folder, 10.0, self.said.append, Event(), wall)  # type: ignore[arg-type]

    def run(self, **options: object) -> None:
        self.collector().run(once=True, **options)  # type: ignore[arg-type]

    def begin(self, exporter: Exporter) -> None:
        """Watch one exporter, and take the first sample."""
        self.watch([exporter])
        self.run()

    def wait(self, seconds: float, clock: float | None = None) -> None:
        self.steady += seconds
        self.now += seconds if clock is None else clock

    def usage(self, epoch: int) -> dict[str, tuple[int, int | None]]:
        """Per checkpoint's name: chip-milliseconds and work of a sealed epoch."""
        assert self.store.sealed_through(epoch // self.agreement.epochs_per_period, METER) >= epoch
        return {self.store.name(u.tag): (u.chip_ms, u.work) for u in self.items(epoch)}

    def items(self, epoch: int) -> list[Usage]:
        period = epoch // self.agreement.epochs_per_period
        return [item for item in self.store.usage(period, METER) if item.epoch == epoch]


def steadily(rig: Rig, exporter: Exporter, seconds: int, every: int = 10) -> None:
    """Polls at the ends of intervals, with energy counters running."""
    for _ in range(seconds // every):
        rig.wait(every)
        exporter.tick(every)
        rig.run()
