"""The commands: what they print, exit codes, and a digest that goes from a folder into a checkpoint file."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from import_world import START, agreement_of, totals

import claims.cli.imports
from claims.cli.main import main
from claims.imports import slurm
from claims.lab.store import Store

DATA = Path(__file__).with_name("data")
METERS = {"hall-a": ("h100", 16), "mi": ("mi300x", 512)}
AGREEMENT = agreement_of(METERS)
SACCT = "JobIDRaw|JobName|State|Submit|Start|End|ElapsedRaw|AllocTRES|NNodes|NodeList|ExitCode\n"
SACCT += "1|llm|COMPLETED|2026-01-01T00:00:00|2026-01-01T01:00:00|2026-01-01T02:00:00|3600|gres/gpu=8|1|n1|0:0\n"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(claims.cli.imports, "load_terms", lambda path: AGREEMENT)
    Store.create(tmp_path / "s", "alpha").close()
    (tmp_path / "agreement.toml").write_text("")
    (tmp_path / "sacct.txt").write_text(SACCT)
    (tmp_path / "nodes.csv").write_text("node,meter,gpus\nn[1-2],hall-a,8\n")
    (tmp_path / "jobs.csv").write_text("name,checkpoint\nllm*,llm-1\n")
    return tmp_path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    return int(caught.value.code or 0)


def test_slurm(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["import", "slurm", "sacct.txt", "-s", "s", "-a", "agreement.toml", "--nodes", "nodes.csv", "--jobs", "jobs.csv"]
    assert run(*words) == 2 and "--timezone" in capsys.readouterr().err
    assert run(*words, "--timezone", "Nowhere/City") == 2 and "is not known" in capsys.readouterr().err
    assert run(*words, "--timezone", "../../etc/passwd") == 2 and "is not known" in capsys.readouterr().err
    assert run(*words, "--timezone", "Europe/Berlin", "--from", "2026-01-01T01:00:00Z", "--until", "2026-01-01T00:30:00Z") == 2
    assert "before it begins" in capsys.readouterr().err
    assert run(*words, "--timezone", "Europe/Berlin", "--dry-run") == 0
    assert capsys.readouterr().out.endswith("dry run: nothing was imported\n")
    assert run(*words, "--timezone", "Europe/Berlin") == 0
    text = capsys.readouterr().out
    assert "1  rows charged to a checkpoint" in text and "28808 chip-seconds charged on 1 meter, period 0" in text
    assert run(*words, "--timezone", "UTC") == 2 and "imported before" in capsys.readouterr().err
    with Store.open(lab / "s") as store:
        assert totals(store, AGREEMENT) == {("hall-a", "llm-1"): 3601 * 8000}


def test_the_command_that_help_gives_can_be_pasted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run("import", "slurm", "--help") == 0
    text = capsys.readouterr().out
    command = text[text.index("  sacct -a -X") :].partition("\n\n")[0]
    words = shlex.split(command.replace("\\\n", ""))
    assert words[0] == "sacct" and {"-a", "-X", "-P", "-D", "-S", "-E"} < set(words) and "\n" not in words
    assert set(words[-1].lower().split(",")) >= {*slurm._NEED, "submit", "elapsedraw", "nnodes"}
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("kind", ["", "readings", "checkpoints", "slurm", "alibaba", "mllog", "trainer-state", "checkpoint-list"])
def test_help_names_columns_and_shows_a_sample(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", *filter(None, [kind]), "--help") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    sample = {"": "meter,start,stop", "readings": "meter,start,stop", "checkpoints": "name,parents,time", "slurm": "node,meter,gpus",
              "alibaba": "sn,gpu,model", "mllog": "run_start", "trainer-state": "total_flos", "checkpoint-list": "step,run_id"}  # fmt: skip
    assert sample[kind] in text


def test_mllog(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = next(DATA.glob("AMD*"))
    words = ["import", "mllog", log, "-s", "s", "-a", "agreement.toml", "--meter", "mi"]
    assert run(*words) == 2 and "--system or --chips" in capsys.readouterr().err
    assert run(*words, "--system", DATA / "theia_system.json") == 2
    assert "outside the agreement's periods" in capsys.readouterr().err
    assert run(*words, "--chips", 8, "--skip-outside") == 0
    assert "left out, outside the agreement's periods: 16286.784 chip-seconds" in capsys.readouterr().out


def test_alibaba(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lab / "n.csv").write_text("sn,cpu_milli,memory_mib,gpu,model\nn1,1,1,8,G3\n")
    (lab / "p.csv").write_text(
        "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n"
        "p,1,1,1,220,,BE,Running,0,60,0\n"
    )
    words = ["import", "alibaba", "n.csv", "p.csv", "-s", "s", "-a", "agreement.toml", "--origin", str(START * 1000)]
    assert run(*words) == 2 and "model 'G3' has no meter" in capsys.readouterr().err
    assert run(*words, "--default-meter", "hall-a") == 0 and "61 chip-seconds" in capsys.readouterr().out


def test_trainer_state_and_checkpoint_list(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = DATA / "checkpoint-500.trainer_state.json"
    common = ["-s", "s", "-a", "agreement.toml", "--start", "2026-01-01T00:00:00Z", "--meter", "hall-a", "--chips", 4]
    words = ["import", "trainer-state", state, *common, "--name", "mt"]
    assert run(*words, "--stop", "2026-01-01T00:00:10Z") == 2 and "chips at peak can have computed" in capsys.readouterr().err
    assert run(*words, "--stop", "2026-01-01T01:00:00Z") == 0 and "1 checkpoint noted" in capsys.readouterr().out
    (lab / "list.csv").write_text("Step\n0\n100\n")
    words = ["import", "checkpoint-list", "list.csv", *common, "--name", "olmo"]
    assert run(*words) == 2 and "--step-seconds" in capsys.readouterr().err
    assert run(*words, "--step-seconds", "1.5", "--restart-seconds", "x") == 2
    capsys.readouterr()
    assert run(*words, "--step-seconds", "1.5") == 0 and "600 chip-seconds" in capsys.readouterr().out


def test_weights(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lab / "ckpt").mkdir()
    (lab / "ckpt" / "w.bin").write_bytes(b"standstill")
    words = ["weights", "digest", "ckpt", "--tensors", "--manifest"]
    assert run(*words, "ckpt/m") == 2 and "in DIR itself" in capsys.readouterr().err
    assert run(*words, "m") == 0
    first, second = capsys.readouterr().out.splitlines()
    digest = first.split()[1]
    assert second == "tensors - (no safetensors)" and len(digest) == 64
    assert run("weights", "check", "ckpt", digest) == 0 and run("weights", "check", "ckpt", "--manifest", "m") == 0
    assert run("weights", "check", "ckpt") == 2 and run("weights", "check", "ckpt", "xyz") == 2
    (lab / "ckpt" / "w.bin").write_bytes(b"moved on")
    (lab / "ckpt" / "v.txt").write_bytes(b"")
    capsys.readouterr()
    assert run("weights", "check", "ckpt", digest) == 1 and "REJECTED: weights" in capsys.readouterr().err
    assert run("weights", "check", "ckpt", "--manifest", "m") == 1
    assert capsys.readouterr().out.splitlines() == ["new  v.txt", "changed  w.bin"]
    os.mkfifo(lab / "ckpt" / "pipe")
    assert run("weights", "digest", "ckpt") == 2 and "not a regular file" in capsys.readouterr().err


def test_a_pipe_in_place_of_a_file_does_not_hang(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(lab / "pipe")
    for command in (["slurm", "pipe"], ["mllog", "pipe", "--meter", "mi", "--chips", "1"]):
        assert run("import", *command, "-s", "s", "-a", "agreement.toml") == 2
        assert "not a regular file" in capsys.readouterr().err
