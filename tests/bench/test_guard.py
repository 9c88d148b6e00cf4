"""The regression guard: a slowed phase is named, an unchanged prover passes, noise in one measurement does not fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench import guard, machine
from bench.__main__ import main
from zk.kernels import deep

RECORD = {"commit": "c" * 40, "cpu": "one", "log_rows": 16, "ratios": {"main trace": 40.0, "fri": 1.0}}


def test_what_is_above_the_threshold_is_named_with_its_figures() -> None:
    (sentence,) = guard.slower({"main trace": 40.0, "fri": 1.5}, RECORD, 0.15)
    assert sentence.startswith("fri: 1.50 times the reference, 1.00 at cccccccccccc: +50%")
    assert guard.slower({"main trace": 45.9, "fri": 0.1}, RECORD, 0.15) == []
    assert "no longer measured" in guard.slower({"main trace": 40.0}, RECORD, 0.15)[0]


def test_noise_slows_so_the_lowest_counts() -> None:
    noisy = [{"ratios": {"main trace": 90.0, "fri": 1.0}}, {"ratios": {"main trace": 41.0, "fri": 9.0}}]
    assert guard.lowest(noisy) == {"main trace": 41.0, "fri": 1.0}


def test_the_record_is_the_last_of_this_processor() -> None:
    newer, other = {**RECORD, "ratios": {"fri": 2.0}}, {**RECORD, "cpu": "other"}
    assert guard.baseline([RECORD, newer, other], "one") == (newer, guard.THRESHOLD)
    assert guard.baseline([RECORD, other], "third") == (other, guard.OTHER_PROCESSOR)
    assert guard.baseline([], "one") is None


def test_history_is_appended_to_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    guard.record({"fri": 1.0}, 0.01, path)
    guard.record({"fri": 1.1}, 0.01, path)
    assert [entry["ratios"]["fri"] for entry in guard.load(path)] == [1.0, 1.1]
    path.write_text('[{"cpu": "x"}]')
    with pytest.raises(ValueError, match="not a history"):
        guard.load(path)


def test_the_history_in_the_repository_is_one() -> None:
    history = guard.load()
    assert history and {"main trace", "fri", "grinding", "whole"} < set(history[-1]["ratios"])


@pytest.mark.slow  # its ratios need a machine that does nothing else
def test_a_slowed_phase_is_noticed_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The out-of-domain evaluation done four times instead of once, in the real prover: that phase is named."""
    history = [{**guard.measure(16, 3), "cpu": "here", "commit": "before"}]
    real = deep.dot_rows

    def four_times(*arguments: Any) -> Any:
        for _ in range(3):
            real(*arguments)
        return real(*arguments)

    monkeypatch.setattr(deep, "dot_rows", four_times)
    slowed = guard.lowest([guard.measure(16, 3), guard.measure(16, 3)])
    found = [sentence.split(":")[0] for sentence in guard.slower(slowed, history[0], 0.35)]
    assert found == ["out of domain"]


def run_check(monkeypatch: pytest.MonkeyPatch, fri: list[float]) -> tuple[int, str]:
    waiting = list(fri)
    monkeypatch.setattr(guard, "load", lambda: [{**RECORD, "cpu": machine.describe()["cpu"]}])
    monkeypatch.setattr(
        guard, "in_child", lambda: {"ratios": {"main trace": 40.0, "fri": waiting.pop(0)}, "reference_seconds": 0.01}
    )
    result = CliRunner().invoke(main, ["check"])
    return result.exit_code, result.output


def test_check_fails_with_the_phase_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    code, output = run_check(monkeypatch, [1.4, 1.3, 1.3])
    assert code == 1 and "slower than recorded" in output and "fri: 1.30 times the reference" in output


def test_check_passes_after_a_noisy_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_check(monkeypatch, [3.0, 1.1])[0] == 0


def test_check_without_a_record_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "load", lambda: [])
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 1 and "--record" in result.output


def test_the_reference_is_work_that_takes_time() -> None:
    assert 0.001 < guard.Reference().seconds() < 1
