"""Writes the recording in ``data/``: a node of eight GPUs, polled every 15 s for two and a half minutes, by two generations of exporters.

    python tests/collect/make_recording.py

Slurm job 4711 holds GPUs 0 to 3 from 15 s to 75 s and 4712 holds GPU 4 all the time, and shares GPU 5 with 4713. GPU 6 is used once
without a job, at 30 s. GPU 7 has fallen off the bus at 60 s. The older exporter knows pods instead of Slurm jobs.
"""

from __future__ import annotations

import random
from pathlib import Path

from fake_exporter import Gpu, render

FOLDER = Path(__file__).parent / "data"
UUIDS = [f"GPU-{random.Random(n).getrandbits(32):08x}-3f1c-84a2-9d5e-{random.Random(n + 9).getrandbits(48):012x}" for n in range(8)]


def gpus_at(second: int, noise: random.Random, energy: dict[str, int]) -> list[Gpu]:
    gpus = []
    for number, uuid in enumerate(UUIDS):
        jobs: tuple[str, ...] = ()
        if number < 4 and 15 <= second <= 75:
            jobs = ("4711",)
        elif number in (4, 5):
            jobs = ("4712", "4713")[: number - 3]
        tensor, util = ("0.000000", 0)
        if jobs:
            tensor, util = f"{noise.uniform(0.38, 0.52):.6f}", noise.randint(91, 100)
        elif number == 6 and second == 30:
            tensor, util = "0.000214", 3
        energy[uuid] += 15 * (noise.randint(630_000, 690_000) if jobs else noise.randint(70_000, 73_000))
        if number == 7 and second == 60:
            continue
        gpus.append(Gpu(uuid, tensor, util, energy[uuid], jobs))
    return gpus


def as_pods(gpus: list[Gpu]) -> list[Gpu]:
    pods = {"4711": ("ml", "llm-train-0", "trainer"), "4712": ("ml", "rm-train-0", "trainer")}
    shown = []
    for gpu in gpus:
        pod = pods[gpu.jobs[0]] if len(gpu.jobs) == 1 else ("ml", "shared-0", "notebook") if gpu.jobs else None
        shown.append(Gpu(gpu.uuid, gpu.tensor, gpu.util, gpu.energy, (), pod))
    return shown


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    noise = random.Random(4711)
    energy = {uuid: 48_211_930_000 + number * 777_000_123 for number, uuid in enumerate(UUIDS)}
    for second in range(0, 151, 15):
        gpus = gpus_at(second, noise, energy)
        (FOLDER / f"new-{second:03d}.prom").write_bytes(render(gpus, "new"))
        (FOLDER / f"old-{second:03d}.prom").write_bytes(render(as_pods(gpus), "old"))


if __name__ == "__main__":
    main()
