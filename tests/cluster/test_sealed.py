"""What travels through a cluster: tables as bytes, sealed; the folder of a run; and what a pickle may name."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster_fixtures import two_sites

from circuits.relation import check_witness
from circuits.witness import Headers, check_heads, heads_of
from claims.base.errors import ClaimsError, KeyFileError, MalformedFile, UnreadableFile
from claims.cluster import frames, pickles
from claims.cluster.child import PROOF, REFUSED
from claims.cluster.files import make_folder
from claims.cluster.frames import DIED, SEALED
from claims.cluster.prover import ClusterError, _Run, on_cluster
from claims.cluster.sealed import JOB, RESULT, new_id, read_job_key, seal, unseal
from claims.cluster.table import OtherVersion, decode_table, encode_table, memory_of
from claims.lab.witness import assemble

KEY = bytes(range(32))


def test_a_table_is_the_same_after_it_travelled(tmp_path: Path) -> None:
    store, agreement = two_sites(tmp_path)
    for table in assemble(store, agreement, 0).tables:
        assert table.witness is not None
        data = encode_table(table.statement, table.witness)
        statement, witness = decode_table(data)
        assert statement == table.statement and witness.registry == table.witness.registry and witness.summaries == table.witness.summaries
        check_witness(statement, witness)
        check_heads(statement, heads_of(witness, Headers.of(statement)))
        assert encode_table(statement, witness) == data
        for wrong in (data[:-1], data + b"\0", data[:30], data.replace(b'"witness"', b'"witless"')):
            with pytest.raises(MalformedFile):
                decode_table(wrong)
        with pytest.raises(OtherVersion, match="another circuit"):
            at = data.index(b'"program":"') + 11
            decode_table(data[:at] + b"0" * 64 + data[at + 64 :])


def test_what_is_sealed_opens_for_its_task_and_direction_alone() -> None:
    task = new_id()
    sealed = seal(KEY, JOB, task, b"a table")
    assert unseal(KEY, JOB, sealed, task) == (task, b"a table") and b"a table" not in sealed
    assert len(sealed) == len(seal(KEY, JOB, task, bytes(4000))) and sealed != seal(KEY, JOB, task, b"a table")
    changed = bytearray(sealed)
    changed[50] ^= 1
    other = new_id()
    wrong: list[Callable[[], object]] = [
        lambda: unseal(KEY, RESULT, sealed, task), lambda: unseal(KEY, JOB, sealed, other), lambda: unseal(KEY[::-1], JOB, sealed),
        lambda: unseal(KEY, JOB, other + sealed[32:]), lambda: unseal(KEY, JOB, bytes(changed)), lambda: unseal(KEY, JOB, sealed[:40]),
        lambda: unseal(KEY, JOB, sealed[:-1]), lambda: unseal(KEY, JOB, b""),
    ]  # fmt: skip
    for attempt in wrong:
        with pytest.raises(MalformedFile):
            attempt()


def test_memory_grows_with_rows() -> None:
    needs = [memory_of(rows) for rows in range(16, 23)]
    assert needs == sorted(needs) and 0.85e9 < needs[0] < 1e9 and needs[-1] < 14e9


def test_the_folder_of_a_run(tmp_path: Path) -> None:
    make_folder(tmp_path / "run", Path("/secret"), 1)
    files = {str(path.relative_to(tmp_path / "run")): path for path in (tmp_path / "run").rglob("*") if path.is_file()}
    each = ("ca.pem", "dask.yaml", "node.pem")
    assert sorted(files) == sorted([*(f"{part}/{name}" for part in ("nodes", "scheduler") for name in each), "nodes/job.key"])
    for path in (tmp_path / "run").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert b"job" not in files["scheduler/dask.yaml"].read_bytes() and b"/secret/nodes/job.key" in files["nodes/dask.yaml"].read_bytes()
    assert files["nodes/node.pem"].read_bytes() != files["scheduler/node.pem"].read_bytes()
    assert b"PRIVATE" not in files["nodes/ca.pem"].read_bytes(), "the authority's key is thrown away"
    with pytest.raises(UnreadableFile, match="not there yet"):
        make_folder(tmp_path / "run", None, 1)
    assert len(read_job_key(files["nodes/job.key"])) == 32
    files["nodes/job.key"].chmod(0o644)
    with pytest.raises(KeyFileError, match="others may read"):
        on_cluster("tls://127.0.0.1:1", tmp_path / "run" / "nodes")
    with pytest.raises(ClaimsError):
        on_cluster("tls://127.0.0.1:1", tmp_path / "run" / "scheduler")


class Runs:
    """What a hostile pickle does when it is read."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.way = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.way


@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, __import__, subprocess.call, pickle.loads])
def test_a_pickle_names_nothing_but_a_task(function: Callable[..., object]) -> None:
    with pytest.raises(pickle.UnpicklingError, match="refused"):
        pickles.loads(pickle.dumps(Runs(function, "1")))


def test_plain_values_are_read() -> None:
    value = {"a": [1, 2.5, None, True, b"bytes", "text", ("tuple",)]}
    assert pickles.loads(pickle.dumps(value, protocol=5)) == value


@pytest.mark.parametrize("said", [b"[" * 10**6, b"{}", b'{"kind": ', b"\xff", b"", b'{"kind": 1}', b"null"])
def test_a_worker_that_says_nonsense_is_said_to(tmp_path: Path, said: bytes) -> None:
    store, agreement = two_sites(tmp_path)
    run = _Run(assemble(store, agreement, 0).tables, KEY, None)
    run.ids.append(new_id())
    with pytest.raises(ClusterError, match="site north: a worker could not prove it"):
        run._proof(0, SEALED + seal(KEY, RESULT, run.ids[0], REFUSED + said))
    for result in (b"", b"?", DIED, DIED + b"12345", SEALED, SEALED + said, SEALED + seal(KEY, RESULT, new_id(), PROOF)):
        with pytest.raises(ClusterError, match="site north"):
            run._proof(0, result)


def test_a_proof_that_comes_twice_is_one(tmp_path: Path) -> None:
    """A courier or scheduler that repeats a table's result does not take another's place."""
    store, agreement = two_sites(tmp_path)
    run = _Run(assemble(store, agreement, 0).tables, KEY, None)
    run.ids += [new_id(), new_id()]
    results = [SEALED + seal(KEY, RESULT, task, PROOF + b"a proof") for task in run.ids]
    found = [run._take(None, frames.RESULT, number, results[number]) for number in (0, 0, 1, 0)]
    assert found == [(0, b"a proof"), None, (1, b"a proof"), None] and run.done == {0, 1}


def test_a_child_with_another_key_says_nothing(tmp_path: Path) -> None:
    key = tmp_path / "job.key"
    key.write_bytes(KEY)
    key.chmod(0o600)
    sealed = seal(KEY[::-1], JOB, new_id(), b"a table")
    command = [sys.executable, "-m", "claims.cluster.child", str(key)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(len(sealed).to_bytes(8, "big") + sealed)
        child.stdin.flush()
        assert child.stdout.read() == b""
    assert child.returncode != 0
