"""o1js: S(N) as a ZkProgram in Kimchi and Pickles, recursive where one step cannot take all the readings.

A step's circuit has at most 2^16 rows. Up to CHUNK readings are one step; beyond, steps of CHUNK readings, each verifying the one
before, and one proof at the end. The native backend of the npm package does the work.
"""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from bench.peers.model import Job, NotRun, Peer, Plan, Properties, Step

__all__ = ["CHUNK", "PEERS"]

FOLDER = Path(__file__).parent
CHUNK, MAX_READINGS = 2048, 1 << 14
MACHINES = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}
TAMPERED = ("byte", "most", "end", "sum")

_NOTES = (
    "Native backend of the package, not its WebAssembly.",
    f"Beyond {CHUNK} readings, steps of {CHUNK} that each verify the one before: made for recursion, not for one long chain.",
    "One Poseidon permutation a reading, value and nonce packed into one field element, about 20 rows a reading with the ranges.",
    "No trusted set-up and a proof of constant size, for which every step is wrapped in a second proof; verification is linear"
    " in the wrapping circuit's 2^15 rows. The time is that of a second verification: the first one in a process makes the commitment"
    " basis, some ten seconds, which verify_wall has.",
    "seconds of a proof leave out loading the keys; the wall time of its process has it.",
)


def _unavailable(home: Path) -> str | None:
    if shutil.which("node") is None:
        return "node is not installed"
    native = home / "node_modules/@o1js" / f"native-{MACHINES.get(platform.machine(), 'unknown')}"
    return None if (home / "peer.mjs").is_file() and native.is_dir() else "o1js and its native backend are not installed"


def _plan(job: Job) -> Plan:
    if job.size > MAX_READINGS:
        raise NotRun(f"{job.size // CHUNK} recursive steps, half a minute each: {MAX_READINGS} readings at most are run")
    if job.size > CHUNK and job.size % CHUNK:
        raise NotRun(f"beyond {CHUNK} readings only whole steps of {CHUNK}")

    def step(command: str) -> Step:
        return Step(("node", str(job.home / "peer.mjs"), command, str(job.instance)), {"O1JS_BACKEND": "native"})

    return Plan(
        setup=step("setup"),
        witness=None,
        prove=step("prove"),
        verify=step("verify"),
        tampered={name: step(f"tamper-{name}") for name in TAMPERED},
        proof=job.folder / "proof.json",
        fused="The witness is made inside prove.",
    )


PEERS = (
    Peer(
        name="o1js",
        title="o1js",
        versions={"o1js": "2.15.0"},
        system="Kimchi (PLONK, inner-product argument) over Pasta curves, Pickles recursion",
        hash="Poseidon, width 3 over the Pallas base field",
        properties=Properties(
            zero_knowledge=True,
            trusted_setup="none",
            post_quantum=False,
            security_bits=125.0,
            assumption="discrete logarithms on the Pasta curves (about 125 bits), random oracle; recursion heuristic",
            notes=_NOTES,
        ),
        # not `npm ci`: the lock file names the native backends of other machines, which it then demands
        install=("sh", "-c", 'cp -R "$0"/. . && npm install --ignore-scripts', str(FOLDER)),
        unavailable=_unavailable,
        plan=_plan,
        sources=FOLDER,
    ),
)
