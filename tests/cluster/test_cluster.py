"""Proofs by a real cluster of processes: what happens when parts of it die, and that nothing private stays anywhere."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cluster_fixtures import CANARY, command_of, provers, running_cluster, two_sites, until
from desk import START, Desk
from lab_fixtures import LAB_KEY

from claims.base.errors import ClaimsError
from claims.cluster.files import make_folder
from claims.cluster.local import LocalCluster
from claims.cluster.prover import ClusterError, on_cluster
from claims.lab.prove import make_claim
from claims.lab.store import Store
from claims.lab.witness import Table, WitnessRefused, assemble
from claims.verify.claim import verify_claim

pytest.importorskip("distributed", reason="standstill[cluster] is not installed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), 2) as found:
        until(lambda: found.log.read_bytes().count(b"Registered to:") == 2, "two workers are up")
        yield found


def patterns(table: Table) -> list[bytes]:
    """What must be nowhere: the reading's work, as a column and in words, and IVs, as they are written in a table."""
    assert table.witness is not None
    ivs = [",".join(map(str, chain.iv)).encode() for chain in (*table.witness.ledgers, *table.witness.summaries)]
    return [CANARY.to_bytes(6, "little"), str(CANARY).encode(), *ivs]


def memory_has(process: psutil.Process, wanted: list[bytes]) -> list[bytes]:
    """Which of the patterns are in a process's memory; all of what can be read is read."""
    found = set()
    try:
        with open(f"/proc/{process.pid}/maps") as maps, open(f"/proc/{process.pid}/mem", "rb", 0) as memory:
            for line in maps:
                span, mode = line.split()[:2]
                if "w" not in mode:
                    continue
                begin, end = (int(part, 16) for part in span.split("-"))
                try:
                    memory.seek(begin)
                    data = memory.read(end - begin)
                except (OSError, OverflowError, ValueError):
                    continue
                found |= {pattern for pattern in wanted if pattern in data}
    except (ProcessLookupError, FileNotFoundError):
        return []
    except PermissionError:
        pytest.skip("this system lets no process read another's memory")
    return sorted(found)


def open_to_all(process: psutil.Process) -> bytes:
    """Command line and environment."""
    return b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))


def clean(cluster: LocalCluster, wanted: list[bytes]) -> None:
    """No pattern is in the memory, command line or environment of a process that does not prove, in a log or in scratch."""
    others = [process for process in cluster.everything() if "multiprocessing.spawn" in (said := command_of(process)) or "dask_" in said]
    assert len(others) >= 5
    for process in others:
        assert memory_has(process, wanted) == [], command_of(process)
        assert not any(pattern in open_to_all(process) for pattern in wanted)
    written = [cluster.log, *(path for path in cluster.scratch.rglob("*") if path.is_file())]
    assert not any(pattern in path.read_bytes() for path in written for pattern in wanted)


def test_a_claim_of_three_tables_and_no_canary_anywhere(cluster: LocalCluster, tmp_path: Path) -> None:
    store, agreement = two_sites(tmp_path)
    wanted = patterns(assemble(store, agreement, 0).tables[0])
    wanted.append((cluster.nodes / "job.key").read_bytes())
    told, scanned = list[str](), list[None]()

    def look(phase: str, share: float) -> None:
        told.append(phase)
        if share > 0 and not scanned:
            scanned.append(clean(cluster, wanted))

    made = make_claim(store, agreement, 0, LAB_KEY, prover=on_cluster(cluster.address, cluster.nodes), progress=look)
    proofs = dict(zip(made.claim.proofs, made.proofs, strict=True))
    assert verify_claim(made.claim.encode(), agreement, proofs=proofs.get).proof is not None
    assert told[-1].startswith("2 of 3 tables") and scanned
    until(lambda: not provers(cluster), "the processes of proofs end")
    clean(cluster, wanted)


def test_the_scan_finds_what_is_there() -> None:
    """Else the test before this one would show nothing."""
    code = "import sys; held = sys.stdin.buffer.readline().strip(); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdin.write(b"a canary in that process\n")
        holder.stdin.flush()
        holder.stdout.readline()
        assert memory_has(psutil.Process(holder.pid), [b"a canary in that process", b"no canary there"]) == [b"a canary in that process"]


def test_nothing_speaks_http(cluster: LocalCluster) -> None:
    ports = {item.laddr.port for process in cluster.everything() for item in process.net_connections() if item.status == "LISTEN"}
    assert len(ports) >= 5, "scheduler, two nannies, two workers"
    for port in ports:
        with pytest.raises(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60)


def test_a_refusal_says_exact_figures_to_the_lab_alone(cluster: LocalCluster, tmp_path: Path) -> None:
    store, agreement = two_sites(tmp_path)
    *_, registry = assemble(store, agreement, 0).tables
    low = dataclasses.replace(registry, statement=dataclasses.replace(registry.statement, total_cap=12))
    total = sum(amount for summary in registry.witness.summaries for _, amount in summary.records)
    with pytest.raises(WitnessRefused, match=str(total)):
        list(on_cluster(cluster.address, cluster.nodes)([low], None))
    until(lambda: not provers(cluster), "the process of the proof ends")
    clean(cluster, [str(total).encode()])


def test_a_table_that_no_worker_can_hold_is_refused_before_anything_starts(cluster: LocalCluster, tmp_path: Path) -> None:
    store, agreement = two_sites(tmp_path)
    north, *_ = assemble(store, agreement, 0).tables
    large = dataclasses.replace(north, statement=dataclasses.replace(north.statement, log_rows=20))
    told: list[str] = []
    with pytest.raises(ClusterError, match=r"a table needs 7\.8 GB, and the largest worker has 2\.0 GB"):
        list(on_cluster(cluster.address, cluster.nodes)([north, large], lambda phase, share: told.append(phase)))
    assert not provers(cluster) and not [text for text in told if " 0 on " not in text]


def test_only_certificates_of_the_run_get_in(cluster: LocalCluster, tmp_path: Path) -> None:
    make_folder(tmp_path / "other", None, 1)
    strangers = {"none": None, "another run's": tmp_path / "other" / "nodes"}
    for name, folder in strangers.items():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if folder is not None:
            context.load_cert_chain(folder / "node.pem")
        with socket.create_connection(("127.0.0.1", cluster.port)) as plain, pytest.raises(ssl.SSLError):
            with context.wrap_socket(plain) as connection:
                connection.recv(1)
                raise AssertionError(f"certificate: {name}")
    with socket.create_connection(("127.0.0.1", cluster.port)) as plain:  # plain TCP: closed without a word of Dask's
        plain.settimeout(60)
        plain.sendall(bytes(64))
        with contextlib.suppress(ConnectionResetError):
            assert b"compression" not in plain.recv(4096)
    with pytest.raises(ClusterError, match="no scheduler of this run answers"):
        store, agreement = two_sites(tmp_path)
        list(on_cluster(cluster.address, tmp_path / "other" / "nodes")(assemble(store, agreement, 0).tables, None))
    with pytest.raises(ClaimsError, match="TLS only"):
        on_cluster(f"tcp://127.0.0.1:{cluster.port}", cluster.nodes)


def kept(store: Store, agreement: object) -> int:
    digest = agreement.digest  # type: ignore[attr-defined]
    return sum(store.kept_proof(0, site, digest) is not None for site in ("north", "south", None))


@pytest.mark.slow
def test_the_command_proves_by_the_cluster(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path, monkeypatch, capsys)
    desk.at(START + 121 * 3600)
    desk.work(0)
    desk.close(0, "--yes", "--clock-is-right")
    desk.run("lab", "close", *desk.books, "-n", 0)
    there = ("--cluster", cluster.address, "--cluster-files", cluster.nodes)
    assert "verified" in desk.run("prove", *desk.books, "-n", 0, "-k", "lab.key", *there)
    desk.run("verify", "lab-0.claim", "-a", "agreement.toml", code=3)


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_is_replaced_and_its_table_proven(cluster: LocalCluster, tmp_path: Path) -> None:
    store, agreement = two_sites(tmp_path)
    killed: list[int] = []
    orphans: list[psutil.Process] = []

    def kill(phase: str, share: float) -> None:
        if not killed and " 0 on " not in phase:
            until(lambda: provers(cluster), "a proof has begun")
            orphans.append(provers(cluster)[0])
            worker = orphans[0].parent()
            killed.append(worker.pid)
            worker.send_signal(signal.SIGKILL)

    made = make_claim(store, agreement, 0, LAB_KEY, prover=on_cluster(cluster.address, cluster.nodes), progress=kill)
    assert len(killed) == 1 and len(made.proofs) == 3
    until(lambda: not orphans[0].is_running(), "the proof of a dead worker ends too")


@pytest.mark.slow
def test_a_slow_worker_delays_no_other(cluster: LocalCluster, tmp_path: Path) -> None:
    """One proof stands still until the two others are done."""
    store, agreement = two_sites(tmp_path)
    still: list[psutil.Process] = []

    def hold(phase: str, share: float) -> None:
        if not still and " 0 on " not in phase:
            until(lambda: provers(cluster), "a proof has begun")
            still.append(provers(cluster)[0])
            still[0].suspend()
        if share > 0.5:
            still[0].resume()

    made = make_claim(store, agreement, 0, LAB_KEY, prover=on_cluster(cluster.address, cluster.nodes), progress=hold)
    assert len(made.proofs) == 3 and still


@pytest.mark.slow
def test_a_proof_that_is_killed_is_said_and_prove_goes_on(cluster: LocalCluster, tmp_path: Path) -> None:
    """As for want of memory. What its worker is told is the exit code; the worker lives."""
    store, agreement = two_sites(tmp_path)

    def kill(phase: str, share: float) -> None:
        if " 0 on " not in phase:
            until(lambda: provers(cluster), "a proof has begun")
            provers(cluster)[0].kill()

    with pytest.raises(ClusterError, match="its process ended with -9"):
        make_claim(store, agreement, 0, LAB_KEY, prover=on_cluster(cluster.address, cluster.nodes), progress=kill)
    until(lambda: not provers(cluster), "the other proof ends when nobody waits for it")
    assert len(make_claim(store, agreement, 0, LAB_KEY, prover=on_cluster(cluster.address, cluster.nodes)).proofs) == 3


@pytest.mark.slow
def test_the_scheduler_is_killed_and_prove_goes_on_with_what_is_kept(tmp_path: Path) -> None:
    store, agreement = two_sites(tmp_path)
    with running_cluster(tmp_path, 1) as cluster:

        def kill(phase: str, share: float) -> None:
            if share > 0:
                cluster.processes[0].kill()

        with pytest.raises(ClusterError, match="the scheduler is gone"):
            make_claim(store, agreement, 0, LAB_KEY, prover=on_cluster(cluster.address, cluster.nodes), progress=kill)
        before = kept(store, agreement)
        assert 1 <= before < 3
        cluster.stop()
        cluster.start()
        told: list[str] = []
        made = make_claim(
            store, agreement, 0, LAB_KEY, prover=on_cluster(cluster.address, cluster.nodes), progress=lambda text, _: told.append(text)
        )
    assert len(made.proofs) == 3 and f"of {3 - before} tables" in told[-1]


INSIDER = """
import asyncio, sys
from pathlib import Path
import cloudpickle, distributed
from distributed.core import connect
from distributed.protocol import to_serialize
from distributed.protocol.serialize import ToPickle

address, marks = sys.argv[1], Path(sys.argv[2])
security = distributed.Security(require_encryption=True)


class Runs:
    def __init__(self, name):
        self.path = str(marks / name)

    def __reduce__(self):
        return open, (self.path, "w")


def touch(name):
    path = str(marks / name)
    return lambda *_, **__: open(path, "w").close()


async def ask(where, name, message):
    try:
        comm = await connect(where, **security.get_connection_args("client"))
        await comm.write(message)
        print(name, str(await asyncio.wait_for(comm.read(), 20))[:120])
        comm.abort()
    except Exception as error:
        print(name, type(error).__name__, str(error)[:120])


async def main():
    dumps = cloudpickle.dumps
    run = {"args": dumps(()), "kwargs": dumps({}), "wait": True}
    comm = await connect(address, **security.get_connection_args("client"))
    await comm.write({"op": "identity", "n_workers": -1, "reply": True})
    workers = (await comm.read())["workers"]
    print("workers", len(workers))
    assert workers
    everyone = [("scheduler", address), *((f"worker-{i}", w) for i, w in enumerate(workers))]
    everyone += [(f"nanny-{i}", w["nanny"]) for i, w in enumerate(workers.values())]
    for name, where in everyone:
        for op in ("run", "run_function", "run_coroutine"):
            await ask(where, f"{name}-{op}", {"op": op, "function": dumps(touch(f"{name}-{op}")), **run, "reply": True})
        await ask(where, f"{name}-pickle", {"op": "identity", "x": ToPickle(Runs(f"{name}-pickle")), "reply": True})
        await ask(where, f"{name}-serialized", {"op": "identity", "x": to_serialize(Runs(f"{name}-serialized")), "reply": True})
        source = f"open({str(marks / (name + '-upload'))!r}, 'w').close()".encode()
        await ask(where, f"{name}-upload", {"op": "upload_file", "filename": "evil.py", "data": to_serialize(source), "reply": True})
        for op in ("plugin-add", "plugin_add", "register_scheduler_plugin", "register_worker_plugin", "register_nanny_plugin"):
            plugin = {"plugin": dumps(Runs(f"{name}-{op}")), "name": "evil", "idempotent": False}
            await ask(where, f"{name}-{op}", {"op": op, **plugin, "reply": True})
        await ask(where, f"{name}-feed", {"op": "feed", "function": dumps(Runs(f"{name}-feed")), "interval": "1s", "reply": True})
        await ask(where, f"{name}-close", {"op": "workers_to_close", "key": dumps(Runs(f"{name}-close")), "reply": True})
    async with distributed.Client(address, security=security, asynchronous=True) as client:
        client.submit(touch("task"), 1, pure=False)
        client.submit(Path(marks / "named").touch, pure=False)
        await asyncio.sleep(3)


asyncio.run(main())
"""


def test_who_has_a_certificate_runs_no_code_by_it(cluster: LocalCluster, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    environment = {**os.environ, "DASK_CONFIG": str(cluster.nodes)}
    command = [sys.executable, "-c", INSIDER, cluster.address, str(marks)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    print(ran.stdout, ran.stderr)
    assert ran.returncode == 0 and "workers 2" in ran.stdout, ran.stderr
    assert list(marks.iterdir()) == []
