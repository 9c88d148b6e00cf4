"""A cluster on this machine, to try one: scheduler, nannies and workers are processes, started as docs/cluster.md says."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from claims.cluster.files import make_folder

__all__ = ["LocalCluster", "local_cluster"]


class LocalCluster:
    """A scheduler, and workers of one thread each.

    Attributes:
        nodes: the part of the run's folder for who proves.
        log: what all processes wrote.
        scratch: the workers' folder.
    """

    def __init__(self, folder: Path, count: int, memory: int) -> None:
        self.folder, self.count, self.memory, self.processes = folder, count, memory, list[subprocess.Popen[bytes]]()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        make_folder(folder / "run", None, 1)
        self.nodes, self.scratch, self.log = folder / "run" / "nodes", folder / "scratch", folder / "log"
        self.address = f"tls://127.0.0.1:{self.port}"

    def start(self) -> None:
        """The scheduler and its workers; they go on coming up when this returns."""
        run, memory = self.folder / "run", str(self.memory / 1e9)
        self._start("scheduler", "--files", str(run / "scheduler"), "--", "--host", "127.0.0.1", "--port", str(self.port))
        for _ in range(self.count):
            own = ("--files", str(run / "nodes"), "--memory", memory, "--threads", "1", "--", "--local-directory", str(self.scratch))
            self._start("worker", self.address, *own)

    def _start(self, *options: str) -> None:
        command = [sys.executable, "-m", "claims", "cluster", *options]
        with open(self.log, "ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder))

    def stop(self) -> None:
        """All of it, at once."""
        for process in self.everything():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for process in self.processes:
            process.wait()
        self.processes.clear()

    def everything(self) -> list[psutil.Process]:
        """Scheduler, nannies, workers, and the processes that prove."""
        tops = [psutil.Process(process.pid) for process in self.processes if process.poll() is None]
        return [*tops, *(child for top in tops for child in top.children(recursive=True))]


@contextlib.contextmanager
def local_cluster(folder: Path, count: int, memory: int) -> Iterator[LocalCluster]:
    """A cluster of so many workers, until the end. ``memory``: bytes that each says it may take."""
    cluster = LocalCluster(folder, count, memory)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
