"""The task of a worker: sealed bytes in, sealed bytes out. A process of its own opens, proves and seals.

This process never sees a reading: the child reads the job key, and what is here is sealed both ways.
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
from collections.abc import Callable

import dask
from distributed import get_worker

from claims.cluster.frames import DIED, SEALED, UNREADY

__all__ = ["prove"]

_LOOK_SECONDS = 0.5


def prove(sealed: bytes) -> bytes:
    """One task. Returns plain bytes only, whatever happens."""
    try:
        return _prove(sealed)
    except Exception as error:  # an error of Dask's would be a pickle
        return UNREADY + f"{type(error).__name__}: {error}".encode()[:1000]


def _prove(sealed: bytes) -> bytes:
    threads, key = os.environ.get("STANDSTILL_THREADS", ""), dask.config.get("standstill.job-key", "")
    if not threads.isdigit() or not int(threads):
        return UNREADY + b"STANDSTILL_THREADS is not set there: threads of a proof, 1 and up"
    if not key:
        return UNREADY + b"DASK_CONFIG does not name the folder of the run there"
    worker = get_worker()
    task = worker.get_current_task()

    def wanted() -> bool:
        state = worker.state.tasks.get(task)
        return state is not None and state.state == "executing"

    command = [sys.executable, "-P", "-m", "claims.cluster.child", str(key)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        try:
            output = _talk(child, sealed, wanted)
        finally:
            child.kill()  # nothing where it has ended
    if child.returncode == 0 and output:
        return SEALED + output
    return DIED + struct.pack(">i", child.returncode)


def _talk(child: subprocess.Popen[bytes], sealed: bytes, wanted: Callable[[], bool]) -> bytes:
    """What the child wrote. Its input stays open: when that ends, as when this process is killed, the child ends too."""
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.write(len(sealed).to_bytes(8, "big") + sealed)
        child.stdin.flush()
    except BrokenPipeError:
        pass
    parts = []
    while True:
        if not select.select([child.stdout], [], [], _LOOK_SECONDS)[0]:
            if not wanted():
                return b""
            continue
        part = os.read(child.stdout.fileno(), 1 << 20)
        if not part:
            child.wait()
            return b"".join(parts)
        parts.append(part)
