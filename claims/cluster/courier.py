"""The Dask client of `prove --cluster`: `python -m claims.cluster.courier`, a process without signing key, store or environment.

It carries sealed bytes: frames (``claims.cluster.frames``) to and from ``prove``, tasks to and from the scheduler. At most one table is on
its way for each worker that has the memory, so the scheduler's memory does not grow with their number, and a slow worker delays nobody.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import threading
import warnings
from typing import Any, BinaryIO

from claims.cluster import pickles
from claims.cluster.frames import ERROR, JOB, NEXT, RESULT, STATE, read_frame, write_frame
from claims.cluster.sealed import new_id

__all__ = ["main"]

_CONNECT_SECONDS, _LOOK_SECONDS = 10, 0.5
_RESULT_LIMIT = 1 << 24


class _Stopped(Exception):
    """Why the courier stops: ``what``, and what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


class _Courier:
    def __init__(self, client: Any, target: BinaryIO, needed: int) -> None:
        self.client, self.target, self.needed = client, target, needed
        self.events: queue.SimpleQueue[tuple[bytes, int, Any]] = queue.SimpleQueue()
        self.waiting: list[tuple[int, int, bytes]] = []
        self.running: dict[int, Any] = {}
        self.asked, self.ended = 0, False
        self.said = b""

    def listen(self, source: BinaryIO) -> None:
        """Thread: what ``prove`` sends; when it ends, so does this process."""
        while (frame := read_frame(source)) is not None:
            self.events.put(frame)
        os._exit(0)

    def run(self) -> None:
        """Until every table has its result."""
        while not (self.ended and not self.running and not self.waiting):
            self._look()
            with contextlib.suppress(queue.Empty):
                self._take(self.events.get(timeout=_LOOK_SECONDS))

    def _take(self, event: tuple[bytes, int, Any]) -> None:
        kind, number, payload = event
        if kind == JOB and not payload:
            self.ended = True
        elif kind == JOB:
            self.asked -= 1
            self.waiting.append((number, int.from_bytes(payload[:8], "big"), payload[8:]))
        else:
            self._finish(number, self.running.pop(number))

    def _finish(self, number: int, future: Any) -> None:
        if future.status != "finished":
            if future.status == "error":  # of Dask, never of the task; the error itself is not read
                hint = "its workers died, each time: look at their memory and logs"
                raise _Stopped(f"table {number + 1} was given up by the cluster", hint)
            raise _Stopped("the scheduler is gone", "what is proven is kept: prove again goes on from there")
        result = self.client.gather(future, direct=False)
        if type(result) is not bytes or len(result) > _RESULT_LIMIT:
            raise _Stopped(f"a worker returned no bytes for table {number + 1}")
        write_frame(self.target, RESULT, number, result)

    def _look(self) -> None:
        """Submit what there is a worker for, ask for more, and say how far it is."""
        if self.client.status != "running":
            raise _Stopped("the scheduler is gone", "what is proven is kept: prove again goes on from there")
        workers = self.client.scheduler_info(n_workers=-1)["workers"]
        room = _check(workers, self.needed)
        while self.waiting and len(self.running) < room:
            self._submit(*self.waiting.pop(0))
        if not self.ended and not self.asked and len(self.waiting) + len(self.running) < room:
            write_frame(self.target, NEXT, 0)
            self.asked = 1
        said = json.dumps({"workers": len(workers), "running": sorted(self.running)}).encode()
        if said != self.said:
            write_frame(self.target, STATE, 0, said)
            self.said = said

    def _submit(self, number: int, need: int, sealed: bytes) -> None:
        from claims.cluster.worker import prove

        future = self.client.submit(prove, sealed, key=new_id().hex(), resources={"memory": need}, pure=False, retries=0)
        self.running[number] = future
        future.add_done_callback(lambda _: self.events.put((RESULT, number, b"")))


def _check(workers: dict[str, Any], need: int) -> int:
    """How many workers can take such a table. Raises _Stopped: none of those that are here can, or one is not set up as it must be."""
    for address, worker in workers.items():
        if worker["nthreads"] != 1:
            raise _Stopped(f"worker {address} has {worker['nthreads']} task threads", "start it with --nthreads 1")
        if "memory" not in worker["resources"]:
            hint = "start it with --resources memory=BYTES, what it may take"
            raise _Stopped(f"worker {address} does not say how much memory it has", hint)
    able = sum(worker["resources"]["memory"] >= need for worker in workers.values())
    if workers and not able:
        most = max(worker["resources"]["memory"] for worker in workers.values())
        what = f"a table needs {need / 1e9:.1f} GB, and the largest worker has {most / 1e9:.1f} GB"
        raise _Stopped(what, "start workers with more: --resources memory=BYTES")
    return able


def _connect(address: str) -> Any:
    import distributed

    try:
        security = distributed.Security(require_encryption=True)
        return distributed.Client(address, security=security, timeout=_CONNECT_SECONDS, set_as_default=False, direct_to_workers=False)
    except (OSError, ValueError) as error:
        hint = "look whether it runs there, by TLS, and with the certificates of the same run"
        raise _Stopped(f"no scheduler of this run answers at {address} ({type(error).__name__})", hint) from None


def _say(target: BinaryIO, what: str, hint: str) -> int:
    """Tell ``prove`` why this ends; the exit code."""
    write_frame(target, ERROR, 0, json.dumps({"what": what, "hint": hint}).encode())
    return 1


def main() -> None:
    """Carry until all is done or something is wrong; both are said in frames."""
    pickles.install()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    first = read_frame(source)
    code = 0
    try:
        if first is not None:
            needed, address = int.from_bytes(first[2][:8], "big"), first[2][8:].decode()
            courier = _Courier(_connect(address), target, needed)
            threading.Thread(target=courier.listen, args=(source,), daemon=True).start()
            courier.run()
    except _Stopped as error:
        code = _say(target, error.what, error.hint)
    except Exception as error:
        code = _say(target, f"the link to the cluster broke: {type(error).__name__}: {error}"[:1000], "prove again: it goes on from there")
    os._exit(code)  # without a goodbye to the scheduler, which notices


if __name__ == "__main__":
    main()
