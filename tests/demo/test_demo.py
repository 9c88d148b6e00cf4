"""The demonstration, whole: every claim proven, every attempt rejected by its check, and its inputs true to the data."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
from rich.console import Console

from claims.base.errors import ClaimsError
from claims.demo import data as demo_data
from claims.demo.act_one import DemoResult, run_demo
from claims.demo.data import ASSUMED, chip_peaks, lab_plans
from claims.demo.words import flop
from claims.lab.registry import CHECKPOINT, EXTERNAL, MERGE, OPENING, RESIDUE, SNAPSHOT
from claims.lab.store import Store


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoResult, str]:
    pytest.importorskip("circuits.prove")
    stream = io.StringIO()
    console = Console(file=stream, width=100)
    return run_demo(tmp_path_factory.mktemp("demo") / "out", console), stream.getvalue()


def test_every_claim_of_two_periods_is_proven_and_linked(shown: tuple[DemoResult, str]) -> None:
    result, _ = shown
    assert len(result.rows) == 8 and all(row.report.proven for row in result.rows)
    assert {row.report.period for row in result.rows} == {0, 1}
    for first, second in zip(result.rows[:4], result.rows[4:], strict=True):
        assert first.claim.head_after == second.claim.head_before
    assert result.seconds < 300


def test_the_data_exercises_every_kind_of_entry(shown: tuple[DemoResult, str]) -> None:
    result, _ = shown
    kinds: set[int] = set()
    for row in result.rows:
        with Store.open(row.lab.store.path) as store:
            kinds |= {entry.kind for entry in store.entries()}
    assert kinds == {OPENING, EXTERNAL, CHECKPOINT, SNAPSHOT, MERGE, RESIDUE}
    assert {lab for lab, _ in result.snapshots} == {"NVIDIA", "Supermicro", "Ai2 (OLMo)"}
    assert any(row.figures.unattributed for row in result.rows)


def test_the_average_of_three_branches_counts_its_trunk_once(shown: tuple[DemoResult, str]) -> None:
    ai2 = shown[0].rows[-1].lab
    with Store.open(ai2.store.path) as store:
        entries = {entry.name: entry for entry in store.entries()}
    trunk, final = entries["olmo-2-7b/stage1"], entries["olmo-2-7b/final"]
    branches = sum(entry.work for entry in entries.values() if "stage2-ingredient" in entry.name)
    assert final.cumulative == trunk.cumulative + branches


def test_the_olmo_lineage_sums_over_all_its_restarts(shown: tuple[DemoResult, str]) -> None:
    ai2 = shown[0].rows[-1].lab
    with Store.open(ai2.store.path) as store:
        entries = {entry.name: entry for entry in store.entries()}
    last, twin = entries["olmo-7b-0724/step558000"], entries["olmo-7b-0724/step557000 (run z4z0x4m9)"]
    names = [name for name in entries if name.startswith("olmo-7b-0724/")]
    assert last.cumulative == sum(entries[name].work for name in names) - twin.work
    assert twin.parent1 == entries["olmo-7b-0724/step556500"].tag and twin.work > 0


def test_every_attempt_was_rejected_and_the_bribe_left_evidence(shown: tuple[DemoResult, str]) -> None:
    result, _ = shown
    assert len(result.rejected) == 12 and result.evidence == 1
    assert {check for _, check, _ in result.rejected} == {
        "proof",
        "format",
        "signatures",
        "meters",
        "continuity",
        "previous",
        "agreement",
    }


def test_the_stricter_agreement_is_refused_by_the_labs_own_prover(shown: tuple[DemoResult, str]) -> None:
    problems = shown[0].refusal
    assert problems[0] == "lineage cap exceeded by checkpoint llama-3.1-405b: 3.8e25 FLOP > 1e25 FLOP"
    assert all("1e25 FLOP" in problem for problem in problems)


def test_the_story_is_complete_and_readable(shown: tuple[DemoResult, str]) -> None:
    result, text = shown
    for part in ("Who takes part", "What they agreed", "Real", "Assumed", "What everybody sees", "holds", "Try next"):
        assert part in text
    assert str(result.out_dir) in text.replace("\n", "") and "Traceback" not in text
    flat = " ".join(text.split())
    assert all(assumption.split(".")[0][:40] in flat for assumption in ASSUMED)
    assert "None" not in text and "{" not in text


def test_published_files_hold_no_private_name_or_key(shown: tuple[DemoResult, str]) -> None:
    result, _ = shown
    public = [
        p for p in result.out_dir.rglob("*") if p.is_file() and "private" not in p.relative_to(result.out_dir).parts
    ]
    assert len(public) == 10
    with Store.open(result.rows[-1].lab.store.path) as store:
        secrets = [store.registry_iv()] + [head.trailer for head in store.registry_heads()]
    for path in public:
        data = path.read_bytes()
        assert b"olmo" not in data and b"llama" not in data and b"PRIVATE" not in data
        for elements in secrets:
            assert b"".join(word.to_bytes(4, "big") for word in elements) not in data
    for path in (result.out_dir / "private").rglob("*"):
        if path.suffix in (".key", ".store"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ClaimsError, match="is not an empty folder"):
        run_demo(tmp_path, Console(file=io.StringIO()))


def test_runs_keep_their_published_times_and_chips() -> None:
    plans = {plan.name: plan for plan in lab_plans()}
    rows = demo_data._read_csv("mlperf/mlperf_training_v5.1_runs.csv")
    published = {(r["run_start_ms"], r["run_stop_ms"], r["accelerators"]) for r in rows}
    for name in dict(demo_data.EIGHT_DAYS.submitters):
        plan = plans[name]
        assert {(u["start"], u["stop"], u["chips"]) for u in plan.usage} <= published
        assert sum(meter.runs for meter in plan.meters) == plan.runs == len(plan.usage)
    end = demo_data.EIGHT_DAYS.end_ms
    assert max(int(u["stop"]) for plan in plans.values() for u in plan.usage) <= end


def test_peaks_are_the_best_format_of_each_chip() -> None:
    peaks = chip_peaks()
    assert peaks["NVIDIA GB300"] == ("1.5e16", "fp4") and peaks["NVIDIA H100 SXM5 80GB"][0] == "1.979e15"
    assert peaks["NVIDIA A100 SXM4 80GB"] == ("6.24e14", "int8")


def test_amounts_are_shown_short() -> None:
    assert [flop(n) for n in (0, 1, 10**12, 4_557_509_700_00)] == ["0", "1e12", "1e24", "4.56e23"]
