"""From samples to chips: names of both generations, identities, jobs, activity rounded up, counters."""

from __future__ import annotations

from fractions import Fraction

import pytest
from fake_exporter import STYLES, Gpu, render
from hypothesis import given
from hypothesis import strategies as st

from claims.collect import samples
from claims.collect.errors import PollFailed
from claims.collect.samples import FULL, Labels, Seen, read_chips
from claims.imports.exposition import Line, parse_exposition

NOW = 1_767_225_600_000


def chips(text: str | bytes, labels: Labels | None = None, **options: bool) -> dict[str, Seen]:
    data = text.encode() if isinstance(text, str) else text
    return read_chips(parse_exposition(data), labels or Labels(), NOW, 30_000, **options)[0]


@pytest.mark.parametrize("style", STYLES)
def test_both_generations_say_the_same(style: str) -> None:
    gpus = [Gpu("GPU-1", "0.25", 90, 7_000, ("j",)), Gpu("GPU-2", energy=8_000), Gpu("GPU-3", "0.5", 3, 9_000, (), ("n", "p", "c"))]
    assert chips(render(gpus, style)) == {
        "GPU-1": Seen(FULL // 4, True, ("j", ""), 7_000),
        "GPU-2": Seen(0, False, None, 8_000),
        "GPU-3": Seen(FULL // 2, True, ("", "n/p/c"), 9_000),
    }


def test_a_chip_without_uuid_goes_by_host_and_number() -> None:
    text = 'dcgm_gpu_utilization{gpu="3",Hostname="n1"} 1\ndcgm_total_energy_consumption{gpu="3",Hostname="n1"} 7.824041e+06\n'
    assert chips(text) == {"n1/3": Seen(FULL, True, None, 7_824_041)}
    with pytest.raises(PollFailed, match="names no chip"):
        chips("dcgm_gpu_utilization 1\n")


def test_other_metrics_are_not_looked_at() -> None:
    assert chips('DCGM_FI_DEV_FB_USED{gpu="0"} NaN\nup 1\nDCGM_FI_DEV_NVSWITCH_CONNECTED_LINK_COUNT 3\n') == {}


@pytest.mark.parametrize("value", ["nan", "inf", "N/A"])
def test_a_value_that_is_no_number_elsewhere_harms_nobody(value: str) -> None:
    text = f'DCGM_FI_DEV_FB_USED{{UUID="g"}} {value}\nDCGM_FI_DEV_GPU_UTIL{{UUID="g"}} 0\n'
    assert chips(text, need_counter=False) == {"g": Seen(0, False, None, None)}


def test_a_counter_as_openmetrics_names_it() -> None:
    text = 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION_total{UUID="g"} 5\nDCGM_FI_DEV_GPU_UTIL{UUID="g"} 0 1767225599.5\n# EOF'
    assert chips(text) == {"g": Seen(0, False, None, 5)}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("go_goroutines 7\namd_power{gpu=\"0\"} 1\namd_power{gpu=\"1\"} 1\namd_util 2\n", "it shows amd_power, amd_util"),
        ("up 1\na 1\nb 1\nc 1\n", "it shows up, a, b"),
        ("# nothing\n", "it shows none"),
    ],
)
def test_an_unknown_exporter_is_named(text: str, shown: str) -> None:
    found, trouble = read_chips(parse_exposition(text.encode()), Labels(), NOW, 30_000)
    assert found == {} and trouble == f"no metric of the answer is one of a known chip exporter: {shown}"


def test_empty_labels_are_no_job_and_later_labels_stand_in() -> None:
    text = 'dcgm_gpu_utilization{gpu="0",hpc_job="",job_id=" 9 ",pod="",namespace=""} 0\n'
    assert chips(text, need_counter=False) == {"/0": Seen(0, False, None, None)}
    labels = Labels(("hpc_job", "job_id"), ())
    assert chips(text, labels, need_counter=False) == {"/0": Seen(FULL, True, ("9", ""), None)}


def test_samples_of_one_chip_are_taken_together() -> None:
    text = (
        'DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{UUID="g",GPU_I_ID="1",hpc_job="a"} 0.1\n'
        'DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{UUID="g",GPU_I_ID="2",hpc_job="b"} 0.7\n'
        'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{UUID="g"} 5\nDCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{UUID="g"} 4\n'
    )
    assert chips(text) == {"g": Seen(FULL * 7 // 10, True, None, 5)}


def test_silence_about_activity_is_busy_at_peak() -> None:
    assert chips('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{UUID="g"} 5\n') == {"g": Seen(FULL, True, None, 5)}


def test_a_chip_without_a_counter_is_left_out_and_named() -> None:
    found, trouble = read_chips(parse_exposition(b'DCGM_FI_DEV_GPU_UTIL{UUID="g"} 0\n'), Labels(), NOW, 30_000)
    assert found == {} and trouble == "chip g has no energy counter"


@pytest.mark.parametrize(("age", "known"), [(0, True), (30_000, True), (30_001, False), (-1000, True), (-1001, False)])
def test_old_and_future_timestamps_do_not_count(age: int, known: bool) -> None:
    assert bool(chips(f'DCGM_FI_DEV_GPU_UTIL{{UUID="g"}} 0 {NOW - age}\n', need_counter=False)) is known


@pytest.mark.parametrize("value", ["NaN", "nan", "inf", "-inf", "N/A", "0x10", "+Inf", "-1", "-0.0", "1e100", "1" * 41, "1e-100"])
def test_values_that_cannot_be_used_make_the_chip_missing(value: str) -> None:
    text = f'DCGM_FI_DEV_GPU_UTIL{{UUID="g"}} 0\nDCGM_FI_PROF_PIPE_TENSOR_ACTIVE{{UUID="g"}} {value}\nDCGM_FI_DEV_GPU_UTIL{{UUID="h"}} 0\n'
    assert set(chips(text, need_counter=False)) == {"h"}


@pytest.mark.parametrize("value", ["9223372036854775808", "1e40"])
def test_a_counter_that_is_no_counter_makes_the_chip_missing(value: str) -> None:
    assert chips(f'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{UUID="g"}} {value}\n') == {}


@given(st.decimals(0, 2, allow_nan=False, places=14))
def test_activity_is_rounded_up_and_never_above_one(value: object) -> None:
    seen = chips(f'DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{{UUID="g"}} {value:f}\n', need_counter=False)["g"]
    exact = Fraction(str(value)) * FULL
    assert seen.activity == min(FULL, -(-exact.numerator // exact.denominator)) and seen.busy == (exact > 0)


def test_long_names_are_cut_and_stay_different() -> None:
    one, two = ("x" * 300 + end for end in "ab")
    found = {Labels().of({"hpc_job": text}) for text in (one, two)}
    assert len(found) == 2 and all(len(job[0]) == samples.NAME_LIMIT for job in found if job)


def test_an_answer_with_too_many_chips_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MAX_CHIPS", 3)
    lines = [Line("dcgm_gpu_utilization", {"gpu": str(n)}, "0", None) for n in range(4)]
    assert len(read_chips(lines[:3], Labels(), NOW, 1, need_counter=False)[0]) == 3
    with pytest.raises(PollFailed, match="more than 3 chips"):
        read_chips(lines, Labels(), NOW, 1)
