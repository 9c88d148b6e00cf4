"""Starts one child process and takes its resource use: `python -I -S launch.py RESULT TIMEOUT ARGV...`.

A process of its own, standard library only and small: on Linux the peak memory of a child starts at that of the process that
started it, and the benchmark's own is larger than many a verifier. RESULT gets a JSON object: `wall` and `cpu` (user and system,
all threads and waited-for descendants) in seconds, `rss_mb` (10^6 bytes, of the largest process), `code`, `timed_out`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from types import FrameType


def launch(argv: list[str], timeout: float) -> dict[str, float | int | bool]:
    """Runs argv to its end, or kills it and its process group after ``timeout`` seconds. Code 127: it could not be started."""
    late = False
    start = time.perf_counter()
    try:
        pid = os.posix_spawnp(argv[0], argv, os.environ, setpgroup=0)
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        return {"wall": 0.0, "cpu": 0.0, "rss_mb": 0.0, "code": 127, "timed_out": False}

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal late
        late = late or number == signal.SIGALRM
        os.killpg(pid, signal.SIGKILL)

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    signal.setitimer(signal.ITIMER_REAL, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "wall": wall,
        "cpu": used.ru_utime + used.ru_stime,
        "rss_mb": used.ru_maxrss * unit / 1e6,
        "code": os.waitstatus_to_exitcode(status),
        "timed_out": late,
    }


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        json.dump(launch(sys.argv[3:], float(sys.argv[2])), out)
