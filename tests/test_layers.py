"""Who may import whom: claims -> circuits -> zk and never back; a verifier needs Python's standard library alone."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("zk", "circuits", "claims")
ROOMS = (
    "base", "tlog", "agreement", "claim", "decisions", "inspection", "verify", "status", "site", "lab", "cluster",
    "imports", "collect", "demo", "cli",
)  # fmt: skip
"""Rooms of claims/ from the ground up: each imports what stands before it, and nothing that stands behind."""
VERIFIER_MODULES = ("zk.verifier", "zk.poseidon2", "circuits.claim", "circuits.opening", "circuits.statement")


def sources(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts)


def imported(path: Path) -> set[str]:
    """Full names of everything that a file imports, at any depth of its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def top(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def module_path(name: str) -> Path | None:
    """File of a module of this repository."""
    path = ROOT.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def closure(modules: tuple[str, ...]) -> dict[Path, set[str]]:
    """All files of this repository that the modules reach, and what each imports."""
    found: dict[Path, set[str]] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        for prefix in {name, name.rpartition(".")[0] or name}:
            path = module_path(prefix)
            if path is not None and path not in found:
                found[path] = imported(path)
                waiting += [n for n in found[path] if n.split(".")[0] in LAYERS]
    return found


@pytest.mark.parametrize("layer", range(len(LAYERS)))
def test_no_layer_imports_one_above_it(layer):
    above = set(LAYERS[layer + 1 :]) | {"bench", "tests"}
    for path in sources(LAYERS[layer]):
        assert not top(imported(path)) & above, path


def test_every_room_is_named():
    folders = {path.name for path in (ROOT / "claims").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(ROOMS)
    assert {path.name for path in (ROOT / "claims").glob("*.py")} == {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_imports_one_above_it(room):
    """Imports inside functions and under TYPE_CHECKING count."""
    above = ROOMS[ROOMS.index(room) + 1 :]
    for path in sources(f"claims/{room}"):
        found = {name for name in imported(path) if name.startswith("claims.") and name.split(".")[1] in above}
        assert not found, f"{path.relative_to(ROOT)} imports {sorted(found)}"


def test_no_file_is_too_long():
    """Lines of a file that one reads in one go; a program as data is no reading."""
    written = [*(path for package in (*LAYERS, "bench", "proofs", "tests") for path in sources(package))]
    written += [path for folder in ("page", "verifier") for path in (ROOT / "claims/site" / folder).glob("*.js")]
    written.remove(ROOT / "claims/site/verifier/claim-program.js")
    lengths = {path: len(path.read_text().splitlines()) for path in written}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > (600 if ROOT / "tests" in path.parents else 400)} == {}


def imports_between_files() -> dict[str, set[str]]:
    """Module to the modules of this repository that it imports, inside functions and under TYPE_CHECKING too."""
    files = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for package in (*LAYERS, "bench") for path in sources(package)}
    modules = {name.removesuffix(".__init__"): path for path, name in files.items()}
    return {name: {found for found in imported(path) if found in modules and found != name} for name, path in modules.items()}


def circles(graph: dict[str, set[str]]) -> list[tuple[str, ...]]:
    """Modules that reach one another (strongly connected components of more than one)."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen, waiting = set(), [start]
        while waiting:
            for name in graph[waiting.pop()] - seen:
                seen.add(name)
                waiting.append(name)
        reach[start] = seen
    return sorted({tuple(sorted({b for b in reach[a] if a in reach[b]})) for a in graph if a in reach[a]})


def test_no_imports_run_in_a_circle():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [("b", "c")]
    assert circles(imports_between_files()) == []


@pytest.mark.parametrize("package", ["zk", "circuits", "claims"])
def test_packages_import_nothing_by_themselves(package):
    assert imported(ROOT / package / "__init__.py") == set()


def test_what_a_verifier_reaches_is_the_standard_library():
    reached = closure(VERIFIER_MODULES)
    assert ROOT / "zk" / "field.py" in reached and ROOT / "zk" / "security.py" in reached
    for path, names in reached.items():
        foreign = top(names) - set(sys.stdlib_module_names) - set(LAYERS)
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"
        assert "zk.kernels" not in names and "zk.prover" not in names, path


def test_prover_and_verifier_never_import_each_other():
    assert "zk.prover" not in {n for names in closure(("zk.verifier",)).values() for n in names}
    if (ROOT / "zk" / "prover.py").exists():
        assert "zk.verifier" not in imported(ROOT / "zk" / "prover.py")


def test_no_file_of_the_verifier_checks_by_assert():
    """`assert` does nothing under -O."""
    for path in closure(VERIFIER_MODULES):
        found = [n.lineno for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Assert)]
        assert not found, f"{path}: assert in lines {found}"


def copy_of_the_verifier(folder: Path) -> None:
    for path in closure(VERIFIER_MODULES):
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def isolated(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs code with the copied files only: -I and -S shut out site-packages, PYTHONPATH and the working folder."""
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"
    return subprocess.run(
        [sys.executable, "-S", "-I", "-O", "-c", program, *arguments], capture_output=True, text=True, timeout=560
    )


VERIFY = """
import json
from zk.air import Program
from zk.errors import ProofRejected
from zk.options import Options
from zk.verifier import verify
data = json.load(open(sys.argv[1]))
lists = lambda x: tuple(tuple(i) if isinstance(i, list) else i for i in x)
program = Program(**{k: lists(v) if isinstance(v, list) else v for k, v in data["program"].items()})
arguments = (data["publics"], data["interactions"], data["log_rows"])
proof = bytes.fromhex(data["proof"])
options = Options(**data["options"])
report = verify(program, *arguments, proof, options, floor_bits=0, allow_insecure=True)
print(report.unique_decoding.weakest.name)
try:
    verify(program, *arguments, proof[:-1] + bytes([proof[-1] ^ 1]), options, floor_bits=0, allow_insecure=True)
except ProofRejected as error:
    print(error.check)
print([m for m in ("numpy", "numba", "cryptography", "zk.prover") if m in sys.modules])
"""


def test_a_copied_verifier_runs_without_site_packages(tmp_path):
    import json
    from dataclasses import asdict

    from tests.reference import toy
    from zk.options import INSECURE_TEST

    copy_of_the_verifier(tmp_path / "code")
    publics, interactions, _ = toy.instance(toy.LOG_ROWS)
    (tmp_path / "statement.json").write_text(
        json.dumps(
            {
                "program": asdict(toy.program()),
                "publics": publics,
                "interactions": interactions,
                "log_rows": toy.LOG_ROWS,
                "options": asdict(INSECURE_TEST),
                "proof": toy.slow_proof().hex(),
            }
        )
    )
    done = isolated(tmp_path / "code", VERIFY, str(tmp_path / "statement.json"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["query", "fri root", "[]"]


def test_the_copied_circuits_compile_without_site_packages(tmp_path):
    copy_of_the_verifier(tmp_path)
    names = "".join(f"import {name}\n" for name in VERIFIER_MODULES)
    done = isolated(tmp_path, names + "print([m for m in ('numpy', 'numba') if m in sys.modules])")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_isolated_run_has_no_site_packages(tmp_path):
    assert isolated(tmp_path, "import numpy").returncode != 0
