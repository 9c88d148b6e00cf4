"""Options and commands of clusters that need no cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from desk import Desk

PROVE = ("prove", "-s", "lab.store", "-a", "agreement.toml", "-n", 0, "-k", "lab.key")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


def test_options_that_do_not_go_together_do_nothing(desk: Desk) -> None:
    pytest.importorskip("distributed")
    assert "needs --cluster-files" in desk.run(*PROVE, "--cluster", "tls://127.0.0.1:1", code=2)
    assert "belongs to --cluster ADDRESS" in desk.run(*PROVE, "--cluster-files", "run/nodes", code=2)
    assert "absolute" in desk.run("cluster", "init", "run", "--at", "here", code=2)
    assert "Keep both secret" in desk.run("cluster", "init", "run")
    assert "not there yet" in desk.run("cluster", "init", "run", code=2)
    assert "TLS only" in desk.run(*PROVE, "--cluster", "tcp://127.0.0.1:1", "--cluster-files", "run/nodes", code=2)
    assert "job.key" in desk.run(*PROVE, "--cluster", "tls://127.0.0.1:1", "--cluster-files", "run/scheduler", code=2)
    worker = ("cluster", "worker", "tls://127.0.0.1:1", "--memory", 16, "--threads", 8)
    assert "dask.yaml" in desk.run(*worker, "--files", "elsewhere", code=2)
    assert "--threads" in desk.run(*worker[:-2], "--files", "run/nodes", code=2)
    assert "dask.yaml" in desk.run("cluster", "scheduler", "--files", "elsewhere", code=2)


def test_nothing_of_dask_is_in_the_process_that_signs() -> None:
    code = "import sys, claims.cluster.prover, claims.cli.prove; print('distributed' in sys.modules, 'dask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False False\n"


def test_without_the_settings_of_a_run_dask_is_as_it_was_and_a_worker_proves_nothing() -> None:
    pytest.importorskip("distributed")
    code = """
import pickle, os
os.environ.pop("STANDSTILL_THREADS", None)
os.environ.pop("DASK_CONFIG", None)
before = pickle.loads
import claims.cluster.preload
from claims.cluster.worker import prove
print(pickle.loads is before)
print(prove(b""))
os.environ["STANDSTILL_THREADS"] = "1"
print(prove(b""))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0] == "True" and "STANDSTILL_THREADS" in said[1] and "DASK_CONFIG" in said[2]
