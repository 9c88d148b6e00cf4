"""Proofs on other machines: the folder of a run, its scheduler and workers, and the options of commands that prove."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims.base.errors import UnreadableFile
from claims.cli.group import cli, out, read_path

if TYPE_CHECKING:
    from claims.lab.prove import Prover

__all__ = ["cluster", "cluster_options", "prover_of"]


@cli.group()
def cluster() -> None:
    """Prove on many machines, by a Dask cluster (docs/cluster.md)."""


@cluster.command("init")
@click.argument("folder", type=read_path)
@click.option("--at", type=read_path, help="Where the cluster's machines will find it. [default: where it is made]")
@click.option("--days", type=click.IntRange(1, 90), default=7, show_default=True, help="Certificates end then.")
def cluster_init(folder: Path, at: Path | None, days: int) -> None:
    """Make the FOLDER of a run: certificates of its own authority, the job key, and Dask's settings.

    FOLDER/scheduler is for the scheduler. FOLDER/nodes is for workers and for `standstill prove`, and has the job key, which opens what
    travels: private readings. Give each machine its part, and set DASK_CONFIG to it there.
    """
    from claims.cluster.files import make_folder

    if at is not None and not at.is_absolute():
        raise click.UsageError("--at is an absolute path")
    make_folder(folder, at, days)
    out(f"{folder}/scheduler: for the scheduler. {folder}/nodes: for workers, and for standstill prove --cluster. Keep both secret.")


_more = click.argument("dask_options", metavar="[-- DASK OPTION...]", nargs=-1, type=click.UNPROCESSED)
_files = click.option("--files", type=read_path, required=True, help="Its part of the folder that standstill cluster init made.")


@cluster.command("scheduler")
@_files
@_more
def cluster_scheduler(files: Path, dask_options: tuple[str, ...]) -> None:
    """Run Dask's scheduler with the settings of a run, until it is stopped.

    DASK OPTIONs, such as `-- --host 10.0.0.1 --port 8786`, are those of `dask scheduler`.
    """
    _become("scheduler", files, "--no-dashboard", *dask_options)


@cluster.command("worker")
@click.argument("address")
@_files
@click.option("--memory", type=click.FloatRange(0.5, 100_000), required=True, help="What it may take, in GB (docs/cluster.md).")
@click.option("--threads", type=click.IntRange(1, 4096), required=True, help="Threads of a proof; a worker makes one at a time.")
@_more
def cluster_worker(address: str, files: Path, memory: float, threads: int, dask_options: tuple[str, ...]) -> None:
    """Run a worker for the scheduler at ADDRESS, tls://HOST:8786, until it is stopped; killed, it is started again.

    DASK OPTIONs, such as `-- --interface ib0`, are those of `dask worker`.
    """
    own = ("--nthreads", "1", "--resources", f"memory={memory * 1e9:.0f}", "--preload-nanny", "claims.cluster.preload")
    _become("worker", files, address, *own, "--no-dashboard", *dask_options, STANDSTILL_THREADS=str(threads))


def _become(what: str, files: Path, *options: str, **environment: str) -> None:
    """Go on as a process of Dask's."""
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        raise ModuleNotFoundError(name="distributed")
    settings = files.absolute() / "dask.yaml"
    if not settings.is_file():
        raise UnreadableFile(f"{settings}: there is none", "give the part of the folder that standstill cluster init made")
    sys.stdout.flush()
    command = [sys.executable, "-P", "-m", f"distributed.cli.dask_{what}", *options]
    os.execve(sys.executable, command, {**os.environ, **environment, "DASK_CONFIG": str(settings.parent)})


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--cluster and --cluster-files, for :func:`prover_of`."""
    where = click.option(
        "--cluster", "cluster_address", default="local", show_default=True, metavar="local|ADDRESS",
        help="Who proves: this process, on all processors; or the workers of the Dask scheduler at tls://HOST:PORT.",
    )  # fmt: skip
    files = click.option("--cluster-files", type=read_path, help="With an ADDRESS: the nodes folder that standstill cluster init made.")
    return where(files(command))


def prover_of(address: str, files: Path | None) -> Prover:
    """Who proves, by the options."""
    from claims.lab.prove import in_this_process

    if address == "local":
        if files is not None:
            raise click.UsageError("--cluster-files belongs to --cluster ADDRESS")
        return in_this_process
    if files is None:
        raise click.UsageError("--cluster ADDRESS needs --cluster-files")
    from claims.cluster.prover import on_cluster

    return on_cluster(address, files)
