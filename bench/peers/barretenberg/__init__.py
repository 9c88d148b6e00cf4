"""Barretenberg: S(N) as a Noir circuit in UltraHonk, with and without zero knowledge.

The native `bb` that the npm package ships does the work. The ceremony's reference string is a download that no registry has, so one
is made here, at random and by one party, and the verifier, which has the ceremony's point compiled in, is run from a copy with that
point replaced: both insecure, both without effect on times and sizes.
"""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from bench.peers.model import Job, NotRun, Peer, Plan, Properties, Step

__all__ = ["PEERS"]

FOLDER = Path(__file__).parent
VERSIONS = {"@aztec/bb.js": "5.0.0", "@noir-lang/noir_wasm": "1.0.0-beta.26", "@noir-lang/noir_js": "1.0.0-beta.26"}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
MAX_READINGS = 1 << 14
TAMPERED = ("byte", "most", "end", "sum")
THREADS = "2"

_NOTES = (
    "Native bb, two threads; its prove and verify times are of the whole process, as bb has no others.",
    "INSECURE reference string, made here and not by the ceremony (which is a download); the verifier is a copy of bb with that"
    " string's point in place of the ceremony's. Making it is not part of the set-up time.",
    "One Poseidon2 permutation a reading, value and nonce packed into one field element, about 83 gates a reading with the ranges.",
    "The size of the circuit is fixed by compiling it: every N has its own keys.",
)


def _program(home: Path) -> Path:
    folder = f"{MACHINES.get(platform.machine(), 'unknown')}-linux"
    return home / "node_modules/@aztec/bb.js/build" / folder / "bb"


def _unavailable(home: Path) -> str | None:
    if shutil.which("node") is None:
        return "node is not installed"
    return None if (home / "peer.mjs").is_file() and _program(home).is_file() else "bb of @aztec/bb.js is not installed for this machine"


def _plan(target: str, job: Job) -> Plan:
    if job.size > MAX_READINGS:
        raise NotRun(f"compiling the unrolled circuit and making a reference string for it is too much beyond {MAX_READINGS} readings")
    environment = {"HARDWARE_CONCURRENCY": THREADS, "CRS_PATH": "crs"}

    def step(command: str) -> Step:
        return Step(("node", str(job.home / "peer.mjs"), command, str(job.instance), target), environment)

    program = str(_program(job.home))
    prove = (program, "prove", "-b", "circuit.json", "-w", "witness.gz", "-k", "vk", "-o", "proof", "-t", target)
    return Plan(
        setup=step("setup"),
        witness=step("witness"),
        prove=Step(prove, environment),
        verify=step("verify"),
        tampered={name: step(f"tamper-{name}") for name in TAMPERED},
        proof=job.folder / "proof" / "proof",
    )


def _peer(zero_knowledge: bool) -> Peer:
    target = "noir-recursive" if zero_knowledge else "noir-recursive-no-zk"
    return Peer(
        name="barretenberg" if zero_knowledge else "barretenberg-plain",
        title="Barretenberg hiding" if zero_knowledge else "Barretenberg plain",
        versions=VERSIONS,
        system="UltraHonk (sumcheck, Gemini, Shplonk, KZG) over BN254",
        hash="Poseidon2, width 4 over BN254's scalar field",
        properties=Properties(
            zero_knowledge=zero_knowledge,
            trusted_setup="universal",
            post_quantum=False,
            security_bits=100.0,
            assumption="discrete logarithms and pairings on BN254 (about 100 bits), algebraic group model, random oracle",
            notes=_NOTES,
        ),
        install=("sh", "-c", 'cp -R "$0"/. . && npm ci --ignore-scripts', str(FOLDER)),
        unavailable=_unavailable,
        plan=lambda job: _plan(target, job),
        home="barretenberg",
        sources=FOLDER,
    )


PEERS = tuple(_peer(zero_knowledge) for zero_knowledge in (True, False))
