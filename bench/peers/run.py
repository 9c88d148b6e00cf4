"""Runs peers: every step a child process, repetitions interleaved across peers, one record for each peer and size."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine, peers
from bench.peers.model import INSTANCE, Job, NotRun, Peer, Plan, Step, write_instance

__all__ = ["Limits", "StepError", "catalogue", "install", "join", "measure_step", "run", "unavailable"]

LAUNCH = Path(__file__).with_name("launch.py")
STAMPS, WORK = "installed", "standstill-peers-work"
LAST_WORDS = 300
Record = dict[str, Any]
Say = Callable[[str], None]


class StepError(Exception):
    """A step failed or ran over its time. ``late``: the latter."""

    def __init__(self, message: str, late: bool = False) -> None:
        super().__init__(message)
        self.late = late


@dataclass(frozen=True)
class Limits:
    """Seconds for a set-up and for any other step, where the step names none; and a proof that takes over ``once`` is measured once."""

    setup: float = 600.0
    step: float = 300.0
    once: float = 60.0


@dataclass
class _Entry:
    """A peer at one size while it runs. ``reason`` is set once it is out; ``failed``: larger sizes need not be tried."""

    peer: Peer
    plan: Plan | None = None
    folder: Path = Path()
    setup: Record | None = None
    samples: dict[str, list[Record]] = field(default_factory=lambda: {"witness": [], "prove": [], "verify": []})
    sizes: list[int] = field(default_factory=list)
    tampered: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    failed: bool = False
    unsound: bool = False
    slow: bool = False

    def out(self, error: StepError | OSError, name: str) -> None:
        """Takes it out of the run for what happened in a step."""
        self.failed = True
        if isinstance(error, OSError):
            self.reason = f"{name} left no proof: {error.strerror}"
        else:
            self.reason = f"{name} {error}" if error.late else str(error)


def catalogue() -> tuple[Peer, ...]:
    """All peers: Standstill first, then the other sub-packages of `bench.peers` by name."""
    names = sorted((m.name for m in pkgutil.iter_modules(peers.__path__) if m.ispkg), key=lambda n: (n != "standstill", n))
    found: list[Peer] = []
    for name in names:
        found += importlib.import_module(f"bench.peers.{name}").PEERS
    return tuple(found)


def unavailable(peer: Peer, scratch: Path) -> str | None:
    """Why a peer cannot run, None if it can. What was installed from other sources than these cannot."""
    home = peer.home_in(scratch)
    if (reason := peer.unavailable(home)) is not None:
        return reason
    if peer.install and _stamp(peer) not in _stamps(home):
        return "installed from other sources than these: run with --install"
    return None


def install(peer: Peer, scratch: Path, timeout: float = 1800.0) -> str | None:
    """Runs a peer's installation command in its home. The reason where it did not succeed: that never is an error."""
    home = peer.home_in(scratch)
    home.mkdir(parents=True, exist_ok=True)
    if not peer.install or unavailable(peer, scratch) is None:
        return None
    try:
        done = subprocess.run(
            peer.install_in(scratch), cwd=home, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"installation: {error}"
    if done.returncode:
        return f"installation failed with exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-LAST_WORDS:]}"
    (home / STAMPS).write_text("\n".join([*_stamps(home), _stamp(peer)]) + "\n", encoding="utf-8")
    return unavailable(peer, scratch)


def _stamps(home: Path) -> list[str]:
    stamps = home / STAMPS
    return stamps.read_text(encoding="utf-8").split() if stamps.is_file() else []


def _stamp(peer: Peer) -> str:
    """A digest of the command and of our program's files; those that only describe it are not in it."""
    digest = sha256(peer.install_command.encode())
    for path in sorted(peer.sources.rglob("*")) if peer.sources else ():
        if path.is_file() and path.suffix not in (".md", ".pyc") and path.name != "__init__.py":
            digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def measure_step(step: Step, folder: Path, timeout: float) -> Record:
    """One child process: `wall`, `cpu`, `rss_mb`, `code`, and `said`, the JSON object of its last line of output ({} without one).

    Raises:
        StepError: it ran over its time.
    """
    limit = step.timeout or timeout
    result = folder / ".step.json"
    result.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(LAUNCH), str(result), str(limit), *step.argv],
        cwd=folder, env={**os.environ, **step.environment}, capture_output=True, text=True, errors="replace",
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise StepError(f"launcher: {done.stderr.strip()[-LAST_WORDS:]}")
    sample: Record = json.loads(result.read_text(encoding="utf-8"))
    if sample.pop("timed_out"):
        raise StepError(f"over {limit:g} s", late=True)
    return {**sample, "said": _last_object(done.stdout), "words": done.stderr.strip()[-LAST_WORDS:]}


def run(
    chosen: Sequence[Peer], scratch: Path, sizes: Iterable[int], reps: int, limits: Limits = Limits(), seed: int = 0,
    say: Say = lambda text: None, keep: Callable[[Record], None] = lambda result: None,
) -> Record:  # fmt: skip
    """Every peer at every size. A peer that cannot run is recorded with its reason; nothing that a peer does ends the run.

    Circuits and keys of an earlier run in this scratch folder are deleted first: a set-up's time is that of a whole one.

    Args:
        sizes: numbers of readings; reps: measured repetitions, after one for warm-up in which tampered proofs are tried, too.
            A peer whose proof takes over `limits.once` is measured once.
        say: told what goes on. keep: given the result so far after every size.

    Returns:
        machine, commit, peers (descriptions), results (one record for each peer and size, in order).
    """
    result: Record = {
        "machine": machine.describe(), "commit": machine.commit(), "reps": reps, "limits": vars(limits),
        "peers": {peer.name: describe(peer) for peer in chosen}, "results": [],
    }  # fmt: skip
    out = {peer.name: unavailable(peer, scratch) for peer in chosen}
    shutil.rmtree(scratch / WORK, ignore_errors=True)
    for size in sorted(set(sizes)):
        instance = scratch / WORK / f"S{size}.{INSTANCE}"
        write_instance(instance, size, seed)
        entries = [_prepare(peer, scratch, size, instance, out[peer.name], limits, say) for peer in chosen]
        for repetition in range(reps + 1):
            turn = repetition % max(1, len(entries))
            for entry in entries[turn:] + entries[:turn]:
                if not entry.reason and not (entry.slow and entry.sizes):
                    say(f"S({size}) {entry.peer.name}: {'warm-up' if repetition == 0 else f'repetition {repetition}'}")
                    _repeat(entry, limits, warm_up=repetition == 0)
        for entry in entries:
            entry.reason = entry.reason.replace(str(scratch), "SCRATCH").replace(str(machine.ROOT), "ROOT")
            result["results"].append(_record(entry, size))
            if entry.reason:
                say(f"S({size}) {entry.peer.name}: not run: {entry.reason}")
            if entry.failed:
                out[entry.peer.name] = f"S({size}) already was too much: {entry.reason}"
        keep(result)
    return result


def join(result: Record, earlier: Record) -> Record:
    """A result, and what an earlier file has of peers and sizes that were not run in it. `run` of each record is its place in `runs`."""
    first, *others = [{key: r[key] for key in ("machine", "commit", "reps")} for r in (result, *earlier.get("runs", [earlier]))]
    new = {(record["peer"], record["size"]) for record in result["results"] if record["status"] == "run"}
    old = [record for record in earlier["results"] if record["status"] == "run" and (record["peer"], record["size"]) not in new]
    kept = {(record["peer"], record["size"]) for record in old}
    used = sorted({record.get("run", 0) for record in old})
    records = [{**record, "run": 0} for record in result["results"] if (record["peer"], record["size"]) not in kept]
    records += [{**record, "run": 1 + used.index(record.get("run", 0))} for record in old]
    records.sort(key=lambda record: record["size"])
    peers = {**earlier["peers"], **result["peers"]}
    return {**result, "peers": peers, "runs": [first, *(others[place] for place in used)], "results": records}


def describe(peer: Peer) -> Record:
    """What a report says of a peer."""
    return {
        "title": peer.title, "versions": dict(peer.versions), "system": peer.system, "hash": peer.hash,
        "properties": vars(peer.properties), "install": peer.install_command,
    }  # fmt: skip


def _prepare(peer: Peer, scratch: Path, size: int, instance: Path, reason: str | None, limits: Limits, say: Say) -> _Entry:
    entry = _Entry(peer, reason=reason or "", folder=scratch / WORK / peer.name / str(size))
    if entry.reason:
        return entry
    entry.folder.mkdir(parents=True, exist_ok=True)
    try:
        entry.plan = peer.plan(Job(size, peer.home_in(scratch).resolve(), entry.folder.resolve(), instance.resolve()))
        if entry.plan.setup is not None:
            say(f"S({size}) {peer.name}: set-up")
            entry.setup = _done("set-up", measure_step(entry.plan.setup, entry.folder, limits.setup))
    except NotRun as refusal:
        entry.reason = str(refusal)
    except StepError as error:
        entry.out(error, "set-up")
    return entry


def _repeat(entry: _Entry, limits: Limits, warm_up: bool) -> None:
    plan = entry.plan
    if plan is None:
        return
    samples: dict[str, Record] = {}
    name = "witness"
    try:
        if plan.witness is not None:
            samples[name] = _done(name, measure_step(plan.witness, entry.folder, limits.step))
        name = "prove"
        plan.proof.unlink(missing_ok=True)
        samples[name] = _done(name, measure_step(plan.prove, entry.folder, limits.step))
        size = int(samples[name]["said"].get("proof_bytes") or plan.proof.stat().st_size)
        name = "verify"
        samples[name] = measure_step(plan.verify, entry.folder, limits.step)
        if not _accepted(samples[name], plan, name):
            entry.reason, entry.unsound = "its own proof was rejected", True
            return
        for name, step in plan.tampered.items() if warm_up else ():
            if _accepted(measure_step(step, entry.folder, limits.step), plan, name):
                entry.reason, entry.unsound = f"a wrong proof was ACCEPTED: {name}", True
                return
            entry.tampered[name] = "rejected"
    except (StepError, OSError) as error:
        entry.out(error, name)
        return
    entry.slow = samples["prove"]["said"].get("seconds", samples["prove"]["wall"]) > limits.once
    if not warm_up:
        entry.sizes.append(size)
        for name, sample in samples.items():
            entry.samples[name].append(sample)


def _done(name: str, sample: Record) -> Record:
    if sample["code"]:
        raise StepError(f"{name} failed with exit code {sample['code']}: {sample['words']}")
    return sample


def _accepted(sample: Record, plan: Plan, name: str) -> bool:
    verdict = sample["said"].get("accepted")
    if isinstance(verdict, bool):
        return verdict
    if sample["code"] == 0:
        return True
    if sample["code"] == plan.rejection_code and not sample["words"].startswith("Traceback"):
        return False
    raise StepError(f"{name} failed with exit code {sample['code']}: {sample['words']}")


def _record(entry: _Entry, size: int) -> Record:
    record: Record = {"peer": entry.peer.name, "size": size, "status": "unsound" if entry.unsound else "not run" if entry.reason else "run"}
    if entry.setup is not None:
        record["setup"] = {**_figures([entry.setup]), "said": entry.setup["said"]}
    if entry.reason or entry.plan is None:
        return {**record, "reason": entry.reason}
    said = {**entry.samples["prove"][-1]["said"], **entry.samples["verify"][-1]["said"]}
    properties = entry.peer.properties
    steps = {name: _figures(samples) for name, samples in entry.samples.items() if samples}
    phases = [sample["said"]["phases"] for sample in entry.samples["prove"] if "phases" in sample["said"]]
    if phases:
        steps["prove"]["phases"] = {key: median(phase[key] for phase in phases) for key in phases[0]}
    work = sum(steps[name].get("seconds", steps[name]["wall"]) for name in ("witness", "prove") if name in steps)
    return {
        **record, **steps, "work_seconds": work, "readings_per_second": size / work, "proof_bytes": int(median(entry.sizes)),
        "security_bits": said.get("security_bits", properties.security_bits),
        "list_bits": said.get("list_bits"),
        "fused": entry.plan.fused, "tampered": entry.tampered,
    }  # fmt: skip


def _figures(samples: Sequence[Mapping[str, Any]]) -> Record:
    """Medians, the largest memory, and every sample."""
    figures: Record = {key: float(median(sample[key] for sample in samples)) for key in ("wall", "cpu")}
    figures["rss_mb"] = max(float(sample["rss_mb"]) for sample in samples)
    inner = [sample["said"]["seconds"] for sample in samples if "seconds" in sample["said"]]
    if inner:
        figures["seconds"] = float(median(inner))
    keys = ("wall", "cpu", "rss_mb")
    figures["samples"] = [{**{k: s[k] for k in keys}, "seconds": s["said"].get("seconds")} for s in samples]
    return figures


def _last_object(text: str) -> Record:
    lines = text.strip().splitlines()
    try:
        said = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
