"""Mutated files: an importer reads them or refuses them with a typed error, and what it charges adds up."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from import_world import START, agreement_of, by_epoch, totals

from claims.base.errors import ClaimsError
from claims.imports.alibaba import TraceOptions, import_trace
from claims.imports.charge import Charged, Window
from claims.imports.checkpoint_list import ListOptions, import_checkpoint_list
from claims.imports.mllog import MllogOptions, import_mllog
from claims.imports.slurm import import_slurm
from claims.imports.slurm_rows import SlurmOptions
from claims.imports.tables import Clock, JobMap, read_jobs, read_nodes
from claims.imports.trainer import TrainerOptions, import_trainer_states
from claims.lab.store import Store

AGREEMENT = agreement_of({"a": ("h100", 64), "b": ("mi300x", 16)})
SLURM = b"""JobIDRaw|JobName|State|Submit|Start|End|ElapsedRaw|AllocTRES|NNodes|NodeList|ExitCode
1|train|COMPLETED|2026-01-01T00:00:00|2026-01-01T01:00:00|2026-01-01T02:00:00|3600|cpu=8,gres/gpu=8,gres/gpu:h200=8|1|n1|0:0
2|x|RUNNING|2026-01-01T00:00:00|2026-01-01T01:00:00|Unknown|5|gres/gpu=7|2|n[2,03-03]|0:0
2.0|x|RUNNING|2026-01-01T00:00:00|2026-01-01T01:00:00|Unknown|5|gres/gpu=7|2|n[2,03]|0:0
"""
NODES = b'default = "a"\n[[nodes]]\nnames = "n[1-2,03]"\nmeter = "a"\ngpus = 8\n'
JOBS = b"job,name,checkpoint\n1,,run-1\n,tr*,run-2\n"
LOG = b"".join(
    b':::MLLOG {"time_ms": %d, "key": "%s", "value": null}\n' % (START * 1000 + i * 1000, key)
    for i, key in enumerate((b"init_start", b"run_start", b"eval", b"run_stop", b"run_start"))
)
TRACE_NODES = b"sn,cpu_milli,memory_mib,gpu,model\nn0,64000,262144,8,V100M16\nn1,96000,1,8,G3\n"
PODS = b"""name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time
p,1,1,8,1000,,LS,Running,0,99,0
q,1,1,1,220,G3|V100M16,BE,Failed,5,99,
r,1,1,1,1000,,BE,Pending,5,99,
"""
STATE = b'{"global_step": 500, "total_flos": 1.3e17, "log_history": [{"step": 10, "train_runtime": 5.5}]}'
LIST = b"Step,run_id,segment,Ingredient,time,name\n0,a,1,1,2026-01-01T00:00:00Z,\n10,b,2,2,2026-01-01T02:00:00Z,foo\n"
TOKENS = [b"-", b"9" * 30, b"nan", b"1e99", b"[", b"]", b"{", b'"', b",", b"|", b"\n", b"\r", b"\0", b"\xff", b"None assigned",
          b"Unknown", b"gres/gpu=", b"2026-03-29T02:30:00", b"9999-12-31T23:59:59", b"0001-01-01T00:00:00", b"idle", b"true",
          b"null", b"[1-9]", b" ", b"Infinity", b"-1", b"1.5", b"\\ud800", b"2026-01-01T00:00:00+23:59"]  # fmt: skip


class _Undo(Exception):
    """Rolls a trial back."""


def mutated(data: bytes, source: random.Random) -> bytes:
    text = bytearray(data)
    for _ in range(source.choice((0, 1, 1, 1, 2, 3))):
        at = source.randrange(len(text) + 1)
        match source.randrange(4):
            case 0:
                text[at : at + 1] = bytes([source.randrange(256)])
            case 1:
                del text[at : at + source.randrange(12)]
            case 2:
                text[at : at + source.choice((0, 1, 4, 10))] = source.choice(TOKENS)
            case _:
                text[at:at] = text[at : at + source.randrange(60)]
    return bytes(text)


def _slurm(store: Store, write: Callable[[str, bytes], Path], source: random.Random, window: Window | None) -> Charged:
    nodes = read_nodes(write("nodes.toml", mutated(NODES, source) if source.random() < 0.2 else NODES), None)
    jobs = read_jobs(write("jobs.csv", mutated(JOBS, source) if source.random() < 0.2 else JOBS))
    options = SlurmOptions(Clock.of(source.choice(("UTC", "Europe/Berlin"))), nodes, jobs, None, source.random() < 0.2)
    return import_slurm(store, AGREEMENT, write("s", mutated(SLURM, source)), options, window=window, skip_outside=True)


def _mllog(store: Store, write: Callable[[str, bytes], Path], source: random.Random, window: Window | None) -> Charged:
    options = MllogOptions("b", 16, JobMap(), source.choice((None, "x")), None, source.random() < 0.5)
    return import_mllog(store, AGREEMENT, [write("m", mutated(LOG, source))], options, window=window, skip_outside=True)


def _trace(store: Store, write: Callable[[str, bytes], Path], source: random.Random, window: Window | None) -> Charged:
    options = TraceOptions(START * 1000, {"V100M16": "a", "G3": "b"}, JobMap(), None, source.random() < 0.3)
    files = write("n", mutated(TRACE_NODES, source)), write("p", mutated(PODS, source))
    return import_trace(store, AGREEMENT, *files, options, window=window, skip_outside=True)


def _state(store: Store, write: Callable[[str, bytes], Path], source: random.Random, window: Window | None) -> Charged:
    options = TrainerOptions("p", "a", 4, START * 1000, (START + 9000) * 1000)
    return import_trainer_states(store, AGREEMENT, [write("t", mutated(STATE, source)), write("u", STATE)], options)


def _list(store: Store, write: Callable[[str, bytes], Path], source: random.Random, window: Window | None) -> Charged:
    options = ListOptions("p", START * 1000, Fraction(3, 7), None, source.choice((None, "a")), 5, Fraction(10), "M")
    return import_checkpoint_list(store, AGREEMENT, write("c", mutated(LIST, source)), options)


@pytest.mark.parametrize("trial", [_slurm, _mllog, _trace, _state, _list])
def test_mutated_files_are_read_or_refused(trial: Callable[..., Charged], tmp_path: Path) -> None:
    def write(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    read = 0
    with Store.create(tmp_path / "alpha.store", "alpha") as store:
        for seed in range(600):
            source = random.Random(seed)
            window = source.choice((None, Window(START * 1000, (START + 7000) * 1000)))
            try:
                with store.transaction():
                    report = trial(store, write, source, window)
                    assert sum(report.chip_ms.values()) == sum(totals(store, AGREEMENT).values())
                    for meter in AGREEMENT.lab("alpha").meters:
                        room = AGREEMENT.coverage(meter) * 1000
                        assert all(0 <= ms <= room for ms in by_epoch(store, AGREEMENT, meter.name).values())
                    read += 1
                    raise _Undo
            except (_Undo, ClaimsError):
                assert totals(store, AGREEMENT) == {}
    assert 30 < read < 600
