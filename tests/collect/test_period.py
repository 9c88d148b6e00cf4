"""A whole period from the collector: sealed, published, signed, closed, and the figures that a claim would prove."""

from __future__ import annotations

from pathlib import Path

from fake_exporter import Exporter, Gpu
from lab_fixtures import EPOCH, LAB_KEY, METER_KEYS, PEAK
from rig import METER, Rig, steadily

from claims.claim.records import UNATTRIBUTED, Draft
from claims.lab.epochs import publish_epoch
from claims.lab.lineage import note_checkpoint
from claims.lab.meter import SoftwareMeter
from claims.lab.registry import NO_WEIGHTS, close_period
from claims.lab.witness import period_figures


def test_collected_epochs_make_a_period(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.store.tag("llm")
    other = SoftwareMeter("hall-a", METER_KEYS["hall-a"])
    with Exporter([Gpu("g1", "0.5", 99, jobs=("llm",)), Gpu("g2")]) as exporter:
        rig.begin(exporter)
        for epoch in range(4):
            steadily(rig, exporter, EPOCH if epoch else EPOCH + 30)
            other.seal_epoch(rig.store, rig.agreement, epoch)
            if epoch == 3:
                note_checkpoint(rig.store, rig.agreement, Draft("llm", "CHECKPOINT", (), None, 3, 0, NO_WEIGHTS))
            if epoch == 1:
                exporter.gpus[1].jobs = ("unknown",)
            publish_epoch(rig.store, rig.agreement, epoch, LAB_KEY)
    for name, key in METER_KEYS.items():
        SoftwareMeter(name, key).seal(rig.store, rig.agreement, 0)
    close_period(rig.store, rig.agreement, 0)
    figures = period_figures(rig.store, 0)
    # the second chip's job is seen from 160 s on, so it is charged from 150 s
    assert (figures.unattributed, figures.total) == (90 * PEAK, (240 + 90) * PEAK)
    assert [item.chip_ms for item in rig.store.usage(0, METER) if item.tag == rig.store.tag("llm")] == [60_000] * 4


def test_what_comes_after_its_checkpoint_is_unattributed(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.store.tag("llm")
    with Exporter([Gpu("g1", "0.5", 99, jobs=("llm",))]) as exporter:
        rig.begin(exporter)
        for epoch in range(3):
            steadily(rig, exporter, EPOCH if epoch else EPOCH + 30)
            if epoch == 0:
                note_checkpoint(rig.store, rig.agreement, Draft("llm", "CHECKPOINT", (), None, 1, 0, NO_WEIGHTS))
    used = rig.store.usage(0, METER)
    assert [item.epoch for item in used if item.tag == rig.store.tag("llm")] == [0, 1]
    assert [(item.epoch, item.chip_ms) for item in used if item.tag == UNATTRIBUTED] == [(0, 60_000), (1, 60_000), (2, 120_000)], (
        "the meter's second chip is not seen, and charged throughout"
    )
