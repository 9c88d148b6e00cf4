"""Groth16 over a Circom circuit: snarkjs, and groth16py (arkworks) on the same circuit. Their key generation here is INSECURE.

rapidsnark is in no package of npm, PyPI, crates.io or Debian at this time, so it is not among the peers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.peers.model import Job, NotRun, Peer, Plan, Properties, Step

__all__ = ["PEERS"]

FOLDER = Path(__file__).parent
SNARKJS_MOST, GROTH16PY_MOST = 256, 1 << 14
TAMPERED = ("byte", "most", "end")
_NOTES = (
    "Keys are made on this machine by one party who could forge proofs: INSECURE; a ceremony for each circuit would be needed.",
    "Proof bytes are those of three compressed points; the file is larger.",
)


def _unavailable(home: Path) -> str | None:
    if not (home / "node_modules" / "snarkjs").is_dir() or not (home / "peer.mjs").is_file():
        return "snarkjs is not installed"
    return None


def _snarkjs(job: Job) -> Plan:
    if job.size > SNARKJS_MOST:
        raise NotRun(f"its powers of tau, made locally, are not run for more than {SNARKJS_MOST} readings")

    def step(role: str) -> Step:
        return Step(("node", str(job.home / "peer.mjs"), role, str(job.instance)))

    _link(job)
    return Plan(
        setup=step("setup"), witness=step("witness"), prove=step("prove"), verify=step("verify"),
        tampered={name: step(f"tamper-{name}") for name in TAMPERED}, proof=job.folder / "proof.json",
    )  # fmt: skip


def _groth16py(job: Job) -> Plan:
    if job.size > GROTH16PY_MOST:
        raise NotRun(f"compiling the circuit is not run for more than {GROTH16PY_MOST} readings")

    def step(role: str) -> Step:
        return Step((sys.executable, str(job.home / "native.py"), role, str(job.home), str(job.instance)))

    _link(job)
    return Plan(
        setup=step("setup"), witness=Step(("node", str(job.home / "peer.mjs"), "witness", str(job.instance))),
        prove=step("prove"), verify=step("verify"), tampered={name: step(f"tamper-{name}") for name in TAMPERED},
        proof=job.folder / "proof.bin",
    )  # fmt: skip


def _link(job: Job) -> None:
    """Circom's compiler sees files below its folder only: the library is linked there."""
    library = job.folder / "library"
    if not library.exists():
        import shutil

        shutil.copytree(job.home / "node_modules" / "circomlib", library)


def _peer(name: str, title: str, versions: dict[str, str], native: bool) -> Peer:
    return Peer(
        name=name,
        title=title,
        versions=versions,
        system="Groth16 over BN254, R1CS from Circom",
        hash="Poseidon over BN254's scalar field, three inputs",
        properties=Properties(
            zero_knowledge=True,
            trusted_setup="per circuit",
            post_quantum=False,
            security_bits=100.0,
            assumption="pairings on BN254 (about 100 bits), generic group model, nobody kept the set-up's secrets",
            notes=_NOTES,
        ),
        install=(
            "sh", "-c", 'cp "$0"/*.json "$0"/*.mjs "$0"/*.py "$0"/*.circom . && npm ci --ignore-scripts'
            ' && python3 -m pip install --quiet --target pip groth16py==0.2.0', str(FOLDER),
        ),
        unavailable=_unavailable,
        plan=_groth16py if native else _snarkjs,
        home="circom",
    )  # fmt: skip


PEERS = (
    _peer("snarkjs", "snarkjs, Groth16", {"snarkjs": "0.7.6", "circom2": "0.2.23", "circomlib": "2.0.5"}, False),
    _peer("groth16py", "groth16py (arkworks), Groth16", {"groth16py": "0.2.0", "circom2": "0.2.23", "circomlib": "2.0.5"}, True),
)
