"""Groth16 over one Circom circuit: snarkjs, rapidsnark and groth16py (arkworks), with the same keys, made here and INSECURE.

A ceremony for a circuit of this size is hours of work of several parties. keys/ is a program of ours that draws the secrets itself
and writes a snarkjs key file; for each circuit size it runs once, and all three read it. Times and sizes of proofs do not depend on that.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from bench.peers.model import Job, NotRun, Peer, Plan, Properties, Step

__all__ = ["PEERS"]

FOLDER = Path(__file__).parent
HOME = "circom"
MOST = 4096
TAMPERED = ("byte", "most", "end", "sum")
CIRCOM = {"circom2": "0.2.23", "circomlib": "2.0.5", "snarkjs": "0.7.6"}
KEYS = {"github.com/consensys/gnark-crypto": "v0.18.0"}
RAPIDSNARK = {"github.com/iden3/go-rapidsnark/prover": "v0.0.15"}
GROTH16PY = {"groth16py": "0.2.0"}

_BASE = (
    'cp -R "$0"/. . && { cmp -s package-lock.json node_modules/lock'
    " || { npm ci --ignore-scripts && cp package-lock.json node_modules/lock; }; } && go build -mod=readonly -o bin/keys ./keys"
)
_NOTES = (
    "INSECURE keys, made by one party who could forge proofs: in use, each circuit needs a ceremony, which is not in the set-up time.",
    "Set-up is compiling the circuit and making those keys, once for all three peers with this circuit; every N has its own.",
    "314 constraints a reading: 264 for Poseidon, 48 for the range, two linear ones.",
    "Proof bytes are those of three compressed points; the files are larger.",
)


def _found(home: Path, *files: str) -> str | None:
    for program in ("node", "go"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    missing = [name for name in ("node_modules/snarkjs", "bin/keys", *files) if not (home / name).exists()]
    return f"not installed: {', '.join(missing)}" if missing else None


def _plan(job: Job, prove: Callable[[Job, Path], Step], python: bool = False) -> Plan:
    if job.size > MOST:
        raise NotRun(f"not run for more than {MOST:,} readings, 1.3 million constraints, which already take minutes to compile")
    shared = job.shared(HOME)

    def node(role: str) -> Step:
        return Step(("node", str(job.home / "peer.mjs"), role, str(job.instance), str(shared)))

    def own(role: str) -> Step:
        return _native(job, role, shared) if python and role != "tamper-sum" else node(role)

    return Plan(
        setup=own("setup"), witness=node("witness"), prove=prove(job, shared), verify=own("verify"),
        tampered={name: own(f"tamper-{name}") for name in TAMPERED}, proof=job.folder / ("proof.bin" if python else "proof.json"),
    )  # fmt: skip


def _native(job: Job, role: str, shared: Path) -> Step:
    return Step((sys.executable, str(job.home / "native.py"), role, str(job.home), str(job.instance), str(shared)))


def _snarkjs(job: Job) -> Plan:
    return _plan(job, lambda j, shared: Step(("node", str(j.home / "peer.mjs"), "prove", str(j.instance), str(shared))))


def _rapidsnark(job: Job) -> Plan:
    files = ("witness.wtns", "proof.json", "public.json")
    return _plan(job, lambda j, shared: Step((str(j.home / "bin" / "rapidsnark"), str(shared / "chain.zkey"), *files)))


def _groth16py(job: Job) -> Plan:
    return _plan(job, lambda j, shared: _native(j, "prove", shared), python=True)


def _peer(
    name: str, versions: dict[str, str], more: str, files: tuple[str, ...], plan: Callable[[Job], Plan], *notes: str
) -> Peer:  # fmt: skip
    return Peer(
        name=name,
        title=name,
        versions={**versions, **CIRCOM, **KEYS},
        system="Groth16 over BN254, R1CS from Circom",
        hash="Poseidon over BN254's scalar field, width 4",
        properties=Properties(
            zero_knowledge=True,
            trusted_setup="per circuit",
            post_quantum=False,
            security_bits=100.0,
            assumption="pairings on BN254 (about 100 bits), generic group model; nobody kept the set-up's secrets",
            notes=(*notes, *_NOTES),
        ),
        install=("sh", "-c", _BASE + more, str(FOLDER), "{python}"),
        unavailable=lambda home: _found(home, *files),
        plan=plan,
        home=HOME,
        sources=FOLDER,
    )


PEERS = (
    _peer("snarkjs", {}, "", (), _snarkjs, "WebAssembly in Node, as many workers as cores; reading the keys is in its time."),
    _peer(
        "rapidsnark", RAPIDSNARK, " && go build -mod=readonly -o bin/rapidsnark ./rapidsnark", ("bin/rapidsnark",), _rapidsnark,
        "The library that its makers' Go module carries, with assembly; its proofs are verified with snarkjs.",
    ),
    _peer(
        "groth16py", GROTH16PY, ' && "$1" -m pip install --quiet --upgrade --target pip groth16py==0.2.0', ("pip/groth16py",), _groth16py,
        "arkworks, compiled; loading the keys, in its own format, is not in its time.",
    ),
)  # fmt: skip
