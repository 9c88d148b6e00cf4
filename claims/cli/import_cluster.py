"""``standstill import kubernetes|prometheus``: what clusters say of pods and chips."""

from __future__ import annotations

from pathlib import Path

import click

from claims.cli.group import agreement_argument, load_terms, read_path, store_option
from claims.cli.imports import (
    as_of_option,
    carry_out,
    default_meter_option,
    import_group,
    import_window,
    jobs_option,
    moment_of,
    window_options,
)

__all__ = ["import_kubernetes_files", "import_prometheus_files"]

_nodes = click.option("--nodes", type=read_path, help="CSV (node, meter, gpus) or TOML: which meter counts a node.")


@import_group.command("kubernetes")
@click.argument("paths", metavar="FILE...", type=read_path, nargs=-1, required=True)
@store_option
@agreement_argument
@_nodes
@click.option("--resource", "resources", multiple=True, metavar="NAME", help="Resource that is a chip. [default: nvidia.com/gpu, ...]")
@jobs_option
@default_meter_option
@as_of_option
@window_options
def import_kubernetes_files(
    paths: tuple[Path, ...], store_path: Path, agreement_path: Path, nodes: Path | None, resources: tuple[str, ...], jobs: Path | None,
    default_meter: str | None, as_of: str | None, begin: str | None, end: str | None, skip_outside: bool, again: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Import chip time from pods, and from Jobs whose pods are gone.

    FILE is what this prints (gzip is unpacked; several exports may overlap,
    each pod is charged once). A pod that is deleted is in no export: let cron
    make one more often than pods are removed.

    \b
    kubectl get pods,jobs -A -o json > pods-$(date +%FT%H).json
    standstill import kubernetes pods-*.json -s lab.store -a agreement.toml \\
      --nodes nodes.csv --jobs jobs.csv --dry-run \\
      --from 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z

    What kube-state-metrics shows of pods will do too:
    curl -s http://kube-state-metrics:8080/metrics > pods-$(date +%FT%H).prom

    \b
    nodes.csv                    jobs.csv, by namespace/owner
      node,meter,gpus              name,until,checkpoint
      gpu[001-064],hall-a,8        team/llm-*,,llm/step1000
    """
    from claims.imports.kubernetes import RESOURCES, KubernetesOptions, import_kubernetes
    from claims.imports.tables import read_jobs, read_nodes

    options = KubernetesOptions(
        read_nodes(nodes, default_meter), read_jobs(jobs), resources or RESOURCES, moment_of(as_of, "--as-of", up=True)
    )
    window = import_window(begin, end)
    carry_out(store_path, load_terms(agreement_path), dry_run, lambda store, terms: import_kubernetes(
        store, terms, paths, options, window=window, skip_outside=skip_outside, again=again))  # fmt: skip


@import_group.command("prometheus")
@click.argument("paths", metavar="FILE...", type=read_path, nargs=-1, required=True)
@store_option
@agreement_argument
@_nodes
@click.option("--step", type=click.FloatRange(0.1, 3600), required=True, help="Seconds of the query's step.")
@click.option("--node-label", default="Hostname", show_default=True, help="Label that names a chip's node.")
@click.option("--chip-label", default="UUID", show_default=True, help="Label that names the chip.")
@click.option("--job-label", "job_labels", multiple=True, default=("hpc_job",), show_default=True, help="Label with a job's id; repeat.")
@click.option("--name-label", "name_labels", multiple=True, default=("namespace", "pod", "container"), show_default=True,
              help="Label in a job's name; repeat.")  # fmt: skip
@click.option("--idle-at", type=click.FloatRange(0), default=0.0, show_default=True, help="Samples up to this are idle.")
@jobs_option
@default_meter_option
@window_options
def import_prometheus_files(
    paths: tuple[Path, ...], store_path: Path, agreement_path: Path, nodes: Path | None, step: float, node_label: str, chip_label: str,
    job_labels: tuple[str, ...], name_labels: tuple[str, ...], idle_at: float, jobs: Path | None, default_meter: str | None,
    begin: str | None, end: str | None, skip_outside: bool, again: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Import chip time from range queries, as for the time that a collector missed.

    A step is busy where its sample is above --idle-at. Steps without a sample,
    and chips without a series, are charged as unattributed.

    \b
    curl -sG http://prometheus:9090/api/v1/query_range -o gap.json \\
      --data-urlencode 'query=max_over_time(DCGM_FI_DEV_GPU_UTIL[60s])' \\
      -d start=2026-03-01T00:00:00Z -d end=2026-03-01T06:00:00Z -d step=60
    standstill import prometheus gap.json -s lab.store -a agreement.toml \\
      --nodes nodes.csv --step 60 --dry-run \\
      --from 2026-03-01T00:00:00Z --until 2026-03-01T06:00:00Z
    """
    from claims.imports.prometheus import PrometheusOptions, import_prometheus
    from claims.imports.tables import read_jobs, read_nodes

    options = PrometheusOptions(
        read_nodes(nodes, default_meter), read_jobs(jobs), round(step * 1000), node_label, chip_label, job_labels, name_labels, idle_at
    )
    window = import_window(begin, end)
    carry_out(store_path, load_terms(agreement_path), dry_run, lambda store, terms: import_prometheus(
        store, terms, paths, options, window=window, skip_outside=skip_outside, again=again))  # fmt: skip
