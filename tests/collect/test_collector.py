"""The collector over real HTTP, life after life: what is charged when endpoints work, and when they do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_exporter import Exporter, Gpu
from lab_fixtures import EPOCH, METER_KEYS, PEAK, START
from rig import COVERAGE_MS, METER, TIMEOUT, Rig, steadily

from claims.base.clock import ClockJump
from claims.base.errors import TokenError
from claims.claim.records import IDLE, UNATTRIBUTED, Usage
from claims.collect.errors import CollectError
from claims.collect.samples import Labels
from claims.collect.timeline import Policy
from claims.lab.meter import SoftwareMeter
from claims.lab.registry import Opening

PAIR = ("GPU-aaaa0001", "GPU-aaaa0002")


def pair(**options: object) -> list[Gpu]:
    return [Gpu(uuid, **options) for uuid in PAIR]  # type: ignore[arg-type]


def busy(rig: Rig, epoch: int = 0) -> dict[str, int]:
    return {name: ms for name, (ms, _) in rig.usage(epoch).items()}


@pytest.mark.parametrize("style", ["new", "ratio", "old"])
def test_a_job_is_charged_from_sample_to_sample_and_idle_time_is_seen(tmp_path: Path, style: str) -> None:
    rig = Rig(tmp_path)
    rig.store.tag("llm/step1000")
    with Exporter(pair(), style) as exporter:
        rig.begin(exporter)  # at the very beginning: the epoch has no gap
        steadily(rig, exporter, 10)
        exporter.gpus[0] = Gpu(PAIR[0], "0.712345", 98, 2_000_000, ("llm/step1000",))
        steadily(rig, exporter, 20)
        exporter.gpus[0] = Gpu(PAIR[0], energy=3_000_000)
        steadily(rig, exporter, 70)
    # busy at 20 and 30 s, idle at 10 and 40 s: 10 to 40 s
    assert busy(rig) == {"llm/step1000": 30_000}
    readings = {r.tag: r.chip_seconds for r in rig.store.epoch_readings(METER, 0)}
    assert readings == {rig.store.tag("llm/step1000"): 30, IDLE: 90}
    line = next(line for line in rig.said if line.startswith("epoch 0 sealed"))
    assert line == "epoch 0 sealed: busy 30 (llm/step1000 30), idle 90 chip-seconds; no gaps"


def test_metered_work_is_the_larger_activity_times_peak_rounded_up(tmp_path: Path) -> None:
    rig = Rig(tmp_path, charge_peak=False)
    rig.store.tag("a")
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 10)
        exporter.gpus[0] = Gpu(PAIR[0], "0.2500001", 98, 2_000_000, ("a",))
        steadily(rig, exporter, 10)
        exporter.gpus[0] = Gpu(PAIR[0], "0.5", 98, 3_000_000, ("a",))
        steadily(rig, exporter, 10)
        exporter.gpus[0] = Gpu(PAIR[0], energy=4_000_000)
        steadily(rig, exporter, 70)
    exact = 10 * PEAK * (0.2500001 + 0.5 + 0.5)
    assert rig.usage(0) == {"a": (30_000, int(exact) + 1)} and exact != int(exact)


def test_paused_profiling_counts_as_full_activity(tmp_path: Path) -> None:
    rig = Rig(tmp_path, charge_peak=False)
    rig.store.tag("a")
    with Exporter(pair(tensor=None, util=50, jobs=("a",))) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 90)
    assert rig.usage(0) == {"a": (COVERAGE_MS, 2 * EPOCH * PEAK)}


def test_the_share_outside_the_tensor_pipes_is_added_to_busy_chips(tmp_path: Path) -> None:
    rig = Rig(tmp_path, policy=Policy(30_000, other_share=40_000_000), charge_peak=False)
    rig.store.tag("a")
    with Exporter([Gpu(PAIR[0], "0.1", 9, jobs=("a",)), Gpu(PAIR[1])]) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 90)
    assert rig.usage(0) == {"a": (60_000, -(-60 * PEAK * 14 // 100))}


def test_unknown_reserved_and_several_jobs_are_unattributed(tmp_path: Path) -> None:
    for number, jobs in enumerate([("4711",), ("idle",), ("unattributed",), ("a", "b"), ("n/a",), ("IDLE",)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        rig = Rig(folder)
        rig.store.tag("a"), rig.store.tag("b")
        with Exporter([Gpu(PAIR[0], "0.5", 9, jobs=jobs), Gpu(PAIR[1])]) as exporter:
            rig.begin(exporter)
            steadily(rig, exporter, 90)
        assert busy(rig) == {"unattributed": 60_000}, jobs
        assert rig.store.find_tag("4711") is None


def test_a_checkpoint_of_a_closed_period_is_unattributed(tmp_path: Path) -> None:
    rig = Rig(tmp_path, openings=(Opening("base", 5),))
    with Exporter(pair(util=5, jobs=("base",))) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 90)
    assert busy(rig) == {"unattributed": COVERAGE_MS}


def test_activity_without_a_job_is_busy(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter([Gpu(PAIR[0], util=1), Gpu(PAIR[1], "0.000001")]) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 90)
    assert busy(rig) == {"unattributed": COVERAGE_MS}


def test_a_job_on_an_idle_chip_is_presence(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.store.tag("a")
    with Exporter(pair(jobs=("a",))) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 90)
    assert busy(rig) == {"a": COVERAGE_MS}


def test_the_time_in_which_a_job_changed_is_unattributed(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.store.tag("a"), rig.store.tag("b")
    with Exporter(pair(util=5, jobs=("a",))) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 20)
        for gpu in exporter.gpus:
            gpu.jobs = ("b",)
        steadily(rig, exporter, 70)
    assert busy(rig) == {"a": 40_000, "unattributed": 20_000, "b": 60_000}


def test_a_job_that_is_mapped_to_no_checkpoint_is_unattributed(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.csv"
    jobs.write_text("job,checkpoint\na,N/A\nb,unattributed\n")
    rig = Rig(tmp_path, jobs=jobs)
    rig.store.tag("a")
    with Exporter([Gpu(PAIR[0], jobs=("a",)), Gpu(PAIR[1], jobs=("b",))]) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 90)
    assert busy(rig) == {"unattributed": COVERAGE_MS} and rig.store.find_tag("N/A") is None


@pytest.mark.parametrize("style", ["new", "old"])
def test_pods_go_by_the_job_map_with_its_times(tmp_path: Path, style: str) -> None:
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(f"job,name,until,checkpoint\n,ml/train-*/main,{(START + 25) * 1000},llm/1\n,ml/train-*,,llm/2\n")
    rig = Rig(tmp_path, jobs=jobs)
    with Exporter(pair(util=5, pod=("ml", "train-0", "main")), style) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 90)
    assert busy(rig) == {"llm/1": 50_000, "llm/2": 70_000}


def test_other_labels_can_name_jobs(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.store.tag("gpu-node-01")
    with Exporter(pair(util=5)) as exporter:
        rig.watch([exporter], Labels(("slurm_job", "Hostname"), ()))
        rig.run()
        steadily(rig, exporter, 90)
    assert busy(rig) == {"gpu-node-01": COVERAGE_MS}


BODIES = [b"", b"\xff\n", b"DCGM_FI_DEV_GPU_UTIL{gpu=\n", b"#\n"]
MODES = ["status", "redirect", "404", "204", "hang", "drip", "short", "gzip", "cut", "endless", "unending", *BODIES]


@pytest.mark.parametrize("mode", MODES)
def test_a_failed_poll_is_a_gap_on_both_sides(tmp_path: Path, mode: str | bytes) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 20)
        exporter.mode = mode
        rig.source.timeout = 0.5 if mode in ("hang", "drip") else rig.source.timeout  # type: ignore[attr-defined]
        steadily(rig, exporter, 10)
        rig.source.timeout = TIMEOUT  # type: ignore[attr-defined]
        exporter.mode = "ok"
        steadily(rig, exporter, 60)
    assert busy(rig) == {"unattributed": 2 * 20_000}  # 20 to 40 s, both chips
    assert "; gaps 40: " in next(line for line in rig.said if "epoch 0" in line)


def test_an_answer_that_is_gzip_unasked_is_read(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair(), mode="packed") as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 90)
    assert busy(rig) == {} and "; no gaps" in next(line for line in rig.said if "epoch 0" in line)


def test_an_unknown_exporter_is_named_and_charged_in_full(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(mode=b"amd_gpu_power 1\n") as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 90)
    assert busy(rig) == {"unattributed": COVERAGE_MS} and "it shows amd_gpu_power" in rig.said[0]


def test_an_endpoint_that_is_down_is_a_gap_until_it_is_up(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    exporter = Exporter(pair())
    with exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 20)
    steadily(rig, exporter, 20)
    with exporter:
        rig.watch([exporter])
        steadily(rig, exporter, 60)
    assert busy(rig) == {"unattributed": 2 * 30_000}
    line = next(line for line in rig.said if "epoch 0" in line)
    assert "from 2026-01-01T00:00:20.000Z to 2026-01-01T00:00:50.000Z" in line.replace(":40.000Z,", ":50.000Z,") and "127.0.0.1" in line


def test_a_meter_that_did_not_run_is_charged_in_full(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        rig.wait(3 * EPOCH)
        exporter.tick(3 * EPOCH)
        rig.run()
    for epoch in (0, 1):
        assert busy(rig, epoch) == {"unattributed": COVERAGE_MS}
        assert {r.tag: r.chip_seconds for r in rig.store.epoch_readings(METER, epoch)} == {UNATTRIBUTED: 2 * EPOCH}
    assert rig.store.sealed_through(0, METER) == 1  # epoch 2 is not decided before --max-gap has passed


def test_time_before_the_first_sample_is_charged(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.watch([exporter])
        rig.wait(17.5)
        rig.run()
        steadily(rig, exporter, 80)
    assert busy(rig) == {"unattributed": 2 * 17_500}


def test_a_missing_chip_is_charged_and_the_other_is_not(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 10)
        gone = exporter.gpus.pop()
        steadily(rig, exporter, 20)
        gone.energy += 5_000_000
        exporter.gpus.append(gone)
        steadily(rig, exporter, 60)
    assert busy(rig) == {"unattributed": 30_000}  # its samples at 10 and 40 s are known


def test_a_chip_that_was_never_shown_is_charged_always(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()[:1]) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 90)
    assert busy(rig) == {"unattributed": 60_000}


def test_a_replaced_chip_takes_over_after_a_gap(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 20)
        exporter.gpus[1] = Gpu("GPU-new")
        steadily(rig, exporter, 70)
    assert busy(rig) == {"unattributed": 10_000}


def test_more_chips_than_the_meter_has_are_a_gap_for_all(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 20)
        exporter.gpus.append(Gpu("GPU-more"))
        steadily(rig, exporter, 10)
        exporter.gpus.pop()
        steadily(rig, exporter, 60)
    assert busy(rig) == {"unattributed": 40_000}


def test_a_reset_counter_is_a_gap(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 20)
        exporter.gpus[0].energy = 17
        steadily(rig, exporter, 70)
    assert busy(rig) == {"unattributed": 10_000}


def test_an_exporter_that_repeats_itself_is_a_gap(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 10)
        for _ in range(12):  # 120 s without news
            rig.wait(10)
            rig.run()
        steadily(rig, exporter, 90)
    # the latest news is of 10 s, the next of 140 s
    assert busy(rig, 0) == {"unattributed": 2 * 50_000}
    assert busy(rig, 1) == {"unattributed": COVERAGE_MS}
    assert busy(rig, 2) == {"unattributed": 2 * 20_000}


def test_an_exporter_slower_than_the_polls_is_no_gap(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        for second in range(5, 95, 5):
            rig.wait(5)
            if second % 15 == 0:
                exporter.tick(15)
            rig.run()
    assert busy(rig) == {}


def test_a_chip_without_a_counter_is_missing_unless_that_is_accepted(tmp_path: Path) -> None:
    for number, (need, expected) in enumerate([(True, {"unattributed": COVERAGE_MS}), (False, {})]):
        folder = tmp_path / str(number)
        folder.mkdir()
        rig = Rig(folder)
        with Exporter(pair(energy=None)) as exporter:
            rig.watch([exporter], need_counter=need)
            rig.run()
            steadily(rig, exporter, 90)
        assert busy(rig) == expected


def test_energy_between_two_idle_samples_is_charged_where_that_is_asked_for(tmp_path: Path) -> None:
    rig = Rig(tmp_path, policy=Policy(30_000, idle_watts=100))
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 20)
        rig.wait(10)
        exporter.tick(10, watts=101)
        rig.run()
        steadily(rig, exporter, 60)
    assert busy(rig) == {"unattributed": 2 * 10_000}


def test_a_clock_that_goes_back_charges_no_time_twice(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 40)
        rig.wait(10, clock=-25)
        exporter.tick(10)
        rig.run()
        steadily(rig, exporter, 80)  # the clock passes 40 s again at its third poll
    assert busy(rig) == {"unattributed": 2 * 5_000}  # 40 to 45 s
    assert sum("polls count from then on" in line for line in rig.said) == 3  # one for each life


@pytest.mark.parametrize("clock", [12.5, 7.0])
def test_a_clock_that_was_set_is_a_gap(tmp_path: Path, clock: float) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 20)
        rig.wait(10, clock=clock)
        exporter.tick(10)
        rig.run()
        steadily(rig, exporter, 70)
    assert busy(rig) == {"unattributed": int(2 * clock * 1000)}


def test_several_endpoints_make_one_meter_and_a_chip_shown_twice_is_missing(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()[:1]) as one, Exporter(pair()[1:]) as two:
        rig.watch([one, two])
        rig.run()
        for _ in range(2):
            rig.wait(10)
            one.tick(10), two.tick(10)
            rig.run()
        two.gpus[0].uuid = PAIR[0]
        rig.wait(10)
        one.tick(10), two.tick(10)
        rig.run()
        two.gpus[0].uuid = PAIR[1]
        for _ in range(6):
            rig.wait(10)
            one.tick(10), two.tick(10)
            rig.run()
    assert busy(rig) == {"unattributed": 40_000}


def test_a_nonsense_value_of_one_chip_is_a_gap_for_it_alone(tmp_path: Path) -> None:
    for number, value in enumerate(["NaN", "nan", "-1", "+Inf", "N/A", "1e99999", "9" * 41]):
        folder = tmp_path / str(number)
        folder.mkdir()
        rig = Rig(folder)
        with Exporter(pair()) as exporter:
            rig.begin(exporter)
            steadily(rig, exporter, 20)
            exporter.gpus[0].tensor = value
            steadily(rig, exporter, 10)
            exporter.gpus[0].tensor = "0"
            steadily(rig, exporter, 60)
        assert busy(rig) == {"unattributed": 20_000}, value


def test_a_job_over_the_end_of_an_epoch_is_cut_there(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.store.tag("a")
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 51, every=17)
        exporter.gpus[0] = Gpu(PAIR[0], "0.7", 99, 9_000_000, ("a",))
        steadily(rig, exporter, 17, every=17)  # seen at 68 s
        exporter.gpus[0] = Gpu(PAIR[0], energy=90_000_000)
        steadily(rig, exporter, 102, every=17)
    assert busy(rig, 0) == {"a": 9_000}  # 51 to 60 s
    assert busy(rig, 1) == {"a": 25_000}  # 60 to 85 s


def test_an_epoch_with_more_checkpoints_than_readings_keeps_the_largest(tmp_path: Path) -> None:
    import dataclasses

    rig = Rig(tmp_path)
    chips = tuple(dataclasses.replace(chip, readings=4) for chip in rig.agreement.chips)
    rig.sealing.agreement = dataclasses.replace(rig.agreement, chips=chips)
    for name in "abcd":
        rig.store.tag(name)
    with Exporter(pair()) as exporter:
        rig.watch([exporter])
        for seconds, name in ((0, "a"), (5, "a"), (10, "b"), (15, "c"), (65, "d")):
            for gpu in exporter.gpus:
                gpu.jobs = (name,)
            if not seconds:
                rig.run()
            steadily(rig, exporter, seconds, every=5)
    # a 5 s, b 5 s, c 10 s, d 25 s, and three changes of jobs of 5 s each
    assert busy(rig) == {"c": 20_000, "d": 50_000, "unattributed": 2 * (15 + 5 + 5) * 1000}
    assert len(rig.store.epoch_readings(METER, 0)) == 3


def test_usage_that_was_imported_is_not_charged_twice_and_polling_goes_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        rig.store.add_usage(0, METER, [Usage(0, 2, 1000, None)])
        steadily(rig, exporter, 80)
        with pytest.raises(CollectError, match="usage of epoch 0 was imported"):
            steadily(rig, exporter, 10)
        with pytest.raises(CollectError, match="epoch 0 cannot be sealed"):
            steadily(rig, exporter, 10)
    assert rig.store.sealed_through(0, METER) is None and len(rig.items(0)) == 1
    assert rig.said[-1].startswith("epoch 0 cannot be sealed: meter hall-b: usage of epoch 0 was imported")


class Gone:
    """A key on a token that went away."""

    public_key = METER_KEYS[METER].public_key

    def sign(self, _: bytes) -> bytes:
        raise TokenError("key 'hall-b' on token 'hall' did not sign: the session ended")


def test_a_token_that_went_away_costs_no_samples(tmp_path: Path) -> None:
    """Polling goes on without it; the collector that is started again with it seals what was seen."""
    rig = Rig(tmp_path)
    present, rig.sealing.meter = rig.sealing.meter, SoftwareMeter(METER, Gone())
    with Exporter(pair(util=7)) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 80)
        for _ in range(2):
            with pytest.raises(CollectError, match="epoch 0 cannot be sealed: .* did not sign: the session ended"):
                steadily(rig, exporter, 10)
        assert rig.store.sealed_through(0, METER) is None and rig.items(0) == []
        rig.sealing.meter = present
        steadily(rig, exporter, 10)
    assert busy(rig) == {"unattributed": COVERAGE_MS} and any("epoch 0 sealed" in line and "no gaps" in line for line in rig.said)


def test_an_epoch_that_something_else_sealed_is_passed_over(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair(util=7)) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 50)
        SoftwareMeter(METER, METER_KEYS[METER]).seal_epoch(rig.store, rig.agreement, 0)
        steadily(rig, exporter, 100)
    assert "epoch 0 was sealed by something else: what was seen of it is not in it" in rig.said
    assert rig.items(0) == [] and busy(rig, 1) == {"unattributed": COVERAGE_MS}


def test_a_clock_that_jumped_for_days_charges_nothing(tmp_path: Path) -> None:
    """Ten days of gaps at peak, and polls that count no more until then."""
    rig = Rig(tmp_path)
    with Exporter(pair(util=7)) as exporter:
        rig.begin(exporter)
        steadily(rig, exporter, 50)
        for _ in range(2):
            rig.wait(10, clock=10 * 86_400)
            with pytest.raises(ClockJump, match="clock-is-right"):
                rig.run()
            rig.now -= 10 * 86_400 - 10
        steadily(rig, exporter, 60)
        assert rig.said[-1].startswith("epoch 0 sealed") and rig.store.sealed_through(0, METER) == 0
        rig.wait(10 * 86_400)
        collector = rig.collector()
        collector.clock_is_right = True
        collector.run(once=True)
    assert rig.store.last_sealed(METER) > 0


def test_a_spool_begins_where_the_meter_stands_or_later(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    SoftwareMeter(METER, METER_KEYS[METER]).seal_epoch(rig.store, rig.agreement, 0)
    with Exporter(pair()) as exporter:
        rig.watch([exporter])
        with pytest.raises(CollectError, match="collecting cannot begin with epoch 0"):
            rig.run(from_epoch=0)
        with pytest.raises(CollectError, match="begin with epoch 12"):
            rig.run(from_epoch=12)
        rig.wait(EPOCH)
        rig.run()
        steadily(rig, exporter, 90)
        assert busy(rig, 1) == {}
        with pytest.raises(CollectError, match="was collected into before"):
            rig.run(from_epoch=2)


def test_a_new_spool_charges_neither_the_past_nor_what_was_imported_unasked(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.store.add_usage(1, METER, [Usage(5, 2, 1000, None)])
    with Exporter(pair()) as exporter:
        rig.watch([exporter])
        rig.wait(EPOCH + 1)
        with pytest.raises(CollectError, match="epoch 0 has ended and is not sealed; .* --from-epoch 0"):
            rig.run()
        with pytest.raises(CollectError, match="usage of epoch 5 was imported"):
            rig.run(from_epoch=0)
        assert not (rig.folder / "spool").exists()
        rig.run(from_epoch=6)
        assert rig.said[0].endswith("polls count from then on")


def test_the_agreement_ends_and_so_does_the_collector(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with Exporter(pair()) as exporter:
        rig.begin(exporter)
        rig.wait(12 * EPOCH + 30)
        rig.collector().run()  # ends by itself
    assert rig.store.sealed_through(2, METER) == 11


def test_totals_are_exact_in_every_epoch_and_the_period_can_be_signed(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.store.tag("a")
    with Exporter(pair()) as exporter:
        rig.watch([exporter])
        rig.wait(3.333)
        for number in range(39):
            exporter.mode = "status" if number % 7 == 3 else "ok"
            exporter.gpus[0].jobs = ("a",) if number % 5 < 2 else ()
            steadily(rig, exporter, 7, every=7)
    for epoch in range(4):
        readings = rig.store.epoch_readings(METER, epoch)
        assert sum(r.chip_seconds for r in readings) == 2 * EPOCH
        charged = sum(r.chip_seconds for r in readings if r.tag != IDLE)
        assert charged * 1000 >= sum(busy(rig, epoch).values())
    signed = SoftwareMeter(METER, METER_KEYS[METER]).seal(rig.store, rig.agreement, 0)
    assert signed.period == 0
