"""Standstill itself, one peer among the others: `bench.chain_sum` under the preset `std`."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.machine import ROOT
from bench.peers.model import Job, Peer, Plan, Properties, Step

__all__ = ["PEERS"]


def _plan(job: Job) -> Plan:
    environment = {"PYTHONPATH": str(ROOT)}

    def step(*arguments: str) -> Step:
        return Step((sys.executable, "-m", "bench.peers.standstill.child", *arguments), environment)

    return Plan(
        setup=None,
        witness=None,
        prove=step("prove", str(job.instance)),
        verify=step("verify"),
        tampered={name: step("verify", name) for name in ("byte", "most", "end", "readings")},
        proof=job.folder / "proof.bin",
        fused="the trace is filled inside prove; its own time is the phase `witness`",
    )


def _unavailable(home: Path) -> str | None:
    return None


PEERS = (
    Peer(
        name="standstill",
        title="Standstill, std",
        versions={},
        system="AIR, logarithmic derivatives, FRI over KoalaBear and its quintic extension",
        hash="Poseidon2, width 16, KoalaBear, hardened",
        properties=Properties(
            zero_knowledge=True,
            trusted_setup="none",
            post_quantum=True,
            security_bits=None,
            assumption="proven; SHA-256 as a random oracle",
            notes=(
                "The byte table is 2^16 rows high, so all sizes below 2^16 - 8 readings cost the same.",
                "Prover in Python and Numba, verifier in Python alone.",
            ),
        ),
        install=(),
        unavailable=_unavailable,
        plan=_plan,
    ),
)
