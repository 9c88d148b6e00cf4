"""What a running process loads: the verifier the standard library alone, the command line no prover."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _loaded_by(module: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in out.stdout.split()}


@pytest.mark.parametrize("module", ["zk.verifier", "circuits.verify", "claims.verify.claim", "claims.agreement.file"])
def test_the_verifier_loads_the_standard_library_alone(module: str) -> None:
    foreign = _loaded_by(module) - set(sys.stdlib_module_names) - {"zk", "circuits", "claims"}
    assert not foreign, f"{module} loads {sorted(foreign)}"


def test_the_command_line_starts_without_the_prover() -> None:
    assert not _loaded_by("claims.cli.lab") & {"numba", "numpy", "galois", "rich", "py_ecc", "llvmlite", "cryptography"}


def test_the_entry_point_registers_every_command() -> None:
    """In a process of its own, where nothing else imports them."""
    code = "from claims.cli.main import cli, main\ntry: main(['--version'])\nexcept SystemExit: print(*cli.commands)"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"inspect", "log", "meter", "lab", "status", "site", "verify"} <= set(out.stdout.split()), out.stdout
