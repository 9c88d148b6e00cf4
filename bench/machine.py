"""What a figure was measured on: machine, versions, commit, and how busy the machine was."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MB = 1_000_000


def describe() -> dict[str, Any]:
    """Processor, cores, memory, versions, threads asked for, and the load average at the time of the call."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_mb": _memory_mb(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numba": metadata.version("numba"),
        "numpy": metadata.version("numpy"),
        "threads": os.environ.get("STANDSTILL_THREADS") or "all",
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def is_busy() -> bool:
    """Whether other work leaves less than most of the machine: a load average above a fifth of a core."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.2


def commit() -> str:
    """The checkout's commit, with "-modified" where a tracked source differs from it; "unknown" outside a checkout."""
    head = _git("rev-parse", "HEAD")
    if not head:
        return "unknown"
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "zk", "circuits", "bench")
    return head + ("-modified" if changed else "")


def peak_rss_mb() -> float:
    """Peak resident memory of this process since it was started, in 10^6 bytes.

    Linux: VmHWM. The `ru_maxrss` of a fresh child starts at its parent's peak, so it only serves where there is no VmHWM.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / MB
    except OSError:
        pass
    import resource

    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    pairs = (line.partition(":") for line in lines if ":" in line)
    values = {key.strip(): value.strip() for key, _, value in pairs}
    name = values.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in values:
        name += f" (family {values['cpu family']}, model {values.get('model', '?')})"
    wide = "AVX-512" if "avx512f" in values.get("flags", "").split() else ""
    return f"{name} {wide}".strip()


def _memory_mb() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024 // MB
    except OSError:
        pass
    return None
