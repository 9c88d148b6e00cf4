"""README.md's commands, as they stand there: the lab's path from nothing to a claim, its publication, its log, a decision."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.test_cli import run

README = (Path(__file__).parents[2] / "README.md").read_text()
LAB = README[README.index("From nothing:") : README.index("Instead of CSV")]
DECIDERS = README[README.index("**Those who decide.**") : README.index("**In public")]
PUBLIC = README[README.index("**In public") : README.index("`standstill meter run")]
GROUPS = ("allowance", "agreement", "decision", "epoch", "feed", "genesis", "import", "inspect", "lab", "log", "meter")
KEY = re.compile(r"ed25519:[0-9a-f]{64}")


def commands(text: str) -> list[list[str]]:
    """Arguments of each command of a part of the README, without "standstill"."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("    standstill ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def samples() -> tuple[str, str]:
    """usage.csv and checkpoints.csv, which stand side by side."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in LAB.splitlines() if re.match(r"    (meter|hall-1),", line)]
    return "\n".join(line[0] for line in lines) + "\n", "\n".join(line[1] for line in lines if len(line) > 1) + "\n"


def start(folder: Path, monkeypatch: pytest.MonkeyPatch, terms: str = "") -> None:
    """The set-up commands; the template filled in with what they printed, and with further terms."""
    monkeypatch.setenv("STANDSTILL_PASSPHRASE", "pass")
    (folder / "usage.csv").write_text(samples()[0])
    (folder / "checkpoints.csv").write_text(samples()[1])
    lab, store, meter, init, *rest = commands(LAB)
    printed = [run(folder, *command) for command in (lab, store, meter, init)]
    text = (folder / "agreement.toml").read_text().replace("log_rows = 18", "log_rows = 16")
    text = text.replace('key = "ed25519:<standstill keygen>"\n\n[[chip]]', f'key = "{KEY.findall(printed[0])[0]}"\n\n[[chip]]')
    text = text.replace('opening_head = "<standstill lab init>"', printed[1].strip())
    text = text.replace("ed25519:<standstill meter init>", KEY.findall(printed[2])[0])
    (folder / "agreement.toml").write_text(text.replace("# Optional: sizes", terms + "# Optional: sizes"))
    for command in rest[:2]:
        run(folder, *command)


def test_the_path_of_a_lab_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(tmp_path, monkeypatch)
    listed = commands(LAB)[6:]
    assert [command[:2] for command in listed] == [
        ["import", "readings"], ["import", "checkpoints"], ["meter", "close"], ["lab", "snapshot"], ["lab", "close"],
        ["lab", "status"], ["prove", "--store"],
    ]  # fmt: skip
    for command in listed:
        run(tmp_path, *command, *(["--yes"] if command[:2] == ["meter", "close"] else []))  # there is no terminal to ask on
    (copying,) = (line.strip() for line in LAB.splitlines() if line.startswith("    mkdir -p FOLDER"))
    assert copying.split()[3:5] == ["&&", "cp"]
    (tmp_path / "FOLDER" / "claims").mkdir(parents=True)
    for name in re.findall(r"\S+\.(?:toml|sigs|claim|roots)", copying):
        place = tmp_path / "FOLDER" / ("claims" if name.startswith("lab-a") else "") / name
        place.write_bytes((tmp_path / name).read_bytes())
    assert "PROVEN\n" in run(tmp_path, "verify", "lab-a-0.claim", "--agreement", "agreement.toml")
    assert "THE STANDSTILL HOLDS" in run(tmp_path, "status", "FOLDER", "--now", "2026-02-01T00:00:00Z")
    run(tmp_path, "site", "FOLDER", "--out", "PAGE", "--now", "2026-02-01T00:00:00Z")


def test_the_log_s_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an operator and a cosigner, whose keys the README leaves to the reader."""
    monkeypatch.setenv("STANDSTILL_PASSPHRASE", "pass")
    operator, log, other, cosign = (
        KEY.findall(run(tmp_path, "keygen", name))[0] for name in ("op.key", "log.key", "b.key", "cosign.key")
    )
    terms = f"""[log]
origin = "example.org/standstill"
operator = "operator"
key = "{log}"
cosignatures = 1

[[party]]
name = "operator"
key = "{operator}"

[[party]]
name = "lab-b"
key = "{other}"
cosign_key = "{cosign}"

"""
    start(tmp_path, monkeypatch, terms)
    for key in ("op.key", "b.key"):
        run(tmp_path, "agreement", "sign", "agreement.toml", "--key", key)
    init, seal, publish, append, cosigning = commands(PUBLIC)
    for command in commands(LAB)[6:8]:
        run(tmp_path, *command)
    for command in ([*seal, "--through", 1], [*publish, "--through", 1]):
        run(tmp_path, *command)
    entries = [f"entries/{path.name}" for path in sorted((tmp_path / "entries").glob("*.entry"))]
    run(tmp_path, *init)
    run(tmp_path, *(part for word in append for part in (entries if "*" in word else [word])))
    assert "cosigned size 2" in run(tmp_path, *cosigning)


def test_a_decision_s_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(tmp_path, monkeypatch, '[pause]\ntrigger = "x"\nlifts = "y"\ndeciders = ["lab-a"]\nquorum = 1\n\n')
    make, sign = commands(DECIDERS)
    run(tmp_path, *make)
    assert "signed by   lab-a" in run(tmp_path, *sign)
    run(tmp_path, "decision", "check", "lift.decision", "--agreement", "agreement.toml")


def test_every_other_command_is_there(tmp_path: Path) -> None:
    """Commands on files of other parties: the names of commands and options, as far as ``--help`` tells."""
    for command in commands(README):
        words = [word for word in command if not word.startswith("-")]
        group = command[: 2 if command[0] in GROUPS else 1]
        text = run(tmp_path, *group, "--help")
        assert words and all(option in text for option in command if option.startswith("--")), command
