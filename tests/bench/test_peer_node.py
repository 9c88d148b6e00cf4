"""The peers that run in Node: their descriptions, the reference string made for one of them, and whole runs where they are installed.

Whole runs need the scratch folder of `python -m bench peers` in STANDSTILL_PEERS; without it they are skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from py_ecc import optimized_bn128 as bn

from bench.peers import barretenberg, o1js
from bench.peers.model import INSTANCE, Job, NotRun, Peer, Step, write_instance

PEERS = (*barretenberg.PEERS, *o1js.PEERS)
SCRATCH = os.environ.get("STANDSTILL_PEERS")
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")
needs_install = pytest.mark.skipif(SCRATCH is None or NODE is None, reason="STANDSTILL_PEERS does not name a scratch folder")
named = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
SIZE = 8


def folder_of(peer: Peer) -> Path:
    return barretenberg.FOLDER if peer.name.startswith("barretenberg") else o1js.FOLDER


def job_of(peer: Peer, size: int, folder: Path, home: Path) -> Job:
    return Job(size, home, folder, folder / INSTANCE)


@named
def test_versions_are_pinned_and_locked_by_digest(peer: Peer) -> None:
    package = json.loads((folder_of(peer) / "package.json").read_text())
    lock = json.loads((folder_of(peer) / "package-lock.json").read_text())["packages"]
    assert package["dependencies"] == peer.versions
    assert lock[""]["dependencies"] == peer.versions
    for name, version in peer.versions.items():
        assert lock[f"node_modules/{name}"]["version"] == version
    assert all("integrity" in entry and "://" not in entry.get("resolved", "") for path, entry in lock.items() if path)


@named
def test_a_peer_that_is_not_installed_says_so(peer: Peer, tmp_path: Path) -> None:
    assert "not installed" in (peer.unavailable(tmp_path) or "")


@named
def test_installation_is_one_command_without_scripts_of_the_packages(peer: Peer) -> None:
    assert "--ignore-scripts" in peer.install_command
    assert re.fullmatch("[a-z0-9-]+", peer.name)


@named
def test_a_plan_has_every_tampering_and_sizes_out_of_reach_are_not_run(peer: Peer, tmp_path: Path) -> None:
    plan = peer.plan(job_of(peer, SIZE, tmp_path, tmp_path))
    assert set(plan.tampered) == {"byte", "most", "end", "sum"}
    source = (folder_of(peer) / "peer.mjs").read_text()
    assert all(f'"tamper-{name}":' in source for name in plan.tampered)
    with pytest.raises(NotRun):
        peer.plan(job_of(peer, 1 << 20, tmp_path, tmp_path))


def test_o1js_takes_whole_steps_beyond_the_first(tmp_path: Path) -> None:
    peer = o1js.PEERS[0]
    assert f"const CHUNK = {o1js.CHUNK};" in (o1js.FOLDER / "peer.mjs").read_text()
    peer.plan(job_of(peer, 2 * o1js.CHUNK, tmp_path, tmp_path))
    with pytest.raises(NotRun):
        peer.plan(job_of(peer, o1js.CHUNK + 1, tmp_path, tmp_path))


@needs_node
def test_the_reference_string_is_made_of_powers_of_one_number(tmp_path: Path) -> None:
    script = (
        f"import {{ makeReferenceString }} from {json.dumps((barretenberg.FOLDER / 'srs.mjs').as_uri())};"
        "const { g1, g2 } = makeReferenceString(8200);"
        "process.stdout.write(Buffer.concat([g2, g1.subarray(0, 192), g1.subarray(8190 * 64, 8194 * 64)]).toString('hex'));"
    )
    output = subprocess.run([str(NODE), "--input-type=module", "-e", script], capture_output=True, check=True, timeout=560, text=True)
    words = [int(output.stdout[i : i + 64], 16) for i in range(0, len(output.stdout), 64)]
    g2 = (bn.FQ2(words[:2]), bn.FQ2(words[2:4]), bn.FQ2.one())
    points = [(bn.FQ(words[i]), bn.FQ(words[i + 1]), bn.FQ.one()) for i in range(4, len(words), 2)]
    assert bn.is_on_curve(g2, bn.b2) and all(bn.is_on_curve(point, bn.b) for point in points)
    assert points[0] == bn.G1 and points[1] != bn.G1
    for low, high in ((0, 1), (1, 2), (3, 4), (4, 5), (5, 6)):
        assert bn.pairing(bn.G2, points[high]) == bn.pairing(g2, points[low])


def run_step(step: Step, folder: Path) -> dict[str, object]:
    environment = {**os.environ, **step.environment}
    done = subprocess.run(step.argv, cwd=folder, env=environment, capture_output=True, check=True, timeout=300, text=True)
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}


@needs_install
@named
def test_a_proof_is_accepted_and_every_tampering_rejected(peer: Peer, tmp_path: Path) -> None:
    home = peer.home_in(Path(str(SCRATCH)))
    reason = peer.unavailable(home)
    if reason:
        pytest.skip(reason)
    write_instance(tmp_path / INSTANCE, SIZE)
    plan = peer.plan(job_of(peer, SIZE, tmp_path, home))
    for step in (plan.setup, plan.witness, plan.prove):
        if step:
            run_step(step, tmp_path)
    assert plan.proof.stat().st_size > 0
    assert run_step(plan.verify, tmp_path)["accepted"] is True
    for name, step in plan.tampered.items():
        assert run_step(step, tmp_path)["accepted"] is False, name
    assert run_step(plan.verify, tmp_path)["accepted"] is True
