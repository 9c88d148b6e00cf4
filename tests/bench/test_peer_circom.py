"""The Groth16 peers: pins, plans, the witness reader; circuit and whole runs where STANDSTILL_PEERS names the scratch folder of
`python -m bench peers`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.peers import circom, run
from bench.peers.circom.native import publics
from bench.peers.model import INSTANCE, Job, NotRun, Peer, Step, nonce, write_instance

SCRATCH = Path(os.environ.get("STANDSTILL_PEERS", "/nonexistent"))
R = 21888242871839275222246405745257275088548364400416034343698204186575808495617
POSEIDON_1_2_3 = 6542985608222806190361240322586112750744169038454362455181422643027100751666  # circomlib's published test
PER_READING, ONCE = 314, 66
SIZE = 4
named = pytest.mark.parametrize("peer", circom.PEERS, ids=lambda peer: peer.name)


def job(peer: Peer, folder: Path, size: int = SIZE) -> Job:
    """A job with its instance; skips where the peer is not installed."""
    if (reason := run.unavailable(peer, SCRATCH)) is not None:
        pytest.skip(f"STANDSTILL_PEERS: {reason}")
    own = folder / peer.name / str(size)
    own.mkdir(parents=True)
    write_instance(folder / INSTANCE, size)
    return Job(size, peer.home_in(SCRATCH), own, folder / INSTANCE)


def test_packages_are_pinned_and_locked_by_digest() -> None:
    package = json.loads((circom.FOLDER / "package.json").read_text())
    lock = json.loads((circom.FOLDER / "package-lock.json").read_text())["packages"]
    assert package["dependencies"] == circom.CIRCOM == lock[""]["dependencies"]
    assert all("integrity" in entry and "://" not in entry.get("resolved", "") for path, entry in lock.items() if path)
    required = re.findall(r"^\t(\S+) (v\S+)$", (circom.FOLDER / "go.mod").read_text(), re.MULTILINE)
    assert dict(required) == {**circom.KEYS, **circom.RAPIDSNARK}
    sums = (circom.FOLDER / "go.sum").read_text()
    assert all(f"{name} {version} h1:" in sums for name, version in required)


@named
def test_versions_and_installation(peer: Peer, tmp_path: Path) -> None:
    assert peer.versions.items() >= {**circom.CIRCOM, **circom.KEYS}.items()
    assert "--ignore-scripts" in peer.install_command and "-mod=readonly" in peer.install_command
    assert "not installed" in (peer.unavailable(tmp_path) or "")
    assert "INSECURE" in " ".join(peer.properties.notes) and peer.properties.trusted_setup == "per circuit"


@named
def test_all_three_read_one_circuit_and_its_keys(peer: Peer, tmp_path: Path) -> None:
    plan = peer.plan(Job(SIZE, tmp_path, tmp_path / "work" / peer.name / "4", tmp_path / INSTANCE))
    shared = tmp_path / "work" / "circom" / "4"
    for step in (plan.setup, plan.prove, plan.verify, *plan.tampered.values()):
        assert step is not None and any(argument.startswith(str(shared)) for argument in step.argv)
    with pytest.raises(NotRun):
        peer.plan(Job(circom.MOST + 1, tmp_path, tmp_path, tmp_path / INSTANCE))


def test_roles_are_those_that_the_program_has() -> None:
    source = (circom.FOLDER / "peer.mjs").read_text()
    assert all(f'"tamper-{name}":' in source for name in circom.TAMPERED)


def test_public_values_of_a_witness_file(tmp_path: Path) -> None:
    values = [1, 10, 20, R - 1, 40]
    sections = [(1, b"\x20\0\0\0" + bytes(36)), (2, b"".join(v.to_bytes(32, "little") for v in values))]
    body = b"".join(kind.to_bytes(4, "little") + len(data).to_bytes(8, "little") + data for kind, data in sections)
    (tmp_path / "w.wtns").write_bytes(b"wtns" + (2).to_bytes(4, "little") + (2).to_bytes(4, "little") + body)
    assert publics(str(tmp_path / "w.wtns")) == ["10", "20", str(R - 1)]
    (tmp_path / "short.wtns").write_bytes(b"wtns" + bytes(8))
    with pytest.raises(ValueError, match="no values"):
        publics(str(tmp_path / "short.wtns"))


def done(step: Step, folder: Path) -> dict[str, object]:
    out = subprocess.run(step.argv, cwd=folder, env={**os.environ, **step.environment}, capture_output=True, check=True, timeout=300)
    said: dict[str, object] = json.loads(out.stdout.splitlines()[-1])
    return said


@named
def test_a_proof_is_accepted_and_every_tampering_rejected(peer: Peer, tmp_path: Path) -> None:
    work = job(peer, tmp_path)
    plan = peer.plan(work)
    for step in (plan.setup, plan.witness, plan.prove):
        assert step is not None
        done(step, work.folder)
    assert plan.proof.stat().st_size > 0
    assert done(plan.verify, work.folder)["accepted"] is True
    for name, step in plan.tampered.items():
        assert done(step, work.folder)["accepted"] is False, name


def numbers(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 32], "little") for i in range(0, len(data), 32)]


def sections(path: Path) -> dict[int, bytes]:
    """Of a file of iden3's binary formats."""
    data, found, at = path.read_bytes(), {}, 12
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 12], "little")
        found[int.from_bytes(data[at : at + 4], "little")] = data[at + 12 : at + 12 + size]
        at += 12 + size
    return found


Combination = dict[int, int]


def constraints(path: Path) -> list[tuple[Combination, ...]]:
    """a b = c as three maps from wire to coefficient."""
    body, at, found = sections(path)[2], 0, []
    while at < len(body):
        sides = []
        for _ in range(3):
            end = at + 4 + 36 * int.from_bytes(body[at : at + 4], "little")
            terms = [body[i : i + 36] for i in range(at + 4, end, 36)]
            sides.append({int.from_bytes(term[:4], "little"): int.from_bytes(term[4:], "little") for term in terms})
            at = end
        found.append(tuple(sides))
    return found


def test_the_circuit_is_poseidon_and_every_wire_is_bound(tmp_path: Path) -> None:
    """The compiled circuit and a witness, by Python alone: its hash is Poseidon's, and no wire can change without breaking a constraint."""
    peer = circom.PEERS[0]
    work = job(peer, tmp_path, 2)
    plan = peer.plan(work)
    assert plan.setup is not None and plan.witness is not None
    assert done(plan.setup, work.folder)["insecure"] is True
    done(plan.witness, work.folder)
    system = constraints(work.shared("circom") / "chain.r1cs")
    assert len(system) == 2 * PER_READING + ONCE
    wires = numbers(sections(work.folder / "witness.wtns")[2])
    instance = json.loads(work.instance.read_text())
    assert wires[2:4] == [0, int(instance["most"])]
    assert {*instance["values"], *map(nonce, instance["nonces"])} <= set(wires)

    def value(side: Combination, change: int | None = None) -> int:
        return sum(coefficient * (wires[wire] + (wire == change)) for wire, coefficient in side.items()) % R

    touched: dict[int, list[tuple[Combination, ...]]] = {}
    for a, b, c in system:
        assert value(a) * value(b) % R == value(c)
        for wire in {*a, *b, *c}:
            touched.setdefault(wire, []).append((a, b, c))
    free = [w for w in range(1, len(wires)) if all(value(a, w) * value(b, w) % R == value(c, w) for a, b, c in touched.get(w, []))]
    assert free == []


def test_the_chain_is_circomlibs_poseidon(tmp_path: Path) -> None:
    home = job(circom.PEERS[0], tmp_path).home
    shutil.copytree(home / "node_modules" / "circomlib" / "circuits", tmp_path / "library" / "circuits")
    source = (circom.FOLDER / "chain.circom").read_text()
    (tmp_path / "chain.circom").write_text(f"{source}\ncomponent main = Absorb();\n")
    (tmp_path / "input.json").write_text(json.dumps({"state": "1", "value": "2", "nonce": "3"}))
    modules = home / "node_modules"
    compiler = [str(modules / "circom2" / "cli.js"), "chain.circom", "--wasm", "--O1", "-l", "library"]
    calculate = [str(modules / "snarkjs" / "build" / "cli.cjs"), "wtns", "calculate", "chain_js/chain.wasm", "input.json", "out.wtns"]
    for command in (compiler, calculate):
        subprocess.run(["node", *command], cwd=tmp_path, check=True, capture_output=True, timeout=560)
    assert numbers(sections(tmp_path / "out.wtns")[2])[1] == POSEIDON_1_2_3
