"""Tables proven by a cluster: for ``claims.lab.prove``, in place of proving them in this process. docs/cluster.md."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from claims.base.canonical import from_json
from claims.base.errors import ClaimsError, MalformedFile
from claims.base.files import PROOF_LIMIT
from claims.cluster import frames
from claims.cluster.child import PROOF
from claims.cluster.files import CERTIFICATES, JOB_KEY
from claims.cluster.sealed import JOB, RESULT, new_id, read_job_key, seal, unseal
from claims.cluster.table import encode_table, memory_of
from claims.lab.prove import Progress, Prover
from claims.lab.witness import Table, WitnessRefused

__all__ = ["ClusterError", "on_cluster"]

_SCHEME = "tls://"
_FRAME_LIMIT = 1 << 24


class ClusterError(ClaimsError):
    """The cluster did not do its work; what it had proven before is kept."""

    exit_code = 2


def on_cluster(address: str, folder: Path) -> Prover:
    """A prover that sends tables to the workers of a scheduler.

    Args:
        address: ``tls://HOST:PORT``, or without the scheme.
        folder: the nodes part of the run's folder (``claims.cluster.files``).

    Raises:
        ClaimsError: plain TCP, or the folder has not what it should.
    """
    scheme, separator, host = address.rpartition("://")
    if separator and f"{scheme}://" != _SCHEME:
        raise ClaimsError(f"{address}: a cluster is reached by TLS only", f"give {_SCHEME}{host}")
    key = read_job_key(folder / JOB_KEY)
    for name in (*CERTIFICATES, "dask.yaml"):
        if not (folder / name).is_file():
            raise ClaimsError(f"{folder}: no {name}", "give the nodes folder that standstill cluster init made")

    def prove(tables: Sequence[Table], progress: Progress | None) -> Iterator[tuple[int, bytes]]:
        return _Run(tables, key, progress).results(_SCHEME + host, folder)

    return prove


class _Run:
    def __init__(self, tables: Sequence[Table], key: bytes, progress: Progress | None) -> None:
        self.tables, self.key, self.progress = tables, key, progress
        self.ids: list[bytes] = []
        self.done: set[int] = set()

    def results(self, address: str, folder: Path) -> Iterator[tuple[int, bytes]]:
        """Number and proof of each table, as they come."""
        command = [sys.executable, "-P", "-m", "claims.cluster.courier"]
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "PYTHONUSERBASE") if name in os.environ}
        environment = {**kept, "DASK_CONFIG": str(folder)}
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd="/"
        ) as courier:
            try:
                most = max(memory_of(table.statement.log_rows) for table in self.tables)
                frames.write_frame(courier.stdin, frames.JOB, 0, most.to_bytes(8, "big") + address.encode())
                while len(self.done) < len(self.tables):
                    frame = frames.read_frame(courier.stdout, _FRAME_LIMIT)
                    if frame is None:
                        raise ClusterError("the link to the cluster broke", "prove again: it goes on with what is proven")
                    found = self._take(courier.stdin, *frame)
                    if found is not None:
                        yield found
            except BrokenPipeError:
                raise ClusterError("the link to the cluster broke", "prove again: it goes on with what is proven") from None
            finally:
                courier.kill()

    def _take(self, courier: Any, kind: bytes, number: int, payload: bytes) -> tuple[int, bytes] | None:
        if kind == frames.NEXT:
            self._send(courier)
        elif kind == frames.STATE:
            self._show(payload)
        elif kind == frames.ERROR:
            said = _said(payload, "what", "hint")
            raise ClusterError(*said)
        elif kind == frames.RESULT and number < len(self.ids) and number not in self.done:
            proof = self._proof(number, payload)
            self.done.add(number)
            return number, proof
        return None

    def _send(self, courier: Any) -> None:
        number = len(self.ids)
        if number == len(self.tables):
            frames.write_frame(courier, frames.JOB, 0)
            return
        table = self.tables[number]
        assert table.witness is not None
        self.ids.append(new_id())
        sealed = seal(self.key, JOB, self.ids[-1], encode_table(table.statement, table.witness))
        frames.write_frame(courier, frames.JOB, number, memory_of(table.statement.log_rows).to_bytes(8, "big") + sealed)

    def _proof(self, number: int, result: bytes) -> bytes:
        table, kind, rest = self.tables[number], result[:1], result[1:]
        if kind == frames.DIED:
            code = struct.unpack(">i", rest)[0] if len(rest) == 4 else 0
            hint = "its log on the worker's machine may say more; if it was killed there, give workers less to do at once"
            raise ClusterError(f"{table.words}: its process ended with {code}", hint)
        if kind != frames.SEALED:
            raise ClusterError(f"{table.words}: a worker is not ready: {_printable(rest)}", "docs/cluster.md says what a worker needs")
        try:
            _, data = unseal(self.key, RESULT, rest, self.ids[number])
        except MalformedFile as error:
            what = f"{table.words}: what a worker returned does not open ({error.what})"
            raise ClusterError(what, "use one folder at both ends") from None
        if data[:1] == PROOF and len(data) <= PROOF_LIMIT:
            return data[1:]
        fault, what = _said(data[1:], "kind", "what")
        if fault == "WitnessError":
            raise WitnessRefused([f"{table.words}: {what}"], "the store's records contradict each other; no claim was made")
        raise ClusterError(f"{table.words}: a worker could not prove it: {fault}: {what}")

    def _show(self, payload: bytes) -> None:
        if self.progress is not None:
            state = from_json(payload)
            text = f"{len(self.done)} of {len(self.tables)} tables, {len(state['running'])} on {state['workers']} workers"
            self.progress(text, len(self.done) / len(self.tables))


def _said(data: bytes, *names: str) -> list[str]:
    """Texts of a JSON object, for a message."""
    try:
        value = from_json(data)
        return [_printable(str(value[name]).encode()) for name in names]
    except (ValueError, LookupError, TypeError):
        return ["the other end said nothing that can be read", ""][: len(names)]


def _printable(data: bytes) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in data[:2000].decode("utf-8", errors="replace"))
