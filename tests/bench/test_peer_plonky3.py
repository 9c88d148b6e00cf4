"""The Plonky3 peer: its description, its pins, its settings; and the program itself where PLONKY3_HOME names an installation."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from bench.peers.model import INSTANCE, Job, NotRun, Peer, write_instance
from bench.peers.plonky3 import FOLDER, PEERS, VERSION
from zk.options import STD

HOME = os.environ.get("PLONKY3_HOME")
installed = pytest.mark.skipif(not HOME, reason="PLONKY3_HOME does not name an installation of the Plonky3 peer")


def job(peer: Peer, folder: Path, size: int = 64) -> Job:
    """A job with its instance, in a temporary folder."""
    write_instance(folder / INSTANCE, size)
    own = folder / peer.name / str(size)
    own.mkdir(parents=True)
    return Job(size, Path(HOME or folder / "home"), own, folder / INSTANCE)


def test_four_variants_that_share_an_installation() -> None:
    assert [p.name.removeprefix("plonky3-") for p in PEERS] == ["plain-stock", "hiding-stock", "plain-std", "hiding-std"]
    assert [p.properties.zero_knowledge for p in PEERS] == [False, True, False, True]
    assert len({p.home_in(Path("x")) for p in PEERS}) == 1


def test_install_command_is_pinned_and_stays_in_its_home(tmp_path: Path) -> None:
    command = PEERS[0].install_in(tmp_path)
    assert "--locked" in command and f"CARGO_TARGET_DIR={tmp_path}/home/plonky3/target" in command
    reason = PEERS[0].unavailable(PEERS[0].home_in(tmp_path))
    assert reason is not None and "not installed" in reason


def test_every_crate_is_locked_and_plonky3_has_one_version() -> None:
    lock = tomllib.loads((FOLDER / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    assert {p["version"] for p in lock if p["name"].startswith("p3-")} == {VERSION}
    manifest = tomllib.loads((FOLDER / "Cargo.toml").read_text(encoding="utf-8"))["dependencies"]
    versions = [d if isinstance(d, str) else d["version"] for d in manifest.values()]
    assert all(version.startswith("=") for version in versions)


def test_std_settings_are_those_of_options() -> None:
    text = (FOLDER / "src" / "settings.rs").read_text(encoding="utf-8")
    found = {name: int(value) for name, value in re.findall(r"(\w+): (\d+),", text)}
    assert found["log_blowup"] == STD.log_blowup and found["num_queries"] == STD.queries
    assert found["query_proof_of_work_bits"] == STD.query_grinding and found["max_log_arity"] == STD.log_arity
    assert f"ROUND_GRINDING: usize = {STD.round_grinding};" in text


def test_too_many_readings_are_not_run(tmp_path: Path) -> None:
    with pytest.raises(NotRun):
        PEERS[0].plan(Job(1 << 20, tmp_path, tmp_path, tmp_path / INSTANCE))


def output(argv: tuple[str, ...], code: int) -> dict[str, object]:
    """The JSON object of a step that must end with this exit code."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=560, check=False)
    assert done.returncode == code, done.stderr
    record: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return record


@installed
@pytest.mark.parametrize("peer", PEERS, ids=[p.name for p in PEERS])
def test_proofs_verify_and_wrong_ones_do_not(peer: Peer, tmp_path: Path) -> None:
    plan = peer.plan(job(peer, tmp_path))
    proved = output(plan.prove.argv, 0)
    assert proved["proof_bytes"] == plan.proof.stat().st_size
    assert output(plan.verify.argv, 0)["accepted"] is True
    for step in plan.tampered.values():
        assert output(step.argv, plan.rejection_code)["accepted"] is False
    other = next(p for p in PEERS if p.name != peer.name)
    assert (
        subprocess.run(
            [*plan.verify.argv[:2], other.name.removeprefix("plonky3-"), plan.verify.argv[3]],
            capture_output=True,
            timeout=560,
            check=False,
        ).returncode
        == plan.rejection_code
    )


@installed
@pytest.mark.parametrize("peer", PEERS, ids=[p.name for p in PEERS])
def test_false_tables_are_refused(peer: Peer, tmp_path: Path) -> None:
    program = peer.plan(job(peer, tmp_path)).prove.argv[0]
    record = output((program, "forge", peer.name.removeprefix("plonky3-")), 0)
    assert record["as_expected"] is True
    assert isinstance(record["accepted"], dict) and sum(record["accepted"].values()) == 2


@installed
@pytest.mark.parametrize("name", ["plain-std", "hiding-std"])
def test_bits_of_the_queries_by_the_closed_formula(name: str, tmp_path: Path) -> None:
    peer = next(p for p in PEERS if p.name == f"plonky3-{name}")
    record = output(peer.plan(job(peer, tmp_path, 1000)).prove.argv, 0)
    queries = -STD.queries * math.log2(1 - (1 - 1 / STD.blowup) / 2) + STD.query_grinding
    assert queries - 1.5 < float(str(record["security_bits"])) <= queries
