"""Layers: claims -> circuits -> zk, never back; the verifier path imports the standard library alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("zk", "circuits", "claims", "bench")


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_no_layer_above_it(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    for path in sorted((ROOT / layer).rglob("*.py")):
        assert not _imports(path) & above, f"{path.relative_to(ROOT)} imports a layer above {layer}"


@pytest.mark.parametrize("package", ["zk", "circuits", "claims"])
def test_package_init_imports_nothing(package: str) -> None:
    assert not _imports(ROOT / package / "__init__.py")


def _loaded_by(module: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in out.stdout.split()}


@pytest.mark.parametrize("module", ["zk.verifier", "circuits.verify", "claims.verify", "claims.agreement_file"])
def test_the_verifier_needs_the_standard_library_alone(module: str) -> None:
    foreign = _loaded_by(module) - set(sys.stdlib_module_names) - {"zk", "circuits", "claims"}
    assert not foreign, f"{module} loads {sorted(foreign)}"


def test_the_command_line_starts_without_the_prover() -> None:
    assert not _loaded_by("claims.cli") & {"numba", "numpy", "galois", "rich", "py_ecc", "llvmlite"}
