"""What a peer is: a proof system that proves S(N), how to install it, and the child processes that run it.

A family of peers is a sub-package of `bench.peers` with a tuple `PEERS`; nothing else needs to know of it. All that a peer does
happens in child processes, one for each step, so that time and memory are taken from outside and alike for all:

    set-up      once for a size: compile the circuit, make keys
    witness     instance to witness; None where the system does it inside `prove`, and `Plan.fused` says so
    prove       exactly one proof in a process, left at `Plan.proof`
    verify      that proof
    tampered    by name: verifications that must be rejected, a proof with another byte, another T

A step's last line of output may be a JSON object. What is understood of it:

    seconds             of the step itself inside the process: without its start, imports, compilation of the prover
    phases              {name: seconds} of a prove step, a finer account
    proof_bytes         of a prove step, where the file is not the proof as one would send it (JSON, say)
    security_bits, list_bits        proven bits where they depend on the size: unique decoding, and the better proven regime
    accepted            of a verify or tampered step, true or false

The verdict of a verification is `accepted`; without it, exit code 0 accepts and `Plan.rejection_code` rejects. Any other
exit code is a failure, and a failure is not a rejection: a verifier that cannot find its file has rejected nothing.

The instance is a JSON file, the same readings for all: `readings` N; `most` T, a decimal string; `values`, N integers below 2^48;
`nonces`, N lists of four integers below p = 2^31 - 2^24 + 1. `nonce` packs them for a large field. Every system hashes with its own hash
from its own public start.
"""

from __future__ import annotations

import json
import random
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["INSTANCE", "Job", "NotRun", "Peer", "Plan", "Properties", "Step", "nonce", "write_instance"]

INSTANCE = "instance.json"
LANE_BITS, LANES = 31, 4
VALUE_LIMIT, SUM_LIMIT, SLACK_LIMIT = 1 << 48, 1 << 63, 1 << 32
P = (1 << 31) - (1 << 24) + 1


class NotRun(Exception):
    """Raised by `Peer.plan`: this peer does not take this size. The message says why; the report shows it."""


@dataclass(frozen=True)
class Properties:
    """What a user of the system gets.

    Fields:
        zero_knowledge: whether the proof hides the readings, as run here.
        trusted_setup: "none", or what must be trusted ("per circuit", "universal").
        post_quantum: whether it rests on hash functions or lattices alone.
        security_bits: of soundness as run here; None where each size has its own, then the prove or verify step gives them.
        assumption: under which the bits hold, in a few words.
        notes: what a reader must know to compare fairly, a sentence each.
    """

    zero_knowledge: bool
    trusted_setup: str
    post_quantum: bool
    security_bits: float | None
    assumption: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """One peer at one size. ``home``: where it is installed; ``folder``: its own, for this size; ``instance``: the JSON file."""

    size: int
    home: Path
    folder: Path
    instance: Path

    def shared(self, family: str) -> Path:
        """A folder for this size that all peers of a family know; whoever comes first makes it."""
        return self.folder.parent.parent / family / self.folder.name


@dataclass(frozen=True)
class Step:
    """A child process, run in the job's folder. ``timeout``: seconds, None for the run's own limit."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None


@dataclass(frozen=True)
class Plan:
    """The steps of a job. ``fused``: a sentence where steps cannot be told apart, "" otherwise."""

    setup: Step | None
    witness: Step | None
    prove: Step
    verify: Step
    tampered: Mapping[str, Step]
    proof: Path
    fused: str = ""
    rejection_code: int = 1


@dataclass(frozen=True)
class Peer:
    """A proof system with its settings.

    Fields:
        name: short, unique, [a-z0-9-]; the name of its folder.
        title: as reports name it, short enough for a table.
        versions: package to pinned version.
        system: proof system, field or curve, arithmetisation.
        hash: its own ZK hash in S(N).
        properties: see there.
        install: one command for its ordinary registry, run in its home; "{home}" stands for that folder, "{python}" for this Python. ()
            where there is nothing to do.
        unavailable: (home) -> why it cannot run, None if it can. Looks only at files: no network, no long work.
        plan: (job) -> its steps. Writes what they need to read into the job's folder. Raises NotRun.
        home: peers with the same home share an installation; "" for the peer's name.
        sources: folder of our program for it; where that changes, it must be installed again.
    """

    name: str
    title: str
    versions: Mapping[str, str]
    system: str
    hash: str
    properties: Properties
    install: tuple[str, ...]
    unavailable: Callable[[Path], str | None]
    plan: Callable[[Job], Plan]
    home: str = ""
    sources: Path | None = None

    def home_in(self, scratch: Path) -> Path:
        """Where it is installed, given the user's scratch folder."""
        return scratch / "home" / (self.home or self.name)

    def install_in(self, scratch: Path) -> tuple[str, ...]:
        """The installation command for this scratch folder."""
        home = str(self.home_in(scratch))
        return tuple(part.replace("{home}", home).replace("{python}", sys.executable) for part in self.install)

    @property
    def install_command(self) -> str:
        """The installation command as documented, with {home}, {python} and {sources}: nothing of this machine."""
        sources = str(self.sources) if self.sources else "{sources}"
        text = shlex.join(part.replace(sources, "{sources}") for part in self.install)
        return re.sub(r"'(\{\w+\})'", r"\1", text)


def nonce(lanes: Sequence[int]) -> int:
    """A nonce of four lanes as one integer below 2^124."""
    return sum(lane << LANE_BITS * i for i, lane in enumerate(lanes))


def write_instance(path: Path, size: int, seed: int = 0) -> None:
    """Writes the readings of S(size), drawn from a seed: nothing in them is secret. T is their sum and up to 2^32 more."""
    draw = random.Random(f"S({size}) {seed}")
    values = [draw.randrange(min(VALUE_LIMIT, SUM_LIMIT // size)) for _ in range(size)]
    nonces = [[draw.randrange(P) for _ in range(LANES)] for _ in range(size)]
    record = {"readings": size, "most": str(sum(values) + draw.randrange(SLACK_LIMIT)), "values": values, "nonces": nonces}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
